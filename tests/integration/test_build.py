"""configure's errors, the tarball, and what is installed where."""
import glob
import os
import re
import shutil
import subprocess
import unittest

import scratch

CONFIGURE = os.path.join(scratch.TOP, "configure")
LIBRARIES = {"libevent_core": "libevent-dev", "libcrypto": "libssl-dev",
             "libssl": "libssl-dev", "inih": "libinih-dev",
             "libcrypt": "libcrypt-dev", "libgsasl": "libgsasl-dev",
             "libidn2": "libidn2-dev",
             "cmocka": "libcmocka-dev"}
# One link of a program each: what a tarball lacks is seen without a full make
# check.
CHECKS = "tests/unit/test_smtp_command tests/unit/test_log"


def call(*command, folder, **environment):
    return subprocess.run(command, cwd=folder, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, timeout=400,
                          env={**os.environ, **environment})


def files(folder):
    return sorted(os.path.relpath(os.path.join(parent, name), folder)
                  for parent, _, names in os.walk(folder) for name in names)


@unittest.skipUnless(os.path.exists(CONFIGURE), "no configure: autoreconf -fi")
class Build(unittest.TestCase):
    """One configure fills a cache; the others are quick."""

    @classmethod
    def setUpClass(cls):
        cls.home = scratch.folder()
        cls.cache = os.path.join(cls.home, "cache")
        cls.build = os.path.join(cls.home, "build")
        os.mkdir(cls.build)
        done = call(CONFIGURE, "-q", f"--cache-file={cls.cache}",
                    folder=cls.build)
        if done.returncode != 0:
            raise AssertionError(done.stdout)
        with open(cls.cache) as f: # compilers stay, libraries are looked for
            kept = [line for line in f if not re.search(
                r"pkg_cv_|PKG_CONFIG|cv_search|ac_cv_env", line)]
        scratch.write(cls.cache, "".join(kept))

    @classmethod
    def tearDownClass(cls):
        subprocess.run(["chmod", "-R", "u+w", cls.home], check=False)
        scratch.remove(cls.home)

    def configure(self, **environment):
        folder = os.path.join(self.home, "error")
        shutil.rmtree(folder, ignore_errors=True)
        os.mkdir(folder)
        shutil.copy(self.cache, os.path.join(folder, "config.cache"))
        return call(CONFIGURE, "-q", "-C", folder=folder, **environment)

    def descriptions_without(self, name):
        """A folder with what pkg-config knows, but for one library."""
        folder = os.path.join(self.home, "pc")
        shutil.rmtree(folder, ignore_errors=True)
        os.mkdir(folder)
        path = subprocess.run(["pkg-config", "--variable", "pc_path",
                               "pkg-config"], check=True, text=True,
                              stdout=subprocess.PIPE).stdout.strip()
        for place in reversed(path.split(":")):
            for pc in glob.glob(os.path.join(place, "*.pc")):
                if os.path.basename(pc) != name + ".pc":
                    shutil.copy(pc, folder)
        return folder

    def test_a_missing_library_is_named_with_its_package(self):
        for name, package in LIBRARIES.items():
            with self.subTest(name):
                done = self.configure(
                    PKG_CONFIG_LIBDIR=self.descriptions_without(name))
                self.assertNotEqual(done.returncode, 0)
                self.assertRegex(done.stdout, r"configure: error: .* is "
                                 rf"missing: apt-get install {package}\n")

    def test_no_library_is_missed_without_reason(self):
        done = self.configure(
            PKG_CONFIG_LIBDIR=self.descriptions_without("none"))
        self.assertEqual(done.returncode, 0, done.stdout)

    def test_libresolv(self):
        done = self.configure(ac_cv_search_ns_initparse="no")
        self.assertIn("libresolv is missing: apt-get install libc6-dev",
                      done.stdout)

    def test_pkg_config(self):
        done = self.configure(ac_cv_path_PKG_CONFIG="no",
                              ac_cv_path_ac_pt_PKG_CONFIG="no")
        self.assertIn("pkg-config is missing: apt-get install pkg-config",
                      done.stdout)

    def test_tarball(self):
        """make dist, unpacked and read-only: it builds beside its sources,
        lint and unit tests run, and install and uninstall match."""
        # What a build leaves in folders that are distributed stays out.
        done = call("make", "-s", "tests/support/vec.o", folder=self.build)
        self.assertEqual(done.returncode, 0, done.stdout)
        done = call("make", "-s", "dist", folder=self.build, XZ_OPT="-0")
        self.assertEqual(done.returncode, 0, done.stdout)
        tarball, = glob.glob(os.path.join(self.build, "sealpost-*.tar.xz"))
        done = call("tar", "xf", tarball, folder=self.home)
        self.assertEqual(done.returncode, 0, done.stdout)
        top = os.path.join(self.home, os.path.basename(tarball)[:-7])
        found = files(top)
        self.assertFalse([f for f in found if re.search(
            r"__pycache__|\.deps|\.o$", f)])
        for name in ("README.md", "etc/quickstart.sh", "tests/run.sh",
                     "tests/integration/test_build.py"):
            self.assertIn(name, found)
        subprocess.run(["chmod", "-R", "a-w", top], check=True)
        folder = os.path.join(self.home, "fromtar")
        os.mkdir(folder)
        shutil.copy(self.cache, os.path.join(folder, "config.cache"))
        for command in (
                (os.path.join(top, "configure"), "-q", "-C", "--prefix=/usr",
                 "--sysconfdir=/etc", "--enable-werror", "CFLAGS=-O0",
                 "CPPFLAGS=-Wno-cpp"),
                ("make", "-s", "-j2"),
                ("make", "-s", "check", f"check_PROGRAMS={CHECKS}",
                 "TESTS=tests/lint/check-layers.sh "
                 f"tests/lint/check-settings.sh {CHECKS}")):
            done = call(*command, folder=folder)
            self.assertEqual(done.returncode, 0, done.stdout[-4000:])
        self.installs(folder)

    def installs(self, folder):
        root = os.path.join(self.home, "root")
        conf = os.path.join(root, "etc/sealpost/sealpost.conf")
        for _ in range(2): # again over what the administrator has edited
            done = call("make", "-s", "install", f"DESTDIR={root}",
                        folder=folder)
            self.assertEqual(done.returncode, 0, done.stdout)
            self.assertTrue(os.path.isdir(os.path.dirname(conf)))
            scratch.write(conf, "[server]\nhostname = mine.example\n")
        found = files(root)
        for name in ("usr/sbin/sealpostd", "usr/bin/sealpost",
                     "usr/share/man/man8/sealpostd.8",
                     "usr/share/man/man5/sealpost.conf.5",
                     "usr/share/doc/sealpost/examples/sealpost.conf",
                     "usr/lib/systemd/system/sealpost.service",
                     "usr/lib/sysusers.d/sealpost.conf",
                     "usr/lib/tmpfiles.d/sealpost.conf"):
            self.assertIn(name, found)
        self.every_command_has_a_page(root)
        done = call("make", "-s", "uninstall", f"DESTDIR={root}",
                    folder=folder)
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertEqual(files(root), ["etc/sealpost/sealpost.conf"])

    def every_command_has_a_page(self, root):
        program = os.path.join(root, "usr/bin/sealpost")
        out = call(program, "--help", folder=root).stdout
        commands = re.findall(r"^  ([\w-]+) ", out, re.M)
        self.assertGreater(len(commands), 5)
        pages = os.listdir(os.path.join(root, "usr/share/man/man1"))
        self.assertEqual(sorted(pages), sorted(
            ["sealpost.1", "sealpost-domain-check.1"]
            + [f"sealpost-{c}.1" for c in commands]))
        self.assertIn("(default /etc/sealpost/sealpost.conf)", out)


if __name__ == "__main__":
    unittest.main()
