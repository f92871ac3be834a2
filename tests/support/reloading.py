"""What tests of a reload change, and what they look at."""
import socket
import ssl

import scratch


def change(sp, key, value):
    """Sets a key of [server] (or the first that stands anywhere)."""
    lines = scratch.read(sp.config).decode().splitlines()
    for n, line in enumerate(lines):
        if line.startswith(key + " = "):
            lines[n] = f"{key} = {value}"
            break
    else:
        lines.insert(1, f"{key} = {value}")
    scratch.write(sp.config, "\n".join(lines) + "\n")


def peer_certificate(port):
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with socket.create_connection(("127.0.0.1", port), 10) as s, \
            context.wrap_socket(s) as tls:
        return tls.getpeercert(True)
