"""The daemon looks at itself: its keys' records in DNS, what it signs."""
import base64
import json
import os
import subprocess
import time
import unittest

import population
import scratch
from nameserver import FAIL, SILENT, Nameserver, cname, rcode, txt
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
                     "slots", "fixed", "revoked", "flaps", "cached",
                     "leaves"):
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
        self.key_word = line.get("key")
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
        self.assertEqual(self.key_word, "stand-in")
        self.assertRegex(self.sp.tool("status").stdout.decode(),
                         r"\nkeys +[1-9]\d* active ones are at fault")
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
        scratch.wait_for("the workers' view", lambda: self.signer("alone")
                         == ["s1"] and self.key_word == "last-proved", 10)

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

    def test_one_wrong_answer_is_none(self):
        """Every second answer is wrong: never two in a row."""
        name = "s1._domainkey.flaps.example"
        right, turns = self.ns.records[name], []

        def answer(query, tcp):
            turns.append(time.monotonic())
            return rcode(3)(query, tcp) if len(turns) % 2 else \
                right(query, tcp)
        self.ns.records[name] = answer
        scratch.wait_for("six answers", lambda: len(turns) >= 6)
        self.assertNotIn("flaps.example", [
            k["domain"] for k in self.sp.lines("key-record-gone")])
        self.assertEqual(self.signer("flaps"), ["s1"])

    def test_caches_must_have_forgotten(self):
        """The second wrong answer counts after the TTL of the first."""
        name = "s1._domainkey.cached.example"
        first = []
        wrong = txt("v=DKIM1; k=ed25519; p="
                    + population.ed25519_key()[1], 4)

        def answer(query, tcp):
            first.append(time.monotonic())
            return wrong(query, tcp)
        self.ns.records[name] = answer
        scratch.wait_for("the first", lambda: first)
        self.told("key-record-differs", "cached.example", "s1")
        self.assertGreaterEqual(time.monotonic() - first[0], 4)
        self.assertEqual(len(first), 2)

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

    def test_key_goes_while_it_is_asked_for(self):
        name = "s1._domainkey.leaves.example"
        self.ns.records[name] = SILENT
        before = self.asked(name)
        scratch.wait_for("a question", lambda: self.asked(name) > before)
        path = os.path.join(self.sp.state, "keys/leaves.example/s1.conf")
        scratch.write(path, scratch.read(path).decode().replace(
            "state = active", "state = revoked"), 0o600)
        scratch.give_to(self.sp.state, "nobody")
        loaded = len(self.sp.lines("loaded"))
        self.sp.reload()
        self.sp.wait_line("loaded", loaded + 1)
        scratch.wait_for("no key", lambda: self.signer("leaves") == [])
        asked = self.asked(name)
        time.sleep(2 * PERIOD)
        self.assertEqual(self.asked(name), asked)

    def test_other_shapes_are_the_same_key(self):
        for name in ("r1._domainkey.forms.example",
                     "s1._domainkey.steady.example"):
            scratch.wait_for("asked twice", lambda: self.asked(name) >= 2)
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

    def test_field_of_a_checked_signature(self):
        """The first 100 messages of a key are verified as a receiver does;
        nothing of it is seen when all is well."""
        self.assertEqual(self.signer("steady"), ["s1"])
        self.assertEqual(self.sp.lines("self-verify-failed"), [])

    def test_fixed_selector(self):
        self.assertEqual(self.signer("fixed"), ["f1"])
        del self.ns.records["f1._domainkey.fixed.example"]
        self.told("key-record-gone", "fixed.example", "f1")
        self.becomes("fixed", "s1")


