/* SPDX-License-Identifier: Apache-2.0
 *
 * The gate for DDL in front of a sink: who is believed, what is executed, what waits for a
 * decision, and that another session does the same again. Store: a real one; sink: notes what it
 * was told.
 */
#include <stdio.h>

#include "agent/base/arena.h"
#include "agent/pipeline/ddl.h"
#include "agent/store/resyncs.h"
#include "tests/lib/tmpdir.h"
#include "tests/lib/unit.h"

struct fake_sink {
    struct sink base;
    char executed[2000];
    const char *refuse; /* answers a statement with this error */
    unsigned synced, looked;
    bool lacks; /* the table has one column less */
};

struct fixture {
    char *dir;
    struct store *s;
    struct ddl_config config;
    struct table_sync sync;
    struct fake_sink sink;
    struct ddl_gate *gate;
    struct err err;
};

static bool
fake_ddl(struct sink *s, const struct sink_ddl *d, struct err *err)
{
    struct fake_sink *f = (struct fake_sink *)s;
    if (f->refuse) {
        return err_set(err, ERR_DATA, "%s", f->refuse);
    }
    size_t used = strlen(f->executed);
    snprintf(f->executed + used, sizeof f->executed - used, "%s;", d->sql);
    return true;
}

static bool
fake_sync(struct sink *s, struct sink_progress *out, struct err *err)
{
    (void)err;
    ((struct fake_sink *)s)->synced++;
    *out = (struct sink_progress){0};
    return true;
}

static bool
fake_table(struct sink *s, const struct relation *r, struct arena *arena, struct sink_table *out,
    struct err *err)
{
    static const struct sink_column here[] = {{"id", "integer"}, {"v", "text"}};
    struct fake_sink *f = (struct fake_sink *)s;
    (void)r;
    (void)arena;
    (void)err;
    f->looked++;
    *out = (struct sink_table){here, f->lacks ? 1 : 2};
    return true;
}

static const struct sink_ops fake_ops = {
    .name = "fake", .ddl = fake_ddl, .sync = fake_sync, .table = fake_table};

static void
open_gate(struct fixture *f)
{
    ddl_gate_free(f->gate);
    f->gate = ddl_gate_new(&(struct ddl_options){.store = f->s,
        .sink = "a",
        .publication = "p",
        .config = &f->config,
        .sync = &f->sync,
        .source_dsn = "host=/nowhere",
        .timeout_us = 1000000});
    assert_true(ddl_gate_open(f->gate, &f->err));
}

static int
set_up_without_triggers(void **state)
{
    static struct fixture f;
    f = (struct fixture){.dir = tmpdir_new(), .config = {.by_default = DDL_POLICY_APPLY}};
    f.sink.base.ops = &fake_ops;
    table_sync_init(&f.sync, NULL, 0);
    *state = &f;
    if (!store_open(f.dir, &f.s, &f.err)) {
        return -1;
    }
    open_gate(&f);
    return 0;
}

static int
set_up(void **state)
{
    if (set_up_without_triggers(state) != 0) {
        return -1;
    }
    struct fixture *f = *state;
    if (!store_set(f->s, STORE_DDL_TOKEN, "secret", &f->err)) {
        return -1;
    }
    open_gate(f);
    return 0;
}

static int
tear_down(void **state)
{
    struct fixture *f = *state;
    ddl_gate_free(f->gate);
    table_sync_done(&f->sync);
    store_close(f->s);
    tmpdir_remove(f->dir);
    return 0;
}

/* A statement of the transaction that commits at 0x500. `more`: members of the message, with a
 * comma in front. */
static bool
tell(struct fixture *f, const char *token, uint32_t ordinal, const char *sql, const char *more)
{
    char json[1000];
    snprintf(json, sizeof json,
        "{\"v\":1,\"token\":\"%s\",\"tag\":\"CREATE TABLE\",\"query\":\"%s\",\"nth\":1,"
        "\"user\":\"u\",\"search_path\":\"public\"%s}",
        token, sql, more);
    struct change c = {.kind = CHANGE_MESSAGE,
        .prefix = "tidegate.ddl.731",
        .content = slice_str(json),
        .transactional = true,
        .position = {0x500, ordinal}};
    assert_true(ddl_is_message(&c));
    err_clear(&f->err);
    return ddl_gate_message(f->gate, &f->sink.base, &c, 0x4f0, &f->err);
}

