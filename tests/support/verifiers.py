"""Three DKIM verifiers that must agree: ours, dkimpy and libopendkim."""
import unittest

import dkim

import peers


def dkimpy(data, records):
    """True when dkimpy finds every signature good."""
    def txt(name, timeout=5):
        text = name.decode() if isinstance(name, bytes) else name
        value = records.get(text.rstrip(".").lower())
        return None if value is None else value.encode()
    found = dkim.DKIM(data)
    count = sum(1 for name, _ in found.headers
                if name.lower() == b"dkim-signature")
    try:
        return count > 0 and all(found.verify(idx=i, dnsfunc=txt)
                                 for i in range(count))
    except dkim.DKIMException:
        return False


def opendkim(data, records):
    """What libopendkim complains of; None when it cannot run here."""
    try:
        return peers.opendkim_verify(data, records)
    except unittest.SkipTest:
        return None


def assert_all_pass(test, sp, data):
    """data is signed with a key of sp's, and all verifiers say so."""
    test.assertIn("dkim=pass", sp.verify(data))
    test.assertTrue(dkimpy(data, sp.records), "dkimpy: fail")
    test.assertIn(opendkim(data, sp.records), ("", None))
