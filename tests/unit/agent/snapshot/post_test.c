/* SPDX-License-Identifier: Apache-2.0
 *
 * What may be made when, and beside what.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "agent/snapshot/post.h"

#define A 100 /* tables */
#define B 200

static const uint32_t on_1[] = {1}, on_2[] = {2}, on_5[] = {5};

static struct toc_entry entries[] = {
    {.id = 1, .type = "INDEX", .schema = "s", .name = "a_i", .sql = "CREATE INDEX a_i;"},
    {.id = 2, .type = "CONSTRAINT", .schema = "s", .name = "a a_pkey", .sql = "ALTER TABLE;"},
    {.id = 3, .type = "INDEX", .schema = "s", .name = "a_j", .sql = "CREATE INDEX a_j;"},
    {.id = 4, .type = "INDEX", .schema = "s", .name = "b_i", .sql = "CREATE INDEX b_i;"},
    {.id = 5,
        .type = "FK CONSTRAINT",
        .schema = "s",
        .name = "b fk",
        .sql = "ALTER TABLE;",
        .deps = on_2,
        .deps_len = 1},
    {.id = 6, .type = "TRIGGER", .schema = "s", .name = "a t", .sql = "CREATE TRIGGER;"},
    {.id = 7,
        .type = "COMMENT",
        .schema = "s",
        .name = "INDEX a_i",
        .sql = "COMMENT;",
        .deps = on_1,
        .deps_len = 1},
    {.id = 8,
        .type = "COMMENT",
        .schema = "s",
        .name = "CONSTRAINT fk ON b",
        .sql = "COMMENT;",
        .deps = on_5,
        .deps_len = 1},
    {.id = 9, .type = "RULE", .schema = "s", .name = "v _RETURN", .sql = "CREATE VIEW;"},
    {.id = 10, .type = "TRIGGER", .schema = "s", .name = "a always", .sql = "CREATE TRIGGER;"},
    {.id = 11, .type = "EVENT TRIGGER", .schema = "-", .name = "e", .sql = "CREATE EVENT;"},
};
#define ENTRIES (sizeof(entries) / sizeof(entries[0]))

static const struct post_facts facts[ENTRIES] = {{.relid = A}, {.relid = A}, {.relid = A},
    {.relid = B}, {.relid = B, .relid2 = A, .validated = true}, {.relid = A}, {0}, {0},
    {.relid = 300}, {.relid = A, .fires_always = true}, {0}};

static struct toc_entry grants[] = {
    {.id = 20, .type = "TABLE", .schema = "s", .name = "a", .sql = "CREATE TABLE;"},
    {.id = 21, .type = "ACL", .schema = "s", .name = "TABLE a", .sql = "GRANT;"},
};

static const struct toc behind = {.items = entries, .len = ENTRIES};
static const struct toc before = {.items = grants, .len = 2};
static const struct post_table tables[] = {
    {A, 0, "s", "a", 'r', false, 10}, {B, 0, "s", "b", 'r', false, 99}};

static uint32_t copied_table; /* 0: all */

static bool
copied(uint32_t relid, void *arg)
{
    (void)arg;
    return copied_table == 0 || relid == copied_table || (relid != A && relid != B);
}

static void
build(struct post *p, bool defer)
{
    copied_table = 0;
    const struct post_input in = {.before = &before,
        .behind = &behind,
        .facts = facts,
        .tables = tables,
        .tables_len = 2,
        .analyze = true,
        .defer_firing = defer};
    post_build(p, &in);
}

static struct post_item *
find(struct post *p, const char *name)
{
    for (size_t i = 0; i < p->len; i++) {
        if (p->items[i].entry && strcmp(p->items[i].entry->name, name) == 0) {
            return &p->items[i];
        }
    }
    fail_msg("no item '%s'", name);
    return NULL;
}

static const char *
take_name(struct post *p, enum post_stage stage)
{
    struct post_item *it = post_take(p, stage, copied, NULL);
    return !it ? "none" : it->entry ? it->entry->name : it->sql;
}

static void
stages_follow_from_type_and_facts(void **state)
{
    (void)state;
    struct post p;
    build(&p, false);
    assert_int_equal(find(&p, "a_i")->stage, POST_TABLE);
    assert_int_equal(find(&p, "b fk")->stage, POST_FK);
    assert_int_equal(find(&p, "a t")->stage, POST_LATE);
    assert_int_equal(find(&p, "v _RETURN")->stage, POST_TABLE);
    assert_int_equal(find(&p, "a always")->stage, POST_FINISH);
    assert_int_equal(find(&p, "e")->stage, POST_FINISH);
    assert_int_equal(find(&p, "TABLE a")->stage, POST_LATE);
    post_free(&p);
}

