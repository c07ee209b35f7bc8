/* SPDX-License-Identifier: Apache-2.0
 *
 * What a changed description of a table is taken for, and what is left to people.
 */
#include "agent/pipeline/ddl_notice.h"
#include "tests/lib/unit.h"

#define INT  23
#define TEXT 25

static struct column id_v[] = {{"id", INT, -1, true}, {"v", TEXT, -1, false}};
static struct column id_v_n[] = {
    {"id", INT, -1, true}, {"v", TEXT, -1, false}, {"n", INT, -1, false}};
static struct column id_n[] = {{"id", INT, -1, true}, {"n", INT, -1, false}};
static struct column id_only[] = {{"id", INT, -1, true}};
static struct column id_short[] = {{"id", INT, -1, true}, {"v", 1043, 14, false}};

static const struct sink_column here_id_v[] = {{"id", "integer"}, {"v", "text"}};
static const struct sink_column here_more[] = {
    {"id", "integer"}, {"v", "text"}, {"mine", "integer"}};

#define LEN(a) (sizeof(a) / sizeof((a)[0]))
#define RELATION(c)                                                                                \
    (&(struct relation){                                                                           \
        .id = 7, .schema = "s", .name = "t \"q\"", .columns = (c), .columns_len = LEN(c)})
#define TARGET(c) (&(struct sink_table){(c), LEN(c)})
#define SOURCE(c)                                                                                  \
    (&(struct notice_table){.schema = "s", .name = "t \"q\"", .columns = (c), .len = LEN(c)})

static struct notice
found(const struct relation *before, const struct relation *now, const struct sink_table *target,
    const struct notice_table *source)
{
    struct notice n;
    assert_true(ddl_notice_differs(before, now, target));
    ddl_notice_find(before, now, target, source, &n);
    return n;
}

static void
says(struct notice n, enum notice_kind kind, const char *sql, const char *why, bool copy)
{
    assert_int_equal(n.kind, kind);
    assert_string_equal(buf_cstr(&n.sql), sql);
    assert_true(why ? n.why && strstr(n.why, why) : !n.why);
    assert_int_equal(n.copy != NULL, copy);
    ddl_notice_done(&n);
}

static void
a_table_as_it_was_is_no_difference(void **state)
{
    (void)state;
    assert_false(ddl_notice_differs(NULL, RELATION(id_v), TARGET(here_id_v)));
    assert_false(ddl_notice_differs(RELATION(id_v), RELATION(id_v), TARGET(here_id_v)));
    /* What only the target has is its own. */
    assert_false(ddl_notice_differs(RELATION(id_v), RELATION(id_v), TARGET(here_more)));
    assert_false(ddl_notice_differs(NULL, RELATION(id_only), TARGET(here_more)));
    /* A table that is not there is for the sink to say. */
    assert_false(ddl_notice_differs(NULL, RELATION(id_v), &(struct sink_table){0}));
    /* Done already. */
    assert_false(ddl_notice_differs(RELATION(id_v_n), RELATION(id_v), TARGET(here_id_v)));
}

static void
a_column_that_came(void **state)
{
    (void)state;
    struct notice_column there[] = {
        {.name = "n", .type = "integer", .type_oid = INT, .type_mod = -1}};
    const char *sql = "ALTER TABLE \"s\".\"t \"\"q\"\"\" ADD COLUMN \"n\" integer";
    says(found(RELATION(id_v), RELATION(id_v_n), TARGET(here_id_v), SOURCE(there)),
        NOTICE_STATEMENT, sql, NULL, false);
    /* Not known to be new: somebody may have dropped it on the target. */
    says(found(NULL, RELATION(id_v_n), TARGET(here_id_v), SOURCE(there)), NOTICE_STATEMENT, sql,
        NULL, true);
    says(found(RELATION(id_v_n), RELATION(id_v_n), TARGET(here_id_v), SOURCE(there)),
        NOTICE_STATEMENT, sql, NULL, true);
    there[0].expression = "3";
    there[0].not_null = true;
    says(found(RELATION(id_v), RELATION(id_v_n), TARGET(here_id_v), SOURCE(there)),
        NOTICE_STATEMENT,
        "ALTER TABLE \"s\".\"t \"\"q\"\"\" ADD COLUMN \"n\" integer DEFAULT 3 NOT NULL", NULL,
        true);
    there[0].expression = NULL;
    there[0].not_null = false;
    there[0].filled = true; /* the default went later, the values stay */
    says(found(NULL, RELATION(id_v_n), TARGET(here_id_v), SOURCE(there)), NOTICE_STATEMENT,
        "ALTER TABLE \"s\".\"t \"\"q\"\"\" ADD COLUMN \"n\" integer", NULL, true);
    there[0] = (struct notice_column){.name = "n",
        .type = "integer",
        .type_oid = INT,
        .type_mod = -1,
        .identity = 'a',
        .not_null = true};
    says(found(NULL, RELATION(id_v_n), TARGET(here_id_v), SOURCE(there)), NOTICE_STATEMENT,
        "ALTER TABLE \"s\".\"t \"\"q\"\"\" ADD COLUMN \"n\" integer GENERATED ALWAYS AS IDENTITY "
        "NOT "
        "NULL",
        NULL, true);
}