static bool
waits(struct fixture *f)
{
    char *waiting = NULL;
    struct err err = ERR_INIT;
    assert_true(ddl_waiting(f->s, "a", &waiting, &err));
    bool any = waiting != NULL;
    x_free(waiting);
    return any;
}

static struct ddl_counts
counts(struct fixture *f)
{
    struct ddl_counts n;
    ddl_gate_counts(f->gate, &n);
    return n;
}

static void
only_who_knows_the_token_is_believed(void **state)
{
    struct fixture *f = *state;
    assert_true(tell(f, "guess", 1, "create table x (id int)", ""));
    assert_string_equal(f->sink.executed, "");
    assert_non_null(strstr(ddl_gate_news(f->gate), "not believed"));
    assert_null(ddl_gate_news(f->gate));
    assert_true(tell(f, "secret", 2, "create table x (id int)", ""));
    assert_string_equal(f->sink.executed, "create table x (id int);");
    assert_int_equal(counts(f).applied, 1);
}

static void
other_messages_are_none(void **state)
{
    (void)state;
    static const char *const others[] = {"tidegate", "tidegate.ddlx", "tidegate.space", ""};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        assert_false(ddl_is_message(&(struct change){.kind = CHANGE_MESSAGE, .prefix = others[i]}));
    }
    assert_true(ddl_is_message(&(struct change){.kind = CHANGE_MESSAGE, .prefix = "tidegate.ddl"}));
}

static void
what_the_copied_schema_has_is_not_done_again(void **state)
{
    struct fixture *f = *state;
    assert_true(store_set_u64(f->s, STORE_DDL_SCHEMA "a", 0x4f1, &f->err));
    open_gate(f);
    assert_true(tell(f, "secret", 1, "create table x (id int)", ""));
    assert_string_equal(f->sink.executed, "");
    assert_true(store_set_u64(f->s, STORE_DDL_SCHEMA "a", 0x4f0, &f->err));
    open_gate(f);
    assert_true(tell(f, "secret", 1, "create table x (id int)", ""));
    assert_string_equal(f->sink.executed, "create table x (id int);");
}

static void
a_statement_waits_until_it_is_decided(void **state)
{
    struct fixture *f = *state;
    f->config.policy[DDL_TABLES] = DDL_POLICY_STOP;
    assert_false(tell(f, "secret", 7, "create table x (id int)", ""));
    assert_int_equal(f->err.class, ERR_DATA);
    assert_non_null(strstr(f->err.hint, "tidegate ddl apply a"));
    assert_int_equal(f->sink.synced, 1); /* the sink stands right in front of it */
    assert_true(ddl_gate_waits(f->gate) && waits(f) && !ddl_gate_decided(f->gate));
    open_gate(f); /* a new session stops there again */
    assert_false(tell(f, "secret", 7, "create table x (id int)", ""));
    assert_true(ddl_decide(f->s, "a", true, &f->err));
    assert_true(ddl_gate_decided(f->gate));
    open_gate(f);
    assert_true(tell(f, "secret", 7, "create table x (id int)", ""));
    assert_string_equal(f->sink.executed, "create table x (id int);");
    assert_false(waits(f));
    assert_false(ddl_decide(f->s, "a", true, &f->err)); /* nothing waits */
    assert_int_equal(f->err.class, ERR_CONFIG);
    /* The decision was about that place alone, and holds there when the transaction comes again. */
    assert_false(tell(f, "secret", 8, "create table y (id int)", ""));
    assert_true(ddl_decide(f->s, "a", false, &f->err));
    open_gate(f);
    assert_true(tell(f, "secret", 7, "create table x (id int)", ""));
    assert_true(tell(f, "secret", 8, "create table y (id int)", ""));
    assert_string_equal(f->sink.executed, "create table x (id int);create table x (id int);");
    assert_int_equal(counts(f).ignored, 1);
}

static void
what_is_ignored_neither_stops_nor_is_executed(void **state)
{
    struct fixture *f = *state;
    f->config.by_default = DDL_POLICY_IGNORE;
    assert_true(tell(f, "secret", 1, "create table x (id int)", ""));
    assert_true(tell(f, "secret", 2, "create table y (id int)", ",\"failed\":\"why ever\""));
    assert_string_equal(f->sink.executed, "");
    assert_int_equal(counts(f).ignored, 2);
}

