/* SPDX-License-Identifier: Apache-2.0
 *
 * Reads a whole segment and checks everything that FORMAT.md says about it: sums, places, order of
 * the records, what block headers and footer say about them. Repairs nothing.
 */
#ifndef TG_SPOOL_REPLAY_H
#define TG_SPOOL_REPLAY_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/base/err.h"
#include "agent/base/fs.h"
#include "agent/spool/index.h"
#include "agent/spool/order.h"
#include "agent/spool/segment.h"

struct replay {
    const struct fs *fs;
    int fd;
    const char *path;            /* for messages */
    const struct segment *seg;   /* header and size are looked at, nothing else; when the file was
                                    packed since then, its own count */
    const struct key_ring *keys; /* may be NULL */
    struct index *index;         /* all zero: gets an entry for each block; or NULL */
    bool newest;                 /* a torn tail is allowed, and there may be no footer */
    /* For each record if not NULL; `rec` is borrowed during the call. */
    void (*each)(const struct record *rec, bool repeated, void *arg);
    /* For each LINK record if not NULL; false: the error is passed on. */
    bool (*link)(const struct link *link, void *arg, struct err *err);
    void *arg;
};

struct replay_result {
    struct tally tally;
    struct order order; /* behind the last record */
    uint64_t begin;     /* segment of the open transaction's BEGIN, or the own number */
    uint64_t end;       /* offset in the file behind the last valid block */
    uint64_t torn;      /* bytes of the torn tail at `end` */
    uint64_t blocks;
    bool sealed;      /* right index and footer stand at `end` */
    uint64_t log_end; /* sealed: log offset behind the footer */
    uint64_t synced;  /* offset in the file before which all was durable, as its blocks tell */
};

/* False: ERR_FATAL damaged, or the file cannot be read. */
bool replay_segment(const struct replay *in, struct replay_result *out, struct err *err) must_use;

#endif
