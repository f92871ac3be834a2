"""DMARC aggregate reports as receivers write them, in every wrapping."""
import base64
import gzip
import io
import zipfile

DAY = 86400
HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n'


def record(source, count, dkim=(), policy=("pass", "pass"),
           header_from="example.com", spf=("example.com", "pass")):
    """dkim: (domain, selector, result) of each signature."""
    auth = "".join(
        f"<dkim><domain>{d}</domain>"
        + (f"<selector>{s}</selector>" if s is not None else "")
        + f"<result>{r}</result></dkim>" for d, s, r in dkim)
    return f"""  <record>
    <row><source_ip>{source}</source_ip><count>{count}</count>
      <policy_evaluated><disposition>none</disposition>
        <dkim>{policy[0]}</dkim><spf>{policy[1]}</spf></policy_evaluated></row>
    <identifiers><envelope_from>{header_from}</envelope_from>
      <header_from>{header_from}</header_from></identifiers>
    <auth_results>{auth}
      <spf><domain>{spf[0]}</domain><scope>mfrom</scope>
        <result>{spf[1]}</result></spf></auth_results>
  </record>
"""


def report(records, begin, number="1", organisation="receiver.example",
           domain="example.com", new=False, end=None):
    """new: as RFC 9990 has it, with its namespace; else RFC 7489."""
    if isinstance(records, str):
        records = [records]
    feedback = '<feedback xmlns="urn:ietf:params:xml:ns:dmarc-2.0">' if new \
        else "<feedback>"
    return f"""{HEAD}{feedback}
  <version>1.0</version>
  <report_metadata><org_name>{organisation}</org_name>
    <email>dmarc@{organisation}</email><report_id>{number}</report_id>
    <date_range><begin>{begin}</begin><end>{end or begin + DAY - 1}</end></date_range>
    {'<generator>a receiver</generator>' if new else ''}
  </report_metadata>
  <policy_published><domain>{domain}</domain>
    {'<discovery_method>treewalk</discovery_method>' if new else ''}
    <adkim>r</adkim><aspf>r</aspf><p>none</p><sp>none</sp>
    {'<testing>n</testing>' if new else '<pct>100</pct>'}</policy_published>
{''.join(records)}</feedback>
""".encode()


def zipped(*files, method=zipfile.ZIP_DEFLATED):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as z:
        for i, data in enumerate(files):
            z.writestr(f"report{i}.xml", data)
    return out.getvalue()


def gzipped(data):
    return gzip.compress(data, mtime=0)


def mail(*attachments, kind="application/gzip", encoding="base64",
         nested=False):
    """A message with a covering text and the attachments."""
    parts = ["Content-Type: text/plain\n\nThis is an aggregate report.\n"]
    for data in attachments:
        if encoding == "base64":
            body = base64.encodebytes(data).decode()
        elif encoding == "quoted-printable":
            body = "".join(chr(c) if 32 < c < 127 and c != 61 or c == 10
                           else f"={c:02X}" for c in data)
        else:
            body = data.decode()
        parts.append(f"Content-Type: {kind};\n name=\"report\"\n"
                     f"Content-Transfer-Encoding: {encoding}\n"
                     "Content-Disposition: attachment\n\n" + body)
    text = "From: dmarc@receiver.example\nTo: reports@example.com\n" \
        "Subject: Report Domain: example.com\nMIME-Version: 1.0\n" \
        'Content-Type: multipart/mixed;\n\tboundary="=_b 1"\n\n' \
        "This is MIME.\n--=_b 1\n" + "\n--=_b 1\n".join(parts) \
        + "\n--=_b 1--\n"
    if nested:
        text = "From: a@b.example\nContent-Type: multipart/mixed; " \
            "boundary=outer\n\n--outer\nContent-Type: message/rfc822\n\n" \
            + text + "\n--outer--\n"
    return text.replace("\n", "\r\n").encode()
