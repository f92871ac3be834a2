"""Clients and the upstream at the end of a wire that loses, delays, reorders
and cuts packets: each message arrives, whole, and once for each 250."""
import collections
import re
import shutil
import socket
import subprocess
import threading
import time
import unittest

import badwire
import scratch
from badwire import FAR, NEAR, BadWire
from rawclient import RawClient
from sealpost import Sealpost, message
from upstream import CapturingUpstream

CLIENTS, MESSAGES = 4, 5 # of each
BODY = "".join(f"line {n} of a message\r\n" for n in range(800))


class Client(RawClient):
    def __init__(self, port):
        self.socket = socket.create_connection((NEAR, port), 30)
        self.buffer = b""
        self.greeting = self.reply()


class Wire(unittest.TestCase):
    """What the test's own relay of packets does."""

    SHAPE = {"loss": 0.03, "delay_s": (0.002, 0.03)}

    def setUp(self):
        if badwire.missing():
            self.skipTest(badwire.missing())
        self.wire = self.enterContext(BadWire(**self.SHAPE))
        self.port = scratch.free_port()
        with self.wire.far():
            self.up = self.enterContext(CapturingUpstream(host=FAR))
        with self.wire.near():
            self.shape()
            self.sp = self.enterContext(Sealpost(
                f"{FAR}:{self.up.port}", listen={
                    "address": f"0.0.0.0:{self.port}", "tls": "none",
                    "auth": "none", "trusted_networks": "10.99.0.0/24",
                    "trusted_user": "alice"}))
        self.said, self.failures = collections.Counter(), []

    def shape(self):
        pass

    def one(self, subject):
        with Client(self.port) as c:
            c.ready(tls=False).envelope("alice@example.com", "b@example.net")
            c.send(message(subject=subject, body=BODY) + b".\r\n")
            return c.reply()[0] == 250

    def client(self, n):
        """As an MTA does: again, until it has a 250 for each."""
        try:
            with self.wire.far():
                for m in range(MESSAGES):
                    subject = f"{n}-{m}"
                    while not self.said[subject]:
                        self.said[subject] += self.one(subject)
        except Exception as e: # of any kind: it must not just end here
            self.failures.append(repr(e))

    def run_all(self):
        threads = [threading.Thread(target=self.client, args=(n,))
                   for n in range(CLIENTS)]
        for t in threads:
            t.start()
        for _ in range(2):
            time.sleep(0.3)
            with self.wire.cut():
                time.sleep(0.7)
        for t in threads:
            t.join(60)

    def judge(self):
        self.assertEqual(self.failures, [])
        self.assertEqual(len(self.said), CLIENTS * MESSAGES)
        got = collections.Counter()
        for m in self.up.messages:
            self.assertTrue(m.data.endswith(BODY.encode()))
            self.assertIn(b"d=example.com", m.data)
            got[re.search(rb"\r\nSubject: (\S+)\r\n", m.data)[1].decode()] += 1
        # Once for each 250; more only where the log knows of no answer.
        unknown = [x for x in self.sp.lines("message")
                   if x["outcome"] == "unknown" or "client_gone" in x]
        self.assertEqual(set(got), set(self.said))
        self.assertLessEqual(sum(got.values()) - len(got), len(unknown))
        self.assertEqual(self.sp.lines("worker-died"), [])

    def test_mail_arrives_once(self):
        self.run_all()
        self.judge()
        self.assertGreater(self.wire.carried, 200)
        if self.SHAPE: # else the kernel counts
            self.assertGreater(self.wire.lost, 10)
            self.assertGreater(self.wire.overtaken, 10)


@unittest.skipUnless(shutil.which("tc"), "tc is not here")
class Netem(Wire):
    """The same by the kernel; the relay only carries, and cuts."""

    SHAPE = {}

    def shape(self):
        done = subprocess.run(
            "tc qdisc add dev wire root netem delay 15ms 10ms loss 3% "
            "reorder 25%".split(), capture_output=True, text=True)
        if done.returncode != 0:
            self.skipTest("this kernel has no netem: " + done.stderr.strip())


if __name__ == "__main__":
    unittest.main()
