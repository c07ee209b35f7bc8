/* SPDX-License-Identifier: Apache-2.0
 *
 * Where a change stands in its source: the position of the transaction that holds it and its
 * ordinal in that transaction. `commit` is a number that only grows along the feed; only the source
 * knows more about it (PostgreSQL: the LSN just behind the commit record). A position alone, with
 * ordinal 0, means "everything up to and including the transaction that ends there".
 */
#ifndef TG_CHANGE_POSITION_H
#define TG_CHANGE_POSITION_H

#include <stdint.h>

struct position {
    uint64_t commit;
    uint32_t ordinal; /* 1 is the first change of the transaction; 0 the transaction as a whole */
};

/* <0, 0, >0; by commit, then by ordinal */
int position_compare(struct position a, struct position b);

#define POSITION_SIZE 48
/* "16/B374D848" or "16/B374D848+17" */
const char *position_format(struct position p, char out[POSITION_SIZE]);

#endif
