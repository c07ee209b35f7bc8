/* SPDX-License-Identifier: Apache-2.0
 *
 * Somebody may have opened the file by its old name and read it at leisure: once it has its new
 * name nobody else can come, so one look at who has it open decides.
 *
 * Not kept: what is smaller than a segment (packed ones), what has another key than the next one
 * will have (rows in clear must not outlive their time behind encrypted ones), and anything while
 * room is scarce.
 */
#include "agent/spool/recycle.h"

#include <fcntl.h>

#include "agent/base/failpoint.h"

static bool
room_for_spare(const struct spool *s, const struct segment *seg)
{
    return s->release == 0 && (s->max_size == 0 || s->bytes + seg->size <= s->max_size / 2);
}

static bool
may_keep(const struct spool *s, const struct segment *seg)
{
    const struct key *k = s->keys ? s->keys->current : NULL;
    return s->fs->alone && s->spare == 0 && !segment_packed(seg) && seg->size >= s->segment_size &&
           seg->size / 2 <= s->segment_size && seg->header.key_id == (k ? key_id(k) : 0) &&
           room_for_spare(s, seg);
}

static bool
is_alone(const struct spool *s, const char *path)
{
    int fd = s->fs->open(s->fs, path, O_RDWR, 0);
    bool alone = fd >= 0 && s->fs->alone(s->fs, fd);
    if (fd >= 0) {
        (void)s->fs->close(s->fs, fd);
    }
    return alone;
}

int
recycle_segment(struct spool *s, const struct segment *seg, const char *path)
{
    char tmp[SEGMENT_PATH_MAX];
    struct err ignored = ERR_INIT;
    uint64_t next = spool_newest(s)->header.number + 1;
    if (!may_keep(s, seg) || !segment_path(s->path, next, true, tmp, &ignored)) {
        return s->fs->unlink(s->fs, path);
    }
    int rc = s->fs->rename(s->fs, path, tmp);
    if (rc < 0) {
        return rc;
    }
    FAILPOINT("spool.recycled");
    if (!is_alone(s, tmp)) {
        return s->fs->unlink(s->fs, tmp);
    }
    s->spare = next;
    s->spare_key = seg->header.key_id;
    return 0;
}

bool
recycle_take(struct spool *s, const struct segment_header *h)
{
    bool fits = s->spare == h->number && s->spare_key == h->key_id;
    s->recycled += fits;
    s->spare = 0;
    return fits;
}
