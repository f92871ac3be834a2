"""What an upstream offers: what is used of it, or refused without it."""
import unittest

from upstream import CapturingUpstream, close, reply, reset, silent, usual
from upstreamcase import BODY, SHORT, Client, plain


class Extensions(unittest.TestCase):
    """UP-16, UP-20 to UP-23."""

    def test_size(self):
        with CapturingUpstream(extensions=["SIZE 200000", "8BITMIME"]) as up, \
                plain(up) as sp, Client(sp) as c:
            self.assertEqual(
                c.command("MAIL FROM:<a@example.com> SIZE=300000")[0], 552)
            line = sp.wait_line("message")[0]
            self.assertEqual(line["outcome"], "refused")
            self.assertTrue(line["reply"].startswith("552 5.3.4 "), line)
            self.assertIn(b" 1 refused,", sp.tool("status").stdout)
            c.gone_through()
            self.assertIn("SIZE 1", c.expect("EHLO again", 250))

    def test_size_not_declared(self):
        with CapturingUpstream(extensions=["SIZE 200000", "8BITMIME"]) as up, \
                plain(up) as sp, Client(sp) as c:
            for _ in range(2): # before and after its SIZE is known
                got = c.message(BODY + ("y" * 70 + "\r\n") * 5000)
                self.assertEqual((got[0], got[1][:5]), (552, "5.3.4"))
                self.assertEqual(up.messages, [])
            c.gone_through()

    def test_8bit_to_a_7bit_upstream(self):
        with CapturingUpstream(extensions=["PIPELINING"]) as up, \
                plain(up) as sp, Client(sp) as c:
            c.envelope("a@example.com", "b@example.net")
            c.send(BODY.encode() + b"\xe9\r\n.\r\n")
            got = c.reply()
            self.assertEqual((got[0], got[1][:5]), (554, "5.6.3"))
            self.assertEqual(up.messages, [])
            c.gone_through()
            self.assertNotIn("8BITMIME", c.expect("EHLO again", 250))
            # Offered or not: what is declared is not passed on.
            for body in "BODY=8BITMIME", "BODY=7BIT":
                code = c.command(f"MAIL FROM:<a@example.com> {body}")[0]
                if code == 250:
                    c.expect("RCPT TO:<b@example.net>", 250)
                    c.expect("RSET", 250)
                else:
                    self.assertEqual(code, 555)
            for session in up.sessions:
                self.assertTrue(session.received.isascii())
                self.assertNotIn(b"BODY=", session.received)

    def test_smtputf8_without(self):
        with CapturingUpstream(extensions=["8BITMIME"]) as up, \
                plain(up) as sp, Client(sp) as c:
            c.gone_through()
            c.expect("EHLO again", 250)
            got = c.command("MAIL FROM:<\u00e9@example.com> SMTPUTF8")
            self.assertIn(got[0], (550, 553, 555), got)

    def test_helo_only(self):
        """UP-23: HELO, and nothing that only EHLO could have offered."""
        with CapturingUpstream({"ehlo": reply("502 5.5.1 no")},
                               extensions=[]) as up, \
                plain(up) as sp, Client(sp) as c:
            for mail in "", " SIZE=100", " BODY=7BIT":
                c.expect("MAIL FROM:<a@example.com>" + mail, 250)
                c.send("RCPT TO:<x@example.net>\r\n"
                       "RCPT TO:<y@example.net>\r\nDATA\r\n")
                self.assertEqual([c.reply()[0] for _ in range(3)],
                                 [250, 250, 354])
                c.send(BODY + ".\r\n")
                self.assertEqual(c.reply()[0], 250)
            verbs = [x.split()[0] for x in up.sessions[0].commands]
            self.assertEqual(verbs[:2], [b"EHLO", b"HELO"])
            self.assertEqual([m.parameters for m in up.messages], [""] * 3)
            self.assertEqual(up.ahead, [])

    def test_no_pipelining_is_lock_step(self):
        with CapturingUpstream(extensions=["8BITMIME"]) as up, \
                plain(up) as sp, Client(sp) as c:
            c.gone_through()
            c.send("MAIL FROM:<a@example.com>\r\nRCPT TO:<x@example.net>\r\n"
                   "RCPT TO:<y@example.net>\r\nDATA\r\n")
            self.assertEqual([c.reply()[0] for _ in range(4)],
                             [250, 250, 250, 354])
            c.send(BODY + ".\r\n")
            self.assertEqual(c.reply()[0], 250)
            self.assertEqual(up.messages[1].recipients,
                             ["x@example.net", "y@example.net"])


class Chunks(unittest.TestCase):
    """BDAT where the upstream offers CHUNKING; the ledger is the same."""
    OFFERS = ["PIPELINING", "CHUNKING", "8BITMIME"]

    def test_content_as_it_is(self):
        body = BODY + "..\r\n...x\r\n\r\n" + "y" * 998 + "\r\n"
        big = BODY + ("y" * 70 + "\r\n") * 20000
        with CapturingUpstream(extensions=self.OFFERS) as up, \
                plain(up) as sp, Client(sp) as c:
            for content in body, big:
                self.assertEqual(c.message(content)[0], 250)
                want = content.replace("\r\n..", "\r\n.").encode()
                self.assertTrue(up.messages[-1].data.endswith(
                    want.partition(b"\r\n\r\n")[2]))
                self.assertIn("dkim=pass", sp.verify(up.messages[-1].data))
            self.assertNotIn(b"\r\nDATA", up.sessions[0].received)

    def test_not_when_forbidden(self):
        with CapturingUpstream(extensions=self.OFFERS) as up, \
                plain(up, upstream_settings={"chunking": "no"}) as sp, \
                Client(sp) as c:
            c.gone_through()
            self.assertNotIn(b"BDAT", up.sessions[0].received)

    def test_refused_lost_and_silent(self):
        for action, code, outcome in (
                (reply("554 5.6.0 no"), 554, "refused"),
                (reply("451 4.3.0 later"), 451, "refused"),
                (close(), 451, "unknown"), (reset(), 451, "unknown"),
                (silent(), 451, "unknown")):
            with CapturingUpstream({"dot": [action, usual()]},
                                   extensions=self.OFFERS) as up, \
                    plain(up, listen=SHORT) as sp, Client(sp) as c:
                self.assertEqual(c.message()[0], code)
                self.assertEqual(sp.lines("message")[0]["outcome"], outcome)
                self.assertEqual(up.messages, [])
                c.gone_through()

    def test_a_crawl_is_cut_before_the_end(self):
        body = BODY + ("y" * 70 + "\r\n") * 100000
        with CapturingUpstream(extensions=self.OFFERS, read_size=100,
                               read_delay=0.5) as up, \
                plain(up, listen=SHORT) as sp, Client(sp) as c:
            self.assertEqual(c.message(body)[0], 451)
            self.assertEqual(up.messages, [])
            self.assertEqual(sp.lines("message")[0]["outcome"], "refused")


if __name__ == "__main__":
    unittest.main()
