"""What attackers write to a plain listener after DATA, octet by octet: rows
SY-01 to SY-23.

Every row ends with the checks of wire.WireCase.row().
"""
import itertools
import random
import time

from wire import (END, HEAD, RECIPIENT, SENDER, Plain, decoded, normalized,
                  stuffed)

SMUGGLED = (b"MAIL FROM:<smug@example.com>\r\nRCPT TO:<smug@example.net>\r\n"
            b"DATA\r\nFrom: smug@example.com\r\n\r\nsmuggled\r\n")

BARE_LF = [b"\n.\n", b"\n.\r\n", b"\r\n.\n"]
BARE_CR = [b"\r.\r", b"\r.\n", b"\n.\r", b"\r.\r\n", b"\r\n.\r", b"\n\n.\n"]
DOUBLED = [b"\r\n.\r\r\n", b"\r\r\n.\r\r\n", b"\r\n\r.\r\n", b"\r\n.\n\r",
           b"\n\r.\r\n"]
NULS = [b"\r\n\0.\r\n", b"\r\n.\0\r\n", b"\r\0\n.\r\n", b"\r\n.\r\0\n",
        b"\0\n.\r\n", b"x\0x"]
SPACES = [b"\r\n. \r\n", b"\r\n.\t\r\n", b"\r\n .\r\n"]
CONTROLS = [b"\v.\v", b"\f.\f", b"\r\n.\v\r\n", b"\r\n\x1a\r\n",
            b"\r\n.\x1a\r\n", b"\r\n.\b\r\n", b"\x7f.\x7f"]
WIDE = [b"\r\n\xae\r\n", b"\x8d\x8a.\x8d\x8a", b"\x85.\x85",
        "\u0085.\u0085".encode(), "\u2028.\u2028".encode(),
        "\u2029.\u2029".encode(), "\r\n\uff0e\r\n".encode(),
        b"\r\n\xc0\xae\r\n", b"\xc0\x8a.\xc0\x8a", "\r\n\ufeff.\r\n".encode(),
        "\r\n\u200b.\r\n".encode()]


