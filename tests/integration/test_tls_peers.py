"""Certificates with Postfix on both sides."""
import contextlib
import hashlib
import os
import unittest

import peers
import scratch
from sealpost import Sealpost, message


def pin(certificate):
    return "sha256:" + hashlib.sha256(scratch.der(certificate)).hexdigest()


class Pair:
    def __init__(self, home, name):
        self.folder = os.path.join(home, name)
        os.mkdir(self.folder)
        self.certificate, self.key = scratch.certificate(self.folder,
                                                         (name + ".test",))

    def files(self):
        return {"cert.pem": scratch.read(self.certificate),
                "key.pem": scratch.read(self.key)}


class Certificates(unittest.TestCase):
    def test_both_sides_show_theirs(self):
        """A Postfix with a certificate sends through us to one that wants
        ours; each side knows the other by its certificate."""
        with contextlib.ExitStack() as stack:
            home = scratch.folder()
            stack.callback(scratch.remove, home)
            sender, relay, receiver = (Pair(home, n) for n in (
                "sender", "relay-out", "receiver"))
            scratch.give_to(home, "nobody")
            server = stack.enter_context(peers.Postfix(
                files={**receiver.files(),
                       "ca.pem": scratch.read(relay.certificate)},
                extra="""
smtpd_tls_security_level = encrypt
smtpd_tls_cert_file = @H@/cert.pem
smtpd_tls_key_file = @H@/key.pem
smtpd_tls_CAfile = @H@/ca.pem
smtpd_tls_req_ccert = yes
smtpd_tls_received_header = yes
smtpd_tls_loglevel = 1
"""))
            sp = stack.enter_context(Sealpost(
                server.port,
                listen={"tls_client_users":
                            f"{pin(sender.certificate)} = alice"},
                upstream_settings={
                    "tls": "starttls", "certificate": relay.certificate,
                    "private_key": relay.key,
                    "tls_fingerprint": pin(receiver.certificate)},
                users={"alice": ("pw", "example.com")}))
            client = stack.enter_context(peers.Postfix(
                relay=(sp.port, "alice", "pw", sp.certificate),
                files=sender.files(), extra="""
smtp_sasl_auth_enable = no
smtp_tls_cert_file = @H@/cert.pem
smtp_tls_key_file = @H@/key.pem
"""))
            client.send("alice@example.com", ["bob@example.net"],
                        message().decode())
            try:
                line, = sp.wait_line("message", seconds=30)
            except AssertionError:
                self.fail(client.log() + server.log())
            self.assertEqual((line["outcome"], line["user"]),
                             ("delivered", "alice"))
            self.assertEqual(line["tls"].split("/")[2], "pinned")
            self.assertEqual(line["upstream_tls"].split("/")[2], "pinned")
            mail, = scratch.wait_for("the mail", server.delivered)
            self.assertIn(b'Client CN "relay-out.test"', mail)
            self.assertIn(b"(verified OK)", mail)
