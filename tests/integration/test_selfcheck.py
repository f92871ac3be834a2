"""The daemon looks at itself: its keys' records in DNS, what it signs."""
import base64
import hashlib
import time
import unittest

import population
import scratch
from nameserver import FAIL, Nameserver, cname, txt
from sealpost import message, section
from usercase import UserCase, signatures

PERIOD = 1


def record(public, type="ed25519", ttl=0):
    return txt(f"v=DKIM1; k={type}; p={public}", ttl)


class Watched(UserCase):
    """One domain a case, with a key s1 that signs; the nameserver changes."""

    @classmethod
    def setUpClass(cls):
        cls.ns = Nameserver()
        cls.settings = {
            "dns": {"nameserver": cls.ns.address},
            "routes": {"rsa": {"signatures": "rsa"}},
            "extra": section("rotate", {"watch": f"{PERIOD}s"})}
        super().setUpClass()

    @classmethod
    def key(cls, domain, selector, **more):
        """Made, active unless told, and in DNS."""
        population.put_key(cls.sp, domain, selector, **more)
        name = f"{selector}._domainkey.{domain}"
        cls.ns.records[name] = txt(cls.sp.records[name], 0)
        return name

    @classmethod
    def build(cls):
        users = {}
        for name in ("vanish", "alone", "differ", "broken", "forms", "steady",
                     "slots", "fixed", "revoked"):
            more = {}
            domain = f"{name}.example"
            if name == "slots":
                more["selector"] = "own"
            if name == "fixed":
                more["selector"] = "f1"
            users[name] = {"password": "pw-" + name, "from": domain, **more}
            cls.key(domain, "s1")
        cls.key("vanish.example", "old", state="retiring")
        cls.key("slots.example", "own1", owner="slots")
        cls.key("slots.example", "own2", owner="slots", state="published",
                proved="2026-01-01T00:00:00Z")
        cls.key("slots.example", "own3", owner="slots", state="published")
        cls.key("fixed.example", "f1")
        # The same key in other shapes: an RSAPublicKey, behind a CNAME.
        rsa = population.rsa_key()
        population.put_key(cls.sp, "forms.example", "r1", rsa, "rsa")
        spki = base64.b64decode(rsa[1])
        inner = base64.b64encode(spki[24:]).decode()
        cls.ns.records["r1._domainkey.forms.example"] = \
            record(inner, "rsa")
        cls.ns.records["s1._domainkey.steady.example"] = \
            cname("t.dkim.example", 0)
        cls.ns.records["t.dkim.example"] = \
            txt(cls.sp.records["s1._domainkey.steady.example"], 0)
        population.put_users(cls.sp, users)

    def told(self, event, domain, selector, seconds=15):
        scratch.wait_for(f"{event} {selector}.{domain}", lambda: [
            k for k in self.sp.lines(event)
            if (k["domain"], k["selector"]) == (domain, selector)], seconds)

    def signer(self, user):
        """The selector that signs this user's mail now."""
        code, text, got, line = self.send(
            self.client(user), message(sender=f"x@{user}.example"))
        self.assertEqual(code, 250, text)
        self.assertEqual(line["outcome"], "delivered")
        return [s for d, s, a in signatures(got)]

    def becomes(self, user, selector):
        scratch.wait_for(f"{selector} signs for {user}",
                         lambda: self.signer(user) == [selector], 10)

    def asked(self, name):
        return sum(n == name for n, kind in self.ns.asked)

    def test_gone_and_back(self):
        """The retiring key stands in, as long as the other is gone."""
        name = "s1._domainkey.vanish.example"
        self.assertEqual(self.signer("vanish"), ["s1"])
        record = self.ns.records.pop(name)
        self.told("key-record-gone", "vanish.example", "s1")
        self.becomes("vanish", "old")
        with self.subTest("a reload of users and keys forgets nothing"):
            self.settle("user", "set", "vanish", "--rate", "1000/s")
            self.assertEqual(self.signer("vanish"), ["old"])
        self.ns.records[name] = record
        self.told("key-record-back", "vanish.example", "s1")
        self.becomes("vanish", "s1")

    def test_nothing_stands_in(self):
        """No other proved key: the last one goes on. DNS stops no mail."""
        del self.ns.records["s1._domainkey.alone.example"]
        self.told("key-record-gone", "alone.example", "s1")
        self.assertEqual(self.signer("alone"), ["s1"])

    def test_differs(self):
        for user, value, why in (
                ("differ", population.ed25519_key()[1], "another key"),
                ("revoked", "", "revoked")):
            self.ns.records[f"s1._domainkey.{user}.example"] = record(value)
            self.told("key-record-differs", f"{user}.example", "s1")
            line = [k for k in self.sp.lines("key-record-differs")
                    if k["domain"] == f"{user}.example"]
            self.assertEqual(len(line), 1)
            self.assertIn(why, line[0]["text"])
            self.assertEqual(line[0]["level"], "error")
            self.assertEqual(line[0]["mend"],
                             f"sealpost key show {user}.example s1")
            self.assertEqual(self.signer(user), ["s1"])

    def test_errors_say_nothing(self):
        name = "s1._domainkey.broken.example"
        self.ns.records[name] = FAIL
        before = self.asked(name)
        scratch.wait_for("four questions",
                         lambda: self.asked(name) >= before + 4, 15)
        for event in ("key-record-gone", "key-record-differs"):
            self.assertNotIn("broken.example",
                             [k["domain"] for k in self.sp.lines(event)])
        self.assertEqual(self.signer("broken"), ["s1"])

    def test_other_shapes_are_the_same_key(self):
        for name in ("r1._domainkey.forms.example",
                     "s1._domainkey.steady.example"):
            scratch.wait_for("asked twice", lambda: self.asked(name) >= 2, 15)
        for event in ("key-record-gone", "key-record-differs"):
            for k in self.sp.lines(event):
                self.assertNotIn(k["domain"],
                                 ("forms.example", "steady.example"))

    def test_own_slots(self):
        """The next key, published and proved, stands in; none that is not."""
        self.assertEqual(self.signer("slots"), ["own1"])
        del self.ns.records["own1._domainkey.slots.example"]
        self.told("key-record-gone", "slots.example", "own1")
        self.becomes("slots", "own2")
        self.assertEqual(self.asked("own3._domainkey.slots.example"), 0)
        del self.ns.records["own2._domainkey.slots.example"]
        self.told("key-record-gone", "slots.example", "own2")
        self.becomes("slots", "s1") # the domain's: rule 2 goes on
        warned = [k["level"] for k in self.sp.lines("key-record-gone")
                  if k["selector"] == "own2"]
        self.assertEqual(warned, ["warn"])

    def test_fixed_selector(self):
        self.assertEqual(self.signer("fixed"), ["f1"])
        del self.ns.records["f1._domainkey.fixed.example"]
        self.told("key-record-gone", "fixed.example", "f1")
        self.becomes("fixed", "s1")


if __name__ == "__main__":
    unittest.main()
