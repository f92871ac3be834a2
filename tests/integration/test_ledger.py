"""The ledger: no mail is lost when anything is killed at any moment.

Clients deliver numbered messages and try again until they have a 250, while
workers, keepers, the whole daemon and the upstream's connections are killed at
random. Then the books are compared: what a client has a 250 for is at the
upstream, octet by octet; what is there twice was sent again for a reason, which
the log names or a kill explains.

40 s; with SEALPOST_LONG=1 until 1000 kills were done, with SEALPOST_KILLS=N
so many. SEALPOST_SEED repeats the choices of an earlier run.
"""
import collections
import os
import random
import smtplib
import ssl
import socket
import struct
import threading
import time
import unittest

import processes
import scratch
from sealpost import Sealpost, fields, message
from upstream import CapturingUpstream

LONG = bool(os.environ.get("SEALPOST_LONG"))
SECONDS, CLIENTS = 40, 6
KILLS = int(os.environ.get("SEALPOST_KILLS") or (1000 if LONG else 0))
SLACK_S = 0.05 # a kill is noted after it was done


class FragileUpstream(CapturingUpstream):
    """Slow to answer, and all its connections can be cut at once."""

    def __init__(self, choose):
        super().__init__({"dot": self._dot})
        self.choose = choose
        self.taken = [] # (monotonic time, id, data)

    def _dot(self, session, line):
        self.stopping.wait(self.choose.random() * 0.06)
        return None

    def crash(self):
        with self.lock:
            alive = [s for s in self.sessions if not s.ended]
        for session in alive:
            try: # RST, as from a machine that has just come back
                session.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                          struct.pack("ii", 1, 0))
                session.socket.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


class Client(threading.Thread):
    """Sends one message after the other, each until it is accepted."""

    def __init__(self, ledger, number):
        super().__init__(daemon=True)
        self.ledger, self.number = ledger, number
        self.sent = {}      # id: the octets that a 250 was given for
        self.attempts = {}  # id: [(begin, end)] of those without a 250
        self.replies = {}   # code: how often, for the report
        self.smtp = None
        self.context = ledger.sp.context()

    def run(self):
        count = 0
        while not self.ledger.over.is_set():
            count += 1
            self.deliver(f"m{self.number}-{count}@example.com")
        self.drop()

    def deliver(self, key):
        size = random.Random(key).choice((1, 40, 4000, 9000))
        data = message(subject=key, body=f"{key}\r\n.x\r\n" * size).replace(
            b"<1@example.com>", f"<{key}>".encode())
        while not self.ledger.closed.is_set():
            begin = time.monotonic()
            if self.attempt(data):
                self.sent[key] = data
                return
            self.attempts.setdefault(key, []).append(
                (begin, time.monotonic()))
            time.sleep(0.02)

    def attempt(self, data):
        try:
            if self.smtp is None:
                self.smtp = smtplib.SMTP("localhost", self.ledger.sp.port,
                                         timeout=30)
                self.smtp.starttls(context=self.context)
                self.smtp.login("alice", "correct horse")
            self.smtp.sendmail("alice@example.com", ["bob@example.net"], data)
            return True
        except smtplib.SMTPResponseException as e:
            self.note(e.smtp_code)
        except smtplib.SMTPRecipientsRefused as e:
            self.note(*[code for code, _ in e.recipients.values()])
        except (OSError, ssl.SSLError, smtplib.SMTPException, ValueError) as e:
            self.note(type(e).__name__)
        self.drop()
        return False

    def drop(self):
        if self.smtp is not None:
            self.smtp.close()
        self.smtp = None

    def note(self, *codes):
        for code in codes:
            self.replies[code] = self.replies.get(code, 0) + 1


