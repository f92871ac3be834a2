"""The daemon's processes, as /proc shows them."""
import contextlib
import os
import signal

import scratch

WORKER = "sealpost-worker"
KEEPER, PARENT = "sealpost-keeper", "sealpost-keys" # the keeper and who forks it


def table():
    """{pid: (name, parent's pid)}, the dead left out."""
    found = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                stat = scratch.read(f"/proc/{entry}/stat").decode()
            except OSError:
                continue
            state, parent = stat[stat.rindex(")") + 2:].split()[:2]
            if state not in "ZX":
                found[int(entry)] = (stat[stat.index("(") + 1:
                                          stat.rindex(")")], int(parent))
    return found


def tree(top, every=None):
    """{pid: name} of a process and all below it."""
    every, found = every or table(), {}
    for pid, (name, parent) in every.items():
        above = pid
        while above in every and above != top:
            above = every[above][1]
        if above == top:
            found[pid] = name
    return found


def of(sp, name):
    """Pids of the daemon's processes of that name, wherever in its tree."""
    every = table()
    # A child of the same name is a leak sanitizer at its work.
    return sorted(
        p for p, n in tree(sp.process.pid, every).items()
        if n == name and every.get(every[p][1], ("",))[0] != name)


def kill(sp, name):
    """SIGKILL to all of that name; their pids."""
    pids = of(sp, name)
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    return pids


def stop(pid):
    """SIGSTOP, and waits until every thread has stopped."""
    os.kill(pid, signal.SIGSTOP)
    folder = f"/proc/{pid}/task"
    scratch.wait_for("it to stop", lambda: all(
        b") T " in scratch.read(f"{folder}/{task}/stat")
        for task in os.listdir(folder)))


def kill_all(sp):
    """The power goes: every process of the daemon, before any of them can
    notice that another one is gone."""
    pids = tree(sp.process.pid)
    for number in (signal.SIGSTOP, signal.SIGKILL):
        for pid in pids:
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                pass
    sp.process.wait()
    scratch.wait_for("all gone", lambda: gone(pids))


def gone(pids):
    return not set(pids) & set(table())


def files(pid):
    """What its descriptors are, as /proc names it."""
    found = []
    for fd in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(OSError): # closed meanwhile
            found.append(os.readlink(f"/proc/{pid}/fd/{fd}"))
    return found


def status(pid):
    """/proc/PID/status as a dictionary."""
    return {k: v.strip() for k, v in (
        line.split(":", 1) for line in scratch.read(
            f"/proc/{pid}/status").decode().splitlines())}
