"""Connections to the upstream that are used again or kept alive, and what
comes of clients that leave."""
import socket
import time
import unittest

import scratch
from upstream import CapturingUpstream, close, delay, usual
from upstreamcase import BODY, Client, plain


class Reuse(unittest.TestCase):
    def test_one_connection_for_many(self):
        with CapturingUpstream() as up, plain(up) as sp:
            for _ in range(5):
                with Client(sp) as c:
                    c.gone_through()
            self.assertEqual(len(up.sessions), 1)
            self.assertEqual(len(up.messages), 5)

    def test_a_kept_one_that_was_closed(self):
        def last(session, line):
            session.write("250 2.0.0 ok")
            with session.server.lock:
                session.server.messages.append(None)
            return close()(session, line)
        with CapturingUpstream({"dot": [last, usual()]}) as up, \
                plain(up) as sp, Client(sp) as c:
            self.assertEqual(c.message()[0], 250)
            c.gone_through()
            self.assertEqual(len(up.sessions), 2)

    def test_rset_before_the_next(self):
        with CapturingUpstream() as up, plain(up) as sp, Client(sp) as c:
            c.expect("MAIL FROM:<a@example.com>", 250)
            c.expect("RCPT TO:<x@example.net>", 250)
            c.expect("RSET", 250)
            c.gone_through()
            self.assertEqual(up.messages[0].recipients, ["b@example.net"])
            self.assertLessEqual(len(up.sessions), 2)


class Upload(unittest.TestCase):
    def test_noop_and_one_replay(self):
        """Two uploads of more than a minute: one upstream connection is kept
        by NOOP, the other is lost at it and its envelope replayed."""
        with CapturingUpstream({"noop": [usual(), close(), usual()]}) as up, \
                plain(up) as sp, Client(sp, timeout=90) as one, \
                Client(sp, timeout=90) as two:
            for c in one, two:
                c.envelope("a@example.com", "b@example.net")
            for piece in BODY + "." * 600:
                for c in one, two:
                    c.send(piece)
                time.sleep(0.095 if sum(b"NOOP" in s.received
                                        for s in up.sessions) < 2 else 0)
            for c in one, two:
                c.send("\r\n.\r\n")
                self.assertEqual(c.reply()[0], 250)
            self.assertEqual(len(up.sessions), 3)
            self.assertEqual(len(up.messages), 2)


class Gone(unittest.TestCase):
    """LC-01, LC-02: clients that leave."""

    def test_before_the_end(self):
        stages = ["", "MAIL FROM:<a@example.com>\r\n",
                  "MAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.net>\r\n"]
        data = stages[2] + "DATA\r\n"
        stages += [data, data + BODY, data + BODY + ".", data + BODY + ".\r"]
        with CapturingUpstream() as up, plain(up) as sp:
            for stage in stages:
                for rst in False, True:
                    c = Client(sp)
                    c.send(stage)
                    time.sleep(0.1)
                    if rst:
                        import struct
                        c.socket.setsockopt(socket.SOL_SOCKET,
                                            socket.SO_LINGER,
                                            struct.pack("ii", 1, 0))
                    c.close()
            time.sleep(0.3)
            self.assertEqual(up.messages, [])
            with Client(sp) as c:
                c.gone_through()

    def test_after_the_end(self):
        with CapturingUpstream({"dot": delay(1)}) as up, plain(up) as sp:
            c = Client(sp)
            c.envelope("a@example.com", "b@example.net")
            c.send(BODY + ".\r\n")
            scratch.wait_for("the dot", lambda: up.sessions and
                             b"\r\n.\r\n" in up.sessions[0].received)
            c.close()
            line = sp.wait_line("message")[0]
            self.assertEqual(line["outcome"], "delivered")
            self.assertEqual(line["client"], "127.0.0.1")
            self.assertEqual(line["client_gone"], "yes")
            self.assertEqual(len(up.messages), 1)


if __name__ == "__main__":
    unittest.main()
