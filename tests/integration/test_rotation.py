"""Rotations from beginning to end with real nameservers, in compressed time;
and what their commands print and refuse."""
import json
import os
import re
import threading
import unittest

import dnspeers
import scratch
import sealpost
from rotationworld import DAY, FILE_ZONE, HOUR, ZONE, Relay, Rotations, talk


class Updated(Rotations):
    """Delegated domains, a zone that nsupdate changes, a running daemon."""

    @classmethod
    def make_relay(cls):
        return Relay(
            cls.world, {"zone": ZONE, "publish": "rfc2136"},
            {"server": f"127.0.0.1:{cls.world.bind.port}",
             "tsig_key_file": cls.world.key}, cls.upstream.port, True,
            {"alice": ("correct horse", "one.test, old.test")})

    def signed_by(self, domain):
        """The selector of a message that alice sends; "" unsigned."""
        text = sealpost.message(sender=f"alice@{domain}")
        with self.relay.sp.smtp() as smtp:
            smtp.sendmail(f"alice@{domain}", ["bob@example.net"], text)
        got = self.upstream.messages[-1].data
        found = re.search(rb"(?s)DKIM-Signature:.*?s=([a-z0-9]+);", got)
        return found.group(1).decode() if found else ""

    def wait_signed_by(self, domain, selector):
        scratch.wait_for(f"{selector} signs for {domain}",
                         lambda: self.signed_by(domain) == selector)

    def test_life(self):
        relay, world = self.relay, self.world
        tokens = relay.add("one.test")
        self.assertEqual(len(tokens), 3)
        self.assertIn("p=MII", world.txt(f"{tokens[0]}.{ZONE}"))
        relay.rotate(after=HOUR)
        self.assertEqual(relay.keys("one.test")[1], {"published": tokens[:1]})
        self.assertEqual(self.signed_by("one.test"), "")
        # the owner does his part; nothing signs before the wait is over
        world.delegate("one.test", tokens)
        relay.rotate(after=HOUR)
        relay.rotate(after=3 * HOUR)
        self.assertEqual(self.signed_by("one.test"), "")
        relay.rotate(after=2 * HOUR)
        first = tokens[0]
        self.assertEqual(relay.keys("one.test")[1],
                         {"active": [first], "published": [tokens[1]]})
        self.assertEqual(relay.colour("one.test"), "green")
        self.wait_signed_by("one.test", first)
        self.rotate_on(tokens)
        self.vanish(tokens)
        self.emergency()

    def rotate_on(self, tokens):
        """every, retire, revoked: the ring turns once."""
        relay, world = self.relay, self.world
        relay.rotate(after=HOUR)
        relay.rotate(after=DAY)
        keys, _ = relay.keys("one.test")
        self.assertEqual(keys[tokens[1]]["next"], "activate")
        relay.rotate(after=88 * DAY)
        self.assertEqual(relay.keys("one.test")[1]["active"], tokens[:1])
        relay.rotate(after=2 * DAY)
        self.assertEqual(relay.keys("one.test")[1],
                         {"retiring": [tokens[0]], "active": [tokens[1]],
                          "published": [tokens[2]]})
        self.wait_signed_by("one.test", tokens[1])
        relay.rotate(after=29 * DAY)
        self.assertIn("p=MII", world.txt(f"{tokens[0]}.{ZONE}"))
        relay.rotate(after=2 * DAY)
        self.assertRegex(world.txt(f"{tokens[0]}.{ZONE}"), "p=$")
        relay.rotate(after=8 * DAY)
        self.assertEqual(world.txt(f"{tokens[0]}.{ZONE}"), "")
        self.assertNotIn(tokens[0], relay.keys("one.test")[0])

    def vanish(self, tokens):
        """The active key's CNAME is taken away, and comes back."""
        relay, world = self.relay, self.world
        relay.rotate(after=DAY)
        world.put(f"delete {tokens[1]}._domainkey.one.test. CNAME")
        relay.rotate(after=HOUR)
        keys, _ = relay.keys("one.test", ok=(1,))
        self.assertEqual(keys[tokens[1]]["fault"], "gone")
        self.assertEqual(relay.colour("one.test"), "red")
        self.wait_signed_by("one.test", tokens[2]) # proved and visible
        world.delegate("one.test", tokens[1:2])
        relay.rotate(after=HOUR)
        self.assertEqual(relay.colour("one.test"), "green")
        self.wait_signed_by("one.test", tokens[1])

    def emergency(self):
        relay, world = self.relay, self.world
        bad = relay.keys("one.test")[1]["active"][0]
        nxt = relay.keys("one.test")[1]["published"][0]
        done = relay.sp.tool("key", "rotate", "one.test", "--emergency",
                             "--dry-run", "--now", str(relay.now))
        self.assertIn(b"affected: alice (one.test)", done.stderr)
        self.assertIn(b"dry run: one.test " + nxt.encode() + b": active",
                      done.stdout)
        self.assertEqual(relay.keys("one.test")[1]["active"], [bad])
        relay.rotate("one.test", "--emergency")
        states = relay.keys("one.test")[1]
        self.assertEqual((states["active"], states["revoked"]),
                         ([nxt], [bad]))
        self.assertRegex(world.txt(f"{bad}.{ZONE}"), "p=$")
        self.wait_signed_by("one.test", nxt)

    def test_migration(self):
        """A selector of the owner's own signs until the slots are proved."""
        relay, world = self.relay, self.world
        relay.sp.add_key("old.test", "sp1")
        value = relay.sp.records["sp1._domainkey.old.test"]
        world.put("add sp1._domainkey.old.test. 60 TXT "
                  + dnspeers.txt(value))
        shown = json.loads(relay.domain("migrate", "old.test", "--delegated",
                                        "--json"))
        tokens = [r["host"].split(".")[0] for r in shown["records"]
                  if r["type"] == "CNAME"]
        relay.rotate(after=9 * HOUR)
        self.wait_signed_by("old.test", "sp1")
        world.delegate("old.test", tokens)
        relay.rotate(after=HOUR)
        self.assertEqual(self.signed_by("old.test"), "sp1")
        relay.rotate(after=5 * HOUR)
        self.wait_signed_by("old.test", tokens[0])
        keys, states = relay.keys("old.test")
        self.assertEqual(states["retiring"], ["sp1"])
        self.assertIn("TXT record may go", keys["sp1"]["condition"])
        relay.rotate(after=31 * DAY)
        self.assertEqual(relay.keys("old.test")[1]["revoked"], ["sp1"])
        # gone with its owner's record
        world.put("delete sp1._domainkey.old.test. TXT")
        relay.rotate(after=8 * DAY)
        self.assertNotIn("sp1", relay.keys("old.test")[0])

    def test_second_server(self):
        """Every server that answers must have it; one that is silent for a
        day is left out."""
        relay, world = self.relay, self.world
        tokens = relay.add("two.test", "--dual")
        self.assertEqual(len(tokens), 6)
        world.delegate("two.test", tokens)
        relay.rotate()
        relay.rotate(after=9 * HOUR)
        said = relay.domain("status", "two.test", "--now", str(relay.now))
        self.assertNotIn("active", said)
        world.second.stop()
        world.stack.remove(world.second)
        relay.rotate(after=HOUR)
        relay.rotate(after=9 * HOUR)
        self.assertNotIn("active", relay.keys("two.test")[1])
        relay.rotate(after=16 * HOUR)
        relay.rotate(after=5 * HOUR)
        active = relay.keys("two.test")[1]["active"]
        self.assertEqual(len(active), 2) # RSA and Ed25519

    def test_zone_shut(self):
        """A publisher that fails stops the rotation safely and visibly."""
        relay, world = self.relay, self.world
        shut = scratch.read(world.key)
        scratch.write(world.key, dnspeers.tsig_key("sealpost", "YWJj"), 0o600)
        try:
            relay.domain("add", "shut.test")
            done = relay.sp.tool("key", "rotate", "--due", "--now",
                                 str(relay.now + HOUR), ok=(75,))
            self.assertIn(b"cannot be changed", done.stderr)
        finally:
            scratch.write(world.key, shut.decode(), 0o600)
            scratch.give_to(world.home, "nobody")
        self.assertEqual(relay.keys("shut.test")[1].keys(), {"new"})
        relay.rotate(after=2 * HOUR)
        self.assertEqual(relay.keys("shut.test")[1].keys(), {"published"})
        token = relay.keys("shut.test")[1]["published"][0]
        self.assertIn("p=MII", world.txt(f"{token}.{ZONE}"))
        relay.domain("delete", "shut.test")
        self.assertEqual(world.txt(f"{token}.{ZONE}"), "")
        done = relay.sp.tool("domain", "status", "shut.test", ok=(66,))
        self.assertIn(b"was not added", done.stderr)


