/* SPDX-License-Identifier: Apache-2.0
 *
 * Bytes of FORMAT.md to structs and back, nothing else: no files, no memory, no order rules.
 *
 *   segment := header(128) block* [footer(128)]      block := header(64) payload      payload :=
 * record+
 *
 * The decoders return NULL when the bytes are right, else what is wrong with them (a static text).
 */
#ifndef TG_SPOOL_FORMAT_H
#define TG_SPOOL_FORMAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/change/record.h"

#define SEGMENT_VERSION     1u
#define SEGMENT_HEADER_SIZE 128u
#define BLOCK_HEADER_SIZE   64u
#define FOOTER_SIZE         128u
#define BLOCK_LENGTH_MAX    0x7fff0000u
#define RECORD_HEADER_MAX   31u /* tag 1, length 5, position 10, received 10, key 5 */
#define RECORD_PAYLOAD_MAX  (BLOCK_LENGTH_MAX - RECORD_HEADER_MAX)

#define BLOCK_MAGIC         0x4b424754u /* "TGBK" */
#define FOOTER_MAGIC        0x54464754u /* "TGFT" */

struct segment_header {
    uint64_t feed_id;
    uint64_t number;
    uint64_t base;     /* log offset of the header itself */
    uint64_t position; /* of the last COMMIT or MARK in front of the segment */
    uint64_t begin;    /* segment of the open transaction's BEGIN, or the own number */
    int64_t created_us;
};

enum block_flags {
    BLOCK_OPEN = 1,    /* a transaction is open at the end */
    BLOCK_SCHEMA = 2,  /* has SCHEMA records */
    BLOCK_CARRIED = 4, /* has only repeated SCHEMA records */
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
    bool open; /* a transaction is open at the end */
};

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

uint32_t format_magic(const uint8_t *in); /* the four bytes at `in` */

/* The values that the next record's differences refer to. */
struct record_base {
    uint64_t position;
    int64_t received_us;
};

/* Header of `rec` to out, returns its length; moves *base on. The payload goes right behind. */
size_t record_header_encode(const struct record *rec, bool repeated, struct record_base *base,
    uint8_t out[RECORD_HEADER_MAX]);
/* One record at *at, payload borrowed from there; moves *at and *base on. */
const char *record_decode(const uint8_t **at, const uint8_t *end, struct record_base *base,
    struct record *out, bool *repeated);

/* Adds one record that is not a repeated one. */
static inline void
tally_add(struct tally *t, const struct record *rec)
{
    if (t->records++ == 0) {
        t->first_received_us = rec->received_us;
    }
    t->last_received_us = rec->received_us;
    if (rec->kind == RECORD_DATA || rec->kind == RECORD_BEGIN || rec->kind == RECORD_SCHEMA) {
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
