/* SPDX-License-Identifier: Apache-2.0
 *
 * What a spool does with streamed transactions, in memory and as simply as can be: it keeps them
 * aside, drops what was rolled back, and hands everything out in commit order.
 */
#ifndef TG_TESTS_LIB_STREAM_KEEPER_H
#define TG_TESTS_LIB_STREAM_KEEPER_H

#include <stdbool.h>
#include <stddef.h>

#include "agent/change/record.h"

struct stream_keeper {
    void (*emit)(void *arg, const struct record *rec);
    void *arg;
    struct record *kept; /* payloads are copies */
    size_t len, cap;
    unsigned blocks_seen, aborts_seen; /* records taken with `stream`, and ABORTs among them */
};

void stream_keeper_take(struct stream_keeper *k, const struct record *rec);
void stream_keeper_discard(struct stream_keeper *k); /* what is kept is void */
void stream_keeper_done(struct stream_keeper *k);

#endif
