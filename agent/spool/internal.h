/* SPDX-License-Identifier: Apache-2.0
 *
 * The struct behind spool.h, shared by spool.c, writer.c and reader.c.
 *
 * Locking: `lock` guards segments, count, cap, bytes, retired_to, readers, each reader's `number`,
 * and `index`. Only the writer's thread changes segments, count and cap, so it alone may read them
 * without the lock; but for header, size and kept_as_is of sealed segments in front of the newest,
 * which the packing thread changes. The atomics are for callers that want one number. Everything
 * below "writer" belongs to the writer's thread.
 */
#ifndef TG_SPOOL_INTERNAL_H
#define TG_SPOOL_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "agent/spool/block.h"
#include "agent/spool/index.h"
#include "agent/spool/order.h"
#include "agent/spool/schemas.h"
#include "agent/spool/segment.h"
#include "agent/spool/side_set.h"
#include "agent/spool/spool.h"

struct spool {
    /* fixed after spool_open */
    const struct fs *fs;
    const struct clock *clock;
    char *path;
    uint32_t content;
    uint64_t feed_id, segment_size, max_size, min_free;
    uint32_t block_size;
    int64_t keep_us;
    uint64_t keep_size;
    bool read_only, salvage;
    struct err damage;           /* salvage: what stands behind the end; class ERR_NONE: nothing */
    const struct key_ring *keys; /* or NULL */
    int lock_fd;                 /* of the lock file, -1: none */

    pthread_mutex_t *lock;    /* apart, so that it can be taken for a look at a const spool */
    struct segment *segments; /* in order of the log */
    size_t count, cap;
    _Atomic uint64_t bytes; /* of all segments and side files */
    uint64_t retired_to;    /* position that the last spool_retire was given */
    uint64_t packed, saved; /* segments packed by this process, bytes that they lost by it */
    struct spool_reader *readers;
    struct index index; /* of the newest segment's blocks; for the writer to change */

    _Atomic uint64_t flushed;           /* log offset behind the last block that readers may see */
    _Atomic uint64_t position;          /* of the last COMMIT or MARK that readers may see */
    _Atomic uint64_t durable, appended; /* positions */
    _Atomic uint64_t records;
    _Atomic uint64_t unsynced;
    _Atomic uint64_t side_flushed; /* bytes of all side files whose LINK readers may see, retired
                                      ones too, counted as side_file.before is */

    /* writer */
    int fd;                /* of the newest segment, -1: none */
    struct codec codec;    /* of the newest segment */
    uint64_t end;          /* offset in the newest segment of the next block */
    uint64_t first_block;  /* offset behind its carried blocks */
    uint64_t begin;        /* segment of the open transaction's BEGIN */
    uint64_t synced;       /* log offset below which everything is durable */
    uint64_t space_credit; /* bytes that may be written before free space is asked for again */
    uint64_t release;      /* kept bytes that are in the way */
    uint64_t spare;        /* number of the segment that a file waits for (recycle.h); 0: none */
    uint64_t spare_key;    /* key_id of what it holds */
    _Atomic uint64_t recycled; /* files used again by this process */
    struct order order;        /* behind the last record taken */
    struct block block;
    struct tally tally; /* of the records in `block` */
    struct schemas schemas;
    struct side_set sides;
    bool discard_due; /* an earlier process left a transaction open, its DISCARD is not yet written
                       */
    bool failed;
    struct err failure; /* why, when failed */
};

/* The newest segment; count > 0. */
static inline struct segment *
spool_newest(struct spool *s)
{
    return &s->segments[s->count - 1];
}

/* Puts `seg` at the end of the index. Under the lock. */
void spool_push_segment(struct spool *s, const struct segment *seg);
/* Position from which on everything can be read. Under the lock; count > 0. */
uint64_t spool_oldest(const struct spool *s);
/* Index of the segment in which a reader of everything behind `position` has to start; `position`
 * is not below spool_oldest. Under the lock; count > 0. */
size_t spool_start_segment(const struct spool *s, uint64_t position);

static inline void
spool_spend(struct spool *s, uint64_t bytes)
{
    s->space_credit -= bytes < s->space_credit ? bytes : s->space_credit;
}

/* Makes segment 1 (again) with a start position; the spool has no records. */
bool writer_first_segment(struct spool *s, uint64_t position, struct err *err) must_use;
/* Appends the DISCARD that is due, and syncs. ERR_RETRY: no room. */
bool writer_discard(struct spool *s, struct err *err) must_use;
/* Takes a record that is in order into the log. ERR_RETRY: it was not taken. */
bool writer_take(struct spool *s, const struct record *rec, struct err *err) must_use;
/* Makes the place for a BEGIN and a LINK: both will stand in the segment that is the newest then.
 */
bool writer_place_linked(struct spool *s, const struct record *begin, struct err *err) must_use;
/* Takes them there. ERR_RETRY: none was taken. */
bool writer_take_linked(struct spool *s, const struct record *begin, const struct record *link,
    struct err *err) must_use;
/* The error is final: the spool takes nothing more. Returns false. */
bool writer_fail(struct spool *s, const struct err *err);
bool writer_check(const struct spool *s, struct err *err) must_use;

/* Wakes all readers that wait. Under the lock. */
void reader_wake_all(struct spool *s);
/* Lowest segment that an open reader needs, UINT64_MAX: none. Under the lock. */
uint64_t reader_lowest_segment(const struct spool *s);
/* Is an open reader in this segment, or in the one before it? Under the lock. */
bool reader_near(const struct spool *s, uint64_t number);

/* `err` comes from opening; true when the spool shall be used up to there. */
bool spool_salvage(struct spool *s, const struct err *err);

#endif
