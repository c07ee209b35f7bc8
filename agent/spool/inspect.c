/* SPDX-License-Identifier: Apache-2.0
 *
 * Listing believes headers and footers and reads only the newest segment. It takes the directory as
 * it was at one moment: what a running agent appends meanwhile is not seen, and what it removes
 * meanwhile is left out.
 */
#include "agent/spool/inspect.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>

#include "agent/base/fs.h"
#include "agent/spool/directory.h"
#include "agent/spool/replay.h"
#include "agent/spool/scan.h"
#include "agent/spool/side.h"
#include "agent/spool/survey.h"

#define SCAN_BUFFER (64u * 1024)
#define ATTEMPTS    3

static void
keep_first(struct err *first, const struct err *err)
{
    if (first->class == ERR_NONE) {
        *first = *err;
    }
}

static bool
finish(const struct err *first, struct err *err)
{
    if (first->class != ERR_NONE) {
        *err = *first;
    }
    return first->class == ERR_NONE;
}

/* Nobody has the key: what the blocks' headers say must do. */
static void
count_by_headers(int fd, struct segment *seg)
{
    struct block_header h;
    struct scan sc;
    scan_init(&sc, &fs_system, SCAN_BUFFER);
    scan_file(&sc, fd, seg->header.base, seg->size);
    while (scan_peek(&sc, &h) == SCAN_OK) {
        struct tally *t = &seg->tally;
        if (!(h.flags & BLOCK_CARRIED)) {
            t->first_received_us = t->records == 0 ? h.received_us : t->first_received_us;
            t->last_received_us = h.received_us;
            t->records += h.records;
            t->commits += h.commits;
            t->last_position = h.commits > 0 ? h.position : t->last_position;
        }
        scan_skip(&sc, &h);
    }
    scan_done(&sc);
}

/* The newest segment has no footer yet: its numbers come from its blocks. */
static bool
count_newest(const struct directory_options *o, struct segment *seg, bool *gone, struct err *err)
{
    const char *dir = o->path;
    const struct fs *fs = &fs_system;
    char path[SEGMENT_PATH_MAX];
    struct replay_result found;

    if (!segment_path(dir, seg->header.number, false, path, err)) {
        return false;
    }
    int fd = fs->open(fs, path, O_RDONLY, 0);
    if (fd == -ENOENT) {
        *gone = true;
        return true;
    }
    if (fd < 0) {
        return segment_io(err, fd, "open spool segment", path);
    }
    struct replay in = {
        .fs = fs, .fd = fd, .path = path, .seg = seg, .keys = o->keys, .newest = true};
    bool ok = replay_segment(&in, &found, err);
    seg->tally = found.tally;
    seg->sealed = found.sealed;
    if (!ok && err->class == ERR_CONFIG && seg->header.key_id != 0) {
        err_clear(err);
        count_by_headers(fd, seg);
        ok = true;
    }
    (void)fs->close(fs, fd);
    return ok;
}

static bool
list_one(const struct directory_options *o, uint64_t number, bool newest,
    void (*each)(const struct spool_segment_info *info, void *arg), void *arg, struct err *err)
{
    char name[SEGMENT_NAME_MAX];
    struct segment seg;
    bool gone = false;
    bool ok = directory_segment(o, number, newest, &seg, &gone, err);
    /* What is damaged at the first look may be a block that is being written. */
    for (int i = 0; ok && newest && !gone && i < ATTEMPTS; i++) {
        err_clear(err);
        if (count_newest(o, &seg, &gone, err)) {
            break;
        }
        ok = i + 1 < ATTEMPTS && err->class == ERR_FATAL;
    }
    if (gone) {
        return true;
    }
    segment_name(number, false, name);
    struct spool_segment_info info = {
        .file = name,
        .number = number,
        .bytes = seg.size,
        .first_position = seg.tally.first_position,
        .last_position = seg.tally.last_position,
        .records = seg.tally.records,
        .transactions = seg.tally.commits,
        .sealed = seg.sealed,
        .packed = (seg.header.flags & FILE_PACKED) != 0,
        .key_id = seg.header.key_id,
        .first_received_us = seg.tally.first_received_us,
        .last_received_us = seg.tally.last_received_us,
        .damage = ok ? NULL : err->text,
    };
    each(&info, arg);
    return ok;
}

