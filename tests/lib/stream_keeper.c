/* SPDX-License-Identifier: Apache-2.0
 *
 * One list of all that is kept, in the order of arrival; searching it is quick enough for tests.
 */
#include "tests/lib/stream_keeper.h"

#include <stdlib.h>
#include <string.h>

#include "agent/base/arena.h"

static void
keep(struct stream_keeper *k, const struct record *rec)
{
    if (k->len == k->cap) {
        k->cap = k->cap ? k->cap * 2 : 1024;
        k->kept = realloc(k->kept, k->cap * sizeof(*k->kept));
    }
    uint8_t *copy = x_malloc(rec->payload.len + 1);
    memcpy(copy, rec->payload.data, rec->payload.len);
    k->kept[k->len] = *rec;
    k->kept[k->len++].payload.data = copy;
}

/* Removes the records of `stream`, or only those of its subtransaction `xid`; with `emit` they are
 * handed out. */
static void
take_out(struct stream_keeper *k, uint32_t stream, uint32_t xid, bool emit)
{
    size_t left = 0;
    for (size_t i = 0; i < k->len; i++) {
        struct record *rec = &k->kept[i];
        if (rec->stream != stream || (xid != stream && rec->xid != xid)) {
            k->kept[left++] = *rec;
            continue;
        }
        void *copy = (void *)(uintptr_t)rec->payload.data;
        if (emit) {
            struct record out = *rec;
            out.stream = out.xid = 0;
            k->emit(k->arg, &out);
        }
        x_free(copy);
    }
    k->len = left;
}

void
stream_keeper_take(struct stream_keeper *k, const struct record *rec)
{
    k->blocks_seen += rec->stream != 0;
    if (rec->stream == 0) {
        k->emit(k->arg, rec);
    } else if (rec->kind == RECORD_ABORT) {
        k->aborts_seen++;
        take_out(k, rec->stream, rec->xid, false);
    } else if (rec->kind == RECORD_BEGIN || rec->kind == RECORD_COMMIT) {
        struct record out = *rec;
        out.stream = 0;
        k->emit(k->arg, &out);
        if (rec->kind == RECORD_BEGIN) {
            take_out(k, rec->stream, rec->stream, true);
        }
    } else {
        keep(k, rec);
    }
}

void
stream_keeper_discard(struct stream_keeper *k)
{
    for (size_t i = 0; i < k->len; i++) {
        x_free((void *)(uintptr_t)k->kept[i].payload.data);
    }
    k->len = 0;
}

void
stream_keeper_done(struct stream_keeper *k)
{
    stream_keeper_discard(k);
    free(k->kept);
    *k = (struct stream_keeper){0};
}
