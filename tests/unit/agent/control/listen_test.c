/* SPDX-License-Identifier: Apache-2.0
 *
 * Sockets in a scratch directory, one for each test.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/control/listen.h"

struct place {
    char dir[64], path[96];
};

static int
make_place(void **state)
{
    static struct place p;
    snprintf(p.dir, sizeof p.dir, "/tmp/tidegate-listen-XXXXXX");
    assert_non_null(mkdtemp(p.dir));
    snprintf(p.path, sizeof p.path, "%s/control.sock", p.dir);
    *state = &p;
    return 0;
}

static int
remove_place(void **state)
{
    struct place *p = *state;
    unlink(p->path);
    return rmdir(p->dir); /* fails when a temporary name was left behind */
}

static void
socket_file_is_for_its_owner_alone(void **state)
{
    struct place *p = *state;
    struct err err = ERR_INIT;
    struct listen_file file;
    int fd = -1;
    mode_t mask = umask(0);
    assert_true(listen_unix(p->path, &fd, &file, &err));
    umask(mask);
    struct stat st;
    assert_int_equal(lstat(p->path, &st), 0);
    assert_true(S_ISSOCK(st.st_mode));
    assert_int_equal(st.st_mode & 0777, 0600);
    close(fd);
}

static void
socket_of_a_dead_agent_is_replaced(void **state)
{
    struct place *p = *state;
    struct err err = ERR_INIT;
    struct listen_file dead, file;
    int fd = -1;
    assert_true(listen_unix(p->path, &fd, &dead, &err));
    close(fd); /* the file stays, nobody answers */
    assert_true(listen_unix(p->path, &fd, &file, &err));
    assert_false(dead.ino == file.ino && dead.dev == file.dev);
    close(fd);
}

static void
socket_of_a_living_agent_is_refused(void **state)
{
    struct place *p = *state;
    struct err err = ERR_INIT;
    struct listen_file first, second;
    int fd = -1, other = -1;
    assert_true(listen_unix(p->path, &fd, &first, &err));
    assert_false(listen_unix(p->path, &other, &second, &err));
    assert_int_equal(err.class, ERR_CONFIG);
    assert_non_null(strstr(err.text, "another agent is running"));
    close(fd);
}

static void
file_that_is_no_socket_is_left_alone(void **state)
{
    struct place *p = *state;
    struct err err = ERR_INIT;
    struct listen_file file;
    int fd = open(p->path, O_CREAT | O_WRONLY, 0600);
    assert_true(fd >= 0);
    close(fd);
    assert_false(listen_unix(p->path, &fd, &file, &err));
    assert_int_equal(err.class, ERR_CONFIG);
    assert_int_equal(access(p->path, F_OK), 0);
}

static void
path_that_is_too_long_is_said_to_be(void **state)
{
    (void)state;
    char path[200] = "/tmp/";
    memset(path + 5, 'x', sizeof path - 6);
    struct err err = ERR_INIT;
    struct listen_file file;
    int fd = -1;
    assert_false(listen_unix(path, &fd, &file, &err));
    assert_int_equal(err.class, ERR_CONFIG);
    assert_non_null(strstr(err.hint, "control.socket"));
}

static void
only_the_own_file_is_removed(void **state)
{
    struct place *p = *state;
    struct err err = ERR_INIT;
    struct listen_file old, file;
    int fd = -1;
    assert_true(listen_unix(p->path, &fd, &old, &err));
    close(fd);
    assert_true(listen_unix(p->path, &fd, &file, &err));
    listen_unix_remove(p->path, &old);
    assert_int_equal(access(p->path, F_OK), 0);
    listen_unix_remove(p->path, &file);
    assert_int_not_equal(access(p->path, F_OK), 0);
    close(fd);
}

static void
tcp_address_must_be_loopback(void **state)
{
    (void)state;
    static const char *const wrong[] = {"0.0.0.0:7720", "192.168.1.1:7720", "example.org:7720",
        "[::]:7720", "127.0.0.1", "7720", "127.0.0.1:0", "127.0.0.1:70000", ""};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct err err = ERR_INIT;
        int fd = -1;
        assert_false(listen_tcp(wrong[i], &fd, &err));
        assert_int_equal(err.class, ERR_CONFIG);
        assert_int_not_equal(err.hint[0], '\0');
    }
}

int
main(void)
{
#define AT_PLACE(f) cmocka_unit_test_setup_teardown(f, make_place, remove_place)
    const struct CMUnitTest tests[] = {
        AT_PLACE(socket_file_is_for_its_owner_alone),
        AT_PLACE(socket_of_a_dead_agent_is_replaced),
        AT_PLACE(socket_of_a_living_agent_is_refused),
        AT_PLACE(file_that_is_no_socket_is_left_alone),
        cmocka_unit_test(path_that_is_too_long_is_said_to_be),
        AT_PLACE(only_the_own_file_is_removed),
        cmocka_unit_test(tcp_address_must_be_loopback),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
