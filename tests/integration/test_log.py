"""Whatever a client is refused, the log says so, with the reason."""
import json
import re
import socket
import unittest

import scratch
from rawclient import RawClient
from sealpost import Sealpost, message, route, section
from upstream import CapturingUpstream

MAIL, RCPT = "MAIL FROM:<alice@example.com>", "RCPT TO:<bob@example.net>"


def deaf(session, line):
    """An upstream that does not know some."""
    for name in ("nobody", "gone"):
        if f"<{name}@".encode() in line:
            return f"550 5.1.1 No {name} here"
    return None


def leave(client):
    """Its lines are in the log when that is answered."""
    try:
        client.command("QUIT")
    except OSError: # it was cut
        pass


class Refusals(unittest.TestCase):
    """One daemon; each case has a session of its own."""

    @classmethod
    def setUpClass(cls):
        cls.up = CapturingUpstream(script={"rcpt": deaf})
        cls.trusted, cls.inbound = scratch.free_port(), scratch.free_port()
        cls.down, dead = scratch.free_port(), scratch.free_port()
        try:
            cls.sp = Sealpost(
                cls.up.port, listen={"max_message_size": "4K"},
                limits={"auth_failures": 1, "recipients": 3}, extra=route(
                    "trusted", cls.trusted,
                    {"address": f"127.0.0.1:{cls.up.port}", "tls": "none"})
                + route("down", cls.down, {
                    "address": f"127.0.0.1:{dead}", "tls": "none"})
                + section("listen inbound", {
                    "address": f"127.0.0.1:{cls.inbound}", "tls": "none",
                    "mode": "inbound", "relay_domains": "example.net",
                    "trusted_networks": "127.0.0.1", "upstream": "trusted"}))
        except BaseException:
            cls.up.stop()
            raise

    @classmethod
    def tearDownClass(cls):
        try:
            cls.sp.stop()
        finally:
            cls.up.stop()

    def say(self, *lines, port=None):
        """The last answer to these lines."""
        client = RawClient(port or self.trusted)
        try:
            for line in lines:
                code, text = client.command(line)
            leave(client)
        finally:
            client.socket.close()
        return code, text

    def refused(self, *lines, port=None):
        """The same, and the one line that it must be, but for the ID."""
        before = len(self.sp.lines("command-refused"))
        code, text = self.say(*lines, port=port)
        self.assertGreaterEqual(code, 400, text)
        found = self.sp.wait_line("command-refused", before + 1)[before:]
        self.assertEqual(len(found), 1, found)
        said = re.sub(r" \[\w+\]$", "", text)
        self.assertEqual(found[0]["reply"], f"{code} {said}")
        self.assertEqual(found[0]["client"], "127.0.0.1")
        return found[0]

    # --- commands --------------------------------------------------------

    def test_commands_out_of_place(self):
        for command, lines in {
                "MAIL": [MAIL], "RCPT": ["EHLO x", RCPT],
                "unknown": ["EHLO x", "FOO bar"],
                "DATA": ["EHLO x", MAIL, "DATA"]}.items():
            with self.subTest(command):
                line = self.refused(*lines)
                self.assertEqual(line["command"], command)
                self.assertEqual(line["listener"], "trusted")

    def test_before_tls_and_login(self):
        line = self.refused("EHLO me.example", MAIL, port=self.sp.port)
        self.assertEqual(line["listener"], "main")
        self.assertEqual(line["helo"], "me.example")
        self.assertIn("STARTTLS", line["reply"])
        secret = "AGFsaWNlAHNlY3JldA=="
        self.refused("EHLO x", "AUTH PLAIN " + secret, port=self.sp.port)
        self.assertNotIn(secret, self.sp.log())

    def test_arguments(self):
        self.refused("EHLO x", "MAIL FROM:alice")
        self.assertIn("too big", self.refused(
            "EHLO x", MAIL + " SIZE=99999999999")["reply"])
        self.refused("EHLO x", MAIL + " FOO=bar")
        self.refused("EHLO x", MAIL, "RCPT TO:nobody")

    def test_the_id_of_the_answer(self):
        before = len(self.sp.lines("command-refused"))
        _, text = self.say("EHLO x", MAIL, "RCPT TO:<>")
        line = self.sp.wait_line("command-refused", before + 1)[before]
        self.assertTrue(text.endswith(f"[{line['id']}]"), (text, line))

    # --- recipients ------------------------------------------------------

    def test_one_of_three_recipients(self):
        before = len(self.sp.lines("message"))
        client = RawClient(self.trusted)
        for line in ("EHLO x", MAIL, RCPT, "RCPT TO:<nobody@example.net>",
                     "RCPT TO:<jim@example.net>", "DATA"):
            code, text = client.command(line)
        self.assertEqual(code, 354, text)
        client.send(message() + b"\r\n.\r\n")
        self.assertEqual(client.reply()[0], 250)
        leave(client)
        client.socket.close()
        whole = self.sp.wait_line("message", before + 1)[before]
        self.assertEqual(whole["to"], "bob@example.net,jim@example.net")
        line = self.sp.lines("command-refused")[-1]
        self.assertEqual(
            (line["id"], line["from"], line["to"], line["reply"]),
            (whole["id"], "alice@example.com", "nobody@example.net",
             "550 5.1.1 No nobody here"))
        self.assertIn(f":{self.up.port}", line["upstream"])

    def test_all_recipients(self):
        before = len(self.sp.lines("message"))
        line = self.refused("EHLO x", MAIL, "RCPT TO:<gone@example.net>")
        self.assertEqual(line["to"], "gone@example.net")
        self.assertEqual(line["reply"], "550 5.1.1 No gone here")
        whole = self.sp.wait_line("message", before + 1)[before]
        self.assertEqual((whole["id"], whole["outcome"], whole["reply"]),
                         (line["id"], "refused", line["reply"]))

    def test_relaying_denied(self):
        line = self.refused("EHLO x", MAIL, "RCPT TO:<bob@example.com>",
                            port=self.inbound)
        self.assertEqual((line["listener"], line["to"]),
                         ("inbound", "bob@example.com"))
        self.assertNotIn("upstream", line) # it was not asked
        self.assertEqual(self.sp.lines("assert-failed"), [])

    def test_why_no_upstream(self):
        before = len(self.sp.lines("message"))
        code, text = self.say("EHLO x", MAIL, port=self.down)
        self.assertEqual(code, 451, text)
        line = self.sp.wait_line("message", before + 1)[before]
        self.assertTrue(text.endswith(f"[{line['id']}]"), (text, line))
        self.assertRegex(line["cause"], r"127\.0\.0\.1.*: connection refused")

    def test_what_only_follows(self):
        bad = MAIL + " FOO=bar"
        for lines, commands in (
                ((bad, RCPT, "DATA"), ["MAIL"]),
                ((bad, "RSET", RCPT), ["MAIL", "RCPT"]),
                ((bad, "FOO", MAIL, "DATA"), ["MAIL", "unknown", "DATA"]),
                ((MAIL, "RCPT TO:<gone@example.net>", "DATA"), ["RCPT"])):
            with self.subTest(lines):
                before = len(self.sp.lines("command-refused"))
                self.assertGreaterEqual(self.say("EHLO x", *lines)[0], 400)
                self.assertEqual(
                    [x["command"]
                     for x in self.sp.lines("command-refused")[before:]],
                    commands)

    def test_too_many_recipients(self):
        self.assertIn("Too many recipients", self.refused(
            "EHLO x", MAIL, RCPT, RCPT, RCPT, RCPT)["reply"])

    # --- connections -----------------------------------------------------

    def cut(self, *lines, port=None):
        before = len(self.sp.lines("cut"))
        self.say(*lines, port=port)
        return self.sp.wait_line("cut", before + 1)[before]["reason"]

    def test_cut(self):
        self.assertEqual(self.cut("GET / HTTP/1.1"), "not-smtp")
        self.assertEqual(self.cut("EHLO x", "x" * 70000), "line-too-long")
        self.assertEqual(self.cut("EHLO x", *["FOO"] * 20), "errors")
        self.assertEqual(self.cut("EHLO x", *["NOOP"] * 101), "junk_commands")

    def test_handshake(self):
        before = len(self.sp.lines("tls-failed"))
        with socket.create_connection(("127.0.0.1", self.sp.tls_port)) as s:
            s.sendall(b"EHLO x\r\n" * 10)
            line = self.sp.wait_line("tls-failed", before + 1)[before]
        self.assertEqual((line["client"], line["listener"]),
                         ("127.0.0.1", "implicit"))

    def test_login_is_said_once(self):
        before = len(self.sp.lines("command-refused"))
        cuts = len(self.sp.lines("cut"))
        client = RawClient(self.sp.port)
        client.command("EHLO x")
        client.command("STARTTLS")
        client.wrap()
        client.command("EHLO x")
        self.assertEqual(client.command("AUTH PLAIN AGFsaWNlAHdyb25n")[0], 421)
        client.socket.close()
        self.assertEqual(self.sp.wait_line("cut", cuts + 1)[cuts]["reason"],
                         "auth_failures")
        self.assertEqual(len(self.sp.lines("command-refused")), before)


