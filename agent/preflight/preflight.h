/* SPDX-License-Identifier: Apache-2.0
 *
 * Looks at both servers and this machine before anything is changed, and says what stands in the
 * way. Read-only on every side. Called by `tidegate check`, and by the agent at the start of a run.
 *
 * Ownership: a report owns its texts; preflight_report_done frees them.
 */
#ifndef TG_PREFLIGHT_PREFLIGHT_H
#define TG_PREFLIGHT_PREFLIGHT_H

#include <stdbool.h>
#include <stddef.h>

#include "agent/base/arena.h"
#include "agent/base/err.h"
#include "agent/base/fs.h"
#include "agent/store/store.h"
#include "config/config.h"

enum preflight_verdict { PREFLIGHT_OK, PREFLIGHT_WARNING, PREFLIGHT_BLOCKING };
const char *preflight_verdict_name(enum preflight_verdict v); /* "ok", "warning", "blocking" */

struct preflight_input {
    const struct config *config;
    bool resume; /* the copy was begun by this data directory: the slot has to be there, and so
                    may everything on the target */
    bool began;  /* this data directory began to prepare the source: a slot or publication of our
                    name is ours */
    const struct fs *fs; /* NULL: fs_system */
    /* With `resume`: the sinks that the migration has; others join it, and are judged like new.
     * NULL: not known, all of them are taken for known. */
    struct sink_row *sinks;
    size_t sinks_len;
    /* Of one sink that joins a migration (preflight_run_target): */
    const char *origin; /* the one it will have; NULL: by its place in the configuration */
    bool attach;        /* it gets no copy: its tables are there, with rows */
};

struct preflight_finding {
    const char *id;    /* kebab-case, never changes its meaning */
    const char *where; /* "source", "target" or the sink's name, "here" */
    enum preflight_verdict verdict;
    const char *text; /* what it means, one line */
    const char *todo; /* what to do, one line; "" when there is nothing to do */
};

struct preflight_report {
    struct arena arena;
    struct preflight_finding *items; /* in the order in which they were looked at */
    size_t len, cap;
    struct err unreachable; /* of the first server that did not answer; class ERR_NONE: all did */
};

/* *out is initialised here, also when it fails, and must be done with. A server that cannot be
 * reached is a finding; false means that the look itself broke off. */
bool preflight_run(
    const struct preflight_input *in, struct preflight_report *out, struct err *err) must_use;
/* The same of one target alone, number `sink` of the configuration; `resume` is not looked at. */
bool preflight_run_target(const struct preflight_input *in, size_t sink,
    struct preflight_report *out, struct err *err) must_use;
void preflight_report_init(struct preflight_report *r);
void preflight_report_done(struct preflight_report *r); /* accepts an all-zero report */

size_t preflight_count(const struct preflight_report *r, enum preflight_verdict v);
/* NULL when the report has no finding of that id and place; where NULL: any place. */
const struct preflight_finding *preflight_find(
    const struct preflight_report *r, const char *where, const char *id);
/* True when nothing blocks. Else the error that a run ends with: that of an unreachable server as
 * it is (so that it may be tried again), ERR_CONFIG with all blocking findings otherwise. */
bool preflight_permit(const struct preflight_report *r, struct err *err) must_use;

#endif
