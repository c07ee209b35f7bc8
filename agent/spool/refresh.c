/* SPDX-License-Identifier: Apache-2.0
 *
 * A spool that another process writes, seen from outside: what a damaged one still gives
 * (spool_salvage) and how a reader follows a growing one (spool_refresh).
 *
 * Invariant: data_end only moves over blocks that are valid. A block that is not may be one that is
 * being written right now; it is damage only when the writer has gone on to the next segment, which
 * it does after a sync, and it still is not valid when it is read again after that was seen.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>

#include "agent/spool/internal.h"
#include "agent/spool/scan.h"
#include "agent/spool/survey.h"

#define REFRESH_BUFFER (256u * 1024)

bool
spool_salvage(struct spool *s, const struct err *err)
{
    if (!s->salvage || err->class != ERR_FATAL) {
        return false;
    }
    if (s->damage.class == ERR_NONE) {
        s->damage = *err;
    }
    return true;
}

const struct err *
spool_damage(const struct spool *s)
{
    return s->damage.class == ERR_NONE ? NULL : &s->damage;
}

/* A block that ends at log offset `data_end`. */
static void
publish(struct spool *s, const struct block_header *h, uint64_t data_end)
{
    pthread_mutex_lock(s->lock);
    struct segment *seg = spool_newest(s);
    struct index_entry e = {h->position, h->offset, h->offset - seg->header.base};
    index_add(&s->index, &e);
    seg->data_end = data_end;
    s->position = s->appended = s->durable = h->position;
    s->flushed = data_end;
    reader_wake_all(s);
    pthread_mutex_unlock(s->lock);
}

/* *why: NULL when the blocks go on to the end of the file or to its footer. */
static bool
take_blocks(struct spool *s, const char *path, const char **why, struct err *err)
{
    const struct segment *seg = spool_newest(s);
    struct segment_footer f;
    struct block_header h;
    struct slice payload;
    struct segment now = *seg;
    struct scan sc;
    enum scan_result r;
    int rc = s->fs->size(s->fs, s->fd, &now.size);
    if (rc < 0) {
        return segment_io(err, rc, "size of spool segment", path);
    }
    *why = NULL;
    scan_init(&sc, s->fs, REFRESH_BUFFER);
    scan_file(&sc, s->fd, seg->header.base, now.size);
    scan_codec(&sc, &s->codec);
    scan_seek(&sc, seg->data_end - seg->header.base, seg->data_end);
    while (
        (r = scan_peek(&sc, &h)) == SCAN_OK && (r = scan_payload(&sc, &h, &payload)) == SCAN_OK) {
        publish(s, &h, sc.log);
    }
    rc = sc.rc;
    *why = r == SCAN_INVALID ? sc.why : NULL;
    scan_done(&sc);
    if (r == SCAN_ERROR) {
        return segment_io(err, rc, "read spool segment", path);
    }
    if (r == SCAN_FOOTER) {
        if (!segment_read_footer(s->fs, s->fd, &now, &f, why, &rc)) {
            return segment_io(err, rc, "read spool segment", path);
        }
        if (*why == NULL && f.offset == seg->data_end + index_size(f.entries)) {
            pthread_mutex_lock(s->lock);
            spool_newest(s)->tally = f.tally;
            spool_newest(s)->sealed = true;
            spool_newest(s)->log_end = f.offset + FOOTER_SIZE;
            spool_newest(s)->size = now.size;
            pthread_mutex_unlock(s->lock);
        }
    }
    return true;
}

/* The segment behind the newest one is not there: not made yet, or removed already? */
static bool
check_outrun(struct spool *s, struct err *err)
{
    struct survey found;
    uint64_t newest = spool_newest(s)->header.number;
    bool ok = survey_read(s->fs, s->path, &found, err);
    if (ok && found.segments.len > 0 && found.segments.items[found.segments.len - 1] > newest + 1) {
        ok = err_set(err, ERR_DATA,
            "spool '%s': segments behind number %" PRIu64 " were removed before they were read",
            s->path, newest);
        (void)err_hint(err, "start again; a longer spool.keep leaves more time to read");
    }
    survey_done(&found);
    return ok;
}

/* *got: it is there, and has become the newest one. */
static bool
take_next(struct spool *s, bool *got, struct err *err)
{
    char path[SEGMENT_PATH_MAX];
    const struct segment *before = spool_newest(s);
    struct segment seg = {.header.number = before->header.number + 1};

    *got = false;
    if (!segment_path(s->path, seg.header.number, false, path, err)) {
        return false;
    }
    int fd = s->fs->open(s->fs, path, O_RDONLY, 0);
    if (fd == -ENOENT) {
        return !before->sealed || check_outrun(s, err);
    }
    if (fd < 0) {
        return segment_io(err, fd, "open spool segment", path);
    }
    /* Its being there says that the one before it is complete: that one comes first. */
    if (!before->sealed) {
        *got = true;
        (void)s->fs->close(s->fs, fd);
        return true;
    }
    if (!segment_read_header(s->fs, fd, path, seg.header.number, &seg.header, err)) {
        (void)s->fs->close(s->fs, fd);
        return false;
    }
    codec_done(&s->codec);
    if (!codec_open(&s->codec, s->keys, &seg.header, path, err)) {
        (void)s->fs->close(s->fs, fd);
        return false;
    }
    (void)s->fs->close(s->fs, s->fd);
    s->fd = fd;
    seg.size = SEGMENT_HEADER_SIZE;
    seg.data_end = seg.header.base + SEGMENT_HEADER_SIZE;
    pthread_mutex_lock(s->lock);
    index_done(&s->index);
    spool_push_segment(s, &seg);
    pthread_mutex_unlock(s->lock);
    *got = true;
    return true;
}

/* A spool that was empty when it was opened. */
static bool
take_first(struct spool *s, struct err *err)
{
    struct survey found;
    struct segment seg = {0};
    char path[SEGMENT_PATH_MAX];
    bool ok = survey_read(s->fs, s->path, &found, err);
    if (ok && found.segments.len > 0) {
        seg.header.number = found.segments.items[0];
        ok = segment_path(s->path, seg.header.number, false, path, err);
        s->fd = ok ? s->fs->open(s->fs, path, O_RDONLY, 0) : -1;
        ok = ok && (s->fd >= 0 || segment_io(err, s->fd, "open spool segment", path)) &&
             segment_read_header(s->fs, s->fd, path, seg.header.number, &seg.header, err) &&
             codec_open(&s->codec, s->keys, &seg.header, path, err);
        if (ok) {
            seg.data_end = seg.header.base + SEGMENT_HEADER_SIZE;
            pthread_mutex_lock(s->lock);
            spool_push_segment(s, &seg);
            pthread_mutex_unlock(s->lock);
        }
    }
    survey_done(&found);
    return ok;
}

bool
spool_refresh(struct spool *s, struct err *err)
{
    char path[SEGMENT_PATH_MAX];
    bool more = true, last_look = false;

    if (s->count == 0 && !take_first(s, err)) {
        return false;
    }
    while (more && s->count > 0) {
        const char *why;
        if (!segment_path(s->path, spool_newest(s)->header.number, false, path, err) ||
            (!spool_newest(s)->sealed && !take_blocks(s, path, &why, err))) {
            return false;
        }
        if (last_look && !spool_newest(s)->sealed) {
            const struct segment *seg = spool_newest(s);
            return segment_damaged(err, path, seg->data_end - seg->header.base,
                why ? why : "the segment has no footer");
        }
        last_look = !spool_newest(s)->sealed;
        if (!take_next(s, &more, err)) {
            return false;
        }
    }
    return true;
}
