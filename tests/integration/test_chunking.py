"""BDAT from clients (RFC 3030), octet by octet: rows SY-61 to SY-65."""
from sealpost import message
from wire import RECIPIENT, SENDER, PlainCase, WireCase, rss, worker

CONTENT = message(subject="chunks")
SMUGGLED = (b"MAIL FROM:<smug@example.com>\r\nRCPT TO:<smug@example.net>\r\n"
            b"DATA\r\n")


def chunk(octets, last=False):
    return b"BDAT %d%s\r\n" % (len(octets), b" LAST" * last) + octets


class Chunking(PlainCase):
    listen = {**PlainCase.listen, "chunking": "yes", "max_message_size": "1M"}

    def ready(self, port=None):
        return self.envelope(self.session(port))

    def envelope(self, c):
        c.expect(f"MAIL FROM:<{SENDER}>", 250)
        c.expect(f"RCPT TO:<{RECIPIENT}>", 250)
        return c

    def whole(self, octets, want, codes=(250,), port=None):
        """Chunks in one write; want: what the upstream gets, or nothing."""
        with self.row("SY-62", octets=octets[:60], port=port,
                      delivered=want is not None, refused=want is None):
            c = self.ready(port)
            c.send(octets)
            self.assertEqual(c.codes(len(codes)), list(codes))
            self.in_sync(c)
            if want is not None:
                self.unchanged(want)

    def test_it_is_offered(self):
        self.assertIn("CHUNKING", self.client().command("EHLO c.test")[1])
        self.assertNotIn("BINARYMIME", self.client().command("EHLO c.test")[1])

    def test_SY_61_outside_a_transaction(self):
        with self.row("SY-61"):
            c = self.session()
            for last in (False, True):
                c.send(chunk(SMUGGLED, last))
                self.assertEqual(c.codes(1), [503])
            self.in_sync(c)
        with self.row("SY-61", after="MAIL"):
            c = self.session()
            c.expect(f"MAIL FROM:<{SENDER}>", 250)
            c.send(chunk(SMUGGLED, True))
            self.assertEqual(c.codes(1), [554])
            self.in_sync(c)

    def test_SY_62_content_is_content(self):
        content = CONTENT + b"a\r\n.\r\n" + SMUGGLED + b"..b\r\n"
        self.whole(chunk(content, True), content)
        self.whole(chunk(CONTENT) + chunk(content[len(CONTENT):])
                   + chunk(b"", True), content, (250, 250, 250))
        self.whole(b"".join(map(chunk, (content[i:i + 1] for i in
                                        range(len(content)))))
                   + chunk(b"", True), content, [250] * (len(content) + 1))

    def test_several_messages_pipelined(self):
        with self.row("SY-62", delivered=3):
            c = self.session()
            for _ in range(2):
                c.send(f"MAIL FROM:<{SENDER}>\r\nRCPT TO:<{RECIPIENT}>\r\n"
                       .encode() + chunk(CONTENT) + chunk(b"x\r\n", True))
            self.assertEqual(c.codes(8), [250] * 8)
            c.envelope(SENDER, RECIPIENT)
            self.assertEqual(c.content(CONTENT + b".\r\n")[0], 250)
            for got in self.arrived()[:2]:
                self.unchanged(CONTENT + b"x\r\n", got)

    def test_SY_63_line_ends_across_chunks(self):
        self.whole(chunk(CONTENT + b"x\r") + chunk(b"\n.\r\ny\r\n", True),
                   CONTENT + b"x\r\n.\r\ny\r\n", (250, 250))
        self.whole(chunk(CONTENT + b".") + chunk(b"\r\n", True),
                   CONTENT + b".\r\n", (250, 250))
        self.whole(chunk(CONTENT + b"no end", True),
                   CONTENT + b"no end\r\n")
        for bad in (b"x\r", b"x\ny\r\n", b"x\ry\r\n", b"x\0\r\n"):
            self.whole(chunk(CONTENT) + chunk(bad, True), None, (250, 550))
        self.whole(chunk(CONTENT + b"a\nb\rc\r", True),
                   CONTENT + b"a\r\nb c \r\n", port=self.normal)

    def test_SY_64_mixed_with_data(self):
        with self.row("SY-64", refused=0):
            c = self.ready()
            c.send(chunk(CONTENT) + b"DATA\r\n" + chunk(b"x\r\n")
                   + b"MAIL FROM:<>\r\nRCPT TO:<x@example.net>\r\n"
                   + b"RSET\r\nDATA\r\n")
            self.assertEqual(c.codes(7), [250, 503, 250, 503, 503, 250, 503])
            self.in_sync(c)

    def test_SY_64_bad_sizes(self):
        for line in (b"", b" ", b" x", b" -1", b" +1", b" 0x10", b" 1 FIRST",
                     b" 1 LAST x", b" 1LAST", b" 99999999999999999999999",
                     b" 1\0"):
            with self.row("SY-64", line=line, refused=1):
                c = self.ready()
                c.send(b"BDAT" + line + b"\r\nMAIL FROM:<smug@example.com>\r\n")
                self.assertEqual(c.rest(), [501])

    def test_SY_64_after_an_error(self):
        with self.row("SY-64", error="size", refused=1):
            c = self.ready()
            c.send(chunk(CONTENT) + chunk(b"x" * (1 << 20)) + chunk(b"", True)
                   + b"DATA\r\n")
            self.assertEqual(c.codes(4), [250, 552, 503, 503])
            c.expect("RSET", 250)
            self.in_sync(self.envelope(c))
        with self.row("SY-64", error="a hopeless last chunk", refused=1):
            c = self.ready()
            c.send(b"BDAT 9999999 LAST\r\n" + b"x" * 9999999)
            self.assertEqual(c.codes(1), [552])
            c.expect("RSET", 250)
        with self.row("SY-64", error="empty", refused=1):
            c = self.ready()
            self.assertEqual(c.command("BDAT 0 LAST")[0], 550)
            self.in_sync(c)

    def test_SY_65_many_small_chunks(self):
        content = CONTENT + b"0123456\r\n" * 2000
        with self.row("SY-65", delivered=1):
            c = self.ready()
            pid, before = worker(self.sp), rss(worker(self.sp))
            for at in range(0, len(content), 1000):
                piece = content[at:at + 1000]
                c.send(b"".join(chunk(piece[i:i + 1])
                                for i in range(len(piece))))
                self.assertEqual(set(c.codes(len(piece))), {250})
            c.send(chunk(b"", True))
            self.assertEqual(c.codes(1), [250])
            self.unchanged(content)
            self.assertLess(rss(pid) - before, 1 << 20)


del WireCase # a base, no tests

if __name__ == "__main__":
    import unittest
    unittest.main()
