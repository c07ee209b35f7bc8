/* SPDX-License-Identifier: Apache-2.0
 *
 * What has to be known of an open transaction at its end is noted while its records pass: which
 * SCHEMA records count, which subtransactions are void, and whether anything is left at all.
 */
#include "agent/spool/side_set.h"

#include <endian.h>
#include <errno.h>

#include "agent/base/arena.h"
#include "agent/base/failpoint.h"
#include "agent/spool/side.intern.h"

#define ABORTED_AT_ONCE 2048u /* ids in one record */

/* --- what has to be known at the end ------------------------------------------------------------
 */

static void
note_xid(struct side *side, uint32_t xid)
{
    if (side->seen_count > 0 && side->last_xid == xid) {
        return;
    }
    side->last_xid = xid;
    for (unsigned i = 0; i < side->seen_count; i++) {
        if (side->seen[i] == xid) {
            return;
        }
    }
    if (side->seen_count == SIDE_SEEN_MAX) {
        side->many = true;
    } else {
        side->seen[side->seen_count++] = xid;
    }
}

/* False: no record of it was taken. */
static bool
forget_xid(struct side *side, uint32_t xid)
{
    for (unsigned i = 0; i < side->seen_count; i++) {
        if (side->seen[i] == xid) {
            side->seen[i] = side->seen[--side->seen_count];
            side->last_xid = side->seen[0];
            return true;
        }
    }
    return side->many;
}

static void
free_schema(struct side_schema *schema)
{
    x_free((void *)(uintptr_t)schema->rec.payload.data);
    x_free(schema);
}

/* Takes those of `xid` out, of one key, or all. */
static void
forget_schemas(struct side *side, uint32_t xid, const uint32_t *key)
{
    for (struct side_schema **p = &side->schemas; *p != NULL;) {
        struct side_schema *it = *p;
        if (it->rec.xid == xid && (key == NULL || it->rec.key == *key)) {
            *p = it->next;
            free_schema(it);
        } else {
            p = &it->next;
        }
    }
}

static void
keep_schema(struct side *side, const struct record *rec)
{
    struct side_schema *schema = x_zalloc(sizeof(*schema));
    uint8_t *payload = x_malloc(rec->payload.len + 1);
    forget_schemas(side, rec->xid, &rec->key);
    if (rec->payload.len > 0) {
        memcpy(payload, rec->payload.data, rec->payload.len);
    }
    schema->rec = *rec;
    schema->rec.payload.data = payload;
    struct side_schema **p = &side->schemas;
    while (*p != NULL) {
        p = &(*p)->next;
    }
    *p = schema;
}

/* --- open sides ---------------------------------------------------------------------------------
 */

struct side *
side_find(struct spool *s, uint32_t xid)
{
    struct side *side;
    HASH_FIND(hh, s->sides.first, &xid, sizeof(xid), side);
    return side;
}

static struct side *
find_or_new(struct spool *s, uint32_t xid)
{
    struct side *side = side_find(s, xid);
    if (side == NULL) {
        side = x_zalloc(sizeof(*side));
        side->xid = xid;
        side->fd = -1;
        HASH_ADD(hh, s->sides.first, xid, sizeof(side->xid), side);
    }
    return side;
}

bool
side_append(struct spool *s, const struct record *rec, struct err *err)
{
    struct side *side = find_or_new(s, rec->stream);
    if (side->finishing) {
        return err_set(err, ERR_FATAL,
            "spool '%s' cannot take a record of transaction %u behind its BEGIN", s->path,
            rec->stream);
    }
    if (!side_put(s, side, rec, err)) {
        return false;
    }
    side->records++;
    note_xid(side, rec->xid);
    if (rec->kind == RECORD_SCHEMA) {
        keep_schema(side, rec);
    }
    return true;
}

bool
side_abort(struct spool *s, const struct record *rec, struct err *err)
{
    struct side *side = side_find(s, rec->stream);
    if (side == NULL) {
        return true;
    }
    if (rec->xid == rec->stream) {
        return side_drop(s, side, err);
    }
    if (side->finishing || !forget_xid(side, rec->xid)) {
        return true;
    }
    forget_schemas(side, rec->xid, NULL);
    if (side->aborted_count == side->aborted_cap) {
        side->aborted_cap = side->aborted_cap ? side->aborted_cap * 2 : 16;
        side->aborted = x_realloc(side->aborted, side->aborted_cap * sizeof(*side->aborted));
    }
    side->aborted[side->aborted_count++] = rec->xid;
    return true;
}

static void
free_side(struct spool *s, struct side *side)
{
    HASH_DELETE(hh, s->sides.first, side);
    side_release(s, side);
    while (side->schemas != NULL) {
        struct side_schema *next = side->schemas->next;
        free_schema(side->schemas);
        side->schemas = next;
    }
    x_free(side->aborted);
    x_free(side);
}

