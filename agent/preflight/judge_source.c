/* SPDX-License-Identifier: Apache-2.0
 *
 * Verdicts about the source's server: one function for each finding, none of which asks anything.
 */
#include <inttypes.h>

#include "agent/base/parse.h"
#include "agent/preflight/facts.h"

#define WHERE             "source"
#define VERSION_MIN       14
#define VERSION_MAX       18
#define SENDER_TIMEOUT_MS 10000

static void
judge_version(const struct source_facts *s, struct preflight_report *r)
{
    int major = s->common.server.version / 10000;
    if (major < VERSION_MIN) {
        preflight_add(r, WHERE, "source-version", PREFLIGHT_BLOCKING,
            "the server is PostgreSQL %d, older than the oldest supported source, %d", major,
            VERSION_MIN);
        preflight_todo(r, "upgrade the server in place first, or move it by pg_dump");
    } else if (major > VERSION_MAX) {
        preflight_add(r, WHERE, "source-version", PREFLIGHT_WARNING,
            "the server is PostgreSQL %d, newer than %d, the newest this program was tested with",
            major, VERSION_MAX);
        preflight_todo(r, "look for a newer tidegate");
    } else {
        preflight_add(r, WHERE, "source-version", PREFLIGHT_OK, "PostgreSQL %d", major);
    }
}

static void
judge_primary(const struct source_facts *s, struct preflight_report *r)
{
    if (s->common.server.in_recovery) {
        preflight_add(r, WHERE, "source-primary", PREFLIGHT_BLOCKING,
            "the server is a standby: publication and fence cannot be made there");
        preflight_todo(r, "connect to the primary");
    } else {
        preflight_add(r, WHERE, "source-primary", PREFLIGHT_OK, "the server is a primary");
    }
}

static void
judge_wal_level(const struct source_facts *s, struct preflight_report *r)
{
    if (strcmp(s->wal_level, "logical") == 0) {
        preflight_add(r, WHERE, "wal-level", PREFLIGHT_OK, "wal_level is logical");
        return;
    }
    preflight_add(r, WHERE, "wal-level", PREFLIGHT_BLOCKING,
        "wal_level is '%s': the log does not hold what a change feed needs", s->wal_level);
    preflight_todo(r, "ALTER SYSTEM SET wal_level = logical and restart the server; on a managed "
                      "service set its parameter for logical replication (rds.logical_replication, "
                      "cloudsql.logical_decoding, azure.replication_support)");
}

/* Something that the server has a fixed number of. */
struct supply {
    const char *id, *what, *setting;
    bool several; /* targets are copied at the same time */
};

/* One for the change feed, and one for a moment whenever a table has to be copied anew, or a
 * further target is copied. */
static void
judge_free(struct preflight_report *r, const struct supply *s, int64_t max, int64_t used)
{
    int64_t left = max > used ? max - used : 0;
    if (left == 1 && s->several) {
        preflight_add(r, WHERE, s->id, PREFLIGHT_BLOCKING,
            "one of %" PRId64 " %s is free, and two are needed to copy to several targets", max,
            s->what);
    } else if (left == 0) {
        preflight_add(r, WHERE, s->id, PREFLIGHT_BLOCKING,
            "all %" PRId64 " %s of the server are taken", max, s->what);
    } else if (left == 1) {
        preflight_add(r, WHERE, s->id, PREFLIGHT_WARNING,
            "one of %" PRId64 " %s is free: enough, until a table has to be copied anew", max,
            s->what);
    } else {
        preflight_add(r, WHERE, s->id, PREFLIGHT_OK, "%" PRId64 " of %" PRId64 " %s are free", left,
            max, s->what);
        return;
    }
    preflight_todo(
        r, "raise %s and restart the server, or remove what is not used any more", s->setting);
}

static void
judge_slots(
    const struct preflight_input *in, const struct source_facts *s, struct preflight_report *r)
{
    /* What an earlier run left is ours to use again. */
    bool ours = s->slot.exists && (in->resume || in->began);
    bool several = !in->resume && in->config->sinks_len > 1;
    const struct supply slots = {
        "replication-slots", "replication slots", "max_replication_slots", several};
    const struct supply senders = {"wal-senders", "walsenders", "max_wal_senders", several};
    judge_free(r, &slots, s->slots_max, s->slots_used - (ours ? 1 : 0));
    judge_free(r, &senders, s->senders_max, s->senders_used - (ours && s->slot.active ? 1 : 0));
}

