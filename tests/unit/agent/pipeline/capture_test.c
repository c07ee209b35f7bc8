/* SPDX-License-Identifier: Apache-2.0
 *
 * The capture thread with a scripted source and a real spool: what it appends, what it confirms,
 * and what it does when the connection breaks or the spool is full.
 */
#include <unistd.h>

#include "agent/base/arena.h"
#include "agent/base/log.h"
#include "agent/pipeline/capture.h"
#include "tests/lib/tmpdir.h"
#include "tests/lib/unit.h"

enum step_kind { GIVE, BREAK, FAIL };

struct step {
    enum step_kind kind;
    struct record rec;
};

/* A source that plays its steps once, then has nothing more to say. */
struct fake {
    struct source base;
    const struct step *steps;
    size_t len;
    atomic_size_t at;
    uint64_t started_at[8];
    atomic_uint starts;
    atomic_uint_fast64_t confirmed;
    atomic_bool confirmed_too_much;
    struct spool *spool;
};

static struct fake fake;
static char *dir;
static struct stop stop;
static struct spool *spool;
static atomic_uint_fast64_t retire_below;

static bool
fake_open(const struct source_params *p, struct source **out, struct err *err)
{
    (void)p;
    (void)err;
    *out = &fake.base;
    return true;
}

static bool
fake_start(struct source *s, uint64_t position, struct err *err)
{
    (void)s;
    (void)err;
    unsigned n = atomic_fetch_add(&fake.starts, 1);
    fake.started_at[n % 8] = position;
    return true;
}

static bool
fake_read(struct source *s, int timeout_ms, struct record *out, bool *got, struct err *err)
{
    (void)s;
    size_t at = atomic_load(&fake.at);
    *got = false;
    if (at >= fake.len) {
        usleep((useconds_t)(timeout_ms < 5 ? timeout_ms : 5) * 1000);
        return true;
    }
    const struct step *step = &fake.steps[at];
    atomic_store(&fake.at, at + 1);
    if (step->kind != GIVE) {
        return err_set(err, step->kind == BREAK ? ERR_RECONNECT : ERR_FATAL, "scripted failure");
    }
    *out = step->rec;
    *got = true;
    return true;
}

static bool
fake_confirm(struct source *s, uint64_t position, bool now, struct err *err)
{
    (void)s;
    (void)now;
    (void)err;
    if (position > spool_durable(fake.spool)) {
        atomic_store(&fake.confirmed_too_much, true);
    }
    atomic_store(&fake.confirmed, position);
    return true;
}

static uint64_t
fake_head(const struct source *s)
{
    (void)s;
    return 0;
}

static void
fake_stop(struct source *s)
{
    (void)s;
}

static const struct source_ops fake_ops = {
    .name = "fake",
    .summary = "plays a script",
    .open = fake_open,
    .start = fake_start,
    .read = fake_read,
    .confirm = fake_confirm,
    .head = fake_head,
    .stop = fake_stop,
    .free = fake_stop,
};

static struct step
give(enum record_kind kind, uint64_t position)
{
    return (struct step){.kind = GIVE,
        .rec = {.kind = kind, .position = position, .xid = 7, .payload = slice_str("payload")}};
}

static uint64_t
read_retire(void *arg)
{
    (void)arg;
    return atomic_load(&retire_below);
}

static struct capture *
start(const struct step *steps, size_t len, uint64_t max_size)
{
    struct err err = ERR_INIT;
    struct spool_options o = {.path = dir,
        .feed_id = 1,
        .max_size = max_size,
        .clock = &clock_system,
        .segment_size = 64 << 10,
        .block_size = 4 << 10};
    assert_true(spool_open(&o, &spool, &err));
    assert_true(spool_set_start(spool, 100, &err));
    fake = (struct fake){.base.ops = &fake_ops, .steps = steps, .len = len, .spool = spool};
    atomic_store(&retire_below, 100);
    struct intake_options options = {.source = &fake_ops,
        .spool = spool,
        .sync_interval_us = 1000,
        .retry_max_us = 20000,
        .retire_below = read_retire,
        .clock = &clock_system};
    struct capture_options c = {.steps = options, .stop = &stop};
    struct capture *capture = NULL;
    assert_true(capture_start(&c, &capture, &err));
    return capture;
}

/* Ends everything and hands back a reader's view: "kind@position ..." of all that is in the spool.
 */
static const char *
finish(struct capture *c)
{
    static char out[4096];
    struct err err = ERR_INIT;
    stop_request(&stop);
    capture_free(c);
    struct spool_reader *r = NULL;
    assert_true(spool_reader_open(spool, 100, &r, &err));
    size_t n = 0;
    out[0] = 0;
    for (bool got = true; got;) {
        struct record rec;
        assert_true(spool_reader_next(r, &rec, &got, &err));
        if (got) {
            static const char letters[] = " BDCSXM";
            n += (size_t)snprintf(out + n, sizeof(out) - n, "%c%llu ", letters[rec.kind],
                (unsigned long long)(rec.kind == RECORD_DISCARD ? 0 : rec.position));
        }
    }
    spool_reader_close(r);
    spool_close(spool);
    return out;
}

static void
wait_for(bool (*reached)(struct capture *c), struct capture *c)
{
    for (int i = 0; i < 2000 && !reached(c); i++) {
        usleep(2000);
    }
    assert_true(reached(c));
}

