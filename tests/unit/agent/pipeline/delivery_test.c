/* SPDX-License-Identifier: Apache-2.0
 *
 * Steps of a delivery whose sink refuses rows: what is parked, left out, held back, and when it is
 * the end. A real spool and a real store, a decoder that takes a record for the change itself, and
 * a sink that remembers what it was given.
 */
#include <stdio.h>

#include "agent/pipeline/delivery.h"
#include "agent/store/letters.h"
#include "tests/lib/tmpdir.h"
#include "tests/lib/unit.h"

/* --- decoder: payload is "t k": table and key ----------------------------------------------------
 *
 * A BEGIN with a payload, its first byte that of the message, begins one of a prepared transaction
 * and has its name behind; the COMMIT's payload says which.
 */

static struct column key_column[] = {{"k", 25, -1, true}};
static struct relation relations[10];
static struct value the_value;
static uint64_t open_at;
static uint32_t ordinal;
static char gid[32];

static bool
plain_feed(struct decoder *d, const struct record *rec, struct change *out, bool *produced,
    struct err *err)
{
    (void)d;
    (void)err;
    static const enum change_kind kinds[] = {[RECORD_BEGIN] = CHANGE_BEGIN,
        [RECORD_DATA] = CHANGE_INSERT,
        [RECORD_COMMIT] = CHANGE_COMMIT,
        [RECORD_DISCARD] = CHANGE_DISCARD,
        [RECORD_MARK] = CHANGE_MARK};
    *produced = rec->kind != RECORD_SCHEMA;
    *out = (struct change){
        .kind = *produced ? kinds[rec->kind] : 0, .position = {.commit = rec->position}};
    if (rec->kind == RECORD_BEGIN) {
        open_at = rec->position;
        ordinal = 0;
        snprintf(gid, sizeof gid, "%.*s", (int)rec->payload.len, (const char *)rec->payload.data);
        out->gid = gid[0] ? gid + 1 : NULL;
    } else if (rec->kind == RECORD_COMMIT && rec->payload.len > 0) {
        out->kind = rec->payload.data[0] == 'P'   ? CHANGE_PREPARE
                    : rec->payload.data[0] == 'K' ? CHANGE_COMMIT_PREPARED
                                                  : CHANGE_ROLLBACK_PREPARED;
        out->gid = gid + 1;
    } else if (rec->kind == RECORD_DATA) {
        the_value = (struct value){VALUE_TEXT, slice_of(rec->payload.data + 1, 1)};
        out->relation = &relations[rec->payload.data[0] - '0'];
        out->new = (struct tuple){1, &the_value};
        out->position = (struct position){open_at, ++ordinal};
    }
    return true;
}

static void
plain_nothing(struct decoder *d)
{
    (void)d;
}

static bool plain_open(struct decoder **out, struct err *err);
static const struct decoder_ops plain_ops = {.name = "plain",
    .summary = "test",
    .open = plain_open,
    .feed = plain_feed,
    .reset = plain_nothing,
    .free = plain_nothing};
static struct decoder plain = {.ops = &plain_ops};

static bool
plain_open(struct decoder **out, struct err *err)
{
    (void)err;
    *out = &plain;
    return true;
}

/* --- sink ----------------------------------------------------------------------------------------
 */

static struct {
    struct sink base;
    char committed[512], open[128];
    uint64_t position;
    const char *refuses; /* keys */
    const char *sqlstate;
    bool refuse_commit, lose_commit, alone, undone;
    enum sink_refusal refusal;
} memory;
static const struct sink_ops memory_ops;

static bool
memory_open(const struct sink_params *p, uint64_t start, struct sink **out, uint64_t *resume,
    struct err *err)
{
    (void)err;
    memory.alone = p->row_by_row;
    memory.refusal = p->refusal;
    memory.base.ops = &memory_ops;
    memory.open[0] = 0;
    memory.position = memory.position < start ? start : memory.position;
    *resume = memory.position;
    *out = &memory.base;
    return true;
}

