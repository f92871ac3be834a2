"""What attackers do around STARTTLS and AUTH: rows TA."""
import base64
import os
import socket
import ssl
import statistics
import subprocess
import time

import scratch
from rawclient import trusting
from sealpost import message, section
from wire import (RECIPIENT, SENDER, Client, WireCase, processes)

HEAD = message(body="")
END = b".\r\n"
PASSWORD = "correct horse"
STALLED = 10


def plain(*words):
    return base64.b64encode("\0".join(words).encode()).decode()


class Octets:
    """TLS over a socket whose octets the test can mix with its own."""

    def __init__(self, sock, tls=None):
        self.socket, self.inner = sock, ssl.MemoryBIO()
        self.outer = ssl.MemoryBIO()
        self.tls = (tls or trusting()).wrap_bio(self.inner, self.outer)
        self._until(self.tls.do_handshake)

    def _until(self, step):
        while True:
            try:
                done = step()
                self.flush()
                return done
            except ssl.SSLWantReadError:
                self.flush()
                data = self.socket.recv(65536)
                if not data:
                    raise ConnectionError("closed") from None
                self.inner.write(data)

    def flush(self, behind=b""):
        self.socket.sendall(self.outer.read() + behind)

    # what RawClient asks of a socket
    def sendall(self, data):
        self.tls.write(data)
        self.flush()

    def recv(self, size):
        try:
            return self._until(lambda: self.tls.read(size))
        except (ssl.SSLError, ConnectionError):
            return b""

    def end_notice(self, behind):
        """close_notify and clear text in one segment."""
        try:
            self.tls.unwrap()
        except ssl.SSLWantReadError:
            pass
        self.flush(behind)

    def settimeout(self, seconds):
        self.socket.settimeout(seconds)

    def shutdown(self, how):
        self.socket.shutdown(how)

    def close(self):
        self.socket.close()


class TlsCase(WireCase):
    users = {"alice": (PASSWORD, "example.com"), "bob": ("bobs own",
                                                         "example.com")}
    secrets = (PASSWORD.encode(), base64.b64encode(PASSWORD.encode()),
               plain("", "alice", PASSWORD).encode(), b"wrong-secret",
               base64.b64encode(b"wrong-secret"),
               plain("", "alice", "wrong-secret").encode())

    def clear(self):
        c = self.client()
        c.expect("EHLO client.test", 250)
        return c

    def encrypted(self):
        c = self.clear()
        c.starttls()
        c.expect("EHLO client.test", 250)
        return c

    def session(self, port=None):
        c = self.client(port)
        c.expect("EHLO client.test", 250)
        c.starttls()
        c.expect("EHLO client.test", 250)
        c.login("alice", PASSWORD)
        return c

    def mixed(self):
        """A client under TLS whose socket is Octets."""
        c = self.clear()
        c.expect("STARTTLS", 220)
        c.socket = Octets(c.socket)
        c.expect("EHLO client.test", 250)
        c.login("alice", PASSWORD)
        return c

    def dead(self, c):
        """The other side has closed, without a word in clear."""
        raw = c.socket.socket if isinstance(c.socket, Octets) else c.socket
        raw.settimeout(10)
        got = b""
        try:
            while data := raw.recv(4096):
                got += data
        except ConnectionResetError:
            pass
        self.assertNotRegex(got, rb"(?m)^[245]\d\d[ -]")
        return got


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


