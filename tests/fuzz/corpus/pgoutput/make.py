#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes the corpus of fuzz_pgoutput from the recorded feeds: each whole, and one file per message kind."""
import pathlib
import struct

here = pathlib.Path(__file__).resolve().parent
golden = here.parents[2] / "golden" / "pgoutput"
KINDS = {"B": 1, "C": 3, "R": 4, "Y": 4}


def frame(message, kind=None):
    return struct.pack(">BH", kind or KINDS.get(chr(message[0]), 2), len(message)) + message


def in_commit_order(messages):
    """As the spool hands them out: streamed ones without their ids, behind the commit that is their begin."""
    kept, open_now = {}, None
    for message in messages:
        if message[:1] == b"S":
            open_now = message[1:5]
        elif message[:1] == b"E":
            open_now = None
        elif message[:1] == b"A":
            top, sub = message[1:5], message[5:9]
            kept[top] = [] if top == sub else [k for k in kept.get(top, []) if k[0] != sub]
        elif message[:1] == b"c":
            yield frame(message, 1)
            yield from (frame(m) for _, m in kept.pop(message[1:5], []))
            yield frame(message, 3)
        elif open_now:
            kept.setdefault(open_now, []).append((message[1:5], message[:1] + message[5:]))
        else:
            yield frame(message)


def prepared():
    """By hand: one prepared and committed, one streamed and rolled back, one that comes late."""
    def of(kind, *lsns):
        flags = b"" if kind == b"b" else b"\0"
        times = 2 if kind == b"r" else 1
        return kind + flags + struct.pack(">QQ", *lsns) + bytes(8 * times) + struct.pack(">I", 731) + b"gid\0"

    relation = b"R" + struct.pack(">I", 16400) + b"public\0t\0d" + struct.pack(">HB", 1, 1) + b"id\0" + struct.pack(">Ii", 20, -1)
    insert = b"I" + struct.pack(">I", 16400) + b"N" + struct.pack(">Hci", 1, b"t", 1) + b"7"
    rows = frame(relation) + frame(insert)
    outcome = {kind: frame(of(kind, 400, 500), 1) + frame(of(kind, 400, 500), 3) for kind in (b"K", b"r")}
    yield frame(of(b"b", 100, 200), 1) + rows + frame(of(b"P", 100, 200), 3) + outcome[b"K"]
    yield frame(of(b"p", 100, 200), 1) + rows + frame(of(b"p", 100, 200), 3) + outcome[b"r"]
    yield frame(of(b"b", 100, 200), 1) + rows + frame(of(b"K", 400, 500), 3)


for number, seed in enumerate(prepared(), 1):
    (here / f"prepared-{number}.bin").write_bytes(seed)

for feed in sorted(golden.glob("*.hex")):
    messages = [bytes.fromhex(l) for l in feed.read_text().split("\n") if l and not l.startswith("#")]
    (here / f"{feed.stem}.bin").write_bytes(b"".join(in_commit_order(messages)))
    seen = {}
    if "15" not in feed.stem:
        continue
    for message in messages:
        seen.setdefault(chr(message[0]), message)
    for kind, message in seen.items():
        if "stream" not in feed.stem:
            (here / f"{feed.stem}-{kind}.bin").write_bytes(frame(message))
        elif kind == "c":
            (here / f"{feed.stem}-commit.bin").write_bytes(frame(message, 1) + frame(message, 3))
