"""Start with very many keys."""
import os
import statistics
import time

import processes
import scratch
import world
from population import password_hash, put_key, rsa_key
from table import Table


def fill(sp, count, users=False):
    """So many domains with a key, and as many users, beside the one who is
    there: one key and one password under many names."""
    key = rsa_key()
    for n in range(count):
        put_key(sp, f"d{n}.example", "s1", key, type="rsa")
    if users:
        secret = password_hash("secret")
        with open(os.path.join(sp.state, "users.conf"), "a") as f:
            f.writelines(f"[u{n}]\npassword = {secret}\n"
                         f"from = d{n}.example\n" for n in range(count))
    scratch.give_to(sp.state, "nobody")


def _pss(pid):
    text = scratch.read(f"/proc/{pid}/smaps_rollup").decode()
    return int(text.split("Pss:")[1].split()[0]) / 1024


def _drop_caches():
    """Nothing of a file is in memory. False: that takes root."""
    os.sync()
    try:
        with open("/proc/sys/vm/drop_caches", "w") as f:
            f.write("3")
    except OSError:
        return False
    return True


def _start(sp):
    """Seconds from exec to ready, and of CPU."""
    begin = time.monotonic()
    sp.launch(seconds=300)
    return time.monotonic() - begin, world.cpu(sp.process)


def _stop(sp):
    sp.process.terminate()
    sp.process.wait(60)


def _starts(bench, sp, table):
    for name, before in (("in the page cache", lambda: True),
                         ("not in the page cache", _drop_caches)):
        found = []
        for _ in range(bench.rounds):
            if before():
                found.append(_start(sp))
                _stop(sp)
        if found:
            table.row(f"s from exec to ready, files {name}",
                      statistics.median(f[0] for f in found))
            table.row("s of CPU in that",
                      statistics.median(f[1] for f in found))


def run(bench):
    count = 5000 if bench.quick else 100000
    with world.Sink() as sink, world.Relay(sink, start=False) as sp:
        fill(sp, count)
        table = Table(bench, f"{count} RSA-2048 keys", "figure")
        _starts(bench, sp, table)
        sp.launch(seconds=300)
        for name in (processes.KEEPER, processes.WORKER):
            for pid in processes.of(sp, name):
                table.row(f"MiB of {name}", _pss(pid))
        run = world.load(sp.port, 20, 10240, bench.seconds)
        table.row("messages/s, 10 KB, 20 sessions", run.rate)
