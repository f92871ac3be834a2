"""The help of every command, and sign, verify and sink without a daemon: what
they say, how they end, and what they answer to mistakes."""
import base64
import json
import os
import re
import unittest

import scratch
import sealpost
from clicase import (CONFIG, DATA, LF, NO_INPUT, NO_PERMISSION, NO_USER,
                     TEMPORARY, USAGE, Case, openssl)

COMMANDS = ["sign", "verify", "spf", "explain", "sink", "status", "oauth",
            "dmarc-report", "notify", "domain add", "domain check", "domain list",
            "domain status", "domain migrate", "domain delete",
            "key generate", "key import", "key activate", "key list",
            "key show", "key rotate", "key revoke", "key delete", "user add", "user passwd", "user list", "user set",
            "user lock", "user unlock", "user delete", "user test"]


class Help(unittest.TestCase):
    def test_every_command_has_help(self):
        for command in COMMANDS:
            with self.subTest(command):
                done = sealpost.run(*command.split(), "--help")
                self.assertTrue(done.stdout.startswith(
                    f"usage: sealpost {command} ".encode()), done.stdout)
                self.assertEqual(done.stderr, b"")
        self.assertLessEqual(max(len(line) for line in
                                 done.stdout.splitlines()), 80)

    def test_lists_of_commands(self):
        known = {}
        for command in COMMANDS:
            words = command.split()
            known.setdefault(" ".join(words[:-1]), []).append(words[-1])
        known[""] += ["key", "user", "domain"]
        for group, names in known.items():
            out = sealpost.run(*group.split(), "--help").stdout.decode()
            self.assertEqual(sorted(re.findall(r"^  ([\w-]+) ", out, re.M)),
                             sorted(names))

    def test_misuse(self):
        for words, text in (
                ([], "usage:"), (["nope"], "unknown command nope"),
                (["key"], "usage:"), (["user", "nope"], "unknown command"),
                (["statsu"], "unknown command statsu; did you mean status?"),
                (["user", "-c", "x"], "sealpost user: a command is needed"),
                (["sign", "--bogus"], "unknown option --bogus\n"),
                (["user", "add", "a", "--form=x"], "did you mean --from?"),
                (["sign", "-d"], "--domain needs a value"),
                (["verify", "--json=1"], "--json takes no value"),
                (["user", "list", "x"], "too many arguments"),
                (["key", "generate"], "arguments are missing"),
                (["sink"], "--listen")):
            with self.subTest(words):
                done = sealpost.run(*words, ok=(USAGE,))
                self.assertIn(text, done.stderr.decode())
                self.assertIn("usage:", done.stderr.decode())
                self.assertEqual(done.stdout, b"")

    def test_version(self):
        for word in "--version", "-V":
            self.assertRegex(sealpost.run(word).stdout.decode(),
                             r"^sealpost \d+\.\d+\.\d+\n$")

    def test_configuration_before_the_command(self):
        done = sealpost.run("-c", "/nonexistent", "key", "list", ok=(CONFIG,))
        self.assertEqual(done.stderr.decode(),
                         "/nonexistent: can't be read: No such file or "
                         "directory; -c names the configuration\n")


