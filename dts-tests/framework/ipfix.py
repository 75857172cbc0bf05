"""Reading of IPFIX files by libfixbuf's ipfixDump."""

import re
import subprocess

from framework.linejudge import verify


def records(path):
    """Flow records of an IPFIX file, each {element: text}. ipfixDump marks elements without a known name "_alien"."""
    text = subprocess.run(["ipfixDump", "--rfc5610", "--in", path], stdout=subprocess.PIPE, text=True, check=True).stdout
    verify("_alien" not in text, "an element has no name")
    blocks = re.split(r"^--- ", text, flags=re.M)
    found = [dict(re.findall(r"^\s*\([\d/]+\)(?: \(S\))?\s+(\w+) : (?:\(len: \d+\) )?(.*)$", block, flags=re.M))
             for block in blocks if block.startswith("data record")]
    return [record for record in found if "flowId" in record]
