"""What is set for an upstream: its protocol, a preset, logins, and whether it
is told whose message it is."""
import os
import smtplib
import subprocess
import time
import unittest

import scratch
from poolcase import BODY, Client, plain
from rawclient import RawClient
from sealpost import Sealpost, message
from upstream import CapturingUpstream, reply, usual


def secret(home, name, text):
    """A file that only the service's account may read."""
    path = scratch.write(os.path.join(home, name), text + "\n", 0o600)
    scratch.give_to(home, "nobody")
    return path


class Lmtp(unittest.TestCase):
    def test_one_recipient_a_message(self):
        """RFC 2033 4.2: the second one gets 452 4.5.3."""
        with CapturingUpstream() as up, \
                plain(f"127.0.0.1:{up.port}", {"protocol": "lmtp"}) as sp, \
                Client(sp) as c:
            c.send("MAIL FROM:<a@example.com>\r\nRCPT TO:<x@example.net>\r\n"
                   "RCPT TO:<y@example.net>\r\nDATA\r\n")
            got = [c.reply() for _ in range(4)]
            self.assertEqual([g[0] for g in got], [250, 250, 452, 354])
            self.assertTrue(got[2][1].startswith("4.5.3 "), got[2])
            c.send(BODY + ".\r\n")
            self.assertEqual(c.reply()[0], 250)
            self.assertEqual(up.messages[0].recipients, ["x@example.net"])
            self.assertTrue(up.sessions[0].commands[0].startswith(b"LHLO "))
            up.set("rcpt", reply("550 5.1.1 who?"), usual())
            c.expect("MAIL FROM:<a@example.com>", 250)
            self.assertEqual(c.command("RCPT TO:<x@example.net>")[0], 550)
            self.assertEqual(c.command("RCPT TO:<y@example.net>")[0], 250)

    def test_never_helo(self):
        with CapturingUpstream({"ehlo": reply("500 what?")}) as up, \
                plain(f"127.0.0.1:{up.port}", {"protocol": "lmtp"}) as sp, \
                Client(sp) as c:
            self.assertEqual(c.command("MAIL FROM:<a@example.com>")[0], 451)
            self.assertNotIn(b"HELO", b"".join(up.sessions[0].commands)[4:])


class Contract(unittest.TestCase):
    """Signatures as an upstream wants them."""

    def test_ses_preset_skips_what_is_signed(self):
        with CapturingUpstream({"dot": [usual(), usual(), reply(
                "554 Transaction failed: Duplicate header 'DKIM-Signature'.")]
                                }) as up, \
                Sealpost(up.port, upstream_settings={"preset": "ses"}) as sp:
            with sp.smtp() as client:
                for n in range(2): # what is ours already, comes again
                    data = message() if n == 0 else up.messages[0].data
                    client.sendmail("alice@example.com", ["b@example.net"],
                                    data)
                    self.assertEqual(up.messages[n].data.count(
                        b"DKIM-Signature:"), 1)
                with self.assertRaises(smtplib.SMTPDataError):
                    client.sendmail("alice@example.com", ["b@example.net"],
                                    message())
            hint = sp.wait_line("duplicate-signature")[0]
            self.assertEqual(hint["upstream"], "smarthost")
            self.assertIn("already_signed = skip-aligned", sp.log())
            said = sp.tool("user", "test", "alice", "--from",
                           "alice@example.com").stdout.decode()
            self.assertIn("already_signed = skip-aligned", said)

    def test_explicit_goes_before_preset(self):
        with CapturingUpstream() as up, \
                Sealpost(up.port, upstream_settings={
                    "preset": "ses", "already_signed": "sign"}) as sp:
            with sp.smtp() as client:
                client.sendmail("alice@example.com", ["b@example.net"],
                                message())
                client.sendmail("alice@example.com", ["b@example.net"],
                                up.messages[0].data)
            self.assertEqual(up.messages[1].data.count(b"DKIM-Signature:"), 2)


