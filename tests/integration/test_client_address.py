"""The client's address: PROXY headers, HAProxy, XCLIENT, XFORWARD."""
import re
import smtplib
import socket
import ssl
import struct
import subprocess
import time
import unittest

import peers
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


class ProxyHeader(World):
    def test_the_address_is_the_clients(self):
        for header, address, tag in (
                (v1("192.0.2.1"), "192.0.2.1", ""),
                (v1("2001:db8:1::1", "TCP6"), "2001:db8:1::1", "IPv6:"),
                (v1("::ffff:192.0.2.2", "TCP6"), "192.0.2.2", ""),
                (v2_for("192.0.2.3"), "192.0.2.3", ""),
                (v2_for("2001:db8:1::2", b"\x02\0\x03abc"), "2001:db8:1::2",
                 "IPv6:")):
            with self.subTest(address):
                client = self.client("lb", header)
                self.assertEqual(client.greeting[0], 220)
                self.assertNotIn("XCLIENT", client.offers())
                data, line = self.delivered(client, address)
                self.assertEqual(line["client"], address)
                self.assertIn(f"from client.test ([{tag}{address}])", data)
                client.close()

    def test_split_anywhere(self):
        for header in (v1("192.0.2.4"), v2_for("192.0.2.4", b"\x04" * 9)):
            client = self.client("lb", greeting=False)
            client.send_split(header + b"EHLO x\r\n", gap=0.002)
            self.assertEqual(client.reply()[0], 220)
            self.assertEqual(client.reply()[0], 250)
            client.expect("MAIL FROM:<alice@example.com>", 250)
            client.close()

    def test_commands_in_the_headers_segment_are_kept(self):
        client = self.client("lb", v1("192.0.2.5") + b"EHLO x\r\nNOOP\r\n")
        self.assertEqual([client.reply()[0] for _ in range(2)], [250, 250])

    def test_trust_is_the_clients_and_not_the_balancers(self):
        self.assert_untrusted(self.client("self", v1("192.0.2.1")))
        self.assert_untrusted(self.client("lb", v1("192.0.2.200")))

    def test_local_and_unknown_are_never_trusted(self):
        for header in (b"PROXY UNKNOWN\r\n",
                       b"PROXY UNKNOWN 127.0.0.1 127.0.0.1 1 2\r\n",
                       v2(0x20, 0), v2(0x20, 0x11, b"x" * 12), v2(0x21, 0),
                       v2(0x21, 0x31, b"/" * 216)):
            with self.subTest(header[:30]):
                client = self.client("self", header)
                self.assertEqual(client.greeting[0], 220)
                self.assertNotIn("XCLIENT", client.offers())
                self.assertEqual(client.command("XCLIENT ADDR=127.0.0.1")[0],
                                 502)
                self.assert_untrusted(client)
                client.close()

    def test_spf_is_the_clients(self):
        for address, want in (("192.0.2.50", "pass"), ("192.0.2.51", "fail"),
                              ("2001:db8::50", "pass")):
            client = self.client("mx", v2_for(address))
            client.expect("EHLO h.example.org", 250)
            data, line = self.delivered(client, "spf " + address,
                                        sender="joe@example.org")
            self.assertIn("spf=" + want, line["verdicts"])
            self.assertIn("spf=" + want, data)
            client.close()

    def test_connections_are_counted_by_client(self):
        many = [self.client("lb", v1("192.0.2.220")) for _ in range(PER_IP)]
        self.assertEqual([c.greeting[0] for c in many], [220] * PER_IP)
        self.assertEqual(self.client("lb", v1("192.0.2.220")).greeting[0],
                         421)
        other = self.client("lb", v1("192.0.2.221"))
        self.assertEqual(other.greeting[0], 220)
        many[0].close()
        scratch.wait_for("room again", lambda: self.client(
            "lb", v1("192.0.2.220")).greeting[0] == 220)
        for client in many + [other]:
            client.close()

    # --- TLS -------------------------------------------------------------

    def test_starttls_and_auth_behind_it(self):
        client = self.client("main", v2_for("192.0.2.6"))
        client.ready(self.sp.user, self.sp.password)
        data, line = self.delivered(client, "starttls")
        self.assertEqual(line["client"], "192.0.2.6")
        self.assertEqual(line["user"], "alice")
        self.assertRegex(data, r"from client\.test \(\[192\.0\.2\.6\]\)"
                               r"\s+by relay\.test .* with ESMTPSA")

    def test_client_hello_in_the_headers_segment(self):
        """The octets behind the header are the handshake's, to the octet."""
        for cut in (0, 7, None): # of the header: with it, within, behind it
            for header in (v1("192.0.2.7"), v2_for("192.0.2.7")):
                raw = self.client("implicit", greeting=False).socket
                into, out = ssl.MemoryBIO(), ssl.MemoryBIO()
                tls = self.sp.context().wrap_bio(
                    into, out, server_hostname="relay.test")
                with self.assertRaises(ssl.SSLWantReadError):
                    tls.do_handshake()
                wire = header + out.read()
                at = len(header) if cut is None else cut
                raw.sendall(wire[:at])
                time.sleep(0.02)
                raw.sendall(wire[at:])
                self.assertTrue(self.read_tls(raw, tls, into, out)
                                .startswith(b"220 relay.test "))
                raw.close()

    @staticmethod
    def read_tls(raw, tls, into, out):
        """Handshake, then what comes first."""
        for step in (tls.do_handshake, lambda: tls.read(4096)):
            while True:
                try:
                    done = step()
                    break
                except ssl.SSLWantReadError:
                    raw.sendall(out.read())
                    data = raw.recv(65536)
                    if not data:
                        raise AssertionError("closed in the handshake") \
                            from None
                    into.write(data)
            raw.sendall(out.read())
        return done

    # --- what is no header -----------------------------------------------

    def assert_silence(self, client):
        """Closed, and not one octet came."""
        self.assertEqual(client.reply(), (0, ""))

    def test_SY_48_bad_headers_are_closed_without_a_word(self):
        before = len(self.sp.lines("refused"))
        time.sleep(1.1) # one line a second at most
        for bad in (b"PROXY UNKNOWN " + b"x" * 92 + b"\r\n", # 108 octets
                    b"PROXY UNKNOWN " + b"x" * 3000,
                    v2(length=65535), v2(length=4097), v2(length=11),
                    v2(family=0x32, length=216), v2(family=0x12, length=12),
                    v2(command=0x22), v2(command=0x11),
                    b"PROXY TCP4 192.0.2.1 192.0.2.2 1 65536\r\n",
                    b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\nEHLO x\r\n",
                    b"PROXY TCP6 192.0.2.1 192.0.2.2 1 2\r\n",
                    b"EHLO client.test\r\n", b"\x16\x03\x01\x02\0\x01",
                    b"GET / HTTP/1.0\r\n\r\n"):
            with self.subTest(bad[:40]):
                client = self.client("lb", bad, greeting=False)
                self.assert_silence(client)
        line = self.sp.wait_line("refused", before + 1)[-1]
        self.assertEqual((line["listener"], line["client"]),
                         ("lb", "127.0.0.1"))
        self.assertIn("PROXY", line["reason"])

    def test_SY_48_late_headers_are_closed_after_5_s(self):
        """Also one that comes octet by octet, and nothing is said before."""
        began = time.monotonic()
        silent = self.client("lb", greeting=False)
        halves = [self.client("lb", h, greeting=False) for h in
                  (b"P", b"PROXY TCP4 192.0.2.1", SIGNATURE,
                   v2(length=100) + b"x")]
        drip = self.client("lb", b"PROXY UNKNOWN ", greeting=False)
        while time.monotonic() - began < 4:
            drip.send(b"x")
            time.sleep(0.1)
        for client in [silent, drip] + halves:
            self.assert_silence(client)
            self.assertGreater(time.monotonic() - began, 4.5)
        self.assertLess(time.monotonic() - began, 9)
        scratch.wait_for("a line of it", lambda: "within 5 s" in
                         self.sp.log())

    def test_a_probe_that_says_nothing_is_not_logged(self):
        before = self.sp.log().count("event=refused")
        for _ in range(3):
            self.client("lb", greeting=False).close()
        client = self.client("lb", v1("192.0.2.8"))
        client.expect("NOOP", 250)
        self.assertEqual(self.sp.log().count("event=refused"), before)

    def test_a_header_within_the_session_is_a_command(self):
        client = self.client("lb", v1("192.0.2.10") + v1("192.0.2.11"))
        self.assertEqual(client.reply()[0], 500)

    def test_unlisted_peers_are_not_parsed(self):
        """From them the header is what they said: no command."""
        for port, source in ((self.ports["open"], "127.0.0.1"),
                             (self.ports["lb"], "127.0.0.2")):
            with self.subTest(source):
                client = self.client_from(port, source, v1("192.0.2.1"))
                self.assertEqual(client.reply()[0], 220)
                self.assertEqual(client.reply()[0], 500)
                client.close()
                client = self.client_from(port, source, v2_for("192.0.2.1"))
                self.assertEqual(client.reply()[0], 220)
                client.send("NOOP\r\n")
                codes = [client.reply()[0] for _ in range(4)]
                self.assertEqual({c // 100 for c in codes}, {5}, codes)
                client.close()

    def client_from(self, port, source, octets):
        client = Client.__new__(Client)
        client.socket = socket.create_connection(
            ("127.0.0.1", port), 20, source_address=(source, 0))
        client.buffer = b""
        client.send(octets)
        self.addCleanup(client.close)
        return client


class Xclient(World):
    def test_only_listed_peers_are_offered_it(self):
        self.assertLess({"XCLIENT", "XFORWARD"},
                        self.client("mta").offers())
        client = self.client("open")
        self.assertFalse({"XCLIENT", "XFORWARD"} & client.offers())
        for verb in ("XCLIENT ADDR=192.0.2.1", "XFORWARD ADDR=192.0.2.1",
                     "XCLIENT", "DEBUG", "WIZ", "KILL", "SITE x", "TURN",
                     "SEND FROM:<a@b>", "SOML FROM:<a@b>", "XEXCH50 2 2",
                     "BURL x LAST"):
            self.assertIn(client.command(verb)[0], (500, 502, 550), verb)

    def test_the_peer_of_a_balancer_is_its_client(self):
        client = self.client("lb", v1("192.0.2.9"))
        self.assertIn("XCLIENT", client.offers())
        client.expect("XCLIENT ADDR=192.0.2.12", 220)
        self.assertNotIn("XCLIENT", client.offers())
        line = self.delivered(client, "both")[1]
        self.assertEqual(line["client"], "192.0.2.12")

    def test_address_and_helo_replace_ours(self):
        client = self.client("mta")
        client.expect("EHLO mta.test", 250)
        client.expect("XCLIENT NAME=c.example ADDR=IPV6:2001:db8:1::7 "
                      "PORT=4711 PROTO=ESMTP HELO=c.example "
                      "DESTADDR=192.0.2.1 DESTPORT=25", 220)
        self.assertEqual(client.command("MAIL FROM:<a@example.com>")[0], 503)
        client.expect("EHLO mta.test", 250)
        data, line = self.delivered(client, "x")
        self.assertEqual((line["client"], line["helo"]),
                         ("2001:db8:1::7", "c.example"))
        self.assertIn("from c.example ([IPv6:2001:db8:1::7])", data)
        event = self.sp.lines("xclient")[-1]
        self.assertEqual((event["from"], event["client"], event["name"]),
                         ("127.0.0.1", "2001:db8:1::7", "c.example"))

    def test_in_two_commands(self):
        """What README asks of clients with much to say."""
        client = self.client("mta")
        client.expect("XCLIENT HELO=two.example PROTO=ESMTP", 220)
        client.expect("XCLIENT ADDR=192.0.2.13", 220)
        self.assertNotIn("XCLIENT", client.offers("mta.test"))
        line = self.delivered(client, "x")[1]
        self.assertEqual((line["client"], line["helo"]),
                         ("192.0.2.13", "mta.test"))

    def test_trust_and_right_are_not_lent(self):
        client = self.client("mta")
        client.expect("EHLO mta.test", 250)
        client.expect("MAIL FROM:<alice@example.com>", 250)
        self.assertEqual(client.command("XCLIENT ADDR=192.0.2.1")[0], 503)
        client.expect("RSET", 250)
        client.expect("XCLIENT ADDR=203.0.113.1", 220)
        for _ in range(2): # before EHLO and behind it
            self.assertEqual(client.command("XCLIENT ADDR=127.0.0.1")[0], 502)
            self.assertNotIn("XCLIENT", client.offers())
        self.assert_untrusted(client)

    def test_unknown_addresses_are_not_trusted(self):
        client = self.client("mta")
        client.expect("XCLIENT ADDR=[UNAVAILABLE] NAME=[TEMPUNAVAIL]", 220)
        self.assertNotIn("XCLIENT", client.offers())
        self.assert_untrusted(client)

    def test_login_is_no_identity(self):
        client = self.client("mta")
        client.expect("XCLIENT ADDR=203.0.113.2 LOGIN=alice", 220)
        self.assert_untrusted(client)

    def test_auth_is_forgotten(self):
        client = self.client("mta")
        client.expect("EHLO mta.test", 250)
        client.login(self.sp.user, self.sp.password)
        client.expect("XCLIENT ADDR=203.0.113.3", 220)
        self.assert_untrusted(client)
        client.login(self.sp.user, self.sp.password)
        line = self.delivered(client, "x")[1]
        self.assertEqual((line["client"], line["user"]),
                         ("203.0.113.3", "alice"))

    def test_who_was_logged_in_is_not_counted_behind_it(self):
        for _ in range(6):
            client = self.client("mta")
            client.expect("EHLO mta.test", 250)
            client.login(self.sp.user, self.sp.password)
            client.expect("XCLIENT ADDR=203.0.113.4", 220)

    def test_malformed_ones_change_nothing(self):
        client = self.client("mta")
        client.expect("EHLO mta.test", 250)
        for words in ("", " ADDR=1.2.3", " ADDR=IPV6:::::", " COLOUR=red",
                      " ADDR=203.0.113.1 ADDR=203.0.113.1", " HELO=a+0D+0Ab",
                      " PORT=65536", " DESTADDR=1.2.3.4.5"):
            self.assertEqual(client.command("XCLIENT" + words)[0], 501, words)
        line = self.delivered(client, "x")[1]
        self.assertEqual(line["client"], "127.0.0.1")

    def test_spf_is_that_of_the_named_client(self):
        for address, want in (("192.0.2.50", "pass"), ("192.0.2.52", "fail")):
            client = self.client("mx", v1("192.0.2.9"))
            client.expect("XCLIENT HELO=h.example.org ADDR=" + address, 220)
            client.expect("EHLO mta.test", 250)
            data, line = self.delivered(client, "spf " + address,
                                        sender="joe@example.org")
            self.assertIn("spf=" + want, line["verdicts"])
            self.assertIn("from h.example.org ([" + address, data)
            client.close()

    def test_over_tls(self):
        """What was said of the client stands after STARTTLS."""
        with CapturingUpstream() as up, Sealpost(
                up.port, listen={"xclient_from": "127.0.0.1"}) as sp:
            with Client(sp.port) as client:
                client.expect("EHLO mta.test", 250)
                client.expect("XCLIENT ADDR=203.0.113.4 HELO=c.example", 220)
                client.ready(sp.user, sp.password)
                self.assertEqual(client.mail(message())[0], 250)
            with Client(sp.tls_port, greeting=False) as client:
                client.wrap()
                self.assertEqual(client.reply()[0], 220)
                client.expect("XCLIENT ADDR=203.0.113.5", 220)
                client.expect("EHLO c2.example", 250)
                client.login(sp.user, sp.password)
                self.assertEqual(client.mail(message())[0], 250)
            lines = sp.wait_line("message", 2)
            self.assertEqual([(n["client"], n["helo"]) for n in lines],
                             [("203.0.113.4", "c.example"),
                              ("203.0.113.5", "c2.example")])
            self.assertIn("with ESMTPSA", up.messages[1].data.decode())

    def test_connections_of_an_mta_are_not_counted(self):
        many = [self.client("mx", v1("192.0.2.9")) for _ in range(PER_IP + 3)]
        for client in many:
            self.assertEqual(client.greeting[0], 220)
            client.expect("XCLIENT ADDR=203.0.113.6", 220)
        for client in many:
            client.expect("QUIT", 221)

    def test_swaks(self):
        done = subprocess.run(
            ["swaks", "--server", f"127.0.0.1:{self.ports['mta']}", "--from",
             "alice@example.com", "--to", "bob@example.net", "--helo",
             "mta.test", "--xclient-addr", "192.0.2.14", "--xclient-helo",
             "swaks.example", "--xclient-name", "swaks.example"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, timeout=60)
        self.assertEqual(done.returncode, 0, done.stdout.decode())
        data = self.up.wait(self.before + 1)[self.before].data
        self.assertIn(b"from swaks.example ([192.0.2.14])", data)

    # --- XFORWARD --------------------------------------------------------

    def test_xforward_is_logged_for_one_message(self):
        client = self.client("mta")
        client.expect("EHLO mta.test", 250)
        client.expect("XFORWARD NAME=[UNAVAILABLE] ADDR=203.0.113.7 "
                      "IDENT=4ABC", 250)
        client.expect("XFORWARD HELO=evil+20outcome=x+22 SOURCE=REMOTE", 501)
        client.expect("XFORWARD HELO=evil+20a+3Db+22 SOURCE=REMOTE", 250)
        data, line = self.delivered(client, "x")
        self.assertEqual((line["client"], line["orig_client"],
                          line["orig_id"]),
                         ("127.0.0.1", "203.0.113.7", "4ABC"))
        self.assertNotIn("orig_name", line)
        self.assertIn('orig_helo="evil a=b\\""', self.sp.log())
        self.assertNotIn("203.0.113.7", data)
        line = self.delivered(client, "y")[1]
        self.assertNotIn("orig_client", line)

    def test_xforward_is_forgotten(self):
        for command, code in (("RSET", 250), ("EHLO mta.test", 250),
                              ("XCLIENT ADDR=192.0.2.15", 220)):
            client = self.client("mta")
            client.expect("EHLO mta.test", 250)
            client.expect("XFORWARD ADDR=203.0.113.8", 250)
            client.expect(command, code)
            client.expect("EHLO mta.test", 250)
            self.assertNotIn("orig_client", self.delivered(client, "x")[1])
            client.close()

    def test_xforward_is_no_trust(self):
        client = self.client("mta")
        client.expect("XCLIENT ADDR=192.0.2.9", 220)
        client.expect("EHLO mta.test", 250)
        client.expect("XFORWARD ADDR=203.0.113.9", 250)
        line = self.delivered(client, "x")[1]
        self.assertEqual(line["client"], "192.0.2.9")


class End(unittest.TestCase):
    def test_a_header_under_way_does_not_hold_the_end(self):
        """Who is connected at SIGTERM still may send it; and is told."""
        with CapturingUpstream() as up:
            sp = Sealpost(up.port, listen={"proxy_protocol_from": "127.0.0.1"})
            try:
                late = Client(sp.port, b"PROXY ", greeting=False)
                silent = Client(sp.port, greeting=False)
                with Client(sp.port, v1("192.0.2.1")) as client:
                    client.expect("NOOP", 250) # both were accepted
                    sp.process.terminate()
                    self.assertEqual(client.reply()[0], 421)
                late.send("UNKNOWN\r\n")
                self.assertEqual([late.reply()[0] for _ in range(2)],
                                 [220, 421])
                self.assertEqual(sp.process.wait(10), 0)
                silent.close()
                late.close()
            finally:
                sp.stop()


class BehindHaproxy(unittest.TestCase):
    """HAProxy from Debian in front, clients of several addresses."""

    def test_starttls_implicit_tls_and_health_checks(self):
        check = "check inter 300ms check-send-proxy"
        with CapturingUpstream() as up, Sealpost(
                up.port, listen={"proxy_protocol_from": "127.0.0.1"}) as sp, \
                peers.Haproxy((sp.port, "send-proxy"),
                              (sp.port, "send-proxy-v2 " + check),
                              (sp.tls_port, "send-proxy"),
                              (sp.tls_port, "send-proxy-v2 " + check)) as ha:
            for n, port in enumerate(ha.ports):
                source = f"127.0.0.{70 + n}"
                with self.connect(sp, port, source, n > 1) as client:
                    client.login(sp.user, sp.password)
                    client.sendmail("alice@example.com", ["bob@example.net"],
                                    message(subject=str(n)))
                line = sp.wait_line("message", n + 1)[-1]
                self.assertEqual(line["client"], source)
                data = up.messages[n].data.decode()
                self.assertRegex(data, re.escape(f"([{source}])"))
            time.sleep(1) # for a few checks more
            self.assertEqual(sp.lines("refused"), [], ha.log())
            self.assertNotIn("DOWN", ha.log())

    @staticmethod
    def connect(sp, port, source, implicit):
        more = {"timeout": 30, "source_address": (source, 0)}
        if implicit:
            return smtplib.SMTP_SSL("localhost", port, context=sp.context(),
                                    **more)
        client = smtplib.SMTP("localhost", port, **more)
        client.starttls(context=sp.context())
        return client


if __name__ == "__main__":
    unittest.main()
