"""Every command of `sealpost` without a daemon: what it says, what it changes,
how it ends, and what it answers to mistakes."""
import base64
import json
import os
import pty
import quopri
import re
import subprocess
import threading
import unittest

import scratch
import sealpost
from sealpost import Sealpost

USAGE, DATA, NO_INPUT, NO_USER, UNAVAILABLE = 64, 65, 66, 67, 69
CANNOT_CREATE, TEMPORARY, NO_PERMISSION, CONFIG = 73, 75, 77, 78

COMMANDS = ["sign", "verify", "spf", "explain", "sink", "status", "oauth",
            "dmarc-report", "notify", "domain add", "domain check", "domain list",
            "domain status", "domain migrate", "domain delete",
            "key generate", "key import", "key activate", "key list",
            "key show", "key rotate", "key revoke", "key delete", "user add", "user passwd", "user list", "user set",
            "user lock", "user unlock", "user delete", "user test"]
LF = b"From: alice@example.com\nSubject: x\n\nA line.\n"


def openssl(*arguments, input=None):
    return subprocess.run(["openssl", *arguments], check=True, input=input,
                          stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL).stdout


def snapshot(folder):
    """Every file and folder below, with its content."""
    found = {}
    for parent, folders, files in os.walk(folder):
        for name in folders:
            found[os.path.join(parent, name)] = None
        for name in files:
            path = os.path.join(parent, name)
            found[path] = scratch.read(path)
    return found


class Case(unittest.TestCase):
    """One site: a configuration and a state directory; no daemon runs."""

    def setUp(self):
        self.site = Sealpost(9, users={}, keys=(), start=False)
        self.addCleanup(self.site.stop)

    def ok(self, *words, **more):
        return self.site.tool(*words, **more).stdout.decode()

    def fails(self, code, text, *words, **more):
        """The exit code, and text on stderr; nothing on stdout."""
        done = self.site.tool(*words, ok=None, **more)
        said = done.stderr.decode()
        self.assertEqual(done.returncode, code, said)
        self.assertIn(text, said)
        self.assertEqual(done.stdout, b"")
        return said

    def changes_nothing(self, *words, **more):
        before = snapshot(self.site.state)
        done = self.site.tool(*words, "--dry-run", **more)
        self.assertIn(b"dry run", done.stderr)
        after = snapshot(self.site.state)
        for path in [p for p in after if p.endswith(".lock")]:
            after.pop(path)
            before.pop(path, None)
        self.assertEqual(before, after)
        return done.stdout.decode()

    def add(self, name, *options):
        return self.ok("user", "add", name, "--password-stdin", *options,
                       input="correct horse\n")

    def state(self, *names):
        return os.path.join(self.site.state, *names)


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


