/* SPDX-License-Identifier: Apache-2.0
 *
 * The index of one segment (FORMAT.md, "Index and footer"): built block by block as the bytes that
 * will stand in the file, or read from it; searched by position without looking at the blocks.
 */
#ifndef TG_SPOOL_INDEX_H
#define TG_SPOOL_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/fs.h"
#include "agent/spool/codec.h"
#include "agent/spool/format.h"

/* All zero: no entries. */
struct index {
    uint8_t *bytes; /* as in the file, room for a footer behind them */
    size_t cap;
    uint32_t entries;
};

void index_done(struct index *ix); /* accepts an all-zero index, and leaves one */
void index_add(struct index *ix, const struct index_entry *e);
/* Completes the footer's fields entries, index (`place` is where it will stand), index_sum and mac.
 * *out: index and footer, one behind the other; borrowed. */
bool index_close(struct index *ix, uint64_t place, const struct codec *codec,
    struct segment_footer *f, struct slice *out, struct err *err) must_use;
/* Only the index itself. */
struct slice index_bytes(const struct index *ix);

struct index_file {
    const struct fs *fs;
    int fd;
    const struct codec *codec; /* NULL: macs are not looked at */
};

/* Reads the index that the footer tells of and checks it, and the mac if `codec` is not NULL.
 * *why: NULL when right.
 * False: *rc says why the file cannot be read. */
bool index_read(const struct index_file *in, const struct segment_footer *f, struct index *out,
    const char **why, int *rc) must_use;

/* Footer and index of a sealed file with this header: all that index_read and segment_read_footer
 * check, with their errors told. */
bool index_open(const struct index_file *in, const char *path, const struct segment_header *h,
    struct segment_footer *f, struct index *out, struct err *err) must_use;

/* Where the last COMMIT or MARK at or before a position can be: in the first block that ends behind
 * it, or else in the block that brought the position that is in effect there. */
struct index_hit {
    struct index_entry behind, last;
    bool has_behind, has_last;
};
/* `before`: the position in effect where the segment begins. */
void index_find(const struct index *ix, uint64_t position, uint64_t before, struct index_hit *out);

#endif
