/* SPDX-License-Identifier: Apache-2.0
 *
 * The state database: values, lock, schema, what a crash leaves, and errors by class.
 */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/base/arena.h"
#include "agent/store/store.intern.h"
#include "tests/lib/tmpdir.h"
#include "tests/lib/unit.h"

struct fixture {
    char *root, *dir, *db;
    struct store *s;
    struct err err;
};

static int
set_up(void **state)
{
    static struct fixture f;
    f.root = tmpdir_new();
    f.dir = tmpdir_path(f.root, "data");
    f.db = tmpdir_path(f.dir, "state.db");
    f.err = ERR_INIT;
    *state = &f;
    return store_open(f.dir, &f.s, &f.err) ? 0 : -1;
}

static int
tear_down(void **state)
{
    struct fixture *f = *state;
    store_close(f->s);
    free(f->dir);
    free(f->db);
    tmpdir_remove(f->root);
    return 0;
}

static void
reopen(struct fixture *f)
{
    store_close(f->s);
    assert_true(store_open(f->dir, &f->s, &f->err));
}

static void
value_is(struct fixture *f, const char *key, const char *want)
{
    char *got;
    assert_true(store_get(f->s, key, &got, &f->err));
    if (want == NULL) {
        assert_null(got);
    } else {
        assert_non_null(got);
        assert_string_equal(got, want);
    }
    x_free(got);
}

