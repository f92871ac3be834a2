"""One daemon with inbound listeners, its nameserver and its upstream.

    with Inbound(records, {"strict": {"on_spf_fail": "reject"}}) as site:
        code, text = site.send(message, listener="strict")
        site.sent(message)      what the upstream was given; fails when refused

Listener "main" has [check default]; each further one the settings given.
"""
import base64
import re
import smtplib
import subprocess

import dkim

import scratch
from nameserver import Nameserver
from rawclient import RawClient
from sealpost import Sealpost, run, section
from upstream import CapturingUpstream

ALLOWED = "v=spf1 ip4:127.0.0.1 -all"
FORBIDDEN = "v=spf1 -all"


def openssl(*arguments, **more):
    return subprocess.run(["openssl", *arguments], check=True,
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                          **more).stdout


def public(pem):
    return base64.b64encode(openssl("pkey", "-pubout", "-outform", "DER",
                                    input=pem)).decode()


class Key:
    """An RSA key: pem, and the record that goes with it."""

    def __init__(self, bits=2048):
        self.pem = openssl("genrsa", "-traditional", str(bits))
        self.record = "v=DKIM1; p=" + public(self.pem)


def sign(message, domain, key, selector="k", **more):
    """By dkimpy; further arguments are those of dkim.sign()."""
    return dkim.sign(message, selector.encode(), domain.encode(), key.pem,
                     **{"canonicalize": (b"relaxed", b"relaxed"),
                        **more}) + message


def unfold(text):
    return re.sub(r"\r?\n[ \t]+", " ", text)


class Inbound:
    def __init__(self, records=None, checks=None, timeout="1s", slow=False,
                 upstream=None, listen=None, extra="", **more):
        self.ns = Nameserver(records, slow=slow)
        self.up = upstream or CapturingUpstream()
        self.ports = {}
        for name, settings in (checks or {}).items():
            self.ports[name] = scratch.free_port()
            extra += section("listen " + name, {
                "address": f"127.0.0.1:{self.ports[name]}", "mode": "inbound",
                "tls": "none", "relay_domains": "example.com",
                "upstream": "smarthost", "check": name})
            extra += section("check " + name, settings)
        self.sp = Sealpost(self.up.port,
                           listen={"mode": "inbound", **(listen or {})},
                           dns={"nameserver": self.ns.address,
                                "timeout": timeout},
                           limits={"connections_per_ip": 1000},
                           extra=extra, users={}, keys=(), **more)
        self.ports["main"] = self.sp.port

    def client(self, listener="main", helo="client.test"):
        client = RawClient(self.ports[listener], timeout=60)
        client.expect("EHLO " + helo, 250)
        return client

    def send(self, message, sender="joe@a.test", helo="client.test",
             listener="main", to=("bob@example.com",), mail=""):
        """(code, text) of the reply to the message."""
        with self.client(listener, helo) as client:
            client.expect(f"MAIL FROM:<{sender}>{mail}", 250)
            for r in to:
                client.expect(f"RCPT TO:<{r}>", 250)
            client.expect("DATA", 354)
            client.send(smtplib._quote_periods(message) + b".\r\n")
            return client.reply()

    def sent(self, message, **more):
        """The content at the upstream."""
        before = len(self.up.messages)
        got = self.send(message, **more)
        if got[0] != 250:
            raise AssertionError(f"{got[0]} {got[1]}")
        return self.up.wait(before + 1)[-1].data

    def field(self, message, **more):
        """Our field, as it stands at the top of what was delivered."""
        return self.split(self.sent(message, **more))[0]

    def verdict(self, message, **more):
        return unfold(self.field(message, **more).decode())

    @staticmethod
    def split(content):
        """(our field, our Received, the rest)."""
        found = re.match(rb"(Authentication-Results: (?:.*\r\n)(?:[ \t].*\r\n)"
                         rb"*)((?:X-Quarantine: .*\r\n)?Received: (?:.*\r\n)"
                         rb"(?:[ \t].*\r\n)*)", content)
        if found is None:
            raise AssertionError("not our block at the top:\n"
                                 + content[:800].decode(errors="replace"))
        return found[1], found[2], content[found.end():]

    def command(self, message, sender="joe@a.test", helo="client.test",
                *options, ok=None):
        """The field that `sealpost verify` prints for it."""
        return run("verify", "--nameserver", self.ns.address, "--authserv-id",
                   "relay.test", "--ip", "127.0.0.1", "--helo", helo,
                   "--mail-from", sender, *options, input=message,
                   ok=ok).stdout

    def asked(self, since=0):
        return [name for name, _ in self.ns.asked[since:]]

    def __enter__(self):
        return self

    def __exit__(self, *error):
        try:
            self.sp.__exit__(*error)
        finally:
            self.ns.stop()
            self.up.stop()
