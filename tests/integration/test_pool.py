"""Which connection a message goes over: pools, limits, routes, logins."""
import os
import smtplib
import subprocess
import threading
import time
import unittest

import scratch
from nameserver import Nameserver
from rawclient import RawClient
from sealpost import Sealpost, message, section
from upstream import CapturingUpstream, close, delay, reply, usual

BODY = "From: a@example.com\r\nSubject: x\r\n\r\nHello\r\n"
ANYBODY = {"tls": "none", "auth": "optional",
           "trusted_networks": "127.0.0.0/8"}


def plain(address, settings=None, **more):
    listen = {**ANYBODY, **more.pop("listen", {})}
    return Sealpost(upstream=address, upstream_settings=settings,
                    listen=listen, **more)


def secret(home, name, text):
    """A file that only the service's account may read."""
    path = scratch.write(os.path.join(home, name), text + "\n", 0o600)
    scratch.give_to(home, "nobody")
    return path


class Client(RawClient):
    def __init__(self, sp, **more):
        super().__init__(sp.port, **more)
        self.expect("EHLO client.test", 250)

    def message(self, sender="a@example.com", to=("b@example.net",)):
        """The reply to the end of data, or the first one that is no good."""
        got = self.command(f"MAIL FROM:<{sender}>")
        for rcpt in to:
            got = self.command(f"RCPT TO:<{rcpt}>") if got[0] == 250 else got
        if got[0] != 250:
            return got
        self.expect("DATA", 354)
        self.send(BODY + ".\r\n")
        return self.reply()


class Pool(unittest.TestCase):
    """UP-15, and what stands around it."""

    def test_weights_share(self):
        with CapturingUpstream() as one, CapturingUpstream() as two, \
                plain(f"127.0.0.1:{one.port} weight=3, "
                      f"127.0.0.1:{two.port} weight=1") as sp, \
                Client(sp) as c:
            for _ in range(12):
                self.assertEqual(c.message()[0], 250)
            self.assertEqual((len(one.messages), len(two.messages)), (9, 3))
            self.assertEqual((len(one.sessions), len(two.sessions)), (1, 1))

    def test_standby_takes_over_and_gives_back(self):
        port = scratch.free_port()
        with CapturingUpstream() as spare, \
                plain(f"127.0.0.1:{port}, 127.0.0.1:{spare.port}",
                      {"fail_timeout": "3s"}) as sp, Client(sp) as c:
            self.assertEqual(c.message()[0], 250)
            self.assertEqual(c.message()[0], 250)
            self.assertEqual(len(spare.messages), 2)
            line, = sp.lines("upstream-failed")
            self.assertEqual(line["upstream"], "smarthost")
            self.assertEqual(sp.lines("upstream-down")[0]["address"],
                             f"127.0.0.1:{port}")
            with CapturingUpstream(port=port) as first:
                time.sleep(3.1)
                self.assertEqual(c.message()[0], 250)
                self.assertEqual(len(first.messages), 1)
                sp.wait_line("upstream-up")

    def test_failed_after_the_dot_is_nobody_elses(self):
        """UP-15: never after the dot."""
        with CapturingUpstream({"dot": close()}) as one, \
                CapturingUpstream() as two, \
                plain(f"127.0.0.1:{one.port}, 127.0.0.1:{two.port}") as sp, \
                Client(sp) as c:
            self.assertEqual(c.message()[0], 451)
            self.assertEqual((two.sessions, two.messages), ([], []))
            self.assertEqual(sp.lines("message")[0]["outcome"], "unknown")

    def test_refused_login_goes_to_the_next(self):
        with CapturingUpstream({"connect": reply("421 busy")}) as one, \
                CapturingUpstream() as two, \
                plain(f"127.0.0.1:{one.port}, 127.0.0.1:{two.port}") as sp, \
                Client(sp) as c:
            self.assertEqual(c.message()[0], 250)
            self.assertIn("421 busy", sp.log())

    def test_health(self):
        with CapturingUpstream() as one, CapturingUpstream() as two, \
                plain(f"127.0.0.1:{one.port}, 127.0.0.1:{two.port}",
                      {"health_interval": "1s", "health_timeout": "1s",
                       "health_fall": 1, "health_rise": 1}) as sp, \
                Client(sp) as c:
            scratch.wait_for("a check", lambda: [
                s for s in one.sessions if b"NOOP\r\n" in s.commands])
            one.set("noop", reply("421 4.3.2 going"))
            self.assertEqual(sp.wait_line("upstream-down")[0]["by"], "check")
            self.assertEqual(c.message()[0], 250)
            self.assertEqual(len(two.messages), 1)
            one.set("noop", usual())
            sp.wait_line("upstream-up")
            self.assertEqual(c.message()[0], 250)
            self.assertEqual(len(one.messages), 1)
            checks = [s for s in one.sessions if b"NOOP\r\n" in s.commands]
            self.assertNotIn(b"AUTH", b"".join(checks[0].commands))

    def test_reuse_messages(self):
        with CapturingUpstream() as up, \
                plain(f"127.0.0.1:{up.port}", {"reuse_messages": 2}) as sp, \
                Client(sp) as c:
            for _ in range(5):
                self.assertEqual(c.message()[0], 250)
            self.assertEqual(len(up.sessions), 3)
            self.assertIn(b"QUIT\r\n", up.sessions[0].commands)

    def test_reuse_age_and_idle(self):
        for setting in {"reuse_age": "3s"}, {"reuse_idle": "3s"}:
            with self.subTest(setting), CapturingUpstream() as up, \
                    plain(f"127.0.0.1:{up.port}", setting) as sp, \
                    Client(sp) as c:
                self.assertEqual(c.message()[0], 250)
                self.assertEqual(c.message()[0], 250)
                self.assertEqual(len(up.sessions), 1)
                time.sleep(3.2)
                self.assertEqual(c.message()[0], 250)
                self.assertEqual(len(up.sessions), 2)
        with CapturingUpstream() as up, \
                plain(f"127.0.0.1:{up.port}", {"reuse_idle": "0s"}) as sp, \
                Client(sp) as c:
            c.message()
            c.message()
            self.assertEqual(len(up.sessions), 2)


