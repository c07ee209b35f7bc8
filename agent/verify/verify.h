/* SPDX-License-Identifier: Apache-2.0
 *
 * Compares source and target table by table, by row count and checksum, on several connections to
 * both servers at the same time. It only reads.
 *
 * While an agent streams, a table that is being written to differs for a moment. Such tables are
 * looked at again, after everything that was committed before has arrived; one that still differs
 * at the end is reported as different and as in motion: only a comparison without writers is the
 * last word.
 *
 * Locking: one call, on one thread; `each` is called by one thread at a time.
 */
#ifndef TG_VERIFY_VERIFY_H
#define TG_VERIFY_VERIFY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/err.h"
#include "agent/base/stop.h"
#include "agent/change/table_filter.h"

enum verify_verdict {
    VERIFY_EQUAL,
    VERIFY_DIFFERENT,
    VERIFY_MISSING, /* the target has no such table, or lacks columns; `note` says what */
    VERIFY_FAILED,  /* could not be compared; `note` says why */
    VERIFY_SKIPPED, /* nothing to compare: unlogged tables are not carried by a change feed */
};
const char *verify_verdict_name(enum verify_verdict v); /* "equal" ... */

struct verify_side {
    uint64_t rows;
    char hash[48]; /* decimal digits; "" with counts_only */
};

struct verify_table {
    char schema[64], name[64];
    enum verify_verdict verdict;
    struct verify_side source, target;
    uint32_t rounds; /* how often it was looked at */
    char note[512];
};

struct verify_options {
    const char *source_dsn, *target_dsn;
    struct table_filter filter;
    int64_t timeout_us; /* of the network */
    int jobs;           /* connections to each server */
    bool counts_only;
    /* How often tables that differ are looked at again. */
    uint32_t rounds;
    /* Returns when everything that the source has committed by now is in the target; NULL: nobody
     * is streaming, a difference is final. */
    bool (*drain)(void *arg, struct err *err);
    void (*each)(size_t done, size_t total, void *arg); /* progress; may be NULL */
    void *arg;
    struct stop *stop; /* ends the comparison; it is also requested here when a thread gives up */
};

struct verify_report {
    struct verify_table *tables; /* ordered by schema, name */
    size_t len;
    size_t equal, different, failed, skipped; /* different: with the missing ones */
    bool live;                                /* an agent was streaming meanwhile */
};

/* False when the comparison as a whole could not be done. */
bool verify_run(
    const struct verify_options *o, struct verify_report *out, struct err *err) must_use;
void verify_report_done(struct verify_report *r); /* accepts an all-zero one */

#endif
