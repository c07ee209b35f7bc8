/* SPDX-License-Identifier: Apache-2.0
 *
 * What the control plane answers, without HTTP around it: one request in, one reply out.
 *
 *   GET  /status   /healthz   /metrics   /cutover
 *   POST /cutover  /cutover/ack   /pause   /resume   /resync   /mark   /stop
 *   GET  /dead-letters   POST /dead-letters/drop   /dead-letters/replay
 *
 * Parameters stand in the query or in a JSON object as body. Errors are {error, hint, class}: 400
 * the request is wrong, 404, 405, 409 the state of the agent does not allow it, 503 worth another
 * try.
 *
 * Locking: any thread; the agent locks for itself.
 */
#ifndef TG_CONTROL_ROUTES_H
#define TG_CONTROL_ROUTES_H

#include "agent/base/buf.h"
#include "agent/base/clock.h"
#include "agent/control/params.h"
#include "agent/pipeline/agent.h"

struct routes {
    struct agent *agent;
    const struct config *config; /* defaults of a cutover */
    const struct clock *clock;
};

struct routes_request {
    const char *method, *path;
    struct slice body;
    params_query_fn query;
    void *arg; /* of query */
};

struct routes_reply {
    unsigned status;
    const char *content_type;
    const char *allow; /* of a 405; else NULL */
    struct buf body;   /* initialised by the caller */
};

void routes_handle(
    const struct routes *r, const struct routes_request *q, struct routes_reply *out);
void routes_fail(struct routes_reply *out, unsigned status, const struct err *err);

#endif
