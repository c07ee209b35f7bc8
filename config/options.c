/* SPDX-License-Identifier: Apache-2.0
 *
 * The rows. Their documentation is written for somebody who runs a migration: what the option does,
 * when to change it, what it costs.
 */
#include "config/options.h"

#include <string.h>

#include "agent/base/log.h"
#include "config/config.h"

#define KIB            UINT64_C(1024)
#define MIB            (1024 * KIB)
#define GIB            (1024 * MIB)
#define TIB            (1024 * GIB)
#define MS             UINT64_C(1000)
#define SEC            (1000 * MS)
#define HOUR           (3600 * SEC)
#define DAY            (86400 * SEC)

#define AT(field)      .offset = offsetof(struct config, field), .since = "0.1.0"
#define ON(field)      .type = OPTION_BOOL, .def = "true", AT(field)
#define AT_SINK(field) .offset = offsetof(struct sink_config, field), .since = "0.1.0"
#define DDL_ROW(key, class, text)                                                                  \
    {                                                                                              \
        .path = "ddl." key, .type = OPTION_WORD, AT(ddl.policy[class]), .def = "default",          \
        .words = ddl_class_words, .doc = (text)                                                    \
    }
#define RANGE(low, high) .min = (low), .max = (high)

#define NAME_PATTERN     "[a-z0-9_-]{1,40}"
#define NAME_EXPECTED    "1 to 40 of the characters a-z 0-9 _ -"
#define TYPE_PATTERN     "[a-z0-9_]{1,31}"
#define TYPE_EXPECTED    "the name of a type, such as postgresql"
#define LISTEN_PATTERN   "(localhost|127(\\.[0-9]{1,3}){3}|\\[::1\\]):[0-9]{1,5}"
#define LISTEN_EXPECTED  "an address of this machine's loopback with a port, such as 127.0.0.1:7720"

static const struct option_word identity_words[] = {
    {"full", IDENTITY_FULL}, {"refuse", IDENTITY_REFUSE}, {NULL, 0}};
static const struct option_word plugin_words[] = {{"pgoutput", PLUGIN_PGOUTPUT},
    {"wal2json", PLUGIN_WAL2JSON}, {"test_decoding", PLUGIN_TEST_DECODING}, {NULL, 0}};
static const struct option_word ddl_words[] = {{"apply", DDL_POLICY_APPLY},
    {"stop", DDL_POLICY_STOP}, {"ignore", DDL_POLICY_IGNORE}, {NULL, 0}};
static const struct option_word ddl_class_words[] = {{"default", DDL_POLICY_DEFAULT},
    {"apply", DDL_POLICY_APPLY}, {"stop", DDL_POLICY_STOP}, {"ignore", DDL_POLICY_IGNORE},
    {NULL, 0}};
static const struct option_word two_phase_words[] = {
    {"auto", TWO_PHASE_AUTO}, {"on", TWO_PHASE_ON}, {"off", TWO_PHASE_OFF}, {NULL, 0}};
static const struct option_word compression_words[] = {{"none", COMPRESSION_NONE},
    {"pressure", COMPRESSION_PRESSURE}, {"zstd", COMPRESSION_ZSTD}, {NULL, 0}};
static const struct option_word error_words[] = {{"stop", ON_ERROR_STOP},
    {"dead_letter", ON_ERROR_DEAD_LETTER}, {"upsert", ON_ERROR_UPSERT},
    {"stop_table", ON_ERROR_STOP_TABLE}, {NULL, 0}};
static const struct option_word role_words[] = {{"off", ROLES_OFF},
    {"without_passwords", ROLES_WITHOUT_PASSWORDS}, {"with_passwords", ROLES_WITH_PASSWORDS},
    {NULL, 0}};
static const struct option_word subscription_words[] = {
    {"report", SUBSCRIPTIONS_REPORT}, {"disabled", SUBSCRIPTIONS_DISABLED}, {NULL, 0}};
static const struct option_word fence_words[] = {
    {"read_only", FENCE_READ_ONLY}, {"none", FENCE_NONE}, {NULL, 0}};