static bool
memory_row(const struct change *c, struct err *err)
{
    char key = (char)c->new.values[0].bytes.data[0];
    memory.undone = false;
    if (strchr(memory.refuses, key)) {
        memory.undone = memory.alone && memory.refusal == SINK_REFUSAL_UNDONE;
        err_set(err, ERR_DATA, "refused %c", key);
        snprintf(err->sqlstate, sizeof err->sqlstate, "%s", memory.sqlstate);
        return false;
    }
    size_t n = strlen(memory.open);
    snprintf(memory.open + n, sizeof memory.open - n, "%c", key);
    return true;
}

static bool
memory_commit(const struct change *c, struct err *err)
{
    memory.undone = false;
    if (memory.refuse_commit) {
        return err_set(err, ERR_DATA, "refused at commit");
    }
    if (memory.lose_commit) {
        memory.lose_commit = false;
        return err_set(err, ERR_RECONNECT, "lost");
    }
    static const char *const ends[] = {
        [CHANGE_PREPARE] = "P", [CHANGE_COMMIT_PREPARED] = "K", [CHANGE_ROLLBACK_PREPARED] = "r"};
    size_t n = strlen(memory.committed);
    const char *end = c->kind == CHANGE_COMMIT ? "" : ends[c->kind];
    snprintf(memory.committed + n, sizeof memory.committed - n, "%s%s|", memory.open, end);
    memory.position = c->position.commit;
    memory.open[0] = 0;
    return true;
}

static bool
memory_apply(struct sink *s, const struct change *c, struct err *err)
{
    (void)s;
    if (c->kind == CHANGE_INSERT) {
        return memory_row(c, err);
    }
    if (c->kind == CHANGE_COMMIT || c->kind == CHANGE_PREPARE ||
        c->kind == CHANGE_COMMIT_PREPARED || c->kind == CHANGE_ROLLBACK_PREPARED) {
        return memory_commit(c, err);
    }
    memory.open[0] = 0;
    return true;
}

static bool
memory_flush(struct sink *s, struct err *err)
{
    (void)s;
    (void)err;
    return true;
}

static bool
memory_sync(struct sink *s, struct sink_progress *out, struct err *err)
{
    (void)s;
    (void)err;
    *out = (struct sink_progress){.applied = memory.position, .durable = memory.position};
    return true;
}

static bool
memory_poll(struct sink *s, int timeout_ms, struct sink_progress *out, struct err *err)
{
    (void)timeout_ms;
    return memory_sync(s, out, err);
}

static int
memory_fd(const struct sink *s)
{
    (void)s;
    return -1;
}

static void
memory_free(struct sink *s)
{
    (void)s;
}

static bool
memory_undone(const struct sink *s)
{
    (void)s;
    return memory.undone;
}

static const struct sink_ops memory_ops = {.name = "memory",
    .summary = "test",
    .open = memory_open,
    .apply = memory_apply,
    .flush = memory_flush,
    .poll = memory_poll,
    .sync = memory_sync,
    .fd = memory_fd,
    .free = memory_free,
    .undone = memory_undone};

/* --- the stage -----------------------------------------------------------------------------------
 */

static char *dir, *data;
static struct spool *spool;
static struct store *store;
static struct table_sync sync_rule;
static struct delivery *delivery;
static struct delivery_options options;
static struct err err;

static void
append(enum record_kind kind, uint64_t position, const char *payload)
{
    struct record rec = {
        .kind = kind, .position = position, .payload = slice_str(payload), .received_us = 1};
    assert_true(spool_append(spool, &rec, &err));
}

/* One row for each key; all of table 1. */
static void
transaction(uint64_t end, const char *keys)
{
    append(RECORD_BEGIN, end - 5, "");
    for (; *keys; keys++) {
        append(RECORD_DATA, end - 6, (const char[]){'1', *keys, 0});
    }
    append(RECORD_COMMIT, end, "");
    assert_true(spool_flush(spool, &err));
}

static void
start(enum error_policy policy)
{
    options.letters.policy = policy;
    assert_true(delivery_new(&options, &delivery, &err));
}

