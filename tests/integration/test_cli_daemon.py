"""`sealpost` beside a running daemon, and `sealpostd -t`."""
import json
import os
import re
import smtplib
import subprocess
import time
import unittest

import scratch
from rawclient import RawClient
from sealpost import Sealpost, message
from upstream import CapturingUpstream


class Running(unittest.TestCase):
    """One daemon for all; each case has users and domains of its own."""

    @classmethod
    def setUpClass(cls):
        cls.up = CapturingUpstream()
        cls.sp = Sealpost(cls.up.port, users={"alice": ("correct horse", "*")},
                          sign={"oversign_present": "mime-version"})

    @classmethod
    def tearDownClass(cls):
        cls.sp.stop()
        cls.up.stop()

    def logs_in(self, user, password, want=True, seconds=10):
        """Waits until the daemon's answer to AUTH is the wanted one."""
        def answer():
            client = self.sp.smtp(login=False)
            try:
                client.login(user, password)
                return want
            except smtplib.SMTPAuthenticationError as e:
                self.assertEqual(e.smtp_code, 535)
                return not want
            finally:
                client.close()
        scratch.wait_for(f"{user} logs in: {want}", answer, seconds)

    def add(self, name, *options):
        self.sp.add_user(name, "secret one", f"{name}.example", *options)

    def delivered(self, sender, user="alice", password="correct horse",
                  **fields):
        """What reaches the upstream when it is sent now."""
        count = len(self.up.messages)
        client = self.sp.smtp(user, password)
        client.sendmail(sender, ["bob@example.net"],
                        message(sender, **fields))
        client.quit()
        return self.up.wait(count + 1)[count].data

    def signed(self, sender):
        return b"DKIM-Signature:" in self.delivered(sender)

    def test_new_user_at_once(self):
        self.add("anna")
        self.logs_in("anna", "secret one")
        self.logs_in("anna", "secret two", want=False)

    def test_no_reload(self):
        self.add("ben", "--no-reload")
        time.sleep(0.3)
        self.logs_in("ben", "secret one", want=False)
        self.sp.reload()
        self.logs_in("ben", "secret one")

    def test_lock_and_unlock(self):
        self.add("carl")
        self.logs_in("carl", "secret one")
        self.sp.tool("user", "lock", "carl", "--dry-run")
        self.logs_in("carl", "secret one")
        self.sp.tool("user", "lock", "carl")
        self.logs_in("carl", "secret one", want=False)
        self.sp.tool("user", "unlock", "carl")
        self.logs_in("carl", "secret one")

    def test_lock_reaches_running_sessions(self):
        self.add("dora")
        self.logs_in("dora", "secret one")
        client = RawClient(self.sp.port).ready("dora", "secret one")
        self.assertEqual(client.command("MAIL FROM:<x@dora.example>")[0], 250)
        self.assertEqual(client.command("RSET")[0], 250)
        self.sp.tool("user", "lock", "dora")
        self.logs_in("dora", "secret one", want=False)
        code, text = client.command("MAIL FROM:<x@dora.example>")
        self.assertGreaterEqual(code, 400, text)
        client.close()

    def test_new_password(self):
        self.add("emil")
        self.logs_in("emil", "secret one")
        self.sp.tool("user", "passwd", "emil", "--password-stdin",
                     input="secret two\n")
        self.logs_in("emil", "secret two")
        self.logs_in("emil", "secret one", want=False)

    def test_deleted_user(self):
        self.add("fritz")
        self.logs_in("fritz", "secret one")
        self.sp.tool("user", "delete", "fritz")
        self.logs_in("fritz", "secret one", want=False)

    def test_new_key_signs_at_once(self):
        self.assertFalse(self.signed("a@gustav.example"))
        self.sp.tool("key", "generate", "gustav.example", "g1")
        self.sp.tool("key", "activate", "gustav.example", "g1", "--dry-run")
        self.assertFalse(self.signed("a@gustav.example"))
        self.sp.tool("key", "activate", "gustav.example", "g1")
        scratch.wait_for("a signature",
                         lambda: self.signed("a@gustav.example"))

    def test_mistake_keeps_the_old_users(self):
        path = os.path.join(self.sp.state, "users.conf")
        text = scratch.read(path)
        try:
            with open(path, "ab") as f:
                f.write(b"\n[zoe]\nfrm = zoe.example\n")
            self.sp.reload()
            line = text.count(b"\n") + 3
            scratch.wait_for("the mistake in the log", lambda: re.search(
                rf"users\.conf:{line}: .*unknown setting", self.sp.log()))
            self.logs_in("alice", "correct horse")
        finally:
            with open(path, "wb") as f:
                f.write(text)
            self.sp.reload()

    def test_sign_as_user_is_what_the_daemon_signs(self):
        for fields in ({}, {"Mime_Version": "1.0", "Cc": "c@example.org"},
                       {"X_Long": "y" * 200, "Bcc": "hidden@example.net"}):
            sent = message("alice@example.com", **fields)
            got = self.delivered("alice@example.com", **fields)
            theirs = re.match(rb"DKIM-Signature:.*?\r\n(?=\S)", got, re.S)[0]
            at = re.search(rb"t=(\d+)", theirs)[1].decode()
            ours = self.sp.tool("sign", "-u", "alice", "--time", at,
                                input=sent).stdout
            self.assertEqual(theirs, re.match(
                rb"DKIM-Signature:.*?\r\n(?=\S)", ours, re.S)[0])
            # Our Received is between the two; all else is the same.
            rest = got[len(theirs):]
            rest = rest[re.match(rb"Received:.*?\r\n(?=\S)", rest,
                                 re.S).end():]
            self.assertEqual(rest, ours[len(theirs):])

    def test_json_of_a_running_site(self):
        self.assertIn("alice", [u["user"] for u in json.loads(
            self.sp.tool("user", "list", "--json").stdout)])