bool
side_drop(struct spool *s, struct side *side, struct err *err)
{
    char path[SEGMENT_PATH_MAX];
    int rc = 0;
    bool ok = side->serial == 0 || side_path_of(s, side, path, err);
    if (ok && side->serial != 0) {
        rc = s->fs->unlink(s->fs, path);
        pthread_mutex_lock(s->lock);
        s->bytes -= side->end;
        s->sides.bytes -= side->end;
        s->sides.open_count--;
        pthread_mutex_unlock(s->lock);
        /* A linked name that no LINK leads to must not come back when its segment is sealed. */
        rc = rc >= 0 && side->segment != 0 ? s->fs->sync_dir(s->fs, s->path) : rc;
        FAILPOINT("spool.side.dropped");
    }
    free_side(s, side);
    if (rc < 0 && rc != -ENOENT) {
        return side_fail(s, rc, "remove side file", path, err);
    }
    return ok;
}

bool
side_drop_all(struct spool *s, struct err *err)
{
    while (s->sides.first != NULL) {
        if (!side_drop(s, s->sides.first, err)) {
            return false;
        }
    }
    return true;
}

void
side_set_done(struct spool *s)
{
    while (s->sides.first != NULL) {
        free_side(s, s->sides.first);
    }
    x_free(s->sides.files);
}

/* --- the end of a transaction -------------------------------------------------------------------
 */

bool
side_has_changes(const struct side *side)
{
    return side->records > 0 && (side->many || side->seen_count > 0);
}

static int
by_id(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

/* No id may come twice. */
static void
sort_aborted(struct side *side)
{
    size_t kept = 0;
    if (side->aborted_count == 0) {
        return;
    }
    qsort(side->aborted, side->aborted_count, sizeof(*side->aborted), by_id);
    for (size_t i = 0; i < side->aborted_count; i++) {
        if (i == 0 || side->aborted[i] != side->aborted[kept - 1]) {
            side->aborted[kept++] = side->aborted[i];
        }
    }
    side->aborted_count = kept;
}

/* The ids from aborted_written on; they begin a block of their own. */
static bool
put_aborted(struct spool *s, struct side *side, const struct record *begin, struct err *err)
{
    uint32_t ids[ABORTED_AT_ONCE];
    size_t at_once = s->block_size / 4 < ABORTED_AT_ONCE ? s->block_size / 4 : ABORTED_AT_ONCE;
    while (side->aborted_written < side->aborted_count) {
        size_t n = side->aborted_count - side->aborted_written;
        n = n < at_once ? n : at_once;
        for (size_t i = 0; i < n; i++) {
            ids[i] = htole32(side->aborted[side->aborted_written + i]);
        }
        struct record rec = {
            .kind = RECORD_ABORTED,
            .xid = side->xid,
            .position = begin->position,
            .received_us = begin->received_us,
            .payload = {(const uint8_t *)ids, n * 4},
        };
        if (!side_put(s, side, &rec, err)) {
            return false;
        }
        side->aborted_written += n;
    }
    return true;
}

bool
side_finish(struct spool *s, struct side *side, const struct record *begin, struct err *err)
{
    if (!side->finishing) {
        if (!side_flush(s, side, err)) {
            return false;
        }
        sort_aborted(side);
        side->aborted_at = side->aborted_count > 0 ? side->end : 0;
        side->finishing = true;
    }
    if (!put_aborted(s, side, begin, err) || !side_flush(s, side, err) ||
        !side_sync(s, side, err)) {
        return false;
    }
    FAILPOINT("spool.side.synced");
    return true;
}

bool
side_rename(struct spool *s, struct side *side, uint64_t segment, struct link *out, struct err *err)
{
    char from[SEGMENT_PATH_MAX], to[SEGMENT_PATH_MAX];
    if (!side_path_of(s, side, from, err) || !side_path(s->path, segment, side->serial, to, err)) {
        return false;
    }
    int rc = side->segment == segment ? 0 : s->fs->rename(s->fs, from, to);
    if (rc < 0) {
        return segment_io(err, rc, "rename side file", from) ||
               (err->class == ERR_RETRY ? false : writer_fail(s, err));
    }
    side->segment = segment;
    FAILPOINT("spool.side.renamed");
    rc = s->fs->sync_dir(s->fs, s->path);
    if (rc < 0) {
        return side_fail(s, rc, "make durable side file", to, err);
    }
    FAILPOINT("spool.side.named");
    *out = (struct link){side->serial, side->end, side->records, side->aborted_at};
    return true;
}

void
side_linked(struct spool *s, struct side *side)
{
    struct side_set *set = &s->sides;
    for (const struct side_schema *it = side->schemas; it != NULL; it = it->next) {
        schemas_put(&s->schemas, &it->rec);
    }
    pthread_mutex_lock(s->lock);
    side_push_file(set, side->segment, side->serial, side->end);
    set->open_count--;
    pthread_mutex_unlock(s->lock);
    free_side(s, side);
    FAILPOINT("spool.side.linked");
}
