/* SPDX-License-Identifier: Apache-2.0
 *
 * The ids of aborted subtransactions stand at the end of the file, because the source tells them
 * last; the LINK record says where. They are read first, then the blocks in front of them from the
 * beginning. All bytes of the file were durable before the LINK was written: whatever is not valid
 * here is damage, never a torn tail.
 */
#include "agent/spool/side.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>

#include "agent/base/arena.h"
#include "agent/base/parse.h"

#define BUFFER (256u * 1024)

void
side_name(uint64_t segment, uint64_t serial, char out[SIDE_NAME_MAX])
{
    if (segment == 0) {
        snprintf(out, SIDE_NAME_MAX, "%010" PRIu64 ".open", serial);
    } else {
        snprintf(out, SIDE_NAME_MAX, "%010" PRIu64 "-%010" PRIu64 ".side", segment, serial);
    }
}

/* The number at *at, at least ten digits; moves on. */
static bool
take_number(const char **at, uint64_t *out)
{
    char digits[24];
    size_t n = strspn(*at, "0123456789");
    if (n < 10 || n > 20) {
        return false;
    }
    memcpy(digits, *at, n);
    digits[n] = '\0';
    *at += n;
    return parse_u64(digits, 1, UINT64_MAX, out);
}

bool
side_name_parse(const char *name, uint64_t *segment, uint64_t *serial)
{
    const char *at = name;
    uint64_t first;
    if (!take_number(&at, &first)) {
        return false;
    }
    if (strcmp(at, ".open") == 0) {
        *segment = 0;
        *serial = first;
        return true;
    }
    *segment = first;
    return *at++ == '-' && take_number(&at, serial) && strcmp(at, ".side") == 0;
}

bool
side_path(
    const char *dir, uint64_t segment, uint64_t serial, char out[SEGMENT_PATH_MAX], struct err *err)
{
    char name[SIDE_NAME_MAX];
    side_name(segment, serial, name);
    return segment_path_of(dir, name, out, err);
}

static bool
damaged(const struct side_walk *w, uint64_t at, const char *why, struct err *err)
{
    return segment_damaged(err, w->path, at, why);
}

/* --- blocks -------------------------------------------------------------------------------------
 */

static const char *
block_fault(const struct block_header *h)
{
    if (h->position != 0 || h->commits != 0 || h->synced > h->offset ||
        (h->flags & (BLOCK_OPEN | BLOCK_CARRIED))) {
        return "the block's header does not belong into a side file";
    }
    return NULL;
}

static bool
scan_failed(const struct side_walk *w, enum scan_result res, struct err *err)
{
    if (res == SCAN_ERROR) {
        return segment_io(err, w->scan.rc, "read side file", w->path);
    }
    return damaged(w, w->scan.at, res == SCAN_INVALID ? w->scan.why : "no block begins here", err);
}

/* The header of the next block; *end: there is none. */
static bool
peek_block(struct side_walk *w, struct block_header *h, bool *end, struct err *err)
{
    enum scan_result res = scan_peek(&w->scan, h);
    *end = res == SCAN_END;
    if (*end) {
        return true;
    }
    if (res != SCAN_OK) {
        return scan_failed(w, res, err);
    }
    const char *why = block_fault(h);
    return why == NULL || damaged(w, w->scan.at, why, err);
}

/* Takes the block that was peeked. */
static bool
take_block(struct side_walk *w, const struct block_header *h, struct err *err)
{
    struct slice payload;
    uint64_t at = w->scan.at;
    enum scan_result res = scan_payload(&w->scan, h, &payload);
    if (res != SCAN_OK) {
        return scan_failed(w, res, err);
    }
    w->next_byte = payload.data;
    w->payload_end = payload.data + payload.len;
    w->left = h->records;
    w->flags = h->flags;
    w->seen = 0;
    w->block_at = at;
    w->base = (struct record_base){0, h->received_us, true};
    w->blocks++;
    return true;
}

static bool
take_record(struct side_walk *w, struct record *rec, struct err *err)
{
    bool repeated;
    const char *why = record_decode(&w->next_byte, w->payload_end, &w->base, rec, &repeated);
    if (why != NULL) {
        return damaged(w, w->block_at, why, err);
    }
    w->left--;
    w->seen |= rec->kind == RECORD_SCHEMA ? (uint32_t)BLOCK_SCHEMA : 0;
    if (w->left == 0 &&
        (w->next_byte != w->payload_end || w->seen != (w->flags & (uint32_t)BLOCK_SCHEMA))) {
        return damaged(w, w->block_at, "the block's header does not fit its records", err);
    }
    return true;
}

/* --- aborted subtransactions --------------------------------------------------------------------
 */

static const char *
keep_aborted(struct side_walk *w, const struct record *rec)
{
    if (rec->kind != RECORD_ABORTED || rec->xid != w->xid) {
        return "another record among those of aborted subtransactions";
    }
    if (rec->payload.len == 0 || rec->payload.len % 4 != 0) {
        return "half an id of an aborted subtransaction";
    }
    for (size_t i = 0; i < rec->payload.len; i += 4) {
        uint32_t id;
        memcpy(&id, rec->payload.data + i, 4);
        id = le32toh(id);
        if (w->aborted_count > 0 && id <= w->aborted[w->aborted_count - 1]) {
            return "ids of aborted subtransactions are not in order";
        }
        if (w->aborted_count == w->aborted_cap) {
            w->aborted_cap = w->aborted_cap ? w->aborted_cap * 2 : 64;
            w->aborted = x_realloc(w->aborted, w->aborted_cap * sizeof(*w->aborted));
        }
        w->aborted[w->aborted_count++] = id;
    }
    return NULL;
}

