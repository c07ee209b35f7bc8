/* SPDX-License-Identifier: Apache-2.0
 *
 * Verdicts about the decoding plugin: is it there, and what can it not express? What every
 * migration with it has to know is one warning; what depends on the database is one each.
 */
#include "agent/preflight/facts.h"
#include "config/names.h"

#define WHERE "source"

/* False: there is no plugin to say more of. */
static bool
judge_presence(const struct plugin_facts *f, const char *plugin, struct preflight_report *r)
{
    if (f->available && (!f->tried || f->options)) {
        preflight_add(r, WHERE, "plugin", PREFLIGHT_OK, "changes come by %s", plugin);
        return true;
    }
    if (f->available) {
        preflight_add(r, WHERE, "plugin", PREFLIGHT_BLOCKING,
            "the server's %s is too old: it does not know format version 2", plugin);
        preflight_todo(r, "install wal2json 2.5 or newer, or use source.plugin: pgoutput");
        return false;
    }
    if (!f->told_elsewhere) {
        preflight_add(r, WHERE, "plugin", PREFLIGHT_BLOCKING, "the server cannot decode by %s: %s",
            plugin, f->error.text);
        preflight_todo(r,
            "install it on the server (postgresql-15-wal2json; test_decoding comes with contrib), "
            "or use source.plugin: pgoutput");
    }
    return false;
}

static void
judge_limits(const struct preflight_input *in, const char *plugin, struct preflight_report *r)
{
    bool wal2json = in->config->source.plugin == PLUGIN_WAL2JSON;
    preflight_add(r, WHERE, "plugin-limits", PREFLIGHT_WARNING,
        "%s sends large transactions only at their end (source.streaming is off) and prepared ones "
        "only when they are committed, every table of the database, values as text, and no row of "
        "which message and text exceed 1 GB; %s; a table that is renamed while another takes its "
        "name is not told apart",
        plugin,
        wal2json ? "TRUNCATE comes without CASCADE and RESTART IDENTITY, and a table that loses "
                   "its replica identity ends the feed"
                 : "it tells no replica identity: one that is changed during the migration may end "
                   "the feed");
    preflight_todo(r, "use source.plugin: pgoutput where the server offers it");
}

static void
judge_numbers(const struct plugin_facts *f, struct preflight_report *r)
{
    if (!f->tried || f->strings) {
        return;
    }
    if (f->numbers.len == 0) {
        preflight_add(
            r, WHERE, "plugin-numbers", PREFLIGHT_OK, "no column could turn NaN into NULL");
        return;
    }
    preflight_add(r, WHERE, "plugin-numbers", PREFLIGHT_WARNING,
        "this version of wal2json sends NaN and the infinities as NULL; %zu column%s can hold "
        "both: %s",
        f->numbers.len, f->numbers.len == 1 ? "" : "s", preflight_list(r, &f->numbers));
    preflight_todo(r,
        "make sure that they hold none (the cutover compares all rows with cutover.verify), or "
        "install wal2json 2.6, or use source.plugin: pgoutput");
}

static void
judge_encoding(const struct pg_server *server, const char *plugin, struct preflight_report *r)
{
    if (strcmp(server->encoding, "UTF8") == 0) {
        return;
    }
    preflight_add(r, WHERE, "plugin-encoding", PREFLIGHT_BLOCKING,
        "the database is in %s, and %s sends its bytes as they are instead of UTF8",
        server->encoding, plugin);
    preflight_todo(r, "use source.plugin: pgoutput");
}

void
preflight_judge_plugin(
    const struct preflight_input *in, const struct source_facts *s, struct preflight_report *r)
{
    const char *plugin = plugin_name(in->config->source.plugin);
    const struct plugin_facts *f = &s->plugin;
    if (!f->asked) {
        return;
    }
    judge_encoding(&s->common.server, plugin, r);
    if (judge_presence(f, plugin, r)) {
        judge_limits(in, plugin, r);
        judge_numbers(f, r);
    }
}
