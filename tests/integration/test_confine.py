"""What is left to a worker and a keeper, seen from outside: their flags, and
that the private key is in one process only. The deeds themselves:
tests/unit/test_confine.c."""
import os
import re
import subprocess
import unittest

import processes
import scratch
from sealpost import Sealpost, message
from upstream import CapturingUpstream


def secret_numbers(pem):
    """The two primes of an RSA key."""
    text = subprocess.run(["openssl", "pkey", "-in", pem, "-noout", "-text"],
                          check=True, capture_output=True).stdout.decode()
    primes = re.findall(r"prime[12]:\s*((?:[0-9a-f]{2}[:\s]+)+)", text)
    return [bytes.fromhex(re.sub(r"[:\s]", "", p)).lstrip(b"\0")
            for p in primes]


def memory(pid):
    """All that the process has mapped and may read, piece by piece."""
    with open(f"/proc/{pid}/maps") as maps, \
            open(f"/proc/{pid}/mem", "rb", buffering=0) as mem:
        for line in maps:
            first, rights = line.split()[:2]
            begin, end = (int(n, 16) for n in first.split("-"))
            # A sanitizer's shadow is larger than the machine.
            if "r" in rights and "[v" not in line and end - begin < 1 << 30:
                try:
                    mem.seek(begin)
                    yield mem.read(end - begin)
                except OSError:
                    pass # guard pages


def holds(pid, numbers):
    """As written, and as OpenSSL keeps it: least significant octet first."""
    wanted = [n for p in numbers for n in (p, p[::-1])]
    return any(w in piece for piece in memory(pid) for w in wanted)


class Confined(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.up = cls.enterClassContext(CapturingUpstream())
        cls.sp = cls.enterClassContext(Sealpost(cls.up.port))
        with cls.sp.smtp() as c:
            c.sendmail("alice@example.com", ["b@example.net"], message())

    def flags(self, name):
        for pid in processes.of(self.sp, name):
            status = scratch.read(f"/proc/{pid}/status").decode()
            yield dict(re.findall(r"^(\w+):\s*(\S+)", status, re.M))

    def test_flags(self):
        if "event=confined" not in self.sp.log():
            self.skipTest("this build is not confined")
        for name in processes.WORKER, processes.KEEPER:
            found = list(self.flags(name))
            self.assertTrue(found)
            for flags in found:
                self.assertEqual((flags["Seccomp"], flags["NoNewPrivs"]),
                                 ("2", "1"), name)

    def test_the_log_says_it(self):
        lines = [line for line in self.sp.log().splitlines()
                 if "event=confined" in line]
        if not lines:
            self.skipTest("this build is not confined")
        self.assertEqual(len(lines), 2)
        for line in lines:
            self.assertRegex(line, r"landlock=[1-9]\d* seccomp=yes")

    @unittest.skipUnless(os.geteuid() == 0, "only root may look")
    def test_private_key_is_in_the_keeper_only(self):
        key = os.path.join(self.sp.state, "keys", "example.com", "sp1.pem")
        numbers = secret_numbers(key)
        self.assertEqual(len(numbers), 2)
        for pid in processes.of(self.sp, processes.KEEPER):
            self.assertTrue(holds(pid, numbers), "the search finds nothing")
        for pid in (self.sp.process.pid,
                    *processes.of(self.sp, processes.PARENT),
                    *processes.of(self.sp, processes.WORKER)):
            self.assertFalse(holds(pid, numbers), pid)


if __name__ == "__main__":
    unittest.main()
