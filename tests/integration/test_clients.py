"""Real mail clients against one daemon: in clear, STARTTLS, implicit TLS, each
AUTH mechanism that they have, SMTPUTF8, DSN, BDAT."""
import json
import os
import shutil
import smtplib
import subprocess
import unittest

import peers
import scratch
from sealpost import Sealpost, message, section
from upstream import CapturingUpstream

SENDER, RECIPIENT = "alice@example.com", "bob@example.net"
USER, PASSWORD = "alice", "correct-horse"
MAIL = message(subject="from a real client")
UTF8 = "j\u00f6rg@ex\u00e4mple.net"

AIOSMTPLIB = """
import asyncio, json, ssl, sys
import aiosmtplib
a = json.loads(sys.argv[1])
async def main():
    context = ssl.create_default_context(cafile=a["ca"])
    context.check_hostname = False
    c = aiosmtplib.SMTP(hostname="127.0.0.1", port=a["port"],
                        use_tls=a["tls"] == "implicit",
                        start_tls=a["tls"] == "starttls",
                        tls_context=context if a["tls"] else None)
    await c.connect()
    await c.ehlo()
    if a["auth"] == "PLAIN":
        await c.auth_plain(a["user"], a["password"])
    elif a["auth"] == "LOGIN":
        await c.auth_login(a["user"], a["password"])
    await c.sendmail(a["sender"], [a["recipient"]], sys.stdin.buffer.read(),
                     mail_options=a["mail"], rcpt_options=a["rcpt"])
    await c.quit()
asyncio.run(main())
"""

NODEMAILER = """
const a = JSON.parse(process.argv[2]);
const mailer = require('nodemailer');
const chunks = [];
process.stdin.on('data', c => chunks.push(c)).on('end', () => {
  const t = mailer.createTransport({
    host: '127.0.0.1', port: a.port, secure: a.tls === 'implicit',
    requireTLS: a.tls === 'starttls', ignoreTLS: !a.tls,
    tls: { ca: require('fs').readFileSync(a.ca), servername: 'relay.test' },
    auth: a.auth ? { user: a.user, pass: a.password } : undefined,
    authMethod: a.auth || undefined });
  t.sendMail({ envelope: { from: a.sender, to: [a.recipient], dsn: a.dsn },
               raw: Buffer.concat(chunks) })
   .then(() => process.exit(0), e => { console.log(e); process.exit(1); });
});
"""


