/* SPDX-License-Identifier: Apache-2.0
 *
 * The gate through which a sink's delivery passes messages about the source's DDL: it decides, asks
 * the operator through the state database, and has the sink execute.
 *
 * Named values of the store, the first three with the sink's name behind them:
 *
 *   ddl_waiting_    the statement at which the sink stands, as JSON
 *   ddl_decision_   the operator's words, each a line "<commit>:<ordinal> apply" or "... skip".
 * Those about earlier statements stay: when the second of one transaction stops the sink, the first
 * one comes again, too ddl_schema_     position of the snapshot of which the target's schema was
 * made ddl_token       what the source's triggers prove themselves by; absent: they are not
 * installed ddl_table_OID   a table that came into the feed by a statement that was executed
 *
 * Locking: one thread (that of the delivery); the store may be written by others meanwhile.
 */
#ifndef TG_PIPELINE_DDL_H
#define TG_PIPELINE_DDL_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/base/err.h"
#include "agent/change/change.h"
#include "agent/change/table_filter.h"
#include "agent/pipeline/table_sync.h"
#include "agent/store/store.h"
#include "config/config.h"
#include "sinks/sink.h"

#define DDL_KEY_SIZE 128

struct ddl_options {
    struct store *store; /* NULL: messages are not looked at */
    const char *sink;
    const char *publication;
    struct table_filter filter;
    const struct ddl_config *config;
    const struct table_sync *sync;
    bool owner;             /* things get the owners that they have at the source */
    const char *source_dsn; /* is asked about tables where no event trigger tells */
    int64_t timeout_us;
};

struct ddl_counts {
    uint64_t applied, ignored;
};

struct ddl_gate;

struct ddl_gate *ddl_gate_new(const struct ddl_options *o); /* borrows what they point to */
void ddl_gate_free(struct ddl_gate *g);                     /* accepts NULL */
/* A session begins: reads what the store has. */
bool ddl_gate_open(struct ddl_gate *g, struct err *err) must_use;
/* Whether a change is a message for the gate; other messages are the sink's. */
bool ddl_is_message(const struct change *c);
/* Such a message of the feed, in its place; `commit_record` as in table_sync.h. ERR_DATA when the
 * sink has to stop there: the statement is noted as the one that waits, and handing it over again,
 * in another session, asks the store for the operator's decision. */
bool ddl_gate_message(struct ddl_gate *g, struct sink *sink, const struct change *c,
    uint64_t commit_record, struct err *err) must_use;
/* A row of the feed, in front of it: where the source has no event triggers, a table that is
 * described in another way than before is handled as a statement would be. *acted: something was
 * done on the target, or asked for. Errors as above. */
bool ddl_gate_row(struct ddl_gate *g, struct sink *sink, const struct change *c,
    uint64_t commit_record, bool *acted, struct err *err) must_use;
/* The last error was about a statement that waits for a decision. */
bool ddl_gate_waits(const struct ddl_gate *g);
/* ... and it has come. */
bool ddl_gate_decided(struct ddl_gate *g);
void ddl_gate_counts(const struct ddl_gate *g, struct ddl_counts *out);
/* A line for the log about the statement handled last, NULL when it was taken already. */
const char *ddl_gate_news(struct ddl_gate *g);

/* The operator's side. *out: the waiting statement as JSON, new, NULL when there is none. */
bool ddl_waiting(struct store *s, const char *sink, char **out, struct err *err) must_use;
/* Stores the decision about the statement that waits; the same again changes nothing. ERR_CONFIG
 * when none waits. */
bool ddl_decide(struct store *s, const char *sink, bool apply, struct err *err) must_use;
/* The word about the place in what is stored as decisions ("apply", "skip"), NULL: none. */
const char *ddl_decision_find(const char *decisions, const char *place);
/* The last decisions without that place's own; new. */
char *ddl_decision_others(const char *decisions, const char *place);
/* Whether the table came by a statement, so that all its rows are in the feed. */
bool ddl_brought(struct store *s, uint32_t oid, bool *brought, struct err *err) must_use;

#endif
