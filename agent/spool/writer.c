/* SPDX-License-Identifier: Apache-2.0
 *
 * The writing half. Records gather in one block; spool_flush writes it behind the last one with a
 * single pwrite; the segment is changed only while the block is empty. So what stands on the disk
 * in front of a segment is exactly what was taken up to then, and the schemas to carry are those in
 * effect.
 *
 * Invariant: a failed write leaves nothing behind. Either it is cut away and the block stays in
 * memory (ERR_RETRY), or the spool takes nothing more (writer_fail).
 */
#include <errno.h>
#include <inttypes.h>

#include "agent/base/failpoint.h"
#include "agent/base/parse.h"
#include "agent/spool/creation.h"
#include "agent/spool/internal.h"

#define SPACE_CHECK_EVERY (16ull * 1024 * 1024)

bool
writer_fail(struct spool *s, const struct err *err)
{
    if (!s->failed) {
        s->failed = true;
        s->failure = *err;
        s->failure.class = ERR_FATAL;
    }
    return false;
}

bool
writer_check(const struct spool *s, struct err *err)
{
    if (s->failed) {
        *err = s->failure;
        return false;
    }
    if (s->read_only) {
        return err_set(err, ERR_FATAL, "spool '%s' is open for reading alone", s->path);
    }
    return true;
}

static bool
fail_io(struct spool *s, int rc, const char *what, const char *path, struct err *err)
{
    (void)segment_io(err, rc, what, path);
    err->class = ERR_FATAL;
    return writer_fail(s, err);
}

/* `len` bytes at `off` did not all get there. */
static bool
undo_write(struct spool *s, int rc, uint64_t off, struct err *err)
{
    char path[SEGMENT_PATH_MAX];
    if (!segment_path(s->path, spool_newest(s)->header.number, false, path, err)) {
        return writer_fail(s, err);
    }
    int cut = s->fs->truncate(s->fs, s->fd, off);
    if (cut < 0) {
        return fail_io(s, cut, "cut a partial write off spool segment", path, err);
    }
    if (!segment_io(err, rc, "write spool segment", path) && err->class == ERR_RETRY) {
        return false;
    }
    return writer_fail(s, err);
}

static struct block_place
place(const struct spool *s)
{
    return (struct block_place){
        .offset = s->segments[s->count - 1].header.base + s->end,
        .position = s->order.position,
        .synced = s->synced,
        .open = s->order.open,
    };
}

/* A block of `len` bytes stands at s->end: readers may see it. */
static void
publish(struct spool *s, uint64_t len, uint64_t position, const struct tally *tally)
{
    struct segment *seg = spool_newest(s);
    const struct index_entry e = {position, seg->header.base + s->end, s->end};
    s->end += len;
    spool_spend(s, len);
    pthread_mutex_lock(s->lock);
    index_add(&s->index, &e);
    seg->size = s->end;
    seg->data_end = seg->header.base + s->end;
    tally_merge(&seg->tally, tally);
    s->bytes += len;
    atomic_store(&s->flushed, seg->data_end);
    if (tally->last_position != 0) {
        atomic_store(&s->position, tally->last_position);
    }
    atomic_store(&s->side_flushed, s->sides.linked);
    reader_wake_all(s);
    pthread_mutex_unlock(s->lock);
}

/* What was taken, written or not, and is not durable. */
static void
count_unsynced(struct spool *s)
{
    uint64_t buffered = block_empty(&s->block) ? 0 : s->block.used;
    uint64_t written = s->count > 0 ? spool_newest(s)->header.base + s->end - s->synced : 0;
    atomic_store_explicit(&s->unsynced, written + buffered + s->sides.due, memory_order_relaxed);
}

static bool
write_block(struct spool *s, struct err *err)
{
    if (block_empty(&s->block)) {
        return true;
    }
    struct block_place where = place(s);
    struct slice bytes = block_close(&s->block, &where);
    if (codec_seals(&s->codec) &&
        !codec_seal_block(&s->codec, bytes, slice_of(NULL, 0), &bytes, err)) {
        return err->class == ERR_RETRY ? false : writer_fail(s, err);
    }
    int rc = s->fs->pwrite_all(s->fs, s->fd, bytes.data, bytes.len, s->end);
    if (rc < 0) {
        return undo_write(s, rc, s->end, err);
    }
    FAILPOINT("spool.block.written");
    if (bytes.len >= s->block_size / 2 && s->fs->start_write) {
        s->fs->start_write(s->fs, s->fd, s->end, bytes.len);
    }
    publish(s, bytes.len, where.position, &s->tally);
    block_reset(&s->block);
    s->tally = (struct tally){0};
    return true;
}

