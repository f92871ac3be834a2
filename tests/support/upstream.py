"""A scripted SMTP server that records what reaches it, octet by octet.

    up = CapturingUpstream(script={"rcpt": reply("451 4.3.0 later")})
    up.messages[0].data        content, dots taken off
    up.sessions[0].received    every octet that came, TLS taken off

Each stage of a session may be given an action: connect, ehlo, helo, starttls,
auth, mail, rcpt, data (the command), body (each piece of content), dot, rset,
noop, quit. An action is called with the session and the line and returns the
reply (str, bytes), or None for the usual one. A list of actions is used up
one at a time, the last one for ever.
"""
import base64
import hashlib
import hmac
import os
import re
import socket
import ssl
import struct
import threading
import time
from dataclasses import dataclass, field


class Close(Exception):
    """The session ends here, without a word."""


def reply(text):
    return lambda session, line: text


def usual():
    return lambda session, line: None


def close():
    def action(session, line):
        raise Close
    return action


def reset():
    """RST instead of FIN."""
    def action(session, line):
        session.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                  struct.pack("ii", 1, 0))
        raise Close
    return action


def delay(seconds, then=None):
    def action(session, line):
        session.server.stopping.wait(seconds)
        return then(session, line) if then else None
    return action


def slowly(text, gap=0.02):
    """A reply, an octet at a time."""
    def action(session, line):
        for octet in text.encode() + b"\r\n":
            session.write(bytes([octet]))
            time.sleep(gap)
        return b""
    return action


def silent():
    """No reply until the other side goes or the server stops."""
    def action(session, line):
        session.server.stopping.wait(600)
        raise Close
    return action


def asks_for(certificate):
    """For tls_context: clients need one that this authority has issued."""
    def ask(context):
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(certificate)
    return ask


def only(version):
    """For tls_context: no other version of TLS."""
    def limit(context):
        context.minimum_version = context.maximum_version = version
    return limit


def path(argument):
    """FROM:<a@b> X=Y: the address and the parameters."""
    inside, _, rest = argument.partition("<")[2].partition(">")
    return inside, rest.strip()


@dataclass
class Message:
    sender: str              # the address, without <>
    recipients: list
    parameters: str          # of MAIL
    wire: bytes              # as it came, dots and the end included
    data: bytes              # content
    tls: bool
    user: str
    ehlo: str
    session: object = None   # whose it is


