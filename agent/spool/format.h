/* SPDX-License-Identifier: Apache-2.0
 *
 * Bytes of FORMAT.md to structs and back, nothing else: no files, no memory, no order rules.
 *
 *   segment := header(128) block* [index footer(128)]     side file := header(128) block*
 *   block := header(64) payload      content of a payload := record+
 *
 * The decoders return NULL when the bytes are right, else what is wrong with them (a static text).
 */
#ifndef TG_SPOOL_FORMAT_H
#define TG_SPOOL_FORMAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/change/record.h"

#define SEGMENT_VERSION     2u
#define SEGMENT_HEADER_SIZE 128u
#define BLOCK_HEADER_SIZE   64u
#define FOOTER_SIZE         128u
#define INDEX_HEADER_SIZE   8u
#define INDEX_ENTRY_SIZE    24u
#define PACKED_LENGTH_SIZE  4u /* in front of each payload of a packed file */
#define SALT_SIZE           16u
#define MAC_SIZE            16u
#define BLOCK_LENGTH_MAX    0x7fff0000u
#define RECORD_HEADER_MAX   36u /* tag 1, length 5, position 10, received 10, key 5, xid 5 */
#define RECORD_PAYLOAD_MAX  (BLOCK_LENGTH_MAX - 128u) /* header, and what encrypting adds */

#define BLOCK_MAGIC         0x4b424754u /* "TGBK" */
#define FOOTER_MAGIC        0x54464754u /* "TGFT" */
#define INDEX_MAGIC         0x58494754u /* "TGIX" */

enum file_kind { FILE_SEGMENT = 0, FILE_SIDE = 1 };

enum file_flags {
    FILE_PACKED = 1, /* written again, smaller: payloads begin with the length they had */
};

/* Of a segment and of a side file. */
struct segment_header {
    uint64_t feed_id;
    uint64_t number;   /* of a side file: its serial number */
    uint64_t base;     /* log offset of the header itself; of a side file: 0 */
    uint64_t position; /* of the last COMMIT or MARK in front of the segment; of a side file: 0 */
    uint64_t begin;    /* segment of the open transaction's BEGIN, or the own number; of a side
                          file: the transaction's id */
    int64_t created_us;
    uint64_t key_id; /* 0: not encrypted, salt and mac are zero */
    uint8_t salt[SALT_SIZE];
    uint32_t kind;    /* enum file_kind */
    uint32_t flags;   /* enum file_flags */
    uint32_t content; /* what the payloads of records are */
    uint8_t mac[MAC_SIZE];
};
#define HEADER_MAC_END 104u /* the mac covers the bytes in front of this one */

enum block_flags {
    BLOCK_OPEN = 1,    /* a transaction is open at the end */
    BLOCK_SCHEMA = 2,  /* has SCHEMA or LINK records */
    BLOCK_CARRIED = 4, /* has only repeated SCHEMA records */
    BLOCK_ZSTD = 8,    /* the content is compressed */
    BLOCK_SEALED = 16, /* and encrypted */
};

struct block_header {
    uint64_t payload_sum;
    uint64_t offset;   /* log offset of the block */
    uint64_t position; /* of the last COMMIT or MARK up to its end */
    uint64_t synced;   /* log offset below which all was durable when it was written */
    uint32_t length;   /* of the payload */
    uint32_t records, commits;
    uint32_t flags;
    int64_t received_us; /* of the first record */
};

/* What stands in a run of records, repeated ones not counted: kept while writing, found again by
 * reading, stored in the footer. */
struct tally {
    uint64_t records, commits;
    uint64_t first_position, last_position; /* of COMMIT and MARK; 0: none */
    uint64_t first_close;                   /* first COMMIT when no DISCARD is before it; else 0 */
    int64_t first_received_us, last_received_us; /* 0: no record */
    bool closed;                                 /* a COMMIT or DISCARD was met; not stored */
};

struct segment_footer {
    uint64_t offset; /* log offset of the footer */
    uint64_t position;
    uint64_t synced;
    struct tally tally;
    bool open;        /* a transaction is open at the end */
    uint32_t entries; /* in the index */
    uint64_t index;   /* offset in the file of the index */
    uint64_t index_sum;
    uint8_t mac[MAC_SIZE];
};
#define FOOTER_MAC_BEGIN 8u /* the mac covers the bytes from here */
#define FOOTER_MAC_END   112u

