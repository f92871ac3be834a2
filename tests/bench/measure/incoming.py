"""Inbound: signatures to check, with DNS answers cached and not."""
import os

import inbound
import scratch
from nameserver import Nameserver, txt
from table import Table
from world import Relay, Sink, load, median

SESSIONS = 20
LISTEN = {"mode": "inbound", "tls": "none", "relay_domains": "example.net"}
HEADER = (b"From: joe@a.test\r\nTo: sink@example.net\r\nSubject: bench\r\n"
          b"Date: Sat, 21 Nov 2026 12:00:00 +0000\r\n"
          b"Message-ID: <bench@a.test>\r\n\r\n")


def message(key, signatures):
    text = HEADER + (b"x" * 72 + b"\r\n") * 136
    for n in range(signatures):
        text = inbound.sign(text, "a.test", key, selector=f"k{n}")
    return text


def records(key, ttl):
    found = {"a.test": txt(inbound.ALLOWED, ttl),
             "_dmarc.a.test": txt("v=DMARC1; p=none", ttl)}
    for n in range(8):
        found[f"k{n}._domainkey.a.test"] = txt(key.record, ttl)
    return found


def run(bench):
    key = inbound.Key()
    folder = scratch.folder()
    table = Table(bench, "10 KB inbound, 20 sessions", "DNS", "messages/s",
                  "p50 ms", "p99 ms", "CPU s/1000", "questions a message")
    try:
        files = {n: scratch.write(os.path.join(folder, str(n)),
                                  message(key, n)) for n in (0, 1, 2, 8)}
        for label, ttl in (("cached", 300), ("not cached", 0)):
            with Nameserver(records(key, ttl)) as ns, Sink() as sink, \
                    Relay(sink, listen=LISTEN, keys=(), users={"x": (
                        "unused-here", "*")},
                        dns={"nameserver": ns.address,
                             "timeout": "5s"}) as sp:
                _rows(bench, table, label, ns, sp, files)
    finally:
        scratch.remove(folder)
    bench.say("\nNot cached: TTL 0. The nameserver is a Python program on "
              "the same CPUs, which bounds the rate; CPU is Sealpost's alone.")


def _rows(bench, table, label, ns, sp, files):
    def one(path, seconds, **more):
        return load(sp.port, SESSIONS, 65536, seconds, "-M", path, "-f",
                    "joe@a.test", **more)

    for signatures, path in files.items():
        one(path, 0.2)
        asked = len(ns.asked)
        runs = [one(path, bench.seconds, cpu_of=sp.process)
                for _ in range(bench.rounds)]
        table.row(f"{signatures} signatures", label,
                  *(median(runs, k) for k in ("rate", "p50", "p99", "cpu")),
                  (len(ns.asked) - asked) / max(1, sum(r.count for r in runs)))
