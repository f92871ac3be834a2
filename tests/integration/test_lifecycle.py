"""Start, reload and limits of the daemon, and its log."""
import os
import signal
import socket
import subprocess
import threading
import time
import unittest

import processes
import scratch
from lifecycle import FROM, change, daemon, deliver
from rawclient import RawClient
from upstream import CapturingUpstream


class Start(unittest.TestCase):
    def test_second_daemon_is_refused(self):
        with CapturingUpstream() as up, daemon(up) as sp:
            done = subprocess.run(
                [scratch.program("sealpostd"), "-c", sp.config, "-f"],
                capture_output=True, timeout=30)
            self.assertEqual(done.returncode, 75)
            self.assertIn(f"pid {sp.process.pid},".encode(), done.stderr)
            with RawClient(sp.port) as c:
                deliver(c.ready(tls=False))

    def test_port_in_use(self):
        with CapturingUpstream() as up:
            sp = daemon(up, start=False)
            with socket.create_server(("127.0.0.1", sp.port)):
                for options in (["-f"], []):
                    done = subprocess.run(
                        [scratch.program("sealpostd"), "-c", sp.config,
                         *options], capture_output=True, timeout=30)
                    self.assertEqual(done.returncode, 69, done.stderr)
                    self.assertIn(b"another program listens", done.stderr)
            sp.stop()

    def test_rest_of_a_killed_daemon(self):
        """A process of it that has not gone yet still listens: it is waited
        for, and told of when it stays."""
        with CapturingUpstream() as up:
            sp = daemon(up, start=False)
            scratch.give_to(sp.state, "nobody")
            path = os.path.join(sp.state, "status.sock")
            with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as rest:
                rest.bind(path)
                rest.listen(50)
                with self.assertRaisesRegex(
                        AssertionError, f"{path}: Address already in use; "
                        "end the process that listens"):
                    sp.start()
                threading.Timer(0.7, rest.close).start()
                sp.start()
            with RawClient(sp.port) as c:
                deliver(c.ready(tls=False))
            sp.stop()

    def test_background(self):
        with CapturingUpstream() as up:
            sp = daemon(up, start=False,
                        server={"log": "/dev/null"})
            command = [scratch.program("sealpostd"), "-c", sp.config]
            scratch.give_to(sp.state, "nobody")
            done = subprocess.run(command, capture_output=True, timeout=60)
            self.assertEqual(done.returncode, 0, done.stderr)
            # It is ready when the command returns: no waiting here.
            with RawClient(sp.port) as c:
                deliver(c.ready(tls=False))
            with open(os.path.join(sp.state, "lock")) as f:
                pid = int(f.readline())
            os.kill(pid, signal.SIGTERM)

            def free():
                try:
                    socket.create_connection(("127.0.0.1", sp.port)).close()
                except ConnectionRefusedError:
                    return True
                except ConnectionResetError:
                    return False # it was closing just then
            scratch.wait_for("port closed", free)
            scratch.remove(sp.home)

    def test_mistakes_are_named(self):
        with CapturingUpstream() as up:
            sp = daemon(up, start=False)
            scratch.write(sp.config, scratch.read(sp.config) + b"bogus = 1\n")
            for options in (["-t"], ["-f"], []):
                done = subprocess.run(
                    [scratch.program("sealpostd"), "-c", sp.config, *options],
                    capture_output=True, timeout=30)
                self.assertEqual(done.returncode, 78)
                self.assertIn(sp.config.encode() + b":", done.stderr)
                self.assertIn(b"bogus", done.stderr)
            sp.stop()

    @unittest.skipIf(os.getuid() != 0, "needs root")
    def test_privileges(self):
        with CapturingUpstream() as up, daemon(up) as sp:
            pids = [sp.process.pid] + processes.of(sp, processes.WORKER) + \
                processes.of(sp, processes.PARENT) + \
                processes.of(sp, processes.KEEPER)
            self.assertEqual(len(pids), 4)
            for pid in pids:
                status = processes.status(pid)
                for key in ("Uid", "Gid", "Groups"):
                    self.assertNotIn("0", status[key].split())
                for key in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
                    self.assertEqual(int(status[key], 16), 0)
                self.assertEqual(status["NoNewPrivs"], "1")

    def test_worker_inherits_nothing(self):
        with CapturingUpstream() as up, daemon(up) as sp:
            for pid in processes.of(sp, processes.WORKER):
                names = processes.files(pid)
                self.assertFalse([n for n in names if "/state/" in n], names)


