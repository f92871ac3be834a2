"""The end of the daemon's processes: killed, or asked to end."""
import os
import signal
import subprocess
import threading
import time
import unittest

import processes
import scratch
from lifecycle import daemon, deliver
from rawclient import RawClient
from sealpost import message
from upstream import CapturingUpstream


class Death(unittest.TestCase):
    def test_worker_killed(self):
        with CapturingUpstream() as up, \
                daemon(up, server={"workers": 2}) as sp:
            clients = [RawClient(sp.port) for _ in range(12)]
            first = processes.of(sp, processes.WORKER)
            os.kill(first[0], signal.SIGKILL)
            line = sp.wait_line("worker-died")[0]
            self.assertEqual(line["signal"], "KILL")
            lost = 0
            for c in clients:
                try:
                    deliver(c.ready(tls=False))
                except (AssertionError, OSError):
                    lost += 1
            self.assertTrue(0 < lost < len(clients), lost)
            for _ in range(12):
                with RawClient(sp.port) as c:
                    deliver(c.ready(tls=False))
            self.assertEqual(len(processes.of(sp, processes.WORKER)), 2)

    def test_keeper_killed(self):
        with CapturingUpstream() as up, daemon(up) as sp:
            with RawClient(sp.port) as c:
                c.ready(tls=False)
                for _ in range(3):
                    for pid in processes.of(sp, processes.KEEPER):
                        os.kill(pid, signal.SIGKILL)
                    scratch.wait_for("keeper", lambda: processes.of(
                        sp, processes.KEEPER))
            with RawClient(sp.port) as c:
                deliver(c.ready(tls=False))
            self.assertEqual(len(sp.lines("worker-died")), 0)

    def test_keepers_parent_killed(self):
        """Nobody else may start a keeper: the service ends, not with 0."""
        with CapturingUpstream() as up:
            sp = daemon(up)
            os.kill(processes.of(sp, processes.PARENT)[0], signal.SIGKILL)
            self.assertEqual(sp.process.wait(20), 70)
            sp.kill()
            scratch.remove(sp.home)

    def test_master_killed(self):
        """Workers and keepers do not stay behind."""
        with CapturingUpstream() as up:
            sp = daemon(up)
            pids = processes.of(sp, processes.WORKER) + \
                processes.of(sp, processes.KEEPER) + \
                processes.of(sp, processes.PARENT)
            self.assertEqual(len(pids), 3)
            os.kill(sp.process.pid, signal.SIGKILL)
            sp.process.wait()

            def gone():
                for pid in pids:
                    try:
                        stat = scratch.read(f"/proc/{pid}/stat")
                    except OSError:
                        continue
                    if b") Z" not in stat:
                        return False
                return True
            scratch.wait_for("all gone", gone)
            sp.start() # the lock and the keeper's socket are free again
            sp.wait_line("ready", 2)
            sp.stop()


