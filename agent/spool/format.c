/* SPDX-License-Identifier: Apache-2.0
 *
 * Fields are put and taken one by one at their offsets, so that no struct's layout is ever on the
 * disk. A decoder looks at the sums first: what it says about other fields is then a fact about the
 * writer.
 */
#include "agent/spool/format.h"

#include <endian.h>
#include <xxhash.h>

static const char segment_magic[8] = {'T', 'G', 'S', 'P', 'O', 'O', 'L', '\n'};

static void
put32(uint8_t *p, uint32_t v)
{
    v = htole32(v);
    memcpy(p, &v, sizeof(v));
}

static void
put64(uint8_t *p, uint64_t v)
{
    v = htole64(v);
    memcpy(p, &v, sizeof(v));
}

static uint32_t
get32(const uint8_t *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof(v));
    return le32toh(v);
}

static uint64_t
get64(const uint8_t *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof(v));
    return le64toh(v);
}

static bool
all_zero(const uint8_t *p, size_t len)
{
    uint8_t any = 0;
    for (size_t i = 0; i < len; i++) {
        any |= p[i];
    }
    return any == 0;
}

uint64_t
format_sum(const void *data, size_t len)
{
    return XXH3_64bits(data, len);
}

static uint32_t
sum32(const uint8_t *data, size_t len)
{
    return (uint32_t)format_sum(data, len);
}

uint32_t
format_magic(const uint8_t *in)
{
    return get32(in);
}

void
segment_header_encode(const struct segment_header *h, uint8_t out[SEGMENT_HEADER_SIZE])
{
    memset(out, 0, SEGMENT_HEADER_SIZE);
    memcpy(out, segment_magic, sizeof(segment_magic));
    put32(out + 8, SEGMENT_VERSION);
    put32(out + 12, SEGMENT_HEADER_SIZE);
    put64(out + 16, h->feed_id);
    put64(out + 24, h->number);
    put64(out + 32, h->base);
    put64(out + 40, h->position);
    put64(out + 48, h->begin);
    put64(out + 56, (uint64_t)h->created_us);
    put64(out + 64, h->key_id);
    memcpy(out + 72, h->salt, SALT_SIZE);
    put32(out + 88, h->kind);
    put32(out + 92, h->flags);
    put32(out + 96, h->content);
    memcpy(out + HEADER_MAC_END, h->mac, MAC_SIZE);
    put64(out + 120, format_sum(out, 120));
}

/* What no writer writes, though the sums are right. */
static const char *
header_fault(const struct segment_header *h)
{
    if (h->kind > FILE_SIDE || (h->flags & ~(uint32_t)FILE_PACKED)) {
        return "unknown kind or flags in the file's header";
    }
    if (h->key_id == 0 && !(all_zero(h->salt, SALT_SIZE) && all_zero(h->mac, MAC_SIZE))) {
        return "the header has a salt or mac, but no key";
    }
    if (h->kind == FILE_SEGMENT && (h->begin > h->number || h->begin == 0)) {
        return "the open transaction would begin in a later segment";
    }
    if (h->kind == FILE_SIDE && (h->base != 0 || h->position != 0 || h->flags != 0)) {
        return "the header of a side file has a place in the log";
    }
    return NULL;
}

