"""Key records into real zones: BIND by nsupdate, NSD by file, a program.

publish_once is the function that `sealpost key rotate` calls.
"""
import json
import os
import socket
import subprocess
import time
import unittest

import dnspeers
import scratch
import sealpost

SECRET = "c2VjcmV0IG9mIHRoZSB0ZXN0cyBvZiBTZWFscG9zdA=="
OTHER = "YW5vdGhlciBzZWNyZXQgb2YgdGhlIHRlc3RzIG9mIGl0"
KEY = "v=DKIM1; k=rsa; p=" + "QUJD" * 100


def setUpModule():
    global home
    home = scratch.folder()


def tearDownModule():
    scratch.remove(home)


def config(way, publish, zone="dkim.test"):
    """A configuration file with a state directory of its own."""
    folder = os.path.join(home, f"{len(os.listdir(home))}")
    os.makedirs(os.path.join(folder, "state"))
    return scratch.write(
        os.path.join(folder, "sealpost.conf"),
        sealpost.section("server", {"hostname": "relay.test",
                                    "state_dir": folder + "/state"})
        + sealpost.section("rotate", {"zone": zone, "publish": way})
        + sealpost.section("publish", publish)
        + sealpost.section("listen a", {"address": "127.0.0.1:2525",
                                        "tls": "none", "upstream": "b"})
        + sealpost.section("upstream b", {"address": "127.0.0.1:25"}))


def publish(conf, *records, back_off=False):
    """"" or what it says."""
    done = subprocess.run(
        [scratch.program("tests/support/publish_once"), conf]
        + ([] if back_off else ["--no-back-off"]),
        input="\n".join(records) + "\n", text=True, timeout=60,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        env=dict(os.environ, **sealpost.SANITIZERS))
    if done.returncode not in (0, 1):
        raise AssertionError(done.stdout)
    return done.stdout.strip() if done.returncode else ""


def dig(port, name, kind="TXT"):
    """The answer's data, sorted; a TXT with its strings joined."""
    done = subprocess.run(["dig", "+short", "+tries=1", "+time=3",
                           "@127.0.0.1", "-p", str(port), name, kind],
                          stdout=subprocess.PIPE, text=True, timeout=20)
    return sorted(line.replace('" "', "").strip('"')
                  for line in done.stdout.splitlines())


