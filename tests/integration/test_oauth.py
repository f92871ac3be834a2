"""`sealpost oauth` against a token endpoint of our own, up to the upstream."""
import json
import os
import signal
import subprocess
import threading
import unittest
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import scratch
from sealpost import Sealpost, message, run, section
from upstream import CapturingUpstream


class Endpoint:
    """answers: what each request gets, as (status, object or octets); the
    last one for ever."""

    def __init__(self, *answers):
        self.answers, self.asked = list(answers), []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                size = int(self.headers["Content-Length"])
                form = urllib.parse.parse_qs(self.rfile.read(size).decode())
                outer.asked.append({k: v[0] for k, v in form.items()})
                answer = outer.answers[0]
                if len(outer.answers) > 1:
                    outer.answers.pop(0)
                status, body = answer
                body = body if isinstance(body, bytes) else \
                    json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/token"
        threading.Thread(target=self.server.serve_forever,
                         daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


def token(name, life=3600, **more):
    return 200, {"access_token": name, "expires_in": life,
                 "token_type": "Bearer", **more}


class Oauth(unittest.TestCase):
    def setUp(self):
        self.home = scratch.folder()
        self.addCleanup(scratch.remove, self.home)
        self.token = self.path("token")
        scratch.write(self.path("secret"), "s&cret =%\n", 0o600)

    def path(self, name):
        return os.path.join(self.home, name)

    def conf(self, url, **more):
        settings = {"token_url": url, "client_id": "me",
                    "client_secret_file": self.path("secret"),
                    "scope": "mail send", "token_file": self.token, **more}
        text = section("server", {"state_dir": self.home}) + section(
            "listen l", {"address": "127.0.0.1:1", "tls": "none",
                         "upstream": "u", "auth": "optional"}) + section(
            "upstream u", {"address": "127.0.0.1:2"}) + section(
            "oauth one", settings)
        return scratch.write(self.path("conf"), text)

    def once(self, url, ok=(0,), **more):
        return run("oauth", "-c", self.conf(url, **more), "--once",
                   ok=ok).stderr.decode()

    def test_client_credentials(self):
        with Endpoint(token("first"), token("second")) as e:
            self.once(e.url)
            self.assertEqual(scratch.read(self.token), b"first\n")
            self.assertEqual(os.stat(self.token).st_mode & 0o777, 0o640)
            self.assertEqual(e.asked[0], {
                "grant_type": "client_credentials", "client_id": "me",
                "client_secret": "s&cret =%", "scope": "mail send"})
            os.chown(self.token, 65534, 65534)
            self.once(e.url)
            self.assertEqual(scratch.read(self.token), b"second\n")
            self.assertEqual(os.stat(self.token).st_gid, 65534)
            self.assertEqual(sorted(os.listdir(self.home)),
                             ["conf", "secret", "token"]) # nothing half done

    def test_refresh_token_is_replaced(self):
        scratch.write(self.path("refresh"), "r1\n", 0o600)
        with Endpoint(token("a", refresh_token="r2"), token("b")) as e:
            more = {"refresh_token_file": self.path("refresh")}
            self.once(e.url, **more)
            self.once(e.url, **more)
            self.assertEqual([a["refresh_token"] for a in e.asked],
                             ["r1", "r2"])
            self.assertEqual(e.asked[0]["grant_type"], "refresh_token")
            self.assertEqual(scratch.read(self.path("refresh")), b"r2\n")
            self.assertEqual(os.stat(self.path("refresh")).st_mode & 0o777,
                             0o600)

    def test_failures_keep_the_old_token(self):
        scratch.write(self.token, "old\n", 0o640)
        for answer, code, said in (
                ((400, {"error": "invalid_client",
                        "error_description": "AADSTS7000215: no"}), 77,
                 "invalid_client: AADSTS7000215: no; client_id and"),
                ((503, {"error": "temporarily_unavailable"}), 75, "HTTP 503"),
                ((502, b"<html>"), 75, "not a JSON object"),
                ((200, {"token": "x"}), 75, "no access_token"),
                ((200, {"access_token": "a\nb"}), 75, "no access_token"),
                ((200, b"x" * 100000), 75, "more than 65536 octets")):
            with self.subTest(answer=answer[0]), Endpoint(answer) as e:
                self.assertIn(said, self.once(e.url, ok=(code,)))
                self.assertEqual(scratch.read(self.token), b"old\n")
        url = f"http://127.0.0.1:{scratch.free_port()}/"
        self.assertIn(url, self.once(url, ok=(75,)))
        with Endpoint(token("x")) as e:
            os.unlink(self.path("secret"))
            self.assertIn("No such file", self.once(e.url, ok=(77,)))
            self.assertEqual(e.asked, [])

    def test_presets_and_dry_run(self):
        common = section("server", {"state_dir": self.home}) + section(
            "listen l", {"address": "127.0.0.1:1", "tls": "none",
                         "upstream": "u", "auth": "optional"}) + section(
            "upstream u", {"address": "127.0.0.1:2"})
        basic = {"client_id": "me", "token_file": self.token,
                 "client_secret_file": self.path("secret")}
        path = scratch.write(self.path("conf"), common + section("oauth m", {
            "preset": "m365", "tenant": "example.onmicrosoft.com", **basic})
            + section("oauth g", {"preset": "gmail", **basic,
                                  "refresh_token_file": self.path("r")}))
        said = run("oauth", "-c", path, "--dry-run").stdout.decode()
        self.assertIn("https://login.microsoftonline.com/example.onmicrosoft."
                      "com/oauth2/v2.0/token as me for https://outlook."
                      "office365.com/.default by client credentials", said)
        self.assertIn("https://oauth2.googleapis.com/token as me for "
                      "https://mail.google.com/ by refresh token", said)
        said = run("oauth", "-c", path, "--dry-run", "g").stdout.decode()
        self.assertNotIn("microsoft", said)
        run("oauth", "-c", path, "--once", "x", ok=(78,))
        for settings, want in (
                ({"token_url": "http://192.0.2.1/"}, "show secrets"),
                ({"token_url": "http://127.0.0.1.example/"}, "show secrets"),
                ({}, "has no token_url"),
                ({"preset": "gmail"}, "no token for mail by client")):
            path = scratch.write(self.path("conf"), common + section(
                "oauth o", {**basic, **settings}))
            done = run("oauth", "-c", path, "--once", ok=(78,))
            self.assertIn(want, done.stderr.decode())

    def test_stays_fresh_up_to_the_upstream(self):
        """A token of the shortest life is renewed; the daemon logs in with
        whichever is there, and nobody has to restart it."""
        with Endpoint((503, b"busy"), token("fresh")) as e, \
                CapturingUpstream(users={"relay": "fresh"},
                                  mechanisms="XOAUTH2") as up:
            scratch.write(self.token, "stale\n", 0o640)
            scratch.give_to(self.home, "nobody")
            extra = section("oauth one", {
                "token_url": e.url, "client_id": "me",
                "client_secret_file": self.path("secret"),
                "token_file": self.token})
            with Sealpost(up.port, extra=extra, upstream_settings={
                    "login": "oauth", "username": "relay",
                    "token_file": self.token}) as sp:
                with sp.smtp() as client:
                    self.assertEqual(client.mail("alice@example.com")[0], 451)
                    keeper = subprocess.Popen(
                        [scratch.program("sealpost"), "oauth", "-c",
                         sp.config], stderr=subprocess.PIPE)
                    try: # after its back-off
                        self.assertIn(b"HTTP 503", keeper.stderr.readline())
                        self.assertIn(b"is good for 3600s",
                                      keeper.stderr.readline())
                    finally:
                        keeper.send_signal(signal.SIGTERM)
                        keeper.communicate()
                    self.assertEqual(scratch.read(self.token), b"fresh\n")
                    client.sendmail("alice@example.com", ["b@example.net"],
                                    message())
                self.assertEqual(up.messages[0].user, "relay")
                self.assertIn('{"status', sp.log().replace("\\", ""))


if __name__ == "__main__":
    unittest.main()
