"""Notices through a real daemon and to a program.

notice_once is the function that `sealpost key rotate` calls.
"""
import email
import email.policy
import json
import os
import re
import subprocess
import unittest

import scratch
import sealpost
from sealpost import Sealpost
from upstream import CapturingUpstream

NOW = 1795305600 # 2026-11-22
DAY = 86400


def setUpModule():
    global up, relay, near
    up = CapturingUpstream()
    near = scratch.free_port()
    relay = Sealpost(
        up.port, server={"hostname": "relay.test"},
        users={"alice": ("correct horse", "relay.test, example.com")},
        keys=(("relay.test", "sp1"),),
        extra=sealpost.section("listen near", {
            "address": f"127.0.0.1:{near}", "tls": "none", "auth": "none",
            "trusted_networks": "127.0.0.0/8", "upstream": "smarthost"}))


def tearDownModule():
    relay.stop()
    up.stop()


class NoticeCase(unittest.TestCase):
    def setUp(self):
        self.home = scratch.folder()
        self.addCleanup(scratch.remove, self.home)
        os.mkdir(os.path.join(self.home, "state"))

    def conf(self, notify, replace=()):
        """The relay's, with a state directory of its own."""
        text = scratch.read(relay.config).decode()
        text = re.sub(r"(?m)^state_dir = .*", f"state_dir = {self.home}/state",
                      text)
        for old, new in replace:
            self.assertIn(old, text)
            text = text.replace(old, new)
        return scratch.write(os.path.join(self.home, "sealpost.conf"),
                             text + sealpost.section("notify", notify))

    def once(self, conf, *arguments):
        """(exit code, what it logged)"""
        done = subprocess.run(
            [scratch.program("tests/support/notice_once"), conf,
             *map(str, arguments)], stdout=subprocess.PIPE, text=True,
            stderr=subprocess.STDOUT, timeout=60,
            env=dict(os.environ, **sealpost.SANITIZERS))
        self.assertIn(done.returncode, (0, 1), done.stdout)
        return done.returncode, done.stdout

    def give(self, conf, kind="domain-red", subject="example.com",
             selector="sp1", text="The record is gone.\n", time_s=NOW):
        return self.once(conf, kind, subject, selector, text, time_s)


class Mail(NoticeCase):
    def last(self, count):
        scratch.wait_for("mail", lambda: len(up.messages) >= count)
        return up.messages[-1]

    def check(self, notify, replace=()):
        before = len(up.messages)
        code, log = self.give(self.conf({"mail": "ops@example.net", **notify},
                                        replace))
        self.assertEqual(code, 0, log)
        self.assertIn("event=notice kind=domain-red subject=example.com "
                      "selector=sp1 by=mail", log)
        got = self.last(before + 1)
        self.assertEqual(len(up.messages), before + 1)
        return got

    def test_trusted(self):
        """The default: the listener on loopback that trusts us; signed."""
        got = self.check({})
        mail = email.message_from_bytes(got.data, policy=email.policy.default)
        self.assertEqual(got.sender, "sealpost@relay.test")
        self.assertEqual(got.recipients, ["ops@example.net"])
        self.assertEqual(mail["Auto-Submitted"], "auto-generated")
        self.assertEqual(mail["Subject"],
                         "[sealpost] example.com: DKIM needs your attention")
        self.assertEqual(mail["Date"].datetime.timestamp(), NOW)
        self.assertRegex(mail["Message-ID"], r"^<[0-9a-f]{32}@relay.test>$")
        self.assertIn("The record is gone.\n", mail.get_content().replace("\r", ""))
        self.assertIn("dkim=pass", relay.verify(got.data))

    def test_login_over_starttls(self):
        password = scratch.write(os.path.join(self.home, "password"),
                                 "correct horse\n", 0o600)
        for listener in ({}, {"listener": "main"}):
            got = self.check({"username": "alice", "password_file": password,
                              "from": "notices@example.com", **listener})
            self.assertEqual(got.sender, "notices@example.com")
            self.assertRegex(got.data.decode(),
                             r"with E?SMTPSA id|with ESMTPSA")
            os.unlink(os.path.join(self.home, "state/notices/sent.conf"))

    def test_implicit_tls(self):
        password = scratch.write(os.path.join(self.home, "password"),
                                 "correct horse\n", 0o600)
        self.check({"username": "alice", "password_file": password,
                    "from": "notices@example.com", "listener": "implicit"})

    def test_another_key_is_not_met(self):
        """Whoever stands in the relay's place gets no password."""
        folder = os.path.join(self.home, "other")
        os.mkdir(folder)
        other, _ = scratch.certificate(folder)
        password = scratch.write(os.path.join(self.home, "password"),
                                 "correct horse\n", 0o600)
        code, log = self.give(self.conf(
            {"mail": "ops@example.net", "username": "alice",
             "password_file": password},
            [("certificate = " + relay.certificate, "certificate = " + other)]))
        self.assertEqual(code, 1)
        self.assertIn("public key", log)

    def test_refused(self):
        """What the relay says is told; the notice comes again next time."""
        bad = scratch.write(os.path.join(self.home, "password"), "wrong\n",
                            0o600)
        conf = self.conf({"mail": "ops@example.net", "username": "alice",
                          "password_file": bad})
        for _ in range(2):
            code, log = self.give(conf)
            self.assertEqual(code, 1)
            self.assertRegex(log, "level=error.*535")
        scratch.write(bad, "correct horse\n", 0o600)
        code, log = self.give(conf) # sealpost@relay.test is alice's
        self.assertEqual(code, 0, log)


