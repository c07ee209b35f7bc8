/* SPDX-License-Identifier: Apache-2.0
 *
 * Listing believes headers and footers and reads only the newest segment; verifying reads every
 * byte. Both take the directory as it was at one moment: what a running agent appends meanwhile
 * looks like a torn tail at most, and what it retires meanwhile is left out.
 */
#include "agent/spool/inspect.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>

#include "agent/base/fs.h"
#include "agent/spool/directory.h"
#include "agent/spool/replay.h"

static bool
read_directory(const char *path, struct directory *dir, struct err *err)
{
    struct directory_options o = {.fs = &fs_system, .path = path, .live = true};
    return directory_read(&o, dir, err);
}

/* *gone: retired meanwhile. */
static bool
replay_file(const char *dir, const struct segment *seg, bool newest, struct replay_result *out,
    bool *gone, struct err *err)
{
    const struct fs *fs = &fs_system;
    char path[SEGMENT_PATH_MAX];

    *gone = false;
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
    struct replay in = {.fs = fs, .fd = fd, .path = path, .seg = seg, .newest = newest};
    bool ok = replay_segment(&in, out, err);
    (void)fs->close(fs, fd);
    return ok;
}

static void
tell(const struct segment *seg, const struct tally *t, bool sealed,
    void (*each)(const struct spool_segment_info *info, void *arg), void *arg)
{
    char name[SEGMENT_NAME_MAX];
    segment_name(seg->header.number, false, name);
    struct spool_segment_info info = {
        .file = name,
        .number = seg->header.number,
        .bytes = seg->size,
        .first_position = t->first_position,
        .last_position = t->last_position,
        .records = t->records,
        .transactions = t->commits,
        .sealed = sealed,
        .first_received_us = t->first_received_us,
        .last_received_us = t->last_received_us,
    };
    each(&info, arg);
}

bool
spool_list(const char *path, void (*each)(const struct spool_segment_info *info, void *arg),
    void *arg, struct err *err)
{
    struct directory dir;
    struct replay_result found;
    bool gone = true;
    bool ok = read_directory(path, &dir, err);

    for (size_t i = 0; ok && i + 1 < dir.count; i++) {
        tell(&dir.segments[i], &dir.segments[i].tally, true, each, arg);
    }
    if (ok && dir.count > 0) {
        const struct segment *newest = &dir.segments[dir.count - 1];
        ok = replay_file(path, newest, true, &found, &gone, err);
        if (ok && !gone) {
            tell(newest, &found.tally, found.sealed, each, arg);
        }
    }
    directory_done(&dir);
    return ok;
}

/* The header of `next` repeats the state behind the segment before it. */
static bool
check_seam(const char *path, const struct replay_result *before, const struct segment *next,
    struct err *err)
{
    const struct segment_header *h = &next->header;
    uint64_t begin = before->order.open ? before->begin : h->number;
    char file[SEGMENT_PATH_MAX];
    if (h->position == before->order.position && h->begin == begin) {
        return true;
    }
    return segment_path(path, h->number, false, file, err) &&
           segment_damaged(
               err, file, 0, "the header does not fit the end of the segment before it");
}

bool
spool_verify(const char *path, struct spool_verdict *out, struct err *err)
{
    struct directory dir;
    struct replay_result found;
    bool ok = read_directory(path, &dir, err);
    bool have_before = false;

    *out = (struct spool_verdict){0};
    for (size_t i = 0; ok && i < dir.count; i++) {
        const struct segment *seg = &dir.segments[i];
        bool gone;
        ok = !have_before || check_seam(path, &found, seg, err);
        ok = ok && replay_file(path, seg, i + 1 == dir.count, &found, &gone, err);
        have_before = ok && !gone;
        if (have_before) {
            out->segments++;
            out->blocks += found.blocks;
            out->records += found.tally.records;
            out->bytes += seg->size;
            out->torn_bytes = found.torn;
        }
    }
    directory_done(&dir);
    return ok;
}