class Hosts(unittest.TestCase):
    """UP-15: one name, several addresses."""

    def test_the_first_one_is_dead(self):
        with CapturingUpstream() as up, Nameserver(
                {("up.test", "A"): ["127.0.0.2", "127.0.0.1"]}) as ns, \
                plain(f"up.test:{up.port}", {"tls": "none"},
                      dns={"nameserver": ns.address}) as sp, Client(sp) as c:
            for n in range(4):
                self.assertEqual(c.message()[0], 250)
                self.assertEqual(sp.lines("message")[n]["upstream"],
                                 f"up.test[127.0.0.1]:{up.port}")
            # It was tried once and is remembered; the name is still good.
            self.assertEqual(len(sp.lines("upstream-failed")), 1)
            self.assertEqual(sp.lines("upstream-down"), [])

    def test_hosts_take_turns(self):
        with CapturingUpstream() as one, CapturingUpstream(
                port=one.port, host="127.0.0.2") as two, Nameserver(
                {("up.test", "A"): ["127.0.0.2", "127.0.0.1"]}) as ns, \
                plain(f"up.test:{one.port}", {"reuse_messages": 1},
                      dns={"nameserver": ns.address}) as sp, Client(sp) as c:
            for _ in range(6):
                self.assertEqual(c.message()[0], 250)
            self.assertEqual((len(one.messages), len(two.messages)), (3, 3))


