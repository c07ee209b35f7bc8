/* SPDX-License-Identifier: Apache-2.0
 *
 * Invariant of a side: its file holds whole blocks up to `end`; a failed write is cut away at once
 * and its block stays in memory, so that the caller can come again. A descriptor is closed only
 * when nothing is unsynced, so that no error of writing back is lost with it.
 */
#include <errno.h>
#include <fcntl.h>

#include "agent/base/arena.h"
#include "agent/base/failpoint.h"
#include "agent/spool/side.intern.h"

#define FDS_MAX    128u
#define MEMORY_MAX (16u * 1024 * 1024)
#define BUFFER_MIN (16u * 1024)
#define SYNC_BYTES (64ull * 1024 * 1024)

/* --- numbers ------------------------------------------------------------------------------------
 */

static uint64_t
due(const struct side *side)
{
    uint64_t bytes = side->end - side->synced;
    return bytes >= SYNC_BYTES ? bytes : 0;
}

/* The file grew to `end` bytes. */
static void
set_end(struct spool *s, struct side *side, uint64_t end)
{
    uint64_t more = end - side->end;
    s->sides.due -= due(side);
    side->end = end;
    s->sides.due += due(side);
    spool_spend(s, more);
    pthread_mutex_lock(s->lock);
    s->bytes += more;
    s->sides.bytes += more;
    pthread_mutex_unlock(s->lock);
}

uint64_t
side_buffered(const struct side *side)
{
    return block_empty(&side->block) ? 0 : side->block.used;
}

/* What is buffered changed from `before`. */
static void
count_buffered(struct spool *s, uint64_t before, const struct side *side)
{
    s->sides.buffered -= before;
    s->sides.buffered += side_buffered(side);
}

/* --- files --------------------------------------------------------------------------------------
 */

bool
side_fail(struct spool *s, int rc, const char *what, const char *path, struct err *err)
{
    (void)segment_io(err, rc, what, path);
    err->class = ERR_FATAL;
    return writer_fail(s, err);
}

bool
side_path_of(
    const struct spool *s, const struct side *side, char out[SEGMENT_PATH_MAX], struct err *err)
{
    return side_path(s->path, side->segment, side->serial, out, err);
}

/* Everything written to the file becomes durable. */
bool
side_sync(struct spool *s, struct side *side, struct err *err)
{
    char path[SEGMENT_PATH_MAX];
    if (side->end == side->synced) {
        return true;
    }
    int rc = s->fs->datasync(s->fs, side->fd);
    if (rc < 0) {
        return side_path_of(s, side, path, err)
                   ? side_fail(s, rc, "make durable side file", path, err)
                   : false;
    }
    s->sides.due -= due(side);
    side->synced = side->end;
    return true;
}

static void
close_fd(struct spool *s, struct side *side)
{
    if (side->fd >= 0) {
        (void)s->fs->close(s->fs, side->fd);
        side->fd = -1;
        s->sides.fds--;
    }
}

/* Makes room for one more descriptor. */
static bool
spare_fd(struct spool *s, struct err *err)
{
    struct side *oldest = NULL;
    if (s->sides.fds < FDS_MAX) {
        return true;
    }
    for (struct side *it = s->sides.first; it != NULL; it = it->hh.next) {
        if (it->fd >= 0 && (oldest == NULL || it->used < oldest->used)) {
            oldest = it;
        }
    }
    if (!side_sync(s, oldest, err)) {
        return false;
    }
    close_fd(s, oldest);
    return true;
}

