"""What the daemon refuses to start with, and what it runs as."""
import os
import pwd
import shutil
import signal
import socket
import subprocess
import unittest
import unittest.mock

import peers
import processes
import scratch
from sealpost import Sealpost, message
from upstream import CapturingUpstream

ROOT = os.getuid() == 0


def sealpostd(config, *options, **more):
    return subprocess.run([scratch.program("sealpostd"), "-c", config,
                           *options], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          timeout=60, **more)


class Refused(unittest.TestCase):
    """Each mistake is named with file and line, by -t and by a start, and
    nothing was begun by then."""

    @classmethod
    def setUpClass(cls):
        cls.sp = Sealpost(9, start=False)
        cls.good = scratch.read(cls.sp.config).decode()
        scratch.remove(os.path.join(cls.sp.state, "lock"))

    @classmethod
    def tearDownClass(cls):
        cls.sp.stop()

    def refused(self, text, line, *words):
        """line: the one that is named, as text; None: whichever."""
        lines = text.splitlines()
        number = lines.index(line) + 1 if line is not None else r"\d+"
        scratch.write(self.sp.config, text)
        self.addCleanup(scratch.write, self.sp.config, self.good)
        # Somebody else has the port: who tried to open it would say so (69).
        with socket.create_server(("127.0.0.1", self.sp.port)):
            for options in ["-t"], ["-f"], []:
                with self.subTest(options=options, words=words):
                    done = sealpostd(self.sp.config, *options)
                    said = done.stdout.decode()
                    self.assertEqual(done.returncode, 78, said)
                    self.assertRegex(said, f"{self.sp.config}:{number}: ")
                    for word in words:
                        self.assertIn(word, said)

    def line(self, section, line, *words):
        """A line more in a section."""
        self.refused(self.good.replace(f"[{section}]\n",
                                       f"[{section}]\n{line}\n", 1),
                     line, *words)

    def test_good_one(self):
        before = sorted(os.listdir(self.sp.state))
        done = sealpostd(self.sp.config, "-t")
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertEqual(sorted(os.listdir(self.sp.state)), before)

    def test_presets_are_told(self):
        scratch.write(self.sp.config, self.good.replace(
            "[upstream smarthost]\n",
            "[upstream smarthost]\npreset = ses\n", 1))
        self.addCleanup(scratch.write, self.sp.config, self.good)
        done = sealpostd(self.sp.config, "-t")
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertRegex(done.stdout.decode(), r"(?m)^\[upstream smarthost\] "
                         "preset = ses: .*already_signed = skip-aligned")

    def test_unknown_section(self):
        self.refused(self.good + "[bogus]\nx = 1\n", "[bogus]", "bogus")

    def test_unknown_key(self):
        self.line("listen main", "adress = x", "adress")

    def test_key_twice(self):
        self.refused(self.good.replace(
            "[server]\n", "[server]\nhostname = a.test\n", 1),
            "hostname = relay.test", "hostname")

    def test_missing_value(self):
        self.refused(self.good.replace("upstream = smarthost", "upstream =",
                                       1), "upstream =", "upstream")

    def test_overflow(self):
        self.line("server", "stop_deadline = 99999999999999999999s",
                  "stop_deadline")

    def test_negative_time(self):
        self.line("server", "drain = -1s", "drain")

    def test_ports(self):
        address = f"address = 127.0.0.1:{self.sp.port}"
        for port in ("0", "65536", "-1", "x", "99999999999"):
            wrong = f"address = 127.0.0.1:{port}"
            self.refused(self.good.replace(address, wrong), wrong, "address")

    def test_open_relay(self):
        """CF-05: there is no option for it."""
        for host in ("0.0.0.0", "[::]"):
            text = self.good.replace(
                f"address = 127.0.0.1:{self.sp.port}\n",
                f"address = {host}:{self.sp.port}\nauth = none\n")
            self.assertNotEqual(text, self.good)
            self.refused(text, None, "trusted_networks")
            self.refused(text.replace("auth = none\n", "mode = inbound\n"),
                         None, "relay_domains")

    def tls(self, certificate, key, *words):
        text = self.good.replace(self.sp.certificate, certificate).replace(
            os.path.join(self.sp.home, "key.pem"), key)
        self.assertNotEqual(text, self.good)
        self.refused(text, None, *words)

    def test_certificates(self):
        """CF-07."""
        other, expired = (os.path.join(self.sp.home, n)
                          for n in ("other", "expired"))
        key = os.path.join(self.sp.home, "key.pem")
        os.mkdir(other)
        os.mkdir(expired)
        theirs = scratch.certificate(other)
        late = scratch.certificate(expired)
        scratch.expire(*late)
        chain = scratch.write(
            os.path.join(self.sp.home, "chain.pem"),
            scratch.read(theirs[0]) + scratch.read(self.sp.certificate))
        closed = shutil.copy(key, os.path.join(self.sp.home, "closed.pem"))
        scratch.give_to(self.sp.home, "nobody")
        os.chmod(closed, 0)
        self.tls(theirs[0], key, theirs[0]) # a mismatch
        self.tls(*late, late[0], "expired")
        self.tls(chain, key, chain) # the other one's comes first
        self.tls(self.sp.certificate, closed, closed)
        self.tls(self.sp.certificate + "x", key, self.sp.certificate + "x")

    def test_world_writable(self):
        """CF-03."""
        os.chmod(self.sp.config, 0o666)
        self.addCleanup(os.chmod, self.sp.config, 0o644)
        for options in (["-t"], ["-f"]):
            done = sealpostd(self.sp.config, *options)
            self.assertEqual(done.returncode, 78, done.stdout)
            self.assertIn(self.sp.config.encode(), done.stdout)

    def users(self, text, line, word, mode=0o600):
        """Only the keeper reads users.conf, so that -t does not."""
        path = os.path.join(self.sp.state, "users.conf")
        good = scratch.read(path)
        scratch.write(path, text(good.decode()), mode)
        scratch.give_to(self.sp.state, "nobody")
        try:
            for options in (["-f"], []):
                done = sealpostd(self.sp.config, *options)
                said = done.stdout.decode()
                self.assertEqual(done.returncode, 78, said)
                self.assertIn(path + (f":{line}: " if line else ""), said)
                self.assertIn(word, said)
        finally:
            scratch.write(path, good, 0o600)
            scratch.give_to(self.sp.state, "nobody")

    def test_users(self):
        """CF-06."""
        path = os.path.join(self.sp.state, "users.conf")
        count = len(scratch.read(path).decode().splitlines())
        change = os.path.join(self.sp.home, "sealpost.conf")
        scratch.write(change, self.good.replace(
            "[server]\n", "[server]\nlog = stderr\n", 1))
        self.addCleanup(scratch.write, change, self.good)
        self.users(lambda t: t + "\n[alice]\nfrom = *\n", count + 2, "alice")
        self.users(lambda t: t + "\n[bob]\npassword = plain\n", count + 3,
                   "password")
        self.users(lambda t: t, None, "chmod 600", 0o644)

    def test_selector_without_key_is_a_warning(self):
        with CapturingUpstream() as up, Sealpost(up.port, start=False) as sp:
            path = os.path.join(sp.state, "users.conf")
            scratch.write(path, scratch.read(path) + b"selector = nokey\n",
                          0o600)
            sp.start()
            line = [x for x in sp.log().splitlines() if "nokey" in x][0]
            self.assertIn("level=warn", line)
            self.assertIn(f"{path}:", line)


