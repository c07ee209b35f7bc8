/* SPDX-License-Identifier: Apache-2.0
 *
 * reader -> filter of records -> decoder -> filter of changes -> lines. A damaged spool is read up
 * to the damaged place, then the damage is the result. With --follow the files are looked at again
 * whenever their end is reached.
 */
#include "agent/cli/cmd_spool_cat.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "agent/base/clock.h"
#include "agent/base/json_writer.h"
#include "agent/base/parse.h"
#include "agent/cli/cat_filter.h"
#include "agent/cli/change_json.h"
#include "agent/cli/column_mask.h"
#include "agent/cli/exits.h"
#include "agent/cli/spool_args.h"
#include "agent/spool/spool.h"
#include "decoders/decoder.h"

#define LINE_MAX_BYTES  ((size_t)2 << 30)
#define FOLLOW_PAUSE_US 100000

static const struct arg_command command = {
    .name = "spool cat",
    .summary = "Writes the changes of a spool as lines of JSON",
    .operands = "[PATH]",
    .operands_max = 1,
    .exits = SPOOL_EXITS,
    .example = "tidegate spool cat --from 16/B374D848 --limit 100 | jq -c .new\n"
               "tidegate spool cat --table 'public.order*' --op delete --mask email --follow",
};

struct cat_args {
    struct spool_args spool;
    uint64_t from;
    bool has_from, has_to, follow, raw;
    uint32_t limit; /* 0: none */
    struct arg_list tables, ops, masks;
};

struct cat {
    const struct cat_args *args;
    struct spool *spool;
    struct spool_reader *reader;
    struct decoder *decoder;
    struct cat_filter filter;
    struct column_mask mask;
    struct buf line, begin;
    uint32_t lines;
    bool begun; /* the BEGIN of this transaction is written */
    bool ended; /* nothing more is wanted, or nobody reads it */
};

/* --- lines --------------------------------------------------------------------------------------
 */

static bool
put_line(struct cat *c, struct buf *line, struct err *err)
{
    if (c->ended) {
        return true;
    }
    if (!buf_ok(line, "write a change as JSON", err)) {
        return false;
    }
    if (puts(buf_cstr(line)) == EOF || ferror(stdout)) {
        c->ended = true;
        /* `| head` has seen enough. */
        return errno == EPIPE || err_sys(err, ERR_RETRY, errno, "write to standard output");
    }
    c->lines++;
    c->ended = c->args->limit > 0 && c->lines >= c->args->limit;
    return true;
}

/* The frame of a transaction of which only some changes are wanted comes with the first of them. */
static bool
put_change(struct cat *c, const struct change *change, struct err *err)
{
    bool partial = cat_filter_is_partial(&c->filter);
    buf_reset(&c->line);
    change_json_write_masked(&c->line, change, c->mask.len > 0 ? &c->mask : NULL);
    switch (change->kind) {
    case CHANGE_BEGIN:
        c->begun = !partial;
        if (partial) {
            buf_reset(&c->begin);
            buf_bytes(&c->begin, c->line.data, c->line.len);
            return true;
        }
        break;
    case CHANGE_COMMIT:
    case CHANGE_PREPARE:
    case CHANGE_COMMIT_PREPARED:
    case CHANGE_ROLLBACK_PREPARED:
    case CHANGE_DISCARD:
        if (!c->begun) {
            return true;
        }
        c->begun = false;
        break;
    case CHANGE_MARK:
        break;
    case CHANGE_INSERT:
    case CHANGE_UPDATE:
    case CHANGE_DELETE:
    case CHANGE_TRUNCATE:
    case CHANGE_MESSAGE:
        if (!cat_filter_change(&c->filter, change)) {
            return true;
        }
        if (!c->begun && c->begin.len > 0 && !put_line(c, &c->begin, err)) {
            return false;
        }
        c->begun = true;
        break;
    }
    return put_line(c, &c->line, err);
}

static const char *
record_name(enum record_kind kind)
{
    switch (kind) {
    case RECORD_BEGIN:
        return "begin";
    case RECORD_DATA:
        return "data";
    case RECORD_COMMIT:
        return "commit";
    case RECORD_SCHEMA:
        return "schema";
    case RECORD_DISCARD:
        return "discard";
    case RECORD_MARK:
        return "mark";
    case RECORD_LINK:
    case RECORD_ABORTED:
    case RECORD_ABORT:
        break;
    }
    return "unknown";
}

static void
write_hex(struct buf *out, struct slice s)
{
    static const char digits[] = "0123456789abcdef";
    uint8_t *to = buf_reserve(out, 2 * s.len);
    for (size_t i = 0; to && i < s.len; i++) {
        to[2 * i] = (uint8_t)digits[s.data[i] >> 4];
        to[2 * i + 1] = (uint8_t)digits[s.data[i] & 15];
    }
    out->len += to ? 2 * s.len : 0;
}