class Filed(Rotations):
    """The provider's zone is a file of NSD's; users have slots of their own."""

    @classmethod
    def make_relay(cls):
        return Relay(
            cls.world, {"zone": FILE_ZONE, "publish": "zonefile"},
            {"file": cls.world.file.inside("records"),
             "serial_file": cls.world.file.zone_file,
             "reload": cls.world.file.reload_command()},
            cls.upstream.port, extra=sealpost.section(
                "notify", {"command": f"cat >> {cls.world.home}/notices"})
            + sealpost.section("listen near", {
                "address": f"127.0.0.1:{scratch.free_port()}",
                "tls": "none", "auth": "none", "upstream": "smarthost",
                "trusted_networks": "127.0.0.0/8"}))

    def test_rotate_by_name(self):
        relay, world = self.relay, self.world
        tokens = relay.add("one.test")
        world.delegate("one.test", tokens, FILE_ZONE)
        scratch.wait_for("the record", lambda: "p=MII" in world.txt(
            f"{tokens[0]}.{FILE_ZONE}", "127.0.0.3"))
        first = relay.until_active("one.test")
        told = scratch.read(os.path.join(world.home, "notices")).decode()
        self.assertIn("domain-green", told)
        self.assertIn("one.test", told)
        relay.rotate(after=HOUR)
        said = relay.rotate("one.test", after=HOUR) # not proved yet: it waits
        self.assertIn("waits", said)
        self.assertEqual(relay.keys("one.test")[1]["active"], [first])
        relay.rotate(after=5 * HOUR)
        relay.rotate("one.test", after=HOUR)
        states = relay.keys("one.test")[1]
        self.assertEqual(states["active"], [tokens[1]])
        self.assertEqual(states["retiring"], [first])
        # again and again at the same time: nothing is left to do
        relay.rotate()
        self.assertEqual(relay.rotate(), "")
        relay.sp.tool("key", "revoke", "one.test", first, "--now",
                      str(relay.now))
        self.assertEqual(relay.keys("one.test")[1]["revoked"], [first])
        scratch.wait_for("p= empty", lambda: world.txt(
            f"{first}.{FILE_ZONE}", "127.0.0.3").endswith("p="))

    def test_rotated_guide(self):
        """The dialogue, for a domain whose key signs already."""
        relay, world = self.relay, self.world
        tokens = relay.add("two.test")
        world.delegate("two.test", tokens, FILE_ZONE)
        world.put('add two.test. 60 TXT "v=spf1 -all"',
                  'add _dmarc.two.test. 60 TXT "v=DMARC1; p=reject"')
        world.second.stop()
        world.stack.remove(world.second)
        world.put("delete two.test. NS ns2.two.test.")
        first = relay.until_active("two.test")
        relay.rotate()
        guide = [scratch.program("sealpost"), "domain", "add", "--guide",
                 "two.test", "-c", relay.sp.config]
        said = talk(guide, "n", "", "")
        self.assertIn("Publish these records", said)
        self.assertIn(f"{first} signs for two.test", said)
        self.assertIn("dkim=pass", said)
        self.assertIn("All is well", said)
        said = talk(guide, "n", "", "bob@example.net") # no daemon yet
        self.assertRegex(said, r"It was not sent: through \[listen near\]")
        self.assertNotIn("All is well", said)
        self.guided_message(guide, first)
        done = relay.sp.tool("domain", "add", "--guide", ok=(64,))
        self.assertIn(b"talks on a terminal", done.stderr)

    def guided_message(self, guide, selector):
        """It sends one through the relay, and verifies what arrived."""
        self.relay.sp.start()
        arrived = os.path.join(self.world.home, "arrived")
        os.mkfifo(arrived) # opened when the message is asked for
        child = threading.Thread(target=self.deliver, args=(arrived,),
                                 daemon=True)
        child.start()
        said = talk(guide, "n", "", "bob", "bob@example.net",
                    arrived + ".not", arrived)
        child.join(10)
        self.assertIn("bob is not an address", said)
        self.assertIn(f"{arrived}.not: No such file", said)
        self.assertIn(f"header.s={selector}", said.split("taken it")[1])
        self.assertIn("All is well", said)
        got = self.upstream.messages[-1]
        self.assertEqual(got.sender, "postmaster@two.test")
        self.assertIn(b"\r\nTo: bob@example.net\r\n", got.data)

    def deliver(self, path):
        scratch.wait_for("the guide's message",
                         lambda: self.upstream.messages, seconds=60)
        scratch.write(path, self.upstream.messages[-1].data)

    def test_odd_note(self):
        """A note that cannot be read: its slot is not taken for a free one,
        nor its record out of the file."""
        relay = self.relay
        token = relay.add("odd.test")[0]
        folder = os.path.join(relay.sp.state, "keys", "odd.test")
        zone = self.world.file.inside("records")
        note, pem = (os.path.join(folder, token + s)
                     for s in (".conf", ".pem"))
        before, key = scratch.read(note), scratch.read(pem)
        for path, text in ((note, before), (os.path.join(
                relay.sp.state, "domains", "odd.test.conf"), None)):
            text = text or scratch.read(path)
            scratch.write(path, text.decode() + "odd = 1\n", 0o600)
            done = relay.sp.tool("key", "rotate", "--due", "--now",
                                 str(relay.now), ok=(75,))
            self.assertIn(b"unknown setting", done.stderr)
            self.assertIn(b"left alone", done.stderr)
            # another domain's change does not take its record away
            done = relay.sp.tool("domain", "add", "even.test")
            self.assertIn(b"cannot be read", done.stderr)
            self.assertIn(token.encode(), scratch.read(zone))
            self.assertEqual(scratch.read(pem), key)
            scratch.write(path, text.decode(), 0o600)
            self.assertEqual(scratch.read(note), before)
        relay.rotate(after=DAY)
        self.assertIn(token.encode(), scratch.read(zone))
        for domain in ("odd.test", "even.test"):
            relay.domain("delete", domain)
        self.assertNotIn(token.encode(), scratch.read(zone))

    def test_users_slots(self):
        relay = self.relay
        tokens = relay.add("old.test")
        own = relay.add("old.test", "--user", "Alice")
        self.assertEqual(relay.add("old.test", "--user", "ALICE"), own)
        self.assertFalse(set(tokens) & set(own))
        keys, _ = relay.keys("old.test")
        self.assertEqual(sorted(k["user"] for k in keys.values()),
                         ["", "alice"])
        self.world.delegate("old.test", own, FILE_ZONE)
        relay.rotate(after=HOUR)
        relay.rotate(after=5 * HOUR)
        keys, states = relay.keys("old.test")
        self.assertEqual([keys[s]["user"] for s in states["active"]],
                         ["alice"])

    def test_z_nobody_answers(self):
        """Servers that are away prove nothing, against a key either."""
        relay, world = self.relay, self.world
        before = relay.keys("one.test")
        for server in [world.bind, world.file] + world.resolvers:
            server.stop()
            world.stack.remove(server)
        relay.rotate(after=HOUR)
        self.assertEqual(relay.keys("one.test")[1], before[1])
        self.assertEqual({k["fault"] for k in
                          relay.keys("one.test")[0].values()} - {"condemned"},
                         {""})


