/* SPDX-License-Identifier: Apache-2.0
 *
 * A made-up history of a PostgreSQL database: what was committed, in commit order; its pgoutput
 * messages; and what a reader must have seen after each transaction, as one number.
 */
#ifndef TG_TESTS_SIM_FEED_H
#define TG_TESTS_SIM_FEED_H

#include "agent/base/buf.h"
#include "agent/change/change.h"
#include "tests/sim/rng.h"

#define FEED_TABLES 4

/* One change, or (kind 0) the rollback of the subtransaction `xid`. */
struct op {
    enum change_kind kind; /* INSERT, UPDATE, DELETE, TRUNCATE, MESSAGE */
    uint8_t table, other;  /* TRUNCATE has both when they differ */
    uint8_t version;       /* of the table's shape: so many columns more than two */
    enum old_kind old;
    bool voided;  /* made by a subtransaction that is rolled back */
    uint32_t xid; /* transaction or subtransaction that made it */
    uint64_t lsn;
    uint32_t seed, text_len;
};

struct tx {
    uint32_t xid;
    bool streamed; /* sent while it is open at the source */
    bool aborted;  /* never commits; always streamed */
    uint64_t commit_lsn, end_lsn;
    int64_t commit_us;
    struct op *ops;
    size_t len;
};

struct history {
    uint64_t start; /* the slot's consistent point */
    struct tx *tx;  /* in commit order; aborted ones stand where they end */
    size_t len;
};

struct history_options {
    uint32_t transactions, most_ops, most_text;
    bool streams;
};

void history_make(struct history *h, const struct history_options *o, struct rng *rng);
void history_done(struct history *h);
uint32_t feed_table_id(uint8_t table);

/* Messages, appended to an empty buffer. */
void feed_put_begin(struct buf *b, const struct tx *t);
void feed_put_commit(struct buf *b, const struct tx *t);
void feed_put_relation(struct buf *b, uint8_t table, uint8_t version);
void feed_put_type(struct buf *b);
void feed_put_origin(struct buf *b);
void feed_put_op(struct buf *b, const struct op *op);

/* Folds what was seen into a number: BEGIN, rows, COMMIT as a sink gets them. */
uint64_t digest_begin(uint64_t before, uint32_t xid, int64_t commit_us);
uint64_t digest_change(uint64_t before, const struct change *c);
uint64_t digest_commit(uint64_t before, uint64_t position);

/* sync[table]: the table's copy holds every transaction whose commit record begins below it. */
struct expectation {
    uint64_t *after; /* after[n]: the number when the first n transactions were seen */
};
void expectation_make(
    struct expectation *e, const struct history *h, size_t first, const uint64_t *sync);
void expectation_done(struct expectation *e);

#endif