/* Everything that is written becomes durable. */
static bool
sync_file(struct spool *s, struct err *err)
{
    int rc = s->fs->datasync(s->fs, s->fd);
    if (rc < 0) {
        return fail_io(s, rc, "make durable the spool", s->path, err);
    }
    s->synced = spool_newest(s)->header.base + s->end;
    atomic_store(&s->durable, s->order.position);
    count_unsynced(s);
    FAILPOINT("spool.synced");
    return true;
}

/* --- segments -----------------------------------------------------------------------------------
 */

static bool
seal(struct spool *s, struct err *err)
{
    struct segment *seg = spool_newest(s);
    struct slice bytes;
    struct segment_footer f = {
        .offset = seg->header.base + s->end + index_size(s->index.entries),
        .position = s->order.position,
        .synced = s->synced,
        .tally = seg->tally,
        .open = s->order.open,
    };
    if (!index_close(&s->index, s->end, &s->codec, &f, &bytes, err)) {
        return writer_fail(s, err);
    }
    int rc = s->fs->pwrite_all(s->fs, s->fd, bytes.data, bytes.len, s->end);
    if (rc < 0) {
        return undo_write(s, rc, s->end, err);
    }
    FAILPOINT("spool.footer.written");
    /* Gives back room that was not needed, and cuts off what a recycled file held: a footer that
     * is not the end of its file is none. */
    rc = s->fs->truncate(s->fs, s->fd, s->end + bytes.len);
    if (rc < 0) {
        return fail_io(s, rc, "end a segment of the spool", s->path, err);
    }
    if (!sync_file(s, err)) {
        return false;
    }
    pthread_mutex_lock(s->lock);
    seg->sealed = true;
    seg->size = s->end + bytes.len;
    seg->log_end = seg->header.base + seg->size;
    s->bytes += bytes.len;
    spool_spend(s, bytes.len);
    pthread_mutex_unlock(s->lock);
    FAILPOINT("spool.sealed");
    return true;
}

/* What was made becomes the newest segment. */
static void
adopt_created(struct spool *s, const struct segment_header *h, struct creation *c)
{
    struct index index = s->index;
    struct segment seg = {.header = *h, .data_end = h->base + c->end, .size = c->end};

    if (s->fd >= 0) {
        (void)s->fs->close(s->fs, s->fd);
    }
    s->fd = c->fd;
    s->end = s->first_block = c->end;
    spool_spend(s, c->end);
    s->synced = h->base + c->end;
    codec_done(&s->codec);
    s->codec = c->codec;
    c->codec = (struct codec){0};
    pthread_mutex_lock(s->lock);
    s->index = c->index;
    c->index = index;
    spool_push_segment(s, &seg);
    atomic_store(&s->flushed, seg.data_end);
    reader_wake_all(s);
    pthread_mutex_unlock(s->lock);
}

/* The next segment becomes the newest. The block is empty. */
static bool
create(struct spool *s, struct segment_header *h, struct err *err)
{
    struct creation c = {
        .fs = s->fs,
        .base = h->base,
        .block = &s->block,
        .where = {.position = s->order.position, .synced = h->base, .open = s->order.open},
    };
    bool ok = codec_create(&c.codec, s->keys, h, err) && creation_make(&c, s, h, err);
    if (ok) {
        adopt_created(s, h, &c);
    }
    creation_done(&c);
    return ok;
}

bool
writer_first_segment(struct spool *s, uint64_t position, struct err *err)
{
    struct segment_header h = {
        .feed_id = s->feed_id,
        .content = s->content,
        .number = 1,
        .position = position,
        .begin = 1,
        .created_us = clock_wall_us(s->clock),
    };
    /* One that is there already has no blocks: no reader has opened it, nothing can be lost. */
    pthread_mutex_lock(s->lock);
    s->count = 0;
    s->bytes = s->sides.bytes;
    pthread_mutex_unlock(s->lock);
    s->order.position = position;
    if (!create(s, &h, err)) {
        return false;
    }
    atomic_store(&s->position, position);
    atomic_store(&s->appended, position);
    atomic_store(&s->durable, position);
    FAILPOINT("spool.started");
    return true;
}

static bool
next_segment(struct spool *s, struct err *err)
{
    struct segment_header h = {
        .feed_id = s->feed_id,
        .content = s->content,
        .number = 1,
        .position = s->order.position,
        .begin = 1,
        .created_us = clock_wall_us(s->clock),
    };
    if (s->count > 0) {
        const struct segment *before = spool_newest(s);
        if (!before->sealed && !seal(s, err)) {
            return false;
        }
        h.number = before->header.number + 1;
        h.base = before->log_end;
        h.begin = s->order.open ? s->begin : h.number;
    }
    return create(s, &h, err);
}

