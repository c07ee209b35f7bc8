/* SPDX-License-Identifier: Apache-2.0
 *
 * What a reader hands out of what it reads: nothing of transactions at or before its start, and in
 * the place of a LINK record what the side file holds. A side file is opened when its LINK is
 * reached, and is walked over block by block beside the log's own block, which stays where it is.
 */
#include "agent/base/parse.h"
#include "agent/spool/reader.intern.h"

/* For side files of which only SCHEMA records are wanted. */
#define SKIP_BUFFER 4096u

static bool
fail_start(const struct spool_reader *r, const struct record *rec, const char *why, struct err *err)
{
    char at[FORMAT_SIZE], start[FORMAT_SIZE];
    return err_set(err, ERR_FATAL, "spool '%s', commit at %s, reading behind %s: %s",
        r->spool->path, format_lsn(rec->position, at), format_lsn(r->start, start), why);
}

/* LIVE, but the start was not in the spool when the reader was opened. */
static bool
want_ahead(struct spool_reader *r, const struct record *rec, bool *want, struct err *err)
{
    *want = !r->drop;
    switch (rec->kind) {
    case RECORD_BEGIN:
        r->drop = rec->position < r->start;
        *want = !r->drop;
        return true;
    case RECORD_SCHEMA:
        *want = true;
        return true;
    case RECORD_DISCARD:
        r->drop = false;
        return true;
    case RECORD_MARK:
    case RECORD_COMMIT:
        break;
    case RECORD_DATA:
    case RECORD_LINK:
    case RECORD_ABORTED:
    case RECORD_ABORT:
        return true;
    }
    if (rec->kind == RECORD_COMMIT && r->drop != (rec->position <= r->start)) {
        return fail_start(r, rec, "its BEGIN foretold that it lies on the other side", err);
    }
    *want = rec->position > r->start;
    r->ahead = rec->position < r->start;
    r->drop = false;
    return true;
}

bool
reader_want(struct spool_reader *r, const struct record *rec, bool *out, struct err *err)
{
    size_t read = (size_t)(r->next_byte - r->payload);
    switch (r->mode) {
    case MODE_SKIP:
        *out = rec->kind == RECORD_SCHEMA;
        if (r->block_offset == r->boundary && read >= r->boundary_bytes) {
            r->mode = MODE_LIVE;
        }
        return true;
    case MODE_ORPHAN:
        *out = rec->kind == RECORD_SCHEMA;
        if (rec->kind == RECORD_COMMIT) {
            return fail_start(r, rec, "the segment where it begins is gone", err);
        }
        if (rec->kind == RECORD_DISCARD) {
            r->mode = MODE_LIVE;
        }
        return true;
    case MODE_LIVE:
        break;
    }
    *out = true;
    return !r->ahead || want_ahead(r, rec, out, err);
}

/* --- side files ---------------------------------------------------------------------------------
 */

bool
reader_enter_side(struct spool_reader *r, const struct record *rec, bool wanted, struct err *err)
{
    r->where = (struct side_where){
        .fs = r->spool->fs,
        .dir = r->spool->path,
        .keys = r->spool->keys,
        .feed_id = r->spool->feed_id,
        .segment = r->number,
        .schemas = !wanted,
        .buffer = wanted ? r->scan.cap : SKIP_BUFFER,
    };
    const char *why = link_decode(rec->payload, &r->where.link);
    if (why != NULL) {
        return reader_damaged(r, r->block_at, why, err);
    }
    r->linked = true;
    r->walked = 0;
    return true;
}

void
reader_leave_side(struct spool_reader *r)
{
    side_walk_close(&r->walk, r->spool->fs);
    r->walking = false;
}

bool
reader_next_of_side(struct spool_reader *r, struct record *rec, bool *got, struct err *err)
{
    *got = false;
    if (!r->walking && !side_walk_open(&r->walk, &r->where, err)) {
        reader_leave_side(r);
        return false;
    }
    r->walking = true;
    if (!side_walk_next(&r->walk, rec, got, err)) {
        return false;
    }
    uint64_t now = *got ? side_walk_at(&r->walk) : r->where.link.bytes;
    if (now != r->walked) {
        atomic_fetch_add(&r->side_at, now - r->walked);
        r->walked = now;
    }
    if (*got) {
        atomic_store_explicit(&r->received_us, rec->received_us, memory_order_relaxed);
    } else {
        reader_leave_side(r);
        r->linked = false;
    }
    return true;
}
