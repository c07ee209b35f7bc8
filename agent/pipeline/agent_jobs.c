/* SPDX-License-Identifier: Apache-2.0
 *
 * What each action of the phase machine means: which thread starts with which parameters.
 */
#include "agent/pipeline/agent.intern.h"
#include "agent/pipeline/fence.h"
#include "agent/pipeline/phase.h"
#include "agent/pipeline/two_phase.h"
#include "config/names.h"

#define STAGE "agent"

static struct room *
new_room(const struct agent *a, struct spool *spool)
{
    struct room_options o = {.spool = spool,
        .limits = {.max_size = a->config->spool.max_size,
            .min_free = a->config->spool.min_free,
            .warn_at = a->config->spool.warn_at,
            .compress_at = a->config->spool.compress_at,
            .pause_at = a->config->spool.pause_at},
        .clock = a->clock};
    return room_new(&o);
}

bool
agent_open_spool(struct agent *a, struct err *err)
{
    struct spool_options o = {.path = a->config->spool.path,
        .feed_id = a->feed_id,
        .content = decoder_find(plugin_name(a->config->source.plugin))->content,
        .segment_size = a->config->spool.segment_size,
        .max_size = a->config->spool.max_size,
        .min_free = a->config->spool.min_free,
        .keep_us = a->config->spool.keep_us,
        .keep_size = a->config->spool.keep_size,
        .keys = a->keys,
        .clock = a->clock};
    struct spool *spool = NULL;
    if (!spool_open(&o, &spool, err)) {
        return false;
    }
    struct room *room = new_room(a, spool);
    pthread_mutex_lock(&a->lock);
    a->spool = spool;
    a->room = room;
    pthread_mutex_unlock(&a->lock);
    return spool_appended(spool) != 0 || spool_set_start(spool, a->start, err);
}

static bool
start_packer(struct agent *a, struct err *err)
{
    const struct packer_options o = {.spool = a->spool,
        .compression = a->config->spool.compression,
        .pressing = room_presses,
        .arg = a->room,
        .stop = &a->stop};
    struct packer *packer = NULL;
    bool ok = packer_start(&o, &packer, err);
    pthread_mutex_lock(&a->lock);
    a->packer = packer;
    pthread_mutex_unlock(&a->lock);
    return ok;
}

static bool
start_sequence_watch(struct agent *a, struct err *err)
{
    const struct sequence_watch_options o = {.config = a->config,
        .clock = a->clock,
        .stop = &a->stop,
        .wanted = agent_wants_sequences,
        .arg = a};
    struct sequence_watch *watch = NULL;
    bool ok = sequence_watch_start(&o, &watch, err);
    pthread_mutex_lock(&a->lock);
    a->sequences = watch;
    pthread_mutex_unlock(&a->lock);
    return ok;
}

static bool
start_capture(struct agent *a, struct err *err)
{
    const struct config *c = a->config;
    struct intake_options steps = {.source = source_find(c->source.type),
        .params = {.dsn = c->source.dsn,
            .slot = c->source.slot,
            .publication = c->source.publication,
            .plugin = plugin_name(c->source.plugin),
            .store = a->store,
            .tables = {.include = (const char *const *)c->tables.include.items,
                .include_len = c->tables.include.len,
                .exclude = (const char *const *)c->tables.exclude.items,
                .exclude_len = c->tables.exclude.len},
            .streaming = c->source.streaming,
            .two_phase_from = &a->two_phase_from,
            .timeout_us = c->network.timeout_us,
            .stop = &a->stop},
        .spool = a->spool,
        .sync_interval_us = c->spool.sync_interval_us,
        .retry_max_us = c->network.retry_max_us,
        .give_up_us = c->network.give_up_us,
        .retire_below = agent_retire_below,
        .arg = a,
        .room = a->room,
        .clock = a->clock};
    struct capture_options o = {.steps = steps, .stop = &a->stop};
    struct capture *capture = NULL;
    struct probe *probe = NULL;
    bool ok = capture_start(&o, &capture, err) && probe_start(c->source.dsn, c->source.slot,
                                                      c->network.timeout_us, &a->stop, &probe, err);
    pthread_mutex_lock(&a->lock);
    a->capture = capture;
    a->probe = probe;
    pthread_mutex_unlock(&a->lock);
    return ok && start_packer(a, err) && start_sequence_watch(a, err);
}

/* Before the capture thread, where the phase allows it; the slot keeps it from then on. */
static bool
arm_two_phase(struct agent *a, unsigned actions, struct err *err)
{
    bool copied = (actions & ACTION_DELIVER) || a->phase > PHASE_SNAPSHOT;
    uint64_t from = 0;
    if (!copied || a->two_phase_from != 0 || agent_ends_here(a)) {
        return true;
    }
    bool ok = two_phase_from(a->store, &from, err);
    a->two_phase_from = from;
    return ok;
}

bool
agent_start_actions(struct agent *a, unsigned actions, struct err *err)
{
    if (!arm_two_phase(a, actions, err)) {
        return false;
    }
    if ((actions & ACTION_UNFENCE) && !fence_lift(a->config, a->store, err)) {
        return false;
    }
    if ((actions & ACTION_CAPTURE) && !start_capture(a, err)) {
        return false;
    }
    if (actions & (ACTION_COPY | ACTION_DELIVER)) {
        agent_lanes_start(a);
    }
    if (actions & ACTION_VALIDATE) {
        agent_lanes_validate(a);
    }
    return true;
}

/* Each job is taken out of everybody's sight before it goes. The cutover is first, because it looks
 * at the others. */
void
agent_join_jobs(struct agent *a)
{
    pthread_mutex_lock(&a->lock);
    struct cutover *cutover = a->cutover;
    a->cutover = NULL;
    pthread_mutex_unlock(&a->lock);
    cutover_free(cutover);
    agent_resync_join(a);
    agent_take_snapshots(a);
    for (size_t i = 0; i < a->lanes_len; i++) {
        deliver_join(a->lanes[i].deliver);
    }
    /* What they hold now is the last word. */
    if (a->store) {
        agent_lanes_store_cursors(a, true);
    }

    struct deliver *delivers[CONFIG_SINKS_MAX] = {0};
    pthread_mutex_lock(&a->lock);
    for (size_t i = 0; i < a->lanes_len; i++) {
        delivers[i] = a->lanes[i].deliver;
        a->lanes[i].deliver = NULL;
    }
    struct capture *capture = a->capture;
    a->capture = NULL;
    struct probe *probe = a->probe;
    a->probe = NULL;
    struct packer *packer = a->packer;
    a->packer = NULL;
    struct sequence_watch *sequences = a->sequences;
    a->sequences = NULL;
    pthread_mutex_unlock(&a->lock);
    packer_free(packer);
    sequence_watch_free(sequences);
    for (size_t i = 0; i < CONFIG_SINKS_MAX; i++) {
        deliver_free(delivers[i]);
    }
    capture_free(capture);
    probe_free(probe);
    anchor_release(&a->anchor);
}