static void
a_comment_is_never_earlier_than_its_object(void **state)
{
    (void)state;
    struct post p;
    build(&p, false);
    assert_int_equal(find(&p, "INDEX a_i")->stage, POST_TABLE);
    assert_int_equal(find(&p, "CONSTRAINT fk ON b")->stage, POST_FK);
    post_free(&p);
    build(&p, true);
    assert_int_equal(find(&p, "CONSTRAINT fk ON b")->stage, POST_FINISH);
    post_free(&p);
}

static void
deferring_moves_what_fires_to_the_end(void **state)
{
    (void)state;
    struct post p;
    build(&p, true);
    assert_int_equal(find(&p, "b fk")->stage, POST_FINISH);
    assert_int_equal(find(&p, "a t")->stage, POST_FINISH);
    assert_int_equal(find(&p, "a_i")->stage, POST_TABLE);
    post_free(&p);
}

static void
nothing_begins_before_its_tables_data_is_there(void **state)
{
    (void)state;
    struct post p;
    build(&p, false);
    copied_table = B;
    assert_string_equal(take_name(&p, POST_TABLE), "b_i");
    assert_string_equal(take_name(&p, POST_TABLE), "v _RETURN");
    assert_string_equal(take_name(&p, POST_TABLE), "none");
    post_free(&p);
}

static void
the_heaviest_table_goes_first(void **state)
{
    (void)state;
    struct post p;
    build(&p, false);
    assert_string_equal(take_name(&p, POST_TABLE), "b_i");
    post_free(&p);
}

static void
indexes_of_a_table_run_together_a_key_runs_alone(void **state)
{
    (void)state;
    struct post p;
    build(&p, false);
    copied_table = A;
    struct post_item *i = post_take(&p, POST_TABLE, copied, NULL);
    struct post_item *j = post_take(&p, POST_TABLE, copied, NULL);
    assert_string_equal(i->entry->name, "a_i");
    assert_string_equal(j->entry->name, "a_j");
    assert_string_equal(take_name(&p, POST_TABLE), "v _RETURN");
    assert_string_equal(take_name(&p, POST_TABLE), "none");
    post_settle(&p, i, POST_DONE);
    assert_string_equal(take_name(&p, POST_TABLE), "none");
    post_settle(&p, j, POST_DONE);
    struct post_item *key = post_take(&p, POST_TABLE, copied, NULL);
    assert_string_equal(key->entry->name, "a a_pkey");
    assert_string_equal(take_name(&p, POST_TABLE), "none");
    post_settle(&p, key, POST_DONE);
    assert_string_equal(take_name(&p, POST_TABLE), "INDEX a_i");
    post_free(&p);
}

static void
a_table_is_analyzed_when_all_of_its_items_are_done(void **state)
{
    (void)state;
    struct post p;
    build(&p, false);
    copied_table = B;
    struct post_item *it = post_take(&p, POST_TABLE, copied, NULL);
    assert_string_equal(it->entry->name, "b_i");
    post_settle(&p, it, POST_DONE);
    assert_string_equal(take_name(&p, POST_TABLE), "ANALYZE \"s\".\"b\"");
    post_free(&p);
}

/* Takes one more and adds it. */
static const char *
along(struct post *p, enum post_stage stage, struct post_group *g)
{
    struct post_item *it = post_take_along(p, stage, copied, NULL, g);
    if (!it) {
        return "none";
    }
    g->items[g->len++] = it;
    return it->entry ? it->entry->name : it->sql;
}

static void
a_group_takes_all_of_its_table_but_what_may_not_follow_a_failure(void **state)
{
    (void)state;
    struct post p;
    struct post_group g = {0};
    build(&p, false);
    copied_table = A;
    find(&p, "v _RETURN")->state = POST_DONE;
    assert_string_equal(along(&p, POST_TABLE, &g), "a_i");
    assert_string_equal(along(&p, POST_TABLE, &g), "a a_pkey");
    assert_string_equal(along(&p, POST_TABLE, &g), "a_j");
    /* The index of the comment may turn out to be left out; the end waits for the comment. */
    assert_string_equal(along(&p, POST_TABLE, &g), "none");
    for (size_t i = 0; i < g.len; i++) {
        post_settle(&p, g.items[i], POST_DONE);
    }
    assert_string_equal(take_name(&p, POST_TABLE), "INDEX a_i");
    post_free(&p);
}

