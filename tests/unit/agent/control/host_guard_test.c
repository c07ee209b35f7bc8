/* SPDX-License-Identifier: Apache-2.0
 *
 * Which Host and Origin headers are let through on a loopback port.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "agent/control/host_guard.h"

static void
loopback_hosts_are_let_in(void **state)
{
    (void)state;
    assert_true(host_guard_host("localhost"));
    assert_true(host_guard_host("LOCALHOST:7720"));
    assert_true(host_guard_host("127.0.0.1:7720"));
    assert_true(host_guard_host("127.8.9.10"));
    assert_true(host_guard_host("[::1]"));
    assert_true(host_guard_host("[::1]:7720"));
}

static void
other_hosts_are_refused(void **state)
{
    (void)state;
    assert_false(host_guard_host("example.org"));
    assert_false(host_guard_host("localhost.example.org"));
    assert_false(host_guard_host("127.0.0.1.example.org"));
    assert_false(host_guard_host("10.0.0.1:7720"));
    assert_false(host_guard_host("[::2]:7720"));
    assert_false(host_guard_host("[::1]x"));
    assert_false(host_guard_host("127.0.0.1:99999"));
    assert_false(host_guard_host(""));
    assert_false(host_guard_host("evil@127.0.0.1"));
}

static void
origin_needs_a_scheme_and_a_loopback_host(void **state)
{
    (void)state;
    assert_true(host_guard_origin("http://localhost:3000"));
    assert_true(host_guard_origin("https://[::1]"));
    assert_false(host_guard_origin("null"));
    assert_false(host_guard_origin("localhost"));
    assert_false(host_guard_origin("http://example.org"));
    assert_false(host_guard_origin("file://localhost"));
}

static void
request_needs_a_host_and_no_foreign_origin(void **state)
{
    (void)state;
    assert_true(host_guard_allows("localhost", NULL));
    assert_true(host_guard_allows("localhost", "http://127.0.0.1"));
    assert_false(host_guard_allows(NULL, NULL));
    assert_false(host_guard_allows("localhost", "http://example.org"));
    assert_false(host_guard_allows("example.org", NULL));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(loopback_hosts_are_let_in),
        cmocka_unit_test(other_hosts_are_refused),
        cmocka_unit_test(origin_needs_a_scheme_and_a_loopback_host),
        cmocka_unit_test(request_needs_a_host_and_no_foreign_origin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
