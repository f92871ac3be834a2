"""Messages a second and CPU a message: direct, haproxy, Sealpost in turns."""
import unittest

import peers
from table import Table, plot, size
from world import Relay, Sink, edit, load, median

SIZES = [2048, 10240, 102400, 1 << 20]
SESSIONS = [1, 20, 100]


def haproxy(sink):
    """In TCP mode in front of the sink; None when it can't be had."""
    try:
        return peers.Haproxy((sink.port, ""), maxconn=9000)
    except unittest.SkipTest:
        return None


def turns(bench, places, sessions, octets, *options):
    """{name: runs}; places: {name: (port, process or None)}."""
    runs = {name: [] for name in places}
    for _ in range(bench.rounds):
        for name, (port, process) in places.items():
            runs[name].append(load(port, sessions, octets, bench.seconds,
                                   *options, cpu_of=process))
    return runs


def row(table, label, sessions, octets, runs):
    """One row of the table; what it says of Sealpost."""
    rate = median(runs["sealpost"], "rate")
    bare = median(runs["direct"], "rate")
    beside = median(runs["haproxy"], "rate") if "haproxy" in runs else None
    ours = median(runs["sealpost"], "cpu")
    table.row(label, size(octets), sessions, rate,
              median(runs["sealpost"], "p50"), median(runs["sealpost"], "p99"),
              ours, bare, rate / bare, beside or "-",
              rate / beside if beside else "-",
              median(runs["haproxy"], "cpu") if beside else "-")


def head(bench):
    return Table(bench, "signature", "size", "sessions", "messages/s",
                 "p50 ms", "p99 ms", "CPU s/1000", "direct/s",
                 "of direct", "haproxy/s", "of haproxy", "its CPU")


def matrix(bench, places, table, label, points):
    for octets in SIZES:
        for sessions in SESSIONS:
            runs = turns(bench, places, sessions, octets)
            row(table, label, sessions, octets, runs)
            for name, found in runs.items():
                who = label if name == "sealpost" else name
                if name == "sealpost" or label == "rsa":
                    points.append((who, sessions, octets,
                                   median(found, "rate"),
                                   median(found, "cpu")))


def run(bench):
    bench.say("Plain TCP, kept connections, relaxed/relaxed; load, relay and "
              "sink share the CPUs. The sink offers CHUNKING, as Postfix "
              "and Exim do. CPU is that of all processes of the relay for "
              "1000 messages.\n")
    points = []
    with Sink("-k") as sink, Relay(sink, start=False) as sp:
        sp.add_key("example.com", "ed1", "--type", "ed25519")
        proxy = haproxy(sink)
        table = head(bench)
        try:
            for label in ("rsa", "ed25519"):
                edit(sp, r"^signatures = .*", "signatures = " + label)
                sp.start()
                places = {"direct": (sink.port, None)}
                if proxy:
                    places["haproxy"] = (proxy.port, proxy.process)
                places["sealpost"] = (sp.port, sp.process)
                load(sp.port, 1, 2048, 0.2) # the key is parsed
                matrix(bench, places, table, label, points)
                sp.process.terminate()
                sp.process.wait(60)
        finally:
            if proxy:
                proxy.stop()
    plot(bench, "relay", points)
