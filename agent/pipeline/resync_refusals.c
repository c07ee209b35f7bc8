/* SPDX-License-Identifier: Apache-2.0
 *
 * A list: the tables that are refused at one time are few.
 */
#include "agent/pipeline/resync_refusals.h"

#include <stdio.h>
#include <string.h>

#include "agent/base/arena.h"

struct refusal {
    struct refusal *next;
    uint32_t oid;
    uint64_t sync; /* of the first copy that was refused for this reason */
    char reason[sizeof(((struct err *)NULL)->text)];
};

struct resync_refusals {
    struct refusal *first;
};

struct resync_refusals *
resync_refusals_new(void)
{
    return x_zalloc(sizeof(struct resync_refusals));
}

void
resync_refusals_free(struct resync_refusals *r)
{
    while (r && r->first) {
        resync_refusals_forget(r, r->first->oid);
    }
    x_free(r);
}

static struct refusal **
find(struct resync_refusals *r, uint32_t oid)
{
    struct refusal **at = &r->first;
    while (*at && (*at)->oid != oid) {
        at = &(*at)->next;
    }
    return at;
}

bool
resync_refusals_final(
    struct resync_refusals *r, uint32_t oid, uint64_t lane, uint64_t sync, const struct err *why)
{
    const char *reason = why->sqlstate[0] ? why->sqlstate : why->text;
    struct refusal **at = find(r, oid);
    if (!*at) {
        *at = x_zalloc(sizeof(**at));
        (*at)->oid = oid;
    }
    if (strcmp((*at)->reason, reason) != 0) {
        (*at)->sync = sync;
        snprintf((*at)->reason, sizeof((*at)->reason), "%s", reason);
    }
    return lane >= (*at)->sync;
}

void
resync_refusals_forget(struct resync_refusals *r, uint32_t oid)
{
    struct refusal **at = find(r, oid);
    struct refusal *gone = *at;
    if (gone) {
        *at = gone->next;
        x_free(gone);
    }
}
