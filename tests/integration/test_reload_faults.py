"""Calls that fail one by one while the daemon reloads, in each of its
processes (RX-12).

Whatever fails: what ran before goes on, or what is new is there whole; who is
in the midst of a session notices nothing of a reload of data; an error is
logged where the old stays; and the next reload finds nothing broken.
"""
import os
import ssl
import unittest

import processes
import scratch
from faults import KEEPER, MASTER, PARENT, WORKER, Faults
from rawclient import RawClient
from reloading import change, peer_certificate
from sealpost import Sealpost, message
from upstream import CapturingUpstream
from wire import counts_coverage, sanitized

LONG = bool(os.environ.get("SEALPOST_LONG"))
NAMES = {WORKER: "a worker", MASTER: "the master", PARENT: "keepers' parent",
         KEEPER: "a keeper"}
# A sanitizer allocates by itself; the coverage's runtime keeps its file locked
# when it gets no memory, and who starts next waits for it.
MEMORY = "" if sanitized() or counts_coverage() else " malloc"


def one_generation(sp):
    scratch.wait_for("one generation", lambda: len(processes.of(
        sp, processes.KEEPER)) == 1 and len(processes.of(
            sp, processes.WORKER)) == 1)


class Reloads(unittest.TestCase):
    """What is common: a daemon, and how a reload is judged."""

    @classmethod
    def setUpClass(cls):
        cls.faults = Faults()
        cls.faults.__enter__()
        cls.addClassCleanup(cls.faults.__exit__)
        cls.up = CapturingUpstream()
        cls.addClassCleanup(cls.up.stop)
        cls.sp = Sealpost(cls.up.port, server={"drain": "1s"})
        cls.count = 0

    @classmethod
    def tearDownClass(cls):
        cls.sp.stop() # also: nothing was lost on the way (LeakSanitizer)

    def places(self, name):
        """Which call fails: the first ones, then fewer and fewer."""
        at, more = 1, 1
        while at < (3000 if name == "malloc" else 200):
            yield at
            few = 30 if LONG else 3
            more = 1 if at < few else at // (8 if LONG else 1)
            at += more

    def each_call(self, whose, names):
        for name in names.split():
            for at in self.places(name):
                before = len(self.sp.log())
                with self.subTest(process=NAMES[whose], call=name, at=at):
                    self.prepare()
                    self.faults.fail(name, at, whose)
                    self.sp.reload()
                    self.judge(before, name)
                self.faults.off()
                if self.faults.hits() == 0:
                    break
            self.assertGreater(at, 1, f"{name} is not called")

    def said(self, before):
        """Something is wrong, as the log has it since then."""
        return [x for x in self.sp.log()[before:].splitlines()
                if "level=error" in x or "event=log-line-lost" in x]

    def mail(self, client):
        """A message goes through, and is signed as ever."""
        client.envelope("alice@example.com", "b@example.net")
        client.send(message() + b".\r\n")
        self.assertEqual(client.reply()[0], 250)
        got = self.up.wait()[-1]
        self.assertIn(b"d=example.com", got.data)
        self.up.messages.clear()

    def new_client(self):
        return RawClient(self.sp.port).ready(self.sp.user, self.sp.password)

    def deliver(self):
        """As a client does: again when it is told 421 or 451."""
        def once():
            try:
                with self.new_client() as c:
                    self.mail(c)
                return True
            except (AssertionError, OSError):
                return False
        scratch.wait_for("mail", once)


