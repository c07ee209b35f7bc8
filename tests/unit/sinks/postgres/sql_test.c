/* SPDX-License-Identifier: Apache-2.0
 *
 * From a change and a target table to the statement's text and parameter types.
 */
#include <string.h>

#include "sinks/postgres/origin.h"
#include "sinks/postgres/sql.h"
#include "tests/lib/rows.h"
#include "tests/lib/unit.h"

enum { INT4 = 23, TEXT = 25, JSON = 114, STAMP = 1184, NUMERIC = 1700, LSN = 3220, OWN = 20000 };

static struct column columns[] = {
    {"id", INT4, -1, true},
    {"name", TEXT, -1, false},
    {"doc", JSON, -1, false},
};
static struct target_column targets[3];
static struct target target;
static struct relation relation;
static struct shape shape;
static struct buf out;

static int
setup(void **state)
{
    (void)state;
    relation = rows_relation(1, "public", "t", 'd', columns, 3);
    targets[0] = (struct target_column){"id", INT4, "integer", "=", true, false, false, true};
    targets[1] = (struct target_column){"name", TEXT, "text", "=", true, false, false, false};
    targets[2] = (struct target_column){"doc", JSON, "json", NULL, false, false, false, false};
    target = (struct target){.kind = 'r', .present = true, .has_unique = true, .columns = targets};
    for (int i = 0; i < 3; i++) {
        columns[i].key = i == 0;
        columns[i].type_oid = targets[i].type_oid;
    }
    buf_init(&out, 65536);
    return 0;
}

static int
teardown(void **state)
{
    (void)state;
    buf_done(&out);
    rows_free();
    return 0;
}

static void
full_identity_without_unique_key(void)
{
    relation.identity = 'f';
    for (int i = 0; i < 3; i++) {
        columns[i].key = true;
        targets[i].unique = false;
    }
    target.has_unique = false;
}

static const char *
sql_of(struct change c)
{
    struct err err = ERR_INIT;
    buf_reset(&out);
    if (!shape_of(&c, &target, &shape, &err)) {
        return "error";
    }
    sql_statement(&relation, &target, &shape, &out);
    return buf_cstr(&out);
}

static void
insert_names_every_column(void **state)
{
    (void)state;
    assert_string_equal(sql_of(rows_insert(&relation, ROW("1", "a", NULL))),
        "INSERT INTO \"public\".\"t\" (\"id\", \"name\", \"doc\") VALUES ($1, $2, $3)");
}

static const char *
counted(enum shape_rows rows)
{
    shape.counted = true;
    shape.rows = (uint8_t)rows;
    buf_reset(&out);
    sql_statement(&relation, &target, &shape, &out);
    return buf_cstr(&out);
}

static void
a_counted_statement_fails_by_itself(void **state)
{
    (void)state;
    sql_of(rows_insert(&relation, ROW("1", "a", NULL)));
    assert_string_equal(counted(SHAPE_ROW),
        "WITH m AS (INSERT INTO \"public\".\"t\" (\"id\", \"name\", \"doc\")"
        " VALUES ($1, $2, $3) RETURNING 1) SELECT 1 / coalesce((SELECT 1 FROM m), 0)");
    sql_of(rows_delete(&relation, ROW("1", NULL, NULL)));
    assert_string_equal(counted(SHAPE_JOINED),
        "WITH m AS (DELETE FROM ONLY \"public\".\"t\" AS d USING (SELECT unnest($1) AS p1) AS u"
        " WHERE d.\"id\" = ANY (ARRAY[u.p1]) RETURNING 1)"
        " SELECT 1 / (count(*) = cardinality($1))::int FROM m");
}

