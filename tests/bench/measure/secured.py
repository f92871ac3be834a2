"""TLS and AUTH on both sides against plain, in turns."""
import os
import socket
import struct
import threading

import scratch
from table import Table
from world import PASSWORD, Relay, Sink, load, median

OCTETS, SESSIONS = 10240, 20


def pem(folder):
    """Certificate and key in one file for the sink, and the certificate."""
    certificate, key = scratch.certificate(folder)
    both = scratch.write(os.path.join(folder, "both.pem"),
                         scratch.read(certificate) + scratch.read(key))
    return both, certificate


def secure_relay(port_of, certificate, **more):
    """AUTH over STARTTLS from clients and towards the upstream."""
    folder = os.path.dirname(certificate)
    password = scratch.write(os.path.join(folder, "password"), "x\n", 0o600)
    scratch.give_to(folder, "nobody")
    return Relay(port_of,
                 listen={"tls": "starttls", "auth": "required"},
                 upstream_settings={
                     "tls": "starttls", "ca_file": certificate,
                     "login": "password", "username": "relay",
                     "password_file": password}, **more)


class Counter:
    """Between relay and sink: counts TLS records on their way to the sink."""

    def __init__(self, sink):
        self.sink, self.records = sink, 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            near, _ = self.listener.accept()
            far = socket.create_connection(("127.0.0.1", self.sink.port))
            for s in (near, far):
                s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for pair in ((near, far, self._count), (far, near, bytes)):
                threading.Thread(target=self._copy, args=pair,
                                 daemon=True).start()

    @staticmethod
    def _copy(source, target, look):
        held = b""
        try:
            while True:
                data = source.recv(65536)
                if not data:
                    break
                held = look(held + data)
                target.sendall(data)
        except OSError: # the other side has gone
            pass
        target.close()

    def _count(self, held):
        """Whole records taken off; commands before TLS are no records."""
        while len(held) >= 5:
            if held[0] not in (20, 21, 22, 23):
                return b""
            end = 5 + struct.unpack(">H", held[3:5])[0]
            if len(held) < end:
                break
            self.records += held[0] == 23
            held = held[end:]
        return held


def _records(bench, sink, certificate):
    counter = Counter(sink)
    with secure_relay(counter, certificate) as sp:
        options = ("-T", "starttls", "-u", f"{sp.user}:{PASSWORD}")
        load(sp.port, 1, OCTETS, 0.2, *options)
        before = counter.records
        run = load(sp.port, 1, OCTETS, bench.seconds, *options)
        bench.say(f"\nTLS records to the upstream for a message of 10 KB: "
                  f"{(counter.records - before) / run.count:.2f}")


def _compare(bench, plain, secure):
    tls = ("-T", "starttls", "-u", f"{secure.user}:{PASSWORD}")
    cases = [("plain, kept connections", plain, ()),
             ("TLS and AUTH, kept connections", secure, tls),
             ("plain, 10 messages a connection", plain, ("-m", 10)),
             ("TLS and AUTH, 10 messages, resumed", secure,
              (*tls, "-m", 10, "-R")),
             ("TLS and AUTH, 10 messages, not resumed", secure,
              (*tls, "-m", 10))]
    runs = [[] for _ in cases]
    for sp, options in ((plain, ()), (secure, tls)):
        load(sp.port, 1, OCTETS, 0.2, *options)
    for _ in range(bench.rounds):
        for (_, sp, options), found in zip(cases, runs):
            found.append(load(sp.port, SESSIONS, OCTETS, bench.seconds,
                              *options, cpu_of=sp.process))
    table = Table(bench, "10 KB, RSA-2048, 20 sessions", "messages/s",
                  "p50 ms", "p99 ms", "CPU s/1000", "resumed",
                  "of plain")
    for i, ((name, _, _), found) in enumerate(zip(cases, runs)):
        rate = median(found, "rate")
        base = median(runs[0 if i < 2 else 2], "rate")
        table.row(name, rate, median(found, "p50"), median(found, "p99"),
                  median(found, "cpu"),
                  f"{median(found, 'resumed') / median(found, 'connections'):.0%}",
                  rate / base)


def run(bench):
    folder = scratch.folder()
    try:
        both, certificate = pem(folder)
        with Sink("-c", both, "-a") as sink:
            with Sink() as bare, Relay(bare) as plain, \
                    secure_relay(sink, certificate) as secure:
                _compare(bench, plain, secure)
            _records(bench, sink, certificate)
        bench.say(f"Connections to the upstream: "
                  f"{sink.stats['connections']:.0f}, sessions resumed: "
                  f"{sink.stats['resumed']:.0f}")
    finally:
        scratch.remove(folder)
