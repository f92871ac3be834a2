"""AUTH by hand over smtplib: SCRAM-SHA-256 with every freedom to do it wrong.

    scram = Scram("alice", "password")
    code, text = scram.login(client)        client: smtplib.SMTP, after EHLO
"""
import base64
import hashlib
import hmac
import os


def b64(octets):
    if isinstance(octets, str):
        octets = octets.encode()
    return base64.b64encode(octets).decode()


def auth(client, mechanism, *lines):
    """AUTH with an initial response and the lines that follow 334: the last
    reply. A line may be a function of the decoded challenge."""
    code, text = 334, b""
    command = "AUTH " + mechanism
    for n, line in enumerate(lines or ("",)):
        if callable(line):
            line = line(base64.b64decode(text))
        if n == 0:
            code, text = client.docmd(command, line) if line else \
                client.docmd(command)
        else:
            code, text = client.docmd(line)
        if code != 334:
            break
    return code, text.decode()


class Scram:
    """RFC 5802 with SHA-256. header, nonce and name may be anything."""

    def __init__(self, user, password, header="n,,", mechanism="SCRAM-SHA-256",
                 nonce=None, binding=b""):
        self.password, self.header = password.encode(), header
        self.mechanism, self.binding = mechanism, binding
        name = user.replace("=", "=3D").replace(",", "=2C")
        self.first = f"n={name},r={nonce or b64(os.urandom(18))}"
        self.server = None # the server's first message
        self.proved = None # did the server prove that it knows the user?

    def _final(self, challenge):
        self.server = challenge.decode()
        parts = dict(x.split("=", 1) for x in self.server.split(","))
        salted = hashlib.pbkdf2_hmac("sha256", self.password,
                                     base64.b64decode(parts["s"]),
                                     int(parts["i"]))

        def mac(key, text):
            return hmac.digest(key, text, "sha256")
        client_key = mac(salted, b"Client Key")
        bare = f"c={b64(self.header.encode() + self.binding)},r={parts['r']}"
        whole = ",".join((self.first, self.server, bare)).encode()
        signature = mac(hashlib.sha256(client_key).digest(), whole)
        proof = bytes(a ^ b for a, b in zip(client_key, signature))
        self.expected = b64(mac(mac(salted, b"Server Key"), whole))
        return b64(f"{bare},p={b64(proof)}")

    def _confirm(self, challenge):
        self.proved = challenge.decode() == "v=" + self.expected
        return ""

    def login(self, client):
        return auth(client, self.mechanism, b64(self.header + self.first),
                    self._final, self._confirm)