const char *
segment_header_decode(
    const uint8_t in[SEGMENT_HEADER_SIZE], struct segment_header *out, uint32_t *version)
{
    *version = 0;
    if (memcmp(in, segment_magic, sizeof(segment_magic)) != 0) {
        return "this is not a segment of a spool";
    }
    if (get64(in + 120) != format_sum(in, 120)) {
        return "checksum of the segment's header does not match";
    }
    *version = get32(in + 8);
    if (*version != SEGMENT_VERSION) {
        return "unknown version";
    }
    if (get32(in + 12) != SEGMENT_HEADER_SIZE || !all_zero(in + 100, 4)) {
        return "reserved bytes of the segment's header are in use";
    }
    *out = (struct segment_header){
        .feed_id = get64(in + 16),
        .number = get64(in + 24),
        .base = get64(in + 32),
        .position = get64(in + 40),
        .begin = get64(in + 48),
        .created_us = (int64_t)get64(in + 56),
        .key_id = get64(in + 64),
        .kind = get32(in + 88),
        .flags = get32(in + 92),
        .content = get32(in + 96),
    };
    memcpy(out->salt, in + 72, SALT_SIZE);
    memcpy(out->mac, in + HEADER_MAC_END, MAC_SIZE);
    return header_fault(out);
}

void
block_header_encode(const struct block_header *h, uint8_t out[BLOCK_HEADER_SIZE])
{
    put32(out, BLOCK_MAGIC);
    put64(out + 8, h->payload_sum);
    put64(out + 16, h->offset);
    put64(out + 24, h->position);
    put64(out + 32, h->synced);
    put32(out + 40, h->length);
    put32(out + 44, h->records);
    put32(out + 48, h->commits);
    put32(out + 52, h->flags);
    put64(out + 56, (uint64_t)h->received_us);
    put32(out + 4, sum32(out + 8, BLOCK_HEADER_SIZE - 8));
}

const char *
block_header_decode(const uint8_t in[BLOCK_HEADER_SIZE], struct block_header *out)
{
    if (get32(in) != BLOCK_MAGIC) {
        return "no block begins here";
    }
    if (get32(in + 4) != sum32(in + 8, BLOCK_HEADER_SIZE - 8)) {
        return "checksum of the block's header does not match";
    }
    *out = (struct block_header){
        .payload_sum = get64(in + 8),
        .offset = get64(in + 16),
        .position = get64(in + 24),
        .synced = get64(in + 32),
        .length = get32(in + 40),
        .records = get32(in + 44),
        .commits = get32(in + 48),
        .flags = get32(in + 52),
        .received_us = (int64_t)get64(in + 56),
    };
    if (out->length > BLOCK_LENGTH_MAX || out->records == 0 || out->commits > out->records ||
        (!(out->flags & BLOCK_ZSTD) && out->records > out->length)) {
        return "impossible counts in the block's header";
    }
    if (out->flags &
        ~(uint32_t)(BLOCK_OPEN | BLOCK_SCHEMA | BLOCK_CARRIED | BLOCK_ZSTD | BLOCK_SEALED)) {
        return "unknown flags in the block's header";
    }
    return NULL;
}

void
segment_footer_encode(const struct segment_footer *f, uint8_t out[FOOTER_SIZE])
{
    const struct tally *t = &f->tally;
    memset(out, 0, FOOTER_SIZE);
    put32(out, FOOTER_MAGIC);
    put64(out + 8, f->offset);
    put64(out + 16, f->position);
    put64(out + 24, f->synced);
    put64(out + 32, t->records);
    put64(out + 40, t->commits);
    put64(out + 48, t->first_position);
    put64(out + 56, t->last_position);
    put64(out + 64, t->first_close);
    put64(out + 72, (uint64_t)t->first_received_us);
    put64(out + 80, (uint64_t)t->last_received_us);
    put32(out + 88, f->open ? 1 : 0);
    put32(out + 92, f->entries);
    put64(out + 96, f->index);
    put64(out + 104, f->index_sum);
    memcpy(out + FOOTER_MAC_END, f->mac, MAC_SIZE);
    put32(out + 4, sum32(out + 8, FOOTER_SIZE - 8));
}

