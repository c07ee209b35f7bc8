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
#include "agent/spool/order.h"
#include "agent/spool/segment.h"

struct replay {
    const struct fs *fs;
    int fd;
    const char *path;          /* for messages */
    const struct segment *seg; /* header and size are looked at, nothing else */
    bool newest;               /* a torn tail is allowed, and there may be no footer */
    /* For each record if not NULL; `rec` is borrowed during the call. */
    void (*each)(const struct record *rec, bool repeated, void *arg);
    void *arg;
};

struct replay_result {
    struct tally tally;
    struct order order; /* behind the last record */
    uint64_t begin;     /* segment of the open transaction's BEGIN, or the own number */
    uint64_t end;       /* offset in the file behind the last valid block */
    uint64_t torn;      /* bytes of the torn tail at `end` */
    uint64_t blocks;
    bool sealed; /* a right footer stands at `end` */
};

/* False: ERR_FATAL damaged, or the file cannot be read. */
bool replay_segment(const struct replay *in, struct replay_result *out, struct err *err) must_use;

#endif
