/* SPDX-License-Identifier: Apache-2.0
 *
 * Asks a running agent through its control socket. "Nobody is there" is told apart from other
 * failures, because commands have an exit code of their own for it.
 *
 * Locking: one thread per client.
 */
#ifndef TG_CONTROL_CLIENT_H
#define TG_CONTROL_CLIENT_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/base/buf.h"
#include "agent/base/err.h"
#include "agent/pipeline/agent.h"

struct client;
struct json_t; /* of jansson */

struct client_reply {
    bool no_agent;       /* nobody listens, or the agent ended before it had answered */
    long status;         /* of HTTP; 0 without an answer */
    struct json_t *json; /* NULL when the answer is no JSON */
    struct buf body;     /* as it came */
};

bool client_open(const char *socket, struct client **out, struct err *err) must_use;
void client_close(struct client *c); /* accepts NULL */

/* body: JSON, or NULL. False when there was no answer or one that is not 2xx; *out is filled as far
 * as it came and is freed by the caller in either case. */
bool client_call(struct client *c, const char *method, const char *path, const char *body,
    struct client_reply *out, struct err *err) must_use;
void client_reply_done(struct client_reply *r); /* accepts an all-zero one */

/* The documents everybody asks for. *no_agent is set on false. */
bool client_status(
    struct client *c, struct agent_status *out, bool *no_agent, struct err *err) must_use;
bool client_cutover_report(
    struct client *c, struct cutover_report *out, bool *no_agent, struct err *err) must_use;
bool client_mark(struct client *c, uint64_t *lsn, bool *no_agent, struct err *err) must_use;

#endif