class Sign(Case):
    def setUp(self):
        super().setUp()
        self.keys = {}
        for kind in ("rsa", "ed25519"):
            self.keys[kind] = scratch.write(
                os.path.join(self.site.home, kind + ".pem"),
                openssl("genpkey", "-algorithm", kind), 0o600)
        self.key = self.keys["ed25519"]
        public = openssl("pkey", "-in", self.key, "-pubout", "-outform", "DER")
        self.site.records["s._domainkey.example.com"] = (
            "k=ed25519; p=" + base64.b64encode(public[-32:]).decode())

    def sign(self, message=LF, *more, key=None, ok=(0,)):
        return sealpost.run("sign", "-d", "example.com", "-s", "s", "-k",
                            key or self.key, *more, input=message, ok=ok)

    def test_same_time_same_octets(self):
        for kind, key in self.keys.items():
            signed = [self.sign(LF, "--time", "1700000000", key=key).stdout
                      for _ in range(2)]
            self.assertEqual(signed[0], signed[1])
            self.assertIn(f"a={kind}-sha256".encode(), signed[0])
            self.assertIn(b"t=1700000000;", signed[0])
        self.assertNotEqual(signed[0], self.sign(LF, "--time", "1").stdout)

    def test_lines_end_in_crlf(self):
        signed = self.sign().stdout
        crlf = self.sign(LF.replace(b"\n", b"\r\n")).stdout
        for out in (signed, crlf):
            self.assertTrue(out.endswith(LF.replace(b"\n", b"\r\n")))
            self.assertNotRegex(out, rb"[^\r]\n")
            self.assertIn("dkim=pass", self.site.verify(out))
            # With LF line ends, as a file of a mail program has it.
            self.assertIn("dkim=pass",
                          self.site.verify(out.replace(b"\r\n", b"\n")))

    def test_no_message(self):
        head = b"From: a@example.com\r\n"
        for message, text in (
                (head + b"\r\nx\n", "bare CR, bare LF or NUL"),
                (head + b"\r\nx\ry\r\n", "bare CR"),
                (head + b"\r\nx\0\r\n", "NUL"),
                (b"From: a@example.com\n\nx\0\n", "NUL"),
                (b"From: a@example.com\n\nx\ry\n", "bare CR"),
                (head.replace(b"\r\n", b"\n") + b"Subject: x\r\n\r\n", "bare"),
                (b"", "it has no header field"),
                (b"only words\n", "it has no header field"),
                (head + b"no field here\r\n\r\n", "a line that is no field"),
                (b" fold: first\r\n" + head + b"\r\n", "no field"),
                (b"From: a@example.com", "ends inside a header field"),
                (b"Subject: x\n\nx\n", "one From field"),
                (2 * head + b"\r\nx\r\n", "one From field")):
            with self.subTest(message):
                done = self.sign(message, ok=(DATA,))
                self.assertIn(text, done.stderr.decode())
                self.assertEqual(done.stdout, b"")

    def test_verify_judges_what_sign_refuses(self):
        for octets in (b"x\r\ny\nz\r\n", b"x\r\ny\rz\r\n", b"x\0\r\n"):
            signed = self.sign(b"From: a@example.com\r\n\r\nx\r\n").stdout
            changed = signed[:-3] + octets
            field = self.site.verify(changed, ok=(1,))
            self.assertIn("dkim=fail", field)

    def test_options(self):
        out = self.sign(LF, "--time", "100", "--expire", "60", "--canon",
                        "simple/relaxed", "--headers",
                        "from:subject:from").stdout.decode()
        for text in ("c=simple/relaxed;", "t=100;", "x=160;",
                     "h=from:from:subject;"):
            self.assertIn(text, out)
        self.assertIn("c=relaxed/simple", self.sign(
            LF, "--canon", "relaxed").stdout.decode())

    def test_mistakes(self):
        for code, text, more in (
                (USAGE, "--time takes a whole number", ("--time", "now")),
                (USAGE, "--expire: too far away", ("--expire",
                                                   str(2 ** 64 - 2))),
                (USAGE, "--canon strict", ("--canon", "strict")),
                (USAGE, "must name from", ("--headers", "to:subject")),
                (USAGE, "is no field name", ("--headers", "from:a b")),
                (USAGE, "-d DOMAIN and -s SELECTOR, or -u USER", ("-u", "a")),
                (USAGE, "on stdin, not as an argument", ("message.eml",)),
                (USAGE, "is not a domain", ("-d", "..")),
                (USAGE, "is not a selector", ("-s", "a b"))):
            with self.subTest(more):
                self.assertIn(text, self.sign(LF, *more, ok=(code,)
                                              ).stderr.decode())
        for key, code, text in (
                ("/nonexistent", NO_INPUT, "/nonexistent: No such file"),
                (self.site.config, DATA, "not a PEM private key"),
                (self.site.certificate, DATA, "the private key is needed")):
            done = self.sign(key=key, ok=(code,))
            self.assertIn(text, done.stderr.decode())

    def test_mode_of_the_key_is_a_remark(self):
        os.chmod(self.key, 0o644)
        self.assertIn(b"others can read this key; chmod 600",
                      self.sign().stderr)

    def test_as_a_user(self):
        self.site.add_key("example.com", "s1")
        self.add("alice", "--from", "example.com")
        sign = ("sign", "-u", "alice", "--time", "1700000000")
        out = [self.site.tool(*sign, input=LF).stdout for _ in range(2)]
        self.assertEqual(out[0], out[1])
        self.assertIn(b"d=example.com; s=s1;", out[0])
        self.assertIn(b"\r\nDate: ", out[0])
        self.assertIn(b"\r\nMessage-ID: <", out[0])
        self.assertIn("dkim=pass", self.site.verify(out[0], "--time",
                                                    "1700000001"))
        self.fails(NO_PERMISSION, "550 5.7.1", *sign,
                   input=LF.replace(b"example.com", b"example.net"))
        self.fails(NO_USER, "there is no user bob", "sign", "-u", "bob",
                   input=LF)
        self.assertNotIn(b"Bcc", self.site.tool(
            *sign, input=b"Bcc: x@example.net\n" + LF).stdout)

    def test_as_a_user_when_signed_already(self):
        text = scratch.read(self.site.config)
        scratch.write(self.site.config,
                      text + b"[sign]\nalready_signed = skip-aligned\n")
        self.site.add_key("example.com", "s1")
        self.add("alice", "--from", "example.com")
        signed = self.sign(b"From: alice@sub.example.com\n\nx\n").stdout
        self.ok("user", "set", "alice", "--from", "*")
        done = self.site.tool("sign", "-u", "alice", input=signed)
        self.assertEqual(done.stdout, signed)
        self.assertIn(b"an aligned signature is there", done.stderr)
        other = signed.replace(b"sub.example.com", b"example.net")
        self.ok("key", "generate", "example.net", "n1", "--activate")
        done = self.site.tool("sign", "-u", "alice", input=other)
        self.assertIn(b"d=example.net; s=n1", done.stdout)

    def test_verify(self):
        signed = self.sign().stdout
        self.site.verify(signed.replace(b"A line", b"A lime"), ok=(1,))
        self.site.verify(LF, ok=(1,))
        found = json.loads(self.site.verify(signed, "--json"))
        self.assertIn("pass", json.dumps(found))
        self.assertIn("Authentication-Results: mx.example;", self.site.verify(
            signed, "--authserv-id", "mx.example"))
        self.assertIn("dkim=temperror", sealpost.run(
            "verify", "--dns", scratch.write(
                os.path.join(self.site.home, "slow"),
                "s._domainkey.example.com TXT !TIMEOUT\n"), input=signed,
            ok=(TEMPORARY,)).stdout.decode())
        sealpost.run("verify", "--dns", "/nonexistent", input=signed,
                     ok=(NO_INPUT,))
        sealpost.run("verify", input=b"", ok=(DATA,))
        sealpost.run("verify", "--only", "x", input=signed, ok=(USAGE,))
        sealpost.run("verify", "--nameserver", "x y", input=signed,
                     ok=(USAGE,))

    def test_mistake_in_the_dns_file(self):
        path = scratch.write(os.path.join(self.site.home, "bad"),
                             "a.example TXT \"x\"\nb.example BOGUS 1\n")
        done = sealpost.run("verify", "--dns", path, input=self.sign().stdout,
                            ok=(DATA,))
        self.assertIn(f"{path}:2: ", done.stderr.decode())


class Sink(Case):
    def test_mistakes(self):
        sink = ("sink", "--maildir", os.path.join(self.site.home, "m"))
        for code, text, more in (
                (USAGE, "--listen", ("--listen", "127.0.0.1")),
                (USAGE, "--auth", ("--listen", "127.0.0.1:0", "--auth", "x")),
                (NO_INPUT, "", ("--listen", "127.0.0.1:0", "--tls-cert",
                                "/nonexistent", "--tls-key", "/nonexistent"))):
            with self.subTest(more):
                done = sealpost.run(*sink, *more, ok=None)
                self.assertNotEqual(done.returncode, 0)
                self.assertIn(text, done.stderr.decode())


if __name__ == "__main__":
    unittest.main()
