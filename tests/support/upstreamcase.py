"""A listener for anybody, one upstream, and a client that sends messages."""
from rawclient import RawClient
from sealpost import Sealpost

BODY = "From: a@example.com\r\nSubject: x\r\n\r\nHello\r\n"
SHORT = {"reply_deadline": "5s", "end_of_data_deadline": "6s",
         "dot_reserve": "2s"}


def plain(up, **more):
    """A listener for anybody on loopback: what is tested is the upstream."""
    listen = {"tls": "none", "auth": "optional",
              "trusted_networks": "127.0.0.0/8", **more.pop("listen", {})}
    return Sealpost(upstream=up if isinstance(up, str) else up.port,
                    listen=listen, **more)


class Client(RawClient):
    def __init__(self, sp, **more):
        super().__init__(sp.port, **more)
        self.expect("EHLO client.test", 250)

    def message(self, body=BODY, recipients=("b@example.net",)):
        """The reply to the end of data."""
        self.envelope("a@example.com", *recipients)
        self.send(body + ".\r\n")
        return self.reply()

    def gone_through(self):
        got = self.message()
        if got[0] != 250:
            raise AssertionError(f"the next message: {got}")
