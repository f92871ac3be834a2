"""Which connection a message goes over: pools, limits, routes."""
import threading
import time
import unittest

import scratch
from nameserver import Nameserver
from poolcase import Client, plain
from sealpost import Sealpost, message, section
from upstream import CapturingUpstream, close, delay, reply, usual


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


if __name__ == "__main__":
    unittest.main()
