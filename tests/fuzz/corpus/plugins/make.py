#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes the corpus of fuzz_plugins from the recorded feeds: each whole, and one file per kind of message."""
import pathlib
import re
import struct

here = pathlib.Path(__file__).resolve().parent
golden = here.parents[2] / "golden" / "plugins"
BEGIN, DATA, COMMIT, SCHEMA = 1, 2, 3, 4


def frame(kind, message):
    return struct.pack(">BH", kind, len(message)) + message


def kind_of(message):
    text = message[:40].decode()
    if text.startswith(('{"action":"B"', "BEGIN")):
        return BEGIN
    return COMMIT if text.startswith(('{"action":"C"', "COMMIT")) else DATA


def records(messages):
    """As the spool hands them out: test_decoding's commit is its begin, too."""
    begin, changes = None, []
    for m in messages:
        kind = kind_of(m)
        if kind == BEGIN:
            begin, changes = m, []
        elif kind == DATA:
            changes.append(frame(DATA, m))
        else:
            yield frame(BEGIN, m if begin.startswith(b"BEGIN") else begin) + b"".join(changes) + frame(COMMIT, m)


for feed in sorted(golden.glob("*.hex")):
    lines = [l for l in feed.read_text().split("\n") if l and not l.startswith("#")]
    plugin = bytes([0 if "wal2json" in feed.stem else 1])
    tables = b"".join(frame(SCHEMA, l[2:].encode()) for l in lines if l.startswith("T"))
    messages = [bytes.fromhex(l.split()[1]) for l in lines if not l.startswith("T")]
    (here / f"{feed.stem}.bin").write_bytes(plugin + tables + b"".join(records(messages)))
    if "15" in feed.stem:
        for number, transaction in enumerate(records(messages)):
            if len(transaction) < 600:
                (here / f"{feed.stem}-{number}.bin").write_bytes(plugin + transaction)
