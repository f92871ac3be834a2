"""mode = inbound and its nameserver: slow, broken, hostile, dead.

DN-01..06, 11, 13..16 are here, through a daemon. What needs single octets of
an answer is in tests/unit: DN-04 and 07 in test_resolver (manners),
DN-05, 07..10 in test_dns_packet, DN-12 in test_dns_cache (ttl_caps), the
files of DN-15 in test_resolver_hosts (resolv_conf_files).

[dns] timeout is 1s, so that a message's budget is 3 s: 2 for keys and SPF.
"""
import collections
import os
import struct
import threading
import time
import unittest

import nameserver
import scratch
from inbound import ALLOWED, FORBIDDEN, Inbound, Key, sign
from nameserver import FAIL, SILENT, Nameserver, answer, cname, rcode, txt
from rawclient import RawClient
from sealpost import Sealpost, message
from upstream import CapturingUpstream

LONG = bool(os.environ.get("SEALPOST_LONG"))
REJECT = "v=DMARC1; p=reject"


def setUpModule():
    global site, key
    key = Key()
    site = Inbound({"a.test": ALLOWED, "_dmarc.a.test": REJECT,
                    "k._domainkey.a.test": key.record, "bad.test": FORBIDDEN,
                    "_dmarc.bad.test": REJECT},
                   {"enforce": {"dmarc": "enforce"},
                    "later": {"dmarc": "enforce", "on_temperror": "tempfail"}},
                   slow=True)


def tearDownModule():
    site.__exit__(None, None, None)


def at_once(functions):
    """The results, in order; the functions run side by side."""
    results = [None] * len(functions)

    def one(i):
        began = time.monotonic()
        try:
            results[i] = functions[i](), time.monotonic() - began
        except Exception as e: # for the test to look at
            results[i] = repr(e), time.monotonic() - began
    threads = [threading.Thread(target=one, args=(i,))
               for i in range(len(functions))]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    return results


def with_key(selector, value):
    site.ns.records[f"{selector}._domainkey.a.test"] = value
    return sign(message("joe@a.test"), "a.test", key, selector=selector)


