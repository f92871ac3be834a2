"""The daemon and the tool under test, with a configuration of their own.

    with Sealpost(upstream=up.port) as sp:
        sp.smtp().sendmail(...)         as sp.user, over STARTTLS
        sp.verify(message)              `sealpost verify` with our keys' DNS

A daemon that does not end with 0, or that leaves a sanitizer's report, fails
the test that stops it.
"""
import os
import re
import signal
import smtplib
import ssl
import subprocess

import scratch

REPORT = re.compile(rb"ERROR: \w*Sanitizer|runtime error:|LeakSanitizer")
SANITIZERS = {"ASAN_OPTIONS": "detect_leaks=1:abort_on_error=0:exitcode=99",
              "UBSAN_OPTIONS": "print_stacktrace=1"}


def run(*arguments, input=b"", ok=(0,), timeout=60):
    """`sealpost ARGUMENTS`: CompletedProcess with bytes; AssertionError when
    the exit code is not in ok (None: any)."""
    if isinstance(input, str):
        input = input.encode()
    done = subprocess.run([scratch.program("sealpost"), *arguments],
                          input=input, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=timeout,
                          env=dict(os.environ, **SANITIZERS))
    if REPORT.search(done.stderr) or (ok is not None
                                      and done.returncode not in ok):
        raise AssertionError(f"sealpost {' '.join(arguments)}: "
                             f"{done.returncode}\n{done.stdout.decode()}"
                             f"{done.stderr.decode()}")
    return done


def section(name, settings):
    lines = [f"[{name}]"]
    for key, value in settings.items():
        lines.append(f"{key} = {value}")
    return "\n".join(lines) + "\n"


def route(name, port, settings):
    """A listener at port for anybody on loopback, and the upstream with these
    settings behind it, both of that name."""
    return section(f"listen {name}", {
        "address": f"127.0.0.1:{port}", "tls": "none", "require_tls": "no",
        "auth": "optional", "trusted_networks": "127.0.0.1",
        "upstream": name}) + section(f"upstream {name}", settings)


def fields(line):
    """A line of the log as a dictionary; a key has one value."""
    pairs = [(k, v.strip('"')) for k, v in re.findall(
        r'(\S+?)=("(?:[^"\\]|\\.)*"|\S*)', line)]
    if len(dict(pairs)) != len(pairs):
        raise AssertionError(f"a key stands twice: {line}")
    return dict(pairs)


