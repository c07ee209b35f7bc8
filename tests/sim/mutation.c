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
static bool in_log; /* a transaction is open in the log */

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
        [KEEP_BESIDE] = "keep-beside",
        [KEEP_ROLLED_BACK] = "keep-rolled-back",
        [NO_SIDE_SYNC] = "no-side-sync",
        [NO_REWRITE] = "no-rewrite",
    };
    return names[m];
}

void
mutation_set(enum mutation m)
{
    active = m;
    rows = 0;
    in_log = false;
}

uint64_t
__wrap_spool_durable(const struct spool *s)
{
    return active == CONFIRM_APPENDED ? spool_appended(s) : __real_spool_durable(s);
}

bool
__wrap_spool_append(struct spool *s, const struct record *rec, struct err *err)
{
    bool discard = rec->kind == RECORD_DISCARD;
    bool back = rec->kind == RECORD_ABORT && rec->xid != rec->stream;
    if ((active == DROP_DISCARD && discard) || (active == KEEP_BESIDE && discard && !in_log) ||
        (active == KEEP_ROLLED_BACK && back)) {
        return true;
    }
    if (!__real_spool_append(s, rec, err)) {
        return false;
    }
    in_log = rec->kind == RECORD_BEGIN || (in_log && rec->kind != RECORD_COMMIT && !discard);
    return true;
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

bool
__wrap_side_sync(struct spool *s, struct side *side, struct err *err)
{
    return active == NO_SIDE_SYNC || __real_side_sync(s, side, err);
}

int
__wrap_rewrite_tail(const struct fs *fs, int fd, uint64_t from)
{
    return active == NO_REWRITE ? fs->datasync(fs, fd) : __real_rewrite_tail(fs, fd, from);
}
