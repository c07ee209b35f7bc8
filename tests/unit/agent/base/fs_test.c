/* SPDX-License-Identifier: Apache-2.0
 *
 * fs_system against a real directory: results, and errors as -errno.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/base/fs.h"
#include "tests/lib/tmpdir.h"
#include "tests/lib/unit.h"

#define F (&fs_system)

struct fixture {
    char *dir, *file;
};

static int
set_up(void **state)
{
    static struct fixture f;
    f.dir = tmpdir_new();
    f.file = tmpdir_path(f.dir, "file");
    *state = &f;
    return 0;
}

static int
tear_down(void **state)
{
    struct fixture *f = *state;
    tmpdir_remove(f->dir);
    free(f->file);
    return 0;
}

static void
what_is_written_is_read(void **state)
{
    struct fixture *f = *state;
    char back[16] = "";
    uint64_t size = 99;
    int fd = F->open(F, f->file, O_RDWR | O_CREAT, 0600);
    assert_true(fd >= 0);
    assert_int_equal(F->pwrite_all(F, fd, "hello", 5, 3), 0);
    assert_int_equal(F->pwrite_all(F, fd, "", 0, 0), 0);
    assert_int_equal(F->datasync(F, fd), 0);
    assert_int_equal(F->size(F, fd, &size), 0);
    assert_int_equal(size, 8);
    assert_int_equal(F->pread_all(F, fd, back, sizeof back, 3), 5); /* short only at the end */
    assert_memory_equal(back, "hello", 5);
    assert_int_equal(F->pread_all(F, fd, back, 4, 0), 4);
    assert_memory_equal(back, "\0\0\0h", 4);
    assert_int_equal(F->pread_all(F, fd, back, 4, 8), 0);
    assert_int_equal(F->truncate(F, fd, 4), 0);
    int rc = F->allocate(F, fd, 4096);
    assert_true(rc == 0 || rc == -EOPNOTSUPP);
    assert_int_equal(F->size(F, fd, &size), 0);
    assert_int_equal(size, 4);
    assert_int_equal(F->close(F, fd), 0);
}

static void
descriptors_are_closed_on_exec(void **state)
{
    struct fixture *f = *state;
    int fd = F->open(F, f->file, O_RDWR | O_CREAT, 0640);
    struct stat st;
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    assert_int_equal(fstat(fd, &st), 0);
    assert_int_equal(st.st_mode & 0777 & ~0640, 0);
    F->close(F, fd);
}

static void
errors_come_as_negative_errno(void **state)
{
    struct fixture *f = *state;
    uint64_t size;
    char byte;
    struct fs_space space;
    assert_int_equal(F->open(F, f->file, O_RDONLY, 0), -ENOENT);
    assert_int_equal(F->close(F, -1), -EBADF);
    assert_int_equal(F->pwrite_all(F, -1, "x", 1, 0), -EBADF);
    assert_int_equal(F->pread_all(F, -1, &byte, 1, 0), -EBADF);
    assert_int_equal(F->datasync(F, -1), -EBADF);
    assert_int_equal(F->truncate(F, -1, 0), -EBADF);
    assert_int_equal(F->size(F, -1, &size), -EBADF);
    assert_int_equal(F->rename(F, f->file, f->dir), -ENOENT);
    assert_int_equal(F->unlink(F, f->file), -ENOENT);
    assert_int_equal(F->sync_dir(F, f->file), -ENOENT);
    assert_int_equal(F->list(F, f->file, NULL, NULL), -ENOENT);
    assert_int_equal(F->space(F, f->file, &space), -ENOENT);
}

static void
a_write_that_does_not_fit_fails_as_a_whole(void **state)
{
    struct fixture *f = *state;
    struct rlimit before, small;
    getrlimit(RLIMIT_FSIZE, &before);
    small = before;
    small.rlim_cur = 4096;
    signal(SIGXFSZ, SIG_IGN);
    int fd = F->open(F, f->file, O_RDWR | O_CREAT, 0600);
    static char data[8192];
    setrlimit(RLIMIT_FSIZE, &small);
    int rc = F->pwrite_all(F, fd, data, sizeof data, 0); /* the kernel takes 4096 bytes first */
    setrlimit(RLIMIT_FSIZE, &before);
    assert_int_equal(rc, -EFBIG);
    F->close(F, fd);
}

