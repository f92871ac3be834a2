"""README's configurations are good, and its commands exist."""
import os
import re
import subprocess
import unittest

import scratch
from sealpost import run

README = scratch.read(os.path.join(scratch.TOP, "README.md")).decode()
BLOCKS = re.findall(r"```ini\n(.*?)```", README, re.S)


class Readme(unittest.TestCase):
    def setUp(self):
        self.home = scratch.folder()
        self.addCleanup(scratch.remove, self.home)

    def configuration(self):
        """All blocks in one file, with paths and ports of this test."""
        cert, key = scratch.certificate(self.home, ("relay.example.com",))
        text = "\n".join(BLOCKS)
        for there, here in (
                ("/etc/sealpost/tls/fullchain.pem", cert),
                ("/etc/sealpost/tls/key.pem", key),
                ("/etc/sealpost/smarthost.password", scratch.write(
                    os.path.join(self.home, "password"), "secret\n", 0o600)),
                ("/var/lib/sealpost-oauth/office.token", scratch.write(
                    os.path.join(self.home, "token"), "token\n", 0o600)),
                ("/var/lib/sealpost", os.path.join(self.home, "state")),
                ("127.0.0.1:2525", f"127.0.0.1:{scratch.free_port()}"),
                ("0.0.0.0:587, [::]:587",
                 f"127.0.0.1:{scratch.free_port()}"),
                ("0.0.0.0:25\n", f"127.0.0.1:{scratch.free_port()}\n")):
            self.assertIn(there, text)
            text = text.replace(there, here)
        if os.getuid() == 0:
            text = text.replace("[server]\n", "[server]\nuser = nobody\n"
                                "keys_user = nobody\n")
        path = scratch.write(os.path.join(self.home, "conf"), text)
        os.mkdir(os.path.join(self.home, "state"))
        scratch.give_to(self.home, "nobody")
        return path

    def test_configuration_is_good(self):
        path = self.configuration()
        done = subprocess.run([scratch.program("sealpostd"), "-c", path, "-t"],
                              stdin=subprocess.DEVNULL, text=True,
                              stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT)
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertNotIn("warning", done.stdout)

    def test_commands_work(self):
        path = self.configuration()
        count = 0
        for line in re.findall(r"^    (sealpost (?:user|key) .*)", README,
                               re.M):
            room, verb, *words = line.split()[1:]
            more = ["--password-stdin"] if verb == "add" else []
            run(room, verb, "-c", path, *words, *more,
                input="correct horse battery\n")
            count += 1
        self.assertGreaterEqual(count, 5)

    def test_files_that_it_links_to_exist(self):
        for name in re.findall(r"\]\(([^)#:]+)\)", README):
            self.assertTrue(os.path.exists(os.path.join(scratch.TOP, name)),
                            name)


if __name__ == "__main__":
    unittest.main()
