"""What the client sees when the upstream misbehaves, and what it does not.

The upstream is scripted; the ledger is always the same: a 250 at the client is
exactly one acceptance upstream, and nothing partial is ever completed.
"""
import socket
import time
import unittest

import scratch
from upstream import (CapturingUpstream, Close, close, delay, reply, reset,
                      silent, slowly, usual)
from upstreamcase import BODY, SHORT, Client, plain
from wire import rss, worker


def tried(client):
    """The last reply to a message as far as it gets; its MAIL is answered
    without the upstream."""
    client.expect("MAIL FROM:<a@example.com>", 250)
    got = client.command("RCPT TO:<b@example.net>")
    if got[0] == 250:
        client.expect("DATA", 354)
        client.send(BODY + ".\r\n")
        got = client.reply()
    return got


def last_word(text):
    """A reply, and with its segment the end: nobody can act in between."""
    def action(session, line):
        session.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)
        session.write(text)
        raise Close
    return action


class Refusals(unittest.TestCase):
    """UP-01, UP-02, UP-14."""

    def check(self, stage, text, want, enhanced):
        with CapturingUpstream({stage: [reply(text), usual()]}) as up, \
                plain(up) as sp, Client(sp) as c:
            got = tried(c)
            self.assertEqual(got[0], want, got)
            self.assertTrue(got[1].startswith(enhanced), got)
            self.assertEqual(up.messages, [])
            c.expect("RSET", 250)
            c.gone_through()
            self.assertEqual(len(up.messages), 1)
            self.assertEqual(sp.lines("message")[0]["outcome"], "refused")

    def test_every_stage(self):
        for stage in "mail", "rcpt", "data", "dot":
            for text in ("451 4.3.2 later", "550 5.7.1 never",
                         "452 4.3.1 full", "552 5.3.4 big", "554 5.6.0 no"):
                with self.subTest(stage=stage, text=text):
                    code, enhanced, _ = text.split()
                    self.check(stage, text, int(code), enhanced)

    def test_421_is_not_ours(self):
        for stage in "rcpt", "dot":
            with self.subTest(stage=stage):
                self.check(stage, "421 4.3.2 going down", 451, "4.3.2")

    def test_one_of_three(self):
        script = {"rcpt": [usual(), reply("550 5.1.1 who?"), usual()]}
        with CapturingUpstream(script) as up, plain(up) as sp, \
                Client(sp) as c:
            c.send("MAIL FROM:<a@example.com>\r\nRCPT TO:<x@example.net>\r\n"
                   "RCPT TO:<y@example.net>\r\nRCPT TO:<z@example.net>\r\n"
                   "DATA\r\n")
            self.assertEqual([c.reply()[0] for _ in range(5)],
                             [250, 250, 550, 250, 354])
            c.send(BODY + ".\r\n")
            self.assertEqual(c.reply()[0], 250)
            self.assertEqual(up.messages[0].recipients,
                             ["x@example.net", "z@example.net"])

    def test_all_refused_pipelined(self):
        with CapturingUpstream({"rcpt": reply("550 5.1.1 who?")}) as up, \
                plain(up) as sp, Client(sp) as c:
            c.send("MAIL FROM:<a@example.com>\r\nRCPT TO:<x@example.net>\r\n"
                   "DATA\r\n")
            self.assertEqual([c.reply()[0] for _ in range(3)], [250, 550, 554])
            self.assertEqual(up.messages, [])

    def test_mail_refused_is_said_at_rcpt(self):
        with CapturingUpstream({"mail": reply("550 5.7.1 not you")}) as up, \
                plain(up) as sp, Client(sp) as c:
            c.send("MAIL FROM:<a@example.com>\r\nRCPT TO:<x@example.net>\r\n"
                   "RCPT TO:<y@example.net>\r\n")
            self.assertEqual(c.reply()[0], 250)
            self.assertEqual(c.reply(), (550, "5.7.1 not you"))
            self.assertEqual(c.reply(), (550, "5.7.1 not you"))


