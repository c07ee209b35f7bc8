/* SPDX-License-Identifier: Apache-2.0
 *
 * A reader walks over blocks with struct scan; its limit is the end that the writer has published.
 * It finds its start when it is opened (FORMAT.md, "Finding a start") and then is in one of these
 * modes:
 *
 *   SKIP    in front of the start: SCHEMA alone is handed out   --> LIVE  behind the record at the
 * boundary ORPHAN  the tail of a void transaction that began earlier   --> LIVE  behind its DISCARD
 *   LIVE    everything is handed out; while `ahead`, transactions at or before the start are left
 * out
 *
 * Locking: struct spool_reader belongs to one thread but for `number` (spool's lock) and the
 * atomics.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "agent/base/arena.h"
#include "agent/base/parse.h"
#include "agent/spool/reader.intern.h"
#include "agent/spool/start.h"

#define SKIP_AHEAD 4096u

void
reader_wake_all(struct spool *s)
{
    for (struct spool_reader *r = s->readers; r != NULL; r = r->next) {
        if (atomic_exchange(&r->waiting, false)) {
            (void)eventfd_write(r->event, 1);
        }
    }
}

uint64_t
reader_lowest_segment(const struct spool *s)
{
    uint64_t lowest = UINT64_MAX;
    for (const struct spool_reader *r = s->readers; r != NULL; r = r->next) {
        lowest = r->number < lowest ? r->number : lowest;
    }
    return lowest;
}

bool
reader_near(const struct spool *s, uint64_t number)
{
    for (const struct spool_reader *r = s->readers; r != NULL; r = r->next) {
        if (r->number == number || r->number + 1 == number) {
            return true;
        }
    }
    return false;
}

bool
reader_damaged(const struct spool_reader *r, uint64_t offset, const char *why, struct err *err)
{
    return segment_damaged(err, r->path, offset, why);
}

/* --- files --------------------------------------------------------------------------------------
 */

/* Where the reader stands as the index sees it: more of the same segment, or the next one. */
static bool
refresh_locked(struct spool_reader *r, bool *moved)
{
    struct spool *s = r->spool;
    *moved = false;
    if (s->count == 0) {
        return false;
    }
    uint64_t first = s->segments[0].header.number;
    if (r->number == 0) {
        r->number = first;
        *moved = true;
    }
    size_t i = (size_t)(r->number - first);
    const struct segment *seg = &s->segments[i];
    if (!*moved && seg->sealed && i + 1 < s->count && r->scan.log == seg->data_end) {
        r->number++;
        seg++;
        *moved = true;
    }
    /* A file that was packed before it was opened has a limit of its own; one that was opened
     * before stays as it was. */
    uint64_t limit = seg->data_end - seg->header.base;
    if (*moved) {
        scan_file(&r->scan, -1, seg->header.base, limit);
    } else if (!r->codec.packed) {
        r->scan.limit = limit;
    }
    return r->scan.log < seg->data_end;
}

/* The file as it is now, which may have been packed since the index was looked at. */
static bool
read_head(struct spool_reader *r, struct segment *seg, struct err *err)
{
    const struct fs *fs = r->spool->fs;
    if (!segment_read_header(fs, r->fd, r->path, r->number, &seg->header, err) ||
        !codec_open(&r->codec, r->spool->keys, &seg->header, r->path, err)) {
        return false;
    }
    scan_codec(&r->scan, &r->codec);
    return true;
}

static void
close_file(struct spool_reader *r)
{
    if (r->fd >= 0) {
        (void)r->spool->fs->close(r->spool->fs, r->fd);
        r->fd = -1;
    }
    codec_done(&r->codec);
}

static bool
open_file(struct spool_reader *r, struct err *err)
{
    const struct fs *fs = r->spool->fs;
    struct segment seg = {0};
    struct segment_footer f;
    struct index ix = {0};
    if (!segment_path(r->spool->path, r->number, false, r->path, err)) {
        return false;
    }
    r->fd = fs->open(fs, r->path, O_RDONLY, 0);
    if (r->fd < 0) {
        return segment_io(err, r->fd, "open spool segment", r->path);
    }
    r->scan.fd = r->fd;
    bool ok = read_head(r, &seg, err);
    if (ok && r->codec.packed) {
        const struct index_file in = {fs, r->fd, &r->codec};
        ok = index_open(&in, r->path, &seg.header, &f, &ix, err);
        r->scan.limit = ok ? f.index : r->scan.limit;
        index_done(&ix);
    }
    if (!ok) {
        close_file(r);
    }
    return ok;
}

