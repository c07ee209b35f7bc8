/* SPDX-License-Identifier: Apache-2.0
 *
 * Borders of the checked parsers and the formats for people.
 */

#include "agent/base/parse.h"
#include "tests/lib/unit.h"

static void
i64_accepts_its_whole_range(void **state)
{
    (void)state;
    int64_t v;
    assert_true(parse_i64("0", INT64_MIN, INT64_MAX, &v) && v == 0);
    assert_true(parse_i64("-0", INT64_MIN, INT64_MAX, &v) && v == 0);
    assert_true(parse_i64("9223372036854775807", INT64_MIN, INT64_MAX, &v) && v == INT64_MAX);
    assert_true(parse_i64("-9223372036854775808", INT64_MIN, INT64_MAX, &v) && v == INT64_MIN);
    assert_true(parse_i64("007", INT64_MIN, INT64_MAX, &v) && v == 7);
}

static void
i64_refuses_and_leaves_the_output(void **state)
{
    (void)state;
    static const char *const bad[] = {"", "-", "+1", " 1", "1 ", "1x", "x", "--1", "0x10", "1.0",
        "9223372036854775808", "-9223372036854775809", "18446744073709551616",
        "99999999999999999999999"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        int64_t v = 42;
        assert_false(parse_i64(bad[i], INT64_MIN, INT64_MAX, &v));
        assert_int_equal(v, 42);
    }
}

static void
i64_keeps_to_the_callers_range(void **state)
{
    (void)state;
    int64_t v = 42;
    assert_true(parse_i64("-5", -5, 5, &v) && v == -5);
    assert_true(parse_i64("5", -5, 5, &v) && v == 5);
    assert_false(parse_i64("-6", -5, 5, &v));
    assert_false(parse_i64("6", -5, 5, &v));
}

static void
u64_accepts_its_whole_range(void **state)
{
    (void)state;
    uint64_t v;
    assert_true(parse_u64("18446744073709551615", 0, UINT64_MAX, &v) && v == UINT64_MAX);
    assert_true(parse_u64("0", 0, 0, &v) && v == 0);
}

static void
u64_refuses_the_rest(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "", "-1", "+1", " 1", "1\n", "18446744073709551616", "4", "11"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        uint64_t v = 42;
        assert_false(parse_u64(bad[i], 5, 10, &v));
        assert_int_equal(v, 42);
    }
}

static void
u32_ends_at_its_maximum(void **state)
{
    (void)state;
    uint32_t v = 1;
    assert_true(parse_u32("4294967295", &v) && v == UINT32_MAX);
    v = 1;
    assert_false(parse_u32("4294967296", &v));
    assert_int_equal(v, 1);
}

static void
bool_knows_six_words(void **state)
{
    (void)state;
    static const char *const yes[] = {"true", "yes", "on", "True", "ON"};
    static const char *const no[] = {"false", "no", "off", "False"};
    static const char *const bad[] = {"", "1", "0", "t", "truee", " true", "none"};
    bool v;
    for (size_t i = 0; i < sizeof yes / sizeof *yes; i++) {
        v = false;
        assert_true(parse_bool(yes[i], &v) && v);
    }
    for (size_t i = 0; i < sizeof no / sizeof *no; i++) {
        v = true;
        assert_true(parse_bool(no[i], &v) && !v);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_false(parse_bool(bad[i], &v));
    }
}

static void
size_knows_binary_and_decimal_units(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t want;
    } good[] = {{"0", 0}, {"512B", 512}, {"1kB", 1000}, {"1KB", 1000}, {"3MB", 3000000},
        {"2GB", 2000000000}, {"1TB", 1000000000000}, {"1PB", 1000000000000000}, {"64KiB", 65536},
        {"64MiB", 67108864}, {"200GiB", 214748364800}, {"1TiB", 1099511627776},
        {"16383PiB", 16383ull << 50}, {"18446744073709551615B", UINT64_MAX}};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        uint64_t v = 1;
        assert_true(parse_size(good[i].text, &v));
        assert_true(v == good[i].want);
    }
}

static void
size_refuses_the_rest(void **state)
{
    (void)state;
    static const char *const bad[] = {"", "1", "00", "64 MiB", "MiB", "-1B", "1.5GiB", "1mib", "1G",
        "16384PiB", "18446744073709551616B", "1B ", " 1B", "1BB"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        uint64_t v = 42;
        assert_false(parse_size(bad[i], &v));
        assert_int_equal(v, 42);
    }
}

