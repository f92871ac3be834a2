"""What attackers write to a plain listener as commands: rows SY from SY-24.

Every row ends with the checks of wire.WireCase.row().
"""
import re
import socket
import ssl

from upstream import reply
from wire import END, HEAD, RECIPIENT, SENDER, Plain, rss, worker


class Commands(Plain):
    def answers(self, row, line, codes, begin=(), **what):
        """One reply to line, then the session is in step."""
        with self.row(row, line=line, **what):
            c = self.session()
            for text in begin:
                c.expect(text, 250)
            c.send(line + b"\r\n")
            code, text = c.reply()
            self.assertIn(code, codes, text)
            self.in_sync(c)
            return text

    MAIL = (f"MAIL FROM:<{SENDER}>",)

    def test_SY_24_nul(self):
        for line in (b"NO\0OP", b"\0NOOP", b"NOOP\0",
                     b"MAIL FROM:<a\0@smug>", b"MAIL FROM:<a@smug>\0"):
            self.answers("SY-24", line, (500, 501))
        for line in (b"RCPT TO:<a\0@smug>", b"RCPT TO:<a@smug>\0",
                     b"RCPT TO:<a@smug\0>"):
            self.answers("SY-24", line, (500, 501), self.MAIL)

    def test_SY_25_cr_between_commands(self):
        self.answers("SY-25", b"MAIL FROM:<a@smug>\rRCPT TO:<b@smug>",
                     (500, 501))

    def test_SY_26_controls_in_addresses(self):
        for line in (b'RCPT TO:<"a\\\rb"@smug>', b"RCPT TO:<a\vb@smug>",
                     b'RCPT TO:<"a\x1bb"@smug>', b"RCPT TO:<a\x7f@smug>",
                     b'RCPT TO:<"a\\\0b"@smug>'):
            self.answers("SY-26", line, (500, 501), self.MAIL)

    def test_SY_27_lf_ends_no_command(self):
        with self.row("SY-27", refused=0):
            c = self.session()
            c.expect(self.MAIL[0], 250)
            for line in (b"NOOP\n", b"RSET\n"):
                c.send(line + b"NOOP\r\n") # LF and what follows: one line
                self.assertEqual(c.reply()[0], 500)
            c.expect(f"RCPT TO:<{RECIPIENT}>", 250) # RSET was not executed

    def test_SY_28_utf8(self):
        for line, codes in ((b"MAIL FROM:<\xc3\xa4@example.com>", (553, 501)),
                            (b"MAIL FROM:<\xff@example.com> SMTPUTF8",
                             (553, 501)),
                            (b"MAIL FROM:<\xc0\x80@example.com> SMTPUTF8",
                             (553, 501)),
                            (b"MAIL FROM:<a@\xed\xa0\x80.com> SMTPUTF8",
                             (553, 501))):
            self.answers("SY-28", line, codes)
        self.answers("SY-28", b"RCPT TO:<\xc3\xa4@example.net>", (553, 501),
                     self.MAIL)
        with self.row("SY-28", line="good UTF-8 passes", delivered=1):
            c = self.session()
            c.expect("MAIL FROM:<\u00e4@example.com> SMTPUTF8", 250)
            c.expect("RCPT TO:<\u00f6@example.net>", 250)
            c.expect("DATA", 354)
            self.assertEqual(c.content(HEAD + END)[0], 250)
            got = self.arrived()[0]
            self.assertEqual((got.sender, got.recipients),
                             ("\u00e4@example.com", ["\u00f6@example.net"]))

    def test_SY_29_long_lines(self):
        token = b"MAIL FROM:<smug@example.com> "
        for size in (511, 512, 513, 1024, 2045, 2046, 2047, 2048, 4096, 16384,
                     65533, 65534, 65535, 65536, 131072, 1048577):
            with self.row("SY-29", octets=size):
                c = self.session()
                line = b"X" + (token * (size // len(token) + 1))[:size - 1]
                try:
                    c.send(line + b"\r\nRSET\r\n")
                    codes = c.codes(2)
                except OSError: # closed while we wrote
                    codes = c.rest()
                self.assertIn(codes, ([500, 250], [421, 0], [421]))
                if size <= 4096:
                    self.assertEqual(codes, [500, 250])
                if size > 65536:
                    self.assertEqual(codes[0], 421)

    def test_SY_29_any_offset(self):
        """Wherever a line is cut: what stands behind is never a command."""
        token = b"MAIL FROM:<smug@example.com> "
        for size in (511, 2047, 2048, 4096):
            with self.row("SY-29", octets=size, offset="each"):
                for shift in range(len(token)):
                    if shift % 10 == 0: # as many errors as a session may make
                        c = self.session()
                    line = b"X" * (shift + 1) + token * (size // len(token))
                    c.send(line[:size] + b"\r\nRSET\r\nVRFY x\r\n")
                    self.assertEqual(c.codes(3), [500, 250, 252], shift)

    def test_SY_30_no_line_end(self):
        with self.row("SY-30"):
            pid = worker(self.sp)
            before, sent = rss(pid), 0
            c = self.session()
            c.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
            c.socket.settimeout(5)
            try:
                while sent < 8 << 20:
                    c.send(b"A" * 4096)
                    sent += 4096
            except TimeoutError:
                self.fail("it neither reads nor closes")
            except OSError:
                pass
            # 64 KiB are thrown away, the rest is in the kernel's buffers.
            self.assertLess(sent, 2 << 20, "taken to its end")
            self.assertLess(rss(pid) - before, 1 << 20)
        with self.row("SY-30", octets=65536):
            c = self.session()
            c.send(b"A" * 65536)
            code, text = c.reply()
            self.assertEqual((code, text[:6]), (421, "4.7.0 "))
            self.assertTrue(c.closed())

    def test_SY_31_sizes(self):
        for size in ("-1", "1e3", "18446744073709551617", "", "+1", "0x10",
                     "99999999999999999999", "4194305"):
            self.answers("SY-31", f"{self.MAIL[0]} SIZE={size}".encode(),
                         (501, 552))

    def test_SY_32_parameters(self):
        for text, codes in (("BODY=9BIT", (501, 555)), ("XYZZY=1", (555,)),
                            ("SIZE=1 SIZE=2", (501,)),
                            ("BODY=7BIT\rX", (500, 501)), ("BODY", (501,)),
                            ("SMTPUTF8=1", (501,)), ("=", (501, 555)),
                            ("BODY=BINARYMIME", (501, 555)),
                            ("RET=HALF", (501,)), ("X=\x01", (500,))):
            self.answers("SY-32", f"{self.MAIL[0]} {text}".encode(), codes)

    def test_SY_33_xtext(self):
        for text in ("a+00b", "a+0D+0ARSET", "a+0", "a+zz", "a b"):
            self.answers("SY-33", f"{self.MAIL[0]} ENVID={text}".encode(),
                         (501, 555))
        self.answers("SY-33", f"RCPT TO:<{RECIPIENT}> ORCPT=rfc822;a+0D+0ARSET"
                     .encode(), (501,), self.MAIL)
        with self.row("SY-33", line="good xtext passes", delivered=1):
            c = self.session()
            c.expect(self.MAIL[0] + " ENVID=a+2Bb+3D", 250)
            c.expect(f"RCPT TO:<{RECIPIENT}> ORCPT=rfc822;a+2Bb@x", 250)
            c.expect("DATA", 354)
            self.assertEqual(c.content(HEAD + END)[0], 250)
            self.assertIn("ENVID=a+2Bb+3D", self.arrived()[0].parameters)

    def test_SY_34_recipients(self):
        for text in ("<>", "<a@b.example> <c@d.example>", "<a@b.example",
                     "a@b.example>", "<a@b.example,c@d.example>", "", "<@>",
                     "<a@>", "<@b.example>", "<a@b..example>", "<a@-b>",
                     f"<{'l' * 5000}@b.example>", f"<a@{'d' * 5000}.example>",
                     f"<a@{'d' * 300}.example>", "<a@[999.1.1.1]>",
                     '<"a@b.example>'):
            self.answers("SY-34", f"RCPT TO:{text}".encode(), (500, 501, 553),
                         self.MAIL)

    def test_SY_35_addresses_are_data(self):
        """Forwarded as they are or refused; nobody interprets them."""
        for address in ("-oX@y.example", "a%b@y.example", "a!b@y.example",
                        "|x@y.example", "$(id)@y.example", "`id`@y.example",
                        "../../etc/x@y.example", "/etc/x@y.example",
                        "@a.example,@b.example:c@y.example",
                        ";id;@y.example", '";id;"@y.example'):
            with self.subTest(row="SY-35", address=address):
                first = len(self.up.messages)
                c = self.session()
                c.expect(self.MAIL[0], 250)
                code, text = c.command(f"RCPT TO:<{address}>")
                self.assertIn(code, (250, 501), text)
                if code == 250:
                    c.expect("DATA", 354)
                    self.assertEqual(c.content(HEAD + END)[0], 250)
                    # RFC 5321 4.1.1.3: a source route is taken off.
                    self.assertEqual(self.up.messages[first].recipients,
                                     [address.rpartition(":")[2]])
                self.ordinary()
                self.invariants()

    def sequence(self, row, *steps, **what):
        """(line, code or codes): each in turn."""
        with self.row(row, steps=steps, **what):
            c = self.client()
            for line, codes in steps:
                code, text = c.command(line)
                self.assertIn(code, codes if isinstance(codes, tuple)
                              else (codes,), f"{line}: {text}")
                self.judge(c)

    def judge(self, c):
        self.assertEqual(c.buffer, b"", "more than one reply")

    def test_SY_36_out_of_order(self):
        rcpt, mail = f"RCPT TO:<{RECIPIENT}>", self.MAIL[0]
        ehlo = ("EHLO c.test", 250)
        self.sequence("SY-36", ehlo, (rcpt, 503))
        self.sequence("SY-36", ehlo, ("DATA", 503))
        self.sequence("SY-36", ehlo, (mail, 250), ("DATA", (503, 554)))
        self.sequence("SY-36", ehlo, (mail, 250), (mail, 503), (rcpt, 250),
                      (mail, 503))
        self.sequence("SY-36", (mail, 503), (rcpt, 503), ("DATA", 503))

    def test_SY_37_after_a_refused_message(self):
        with self.row("SY-37", refused=1, delivered=1):
            c = self.data()
            self.up.set("dot", reply("554 5.6.0 not this one"))
            try:
                self.assertEqual(c.content(HEAD + END)[0], 554)
            finally:
                self.up.set("dot")
            c.expect(f"RCPT TO:<{RECIPIENT}>", 503)
            c.expect("DATA", 503)
            c.envelope(SENDER, RECIPIENT)
            self.assertEqual(c.content(HEAD + END)[0], 250)

    def test_SY_38_failed_mail_inside(self):
        with self.row("SY-38"):
            c = self.session()
            c.expect(self.MAIL[0], 250)
            c.send(b"MAIL FROM:<\xff@example.com> SMTPUTF8\r\n")
            self.assertEqual(c.reply()[0], 503)
            c.expect("VRFY x", 252)
            c.expect("RSET", 250)
            c.expect("DATA", 503)

    def test_SY_39_reset_forgets(self):
        rcpt = f"RCPT TO:<{RECIPIENT}>"
        for verb in ("RSET", "EHLO c.test", "HELO c.test"):
            self.sequence("SY-39", ("EHLO c.test", 250), (self.MAIL[0], 250),
                          (rcpt, 250), (verb, 250), (rcpt, 503),
                          ("DATA", 503))

    def test_SY_40_nothing_behind_quit(self):
        with self.row("SY-40"):
            c = self.session()
            c.send("QUIT\r\nMAIL FROM:<smug@example.com>\r\nNOOP\r\n")
            self.assertEqual(c.rest(), [221])
        with self.row("SY-40", inside="a transaction"):
            c = self.session()
            c.send(f"{self.MAIL[0]}\r\nRCPT TO:<{RECIPIENT}>\r\nQUIT\r\n"
                   "DATA\r\n")
            self.assertEqual(c.rest(), [250, 250, 221])

    def test_SY_41_all_refused(self):
        with self.row("SY-41", refused=1):
            self.up.set("rcpt", reply("550 5.1.1 nobody"))
            try:
                c = self.session()
                c.send(f"{self.MAIL[0]}\r\nRCPT TO:<a@b.example>\r\n"
                       "RCPT TO:<c@b.example>\r\nDATA\r\n")
                codes = c.codes(4)
                self.assertEqual(codes[:3], [250, 550, 550])
                self.assertIn(codes[3], (503, 554))
                c.expect("RSET", 250)
            finally:
                self.up.set("rcpt")

    def test_SY_42_all_in_one_segment(self):
        with self.row("SY-42", delivered=1):
            c = self.session()
            c.send(f"{self.MAIL[0]}\r\nRCPT TO:<{RECIPIENT}>\r\nDATA\r\n"
                   .encode() + HEAD + END + b"NOOP\r\n")
            self.assertEqual(c.codes(5), [250, 250, 354, 250, 250])
            self.in_sync(c)

    def flood(self, lines):
        """The codes of the replies up to the close."""
        c = self.session()
        try:
            c.send("".join(line + "\r\n" for line in lines))
        except OSError:
            pass
        return c.rest()

    def test_SY_43_bad_verbs(self):
        with self.row("SY-43"):
            codes = self.flood(["BAD"] * 500)
            self.assertEqual(codes[-1], 421)
            self.assertLessEqual(len(codes), 20)

    def test_SY_44_noops(self):
        with self.row("SY-44"):
            codes = self.flood(["NOOP"] * 2000)
            self.assertEqual(codes[-1], 421)
            self.assertLessEqual(len(codes), 101)
            self.assertEqual(set(codes[:-1]), {250})

    def test_SY_45_many_recipients(self):
        with self.row("SY-45"):
            pid = worker(self.sp)
            before = rss(pid)
            c = self.session()
            c.judged = False
            lines = b"".join(b"RCPT TO:<u%d@example.net>\r\n" % n
                             for n in range(5000))
            c.send(self.MAIL[0].encode() + b"\r\n" + lines)
            codes = c.codes(5001)[1:]
            self.assertEqual(codes, [250] * 1000 + [452] * 4000)
            self.assertLess(rss(pid) - before, 2 << 20)
            c.expect("RSET", 250)

    def test_SY_46_verbs_of_others(self):
        for verb in ("XCLIENT ADDR=1.2.3.4", "XFORWARD NAME=x", "DEBUG",
                     "WIZ", "KILL", "SITE", "TURN", "SEND FROM:<a@smug>",
                     "SOML FROM:<a@smug>", "SAML FROM:<a@smug>", "XEXCH50 2 2",
                     "BURL imap://x LAST", "EXPN x", "ETRN x",
                     "XEXPS GSSAPI"):
            self.answers("SY-46", verb.encode(), (500, 502, 550))

    def test_help(self):
        c = self.session()
        for line in ("HELP", "HELP MAIL"):
            self.assertIn("RFC 5321", c.expect(line, 214))
        c.expect("EXPN list", 502)
        self.in_sync(c)

    def test_SY_47_proxy_header_of_a_stranger(self):
        v2 = (b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\x7f\0\0\1\x7f\0\0\1"
              b"\0\x19\0\x19")
        for line in (b"PROXY TCP4 192.0.2.1 192.0.2.2 1 25\r\n",
                     b"PROXY UNKNOWN\r\n", v2 + b"\r\n"):
            with self.row("SY-47", line=line):
                c = self.client()
                c.send(line + b"QUIT\r\n")
                codes = c.rest()
                self.assertTrue(codes == [] or codes[0] // 100 in (4, 5),
                                codes)
        self.assertNotIn("192.0.2.1", self.sp.log())

    def test_SY_49_other_protocols(self):
        hello = ssl.MemoryBIO()
        context = ssl.create_default_context()
        tls = context.wrap_bio(ssl.MemoryBIO(), hello, server_hostname="x")
        with self.assertRaises(ssl.SSLWantReadError):
            tls.do_handshake()
        smtp = b"EHLO x\r\nMAIL FROM:<smug@example.com>\r\n"
        for text in (b"POST / HTTP/1.1\r\nHost: x\r\n\r\n" + smtp,
                     b"GET / HTTP/1.1\r\n\r\n" + smtp,
                     b"CONNECT x:25 HTTP/1.1\r\n\r\n" + smtp,
                     hello.read() + b"\r\n" + smtp):
            with self.row("SY-49", first=text[:8]):
                c = self.client()
                c.send(text)
                self.assertEqual(c.rest(), [])

    def test_SY_50_hostile_names(self):
        for name in (b"a b", b"<script>", b"x;id", b'"q"', b"a\tb", b"\xff\xfe",
                     b"(comment)", b"a\\b", b"=?utf-8?q?x?=", b"x@y",
                     b"d" * 300, b"[127.0.0.1]; dkim=pass"):
            with self.subTest(row="SY-50", name=name):
                first = len(self.up.messages)
                c = self.client()
                c.judged = False
                c.send(b"EHLO " + name + b"\r\n")
                code, text = c.reply()
                c.judged = True
                self.assertIn(code, (250, 500, 501))
                if code == 250:
                    c.envelope(SENDER, RECIPIENT)
                    self.assertEqual(c.content(HEAD + END)[0], 250)
                    added = self.unchanged(HEAD, self.up.messages[first])
                    self.assertNotIn(name, added)
                    self.assertIn(b"127.0.0.1", added)
                log = self.new_log()
                self.assertNotIn(name.decode(errors="replace"), log)
                self.ordinary()

    def test_SY_51_hostile_senders(self):
        for sender in ('"a\\" dkim=pass x"@y.example',
                       '"event=ready level=info"@y.example',
                       "a=b\u00e4@y.example"):
            with self.subTest(row="SY-51", sender=sender):
                c = self.session()
                self.new_log()
                c.expect(f"MAIL FROM:<{sender}> SMTPUTF8", 250)
                c.expect(f"RCPT TO:<{RECIPIENT}>", 250)
                c.expect("DATA", 354)
                self.assertEqual(c.content(HEAD + END)[0], 250)
                log = self.new_log(lambda text: "event=message" in text)
                line, = [x for x in log.splitlines() if "event=message" in x]
                outside = re.sub(r'"(?:[^"\\]|\\.)*"', '""', line)
                self.assertNotIn("dkim=pass", outside)
                self.assertNotIn("event=ready", outside)
                self.assertEqual(outside.count("event="), 1)
                self.ordinary()
        self.answers("SY-51", b"MAIL FROM:<a\x1b[2J@y.example>", (500, 501))

    def test_SY_60_chunking_is_not_offered(self):
        self.assertNotIn("CHUNKING", self.client().command("EHLO c.test")[1])
        self.answers("SY-60", b"BDAT 0 LAST", (502, 503))
        with self.row("SY-60", inside="a transaction"):
            c = self.session()
            c.expect(self.MAIL[0], 250)
            c.expect(f"RCPT TO:<{RECIPIENT}>", 250)
            self.assertIn(c.command("BDAT 0 LAST")[0], (502, 503))
            self.in_sync(c)
