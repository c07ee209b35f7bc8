/* SPDX-License-Identifier: Apache-2.0
 *
 * What the agent is doing, as one plain value: the only thing that status, metrics and progress
 * output are made from. A copy is taken under a lock by agent_status (agent/pipeline/agent.h); it
 * owns nothing.
 */
#ifndef TG_PIPELINE_STATUS_H
#define TG_PIPELINE_STATUS_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/base/err.h"
#include "agent/pipeline/room.h"
#include "agent/snapshot/snapshot.h"
#include "agent/spool/spool.h"
#include "config/config.h"

enum phase {
    PHASE_PREFLIGHT,
    PHASE_SNAPSHOT,
    PHASE_CATCHUP,
    PHASE_STREAMING,
    PHASE_CUTOVER,
    PHASE_DONE,
};
const char *phase_name(enum phase p); /* "preflight" ... */
bool phase_parse(const char *name, enum phase *out);

enum sink_state {
    SINK_WAITING,
    SINK_COPYING, /* its target is being filled; changes wait in the spool */
    SINK_CONNECTING,
    SINK_RUNNING,
    SINK_PAUSED,
    SINK_STOPPED, /* in front of a statement of DDL, until the operator decides */
    SINK_FAILED,
};
const char *sink_state_name(enum sink_state s); /* "waiting" ... */

/* A table that is out of a sink's stream. */
struct table_status {
    char schema[64], name[64];
    char state[16];    /* as resync_state_name */
    uint64_t position; /* of the transaction at which it stopped; 0: none */
    char error[400];   /* why it is out, or what holds its copy up */
};
#define TABLES_STOPPED_MAX 8

struct sink_status {
    char name[64], type[32];
    enum sink_state state;
    uint64_t applied_position, durable_position;
    uint64_t lag_bytes; /* of the log between this sink and what the source has sent */
    double lag_seconds; /* age of the oldest transaction it has not applied; 0 when there is none */
    uint64_t transactions, rows;                    /* since the agent started */
    uint64_t dead_letters;                          /* that wait */
    uint64_t ddl_applied, ddl_ignored;              /* statements, since the agent started */
    struct table_status tables[TABLES_STOPPED_MAX]; /* the first of those out of the stream */
    size_t tables_len;
    uint64_t tables_stopped; /* all of them */
    uint64_t upserted; /* rows put another way than the source said, since the agent started */
    char error[sizeof(((struct err *)0)->text)]; /* "" when there is none */
};

struct agent_status {
    char name[64];
    enum phase phase;
    int64_t started_wall_us;
    struct {
        char type[32];
        bool connected;
        uint64_t position;  /* received and appended to the spool */
        uint64_t confirmed; /* told to the source as durable */
        uint64_t lag_bytes; /* source's log that has not reached the spool */
        bool blocked;       /* nothing is read because the spool has no room; `error` says more */
        uint64_t retained_bytes; /* of its log that the source keeps for us; 0: not known yet */
        uint64_t safe_bytes;     /* it may still grow by, before the slot is lost; UINT64_MAX:
                                    without limit, or not known */
        char error[sizeof(((struct err *)0)->text)];
    } source;
    struct spool_stats spool;
    struct room_state room; /* how near the spool is to its limits */
    double spool_oldest_unread_seconds;
    bool copying; /* `copy` has content */
    struct snapshot_progress copy;
    uint32_t constraints_failed; /* do not hold on the target, left NOT VALID */
    struct sink_status sinks[CONFIG_SINKS_MAX];
    size_t sinks_len;
};

#endif
