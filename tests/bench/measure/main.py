"""What Sealpost costs, measured in one go; tests/bench/run.sh starts this.

Each part is a module with run(bench), which prints what it finds as Markdown.
"""
import argparse
import os
import resource
import subprocess
import sys
import time
import traceback
import unittest

import scratch
import world

PARTS = ["machine", "relay", "peers_beside", "secured", "users", "incoming",
         "memory", "neighbours", "steady", "scale", "reload", "keys", "soak"]
NAMES = {"peers_beside": "peers", "secured": "tls", "steady": "open",
         "incoming": "inbound"}
PROGRAMS = ["sealpost", "sealpostd", "tests/bench/bench_load",
            "tests/bench/bench_sink"]


class Bench:
    """What the parts share: how long and how often, and where it goes."""

    def __init__(self, options):
        self.quick = options.quick
        self.seconds = options.seconds or (1.0 if self.quick else 3.0)
        self.rounds = options.rounds or (1 if self.quick else 3)
        self.soak_minutes = options.soak or (0.5 if self.quick else 30)
        self.folder = options.out
        self.report = open(os.path.join(self.folder, "report.md"), "w")

    def say(self, text=""):
        """Markdown: to standard output and into the report."""
        print(text, flush=True)
        self.report.write(text + "\n")
        self.report.flush()

    def path(self, name):
        return os.path.join(self.folder, name)


def part_name(module):
    return NAMES.get(module, module)


def arguments():
    names = [part_name(m) for m in PARTS]
    parser = argparse.ArgumentParser(
        prog="tests/bench/run.sh",
        description="Parts: " + ", ".join(names) + ".")
    parser.add_argument("parts", nargs="*", metavar="PART",
                        help="without: all, and soak only when it is named")
    parser.add_argument("--quick", action="store_true",
                        help="short and once: the shape, not the figures")
    parser.add_argument("--build", default=os.environ.get("SEALPOST_BUILD")
                        or os.path.join(scratch.TOP, "build"))
    parser.add_argument("--out", help="default: BUILD/bench")
    parser.add_argument("--seconds", type=float, help="of a run (3)")
    parser.add_argument("--rounds", type=int,
                        help="the median of so many (3)")
    parser.add_argument("--workers", type=int, default=1,
                        help="of the daemons (1; tls: always 2)")
    parser.add_argument("--soak", type=float, metavar="MINUTES",
                        help="of the part soak (30)")
    options = parser.parse_args()
    for part in options.parts:
        if part not in names:
            parser.error(f"there is no part {part}; parts: "
                         + ", ".join(names))
    options.parts = options.parts or [n for n in names if n != "soak"]
    options.build = os.path.abspath(options.build)
    options.out = os.path.abspath(options.out or
                                  os.path.join(options.build, "bench"))
    return options


def measure(bench, name):
    module = __import__({v: k for k, v in NAMES.items()}.get(name, name))
    begin = time.monotonic()
    bench.say(f"\n## {name}\n")
    try:
        module.run(bench)
    except unittest.SkipTest as why:
        bench.say(f"Not measured: {why}")
    except Exception: # the other parts are worth having
        traceback.print_exc()
        bench.say(f"Not measured: {traceback.format_exc().splitlines()[-1]}")
        return False
    print(f"bench: {name} took {time.monotonic() - begin:.0f} s",
          file=sys.stderr)
    return True


def main():
    options = arguments()
    subprocess.run(["make", "-s", "-C", options.build, *PROGRAMS], check=True,
                   stdout=subprocess.DEVNULL)
    os.environ["SEALPOST_BUILD"] = options.build
    os.makedirs(options.out, exist_ok=True)
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    world.Relay.workers = options.workers
    bench = Bench(options)
    bench.say("# Sealpost measured\n")
    bench.say("`sh tests/bench/run.sh" + "".join(
        " " + a for a in sys.argv[1:]) + "`, "
        + time.strftime("%Y-%m-%d %H:%M"))
    good = [measure(bench, name) for name in options.parts]
    print(f"bench: {bench.path('report.md')}", file=sys.stderr)
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
