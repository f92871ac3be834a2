"""Runs the integration tests: a line each, then how many.

    runner.py [--counts FILE] [--jobs N] [NAME...]

NAME is a part of MODULE.CLASS.METHOD. Without: every tests/integration/
test_*.py. Counts go to FILE as "PASSED FAILED SKIPPED". --jobs 3: as many
processes, each of which takes the next class when it is done with one.
"""
import argparse
import concurrent.futures
import glob
import itertools
import multiprocessing
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


def work(names):
    """What one process takes at a time, as lists of tests: a class, and a
    whole module that is set up as one. The last in the alphabet come first:
    the slow ones are theirs, and nobody waits for one at the end."""
    for path in sorted(glob.glob(os.path.join(TESTS, "test_*.py")),
                       reverse=True):
        module = os.path.basename(path)[:-3]
        tests = [t for t in cases(
            unittest.defaultTestLoader.loadTestsFromName(module))
            if not names or any(n in t.id() for n in names)]
        whole = hasattr(sys.modules.get(module), "setUpModule")
        for _, group in itertools.groupby(
                tests, lambda t: module if whole else type(t)):
            yield list(group)


def start(number, count):
    with number.get_lock():
        number.value += 1
        os.environ["SEALPOST_SHARD"] = f"{number.value}/{count}"


def run(index):
    result = Result()
    unittest.TestSuite(groups[index]).run(result)
    return result.passed, result.failed, result.skips


def main():
    global groups
    parser = argparse.ArgumentParser()
    parser.add_argument("--counts")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("names", nargs="*")
    options = parser.parse_args()
    sys.path[:0] = [HERE, TESTS]
    groups = list(work(options.names))
    number = multiprocessing.Value("i", 0)
    with concurrent.futures.ProcessPoolExecutor(
            options.jobs, multiprocessing.get_context("fork"), start,
            (number, options.jobs)) as pool:
        counts = list(pool.map(run, range(len(groups))))
    passed, failed, skips = (sum(c[i] for c in counts) for i in range(3))
    if options.counts:
        with open(options.counts, "w") as f:
            f.write(f"{passed} {failed} {skips}\n")
    print(f"integration: {passed} passed, {failed} failed, {skips} skipped")
    sys.exit(1 if failed or passed + skips == 0 else 0)


main()
