"""TLS and AUTH on both sides against plain, in turns."""
import os

import scratch
from table import Table
from tlsrecords import RecordCounter
from world import PASSWORD, Relay, Sink, load, median

OCTETS, SESSIONS = 10240, 20
MESSAGES = 10 # over one connection, where they are not kept


def pem(folder):
    """Certificate and key in one file for the sink, and the certificate."""
    certificate, key = scratch.certificate(folder)
    both = scratch.write(os.path.join(folder, "both.pem"),
                         scratch.read(certificate) + scratch.read(key))
    return both, certificate


def secure_relay(port_of, certificate, upstream=None, **more):
    """AUTH over STARTTLS from clients and towards the upstream; upstream: more
    of its settings."""
    folder = os.path.dirname(certificate)
    password = scratch.write(os.path.join(folder, "password"), "x\n", 0o600)
    scratch.give_to(folder, "nobody")
    return Relay(port_of,
                 listen={"tls": "starttls", "auth": "required"},
                 upstream_settings={
                     "tls": "starttls", "ca_file": certificate,
                     "login": "password", "username": "relay",
                     "password_file": password, **(upstream or {})}, **more)


def _records(bench, sink, certificate):
    with RecordCounter(sink.port) as counter, \
            secure_relay(counter, certificate) as sp:
        options = ("-T", "starttls", "-u", f"{sp.user}:{PASSWORD}")
        load(sp.port, 1, OCTETS, 0.2, *options)
        before = counter.forth
        run = load(sp.port, 1, OCTETS, bench.seconds, *options)
        bench.say(f"\nTLS records to the upstream for a message of 10 KB: "
                  f"{(counter.forth - before) / run.count:.2f}")


def _compare(bench, plain, secure, plain_short, secure_short):
    tls = ("-T", "starttls", "-u", f"{secure.user}:{PASSWORD}")
    again = (*tls, "-m", MESSAGES, "-R")
    cases = [("plain, kept connections", plain, ()),
             ("TLS and AUTH, kept connections", secure, tls),
             ("plain, 10 messages a connection", plain, ("-m", MESSAGES)),
             ("TLS and AUTH, 10 messages, resumed", secure, again),
             ("TLS and AUTH, 10 messages, not resumed", secure,
              (*tls, "-m", MESSAGES)),
             ("plain, 10 messages a connection on both sides", plain_short,
              ("-m", MESSAGES)),
             ("TLS and AUTH, the same, resumed on both sides", secure_short,
              again)]
    bases = (0, 0, 2, 2, 2, 5, 5) # what each one is compared with
    runs = [[] for _ in cases]
    for _, sp, options in cases:
        load(sp.port, 1, OCTETS, 0.2, *options)
    for _ in range(bench.rounds):
        for (_, sp, options), found in zip(cases, runs):
            found.append(load(sp.port, SESSIONS, OCTETS, bench.seconds,
                              *options, cpu_of=sp.process))
    table = Table(bench, "10 KB, RSA-2048, 20 sessions, 2 workers",
                  "messages/s", "p50 ms", "p99 ms", "CPU s/1000", "resumed",
                  "of plain")
    for i, ((name, _, _), found) in enumerate(zip(cases, runs)):
        rate = median(found, "rate")
        base = median(runs[bases[i]], "rate")
        table.row(name, rate, median(found, "p50"), median(found, "p99"),
                  median(found, "cpu"),
                  f"{median(found, 'resumed') / median(found, 'connections'):.0%}",
                  rate / base)


def _tell_sink(bench, name, sink):
    made, resumed = sink.stats["connections"], sink.stats["resumed"]
    bench.say(f"Connections to the upstream, {name}: {made:.0f}, sessions "
              f"resumed: {resumed:.0f} ({resumed / made:.0%})")


def run(bench):
    folder = scratch.folder()
    workers = {"server": {"workers": 2}}
    short = {"reuse_messages": MESSAGES}
    try:
        both, certificate = pem(folder)
        with Sink("-c", both, "-a") as sink, Sink("-c", both, "-a") as other:
            with Sink() as bare, Relay(bare, **workers) as plain, \
                    secure_relay(sink, certificate, **workers) as secure, \
                    Relay(bare, upstream_settings=short,
                          **workers) as plain_short, \
                    secure_relay(other, certificate, short,
                                 **workers) as secure_short:
                _compare(bench, plain, secure, plain_short, secure_short)
            _records(bench, sink, certificate)
        _tell_sink(bench, "kept", sink)
        _tell_sink(bench, f"{MESSAGES} messages each", other)
    finally:
        scratch.remove(folder)
