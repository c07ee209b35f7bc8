/* SPDX-License-Identifier: Apache-2.0
 *
 * A look costs one question to the file system, so it is made several times a second, and more
 * often where little is left: a small spool fills fast. What is only kept is released here before
 * any stage is reached, because the budget is judged without it.
 */
#include "agent/pipeline/room.h"

#include <pthread.h>

#include "agent/base/arena.h"
#include "agent/base/log.h"
#include "agent/base/parse.h"

#define STAGE           "spool"
#define LOOK_EVERY_US   100000
#define REMIND_EVERY_US 600000000 /* while a stage lasts */
#define QUIET_US        60000000  /* a stage that comes and goes is not told each time */
#define PATIENCE_MIN    4096
#define FULL_RELEASES   (64ull << 20)

struct room {
    struct room_options o;
    int64_t looked_us;
    uint64_t taken; /* bytes since then, about */
    bool crowded;
    struct budget_rate rate;
    enum budget_stage told;            /* stage at the last room_tell */
    bool told_shortage, told_pause;    /* it was told of, its end was not */
    int64_t told_us[BUDGET_PAUSE + 1]; /* 0: never */
    pthread_mutex_t lock;              /* guards state */
    struct room_state state;
};

struct room *
room_new(const struct room_options *o)
{
    struct room *r = x_zalloc(sizeof(*r));
    r->o = *o;
    r->state = (struct room_state){
        .budget = {.limit = UINT64_MAX, .left = UINT64_MAX}, .seconds_left = -1};
    pthread_mutex_init(&r->lock, NULL);
    return r;
}

void
room_free(struct room *r)
{
    if (r) {
        pthread_mutex_destroy(&r->lock);
        x_free(r);
    }
}

static void
describe(const struct room_state *s, struct err *out)
{
    const struct budget *b = &s->budget;
    char limit[FORMAT_SIZE], left[FORMAT_SIZE];
    (void)err_set(out, ERR_RETRY, "the spool is %u %% full, its limit is %s%s", b->percent,
        format_bytes(b->limit, limit), b->disk_decides ? " by what its disk has left" : "");
    if (b->stage < BUDGET_PAUSE && s->seconds_left >= 0) {
        size_t n = strlen(out->text);
        (void)snprintf(out->text + n, sizeof(out->text) - n,
            "; at the present rate capture pauses in %s",
            format_duration((int64_t)(s->seconds_left * 1e6), left));
    }
}

static void
advise(const struct budget *b, struct err *out)
{
    const char *what = b->disk_decides
                           ? "free space on the disk of the spool, lower spool.min_free, or let "
                             "the sinks catch up"
                           : "let the sinks catch up, or raise spool.max_size";
    (void)err_hint(out, "%s%s", what,
        b->stage < BUDGET_PAUSE
            ? ""
            : "; nothing is lost, but the source's WAL grows meanwhile: max_slot_wal_keep_size "
              "there must not be smaller than what comes until then");
}

void
room_reason(struct room *r, struct err *out)
{
    struct room_state s;
    room_state(r, &s);
    describe(&s, out);
    (void)err_wrap(out, "paused, the source keeps its changes meanwhile");
    advise(&s.budget, out);
}

static bool
recently(const struct room *r, enum budget_stage stage, int64_t now, int64_t span)
{
    return r->told_us[stage] != 0 && now - r->told_us[stage] < span;
}

/* When a stage is entered from below, and again while it lasts. */
static void
tell_shortage(struct room *r, bool risen)
{
    const struct room_state *s = &r->state;
    enum budget_stage stage = s->budget.stage;
    int64_t now = clock_mono_us(r->o.clock);
    if (recently(r, stage, now, risen ? QUIET_US : REMIND_EVERY_US)) {
        return;
    }
    struct err line = ERR_INIT;
    if (stage == BUDGET_PAUSE) {
        room_reason(r, &line);
    } else {
        describe(s, &line);
        advise(&s->budget, &line);
    }
    log_err(LOG_WARN, STAGE, &line);
    r->told_us[stage] = now;
    r->told_shortage = true;
    r->told_pause = r->told_pause || stage == BUDGET_PAUSE;
}

static void
look(struct room *r, int64_t now)
{
    enum budget_stage before = r->state.budget.stage;
    struct budget_use use;
    struct err ignored = ERR_INIT;
    /* A disk that cannot be asked is noticed where it is written to. */
    (void)!spool_use(r->o.spool, &use, &ignored);
    struct room_state s = {0};
    budget_judge(&r->o.limits, &use, before, &s.budget);
    budget_rate_add(&r->rate, now, use.used - use.kept);
    s.seconds_left = budget_seconds_left(&r->rate, s.budget.left);
    spool_release_kept(r->o.spool, s.budget.over);
    pthread_mutex_lock(&r->lock);
    r->state = s;
    pthread_mutex_unlock(&r->lock);
    r->looked_us = now;
    r->taken = 0;
    r->crowded = s.budget.over > 0;
}

enum budget_stage
room_look(struct room *r)
{
    int64_t now = clock_mono_us(r->o.clock);
    if (r->looked_us == 0 || now - r->looked_us >= LOOK_EVERY_US) {
        look(r, now);
    }
    return r->state.budget.stage;
}

enum budget_stage
room_took(struct room *r, uint64_t bytes)
{
    const struct budget *b = &r->state.budget;
    r->taken += bytes + bytes / 8;
    bool much = r->taken >= PATIENCE_MIN && r->taken >= b->left / 4;
    if (b->stage < BUDGET_PAUSE && (much || r->taken >= b->left)) {
        look(r, clock_mono_us(r->o.clock));
    }
    return b->stage;
}

void
room_tell(struct room *r)
{
    const struct room_state *s = &r->state;
    enum budget_stage before = r->told, stage = s->budget.stage;
    r->told = stage;
    if (stage != BUDGET_OK) {
        tell_shortage(r, stage > before);
    }
    if (stage < BUDGET_PAUSE && r->told_pause) {
        log_info(STAGE, "there is room again: capture goes on, the spool is %u %% full",
            s->budget.percent);
        r->told_pause = false;
    }
    if (stage == BUDGET_OK && r->told_shortage) {
        log_info(STAGE, "the spool is %u %% full, the shortage is over", s->budget.percent);
        r->told_shortage = false;
    }
}

bool
room_crowded(struct room *r)
{
    bool was = r->crowded;
    r->crowded = false;
    return was;
}

void
room_full(struct room *r)
{
    spool_release_kept(r->o.spool, FULL_RELEASES);
}

void
room_state(struct room *r, struct room_state *out)
{
    pthread_mutex_lock(&r->lock);
    *out = r->state;
    pthread_mutex_unlock(&r->lock);
}

bool
room_presses(void *arg)
{
    struct room_state s;
    room_state(arg, &s);
    return s.budget.stage >= BUDGET_COMPRESS;
}
