/* SPDX-License-Identifier: Apache-2.0
 *
 * The running agent: owns the threads, moves the phases, and is the one door through which the
 * command line and the control plane reach it.
 *
 * Locking: agent_new, agent_run, agent_free on the main thread; everything else from any thread.
 */
#ifndef TG_PIPELINE_AGENT_H
#define TG_PIPELINE_AGENT_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/base/clock.h"
#include "agent/base/err.h"
#include "agent/pipeline/status.h"
#include "config/config.h"

struct agent;

enum agent_until { UNTIL_DONE, UNTIL_COPIED, UNTIL_STREAMING, UNTIL_LSN };

/* `config` is borrowed for the agent's life. */
bool agent_new(const struct config *config, const struct clock *clock, struct agent **out,
    struct err *err) must_use;
/* Runs until the aim is reached by every sink, a stop was asked for (both true) or something failed
 * for good (false, with the error): the capture, or the last sink that worked, or one of them when
 * all others have reached the aim. Resumes from what the data directory holds. */
bool agent_run(
    struct agent *a, enum agent_until until, uint64_t until_lsn, struct err *err) must_use;
void agent_stop(struct agent *a); /* async-signal-safe */
void agent_free(struct agent *a); /* accepts NULL */

void agent_status(struct agent *a, struct agent_status *out);

/* Makes everything committed on the source so far recognisable: once every sink's durable position
 * has reached *lsn, all of it is there. */
bool agent_mark(struct agent *a, uint64_t *lsn, struct err *err) must_use;

/* sink: a name, "copy", or NULL for everything. Going on also starts a sink that has failed. */
bool agent_pause(struct agent *a, const char *sink, bool pause, struct err *err) must_use;

/* Has a table copied anew to one sink (NULL: to all that are databases) while everything else goes
 * on; one that is new to the migration joins it. Returns when that is noted: status tells the rest.
 * *n: so many tables, which are more than one when it is partitioned. */
bool agent_resync(
    struct agent *a, const char *table, const char *sink, size_t *n, struct err *err) must_use;

struct cutover_request {
    enum fence_kind fence;
    bool verify;
    bool dry_run;             /* says what would be done and how long it would take */
    bool accept_dead_letters; /* those that wait are no obstacle */
    int64_t timeout_us;
};

enum cutover_state { CUTOVER_NONE, CUTOVER_RUNNING, CUTOVER_DONE, CUTOVER_ABORTED };
enum cutover_step_state { STEP_WAITING, STEP_RUNNING, STEP_OK, STEP_FAILED, STEP_SKIPPED };

struct cutover_step {
    char name[24]; /* "precheck", "lo ahead", "fence", "barrier", "drain", "lo", "verify" ... */
    enum cutover_step_state state;
    int64_t took_us;
    char detail[256]; /* one line for people, may be empty */
};

#define CUTOVER_STEPS_MAX 12

struct cutover_report {
    enum cutover_state state;
    bool dry_run;
    struct cutover_step steps[CUTOVER_STEPS_MAX];
    size_t steps_len;
    uint64_t barrier;          /* LSN */
    int64_t write_downtime_us; /* last commit accepted by the source .. target ready for writes */
    uint64_t tables_compared, rows_compared;
    struct err error; /* of ABORTED */
};

/* Starts a cutover; ERR_CONFIG with a hint when the phase does not allow it or one is running. */
bool agent_cutover(struct agent *a, const struct cutover_request *req, struct err *err) must_use;
void agent_cutover_report(struct agent *a, struct cutover_report *out);
struct letter_desk;
/* For agent/pipeline/letter_desk.h; borrowed for the agent's life. ERR_RETRY while it starts. */
bool agent_letter_desk(struct agent *a, struct letter_desk *out, struct err *err) must_use;

/* The report of a finished cutover was fetched: an agent that is DONE lingers up to 5 s for that.
 */
void agent_cutover_acknowledge(struct agent *a);

#endif
