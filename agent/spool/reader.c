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
#include "agent/spool/internal.h"
#include "agent/spool/scan.h"

enum reader_mode { MODE_SKIP, MODE_ORPHAN, MODE_LIVE };

struct spool_reader {
    struct spool *spool;
    struct spool_reader *next;
    int event;
    _Atomic bool waiting; /* wants to be woken at the next flush */
    _Atomic uint64_t at;  /* log offset */
    _Atomic int64_t received_us;

    uint64_t number;       /* of the segment it reads or reads next; 0: the first there will be */
    uint64_t start_number; /* carried schemas of this one are wanted */
    uint64_t start;        /* position */
    int fd;                /* -1: not open yet */
    char path[SEGMENT_PATH_MAX];
    struct scan scan;

    /* the block that is being handed out */
    const uint8_t *next_byte, *payload, *payload_end;
    uint32_t left; /* records */
    uint64_t block_offset;
    struct record_base base;

    enum reader_mode mode;
    uint64_t boundary;     /* SKIP ends in the block at this log offset, */
    size_t boundary_bytes; /* behind so many bytes of its payload */
    bool ahead;            /* the start is beyond all that the spool had when it was opened */
    bool drop;             /* ahead: the open transaction is left out */
};

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

static bool
damaged(const struct spool_reader *r, uint64_t offset, const char *why, struct err *err)
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
    if (!*moved && seg->sealed && i + 1 < s->count &&
        r->scan.at == seg->data_end - seg->header.base) {
        r->number++;
        seg++;
        *moved = true;
    }
    uint64_t limit = seg->data_end - seg->header.base;
    if (*moved) {
        scan_file(&r->scan, -1, seg->header.base, limit);
    }
    r->scan.base = seg->header.base;
    r->scan.limit = limit;
    return r->scan.at < limit;
}

static bool
open_file(struct spool_reader *r, struct err *err)
{
    const struct fs *fs = r->spool->fs;
    if (!segment_path(r->spool->path, r->number, false, r->path, err)) {
        return false;
    }
    r->fd = fs->open(fs, r->path, O_RDONLY, 0);
    if (r->fd < 0) {
        return segment_io(err, r->fd, "open spool segment", r->path);
    }
    r->scan.fd = r->fd;
    return true;
}

/* Ensures that scan.at < scan.limit and the file is open, or says *got = false. */
static bool
refresh(struct spool_reader *r, bool *got, struct err *err)
{
    bool moved;
    do {
        pthread_mutex_lock(r->spool->lock);
        *got = refresh_locked(r, &moved);
        pthread_mutex_unlock(r->spool->lock);
        if (moved && r->fd >= 0) {
            (void)r->spool->fs->close(r->spool->fs, r->fd);
            r->fd = -1;
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
    return damaged(r, r->scan.at, res == SCAN_INVALID ? r->scan.why : "no block begins here", err);
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
            return false;
        }
        if (!*got) {
            note_at(r, r->scan.base + r->scan.at);
            return true;
        }
        struct block_header h;
        struct slice payload = {0};
        enum scan_result res = scan_peek(&r->scan, &h);
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
        r->base = (struct record_base){0, h.received_us};
        return true;
    }
}

/* --- what is handed out -------------------------------------------------------------------------
 */

static bool
fail_start(const struct spool_reader *r, const struct record *rec, const char *why, struct err *err)
{
    char at[FORMAT_SIZE], start[FORMAT_SIZE];
    return err_set(err, ERR_FATAL, "spool '%s', commit at %s, reading behind %s: %s",
        r->spool->path, format_lsn(rec->position, at), format_lsn(r->start, start), why);
}

/* LIVE, but the start was not in the spool when the reader was opened. */
static bool
want_ahead(struct spool_reader *r, const struct record *rec, bool *want, struct err *err)
{
    *want = !r->drop;
    switch (rec->kind) {
    case RECORD_BEGIN:
        r->drop = rec->position < r->start;
        *want = !r->drop;
        return true;
    case RECORD_SCHEMA:
        *want = true;
        return true;
    case RECORD_DISCARD:
        r->drop = false;
        return true;
    case RECORD_MARK:
    case RECORD_COMMIT:
        break;
    case RECORD_DATA:
    case RECORD_LINK:
    case RECORD_ABORTED:
    case RECORD_ABORT:
        return true;
    }
    if (rec->kind == RECORD_COMMIT && r->drop != (rec->position <= r->start)) {
        return fail_start(r, rec, "its BEGIN foretold that it lies on the other side", err);
    }
    *want = rec->position > r->start;
    r->ahead = rec->position < r->start;
    r->drop = false;
    return true;
}

static bool
want(struct spool_reader *r, const struct record *rec, bool *out, struct err *err)
{
    size_t read = (size_t)(r->next_byte - r->payload);
    switch (r->mode) {
    case MODE_SKIP:
        *out = rec->kind == RECORD_SCHEMA;
        if (r->block_offset == r->boundary && read >= r->boundary_bytes) {
            r->mode = MODE_LIVE;
        }
        return true;
    case MODE_ORPHAN:
        *out = rec->kind == RECORD_SCHEMA;
        if (rec->kind == RECORD_COMMIT) {
            return fail_start(r, rec, "the segment where it begins is gone", err);
        }
        if (rec->kind == RECORD_DISCARD) {
            r->mode = MODE_LIVE;
        }
        return true;
    case MODE_LIVE:
        break;
    }
    *out = true;
    return !r->ahead || want_ahead(r, rec, out, err);
}

