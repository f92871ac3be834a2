"""How many TLS records carry a message to the upstream: none for each line."""
import ssl
import unittest

import scratch
from rawclient import RawClient
from sealpost import Sealpost, message
from tlsrecords import RecordCounter
from upstream import CapturingUpstream

RECIPIENTS = [f"<r{i}@example.net>" for i in range(20)]


class Records(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.home = scratch.folder()
        files = scratch.certificate(cls.home, ("localhost",))
        scratch.give_to(cls.home, "nobody")
        cls.up = CapturingUpstream(tls=files)
        cls.records = RecordCounter(cls.up.port)
        cls.sp = Sealpost(f"localhost:{cls.records.port}", upstream_settings={
            "tls": "starttls", "ca_file": files[0]})

    @classmethod
    def tearDownClass(cls):
        try:
            cls.sp.stop()
        finally:
            cls.records.stop()
            cls.up.stop()
            scratch.remove(cls.home)

    def send(self, c, recipients):
        """MAIL to DATA in one write, as RFC 2920 allows; then the content."""
        c.send("MAIL FROM:<alice@example.com>\r\n" + "".join(
            f"RCPT TO:{r}\r\n" for r in recipients) + "DATA\r\n")
        for _ in range(len(recipients) + 1):
            self.assertEqual(c.reply()[0], 250)
        self.assertEqual(c.reply()[0], 354)
        c.send(message() + b"x" * 60 + b"\r\n" + b"y" * 60 + b"\r\n.\r\n")
        self.assertEqual(c.reply()[0], 250)

    def test_a_pipelining_client(self):
        """MAIL and all RCPT; DATA; the content."""
        with RawClient(self.sp.port) as c:
            c.ready("alice", "correct horse")
            self.send(c, RECIPIENTS[:1]) # the upstream's handshake is in it
            for count in (1, 20):
                with self.subTest(recipients=count):
                    before = self.records.forth
                    self.send(c, RECIPIENTS[:count])
                    self.assertEqual(len(self.up.messages[-1].recipients),
                                     count)
                    self.assertEqual(self.records.forth - before, 3)
