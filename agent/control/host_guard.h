/* SPDX-License-Identifier: Apache-2.0
 *
 * Keeps web pages away from a control port on loopback: a browser that was led here by another site
 * (DNS rebinding, cross-site request) names that site in Host or Origin. Pure.
 */
#ifndef TG_CONTROL_HOST_GUARD_H
#define TG_CONTROL_HOST_GUARD_H

#include <stdbool.h>

/* "localhost", "127.x.y.z" or "[::1]", each with or without a port. */
bool host_guard_host(const char *host);
/* "http://HOST" or "https://HOST" with such a host. */
bool host_guard_origin(const char *origin);
/* As the two request headers came, NULL when absent: HTTP/1.1 demands a Host, so none is refused.
 */
bool host_guard_allows(const char *host, const char *origin);

#endif
