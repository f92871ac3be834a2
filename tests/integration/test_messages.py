"""Messages of all kinds arrive octet for octet, signed so that all verify.

What may differ from what was sent: DKIM-Signatures and one Received above the
rest; fields that Sealpost takes away; Date and Message-ID behind the others
where nobody had signed yet; the blank line behind a header without a body.
"""
import os
import re
import unittest
from concurrent.futures import ThreadPoolExecutor

import mails
import peers
import verifiers
from rawclient import RawClient
from sealpost import Sealpost, run
from upstream import CapturingUpstream

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


if __name__ == "__main__":
    unittest.main()