class Reload(unittest.TestCase):
    def test_data_in_mid_message(self):
        with CapturingUpstream() as up, daemon(up) as sp:
            with RawClient(sp.port) as c:
                c.ready(tls=False)
                workers = processes.of(sp, processes.WORKER)
                c.envelope("a@example.com", "b@example.net")
                for n in range(5):
                    c.send(b"X-%d: x\r\n" % n)
                    sp.reload()
                    sp.wait_line("reload", n + 1)
                c.send(FROM + b"\r\nbody\r\n.\r\n")
                self.assertEqual(c.reply()[0], 250)
                deliver(c)
                self.assertEqual(workers, processes.of(sp, processes.WORKER))
            self.assertIn(b"X-4: x\r\n" + FROM, up.wait()[0].data)

    def test_new_configuration(self):
        with CapturingUpstream() as up, \
                daemon(up, server={"workers": 2}) as sp:
            port, new = sp.port, scratch.free_port()
            idle, busy = RawClient(port), RawClient(port)
            idle.ready(tls=False)
            busy.ready(tls=False).envelope("a@example.com", "b@example.net")
            change(sp, f"127.0.0.1:{port}\n",
                   f"127.0.0.1:{port}, 127.0.0.1:{new}\n")
            sp.reload()
            sp.wait_line("ready", 2)
            for p in (port, new):
                with RawClient(p) as c:
                    deliver(c.ready(tls=False))
            self.assertEqual(idle.reply()[0], 421)
            busy.send(FROM + b"\r\nbody\r\n.\r\n")
            self.assertEqual(busy.reply()[0], 250)
            self.assertEqual(busy.reply()[0], 421)
            sp.wait_line("worker-ended", 2)
            change(sp, f"127.0.0.1:{port}, ", "")
            sp.reload()
            sp.wait_line("ready", 3)
            sp.wait_line("worker-ended", 4) # the last to hold that socket
            with self.assertRaises(ConnectionRefusedError):
                RawClient(port)
            with RawClient(new) as c:
                deliver(c.ready(tls=False))

    def test_mistakes_keep_the_old(self):
        with CapturingUpstream() as up, daemon(up) as sp:
            good = scratch.read(sp.config)
            taken = socket.create_server(("127.0.0.1", 0))
            port = taken.getsockname()[1]
            workers = processes.of(sp, processes.WORKER)
            changes = [
                good + b"bogus = 1\n",
                good.replace(b"workers = 1", b"workers = many"),
                good.replace(b"127.0.0.1:%d\n" % sp.port,
                             b"127.0.0.1:%d\n" % port),
                good.replace(sp.state.encode(), b"/tmp"),
                good.replace(b"[server]\n", b"[server]\nlog_format = json\n"),
                None, # no file at all
            ]
            with RawClient(sp.port) as c:
                c.ready(tls=False)
                for n, text in enumerate(changes):
                    self.assertNotEqual(text, good)
                    if text is None:
                        os.unlink(sp.config)
                    else:
                        scratch.write(sp.config, text)
                    sp.reload()
                    sp.wait_line("reload-refused", n + 1)
                    deliver(c, n)
            taken.close()
            self.assertEqual(workers, processes.of(sp, processes.WORKER))

    def test_second_one_waits_for_the_first(self):
        with CapturingUpstream() as up, daemon(up) as sp:
            busy = RawClient(sp.port)
            busy.ready(tls=False).envelope("a@example.com", "b@example.net")
            change(sp, "hostname = relay.test", "hostname = second.test")
            sp.reload()
            sp.wait_line("ready", 2)
            sp.process.send_signal(signal.SIGUSR2)
            sp.wait_line("upgrade-later")
            change(sp, "hostname = second.test", "hostname = third.test")
            sp.reload()
            sp.wait_line("reload-later")
            with RawClient(sp.port) as c:
                self.assertIn("second.test", c.greeting[1])
            busy.send(FROM + b"\r\nbody\r\n.\r\n")
            self.assertEqual(busy.reply()[0], 250)
            sp.wait_line("upgrade") # which reads the third one, too
            sp.wait_line("ready", 3)
            with RawClient(sp.port) as c:
                self.assertIn("third.test", c.greeting[1])

    def test_no_connection_is_lost(self):
        """Three workers become one and three again, under connections."""
        with CapturingUpstream() as up, \
                daemon(up, server={"workers": 3},
                       limits={"connections_per_ip": 500}) as sp:
            served = 0
            for count in (1, 3, 2):
                text = scratch.read(sp.config).decode().splitlines()
                text = [f"workers = {count}" if line.startswith("workers")
                        else line for line in text]
                scratch.write(sp.config, "\n".join(text) + "\n")
                ready = len(sp.lines("ready"))
                sp.reload()
                end = time.monotonic() + 20
                after = 0
                while after < 30 and time.monotonic() < end:
                    with RawClient(sp.port) as c:
                        self.assertEqual(c.greeting[0], 220)
                    served += 1
                    after += len(sp.lines("ready")) > ready
                sp.wait_line("ready", ready + 1)
                scratch.wait_for("old workers gone", lambda: len(
                    processes.of(sp, processes.WORKER)) == count)
            self.assertGreater(served, 89)


