/* SPDX-License-Identifier: Apache-2.0
 *
 * A made-up feed that remembers everything that it gave to a spool, and the comparison of what a
 * reader hands out with it. Everything follows from a seed.
 */
#ifndef TG_TESTS_SPOOL_UTIL_H
#define TG_TESTS_SPOOL_UTIL_H

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>

#include "agent/base/clock.h"
#include "agent/base/key.h"
#include "agent/spool/spool.h"
#include "tests/lib/fake_fs.h"
#include "tests/lib/unit.h"

#define FEED_ID 7301u
#define DIR     "/s"

#define ok(expression)                                                                             \
    do {                                                                                           \
        if (!(expression)) {                                                                       \
            fail_msg("%s: %s (%s)", #expression, err.text, err_class_name(err.class));             \
        }                                                                                          \
    } while (0)
#define fails(expression, expected)                                                                \
    do {                                                                                           \
        err_clear(&err);                                                                           \
        assert_false(expression);                                                                  \
        assert_string_equal(err_class_name(err.class), err_class_name(expected));                  \
        assert_true(err.text[0] != '\0');                                                          \
    } while (0)

struct copy {
    struct record rec; /* payload owned */
};

struct feed {
    struct copy *all;
    size_t count, cap;
    uint64_t random;
    uint64_t position;  /* of the last COMMIT or MARK given */
    bool open;          /* a transaction is open */
    uint64_t commit_at; /* what its BEGIN foretold */
    int64_t now;
    size_t max_payload;
    unsigned rows; /* on average per transaction */
};

static inline uint64_t
feed_random(struct feed *f)
{
    uint64_t z = (f->random += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static inline void
feed_init(struct feed *f, uint64_t seed)
{
    *f = (struct feed){
        .random = seed,
        .position = 1000,
        .now = 1700000000000000,
        .max_payload = 60,
        .rows = 4,
    };
}

static inline void
feed_truncate(struct feed *f, size_t count)
{
    while (f->count > count) {
        free((void *)(uintptr_t)f->all[--f->count].rec.payload.data);
    }
}

static inline void
feed_done(struct feed *f)
{
    feed_truncate(f, 0);
    free(f->all);
    f->all = NULL;
}

static inline void
feed_keep(struct feed *f, const struct record *rec)
{
    if (f->count == f->cap) {
        f->cap = f->cap ? f->cap * 2 : 256;
        f->all = realloc(f->all, f->cap * sizeof(*f->all));
    }
    uint8_t *p = malloc(rec->payload.len + 1);
    if (rec->payload.len > 0) {
        memcpy(p, rec->payload.data, rec->payload.len);
    }
    f->all[f->count] = (struct copy){*rec};
    f->all[f->count++].rec.payload.data = p;
}

/* The next record of the feed; its payload is in `bytes` (max_payload). Changes nothing but
 * randomness. */
static inline struct record
feed_make(struct feed *f, uint8_t *bytes)
{
    struct record rec = {.received_us = f->now + (int64_t)(feed_random(f) % 50)};
    uint64_t dice = feed_random(f) % 100;
    size_t len = feed_random(f) % (f->max_payload + 1);

    for (size_t i = 0; i < len; i++) {
        bytes[i] = (uint8_t)feed_random(f);
    }
    rec.payload = slice_of(bytes, len);
    if (dice < 8) {
        rec.kind = RECORD_SCHEMA;
        rec.key = 16384 + (uint32_t)(feed_random(f) % 5);
        rec.position = f->position + 1;
    } else if (!f->open && dice < 20) {
        rec.kind = RECORD_MARK;
        rec.payload.len = 0;
        rec.position = f->position + 1 + feed_random(f) % 30;
    } else if (!f->open) {
        rec.kind = RECORD_BEGIN;
        rec.xid = (uint32_t)feed_random(f);
        rec.position = f->position + feed_random(f) % 40;
    } else if (feed_random(f) % (f->rows + 1) == 0) {
        rec.kind = RECORD_COMMIT;
        rec.position = f->commit_at + 1 + feed_random(f) % 40;
    } else {
        rec.kind = RECORD_DATA;
        rec.position = f->position + feed_random(f) % 1000 - 500;
    }
    return rec;
}

/* `rec` was taken. */
static inline void
feed_took(struct feed *f, const struct record *rec)
{
    feed_keep(f, rec);
    f->now = rec->received_us;
    if (rec->kind == RECORD_BEGIN) {
        f->open = true;
        f->commit_at = rec->position;
    } else if (rec->kind == RECORD_COMMIT || rec->kind == RECORD_DISCARD) {
        f->open = false;
    }
    if (rec->kind == RECORD_COMMIT || rec->kind == RECORD_MARK) {
        f->position = rec->position;
    }
}

/* Gives `n` records to the spool; all must be taken. */
static inline void
feed_give(struct feed *f, struct spool *s, unsigned n)
{
    struct err err = ERR_INIT;
    uint8_t *bytes = malloc(f->max_payload + 1);
    for (unsigned i = 0; i < n; i++) {
        struct record rec = feed_make(f, bytes);
        ok(spool_append(s, &rec, &err));
        feed_took(f, &rec);
    }
    free(bytes);
}

/* Until no transaction is open. */
static inline void
feed_finish(struct feed *f, struct spool *s)
{
    while (f->open) {
        feed_give(f, s, 1);
    }
}

static inline bool
same_record(const struct record *a, const struct record *b)
{
    return a->kind == b->kind && a->position == b->position && a->received_us == b->received_us &&
           a->xid == b->xid && a->key == b->key && slice_eq(a->payload, b->payload);
}

#define KEY_HEX_A "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define KEY_HEX_B "ffeeddccbbaa99887766554433221100ffeeddccbbaa99887766554433221100"

/* What small_options gives to each spool; a test program that sets it runs its tests encrypted. */
static const struct key_ring *util_keys;

static inline struct key_ring *
make_keys(const char *current, const char *old)
{
    struct key_ring *ring;
    struct err err = ERR_INIT;
    ok(key_ring_new(current, &old, old != NULL, &ring, &err));
    return ring;
}

/* The tests once more, with a key. */
static inline int
run_encrypted(int (*run)(void))
{
    struct key_ring *ring = make_keys(KEY_HEX_A, NULL);
    util_keys = ring;
    int failed = run();
    util_keys = NULL;
    key_ring_free(ring);
    return failed;
}

static inline struct spool_options
small_options(struct fake_fs *fs)
{
    return (struct spool_options){
        .path = DIR,
        .feed_id = FEED_ID,
        .segment_size = 2000,
        .block_size = 300,
        .keys = util_keys,
        .fs = fs == NULL ? NULL : fake_fs_get(fs),
    };
}

static inline struct spool *
open_spool(const struct spool_options *o)
{
    struct err err = ERR_INIT;
    struct spool *s;
    ok(spool_open(o, &s, &err));
    return s;
}

/* Everything that a reader behind `position` gets now. */
static inline void
read_all(struct spool *s, uint64_t position, struct feed *out)
{
    struct err err = ERR_INIT;
    struct spool_reader *r;
    struct record rec;
    bool got;
    *out = (struct feed){0};
    ok(spool_reader_open(s, position, &r, &err));
    for (;;) {
        ok(spool_reader_next(r, &rec, &got, &err));
        if (!got) {
            break;
        }
        feed_keep(out, &rec);
    }
    assert_int_equal(spool_reader_behind(r), 0);
    spool_reader_close(r);
}

/* Index of the first record of the feed that a reader behind `position` has to get. */
static inline size_t
feed_start(const struct feed *f, uint64_t position)
{
    size_t start = 0;
    for (size_t i = 0; i < f->count; i++) {
        const struct record *rec = &f->all[i].rec;
        if ((rec->kind == RECORD_COMMIT || rec->kind == RECORD_MARK) && rec->position <= position) {
            start = i + 1;
        }
    }
    return start;
}

#define KEYS 5 /* 16384 and up */

/* A carried schema does not say any more which transaction it came with. */
static inline bool
same_schema(const struct record *a, const struct record *b)
{
    struct record x = *a, y = *b;
    x.xid = y.xid = 0;
    return same_record(&x, &y);
}

static inline bool
same_schemas(const struct record *const a[KEYS], const struct record *const b[KEYS])
{
    for (int k = 0; k < KEYS; k++) {
        if ((a[k] == NULL) != (b[k] == NULL) || (a[k] != NULL && !same_schema(a[k], b[k]))) {
            return false;
        }
    }
    return true;
}

/* Steps over SCHEMA records, noting them; the index of the first other record at or behind i. */
static inline size_t
note_schemas(const struct feed *f, size_t i, const struct record *schemas[KEYS])
{
    while (i < f->count && f->all[i].rec.kind == RECORD_SCHEMA) {
        schemas[f->all[i].rec.key - 16384] = &f->all[i].rec;
        i++;
    }
    return i;
}

/* If a transaction that a DISCARD makes void begins at i: the index behind it, else i. */
static inline size_t
behind_void(const struct feed *f, size_t i)
{
    if (i >= f->count || f->all[i].rec.kind != RECORD_BEGIN) {
        return i;
    }
    for (size_t k = i; k < f->count && f->all[k].rec.kind != RECORD_COMMIT; k++) {
        if (f->all[k].rec.kind == RECORD_DISCARD) {
            return k + 1;
        }
    }
    return i;
}

/* The records must be those that the feed gave behind the position, in order, and in front of each
 * of them the schemas in effect must be the same. Where SCHEMA records stand in between is free;
 * from the very start they must be the same too. Void transactions right at the start may be left
 * out. */
static inline void
check_read(const struct feed *f, uint64_t position, const struct feed *got)
{
    const struct record *given[KEYS] = {NULL}, *seen[KEYS] = {NULL};
    size_t i = feed_start(f, position), j = note_schemas(got, 0, seen);

    if (i == 0 && behind_void(f, note_schemas(f, 0, given)) == note_schemas(f, 0, given)) {
        assert_int_equal(got->count, f->count);
    }
    for (size_t k = 0; k < i; k++) {
        (void)note_schemas(f, k, given);
    }
    i = note_schemas(f, i, given);
    while (behind_void(f, i) != i &&
           (j >= got->count || !same_record(&f->all[i].rec, &got->all[j].rec))) {
        for (size_t end = behind_void(f, i); i < end; i = note_schemas(f, i + 1, given)) {
        }
    }
    for (; i < f->count; i = note_schemas(f, i + 1, given)) {
        if (j >= got->count) {
            fail_msg("behind %" PRIu64 ": record %zu is missing", position, i);
        }
        if (!same_record(&f->all[i].rec, &got->all[j].rec)) {
            fail_msg("behind %" PRIu64 ": record %zu of %zu differs (kind %d, wanted %d)", position,
                i, f->count, got->all[j].rec.kind, f->all[i].rec.kind);
        }
        if (!same_schemas(given, seen)) {
            fail_msg("behind %" PRIu64 ": wrong schemas before record %zu", position, i);
        }
        j = note_schemas(got, j + 1, seen);
    }
    assert_int_equal(j, got->count);
}

static inline void
check_from(struct spool *s, const struct feed *f, uint64_t position)
{
    struct feed got;
    read_all(s, position, &got);
    check_read(f, position, &got);
    feed_done(&got);
}

#endif
