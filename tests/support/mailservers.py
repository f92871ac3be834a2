"""Real servers that take mail from Sealpost: Exim, OpenSMTPD, Dovecot's LMTP.

Unpacked and never installed, as peers.py does it. Each has delivered(): the
messages that it keeps.
"""
import os

import peers
import scratch


class EximServer(peers.Peer):
    """Exim 4.96: takes mail from loopback for any domain, into a Maildir.
    users: {name: password} for AUTH PLAIN; then nobody else may send."""

    name = "exim"

    def __init__(self, users=None):
        super().__init__()
        for folder in ("spool", "log", "mail"):
            os.makedirs(self.inside(folder))
            os.chown(self.inside(folder), 103, 103)
        scratch.write(self.inside("exim.conf"), self._conf(users or {}))
        scratch.write(os.path.join(self.root, "etc/exim4/trusted_configs"),
                      self.home + "/exim.conf\n")
        self.launch("/usr/sbin/exim4", "-C", self.home + "/exim.conf", "-bdf",
                    "-q10s")

    def _conf(self, users):
        h = self.home
        known = "".join("{and{{eq{$auth2}{%s}}{eq{$auth3}{%s}}}}" % pair
                        for pair in users.items()) or "{eq{1}{2}}"
        judge = "${if or{%s}}" % known
        return f"""spool_directory = {h}/spool
log_file_path = {h}/log/%slog
pid_file_path = {h}/exim.pid
primary_hostname = exim.example.net
local_interfaces = 127.0.0.1
daemon_smtp_ports = {self.port}
tls_advertise_hosts =
chunking_advertise_hosts = *
smtputf8_advertise_hosts = *
dsn_advertise_hosts = *
prdr_enable = false
keep_environment =
host_lookup =
rfc1413_query_timeout = 0s
never_users =
exim_user = 103
exim_group = 103
acl_smtp_rcpt = acl_rcpt
acl_smtp_data = accept
begin acl
acl_rcpt:
  deny local_parts = nobody
       message = 5.1.1 no such person
  {"require authenticated = *" if users else ""}
  accept control = dkim_disable_verify
begin routers
all:
  driver = accept
  transport = keep
begin transports
keep:
  driver = appendfile
  maildir_format
  directory = {h}/mail/box
  create_directory
  user = 103
  group = 103
begin authenticators
plain:
  driver = plaintext
  public_name = PLAIN
  server_prompts = :
  server_condition = {judge}
begin retry
begin rewrite
"""

    def delivered(self):
        return scratch.maildir(self.inside("mail/box"))


class OpenSmtpd(peers.Peer):
    """OpenSMTPD 6.8: takes mail from loopback for any domain, into a
    Maildir."""

    name = "opensmtpd"

    def __init__(self):
        super().__init__()
        os.makedirs(self.inside("mail"))
        os.chown(self.inside("mail"), 106, 106)
        for folder, mode, owner in (("var/spool/smtpd", 0o711, (0, 0)),
                                    ("var/empty", 0o755, (0, 0)),
                                    ("run/sendmail", 0o755, (0, 0))):
            path = os.path.join(self.root, folder)
            os.makedirs(path, exist_ok=True)
            os.chmod(path, mode)
            os.chown(path, *owner)
        scratch.write(os.path.join(self.root, "etc/mailname"),
                      "opensmtpd.example.net\n")
        scratch.write(self.inside("smtpd.conf"), f"""
listen on 127.0.0.1 port {self.port} hostname opensmtpd.example.net
table anybody {{ "@" = "vmail" }}
action "keep" maildir "{self.home}/mail/box" virtual <anybody>
match from any for any action "keep"
""")
        self.launch("/usr/sbin/smtpd", "-d", "-f", self.home + "/smtpd.conf")

    def delivered(self):
        return scratch.maildir(self.inside("mail/box"))


class DovecotLmtp(peers.Peer):
    """Dovecot 2.3: LMTP on TCP for any user, into a Maildir each. `nobody`
    does not exist."""

    name = "dovecot-lmtp"

    def __init__(self):
        super().__init__()
        os.makedirs(self.inside("mail"))
        os.chown(self.inside("mail"), 106, 106)
        h = self.home
        scratch.write(self.inside("users"),
                      "".join(f"{u}:{{PLAIN}}x:106:106::{h}/mail/{u}\n"
                              for u in ("bob", "carol")))
        scratch.write(self.inside("dovecot.conf"), f"""
base_dir = {h}/run
state_dir = {h}/state
log_path = {h}/dovecot.log
protocols = lmtp
ssl = no
first_valid_uid = 100
default_internal_user = dovecot
default_login_user = dovenull
default_internal_group = dovecot
mail_location = maildir:~/box
auth_username_format = %n
lmtp_save_to_detail_mailbox = no
service lmtp {{
  inet_listener lmtp {{
    address = 127.0.0.1
    port = {self.port}
  }}
}}
service anvil {{
  chroot =
}}
service stats {{
  chroot =
}}
protocol lmtp {{
  postmaster_address = postmaster@example.net
}}
passdb {{
  driver = passwd-file
  args = {h}/users
}}
userdb {{
  driver = passwd-file
  args = {h}/users
}}
""")
        self.launch("/usr/sbin/dovecot", "-F", "-c", h + "/dovecot.conf")

    def delivered(self, user):
        return scratch.maildir(self.inside(f"mail/{user}/box"))