class Log(unittest.TestCase):
    def start(self, up):
        """A daemon that logs to a file, and the file."""
        sp = daemon(up, start=False)
        path = os.path.join(sp.home, "mail.log")
        change(sp, "[server]\n", f"[server]\nlog = {path}\n")
        sp.log_path = path
        scratch.give_to(sp.home, "nobody")
        sp.process = subprocess.Popen(
            [scratch.program("sealpostd"), "-c", sp.config, "-f"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, start_new_session=True)
        sp.output = open(os.devnull)
        self.addCleanup(sp.kill)
        scratch.wait_for("log", lambda: os.path.exists(path))
        sp.wait_line("ready")
        return sp, path

    def test_workers_of_before_follow(self):
        """Those that finish their sessions after a reload write to the new
        file too."""
        with CapturingUpstream() as up:
            sp, path = self.start(up)
            busy = RawClient(sp.port)
            busy.ready(tls=False).envelope("a@example.com", "b@example.net")
            change(sp, "hostname = relay.test", "hostname = second.test")
            sp.reload()
            sp.wait_line("ready", 2)
            os.rename(path, path + ".1")
            sp.process.send_signal(signal.SIGUSR1)
            scratch.wait_for("a new file", lambda: os.path.exists(path))
            sp.wait_line("log")
            busy.send(FROM + b"\r\nbody\r\n.\r\n")
            self.assertEqual(busy.reply()[0], 250)
            self.assertEqual(sp.wait_line("message")[0]["outcome"],
                             "delivered")
            self.assertNotIn(b"event=message", scratch.read(path + ".1"))
            # A file that cannot be made leaves the one that is open.
            os.rename(path, path + ".2")
            os.mkdir(path)
            sp.log_path = path + ".2"
            sp.process.send_signal(signal.SIGUSR1)
            scratch.wait_for("an error", lambda: "cannot open the log" in
                             sp.log())
            with RawClient(sp.port) as c:
                deliver(c.ready(tls=False))
            sp.wait_line("message", 2)
            os.rmdir(path)
            sp.stop()

    def test_file_is_opened_again(self):
        with CapturingUpstream() as up:
            sp, path = self.start(up)
            os.rename(path, path + ".1")
            sp.process.send_signal(signal.SIGUSR1)
            scratch.wait_for("a new file", lambda: os.path.exists(path))
            sp.wait_line("log")
            for pid in processes.of(sp, processes.KEEPER):
                os.kill(pid, signal.SIGHUP)
            sp.wait_line("loaded") # the keeper's lines too
            for pid in processes.of(sp, processes.KEEPER):
                os.kill(pid, signal.SIGKILL)
            sp.wait_line("keeper-died") # its parent's
            sp.wait_line("loaded", 2) # and a later keeper's
            with RawClient(sp.port) as c:
                deliver(c.ready(tls=False))
            sp.wait_line("message") # the worker's
            old = scratch.read(path + ".1")
            for pid in processes.of(sp, processes.WORKER):
                os.kill(pid, signal.SIGTERM)
            sp.wait_line("worker-ended")
            self.assertEqual(scratch.read(path + ".1"), old)
            sp.stop()


class Limits(unittest.TestCase):
    def test_connections_per_ip(self):
        with CapturingUpstream() as up, daemon(
                up, listen={"trusted_networks": "10.0.0.0/8",
                            "auth": "optional", "require_tls": "no",
                            "trusted_user": "x"},
                limits={"connections_per_ip": 3}) as sp:
            clients = [RawClient(sp.port) for _ in range(3)]
            with RawClient(sp.port) as c:
                self.assertEqual(c.greeting[0], 421)
                self.assertTrue(c.closed())
            clients[0].close()

            def again():
                with RawClient(sp.port) as c:
                    return c.greeting[0] == 220
            scratch.wait_for("a place", again)
            self.assertEqual(sp.lines("refused")[0]["reason"],
                             "connections_per_ip")

    def test_connections(self):
        with CapturingUpstream() as up, \
                daemon(up, limits={"connections": 5}) as sp:
            clients = [RawClient(sp.port) for _ in range(5)]
            for _ in range(20):
                with RawClient(sp.port) as c:
                    self.assertEqual(c.greeting[0], 421)
            deliver(clients[0].ready(tls=False))
            self.assertLess(len(sp.lines("refused")), 5)


if __name__ == "__main__":
    unittest.main()
