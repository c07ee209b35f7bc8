/* SPDX-License-Identifier: Apache-2.0
 *
 * Child programs: output, failure, secrets, descriptors, signals, the end of either side.
 */
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/base/clock.h"
#include "agent/base/parse.h"
#include "agent/base/proc.h"
#include "tests/lib/tmpdir.h"
#include "tests/lib/unit.h"

struct fixture {
    char *dir;
    struct stop stop;
    struct buf out, err_out;
    struct err err;
};

static int
set_up(void **state)
{
    static struct fixture f;
    f.dir = tmpdir_new();
    f.err = ERR_INIT;
    buf_init(&f.out, 4 << 20);
    buf_init(&f.err_out, 4096);
    *state = &f;
    return stop_init(&f.stop) ? 0 : -1;
}

static int
tear_down(void **state)
{
    struct fixture *f = *state;
    buf_done(&f->out);
    buf_done(&f->err_out);
    stop_done(&f->stop);
    tmpdir_remove(f->dir);
    return 0;
}

static bool
shell(struct fixture *f, const char *script)
{
    const char *argv[] = {"sh", "-c", script, NULL};
    struct proc p = {.argv = argv, .out = &f->out, .stderr_out = &f->err_out};
    return proc_run(&p, &f->stop, &f->err);
}

static void
output_is_collected(void **state)
{
    struct fixture *f = *state;
    assert_true(shell(f, "echo out; echo problem >&2; cat"));
    assert_string_equal(buf_cstr(&f->out), "out\n");
    assert_string_equal(buf_cstr(&f->err_out), "problem\n");
}

static void
output_may_be_discarded(void **state)
{
    struct fixture *f = *state;
    const char *argv[] = {"/bin/sh", "-c", "echo out; echo problem >&2", NULL};
    struct proc p = {.argv = argv, .stderr_out = &f->err_out};
    assert_true(proc_run(&p, NULL, &f->err));
    assert_string_equal(buf_cstr(&f->err_out), "problem\n");
}

static void
output_may_go_to_a_private_file(void **state)
{
    struct fixture *f = *state;
    char *path = tmpdir_path(f->dir, "dump");
    FILE *old = fopen(path, "w");
    fputs("what was there before, and longer", old);
    fclose(old);
    chmod(path, 0644);
    const char *argv[] = {"sh", "-c", "echo dumped", NULL};
    struct proc p = {.argv = argv, .stdout_path = path, .stderr_out = &f->err_out};
    assert_true(proc_run(&p, &f->stop, &f->err));
    char back[64] = "";
    struct stat st;
    FILE *in = fopen(path, "r");
    assert_non_null(fgets(back, sizeof back, in));
    fclose(in);
    assert_string_equal(back, "dumped\n");
    stat(path, &st);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(st.st_size, 7);
    free(path);
}

static void
a_file_that_cannot_be_made_is_named(void **state)
{
    struct fixture *f = *state;
    char *path = tmpdir_path(f->dir, "no/such/dump");
    const char *argv[] = {"true", NULL};
    struct proc p = {.argv = argv, .stdout_path = path, .stderr_out = &f->err_out};
    assert_false(proc_run(&p, &f->stop, &f->err));
    assert_int_equal(f->err.class, ERR_CONFIG);
    assert_non_null(strstr(f->err.text, path));
    free(path);
}

static void
large_output_on_both_pipes_does_not_block(void **state)
{
    struct fixture *f = *state;
    assert_true(shell(f, "head -c 3000000 /dev/zero & head -c 3000000 /dev/zero >&2; wait"));
    assert_int_equal(f->out.len, 3000000);
    assert_int_equal(f->err_out.len, f->err_out.max); /* the rest was dropped */
    assert_false(f->err_out.failed);
}

static void
output_beyond_the_ceiling_is_an_error(void **state)
{
    struct fixture *f = *state;
    assert_false(shell(f, "head -c 5000000 /dev/zero"));
    assert_int_equal(f->err.class, ERR_DATA);
    assert_non_null(strstr(f->err.text, "'sh': its output: larger than"));
}

static void
failure_shows_status_and_last_line(void **state)
{
    struct fixture *f = *state;
    assert_false(shell(f, "echo first >&2; echo 'pg_dump: error: no' >&2; echo >&2; exit 3"));
    assert_int_equal(f->err.class, ERR_FATAL);
    assert_string_equal(f->err.text, "'sh' failed with status 3: pg_dump: error: no");
}