class Command(NoticeCase):
    def test_json_once_a_day(self):
        seen = os.path.join(self.home, "seen")
        conf = self.conf({"command": f"cat >>{seen}; echo $SEALPOST_NOTICE "
                                     f">>{seen}"})
        self.assertEqual(self.give(conf)[0], 0)
        text = scratch.read(seen).decode().splitlines()
        self.assertEqual(json.loads(text[0]), {
            "version": 1, "kind": "domain-red", "subject": "example.com",
            "selector": "sp1", "text": "The record is gone.\n",
            "time": "2026-11-22T00:00:00Z", "hostname": "relay.test"})
        self.assertEqual(text[1], "domain-red")
        for arguments, lines in (
                ({}, 2), # the same again
                ({"time_s": NOW + DAY // 2}, 2),
                ({"subject": "example.org"}, 4),
                ({"kind": "key-changed"}, 6),
                ({"time_s": NOW + DAY}, 8),
                ({"kind": "domain-green", "time_s": NOW + DAY}, 10),
                ({"time_s": NOW + DAY}, 12)): # red after green
            code, log = self.give(conf, **arguments)
            self.assertEqual(code, 0, log)
            self.assertEqual(len(scratch.read(seen).splitlines()), lines,
                             arguments)

    def test_failure(self):
        conf = self.conf({"command": "echo the pager is down >&2; exit 3"})
        for _ in range(2): # it is not forgotten
            code, log = self.give(conf)
            self.assertEqual(code, 1)
            self.assertIn("ended with 3: the pager is down", log)

    def test_nothing_set(self):
        self.assertEqual(self.give(self.conf({})), (0, ""))


class Tried(NoticeCase):
    """sealpost notify"""

    def test_test(self):
        conf = self.conf({"mail": "ops@example.net"})
        before = len(up.messages)
        for _ in range(2): # as often as it is asked for
            sealpost.run("notify", "--test", "-c", conf)
        self.assertEqual(len(up.messages), before + 2)
        self.assertIn(b"This is a test of [notify]", up.messages[-1].data)
        done = sealpost.run("notify", "--test", "--dry-run", "-c", conf)
        self.assertIn(b"would tell to ops@example.net", done.stderr)
        self.assertEqual(len(up.messages), before + 2)

    def test_failures(self):
        done = sealpost.run("notify", "--test", "-c", self.conf(
            {"command": "exit 9"}), ok=(75,))
        self.assertIn(b"ended with 9", done.stderr)
        done = sealpost.run("notify", "-c", self.conf({}), ok=(78,))
        self.assertIn(b"[notify] tells nobody", done.stderr)

    def test_certificates(self):
        seen = os.path.join(self.home, "seen")
        conf = self.conf({"command": f"cat >>{seen}", "expiry": "40d"})
        sealpost.run("notify", "-c", conf)
        sealpost.run("notify", "-c", conf)
        self.assertEqual(len(scratch.read(seen).splitlines()), 1)


class Certificates(NoticeCase):
    def test_expiry(self):
        """The test's certificate has 30 days."""
        seen = os.path.join(self.home, "seen")
        conf = self.conf({"command": f"cat >>{seen}"})
        now = int(os.stat(relay.certificate).st_mtime) + 3600
        for days, told in ((0, None), (15, None), (17, "in 12 days"),
                           (40, "ran out")):
            code, log = self.once(conf, "certificates", now + days * DAY)
            self.assertEqual(code, 0, log)
            self.assertEqual(os.path.exists(seen), told is not None, days)
            if told:
                # two listeners have it: one notice
                notice = json.loads(scratch.read(seen))
                self.assertEqual((notice["kind"], notice["subject"]),
                                 ("certificate", relay.certificate))
                self.assertIn(told, notice["text"])
                os.unlink(seen)


if __name__ == "__main__":
    unittest.main()
