/* SPDX-License-Identifier: Apache-2.0
 *
 * Finds the last COMMIT or MARK at or before a position inside of one segment (FORMAT.md, "Finding
 * a start"): by the index, looking into two blocks at most.
 */
#ifndef TG_SPOOL_START_H
#define TG_SPOOL_START_H

#include "agent/spool/index.h"
#include "agent/spool/scan.h"

struct start {
    const struct fs *fs;
    const char *path;
    struct scan *scan;         /* with file and codec; goes back to the first block */
    uint64_t position, before; /* wanted; in effect where the segment begins */

    uint64_t boundary;     /* found: log offset of its block, */
    size_t boundary_bytes; /* and bytes of the content up to the end of the record */
};

/* There must be one. `hit` is of the index in memory; NULL: the file's own index is asked. */
bool start_find(struct start *st, const struct index_hit *hit, struct err *err) must_use;

#endif