/* The file with its header, not durable. On ERR_RETRY nothing is left of it. */
static bool
create_file(struct spool *s, struct side *side, struct err *err)
{
    struct segment_header h = {
        .feed_id = s->feed_id,
        .content = s->content,
        .number = s->sides.next_serial,
        .begin = side->xid,
        .created_us = clock_wall_us(s->clock),
        .kind = FILE_SIDE,
    };
    uint8_t bytes[SEGMENT_HEADER_SIZE];
    char path[SEGMENT_PATH_MAX];
    if (!side_path(s->path, 0, h.number, path, err)) {
        return false;
    }
    if (!codec_create(&side->codec, s->keys, &h, err)) {
        return err->class == ERR_RETRY ? false : writer_fail(s, err);
    }
    int fd = s->fs->open(s->fs, path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    if (fd < 0) {
        codec_done(&side->codec);
        return segment_io(err, fd, "create side file", path);
    }
    segment_header_encode(&h, bytes);
    int rc = s->fs->pwrite_all(s->fs, fd, bytes, sizeof(bytes), 0);
    if (rc < 0) {
        codec_done(&side->codec);
        (void)s->fs->close(s->fs, fd);
        (void)s->fs->unlink(s->fs, path);
        return segment_io(err, rc, "write side file", path) ||
               (err->class == ERR_RETRY ? false : writer_fail(s, err));
    }
    side->fd = fd;
    side->serial = s->sides.next_serial++;
    s->sides.fds++;
    pthread_mutex_lock(s->lock);
    s->sides.open_count++;
    pthread_mutex_unlock(s->lock);
    set_end(s, side, sizeof(bytes));
    FAILPOINT("spool.side.created");
    return true;
}

static bool
open_file(struct spool *s, struct side *side, struct err *err)
{
    char path[SEGMENT_PATH_MAX];
    if (side->fd >= 0) {
        return true;
    }
    if (!spare_fd(s, err)) {
        return false;
    }
    if (side->serial == 0) {
        return create_file(s, side, err);
    }
    if (!side_path_of(s, side, path, err)) {
        return false;
    }
    side->fd = s->fs->open(s->fs, path, O_RDWR, 0);
    if (side->fd < 0) {
        return segment_io(err, side->fd, "open side file", path) ||
               (err->class == ERR_RETRY ? false : writer_fail(s, err));
    }
    s->sides.fds++;
    return true;
}

/* What was written behind `end` did not all get there. */
static bool
undo_write(struct spool *s, struct side *side, int rc, struct err *err)
{
    char path[SEGMENT_PATH_MAX];
    if (!side_path_of(s, side, path, err)) {
        return writer_fail(s, err);
    }
    int cut = s->fs->truncate(s->fs, side->fd, side->end);
    if (cut < 0) {
        return side_fail(s, cut, "cut a partial write off side file", path, err);
    }
    return segment_io(err, rc, "write side file", path) ||
           (err->class == ERR_RETRY ? false : writer_fail(s, err));
}

static struct block_place
place(const struct side *side)
{
    return (struct block_place){.offset = side->end, .synced = side->synced, .side = true};
}

/* A block as block_close or block_single make it, and the rest of its content. */
static bool
write_closed(
    struct spool *s, struct side *side, struct slice head, struct slice more, struct err *err)
{
    bool seals = codec_seals(&side->codec);
    if (seals) {
        if (!codec_seal_block(&side->codec, head, more, &head, err)) {
            return err->class == ERR_RETRY ? false : writer_fail(s, err);
        }
        more.len = 0;
    }
    int rc = s->fs->pwrite_all(s->fs, side->fd, head.data, head.len, side->end);
    if (rc >= 0 && more.len > 0) {
        rc = s->fs->pwrite_all(s->fs, side->fd, more.data, more.len, side->end + head.len);
    }
    size_t len = head.len + more.len;
    if (seals) {
        codec_trim(&side->codec);
    }
    if (rc < 0) {
        return undo_write(s, side, rc, err);
    }
    if (len >= s->block_size / 2 && s->fs->start_write) {
        s->fs->start_write(s->fs, side->fd, side->end, len);
    }
    set_end(s, side, side->end + len);
    return true;
}

bool
side_flush(struct spool *s, struct side *side, struct err *err)
{
    if (block_empty(&side->block)) {
        return true;
    }
    if (!open_file(s, side, err)) {
        return false;
    }
    struct block_place where = place(side);
    if (!write_closed(s, side, block_close(&side->block, &where), slice_of(NULL, 0), err)) {
        return false;
    }
    uint64_t before = side_buffered(side);
    block_reset(&side->block);
    count_buffered(s, before, side);
    FAILPOINT("spool.side.written");
    return true;
}

/* A record that no buffer can hold; the buffer is empty. */
static bool
write_large(struct spool *s, struct side *side, const struct record *rec, struct err *err)
{
    uint8_t head[BLOCK_SINGLE_MAX];
    if (!open_file(s, side, err)) {
        return false;
    }
    struct block_place where = place(side);
    size_t n = block_single(rec, false, &where, head);
    return write_closed(s, side, slice_of(head, n), rec->payload, err);
}

/* --- buffers ------------------------------------------------------------------------------------
 */

static void
free_block(struct spool *s, struct side *side)
{
    if (side->block.data != NULL) {
        s->sides.memory -= side->block.cap;
        block_done(&side->block);
    }
}

/* Writes out and frees buffers of others until there is room for `size` bytes, or none is left. */
static bool
spare_memory(struct spool *s, const struct side *keep, size_t size, struct err *err)
{
    while (s->sides.memory + size > MEMORY_MAX) {
        struct side *oldest = NULL;
        for (struct side *it = s->sides.first; it != NULL; it = it->hh.next) {
            if (it != keep && it->block.data != NULL &&
                (oldest == NULL || it->used < oldest->used)) {
                oldest = it;
            }
        }
        if (oldest == NULL) {
            return true;
        }
        if (!side_flush(s, oldest, err)) {
            return false;
        }
        free_block(s, oldest);
    }
    return true;
}

/* A first buffer. */
static bool
make_block(struct spool *s, struct side *side, struct err *err)
{
    size_t size = s->block_size < BUFFER_MIN ? s->block_size : BUFFER_MIN;
    if (side->block.data != NULL) {
        return true;
    }
    if (!spare_memory(s, side, size, err)) {
        return false;
    }
    block_init(&side->block, size);
    side->block.side = true;
    s->sides.memory += side->block.cap;
    return true;
}

/* A larger buffer, while the memory of all allows it. */
static bool
grow_block(struct spool *s, struct side *side)
{
    size_t cap = side->block.cap, size = (cap - BLOCK_HEADER_SIZE - RECORD_HEADER_MAX) * 2;
    size = size < s->block_size ? size : s->block_size;
    if (cap >= BLOCK_HEADER_SIZE + RECORD_HEADER_MAX + s->block_size ||
        s->sides.memory + size > MEMORY_MAX) {
        return false;
    }
    block_grow(&side->block, size);
    s->sides.memory += side->block.cap - cap;
    return true;
}

/* The record goes into the buffer, or to the file at once. */
bool
side_put(struct spool *s, struct side *side, const struct record *rec, struct err *err)
{
    side->used = ++s->sides.clock;
    if (!make_block(s, side, err)) {
        return false;
    }
    while (!block_has_room(&side->block, rec->payload.len) && grow_block(s, side)) {
    }
    if (!block_has_room(&side->block, rec->payload.len) && !side_flush(s, side, err)) {
        return false;
    }
    if (!block_has_room(&side->block, rec->payload.len)) {
        return write_large(s, side, rec, err);
    }
    uint64_t before = side_buffered(side);
    block_add(&side->block, rec, false);
    count_buffered(s, before, side);
    return true;
}

void
side_release(struct spool *s, struct side *side)
{
    s->sides.buffered -= side_buffered(side);
    s->sides.due -= due(side);
    close_fd(s, side);
    free_block(s, side);
    codec_done(&side->codec);
}

bool
side_sync_due(struct spool *s, struct err *err)
{
    for (struct side *it = s->sides.first; it != NULL && s->sides.due > 0; it = it->hh.next) {
        if (due(it) > 0 && !side_sync(s, it, err)) {
            return false;
        }
    }
    return true;
}
