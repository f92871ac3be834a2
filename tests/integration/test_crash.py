"""kill -9 of each process, with one session in each phase of a transaction.

Whatever dies: a client that has a 250 has it because the upstream has the
message, and the service is there again without anybody's help.
"""
import os
import signal
import threading
import unittest

import processes
import scratch
from rawclient import RawClient
from sealpost import Sealpost, message
from upstream import CapturingUpstream


class Phases:
    """The daemon with five sessions of alice: idle, mail, data, signing, dot.

    The keeper is stopped for `signing`, and the upstream holds its last word
    for `dot`, until release()."""

    def __init__(self, workers=1):
        self.go = threading.Event()
        self.up = CapturingUpstream({"dot": self._hold})
        self.sp = Sealpost(self.up.port, server={"workers": workers})
        names = ("idle", "mail", "data", "signing", "dot")
        self.clients = {n: RawClient(self.sp.port).ready(
            self.sp.user, self.sp.password) for n in names}
        self.client("mail").expect("MAIL FROM:<mail@example.com>", 250)
        self.client("mail").expect("RCPT TO:<bob@example.net>", 250)
        self.send("data", b"")
        self.client("data").send(message(subject="data")[:40])
        self.send("dot")
        scratch.wait_for("our dot at the upstream", lambda: self.held)
        self.send("signing", b"") # up to 354, so that the keeper is not asked
        for pid in processes.of(self.sp, processes.KEEPER):
            processes.stop(pid)
        self.client("signing").send(message(subject="signing") + b".\r\n")
        # The spool is whole when it is no longer read: nothing shows that, and
        # a later moment is as good.
        scratch.wait_for("the content is read", lambda: not any(
            self._unread(pid) for pid in
            processes.of(self.sp, processes.WORKER)))

    held = False

    def _hold(self, session, line):
        if session.sender == "dot@example.com":
            self.held = True
            self.go.wait(60)
        return None

    def _unread(self, pid):
        """Octets that wait in the sockets of our clients' connections."""
        port = f":{self.sp.port:04X}"
        return any(line.split()[1].endswith(port) and
                   not line.split()[4].endswith(":00000000")
                   for line in scratch.read(f"/proc/{pid}/net/tcp").decode()
                   .splitlines()[1:])

    def client(self, name):
        return self.clients[name]

    def send(self, name, text=None):
        self.client(name).envelope(f"{name}@example.com", "bob@example.net")
        self.client(name).send(message(subject=name) + b".\r\n"
                               if text is None else text)

    def release(self):
        self.go.set()

    def finish_data(self):
        self.client("data").send(message(subject="data")[40:] + b".\r\n")

    def accepted(self):
        return sorted(m.sender.partition("@")[0] for m in self.up.messages)

    def works_again(self, case):
        """A new login and a new message."""
        before = len(self.up.messages)

        def deliver():
            try:
                with self.sp.smtp() as client:
                    client.sendmail("alice@example.com", ["bob@example.net"],
                                    message(subject="after"))
                return True
            except OSError: # refused, or closed by the one that dies
                return False
        scratch.wait_for("a login and a message", deliver)
        case.assertEqual(self.up.wait(before + 1)[-1].sender,
                         "alice@example.com")

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        self.release()
        for client in self.clients.values():
            client.close()
        self.sp.__exit__(kind)
        self.up.stop()