static void
listed_rows_are_found_by_one_array_without_a_join(void **state)
{
    (void)state;
    sql_of(rows_update(&relation, ROW("1", "a", "{}")));
    assert_string_equal(counted(SHAPE_LISTED),
        "WITH m AS (UPDATE ONLY \"public\".\"t\" AS d"
        " SET \"name\" = $1[array_position($3, d.\"id\")],"
        " \"doc\" = $2[array_position($3, d.\"id\")] WHERE d.\"id\" = ANY ($3) RETURNING 1)"
        " SELECT 1 / (count(*) = cardinality($1))::int FROM m");
    sql_of(rows_delete(&relation, ROW("1", NULL, NULL)));
    assert_string_equal(counted(SHAPE_LISTED),
        "WITH m AS (DELETE FROM ONLY \"public\".\"t\" AS d WHERE d.\"id\" = ANY ($1) RETURNING 1)"
        " SELECT 1 / (count(*) = cardinality($1))::int FROM m");
}

static void
a_counted_statement_takes_the_position_along(void **state)
{
    (void)state;
    uint32_t types[8];
    sql_of(rows_insert(&relation, ROW("1", "a", NULL)));
    shape.stores = ORIGIN_NATIVE;
    assert_string_equal(counted(SHAPE_ROW),
        "WITH m AS (INSERT INTO \"public\".\"t\" (\"id\", \"name\", \"doc\")"
        " VALUES ($1, $2, $3) RETURNING 1) SELECT 1 / coalesce((SELECT 1 FROM m), 0),"
        " pg_catalog.pg_replication_origin_xact_setup($4, $5)");
    assert_int_equal(sql_parameter_types(&relation, &target, &shape, types), 5);
    sql_of(rows_delete(&relation, ROW("1", NULL, NULL)));
    shape.stores = ORIGIN_ROW;
    assert_string_equal(counted(SHAPE_JOINED),
        "WITH m AS (DELETE FROM ONLY \"public\".\"t\" AS d USING (SELECT unnest($1) AS p1) AS u"
        " WHERE d.\"id\" = ANY (ARRAY[u.p1]) RETURNING 1),"
        " p AS (UPDATE tidegate.progress SET position = $2, ordinal = 0, commit_time = $3,"
        " updated_at = pg_catalog.clock_timestamp() WHERE origin = $4 RETURNING 1)"
        " SELECT 1 / (count(*) = cardinality($1))::int,"
        " pg_catalog.width_bucket(0, 0, 1, coalesce((SELECT 1 FROM p), 0)) FROM m");
    assert_int_equal(sql_parameter_types(&relation, &target, &shape, types), 4);
    assert_int_equal(types[1], LSN);
    assert_int_equal(types[2], STAMP);
    assert_int_equal(types[3], TEXT);
}

static void
insert_leaves_out_generated_columns(void **state)
{
    (void)state;
    targets[1].generated = true;
    assert_string_equal(sql_of(rows_insert(&relation, ROW("1", "a", NULL))),
        "INSERT INTO \"public\".\"t\" (\"id\", \"doc\") VALUES ($1, $2)");
}

static void
insert_overrides_an_identity_that_is_always_generated(void **state)
{
    (void)state;
    targets[0].always_identity = true;
    assert_string_equal(sql_of(rows_insert(&relation, ROW("1", "a", NULL))),
        "INSERT INTO \"public\".\"t\" (\"id\", \"name\", \"doc\") OVERRIDING SYSTEM VALUE"
        " VALUES ($1, $2, $3)");
}

static void
insert_without_columns_takes_defaults(void **state)
{
    (void)state;
    targets[0].generated = targets[1].generated = targets[2].generated = true;
    assert_string_equal(sql_of(rows_insert(&relation, ROW("1", "a", NULL))),
        "INSERT INTO \"public\".\"t\" DEFAULT VALUES");
}

static void
update_finds_the_row_by_its_key_and_does_not_set_it(void **state)
{
    (void)state;
    assert_string_equal(sql_of(rows_update(&relation, ROW("1", "a", "{}"))),
        "UPDATE ONLY \"public\".\"t\" SET \"name\" = $1, \"doc\" = $2 WHERE \"id\" = $3");
}

static void
update_of_a_key_matches_the_old_one_and_sets_the_new_one(void **state)
{
    (void)state;
    struct change c = rows_update_key(&relation, ROW("1", NULL, NULL), ROW("2", "a", "{}"));
    assert_string_equal(sql_of(c),
        "UPDATE ONLY \"public\".\"t\" SET \"id\" = $1, \"name\" = $2, \"doc\" = $3"
        " WHERE \"id\" = $4");
}

