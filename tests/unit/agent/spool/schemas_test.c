/* SPDX-License-Identifier: Apache-2.0
 *
 * The latest of each key, in order of first appearance.
 */
#include "agent/spool/schemas.h"
#include "tests/lib/unit.h"

static void
put(struct schemas *s, uint32_t key, const char *text)
{
    const struct record rec = {
        .kind = RECORD_SCHEMA,
        .key = key,
        .position = key + 1,
        .payload = {(const uint8_t *)text, strlen(text)},
    };
    schemas_put(s, &rec);
}

static void
latest_version_of_each_key_is_kept(void **state)
{
    (void)state;
    struct schemas s = {0};
    struct record rec;
    put(&s, 7, "seven");
    put(&s, 3, "three");
    put(&s, 7, "SEVEN, longer");
    put(&s, 9, "");
    static const struct {
        uint32_t key;
        const char *text;
    } wanted[] = {{7, "SEVEN, longer"}, {3, "three"}, {9, ""}};
    const struct schema *it = NULL;
    for (int i = 0; i < 3; i++) {
        it = schemas_next(&s, it, &rec);
        assert_non_null(it);
        assert_int_equal(rec.kind, RECORD_SCHEMA);
        assert_int_equal(rec.key, wanted[i].key);
        assert_int_equal(rec.position, wanted[i].key + 1);
        assert_true(slice_eq(rec.payload, slice_str(wanted[i].text)));
    }
    assert_null(schemas_next(&s, it, &rec));
    schemas_done(&s);
}

static void
many_keys_are_all_there(void **state)
{
    (void)state;
    struct schemas s = {0};
    struct record rec;
    for (uint32_t i = 0; i < 10000; i++) {
        put(&s, i * 7919, "x");
    }
    uint32_t n = 0;
    for (const struct schema *it = NULL; (it = schemas_next(&s, it, &rec)) != NULL; n++) {
        assert_int_equal(rec.key, n * 7919);
    }
    assert_int_equal(n, 10000);
    schemas_done(&s);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(latest_version_of_each_key_is_kept),
        cmocka_unit_test(many_keys_are_all_there),
    };
    return cmocka_run_group_tests_name("spool schemas", tests, NULL, NULL);
}