/* Steps until nothing is at hand, opening sessions as the thread does; false at the end of it. */
static bool
drain(void)
{
    for (int session = 0; session < 10; session++) {
        uint64_t resume;
        enum delivery_next next = DELIVERY_MORE;
        err_clear(&err);
        bool ok = delivery_open(delivery, &resume, &err);
        while (ok && next == DELIVERY_MORE) {
            ok = delivery_step(delivery, false, &next, &err);
        }
        delivery_close(delivery);
        int64_t pause;
        int attempts;
        if (ok) {
            return true;
        }
        if (delivery_failed(delivery, &err, &pause, &attempts) == DELIVERY_FAILED) {
            return false;
        }
    }
    fail_msg("too many sessions");
    return false;
}

static uint64_t
letters(void)
{
    uint64_t n = 0;
    struct err e = ERR_INIT;
    assert_true(letters_count(store, "memory", &n, &e));
    return n;
}

static void
refused_rows_are_parked_and_the_others_applied(void **state)
{
    (void)state;
    memory.refuses = "acz";
    transaction(110, "abcd");
    transaction(120, "yz");
    start(ON_ERROR_DEAD_LETTER);
    assert_true(drain());
    assert_string_equal(memory.committed, "bd|y|");
    assert_int_equal(letters(), 3);
    uint64_t n;
    delivery_parked(delivery, &n);
    assert_int_equal(n, 3);
}

static void
what_was_parked_before_a_lost_commit_is_left_out_when_it_comes_again(void **state)
{
    (void)state;
    memory.refuses = "b";
    memory.lose_commit = true;
    transaction(110, "abc");
    start(ON_ERROR_DEAD_LETTER);
    delivery_failed(delivery, &(struct err){.class = ERR_DATA}, &(int64_t){0}, &(int){0});
    uint64_t resume;
    enum delivery_next next = DELIVERY_MORE;
    assert_true(delivery_open(delivery, &resume, &err));
    while (delivery_step(delivery, false, &next, &err)) {
    }
    assert_int_equal(err.class, ERR_RECONNECT);
    assert_int_equal(letters(), 1);
    delivery_close(delivery);
    memory.refuses = ""; /* mended meanwhile: applied now, it would come twice by a replay */
    assert_true(drain());
    assert_string_equal(memory.committed, "ac|");
    assert_int_equal(letters(), 1);
}

static void
a_discarded_transaction_parks_a_change_once(void **state)
{
    (void)state;
    memory.refuses = "b";
    append(RECORD_BEGIN, 105, "");
    append(RECORD_DATA, 104, "1a");
    append(RECORD_DATA, 104, "1b");
    append(RECORD_DISCARD, 0, "");
    transaction(110, "abc");
    start(ON_ERROR_DEAD_LETTER);
    assert_true(drain());
    assert_string_equal(memory.committed, "ac|");
    assert_int_equal(letters(), 1);
}

static void
what_follows_for_the_row_waits_until_its_letter_is_gone(void **state)
{
    (void)state;
    memory.refuses = "b";
    transaction(110, "b");
    start(ON_ERROR_DEAD_LETTER);
    assert_true(drain());
    memory.refuses = "";
    transaction(120, "abc");
    assert_true(drain());
    assert_string_equal(memory.committed, "|ac|");
    assert_int_equal(letters(), 2);
    bool removed;
    assert_true(letters_remove(store, 1, &removed, &err) && removed);
    assert_true(letters_remove(store, 2, &removed, &err) && removed);
    transaction(130, "b");
    assert_true(drain());
    assert_string_equal(memory.committed, "|ac|b|");
}

static void
with_policy_stop_a_waiting_letter_holds_up_its_row(void **state)
{
    (void)state;
    memory.refuses = "b";
    transaction(110, "b");
    start(ON_ERROR_DEAD_LETTER);
    assert_true(drain());
    delivery_free(delivery);
    memory.refuses = "";
    transaction(120, "a");
    transaction(130, "b");
    start(ON_ERROR_STOP);
    assert_false(drain());
    assert_non_null(strstr(err.text, "dead letter 1 of the same row waits"));
    assert_string_equal(memory.committed, "|a|");
}

