"""Rows of an acceptance table as tests: one daemon a class, and after each
row what every row asks for.

    class Syntax(WireCase):
        listen = {...}                  settings of the class's daemon

        def test_SY_24_nul(self):
            with self.row("SY-24", nul="in RCPT"):
                ...

After the block: the daemon lives with the same processes, the upstream saw
only our commands and no bare CR, LF or NUL, the new part of the log holds no
control octet, no secret and nothing of a message's content, and an ordinary
message goes through.

Client is a RawClient that holds each reply of ours to the contract: an
enhanced code of the reply's class, and ` [ID]` at the end.
"""
import contextlib
import functools
import os
import re
import socket
import time
import unittest

import scratch
from rawclient import RawClient
from sealpost import Sealpost, message, section
from upstream import CapturingUpstream

SENDER, RECIPIENT = "alice@example.com", "bob@example.net"
HEAD = message(body="")
END = b".\r\n"
OURS = re.compile(r"([245])\.\d{1,3}\.\d{1,3} \S.* \[[0-9a-z]+\]")
BARE = re.compile(rb"\r(?!\n)|(?<!\r)\n|\0")
CONTENT = b"ordinary", b"A line.", b"smuggled" # of messages; never logged
CONTROL = re.compile(rb"[\x00-\x09\x0b-\x1f\x7f]")


