/* SPDX-License-Identifier: Apache-2.0
 *
 * Letters in the state database: one for each change, in order, gone when removed.
 */
#include <stdio.h>

#include "agent/store/letters.h"
#include "tests/lib/tmpdir.h"
#include "tests/lib/unit.h"

struct fixture {
    char *root;
    struct store *s;
    struct err err;
};

static int
set_up(void **state)
{
    static struct fixture f;
    f.root = tmpdir_new();
    f.err = ERR_INIT;
    *state = &f;
    return store_open(f.root, &f.s, &f.err) ? 0 : -1;
}

static int
tear_down(void **state)
{
    struct fixture *f = *state;
    store_close(f->s);
    tmpdir_remove(f->root);
    return 0;
}

static struct letter
letter(const char *sink, uint64_t position, uint32_t ordinal)
{
    struct letter l = {.position = {position, ordinal},
        .xid = 741,
        .relation = "public.orders",
        .operation = "insert",
        .sqlstate = "23514",
        .token = "0123456789abcdef0123456789abcdef",
        .parked_us = 1700000000000000,
        .head = slice_str("head"),
        .body = slice_str("body")};
    snprintf(l.sink, sizeof l.sink, "%s", sink);
    return l;
}

static uint64_t
put(struct fixture *f, const char *sink, uint64_t position, uint32_t ordinal)
{
    struct letter l = letter(sink, position, ordinal);
    uint64_t id = 0;
    assert_true(letters_put(f->s, &l, &id, &f->err));
    return id;
}

static bool
collect(const struct letter *l, void *arg, struct err *err)
{
    (void)err;
    char *text = arg;
    size_t n = strlen(text);
    snprintf(text + n, 256 - n, "%s:%llu+%u ", l->sink, (unsigned long long)l->position.commit,
        l->position.ordinal);
    return true;
}

static uint64_t
count(struct fixture *f, const char *sink)
{
    uint64_t n = 99;
    assert_true(letters_count(f->s, sink, &n, &f->err));
    return n;
}

static void
letters_come_in_the_order_of_their_changes(void **state)
{
    struct fixture *f = *state;
    char text[256] = "";
    put(f, "b", 10, 2);
    put(f, "a", 20, 1);
    put(f, "a", 10, 2);
    put(f, "a", 10, 1);
    assert_true(letters_each(f->s, "a", collect, text, &f->err));
    assert_string_equal(text, "a:10+1 a:10+2 a:20+1 ");
    text[0] = 0;
    assert_true(letters_each(f->s, NULL, collect, text, &f->err));
    assert_string_equal(text, "a:10+1 a:10+2 a:20+1 b:10+2 ");
}

static void
the_same_change_parked_again_is_one_letter(void **state)
{
    struct fixture *f = *state;
    uint64_t first = put(f, "a", 10, 1);
    assert_int_equal(put(f, "a", 10, 1), first);
    assert_int_equal(count(f, "a"), 1);
    assert_int_not_equal(put(f, "b", 10, 1), first);
    assert_int_equal(count(f, NULL), 2);
}

static bool
keep(const struct letter *l, void *arg, struct err *err)
{
    (void)err;
    struct letter *out = arg;
    *out = *l;
    assert_int_equal(l->head.len, 4);
    assert_memory_equal(l->head.data, "head", 4);
    return true;
}

static void
a_letter_survives_the_process_as_it_was(void **state)
{
    struct fixture *f = *state;
    struct letter want = letter("a", UINT64_C(0x16B374D848), 7), got = {0};
    uint64_t id = put(f, "a", want.position.commit, 7);
    store_close(f->s);
    assert_true(store_open(f->root, &f->s, &f->err));
    assert_true(letters_each(f->s, "a", keep, &got, &f->err));
    assert_int_equal(got.id, id);
    assert_int_equal(got.position.commit, want.position.commit);
    assert_int_equal(got.position.ordinal, 7);
    assert_int_equal(got.xid, 741);
    assert_string_equal(got.relation, want.relation);
    assert_string_equal(got.operation, want.operation);
    assert_string_equal(got.sqlstate, want.sqlstate);
    assert_string_equal(got.token, want.token);
    assert_true(got.parked_us == want.parked_us);
    struct buf body;
    bool found = false;
    buf_init(&body, 100);
    assert_true(letters_body(f->s, id, &body, &found, &f->err));
    assert_true(found);
    assert_string_equal(buf_cstr(&body), "body");
    buf_done(&body);
}

static void
a_removed_letter_is_gone_and_its_number_is_not_given_again(void **state)
{
    struct fixture *f = *state;
    uint64_t id = put(f, "a", 10, 1), before = letters_generation(f->s);
    bool removed = false, found = true;
    assert_true(letters_remove(f->s, id, &removed, &f->err));
    assert_true(removed);
    assert_true(letters_generation(f->s) > before);
    assert_int_equal(count(f, "a"), 0);
    assert_true(letters_remove(f->s, id, &removed, &f->err));
    assert_false(removed);
    struct buf body;
    buf_init(&body, 100);
    assert_true(letters_body(f->s, id, &body, &found, &f->err));
    assert_false(found);
    buf_done(&body);
    assert_true(put(f, "a", 10, 1) > id);
}

static bool
refuse(const struct letter *l, void *arg, struct err *err)
{
    (void)l;
    (void)arg;
    return err_set(err, ERR_DATA, "enough");
}

static void
a_visitor_ends_the_walk_with_its_own_error(void **state)
{
    struct fixture *f = *state;
    put(f, "a", 10, 1);
    assert_false(letters_each(f->s, NULL, refuse, NULL, &f->err));
    assert_string_equal(f->err.text, "enough");
    assert_int_equal(count(f, NULL), 1); /* the statement is ready for the next one */
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(letters_come_in_the_order_of_their_changes),
        CASE(the_same_change_parked_again_is_one_letter),
        CASE(a_letter_survives_the_process_as_it_was),
        CASE(a_removed_letter_is_gone_and_its_number_is_not_given_again),
        CASE(a_visitor_ends_the_walk_with_its_own_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
