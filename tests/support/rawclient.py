"""An SMTP client that sends exactly the octets that it is given."""
import base64
import socket
import ssl
import time


def trusting(**settings):
    """A client's TLS that believes any certificate; settings: attributes."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    for key, value in settings.items():
        setattr(context, key, value)
    return context


class RawClient:
    def __init__(self, port, greeting=True, timeout=20, tls=False):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""
        if tls:
            self.wrap()
        if greeting:
            self.greeting = self.reply()

    def wrap(self):
        self.socket = trusting().wrap_socket(self.socket)

    def send(self, data):
        if isinstance(data, str):
            data = data.encode()
        self.socket.sendall(data)

    def send_split(self, data, size=1, gap=0.0):
        for i in range(0, len(data), size):
            self.send(data[i:i + size])
            if gap:
                time.sleep(gap)

    def reply(self):
        """(code, text) of one reply, its lines joined by LF; code 0 when
        the server has closed the connection."""
        lines = []
        while True:
            while b"\r\n" not in self.buffer:
                try:
                    data = self.socket.recv(65536)
                except ConnectionResetError:
                    data = b""
                if not data:
                    return 0, self.buffer.decode(errors="replace")
                self.buffer += data
            line, self.buffer = self.buffer.split(b"\r\n", 1)
            lines.append(line[4:].decode(errors="replace"))
            if line[3:4] != b"-":
                return int(line[:3]), "\n".join(lines)

    def command(self, line):
        self.send(line + "\r\n")
        return self.reply()

    def expect(self, line, code):
        got = self.command(line)
        if got[0] != code:
            raise AssertionError(f"{line!r}: {got[0]} {got[1]}, want {code}")
        return got[1]

    def starttls(self):
        self.expect("STARTTLS", 220)
        if self.buffer:
            raise AssertionError("octets behind the reply to STARTTLS")
        self.wrap()

    def login(self, user, password):
        token = base64.b64encode(f"\0{user}\0{password}".encode()).decode()
        self.expect("AUTH PLAIN " + token, 235)

    def ready(self, user=None, password=None, tls=True):
        """EHLO, STARTTLS, AUTH: up to where MAIL may come."""
        self.expect("EHLO client.test", 250)
        if tls:
            self.starttls()
            self.expect("EHLO client.test", 250)
        if user:
            self.login(user, password)
        return self

    def envelope(self, sender, *recipients):
        self.expect(f"MAIL FROM:<{sender}>", 250)
        for r in recipients:
            self.expect(f"RCPT TO:<{r}>", 250)
        self.expect("DATA", 354)

    def try_mail(self, data, mail="MAIL FROM:<alice@example.com>"):
        """A message as far as it gets; the last reply, of whichever command."""
        got = self.command(mail)
        for line in ("RCPT TO:<bob@example.net>", "DATA"):
            if got[0] == 250:
                got = self.command(line)
        if got[0] == 354:
            self.send(data + b".\r\n")
            got = self.reply()
        return got

    def closed(self):
        """True when the server has closed; waits for it."""
        return self.reply()[0] == 0

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