static void
update_leaves_out_values_that_were_not_sent(void **state)
{
    (void)state;
    assert_string_equal(sql_of(rows_update(&relation, ROW("1", "a", ROW_UNCHANGED))),
        "UPDATE ONLY \"public\".\"t\" SET \"name\" = $1 WHERE \"id\" = $2");
}

static void
update_that_sets_nothing_looks_for_the_row(void **state)
{
    (void)state;
    assert_string_equal(sql_of(rows_update(&relation, ROW("1", ROW_UNCHANGED, ROW_UNCHANGED))),
        "SELECT FROM ONLY \"public\".\"t\" WHERE \"id\" = $1");
}

static void
update_with_full_identity_goes_by_the_targets_unique_key(void **state)
{
    (void)state;
    full_identity_without_unique_key();
    target.has_unique = targets[0].unique = true;
    struct change c = rows_update_full(&relation, ROW("1", "a", NULL), ROW("1", "b", NULL));
    assert_string_equal(sql_of(c),
        "UPDATE ONLY \"public\".\"t\" SET \"id\" = $1, \"name\" = $2, \"doc\" = $3"
        " WHERE \"id\" = $4");
}

static void
update_without_a_key_touches_one_of_the_rows_that_match(void **state)
{
    (void)state;
    full_identity_without_unique_key();
    struct change c = rows_update_full(&relation, ROW("1", NULL, NULL), ROW("1", "b", NULL));
    assert_string_equal(sql_of(c),
        "UPDATE ONLY \"public\".\"t\" AS d SET \"id\" = $1, \"name\" = $2, \"doc\" = $3 FROM"
        " (SELECT tableoid AS o, ctid AS c FROM ONLY \"public\".\"t\" WHERE \"id\" = $4"
        " AND \"name\" IS NULL AND \"doc\" IS NULL LIMIT 1) m"
        " WHERE d.tableoid = m.o AND d.ctid = m.c");
}

static void
delete_without_equality_compares_as_text_and_prefers_the_same_bytes(void **state)
{
    (void)state;
    full_identity_without_unique_key();
    assert_string_equal(sql_of(rows_delete_full(&relation, ROW("1", "a", "{}"))),
        "DELETE FROM ONLY \"public\".\"t\" AS d USING (SELECT tableoid AS o, ctid AS c"
        " FROM ONLY \"public\".\"t\" WHERE \"id\" = $1 AND \"name\" = $2"
        " AND \"doc\"::text = $3::text ORDER BY (ROW(\"doc\")::record OPERATOR(pg_catalog.*=)"
        " ROW($3)::record) DESC LIMIT 1) m WHERE d.tableoid = m.o AND d.ctid = m.c");
}

static void
delete_on_a_partitioned_table_does_not_say_only(void **state)
{
    (void)state;
    target.kind = 'p';
    assert_string_equal(sql_of(rows_delete(&relation, ROW("1", NULL, NULL))),
        "DELETE FROM \"public\".\"t\" WHERE \"id\" = $1");
}

static void
names_are_quoted(void **state)
{
    (void)state;
    relation.schema = "my \"s\"";
    relation.name = "select";
    assert_string_equal(sql_of(rows_delete(&relation, ROW("1", NULL, NULL))),
        "DELETE FROM ONLY \"my \"\"s\"\"\".\"select\" WHERE \"id\" = $1");
}

static void
operators_of_extensions_carry_their_schema(void **state)
{
    (void)state;
    targets[0].equals = "OPERATOR(public.=)";
    assert_string_equal(sql_of(rows_delete(&relation, ROW("1", NULL, NULL))),
        "DELETE FROM ONLY \"public\".\"t\" WHERE \"id\" OPERATOR(public.=) $1");
}

static void
an_always_identity_beside_the_key_is_matched_and_not_set(void **state)
{
    (void)state;
    columns[1].type_oid = targets[1].type_oid = INT4;
    targets[1].always_identity = true;
    assert_string_equal(sql_of(rows_update(&relation, ROW("1", "7", "{}"))),
        "UPDATE ONLY \"public\".\"t\" SET \"doc\" = $1 WHERE \"id\" = $2 AND \"name\" = $3");
}

