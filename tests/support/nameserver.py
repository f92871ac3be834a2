"""A nameserver for tests: answers TXT and addresses from a dictionary.

    with Nameserver({"sp1._domainkey.example.com": "v=DKIM1; ..."}) as ns:
        ns.address      "127.0.0.1:PORT"

records: {name: text} for TXT, {(name, "A"): "192.0.2.1"}, and a value of
FAIL or SILENT, or a function that is given the query and whether it came over
TCP and returns the answer's octets, or None. Everything else does not exist.
TXT over 1000 octets over UDP is cut, so that it is asked for again over TCP.
answer() and cname() help to write such functions.
"""
import socket
import struct
import threading
import time

FAIL, SILENT = object(), object()
TYPES = {1: "A", 28: "AAAA", 16: "TXT", 15: "MX", 12: "PTR", 5: "CNAME",
         52: "TLSA", 2: "NS"}


def _name(text):
    return b"".join(bytes([len(w)]) + w.encode()
                    for w in text.split(".") if w) + b"\0"


def _data(kind, value):
    if kind == "TXT":
        raw = value.encode()
        return b"".join(bytes([len(raw[i:i + 255])]) + raw[i:i + 255]
                        for i in range(0, len(raw), 255)) or b"\0"
    if kind == "A":
        return socket.inet_aton(value)
    if kind == "AAAA":
        return socket.inet_pton(socket.AF_INET6, value)
    if kind == "MX":
        preference, host = value.split()
        return struct.pack(">H", int(preference)) + _name(host)
    return _name(value)


def question(query):
    """The question section of a query, with its end at the OPT record."""
    at = 12
    while query[at]:
        at += 1 + query[at]
    return query[12:at + 5]


def answer(query, records=(), flags=0x8180):
    """records: (owner or None for the question's name, type, TTL, data)."""
    body = b"".join(
        (b"\xc0\x0c" if owner is None else _name(owner))
        + struct.pack(">HHIH", kind, 1, ttl, len(data)) + data
        for owner, kind, ttl, data in records)
    return query[:2] + struct.pack(">HHHHH", flags, 1, len(records), 0, 0) \
        + question(query) + body


def cname(target, ttl=300):
    return lambda query, tcp: answer(query, [(None, 5, ttl, _name(target))])


def txt(value, ttl=300):
    return lambda query, tcp: answer(query, [(None, 16, ttl,
                                              _data("TXT", value))])


def rcode(code):
    return lambda query, tcp: answer(query, flags=0x8180 | code)


def after(seconds, then):
    """Answers late; each question waits by itself."""
    def late(query, tcp):
        time.sleep(seconds)
        return then(query, tcp)
    return late


class Nameserver:
    def __init__(self, records=None, host="127.0.0.1", port=0, slow=False):
        self.slow = slow # a thread a question: for after()
        self.records = dict(records or {})
        self.asked = []
        self.seen = [] # (name, seconds, UDP source port, id, over TCP)
        while True:
            self.tcp = socket.create_server((host, port))
            self.port = self.tcp.getsockname()[1]
            self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            try:
                self.udp.bind((host, self.port))
                break
            except OSError:
                self.tcp.close()
                self.udp.close()
                if port:
                    raise
        self.address = f"{host}:{self.port}"
        self.threads = [threading.Thread(target=t, daemon=True)
                        for t in (self._serve_udp, self._serve_tcp)]
        for thread in self.threads:
            thread.start()

    def _find(self, name, kind):
        value = self.records.get((name, kind))
        if value is None and kind == "TXT":
            value = self.records.get(name)
        return value

    def _answer(self, query, port=0, tcp=False):
        labels, at = [], 12
        while query[at]:
            labels.append(query[at + 1:at + 1 + query[at]].decode("latin-1"))
            at += 1 + query[at]
        question = query[12:at + 5]
        kind = TYPES.get(struct.unpack(">H", query[at + 1:at + 3])[0], "?")
        name = ".".join(labels).lower()
        self.asked.append((name, kind))
        self.seen.append((name, time.monotonic(), port,
                          struct.unpack(">H", query[:2])[0], tcp))
        value = self._find(name, kind)
        if callable(value):
            return value(query, tcp)
        if value is SILENT:
            return None
        if value is FAIL:
            return query[:2] + struct.pack(">HHHHH", 0x8182, 1, 0, 0, 0) \
                + question
        if value is None:
            known = any(k == name or k[0] == name for k in self.records)
            return query[:2] + struct.pack(
                ">HHHHH", 0x8180 if known else 0x8183, 1, 0, 0, 0) + question
        values = value if isinstance(value, list) else [value]
        records = b""
        for v in values:
            data = _data(kind, v)
            records += b"\xc0\x0c" + query[at + 1:at + 3] + struct.pack(
                ">HIH", 1, 300, len(data)) + data
        return query[:2] + struct.pack(">HHHHH", 0x8180, 1, len(values), 0,
                                       0) + question + records

    def _serve_udp(self):
        while True:
            try:
                query, peer = self.udp.recvfrom(4096)
            except OSError:
                return
            if not query: # shut down
                return
            if self.slow:
                threading.Thread(target=self._one, args=(query, peer),
                                 daemon=True).start()
            else:
                self._one(query, peer)

    def _one(self, query, peer):
        answer = self._answer(query, peer[1]) if len(query) > 16 else None
        if answer and len(answer) > 1000:
            end = 12 + answer[12:].index(b"\0") + 5
            answer = answer[:2] + struct.pack(">HHHHH", 0x8380, 1, 0, 0,
                                              0) + answer[12:end]
        if answer:
            try:
                self.udp.sendto(answer, peer)
            except OSError: # stopped meanwhile
                pass

    def _serve_tcp(self):
        while True:
            try:
                client, _ = self.tcp.accept()
            except OSError:
                return
            with client:
                query = client.recv(4096)[2:]
                answer = self._answer(query, tcp=True) \
                    if len(query) > 16 else None
                if answer:
                    client.sendall(struct.pack(">H", len(answer)) + answer)

    def stop(self):
        for s in (self.tcp, self.udp):
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        for thread in self.threads: # the port is free when they have ended
            thread.join(2)
        for s in (self.tcp, self.udp):
            s.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
