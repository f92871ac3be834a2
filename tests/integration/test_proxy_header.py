"""The client's address from PROXY headers, scripted ones and HAProxy's."""
import re
import smtplib
import socket
import ssl
import time
import unittest

import peers
import scratch
from clientaddress import PER_IP, SIGNATURE, Client, World, v1, v2, v2_for
from sealpost import Sealpost, message
from upstream import CapturingUpstream


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
