"""`sealpost spf`, `explain`, and the methods of `verify`: words, exit codes."""
import base64
import json
import os
import subprocess
import unittest

import scratch
import sealpost

ZONE = """\
a.test TXT "v=spf1 ip4:192.0.2.1 include:b.test -all exp=why.test"
b.test TXT "v=spf1 ip6:2001:db8::/32 ~all"
why.test TXT "%{i} may not"
slow.test * !TIMEOUT
_dmarc.a.test TXT "v=DMARC1; p=quarantine"
"""
MESSAGE = b"From: joe@a.test\r\nSubject: x\r\n\r\nHello\r\n"
CLIENT = ("--helo", "h.test", "--mail-from", "joe@a.test")


def openssl(*arguments):
    return subprocess.run(["openssl", *arguments], check=True,
                          stdout=subprocess.PIPE).stdout


class Checks(unittest.TestCase):
    def setUp(self):
        self.home = scratch.folder()
        self.dns = os.path.join(self.home, "dns.txt")
        self.write(ZONE)

    def tearDown(self):
        scratch.remove(self.home)

    def write(self, zone):
        with open(self.dns, "w", encoding="ascii") as f:
            f.write(zone)

    def spf(self, ip, *more, ok=(0,)):
        words = ("--ip", ip, "--dns", self.dns, *(more or CLIENT))
        return sealpost.run("spf", *words, ok=ok).stdout.decode().splitlines()

    def verify(self, *more, ok=(0,), message=MESSAGE):
        done = sealpost.run("verify", "--dns", self.dns, "--authserv-id",
                            "mx.test", *more, input=message, ok=ok)
        return " ".join(done.stdout.decode().split())

    def test_spf_says_the_word_then_why(self):
        self.assertEqual(self.spf("192.0.2.1")[0], "pass")
        self.assertIn('"include:b.test" in the record of a.test',
                      self.spf("2001:db8::1")[2])
        lines = self.spf("192.0.2.2", ok=(1,))
        self.assertEqual(lines[0], "fail")
        self.assertEqual(lines[-1], "a.test explains: 192.0.2.2 may not")

    def test_spf_exit_codes(self):
        self.spf("192.0.2.1", "--helo", "h", "--mail-from", "joe@slow.test",
                 ok=(75,))
        self.spf("192.0.2.1", "--helo", "a.test", "--mail-from", "<>")
        self.spf("192.0.2.300", ok=(64,))
        self.spf("192.0.2.1", "--helo", "h", ok=(64,))

    def test_spf_json(self):
        found = json.loads(self.spf("192.0.2.2", *CLIENT, "--json", ok=(1,))[0])
        self.assertEqual((found["result"], found["term"], found["identity"]),
                         ("fail", "-all", "mailfrom"))

    def test_verify_has_all_methods(self):
        field = self.verify("--ip", "192.0.2.1", *CLIENT, "--require", "dmarc")
        self.assertIn("dkim=none", field)
        self.assertIn("spf=pass smtp.mailfrom=a.test", field)
        self.assertIn("dmarc=pass header.from=a.test", field)
        self.assertIn("arc=none", self.verify("--only", "arc", ok=(1,)))

    def test_verify_without_a_client(self):
        field = self.verify(ok=(1,))
        self.assertNotIn("spf=", field)
        self.assertIn("dmarc=fail", field)
        self.assertIn("policy.dmarc=quarantine", field)
        self.verify("--only", "spf", ok=(64,))
        self.verify("--helo", "h.test", ok=(64,))
        self.verify("--ip", "1.2.3", *CLIENT, ok=(64,))

    def test_explain_tells_what_happened(self):
        key = os.path.join(self.home, "key.pem")
        openssl("genpkey", "-algorithm", "ed25519", "-out", key)
        public = base64.b64encode(openssl("pkey", "-in", key, "-pubout",
                                          "-outform", "DER")[-32:]).decode()
        self.write(f'k._domainkey.a.test TXT "k=ed25519; p={public}"\n')
        signed = sealpost.run("sign", "-d", "a.test", "-s", "k", "-k", key,
                              input=MESSAGE).stdout
        self.assertIn("Signature 1 of 1: pass", self.explain(signed))
        self.assertIn("a footer was added after signing",
                      self.explain(signed + b"-- \r\nlist\r\n", ok=(1,)))
        self.assertIn("Without the prefix [list]", self.explain(
            signed.replace(b"Subject: x", b"Subject: [list] x"), ok=(1,)))
        self.assertIn("no DKIM-Signature", self.explain(MESSAGE, ok=(1,)))
        self.write("k._domainkey.a.test TXT !SERVFAIL\n")
        self.assertIn("temperror", self.explain(signed, ok=(75,)))

    def explain(self, message, ok=(0,)):
        return sealpost.run("explain", "--dns", self.dns, input=message,
                            ok=ok).stdout.decode()


if __name__ == "__main__":
    unittest.main()
