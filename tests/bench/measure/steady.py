"""Latency at a fixed rate: open loop, counted from when a message was due."""
from table import Table
from world import Relay, Sink, load, median

SESSIONS, OCTETS = 100, 10240


def capacity(bench, sp):
    """Messages a second that it takes when asked for more."""
    load(sp.port, 20, OCTETS, 0.3)
    return load(sp.port, SESSIONS, OCTETS, bench.seconds).rate


def run(bench):
    with Sink() as sink, Relay(sink) as sp:
        top = capacity(bench, sp)
        bench.say(f"10 KB, RSA-2048, {SESSIONS} connections; closed loop: "
                  f"{top:.0f}/s.\n")
        table = Table(bench, "offered", "messages/s", "p50 ms", "p99 ms",
                      "longest ms")
        for share in (0.1, 0.25, 0.5, 0.8):
            runs = [load(sp.port, SESSIONS, OCTETS, bench.seconds, "-r",
                         top * share) for _ in range(bench.rounds)]
            table.row(f"{share:.0%}", *(median(runs, k) for k in (
                "rate", "p50", "p99", "largest")))
