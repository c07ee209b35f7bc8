/* SPDX-License-Identifier: Apache-2.0
 *
 * The corpus of the fuzz target as a plain test, for builds without a fuzzer.
 */
#include <dirent.h>

#include "tests/fuzz/fuzz_config.c"
#include "tests/lib/unit.h"

static void
every_input_of_the_corpus_is_survived(void **state)
{
    (void)state;
    int n = 0;
    DIR *dir = opendir("tests/fuzz/corpus/config");
    assert_non_null(dir);
    for (struct dirent *e = readdir(dir); e; e = readdir(dir)) {
        char path[512];
        uint8_t data[8192];
        if (e->d_name[0] == '.') {
            continue;
        }
        snprintf(path, sizeof(path), "tests/fuzz/corpus/config/%s", e->d_name);
        FILE *f = fopen(path, "r");
        assert_non_null(f);
        size_t len = fread(data, 1, sizeof(data), f);
        fclose(f);
        assert_int_equal(LLVMFuzzerTestOneInput(data, len), 0);
        n++;
    }
    closedir(dir);
    assert_true(n > 10);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_input_of_the_corpus_is_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
