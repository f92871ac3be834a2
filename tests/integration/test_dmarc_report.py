"""sealpost dmarc-report: every form of report, hostile ones, sums, falls."""
import json
import os
import subprocess
import time
import unittest
import zipfile

import scratch
import sealpost
from dmarcreports import DAY, gzipped, mail, record, report, zipped

NOW = int(time.time())
TODAY = NOW - NOW % DAY
GOOD = [record("192.0.2.1", 120, [("example.com", "sp1", "pass")]),
        record("2001:db8:0::9", 3, [("example.com", "sp1", "fail")],
               ("fail", "fail"), spf=("other.example", "pass"))]


class ReportCase(unittest.TestCase):
    def setUp(self):
        self.home = scratch.folder()
        self.addCleanup(scratch.remove, self.home)
        self.state = os.path.join(self.home, "state")
        os.mkdir(self.state)
        self.conf = scratch.write(
            os.path.join(self.home, "sealpost.conf"),
            sealpost.section("server", {"hostname": "relay.test",
                                        "state_dir": self.state})
            + sealpost.section("listen a", {"address": "127.0.0.1:2525",
                                            "tls": "none", "upstream": "b"})
            + sealpost.section("upstream b", {"address": "127.0.0.1:25"}))

    def file(self, data, name="report"):
        return scratch.write(os.path.join(self.home, name), data)

    def run_it(self, *arguments, ok=(0,), **more):
        return sealpost.run("dmarc-report", *arguments, "-c", self.conf,
                            ok=ok, **more)

    def signatures(self, *arguments, **more):
        """{(domain, selector): its sums}"""
        done = self.run_it(*arguments, "--json", **more)
        return {(s["domain"], s["selector"]): s
                for s in json.loads(done.stdout)["signatures"]}

    def key(self, selector="sp1", active=True):
        sealpost.run("key", "generate", "example.com", selector, "--type",
                     "ed25519", *(["--activate"] if active else []),
                     "-c", self.conf)

    def kept(self):
        path = os.path.join(self.state, "reports/example.com.conf")
        return scratch.read(path).decode() if os.path.exists(path) else None


class Forms(ReportCase):
    def test_every_form(self):
        xml = report(GOOD, TODAY - DAY)
        for name, data in (
                ("xml", xml),
                ("9990", report(GOOD, TODAY - DAY, new=True)),
                ("bom", b"\xef\xbb\xbf" + xml),
                ("crlf", xml.replace(b"\n", b"\r\n")),
                ("gzip", gzipped(xml)),
                ("zip", zipped(xml)),
                ("stored", zipped(xml, method=zipfile.ZIP_STORED)),
                ("mail gzip", mail(gzipped(xml))),
                ("mail zip", mail(zipped(xml), kind="application/zip")),
                ("mail xml", mail(xml, kind="text/xml", encoding="8bit")),
                ("mail quoted", mail(xml, kind="text/xml",
                                     encoding="quoted-printable")),
                ("forwarded", mail(gzipped(xml), nested=True)),
                ("gzip in zip", zipped(gzipped(xml)))):
            with self.subTest(name):
                got = self.signatures(self.file(data))
                self.assertEqual(list(got), [("example.com", "sp1")])
                sums = got["example.com", "sp1"]
                self.assertEqual(
                    [sums[k] for k in ("messages", "dkim_pass", "dkim_fail",
                                       "spf_pass", "dmarc_pass")],
                    [123, 120, 3, 120, 120])
                self.assertEqual([s["source"] for s in sums["sources"]],
                                 ["192.0.2.1", "2001:db8::9"])

    def test_stdin_and_many(self):
        xml = report(GOOD, TODAY - DAY)
        self.assertIn(("example.com", "sp1"),
                      self.signatures("-", input=gzipped(xml)))
        files = [self.file(report(GOOD, TODAY - DAY, str(i)), f"r{i}")
                 for i in range(40)]
        files.append(self.file(zipped(xml, report(GOOD, TODAY, "b")), "z"))
        files.append(self.file(mail(gzipped(xml), gzipped(xml)), "m"))
        got = self.signatures(*files)["example.com", "sp1"]
        self.assertEqual(got["messages"], 123 * 44)

    def test_signatures(self):
        """Two at once, none, a selector let out, results of all kinds."""
        rows = [record("192.0.2.1", 10, [("example.com", "rsa", "pass"),
                                         ("example.com", "ed", "fail"),
                                         ("esp.example", "x", "pass")]),
                record("192.0.2.2", 5, [], ("fail", "pass")),
                record("192.0.2.3", 4, [("Example.COM", None, "pass")]),
                record("192.0.2.4", 2, [("example.com", "rsa", "temperror")],
                       ("fail", "fail")),
                record("192.0.2.5", 1, [("example.com", "rsa", "permerror")],
                       ("fail", "fail")),
                record("no address", 1, [("ex\u00e4mple", "rsa", "pass")])]
        got = {k: [v[n] for n in ("messages", "dkim_pass", "dkim_fail",
                                  "dmarc_pass")]
               for k, v in self.signatures(self.file(
                   report(rows, TODAY - DAY))).items()}
        self.assertEqual(got, {
            ("example.com", "rsa"): [13, 10, 1, 10],
            ("example.com", "ed"): [10, 0, 10, 10],
            ("esp.example", "x"): [10, 10, 0, 10],
            ("example.com", "-"): [10, 4, 6, 10]})

    def test_table(self):
        out = self.run_it(self.file(report(GOOD, TODAY))).stdout.decode()
        rows = [line.split() for line in out.splitlines()]
        self.assertEqual(rows[0][0], "DOMAIN")
        self.assertEqual(rows[1], ["example.com", "sp1", "all", "123", "120",
                                   "3", "120", "120"])
        self.assertEqual(rows[2][:2], ["2001:db8::9", "3"])
        self.assertEqual(len(rows), 3)
        out = self.run_it(self.file(report(GOOD, TODAY)), "--sources")
        self.assertEqual(len(out.stdout.splitlines()), 4)


