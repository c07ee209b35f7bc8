/* SPDX-License-Identifier: Apache-2.0
 *
 * Verdicts about this machine: programs, and room for the spool.
 */
#include "agent/base/parse.h"
#include "agent/preflight/facts.h"

#define WHERE "here"

static void
judge_tools(
    const struct preflight_input *in, const struct local_facts *l, struct preflight_report *r)
{
    if (!in->config->schema.copy) {
        return;
    }
    if (l->tools_found) {
        preflight_add(r, WHERE, "pg-tools", PREFLIGHT_OK, "pg_dump and pg_restore fit the source");
        return;
    }
    preflight_add(r, WHERE, "pg-tools", PREFLIGHT_BLOCKING, "%s", l->tools_error.text);
    preflight_todo(r, "%s",
        l->tools_error.hint[0]
            ? l->tools_error.hint
            : "install the PostgreSQL client programs of the newer server's version");
}

/* A tenth of the source is what changes meanwhile in a lively database: a rule of thumb. */
static void
judge_space(const struct preflight_input *in, const struct source_facts *s,
    const struct local_facts *l, struct preflight_report *r)
{
    char free_text[FORMAT_SIZE], other[FORMAT_SIZE];
    uint64_t min_free = in->config->spool.min_free;
    uint64_t tenth = s->common.reachable ? s->database_bytes / 10 : 0;
    if (l->space.total == 0) {
        preflight_add(r, WHERE, "spool-space", PREFLIGHT_WARNING,
            "the free space at '%s' cannot be told", l->spool_path);
        preflight_todo(r, "check spool.path");
        return;
    }
    format_bytes(l->space.free, free_text);
    if (l->space.free < min_free) {
        preflight_add(r, WHERE, "spool-space", PREFLIGHT_WARNING,
            "%s free at '%s', less than the %s that spool.min_free leaves untouched: nothing could "
            "be "
            "taken in",
            free_text, l->spool_path, format_bytes(min_free, other));
        preflight_todo(r, "make room, choose another spool.path, or lower spool.min_free");
    } else if (l->space.free - min_free < tenth) {
        preflight_add(r, WHERE, "spool-space", PREFLIGHT_WARNING,
            "%s free at '%s', little beside a database of %s: a long copy may fill it", free_text,
            l->spool_path, format_bytes(s->database_bytes, other));
        preflight_todo(r,
            "choose a spool.path with more room; when it is full the changes wait on the "
            "source's disk");
    } else {
        preflight_add(
            r, WHERE, "spool-space", PREFLIGHT_OK, "%s free at '%s'", free_text, l->spool_path);
    }
}

void
preflight_judge_local(const struct preflight_input *in, const struct source_facts *s,
    const struct local_facts *l, struct preflight_report *r)
{
    judge_tools(in, l, r);
    if (!l->spool_writable) {
        preflight_add(r, WHERE, "spool-writable", PREFLIGHT_BLOCKING,
            "directory '%s' cannot be written", l->spool_path);
        preflight_todo(
            r, "choose another spool.path or --dir, or give this user the right to write there");
        return;
    }
    judge_space(in, s, l, r);
}
