"""A user's `rate`: what is beyond it is told to come later."""
import smtplib
import unittest

import sealpost
from sealpost import Sealpost
from upstream import CapturingUpstream


class Rate(unittest.TestCase):
    def test_messages_an_hour(self):
        with CapturingUpstream() as up, \
                Sealpost(upstream=up.port, start=False) as sp:
            users = sp.state + "/users.conf"
            with open(users, "a") as f:
                f.write("rate = 3/h\n")
            sp.start()
            for _ in range(2): # a new connection is no way around it
                with sp.smtp() as client:
                    for _ in range(3):
                        try:
                            client.sendmail("alice@example.com",
                                            ["b@example.net"],
                                            sealpost.message())
                        except smtplib.SMTPSenderRefused as e:
                            self.assertEqual(e.smtp_code, 450)
                            self.assertIn(b"4.7.1", e.smtp_error)
                            client.rset()
            self.assertEqual(len(up.messages), 3)
            self.assertEqual(len(sp.lines("rate-limit")), 3)
            self.assertEqual(sp.lines("rate-limit")[0]["level"], "warn")


if __name__ == "__main__":
    unittest.main()
