/* SPDX-License-Identifier: Apache-2.0
 *
 * Packing: a sealed segment is copied block by block, smaller, under its ".tmp" name, made durable,
 * and renamed over the old file. A crash leaves the old one or the new one, and either is whole.
 *
 * The rename is done under the spool's lock, where it is certain that the segment was not retired
 * meanwhile: else the new file would bring back a segment that is gone. Readers that have the old
 * file open go on with it. The second file may take from what is to stay free on the disk (that is
 * when packing is needed most), but only as long as there is room for it whole.
 */
#include <errno.h>
#include <fcntl.h>
#include <zstd.h>

#include "agent/base/arena.h"
#include "agent/base/failpoint.h"
#include "agent/base/stop.h"
#include "agent/spool/internal.h"
#include "agent/spool/scan.h"

#define PACK_BUFFER  (512u * 1024)
/* What no reader needs is gone soon, unless it is older than this: then it is kept on purpose. */
#define PACK_IDLE_US (60 * (int64_t)1000000)
/* Kept free for the newest segment while a packed one is written. */
#define PACK_MARGIN  (32ull * 1024 * 1024)

struct pack {
    struct spool *s;
    int level;
    const struct stop *stop; /* or NULL */
    struct segment seg;      /* as it is before */
    char path[SEGMENT_PATH_MAX], tmp[SEGMENT_PATH_MAX];
    int in, out;
    struct codec from, to;
    struct segment_header header; /* of the new file */
    struct segment_footer footer;
    struct scan scan;
    struct index index; /* of the new file */
    uint64_t end;       /* of the new file */
    ZSTD_CCtx *zstd;
    uint8_t *room;
    size_t room_cap;
};

/* --- which --------------------------------------------------------------------------------------
 */

static bool
may_pack(const struct spool *s, const struct segment *seg)
{
    return seg->sealed && !segment_packed(seg) && !seg->kept_as_is &&
           !reader_near(s, seg->header.number);
}

/* The last one that a reader is still far from, for that waits longest; else one that is kept
 * though nobody needs it. Under the lock. */
static const struct segment *
choose(const struct spool *s)
{
    uint64_t lowest = reader_lowest_segment(s);
    for (size_t i = s->count; i-- > 1;) {
        const struct segment *seg = &s->segments[i - 1];
        if (seg->header.number > lowest && may_pack(s, seg)) {
            return seg;
        }
    }
    int64_t old = clock_wall_us(s->clock) - PACK_IDLE_US;
    for (size_t i = s->count; i-- > 1;) {
        const struct segment *seg = &s->segments[i - 1];
        if (seg->header.number < lowest && seg->tally.last_received_us < old && may_pack(s, seg)) {
            return seg;
        }
    }
    return NULL;
}

/* The index's entry of the segment; NULL: it was retired. Under the lock. */
static struct segment *
entry(const struct pack *p)
{
    struct spool *s = p->s;
    uint64_t first = s->count > 0 ? s->segments[0].header.number : UINT64_MAX;
    return p->seg.header.number < first ? NULL : &s->segments[p->seg.header.number - first];
}

static bool
has_room(const struct pack *p)
{
    struct fs_space space;
    const struct fs *fs = p->s->fs;
    return fs->space(fs, p->s->path, &space) >= 0 &&
           space.free >= PACK_MARGIN + p->seg.size + p->seg.size / 16;
}

/* --- copying ------------------------------------------------------------------------------------
 */

static bool
io(int rc, const char *what, const char *path, struct err *err)
{
    return rc >= 0 || segment_io(err, rc, what, path);
}

static bool
put(struct pack *p, const void *data, size_t len, struct err *err)
{
    int rc = p->s->fs->pwrite_all(p->s->fs, p->out, data, len, p->end);
    p->end += len;
    return io(rc, "write spool segment", p->tmp, err);
}