static void
a_line_that_speaks_of_an_error_is_preferred(void **state)
{
    struct fixture *f = *state;
    assert_false(shell(f, "echo 'ERROR:  first' >&2; echo 'pg_restore: error: no \"x\"' >&2;"
                          " echo 'LINE 1: select' >&2; echo '        ^' >&2; exit 1"));
    assert_string_equal(f->err.text, "'sh' failed with status 1: pg_restore: error: no \"x\"");
}

static void
the_last_line_is_known_even_beyond_the_ceiling(void **state)
{
    struct fixture *f = *state;
    assert_false(shell(f, "yes | head -c 300000 >&2; echo 'the reason' >&2; exit 1"));
    assert_string_equal(f->err.text, "'sh' failed with status 1: the reason");
}

static void
silent_failure_shows_status_only(void **state)
{
    struct fixture *f = *state;
    assert_false(shell(f, "exit 7"));
    assert_string_equal(f->err.text, "'sh' failed with status 7");
}

static void
death_by_signal_is_named(void **state)
{
    struct fixture *f = *state;
    assert_false(shell(f, "echo bye >&2; kill -9 $$"));
    assert_int_equal(f->err.class, ERR_FATAL);
    assert_string_equal(f->err.text, "'sh' was ended by signal 9: bye");
}

static void
a_missing_program_is_the_users_affair(void **state)
{
    struct fixture *f = *state;
    const char *argv[] = {"no-such-program-here", NULL};
    struct proc p = {.argv = argv, .stderr_out = &f->err_out};
    assert_false(proc_run(&p, &f->stop, &f->err));
    assert_int_equal(f->err.class, ERR_CONFIG);
    assert_string_equal(f->err.text, "program 'no-such-program-here' not found in PATH");
    assert_string_not_equal(f->err.hint, "");
}

static void
a_path_that_cannot_run_is_the_users_affair(void **state)
{
    struct fixture *f = *state;
    const char *argv[] = {"/no/such/program", NULL};
    struct proc p = {.argv = argv, .stderr_out = &f->err_out};
    assert_false(proc_run(&p, &f->stop, &f->err));
    assert_int_equal(f->err.class, ERR_CONFIG);
    assert_string_equal(f->err.text, "start '/no/such/program': No such file or directory");
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* nobody left to wait for */
}

static void
environment_is_added_and_replaced(void **state)
{
    struct fixture *f = *state;
    setenv("TIDEGATE_TEST_OURS", "kept", 1);
    setenv("TIDEGATE_TEST_BOTH", "old", 1);
    const char *argv[] = {"sh", "-c",
        "echo $TIDEGATE_TEST_OURS $TIDEGATE_TEST_BOTH $TIDEGATE_TEST_NEW;"
        " env | grep -c TIDEGATE_TEST_BOTH=",
        NULL};
    const char *env[] = {"TIDEGATE_TEST_BOTH=new", "TIDEGATE_TEST_NEW=added", NULL};
    struct proc p = {.argv = argv, .env = env, .out = &f->out, .stderr_out = &f->err_out};
    assert_true(proc_run(&p, &f->stop, &f->err));
    assert_string_equal(buf_cstr(&f->out), "kept new added\n1\n");
}

static void
the_secret_is_a_private_file_that_can_be_read_twice(void **state)
{
    struct fixture *f = *state;
    const char *argv[] = {"sh", "-c",
        "echo $PGPASSFILE; stat -L -c '%a %F' $PGPASSFILE; cat $PGPASSFILE; cat $PGPASSFILE; env;"
        " tr '\\0' ' ' < /proc/$$/cmdline",
        NULL};
    struct proc p = {.argv = argv,
        .out = &f->out,
        .stderr_out = &f->err_out,
        .secret = "*:*:*:*:hunter22\n",
        .secret_env = "PGPASSFILE"};
    assert_true(proc_run(&p, &f->stop, &f->err));
    const char *out = buf_cstr(&f->out);
    assert_non_null(
        strstr(out, "/dev/fd/3\n600 regular file\n*:*:*:*:hunter22\n*:*:*:*:hunter22\n"));
    const char *second = strstr(strstr(out, "hunter22") + 1, "hunter22");
    assert_null(
        strstr(second + 1, "hunter22")); /* neither in the environment nor in the arguments */
}

static void
the_child_has_no_other_descriptor(void **state)
{
    struct fixture *f = *state;
    int leak = open("/dev/null", O_RDONLY), high = fcntl(leak, F_DUPFD, 100);
    assert_true(leak >= 0 && high >= 100);
    const char *argv[] = {"ls", "/proc/self/fd", NULL};
    struct proc p = {.argv = argv, .out = &f->out, .stderr_out = &f->err_out};
    assert_true(proc_run(&p, &f->stop, &f->err));
    assert_string_equal(buf_cstr(&f->out), "0\n1\n2\n3\n"); /* 3 is the listed directory */
    buf_reset(&f->out);
    p.secret = "x";
    p.secret_env = "X";
    assert_true(proc_run(&p, &f->stop, &f->err));
    assert_string_equal(buf_cstr(&f->out), "0\n1\n2\n3\n4\n");
    close(leak);
    close(high);
}

