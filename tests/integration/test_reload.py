"""Reload: what is new is there at once, and what is broken is named."""
import json
import os
import smtplib
import time
import unittest

import processes
import scratch
from rawclient import RawClient
from reloading import peer_certificate
from sealpost import Sealpost, message, run
from upstream import CapturingUpstream


class Mistakes(unittest.TestCase):
    """Whatever is broken at a reload: it is named with its file, and what
    ran before goes on."""

    @classmethod
    def setUpClass(cls):
        cls.up = cls.enterClassContext(CapturingUpstream())
        cls.sp = cls.enterClassContext(Sealpost(cls.up.port))

    def broken(self, path, text, names, mode=None):
        """path is made so and a reload asked for: the log names it."""
        good, st = scratch.read(path), os.stat(path)
        context = self.sp.context()
        with self.client(context) as c: # so that the key is in use
            c.sendmail("alice@example.com", ["bob@example.net"], message())
        before = len(self.sp.log())
        workers = processes.of(self.sp, processes.WORKER)
        try:
            with open(path, "wb") as f: # owner and mode stay
                f.write(text(good))
            if mode is not None:
                os.chmod(path, mode)
            self.sp.reload()
            scratch.wait_for(f"{names} in an error", lambda: [
                line for line in self.sp.log()[before:].splitlines()
                if "level=error" in line and names in line])
            with self.client(context) as c: # TLS, users, keys: all as before
                c.sendmail("alice@example.com", ["bob@example.net"],
                           message())
            self.assertIn("dkim=pass", self.sp.verify(
                self.up.messages[-1].data))
            self.assertEqual(workers, processes.of(self.sp,
                                                   processes.WORKER))
        finally:
            with open(path, "wb") as f:
                f.write(good)
            os.chmod(path, st.st_mode & 0o777)
            loaded = len(self.sp.lines("loaded"))
            self.sp.reload()
            self.sp.wait_line("loaded", loaded + 1)

    def client(self, context):
        client = smtplib.SMTP("localhost", self.sp.port, timeout=30)
        client.starttls(context=context)
        client.login(self.sp.user, self.sp.password)
        return client

    def test_configuration(self):
        count = len(scratch.read(self.sp.config).splitlines())
        self.broken(self.sp.config, lambda good: good + b"bogus = 1\n",
                    f"{self.sp.config}:{count + 1}: ")

    def test_users(self):
        path = os.path.join(self.sp.state, "users.conf")
        count = len(scratch.read(path).splitlines())
        self.broken(path, lambda good: good + b"[bob]\nfrmo = x\n",
                    f"{path}:{count + 2}: ")

    def test_users_twice(self):
        path = os.path.join(self.sp.state, "users.conf")
        self.broken(path, lambda good: good + b"\n[alice]\nfrom = *\n",
                    f"{path}:")

    def test_key(self):
        for parent, _, files in os.walk(os.path.join(self.sp.state, "keys")):
            for name in files:
                path = os.path.join(parent, name)
                if b"PRIVATE KEY" in scratch.read(path):
                    break
        self.broken(path, lambda good: good.replace(b"KEY-", b"KEX-"), path)

    def test_certificate(self):
        self.broken(self.sp.certificate, lambda good: b"not one\n",
                    self.sp.certificate)

    def test_key_of_another_certificate(self):
        folder = scratch.folder()
        _, other = scratch.certificate(folder)
        key = os.path.join(self.sp.home, "key.pem")
        self.broken(key, lambda good: scratch.read(other), key)
        scratch.remove(folder)

    def test_expired_certificate(self):
        """The old one stays, until it expires itself."""
        late = scratch.expire(self.sp.certificate,
                              os.path.join(self.sp.home, "key.pem"),
                              os.path.join(self.sp.home, "late.pem"))
        self.broken(self.sp.certificate, lambda good: scratch.read(late),
                    self.sp.certificate)

    def test_unreadable_key_of_certificate(self):
        key = os.path.join(self.sp.home, "key.pem")
        self.broken(key, lambda good: good, key, 0o000)