@dataclass
class Session:
    server: object
    socket: object
    received: bytearray = field(default_factory=bytearray)
    commands: list = field(default_factory=list) # lines, without content
    sent: bytearray = field(default_factory=bytearray)
    pending: bytearray = field(default_factory=bytearray)
    ehlo: str = ""
    tls: bool = False
    shown: bytes | None = None # the certificate of the other side
    resumed: bool = False      # TLS, by a session that the other side had
    user: str = ""
    sender: str = None
    parameters: str = ""
    recipients: list = field(default_factory=list)
    ended: str = ""
    mech: str = ""           # of AUTH
    xclient: str = None
    xforward: str = None

    def write(self, data):
        if isinstance(data, str):
            data = data.encode() + b"\r\n"
        self.sent += data
        self.socket.sendall(data)

    def _more(self):
        if self.server.read_delay:
            time.sleep(self.server.read_delay)
        data = self.socket.recv(self.server.read_size)
        if not data:
            raise Close
        self.received += data
        self.pending += data

    def line(self):
        while b"\n" not in self.pending:
            self._more()
        end = self.pending.index(b"\n") + 1
        line = bytes(self.pending[:end])
        del self.pending[:end]
        return line

    def exactly(self, size):
        while len(self.pending) < size:
            self._more()
        data = bytes(self.pending[:size])
        del self.pending[:size]
        return data

    def act(self, stage, line, default, before=None):
        """The script's reply or the usual one, sent; what was sent.
        before(text) is called just before, when the outcome is known."""
        action = self.server.next_action(stage)
        text = action(self, line) if action else None
        if text is None:
            text = default
        words = text if isinstance(text, str) else text.decode(
            errors="replace")
        if before:
            before(words)
        if text:
            self.write(text)
        return words

    def run(self):
        if self.server.implicit_tls:
            self._start_tls()
        self.act("connect", b"", "220 up.test ESMTP")
        while True:
            line = self.line()
            if self.pending and "PIPELINING" not in self.server.extensions:
                self.server.ahead.append(line) # its reply was not waited for
            self.commands.append(line)
            verb, _, rest = line.decode("utf-8", "surrogateescape").strip(
            ).partition(" ")
            handler = getattr(self, "_" + verb.lower(), None)
            if handler is None or verb.lower() not in VERBS:
                self.write("500 5.5.2 what?")
            else:
                handler(line, rest)

    def _ehlo(self, line, rest):
        self.ehlo = rest
        words = ["up.test"] + self.server.offered(self)
        self.act("ehlo", line, "\r\n".join(
            f"250{'-' if i < len(words) - 1 else ' '}{w}"
            for i, w in enumerate(words)))

    def _lhlo(self, line, rest):
        self._ehlo(line, rest)

    def _xclient(self, line, rest):
        self.xclient = rest
        self.act("xclient", line, "220 up.test again")

    def _xforward(self, line, rest):
        self.xforward = rest
        self.act("xforward", line, "250 2.0.0 ok")

    def _helo(self, line, rest):
        self.ehlo = rest
        self.act("helo", line, "250 up.test")

    def _starttls(self, line, rest):
        if self.act("starttls", line, "220 2.0.0 go").startswith("220"):
            if self.pending:
                raise AssertionError("octets behind STARTTLS")
            self._start_tls()

    def _start_tls(self):
        self.socket = self.server.context().wrap_socket(self.socket,
                                                        server_side=True)
        self.shown = self.socket.getpeercert(True)
        self.resumed = self.socket.session_reused
        self.tls = True

    def _scram(self, line, initial):
        """RFC 5802 with SHA-256, as a server."""
        def hi(text, salt):
            return hashlib.pbkdf2_hmac("sha256", text.encode(), salt,
                                       self.server.rounds)

        def sha(key, text):
            return hmac.new(key, text, hashlib.sha256).digest()
        bare = base64.b64decode(initial).decode().split(",", 2)[2]
        user = bare.split(",")[0][2:]
        nonce = bare.split(",")[1][2:]
        salt, ours = os.urandom(16), nonce + "server"
        first = (f"r={ours},s={base64.b64encode(salt).decode()},"
                 f"i={self.server.rounds}")
        self.write("334 " + base64.b64encode(first.encode()).decode())
        final = base64.b64decode(self.line()).decode()
        without, _, proof = final.rpartition(",p=")
        salted = hi(self.server.users.get(user, ""), salt)
        client_key = sha(salted, b"Client Key")
        signed = f"{bare},{first},{without}".encode()
        mask = sha(hashlib.sha256(client_key).digest(), signed)
        good = bytes(a ^ b for a, b in zip(base64.b64decode(proof), mask)) \
            == client_key and f"r={ours}" in without
        if not good:
            return user, False
        verifier = sha(sha(salted, b"Server Key"), signed)
        if self.server.impostor:
            verifier = bytes(32)
        self.write("334 " + base64.b64encode(
            b"v=" + base64.b64encode(verifier)).decode())
        return user, self.line() == b"\r\n"

    def _token(self, line, mech, initial):
        if not initial:
            self.write("334 ")
            initial = self.line().decode().strip()
        text = base64.b64decode(initial).decode()
        user = re.search(r"user=([^\1]*)|a=([^,]*)", text)
        user = user.group(1) or user.group(2)
        good = f"auth=Bearer {self.server.users.get(user)}\1" in text
        if not good:
            self.write("334 " + base64.b64encode(
                b'{"status":"401","scope":"smtp"}').decode())
            self.line()
        return user, good

    def _auth(self, line, rest):
        mech, _, initial = rest.partition(" ")
        self.mech = mech.upper()
        if self.mech in ("XOAUTH2", "OAUTHBEARER", "SCRAM-SHA-256"):
            user, good = self._scram(line, initial) \
                if self.mech == "SCRAM-SHA-256" \
                else self._token(line, self.mech, initial)
            text = self.act("auth", line, "235 2.7.0 ok" if good
                            else "535 5.7.8 no")
            self.user = user if text.startswith("235") else self.user
            return
        if mech.upper() == "PLAIN":
            if not initial:
                self.write("334 ")
                initial = self.line().decode().strip()
            user, password = base64.b64decode(initial).decode().split("\0")[1:]
        else:
            self.write("334 VXNlcm5hbWU6")
            user = base64.b64decode(self.line()).decode()
            self.write("334 UGFzc3dvcmQ6")
            password = base64.b64decode(self.line()).decode()
        good = self.server.users.get(user) == password
        text = self.act("auth", line, "235 2.7.0 ok" if good
                        else "535 5.7.8 no")
        if text.startswith("235"):
            self.user = user

    def _mail(self, line, rest):
        text = self.act("mail", line, "250 2.1.0 ok")
        if text.startswith("2"):
            self.sender, self.parameters = path(rest)
            self.recipients = []

    def _rcpt(self, line, rest):
        text = self.act("rcpt", line, "250 2.1.5 ok")
        if text.startswith("2"):
            self.recipients.append(path(rest)[0])

    def _data(self, line, rest):
        default = "354 go" if self.recipients else "554 5.5.1 no recipients"
        if not self.act("data", line, default).startswith("354"):
            return
        wire = bytearray()
        while not (wire.endswith(b"\r\n.\r\n") or wire == b".\r\n"):
            piece = self.line()
            wire += piece
            if self.server.next_action("body", peek=True):
                self.act("body", piece, "")
        content = re.sub(rb"(^|(?<=\n))\.", b"", bytes(wire[:-3]))
        self._take(line, bytes(wire), content)

    def _bdat(self, line, rest):
        size, _, last = rest.partition(" ")
        self.chunks = getattr(self, "chunks", b"") + self.exactly(int(size))
        if last.upper() != "LAST":
            self.write("250 2.0.0 chunk")
            return
        content, self.chunks = self.chunks, b""
        self._take(line, content, content)

    def _take(self, line, wire, content):
        message = Message(self.sender, self.recipients, self.parameters, wire,
                          content, self.tls, self.user, self.ehlo,
                          self)

        def keep(text): # before the reply: who has it may look at once
            if text.startswith("2"):
                with self.server.lock:
                    self.server.messages.append(message)

        self.act("dot", line, "250 2.0.0 queued as 1", keep)
        self.sender, self.recipients = None, []

    def _rset(self, line, rest):
        self.sender, self.recipients = None, []
        self.act("rset", line, "250 2.0.0 ok")

    def _noop(self, line, rest):
        self.act("noop", line, "250 2.0.0 ok")

    def _quit(self, line, rest):
        self.act("quit", line, "221 2.0.0 bye")
        raise Close


