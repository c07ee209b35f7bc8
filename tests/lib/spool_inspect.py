#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Reads a spool directory by agent/spool/FORMAT.md alone and prints it as JSON lines.

    spool_inspect.py DIR            segments, blocks and records
    spool_inspect.py --records DIR  records alone (payload in hex), repeated ones left out

A torn tail of the newest segment is told by a line {"torn": bytes}; damage ends the program with status 6.
"""
import ctypes
import json
import os
import re
import struct
import sys

_xxh = ctypes.CDLL("libxxhash.so.0")
_xxh.XXH3_64bits.restype = ctypes.c_uint64
_xxh.XXH3_64bits.argtypes = (ctypes.c_char_p, ctypes.c_size_t)

KINDS = {1: "begin", 2: "data", 3: "commit", 4: "schema", 5: "discard", 6: "mark"}
SEGMENT = struct.Struct("<8sIIQQQQQq56sQ")
BLOCK = struct.Struct("<4sIQQQQIIIIq")
FOOTER = struct.Struct("<4sIQQQQQQQQqqI36s")
OPEN, SCHEMA, CARRIED = 1, 2, 4


class Damaged(Exception):
    pass


def total(data):
    return _xxh.XXH3_64bits(bytes(data), len(data))


def need(condition, why):
    if not condition:
        raise Damaged(why)


class Payload:
    def __init__(self, data):
        self.data, self.at = data, 0

    def byte(self):
        need(self.at < len(self.data), "record is cut off")
        self.at += 1
        return self.data[self.at - 1]

    def varint(self):
        value = shift = 0
        while True:
            need(shift < 70, "varint is too long")
            b = self.byte()
            value |= (b & 0x7F) << shift
            shift += 7
            if not b & 0x80:
                need(value < 1 << 64, "varint is too large")
                return value

    def zigzag(self):
        v = self.varint()
        return (v >> 1) ^ -(v & 1)

    def take(self, n):
        need(n <= len(self.data) - self.at, "record reaches beyond its block")
        self.at += n
        return self.data[self.at - n : self.at]


def signed(value):
    value &= (1 << 64) - 1
    return value - (1 << 64) if value >> 63 else value


def records(payload, count, received):
    p, position = Payload(payload), 0
    for _ in range(count):
        tag = p.byte()
        kind, repeated = KINDS.get(tag & 15), bool(tag & 16)
        need(kind and not tag >> 5 and (not repeated or kind == "schema"), "unknown kind of record")
        length = p.varint()
        position = (position + p.zigzag()) & ((1 << 64) - 1)
        received = signed(received + p.zigzag())
        record = {"kind": kind, "position": position, "received": received}
        if kind == "begin":
            record["xid"] = p.varint()
        elif kind == "schema":
            record["key"] = p.varint()
        if repeated:
            record["repeated"] = True
        record["payload"] = bytes(p.take(length)).hex()
        yield record
    need(p.at == len(payload), "more bytes than records")


class Order:
    """The rules of the log, across segments."""

    def __init__(self, position, open_):
        self.position, self.open = position, open_

    def step(self, record):
        kind = record["kind"]
        need(kind == "schema" or self.open == (kind not in ("begin", "mark")), f"{kind} out of order")
        if kind in ("commit", "mark"):
            need(record["position"] > self.position, f"{kind} does not move the position on")
            self.position = record["position"]
        if kind in ("begin", "commit", "discard"):
            self.open = kind == "begin"


def block_at(data, at, base):
    need(len(data) - at >= BLOCK.size, "a block's header is cut off")
    head = bytes(data[at : at + BLOCK.size])
    magic, low, psum, offset, position, synced, length, count, commits, flags, received = BLOCK.unpack(head)
    need(magic == b"TGBK", "no block begins here")
    need(low == total(head[8:]) & 0xFFFFFFFF, "checksum of the block's header")
    need(offset == base + at and flags <= 7, "block's header")
    payload = bytes(data[at + BLOCK.size : at + BLOCK.size + length])
    need(len(payload) == length, "a block's payload is cut off")
    need(psum == total(payload), "checksum of the block's payload")
    found = list(records(payload, count, received))
    info = {"block": at, "length": length, "records": count, "commits": commits, "flags": flags,
            "position": position, "synced": synced}
    return info, found, at + BLOCK.size + length


def footer_at(data, at, base):
    need(len(data) - at == FOOTER.size, "a footer that is not at the end")
    raw = bytes(data[at:])
    f = FOOTER.unpack(raw)
    need(f[1] == total(raw[8:]) & 0xFFFFFFFF, "checksum of the segment's footer")
    need(f[2] == base + at and f[12] <= 1 and not any(f[13]), "segment's footer")
    names = ("position", "synced", "records", "commits", "first", "last", "first_close", "first_received",
             "last_received", "open")
    return dict(zip(names, f[3:13]))


def header(data, number):
    need(len(data) >= SEGMENT.size, "the segment's header is cut off")
    magic, version, size, feed, own, base, position, begin, created, zero, check = SEGMENT.unpack(data[:128])
    need(magic == b"TGSPOOL\n" and check == total(data[:120]), "the segment's header")
    need(version == 1 and size == 128 and own == number and not any(zero), "the segment's header")
    return {"number": own, "feed_id": feed, "base": base, "position": position, "begin": begin,
            "created": created}


def read_segment(data, head, newest, order, emit):
    at, base, count, commits = SEGMENT.size, head["base"], 0, 0
    while at < len(data):
        try:
            if data[at : at + 4] == b"TGFT":
                footer = footer_at(data, at, base)
                need((footer["records"], footer["commits"]) == (count, commits), "footer's counts")
                need(footer["position"] == order.position, "footer's position")
                need(footer["open"] == order.open, "footer's flags")
                emit("footer", footer)
                return True
            info, found, end = block_at(data, at, base)
        except Damaged as why:
            if not newest:
                raise Damaged(f"byte {at}: {why}") from None
            emit("torn", {"torn": len(data) - at, "why": str(why)})
            return False
        emit("block", info)
        for record in found:
            if not record.get("repeated"):
                order.step(record)
                count += 1
                commits += record["kind"] == "commit"
            need(bool(record.get("repeated")) == bool(info["flags"] & CARRIED), "carried block")
            emit("record", record)
        need(order.position == info["position"], f"byte {at}: the block's position")
        need(order.open == bool(info["flags"] & OPEN), f"byte {at}: the block's flags")
        at = end
    need(newest, "no footer")
    return False


def main(argv):
    only_records = argv[:1] == ["--records"]
    if len(argv) != 1 + only_records:
        print(__doc__, file=sys.stderr)
        return 2
    path = argv[-1]
    names = sorted((int(m[1]), m[0]) for m in (re.fullmatch(r"(\d{10,20})\.seg", n) for n in os.listdir(path)) if m)
    order, expected = None, None

    def emit(what, line):
        if not only_records or (what == "record" and not line.get("repeated")) or what == "torn":
            print(json.dumps(line))

    for i, (number, name) in enumerate(names):
        try:
            with open(os.path.join(path, name), "rb") as f:
                data = f.read()
            head = header(data, number)
            need(expected is None or (number, head["base"]) == expected, "a segment is missing")
            order = order or Order(head["position"], head["begin"] != number)
            need(head["position"] == order.position, "position of the header")
            need(order.open == (head["begin"] != number), "open transaction of the header")
            emit("segment", {"segment": name, "bytes": len(data), **head})
            read_segment(data, head, i + 1 == len(names), order, emit)
            expected = (number + 1, head["base"] + len(data))
        except Damaged as why:
            print(f"{name}: {why}", file=sys.stderr)
            return 6
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
