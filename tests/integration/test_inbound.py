"""mode = inbound: what the daemon writes, removes, refuses and lets through.

The rows of the test matrix, and what shows them:
  DV-01..03, 06..12, 14..20, 22..24   test_dkim_verify,
        test_dkim_verify_records, test_dkim_keys, test_dkim_tags,
        test_dkim_keyrecord, test_dkim_canon, test_dkim_vectors (tests/unit)
  DV-04, 05   Authors                   DV-13, 30   Signatures
  DV-21   Signatures.test_names_that_are_none
  DV-25..27   Claims                    DV-28   Header
  DV-29   Policies                      DN-*   test_inbound_dns
"""
import json
import os
import re
import time
import unittest

import scratch
from inbound import ALLOWED, FORBIDDEN, Inbound, Key, sign, unfold
from rawclient import RawClient
from sealpost import message, run

REJECT = "v=DMARC1; p=reject"
VECTORS = os.environ.get("SEALPOST_VECTORS") or os.path.join(
    os.path.dirname(scratch.TOP), "shared", "vectors")
BUECHER = "xn--bcher-kva.test"


def setUpModule():
    global site, key
    key = Key()
    site = Inbound({
        "a.test": ALLOWED, "_dmarc.a.test": REJECT,
        "k._domainkey.a.test": key.record, "other._domainkey.a.test": key.record,
        "bad.test": FORBIDDEN, "_dmarc.bad.test": REJECT,
        "soft.test": "v=spf1 ~all", "_dmarc.soft.test":
            "v=DMARC1; p=quarantine",
        "plain.test": ALLOWED,
        BUECHER: FORBIDDEN, "_dmarc." + BUECHER: REJECT,
        "client.test": "v=spf1 ip4:127.0.0.0/8 -all",
        "ed.a.test": ALLOWED,
        "b.test": ALLOWED, "k._domainkey.b.test": key.record,
    }, {
        "enforce": {"dmarc": "enforce", "quarantine_header": "X-Quarantine"},
        "strict": {"on_dkim_fail": "reject", "on_spf_fail": "reject",
                   "on_temperror": "tempfail", "dmarc": "off"},
        "later": {"on_dkim_fail": "tempfail", "on_spf_fail": "tempfail",
                  "on_temperror": "reject"},
        "forwarder": {"dmarc": "enforce", "quarantine_header": "X-Quarantine",
                      "trusted_forwarders": "127.0.0.0/8"},
        "two": {"max_signatures": 2},
    })


def tearDownModule():
    site.__exit__(None, None, None)


class SameField(unittest.TestCase):
    """The daemon's field and that of `sealpost verify`, octet for octet."""

    def corpus(self):
        plain = message("joe@a.test")
        signed = sign(plain, "a.test", key)
        yield plain, "joe@a.test", "client.test"
        yield plain, "", "client.test"
        yield plain, "joe@nowhere.test", "[127.0.0.1]"
        yield signed, "joe@a.test", "client.test"
        yield signed.replace(b"A line", b"a line"), "joe@b.test", "b.test"
        yield signed.replace(b"hello", b"Hello"), "joe@bad.test", "bad.test"
        yield sign(signed, "b.test", key), "joe@soft.test", "soft.test"
        yield sign(plain, "a.test", key, selector="gone"), "joe@a.test", "x"
        yield message("joe@b\u00fccher.test"), "joe@bad.test", "client.test"
        yield b"DKIM-Signature: v=1; a=rsa-sha256; d=\"\xff(;\r\n" + signed, \
            "joe@a.test", "client.test"
        yield plain.replace(b"From:", b"Form:"), "joe@a.test", "client.test"
        yield b"From: a@a.test\r\n" + plain, "joe@a.test", "client.test"
        for suite in ("arc", "dkim-lieser", "cross-signed"):
            folder = os.path.join(VECTORS, suite)
            cases = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
            for case in cases[::9]:
                path = os.path.join(folder, case, "message.eml")
                data = scratch.read(path) if os.path.exists(path) else b""
                if b"\r\n" in data and not data.startswith((b" ", b"\t")):
                    yield data, "joe@a.test", "client.test"

    def test_octet_for_octet(self):
        compared = 0
        for data, sender, helo in self.corpus():
            lines = data.split(b"\r\n")
            if lines[-1] or max(map(len, lines)) > 998 \
                    or any(c in b"".join(lines) for c in b"\r\n\0"):
                continue # SMTP cannot carry it
            with self.subTest(sender=sender, head=data[:60]):
                self.assertEqual(
                    site.field(data, sender=sender, helo=helo),
                    site.command(data, sender, helo))
                compared += 1
        self.assertGreaterEqual(compared, 11)

    def test_json_holds_the_field(self):
        data = sign(message("joe@a.test"), "a.test", key)
        found = json.loads(site.command(data, "joe@a.test", "client.test",
                                        "--json"))
        self.assertEqual(found["field"].encode(), site.field(data))
        self.assertEqual(found["dkim"][0]["result"], "pass")
        self.assertEqual(found["dmarc"]["result"], "pass")

    def test_legacy_only_by_wish(self):
        short = Key(768)
        site.ns.records["old._domainkey.a.test"] = short.record
        data = sign(message("joe@a.test"), "a.test", short, selector="old")
        self.assertIn("dkim=policy", site.verdict(data))
        field = site.command(data, "joe@a.test", "client.test",
                             "--allow-legacy")
        self.assertIn(b"dkim=pass", field)