/* Where one block stands. */
struct index_entry {
    uint64_t position, offset; /* as in the block's header */
    uint64_t place;            /* offset in the file */
};

static inline uint64_t
index_size(uint32_t entries)
{
    return INDEX_HEADER_SIZE + (uint64_t)entries * INDEX_ENTRY_SIZE;
}

/* XXH3, 64 bits, seed 0. */
uint64_t format_sum(const void *data, size_t len);

void segment_header_encode(const struct segment_header *h, uint8_t out[SEGMENT_HEADER_SIZE]);
/* *version is set as soon as magic and sum are right, so that a newer version can be told from
 * damage. */
const char *segment_header_decode(
    const uint8_t in[SEGMENT_HEADER_SIZE], struct segment_header *out, uint32_t *version);

void block_header_encode(const struct block_header *h, uint8_t out[BLOCK_HEADER_SIZE]);
const char *block_header_decode(const uint8_t in[BLOCK_HEADER_SIZE], struct block_header *out);

void segment_footer_encode(const struct segment_footer *f, uint8_t out[FOOTER_SIZE]);
const char *segment_footer_decode(const uint8_t in[FOOTER_SIZE], struct segment_footer *out);

void index_header_encode(uint32_t entries, uint8_t out[INDEX_HEADER_SIZE]);
void index_entry_encode(const struct index_entry *e, uint8_t out[INDEX_ENTRY_SIZE]);
/* Entry `i` of an index; no check. */
void index_entry_decode(const uint8_t *index, uint32_t i, struct index_entry *out);
/* The magic, the count and the sum of a whole index of index_size(f->entries) bytes. */
const char *index_check(const uint8_t *index, const struct segment_footer *f);

/* Four bytes of a length in front of a payload. */
void packed_length_encode(uint32_t length, uint8_t out[PACKED_LENGTH_SIZE]);
uint32_t packed_length_decode(const uint8_t in[PACKED_LENGTH_SIZE]);

uint32_t format_magic(const uint8_t *in); /* the four bytes at `in` */

/* The values that the next record's differences refer to. */
struct record_base {
    uint64_t position;
    int64_t received_us;
    bool side; /* fixed: the records stand in a side file, where each has its xid */
};

/* Header of `rec` to out, returns its length; moves *base on. The payload goes right behind. */
size_t record_header_encode(const struct record *rec, bool repeated, struct record_base *base,
    uint8_t out[RECORD_HEADER_MAX]);
/* One record at *at, payload borrowed from there; moves *at and *base on. */
const char *record_decode(const uint8_t **at, const uint8_t *end, struct record_base *base,
    struct record *out, bool *repeated);

#define LINK_SIZE 32u

/* The payload of a LINK record. */
struct link {
    uint64_t serial;  /* of the side file */
    uint64_t bytes;   /* of the file */
    uint64_t records; /* in it, without ABORTED */
    uint64_t aborted; /* offset in the file of the first block with ABORTED records; 0: none */
};

void link_encode(const struct link *l, uint8_t out[LINK_SIZE]);
const char *link_decode(struct slice in, struct link *out);

/* Adds one record that is not a repeated one. */
static inline void
tally_add(struct tally *t, const struct record *rec)
{
    if (t->records++ == 0) {
        t->first_received_us = rec->received_us;
    }
    t->last_received_us = rec->received_us;
    if (rec->kind != RECORD_COMMIT && rec->kind != RECORD_DISCARD && rec->kind != RECORD_MARK) {
        return;
    }
    if (rec->kind != RECORD_DISCARD) {
        t->first_position = t->first_position ? t->first_position : rec->position;
        t->last_position = rec->position;
    }
    t->commits += rec->kind == RECORD_COMMIT;
    if (rec->kind != RECORD_MARK && !t->closed) {
        t->closed = true;
        t->first_close = rec->kind == RECORD_COMMIT ? rec->position : 0;
    }
}

/* `more` stands behind what `t` has counted. */
void tally_merge(struct tally *t, const struct tally *more);

#endif
