/* SPDX-License-Identifier: Apache-2.0
 *
 * The file of a transaction is durable, under its linked name, before the LINK record is taken into
 * the open block. So whatever part of the log survives a crash, a LINK in it leads to a whole file;
 * the other way round, a file without a LINK is found at opening and removed.
 *
 * The name contains the segment of the LINK. Segments change only while the block is empty: the
 * place for BEGIN and LINK is made first, and stays.
 */
#include <errno.h>
#include <fcntl.h>

#include "agent/base/arena.h"
#include "agent/base/failpoint.h"
#include "agent/spool/internal.h"
#include "agent/spool/side.h"
#include "agent/spool/side_set.h"
#include "agent/spool/survey.h"

/* Recovery looks at the headers of the blocks alone, but for those with SCHEMA records. */
#define HEADERS_BUFFER 4096u

void
side_push_file(struct side_set *set, uint64_t segment, uint64_t serial, uint64_t bytes)
{
    if (set->count == set->cap) {
        set->cap = set->cap ? set->cap * 2 : 16;
        set->files = x_realloc(set->files, set->cap * sizeof(*set->files));
    }
    set->files[set->count++] = (struct side_file){segment, serial, bytes, set->linked};
    set->linked += bytes;
}

uint64_t
side_before(const struct spool *s, uint64_t number)
{
    const struct side_set *set = &s->sides;
    size_t low = 0, high = set->count; /* the answer is the first one of `number` or later */
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (set->files[middle].segment < number) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < set->count ? set->files[low].before : set->linked;
}

bool
side_begin(struct spool *s, const struct record *begin, struct err *err)
{
    struct side *side = side_find(s, begin->stream);
    uint8_t payload[LINK_SIZE];
    struct link link;

    if (side == NULL || !side_has_changes(side)) {
        return (side == NULL || side_drop(s, side, err)) && writer_take(s, begin, err);
    }
    if (!writer_place_linked(s, begin, err) || !side_finish(s, side, begin, err) ||
        !side_rename(s, side, spool_newest(s)->header.number, &link, err)) {
        return false;
    }
    link_encode(&link, payload);
    struct record rec = {
        .kind = RECORD_LINK,
        .position = begin->position,
        .received_us = begin->received_us,
        .payload = {payload, sizeof(payload)},
    };
    if (!writer_take_linked(s, begin, &rec, err)) {
        return false;
    }
    side_linked(s, side);
    return true;
}

static bool
remove_file(const struct spool *s, const char *path, struct err *err)
{
    int rc = s->fs->unlink(s->fs, path);
    if (rc < 0 && rc != -ENOENT) {
        return segment_io(err, rc, "remove side file", path);
    }
    return true;
}

/* --- retirement ---------------------------------------------------------------------------------
 */

bool
side_retire(struct spool *s, struct err *err)
{
    struct side_set *set = &s->sides;
    char path[SEGMENT_PATH_MAX];
    size_t n = 0;
    bool ok = true;

    pthread_mutex_lock(s->lock); /* packing writes to the entries of segments */
    uint64_t first = s->segments[0].header.number;
    pthread_mutex_unlock(s->lock);
    /* Only this thread changes the list of side files: it may look without the lock. */
    while (n < set->count && set->files[n].segment < first) {
        n++;
    }
    if (n == 0) {
        return true;
    }
    size_t removed = 0; /* the others stay in the list for the next time */
    while (ok && removed < n) {
        const struct side_file *file = &set->files[removed];
        ok =
            side_path(s->path, file->segment, file->serial, path, err) && remove_file(s, path, err);
        removed += ok;
        FAILPOINT("spool.side.retired");
    }
    pthread_mutex_lock(s->lock);
    for (size_t i = 0; i < removed; i++) {
        s->bytes -= set->files[i].bytes;
        set->bytes -= set->files[i].bytes;
    }
    set->count -= removed;
    memmove(set->files, set->files + removed, set->count * sizeof(*set->files));
    pthread_mutex_unlock(s->lock);
    return ok;
}

/* --- opening ------------------------------------------------------------------------------------
 */

static int
by_serial(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static bool
is_linked(const struct side_links *links, uint64_t serial)
{
    return links->count > 0 && bsearch(&serial, links->serials, links->count,
                                   sizeof(*links->serials), by_serial) != NULL;
}

/* Does a LINK record lead to it? Of sealed segments that is taken for granted. */
static bool
is_wanted(const struct spool *s, const struct side_links *links, const struct survey_side *file)
{
    if (s->count == 0) {
        return false;
    }
    uint64_t first = s->segments[0].header.number;
    uint64_t newest = s->segments[s->count - 1].header.number;
    return file->segment >= first &&
           (file->segment < newest || (file->segment == newest && is_linked(links, file->serial)));
}

static bool
keep_file(struct spool *s, const struct survey_side *file, const char *path, struct err *err)
{
    uint64_t bytes;
    int fd = s->fs->open(s->fs, path, O_RDONLY, 0);
    if (fd == -ENOENT && s->read_only) {
        return true; /* retired meanwhile */
    }
    if (fd < 0) {
        return segment_io(err, fd, "open side file", path);
    }
    int rc = s->fs->size(s->fs, fd, &bytes);
    (void)s->fs->close(s->fs, fd);
    if (rc < 0) {
        return segment_io(err, rc, "size of side file", path);
    }
    side_push_file(&s->sides, file->segment, file->serial, bytes);
    s->bytes += bytes;
    s->sides.bytes += bytes;
    return true;
}

bool
side_load(struct spool *s, struct side_links *links, struct err *err)
{
    struct survey found;
    char path[SEGMENT_PATH_MAX];
    bool ok = survey_read(s->fs, s->path, &found, err);

    if (links->count > 1) {
        qsort(links->serials, links->count, sizeof(*links->serials), by_serial);
    }
    s->sides.next_serial = links->count > 0 ? links->serials[links->count - 1] + 1 : 1;
    for (size_t i = 0; ok && i < found.sides_len; i++) {
        const struct survey_side *file = &found.sides[i];
        uint64_t above = file->serial + 1;
        s->sides.next_serial = above > s->sides.next_serial ? above : s->sides.next_serial;
        ok = side_path(s->path, file->segment, file->serial, path, err);
        if (ok) {
            ok = is_wanted(s, links, file) ? keep_file(s, file, path, err)
                                           : s->read_only || remove_file(s, path, err);
        }
    }
    atomic_store(&s->side_flushed, s->sides.linked);
    survey_done(&found);
    return ok;
}

static void
add_link(struct side_links *links, uint64_t serial)
{
    if (links->count == links->cap) {
        links->cap = links->cap ? links->cap * 2 : 16;
        links->serials = x_realloc(links->serials, links->cap * sizeof(*links->serials));
    }
    links->serials[links->count++] = serial;
}

bool
side_recover(struct spool *s, struct side_links *links, const struct link *link, struct err *err)
{
    struct side_where where = {
        .fs = s->fs,
        .dir = s->path,
        .keys = s->keys,
        .feed_id = s->feed_id,
        .segment = links->segment,
        .link = *link,
        .schemas = true,
        .buffer = HEADERS_BUFFER,
    };
    struct side_walk w;
    struct record schema;
    bool got = true;

    bool ok = side_walk_open(&w, &where, err);
    while (ok && got) {
        ok = side_walk_next(&w, &schema, &got, err);
        if (ok && got) {
            schemas_put(&s->schemas, &schema);
        }
    }
    side_walk_close(&w, s->fs);
    add_link(links, link->serial);
    return ok;
}
