"""Upstreams that fail, row by row of the acceptance table.

What test_upstream.py, test_upstream_offers.py and test_tls_upstream.py try with
each kind of answer stands there; here are the rows that are about TLS on the
way, extensions, a login with channel binding, and the ledger under random
failures.
"""
import collections
import os
import random
import ssl
import threading
import time
import unittest
import zlib

import scratch
from rawclient import RawClient
from sealpost import Sealpost, message
from upstream import (CapturingUpstream, close, reply, reset, usual)

ANYBODY = {"tls": "none", "require_tls": "no", "auth": "optional",
           "trusted_networks": "127.0.0.0/8"}
LONG = bool(os.environ.get("SEALPOST_LONG"))
PLAIN = ["PIPELINING", "8BITMIME"]


def plain(up, settings=None, **more):
    return Sealpost(up.port, listen={**ANYBODY, **more.pop("listen", {})},
                    upstream_settings=settings, **more)


def msgid(data):
    """The last message's, of all that was received."""
    return data.rpartition(b"\r\nMessage-ID: <")[2].partition(
        b">")[0].decode()


def client(sp):
    c = RawClient(sp.port)
    c.expect("EHLO client.test", 250)
    return c


class Starttls(unittest.TestCase):
    """UP-17 to UP-19: nothing but TLS where TLS is asked for."""

    @classmethod
    def setUpClass(cls):
        cls.home = scratch.folder()
        cls.files = scratch.certificate(cls.home, ("localhost",))
        cls.secret = scratch.write(os.path.join(cls.home, "pw"), "secret\n",
                                   0o600)
        scratch.give_to(cls.home, "nobody")

    @classmethod
    def tearDownClass(cls):
        scratch.remove(cls.home)

    def try_it(self, up, code, **settings):
        with Sealpost(f"localhost:{up.port}", listen=ANYBODY,
                      upstream_settings={
                          "tls": "starttls", "ca_file": self.files[0],
                          "login": "password", "username": "relay",
                          "password_file": self.secret, **settings}) as sp, \
                client(sp) as c:
            got = c.try_mail(message())
            self.assertEqual(got[0], code, (got, sp.log()[-2000:]))
            return sp.log()

    def test_UP_17_starttls_is_used(self):
        with CapturingUpstream(tls=self.files,
                               users={"relay": "secret"}) as up:
            self.try_it(up, 250)
            self.assertTrue(up.messages[0].tls)
            self.assertEqual(up.messages[0].user, "relay")

    def test_UP_17_a_certificate_of_somebody_else(self):
        other = os.path.join(self.home, "other")
        os.makedirs(other, exist_ok=True)
        scratch.certificate(other, ("localhost",))
        with CapturingUpstream(tls=self.files,
                               users={"relay": "secret"}) as up:
            self.try_it(up, 451, ca_file=os.path.join(other, "cert.pem"))
            self.assertNotIn(b"AUTH", b"".join(
                bytes(s.received) for s in up.sessions))

    def test_no_channel_to_bind_to(self):
        """TLS 1.2: SCRAM without -PLUS, though -PLUS is offered."""
        def only_1_2(context):
            context.maximum_version = ssl.TLSVersion.TLSv1_2
        with CapturingUpstream(tls=self.files, tls_context=only_1_2,
                               users={"relay": "secret"}, mechanisms="PLAIN "
                               "SCRAM-SHA-256 SCRAM-SHA-256-PLUS") as up:
            self.try_it(up, 250)
            self.assertEqual(up.messages[0].session.mech, "SCRAM-SHA-256")

    def test_UP_18_octets_behind_the_220(self):
        def inject(session, line):
            session.write("220 2.0.0 go\r\n250-injected\r\n250 AUTH PLAIN")
            session.server.stopping.wait(2)
            return close()(session, line)
        with CapturingUpstream({"starttls": inject}, tls=self.files,
                               users={"relay": "secret"}) as up:
            log = self.try_it(up, 451)
            self.assertIn("octets behind a reply", log)
            self.assertNotIn(b"AUTH", b"".join(
                bytes(s.received) for s in up.sessions))

    def test_what_was_offered_in_clear_is_forgotten(self):
        """RFC 3207 4.2: nobody vouches for it, so it limits nothing, and
        chooses no way to log in."""
        def offered(session):
            return ["AUTH LOGIN", "8BITMIME"] if session.tls else [
                "STARTTLS", "PIPELINING", "SIZE 10", "SMTPUTF8", "DSN",
                "AUTH PLAIN", "LIMITS RCPTMAX=1"]
        with CapturingUpstream(tls=self.files, users={"relay": "secret"},
                               extensions=[]) as up:
            up.offered = offered
            self.try_it(up, 250)
            session = up.messages[0].session
            self.assertEqual(session.mech, "LOGIN")
            self.assertEqual(up.messages[0].parameters, "")
            self.assertEqual(up.ahead, [])
            self.assertEqual([x.split()[0] for x in session.commands[:3]],
                             [b"EHLO", b"STARTTLS", b"EHLO"])

    def test_UP_19_stripped_or_refused(self):
        for script, tls in (({}, None), # nobody offers it
                            ({"starttls": reply("454 4.7.0 later")},
                             self.files)):
            with CapturingUpstream(script, tls=tls,
                                   users={"relay": "secret"}) as up:
                self.try_it(up, 451)
                said = b"".join(bytes(s.received) for s in up.sessions)
                self.assertNotIn(b"AUTH", said)
                self.assertNotIn(b"MAIL", said)