static void
mkdir_accepts_a_directory_that_is_there(void **state)
{
    struct fixture *f = *state;
    struct stat st;
    char *sub = tmpdir_path(f->dir, "sub"), *deep = tmpdir_path(f->dir, "no/such");
    assert_int_equal(F->mkdir(F, sub, 0700), 0);
    assert_int_equal(F->mkdir(F, sub, 0700), 0);
    assert_int_equal(stat(sub, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    assert_int_equal(F->mkdir(F, deep, 0700), -ENOENT);
    F->close(F, F->open(F, f->file, O_RDWR | O_CREAT, 0600));
    assert_int_equal(F->mkdir(F, f->file, 0700), -ENOTDIR);
    free(sub);
    free(deep);
}

static void
rename_replaces_and_unlink_removes(void **state)
{
    struct fixture *f = *state;
    char *other = tmpdir_path(f->dir, "other");
    F->close(F, F->open(F, f->file, O_RDWR | O_CREAT, 0600));
    F->close(F, F->open(F, other, O_RDWR | O_CREAT, 0600));
    assert_int_equal(F->rename(F, f->file, other), 0);
    assert_int_equal(F->sync_dir(F, f->dir), 0);
    assert_int_equal(access(f->file, F_OK), -1);
    assert_int_equal(F->unlink(F, other), 0);
    assert_int_equal(access(other, F_OK), -1);
    free(other);
}

static int
count(const char *name, void *arg)
{
    assert_true(strcmp(name, ".") != 0 && strcmp(name, "..") != 0);
    ++*(int *)arg;
    return 0;
}

static int
refuse(const char *name, void *arg)
{
    (void)name;
    ++*(int *)arg;
    return -EINTR;
}

static void
list_names_everything_until_told_to_stop(void **state)
{
    struct fixture *f = *state;
    int names = 0;
    assert_int_equal(F->list(F, f->dir, count, &names), 0);
    assert_int_equal(names, 0);
    for (int i = 0; i < 3; i++) {
        char name[16];
        snprintf(name, sizeof name, "f%d", i);
        char *path = tmpdir_path(f->dir, name);
        F->close(F, F->open(F, path, O_RDWR | O_CREAT, 0600));
        free(path);
    }
    assert_int_equal(F->list(F, f->dir, count, &names), 0);
    assert_int_equal(names, 3);
    assert_int_equal(F->list(F, f->dir, refuse, &names), -EINTR);
    assert_int_equal(names, 4);
}

static void
space_is_plausible(void **state)
{
    struct fixture *f = *state;
    struct fs_space s = {0};
    assert_int_equal(F->space(F, f->dir, &s), 0);
    assert_true(s.total > 0);
    assert_true(s.free <= s.total);
}

static void
a_file_is_alone_until_somebody_opens_it(void **state)
{
    struct fixture *f = *state;
    int fd = F->open(F, f->file, O_RDWR | O_CREAT, 0600);
    assert_true(fd >= 0);
    assert_int_equal(F->alone(F, fd), 1);
    int other = F->open(F, f->file, O_RDONLY, 0);
    assert_true(other >= 0);
    assert_int_equal(F->alone(F, fd), 0);
    F->close(F, other);
    assert_int_equal(F->alone(F, fd), 1);
    F->close(F, fd);
}

/* The kernel tells the asker by a signal when an open comes in between: by SIGIO, which ends a
 * process, unless it was told otherwise. */
static void
asking_survives_others_that_open_the_file(void **state)
{
    struct fixture *f = *state;
    int fd = F->open(F, f->file, O_RDWR | O_CREAT, 0600);
    assert_true(fd >= 0);
    pid_t asker = fork();
    if (asker == 0) {
        for (;;) {
            (void)F->alone(F, fd);
        }
    }
    F->close(F, fd);
    for (int i = 0; i < 3000; i++) {
        fd = F->open(F, f->file, O_RDONLY, 0);
        assert_true(fd >= 0);
        F->close(F, fd);
    }
    int status = 0;
    assert_int_equal(kill(asker, SIGKILL), 0);
    assert_int_equal(waitpid(asker, &status, 0), asker);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGKILL);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(what_is_written_is_read),
        TEST(descriptors_are_closed_on_exec),
        TEST(errors_come_as_negative_errno),
        TEST(a_write_that_does_not_fit_fails_as_a_whole),
        TEST(mkdir_accepts_a_directory_that_is_there),
        TEST(rename_replaces_and_unlink_removes),
        TEST(list_names_everything_until_told_to_stop),
        TEST(space_is_plausible),
        TEST(a_file_is_alone_until_somebody_opens_it),
        TEST(asking_survives_others_that_open_the_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