class Authors(unittest.TestCase):
    def test_the_body_and_header_are_judged(self):
        data = sign(message("joe@a.test"), "a.test", key)
        self.assertIn("dkim=pass", site.verdict(data))
        self.assertIn("dmarc=pass", site.verdict(data))
        changed = site.verdict(data.replace(b"A line", b"B line"))
        self.assertIn("dkim=fail", changed)
        self.assertIn("header.d=a.test", changed)

    def test_two_authors_are_nobodys_pass(self):
        data = sign(message("joe@a.test"), "a.test", key)
        for forged in (b"From: x@bad.test\r\n" + data,
                       data.replace(b"\r\n\r\n", b"\r\nFrom: x@bad.test\r\n"
                                    b"\r\n", 1),
                       data.replace(b"From: ", b"From: x@bad.test, ", 1)):
            self.assertIn("dmarc=permerror", site.verdict(forged))
            code, text = site.send(forged, listener="enforce")
            self.assertEqual((code, text[:6]), (550, "5.7.26"))
            site.sent(forged, listener="forwarder")

    def test_no_author(self):
        for head in (b"", b"From:\r\n", b"From :\r\n", b"From: <>\r\n"):
            data = head + b"Subject: x\r\n\r\nx\r\n"
            self.assertIn("dmarc=permerror", site.verdict(data))
        self.assertIn("header.from=a.test", site.verdict(
            b"fRoM:\r\n joe@a.test\r\n\r\nx\r\n"))

    def test_u_labels_have_a_policy(self):
        for name in ("b\u00fccher.test", "B\u00dcCHER.TEST", "bu\u0308cher.test",
                     "b\u00fccher\u3002test", BUECHER):
            data = message("joe@" + name)
            field = site.verdict(data)
            self.assertIn("dmarc=fail", field)
            self.assertIn("header.from=" + BUECHER, field)
            self.assertEqual(site.send(data, listener="enforce")[0], 550)
        data = message("joe@\u2603\u200d.test")
        self.assertIn("dmarc=permerror", site.verdict(data))
        self.assertEqual(site.send(data, listener="enforce")[0], 550)

    def test_u_labels_have_spf(self):
        site.sent(message("joe@a.test")) # the upstream's extensions are known
        field = site.verdict(message("joe@a.test"),
                             sender="j\u00f6e@b\u00fccher.test",
                             mail=" SMTPUTF8")
        self.assertIn("spf=fail", field)
        self.assertIn("smtp.mailfrom=" + BUECHER, field)
        found = run("spf", "--nameserver", site.ns.address, "--ip", "192.0.2.1",
                    "--helo", "h.test", "--mail-from", "joe@b\u00fccher.test",
                    ok=(1,)).stdout
        self.assertTrue(found.startswith(b"fail\n"), found)