class Extensions(unittest.TestCase):
    def test_UP_21_utf8_address_without_smtputf8(self):
        with CapturingUpstream(extensions=PLAIN) as up, plain(up) as sp, \
                client(sp) as c:
            got = c.try_mail(message(),
                             "MAIL FROM:<\u00e9@example.com> SMTPUTF8")
            self.assertEqual(got[0] // 100, 5, got)
            self.assertRegex(got[1], r"5\.(6\.7|5\.4)")
            self.assertEqual(up.messages, [])

    def test_UP_22_what_is_not_offered_is_not_used(self):
        with CapturingUpstream(extensions=[]) as up, plain(up) as sp, \
                client(sp) as c:
            c.send("MAIL FROM:<alice@example.com> SIZE=400\r\n"
                   "RCPT TO:<bob@example.net>\r\nDATA\r\n")
            self.assertEqual([c.reply()[0] for _ in range(3)],
                             [250, 250, 354])
            c.send(message() + b".\r\n")
            self.assertEqual(c.reply()[0], 250)
            lines = [line for line in up.sessions[0].commands
                     if line.startswith((b"MAIL", b"RCPT"))]
            self.assertEqual(lines, [b"MAIL FROM:<alice@example.com>\r\n",
                                     b"RCPT TO:<bob@example.net>\r\n"])
            self.assertEqual(up.ahead, [])
            # DSN is not offered, and not taken as if nobody would notice.
            self.assertNotIn("DSN", c.expect("EHLO client.test", 250))
            for mail in "RET=HDRS", "ENVID=QQ314159":
                c.expect(f"MAIL FROM:<alice@example.com> {mail}", 555)
            c.expect("MAIL FROM:<alice@example.com>", 250)
            for rcpt in "NOTIFY=NEVER", "ORCPT=rfc822;bob@example.net":
                c.expect(f"RCPT TO:<bob@example.net> {rcpt}", 555)
            # Its replies have no enhanced codes: they are as it wrote them.
            up.set("rcpt", reply("550 no such user"))
            self.assertEqual(c.command("RCPT TO:<bob@example.net>"),
                             (550, "no such user"))
            self.assertNotIn(b"NOTIFY", up.sessions[0].received)


class ChannelBinding(unittest.TestCase):
    def test_scram_plus_between_two_of_us(self):
        """The strongest that there is, towards a listener of our own."""
        home = scratch.folder()
        self.addCleanup(scratch.remove, home)
        secret = scratch.write(os.path.join(home, "pw"), "far secret\n", 0o600)
        scratch.give_to(home, "nobody")
        far_listen = {"auth_mechanisms":
                      "plain, scram-sha-256, scram-sha-256-plus"}
        with CapturingUpstream() as up, \
                Sealpost(up.port, listen=far_listen, users={}) as far:
            far.add_user("relay", "far secret", "*")
            far.reload()
            scratch.wait_for("relay is known", lambda: "users=1" in far.log())
            with Sealpost(f"localhost:{far.port}", listen=ANYBODY,
                          upstream_settings={
                              "tls": "starttls", "ca_file": far.certificate,
                              "login": "password", "username": "relay",
                              "password_file": secret}) as sp, \
                    client(sp) as c:
                self.assertEqual(c.try_mail(message())[0], 250,
                                 sp.log()[-2000:])
                self.assertEqual(far.lines("login")[-1]["result"], "ok")
                self.assertIn("scram-sha-256-plus", far.log().lower())


class Ledger(unittest.TestCase):
    MESSAGES, CLIENTS = 10000 if LONG else 240, 4

    def test_UP_24_random_failures(self):
        """Each 250 at a client is one acceptance upstream of the same octets;
        each acceptance without one is outcome=unknown in the log."""
        seed = int(os.environ.get("SEALPOST_SEED", time.time()))
        dice, lock = random.Random(seed), threading.Lock()

        def sometimes(session, line):
            with lock:
                act = dice.choices(
                    [usual(), close(), reset(), reply("451 4.3.0 later"),
                     reply("550 5.7.1 no"), reply("421 4.3.2 bye")],
                    [40, 1, 1, 1, 1, 1])[0]
            return act(session, line)

        def accept_and_go(session, line):
            """Takes the message, and may be gone before it has said so."""
            with lock:
                lost = dice.random() < 0.05
            if not lost:
                return sometimes(session, line)
            with session.server.lock:
                session.server.taken.append(msgid(session.received))
            return close()(session, line)

        script = {stage: sometimes for stage in (
            "connect", "ehlo", "mail", "rcpt", "data", "rset")}
        with CapturingUpstream({**script, "dot": accept_and_go}) as up, \
                plain(up, {"fail_timeout": "1s"}) as sp:
            up.taken = []
            said = collections.Counter()
            threads = [threading.Thread(target=self.send, args=(sp, n, said))
                       for n in range(self.CLIENTS)]
            for t in threads:
                t.start()
            for t in threads:
                t.join(1200 if LONG else 120)
            kept = collections.Counter(msgid(m.data) for m in up.messages)
            self.assertEqual(set(kept.values()) - {1}, set(), seed)
            self.assertEqual(set(said), set(kept), seed) # exactly those
            self.assertGreater(len(kept), self.MESSAGES // 2, seed)
            for m in up.messages: # and as they were sent
                self.assertTrue(m.data.endswith(self.content(msgid(m.data))),
                                (seed, m.data))
            unknown = {line["msgid"].strip("<>")
                       for line in sp.lines("message")
                       if line["outcome"] == "unknown"}
            self.assertLessEqual(set(up.taken), unknown, seed)
            self.assertGreater(len(up.taken), 0, seed)
            self.assertEqual(set(up.taken) & set(said), set(), seed)
            for line in sp.lines("message"):
                self.assertIn(line["outcome"],
                              ("delivered", "refused", "unknown", "aborted"))

    @staticmethod
    def content(name):
        """Of the message with that Message-ID."""
        return message(subject=name, body="x" * (zlib.crc32(name.encode())
                                                 % 600) + "\r\n").replace(
            b"<1@example.com>", f"<{name}>".encode())

    def send(self, sp, n, said):
        with client(sp) as c:
            for i in range(self.MESSAGES // self.CLIENTS):
                name = f"{n}-{i}@example.com"
                got = c.try_mail(self.content(name))
                if got[0] == 250:
                    said[name] += 1
                else:
                    c.expect("RSET", 250)


if __name__ == "__main__":
    unittest.main()