/* Ensures that scan.at < scan.limit and the file is open, or says *got = false. */
static bool
refresh(struct spool_reader *r, bool *got, struct err *err)
{
    bool moved;
    do {
        pthread_mutex_lock(r->spool->lock);
        *got = refresh_locked(r, &moved);
        if (moved) {
            atomic_store(&r->side_at, side_before(r->spool, r->number));
        }
        pthread_mutex_unlock(r->spool->lock);
        if (moved) {
            close_file(r);
        }
    } while (moved && !*got);
    if (*got && r->fd < 0) {
        return open_file(r, err);
    }
    return true;
}

static bool
wait_for_more(struct spool_reader *r, bool *got, struct err *err)
{
    eventfd_t drained;
    (void)eventfd_read(r->event, &drained);
    /* First ask to be woken, then look again: what is flushed in between is seen by one of the two.
     */
    atomic_store(&r->waiting, true);
    return refresh(r, got, err);
}

/* --- blocks -------------------------------------------------------------------------------------
 */

static bool
scan_failed(const struct spool_reader *r, enum scan_result res, struct err *err)
{
    if (res == SCAN_ERROR) {
        return segment_io(err, r->scan.rc, "read spool segment", r->path);
    }
    return reader_damaged(
        r, r->scan.at, res == SCAN_INVALID ? r->scan.why : "no block begins here", err);
}

/* Blocks whose records would all be left out need not be read. */
static bool
unwanted(const struct spool_reader *r, const struct block_header *h)
{
    if (h->flags & BLOCK_CARRIED) {
        return r->number != r->start_number;
    }
    return r->mode == MODE_SKIP && h->offset < r->boundary && !(h->flags & BLOCK_SCHEMA);
}

static void
note_at(struct spool_reader *r, uint64_t log_offset)
{
    atomic_store_explicit(&r->at, log_offset, memory_order_relaxed);
}

static bool
load_block(struct spool_reader *r, bool *got, struct err *err)
{
    for (;;) {
        *got = r->fd >= 0 && r->scan.at < r->scan.limit;
        if (!*got && (!refresh(r, got, err) || (!*got && !wait_for_more(r, got, err)))) {
            *got = false;
            return false;
        }
        if (!*got) {
            note_at(r, r->scan.log);
            return true;
        }
        struct block_header h;
        struct slice payload = {0};
        /* In front of the start most blocks are only stepped over: their bytes are not wanted. */
        r->scan.ahead = r->mode == MODE_SKIP ? SKIP_AHEAD : 0;
        enum scan_result res = scan_peek(&r->scan, &h);
        r->block_at = r->scan.at;
        if (res == SCAN_OK && unwanted(r, &h)) {
            scan_skip(&r->scan, &h);
            continue;
        }
        if (res == SCAN_OK) {
            res = scan_payload(&r->scan, &h, &payload);
        }
        if (res != SCAN_OK) {
            *got = false;
            return scan_failed(r, res, err);
        }
        r->payload = r->next_byte = payload.data;
        r->payload_end = payload.data + payload.len;
        r->left = h.records;
        r->block_offset = h.offset;
        r->base = (struct record_base){0, h.received_us, false};
        return true;
    }
}

/* --- reading ------------------------------------------------------------------------------------
 */

bool
spool_reader_next(struct spool_reader *r, struct record *rec, bool *got, struct err *err)
{
    for (;;) {
        if (r->linked) {
            if (!reader_next_of_side(r, rec, got, err)) {
                return false;
            }
            if (*got) {
                return true;
            }
        }
        while (r->left > 0) {
            bool repeated, wanted;
            const char *why =
                record_decode(&r->next_byte, r->payload_end, &r->base, rec, &repeated);
            if (why != NULL) {
                *got = false;
                return reader_damaged(r, r->block_at, why, err);
            }
            r->left--;
            if (!reader_want(r, rec, &wanted, err) ||
                (rec->kind == RECORD_LINK && !reader_enter_side(r, rec, wanted, err))) {
                *got = false;
                return false;
            }
            if (r->linked) {
                break;
            }
            if (wanted) {
                uint64_t read = (uint64_t)(r->next_byte - r->payload);
                note_at(r, r->block_offset + BLOCK_HEADER_SIZE + read);
                atomic_store_explicit(&r->received_us, rec->received_us, memory_order_relaxed);
                *got = true;
                return true;
            }
        }
        if (r->linked) {
            continue;
        }
        if (!load_block(r, got, err)) {
            return false;
        }
        if (!*got) {
            return true;
        }
    }
}

/* --- opening ------------------------------------------------------------------------------------
 */

/* The segment has a COMMIT or MARK at or before the start: reads up to the last one for its schemas
 * alone. */