static void
a_column_that_went(void **state)
{
    (void)state;
    const struct notice_column there[] = {
        {.name = "id", .type = "integer", .type_oid = INT, .type_mod = -1}};
    says(found(RELATION(id_v), RELATION(id_only), TARGET(here_more), SOURCE(there)),
        NOTICE_STATEMENT, "ALTER TABLE \"s\".\"t \"\"q\"\"\" DROP COLUMN \"v\"", NULL, false);
    const struct notice_column back[] = {
        {.name = "v", .type = "text", .type_oid = TEXT, .type_mod = -1}};
    says(found(RELATION(id_v), RELATION(id_only), TARGET(here_more), SOURCE(back)), NOTICE_UNCLEAR,
        "table \"s\".\"t \"\"q\"\"\": no column \"v\"", "once more", false);
}

static void
another_type(void **state)
{
    (void)state;
    const struct notice_column there[] = {{.name = "v",
        .type = "character varying(10)",
        .type_oid = 1043,
        .type_mod = 14,
        .collation = "\"pg_catalog\".\"C\""}};
    says(found(RELATION(id_v), RELATION(id_short), TARGET(here_id_v), SOURCE(there)),
        NOTICE_STATEMENT,
        "ALTER TABLE \"s\".\"t \"\"q\"\"\" ALTER COLUMN \"v\" TYPE character varying(10)"
        " COLLATE \"pg_catalog\".\"C\" USING \"v\"::character varying(10)",
        NULL, true);
    /* The target may have other types from the start. */
    assert_false(ddl_notice_differs(NULL, RELATION(id_short), TARGET(here_id_v)));
    const struct sink_column done[] = {{"id", "integer"}, {"v", "character varying(10)"}};
    says(found(RELATION(id_v), RELATION(id_short), TARGET(done), SOURCE(there)), NOTICE_NOTHING, "",
        NULL, false);
}

static void
what_is_not_sure_is_left_to_people(void **state)
{
    (void)state;
    struct notice_column n[] = {{.name = "n", .type = "integer", .type_oid = INT, .type_mod = -1}};
    struct notice_table *source = SOURCE(n);
    const char *both = "table \"s\".\"t \"\"q\"\"\": new column \"n\" integer, no column \"v\"";
    const char *one = "table \"s\".\"t \"\"q\"\"\": new column \"n\" integer";
    says(found(RELATION(id_v), RELATION(id_n), TARGET(here_id_v), source), NOTICE_UNCLEAR, both,
        "another name", false);
    n[0].not_null = true;
    says(found(NULL, RELATION(id_v_n), TARGET(here_id_v), source), NOTICE_UNCLEAR, one, "NOT NULL",
        false);
    n[0].expression = "0";
    source->partition = true;
    says(found(NULL, RELATION(id_v_n), TARGET(here_id_v), source), NOTICE_UNCLEAR, one,
        "partitioned", false);
    source->partition = false;
    n[0].inherited = true;
    says(found(NULL, RELATION(id_v_n), TARGET(here_id_v), source), NOTICE_UNCLEAR, one, "inherited",
        false);
    n[0] = (struct notice_column){.name = "n", .type = "bigint", .type_oid = 20, .type_mod = -1};
    says(found(NULL, RELATION(id_v_n), TARGET(here_id_v), source), NOTICE_UNCLEAR,
        "table \"s\".\"t \"\"q\"\"\": new column \"n\" bigint", "once more", false);
    source->len = 0;
    says(found(NULL, RELATION(id_v_n), TARGET(here_id_v), source), NOTICE_UNCLEAR,
        "table \"s\".\"t \"\"q\"\"\": new column \"n\"", "once more", false);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_table_as_it_was_is_no_difference),
        cmocka_unit_test(a_column_that_came),
        cmocka_unit_test(a_column_that_went),
        cmocka_unit_test(another_type),
        cmocka_unit_test(what_is_not_sure_is_left_to_people),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
