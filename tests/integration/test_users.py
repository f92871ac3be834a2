"""Who signs with what: a thousand users at once, and each rule for one."""
import os
import re
import unittest

import population
import scratch
import verifiers
from rawclient import RawClient
from sealpost import message, section
from usercase import UserCase, signatures

USERS, LINES = 1000, 20


class Thousand(UserCase):
    """u0 to u999, in five ways to a key; sender[n] and key[n] tell u's n."""

    settings = {"limits": {"connections_per_ip": 100},
                "routes": {"rsa": {"signatures": "rsa"}}}

    @classmethod
    def build(cls):
        users, cls.sender, cls.key = {}, [], []
        for n in range(USERS):
            own, more = f"u{n}.example.org", {}
            sender, domain, selector, type = f"a@{own}", own, f"k{n}", "ed25519"
            way = n % 5
            if n < 5:
                type, more["upstream"] = "rsa", "rsa"
                key = population.rsa_key()
            else:
                key = population.ed25519_key()
            if way == 1: # one domain, a selector for each
                domain = "shared.example"
                more |= {"from": domain, "selector": selector}
                sender = f"u{n}@shared.example"
            elif way == 2: # below a domain of her own
                more["from"] = f"{own}, *.{own}"
                sender = f"a@deep.below.{own}"
            elif way == 3: # somebody else's From, her own domain's signature
                more |= {"from": "*", "domain": own, "selector": selector}
                sender = f"u{n}@elsewhere.example"
            elif way == 4: # a slot of her own in a domain of many
                domain = "slots.example"
                more |= {"from": f"u{n}@{domain}", "selector": "own"}
                sender = f"u{n}@{domain}"
            population.put_key(cls.sp, domain, selector, key, type,
                               owner=f"u{n}" if way == 4 else "")
            users[f"u{n}"] = {"password": f"pw-u{n}", "from": own, **more}
            cls.sender.append(sender)
            cls.key.append((domain, selector, type + "-sha256"))
        users["gone"] = {"password": "pw-gone", "from": "example.org"}
        population.put_users(cls.sp, users)

    def test_each_signs_with_her_own(self):
        """20 connections at a time, each command on all before the next."""
        for first in range(0, USERS, LINES):
            batch = range(first, first + LINES)
            lines = [self.client(f"u{n}", tls=n % 10 == 0) for n in batch]
            for n, c in zip(batch, lines):
                c.send(f"MAIL FROM:<{self.sender[n]}>\r\n")
            for c in reversed(lines):
                c.send("RCPT TO:<bob@example.net>\r\nDATA\r\n")
            for n, c in zip(batch, lines):
                self.assertEqual([c.reply()[0] for _ in range(3)],
                                 [250, 250, 354])
                c.send(message(sender=self.sender[n], subject=f"u{n}")[:40])
            for n, c in reversed(list(zip(batch, lines))):
                c.send(message(sender=self.sender[n], subject=f"u{n}")[40:]
                       + b".\r\n")
            for c in lines:
                self.assertEqual(c.reply()[0], 250)
                c.close()
        got = self.up.wait(self.arrived + USERS)[self.arrived:]
        self.assertEqual(len(got), USERS)
        seen = set()
        for m in got:
            n = int(re.search(rb"\r\nSubject: u(\d+)\r\n", m.data).group(1))
            seen.add(n)
            self.assertEqual(m.sender, self.sender[n])
            self.assertIn(b"\r\nFrom: %s\r\n" % self.sender[n].encode(),
                          m.data)
            self.assertEqual(signatures(m.data), [self.key[n]])
            self.assertTrue(verifiers.dkimpy(m.data, self.sp.records), n)
        self.assertEqual(len(seen), USERS)

    def test_ds_15_two_users_a_thousand_messages(self):
        """Pipelined on 20 connections: the answers prove who was who."""
        pair, each = (10, 11), USERS // LINES
        lines = [(n, self.client(f"u{n}")) for n in pair * (LINES // 2)]
        for i in range(each):
            for n, c in lines:
                c.send(f"MAIL FROM:<{self.sender[n]}>\r\n"
                       "RCPT TO:<bob@example.net>\r\nDATA\r\n")
            for n, c in lines:
                self.assertEqual([c.reply()[0] for _ in range(3)],
                                 [250, 250, 354])
            for n, c in lines:
                c.send(message(sender=self.sender[n]) + b".\r\n")
            for n, c in lines:
                self.assertEqual(c.reply()[0], 250)
        got = self.up.wait(self.arrived + USERS)[self.arrived:]
        by_key = {}
        for m in got:
            key, = signatures(m.data)
            by_key.setdefault(key, []).append(m)
        self.assertEqual(set(by_key), {self.key[n] for n in pair})
        for n in pair:
            self.assertEqual({m.sender for m in by_key[self.key[n]]},
                             {self.sender[n]})
            self.assertEqual(len(by_key[self.key[n]]), USERS // 2)
        for m in got[::50]:
            self.assertTrue(verifiers.dkimpy(m.data, self.sp.records))

    def test_user_test_foretells(self):
        rules = ["domain-key", "user-selector", "parent-key", "user-domain",
                 "user-selector"]
        for n in (0, 1, 2, 3, 4, 995, 996, 997, 998, 999):
            with self.subTest(user=n):
                foretold, _ = self.as_foretold(f"u{n}", self.sender[n])
                self.assertEqual(foretold["rule"], rules[n % 5])
        # Another's address, slot and selector stay another's.
        for n, sender in ((15, "a@u20.example.org"), (16, "x@slots.example"),
                          (19, self.sender[24])):
            with self.subTest(user=n, sender=sender):
                foretold, _ = self.as_foretold(f"u{n}", sender)
                self.assertEqual((foretold["code"], foretold["rule"]),
                                 (550, "other-from"))

    # --- changes while it runs ---------------------------------------------

    def test_lock(self):
        idle, busy, other = (self.client("u30"), self.client("u30"),
                             self.client("u31"))
        busy.envelope(self.sender[30], "bob@example.net")
        self.settle("user", "lock", "u30")
        self.assertEqual(idle.command("MAIL FROM:<x@example.net>")[0], 421)
        self.assertTrue(idle.closed())
        busy.send(message(sender=self.sender[30]) + b".\r\n")
        self.assertEqual(busy.reply()[0], 550)
        self.assertEqual(busy.command("NOOP")[0], 421)
        self.assertEqual(len(self.up.messages), self.arrived)
        with self.assertRaisesRegex(AssertionError, "535"):
            self.client("u30")
        self.as_foretold("u31", self.sender[31], c=other)
        self.assertEqual(self.dry_run("u30", self.sender[30])["rule"],
                         "locked")
        self.settle("user", "unlock", "u30")
        self.as_foretold("u30", self.sender[30])

    def test_delete(self):
        c = self.client("gone")
        self.settle("user", "delete", "gone")
        self.assertEqual(c.command("MAIL FROM:<x@example.net>")[0], 421)

    def test_set_selector(self):
        c = self.client("u41")
        _, got = self.as_foretold("u41", self.sender[41], c=c)
        self.assertEqual(signatures(got)[0][1], "k41")
        self.settle("key", "generate", "shared.example", "fresh", "--type",
                    "ed25519", "--activate")
        self.note("shared.example", "fresh")
        _, got = self.as_foretold("u41", self.sender[41], c=c)
        self.assertEqual(signatures(got)[0][1], "k41")
        self.settle("user", "set", "u41", "--selector", "fresh")
        _, got = self.as_foretold("u41", self.sender[41], c=c)
        self.assertEqual(signatures(got)[0][1], "fresh")
        # A session in a transaction takes the word at its end.
        c.envelope(self.sender[41], "bob@example.net")
        self.settle("user", "set", "u41", "--selector", "k41")
        c.send(message(sender=self.sender[41]) + b".\r\n")
        self.assertEqual(c.reply()[0], 250)
        self.assertEqual(signatures(self.up.wait(self.arrived + 4)[-1].data),
                         [("shared.example", "k41", "ed25519-sha256")])

    def note(self, domain, selector):
        self.sp.records[f"{selector}._domainkey.{domain}"] = self.sp.tool(
            "key", "show", domain, selector, "--format",
            "value").stdout.decode().strip()

    def test_keys(self):
        c = self.client("u50")
        _, got = self.as_foretold("u50", self.sender[50], c=c)
        self.settle("key", "generate", "u50.example.org", "next", "--type",
                    "ed25519")
        self.note("u50.example.org", "next")
        _, got = self.as_foretold("u50", self.sender[50], c=c)
        self.assertEqual(signatures(got)[0][1], "k50")
        self.settle("key", "activate", "u50.example.org", "next")
        _, got = self.as_foretold("u50", self.sender[50], c=c)
        self.assertEqual(signatures(got)[0][1], "next")
        pem = scratch.write(os.path.join(self.sp.home, "in.pem"),
                            population.ed25519_key()[0], 0o600)
        self.settle("key", "import", "u50.example.org", "third", pem,
                    "--activate")
        self.note("u50.example.org", "third")
        _, got = self.as_foretold("u50", self.sender[50], c=c)
        self.assertEqual(signatures(got)[0][1], "third")

    def test_set_from_and_password(self):
        c = self.client("u60")
        self.settle("user", "set", "u60", "--from", "new.example",
                    "--other-from", "unsigned")
        self.assertEqual(self.as_foretold("u60", self.sender[60],
                                          c=c)[0]["rule"], "other-from")
        before = len(self.sp.lines("loaded"))
        self.sp.tool("user", "passwd", "u60", "--password-stdin",
                     input="other\n")
        self.sp.wait_line("loaded", before + 1)
        self.client("u60", "other")
        with self.assertRaisesRegex(AssertionError, "535"):
            self.client("u60")


class Rules(UserCase):
    """product.md's rules 1 to 4, for a user each; `also` beside them."""

    settings = {"sign": {"also": "relay.example"},
                "routes": {"none": {"signatures": "none"},
                           "dual": {"signatures": "dual"}}}
    users = {
        "plain": {"from": "a.example"},
        "below": {"from": "*.a.example"},
        "family": {"from": "a.example, *.a.example"},
        "one": {"from": "ceo@a.example"},
        "all": {"from": "*"},
        "mta": {"from": "a.example", "other_from": "unsigned"},
        "alias": {"from": "a.example", "other_from": "sign-as-user",
                  "domain": "a.example"},
        "keyless": {"from": "nokey.example"},
        "later": {"from": "nokey.example", "no_key": "tempfail"},
        "never": {"from": "nokey.example", "no_key": "reject"},
        "waiting": {"from": "pending.example", "no_key": "tempfail"},
        "guest": {"from": "*", "domain": "a.example"},
        "chooser": {"from": "a.example", "selector": "mine"},
        "dreamer": {"from": "a.example", "selector": "nowhere"},
        "thief": {"from": "a.example", "selector": "slot"},
        "bare": {"from": "a.example", "upstream": "none"},
        "both": {"from": "a.example", "upstream": "dual"},
    }
    # user, From, decision, rule, d/s of the user's signature, reply
    rows = [
        ("plain", "x@a.example", "sign", "domain-key", "a.example/s1", 250),
        ("plain", "X@A.Example", "sign", "domain-key", "a.example/s1", 250),
        ("plain", "x@b.example", "refuse", "other-from", None, 550),
        ("plain", "x@sub.a.example", "refuse", "other-from", None, 550),
        ("plain", "x@nota.example", "refuse", "other-from", None, 550),
        ("below", "x@sub.a.example", "unsigned", "no-key", None, 250),
        ("below", "x@a.example", "refuse", "other-from", None, 550),
        ("below", "x@own.a.example", "sign", "domain-key",
         "own.a.example/s3", 250),
        ("family", "x@deep.sub.a.example", "sign", "parent-key",
         "a.example/s1", 250),
        ("family", "x@below.own.a.example", "sign", "parent-key",
         "own.a.example/s3", 250),
        ("one", "ceo@a.example", "sign", "domain-key", "a.example/s1", 250),
        ("one", "cfo@a.example", "refuse", "other-from", None, 550),
        ("all", "x@b.example", "sign", "domain-key", "b.example/s2", 250),
        ("all", "x@c.example", "unsigned", "no-key", None, 250),
        ("mta", "x@a.example", "sign", "domain-key", "a.example/s1", 250),
        ("mta", "x@b.example", "unsigned", "other-from", None, 250),
        ("alias", "x@b.example", "sign", "sign-as-user", "a.example/s1", 250),
        ("keyless", "x@nokey.example", "unsigned", "no-key", None, 250),
        ("later", "x@nokey.example", "refuse", "no-key", None, 451),
        ("never", "x@nokey.example", "refuse", "no-key", None, 550),
        ("waiting", "x@pending.example", "refuse", "key-pending", None, 451),
        ("guest", "x@c.example", "sign", "user-domain", "a.example/s1", 250),
        ("guest", "x@b.example", "sign", "domain-key", "b.example/s2", 250),
        ("chooser", "x@a.example", "sign", "user-selector",
         "a.example/mine", 250),
        ("dreamer", "x@a.example", "sign", "domain-key", "a.example/s1", 250),
        ("thief", "x@a.example", "sign", "domain-key", "a.example/s1", 250),
        ("bare", "x@a.example", "unsigned", "upstream-none", None, 250),
    ]

    @classmethod
    def build(cls):
        for domain, selector, state in (
                ("a.example", "s1", "active"), ("a.example", "mine", "active"),
                ("b.example", "s2", "active"), ("relay.example", "r1", "active"),
                ("own.a.example", "s3", "active"),
                ("a.example", "old", "retiring"),
                ("pending.example", "s4", "published")):
            population.put_key(cls.sp, domain, selector, state=state)
        population.put_key(cls.sp, "a.example", "slot", owner="owner")
        population.put_key(cls.sp, "a.example", "rsa",
                           population.rsa_key(), "rsa")
        population.put_users(cls.sp, {
            name: {"password": "pw-" + name, **more}
            for name, more in cls.users.items()})
        cls.trusted_port = scratch.free_port()
        cls.match_port = scratch.free_port()
        with open(cls.sp.config, "a") as f:
            for name, port, more in (
                    ("trusted", cls.trusted_port,
                     {"auth": "optional", "trusted_user": "plain",
                      "trusted_networks": "127.0.0.0/8"}),
                    ("match", cls.match_port, {"envelope_from": "match"})):
                f.write(section("listen " + name, {
                    "address": f"127.0.0.1:{port}", "tls": "none",
                    "upstream": "smarthost", **more}))

    def test_every_rule(self):
        for user, sender, decision, rule, key, code in self.rows:
            with self.subTest(user=user, sender=sender):
                foretold, got = self.as_foretold(user, sender)
                self.assertEqual((foretold["decision"], foretold["rule"]),
                                 (decision, rule))
                self.assertEqual(foretold["code"] or 250, code)
                self.assertEqual(
                    ["/".join(s[:2]) for s in signatures(got or b"")],
                    [key, "relay.example/r1"] if key else [])

    def test_codes(self):
        for user, sender, enhanced in (
                ("plain", "x@b.example", "5.7.1"),
                ("later", "x@nokey.example", "4.7.5"),
                ("waiting", "x@pending.example", "4.7.5"),
                ("never", "x@nokey.example", "5.7.5")):
            with self.subTest(user=user):
                self.assertEqual(self.dry_run(user, sender)["enhanced"],
                                 enhanced)

    def test_dual_and_also(self):
        _, got = self.as_foretold("both", "x@a.example")
        self.assertEqual(signatures(got), [
            ("a.example", "rsa", "rsa-sha256"),
            ("a.example", "s1", "ed25519-sha256"),
            ("relay.example", "r1", "ed25519-sha256")])
        self.assertEqual(self.sp.verify(got).count("dkim=pass"), 3)

    def test_aligned_is_said(self):
        for user, sender, word in (("guest", "x@c.example", "no"),
                                   ("family", "x@sub.a.example", "yes")):
            *_, line = self.send(self.client(user), message(sender=sender))
            self.assertEqual(line["aligned"], word)

    def test_trusted_network(self):
        """It counts as trusted_user; who logs in is who she says."""
        foretold = self.dry_run("plain", "x@a.example", "--client",
                                "127.0.0.1")
        self.assertTrue(foretold["trusted"])
        with RawClient(self.trusted_port) as c:
            c.ready(tls=False)
            self.as_foretold("plain", "x@a.example", foretold, c)
            self.as_foretold("plain", "x@b.example", None, c)
            c.login("all", "pw-all")
            self.as_foretold("all", "x@b.example", None, c)
        received = self.up.messages[self.arrived].data
        self.assertIn(b" with ESMTP id ", received)
        self.assertIn(b" with ESMTPA id ", self.up.messages[-1].data)
        self.settle("user", "lock", "plain")
        try:
            with RawClient(self.trusted_port) as c:
                c.ready(tls=False)
                code, *_ = self.send(c, message(sender="x@a.example"))
                self.assertEqual(code, 550)
        finally:
            self.settle("user", "unlock", "plain")

    def test_envelope_from_match(self):
        with RawClient(self.match_port) as c:
            c.ready("one", "pw-one", tls=False)
            for path in ("cfo@a.example", "ceo@b.example", "ceo",
                         "ceo@sub.a.example", "ceo@a.example@b.example"):
                code, text = c.command(f"MAIL FROM:<{path}>")
                self.assertIn(code, (501, 553), (path, text))
            line = self.sp.wait_line("sender-refused")[0]
            self.assertEqual((line["user"], line["from"]),
                             ("one", "cfo@a.example"))
            for path in "ceo@a.example", "CEO@A.EXAMPLE", "":
                code, text, got, _ = self.send(
                    c, message(sender="ceo@a.example"), sender=path)
                self.assertEqual(code, 250, text)
                self.assertEqual(len(signatures(got)), 2)


class OtherPolicies(UserCase):
    """What [sign] says for all, and a user for herself."""

    settings = {"sign": {"other_from": "unsigned", "no_key": "tempfail",
                         "parent_key": "no",
                         "already_signed": "skip-aligned"},
                "routes": {"strip": {"signatures": "ed25519",
                                     "existing_signatures": "strip"}}}
    users = {"plain": {"from": "a.example, *.a.example"},
             "strict": {"from": "a.example", "other_from": "reject"},
             "easy": {"from": "nokey.example", "no_key": "unsigned"},
             "strip": {"from": "a.example", "upstream": "strip"}}

    @classmethod
    def build(cls):
        population.put_key(cls.sp, "a.example", "s1")
        population.put_users(cls.sp, {
            name: {"password": "pw-" + name, **more}
            for name, more in cls.users.items()})

    def test_every_rule(self):
        for user, sender, decision, rule, code in (
                ("plain", "x@a.example", "sign", "domain-key", 250),
                ("plain", "x@b.example", "unsigned", "other-from", 250),
                ("plain", "x@sub.a.example", "refuse", "no-key", 451),
                ("strict", "x@b.example", "refuse", "other-from", 550),
                ("easy", "x@nokey.example", "unsigned", "no-key", 250)):
            with self.subTest(user=user, sender=sender):
                foretold, _ = self.as_foretold(user, sender)
                self.assertEqual((foretold["decision"], foretold["rule"],
                                  foretold["code"] or 250),
                                 (decision, rule, code))

    def signed_already(self, domain, hash="A" * 43 + "="):
        return (f"DKIM-Signature: v=1; a=rsa-sha256; d={domain}; s=x; h=from;"
                f"\r\n bh={hash}; b=AAAA\r\n").encode()

    def test_skip_aligned(self):
        for domain, signed in (("a.example", False), ("A.EXAMPLE", False),
                               ("b.example", True), ("nota.example", True)):
            with self.subTest(domain=domain):
                old = self.signed_already(domain)
                code, text, got, line = self.send(
                    self.client("plain"), old + message(sender="x@a.example"))
                self.assertEqual(code, 250, text)
                self.assertIn(old, got)
                self.assertEqual(len(signatures(got)), 1 + signed)
                self.assertEqual(line.get("reason"),
                                 None if signed else "already-signed")
        mail = self.signed_already("a.example", "AA==") + message(
            sender="x@a.example") # what no verifier takes is no signature
        *_, got, _ = self.send(self.client("plain"), mail)
        self.assertEqual(len(signatures(got)), 2)

    def test_strip(self):
        """Also what would be aligned; then ours is the only one."""
        for domain in "a.example", "b.example":
            old = self.signed_already(domain)
            mail = old + old.upper() + b"From: x@a.example\r\n\r\nx\r\n"
            code, text, got, _ = self.send(self.client("strip"), mail)
            self.assertEqual(code, 250, text)
            self.assertEqual(signatures(got),
                             [("a.example", "s1", "ed25519-sha256")])
            self.assertEqual(got.upper().count(b"DKIM-SIGNATURE"), 1)
            self.assertIn(b"\r\nDate: ", got)
            self.assertTrue(verifiers.dkimpy(got, self.sp.records))


if __name__ == "__main__":
    unittest.main()
