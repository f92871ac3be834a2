"""mode = inbound with real servers: Postfix behind, Exim in front, BIND and
Unbound for DNS; all on loopback, unpacked and never installed."""
import contextlib
import os
import shutil
import smtplib
import socket
import unittest

import peers
import scratch
from dnspeers import Bind, Unbound, txt
from inbound import Key, sign, unfold
from rawclient import RawClient
from sealpost import Sealpost, message
from upstream import CapturingUpstream

ROUTES = ["x%evil.test@example.com", "evil.test!x@example.com",
          '"x@evil.test"@example.com', '"x%evil.test"@example.com',
          "x%evil.test%example.com@example.com"]


class PostfixBehind(unittest.TestCase):
    """An MTA that trusts our address is no open relay by way of us."""

    def test_no_open_relay(self):
        with CapturingUpstream() as world, peers.Postfix(
                extra="mydestination = example.com\n"
                "local_transport = discard:\n"
                f"relayhost = [127.0.0.1]:{world.port}\n") as mta, \
                Sealpost(mta.port, listen={"mode": "inbound"}, users={},
                         keys=()) as sp:
            with RawClient(mta.port) as direct: # the danger is real
                direct.expect("EHLO h.test", 250)
                direct.envelope("joe@a.test", ROUTES[0])
                direct.send(message() + b".\r\n")
                self.assertEqual(direct.reply()[0], 250)
            self.assertEqual(world.wait(1)[0].recipients, ["x@evil.test"])
            relayed = len(world.messages)
            scratch.wait_for("the end of it in Postfix's log",
                             lambda: "removed" in mta.log())
            seen = mta.log().count("evil")
            with RawClient(sp.port) as client:
                client.expect("EHLO h.test", 250)
                client.expect("MAIL FROM:<joe@a.test>", 250)
                for address in ROUTES + ["x@evil.test", "x@[127.0.0.1]",
                                         "@example.com:x@evil.test"]:
                    code, text = client.command(f"RCPT TO:<{address}>")
                    self.assertEqual((code, text[:5]), (550, "5.7.1"),
                                     address)
                client.expect("DATA", 554)
                client.expect("RSET", 250)
                client.envelope("joe@a.test", "bob@example.com")
                client.send(message() + b".\r\n")
                self.assertEqual(client.reply()[0], 250)
            scratch.wait_for("delivery to bob", lambda: "to=<bob@example.com>"
                             in mta.log())
            self.assertEqual(len(world.messages), relayed)
            self.assertEqual(mta.log().count("evil"), seen)


class EximSigner(peers.Exim):
    """Exim that signs by itself and sends without TLS or AUTH."""

    def __init__(self, port, key, domain, selector, canon):
        self.signing = (domain, selector, canon)
        self.key = key
        pem = os.path.join(scratch.folder(), "key.pem")
        scratch.write(pem, key.pem)
        super().__init__(port, "", "", pem)
        shutil.rmtree(os.path.dirname(pem))

    def _conf(self, port, user, password):
        domain, selector, canon = self.signing
        return super()._conf(port, user, password).replace(
            "  hosts_require_tls = *\n  hosts_require_auth = *\n",
            f"  hosts_avoid_tls = *\n  dkim_domain = {domain}\n"
            f"  dkim_selector = {selector}\n  dkim_canon = {canon}\n"
            f"  dkim_private_key = {self.home}/ca.pem\n  dkim_strict = yes\n")