class End(unittest.TestCase):
    def test_idle_session_is_told(self):
        with CapturingUpstream() as up, daemon(up) as sp:
            with RawClient(sp.port) as c:
                c.ready(tls=False)
                sp.process.terminate()
                self.assertEqual(c.reply()[0], 421)
                self.assertEqual(sp.process.wait(10), 0)
            with self.assertRaises(ConnectionRefusedError):
                RawClient(sp.port)

    def test_each_phase(self):
        """LC-07, LC-08: stop_deadline ends what SIGTERM leaves time for."""
        go = threading.Event()

        def hold(session, line):
            if session.sender == "first@example.com":
                go.wait(30)
            elif session.sender == "never@example.com":
                session.server.stopping.wait(30)
        with CapturingUpstream({"dot": hold}) as up, \
                daemon(up, server={"stop_deadline": "3s"}) as sp:
            first, never, data, rcpt, idle = clients = [
                RawClient(sp.port).ready(tls=False) for _ in range(5)]
            for c, name in ((first, "first"), (never, "never")):
                c.envelope(f"{name}@example.com", "b@example.net")
                c.send(message() + b".\r\n")
            data.envelope("a@example.com", "b@example.net")
            data.send(message())
            rcpt.expect("MAIL FROM:<a@example.com>", 250)
            rcpt.expect("RCPT TO:<b@example.net>", 250)
            scratch.wait_for("both dots", lambda: 2 == sum(
                s.received.endswith(b"\r\n.\r\n") for s in up.sessions))
            sp.process.terminate()
            begin = time.monotonic()
            self.assertEqual(idle.reply()[0], 421)
            self.assertLess(time.monotonic() - begin, 2)
            with self.assertRaises(ConnectionRefusedError):
                RawClient(sp.port)
            go.set()
            self.assertEqual(first.reply()[0], 250)
            self.assertEqual(first.reply()[0], 421)
            for c in (data, rcpt):
                self.assertEqual(c.reply()[0], 421)
                self.assertGreater(time.monotonic() - begin, 2) # not at once
                self.assertTrue(c.closed())
            code, text = never.reply()
            self.assertEqual((code, text[:5]), (451, "4.4.2"))
            self.assertEqual(never.reply()[0], 421)
            self.assertGreater(time.monotonic() - begin, 2)
            self.assertEqual(sp.process.wait(10), 0)
            outcomes = {x["from"]: x["outcome"] for x in sp.lines("message")}
            self.assertEqual(outcomes, {"first@example.com": "delivered",
                                        "never@example.com": "unknown",
                                        "a@example.com": "aborted"})
            self.assertEqual([m.sender for m in up.messages],
                             ["first@example.com"])
            for c in clients:
                c.close()

    def test_half_a_message_may_be_finished(self):
        with CapturingUpstream() as up, daemon(up) as sp:
            with RawClient(sp.port) as c:
                c.ready(tls=False).envelope("a@example.com", "b@example.net")
                c.send(message())
                sp.process.terminate()
                sp.wait_line("stop")
                c.send(b"more\r\n.\r\n")
                self.assertEqual(c.reply()[0], 250)
                self.assertEqual(c.reply()[0], 421)
            self.assertEqual(sp.process.wait(10), 0)
            self.assertTrue(up.wait()[0].data.endswith(b"more\r\n"))

    @unittest.skipUnless(os.environ.get("SEALPOST_LONG"), "30 s")
    def test_before_the_dot_30_s(self):
        with CapturingUpstream() as up, daemon(up) as sp:
            with RawClient(sp.port, timeout=40) as c:
                c.ready(tls=False).envelope("a@example.com", "b@example.net")
                sp.process.terminate()
                begin = time.monotonic()
                self.assertEqual(c.reply()[0], 421)
                self.assertAlmostEqual(time.monotonic() - begin, 30, delta=2)
            self.assertEqual(sp.process.wait(10), 0)

    def test_sigint(self):
        with CapturingUpstream() as up, daemon(up) as sp:
            os.killpg(sp.process.pid, signal.SIGINT) # as a terminal does
            self.assertEqual(sp.process.wait(10), 0)

    def test_second_signal_is_at_once(self):
        with CapturingUpstream() as up, daemon(up) as sp:
            with RawClient(sp.port) as c:
                c.ready(tls=False).envelope("a@example.com", "b@example.net")
                sp.process.terminate()
                sp.wait_line("stop")
                with self.assertRaises(subprocess.TimeoutExpired):
                    sp.process.wait(1)
                sp.process.terminate()
                self.assertEqual(sp.process.wait(10), 0)
                self.assertTrue(c.closed())

    def test_other_signals(self):
        with CapturingUpstream() as up, daemon(up) as sp:
            for number in (signal.SIGPIPE, signal.SIGUSR1):
                sp.process.send_signal(number)
            for pid in processes.of(sp, processes.WORKER):
                for number in (signal.SIGHUP, signal.SIGINT, signal.SIGUSR1,
                               signal.SIGUSR2, signal.SIGPIPE):
                    os.kill(pid, number)
            with RawClient(sp.port) as c:
                deliver(c.ready(tls=False))
            self.assertEqual(sp.lines("worker-died"), [])


if __name__ == "__main__":
    unittest.main()