class Nonsense(unittest.TestCase):
    """UP-05 to UP-09, UP-12: never a 250 that is not the upstream's."""

    def test_final_reply(self):
        for text in (b"25", b"hello there\r\n", b"250-a\r\n550 b\r\n",
                     b"999 x\r\n", b"150 x\r\n", b"354 x\r\n", b"250\n",
                     b"250x\r\n", b"250 " + b"x" * 20000 + b"\r\n",
                     b"250-x\r\n" * 100000):
            def say(session, line, text=text):
                session.write(text)
                if not text.endswith(b"\r\n"):
                    return close()(session, line)
                return b""
            with self.subTest(text=text[:20]), \
                    CapturingUpstream({"dot": [say, usual()]}) as up, \
                    plain(up, listen=SHORT) as sp, Client(sp) as c:
                got = c.message()
                self.assertEqual(got[0], 451, got)
                self.assertEqual(up.messages, [])
                c.gone_through()
                # What else it may say is not listened to.
                self.assertEqual(len(up.sessions), 2)
                self.assertIs(up.messages[0].session, up.sessions[1])

    def test_many_lines_and_hostile_text(self):
        text = "".join(f"250-2.0.0 line {i}\r\n" for i in range(19)) + \
            "250 2.0.0 \x1b[2J\x00\xff end"
        with CapturingUpstream({"dot": lambda s, l: text.encode("latin-1")
                                + b"\r\n"}) as up, \
                plain(up) as sp, Client(sp) as c:
            c.envelope("a@example.com", "b@example.net")
            c.send(BODY + ".\r\n")
            code, got = c.reply()
            self.assertEqual(code, 250)
            self.assertEqual(len(got.splitlines()), 20)
            self.assertTrue(got.isascii() and got.replace("\n", "").isprintable(),
                            got)
            line = sp.wait_line("message")[0]
            self.assertLess(len(line["reply"]), 2000)
            raw = scratch.read(sp.log_path)
            self.assertTrue(raw.isascii(), raw)
            self.assertNotRegex(raw, rb"[\x00-\x09\x0b-\x1f\x7f]")

    def test_early_250_then_554(self):
        def early(session, line):
            session.write("250 2.0.0 too soon")
            session.server.set("body")
            time.sleep(0.3)
            return b""
        for lines in 1000, 20000: # the dot is in the kernel, or not yet
            body = BODY + "x" * 70 + "\r\n" + ("y" * 70 + "\r\n") * lines
            with self.subTest(lines=lines), CapturingUpstream(
                    {"body": early, "dot": reply("554 5.6.0 no")}) as up, \
                    plain(up) as sp, Client(sp) as c:
                # It can't be in its hands: it has no room for it.
                up.listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF,
                                       4096)
                self.assertEqual(c.message(body)[0], 451)
                self.assertEqual(up.messages, [])

    def test_250_before_the_body(self):
        with CapturingUpstream({"data": lambda s, l: "354 go\r\n250 done"}) \
                as up, plain(up) as sp, Client(sp) as c:
            self.assertEqual(c.message()[0], 451)
            self.assertEqual(up.messages, [])

    def test_surplus_250_is_not_taken_for_the_next(self):
        surplus = reply("250 2.0.0 ok\r\n250 2.0.0 surplus")
        script = {"rcpt": [surplus, usual()], "dot": reply("554 5.6.0 no")}
        with CapturingUpstream(script) as up, plain(up) as sp, \
                Client(sp) as c:
            self.assertEqual(c.message()[0], 554) # on a second connection
            self.assertEqual(len(up.sessions), 2)
        script = {"dot": [surplus, reply("554 5.6.0 refused")]}
        with CapturingUpstream(script) as up, plain(up) as sp, \
                Client(sp) as c:
            self.assertEqual(c.message()[0], 451) # which of the two was it?
            self.assertEqual(sp.lines("message")[0]["outcome"], "unknown")
            self.assertEqual(c.message()[0], 554)

    def test_surplus_250_while_nobody_asks(self):
        """It comes when the connection is kept for the next one."""
        script = {"dot": [usual(), reply("554 5.6.0 refused")]}
        with CapturingUpstream(script) as up, plain(up) as sp, \
                Client(sp) as c:
            c.gone_through()
            up.sessions[0].write("250 2.0.0 surplus")
            scratch.wait_for("it is closed", lambda: up.sessions[0].ended)
            self.assertEqual(c.message(), (554, "5.6.0 refused"))
            # And when nobody has seen it before the next one's MAIL.
            up.set("mail", reply("250 2.1.0 ok\r\n250 2.0.0 surplus"))
            up.set("dot", reply("554 5.6.0 refused again"))
            got = tried(c)
            self.assertIn(got[0], (451, 554), got)
            self.assertEqual(len(up.messages), 1)

    def test_no_250_before_the_upstreams(self):
        with CapturingUpstream({"dot": delay(1.5)}) as up, plain(up) as sp, \
                Client(sp) as c:
            c.envelope("a@example.com", "b@example.net")
            start = time.time()
            c.send(BODY + ".\r\n")
            self.assertEqual(c.reply()[0], 250)
            self.assertGreater(time.time() - start, 1.4)

    def test_greetings(self):
        for action in (reply("421 busy"), reply("554 no"), close(), reset(),
                       reply("hello"), reply("250 what")):
            with CapturingUpstream({"connect": [action, usual()]}) as up, \
                    plain(up) as sp, Client(sp) as c:
                got = c.command("MAIL FROM:<a@example.com>")
                self.assertEqual((got[0], got[1][:5]), (451, "4.4.1"))
                c.gone_through()

    def test_slow_octets(self):
        with CapturingUpstream({"dot": slowly("250 2.0.0 ok")}) as up, \
                plain(up) as sp, Client(sp) as c:
            self.assertEqual(c.message(), (250, "2.0.0 ok"))


