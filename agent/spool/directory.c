/* SPDX-License-Identifier: Apache-2.0
 *
 * Segments are chained: each header repeats where the one before it ended (log offset, position,
 * open transaction). A missing, foreign or shortened file breaks the chain and is found here.
 */
#include "agent/spool/directory.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>

#include "agent/base/arena.h"
#include "agent/spool/index.h"
#include "agent/spool/survey.h"

static bool
remove_unfinished(const struct directory_options *o, const struct survey_list *l, struct err *err)
{
    char path[SEGMENT_PATH_MAX];
    for (size_t i = 0; i < l->len; i++) {
        if (!segment_path(o->path, l->items[i], true, path, err)) {
            return false;
        }
        int rc = o->fs->unlink(o->fs, path);
        if (rc < 0 && rc != -ENOENT) {
            return segment_io(err, rc, "remove", path);
        }
    }
    return true;
}

/* Without key the index is not read, so that the cost stays that of two small reads. */
static bool
check_mac(const struct directory_options *o, int fd, const struct segment_footer *f,
    const struct codec *codec, const char **why, int *rc)
{
    const struct index_file in = {o->fs, fd, codec};
    struct index ix = {0};
    if (!codec_seals(codec)) {
        return true;
    }
    bool ok = index_read(&in, f, &ix, why, rc);
    index_done(&ix);
    return ok;
}

static bool
read_sealed(const struct directory_options *o, int fd, const char *path, struct segment *seg,
    const struct codec *codec, struct err *err)
{
    struct segment_footer f;
    const char *why = NULL;
    int rc = 0;
    if (!segment_read_footer(o->fs, fd, seg, &f, &why, &rc) ||
        (why == NULL && !check_mac(o, fd, &f, codec, &why, &rc))) {
        return segment_io(err, rc, "read spool segment", path);
    }
    if (why != NULL) {
        uint64_t at = seg->size < FOOTER_SIZE ? 0 : seg->size - FOOTER_SIZE;
        return segment_damaged(err, path, at, why);
    }
    seg->tally = f.tally;
    seg->data_end = f.offset - index_size(f.entries);
    seg->log_end = f.offset + FOOTER_SIZE;
    seg->sealed = true;
    return true;
}

/* What the file says of itself. */
static bool
read_file(const struct directory_options *o, int fd, const char *path, bool newest,
    struct segment *seg, struct err *err)
{
    struct codec codec = {0};
    int rc = o->fs->size(o->fs, fd, &seg->size);
    if (rc < 0) {
        return segment_io(err, rc, "size of spool segment", path);
    }
    if (!o->trusting && !codec_open(&codec, o->keys, &seg->header, path, err)) {
        return false;
    }
    bool ok = newest || read_sealed(o, fd, path, seg, &codec, err);
    codec_done(&codec);
    return ok;
}

bool
directory_segment(const struct directory_options *o, uint64_t number, bool newest,
    struct segment *seg, bool *gone, struct err *err)
{
    char path[SEGMENT_PATH_MAX];
    *seg = (struct segment){0};
    *gone = false;
    if (!segment_path(o->path, number, false, path, err)) {
        return false;
    }
    int fd = o->fs->open(o->fs, path, O_RDONLY, 0);
    if (fd == -ENOENT && o->live) {
        *gone = true;
        return true;
    }
    if (fd < 0) {
        return segment_io(err, fd, "open spool segment", path);
    }
    bool ok = segment_read_header(o->fs, fd, path, number, &seg->header, err);
    ok = ok && read_file(o, fd, path, newest, seg, err);
    if (!ok && seg->size == 0) {
        seg->header = (struct segment_header){0};
    }
    (void)o->fs->close(o->fs, fd);
    if (ok && o->feed_id != 0 && seg->header.feed_id != o->feed_id) {
        (void)err_set(err, ERR_CONFIG,
            "spool '%s' holds feed %" PRIu64 ", but the source is %" PRIu64, o->path,
            seg->header.feed_id, o->feed_id);
        return err_hint(err, "use another directory for the spool, or the source it was made for");
    }
    if (ok && o->feed_id != 0 && seg->header.content != o->content) {
        (void)err_set(err, ERR_CONFIG,
            "spool '%s' holds messages of another plugin (%" PRIu32 ") than this one (%" PRIu32 ")",
            o->path, seg->header.content, o->content);
        return err_hint(err, "set source.plugin to what the migration was begun with");
    }
    return ok;
}

