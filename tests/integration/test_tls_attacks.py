"""What attackers do around STARTTLS: rows TA-01 to TA-15."""
import os
import socket
import ssl
import subprocess
import time

import scratch
from rawclient import trusting
from tlscase import TlsCase
from wire import END, HEAD, RECIPIENT, SENDER, Client

STALLED = 10


class Tls(TlsCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.stalled = []
        cls.began = time.monotonic()
        for n in range(STALLED):
            if n % 2:
                s = socket.create_connection(("127.0.0.1", cls.sp.tls_port))
                s.sendall(b"\x16\x03\x01\x02\0\x01\0" [:n])
            else:
                c = Client(cls.sp.port, cls.up)
                c.expect("EHLO client.test", 250)
                c.expect("STARTTLS", 220)
                s = c.socket
            cls.stalled.append(s)

    @classmethod
    def tearDownClass(cls):
        for s in cls.stalled:
            s.close()
        super().tearDownClass()

    INJECTED = ("NOOP\r\n", "RSET\r\n", "EHLO smug\r\n",
                "MAIL FROM:<smug@example.com>\r\n", "MAIL FRO")

    def injected(self, row, gap):
        for text in self.INJECTED:
            with self.row(row, text=text):
                c = self.clear()
                if gap:
                    c.send("STARTTLS\r\n")
                    time.sleep(gap)
                    c.send(text)
                else:
                    c.send("STARTTLS\r\n" + text)
                self.assertEqual(c.reply()[0], 220)
                self.assertEqual(c.buffer, b"")
                try:
                    c.wrap()
                except (ssl.SSLError, OSError):
                    continue # closed: as good
                # Each reply can be of its own command only.
                self.assertIn("PIPELINING", c.expect("EHLO client.test", 250))
                c.expect("VRFY x", 252)
                c.expect("STARTTLS", 503)
                self.assertEqual(c.buffer, b"")

    def test_TA_01_injected_in_one_segment(self):
        self.injected("TA-01", 0)

    def test_TA_02_injected_in_a_second_segment(self):
        self.injected("TA-02", 0.05)

    def test_TA_03_envelope_does_not_cross(self):
        with self.row("TA-03"):
            c = self.clear()
            c.expect(f"MAIL FROM:<{SENDER}>", 530)
            c.starttls()
            c.expect(f"RCPT TO:<{RECIPIENT}>", 503)
            c.expect(f"MAIL FROM:<{SENDER}>", 503) # EHLO is forgotten too

    def test_TA_04_argument(self):
        with self.row("TA-04"):
            c = self.clear()
            c.expect("STARTTLS now", 501)
            c.starttls()

    def test_TA_05_starttls_inside_tls(self):
        with self.row("TA-05", port="starttls"):
            c = self.clear()
            c.starttls()
            self.assertNotIn("STARTTLS", c.expect("EHLO client.test", 250))
            self.assertEqual(c.command("STARTTLS")[0] // 100, 5)
            c.expect("NOOP", 250)
        with self.row("TA-05", port="implicit"):
            c = self.client(self.sp.tls_port, tls=True)
            self.assertNotIn("STARTTLS", c.expect("EHLO client.test", 250))
            self.assertEqual(c.command("STARTTLS")[0] // 100, 5)

    def test_TA_06_junk_for_a_client_hello(self):
        for junk in (b"EHLO smug\r\n" * 4, b"\0" * 64, b"\xff" * 64,
                     b"\x16\x03\x01\xff\xff" + b"A" * 64,
                     b"\x80\x2e\x01\x00\x02" + b"\0" * 43):
            with self.row("TA-06", junk=junk[:8]):
                c = self.clear()
                c.expect("STARTTLS", 220)
                c.send(junk)
                self.dead(c) # by itself: we have not closed

    def test_TA_07_clear_text_inside_the_stream(self):
        with self.row("TA-07"):
            c = self.mixed()
            c.socket.socket.sendall(b"MAIL FROM:<smug@example.com>\r\n")
            self.dead(c)

    def test_TA_08_close_notify_in_data(self):
        for tail in (b"\r\n.\r\n", b"x", b"\n"):
            with self.row("TA-08", tail=tail):
                c = self.mixed()
                c.envelope(SENDER, RECIPIENT)
                c.send(HEAD + b"x")
                c.socket.end_notice(tail)
                self.dead(c)

    def test_TA_09_fin_without_close_notify(self):
        with self.row("TA-09"):
            c = self.mixed()
            c.envelope(SENDER, RECIPIENT)
            c.send(HEAD + b"x\r\n")
            c.socket.socket.shutdown(socket.SHUT_WR)
            self.dead(c)

    def test_TA_10_old_protocols_and_ciphers(self):
        old = {"minimum_version": ssl.TLSVersion.TLSv1}
        for name, settings, ciphers in (
                ("TLS 1.0", {**old, "maximum_version": ssl.TLSVersion.TLSv1},
                 "ALL:@SECLEVEL=0"),
                ("TLS 1.1", {**old, "maximum_version": ssl.TLSVersion.TLSv1_1},
                 "ALL:@SECLEVEL=0"),
                ("NULL", {"maximum_version": ssl.TLSVersion.TLSv1_2},
                 "eNULL:@SECLEVEL=0"),
                ("anonymous", {"maximum_version": ssl.TLSVersion.TLSv1_2},
                 "aNULL:@SECLEVEL=0")):
            found = trusting(**settings)
            found.set_ciphers(ciphers)
            # Its word, not that of our library, which may refuse by itself.
            with self.row("TA-10", offered=name), self.assertRaisesRegex(
                    ssl.SSLError, "ALERT_(PROTOCOL_VERSION|HANDSHAKE_FAILURE)"):
                found.wrap_socket(socket.create_connection(
                    ("127.0.0.1", self.sp.tls_port), 10))
        for name, suite in (("RC4", 0x0005), ("RC4-MD5", 0x0004),
                            ("EXPORT", 0x0003), ("3DES", 0x000a),
                            ("EXPORT-DES", 0x0008)):
            with self.row("TA-10", offered=name):
                self.no_server_hello(hello(suite))
        with self.row("TA-10", offered="SSLv2"):
            self.no_server_hello(b"\x80\x1f\x01\x00\x02\x00\x06\x00\x00\x00"
                                 b"\x10\x07\x00\xc0\x03\x00\x80" + b"r" * 16)
        with self.row("TA-10", offered="a good suite: the test can fail"):
            self.assertEqual(self.first_record(hello(0xc02b)), 0x16)

    def first_record(self, data):
        with socket.create_connection(("127.0.0.1", self.sp.tls_port),
                                      10) as s:
            s.sendall(data)
            s.shutdown(socket.SHUT_WR)
            try:
                got = s.recv(4096)
            except ConnectionResetError:
                got = b""
        return got[0] if got else 0

    def no_server_hello(self, data):
        self.assertNotEqual(self.first_record(data), 0x16)

    def test_TA_11_renegotiation(self):
        with self.row("TA-11"):
            client = subprocess.Popen(
                ["openssl", "s_client", "-connect",
                 f"127.0.0.1:{self.sp.tls_port}", "-tls1_2"],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT)
            self.until(client, b"220 ")
            client.stdin.write(b"R\n") # s_client's word for it
            client.stdin.flush()
            self.assertIn(b"no renegotiation", self.until(client, b"error"))
            client.communicate(timeout=10)

    @staticmethod
    def until(client, word):
        got = b""
        while word not in got and (data := os.read(client.stdout.fileno(),
                                                   4096)):
            got += data
        return got

    def test_TA_12_stalled_handshakes(self):
        with self.row("TA-12", delivered=1):
            began = time.monotonic()
            self.ordinary()
            self.assertLess(time.monotonic() - began, 5)

    def test_z_TA_12_stalled_handshakes_are_cut(self):
        """Last of its class: the 30 s have nearly passed by then."""
        with self.row("TA-12", end="30 s"):
            for s in self.stalled:
                s.settimeout(max(1, self.began + 34 - time.monotonic()))
                got = b""
                try:
                    while data := s.recv(100):
                        got += data
                except ConnectionResetError:
                    pass
                self.assertNotRegex(got, rb"(?m)^[245]\d\d[ -]")
            self.assertGreater(time.monotonic() - self.began, 20)

    def test_TA_13_tickets_stay_with_their_listener(self):
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            with self.row("TA-13", version=version.name):
                tls = trusting(maximum_version=version,
                               minimum_version=version)
                c = self.clear()
                c.expect("STARTTLS", 220)
                c.socket = tls.wrap_socket(c.socket)
                c.expect("EHLO client.test", 250) # tickets come with it
                session = c.socket.session
                self.assertIsNotNone(session)
                with tls.wrap_socket(
                        socket.create_connection(
                            ("127.0.0.1", self.sp.tls_port), 10),
                        session=session) as s:
                    self.assertEqual(s.recv(3), b"220")
                    self.assertFalse(s.session_reused)

    def test_TA_14_clear_text_to_the_tls_port(self):
        with self.row("TA-14"):
            c = self.client(self.sp.tls_port, greeting=False)
            c.send("EHLO smug\r\n")
            self.assertNotIn(b"220", self.dead(c))
        with self.row("TA-14", silent=True):
            c = self.client(self.sp.tls_port, greeting=False)
            c.socket.settimeout(0.5)
            with self.assertRaises(TimeoutError):
                c.socket.recv(100)

    def test_TA_15_replaced_certificate(self):
        with self.row("TA-15", delivered=1):
            old = self.session()
            before = old.socket.getpeercert(True)
            scratch.certificate(self.sp.home)
            scratch.give_to(self.sp.home, "nobody")
            self.sp.reload()

            def fresh():
                with Client(self.sp.tls_port, self.up, tls=True) as c:
                    return c.socket.getpeercert(True) != before
            scratch.wait_for("the new certificate", fresh)
            old.envelope(SENDER, RECIPIENT)
            self.assertEqual(old.content(HEAD + END)[0], 250)


def hello(suite):
    """A ClientHello of TLS 1.2 with one suite."""
    extensions = (b"\0\x0a\0\x04\0\x02\0\x17" b"\0\x0b\0\x02\x01\0"
                  b"\0\x0d\0\x06\0\x04\x04\x03\x04\x01")
    body = (b"\x03\x03" + b"r" * 32 + b"\0" + b"\0\x02" +
            suite.to_bytes(2, "big") + b"\x01\0" +
            len(extensions).to_bytes(2, "big") + extensions)
    body = b"\x01" + len(body).to_bytes(3, "big") + body
    return b"\x16\x03\x01" + len(body).to_bytes(2, "big") + body
