/* SPDX-License-Identifier: Apache-2.0
 *
 * The fuzz target of side files over its corpus, and over each file of it cut at every length and
 * with every byte changed, as a plain test. Run from the root of the tree.
 */
#include <dirent.h>
#include <stdio.h>

#include "tests/fuzz/fuzz_side.c"
#include "tests/lib/unit.h"

#define CORPUS "tests/fuzz/corpus/side"

static size_t
read_file(const char *name, uint8_t *out)
{
    char path[512];
    snprintf(path, sizeof(path), CORPUS "/%s", name);
    FILE *in = fopen(path, "r");
    assert_non_null(in);
    size_t len = fread(out, 1, DATA_MAX, in);
    fclose(in);
    return len;
}

static void
every_input_of_the_corpus_is_survived(void **state)
{
    (void)state;
    unsigned files = 0;
    uint8_t *data = malloc(DATA_MAX);
    DIR *dir = opendir(CORPUS);
    assert_non_null(dir);
    for (struct dirent *e = readdir(dir); e; e = readdir(dir)) {
        if (!strstr(e->d_name, ".bin")) {
            continue;
        }
        size_t len = read_file(e->d_name, data);
        LLVMFuzzerTestOneInput(data, len);
        for (size_t i = 0; i < len; i++) {
            LLVMFuzzerTestOneInput(data, i);
            data[i] ^= (uint8_t)(1u << i % 8);
            LLVMFuzzerTestOneInput(data, len);
            data[i] ^= (uint8_t)(1u << i % 8);
        }
        files++;
    }
    closedir(dir);
    free(data);
    assert_true(files > 0);
}

static void
good_seeds_are_taken_and_bad_ones_are_not(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        unsigned accepted;
    } seeds[] = {
        {"rows.bin", 1},
        {"two_blocks.bin", 1},
        {"aborted.bin", 1},
        {"aborted_twice.bin", 1},
        {"aborted_schema.bin", 1},
        {"large.bin", 1},
        {"aborted_not_ascending.bin", 0},
        {"counted_wrong.bin", 0},
        {"torn.bin", 0},
    };
    uint8_t *data = malloc(DATA_MAX);
    for (size_t i = 0; i < sizeof(seeds) / sizeof(seeds[0]); i++) {
        accepted = 0;
        LLVMFuzzerTestOneInput(data, read_file(seeds[i].name, data));
        if (accepted != seeds[i].accepted) {
            fail_msg("%s: %u", seeds[i].name, accepted);
        }
    }
    free(data);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_input_of_the_corpus_is_survived),
        cmocka_unit_test(good_seeds_are_taken_and_bad_ones_are_not),
    };
    return cmocka_run_group_tests_name("side file corpus", tests, NULL, NULL);
}
