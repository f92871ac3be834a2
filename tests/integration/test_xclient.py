"""The client's address from XCLIENT and XFORWARD."""
import subprocess
import unittest

from clientaddress import PER_IP, Client, World, v1
from sealpost import Sealpost, message
from upstream import CapturingUpstream


class Xclient(World):
    def test_only_listed_peers_are_offered_it(self):
        self.assertLess({"XCLIENT", "XFORWARD"},
                        self.client("mta").offers())
        client = self.client("open")
        self.assertFalse({"XCLIENT", "XFORWARD"} & client.offers())
        for verb in ("XCLIENT ADDR=192.0.2.1", "XFORWARD ADDR=192.0.2.1",
                     "XCLIENT", "DEBUG", "WIZ", "KILL", "SITE x", "TURN",
                     "SEND FROM:<a@b>", "SOML FROM:<a@b>", "XEXCH50 2 2",
                     "BURL x LAST"):
            self.assertIn(client.command(verb)[0], (500, 502, 550), verb)

    def test_the_peer_of_a_balancer_is_its_client(self):
        client = self.client("lb", v1("192.0.2.9"))
        self.assertIn("XCLIENT", client.offers())
        client.expect("XCLIENT ADDR=192.0.2.12", 220)
        self.assertNotIn("XCLIENT", client.offers())
        line = self.delivered(client, "both")[1]
        self.assertEqual(line["client"], "192.0.2.12")

    def test_address_and_helo_replace_ours(self):
        client = self.client("mta")
        client.expect("EHLO mta.test", 250)
        client.expect("XCLIENT NAME=c.example ADDR=IPV6:2001:db8:1::7 "
                      "PORT=4711 PROTO=ESMTP HELO=c.example "
                      "DESTADDR=192.0.2.1 DESTPORT=25", 220)
        self.assertEqual(client.command("MAIL FROM:<a@example.com>")[0], 503)
        client.expect("EHLO mta.test", 250)
        data, line = self.delivered(client, "x")
        self.assertEqual((line["client"], line["helo"]),
                         ("2001:db8:1::7", "c.example"))
        self.assertIn("from c.example ([IPv6:2001:db8:1::7])", data)
        event = self.sp.lines("xclient")[-1]
        self.assertEqual((event["from"], event["client"], event["name"]),
                         ("127.0.0.1", "2001:db8:1::7", "c.example"))

    def test_in_two_commands(self):
        """What README asks of clients with much to say."""
        client = self.client("mta")
        client.expect("XCLIENT HELO=two.example PROTO=ESMTP", 220)
        client.expect("XCLIENT ADDR=192.0.2.13", 220)
        self.assertNotIn("XCLIENT", client.offers("mta.test"))
        line = self.delivered(client, "x")[1]
        self.assertEqual((line["client"], line["helo"]),
                         ("192.0.2.13", "mta.test"))

    def test_trust_and_right_are_not_lent(self):
        client = self.client("mta")
        client.expect("EHLO mta.test", 250)
        client.expect("MAIL FROM:<alice@example.com>", 250)
        self.assertEqual(client.command("XCLIENT ADDR=192.0.2.1")[0], 503)
        client.expect("RSET", 250)
        client.expect("XCLIENT ADDR=203.0.113.1", 220)
        for _ in range(2): # before EHLO and behind it
            self.assertEqual(client.command("XCLIENT ADDR=127.0.0.1")[0], 502)
            self.assertNotIn("XCLIENT", client.offers())
        self.assert_untrusted(client)

    def test_unknown_addresses_are_not_trusted(self):
        client = self.client("mta")
        client.expect("XCLIENT ADDR=[UNAVAILABLE] NAME=[TEMPUNAVAIL]", 220)
        self.assertNotIn("XCLIENT", client.offers())
        self.assert_untrusted(client)

    def test_login_is_no_identity(self):
        client = self.client("mta")
        client.expect("XCLIENT ADDR=203.0.113.2 LOGIN=alice", 220)
        self.assert_untrusted(client)

    def test_auth_is_forgotten(self):
        client = self.client("mta")
        client.expect("EHLO mta.test", 250)
        client.login(self.sp.user, self.sp.password)
        client.expect("XCLIENT ADDR=203.0.113.3", 220)
        self.assert_untrusted(client)
        client.login(self.sp.user, self.sp.password)
        line = self.delivered(client, "x")[1]
        self.assertEqual((line["client"], line["user"]),
                         ("203.0.113.3", "alice"))

    def test_who_was_logged_in_is_not_counted_behind_it(self):
        for _ in range(6):
            client = self.client("mta")
            client.expect("EHLO mta.test", 250)
            client.login(self.sp.user, self.sp.password)
            client.expect("XCLIENT ADDR=203.0.113.4", 220)

    def test_malformed_ones_change_nothing(self):
        client = self.client("mta")
        client.expect("EHLO mta.test", 250)
        for words in ("", " ADDR=1.2.3", " ADDR=IPV6:::::", " COLOUR=red",
                      " ADDR=203.0.113.1 ADDR=203.0.113.1", " HELO=a+0D+0Ab",
                      " PORT=65536", " DESTADDR=1.2.3.4.5"):
            self.assertEqual(client.command("XCLIENT" + words)[0], 501, words)
        line = self.delivered(client, "x")[1]
        self.assertEqual(line["client"], "127.0.0.1")

    def test_spf_is_that_of_the_named_client(self):
        for address, want in (("192.0.2.50", "pass"), ("192.0.2.52", "fail")):
            client = self.client("mx", v1("192.0.2.9"))
            client.expect("XCLIENT HELO=h.example.org ADDR=" + address, 220)
            client.expect("EHLO mta.test", 250)
            data, line = self.delivered(client, "spf " + address,
                                        sender="joe@example.org")
            self.assertIn("spf=" + want, line["verdicts"])
            self.assertIn("from h.example.org ([" + address, data)
            client.close()

    def test_over_tls(self):
        """What was said of the client stands after STARTTLS."""
        with CapturingUpstream() as up, Sealpost(
                up.port, listen={"xclient_from": "127.0.0.1"}) as sp:
            with Client(sp.port) as client:
                client.expect("EHLO mta.test", 250)
                client.expect("XCLIENT ADDR=203.0.113.4 HELO=c.example", 220)
                client.ready(sp.user, sp.password)
                self.assertEqual(client.mail(message())[0], 250)
            with Client(sp.tls_port, greeting=False) as client:
                client.wrap()
                self.assertEqual(client.reply()[0], 220)
                client.expect("XCLIENT ADDR=203.0.113.5", 220)
                client.expect("EHLO c2.example", 250)
                client.login(sp.user, sp.password)
                self.assertEqual(client.mail(message())[0], 250)
            lines = sp.wait_line("message", 2)
            self.assertEqual([(n["client"], n["helo"]) for n in lines],
                             [("203.0.113.4", "c.example"),
                              ("203.0.113.5", "c2.example")])
            self.assertIn("with ESMTPSA", up.messages[1].data.decode())

    def test_connections_of_an_mta_are_not_counted(self):
        many = [self.client("mx", v1("192.0.2.9")) for _ in range(PER_IP + 3)]
        for client in many:
            self.assertEqual(client.greeting[0], 220)
            client.expect("XCLIENT ADDR=203.0.113.6", 220)
        for client in many:
            client.expect("QUIT", 221)

    def test_swaks(self):
        done = subprocess.run(
            ["swaks", "--server", f"127.0.0.1:{self.ports['mta']}", "--from",
             "alice@example.com", "--to", "bob@example.net", "--helo",
             "mta.test", "--xclient-addr", "192.0.2.14", "--xclient-helo",
             "swaks.example", "--xclient-name", "swaks.example"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, timeout=60)
        self.assertEqual(done.returncode, 0, done.stdout.decode())
        data = self.up.wait(self.before + 1)[self.before].data
        self.assertIn(b"from swaks.example ([192.0.2.14])", data)

    # --- XFORWARD --------------------------------------------------------

    def test_xforward_is_logged_for_one_message(self):
        client = self.client("mta")
        client.expect("EHLO mta.test", 250)
        client.expect("XFORWARD NAME=[UNAVAILABLE] ADDR=203.0.113.7 "
                      "IDENT=4ABC", 250)
        client.expect("XFORWARD HELO=evil+20outcome=x+22 SOURCE=REMOTE", 501)
        client.expect("XFORWARD HELO=evil+20a+3Db+22 SOURCE=REMOTE", 250)
        data, line = self.delivered(client, "x")
        self.assertEqual((line["client"], line["orig_client"],
                          line["orig_id"]),
                         ("127.0.0.1", "203.0.113.7", "4ABC"))
        self.assertNotIn("orig_name", line)
        self.assertIn('orig_helo="evil a=b\\""', self.sp.log())
        self.assertNotIn("203.0.113.7", data)
        line = self.delivered(client, "y")[1]
        self.assertNotIn("orig_client", line)

    def test_xforward_is_forgotten(self):
        for command, code in (("RSET", 250), ("EHLO mta.test", 250),
                              ("XCLIENT ADDR=192.0.2.15", 220)):
            client = self.client("mta")
            client.expect("EHLO mta.test", 250)
            client.expect("XFORWARD ADDR=203.0.113.8", 250)
            client.expect(command, code)
            client.expect("EHLO mta.test", 250)
            self.assertNotIn("orig_client", self.delivered(client, "x")[1])
            client.close()

    def test_xforward_is_no_trust(self):
        client = self.client("mta")
        client.expect("XCLIENT ADDR=192.0.2.9", 220)
        client.expect("EHLO mta.test", 250)
        client.expect("XFORWARD ADDR=203.0.113.9", 250)
        line = self.delivered(client, "x")[1]
        self.assertEqual(line["client"], "192.0.2.9")


if __name__ == "__main__":
    unittest.main()