class Remembered(UserCase):
    """What the keeper writes for commands; its books are written when it
    ends, so each look is after a life."""

    @classmethod
    def build(cls):
        population.put_key(cls.sp, "example.com", "s1")
        population.put_key(cls.sp, "example.com", "e2", owner="own")
        population.put_key(cls.sp, "example.com", "old", state="retiring")
        population.put_users(cls.sp, {
            "alice": {"password": "pw-alice", "from": "example.com, "
                      "*.example.com, nokey.example"},
            "own": {"password": "pw-own", "from": "example.com",
                    "selector": "own"},
            "fixed": {"password": "pw-fixed", "from": "example.com",
                      "selector": "old"},
            "any": {"password": "pw-any", "from": "*"}})

    def life(self, *mails):
        """Sends (user, from) each, ends the daemon and starts it again."""
        for user, sender in mails:
            code, text, got, line = self.send(self.client(user),
                                              message(sender=sender))
            self.assertEqual(code, 250, text)
        time.sleep(3) # From domains are told now and then
        self.sp.process.terminate()
        self.assertEqual(self.sp.process.wait(30), 0)
        self.sp.start()

    def users(self):
        return {u["user"]: u for u in json.loads(
            self.sp.tool("user", "list", "--json").stdout)}

    def read(self, name):
        path = os.path.join(self.sp.state, "keeper", name)
        self.assertEqual(os.stat(path).st_mode & 0o777, 0o640)
        return [line.split() for line in
                scratch.read(path).decode().splitlines()]

    def test_days(self):
        self.assertEqual([u["last_signed"] for u in self.users().values()],
                         [None] * 4)
        began = int(time.time())
        self.life(("alice", "a@example.com"), ("own", "o@example.com"),
                  ("alice", "a@nokey.example"), ("alice", "a@sub.example.com"),
                  ("alice", "a@nokey.example"))
        rows = {user: (int(at), domain, selector) for user, at, domain,
                selector in self.read("last-signed")}
        self.assertEqual(sorted(rows), ["alice", "own"])
        self.assertEqual(rows["own"][1:], ("example.com", "e2"))
        self.assertEqual(rows["alice"][1:], ("example.com", "s1"))
        self.assertTrue(began <= rows["alice"][0] <= time.time())
        today = str(int(time.time() // 86400))
        seen = {domain: (first, last, int(count)) for domain, first, last,
                count in self.read("seen-from")}
        self.assertEqual(seen, {"nokey.example": (today, today, 2),
                                "sub.example.com": (today, today, 1)})

        self.life(("alice", "a@nokey.example"), ("fixed", "f@example.com"))
        self.assertEqual(
            {r[0]: r[3] for r in self.read("seen-from")},
            {"nokey.example": "3", "sub.example.com": "1"})
        self.assertEqual([r[0] for r in self.read("last-signed")],
                         ["alice", "fixed", "own"])

        users = self.users()
        self.assertEqual(
            (users["own"]["last_signed"]["selector"],
             users["own"]["last_signed"]["domain"]), ("e2", "example.com"))
        self.assertRegex(users["own"]["last_signed"]["time"], r"^\d{4}-.*Z$")
        self.assertIsNone(users["any"]["last_signed"])
        self.assertEqual([k["selector"] for k in users["own"]["keys"]],
                         ["e2"])
        self.assertEqual([k["selector"] for k in users["fixed"]["keys"]],
                         ["s1"])
        self.assertEqual(users["any"]["keys"], [])
        self.assertEqual(users["own"]["dns"], "unproved")
        table = self.sp.tool("user", "list").stdout.decode().splitlines()
        self.assertEqual(table[0].split(), [
            "USER", "LOGIN", "SELECTOR", "DNS", "SIGNED", "DOMAIN",
            "UPSTREAM", "FROM"])
        row = {line.split("  ")[0]: line for line in table}
        self.assertIn("own (e2)", row["own"])
        self.assertIn("(s1)", row["alice"])
        self.assertIn(" old ", row["fixed"])

    def test_dns_state(self):
        """As the notes have it: proved, at fault, or neither."""
        for dns, note in (
                ("ok", "proved = 2026-01-01T00:00:00Z\n"),
                ("gone", "proved = 2026-01-01T00:00:00Z\nfault = gone\n"
                 "fault_since = 2026-01-02T00:00:00Z\n")):
            path = os.path.join(self.sp.state, "keys/example.com/s1.conf")
            old = scratch.read(path).decode()
            scratch.write(path, old.replace("proved = \n", note), 0o600)
            try:
                user = self.users()["alice"]
            finally:
                scratch.write(path, old, 0o600)
                scratch.give_to(self.sp.state, "nobody")
            self.assertEqual(user["dns"], dns)
            self.assertEqual([k["dns"] for k in user["keys"]], [dns])

    def test_selector_that_is_not_active(self):
        done = self.sp.tool("user", "list")
        self.assertIn(b"the key of selector old of user fixed is not active",
                      done.stderr)
        done = self.sp.tool("user", "set", "any", "--selector", "old")
        self.sp.tool("user", "set", "any", "--selector", "")
        self.assertIn(b"the key of selector old of user any is not active",
                      done.stderr)
        done = subprocess.run([scratch.program("sealpostd"), "-t", "-c",
                               self.sp.config], capture_output=True)
        self.assertEqual(done.returncode, 0)
        self.assertIn(b"the key of selector old of user fixed is not active",
                      done.stderr)


if __name__ == "__main__":
    unittest.main()