static void
judge_retention(const struct source_facts *s, struct preflight_report *r)
{
    char size[FORMAT_SIZE];
    if (s->slot_wal_keep_mb < 0) {
        preflight_add(r, WHERE, "slot-wal-limit", PREFLIGHT_OK,
            "the server keeps all of its log for a slot that is behind");
    } else {
        preflight_add(r, WHERE, "slot-wal-limit", PREFLIGHT_WARNING,
            "the server gives up a slot that is %s behind: when the agent is away for longer, the "
            "migration has to begin anew",
            format_bytes((uint64_t)s->slot_wal_keep_mb << 20, size));
        preflight_todo(r,
            "set max_slot_wal_keep_size = -1 while the migration runs, or to what the "
            "server's disk can hold");
    }
    if (s->slot_idle_s <= 0) {
        return;
    }
    char duration[FORMAT_SIZE];
    preflight_add(r, WHERE, "slot-idle-timeout", PREFLIGHT_WARNING,
        "the server gives up a slot that nobody reads for %s: an agent that is stopped for longer "
        "has "
        "to begin anew",
        format_duration(s->slot_idle_s * 1000000, duration));
    preflight_todo(r, "set idle_replication_slot_timeout = 0 while the migration runs");
}

static void
judge_sender_timeout(const struct source_facts *s, struct preflight_report *r)
{
    if (s->sender_timeout_ms > 0 && s->sender_timeout_ms < SENDER_TIMEOUT_MS) {
        preflight_add(r, WHERE, "wal-sender-timeout", PREFLIGHT_WARNING,
            "wal_sender_timeout is %" PRId64 " ms: a short pause of the network ends the feed",
            s->sender_timeout_ms);
        preflight_todo(r, "set wal_sender_timeout = 60s");
        return;
    }
    preflight_add(r, WHERE, "wal-sender-timeout", PREFLIGHT_OK,
        "wal_sender_timeout is %" PRId64 " ms", s->sender_timeout_ms);
}

static void
judge_replication(const struct source_facts *s, struct preflight_report *r)
{
    const struct pg_server *server = &s->common.server;
    if (!server->superuser && !server->replication_role) {
        preflight_add(r, WHERE, "replication-right", PREFLIGHT_BLOCKING,
            "role '%s' may not replicate", server->user);
        preflight_todo(r,
            "ALTER ROLE \"%s\" REPLICATION; on a managed service grant its role for that (RDS: "
            "GRANT "
            "rds_replication TO \"%s\")",
            server->user, server->user);
        return;
    }
    if (!s->replication_works) {
        preflight_add(r, WHERE, "replication-right", PREFLIGHT_BLOCKING,
            "a replication connection fails: %s", s->replication_error.text);
        preflight_todo(r,
            "connect to the server itself and not to a pooler, and let pg_hba.conf admit "
            "the role to this database");
        return;
    }
    preflight_add(
        r, WHERE, "replication-right", PREFLIGHT_OK, "role '%s' may replicate", server->user);
}

static void
judge_publication_right(
    const struct preflight_input *in, const struct source_facts *s, struct preflight_report *r)
{
    if (in->resume) {
        return;
    }
    if (s->may_publish || s->common.server.superuser) {
        preflight_add(
            r, WHERE, "publication-right", PREFLIGHT_OK, "the role may create a publication");
        return;
    }
    preflight_add(r, WHERE, "publication-right", PREFLIGHT_BLOCKING,
        "role '%s' may not create a publication in database '%s'", s->common.server.user,
        s->common.server.database);
    preflight_todo(r, "GRANT CREATE ON DATABASE \"%s\" TO \"%s\"", s->common.server.database,
        s->common.server.user);
}

/* --- slot and publication of our name -----------------------------------------------------------
 */