class Words(unittest.TestCase):
    """What the commands print and refuse, without any nameserver."""

    @classmethod
    def setUpClass(cls):
        cls.sp = sealpost.Sealpost(9, keys=(), start=False, extra=sealpost
                                   .section("rotate", {}))
        cls.bare = sealpost.Sealpost(9, keys=(), start=False)

    @classmethod
    def tearDownClass(cls):
        cls.sp.__exit__(None)
        cls.bare.__exit__(None)

    def refused(self, sp, code, text, *arguments):
        done = sp.tool(*arguments, ok=(code,))
        self.assertIn(text, done.stderr)

    def test_no_mail(self):
        for _ in range(2): # again: the same
            said = self.bare.tool("domain", "add", "quiet.test",
                                  "--no-mail").stdout.decode()
            self.assertIn('*._domainkey.quiet.test. IN TXT "v=DKIM1; p="',
                          said)
            self.assertIn('quiet.test. IN TXT "v=spf1 -all"', said)
            self.assertIn("p=reject", said)
        self.sp.tool("domain", "add", "still.test", "--no-mail")
        self.refused(self.sp, 73, b"was added as no-mail", "domain", "add",
                     "still.test", "--own")

    def test_refusals(self):
        self.refused(self.bare, 78, b"no [rotate]", "domain", "add", "x.test")
        self.refused(self.bare, 78, b"no [rotate]", "key", "rotate", "--due")
        self.refused(self.sp, 78, b"[rotate] has no zone", "domain", "add",
                     "x.test")
        self.refused(self.sp, 67, b"there is no user bob", "domain", "add",
                     "x.test", "--own", "--user", "bob")
        self.refused(self.sp, 64, b"--due, or a domain", "key", "rotate")
        self.refused(self.sp, 64, b"--due is for all", "key", "rotate",
                     "--due", "x.test")
        self.refused(self.sp, 66, b"was not added", "key", "rotate",
                     "nowhere.test")
        self.refused(self.sp, 66, b"there is no key", "key", "revoke",
                     "x.test", "s1")
        self.refused(self.sp, 66, b"was not added", "domain", "delete",
                     "x.test")
        self.refused(self.sp, 64, b"the only way", "domain", "migrate",
                     "x.test")

    def test_a_key_of_its_own(self):
        """Whose key would go on signing beside the slots: migrate."""
        extra = sealpost.section("rotate", {"zone": ZONE,
                                            "publish": "zonefile"}) \
            + sealpost.section("publish", {"file": "/nonexistent/zone"})
        sp = sealpost.Sealpost(9, keys=(("own.test", "sp1"),), start=False,
                               extra=extra)
        try:
            self.refused(sp, 73, b"domain migrate", "domain", "add",
                         "own.test")
            done = sp.tool("domain", "migrate", "own.test", "--delegated")
            self.assertIn(b"cannot be changed", done.stderr)
            self.assertIn(b"wait for the next run", done.stderr)
        finally:
            sp.__exit__(None)

    def test_own(self):
        """The owner publishes; deleting a key that signs needs a word."""
        self.sp.tool("domain", "add", "own.test", "--own")
        shown = json.loads(self.sp.tool("domain", "status", "own.test",
                                        "--json").stdout)
        self.assertEqual([(k["state"], k["ours"]) for k in shown],
                         [("new", False)])
        selector = shown[0]["selector"]
        self.sp.tool("key", "activate", "own.test", selector)
        self.refused(self.sp, 65, b"is active", "key", "delete", "own.test",
                     selector)
        done = self.sp.tool("key", "revoke", "own.test", selector)
        self.assertIn(b"waits", done.stdout)
        told = json.loads(self.sp.tool("key", "rotate", "own.test",
                                       "--json").stdout)
        self.assertEqual({e["event"] for e in told} & {"failed"}, set())
        self.sp.tool("key", "revoke", "own.test", selector, "--force")
        listed = json.loads(self.sp.tool("key", "list", "own.test",
                                         "--json").stdout)
        self.assertIn("revoked", [k["state"] for k in listed])
        self.sp.tool("key", "delete", "own.test", selector)
        self.sp.tool("domain", "delete", "own.test")
        listed = json.loads(self.sp.tool("key", "list", "own.test",
                                         "--json").stdout)
        self.assertEqual(listed, [])


if __name__ == "__main__":
    unittest.main()
