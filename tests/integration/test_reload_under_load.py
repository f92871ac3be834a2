"""Reload beside clients, many generations and many users: nobody notices."""
import os
import threading
import time
import unittest

import processes
import scratch
from population import ed25519_key, password_hash, put_key
from rawclient import RawClient
from reloading import change
from sealpost import Sealpost, message
from upstream import CapturingUpstream

LONG = bool(os.environ.get("SEALPOST_LONG"))
CONFIGURATIONS = 50 if LONG else 20 # of 100 reloads; the rest: data


class Load(threading.Thread):
    """Connects again and again; each time it must be greeted."""

    def __init__(self, sp, stop):
        super().__init__(daemon=True)
        self.sp, self.stop = sp, stop
        self.greeted, self.delivered, self.failures = 0, 0, []

    def run(self):
        while not self.stop.is_set():
            try:
                with RawClient(self.sp.port) as c:
                    if c.greeting[0] not in (220, 421):
                        self.failures.append(f"greeted with {c.greeting}")
                    self.greeted += 1
                    if self.greeted % 10 == 0:
                        self.deliver(c)
            except Exception as e: # of any kind: it must not just end here
                self.failures.append(repr(e))

    def deliver(self, c):
        """421 may come between transactions, never inside one."""
        for line in ("EHLO x", "MAIL FROM:<a@example.com>"):
            if c.command(line)[0] in (421, 0):
                return
        if c.command("RCPT TO:<b@example.net>")[0] != 250 or \
                c.command("DATA")[0] != 354:
            self.failures.append("cut inside a transaction")
            return
        c.send(message() + b".\r\n")
        code, text = c.reply()
        if code != 250:
            self.failures.append(f"after the dot: {code} {text}")
        self.delivered += 1


