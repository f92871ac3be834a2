"""The machine's limits: what no relay can beat here."""
import os
import platform
import re
import subprocess
import time

from table import Table


def _speed(seconds, *algorithms):
    return subprocess.run(["openssl", "speed", "-seconds", str(seconds),
                           *algorithms], stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, text=True).stdout


def _signatures(bench):
    text = _speed(1 if bench.quick else 3, "rsa2048", "rsa4096", "ed25519")
    for name, pattern in (("RSA-2048", r"^rsa +2048 bits.* (\S+) +\S+$"),
                          ("RSA-4096", r"^rsa +4096 bits.* (\S+) +\S+$"),
                          ("Ed25519", r"Ed25519\).* (\S+) +\S+$")):
        found = re.search(pattern, text, re.M)
        if found:
            yield name + " signatures, one core", float(found[1]), "1/s"


def _sha256(bench):
    text = _speed(1 if bench.quick else 3, "-bytes", "16384", "-evp", "sha256")
    found = re.search(r"^sha256 +([\d.]+)k", text, re.M | re.I)
    if found:
        yield "SHA-256, one core", float(found[1]) / 1e6, "GB/s"


def _memcpy():
    source = bytearray(64 << 20)
    target = bytearray(len(source))
    best = 0.0
    for _ in range(5):
        begin = time.perf_counter()
        memoryview(target)[:] = source
        best = max(best, len(source) / (time.perf_counter() - begin) / 1e9)
    yield "memcpy of 64 MB", best, "GB/s"


def _processor():
    with open("/proc/cpuinfo") as f:
        found = re.search(r"^model name\s*: (.*)", f.read(), re.M)
    return found[1] if found else platform.machine()


def run(bench):
    bench.say(f"{_processor()}, {os.cpu_count()} CPUs, Linux "
              f"{platform.release()}, load {os.getloadavg()[0]:.1f} when "
              "this began (above 0.5 something else ran here: believe ratios "
              "only)\n")
    table = Table(bench, "limit", "figure", "")
    for source in (_signatures(bench), _sha256(bench), _memcpy()):
        for row in source:
            table.row(*row)
