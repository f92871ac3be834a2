"""A listener for anybody, upstreams by address, and a client of it."""
from rawclient import RawClient
from sealpost import Sealpost

BODY = "From: a@example.com\r\nSubject: x\r\n\r\nHello\r\n"
ANYBODY = {"tls": "none", "auth": "optional",
           "trusted_networks": "127.0.0.0/8"}


def plain(address, settings=None, **more):
    listen = {**ANYBODY, **more.pop("listen", {})}
    return Sealpost(upstream=address, upstream_settings=settings,
                    listen=listen, **more)


class Client(RawClient):
    def __init__(self, sp, **more):
        super().__init__(sp.port, **more)
        self.expect("EHLO client.test", 250)

    def message(self, sender="a@example.com", to=("b@example.net",)):
        """The reply to the end of data, or the first one that is no good."""
        got = self.command(f"MAIL FROM:<{sender}>")
        for rcpt in to:
            got = self.command(f"RCPT TO:<{rcpt}>") if got[0] == 250 else got
        if got[0] != 250:
            return got
        self.expect("DATA", 354)
        self.send(BODY + ".\r\n")
        return self.reply()