class Hostile(ReportCase):
    def refused(self, data, why, seconds=20):
        began = time.monotonic()
        done = self.run_it(self.file(data), ok=(65,))
        self.assertIn(why, done.stderr.decode())
        self.assertLess(time.monotonic() - began, seconds)

    def test_bombs(self):
        blanks = report(GOOD, TODAY).replace(b"<feedback>",
                                             b"<feedback>" + b" " * (40 << 20))
        self.refused(zipped(blanks), "far more than a report")
        self.refused(gzipped(blanks), "far more than a report")
        self.refused(mail(gzipped(blanks)), "far more than a report")
        self.refused(gzipped(gzipped(blanks)), "nested too deep")
        # none of them too big, and not many
        some = report(GOOD, TODAY).replace(b"<feedback>",
                                           b"<feedback>" + b" " * 1000000)
        self.refused(zipped(*[some] * 70), "far more than a report")
        deep = report(GOOD, TODAY)
        for _ in range(12):
            deep = zipped(deep)
        self.refused(deep, "nested too deep")
        self.refused(zipped(*[report(GOOD, TODAY)] * 101), "too many files")

    def test_entities(self):
        secret = self.file("a secret", "secret")
        for doctype in (
                f'<!DOCTYPE f [<!ENTITY x SYSTEM "file://{secret}">]>',
                f'<!DOCTYPE feedback SYSTEM "file://{secret}">',
                '<!DOCTYPE f [<!ENTITY a "aaaaaaaaaa">'
                '<!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>'):
            xml = report(GOOD, TODAY, number="&x;").replace(
                b"<feedback>", doctype.encode() + b"<feedback>")
            self.refused(xml, "DOCTYPE")
        # known to no DTD
        self.refused(report(GOOD, TODAY, number="&x;"), "not well-formed")
        # the parser sees what a reader of octets does not
        seven = ('<?xml version="1.0" encoding="UTF-7"?>'
                 + '<!DOCTYPE f [<!ENTITY x "y">]><feedback/>'.replace(
                     "<!DOCTYPE", "+ADwAIQ-DOCTYPE")).encode()
        done = self.run_it(self.file(seven), ok=(65,))
        self.assertNotIn(b"secret", done.stdout + done.stderr)

    def test_broken(self):
        xml = report(GOOD, TODAY)
        for data, why in (
                (b"", "no report"), (b"\x00\x01", "no report"),
                (b"hello\n", "no report"), (xml[:-20], "not well-formed"),
                (b"<?xml version='1.0'?><html/>", "no DMARC report"),
                (b"<feedback>" + b"<a>" * 40, "nested too deep"),
                (b"<feedback/>", "no domain"),
                (report(GOOD, 5 * DAY, end=DAY), "date_range"),
                (gzipped(xml)[:60], "unpacked"),
                (zipped(xml)[:80], "unpacked"),
                (zipped(), "no report"),
                (mail(), "there is no report"),
                (mail(b"\x1f\x8bxxxxxxxxxxxx"), "unpacked"),
                (mail(xml, encoding="base64").replace(b"PD94", b"!!!!"),
                 "not base64")):
            with self.subTest(why + repr(data[:20])):
                self.refused(data, why)
        rows = [record(f"10.{i >> 16}.{i >> 8 & 255}.{i & 255}", 1,
                       [("example.com", "s", "pass")])
                for i in range(60000)]
        self.refused(gzipped(report(rows, TODAY)), "more sources")

    def test_one_bad_among_good(self):
        good = self.file(report(GOOD, TODAY), "good")
        bad = self.file(b"<feedback>", "bad")
        done = self.run_it(bad, good, "/nowhere", ok=(66,))
        self.assertIn(b"example.com  sp1", done.stdout)
        self.assertEqual(done.stderr.count(b"\n"), 2)