class Users(Case):
    def test_add_and_list(self):
        self.add("alice", "--from", "example.com, *.example.org", "--domain",
                 "example.com", "--rate", "500/h")
        self.add("bob", "--upstream", "smarthost", "--other-from", "unsigned",
                 "--no-key", "tempfail")
        lines = self.ok("user", "list").splitlines()
        self.assertEqual([line.split()[0] for line in lines],
                         ["USER", "alice", "bob"])
        alice, bob = json.loads(self.ok("user", "list", "--json"))
        self.assertEqual(alice["from"], ["example.com", "*.example.org"])
        self.assertEqual((alice["rate_count"], alice["rate_s"]), (500, 3600))
        self.assertEqual((bob["upstream"], bob["login"]), ("smarthost", "yes"))
        path = self.state("users.conf")
        self.assertEqual(os.stat(path).st_mode & 0o777, 0o600)
        text = scratch.read(path).decode()
        self.assertIn("password = $y$", text)
        self.assertNotIn("correct horse", text)

    def test_set(self):
        self.add("alice", "--from", "example.com")
        self.ok("user", "set", "alice", "--from", "example.net", "--selector",
                "s9", "--domain", "example.net")
        alice = json.loads(self.ok("user", "list", "--json"))[0]
        self.assertEqual((alice["from"], alice["selectors"], alice["domain"]),
                         (["example.net"], ["s9"], "example.net"))
        self.ok("user", "set", "alice", "--selector", "")
        alice = json.loads(self.ok("user", "list", "--json"))[0]
        self.assertEqual(alice["selectors"], [])

    def test_selector_without_a_key_is_a_remark(self):
        self.add("alice", "--from", "example.com")
        done = self.site.tool("user", "set", "alice", "--selector", "s9")
        self.assertIn(b"no key has the selector s9 of user alice; sealpost "
                      b"key generate DOMAIN s9", done.stderr)

    def test_lock_unlock_delete(self):
        self.add("alice", "--from", "example.com")
        word = lambda: json.loads(self.ok("user", "list", "--json"))[0]["login"]
        self.ok("user", "lock", "alice")
        self.assertEqual(word(), "locked")
        self.assertIn("refuse", self.ok("user", "test", "alice", "--from",
                                        "alice@example.com"))
        self.ok("user", "unlock", "alice")
        self.assertEqual(word(), "yes")
        self.ok("user", "delete", "alice")
        self.assertEqual(json.loads(self.ok("user", "list", "--json")), [])

    def test_dry_run(self):
        self.add("alice", "--from", "example.com")
        for words in (("add", "bob", "--password-stdin"),
                      ("passwd", "alice", "--password-stdin"),
                      ("set", "alice", "--from", "example.net"),
                      ("lock", "alice"), ("delete", "alice")):
            self.changes_nothing("user", *words, input="secret word\n")

    def test_no_password(self):
        """For those whose logins others judge."""
        self.ok("user", "add", "alice", "--no-password", "--from",
                "example.com")
        (alice,) = json.loads(self.ok("user", "list", "--json"))
        self.assertEqual((alice["login"], alice["from"]),
                         ("no", ["example.com"]))
        self.fails(64, "not both", "user", "add", "bob", "--no-password",
                   "--password-stdin")

    @unittest.skipUnless(os.geteuid() == 0, "needs root")
    def test_no_rights(self):
        self.ok("key", "generate", "example.com", "s1", "--type", "ed25519")
        self.ok("user", "add", "alice", "--no-password")
        for mode in 0o711, 0o755, 0o700:
            os.chmod(self.site.state, mode)
            for words, text in (
                    (["user", "add", "bob", "--no-password"],
                     b"be root or the account of the keys"),
                    (["user", "list"],
                     b"Permission denied; be root or keys_user"),
                    (["key", "list"],
                     b"Permission denied; be root or keys_user")):
                self.refused(words, text)
        os.chmod(self.site.config, 0o600)
        self.refused(["user", "list"], b"can't be read: Permission denied")

    def refused(self, words, text):
        done = subprocess.run(
            [scratch.program("sealpost"), *words, "-c", self.site.config],
            user="daemon", group="daemon", extra_groups=[],
            capture_output=True)
        self.assertEqual(done.returncode, 77, done.stderr)
        self.assertIn(text, done.stderr)

    def test_comments_and_order_stay(self):
        text = ("; the first line\n[alice]\nfrom = example.com ; hers\n"
                "\n# between\n[bob]\n; within\nfrom = example.net\n")
        scratch.write(self.state("users.conf"), text, 0o600)
        scratch.give_to(self.site.state, "nobody")
        self.ok("user", "set", "bob", "--from", "example.org")
        self.assertEqual(scratch.read(self.state("users.conf")).decode(),
                         text.replace("example.net", "example.org"))

    def test_many_at_once(self):
        names = [f"u{n}" for n in range(12)]
        threads = [threading.Thread(target=sealpost.run, args=(
            "user", "add", name, "-c", self.site.config, "--password-stdin"),
            kwargs={"input": "secret\n"}) for name in names]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        found = json.loads(self.ok("user", "list", "--json"))
        self.assertEqual(sorted(u["user"] for u in found), sorted(names))

    def test_long_and_odd_names(self):
        """inih cuts names of sections at 49 octets: `name =` then."""
        for name in ("a" * 49, "b" * 50, "c" * 190, "user@example.com",
                     "-c", "[x]"[1:-1], "jörg"):
            words = ("user", "add", "--password-stdin", "--", name)
            self.ok(*words, input="secret\n")
        found = [u["user"] for u in json.loads(self.ok("user", "list",
                                                       "--json"))]
        self.assertEqual(found[:3], ["a" * 49, "b" * 50, "c" * 190])
        self.ok("user", "lock", "b" * 50)
        self.ok("user", "delete", "c" * 190)
        for name in ("d" * 191, "a b", "x]", ";x", "a\nb", ""):
            with self.subTest(name):
                self.fails(USAGE, "is not a user's name", "user", "add", name,
                           "--password-stdin", input="secret\n")

    def test_long_list(self):
        """A line over inih's 199 octets is written as several."""
        domains = [f"domain{n}.example.com" for n in range(40)]
        self.add("alice", "--from", ",".join(domains))
        alice = json.loads(self.ok("user", "list", "--json"))[0]
        self.assertEqual(alice["from"], domains)
        for line in scratch.read(self.state("users.conf")).splitlines():
            self.assertLess(len(line), 199)
        self.ok("user", "set", "alice", "--from", ",".join(domains[:30]))
        alice = json.loads(self.ok("user", "list", "--json"))[0]
        self.assertEqual(alice["from"], domains[:30])

    def test_mistakes(self):
        self.add("alice", "--from", "example.com")
        add = ("user", "add", "bob", "--password-stdin")
        for code, text, words in (
                (CANNOT_CREATE, "there is a user alice already",
                 ("user", "add", "alice", "--password-stdin")),
                (NO_USER, "there is no user bob; sealpost user list",
                 ("user", "lock", "bob")),
                (NO_USER, "there is no user bob", ("user", "test", "bob",
                                                   "--from", "a@b.example")),
                (DATA, "not a `from` entry; DOMAIN, *.DOMAIN",
                 (*add, "--from", "exa mple..com")),
                (DATA, "reject, unsigned or sign-as-user",
                 (*add, "--other-from", "x")),
                (DATA, "unsigned, tempfail or reject", (*add, "--no-key", "x")),
                (DATA, "not a rate; COUNT/s", (*add, "--rate", "fast")),
                (DATA, "has no [upstream nowhere]", (*add, "--upstream",
                                                     "nowhere")),
                (USAGE, "takes one line", (*add, "--from",
                                           "a.example\nlocked = no")),
                (USAGE, "nothing to set", ("user", "set", "alice")),
                (USAGE, "--from ADDR is needed", ("user", "test", "alice")),
                (USAGE, "one address", ("user", "test", "alice", "--from",
                                        "example.com")),
                (USAGE, "a numeric address",
                 ("user", "test", "alice", "--from", "a@example.com",
                  "--client", "localhost"))):
            with self.subTest(words):
                before = scratch.read(self.state("users.conf"))
                self.fails(code, text, *words, input="secret\n")
                self.assertEqual(before,
                                 scratch.read(self.state("users.conf")))

    def test_passwords(self):
        for text, word in (("", "the password is empty"),
                           ("\n", "the password is empty"),
                           ("a\0b\n", "holds a NUL"),
                           ("x" * 5000 + "\n", "longer than")):
            self.fails(DATA, word, "user", "add", "bob", "--password-stdin",
                       input=text)
        self.fails(USAGE, "--password-stdin reads a line", "user", "add",
                   "bob")

    def test_mistakes_in_the_file(self):
        scratch.write(self.state("users.conf"),
                      "[alice]\nfrom = example.com\nfrm = x\n"
                      "[bob]\nupstream = nowhere\n[alice]\n", 0o600)
        scratch.give_to(self.site.state, "nobody")
        said = self.fails(CONFIG, "users.conf:3: ", "user", "list")
        self.assertIn("did you mean from?", said)
        self.assertIn("users.conf:6: ", said)

    def test_file_of_anothers_mode(self):
        self.add("alice", "--from", "example.com")
        os.chmod(self.state("users.conf"), 0o644)
        self.fails(CONFIG, "chmod 600", "user", "list")

    def test_test(self):
        self.site.add_key("example.com", "s1")
        self.add("alice", "--from", "example.com")
        out = self.ok("user", "test", "alice", "--from", "alice@example.com")
        for text in ("user:      alice", "upstream:  smarthost",
                     "decision:  sign", "rule:      domain-key",
                     "signature: d=example.com s=s1 a=rsa-sha256",
                     "aligned:   yes"):
            self.assertIn(text, out)
        found = json.loads(self.ok("user", "test", "alice", "--from",
                                   "alice@example.net", "--json"))
        self.assertEqual((found["decision"], found["code"], found["enhanced"]),
                         ("refuse", 550, "5.7.1"))