static void
the_end_of_a_table_may_follow_in_the_same_group(void **state)
{
    (void)state;
    struct post p;
    struct post_group g = {0};
    build(&p, false);
    copied_table = B;
    assert_string_equal(along(&p, POST_TABLE, &g), "b_i");
    assert_string_equal(along(&p, POST_TABLE, &g), "ANALYZE \"s\".\"b\"");
    post_free(&p);
}

static void
groups_stay_out_of_each_others_way(void **state)
{
    (void)state;
    struct post p;
    struct post_group one = {0}, other = {0};
    build(&p, false);
    find(&p, "v _RETURN")->state = POST_DONE;
    copied_table = A;
    assert_string_equal(along(&p, POST_TABLE, &one), "a_i");
    assert_string_equal(along(&p, POST_TABLE, &other), "a_j");
    /* The key locks the table against the other's index. */
    assert_string_equal(along(&p, POST_TABLE, &one), "none");
    assert_string_equal(along(&p, POST_TABLE, &other), "none");
    post_free(&p);
}

static void
an_item_that_failed_for_now_can_be_taken_again(void **state)
{
    (void)state;
    struct post p;
    build(&p, false);
    copied_table = B;
    struct post_item *it = post_take(&p, POST_TABLE, copied, NULL);
    post_settle(&p, it, POST_WAITING);
    assert_ptr_equal(post_take(&p, POST_TABLE, copied, NULL), it);
    post_free(&p);
}

static void
leaving_an_item_out_leaves_its_comments_out(void **state)
{
    (void)state;
    struct post p;
    build(&p, false);
    assert_int_equal(post_left(&p, POST_FK), 2);
    post_skip(&p, find(&p, "b fk"));
    assert_int_equal(find(&p, "CONSTRAINT fk ON b")->state, POST_SKIPPED);
    assert_int_equal(post_left(&p, POST_FK), 0);
    post_free(&p);
}

static void
the_end_of_a_table_comes_without_analyze_too(void **state)
{
    (void)state;
    static const struct post_table one[] = {{A, 0, "s", "a", 'r', false, 10}};
    static const struct toc nothing;
    struct post p;
    copied_table = A;
    const struct post_input in = {
        .before = &nothing, .behind = &nothing, .tables = one, .tables_len = 1};
    post_build(&p, &in);
    struct post_item *end = post_take(&p, POST_TABLE, copied, NULL);
    assert_int_equal(end->facts.relid, A);
    assert_null(end->sql);
    post_free(&p);
}

static void
a_partitioned_table_is_analyzed_once_after_its_partitions(void **state)
{
    (void)state;
    static const struct post_table tree[] = {
        {A, 0, "s", "root", 'p', false, 0}, {B, A, "s", "leaf", 'r', true, 10}};
    static const struct toc nothing;
    struct post p;
    copied_table = 0;
    const struct post_input in = {
        .before = &nothing, .behind = &nothing, .tables = tree, .tables_len = 2, .analyze = true};
    post_build(&p, &in);
    struct post_item *leaf = post_take(&p, POST_TABLE, copied, NULL);
    assert_int_equal(leaf->facts.relid, B);
    assert_null(leaf->sql);
    assert_null(post_take(&p, POST_TABLE, copied, NULL));
    post_settle(&p, leaf, POST_DONE);
    assert_string_equal(take_name(&p, POST_TABLE), "ANALYZE \"s\".\"root\"");
    post_free(&p);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stages_follow_from_type_and_facts),
        cmocka_unit_test(a_comment_is_never_earlier_than_its_object),
        cmocka_unit_test(deferring_moves_what_fires_to_the_end),
        cmocka_unit_test(nothing_begins_before_its_tables_data_is_there),
        cmocka_unit_test(the_heaviest_table_goes_first),
        cmocka_unit_test(indexes_of_a_table_run_together_a_key_runs_alone),
        cmocka_unit_test(a_table_is_analyzed_when_all_of_its_items_are_done),
        cmocka_unit_test(the_end_of_a_table_comes_without_analyze_too),
        cmocka_unit_test(a_group_takes_all_of_its_table_but_what_may_not_follow_a_failure),
        cmocka_unit_test(the_end_of_a_table_may_follow_in_the_same_group),
        cmocka_unit_test(groups_stay_out_of_each_others_way),
        cmocka_unit_test(an_item_that_failed_for_now_can_be_taken_again),
        cmocka_unit_test(leaving_an_item_out_leaves_its_comments_out),
        cmocka_unit_test(a_partitioned_table_is_analyzed_once_after_its_partitions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
