/* SPDX-License-Identifier: Apache-2.0
 *
 * The durable log between capture and delivery. One writer appends records in commit order; any
 * number of readers follow it at their own pace. Bytes on disk: FORMAT.md.
 *
 * What it promises: a position that spool_durable() has returned is on the disk with everything
 * before it. After a crash of the process or the machine, spool_open() finds the log up to at least
 * that position, cuts a torn tail, and closes a transaction that was left open with a DISCARD
 * record, because the source will send it again from its begin.
 *
 * Locking: struct spool is shared. append, flush, sync and retire belong to the writer's thread
 * (capture); readers each belong to one thread. Everything else may be called from any thread. The
 * lock is inside.
 */
#ifndef TG_SPOOL_SPOOL_H
#define TG_SPOOL_SPOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/clock.h"
#include "agent/base/err.h"
#include "agent/base/fs.h"
#include "agent/change/record.h"
#include "agent/spool/budget.h"

struct key_ring;
struct spool;
struct spool_reader;
struct stop;

struct spool_options {
    const char *path; /* directory, created when missing; borrowed during spool_open */
    uint64_t feed_id; /* identifies the feed (PostgreSQL: system identifier); a spool of another
                         feed is refused with ERR_CONFIG. 0 when reading offline: not checked */
    uint32_t content; /* what payloads are (FORMAT.md); of another kind: refused in the same way */
    uint64_t segment_size; /* bytes after which a segment is sealed; 0: 64 MiB */
    uint32_t block_size;   /* bytes after which a block is closed; 0: 256 KiB */
    uint64_t max_size;     /* of all segments, bytes; 0: no limit; append gives ERR_RETRY at it */
    uint64_t min_free;     /* of the file system, bytes; append gives ERR_RETRY below it */
    int64_t keep_us;       /* segments that every sink has stay so long; 0: they go at once */
    uint64_t keep_size;    /* bytes of such segments at most; 0: no limit */
    bool read_only;        /* offline tools: nothing is repaired or written */
    bool salvage; /* with read_only: a damaged spool is opened up to the damaged place, which
                     spool_damage() tells */
    const struct key_ring *keys; /* what is written is encrypted with the current one; borrowed
                                    until spool_close. NULL: nothing is. A segment with a key that
                                    is not here is refused with ERR_CONFIG */
    const struct fs *fs;         /* NULL: fs_system */
    const struct clock *clock;   /* NULL: clock_system */
};

bool spool_open(const struct spool_options *o, struct spool **out, struct err *err) must_use;
void spool_close(struct spool *s); /* accepts NULL; all readers must be closed before */

/* What its payloads are; of an empty one what spool_open was told. */
uint32_t spool_content(const struct spool *s);
/* Of a spool opened with `salvage`: what was found wrong behind the part that can be read, NULL:
 * nothing. */
const struct err *spool_damage(const struct spool *s);
/* Of a spool opened for reading alone: takes in what another process has appended since; readers
 * see it from here on. One thread, which is also that of the readers. ERR_FATAL: damaged. */
bool spool_refresh(struct spool *s, struct err *err) must_use;

/* --- writer ---------- */

/* Copies the record into the open block. Order rules of agent/change/record.h are checked
 * (ERR_FATAL). A record that says nothing is taken without a trace: MARK inside of a transaction or
 * at the last position, DISCARD while no transaction is open.
 * ERR_RETRY: no room (budget or disk); nothing was taken, call again later. */
bool spool_append(struct spool *s, const struct record *rec, struct err *err) must_use;
/* Closes the open block: readers can see it from here on. Cheap when nothing is buffered. */
bool spool_flush(struct spool *s, struct err *err) must_use;
/* flush, and makes it durable. After an error of the disk the spool accepts nothing more
 * (ERR_FATAL): what the kernel did with the pages is unknown. */
