/* SPDX-License-Identifier: Apache-2.0
 *
 * Each __wrap_ function stands in for one of the product and either passes the call on or does it
 * wrong.
 */
#include "tests/sim/mutation.h"

#include "agent/base/arena.h"
#include "agent/pipeline/table_sync.h"
#include "agent/spool/schemas.h"
#include "agent/spool/spool.h"
#include "tests/sim/wrap.h"

static enum mutation active;
static unsigned rows;

const char *
mutation_name(enum mutation m)
{
    static const char *const names[MUTATIONS] = {
        [MUTATION_NONE] = "none",
        [CONFIRM_APPENDED] = "confirm-appended",
        [NO_FSYNC] = "no-fsync",
        [NO_DIRECTORY_SYNC] = "no-directory-sync",
        [DROP_DISCARD] = "drop-discard",
        [DROP_ROW] = "drop-row",
        [RETIRE_APPENDED] = "retire-appended",
        [START_LATE] = "start-late",
        [NO_CARRIED_SCHEMAS] = "no-carried-schemas",
        [POSITION_APART] = "position-apart",
        [DURABLE_IS_APPLIED] = "durable-is-applied",
        [RESUME_IS_VISIBLE] = "resume-is-visible",
        [SINK_KEEPS_VOID] = "sink-keeps-void",
    };
    return names[m];
}

void
mutation_set(enum mutation m)
{
    active = m;
    rows = 0;
}

uint64_t
__wrap_spool_durable(const struct spool *s)
{
    return active == CONFIRM_APPENDED ? spool_appended(s) : __real_spool_durable(s);
}

bool
__wrap_spool_append(struct spool *s, const struct record *rec, struct err *err)
{
    if (active == DROP_DISCARD && rec->kind == RECORD_DISCARD) {
        return true;
    }
    return __real_spool_append(s, rec, err);
}

bool
__wrap_spool_retire(struct spool *s, uint64_t position, struct err *err)
{
    return __real_spool_retire(s, active == RETIRE_APPENDED ? spool_appended(s) : position, err);
}

bool
__wrap_spool_reader_open(
    struct spool *s, uint64_t position, struct spool_reader **out, struct err *err)
{
    return __real_spool_reader_open(s, active == START_LATE ? position + 60 : position, out, err);
}

bool
__wrap_table_sync_filter(
    const struct table_sync *t, uint64_t commit_record, struct change *c, struct arena *arena)
{
    bool row = c->kind == CHANGE_INSERT || c->kind == CHANGE_UPDATE || c->kind == CHANGE_DELETE;
    if (active == DROP_ROW && row && ++rows % 97 == 0) {
        return false;
    }
    return __real_table_sync_filter(t, commit_record, c, arena);
}

const struct schema *
__wrap_schemas_next(const struct schemas *s, const struct schema *it, struct record *rec)
{
    return active == NO_CARRIED_SCHEMAS ? NULL : __real_schemas_next(s, it, rec);
}