class Test(unittest.TestCase):
    """sealpostd -t and its other options; nothing runs."""

    def setUp(self):
        self.sp = Sealpost(9, users={}, keys=(), start=False)
        self.addCleanup(self.sp.stop)

    def daemon(self, *options, config=None):
        """(exit code, stdout, stderr)."""
        done = subprocess.run(
            [scratch.program("sealpostd"), "-c", config or self.sp.config,
             *options], stdin=subprocess.DEVNULL, capture_output=True,
            timeout=60)
        self.assertNotIn(b"Sanitizer", done.stderr)
        return done.returncode, done.stdout.decode(), done.stderr.decode()

    def good(self, *options, config=None):
        code, out, said = self.daemon("-t", *options, config=config)
        self.assertEqual((code, said), (0, ""))
        self.assertEqual(out, f"{config or self.sp.config}: good\n")

    def bad(self, *lines, options=(), config=None):
        code, out, said = self.daemon("-t", *options, config=config)
        self.assertEqual((code, out), (78, ""), said)
        for line in lines:
            self.assertIn(line, said)
        return said

    def change(self, old, new):
        text = scratch.read(self.sp.config).decode()
        self.assertIn(old, text)
        scratch.write(self.sp.config, text.replace(old, new, 1))

    def line(self, text):
        """FILE:LINE of the first line that begins so."""
        lines = scratch.read(self.sp.config).decode().splitlines()
        for number, line in enumerate(lines, 1):
            if line.startswith(text):
                return f"{self.sp.config}:{number}"
        raise AssertionError(text)

    def test_options(self):
        code, out, said = self.daemon("--help")
        self.assertEqual((code, said), (0, ""))
        self.assertTrue(out.startswith("usage: sealpostd"))
        self.assertRegex(self.daemon("-V")[1], r"^sealpostd \d+\.\d+")
        for option, text in (("-x", "'x'"), ("--bogus", "'--bogus'"),
                             ("word", "word is no option; -c FILE"),
                             ("--all-keys", "go with -t"),
                             ("--live", "go with -t")):
            code, out, said = self.daemon(option)
            self.assertEqual((code, out), (64, ""))
            self.assertIn(text, said)
            self.assertIn("usage: sealpostd", said)

    def test_good(self):
        self.sp.add_key("example.com", "s1")
        self.sp.add_user("alice", "secret", "example.com")
        self.good()
        self.good("--all-keys")

    def test_shipped_example(self):
        text = scratch.read(os.path.join(scratch.TOP, "etc",
                                         "sealpost.conf")).decode()
        for old, new in (
                ("relay.example.com", "relay.test"), # the certificate's
                ("/etc/sealpost/tls/fullchain.pem", self.sp.certificate),
                ("/etc/sealpost/tls/key.pem",
                 os.path.join(self.sp.home, "key.pem")),
                (";user = sealpost\n", "user = nobody\n"),
                (";keys_user = sealpost-keys", "keys_user = nobody"),
                (";state_dir = /var/lib/sealpost",
                 "state_dir = " + self.sp.state)):
            self.assertIn(old, text)
            text = text.replace(old, new)
        self.good(config=scratch.write(os.path.join(self.sp.home, "example"),
                                       text))

    def test_missing_configuration(self):
        for options in ((), ("-f",), ("-t",)):
            code, _, said = self.daemon(*options, config="/nonexistent")
            self.assertEqual(code, 78)
            self.assertIn("/nonexistent: ", said)
            self.assertIn("No such file", said)

    def test_every_mistake_with_its_line(self):
        self.change("workers = 1", "workers = many\nworkes = 2")
        self.change("tls = none", "tls = perhaps")
        self.change("[dns]", "[dsn]")
        self.bad(self.line("workers = many") + ": ",
                 self.line("workes") + ": ", "workers",
                 self.line("tls = perhaps") + ": ",
                 "none, starttls, implicit, opportunistic or dane",
                 self.line("[dsn]") + ": ")

    def test_limits_of_inih(self):
        scratch.write(self.sp.config, scratch.read(self.sp.config)
                      + b"[check " + b"x" * 50 + b"]\n[sign]\nheaders = "
                      + b"from, " * 60 + b"to\n expire = 1d\n")
        said = self.bad(self.line("[check xxx") + ": ",
                        self.line("headers") + ": ",
                        self.line(" expire") + ": ")
        self.assertIn("+=", said)

    def test_missing_files(self):
        os.unlink(self.sp.certificate)
        self.bad(self.line("certificate") + ": certificate = "
                 + self.sp.certificate + ": No such file")

    def test_another_key(self):
        folder = os.path.join(self.sp.home, "other")
        os.mkdir(folder)
        key = scratch.certificate(folder)[1]
        scratch.give_to(folder, "nobody")
        self.change(os.path.join(self.sp.home, "key.pem"), key)
        self.bad(self.line("private_key") + ": ", "not the key of",
                 "the key that this certificate was made for")

    def test_mode_of_a_key(self):
        os.chmod(os.path.join(self.sp.home, "key.pem"), 0o644)
        self.bad(self.line("private_key"), "anybody may read it; chgrp",
                 "chmod 640")

    def test_state_directory(self):
        os.chmod(self.sp.state, 0o777)
        self.bad(self.line("state_dir"), "anybody may write to it; chmod o-w")
        self.change("state_dir = ", "state_dir = /nonexistent")
        self.bad("No such file or directory; install -d -o")

    @unittest.skipIf(os.getuid() != 0, "needs root")
    def test_state_directory_of_another(self):
        os.chown(self.sp.state, 0, 0)
        os.chmod(self.sp.state, 0o700)
        self.bad(self.line("state_dir"),
                 f"chmod 0771 {self.sp.state}\n")
        # The advice, followed, is enough.
        scratch.give_to(self.sp.state, "nobody")
        os.chmod(self.sp.state, 0o771)
        self.good()

    @unittest.skipIf(os.getuid() != 0, "needs root")
    def test_rights_are_those_of_the_user(self):
        key = os.path.join(self.sp.home, "key.pem")
        os.chown(key, 0, 0)
        self.bad(self.line("private_key"), "the account nobody may not read it; chgrp ",
                 "chmod 640 " + key)

    def test_users(self):
        path = os.path.join(self.sp.state, "users.conf")
        scratch.write(path, "[alice]\nfrm = x\n[bob]\nupstream = nowhere\n",
                      0o600)
        scratch.give_to(self.sp.state, "nobody")
        self.bad(f"{path}:2: unknown setting frm; did you mean from?")
        scratch.write(path, "[bob]\n\nupstream = nowhere\n", 0o600)
        self.bad(f"{path}:3: there is no [upstream nowhere]")
        scratch.write(path, "[bob]\n", 0o644)
        self.bad(f"{path}: ", "chmod 600")

    def test_all_keys(self):
        self.sp.add_key("example.com", "s1")
        path = os.path.join(self.sp.state, "keys", "example.com", "s1.pem")
        other = subprocess.run(["openssl", "genrsa", "2048"], check=True,
                               capture_output=True).stdout
        scratch.write(path, other, 0o600)
        scratch.give_to(self.sp.state, "nobody")
        self.good()
        self.bad(f"{path}: ", options=("--all-keys",))
        scratch.write(path, "no key\n", 0o600)
        self.bad(f"{path}: ", options=("--all-keys",))
        os.chmod(path, 0o640)
        self.bad(f"{path}: ", "chmod 600")


if __name__ == "__main__":
    unittest.main()
