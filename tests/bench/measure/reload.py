"""What a reload of data or of the configuration costs messages beside it.

One run of the load generator goes on over all of it, in seconds that are
quiet and seconds in which a reload is under way, in turns; a delay counts
when it ends. Of a reload of data there are two: with one user and key, and
with very many.
"""
import statistics
import subprocess
import time

import scratch
from keys import fill
from table import Table
from world import Relay, Run, Sink, command, edit

OCTETS, RATE = 10240, 300
QUIET, AFTER = 3, 2 # seconds before a reload, and after it


class Load:
    """The load generator, and what each second was like."""

    def __init__(self, port, sessions, rate):
        self.process = subprocess.Popen(
            command(port, sessions, OCTETS, 3600, "-r", rate, "-w", "-i", 1),
            stdout=subprocess.PIPE, text=True)

    def second(self):
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError("the load ended")
        return Run(line)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


class Log:
    """The daemon's log, read once: it has a line for each message."""

    def __init__(self, sp):
        self.file = open(sp.log_path)
        self.file.seek(0, 2)

    def has(self, event):
        """Of what is new since it was asked."""
        return f"event={event} " in self.file.read()


def configuration(sp):
    """Another one, so that there are new workers."""
    days = 8 if "expire = 7d" in scratch.read(sp.config).decode() else 7
    edit(sp, r"^expire = .*", f"expire = {days}d")


def one_reload(sp, load, event):
    """The seconds that a reload touches."""
    log, seconds, left = Log(sp), [], None
    sp.reload()
    begin = time.monotonic()
    while left is None or left > 0:
        seconds.append(load.second())
        if left is not None:
            left -= 1
        elif log.has(event):
            left = AFTER
        elif time.monotonic() - begin > 120:
            raise RuntimeError("no reload")
    return seconds


def row(table, name, turns):
    """turns: lists of seconds."""
    every = [second for turn in turns for second in turn]
    longest = [max(s.largest for s in turn) for turn in turns]
    table.row(name, len(every), statistics.mean(s.rate for s in every),
              statistics.median(s.p50 for s in every),
              statistics.median(s.p99 for s in every),
              statistics.median(longest), max(longest),
              max(s.late for s in every),
              sum(int(s.connections) for s in every) // len(turns))


def sessions(bench):
    return 300 if bench.quick else 9500


def measure(bench, table, sp, name, event, prepare=lambda sp: None):
    quiet, busy = [], []
    with Load(sp.port, sessions(bench), RATE) as load:
        load.second() # everything is touched once
        for _ in range(bench.rounds * 2):
            quiet.append([load.second() for _ in range(QUIET)])
            prepare(sp)
            busy.append(one_reload(sp, load, event))
    row(table, f"{name}: quiet", quiet)
    row(table, f"{name}: a reload", busy)


def run(bench):
    count = 2000 if bench.quick else 100000
    bench.say(f"{sessions(bench)} connections, {RATE} messages of 10 KB a "
              "second (open loop). Longest: the median of turns, and of all "
              "of them.\n")
    table = Table(bench, "seconds that are", "of them", "messages/s", "p50 ms",
                  "p99 ms", "longest ms", "of all", "the load's own",
                  "connections made")
    with Sink() as sink:
        with Relay(sink, extra="[sign]\nexpire = 7d\n") as sp:
            measure(bench, table, sp, "one user and key", "loaded")
            measure(bench, table, sp, "configuration", "ready", configuration)
        with Relay(sink, start=False) as sp:
            fill(sp, count, users=True)
            sp.launch(seconds=300)
            measure(bench, table, sp, f"{count} users and keys", "loaded")
