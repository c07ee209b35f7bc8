/* SPDX-License-Identifier: Apache-2.0
 *
 * A service manager played by a datagram socket.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/control/notify.h"

static void
messages_reach_an_abstract_socket(void **state)
{
    (void)state;
    char name[64], text[128];
    snprintf(name, sizeof name, "@tidegate-notify-%d", (int)getpid());
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    memcpy(a.sun_path + 1, name + 1, strlen(name) - 1);
    int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
    socklen_t len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name));
    assert_int_equal(bind(fd, (struct sockaddr *)&a, len), 0);
    struct notify n;
    notify_init(&n, name);
    notify_ready(&n);
    notify_status(&n, "streaming: lag 0 B");
    notify_stopping(&n);
    static const char *const wanted[] = {"READY=1", "STATUS=streaming: lag 0 B", "STOPPING=1"};
    for (size_t i = 0; i < 3; i++) {
        ssize_t got = recv(fd, text, sizeof text - 1, MSG_DONTWAIT);
        assert_true(got > 0);
        text[got] = '\0';
        assert_string_equal(text, wanted[i]);
    }
    notify_done(&n);
    close(fd);
}

static void
without_a_service_manager_nothing_happens(void **state)
{
    (void)state;
    static const char *const paths[] = {NULL, "", "relative", "/nonexistent/socket", "@"};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        struct notify n;
        notify_init(&n, paths[i]);
        notify_ready(&n);
        notify_status(&n, "x");
        notify_done(&n);
        assert_int_equal(n.fd, -1);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_reach_an_abstract_socket),
        cmocka_unit_test(without_a_service_manager_nothing_happens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
