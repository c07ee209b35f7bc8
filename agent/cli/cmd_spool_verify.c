/* SPDX-License-Identifier: Apache-2.0
 *
 * Findings are printed as they are met; the verdict stands at the end. What the agent knows to be
 * durable is asked before the first byte is read, so that the spool can only have grown since.
 */
#include "agent/cli/cmd_spool_verify.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "agent/base/clock.h"
#include "agent/base/json_writer.h"
#include "agent/base/parse.h"
#include "agent/cli/exits.h"
#include "agent/cli/spool_args.h"
#include "agent/cli/spool_cursors.h"
#include "agent/spool/audit.h"

#define JSON_MAX          ((size_t)1 << 30)
#define PROGRESS_AFTER_US 2000000
#define PROGRESS_EVERY_US 500000

static const struct arg_command command = {
    .name = "spool verify",
    .summary = "Reads a whole spool and checks every checksum and every rule of its format",
    .operands = "[PATH]",
    .operands_max = 1,
    .exits = SPOOL_EXITS,
    .example = "tidegate spool verify\n"
               "tidegate spool verify --durable 16/B374D848 /var/lib/tidegate/orders/spool",
};

struct verify {
    struct spool_args args;
    bool json;
    uint64_t durable;
    bool has_durable;

    int64_t started_us, shown_us;
    bool shown;                                 /* a progress line stands on stderr */
    char hint[sizeof(((struct err *)0)->hint)]; /* of the first damage */
    struct buf out;
    struct json_writer w;
};

static void
clear_progress(struct verify *v)
{
    if (v->shown && isatty(STDERR_FILENO) == 1) {
        fputs("\r\033[K", stderr);
    }
    v->shown = false;
}

static void
on_progress(uint64_t done, uint64_t total, void *arg)
{
    struct verify *v = arg;
    char a[FORMAT_SIZE], b[FORMAT_SIZE];
    int64_t now = clock_mono_us(&clock_system);
    if (now - v->started_us < PROGRESS_AFTER_US || now - v->shown_us < PROGRESS_EVERY_US) {
        return;
    }
    bool tty = isatty(STDERR_FILENO) == 1;
    v->shown_us = now;
    v->shown = true;
    fprintf(stderr, "%sverify: %d %%, %s of %s%s", tty ? "\r\033[K" : "",
        total ? (int)((double)done * 100 / (double)total) : 100, format_bytes(done, a),
        format_bytes(total, b), tty ? "" : "\n");
    fflush(stderr);
}

static void
finding_json(struct json_writer *w, const struct audit_finding *f)
{
    json_object_begin(w);
    json_kv_string(w, "severity", f->severity == AUDIT_DAMAGE ? "damage" : "note");
    json_kv_string(w, "file", f->file);
    json_key(w, "offset");
    if (f->has_offset) {
        json_u64(w, f->offset);
    } else {
        json_null(w);
    }
    json_kv_string(w, "text", f->text);
    json_object_end(w);
}

static void
on_finding(const struct audit_finding *f, void *arg)
{
    struct verify *v = arg;
    clear_progress(v);
    if (f->severity == AUDIT_DAMAGE && v->hint[0] == '\0') {
        snprintf(v->hint, sizeof v->hint, "%s", f->hint);
    }
    if (v->json) {
        finding_json(&v->w, f);
    } else {
        printf("%s: %s: %s\n", f->severity == AUDIT_DAMAGE ? "DAMAGED" : "note", f->file, f->text);
        fflush(stdout);
    }
}

