"""Messages of all kinds arrive octet for octet, signed so that all verify.

What may differ from what was sent: DKIM-Signatures and one Received above the
rest; fields that Sealpost takes away; Date and Message-ID behind the others
where nobody had signed yet; the blank line behind a header without a body.
"""
import os
import random
import re
import time
import unittest
from concurrent.futures import ThreadPoolExecutor

import mails
import peers
import population
import scratch
import verifiers
from rawclient import RawClient
from sealpost import Sealpost, message, run, section
from upstream import CapturingUpstream
from usercase import UserCase, signatures

DATE = rb"\w{3}, \d+ \w{3} \d{4} \d\d:\d\d:\d\d \+0000"
USERS = {"alice": ("smarthost", ["rsa-sha256"]),
         "ella": ("ed", ["ed25519-sha256"]),
         "dora": ("dual", ["rsa-sha256", "ed25519-sha256"])}


class Client(RawClient):
    def deliver(self, mail):
        self.send(f"MAIL FROM:<{mail.sender}>{mail.parameters}\r\n" + "".join(
            f"RCPT TO:<{r}>\r\n" for r in mail.recipients) + "DATA\r\n")
        codes = [self.reply()[0] for _ in range(len(mail.recipients) + 2)]
        if codes != [250] * (len(codes) - 1) + [354]:
            raise AssertionError(f"{mail.kind}: {codes}")
        self.send(mails.stuffed(mail.data))
        got = self.reply()
        if got[0] != 250:
            raise AssertionError(f"{mail.kind}: {got}")


def relay(up, canonicalization):
    """Three users, who sign with RSA, Ed25519 and both; on the second
    listener loopback counts as alice."""
    address = f"address = 127.0.0.1:{up.port}\ntls = none\n"
    sp = Sealpost(up.port, sign={"canonicalization": canonicalization},
                  start=False, users={}, extra=f"""
[upstream ed]
{address}signatures = ed25519
[upstream dual]
{address}signatures = dual
""")
    sp.trusted_port = sp.tls_port
    config = open(sp.config).read()
    head, _, rest = config.partition("[listen implicit]")
    with open(sp.config, "w") as f:
        f.write(head + "[listen trusted]\nupstream = smarthost\ntls = none\n"
                f"auth = none\naddress = 127.0.0.1:{sp.trusted_port}\n"
                "trusted_networks = 127.0.0.0/8\ntrusted_user = alice\n"
                + rest[rest.index("[upstream smarthost]"):])
    sp.add_key("example.com", "ed1", "--type", "ed25519")
    for name, (route, _) in USERS.items():
        sp.add_user(name, "secret", "example.com", "--upstream", route)
    sp.start()
    for name in USERS: # what an upstream offers is known from then on
        with Client(sp.port) as c:
            c.ready(name, "secret").deliver(mails.Mail(
                [b"From: alice@example.com\r\n"], b""))
    up.wait(len(USERS))
    return sp


class Expectation:
    """What must arrive of one mail; check() says where it is otherwise."""

    def __init__(self, mail, algorithms, with_, tls):
        signature = b"".join(
            rb"DKIM-Signature: v=1; a=%s; (?:[^\r]|\r\n[ \t])*\r\n"
            % a.encode() for a in algorithms)
        received = [rb"Received: from client\.test \(\[127\.0\.0\.1\]\)",
                    rb"\tby relay\.test \(Sealpost\) with " + with_
                    + rb" id (?P<id>[0-9a-z]+)"]
        if tls:
            received.append(rb"\t\(TLSv1\.3/\w+\)")
        if len(mail.recipients) == 1:
            received.append(b"\tfor <" + re.escape(
                mail.recipients[0].encode()) + b">")
        top = signature + b"\r\n".join(received) + b";\r\n\t" + DATE \
            + b"\r\n"
        tail = b""
        for name in mail.missing():
            tail += b"Date: " + DATE + b"\r\n" if name == "Date" else \
                b"Message-ID: <(?P=id)@relay\\.test>\r\n"
        self.mail, self.top, self.tail = mail, top, tail + b"\r\n"

    def check(self, test, got):
        left, body = self.mail.left(), self.mail.body
        top = re.match(self.top, got.data)
        test.assertIsNotNone(top, got.data[:3000])
        rest = got.data[top.end():]
        test.assertTrue(rest.startswith(left), (rest[:3000], left[:3000]))
        test.assertTrue(rest.endswith(body), (rest[-3000:], body[-3000:]))
        middle = rest[len(left):len(rest) - len(body)]
        test.assertRegex(top.group() + middle,
                         rb"\A" + self.top + self.tail + rb"\Z")
        test.assertEqual(got.sender, self.mail.sender)
        test.assertEqual(got.recipients, self.mail.recipients)


