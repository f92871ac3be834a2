"""Run by a service manager: the keeper as a service of its own, listening
sockets that are handed in, and another program under a running service
(SIGUSR2)."""
import os
import pwd
import re
import shutil
import signal
import smtplib
import socket
import subprocess
import sys
import threading
import time
import traceback
import unittest
import unittest.mock

import processes
import scratch
from rawclient import RawClient
from reloading import change
from sealpost import SANITIZERS, Sealpost, message
from upstream import CapturingUpstream

KEYS = "daemon" # stands for sealpost-keys


def send(sp, subject="hello"):
    with sp.smtp() as c:
        c.sendmail("alice@example.com", ["b@example.net"],
                   message(subject=subject))


@unittest.skipUnless(os.geteuid() == 0, "two accounts need root")
class KeeperService(unittest.TestCase):
    """Two services of two accounts, neither ever root."""

    def setUp(self):
        self.up = self.enterContext(CapturingUpstream())
        self.sp = Sealpost(self.up.port, keys=(), users={}, start=False,
                           server={"user": "nobody", "keys_user": KEYS})
        self.addCleanup(scratch.remove, self.sp.home)
        self.addCleanup(self.sp.kill)
        self.nobody, self.keys = pwd.getpwnam("nobody"), pwd.getpwnam(KEYS)
        os.chown(self.sp.state, 0, self.nobody.pw_gid)
        os.chmod(self.sp.state, 0o771)
        with unittest.mock.patch("scratch.give_to"):
            self.sp.add_key("example.com", "sp1")
            self.sp.add_user(self.sp.user, self.sp.password, "example.com")
        os.chown(self.sp.state, self.nobody.pw_uid, self.nobody.pw_gid)
        self.doors = os.path.join(self.sp.home, "doors")
        os.mkdir(self.doors, 0o750)
        os.chown(self.doors, self.keys.pw_uid, self.nobody.pw_gid)
        self.keeper = None
        self.addCleanup(self.stop_keeper)

    def start_keeper(self, config=None):
        log = open(os.path.join(self.sp.home, "keeper-log"), "ab")
        self.keeper = subprocess.Popen(
            [scratch.program("sealpostd"), "-c", config or self.sp.config,
             "--keeper", self.doors],
            user=self.keys.pw_uid, group=self.nobody.pw_gid, extra_groups=[],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=log,
            cwd="/", env=dict(os.environ, **SANITIZERS),
            start_new_session=True)
        log.close()
        scratch.wait_for("the keeper's service", lambda: os.path.exists(
            os.path.join(self.doors, "masters.sock")))

    def stop_keeper(self):
        if self.keeper is not None:
            self.keeper.terminate()
            self.assertEqual(self.keeper.wait(20), 0)
            self.keeper = None

    def keeper_log(self):
        return scratch.read(os.path.join(self.sp.home, "keeper-log")).decode()

    def start(self):
        with unittest.mock.patch("scratch.give_to"):
            self.sp.start(wrap=("setpriv", "--reuid", "nobody", "--regid",
                                str(self.nobody.pw_gid), "--clear-groups",
                                "--inh-caps", "+net_bind_service",
                                "--ambient-caps", "+net_bind_service"),
                          more=("--keeper-socket", self.doors))

    def test_signs_and_survives(self):
        self.start_keeper()
        self.start()
        send(self.sp)
        self.assertIn("dkim=pass", self.sp.verify(self.up.wait()[0].data))
        self.assertEqual(processes.of(self.sp, processes.KEEPER), [])
        self.assertNotEqual(self.capabilities(self.sp.process.pid), 0)
        for pid in processes.of(self.sp, processes.WORKER):
            self.assertEqual(self.capabilities(pid), 0)
        # The keeper's service goes and comes back: mail goes on.
        self.stop_keeper()
        self.sp.wait_line("keepers-died")
        self.start_keeper()
        self.sp.wait_line("keepers-back")
        scratch.wait_for("mail again", self.try_to_send)
        self.sp.reload()
        scratch.wait_for("mail after a reload", self.try_to_send)

    def capabilities(self, pid):
        """Which the process has, as the master of the unit has one."""
        status = scratch.read(f"/proc/{pid}/status").decode()
        return int(re.search(r"^CapEff:\s*(\w+)", status, re.M)[1], 16)

    def try_to_send(self):
        try:
            send(self.sp)
            return True
        except (smtplib.SMTPException, OSError):
            return False

    def test_another_configuration_is_refused(self):
        """What a taken-over network account would send."""
        other = os.path.join(self.sp.home, "other.conf")
        shutil.copy(self.sp.config, other)
        with open(other, "a") as f:
            f.write("\n; one octet more\n")
        self.start_keeper(other)
        with self.assertRaisesRegex(AssertionError, "does not start"):
            self.start()
        self.assertIn("is not what", self.keeper_log())

    def test_no_keeper(self):
        with self.assertRaisesRegex(AssertionError, "no keeper answers in"):
            self.start()

    def test_another_program(self):
        """SIGUSR2: the new one knows where the keeper is."""
        self.start_keeper()
        self.start()
        self.sp.process.send_signal(signal.SIGUSR2)
        self.sp.wait_line("ready", 2)
        scratch.wait_for("mail through it", self.try_to_send)
        self.stop_keeper()
        self.sp.wait_line("keepers-died")
        self.start_keeper()
        self.sp.wait_line("keepers-back")
        scratch.wait_for("mail again", self.try_to_send)

    def knock(self, name, said):
        """A stranger at a socket whose mode lets him in by mistake."""
        door = os.path.join(self.doors, name)
        for path in (self.sp.home, self.doors, door):
            os.chmod(path, 0o777)
        done = subprocess.run(
            [sys.executable, "-c", KNOCK, door], stdout=subprocess.PIPE,
            timeout=20, user=pwd.getpwnam("games").pw_uid)
        self.assertEqual(done.stdout, b"closed")
        scratch.wait_for(said, lambda: said in self.keeper_log())

    def test_strangers_are_turned_away(self):
        self.start_keeper()
        self.knock("masters.sock", "event=master-refused")
        self.start()
        self.knock("keeper.sock", "may not connect to the keeper")
        send(self.sp)

    def run_keeper(self, config, **account):
        return subprocess.run(
            [scratch.program("sealpostd"), "-c", config, "--keeper",
             self.doors], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, timeout=20, **account)

    def test_refuses_to_start(self):
        done = self.run_keeper(self.sp.config)
        self.assertEqual(done.returncode, 78, done.stdout)
        self.assertIn(b"not as root", done.stdout)
        broken = os.path.join(self.sp.home, "broken.conf")
        scratch.write(broken, "[server]\nbogus = 1\n")
        done = self.run_keeper(broken, user=self.keys.pw_uid)
        self.assertEqual(done.returncode, 78, done.stdout)
        self.assertIn(f"{broken}:2: ".encode(), done.stdout)