class Data(Reloads):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.users = os.path.join(cls.sp.state, "users.conf")
        cls.text = scratch.read(cls.users)
        cls.files = [os.path.join(cls.sp.home, n)
                     for n in ("cert.pem", "key.pem")]
        folder = scratch.folder()
        cls.addClassCleanup(scratch.remove, folder)
        cls.pairs = [[scratch.read(path) for path in pair] for pair in (
            cls.files, scratch.certificate(folder))]

    def setUp(self):
        self.open = self.enterContext(self.new_client())
        self.pids = processes.tree(self.sp.process.pid)

    def prepare(self):
        """One user more or less, and the certificate that is not in use."""
        cls = type(self)
        cls.count += 1
        with open(self.users, "wb") as f: # owner and mode stay
            f.write(self.text + b"\n[carol]\nfrom = *\n" * (cls.count % 2))
        self.seen = peer_certificate(self.sp.tls_port)
        for pair in self.pairs:
            if ssl.PEM_cert_to_DER_cert(pair[0].decode()) != self.seen:
                for path, text in zip(self.files, pair):
                    with open(path, "wb") as f:
                        f.write(text)

    def judge(self, before, name):
        def over():
            log = self.sp.log()[before:]
            return self.said(before) or (
                "event=loaded" in log and
                peer_certificate(self.sp.tls_port) != self.seen)
        scratch.wait_for("news or an error", over)
        self.faults.off()
        self.assertEqual(processes.tree(self.sp.process.pid), self.pids)
        self.mail(self.open)
        self.deliver()

    def ends_well(self):
        self.prepare()
        before = len(self.sp.log())
        self.sp.reload()
        scratch.wait_for("all that is new", lambda: self.sp.log()[
            before:].count("event=loaded") and peer_certificate(
                self.sp.tls_port) != self.seen)
        self.assertEqual(self.said(before), [])

    def test_RX_12_master(self):
        self.each_call(MASTER, "open sendmsg memfd_create" + MEMORY)
        self.ends_well()

    def test_RX_12_keeper(self):
        self.each_call(KEEPER, "open fdopendir readdir memfd_create" + MEMORY)
        self.ends_well()

    def test_RX_12_worker(self):
        self.each_call(WORKER, "fopen SSL_CTX_new" + MEMORY)
        self.ends_well()


class Configuration(Reloads):
    def prepare(self):
        cls = type(self)
        cls.count += 1
        with RawClient(self.sp.port) as c:
            self.old = c.greeting[1].split()[0]
        self.new = f"relay{cls.count}.test"
        change(self.sp, "hostname", self.new)
        self.lines = {x: len(self.sp.lines(x))
                      for x in ("ready", "reload-refused")}

    def judge(self, before, name):
        def over():
            return [x for x, n in self.lines.items()
                    if len(self.sp.lines(x)) > n]
        end = scratch.wait_for("ready or refused", over)[0]
        self.faults.off()
        one_generation(self.sp)
        # Also who did not take the master's word has ended by itself.
        self.assertNotIn("event=worker-stuck", self.sp.log()[before:])
        with RawClient(self.sp.port) as c:
            host = c.greeting[1].split()[0]
        self.assertEqual(host, self.new if end == "ready" else self.old)
        self.deliver()

    def ends_well(self):
        self.prepare()
        before = len(self.sp.log())
        self.sp.reload()
        self.sp.wait_line("ready", self.lines["ready"] + 1)
        self.assertEqual(self.said(before), [])

    def test_RX_12_master(self):
        self.each_call(MASTER, "open memfd_create socketpair fork sendmsg"
                       + MEMORY)
        self.ends_well()

    def test_RX_12_parent(self):
        # fork's children stand for it, too: of the master's, execv.
        self.each_call(PARENT, "pipe2 fork fexecve execv sendmsg")
        self.ends_well()

    def test_RX_12_keeper(self):
        self.each_call(KEEPER, "open fdopendir readdir memfd_create "
                       "epoll_create1" + MEMORY)
        self.ends_well()

    def test_RX_12_worker(self):
        self.each_call(WORKER, "fopen open epoll_create1 SSL_CTX_new "
                       "sendmsg" + MEMORY)
        self.ends_well()


class LastMessage(unittest.TestCase):
    def test_RX_12_keeper_is_told_again(self):
        """What the master says when the older workers have ended."""
        with Faults() as faults, CapturingUpstream() as up, \
                Sealpost(up.port) as sp:
            busy = sp.smtp()
            busy.mail("alice@example.com")
            change(sp, "hostname", "second.test")
            sp.reload()
            scratch.wait_for("the new workers", lambda: len(
                [x for x in sp.lines("ready") if "workers" in x]) == 2)
            faults.fail("sendmsg", 1, MASTER)
            busy.close()
            sp.wait_line("keepers-deaf")
            one_generation(sp)


if __name__ == "__main__":
    unittest.main()
