"""`sealpost domain check`: every finding by a real zone with that mistake.

One BIND has all zones; an NSD at 127.0.0.2 is the second server, which says
something else or serves nothing. What both refuse to load (a TXT record beside
a CNAME) is a scripted server's at 127.0.0.4. Unbound resolves, and validates
the zone that is signed.
"""
import base64
import json
import os
import re
import shutil
import subprocess
import time
import unittest

import nameserver
import scratch
from dnspeers import Bind, Nsd, Unbound, txt
from domaincases import (MAIL, MAIL_CASES, ZONE, Keys, delegated_cases,
                         own_cases, quoted)
from sealpost import Sealpost, run


def ids(thing):
    return sorted(f["id"] for f in thing["findings"])


class Check(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.stack = []
        try:
            cls._set_up()
        except BaseException:
            cls.tearDownClass()
            raise

    @classmethod
    def _set_up(cls):
        cls.home = scratch.folder()
        cls.sp = cls._keep(Sealpost(9, keys=(), start=False))
        cls.keys = Keys(cls.sp, cls.home)
        cls.own = own_cases(cls.keys)
        cls.delegated = delegated_cases(cls.keys)
        zones, relay = {}, [f"key TXT {txt(cls.keys.made['rsa'])}",
                            f"hop CNAME key.{ZONE}."]
        for domain, (lines, _) in cls.own.items():
            zones[domain] = lines + MAIL
            cls.keys.give(domain)
        for domain, (lines, _) in cls.delegated.items():
            token = "tok" + domain.split(".")[0]
            zones[domain] = [line.format(t=token) for line in lines] + MAIL
            cls.keys.delegate(domain, token, token + "b", token + "c")
            zones[domain] += [f"{token}{x}._domainkey CNAME {token}{x}.{ZONE}."
                              for x in "bc"]
            if domain == "dloop.test":
                relay.append(f"{token} CNAME {token}._domainkey.{domain}.")
            elif domain != "dempty.test":
                relay.append(f"{token} TXT {txt(cls.keys.made['rsa'])}")
        for domain, (lines, _) in MAIL_CASES.items():
            zones[domain] = lines + [
                f"s1._domainkey TXT {txt(cls.keys.made['rsa'])}"]
            cls.keys.give(domain)
        zones["late.test"] = MAIL
        zones["ours.test"] = MAIL + [
            f"ed._domainkey TXT {txt(cls.keys.made['ed25519'])}",
            "gone._domainkey TXT " + quoted("v=DKIM1; p="),
            f"back._domainkey TXT {txt(cls.keys.made['rsa'])}"]
        zones["foreign.test"] = MAIL + cls._foreign()
        zones["disagree.test"].append("deep._domainkey NS ns")
        zones["deep._domainkey.disagree.test"] = [
            f"@ TXT {txt(cls.keys.made['rsa'])}"]
        zones[ZONE] = relay
        zones["elsewhere.test"], zones["test"] = [], []
        zones["beside.test"] = MAIL + ["_domainkey NS ns4", "ns4 A 127.0.0.4"]
        cls.bind = cls._keep(Bind(zones, signed=("bogus.test",)))
        cls.second = cls._keep(Nsd(
            "disagree.test", "@ 60 SOA a. b. 1 3600 600 86400 60\n"
            "@ 60 NS ns\n@ 60 NS ns2\ns1._domainkey 60 TXT "
            + txt(cls.keys.made["other"]) + "\ndeep._domainkey 60 NS ns\n",
            address="127.0.0.2", port=cls.bind.port))
        cls.script = cls._keep(nameserver.Nameserver(
            host="127.0.0.4", port=cls.bind.port, records=cls._beside()))
        stubs = {z: cls.bind.port for z in zones}
        stubs["_domainkey.beside.test"] = f"127.0.0.4@{cls.bind.port}"
        # the signatures do not fit the key that is trusted
        anchors = re.sub(r"(DNSKEY\s+257 3 13 )(\S)", lambda m: m.group(1)
                         + ("B" if m.group(2) == "A" else "A"),
                         cls.bind.anchors())
        cls.unbound = cls._keep(Unbound(stubs, anchors=anchors))
        text = scratch.read(cls.sp.config).decode()
        text = re.sub(r"(?m)^nameserver = .*$",
                      f"nameserver = 127.0.0.1:{cls.unbound.port}\n"
                      f"authoritative_port = {cls.bind.port}", text)
        scratch.write(cls.sp.config, text + f"[rotate]\nzone = {ZONE}\n"
                      "every = 90d\n")

    @classmethod
    def _keep(cls, thing):
        cls.stack.append(thing)
        return thing

    @classmethod
    def tearDownClass(cls):
        for thing in reversed(cls.stack):
            thing.stop()
        scratch.remove(cls.home)

    @classmethod
    def _foreign(cls):
        lines = []
        for bits in (1024, 2048, 8192):
            pem = subprocess.run(
                ["openssl", "genpkey", "-algorithm", "RSA", "-pkeyopt",
                 f"rsa_keygen_bits:{bits}"], check=True,
                stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout \
                if bits < 8192 else None
            if pem is None: # made up: nobody waits for a real one
                p = cls._made_up(bits)
            else:
                der = subprocess.run(
                    ["openssl", "pkey", "-pubout", "-outform", "DER"],
                    input=pem, check=True, stdout=subprocess.PIPE).stdout
                p = base64.b64encode(der).decode()
            lines.append(f"r{bits}._domainkey TXT "
                         + txt(f"v=DKIM1; k=rsa; p={p}"))
        good = cls.keys.made["rsa"]
        half = len(good) // 2
        return lines + [
            "astray CNAME nowhere.foreign.test.",
            f"r2048._domainkey.astray TXT {txt(good)}",
            f"cut._domainkey TXT {txt(good[:-40])}",
            "root._domainkey CNAME .",
            "odd._domainkey CNAME " + "\\001" * 63 + ".test.",
            f"order._domainkey TXT {quoted(good[half:], good[:half])}"]

    @staticmethod
    def _made_up(bits):
        def tlv(tag, data):
            n = len(data)
            head = bytes([n]) if n < 128 else \
                bytes([0x82]) + n.to_bytes(2, "big")
            return bytes([tag]) + head + data
        modulus = b"\0\xff" + os.urandom(bits // 8 - 2) + b"\x01"
        key = tlv(0x30, tlv(2, modulus) + tlv(2, b"\1\0\1"))
        oid = bytes.fromhex("300d06092a864886f70d0101010500")
        return base64.b64encode(tlv(0x30, oid + tlv(3, b"\0" + key))).decode()

    @classmethod
    def _beside(cls):
        """A server that keeps a TXT record and a CNAME at one name."""
        name = "tokbeside._domainkey.beside.test"
        def records(kind, data):
            return lambda query, tcp: nameserver.answer(
                query, [(None, kind, 60, data)], flags=0x8400)
        return {(name, "TXT"): records(16, nameserver._data("TXT", "hi")),
                (name, "CNAME"): records(5, nameserver._name(
                    f"tokbeside.{ZONE}")),
                ("_domainkey.beside.test", "NS"): records(
                    2, nameserver._name("ns4.beside.test"))}

    def check(self, *arguments, ok=(0,)):
        done = run("domain", "check", *arguments, "-c", self.sp.config, ok=ok)
        return done.stdout.decode()

    def check_json(self, *arguments, ok=(0, 1)):
        return {d["domain"]: d for d in
                json.loads(self.check("--json", *arguments, ok=ok))}

    def test_every_mistake_has_its_finding(self):
        begun = time.monotonic()
        seen = self.check_json(ok=(1,))
        self.assertLess(time.monotonic() - begun, 10)
        for cases in (self.own, self.delegated):
            for domain, (_, want) in cases.items():
                with self.subTest(domain):
                    key = seen[domain]["keys"][0]
                    self.assertEqual(ids(key), sorted(want), key)
                    for f in key["findings"]:
                        self.assertTrue(f["why"] and f["mend"], f)
                    for other in seen[domain]["keys"][1:]: # free slots
                        self.assertEqual(ids(other), [], other)
        for domain, (_, want) in MAIL_CASES.items():
            with self.subTest(domain):
                self.assertEqual(ids(seen[domain]), sorted(want))
                self.assertEqual(ids(seen[domain]["keys"][0]), [])

    def test_the_mend_is_a_line_to_paste(self):
        p = self.keys.p()
        out = self.check("missing.test", ok=(1,))
        self.assertIn("red, 1 error (record-missing)", out)
        line = re.search(r"mend: (s1\._domainkey\.missing\.test\. .*)", out)
        strings = re.findall('"([^"]*)"', line.group(1))
        self.assertEqual("".join(strings), f"v=DKIM1; k=rsa; p={p}")
        self.assertTrue(all(len(s) <= 255 for s in strings))
        self.assertIn("seen: at once, for those who have asked in vain", out)
        out = self.check("dot.test", ok=(1,))
        self.assertIn("mend: tokdot._domainkey.dot.test. 300 IN CNAME "
                      f"tokdot.{ZONE}.\n", out)
        out = self.check("private.test", ok=(1,))
        self.assertIn("alarm private-key-published", out)
        self.assertIn("--emergency", out)
        out = self.check("plain.test", ok=(1,))
        self.assertIn("sealpost domain add mail.plain.test", out)

    def test_green(self):
        out = self.check("good.test", "dgood.test", "stranger.test")
        self.assertIn("good.test: green\n", out)
        self.assertNotIn("x2._domainkey", out)
        self.assertIn("DMARC: p=reject of good.test; d=good.test aligns with "
                      "From: good.test", out)

    def test_txt_beside_cname(self):
        self.keys.delegate("beside.test", "tokbeside", "b", "c")
        try:
            seen = self.check_json("beside.test", ok=(1,))["beside.test"]
        finally:
            shutil.rmtree(os.path.join(self.sp.state, "keys/beside.test"))
            os.remove(os.path.join(self.sp.state, "domains/beside.test.conf"))
        self.assertIn("txt-beside-cname", ids(seen["keys"][0]), seen)

    def test_watch_until_caches_have_forgotten(self):
        """A resolver that has asked in vain is behind, and says how long."""
        self.keys.give("late.test")
        try:
            self.check("late.test", ok=(1,)) # Unbound remembers: nothing
            self.bind.write_zone("late.test", MAIL + [
                f"s1._domainkey TXT {txt(self.keys.made['rsa'])}"], serial=2)
            self.bind.reload("late.test")

            def behind():
                key = self.check_json("late.test",
                                      ok=(1, 75))["late.test"]["keys"][0]
                return ids(key) == ["resolver-behind"] and key
            key = scratch.wait_for("a resolver that is behind", behind)
            finding = key["findings"][0]
            self.assertTrue(0 < finding["wait_s"] <= 60, finding)
            self.assertTrue(finding["temporary"])
            with Unbound({"late.test": self.bind.port}) as fresh:
                done = run("domain", "check", "late.test", "--watch",
                           "--interval", "1", "--nameserver",
                           f"127.0.0.1:{fresh.port}", "-c", self.sp.config)
            self.assertIn(b"late.test: green", done.stderr)
        finally:
            shutil.rmtree(os.path.join(self.sp.state, "keys/late.test"))

    def test_selectors_that_are_not_ours(self):
        for selector, want in (("r1024", ["key-short"]), ("r2048", []),
                               ("r8192", ["key-long"]),
                               ("cut", ["truncated"]),
                               ("order", ["strings-order"]),
                               ("odd", ["target-missing"]),
                               ("none", ["record-missing"])):
            with self.subTest(selector):
                seen = self.check_json("foreign.test", "--selector", selector)
                self.assertEqual(ids(seen["foreign.test"]["keys"][0]), want)
        seen = self.check_json("foreign.test", "--selector", "root")
        self.assertIn("target-missing", ids(seen["foreign.test"]["keys"][0]))

    def test_a_zone_of_its_own(self):
        """The second server refers to the zone that the name itself is."""
        seen = self.check_json("disagree.test", "--selector", "deep")
        self.assertEqual(ids(seen["disagree.test"]["keys"][0]), [])

    def test_resolvers_only(self):
        text = scratch.read(self.sp.config).decode()
        path = scratch.write(self.sp.config + ".resolver",
                             text + "prove = resolver\n")
        cases = {"good": [], "missing": ["record-missing"],
                 "quotes": ["quotes"], "otherkey": ["other-key"],
                 "lame": [], "dgood": [], "dot": ["cname-trailing-dot"],
                 "dempty": ["target-missing"], "bogus": ["dnssec-bogus"],
                 "dtxt": ["txt-instead-of-cname"]}
        done = run("domain", "check", "--json", "-c", path,
                   *(d + ".test" for d in cases), ok=(1,))
        for d in json.loads(done.stdout):
            with self.subTest(d["domain"]):
                self.assertEqual({s["role"] for k in d["keys"]
                                  for s in k["servers"]}, {"resolver"})
                self.assertEqual(ids(d["keys"][0]),
                                 cases[d["domain"].split(".")[0]])

    def test_a_domain_without_keys(self):
        seen = self.check_json("foreign.test", ok=(1,))
        self.assertEqual(ids(seen["foreign.test"]), ["no-key"])

    def test_a_name_that_is_not_in_dns(self):
        seen = self.check_json("foriegn.test", ok=(1,))
        self.assertEqual(ids(seen["foriegn.test"]), ["domain-missing"])
        seen = self.check_json("foriegn.test", "--selector", "s1", ok=(1,))
        self.assertEqual(ids(seen["foriegn.test"]), ["domain-missing"])
        # an alias that leads nowhere is a name, and has a key below it
        seen = self.check_json("astray.foreign.test", "--selector", "r2048")
        self.assertEqual(ids(seen["astray.foreign.test"]), ["spf-missing"])

    def test_states_and_kinds(self):
        self.keys.give("ours.test", "ed", "ed25519")
        self.keys.give("ours.test", "gone", state="revoked")
        self.keys.give("ours.test", "back", state="revoked")
        try:
            seen = self.check_json("ours.test", ok=(1,))["ours.test"]["keys"]
            self.assertEqual({k["selector"]: ids(k) for k in seen},
                             {"ed": [], "gone": [],
                              "back": ["not-revoked"]})
        finally:
            shutil.rmtree(os.path.join(self.sp.state, "keys/ours.test"))

    def test_alignment_and_from_domains(self):
        seen = self.check_json("strict.test", "--from", "a@sub.strict.test")
        self.assertEqual(ids(seen["strict.test"]), ["not-aligned"])
        self.check("good.test", "--from", "sub.good.test")
        today = int(time.time()) // 86400
        path = scratch.write(
            os.path.join(self.sp.state, "keeper", "seen-from"),
            f"news.good.test {today - 3} {today} 17\n"
            f"old.good.test {today - 99} {today - 40} 5\n"
            f"good.test {today} {today} 1\nnotgood.test 1 {today} 9\n"
            f"news.strict.test {today} {today} 2\nnonsense\n")
        try:
            seen = self.check_json("good.test", "strict.test")
        finally:
            os.remove(path)
        self.assertEqual([f["id"] + " " + f["severity"]
                          for f in seen["good.test"]["findings"]],
                         ["from-without-key note"])
        self.assertIn("17 messages from news.good.test",
                      seen["good.test"]["findings"][0]["what"])
        self.assertEqual([f["severity"]
                          for f in seen["strict.test"]["findings"]],
                         ["warning"])

    def test_nobody_answers(self):
        self.check("good.test", "--nameserver",
                   f"127.0.0.1:{scratch.free_port()}", ok=(75,))

    def test_public_resolvers(self):
        """They are asked beside ours, and one that is silent is named."""
        text = scratch.read(self.sp.config).decode()
        path = scratch.write(self.sp.config + ".public", re.sub(
            "(?m)^(nameserver = .*)$", "\\1\npublic_resolvers = 127.0.0.1:"
            f"{scratch.free_port()}", text))
        done = run("domain", "check", "good.test", "-c", path, ok=(75,))
        self.assertIn(b"2 resolvers asked", done.stdout)
        self.assertIn(b"[dns] public_resolvers", done.stdout)

    def test_words(self):
        self.check("not_a domain", ok=(64,))
        self.check("good.test", "--selector", "!", ok=(64,))
        self.check("--selector", "x", ok=(64,))
        self.check("good.test", "--interval", "0", ok=(64,))
        self.check("good.test", "--from", "a@b@", ok=(64,))


if __name__ == "__main__":
    unittest.main()
