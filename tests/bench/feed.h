/* SPDX-License-Identifier: Apache-2.0
 *
 * A made-up pgoutput feed for counting instructions: the same bytes on every machine. One
 * transaction of ROWS rows of table public.t (id bigint, a int, b text, c timestamptz, d numeric;
 * all values binary), which can be had again and again at ever later positions and with other keys.
 */
#ifndef TG_TESTS_BENCH_FEED_H
#define TG_TESTS_BENCH_FEED_H

#include "agent/base/buf.h"
#include "agent/source/pg_feed.h"

#define FEED_ROWS 1000u

enum feed_kind { FEED_INSERT, FEED_UPDATE };

struct feed_message {
    uint32_t at, len; /* in `bytes` */
};

struct bench_feed {
    enum feed_kind kind;
    struct buf bytes;
    struct feed_message relation, begin, rows[FEED_ROWS], commit;
    uint64_t position; /* in the source's log */
    uint64_t next_id;  /* of inserts; updates begin at 1 in each transaction */
};

bool bench_feed_init(struct bench_feed *f, enum feed_kind kind, struct err *err);
void bench_feed_done(struct bench_feed *f);
/* The next transaction: exchanges positions and keys in the messages. */
void bench_feed_turn(struct bench_feed *f);
/* One message, as a source's thread has it. */
struct pg_message bench_feed_message(struct bench_feed *f, struct feed_message m);

#endif
