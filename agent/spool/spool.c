/* SPDX-License-Identifier: Apache-2.0
 *
 * Opening (recovery), closing, retirement and the numbers of a spool. The index of segments is kept
 * in memory; all decisions about where to start reading and what may go are made from it
 * (FORMAT.md, "Finding a start").
 */
#include "agent/spool/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/file.h>

#include "agent/base/arena.h"
#include "agent/base/failpoint.h"
#include "agent/spool/directory.h"
#include "agent/spool/internal.h"
#include "agent/spool/recycle.h"
#include "agent/spool/replay.h"
#include "agent/spool/retention.h"
#include "agent/spool/rewrite.h"

#define SEGMENT_SIZE_DEFAULT (64ull * 1024 * 1024)
#define BLOCK_SIZE_DEFAULT   (256u * 1024)
#define BLOCK_SIZE_MAX       (16u * 1024 * 1024)
/* Each removal is made durable before the next one: this bounds the time of one call. */
#define RETIRE_AT_ONCE       8

/* --- the index ----------------------------------------------------------------------------------
 */

void
spool_push_segment(struct spool *s, const struct segment *seg)
{
    if (s->count == s->cap) {
        s->cap = s->cap ? s->cap * 2 : 16;
        s->segments = x_realloc(s->segments, s->cap * sizeof(*s->segments));
    }
    s->segments[s->count++] = *seg;
    s->bytes += seg->size;
}

uint64_t
spool_oldest(const struct spool *s)
{
    const struct segment *first = &s->segments[0];
    /* The tail of a transaction whose begin is gone, maybe of several segments: what stands behind
     * it is whole. One that is void is no tail: its DISCARD is enough. */
    for (size_t i = 0; first->header.begin != first->header.number && i < s->count; i++) {
        const struct segment *seg = &s->segments[i];
        if (seg->header.begin != first->header.begin) {
            break;
        }
        if (seg->tally.first_close != 0) {
            return seg->tally.first_close;
        }
    }
    return first->header.position;
}

size_t
spool_start_segment(const struct spool *s, uint64_t position)
{
    size_t low = 0,
           high = s->count; /* the answer is the last one with header.position <= position */
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (s->segments[middle].header.position <= position) {
            low = middle;
        } else {
            high = middle;
        }
    }
    const struct segment *t = &s->segments[low];
    if (t->tally.first_position != 0 && t->tally.first_position <= position) {
        return low;
    }
    uint64_t first = s->segments[0].header.number;
    return t->header.begin > first ? (size_t)(t->header.begin - first) : 0;
}

/* --- opening ------------------------------------------------------------------------------------
 */

/* What the replay of the newest segment fills in. */
struct recovery {
    struct spool *s;
    struct side_links links;
};

static void
keep_schema(const struct record *rec, bool repeated, void *arg)
{
    (void)repeated;
    struct recovery *r = arg;
    if (rec->kind == RECORD_SCHEMA) {
        schemas_put(&r->s->schemas, rec);
    }
}

static bool
follow_link(const struct link *link, void *arg, struct err *err)
{
    struct recovery *r = arg;
    if (!side_recover(r->s, &r->links, link, err)) {
        /* Whoever reads up to the damage meets it in its place. */
        bool skip = r->s->salvage && err->class == ERR_FATAL;
        if (skip) {
            err_clear(err);
        }
        return skip;
    }
    return true;
}

/* Cuts the torn tail, and makes durable what an earlier process may have left in the page cache. */
static bool
repair(struct spool *s, const char *path, const struct replay_result *found, struct err *err)
{
    if (found->torn > 0) {
        int rc = s->fs->truncate(s->fs, s->fd, found->end);
        if (rc < 0) {
            return segment_io(err, rc, "cut the torn tail off spool segment", path);
        }
        FAILPOINT("spool.truncated");
    }
    int rc = rewrite_tail(s->fs, s->fd, found->synced);
    rc = rc < 0 ? rc : s->fs->sync_dir(s->fs, s->path);
    if (rc < 0) {
        return segment_io(err, rc, "make durable spool segment", path);
    }
    FAILPOINT("spool.recovered");
    return true;
}

/* What replay found about the newest segment goes into the spool. */
static void
adopt(struct spool *s, struct segment *seg, const struct replay_result *found)
{
    seg->tally = found->tally;
    seg->data_end = seg->header.base + found->end;
    seg->sealed = found->sealed;
    seg->log_end = found->log_end;
    seg->size = found->end;
    if (found->sealed) {
        uint64_t more = index_size(s->index.entries) + FOOTER_SIZE;
        seg->size += more;
        seg->data_end = seg->log_end - more; /* of a packed one, when only reading */
    }
    s->end = found->end;
    s->first_block = SEGMENT_HEADER_SIZE;
    s->begin = found->begin;
    s->order = found->order;
    s->discard_due = found->order.open;
    s->synced = seg->data_end;
    s->flushed = seg->data_end;
    s->position = s->appended = s->durable = found->order.position;
}

