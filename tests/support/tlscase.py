"""A WireCase whose sessions are under TLS and logged in."""
import base64
import ssl

from rawclient import trusting
from wire import WireCase

PASSWORD = "correct horse"


def plain(*words):
    return base64.b64encode("\0".join(words).encode()).decode()


class Octets:
    """TLS over a socket whose octets the test can mix with its own."""

    def __init__(self, sock, tls=None):
        self.socket, self.inner = sock, ssl.MemoryBIO()
        self.outer = ssl.MemoryBIO()
        self.tls = (tls or trusting()).wrap_bio(self.inner, self.outer)
        self._until(self.tls.do_handshake)

    def _until(self, step):
        while True:
            try:
                done = step()
                self.flush()
                return done
            except ssl.SSLWantReadError:
                self.flush()
                data = self.socket.recv(65536)
                if not data:
                    raise ConnectionError("closed") from None
                self.inner.write(data)

    def flush(self, behind=b""):
        self.socket.sendall(self.outer.read() + behind)

    # what RawClient asks of a socket
    def sendall(self, data):
        self.tls.write(data)
        self.flush()

    def recv(self, size):
        try:
            return self._until(lambda: self.tls.read(size))
        except (ssl.SSLError, ConnectionError):
            return b""

    def end_notice(self, behind):
        """close_notify and clear text in one segment."""
        try:
            self.tls.unwrap()
        except ssl.SSLWantReadError:
            pass
        self.flush(behind)

    def settimeout(self, seconds):
        self.socket.settimeout(seconds)

    def shutdown(self, how):
        self.socket.shutdown(how)

    def close(self):
        self.socket.close()


class TlsCase(WireCase):
    users = {"alice": (PASSWORD, "example.com"), "bob": ("bobs own",
                                                         "example.com")}
    secrets = (PASSWORD.encode(), base64.b64encode(PASSWORD.encode()),
               plain("", "alice", PASSWORD).encode(), b"wrong-secret",
               base64.b64encode(b"wrong-secret"),
               plain("", "alice", "wrong-secret").encode())

    def clear(self):
        c = self.client()
        c.expect("EHLO client.test", 250)
        return c

    def encrypted(self):
        c = self.clear()
        c.starttls()
        c.expect("EHLO client.test", 250)
        return c

    def session(self, port=None):
        c = self.client(port)
        c.expect("EHLO client.test", 250)
        c.starttls()
        c.expect("EHLO client.test", 250)
        c.login("alice", PASSWORD)
        return c

    def mixed(self):
        """A client under TLS whose socket is Octets."""
        c = self.clear()
        c.expect("STARTTLS", 220)
        c.socket = Octets(c.socket)
        c.expect("EHLO client.test", 250)
        c.login("alice", PASSWORD)
        return c

    def dead(self, c):
        """The other side has closed, without a word in clear."""
        raw = c.socket.socket if isinstance(c.socket, Octets) else c.socket
        raw.settimeout(10)
        got = b""
        try:
            while data := raw.recv(4096):
                got += data
        except ConnectionResetError:
            pass
        self.assertNotRegex(got, rb"(?m)^[245]\d\d[ -]")
        return got