KNOCK = """
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
s.settimeout(10)
s.connect(sys.argv[1])
try:
    print(end="open" if s.recv(99) else "closed")
except ConnectionResetError:
    print(end="closed")
"""


# What a service manager does: opens the ports, then becomes the program.
ACTIVATE = """
import os, socket, sys
ports, command = sys.argv[1].split(","), sys.argv[2:]
doors = [socket.create_server(("127.0.0.1", int(p))) for p in ports]
high = [os.dup2(d.fileno(), 100 + n) for n, d in enumerate(doors)]
for n, fd in enumerate(high):
    os.dup2(fd, 3 + n)
    os.close(fd)
os.environ.update(LISTEN_FDS=str(len(ports)), LISTEN_PID=str(os.getpid()))
os.execvp(command[0], command)
"""


class Handed(unittest.TestCase):
    def setUp(self):
        self.up = self.enterContext(CapturingUpstream())

    def test_sockets_are_taken(self):
        with Sealpost(self.up.port, start=False) as sp:
            sp.start(wrap=[sys.executable, "-c", ACTIVATE,
                           f"{sp.port},{sp.tls_port}"])
            inodes = {line.split()[9] for line in
                      scratch.read("/proc/net/tcp").decode().splitlines()[1:]
                      if line.split()[1].endswith(f":{sp.port:04X}")
                      and line.split()[3] == "0A"}
            self.assertEqual(len(inodes), 1, "it opened one of its own")
            send(sp)
            self.assertIn("dkim=pass", sp.verify(self.up.wait()[0].data))
            sp.reload()
            sp.wait_line("reload")
            send(sp)

    @unittest.skipUnless(shutil.which("systemd-socket-activate"),
                         "systemd-socket-activate is not here")
    def test_sockets_of_a_service_manager(self):
        with Sealpost(self.up.port, start=False) as sp:
            doors = [f"127.0.0.1:{sp.port}", f"127.0.0.1:{sp.tls_port}"]
            wrap = ["systemd-socket-activate"]
            for door in doors:
                wrap += ["-l", door]
            for name in SANITIZERS:
                wrap += ["-E", name]
            scratch.give_to(sp.state, "nobody")
            # It starts the program at the first connection.
            waker = threading.Thread(target=self.knock, args=(sp.port,))
            waker.start()
            sp.start(wrap=wrap)
            waker.join()
            send(sp)
            self.assertIn("dkim=pass", sp.verify(self.up.wait()[0].data))
            sp.reload()
            sp.wait_line("reload")
            send(sp)

    def knock(self, port):
        for _ in range(100):
            try:
                smtplib.SMTP("127.0.0.1", port, timeout=20).quit()
                return
            except OSError:
                time.sleep(0.05)

    def test_stray_socket(self):
        with Sealpost(self.up.port, start=False) as sp, \
                self.assertRaisesRegex(AssertionError,
                                       "which is no address of a .listen"):
            sp.start(wrap=[sys.executable, "-c", ACTIVATE,
                           f"{sp.port},{scratch.free_port()}"])


