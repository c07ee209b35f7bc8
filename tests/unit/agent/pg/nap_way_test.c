/* SPDX-License-Identifier: Apache-2.0
 *
 * Only a connection whose ends have one address is taken for the loopback interface's.
 */
#include <arpa/inet.h>

#include "agent/pg/nap_way.h"
#include "tests/lib/unit.h"

static struct sockaddr_storage
address(const char *text)
{
    struct sockaddr_storage a = {0};
    struct sockaddr_in *a4 = (void *)&a;
    struct sockaddr_in6 *a6 = (void *)&a;
    if (inet_pton(AF_INET, text, &a4->sin_addr) == 1) {
        a.ss_family = AF_INET;
    } else if (inet_pton(AF_INET6, text, &a6->sin6_addr) == 1) {
        a.ss_family = AF_INET6;
    } else {
        a.ss_family = AF_UNIX;
    }
    return a;
}

static enum nap_way
way(const char *own, const char *peer)
{
    struct sockaddr_storage a = address(own), b = address(peer);
    return nap_way(&a, &b);
}

static void
one_address_at_both_ends_is_one_machine(void **state)
{
    (void)state;
    assert_int_equal(way("127.0.0.1", "127.0.0.1"), NAP_LOOPBACK);
    assert_int_equal(way("10.0.0.7", "10.0.0.7"), NAP_LOOPBACK);
    assert_int_equal(way("::1", "::1"), NAP_LOOPBACK);
    assert_int_equal(way("unix", "unix"), NAP_UNIX);
}

static void
anything_else_is_a_network(void **state)
{
    (void)state;
    assert_int_equal(way("10.0.0.7", "10.0.0.8"), NAP_NETWORK);
    assert_int_equal(way("2001:db8::1", "2001:db8::2"), NAP_NETWORK);
    assert_int_equal(way("127.0.0.1", "::1"), NAP_NETWORK);
    assert_int_equal(way("127.0.0.1", "unix"), NAP_NETWORK);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_address_at_both_ends_is_one_machine),
        cmocka_unit_test(anything_else_is_a_network),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