class Answers(unittest.TestCase):
    """What comes back for a key, and the word for it."""

    def words(self, values):
        """{case: (value, word)}; all are sent side by side."""
        data = {name: with_key(name, value)
                for name, (value, _) in values.items()}

        def send(name):
            tag = data[name].replace(b"Subject: hello", b"Subject: hello", 1)
            return site.send(tag)
        names = list(values)
        before = len(site.up.messages)
        got = at_once([lambda n=n: send(n) for n in names])
        content = [m.data for m in site.up.messages[before:]]
        for name, (reply, took) in zip(names, got):
            with self.subTest(case=name):
                self.assertEqual(reply[0], 250, reply)
                self.assertLess(took, 4)
                ours = [c for c in content
                        if b"header.s=" + name.encode() in c]
                self.assertEqual(len(ours), 1)
                self.assertIn(b"dkim=" + values[name][1].encode(), ours[0])

    def test_failures(self):
        self.words({
            "nx": (None, "permerror"),
            "nodata": (lambda q, tcp: answer(q), "permerror"),
            "servfail": (FAIL, "temperror"),
            "refused": (rcode(5), "temperror"),
            "formerr": (rcode(1), "temperror"),
            "notimp": (rcode(4), "temperror"),
            "silent": (SILENT, "temperror"),
            "wrongid": (lambda q, tcp: bytes([q[0] ^ 1]) + answer(
                q, [(None, 16, 9, b"\1x")])[1:], "temperror"),
            "othername": (lambda q, tcp: answer(q, [(
                "evil.test", 16, 300, nameserver._data("TXT", key.record))]),
                "permerror"),
        })

    def test_time_of_a_try(self):
        self.words({
            "t09": (nameserver.after(0.8, txt(key.record)), "pass"),
            "t11": (nameserver.after(1.2, txt(key.record)), "temperror"),
        })

    def test_truncation_and_tcp(self):
        full = txt(key.record)
        cut = lambda q: answer(q, flags=0x8380)
        self.words({
            "tconly": (lambda q, tcp: full(q, tcp) if tcp else cut(q), "pass"),
            "tcnone": (lambda q, tcp: None if tcp else cut(q), "temperror"),
            "tchalf": (lambda q, tcp: full(q, tcp)[:40] if tcp else cut(q),
                       "temperror"),
            "tcagain": (lambda q, tcp: cut(q), "temperror"),
        })

    def test_big_answers(self):
        def record(octets):
            return key.record + "; n=" + "x" * (octets - len(key.record))
        self.words({
            "b01": (record(1200), "pass"), "b09": (record(9000), "permerror"),
            "b16": (record(16000), "permerror"),
            "b64": (record(64000), "permerror"),
            "many": (lambda q, tcp: answer(q, [
                (None, 16, 9, b"\1x")] * 1000), "permerror"),
            "ones": (lambda q, tcp: answer(q, [
                (None, 16, 9, b"\1x" * 4000)]), "permerror"),
        })

    def test_strings_are_joined(self):
        """DV-22: a record is its strings, with nothing between them."""
        text = key.record.encode()

        def strings(*ends):
            parts = [text[a:b] for a, b in zip((0, *ends),
                                               (*ends, len(text)))]
            data = b"".join(bytes([len(p)]) + p for p in parts)
            return lambda q, tcp: answer(q, [(None, 16, 300, data)])
        self.words({
            "two": (strings(200), "pass"),
            "twenty": (strings(*range(1, 21), 200), "pass"),
            "tag": (strings(1, text.index(b"p=") + 1, 200), "pass"),
            "empty": (strings(5, 5, 5, 200), "pass"),
        })

    def test_aliases(self):
        for length in (1, 8, 9, 50):
            for i in range(length):
                site.ns.records[f"c{length}-{i}.test"] = cname(
                    f"c{length}-{i + 1}.test")
            site.ns.records[f"c{length}-{length}.test"] = key.record
        site.ns.records["loop1.test"] = cname("loop2.test")
        site.ns.records["loop2.test"] = cname("loop1.test")
        self.words({
            "one": (cname("c1-1.test"), "pass"),
            "eight": (cname("c8-1.test"), "pass"),
            "nine": (cname("c9-1.test"), "temperror"),
            "fifty": (cname("c50-1.test"), "temperror"),
            "self": (cname("self._domainkey.a.test"), "temperror"),
            "two": (cname("loop1.test"), "temperror"),
            "root": (cname("."), "permerror"),
        })

    def test_without_edns(self):
        def old(query, tcp):
            if struct.unpack(">H", query[10:12])[0]:
                return answer(query, flags=0x8181)
            return answer(query, [(None, 16, 300, nameserver._data(
                "TXT", key.record))])

        def badvers(query, tcp):
            if struct.unpack(">H", query[10:12])[0]:
                reply = answer(query) + b"\0" + struct.pack(
                    ">HHIH", 41, 1232, 0x01000000, 0)
                return reply[:10] + b"\0\1" + reply[12:]
            return old(query, tcp)
        self.words({"old": (old, "pass"), "badvers": (badvers, "pass")})