static bool
all_confirmed(struct capture *c)
{
    (void)c;
    return atomic_load(&fake.at) == fake.len &&
           atomic_load(&fake.confirmed) == spool_appended(fake.spool);
}

static bool
has_failed(struct capture *c)
{
    struct capture_state s;
    capture_state(c, &s);
    return s.failed;
}

static bool
is_blocked(struct capture *c)
{
    struct capture_state s;
    capture_state(c, &s);
    return s.blocked;
}

static void
records_reach_the_spool_and_only_what_is_durable_is_confirmed(void **state)
{
    (void)state;
    const struct step steps[] = {give(RECORD_BEGIN, 110), give(RECORD_DATA, 105),
        give(RECORD_COMMIT, 120), give(RECORD_MARK, 150)};
    struct capture *c = start(steps, 4, 0);
    wait_for(all_confirmed, c);
    assert_int_equal(atomic_load(&fake.confirmed), 150);
    assert_string_equal(finish(c), "B110 D105 C120 M150 ");
    assert_false(atomic_load(&fake.confirmed_too_much));
}

static void
a_break_inside_a_transaction_voids_it_and_starts_again_behind_the_last_commit(void **state)
{
    (void)state;
    const struct step steps[] = {give(RECORD_BEGIN, 110), give(RECORD_COMMIT, 120),
        give(RECORD_BEGIN, 130), give(RECORD_DATA, 125), {.kind = BREAK}, give(RECORD_BEGIN, 130),
        give(RECORD_DATA, 125), give(RECORD_COMMIT, 140)};
    struct capture *c = start(steps, 8, 0);
    wait_for(all_confirmed, c);
    assert_int_equal(atomic_load(&fake.starts), 2);
    assert_int_equal(fake.started_at[0], 100);
    assert_int_equal(fake.started_at[1], 120);
    assert_string_equal(finish(c), "B110 C120 B130 D125 X0 B130 D125 C140 ");
    assert_false(atomic_load(&fake.confirmed_too_much));
}

static void
a_break_between_transactions_voids_nothing(void **state)
{
    (void)state;
    const struct step steps[] = {give(RECORD_BEGIN, 110), give(RECORD_COMMIT, 120), {.kind = BREAK},
        give(RECORD_BEGIN, 130), give(RECORD_COMMIT, 140)};
    struct capture *c = start(steps, 5, 0);
    wait_for(all_confirmed, c);
    assert_string_equal(finish(c), "B110 C120 B130 C140 ");
}

static void
an_error_that_waiting_does_not_heal_ends_the_capture(void **state)
{
    (void)state;
    const struct step steps[] = {give(RECORD_BEGIN, 110), give(RECORD_COMMIT, 120), {.kind = FAIL}};
    struct capture *c = start(steps, 3, 0);
    wait_for(has_failed, c);
    struct capture_state s;
    capture_state(c, &s);
    assert_int_equal(s.error.class, ERR_FATAL);
    assert_string_equal(s.error.text, "scripted failure");
    assert_int_equal(atomic_load(&fake.starts), 1);
    (void)finish(c);
}

#define MANY 3000

static void
a_full_spool_holds_the_capture_until_a_sink_has_moved_on(void **state)
{
    (void)state;
    static struct step steps[MANY * 3];
    static uint8_t filler[200];
    for (size_t i = 0; i < MANY; i++) {
        uint64_t at = 1000 + i * 100;
        steps[i * 3] = give(RECORD_BEGIN, at);
        steps[i * 3 + 1] = give(RECORD_DATA, at);
        steps[i * 3 + 1].rec.payload = slice_of(filler, sizeof(filler));
        steps[i * 3 + 2] = give(RECORD_COMMIT, at + 10);
    }
    struct capture *c = start(steps, MANY * 3, 256 << 10);
    wait_for(is_blocked, c);
    assert_true(atomic_load(&fake.at) < MANY * 3);
    assert_true(atomic_load(&fake.confirmed) > 100);
    uint64_t held_at = spool_appended(spool);
    usleep(50000);
    assert_int_equal(spool_appended(spool), held_at);
    for (int i = 0; i < 2000 && atomic_load(&fake.at) < MANY * 3; i++) {
        atomic_store(&retire_below, spool_appended(spool));
        usleep(5000);
    }
    wait_for(all_confirmed, c);
    stop_request(&stop);
    capture_free(c);
    assert_int_equal(spool_durable(spool), 1000 + (MANY - 1) * 100 + 10);
    assert_false(atomic_load(&fake.confirmed_too_much));
    spool_close(spool);
}

static void
quiet(const char *line, size_t len, void *arg)
{
    (void)line;
    (void)len;
    (void)arg;
}

static int
setup(void **state)
{
    (void)state;
    log_set_sink(quiet, NULL);
    dir = tmpdir_new();
    return stop_init(&stop) ? 0 : -1;
}

static int
teardown(void **state)
{
    (void)state;
    stop_done(&stop);
    tmpdir_remove(dir);
    return 0;
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(records_reach_the_spool_and_only_what_is_durable_is_confirmed),
        CASE(a_break_inside_a_transaction_voids_it_and_starts_again_behind_the_last_commit),
        CASE(a_break_between_transactions_voids_nothing),
        CASE(an_error_that_waiting_does_not_heal_ends_the_capture),
        CASE(a_full_spool_holds_the_capture_until_a_sink_has_moved_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
