/* SPDX-License-Identifier: Apache-2.0
 *
 * What stands in a spool directory, sorted by the names alone (FORMAT.md, "The directory"). Opens
 * no file.
 */
#ifndef TG_SPOOL_SURVEY_H
#define TG_SPOOL_SURVEY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/err.h"
#include "agent/base/fs.h"
#include "agent/spool/segment.h"

#define SURVEY_NAME_MAX 64

struct survey_side {
    uint64_t segment; /* that holds the LINK; 0: the transaction is still open at the source */
    uint64_t serial;
    bool known; /* for the caller */
};

struct survey_list {
    uint64_t *items;
    size_t len, cap;
};

struct survey {
    struct survey_list segments, unfinished; /* numbers, ascending; .seg and .tmp */
    struct survey_side *sides;               /* by segment, then by serial */
    size_t sides_len, sides_cap;
    char (*unknown)[SURVEY_NAME_MAX]; /* names that are not ours, cut when they are long */
    size_t unknown_len, unknown_cap;
};

/* survey_done also after a failure. ERR_CONFIG when there is no such directory. */
bool survey_read(
    const struct fs *fs, const char *path, struct survey *out, struct err *err) must_use;
void survey_done(struct survey *s);

/* The entry of a linked side file, NULL when there is none. */
struct survey_side *survey_find_side(struct survey *s, uint64_t segment, uint64_t serial);
#endif
