/* SPDX-License-Identifier: Apache-2.0
 *
 * By which way a connection comes, from the addresses of its two ends. A network that is taken for
 * the loopback interface would be given too little room (nap.h), so both ends must be one address.
 * Pure.
 */
#ifndef TG_PG_NAP_WAY_H
#define TG_PG_NAP_WAY_H

#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "agent/pg/nap.h"

static inline enum nap_way
nap_way(const struct sockaddr_storage *own, const struct sockaddr_storage *peer)
{
    const struct sockaddr_in *own4 = (const void *)own, *peer4 = (const void *)peer;
    const struct sockaddr_in6 *own6 = (const void *)own, *peer6 = (const void *)peer;
    bool same = false;
    if (own->ss_family == AF_UNIX) {
        return NAP_UNIX;
    }
    if (own->ss_family == AF_INET && peer->ss_family == AF_INET) {
        same = own4->sin_addr.s_addr == peer4->sin_addr.s_addr;
    }
    if (own->ss_family == AF_INET6 && peer->ss_family == AF_INET6) {
        same = memcmp(&own6->sin6_addr, &peer6->sin6_addr, sizeof own6->sin6_addr) == 0;
    }
    return same ? NAP_LOOPBACK : NAP_NETWORK;
}

#endif