static const struct option_word level_words[] = {
    {"debug", LOG_DEBUG}, {"info", LOG_INFO}, {"warn", LOG_WARN}, {"error", LOG_ERROR}, {NULL, 0}};
static const struct option_word format_words[] = {
    {"text", LOG_TEXT}, {"json", LOG_JSON}, {NULL, 0}};

const struct option option_table[] = {
    {.path = "name",
        .type = OPTION_STRING,
        AT(name),
        .cli = "--name NAME",
        .example = "orders",
        .derived = "the name of the source's database, or `default`",
        .pattern = NAME_PATTERN,
        .expected = NAME_EXPECTED,
        .doc = "Name of the migration. It names everything that is created on either server: slot "
               "and publication on the source, replication origin on the target, all of them "
               "`tidegate_<name>` with `-` turned into `_`, the origin of a further sink with its "
               "name behind it. Two migrations from one server need two names, and a migration "
               "keeps its name for as long as it lives."},
    {.path = "dir",
        .type = OPTION_PATH,
        AT(dir),
        .cli = "--dir DIR",
        .def = "./tidegate-data",
        .max = 4000,
        .doc =
            "Directory of the agent's state. It holds the state database, and unless set otherwise "
            "the spool and the control socket. The agent goes on where it was when it is started "
            "with the same directory again; it belongs on a disk that survives a restart. A "
            "relative path counts from the directory in which tidegate is started."},

    {.path = "source.type",
        .type = OPTION_STRING,
        AT(source.type),
        .def = "postgresql",
        .pattern = TYPE_PATTERN,
        .expected = TYPE_EXPECTED,
        .doc = "Kind of the source."},
    {.path = "source.dsn",
        .type = OPTION_STRING,
        AT(source.dsn),
        .cli = "--source URI",
        .max = 65536,
        .flags = OPTION_SECRET | OPTION_REQUIRED,
        .example = "${env:SOURCE_DSN}",
        .doc = "Connection string of the source. Any form that libpq takes will do: a URI "
               "(`postgresql://user@host:5432/database?sslmode=verify-full`) or `keyword=value` "
               "pairs. Parts that are left out come from libpq's environment variables (`PGHOST`, "
               "`PGPASSWORD`, ...), service file and `.pgpass`. On the source's own machine a host "
               "that names its socket directory (`host=/var/run/postgresql`) costs it less than "
               "TCP. The role needs the REPLICATION attribute and the right to read the tables."},
    {.path = "source.slot",
        .type = OPTION_STRING,
        AT(source.slot),
        .pattern = "[a-z0-9_]{1,63}",
        .expected = "1 to 63 of the characters a-z 0-9 _",
        .derived = "`tidegate_<name>`",
        .example = "tidegate_orders",
        .doc = "Name of the logical replication slot on the source. It is created when it is not "
               "there."},
    {.path = "source.publication",
        .type = OPTION_STRING,
        AT(source.publication),
        .max = 63,
        .derived = "`tidegate_<name>`",
        .example = "tidegate_orders",
        .doc = "Name of the publication on the source. It is created when it is not there."},
    {.path = "source.plugin",
        .type = OPTION_WORD,
        AT(source.plugin),
        .def = "pgoutput",
        .words = plugin_words,
        .doc = "Logical decoding plugin of the slot. `pgoutput` comes with every server, carries "
               "most and costs least. `wal2json` (2.5 or newer, format version 2) and "
               "`test_decoding` are for servers that offer nothing else: they send the changes of "
               "every table of the database, in text, and cannot express all that a table may "
               "hold; `tidegate check` says what. No publication is made for them. A migration "
               "keeps its plugin."},
    {.path = "source.streaming",
        ON(source.streaming),
        .doc = "Take large transactions from the source while they are still open there. Without "
               "it the source keeps them on its own disk until they end. Only `pgoutput` can."},
    {.path = "source.two_phase",
        .type = OPTION_WORD,
        AT(source.two_phase),
        .def = "auto",
        .words = two_phase_words,
        .doc = "Whether prepared transactions (PREPARE TRANSACTION) are prepared on the target "
               "too, under their own names, or arrive when they are committed. `auto`: when the "
               "source is PostgreSQL 15 or newer and each target takes as many prepared "
               "transactions as the source (`max_prepared_transactions`), and no two of them are "
               "on one server, where names would meet. It begins when the copy is over and is "
               "decided once, at the start of a migration. Only `pgoutput` can."},

    {.path = "tables.include",
        .type = OPTION_LIST,
        AT(tables.include),
        .def = "[]",
        .max = 1024,
        .example = "[public.*]",
        .doc = "Patterns of the tables to move. An empty list moves every table of the database."},
    {.path = "tables.exclude",
        .type = OPTION_LIST,
        AT(tables.exclude),
        .def = "[]",
        .max = 1024,
        .doc = "Patterns of tables to leave out, even when `include` names them."},
    {.path = "tables.without_identity",
        .type = OPTION_WORD,
        AT(tables.without_identity),
        .def = "full",
        .words = identity_words,
        .doc =
            "What to do with tables that have neither a primary key nor another replica identity. "
            "`full` sets REPLICA IDENTITY FULL on them, so that their updates and deletes can be "
            "carried over (slow on large tables, for each row is searched by all its columns); "
            "`refuse` reports them as blocking instead and changes nothing on the source."},

    {.path = "schema.copy",
        ON(schema.copy),
        .doc =
            "Create the schema on the target. With `false` the tables must be there already, empty "
            "and with the same columns."},
    {.path = "schema.owner",
        ON(schema.owner),
        .doc = "Carry ownership over. The roles must exist on the target; with `false` everything "
               "belongs to the role that connects there."},
    {.path = "schema.grants",
        ON(schema.grants),
        .doc = "Carry privileges (GRANT) over. The roles must exist on the target."},

    {.path = "schema.database",
        ON(schema.database),
        .doc = "Carry over what belongs to the database itself: its settings (ALTER DATABASE SET, "
               "ALTER ROLE IN DATABASE SET) and comment before the copy, its limit of connections, "
               "owner and privileges at the cutover. What the target refuses is logged."},
    {.path = "schema.roles",
        .type = OPTION_WORD,
        AT(schema.roles),
        .def = "off",
        .words = role_words,
        .doc = "Create roles that the target lacks: those that own or are granted something in the "
               "database, and those connected with them by memberships, with attributes, "
               "memberships, settings and comments. Never a superuser; roles that are there stay "
               "as they are. Passwords travel as the source stores them, which needs the right to "
               "read `pg_authid`."},
    {.path = "schema.subscriptions",
        .type = OPTION_WORD,
        AT(schema.subscriptions),
        .def = "report",
        .words = subscription_words,
        .doc = "What becomes of subscriptions of the source: `report` names them before the start, "
               "`disabled` creates them at the cutover, disabled and without a slot. One that is "
               "enabled beside the old one would take its slot."},
    {.path = "ddl.capture",
        ON(ddl.capture),
        .doc = "Install event triggers on the source that write each statement into its log, and "
               "bring new tables into the feed. Needs the right to create event triggers there; "
               "without it, or with `false`, a change of a table's columns is noticed when its "
               "next row comes, and handled as `ddl.tables` says."},
    {.path = "ddl.default",
        .type = OPTION_WORD,
        AT(ddl.by_default),
        .def = "apply",
        .words = ddl_words,
        .doc = "What is done about statements of classes that are not given below."},
    DDL_ROW("tables", DDL_TABLES,
        "Tables, columns, constraints, partitions, sequences and schemas: created and altered."),
    DDL_ROW("indexes", DDL_INDEXES, "Indexes and extended statistics: created and altered."),
    DDL_ROW("types", DDL_TYPES,
        "Types, domains, collations, casts, operators and text search: created and altered."),
    DDL_ROW("routines", DDL_ROUTINES,
        "Functions, procedures, aggregates, triggers, rules and views: created and altered."),
    DDL_ROW("grants", DDL_GRANTS,
        "GRANT, REVOKE, default privileges, policies of row-level security, security labels."),
    DDL_ROW("drops", DDL_DROPS, "Everything that begins with DROP."),
    DDL_ROW(
        "other", DDL_OTHER, "What is in no other class: comments, extensions, foreign servers."),

    {.path = "copy.jobs",
        .type = OPTION_NUMBER,
        AT(copy.jobs),
        .def = "4",
        RANGE(1, 64),
        .doc =
            "Tables, or parts of large tables, copied at the same time. Each takes one connection "
            "to either server and about one processor core there."},
    {.path = "copy.index_jobs",
        .type = OPTION_NUMBER,
        AT(copy.index_jobs),
        .def = "2",
        RANGE(1, 64),
        .doc = "Indexes and constraints built on the target at the same time. Each may take the "
               "target's `maintenance_work_mem`."},
    {.path = "copy.split_above",
        .type = OPTION_SIZE,
        AT(copy.split_above),
        .def = "1GiB",
        RANGE(64 * KIB, 1024 * TIB),
        .doc = "Tables larger than this are copied in several parts at the same time."},
    {.path = "copy.analyze",
        ON(copy.analyze),
        .doc = "ANALYZE each table on the target when its rows, indexes and constraints are there. "
               "Without it the first queries are planned without statistics, until autovacuum or "
               "somebody has gathered them."},

    {.path = "spool.path",
        .type = OPTION_PATH,
        AT(spool.path),
        .derived = "`spool` in `dir`",
        .example = "/var/lib/tidegate/orders",
        .max = 4000,
        .doc =
            "Directory of the spool. Give it a disk of its own when the target may stay away for "
            "long: the spool grows by what the source writes."},
    {.path = "spool.max_size",
        .type = OPTION_SIZE,
        AT(spool.max_size),
        .def = "0",
        RANGE(4 * MIB, 1024 * TIB),
        .zero = "no limit",
        .doc =
            "Most bytes that the spool may take, files of open transactions included. From "
            "`spool.pause_at` per cent of it on nothing more is read from the source until a sink "
            "has caught up; the changes then wait on the source's disk."},
    {.path = "spool.min_free",
        .type = OPTION_SIZE,
        AT(spool.min_free),
        .def = "1GiB",
        RANGE(0, 1024 * TIB),
        .zero = "fill the disk",
        .doc = "Bytes of the spool's file system that are left untouched. What the spool takes and "
               "what is free beyond them is its limit, where that is less than `spool.max_size`."},
    {.path = "spool.segment_size",
        .type = OPTION_SIZE,
        AT(spool.segment_size),
        .def = "64MiB",
        RANGE(MIB, 4 * GIB),
        .doc = "Size of one segment, a file of the spool. Segments that every sink has read are "
               "removed as a whole. A large transaction that came while it was open has a file of "
               "its own, as large as it is."},
    {.path = "spool.sync_interval",
        .type = OPTION_DURATION,
        AT(spool.sync_interval_us),
        .def = "50ms",
        RANGE(MS, 10 * SEC),
        .doc =
            "Longest time that received changes wait before they are forced to the disk and "
            "confirmed to the source. Longer is cheaper on slow disks; nothing is lost either way, "
            "since the source keeps what is not confirmed."},
    {.path = "spool.keep",
        .type = OPTION_DURATION,
        AT(spool.keep_us),
        .def = "0",
        RANGE(SEC, 365 * DAY),
        .zero = "until every sink has them",
        .doc = "How long changes stay in the spool after they were received, even when every sink "
               "has them. A sink that is added later can start from what is kept. When the spool "
               "is about to be full, changes that every sink has go earlier than this."},
    {.path = "spool.keep_size",
        .type = OPTION_SIZE,
        AT(spool.keep_size),
        .def = "0",
        RANGE(MIB, 1024 * TIB),
        .zero = "no limit by size",
        .doc = "Most bytes that changes which every sink has may take, when `spool.keep` holds "
               "them back."},
    {.path = "spool.warn_at",
        .type = OPTION_NUMBER,
        AT(spool.warn_at),
        .def = "70",
        RANGE(1, 100),
        .doc = "Per cent of `spool.max_size`, or of what the disk can give, from which on the "
               "agent warns, with the time that is left at the present rate."},
    {.path = "spool.compress_at",
        .type = OPTION_NUMBER,
        AT(spool.compress_at),
        .def = "80",
        RANGE(1, 100),
        .doc = "Per cent from which on files of the spool are compressed to make room, unless "
               "`spool.compression` is `none`."},
    {.path = "spool.pause_at",
        .type = OPTION_NUMBER,
        AT(spool.pause_at),
        .def = "95",
        RANGE(1, 100),
        .doc = "Per cent from which on nothing more is read from the source. The connection stays "
               "open, the changes wait on the source's disk, and reading goes on by itself when "
               "there is room."},
    {.path = "spool.compression",
        .type = OPTION_WORD,
        AT(spool.compression),
        .def = "pressure",
        .words = compression_words,
        .doc = "When files of the spool are compressed, in the background, after they are full: "
               "`zstd` all that wait for a sink, `pressure` only when `spool.compress_at` is "
               "reached, `none` never."},
    {.path = "spool.encryption_key",
        .type = OPTION_STRING,
        AT(spool.encryption_key),
        .derived = "none: not encrypted",
        .example = "${env:SPOOL_KEY}",
        .max = 65536,
        .flags = OPTION_SECRET,
        .doc =
            "Key with which everything of rows that the agent keeps on disk is encrypted "
            "(AES-256-GCM): 32 bytes, as 64 hexadecimal digits or as base64. "
            "`openssl rand -hex 32` makes one. A new key is used from the next file on; keep the "
            "one before it in `spool.old_encryption_keys`. With a key the agent writes no core "
            "dumps."},
    {.path = "spool.old_encryption_keys",
        .type = OPTION_LIST,
        AT(spool.old_encryption_keys),
        .def = "[]",
        .max = 65536,
        .example = "[\"${env:OLD_SPOOL_KEY}\"]",
        .flags = OPTION_SECRET,
        .doc = "Keys that were `spool.encryption_key` before: they are only read with. One can go "
               "when no file of the spool and no dead letter is left that was written with it."},

    {.path = "sinks[].name",
        .type = OPTION_STRING,
        AT_SINK(name),
        .example = "target",
        .pattern = NAME_PATTERN,
        .expected = NAME_EXPECTED,
        .flags = OPTION_REQUIRED,
        .doc =
            "Name of the sink, different from every other. Status, messages and commands use it. "
            "It stays the same for as long as the sink lives: its target's record of what it holds "
            "goes by it. One that is taken out of the configuration is forgotten at the next "
            "start, one that is added joins then; both at once is refused."},
    {.path = "sinks[].type",
        .type = OPTION_STRING,
        AT_SINK(type),
        .def = "postgresql",
        .pattern = TYPE_PATTERN,
        .expected = TYPE_EXPECTED,
        .doc = "Kind of the sink: `postgresql`, or `null`, which takes every change and keeps "
               "nothing, to try a source and its feed."},
    {.path = "sinks[].dsn",
        .type = OPTION_STRING,
        AT_SINK(dsn),
        .cli = "--target URI",
        .max = 65536,
        .flags = OPTION_SECRET | OPTION_REQUIRED,
        .example = "${env:TARGET_DSN}",
        .doc = "Connection string of the target. A sink of type postgresql needs it. The same "
               "forms as for `source.dsn`. The command line's `--target` makes a sink named "
               "`target`, or replaces the connection string of the only sink in the file."},
    {.path = "sinks[].group_transactions",
        .type = OPTION_NUMBER,
        AT_SINK(group_transactions),
        .def = "5000",
        RANGE(1, 100000),
        .doc = "Most transactions of the source that are joined into one on the target, while more "
               "are waiting. They are never split and stay in order; 1 applies them one by one."},
    {.path = "sinks[].group_bytes",
        .type = OPTION_SIZE,
        AT_SINK(group_bytes),
        .def = "4MiB",
        RANGE(KIB, 4 * GIB),
        .doc = "Most bytes of changes that are joined into one transaction on the target."},
    {.path = "sinks[].group_time",
        .type = OPTION_DURATION,
        AT_SINK(group_time_us),
        .def = "1s",
        RANGE(MS, HOUR),
        .doc = "How long a transaction on the target may take before fewer are joined into the "
               "next: so long others wait for its rows, and so much is done again when it fails. "
               "One of the source is never split. Several connections (`apply_jobs`) have a pace "
               "of their own."},
    {.path = "sinks[].inflight_bytes",
        .type = OPTION_SIZE,
        AT_SINK(inflight_bytes),
        .def = "4MiB",
        RANGE(4 * KIB, GIB),
        .doc = "Most bytes sent to the target without having its answer, beside a COPY's. So many "
               "as it takes in while an answer is on its way: 256 KiB near by, 100 KB for each "
               "millisecond there and back. More than the default pays beyond 40 ms, and costs "
               "memory."},
    {.path = "sinks[].prepared_statements",
        .type = OPTION_NUMBER,
        AT_SINK(prepared_statements),
        .def = "8192",
        RANGE(16, 65536),
        .doc = "Most statements that are kept prepared on the target: one for each table and kind "
               "of change, some 10 KiB of the target's memory each. With fewer than the feed goes "
               "round, statements are prepared again and again."},
    {.path = "sinks[].apply_jobs",
        .type = OPTION_NUMBER,
        AT_SINK(apply_jobs),
        .def = "1",
        RANGE(1, 16),
        .doc = "Connections to the target that apply beside each other, and commit in the order of "
               "the source. More pay where one process of the target is what is waited for: pages "
               "from its disk, indexes. Each takes one of the target's replication origins."},
    {.path = "sinks[].start",
        .type = OPTION_STRING,
        AT_SINK(start),
        .def = "copy",
        .pattern = "copy|spool|[0-9A-Fa-f]{1,8}/[0-9A-Fa-f]{1,8}",
        .expected = "copy, spool, or a position such as 0/16B3748",
        .doc = "Where a sink begins that is added while the migration lives: `copy` with a copy "
               "of all tables, `spool` with the oldest change that the spool still holds, a "
               "position with the first transaction behind it. The latter two are for targets "
               "that have the data already, as from a backup; what is said here counts once, when "
               "the sink joins. At the beginning of a migration every target gets a copy. A sink "
               "of type null needs none: with `copy` it begins with what comes next."},
    {.path = "sinks[].on_error",
        .type = OPTION_WORD,
        AT_SINK(on_error),
        .def = "stop",
        .words = error_words,
        .doc = "What happens with a change that the target refuses: `stop` stops the sink at it, "
               "`dead_letter` puts it aside and goes on (`tidegate dead-letters` lists, applies "
               "or drops what lies there), `upsert` turns an insert of a row that is there into "
               "an update, an update of a row that is missing into an insert, takes a delete of "
               "a missing row for done, and stops at everything else. `stop_table` stops the table "
               "alone: its changes are left out from there on, all others go on, and `tidegate "
               "resync TABLE` copies it anew when the cause is gone."},
    {.path = "sinks[].dead_letter_limit",
        .type = OPTION_NUMBER,
        AT_SINK(dead_letter_limit),
        .def = "10000",
        RANGE(1, 1000000),
        .doc = "Most dead letters of the sink that may wait. At the next one the sink stops: that "
               "many refusals are no exceptions any more."},

    {.path = "sequences.refresh",
        .type = OPTION_DURATION,
        AT(sequences.refresh_us),
        .def = "10s",
        RANGE(100 * MS, DAY),
        .zero = "only at the cutover",
        .doc = "How often the sequences of the source are looked at while changes stream. On every "
               "target, those that moved are set to the source's value and ahead by twice of what "
               "they moved since the look before, so that a source which is lost costs no value "
               "twice. Nothing is set back until the cutover, which sets the exact values."},

    {.path = "control.socket",
        .type = OPTION_PATH,
        AT(control.socket),
        .derived = "`control.sock` in `dir`",
        .max = 4000,
        .example = "/run/tidegate/orders.sock",
        .doc =
            "Unix socket on which the running agent answers. Who may write to it may cut over. The "
            "path has at most 100 bytes, which is the operating system's limit."},
    {.path = "control.listen",
        .type = OPTION_STRING,
        AT(control.listen),
        .derived = "none: the Unix socket only",
        .pattern = LISTEN_PATTERN,
        .expected = LISTEN_EXPECTED,
        .example = "127.0.0.1:7720",
        .doc = "TCP address on which the running agent answers as well, for health checks and "
               "metrics. There is no password on it, so only addresses of the loopback are "
               "allowed."},

    {.path = "cutover.fence",
        .type = OPTION_WORD,
        AT(cutover.fence),
        .def = "read_only",
        .words = fence_words,
        .doc = "How writes to the source are stopped at cutover. `read_only` makes new sessions of "
               "the database read-only and ends the others; `none` trusts that the operator has "
               "stopped everything that writes."},
    {.path = "cutover.exempt",
        .type = OPTION_LIST,
        AT(cutover.exempt),
        .def = "[]",
        .max = 256,
        .doc = "Application names or roles whose sessions the fence leaves alone."},
    {.path = "cutover.verify",
        ON(cutover.verify),
        .doc = "Compare both sides before the target is declared ready."},
    {.path = "cutover.sequence_margin",
        .type = OPTION_NUMBER,
        AT(cutover.sequence_margin),
        .def = "0",
        RANGE(0, 1000000000),
        .doc = "Values that every sequence leaves out at the cutover: it goes on so many steps, in "
               "its own direction and never beyond its end, behind the source's value."},
    {.path = "cutover.timeout",
        .type = OPTION_DURATION,
        AT(cutover.timeout_us),
        .def = "60s",
        RANGE(SEC, DAY),
        .doc = "Longest time that the cutover may take. When it passes, the fence is lifted, the "
               "source takes writes again, and streaming goes on."},

    {.path = "network.timeout",
        .type = OPTION_DURATION,
        AT(network.timeout_us),
        .def = "30s",
        RANGE(SEC, DAY),
        .doc = "Silence after which a connection counts as dead."},
    {.path = "network.retry_max",
        .type = OPTION_DURATION,
        AT(network.retry_max_us),
        .def = "30s",
        RANGE(100 * MS, DAY),
        .doc = "Longest pause between two attempts to connect again. Pauses begin short and grow "
               "up to this."},
    {.path = "network.give_up",
        .type = OPTION_DURATION,
        AT(network.give_up_us),
        .def = "0",
        RANGE(SEC, 365 * DAY),
        .zero = "never",
        .doc = "Time without a connection after which the agent ends with an error. Nothing is "
               "lost by that; it goes on when it is started again."},

    {.path = "log.level",
        .type = OPTION_WORD,
        AT(log.level),
        .def = "info",
        .words = level_words,
        .doc = "Least weight of the messages that are written."},
    {.path = "log.format",
        .type = OPTION_WORD,
        AT(log.format),
        .def = "text",
        .words = format_words,
        .doc = "`text` for people, `json` (one object on each line) for log collectors."},
};
const size_t option_count = sizeof(option_table) / sizeof(option_table[0]);

_Static_assert(sizeof(option_table) / sizeof(option_table[0]) <= OPTIONS_MAX, "raise OPTIONS_MAX");
_Static_assert(sizeof(enum fence_kind) == sizeof(int), "words are stored as int");
_Static_assert(sizeof(enum two_phase) == sizeof(int), "words are stored as int");
_Static_assert(sizeof(enum spool_compression) == sizeof(int), "words are stored as int");
_Static_assert(sizeof(enum role_policy) == sizeof(int), "words are stored as int");
_Static_assert(sizeof(enum subscription_policy) == sizeof(int), "words are stored as int");
_Static_assert(sizeof(enum error_policy) == sizeof(int), "words are stored as int");
_Static_assert(sizeof(enum identity_policy) == sizeof(int), "words are stored as int");