const char *
segment_footer_decode(const uint8_t in[FOOTER_SIZE], struct segment_footer *out)
{
    if (get32(in) != FOOTER_MAGIC) {
        return "the segment has no footer";
    }
    if (get32(in + 4) != sum32(in + 8, FOOTER_SIZE - 8)) {
        return "checksum of the segment's footer does not match";
    }
    if (get32(in + 88) > 1) {
        return "unknown flags in the segment's footer";
    }
    *out = (struct segment_footer){
        .offset = get64(in + 8),
        .position = get64(in + 16),
        .synced = get64(in + 24),
        .tally =
            {
                .records = get64(in + 32),
                .commits = get64(in + 40),
                .first_position = get64(in + 48),
                .last_position = get64(in + 56),
                .first_close = get64(in + 64),
                .first_received_us = (int64_t)get64(in + 72),
                .last_received_us = (int64_t)get64(in + 80),
            },
        .open = get32(in + 88) != 0,
        .entries = get32(in + 92),
        .index = get64(in + 96),
        .index_sum = get64(in + 104),
    };
    memcpy(out->mac, in + FOOTER_MAC_END, MAC_SIZE);
    if (out->index < SEGMENT_HEADER_SIZE || out->offset < index_size(out->entries)) {
        return "impossible place of the index in the segment's footer";
    }
    return NULL;
}

void
index_header_encode(uint32_t entries, uint8_t out[INDEX_HEADER_SIZE])
{
    put32(out, INDEX_MAGIC);
    put32(out + 4, entries);
}

void
index_entry_encode(const struct index_entry *e, uint8_t out[INDEX_ENTRY_SIZE])
{
    put64(out, e->position);
    put64(out + 8, e->offset);
    put64(out + 16, e->place);
}

void
index_entry_decode(const uint8_t *index, uint32_t i, struct index_entry *out)
{
    const uint8_t *p = index + index_size(i);
    *out = (struct index_entry){get64(p), get64(p + 8), get64(p + 16)};
}

const char *
index_check(const uint8_t *index, const struct segment_footer *f)
{
    if (get32(index) != INDEX_MAGIC || get32(index + 4) != f->entries) {
        return "no index stands in front of the footer";
    }
    if (format_sum(index, index_size(f->entries)) != f->index_sum) {
        return "checksum of the segment's index does not match";
    }
    return NULL;
}

void
packed_length_encode(uint32_t length, uint8_t out[PACKED_LENGTH_SIZE])
{
    put32(out, length);
}

uint32_t
packed_length_decode(const uint8_t in[PACKED_LENGTH_SIZE])
{
    return get32(in);
}

static size_t
put_varint(uint8_t *p, uint64_t v)
{
    size_t n = 0;
    while (v >= 0x80) {
        p[n++] = (uint8_t)(v | 0x80);
        v >>= 7;
    }
    p[n++] = (uint8_t)v;
    return n;
}

static size_t
put_zigzag(uint8_t *p, uint64_t difference)
{
    return put_varint(p, (difference << 1) ^ (0 - (difference >> 63)));
}

/* False at the end of the bytes and for more than 64 bits. */
static bool
get_varint(const uint8_t **at, const uint8_t *end, uint64_t *out)
{
    const uint8_t *p = *at;
    uint64_t v = 0;
    for (unsigned shift = 0; shift < 64 && p < end; shift += 7) {
        uint64_t bits = *p & 0x7fu;
        if (shift == 63 && bits > 1) {
            return false;
        }
        v |= bits << shift;
        if (!(*p++ & 0x80)) {
            *at = p;
            *out = v;
            return true;
        }
    }
    return false;
}

static bool
get_zigzag(const uint8_t **at, const uint8_t *end, uint64_t *difference)
{
    uint64_t v;
    if (!get_varint(at, end, &v)) {
        return false;
    }
    *difference = (v >> 1) ^ (0 - (v & 1));
    return true;
}

#define TAG_REPEATED 0x10u