/* Was the newest segment begun under another key, or under none? */
static bool
key_changed(const struct spool *s)
{
    const struct key *k = s->keys ? s->keys->current : NULL;
    return s->segments[s->count - 1].header.key_id != (k ? key_id(k) : 0);
}

/* Is the newest segment full (or is there none that takes blocks)? */
static bool
segment_full(struct spool *s)
{
    return s->count == 0 || spool_newest(s)->sealed || key_changed(s) ||
           s->end - s->first_block >= s->segment_size;
}

/* --- room ---------------------------------------------------------------------------------------
 */

/* Slow when the budget is used up or every SPACE_CHECK_EVERY bytes. */
static bool
check_room(struct spool *s, uint64_t more, struct err *err)
{
    more += s->block.used + s->sides.buffered + BLOCK_HEADER_SIZE + RECORD_HEADER_MAX;
    if (s->max_size != 0 && s->bytes + more > s->max_size) {
        char have[FORMAT_SIZE], max[FORMAT_SIZE];
        (void)err_set(err, ERR_RETRY, "spool '%s' is full: %s of %s", s->path,
            format_bytes(s->bytes, have), format_bytes(s->max_size, max));
        return err_hint(err, "let the sinks catch up, or raise spool.max_size");
    }
    if (s->min_free == 0 || s->space_credit > more) {
        return true;
    }
    struct fs_space space;
    int rc = s->fs->space(s->fs, s->path, &space);
    if (rc < 0) {
        return segment_io(err, rc, "ask for free space of", s->path);
    }
    if (space.free < s->min_free || space.free - s->min_free < more) {
        char have[FORMAT_SIZE], min[FORMAT_SIZE];
        (void)err_set(err, ERR_RETRY, "file system of spool '%s' has %s left, %s are to stay free",
            s->path, format_bytes(space.free, have), format_bytes(s->min_free, min));
        return err_hint(err, "free space, or lower spool.min_free");
    }
    uint64_t left = space.free - s->min_free;
    s->space_credit = left < SPACE_CHECK_EVERY + more ? left : SPACE_CHECK_EVERY + more;
    return true;
}

/* Makes the block ready to take a record, in a segment that is not full. */
static bool
make_place(struct spool *s, size_t payload_len, struct err *err)
{
    if (!block_empty(&s->block) && !block_has_room(&s->block, payload_len) &&
        !write_block(s, err)) {
        return false;
    }
    return !block_empty(&s->block) || !segment_full(s) || next_segment(s, err);
}

/* --- records ------------------------------------------------------------------------------------
 */

/* `rec` is in the log from here on. */
static void
took(struct spool *s, const struct record *rec)
{
    order_step(&s->order, rec);
    tally_add(&s->tally, rec);
    if (rec->kind == RECORD_BEGIN) {
        s->begin = spool_newest(s)->header.number;
    } else if (rec->kind == RECORD_SCHEMA) {
        schemas_put(&s->schemas, rec);
    }
}

/* A record that no block can hold goes to the file at once; the block is empty. */
static bool
write_large(struct spool *s, const struct record *rec, struct err *err)
{
    uint8_t head[BLOCK_SINGLE_MAX];
    struct order after = s->order;
    struct tally tally = {0};

    order_step(&after, rec);
    tally_add(&tally, rec);
    struct block_place where = place(s);
    where.position = after.position;
    where.open = after.open;
    size_t n = block_single(rec, false, &where, head);
    struct slice bytes = slice_of(head, n), more = rec->payload;
    if (codec_seals(&s->codec)) {
        if (!codec_seal_block(&s->codec, bytes, more, &bytes, err)) {
            return false;
        }
        more = slice_of(NULL, 0);
    }
    int rc = s->fs->pwrite_all(s->fs, s->fd, bytes.data, bytes.len, s->end);
    if (rc >= 0 && more.len > 0) {
        rc = s->fs->pwrite_all(s->fs, s->fd, more.data, more.len, s->end + bytes.len);
    }
    if (rc < 0) {
        return undo_write(s, rc, s->end, err);
    }
    FAILPOINT("spool.block.written");
    took(s, rec);
    s->tally = (struct tally){0};
    publish(s, bytes.len + more.len, where.position, &tally);
    return true;
}

static void
count_taken(struct spool *s, const struct record *rec)
{
    if (rec->kind == RECORD_COMMIT || rec->kind == RECORD_MARK) {
        atomic_store_explicit(&s->appended, rec->position, memory_order_release);
    }
    uint64_t records = atomic_load_explicit(&s->records, memory_order_relaxed);
    atomic_store_explicit(&s->records, records + 1, memory_order_relaxed);
    count_unsynced(s);
}

