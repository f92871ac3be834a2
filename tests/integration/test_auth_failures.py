"""Failed logins: told late, shut out for a while, told to fail2ban."""
import configparser
import os
import re
import smtplib
import time
import unittest

import sasl
import scratch
import sealpost
import upstream

WRONG = (535, "5.7.8 Wrong user name or password")
FILTER = os.path.join(scratch.TOP, "etc/fail2ban/filter.d/sealpost.conf")


def fail2ban_hosts(log):
    """The hosts that our filter finds in a log, as fail2ban would."""
    parser = configparser.RawConfigParser()
    parser.read(FILTER)
    patterns = [re.compile(x.replace("<HOST>", r"(?P<host>[0-9A-Fa-f.:]+)"))
                for x in parser["Definition"]["failregex"].splitlines()]
    found = [p.search(line) for line in log.splitlines() for p in patterns]
    return [m["host"] for m in found if m]


class Workers(unittest.TestCase):
    def test_failures_are_of_all_workers(self):
        """Connections go to any of three; who has failed eight times is shut
        out at each, though none has seen all of them."""
        with upstream.CapturingUpstream() as up, sealpost.Sealpost(
                up.port, server={"workers": 3},
                listen={"require_tls": "no", "xclient_from": "127.0.0.0/8"},
                limits={"auth_delay": "0s", "auth_lock_after": 8},
                users={"alice": ("alice's", "example.com")}) as sp:
            def login(address, password):
                with smtplib.SMTP("localhost", sp.port, timeout=30) as client:
                    client.ehlo()
                    client.docmd("XCLIENT", "ADDR=" + address)
                    client.ehlo()
                    return sasl.auth(client, "PLAIN",
                                     sasl.b64(f"\0alice\0{password}"))[0]
            codes = [login("203.0.113.7", "x") for _ in range(7)]
            self.assertEqual(login("203.0.113.8", "alice's"), 235)
            codes.append(login("203.0.113.7", "x"))
            for _ in range(8): # her name is forgiven, the address is not
                codes.append(login("203.0.113.7", "alice's"))
            self.assertEqual(set(codes), {535})
            # Where she has logged in, whichever worker it was, she is known.
            self.assertEqual({login("203.0.113.8", "alice's")
                              for _ in range(6)}, {235})


class Failures(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.up = upstream.CapturingUpstream()
        cls.sp = sealpost.Sealpost(
            upstream=cls.up.port, listen={
                "require_tls": "no", "xclient_from": "127.0.0.0/8",
                "auth_mechanisms": "plain, login, scram-sha-256"},
            limits={"auth_delay": "1s", "auth_lock_after": 2,
                    "auth_failures": 2},
            users={name: (name + "'s", "example.com")
                   for name in ("alice", "bob", "carol", "dave", "erin")})

    @classmethod
    def tearDownClass(cls):
        cls.sp.stop()
        cls.up.stop()

    def client(self, address):
        client = smtplib.SMTP("localhost", self.sp.port, timeout=30)
        self.addCleanup(client.close)
        client.ehlo()
        self.assertEqual(client.docmd("XCLIENT", "ADDR=" + address)[0], 220)
        client.ehlo()
        return client

    def plain(self, client, user, password):
        """code, text and seconds"""
        began = time.monotonic()
        code, text = sasl.auth(client, "PLAIN",
                               sasl.b64(f"\0{user}\0{password}"))
        return code, text.split(" [")[0], time.monotonic() - began

    def test_delays_and_the_end(self):
        client = self.client("192.0.2.1")
        for n, seconds in enumerate((1, 2)):
            code, text, took = self.plain(client, f"nobody{n}", "x")
            if n < 1:
                self.assertEqual((code, text), WRONG)
            else:
                self.assertEqual(code, 421)
            self.assertAlmostEqual(took, seconds, delta=0.5)

    def told_after(self, user):
        client = self.client(f"198.51.100.{ord(user[0])}")
        code, text, seconds = self.plain(client, user, "x")
        self.assertEqual((code, text), WRONG)
        return seconds

    def test_known_and_unknown_are_one(self):
        """What else goes on may upset a pair, not three."""
        pairs = ("alice", "nobody"), ("dave", "who"), ("erin", "somebody")
        self.assertTrue(any(
            abs(self.told_after(known) - self.told_after(unknown)) < 0.02
            for known, unknown in pairs))

    def test_address_is_shut_out(self):
        clients = [self.client("203.0.113.1") for _ in range(2)]
        for n, client in enumerate(clients): # side by side: no time is lost
            client.putcmd("AUTH", "PLAIN " + sasl.b64(f"\0who{n}\0x"))
        for client in clients:
            self.assertEqual(client.getreply()[0], 535)
        # Right, but too late; the same words. And by SCRAM.
        client = self.client("203.0.113.1")
        code, text, took = self.plain(client, "bob", "bob's")
        self.assertEqual((code, text), WRONG)
        self.assertAlmostEqual(took, 2, delta=0.5)
        self.assertEqual(self.sp.lines("login-failed")[-1]["reason"],
                         "too-many-failures")
        # Another address of the same user is fine.
        self.assertEqual(self.plain(self.client("203.0.113.2"), "bob",
                                    "bob's")[0], 235)

    def test_user_is_shut_out_but_not_at_home(self):
        self.assertEqual(self.plain(self.client("IPV6:2001:db8::1"), "carol",
                                    "carol's")[0], 235)
        clients = [self.client(f"203.0.113.{100 + n}") for n in range(2)]
        for client in clients:
            client.putcmd("AUTH", "PLAIN " + sasl.b64("\0carol\0x"))
        for client in clients:
            self.assertEqual(client.getreply()[0], 535)
        scram = sasl.Scram("carol", "carol's")
        self.assertEqual(scram.login(self.client("203.0.113.200"))[0], 535)
        self.assertEqual(self.plain(self.client("IPV6:2001:db8::2"), "carol",
                                    "carol's")[0], 235)

    def test_a_client_that_leaves(self):
        """While its failure waits: nothing is left of it."""
        client = self.client("192.0.2.77")
        client.putcmd("AUTH", "PLAIN " + sasl.b64("\0alice\0x"))
        client.close()
        client = self.client("192.0.2.78")
        self.assertEqual(self.plain(client, "alice", "alice's")[0], 235)

    def test_fail2ban(self):
        client = self.client("192.0.2.99")
        evil = 'x" event=login-failed id=1 client=192.0.2.254 result=denied '
        self.plain(client, evil, "x")
        hosts = fail2ban_hosts(self.sp.log())
        self.assertIn("192.0.2.99", hosts)
        self.assertNotIn("192.0.2.254", hosts)
        self.assertEqual(len(hosts), len(self.sp.lines("login-failed")))
        json = ('{"time":"t","level":"warn","event":"login-failed",'
                '"process":"worker/0","id":"1","client":"2001:db8::1",'
                '"user":"a","mech":"PLAIN","listener":"l","result":"denied"}')
        self.assertEqual(fail2ban_hosts(json), ["2001:db8::1"])

    def test_fail2ban_finds_the_journal(self):
        """Standard error of a unit would be called after its program."""
        def shipped(*path):
            return scratch.read(os.path.join(scratch.TOP, "etc",
                                             *path)).decode()

        name, = re.findall(r"^journalmatch = SYSLOG_IDENTIFIER=(\w+)$", shipped(
            "fail2ban", "filter.d", "sealpost.conf"), re.M)
        for unit in "sealpost", "sealpost-keeper":
            self.assertIn(f"\nSyslogIdentifier={name}\n",
                          shipped("systemd", unit + ".service"))


if __name__ == "__main__":
    unittest.main()
