"""Sealpost between real mail servers: Postfix and Exim, from Debian."""
import smtplib
import unittest

import peers
import scratch
import verifiers
from sealpost import Sealpost, message


class PostfixBothSides(unittest.TestCase):
    """Postfix with SASL and TLS -> Sealpost -> Postfix."""

    def test_local_mail_leaves_signed(self):
        with peers.Postfix() as receiver, \
                Sealpost(receiver.port) as sp, \
                peers.Postfix(relay=(sp.port, sp.user, "correct-horse",
                                     sp.certificate)) as client:
            sp.tool("user", "passwd", sp.user, "--password-stdin",
                    input="correct-horse\n")
            client.send("alice@example.com",
                        ["bob@example.net", "carol@example.net"],
                        message(body="one\r\n.two\r\n\r\n").decode())
            mail = scratch.wait_for(
                "two deliveries",
                lambda: len(receiver.delivered()) == 2
                and receiver.delivered(), 30)
            for delivered in mail:
                # The Maildir has LF and a few fields of the receiver's.
                data = delivered.replace(b"\n", b"\r\n")
                self.assertIn(b"\r\n.two\r\n", data)
                self.assertIn("dkim=pass", sp.verify(data))
                self.assertTrue(verifiers.dkimpy(data, sp.records))
            line = sp.wait_line("message")[0]
            self.assertEqual(line["nrcpt"], "2")
            self.assertIn("Verified TLS connection established",
                          client.log())

    def test_refused_recipient_bounces_at_the_client(self):
        with peers.Postfix(extra="smtpd_recipient_restrictions = "
                           "check_recipient_access inline:{ "
                           "{ no@example.net = 550 5.1.1 nobody here } }, "
                           "permit\n") as receiver, \
                Sealpost(receiver.port, users={
                    "alice": ("pw", "example.com")}) as sp, \
                peers.Postfix(relay=(sp.port, "alice", "pw",
                                     sp.certificate)) as client:
            client.send("alice@example.com", ["no@example.net"],
                        message().decode())
            try:
                scratch.wait_for("a bounce", lambda:
                                 "status=bounced" in client.log(), 20)
            except AssertionError:
                self.fail(client.log() + receiver.log())
            self.assertIn("nobody here", client.log())


class EximClient(unittest.TestCase):
    def test_smarthost(self):
        with peers.Postfix() as receiver, \
                Sealpost(receiver.port, users={
                    "alice": ("pw", "example.com")}) as sp, \
                peers.Exim(sp.port, "alice", "pw", sp.certificate) as exim:
            with smtplib.SMTP("127.0.0.1", exim.port) as local:
                local.sendmail("alice@example.com", ["bob@example.net"],
                               message())
            try:
                mail = scratch.wait_for("delivery", receiver.delivered)
            except AssertionError:
                self.fail("Exim delivered nothing:\n" + exim.log())
            data = mail[0].replace(b"\n", b"\r\n")
            self.assertIn("dkim=pass", sp.verify(data))
            self.assertTrue(verifiers.dkimpy(data, sp.records))


if __name__ == "__main__":
    unittest.main()