static int
open_descriptors(void)
{
    int n = 0;
    DIR *dir = opendir("/proc/self/fd");
    while (readdir(dir) != NULL) {
        n++;
    }
    closedir(dir);
    return n;
}

static void
we_leak_no_descriptor(void **state)
{
    struct fixture *f = *state;
    const char *bad[] = {"/no/such/program", NULL}, *good[] = {"true", NULL};
    int before = open_descriptors();
    for (int i = 0; i < 3; i++) {
        struct proc p = {.argv = i == 0 ? bad : good,
            .out = i == 1 ? &f->out : NULL,
            .stderr_out = &f->err_out,
            .secret = "x",
            .secret_env = "X"};
        (void)!proc_run(&p, &f->stop, &f->err);
    }
    assert_int_equal(open_descriptors(), before);
}

static void
every_shortage_of_descriptors_is_an_error(void **state)
{
    struct fixture *f = *state;
    const char *argv[] = {"true", NULL};
    struct proc p = {
        .argv = argv, .out = &f->out, .stderr_out = &f->err_out, .secret = "x", .secret_env = "X"};
    struct rlimit before, low;
    getrlimit(RLIMIT_NOFILE, &before);
    int failures = 0, open_before = open_descriptors();
    bool ok = false;
    for (rlim_t n = 3; n < 40 && !ok; n++) {
        low = (struct rlimit){n, before.rlim_max};
        setrlimit(RLIMIT_NOFILE, &low);
        f->err = ERR_INIT;
        ok = proc_run(&p, &f->stop, &f->err);
        setrlimit(RLIMIT_NOFILE, &before);
        assert_int_equal(open_descriptors(), open_before);
        assert_true(ok || f->err.class == ERR_FATAL);
        failures += !ok;
    }
    assert_true(ok);
    assert_true(failures >= 5);
}

static void
signals_are_open_and_default_in_the_child(void **state)
{
    struct fixture *f = *state;
    sigset_t all, before;
    sigfillset(&all);
    signal(SIGPIPE, SIG_IGN);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    bool ok = shell(f, "grep -E 'Sig(Blk|Ign):' /proc/self/status");
    sigset_t now;
    pthread_sigmask(SIG_SETMASK, &before, &now);
    signal(SIGPIPE, SIG_DFL);
    assert_true(ok);
    const char *ignored = strstr(buf_cstr(&f->out), "SigIgn:");
    assert_int_equal(strncmp(buf_cstr(&f->out), "SigBlk:\t0000000000000000\n", 25), 0);
    assert_non_null(ignored);
    /* glibc keeps signals 32 and 33 for itself and lets nobody change them */
    assert_int_equal(strtoull(ignored + 8, NULL, 16) & ~0x180000000ull, 0);
    assert_true(sigismember(&now, SIGTERM)); /* ours is as it was */
}

static void
a_stop_before_the_start_starts_nothing(void **state)
{
    struct fixture *f = *state;
    stop_request(&f->stop);
    assert_false(shell(f, "echo ran"));
    assert_int_equal(f->err.class, ERR_CANCELLED);
    assert_int_equal(f->out.len, 0);
}

static void *
request_soon(void *arg)
{
    clock_system.sleep_us(&clock_system, 200000);
    stop_request(arg);
    return NULL;
}

static int64_t
stopped_after(struct fixture *f, const char *script)
{
    pthread_t thread;
    int64_t before = clock_mono_us(&clock_system);
    assert_int_equal(pthread_create(&thread, NULL, request_soon, &f->stop), 0);
    bool ok = shell(f, script);
    pthread_join(thread, NULL);
    assert_false(ok);
    assert_int_equal(f->err.class, ERR_CANCELLED);
    return clock_mono_us(&clock_system) - before;
}

