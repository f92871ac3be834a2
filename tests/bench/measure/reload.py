"""Reloads of data and of the configuration while messages go through."""
import os
import signal
import threading

from table import Table
from world import Relay, Sink, edit, load, median


class Every:
    """Calls something each so many seconds, until it is over."""

    def __init__(self, seconds, what):
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._run,
                                       args=(seconds, what))

    def _run(self, seconds, what):
        while not self.over.wait(seconds):
            what()

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()


def run(bench):
    sessions, rate = (300, 300) if bench.quick else (5000, 500)
    seconds = max(4.0, bench.seconds * 2)
    turn = [0]

    with Sink() as sink, Relay(sink, extra="[sign]\nexpire = 7d\n") as sp:
        def data():
            os.kill(sp.process.pid, signal.SIGHUP)

        def configuration():
            turn[0] += 1
            edit(sp, r"^expire = .*", f"expire = {7 + turn[0] % 2}d")
            data()

        load(sp.port, 20, 10240, 0.3)
        bench.say(f"{sessions} connections, {rate} messages of 10 KB a second "
                  "(open loop), a reload each 1.5 s.\n")
        table = Table(bench, "reload", "messages/s", "p50 ms", "p99 ms",
                      "longest ms", "connections made")
        for name, what in (("none", lambda: None), ("users and keys", data),
                           ("configuration", configuration)):
            runs = []
            for _ in range(bench.rounds):
                with Every(1.5, what):
                    runs.append(load(sp.port, sessions, 10240, seconds, "-r",
                                     rate))
            table.row(name, *(median(runs, k) for k in (
                "rate", "p50", "p99", "largest", "connections")))