class Unchanged(unittest.TestCase):
    """DS-01: what is recorded upstream verifies, whatever it was."""

    def through(self, name, sp, port, all_mails):
        """Sends them in one session: by whom, mail, what must arrive."""
        tls = port == sp.port
        algorithms = USERS[name][1]
        with Client(port) as c:
            c.ready(name if tls else None, "secret", tls=tls)
            for mail in all_mails:
                with_ = b"UTF8SMTP" if "SMTPUTF8" in mail.parameters \
                    else b"ESMTP"
                c.deliver(mail)
                got = self.up.wait(len(USERS) + len(self.sent) + 1)[-1]
                Expectation(mail, algorithms, with_ + (b"SA" if tls else b""),
                            tls).check(self, got)
                self.sent.append((name, mail, got.data))

    def judge(self, sp, dns, one):
        """What each verifier says against it, "" when nothing."""
        name, mail, data = one
        own = {**sp.records, **mail.records}
        count = len(USERS[name][1]) + len(mail.records)
        said = run("verify", "--dns", dns, "--only", "dkim", input=data,
                   ok=None).stdout.decode()
        wrong = ""
        if said.count("dkim=pass") != count or said.count("dkim=") != count:
            wrong += "sealpost: " + said
        if not verifiers.dkimpy(data, own):
            wrong += " dkimpy: fail"
        return wrong and f"{name}, {mail.kind}: {wrong}"

    def opendkim(self, records):
        """libopendkim knows no Ed25519, and takes no header with two of
        what RFC 5322 3.6 allows once."""
        rsa = [(mail.kind, data) for name, mail, data in self.sent
               if name == "alice" and mail.kind != "repeated fields"]
        try:
            said = peers.opendkim_verify_all([d for _, d in rsa], records)
        except unittest.SkipTest:
            return
        self.assertEqual([f"{kind}: {what}" for (kind, _), what
                          in zip(rsa, said) if what], [])

    def relay_all(self, canonicalization, more=()):
        self.sent = []
        everything = list(mails.every(canonicalization)) + list(more)
        with CapturingUpstream() as self.up, \
                relay(self.up, canonicalization) as sp:
            self.through("alice", sp, sp.port, everything[0::4])
            self.through("ella", sp, sp.port, everything[1::4])
            self.through("dora", sp, sp.port, everything[2::4])
            self.through("alice", sp, sp.trusted_port, everything[3::4])
            others = {n: v for m in everything for n, v in m.records.items()}
            dns = sp.dns_file("".join(f'{n} TXT "{v}"\n'
                                      for n, v in others.items()))
            with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
                wrong = [w for w in pool.map(
                    lambda one: self.judge(sp, dns, one), self.sent) if w]
            self.assertEqual(wrong, [])
            self.opendkim({**sp.records, **others})
            self.assertEqual(len(sp.lines("message")),
                             len(USERS) + len(everything))

    def test_relaxed_relaxed(self):
        self.relay_all("relaxed/relaxed", [mails.big(20 << 20)])

    def test_relaxed_simple(self):
        self.relay_all("relaxed/simple")

    def test_simple_relaxed(self):
        self.relay_all("simple/relaxed")

    def test_simple_simple(self):
        self.relay_all("simple/simple")


def status(pid, field):
    """One line of /proc/PID/status; "" when the process has ended."""
    try:
        text = scratch.read(f"/proc/{pid}/status").decode()
    except OSError:
        return ""
    return re.search(rf"^{field}:\s*(.*)$", text, re.M).group(1)


def descendants(pid):
    parents = {p: status(p, "PPid") for p in os.listdir("/proc")
               if p.isdigit()}
    found = [str(pid)]
    for p in found:
        found += [child for child, parent in parents.items() if parent == p]
    return found


