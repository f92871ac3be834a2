"""Clients that log in with a certificate: AUTH EXTERNAL."""
import base64
import hashlib
import os
import subprocess

import scratch
from rawclient import trusting
from sealpost import message, section
from wire import RECIPIENT, SENDER, Client, WireCase

END = b".\r\n"


def openssl(*arguments):
    return subprocess.run(["openssl", *arguments], check=True,
                          capture_output=True, stdin=subprocess.DEVNULL).stdout


class Authority:
    def __init__(self, home, name):
        self.home = home
        self.certificate = os.path.join(home, name + ".pem")
        self.key = os.path.join(home, name + ".key")
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt",
                "ec_paramgen_curve:P-256", "-nodes", "-days", "30", "-subj",
                "/CN=" + name, "-keyout", self.key, "-out", self.certificate)

    def issue(self, name, subject, days="30"):
        """(certificate, key)"""
        base = os.path.join(self.home, name)
        openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                "-nodes", "-subj", subject, "-keyout", base + ".key", "-out",
                base + ".csr")
        openssl("x509", "-req", "-in", base + ".csr", "-CA", self.certificate,
                "-CAkey", self.key, "-CAcreateserial", "-days", days, "-out",
                base + ".pem")
        return base + ".pem", base + ".key"


def subject_of(path):
    return openssl("x509", "-noout", "-subject", "-nameopt", "RFC2253", "-in",
                   path).decode().strip().removeprefix("subject=")


def fingerprint(path):
    text = openssl("x509", "-noout", "-fingerprint", "-sha256", "-in", path)
    return "sha256:" + text.decode().strip().partition("=")[2]


def key_fingerprint(path):
    return "sha256:" + hashlib.sha256(openssl(
        "pkey", "-in", path, "-pubout", "-outform", "DER")).hexdigest()


