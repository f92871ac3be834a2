"""EHLO is a function of the upstreams: what is offered, to whom, and that it
is kept (RFC 3461, 6531, 8689, 9422)."""
import unittest

import scratch
from rawclient import RawClient
from sealpost import Sealpost, message, section
from upstream import CapturingUpstream

FULL = ("PIPELINING", "SIZE 1000000", "8BITMIME", "ENHANCEDSTATUSCODES",
        "SMTPUTF8", "DSN", "REQUIRETLS",
        "LIMITS MAILMAX=2 RCPTMAX=3 RCPTDOMAINMAX=2")
POOR = ("SIZE 500000",)


class Offers(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.home = scratch.folder()
        files = scratch.certificate(cls.home, ("localhost",))
        cls.full = CapturingUpstream(tls=files, extensions=FULL)
        cls.poor = CapturingUpstream(extensions=POOR)
        cls.plain, cls.weak, cls.loose = (scratch.free_port()
                                          for _ in range(3))
        clear = {"tls": "none", "require_tls": "no", "auth": "optional",
                 "trusted_networks": "127.0.0.1"}
        cls.sp = Sealpost(
            f"localhost:{cls.full.port}",
            listen={"require_tls": "no", "auth": "optional",
                    "trusted_networks": "127.0.0.1"},
            upstream_settings={"tls": "starttls", "ca_file": files[0]},
            users={"alice": ("pw", "example.com"),
                   "bob": ("pw", "example.com")},
            extra=section("listen plain", {
                      **clear, "address": f"127.0.0.1:{cls.plain}",
                      "upstream": "smarthost"}) +
                  section("listen weak", {
                      **clear, "address": f"127.0.0.1:{cls.weak}",
                      "upstream": "poor", "mode": "inbound"}) +
                  section("listen loose", {
                      "address": f"127.0.0.1:{cls.loose}", "mode": "inbound",
                      "tls": "starttls", "certificate": files[0],
                      "private_key": files[1], "trusted_networks": "127.0.0.1",
                      "upstream": "loose"}) +
                  section("upstream loose", {
                      "address": f"localhost:{cls.full.port}",
                      "tls": "starttls", "tls_verify": "no"}) +
                  section("upstream poor", {
                      "address": f"127.0.0.1:{cls.poor.port}",
                      "tls": "none"}), start=False)
        with open(cls.sp.state + "/users.conf", "a") as f:
            f.write("upstream = poor\n") # bob's
        scratch.give_to(cls.home, "nobody")
        cls.sp.start()

    @classmethod
    def tearDownClass(cls):
        cls.sp.stop()
        cls.full.stop()
        cls.poor.stop()
        scratch.remove(cls.home)

    def client(self, port=None, tls=False, user=None):
        c = RawClient(port or self.sp.port)
        self.addCleanup(c.close)
        c.expect("EHLO client.test", 250)
        if tls:
            c.starttls()
            c.expect("EHLO client.test", 250)
        if user:
            c.login(user, "pw")
        return c

    def offers(self, c):
        words = c.expect("EHLO client.test", 250).splitlines()[1:]
        return {w.split()[0]: w.partition(" ")[2] for w in words}

    def send(self, c, mail="", rcpt="", content=None):
        c.expect(f"MAIL FROM:<alice@example.com>{mail}", 250)
        c.expect(f"RCPT TO:<b@example.net>{rcpt}", 250)
        c.expect("DATA", 354)
        c.send((content or message()) + b".\r\n")
        return c.reply()

    def known(self):
        """The upstreams have been reached."""
        for port, up in ((None, self.full), (self.weak, self.poor)):
            if not up.messages:
                self.assertEqual(self.send(self.client(port))[0], 250)

    def test_0_before_an_upstream_is_known(self):
        self.assertEqual(self.offers(self.client(self.plain)), {
            "PIPELINING": "", "SIZE": str(50 << 20), "8BITMIME": "",
            "ENHANCEDSTATUSCODES": "", "LIMITS": "RCPTMAX=1000",
            "AUTH": "PLAIN LOGIN"})

    def test_what_all_have_that_can_be_reached(self):
        self.known()
        poor = {"PIPELINING": "", "SIZE": str(500000 - 16384),
                "ENHANCEDSTATUSCODES": ""}
        self.assertEqual(self.offers(self.client(self.weak)),
                         {**poor, "LIMITS": "RCPTMAX=1000",
                          "AUTH": "PLAIN LOGIN"})
        # bob may log in here, and his mail goes to the poor one
        self.assertEqual(self.offers(self.client(self.plain)), {
            **poor, "LIMITS": "RCPTMAX=3 RCPTDOMAINMAX=2",
            "AUTH": "PLAIN LOGIN"})

    def test_after_auth_that_of_the_user(self):
        self.known()
        self.assertEqual(self.offers(self.client(tls=True, user="alice")), {
            "PIPELINING": "", "SIZE": str(1000000 - 16384), "8BITMIME": "",
            "ENHANCEDSTATUSCODES": "", "SMTPUTF8": "", "DSN": "",
            "REQUIRETLS": "", "LIMITS": "RCPTMAX=3 RCPTDOMAINMAX=2"})
        self.assertEqual(self.offers(self.client(tls=True, user="bob")), {
            "PIPELINING": "", "SIZE": str(500000 - 16384),
            "ENHANCEDSTATUSCODES": "", "LIMITS": "RCPTMAX=1000"})
        self.assertNotIn("REQUIRETLS", self.offers(
            self.client(self.plain, user="alice")), "in clear")

    def test_dsn_goes_up_octet_by_octet(self):
        self.known()
        mail = " RET=HDRS ENVID=QQ+2B314159"
        rcpt = " NOTIFY=SUCCESS,DELAY ORCPT=rfc822;Bob+2BX@Ex.EXAMPLE"
        c = self.client(tls=True, user="alice")
        self.assertEqual(self.send(c, mail, rcpt)[0], 250)
        commands = self.full.sessions[-1].commands
        self.assertIn(f"RCPT TO:<b@example.net>{rcpt}\r\n".encode(), commands)
        sent, = [x for x in commands if x.endswith(f"{mail}\r\n".encode())]
        self.assertTrue(sent.startswith(b"MAIL FROM:<alice@example.com>"))
        for bad in ("RCPT TO:<b@example.net> NOTIFY=NEVER,DELAY",
                    "RCPT TO:<b@example.net> ORCPT=bob"):
            c.expect("MAIL FROM:<alice@example.com>", 250)
            c.expect(bad, 501)
            c.expect("RSET", 250)

    def test_requiretls(self):
        self.known()
        c = self.client(tls=True, user="alice")
        content = message().replace(b"Subject:", b"TLS-Required: No\r\n"
                                                 b"Subject:")
        self.assertEqual(self.send(c, " REQUIRETLS", content=content)[0], 250)
        got = self.full.messages[-1]
        self.assertIn("REQUIRETLS", got.parameters)
        self.assertIn(b"TLS-Required: No\r\n", got.data)
        self.assertEqual(self.send(c)[0], 250)
        self.assertNotIn("REQUIRETLS", self.full.messages[-1].parameters)
        for c, code, text in (
                (self.client(self.plain, user="alice"), 530, "5.7.10 "),
                (self.client(tls=True, user="bob"), 550, "5.7.30 ")):
            c.expect("EHLO client.test", 250)
            got = c.expect("MAIL FROM:<alice@example.com> REQUIRETLS", code)
            self.assertTrue(got.startswith(text), got)

    def test_requiretls_needs_a_known_upstream(self):
        c = self.client(self.loose, tls=True)
        self.assertEqual(self.send(c)[0], 250)
        self.assertIn("DSN", self.offers(c))
        self.assertNotIn("REQUIRETLS", self.offers(c))
        c.expect("MAIL FROM:<alice@example.com> REQUIRETLS", 550)

    def test_limits_of_the_upstream(self):
        self.known()
        c = self.client(tls=True, user="alice")
        c.expect("MAIL FROM:<alice@example.com>", 250)
        for address, code in (("a@one.example", 250), ("b@ONE.example", 250),
                              ("c@two.example", 250), ("d@one.example", 452)):
            c.expect(f"RCPT TO:<{address}>", code)
        c.expect("RSET", 250)
        c.expect("MAIL FROM:<alice@example.com>", 250)
        c.send("".join(f"RCPT TO:<a@{d}.example>\r\n"
                       for d in ("one", "two", "three", "one")))
        self.assertEqual([c.reply()[0] for _ in range(4)],
                         [250, 250, 452, 250])
        c.expect("RSET", 250)
        for _ in range(5):
            self.assertEqual(self.send(c)[0], 250)
        for session in self.full.sessions:
            self.assertLessEqual(sum(x.startswith(b"MAIL ")
                                     for x in session.commands), 2)

    def test_smtputf8(self):
        self.known()
        c = self.client(tls=True, user="alice")
        c.expect("EHLO client.test", 250)
        c.expect("MAIL FROM:<\u00e4lice@example.com> SMTPUTF8", 250)
        c.expect("RCPT TO:<b\u00f6b@ex\u00e4mple.net>", 250)
        c.expect("DATA", 354)
        c.send(message() + b".\r\n")
        self.assertEqual(c.reply()[0], 250)
        got = self.full.messages[-1]
        self.assertEqual(got.recipients, ["b\u00f6b@ex\u00e4mple.net"])
        self.assertIn("SMTPUTF8", got.parameters)
        c = self.client(tls=True, user="bob")
        c.expect("EHLO client.test", 250)
        self.assertEqual(c.command("MAIL FROM:<alice@example.com> SMTPUTF8")
                         [0], 555)
        c.expect("MAIL FROM:<\u00e4lice@example.com>", 553)

    def test_z_what_the_upstream_has_no_more(self):
        self.known()
        c = self.client(tls=True, user="alice")
        c.expect("EHLO client.test", 250)
        c.expect("MAIL FROM:<alice@example.com> RET=FULL", 250)
        self.full.extensions = ["PIPELINING", "SIZE 2000", "8BITMIME"]
        self.full.close_sessions() # lost, and the second link is poorer
        self.assertEqual(c.command("RCPT TO:<b@example.net>")[0], 451)
        c.expect("RSET", 250)
        self.assertEqual(c.command("MAIL FROM:<alice@example.com> RET=FULL")
                         [0], 555)
        self.assertEqual(c.command("MAIL FROM:<alice@example.com>")[0], 250)
        self.assertEqual(c.command("RCPT TO:<b@example.net> NOTIFY=NEVER")
                         [0], 555)
        c.expect("RSET", 250)
        self.assertEqual(self.offers(c), {
            "PIPELINING": "", "SIZE": "2000", "8BITMIME": "",
            "ENHANCEDSTATUSCODES": "", "LIMITS": "RCPTMAX=1000"})
        self.assertEqual(
            c.command("MAIL FROM:<alice@example.com> SIZE=2001")[0], 552)

    def links(self):
        """Connections to the full one that the daemon still holds."""
        port = f":{self.full.port:04X}"
        return [line for line in
                scratch.read("/proc/net/tcp").decode().splitlines()[1:]
                if line.split()[2].endswith(port)
                and line.split()[3] in ("01", "08")]

    def test_z_what_the_next_one_never_had(self):
        """What was known of an upstream is no answer: it is asked again."""
        for mail, code, text in ((" SMTPUTF8", 550, "5.6.7 "),
                                 (" REQUIRETLS", 550, "5.7.30 "),
                                 (" ENVID=x", 555, "5.5.4 "),
                                 (" SIZE=3000", 552, "5.3.4 ")):
            with self.subTest(mail=mail):
                c = self.client(tls=True, user="alice")
                poor = ("SIZE 2000",) + ("DSN",) * ("ENVID" not in mail)
                for extensions in (FULL, poor):
                    self.full.extensions = list(extensions)
                    self.full.close_sessions()
                    scratch.wait_for("no link", lambda: not self.links())
                    if extensions is FULL:
                        self.assertEqual(self.send(c)[0], 250)
                got, said = c.command(f"MAIL FROM:<alice@example.com>{mail}")
                self.assertEqual((got, said[:len(text)]), (code, text))
                c.close()


if __name__ == "__main__":
    unittest.main()
