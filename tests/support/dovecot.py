"""Dovecot's auth service alone, as others put it behind their own servers.

    with Dovecot({"alice": "password"}, tokens=Tokens({"tok": "alice"})) as d:
        d.socket                        its auth-client socket
"""
import http.server
import json
import os
import signal
import threading
import urllib.parse

import scratch
from peers import Peer


class Tokens:
    """An OAuth2 server that knows these tokens: {token: user} (RFC 7662)."""

    def __init__(self, tokens):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                token = urllib.parse.parse_qs(body.decode()).get("token", [""])
                user = tokens.get(token[0])
                text = json.dumps({"active": True, "email": user} if user
                                  else {"active": False}).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *_):
                pass
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0),
                                                      Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever,
                         daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


class Dovecot(Peer):
    """users: {name: password} in a passwd-file; extra: more configuration."""

    name = "dovecot"

    def __init__(self, users, tokens=None, extra="",
                 mechanisms="plain login scram-sha-256 oauthbearer xoauth2"):
        super().__init__()
        os.chmod(self.inside(), 0o755)
        self.socket = self.inside("auth-client")
        scratch.write(self.inside("users"), "".join(
            f"{name}:{{PLAIN}}{password}::::::\n"
            for name, password in users.items()))
        scratch.write(self.inside("oauth2.conf"), f"""\
introspection_mode = post
introspection_url = http://127.0.0.1:{tokens.port if tokens else 9}/
username_attribute = email
active_attribute = active
active_value = true
""")
        self.config = self.inside("dovecot.conf")
        scratch.write(self.config, self._conf(mechanisms, extra))
        self.start()

    def start(self):
        """Also again, after kill()."""
        self.launch("/usr/sbin/dovecot", "-F", "-c",
                    self.home + "/dovecot.conf")
        scratch.wait_for("auth-client", lambda: os.path.exists(self.socket))

    def kill(self):
        """Stops it; its folder stays."""
        os.killpg(self.process.pid, signal.SIGKILL) # its own session
        self.process.wait(10)
        self.output.close()
        self.process = None
        if os.path.exists(self.socket):
            os.unlink(self.socket)

    def _conf(self, mechanisms, extra):
        h = self.home
        return f"""protocols =
base_dir = {h}/run
log_path = {h}/dovecot.log
auth_verbose = yes
ssl = no
disable_plaintext_auth = no
auth_mechanisms = {mechanisms}
auth_failure_delay = 0
auth_username_format = %Lu
auth_cache_size = 0
default_internal_user = dovecot
default_login_user = dovenull
passdb {{
  driver = passwd-file
  mechanisms = plain login scram-sha-256
  args = username_format=%u {h}/users
}}
passdb {{
  driver = oauth2
  mechanisms = oauthbearer xoauth2
  args = {h}/oauth2.conf
}}
userdb {{
  driver = static
  args = uid=106 gid=106 home=/tmp
}}
service auth {{
  unix_listener {h}/auth-client {{
    mode = 0666
  }}
  inet_listener {{
    address = 127.0.0.1
    port = {self.port}
  }}
}}
service anvil {{
  chroot =
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
service stats {{
  chroot =
}}
{extra}
"""
