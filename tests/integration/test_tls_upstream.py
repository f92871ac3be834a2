"""TLS towards upstreams: who is believed, what is shown, what the log says."""
import hashlib
import os
import ssl
import subprocess
import unittest

import scratch
from rawclient import RawClient
from sealpost import Sealpost, message, route
from upstream import CapturingUpstream, asks_for, only

END = b".\r\n"


def pin(data, colon=""):
    digest = hashlib.sha256(data).hexdigest()
    return "sha256:" + colon.join(digest[i:i + 2] for i in range(0, 64, 2))


def certificate_pin(path, colon=""):
    return pin(scratch.der(path), colon)


def key_pin(path):
    return pin(subprocess.run(
        ["openssl", "pkey", "-in", path, "-pubout", "-outform", "DER"],
        check=True, capture_output=True).stdout)


class Case:
    """An upstream with a certificate of its own, and the way to it."""

    def __init__(self, home, name, outcome, settings=None, names=("localhost",),
                 context=None, expired=False, **more):
        self.folder = os.path.join(home, name)
        os.mkdir(self.folder)
        self.name, self.outcome = name, outcome
        self.files = scratch.certificate(self.folder, names)
        if expired:
            scratch.expire(*self.files)
        self.up = CapturingUpstream(tls=self.files, tls_context=context, **more)
        self.port = scratch.free_port()
        self.settings = {"address": f"localhost:{self.up.port}",
                         "tls": "starttls", **(settings or {})}
        for key, value in self.settings.items():
            self.settings[key] = value(self) if callable(value) else value

    def text(self):
        return route(self.name, self.port, self.settings)


only_1_2 = only(ssl.TLSVersion.TLSv1_2)


class Upstreams(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.home = scratch.folder()
        cls.own = scratch.certificate(cls.home, ("relay.test",))
        ask = asks_for(cls.own[0])

        own_ca = {"ca_file": lambda c: c.files[0]}
        pinned = {"tls_fingerprint": lambda c: certificate_pin(c.files[0],
                                                               ":")}
        cls.cases = [Case(cls.home, *given, **more) for given, more in (
            (("verified", "verified", own_ca), {}),
            (("unverified", "unverified", {"tls_verify": "no"}), {}),
            (("unknown-ca", None), {}),
            (("other-name", None, own_ca), {"names": ("other.test",)}),
            (("expired", None, own_ca), {"expired": True}),
            (("pinned", "pinned", pinned), {"names": ("other.test",)}),
            (("pinned-key", "pinned",
              {"tls_fingerprint": lambda c: key_pin(c.files[1])}), {}),
            (("pinned-second", "pinned",
              {"tls_fingerprint": lambda c: pin(b"the next one") + ", " +
               certificate_pin(c.files[0])}), {}),
            (("pinned-other", None,
              {"tls_fingerprint": pin(b"another one")}), {}),
            (("pinned-other-unverified", None,
              {"tls_fingerprint": pin(b"another one"),
               "tls_verify": "no"}), {}),
            (("pinned-implicit", "pinned", {**pinned, "tls": "implicit"}),
             {"implicit_tls": True}),
            (("old", "verified", own_ca), {"context": only_1_2}),
            (("too-old", None, {**own_ca, "tls_min_version": "1.3"}),
             {"context": only_1_2}),
            (("modern", "verified", {**own_ca, "tls_min_version": "1.3"}), {}),
            (("asks", "verified", {
                **own_ca, "certificate": cls.own[0],
                "private_key": cls.own[1]}), {"context": ask}),
            (("asks-in-vain", None, own_ca),
             {"context": lambda c: (only_1_2(c), ask(c))}),
            (("opportunistic", "verified",
              {**own_ca, "tls": "opportunistic"}), {}))]
        scratch.give_to(cls.home, "nobody")
        cls.plain = CapturingUpstream()
        cls.sp = Sealpost(cls.plain.port,
                          extra="".join(c.text() for c in cls.cases))

    @classmethod
    def tearDownClass(cls):
        try:
            cls.sp.stop()
        finally:
            for c in cls.cases:
                c.up.stop()
            cls.plain.stop()
            scratch.remove(cls.home)

    @staticmethod
    def send(port):
        with RawClient(port) as c:
            c.ready(tls=False)
            return c.try_mail(message())

    def logged(self, upstream):
        return [line for line in self.sp.lines("message")
                if f":{upstream.port}" in line["upstream"]]

    def test_who_is_believed(self):
        for case in self.cases:
            with self.subTest(case=case.name):
                code, text = self.send(case.port)
                if case.outcome is None:
                    self.assertEqual(code, 451, text)
                    self.assertEqual(case.up.messages, [])
                    self.assertFalse(any(s.sender or s.ehlo and s.tls
                                         for s in case.up.sessions))
                    continue
                self.assertEqual(code, 250, text)
                line = scratch.wait_for("the line",
                                        lambda: self.logged(case.up))[-1]
                version, suite, how = line["upstream_tls"].split("/")
                self.assertEqual(how, case.outcome)
                self.assertEqual(version, "TLSv1.2" if case.name == "old"
                                 else "TLSv1.3")
                self.assertIn("AES" if "AES" in suite else "CHACHA20", suite)

    def test_what_is_shown(self):
        case, = [c for c in self.cases if c.name == "asks"]
        self.assertEqual(self.send(case.port)[0], 250)
        self.assertEqual(
            [s.shown for s in case.up.sessions if s.tls][-1],
            scratch.der(self.own[0]))

    def test_the_log_has_the_fingerprint_to_add(self):
        case, = [c for c in self.cases if c.name == "pinned-other"]
        self.assertEqual(self.send(case.port)[0], 451)
        shown = certificate_pin(case.files[0], ":").upper().replace("SHA", "sha")
        self.assertIn(f"[upstream pinned-other] shows {shown}", self.sp.log())
        self.assertIn("its certificate is not that of tls_fingerprint",
                      self.sp.log())

    def test_in_clear(self):
        with RawClient(self.sp.port) as c:
            c.ready("alice", "correct horse")
            c.envelope("alice@example.com", "bob@example.net")
            c.send(message() + END)
            self.assertEqual(c.reply()[0], 250)
        line, = scratch.wait_for("the line", lambda: self.logged(self.plain))
        self.assertEqual(line["upstream_tls"], "-")
        self.assertRegex(line["tls"], r"\ATLSv1\.3/[A-Z0-9_]+/none\Z")