class Updates(unittest.TestCase):
    """rfc2136 against BIND with TSIG."""

    @classmethod
    def setUpClass(cls):
        cls.bind = dnspeers.Bind(
            {"dkim.test": ["c CNAME elsewhere.test."], "relay.test": []},
            dynamic={"dkim.test": "grant sealpost zonesub TXT;",
                     "relay.test": "grant sealpost subdomain dkim.relay.test "
                                   "TXT;"},
            keys={"sealpost": SECRET, "stranger": OTHER})
        for zone in ("dkim.test", "relay.test"): # it listens before it loads
            scratch.wait_for(zone, lambda z=zone: dig(cls.bind.port, z, "SOA"))

    @classmethod
    def tearDownClass(cls):
        cls.bind.stop()

    def conf(self, key="sealpost", secret=SECRET, below="dkim.test", **more):
        path = scratch.write(os.path.join(home, f"{key}-{secret[:3]}.key"),
                             dnspeers.tsig_key(key, secret), 0o600)
        return config("rfc2136", {"server": f"127.0.0.1:{self.bind.port}",
                                  "tsig_key_file": path, **more}, below)

    def serial(self):
        return int(dig(self.bind.port, "dkim.test", "SOA")[0].split()[2])

    def test_put_change_remove(self):
        conf = self.conf()
        names = ["x1.dkim.test", "x2.dkim.test"]
        before = self.serial()
        self.assertEqual(publish(conf, names[0] + " " + KEY,
                                 names[1] + ' a"b\\c;d'), "")
        self.assertEqual(dig(self.bind.port, names[0]), [KEY])
        self.assertEqual(dig(self.bind.port, names[1]), ['a\\"b\\\\c;d'])
        self.assertEqual(self.serial(), before + 1) # one transaction
        # again: nothing changes; only what has changed is told
        self.assertEqual(publish(conf, names[0] + " " + KEY), "")
        self.assertEqual(self.serial(), before + 1)
        self.assertEqual(publish(conf, "=" + names[0] + " other",
                                 names[1]), "")
        self.assertEqual(dig(self.bind.port, names[0]), [KEY])
        self.assertEqual(dig(self.bind.port, names[1]), [])
        self.assertEqual(publish(conf, names[0]), "")
        self.assertEqual(dig(self.bind.port, names[0]), [])
        self.assertEqual(publish(conf, names[0]), "") # away already

    def test_zone_above(self):
        conf = self.conf(below="dkim.relay.test")
        self.assertIn("NOTAUTH", publish(conf, "x.dkim.relay.test y"))
        conf = self.conf(below="dkim.relay.test", zone="relay.test")
        self.assertEqual(publish(conf, "x.dkim.relay.test y"), "")
        self.assertEqual(dig(self.bind.port, "x.dkim.relay.test"), ["y"])

    def test_refusals(self):
        """Each with the mend, and nothing of the batch is done."""
        for conf, records, reason, mend in (
                (self.conf("stranger", OTHER), ["r.dkim.test y"], "REFUSED",
                 "update-policy"),
                (self.conf("nobody", OTHER), ["r.dkim.test y"], "NOTAUTH",
                 "does not know the key"),
                (self.conf("sealpost", OTHER), ["r.dkim.test y"], "NOTAUTH",
                 "another secret"),
                (self.conf(), ["r.dkim.test y", "c.dkim.test y"], "YXRRSET",
                 "a CNAME stands")):
            said = publish(conf, *records)
            with self.subTest(reason + mend):
                self.assertIn(reason, said)
                self.assertIn(mend, said)
                self.assertEqual(said.count("\n"), 0)
                self.assertNotIn(SECRET, said)
        self.assertEqual(dig(self.bind.port, "r.dkim.test"), [])

    def test_more_than_a_message_holds(self):
        """Two transactions: what the second refuses is told, and all of it
        comes again."""
        conf = self.conf()
        records = [f"a{i:03}.dkim.test {KEY}" for i in range(120)]
        self.assertIn("YXRRSET", publish(conf, *records, "c.dkim.test y"))
        self.assertEqual(dig(self.bind.port, "a000.dkim.test"), [KEY])
        self.assertEqual(publish(conf, *records), "")
        self.assertEqual(dig(self.bind.port, "a119.dkim.test"), [KEY])
        self.assertEqual(publish(conf, *[r.split()[0] for r in records]), "")
        self.assertEqual(dig(self.bind.port, "a119.dkim.test"), [])

    def test_key_file(self):
        bad = scratch.write(os.path.join(home, "bad.key"), "no key\n", 0o600)
        server = {"server": f"127.0.0.1:{self.bind.port}"}
        self.assertIn("tsig-keygen", publish(
            config("rfc2136", {**server, "tsig_key_file": bad}),
            "r.dkim.test y"))
        self.assertIn("No such file", publish(
            config("rfc2136", {**server, "tsig_key_file": bad + "x"}),
            "r.dkim.test y"))
        self.assertIn("REFUSED", publish(config("rfc2136", server),
                                         "r.dkim.test y"))

    def test_dead_server_and_back_off(self):
        conf = config("rfc2136", {
            "server": f"127.0.0.1:{scratch.free_port()}", "timeout": "5s"})
        self.assertIn("is [publish] server there",
                      publish(conf, "r.dkim.test y", back_off=True))
        self.assertIn("after 1 failed try",
                      publish(conf, "r.dkim.test y", back_off=True))
        tries = os.path.join(os.path.dirname(conf),
                             "state/publish/tries.conf")
        self.assertIn(b"failures = 1\n", scratch.read(tries))

    def test_silent_server(self):
        with socket.create_server(("127.0.0.1", 0)) as silent:
            conf = config("rfc2136", {
                "server": f"127.0.0.1:{silent.getsockname()[1]}",
                "timeout": "3s"})
            began = time.monotonic()
            self.assertRegex(publish(conf, "r.dkim.test y"),
                             "timed out|did not end")
            self.assertLess(time.monotonic() - began, 8)


