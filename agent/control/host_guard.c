/* SPDX-License-Identifier: Apache-2.0
 *
 * Names are compared as a whole: "localhost.example.com" and "127.0.0.1.example.com" are not
 * loopback.
 */
#include "agent/control/host_guard.h"

#include <arpa/inet.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

#include "agent/base/parse.h"

static bool
is_port(const char *s)
{
    uint64_t port;
    return *s == '\0' || (*s == ':' && parse_u64(s + 1, 1, UINT16_MAX, &port));
}

bool
host_guard_host(const char *host)
{
    if (strncmp(host, "[::1]", 5) == 0) {
        return is_port(host + 5);
    }
    size_t len = strcspn(host, ":");
    if (!is_port(host + len)) {
        return false;
    }
    if (len == 9 && strncasecmp(host, "localhost", 9) == 0) {
        return true;
    }
    char text[INET_ADDRSTRLEN];
    if (len >= sizeof text) {
        return false;
    }
    memcpy(text, host, len);
    text[len] = '\0';
    struct in_addr address;
    return inet_pton(AF_INET, text, &address) == 1 && ntohl(address.s_addr) >> 24 == 127;
}

bool
host_guard_origin(const char *origin)
{
    if (strncasecmp(origin, "http://", 7) == 0) {
        return host_guard_host(origin + 7);
    }
    return strncasecmp(origin, "https://", 8) == 0 && host_guard_host(origin + 8);
}

bool
host_guard_allows(const char *host, const char *origin)
{
    return host && host_guard_host(host) && (!origin || host_guard_origin(origin));
}