class Instances(unittest.TestCase):
    def test_lock_of_the_dead(self):
        """LC-12: a lock file that nobody holds means nothing, nor do other
        people's files in the spool, which stay."""
        with CapturingUpstream() as up, Sealpost(up.port, start=False) as sp:
            scratch.write(os.path.join(sp.state, "lock"), "1\n")
            spool = os.path.join(sp.state, "spool")
            left = scratch.write(os.path.join(spool, "left"), "x", 0o600)
            scratch.give_to(sp.state, "nobody")
            if ROOT:
                os.chown(left, 1, 1)
            sp.start()
            self.assertEqual(scratch.read(os.path.join(sp.state, "lock")),
                             b"%d\n" % sp.process.pid)
            with sp.smtp() as c:
                c.sendmail("alice@example.com", ["b@example.net"],
                           message(body="x" * 70 + "\r\n" * 200000))
            self.assertEqual(os.listdir(spool), ["left"])
            sp.process.terminate()
            sp.process.wait(30)
            self.assertEqual(scratch.read(os.path.join(sp.state, "lock")), b"")

    def test_one_state_directory(self):
        with CapturingUpstream() as up, Sealpost(up.port) as sp:
            lock = scratch.read(os.path.join(sp.state, "lock"))
            for options in (["-f"], []):
                done = sealpostd(sp.config, *options)
                self.assertEqual(done.returncode, 75)
                self.assertIn(f"pid {sp.process.pid}, uses {sp.state}",
                              done.stdout.decode())
            self.assertEqual(scratch.read(os.path.join(sp.state, "lock")),
                             lock)
            with sp.smtp() as c:
                c.noop()