class ZoneFile(unittest.TestCase):
    """zonefile with NSD and its reload."""

    def test_life(self):
        zone = """$TTL 60
@ SOA ns.dkim.test. host.dkim.test. (
    1 ; serial
    3600 600 86400 60 )
@ NS ns.dkim.test.
ns A 127.0.0.1
$INCLUDE include
"""
        with dnspeers.Nsd("dkim.test", zone, {"include": ""}) as nsd:
            conf = config("zonefile", {
                "file": nsd.inside("include"), "serial_file": nsd.zone_file,
                "reload": nsd.reload_command()})

            def shown(name, want):
                scratch.wait_for(f"{name} {want}", lambda: dig(
                    nsd.port, name) == want, 5)
            self.assertEqual(publish(conf, "a.dkim.test " + KEY,
                                     "b.dkim.test y"), "")
            shown("a.dkim.test", [KEY])
            shown("b.dkim.test", ["y"])
            self.assertEqual(dig(nsd.port, "dkim.test", "SOA")[0].split()[2],
                             "2")
            self.assertEqual(publish(conf, "=a.dkim.test " + KEY,
                                     "b.dkim.test"), "")
            shown("b.dkim.test", [])
            shown("a.dkim.test", [KEY])
            # the server is gone: told, and waited for
            broken = config("zonefile", {
                "file": nsd.inside("include"), "serial_file": nsd.zone_file,
                "reload": nsd.reload_command() + ".not"})
            said = publish(broken, "b.dkim.test z", back_off=True)
            self.assertIn("the records are in " + nsd.inside(), said)
            self.assertIn("but [publish] reload", said)
            self.assertIn("after 1 failed try",
                          publish(broken, "b.dkim.test z", back_off=True))


@unittest.skipIf(os.getuid() != 0, "needs root")
class AsKeysUser(unittest.TestCase):
    """The timer's account cannot give files away."""

    SERVER = 12 # the group by which the nameserver reads

    def own(self, path, mode):
        os.chown(path, 65534, self.SERVER)
        os.chmod(path, mode)

    def test_group_of_the_server(self):
        os.chmod(home, 0o755)
        folder = os.path.join(home, "zones")
        include = scratch.write(folder + "/include", "")
        zone = scratch.write(folder + "/zone", "@ SOA ns. host. 1 1 1 1 1\n")
        conf = config("zonefile", {"file": include, "serial_file": zone})

        def run(text):
            done = subprocess.run(
                [scratch.program("tests/support/publish_once"), conf, "-"],
                input=f"a.dkim.test {text}\n", text=True, timeout=60,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                user=65534, group=65534, extra_groups=[])
            return done.stdout.strip() if done.returncode else ""
        os.chown(folder, 65534, 65534)
        self.own(include, 0o644) # anybody may read them
        self.own(zone, 0o644)
        self.assertEqual(run("one"), "")
        self.own(zone, 0o640)
        self.assertRegex(run("two"), "serial_file = .* would not have its "
                                     "group; chmod g.s")
        self.assertEqual(os.stat(zone).st_gid, self.SERVER)
        os.chown(folder, 65534, self.SERVER)
        os.chmod(folder, 0o2755)
        self.assertEqual(run("three"), "")
        found = os.stat(zone)
        self.assertEqual((found.st_gid, found.st_mode & 0o777),
                         (self.SERVER, 0o640))
        self.assertIn(b" 3 1 1 1 1", scratch.read(zone))


