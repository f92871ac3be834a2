"""Milters that sign, unpacked and never installed; milter.py talks to them."""
import base64
import os

import scratch
from inbound import openssl
from peers import Peer


class Ed25519:
    """seed is its key file for Rspamd; record goes with it (RFC 8463)."""

    def __init__(self):
        pem = openssl("genpkey", "-algorithm", "ed25519")
        public, secret = (base64.b64encode(openssl(
            "pkey", *more, "-outform", "DER", input=pem)[-32:])
            for more in (["-pubout"], []))
        self.record = "v=DKIM1; k=ed25519; p=" + public.decode()
        self.seed = secret


class Opendkim(Peer):
    """OpenDKIM 2.11 that signs as example.com with selector k."""

    name = "opendkim-milter"

    def __init__(self, key, canonicalization, extra=""):
        super().__init__()
        h = self.home
        scratch.write(self.inside("key.pem"), key.pem, 0o600)
        scratch.write(self.inside("opendkim.conf"), f"""Mode s
Socket inet:{self.port}@127.0.0.1
Background no
Syslog no
Domain example.com
Selector k
KeyFile {h}/key.pem
Canonicalization {canonicalization}
OversignHeaders From
{extra}""")
        self.launch("/usr/sbin/opendkim", "-f", "-x", h + "/opendkim.conf")

    def stop(self):
        if self.process is not None: # SIGTERM is heeded every 5 s only
            self.process.kill()
        super().stop()


class Rspamd(Peer):
    """Rspamd 3.4, its proxy alone, which scans by itself and does nothing
    but sign as example.com: keys: {selector: octets of a key file}."""

    name = "rspamd"

    def __init__(self, keys):
        super().__init__()
        h = self.home
        for selector, key in keys.items():
            scratch.write(self.inside(selector + ".key"), key)
        selectors = ", ".join(f'{{ path = "{h}/{s}.key"; selector = "{s}"; }}'
                              for s in keys)
        scratch.write(self.inside("rspamd.conf"), f"""
options {{
  pidfile = "{h}/rspamd.pid"; filters = "dkim"; dns {{
    nameserver = ["127.0.0.1"]; timeout = 0.1s; retransmits = 1; }}
}}
logging {{ type = "console"; level = "notice"; }}
worker "rspamd_proxy" {{
  bind_socket = "127.0.0.1:{self.port}"; milter = yes; count = 1;
  timeout = 20s; upstream "local" {{ default = yes; self_scan = yes; }}
}}
modules {{ path = "/usr/share/rspamd/plugins/dkim_signing.lua"; }}
dkim_signing {{
  sign_local = true; allow_username_mismatch = true; use_esld = false;
  domain {{ example.com {{ selectors = [{selectors}]; }} }}
}}
""")
        os.makedirs(os.path.join(self.root, "var/lib/rspamd"), exist_ok=True)
        self.launch("/usr/bin/rspamd", "-f", "-i", "-c",
                    h + "/rspamd.conf")
