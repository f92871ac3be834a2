"""What exhausts a relay, and what its processes and programs are: rows RX
and CF."""
import os
import re
import shutil
import socket
import struct
import subprocess
import threading
import time
import unittest

import scratch
from processes import files
from sealpost import Sealpost, message, section
from upstream import CapturingUpstream
from wire import RECIPIENT, SENDER, Client, WireCase, processes, rss, worker

HEAD = message(body="")
END = b".\r\n"
OPEN = {"tls": "none", "auth": "none", "trusted_networks": "127.0.0.0/8"}
MIB = 1 << 20


def descriptors(pid):
    try:
        return len(os.listdir(f"/proc/{pid}/fd"))
    except PermissionError:
        raise unittest.SkipTest("the worker's descriptors are root's to see")


def busy(pid):
    """Seconds that it ran or wanted to: other load on the machine leaves a
    process that spins little to run."""
    ran, waited, _ = scratch.read(f"/proc/{pid}/schedstat").split()
    return (int(ran) + int(waited)) / 1e9


def big(size):
    """Content of about size octets, dots at the start of some lines."""
    line = b"." + b"0123456789abcdef" * 4 + b"\r\n"
    return HEAD + line * (size // len(line))


class Limits(WireCase):
    listen = OPEN

    @classmethod
    def extra_text(cls):
        cls.small = scratch.free_port()
        return section("listen small", {
            **OPEN, "address": f"127.0.0.1:{cls.small}",
            "upstream": "smarthost", "max_message_size": "1M"})

    def setUp(self):
        if not self.up.messages:
            self.ordinary()
            self.new_log()

    def settled(self, pid, count):
        """The worker is back at its descriptors."""
        scratch.wait_for(f"{count} descriptors",
                         lambda: descriptors(pid) <= count)

    def test_RX_01_slow_clients(self):
        with self.row("RX-01", delivered=3):
            slow = [self.client() for _ in range(100)]
            for octet in "EHLO":
                for c in slow:
                    c.send(octet)
                time.sleep(0.2)
                if octet != "E":
                    began = time.monotonic()
                    self.ordinary()
                    self.assertLess(time.monotonic() - began, 3)
            for c in slow:
                c.close()

    def test_RX_02_idle_connections(self):
        pid = worker(self.sp)
        before = descriptors(pid)
        with self.row("RX-02", delivered=1):
            idle = [self.client() for _ in range(300)]
            self.assertGreaterEqual(descriptors(pid), before + 250)
            self.ordinary()
            for c in idle:
                c.close()
            self.settled(pid, before)

    def test_RX_17_endless_header(self):
        pid = worker(self.sp)
        before = rss(pid)
        with self.row("RX-17", refused=1):
            c = self.data()
            began, highest = time.monotonic(), 0
            for _ in range(16):
                c.send((b"X-Field: " + b"a" * 69 + b"\r\n") * 13000)
                highest = max(highest, rss(pid)) # before it is all given back
            self.assertEqual(c.content(END)[0], 552)
            self.assertLess(time.monotonic() - began, 5)
            self.assertLess(highest - before, 4 * MIB)

    def test_RX_17_nested_mime(self):
        with self.row("RX-17", delivered=1):
            content = HEAD.replace(
                b"\r\n\r\n", b"\r\nMIME-Version: 1.0\r\nContent-Type: "
                b"multipart/mixed; boundary=b0\r\n\r\n") + b"".join(
                b"--b%d\r\nContent-Type: multipart/mixed; boundary=b%d\r\n"
                b"\r\n" % (n, n + 1) for n in range(10000))
            c = self.data()
            began = time.monotonic()
            self.assertEqual(c.content(content + END)[0], 250)
            self.assertLess(time.monotonic() - began, 5)
            self.assertTrue(self.arrived()[0].data.endswith(content))

    def test_RX_03_replies_nobody_reads(self):
        with self.row("RX-03"):
            pid = worker(self.sp)
            before = rss(pid)
            with socket.socket() as s:
                s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                s.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
                s.connect(("127.0.0.1", self.sp.port))
                s.sendall(f"EHLO x\r\nMAIL FROM:<{SENDER}>\r\n".encode())
                s.settimeout(1)
                line = b"RCPT TO:<bob@example.net>\r\n"
                sent = 0
                try:
                    while sent < 64 * MIB:
                        sent += s.send(line * 200)
                except (TimeoutError, ConnectionError):
                    pass # it reads no more, or has closed
                # What it took, the kernel's buffer for it included: replies
                # to no more than that wait.
                self.assertLess(sent, 2 * MIB)
                self.assertGreater(sent, 1024)
                self.assertLess(rss(pid) - before, 2 * MIB)

    def test_RX_04_size_declared(self):
        with self.row("RX-04"):
            c = self.session(self.small)
            c.expect(f"MAIL FROM:<{SENDER}> SIZE={MIB + 1}", 552)
            c.expect("NOOP", 250)

    def test_RX_04_size_not_declared(self):
        pid = worker(self.sp)
        open_before = descriptors(pid)
        with self.row("RX-04", refused=1):
            with self.session(self.small) as c:
                c.envelope(SENDER, RECIPIENT)
                code, text = c.content(big(2 * MIB).replace(b"\r\n.",
                                                            b"\r\n..") + END)
                self.assertEqual((code, text[:6]), (552, "5.3.4 "))
                c.expect("NOOP", 250)
                self.assertFalse([x for x in files(pid) if "spool" in x])
            self.settled(pid, open_before + 1) # a link to the upstream
            self.assertEqual(os.listdir(os.path.join(self.sp.state,
                                                     "spool")), [])

    def test_RX_05_large_messages(self):
        pid = worker(self.sp)
        for size in (12_000_000, 50_000_000):
            with self.row("RX-05", octets=size, delivered=1):
                content, highest = big(size), rss(pid)
                before = highest
                c = self.session()
                c.envelope(SENDER, RECIPIENT)
                wire = content.replace(b"\r\n.", b"\r\n..") + END
                for at in range(0, len(wire), MIB):
                    c.send(wire[at:at + MIB])
                    highest = max(highest, rss(pid))
                done = threading.Event()

                def watch():
                    nonlocal highest
                    while not done.wait(0.01):
                        highest = max(highest, rss(pid))
                thread = threading.Thread(target=watch)
                thread.start()
                c.socket.settimeout(60)
                self.assertEqual(c.reply()[0], 250)
                done.set()
                thread.join()
                got = self.arrived()[0].data
                self.assertEqual(got[len(got) - len(content):] == content,
                                 True, "changed on its way")
                self.assertLess(highest - before, 8 * MIB)
                self.up.messages[-1].data = self.up.messages[-1].wire = b""

    def test_RX_06_parallel_messages(self):
        with self.row("RX-06", delivered=50):
            contents = {n: message(subject=f"number {n}",
                                   body=f"{n} \r\n" * (n * 997))
                        for n in range(50)}
            codes = {}

            def send(n):
                c = self.session()
                c.judged = False
                c.envelope(SENDER, f"u{n}@example.net")
                codes[n] = c.content(contents[n] + END)[0]
            threads = [threading.Thread(target=send, args=(n,))
                       for n in contents]
            for t in threads:
                t.start()
            for t in threads:
                t.join()
            self.assertEqual(codes, dict.fromkeys(contents, 250))
            for got in self.arrived():
                n = int(got.recipients[0][1:].partition("@")[0])
                self.assertTrue(got.data.endswith(contents.pop(n)))
            self.assertEqual(contents, {})

    def test_RX_14_opened_and_reset(self):
        pid = worker(self.sp)
        with self.row("RX-14"):
            before = descriptors(pid)
            for _ in range(10000):
                s = socket.socket()
                s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                             struct.pack("ii", 1, 0))
                s.connect(("127.0.0.1", self.sp.port))
                s.close()
            self.settled(pid, before)


