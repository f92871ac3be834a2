"""Zones with each mistake that `sealpost domain check` finds, and the keys."""
import os
import re
import shutil

import scratch
from dnspeers import txt
from sealpost import run

ZONE = "dkim.relay.test"


def quoted(*strings):
    return " ".join('"%s"' % s.replace('"', '\\"') for s in strings)


class Keys:
    """Keys made once and copied below the domains of the tests."""

    def __init__(self, sp, home):
        self.state, self.home = sp.state, home
        self.made = {}
        for kind, options in (("rsa", []), ("other", []),
                              ("ed25519", ["--type", "ed25519"])):
            run("key", "generate", "template.test", kind, "--activate",
                "--no-reload", *options, "-c", sp.config)
            shown = run("key", "show", "template.test", kind, "-c", sp.config,
                        "--format", "value")
            self.made[kind] = shown.stdout.decode().strip()
        self.folder = os.path.join(self.state, "keys")
        shutil.move(os.path.join(self.folder, "template.test"),
                    os.path.join(home, "template"))

    def p(self, kind="rsa"):
        return re.search("p=(.*)", self.made[kind]).group(1)

    def pem(self, kind="rsa"):
        return scratch.read(f"{self.home}/template/{kind}.pem").decode()

    def give(self, domain, selector="s1", kind="rsa", **settings):
        folder = os.path.join(self.folder, domain)
        os.makedirs(folder, mode=0o700, exist_ok=True)
        for suffix in (".pem", ".conf"):
            to = os.path.join(folder, selector + suffix)
            shutil.copy(f"{self.home}/template/{kind}{suffix}", to)
            os.chmod(to, 0o600)
        note = scratch.read(to).decode()
        for key, value in settings.items():
            note = re.sub(f"(?m)^{key} = .*$", f"{key} = {value}", note)
        scratch.write(to, note, 0o600)

    def delegate(self, domain, *tokens):
        folder = os.path.join(self.state, "domains")
        os.makedirs(folder, mode=0o700, exist_ok=True)
        scratch.write(os.path.join(folder, domain + ".conf"),
                      "[domain]\nway = delegated\n"
                      "added = 2026-01-01T00:00:00Z\n[track]\ntype = rsa\n"
                      + f"slot = {tokens[0]}\n"
                      + "".join(f"slot += {t}\n" for t in tokens[1:]), 0o600)
        self.give(domain, tokens[0])