static void
a_stop_ends_the_child_and_its_children(void **state)
{
    struct fixture *f = *state;
    int64_t took = stopped_after(f, "sleep 60 & echo $!; wait");
    assert_true(took < 4000000);
    uint64_t pid;
    f->out.len--; /* the line break */
    assert_true(parse_u64(buf_cstr(&f->out), 1, INT32_MAX, &pid));
    for (int i = 0; i < 100 && kill((pid_t)pid, 0) == 0; i++) {
        char path[64], line[256] = "";
        snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
        FILE *in = fopen(path, "r");
        if (in != NULL) {
            (void)!fgets(line, sizeof line, in);
            fclose(in);
        }
        if (strstr(line, ") Z ") != NULL) {
            return; /* dead; nobody has collected it yet */
        }
        clock_system.sleep_us(&clock_system, 20000);
    }
    assert_int_equal(kill((pid_t)pid, 0), -1);
}

static void
a_child_that_ignores_the_stop_is_killed(void **state)
{
    struct fixture *f = *state;
    int64_t took = stopped_after(f, "trap '' TERM; while :; do sleep 1; done");
    assert_true(took >= 5000000);
    assert_true(took < 9000000);
}

static void
a_grandchild_that_holds_the_pipes_does_not_hold_us(void **state)
{
    struct fixture *f = *state;
    int64_t before = clock_mono_us(&clock_system);
    assert_true(shell(f, "sleep 3 & echo done"));
    assert_true(clock_mono_us(&clock_system) - before < 2000000);
    assert_string_equal(buf_cstr(&f->out), "done\n");
}

static void
a_child_that_closes_its_pipes_is_waited_for(void **state)
{
    struct fixture *f = *state;
    int64_t before = clock_mono_us(&clock_system);
    assert_false(shell(f, "exec >&- 2>&-; sleep 0.3; exit 4"));
    assert_true(clock_mono_us(&clock_system) - before >= 300000);
    assert_string_equal(f->err.text, "'sh' failed with status 4");
}

static void
the_child_dies_with_us(void **state)
{
    struct fixture *f = *state;
    char *path = tmpdir_path(f->dir, "pid");
    pid_t agent = fork();
    if (agent == 0) {
        const char *argv[] = {"sh", "-c", "echo $$; exec sleep 60", NULL};
        struct proc p = {.argv = argv, .stdout_path = path, .stderr_out = &f->err_out};
        (void)!proc_run(&p, &f->stop, &f->err);
        _exit(0);
    }
    char line[32] = "";
    uint64_t pid = 0;
    for (int i = 0; i < 250 && pid == 0; i++) {
        FILE *in = fopen(path, "r");
        if (in != NULL && fgets(line, sizeof line, in) != NULL && strchr(line, '\n') != NULL) {
            *strchr(line, '\n') = '\0';
            (void)parse_u64(line, 1, INT32_MAX, &pid);
        }
        if (in != NULL) {
            fclose(in);
        }
        clock_system.sleep_us(&clock_system, 20000);
    }
    assert_true(pid != 0);
    kill(agent, SIGKILL);
    waitpid(agent, NULL, 0);
    bool gone = false;
    for (int i = 0; i < 250 && !gone; i++) {
        char status[64];
        snprintf(status, sizeof status, "/proc/%d/cmdline", (int)pid);
        FILE *in = fopen(status, "r");
        gone = in == NULL || fgetc(in) == EOF; /* a zombie has no command line */
        if (in != NULL) {
            fclose(in);
        }
        clock_system.sleep_us(&clock_system, 20000);
    }
    assert_true(gone);
    free(path);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(output_is_collected),
        TEST(output_may_be_discarded),
        TEST(output_may_go_to_a_private_file),
        TEST(a_file_that_cannot_be_made_is_named),
        TEST(large_output_on_both_pipes_does_not_block),
        TEST(output_beyond_the_ceiling_is_an_error),
        TEST(failure_shows_status_and_last_line),
        TEST(a_line_that_speaks_of_an_error_is_preferred),
        TEST(the_last_line_is_known_even_beyond_the_ceiling),
        TEST(silent_failure_shows_status_only),
        TEST(death_by_signal_is_named),
        TEST(a_missing_program_is_the_users_affair),
        TEST(a_path_that_cannot_run_is_the_users_affair),
        TEST(environment_is_added_and_replaced),
        TEST(the_secret_is_a_private_file_that_can_be_read_twice),
        TEST(the_child_has_no_other_descriptor),
        TEST(we_leak_no_descriptor),
        TEST(every_shortage_of_descriptors_is_an_error),
        TEST(signals_are_open_and_default_in_the_child),
        TEST(a_stop_before_the_start_starts_nothing),
        TEST(a_stop_ends_the_child_and_its_children),
        TEST(a_child_that_ignores_the_stop_is_killed),
        TEST(a_grandchild_that_holds_the_pipes_does_not_hold_us),
        TEST(a_child_that_closes_its_pipes_is_waited_for),
        TEST(the_child_dies_with_us),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
