"""auth_backend = upstream: the upstream judges the client's own credentials,
its verdict is the identity, and the mail is signed all the same."""
import smtplib
import unittest

import sasl
import scratch
import sealpost
import upstream

ALICE, HERS = "Alice@Example.com", "her own"


def plain(client, user, password):
    code, text = sasl.auth(client, "PLAIN", sasl.b64(f"\0{user}\0{password}"))
    return code, text.split(" [")[0]


class PassThrough(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.up = upstream.CapturingUpstream(
            users={ALICE: HERS, "bob": "his", "carol": "hers"},
            mechanisms="PLAIN LOGIN XOAUTH2 OAUTHBEARER")
        cls.sp = sealpost.Sealpost(
            upstream=cls.up.port, upstream_settings={"login": "client"},
            listen={"auth_backend": "upstream", "reply_deadline": "2s",
                    "auth_mechanisms": "plain, xoauth2, oauthbearer"},
            limits={"auth_failures": 20},
            # Passwords here are others, and nobody asks for them.
            users={ALICE.lower(): ("not this", "example.com"),
                   "bob": ("nor this", "example.com")}, start=False)
        cls.sp.tool("user", "lock", "bob", "--no-reload")
        cls.sp.start()

    @classmethod
    def tearDownClass(cls):
        log = cls.sp.log()
        cls.sp.stop()
        for secret in ("her own", "tok.en=="): # TA-30
            assert secret not in log and sasl.b64(secret)[:-2] not in log
        cls.up.stop()

    def client(self):
        client = self.sp.smtp(login=False)
        self.addCleanup(client.close)
        client.ehlo()
        return client

    def alice(self):
        client = self.client()
        self.assertEqual(plain(client, ALICE, HERS)[0], 235)
        return client

    def sessions(self, user=ALICE):
        return [s for s in self.up.sessions if s.user == user]

    def send(self, client, subject):
        client.sendmail("alice@example.com", ["bob@example.net"],
                        sealpost.message(subject=subject))
        return self.up.messages[-1]

    def test_mail_of_one_session(self):
        before = len(self.sessions())
        client, other = self.alice(), self.alice()
        for n in range(3):
            message = self.send(client, f"mail {n}")
            self.assertEqual(message.user, ALICE) # as she wrote it
            self.assertIn(b"d=example.com; s=sp1;", message.data)
        mine = message.session
        client.docmd("MAIL", "FROM:<alice@example.com>")
        client.docmd("RCPT", "TO:<carol@example.net>")
        client.docmd("RSET")
        message = self.send(client, "behind RSET")
        self.assertIs(message.session, mine)
        self.assertEqual(message.recipients, ["bob@example.net"])
        self.assertIn(b"RSET\r\n", mine.commands)
        self.assertIsNot(self.send(other, "another's").session, mine)
        self.assertEqual(len(self.sessions()), before + 2)
        client.quit()
        scratch.wait_for("QUIT upstream",
                         lambda: mine.commands[-1].strip() == b"QUIT")
        line = self.sp.lines("login")[-1]
        self.assertEqual((line["user"], line["mech"]),
                         (ALICE.lower(), "PLAIN"))
        self.assertEqual(self.sp.lines("message")[0]["user"], ALICE.lower())

    def test_what_is_offered(self):
        """Ours and the upstream's."""
        self.alice()
        self.assertEqual(sorted(self.client().esmtp_features["auth"].split()),
                         ["OAUTHBEARER", "PLAIN", "XOAUTH2"])
        self.assertEqual(self.client().docmd("AUTH LOGIN")[0], 504)

    def test_refusals(self):
        client = self.client()
        wrong = (535, "5.7.8 Wrong user name or password")
        for user, password in ((ALICE, "x"), (ALICE.lower(), "not this"),
                               ("bob", "his"), ("bob", "x"),
                               ("nobody", "x")):
            self.assertEqual(plain(client, user, password), wrong)
        self.assertIn("upstream: 535 ", " ".join(
            x["reason"] for x in self.sp.lines("login-failed")))
        self.assertEqual(self.sp.lines("upstream-down"), [])
        code, text = plain(client, "carol", "hers")
        self.assertEqual((code, text[:6]), (525, "5.7.13"))
        self.assertEqual(plain(client, ALICE, HERS)[0], 235)

    def test_upstream_can_not_judge(self):
        client = self.client()
        for said in (upstream.reply("454 4.7.0 later"),
                     upstream.reply("421 4.3.0 bye"), upstream.close()):
            self.up.set("auth", said)
            code, text = plain(client, ALICE, HERS)
            self.assertEqual(code, 454, text)
        self.up.set("auth", upstream.reply("534 5.7.9 use an app password"))
        self.assertEqual(plain(client, ALICE, HERS)[0], 535)
        self.up.set("auth")
        self.assertEqual(plain(client, ALICE, HERS)[0], 235)

    def test_upstream_has_another_mechanism(self):
        """Since it was last asked what it offers."""
        self.alice()
        client = self.client()
        had = self.up.mechanisms
        self.up.mechanisms = "LOGIN"
        try:
            code, text = plain(client, ALICE, HERS)
        finally:
            self.up.mechanisms = had
        self.assertEqual((code, text), (
            454, "4.7.0 Log in with another mechanism"))
        self.assertEqual(plain(client, ALICE, HERS)[0], 235)

    def test_upstream_is_silent(self):
        """The client hears of it in time, and can log in again."""
        client = self.client()
        self.up.set("auth", upstream.silent())
        self.assertEqual(plain(client, ALICE, HERS)[0], 454)
        self.up.set("auth")
        self.assertEqual(plain(client, ALICE, HERS)[0], 235)
        self.send(client, "behind the deadline")

    def test_tokens(self):
        bearer = f"n,a={ALICE},\1auth=Bearer {{}}\1\1"
        xoauth2 = f"user={ALICE}\1auth=Bearer {{}}\1\1"
        self.up.users["dave"] = "tok.en=="
        for mech, text in (("OAUTHBEARER", bearer), ("XOAUTH2", xoauth2)):
            with self.subTest(mech):
                client = self.client()
                told = []

                def dummy(challenge):
                    told.append(challenge)
                    return "AQ=="
                text = text.replace(ALICE, "dave")
                code, said = sasl.auth(client, mech,
                                       sasl.b64(text.format("bad")), dummy)
                self.assertEqual(code, 535, said)
                self.assertIn(b'"status":"invalid_token"', told[0])
                code, said = sasl.auth(client, mech,
                                       sasl.b64(text.format("tok.en==")))
                # Judged right; who dave is nobody here knows.
                self.assertEqual(code, 525, said)

    def test_lost_while_nobody_sends(self):
        before = len(self.sessions())
        client = self.alice()
        scratch.wait_for("the session", lambda: len(self.sessions()) > before)
        self.sessions()[-1].socket.shutdown(2)
        self.assertEqual(client.getreply()[0], 421)

    def test_lost_in_a_transaction(self):
        client = self.alice()
        self.up.set("rcpt", upstream.close())
        client.docmd("MAIL", "FROM:<alice@example.com>")
        code, text = client.docmd("RCPT", "TO:<bob@example.net>")
        self.assertEqual(code // 100, 4, text)
        try: # RSET, or the last word already
            code = client.docmd("RSET")[0]
            self.assertIn(code, (250, 421))
            if code == 250:
                self.assertEqual(client.getreply()[0], 421)
        except smtplib.SMTPServerDisconnected:
            pass
        self.up.set("rcpt")
        self.send(self.alice(), "and on")

    def test_client_leaves_while_judged(self):
        self.up.set("auth", upstream.delay(0.3))
        client = self.client()
        client.putcmd("AUTH", "PLAIN " + sasl.b64(f"\0{ALICE}\0{HERS}"))
        client.close()
        self.up.set("auth")
        self.send(self.alice(), "still there")


if __name__ == "__main__":
    unittest.main()
