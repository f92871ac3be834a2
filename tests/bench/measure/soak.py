"""Hours in small: 80 % load, and whether anything grows."""
import time

import world
from steady import OCTETS, SESSIONS, capacity
from table import Table


def run(bench):
    with world.Sink() as sink, world.Relay(sink) as sp:
        rate = 0.8 * capacity(bench, sp)
        bench.say(f"{rate:.0f} messages of 10 KB a second for "
                  f"{bench.soak_minutes:g} minutes.\n")
        table = Table(bench, "after", "messages/s", "p50 ms", "p99 ms",
                      "MiB", "descriptors")
        piece = min(60, max(5, bench.soak_minutes * 60 / 30))
        begin = time.monotonic()
        while time.monotonic() - begin < bench.soak_minutes * 60:
            run = world.load(sp.port, SESSIONS, OCTETS, piece, "-r", rate)
            table.row(f"{time.monotonic() - begin:.0f} s", run.rate, run.p50,
                      run.p99, world.memory(sp.process) / 1024,
                      world.descriptors(sp.process))
