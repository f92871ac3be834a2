"""Many users, each with a domain and a key of her own, in rotation."""
import smtplib

from population import put_key, put_users, rsa_key
from table import Table
from world import Relay, Sink, load, median

OCTETS, PASSWORD = 10240, "secret"
LISTEN = {"tls": "none", "auth": "required", "require_tls": "no"}


def fill(sp, count):
    """One key under many names: each is a key of its own to the keeper."""
    key = rsa_key()
    for n in range(count):
        put_key(sp, f"d{n}.example", "s1", key, type="rsa")
    put_users(sp, {f"u{n}": {"password": PASSWORD, "from": f"d{n}.example"}
                   for n in range(count)})


def log_in(sp, count):
    """Each once, so that the check of a password is in nobody's time."""
    for n in range(count):
        with smtplib.SMTP("127.0.0.1", sp.port) as client:
            client.login(f"u{n}", PASSWORD)


def run(bench):
    count = 200 if bench.quick else 1000
    table = Table(bench, f"10 KB, RSA-2048, AUTH, {count} sessions",
                  "messages/s", "p50 ms", "p99 ms", "CPU s/1000")
    with Sink() as sink, Relay(sink, listen=LISTEN, start=False) as sp:
        fill(sp, count)
        sp.start()
        cases = {"one user": 1, f"{count} users": count}
        runs = {name: [] for name in cases}
        log_in(sp, count)
        load(sp.port, count, OCTETS, 2 * bench.seconds, "-n", count, "-u",
             "u%u:" + PASSWORD, "-f", "a@d%u.example") # keys are parsed
        for _ in range(bench.rounds):
            for name, users in cases.items():
                runs[name].append(load(
                    sp.port, count, OCTETS, bench.seconds, "-n", users,
                    "-u", "u%u:" + PASSWORD, "-f", "a@d%u.example",
                    cpu_of=sp.process))
    for name, found in runs.items():
        table.row(name, *(median(found, k)
                          for k in ("rate", "p50", "p99", "cpu")))
