"""Memory of sessions that are open, over all processes (PSS)."""
import socket
import ssl
import time

import world
from table import Table
from world import Relay, Sink

LINE = b"x" * 72 + b"\r\n"
HALF = b"From: <a@example.com>\r\nSubject: half\r\n\r\n" + LINE * 68


def _answer(s):
    text = b""
    while not text.endswith(b"\n") or text.split(b"\r\n")[-2][3:4] != b" ":
        part = s.recv(4096)
        if not part:
            raise RuntimeError("the connection was closed: " + repr(text))
        text += part
    return text


def _say(s, line):
    s.sendall(line)
    return _answer(s)


def idle(port):
    s = socket.create_connection(("127.0.0.1", port))
    _answer(s)
    _say(s, b"EHLO idle.example\r\n")
    return s


CONTEXT = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
CONTEXT.check_hostname, CONTEXT.verify_mode = False, ssl.CERT_NONE


def secured(port):
    s = idle(port)
    _say(s, b"STARTTLS\r\n")
    s = CONTEXT.wrap_socket(s)
    _say(s, b"EHLO idle.example\r\n")
    return s


def half_sent(port):
    s = idle(port)
    _say(s, b"MAIL FROM:<a@example.com>\r\n")
    _say(s, b"RCPT TO:<b@example.net>\r\n")
    _say(s, b"DATA\r\n")
    s.sendall(HALF)
    return s


def unended(port):
    """In two pieces, so that the second finds memory for the first."""
    s = half_sent(port)
    s.sendall(LINE * 68)
    return s


def held(sp, count, opened):
    """(sessions, KiB more, KiB in all) while so many stand open. Those that
    open and close first leave the heap as a daemon's that has worked."""
    for s in [opened(sp.port) for _ in range(50)]:
        s.close()
    time.sleep(0.5)
    before = world.memory(sp.process)
    sockets = [opened(sp.port) for _ in range(count)]
    time.sleep(1)
    after = world.memory(sp.process)
    for s in sockets:
        s.close()
    return after - before, after


def run(bench):
    few, many = (300, 1500) if bench.quick else (2000, 9500)
    table = Table(bench, "sessions", "number", "KiB a session", "MiB in all")
    for name, opened, count in (
            ("idle, plain", idle, few), ("idle, TLS", secured, few),
            ("10 KB, half of it sent", half_sent, few),
            ("10 KB, all but its end sent", unended, few),
            ("idle, plain", idle, many)):
        with Sink() as sink, Relay(sink, listen={
                **world.TRUSTED, "require_tls": "no",
                "tls": "starttls" if opened is secured else "none"}) as sp:
            more, total = held(sp, count, opened)
            table.row(name, count, more / count, total / 1024)
    bench.say("\nPSS: pages that processes share count once; the kernel's "
              "socket buffers are not in it.")
