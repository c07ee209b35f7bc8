/* SPDX-License-Identifier: Apache-2.0
 *
 * A side file of arbitrary blocks under the LINK that belongs to it. Input: one byte that says
 * which block is the first of the ABORTED ones (0: none; with bit 7 the LINK counts a record too
 * many), then what stands behind the file's header. Places and sums of the blocks are made right
 * first. What the check of the whole file accepts, the reader must hand out to its end.
 */
#include <errno.h>

#include "agent/spool/format.h"
#include "agent/spool/side.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define DATA_MAX (1u << 16)
#define XID      700u
#define SERIAL   5u

/* A directory with one file. */
struct one_file {
    struct fs fs;
    uint8_t bytes[SEGMENT_HEADER_SIZE + DATA_MAX];
    size_t len;
};

static const struct one_file *
self(const struct fs *fs)
{
    return (const struct one_file *)(const void *)fs;
}

static int
one_open(const struct fs *fs, const char *path, int flags, mode_t mode)
{
    (void)fs;
    (void)flags;
    (void)mode;
    return strstr(path, ".side") ? 5 : -ENOENT;
}

static int
one_close(const struct fs *fs, int fd)
{
    (void)fs;
    (void)fd;
    return 0;
}

static ssize_t
one_pread(const struct fs *fs, int fd, void *data, size_t len, uint64_t offset)
{
    const struct one_file *f = self(fs);
    (void)fd;
    if (offset >= f->len) {
        return 0;
    }
    len = f->len - offset < len ? f->len - offset : len;
    memcpy(data, f->bytes + offset, len);
    return (ssize_t)len;
}

static int
one_size(const struct fs *fs, int fd, uint64_t *out)
{
    (void)fd;
    *out = self(fs)->len;
    return 0;
}

static void
put(uint8_t *at, uint64_t value, size_t size)
{
    memcpy(at, &value, size);
}

/* The blocks' sums and places, and the LINK that counts what they say to hold. */
static struct link
make_right(struct one_file *f, unsigned aborted)
{
    struct link l = {.serial = SERIAL, .bytes = f->len};
    size_t at = SEGMENT_HEADER_SIZE;
    for (unsigned n = 1; f->len - at >= BLOCK_HEADER_SIZE; n++) {
        uint8_t *h = f->bytes + at;
        uint32_t length, records;
        if (format_magic(h) != BLOCK_MAGIC) {
            break;
        }
        memcpy(&length, h + 40, sizeof(length));
        memcpy(&records, h + 44, sizeof(records));
        size_t room = f->len - at - BLOCK_HEADER_SIZE;
        length = length > room ? (uint32_t)room : length;
        put(h + 8, format_sum(h + BLOCK_HEADER_SIZE, length), 8);
        put(h + 16, at, 8);
        put(h + 40, length, 4);
        put(h + 4, format_sum(h + 8, BLOCK_HEADER_SIZE - 8), 4);
        if (n == aborted) {
            l.aborted = at;
        }
        l.records += l.aborted == 0 ? records : 0;
        at += BLOCK_HEADER_SIZE + length;
    }
    return l;
}

static void
check(bool condition)
{
    if (!condition) {
        abort();
    }
}

/* True: everything was handed out. */
static bool
walk(const struct side_where *where, uint64_t *records)
{
    struct side_walk w = {0};
    struct err err = ERR_INIT;
    struct record rec;
    bool got = true;
    volatile unsigned sum = 0;

    *records = 0;
    bool ok = side_walk_open(&w, where, &err);
    while (ok && (ok = side_walk_next(&w, &rec, &got, &err)) && got) {
        check(rec.kind == RECORD_DATA || rec.kind == RECORD_SCHEMA);
        check(!where->schemas || rec.kind == RECORD_SCHEMA);
        for (size_t i = 0; i < rec.payload.len; i++) {
            sum += rec.payload.data[i];
        }
        ++*records;
    }
    (void)sum;
    check(ok || (err.class == ERR_FATAL && err.text[0] != '\0'));
    side_walk_close(&w, where->fs);
    return ok;
}

/* Inputs that were right from end to end, for the test that replays the corpus. */
static unsigned accepted;

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct one_file f = {
        .fs = {.open = one_open, .close = one_close, .pread_all = one_pread, .size = one_size},
    };
    const struct segment_header h = {
        .feed_id = 1, .number = SERIAL, .begin = XID, .kind = FILE_SIDE};
    struct err err = ERR_INIT;
    struct side_verdict verdict = {0};
    uint64_t all, schemas;

    if (size == 0 || size - 1 > DATA_MAX) {
        return 0;
    }
    segment_header_encode(&h, f.bytes);
    memcpy(f.bytes + SEGMENT_HEADER_SIZE, data + 1, size - 1);
    f.len = SEGMENT_HEADER_SIZE + size - 1;
    struct side_where where = {.fs = &f.fs, .dir = "x", .feed_id = 1, .segment = 3, .buffer = 1024};
    where.link = make_right(&f, data[0] & 0x7f);
    where.link.records += data[0] >> 7;
    bool whole = side_verify(&where, &verdict, &err);
    check(whole || (err.class == ERR_FATAL && err.text[0] != '\0'));
    bool walked = walk(&where, &all);
    where.schemas = true;
    bool skimmed = walk(&where, &schemas);
    if (whole) {
        accepted++;
        check(walked && skimmed);
        check(verdict.records == where.link.records);
        check(all <= verdict.records && schemas <= all);
    }
    return 0;
}