class Own(unittest.TestCase):
    """Daemons with surroundings of their own."""

    def send(self, sp, up, content):
        with Client(sp.port, up) as c:
            c.expect("EHLO client.test", 250)
            c.envelope(SENDER, RECIPIENT)
            return c.content(content + END)

    @unittest.skipUnless(os.getuid() == 0, "mounts a file system")
    def test_RX_07_full_spool(self):
        folder = scratch.folder()
        self.addCleanup(scratch.remove, folder)
        if subprocess.run(["mount", "-t", "tmpfs", "-o",
                           "size=1M,mode=0700,uid=65534,gid=65534", "none",
                           folder], stderr=subprocess.DEVNULL).returncode:
            self.skipTest("may not mount here")
        self.addCleanup(subprocess.run, ["umount", folder], check=True)
        with self.subTest(row="RX-07"), CapturingUpstream() as up, \
                Sealpost(up.port, listen=OPEN, users={},
                         extra=f"[spool]\ndirectory = {folder}\n") as sp:
            code, text = self.send(sp, up, big(5 * MIB).replace(b"\r\n.",
                                                                b"\r\n.."))
            self.assertEqual((code, text[:6]), (452, "4.3.1 "))
            self.assertEqual(up.messages, [])
            found = os.statvfs(folder)
            self.assertEqual((os.listdir(folder), found.f_bfree),
                             ([], found.f_blocks))
            self.assertEqual(self.send(sp, up, HEAD)[0], 250)
            line, = [x for x in sp.lines("message")
                     if x["outcome"] == "refused"]
            self.assertIn("452 4.3.1", line["reply"])
            why, = sp.lines("spool-failed")
            self.assertEqual((why["id"], why["level"], why["directory"]),
                             (line["id"], "error", folder))
            self.assertIn("No space left", why["text"])

    @unittest.skipUnless(shutil.which("prlimit"), "needs prlimit")
    def test_RX_09_few_descriptors(self):
        with self.subTest(row="RX-09"), CapturingUpstream() as up, \
                Sealpost(up.port, listen=OPEN, users={}, start=False,
                         limits={"connections": 1000}) as sp:
            # More than there are descriptors for.
            sp.start(["prlimit", "--nofile=32:32"])
            pid = worker(sp)
            first = Client(sp.port, up)
            first.expect("EHLO client.test", 250)
            first.envelope(SENDER, RECIPIENT)
            many = []
            for _ in range(200):
                many.append(socket.create_connection(("127.0.0.1", sp.port)))
            time.sleep(0.5)
            used, began = busy(pid), time.monotonic()
            time.sleep(2)
            self.assertLess((busy(pid) - used) / (time.monotonic() - began),
                            0.5)
            self.assertEqual(first.content(HEAD + END)[0], 250)
            first.close()
            for s in many:
                s.close()
            self.recovers(sp, up)
            self.assertEqual(worker(sp), pid)
            said = [x["reason"] for x in sp.lines("refused")]
            self.assertIn("too many open files", said)
            self.assertLess(len(said), 50)

    def recovers(self, sp, up):
        def again():
            try:
                return self.send(sp, up, HEAD)[0] == 250
            except (OSError, AssertionError):
                return False
        scratch.wait_for("an ordinary message", again)

    def status(self, pid):
        return dict(re.findall(
            r"(\w+):\s*(.*)", scratch.read(f"/proc/{pid}/status").decode()))

    def confined(self, sp):
        for pid, line in processes(sp.process.pid).items():
            status = self.status(pid)
            with self.subTest(row="CF-09", process=line):
                self.assertNotIn("0", status["Uid"].split())
                for name in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
                    # CAP_NET_BIND_SERVICE alone may be there
                    self.assertEqual(int(status[name], 16) & ~(1 << 10), 0)
                self.assertEqual(status["NoNewPrivs"], "1")

    @unittest.skipUnless(os.getuid() == 0, "starts it as root")
    def test_CF_09_started_as_root(self):
        with CapturingUpstream() as up, \
                Sealpost(up.port, listen=OPEN, users={}) as sp:
            self.confined(sp)
            self.assertEqual(self.send(sp, up, HEAD)[0], 250)

    @unittest.skipIf(os.getuid() == 0 and not shutil.which("setpriv"),
                     "needs setpriv")
    def test_CF_09_started_as_a_user(self):
        wrap = ["setpriv", "--reuid=65534", "--regid=65534",
                "--clear-groups"] if os.getuid() == 0 else []
        with CapturingUpstream() as up, \
                Sealpost(up.port, listen=OPEN, users={}, start=False) as sp:
            sp.start(wrap)
            self.confined(sp)
            self.assertEqual(self.send(sp, up, HEAD)[0], 250)


@unittest.skipUnless(shutil.which("readelf"), "needs readelf")
class Programs(unittest.TestCase):
    """What checksec looks at."""

    def test_CF_11_hardening(self):
        check = os.path.join(scratch.TOP, "tests/lint/check-hardening.sh")
        done = subprocess.run(
            ["sh", check], cwd=os.path.dirname(scratch.program("sealpostd")),
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.assertEqual((done.returncode, done.stdout), (0, ""))