class News(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.up = cls.enterClassContext(CapturingUpstream())
        cls.sp = cls.enterClassContext(Sealpost(cls.up.port))

    def test_certificate(self):
        """TA-15: new sessions see the new one, old ones go on."""
        sp, folder = self.sp, scratch.folder()
        old = sp.smtp()
        seen = peer_certificate(sp.tls_port)
        new = scratch.certificate(folder)
        for source, name in zip(new, ("cert.pem", "key.pem")):
            with open(os.path.join(sp.home, name), "wb") as f:
                f.write(scratch.read(source))
        sp.reload()
        scratch.wait_for("the new certificate",
                         lambda: peer_certificate(sp.tls_port) != seen)
        with old:
            old.sendmail("alice@example.com", ["b@example.net"], message())
        with sp.smtp() as c: # it is trusted by its file, which is new
            c.sendmail("alice@example.com", ["b@example.net"], message())
        scratch.remove(folder)

    def tool(self, *arguments, input=b""):
        """As an administrator types it; nobody repairs owners behind it."""
        return run(arguments[0], "-c", self.sp.config, *arguments[1:],
                   input=input)

    def test_user_added_and_locked(self):
        sp = self.sp
        self.tool("user", "add", "carol", "--from", "example.com",
                  "--password-stdin", input="pass word\n")

        def login():
            try:
                return sp.smtp("carol", "pass word")
            except OSError: # smtplib's errors are some of these
                return None
        with scratch.wait_for("a login", login) as c:
            c.sendmail("carol@example.com", ["b@example.net"],
                       message(sender="carol@example.com"))
            self.tool("user", "lock", "carol")
            code = scratch.wait_for("to be locked out", lambda: {
                250: 0}.get(*[c.noop()[0]] * 2))
            self.assertEqual(code, 421)
        self.assertIsNone(login())
        with sp.smtp() as c: # alice stays
            c.noop()

    def test_key_rotated(self):
        """LC-11: the next message has the new selector; one that is under way
        is signed all the same, with either."""
        sp = self.sp
        with sp.smtp() as c, RawClient(sp.port) as busy:
            busy.ready(sp.user, sp.password)
            busy.envelope("alice@example.com", "bob@example.net")
            busy.send(message(subject="under way")[:40])
            self.tool("key", "generate", "example.com", "sp2", "--activate")
            value = self.tool("key", "show", "example.com", "sp2",
                              "--format", "value").stdout.decode().strip()
            sp.records["sp2._domainkey.example.com"] = value

            def signed():
                c.sendmail("alice@example.com", ["b@example.net"], message())
                return b"s=sp2" in self.up.messages[-1].data
            scratch.wait_for("the new selector", signed)
            self.assertIn("dkim=pass", sp.verify(self.up.messages[-1].data))
            busy.send(message(subject="under way")[40:] + b".\r\n")
            self.assertEqual(busy.reply()[0], 250)
            got = self.up.messages[-1].data
            self.assertTrue(got.endswith(message(subject="under way")))
            self.assertRegex(sp.verify(got), r"dkim=pass[^;]* header\.s=sp[12]")

    def test_user_deleted_in_a_transaction(self):
        """From where no key would be asked for: nobody's rights are not
        everybody's."""
        sp = self.sp
        self.tool("user", "add", "dave", "--from", "unkeyed.example",
                  "--password-stdin", input="pass word\n")

        def login():
            c = RawClient(sp.port)
            try:
                return c.ready("dave", "pass word")
            except AssertionError:
                c.close()
                return None
        mail = message(sender="dave@unkeyed.example") + b".\r\n"
        with scratch.wait_for("a login", login) as c:
            for code in (250, 451):
                c.envelope("dave@unkeyed.example", "b@example.net")
                if code == 451:
                    users = self.known_users()
                    self.tool("user", "delete", "dave")
                    scratch.wait_for("one user less", lambda:
                                     self.known_users() == users - 1)
                c.send(mail)
                self.assertEqual(c.reply()[0], code)
            self.assertEqual(c.command("NOOP")[0], 421)

    def known_users(self):
        status = json.loads(self.tool("status", "--json").stdout)
        return status["users"]

    def test_no_reload(self):
        loaded = len(self.sp.lines("loaded"))
        self.tool("user", "set", "alice", "--from", "example.com",
                  "--no-reload")
        time.sleep(0.3)
        self.assertEqual(len(self.sp.lines("loaded")), loaded)


if __name__ == "__main__":
    unittest.main()