static bool
skip_to_start(
    struct spool_reader *r, const struct segment *seg, const struct index_hit *hit, struct err *err)
{
    struct start where = {
        .fs = r->spool->fs,
        .path = r->path,
        .scan = &r->scan,
        .position = r->start,
        .before = seg->header.position,
    };
    if (!open_file(r, err)) {
        return false;
    }
    bool in_file = seg->sealed || r->codec.packed;
    if (!start_find(&where, in_file ? NULL : hit, err)) {
        return false;
    }
    r->boundary = where.boundary;
    r->boundary_bytes = where.boundary_bytes;
    r->mode = MODE_SKIP;
    return true;
}

/* Chooses the segment and protects it from retirement. Under the lock. */
static bool
choose_segment(
    struct spool_reader *r, struct segment *seg, struct index_hit *hit, bool *any, struct err *err)
{
    struct spool *s = r->spool;
    *any = s->count > 0;
    if (*any) {
        uint64_t oldest = spool_oldest(s);
        if (r->start < oldest) {
            char start[FORMAT_SIZE], first[FORMAT_SIZE];
            return err_set(err, ERR_FATAL, "spool '%s' begins at %s and does not reach back to %s",
                s->path, format_lsn(oldest, first), format_lsn(r->start, start));
        }
        *seg = s->segments[spool_start_segment(s, r->start)];
        if (!seg->sealed) {
            index_find(&s->index, r->start, seg->header.position, hit);
        }
        r->number = seg->header.number;
        scan_file(&r->scan, -1, seg->header.base, seg->data_end - seg->header.base);
        atomic_store(&r->side_at, side_before(s, r->number));
    }
    r->ahead = r->start > atomic_load(&s->position);
    r->start_number = *any ? r->number : 1;
    r->next = s->readers;
    s->readers = r;
    return true;
}

static bool
find_start(struct spool_reader *r, struct err *err)
{
    struct segment seg = {0};
    struct index_hit hit = {0};
    bool any;

    pthread_mutex_lock(r->spool->lock);
    bool ok = choose_segment(r, &seg, &hit, &any, err);
    pthread_mutex_unlock(r->spool->lock);
    if (!ok || !any) {
        return ok;
    }
    if (seg.tally.first_position != 0 && seg.tally.first_position <= r->start) {
        return skip_to_start(r, &seg, &hit, err);
    }
    if (seg.header.begin != seg.header.number) {
        r->mode = MODE_ORPHAN;
    }
    return true;
}

bool
spool_reader_open(struct spool *s, uint64_t position, struct spool_reader **out, struct err *err)
{
    struct spool_reader *r = x_zalloc(sizeof(*r));

    *out = NULL;
    r->spool = s;
    r->start = position;
    r->fd = -1;
    r->mode = MODE_LIVE;
    scan_init(&r->scan, s->fs, s->block_size + 64u * 1024);
    scan_file(&r->scan, -1, 0, SEGMENT_HEADER_SIZE);
    r->event = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (r->event < 0) {
        int sys = errno;
        spool_reader_close(r);
        return err_sys(err, ERR_RETRY, sys, "open a reader of spool '%s'", s->path);
    }
    if (!find_start(r, err)) {
        spool_reader_close(r);
        return false;
    }
    note_at(r,
        r->mode == MODE_SKIP ? r->boundary + BLOCK_HEADER_SIZE + r->boundary_bytes : r->scan.log);
    /* Who polls before the first read must not miss what is there. */
    atomic_store(&r->waiting, true);
    (void)eventfd_write(r->event, 1);
    *out = r;
    return true;
}

int
spool_reader_fd(const struct spool_reader *r)
{
    return r->event;
}

uint64_t
spool_reader_behind(const struct spool_reader *r)
{
    uint64_t at = atomic_load_explicit(&r->at, memory_order_relaxed);
    uint64_t end = atomic_load(&r->spool->flushed);
    uint64_t side_at = atomic_load_explicit(&r->side_at, memory_order_relaxed);
    uint64_t side_end = atomic_load(&r->spool->side_flushed);
    return (end > at ? end - at : 0) + (side_end > side_at ? side_end - side_at : 0);
}

int64_t
spool_reader_received_us(const struct spool_reader *r)
{
    return atomic_load_explicit(&r->received_us, memory_order_relaxed);
}

void
spool_reader_close(struct spool_reader *r)
{
    if (r == NULL) {
        return;
    }
    pthread_mutex_lock(r->spool->lock);
    for (struct spool_reader **p = &r->spool->readers; *p != NULL; p = &(*p)->next) {
        if (*p == r) {
            *p = r->next;
            break;
        }
    }
    pthread_mutex_unlock(r->spool->lock);
    close_file(r);
    if (r->event >= 0) {
        (void)close(r->event);
    }
    reader_leave_side(r);
    scan_done(&r->scan);
    x_free(r);
}