class Closing(unittest.TestCase):
    """UP-03, UP-04, UP-10, UP-11."""

    def test_lost_in_the_envelope_is_replayed_once(self):
        for stage in "mail", "rcpt":
            for end in close(), reset():
                with self.subTest(stage=stage), \
                        CapturingUpstream({stage: [end, usual()]}) as up, \
                        plain(up) as sp, Client(sp) as c:
                    self.assertEqual(c.message()[0], 250)
                    self.assertEqual(len(up.messages), 1)
                    self.assertEqual(len(up.sessions), 2)

    def test_lost_twice_is_451(self):
        for stage in "mail", "rcpt":
            with CapturingUpstream({stage: close()}) as up, plain(up) as sp, \
                    Client(sp) as c:
                c.expect("MAIL FROM:<a@example.com>", 250)
                self.assertEqual(c.command("RCPT TO:<b@example.net>")[0], 451)
                self.assertEqual(len(up.sessions), 2)

    def test_lost_between_rcpt_and_data(self):
        with CapturingUpstream({"rcpt": [last_word("250 2.1.5 ok"),
                                         usual()]}) as up, \
                plain(up) as sp, Client(sp) as c:
            self.assertEqual(c.message()[0], 250)
            self.assertEqual(len(up.messages), 1)

    def test_replay_refused(self):
        script = {"rcpt": [last_word("250 2.1.5 ok"),
                           reply("550 5.1.1 changed my mind")]}
        with CapturingUpstream(script) as up, plain(up) as sp, \
                Client(sp) as c:
            self.assertEqual(c.message()[0], 451)
            self.assertEqual(up.messages, [])

    def test_lost_in_data(self):
        for stage in "data", "body":
            for end in close(), reset():
                with CapturingUpstream({stage: [end, usual()]}) as up, \
                        plain(up) as sp, Client(sp) as c:
                    got = c.message()
                    self.assertEqual(got[0], 451, got)
                    self.assertEqual(up.messages, [])
                    up.set("body")
                    c.gone_through()

    def test_lost_after_the_dot_is_unknown(self):
        for end in close(), reset():
            with CapturingUpstream({"dot": [end, usual()]}) as up, \
                    plain(up) as sp, Client(sp) as c:
                self.assertEqual(c.message()[0], 451)
                line = sp.wait_line("message")[0]
                self.assertEqual(line["outcome"], "unknown")
                self.assertEqual(len(up.sessions), 1) # nobody else was tried
                c.gone_through()

    def test_silent_after_the_dot(self):
        with CapturingUpstream({"dot": silent()}) as up, \
                plain(up, listen=SHORT) as sp, Client(sp) as c:
            start = time.time()
            got = c.message()
            self.assertEqual((got[0], got[1][:5]), (451, "4.4.2"))
            self.assertTrue(5 < time.time() - start < 8)
            self.assertEqual(sp.lines("message")[0]["outcome"], "unknown")
            self.assertEqual(len(up.sessions), 1)

    def test_answer_after_the_deadline(self):
        with CapturingUpstream({"dot": delay(8)}) as up, \
                plain(up, listen=SHORT) as sp, Client(sp) as c:
            self.assertEqual(c.message()[0], 451)
            self.assertEqual(sp.lines("message")[0]["outcome"], "unknown")

    def test_silent_before_the_dot(self):
        for stage in "mail", "rcpt", "data":
            with self.subTest(stage=stage), \
                    CapturingUpstream({stage: silent()}) as up, \
                    plain(up, listen=SHORT) as sp, Client(sp) as c:
                got = tried(c)
                self.assertEqual((got[0], got[1][:5]), (451, "4.4.2"))
                self.assertEqual(up.messages, [])
                c.expect("RSET", 250)

    def test_silent_greeting(self):
        with CapturingUpstream({"connect": silent()}) as up, \
                plain(up, listen=SHORT) as sp, Client(sp) as c:
            got = c.command("MAIL FROM:<a@example.com>")
            self.assertEqual((got[0], got[1][:5]), (451, "4.4.1"))

    def test_no_upstream_then_one(self):
        port = scratch.free_port()
        with plain(f"127.0.0.1:{port}") as sp, Client(sp) as c:
            for _ in range(3):
                got = c.command("MAIL FROM:<a@example.com>")
                self.assertEqual((got[0], got[1][:5]), (451, "4.4.1"))
            # the line of the message says what the client was told
            self.assertIn("451 4.4.1 No upstream connection",
                          sp.wait_line("message", 3)[2]["reply"])
            with socket.create_server(("127.0.0.1", port)) as late:
                up = CapturingUpstream()
                up.listener.close()
                up.listener = late
                import threading
                threading.Thread(target=up._accept, daemon=True).start()
                c.gone_through()
                up.stopping.set()

    def test_second_address(self):
        dead = scratch.free_port()
        with CapturingUpstream() as up, \
                plain(f"127.0.0.1:{dead}, 127.0.0.1:{up.port}") as sp, \
                Client(sp) as c:
            self.assertEqual(c.message()[0], 250)
            self.assertIn(f":{up.port}", sp.lines("message")[0]["upstream"])