class Logins(unittest.TestCase):
    """AUTH towards the upstream: the strongest, and only with whom it may."""

    USERS = {"relay": "secret", "alice.up": "own"}

    def try_login(self, mechanisms, settings, want, **more):
        """want: the mechanism, or None when there is no connection."""
        home = scratch.folder()
        try:
            path = secret(home, "secret", more.pop("secret", "secret"))
            with CapturingUpstream(users=self.USERS, mechanisms=mechanisms,
                                   **more) as up, \
                    plain(f"127.0.0.1:{up.port}", {
                        "username": "relay", settings.pop("file"): path,
                        **settings}) as sp, Client(sp) as c:
                got = c.message()
                self.assertEqual(got[0], 250 if want else 451, sp.log())
                if want:
                    self.assertEqual(up.messages[0].user, "relay")
                    self.assertEqual(up.messages[0].session.mech, want)
                return sp.log()
        finally:
            scratch.remove(home)

    def test_strongest(self):
        password = {"login": "password", "file": "password_file"}
        for offered, want in (
                ("PLAIN LOGIN SCRAM-SHA-256", "SCRAM-SHA-256"),
                ("LOGIN PLAIN", "PLAIN"), ("LOGIN", "LOGIN"),
                ("XOAUTH2 LOGIN", "LOGIN")):
            with self.subTest(offered):
                self.try_login(offered, dict(password), want)
        log = self.try_login("SCRAM-SHA-256 PLAIN", dict(password), None,
                             impostor=True)
        self.assertIn("has not proved that it knows the password", log)
        log = self.try_login("SCRAM-SHA-256 PLAIN", dict(password), None,
                             secret="wrong")
        self.assertIn("refused the user name or password (535", log)
        start = time.time()
        log = self.try_login("SCRAM-SHA-256", dict(password), None,
                             rounds=4000000000)
        self.assertIn("more than 200000 rounds of hashing", log)
        self.assertLess(time.time() - start, 5)
        log = self.try_login("PLAIN", {
            **password, "auth_mechanisms": "scram-sha-256"}, None)
        self.assertIn("no AUTH mechanism that may be used", log)

    def test_token(self):
        token = {"login": "oauth", "file": "token_file"}
        for offered, want in (("XOAUTH2 PLAIN", "XOAUTH2"),
                              ("XOAUTH2 OAUTHBEARER", "OAUTHBEARER")):
            with self.subTest(offered):
                self.try_login(offered, dict(token), want)
        log = self.try_login("XOAUTH2", dict(token), None, secret="stale")
        self.assertIn('{"status":"401"', log.replace("\\", ""))
        self.assertIn("a new token in token_file", log)

    def test_token_file_is_read_again(self):
        home = scratch.folder()
        path = secret(home, "token", "old")
        with CapturingUpstream(users={"relay": "t" * 2000},
                               mechanisms="XOAUTH2") as up, \
                plain(f"127.0.0.1:{up.port}", {
                    "login": "oauth", "username": "relay",
                    "token_file": path}) as sp, Client(sp) as c:
            self.assertEqual(c.command("MAIL FROM:<a@example.com>")[0], 451)
            secret(home, "token", "t" * 2000)
            self.assertEqual(c.message()[0], 250)
            self.assertIn(b"AUTH XOAUTH2\r\n", up.sessions[-1].commands)
        scratch.remove(home)

    def test_each_user_her_own(self):
        """Connections of one login are never lent to another."""
        home = scratch.folder()
        relay, own = secret(home, "relay", "secret"), secret(home, "own", "own")
        with CapturingUpstream(users=self.USERS) as up, \
                Sealpost(up.port, upstream_settings={
                    "login": "password", "username": "relay",
                    "password_file": relay},
                    users={"alice": ("pw", "*"), "bob": ("pw", "*")},
                    start=False) as sp:
            name = "--upstream-username", "alice.up"
            done = sp.tool("user", "add", "carol", *name, "--password-stdin",
                           input="pw\n", ok=(64,))
            self.assertIn("go together", done.stderr.decode())
            sp.add_user("carol", "pw", "*", *name, "--upstream-password-file",
                        own)
            path = os.path.join(sp.state, "users.conf")
            text = scratch.read(path).decode()
            scratch.write(path, text.replace("upstream_password_file", ";"),
                          0o600)
            done = sp.tool("user", "list", ok=None)
            self.assertIn("go together", done.stderr.decode())
            scratch.write(path, text, 0o600)
            sp.start()
            for user in "carol", "bob", "carol", "alice":
                with sp.smtp(user, "pw") as client:
                    client.sendmail("a@example.com", ["b@example.net"],
                                    message())
            self.assertEqual([m.user for m in up.messages],
                             ["alice.up", "relay", "alice.up", "relay"])
            self.assertEqual(len(up.sessions), 2)
        scratch.remove(home)


    def test_a_wrong_one_is_her_own_matter(self):
        """Neither is the address tried last for others, nor are the other
        addresses bothered with it."""
        home = scratch.folder()
        relay, own = secret(home, "relay", "secret"), secret(home, "own", "no")
        with CapturingUpstream(users=self.USERS) as one, \
                CapturingUpstream(users=self.USERS) as two, \
                Sealpost(f"127.0.0.1:{one.port}, 127.0.0.1:{two.port}",
                         upstream_settings={
                             "login": "password", "username": "relay",
                             "password_file": relay},
                         users={"alice": ("pw", "*"), "bob": ("pw", "*")},
                         start=False) as sp:
            path = os.path.join(sp.state, "users.conf")
            text = scratch.read(path).decode().replace(
                "[bob]", "[bob]\nupstream_username = bob\n"
                f"upstream_password_file = {own}")
            scratch.write(path, text, 0o600)
            sp.start()
            with sp.smtp("bob", "pw") as client:
                self.assertEqual(client.mail("b@example.com")[0], 451)
            with sp.smtp("alice", "pw") as client:
                client.sendmail("a@example.com", ["b@example.net"], message())
            self.assertEqual([len(u.sessions) for u in (one, two)], [2, 0])
            os.unlink(own)
            done = subprocess.run([scratch.program("sealpostd"), "-c",
                                   sp.config, "-t"], text=True,
                                  stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT)
            self.assertEqual(done.returncode, 78, done.stdout)
            self.assertRegex(done.stdout, r"users.conf:\d+: upstream_password"
                             rf"_file = {own}: No such file")
            with sp.smtp("bob", "pw") as client:
                self.assertEqual(client.mail("b@example.com")[0], 451)
            self.assertIn("must be readable by the service's user", sp.log())
            self.assertEqual(sp.lines("upstream-down"), [])
        scratch.remove(home)


