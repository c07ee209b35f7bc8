/* SPDX-License-Identifier: Apache-2.0
 *
 * Which of the installed pg_dump and pg_restore is taken.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/base/arena.h"
#include "agent/snapshot/pgtools.h"

static char dir[] = "/tmp/tidegate-pgtools-XXXXXX";

static void
install(const char *name, const char *version)
{
    char *path = x_printf("%s/%s", dir, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fprintf(f,
        "#!/bin/sh\nif [ \"$1\" = --version ]; then echo '%s (PostgreSQL) %s'; exit; fi\n"
        "echo \"args=$* pass=$(cat \"$PGPASSFILE\" 2>/dev/null)\" > %s/seen\n",
        name, version, dir);
    fclose(f);
    assert_int_equal(chmod(path, 0755), 0);
    x_free(path);
}

static int
set_up(void **state)
{
    (void)state;
    assert_non_null(mkdtemp(dir));
    setenv("TIDEGATE_PG_BINDIR", dir, 1);
    install("pg_dump", "16.4 (Debian 16.4-1)");
    return 0;
}

static int
tear_down(void **state)
{
    (void)state;
    static const char *const names[] = {"pg_dump", "pg_restore", "seen"};
    for (size_t i = 0; i < 3; i++) {
        char *path = x_printf("%s/%s", dir, names[i]);
        unlink(path);
        x_free(path);
    }
    return rmdir(dir);
}

static void
the_major_version_is_read(void **state)
{
    (void)state;
    assert_int_equal(pgtools_major("pg_dump (PostgreSQL) 15.20 (Debian 15.20-0+deb12u1)\n"), 15);
    assert_int_equal(pgtools_major("pg_dump (PostgreSQL) 18devel"), 18);
    assert_int_equal(pgtools_major("something else 15"), 0);
    assert_int_equal(pgtools_major(""), 0);
}

static void
the_oldest_that_fits_is_chosen(void **state)
{
    (void)state;
    static const int majors[] = {18, 13, 16, 15, 15};
    assert_int_equal(pgtools_choose(majors, 5, 15), 3);
    assert_int_equal(pgtools_choose(majors, 5, 14), 3);
    assert_int_equal(pgtools_choose(majors, 5, 17), 0);
    assert_int_equal(pgtools_choose(majors, 5, 19), -1);
    assert_int_equal(pgtools_choose(majors, 0, 1), -1);
}

static void
a_directory_without_both_does_not_count(void **state)
{
    (void)state;
    char *dump = NULL, *restore = NULL;
    struct err err = ERR_INIT;
    assert_false(pgtools_find(160000, &dump, &restore, &err));
    assert_int_equal(err.class, ERR_CONFIG);
    assert_non_null(strstr(err.hint, "postgresql-client-16"));
}

static void
the_directory_given_is_used(void **state)
{
    (void)state;
    char *dump = NULL, *restore = NULL;
    struct err err = ERR_INIT;
    install("pg_restore", "16.4");
    assert_true(pgtools_find(150003, &dump, &restore, &err));
    assert_int_equal(strncmp(dump, dir, strlen(dir)), 0);
    assert_int_equal(strncmp(restore, dir, strlen(dir)), 0);
    x_free(dump);
    x_free(restore);
}

static void
a_server_newer_than_the_tools_is_said(void **state)
{
    (void)state;
    char *dump = NULL, *restore = NULL;
    struct err err = ERR_INIT;
    install("pg_restore", "16.4");
    assert_false(pgtools_find(180000, &dump, &restore, &err));
    assert_non_null(strstr(err.text, "18"));
    assert_non_null(strstr(err.text, "newest found is 16"));
}

static void
programs_that_went_are_looked_for_again(void **state)
{
    (void)state;
    char *dump = NULL, *restore = NULL, *path = x_printf("%s/pg_restore", dir);
    struct err err = ERR_INIT;
    install("pg_restore", "16.4");
    assert_true(pgtools_find(160000, &dump, &restore, &err));
    x_free(dump);
    x_free(restore);
    assert_int_equal(unlink(path), 0);
    assert_false(pgtools_find(160000, &dump, &restore, &err));
    assert_int_equal(err.class, ERR_CONFIG);
    install("pg_restore", "16.4");
    x_free(path);
}

static void
a_password_is_not_among_the_arguments(void **state)
{
    (void)state;
    static const char *const args[] = {"--schema-only", NULL};
    struct err err = ERR_INIT;
    char *dump = x_printf("%s/pg_dump", dir), *seen = x_printf("%s/seen", dir), line[1024] = "";
    assert_true(pgtools_run(dump, "host=h user=u password=topsecret dbname=d", args, NULL, &err));
    FILE *f = fopen(seen, "r");
    assert_non_null(f);
    assert_non_null(fgets(line, sizeof(line), f));
    fclose(f);
    char *pass = strstr(line, "pass=");
    assert_non_null(pass);
    assert_non_null(strstr(pass, "topsecret"));
    *pass = 0;
    assert_null(strstr(line, "topsecret"));
    assert_non_null(strstr(line, "--schema-only"));
    x_free(dump);
    x_free(seen);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_major_version_is_read),
        cmocka_unit_test(the_oldest_that_fits_is_chosen),
        cmocka_unit_test(a_directory_without_both_does_not_count),
        cmocka_unit_test(the_directory_given_is_used),
        cmocka_unit_test(a_server_newer_than_the_tools_is_said),
        cmocka_unit_test(programs_that_went_are_looked_for_again),
        cmocka_unit_test(a_password_is_not_among_the_arguments),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
