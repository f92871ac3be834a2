"""The tests' own machinery: a test that cannot fail is decoration."""
import base64
import smtplib
import unittest

import peers
import scratch
import sealpost
from nameserver import Nameserver
from rawclient import RawClient
from upstream import CapturingUpstream, close, reply, usual


class Upstream(unittest.TestCase):
    def test_octets_are_kept_as_they_came(self):
        with CapturingUpstream() as up, RawClient(up.port) as c:
            c.ready(tls=False)
            c.envelope("a@example.com", "b@example.net")
            c.send(b"X: y\r\n\r\n..dot\r\n\xff\r\n.\r\n")
            self.assertEqual(c.reply()[0], 250)
            m = up.wait()[0]
            self.assertEqual(m.wire, b"X: y\r\n\r\n..dot\r\n\xff\r\n.\r\n")
            self.assertEqual(m.data, b"X: y\r\n\r\n.dot\r\n\xff\r\n")
            self.assertEqual((m.sender, m.recipients),
                             ("a@example.com", ["b@example.net"]))

    def test_script_is_followed_and_used_up(self):
        script = {"rcpt": [reply("451 4.3.0 later"), usual()],
                  "dot": close()}
        with CapturingUpstream(script) as up, RawClient(up.port) as c:
            c.ready(tls=False)
            c.expect("MAIL FROM:<a@example.com>", 250)
            c.expect("RCPT TO:<b@example.net>", 451)
            c.expect("RCPT TO:<b@example.net>", 250)
            c.expect("DATA", 354)
            c.send("x\r\n.\r\n")
            self.assertTrue(c.closed())
            self.assertEqual(up.messages, [])


class Daemons(unittest.TestCase):
    def test_postfix_receives(self):
        with peers.Postfix() as postfix:
            with smtplib.SMTP("127.0.0.1", postfix.port) as client:
                client.sendmail("a@example.com", ["b@example.net"],
                                sealpost.message())
            mail = scratch.wait_for("delivery", postfix.delivered)
            self.assertIn(b"A line.", mail[0])


class Dns(unittest.TestCase):
    def test_sealpost_verify_asks_it(self):
        signature = ("v=1; a=rsa-sha256; d=example.com; s=gone; h=from; bh="
                     + base64.b64encode(bytes(32)).decode() + "; b="
                     + base64.b64encode(bytes(256)).decode())
        with Nameserver() as ns:
            done = sealpost.run("verify", "--nameserver", ns.address,
                                input=sealpost.message(
                                    DKIM_Signature=signature), ok=(1,))
            self.assertIn(("gone._domainkey.example.com", "TXT"), ns.asked)
            self.assertIn(b"dkim=", done.stdout)
