"""A key file that is not as it should be is refused and never harms mail."""
import contextlib
import os
import shutil
import subprocess
import unittest

import population
import scratch
from sealpost import Sealpost, message
from usercase import UserCase, signatures


def openssl(*arguments, input=None):
    return subprocess.run(["openssl", *arguments], check=True, input=input,
                          stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL).stdout.decode()


def bad_keys():
    """DS-11: {what: (contents, a word of the reason)}; None: no file."""
    good = population.ed25519_key()[0]
    rsa = population.rsa_key()[0]
    return {
        "missing": (None, "no such key file"),
        "empty": ("", "not a PEM private key"),
        "text": ("hello\n", "not a PEM private key"),
        "half": (rsa[:600], "not a PEM private key"),
        "encrypted": (openssl("pkey", "-aes128", "-passout", "pass:x",
                              input=rsa.encode()), "encrypted"),
        "public": (openssl("pkey", "-pubout", input=rsa.encode()),
                   "public key"),
        "EC": (openssl("genpkey", "-algorithm", "EC", "-pkeyopt",
                       "ec_paramgen_curve:P-256"), "neither RSA nor Ed25519"),
        "512 bits": (population.rsa_key(512)[0], "shorter than 2048"),
        "1024 bits": (population.rsa_key(1024)[0], "shorter than 2048"),
        "junk before": ("x\n" + good, "before or behind"),
        "junk behind": (good + "x\n", "before or behind"),
        "two keys": (good + good, "before or behind"),
        "10 MiB": (good + "\n" * (10 << 20), "16384 octets"),
        "CRLF": (good.replace("\n", "\r\n"), "CR line ends"),
    }


def others_file(pem, old):
    shutil.copy(old, pem)
    os.chown(pem, 12345, 12345)


# Key files that somebody else could have written or read.
SPOILED = {
    "0644": lambda pem, old: scratch.write(pem, scratch.read(old), 0o644),
    "symlink": lambda pem, old: os.symlink(old, pem),
    "directory": lambda pem, old: os.mkdir(pem),
    "FIFO": lambda pem, old: os.mkfifo(pem, 0o600),
    **({"owner": others_file} if os.getuid() == 0 else {}),
}


@contextlib.contextmanager
def spoiled(pem, spoil):
    old = os.path.join(pem.split("/state/")[0], "old.pem")
    os.rename(pem, old)
    spoil(pem, old)
    try:
        yield
    finally:
        (os.rmdir if os.path.isdir(pem) else os.remove)(pem)
        os.rename(old, pem)


def sealpostd(*arguments):
    """Runs it to its end, which is soon; stderr in stdout."""
    return subprocess.run([scratch.program("sealpostd"), *arguments],
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=30)


