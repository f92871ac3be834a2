"""Signing relays by ../shared/bench/run-peer, and Sealpost by our own load in
the same rounds. They are unpacked as the tests' peers are, and run inside."""
import json
import os
import shutil
import subprocess
import unittest

import peers
import scratch
from table import Table, size
from world import Relay, Sink, load

INSIDE = "/srv/bench" # of the tree
WORK = INSIDE + "/work"
SIZES = [2048, 10240, 102400, 1 << 20]
# The tree that each set-up of run-peer needs.
SETUPS = {"postfix-opendkim-shm": "relay-postfix",
          "postfix-opendkim": "relay-postfix",
          "exim-shm": "relay-exim"}
MOUNTS = """for f in proc sys dev; do
    mkdir -p "$0/$f" && mount --rbind "/$f" "$0/$f" || exit 1
done
exec chroot "$0" "$@"
"""


class Driver:
    """run-peer with its programs, inside an unpacked tree; it wants to be
    alone: one after the other."""

    def __init__(self, bench, tree):
        source = os.environ.get("SEALPOST_BENCH") or os.path.join(
            scratch.TOP, "..", "shared", "bench")
        if not os.path.exists(os.path.join(source, "run-peer")):
            raise unittest.SkipTest("no ../shared/bench beside this tree, "
                                    "nor where SEALPOST_BENCH says")
        self.bench = bench
        self.root = peers.tree(tree)
        self.home = self.root + INSIDE
        self.work = self.root + WORK
        shutil.rmtree(self.home, ignore_errors=True)
        shutil.copytree(source, self.home)
        os.makedirs(self.work)
        for name in ("smtpload", "smtpsink"):
            subprocess.run(["cc", "-O2", "-o", os.path.join(self.work, name),
                            os.path.join(self.home, name + ".c")], check=True)

    def round(self, name, sessions):
        """{octets: what run-peer found}; it starts and stops the peer."""
        out = os.path.join(self.work, "out.jsonl")
        if os.path.exists(out):
            os.unlink(out)
        done = subprocess.run(
            ["unshare", "-m", "sh", "-c", MOUNTS, self.root, "python3",
             INSIDE + "/run-peer", name, ",".join(map(str, SIZES)),
             str(sessions), "0", "-t", str(self.bench.seconds), "-r", "1",
             "--out", WORK + "/out.jsonl"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True,
            env=dict(os.environ, BENCH_WORK=WORK))
        if done.returncode != 0:
            raise RuntimeError(f"{name}: {done.stdout.strip()[-300:]}")
        with open(out) as f:
            return dict(zip(SIZES, map(json.loads, f)))


def drivers(bench):
    """{set-up: driver} of those that can be had here."""
    made = {}
    for tree in dict.fromkeys(SETUPS.values()):
        try:
            made[tree] = Driver(bench, tree)
        except unittest.SkipTest as e:
            bench.say(f"Not measured: {e}\n")
    return {name: made[tree] for name, tree in SETUPS.items() if tree in made}


def measure(bench, found, ready, sp, sessions):
    for name, driver in list(ready.items()):
        try:
            cells = driver.round(name, sessions)
        except RuntimeError as e:
            bench.say(f"Not measured: {e}\n")
            del ready[name]
            continue
        for octets, cell in cells.items():
            found.setdefault((octets, sessions, name), []).append(
                (cell["e2e_msgs_s"], cell["cpu_s_per_1000"] or 0,
                 cell["lat_p50_ms"], cell["lat_p99_ms"]))
    for octets in SIZES:
        run = load(sp.port, sessions, octets, bench.seconds,
                   cpu_of=sp.process)
        found.setdefault((octets, sessions, "sealpost"), []).append(
            (run.rate, run.cpu, run.p50, run.p99))


def table(bench, found):
    rows = Table(bench, "relay", "size", "sessions", "messages/s",
                 "CPU s/1000", "p50 ms", "p99 ms", "Sealpost to it")
    middle = {cell: [sorted(v)[len(v) // 2] for v in zip(*runs)]
              for cell, runs in found.items()}
    for (octets, sessions, name), values in sorted(
            middle.items(), key=lambda c: (c[0][0], c[0][1], c[0][2])):
        ours = middle.get((octets, sessions, "sealpost"), [0])[0]
        rows.row(name, size(octets), sessions, *values,
                 ours / values[0] if values[0] else "-")


def run(bench):
    ready = drivers(bench)
    if not ready:
        return
    found = {}
    with Sink("-k") as sink, Relay(sink) as sp:
        load(sp.port, 1, 2048, 0.2)
        for sessions in (20,) if bench.quick else (1, 20, 100):
            for _ in range(bench.rounds):
                measure(bench, found, ready, sp, sessions)
    table(bench, found)
