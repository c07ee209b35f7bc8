/* SPDX-License-Identifier: Apache-2.0
 *
 * The fuzz target of the two decoders over its corpus, every prefix of every file included, as a
 * plain test. Run from the root of the tree.
 */
#include <dirent.h>
#include <stdio.h>

#include "tests/fuzz/fuzz_plugins.c"
#include "tests/lib/unit.h"

#define DIR_NAME "tests/fuzz/corpus/plugins"
#define FILE_MAX (1 << 16)

static size_t
read_file(const char *name, uint8_t *out)
{
    char path[512];
    snprintf(path, sizeof(path), DIR_NAME "/%s", name);
    FILE *in = fopen(path, "r");
    assert_non_null(in);
    size_t len = fread(out, 1, FILE_MAX, in);
    fclose(in);
    return len;
}

/* A short file is run with each of its prefixes, a long one with some. */
static void
run_prefixes(const uint8_t *data, size_t len)
{
    size_t step = len < 700 ? 1 : 97;
    for (size_t cut = 0; cut < len; cut += step) {
        uint8_t *exact = malloc(cut ? cut : 1);
        memcpy(exact, data, cut);
        LLVMFuzzerTestOneInput(exact, cut);
        free(exact);
    }
    LLVMFuzzerTestOneInput(data, len);
}

static void
every_input_of_the_corpus_is_survived(void **state)
{
    (void)state;
    unsigned files = 0;
    uint8_t *data = malloc(FILE_MAX);
    DIR *dir = opendir(DIR_NAME);
    assert_non_null(dir);
    for (struct dirent *e = readdir(dir); e; e = readdir(dir)) {
        if (strstr(e->d_name, ".bin")) {
            run_prefixes(data, read_file(e->d_name, data));
            files++;
        }
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
    return cmocka_run_group_tests(tests, NULL, NULL);
}