class Clients(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.up = CapturingUpstream(extensions=(
            "PIPELINING", "SIZE 100000000", "8BITMIME", "ENHANCEDSTATUSCODES",
            "SMTPUTF8", "DSN"))
        cls.clear = scratch.free_port()
        cls.sp = Sealpost(
            cls.up.port, users={USER: (PASSWORD, "example.com")},
            listen={"chunking": "yes",
                    "auth_mechanisms": "plain, login, scram-sha-256"},
            extra=section("listen clear", {
                "address": f"127.0.0.1:{cls.clear}", "tls": "none",
                "require_tls": "no", "auth": "optional",
                "trusted_networks": "127.0.0.0/8", "upstream": "smarthost",
                "trusted_user": USER}))
        cls.boxes = []
        with smtplib.SMTP("127.0.0.1", cls.clear) as c: # now EHLO is known
            c.sendmail(SENDER, [RECIPIENT], MAIL)

    @classmethod
    def tearDownClass(cls):
        for box in cls.boxes:
            shutil.rmtree(box, ignore_errors=True)
        cls.sp.stop()
        cls.up.stop()

    def setUp(self):
        self.seen = len(self.up.messages)

    def arrived(self, how, recipient=RECIPIENT, mail=(), rcpt=(), wait=10):
        """One more message is upstream; how: its `with`."""
        scratch.wait_for("a message", lambda: len(self.up.messages) >
                         self.seen, wait)
        got = self.up.messages[self.seen]
        self.seen += 1
        self.assertEqual(len(self.up.messages), self.seen)
        self.assertEqual((got.sender, got.recipients), (SENDER, [recipient]))
        received = got.data[got.data.index(b"Received: from"):].split(
            b"\r\n\r\n")[0].decode()
        self.assertRegex(received, rf"(?s)^Received: .*?\swith {how}\s")
        self.assertIn("dkim=pass", self.sp.verify(got.data))
        for word in mail:
            self.assertIn(word, got.parameters)
        line, = [c.decode() for c in got.session.commands
                 if c.startswith(b"RCPT")][-1:]
        for word in rcpt:
            self.assertIn(word, line)
        return got

    # --- where they run ------------------------------------------------------

    @classmethod
    def box(cls):
        """The tree with the clients, and our own folder in it."""
        root = peers.tree("clients")
        home = f"/srv/clients-{os.getpid()}"
        if not cls.boxes:
            cls.boxes.append(root + home)
            os.makedirs(root + home)
            shutil.copy(cls.sp.certificate, root + home + "/ca.pem")
            scratch.write(root + home + "/mail", MAIL)
            scratch.write(root + home + "/aio.py", AIOSMTPLIB)
            scratch.write(root + home + "/mailer.js", NODEMAILER)
            scratch.write(root + "/etc/hosts",
                          "127.0.0.1 localhost relay.test\n")
        return root, home

    def run_client(self, *command, stdin=MAIL):
        root, home = self.box()
        done = subprocess.run(
            ["chroot", root, "/usr/bin/env", "HOME=" + home, "LANG=C.UTF-8",
             "NODE_PATH=/usr/share/nodejs:/usr/lib/nodejs",
             *(c.replace("@HOME", home) for c in command)],
            input=stdin, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            timeout=60)
        self.assertEqual(done.returncode, 0,
                         done.stdout.decode(errors="replace"))
        return done.stdout.decode(errors="replace")

    # --- Python --------------------------------------------------------------

    def test_smtplib(self):
        with smtplib.SMTP("127.0.0.1", self.clear) as c:
            c.sendmail(SENDER, [RECIPIENT], MAIL)
        self.arrived("ESMTP")
        for mech in ("PLAIN", "LOGIN"):
            for tls in (False, True):
                with self.subTest(mech=mech, implicit=tls), \
                        self.sp.smtp(login=False, implicit=tls) as c:
                    c.ehlo()
                    c.user, c.password = USER, PASSWORD
                    c.auth(mech, getattr(c, "auth_" + mech.lower()))
                    c.sendmail(SENDER, [RECIPIENT], MAIL)
                self.arrived("ESMTPSA")
        with self.sp.smtp(USER, PASSWORD) as c:
            c.sendmail(SENDER, [UTF8], MAIL, mail_options=["SMTPUTF8",
                                                           "BODY=8BITMIME"])
            self.arrived("UTF8SMTPSA", UTF8, ["SMTPUTF8", "BODY=8BITMIME"])
            c.sendmail(SENDER, [RECIPIENT], MAIL,
                       mail_options=["RET=HDRS", "ENVID=QQ+2B1"],
                       rcpt_options=["NOTIFY=SUCCESS,DELAY",
                                     "ORCPT=rfc822;Bob@Example.NET"])
            self.arrived("ESMTPSA", mail=["RET=HDRS", "ENVID=QQ+2B1"],
                         rcpt=["NOTIFY=SUCCESS,DELAY",
                               "ORCPT=rfc822;Bob@Example.NET"])

    def script(self, *command, tls="", auth="", recipient=RECIPIENT, mail=(),
               rcpt=(), dsn=None):
        _, home = self.box()
        port = {"": self.clear, "starttls": self.sp.port,
                "implicit": self.sp.tls_port}[tls]
        self.run_client(*command, json.dumps({
            "port": port, "tls": tls, "auth": auth, "user": USER,
            "password": PASSWORD, "sender": SENDER, "recipient": recipient,
            "mail": list(mail), "rcpt": list(rcpt), "ca": home + "/ca.pem",
            **({"dsn": dsn} if dsn else {})}))

    def test_aiosmtplib(self):
        command = ("/usr/bin/python3", "@HOME/aio.py")
        self.script(*command)
        self.arrived("ESMTP")
        self.script(*command, tls="starttls", auth="PLAIN")
        self.arrived("ESMTPSA")
        self.script(*command, tls="implicit", auth="LOGIN")
        self.arrived("ESMTPSA")
        self.script(*command, tls="starttls", auth="PLAIN", recipient=UTF8,
                    mail=["SMTPUTF8", "RET=FULL"], rcpt=["NOTIFY=NEVER"])
        self.arrived("UTF8SMTPSA", UTF8, ["SMTPUTF8", "RET=FULL"],
                     ["NOTIFY=NEVER"])

    # --- JavaScript ----------------------------------------------------------

    def test_nodemailer(self):
        command = ("node", "@HOME/mailer.js")
        self.script(*command)
        self.arrived("ESMTP")
        self.script(*command, tls="starttls", auth="PLAIN", dsn={
            "id": "id1", "return": "headers", "notify": "success",
            "recipient": "rfc822;bob@example.net"})
        self.arrived("ESMTPSA", mail=["RET=HDRS", "ENVID=id1"],
                     rcpt=["NOTIFY=SUCCESS", "ORCPT=rfc822;bob"])
        self.script(*command, tls="implicit", auth="LOGIN",
                    recipient="j\u00f6rg@example.net")
        self.arrived("UTF8SMTPSA", "j\u00f6rg@example.net", ["SMTPUTF8"])

    # --- command lines -------------------------------------------------------

    def test_swaks(self):
        mail = ("--from", SENDER, "--to", RECIPIENT, "--data", "@HOME/mail",
                "--server")
        self.run_client("swaks", *mail, f"127.0.0.1:{self.clear}")
        self.arrived("ESMTP")
        for mech in ("PLAIN", "LOGIN"):
            for port, tls in ((self.sp.port, "--tls"),
                              (self.sp.tls_port, "--tls-on-connect")):
                self.run_client("swaks", *mail, f"127.0.0.1:{port}", tls,
                                "--auth", mech, "--auth-user", USER,
                                "--auth-password", PASSWORD)
                self.arrived("ESMTPSA")
        self.run_client("swaks", *mail, f"127.0.0.1:{self.clear}", "--pipeline")
        self.arrived("ESMTP")

    def test_msmtp(self):
        mail = ("--host=127.0.0.1", "--from=" + SENDER)
        self.run_client("msmtp", *mail, f"--port={self.clear}", RECIPIENT)
        self.arrived("ESMTP")
        secret = (f"--user={USER}", f"--passwordeval=echo {PASSWORD}",
                  "--tls=on", "--tls-trust-file=@HOME/ca.pem",
                  "--tls-host-override=relay.test")
        for mech in ("plain", "login", "scram-sha-256"):
            for port, starttls in ((self.sp.port, "on"),
                                   (self.sp.tls_port, "off")):
                with self.subTest(mech=mech, starttls=starttls):
                    self.run_client("msmtp", *mail, *secret, f"--port={port}",
                                    "--tls-starttls=" + starttls,
                                    "--auth=" + mech, RECIPIENT)
                    self.arrived("ESMTPSA")
        self.run_client("msmtp", *mail, *secret, f"--port={self.sp.port}",
                        "--auth=plain", "--dsn-return=headers",
                        "--dsn-notify=success,delay", RECIPIENT)
        self.arrived("ESMTPSA", mail=["RET=HDRS"], rcpt=["NOTIFY="])

    def test_curl(self):
        mail = ("--silent", "--show-error", "--mail-from", SENDER,
                "--upload-file", "@HOME/mail", "--cacert", "@HOME/ca.pem")
        self.run_client("curl", *mail, "--mail-rcpt", RECIPIENT,
                        f"smtp://127.0.0.1:{self.clear}")
        self.arrived("ESMTP")
        for mech in ("PLAIN", "LOGIN"):
            for url in (f"smtp://relay.test:{self.sp.port}",
                        f"smtps://relay.test:{self.sp.tls_port}"):
                self.run_client("curl", *mail, "--mail-rcpt", RECIPIENT,
                                "--ssl-reqd", "--user", f"{USER}:{PASSWORD}",
                                "--login-options", "AUTH=" + mech, url)
                self.arrived("ESMTPSA")
        utf8 = "j\u00f6rg@example.net"
        self.run_client("curl", *mail, "--mail-rcpt", utf8,
                        f"smtp://127.0.0.1:{self.clear}")
        self.arrived("UTF8SMTP", utf8, ["SMTPUTF8"])

    # --- mail servers --------------------------------------------------------

    def test_postfix(self):
        with peers.Postfix(relay=(self.sp.port, USER, PASSWORD,
                                  self.sp.certificate)) as postfix:
            done = postfix.chroot(
                "/usr/sbin/sendmail", "-C", postfix.home + "/etc", "-i", "-f",
                SENDER, "-N", "success,delay", "-R", "hdrs", "-V", "env1",
                RECIPIENT, input=MAIL.decode().replace("\r\n", "\n"))
            self.assertEqual(done.returncode, 0, done.stdout)
            self.arrived("ESMTPSA", mail=["RET=HDRS", "ENVID=env1"],
                         rcpt=["NOTIFY=SUCCESS,DELAY", "ORCPT=rfc822;"],
                         wait=30)
        with peers.Postfix(relay=(self.sp.tls_port, USER, PASSWORD,
                                  self.sp.certificate),
                           extra="smtp_tls_wrappermode = yes\n") as postfix:
            with smtplib.SMTP("127.0.0.1", postfix.port) as c:
                c.sendmail(SENDER, [UTF8], MAIL, mail_options=["SMTPUTF8"])
            self.arrived("UTF8SMTPSA", UTF8, ["SMTPUTF8"], wait=30)

    def test_exim_sends_bdat(self):
        with peers.Exim(self.sp.port, USER, PASSWORD,
                        self.sp.certificate) as exim:
            with smtplib.SMTP("127.0.0.1", exim.port) as c:
                c.sendmail(SENDER, [RECIPIENT], MAIL)
            self.arrived("ESMTPSA", wait=30)
            scratch.wait_for("its log", lambda: "=> " in exim.log())
            line, = [x for x in exim.log().splitlines() if "=> " in x]
            self.assertIn(" K ", line, "K: by BDAT")

    def test_opensmtpd(self):
        for scheme, port in (("smtp+tls", self.sp.port),
                             ("smtps", self.sp.tls_port)):
            with peers.OpenSMTPD(scheme, port, USER, PASSWORD) as smtpd:
                with smtplib.SMTP("127.0.0.1", smtpd.port) as c:
                    c.sendmail(SENDER, [RECIPIENT], MAIL)
                try:
                    self.arrived("ESMTPSA", wait=20)
                except AssertionError:
                    self.fail(smtpd.log())


if __name__ == "__main__":
    unittest.main()
