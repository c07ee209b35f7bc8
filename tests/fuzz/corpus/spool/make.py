#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the seeds of fuzz_spool beside itself: blocks as agent/spool/FORMAT.md has them, without sums and places,
which the target fills in."""
import os
import struct

BEGIN, DATA, COMMIT, SCHEMA, DISCARD, MARK = range(1, 7)


def varint(v):
    out = b""
    while v >= 0x80:
        out += bytes([v & 0x7F | 0x80])
        v >>= 7
    return out + bytes([v])


def zigzag(d):
    return varint((d << 1) ^ (d >> 63) & ((1 << 64) - 1))


def block(position, opened, *records, repeated=False):
    payload, last = b"", 0
    for kind, at, body, *number in records:
        payload += bytes([kind | (16 if repeated else 0)]) + varint(len(body)) + zigzag(at - last) + zigzag(0)
        payload += varint(number[0]) if number else b""
        payload += body
        last = at
    commits = sum(r[0] == COMMIT for r in records)
    flags = opened | 2 * any(r[0] == SCHEMA for r in records) | 4 * repeated
    return struct.pack("<4sIQQQQIIIIq", b"TGBK", 0, 0, 0, position, 0, len(payload), len(records), commits, flags,
                       1700000000000000) + payload


def end(position, records, commits, first, last, first_close, entries=1):
    """Index and footer; the target fills in what follows from the blocks."""
    t = 1700000000000000
    index = struct.pack("<4sI", b"TGIX", entries) + b"".join(struct.pack("<QQQ", position, 0, 0) for _ in range(entries))
    return index + struct.pack("<4sIQQQQQQQQqqIIQQ16s", b"TGFT", 0, 0, position, 0, records, commits, first, last,
                               first_close, t, t, 0, entries, 0, 0, b"")


def pack(plain, frame=None):
    """The block as it stands in a packed file: its old length first, its content as a frame of zstd if given."""
    content = frame if frame is not None else plain[64:]
    payload = struct.pack("<I", len(plain) - 64) + content
    flags = struct.unpack("<I", plain[52:56])[0] | (8 if frame is not None else 0)
    return plain[:40] + struct.pack("<I", len(payload)) + plain[44:52] + struct.pack("<I", flags) + plain[56:64] + payload


def raw_frame(content):
    """A frame of zstd with its size and one raw block (RFC 8878)."""
    assert len(content) < 256
    return b"\x28\xb5\x2f\xfd\x20" + bytes([len(content)]) + struct.pack("<I", len(content) << 3 | 1)[:3] + content


TRANSACTION = block(103, 0, (BEGIN, 101, b"B", 7), (DATA, 102, b"x" * 30), (COMMIT, 103, b"C"))
SEEDS = {
    # An input that begins with P is a packed segment.
    "packed": b"P" + pack(TRANSACTION) + end(103, 3, 1, 103, 103, 103),
    "packed_zstd": b"P" + pack(TRANSACTION, raw_frame(TRANSACTION[64:])) + end(103, 3, 1, 103, 103, 103),
    "transaction": block(103, 0, (BEGIN, 101, b"B", 7), (SCHEMA, 101, b"R", 16384), (DATA, 101, b"I"), (COMMIT, 103, b"C")),
    "carried": block(100, 0, (SCHEMA, 90, b"R", 16384), (SCHEMA, 91, b"Y", 3), repeated=True)
    + block(104, 0, (MARK, 104, b"")),
    "two_blocks": block(100, 1, (BEGIN, 101, b"B", 7), (DATA, 101, b"x" * 40))
    + block(105, 0, (DATA, 102, b"y"), (COMMIT, 105, b"C")),
    "discard": block(100, 1, (BEGIN, 101, b"B", 7)) + block(102, 0, (DISCARD, 100, b""), (MARK, 102, b"")),
    "sealed": block(103, 0, (BEGIN, 101, b"B", 7), (COMMIT, 103, b"C")) + end(103, 2, 1, 103, 103, 103),
    "torn": block(103, 0, (MARK, 103, b"")) + block(104, 0, (MARK, 104, b""))[:50],
    "long": block(103, 1, (MARK, 103, b""), (BEGIN, 104, b"B", 1), (DATA, 1 << 63, b"z" * 1500)),
}

for name, data in SEEDS.items():
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), name + ".bin"), "wb") as f:
        f.write(data)
