/* SPDX-License-Identifier: Apache-2.0
 *
 * Three small commands over the files of a spool. None of them writes, all of them may run beside
 * an agent: its newest segment may simply have grown in between.
 */
#include "agent/cli/cmd_spool.h"

#include <inttypes.h>
#include <string.h>

#include "agent/base/clock.h"
#include "agent/base/json_writer.h"
#include "agent/base/parse.h"
#include "agent/cli/args.h"
#include "agent/cli/change_json.h"
#include "agent/cli/common.h"
#include "agent/cli/exits.h"
#include "agent/spool/inspect.h"
#include "agent/spool/spool.h"
#include "config/nearest.h"
#include "decoders/decoder.h"

#define LINE_MAX_BYTES ((size_t)2 << 30)

#define EXITS                                                                                      \
    "0  done\n"                                                                                    \
    "1  failed\n"                                                                                  \
    "2  command line or configuration is wrong\n"                                                  \
    "6  the spool is damaged"

struct spool_args {
    struct common_args common;
    const char *path; /* NULL: from the configuration */
    bool json;
    uint64_t from;
    bool has_from;
    uint32_t limit; /* 0: none */
};

static int
fail(const struct err *err)
{
    args_print_error(err);
    return err->class == ERR_FATAL ? EXIT_DAMAGED : EXIT_FAILED;
}

static int
with_path(struct spool_args *s, int (*work)(const struct spool_args *s))
{
    if (s->path) {
        return work(s);
    }
    struct err err = ERR_INIT;
    struct config *config = NULL;
    if (!common_load(&s->common, true, &config, &err)) {
        args_print_error(&err);
        return EXIT_USAGE;
    }
    s->path = config->spool.path;
    int status = work(s);
    s->path = NULL;
    config_free(config);
    return status;
}

/* --- ls ------------------------------------------------------------------------------------------
 */

struct listing {
    bool json;
    bool any;
    struct json_writer w;
};

static void
list_text(const struct spool_segment_info *i)
{
    char bytes[FORMAT_SIZE], first[FORMAT_SIZE], last[FORMAT_SIZE], iso[CLOCK_ISO_SIZE] = "-";
    if (i->last_received_us != 0) {
        clock_format_iso(i->last_received_us, iso);
    }
    printf("%-44s %10s %-6s %-18s %-18s %10" PRIu64 " %10" PRIu64 "  %s\n", i->file,
        format_bytes(i->bytes, bytes), i->sealed ? "sealed" : "open",
        format_lsn(i->first_position, first), format_lsn(i->last_position, last), i->transactions,
        i->records, iso);
}

static void
list_json(struct json_writer *w, const struct spool_segment_info *i)
{
    char text[FORMAT_SIZE];
    json_object_begin(w);
    json_kv_string(w, "file", i->file);
    json_kv_u64(w, "number", i->number);
    json_kv_u64(w, "bytes", i->bytes);
    json_kv_bool(w, "sealed", i->sealed);
    json_kv_string(
        w, "first_position", i->first_position ? format_lsn(i->first_position, text) : NULL);
    json_kv_string(
        w, "last_position", i->last_position ? format_lsn(i->last_position, text) : NULL);
    json_kv_u64(w, "transactions", i->transactions);
    json_kv_u64(w, "records", i->records);
    char iso[CLOCK_ISO_SIZE];
    clock_format_iso(i->first_received_us, iso);
    json_kv_string(w, "first_received", i->first_received_us ? iso : NULL);
    clock_format_iso(i->last_received_us, iso);
    json_kv_string(w, "last_received", i->last_received_us ? iso : NULL);
    json_object_end(w);
}

static void
list_one(const struct spool_segment_info *info, void *arg)
{
    struct listing *l = arg;
    if (l->json) {
        list_json(&l->w, info);
        return;
    }
    if (!l->any) {
        printf("%-44s %10s %-6s %-18s %-18s %10s %10s  %s\n", "SEGMENT", "SIZE", "STATE", "FIRST",
            "LAST", "COMMITS", "RECORDS", "RECEIVED LAST");
        l->any = true;
    }
    list_text(info);
}

static int
work_ls(const struct spool_args *s)
{
    struct err err = ERR_INIT;
    struct buf out;
    struct listing l = {.json = s->json};
    buf_init(&out, LINE_MAX_BYTES);
    json_init(&l.w, &out);
    json_array_begin(&l.w);
    bool ok = spool_list(s->path, list_one, &l, &err);
    json_array_end(&l.w);
    if (s->json) {
        puts(buf_cstr(&out));
    }
    buf_done(&out);
    return ok ? EXIT_OK : fail(&err);
}

