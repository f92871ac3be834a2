"""Real mail servers for tests, unpacked and never installed.

Each peer gets a tree of its own, build/peers/NAME: its Debian package with all
that it depends on, fetched by apt and unpacked, no script of a package run.
It is started inside by chroot(8) as root, on loopback ports, and stopped by
pid. Without root or without packages the tests that want it are skipped.
"""
import fcntl
import os
import shutil
import signal
import subprocess
import unittest

import scratch
from nameserver import Nameserver

BASE = ["libc-bin", "dash", "bash", "coreutils", "sed", "grep", "findutils",
        "diffutils"]
PEERS = {
    "postfix": ["postfix", "libsasl2-2", "libsasl2-modules"],
    "exim": ["exim4-daemon-light"],
    "dovecot": ["dovecot-core"],
    "dovecot-pgsql": ["dovecot-core", "dovecot-pgsql", "postgresql-15"],
    "dovecot-lmtp": ["dovecot-core", "dovecot-lmtpd"],
    "opensmtpd": ["opensmtpd"],
    "unbound": ["unbound"],
    "bind": ["bind9", "bind9-utils"],
    "nsd": ["nsd"],
    "opendkim": ["opendkim-tools"],
    "opendkim-milter": ["opendkim"],
    "rspamd": ["rspamd"],
    "systemd": ["systemd", "procps"],
    "haproxy": ["haproxy"],
    # signing relays beside us in tests/bench, with what drives them
    "relay-postfix": ["postfix", "opendkim", "python3", "openssl"],
    "relay-exim": ["exim4-daemon-light", "python3", "openssl"],
    "opensmtpd-client": ["opensmtpd"],
    # no servers, but clients with what they need
    "clients": ["swaks", "libnet-ssleay-perl", "libauthen-sasl-perl", "msmtp",
                "curl", "python3-aiosmtplib", "nodejs", "node-nodemailer"],
}
ACCOUNTS = ["root:0", "daemon:1", "postfix:101", "postdrop:102",
            "Debian-exim:103", "dovecot:104", "dovenull:105", "vmail:106",
            "unbound:107", "bind:108", "nsd:109", "haproxy:110",
            "opensmtpd:111", "opensmtpq:112", "postgres:113",
            "nobody:65534"]


def _run(command, **more):
    return subprocess.run(command, stdin=subprocess.DEVNULL, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          check=True, **more).stdout


def _fetch(folder, packages):
    """Downloads packages with all dependencies, whatever is installed."""
    archives = os.path.join(folder, "archives")
    os.makedirs(os.path.join(archives, "partial"), exist_ok=True)
    status = os.path.join(folder, "status")
    open(status, "w").close()
    _run(["apt-get", "-q", "-y", "--download-only", "--no-install-recommends",
          "-o", "Dir::State::Status=" + status,
          "-o", "Dir::Cache::Archives=" + archives,
          "-o", "Dir::Cache::pkgcache=", "-o", "Dir::Cache::srcpkgcache=",
          "-o", "APT::Sandbox::User=root", "-o", "Debug::NoLocking=1",
          "install"] + packages, timeout=300)
    return sorted(os.path.join(archives, f) for f in os.listdir(archives)
                  if f.endswith(".deb"))


def _unpack(root, archives):
    for link in ("bin", "sbin", "lib", "lib64"):
        os.makedirs(os.path.join(root, "usr", link), exist_ok=True)
        if not os.path.islink(os.path.join(root, link)):
            os.symlink("usr/" + link, os.path.join(root, link))
    for deb in archives:
        files = subprocess.Popen(["dpkg-deb", "--fsys-tarfile", deb],
                                 stdout=subprocess.PIPE)
        subprocess.run(["tar", "-x", "--keep-directory-symlink", "-C", root,
                        "--exclude=./usr/share/doc", "--exclude=./usr/share/man",
                        "--exclude=./usr/share/locale"],
                       stdin=files.stdout, check=True)
        if files.wait() != 0:
            raise OSError("cannot unpack " + deb)