class Signatures(unittest.TestCase):
    def test_two_of_one_domain_are_told_apart(self):
        data = sign(sign(message("joe@a.test"), "a.test", key), "a.test", key,
                    selector="other")
        field = site.verdict(data)
        self.assertEqual(field.count("dkim=pass"), 2)
        self.assertEqual(field.count("header.b="), 2)
        self.assertLess(field.index("header.s=other"),
                        field.index("header.s=k"))

    def test_at_most_max_signatures_are_looked_at(self):
        good = sign(message("joe@a.test"), "a.test", key)
        one = good[:good.index(b"From:")]
        for count in (8, 9, 100, 900):
            many = b"".join(one.replace(b"a.test", b"d%d-%d.test" % (
                count, i)) for i in range(count))
            since, began = len(site.ns.asked), time.monotonic()
            got = site.send(many + good)
            took = time.monotonic() - began
            keys = [n for n in site.asked(since) if "_domainkey" in n]
            if count < 900: # beyond 256 KiB of header
                self.assertEqual(got[0], 250, got)
                self.assertEqual(len(keys), 8)
            self.assertLess(took, 5)
        since = len(site.ns.asked)
        many = b"".join(one.replace(b"a.test", b"t%d.test" % i)
                        for i in range(5))
        self.assertIn("too many", site.verdict(many + good, listener="two"))
        self.assertEqual(len([n for n in site.asked(since)
                              if "_domainkey" in n]), 2)

    def test_names_that_are_none(self):
        good = sign(message("joe@a.test"), "a.test", key)
        for d in (b"example.net(.example.com", b"\"a;dkim=pass\"", b"x" * 64
                  + b".test", b"y." * 126 + b"test", b"a..test", b"*",
                  b"a.test dkim=pass"):
            since = len(site.ns.asked)
            field = site.verdict(good.replace(b"d=a.test", b"d=" + d))
            self.assertNotIn("dkim=pass", field)
            self.assertIn("dkim=permerror", field)
            self.assertEqual([n for n in site.asked(since)
                              if "_domainkey" in n], [])


class Claims(unittest.TestCase):
    OURS = [
        b"Authentication-Results: relay.test; dkim=pass",
        b"authentication-results: RELAY.TEST; dkim=pass",
        b"Authentication-Results : relay.test; dkim=pass",
        b"Authentication-Results:\r\n relay.test;\r\n\tdkim=pass",
        b"Authentication-Results: (c) relay.test (d) 1; dkim=pass",
        b"Authentication-Results: \"relay.test\"; dkim=pass",
        b"Authentication-Results: relay.test 2; dkim=pass",
        b"Authentication-Results: relay.test; dkim=pass reason=\"" + (
            b"x" * 900 + b"\r\n ") * 7 + b"\"",
        b"Authentication-Results: relay.test" + b"; dkim=pass" * 41,
        b"Authentication-Results: (; relay.test",
        b"Authentication-Results: \"re\\lay.test\"; spf=pass",
        b"Authentication-Results: relay.test",
    ]
    OTHERS = [
        b"Authentication-Results: mx.other.test; dkim=fail",
        b"ARC-Authentication-Results: i=1; relay.test; dkim=pass",
        b"X-Authentication-Results: relay.test; dkim=pass",
        b"Old-Authentication-Results: relay.test; dkim=pass",
    ]

    def test_none_survives(self):
        body = b"Authentication-Results: relay.test; dkim=pass\r\n"
        others = b"\r\n".join(self.OTHERS) + b"\r\n"
        for claim in self.OURS:
            for times in (1, 3):
                ours = (claim + b"\r\n") * times
                plain = message("joe@a.test", body=body.decode())
                head, _, rest = plain.partition(b"\r\n\r\n")
                data = ours + others + head + b"\r\n" + ours + b"\r\n" + rest
                content = site.sent(data)
                _, _, left = site.split(content)
                with self.subTest(claim=claim[:60], times=times):
                    self.assertEqual(left, others + plain)

    def test_verified_as_received_then_removed(self):
        claim = self.OURS[0] + b"\r\nBIMI-Location: v=BIMI1; l=https://x/\r\n" \
            b"BIMI-Indicator: PHN2Zz4=\r\n"
        data = sign(claim + message("joe@a.test"), "a.test", key,
                    include_headers=[b"From", b"Authentication-Results",
                                     b"BIMI-Location"])
        content = site.sent(data)
        field, _, left = site.split(content)
        self.assertIn(b"dkim=pass", field)
        self.assertEqual(left, data.replace(claim, b""))

    def test_first_line_that_is_a_fold(self):
        code, text = site.send(b" relay.test; x\r\n" + message("joe@a.test"))
        self.assertEqual((code, text[:5]), (550, "5.6.0"))


