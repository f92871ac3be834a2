"""Limits that hold for all workers together, and what `sealpost status` says
of them."""
import contextlib
import json
import os
import signal
import socket
import subprocess
import time
import unittest

import scratch
from rawclient import RawClient
from sealpost import Sealpost, message, section
from upstream import CapturingUpstream
from wire import processes

END = b".\r\n"


class From(RawClient):
    """A client that comes from an address of its own."""

    def __init__(self, port, source, greeting=True):
        self.socket = socket.create_connection(
            ("127.0.0.1", port), 20, source_address=(source, 0))
        self.buffer = b""
        self.greeting = self.reply() if greeting else None


class Overload(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.up = CapturingUpstream()
        cls.mx = scratch.free_port()
        cls.sp = Sealpost(
            cls.up.port, server={"workers": "2"},
            limits={"connections": "40", "connections_per_ip": "4",
                    "connections_per_network": "6", "network_ipv4": "24",
                    "connections_per_user": "3", "handshakes_per_minute": "5",
                    "rate": "6/h", "recipient_rate": "8/h", "errors": "3",
                    "junk_commands": "5", "stress": "50",
                    "auth_failures": "2"},
            users={"alice": ("pw", "example.com"),
                   "bob": ("pw", "example.com"),
                   "carol": ("pw", "example.com")},
            listen={"auth": "required"},
            extra=section("listen mx", {
                "address": f"0.0.0.0:{cls.mx}", "mode": "inbound",
                "tls": "none", "relay_domains": "example.com",
                "upstream": "smarthost"}), start=False)
        with open(cls.sp.state + "/users.conf", "a") as f:
            f.write("recipient_rate = 100/h\n") # carol's
        cls.sp.start()

    @classmethod
    def tearDownClass(cls):
        cls.sp.stop()
        cls.up.stop()

    def setUp(self):
        self.clients = contextlib.ExitStack()
        self.addCleanup(self.all_gone)

    def all_gone(self):
        self.clients.close()
        scratch.wait_for("no session", lambda: not self.status()["sessions"])

    def client(self, source="127.0.1.1", port=None, greeting=220):
        c = self.clients.enter_context(From(port or self.mx, source))
        self.assertEqual(c.greeting[0], greeting, c.greeting)
        return c

    def status(self, *more):
        done = subprocess.run(
            [scratch.program("sealpost"), "status", "-c", self.sp.config,
             "--json", *more], capture_output=True, text=True, check=True)
        return json.loads(done.stdout)

    @contextlib.contextmanager
    def counted(self, **want):
        before = self.status()
        yield
        now = self.status()
        got = {k: now[k] - before[k] for k in want}
        self.assertEqual(got, want)

    def login(self, user="alice", source="127.0.2.1"):
        c = self.client(source, self.sp.port)
        c.ready()
        c.login(user, "pw")
        return c

    def test_connections_per_ip(self):
        with self.counted(over_connections_per_ip=2, connections=8):
            mine = [self.client("127.1.0.2") for _ in range(4)]
            refused = self.client("127.1.0.2", greeting=421)
            self.assertIn("4.7.0", refused.greeting[1])
            self.assertIn("your address", refused.greeting[1])
            self.assertTrue(refused.closed())
            self.client("127.1.1.2") # another one
            mine[0].close()
            scratch.wait_for("one less", lambda:
                             self.status()["sessions"] == 4)
            self.client("127.1.0.2")
            self.client("127.1.0.2", greeting=421)

    def test_connections_per_network(self):
        with self.counted(over_connections_per_network=1):
            for i in range(6):
                self.client(f"127.2.0.{i + 1}")
            text = self.client("127.2.0.9", greeting=421).greeting[1]
            self.assertIn("your network", text)
            self.client("127.2.1.9")
            self.all_gone()
            for _ in range(4): # who was refused was not counted
                self.client("127.2.0.9")

    def test_connections_per_user_and_a_killed_worker(self):
        with self.counted(over_connections_per_user=1, logins=4):
            for i in range(3):
                self.login("carol", f"127.3.{i}.1")
            c = self.client("127.3.9.1", self.sp.port)
            c.ready()
            self.assertEqual(c.command(
                "AUTH PLAIN AGNhcm9sAHB3")[0], 421)
            self.login("bob", "127.3.8.1")
        workers = [p for p, line in processes(self.sp.process.pid).items()
                   if "--worker" in line]
        for pid in workers:
            os.kill(pid, signal.SIGKILL)
        scratch.wait_for("new workers", lambda: self.status()["workers"] == 2
                         and not self.status()["sessions"])
        self.assertGreaterEqual(self.status()["logins"], 4)
        for i in range(3):
            self.login("carol", f"127.3.{i}.2")

    def test_connections_and_stress(self):
        with self.counted(over_connections=1, over_errors=1):
            self.assertEqual(self.status()["stressed"], 0)
            for i in range(40):
                c = self.client(f"127.4.{i}.1")
            self.assertGreater(self.status()["stressed"], 0)
            text = self.client("127.4.99.1", greeting=421).greeting[1]
            self.assertIn("4.3.2", text)
            # the first error is the last one
            self.assertEqual(c.command("NONSENSE")[0], 421)
            self.clients.close()
            scratch.wait_for("calm", lambda: not self.status()["stressed"])
        self.assertGreater(self.status()["stress"], 0) # each worker's
        self.assertTrue(self.sp.lines("stress"))
        self.assertTrue(self.sp.lines("calm"))

    def content_begun(self, source):
        c = self.client(source)
        c.expect("EHLO x", 250)
        c.envelope("a@example.net", "b@example.com")
        c.send(b"From: a@example.net\r\nSubject: ")
        return c

    def drip(self, clients):
        """An octet of content each half second, until all are cut."""
        for n in range(60):
            for c in clients[:]:
                try:
                    c.send(b"x")
                    c.socket.settimeout(0.5 / len(clients))
                    code, text = c.reply()
                except TimeoutError:
                    continue
                self.assertEqual((code, text[:6]), (421, "4.4.2 "))
                self.assertIn("too slowly", text)
                clients.remove(c)
            if not clients:
                return
        self.fail("it may go on for ever")

    def test_stress_shortens_timers(self):
        """Idle clients are cut until it is calm; who is left may stay."""
        before = self.status()
        slow = [self.content_begun(f"127.5.100.{i + 1}") for i in range(3)]
        first = self.client("127.5.0.1")
        others = [self.client(f"127.5.{i + 1}.1") for i in range(25)]
        self.assertGreater(self.status()["stressed"], 0)
        began = time.monotonic()
        self.drip(slow)
        # An octet now and then does not count as speaking.
        self.assertLess(time.monotonic() - began, 13)
        self.assertEqual(self.status()["under_min_data_rate"]
                         - before["under_min_data_rate"], 3)
        before = before["timeouts"]
        scratch.wait_for("a calm relay", lambda:
                         not self.status()["stressed"], 20)
        self.assertGreaterEqual(self.status()["timeouts"] - before, 10)
        cut = 0
        for c in [first, *others]:
            c.socket.settimeout(0.05)
            try:
                code, text = c.reply()
                self.assertEqual((code, text[:6]), (421, "4.4.2 "))
                cut += 1
            except TimeoutError:
                pass
        self.assertGreaterEqual(cut, 10)

    def test_errors_and_junk(self):
        with self.counted(over_errors=1, over_junk_commands=1,
                          over_auth_failures=1):
            c = self.client()
            codes = [c.command(x)[0] for x in ("A", "B", "C")]
            self.assertEqual(codes, [500, 500, 421])
            self.assertTrue(c.closed())
            c = self.client()
            codes = [c.command("NOOP")[0] for _ in range(6)]
            self.assertEqual(codes, [250] * 5 + [421])
            c = self.client(port=self.sp.port)
            c.ready()
            codes = [c.command("AUTH PLAIN AGNhcm9sAHdyb25n")[0]
                     for _ in range(2)]
            self.assertEqual(codes, [535, 421])

    def test_handshakes(self):
        with self.counted(over_handshakes_per_minute=2, handshakes=8):
            for _ in range(5):
                with From(self.sp.port, "127.6.0.1") as c:
                    c.expect("EHLO x", 250)
                    c.starttls()
            c = self.client("127.6.0.1", self.sp.port)
            c.expect("EHLO x", 250)
            self.assertIn("4.7.0", c.expect("STARTTLS", 454))
            self.assertEqual(c.command("NOOP")[0], 250)
            with From(self.sp.tls_port, "127.6.0.1", greeting=False) as c:
                self.assertTrue(c.closed())
            with From(self.sp.port, "127.6.0.2") as c:
                c.expect("EHLO x", 250)
                c.starttls()
        said = [x for x in self.sp.lines("refused")
                if x["reason"] == "handshakes_per_minute"]
        self.assertEqual({x["client"] for x in said}, {"127.6.0.1"})

    def send(self, c, recipients):
        """The codes of MAIL and of each RCPT; the message goes."""
        codes = [c.command("MAIL FROM:<alice@example.com>")[0]]
        if codes[0] == 250:
            for i in range(recipients):
                codes.append(c.command(f"RCPT TO:<r{i}@example.net>")[0])
            c.expect("RSET" if 450 in codes else "DATA",
                     250 if 450 in codes else 354)
            if 450 not in codes:
                c.send(message() + END)
                self.assertEqual(c.reply()[0], 250)
        return codes

    def test_rates_of_users(self):
        with self.counted(over_rate=1, over_recipient_rate=3, delivered=4,
                          recipients=16, signed=4):
            c = self.login("alice", "127.7.0.1")
            self.assertEqual(self.send(c, 3), [250] * 4)
            c = self.login("alice", "127.7.1.1") # another worker perhaps
            self.assertEqual(self.send(c, 4), [250] * 5)
            self.assertEqual(self.send(c, 2), [250, 250, 450])
            self.assertEqual(self.send(c, 2), [250, 450, 450])
            for _ in range(2):
                c.expect("MAIL FROM:<alice@example.com>", 250)
                c.expect("RSET", 250)
            self.assertEqual(self.send(c, 1), [450])
            c = self.login("bob", "127.7.2.1") # somebody else
            self.assertEqual(self.send(c, 1), [250, 250])
            c = self.login("carol", "127.7.3.1") # has her own
            self.assertEqual(self.send(c, 8), [250] * 9)
        by = {x["name"]: x for x in self.status("--by", "user")["by_user"]}
        self.assertGreaterEqual(by["carol"]["recipients"], 8)
        self.assertGreaterEqual(by["alice"]["delivered"], 2)

    def test_status(self):
        def shown(*more, code=0):
            done = subprocess.run(
                [scratch.program("sealpost"), "status", "-c", self.sp.config,
                 *more], capture_output=True, text=True)
            self.assertEqual(done.returncode, code, done.stderr)
            return done.stdout + done.stderr

        text = shown()
        self.assertRegex(text, r"running     \S+, 2 workers, 1 key, 3 users")
        self.assertRegex(text, r"sessions    0 of 40")
        self.assertRegex(text, r"UPSTREAM +DELIVERED")
        self.assertRegex(shown("--by", "domain"), r"^DOMAIN ")
        shown("--by", "nonsense", code=64)
        shown("more", code=64)
        other = scratch.folder()
        config = scratch.read(self.sp.config).decode()
        path = scratch.write(other + "/c", config.replace(
            "connections = 40", "connections = auto"))
        # the daemon's limit, not what this shell would come to
        self.assertRegex(shown("-c", path), r"sessions    0 of 40")
        path = scratch.write(other + "/c", config.replace(self.sp.state, other))
        done = subprocess.run([scratch.program("sealpost"), "status", "-c",
                               path], capture_output=True, text=True)
        self.assertEqual(done.returncode, 69, done.stderr)
        self.assertIn("no sealpostd answers", done.stderr)

    def test_status_survives_a_reload_and_a_restart(self):
        self.assertEqual(self.send(self.login("carol", "127.8.0.1"), 1),
                         [250, 250])
        before = self.status()
        self.sp.reload()
        self.assertGreaterEqual(self.status()["connections"],
                                before["connections"])
        with subprocess.Popen(
                [scratch.program("sealpost"), "status", "-c", self.sp.config,
                 "--watch", "--json"], stdout=subprocess.PIPE,
                text=True) as watch:
            looks = [json.loads(watch.stdout.readline())]
            watch.send_signal(signal.SIGSTOP) # it would not find a daemon
            self.sp.process.terminate()
            self.assertEqual(self.sp.process.wait(30), 0)
            self.sp.start()
            watch.send_signal(signal.SIGCONT)
            looks.append(json.loads(watch.stdout.readline()))
            watch.terminate()
        self.assertGreaterEqual(looks[0]["delivered"], 1)
        self.assertEqual([looks[1][k] for k in ("delivered", "rate")], [0, 0])


if __name__ == "__main__":
    unittest.main()
