/* SPDX-License-Identifier: Apache-2.0
 *
 * The desk of a running agent: the store is its own, and a sink's position is what its delivery
 * last heard.
 */
#include <string.h>

#include "agent/pipeline/agent.intern.h"
#include "agent/pipeline/letter_desk.h"

static bool
passed(void *arg, const char *sink, uint64_t *out, struct err *err)
{
    struct agent *a = arg;
    bool found = false;
    *out = 0;
    pthread_mutex_lock(&a->lock);
    for (size_t i = 0; i < a->lanes_len; i++) {
        const struct lane *l = &a->lanes[i];
        if (strcmp(l->config->name, sink) == 0) {
            *out = l->deliver ? deliver_durable(l->deliver) : l->at.durable;
            found = true;
        }
    }
    pthread_mutex_unlock(&a->lock);
    return found || err_set(err, ERR_CONFIG, "there is no sink '%s'", sink);
}

bool
agent_letter_desk(struct agent *a, struct letter_desk *out, struct err *err)
{
    pthread_mutex_lock(&a->lock);
    struct store *store = a->store;
    pthread_mutex_unlock(&a->lock);
    *out = (struct letter_desk){.config = a->config,
        .store = store,
        .keys = a->keys,
        .clock = a->clock,
        .passed = passed,
        .arg = a};
    return store != NULL || err_set(err, ERR_RETRY, "the agent is not ready yet");
}