static void
an_always_identity_that_kept_its_value_is_not_set(void **state)
{
    (void)state;
    full_identity_without_unique_key();
    target.has_unique = targets[0].unique = targets[0].always_identity = true;
    struct change c = rows_update_full(&relation, ROW("1", "a", NULL), ROW("1", "b", NULL));
    assert_string_equal(sql_of(c),
        "UPDATE ONLY \"public\".\"t\" SET \"name\" = $1, \"doc\" = $2 WHERE \"id\" = $3");
}

static void
replaceable(int column)
{
    columns[column].type_oid = targets[column].type_oid = INT4;
    targets[column].always_identity = true;
    target.unseen = target.whole = true;
}

static void
an_always_identity_that_changes_makes_the_row_anew(void **state)
{
    (void)state;
    replaceable(0);
    struct change c =
        rows_update_key(&relation, ROW("1", NULL, NULL), ROW("2", "a", ROW_UNCHANGED));
    assert_string_equal(sql_of(c),
        "WITH d AS (DELETE FROM ONLY \"public\".\"t\" WHERE \"id\" = $3 RETURNING *)"
        " INSERT INTO \"public\".\"t\" (\"id\", \"name\", \"doc\") OVERRIDING SYSTEM VALUE"
        " SELECT $1, $2, d.\"doc\" FROM d");
    assert_int_equal(shape.op, SHAPE_REPLACE);
    assert_int_equal(shape.parameters, 3);
    assert_false(shape.assumed);
}

static void
a_row_that_is_made_anew_has_its_generated_columns_computed(void **state)
{
    (void)state;
    full_identity_without_unique_key();
    replaceable(0);
    targets[1].generated = true;
    struct change c = rows_update_full(&relation, ROW("1", "x", NULL), ROW("2", "x", "{}"));
    assert_string_equal(sql_of(c),
        "WITH d AS (DELETE FROM ONLY \"public\".\"t\" AS d USING (SELECT tableoid AS o, ctid AS c"
        " FROM ONLY \"public\".\"t\" WHERE \"id\" = $3 AND \"name\" = $4 AND \"doc\" IS NULL"
        " LIMIT 1) m WHERE d.tableoid = m.o AND d.ctid = m.c RETURNING d.*)"
        " INSERT INTO \"public\".\"t\" (\"id\", \"doc\") OVERRIDING SYSTEM VALUE"
        " SELECT $1, $2 FROM d");
}

static const char *
replacing(struct change c)
{
    struct err err = ERR_INIT;
    buf_reset(&out);
    assert_true(shape_of(&c, &target, &shape, &err));
    assert_true(shape.assumed);
    assert_true(shape_replace(&c, &target, &shape, &err));
    sql_statement(&relation, &target, &shape, &out);
    return buf_cstr(&out);
}

static void
an_always_identity_of_which_nothing_may_be_assumed_is_set(void **state)
{
    (void)state;
    replaceable(1);
    assert_string_equal(replacing(rows_update(&relation, ROW("1", "7", "{}"))),
        "WITH d AS (DELETE FROM ONLY \"public\".\"t\" WHERE \"id\" = $3 RETURNING *)"
        " INSERT INTO \"public\".\"t\" (\"id\", \"name\", \"doc\") OVERRIDING SYSTEM VALUE"
        " SELECT d.\"id\", $1, $2 FROM d");
}

static void
where_it_would_be_seen_it_is_assumed_all_the_same(void **state)
{
    (void)state;
    replaceable(1);
    target.unseen = false;
    assert_string_equal(replacing(rows_update(&relation, ROW("1", "7", "{}"))),
        "UPDATE ONLY \"public\".\"t\" SET \"doc\" = $1 WHERE \"id\" = $2 AND \"name\" = $3");
}

