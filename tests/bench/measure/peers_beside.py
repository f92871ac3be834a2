"""Each peer that is installed, by ../shared/bench/run-peer, and Sealpost by
our own load in the same rounds."""
import json
import os
import shutil
import subprocess

import scratch
from table import Table, size
from world import Relay, Sink, load

SIZES = [2048, 10240, 102400, 1 << 20]
# What each set-up needs on PATH.
NEEDS = {"nginx": ["nginx"], "postfix": ["postfix"],
         "postfix-opendkim": ["postfix", "opendkim"],
         "postfix-opendkim-shm": ["postfix", "opendkim"],
         "postfix-rspamd": ["postfix", "rspamd"], "exim": ["exim4"],
         "exim-shm": ["exim4"], "haraka-forward": ["haraka"],
         "haproxy": ["haproxy"], "opensmtpd": ["smtpd"]}
PLACES = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
GIVEN = {"haraka-forward": "HARAKA_DIR", "exim": "EXIM_BIN",
         "exim-shm": "EXIM_BIN", "opensmtpd": "OSMTPD_DIR"}


def driver():
    """run-peer; None: it is not there."""
    path = os.path.join(scratch.TOP, "..", "shared", "bench", "run-peer")
    path = os.environ.get("SEALPOST_RUN_PEER", path)
    return os.path.abspath(path) if os.access(path, os.X_OK) else None


def installed():
    return [name for name, programs in NEEDS.items()
            if GIVEN.get(name, "") in os.environ
            or all(shutil.which(p, path=PLACES) for p in programs)]


def one_round(bench, program, name, sessions, out):
    """{octets: what run-peer found}; it starts and stops the peer."""
    if os.path.exists(out):
        os.unlink(out)
    done = subprocess.run(
        [program, name, ",".join(map(str, SIZES)), str(sessions), "0",
         "-t", str(bench.seconds), "-r", "1", "--out", out],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True,
        env=dict(os.environ, BENCH_WORK=bench.path("peers")))
    if done.returncode != 0:
        raise RuntimeError(f"{name}: {done.stdout.strip()[-300:]}")
    with open(out) as f:
        return dict(zip(SIZES, map(json.loads, f)))


def _measure(bench, program, names, sp, sessions, found):
    for name in names:
        try:
            cells = one_round(bench, program, name, sessions,
                              bench.path("peer.jsonl"))
        except RuntimeError as e:
            bench.say(f"Not measured: {e}\n")
            names.remove(name)
            return
        for octets, cell in cells.items():
            found.setdefault((octets, sessions, name), []).append(
                (cell["e2e_msgs_s"], cell["cpu_s_per_1000"] or 0,
                 cell["lat_p50_ms"], cell["lat_p99_ms"]))
    for octets in SIZES:
        run = load(sp.port, sessions, octets, bench.seconds,
                   cpu_of=sp.process)
        found.setdefault((octets, sessions, "sealpost"), []).append(
            (run.rate, run.cpu, run.p50, run.p99))


def _table(bench, found):
    table = Table(bench, "relay", "size", "sessions", "messages/s",
                  "CPU s/1000", "p50 ms", "p99 ms", "Sealpost to it")
    middle = {cell: [sorted(v)[len(v) // 2] for v in zip(*rows)]
              for cell, rows in found.items()}
    for (octets, sessions, name), values in sorted(
            middle.items(), key=lambda c: (c[0][0], c[0][1], c[0][2])):
        ours = middle.get((octets, sessions, "sealpost"), [0])[0]
        table.row(name, size(octets), sessions, *values,
                  ours / values[0] if values[0] else "-")


def run(bench):
    program, names = driver(), installed()
    if program is None:
        bench.say("Not measured: no ../shared/bench/run-peer beside this "
                  "tree, nor where SEALPOST_RUN_PEER says.")
        return
    if not names:
        bench.say("No peer is installed.")
        return
    found = {}
    with Sink() as sink, Relay(sink) as sp:
        load(sp.port, 1, 2048, 0.2)
        for sessions in (20,) if bench.quick else (1, 20, 100):
            for _ in range(bench.rounds):
                _measure(bench, program, names, sp, sessions, found)
    _table(bench, found)
