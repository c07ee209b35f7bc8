#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the seeds of fuzz_side beside itself: the blocks of side files as agent/spool/FORMAT.md has them, without
sums and places, which the target fills in."""
import os
import struct

DATA, SCHEMA, ABORTED = 2, 4, 8
XID = 700


def varint(v):
    out = b""
    while v >= 0x80:
        out += bytes([v & 0x7F | 0x80])
        v >>= 7
    return out + bytes([v])


def zigzag(d):
    return varint((d << 1) ^ (d >> 63) & ((1 << 64) - 1))


def block(*records):
    """(kind, position, xid, payload[, key])"""
    payload, last = b"", 0
    for kind, at, xid, body, *key in records:
        payload += bytes([kind]) + varint(len(body)) + zigzag(at - last) + zigzag(0)
        payload += (varint(key[0]) if key else b"") + varint(xid) + body
        last = at
    flags = 2 * any(r[0] == SCHEMA for r in records)
    return struct.pack("<4sIQQQQIIIIq", b"TGBK", 0, 0, 0, 0, 0, len(payload), len(records), 0, flags,
                       1700000000000000) + payload


def ids(*xids):
    return b"".join(struct.pack("<I", x) for x in xids)


ROWS = block((SCHEMA, 90, XID, b"R", 16384), (DATA, 101, XID, b"I one"), (DATA, 102, XID + 1, b"I two"))
MORE = block((DATA, 103, XID + 2, b"x" * 300))
SEEDS = {
    "rows": b"\0" + ROWS,
    "two_blocks": b"\0" + ROWS + MORE,
    "aborted": b"\2" + ROWS + block((ABORTED, 104, XID, ids(XID + 1))),
    "aborted_twice": b"\3" + ROWS + MORE + block((ABORTED, 104, XID, ids(XID + 1)))
    + block((ABORTED, 104, XID, ids(XID + 2))),
    "aborted_not_ascending": b"\2" + ROWS + block((ABORTED, 104, XID, ids(XID + 2, XID + 1))),
    "aborted_schema": b"\2" + block((SCHEMA, 90, XID + 1, b"R", 16384), (DATA, 101, XID, b"I"))
    + block((ABORTED, 104, XID, ids(XID + 1))),
    "counted_wrong": b"\x80" + ROWS,
    "torn": b"\0" + ROWS + MORE[:70],
    "large": b"\0" + block((DATA, 1 << 62, XID, b"z" * 3000)),
}

for name, data in SEEDS.items():
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), name + ".bin"), "wb") as f:
        f.write(data)