class KeyFiles(UserCase):
    """DS-11, DS-13: a key that is not as it should be never harms mail."""

    @classmethod
    def build(cls):
        cls.bad = bad_keys()
        users = {}
        for n in range(len(cls.bad) + 4):
            population.put_key(cls.sp, f"d{n}.example", "s1")
            users[f"u{n}"] = {"password": f"pw-u{n}", "from": f"d{n}.example"}
        population.put_users(cls.sp, users)

    def pem(self, n):
        return os.path.join(self.sp.state, "keys", f"d{n}.example", "s1.pem")

    def replace(self, n, contents):
        if contents is None:
            os.remove(self.pem(n))
        else:
            scratch.write(self.pem(n), contents, 0o600)

    def test_ds_11_first_use(self):
        """451 4.7.5, nothing upstream, and the log says why."""
        contents = [*self.bad.items(), (
            "another key", (population.ed25519_key()[0], "not the one"))]
        old = {}
        for n, (what, (text, why)) in enumerate(contents):
            with self.subTest(row="DS-11", what=what):
                old[n] = scratch.read(self.pem(n))
                self.replace(n, text)
                c = self.client(f"u{n}")
                code, said, got, line = self.send(
                    c, message(sender=f"x@d{n}.example"))
                self.assertEqual((code, said[:5], got), (451, "4.7.5", None))
                self.assertEqual(line["outcome"], "refused")
                told = [k["text"] for k in self.sp.lines("key")
                        if k["domain"] == f"d{n}.example"]
                self.assertEqual(len(told), 1, told)
                self.assertIn(self.pem(n), told[0])
                self.assertIn(why, told[0])
        for n, text in old.items():
            self.replace(n, text)
        scratch.give_to(self.sp.state, "nobody")
        self.settle()
        for n in old: # mended: the same mail goes
            self.as_foretold(f"u{n}", f"x@d{n}.example")

    def test_ds_11_import(self):
        for what, (text, why) in self.bad.items():
            with self.subTest(row="DS-11", what=what):
                path = os.path.join(self.sp.home, "in.pem")
                if text is None:
                    continue
                scratch.write(path, text, 0o600)
                done = self.sp.tool("key", "import", "new.example", "s1", path,
                                    "--activate", ok=(65,))
                self.assertIn(path, done.stderr.decode())
                self.assertIn(why, done.stderr.decode())
        self.assertFalse(os.path.exists(os.path.join(
            self.sp.state, "keys", "new.example")))

    def test_ds_11_whose_file_at_reload(self):
        """Type, owner, mode: the old key stays and signs."""
        n = len(self.bad) + 2
        self.as_foretold(f"u{n}", f"x@d{n}.example")
        for what, spoil in SPOILED.items():
            with self.subTest(row="DS-11", what=what), \
                    spoiled(self.pem(n), spoil):
                before = len(self.sp.lines("load"))
                self.sp.reload()
                self.assertIn(self.pem(n), self.sp.wait_line(
                    "load", before + 1)[-1]["text"])
                code, *_ = self.send(self.client(f"u{n}"),
                                     message(sender=f"x@d{n}.example"))
                self.assertEqual(code, 250)

    def test_ds_11_whose_file_at_start(self):
        sp = Sealpost(self.up.port, users={}, keys=(), start=False)
        self.addCleanup(scratch.remove, sp.home)
        population.put_key(sp, "a.example", "s1")
        pem = os.path.join(sp.state, "keys/a.example/s1.pem")
        scratch.give_to(sp.state, "nobody")
        for what, spoil in SPOILED.items():
            with self.subTest(row="DS-11", what=what), spoiled(pem, spoil):
                done = sealpostd("-c", sp.config, "-f")
                self.assertNotIn(done.returncode, (0, -9), done.stdout)
                self.assertIn(pem, done.stdout)
                if what == "0644":
                    self.assertIn("chmod 600", done.stdout)
                done = sealpostd("-c", sp.config, "-t", "--all-keys")
                self.assertEqual(done.returncode, 78, done.stdout)
                self.assertIn(pem, done.stdout)

    def test_ds_11_all_keys_and_activate(self):
        n = len(self.bad) + 3
        for what in "empty", "EC", "CRLF", "encrypted", "10 MiB":
            with self.subTest(row="DS-11", what=what):
                old = scratch.read(self.pem(n))
                self.replace(n, self.bad[what][0])
                try:
                    done = sealpostd("-c", self.sp.config, "-t", "--all-keys")
                    self.assertEqual(done.returncode, 78)
                    self.assertIn(self.pem(n), done.stdout)
                    self.assertIn(self.bad[what][1], done.stdout)
                    done = self.sp.tool("key", "activate", f"d{n}.example",
                                        "s1", ok=(65, 66))
                    self.assertIn(self.bad[what][1], done.stderr.decode())
                finally:
                    self.replace(n, old)
                    scratch.give_to(self.sp.state, "nobody")


class PassOnError(UserCase):
    """DS-13, with on_error = pass: better unsigned than late."""

    settings = {"sign": {"on_error": "pass", "also": "b.example"}}

    @classmethod
    def build(cls):
        for domain in "a.example", "b.example", "c.example":
            population.put_key(cls.sp, domain, "s1")
        population.put_users(cls.sp, {u: {"password": "pw-" + u,
                                          "from": f"{u}.example"}
                                      for u in ("a", "c")})

    def test_ds_13(self):
        """Never half of the signatures; the log has the reason."""
        for user, broken in ("a", "b.example"), ("c", "c.example"):
            pem = os.path.join(self.sp.state, "keys", broken, "s1.pem")
            with spoiled(pem, lambda pem, old: scratch.write(pem, "", 0o600)):
                code, text, got, line = self.send(
                    self.client(user), message(sender=f"x@{user}.example"))
                self.assertEqual((code, signatures(got)), (250, []), text)
                self.assertEqual(line["reason"], "sign-failed")
                self.assertEqual(self.sp.lines("sign-failed")[-1]["domain"],
                                 broken)
            self.settle()
            self.as_foretold(user, f"x@{user}.example")


if __name__ == "__main__":
    unittest.main()
