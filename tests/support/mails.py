"""Messages of every kind that a relay must carry, made from a seed.

    for mail in mails.every(seed):
        mail.data       what the client sends, dots not yet stuffed
        mail.left()     the fields that must be left of its header

A field that Sealpost takes away is a Gone; all others stay as they are.
"""
import functools
import random
import re
import subprocess
from dataclasses import dataclass, field

import dkim

SENDER, RECIPIENT = "alice@example.com", "bob@example.net"
SPACES = (b" ", b"\t", b"  ", b" \t ", b"\t\t")


class Gone(bytes):
    """A field that Sealpost takes away."""


@dataclass
class Mail:
    fields: list             # raw, with their line ends
    body: bytes
    blank: bool = True       # a blank line stands behind the header
    sender: str = SENDER
    recipients: list = field(default_factory=lambda: [RECIPIENT])
    parameters: str = ""     # of MAIL
    records: dict = field(default_factory=dict) # of signatures that it has
    kind: str = ""

    @property
    def data(self):
        return b"".join(self.fields) + (b"\r\n" if self.blank else b"") \
            + self.body

    def has(self, name):
        return any(f.split(b":")[0].strip().lower() == name
                   for f in self.fields)

    def left(self):
        return b"".join(f for f in self.fields if not isinstance(f, Gone))

    def missing(self):
        """What Sealpost adds to a message that nobody has signed."""
        if self.has(b"dkim-signature"):
            return []
        return [n for n in ("Date", "Message-ID")
                if not self.has(n.lower().encode())]


# --- pieces ---------------------------------------------------------------

def word(rng):
    return bytes(rng.choices(b"abcdefghijklmnopqrstuvwxyz0123456789-",
                             k=rng.randint(1, 12)))


def text(rng, count=None):
    return b" ".join(word(rng) for _ in range(count or rng.randint(1, 9)))


def lines(rng, count=None):
    return b"".join(text(rng) + b"\r\n"
                    for _ in range(count or rng.randint(1, 30)))


def usual(rng, without=(), **other):
    """From, To, Subject, Date, Message-ID; other: values instead."""
    values = {"From": SENDER.encode(), "To": RECIPIENT.encode(),
              "Subject": text(rng),
              "Date": b"Sat, 21 Nov 2026 %02d:00:00 +0000"
                      % rng.randint(0, 23),
              "Message-ID": b"<%s@example.com>" % word(rng)}
    values.update({k.replace("_", "-"): v for k, v in other.items()})
    return [k.encode() + b": " + v + b"\r\n" for k, v in values.items()
            if k not in without]


def with_body(rng, body, **more):
    return Mail(usual(rng), body, **more)


def with_fields(rng, *fields, **more):
    """The usual fields, and these at places among them."""
    all_fields = usual(rng)
    for f in fields:
        all_fields.insert(rng.randint(0, len(all_fields)), f)
    return Mail(all_fields, lines(rng), **more)


def named(name, value):
    return name.encode() + b": " + value + b"\r\n"


# --- bodies ---------------------------------------------------------------

def from_alphabet(rng):
    """The reduced alphabet reaches the corners of canonicalization."""
    atoms = [b" ", b"\t", b"\r\n", b"\r\n", b".", b"a", b"\xc3\xa4"]
    return b"".join(rng.choices(atoms, k=rng.randint(1, 400))) + b"\r\n"


def all_octets(rng):
    octets = bytes(o for o in range(1, 256) if o not in (10, 13))
    return b"".join(octets[n:] + octets[:n] + b"\r\n"
                    for n in rng.sample(range(len(octets)), 9))


def trailing_space(rng):
    return b"".join(text(rng) + rng.choice(SPACES) + b"\r\n"
                    for _ in range(20))


def feeds(rng):
    return b"".join(rng.choice([b"\f", b"\v", b" \f ", b"a\v\v b", b"\t\v"])
                    + rng.choice([b"", b" ", b"\f"]) + b"\r\n"
                    for _ in range(20))