def converse(command, answers):
    """Runs on a terminal of its own; (exit code, what was shown)."""
    pid, fd = pty.fork()
    if pid == 0:
        os.execv(command[0], command)
    shown, asked = b"", 0
    while True:
        try:
            data = os.read(fd, 4096)
        except OSError: # the other end has gone
            break
        if not data:
            break
        shown += data
        if asked < len(answers) and shown.count(b": ") > asked:
            os.write(fd, answers[asked] + b"\n")
            asked += 1
    os.close(fd)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), shown


class Terminal(Case):
    def passwd(self, *answers):
        return converse([scratch.program("sealpost"), "user", "passwd",
                         "alice", "-c", self.site.config], answers)

    def test_asked_twice_and_not_shown(self):
        self.add("alice", "--from", "example.com")
        before = scratch.read(self.state("users.conf"))
        code, shown = self.passwd(b"new secret", b"new secret")
        self.assertEqual(code, 0, shown)
        self.assertEqual(shown.count(b": "), 2)
        self.assertNotIn(b"secret", shown)
        self.assertNotEqual(before, scratch.read(self.state("users.conf")))

    def test_not_the_same(self):
        self.add("alice", "--from", "example.com")
        before = scratch.read(self.state("users.conf"))
        code, shown = self.passwd(b"one", b"other")
        self.assertEqual(code, DATA)
        self.assertIn(b"not the same; nothing was changed", shown)
        self.assertEqual(before, scratch.read(self.state("users.conf")))

    def test_wrong_before_it_is_asked(self):
        self.add("alice", "--from", "example.com")
        before = scratch.read(self.state("users.conf"))
        for words, code, text in (
                (["passwd", "nobody"], 67, b"there is no user nobody"),
                (["add", "alice"], 73, b"there is a user alice already"),
                (["add", "joe", "--from", "not..one"], DATA,
                 b"not a `from` entry")):
            with self.subTest(words):
                done, shown = converse(
                    [scratch.program("sealpost"), "user", *words,
                     "-c", self.site.config], [b"secret", b"secret"])
                self.assertEqual(done, code, shown)
                self.assertIn(text, shown)
                self.assertNotIn(b"password", shown)
        self.assertEqual(before, scratch.read(self.state("users.conf")))


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