/* --- verify --------------------------------------------------------------------------------------
 */

static void
print_verdict(const struct spool_verdict *v, bool ok, const struct err *err)
{
    struct buf out;
    struct json_writer w;
    buf_init(&out, (size_t)64 * 1024);
    json_init(&w, &out);
    json_object_begin(&w);
    json_kv_bool(&w, "ok", ok);
    json_kv_u64(&w, "segments", v->segments);
    json_kv_u64(&w, "blocks", v->blocks);
    json_kv_u64(&w, "records", v->records);
    json_kv_u64(&w, "bytes", v->bytes);
    json_kv_u64(&w, "torn_bytes", v->torn_bytes);
    json_kv_string(&w, "error", ok ? NULL : err->text);
    json_object_end(&w);
    puts(buf_cstr(&out));
    buf_done(&out);
}

static int
work_verify(const struct spool_args *s)
{
    struct err err = ERR_INIT;
    struct spool_verdict v = {0};
    bool ok = spool_verify(s->path, &v, &err);
    char bytes[FORMAT_SIZE];
    if (s->json) {
        print_verdict(&v, ok, &err);
    } else if (ok) {
        printf("sound: %" PRIu64 " segments, %" PRIu64 " blocks, %" PRIu64 " records, %s\n",
            v.segments, v.blocks, v.records, format_bytes(v.bytes, bytes));
        if (v.torn_bytes > 0) {
            printf("%" PRIu64 " bytes at the end were never finished; the next start drops them\n",
                v.torn_bytes);
        }
    }
    return ok ? EXIT_OK : fail(&err);
}

/* --- cat -----------------------------------------------------------------------------------------
 */

struct cat {
    struct spool_reader *reader;
    struct decoder *decoder;
    struct buf line;
    uint32_t left; /* lines, when limited */
};

static bool
cat_records(struct cat *c, bool limited, struct err *err)
{
    while (!limited || c->left > 0) {
        struct record rec;
        struct change change = {0};
        bool got = false, produced = false;
        if (!spool_reader_next(c->reader, &rec, &got, err)) {
            return false;
        }
        if (!got) {
            return true;
        }
        if (!decoder_feed(c->decoder, &rec, &change, &produced, err)) {
            return false;
        }
        if (!produced) {
            continue;
        }
        buf_reset(&c->line);
        change_json_write(&c->line, &change);
        if (!buf_ok(&c->line, "write a change as JSON", err)) {
            return false;
        }
        if (puts(buf_cstr(&c->line)) == EOF) {
            return err_set(err, ERR_RETRY, "write to standard output");
        }
        c->left -= limited ? 1 : 0;
    }
    return true;
}

static bool
cat_spool(const struct spool_args *s, struct spool *spool, struct err *err)
{
    struct cat c = {.left = s->limit};
    struct spool_stats stats;
    spool_stats(spool, &stats);
    const struct decoder_ops *decoder = decoder_find("pgoutput");
    if (!decoder) {
        return err_set(err, ERR_CONFIG, "there is no decoder for this spool");
    }
    buf_init(&c.line, LINE_MAX_BYTES);
    bool ok = decoder->open(&c.decoder, err) &&
              spool_reader_open(spool, s->has_from ? s->from : stats.oldest, &c.reader, err) &&
              cat_records(&c, s->limit > 0, err);
    spool_reader_close(c.reader);
    decoder_free(c.decoder);
    buf_done(&c.line);
    return ok;
}

static int
work_cat(const struct spool_args *s)
{
    struct err err = ERR_INIT;
    struct spool *spool = NULL;
    struct spool_options o = {.path = s->path, .read_only = true, .clock = &clock_system};
    if (!spool_open(&o, &spool, &err)) {
        return fail(&err);
    }
    bool ok = cat_spool(s, spool, &err);
    spool_close(spool);
    return ok ? EXIT_OK : fail(&err);
}

/* --- command lines -------------------------------------------------------------------------------
 */

