/* SPDX-License-Identifier: Apache-2.0
 *
 * The control plane's HTTP server, with threads of its own: on a unix socket that only the owner of
 * the agent may open, and on a loopback port when the configuration names one.
 *
 * Locking: start and stop on the main thread; requests are served by the server's threads. Start it
 * with all signals blocked: its threads inherit the mask.
 */
#ifndef TG_CONTROL_SERVER_H
#define TG_CONTROL_SERVER_H

#include <stdbool.h>

#include "agent/base/clock.h"
#include "agent/base/err.h"
#include "agent/pipeline/agent.h"

struct server;

/* Agent, config and clock are borrowed until server_stop. */
bool server_start(struct agent *a, const struct config *config, const struct clock *clock,
    struct server **out, struct err *err) must_use;
/* Ends open requests and removes the socket file; accepts NULL. */
void server_stop(struct server *s);

#endif
