"""tls = dane: upstreams that DNSSEC vouches for, with BIND's signed zone behind
a validating Unbound."""
import contextlib
import hashlib
import os
import struct
import subprocess
import unittest

import scratch
from dnspeers import Bind, Unbound
from nameserver import FAIL, Nameserver, answer
from rawclient import RawClient
from sealpost import Sealpost, message, route
from upstream import CapturingUpstream


def openssl(*arguments):
    return subprocess.run(["openssl", *arguments], check=True,
                          capture_output=True, stdin=subprocess.DEVNULL).stdout


def key_der(path):
    return openssl("pkey", "-in", path, "-pubout", "-outform", "DER")


def issued(folder, name):
    """(chain, key, CA's certificate): a certificate for name by a CA."""
    os.mkdir(folder + "/ca")
    ca, ca_key = scratch.certificate(folder + "/ca", ("ca.test",))
    base = folder + "/leaf"
    openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
            "-nodes", "-subj", "/CN=leaf", "-keyout", base + ".key", "-out",
            base + ".csr")
    scratch.write(base + ".ext", f"subjectAltName=DNS:{name}\n")
    openssl("x509", "-req", "-in", base + ".csr", "-CA", ca, "-CAkey", ca_key,
            "-CAcreateserial", "-days", "30", "-extfile", base + ".ext",
            "-out", base + ".pem")
    chain = scratch.write(folder + "/chain.pem",
                          scratch.read(base + ".pem") + scratch.read(ca))
    return chain, base + ".key", ca


class Case:
    """records(case): what stands at _PORT._tcp of the host; good: does mail
    pass? says: what the log tells then."""

    def __init__(self, home, name, records, good=True, says=None,
                 zone="signed.test", names=("whatever.test",), ca_for=None,
                 starttls=True, host=None):
        self.folder = os.path.join(home, name)
        os.mkdir(self.folder)
        self.name, self.good, self.says, self.zone = name, good, says, zone
        self.host = host or f"{name}.{zone}"
        if ca_for:
            *self.files, self.ca = issued(self.folder, ca_for)
        else:
            self.files = scratch.certificate(self.folder, names)
        self.up = CapturingUpstream(tls=self.files if starttls else None)
        self.port = scratch.free_port()
        self.lines = [f"{name} A 127.0.0.1"] if host is None else []
        for text in records(self) if records else ():
            owner = f"_{self.up.port}._tcp.{name} TLSA "
            self.lines.append(owner + text if text[0].isdigit() else text)

    def text(self):
        return route(self.name, self.port, {
            "address": f"{self.host}:{self.up.port}", "tls": "dane"})

    def key_sha256(self):
        return hashlib.sha256(key_der(self.files[1])).hexdigest()


def send(port):
    with RawClient(port) as c:
        c.ready(tls=False)
        return c.try_mail(message())


ZERO = "00" * 32


