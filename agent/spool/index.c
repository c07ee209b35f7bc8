/* SPDX-License-Identifier: Apache-2.0
 *
 * Positions never go back from one entry to the next, so the first entry behind a position is found
 * by halving.
 */
#include "agent/spool/index.h"

#include <errno.h>

#include "agent/base/arena.h"
#include "agent/spool/segment.h"

void
index_done(struct index *ix)
{
    free(ix->bytes);
    *ix = (struct index){0};
}

static void
reserve(struct index *ix, uint32_t entries)
{
    size_t need = index_size(entries) + FOOTER_SIZE;
    if (need > ix->cap) {
        ix->cap = need < 4096 ? 4096 : need + need / 2;
        ix->bytes = x_realloc(ix->bytes, ix->cap);
    }
}

void
index_add(struct index *ix, const struct index_entry *e)
{
    reserve(ix, ix->entries + 1);
    index_entry_encode(e, ix->bytes + index_size(ix->entries));
    ix->entries++;
}

struct slice
index_bytes(const struct index *ix)
{
    return slice_of(ix->bytes, index_size(ix->entries));
}

bool
index_close(struct index *ix, uint64_t place, const struct codec *codec, struct segment_footer *f,
    struct slice *out, struct err *err)
{
    size_t size = index_size(ix->entries);
    reserve(ix, ix->entries);
    index_header_encode(ix->entries, ix->bytes);
    f->entries = ix->entries;
    f->index = place;
    f->index_sum = format_sum(ix->bytes, size);
    if (!codec_footer_mac(codec, f, index_bytes(ix), f->mac, err)) {
        return false;
    }
    segment_footer_encode(f, ix->bytes + size);
    *out = slice_of(ix->bytes, size + FOOTER_SIZE);
    return true;
}

bool
index_read(const struct index_file *in, const struct segment_footer *f, struct index *out,
    const char **why, int *rc)
{
    const struct fs *fs = in->fs;
    uint64_t file_size;
    size_t size = index_size(f->entries);

    *out = (struct index){0};
    *why = NULL;
    *rc = fs->size(fs, in->fd, &file_size);
    if (*rc < 0) {
        return false;
    }
    /* The number of entries is believed only as far as the file is long. */
    if (f->index > file_size || file_size - f->index != size + FOOTER_SIZE) {
        *why = "the index does not end where the footer begins";
        return true;
    }
    reserve(out, f->entries);
    out->entries = f->entries;
    ssize_t got = fs->pread_all(fs, in->fd, out->bytes, size, f->index);
    if (got < 0 || (size_t)got < size) {
        *rc = got < 0 ? (int)got : -EIO;
        return false;
    }
    *why = index_check(out->bytes, f);
    if (*why == NULL && in->codec != NULL) {
        *why = codec_check_footer(in->codec, f, index_bytes(out));
    }
    return true;
}

bool
index_open(const struct index_file *in, const char *path, const struct segment_header *h,
    struct segment_footer *f, struct index *out, struct err *err)
{
    struct segment seg = {.header = *h};
    const char *why = NULL;
    int rc = in->fs->size(in->fs, in->fd, &seg.size);
    bool ok = rc >= 0 && segment_read_footer(in->fs, in->fd, &seg, f, &why, &rc);

    *out = (struct index){0};
    ok = ok && (why != NULL || index_read(in, f, out, &why, &rc));
    if (ok && why == NULL) {
        return true;
    }
    index_done(out);
    return ok ? segment_damaged(err, path, seg.size - FOOTER_SIZE, why)
              : segment_io(err, rc, "read spool segment", path);
}

/* The first entry whose position is at least `position`, the number of entries when there is none.
 */
static uint32_t
first_at(const struct index *ix, uint64_t position)
{
    uint32_t low = 0, high = ix->entries;
    while (low < high) {
        struct index_entry e;
        uint32_t middle = low + (high - low) / 2;
        index_entry_decode(ix->bytes, middle, &e);
        if (e.position < position) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

void
index_find(const struct index *ix, uint64_t position, uint64_t before, struct index_hit *out)
{
    uint32_t behind = position == UINT64_MAX ? ix->entries : first_at(ix, position + 1);
    *out = (struct index_hit){.has_behind = behind < ix->entries};
    if (out->has_behind) {
        index_entry_decode(ix->bytes, behind, &out->behind);
    }
    if (behind == 0) {
        return;
    }
    struct index_entry e;
    index_entry_decode(ix->bytes, behind - 1, &e);
    if (e.position != before) {
        index_entry_decode(ix->bytes, first_at(ix, e.position), &out->last);
        out->has_last = true;
    }
}
