/* SPDX-License-Identifier: Apache-2.0
 *
 * The fuzz target of the state file over its corpus, and a good file with single bytes changed all
 * over it, as a plain test. Run from the root of the tree.
 */
#include <dirent.h>

#include "tests/fuzz/fuzz_store.c"
#include "tests/lib/unit.h"

#define CORPUS "tests/fuzz/corpus/store"
#define STEP   97 /* every such byte of a good file */

static void
every_input_of_the_corpus_is_survived(void **state)
{
    (void)state;
    unsigned files = 0;
    static uint8_t data[FILE_MAX];
    DIR *d = opendir(CORPUS);
    assert_non_null(d);
    for (struct dirent *e = readdir(d); e; e = readdir(d)) {
        if (!strstr(e->d_name, ".bin")) {
            continue;
        }
        char path[512];
        snprintf(path, sizeof(path), CORPUS "/%s", e->d_name);
        FILE *in = fopen(path, "r");
        assert_non_null(in);
        size_t len = fread(data, 1, sizeof(data), in);
        fclose(in);
        LLVMFuzzerTestOneInput(data, len);
        files++;
    }
    closedir(d);
    assert_true(files > 0);
}

static void
a_good_file_with_one_byte_changed_is_refused_or_works(void **state)
{
    (void)state;
    const uint8_t untouched[] = {0};
    LLVMFuzzerTestOneInput(untouched, 1);
    for (size_t at = 0; at < good_len; at += at < 100 ? 1 : STEP) {
        uint8_t input[] = {0, (uint8_t)at, (uint8_t)(at >> 8), 1, (uint8_t)(good[at] ^ 0xff)};
        LLVMFuzzerTestOneInput(input, sizeof(input));
    }
}

static void
a_good_file_that_is_cut_is_refused_or_works(void **state)
{
    (void)state;
    static uint8_t input[FILE_MAX + 1] = {1};
    for (size_t len = 0; len < good_len; len += len < 200 ? 10 : 1000) {
        memcpy(input + 1, good, len);
        LLVMFuzzerTestOneInput(input, len + 1);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_input_of_the_corpus_is_survived),
        cmocka_unit_test(a_good_file_with_one_byte_changed_is_refused_or_works),
        cmocka_unit_test(a_good_file_that_is_cut_is_refused_or_works),
    };
    return cmocka_run_group_tests_name("state file corpus", tests, NULL, NULL);
}
