"""`sealpost key` without a daemon: what it says, what it changes, how it
ends, and what it answers to mistakes."""
import base64
import json
import os
import quopri
import re
import unittest

import scratch
from clicase import (CANNOT_CREATE, DATA, LF, NO_INPUT, UNAVAILABLE, USAGE,
                     Case, openssl)


class Keys(Case):
    def test_generate(self):
        out = self.ok("key", "generate", "Example.COM", "s1")
        self.assertTrue(out.startswith("s1._domainkey.example.com. 300 IN TXT "
                                       "(\n    \"v=DKIM1; k=rsa; p=MII"), out)
        for line in out.splitlines():
            for text in re.findall(r'"([^"]*)"', line):
                self.assertLessEqual(len(text), 255)
        pem = self.state("keys", "example.com", "s1.pem")
        self.assertEqual(os.stat(pem).st_mode & 0o777, 0o600)
        self.assertEqual(os.stat(os.path.dirname(pem)).st_mode & 0o777, 0o700)
        text = openssl("pkey", "-in", pem, "-noout", "-text").decode()
        self.assertIn("2048 bit", text)

    def test_options(self):
        self.ok("key", "generate", "example.com", "e1", "--type", "ed25519",
                "--note", "the new one", "--test-mode", "--activate")
        self.ok("key", "generate", "example.com", "r1", "--bits", "3072")
        found = {k["selector"]: k for k in json.loads(
            self.ok("key", "list", "--json"))}
        self.assertEqual((found["e1"]["type"], found["e1"]["note"],
                          found["e1"]["test_mode"], found["e1"]["state"]),
                         ("ed25519", "the new one", True, "active"))
        self.assertEqual((found["r1"]["bits"], found["r1"]["state"],
                          found["r1"]["activated"]), (3072, "new", ""))
        self.assertIn("v=DKIM1; k=ed25519; n=the new one; t=y; p=",
                      self.ok("key", "show", "example.com", "e1",
                              "--format", "value"))

    def test_note_in_the_record(self):
        """n= is quoted-printable (RFC 6376 3.6.1), whatever the note has."""
        self.ok("key", "generate", "example.com", "n1", "--type", "ed25519",
                "--note", 'a=b "c\\d" \u00e9')
        value = self.ok("key", "show", "example.com", "n1", "--format",
                        "value").strip()
        note = re.search(r"; n=([^;]*); p=", value)[1]
        self.assertEqual(note, "a=3Db =22c=5Cd=22 =C3=A9")
        self.assertEqual(quopri.decodestring(note).decode(),
                         'a=b "c\\d" \u00e9')
        for form in ("zone", "bind", "route53", "cloudflare"):
            self.assertIn(note, self.ok("key", "show", "example.com", "n1",
                                        "--format", form))

    def test_selectors_of_their_own(self):
        for letter in "abc":
            self.assertRegex(self.ok("key", "generate", "example.com",
                                     "--type", "ed25519"),
                             rf"^sp20\d{{4}}{letter}\._domainkey")

    def test_list(self):
        self.assertEqual(json.loads(self.ok("key", "list", "--json")), [])
        for domain in ("b.example", "a.example"):
            self.ok("key", "generate", domain, "s", "--type", "ed25519")
        lines = self.ok("key", "list").splitlines()
        self.assertEqual([line.split()[0] for line in lines],
                         ["DOMAIN", "a.example", "b.example"])
        self.assertEqual(len(self.ok("key", "list",
                                     "a.example").splitlines()), 2)
        self.assertEqual([k["domain"] for k in json.loads(
            self.ok("key", "list", "b.example", "--json"))], ["b.example"])

    def test_show(self):
        self.ok("key", "generate", "example.com", "s1")
        value = self.ok("key", "show", "example.com", "s1", "--format",
                        "value").strip()
        show = ("key", "show", "example.com", "s1", "--format")
        zone = self.ok(*show, "zone")
        self.assertEqual("".join(re.findall(r'"([^"]*)"', zone)), value)
        found = json.loads(self.ok(*show, "json"))
        self.assertEqual((found["name"], found["type"], found["value"]),
                         ("s1._domainkey.example.com", "TXT", value))
        change = json.loads(self.ok(*show, "route53"))["Changes"][0]
        text = change["ResourceRecordSet"]["ResourceRecords"][0]["Value"]
        self.assertEqual("".join(re.findall(r'"([^"]*)"', text)), value)
        text = json.loads(self.ok(*show, "cloudflare"))["content"]
        self.assertEqual(text.replace('"', "").replace(" ", ""),
                         value.replace(" ", ""))
        public = openssl("pkey", "-in", self.state(
            "keys", "example.com", "s1.pem"), "-pubout", "-outform", "DER")
        self.assertIn("p=" + base64.b64encode(public).decode(), value)

    def test_show_all_of_a_domain(self):
        for selector in ("s1", "s2"):
            self.ok("key", "generate", "example.com", selector, "--type",
                    "ed25519")
        out = self.ok("key", "show", "example.com")
        self.assertIn("s1._domainkey", out)
        self.assertIn("s2._domainkey", out)
        batch = json.loads(self.ok("key", "show", "example.com", "--format",
                                   "route53"))
        self.assertEqual([c["ResourceRecordSet"]["Name"]
                          for c in batch["Changes"]],
                         [s + "._domainkey.example.com"
                          for s in ("s1", "s2")])

    def test_import(self):
        path = os.path.join(self.site.home, "in.pem")
        for number, pem in enumerate((
                openssl("genrsa", "-traditional", "2048"),
                openssl("genpkey", "-algorithm", "ed25519"))):
            scratch.write(path, pem, 0o600)
            self.ok("key", "import", "example.com", f"f{number}", path,
                    "--activate")
            self.ok("key", "import", "example.com", f"p{number}", "-",
                    input=pem)
            values = [self.ok("key", "show", "example.com", s, "--format",
                              "value") for s in (f"f{number}", f"p{number}")]
            self.assertEqual(values[0], values[1])

    def test_activate(self):
        self.ok("key", "generate", "example.com", "s1", "--type", "ed25519")
        self.changes_nothing("key", "activate", "example.com", "s1")
        self.ok("key", "activate", "example.com", "s1")
        key = json.loads(self.ok("key", "list", "--json"))[0]
        self.assertEqual(key["state"], "active")
        self.assertRegex(key["activated"], r"^20\d\d-\d\d-\d\dT")

    def test_dry_run(self):
        out = self.changes_nothing("key", "generate", "example.com")
        self.assertIn("._domainkey.example.com.", out)
        self.changes_nothing("key", "import", "example.com", "s1", "-",
                             input=openssl("genpkey", "-algorithm", "ed25519"))

    def test_mistakes(self):
        generate = ("key", "generate", "example.com")
        self.ok(*generate, "s1", "--type", "ed25519")
        for code, text, words in (
                (CANNOT_CREATE, "example.com/s1: a key of this domain and "
                 "selector exists", (*generate, "s1")),
                (DATA, "shorter than 2048 bits", (*generate, "--bits", "1024")),
                (DATA, "longer than 4096", (*generate, "--bits", "8192")),
                (USAGE, "rsa or ed25519", (*generate, "--type", "dsa")),
                (USAGE, "--bits takes a whole number", (*generate, "--bits",
                                                        "many")),
                (USAGE, "one size", (*generate, "--type", "ed25519", "--bits",
                                     "2048")),
                (USAGE, "is not a domain; letters, digits",
                 ("key", "generate", "exa mple..com")),
                (USAGE, "is not a selector; letters", (*generate, "a b")),
                (USAGE, "is not a selector", (*generate, "x/../../y")),
                (USAGE, "is not a domain", ("key", "generate", "../../y")),
                (USAGE, "--note takes one line", (*generate, "--note",
                                                  "a\nstate = active")),
                (USAGE, "zone, value, json", ("key", "show", "example.com",
                                              "--format", "xml")),
                (NO_INPUT, "there is no such key", ("key", "show",
                                                    "example.com", "s9")),
                (NO_INPUT, "there is no key example.com/s9",
                 ("key", "activate", "example.com", "s9")),
                (NO_INPUT, "/nonexistent.pem: No such file",
                 ("key", "import", "example.com", "s2", "/nonexistent.pem")),
                (DATA, "not a PEM private key",
                 ("key", "import", "example.com", "s2", self.site.config))):
            with self.subTest(words):
                self.fails(code, text, *words)
        self.assertEqual(len(json.loads(self.ok("key", "list", "--json"))), 1)

    def test_unwritable_state(self):
        scratch.write(self.state("keys"), "a file, not a folder\n")
        said = self.fails(CANNOT_CREATE, self.state("keys"),
                          "key", "generate", "example.com", "s1")
        self.assertIn("Not a directory", said)

    def test_key_of_anothers_mode(self):
        self.ok("key", "generate", "example.com", "s1", "--activate", "--type",
                "ed25519")
        os.chmod(self.state("keys", "example.com", "s1.pem"), 0o644)
        done = self.site.tool("key", "list")
        self.assertIn(b"s1.pem: ", done.stderr)
        self.assertIn(b"chmod 600", done.stderr)
        self.assertNotIn(b"s1", done.stdout.split(b"\n", 1)[1])
        self.fails(UNAVAILABLE, "example.com/s1: ", "sign", "-d",
                   "example.com", "-s", "s1", input=LF)


if __name__ == "__main__":
    unittest.main()
