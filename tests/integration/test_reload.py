"""Reload: what is new is there at once, and nobody who connects notices."""
import json
import os
import smtplib
import socket
import ssl
import threading
import time
import unittest

import processes
import scratch
from population import ed25519_key, password_hash, put_key
from rawclient import RawClient
from sealpost import Sealpost, message, run
from upstream import CapturingUpstream

LONG = bool(os.environ.get("SEALPOST_LONG"))
CONFIGURATIONS = 50 if LONG else 20 # of 100 reloads; the rest: data


def change(sp, key, value):
    """Sets a key of [server] (or the first that stands anywhere)."""
    lines = scratch.read(sp.config).decode().splitlines()
    for n, line in enumerate(lines):
        if line.startswith(key + " = "):
            lines[n] = f"{key} = {value}"
            break
    else:
        lines.insert(1, f"{key} = {value}")
    scratch.write(sp.config, "\n".join(lines) + "\n")


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


class Mistakes(unittest.TestCase):
    """Whatever is broken at a reload: it is named with its file, and what
    ran before goes on."""

    @classmethod
    def setUpClass(cls):
        cls.up = cls.enterClassContext(CapturingUpstream())
        cls.sp = cls.enterClassContext(Sealpost(cls.up.port))

    def broken(self, path, text, names, mode=None):
        """path is made so and a reload asked for: the log names it."""
        good, st = scratch.read(path), os.stat(path)
        context = self.sp.context()
        with self.client(context) as c: # so that the key is in use
            c.sendmail("alice@example.com", ["bob@example.net"], message())
        before = len(self.sp.log())
        workers = processes.of(self.sp, processes.WORKER)
        try:
            with open(path, "wb") as f: # owner and mode stay
                f.write(text(good))
            if mode is not None:
                os.chmod(path, mode)
            self.sp.reload()
            scratch.wait_for(f"{names} in an error", lambda: [
                line for line in self.sp.log()[before:].splitlines()
                if "level=error" in line and names in line])
            with self.client(context) as c: # TLS, users, keys: all as before
                c.sendmail("alice@example.com", ["bob@example.net"],
                           message())
            self.assertIn("dkim=pass", self.sp.verify(
                self.up.messages[-1].data))
            self.assertEqual(workers, processes.of(self.sp,
                                                   processes.WORKER))
        finally:
            with open(path, "wb") as f:
                f.write(good)
            os.chmod(path, st.st_mode & 0o777)
            loaded = len(self.sp.lines("loaded"))
            self.sp.reload()
            self.sp.wait_line("loaded", loaded + 1)

    def client(self, context):
        client = smtplib.SMTP("localhost", self.sp.port, timeout=30)
        client.starttls(context=context)
        client.login(self.sp.user, self.sp.password)
        return client

    def test_configuration(self):
        count = len(scratch.read(self.sp.config).splitlines())
        self.broken(self.sp.config, lambda good: good + b"bogus = 1\n",
                    f"{self.sp.config}:{count + 1}: ")

    def test_users(self):
        path = os.path.join(self.sp.state, "users.conf")
        count = len(scratch.read(path).splitlines())
        self.broken(path, lambda good: good + b"[bob]\nfrmo = x\n",
                    f"{path}:{count + 2}: ")

    def test_users_twice(self):
        path = os.path.join(self.sp.state, "users.conf")
        self.broken(path, lambda good: good + b"\n[alice]\nfrom = *\n",
                    f"{path}:")

    def test_key(self):
        for parent, _, files in os.walk(os.path.join(self.sp.state, "keys")):
            for name in files:
                path = os.path.join(parent, name)
                if b"PRIVATE KEY" in scratch.read(path):
                    break
        self.broken(path, lambda good: good.replace(b"KEY-", b"KEX-"), path)

    def test_certificate(self):
        self.broken(self.sp.certificate, lambda good: b"not one\n",
                    self.sp.certificate)

    def test_key_of_another_certificate(self):
        folder = scratch.folder()
        _, other = scratch.certificate(folder)
        key = os.path.join(self.sp.home, "key.pem")
        self.broken(key, lambda good: scratch.read(other), key)
        scratch.remove(folder)

    def test_expired_certificate(self):
        """The old one stays, until it expires itself."""
        late = scratch.expire(self.sp.certificate,
                              os.path.join(self.sp.home, "key.pem"),
                              os.path.join(self.sp.home, "late.pem"))
        self.broken(self.sp.certificate, lambda good: scratch.read(late),
                    self.sp.certificate)

    def test_unreadable_key_of_certificate(self):
        key = os.path.join(self.sp.home, "key.pem")
        self.broken(key, lambda good: good, key, 0o000)


