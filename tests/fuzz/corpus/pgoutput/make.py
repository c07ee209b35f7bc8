#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes the corpus of fuzz_pgoutput from the recorded feeds: each whole, and one file per message kind."""
import pathlib
import struct

here = pathlib.Path(__file__).resolve().parent
golden = here.parents[2] / "golden" / "pgoutput"
KINDS = {"B": 1, "C": 3, "R": 4, "Y": 4}


def frame(message):
    return struct.pack(">BH", KINDS.get(chr(message[0]), 2), len(message)) + message


for feed in sorted(golden.glob("*.hex")):
    messages = [bytes.fromhex(l) for l in feed.read_text().split("\n") if l and not l.startswith("#")]
    (here / f"{feed.stem}.bin").write_bytes(b"".join(map(frame, messages)))
    seen = {}
    if "15" not in feed.stem:
        continue
    for message in messages:
        seen.setdefault(chr(message[0]), message)
    for kind, message in seen.items():
        (here / f"{feed.stem}-{kind}.bin").write_bytes(frame(message))
