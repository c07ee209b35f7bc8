/* SPDX-License-Identifier: Apache-2.0
 *
 * What is done about a statement.
 */
#include "agent/pipeline/ddl_policy.h"
#include "tests/lib/unit.h"

static const char *const excluded[] = {"app.left_*"};
static const struct table_filter filter = {.exclude = excluded, .exclude_len = 1};
static const struct ddl_text text = {.kind = DDL_TEXT_FOUND};

static struct ddl_object
table(const char *name)
{
    return (struct ddl_object){
        .type = "table", .table_schema = "app", .table = name, .relkind = 'r'};
}

static enum ddl_verdict
judge(struct ddl_message *m, const struct ddl_text *t, struct ddl_config c)
{
    struct ddl_judgement j;
    c.by_default = c.by_default ? c.by_default : DDL_POLICY_APPLY;
    ddl_judge(m, t, &filter, &c, &j);
    assert_true(j.verdict == DDL_APPLY || j.why[0]);
    return j.verdict;
}

static void
each_tag_has_its_class(void **state)
{
    (void)state;
    static const struct {
        const char *tag;
        enum ddl_class class;
    } cases[] = {{"CREATE TABLE", DDL_TABLES}, {"ALTER FOREIGN TABLE", DDL_TABLES},
        {"CREATE TABLE AS", DDL_TABLES}, {"SELECT INTO", DDL_TABLES},
        {"IMPORT FOREIGN SCHEMA", DDL_TABLES}, {"ALTER SEQUENCE", DDL_TABLES},
        {"CREATE INDEX", DDL_INDEXES}, {"CREATE STATISTICS", DDL_INDEXES},
        {"ALTER TYPE", DDL_TYPES}, {"CREATE OPERATOR CLASS", DDL_TYPES},
        {"CREATE TEXT SEARCH PARSER", DDL_TYPES}, {"CREATE MATERIALIZED VIEW", DDL_ROUTINES},
        {"CREATE TRIGGER", DDL_ROUTINES}, {"CREATE FUNCTION", DDL_ROUTINES}, {"GRANT", DDL_GRANTS},
        {"ALTER DEFAULT PRIVILEGES", DDL_GRANTS}, {"CREATE POLICY", DDL_GRANTS},
        {"DROP POLICY", DDL_DROPS}, {"DROP TABLE", DDL_DROPS}, {"DROP OWNED", DDL_DROPS},
        {"COMMENT", DDL_OTHER}, {"CREATE EXTENSION", DDL_OTHER}, {"SECURITY LABEL", DDL_GRANTS}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (ddl_class_of(cases[i].tag) != cases[i].class) {
            fail_msg("%s is %s", cases[i].tag, ddl_class_name(ddl_class_of(cases[i].tag)));
        }
    }
}

static void
the_class_decides_before_the_default(void **state)
{
    (void)state;
    struct ddl_message m = {.tag = "CREATE INDEX"};
    assert_int_equal(judge(&m, &text, (struct ddl_config){0}), DDL_APPLY);
    assert_int_equal(
        judge(&m, &text, (struct ddl_config){.by_default = DDL_POLICY_STOP}), DDL_STOP);
    assert_int_equal(judge(&m, &text,
                         (struct ddl_config){.by_default = DDL_POLICY_STOP,
                             .policy = {[DDL_INDEXES] = DDL_POLICY_IGNORE}}),
        DDL_IGNORE);
}

static void
tables_of_others_pass(void **state)
{
    (void)state;
    struct ddl_object both[] = {table("left_out"), table("kept")};
    struct ddl_message m = {.tag = "ALTER TABLE", .objects = both, .objects_len = 1};
    struct ddl_config stop = {.by_default = DDL_POLICY_STOP};
    assert_int_equal(judge(&m, &text, stop), DDL_PASS);
    m.failed = "x";
    assert_int_equal(judge(&m, &text, stop), DDL_PASS);
    m.failed = NULL;
    m.objects_len = 2;
    assert_int_equal(judge(&m, &text, (struct ddl_config){0}), DDL_APPLY);
}

static void
a_drop_of_both_is_not_done_by_halves(void **state)
{
    (void)state;
    struct ddl_dropped gone[] = {
        {.type = "table", .schema = "app", .name = "left_out", .original = true},
        {.type = "table", .schema = "app", .name = "kept", .original = true}};
    struct ddl_message m = {.tag = "DROP TABLE", .dropped = gone, .dropped_len = 1};
    assert_int_equal(judge(&m, &text, (struct ddl_config){0}), DDL_PASS);
    m.dropped_len = 2;
    assert_int_equal(judge(&m, &text, (struct ddl_config){0}), DDL_STOP);
    gone[0].original = false; /* went with the other */
    assert_int_equal(judge(&m, &text, (struct ddl_config){0}), DDL_APPLY);
}

static void
what_is_not_known_stops_unless_ignored(void **state)
{
    (void)state;
    struct ddl_text refused = {.kind = DDL_TEXT_REFUSED, .why = "why"};
    struct ddl_text nothing = {.kind = DDL_TEXT_NOTHING, .why = "why"};
    struct ddl_message m = {.tag = "CREATE TABLE"};
    struct ddl_config ignore = {.policy = {[DDL_TABLES] = DDL_POLICY_IGNORE}};
    assert_int_equal(judge(&m, &refused, (struct ddl_config){0}), DDL_STOP);
    assert_int_equal(judge(&m, &refused, ignore), DDL_IGNORE);
    assert_int_equal(judge(&m, &nothing, (struct ddl_config){0}), DDL_IGNORE);
    m.failed = "out of memory";
    assert_int_equal(judge(&m, &text, (struct ddl_config){0}), DDL_STOP);
    assert_int_equal(judge(&m, &text, ignore), DDL_IGNORE);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_tag_has_its_class),
        cmocka_unit_test(the_class_decides_before_the_default),
        cmocka_unit_test(tables_of_others_pass),
        cmocka_unit_test(a_drop_of_both_is_not_done_by_halves),
        cmocka_unit_test(what_is_not_known_stops_unless_ignored),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
