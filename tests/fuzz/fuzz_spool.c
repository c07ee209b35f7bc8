/* SPDX-License-Identifier: Apache-2.0
 *
 * The spool under an arbitrary segment. Input: what stands behind the segment's header, blocks and
 * perhaps index and footer; a P in front makes it a packed segment. Wherever a block begins, its
 * place and sums are made right first, so that what is behind the checksums is reached. What is
 * handed out must keep the order rules.
 */
#include <errno.h>

#include "agent/spool/format.h"
#include "agent/spool/order.h"
#include "agent/spool/spool.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define DATA_MAX (1u << 16)

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
    return strstr(path, "0000000001.seg") ? 5 : -ENOENT;
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

static int
one_list(const struct fs *fs, const char *path, int (*each)(const char *name, void *arg), void *arg)
{
    (void)fs;
    (void)path;
    return each("0000000001.seg", arg);
}

static void
put(uint8_t *at, uint64_t value, size_t size)
{
    memcpy(at, &value, size);
}

/* Index and footer of the blocks in front of `at`, as far as they follow from those. */
static void
make_end_right(
    struct one_file *f, size_t at, size_t log, const struct index_entry *blocks, size_t count)
{
    uint8_t *index = f->bytes + at, *foot = f->bytes + f->len - FOOTER_SIZE;
    if (f->len - at < index_size(0) + FOOTER_SIZE || format_magic(index) != INDEX_MAGIC) {
        return;
    }
    size_t size = f->len - FOOTER_SIZE - at,
           entries = (size - INDEX_HEADER_SIZE) / INDEX_ENTRY_SIZE;
    if (index_size((uint32_t)entries) != size) {
        return;
    }
    put(index + 4, entries, 4);
    for (size_t i = 0; i < entries && i < count; i++) {
        index_entry_encode(&blocks[i], index + index_size((uint32_t)i));
    }
    put(foot + 8, log + size, 8);
    put(foot + 92, entries, 4);
    put(foot + 96, at, 8);
    put(foot + 104, format_sum(index, size), 8);
    put(foot + 4, format_sum(foot + 8, FOOTER_SIZE - 8), 4);
}

#define BLOCKS_MAX 64

static void
make_right(struct one_file *f, bool packed)
{
    struct index_entry blocks[BLOCKS_MAX];
    size_t at = SEGMENT_HEADER_SIZE, log = at, count = 0;
    while (f->len - at >= BLOCK_HEADER_SIZE && format_magic(f->bytes + at) == BLOCK_MAGIC) {
        uint8_t *h = f->bytes + at;
        uint32_t length, old;
        uint64_t position;
        memcpy(&length, h + 40, sizeof(length));
        memcpy(&position, h + 24, sizeof(position));
        size_t room = f->len - at - BLOCK_HEADER_SIZE;
        length = length > room ? (uint32_t)room : length;
        old = packed && length >= 4 ? packed_length_decode(h + BLOCK_HEADER_SIZE) : length;
        put(h + 8, format_sum(h + BLOCK_HEADER_SIZE, length), 8);
        put(h + 16, log, 8);
        put(h + 40, length, 4);
        put(h + 4, format_sum(h + 8, BLOCK_HEADER_SIZE - 8), 4);
        if (count < BLOCKS_MAX) {
            blocks[count++] = (struct index_entry){position, log, at};
        }
        at += BLOCK_HEADER_SIZE + length;
        log += BLOCK_HEADER_SIZE + (size_t)old;
    }
    make_end_right(f, at, log, blocks, count);
}

static void
check(bool condition)
{
    if (!condition) {
        abort();
    }
}

static void
read_behind(struct spool *s, uint64_t position)
{
    struct spool_reader *r;
    struct err err = ERR_INIT;
    struct order order = {.position = position};
    struct record rec;
    bool got = true;
    volatile unsigned sum = 0;

    if (!spool_reader_open(s, position, &r, &err)) {
        return;
    }
    while (spool_reader_next(r, &rec, &got, &err) && got) {
        check(order_fault(&order, &rec) == NULL);
        order_step(&order, &rec);
        for (size_t i = 0; i < rec.payload.len; i++) {
            sum += rec.payload.data[i];
        }
    }
    (void)sum;
    spool_reader_close(r);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct one_file f = {
        .fs = {.open = one_open,
            .close = one_close,
            .pread_all = one_pread,
            .size = one_size,
            .list = one_list},
    };
    struct segment_header h = {.number = 1, .begin = 1, .position = 100};
    struct spool_options o = {.path = "x", .read_only = true, .fs = &f.fs, .block_size = 1024};
    struct spool *s;
    struct err err = ERR_INIT;

    if (size > DATA_MAX) {
        return 0;
    }
    bool packed = size > 0 && data[0] == 'P';
    h.flags = packed ? FILE_PACKED : 0;
    data += packed;
    size -= packed;
    segment_header_encode(&h, f.bytes);
    if (size > 0) {
        memcpy(f.bytes + SEGMENT_HEADER_SIZE, data, size);
    }
    f.len = SEGMENT_HEADER_SIZE + size;
    make_right(&f, packed);
    if (spool_open(&o, &s, &err)) {
        uint64_t end = spool_appended(s);
        check(end >= 100);
        for (uint64_t p = 100; p < 110; p++) {
            read_behind(s, p);
        }
        read_behind(s, 100 + (end - 100) / 2);
        read_behind(s, end);
        spool_close(s);
    } else {
        check(err.class == ERR_FATAL && err.text[0] != '\0');
    }
    return 0;
}
