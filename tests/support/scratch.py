"""Folders, ports, certificates and waiting: what every test needs."""
import os
import pwd
import random
import shutil
import socket
import ssl
import subprocess
import tempfile
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))


def build_top():
    """Where things are kept between runs."""
    return os.environ.get("SEALPOST_KEEP") or os.path.join(TOP, "build")


def program(name):
    """A program of the build under test: SEALPOST_BUILD, else build/."""
    folder = os.environ.get("SEALPOST_BUILD") or os.path.join(TOP, "build")
    return os.path.join(folder, name)


def write(path, text, mode=0o644):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb" if isinstance(text, bytes) else "w") as f:
        f.write(text)
    os.chmod(path, mode)
    return path


def read(path):
    with open(path, "rb") as f:
        return f.read()


def folder():
    """A new scratch folder that the service's account may enter."""
    path = tempfile.mkdtemp(prefix="sealpost-test-")
    os.chmod(path, 0o755)
    return path


def remove(path):
    shutil.rmtree(path, ignore_errors=True)


_given = set()
_dice = random.SystemRandom() # a test's seed is not ours


def free_port():
    """A loopback TCP port that nobody has; no port is given out twice, by two
    runners neither. Below those that the kernel gives to connections: one
    that a daemon leaves for a moment stays free."""
    shard, shards = map(int, os.environ.get("SEALPOST_SHARD",
                                            "1/1").split("/"))
    while True:
        port = _dice.randrange(10240 + shard - 1, 32768, shards)
        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", port))
            except OSError:
                continue
        if port not in _given:
            _given.add(port)
            return port


def can_listen(port):
    """Nobody has the port now."""
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            s.bind(("127.0.0.1", port))
            s.listen(1)
            return True
        except OSError:
            return False


def wait_for(what, true, seconds=30):
    """Polls true() and returns its value; AssertionError says what. Long: only
    what fails waits so."""
    end = time.monotonic() + seconds
    while True:
        value = true()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(0.02)


def wait_port(port, process=None, log=lambda: "", seconds=60,
              host="127.0.0.1"):
    end = time.monotonic() + seconds
    while True:
        try:
            socket.create_connection((host, port), 1).close()
            return
        except OSError:
            pass
        if process is not None and process.poll() is not None:
            raise AssertionError(f"exit {process.returncode}:\n{log()}")
        if time.monotonic() > end:
            raise AssertionError(f"nobody listens on {port}:\n{log()}")
        time.sleep(0.05)


def maildir(path):
    new = os.path.join(path, "new")
    if not os.path.isdir(new):
        return []
    return [read(os.path.join(new, f)) for f in sorted(os.listdir(new))]


def certificate(path, names=("relay.test", "localhost"), kind="ec"):
    """A self-signed one: (certificate, key); it is its own CA file. kind: of
    the key, as `openssl req -newkey` takes it."""
    cert, key = os.path.join(path, "cert.pem"), os.path.join(path, "key.pem")
    alt = ",".join(["DNS:" + n for n in names] + ["IP:127.0.0.1"])
    curve = ["-pkeyopt", "ec_paramgen_curve:P-256"] if kind == "ec" else []
    subprocess.run(["openssl", "req", "-x509", "-newkey", kind, *curve,
                    "-nodes", "-days", "30",
                    "-subj", "/CN=" + names[0], "-addext",
                    "subjectAltName=" + alt, "-keyout", key, "-out", cert],
                   check=True, stdin=subprocess.DEVNULL,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    os.chmod(key, 0o600)
    return cert, key


def expire(certificate, key, path=None):
    """The same, over since yesterday; path: where, else in its place."""
    new = certificate + ".new"
    subprocess.run(["openssl", "x509", "-in", certificate, "-signkey", key,
                    "-days", "-1", "-out", new], check=True,
                   capture_output=True)
    os.rename(new, path or certificate)
    return path or certificate


def der(certificate):
    """The first certificate of a PEM file as DER."""
    return ssl.PEM_cert_to_DER_cert(read(certificate).decode())


def give_to(path, account):
    """chown -R, for a daemon that drops root; without root: nothing."""
    if os.getuid() != 0:
        return
    who = pwd.getpwnam(account)
    for parent, folders, files in os.walk(path):
        for name in [parent] + [os.path.join(parent, f)
                                for f in folders + files]:
            os.lchown(name, who.pw_uid, who.pw_gid)