/* *small: the content compressed, when that makes it smaller by a sixteenth. */
static bool
compress(struct pack *p, struct slice content, struct slice *small, bool *done, struct err *err)
{
    size_t bound = ZSTD_compressBound(content.len);
    if (p->room == NULL || bound > p->room_cap) {
        free(p->room);
        p->room = malloc(bound);
        p->room_cap = p->room ? bound : 0;
    }
    if (p->room == NULL) {
        return err_set(err, ERR_RETRY, "no memory to compress %zu bytes", content.len);
    }
    size_t n =
        ZSTD_compressCCtx(p->zstd, p->room, p->room_cap, content.data, content.len, p->level);
    if (ZSTD_isError(n)) {
        return err_set(err, ERR_FATAL, "compress: %s", ZSTD_getErrorName(n));
    }
    *done = n <= content.len - content.len / 16;
    *small = *done ? slice_of(p->room, n) : content;
    return true;
}

static bool
copy_block(struct pack *p, struct block_header *h, struct slice content, struct err *err)
{
    uint32_t old_length = h->length;
    struct slice body, bytes;
    bool compressed = false;
    const struct index_entry e = {h->position, h->offset, p->end};
    if (!compress(p, content, &body, &compressed, err)) {
        return false;
    }
    h->flags &= ~(uint32_t)BLOCK_ZSTD;
    h->flags |= compressed ? (uint32_t)BLOCK_ZSTD : 0;
    if (!codec_packed_block(&p->to, h, old_length, body, &bytes, err)) {
        return false;
    }
    index_add(&p->index, &e);
    return put(p, bytes.data, bytes.len, err);
}

static bool
copy_blocks(struct pack *p, struct err *err)
{
    for (;;) {
        struct block_header h;
        struct slice content;
        uint64_t at = p->scan.at;
        enum scan_result res = scan_peek(&p->scan, &h);
        if (res == SCAN_END) {
            return true;
        }
        if (p->stop != NULL && stop_requested(p->stop)) {
            return err_set(err, ERR_CANCELLED, "asked to stop");
        }
        if (res == SCAN_OK) {
            res = scan_payload(&p->scan, &h, &content);
        }
        if (res == SCAN_ERROR) {
            return segment_io(err, p->scan.rc, "read spool segment", p->path);
        }
        if (res != SCAN_OK) {
            const char *why = res == SCAN_INVALID ? p->scan.why : "no block begins here";
            return segment_damaged(err, p->path, at, why);
        }
        if (!copy_block(p, &h, content, err)) {
            return false;
        }
    }
}

/* Index and footer; then everything becomes durable. */
static bool
finish(struct pack *p, struct err *err)
{
    struct slice bytes;
    if (p->index.entries != p->footer.entries) {
        return segment_damaged(err, p->path, p->footer.index, "blocks are missing");
    }
    if (!index_close(&p->index, p->end, &p->to, &p->footer, &bytes, err) ||
        !put(p, bytes.data, bytes.len, err)) {
        return false;
    }
    int rc = p->s->fs->datasync(p->s->fs, p->out);
    FAILPOINT("spool.pack.written");
    return io(rc, "make durable spool segment", p->tmp, err);
}

static bool
open_old(struct pack *p, struct err *err)
{
    const struct fs *fs = p->s->fs;
    struct index old = {0};
    uint64_t number = p->seg.header.number;
    if (!segment_path(p->s->path, number, false, p->path, err) ||
        !segment_path(p->s->path, number, true, p->tmp, err)) {
        return false;
    }
    p->in = fs->open(fs, p->path, O_RDONLY, 0);
    const struct index_file from = {fs, p->in, &p->from};
    if (!io(p->in, "open spool segment", p->path, err) ||
        !segment_read_header(fs, p->in, p->path, number, &p->header, err) ||
        !codec_open(&p->from, p->s->keys, &p->header, p->path, err) ||
        !index_open(&from, p->path, &p->header, &p->footer, &old, err)) {
        return false;
    }
    index_done(&old);
    scan_file(&p->scan, p->in, p->header.base, p->footer.index);
    scan_codec(&p->scan, &p->from);
    return true;
}