class Dane(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.stack = contextlib.ExitStack()
        try:
            cls.begin()
        except BaseException:
            cls.stack.close()
            raise

    @classmethod
    def begin(cls):
        cls.home = scratch.folder()
        cls.stack.callback(scratch.remove, cls.home)

        def case(name, records, **more):
            found = Case(cls.home, name, records, **more)
            cls.stack.callback(found.up.stop)
            return found

        cls.cases = [
            case("key", lambda c: ["3 1 1 " + c.key_sha256()]),
            case("certificate", lambda c: [
                "3 0 2 " + hashlib.sha512(
                    scratch.der(c.files[0])).hexdigest()]),
            case("whole", lambda c: ["3 1 0 " + key_der(c.files[1]).hex()]),
            case("second", lambda c: ["3 1 1 " + ZERO,
                                      "3 1 1 " + c.key_sha256()]),
            case("beside-unusable", lambda c: ["1 1 1 " + ZERO, "3 1 9 00",
                                               "3 1 1 " + c.key_sha256()]),
            case("authority", lambda c: [
                "2 0 1 " + hashlib.sha256(scratch.der(c.ca)).hexdigest()],
                ca_for="authority.signed.test"),
            case("authority-other-name", lambda c: [
                "2 0 1 " + hashlib.sha256(scratch.der(c.ca)).hexdigest()],
                ca_for="other.signed.test", good=False,
                says="hostname mismatch"),
            case("wrong", lambda c: ["3 1 1 " + ZERO], good=False,
                 says="no matching DANE TLSA records"),
            case("unusable", lambda c: ["1 1 1 " + c.key_sha256()],
                 good=False, says="none of its TLSA records is of use"),
            case("none", None, good=False,
                 says="_tcp.none.signed.test has no TLSA record"),
            case("insecure", lambda c: ["3 1 1 " + c.key_sha256()],
                 zone="plain.test", good=False,
                 says="DNSSEC does not vouch for its address"),
            case("no-starttls", lambda c: ["3 1 1 " + ZERO], good=False,
                 starttls=False, says="STARTTLS"),
            case("aliased", lambda c: [
                "aliased-to A 127.0.0.1", "alias CNAME aliased-to",
                f"_{c.up.port}._tcp.aliased-to TLSA 3 1 1 {c.key_sha256()}"],
                host="alias.signed.test"),
            case("aliased-own", lambda c: [
                "own CNAME own-to", "own-to A 127.0.0.1",
                f"_{c.up.port}._tcp.own TLSA 3 1 1 {c.key_sha256()}"],
                host="own.signed.test"),
            case("record-aliased", lambda c: [
                f"_{c.up.port}._tcp.record-aliased CNAME _dane",
                f"_dane TLSA 3 1 1 {c.key_sha256()}"]),
        ]
        zones = {zone: [line for c in cls.cases if c.zone == zone
                        for line in c.lines]
                 for zone in ("signed.test", "plain.test")}
        bind = cls.stack.enter_context(Bind(zones, signed=("signed.test",)))
        unbound = cls.stack.enter_context(Unbound(
            {zone: bind.port for zone in zones}, anchors=bind.anchors()))
        cls.sp = cls.stack.enter_context(Sealpost(
            1, dns={"nameserver": f"127.0.0.1:{unbound.port}",
                    "timeout": "5s"},
            extra="".join(c.text() for c in cls.cases)))

    @classmethod
    def tearDownClass(cls):
        cls.stack.close()

    def test_who_is_believed(self):
        for case in self.cases:
            with self.subTest(case=case.name):
                code, text = send(case.port)
                if case.good:
                    self.assertEqual(code, 250, text)
                    line = [x for x in self.sp.lines("message")
                            if f":{case.up.port}" in x["upstream"]][-1]
                    self.assertRegex(line["upstream_tls"],
                                     r"\ATLSv1\.3/[A-Z0-9_]+/dane\Z")
                else:
                    self.assertEqual(code, 451, text)
                    self.assertEqual(case.up.messages, [])
                    self.assertIn(case.says, "".join(
                        line for line in self.sp.log().splitlines()
                        if case.host in line))


class Scripted(unittest.TestCase):
    """What Unbound would not say: a resolver on loopback is believed."""

    def test_no_answer_is_no_denial(self):
        with contextlib.ExitStack() as stack:
            up = CapturingUpstream()
            stack.callback(up.stop)

            def secure(kind, data):
                return lambda query, tcp: answer(
                    query, [(None, kind, 300, data)], flags=0x81a0)

            name = f"_{up.port}._tcp.up.test"
            ns = stack.enter_context(Nameserver({
                ("up.test", "A"): secure(1, b"\x7f\0\0\1"),
                (name, "TLSA"): FAIL}))
            sp = stack.enter_context(Sealpost(
                f"up.test:{up.port}", upstream_settings={"tls": "dane"},
                dns={"nameserver": ns.address},
                listen={"tls": "none", "require_tls": "no",
                        "auth": "optional", "trusted_networks": "127.0.0.1"}))
            for value, says in (
                    (FAIL, "could not be looked up"),
                    (lambda query, tcp: answer(query, [
                        (None, 52, 0, struct.pack("BBB", 3, 1, 1) +
                         b"x" * 32)]),
                     "has a TLSA record for which DNSSEC does not vouch"),
                    (lambda query, tcp: answer(query, [
                        (None, 52, 0, b"\3\1\1")], flags=0x81a0),
                     "could not be looked up")):
                ns.records[(name, "TLSA")] = value
                seen = len(sp.log())

                def told():
                    code, text = send(sp.port)
                    self.assertEqual(code, 451, text)
                    return says in sp.log()[seen:]
                # A failure is kept for a second.
                scratch.wait_for(says, told)
            self.assertEqual(up.sessions, [])

    def test_sessions_are_of_their_records(self):
        """A record that is gone or new is looked at in a full handshake."""
        with contextlib.ExitStack() as stack:
            home = scratch.folder()
            stack.callback(scratch.remove, home)
            files = scratch.certificate(home, ("whatever.test",))
            up = CapturingUpstream(tls=files, resumes=True)
            stack.callback(up.stop)

            def secure(*rows):
                return lambda query, tcp: answer(
                    query, [(None, *row) for row in rows], flags=0x81a0)

            good = (52, 0, b"\3\1\1" + hashlib.sha256(
                key_der(files[1])).digest())
            other = (52, 0, b"\3\1\1" + b"x" * 32)
            name = f"_{up.port}._tcp.up.test"
            ns = stack.enter_context(Nameserver({
                ("up.test", "A"): secure((1, 0, b"\x7f\0\0\1")),
                (name, "TLSA"): secure(good, other)}))
            sp = stack.enter_context(Sealpost(
                f"up.test:{up.port}", dns={"nameserver": ns.address},
                upstream_settings={"tls": "dane", "reuse_messages": "1"},
                listen={"tls": "none", "require_tls": "no",
                        "auth": "optional", "trusted_networks": "127.0.0.1"}))
            for rows, code, resumed in (
                    ((good, other), 250, [False]),
                    ((other, good), 250, [True]),
                    ((good,), 250, [False]),
                    ((good,), 250, [True]),
                    ((other,), 451, []),
                    ((good,), 250, [True])):
                ns.records[(name, "TLSA")] = secure(*rows)
                before = len([s for s in up.sessions if s.tls])
                self.assertEqual(send(sp.port)[0], code)
                self.assertEqual([s.resumed for s in up.sessions
                                  if s.tls][before:], resumed)
            line = sp.lines("message")[-1]
            self.assertEqual(line["upstream_tls"].split("/")[2], "dane")
