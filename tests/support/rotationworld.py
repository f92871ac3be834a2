"""Nameservers, a relay and a test case for rotations in compressed time.

One BIND holds two owners' zones and the provider's, which nsupdate changes; an
NSD at 127.0.0.2 is the second server of an owner, another at 127.0.0.3 has a
provider's zone from a file. Unbound resolves and keeps nothing. Time is what
--now says.
"""
import json
import os
import pty
import re
import select
import signal
import subprocess
import time
import unittest

import dnspeers
import scratch
import sealpost
from upstream import CapturingUpstream

HOUR, DAY = 3600, 86400
SECRET = "c2VjcmV0IG9mIHRoZSB0ZXN0cyBvZiBTZWFscG9zdA=="
ZONE, FILE_ZONE = "dkim.relay.test", "dkim.file.test"
NO_CACHE = "  cache-max-ttl: 0\n  cache-max-negative-ttl: 0\n"
OWNERS = ("one.test", "two.test", "old.test")


def talk(command, *answers, seconds=60):
    """What a program says on a terminal to somebody who answers so."""
    child, terminal = pty.fork()
    if child == 0:
        os.execv(command[0], command)
    for answer in answers:
        os.write(terminal, answer.encode() + b"\n")
    said, until = b"", time.monotonic() + seconds
    while time.monotonic() < until:
        if not select.select([terminal], [], [], 1)[0]:
            continue
        try:
            piece = os.read(terminal, 65536)
        except OSError: # the program has ended
            break
        said += piece
    else:
        os.kill(child, signal.SIGKILL)
    os.close(terminal)
    os.waitpid(child, 0)
    return said.decode()


class World:
    """The nameservers; the owners' zones are changed by put()."""

    def __init__(self):
        self.stack = []
        self.home = scratch.folder()
        try:
            self._start()
        except BaseException:
            self.stop()
            raise

    def _start(self):
        policy = "grant sealpost zonesub ANY;"
        zones = {zone: [] for zone in OWNERS}
        zones["two.test"] = ["@ NS ns2", "ns2 A 127.0.0.2"]
        zones[ZONE] = []
        self.bind = self.keep(dnspeers.Bind(
            {**zones, "test": []}, dynamic={z: policy for z in zones},
            keys={"sealpost": SECRET}))
        self.key = scratch.write(os.path.join(self.home, "tsig.key"),
                                 dnspeers.tsig_key("sealpost", SECRET), 0o600)
        scratch.give_to(self.home, "nobody")
        self.second = self.nsd("two.test", "127.0.0.2",
                               "@ 60 NS ns.two.test.\n@ 60 NS ns2\n"
                               "ns2 60 A 127.0.0.2\n")
        self.file = self.nsd(FILE_ZONE, "127.0.0.3", "@ 60 NS ns\n"
                             "ns 60 A 127.0.0.3\n$INCLUDE records\n")
        stubs = {z: self.bind.port for z in list(zones) + ["test"]}
        stubs[FILE_ZONE] = f"127.0.0.3@{self.bind.port}"
        self.resolvers = [self.keep(dnspeers.Unbound(stubs, extra=NO_CACHE))
                          for _ in range(2)]

    def nsd(self, zone, address, lines):
        return self.keep(dnspeers.Nsd(
            zone, f"@ 60 SOA ns.{zone}. host.{zone}. 1 3600 600 86400 60\n"
            + lines, files={"records": ""}, address=address,
            port=self.bind.port))

    def keep(self, thing):
        self.stack.append(thing)
        return thing

    def stop(self):
        for thing in reversed(self.stack):
            thing.stop()
        scratch.remove(self.home)

    def dns(self):
        return {"nameserver": f"127.0.0.1:{self.resolvers[0].port}",
                "public_resolvers": f"127.0.0.1:{self.resolvers[1].port}",
                "authoritative_port": self.bind.port, "timeout": "1s"}

    def put(self, *lines):
        """update add/delete lines of nsupdate, in one transaction."""
        zone = re.search(r"(\w+\.test|dkim\.\w+\.test)\.? ",
                         lines[0] + " ").group(1)
        done = subprocess.run(
            ["nsupdate", "-k", self.key], text=True, timeout=20,
            input=f"server 127.0.0.1 {self.bind.port}\nzone {zone}\n"
            + "".join(f"update {line}\n" for line in lines) + "send\n",
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if done.returncode:
            raise AssertionError(done.stdout)

    def delegate(self, domain, tokens, zone=ZONE):
        self.put(*[f"add {t}._domainkey.{domain}. 60 CNAME {t}.{zone}."
                   for t in tokens])

    def txt(self, name, address="127.0.0.1"):
        done = subprocess.run(
            ["dig", "+short", "+tries=1", "+time=3", "@" + address, "-p",
             str(self.bind.port), name, "TXT"],
            stdout=subprocess.PIPE, text=True, timeout=20)
        return done.stdout.replace('" "', "").replace('"', "").strip()


class Relay:
    """A Sealpost whose clock is told."""

    def __init__(self, world, rotate, publish, upstream=9, start=False,
                 users=None, extra=""):
        self.sp = sealpost.Sealpost(
            upstream, keys=(), users=users, dns=world.dns(), start=start,
            extra=sealpost.section("rotate", rotate)
            + sealpost.section("publish", publish) + extra)
        self.now = int(time.time())

    def domain(self, command, *arguments, **more):
        return self.sp.tool("domain", command, *arguments,
                            **more).stdout.decode()

    def add(self, domain, *options):
        """The tokens of its slots."""
        shown = json.loads(self.domain("add", domain, *options, "--json"))
        return [r["host"].split(".")[0] for r in shown["records"]
                if r["type"] == "CNAME"]

    def rotate(self, *arguments, after=0, ok=(0,)):
        self.now += after
        return self.sp.tool("key", "rotate", *(arguments or ["--due"]),
                            "--now", str(self.now), ok=ok).stdout.decode()

    def keys(self, domain, ok=(0,)):
        """{selector: what domain status says}, {state: [selector]}"""
        shown = json.loads(self.domain("status", domain, "--json", "--now",
                                       str(self.now), ok=ok))
        states = {}
        for k in shown:
            states.setdefault(k["state"], []).append(k["selector"])
        return {k["selector"]: k for k in shown}, states

    def until_active(self, domain):
        """The first key through its proof; its selector."""
        self.rotate()
        self.rotate(after=5 * HOUR)
        return self.keys(domain)[1]["active"][0]

    def colour(self, domain):
        return next(d["colour"] for d in
                    json.loads(self.domain("list", "--json"))
                    if d["domain"] == domain)

    def stop(self):
        self.sp.stop() if self.sp.process else self.sp.__exit__(None)


class Rotations(unittest.TestCase):
    """One world, upstream and relay for all tests of a class."""

    @classmethod
    def setUpClass(cls):
        cls.world = World()
        cls.addClassCleanup(cls.world.stop)
        cls.upstream = CapturingUpstream()
        cls.addClassCleanup(cls.upstream.stop)
        cls.relay = cls.make_relay()
        cls.addClassCleanup(cls.relay.stop)
