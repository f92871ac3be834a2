"""Processes whose calls fail, do little or take long: tests/support/faults.c.

    with Faults() as faults, Sealpost(...) as sp:
        faults.fail("recv", 7)              a worker's seventh from now on
        faults.fail("open", 2, KEEPER)      of another process
        ...
        faults.hits()                       0: there were fewer

    with Faults(trickle=True): streams take and give a few octets at a time
    with Faults(delays=True): each process is held up now and then
"""
import mmap
import os
import struct
import subprocess
import unittest.mock

import scratch

OFF, FAIL, TRICKLE, DELAY = range(4)
WORKER, MASTER, PARENT, KEEPER = range(4)
FORMAT = "IIIII24s"
LENGTH = struct.calcsize(FORMAT)
# A sanitizer's library wants to be the first one.
ASAN = "verify_asan_link_order=0:detect_leaks=1:exitcode=99"


class Faults:
    def __init__(self, trickle=False, delays=False):
        self.folder = scratch.folder()
        os.chmod(self.folder, 0o755)
        library = os.path.join(self.folder, "faults.so")
        subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", library,
                        os.path.join(os.path.dirname(__file__), "faults.c")],
                       check=True)
        path = os.path.join(self.folder, "control")
        scratch.write(path, b"\0" * 4096, 0o666)
        os.chmod(path, 0o666) # workers are another account's
        with open(path, "r+b") as f:
            self.map = mmap.mmap(f.fileno(), 4096)
        self.patches = [
            unittest.mock.patch.dict("os.environ", {
                "LD_PRELOAD": library, "TEST_FAULTS": path}),
            unittest.mock.patch.dict("sealpost.SANITIZERS",
                                     {"ASAN_OPTIONS": ASAN})]
        self._set(TRICKLE if trickle else DELAY if delays else OFF)

    def _set(self, mode, at=0, name="", whose=WORKER):
        self.map[:LENGTH] = struct.pack(FORMAT, OFF, at, 0, 0, whose,
                                        name.encode())
        self.map[:4] = struct.pack("I", mode)

    def fail(self, name, at, whose=WORKER):
        self._set(FAIL, at, name, whose)

    def off(self):
        self.map[:4] = struct.pack("I", OFF)

    def hits(self):
        """Calls that failed, were cut short or held up."""
        return struct.unpack(FORMAT, self.map[:LENGTH])[3]

    def __enter__(self):
        for p in self.patches:
            p.start()
        return self

    def __exit__(self, *_):
        for p in self.patches:
            p.stop()
        self.map.close()
        scratch.remove(self.folder)