/* Written by hand: a payload may have gigabytes, and nothing in it needs escaping. */
static bool
put_record(struct cat *c, const struct record *rec, struct err *err)
{
    char lsn[FORMAT_SIZE], iso[CLOCK_ISO_SIZE];
    clock_format_iso(rec->received_us, iso);
    buf_reset(&c->line);
    buf_printf(&c->line, "{\"kind\":\"%s\",\"position\":\"%s\",\"received\":\"%s\",",
        record_name(rec->kind), format_lsn(rec->position, lsn), iso);
    if (rec->kind == RECORD_BEGIN) {
        buf_printf(&c->line, "\"xid\":%" PRIu32 ",", rec->xid);
    } else if (rec->kind == RECORD_SCHEMA) {
        buf_printf(&c->line, "\"key\":%" PRIu32 ",", rec->key);
    }
    buf_str(&c->line, "\"payload\":\"");
    write_hex(&c->line, rec->payload);
    buf_str(&c->line, "\"}");
    return put_line(c, &c->line, err);
}

/* --- the loop -----------------------------------------------------------------------------------
 */

/* With --follow the next BEGIN, which would tell, may never come. */
static void
note_end(struct cat *c, const struct record *rec)
{
    bool closes = rec->kind == RECORD_COMMIT || rec->kind == RECORD_MARK;
    if (closes && c->filter.to != 0 && rec->position >= c->filter.to) {
        c->ended = true;
    }
}

static bool
take_record(struct cat *c, const struct record *rec, struct err *err)
{
    struct change change = {0};
    bool produced = false;
    switch (cat_filter_record(&c->filter, rec)) {
    case CAT_END:
        c->ended = true;
        return true;
    case CAT_SKIP:
        return true;
    case CAT_TAKE:
        break;
    }
    if (c->args->raw) {
        return put_record(c, rec, err);
    }
    return decoder_feed(c->decoder, rec, &change, &produced, err) &&
           (!produced || put_change(c, &change, err));
}

/* Up to the end of what is known of the spool. */
static bool
take_records(struct cat *c, struct err *err)
{
    while (!c->ended) {
        struct record rec;
        bool got = false;
        if (!spool_reader_next(c->reader, &rec, &got, err)) {
            if (err->sys == ENOENT) {
                (void)err_hint(err, "the agent has removed this segment meanwhile: start again");
            }
            return false;
        }
        if (!got) {
            return true;
        }
        if (!take_record(c, &rec, err)) {
            return false;
        }
        note_end(c, &rec);
    }
    return true;
}

static bool
take_all(struct cat *c, struct err *err)
{
    for (;;) {
        bool ok = take_records(c, err);
        if (fflush(stdout) != 0) {
            c->ended = true;
        }
        if (!ok || c->ended) {
            return ok;
        }
        if (spool_damage(c->spool)) {
            *err = *spool_damage(c->spool);
            return false;
        }
        if (!c->args->follow) {
            return true;
        }
        clock_system.sleep_us(&clock_system, FOLLOW_PAUSE_US);
        if (!spool_refresh(c->spool, err)) {
            return false;
        }
    }
}

static bool
open_reader(struct cat *c, struct err *err)
{
    struct spool_stats stats;
    char from[FORMAT_SIZE], oldest[FORMAT_SIZE];
    spool_stats(c->spool, &stats);
    if (c->args->has_from && c->args->from < stats.oldest) {
        (void)err_set(err, ERR_CONFIG, "spool '%s' does not reach back to %s", c->args->spool.path,
            format_lsn(c->args->from, from));
        return err_hint(err, "it begins behind %s", format_lsn(stats.oldest, oldest));
    }
    return spool_reader_open(
        c->spool, c->args->has_from ? c->args->from : stats.oldest, &c->reader, err);
}

static void
warn_unused(const struct column_mask *m, const struct arg_list *texts)
{
    for (size_t i = 0; i < m->len; i++) {
        if (!m->entries[i].used) {
            fprintf(stderr, "tidegate: mask '%s' has hidden nothing\n", texts->items[i]);
        }
    }
}

static bool
cat_spool(struct cat *c, struct err *err)
{
    const struct decoder_ops *decoder = decoder_of_content(spool_content(c->spool));
    if (!decoder) {
        return err_set(err, ERR_CONFIG, "there is no decoder for this spool");
    }
    buf_init(&c->line, LINE_MAX_BYTES);
    buf_init(&c->begin, LINE_MAX_BYTES);
    bool ok = decoder->open(&c->decoder, err) && open_reader(c, err) && take_all(c, err);
    spool_reader_close(c->reader);
    decoder_free(c->decoder);
    buf_done(&c->line);
    buf_done(&c->begin);
    return ok;
}

/* A damage that is not there at the second look was something that was being written. */
static bool
open_spool(const struct spool_options *o, struct spool **out, struct err *err)
{
    for (int i = 0; i < 3; i++) {
        if (!spool_open(o, out, err)) {
            return false;
        }
        if (!spool_damage(*out) || i == 2) {
            break;
        }
        spool_close(*out);
    }
    return true;
}