bool spool_sync(struct spool *s, struct err *err) must_use;
/* Bytes appended since the last sync. */
uint64_t spool_unsynced(const struct spool *s);
/* Removes sealed segments that no reader needs any more: all whose transactions end at or before
 * `position`, and that keep_us and keep_size do not hold. The newest segment always stays. A few
 * segments per call, so that it does not hold up the writer: call it regularly. */
bool spool_retire(struct spool *s, uint64_t position, struct err *err) must_use;
/* So many bytes of what keep_us holds are in the way: the next calls of spool_retire let them go,
 * oldest first. Replaces what was said before. */
void spool_release_kept(struct spool *s, uint64_t bytes);

/* --- packing ---------- */

/* Writes one sealed segment again, compressed (zstd, `level`), in the place of the old one: one
 * that will be kept for long by what is known of the readers. *did: false when there is none, or no
 * room for the second file. For a thread of its own, beside the writer and the readers; one at a
 * time. An error leaves the spool as it was; so does a stop (may be NULL), soon. */
bool spool_pack_one(
    struct spool *s, int level, const struct stop *stop, bool *did, struct err *err) must_use;

/* --- state ---------- */

/* Position of the last commit or mark that is durable; 0 in a new spool. */
uint64_t spool_durable(const struct spool *s);
/* The same, of what was appended. */
uint64_t spool_appended(const struct spool *s);
/* Sets the starting position of an empty spool (the slot's consistent point) so that
 * durable/appended have a value before the first commit; durable when it returns. ERR_FATAL when it
 * is not empty. */
bool spool_set_start(struct spool *s, uint64_t position, struct err *err) must_use;

struct spool_stats {
    uint64_t bytes;      /* on disk, all segments and side files */
    uint64_t kept_bytes; /* of them, what every sink has (as of the last spool_retire) */
    uint32_t segments;
    uint32_t sides;             /* side files, of transactions that are still open too */
    uint64_t side_bytes;        /* in them */
    uint64_t records;           /* appended by this process */
    uint64_t durable, appended; /* positions */
    uint64_t oldest;            /* position from which on everything is still there */
    int64_t oldest_received_us; /* wall clock of the oldest record still kept; 0: empty */
    uint64_t packed_segments;   /* by this process */
    uint64_t saved_bytes;       /* that they are smaller than they were */
    uint64_t recycled_segments; /* whose file was used again, by this process */
};
void spool_stats(const struct spool *s, struct spool_stats *out);
/* What the budget is judged by (agent/spool/budget.h); asks the file system. Writer's thread. */
bool spool_use(const struct spool *s, struct budget_use *out, struct err *err) must_use;

/* --- readers ---------- */

/* Starts behind `position`: the first COMMIT or MARK the reader can return has a greater position;
 * the transaction's BEGIN and all SCHEMA records that its records need come before it. ERR_FATAL
 * when the spool does not reach back that far (segments were retired, or it is below the start
 * position). It may lie beyond the end: what comes up to it is left out. */
bool spool_reader_open(
    struct spool *s, uint64_t position, struct spool_reader **out, struct err *err) must_use;
/* *got = false: the end of what is flushed is reached. The record's payload is borrowed until the
 * next call. A checksum that does not match is ERR_FATAL with file and offset. */
bool spool_reader_next(
    struct spool_reader *r, struct record *rec, bool *got, struct err *err) must_use;
/* eventfd that becomes readable when more was flushed; the reader drains it itself in _next. */
int spool_reader_fd(const struct spool_reader *r);
/* Bytes of the log between this reader and the flushed end, and of the side files that are linked
 * from there: exact to a block, but a reader that was just opened counts those linked from the
 * whole of its first segment. Any thread. */
uint64_t spool_reader_behind(const struct spool_reader *r);
/* Wall clock at which the record read last was received; 0 before the first. Any thread. */
int64_t spool_reader_received_us(const struct spool_reader *r);
void spool_reader_close(struct spool_reader *r); /* accepts NULL */

#endif