class Policies(unittest.TestCase):
    def refused(self, listener, data, code, enhanced, *words, **more):
        before = len(site.up.messages)
        got = site.send(data, listener=listener, **more)
        self.assertEqual((got[0], got[1].split()[0]), (code, enhanced), got)
        for word in words:
            self.assertIn(word, got[1])
        self.assertEqual(len(site.up.messages), before)

    def test_dkim(self):
        bad = sign(message("joe@a.test"), "a.test", key).replace(b"A line",
                                                                b"B line")
        self.refused("strict", bad, 550, "5.7.20", "a.test",
                     "body hash does not verify")
        self.refused("later", bad, 451, "4.7.20", "a.test")
        self.assertIn("dkim=fail", site.verdict(bad))
        self.assertIn("dkim=permerror", site.verdict(
            sign(message("joe@a.test"), "a.test", key, selector="gone")))
        good = sign(bad, "b.test", key) # one that passes is enough
        site.sent(good, listener="strict")
        site.sent(message("joe@a.test"), listener="strict") # so is none

    def test_spf(self):
        data = message("joe@a.test")
        self.refused("strict", data, 550, "5.7.23", "bad.test", "forbids",
                     sender="joe@bad.test")
        self.refused("later", data, 451, "4.7.23", sender="joe@bad.test")
        site.sent(data, listener="strict", sender="joe@soft.test")
        self.assertIn("spf=fail", site.verdict(data, sender="joe@bad.test"))

    def test_temperror(self):
        from nameserver import FAIL
        site.ns.records["down._domainkey.a.test"] = FAIL
        site.ns.records["down.test"] = FAIL
        site.ns.records["_dmarc.down.test"] = FAIL
        data = sign(message("joe@plain.test"), "a.test", key, selector="down")
        self.refused("strict", data, 451, "4.7.5", "a.test")
        self.refused("later", data, 550, "5.7.20", "a.test")
        self.assertIn("dkim=temperror", site.verdict(data))
        # One fails, the other may yet pass: that is for later.
        both = sign(message("joe@plain.test"), "b.test", key).replace(
            b"A line", b"B line")
        both = sign(both, "a.test", key, selector="down")
        self.refused("strict", both, 451, "4.7.5", "a.test")
        both = sign(sign(message("joe@plain.test"), "a.test", key,
                         selector="down"), "b.test", key, selector="gone")
        self.refused("strict", both, 451, "4.7.5", "a.test")
        data = message("joe@plain.test")
        self.refused("strict", data, 451, "4.4.3", "down.test",
                     sender="joe@down.test")
        self.assertIn("spf=temperror", site.verdict(data,
                                                    sender="joe@down.test"))
        data = message("joe@down.test")
        self.refused("later", data, 550, "5.7.26", "down.test")
        self.assertIn("dmarc=temperror", site.verdict(data))

    def test_dmarc(self):
        forged = message("joe@bad.test")
        self.refused("enforce", forged, 550, "5.7.26", "bad.test", "reject")
        field = site.verdict(forged)
        self.assertIn("dmarc=fail", field)
        self.assertIn("policy.dmarc=reject", field)
        soft = site.sent(message("joe@soft.test"), listener="enforce")
        self.assertIn("policy.dmarc=quarantine", unfold(soft.decode()))
        self.assertIn(b"\r\nX-Quarantine: dmarc\r\n", soft)
        through = site.sent(forged, listener="forwarder")
        self.assertIn(b"\r\nX-Quarantine: dmarc\r\n", through)
        self.assertNotIn("dmarc=", site.verdict(forged, listener="strict"))
        good = sign(message("joe@a.test"), "a.test", key)
        site.sent(good, listener="enforce", sender="joe@bad.test")

    def test_what_may_yet_pass_is_not_refused_for_good(self):
        from nameserver import FAIL
        site.ns.records["dead._domainkey.a.test"] = FAIL
        data = sign(message("joe@a.test"), "a.test", key, selector="dead")
        field = site.verdict(data, listener="enforce", sender="joe@b.test")
        self.assertIn("dkim=temperror", field)
        site.ns.records["dead._domainkey.b.test"] = FAIL # not aligned
        data = sign(message("joe@a.test"), "b.test", key, selector="dead")
        self.refused("enforce", data, 550, "5.7.26", sender="joe@b.test")