class Slow(unittest.TestCase):
    def test_body_at_a_crawl_is_cut_before_the_dot(self):
        """UP-13: it never reads; nothing is completed, others go on."""
        body = BODY + ("y" * 70 + "\r\n") * 100000
        with CapturingUpstream(read_size=100, read_delay=0.5) as up, \
                plain(up, listen=SHORT) as sp, Client(sp) as c:
            start = time.time()
            c.envelope("a@example.com", "b@example.net")
            c.send(body + ".\r\n")
            got = c.reply()
            self.assertEqual((got[0], got[1][:5]), (451, "4.4.2"))
            self.assertTrue(3 < time.time() - start < 9, time.time() - start)
            self.assertEqual(up.messages, [])
            line = sp.lines("message")[0]
            self.assertEqual(line["outcome"], "refused")

    def test_100_kb_a_second(self):
        body = BODY + ("y" * 70 + "\r\n") * 5000
        with CapturingUpstream(read_size=5000, read_delay=0.05) as up, \
                plain(up) as sp, Client(sp) as c:
            self.assertEqual(c.message(body)[0], 250)
            self.assertTrue(up.messages[0].data.endswith(
                body.encode().partition(b"\r\n\r\n")[2]))

    def test_a_stalled_one_holds_nobody_else(self):
        """UP-13: one that stops to read in the midst of the content, and one
        that says nothing behind it."""
        def stop_reading(session, line):
            session.write("354 go")
            session.server.stopping.wait(60)
            raise Close
        body = BODY + ("y" * 70 + "\r\n") * 140000 # 10 MB
        script = {"data": [stop_reading, usual()], "dot": [silent(), usual()]}
        with CapturingUpstream(script) as up, plain(up, listen=SHORT) as sp, \
                Client(sp) as full, Client(sp) as stalled, Client(sp) as c:
            pid, before = worker(sp), rss(worker(sp))
            start = time.monotonic()
            full.envelope("a@example.com", "b@example.net")
            full.send(body + ".\r\n")
            scratch.wait_for("354", lambda: any(b"354" in s.sent
                                                for s in up.sessions))
            stalled.envelope("a@example.com", "b@example.net")
            stalled.send(BODY + ".\r\n")
            scratch.wait_for("the dot", lambda: any(
                b"\r\n.\r\n" in s.received for s in up.sessions))
            began = time.monotonic()
            for _ in range(20):
                c.gone_through()
            self.assertLess(time.monotonic() - began, 3)
            self.assertLess(rss(pid) - before, 8 << 20)
            got = full.reply()
            self.assertEqual((got[0], got[1][:5]), (451, "4.4.2"))
            self.assertTrue(3 < time.monotonic() - start < 12)
            self.assertEqual(len(up.messages), 20)


if __name__ == "__main__":
    unittest.main()
