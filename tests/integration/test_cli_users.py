"""`sealpost user` without a daemon: what it says, what it changes, how it
ends, what it answers to mistakes, and what it asks on a terminal."""
import json
import os
import pty
import subprocess
import threading
import unittest

import scratch
import sealpost
from clicase import CANNOT_CREATE, CONFIG, DATA, NO_USER, USAGE, Case


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


if __name__ == "__main__":
    unittest.main()