static void
judge_slot_fresh(
    const struct preflight_input *in, const struct source_facts *s, struct preflight_report *r)
{
    const char *name = in->config->source.slot;
    if (!s->slot.exists || in->began) {
        preflight_add(r, WHERE, "slot", PREFLIGHT_OK, "slot '%s' can be created", name);
        return;
    }
    preflight_add(r, WHERE, "slot", PREFLIGHT_BLOCKING,
        s->slot.active ? "slot '%s' exists already and another process reads it"
                       : "slot '%s' exists already, and not from this data directory",
        name);
    preflight_todo(r,
        s->slot.active ? "run each migration under a name of its own (--name)"
                       : "`tidegate cleanup` removes what an earlier run left; or choose another "
                         "--name, or the --dir of the earlier run to go on with it");
}

static void
judge_slot_resumed(
    const struct preflight_input *in, const struct source_facts *s, struct preflight_report *r)
{
    const char *name = in->config->source.slot;
    if (s->slot.exists && !s->slot.lost) {
        char size[FORMAT_SIZE];
        preflight_add(r, WHERE, "slot", PREFLIGHT_OK, "slot '%s' is there, %s of log wait in it",
            name, format_bytes(s->slot.retained_bytes, size));
        return;
    }
    preflight_add(r, WHERE, "slot", PREFLIGHT_BLOCKING,
        s->slot.exists ? "slot '%s' was given up by the server: changes are missing"
                       : "slot '%s' is gone: changes since then are missing",
        name);
    preflight_todo(r, "begin anew: `tidegate cleanup`, then `tidegate run`");
}

static void
judge_publication_name(
    const struct preflight_input *in, const struct source_facts *s, struct preflight_report *r)
{
    const char *name = in->config->source.publication;
    if (in->resume && !s->publication_exists) {
        preflight_add(r, WHERE, "publication", PREFLIGHT_BLOCKING,
            "publication '%s' is gone: the feed cannot go on", name);
        preflight_todo(r, "begin anew: `tidegate cleanup`, then `tidegate run`");
    } else if (!in->resume && !in->began && s->publication_exists) {
        preflight_add(r, WHERE, "publication", PREFLIGHT_BLOCKING,
            "publication '%s' exists already, and not from this data directory", name);
        preflight_todo(r, "`tidegate cleanup` removes what an earlier run left; or choose another "
                          "--name");
    }
}

/* --- what is going on ---------------------------------------------------------------------------
 */

static void
judge_transactions(
    const struct preflight_input *in, const struct source_facts *s, struct preflight_report *r)
{
    char age[FORMAT_SIZE];
    if (in->resume) {
        return;
    }
    if (s->transactions.len > 0) {
        const struct session_facts *oldest = &s->transactions.items[0];
        preflight_add(r, WHERE, "open-transactions", PREFLIGHT_WARNING,
            "%zu transaction%s open for more than 10 s; the slot waits for their end; the oldest, "
            "for "
            "%s: %s",
            s->transactions.len, s->transactions.len == 1 ? " is" : "s are",
            format_duration(oldest->age_s * 1000000, age), oldest->who);
        preflight_todo(r, "let them end, or end them with pg_terminate_backend(pid)");
    } else {
        preflight_add(r, WHERE, "open-transactions", PREFLIGHT_OK, "no long transaction is %s",
            s->sees_sessions ? "open" : "open as far as this role may see");
    }
    if (s->prepared.len > 0) {
        const struct session_facts *oldest = &s->prepared.items[0];
        preflight_add(r, WHERE, "prepared-transactions", PREFLIGHT_WARNING,
            "%zu prepared transaction%s not finished; the slot waits for them; the oldest, for %s: "
            "%s",
            s->prepared.len, s->prepared.len == 1 ? " is" : "s are",
            format_duration(oldest->age_s * 1000000, age), oldest->who);
        preflight_todo(r, "COMMIT PREPARED or ROLLBACK PREPARED it");
    }
}