class Upgrade(unittest.TestCase):
    """SIGUSR2 under load: nobody is refused or cut. Who is between two
    messages is told 421 4.3.2, as after a reload, and comes again."""

    def setUp(self):
        self.up = self.enterContext(CapturingUpstream())

    def test_no_connection_is_refused(self):
        with Sealpost(self.up.port,
                      limits={"connections_per_ip": 500}) as sp:
            done, told_so, failed = [], [], []
            stop = threading.Event()

            def load():
                while not stop.is_set():
                    c, code = None, 0
                    try:
                        c = RawClient(sp.port)
                        c.ready(sp.user, sp.password)
                        c.envelope("alice@example.com", "b@example.net")
                        c.send(message() + b".\r\n")
                        code = c.reply()[0]
                    except (AssertionError, OSError) as error:
                        # A write may come too late to hear the 421 behind it.
                        told = ": 421 4.3.2" in str(error) or (
                            c is not None and c.reply()[0] == 421)
                        code = 421 if told else traceback.format_exc()
                    (done if code == 250 else told_so if code == 421
                     else failed).append(code)
                    if c is not None:
                        c.close()

            threads = [threading.Thread(target=load) for _ in range(4)]
            for t in threads:
                t.start()
            pid, seen = sp.process.pid, 1
            for _ in range(3):
                before = len(done)
                sp.process.send_signal(signal.SIGUSR2)
                seen += 1
                self.upgraded(sp, seen)
                scratch.wait_for("mail through it",
                                 lambda: len(done) > before + 8, 20)
                scratch.wait_for("the old ones to end",
                                 lambda: len(processes.of(
                                     sp, processes.WORKER)) == self.workers(
                                         sp), 30)
            stop.set()
            for t in threads:
                t.join()
            self.assertEqual(failed, [])
            self.assertEqual(sp.process.pid, pid)
            self.assertIsNone(sp.process.poll())
            self.assertGreater(len(done), 24)

    def workers(self, sp):
        return int(sp.lines("ready")[-1].get("workers", 1))

    def upgraded(self, sp, count):
        """The master says how many workers it has; keepers do not."""
        scratch.wait_for("the new program", lambda: len(
            [l for l in sp.lines("ready") if "workers" in l]) >= count, 30)

    def test_open_session_goes_on(self):
        with Sealpost(self.up.port) as sp:
            c = sp.smtp()
            c.mail("alice@example.com")
            sp.process.send_signal(signal.SIGUSR2)
            self.upgraded(sp, 2)
            c.rcpt("b@example.net")
            self.assertEqual(c.data(message())[0], 250)
            self.assertEqual(c.noop()[0], 421)
            c.close()
            send(sp)
            self.assertEqual(len(self.up.wait(2)), 2)

    def test_a_program_that_fails_its_test(self):
        with Sealpost(self.up.port, start=False) as sp:
            text = scratch.read(sp.config)
            sp.start()
            with open(sp.config, "ab") as f:
                f.write(b"\n[nonsense]\nx = 1\n")
            sp.process.send_signal(signal.SIGUSR2)
            sp.wait_line("upgrade-refused")
            send(sp)
            with open(sp.config, "wb") as f:
                f.write(text)
            sp.process.send_signal(signal.SIGUSR2)
            self.upgraded(sp, 2)
            send(sp)


    def installed(self):
        """The path of a program that a test may replace."""
        home = scratch.folder()
        self.addCleanup(scratch.remove, home)
        paths = {name: scratch.program(name)
                 for name in ("sealpost", "sealpostd")}
        paths["sealpostd"] = shutil.copy(paths["sealpostd"], home)
        self.enterContext(unittest.mock.patch("scratch.program", paths.get))
        return paths["sealpostd"]

    def test_a_program_that_cannot_be_started(self):
        path = self.installed()
        with Sealpost(self.up.port) as sp:
            os.chmod(path, 0o644)
            sp.process.send_signal(signal.SIGUSR2)
            self.assertIn("cannot be started",
                          sp.wait_line("upgrade-refused")[0]["text"])
            send(sp)

    def test_a_reload_that_waited_with_a_refused_one(self):
        path = self.installed()
        with Sealpost(self.up.port) as sp:
            busy = sp.smtp()
            busy.mail("alice@example.com")
            change(sp, "hostname", "second.test")
            sp.reload()
            self.upgraded(sp, 2)
            sp.process.send_signal(signal.SIGUSR2)
            sp.wait_line("upgrade-later")
            change(sp, "hostname", "third.test")
            sp.reload()
            sp.wait_line("reload-later")
            os.replace(scratch.write(path + ".new", "#!/bin/sh\nexit 1\n",
                                     0o755), path)
            busy.close()
            self.assertIn("-t of the installed",
                          sp.wait_line("upgrade-refused")[0]["text"])
            self.upgraded(sp, 3)
            send(sp)


