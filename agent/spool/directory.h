/* SPDX-License-Identifier: Apache-2.0
 *
 * What segments a directory holds, from their names, headers and footers alone: the blocks of
 * sealed segments are not read, so that the cost does not grow with the backlog's bytes.
 */
#ifndef TG_SPOOL_DIRECTORY_H
#define TG_SPOOL_DIRECTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/err.h"
#include "agent/base/fs.h"
#include "agent/spool/segment.h"

struct directory {
    struct segment *segments; /* in order of the log; free() */
    size_t count;
};

struct directory_options {
    const struct fs *fs;
    const char *path;
    uint64_t feed_id; /* 0: any */
    uint32_t content; /* of that feed */
    bool live;        /* a writer may be at work: segments may vanish from the front */
    bool salvage;     /* on damage `out` holds what stands in front of it; when a footer is what is
                         wrong, its segment is the last one, as if it were the newest */
    bool trusting;    /* macs are not checked, and no keys are needed */
    bool clean;       /* remove segments that were never finished (.tmp) */
    const struct key_ring *keys; /* of encrypted files; may be NULL */
};

/* Of the newest segment only header and size are filled in; of the others everything. Checks that
 * they form one log. directory_done also after a failure. */
bool directory_read(
    const struct directory_options *o, struct directory *out, struct err *err) must_use;
void directory_done(struct directory *d);

/* The parts of directory_read, for tools that go on behind a damaged segment. *gone: there is no
 * such file (live alone). `seg` has a right header and size when its footer is what is wrong, else
 * it is all zero. */
bool directory_segment(const struct directory_options *o, uint64_t number, bool newest,
    struct segment *seg, bool *gone, struct err *err) must_use;
/* Does `seg` continue `before`? */
bool directory_seam(const struct directory_options *o, const struct segment *before,
    const struct segment *seg, struct err *err) must_use;

/* Makes `path` and what is missing above it, durably. */
bool directory_make(const struct fs *fs, const char *path, struct err *err) must_use;

#endif