class Budget(unittest.TestCase):
    def test_questions_leave_while_the_body_arrives(self):
        with_key("early", key.record)
        data = sign(message("joe@early.test"), "a.test", key, selector="early")
        head, _, body = data.partition(b"\r\n\r\n")
        since = len(site.ns.seen)
        with site.client() as client:
            client.envelope("joe@a.test", "bob@example.com")
            client.send(head + b"\r\n\r\n")
            scratch.wait_for("questions before the body", lambda: {
                "early._domainkey.a.test", "_dmarc.early.test"} <= {
                    q[0] for q in site.ns.seen[since:]}, 3)
            client.send(body + b".\r\n")
            self.assertEqual(client.reply()[0], 250)
        self.assertIn(b"dkim=pass", site.up.messages[-1].data)

    def slow_body(self, data, listener):
        head, _, body = data.partition(b"\r\n\r\n")
        with site.client(listener) as client:
            client.envelope("joe@a.test", "bob@example.com")
            client.send(head + b"\r\n\r\n")
            time.sleep(3.5) # more than the budget
            client.send(body + b".\r\n")
            return client.reply()

    def test_a_slow_body_costs_nothing_of_it(self):
        site.ns.records["_dmarc.zero.test"] = txt(REJECT, ttl=0)
        site.ns.records["_dmarc.nought.test"] = txt("v=DMARC1; p=none", ttl=0)
        got = at_once([
            lambda: self.slow_body(message("joe@zero.test"), "later"),
            lambda: self.slow_body(message("joe@nought.test"), "later")])
        self.assertEqual([(r[0], r[1][:6]) for r, _ in got],
                         [(550, "5.7.26"), (250, "2.0.0 ")])

    def test_strangers_cannot_spend_what_the_policy_needs(self):
        site.ns.records["mute.test"] = SILENT
        site.ns.records["s._domainkey.mute.test"] = SILENT
        data = sign(message("joe@bad.test"), "mute.test", key, selector="s")
        (reply, took), = at_once([lambda: site.send(
            data, sender="joe@mute.test", listener="enforce")])
        self.assertEqual((reply[0], reply[1][:6]), (550, "5.7.26"))
        self.assertTrue(1.5 < took < 3.5, took)

    def test_over_it_nothing_is_lost(self):
        site.ns.records["hush._domainkey.a.test"] = SILENT
        data = sign(message("joe@a.test"), "a.test", key, selector="hush")
        site.ns.records["hush.test"] = SILENT
        site.ns.records["_dmarc.hush.test"] = SILENT
        hushed = message("joe@hush.test")
        got = at_once([
            # May yet pass by DKIM: not refused for good.
            lambda: site.send(data, sender="joe@bad.test", listener="enforce"),
            lambda: site.send(data, sender="joe@bad.test", listener="later"),
            lambda: site.send(hushed, sender="joe@hush.test",
                              listener="enforce"),
            lambda: site.send(hushed, sender="joe@hush.test",
                              listener="later")])
        self.assertEqual([(r[0], r[1][:5]) for r, _ in got],
                         [(250, "2.0.0"), (451, "4.4.3"), (250, "2.0.0"),
                          (451, "4.4.3")])
        for _, took in got:
            self.assertLess(took, 4)


class Load(unittest.TestCase):
    def test_fifty_ask_once(self):
        data = with_key("shared", nameserver.after(0.3, txt(key.record)))
        zero = with_key("zero", txt(key.record, ttl=0))
        since = len(site.ns.asked)
        got = at_once([lambda: site.send(data) for _ in range(50)])
        self.assertEqual({r[0] for r, _ in got}, {250})
        self.assertEqual(site.asked(since).count("shared._domainkey.a.test"),
                         1)
        site.send(data)
        self.assertEqual(site.asked(since).count("shared._domainkey.a.test"),
                         1)
        site.send(zero)
        site.send(zero)
        self.assertEqual(site.asked(since).count("zero._domainkey.a.test"), 2)

    def chain(self, number):
        """A message with 50 ARC sets, each with names of its own."""
        sets = b""
        for i in range(50, 0, -1):
            d = b"n%d-%d.test" % (number, i)
            cv = b"none" if i == 1 else b"pass"
            sets += b"ARC-Seal: i=%d; a=rsa-sha256; cv=%s; d=%s; s=a; " \
                b"t=1700000000; b=AAAA\r\nARC-Message-Signature: i=%d; " \
                b"a=rsa-sha256; c=relaxed/relaxed; d=%s; s=m; h=from; " \
                b"bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=; b=AAAA\r\n" \
                b"ARC-Authentication-Results: i=%d; x.test; none\r\n" % (
                    i, cv, d, i, d, i)
        return sets + message("joe@a.test")

    def test_ten_thousand_questions_look_random(self):
        since = len(site.ns.seen)

        def some(start):
            for n in range(start, 110, 4):
                self.assertEqual(site.send(self.chain(n))[0], 250)
        for result, _ in at_once([lambda s=s: some(s) for s in range(4)]):
            self.assertIsNone(result)
        seen = [q for q in site.ns.seen[since:] if not q[4]]
        self.assertGreaterEqual(len(seen), 10000)
        for name, values in (("id", [q[3] >> 8 for q in seen]),
                             ("id, low", [q[3] & 255 for q in seen])):
            counts = collections.Counter(values)
            expected = len(values) / 256
            chi = sum((counts[i] - expected) ** 2 / expected
                      for i in range(256))
            # 255 degrees of freedom: 99.999 % are between 165 and 364.
            self.assertTrue(165 < chi < 364, f"{name}: {chi}")
        ports = [q[2] for q in seen]
        self.assertGreater(len(set(ports)), 5000)
        steps = collections.Counter(b - a for a, b in zip(ports, ports[1:]))
        self.assertLess(steps.most_common(1)[0][1], len(seen) / 100)
        ids = [q[3] for q in seen]
        steps = collections.Counter(b - a for a, b in zip(ids, ids[1:]))
        self.assertLess(steps.most_common(1)[0][1], 20)