VERBS = {n[1:] for n in vars(Session) if n.startswith("_")} & {
    "ehlo", "helo", "lhlo", "xclient", "xforward", "starttls", "auth", "mail", "rcpt", "data", "bdat",
    "rset", "noop", "quit"}


class CapturingUpstream:
    """Listens on a free loopback port from the moment it is made."""

    def __init__(self, script=None, tls=None, implicit_tls=False, users=None,
                 extensions=("PIPELINING", "SIZE 100000000", "8BITMIME",
                             "ENHANCEDSTATUSCODES", "SMTPUTF8"),
                 read_size=65536, read_delay=0, tls_context=None,
                 mechanisms="PLAIN LOGIN", impostor=False, port=0, rounds=4096,
                 host="127.0.0.1", resumes=False):
        self.script = {k: list(v) if isinstance(v, (list, tuple)) else [v]
                       for k, v in (script or {}).items()}
        self.certificate = tls         # (certificate, key): STARTTLS offered
        self.implicit_tls = implicit_tls
        self.tls_context = tls_context # called with each SSLContext
        self.resumes = resumes # one SSLContext, so that tickets count
        self.kept_context = None
        self.users = users or {}
        self.extensions = list(extensions)
        self.mechanisms = mechanisms
        self.impostor = impostor # SCRAM: it does not know the password
        self.rounds = rounds
        self.read_size, self.read_delay = read_size, read_delay
        self.messages, self.sessions, self.ahead = [], [], []
        self.lock = threading.Lock()
        self.stopping = threading.Event()
        self.listener = socket.create_server((host, port), backlog=128)
        self.port = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self._accept, daemon=True)
        self.thread.start()

    def context(self):
        with self.lock:
            if self.kept_context and self.resumes:
                return self.kept_context
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*self.certificate)
            if self.tls_context:
                self.tls_context(context)
            self.kept_context = context
            return context

    def forget_tickets(self):
        """As a server that was started anew; certificate may be changed."""
        with self.lock:
            self.kept_context = None

    def offered(self, session):
        words = list(self.extensions)
        if self.certificate and not session.tls:
            words.append("STARTTLS")
        if self.users and (session.tls or not self.certificate):
            words.append("AUTH " + self.mechanisms)
        return words

    def set(self, stage, *actions):
        """Changes the script while it runs; no action: the usual reply."""
        with self.lock:
            self.script[stage] = list(actions)

    def next_action(self, stage, peek=False):
        with self.lock:
            actions = self.script.get(stage)
            if not actions:
                return None
            if peek or len(actions) == 1:
                return actions[0]
            return actions.pop(0)

    def _accept(self):
        while not self.stopping.is_set():
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            session = Session(self, sock)
            with self.lock:
                self.sessions.append(session)
            threading.Thread(target=self._serve, args=(session,),
                             daemon=True).start()

    def _serve(self, session):
        try:
            session.run()
        except Close:
            session.ended = "closed"
        except Exception as e: # what it was is for the test to look at
            session.ended = f"{type(e).__name__}: {e}"
        finally:
            session.socket.close()

    def wait(self, count=1, seconds=30):
        """The messages, when there are count of them."""
        end = time.monotonic() + seconds
        while len(self.messages) < count:
            if time.monotonic() > end:
                raise AssertionError(f"{len(self.messages)} of {count} "
                                     "messages at the upstream")
            time.sleep(0.02)
        return self.messages

    def stop(self):
        self.stopping.set()
        try: # close() alone leaves the other thread in accept()
            self.listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.thread.join(5)
        self.listener.close()
        self.close_sessions()

    def close_sessions(self):
        """What is connected is so no more."""
        for session in self.sessions:
            try:
                session.socket.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