/* Runs SQL on the database as an operator could. */
static void
sql(struct fixture *f, const char *text)
{
    sqlite3 *db;
    assert_int_equal(sqlite3_open(f->db, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, text, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

static void
values_survive_reopening(void **state)
{
    struct fixture *f = *state;
    assert_true(store_set(f->s, "phase", "snapshot", &f->err));
    assert_true(store_set(f->s, "phase", "catchup", &f->err));
    assert_true(store_set(f->s, "empty", "", &f->err));
    assert_true(store_set(f->s, "odd", "'; -- \xc3\xa4\n", &f->err));
    reopen(f);
    value_is(f, "phase", "catchup");
    value_is(f, "empty", "");
    value_is(f, "odd", "'; -- \xc3\xa4\n");
    value_is(f, "absent", NULL);
}

static void
what_returned_true_survives_a_kill(void **state)
{
    struct fixture *f = *state;
    store_close(f->s);
    f->s = NULL;
    pid_t pid = fork();
    if (pid == 0) {
        struct store *s;
        struct err e = ERR_INIT;
        if (store_open(f->dir, &s, &e) && store_set(s, "phase", "copied", &e)) {
            kill(getpid(), SIGKILL);
        }
        _exit(1);
    }
    int status;
    waitpid(pid, &status, 0);
    assert_true(WIFSIGNALED(status));
    assert_true(store_open(f->dir, &f->s, &f->err)); /* the lock died with its holder */
    value_is(f, "phase", "copied");
}

static void
many_values_go_together(void **state)
{
    struct fixture *f = *state;
    const char *keys[] = {"a", "b", "c"}, *values[] = {"1", "2", "3"};
    assert_true(store_set_many(f->s, keys, values, 3, &f->err));
    assert_true(store_set_many(f->s, keys, values, 0, &f->err));
    value_is(f, "a", "1");
    value_is(f, "c", "3");
}

static void
many_values_fail_together(void **state)
{
    struct fixture *f = *state;
    const char *keys[] = {"a", "b"}, *values[] = {"new", NULL};
    assert_true(store_set(f->s, "a", "old", &f->err));
    assert_false(store_set_many(f->s, keys, values, 2, &f->err));
    assert_int_equal(f->err.class, ERR_FATAL);
    value_is(f, "a", "old");
    value_is(f, "b", NULL);
    assert_true(store_set(f->s, "a", "later", &f->err)); /* no transaction was left open */
}

static void
numbers_keep_64_bits(void **state)
{
    struct fixture *f = *state;
    uint64_t v = 7;
    bool found = true;
    assert_true(store_get_u64(f->s, "lsn", &v, &found, &f->err));
    assert_false(found);
    assert_int_equal(v, 7);
    assert_true(store_set_u64(f->s, "lsn", UINT64_MAX, &f->err));
    assert_true(store_get_u64(f->s, "lsn", &v, &found, &f->err));
    assert_true(found);
    assert_true(v == UINT64_MAX);
}

static void
a_value_that_is_no_number_is_fatal(void **state)
{
    struct fixture *f = *state;
    uint64_t v;
    bool found;
    assert_true(store_set(f->s, "lsn", "16/B374D848", &f->err));
    assert_false(store_get_u64(f->s, "lsn", &v, &found, &f->err));
    assert_int_equal(f->err.class, ERR_FATAL);
    assert_non_null(strstr(f->err.text, "'lsn' is '16/B374D848', not a number"));
    assert_false(found);
}

static void
files_are_private(void **state)
{
    struct fixture *f = *state;
    static const char *const names[] = {"state.db", "state.db-wal", "lock"};
    struct stat st;
    assert_true(store_set(f->s, "a", "b", &f->err));
    assert_int_equal(stat(f->dir, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char *path = tmpdir_path(f->dir, names[i]);
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_mode & 0777, 0600);
        free(path);
    }
}

static void
missing_folders_above_are_made(void **state)
{
    struct fixture *f = *state;
    char *deep = tmpdir_path(f->root, "a/b//c/");
    struct store *s;
    assert_true(store_open(deep, &s, &f->err));
    store_close(s);
    assert_true(store_open(deep, &s, &f->err));
    store_close(s);
    free(deep);
}

static void
a_second_agent_is_refused_with_the_pid_of_the_first(void **state)
{
    struct fixture *f = *state;
    struct store *second = f->s;
    char want[64];
    assert_false(store_open(f->dir, &second, &f->err));
    assert_null(second);
    assert_int_equal(f->err.class, ERR_CONFIG);
    snprintf(want, sizeof want, "is in use by another agent, pid %d", (int)getpid());
    assert_non_null(strstr(f->err.text, want));
    assert_string_not_equal(f->err.hint, "");
    assert_true(store_set(f->s, "a", "the first one goes on", &f->err));
}

static void
a_lock_without_a_pid_is_still_a_lock(void **state)
{
    struct fixture *f = *state;
    struct store *second;
    char *lock = tmpdir_path(f->dir, "lock");
    assert_int_equal(truncate(lock, 0), 0);
    assert_false(store_open(f->dir, &second, &f->err));
    assert_string_equal(strstr(f->err.text, "is in use"), "is in use by another agent");
    free(lock);
}

static void
another_schema_version_is_refused(void **state)
{
    struct fixture *f = *state;
    store_close(f->s);
    f->s = NULL;
    sql(f, "UPDATE schema_version SET version = 99");
    assert_false(store_open(f->dir, &f->s, &f->err));
    assert_int_equal(f->err.class, ERR_CONFIG);
    assert_non_null(strstr(f->err.text, "schema version 99"));
    sql(f, "DELETE FROM schema_version");
    assert_false(store_open(f->dir, &f->s, &f->err));
    assert_int_equal(f->err.class, ERR_CONFIG);
    sql(f, "DROP TABLE schema_version");
    assert_false(store_open(f->dir, &f->s, &f->err));
    assert_int_equal(f->err.class, ERR_FATAL);
}

static void
a_damaged_file_is_fatal_and_left_alone(void **state)
{
    struct fixture *f = *state;
    store_close(f->s);
    f->s = NULL;
    int fd = open(f->db, O_WRONLY | O_TRUNC);
    char junk[8192];
    memset(junk, 'j', sizeof junk);
    assert_int_equal(write(fd, junk, sizeof junk), sizeof junk);
    close(fd);
    assert_false(store_open(f->dir, &f->s, &f->err));
    assert_null(f->s);
    assert_int_equal(f->err.class, ERR_FATAL);
    assert_non_null(strstr(f->err.hint, "state.db is damaged"));
    struct stat st;
    stat(f->db, &st);
    assert_int_equal(st.st_size, sizeof junk);
}

static void
a_directory_that_cannot_be_made_is_the_users_affair(void **state)
{
    struct fixture *f = *state;
    char *below_file = tmpdir_path(f->db, "sub");
    struct store *s;
    assert_false(store_open(below_file, &s, &f->err));
    assert_int_equal(f->err.class, ERR_CONFIG);
    assert_false(store_open("", &s, &f->err));
    assert_int_equal(f->err.class, ERR_CONFIG);
    free(below_file);
}

static void
a_file_that_cannot_be_opened_is_the_users_affair(void **state)
{
    struct fixture *f = *state;
    store_close(f->s);
    f->s = NULL;
    char *lock = tmpdir_path(f->dir, "lock");
    unlink(lock);
    assert_int_equal(mkdir(lock, 0700), 0);
    assert_false(store_open(f->dir, &f->s, &f->err));
    assert_int_equal(f->err.class, ERR_CONFIG);
    rmdir(lock);
    free(lock);
    unlink(f->db);
    assert_int_equal(mkdir(f->db, 0700), 0);
    assert_false(store_open(f->dir, &f->s, &f->err));
    assert_int_equal(f->err.class, ERR_CONFIG);
}

static void
operators_may_read_while_the_agent_writes(void **state)
{
    struct fixture *f = *state;
    sqlite3 *db;
    assert_int_equal(sqlite3_open_v2(f->db, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    assert_int_equal(
        sqlite3_exec(db, "BEGIN; SELECT * FROM named_value", NULL, NULL, NULL), SQLITE_OK);
    assert_true(store_set(f->s, "phase", "copied", &f->err));
    sqlite3_close(db);
}

static void
pragma_is(struct fixture *f, const char *pragma, const char *want)
{
    sqlite3_stmt *stmt;
    assert_int_equal(sqlite3_prepare_v2(f->s->db, pragma, -1, &stmt, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
    assert_string_equal((const char *)sqlite3_column_text(stmt, 0), want);
    sqlite3_finalize(stmt);
}

static void
commits_are_synced(void **state)
{
    struct fixture *f = *state;
    pragma_is(f, "PRAGMA journal_mode", "wal");
    pragma_is(f, "PRAGMA synchronous", "2"); /* FULL */
}

static void
another_writer_means_try_again(void **state)
{
    struct fixture *f = *state;
    sqlite3 *db;
    sqlite3_busy_timeout(f->s->db, 10);
    assert_int_equal(sqlite3_open(f->db, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    assert_false(store_set(f->s, "a", "1", &f->err));
    assert_int_equal(f->err.class, ERR_RETRY);
    sqlite3_close(db);
    assert_true(store_set(f->s, "a", "1", &f->err));
}

static void
a_full_disk_is_the_users_affair_and_changes_nothing(void **state)
{
    struct fixture *f = *state;
    static char big[1 << 20];
    memset(big, 'x', sizeof big - 1);
    assert_true(store_set(f->s, "a", "old", &f->err));
    assert_int_equal(
        sqlite3_exec(f->s->db, "PRAGMA max_page_count = 20", NULL, NULL, NULL), SQLITE_OK);
    const char *keys[] = {"a", "b"}, *values[] = {"new", big};
    assert_false(store_set_many(f->s, keys, values, 2, &f->err));
    assert_int_equal(f->err.class, ERR_CONFIG);
    assert_non_null(strstr(f->err.hint, "free space"));
    value_is(f, "a", "old");
    assert_true(store_set(f->s, "a", "new", &f->err));
}

static void *
write_values(void *arg)
{
    struct fixture *f = arg;
    struct err e = ERR_INIT;
    uintptr_t ok = 1;
    for (int i = 0; i < 20; i++) {
        char key[32], *got = NULL;
        snprintf(key, sizeof key, "%lx-%d", (unsigned long)pthread_self(), i);
        ok &= store_set(f->s, key, key, &e) && store_get(f->s, key, &got, &e);
        ok &= got != NULL && strcmp(got, key) == 0;
        x_free(got);
    }
    return (void *)ok;
}

static void
threads_may_share_a_store(void **state)
{
    struct fixture *f = *state;
    pthread_t threads[4];
    for (int i = 0; i < 4; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, write_values, f), 0);
    }
    for (int i = 0; i < 4; i++) {
        void *ok;
        pthread_join(threads[i], &ok);
        assert_non_null(ok);
    }
}

static void
every_shortage_of_descriptors_is_an_error(void **state)
{
    struct fixture *f = *state;
    struct rlimit before, low;
    int failures = 0;
    store_close(f->s);
    f->s = NULL;
    getrlimit(RLIMIT_NOFILE, &before);
    for (rlim_t n = 3; n < 40 && f->s == NULL; n++) {
        low = (struct rlimit){n, before.rlim_max};
        setrlimit(RLIMIT_NOFILE, &low);
        f->err = ERR_INIT;
        bool ok = store_open(f->dir, &f->s, &f->err);
        setrlimit(RLIMIT_NOFILE, &before);
        assert_true(ok == (f->s != NULL));
        assert_true(ok == (f->err.class == ERR_NONE));
        failures += !ok;
    }
    assert_non_null(f->s);
    assert_true(failures >= 2);
}

static void
close_accepts_null(void **state)
{
    (void)state;
    store_close(NULL);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(values_survive_reopening),
        TEST(what_returned_true_survives_a_kill),
        TEST(many_values_go_together),
        TEST(many_values_fail_together),
        TEST(numbers_keep_64_bits),
        TEST(a_value_that_is_no_number_is_fatal),
        TEST(files_are_private),
        TEST(missing_folders_above_are_made),
        TEST(a_second_agent_is_refused_with_the_pid_of_the_first),
        TEST(a_lock_without_a_pid_is_still_a_lock),
        TEST(another_schema_version_is_refused),
        TEST(a_damaged_file_is_fatal_and_left_alone),
        TEST(a_directory_that_cannot_be_made_is_the_users_affair),
        TEST(a_file_that_cannot_be_opened_is_the_users_affair),
        TEST(operators_may_read_while_the_agent_writes),
        TEST(commits_are_synced),
        TEST(another_writer_means_try_again),
        TEST(a_full_disk_is_the_users_affair_and_changes_nothing),
        TEST(threads_may_share_a_store),
        TEST(every_shortage_of_descriptors_is_an_error),
        TEST(close_accepts_null),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