class Sealpost:
    """upstream: a port or "HOST:PORT,...". The further arguments are settings
    that replace or add to the usual ones of each section; extra is text put
    behind. users: {name: (password, from list)}. keys: [(domain, selector)].
    start=False: everything is written and nothing is started."""

    user, password = "alice", "correct horse"

    def __init__(self, upstream, server=None, listen=None, upstream_settings=None,
                 sign=None, check=None, limits=None, dns=None, extra="",
                 users=None, keys=(("example.com", "sp1"),), start=True):
        self.home = scratch.folder()
        self.port, self.tls_port = scratch.free_port(), scratch.free_port()
        self.state = os.path.join(self.home, "state")
        self.config = os.path.join(self.home, "sealpost.conf")
        self.process, self.output = None, None
        self.records = {}
        self.certificate, key = scratch.certificate(self.home)
        os.mkdir(self.state, 0o700)
        # A service that was started as root drops to this account, which
        # must be able to read the key of the certificate.
        scratch.give_to(self.home, "nobody")
        self.upstream = upstream if isinstance(upstream, str) \
            else f"127.0.0.1:{upstream}"
        self._write(key, server or {}, listen or {}, upstream_settings or {},
                    sign or {}, check or {}, limits or {}, dns or {}, extra)
        try:
            self._fill(keys, {self.user: (self.password, "example.com")}
                       if users is None else users)
            if start:
                self.start()
        except BaseException:
            self.kill()
            scratch.remove(self.home)
            raise

    def _fill(self, keys, users):
        for domain, selector in keys:
            self.add_key(domain, selector)
        for name, (password, allowed) in users.items():
            self.add_user(name, password, allowed)

    def _write(self, key, server, listen, upstream, sign, check, limits, dns,
               extra):
        common = {"certificate": self.certificate, "private_key": key,
                  "upstream": "smarthost", **listen}
        inbound = common.get("mode") == "inbound"
        first = {"address": f"127.0.0.1:{self.port}"}
        if inbound:
            common = {"tls": "none", "relay_domains": "example.com", **common}
            if common["tls"] == "none":
                del common["certificate"], common["private_key"]
        text = section("server", {
            "hostname": "relay.test", "state_dir": self.state, "workers": 1,
            **({"user": "nobody", "keys_user": "nobody"}
               if os.getuid() == 0 else {}), **server})
        text += section("dns", {"nameserver": "127.0.0.1:9", "timeout": "1s",
                                **dns})
        text += section("listen main", {**first, **common})
        if not inbound and "tls" not in listen:
            text += section("listen implicit", {
                **common, "address": f"127.0.0.1:{self.tls_port}",
                "tls": "implicit"})
        text += section("upstream smarthost", {
            "address": self.upstream, "tls": "none", **upstream})
        for name, settings in (("sign", sign), ("check default", check),
                               ("limits", {"auth_delay": "0s",
                                           "auth_lock_after": "0",
                                           "handshakes_per_minute": "0",
                                           **limits})):
            text += section(name, settings) if settings else ""
        scratch.write(self.config, text + extra)

    # --- the tool --------------------------------------------------------

    def tool(self, *arguments, **more):
        """`sealpost` with our configuration, and files given to the daemon."""
        done = run(arguments[0], "-c", self.config, *arguments[1:], **more)
        scratch.give_to(self.state, "nobody")
        return done

    def add_key(self, domain, selector, *options):
        self.tool("key", "generate", domain, selector, "--activate", *options)
        value = self.tool("key", "show", domain, selector, "--format",
                          "value").stdout.decode().strip()
        self.records[f"{selector}._domainkey.{domain}"] = value

    def add_user(self, name, password, allowed, *options):
        self.tool("user", "add", name, "--from", allowed, "--password-stdin",
                  *options, input=password + "\n")

    def dns_file(self, more=""):
        """Our keys' records as a file for --dns."""
        lines = [f'{n} TXT "{v}"' for n, v in self.records.items()]
        return scratch.write(os.path.join(self.home, "dns"),
                             "\n".join(lines) + "\n" + more)

    def verify(self, message, *options, ok=(0,)):
        """The Authentication-Results that `sealpost verify` writes."""
        return run("verify", "--dns", self.dns_file(), *options,
                   input=message, ok=ok).stdout.decode()

    # --- the daemon ------------------------------------------------------

    def start(self, wrap=(), more=()):
        """Also again, after it has ended. wrap: a program and its options
        that runs it. more: options of its own."""
        scratch.give_to(self.state, "nobody")
        self.launch(wrap, more)

    def launch(self, wrap=(), more=(), seconds=30):
        """The same with files that are the daemon's already."""
        if self.output is not None:
            self.output.close()
        self.log_path = os.path.join(self.home, "log")
        self.output = open(self.log_path, "ab")
        self.log_before = os.path.getsize(self.log_path)
        self.process = subprocess.Popen(
            [*wrap, scratch.program("sealpostd"), "-c", self.config, "-f",
             *more],
            stdin=subprocess.DEVNULL, stdout=self.output, stderr=self.output,
            env=dict(os.environ, **SANITIZERS), start_new_session=True)
        try:
            scratch.wait_for("event=ready", self._ready, seconds)
        except AssertionError:
            log = self.log()
            self.kill()
            raise AssertionError("sealpostd does not start:\n" + log) from None

    def _ready(self):
        if self.process.poll() is not None:
            raise AssertionError("it ended")
        log = scratch.read(self.log_path)[self.log_before:]
        return b"event=ready" in log or b'"event":"ready"' in log

    def log(self):
        return scratch.read(self.log_path).decode(errors="replace")

    def lines(self, event):
        """Log lines of one event, as dictionaries."""
        found = []
        for line in self.log().splitlines():
            if f"event={event}" in line.split(" "):
                found.append(fields(line))
        return found

    def wait_line(self, event, count=1, seconds=30):
        return scratch.wait_for(f"{count} times event={event}",
                                lambda: self.lines(event)[count - 1:]
                                and self.lines(event), seconds)

    def reload(self):
        self.process.send_signal(signal.SIGHUP)

    def stop(self, seconds=30):
        """SIGTERM; fails unless the daemon ends in time with exit 0."""
        if self.process is not None:
            self.process.terminate()
            try:
                code = self.process.wait(seconds)
            except subprocess.TimeoutExpired:
                code = "none, it had to be killed"
            log = self.log()
            self.kill()
            if code != 0 or REPORT.search(log.encode()):
                raise AssertionError(f"sealpostd: exit {code}\n{log}")
        scratch.remove(self.home)

    def kill(self):
        if self.process is not None:
            try: # its own session: master, keeper and workers
                os.killpg(self.process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            self.process.wait()
            self.process = None
            self.output.close()

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind is None:
            self.stop()
        else:
            print(self.log()[-6000:] if self.output else "")
            self.kill()
            scratch.remove(self.home)

    # --- a client --------------------------------------------------------

    def context(self):
        return ssl.create_default_context(cafile=self.certificate)

    def smtp(self, user=None, password=None, implicit=False, login=True):
        """An smtplib client: TLS checked, logged in unless login=False."""
        if implicit:
            client = smtplib.SMTP_SSL("localhost", self.tls_port, timeout=30,
                                      context=self.context())
        else:
            client = smtplib.SMTP("localhost", self.port, timeout=30)
            client.starttls(context=self.context())
        if login:
            client.login(user or self.user, password or self.password)
        return client


def message(sender="alice@example.com", to="bob@example.net", subject="hello",
            body="A line.\r\n", **fields):
    """A plain message with CRLF; fields: further ones, _ standing for -."""
    text = [f"From: {sender}", f"To: {to}", f"Subject: {subject}",
            "Date: Sat, 21 Nov 2026 22:00:00 +0000",
            "Message-ID: <1@example.com>"]
    text += [f"{k.replace('_', '-')}: {v}" for k, v in fields.items()]
    return ("\r\n".join(text) + "\r\n\r\n" + body).encode()