class Dead(unittest.TestCase):
    """Nobody answers DNS: mail goes on, and so does everybody else."""

    def test_the_loop_goes_on(self):
        with Inbound({}, timeout="1s") as dead:
            dead.ns.stop() # then the ports are closed, or:
            mute = Nameserver({}, host="127.0.0.1", port=dead.ns.port)
            mute._answer = lambda *_, **__: None
            late, ending = [], threading.Event()

            def ping():
                while not ending.is_set():
                    with dead.client() as other:
                        for _ in range(50):
                            began = time.monotonic()
                            other.expect("NOOP", 250)
                            late.append(time.monotonic() - began)
                            time.sleep(0.01)
            pinger = threading.Thread(target=ping)
            pinger.start()
            rate = 0.3 # seconds between two: 200 a minute
            got = []

            def one(n):
                time.sleep(n * rate)
                return dead.send(sign(message(f"joe@d{n}.test"),
                                      f"d{n}.test", key))
            got = at_once([lambda n=n: one(n) for n in range(200 if LONG else 30)])
            ending.set()
            pinger.join()
            mute.stop()
            self.assertEqual({r[0] for r, _ in got}, {250})
            for n, m in enumerate(dead.up.messages):
                self.assertIn(b"dkim=temperror", m.data)
                self.assertIn(b"dmarc=temperror", m.data)
            for n, (_, took) in enumerate(got):
                self.assertLess(took - n * rate, 4)
            late.sort()
            self.assertGreater(len(late), 300)
            self.assertLess(late[len(late) * 99 // 100], 0.5)

    def test_nobody_is_there(self):
        data = sign(message("joe@a.test"), "a.test", key)
        with CapturingUpstream() as up, Sealpost(
                up.port, listen={"mode": "inbound"}, users={}, keys=(), dns={
                    "nameserver": f"127.0.0.1:{scratch.free_port()}"}) as sp, \
                RawClient(sp.port) as client:
            client.expect("EHLO h.test", 250)
            client.envelope("joe@a.test", "bob@example.com")
            began = time.monotonic()
            client.send(data + b".\r\n")
            self.assertEqual(client.reply()[0], 250)
            self.assertLess(time.monotonic() - began, 4)
            self.assertIn(b"dkim=temperror", up.messages[0].data)

    def test_another_server_by_reload(self):
        with Inbound({}) as it, Nameserver({
                "k._domainkey.a.test": key.record}) as other:
            data = sign(message("joe@a.test"), "a.test", key)
            self.assertIn("dkim=permerror", it.verdict(data))
            conf = scratch.read(it.sp.config).decode()
            scratch.write(it.sp.config, conf.replace(it.ns.address,
                                                     other.address))
            it.sp.reload()

            def passes():
                try:
                    return "dkim=pass" in it.verdict(data)
                except AssertionError as e: # the old worker says 421
                    if " 421 " not in str(e):
                        raise
            scratch.wait_for("the other server", passes)


if __name__ == "__main__":
    unittest.main()
