/* SPDX-License-Identifier: Apache-2.0
 *
 * The connection for the slot comes last: when the questions fail, none was opened in vain.
 */
#include "agent/pipeline/setup_ask.h"

#include "agent/pipeline/two_phase.h"

static void
ask(void *arg)
{
    struct setup_ask *q = arg;
    q->ok = two_phase_ask(q->config, &q->two_phase, &q->err) &&
            anchor_connect(q->config, &q->anchor, &q->err);
}

bool
setup_ask_begin(const struct config *config, struct setup_ask *q, struct err *err)
{
    *q = (struct setup_ask){.config = config, .err = ERR_INIT};
    return thread_start(&q->thread, "setup", ask, q, err);
}

bool
setup_ask_end(
    struct setup_ask *q, bool wanted, bool *two_phase, struct anchor *anchor, struct err *err)
{
    thread_join(&q->thread);
    *two_phase = q->two_phase;
    *anchor = q->anchor;
    if (wanted && !q->ok) {
        *err = q->err;
    }
    return wanted && q->ok;
}
