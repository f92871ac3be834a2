"""A daemon without TLS, logins and keys, and mail through it."""
import scratch
from sealpost import Sealpost, message

FROM = b"From: a@example.com\r\n"
PLAIN = {"tls": "none", "auth": "none", "trusted_networks": "127.0.0.0/8"}


def daemon(up, **more):
    """No TLS, no login, no keys: what is tested here needs none."""
    more["listen"] = {**PLAIN, **more.get("listen", {})}
    return Sealpost(up.port, keys=(), users={}, **more)


def deliver(client, n=0):
    client.envelope("a@example.com", "b@example.net")
    client.send(message(subject=f"n{n}") + b".\r\n")
    code, text = client.reply()
    assert code == 250, (code, text)


def change(sp, old, new):
    text = scratch.read(sp.config).decode()
    assert old in text, text
    scratch.write(sp.config, text.replace(old, new))