class External(WireCase):
    users = {"alice": ("correct horse", "example.com"),
             "bob": ("bobs own", "example.com"),
             "carol": ("carols own", "example.com")}

    @classmethod
    def extra_text(cls):
        cls.home = scratch.folder()
        ca, other = Authority(cls.home, "ca"), Authority(cls.home, "other")
        cls.certificates = {
            "alice": ca.issue("alice", "/O=Example, Inc./CN=alice"),
            "stranger": ca.issue("stranger", "/O=Example, Inc./CN=eve"),
            "forged": other.issue("forged", "/O=Example, Inc./CN=alice"),
            "bob": other.issue("bob", "/CN=whoever"),
            "carol": other.issue("carol", "/CN=carol"),
            "expired": other.issue("expired", "/CN=old", days="0")}
        files = cls.certificates
        server, key = scratch.certificate(cls.home)
        scratch.give_to(cls.home, "nobody")
        cls.port, cls.plain_port = scratch.free_port(), scratch.free_port()
        cls.alone_port = scratch.free_port()
        cls.machine_port = scratch.free_port()
        common = {"certificate": server, "private_key": key, "tls": "implicit",
                  "upstream": "smarthost", "xclient_from": "127.0.0.1"}
        return (section("listen alone", {
                    **common, "address": f"127.0.0.1:{cls.alone_port}",
                    "tls_client_users":
                        f"{fingerprint(files['bob'][0])} = bob"}) +
                section("listen machines", {
                    **common, "address": f"127.0.0.1:{cls.machine_port}",
                    "auth": "none", "tls_client_users":
                        f"{fingerprint(files['bob'][0])} = bob"}) +
                section("listen certified", {
                    **common, "address": f"127.0.0.1:{cls.port}",
                    "auth_mechanisms": "plain, external",
                    "tls_client_ca": ca.certificate,
                    "tls_client_users":
                        f"subject:{subject_of(files['alice'][0])} = alice"}) +
                f"tls_client_users += {fingerprint(files['bob'][0])} = Bob\n"
                f"tls_client_users += {key_fingerprint(files['carol'][1])}"
                " = carol\n"
                f"tls_client_users += {fingerprint(files['expired'][0])}"
                " = carol\n" +
                section("listen uncertified", {
                    **common, "address": f"127.0.0.1:{cls.plain_port}"}))

    @classmethod
    def tearDownClass(cls):
        try:
            super().tearDownClass()
        finally:
            scratch.remove(cls.home)

    def context(self, name):
        tls = trusting()
        if name:
            tls.load_cert_chain(*self.certificates[name])
        return tls

    def meet(self, name, port=None, tls=None, session=None):
        c = Client(port or self.port, self.up, greeting=False)
        self.addCleanup(c.close)
        c.socket = (tls or self.context(name)).wrap_socket(c.socket,
                                                           session=session)
        c.judged = False # a greeting has no code and no id
        c.reply()
        c.judged = True
        c.offer = c.expect("EHLO client.test", 250)
        return c

    def deliver(self, c):
        c.envelope(SENDER, RECIPIENT)
        self.assertEqual(c.content(message() + END)[0], 250)
        return self.sp.lines("message")[-1]

    def test_who_may(self):
        for name, user, how in (("alice", "alice", "verified"),
                                ("bob", "bob", "pinned"),
                                ("carol", "carol", "pinned")):
            with self.subTest(name=name):
                c = self.meet(name)
                self.assertRegex(c.offer, r"(?m)^AUTH .*\bEXTERNAL\b")
                c.expect("AUTH EXTERNAL =", 235)
                line = self.deliver(c)
                self.assertEqual(line["user"], user)
                self.assertEqual(line["tls"].split("/")[2], how)
                self.assertEqual(line["signed"][:12], "example.com/")
        login = self.sp.lines("login")[-1]
        self.assertEqual((login["user"], login["mech"], login["result"]),
                         ("carol", "EXTERNAL", "ok"))

    def test_who_may_not(self):
        for name, how in ((None, "none"), ("stranger", "verified"),
                          ("forged", "unverified"), ("expired", "unverified")):
            with self.subTest(name=name):
                c = self.meet(name)
                self.assertNotIn("EXTERNAL", c.offer)
                self.assertIn("AUTH PLAIN", c.offer)
                c.expect("AUTH EXTERNAL =", 504)
                c.expect("MAIL FROM:<alice@example.com>", 530)
                c.login("alice", "correct horse") # a password always may
                self.assertEqual(self.deliver(c)["tls"].split("/")[2], how)

    def test_only_where_it_is_configured(self):
        c = self.meet("alice", self.plain_port)
        self.assertNotIn("EXTERNAL", c.offer)
        c.expect("AUTH EXTERNAL =", 504)

    def test_the_certificate_alone(self):
        """Without `external` no AUTH is needed, and one is still possible."""
        c = self.meet("bob", self.alone_port)
        self.assertNotIn("EXTERNAL", c.offer)
        line = self.deliver(c)
        self.assertEqual((line["user"], line["tls"].split("/")[2]),
                         ("bob", "pinned"))
        self.assertEqual(line["signed"][:12], "example.com/")
        self.assertEqual(self.sp.lines("login")[-1]["mech"], "certificate")
        c.login("alice", "correct horse")
        self.assertEqual(self.deliver(c)["user"], "alice")
        for name in (None, "forged"):
            self.meet(name, self.alone_port).expect(
                f"MAIL FROM:<{SENDER}>", 530)

    def test_nothing_but_certificates(self):
        c = self.meet("bob", self.machine_port)
        self.assertNotIn("AUTH", c.offer)
        self.assertEqual(self.deliver(c)["user"], "bob")
        self.meet(None, self.machine_port).expect(
            f"MAIL FROM:<{SENDER}>", 530)

    def test_the_certificate_alone_of_a_locked_user(self):
        self.sp.tool("user", "lock", "bob")
        try:
            scratch.wait_for("the lock", lambda: self.meet(
                "bob", self.alone_port).command(
                    f"MAIL FROM:<{SENDER}>")[0] == 530)
        finally:
            self.sp.tool("user", "unlock", "bob")
        scratch.wait_for("its end", lambda: self.meet(
            "bob", self.alone_port).command(f"MAIL FROM:<{SENDER}>")[0] == 250)

    def test_xclient_lends_no_certificate(self):
        for port, offered in ((self.port, "EXTERNAL"), (self.alone_port, "")):
            with self.subTest(port=port):
                c = self.meet("bob", port)
                self.assertIn(offered, c.offer)
                c.send("XCLIENT ADDR=192.0.2.1\r\n")
                c.judged = False
                self.assertEqual(c.reply()[0], 220)
                c.judged = True
                self.assertNotIn("EXTERNAL", c.expect("EHLO far.test", 250))
                c.expect("AUTH EXTERNAL =", 504)
                c.expect(f"MAIL FROM:<{SENDER}>", 530)

    def test_TA_23_authzid(self):
        for text, code in (("alice", 235), ("ALICE", 235), ("bob", 535),
                           ("", 235), ("alice\0bob", 535), ("x" * 300, 535)):
            with self.subTest(authzid=text):
                token = base64.b64encode(text.encode()).decode() or "="
                self.meet("alice").expect("AUTH EXTERNAL " + token, code)

    def test_without_initial_response(self):
        c = self.meet("alice")
        self.assertEqual(c.command("AUTH EXTERNAL"), (334, ""))
        self.assertEqual(c.command("")[0], 235)
        c = self.meet("alice")
        c.expect("AUTH EXTERNAL", 334)
        c.expect("*", 501)
        c.expect("AUTH EXTERNAL", 334)
        c.expect(base64.b64encode(b"alice").decode(), 235)
        c.expect("AUTH EXTERNAL =", 503)

    def test_a_locked_user(self):
        self.sp.tool("user", "lock", "carol")
        try:
            scratch.wait_for(
                "the lock", lambda: self.meet("carol").command(
                    "AUTH EXTERNAL =")[0] == 535)
        finally:
            self.sp.tool("user", "unlock", "carol")
        scratch.wait_for("its end", lambda: self.meet("carol").command(
            "AUTH EXTERNAL =")[0] == 235)

    def test_resumed(self):
        """The ticket stands for the certificate, and on no other listener."""
        tls = self.context("alice")
        first = self.meet("alice", tls=tls)
        first.expect("NOOP", 250)
        session = first.socket.session
        c = self.meet(None, tls=tls, session=session)
        self.assertTrue(c.socket.session_reused)
        c.expect("AUTH EXTERNAL =", 235)
        c = self.meet(None, self.plain_port, tls=tls, session=session)
        self.assertFalse(c.socket.session_reused)

    def test_issuers_are_named(self):
        """Mail clients choose the certificate to show by these names."""
        done = subprocess.run(
            ["openssl", "s_client", "-connect", f"127.0.0.1:{self.port}"],
            input=b"QUIT\r\n", capture_output=True, timeout=20).stdout
        self.assertIn(b"Acceptable client certificate CA names\nCN = ca\n",
                      done)

    def test_configuration(self):
        with open(self.sp.config) as f:
            text = f.read()
        path = scratch.write(os.path.join(self.home, "other.conf"),
                             text.replace(" = Bob\n", " = nobody-such\n"))
        done = subprocess.run([scratch.program("sealpostd"), "-t", "-c", path],
                              capture_output=True, check=False)
        self.assertEqual(done.returncode, 78)
        self.assertIn(b"tls_client_users: nobody-such is not in users.conf; "
                      b"sealpost user add nobody-such", done.stderr)
