"""etc/quickstart.sh: what README's first command does."""
import glob
import os
import signal
import subprocess
import tempfile
import unittest

import scratch


class Quickstart(unittest.TestCase):
    """Builds in build/ beside the sources, as a newcomer would."""

    def setUp(self):
        self.tmp = tempfile.mkdtemp(prefix="sealpost-test-")
        os.chmod(self.tmp, 0o755)
        self.addCleanup(scratch.remove, self.tmp)

    def start(self, *arguments):
        self.out = os.path.join(self.tmp, "out")
        return subprocess.Popen(
            ["sh", os.path.join(scratch.TOP, "etc/quickstart.sh"),
             *arguments], stdin=subprocess.DEVNULL, stdout=open(self.out, "w"),
            stderr=subprocess.STDOUT, start_new_session=True,
            env={"PATH": os.environ["PATH"], "HOME": self.tmp,
                 "TMPDIR": self.tmp})

    def said(self):
        return scratch.read(self.out).decode()

    def nothing_is_left(self):
        self.assertEqual(glob.glob(os.path.join(self.tmp, "sealpost-*")), [])

    def test_once(self):
        process = self.start("--once")
        self.assertEqual(process.wait(300), 0, self.said())
        for part in ("DKIM-Signature: ", "This message was signed",
                     "dkim=pass"):
            self.assertIn(part, self.said())
        self.nothing_is_left()

    def test_stays_until_interrupted(self):
        process = self.start()
        try:
            scratch.wait_for("the last words", lambda: "the Maildir" in
                             self.said() or process.poll() is not None, 300)
            self.assertIsNone(process.poll(), self.said())
            command = self.said().split("\ncurl ")[1].split("\n\n")[0]
            subprocess.run(["sh", "-c", "curl -sS " + command], check=True)
            new, = glob.glob(os.path.join(self.tmp, "sealpost-*/maildir/new"))
            self.assertEqual(len(os.listdir(new)), 2)
        finally:
            os.killpg(process.pid, signal.SIGINT)
            process.wait(60)
        self.nothing_is_left()

    def test_wrong_arguments(self):
        for arguments in (["--what"], ["--relay"]):
            self.assertEqual(self.start(*arguments).wait(30), 64)
        self.assertNotEqual(self.start("--relay", "host").wait(30), 0)
        self.assertIn("HOST:PORT", self.said())
        self.nothing_is_left()


if __name__ == "__main__":
    unittest.main()
