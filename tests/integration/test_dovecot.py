"""auth_backend = dovecot:PATH, with Debian's Dovecot behind it and with one
that a script plays."""
import os
import socket
import subprocess
import threading
import unittest

import dovecot
import sasl
import scratch
import sealpost
import upstream


def plain(client, user, password):
    code, text = sasl.auth(client, "PLAIN", sasl.b64(f"\0{user}\0{password}"))
    return code, text.split(" [")[0]


WRONG = (535, "5.7.8 Wrong user name or password")


class Case(unittest.TestCase):
    listed = "plain, login, scram-sha-256, oauthbearer, xoauth2"

    @classmethod
    def daemon(cls, path):
        sp = sealpost.Sealpost(
            upstream=cls.up.port, limits={"auth_failures": 20},
            listen={"auth_backend": "dovecot:" + path,
                    "auth_mechanisms": cls.listed},
            # Passwords here are others, and nobody asks for them.
            users={"alice@example.com": ("not this", "example.com"),
                   "bob": ("nor this", "example.com")}, start=False)
        sp.tool("user", "lock", "bob", "--no-reload")
        sp.start()
        return sp

    def attempt(self, user, password):
        client = self.client()
        try:
            return plain(client, user, password)
        finally:
            client.close()

    def client(self):
        client = self.sp.smtp(login=False)
        self.addCleanup(client.close)
        client.ehlo()
        return client


class Real(Case):
    @classmethod
    def setUpClass(cls):
        cls.tokens = dovecot.Tokens({"tok.en": "alice@example.com"})
        cls.addClassCleanup(cls.tokens.stop)
        cls.dovecot = dovecot.Dovecot(
            {"alice@example.com": "hers", "bob": "his", "carol": "ours"},
            cls.tokens)
        cls.addClassCleanup(cls.dovecot.stop)
        cls.up = upstream.CapturingUpstream()
        cls.addClassCleanup(cls.up.stop)
        cls.sp = cls.daemon(cls.dovecot.socket)
        cls.addClassCleanup(cls.sp.stop)

    def test_mechanisms(self):
        client = self.client()
        self.assertEqual(sorted(client.esmtp_features["auth"].split()),
                         ["LOGIN", "OAUTHBEARER", "PLAIN", "SCRAM-SHA-256",
                          "XOAUTH2"])
        name, bearer = "Alice@Example.com", "\1auth=Bearer tok.en\1\1"
        tries = {
            "PLAIN": lambda c: plain(c, name, "hers"),
            "LOGIN": lambda c: sasl.auth(c, "LOGIN", "", sasl.b64(name),
                                         sasl.b64("hers")),
            "SCRAM-SHA-256": lambda c: sasl.Scram(name, "hers").login(c),
            "OAUTHBEARER": lambda c: sasl.auth(
                c, "OAUTHBEARER", sasl.b64("n,a=alice@example.com," + bearer)),
            "XOAUTH2": lambda c: sasl.auth(
                c, "XOAUTH2", sasl.b64("user=alice@example.com" + bearer)),
        }
        for mech, login in tries.items():
            with self.subTest(mech):
                client = self.client()
                code, text = login(client)
                self.assertEqual(code, 235, (text, self.dovecot.log()))
                line = self.sp.lines("login")[-1]
                self.assertEqual((line["user"], line["mech"]),
                                 ("alice@example.com", mech))
        client.sendmail("alice@example.com", ["bob@example.net"],
                        sealpost.message())
        self.assertIn(b"d=example.com; s=sp1;", self.up.messages[-1].data)

    def test_refusals(self):
        client = self.client()
        self.assertEqual(plain(client, "Alice@Example.com", "x"), WRONG)
        self.assertEqual(plain(client, "nobody", "x"), WRONG)
        self.assertEqual(plain(client, "bob", "his"), WRONG) # locked here
        self.assertEqual(plain(client, "carol", "ours")[0], 525)
        line = [x for x in self.sp.lines("login-failed")
                if x["user"] == "alice@example.com"][0]
        self.assertEqual(line["mech"], "PLAIN")
        self.assertTrue(line["reason"].startswith("dovecot: "))
        self.assertEqual(sasl.Scram("bob", "x").login(client)[0], 535)
        told = []

        def dummy(challenge):
            told.append(challenge)
            return "AQ=="
        code, text = sasl.auth(
            client, "OAUTHBEARER",
            sasl.b64("n,a=alice@example.com,\1auth=Bearer bad\1\1"), dummy)
        self.assertEqual((code, told), (535, [b'{"status":"invalid_token"}']))
        self.assertEqual(plain(client, "Alice@Example.com", "hers")[0], 235)

    def test_z_no_secret_in_the_log(self):
        """TA-30"""
        for secret in ("hers", "tok.en"):
            self.assertNotIn(secret, self.sp.log())

    def test_cut_short(self):
        client = self.client()
        for lines, want in ((("", "*"), 501), (("", "?"), 501),
                            (("?",), 501), (("", sasl.b64("a"), "*"), 501),
                            (("=", "*"), 501)):
            code, text = sasl.auth(client, "LOGIN", *lines)
            self.assertEqual(code, want, (lines, text))
        code, text = sasl.auth(client, "PLAIN", sasl.b64("x" * 9000))
        self.assertIn(code, (454, 535), text)
        client.putcmd("AUTH", "PLAIN " + sasl.b64("\0alice\0x"))
        client.close()
        self.assertEqual(plain(self.client(), "Alice@Example.com", "hers")[0],
                         235)

    def test_restart(self):
        self.dovecot.kill()
        code, text = plain(self.client(), "Alice@Example.com", "hers")
        self.assertEqual((code, text[:5]), (454, "4.7.0"))
        self.assertEqual(len(self.sp.wait_line("dovecot-down")), 1)
        self.dovecot.start()
        scratch.wait_for("a login again", lambda: self.attempt(
            "Alice@Example.com", "hers")[0] == 235, 10)
        self.assertEqual(len(self.sp.lines("dovecot-up")), 1)


