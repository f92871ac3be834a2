"""SCRAM-SHA-256 and SCRAM-SHA-256-PLUS: with gsasl(1), whose code is its own,
and with a client that does it wrong."""
import os
import shutil
import ssl
import subprocess
import unittest

import sasl
import sealpost
import upstream

MECHS = "plain, login, scram-sha-256, scram-sha-256-plus"


class ScramCase(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.up = upstream.CapturingUpstream()
        cls.sp = sealpost.Sealpost(
            upstream=cls.up.port, listen={"auth_mechanisms": MECHS},
            limits={"auth_failures": 20},
            users={"alice": ("correct horse", "example.com"),
                   "bob": ("other", "example.org"),
                   "mallory": ("locked out", "example.org")}, start=False)
        cls.sp.tool("user", "lock", "mallory", "--no-reload")
        cls.sp.start()

    @classmethod
    def tearDownClass(cls):
        cls.sp.stop()
        cls.up.stop()

    def client(self, **more):
        client = self.sp.smtp(login=False, **more)
        self.addCleanup(client.close)
        client.ehlo()
        return client

    def login(self, user, password, **more):
        client = self.client()
        scram = sasl.Scram(user, password, **more)
        code, text = scram.login(client)
        return client, scram, code, text


class Python(ScramCase):
    def test_right(self):
        client, scram, code, text = self.login("Alice", "correct horse")
        self.assertEqual(code, 235, text)
        self.assertTrue(scram.proved)
        client.sendmail("alice@example.com", "bob@example.net",
                        sealpost.message())
        line = self.sp.wait_line("login")[-1]
        self.assertEqual((line["user"], line["mech"]),
                         ("alice", "SCRAM-SHA-256"))
        self.assertIn(b"d=example.com", self.up.messages[-1].data)

    def test_wrong_locked_and_unknown_are_one(self):
        said = set()
        for user, password in (("alice", "x"), ("mallory", "locked out"),
                               ("mallory", "x"), ("nobody", "x")):
            _, scram, code, text = self.login(user, password)
            said.add((code, text.split(" [")[0]))
            self.assertIsNone(scram.proved)
        self.assertEqual(said, {(535, "5.7.8 Wrong user name or password")})

    def test_salts(self):
        """The same for a name each time, nobody's and somebody's alike."""
        def asked(name):
            server = self.login(name, "x")[1].server.split(",", 1)[1]
            return server
        for name in ("alice", "nobody"):
            self.assertEqual(asked(name), asked(name.upper()))
        self.assertNotEqual(asked("nobody"), asked("nobody2"))
        self.assertEqual(len(asked("nobody")), len(asked("alice")))

    def test_downgrade_is_seen(self):
        """"y": the client could bind and believes that we can't."""
        code = self.login("alice", "correct horse", header="y,,")[2]
        self.assertEqual(code, 535)
        line = self.sp.wait_line("login-failed")[-1]
        self.assertIn("took SCRAM-SHA-256-PLUS out", line["reason"])

    def test_wrong_binding(self):
        code = self.login("alice", "correct horse",
                          mechanism="SCRAM-SHA-256-PLUS",
                          header="p=tls-exporter,,", binding=bytes(32))[2]
        self.assertEqual(code, 535)
        code = self.login("alice", "correct horse",
                          mechanism="SCRAM-SHA-256-PLUS",
                          header="p=tls-unique,,", binding=bytes(32))[2]
        self.assertEqual(code, 535)

    def test_replay(self):
        """A proof that was right once is right for its own nonce only."""
        lines = []
        client = self.client()
        scram = sasl.Scram("alice", "correct horse", nonce="fixed")

        def final(challenge):
            lines.append(scram._final(challenge))
            return lines[-1]
        first = sasl.b64(scram.header + scram.first)
        code, _ = sasl.auth(client, "SCRAM-SHA-256", first, final,
                            scram._confirm)
        self.assertEqual(code, 235)
        code, _ = sasl.auth(self.client(), "SCRAM-SHA-256", first, lines[0])
        self.assertEqual(code, 535)

    def test_anothers_proof(self):
        client = self.client()
        bob = sasl.Scram("bob", "other", nonce="one")
        bob.first = bob.first.replace("n=bob", "n=alice")
        code, _ = bob.login(client)
        self.assertEqual(code, 535)

    def test_cut_short(self):
        """Cancelled, garbled and left at each step: the session goes on."""
        client = self.client()
        first = sasl.b64("n,,n=alice,r=abc")
        for lines, want in ((("*",), 501), ((first, "*"), 501),
                            ((first, "?"), 501), ((first, ""), 535),
                            ((first, first), 535), (("=",), 535),
                            ((sasl.b64("n,,n=alice"),), 535)):
            with self.subTest(lines=lines):
                code, text = sasl.auth(client, "SCRAM-SHA-256", *lines)
                self.assertEqual(code, want, text)
        scram = sasl.Scram("alice", "correct horse")
        code, _ = sasl.auth(client, "SCRAM-SHA-256",
                            sasl.b64(scram.header + scram.first), scram._final,
                            "*")
        self.assertEqual(code, 501)
        self.assertEqual(client.docmd("MAIL", "FROM:<a@example.com>")[0], 530)
        self.assertEqual(sasl.Scram("alice", "correct horse").login(client)[0],
                         235)

    def test_plus_needs_tls_1_3(self):
        old = self.sp.context()
        old.maximum_version = ssl.TLSVersion.TLSv1_2
        client = self.sp.smtp(login=False)
        client.close()
        with sealpost.smtplib.SMTP("localhost", self.sp.port) as client:
            client.starttls(context=old)
            client.ehlo()
            offered = client.esmtp_features["auth"].split()
            self.assertIn("SCRAM-SHA-256", offered)
            self.assertNotIn("SCRAM-SHA-256-PLUS", offered)
            self.assertEqual(client.docmd("AUTH SCRAM-SHA-256-PLUS")[0], 504)
            # Not offered: "y" is the truth.
            self.assertEqual(sasl.Scram("alice", "correct horse",
                                        header="y,,").login(client)[0], 235)
        offered = self.client().esmtp_features["auth"].split()
        self.assertIn("SCRAM-SHA-256-PLUS", offered)


@unittest.skipUnless(shutil.which("gsasl"), "gsasl is not installed")
class Gsasl(ScramCase):
    def gsasl(self, mechanism, password, *options):
        done = subprocess.run(
            ["gsasl", "--smtp", "--verbose", "--x509-ca-file",
             self.sp.certificate, "-m", mechanism, "-a", "alice", "-z", "alice",
             "-p", password, *options, "localhost", str(self.sp.port)],
            input=b"", stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            timeout=30)
        return done.stdout.decode()

    def test_both(self):
        for mechanism in ("SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"):
            # Without --no-cb gsasl would say "y" to the first.
            no_cb = ["--no-cb"] if mechanism[-1] != "S" else []
            with self.subTest(mechanism):
                said = self.gsasl(mechanism, "correct horse", *no_cb)
                self.assertIn("235 2.7.0", said)
                self.assertEqual(self.sp.wait_line("login")[-1]["mech"],
                                 mechanism)
                self.assertIn("535 5.7.8",
                              self.gsasl(mechanism, "wrong", *no_cb))


class Secrets(unittest.TestCase):
    """What `sealpost user`, -t and the state directory say of it."""

    def test_life_of_a_secret(self):
        up = upstream.CapturingUpstream()
        self.addCleanup(up.stop)
        sp = sealpost.Sealpost(upstream=up.port, start=False)
        try:
            self.assertNotIn("scram", self.users(sp))
            sealpost.scratch.write(
                sp.config, sealpost.scratch.read(sp.config).decode().replace(
                    "upstream = smarthost",
                    f"upstream = smarthost\nauth_mechanisms = {MECHS}"))
            said = sp.tool("user", "list").stdout.decode()
            self.assertRegex(said, r"alice +no-scram")
            done = subprocess.run(
                [sealpost.scratch.program("sealpostd"), "-t", "-c", sp.config],
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            self.assertEqual(done.returncode, 0, done.stdout)
            self.assertIn(b"no SCRAM secret for alice;", done.stdout)
            sp.tool("user", "passwd", "alice", "--password-stdin",
                    input="correct horse\n")
            self.assertIn("scram = SCRAM-SHA-256$4096:", self.users(sp))
            self.assertRegex(sp.tool("user", "list").stdout.decode(),
                             r"alice +yes")
            self.restart_keeps_salts(sp)
        finally:
            sp.kill()
            sealpost.scratch.remove(sp.home)

    def users(self, sp):
        return sealpost.scratch.read(
            os.path.join(sp.state, "users.conf")).decode()

    def restart_keeps_salts(self, sp):
        told = []
        for _ in range(2):
            sp.start()
            client = sp.smtp(login=False)
            client.ehlo()
            scram = sasl.Scram("nobody", "x")
            scram.login(client)
            told.append(scram.server.split(",", 1)[1])
            client.close()
            sp.process.terminate()
            sp.process.wait(30)
        self.assertEqual(told[0], told[1])
        key = os.path.join(sp.state, "keys", ".saltkey")
        self.assertEqual(os.stat(key).st_mode & 0o7777, 0o600)
        self.assertEqual(os.path.getsize(key), 32)


if __name__ == "__main__":
    unittest.main()