static void
a_refusal_that_is_not_about_the_data_is_never_parked(void **state)
{
    (void)state;
    static const char *const states[] = {"25006", "57014", "53100", "08006", "58030", "XX000"};
    transaction(110, "a");
    memory.refuses = "a";
    start(ON_ERROR_DEAD_LETTER);
    for (size_t i = 0; i < sizeof states / sizeof *states; i++) {
        memory.sqlstate = states[i];
        assert_false(drain());
        assert_string_equal(err.text, "refused a");
        assert_int_equal(letters(), 0);
    }
}

static void
a_refused_commit_ends_it_with_nothing_parked(void **state)
{
    (void)state;
    memory.refuse_commit = true;
    transaction(110, "a");
    start(ON_ERROR_DEAD_LETTER);
    assert_false(drain());
    assert_non_null(strstr(err.hint, "as a whole"));
    assert_int_equal(letters(), 0);
    assert_int_equal(memory.position, 100);
}

static void
at_the_limit_it_stops(void **state)
{
    (void)state;
    memory.refuses = "abcd";
    options.letters.limit = 3;
    transaction(110, "abxcd");
    start(ON_ERROR_DEAD_LETTER);
    assert_false(drain());
    assert_int_equal(err.class, ERR_CONFIG);
    assert_non_null(strstr(err.text, "3 dead letters"));
    assert_int_equal(letters(), 3);
    assert_int_equal(memory.position, 100);
}

static void
other_policies_park_nothing(void **state)
{
    (void)state;
    memory.refuses = "a";
    transaction(110, "a");
    start(ON_ERROR_UPSERT);
    assert_false(drain());
    assert_int_equal(memory.refusal, SINK_REFUSAL_UPSERT);
    delivery_free(delivery);
    start(ON_ERROR_STOP);
    assert_false(drain());
    assert_int_equal(memory.refusal, SINK_REFUSAL_ENDS);
    assert_int_equal(letters(), 0);
}

/* --- prepared transactions ----------------------------------------------------------------------
 */

static void
copied_at(uint64_t sync)
{
    table_sync_done(&sync_rule);
    table_sync_init(&sync_rule, &(struct table_sync_item){.oid = 1, .sync = sync}, 1);
}

/* Rows of table 1 for small letters, of 2 for large ones. */
static void
prepares(uint64_t at, const char *begin, const char *keys)
{
    append(RECORD_BEGIN, at, begin);
    for (; *keys; keys++) {
        append(RECORD_DATA, at - 1, (const char[]){*keys < 'a' ? '2' : '1', *keys, 0});
    }
    append(RECORD_COMMIT, at + 3, "P");
    assert_true(spool_flush(spool, &err));
}

static void
ends(uint64_t at, const char *begin, const char *how)
{
    append(RECORD_BEGIN, at - 1, begin);
    append(RECORD_COMMIT, at, how);
    assert_true(spool_flush(spool, &err));
}

static void
what_was_prepared_and_committed_in_front_of_the_copy_is_left_to_it(void **state)
{
    (void)state;
    copied_at(150);
    prepares(120, "bg", "abA");
    ends(130, "Kg", "K");
    prepares(160, "bg", "c");
    ends(170, "Kg", "K");
    start(ON_ERROR_STOP);
    assert_true(drain());
    assert_string_equal(memory.committed, "AP|K|cP|K|");
}

static void
an_outcome_that_ends_where_the_copy_was_made_is_in_it(void **state)
{
    (void)state;
    copied_at(130);
    prepares(120, "bg", "a");
    ends(130, "Kg", "K");
    start(ON_ERROR_STOP);
    assert_true(drain());
    assert_string_equal(memory.committed, "P|K|");
}

static void
what_was_prepared_in_front_of_the_copy_and_committed_behind_it_stops_the_sink(void **state)
{
    (void)state;
    copied_at(126);
    prepares(120, "bg", "aA");
    ends(130, "Kg", "K");
    start(ON_ERROR_STOP);
    assert_false(drain());
    assert_int_equal(err.class, ERR_FATAL);
    assert_non_null(strstr(err.text, "'g' was prepared at 0/7B and committed at 0/81"));
    assert_non_null(strstr(err.text, "at 0/7E: these changes are missing"));
    assert_string_equal(memory.committed, "AP|");
    assert_false(drain());
}