class Privacy(unittest.TestCase):
    def test_log_recipients(self):
        for how, said in (("domain", "example.net"), ("count", None)):
            with self.subTest(how), \
                    CapturingUpstream(script={"rcpt": deaf}) as up, \
                    Sealpost(up.port, server={"log_recipients": how}, listen={
                        "tls": "none", "trusted_networks": "127.0.0.1"}) as sp:
                client = RawClient(sp.port)
                for line in ("EHLO x", MAIL, "RCPT TO:<gone@example.net>"):
                    client.command(line)
                client.socket.close()
                line = sp.wait_line("command-refused")[0]
                self.assertEqual(line.get("to"), said)


class Json(unittest.TestCase):
    def test_each_name_once(self):
        def once(pairs):
            self.assertEqual(len(pairs), len(dict(pairs)), pairs)
            return dict(pairs)

        with CapturingUpstream() as up, Sealpost(
                up.port, server={"log_format": "json"}, listen={
                    "tls": "none", "trusted_networks": "127.0.0.1"}) as sp:
            client = RawClient(sp.port)
            for line in ("EHLO x", "FOO", MAIL, RCPT):
                client.command(line)
            client.socket.close()
            scratch.wait_for("its line", lambda: '"message"' in sp.log())
            lines = [json.loads(x, object_pairs_hook=once)
                     for x in sp.log().splitlines() if x.startswith("{")]
            line, = [x for x in lines if x["event"] == "message"]
            self.assertEqual((line["client"], line["client_gone"]),
                             ("127.0.0.1", "yes"))


if __name__ == "__main__":
    unittest.main()