@unittest.skipUnless(ROOT, "needs root")
class Place(unittest.TestCase):
    def test_relative_configuration(self):
        """It is read again from where it was, not from where we are."""
        with CapturingUpstream() as up, Sealpost(up.port, start=False) as sp:
            whole, sp.config = sp.config, os.path.basename(sp.config)
            sp.start(wrap=("env", "-C", sp.home))
            sp.config = whole
            with open(whole, "a") as f:
                f.write("[sign]\nexpire = 1d\n")
            sp.reload()
            sp.wait_line("ready", 2)


class Accounts(unittest.TestCase):
    def test_two_accounts(self):
        """CF-09: the network's account can't read what the keys' has."""
        with CapturingUpstream() as up, Sealpost(
                up.port, keys=(), users={}, start=False,
                server={"user": "nobody", "keys_user": "daemon"}) as sp:
            keys = os.path.join(sp.state, "keys")
            users = os.path.join(sp.state, "users.conf")
            os.chown(sp.state, 0, pwd.getpwnam("nobody").pw_gid)
            os.chmod(sp.state, 0o771) # as sealpost.tmpfiles makes it
            with unittest.mock.patch("scratch.give_to"): # nobody helps
                sp.add_key("example.com", "sp1")
                sp.add_user(sp.user, sp.password, "example.com")
                sp.start()
            nobody, daemon = (pwd.getpwnam(n) for n in ("nobody", "daemon"))
            for name, who in ((processes.WORKER, nobody),
                              (processes.KEEPER, daemon),
                              (processes.PARENT, daemon)):
                for pid in processes.of(sp, name):
                    self.runs_as(pid, who)
            self.runs_as(sp.process.pid, nobody)
            for path in (keys, users):
                for who, readable in ((nobody, False), (daemon, True)):
                    done = subprocess.run(
                        ["find", path, "-type", "f", "-exec", "cat", "{}",
                         "+"], user=who.pw_uid, group=who.pw_gid,
                        extra_groups=[], cwd="/", capture_output=True)
                    self.assertEqual(bool(done.stdout), readable, path)
            with sp.smtp() as c:
                c.sendmail("alice@example.com", ["b@example.net"], message())
            self.assertIn("dkim=pass", sp.verify(up.wait()[0].data))

    def runs_as(self, pid, who):
        status = processes.status(pid)
        self.assertEqual(set(status["Uid"].split()), {str(who.pw_uid)})
        self.assertEqual(set(status["Gid"].split()), {str(who.pw_gid)})
        self.assertNotIn("0", status["Groups"].split())
        for key in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
            self.assertEqual(int(status[key], 16), 0, key)
        self.assertEqual(status["NoNewPrivs"], "1")

    def test_not_root(self):
        """Anybody starts it in a folder of his own; all runs as he does."""
        who = pwd.getpwnam("nobody")
        me = {"user": who.pw_uid, "group": who.pw_gid, "extra_groups": [],
              "cwd": "/"}
        with CapturingUpstream() as up:
            sp = Sealpost(up.port, start=False)
            log = os.path.join(sp.home, "mail.log")
            scratch.write(sp.config, scratch.read(sp.config).decode().replace(
                "[server]\n", f"[server]\nlog = {log}\n", 1))
            scratch.remove(sp.state) # that root's commands have filled
            os.mkdir(sp.state, 0o700)
            scratch.give_to(sp.home, "nobody")
            for arguments, text in (
                    (["key", "generate", "-c", sp.config, "example.com", "sp1",
                      "--activate"], b""),
                    (["user", "add", "-c", sp.config, "alice", "--from",
                      "example.com", "--password-stdin"],
                     sp.password.encode() + b"\n")):
                done = subprocess.run(
                    [scratch.program("sealpost"), *arguments], input=text,
                    capture_output=True, **me)
                self.assertEqual(done.returncode, 0, done.stderr)
            done = sealpostd(sp.config, **me) # returns when it is ready
            self.assertEqual(done.returncode, 0, done.stdout)
            pid = int(scratch.read(os.path.join(sp.state, "lock")))
            tree = processes.tree(pid)
            try:
                self.assertEqual(len(tree), 4)
                for child in tree:
                    self.runs_as(child, who)
                with sp.smtp() as c:
                    c.sendmail("alice@example.com", ["b@example.net"],
                               message())
                self.assertIn(b"DKIM-Signature:", up.wait()[0].data)
            finally:
                os.kill(pid, signal.SIGTERM)
                scratch.wait_for("its end", lambda: processes.gone(tree))
            self.assertIn("code 0", scratch.read(log).decode())
            scratch.remove(sp.home)