static bool
begin_new(struct pack *p, struct err *err)
{
    const struct fs *fs = p->s->fs;
    uint8_t bytes[SEGMENT_HEADER_SIZE];
    p->header.flags |= FILE_PACKED;
    p->zstd = ZSTD_createCCtx();
    if (p->zstd == NULL) {
        return err_set(err, ERR_RETRY, "no memory to compress");
    }
    if (!codec_create(&p->to, p->s->keys, &p->header, err)) {
        return false;
    }
    segment_header_encode(&p->header, bytes);
    p->out = fs->open(fs, p->tmp, O_RDWR | O_CREAT | O_TRUNC, 0600);
    return io(p->out, "create spool segment", p->tmp, err) && put(p, bytes, sizeof(bytes), err);
}

/* The new file takes the name of the old one. *did: false when it is not wanted any more. */
static bool
take_place(struct pack *p, bool *did, struct err *err)
{
    struct spool *s = p->s;
    int rc = 0;

    pthread_mutex_lock(s->lock);
    struct segment *seg = entry(p);
    bool pays = p->end <= p->seg.size - p->seg.size / 16;
    if (seg != NULL && pays) {
        rc = s->fs->rename(s->fs, p->tmp, p->path);
        *did = rc >= 0;
    } else if (seg != NULL) {
        seg->kept_as_is = true;
    }
    if (*did) {
        seg->header = p->header;
        seg->size = p->end;
        s->bytes -= p->seg.size - p->end;
        s->saved += p->seg.size - p->end;
        s->packed++;
    }
    pthread_mutex_unlock(s->lock);
    if (!*did) {
        return io(rc, "rename spool segment", p->tmp, err);
    }
    FAILPOINT("spool.pack.renamed");
    rc = s->fs->sync_dir(s->fs, s->path);
    FAILPOINT("spool.pack.synced");
    return io(rc, "make durable the spool", s->path, err);
}

static void
pack_done(struct pack *p, bool did)
{
    const struct fs *fs = p->s->fs;
    if (p->in >= 0) {
        (void)fs->close(fs, p->in);
    }
    if (p->out >= 0) {
        (void)fs->close(fs, p->out);
        if (!did) {
            (void)fs->unlink(fs, p->tmp);
        }
    }
    scan_done(&p->scan);
    codec_done(&p->from);
    codec_done(&p->to);
    index_done(&p->index);
    (void)ZSTD_freeCCtx(p->zstd);
    free(p->room);
    x_free(p);
}

/* After an error. Trying again would end the same way, unless that may pass. True: it was none, for
 * the segment was retired meanwhile, or a stop. */
static bool
is_harmless(struct pack *p, const struct err *err)
{
    pthread_mutex_lock(p->s->lock);
    struct segment *seg = entry(p);
    if (seg != NULL && err->class != ERR_RETRY && err->class != ERR_CANCELLED) {
        seg->kept_as_is = true;
    }
    pthread_mutex_unlock(p->s->lock);
    return seg == NULL || err->class == ERR_CANCELLED;
}

bool
spool_pack_one(struct spool *s, int level, const struct stop *stop, bool *did, struct err *err)
{
    *did = false;
    struct pack *p = x_zalloc(sizeof(*p));
    p->s = s;
    p->level = level;
    p->stop = stop;
    p->in = p->out = -1;
    scan_init(&p->scan, s->fs, PACK_BUFFER);
    pthread_mutex_lock(s->lock);
    const struct segment *seg = choose(s);
    if (seg != NULL) {
        p->seg = *seg;
    }
    pthread_mutex_unlock(s->lock);
    bool ok = true;
    if (seg != NULL && has_room(p)) {
        ok = open_old(p, err) && begin_new(p, err) && copy_blocks(p, err) && finish(p, err) &&
             take_place(p, did, err);
    }
    ok = ok || is_harmless(p, err);
    pack_done(p, *did);
    return ok;
}