class Kept(ReportCase):
    def test_kept_once(self):
        self.key()
        path = self.file(report(GOOD, TODAY - DAY))
        self.run_it(path, "--dry-run")
        self.assertIsNone(self.kept())
        self.run_it(path)
        day = time.strftime("%Y-%m-%d", time.gmtime(TODAY - DAY))
        self.assertIn(f"sum += {day} sp1 120 3\n", self.kept())
        done = self.run_it(path)
        self.assertIn(b"1 of 1 reports were counted before", done.stderr)
        self.assertIn(f"sum += {day} sp1 120 3\n", self.kept())
        # several at once lose nothing
        running = [subprocess.Popen(
            [scratch.program("sealpost"), "dmarc-report", "-c", self.conf,
             self.file(report(GOOD, TODAY - DAY, f"at once {i}"), f"r{i}")],
            stdout=subprocess.DEVNULL) for i in range(8)]
        self.assertEqual([p.wait(60) for p in running], [0] * 8)
        self.assertIn(f"sum += {day} sp1 1080 27\n", self.kept())
        # not before a domain is ours
        self.run_it(self.file(report(record(
            "192.0.2.1", 1, [("other.example", "s", "pass")]), TODAY, "2")))
        self.assertEqual(sorted(os.listdir(self.state + "/reports")),
                         [".lock", "example.com.conf"])

    def test_future(self):
        self.key()
        done = self.run_it(self.file(report(GOOD, TODAY + 5 * DAY)))
        self.assertIn(b"a time to come", done.stderr)
        self.assertIsNone(self.kept())

    def test_fall_is_told(self):
        """Before the key 99 of 100 passed; then 60 of 100."""
        self.key()
        note = os.path.join(self.state, "keys/example.com/sp1.conf")
        text = scratch.read(note).decode()
        began = time.strftime("%Y-%m-%dT%H:%M:%SZ",
                              time.gmtime(TODAY - 5 * DAY))
        scratch.write(note, "\n".join(
            f"activated = {began}" if line.startswith("activated =") else line
            for line in text.splitlines()) + "\n", 0o600)
        for days, selector, passed, failed in ((9, "old", 990, 10),
                                               (2, "sp1", 600, 400)):
            rows = [record("192.0.2.1", passed,
                           [("example.com", selector, "pass")]),
                    record("192.0.2.2", failed,
                           [("example.com", selector, "fail")])]
            done = self.run_it(self.file(report(rows, TODAY - days * DAY,
                                                str(days))))
        self.assertIn(b"example.com: the next rotation waits: receivers "
                      b"report that 60 % of the signatures of sp1 pass, and "
                      b"99 % did before", done.stderr)


if __name__ == "__main__":
    unittest.main()