class Signing(UserCase):
    """The rows DS of the acceptance table, but for DS-11 (test_keyfiles.py),
    DS-15 (test_users.py) and DS-12, which needs keys proved by DNS."""

    users = {"alice": {"from": "good.example"},
             "mallory": {"from": "good.example", "other_from": "unsigned"},
             "victim": {"from": "bad.example"},
             "both": {"from": "*"},
             "seven": {"from": "good.example", "upstream": "seven"}}

    @classmethod
    def build(cls):
        for domain in "good.example", "bad.example":
            population.put_key(cls.sp, domain, "s1")
        population.put_users(cls.sp, {
            name: {"password": "pw-" + name, **more}
            for name, more in cls.users.items()})
        cls.seven = CapturingUpstream(extensions=("PIPELINING", "SIZE 999999"))
        cls.addClassCleanup(cls.seven.stop)
        cls.normal_port = scratch.free_port()
        with open(cls.sp.config, "a") as f:
            f.write(section("upstream seven", {
                "address": f"127.0.0.1:{cls.seven.port}", "tls": "none",
                "signatures": "ed25519"}))
            f.write(section("listen normal", {
                "address": f"127.0.0.1:{cls.normal_port}", "tls": "none",
                "upstream": "smarthost", "bare_newline": "normalize"}))

    def refused(self, c, data, *enhanced):
        """550, nothing upstream, and the session goes on."""
        code, text, got, _ = self.send(c, data)
        self.assertEqual((code, got), (550, None), text)
        self.assertIn(text.split(" ")[0], enhanced, text)

    def tags(self, got):
        field = re.match(rb"DKIM-Signature:((?:[^\r]|\r\n )*)\r\n", got)
        text = re.sub(r"\s+", "", field.group(1).decode())
        return dict(t.split("=", 1) for t in text.split(";"))

    def test_ds_02_and_14_tags(self):
        before = int(time.time())
        *_, got, _ = self.send(self.client("alice"), message(
            sender="x@good.example", Received="x", Return_Path="<x>",
            ARC_Seal="i=1", Comments="y", Bcc="z@example.net"))
        tags = self.tags(got)
        with self.subTest(row="DS-02"):
            self.assertEqual((tags["v"], tags["a"], tags["d"], tags["s"]),
                             ("1", "ed25519-sha256", "good.example", "s1"))
            self.assertEqual(set(tags), set("vacdstxhb") | {"bh"})
            names = tags["h"].split(":")
            self.assertEqual(names.count("from"), 2)
            self.assertFalse({"received", "return-path", "dkim-signature",
                              "arc-seal", "bcc", "comments"} & set(names))
            for line in got.split(b"\r\nReceived:")[0].split(b"\r\n"):
                self.assertLessEqual(len(line), 78)
        with self.subTest(row="DS-14"):
            self.assertIn(int(tags["t"]), range(before - 2, before + 60))
            self.assertEqual(int(tags["x"]) - int(tags["t"]), 7 * 86400)

    def test_ds_14_beyond_32_bits(self):
        key = scratch.write(os.path.join(self.sp.home, "k.pem"),
                            population.ed25519_key()[0], 0o600)
        for when in 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1, 2 ** 32 + 5:
            with self.subTest(row="DS-14", when=when):
                got = run("sign", "-d", "a.example", "-s", "x", "-k", key,
                          "--time", str(when), "--expire", "604800",
                          input=message()).stdout
                tags = self.tags(got)
                self.assertEqual((int(tags["t"]), int(tags["x"])),
                                 (when, when + 604800))

    def test_ds_03_no_author(self):
        rest = b"Subject: x\r\n\r\nx\r\n"
        c = self.client("both")
        for what, header in {
                "no From": b"", "empty": b"From:\r\n",
                "blank": b"From: \t\r\n", "folded": b"From:\r\n \r\n",
                "two fields": b"From: x@good.example\r\n" * 2,
                "two fields, one at the end": b"From: x@good.example\r\nA: b"
                b"\r\nfRoM : x@bad.example\r\n",
                "two addresses": b"From: x@good.example, y@good.example\r\n",
                "twice the same": b"From: x@good.example, x@good.example\r\n",
                "group of two": b"From: g: x@good.example, y@b.example;\r\n",
                "empty group": b"From: nobody:;\r\n",
                "two angles": b"From: <x@good.example> <y@bad.example>\r\n",
                "no domain": b"From: x\r\n", "no local": b"From: @a.b\r\n",
                "empty angle": b"From: X <>\r\n",
                "open comment": b"From: (x x@good.example\r\n",
                "open quote": b"From: \"x <x@good.example>\r\n",
                "literal": b"From: x@[192.0.2.1]\r\n",
                "dots": b"From: x@good..example\r\n",
                "NUL in name": b"From: a\0b <x@good.example>\r\n",
                "NUL in address": b"From: x@good.example\0.b\r\n"}.items():
            with self.subTest(row="DS-03", what=what):
                self.refused(c, header + rest, "5.6.0")
        self.assertEqual(self.send(c, message(sender="x@good.example"))[0],
                         250)

    def test_ds_04_another_domain(self):
        """Whatever it looks like: never with the other's key."""
        spellings = [s % b"x@bad.example" for s in mails.display_names()] + [
            b"x@BAD.Example", b"x@bad.example.", b"x @ bad . example",
            b"\"x@good.example\"@bad.example", b"x@bad(@good.example).example",
            b"x@good.example@bad.example", b"x%good.example@bad.example",
            b"x@bad.example\r\n (\r\n x@good.example)",
            b"<x@good.example> x@bad.example", b"x@sub.bad.example",
            b"x@good.example.bad.example", b"x@notgood.example"]
        honest, sly = self.client("alice"), self.client("mallory")
        for text in spellings:
            with self.subTest(row="DS-04", text=text):
                mail = b"From: " + text + b"\r\nTo: y@z.example\r\n\r\nx\r\n"
                self.refused(honest, mail, "5.7.1", "5.6.0")
                code, text, got, line = self.send(sly, mail)
                self.assertIn(code, (250, 550), text)
                self.assertEqual(signatures(got or b""), [])
                self.assertNotIn("signed", line)

    def test_ds_05_subdomain(self):
        for domain in "sub.good.example", "a.b.good.example", "x-good.example":
            with self.subTest(row="DS-05", domain=domain):
                self.refused(self.client("alice"),
                             message(sender="x@" + domain), "5.7.1")

    def test_ds_06_sender_and_resent(self):
        others = {"Sender": "x@bad.example", "Resent_From": "x@bad.example",
                  "Reply_To": "x@bad.example", "Return_To": "x@bad.example"}
        *_, got, _ = self.send(self.client("alice"), message(
            sender="x@good.example", **others))
        self.assertEqual(signatures(got)[0][0], "good.example")
        self.refused(self.client("alice"), message(
            sender="x@bad.example", **{k: "x@good.example" for k in others}),
            "5.7.1")

    def test_ds_07_display_names(self):
        """The address counts: who may use it signs for it, nobody else."""
        shapes = mails.display_names() + [
            b"\"a@good.example\" <%s> (b@good.example)",
            b"=?utf-8?b?YUBnb29kLmV4YW1wbGU=?=\r\n\t<%s>",
            b"a=?x?= \"<b@good.example>\" <%s>"]
        victim, alice = self.client("victim"), self.client("alice")
        for shape in shapes:
            for address in b"x@bad.example", b"\"a@good.example\"@bad.example":
                with self.subTest(row="DS-07", shape=shape, address=address):
                    mail = b"From: " + shape % address + b"\r\n\r\nx\r\n"
                    code, text, got, _ = self.send(victim, mail)
                    self.assertEqual(code, 250, text)
                    self.assertEqual(signatures(got), [
                        ("bad.example", "s1", "ed25519-sha256")])
                    self.refused(alice, mail, "5.7.1")

    def test_ds_08_others_signature(self):
        mail = mails.signed_by(random.Random(8), "other.example",
                               From=b"x@good.example")
        *_, got, _ = self.send(self.client("alice"), mail.data)
        self.assertEqual([s[0] for s in signatures(got)],
                         ["good.example", "other.example"])
        self.assertTrue(verifiers.dkimpy(got, {**self.sp.records,
                                               **mail.records}))

    def test_ds_09_what_would_be_recoded(self):
        mail = message(sender="x@good.example")
        self.refused(self.client("alice"), mail + b"x" * 999 + b"\r\n",
                     "5.6.0")
        self.refused(self.client("alice"), b"X: " + b"x" * 996 + b"\r\n"
                     + mail, "5.6.0")
        c = self.client("seven")
        for eight in (mail + "Grüße\r\n".encode(), b"X-A: \xe4\r\n" + mail):
            c.envelope("x@good.example", "b@example.net")
            c.send(eight + b".\r\n")
            code, text = c.reply()
            self.assertEqual((code, text[:5]), (554, "5.6.3"))
            self.assertEqual(self.seven.messages, [])
        c.envelope("x@good.example", "b@example.net")
        c.send(mail + b".\r\n")
        self.assertEqual(c.reply()[0], 250)
        self.assertTrue(verifiers.dkimpy(self.seven.wait()[0].data,
                                         self.sp.records))

    def test_ds_10_normalize(self):
        head = message(sender="x@good.example", body="")
        for body, arrives in (
                (b"a\nb\r\n", b"a\r\nb\r\n"), (b"a\rb\r\n", b"a b\r\n"),
                (b"\n\n\r\n", b"\r\n\r\n\r\n"), (b"a\r\r\n", b"a \r\n"),
                (b"a\n.\nb\r\n", b"a\r\n.\r\nb\r\n"),
                (b"a \n.\r\n", b"a \r\n.\r\n"),
                (b"\n\r\n", b"\r\n\r\n")):
            with self.subTest(row="DS-10", body=body):
                with RawClient(self.normal_port) as c:
                    c.ready("alice", "pw-alice", tls=False)
                    code, text, got, _ = self.send(c, head + body)
                self.assertEqual(code, 250, text)
                self.assertTrue(got.endswith(head + arrives), got)
                self.assertTrue(verifiers.dkimpy(got, self.sp.records))
                self.refused(self.client("alice"), head + body, "5.6.0")
        with RawClient(self.normal_port) as c:
            c.ready("alice", "pw-alice", tls=False)
            self.refused(c, head + b"a\0b\r\n", "5.6.0")
            code, _, got, _ = self.send(c, head.replace(b"\r\n", b"\n")
                                        + b"x\r\n")
            self.assertEqual(code, 250)
            self.assertTrue(got.endswith(head + b"x\r\n"))
            self.assertTrue(verifiers.dkimpy(got, self.sp.records))

    def test_ds_16_no_core_and_locked_memory(self):
        if os.getuid() != 0:
            self.skipTest("/proc of another account needs root")
        self.send(self.client("alice"), message(sender="x@good.example"))
        keeper = next(p for p in descendants(self.sp.process.pid)
                      if status(p, "Name") == "sealpost-keeper")
        self.assertRegex(scratch.read(f"/proc/{keeper}/limits").decode(),
                         r"Max core file size +0 +0 ")
        self.assertGreater(int(status(keeper, "VmLck").split()[0]), 0)
        regions = re.findall(r"VmFlags: (.*)", scratch.read(
            f"/proc/{keeper}/smaps").decode())
        self.assertTrue([r for r in regions
                         if {"lo", "dd"} <= set(r.split())], regions)
        for pid in descendants(self.sp.process.pid):
            # Not dumpable, whoever it runs as.
            self.assertEqual(os.stat(f"/proc/{pid}/mem").st_uid, 0, pid)
            self.assertEqual(status(pid, "NoNewPrivs"), "1")
            self.assertNotIn("0", status(pid, "Uid").split())

    def test_ds_17_names(self):
        def generate(domain, selector, ok):
            return self.sp.tool("key", "generate", domain, selector, "--type",
                                "ed25519", "--activate", "--no-reload", ok=ok)
        for domain, selector in (
                ("a;b.example", "s1"), ("a b.example", "s1"), ("", "s1"),
                ("..", "s1"), ("a..example", "s1"), ("../x", "s1"),
                ("a.example/b", "s1"), ("bücher.example", "s1"),
                ("x" * 64 + ".example", "s1"), ("a.example", "s;1"),
                ("a.example", "s 1"), ("a.example", "s\r\n1"),
                ("a.example", "../s1"), ("a.example", ".s1"),
                ("a.example", "s" * 64), ("a.example", "sé")):
            with self.subTest(row="DS-17", domain=domain, selector=selector):
                generate(domain, selector, (64, 65))
        generate("UPPER.Example", "SeLector", (0,))
        generate("xn--bcher-kva.example", "s1", (0,))
        path = os.path.join(self.sp.state, "keys")
        self.assertEqual({n for n in os.listdir(path) if n[0] != "."}, {
            "good.example", "bad.example", "upper.example",
            "xn--bcher-kva.example"})
        for setting, value in (("--selector", "a;b"), ("--selector", "a/b"),
                               ("--domain", "a b.example"),
                               ("--domain", "a;b"), ("--from", "a;b")):
            with self.subTest(row="DS-17", value=value):
                self.sp.tool("user", "set", "alice", setting, value,
                             ok=(64, 65))
        self.settle("user", "set", "victim", "--from",
                    "Bad.Example, UPPER.example, xn--bcher-kva.example")
        c = self.client("victim")
        for sender, domain, selector in (
                ("x@Upper.EXAMPLE", "upper.example", "selector"),
                ("x@XN--bcher-KVA.example", "xn--bcher-kva.example", "s1"),
                ("x@bücher.example", "xn--bcher-kva.example", "s1"),
                ("x@BÜCHER.example", "xn--bcher-kva.example", "s1")):
            with self.subTest(row="DS-17", sender=sender):
                code, text, got, _ = self.send(c, message(sender=sender))
                self.assertEqual(code, 250, text)
                self.assertEqual(signatures(got)[0][:2], (domain, selector))
        self.refused(c, message(sender="x@bücher.sub.example"), "5.7.1")
        self.refused(c, message(sender="x@bü\u2f00\ufdd0.example"), "5.6.0")


if __name__ == "__main__":
    unittest.main()
