"""Dovecot's auth service alone, as others put it behind their own servers.

    with Dovecot({"alice": "password"}, tokens=Tokens({"tok": "alice"})) as d:
        d.socket                        its auth-client socket
"""
import http.server
import json
import os
import signal
import subprocess
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
                self.send_header("Connection", "close")
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

    passdb = """driver = passwd-file
  args = username_format=%u {h}/users"""

    name = "dovecot"

    def __init__(self, users, tokens=None, extra="",
                 mechanisms="plain login scram-sha-256 oauthbearer xoauth2"):
        super().__init__()
        os.chmod(self.inside(), 0o755)
        self.socket = self.inside("auth-client")
        self.users = users
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
        oauth2 = "" if "oauth" not in mechanisms else f"""passdb {{
  driver = oauth2
  mechanisms = oauthbearer xoauth2
  args = {h}/oauth2.conf
}}
"""
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
  mechanisms = plain login scram-sha-256
  {self.passdb.format(h=h)}
}}
{oauth2}userdb {{
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


class DovecotWithPostgres(Dovecot):
    """The users in a table of PostgreSQL, on a unix socket inside the tree."""

    name = "dovecot-pgsql"
    passdb = "driver = sql\n  args = {h}/sql.conf"
    programs = "/usr/lib/postgresql/15/bin/"
    postgres = None

    def start(self):
        try:
            if not os.path.exists(self.inside("pg")):
                self._make_database()
            super().start()
        except BaseException:
            self.stop()
            raise

    def _as_postgres(self, *command):
        """"", or what went wrong."""
        done = subprocess.run(["chroot", "--userspec=113:113", self.root,
                               *command], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, text=True, timeout=60,
                              stderr=subprocess.STDOUT)
        return "" if done.returncode == 0 else done.stdout or "failed"

    def _psql(self, text):
        return self._as_postgres(self.programs + "psql", "-h",
                                 self.home + "/pg", "-U", "postgres", "-v",
                                 "ON_ERROR_STOP=1", "-c", text)

    def _make_database(self):
        home = self.home
        os.mkdir(self.inside("pg"))
        os.chown(self.inside("pg"), 113, 113)
        self._as_postgres(self.programs + "initdb", "-N", "-A", "trust", "-U",
                          "postgres", "--locale=C", "-E", "UTF8", "-D",
                          home + "/pg/data")
        with open(self.inside("pg/data/postgresql.conf"), "a") as conf:
            conf.write(f"listen_addresses = ''\nfsync = off\n"
                       f"unix_socket_directories = '{home}/pg'\n"
                       "dynamic_shared_memory_type = mmap\n")
        self.postgres = subprocess.Popen(
            ["chroot", "--userspec=113:113", self.root,
             self.programs + "postgres", "-D", home + "/pg/data"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, start_new_session=True)
        scratch.wait_for("PostgreSQL", lambda: self._psql("select 1") == "",
                         20)
        rows = ", ".join(f"('{n}', '{{PLAIN}}{p}')"
                         for n, p in self.users.items())
        wrong = self._psql("create table users (name text, password text);"
                           f"insert into users values {rows}")
        if wrong:
            raise AssertionError(wrong)
        scratch.write(self.inside("sql.conf"), f"""\
driver = pgsql
connect = host={home}/pg user=postgres dbname=postgres
password_query = SELECT name AS user, password FROM users WHERE name = '%u'
""")

    def stop(self):
        if self.postgres is not None:
            self.postgres.send_signal(signal.SIGINT) # a fast shutdown
            self.postgres.wait(20)
            self.postgres = None
        super().stop()
