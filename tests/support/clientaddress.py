"""Listeners that are told whose address a client has, PROXY headers to tell it
with, and a client that begins with one."""
import socket
import struct
import unittest

import scratch
from nameserver import Nameserver
from rawclient import RawClient
from sealpost import Sealpost, message, section
from upstream import CapturingUpstream

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
PER_IP = 8


def v1(address, family="TCP4"):
    other = "198.51.100.1" if family == "TCP4" else "2001:db8:ff::1"
    return f"PROXY {family} {address} {other} 40000 25\r\n".encode()


def v2(command=0x21, family=0x11, body=b"", length=None):
    return SIGNATURE + struct.pack(
        "!BBH", command, family,
        len(body) if length is None else length) + body


def v2_for(address, tlv=b""):
    if ":" in address:
        body = socket.inet_pton(socket.AF_INET6, address) + b"\0" * 16
        return v2(family=0x21, body=body + struct.pack("!HH", 1, 2) + tlv)
    body = socket.inet_aton(address) + b"\0" * 4
    return v2(body=body + struct.pack("!HH", 1, 2) + tlv)


class Client(RawClient):
    """header goes out before anything else; source is our own address."""

    def __init__(self, port, header=b"", source="127.0.0.1", **more):
        self.header, self.source = header, source
        greeting = more.pop("greeting", True)
        super().__init__(port, greeting=False, **more)
        if header:
            self.send(header)
        if greeting:
            self.greeting = self.reply()

    def offers(self, name="client.test"):
        return {line.split()[0] for line in
                self.expect("EHLO " + name, 250).splitlines()[1:]}

    def mail(self, data, sender="alice@example.com",
             recipient="bob@example.net"):
        self.envelope(sender, recipient)
        self.send(data + b".\r\n")
        return self.reply()


class World(unittest.TestCase):
    """Listeners: main and implicit (AUTH) and lb (no AUTH) want a PROXY
    header; mta takes XCLIENT from everybody here, mx both, open neither."""

    @classmethod
    def setUpClass(cls):
        cls.addClassCleanup(cls.stop)
        cls.up = cls.sp = cls.ns = None
        cls.ns = Nameserver({
            ("example.org", "TXT"): ["v=spf1 ip4:192.0.2.50 ip6:2001:db8::50 -all"]})
        cls.up = CapturingUpstream()
        cls.ports = {n: scratch.free_port()
                     for n in ("lb", "self", "mta", "mx", "open")}
        cls.sp = Sealpost(
            cls.up.port, listen={"proxy_protocol_from": "127.0.0.1"},
            limits={"connections_per_ip": PER_IP,
                    "connections_per_user": 4},
            dns={"nameserver": f"127.0.0.1:{cls.ns.port}"},
            extra=cls.listeners())

    @classmethod
    def stop(cls):
        try:
            if cls.sp:
                cls.sp.stop()
        finally:
            for part in (cls.up, cls.ns):
                if part:
                    part.stop()

    @classmethod
    def listeners(cls):
        common = {"tls": "none", "auth": "none", "upstream": "smarthost"}
        trusted = "192.0.2.0/25, 2001:db8:1::/48"
        more = {
            "lb": {"trusted_networks": trusted, "xclient_from": "192.0.2.9",
                   "proxy_protocol_from": "127.0.0.1"},
            "self": {"trusted_networks": "127.0.0.0/8",
                     "xclient_from": "127.0.0.0/8",
                     "proxy_protocol_from": "127.0.0.1"},
            "mta": {"trusted_networks": "127.0.0.0/8, " + trusted,
                    "xclient_from": "127.0.0.1, 192.0.2.9",
                    "auth": "optional"},
            "mx": {"mode": "inbound", "relay_domains": "example.net",
                   "xclient_from": "192.0.2.9",
                   "proxy_protocol_from": "127.0.0.1"},
            "open": {"trusted_networks": "127.0.0.1"},
        }
        return "".join(section("listen " + name, {
            "address": f"127.0.0.1:{cls.ports[name]}", **common, **settings})
            for name, settings in more.items())

    def setUp(self):
        self.before = len(self.up.messages)

    def client(self, listener, header=b"", **more):
        port = self.ports.get(listener) or {
            "main": self.sp.port, "implicit": self.sp.tls_port}[listener]
        client = Client(port, header, **more)
        self.addCleanup(client.close)
        return client

    def delivered(self, client, subject, **more):
        """Sends one message; (content as it arrived, its log line)."""
        before = len(self.sp.lines("message"))
        got = client.mail(message(subject=subject), **more)
        self.assertEqual(got[0], 250, got)
        data = self.up.wait(self.before + 1)[self.before].data
        self.before += 1
        return data.decode(), self.sp.wait_line("message", before + 1)[-1]

    def assert_untrusted(self, client):
        client.expect("EHLO client.test", 250)
        self.assertEqual(client.command("MAIL FROM:<a@example.com>")[0], 530)