class Client(RawClient):
    """upstream: replies that are not ours are not judged."""

    def __init__(self, port, upstream=None, **more):
        self.upstream, self.judged = upstream, False
        super().__init__(port, **more)
        self.judged = True

    def command(self, line):
        self.judged = not re.match(r"(?i)(EHLO|HELO)\b", line)
        got = super().command(line)
        self.judged = True
        return got

    def reply(self):
        code, text = super().reply()
        if self.judged and code // 100 in (2, 4, 5):
            ours = OURS.fullmatch(text)
            if (not ours or int(ours[1]) != code // 100) \
                    and not self._relayed(text):
                raise AssertionError(f"not a reply of the contract: {code} "
                                     f"{text!r}")
        return code, text

    def _relayed(self, text):
        return text and self.upstream and any(
            text.encode() in s.sent for s in self.upstream.sessions)

    def codes(self, count):
        return [self.reply()[0] for _ in range(count)]

    def rest(self, timeout=30):
        """The codes of all replies up to the server's close."""
        self.socket.settimeout(timeout)
        codes = []
        while True:
            code = self.reply()[0]
            if code == 0:
                return codes
            codes.append(code)

    def content(self, data, gap=None):
        """Content of DATA with its end; the one reply's (code, text)."""
        if gap is None:
            self.send(data)
        else:
            self.send_split(data, 1, gap)
        return self.reply()

    def leave(self):
        """Closes when the server has: what it logs of that is this test's."""
        with contextlib.suppress(OSError):
            self.socket.settimeout(2)
            self.socket.shutdown(socket.SHUT_WR)
            while self.socket.recv(65536):
                pass
        self.close()


def decoded(wire):
    """What stands between 354 and the end, as RFC 5321 4.5.2 reads it."""
    lines = wire.split(b"\r\n")
    return b"\r\n".join(x[1:] if x.startswith(b".") else x for x in lines)


def stuffed(content):
    lines = content.split(b"\r\n")
    return b"\r\n".join(b"." + x if x.startswith(b".") else x for x in lines)


def normalized(content):
    content = re.sub(rb"\r(?!\n)", b" ", content)
    return re.sub(rb"(?<!\r)\n", b"\r\n", content)


def processes(group):
    """{pid: command line} of the processes of a session."""
    found = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/stat") as f:
                fields = f.read().rpartition(")")[2].split()
            if int(fields[3]) == group and fields[0] != "Z":
                found[int(name)] = scratch.read(
                    f"/proc/{name}/cmdline").replace(b"\0", b" ").decode()
        except OSError:
            pass # it has ended meanwhile
    return found


def worker(sp):
    """The one worker's pid."""
    pid, = [p for p, line in processes(sp.process.pid).items()
            if "--worker" in line]
    return pid


@functools.cache
def sanitized():
    return b"__asan_init" in scratch.read(scratch.program("sealpostd"))


def counts_coverage():
    return b"__llvm_profile_write_file" in scratch.read(
        scratch.program("sealpostd"))


def rss(pid):
    """Resident octets; always 0 under a sanitizer, which keeps what was
    freed."""
    if sanitized():
        return 0
    with open(f"/proc/{pid}/statm") as f:
        return int(f.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


class WireCase(unittest.TestCase):
    listen, more, extra, users = {}, {}, "", None
    extensions = ("PIPELINING", "SIZE 100000000", "8BITMIME",
                  "ENHANCEDSTATUSCODES", "SMTPUTF8", "DSN")
    secrets = ()

    @classmethod
    def setUpClass(cls):
        cls.up = CapturingUpstream(extensions=cls.extensions)
        try:
            cls.sp = Sealpost(cls.up.port, listen=cls.listen,
                              extra=cls.extra_text(), users=cls.users,
                              **cls.more)
        except BaseException:
            cls.up.stop()
            raise
        cls.pids = set(processes(cls.sp.process.pid))
        cls.log_seen, cls.seen = 0, {}

    @classmethod
    def tearDownClass(cls):
        try:
            cls.sp.stop()
        finally:
            cls.up.stop()

    @classmethod
    def extra_text(cls):
        return cls.extra

    # --- clients -----------------------------------------------------------

    def client(self, port=None, **more):
        c = Client(port or self.sp.port, self.up, **more)
        self.addCleanup(c.leave)
        return c

    def session(self, port=None):
        """A client that may say MAIL."""
        c = self.client(port)
        c.expect("EHLO client.test", 250)
        return c

    def data(self, port=None):
        """A client that was told 354."""
        c = self.session(port)
        c.envelope(SENDER, RECIPIENT)
        return c

    def ordinary(self):
        before = len(self.up.messages)
        with self.session() as c:
            c.envelope(SENDER, RECIPIENT)
            got = c.content(message(subject="ordinary") + b".\r\n")
            self.assertEqual(got[0], 250, got)
        self.assertEqual(len(self.up.messages), before + 1,
                         f"at port {self.up.port}, after the 250; the log:\n"
                         + self.sp.log()[-1000:])
        self.assertEqual(self.up.messages[-1].recipients, [RECIPIENT])

    # --- a row -------------------------------------------------------------

    @contextlib.contextmanager
    def row(self, name, refused=0, delivered=0, **what):
        """refused, delivered: how many transactions are logged so."""
        with self.subTest(row=name, **what):
            self.first = len(self.up.messages)
            log = self.new_log()
            yield
            self.nothing_else(delivered)
            log = self.new_log(
                lambda text: self.outcomes(text) == (refused, delivered))
            self.assertEqual(self.outcomes(log), (refused, delivered),
                             "refused and delivered in the log:\n" + log)
            self.ordinary()
            self.invariants()

    @staticmethod
    def outcomes(log):
        return (log.count("outcome=refused"), log.count("outcome=delivered"))

    def new_log(self, enough=lambda text: True, seconds=30):
        """What was logged since the last call; waits for enough."""
        end = time.monotonic() + seconds
        while True:
            raw = scratch.read(self.sp.log_path)
            text = raw[self.log_seen:].decode(errors="replace")
            if enough(text) or time.monotonic() > end:
                break
            time.sleep(0.02)
        self.log_is_clean(raw[self.log_seen:])
        type(self).log_seen = len(raw)
        return text

    def log_is_clean(self, raw):
        self.assertNotRegex(raw, CONTROL)
        self.assertTrue(raw.isascii(), raw)
        for secret in (*self.secrets, *CONTENT):
            self.assertNotIn(secret, raw)

    def arrived(self):
        return self.up.messages[self.first:]

    def nothing_else(self, delivered=0):
        self.assertEqual(len(self.arrived()), delivered,
                         "messages at the upstream")

    def invariants(self):
        self.assertEqual(set(processes(self.sp.process.pid)), self.pids,
                         "a process ended or came")
        for i, session in enumerate(list(self.up.sessions)):
            at, commands = self.seen.get(i, (0, 0))
            fresh = session.received[at:].removesuffix(b"\r")
            if session.received[:at].endswith(b"\r"):
                fresh[:0] = b"\r"
            self.assertNotRegex(bytes(fresh), BARE)
            for line in session.commands[commands:]:
                self.assertRegex(
                    line, rb"^(EHLO relay\.test|(MAIL FROM|RCPT TO):<.*>.*|"
                          rb"DATA|RSET|NOOP|QUIT)\r\n$")
                self.assertNotIn(b"smug", line)
            self.seen[i] = (len(session.received), len(session.commands))

    def unchanged(self, content, got=None):
        """The one message that came is this content with fields of ours
        before it, stuffed on the wire as RFC 5321 4.5.2 says."""
        got = got or self.arrived()[-1]
        self.assertTrue(got.data.endswith(content),
                        f"{got.data[-2000:]!r}\nwas\n{content[-2000:]!r}")
        self.assertEqual(got.wire, stuffed(got.data) + b".\r\n")
        return got.data[:len(got.data) - len(content)]


class PlainCase(WireCase):
    """A listener in clear that trusts loopback, and one that normalizes."""
    listen = {"tls": "none", "auth": "none",
              "trusted_networks": "127.0.0.0/8", "max_message_size": "4M"}

    @classmethod
    def extra_text(cls):
        cls.normal = scratch.free_port()
        return section("listen normal", {
            **cls.listen, "address": f"127.0.0.1:{cls.normal}",
            "upstream": "smarthost", "bare_newline": "normalize"})

    def setUp(self):
        if not self.up.messages: # so that EHLO knows what the upstream offers
            self.ordinary()
            self.new_log()

    def in_sync(self, c):
        """As many replies as commands: the next one is to NOOP."""
        self.assertEqual(c.command("NOOP")[0], 250)


class Plain(PlainCase):
    def wire(self, c, content, gap=None):
        """The reply to content and its end; nothing may follow it."""
        got = c.content(content + END, gap)
        self.in_sync(c)
        return got
