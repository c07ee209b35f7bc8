#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Reads a spool directory by agent/spool/FORMAT.md alone and prints it as JSON lines.

    spool_inspect.py [--key HEX] DIR            files, blocks and records as they stand there
    spool_inspect.py [--key HEX] --records DIR  what a reader of the whole spool is given: side files in the place
                                                of their LINK, repeated SCHEMA records left out

--key may be repeated: 64 hexadecimal digits or base64 of the 32 bytes. A torn tail of the newest segment is told by a
line {"torn": bytes}; damage ends the program with status 6.
"""
import base64
import ctypes
import hmac
import json
import os
import re
import struct
import sys

_xxh = ctypes.CDLL("libxxhash.so.0")
_xxh.XXH3_64bits.restype = ctypes.c_uint64
_xxh.XXH3_64bits.argtypes = (ctypes.c_char_p, ctypes.c_size_t)

KINDS = {1: "begin", 2: "data", 3: "commit", 4: "schema", 5: "discard", 6: "mark", 7: "link", 8: "aborted"}
HEADER = struct.Struct("<8sIIQQQQQqQ16sIII4s16sQ")
BLOCK = struct.Struct("<4sIQQQQIIIIq")
ENTRY = struct.Struct("<QQQ")
FOOTER = struct.Struct("<4sIQQQQQQQQqqIIQQ16s")
LINK = struct.Struct("<QQQQ")
OPEN, SCHEMA, CARRIED, ZSTD, SEALED = 1, 2, 4, 8, 16
PACKED = 1


class Damaged(Exception):
    pass


class NoKey(Exception):
    pass


def total(data):
    return _xxh.XXH3_64bits(bytes(data), len(data))


def need(condition, why):
    if not condition:
        raise Damaged(why)


# --- encryption ------------------------------------------------------------------------------------------------------


def hkdf(key, salt, info, length):
    """RFC 5869 with SHA-256; no salt is a salt of zeros."""
    secret = hmac.digest(salt or bytes(32), key, "sha256")
    out = last = b""
    n = 0
    while len(out) < length:
        n += 1
        last = hmac.digest(secret, last + info + bytes([n]), "sha256")
        out += last
    return out[:length]


def key_of(text):
    raw = bytes.fromhex(text) if re.fullmatch(r"[0-9a-fA-F]{64}", text) else base64.b64decode(text)
    if len(raw) != 32:
        raise ValueError("a key has 32 bytes")
    return raw


def key_id(key):
    return int.from_bytes(hkdf(key, b"", b"tidegate key id", 8), "little") or 1


class Cipher:
    """The keys of one file."""

    def __init__(self, key, salt):
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM
        self.mac_key = hkdf(key, salt, b"tidegate spool mac", 32)
        self.gcm = AESGCM(hkdf(key, salt, b"tidegate spool block", 32))

    def mac(self, data):
        return hmac.digest(self.mac_key, data, "sha256")[:16]

    def open(self, sealed, aad):
        from cryptography.exceptions import InvalidTag
        try:
            return self.gcm.decrypt(sealed[:12], sealed[12:], aad)
        except InvalidTag:
            raise Damaged("a block was changed, or is from another file") from None


# --- records ---------------------------------------------------------------------------------------------------------


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

    def small(self):
        v = self.varint()
        need(v < 1 << 32, "number does not fit into 32 bits")
        return v

    def take(self, n):
        need(n <= len(self.data) - self.at, "record reaches beyond its block")
        self.at += n
        return self.data[self.at - n : self.at]


def signed(value):
    value &= (1 << 64) - 1
    return value - (1 << 64) if value >> 63 else value


def records(content, count, received, side):
    p, position = Payload(content), 0
    for _ in range(count):
        tag = p.byte()
        kind, repeated = KINDS.get(tag & 15), bool(tag & 16)
        need(kind and not tag >> 5 and (not repeated or kind == "schema"), "unknown kind of record")
        length = p.small()
        position = (position + p.zigzag()) & ((1 << 64) - 1)
        received = signed(received + p.zigzag())
        record = {"kind": kind, "position": position, "received": received}
        if kind == "schema":
            record["key"] = p.small()
        if kind == "begin" or side:
            record["xid"] = p.small()
        if repeated:
            record["repeated"] = True
        record["payload"] = bytes(p.take(length)).hex()
        yield record
    need(p.at == len(content), "more bytes than records")


class Order:
    """The rules of the log, across segments."""

    def __init__(self, position, open_):
        self.position, self.open = position, open_

    def step(self, record):
        kind = record["kind"]
        need(kind != "aborted", "aborted outside of a side file")
        need(kind == "schema" or self.open == (kind not in ("begin", "mark")), f"{kind} out of order")
        if kind in ("commit", "mark"):
            need(record["position"] > self.position, f"{kind} does not move the position on")
            self.position = record["position"]
        if kind in ("begin", "commit", "discard"):
            self.open = kind == "begin"


# --- files -----------------------------------------------------------------------------------------------------------


class File:
    """A segment or a side file: its header, and its blocks one by one."""

    def __init__(self, path, keys, number, side=False):
        with open(path, "rb") as f:
            self.data = f.read()
        need(len(self.data) >= HEADER.size, "the header is cut off")
        head = self.data[: HEADER.size]
        (magic, version, size, self.feed, self.number, self.base, self.position, self.begin, self.created, self.key_id,
         salt, kind, self.flags, self.content, zero, mac, check) = HEADER.unpack(head)
        need(magic == b"TGSPOOL\n" and check == total(head[:120]), "the header")
        need(version == 2 and size == 128 and not any(zero), "version or reserved bytes of the header")
        need(self.number == number and kind == int(side) and not self.flags & ~PACKED, "the header's fields")
        need(not side or (self.base, self.position) == (0, 0), "the header's fields")
        self.side, self.cipher = side, None
        if self.key_id:
            if self.key_id not in keys:
                raise NoKey(f"key {self.key_id:016x} is not known")
            self.cipher = Cipher(keys[self.key_id], salt)
            need(mac == self.cipher.mac(head[:104]), "mac of the header")
        else:
            need(not any(salt) and not any(mac), "salt and mac without key")
        self.place = self.base + HEADER.size  # log offset of the next block

    def block(self, at):
        """Returns (facts, records, offset of what follows)."""
        need(len(self.data) - at >= BLOCK.size, "a block's header is cut off")
        head = self.data[at : at + BLOCK.size]
        magic, low, psum, offset, position, synced, length, count, commits, flags, received = BLOCK.unpack(head)
        need(magic == b"TGBK", "no block begins here")
        need(low == total(head[8:]) & 0xFFFFFFFF, "checksum of the block's header")
        need(length <= 0x7FFF0000 and flags <= 31, "block's header")
        packed = bool(self.flags & PACKED)
        need(offset == (self.place if packed else self.base + at), "place of the block")
        payload = self.data[at + BLOCK.size : at + BLOCK.size + length]
        need(len(payload) == length, "a block's payload is cut off")
        need(psum == total(payload), "checksum of the block's payload")
        before = length
        aad = head[16:]
        if packed:
            need(length >= 4, "length of the block before it was packed")
            before = int.from_bytes(payload[:4], "little")
            aad, payload = aad + payload[:4], payload[4:]
        need(bool(flags & SEALED) == bool(self.cipher), "a block in clear among encrypted ones, or the other way round")
        if self.cipher:
            payload = self.cipher.open(payload, aad)
        if flags & ZSTD:
            import zstandard
            try:
                payload = zstandard.ZstdDecompressor().decompress(payload)
            except zstandard.ZstdError as e:
                raise Damaged(f"compressed block: {e}") from None
        found = list(records(payload, count, received, self.side))
        self.place += BLOCK.size + before
        facts = {"block": at, "offset": offset, "length": length, "records": count, "commits": commits, "flags": flags,
                 "position": position, "synced": synced}
        return facts, found, at + BLOCK.size + length

    def footer(self, at, entries):
        """Index and footer, which must be all that is left behind the blocks."""
        need(self.data[at : at + 4] == b"TGIX", "no index")
        raw = self.data[-FOOTER.size :]
        f = FOOTER.unpack(raw)
        need(f[0] == b"TGFT" and f[1] == total(raw[8:]) & 0xFFFFFFFF, "checksum of the footer")
        index = self.data[at : len(self.data) - FOOTER.size]
        need(f[2] == self.place + len(index), "place of the footer")
        need(f[14] == at and f[13] == len(entries), "place of the index")
        need(f[15] == total(index), "checksum of the index")
        need(index == b"TGIX" + struct.pack("<I", len(entries)) + b"".join(ENTRY.pack(*e) for e in entries), "the index")
        need(f[12] <= 1, "flags of the footer")
        need(f[16] == (self.cipher.mac(raw[8:112] + index) if self.cipher else bytes(16)), "mac of the footer")
        names = ("position", "synced", "records", "commits", "first", "last", "first_close", "first_received",
                 "last_received", "open")
        return dict(zip(names, f[3:13]))


class Spool:
    def __init__(self, path, keys, emit):
        self.path, self.keys, self.emit = path, keys, emit
        self.order = self.feed = None
        names = os.listdir(path)
        self.segments = sorted((int(m[1]), m[0]) for m in (re.fullmatch(r"(\d{10,20})\.seg", n) for n in names) if m)
        self.sides = {(int(m[1]), int(m[2])): m[0]
                      for m in (re.fullmatch(r"(\d{10,20})-(\d{10,20})\.side", n) for n in names) if m}

    def side(self, segment, link):
        """The transaction's records, without what was rolled back."""
        need(len(link) == LINK.size, "length of LINK")
        serial, size, count, aborted = LINK.unpack(link)
        name = self.sides.get((segment.number, serial))
        need(name, f"side file {serial} of the segment is missing")
        try:
            f = File(os.path.join(self.path, name), self.keys, serial, side=True)
            need((f.feed, f.content) == (segment.feed, segment.content), "another feed")
            need(len(f.data) == size, "length of the file")
            at, kept, void, seen = HEADER.size, [], [], False
            while at < len(f.data):
                facts, found, end = f.block(at)
                need(facts["position"] == 0 and not facts["flags"] & (OPEN | CARRIED) and not facts["commits"],
                     "block of a side file")
                need(bool(facts["flags"] & SCHEMA) == any(r["kind"] == "schema" for r in found), "the block's flags")
                if at == aborted:
                    seen = True
                for r in found:
                    need(r["kind"] in (("aborted",) if seen else ("data", "schema")), "kind of record in a side file")
                    if seen:
                        need(r["xid"] == f.begin and len(r["payload"]) % 8 == 0, "ABORTED record")
                        void += [x for x, in struct.iter_unpack("<I", bytes.fromhex(r["payload"]))]
                    else:
                        kept.append(r)
                at = end
            need(seen == bool(aborted), "place of the ABORTED records")
            need(len(kept) == count, "number of records")
            need(void == sorted(set(void)), "ids of ABORTED are not in order")
        except Damaged as why:
            raise Damaged(f"{name}: {why}") from None
        self.emit("side", {"side": name, "bytes": size, "records": count, "aborted": void, "xid": f.begin})
        gone = set(void)
        return [{k: v for k, v in r.items() if k != "xid"} for r in kept if r["xid"] not in gone]

    def segment(self, number, name, newest):
        seg = File(os.path.join(self.path, name), self.keys, number)
        if self.order is None:
            self.order, self.feed = Order(seg.position, seg.begin != number), seg.feed
        need(seg.feed == self.feed, "another feed")
        need(seg.position == self.order.position, "position of the header")
        need(self.order.open == (seg.begin != number), "open transaction of the header")
        self.emit("segment", {"segment": name, "bytes": len(seg.data), "number": number, "feed_id": seg.feed, "content": seg.content,
                              "base": seg.base, "position": seg.position, "begin": seg.begin, "created": seg.created,
                              "key_id": seg.key_id, "packed": bool(seg.flags & PACKED)})
        end, footer = self.blocks(seg, newest)
        return seg.base, end, footer

    def blocks(self, seg, newest):
        at, entries, count, commits = HEADER.size, [], 0, 0
        while at < len(seg.data):
            try:
                if seg.data[at : at + 4] == b"TGIX":
                    footer = seg.footer(at, entries)
                    need((footer["records"], footer["commits"]) == (count, commits), "footer's counts")
                    need(footer["position"] == self.order.position, "footer's position")
                    need(footer["open"] == self.order.open, "footer's flags")
                    self.emit("footer", footer)
                    return seg.place + 8 + len(entries) * ENTRY.size + FOOTER.size, True
                facts, found, end = seg.block(at)
            except Damaged as why:
                if not newest:
                    raise Damaged(f"byte {at}: {why}") from None
                self.emit("torn", {"torn": len(seg.data) - at, "why": str(why)})
                return None, False
            entries.append((facts["position"], facts["offset"], at))
            self.emit("block", facts)
            for record in found:
                self.record(seg, record, facts)
                count += not record.get("repeated")
                commits += record["kind"] == "commit"
            need(self.order.position == facts["position"], f"byte {at}: the block's position")
            need(self.order.open == bool(facts["flags"] & OPEN), f"byte {at}: the block's flags")
            need(bool(facts["flags"] & SCHEMA) == any(r["kind"] in ("schema", "link") for r in found),
                 f"byte {at}: the block's flags")
            at = end
        need(newest, "no footer")
        return None, False

    def record(self, seg, record, facts):
        repeated = bool(record.get("repeated"))
        need(repeated == bool(facts["flags"] & CARRIED), "carried block")
        if not repeated:
            self.order.step(record)
        self.emit("record", record)
        if record["kind"] == "link":
            for r in self.side(seg, bytes.fromhex(record["payload"])):
                self.emit("linked", r)

    def read(self):
        expected = None
        for i, (number, name) in enumerate(self.segments):
            try:
                need(expected is None or number == expected[0], "a segment is missing in front of it")
                base, end, _ = self.segment(number, name, i + 1 == len(self.segments))
                need(expected is None or base == expected[1], "it does not begin where the one before it ends")
                expected = (number + 1, end)
            except Damaged as why:
                print(f"{name}: {why}", file=sys.stderr)
                return 6
        return 0


def main(argv):
    keys, only_records = {}, False
    while argv[:1] and argv[0].startswith("--"):
        option = argv.pop(0)
        if option == "--key" and argv:
            key = key_of(argv.pop(0))
            keys[key_id(key)] = key
        elif option == "--records":
            only_records = True
        else:
            argv = []
    if len(argv) != 1:
        print(__doc__, file=sys.stderr)
        return 2

    def emit(what, line):
        shown = what in ("record", "linked") and not line.get("repeated") and line["kind"] != "link"
        if not only_records or shown or what == "torn":
            print(json.dumps(line))

    try:
        return Spool(argv[0], keys, emit).read()
    except NoKey as why:
        print(why, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
