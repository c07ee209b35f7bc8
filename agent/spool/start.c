/* SPDX-License-Identifier: Apache-2.0
 *
 * A block whose position is greater than the one wanted can have commits at or before it, too; so
 * it is looked into first, and then the block that brought the position before that.
 */
#include "agent/spool/start.h"

#include "agent/spool/segment.h"

static bool
damaged(const struct start *st, uint64_t at, const char *why, struct err *err)
{
    return segment_damaged(err, st->path, at, why);
}

/* The end of the last COMMIT or MARK at or before the position, in bytes of the content; 0: there
 * is none. */
static const char *
last_before(const struct start *st, const struct block_header *h, struct slice content, size_t *out)
{
    const uint8_t *at = content.data, *end = content.data + content.len;
    struct record_base base = {0, h->received_us};
    *out = 0;
    for (uint32_t i = 0; i < h->records; i++) {
        struct record rec;
        bool repeated;
        const char *why = record_decode(&at, end, &base, &rec, &repeated);
        if (why != NULL) {
            return why;
        }
        if (rec.kind == RECORD_COMMIT || rec.kind == RECORD_MARK) {
            if (rec.position > st->position) {
                break;
            }
            *out = (size_t)(at - content.data);
        }
    }
    return NULL;
}

/* Looks into the block of an entry, and takes the boundary from it if it is there. */
static bool
try_block(struct start *st, const struct index_entry *e, bool *found, struct err *err)
{
    struct block_header h;
    struct slice content;
    scan_seek(st->scan, e->place, e->offset);
    enum scan_result res = scan_peek(st->scan, &h);
    if (res == SCAN_OK) {
        res = scan_payload(st->scan, &h, &content);
    }
    if (res == SCAN_ERROR) {
        return segment_io(err, st->scan->rc, "read spool segment", st->path);
    }
    if (res != SCAN_OK) {
        const char *why = res == SCAN_INVALID ? st->scan->why : "no block begins here";
        return damaged(st, e->place, why, err);
    }
    const char *why = last_before(st, &h, content, &st->boundary_bytes);
    if (why != NULL) {
        return damaged(st, e->place, why, err);
    }
    *found = st->boundary_bytes > 0;
    st->boundary = h.offset;
    return true;
}

static bool
ask_file(struct start *st, struct index_hit *hit, struct err *err)
{
    const struct index_file in = {st->fs, st->scan->fd, st->scan->codec};
    struct segment_footer f;
    struct index ix = {0};
    const struct segment_header h = {
        .flags = st->scan->codec->packed ? FILE_PACKED : 0, .base = st->scan->base};
    bool ok = index_open(&in, st->path, &h, &f, &ix, err);
    if (ok) {
        index_find(&ix, st->position, st->before, hit);
    }
    index_done(&ix);
    return ok;
}

bool
start_find(struct start *st, const struct index_hit *hit, struct err *err)
{
    struct index_hit own;
    bool found = false;

    if (hit == NULL) {
        if (!ask_file(st, &own, err)) {
            return false;
        }
        hit = &own;
    }
    if (hit->has_behind && !try_block(st, &hit->behind, &found, err)) {
        return false;
    }
    if (!found && hit->has_last && !try_block(st, &hit->last, &found, err)) {
        return false;
    }
    if (!found) {
        return damaged(st, SEGMENT_HEADER_SIZE, "the records do not fit the segment's footer", err);
    }
    scan_seek(st->scan, SEGMENT_HEADER_SIZE, st->scan->base + SEGMENT_HEADER_SIZE);
    return true;
}
