"""System calls that fail one by one, or do little at a time (RX-11, RX-12).

What a worker asks of the kernel and of OpenSSL goes through a library of the
tests. A client's 250 is exactly one acceptance upstream, whatever failed; what
the upstream has is whole; the worker lives, and serves the next client.
"""
import os
import unittest

import processes
import scratch
from faults import Faults
from inbound import ALLOWED, Inbound, Key, sign
from nameserver import txt
from rawclient import RawClient
from sealpost import Sealpost, message
from upstream import CapturingUpstream

LONG = bool(os.environ.get("SEALPOST_LONG"))
SPILLS = "[spool]\nmemory_threshold = 4K\n"
BODY = "spilled to a file\r\n" * 1000


class EachCall(unittest.TestCase):
    """RX-12: each call of a transaction fails, one at a time."""

    def ready(self, *login):
        c = RawClient(self.port, greeting=False)
        try:
            c.reply()
            c.ready(*login)
            return c
        except BaseException:
            c.close()
            raise

    def outcome(self, client, content):
        """The code of the last reply; 0: closed on the way."""
        try:
            with client() as c:
                for line in ("MAIL FROM:<alice@example.com>",
                             "RCPT TO:<bob@example.com>", "DATA"):
                    code, _ = c.command(line)
                    if code not in (250, 354):
                        return code
                c.send(content + b".\r\n")
                return c.reply()[0]
        except OSError:
            return 0
        except AssertionError as e: # the greeting, EHLO, STARTTLS or AUTH
            return int(str(e).split(": ")[1].split()[0])

    def serves(self, sp, client):
        def once():
            return self.outcome(client, message(subject="after")) == 250
        scratch.wait_for("an ordinary message", once)
        self.assertEqual(sp.lines("worker-died"), [])

    def each_call(self, faults, sp, up, client, make, names):
        """make(subject): the message."""
        worker = processes.of(sp, processes.WORKER)
        self.serves(sp, client)
        for name in names.split():
            for at in range(1, 200):
                faults.fail(name, at)
                content = make(f"{name} {at}")
                with self.subTest(call=name, at=at):
                    code = self.outcome(client, content)
                    faults.off()
                    self.judge(sp, up, code, f"{name} {at}", content)
                    self.serves(sp, client)
                if faults.hits() == 0:
                    break
            self.assertGreater(at, 1, f"{name} is not called")
        self.assertEqual(processes.of(sp, processes.WORKER), worker)

    def judge(self, sp, up, code, subject, content):
        self.assertTrue(code in (0, 250) or code // 100 == 4, code)
        ours = [m for m in up.messages
                if f"Subject: {subject}\r\n".encode() in m.data]
        for m in ours:
            self.assertTrue(m.data.endswith(content))
        self.assertLessEqual(len(ours), 1)
        if code == 250:
            self.assertEqual(len(ours), 1)
        elif ours:
            self.assertTrue([
                x for x in sp.lines("message")
                if x["outcome"] == "unknown" or "client_gone" in x])
        up.messages.clear()

    def test_RX_12_signed(self):
        def client():
            return self.ready(sp.user, sp.password)
        with Faults() as faults, CapturingUpstream() as up, \
                Sealpost(up.port, extra=SPILLS, upstream_settings={
                    "reuse_messages": "1"}) as sp:
            self.port = sp.port
            self.each_call(
                faults, sp, up, client,
                lambda subject: message(subject=subject, body=BODY),
                "accept4 socket connect open pwrite pread recv sendmsg send "
                "SSL_new SSL_do_handshake SSL_read SSL_write read write")

    def test_RX_12_checked(self):
        key = Key()

        def make(subject):
            return sign(message("joe@a.test", subject=subject, body=BODY),
                        "a.test", key)
        with Faults() as faults, Inbound({
                "a.test": ALLOWED, "k._domainkey.a.test": txt(key.record, ttl=0)},
                listen={"tls": "starttls"}, extra=SPILLS,
                upstream_settings={"reuse_messages": "1"}) as site:
            self.port = site.sp.port
            self.each_call(faults, site.sp, site.up, self.ready, make,
                           "accept4 socket connect open pwrite pread send "
                           "recv sendmsg SSL_new SSL_do_handshake "
                           "SSL_read SSL_write read write")


class Rows(unittest.TestLoader):
    """Without those that want an alert which libssl 3.0 forgets when the socket
    does not take it at once."""

    ALERTS = ("test_TA_10_old_protocols_and_ciphers",
              "test_TA_11_renegotiation")

    def getTestCaseNames(self, case):
        return [x for x in super().getTestCaseNames(case)
                if x not in self.ALERTS]


def still_pass(case, suite, **faults):
    """Runs tests of others; how many, and how many calls were meddled with."""
    result = unittest.TestResult()
    with Faults(**faults) as meddler:
        suite.run(result)
        hits = meddler.hits()
    for test, text in result.errors + result.failures:
        with case.subTest(test=test.id()):
            case.fail(text)
    return result.testsRun, hits


class Trickle(unittest.TestCase):
    """RX-11: rows of other tests, with few octets a call."""

    NAMES = ["test_wire.EndOfData", "test_chunking"]
    # Not test_upstream.Slow: seven megabytes, a few octets at a time.
    MORE = ["test_wire_commands", "test_tls_attacks", "test_auth_attacks",
            "test_upstream.Closing", "test_upstream.Nonsense",
            "test_upstream.Refusals", "test_upstream_offers",
            "test_upstream_reuse"]

    def test_RX_11_rows_still_pass(self):
        suite = Rows().loadTestsFromNames(
            self.NAMES + (self.MORE if LONG else []))
        run, hits = still_pass(self, suite, trickle=True)
        self.assertGreater(run, 25)
        self.assertGreater(hits, 1000)


class Delays(unittest.TestCase):
    """Rows of other tests, in which processes wait for each other, with each
    of them held up now and then: whatever comes late comes in another order."""

    NAMES = ["test_reload_under_load.Many", "test_users.Thousand.test_lock",
             "test_users.Thousand.test_set_selector"]
    MORE = ["test_reload_under_load.Generations", "test_lifecycle.Reload",
            "test_lifecycle_end.Death", "test_service.Upgrade", "test_crash",
            "test_selfcheck", "test_users.Thousand.test_keys",
            "test_cli_daemon"]

    def test_rows_still_pass(self):
        suite = unittest.defaultTestLoader.loadTestsFromNames(
            self.NAMES + (self.MORE if LONG else []))
        run, hits = still_pass(self, suite, delays=True)
        self.assertGreater(run, 3)
        self.assertGreater(hits, 50)


class Tls(unittest.TestCase):
    """RX-11 with TLS on both sides, which asks for octets of its own."""

    def test_RX_11_messages(self):
        folder = scratch.folder()
        self.addCleanup(scratch.remove, folder)
        bodies = ["x" * n + "\r\n" + BODY * (n % 3) for n in (0, 1, 70, 900)]
        with Faults(trickle=True) as faults, CapturingUpstream(
                tls=scratch.certificate(folder)) as up, Sealpost(
                    up.port, extra=SPILLS, upstream_settings={
                        "tls": "starttls", "tls_verify": "no"}) as sp:
            with RawClient(sp.port) as c:
                c.ready(sp.user, sp.password)
                for n, body in enumerate(bodies):
                    c.envelope("alice@example.com", "bob@example.net")
                    c.send(message(body=body) + b".\r\n")
                    self.assertEqual(c.reply()[0], 250)
                    got = up.wait(n + 1)[-1].data
                    self.assertTrue(got.endswith(message(body=body)))
                    self.assertIn("dkim=pass", sp.verify(got))
            self.assertGreater(faults.hits(), 100)
            self.assertEqual(sp.lines("worker-died"), [])


class Handshake(unittest.TestCase):
    def test_starttls_behind_unread_replies(self):
        """The 220 has not left when the worker goes on."""
        with CapturingUpstream() as up, Faults(trickle=True) as faults, \
                Sealpost(up.port) as sp:
            for n in range(10):
                with self.subTest(n), RawClient(sp.port) as c:
                    c.expect("EHLO " + "x" * 200, 250)
                    c.send(b"NOOP\r\n" * 20 + b"STARTTLS\r\n")
                    for _ in range(20):
                        self.assertEqual(c.reply()[0], 250)
                    self.assertEqual(c.reply()[0], 220)
                    c.wrap()
                    c.expect("EHLO client.test", 250)
            self.assertGreater(faults.hits(), 0)
            self.assertEqual(sp.lines("worker-died"), [])


if __name__ == "__main__":
    unittest.main()