static void
verdict_json(struct verify *v, const struct audit_result *r)
{
    struct json_writer *w = &v->w;
    char lsn[FORMAT_SIZE];
    json_array_end(w);
    json_kv_bool(w, "ok", r->damages == 0);
    json_kv_u64(w, "damages", r->damages);
    json_kv_u64(w, "notes", r->notes);
    json_kv_u64(w, "segments", r->segments);
    json_kv_u64(w, "side_files", r->sides);
    json_kv_u64(w, "blocks", r->blocks);
    json_kv_u64(w, "records", r->records);
    json_kv_u64(w, "transactions", r->transactions);
    json_kv_u64(w, "bytes", r->bytes);
    json_kv_u64(w, "torn_bytes", r->torn_bytes);
    json_kv_string(w, "position", r->position ? format_lsn(r->position, lsn) : NULL);
    json_kv_string(w, "durable", v->durable ? format_lsn(v->durable, lsn) : NULL);
    json_object_end(w);
    puts(buf_cstr(&v->out));
}

static void
verdict_text(const struct verify *v, const struct audit_result *r)
{
    char bytes[FORMAT_SIZE], lsn[FORMAT_SIZE];
    if (r->damages == 0) {
        printf("sound: ");
    } else {
        printf("%" PRIu64 " damaged place%s; sound: ", r->damages, r->damages == 1 ? "" : "s");
    }
    printf("%" PRIu64 " segment%s, %" PRIu64 " side file%s, %" PRIu64 " block%s, %" PRIu64
           " record%s, %s\n",
        r->segments, r->segments == 1 ? "" : "s", r->sides, r->sides == 1 ? "" : "s", r->blocks,
        r->blocks == 1 ? "" : "s", r->records, r->records == 1 ? "" : "s",
        format_bytes(r->bytes, bytes));
    if (r->torn_bytes > 0) {
        printf("%" PRIu64
               " bytes behind the end are no blocks (torn, or left of a file used again); the "
               "next start drops them\n",
            r->torn_bytes);
    }
    if (v->durable == 0) {
        puts("no position is known that the spool must reach: whether its end was cut off is not "
             "seen (--durable)");
    } else {
        printf("it must reach %s", format_lsn(v->durable, lsn));
        printf(", and reaches %s\n", r->position ? format_lsn(r->position, lsn) : "an unknown end");
    }
}

static int
verify(struct verify *v)
{
    struct err err = ERR_INIT;
    struct audit_result r;
    if (!v->has_durable && v->args.own_path) {
        struct spool_cursors cursors;
        spool_cursors_read(v->args.config, &cursors);
        v->durable = cursors.durable;
    }
    struct audit_options o = {
        .path = v->args.path,
        .keys = v->args.keys,
        .durable = v->durable,
        .finding = on_finding,
        .progress = on_progress,
        .arg = v,
    };
    v->started_us = clock_mono_us(&clock_system);
    buf_init(&v->out, JSON_MAX);
    json_init(&v->w, &v->out);
    json_object_begin(&v->w);
    json_key(&v->w, "findings");
    json_array_begin(&v->w);
    bool ok = audit_spool(&o, &r, &err);
    clear_progress(v);
    if (ok && v->json) {
        verdict_json(v, &r);
    } else if (ok) {
        verdict_text(v, &r);
    }
    buf_done(&v->out);
    if (!ok) {
        return spool_args_fail(&err);
    }
    if (v->hint[0] != '\0') {
        fprintf(stderr, "HINT: %s\n", v->hint);
    }
    return r.damages == 0 ? EXIT_OK : EXIT_DAMAGED;
}

int
cmd_spool_verify(int argc, char **argv)
{
    struct verify v = {.json = false};
    const struct arg_option options[] = {
        {.name = "json", .type = ARG_FLAG, .help = "one JSON object", .out = &v.json},
        {.name = "durable",
            .type = ARG_LSN,
            .value = "X/Y",
            .help = "position that the spool must reach, such as\nconfirmed_flush_lsn of the slot "
                    "(default: what the agent\nsays or has stored)",
            .out = &v.durable,
            .given = &v.has_durable},
        COMMON_OPTIONS_LOCAL(&v.args.common),
        ARGS_END,
    };
    int status = EXIT_OK;
    if (spool_args_take(&v.args, &command, options, argc, argv, &status)) {
        status = verify(&v);
    }
    spool_args_done(&v.args);
    return status;
}