class Postgres(Case):
    """LDAP, SQL and PAM come with Dovecot: SQL in the place of all."""

    def test_users_of_a_table(self):
        peer = dovecot.DovecotWithPostgres(
            {"alice@example.com": "hers", "bob": "his"},
            mechanisms="plain login scram-sha-256")
        self.addCleanup(peer.stop)
        type(self).up = upstream.CapturingUpstream()
        self.addCleanup(self.up.stop)
        type(self).sp = self.daemon(peer.socket)
        self.addCleanup(self.sp.stop)
        self.assertEqual(self.attempt("alice@example.com", "hers")[0], 235)
        self.assertEqual(self.attempt("alice@example.com", "x"), WRONG)
        self.assertEqual(self.attempt("bob", "his"), WRONG) # locked here
        self.assertEqual(self.attempt("x' or 'a'='a", "hers"), WRONG)
        scram = sasl.Scram("alice@example.com", "hers")
        self.assertEqual(scram.login(self.client())[0], 235)


class Played(Case):
    """Answers that Debian's does not give."""

    hello = (b"VERSION\t1\t2\nMECH\tPLAIN\tplaintext\nMECH\tLOGIN\tprivate\n"
             b"MECH\tX-NEW\nSPID\t1\nCUID\t1\nCOOKIE\tab\nDONE\n")

    @classmethod
    def setUpClass(cls):
        cls.home = scratch.folder()
        cls.addClassCleanup(scratch.remove, cls.home)
        scratch.give_to(cls.home, "nobody")
        cls.path = os.path.join(cls.home, "s")
        cls.listener = socket.socket(socket.AF_UNIX)
        cls.listener.bind(cls.path)
        os.chmod(cls.path, 0o666)
        cls.listener.listen()
        cls.addClassCleanup(cls.listener.close)
        cls.heard, cls.answer = [], lambda number, line: b""
        threading.Thread(target=cls.serve, daemon=True).start()
        cls.up = upstream.CapturingUpstream()
        cls.addClassCleanup(cls.up.stop)
        cls.sp = cls.daemon(cls.path)
        cls.addClassCleanup(cls.sp.stop)

    @classmethod
    def serve(cls):
        while True:
            try:
                peer = cls.listener.accept()[0]
            except OSError:
                return
            try:
                cls.converse(peer)
            except OSError:
                pass
            peer.close()

    @classmethod
    def converse(cls, peer):
        peer.sendall(cls.hello)
        for line in peer.makefile("rb"):
            cls.heard.append(line)
            if line.startswith((b"AUTH", b"CONT")):
                said = cls.answer(line.split(b"\t")[1].strip(), line)
                if said is None:
                    break
                peer.sendall(said)

    def play(self, answer):
        type(self).answer = staticmethod(answer)

    def test_what_it_is_told(self):
        self.play(lambda n, _: b"OK\t" + n + b"\tuser=bob\n"
                  b"OK\t" + n + b"\tuser=alice@example.com\n")
        client = self.client()
        self.assertEqual(client.esmtp_features["auth"].split(), ["PLAIN"])
        self.assertEqual(plain(client, "who", "p"), WRONG) # bob is locked
        line = [x for x in self.heard if x.startswith(b"AUTH")][-1]
        words = line.decode().strip().split("\t")
        self.assertEqual(words[2:4], ["PLAIN", "service=smtp"])
        self.assertIn("rip=127.0.0.1", words)
        self.assertIn(f"lport={self.sp.port}", words)
        self.assertIn("secured", words)
        self.assertEqual(words[-1], "resp=" + sasl.b64("\0who\0p"))
        self.assertEqual(self.heard[0], b"VERSION\t1\t1\n")

    def test_answers(self):
        """What it says, and what the client hears."""
        for said, code in (
                (b"OK\t%b\tuser=ALICE@example.com\tnologin\n", 535),
                (b"OK\t%b\tuser=ALICE@example.com\tproxy\thost=x\n", 235),
                (b"FAIL\t%b\tuser=x\ttemp\treason=ldap down\n", 454),
                (b"FAIL\t%b\tuser=x\tcode=pass_expired\n", 535),
                (b"FAIL\t%b\tuser=x\tauthz\n", 535),
                (b"FAIL\t%b\n", 535),
                (b"NEW\t1\nFAIL\t77\nCONT\t77\txx\nFAIL\t%b\n", 535)):
            with self.subTest(said):
                self.play(lambda n, _: said.replace(b"%b", n))
                self.assertEqual(self.attempt("a", "b")[0], code)

    def test_nonsense_ends_the_connection(self):
        for n, said in enumerate((None, b"OK\t%b\n", b"x" * 9000)):
            with self.subTest(n):
                self.play(lambda n, _: said and said.replace(b"%b", n))
                self.assertEqual(self.attempt("a", "b")[0], 454)
                self.play(lambda n, _: b"OK\t" + n
                          + b"\tuser=alice@example.com\n")
                scratch.wait_for("a login again", lambda: self.attempt(
                    "a", "b")[0] == 235, 10)

    def test_t(self):
        def test():
            done = subprocess.run(
                [scratch.program("sealpostd"), "-t", "-c", self.sp.config],
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            return done.returncode, done.stdout
        self.assertEqual(test()[0], 0)
        try:
            os.chmod(self.path, 0o600)
            os.chown(self.path, 0, 0)
            code, said = test()
            self.assertEqual(code, 78 if os.getuid() == 0 else 0)
            if os.getuid() == 0:
                self.assertIn("the account nobody may not connect to it", said)
        finally:
            os.chmod(self.path, 0o666)


if __name__ == "__main__":
    unittest.main()
