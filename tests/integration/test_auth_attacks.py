"""What attackers do around AUTH: rows TA from TA-20."""
import base64
import os
import statistics
import time

import scratch
from sealpost import section
from tlscase import PASSWORD, TlsCase, plain
from wire import END, HEAD, RECIPIENT, SENDER, processes


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