class Names(unittest.TestCase):
    """What a stranger says of itself stands quoted or not at all."""

    HOSTILE = ("x;dkim=pass", "a b", "<s>", '"q"', "(c)", "a\\b", "x@y",
               "=?utf-8?q?x?=", "\u00e4.test", "[192.0.2.1]; dkim=pass",
               "d" * 300)

    def test_helo(self):
        for helo in self.HOSTILE:
            with self.subTest(helo=helo), RawClient(site.sp.port) as c:
                code, _ = c.command("EHLO " + helo)
                self.assertIn(code, (250, 500, 501))
                if code == 250:
                    self.passed(c, "", helo)

    def test_sender(self):
        for sender in ('"a;dkim=pass"@a.test', '"a\\" dkim=pass b"@a.test',
                       '"(c)"@a.test', "x;dkim=pass@a.test"):
            with self.subTest(sender=sender), site.client() as c:
                self.passed(c, sender, sender)

    def passed(self, c, sender, word):
        before = len(site.up.messages)
        code, text = c.command(f"MAIL FROM:<{sender}>")
        if code == 501: # no address
            return
        self.assertEqual(code, 250, text)
        c.expect("RCPT TO:<bob@example.com>", 250)
        c.expect("DATA", 354)
        c.send(message("joe@plain.test") + b".\r\n")
        self.assertEqual(c.reply()[0], 250)
        ours, received, _ = site.split(site.up.messages[before].data)
        self.assertTrue(ours.isascii() and received.isascii())
        self.assertNotIn(word.encode(), received)
        outside = re.sub(rb'"(?:[^"\\]|\\.)*"', b'""', ours)
        self.assertEqual(outside.count(b"dkim="), 1, ours)
        self.assertEqual(outside.count(b"dkim=none"), 1, ours)


class Relay(unittest.TestCase):
    """Recipients are refused before the upstream is asked."""

    def test_only_our_domains(self):
        sessions = len(site.up.sessions)
        with site.client() as client:
            client.expect("MAIL FROM:<joe@a.test>", 250)
            for address in ("x@example.org", "x@sub.example.com",
                            "x@example.com.evil.test", "x@[127.0.0.1]",
                            "x%evil.test@example.com",
                            "evil.test!x@example.com",
                            "\"x@evil.test\"@example.com",
                            "\"x\\@evil.test\"@example.com",
                            "\"x%evil.test\"@example.com"):
                code, text = client.command(f"RCPT TO:<{address}>")
                self.assertEqual((code, text[:5]), (550, "5.7.1"), address)
            # A route is parsed and ignored (RFC 5321 4.1.1.3).
            for address in ("@evil.test:x@example.org",):
                self.assertEqual(client.command(f"RCPT TO:<{address}>")[0],
                                 550)
            client.expect("RCPT TO:<x@EXAMPLE.com>", 250)
            client.expect("RCPT TO:<@evil.test:x@example.com>", 250)
            client.expect("RCPT TO:<postmaster>", 250)
            client.expect("RSET", 250)
        for session in site.up.sessions[sessions:]:
            self.assertNotIn("evil", repr(vars(session)))

    def test_needed_off_loopback(self):
        conf = scratch.read(site.sp.config).decode()
        conf = conf.replace(f"127.0.0.1:{site.sp.port}", "0.0.0.0:2525", 1)
        conf = conf.replace("relay_domains = example.com\n", "", 1)
        path = scratch.write(os.path.join(site.sp.home, "open.conf"), conf)
        import subprocess
        done = subprocess.run([scratch.program("sealpostd"), "-c", path, "-t"],
                              stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True)
        self.assertEqual(done.returncode, 78)
        self.assertIn("an open relay", done.stdout)