class Background(unittest.TestCase):
    def test_errors_of_every_process(self):
        """What fails after the fork is said too: keeper, worker, port."""
        sp = Sealpost(9, server={"log": "stderr"}, start=False)
        self.addCleanup(scratch.remove, sp.home)
        with socket.create_server(("127.0.0.1", sp.port)):
            done = sealpostd(sp.config)
            self.assertEqual(done.returncode, 69)
            self.assertIn(b"another program listens", done.stdout)
        users = os.path.join(sp.state, "users.conf")
        scratch.write(users, "[alice\n", 0o600)
        scratch.give_to(sp.state, "nobody")
        done = sealpostd(sp.config)
        self.assertEqual(done.returncode, 78, done.stdout)
        self.assertIn(f"{users}:1: ".encode(), done.stdout)


class Unit(unittest.TestCase):
    """CF-10: the shipped systemd units, looked at by systemd's own tool."""

    @classmethod
    def setUpClass(cls):
        cls.chroot, cls.root = [], ""
        if shutil.which("systemd-analyze") is None:
            cls.root = peers.tree("systemd")
            cls.chroot = ["chroot", cls.root]
        cls.folder = os.path.join(cls.root + "/tmp",
                                  f"sealpost-unit-{os.getpid()}")
        cls.addClassCleanup(scratch.remove, cls.folder)
        source = os.path.join(scratch.TOP, "etc/systemd")
        cls.units = [u for u in sorted(os.listdir(source))
                     if u.endswith((".service", ".socket", ".timer"))]
        for unit in cls.units:
            text = scratch.read(os.path.join(source, unit)).decode()
            for program in "/usr/sbin/sealpostd", "/usr/bin/sealpost":
                text = text.replace(program, "/bin/true")
            scratch.write(os.path.join(cls.folder, unit), text)

    def analyze(self, unit, *arguments):
        path = os.path.join(self.folder, unit)
        return subprocess.run(
            [*self.chroot, "systemd-analyze", *arguments,
             path[len(self.root):]], stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60)

    def test_verify(self):
        self.assertIn("sealpost-keeper.service", self.units)
        for unit in self.units:
            with self.subTest(unit=unit):
                done = self.analyze(unit, "verify", "--man=no")
                said = [line for line in done.stdout.decode().splitlines()
                        if "sealpost" in line]
                self.assertEqual((done.returncode, said), (0, []))

    def test_CF_10_exposure(self):
        for unit, most in (("sealpost.service", 15),
                           ("sealpost-keeper.service", 6)):
            with self.subTest(unit=unit):
                done = self.analyze(unit, "security", "--offline=true",
                                    f"--threshold={most}", "--no-pager")
                self.assertEqual(done.returncode, 0, done.stdout.decode())


if __name__ == "__main__":
    unittest.main()
