"""Real servers behind Sealpost: Postfix, Exim, OpenSMTPD, Dovecot's LMTP."""
import re
import unittest

import mailservers
import peers
import scratch
from rawclient import RawClient
from sealpost import Sealpost, message

ANYBODY = {"tls": "none", "auth": "optional",
           "trusted_networks": "127.0.0.0/8"}


def client(sp):
    c = RawClient(sp.port)
    c.expect("EHLO client.test", 250)
    return c


def send(c, data, *to, sender="alice@example.com"):
    c.envelope(sender, *to)
    c.send(data + b".\r\n")
    return c.reply()


class Servers(unittest.TestCase):
    """A message, a refused recipient, dots, and one connection for them."""

    def try_server(self, server, sp):
        with client(sp) as c:
            for n in range(3):
                got = send(c, message(body=f"one {n}\r\n..two\r\n\r\n"),
                           "bob@example.net")
                self.assertEqual(got[0], 250, got)
            c.expect("QUIT", 221)
        mail = scratch.wait_for("three deliveries", lambda: len(
            server.delivered()) == 3 and server.delivered(), 30)
        for kept in mail:
            data = kept.replace(b"\n", b"\r\n")
            self.assertIn(b"\r\n.two\r\n", data)
            self.assertIn("dkim=pass", sp.verify(
                data[data.index(b"DKIM-Signature"):]))
        ups = {line["upstream"] for line in sp.lines("message")}
        self.assertEqual(len(ups), 1)

    def test_exim(self):
        with mailservers.EximServer({"relay": "secret"}) as server:
            with Sealpost(server.port, listen=ANYBODY, start=False,
                          upstream_settings={
                              "login": "password", "username": "relay",
                              "password_file": "/dev/null"}) as sp:
                path = scratch.write(sp.home + "/pw/secret", "secret\n", 0o600)
                scratch.give_to(sp.home + "/pw", "nobody")
                text = scratch.read(sp.config).decode()
                scratch.write(sp.config, text.replace("/dev/null", path))
                sp.start()
                self.try_server(server, sp)
                with client(sp) as c:
                    c.expect("MAIL FROM:<a@example.com>", 250)
                    self.assertEqual(
                        c.command("RCPT TO:<nobody@example.net>")[0], 550)

    def test_opensmtpd(self):
        with mailservers.OpenSmtpd() as server, \
                Sealpost(server.port, listen=ANYBODY) as sp:
            self.try_server(server, sp)


class DovecotLmtp(unittest.TestCase):
    def test_one_recipient_each(self):
        with mailservers.DovecotLmtp() as server, \
                Sealpost(server.port, listen=ANYBODY,
                         upstream_settings={"protocol": "lmtp"}) as sp, \
                client(sp) as c:
            c.send("MAIL FROM:<alice@example.com>\r\n"
                   "RCPT TO:<nobody@example.net>\r\n")
            self.assertEqual(c.reply()[0], 250)
            self.assertEqual(c.reply()[0], 550)
            c.send("RCPT TO:<bob@example.net>\r\n"
                   "RCPT TO:<carol@example.net>\r\nDATA\r\n")
            self.assertEqual([c.reply()[0] for _ in range(3)],
                             [250, 452, 354])
            c.send(message(body="for bob\r\n") + b".\r\n")
            self.assertEqual(c.reply()[0], 250)
            self.assertEqual(send(c, message(), "carol@example.net")[0], 250)
            self.assertEqual([len(server.delivered(u))
                              for u in ("bob", "carol")], [1, 1])
            self.assertIn(b"for bob", server.delivered("bob")[0])


class PostfixTold(unittest.TestCase):
    """XCLIENT and XFORWARD as Postfix takes them."""

    def test_xclient_and_xforward(self):
        with peers.Postfix(extra="""
smtpd_authorized_xclient_hosts = 127.0.0.0/8
smtpd_authorized_xforward_hosts = 127.0.0.0/8
mynetworks = 127.0.0.0/8, 192.0.2.0/24, [2001:db8::]/32
inet_protocols = all
""") as server, Sealpost(server.port, listen={
                **ANYBODY, "xclient_from": "127.0.0.0/8",
                "trusted_networks": "127.0.0.0/8, 192.0.2.0/24, "
                "2001:db8::/32"},
                upstream_settings={"xclient": "yes", "xforward": "yes"}) as sp:
            for address in "192.0.2.7", "192.0.2.8", "IPV6:2001:db8::1":
                with RawClient(sp.port) as c:
                    c.expect("EHLO x", 250)
                    c.expect(f"XCLIENT ADDR={address} NAME=far.example", 220)
                    c.expect("EHLO far+x.example", 250)
                    for _ in range(2):
                        got = send(c, message(), "bob@example.net")
                        self.assertEqual(got[0], 250, got)
            log = scratch.wait_for("six messages", lambda: server.log().count(
                ": client=") >= 6 and server.log(), 20)
            seen = re.findall(r": client=unknown\[([^]]*)\]", log)
            self.assertEqual(seen, ["192.0.2.7"] * 2 + ["192.0.2.8"] * 2
                             + ["2001:db8::1"] * 2)
            self.assertNotRegex(log, "(?i)warning.*x(client|forward)")
            # one connection for each client, and no more
            # (and one that looked whether it was there)
            self.assertIn(len(re.findall("smtpd.*: connect from", log)),
                          (3, 4))

    def test_not_authorized(self):
        """`auto`: Postfix does not offer it to us, and takes the mail."""
        with peers.Postfix() as server, \
                Sealpost(server.port, listen=ANYBODY, upstream_settings={
                    "xclient": "auto", "xforward": "auto"}) as sp, \
                client(sp) as c:
            self.assertEqual(send(c, message(), "bob@example.net")[0], 250)


if __name__ == "__main__":
    unittest.main()
