"""TLS sessions that are resumed: towards upstreams, and by clients, whichever
worker takes their next connection."""
import contextlib
import hashlib
import os
import signal
import socket
import ssl
import subprocess
import unittest

import peers
import processes
import scratch
from rawclient import RawClient
from sealpost import Sealpost, message, section
from upstream import CapturingUpstream, Close, asks_for, only

END = b".\r\n"


def pin(path):
    der = ssl.PEM_cert_to_DER_cert(scratch.read(path).decode())
    return "sha256:" + hashlib.sha256(der).hexdigest()


def send(port):
    with RawClient(port) as c:
        c.ready(tls=False)
        code, text = c.command("MAIL FROM:<alice@example.com>")
        if code == 250:
            code, text = c.command("RCPT TO:<bob@example.net>")
        if code == 250:
            c.expect("DATA", 354)
            c.send(message() + END)
            code, text = c.reply()
        return code


class Way:
    """An upstream, or another way to one that there is already, with a
    listener that leads to it. Each message has a connection of its own."""

    def __init__(self, home, name, settings, to=None, **more):
        self.name, self.port = name, scratch.free_port()
        if to:
            self.files, self.up = to.files, to.up
        else:
            folder = os.path.join(home, name)
            os.mkdir(folder)
            self.files = scratch.certificate(folder, ("localhost",))
            self.up = CapturingUpstream(tls=self.files, resumes=True, **more)
        self.settings = {"address": f"localhost:{self.up.port}",
                         "tls": "starttls", "reuse_messages": "1"}
        self.settings.update(settings(self) if callable(settings)
                             else settings)
        if "tls_fingerprint" not in self.settings:
            self.settings.setdefault("ca_file", self.files[0])

    def text(self):
        return (section(f"listen {self.name}", {
                    "address": f"127.0.0.1:{self.port}", "tls": "none",
                    "require_tls": "no", "auth": "optional",
                    "trusted_networks": "127.0.0.1", "upstream": self.name}) +
                section(f"upstream {self.name}", self.settings))

    def resumed(self):
        return [s.resumed for s in self.up.sessions if s.tls]


