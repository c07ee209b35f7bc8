/* SPDX-License-Identifier: Apache-2.0
 *
 * Allocation, ceiling and reset of the arena.
 */
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/base/arena.h"
#include "tests/lib/unit.h"

static void
allocations_are_aligned_and_apart(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a, 1024, 0);
    unsigned char *before = NULL;
    for (size_t size = 0; size < 200; size++) {
        unsigned char *p = arena_alloc(&a, size);
        assert_non_null(p);
        assert_int_equal((uintptr_t)p % 16, 0);
        assert_ptr_not_equal(p, before);
        memset(p, 0xaa, size);
        before = p;
    }
    arena_done(&a);
    assert_int_equal(a.total, 0);
}

static void
contents_survive_the_growth(void **state)
{
    (void)state;
    struct arena a;
    char *kept[300];
    arena_init(&a, 256, 0);
    for (int i = 0; i < 300; i++) {
        kept[i] = arena_printf(&a, "number %d", i);
    }
    for (int i = 0; i < 300; i++) {
        char want[32];
        snprintf(want, sizeof want, "number %d", i);
        assert_string_equal(kept[i], want);
    }
    arena_done(&a);
}

static void
total_never_exceeds_the_ceiling(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a, 1024, 4096);
    int got = 0;
    while (arena_alloc(&a, 100) != NULL) {
        assert_in_range(a.total, 1, 4096);
        got++;
    }
    assert_in_range(got, 30, 40);
    assert_null(arena_alloc(&a, 1000));
    arena_done(&a);
}

static void
the_rest_below_the_ceiling_is_usable(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a, 1024, 1024 + 256);
    assert_non_null(arena_alloc(&a, 900));
    assert_non_null(arena_alloc(&a, 200));
    assert_null(arena_alloc(&a, 200));
    arena_done(&a);
}

static void
an_oversized_allocation_leaves_the_block_in_use(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a, 1024, 0);
    char *first = arena_alloc(&a, 16);
    assert_non_null(arena_alloc(&a, 100000));
    char *second = arena_alloc(&a, 16);
    assert_ptr_equal(second, first + 16);
    arena_done(&a);
}

static void
an_oversized_allocation_may_come_first(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a, 64, 0);
    char *p = arena_alloc(&a, 5000);
    assert_non_null(p);
    memset(p, 1, 5000);
    assert_non_null(arena_alloc(&a, 8));
    arena_reset(&a);
    assert_in_range(a.total, 0, 64);
    arena_done(&a);
}

static void
reset_keeps_one_ordinary_block(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a, 1024, 0);
    for (int i = 0; i < 50; i++) {
        assert_non_null(arena_alloc(&a, 500));
    }
    assert_non_null(arena_alloc(&a, 9999));
    arena_reset(&a);
    assert_int_equal(a.total, 1024);
    assert_non_null(arena_alloc(&a, 500));
    assert_int_equal(a.total, 1024);
    arena_done(&a);
}

static void
a_zero_arena_can_be_reset_and_done(void **state)
{
    (void)state;
    struct arena a = {0};
    arena_reset(&a);
    arena_done(&a);
    assert_null(a.head);
}

static void
absurd_sizes_are_refused(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a, 1024, 0);
    assert_null(arena_alloc(&a, SIZE_MAX));
    assert_null(arena_alloc(&a, SIZE_MAX - 20));
    assert_null(arena_strndup(&a, "x", SIZE_MAX));
    arena_done(&a);
}

static void
zalloc_is_zero_even_in_reused_memory(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a, 1024, 0);
    memset(arena_alloc(&a, 500), 0xff, 500);
    arena_reset(&a);
    unsigned char *p = arena_zalloc(&a, 500);
    for (int i = 0; i < 500; i++) {
        assert_int_equal(p[i], 0);
    }
    arena_done(&a);
}

static void
strings_are_copied_and_terminated(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a, 1024, 0);
    assert_string_equal(arena_strdup(&a, "abc"), "abc");
    assert_string_equal(arena_strndup(&a, "abcdef", 2), "ab");
    assert_string_equal(arena_strndup(&a, NULL, 0), "");
    assert_string_equal(arena_printf(&a, "%d-%s", 7, "x"), "7-x");
    arena_done(&a);
}

static void
strings_and_zalloc_report_the_ceiling(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a, 64, 64);
    char big[200];
    memset(big, 'x', sizeof big);
    assert_null(arena_strndup(&a, big, sizeof big));
    assert_null(arena_zalloc(&a, 200));
    assert_null(arena_printf(&a, "%200d", 1));
    arena_done(&a);
}

static void
process_memory_helpers_copy(void **state)
{
    (void)state;
    char *p = x_malloc(0);
    p = x_realloc(p, 10);
    memcpy(p, "abc", 4);
    p = x_realloc(p, 1000);
    assert_string_equal(p, "abc");
    p = x_realloc(p, 0);
    x_free(p);
    int *zero = x_zalloc(sizeof *zero);
    assert_int_equal(*zero, 0);
    x_free(zero);
    char *d = x_strdup("dup"), *n = x_strndup("number", 3), *f = x_printf("%s+%d", "a", 1);
    char *empty = x_strndup(NULL, 0);
    assert_string_equal(d, "dup");
    assert_string_equal(n, "num");
    assert_string_equal(f, "a+1");
    assert_string_equal(empty, "");
    x_free(d);
    x_free(n);
    x_free(f);
    x_free(empty);
    x_free(NULL);
}

static void
exhausted_process_memory_aborts(void **state)
{
    (void)state;
    pid_t pid = fork();
    if (pid == 0) {
        struct rlimit none = {0, 0};
        setrlimit(RLIMIT_CORE, &none);
        signal(SIGABRT, SIG_DFL);
        assert_non_null(freopen("/dev/null", "w", stderr));
        x_strndup("x", SIZE_MAX);
        _exit(0);
    }
    int status;
    waitpid(pid, &status, 0);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGABRT);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(allocations_are_aligned_and_apart),
        cmocka_unit_test(contents_survive_the_growth),
        cmocka_unit_test(total_never_exceeds_the_ceiling),
        cmocka_unit_test(the_rest_below_the_ceiling_is_usable),
        cmocka_unit_test(an_oversized_allocation_leaves_the_block_in_use),
        cmocka_unit_test(an_oversized_allocation_may_come_first),
        cmocka_unit_test(reset_keeps_one_ordinary_block),
        cmocka_unit_test(a_zero_arena_can_be_reset_and_done),
        cmocka_unit_test(absurd_sizes_are_refused),
        cmocka_unit_test(zalloc_is_zero_even_in_reused_memory),
        cmocka_unit_test(strings_are_copied_and_terminated),
        cmocka_unit_test(strings_and_zalloc_report_the_ceiling),
        cmocka_unit_test(process_memory_helpers_copy),
        cmocka_unit_test(exhausted_process_memory_aborts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
