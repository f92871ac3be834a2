"""Start with very many keys."""
import time

import processes
import scratch
import world
from population import put_key, rsa_key
from table import Table


def _pss(pid):
    text = scratch.read(f"/proc/{pid}/smaps_rollup").decode()
    return int(text.split("Pss:")[1].split()[0]) / 1024


def run(bench):
    count = 5000 if bench.quick else 100000
    with world.Sink() as sink, world.Relay(sink, start=False) as sp:
        key = rsa_key()
        for n in range(count):
            put_key(sp, f"d{n}.example", "s1", key, type="rsa")
        scratch.give_to(sp.state, "nobody")
        table = Table(bench, f"{count} RSA-2048 keys", "figure")
        begin = time.monotonic()
        sp.start()
        table.row("s from exec to ready, files in the page cache",
                  time.monotonic() - begin)
        for name in (processes.KEEPER, processes.WORKER):
            for pid in processes.of(sp, name):
                table.row(f"MiB of {name}", _pss(pid))
        run = world.load(sp.port, 20, 10240, bench.seconds)
        table.row("messages/s, 10 KB, 20 sessions", run.rate)
