"""Submission to relay: what ordinary clients send arrives signed, unchanged."""
import os
import smtplib
import subprocess
import unittest

import scratch
import verifiers
from rawclient import RawClient
from sealpost import Sealpost, message
from upstream import CapturingUpstream, reply


def added(data, original):
    """The fields that were put before the original; AssertionError when
    anything else was changed."""
    if not data.endswith(original):
        raise AssertionError(f"changed on its way:\n{data!r}\nwas\n"
                             f"{original!r}")
    return data[:len(data) - len(original)]


class Relay(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.up = cls.enterClassContext(CapturingUpstream())
        cls.sp = cls.enterClassContext(Sealpost(cls.up.port))

    def setUp(self):
        self.before = len(self.up.messages)

    def arrived(self, count=1):
        return self.up.wait(self.before + count)[self.before:]

    def nothing_arrived(self):
        self.assertEqual(len(self.up.messages), self.before)

    def check(self, original):
        """The one message that came is the original, signed."""
        got, = self.arrived()
        fields = added(got.data, original)
        self.assertRegex(fields, rb"(?s)Received: from .*relay\.test .*"
                                 rb"with ESMTPSA.* id \S+")
        self.assertEqual(fields.count(b"DKIM-Signature:"), 1)
        verifiers.assert_all_pass(self, self.sp, got.data)
        return got

    # --- libraries and tools ---------------------------------------------

    def send(self, client, original):
        with client:
            client.sendmail("alice@example.com", ["bob@example.net"], original)

    def test_smtplib_starttls(self):
        original = message()
        self.send(self.sp.smtp(), original)
        got = self.check(original)
        self.assertEqual((got.sender, got.recipients),
                         ("alice@example.com", ["bob@example.net"]))

    def test_smtplib_implicit_tls(self):
        original = message()
        self.send(self.sp.smtp(implicit=True), original)
        self.check(original)

    def test_smtplib_auth_mechanisms(self):
        for mechanism in ("PLAIN", "LOGIN"):
            with self.subTest(mechanism):
                self.setUp()
                original = message(subject=mechanism)
                client = self.sp.smtp(login=False)
                client.ehlo()
                client.user, client.password = self.sp.user, self.sp.password
                client.auth(mechanism, getattr(
                    client, "auth_" + mechanism.lower()))
                self.send(client, original)
                self.check(original)

    def swaks(self, original, *options):
        path = scratch.write(os.path.join(self.sp.home, "mail"),
                             original.replace(b"\r\n", b"\n"))
        done = subprocess.run(
            ["swaks", "--server", "localhost", "--from", "alice@example.com",
             "--to", "bob@example.net", "--auth-user", self.sp.user,
             "--auth-password", self.sp.password, "--tls-verify",
             "--tls-ca-path", self.sp.certificate, "--data", "@" + path,
             *options],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, timeout=60)
        self.assertEqual(done.returncode, 0, done.stdout.decode())

    def test_swaks_starttls_plain(self):
        original = message(body="one\r\n.two\r\n\r\n")
        self.swaks(original, "--port", str(self.sp.port), "--tls", "--auth",
                   "PLAIN")
        self.check_content(original)

    def test_swaks_implicit_tls_login(self):
        original = message()
        self.swaks(original, "--port", str(self.sp.tls_port), "--tlsc",
                   "--auth", "LOGIN")
        self.check_content(original)

    def check_content(self, original):
        """As check(), for tools that end the text as they like."""
        got, = self.arrived()
        self.assertIn(original.rstrip(), got.data)
        verifiers.assert_all_pass(self, self.sp, got.data)

    def msmtp(self, original, port, starttls, mechanism):
        conf = scratch.write(os.path.join(self.sp.home, "msmtprc"), f"""
account default
host localhost
port {port}
from alice@example.com
tls on
tls_starttls {"on" if starttls else "off"}
tls_trust_file {self.sp.certificate}
auth {mechanism}
user {self.sp.user}
password {self.sp.password}
""", 0o600)
        done = subprocess.run(["msmtp", "-C", conf, "bob@example.net"],
                              input=original.replace(b"\r\n", b"\n"),
                              stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=60)
        self.assertEqual(done.returncode, 0, done.stdout.decode())

    def test_msmtp_starttls(self):
        original = message()
        self.msmtp(original, self.sp.port, True, "plain")
        self.check(original)

    def test_msmtp_implicit_tls(self):
        original = message()
        self.msmtp(original, self.sp.tls_port, False, "login")
        self.check(original)

    # --- content ---------------------------------------------------------

    def test_bodies_arrive_as_they_were(self):
        bodies = {"empty": b"", "one CRLF": b"\r\n",
                  "blank lines at the end": b"x\r\n\r\n\r\n",
                  "dots": b".\r\n..\r\n.x\r\n...\r\n",
                  "trailing space": b"x \t \r\n y\r\n",
                  "8 bit": "Grüße \u20ac\r\n".encode(),
                  "998 octets": b"x" * 998 + b"\r\n",
                  "above the memory threshold": b"0123456789abcde\r\n" * 40000}
        for name, body in bodies.items():
            with self.subTest(name):
                self.setUp()
                original = message() + body
                with RawClient(self.sp.port) as c:
                    c.ready(self.sp.user, self.sp.password)
                    c.envelope("alice@example.com", "bob@example.net")
                    c.send(b"".join(
                        b"." + line if line.startswith(b".") else line
                        for line in original.splitlines(keepends=True)))
                    c.send(b".\r\n")
                    self.assertEqual(c.reply()[0], 250)
                self.check(original)

    def test_content_split_anywhere(self):
        original = message(body="a\r\n.\r\n..b\r\n\r\n")
        wire = original.replace(b"\r\n.", b"\r\n..") + b".\r\n"
        with RawClient(self.sp.port) as c:
            c.ready(self.sp.user, self.sp.password)
            c.envelope("alice@example.com", "bob@example.net")
            c.send_split(wire)
            self.assertEqual(c.reply()[0], 250)
        self.check(original)

    def test_several_messages_in_a_session(self):
        with self.sp.smtp() as client:
            for n in range(5):
                client.sendmail("alice@example.com",
                                [f"u{n}@example.net", "bob@example.net"],
                                message(subject=str(n)))
        for n, got in enumerate(self.arrived(5)):
            self.assertEqual(got.recipients, [f"u{n}@example.net",
                                              "bob@example.net"])
            verifiers.assert_all_pass(self, self.sp, got.data)

    def test_date_and_message_id_are_added_and_signed(self):
        original = b"From: alice@example.com\r\n\r\nx\r\n"
        self.send(self.sp.smtp(), original)
        got, = self.arrived()
        for name in (b"\r\nDate: ", b"\r\nMessage-ID: <"):
            self.assertIn(name, b"\r\n" + got.data)
        verifiers.assert_all_pass(self, self.sp, got.data)

    def test_bcc_goes(self):
        self.send(self.sp.smtp(), message(Bcc="secret@example.net"))
        got, = self.arrived()
        self.assertNotIn(b"secret", got.data)
        verifiers.assert_all_pass(self, self.sp, got.data)

    def test_a_change_on_the_way_is_seen(self):
        self.send(self.sp.smtp(), message())
        data = self.arrived()[0].data.replace(b"A line.", b"A lime.")
        self.assertIn("dkim=fail", self.sp.verify(data, ok=(1,)))
        self.assertFalse(verifiers.dkimpy(data, self.sp.records))

    # --- refusals --------------------------------------------------------

    def test_wrong_password(self):
        with self.assertRaises(smtplib.SMTPAuthenticationError) as e:
            self.sp.smtp(password="wrong")
        self.assertEqual(e.exception.smtp_code, 535)

    def test_unknown_user(self):
        with self.assertRaises(smtplib.SMTPAuthenticationError) as e:
            self.sp.smtp(user="nobody", password="x")
        self.assertEqual(e.exception.smtp_code, 535)

    def test_no_auth_no_mail(self):
        with RawClient(self.sp.port) as c:
            c.ready()
            self.assertIn("5.7.0", c.expect("MAIL FROM:<alice@example.com>",
                                            530))
        self.nothing_arrived()

    def test_no_auth_before_tls(self):
        with RawClient(self.sp.port) as c:
            self.assertNotIn("AUTH", c.expect("EHLO c.test", 250))
            self.assertEqual(c.command("AUTH PLAIN AGFsaWNlAHg=")[0] // 100,
                             5)
            self.assertEqual(c.command("MAIL FROM:<alice@example.com>")[0],
                             530)

    def test_someone_elses_from(self):
        with self.assertRaises(smtplib.SMTPDataError) as e:
            self.send(self.sp.smtp(), message(sender="x@example.org"))
        self.assertEqual(e.exception.smtp_code, 550)
        self.assertIn(b"5.7.1", e.exception.smtp_error)
        self.nothing_arrived()

    # --- the upstream's word ---------------------------------------------

    def test_upstreams_refusals_reach_the_client(self):
        for stage, text in (("rcpt", "550 5.1.1 nobody of that name"),
                            ("rcpt", "452 4.2.2 full"),
                            ("dot", "554 5.6.0 not like this"),
                            ("dot", "451 4.3.0 come again")):
            with self.subTest(stage + " " + text):
                self.up.set(stage, reply(text))
                try:
                    with RawClient(self.sp.port) as c:
                        c.ready(self.sp.user, self.sp.password)
                        c.expect("MAIL FROM:<alice@example.com>", 250)
                        got = c.command("RCPT TO:<bob@example.net>")
                        if stage == "dot":
                            self.assertEqual(got[0], 250)
                            c.expect("DATA", 354)
                            c.send(message() + b".\r\n")
                            got = c.reply()
                    self.assertEqual(got[0], int(text[:3]))
                    self.assertTrue(got[1].startswith(text[4:]), got[1])
                finally:
                    self.up.set(stage)
        self.nothing_arrived()

    def test_each_message_has_its_log_line(self):
        before = len(self.sp.lines("message"))
        self.send(self.sp.smtp(), message())
        line = self.sp.wait_line("message", before + 1)[-1]
        self.assertEqual(line["user"], "alice")
        self.assertEqual(line["outcome"], "delivered")
        self.assertIn("example.com", line["signed"])
        self.assertNotIn(self.sp.password, self.sp.log())


if __name__ == "__main__":
    unittest.main()