static int
cat(struct cat *c)
{
    struct err err = ERR_INIT;
    struct spool_options o = {.path = c->args->spool.path,
        .read_only = true,
        .salvage = true,
        .keys = c->args->spool.keys,
        .clock = &clock_system};
    if (!open_spool(&o, &c->spool, &err)) {
        return spool_args_fail(&err);
    }
    bool ok = cat_spool(c, &err);
    spool_close(c->spool);
    warn_unused(&c->mask, &c->args->masks);
    return ok ? EXIT_OK : spool_args_fail(&err);
}

/* --- command line -------------------------------------------------------------------------------
 */

static bool
check_raw(const struct cat_args *a, struct err *err)
{
    if (a->raw && a->masks.len > 0) {
        return err_set(err, ERR_CONFIG, "spool cat: --raw shows all bytes, --mask cannot hide any");
    }
    if (a->raw && (a->tables.len > 0 || a->ops.len > 0)) {
        return err_set(
            err, ERR_CONFIG, "spool cat: --raw decodes nothing, --table and --op cannot choose");
    }
    return true;
}

static bool
set_up(struct cat *c, struct err *err)
{
    const struct cat_args *a = c->args;
    if (!check_raw(a, err)) {
        return false;
    }
    for (size_t i = 0; i < a->tables.len; i++) {
        if (!table_pattern_valid(a->tables.items[i])) {
            return err_set(
                err, ERR_CONFIG, "spool cat: --table '%s' is not a table", a->tables.items[i]);
        }
    }
    c->filter.tables =
        (struct table_filter){.include = a->tables.items, .include_len = a->tables.len};
    for (size_t i = 0; i < a->ops.len; i++) {
        unsigned kinds = 0;
        if (!cat_filter_kinds(a->ops.items[i], &kinds, err)) {
            return err_wrap(err, "spool cat: --op");
        }
        c->filter.kinds |= kinds;
    }
    for (size_t i = 0; i < a->masks.len; i++) {
        if (!column_mask_add(&c->mask, a->masks.items[i], err)) {
            return err_wrap(err, "spool cat: --mask");
        }
    }
    return true;
}

static int
run(const struct cat_args *a, struct cat *c)
{
    struct err err = ERR_INIT;
    c->args = a;
    if (!set_up(c, &err)) {
        args_print_error(&err);
        return EXIT_USAGE;
    }
    return cat(c);
}

#define POSITIONS(a, c)                                                                            \
    {.name = "from",                                                                               \
        .type = ARG_LSN,                                                                           \
        .value = "X/Y",                                                                            \
        .help = "transactions behind this position (default: all)",                                \
        .out = &(a).from,                                                                          \
        .given = &(a).has_from},                                                                   \
        {.name = "to",                                                                             \
            .type = ARG_LSN,                                                                       \
            .value = "X/Y",                                                                        \
            .help = "transactions up to this position, which is in",                               \
            .out = &(c).filter.to,                                                                 \
            .given = &(a).has_to},                                                                 \
    {                                                                                              \
        .name = "xid", .type = ARG_U32, .value = "N", .help = "one transaction of the source",     \
        .out = &(c).filter.xid, .given = &(c).filter.has_xid                                       \
    }

#define SELECTION(a)                                                                               \
    {.name = "table",                                                                              \
        .type = ARG_LIST,                                                                          \
        .value = "PATTERN",                                                                        \
        .help = "changes of these tables, as in tables.include;\nmay be repeated",                 \
        .out = &(a).tables},                                                                       \
        {.name = "op",                                                                             \
            .type = ARG_LIST,                                                                      \
            .value = "KINDS",                                                                      \
            .help = "insert, update, delete, truncate, message;\nseveral with commas",             \
            .out = &(a).ops},                                                                      \
    {                                                                                              \
        .name = "mask", .type = ARG_LIST, .value = "COLUMN",                                       \
        .help = "show \"***\" for schema.table.column, or for a\ncolumn of any table; may be "     \
                "repeated",                                                                        \
        .out = &(a).masks                                                                          \
    }

int
cmd_spool_cat(int argc, char **argv)
{
    struct cat_args a = {.from = 0};
    struct cat c = {.lines = 0};
    const struct arg_option options[] = {
        POSITIONS(a, c),
        SELECTION(a),
        {.name = "limit",
            .letter = 'n',
            .type = ARG_U32,
            .value = "N",
            .help = "lines at most (default: all)",
            .out = &a.limit},
        {.name = "follow",
            .letter = 'f',
            .type = ARG_FLAG,
            .help = "go on with what a running agent appends",
            .out = &a.follow},
        {.name = "raw",
            .type = ARG_FLAG,
            .help = "records as the source sent them, in hexadecimal",
            .out = &a.raw},
        COMMON_OPTIONS_LOCAL(&a.spool.common),
        ARGS_END,
    };
    int status = EXIT_OK;
    if (spool_args_take(&a.spool, &command, options, argc, argv, &status)) {
        status = run(&a, &c);
    }
    spool_args_done(&a.spool);
    return status;
}
