"""Small messages on quiet connections while others do what is slow."""
import contextlib

import scratch
from nameserver import SILENT, Nameserver
from sealpost import section
from table import Table
from world import TRUSTED, Background, Relay, Sink, load, median

LIGHT, OCTETS = 5, 2048


def _extra(stalled, ports):
    """A listener whose upstream stalls, and an inbound one."""
    return section("upstream stalled", {
        "address": f"127.0.0.1:{stalled.port}", "tls": "none"}) + section(
            "listen stalled", {**TRUSTED, "upstream": "stalled",
                               "address": f"127.0.0.1:{ports[0]}"}) + section(
            "listen inbound", {"mode": "inbound", "tls": "none",
                               "relay_domains": "example.net",
                               "upstream": "smarthost",
                               "address": f"127.0.0.1:{ports[1]}"})


@contextlib.contextmanager
def _crowd(sp, ports):
    """All of them at once."""
    with contextlib.ExitStack() as stack:
        for neighbour in _neighbours(sp, ports)[1:-1]:
            stack.enter_context(neighbour[1]())
        yield


def _neighbours(sp, ports):
    def beside(*arguments):
        return lambda: Background(*arguments)

    return [
        ("nobody", contextlib.nullcontext),
        ("10 sessions that sign with RSA-4096",
         beside(sp.port, 10, 2048, "-f", "a@big.example")),
        ("2 sessions that send 50 MB", beside(sp.port, 2, 50000000)),
        ("20 inbound sessions, silent DNS",
         beside(ports[1], 20, 2048, "-f", "a@slow.test")),
        ("20 sessions, upstream stalled", beside(ports[0], 20, 2048)),
        ("all of these", lambda: _crowd(sp, ports)),
    ]


def _light(bench, sp):
    return load(sp.port, LIGHT, OCTETS, bench.seconds)


def _beside(bench, sp, ports):
    table = Table(bench, f"{LIGHT} sessions of 2 KB beside", "messages/s",
                  "p50 ms", "p99 ms", "longest ms", "p99 to quiet")
    _light(bench, sp)
    for name, neighbour in _neighbours(sp, ports):
        runs, quiet = [], []
        for _ in range(bench.rounds):
            quiet.append(_light(bench, sp)) # in turns
            with neighbour():
                load(sp.port, 1, OCTETS, 0.3) # it has begun
                runs.append(_light(bench, sp))
        table.row(name, *(median(runs, k) for k in (
            "rate", "p50", "p99", "largest")),
            median(runs, "p99") / median(quiet, "p99"))


def _slow_clients(bench, sp):
    bench.say()
    table = Table(bench, "100 sessions of 2 KB", "messages/s", "p50 ms",
                  "p99 ms", "longest ms")
    for name, options in (("all quick", ()),
                          ("one in 100 sends 1 KB a second", ("-l", 1))):
        runs = [load(sp.port, 100, OCTETS, max(3, bench.seconds), *options)
                for _ in range(bench.rounds)]
        table.row(name, *(median(runs, k)
                          for k in ("rate", "p50", "p99", "largest")))


def run(bench):
    ports = scratch.free_port(), scratch.free_port()
    with Nameserver({"slow.test": SILENT, "_dmarc.slow.test": SILENT}) as ns, \
            Sink() as sink, Sink("-d", "2000") as stalled, \
            Relay(sink, dns={"nameserver": ns.address, "timeout": "1s"},
                  extra=_extra(stalled, ports), start=False) as sp:
        sp.add_key("big.example", "b1", "--type", "rsa", "--bits", "4096")
        sp.start()
        _beside(bench, sp, ports)
        _slow_clients(bench, sp)
