/* SPDX-License-Identifier: Apache-2.0
 *
 * Which sinks take part, as stored. A sink is stored before anything is made on its target, so that
 * a crash finds it as it was decided; one that is refused leaves no trace, and can be looked at
 * again.
 */
#include "agent/base/arena.h"
#include "agent/base/failpoint.h"
#include "agent/base/log.h"
#include "agent/base/parse.h"
#include "agent/pipeline/agent.intern.h"
#include "agent/pipeline/roster.h"
#include "agent/pipeline/two_phase.h"
#include "agent/preflight/preflight.h"

#define STAGE "agent"

static void
take_row(struct lane *l, const struct sink_row *row, bool admitted)
{
    pthread_mutex_lock(&l->agent->lock);
    l->row = *row;
    l->admitted = admitted;
    l->copied = !row->copies || row->copied;
    pthread_mutex_unlock(&l->agent->lock);
}

static bool
forget_all(struct store *store, struct err *err)
{
    struct sink_row *rows = NULL;
    size_t n = 0;
    bool ok = store_sinks(store, &rows, &n, err);
    for (size_t i = 0; ok && i < n; i++) {
        ok = store_sink_forget(store, rows[i].name, err);
    }
    x_free(rows);
    return ok;
}

/* An attempt of before may have stored sinks that the configuration no longer names. */
bool
agent_roster_begin(struct agent *a, struct err *err)
{
    if (!forget_all(a->store, err)) {
        return false;
    }
    for (size_t i = 0; i < a->lanes_len; i++) {
        struct sink_row row;
        if (!roster_first(a->config, i, &row, err) || !store_sink_put(a->store, &row, err)) {
            return false;
        }
        take_row(&a->lanes[i], &row, true);
    }
    FAILPOINT("roster.stored");
    pthread_mutex_lock(&a->lock);
    a->admitted = true;
    pthread_mutex_unlock(&a->lock);
    return true;
}

/* --- one that comes later ------------------------------------------------------------------- */

/* Without a copy of ours the target's triggers and foreign keys are there already, and must not
 * fire on replicated rows. */
static bool
keeps_triggers_quiet(
    const struct preflight_report *report, const struct sink_row *row, struct err *err)
{
    const struct preflight_finding *f =
        preflight_find(report, row->name, "session-replication-role");
    if (row->copies || !f || f->verdict == PREFLIGHT_OK) {
        return true;
    }
    err_set(err, ERR_CONFIG, "it cannot start without a copy: %s", f->text);
    return err_hint(err, "%s", f->todo);
}

static bool
look_at_target(const struct lane *l, const struct sink_row *row, struct err *err)
{
    const struct agent *a = l->agent;
    struct preflight_input in = {
        .config = a->config, .began = true, .origin = row->origin, .attach = !row->copies};
    struct preflight_report report;
    bool ok = preflight_run_target(&in, (size_t)(l - a->lanes), &report, err) &&
              preflight_permit(&report, err) && keeps_triggers_quiet(&report, row, err);
    preflight_report_done(&report);
    return ok || err_wrap(err, "sink '%s'", row->name);
}

/* What it needs of the spool is held from here on, so it cannot go while we look. */
static bool
spool_reaches(struct lane *l, const struct sink_row *row, struct err *err)
{
    struct spool_reader *reader = NULL;
    take_row(l, row, true);
    bool ok = spool_reader_open(l->agent->spool, row->start, &reader, err);
    spool_reader_close(reader);
    return ok || err_wrap(err, "sink '%s'", row->name);
}

bool
agent_roster_admit(struct lane *l, struct err *err)
{
    struct agent *a = l->agent;
    struct spool_stats stats;
    struct sink_row row;
    spool_stats(a->spool, &stats);
    uint64_t newest = spool_appended(a->spool);
    bool postgresql = strcmp(l->config->type, "postgresql") == 0;
    bool ok = roster_later(a->config, (size_t)(l - a->lanes), stats.oldest, newest, &row, err) &&
              (!postgresql || look_at_target(l, &row, err)) &&
              two_phase_admits(a->config, a->store, (size_t)(l - a->lanes), err) &&
              spool_reaches(l, &row, err) && store_sink_put(a->store, &row, err);
    if (!ok) {
        pthread_mutex_lock(&a->lock);
        l->admitted = false;
        pthread_mutex_unlock(&a->lock);
        return false;
    }
    char lsn[FORMAT_SIZE];
    log_info(STAGE, "sink '%s' is new: it starts %s %s", row.name,
        row.copies ? "with a copy, its changes wait in the spool from" : "behind",
        format_lsn(row.start, lsn));
    return true;
}

/* --- a later start -------------------------------------------------------------------------- */

static bool
forget_gone(struct agent *a, const struct sink_row *rows, size_t n, struct err *err)
{
    for (size_t i = 0; i < n; i++) {
        if (roster_configured(a->config, rows[i].name)) {
            continue;
        }
        log_warn(STAGE,
            "sink '%s' is gone from the configuration: its position is forgotten, and the spool "
            "is kept for it no longer",
            rows[i].name);
        if (strcmp(rows[i].type, "postgresql") == 0) {
            log_warn(STAGE,
                "what is left on the target of '%s': its data, replication origin '%s' and schema "
                "'tidegate'",
                rows[i].name, rows[i].origin);
        }
        if (!store_sink_forget(a->store, rows[i].name, err)) {
            return false;
        }
    }
    return true;
}

static bool
load(struct lane *l, const struct sink_row *row, struct err *err)
{
    char key[96];
    uint64_t cursor = 0;
    bool found = false;
    snprintf(key, sizeof(key), STORE_CURSOR "%s", row->name);
    if (!store_get_u64(l->agent->store, key, &cursor, &found, err)) {
        return false;
    }
    pthread_mutex_lock(&l->agent->lock);
    l->cursor = cursor;
    pthread_mutex_unlock(&l->agent->lock);
    take_row(l, row, true);
    return true;
}

static bool
load_or_admit(struct agent *a, const struct sink_row *rows, size_t n, struct err *err)
{
    for (size_t i = 0; i < a->lanes_len; i++) {
        struct lane *l = &a->lanes[i];
        const struct sink_row *row = roster_find(rows, n, l->config->name);
        if (row) {
            if (!load(l, row, err)) {
                return false;
            }
        } else if (!agent_roster_admit(l, err)) {
            agent_lanes_fail(l, err);
            err_clear(err);
        }
    }
    return true;
}

bool
agent_roster_resume(struct agent *a, struct err *err)
{
    struct sink_row *rows = NULL;
    size_t n = 0;
    bool ok = store_sinks(a->store, &rows, &n, err) && roster_check(a->config, rows, n, err) &&
              forget_gone(a, rows, n, err) && load_or_admit(a, rows, n, err);
    x_free(rows);
    pthread_mutex_lock(&a->lock);
    a->admitted = ok;
    pthread_mutex_unlock(&a->lock);
    return ok;
}

bool
agent_roster_load(struct agent *a, struct err *err)
{
    struct sink_row *rows = NULL;
    size_t n = 0;
    bool ok = store_sinks(a->store, &rows, &n, err);
    for (size_t i = 0; ok && i < a->lanes_len; i++) {
        const struct sink_row *row = roster_find(rows, n, a->lanes[i].config->name);
        ok = !row || load(&a->lanes[i], row, err);
    }
    x_free(rows);
    return ok;
}
