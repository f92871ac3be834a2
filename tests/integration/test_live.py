"""`sealpostd -t --live`: logs in to upstreams and looks keys up, for a table."""
import os
import subprocess
import unittest

import nameserver
import scratch
from sealpost import SANITIZERS, Sealpost
from upstream import CapturingUpstream


class Live(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.home = scratch.folder()
        cls.certificate = scratch.certificate(cls.home)
        cls.up = CapturingUpstream(users={"relay": "right"},
                                   tls=cls.certificate)
        cls.ns = nameserver.Nameserver()
        cls.password = scratch.write(os.path.join(cls.home, "password"),
                                     "right\n", 0o600)
        scratch.give_to(cls.home, "nobody")

    @classmethod
    def tearDownClass(cls):
        cls.up.stop()
        cls.ns.stop()
        scratch.remove(cls.home)

    def live(self, code, upstream=None, password="right", extra="",
             records=True, addresses=None):
        scratch.write(self.password, password + "\n", 0o600)
        scratch.give_to(self.home, "nobody")
        sp = Sealpost(addresses or self.up.port, start=False,
                      dns={"nameserver": self.ns.address},
                      upstream_settings={
                          "tls": "starttls", "ca_file": self.certificate[0],
                          "login": "password", "username": "relay",
                          "password_file": self.password, **(upstream or {})},
                      extra=extra)
        try:
            self.ns.records.clear()
            if records:
                self.ns.records.update(records if records is not True
                                       else sp.records)
            done = subprocess.run(
                [scratch.program("sealpostd"), "-t", "--live", "-c",
                 sp.config], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                text=True, timeout=60, env=dict(os.environ, **SANITIZERS))
        finally:
            sp.stop()
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done.stdout

    def test_good(self):
        before = len(self.up.sessions)
        out = self.live(0)
        self.assertIn(f"good   upstream  smarthost: 127.0.0.1[127.0.0.1]:"
                      f"{self.up.port}, TLSv1.3 verified, logged in as relay\n", out)
        self.assertIn("good   key       example.com/sp1: seen by 1 resolver\n",
                      out)
        self.assertIn(": good\n", out)
        session = self.up.sessions[before]
        scratch.wait_for("QUIT", lambda: session.commands
                         and session.commands[-1] == b"QUIT\r\n")
        self.assertFalse([c for c in session.commands if c[:4] == b"MAIL"])

    def test_wrong_password(self):
        out = self.live(78, password="wrong")
        self.assertRegex(out, "WRONG  upstream  smarthost: .*535")
        self.assertNotIn(": good\n", out)

    def test_each_address(self):
        """One that is dead shows, though mail would go through the other."""
        dead = scratch.free_port()
        out = self.live(78, addresses=f"127.0.0.1:{dead}, "
                        f"127.0.0.1:{self.up.port}")
        self.assertIn(f"WRONG  upstream  smarthost: 127.0.0.1:{dead}: ", out)
        self.assertRegex(out, f"good   upstream  smarthost: .*:{self.up.port}")

    def test_untrusted_certificate(self):
        _, key = scratch.certificate(scratch.folder())
        other = key.replace("key.pem", "cert.pem")
        try:
            os.chmod(other, 0o644)
            out = self.live(78, {"ca_file": other})
        finally:
            scratch.remove(os.path.dirname(key))
        self.assertRegex(out, "WRONG  upstream  smarthost: .*certificate")

    def test_no_login(self):
        out = self.live(0, {"login": "none", "username": "",
                            "password_file": ""})
        self.assertIn("no login\n", out)

    def test_keys(self):
        out = self.live(78, records=False)
        self.assertRegex(out, "WRONG  key       example.com/sp1: "
                         r"127\.0\.0\.1#\d+: no such name")
        out = self.live(78, records={
            "sp1._domainkey.example.com": "v=DKIM1; k=rsa; p="})
        self.assertIn("p= is empty", out)
        out = self.live(78, records={"sp1._domainkey.example.com":
                                     nameserver.FAIL})
        self.assertIn("SERVFAIL", out)


if __name__ == "__main__":
    unittest.main()