class Header(unittest.TestCase):
    def timed(self, data):
        began = time.monotonic()
        got = site.send(data)
        self.assertLess(time.monotonic() - began, 5)
        return got[0], got[1].split()[0]

    def test_limits(self):
        def fields(n):
            return b"X: y\r\n" * n + b"From: joe@a.test\r\n\r\nx\r\n"
        self.assertEqual(self.timed(fields(999))[0], 250)
        self.assertEqual(self.timed(fields(1000)), (552, "5.3.4"))
        self.assertEqual(self.timed(fields(10000)), (552, "5.3.4"))
        self.assertEqual(self.timed(fields(20000)), (552, "5.3.4"))
        self.assertEqual(self.timed(b"X: " + b"y\r\n " * 300000
                                    + b"\r\n\r\nx\r\n"), (552, "5.3.4"))
        self.assertEqual(self.timed(b"X:\r\n" + b" y\r\n" * 20000
                                    + b"From: joe@a.test\r\n\r\nx\r\n")[0], 250)
        self.assertEqual(self.timed((b"x" * 900 + b"\r\n") * 23
                                    + fields(1)), (250, "2.0.0"))
        self.assertEqual(self.timed(b"Received: x\r\n" * 500 + fields(1)),
                         (554, "5.4.6"))

    def test_strange_ones(self):
        """Our fields come first and make a header with what is there, or
        nothing goes on (row SY-23)."""
        plain = message("joe@a.test")
        for name, data in (
                ("no header", b"x\r\ny\r\n"),
                ("header alone", plain[:plain.index(b"\r\n\r\n") + 2]),
                ("empty", b""), ("first line empty", b"\r\n" + plain),
                ("mbox", b"From a b\r\n" + plain),
                ("no colon", b"nothing\r\n" + plain),
                ("no name", b": x\r\n" + plain),
                ("a line of spaces", plain.replace(b"Subject:", b" \r\nSubject:",
                                                   1))):
            with self.subTest(header=name):
                want = data if b"\r\n\r\n" in b"\r\n" + data else \
                    data + b"\r\n" # the blank line is added
                self.assertEqual(site.split(site.sent(data))[2], want)
        for first in b" x\r\n", b"\tx\r\n", b" \r\n":
            with self.subTest(first=first):
                before = len(site.up.messages)
                self.assertEqual(self.timed(first + plain), (550, "5.6.0"))
                self.assertEqual(len(site.up.messages), before)

    def test_long_tag_lists(self):
        good = sign(message("joe@a.test"), "a.test", key)
        for more in (b"h=from" + b":x" * 30000, b"z=" + b"y" * 60000,
                     b"; ".join(b"t%d=1" % i for i in range(8000)),
                     b"b=" + b"!" * 60000):
            folded = b"\r\n ".join(more[i:i + 900]
                                   for i in range(0, len(more), 900))
            data = b"DKIM-Signature: v=1; a=rsa-sha256; d=a.test; s=k; " \
                + folded + b"\r\n" + good
            self.assertEqual(self.timed(data)[0], 250)

    def test_thousand_signatures(self):
        tiny = b"DKIM-Signature: v=1;a=rsa-sha256;d=a.test;s=k;h=from;bh=" \
            + b"47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=;b=" + b"A" * 172 \
            + b"\r\n"
        data = tiny * 900 + message("joe@a.test")
        self.assertLess(len(tiny) * 900, 262144)
        field = site.verdict(data)
        self.assertEqual(field.count("dkim=fail"), 8)


if __name__ == "__main__":
    unittest.main()
