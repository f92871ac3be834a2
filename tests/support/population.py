"""Many users and keys, written as files: quicker than a command for each.

    put_key(sp, "example.com", "s1")     an active Ed25519 key
    put_users(sp, {"bob": {"password": "secret", "from": "example.com"}})
"""
import base64
import ctypes
import os
import subprocess

from nacl.signing import SigningKey

import scratch

_crypt = ctypes.CDLL("libcrypt.so.1").crypt
_crypt.restype = ctypes.c_char_p

ED25519_PKCS8 = bytes.fromhex("302e020100300506032b657004220420")
ACTIVATED = "2026-01-01T00:00:00Z"


def password_hash(password, salt="testtest"):
    """The cheapest that is still a SHA-512 one: a millisecond."""
    return _crypt(password.encode(),
                  f"$6$rounds=1000${salt}".encode()).decode()


def ed25519_key():
    """(PEM, p= of the key record)."""
    key = SigningKey.generate()
    der = base64.encodebytes(ED25519_PKCS8 + bytes(key)).decode()
    return (f"-----BEGIN PRIVATE KEY-----\n{der}-----END PRIVATE KEY-----\n",
            base64.b64encode(bytes(key.verify_key)).decode())


def rsa_key(bits=2048):
    def openssl(*arguments, input=None):
        return subprocess.run(["openssl", *arguments], check=True, input=input,
                              stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL).stdout
    pem = openssl("genpkey", "-algorithm", "RSA", "-pkeyopt",
                  f"rsa_keygen_bits:{bits}")
    public = openssl("pkey", "-pubout", input=pem).decode()
    return pem.decode(), "".join(public.split("\n")[1:-2])


def put_key(sp, domain, selector, key=None, type="ed25519", owner="",
            state="active", activated=ACTIVATED, proved=""):
    """key: (PEM, public); its record joins sp.records."""
    pem, public = key or ed25519_key()
    path = os.path.join(sp.state, "keys", domain, selector)
    lines = [public[i:i + 120] for i in range(0, len(public), 120)]
    note = "\n".join(["[key]", f"state = {state}", f"type = {type}",
                      f"bits = {256 if type == 'ed25519' else 2048}",
                      f"created = {ACTIVATED}", f"activated = {activated}",
                      f"proved = {proved}",
                      "public = " + lines[0]]
                     + ["public += " + line for line in lines[1:]]
                     + [f"owner = {owner}"]) + "\n"
    scratch.write(path + ".pem", pem, 0o600)
    scratch.write(path + ".conf", note, 0o600)
    for folder in (os.path.dirname(path), os.path.join(sp.state, "keys")):
        os.chmod(folder, 0o700)
    sp.records[f"{selector}._domainkey.{domain}"] = \
        f"v=DKIM1; k={type}; p={public}"


def put_users(sp, users):
    """{name: settings}; a password in clear."""
    text = ""
    for name, settings in users.items():
        text += f"[{name}]\n"
        for key, value in settings.items():
            if key == "password":
                value = password_hash(value)
            text += f"{key} = {value}\n"
    scratch.write(os.path.join(sp.state, "users.conf"), text, 0o600)
