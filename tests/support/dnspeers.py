"""Real nameservers: an authoritative BIND, signed or not, behind Unbound."""
import glob
import os
import signal
import time

import peers
import scratch


def txt(value):
    """A TXT record's data as a zone file has it."""
    return " ".join('"%s"' % value[i:i + 250].replace('"', '\\"')
                    for i in range(0, len(value), 250))


def tsig_key(name, secret):
    """What tsig-keygen writes."""
    return f'key "{name}" {{ algorithm hmac-sha256; secret "{secret}"; }};\n'


class Bind(peers.Peer):
    """zones: {name: lines of a zone file}; those in signed are signed.
    dynamic: {zone: update-policy}, for which keys: {name: secret} stand."""

    name = "bind"

    def __init__(self, zones, signed=(), dynamic=None, keys=None):
        super().__init__()
        h = self.home
        dynamic = dynamic or {}
        conf = f"""options {{
  directory "{h}"; pid-file none; session-keyfile none;
  listen-on port {self.port} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }};
  recursion no; allow-query {{ any; }}; dnssec-validation no;
  minimal-responses yes; check-names primary ignore;
}};
controls {{ }};
"""
        for zone, lines in zones.items():
            self.write_zone(zone, lines)
            if zone in signed:
                self._sign(zone)
            policy = f"update-policy {{ {dynamic[zone]} }};" \
                if zone in dynamic else ""
            conf += f'zone "{zone}" {{ type primary; file "{zone}"; ' \
                f"{policy} }};\n"
        for name, secret in (keys or {}).items():
            conf += tsig_key(name, secret)
        scratch.write(self.inside("named.conf"), conf)
        self.launch("/usr/sbin/named", "-g", "-c", h + "/named.conf")

    def write_zone(self, zone, lines, serial=1):
        scratch.write(self.inside(zone), f"""$TTL 60
@ SOA ns.{zone}. host.{zone}. {serial} 3600 600 86400 60
@ NS ns.{zone}.
ns A 127.0.0.1
""" + "\n".join(lines) + "\n")

    def reload(self, zone):
        """Reads a zone again whose serial has been raised."""
        later = time.time() + 2 # named looks at whole seconds
        os.utime(self.inside(zone), (later, later))
        self.process.send_signal(signal.SIGHUP)

    def _sign(self, zone):
        for command in (
                ["dnssec-keygen", "-K", self.home, "-a", "ECDSAP256SHA256",
                 "-f", "KSK", zone],
                ["dnssec-signzone", "-S", "-z", "-K", self.home, "-d", self.home,
                 "-o", zone, "-f", f"{self.home}/{zone}.signed",
                 f"{self.home}/{zone}"]):
            tool = next(p for p in ("/usr/bin/", "/usr/sbin/")
                        if os.path.exists(self.root + p + command[0]))
            done = self.chroot(tool + command[0], *command[1:])
            if done.returncode != 0:
                raise AssertionError(done.stdout)
        os.replace(self.inside(zone + ".signed"), self.inside(zone))

    def anchors(self):
        """The public keys of the signed zones, as a zone file has them."""
        return "".join(scratch.read(f).decode()
                       for f in glob.glob(self.inside("K*.key")))


def at(port):
    return f"127.0.0.1@{port}"


class Unbound(peers.Peer):
    """A resolver; zones: {name: port of its nameserver on loopback, or
    "ADDRESS@PORT"}."""

    name = "unbound"

    def __init__(self, zones, anchors="", extra=""):
        super().__init__()
        h = self.home
        scratch.write(self.inside("anchors"), anchors)
        conf = f"""server:
  interface: 127.0.0.1@{self.port}
  do-ip6: no
  do-daemonize: no
  do-not-query-localhost: no
  chroot: ""
  username: ""
  directory: "{h}"
  pidfile: ""
  use-syslog: no
  module-config: "{'validator ' if anchors else ''}iterator"
  root-hints: ""
  val-clean-additional: yes
  qname-minimisation: no
  target-fetch-policy: "0 0 0 0 0"
  local-zone: "test." nodefault
{extra}"""
        if anchors:
            conf += f'  trust-anchor-file: "{h}/anchors"\n'
        for zone, port in zones.items():
            if not anchors:
                conf += f'  domain-insecure: "{zone}."\n'
        conf += "remote-control:\n  control-enable: no\n"
        for zone, port in zones.items():
            conf += f'stub-zone:\n  name: "{zone}."\n' \
                f"  stub-addr: {port if '@' in str(port) else at(port)}\n"
        scratch.write(self.inside("unbound.conf"), conf)
        self.launch("/usr/sbin/unbound", "-d", "-c", h + "/unbound.conf")


class Nsd(peers.Peer):
    """An authoritative server whose zone is the file that is named; it reads
    it at start and at reload(), which is what `nsd-control reload` does.
    address, port: where, instead of a free port of 127.0.0.1."""

    name = "nsd"

    def __init__(self, zone, lines, files=None, address="127.0.0.1", port=None):
        super().__init__()
        self.port = port or self.port
        h = self.home
        self.zone_file = self.inside("zone")
        for name, text in (files or {}).items():
            scratch.write(self.inside(name), text)
        scratch.write(self.zone_file, lines)
        scratch.write(self.inside("nsd.conf"), f"""server:
  ip-address: {address}@{self.port}
  do-ip6: no
  username: ""
  chroot: ""
  server-count: 1
  zonesdir: "{h}"
  database: ""
  pidfile: "{h}/pid"
  zonelistfile: "{h}/list"
  xfrdfile: "{h}/xfrd"
  xfrdir: "{h}"
  verbosity: 2
remote-control:
  control-enable: yes
  control-interface: {h}/control
zone:
  name: "{zone}"
  zonefile: "zone"
""")
        self.launch("/usr/sbin/nsd", "-d", "-c", h + "/nsd.conf")
        scratch.wait_port(self.port, self.process, self.log, host=address)

    def reload_command(self):
        """For /bin/sh, from outside."""
        return f"chroot {self.root} /usr/sbin/nsd-control " \
            f"-c {self.home}/nsd.conf reload"
