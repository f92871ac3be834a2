"""Inbound with `bare_newline = normalize`: the verdict is on the octets as
received, the octets that go on have CRLF and nothing else."""
import unittest

from nameserver import Nameserver
from rawclient import RawClient
from sealpost import Sealpost
from upstream import CapturingUpstream

SIGNED_BODY = b"Hello\r\nline two\r\n"


class Inbound(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.up = CapturingUpstream()
        cls.ns = Nameserver()
        cls.sp = Sealpost(upstream=cls.up.port, listen={
            "mode": "inbound", "bare_newline": "normalize"},
            server={"authserv_id": "us.example"},
            dns={"nameserver": cls.ns.address})
        cls.ns.records.update(cls.sp.records)

    @classmethod
    def tearDownClass(cls):
        cls.sp.stop()
        cls.up.stop()
        cls.ns.stop()

    def deliver(self, content, split=None):
        with RawClient(self.sp.port) as c:
            c.expect("EHLO client.test", 250)
            c.envelope("a@example.org", "b@example.com")
            if split:
                c.send_split(content + b"\r\n.\r\n", split)
            else:
                c.send(content + b"\r\n.\r\n")
            code, text = c.reply()
            self.assertEqual(code, 250, text)
        return self.up.messages[-1].data

    def signed(self, head=b""):
        plain = (head + b"From: a@example.com\r\nSubject: x\r\n\r\n"
                 + SIGNED_BODY)
        return self.sp.tool("sign", "-d", "example.com", "-s", "sp1", "-k",
                            f"{self.sp.state}/keys/example.com/sp1.pem",
                            input=plain).stdout

    def test_only_crlf_goes_on(self):
        for content in (b"From: a@example.org\nSubject: y\n\nbody\nmore",
                        b"From: a@example.org\r\n\r\na\rb\nc\r\rd",
                        b"From: a@example.org\r\n\r\n\n.\nx\n.\r\ny"):
            for split in None, 1:
                with self.subTest(content=content, split=split):
                    got = self.deliver(content, split)
                    rest = got.replace(b"\r\n", b"")
                    self.assertNotIn(b"\r", rest)
                    self.assertNotIn(b"\n", rest)
                    self.assertTrue(got.startswith(
                        b"Authentication-Results: us.example;"))
        self.assertTrue(got.endswith(b"\r\n\r\n.\r\nx\r\n.\r\ny\r\n"), got)

    def test_a_claim_behind_a_bare_lf_is_removed(self):
        for hidden in (b"Subject: x\nAuthentication-Results: us.example; "
                       b"dkim=pass\nX: y\r\n",
                       b"Subject: x\n\tz\nAUTHENTICATION-RESULTS:\n us.example"
                       b"; spf=pass\r\n"):
            got = self.deliver(b"From: a@example.org\r\n" + hidden
                               + b"\r\nbody")
            self.assertEqual(got.lower().count(b"authentication-results:"), 1)

    def test_an_author_behind_a_bare_lf_is_refused(self):
        for hidden in (b"X: y\nFrom: boss@bank.test\r\nFrom: a@example.org\r\n",
                       b"From: a@example.org\r\nX: y\nFrom: boss@bank.test\r\n"):
            with RawClient(self.sp.port) as c:
                c.expect("EHLO client.test", 250)
                c.envelope("a@example.org", "b@example.com")
                c.send(hidden + b"\r\nbody\r\n.\r\n")
                code, text = c.reply()
                self.assertEqual((code, text[:5]), (550, "5.6.0"), text)

    def test_no_crlf_at_all_and_large(self):
        lines = b"y" * 70 + b"\n"
        got = self.deliver(b"From: a@example.org\nSubject: z\n\n"
                           + lines * 8000)
        self.assertTrue(got.endswith(lines[:-1] + b"\r\n\r\n"))
        self.assertEqual(got.count(b"y" * 70 + b"\r\n"), 8000)

    def test_verdict_is_on_what_came(self):
        good = self.signed()
        spoilt = good.replace(b"line two\r\n", b"line two\n")
        self.assertIn(b"dkim=pass", self.deliver(good))
        self.assertIn(b"dkim=fail", self.deliver(spoilt))


if __name__ == "__main__":
    unittest.main()