def of_size(rng, octets, length=76):
    """Much text, quickly made."""
    block = b"".join(bytes(rng.choices(b"abcdef .\t", k=length - 2)) + b"\r\n"
                     for _ in range(50))
    return block * (octets // len(block) + 1)


def multipart(rng):
    edge = b"=_" + word(rng)
    inner = b"inner" + word(rng)
    body = (b"preamble\r\n--" + edge + b"\r\nContent-Type: multipart/"
            b"alternative; boundary=\"" + inner + b"\"\r\n\r\n--" + inner
            + b"\r\nContent-Type: text/plain; charset=utf-8\r\n"
            b"Content-Transfer-Encoding: 8bit\r\n\r\nGr\xc3\xbc\xc3\x9fe\r\n--"
            + inner + b"\r\nContent-Type: text/html\r\n\r\n<p>\r\n--" + inner
            + b"--\r\n\r\n--" + edge + b"\r\nContent-Type: message/rfc822\r\n"
            b"\r\nFrom: x@example.org\r\nBcc: y@example.org\r\n"
            b"Authentication-Results: relay.test; dkim=pass\r\n\r\nz\r\n--"
            + edge + b"--\r\nepilogue\r\n")
    mail = with_fields(rng, named("MIME-Version", b"1.0"),
                       named("Content-Type", b"multipart/mixed;\r\n"
                             b"\tboundary=\"" + edge + b"\""))
    mail.body = body
    return mail


BODIES = {
    "plain": lambda r: lines(r),
    "empty body": lambda r: b"",
    "one CRLF": lambda r: b"\r\n",
    "only blank lines": lambda r: b"\r\n" * r.randint(2, 50),
    "only white space": lambda r: b"".join(
        r.choice(SPACES) + b"\r\n" for _ in range(r.randint(1, 9))),
    "blank lines at the end": lambda r: lines(r) + b"\r\n" * r.randint(1, 9),
    "white space at the end": lambda r: lines(r) + b" \t\r\n \r\n",
    "blank lines first": lambda r: b"\r\n" * r.randint(1, 9) + lines(r),
    "dots at line starts": lambda r: b"".join(
        b"." * r.randint(0, 4) + word(r) + b"\r\n" for _ in range(40)),
    "dots alone": lambda r: b"".join(
        b"." * r.randint(1, 3) + b"\r\n" for _ in range(20)),
    "dot and space": lambda r: b". \r\n.\t\r\n .\r\n. .\r\n",
    "998 octets": lambda r: b"".join(
        bytes([r.choice(b"x. \xe4")]) * 998 + b"\r\n" for _ in range(5)),
    "trailing white space": trailing_space,
    "tabs": lambda r: b"".join(
        text(r).replace(b" ", r.choice(SPACES)) + b"\r\n" for _ in range(20)),
    "form feeds": feeds,
    "8 bit": lambda r: "Grüße €\r\n".encode("latin-1", "replace") * 3,
    "UTF-8": lambda r: "Grüße € 漢字 \U0001f4ec\r\n".encode() * 5,
    "all octets": all_octets,
    "alphabet": from_alphabet,
    "alphabet again": from_alphabet,
    "mail like": lambda r: b"From x\r\nFrom: y@example.org\r\n\r\n-- \r\n"
                           b"QUIT\r\nDKIM-Signature: v=1\r\n",
    "above the memory threshold": lambda r: of_size(r, 300000),
    "1.4 MB of dots": lambda r: b".\r\n..\r\n.\t\r\n" * 130000,
}


# --- headers --------------------------------------------------------------

def folded(rng):
    subject = b"one\r\n two \r\n\tthree\t\r\n \t four" + rng.choice(SPACES)
    references = b"\r\n ".join(b"<%s@example.org>" % word(rng)
                               for _ in range(30))
    return Mail(usual(rng, Subject=subject, References=references,
                      X_Late=b"\r\n late"), lines(rng))


def empty_values(rng):
    return Mail(usual(rng, Subject=b"") + [b"X-None:\r\n", b"X-Space: \r\n",
                                           b"X-Tabs:\t\t\r\n", b"Cc:\r\n",
                                           b"Reply-To:\r\n"], lines(rng))


def many_fields(rng):
    return with_fields(rng, *(named("X-%d" % n, text(rng))
                              for n in range(295)))


def odd_names(rng):
    return with_fields(rng, b"!#$%&'*+-.^_|~{}`/=?: x\r\n", b"x:y\r\n",
                       b"X-Wide:     w   i   d   e   \r\n", b"LIST-ID:<x>\r\n",
                       named("X" * 70, text(rng)))


def mixed_case(rng):
    return Mail([b"fRoM: alice@example.com\r\n", b"TO:bob@example.net\r\n",
                 b"sUBJECT:  " + text(rng) + b"\r\n", b"DATE: x\r\n",
                 b"message-id: <x@y>\r\n"], lines(rng))


def repeated(rng):
    return with_fields(rng, named("To", b"c@example.net"),
                       named("Cc", b"d@example.net"), named("X-A", b"1"),
                       named("Cc", b"e@example.net"), named("X-A", b"2"),
                       named("Comments", text(rng)), named("Keywords", b"a"))


def long_fields(rng):
    return with_fields(rng, named("X-Long", b"x" * 990),
                       named("List-Help", b"\r\n ".join(
                           b"<mailto:%s>" % (b"y" * 900) for _ in range(9))))


def hops(rng):
    fields = [named("Received", b"from x.example by y.example\r\n\tid %s; x"
                    % word(rng)) for _ in range(90)]
    return Mail(fields + usual(rng), lines(rng))


def resent(rng):
    return Mail([named("Resent-From", b"x@example.org"),
                 named("Resent-To", b"y@example.org"),
                 named("Resent-Date", b"Sat, 21 Nov 2026 22:00:00 +0000"),
                 named("Resent-Message-ID", b"<%s@example.org>" % word(rng)),
                 Gone(named("Resent-Bcc", b"secret@example.org")),
                 named("Resent-From", b"older@example.org")]
                + usual(rng, Sender=b"Secretary <s@example.org>"), lines(rng))


def listed(rng):
    return with_fields(
        rng, named("List-Id", b"A list <a.example.org>"),
        named("List-Unsubscribe", b"<mailto:u@example.org>,\r\n"
              b" <https://example.org/u>"),
        named("List-Unsubscribe-Post", b"List-Unsubscribe=One-Click"),
        named("List-Post", b"NO"), named("Precedence", b"bulk"),
        named("Feedback-ID", b"a:b:c:d"), named("TLS-Required", b"No"))


def removed(rng):
    return with_fields(
        rng, Gone(named("Bcc", b"secret@example.org")),
        Gone(b"bCC:\r\n folded@example.org,\r\n\tx@example.org\r\n"),
        Gone(b"Bcc:\r\n"), Gone(named("Return-Path", b"<x@example.org>")),
        named("X-Bcc", b"kept@example.org"), named("Bcc-X", b"kept"))


def claims(rng):
    """Results that only we may state, and those of others."""
    spellings = [b"relay.test; dkim=pass", b"RELAY.Test; spf=pass",
                 b"\r\n relay.test;\r\n\tdkim=pass", b"\"relay.test\"; none",
                 b"(x) relay.test (y); none", b"relay.test 1; dkim=pass",
                 b"relay.test", b"relay.test; " + b"dkim=pass;\r\n " * 41]
    gone = [Gone(b"Authentication-Results:" + rng.choice([b"", b" "]) + s
                 + b"\r\n") for s in spellings]
    gone.append(Gone(b"AUTHENTICATION-results: relay.test; dkim=pass\r\n"))
    kept = [named("Authentication-Results", b"other.example; dkim=pass"),
            named("Authentication-Results", b"relay.test.example; none"),
            named("X-Authentication-Results", b"relay.test; dkim=pass"),
            named("ARC-Authentication-Results", b"i=1; relay.test; none")]
    return with_fields(rng, *gone, *kept)


def unicode_header(rng):
    return Mail(usual(rng, From="Älice <älice@example.com>".encode(),
                      To="用户 <用户@例え.example>".encode(),
                      Subject="Grüße €".encode()),
                "Grüße\r\n".encode(), sender="älice@example.com",
                recipients=["用户@例え.example"],
                parameters=" BODY=8BITMIME SMTPUTF8")


def many_recipients(rng):
    return with_body(rng, lines(rng), recipients=[
        "%s.%d@example.net" % (word(rng).decode().strip("-") or "x", n)
        for n in range(150)])


@functools.cache
def stranger():
    """Somebody else's key: (PEM, its record)."""
    def openssl(*arguments, **more):
        return subprocess.run(["openssl", *arguments], check=True,
                              stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, **more).stdout
    pem = openssl("genrsa", "-traditional", "2048")
    public = openssl("rsa", "-pubout", input=pem).split(b"\n")
    return pem, "v=DKIM1; k=rsa; p=" + b"".join(public[1:-2]).decode()


def signed_by(rng, domain, canonicalization=(b"relaxed", b"simple"),
              **without):
    """A message that a stranger has signed."""
    pem, record = stranger()
    mail = Mail(usual(rng, **without), lines(rng))
    mail.fields.insert(0, dkim.sign(
        mail.data, b"o1", domain.encode(), pem, canonicalize=canonicalization,
        include_headers=[b"From", b"From", b"Subject"]))
    mail.records["o1._domainkey." + domain] = record
    return mail


def display_names():
    """From fields whose only address is x@DOMAIN, whatever they look like."""
    return [b"%s", b"<%s>", b"\"a@good.example\" <%s>",
            b"\"a@good.example <b@good.example>\" <%s>",
            b"(a@good.example) %s (b@good.example)",
            b"A Name <%s>",
            b"=?utf-8?q?a=40good=2Eexample?= <%s>",
            b"\"\\\"a\\\" <b@good.example>,\" <%s>",
            b"a.b (c, d@good.example)\r\n <%s>", b"group: <%s>;",
            b"<@good.example,@b.example:%s>"]


def tricky_from(rng):
    shape = rng.choice(display_names())
    return Mail(usual(rng, From=shape % SENDER.encode()), lines(rng))


KINDS = {
    **{name: (lambda rng, make=make: with_body(rng, make(rng)))
       for name, make in BODIES.items()},
    "no body at all": lambda r: Mail(usual(r), b"", blank=False),
    "multipart": multipart,
    "folded": folded,
    "empty values": empty_values,
    "300 fields": many_fields,
    "odd names": odd_names,
    "mixed case": mixed_case,
    "repeated fields": repeated,
    "long fields": long_fields,
    "90 hops": hops,
    "Resent": resent,
    "List": listed,
    "removed": removed,
    "claimed results": claims,
    "no Date": lambda r: Mail(usual(r, ["Date"]), lines(r)),
    "no Message-ID": lambda r: Mail(usual(r, ["Message-ID"]), lines(r)),
    "From alone": lambda r: Mail(
        usual(r, ["To", "Subject", "Date", "Message-ID"]), b"x\r\n"),
    "signed": lambda r: signed_by(r, "other.example"),
    "signed, simple": lambda r: signed_by(r, "other.example",
                                          (b"simple", b"simple")),
    "signed, no Date": lambda r: signed_by(r, "x.example.org",
                                           without=["Date"]),
    "UTF-8 header": unicode_header,
    "8-bit header": lambda r: with_fields(r, named("X-Raw", b"\xe4\xf6\xfc")),
    "150 recipients": many_recipients,
    "no sender": lambda r: with_body(r, lines(r), sender=""),
    "MIME": lambda r: with_fields(
        r, named("MIME-Version", b"1.0"), named("Content-Language", b"de"),
        named("Content-Type", b"text/plain; charset=utf-8"),
        named("Content-Transfer-Encoding", b"8bit"),
        named("In-Reply-To", b"<x@example.org>")),
    "tricky From": tricky_from,
    "tricky From again": tricky_from,
    "Autocrypt": lambda r: with_fields(r, named(
        "Autocrypt", b"addr=alice@example.com; keydata=\r\n "
        + b"\r\n ".join(b"A" * 76 for _ in range(20)))),
}


def every(seed):
    """One message of each kind."""
    for name, make in KINDS.items():
        mail = make(random.Random(f"{seed} {name}"))
        mail.kind = name
        yield mail


def big(octets):
    rng = random.Random(octets)
    return with_body(rng, of_size(rng, octets, 998))


def stuffed(data):
    """As it goes over the wire, its end included; CRLF alone ends a line."""
    return re.sub(rb"(^|(?<=\r\n))\.", b"..", data) + b".\r\n"