static void
duration_is_in_microseconds(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t want;
    } good[] = {{"0", 0}, {"10us", 10}, {"250ms", 250000}, {"60s", 60000000}, {"5m", 300000000},
        {"6h", 21600000000}, {"1d", 86400000000}, {"9223372036854775807us", INT64_MAX}};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        int64_t v = 1;
        assert_true(parse_duration(good[i].text, &v));
        assert_true(v == good[i].want);
    }
}

static void
duration_refuses_the_rest(void **state)
{
    (void)state;
    static const char *const bad[] = {"", "1", "-1s", "1 s", "s", "1S", "1.5s", "1m30s",
        "9223372036854775808us", "106751992d", "1s "};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        int64_t v = 42;
        assert_false(parse_duration(bad[i], &v));
        assert_int_equal(v, 42);
    }
}

static void
lsn_round_trips(void **state)
{
    (void)state;
    static const uint64_t values[] = {0, 1, 0x16B374D848, 0xffffffff, 0x100000000, UINT64_MAX};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        char out[FORMAT_SIZE];
        uint64_t back = 7;
        assert_true(parse_lsn(format_lsn(values[i], out), &back));
        assert_true(back == values[i]);
    }
    char out[FORMAT_SIZE];
    assert_string_equal(format_lsn(0x16B374D848, out), "16/B374D848");
    uint64_t v;
    assert_true(parse_lsn("ab/cd", &v) && v == 0xab000000cd);
}

static void
lsn_refuses_the_rest(void **state)
{
    (void)state;
    static const char *const bad[] = {"", "/", "1/", "/1", "1", "1/2/3", "1/g", "g/1", " 1/2",
        "1/2 ", "123456789/0", "0/123456789", "0x1/2", "1-2", "-1/2"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        uint64_t v = 42;
        assert_false(parse_lsn(bad[i], &v));
        assert_int_equal(v, 42);
    }
}

static void
bytes_are_shown_with_one_decimal(void **state)
{
    (void)state;
    static const struct {
        uint64_t bytes;
        const char *want;
    } cases[] = {{0, "0 B"}, {1023, "1023 B"}, {1024, "1.0 KiB"}, {1536, "1.5 KiB"},
        {1048575, "1.0 MiB"}, {1395864371, "1.3 GiB"}, {1ull << 40, "1.0 TiB"},
        {1ull << 50, "1.0 PiB"}, {UINT64_MAX, "16.0 EiB"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char out[FORMAT_SIZE];
        assert_string_equal(format_bytes(cases[i].bytes, out), cases[i].want);
    }
}

static void
durations_are_shown_in_two_units(void **state)
{
    (void)state;
    static const struct {
        int64_t us;
        const char *want;
    } cases[] = {{0, "0 ms"}, {999, "999 us"}, {850000, "850 ms"}, {999999, "999 ms"},
        {1000000, "1 s"}, {1550000, "1.5 s"}, {12900000, "12 s"}, {59999999, "59 s"},
        {60000000, "1 min 0 s"}, {200000000, "3 min 20 s"}, {7500000000, "2 h 5 min"},
        {90000000000, "1 d 1 h"}, {-850000, "-850 ms"}, {INT64_MIN, "-106751991 d 4 h"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char out[FORMAT_SIZE];
        assert_string_equal(format_duration(cases[i].us, out), cases[i].want);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(i64_accepts_its_whole_range),
        cmocka_unit_test(i64_refuses_and_leaves_the_output),
        cmocka_unit_test(i64_keeps_to_the_callers_range),
        cmocka_unit_test(u64_accepts_its_whole_range),
        cmocka_unit_test(u64_refuses_the_rest),
        cmocka_unit_test(u32_ends_at_its_maximum),
        cmocka_unit_test(bool_knows_six_words),
        cmocka_unit_test(size_knows_binary_and_decimal_units),
        cmocka_unit_test(size_refuses_the_rest),
        cmocka_unit_test(duration_is_in_microseconds),
        cmocka_unit_test(duration_refuses_the_rest),
        cmocka_unit_test(lsn_round_trips),
        cmocka_unit_test(lsn_refuses_the_rest),
        cmocka_unit_test(bytes_are_shown_with_one_decimal),
        cmocka_unit_test(durations_are_shown_in_two_units),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
