"""Two network namespaces and a wire between them that loses, delays, reorders
and cuts: packets go through this process, on a tun device at either end.

    with BadWire() as wire:
        with wire.near(): ...   sockets and processes made here are at NEAR
        with wire.far(): ...    and at FAR

No packet leaves the machine. Needs root and /dev/net/tun: see missing().
"""
import contextlib
import ctypes
import fcntl
import heapq
import os
import random
import select
import struct
import subprocess
import threading
import time

NEAR, FAR = "10.99.0.1", "10.99.0.2"
CLONE_NEWNET, TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x40000000, 0x400454CA, 1, 0x1000
MTU = 1400
libc = ctypes.CDLL(None, use_errno=True)


def missing():
    """Why it can't be had here; None: it can."""
    if os.getuid() != 0:
        return "namespaces need root"
    try:
        os.close(os.open("/dev/net/tun", os.O_RDWR))
    except OSError as e:
        return f"/dev/net/tun: {e.strerror}"
    return None


def call(function, *arguments):
    if function(*arguments) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def here():
    """This thread's namespace, as a descriptor."""
    return os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)


class End:
    """One namespace, with its tun device."""

    def __init__(self, address):
        home = here()
        try:
            call(libc.unshare, CLONE_NEWNET)
            self.namespace = here()
            self.fd = os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC)
            fcntl.ioctl(self.fd, TUNSETIFF, struct.pack(
                "16sH22x", b"wire", IFF_TUN | IFF_NO_PI))
            for line in ("link set lo up", f"addr add {address}/24 dev wire",
                         f"link set wire mtu {MTU} up"):
                subprocess.run(["ip", *line.split()], check=True)
        finally:
            call(libc.setns, home, CLONE_NEWNET)
            os.close(home)

    @contextlib.contextmanager
    def entered(self):
        home = here()
        call(libc.setns, self.namespace, CLONE_NEWNET)
        try:
            yield
        finally:
            call(libc.setns, home, CLONE_NEWNET)
            os.close(home)

    def close(self):
        os.close(self.fd)
        os.close(self.namespace)


class BadWire:
    """loss: of so many packets, 0 to 1. delay_s: (least, most), drawn for each
    packet, so that they overtake each other."""

    def __init__(self, loss=0.0, delay_s=(0.0, 0.0), seed=0):
        self.loss, self.delay_s = loss, delay_s
        self.dice = random.Random(seed)
        self.is_cut, self.over = threading.Event(), threading.Event()
        self.carried = self.lost = self.overtaken = 0
        self.ends = End(NEAR), End(FAR)
        self.thread = threading.Thread(target=self._carry, daemon=True)
        self.thread.start()

    def near(self):
        return self.ends[0].entered()

    def far(self):
        return self.ends[1].entered()

    @contextlib.contextmanager
    def cut(self):
        """Nothing arrives, neither way."""
        self.is_cut.set()
        try:
            yield
        finally:
            self.is_cut.clear()

    def _carry(self):
        waiting, number = [], 0 # a heap of (when, number, to, packet)
        fds = [e.fd for e in self.ends]
        while not self.over.is_set():
            wait = waiting[0][0] - time.monotonic() if waiting else 0.1
            for fd in select.select(fds, [], [], max(0, min(wait, 0.1)))[0]:
                packet = os.read(fd, 65536)
                if self.is_cut.is_set() or self.dice.random() < self.loss:
                    self.lost += 1
                    continue
                number += 1
                heapq.heappush(waiting, (
                    time.monotonic() + self.dice.uniform(*self.delay_s),
                    number, fds[1 - fds.index(fd)], packet))
            while waiting and waiting[0][0] <= time.monotonic():
                _, place, to, packet = heapq.heappop(waiting)
                self.carried += 1
                self.overtaken += any(w[1] < place for w in waiting)
                with contextlib.suppress(OSError): # as a full queue loses it
                    os.write(to, packet)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()
        for e in self.ends:
            e.close()