class Told(unittest.TestCase):
    """XCLIENT and XFORWARD out."""

    OFFERS = ("PIPELINING", "XCLIENT NAME ADDR HELO PROTO LOGIN",
              "XFORWARD NAME ADDR PORT HELO IDENT SOURCE")

    def test_xclient(self):
        with CapturingUpstream(extensions=self.OFFERS) as up, \
                plain(f"127.0.0.1:{up.port}", {"xclient": "auto"}) as sp:
            for helo in "one.test", "two.test", "one.test":
                with RawClient(sp.port) as c:
                    c.expect("EHLO " + helo, 250)
                    c.envelope("a@example.com", "b@example.net")
                    c.send(BODY + ".\r\n")
                    self.assertEqual(c.reply()[0], 250)
            told = [m.session.xclient for m in up.messages]
            self.assertEqual(told[0], "NAME=[UNAVAILABLE] ADDR=127.0.0.1 "
                             "PROTO=ESMTP HELO=one.test LOGIN=[UNAVAILABLE]")
            self.assertIn("HELO=two.test", told[1])
            self.assertEqual(len(up.sessions), 2) # the first one's is kept
            self.assertIs(up.messages[0].session, up.messages[2].session)

    def test_needed(self):
        for setting in "xclient", "xforward":
            with CapturingUpstream() as up, \
                    plain(f"127.0.0.1:{up.port}", {setting: "yes"}) as sp, \
                    Client(sp) as c:
                self.assertEqual(c.message()[0], 451)
                self.assertIn(f"does not take {setting.upper()}", sp.log())

    def test_xforward(self):
        for offers in self.OFFERS, self.OFFERS[1:]: # pipelined, and not
            with CapturingUpstream(extensions=offers) as up, \
                    plain(f"127.0.0.1:{up.port}", {"xforward": "auto"},
                          listen={"xclient_from": "127.0.0.0/8"}) as sp, \
                    Client(sp) as c:
                self.assertEqual(c.message()[0], 250)
                told = up.messages[0].session.xforward
                self.assertRegex(told, r"NAME=\[UNAVAILABLE\] ADDR=127.0.0.1 "
                                 r"PORT=\d+ HELO=client.test IDENT=\w+ "
                                 r"SOURCE=REMOTE$")
                c.expect("XFORWARD ADDR=192.0.2.7 NAME=far.example", 250)
                self.assertEqual(c.message()[0], 250)
                told = up.sessions[0].xforward
                self.assertIn("NAME=far.example ADDR=192.0.2.7 "
                              "PORT=[UNAVAILABLE]", told)
                up.set("xforward", reply("501 5.5.4 no"))
                self.assertEqual(c.message()[0], 250)
                self.assertEqual(up.ahead, [])


if __name__ == "__main__":
    unittest.main()