def _furnish(root):
    """What the packages' own scripts would have made."""
    etc = os.path.join(root, "etc")
    with open(os.path.join(etc, "passwd"), "w") as passwd, \
            open(os.path.join(etc, "group"), "w") as group:
        for account in ACCOUNTS:
            name, uid = account.split(":")
            passwd.write(f"{name}:x:{uid}:{uid}::/:/bin/false\n")
            group.write(f"{name}:x:{uid}:\n")
    scratch.write(os.path.join(etc, "hosts"), "127.0.0.1 localhost\n")
    scratch.write(os.path.join(etc, "resolv.conf"), "nameserver 127.0.0.1\n")
    scratch.write(os.path.join(etc, "services"), "smtp 25/tcp\n")
    for folder in ("tmp", "srv", "run", "dev", "var/tmp"):
        os.makedirs(os.path.join(root, folder), exist_ok=True)
    os.chmod(os.path.join(root, "tmp"), 0o1777)
    for name, minor in (("null", 3), ("zero", 5), ("random", 8),
                        ("urandom", 9)):
        path = os.path.join(root, "dev", name)
        if not os.path.exists(path):
            os.mknod(path, 0o020666, os.makedev(1, minor))
            os.chmod(path, 0o666)
    postfix = os.path.join(root, "usr/sbin/postdrop")
    if os.path.exists(postfix):
        for tool in ("postdrop", "postqueue"):
            path = os.path.join(root, "usr/sbin", tool)
            os.chown(path, 0, 102)
            os.chmod(path, 0o2755)
        main = os.path.join(root, "usr/share/postfix/main.cf.dist")
        shutil.copy(main, os.path.join(etc, "postfix/main.cf"))
        scratch.write(os.path.join(etc, "postfix/master.cf"), "")
    exim = os.path.join(root, "usr/sbin/exim4")
    if os.path.exists(exim):
        os.chmod(exim, 0o4755)


