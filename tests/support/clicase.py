"""A test case with a configuration and a state directory, but no daemon."""
import os
import subprocess
import unittest

import scratch
from sealpost import Sealpost

USAGE, DATA, NO_INPUT, NO_USER, UNAVAILABLE = 64, 65, 66, 67, 69
CANNOT_CREATE, TEMPORARY, NO_PERMISSION, CONFIG = 73, 75, 77, 78

LF = b"From: alice@example.com\nSubject: x\n\nA line.\n"


def openssl(*arguments, input=None):
    return subprocess.run(["openssl", *arguments], check=True, input=input,
                          stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL).stdout


def snapshot(folder):
    """Every file and folder below, with its content."""
    found = {}
    for parent, folders, files in os.walk(folder):
        for name in folders:
            found[os.path.join(parent, name)] = None
        for name in files:
            path = os.path.join(parent, name)
            found[path] = scratch.read(path)
    return found


class Case(unittest.TestCase):
    """One site: a configuration and a state directory; no daemon runs."""

    def setUp(self):
        self.site = Sealpost(9, users={}, keys=(), start=False)
        self.addCleanup(self.site.stop)

    def ok(self, *words, **more):
        return self.site.tool(*words, **more).stdout.decode()

    def fails(self, code, text, *words, **more):
        """The exit code, and text on stderr; nothing on stdout."""
        done = self.site.tool(*words, ok=None, **more)
        said = done.stderr.decode()
        self.assertEqual(done.returncode, code, said)
        self.assertIn(text, said)
        self.assertEqual(done.stdout, b"")
        return said

    def changes_nothing(self, *words, **more):
        before = snapshot(self.site.state)
        done = self.site.tool(*words, "--dry-run", **more)
        self.assertIn(b"dry run", done.stderr)
        after = snapshot(self.site.state)
        for path in [p for p in after if p.endswith(".lock")]:
            after.pop(path)
            before.pop(path, None)
        self.assertEqual(before, after)
        return done.stdout.decode()

    def add(self, name, *options):
        return self.ok("user", "add", name, "--password-stdin", *options,
                       input="correct horse\n")

    def state(self, *names):
        return os.path.join(self.site.state, *names)
