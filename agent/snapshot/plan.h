/* SPDX-License-Identifier: Apache-2.0
 *
 * How the data is cut into pieces of work: whole tables, and block ranges of large ones. Pure.
 */
#ifndef TG_SNAPSHOT_PLAN_H
#define TG_SNAPSHOT_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct plan_table {
    uint64_t bytes; /* heap and TOAST */
    uint32_t pages; /* of the heap */
};

struct plan_part {
    size_t table;      /* index into the tables given */
    uint32_t from, to; /* blocks [from, to) of the heap; to == 0: to the end, however far that is */
    uint64_t bytes;    /* share of the table's bytes */
};

struct plan {
    struct plan_part *parts; /* in the order in which they are to be taken */
    size_t len;
    uint32_t *parts_of; /* for each table given: how many */
};

#define PLAN_PART_BYTES (256ULL << 20) /* a part has half of it to all of it */

/* Tables in order of size, the largest first, because the last piece of work decides when the copy
 * ends. Those larger than split_above bytes are split (0: none is). */
void plan_build(const struct plan_table *tables, size_t n, uint64_t split_above, struct plan *out);
void plan_free(struct plan *p); /* accepts an all-zero one */

#endif
