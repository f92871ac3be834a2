"""Does the cost of a message stay the same with sessions and grow with size?"""
from table import Table, size
from world import Relay, Sink, load, median

SIZES = [1024, 10240, 102400, 1 << 20, 10 << 20, 50000000]
SESSIONS = [1, 20, 100, 1000, 5000, 9500]


def _sizes(bench, sp):
    table = Table(bench, "size, 4 sessions", "messages/s", "MB/s", "p99 ms",
                  "CPU s/1000", "CPU s for 1 GB")
    for octets in SIZES:
        runs = [load(sp.port, 4, octets, bench.seconds, cpu_of=sp.process)
                for _ in range(bench.rounds)]
        rate, cpu = median(runs, "rate"), median(runs, "cpu")
        name = "50 MB" if octets == 50000000 else size(octets)
        table.row(name, rate, rate * octets / 1e6, median(runs, "p99"), cpu,
                  cpu / octets * 1e6)


def _sessions(bench, sp):
    bench.say()
    table = Table(bench, "sessions, 10 KB", "messages/s", "p50 ms", "p99 ms",
                  "CPU s/1000")
    for sessions in SESSIONS[:4] if bench.quick else SESSIONS:
        runs = [load(sp.port, sessions, 10240, bench.seconds,
                     cpu_of=sp.process) for _ in range(bench.rounds)]
        table.row(sessions, *(median(runs, k)
                              for k in ("rate", "p50", "p99", "cpu")))


def run(bench):
    bench.say("RSA-2048. With many sessions the load generator's connecting, "
              "EHLO and first transaction are in the time.\n")
    with Sink() as sink, Relay(sink) as sp:
        load(sp.port, 1, 2048, 0.2)
        _sizes(bench, sp)
        _sessions(bench, sp)