def peer_certificate(port):
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with socket.create_connection(("127.0.0.1", port), 10) as s, \
            context.wrap_socket(s) as tls:
        return tls.getpeercert(True)


class News(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.up = cls.enterClassContext(CapturingUpstream())
        cls.sp = cls.enterClassContext(Sealpost(cls.up.port))

    def test_certificate(self):
        """TA-15: new sessions see the new one, old ones go on."""
        sp, folder = self.sp, scratch.folder()
        old = sp.smtp()
        seen = peer_certificate(sp.tls_port)
        new = scratch.certificate(folder)
        for source, name in zip(new, ("cert.pem", "key.pem")):
            with open(os.path.join(sp.home, name), "wb") as f:
                f.write(scratch.read(source))
        sp.reload()
        scratch.wait_for("the new certificate",
                         lambda: peer_certificate(sp.tls_port) != seen)
        with old:
            old.sendmail("alice@example.com", ["b@example.net"], message())
        with sp.smtp() as c: # it is trusted by its file, which is new
            c.sendmail("alice@example.com", ["b@example.net"], message())
        scratch.remove(folder)

    def tool(self, *arguments, input=b""):
        """As an administrator types it; nobody repairs owners behind it."""
        return run(arguments[0], "-c", self.sp.config, *arguments[1:],
                   input=input)

    def test_user_added_and_locked(self):
        sp = self.sp
        self.tool("user", "add", "carol", "--from", "example.com",
                  "--password-stdin", input="pass word\n")

        def login():
            try:
                return sp.smtp("carol", "pass word")
            except OSError: # smtplib's errors are some of these
                return None
        with scratch.wait_for("a login", login) as c:
            c.sendmail("carol@example.com", ["b@example.net"],
                       message(sender="carol@example.com"))
            self.tool("user", "lock", "carol")
            code = scratch.wait_for("to be locked out", lambda: {
                250: 0}.get(*[c.noop()[0]] * 2))
            self.assertEqual(code, 421)
        self.assertIsNone(login())
        with sp.smtp() as c: # alice stays
            c.noop()

    def test_key_rotated(self):
        """LC-11: the next message has the new selector; one that is under way
        is signed all the same, with either."""
        sp = self.sp
        with sp.smtp() as c, RawClient(sp.port) as busy:
            busy.ready(sp.user, sp.password)
            busy.envelope("alice@example.com", "bob@example.net")
            busy.send(message(subject="under way")[:40])
            self.tool("key", "generate", "example.com", "sp2", "--activate")
            value = self.tool("key", "show", "example.com", "sp2",
                              "--format", "value").stdout.decode().strip()
            sp.records["sp2._domainkey.example.com"] = value

            def signed():
                c.sendmail("alice@example.com", ["b@example.net"], message())
                return b"s=sp2" in self.up.messages[-1].data
            scratch.wait_for("the new selector", signed)
            self.assertIn("dkim=pass", sp.verify(self.up.messages[-1].data))
            busy.send(message(subject="under way")[40:] + b".\r\n")
            self.assertEqual(busy.reply()[0], 250)
            got = self.up.messages[-1].data
            self.assertTrue(got.endswith(message(subject="under way")))
            self.assertRegex(sp.verify(got), r"dkim=pass[^;]* header\.s=sp[12]")

    def test_user_deleted_in_a_transaction(self):
        """From where no key would be asked for: nobody's rights are not
        everybody's."""
        sp = self.sp
        self.tool("user", "add", "dave", "--from", "unkeyed.example",
                  "--password-stdin", input="pass word\n")

        def login():
            c = RawClient(sp.port)
            try:
                return c.ready("dave", "pass word")
            except AssertionError:
                c.close()
                return None
        mail = message(sender="dave@unkeyed.example") + b".\r\n"
        with scratch.wait_for("a login", login) as c:
            for code in (250, 451):
                c.envelope("dave@unkeyed.example", "b@example.net")
                if code == 451:
                    users = self.known_users()
                    self.tool("user", "delete", "dave")
                    scratch.wait_for("one user less", lambda:
                                     self.known_users() == users - 1)
                c.send(mail)
                self.assertEqual(c.reply()[0], code)
            self.assertEqual(c.command("NOOP")[0], 421)

    def known_users(self):
        status = json.loads(self.tool("status", "--json").stdout)
        return status["users"]

    def test_no_reload(self):
        loaded = len(self.sp.lines("loaded"))
        self.tool("user", "set", "alice", "--from", "example.com",
                  "--no-reload")
        time.sleep(0.3)
        self.assertEqual(len(self.sp.lines("loaded")), loaded)


if __name__ == "__main__":
    unittest.main()
