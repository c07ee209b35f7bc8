/* SPDX-License-Identifier: Apache-2.0
 *
 * Makes the file of the next segment: header and carried schemas under a name of its own, then
 * durable under its final one.
 *
 * Locking: the writer's thread.
 */
#ifndef TG_SPOOL_CREATION_H
#define TG_SPOOL_CREATION_H

#include "agent/spool/internal.h"

struct creation {
    const struct fs *fs;
    int fd;
    uint64_t end;
    uint64_t base;
    struct block *block;
    struct block_place where;
    struct codec codec; /* of the new file */
    struct index index;
};

/* Makes the file of `h` durable under its final name; `c` has everything but fd, end and index. On
 * ERR_RETRY nothing is left of it. */
bool creation_make(
    struct creation *c, struct spool *s, const struct segment_header *h, struct err *err) must_use;
void creation_done(struct creation *c);

#endif