class RealDns(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.stack = contextlib.ExitStack()
        cls.addClassCleanup(cls.stack.close)
        cls.key, cls.long = Key(), Key(4096)
        mute = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        mute.bind(("127.0.0.1", 0))
        cls.stack.callback(mute.close)
        lines = [f"k._domainkey TXT {txt(cls.key.record)}",
                 f"long._domainkey TXT {txt(cls.long.record + '; n=' + 'x' * 2000)}",
                 "alias._domainkey CNAME k._domainkey",
                 '@ TXT "v=spf1 ip4:127.0.0.1 -all"',
                 '_dmarc TXT "v=DMARC1; p=reject"']
        bind = cls.stack.enter_context(Bind(
            {"a.test": lines, "signed.test": lines, "bogus.test": lines},
            signed=("signed.test", "bogus.test")))
        # What was signed is no longer what is served.
        path = bind.inside("bogus.test")
        zone = scratch.read(path).decode()
        scratch.write(path, zone.replace("v=DKIM1", "v=DKIM1 "))
        bind.process.send_signal(1) # reads its zones again
        zones = {z: bind.port for z in ("a.test", "signed.test", "bogus.test",
                                        "lame.test")}
        zones["mute.test"] = mute.getsockname()[1]
        cls.checking = cls.stack.enter_context(
            Unbound(zones, anchors=bind.anchors()))
        cls.plain = cls.stack.enter_context(Unbound(zones))
        cls.tcp = cls.stack.enter_context(
            Unbound(zones, extra="  max-udp-size: 512\n"
                                 "  tcp-upstream: yes\n"))
        cls.up = cls.stack.enter_context(CapturingUpstream())

    def site(self, resolver):
        return Sealpost(self.up.port, listen={"mode": "inbound"}, users={},
                        keys=(), dns={
                            "nameserver": f"127.0.0.1:{resolver.port}",
                            "timeout": "2s"})

    def verdict(self, sp, data, sender):
        before = len(self.up.messages)
        with smtplib.SMTP("127.0.0.1", sp.port) as client:
            client.sendmail(sender, ["bob@example.com"], data)
        return unfold(self.up.wait(before + 1)[-1].data.decode())

    def judge(self, resolver, cases):
        """cases: (domain, selector, key, words that must be there)."""
        with self.site(resolver) as sp:
            for domain, selector, key, words in cases:
                data = sign(message("joe@" + domain), domain, key,
                            selector=selector)
                field = self.verdict(sp, data, "joe@" + domain)
                for word in words:
                    self.assertIn(word, field, (domain, selector))

    GOOD = ("dkim=pass", "spf=pass", "dmarc=pass")

    def test_without_dnssec(self):
        self.judge(self.plain, [
            ("a.test", "k", self.key, self.GOOD),
            ("a.test", "alias", self.key, self.GOOD),
            ("a.test", "long", self.long, self.GOOD), # by TCP
            ("a.test", "gone", self.key, ("dkim=permerror",)),
            ("bogus.test", "k", self.key, ("dkim=pass",)),
            ("lame.test", "k", self.key, ("dkim=temperror", "spf=temperror",
                                          "dmarc=temperror")),
            ("mute.test", "k", self.key, ("dkim=temperror",
                                          "dmarc=temperror")),
        ])

    def test_with_dnssec(self):
        self.judge(self.checking, [
            ("signed.test", "k", self.key, self.GOOD),
            ("signed.test", "long", self.long, self.GOOD),
            ("signed.test", "gone", self.key, ("dkim=permerror",)),
            ("bogus.test", "k", self.key, ("dkim=temperror",)),
        ])

    def test_by_tcp(self):
        self.judge(self.tcp, [("a.test", "k", self.key, self.GOOD)])

    def test_signed_by_exim(self):
        with self.site(self.plain) as sp:
            for canon in ("relaxed", "simple"):
                before = len(self.up.messages)
                with EximSigner(sp.port, self.key, "a.test", "k",
                                canon) as exim:
                    with smtplib.SMTP("127.0.0.1", exim.port) as local:
                        local.sendmail(
                            "joe@a.test", ["bob@example.com"], message(
                                "joe@a.test", body="one \t x\r\n.dot\r\n\r\n"
                                "\r\n"))
                    try:
                        mail = scratch.wait_for(
                            "delivery",
                            lambda: self.up.messages[before:], 30)
                    except AssertionError:
                        self.fail("Exim sent nothing:\n" + exim.log())
                field = unfold(mail[0].data.decode())
                self.assertIn("dkim=pass", field)
                self.assertIn("dmarc=pass", field)


if __name__ == "__main__":
    unittest.main()
