/* SPDX-License-Identifier: Apache-2.0
 *
 * The file of a segment that nobody needs becomes the file of the next one: its room is taken
 * already, so a sync has no metadata to write.
 *
 *   3.seg --rename--> 18.tmp   (the next segment's number; its old content is worth nothing)
 *         sync_dir            the log begins with 4 from here on, whatever happens
 *         ... 18 is due: header and blocks over the old content, then as any new file
 *
 * What is behind its last block is old: blocks that name another log offset than their place, which
 * no reader takes (FORMAT.md). A file that another process has open is never written over.
 *
 * Locking: the writer's thread.
 */
#ifndef TG_SPOOL_RECYCLE_H
#define TG_SPOOL_RECYCLE_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/base/fs.h"
#include "agent/spool/internal.h"

/* Takes the file of `seg`, the first segment, out of the log: keeps it for the next segment where
 * that may be, else removes it. Not durable before the directory is synced. 0 or -errno. */
int recycle_segment(struct spool *s, const struct segment *seg, const char *path);
/* True when a file waits under the `.tmp` name of the segment `h`, to be opened without O_TRUNC.
 * From then on none waits. */
bool recycle_take(struct spool *s, const struct segment_header *h);

#endif