class Upstreams(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.home = scratch.folder()
        cls.own = scratch.certificate(cls.home, ("relay.test",))
        ask = asks_for(cls.own[0])

        def leave_who_resumes(session, line):
            if session.resumed:
                raise Close

        def way(name, settings=None, **more):
            cls.ways[name] = Way(cls.home, name, settings or {}, **more)
            return cls.ways[name]
        cls.ways = {}
        first = way("verified")
        way("pinned", lambda w: {"tls_fingerprint": pin(w.files[0])})
        way("unverified", {"tls_verify": "no"})
        way("at-once", {"tls": "implicit"}, implicit_tls=True)
        way("older", tls_context=only(ssl.TLSVersion.TLSv1_2))
        way("asks", {"certificate": cls.own[0], "private_key": cls.own[1]},
            tls_context=ask)
        # Other demands on the same server.
        way("other-pin", {"tls_fingerprint": "sha256:" + "00" * 32}, to=first)
        way("other-ca", {"ca_file": cls.own[0]}, to=first)
        way("trusting", {"tls_verify": "no"}, to=first)
        way("reloaded")
        way("renewed")
        way("broken", script={"mail": leave_who_resumes,
                              "ehlo": leave_who_resumes})
        way("broken-older", tls_context=only(ssl.TLSVersion.TLSv1_2),
            script={"ehlo": leave_who_resumes})
        scratch.give_to(cls.home, "nobody")
        cls.sp = Sealpost(first.up.port,
                          extra="".join(w.text() for w in cls.ways.values()))

    @classmethod
    def tearDownClass(cls):
        try:
            cls.sp.stop()
        finally:
            for way in cls.ways.values():
                way.up.stop()
            scratch.remove(cls.home)

    def test_the_next_connections_resume(self):
        """And the log still says how the peer is known."""
        for name, how in (("pinned", "pinned"), ("unverified", "unverified"),
                          ("at-once", "verified"), ("older", "verified"),
                          ("asks", "verified")):
            way = self.ways[name]
            with self.subTest(name=name):
                for _ in range(4):
                    self.assertEqual(send(way.port), 250)
                self.assertEqual(way.resumed(), [False, True, True, True])
                lines = scratch.wait_for("the lines", lambda: [
                    line for line in self.sp.lines("message")
                    if f":{way.up.port}" in line["upstream"]][3:] or None)
                self.assertEqual(lines[0]["upstream_tls"].split("/")[2], how)

    def test_other_demands_are_looked_at_anew(self):
        first = self.ways["verified"]
        for _ in range(2):
            self.assertEqual(send(first.port), 250)
        self.assertEqual(first.resumed()[-1], True)
        for name, code in (("other-pin", 451), ("other-ca", 451),
                           ("trusting", 250)):
            with self.subTest(name=name):
                before = len(first.resumed())
                self.assertEqual(send(self.ways[name].port), code)
                self.assertNotIn(True, first.resumed()[before:])

    def test_a_server_that_has_forgotten(self):
        """Its tickets are void: a full handshake, judged like the first."""
        way = self.ways["renewed"]
        self.assertEqual([send(way.port), send(way.port)], [250, 250])
        way.up.forget_tickets()
        self.assertEqual([send(way.port), send(way.port)], [250, 250])
        self.assertEqual(way.resumed(), [False, True, False, True])
        way.up.certificate = self.own # another one, which ca_file disowns
        way.up.forget_tickets()
        self.assertEqual(send(way.port), 451)
        way.up.certificate = way.files
        way.up.forget_tickets()
        self.assertEqual(send(way.port), 250)
        self.assertEqual(way.resumed()[-1], False)

    def test_a_server_that_cannot_resume(self):
        """It fails one message, not all to come."""
        for name in ("broken", "broken-older"):
            way = self.ways[name]
            with self.subTest(name=name):
                self.assertEqual(send(way.port), 250)
                self.assertEqual(send(way.port), 451)
                self.assertEqual(send(way.port), 250)
                self.assertEqual(way.resumed(), [False, True, False])

    def test_z_reload(self):
        """Files that are read again begin with no sessions."""
        way = self.ways["reloaded"]
        self.assertEqual([send(way.port), send(way.port)], [250, 250])
        seen = len(self.sp.lines("reload"))
        self.sp.reload()
        self.sp.wait_line("reload", seen + 1)
        scratch.wait_for("a full handshake", lambda: (
            send(way.port), not way.resumed()[-1])[1])
        self.assertEqual(send(way.port), 250)
        self.assertTrue(way.resumed()[-1])


class Postfix(unittest.TestCase):
    def test_as_upstream(self):
        with contextlib.ExitStack() as stack:
            home = scratch.folder()
            stack.callback(scratch.remove, home)
            certificate, key = scratch.certificate(home, ("localhost",))
            server = stack.enter_context(peers.Postfix(
                files={"cert.pem": scratch.read(certificate),
                       "key.pem": scratch.read(key)}, extra="""
smtpd_tls_security_level = encrypt
smtpd_tls_cert_file = @H@/cert.pem
smtpd_tls_key_file = @H@/key.pem
smtpd_tls_loglevel = 2
"""))
            scratch.give_to(home, "nobody")
            listen = {"tls": "none", "require_tls": "no", "auth": "optional",
                      "trusted_networks": "127.0.0.1"}
            sp = stack.enter_context(Sealpost(
                f"localhost:{server.port}", listen=listen, upstream_settings={
                    "tls": "starttls", "ca_file": certificate,
                    "reuse_messages": "1"}))
            for _ in range(4):
                self.assertEqual(send(sp.port), 250)
            log = scratch.wait_for("the log", lambda: (
                t := server.log()).count("TLS connection established") >= 4
                and t)
            # It gives a ticket after a full handshake only, and one is good for
            # one connection.
            self.assertEqual(log.count("Reusing old session"), 2)


class Clients(unittest.TestCase):
    """Three workers; which of them takes a connection is the kernel's."""

    @classmethod
    def setUpClass(cls):
        cls.up = CapturingUpstream()
        cls.sp = Sealpost(cls.up.port, server={"workers": 3})

    @classmethod
    def tearDownClass(cls):
        try:
            cls.sp.stop()
        finally:
            cls.up.stop()

    @staticmethod
    def context(version=None):
        found = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        found.check_hostname, found.verify_mode = False, ssl.CERT_NONE
        if version:
            only(version)(found)
        return found

    def connect(self, tls, session=None):
        """(resumed, the session to go on with)"""
        with tls.wrap_socket(
                socket.create_connection(("127.0.0.1", self.sp.tls_port), 10),
                session=session) as s:
            self.assertEqual(s.recv(3), b"220") # tickets come with it
            return s.session_reused, s.session

    def all_resume(self, tls, session):
        return {self.connect(tls, session)[0] for _ in range(16)} == {True}

    def workers(self):
        return set(processes.of(self.sp, processes.WORKER))

    def test_every_worker_resumes(self):
        self.assertEqual(len(self.workers()), 3)
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            with self.subTest(version=version.name):
                tls = self.context(version)
                session = self.connect(tls)[1]
                self.assertTrue(self.all_resume(tls, session))

    def test_openssl(self):
        home = scratch.folder()
        self.addCleanup(scratch.remove, home)
        kept = os.path.join(home, "session.pem")

        def run(*options):
            return subprocess.run(
                ["openssl", "s_client", "-starttls", "smtp", "-connect",
                 f"127.0.0.1:{self.sp.port}", *options], capture_output=True,
                input=b"QUIT\r\n", timeout=20).stdout
        self.assertIn(b"New, TLSv1.3", run("-sess_out", kept, "-ign_eof"))
        for _ in range(6):
            self.assertIn(b"Reused, TLSv1.3", run("-sess_in", kept))

    def test_y_what_comes_later(self):
        """A worker that replaces a dead one, and all after reloads of data
        and of the configuration, have the same secret."""
        tls = self.context()
        session = self.connect(tls)[1]
        before = self.workers()
        os.kill(min(before), signal.SIGKILL)
        scratch.wait_for("another worker", lambda: len(
            self.workers() - before) == 1 and len(self.workers()) == 3)
        self.assertTrue(self.all_resume(tls, session))
        for event in ("reload", "ready"):
            seen = len(self.sp.lines(event))
            if event == "ready": # the configuration has changed
                scratch.write(self.sp.config,
                              scratch.read(self.sp.config) + b"\n")
            self.sp.reload()
            self.sp.wait_line(event, seen + 1)
            with self.subTest(event=event):
                self.assertTrue(self.all_resume(tls, session))
