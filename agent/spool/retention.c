/* SPDX-License-Identifier: Apache-2.0
 *
 * What stays although every sink has it, and for how long. Segments go from the front alone, so the
 * oldest one decides: it stays while the others that nobody needs are few enough bytes, its last
 * record is young enough, and nobody has asked for its room.
 */
#include "agent/spool/retention.h"

/* Under the lock: segments at the front that no sink and no reader needs; never the newest. */
static size_t
passed(const struct spool *s, uint64_t position)
{
    if (s->count <= 1 || position < spool_oldest(s)) {
        return 0;
    }
    size_t n = spool_start_segment(s, position);
    uint64_t first = s->segments[0].header.number, reader = reader_lowest_segment(s);
    if (reader <= first) {
        return 0;
    }
    return reader - first < n ? (size_t)(reader - first) : n;
}

/* Of the first n segments, with the side files that are linked from them. */
static uint64_t
bytes_of(const struct spool *s, size_t n)
{
    if (n == 0) {
        return 0;
    }
    uint64_t first = s->segments[0].header.number;
    uint64_t bytes = side_before(s, first + n) - side_before(s, first);
    for (size_t i = 0; i < n; i++) {
        bytes += s->segments[i].size;
    }
    return bytes;
}

uint64_t
retention_kept(const struct spool *s)
{
    return bytes_of(s, passed(s, s->retired_to));
}

static bool
is_young(const struct spool *s, const struct segment *seg)
{
    int64_t last = seg->tally.last_received_us;
    int64_t born = last != 0 ? last : seg->header.created_us;
    return clock_wall_us(s->clock) - born < s->keep_us;
}

bool
retention_lets_go(struct spool *s, uint64_t position)
{
    size_t n = passed(s, position);
    const struct segment *first = s->segments;
    if (n == 0) {
        return false;
    }
    if (s->keep_us == 0 || !is_young(s, first)) {
        return true;
    }
    if (s->release > 0) {
        uint64_t bytes = bytes_of(s, 1);
        s->release -= bytes < s->release ? bytes : s->release;
        return true;
    }
    return s->keep_size != 0 && bytes_of(s, n) > s->keep_size;
}

void
spool_release_kept(struct spool *s, uint64_t bytes)
{
    s->release = bytes;
}

bool
spool_use(const struct spool *s, struct budget_use *out, struct err *err)
{
    struct fs_space space;
    *out = (struct budget_use){0};
    pthread_mutex_lock(s->lock);
    out->used = s->bytes + (block_empty(&s->block) ? 0 : s->block.used);
    out->kept = retention_kept(s);
    pthread_mutex_unlock(s->lock);
    int rc = s->fs->space(s->fs, s->path, &space);
    if (rc < 0) {
        return segment_io(err, rc, "ask for free space of", s->path);
    }
    out->disk_known = true;
    out->free = space.free;
    return true;
}