bool
spool_reader_next(struct spool_reader *r, struct record *rec, bool *got, struct err *err)
{
    for (;;) {
        while (r->left > 0) {
            bool repeated, wanted;
            const char *why =
                record_decode(&r->next_byte, r->payload_end, &r->base, rec, &repeated);
            if (why != NULL) {
                *got = false;
                return damaged(r, r->block_offset - r->scan.base, why, err);
            }
            r->left--;
            if (!want(r, rec, &wanted, err)) {
                *got = false;
                return false;
            }
            if (wanted) {
                uint64_t read = (uint64_t)(r->next_byte - r->payload);
                note_at(r, r->block_offset + BLOCK_HEADER_SIZE + read);
                atomic_store_explicit(&r->received_us, rec->received_us, memory_order_relaxed);
                *got = true;
                return true;
            }
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

/* The end of the last COMMIT or MARK at or before the start, in bytes of the payload; 0: there is
 * none. */
static bool
last_before(const struct spool_reader *r, const struct block_header *h, struct slice payload,
    size_t *out, struct err *err)
{
    const uint8_t *at = payload.data, *end = payload.data + payload.len;
    struct record_base base = {0, h->received_us};
    *out = 0;
    for (uint32_t i = 0; i < h->records; i++) {
        struct record rec;
        bool repeated;
        const char *why = record_decode(&at, end, &base, &rec, &repeated);
        if (why != NULL) {
            return damaged(r, h->offset - r->scan.base, why, err);
        }
        if (rec.kind == RECORD_COMMIT || rec.kind == RECORD_MARK) {
            if (rec.position > r->start) {
                break;
            }
            *out = (size_t)(at - payload.data);
        }
    }
    return true;
}

/* Takes the payload of the block peeked, and the boundary from it if it is there. */
static bool
try_boundary(struct spool_reader *r, const struct block_header *h, bool *found, struct err *err)
{
    struct slice payload;
    enum scan_result res = scan_payload(&r->scan, h, &payload);
    if (res != SCAN_OK) {
        return scan_failed(r, res, err);
    }
    if (!last_before(r, h, payload, &r->boundary_bytes, err)) {
        return false;
    }
    *found = r->boundary_bytes > 0;
    if (*found) {
        r->boundary = h->offset;
    }
    return true;
}

/* The segment has a COMMIT or MARK at or before the start: finds the last one by the blocks'
 * headers. */
static bool
find_boundary(struct spool_reader *r, uint64_t position, struct err *err)
{
    struct block_header h;
    uint64_t candidate = 0; /* block that ends at or before the start and moved the position */
    enum scan_result res;
    bool found = false;

    while ((res = scan_peek(&r->scan, &h)) == SCAN_OK && h.position <= r->start) {
        candidate = h.position != position ? r->scan.at : candidate;
        position = h.position;
        scan_skip(&r->scan, &h);
    }
    if (res != SCAN_OK && res != SCAN_END) {
        return scan_failed(r, res, err);
    }
    if (res == SCAN_OK && !try_boundary(r, &h, &found, err)) {
        return false;
    }
    if (!found && candidate != 0) {
        scan_seek(&r->scan, candidate);
        res = scan_peek(&r->scan, &h);
        if (res != SCAN_OK) {
            return scan_failed(r, res, err);
        }
        if (!try_boundary(r, &h, &found, err)) {
            return false;
        }
    }
    if (!found) {
        return damaged(r, SEGMENT_HEADER_SIZE, "the records do not fit the segment's footer", err);
    }
    scan_seek(&r->scan, SEGMENT_HEADER_SIZE);
    r->mode = MODE_SKIP;
    return true;
}

/* Chooses the segment and protects it from retirement. Under the lock. */
static bool
choose_segment(struct spool_reader *r, struct segment *seg, bool *any, struct err *err)
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
        r->number = seg->header.number;
        scan_file(&r->scan, -1, seg->header.base, seg->data_end - seg->header.base);
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
    bool any;

    pthread_mutex_lock(r->spool->lock);
    bool ok = choose_segment(r, &seg, &any, err);
    pthread_mutex_unlock(r->spool->lock);
    if (!ok || !any) {
        return ok;
    }
    if (seg.tally.first_position != 0 && seg.tally.first_position <= r->start) {
        return open_file(r, err) && find_boundary(r, seg.header.position, err);
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
    note_at(r, r->mode == MODE_SKIP ? r->boundary + BLOCK_HEADER_SIZE + r->boundary_bytes
                                    : r->scan.base + r->scan.at);
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
    return end > at ? end - at : 0;
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
    if (r->fd >= 0) {
        (void)r->spool->fs->close(r->spool->fs, r->fd);
    }
    if (r->event >= 0) {
        (void)close(r->event);
    }
    scan_done(&r->scan);
    x_free(r);
}