class Queue(unittest.TestCase):
    def test_who_comes_late_waits(self):
        most = []

        def count(session, line):
            most.append(sum(not s.ended for s in session.server.sessions))
            time.sleep(0.1)
        with CapturingUpstream({"dot": count}) as up, \
                plain(f"127.0.0.1:{up.port}", {"max_connections": 2}) as sp:
            def send():
                with Client(sp) as c:
                    replies.append(c.message()[0])
            replies = []
            threads = [threading.Thread(target=send) for _ in range(8)]
            for t in threads:
                t.start()
            for t in threads:
                t.join(30)
            self.assertEqual(replies, [250] * 8)
            self.assertEqual(len(up.sessions), 2)
            self.assertLessEqual(max(most), 2)

    def test_deadline(self):
        with CapturingUpstream() as up, \
                plain(f"127.0.0.1:{up.port}",
                      {"max_connections": 1, "queue_timeout": "1s"}) as sp, \
                Client(sp) as holds, Client(sp) as waits:
            holds.expect("MAIL FROM:<a@example.com>", 250)
            start = time.time()
            got = waits.command("MAIL FROM:<a@example.com>")
            self.assertEqual((got[0], got[1][:5]), (451, "4.4.1"))
            self.assertTrue(0.9 < time.time() - start < 4)
            self.assertEqual(sp.wait_line("upstream-busy")[0]["waited"], "1s")
            holds.expect("RSET", 250)
            self.assertEqual(waits.message()[0], 250)
            self.assertEqual(len(up.sessions), 1)

    def test_deadline_is_of_the_queue(self):
        """Who has a place at last is not told that there is none."""
        with CapturingUpstream() as up, \
                plain(f"127.0.0.1:{up.port}",
                      {"max_connections": 1, "queue_timeout": "2s",
                       "reuse_idle": "0s"}) as sp, \
                Client(sp) as holds, Client(sp) as waits:
            holds.expect("MAIL FROM:<a@example.com>", 250)
            up.set("connect", delay(2.2))
            waits.send("MAIL FROM:<a@example.com>\r\n")
            time.sleep(0.3)
            holds.expect("RSET", 250)
            self.assertEqual(waits.reply()[0], 250)
            self.assertEqual(sp.lines("upstream-busy"), [])
            self.assertEqual(len(up.sessions), 2)

    def test_who_goes_away_is_not_served(self):
        with CapturingUpstream() as up, \
                plain(f"127.0.0.1:{up.port}", {"max_connections": 1}) as sp, \
                Client(sp) as holds:
            holds.expect("MAIL FROM:<a@example.com>", 250)
            gone = Client(sp)
            gone.send("MAIL FROM:<a@example.com>\r\n")
            time.sleep(0.2)
            gone.close()
            with Client(sp) as waits:
                waits.send("MAIL FROM:<c@example.com>\r\n")
                time.sleep(0.2)
                holds.expect("RSET", 250)
                self.assertEqual(waits.reply()[0], 250)


class Routes(unittest.TestCase):
    """The user's, the sender domain's, the listener's: in this order."""

    @classmethod
    def setUpClass(cls):
        cls.ups = [CapturingUpstream() for _ in range(4)]
        names = ("user", "domain", "below")
        domains = ("", "Two.example", "*.example")
        extra = "".join(section("upstream " + n, {
            "address": f"127.0.0.1:{u.port}", "tls": "none",
            "sender_domains": d})
            for n, d, u in zip(names, domains, cls.ups[1:]))
        cls.sp = Sealpost(cls.ups[0].port, extra=extra, users={
            "alice": ("pw", "*"), "bob": ("pw", "*")})
        cls.sp.tool("user", "set", "bob", "--upstream", "user")

    @classmethod
    def tearDownClass(cls):
        cls.sp.stop()
        for up in cls.ups:
            up.stop()

    def test_precedence(self):
        for user, sender, want in (
                ("alice", "a@one.test", 0), ("alice", "a@two.example", 2),
                ("alice", "a@deep.two.example", 3), ("bob", "a@two.example", 1),
                ("alice", "", 0), ("alice", "a@TWO.Example", 2),
                ("alice", "a@example", 0)):
            with self.subTest(user=user, sender=sender):
                before = [len(u.messages) for u in self.ups]
                with self.sp.smtp(user, "pw") as client:
                    client.sendmail(sender, ["x@example.net"], message())
                before[want] += 1
                self.assertEqual([len(u.messages) for u in self.ups], before)

    def test_user_test_says_which(self):
        for user, sender, name, why in (
                ("alice", "a@two.example", "domain", "the sender domain's"),
                ("bob", "a@two.example", "user", "the user's own"),
                ("alice", "a@one.test", "smarthost", "the listener's")):
            said = self.sp.tool("user", "test", user, "--from",
                                sender).stdout.decode()
            self.assertIn(f"upstream:  {name} ({why})", said)


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