class Notified(unittest.TestCase):
    """What sd_notify(3) tells of Type=notify, to a path or a name."""

    def setUp(self):
        self.up = self.enterContext(CapturingUpstream())
        self.sp = Sealpost(self.up.port, start=False)
        self.addCleanup(scratch.remove, self.sp.home)
        self.addCleanup(self.sp.kill)
        self.manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.manager.settimeout(20)
        self.addCleanup(self.manager.close)

    def start(self, name):
        with unittest.mock.patch.dict(os.environ, NOTIFY_SOCKET=name):
            self.sp.start()

    def told(self, *words):
        for word in words:
            self.assertRegex(self.manager.recv(999).decode(), f"^{word}$")

    def walk(self):
        """Start, reload, a reload refused, another program, the end."""
        self.told("READY=1")
        for pid in processes.of(self.sp, processes.WORKER):
            self.assertNotIn(b"NOTIFY_SOCKET",
                             scratch.read(f"/proc/{pid}/environ"))
        again = ("RELOADING=1\nMONOTONIC_USEC=\\d+", "READY=1")
        before = time.clock_gettime(time.CLOCK_MONOTONIC)
        self.sp.reload()
        word = self.manager.recv(999).decode()
        when = int(word.partition("MONOTONIC_USEC=")[2]) / 1e6
        self.assertTrue(before <= when <= before + 20, word)
        self.told("READY=1")
        good = scratch.read(self.sp.config)
        with open(self.sp.config, "ab") as f:
            f.write(b"bogus = 1\n")
        self.sp.reload()
        self.told(*again)
        with open(self.sp.config, "wb") as f:
            f.write(good)
        self.sp.process.send_signal(signal.SIGUSR2)
        self.told(*again)
        self.sp.reload()
        self.told(*again)
        self.sp.process.terminate()
        self.told("STOPPING=1")
        self.assertEqual(self.sp.process.wait(20), 0)

    def test_by_path(self):
        path = os.path.join(self.sp.home, "manager.sock")
        self.manager.bind(path)
        os.chmod(path, 0o777)
        self.start(path)
        self.walk()

    def test_by_name(self):
        name = f"sealpost-test-{os.getpid()}"
        self.manager.bind(f"\0{name}")
        self.start(f"@{name}")
        self.walk()


if __name__ == "__main__":
    unittest.main()
