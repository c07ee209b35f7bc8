/* SPDX-License-Identifier: Apache-2.0
 *
 * The registry: every decoder is complete and can be found by the name it has.
 */
#include "decoders/decoder.h"
#include "tests/lib/unit.h"

static void
every_decoder_is_found_by_its_name(void **state)
{
    (void)state;
    size_t n = 0;
    for (; decoder_all()[n]; n++) {
        assert_ptr_equal(decoder_find(decoder_all()[n]->name), decoder_all()[n]);
    }
    assert_true(n > 0);
}

static void
every_decoder_has_all_its_functions(void **state)
{
    (void)state;
    for (size_t i = 0; decoder_all()[i]; i++) {
        const struct decoder_ops *ops = decoder_all()[i];
        assert_non_null(ops->summary);
        assert_true(ops->open && ops->feed && ops->reset && ops->free);
    }
}

static void
an_unknown_name_finds_nothing(void **state)
{
    (void)state;
    assert_null(decoder_find("pgoutpu"));
    assert_null(decoder_find(""));
}

static void
pgoutput_is_there(void **state)
{
    (void)state;
    assert_non_null(decoder_find("pgoutput"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_decoder_is_found_by_its_name),
        cmocka_unit_test(every_decoder_has_all_its_functions),
        cmocka_unit_test(an_unknown_name_finds_nothing),
        cmocka_unit_test(pgoutput_is_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
