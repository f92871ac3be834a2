"""An MTA's side of the milter protocol, version 6, as one function.

    signed = milter.filtered(port, message)

sends a message (CRLF line ends) through the filter on a loopback port and
returns it with the fields that the filter had added, changed or removed.
Folds are LF on this wire, as Postfix and Sendmail have them.
"""
import re
import socket
import struct

LEADING_SPACE = 0x100000 # values go with what stands behind the colon
ACTIONS, STEPS = 0x1ff, 0x1fffff
# A step's command: (the filter doesn't want it, it doesn't answer it).
WISHES = {b"C": (0x1, 0x1000), b"H": (0x2, 0x2000), b"M": (0x4, 0x4000),
          b"R": (0x8, 0x8000), b"T": (0x200, 0x10000), b"L": (0x20, 0x80),
          b"N": (0x40, 0x40000), b"B": (0x10, 0x80000), b"E": (0, 0)}
CHUNK = 65535


class Filter:
    def __init__(self, port):
        self.wire = socket.create_connection(("127.0.0.1", port), 30)
        self.wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._put(b"O", struct.pack(">III", 6, ACTIONS, STEPS))
        command, data = self._get()
        if command != b"O":
            raise AssertionError(f"no negotiation: {command} {data}")
        self.steps = struct.unpack(">III", data[:12])[2]
        self.changes = []

    def _put(self, command, data=b""):
        self.wire.sendall(struct.pack(">I", 1 + len(data)) + command + data)

    def _take(self, count):
        data = b""
        while len(data) < count:
            more = self.wire.recv(count - len(data))
            if not more:
                raise AssertionError("the filter has closed the connection")
            data += more
        return data

    def _get(self):
        data = self._take(struct.unpack(">I", self._take(4))[0])
        return data[:1], data[1:]

    def step(self, command, data=b"", macros=()):
        """Tells one thing; False when the filter has heard enough."""
        unwanted, unanswered = WISHES[command]
        if self.steps & unwanted:
            return True
        if macros:
            self._put(b"D", command + b"".join(m + b"\0" for m in macros))
        self._put(command, data)
        return self._verdict(command) if not self.steps & unanswered else True

    def _verdict(self, command):
        while True:
            got, data = self._get()
            if got in (b"h", b"i", b"m"):
                self.changes.append((got, data))
            elif got == b"c" or (got == b"a" and command == b"E"):
                return True
            elif got == b"s" and command == b"B":
                return False
            elif got != b"p": # it is still at work
                raise AssertionError(f"at {command}: {got} {data}")

    def value(self, raw):
        value = raw[:-2].replace(b"\r\n", b"\n")
        if self.steps & LEADING_SPACE:
            return value
        return value.lstrip(b" \t")

    def field(self, name, value):
        space = b"" if self.steps & LEADING_SPACE else b" "
        return name + b":" + space + re.sub(rb"\r?\n", b"\r\n", value) \
            + b"\r\n"

    def changed(self, fields):
        """fields: (name, raw field); the same after the filter's changes."""
        for command, data in self.changes:
            at = 1 << 30 # SMFIR_ADDHEADER: behind all others
            if command != b"h":
                at, data = struct.unpack(">I", data[:4])[0], data[4:]
            name, value = data.split(b"\0")[:2]
            new = [(name, self.field(name, value))]
            if command == b"m": # the at-th of this name
                same = [n for n, f in enumerate(fields)
                        if f[0].lower() == name.lower()]
                fields[same[at - 1]:same[at - 1] + 1] = new if value else []
            else: # 0 is above the MTA's Received, of which there is none
                at = max(at - 1, 0)
                fields[at:at] = new
        return fields

    def close(self):
        self._put(b"Q")
        self.wire.close()


def filtered(port, message, sender="alice@example.com", to="bob@example.com"):
    header, blank, body = message.partition(b"\r\n\r\n")
    fields = [(raw.partition(b":")[0], raw) for raw in re.findall(
        rb"[^\r\n][^\n]*\n(?:[ \t][^\n]*\n)*", header + b"\r\n")]
    f = Filter(port)
    try:
        f.step(b"C", b"client.test\0" + b"4" + struct.pack(">H", 2525)
               + b"127.0.0.1\0", (b"j", b"mta.test", b"{daemon_name}", b"in"))
        f.step(b"H", b"client.test\0")
        f.step(b"M", b"<%s>\0" % sender.encode(), (b"i", b"4KXq1Z2x3y"))
        f.step(b"R", b"<%s>\0" % to.encode())
        f.step(b"T", b"", (b"i", b"4KXq1Z2x3y"))
        for name, raw in fields:
            f.step(b"L", name + b"\0" + f.value(raw[len(name) + 1:]) + b"\0")
        f.step(b"N")
        for n in range(0, len(body), CHUNK):
            if not f.step(b"B", body[n:n + CHUNK]):
                break
        f.step(b"E")
        return b"".join(raw for _, raw in f.changed(fields)) + b"\r\n" + body
    finally:
        f.close()