bool
directory_seam(const struct directory_options *o, const struct segment *before,
    const struct segment *seg, struct err *err)
{
    const struct segment_header *a = &before->header, *b = &seg->header;
    char path[SEGMENT_PATH_MAX];
    const char *why = NULL;

    if (b->number != a->number + 1) {
        (void)err_set(err, ERR_FATAL, "spool '%s' is damaged: segment %" PRIu64 " is missing",
            o->path, a->number + 1);
        return err_hint(err, "bring the file back, or start over with a new spool and a new copy");
    }
    if (b->base != before->log_end) {
        why = "it does not begin where the segment before it ends";
    } else if (b->feed_id != a->feed_id || b->content != a->content) {
        why = "it holds another feed than the segment before it";
    } else if (b->position < a->position || b->begin < a->begin) {
        why = "its header goes back behind that of the segment before it";
    }
    if (why == NULL) {
        return true;
    }
    return segment_path(o->path, b->number, false, path, err) && segment_damaged(err, path, 0, why);
}

static bool
read_all(const struct directory_options *o, const struct survey_list *l, struct directory *out,
    struct err *err)
{
    out->segments = x_zalloc((l->len + 1) * sizeof(*out->segments));
    for (size_t i = 0; i < l->len; i++) {
        struct segment *seg = &out->segments[out->count];
        bool gone;
        if (!directory_segment(o, l->items[i], i + 1 == l->len, seg, &gone, err)) {
            struct err seam = ERR_INIT;
            if (o->salvage && seg->size > 0 &&
                (out->count == 0 || directory_seam(o, seg - 1, seg, &seam))) {
                out->count++;
            }
            return false;
        }
        if (gone) {
            out->count = 0; /* retired while we looked, and with it all before it */
            continue;
        }
        if (out->count > 0 && !directory_seam(o, seg - 1, seg, err)) {
            return false;
        }
        out->count++;
    }
    return true;
}

bool
directory_read(const struct directory_options *o, struct directory *out, struct err *err)
{
    struct survey found;

    *out = (struct directory){0};
    bool ok = survey_read(o->fs, o->path, &found, err);
    ok = ok && (!o->clean || remove_unfinished(o, &found.unfinished, err));
    ok = ok && read_all(o, &found.segments, out, err);
    survey_done(&found);
    return ok;
}

void
directory_done(struct directory *d)
{
    x_free(d->segments);
    *d = (struct directory){0};
}

static int
stop_at_first(const char *name, void *arg)
{
    (void)name;
    (void)arg;
    return 1;
}

/* One that may not be read is there, too; a file is not. */
static bool
exists(const struct fs *fs, const char *path)
{
    int rc = fs->list(fs, path, stop_at_first, NULL);
    return rc != -ENOENT && rc != -ENOTDIR;
}

/* The last one is made durable even when it is there: an earlier process may have died between the
 * two. */
static bool
make_one(const struct fs *fs, const char *path, const char *above, bool last, struct err *err)
{
    int rc = 0;
    bool there = exists(fs, path);
    if (!there) {
        rc = fs->mkdir(fs, path, 0700);
    }
    if (rc < 0) {
        (void)err_sys(err, ERR_CONFIG, -rc, "create directory '%s' of the spool", path);
        return err_hint(err, "create it, or choose another path for the spool");
    }
    if (!there || last) {
        rc = fs->sync_dir(fs, above);
    }
    /* A directory may be one to write in but not to read. */
    return rc >= 0 || rc == -EACCES || segment_io(err, rc, "sync directory", above);
}

bool
directory_make(const struct fs *fs, const char *path, struct err *err)
{
    char part[SEGMENT_PATH_MAX], above[SEGMENT_PATH_MAX] = ".";
    size_t len = strlen(path);

    while (len > 1 && path[len - 1] == '/') {
        len--;
    }
    if (len == 0 || len >= sizeof(part)) {
        return err_set(err, ERR_CONFIG, "path of the spool is empty or too long");
    }
    if (path[0] == '/') {
        memcpy(above, "/", 2);
    }
    for (size_t i = 1; i <= len; i++) {
        if ((i < len && path[i] != '/') || path[i - 1] == '/') {
            continue;
        }
        memcpy(part, path, i);
        part[i] = '\0';
        if (!make_one(fs, part, above, i == len, err)) {
            return false;
        }
        memcpy(above, part, i + 1);
    }
    return true;
}