static bool
recover_newest(struct recovery *r, struct segment *seg, struct err *err)
{
    struct spool *s = r->s;
    char path[SEGMENT_PATH_MAX];
    struct replay_result found;

    if (!segment_path(s->path, seg->header.number, false, path, err)) {
        return false;
    }
    if (segment_packed(seg) && !s->read_only) {
        return segment_damaged(
            err, path, 0, "it is packed, so another segment followed it, which is missing");
    }
    s->fd = s->fs->open(s->fs, path, s->read_only ? O_RDONLY : O_RDWR, 0);
    if (s->fd < 0) {
        return segment_io(err, s->fd, "open spool segment", path);
    }
    struct replay in = {
        .fs = s->fs,
        .fd = s->fd,
        .path = path,
        .seg = seg,
        .newest = true,
        .keys = s->keys,
        .index = &s->index,
        .each = keep_schema,
        .link = follow_link,
        .arg = r,
    };
    r->links.segment = seg->header.number;
    if (!codec_open(&s->codec, s->keys, &seg->header, path, err)) {
        return false;
    }
    bool ok = replay_segment(&in, &found, err);
    if (!(ok || spool_salvage(s, err)) || (!s->read_only && !repair(s, path, &found, err))) {
        return false;
    }
    adopt(s, seg, &found);
    return true;
}

/* One writer per directory. The lock goes with the process; a test double has no need of it. */
static bool
lock_directory(struct spool *s, struct err *err)
{
    char path[SEGMENT_PATH_MAX];
    if (s->fs != &fs_system) {
        return true;
    }
    int n = snprintf(path, sizeof(path), "%s/lock", s->path);
    if (n < 0 || n >= (int)sizeof(path)) {
        return err_set(err, ERR_CONFIG, "path of the spool is too long");
    }
    s->lock_fd = s->fs->open(s->fs, path, O_RDWR | O_CREAT, 0600);
    if (s->lock_fd < 0) {
        return segment_io(err, s->lock_fd, "open", path);
    }
    if (flock(s->lock_fd, LOCK_EX | LOCK_NB) < 0) {
        if (errno != EWOULDBLOCK) {
            return err_sys(err, ERR_FATAL, errno, "lock '%s'", path);
        }
        (void)err_set(err, ERR_CONFIG, "spool '%s' is in use by another process", s->path);
        return err_hint(err, "stop the other agent, or use another directory");
    }
    return true;
}

static bool
load(struct spool *s, const struct spool_options *o, struct err *err)
{
    struct directory dir;
    struct directory_options in = {
        .fs = s->fs,
        .path = s->path,
        .feed_id = o->feed_id,
        .content = o->content,
        .live = s->read_only,
        .salvage = s->salvage,
        .clean = !s->read_only,
        .keys = s->keys,
    };
    if (!s->read_only && (!directory_make(s->fs, s->path, err) || !lock_directory(s, err))) {
        return false;
    }
    struct recovery r = {.s = s};
    bool ok = directory_read(&in, &dir, err) || spool_salvage(s, err);
    if (ok && dir.count > 0) {
        struct segment *newest = &dir.segments[dir.count - 1];
        s->feed_id = newest->header.feed_id;
        s->content = newest->header.content;
        ok = recover_newest(&r, newest, err);
    }
    for (size_t i = 0; ok && i < dir.count; i++) {
        spool_push_segment(s, &dir.segments[i]);
    }
    ok = ok && side_load(s, &r.links, err);
    x_free(r.links.serials);
    directory_done(&dir);
    return ok;
}

static struct spool *
new_spool(const struct spool_options *o)
{
    struct spool *s = x_zalloc(sizeof(*s));
    uint32_t block = o->block_size ? o->block_size : BLOCK_SIZE_DEFAULT;

    s->fs = o->fs ? o->fs : &fs_system;
    s->clock = o->clock ? o->clock : &clock_system;
    s->path = x_strdup(o->path);
    s->feed_id = o->feed_id;
    s->content = o->content;
    s->segment_size = o->segment_size ? o->segment_size : SEGMENT_SIZE_DEFAULT;
    /* Only whole segments can be given back: a budget needs several. */
    if (o->max_size != 0 && s->segment_size > o->max_size / 4) {
        s->segment_size = o->max_size / 4;
    }
    s->block_size = block < BLOCK_SIZE_MAX ? block : BLOCK_SIZE_MAX;
    s->max_size = o->max_size;
    s->min_free = o->min_free;
    s->keep_us = o->keep_us;
    s->keep_size = o->keep_size;
    s->read_only = o->read_only;
    s->salvage = o->read_only && o->salvage;
    s->keys = o->keys;
    s->fd = s->lock_fd = -1;
    s->lock = x_malloc(sizeof(*s->lock));
    (void)pthread_mutex_init(s->lock, NULL);
    block_init(&s->block, s->block_size);
    return s;
}

uint32_t
spool_content(const struct spool *s)
{
    return s->content;
}