class Auth(TlsCase):
    @classmethod
    def extra_text(cls):
        cls.match = scratch.free_port()
        cls.home = scratch.folder()
        certificate, key = scratch.certificate(cls.home)
        scratch.give_to(cls.home, "nobody")
        return section("listen match", {
            "address": f"127.0.0.1:{cls.match}", "certificate": certificate,
            "private_key": key, "upstream": "smarthost",
            "envelope_from": "match"})

    @classmethod
    def tearDownClass(cls):
        try:
            super().tearDownClass()
        finally:
            scratch.remove(cls.home)

    def test_TA_20_no_auth_no_mail(self):
        with self.row("TA-20"):
            c = self.encrypted()
            self.assertIn("5.7.0", c.expect(f"MAIL FROM:<{SENDER}>", 530))
            c.expect(f"RCPT TO:<{RECIPIENT}>", 503)
            c.expect("DATA", 503)

    def test_TA_21_auth_before_tls(self):
        with self.row("TA-21"):
            c = self.client()
            self.assertNotIn("AUTH", c.expect("EHLO client.test", 250))
            for line in ("AUTH PLAIN " + plain("", "alice", PASSWORD),
                         "AUTH LOGIN", "AUTH PLAIN"):
                self.assertIn(c.command(line)[0], (503, 530, 538))
            self.assertNotIn("login", self.new_log())

    def test_TA_22_malformed(self):
        good = plain("", "alice", PASSWORD)
        for line in ("AUTH", "AUTH ", "AUTH PLAIN =", "AUTH PLAIN ====",
                     "AUTH PLAIN !!!!", "AUTH XNONE " + good,
                     "AUTH PLAIN " + good + " x",
                     "AUTH PLAIN " + plain("", "alice", PASSWORD, "x"),
                     "AUTH PLAIN " + plain("alice", PASSWORD),
                     "AUTH PLAIN " + plain("", "alice", ""),
                     "AUTH PLAIN " + plain("", "", PASSWORD),
                     "AUTH PLAIN " + plain("", "alice", PASSWORD + "\0"),
                     "AUTH PLAIN " + good[:-1] + "\x01",
                     "AUTH PLAIN " + "A" * 60000):
            with self.row("TA-22", line=line[:40]):
                c = self.encrypted()
                code, text = c.command(line)
                self.assertTrue(code // 100 == 5 or code == 421, (code, text))
                if code != 421:
                    c.expect(f"MAIL FROM:<{SENDER}>", 530)

    def test_TA_23_authzid(self):
        with self.row("TA-23"):
            c = self.encrypted()
            c.expect("AUTH PLAIN " + plain("bob", "alice", PASSWORD), 535)
            c.expect("AUTH PLAIN " + plain("alice", "alice", PASSWORD), 235)

    def test_TA_24_second_auth(self):
        with self.row("TA-24"):
            c = self.session()
            c.expect("AUTH PLAIN " + plain("", "bob", "bobs own"), 503)
            c.expect(f"MAIL FROM:<{SENDER}>", 250)
            c.expect("AUTH LOGIN", 503)
            c.expect(f"RCPT TO:<{RECIPIENT}>", 250)

    def test_TA_25_many_wrong_passwords(self):
        with self.row("TA-25"):
            c = self.encrypted()
            codes = []
            for _ in range(30):
                code = c.command("AUTH PLAIN " + plain("", "alice",
                                                       "wrong-secret"))[0]
                if code == 0:
                    break
                codes.append(code)
            self.assertEqual(codes, [535] * 4 + [421])
            lines = [x for x in self.new_log().splitlines()
                     if "event=login-failed" in x]
            self.assertEqual(len(lines), 5)
            for line in lines:
                self.assertRegex(line, r"client=127\.0\.0\.1 user=alice .*"
                                       r"result=denied")

    def test_TA_26_unknown_users_take_as_long(self):
        with self.row("TA-26"):
            texts, best = set(), None
            for _ in range(3): # the machine may be busy
                taken = {"alice": [], "nobody-here": []}
                for n in range(8):
                    if n % 2 == 0:
                        c = self.encrypted()
                    for user, times in taken.items():
                        began = time.monotonic()
                        code, text = c.command("AUTH PLAIN " + plain(
                            "", user, f"wrong-secret{n}"))
                        times.append(time.monotonic() - began)
                        self.assertEqual(code, 535)
                        texts.add(text.rpartition(" [")[0])
                medians = [statistics.median(t) for t in taken.values()]
                best = min(best or 1, abs(medians[0] - medians[1]))
                if best < 0.02:
                    break
            self.assertEqual(len(texts), 1, texts)
            self.assertLess(best, 0.02)
            self.assertGreater(min(medians), 0.002, "nothing is computed")

    def test_TA_27_login_dialogue(self):
        def b64(text):
            return base64.b64encode(text.encode()).decode()
        alice, secret = b64("alice"), b64(PASSWORD)
        for steps in (["*"], [alice, "*"], ["", ""], [alice, ""],
                      ["!"], [alice, "!"], ["A" * 20000],
                      [alice, "A" * 20000], ["\0" + alice]):
            with self.row("TA-27", steps=[s[:20] for s in steps]):
                c = self.encrypted()
                c.expect("AUTH LOGIN", 334)
                for step in steps:
                    code, text = c.command(step)
                    if code != 334:
                        break
                self.assertIn(code, (500, 501, 535), text)
                c.expect(f"MAIL FROM:<{SENDER}>", 530)
                c.expect("AUTH LOGIN", 334) # nothing was kept
                c.expect(alice, 334)
                c.expect(secret, 235)
        for said in ([], [alice]):
            with self.row("TA-27", gone_after=said):
                c = self.encrypted()
                c.expect("AUTH LOGIN", 334)
                for step in said:
                    c.expect(step, 334)
                c.close()

    def test_TA_28_someone_elses_sender(self):
        with self.row("TA-28", envelope_from="any", delivered=1):
            c = self.session()
            c.envelope("bob@elsewhere.example", RECIPIENT)
            self.assertEqual(c.content(HEAD + END)[0], 250)
        with self.row("TA-28", envelope_from="match", delivered=1):
            c = self.session(self.match)
            text = c.expect("MAIL FROM:<bob@elsewhere.example>", 553)
            self.assertTrue(text.startswith("5.7.1 "), text)
            c.envelope("", RECIPIENT) # bounces have no sender
            self.assertEqual(c.content(HEAD + END)[0], 250)

    def test_TA_29_mail_after_a_failed_auth(self):
        with self.row("TA-29"):
            c = self.encrypted()
            c.expect("AUTH PLAIN " + plain("", "alice", "wrong-secret"), 535)
            c.expect(f"MAIL FROM:<{SENDER}>", 530)

    def test_TA_30_the_password_is_nowhere(self):
        with self.row("TA-30"):
            self.session()
            c = self.encrypted()
            c.expect("AUTH PLAIN " + plain("", "alice", "wrong-secret"), 535)
            self.log_is_clean(scratch.read(self.sp.log_path))
            for pid, line in processes(self.sp.process.pid).items():
                for secret in self.secrets:
                    self.assertNotIn(secret, line.encode())
                environment = scratch.read(f"/proc/{pid}/environ") \
                    if os.access(f"/proc/{pid}/environ", os.R_OK) else b""
                for secret in self.secrets:
                    self.assertNotIn(secret, environment)
                # Not dumpable: no core, and what is in /proc is root's. The
                # master has no session and sees no password.
                if pid != self.sp.process.pid:
                    self.assertEqual(os.stat(f"/proc/{pid}/mem").st_uid, 0,
                                     line)


del TlsCase
