/* SPDX-License-Identifier: Apache-2.0
 *
 * The file gets its final name only when everything in it is durable: a ".seg" file whose beginning
 * is wrong is damage and never an interrupted write.
 */
#include "agent/spool/creation.h"

#include <errno.h>
#include <fcntl.h>

#include "agent/base/failpoint.h"
#include "agent/spool/recycle.h"

void
creation_done(struct creation *c)
{
    codec_done(&c->codec);
    index_done(&c->index);
}

static int
put_bytes(struct creation *c, const void *data, size_t len)
{
    int rc = c->fs->pwrite_all(c->fs, c->fd, data, len, c->end);
    c->end += len;
    return rc;
}

/* A block as block_close or block_single make it, and the rest of its content. */
static int
put_closed(struct creation *c, struct slice head, struct slice more)
{
    struct err err = ERR_INIT;
    const struct index_entry e = {c->where.position, c->where.offset, c->end};
    if (codec_seals(&c->codec)) {
        if (!codec_seal_block(&c->codec, head, more, &head, &err)) {
            return err.class == ERR_RETRY ? -ENOMEM : -EIO;
        }
        more.len = 0;
    }
    index_add(&c->index, &e);
    int rc = put_bytes(c, head.data, head.len);
    return rc < 0 || more.len == 0 ? rc : put_bytes(c, more.data, more.len);
}

static int
put_block(struct creation *c)
{
    if (block_empty(c->block)) {
        return 0;
    }
    c->where.offset = c->base + c->end;
    int rc = put_closed(c, block_close(c->block, &c->where), slice_of(NULL, 0));
    block_reset(c->block);
    return rc;
}

static int
put_carried(struct creation *c, const struct record *rec)
{
    int rc = 0;
    if (!block_has_room(c->block, rec->payload.len)) {
        rc = put_block(c);
    }
    if (rc < 0 || block_takes(c->block, rec->payload.len)) {
        if (rc >= 0) {
            block_add(c->block, rec, true);
        }
        return rc;
    }
    uint8_t head[BLOCK_SINGLE_MAX];
    c->where.offset = c->base + c->end;
    size_t n = block_single(rec, true, &c->where, head);
    return put_closed(c, slice_of(head, n), rec->payload);
}

/* Header and carried schemas into a fresh file, not yet durable. */
static int
fill_segment(const struct spool *s, struct creation *c, const struct segment_header *h)
{
    uint8_t bytes[SEGMENT_HEADER_SIZE];
    struct record rec;
    segment_header_encode(h, bytes);
    int rc = put_bytes(c, bytes, sizeof(bytes));
    const struct schema *it = NULL;
    while (rc >= 0 && (it = schemas_next(&s->schemas, it, &rec)) != NULL) {
        rc = put_carried(c, &rec);
    }
    return rc < 0 ? rc : put_block(c);
}

/* A full disk is found here, between two segments, and the file lies in one piece. A file system
 * that cannot do it is none the worse. */
static int
take_room(const struct spool *s, const struct creation *c)
{
    int rc = s->fs->allocate ? s->fs->allocate(s->fs, c->fd, s->segment_size) : 0;
    return rc == -ENOSPC || rc == -EDQUOT ? rc : 0;
}

bool
creation_make(struct creation *c, struct spool *s, const struct segment_header *h, struct err *err)
{
    char tmp[SEGMENT_PATH_MAX], final[SEGMENT_PATH_MAX];
    if (!segment_path(s->path, h->number, true, tmp, err) ||
        !segment_path(s->path, h->number, false, final, err)) {
        return false;
    }
    int fresh = recycle_take(s, h) ? 0 : O_TRUNC;
    c->fd = s->fs->open(s->fs, tmp, O_RDWR | O_CREAT | fresh, 0600);
    if (c->fd < 0) {
        return segment_io(err, c->fd, "create spool segment", tmp);
    }
    int rc = take_room(s, c);
    rc = rc < 0 ? rc : fill_segment(s, c, h);
    if (rc < 0) {
        (void)s->fs->close(s->fs, c->fd);
        (void)s->fs->unlink(s->fs, tmp);
        block_reset(&s->block);
        return segment_io(err, rc, "write spool segment", tmp) ||
               (err->class == ERR_RETRY ? false : writer_fail(s, err));
    }
    rc = s->fs->datasync(s->fs, c->fd);
    FAILPOINT("spool.segment.written");
    rc = rc < 0 ? rc : s->fs->rename(s->fs, tmp, final);
    FAILPOINT("spool.segment.renamed");
    rc = rc < 0 ? rc : s->fs->sync_dir(s->fs, s->path);
    if (rc < 0) {
        (void)s->fs->close(s->fs, c->fd);
        (void)segment_io(err, rc, "make durable spool segment", final);
        err->class = ERR_FATAL;
        return writer_fail(s, err);
    }
    FAILPOINT("spool.segment.created");
    return true;
}
