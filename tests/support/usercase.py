"""A test case with one daemon, many users, and their decisions foretold."""
import base64
import json
import os
import re
import unittest

import mails
import population
import scratch
import verifiers
from rawclient import RawClient
from sealpost import Sealpost, message, section
from upstream import CapturingUpstream


def signatures(data):
    """[(d, s, a)] of the DKIM-Signatures, from the top."""
    head = re.sub(rb"\r\n[ \t]+", b" ", data.split(b"\r\n\r\n")[0])
    found = []
    for line in head.split(b"\r\n"):
        if line.startswith(b"DKIM-Signature:"):
            tags = dict(re.findall(r"([a-z]+)=([^;]*)", line.decode()))
            found.append((tags["d"], tags["s"], tags["a"]))
    return found


class UserCase(unittest.TestCase):
    """A daemon that takes AUTH in clear too, for speed; build() fills it
    with users and keys. settings: Sealpost()'s, and "clear" for that listener,
    "routes": {name: settings} for further upstreams, "extra": more text."""

    settings = {}

    @classmethod
    def setUpClass(cls):
        settings = dict(cls.settings)
        cls.up = CapturingUpstream()
        cls.clear_port = scratch.free_port()
        clear = section("listen clear", {
            "address": f"127.0.0.1:{cls.clear_port}", "tls": "none",
            "upstream": "smarthost", **settings.pop("clear", {})})
        other = "".join(section("upstream " + name, {
            "address": f"127.0.0.1:{cls.up.port}", "tls": "none", **more})
            for name, more in settings.pop("routes", {}).items())
        try:
            cls.sp = Sealpost(
                cls.up.port, users={}, keys=(), start=False,
                upstream_settings={"signatures": "ed25519"},
                extra=clear + other + settings.pop("extra", ""), **settings)
            cls.build()
            cls.sp.start()
        except BaseException:
            cls.up.stop()
            raise

    @classmethod
    def tearDownClass(cls):
        try:
            cls.sp.stop()
        finally:
            cls.up.stop()

    def setUp(self):
        self.arrived = len(self.up.messages)

    def client(self, user, password=None, tls=False):
        c = RawClient(self.sp.port if tls else self.clear_port)
        self.addCleanup(c.close)
        return c.ready(user, password or "pw-" + user, tls=tls)

    def send(self, c, data, sender="x@example.net"):
        """(code, text) of the end of data, what came or None, log line."""
        before = len(self.sp.lines("message"))
        arrived = len(self.up.messages)
        c.envelope(sender, "bob@example.net")
        c.send(mails.stuffed(data))
        code, text = c.reply()
        got = self.up.wait(arrived + 1)[-1].data if code == 250 else None
        line = self.sp.wait_line("message", before + 1)[-1]
        self.assertEqual(len(self.up.messages), arrived + (got is not None))
        return code, text, got, line

    def dry_run(self, user, sender, *more):
        return json.loads(self.sp.tool("user", "test", user, "--from", sender,
                                       "--json", *more).stdout)

    def settle(self, *command):
        """A command of the tool, or a mere reload; back when the worker has
        what it changed: it lets a user in who came with it."""
        before = len(self.sp.lines("loaded"))
        name = f"settled{before}"
        with open(os.path.join(self.sp.state, "users.conf"), "a") as f:
            f.write(section(name, {"password":
                                   population.password_hash(name)}))
        if command:
            self.sp.tool(*command)
        else:
            self.sp.reload()
        self.sp.wait_line("loaded", before + 1)
        scratch.wait_for("the new view", lambda: self.knows(name))

    def knows(self, name):
        blob = base64.b64encode(f"\0{name}\0{name}".encode()).decode()
        with RawClient(self.clear_port) as c:
            return c.ready(tls=False).command(f"AUTH PLAIN {blob}")[0] == 235

    def as_foretold(self, user, sender, foretold=None, c=None):
        """Sends; what `user test` says is what happens. Both."""
        foretold = foretold or self.dry_run(user, sender)
        code, text, got, line = self.send(c or self.client(user),
                                          message(sender=sender))
        wanted = [(s["domain"], s["selector"], s["algorithm"])
                  for s in foretold["signatures"]]
        if foretold["decision"] == "refuse":
            self.assertEqual((code, None), (foretold["code"], got))
            self.assertTrue(text.startswith(
                f"{foretold['enhanced']} {foretold['text']} ["), text)
            self.assertEqual(line["reason"], foretold["rule"])
            self.assertEqual(line["outcome"], "refused")
            return foretold, None
        self.assertEqual(code, 250, text)
        self.assertEqual(signatures(got), wanted)
        if wanted:
            self.assertTrue(verifiers.dkimpy(got, self.sp.records))
            self.assertEqual(line["signed"], ",".join(map("/".join, wanted)))
            self.assertEqual(line["rule"], foretold["rule"])
            self.assertEqual(line["aligned"],
                             "yes" if foretold["aligned"] else "no")
        else:
            self.assertEqual(line["reason"], foretold["rule"])
        return foretold, got
