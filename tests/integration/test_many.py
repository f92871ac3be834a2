"""Reloads, upgrades and restarts with thousands of clients: no connection is
refused or cut. Who is between two messages may be told 421 4.3.2."""
import contextlib
import functools
import resource
import signal
import socket
import subprocess
import sys
import threading
import unittest
import unittest.mock

import processes
import scratch
from rawclient import RawClient
from reloading import change
from sealpost import Sealpost, message
from upstream import CapturingUpstream
from wire import sanitized

SESSIONS, BUSY, CONNECTIONS, THREADS = 5000, 40, 10000, 4
AGAIN = "4.3.2"
# The test's own end of each, and the rest.
DESCRIPTORS = SESSIONS + 1000
OPEN = {"tls": "none", "auth": "none", "trusted_networks": "127.0.0.0/8"}
LIMITS = {"connections": str(2 * CONNECTIONS),
          "connections_per_ip": str(2 * CONNECTIONS),
          "connections_per_user": str(2 * CONNECTIONS)}


def daemon(up, **more):
    return Sealpost(up.port, server={"workers": "2", "drain": "60s"},
                    listen=OPEN, limits=LIMITS, **more)


@unittest.skipIf(sanitized(), "tried with what is shipped")
class Sessions(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if resource.getrlimit(resource.RLIMIT_NOFILE)[0] < DESCRIPTORS:
            raise unittest.SkipTest(f"needs ulimit -n {DESCRIPTORS}")

    def setUp(self):
        self.up = self.enterContext(CapturingUpstream())

    def all_open(self, stack):
        """Idle ones, and some in the midst of a message."""
        clients = []
        for n in range(SESSIONS):
            c = stack.enter_context(RawClient(self.sp.port))
            self.assertEqual(c.greeting[0], 220)
            c.send("EHLO x\r\n")
            clients.append(c)
        for c in clients:
            self.assertEqual(c.reply()[0], 250)
        busy = clients[::SESSIONS // BUSY]
        for c in busy:
            c.envelope("alice@example.com", "b@example.net")
            c.send(message()[:60])
        return clients, busy

    def asked(self, clients):
        """The codes that NOOP gets, each client once."""
        for c in clients:
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                c.send("NOOP\r\n") # it may have been told 421 and closed
        replies = [c.reply() for c in clients]
        for code, text in replies:
            if code == 421:
                self.assertIn(AGAIN, text)
        return [code for code, _ in replies]

    def finish(self, busy):
        for c in busy:
            c.send(message()[60:] + b".\r\n")
        self.assertEqual([c.reply()[0] for c in busy], [250] * len(busy))

    def serves(self):
        with RawClient(self.sp.port) as c:
            c.ready(tls=False).envelope("alice@example.com", "b@example.net")
            c.send(message() + b".\r\n")
            self.assertEqual(c.reply()[0], 250)

    def reload_data(self):
        """A user and a key are new, and the certificate is another."""
        scratch.certificate(self.sp.home)
        scratch.give_to(self.sp.home, "nobody")
        self.sp.add_user("carol", "pass word", "example.com")
        self.sp.add_key("example.net", "sp1")
        loaded = len(self.sp.lines("loaded"))
        self.sp.reload()
        self.sp.wait_line("loaded", loaded + 1)

    def test_reloads(self):
        with daemon(self.up) as self.sp, contextlib.ExitStack() as stack:
            clients, busy = self.all_open(stack)
            idle = [c for c in clients if c not in busy]
            self.reload_data()
            self.assertEqual(self.asked(idle), [250] * len(idle))
            change(self.sp, "hostname", "new.test")
            self.sp.reload()
            self.sp.wait_line("ready", 2, 30)
            self.serves()
            self.assertEqual(set(self.asked(idle)), {421})
            self.finish(busy)
            self.assertEqual(len(self.up.wait(BUSY + 1)), BUSY + 1)
            self.assertEqual(self.sp.lines("worker-died"), [])

    def test_upgrade(self):
        with daemon(self.up) as self.sp, contextlib.ExitStack() as stack:
            clients, busy = self.all_open(stack)
            idle = [c for c in clients if c not in busy]
            self.sp.process.send_signal(signal.SIGUSR2)
            scratch.wait_for("the new program", lambda: len([
                x for x in self.sp.lines("ready") if "workers" in x]) > 1, 30)
            self.serves()
            self.assertEqual(set(self.asked(idle)), {421})
            self.finish(busy)
            self.assertEqual(len(self.up.wait(BUSY + 1)), BUSY + 1)
            self.assertEqual(self.sp.lines("worker-died"), [])


# What a service manager does: the sockets are its own, and stay.
HAND_OVER = """
import os, sys
fds, command = sys.argv[1].split(","), sys.argv[2:]
for n, fd in enumerate(fds):
    os.dup2(int(fd), 3 + n)
os.environ.update(LISTEN_FDS=str(len(fds)), LISTEN_PID=str(os.getpid()))
os.execvp(command[0], command)
"""


@unittest.skipIf(sanitized(), "tried with what is shipped")
class Connections(unittest.TestCase):
    """Ten thousand, one behind the other in a few threads."""

    def setUp(self):
        self.up = self.enterContext(CapturingUpstream())
        self.done = self.told = 0
        self.failures, self.lock = [], threading.Lock()

    def connect(self):
        """Greeted, served, and told good-bye; or told to come again."""
        with RawClient(self.sp.port) as c:
            code, text = c.greeting
            if code == 220:
                try:
                    code, text = c.command("QUIT")
                except (BrokenPipeError, ConnectionResetError):
                    code, text = c.reply() # what came before that
        with self.lock:
            self.done += 1
            self.told += code == 421
            if code != 221 and (code != 421 or AGAIN not in text):
                self.failures.append((code, text))

    def load(self):
        for _ in range(CONNECTIONS // THREADS):
            try:
                self.connect()
            except Exception as e: # of any kind: it must not just end here
                self.failures.append(repr(e))

    def while_connecting(self, disturb):
        """disturb(n) is called again and again; how often it was."""
        threads = [threading.Thread(target=self.load) for _ in range(THREADS)]
        count = 0
        for t in threads:
            t.start()
        try:
            while any(t.is_alive() for t in threads):
                count += 1
                disturb(count)
        finally:
            for t in threads:
                t.join()
        self.assertEqual(self.failures, [])
        self.assertEqual(self.done, CONNECTIONS)
        self.assertLess(self.told, CONNECTIONS / 10)
        self.assertEqual(self.sp.lines("worker-died"), [])
        return count

    def settled(self):
        return len(processes.of(self.sp, processes.KEEPER)) == 1 and len(
            processes.of(self.sp, processes.WORKER)) == 2

    def test_upgrades_and_reloads(self):
        def disturb(n):
            ready = len([x for x in self.sp.lines("ready") if "workers" in x])
            if n % 2 == 0:
                change(self.sp, "hostname", f"relay{n}.test")
            self.sp.process.send_signal(
                signal.SIGHUP if n % 2 == 0 else signal.SIGUSR2)
            scratch.wait_for("the new ones", lambda: len([
                x for x in self.sp.lines("ready") if "workers" in x]) > ready,
                30)
            scratch.wait_for("one generation", self.settled)
        with daemon(self.up) as self.sp:
            self.assertGreater(self.while_connecting(disturb), 2)

    def test_restarts_with_sockets_of_a_service_manager(self):
        self.sp = daemon(self.up, start=False)
        self.addCleanup(scratch.remove, self.sp.home)
        with socket.create_server(("127.0.0.1", self.sp.port),
                                  backlog=1000) as door:
            # Ours, so that they stay open between two daemons.
            handed = functools.partial(subprocess.Popen,
                                       pass_fds=[door.fileno()])

            def start():
                with unittest.mock.patch("subprocess.Popen", handed):
                    self.sp.start(wrap=[sys.executable, "-c", HAND_OVER,
                                        str(door.fileno())])

            def disturb(n):
                self.sp.process.terminate()
                self.assertEqual(self.sp.process.wait(30), 0)
                start()
            start()
            self.addCleanup(self.sp.kill)
            self.assertGreater(self.while_connecting(disturb), 2)
            self.sp.process.terminate()
            self.assertEqual(self.sp.process.wait(30), 0)


if __name__ == "__main__":
    unittest.main()
