#!/usr/bin/env python3
"""What a relayed message costs, exactly: fails when it has grown by 5 %.

    make check-cost             against tests/bench/cost.txt
    make check-cost UPDATE=1    writes what is measured there

instructions: of the worker's code, libevent and libc for a message of 10 KB,
counted by callgrind around the event loop of tests/bench/cost_session;
libcrypto is left out, libc is kept from choosing by processor, and the
signature is one that is not checked, as 63 of 64.
syscalls: of a real worker for a message of 10 KB, one session, counted by
strace; epoll_wait is left out, since it depends on who is quicker.
"""
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "support"),
                os.path.join(HERE, "measure")]
sys.dont_write_bytecode = True
import processes
import scratch
import world

FILE = os.path.join(HERE, "cost.txt")
ALLOWED = 1.05
FEW, MANY = 50, 150
TUNABLES = "glibc.cpu.hwcaps=-AVX2,-AVX,-AVX512F,-AVX512VL,-ERMS,-FSRM"


def by_object(path):
    """{object file: its own instructions} of a callgrind file."""
    names, totals, current, inclusive = {}, {}, "", False
    with open(path) as f:
        for line in f:
            found = re.match(r"(c?ob)=\((\d+)\)(?: (.*))?$", line)
            if found:
                names.setdefault(found[2], found[3])
                if found[1] == "ob":
                    current = names[found[2]]
            elif line.startswith("calls="):
                inclusive = True # the next line is another function's
            elif re.match(r"[+\-*\d]", line):
                if not inclusive:
                    totals[current] = totals.get(current, 0) \
                        + int(line.split()[1])
                inclusive = False
    return totals


def count(messages, folder):
    out = os.path.join(folder, f"callgrind.{messages}")
    done = subprocess.run(
        ["valgrind", "--tool=callgrind", "--toggle-collect=event_base_loop",
         "--callgrind-out-file=" + out,
         scratch.program("tests/bench/cost_session"), str(messages)],
        env=dict(os.environ, GLIBC_TUNABLES=TUNABLES),
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0:
        raise SystemExit("check-cost: " + done.stdout)
    return sum(n for name, n in by_object(out).items()
               if "libcrypto" not in name)


def instructions():
    with tempfile.TemporaryDirectory() as folder:
        return (count(MANY, folder) - count(FEW, folder)) / (MANY - FEW)


def calls(text):
    """Of `strace -c`: all but epoll_wait."""
    rows = re.findall(r"^ *[\d.]+ +[\d.]+ +\d+ +(\d+) +(?:\d+ +)?(\w+)$",
                      text, re.M)
    return sum(int(n) for n, name in rows
               if name not in ("epoll_wait", "total"))


def syscalls():
    with tempfile.TemporaryDirectory() as folder, world.Sink() as sink, \
            world.Relay(sink) as sp:
        world.load(sp.port, 1, 10240, 0.2)
        out = os.path.join(folder, "strace")
        worker = processes.of(sp, processes.WORKER)[0]
        tracer = subprocess.Popen(
            ["strace", "-f", "-c", "-o", out, "-p", str(worker)],
            stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(0.5)
        if tracer.poll() is not None:
            return None # the system lets nobody trace
        run = world.load(sp.port, 1, 10240, 3)
        tracer.send_signal(signal.SIGINT)
        tracer.wait(30)
        return calls(scratch.read(out).decode()) / run.count


def known():
    rows = {}
    with open(FILE) as f:
        for line in f:
            if line.strip() and not line.startswith("#"):
                name, value = line.split()
                rows[name] = float(value)
    return rows


def write(measured):
    with open(FILE) as f:
        head = [line for line in f if line.startswith("#")]
    with open(FILE, "w") as f:
        f.writelines(head)
        f.writelines(f"{name} {value:.1f}\n"
                     for name, value in measured.items())


def judge(name, value, before):
    """Says it; False when it costs too much."""
    change = value / before - 1
    print(f"{name}: {value:.1f}, known {before:.1f}, {change:+.1%}")
    if value > before * ALLOWED:
        print(f"FAIL {name} may rise by 5 %; where from: README.md beside "
              "this; meant: make check-cost UPDATE=1")
        return False
    return True


def main():
    measured = {}
    for program, name, measure in (("valgrind", "instructions", instructions),
                                   ("strace", "syscalls", syscalls)):
        value = measure() if shutil.which(program) else None
        if value is None:
            print(f"{name}: not counted, {program} is not installed or may "
                  "not trace")
        else:
            measured[name] = value
    if os.environ.get("UPDATE"):
        write({**known(), **measured})
        return 0
    before = known()
    good = [judge(name, value, before[name])
            for name, value in measured.items()]
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