class UnderLoad(unittest.TestCase):
    def setUp(self):
        self.up = CapturingUpstream()
        self.addCleanup(self.up.stop)
        self.sp = Sealpost(
            self.up.port, keys=(), users={}, server={"drain": "20s"},
            listen={"tls": "none", "auth": "none",
                    "trusted_networks": "127.0.0.0/8"})
        self.stop = threading.Event()
        self.load = [Load(self.sp, self.stop) for _ in range(3)]
        for thread in self.load:
            thread.start()

    def tearDown(self):
        self.stop.set()
        for thread in self.load:
            thread.join()
        self.sp.__exit__(None)

    def check(self):
        scratch.wait_for("some mail", lambda: any(
            t.failures for t in self.load) or sum(
                t.delivered for t in self.load) > 5, 30)
        self.stop.set()
        for thread in self.load:
            thread.join()
        self.assertEqual([f for t in self.load for f in t.failures], [])

    def wait(self, event, count):
        self.sp.wait_line(event, count, 30)

    def configure(self, n):
        """workers = 1 -> 2 -> 1, a further address, or a name."""
        change(self.sp, "workers", (1, 2)[n % 2])
        if n % 3 == 0:
            change(self.sp, "hostname", f"relay{n}.test")
        ready = len(self.sp.lines("ready"))
        self.sp.reload()
        self.wait("ready", ready + 1)
        workers = len(processes.of(self.sp, processes.WORKER))
        self.assertLessEqual(workers, 3) # two generations, never three
        self.assertLessEqual(len(processes.of(self.sp, processes.KEEPER)), 2)

    def test_hundred_reloads(self):
        done = 0
        for n in range(CONFIGURATIONS):
            self.configure(n + 1)
            for _ in range(100 // CONFIGURATIONS - 1):
                loaded = len(self.sp.lines("loaded"))
                self.sp.reload()
                self.wait("loaded", loaded + 1)
                done += 1
            done += 1
        self.assertEqual(done, 100)
        scratch.wait_for("one generation", lambda: len(processes.of(
            self.sp, processes.KEEPER)) == 1)
        self.assertEqual(self.sp.lines("worker-died"), [])
        self.assertEqual(self.sp.lines("keeper-died"), [])
        self.check()

    def test_refused_reload_loses_nobody(self):
        """Two more workers that can't start, and one that can't either: no
        socket that clients wait on is closed."""
        good = scratch.read(self.sp.config)
        users = os.path.join(self.sp.state, "users.conf")
        for n in range(3):
            change(self.sp, "workers", 3)
            scratch.write(users, "[alice\n", 0o600) # the new keeper's end
            scratch.give_to(users, "nobody")
            self.sp.reload()
            self.wait("reload-refused", n + 1)
            os.unlink(users)
            scratch.write(self.sp.config, good)
            self.sp.reload()
        self.assertEqual(len(self.sp.lines("ready")), 1)
        self.check()


class Generations(unittest.TestCase):
    def test_many_idle_ones_end(self):
        """More than have their turn at once; who has begun may finish."""
        with CapturingUpstream() as up, Sealpost(up.port, listen={
                "tls": "none", "auth": "none",
                "trusted_networks": "127.0.0.0/8"}, keys=(), users={},
                limits={"connections_per_ip": 200}) as sp:
            busy = RawClient(sp.port).ready(tls=False)
            idle = [RawClient(sp.port).ready(tls=False) for _ in range(170)]
            busy.envelope("alice@example.com", "bob@example.net")
            old = processes.of(sp, processes.WORKER)
            change(sp, "hostname", "new.test")
            sp.reload()
            for c in idle:
                self.assertEqual(c.reply()[:1], (421,))
                c.close()
            busy.send(message() + b".\r\n")
            self.assertEqual(busy.reply()[0], 250)
            self.assertEqual(busy.reply()[0], 421)
            busy.close()
            scratch.wait_for("its end", lambda: processes.gone(old))

    def test_old_one_ends_after_drain(self):
        with CapturingUpstream() as up, Sealpost(
                up.port, server={"drain": "2s"}) as sp:
            go = threading.Event()

            def hold(session, line):
                go.wait(30)
            up.set("dot", hold)
            clients = [RawClient(sp.port).ready(sp.user, sp.password)
                       for _ in range(3)]
            idle, busy, dot = clients
            for c in (busy, dot):
                c.envelope("alice@example.com", "bob@example.net")
            dot.send(message() + b".\r\n")
            scratch.wait_for("our dot", lambda: any(
                s.received.endswith(b"\r\n.\r\n") for s in up.sessions))
            old = processes.of(sp, processes.WORKER)
            change(sp, "hostname", "new.test")
            sp.reload()
            sp.wait_line("ready", 2)
            begin = time.monotonic()
            self.assertEqual(idle.reply()[0], 421)
            self.assertEqual(busy.reply()[0], 421)
            code, text = dot.reply()
            self.assertEqual((code, text[:5]), (451, "4.4.2"))
            self.assertEqual(dot.reply()[0], 421)
            self.assertGreater(time.monotonic() - begin, 1)
            scratch.wait_for("its end", lambda: processes.gone(old))
            outcomes = [x["outcome"] for x in sp.wait_line("message", 2)]
            self.assertEqual(sorted(outcomes), ["aborted", "unknown"])
            go.set()
            up.set("dot")
            with RawClient(sp.port) as c:
                self.assertIn("new.test", c.greeting[1])
            for c in clients:
                c.close()


class Many(unittest.TestCase):
    """So many users and keys that a worker takes them a part at a time."""

    COUNT = 1100
    PASSWORD = "secret"

    @classmethod
    def setUpClass(cls):
        cls.up = cls.enterClassContext(CapturingUpstream())
        cls.sp = cls.enterClassContext(Sealpost(
            cls.up.port, start=False,
            upstream_settings={"signatures": "ed25519"}))
        cls.users = os.path.join(cls.sp.state, "users.conf")
        cls.hash, key = password_hash(cls.PASSWORD), ed25519_key()
        for n in range(cls.COUNT):
            put_key(cls.sp, f"d{n}.example", "s1", key)
        cls.add(range(cls.COUNT))
        cls.sp.start()

    @classmethod
    def add(cls, numbers):
        with open(cls.users, "a") as f:
            f.writelines(f"[u{n}]\npassword = {cls.hash}\n"
                         f"from = d{n % cls.COUNT}.example\n"
                         for n in numbers)
        scratch.give_to(cls.users, "nobody")

    def client(self, n):
        return RawClient(self.sp.port).ready(f"u{n}", self.PASSWORD)

    def mail(self, c, n):
        """Accepted, and signed with this user's key."""
        domain = f"d{n % self.COUNT}.example"
        c.envelope(f"a@{domain}", "b@example.net")
        c.send(message(sender=f"a@{domain}") + b".\r\n")
        self.assertEqual(c.reply()[0], 250)
        self.assertIn(f"d={domain};".encode(), self.up.messages[-1].data)

    def new_user(self, n):
        """Who is told 454 while the worker's view is on its way, or 535
        before, tries again."""
        def login():
            c = RawClient(self.sp.port)
            try:
                return c.ready(f"u{n}", self.PASSWORD)
            except AssertionError as e:
                c.close()
                self.assertRegex(str(e), " (454|535) ")
                return None
        return scratch.wait_for("a login", login)

    def test_mail_goes_on(self):
        """Reloads in succession; who is new may send as soon as she may log
        in."""
        with self.client(5) as old:
            for n in range(self.COUNT, self.COUNT + 6):
                self.add([n])
                self.sp.reload()
                self.sp.reload()
                for _ in range(5):
                    self.mail(old, 5)
            with self.new_user(n) as new:
                self.mail(new, n)
            self.mail(old, 5)

    def test_keeper_dies(self):
        for n in range(3):
            with self.client(7) as c:
                loaded = len(self.sp.lines("loaded"))
                self.sp.reload()
                self.sp.wait_line("loaded", loaded + 1)
                time.sleep(0.002 * n) # the view has come, in part
                died = processes.kill(self.sp, processes.KEEPER)
                self.assertEqual(c.reply()[0], 421) # no handle any more
            scratch.wait_for("another keeper", lambda: processes.of(
                self.sp, processes.KEEPER) not in ([], died))
            with self.new_user(9) as c:
                self.mail(c, 9)
        self.assertEqual(self.sp.lines("worker-died"), [])
        self.assertEqual(self.sp.lines("view"), [])


if __name__ == "__main__":
    unittest.main()