bool
spool_open(const struct spool_options *o, struct spool **out, struct err *err)
{
    struct spool *s = new_spool(o);
    struct err late = ERR_INIT;

    *out = NULL;
    if (!load(s, o, err)) {
        spool_close(s);
        return false;
    }
    /* A full disk must not keep the sinks from reading: then the DISCARD waits for the first
     * append. */
    if (!s->read_only && s->discard_due && !writer_discard(s, &late) && late.class != ERR_RETRY) {
        *err = late;
        spool_close(s);
        return false;
    }
    *out = s;
    return true;
}

/* What a recycled file holds behind its last block says nothing; the next start need not look. */
static void
drop_old_content(struct spool *s)
{
    if (!s->read_only && !s->failed && s->count > 0 && !spool_newest(s)->sealed) {
        (void)s->fs->truncate(s->fs, s->fd, s->end);
    }
}

void
spool_close(struct spool *s)
{
    if (s == NULL) {
        return;
    }
    if (s->fd >= 0) {
        drop_old_content(s);
        (void)s->fs->close(s->fs, s->fd);
    }
    if (s->lock_fd >= 0) {
        (void)s->fs->close(s->fs, s->lock_fd);
    }
    side_set_done(s);
    (void)pthread_mutex_destroy(s->lock);
    x_free(s->lock);
    codec_done(&s->codec);
    index_done(&s->index);
    schemas_done(&s->schemas);
    block_done(&s->block);
    x_free(s->segments);
    x_free(s->path);
    x_free(s);
}

/* --- start and retirement -----------------------------------------------------------------------
 */

static bool
is_empty(const struct spool *s)
{
    if (!block_empty(&s->block) || s->count > 1) {
        return false;
    }
    return s->count == 0 || (s->segments[0].header.number == 1 && s->end == SEGMENT_HEADER_SIZE);
}

bool
spool_set_start(struct spool *s, uint64_t position, struct err *err)
{
    if (!writer_check(s, err)) {
        return false;
    }
    if (!is_empty(s)) {
        return err_set(err, ERR_FATAL, "spool '%s' is not empty, its start cannot be set", s->path);
    }
    return writer_first_segment(s, position, err);
}

/* Removes the first segment if nobody needs it. *done: there is none to remove. */
static bool
retire_one(struct spool *s, uint64_t position, bool *done, struct err *err)
{
    char path[SEGMENT_PATH_MAX];
    int rc = 0;

    *done = true;
    pthread_mutex_lock(s->lock);
    s->retired_to = position;
    *done = !retention_lets_go(s, position);
    bool ok = *done || segment_path(s->path, s->segments[0].header.number, false, path, err);
    if (ok && !*done) {
        rc = recycle_segment(s, &s->segments[0], path);
        if (rc >= 0 || rc == -ENOENT) {
            rc = 0;
            s->bytes -= s->segments[0].size;
            s->count--;
            memmove(s->segments, s->segments + 1, s->count * sizeof(*s->segments));
        }
    }
    pthread_mutex_unlock(s->lock);
    return ok && (rc == 0 || segment_io(err, rc, "remove spool segment", path));
}

bool
spool_retire(struct spool *s, uint64_t position, struct err *err)
{
    if (!writer_check(s, err)) {
        return false;
    }
    for (int i = 0; i < RETIRE_AT_ONCE; i++) {
        bool done;
        if (!retire_one(s, position, &done, err)) {
            return false;
        }
        if (done) {
            break;
        }
        /* Else a crash could bring this one back without the next: a gap. */
        int rc = s->fs->sync_dir(s->fs, s->path);
        if (rc < 0) {
            (void)segment_io(err, rc, "make durable the spool", s->path);
            return writer_fail(s, err);
        }
        FAILPOINT("spool.retired");
        if (!side_retire(s, err)) {
            return false;
        }
    }
    return true;
}

/* --- state --------------------------------------------------------------------------------------
 */

uint64_t
spool_durable(const struct spool *s)
{
    return atomic_load(&s->durable);
}

uint64_t
spool_appended(const struct spool *s)
{
    return atomic_load_explicit(&s->appended, memory_order_acquire);
}

uint64_t
spool_unsynced(const struct spool *s)
{
    return atomic_load_explicit(&s->unsynced, memory_order_relaxed);
}

void
spool_stats(const struct spool *s, struct spool_stats *out)
{
    *out = (struct spool_stats){
        .records = atomic_load_explicit(&s->records, memory_order_relaxed),
        .durable = spool_durable(s),
        .appended = spool_appended(s),
        .recycled_segments = atomic_load(&s->recycled),
    };
    pthread_mutex_lock(s->lock);
    out->bytes = s->bytes;
    out->kept_bytes = retention_kept(s);
    out->sides = (uint32_t)s->sides.count + s->sides.open_count;
    out->side_bytes = s->sides.bytes;
    out->segments = (uint32_t)s->count;
    out->packed_segments = s->packed;
    out->saved_bytes = s->saved;
    out->oldest = s->count > 0 ? spool_oldest(s) : 0;
    for (size_t i = 0; i < s->count && out->oldest_received_us == 0; i++) {
        out->oldest_received_us = s->segments[i].tally.first_received_us;
    }
    pthread_mutex_unlock(s->lock);
}
