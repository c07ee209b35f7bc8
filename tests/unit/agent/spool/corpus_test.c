/* SPDX-License-Identifier: Apache-2.0
 *
 * The fuzz target of the spool over its corpus, and over each file of it cut at every length and
 * with every byte changed, as a plain test. Run from the root of the tree.
 */
#include <dirent.h>
#include <stdio.h>

#include "tests/fuzz/fuzz_spool.c"
#include "tests/lib/unit.h"

#define CORPUS "tests/fuzz/corpus/spool"

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

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_input_of_the_corpus_is_survived),
    };
    return cmocka_run_group_tests_name("spool corpus", tests, NULL, NULL);
}