class EndOfData(Plain):
    def refused(self, row, form, content, gap=None):
        with self.row(row, form=form, refused=1):
            code, text = self.wire(self.data(), content, gap)
            self.assertEqual((code, text[:6]), (550, "5.6.0 "))

    def made_normal(self, row, form, content, gap=None):
        with self.row(row, form=form, delivered=1, mode="normalize"):
            self.assertEqual(
                self.wire(self.data(self.normal), content, gap)[0], 250)
            self.unchanged(normalized(decoded(content)))

    def both(self, row, forms, gap=None):
        for form in forms:
            content = HEAD + b"x" + form + SMUGGLED
            self.refused(row, form, content, gap)
            self.made_normal(row, form, content, gap)

    def test_SY_01_lf_dot_lf(self):
        self.both("SY-01", BARE_LF[:1])

    def test_SY_02_lf_dot_crlf(self):
        self.both("SY-02", BARE_LF[1:2])

    def test_SY_03_crlf_dot_lf(self):
        self.both("SY-03", BARE_LF[2:])

    def test_SY_04_bare_cr(self):
        self.both("SY-04", BARE_CR)

    def test_SY_05_doubled_cr(self):
        self.both("SY-05", DOUBLED)

    def test_SY_06_nul(self):
        for form in NULS:
            content = HEAD + b"x" + form + SMUGGLED
            self.refused("SY-06", form, content)
            with self.row("SY-06", form=form, refused=1, mode="normalize"):
                self.assertEqual(self.wire(self.data(self.normal), content)[0],
                                 550)
        with self.row("SY-06", form="a real end after NUL", refused=1):
            c = self.data()
            self.assertEqual(c.content(HEAD + b"\0\r\n.\r\n")[0], 550)
            self.in_sync(c)

    def passes(self, row, forms, head=HEAD):
        for form in forms:
            with self.row(row, form=form, delivered=1):
                content = head + b"x" + form + b"y\r\n"
                self.assertEqual(self.wire(self.data(), content)[0], 250)
                self.unchanged(decoded(content))

    def test_SY_07_near_misses(self):
        self.both("SY-07", [b"\n\r.\n\r"])
        self.passes("SY-07", SPACES)

    def test_SY_08_stuffed_dot(self):
        self.passes("SY-08", [b"\r\n..\r\n", b"\r\n...\r\n", b"\r\n..x\r\n"])

    def test_SY_09_controls(self):
        self.passes("SY-09", CONTROLS)

    def test_SY_10_top_bit_and_unicode(self):
        self.passes("SY-10", WIDE)

    def test_SY_11_an_octet_a_segment(self):
        gap = 0.0002
        self.both("SY-11", BARE_LF + DOUBLED[:3], gap)
        for form in NULS:
            self.refused("SY-11", form, HEAD + b"x" + form + b"y\r\n", gap)

    def test_SY_12_inside_a_header_field(self):
        for form in BARE_LF + DOUBLED[:3] + NULS:
            self.refused("SY-12", form, HEAD[:-2] + b"X-Y: a" + form +
                         SMUGGLED + b"\r\n")

    STRADDLING = (b"\n.\r\n", b"\r\n.\n", b"\r\n.\r\r\n")

    def astride(self, border, port=None):
        """Each false end, cut by the border at each of its octets: the code
        of the one reply, and content."""
        for form in self.STRADDLING:
            for cut in range(1, len(form)):
                content = self.padded(border - cut) + form + SMUGGLED
                self.assertEqual(content[border - cut:][:len(form)], form)
                yield self.wire(self.data(port), content)[0], content

    def test_SY_13_across_block_borders(self):
        count = sum(len(form) - 1 for form in self.STRADDLING)
        for border in (1024, 4096, 8192, 16384, 65536):
            with self.row("SY-13", border=border, refused=count):
                self.assertEqual([c for c, _ in self.astride(border)],
                                 [550] * count)
            with self.row("SY-13", border=border, delivered=count):
                for code, content in self.astride(border, self.normal):
                    self.assertEqual(code, 250)
                    self.unchanged(normalized(decoded(content)))
            with self.row("SY-13", border=border, delivered=5):
                for cut in range(5):
                    content = self.padded(border - cut) + b"\r\n..\r\ny\r\n"
                    self.assertEqual(self.wire(self.data(), content)[0], 250)
                    self.unchanged(decoded(content))

    @staticmethod
    def padded(size):
        """A message of size octets whose last line has not ended."""
        lines = (size - len(HEAD)) // 100
        rest = (size - len(HEAD)) % 100
        return HEAD + (b"p" * 98 + b"\r\n") * lines + b"q" * rest

    def test_SY_14_first_octets_that_are_no_end(self):
        for first in (b".\n", b".\r", b".\0\r\n"):
            self.refused("SY-14", first, first + HEAD + SMUGGLED)

    def test_SY_15_empty_message(self):
        with self.row("SY-15", refused=1):
            c = self.data()
            code, text = c.content(b".\r\n")
            self.assertEqual((code, text[:6]), (550, "5.6.0 "))
            self.in_sync(c)

    def test_SY_16_end_in_pieces(self):
        for cut in range(1, 5):
            with self.row("SY-16", cut=cut, delivered=1):
                c = self.data()
                end = b"\r\n.\r\n"
                c.send(HEAD + b"x" + end[:cut])
                time.sleep(0.15)
                c.send(end[cut:])
                self.assertEqual(c.reply()[0], 250)
                self.in_sync(c)
                self.unchanged(HEAD + b"x\r\n")
        with self.row("SY-16", cut="all", delivered=1):
            c = self.data()
            self.assertEqual(c.content(HEAD + b"x" + b"\r\n.\r\n", 0.002)[0],
                             250)
            self.unchanged(HEAD + b"x\r\n")

    def test_SY_17_nul_behind_the_end(self):
        with self.row("SY-17", delivered=1):
            c = self.data()
            c.send(HEAD + b"x\r\n.\r\n\0MAIL FROM:<smug@example.com>\r\n")
            self.assertEqual(c.codes(2), [250, 500])
            self.in_sync(c)

    PIECES = (b".", b"..", b"\r\n", b"\r\n", b"\r\n.", b"a", b" ", b"\t",
              b"\xe4", b"From:", b"\r\n.\r\n")

    def test_SY_18_any_chunking(self):
        """Of any message: each seed has its own, and its own cuts."""
        with self.row("SY-18", delivered=1000):
            c = self.session()
            c.judged = False # for its time; the other rows judge
            contents = []
            for seed in range(1000):
                chance = random.Random(seed)
                contents.append(HEAD + b"".join(chance.choices(
                    self.PIECES, k=chance.randint(0, 30))) + b"\r\n")
                wire = stuffed(contents[-1]) + END
                c.send(f"MAIL FROM:<{SENDER}>\r\nRCPT TO:<{RECIPIENT}>\r\n"
                       "DATA\r\n")
                self.assertEqual(c.codes(3), [250, 250, 354])
                cuts = sorted(chance.sample(range(1, len(wire)),
                                            chance.randint(0, 12)))
                for at, end in itertools.pairwise([0, *cuts, len(wire)]):
                    c.send(wire[at:end])
                self.assertEqual(c.reply()[0], 250, f"seed {seed}")
            for content, got in zip(contents, self.arrived(), strict=True):
                self.unchanged(content, got)

    def test_SY_19_dots_and_blank_lines(self):
        for body in (b".\r\n", b"..\r\n", b"...x\r\n", b"\r\n\r\n\r\n", b"",
                     b".\r\n.\r\n.\r\n", b"\r\n.", b"."):
            with self.row("SY-19", body=body, delivered=1):
                content = HEAD + body
                wire = stuffed(content)
                if not wire.endswith(b"\r\n"):
                    wire, content = wire + b"\r\n", content + b"\r\n"
                self.assertEqual(self.wire(self.data(), wire)[0], 250)
                self.unchanged(content)

    def test_SY_20_dot_lines_everywhere(self):
        body, n = bytearray(), 0
        while len(body) < 300 * 1024:
            body += b".\r\n" + b"y" * (n % 67) + b"\r\n"
            n += 1
        with self.row("SY-20", delivered=1):
            content = HEAD + bytes(body)
            self.assertEqual(self.wire(self.data(), stuffed(content))[0], 250)
            self.unchanged(content)

    def test_SY_21_longest_line(self):
        self.passes("SY-21", [b"\r\n" + b"x" * 998 + b"\r\n"])

    def test_SY_22_lines_too_long(self):
        for size in (999, 2048, 1 << 20):
            self.refused("SY-22", size, HEAD + b"x" * size + b"\r\n")

    def test_SY_23_strange_headers(self):
        """250 with a valid header and the body as it was, or 550."""
        for name, text in {
                "no header": b"x\r\ny\r\n",
                "header alone": HEAD[:-2],
                "first line empty": b"\r\n" + HEAD + b"body\r\n",
                "first line with a space": b" x\r\n" + HEAD + b"body\r\n",
                "mbox": b"From a b\r\n" + HEAD + b"body\r\n",
                "no colon": HEAD[:-2] + b"nothing\r\n\r\nbody\r\n",
                "space before colon": HEAD[:-2] + b"X : y\r\n\r\nbody\r\n",
                "NUL name": HEAD[:-2] + b": y\r\n\r\nbody\r\n",
                "folded": HEAD[:-2] + b"X: y\r\n \t\r\n z\r\n\r\nbody\r\n",
        }.items():
            with self.subTest(row="SY-23", header=name):
                before = len(self.up.messages)
                code, text2 = self.wire(self.data(), text)
                self.assertIn(code, (250, 550), text2)
                if code == 250:
                    got = self.up.messages[before]
                    self.valid_header(got.data)
                    if b"\r\n\r\n" not in text:
                        text += b"\r\n" # the blank line is added
                    self.unchanged(text, got)
                self.assertEqual(len(self.up.messages),
                                 before + (code == 250))
                self.ordinary()

    def valid_header(self, data):
        header = data.partition(b"\r\n\r\n")[0] + b"\r\n"
        self.assertRegex(header, rb"\A([!-9;-~]+[ \t]*:[^\r\n]*\r\n"
                                 rb"([ \t][^\r\n]*\r\n)*)+\Z")