static void
what_the_target_refuses_waits_and_uses_a_decision_up(void **state)
{
    struct fixture *f = *state;
    f->sink.refuse = "type \"mood\" does not exist";
    assert_false(tell(f, "secret", 1, "create table x (m mood)", ""));
    assert_non_null(strstr(f->err.text, "does not exist"));
    assert_true(waits(f));
    assert_true(ddl_decide(f->s, "a", true, &f->err));
    open_gate(f);
    assert_false(tell(f, "secret", 1, "create table x (m mood)", ""));
    assert_true(waits(f) && !ddl_gate_decided(f->gate));
    f->sink.refuse = NULL;
    open_gate(f);
    assert_true(tell(f, "secret", 1, "create table x (m mood)", ""));
    assert_false(waits(f));
}

static void
a_copy_is_asked_for_before_the_statement(void **state)
{
    struct fixture *f = *state;
    struct resync_row *rows = NULL;
    size_t n = 0;
    f->sink.refuse = "the session breaks here";
    assert_false(tell(f, "secret", 1, "create table x (id int)",
        ",\"copy\":[{\"publication\":\"p\",\"schema\":\"s\",\"name\":\"x\",\"oid\":77,"
        "\"reason\":\"it was filled\"},{\"publication\":\"q\",\"schema\":\"s\",\"name\":\"y\","
        "\"oid\":78,\"reason\":\"another migration\"}]"));
    assert_true(store_resyncs(f->s, "a", &rows, &n, &f->err));
    assert_int_equal(n, 1);
    assert_int_equal(rows[0].oid, 77);
    assert_int_equal(rows[0].state, RESYNC_ASKED);
    x_free(rows);
}

/* --- rows instead of messages -------------------------------------------------------------------
 */

static struct column columns[] = {{"id", 23, -1, true}, {"v", 25, -1, false}};

static bool
row(struct fixture *f, uint32_t version, bool *acted)
{
    struct relation r = {.id = 9,
        .version = version,
        .schema = "s",
        .name = "t",
        .identity = 'd',
        .columns = columns,
        .columns_len = 2};
    struct change c = {.kind = CHANGE_INSERT, .relation = &r, .position = {0x500, 1}};
    err_clear(&f->err);
    return ddl_gate_row(f->gate, &f->sink.base, &c, 0x4f0, acted, &f->err);
}

static void
a_table_is_looked_at_once_for_each_description(void **state)
{
    struct fixture *f = *state;
    bool acted = false;
    assert_true(row(f, 1, &acted) && row(f, 1, &acted));
    assert_int_equal(f->sink.looked, 1);
    assert_true(row(f, 2, &acted) && !acted);
    assert_int_equal(f->sink.looked, 2);
    open_gate(f);
    assert_true(row(f, 2, &acted));
    assert_int_equal(f->sink.looked, 3);
}

static void
where_triggers_tell_rows_do_not(void **state)
{
    struct fixture *f = *state;
    bool acted = false;
    f->sink.lacks = true;
    assert_true(row(f, 1, &acted) && !acted);
    assert_int_equal(f->sink.looked, 0);
}

static void
a_source_that_cannot_be_asked_is_tried_again(void **state)
{
    struct fixture *f = *state;
    bool acted = false;
    f->sink.lacks = true;
    assert_false(row(f, 1, &acted));
    assert_int_equal(f->err.class, ERR_RECONNECT);
    assert_false(ddl_gate_waits(f->gate) || waits(f));
    assert_string_equal(f->sink.executed, "");
}

int
main(void)
{
#define T(test)    cmocka_unit_test_setup_teardown(test, set_up, tear_down)
#define ROWS(test) cmocka_unit_test_setup_teardown(test, set_up_without_triggers, tear_down)
    const struct CMUnitTest tests[] = {
        T(only_who_knows_the_token_is_believed),
        T(other_messages_are_none),
        T(what_the_copied_schema_has_is_not_done_again),
        T(a_statement_waits_until_it_is_decided),
        T(what_is_ignored_neither_stops_nor_is_executed),
        T(what_the_target_refuses_waits_and_uses_a_decision_up),
        T(a_copy_is_asked_for_before_the_statement),
        T(where_triggers_tell_rows_do_not),
        ROWS(a_table_is_looked_at_once_for_each_description),
        ROWS(a_source_that_cannot_be_asked_is_tried_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
