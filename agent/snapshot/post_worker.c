/* SPDX-License-Identifier: Apache-2.0
 *
 * An index worker takes what may be made now from the graph, makes it, and takes the next: a large
 * index alone, small ones together. What cannot be made for a reason that lies in the data (a
 * foreign key that does not hold) is left for later and said.
 */
#include <string.h>

#include "agent/base/arena.h"
#include "agent/base/log.h"
#include "agent/pg/query.h"
#include "agent/snapshot/create.h"
#include "agent/snapshot/ledger.h"
#include "agent/snapshot/run.h"
#include "agent/snapshot/session.h"

#define FK_VIOLATION "23503"
#define SMALL        (256U << 10) /* bytes of a table: its index takes less than to ask for it */
#define PARTITIONED_FK                                                                             \
    180000 /* from this version on NOT VALID is allowed on partitioned tables                      \
            */

struct post_worker {
    struct run *run;
    enum post_stage stage;
    char name[24];
    struct create create;
    int pid, lost_pid; /* the server's process of the session, and of one that was cut; or 0 */
    struct post_group group; /* that is being made */
};

/* Under the lock: what is left belongs to tables that were set aside, and nobody makes anything
 * that could set more of it free. */
static bool
rest_waits_for_another_run(const struct run *r)
{
    return r->set_aside > 0 && r->tables_left == 0 && r->post.running_len == 0;
}

/* A foreign key that is added as NOT VALID looks at no rows. Of a partitioned table the weight says
 * nothing: its rows are those of others. */
static bool
is_small(const struct post_item *it)
{
    return it->stage == POST_FK ? !it->facts.on_partitioned : it->weight <= SMALL;
}

/* Under the lock. */
static void
take_items(struct post_worker *w)
{
    struct run *r = w->run;
    struct post_group *g = &w->group;
    size_t share = POST_RUNNING_MAX / (size_t)r->o->index_jobs;
    size_t most = share < POST_GROUP_MAX ? share : POST_GROUP_MAX;
    struct post_item *it;
    g->len = 0;
    while (
        g->len < most && (it = post_take_along(&r->post, w->stage, run_is_copied, r, g)) != NULL) {
        bool small = is_small(it);
        if (g->len > 0 && !small) {
            post_settle(&r->post, it, POST_WAITING);
            return;
        }
        g->items[g->len++] = it;
        if (!small) {
            return;
        }
    }
}

static bool
take(struct post_worker *w)
{
    struct run *r = w->run;
    w->group.len = 0;
    pthread_mutex_lock(r->lock);
    while (!stop_requested(&r->cancel)) {
        if (!*r->paused) {
            take_items(w);
            if (w->group.len || post_left(&r->post, w->stage) == 0 ||
                rest_waits_for_another_run(r)) {
                break;
            }
        }
        pthread_cond_wait(r->changed, r->lock);
    }
    pthread_mutex_unlock(r->lock);
    return w->group.len > 0;
}

static void
settle(struct post_worker *w, struct post_item *it, enum post_state state)
{
    struct run *r = w->run;
    pthread_mutex_lock(r->lock);
    post_settle(&r->post, it, state);
    if (state == POST_SKIPPED) {
        post_skip(&r->post, it);
    }
    const struct run_table *t = it->entry ? NULL : run_find_table(r, it->facts.relid);
    pthread_cond_broadcast(r->changed);
    pthread_mutex_unlock(r->lock);
    if (t && !t->ready) {
        atomic_fetch_add(&r->progress->tables_done, 1);
    }
    if (it->entry) {
        atomic_fetch_add(&r->progress->indexes_done, 1);
    }
}

static bool
open_session(struct post_worker *w, struct err *err)
{
    if (w->create.target) {
        return true;
    }
    if (!session_target(w->run->o, SESSION_INDEXES, NULL, &w->create.target, NULL, err)) {
        return false;
    }
    if (w->lost_pid &&
        !session_end_lost(w->run->o, SESSION_INDEXES, w->lost_pid, w->create.target, err)) {
        return false;
    }
    w->pid = PQbackendPID(w->create.target);
    w->lost_pid = 0;
    tablespaces_free(&w->create.tablespaces);
    return create_init(&w->create, err);
}

static void
close_session(struct post_worker *w)
{
    PQfinish(w->create.target);
    w->create.target = NULL;
    w->lost_pid = w->pid ? w->pid : w->lost_pid;
    w->pid = 0;
}