static void
a_row_is_not_made_anew_where_something_would_see_or_lose_it(void **state)
{
    (void)state;
    for (int lost = 0; lost < 2; lost++) {
        replaceable(0);
        target.unseen = lost;
        target.whole = !lost;
        struct change c = rows_update_key(&relation, ROW("1", NULL, NULL), ROW("2", "a", NULL));
        struct err err = ERR_INIT;
        assert_false(shape_of(&c, &target, &shape, &err));
        assert_int_equal(err.class, ERR_DATA);
        assert_non_null(strstr(err.text, lost ? "only the target has" : "triggers"));
        assert_non_null(strstr(err.hint, "SET GENERATED BY DEFAULT"));
    }
}

static void
parameters_have_the_targets_types(void **state)
{
    (void)state;
    targets[0].type_oid = NUMERIC;
    sql_of(rows_update(&relation, ROW("1", "a", "{}")));
    uint32_t types[3];
    sql_parameter_types(&relation, &target, &shape, types);
    assert_int_equal(shape.parameters, 3);
    assert_int_equal(types[0], TEXT);
    assert_int_equal(types[1], JSON);
    assert_int_equal(types[2], NUMERIC);
}

static void
a_binary_value_of_another_built_in_type_is_declared_as_it_is_and_cast(void **state)
{
    (void)state;
    targets[0].type_oid = NUMERIC;
    targets[0].type_name = "numeric";
    struct tuple old = ROW("1", NULL, NULL);
    rows_int4(old, 0, 1);
    assert_string_equal(sql_of(rows_delete(&relation, old)),
        "DELETE FROM ONLY \"public\".\"t\" WHERE \"id\" = $1::numeric");
    uint32_t types[1];
    sql_parameter_types(&relation, &target, &shape, types);
    assert_int_equal(types[0], INT4);
}

static void
truncate_names_all_tables(void **state)
{
    (void)state;
    struct relation other = rows_relation(2, "public", "p", 'd', columns, 3);
    struct sql_table tables[2] = {{&relation, 'r'}, {&other, 'p'}};
    sql_truncate(tables, 2, true, true, &out);
    assert_string_equal(buf_cstr(&out),
        "TRUNCATE TABLE ONLY \"public\".\"t\", \"public\".\"p\" RESTART IDENTITY CASCADE");
}

static void
truncate_is_plain_without_options(void **state)
{
    (void)state;
    struct sql_table tables[1] = {{&relation, 'r'}};
    sql_truncate(tables, 1, false, false, &out);
    assert_string_equal(buf_cstr(&out), "TRUNCATE TABLE ONLY \"public\".\"t\"");
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        T(insert_names_every_column),
        T(a_counted_statement_fails_by_itself),
        T(listed_rows_are_found_by_one_array_without_a_join),
        T(a_counted_statement_takes_the_position_along),
        T(insert_leaves_out_generated_columns),
        T(insert_overrides_an_identity_that_is_always_generated),
        T(insert_without_columns_takes_defaults),
        T(update_finds_the_row_by_its_key_and_does_not_set_it),
        T(update_of_a_key_matches_the_old_one_and_sets_the_new_one),
        T(update_leaves_out_values_that_were_not_sent),
        T(update_that_sets_nothing_looks_for_the_row),
        T(update_with_full_identity_goes_by_the_targets_unique_key),
        T(update_without_a_key_touches_one_of_the_rows_that_match),
        T(delete_without_equality_compares_as_text_and_prefers_the_same_bytes),
        T(delete_on_a_partitioned_table_does_not_say_only),
        T(names_are_quoted),
        T(operators_of_extensions_carry_their_schema),
        T(an_always_identity_beside_the_key_is_matched_and_not_set),
        T(an_always_identity_that_kept_its_value_is_not_set),
        T(an_always_identity_that_changes_makes_the_row_anew),
        T(a_row_that_is_made_anew_has_its_generated_columns_computed),
        T(an_always_identity_of_which_nothing_may_be_assumed_is_set),
        T(where_it_would_be_seen_it_is_assumed_all_the_same),
        T(a_row_is_not_made_anew_where_something_would_see_or_lose_it),
        T(parameters_have_the_targets_types),
        T(a_binary_value_of_another_built_in_type_is_declared_as_it_is_and_cast),
        T(truncate_names_all_tables),
        T(truncate_is_plain_without_options),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