def own_cases(keys):
    """{domain label: (lines of the zone, ids of the findings)}"""
    good, p = keys.made["rsa"], keys.p()
    wide = " ".join(re.findall(".{1,60}", p))
    half = len(good) // 2
    name = "s1._domainkey"

    def at(value):
        return [f"{name} TXT {txt(value)}"]

    cases = {
        "good": (at(good), []),
        "chaser": (at(f"k=rsa; n=other text; p={p};"), []),
        "stranger": (at(good) + [f"x2._domainkey TXT {quoted('v=DKIM1; p=@')}",
                                 f"{name} TXT {quoted('verify=12')}"], []),
        "missing": ([], ["record-missing"]),
        "doubled": ([f"{name}.doubled.test TXT {txt(good)}"],
                    ["domain-doubled"]),
        "prefixed": ([f"_domainkey.s1 TXT {txt(good)}"], ["domainkey-first"]),
        "bare": ([f"s1 TXT {txt(good)}"], ["domainkey-missing"]),
        "unnamed": ([f"_domainkey TXT {txt(good)}"], ["selector-missing"]),
        "apex": ([f"@ TXT {txt(good)}"], ["selector-missing"]),
        "plain": ([f"s1.domainkey TXT {txt(good)}"], ["underscore-refused"]),
        "quotes": (at(good.replace("p=", 'p=\\"') + '\\"'), ["quotes"]),
        "blanks": (at(good.replace(p, wide)), ["blanks"]),
        "breaks": ([name + " TXT " + quoted(
            f"v=DKIM1; k=rsa; p={p[:120]}\\010", p[120:250], p[250:])],
                   ["line-breaks"]),
        "order": ([f"{name} TXT {quoted(good[half:], good[:half])}"],
                  ["strings-order"]),
        "over255": ([f"{name} TXT {quoted(good[:255])}"],
                    ["string-over-255"]),
        "cut": ([f"{name} TXT {txt(good[:-40])}"], ["truncated"]),
        "several": (at(good) + at(keys.made["other"]), ["records-several"]),
        "version": (at(good.replace("DKIM1", "DKIM2")), ["version"]),
        "vlast": (at(f"k=rsa; p={p}; v=DKIM1"), ["version"]),
        "ktype": (at(good.replace("k=rsa", "k=ed25519")), ["key-type"]),
        "kother": (at(good.replace("k=rsa", "k=dsa")), ["key-type"]),
        "hash": (at(good.replace("k=rsa", "k=rsa; h=sha1")),
                 ["hash-excluded"]),
        "service": (at(good.replace("k=rsa", "k=rsa; s=tlsrpt")),
                    ["service-excluded"]),
        "testing": (at(good.replace("k=rsa", "k=rsa; t=y")), ["test-mode"]),
        "empty": (at("v=DKIM1; p="), ["revoked"]),
        "private": (at("v=DKIM1; k=rsa; p=" + "".join(
            keys.pem().splitlines()[1:-1])), ["private-key-published"]),
        "pem": (at("v=DKIM1; " + keys.pem().replace("\n", " ")),
                ["private-key-published"]),
        "otherkey": (at(keys.made["other"]), ["other-key"]),
        "notkey": (at("hello world"), ["record-not-key"]),
        "junk": (at("v=DKIM1; k=rsa; p=AAAA"), ["unusable"]),
        "wild": (at(good) + [f"*._domainkey TXT {quoted('hello')}"],
                 ["wildcard"]),
        "wildmiss": ([f"* TXT {quoted('hello')}"],
                     ["record-not-key", "wildcard"]),
        "wildcname": (at(good) + ["*._domainkey CNAME elsewhere.test."],
                      ["wildcard"]),
        "wildrevoke": (at(good) + [f"*._domainkey TXT {quoted('v=DKIM1; p=')}"],
                       []),
        "alias": ([f"{name} CNAME key.{ZONE}."], []),
        "chain": ([f"{name} CNAME hop.{ZONE}."], ["cname-chain"]),
        "loop": ([f"{name} CNAME x", f"x CNAME {name}"], ["cname-loop"]),
        "lame": (at(good) + ["@ NS ns2", "ns2 A 127.0.0.2"], ["server-lame"]),
        "noaddr": (at(good) + ["@ NS nowhere.elsewhere.test."],
                   ["server-lame"]),
        "silent": (at(good) + ["@ NS ns3", "ns3 A 127.0.0.3"],
                   ["server-silent"]),
        "disagree": (at(good) + ["@ NS ns2", "ns2 A 127.0.0.2"],
                     ["servers-disagree"]),
        "bogus": (at(good), ["dnssec-bogus"]),
    }
    return {d + ".test": c for d, c in cases.items()}


def delegated_cases(keys):
    good = keys.made["rsa"]
    return {d + ".test": c for d, c in {
        "dgood": ([f"{{t}}._domainkey CNAME {{t}}.{ZONE}."], []),
        "dmissing": ([], ["record-missing"]),
        "dot": ([f"{{t}}._domainkey CNAME {{t}}.{ZONE}"],
                ["cname-trailing-dot"]),
        "dwrong": (["{t}._domainkey CNAME elsewhere.test."], ["cname-wrong"]),
        "dold": ([f"{{t}}._domainkey CNAME key.{ZONE}."],
                 ["cname-old-target"]),
        "dtxt": ([f"{{t}}._domainkey TXT {txt(good)}"],
                 ["txt-instead-of-cname"]),
        "dempty": ([f"{{t}}._domainkey CNAME {{t}}.{ZONE}."],
                   ["target-missing"]),
        "dloop": ([f"{{t}}._domainkey CNAME {{t}}.{ZONE}."], ["cname-loop"]),
        "dastray": ([f"{{t}} CNAME {{t}}.{ZONE}."], ["domainkey-missing"]),
    }.items()}


MAIL = ['@ TXT "v=spf1 -all"', '_dmarc TXT "v=DMARC1; p=reject"']
MAIL_CASES = {
    "nomail.test": ([], ["spf-missing", "dmarc-missing"]),
    "twospf.test": (['@ TXT "v=spf1 -all"', '@ TXT "v=spf1 mx -all"',
                     MAIL[1]], ["spf-several"]),
    "badspf.test": (['@ TXT "v=spf1 ipv4:192.0.2.1 -all"', MAIL[1]],
                    ["spf-broken"]),
    "openspf.test": (['@ TXT "v=spf1 +all"', MAIL[1]], ["spf-open"]),
    "nonedmarc.test": ([MAIL[0], '_dmarc TXT "v=DMARC1; p=none"'],
                       ["dmarc-none"]),
    "twodmarc.test": (MAIL + ['_dmarc TXT "v=DMARC1; p=none"'],
                      ["dmarc-broken"]),
    "strict.test": ([MAIL[0], '_dmarc TXT "v=DMARC1; p=reject; adkim=s"'],
                    []),
}