static bool
read_aborted(struct side_walk *w, struct err *err)
{
    struct block_header h;
    struct record rec;
    bool end;

    scan_seek(&w->scan, w->link.aborted, w->link.aborted);
    while (peek_block(w, &h, &end, err) && !end) {
        if (!take_block(w, &h, err)) {
            return false;
        }
        while (w->left > 0) {
            if (!take_record(w, &rec, err)) {
                return false;
            }
            const char *why = keep_aborted(w, &rec);
            if (why != NULL) {
                return damaged(w, w->block_at, why, err);
            }
        }
    }
    return end;
}

static bool
is_aborted(const struct side_walk *w, uint32_t xid)
{
    size_t low = 0, high = w->aborted_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (w->aborted[middle] == xid) {
            return true;
        }
        if (w->aborted[middle] < xid) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return false;
}

/* --- walking ------------------------------------------------------------------------------------
 */

static bool
check_file(struct side_walk *w, const struct side_where *where, struct err *err)
{
    struct segment_header h;
    uint64_t size;
    if (!segment_read_side_header(where->fs, w->fd, w->path, where->link.serial, &h, err)) {
        return false;
    }
    if (where->feed_id != 0 && h.feed_id != where->feed_id) {
        return damaged(w, 0, "it holds another feed than the segment that links it", err);
    }
    if (!codec_open(&w->codec, where->keys, &h, w->path, err)) {
        return false;
    }
    w->xid = (uint32_t)h.begin;
    int rc = where->fs->size(where->fs, w->fd, &size);
    if (rc < 0) {
        return segment_io(err, rc, "size of side file", w->path);
    }
    if (size != where->link.bytes) {
        return damaged(w, size < where->link.bytes ? size : where->link.bytes,
            "its size is not the one that the LINK record says", err);
    }
    return true;
}

bool
side_walk_open(struct side_walk *w, const struct side_where *where, struct err *err)
{
    *w = (struct side_walk){.link = where->link, .schemas = where->schemas, .fd = -1};
    if (!side_path(where->dir, where->segment, where->link.serial, w->path, err)) {
        return false;
    }
    w->fd = where->fs->open(where->fs, w->path, O_RDONLY, 0);
    if (w->fd == -ENOENT) {
        return damaged(w, 0, "a LINK record leads to it, but it is not there", err);
    }
    if (w->fd < 0) {
        return segment_io(err, w->fd, "open side file", w->path);
    }
    if (!check_file(w, where, err)) {
        return false;
    }
    scan_init(&w->scan, where->fs, where->buffer ? where->buffer : BUFFER);
    scan_file(&w->scan, w->fd, 0, where->link.bytes);
    scan_codec(&w->scan, &w->codec);
    if (where->link.aborted != 0) {
        if (!read_aborted(w, err)) {
            return false;
        }
        scan_file(&w->scan, w->fd, 0, where->link.aborted);
        scan_codec(&w->scan, &w->codec);
    }
    return true;
}

/* The next block that has something to hand out. */
static bool
load_block(struct side_walk *w, bool *got, struct err *err)
{
    struct block_header h;
    bool end;
    for (;;) {
        if (!peek_block(w, &h, &end, err)) {
            return false;
        }
        *got = !end;
        if (end) {
            return w->records == w->link.records ||
                   damaged(w, w->scan.at, "not as many records as the LINK record says", err);
        }
        if (!w->schemas || (h.flags & BLOCK_SCHEMA)) {
            break;
        }
        w->records += h.records;
        scan_skip(&w->scan, &h);
    }
    if (!take_block(w, &h, err)) {
        return false;
    }
    w->records += h.records;
    return true;
}

bool
side_walk_next(struct side_walk *w, struct record *rec, bool *got, struct err *err)
{
    *got = false;
    for (;;) {
        while (w->left > 0) {
            if (!take_record(w, rec, err)) {
                return false;
            }
            if (rec->kind == RECORD_ABORTED) {
                return damaged(w, w->block_at, "ids of aborted subtransactions among changes", err);
            }
            *got = (!w->schemas || rec->kind == RECORD_SCHEMA) && !is_aborted(w, rec->xid);
            if (*got) {
                return true;
            }
        }
        if (!load_block(w, got, err)) {
            *got = false;
            return false;
        }
        if (!*got) {
            return true;
        }
    }
}

void
side_walk_close(struct side_walk *w, const struct fs *fs)
{
    if (w->path[0] != '\0' && w->fd >= 0) {
        (void)fs->close(fs, w->fd);
    }
    scan_done(&w->scan);
    codec_done(&w->codec);
    x_free(w->aborted);
    *w = (struct side_walk){.fd = -1};
}

uint64_t
side_walk_at(const struct side_walk *w)
{
    return w->scan.at;
}

bool
side_verify(const struct side_where *where, struct side_verdict *out, struct err *err)
{
    struct side_walk w;
    struct record rec;
    bool got = true;

    bool ok = side_walk_open(&w, where, err);
    while (ok && got) {
        ok = side_walk_next(&w, &rec, &got, err);
    }
    out->blocks += w.blocks;
    out->records += w.records;
    out->bytes += ok ? where->link.bytes : 0;
    side_walk_close(&w, where->fs);
    return ok;
}