class Ledger(unittest.TestCase):
    def setUp(self):
        seed = os.environ.get("SEALPOST_SEED") or str(time.time_ns())
        print(f"SEALPOST_SEED={seed}", flush=True)
        self.choose = random.Random(seed)
        self.over, self.closed = threading.Event(), threading.Event()
        self.up = FragileUpstream(random.Random(seed))
        self.sp = Sealpost(self.up.port, server={"workers": 2})
        self.kills = [] # (begin, end, what)

    def tearDown(self):
        self.over.set()
        self.closed.set()
        self.up.stop()
        self.sp.__exit__(None)

    # --- killing ---------------------------------------------------------

    def kill_daemon(self):
        processes.kill_all(self.sp)
        # A worker that was just being forked sees that its master has gone.
        scratch.wait_for("the ports", lambda: all(
            map(scratch.can_listen, (self.sp.port, self.sp.tls_port))))
        self.sp.start()

    def kill_worker(self):
        pids = processes.of(self.sp, processes.WORKER)
        if pids:
            try:
                os.kill(self.choose.choice(pids), 9)
            except ProcessLookupError:
                pass

    def kill_keeper(self):
        processes.kill(self.sp, processes.KEEPER)

    def kill_something(self):
        # A process that dies again at once is started later each time, so
        # that now and then the daemon must begin anew.
        what = self.choose.choices(
            [self.kill_daemon, self.kill_worker, self.kill_keeper,
             self.up.crash], [2, 4, 2, 3])[0]
        begin = time.monotonic()
        what()
        self.kills.append((begin, time.monotonic(), what.__name__))

    def torture(self, clients):
        begin = time.monotonic()
        while (len(self.kills) < KILLS if KILLS
               else time.monotonic() - begin < SECONDS):
            time.sleep(self.choose.random() * 0.7)
            self.kill_something()
            if KILLS and len(self.kills) % 100 == 0:
                print(f"{len(self.kills)} of {KILLS} kills", flush=True)
            for c in clients:
                self.assertTrue(c.is_alive(), "a client thread has ended")
        self.over.set()
        for c in clients:
            c.join(60)
            self.assertFalse(c.is_alive(), "it never gets its 250")

    # --- the books -------------------------------------------------------

    def explained(self, attempts, unsure):
        """How many of the attempts without a 250 may have delivered it: a
        worker that was killed in the midst of one tells nothing; all else,
        the keeper's death and the upstream's too, the log tells."""
        deaths = [k for k in self.kills
                  if k[2] in ("kill_daemon", "kill_worker")]
        return unsure + sum(
            any(b <= end + SLACK_S and begin <= e for b, e, _ in deaths)
            for begin, end in attempts)

    def said(self):
        """What the log has of messages. Who is killed in the midst of a line
        leaves its begin in front of another's."""
        for line in self.sp.log().splitlines():
            whole = line[max(line.rfind("time=2"), 0):]
            if " event=message " in whole:
                yield fields(whole)

    def compare(self, clients):
        arrived = {}
        for m in list(self.up.messages):
            key = m.data.partition(b"Message-ID: <")[2].partition(b">")[0]
            arrived.setdefault(key.decode(), []).append(m.data)
        unsure = collections.Counter(
            line["msgid"].strip("<>") for line in self.said()
            if line["outcome"] == "unknown" or
            (line["outcome"] == "delivered" and "client_gone" in line))
        lost, changed, unexplained, twice = [], [], [], 0
        for c in clients:
            for key, data in c.sent.items():
                copies = arrived.pop(key, [])
                lost += [] if copies else [key]
                changed += [key for d in copies if not d.endswith(data)]
                twice += len(copies) > 1
                if len(copies) - 1 > self.explained(
                        c.attempts.get(key, []), unsure[key]):
                    unexplained.append((key, len(copies), c.attempts.get(key),
                                        unsure[key], self.kills))
        return lost, changed, unexplained, twice, arrived

    def test_no_mail_is_lost(self):
        clients = [Client(self, n) for n in range(CLIENTS)]
        for c in clients:
            c.start()
        self.torture(clients)
        time.sleep(0.2) # what the upstream still writes into its list
        lost, changed, unexplained, twice, rest = self.compare(clients)
        sent = sum(len(c.sent) for c in clients)
        kills = {}
        for _, _, what in self.kills:
            kills[what] = kills.get(what, 0) + 1
        print(f"{sent} messages, {len(self.kills)} kills {kills}, {twice} "
              f"delivered twice, {len(lost)} lost", flush=True)
        self.assertEqual(lost, [])
        self.assertEqual(changed, [])
        self.assertEqual(unexplained, [])
        self.assertEqual(list(rest), []) # nothing that no client has sent
        self.assertGreater(sent, 100)
        self.assertGreater(len(self.kills), 15)
        for m in self.choose.sample(self.up.messages, 5):
            self.assertIn("dkim=pass", self.sp.verify(m.data))


if __name__ == "__main__":
    unittest.main()