static const struct arg_command ls_command = {
    .name = "spool ls",
    .summary = "Lists the segments of a spool",
    .operands = "[PATH]",
    .operands_max = 1,
    .exits = EXITS,
    .example = "tidegate spool ls",
};
static const struct arg_command cat_command = {
    .name = "spool cat",
    .summary = "Writes the changes of a spool as lines of JSON",
    .operands = "[PATH]",
    .operands_max = 1,
    .exits = EXITS,
    .example = "tidegate spool cat --from 16/B374D848 --limit 100 | jq -c .new",
};
static const struct arg_command verify_command = {
    .name = "spool verify",
    .summary = "Reads a whole spool and checks every checksum and the order of the records",
    .operands = "[PATH]",
    .operands_max = 1,
    .exits = EXITS,
    .example = "tidegate spool verify /var/lib/tidegate/orders/spool",
};

static int
run(const struct arg_command *command, const struct arg_option *options, struct spool_args *s,
    int argc, char **argv, int (*work)(const struct spool_args *s))
{
    struct args a = {.command = command, .options = options};
    int status = EXIT_OK;
    if (args_take(&a, argc, argv, &status)) {
        s->path = a.operands_len > 0 ? a.operands[0] : NULL;
        status = with_path(s, work);
    }
    common_done(&s->common);
    return status;
}

static int
spool_ls(int argc, char **argv)
{
    struct spool_args s = {0};
    const struct arg_option options[] = {
        {.name = "json", .type = ARG_FLAG, .help = "one JSON array", .out = &s.json},
        COMMON_OPTIONS_LOCAL(&s.common),
        ARGS_END,
    };
    return run(&ls_command, options, &s, argc, argv, work_ls);
}

static int
spool_verify_files(int argc, char **argv)
{
    struct spool_args s = {0};
    const struct arg_option options[] = {
        {.name = "json", .type = ARG_FLAG, .help = "one JSON object", .out = &s.json},
        COMMON_OPTIONS_LOCAL(&s.common),
        ARGS_END,
    };
    return run(&verify_command, options, &s, argc, argv, work_verify);
}

static int
spool_cat(int argc, char **argv)
{
    struct spool_args s = {0};
    const struct arg_option options[] = {
        {.name = "from",
            .type = ARG_LSN,
            .value = "X/Y",
            .help = "transactions behind this position (default: all)",
            .out = &s.from,
            .given = &s.has_from},
        {.name = "limit",
            .letter = 'n',
            .type = ARG_U32,
            .value = "N",
            .help = "lines at most (default: all)",
            .out = &s.limit},
        COMMON_OPTIONS_LOCAL(&s.common),
        ARGS_END,
    };
    return run(&cat_command, options, &s, argc, argv, work_cat);
}

static const struct {
    const char *name, *summary;
    int (*run)(int argc, char **argv);
} table[] = {
    {"ls", "lists the segments", spool_ls},
    {"cat", "writes the changes as lines of JSON", spool_cat},
    {"verify", "checks every checksum and the order of the records", spool_verify_files},
};

enum { TABLE_LEN = sizeof table / sizeof *table };

static void
print_help(FILE *to)
{
    fputs("Reads a spool from its files alone; it may run beside an agent.\n\n"
          "Usage:\n"
          "  tidegate spool ls|cat|verify [options] [PATH]\n\n"
          "Commands:\n",
        to);
    for (size_t i = 0; i < TABLE_LEN; i++) {
        fprintf(to, "  %-8s%s\n", table[i].name, table[i].summary);
    }
    fputs("\nExit codes:\n"
          "  0  done\n"
          "  1  failed\n"
          "  2  command line or configuration is wrong\n"
          "  6  the spool is damaged\n"
          "\nExample:\n"
          "  tidegate spool ls --dir ./tidegate-data\n",
        to);
}

int
cmd_spool(int argc, char **argv)
{
    if (argc < 2 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        print_help(argc < 2 ? stderr : stdout);
        return argc < 2 ? EXIT_USAGE : EXIT_OK;
    }
    struct nearest near;
    nearest_init(&near, argv[1]);
    for (size_t i = 0; i < TABLE_LEN; i++) {
        if (strcmp(table[i].name, argv[1]) == 0) {
            return table[i].run(argc - 1, argv + 1);
        }
        nearest_offer(&near, table[i].name);
    }
    fprintf(stderr, "tidegate: spool: unknown command '%s'\n", argv[1]);
    fprintf(stderr, "HINT: %s%s%s\n", near.best ? "did you mean '" : "tidegate spool --help",
        near.best ? near.best : "", near.best ? "'?" : " lists the commands");
    return EXIT_USAGE;
}