class Kill(unittest.TestCase):
    def nobody_has_a_250(self, p):
        """All connections end, none with a reply."""
        for name, client in p.clients.items():
            with self.subTest(name):
                self.assertEqual(client.reply()[0], 0)
        # LC-05: the one whose dot has left may be there, no other.
        p.release()
        self.assertIn(p.accepted(), ([], ["dot"]))

    def test_worker(self):
        with Phases() as p:
            killed = processes.kill(p.sp, processes.WORKER)
            for pid in processes.of(p.sp, processes.KEEPER):
                os.kill(pid, signal.SIGCONT)
            self.nobody_has_a_250(p)
            line = p.sp.wait_line("worker-died")[0]
            self.assertEqual((line["pid"], line["signal"]),
                             (str(killed[0]), "KILL"))
            p.works_again(self)
            self.assertEqual(len(processes.of(p.sp, processes.WORKER)), 1)
            self.assertEqual(p.sp.lines("keeper-died"), [])
            self.assertEqual(os.listdir(os.path.join(p.sp.state, "spool")), [])

    def keeper_is_gone(self, p, orderly=False):
        """What each session is told, whether or not there is a new keeper."""
        code, text = p.client("signing").reply()
        if code == 250 and orderly: # it answered before it ended
            self.assertEqual(p.accepted(), ["signing"])
            p.up.messages.clear()
        else:
            self.assertEqual((code, text[:5]), (451, "4.7.5"))
        p.finish_data()
        self.assertEqual(p.client("data").reply()[0], 451)
        p.client("mail").expect("DATA", 354)
        p.client("mail").send(message() + b".\r\n")
        code, text = p.client("mail").reply()
        self.assertEqual((code, text[:5]), (451, "4.7.5"))
        self.assertEqual(p.accepted(), [])
        p.release()
        self.assertEqual(p.client("dot").reply()[0], 250)
        self.assertEqual([m.sender for m in p.up.wait()],
                         ["dot@example.com"])

    def test_keeper(self):
        with Phases() as p:
            killed = processes.kill(p.sp, processes.KEEPER)
            code, text = p.client("idle").reply()
            self.assertEqual((code, text[:5]), (421, "4.3.0"))
            self.keeper_is_gone(p)
            for name in ("signing", "data", "mail", "dot"):
                with self.subTest(name): # outside a transaction now
                    code, text = p.client(name).reply()
                    self.assertEqual((code, text[:5]), (421, "4.3.0"))
                    self.assertTrue(p.client(name).closed())
            line = p.sp.wait_line("keeper-died")[0]
            self.assertEqual((line["pid"], line["signal"]),
                             (str(killed[0]), "KILL"))
            p.works_again(self)
            self.assertEqual(p.sp.lines("worker-died"), [])

    def test_keepers_parent(self):
        """It can't be started again without root: the service ends, to be
        started again, as it does at SIGTERM, but not with 0."""
        with Phases() as p:
            processes.kill(p.sp, processes.PARENT)
            self.assertEqual(p.client("idle").reply()[0], 421)
            self.keeper_is_gone(p, orderly=True)
            for name in ("signing", "data", "mail", "dot"):
                self.assertEqual(p.client(name).reply()[0], 421, name)
            self.assertEqual(p.sp.process.wait(20), 70)
            self.assertEqual(len(p.sp.lines("keepers-died")), 1)
            p.sp.start()
            p.works_again(self)

    def test_whole_daemon(self):
        with Phases() as p:
            processes.kill_all(p.sp)
            self.nobody_has_a_250(p)
            spool = os.path.join(p.sp.state, "spool")
            self.assertEqual(os.listdir(spool), [])
            p.sp.start() # lock and sockets of the dead are no obstacle
            p.works_again(self)


class Spool(unittest.TestCase):
    def test_nothing_stays_of_an_upload(self):
        """LC-04, LC-13: a spilled message has no name, and goes with its
        worker or its client."""
        with CapturingUpstream() as up, Sealpost(up.port) as sp:
            spool = os.path.join(sp.state, "spool")
            for end in ("kill", "abort"):
                with RawClient(sp.port) as c:
                    c.ready(sp.user, sp.password)
                    c.envelope("alice@example.com", "bob@example.net")
                    c.send(message() + b"x" * 70 + b"\r\n")
                    for _ in range(20):
                        c.send((b"y" * 78 + b"\r\n") * 1000)
                    pid, = processes.of(sp, processes.WORKER)

                    def spilled():
                        return [name for name in processes.files(pid)
                                if name.startswith(spool)]
                    scratch.wait_for("a spool file", spilled)
                    self.assertTrue(spilled()[0].endswith("(deleted)"))
                    self.assertEqual(os.listdir(spool), [])
                    if end == "kill":
                        os.kill(pid, signal.SIGKILL)
                        self.assertEqual(c.reply()[0], 0)
                        scratch.wait_for("a new worker", lambda: processes.of(
                            sp, processes.WORKER) not in ([], [pid]))
                if end == "abort":
                    scratch.wait_for("its end", lambda: not spilled())
            self.assertEqual(up.messages, [])
            self.assertEqual(os.listdir(spool), [])


if __name__ == "__main__":
    unittest.main()
