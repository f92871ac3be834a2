"""RX-13: traffic for a long time, and nothing grows.

Twenty messages a second of all sizes, over TLS and not, while upstreams fail
now and then and clients leave in the midst. Memory and descriptors of each
process are as after the first third; each 250 is one acceptance upstream.

24 s; with SEALPOST_LONG=1 an hour, SEALPOST_SOAK_S=86400 for a day.
"""
import collections
import os
import random
import re
import threading
import time
import unittest

import processes
import scratch
from rawclient import RawClient
from sealpost import Sealpost, message
from upstream import CapturingUpstream, close, reply, reset, usual
from wire import sanitized

LONG = bool(os.environ.get("SEALPOST_LONG"))
SECONDS = float(os.environ.get("SEALPOST_SOAK_S") or (3600 if LONG else 24))
RATE, CLIENTS = 20, 4
SIZES = (0, 100, 5000, 60000, 400000)


def usage(pid):
    """Resident octets (0 under a sanitizer) and descriptors."""
    pages = int(scratch.read(f"/proc/{pid}/statm").split()[1])
    memory = 0 if sanitized() else pages * os.sysconf("SC_PAGE_SIZE")
    return memory, len(os.listdir(f"/proc/{pid}/fd"))


@unittest.skipUnless(os.getuid() == 0, "other accounts' descriptors")
class Soak(unittest.TestCase):
    def faulty(self, session, line):
        with self.lock:
            act = self.dice.choices([
                usual(), close(), reset(), reply("451 4.3.0 later"),
                reply("550 5.7.1 no")], [100, 1, 1, 1, 1])[0]
        return act(session, line)

    def taken(self, session, line):
        """Counts, and keeps no content."""
        answer = self.faulty(session, line)
        with session.server.lock:
            for m in session.server.messages:
                self.accepted[self.name_of(m.data)] += 1
            session.server.messages.clear()
        return answer

    @staticmethod
    def name_of(data):
        return re.search(rb"\r\nSubject: (\S+)\r\n", data)[1]

    def one(self, name):
        login = (self.sp.user, self.sp.password) if self.chance(20) == 0 else ()
        with RawClient(self.sp.port) as c:
            c.ready(*login, tls=login or self.chance(2))
            for line in ("MAIL FROM:<alice@example.com>",
                         "RCPT TO:<bob@example.net>", "DATA"):
                if c.command(line)[0] not in (250, 354):
                    return
            data = message(subject=name, body=("x" * 70 + "\r\n") * (
                1 + SIZES[self.chance(len(SIZES))] // 72))
            if self.chance(20) == 0:
                c.send(data[:len(data) // 2])
                return # gone
            c.send(data + b".\r\n")
            if c.reply()[0] == 250:
                with self.lock:
                    self.said[name.encode()] += 1

    def chance(self, n):
        with self.lock:
            return self.dice.randrange(n)

    def client(self, n):
        begin, count = time.monotonic(), 0
        while not self.over.is_set():
            count += 1
            self.one(f"{n}-{count}")
            late = begin + count * CLIENTS / RATE - time.monotonic()
            self.over.wait(max(0, late))

    def watch(self):
        """{pid: [(memory, descriptors)]} of the last two thirds."""
        seen, begin = collections.defaultdict(list), time.monotonic()
        told = begin
        while time.monotonic() < begin + SECONDS:
            time.sleep(min(SECONDS / 60, 10))
            if time.monotonic() > told + 300:
                told = time.monotonic()
                print(f"{told - begin:.0f} of {SECONDS:.0f} s, "
                      f"{len(self.said)} messages", flush=True)
            if time.monotonic() > begin + SECONDS / 3:
                for pid in processes.tree(self.sp.process.pid):
                    seen[pid].append(usage(pid))
        return seen

    def test_RX_13_nothing_grows(self):
        seed = os.environ.get("SEALPOST_SEED") or str(time.time_ns())
        print(f"SEALPOST_SEED={seed}", flush=True)
        self.dice, self.lock = random.Random(seed), threading.Lock()
        self.over = threading.Event()
        self.said, self.accepted = collections.Counter(), collections.Counter()
        stages = ("connect", "mail", "rcpt", "data")
        with CapturingUpstream({**dict.fromkeys(stages, self.faulty),
                                "dot": self.taken}) as self.up, \
                Sealpost(self.up.port, listen={
                    "auth": "optional", "trusted_networks": "127.0.0.0/8"},
                    upstream_settings={"fail_timeout": "1s"}) as self.sp:
            before = set(processes.tree(self.sp.process.pid))
            threads = [threading.Thread(target=self.client, args=(n,))
                       for n in range(CLIENTS)]
            for t in threads:
                t.start()
            seen = self.watch()
            self.over.set()
            for t in threads:
                t.join(60)
            self.books_agree()
            self.assertEqual(set(processes.tree(self.sp.process.pid)), before)
        for pid, found in seen.items():
            self.flat(pid, found)

    def books_agree(self):
        for m in self.up.messages:
            self.accepted[self.name_of(m.data)] += 1
        lines = collections.Counter(
            x["outcome"] for x in self.sp.lines("message"))
        self.assertGreater(len(self.said), SECONDS * RATE / 4)
        self.assertEqual(set(self.accepted.values()), {1})
        self.assertEqual(set(self.said) - set(self.accepted), set())
        self.assertLessEqual(len(set(self.accepted) - set(self.said)),
                             lines["unknown"])

    def flat(self, pid, found):
        half = len(found) // 2
        with self.subTest(pid=pid):
            for what, slack in ((0, 1 << 20), (1, 16)):
                first = max(f[what] for f in found[:half])
                last = max(f[what] for f in found[half:])
                self.assertLessEqual(last, first * 1.05 + slack)


if __name__ == "__main__":
    unittest.main()
