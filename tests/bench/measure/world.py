"""The daemon, the sink behind it, and load in front, for measurements.

    with Sink() as sink, relay(sink) as sp:
        run = load(sp.port, 20, 10240, seconds)
        run.rate, run.p50, run.p99, run.largest, run.count
"""
import os
import re
import resource
import statistics
import subprocess
import tempfile

import processes
import scratch
from sealpost import Sealpost, section

TICKS = os.sysconf("SC_CLK_TCK")
PASSWORD = "secret-for-the-bench"


def fields(line):
    return {k: float(v) for k, v in re.findall(r"(\w+)=([\d.]+)", line)}


def median(runs, name):
    return statistics.median(getattr(r, name) for r in runs)


class Sink:
    """bench_sink: takes all mail. When it has stopped, stats has its last
    line. options: as the program takes them."""

    def __init__(self, *options):
        self.port = scratch.free_port()
        self.process = subprocess.Popen(
            [scratch.program("tests/bench/bench_sink"), *options,
             str(self.port)], stdout=subprocess.PIPE, text=True)
        scratch.wait_port(self.port, self.process)

    def stop(self):
        self.process.terminate()
        self.stats = fields(self.process.communicate(timeout=30)[0])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


class Run:
    """What one run of bench_load said."""

    def __init__(self, line):
        said = fields(line)
        self.rate, self.count = said["rate"], int(said["messages"])
        self.p50, self.p99 = said["p50_ms"], said["p99_ms"]
        self.largest, self.late = said["max_ms"], said["late_ms"]
        self.refused = int(said["refused"])
        self.connections, self.resumed = said["connections"], said["resumed"]
        self.cpu = 0.0 # s for 1000 messages, when it was measured


def command(port, sessions, octets, seconds, *options):
    return [scratch.program("tests/bench/bench_load"), "-p", str(port),
            "-s", str(sessions), "-b", str(octets), "-t", str(seconds),
            *map(str, options)]


def load(port, sessions, octets, seconds, *options, cpu_of=None):
    """cpu_of: the process whose tree's CPU time is wanted."""
    before = cpu(cpu_of) if cpu_of else 0
    done = subprocess.run(command(port, sessions, octets, seconds, *options),
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True, timeout=seconds * 10 + 120)
    if done.returncode != 0:
        raise RuntimeError(done.stderr.strip())
    run = Run(done.stdout)
    if cpu_of and run.count > 0:
        run.cpu = (cpu(cpu_of) - before) * 1000 / run.count
    return run


class Background:
    """Load that goes on beside a measurement, until it is over."""

    def __init__(self, port, sessions, octets, *options):
        self.process = subprocess.Popen(
            command(port, sessions, octets, 3600, *options),
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        ended = self.process.poll()
        self.process.kill()
        self.process.wait()
        if ended is not None:
            raise RuntimeError("the load in the background ended")


def cpu(process):
    """CPU seconds of a process and all below it, dead ones too."""
    total = 0
    for pid in processes.tree(process.pid):
        try:
            stat = scratch.read(f"/proc/{pid}/stat").decode()
        except OSError:
            continue
        total += sum(map(int, stat.rpartition(")")[2].split()[11:15]))
    return total / TICKS


def memory(process):
    """KiB of a process and all below it, shared pages counted once."""
    total = 0
    for pid in processes.tree(process.pid):
        text = scratch.read(f"/proc/{pid}/smaps_rollup").decode()
        total += int(re.search(r"^Pss: +(\d+)", text, re.M)[1])
    return total


def descriptors(process):
    return sum(len(os.listdir(f"/proc/{pid}/fd"))
               for pid in processes.tree(process.pid))


def spool():
    """[spool] on tmpfs, as recommended, when there is some; what has 1 MB
    stays in memory."""
    if not os.access("/dev/shm", os.W_OK):
        return "", None
    folder = tempfile.mkdtemp(prefix="sealpost-bench-", dir="/dev/shm")
    os.chmod(folder, 0o700)
    scratch.give_to(folder, "nobody")
    return section("spool", {"directory": folder, "max_total": "8G",
                             "memory_threshold": "2M"}), folder


def connections():
    """How many the daemon takes: `auto` leaves room for what is not used
    here, and with 9500 there is to be no stress."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return min(12000, hard * 6 // 10)


TRUSTED = {"tls": "none", "auth": "optional",
           "trusted_networks": "127.0.0.0/8", "trusted_user": "alice"}


class Relay(Sealpost):
    """A daemon. listen: without, one on loopback without TLS, whose clients
    are trusted as alice. The rest as with Sealpost."""
    workers = 1

    def __init__(self, sink, listen=None, upstream_settings=None, extra="",
                 limits=None, users=None, server=None, **more):
        text, self.spool = spool()
        super().__init__(
            sink.port, listen=listen or TRUSTED,
            server={"workers": self.workers, **(server or {})},
            upstream_settings={"signatures": "rsa",
                               **(upstream_settings or {})},
            limits={"connections": connections(),
                    "connections_per_ip": 20000,
                    "connections_per_user": 20000,
                    "handshakes_per_minute": 1000000, **(limits or {})},
            users=users or {self.user: (PASSWORD, "*")},
            extra=text + extra, **more)

    def stop(self, seconds=150):
        try:
            super().stop(seconds)
        finally:
            if self.spool:
                scratch.remove(self.spool)

    def __exit__(self, kind, *_):
        super().__exit__(kind, *_)
        if self.spool:
            scratch.remove(self.spool)


def edit(sp, pattern, text):
    """The configuration with the first match of a pattern replaced."""
    conf = scratch.read(sp.config).decode()
    scratch.write(sp.config, re.sub(pattern, text, conf, count=1,
                                    flags=re.M))
