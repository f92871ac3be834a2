"""TLS towards clients: which certificate is shown, what is refused, and what a
reload of certificates leaves alone."""
import os
import socket
import ssl
import subprocess

import scratch
from rawclient import trusting
from sealpost import message, section
from wire import RECIPIENT, SENDER, Client, WireCase

END = b".\r\n"


def names(certificate):
    """The DNS names of a PEM or DER certificate."""
    text = subprocess.run(
        ["openssl", "x509", "-noout", "-ext", "subjectAltName"],
        input=certificate if isinstance(certificate, bytes) else
        certificate.encode(), check=True, capture_output=True).stdout.decode()
    return {n[4:] for n in text.replace(",", " ").split()
            if n.startswith("DNS:")}


class Pair:
    """A certificate and its key in a folder that can be written again."""

    def __init__(self, home, name, alt, kind="ec"):
        self.folder, self.alt, self.kind = os.path.join(home, name), alt, kind
        os.mkdir(self.folder)
        os.chmod(self.folder, 0o755)
        self.renew()

    def renew(self):
        self.certificate, self.key = scratch.certificate(
            self.folder, self.alt, kind=self.kind)
        scratch.give_to(self.folder, "nobody")


class Listeners(WireCase):
    """Two listeners that both have three certificates; the second one speaks
    TLS 1.3 only."""
    users = {"alice": ("correct horse", "example.com")}

    @classmethod
    def extra_text(cls):
        cls.home = scratch.folder()
        cls.pairs = [Pair(cls.home, "ec", ("relay.test",)),
                     Pair(cls.home, "rsa", ("relay.test",), "rsa:2048"),
                     Pair(cls.home, "other", ("*.customer.test",))]
        cls.sni, cls.modern = scratch.free_port(), scratch.free_port()
        common = {"tls": "implicit", "upstream": "smarthost",
                  "certificate": ", ".join(p.certificate for p in cls.pairs),
                  "private_key": ", ".join(p.key for p in cls.pairs)}
        return (section("listen sni", {
                    "address": f"127.0.0.1:{cls.sni}", **common}) +
                section("listen modern", {
                    "address": f"127.0.0.1:{cls.modern}", **common,
                    "tls_min_version": "1.3"}))

    @classmethod
    def tearDownClass(cls):
        try:
            super().tearDownClass()
        finally:
            scratch.remove(cls.home)

    def shown(self, host=None, port=None, **settings):
        with self.connect(port or self.sni, host, **settings) as s:
            return s.getpeercert(True)

    @staticmethod
    def connect(port, host=None, tls=None, session=None, **settings):
        return (tls or trusting(**settings)).wrap_socket(
            socket.create_connection(("127.0.0.1", port), 10),
            server_hostname=host, session=session)

    def der(self, pair):
        return scratch.der(pair.certificate)

    def test_the_name_asked_for_decides(self):
        ec, _, other = (self.der(p) for p in self.pairs)
        for host, want in ((None, ec), ("relay.test", ec),
                           ("a.customer.test", other),
                           ("A.CUSTOMER.test", other),
                           ("a.b.customer.test", ec), ("unknown.test", ec)):
            with self.subTest(host=host):
                self.assertEqual(self.shown(host), want)

    def test_what_the_client_can_verify_decides(self):
        for host, suites, want in (
                ("relay.test", "ECDHE-RSA-AES128-GCM-SHA256", 1),
                ("relay.test", "ECDHE-ECDSA-AES128-GCM-SHA256", 0),
                (None, "ECDHE-RSA-AES128-GCM-SHA256", 1)):
            tls = trusting(maximum_version=ssl.TLSVersion.TLSv1_2)
            tls.set_ciphers(suites)
            with self.subTest(host=host, suites=suites), \
                    self.connect(self.sni, host, tls) as s:
                self.assertEqual(s.getpeercert(True),
                                 self.der(self.pairs[want]))

    def test_openssl_verifies_the_name(self):
        done = subprocess.run(
            ["openssl", "s_client", "-connect", f"127.0.0.1:{self.sni}",
             "-servername", "a.customer.test", "-verify_hostname",
             "a.customer.test", "-verify_return_error", "-CAfile",
             self.pairs[2].certificate], input=b"QUIT\r\n",
            capture_output=True, timeout=20)
        self.assertIn(b"Verification: OK", done.stdout)

    def test_other_protocols_are_refused(self):
        for offered, works in ((["smtp"], True), (["h2", "http/1.1"], False),
                               (["h2", "smtp"], True), (["ftp"], False)):
            tls = trusting()
            tls.set_alpn_protocols(offered)
            with self.subTest(offered=offered):
                if works:
                    with self.connect(self.sni, tls=tls) as s:
                        self.assertEqual(s.selected_alpn_protocol(), "smtp")
                        self.assertEqual(s.recv(3), b"220")
                else:
                    with self.assertRaisesRegex(ssl.SSLError,
                                                "(?i)no.application.protocol"):
                        self.connect(self.sni, tls=tls)

    def test_the_oldest_version(self):
        for port, works in ((self.sni, True), (self.modern, False)):
            with self.subTest(port=port):
                if works:
                    with self.connect(
                            port,
                            maximum_version=ssl.TLSVersion.TLSv1_2) as s:
                        self.assertEqual(s.version(), "TLSv1.2")
                else:
                    with self.assertRaises(ssl.SSLError):
                        self.connect(port,
                                     maximum_version=ssl.TLSVersion.TLSv1_2)
        with self.connect(self.modern) as s:
            self.assertEqual(s.version(), "TLSv1.3")

    def resumed(self, first, second, **settings):
        """Does a ticket of one port shorten the handshake at the other?"""
        tls = trusting(**settings)
        with self.connect(first, tls=tls) as s:
            self.assertEqual(s.recv(3), b"220") # tickets come with it
            session = s.session
        self.assertIsNotNone(session)
        with self.connect(second, tls=tls, session=session) as s:
            self.assertEqual(s.recv(3), b"220")
            return s.session_reused

    def test_tickets_stay_with_their_listener(self):
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            settings = {"minimum_version": version, "maximum_version": version}
            with self.subTest(version=version.name):
                self.assertTrue(self.resumed(self.sni, self.sni, **settings))
                self.assertFalse(self.resumed(self.sni, self.sp.tls_port,
                                              **settings))
        self.assertFalse(self.resumed(self.sni, self.modern))
        self.assertTrue(self.resumed(self.modern, self.modern))

    def logged_in(self):
        c = Client(self.sni, self.up, tls=True)
        self.addCleanup(c.close)
        c.expect("EHLO client.test", 250)
        c.login("alice", "correct horse")
        return c

    def reload(self, event):
        seen = len(self.sp.lines(event))
        self.sp.reload()
        self.sp.wait_line(event, seen + 1)

    def test_z_reload(self):
        """All certificates or none, and the sessions go on."""
        inside = self.logged_in()
        inside.envelope(SENDER, RECIPIENT)
        outside = self.logged_in()
        before = [self.der(p) for p in self.pairs]
        self.pairs[0].renew()
        key = scratch.read(self.pairs[2].key)
        self.pairs[2].renew() # certificate and key would go together ...
        scratch.write(self.pairs[2].key, key, 0o600) # ... but do not
        scratch.give_to(self.pairs[2].folder, "nobody")
        self.reload("reload-refused")
        self.assertIn(self.pairs[2].key, self.sp.log())
        self.assertEqual(self.shown("relay.test"), before[0])
        self.assertEqual(self.shown("a.customer.test"), before[2])
        self.pairs[2].renew()
        self.reload("reload")
        scratch.wait_for("the new certificate",
                         lambda: self.shown() == self.der(self.pairs[0]))
        self.assertEqual(self.shown("a.customer.test"), self.der(self.pairs[2]))
        self.assertNotEqual(self.der(self.pairs[2]), before[2])
        self.assertEqual(inside.content(message() + END)[0], 250)
        outside.envelope(SENDER, RECIPIENT)
        self.assertEqual(outside.content(message() + END)[0], 250)