static bool
analyze(struct post_worker *w, const struct post_item *it, struct err *err)
{
    if (!it->sql || pg_exec_long(w->create.target, it->sql, it->sql, w->create.stop, err)) {
        return true;
    }
    if (err->class == ERR_DATA || err->class == ERR_CONFIG) {
        log_err(LOG_WARN, w->name, err); /* statistics are no reason to fail */
        err_clear(err);
        return true;
    }
    return false;
}

/* How a foreign key is added: *sql is NULL for its own text. False: not now, because tables on its
 * two sides show different moments and the server would check it at once. */
static bool
choose_fk(const struct post_worker *w, const struct post_item *it, char **sql)
{
    *sql = NULL;
    if (!it->facts.validated) {
        return true;
    }
    if (it->facts.on_partitioned && PQserverVersion(w->create.target) < PARTITIONED_FK) {
        return !w->run->mixed;
    }
    *sql = entry_not_valid(it->entry->sql);
    return true;
}

static bool
create(struct post_worker *w, struct post_item *it, bool again, enum post_state *state,
    struct err *err)
{
    char *sql = NULL;
    bool tolerated = false, there = false;
    *state = POST_DONE;
    if (again && !ledger_check(w->create.target, w->create.migration, it->key, &there, err)) {
        return false;
    }
    if (there) {
        return true;
    }
    if (it->stage == POST_FK && !choose_fk(w, it, &sql)) {
        *state = POST_SKIPPED;
        return true;
    }
    struct create_item one = {it->entry, it->key, sql};
    bool ok = create_entry(&w->create, &one, &tolerated, err);
    x_free(sql);
    if (!ok && it->stage == POST_FK && strcmp(err->sqlstate, FK_VIOLATION) == 0) {
        log_err(LOG_WARN, w->name, err);
        err_clear(err);
        ok = tolerated = true;
    }
    if (tolerated) {
        *state = POST_SKIPPED;
    }
    return ok;
}

/* Its few rows are looked at as it is made, which saves to ask for that later; they hold unless
 * tables show different moments. */
static bool
holds_at_once(const struct post_worker *w, const struct post_item *it)
{
    return it->weight <= SMALL && !it->facts.on_partitioned && !w->run->mixed;
}

/* All of them in one transaction: to each alone belong a trip to the server and a flush of its log.
 * Not *made: they are to be made one by one. */
static bool
create_small(struct post_worker *w, bool *made, struct err *err)
{
    struct create_item list[POST_GROUP_MAX];
    char *texts[POST_GROUP_MAX] = {0};
    bool possible = w->group.len > 1;
    *made = false;
    for (size_t i = 0; i < w->group.len; i++) {
        const struct post_item *it = w->group.items[i];
        possible = possible &&
                   (it->stage != POST_FK || holds_at_once(w, it) || choose_fk(w, it, &texts[i]));
        list[i] = (struct create_item){it->entry, it->key, it->entry ? texts[i] : it->sql};
    }
    bool ok = !possible ||
              (open_session(w, err) && create_together(&w->create, list, w->group.len, made, err));
    for (size_t i = 0; i < w->group.len; i++) {
        x_free(texts[i]);
    }
    return ok;
}

/* `again`: it may be there already, and whoever made it did not hear of it. */
static bool
work_alone(struct post_worker *w, struct post_item *it, bool again)
{
    struct worker_retry retry = {0};
    for (;; again = true) {
        struct err err = ERR_INIT;
        enum post_state state = POST_DONE;
        if (open_session(w, &err) &&
            (it->entry ? create(w, it, again, &state, &err) : analyze(w, it, &err))) {
            settle(w, it, state);
            return true;
        }
        close_session(w);
        if (!run_may_retry(w->run, &retry, w->name, &err)) {
            run_fail(w->run, &err);
            return false;
        }
    }
}

static bool
work(struct post_worker *w)
{
    struct err err = ERR_INIT;
    bool made = false, lost = !create_small(w, &made, &err);
    if (lost) {
        log_err(LOG_WARN, w->name, &err);
        close_session(w);
    }
    for (size_t i = 0; i < w->group.len; i++) {
        if (made) {
            settle(w, w->group.items[i], POST_DONE);
        } else if (!work_alone(w, w->group.items[i], lost)) {
            return false;
        }
    }
    return true;
}

void
post_main(void *worker)
{
    struct worker *given = worker;
    struct run *r = given->run;
    struct post_worker w = {
        .run = r, .stage = given->stage, .create = {.migration = r->o->name, .stop = &r->cancel}};
    snprintf(w.name, sizeof(w.name), "indexes %d", given->number);
    while (take(&w) && work(&w)) {
    }
    close_session(&w);
    create_done(&w.create);
    run_leave(r);
}