size_t
record_header_encode(const struct record *rec, bool repeated, struct record_base *base,
    uint8_t out[RECORD_HEADER_MAX])
{
    size_t n = 0;
    out[n++] = (uint8_t)((uint8_t)rec->kind | (repeated ? TAG_REPEATED : 0));
    n += put_varint(out + n, rec->payload.len);
    n += put_zigzag(out + n, rec->position - base->position);
    n += put_zigzag(out + n, (uint64_t)rec->received_us - (uint64_t)base->received_us);
    if (rec->kind == RECORD_SCHEMA) {
        n += put_varint(out + n, rec->key);
    }
    if (rec->kind == RECORD_BEGIN || base->side) {
        n += put_varint(out + n, rec->xid);
    }
    base->position = rec->position;
    base->received_us = rec->received_us;
    return n;
}

static bool
kind_fits(unsigned kind, bool side)
{
    if (side) {
        return kind == RECORD_DATA || kind == RECORD_SCHEMA || kind == RECORD_ABORTED;
    }
    return kind >= RECORD_BEGIN && kind <= RECORD_LINK;
}

const char *
record_decode(const uint8_t **at, const uint8_t *end, struct record_base *base, struct record *out,
    bool *repeated)
{
    const uint8_t *p = *at;
    uint64_t len, position, received, key = 0, xid = 0;

    if (p >= end) {
        return "fewer records than the block's header says";
    }
    unsigned tag = *p++;
    unsigned kind = tag & 0x0fu;
    *repeated = (tag & TAG_REPEATED) != 0;
    if (!kind_fits(kind, base->side) || tag > (TAG_REPEATED | 0x0fu) ||
        (*repeated && (kind != RECORD_SCHEMA || base->side))) {
        return "unknown kind of record";
    }
    if (!get_varint(&p, end, &len) || !get_zigzag(&p, end, &position) ||
        !get_zigzag(&p, end, &received)) {
        return "record header is cut off";
    }
    if ((kind == RECORD_SCHEMA && !get_varint(&p, end, &key)) ||
        ((kind == RECORD_BEGIN || base->side) && !get_varint(&p, end, &xid)) || key > UINT32_MAX ||
        xid > UINT32_MAX) {
        return "record header is cut off";
    }
    if (len > (uint64_t)(end - p)) {
        return "record reaches beyond its block";
    }
    base->position += position;
    base->received_us = (int64_t)((uint64_t)base->received_us + received);
    *out = (struct record){
        .kind = (enum record_kind)kind,
        .xid = (uint32_t)xid,
        .key = (uint32_t)key,
        .position = base->position,
        .received_us = base->received_us,
        .payload = {p, (size_t)len},
    };
    *at = p + len;
    return NULL;
}

void
link_encode(const struct link *l, uint8_t out[LINK_SIZE])
{
    put64(out, l->serial);
    put64(out + 8, l->bytes);
    put64(out + 16, l->records);
    put64(out + 24, l->aborted);
}

const char *
link_decode(struct slice in, struct link *out)
{
    if (in.len != LINK_SIZE) {
        return "a LINK of another size";
    }
    const uint8_t *p = in.data;
    *out = (struct link){get64(p), get64(p + 8), get64(p + 16), get64(p + 24)};
    if (out->serial == 0 || out->bytes <= SEGMENT_HEADER_SIZE || out->records == 0 ||
        (out->aborted != 0 &&
            (out->aborted <= SEGMENT_HEADER_SIZE || out->aborted >= out->bytes))) {
        return "impossible numbers in a LINK";
    }
    return NULL;
}

void
tally_merge(struct tally *t, const struct tally *more)
{
    if (more->records == 0) {
        return;
    }
    if (t->records == 0) {
        t->first_received_us = more->first_received_us;
    }
    t->last_received_us = more->last_received_us;
    t->records += more->records;
    t->commits += more->commits;
    if (more->last_position != 0) {
        t->first_position = t->first_position ? t->first_position : more->first_position;
        t->last_position = more->last_position;
    }
    if (more->closed && !t->closed) {
        t->closed = true;
        t->first_close = more->first_close;
    }
}
