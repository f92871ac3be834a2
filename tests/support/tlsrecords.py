"""Between two that speak TLS: copies octets and counts application records.

    with RecordCounter(up.port) as counter:
        ... connects to counter.port ...
    counter.forth, counter.back     towards the server, and from it

In TLS 1.3 the rest of the handshake and tickets are counted, too: look at the
difference between two moments.
"""
import socket
import struct
import threading

TYPES = (20, 21, 22, 23)
APPLICATION = 23


class RecordCounter:
    def __init__(self, port):
        self.target, self.forth, self.back = port, 0, 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError: # stopped
                return
            far = socket.create_connection(("127.0.0.1", self.target))
            for s in (near, far):
                s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for one in ((near, far, "forth"), (far, near, "back")):
                threading.Thread(target=self._copy, args=one,
                                 daemon=True).start()

    def _copy(self, source, target, way):
        held = b""
        try:
            while data := source.recv(65536):
                held = self._count(held + data, way)
                target.sendall(data)
        except OSError: # the other side has gone
            pass
        try:
            target.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def _count(self, held, way):
        """Whole records taken off; lines before TLS are no records."""
        while len(held) >= 5:
            if held[0] not in TYPES:
                return b""
            end = 5 + struct.unpack(">H", held[3:5])[0]
            if len(held) < end:
                break
            if held[0] == APPLICATION:
                setattr(self, way, getattr(self, way) + 1)
            held = held[end:]
        return held

    def stop(self):
        try: # close() alone leaves the other thread in accept()
            self.listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.listener.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