static void
judge_fence(
    const struct preflight_input *in, const struct source_facts *s, struct preflight_report *r)
{
    const struct pg_server *server = &s->common.server;
    if (in->config->cutover.fence == FENCE_NONE) {
        return;
    }
    if (server->superuser || (s->may_alter_database && s->may_end_sessions)) {
        preflight_add(
            r, WHERE, "fence-right", PREFLIGHT_OK, "the role may stop the writers at the cutover");
        return;
    }
    preflight_add(r, WHERE, "fence-right", PREFLIGHT_WARNING,
        "role '%s' may not %s%s%s: the cutover "
        "cannot stop the writers",
        server->user, s->may_alter_database ? "" : "change the database's settings",
        s->may_alter_database || s->may_end_sessions ? "" : ", nor ",
        s->may_end_sessions ? "" : "end other sessions");
    preflight_todo(r,
        "make the role a member of the database's owner and GRANT pg_signal_backend TO \"%s\", or "
        "stop "
        "the writers yourself and set cutover.fence: none",
        server->user);
}

static void
judge_connections(
    const struct preflight_input *in, const struct source_facts *s, struct preflight_report *r)
{
    /* Copy workers, feed, and what setup, probe and cutover open. */
    int64_t copies = in->config->sinks_len > 1 ? (int64_t)in->config->sinks_len : 1;
    int64_t wanted = (int64_t)in->config->copy.jobs * copies + 5;
    int64_t left = s->common.connections_max - s->common.connections_used;
    if (left >= wanted) {
        preflight_add(
            r, WHERE, "source-connections", PREFLIGHT_OK, "%" PRId64 " connections are free", left);
        return;
    }
    preflight_add(r, WHERE, "source-connections", PREFLIGHT_WARNING,
        "%" PRId64 " connections are free, up to %" PRId64 " are wanted", left > 0 ? left : 0,
        wanted);
    preflight_todo(r, "lower copy.jobs, or raise max_connections");
}

static void
judge_ddl(
    const struct preflight_input *in, const struct source_facts *s, struct preflight_report *r)
{
    bool plugin = in->config->source.plugin != PLUGIN_PGOUTPUT, wanted = in->config->ddl.capture;
    if (wanted && s->may_catch_ddl && !plugin) {
        preflight_add(r, WHERE, "ddl-capture", PREFLIGHT_OK,
            "statements that change the schema are captured by event triggers (schema "
            "'tidegate_ddl')");
        return;
    }
    preflight_add(r, WHERE, "ddl-capture", PREFLIGHT_WARNING,
        "%s: of statements that change the schema only columns are carried, when the next row of "
        "their table shows them; a new table is noticed at the cutover",
        !wanted  ? "ddl.capture is false"
        : plugin ? "event triggers need the plugin pgoutput"
                 : "the role may not create event triggers");
    preflight_todo(r, !wanted  ? "set ddl.capture, or change the schema on neither side until the "
                                 "cutover"
                      : plugin ? "set source.plugin to pgoutput where the source has it, or change "
                                 "the schema on neither side until the cutover"
                               : "begin the migration as a superuser (on RDS, rds_superuser), or "
                                 "change the schema on neither side until the cutover");
}

void
preflight_judge_source(
    const struct preflight_input *in, const struct source_facts *s, struct preflight_report *r)
{
    const struct pg_server *server = &s->common.server;
    if (!s->common.reachable) {
        preflight_add(r, WHERE, "source-reachable", PREFLIGHT_BLOCKING, "%s", s->common.error.text);
        preflight_todo(r, "%s", s->common.error.hint);
        return;
    }
    preflight_add(r, WHERE, "source-reachable", PREFLIGHT_OK, "database '%s' as '%s'",
        server->database, server->user);
    judge_version(s, r);
    judge_primary(s, r);
    judge_wal_level(s, r);
    judge_slots(in, s, r);
    judge_retention(s, r);
    judge_sender_timeout(s, r);
    judge_replication(s, r);
    if (in->config->source.plugin == PLUGIN_PGOUTPUT) {
        judge_publication_right(in, s, r);
        judge_publication_name(in, s, r);
    }
    if (in->resume) {
        judge_slot_resumed(in, s, r);
    } else {
        judge_slot_fresh(in, s, r);
        judge_ddl(in, s, r); /* decided once, at the set-up */
    }
    judge_transactions(in, s, r);
    judge_fence(in, s, r);
    judge_connections(in, s, r);
}