bool
spool_list(const char *path, const struct key_ring *keys,
    void (*each)(const struct spool_segment_info *info, void *arg), void *arg, struct err *err)
{
    struct directory_options o = {
        .fs = &fs_system, .path = path, .live = true, .trusting = true, .keys = keys};
    struct survey found;
    struct err first = ERR_INIT;
    if (!survey_read(o.fs, path, &found, err)) {
        survey_done(&found);
        return false;
    }
    for (size_t i = 0; i < found.segments.len; i++) {
        uint64_t number = found.segments.items[i];
        if (i > 0 && number != found.segments.items[i - 1] + 1) {
            (void)err_set(err, ERR_FATAL, "spool '%s' is damaged: segment %" PRIu64 " is missing",
                path, found.segments.items[i - 1] + 1);
            keep_first(&first, err);
        }
        if (!list_one(&o, number, i + 1 == found.segments.len, each, arg, err)) {
            keep_first(&first, err);
        }
    }
    survey_done(&found);
    return finish(&first, err);
}

/* --- side files ---------------------------------------------------------------------------------
 */

static bool
read_side(const char *path, const struct survey_side *side, struct spool_side_info *out, bool *gone,
    struct err *err)
{
    const struct fs *fs = &fs_system;
    uint8_t bytes[SEGMENT_HEADER_SIZE];
    struct segment_header h;
    uint32_t version;
    int fd = fs->open(fs, path, O_RDONLY, 0);
    *gone = fd == -ENOENT;
    if (fd < 0) {
        return *gone || segment_io(err, fd, "open side file", path);
    }
    int rc = fs->size(fs, fd, &out->bytes);
    ssize_t got = rc < 0 ? rc : fs->pread_all(fs, fd, bytes, sizeof(bytes), 0);
    (void)fs->close(fs, fd);
    if (got < 0) {
        return segment_io(err, (int)got, "read side file", path);
    }
    /* One that is being made may have no header yet. */
    if ((size_t)got < sizeof(bytes)) {
        return side->segment == 0 || segment_damaged(err, path, 0, "the header is cut off");
    }
    const char *why = segment_header_decode(bytes, &h, &version);
    if (why == NULL && (h.kind != FILE_SIDE || h.number != side->serial)) {
        why = "the header does not fit the file's name";
    }
    if (why != NULL) {
        return segment_damaged(err, path, 0, why);
    }
    out->xid = h.begin;
    out->key_id = h.key_id;
    return true;
}

static bool
list_side(const char *dir, const struct survey_side *side,
    void (*each)(const struct spool_side_info *info, void *arg), void *arg, struct err *err)
{
    char name[SIDE_NAME_MAX], path[SEGMENT_PATH_MAX];
    bool gone = false;
    struct spool_side_info info = {.file = name, .segment = side->segment, .serial = side->serial};
    side_name(side->segment, side->serial, name);
    if (!side_path(dir, side->segment, side->serial, path, err)) {
        return false;
    }
    bool ok = read_side(path, side, &info, &gone, err);
    if (!gone) {
        info.damage = ok ? NULL : err->text;
        each(&info, arg);
    }
    return ok;
}

bool
spool_list_sides(const char *path, void (*each)(const struct spool_side_info *info, void *arg),
    void *arg, struct err *err)
{
    struct survey found;
    struct err first = ERR_INIT;
    bool ok = survey_read(&fs_system, path, &found, err);
    for (size_t i = 0; ok && i < found.sides_len; i++) {
        if (!list_side(path, &found.sides[i], each, arg, err)) {
            keep_first(&first, err);
        }
    }
    survey_done(&found);
    return ok && finish(&first, err);
}