static bool
put(struct spool *s, const struct record *rec, bool large, struct err *err)
{
    if (!large) {
        block_add(&s->block, rec, false);
        took(s, rec);
    } else if (!write_large(s, rec, err)) {
        return false;
    }
    count_taken(s, rec);
    return true;
}

bool
writer_take(struct spool *s, const struct record *rec, struct err *err)
{
    bool large = !block_takes(&s->block, rec->payload.len);
    if (!make_place(s, rec->payload.len, err)) {
        return false;
    }
    return put(s, rec, large, err);
}

/* Payload of a record that needs as much room as a BEGIN and a LINK. */
static size_t
linked_len(const struct record *begin)
{
    return begin->payload.len + LINK_SIZE + RECORD_HEADER_MAX;
}

bool
writer_place_linked(struct spool *s, const struct record *begin, struct err *err)
{
    return make_place(s, linked_len(begin), err);
}

bool
writer_take_linked(
    struct spool *s, const struct record *begin, const struct record *link, struct err *err)
{
    if (!put(s, begin, !block_takes(&s->block, linked_len(begin)), err)) {
        return false;
    }
    return put(s, link, false, err);
}

bool
writer_discard(struct spool *s, struct err *err)
{
    struct record rec = {
        .kind = RECORD_DISCARD,
        .position = s->order.position,
        .received_us = clock_wall_us(s->clock),
    };
    if (!writer_take(s, &rec, err)) {
        return false;
    }
    s->discard_due = false;
    return write_block(s, err) && sync_file(s, err);
}

/* Records that say nothing new are taken without a trace. */
static bool
is_void(const struct spool *s, const struct record *rec)
{
    if (rec->kind == RECORD_MARK) {
        return s->order.open || rec->position == s->order.position;
    }
    return rec->kind == RECORD_DISCARD && !s->order.open;
}

static bool
check_size(const struct record *rec, struct err *err)
{
    if (rec->payload.len > RECORD_PAYLOAD_MAX) {
        return err_set(err, ERR_DATA, "record of %zu bytes is larger than a spool can hold (%u)",
            rec->payload.len, RECORD_PAYLOAD_MAX);
    }
    return true;
}

/* Does it belong to a transaction that is still open at the source? */
static bool
is_beside(const struct record *rec)
{
    return rec->kind == RECORD_ABORT ||
           (rec->stream != 0 && (rec->kind == RECORD_DATA || rec->kind == RECORD_SCHEMA));
}

static bool
append_beside(struct spool *s, const struct record *rec, struct err *err)
{
    bool ok = rec->kind == RECORD_ABORT
                  ? side_abort(s, rec, err)
                  : check_size(rec, err) && check_room(s, rec->payload.len, err) &&
                        side_append(s, rec, err);
    count_unsynced(s);
    return ok;
}

/* DISCARD, and BEGIN and COMMIT of a streamed transaction, add next to nothing to what the budget
 * has let in already, and without them no sink could go on and nothing could be removed. */
static bool
needs_no_room(const struct record *rec)
{
    return rec->kind == RECORD_DISCARD ||
           (rec->stream != 0 && (rec->kind == RECORD_BEGIN || rec->kind == RECORD_COMMIT));
}

bool
spool_append(struct spool *s, const struct record *rec, struct err *err)
{
    if (!writer_check(s, err) || (s->discard_due && !writer_discard(s, err))) {
        return false;
    }
    if (is_beside(rec)) {
        return append_beside(s, rec, err);
    }
    if (rec->kind == RECORD_DISCARD && !side_drop_all(s, err)) {
        return false;
    }
    if (is_void(s, rec)) {
        return true;
    }
    const char *why = order_fault(&s->order, rec);
    if (why != NULL) {
        char at[FORMAT_SIZE], last[FORMAT_SIZE];
        return err_set(err, ERR_FATAL, "spool '%s' cannot take a record at %s behind %s: %s",
            s->path, format_lsn(rec->position, at), format_lsn(s->order.position, last), why);
    }
    if (!check_size(rec, err)) {
        return false;
    }
    if (rec->kind == RECORD_BEGIN && rec->stream != 0) {
        return side_begin(s, rec, err);
    }
    return (needs_no_room(rec) || check_room(s, rec->payload.len, err)) && writer_take(s, rec, err);
}

bool
spool_flush(struct spool *s, struct err *err)
{
    if (!writer_check(s, err)) {
        return false;
    }
    return write_block(s, err);
}

bool
spool_sync(struct spool *s, struct err *err)
{
    if (!writer_check(s, err) || !write_block(s, err)) {
        return false;
    }
    bool synced = s->count == 0 || s->synced == spool_newest(s)->header.base + s->end;
    if ((!synced && !sync_file(s, err)) || !side_sync_due(s, err)) {
        return false;
    }
    count_unsynced(s);
    return true;
}