static void
it_is_known_after_a_restart(void **state)
{
    (void)state;
    copied_at(126);
    prepares(120, "pg", "a");
    start(ON_ERROR_STOP);
    assert_true(drain());
    delivery_free(delivery);
    ends(130, "Kg", "K");
    start(ON_ERROR_STOP);
    assert_false(drain());
    assert_non_null(strstr(err.text, "missing"));
}

static void
what_is_rolled_back_is_not_missed(void **state)
{
    (void)state;
    copied_at(126);
    prepares(120, "bg", "a");
    ends(130, "rg", "r");
    prepares(140, "bg", "b"); /* the name again */
    ends(150, "Kg", "K");
    start(ON_ERROR_STOP);
    assert_true(drain());
    assert_string_equal(memory.committed, "P|r|bP|K|");
}

static void
rows_of_a_prepared_transaction_are_never_parked(void **state)
{
    (void)state;
    static const char *const begins[] = {"bg", "pg"}; /* whole, and streamed */
    memory.refuses = "b";
    for (size_t i = 0; i < 2; i++) {
        uint64_t at = 120 + 20 * i;
        prepares(at, begins[i], "abc");
        start(ON_ERROR_DEAD_LETTER);
        assert_false(drain());
        assert_non_null(strstr(err.text, "a prepared transaction has no dead letters"));
        assert_non_null(strstr(err.text, "refused b"));
        assert_int_equal(letters(), 0);
        memory.refuses = "";
        assert_true(drain());
        memory.refuses = "b";
        delivery_free(delivery);
    }
    delivery = NULL;
    transaction(180, "abc");
    start(ON_ERROR_DEAD_LETTER);
    assert_true(drain());
    assert_int_equal(letters(), 1);
}

static int
setup(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 10; i++) {
        relations[i] = (struct relation){.id = i,
            .version = 1,
            .schema = "public",
            .name = "t",
            .identity = 'd',
            .columns_len = 1,
            .columns = key_column};
    }
    memset(&memory, 0, sizeof memory);
    memory.refuses = "";
    memory.sqlstate = "23514";
    err = ERR_INIT;
    dir = tmpdir_new();
    data = tmpdir_path(dir, "data");
    char *path = tmpdir_path(dir, "spool");
    struct spool_options o = {.path = path, .feed_id = 1, .clock = &clock_system};
    table_sync_init(&sync_rule, NULL, 0);
    bool ok = spool_open(&o, &spool, &err) && spool_set_start(spool, 100, &err) &&
              store_open(data, &store, &err);
    free(path);
    options = (struct delivery_options){.sink = &memory_ops,
        .params = {.name = "memory"},
        .decoder = &plain_ops,
        .spool = spool,
        .sync = &sync_rule,
        .start = 100,
        .retry_max_us = 10000,
        .clock = &clock_system,
        .letters = {.store = store, .sink = "memory", .limit = 100, .clock = &clock_system}};
    return ok ? 0 : -1;
}

static int
teardown(void **state)
{
    (void)state;
    delivery_free(delivery);
    delivery = NULL;
    spool_close(spool);
    store_close(store);
    table_sync_done(&sync_rule);
    free(data);
    tmpdir_remove(dir);
    return 0;
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(refused_rows_are_parked_and_the_others_applied),
        CASE(what_was_parked_before_a_lost_commit_is_left_out_when_it_comes_again),
        CASE(a_discarded_transaction_parks_a_change_once),
        CASE(what_follows_for_the_row_waits_until_its_letter_is_gone),
        CASE(with_policy_stop_a_waiting_letter_holds_up_its_row),
        CASE(a_refusal_that_is_not_about_the_data_is_never_parked),
        CASE(a_refused_commit_ends_it_with_nothing_parked),
        CASE(at_the_limit_it_stops),
        CASE(other_policies_park_nothing),
        CASE(what_was_prepared_and_committed_in_front_of_the_copy_is_left_to_it),
        CASE(an_outcome_that_ends_where_the_copy_was_made_is_in_it),
        CASE(what_was_prepared_in_front_of_the_copy_and_committed_behind_it_stops_the_sink),
        CASE(it_is_known_after_a_restart),
        CASE(what_is_rolled_back_is_not_missed),
        CASE(rows_of_a_prepared_transaction_are_never_parked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