def tree(name):
    """The folder of an unpacked peer; unittest.SkipTest says why not."""
    if os.getuid() != 0:
        raise unittest.SkipTest(f"{name}: chroot needs root")
    base = os.path.join(scratch.build_top(), "peers")
    root = os.path.join(base, name)
    done = os.path.join(root, "etc/unpacked")
    os.makedirs(base, exist_ok=True)
    with open(os.path.join(base, name + ".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if os.path.exists(done):
            return root
        cache = root + ".cache"
        try:
            archives = _fetch(cache, BASE + PEERS[name])
        except (subprocess.SubprocessError, OSError) as e:
            why = getattr(e, "stdout", None) or str(e)
            raise unittest.SkipTest(f"{name}: apt gives no packages: "
                                    + why.strip().splitlines()[-1]) from None
        shutil.rmtree(root, ignore_errors=True)
        try:
            _unpack(root, archives)
            _furnish(root)
        except PermissionError as e:
            raise unittest.SkipTest(f"{name}: no device files here: {e}") \
                from None
        shutil.rmtree(cache, ignore_errors=True)
        scratch.write(done, "\n".join(os.path.basename(a)
                                      for a in archives) + "\n")
    return root


class Peer:
    """One running daemon inside its tree; inside() is its own folder."""

    name = None

    def __init__(self):
        self.root = tree(self.name)
        self.port = scratch.free_port()
        self.home = f"/srv/{self.name}-{os.getpid()}-{self.port}"
        os.makedirs(self.inside())
        self.process = None

    def inside(self, path=""):
        """A path of the peer's folder, as seen from outside."""
        return os.path.join(self.root + self.home, path)

    def chroot(self, *command, **more):
        return subprocess.run(["chroot", self.root, *command], text=True,
                              stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=60, **more)

    def launch(self, *command):
        self.output = open(self.inside("output"), "ab")
        self.process = subprocess.Popen(["chroot", self.root, *command],
                                        stdin=subprocess.DEVNULL,
                                        stdout=self.output,
                                        stderr=self.output,
                                        start_new_session=True)
        try:
            scratch.wait_port(self.port, self.process, self.log)
        except BaseException:
            self.stop()
            raise

    def stop(self):
        if self.process is not None:
            group = self.process.pid
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            try: # children that the daemon left, in our own session
                os.killpg(group, signal.SIGKILL)
            except ProcessLookupError:
                pass
            self._kill_strays()
            self.process = None
            self.output.close()
        shutil.rmtree(self.inside(), ignore_errors=True)

    def _kill_strays(self):
        """Who made a session of its own, as Postfix's master does, and lost
        the one that would have passed on our signal."""
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                link = os.readlink(f"/proc/{pid}/cwd") + "/"
                if link.startswith(self.inside()):
                    os.kill(int(pid), signal.SIGKILL)
            except OSError:
                pass # gone, or no process of ours

    def log(self):
        text = ""
        for folder, _, files in os.walk(self.inside()):
            for f in files:
                if f.endswith(".log") or f in ("output", "mainlog",
                                                     "paniclog"):
                    with open(os.path.join(folder, f), errors="replace") as h:
                        text += h.read()
        return text

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


def opendkim_verify(message, records):
    """"" when libopendkim finds every signature good, else what it says."""
    return opendkim_verify_all([message], records)[0]


def opendkim_verify_all(messages, records):
    """opendkim_verify() of each.

    opendkim-testmsg takes keys from DNS alone, so that a nameserver of ours
    listens on port 53 of a loopback address that its tree's resolv.conf names.
    """
    root = tree("opendkim")
    address = f"127.53.{os.getpid() >> 8 & 255}.{os.getpid() & 255 or 1}"
    scratch.write(os.path.join(root, "etc/resolv.conf"),
                  f"nameserver {address}\noptions timeout:2 attempts:1\n")
    with Nameserver(records, host=address, port=53) as ns:
        return [_testmsg(root, ns, m) for m in messages]


def _testmsg(root, ns, message):
    asked = len(ns.asked)
    done = subprocess.run(["chroot", root, "/usr/sbin/opendkim-testmsg"],
                          input=message, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, timeout=60)
    said = done.stdout.decode(errors="replace").strip()
    if done.returncode == 0 and not said and len(ns.asked) == asked:
        return "it asked for no key"
    return said or (f"exit {done.returncode}" if done.returncode else "")


class Postfix(Peer):
    """Postfix 3.7. relay: (port, user, password, ca file) makes it a null
    client of that smarthost; without, it takes mail for all of example.net
    and keeps it in a Maildir. extra: more of main.cf, with @H@ for the folder
    that has files: {name: text}."""

    name = "postfix"

    def __init__(self, relay=None, extra="", files=None):
        super().__init__()
        for name, text in (files or {}).items():
            scratch.write(self.inside(name), text, 0o600)
        main = self._main() + (self._client(*relay) if relay else
                               self._server()) + extra.replace("@H@",
                                                               self.home)
        scratch.write(self.inside("etc/main.cf"), main)
        scratch.write(self.inside("etc/master.cf"), self._master())
        os.makedirs(self.inside("queue"))
        os.makedirs(self.inside("data"))
        os.makedirs(self.inside("mail"))
        os.chown(self.inside("data"), 101, 101)
        os.chown(self.inside("mail"), 106, 106)
        self.launch("/usr/sbin/postfix", "-c", self.home + "/etc", "start-fg")

    def _main(self):
        h = self.home
        return f"""compatibility_level = 3.6
queue_directory = {h}/queue
data_directory = {h}/data
maillog_file = {h}/mail.log
maillog_file_prefixes = {h}
daemon_directory = /usr/lib/postfix/sbin
command_directory = /usr/sbin
mail_owner = postfix
setgid_group = postdrop
import_environment = MAIL_CONFIG TZ LANG=C
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = postfix.example.net
mynetworks = 127.0.0.0/8
smtpd_relay_restrictions = permit_mynetworks, reject
smtp_dns_support_level = disabled
smtp_host_lookup = native
smtpd_peername_lookup = no
alias_maps =
alias_database =
local_recipient_maps =
smtpd_tls_security_level = none
"""

    def _client(self, port, user, password, ca):
        shutil.copy(ca, self.inside("etc-ca.pem"))
        return f"""mydestination =
relayhost = [127.0.0.1]:{port}
smtp_tls_security_level = verify
smtp_tls_verify_cert_match = relay.test
smtp_tls_CAfile = {self.home}/etc-ca.pem
smtp_tls_loglevel = 1
smtp_sasl_auth_enable = yes
smtp_sasl_password_maps = inline:{{ {{ [127.0.0.1]:{port} = {user}:{password} }} }}
smtp_sasl_security_options = noanonymous
smtp_sasl_tls_security_options = noanonymous
minimal_backoff_time = 2s
queue_run_delay = 2s
"""

    def _server(self):
        return f"""mydestination =
virtual_mailbox_domains = example.net
virtual_mailbox_base = {self.home}/mail
virtual_mailbox_maps = static:box/
virtual_uid_maps = static:106
virtual_gid_maps = static:106
"""

    def _master(self):
        rows = [f"127.0.0.1:{self.port} inet n - n - - smtpd",
                "postlog unix-dgram n - n - 1 postlogd",
                "pickup unix n - n 60 1 pickup", "qmgr unix n - n 300 1 qmgr"]
        for name in ("cleanup", "showq"):
            rows.append(f"{name} unix n - n - 0 {name}")
        for name in ("bounce", "defer", "trace"):
            rows.append(f"{name} unix - - n - 0 bounce")
        for line in ("rewrite:trivial-rewrite", "proxymap", "smtp",
                     "relay:smtp", "error", "retry:error", "discard",
                     "virtual"):
            name, *other = line.split(":")
            private = "n" if name == "virtual" else "-"
            rows.append(f"{name} unix - {private} n - - "
                        + (other[0] if other else name))
        for name in ("verify", "anvil", "scache", "tlsmgr"):
            rows.append(f"{name} unix - - n - 1 {name}")
        rows.append("flush unix n - n 1000 0 flush")
        return "\n".join(rows) + "\n"

    def send(self, sender, recipients, message):
        """Through its own sendmail(1), as a local user would."""
        done = self.chroot("/usr/sbin/sendmail", "-C", self.home + "/etc",
                           "-i", "-f", sender, *recipients,
                           input=message.replace("\r\n", "\n"))
        if done.returncode != 0:
            raise AssertionError("sendmail: " + done.stdout)

    def delivered(self):
        """Raw messages in the Maildir."""
        return scratch.maildir(self.inside("mail/box"))


class Exim(Peer):
    """Exim 4.96 that gives all mail to a smarthost, over TLS with AUTH."""

    name = "exim"

    def __init__(self, port, user, password, ca):
        super().__init__()
        shutil.copy(ca, self.inside("ca.pem"))
        for folder in ("spool", "log"):
            os.makedirs(self.inside(folder))
            os.chown(self.inside(folder), 103, 103)
        scratch.write(self.inside("exim.conf"),
                      self._conf(port, user, password))
        # Debian's Exim keeps its rights with another file only if listed.
        scratch.write(os.path.join(self.root, "etc/exim4/trusted_configs"),
                      self.home + "/exim.conf\n")
        self.launch("/usr/sbin/exim4", "-C", self.home + "/exim.conf", "-bdf",
                    "-q10s")

    def _conf(self, port, user, password):
        h = self.home
        return f"""spool_directory = {h}/spool
log_file_path = {h}/log/%slog
pid_file_path = {h}/exim.pid
primary_hostname = exim.example.net
local_interfaces = 127.0.0.1
daemon_smtp_ports = {self.port}
tls_advertise_hosts =
keep_environment =
host_lookup =
rfc1413_query_timeout = 0s
never_users =
exim_user = 103
exim_group = 103
acl_smtp_rcpt = acl_rcpt
begin acl
acl_rcpt:
  accept control = dkim_disable_verify
begin routers
smart:
  driver = manualroute
  transport = smart_smtp
  route_list = * 127.0.0.1::{port}
  self = send
  host_find_failed = ignore
begin transports
smart_smtp:
  driver = smtp
  port = {port}
  allow_localhost
  hosts_require_tls = *
  hosts_require_auth = *
  tls_verify_certificates = {h}/ca.pem
  tls_verify_hosts = *
  tls_verify_cert_hostnames =
begin authenticators
plain:
  driver = plaintext
  public_name = PLAIN
  client_send = ^{user}^{password}
login:
  driver = plaintext
  public_name = LOGIN
  client_send = : {user} : {password}
begin retry
* * F,1h,5s
begin rewrite
"""


class Haproxy(Peer):
    """HAProxy 2.6 in TCP mode. routes: (port, its words) of the servers
    behind it, as (4587, "send-proxy"); ports[i] is in front of routes[i]."""

    name = "haproxy"

    def __init__(self, *routes, maxconn=100):
        super().__init__()
        self.ports = [self.port] + [scratch.free_port() for _ in routes[1:]]
        text = f"""global
  maxconn {maxconn}
defaults
  mode tcp
  timeout connect 5s
  timeout client 30s
  timeout server 30s
"""
        for port, (target, words) in zip(self.ports, routes):
            text += f"""listen smtp{port}
  bind 127.0.0.1:{port}
  server relay 127.0.0.1:{target} {words}
"""
        scratch.write(self.inside("haproxy.cfg"), text)
        self.launch("/usr/sbin/haproxy", "-db", "-f",
                    self.home + "/haproxy.cfg")


class OpenSMTPD(Peer):
    """OpenSMTPD 6.8 that gives all mail to a smarthost; scheme: smtp+tls
    (STARTTLS) or smtps."""

    name = "opensmtpd-client" # its spool is in the tree

    def __init__(self, scheme, port, user, password):
        super().__init__()
        for folder, uid, mode in (
                ("var/spool/smtpd", 0, 0o711),
                ("var/spool/smtpd/offline", 0, 0o770),
                ("var/spool/smtpd/purge", 112, 0o700),
                ("var/spool/smtpd/queue", 112, 0o700),
                ("var/lib/opensmtpd", 0, 0o755),
                ("var/lib/opensmtpd/empty", 0, 0o755)):
            path = os.path.join(self.root, folder)
            os.makedirs(path, exist_ok=True)
            os.chown(path, uid, 0)
            os.chmod(path, mode)
        offline = os.path.join(self.root, "var/spool/smtpd/offline")
        os.chown(offline, 0, 112)
        conf = scratch.write(self.inside("smtpd.conf"), f"""
table secrets {{ "label" = "{user}:{password}" }}
listen on 127.0.0.1 port {self.port}
action "out" relay host "{scheme}://label@127.0.0.1:{port}" \\
  auth <secrets> tls no-verify
match from any for any action "out"
""")
        os.chmod(conf, 0o600)
        self.launch("/usr/sbin/smtpd", "-d", "-f", self.home + "/smtpd.conf")
