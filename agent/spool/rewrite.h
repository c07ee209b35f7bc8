/* SPDX-License-Identifier: Apache-2.0
 *
 * Makes bytes that can be read, but of which nobody knows whether they are on the disk, durable.
 */
#ifndef TG_SPOOL_REWRITE_H
#define TG_SPOOL_REWRITE_H

#include <stdint.h>

#include "agent/base/fs.h"

/* From offset `from` to the end of the file; the file is synced as a whole. Returns 0 or -errno. */
int rewrite_tail(const struct fs *fs, int fd, uint64_t from);

#endif
