"""Clients that go, full disks, logs that nobody reads, clocks that jump."""
import os
import re
import smtplib
import socket
import struct
import subprocess
import threading
import time
import unittest
import unittest.mock

import processes
import scratch
from rawclient import RawClient
from sealpost import Sealpost, message
from upstream import CapturingUpstream, delay

LINES = [b"EHLO x\r\n", b"STARTTLS\r\n", b"EHLO x\r\n", b"AUTH PLAIN\r\n",
         b"AGFsaWNlAGNvcnJlY3QgaG9yc2U=\r\n", b"MAIL FROM:<a@example.com>\r\n",
         b"RCPT TO:<b@example.net>\r\n", b"DATA\r\n",
         message()[:30], message()[30:], b".\r"]


class ClientGoes(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.up = cls.enterClassContext(CapturingUpstream())
        cls.sp = cls.enterClassContext(Sealpost(cls.up.port))

    def leave(self, client, how):
        if how == "RST":
            client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                     struct.pack("ii", 1, 0))
        client.close()

    def at_stage(self, count):
        """A client that has sent that many of LINES."""
        c = RawClient(self.sp.port)
        for n, line in enumerate(LINES[:count]):
            c.send(line)
            if n < 8: # the rest is content
                self.assertIn(c.reply()[0] // 100, (2, 3))
            if line == b"STARTTLS\r\n":
                c.wrap()
        return c

    def test_at_every_stage(self):
        """LC-01."""
        lines = len(self.sp.log().splitlines())
        for count in range(len(LINES) + 1):
            for how in ("FIN", "RST"):
                self.leave(self.at_stage(count), how)
        scratch.wait_for("released upstream sessions", lambda: all(
            s.ended or not s.sender for s in self.up.sessions))
        self.assertEqual(self.up.messages, [])
        with self.sp.smtp() as c: # nobody's envelope is left anywhere
            c.sendmail("alice@example.com", ["bob@example.net"], message())
        got = self.up.wait()[0]
        self.assertEqual(got.recipients, ["bob@example.net"])
        self.assertLess(len(self.sp.log().splitlines()) - lines, 80)
        self.up.messages.clear()

    def test_behind_the_dot(self):
        """LC-02: delivered, and the log says that nobody has heard it."""
        for how in ("FIN", "RST"):
            go, held = threading.Event(), threading.Event()

            def hold(session, line):
                held.set()
                go.wait(20)
            self.up.set("dot", hold)
            before = len(self.sp.lines("message"))
            c = self.at_stage(len(LINES))
            c.send(b"\n")
            held.wait(10)
            self.leave(c, how)
            # The worker must have seen it before the upstream's word comes.
            time.sleep(1)
            go.set()
            line = self.sp.wait_line("message", before + 1)[-1]
            self.assertEqual((line["outcome"], line.get("client_gone")),
                             ("delivered", "yes"))
            self.up.set("dot")
        self.assertEqual(len(self.up.messages), 2)
        self.up.messages.clear()

    def test_half_close(self):
        """LC-03: it has said all that it wants, and listens."""
        c = self.at_stage(len(LINES))
        c.send(b"\n")
        c.socket.shutdown(socket.SHUT_WR)
        # TLS ended without close_notify: whether it was the client is
        # unknown, so that one delivery or none is right, and never two.
        code = c.reply()[0]
        self.assertIn((code, len(self.up.messages)), ((250, 1), (0, 1),
                                                      (0, 0)))
        c.close()
        self.up.messages.clear()

    def test_half_close_in_clear(self):
        """Nobody can have cut it: it is served to its end."""
        with CapturingUpstream({"dot": delay(0.3)}) as up, Sealpost(
                up.port, keys=(), users={}, listen={
                    "tls": "none", "auth": "none",
                    "trusted_networks": "127.0.0.0/8"}) as sp, \
                RawClient(sp.port) as c:
            c.ready(tls=False)
            c.envelope("a@example.com", "b@example.net")
            c.send(message() + b".\r\n")
            c.socket.shutdown(socket.SHUT_WR)
            code = c.reply()[0]
            self.assertTrue(c.closed())
            outcome = sp.wait_line("message")[0]["outcome"]
            self.assertEqual((code, len(up.messages), outcome),
                             (250, 1, "delivered"))


class Spool(unittest.TestCase):
    """RX-08."""

    def big(self, sp, octets=800000):
        with sp.smtp() as c:
            c.sendmail("alice@example.com", ["bob@example.net"],
                       message(body=("x" * 78 + "\r\n") * (octets // 80)))

    def refused(self, sp, how=smtplib.SMTPDataError):
        with self.assertRaises(how) as e:
            self.big(sp)
        self.assertEqual(e.exception.smtp_code, 452)
        self.assertIn(b"4.3.1", e.exception.smtp_error)

    def test_made_when_missing(self):
        with CapturingUpstream() as up, Sealpost(up.port) as sp:
            spool = os.path.join(sp.state, "spool")
            self.assertEqual(os.stat(spool).st_mode & 0o777, 0o700)
            self.big(sp)
            os.rmdir(spool) # while it runs
            self.refused(sp)
            with sp.smtp() as c: # the small ones need none
                c.sendmail("alice@example.com", ["bob@example.net"],
                           message())
            os.mkdir(spool, 0o700)
            scratch.give_to(spool, "nobody")
            # A worker keeps to the folder that it began with; a new one
            # takes what is there.
            processes.kill(sp, processes.WORKER)
            scratch.wait_for("a worker", lambda: self.took(sp))
            self.assertEqual(len(up.wait(3)), 3)

    def took(self, sp):
        try:
            self.big(sp)
            return True
        except (OSError, smtplib.SMTPException):
            return False

    @unittest.skipUnless(os.getuid() == 0, "needs root")
    def test_not_ours_at_the_start(self):
        """Another account's, read only, or no folder at all."""
        sp = Sealpost(9, start=False)
        self.addCleanup(scratch.remove, sp.home)
        spool = os.path.join(sp.state, "spool")

        def read_only():
            scratch.give_to(spool, "nobody")
            os.chmod(spool, 0o500)

        def a_file():
            os.rmdir(spool)
            scratch.write(spool, "")
            scratch.give_to(spool, "nobody")
        for spoil in (lambda: os.mkdir(spool, 0o700), read_only, a_file):
            spoil()
            for option in "-f", "-t":
                done = subprocess.run(
                    [scratch.program("sealpostd"), "-c", sp.config, option],
                    stdin=subprocess.DEVNULL, capture_output=True, timeout=30)
                self.assertNotEqual(done.returncode, 0, done.stderr)
                self.assertIn(spool.encode(), done.stderr)

    def test_max_total(self):
        with CapturingUpstream() as up, Sealpost(
                up.port, listen={"max_message_size": "1M"},
                extra="[spool]\nmax_total = 1M\n"
                "memory_threshold = 64K\n") as sp:
            with RawClient(sp.port) as c:
                c.ready(sp.user, sp.password)
                c.envelope("alice@example.com", "bob@example.net")
                c.send(message() + (b"x" * 78 + b"\r\n") * 6000)
                scratch.wait_for("a spool file", lambda: [
                    name for pid in processes.of(sp, processes.WORKER)
                    for name in processes.files(pid) if "/spool/" in name])
                # The client has said SIZE.
                self.refused(sp, smtplib.SMTPSenderRefused)
                self.assertEqual(sp.lines("spool-full")[0]["max_total"],
                                 str(1 << 20))
                c.send(b".\r\n")
                self.assertEqual(c.reply()[0], 250)
            self.big(sp)
            self.assertEqual(len(up.wait(2)), 2)

    @unittest.skipUnless(os.getuid() == 0, "needs root")
    def test_full_disk(self):
        with CapturingUpstream() as up:
            sp = Sealpost(up.port, start=False)
            spool = os.path.join(sp.state, "spool")
            os.mkdir(spool)
            done = subprocess.run(
                ["mount", "-t", "tmpfs", "-o",
                 "size=512k,mode=0700,uid=65534,gid=65534", "tmpfs", spool],
                capture_output=True)
            if done.returncode != 0:
                scratch.remove(sp.home)
                self.skipTest("no tmpfs here: " + done.stderr.decode())
            self.addCleanup(scratch.remove, sp.home)
            self.addCleanup(subprocess.run, ["umount", "-l", spool])
            with sp:
                sp.start()
                self.refused(sp, smtplib.SMTPSenderRefused)
                why, = sp.lines("spool-failed")
                self.assertEqual((why["user"], why["directory"]),
                                 (sp.user, spool))
                self.assertEqual(why["text"],
                                 "less than 1.5 times its SIZE is free")
                self.assertEqual(sp.lines("command-refused"), [])
                self.big(sp, 300000)
                self.assertEqual(len(up.wait()), 1)


class Log(unittest.TestCase):
    """RX-16: mail goes on when lines can't."""

    def works(self, sp, up):
        for n in range(3):
            with sp.smtp() as c:
                c.sendmail("alice@example.com", ["bob@example.net"],
                           message())
            up.wait(n + 1)

    def start_logging_to(self, where):
        up = CapturingUpstream()
        self.addCleanup(up.stop)
        sp = Sealpost(up.port, server={"log": where}, start=False)
        self.addCleanup(scratch.remove, sp.home)
        sp.process = subprocess.Popen(
            [scratch.program("sealpostd"), "-c", sp.config, "-f"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, start_new_session=True)
        sp.output = open(os.devnull)
        self.addCleanup(sp.kill)
        scratch.wait_port(sp.port, sp.process)
        self.works(sp, up)
        sp.process.terminate()
        self.assertEqual(sp.process.wait(30), 0)

    def test_full_disk(self):
        before = os.stat("/dev/full")
        self.start_logging_to("/dev/full")
        after = os.stat("/dev/full")
        self.assertEqual((before.st_uid, before.st_mode),
                         (after.st_uid, after.st_mode))

    @unittest.skipIf(os.path.exists("/dev/log"), "a syslog runs here")
    def test_no_syslog(self):
        self.start_logging_to("syslog")

    def test_no_reader(self):
        """Standard error goes to a program that dies."""
        with CapturingUpstream() as up, Sealpost(up.port, start=False) as sp:
            reader, writer = os.pipe()
            sp.process = subprocess.Popen(
                [scratch.program("sealpostd"), "-c", sp.config, "-f"],
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                stderr=writer, start_new_session=True)
            sp.log_path, sp.output = os.devnull, open(os.devnull)
            os.close(writer)
            scratch.wait_port(sp.port, sp.process)
            os.close(reader)
            self.works(sp, up)


CLOCK = r"""
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>
static long step(void)
{
    char text[32] = "";
    int fd = open(getenv("TEST_CLOCK"), O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        (void)!read(fd, text, sizeof(text) - 1);
        close(fd);
    }
    return atol(text);
}
int clock_gettime(clockid_t id, struct timespec *t)
{
    int r = (int)syscall(SYS_clock_gettime, id, t);
    if (r == 0 && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE))
        t->tv_sec += step();
    return r;
}
time_t time(time_t *out)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    if (out != NULL)
        *out = t.tv_sec;
    return t.tv_sec;
}
int gettimeofday(struct timeval *tv, void *zone)
{
    struct timespec t;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &t);
    tv->tv_sec = t.tv_sec;
    tv->tv_usec = t.tv_nsec / 1000;
    return 0;
}
"""


class Clock(unittest.TestCase):
    """RX-15: the wall clock jumps. A library that is loaded first makes it
    jump for the daemon alone, by the seconds that a file says."""

    def setUp(self):
        self.folder = scratch.folder()
        self.addCleanup(scratch.remove, self.folder)
        source = scratch.write(os.path.join(self.folder, "clock.c"), CLOCK)
        library = os.path.join(self.folder, "clock.so")
        subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", library,
                        source], check=True)
        self.environment = {"LD_PRELOAD": library}

    def test_jumps(self):
        up = CapturingUpstream()
        self.addCleanup(up.stop)
        sp = Sealpost(up.port, start=False)
        # Beside the certificate: workers are shown no other folder.
        self.file = scratch.write(os.path.join(sp.home, "step"), "0")
        self.environment["TEST_CLOCK"] = self.file
        # A sanitizer's library wants to be the first one.
        options = "verify_asan_link_order=0:detect_leaks=0:exitcode=99"
        with unittest.mock.patch.dict("os.environ", self.environment), \
                unittest.mock.patch.dict("sealpost.SANITIZERS",
                                         {"ASAN_OPTIONS": options}):
            sp.start()
        with sp, RawClient(sp.port) as idle, RawClient(sp.port) as busy:
            idle.ready(sp.user, sp.password)
            busy.ready(sp.user, sp.password)
            for n, step in enumerate((0, 3600, -3600, 86400 * 365 * 14, 0)):
                with self.subTest(step):
                    busy.envelope("alice@example.com", "bob@example.net")
                    busy.send(message()[:50])
                    scratch.write(self.file, str(step))
                    time.sleep(0.1) # time for a timer that is wrong
                    idle.expect("NOOP", 250)
                    busy.send(message()[50:] + b".\r\n")
                    self.assertEqual(busy.reply()[0], 250)
                    self.signed_at(sp, up.wait(n + 1)[-1].data,
                                   int(time.time()) + step)

    def signed_at(self, sp, data, now):
        field = re.sub(rb"\s", b"", data.partition(b"DKIM-Signature:")[2]
                       .partition(b"\r\nFrom:")[0])
        t = int(re.search(rb"[:;]?\bt=(\d+);", field)[1])
        x = int(re.search(rb"\bx=(\d+);", field)[1])
        self.assertLess(abs(t - now), 5)
        self.assertEqual(x - t, 7 * 86400)
        self.assertIn("dkim=pass", sp.verify(data, "--time", str(now)))


if __name__ == "__main__":
    unittest.main()