class Program(unittest.TestCase):
    """exec with a program of the operator's."""

    def script(self, text):
        path = os.path.join(home, f"program{len(os.listdir(home))}")
        return scratch.write(path, "#!/bin/sh\n" + text, 0o755)

    def test_json(self):
        seen = os.path.join(home, "seen")
        conf = config("exec", {"program": self.script(f"cat >{seen}\n")})
        self.assertEqual(publish(conf, "a.dkim.test " + KEY, "b.dkim.test",
                                 "=c.dkim.test z"), "")
        self.assertEqual(json.loads(scratch.read(seen)), {
            "version": 1, "zone": "dkim.test", "changes": [
                {"action": "put", "name": "a.dkim.test", "type": "TXT",
                 "ttl": 300, "value": KEY, "strings": [KEY[:255], KEY[255:]]},
                {"action": "remove", "name": "b.dkim.test", "type": "TXT"}]})

    def test_environment(self):
        seen = os.path.join(home, "environment")
        conf = config("exec", {"program": self.script(
            f"(env; pwd; ls /proc/self/fd) >{seen}\n")})
        os.environ["SEALPOST_TEST_SECRET"] = "x"
        self.addCleanup(os.environ.pop, "SEALPOST_TEST_SECRET")
        self.assertEqual(publish(conf, "a.dkim.test y"), "")
        text = scratch.read(seen).decode()
        self.assertNotIn("SECRET", text)
        for line in ("PATH=/usr/local/sbin:", "HOME=/root", "LC_ALL=C\n",
                     "\n/\n0\n1\n2\n"):
            self.assertIn(line, text)

    def test_failures(self):
        for text, said in (
                ("echo one >&2; echo the API says no >&2; exit 1",
                 "ended with 1: the API says no"),
                ("kill -TERM $$", "signal 15"),
                ("echo half; sleep 60", "did not end within 1 s")):
            conf = config("exec", {"program": self.script(text),
                                   "timeout": "1s"})
            self.assertIn(said, publish(conf, "a.dkim.test y"))
        conf = config("exec", {"program": home + "/none"})
        self.assertIn("No such file", publish(conf, "a.dkim.test y"))


class Commands(unittest.TestCase):
    """sealpost domain and key, with a program that keeps a zone."""

    def test_delegated(self):
        zone = os.path.join(home, "zone.json")
        program = scratch.write(os.path.join(home, "program"), f"""#!/bin/sh
cat >{zone}
[ ! -e {home}/broken ] || {{ echo the API says no >&2; exit 1; }}
""", 0o755)
        conf = config("exec", {"program": program})
        state = os.path.join(os.path.dirname(conf), "state")
        tries = os.path.join(state, "publish/tries.conf")

        def run(*arguments, ok=(0,)):
            return sealpost.run(*arguments, "-c", conf, ok=ok)
        scratch.write(home + "/broken", "")
        done = run("domain", "add", "example.com", ok=None)
        self.assertIn(b"the API says no", done.stderr)
        self.assertIn(b"the API says no", scratch.read(tries))
        os.unlink(home + "/broken")
        done = run("key", "rotate", "--due", ok=None)
        self.assertIn(b"after 1 failed try", done.stderr)
        os.unlink(tries) # a minute later
        run("key", "rotate", "--due", ok=None)
        key, = json.loads(run("key", "list", "--json").stdout)
        self.assertEqual(key["state"], "published")
        # what is shown is what was put there, not a TXT beside the CNAME
        change, = json.loads(scratch.read(zone))["changes"]
        self.assertEqual((change["action"], change["name"]),
                         ("put", key["selector"] + ".dkim.test"))
        shown = json.loads(run("key", "show", "example.com", "--format",
                               "json").stdout)
        self.assertEqual((shown["name"], shown["value"]),
                         (change["name"], change["value"]))
        self.assertIn(f"; {key['selector']}._domainkey.example.com. IN CNAME "
                      f"{change['name']}.\n",
                      run("key", "show", "example.com").stdout.decode())


class Tested(unittest.TestCase):
    """sealpostd -t names file and line; mail does not wait for it."""

    def test_files(self):
        script = scratch.write(os.path.join(home, "plain"), "x", 0o644)
        for way, settings, line in (
                ("rfc2136", {"server": "127.0.0.1:53",
                             "tsig_key_file": script}, "anybody may read it"),
                ("rfc2136", {"server": "127.0.0.1:53",
                             "tsig_key_file": "/nowhere"}, "No such file"),
                ("exec", {"program": script}, "may not run it"),
                ("exec", {"program": home}, "not a file"),
                ("zonefile", {"file": home + "/none/x"}, "No such file"),
                ("zonefile", {"file": home + "/x",
                              "serial_file": home + "/none"},
                 "No such file")):
            conf = config(way, settings)
            done = subprocess.run(
                [scratch.program("sealpostd"), "-t", "-c", conf], text=True,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60)
            with self.subTest(line):
                self.assertRegex(done.stdout,
                                 r"warning: .*sealpost.conf:\d+: .*" + line)


if __name__ == "__main__":
    unittest.main()
