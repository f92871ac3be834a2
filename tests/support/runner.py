"""Runs the integration tests: a line each, then how many.

    runner.py [--counts FILE] [--shard K/N] [NAME...]

NAME is a part of MODULE.CLASS.METHOD. Without: every tests/integration/
test_*.py. Counts go to FILE as "PASSED FAILED SKIPPED". --shard 1/2: every
other file, so that two runners share the work.
"""
import argparse
import glob
import os
import sys
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
TESTS = os.path.join(os.path.dirname(HERE), "integration")


class Result(unittest.TestResult):
    def __init__(self):
        super().__init__()
        self.passed = self.failed = self.skips = 0

    def startTest(self, test):
        super().startTest(test)
        self.began = time.monotonic()

    def say(self, word, test, more=""):
        name = ".".join(test.id().split(".")[-3:])
        print(f"{word:4} {name} ({time.monotonic() - self.began:.1f} s)"
              + (f": {more}" if more else ""), flush=True)

    def addSuccess(self, test):
        self.passed += 1
        self.say("ok", test)

    def _fail(self, test, error):
        self.failed += 1
        if not hasattr(self, "began"):
            self.began = time.monotonic()
        self.say("FAIL", test)
        print(self._exc_info_to_string(error, test), flush=True)

    def addFailure(self, test, error):
        self._fail(test, error)

    def addError(self, test, error):
        self._fail(test, error)

    def addSubTest(self, test, subtest, error):
        if error is not None:
            self._fail(subtest, error)

    def addSkip(self, test, reason):
        self.skips += 1
        if not hasattr(self, "began"):
            self.began = time.monotonic()
        self.say("skip", test, reason)

    def addExpectedFailure(self, test, error):
        self.addSuccess(test)

    def addUnexpectedSuccess(self, test):
        self.addFailure(test, (AssertionError, AssertionError(
            "passes, though it is marked as failing"), None))


def cases(suite):
    for item in suite:
        if isinstance(item, unittest.TestSuite):
            yield from cases(item)
        else:
            yield item


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--counts")
    parser.add_argument("--shard", default="1/1")
    parser.add_argument("names", nargs="*")
    options = parser.parse_args()
    sys.path[:0] = [HERE, TESTS]
    suite = unittest.TestSuite()
    shard, shards = map(int, options.shard.split("/"))
    os.environ["SEALPOST_SHARD"] = options.shard
    files = sorted(glob.glob(os.path.join(TESTS, "test_*.py")))
    for path in files[shard - 1::shards]:
        module = os.path.basename(path)[:-3]
        suite.addTests(
            unittest.defaultTestLoader.loadTestsFromName(module))
    if options.names:
        suite = unittest.TestSuite(
            t for t in cases(suite)
            if any(n in t.id() for n in options.names))
    result = Result()
    suite.run(result)
    if options.counts:
        with open(options.counts, "w") as f:
            f.write(f"{result.passed} {result.failed} {result.skips}\n")
    print(f"integration: {result.passed} passed, {result.failed} failed, "
          f"{result.skips} skipped")
    nothing = result.passed + result.skips == 0 and shards == 1
    sys.exit(1 if result.failed or nothing else 0)


main()
