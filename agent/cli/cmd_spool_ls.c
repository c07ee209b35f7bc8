/* SPDX-License-Identifier: Apache-2.0
 *
 * Shows what there is, then the first damage that was met on the way.
 */
#include "agent/cli/cmd_spool_ls.h"

#include <stdio.h>

#include "agent/cli/exits.h"
#include "agent/cli/spool_args.h"
#include "agent/cli/spool_listing.h"
#include "agent/spool/spool.h"

#define PAGE_MAX ((size_t)1 << 30)

static const struct arg_command command = {
    .name = "spool ls",
    .summary = "Lists segments, side files and the sinks' cursors of a spool",
    .operands = "[PATH]",
    .operands_max = 1,
    .exits = SPOOL_EXITS,
    .example = "tidegate spool ls\n"
               "tidegate spool ls --json | jq '.sinks[] | {name, behind_bytes}'",
};

static int
list(const struct spool_args *s, bool json)
{
    struct err err = ERR_INIT, cursors = ERR_INIT;
    struct spool_listing l = {0};
    struct buf out;
    bool ok = spool_list(s->path, s->keys, spool_listing_segment, &l, &err) &&
              spool_list_sides(s->path, spool_listing_side, &l, &err);
    if (!ok && err.class == ERR_CONFIG) {
        spool_listing_done(&l);
        return spool_args_fail(&err);
    }
    if (s->own_path) {
        struct spool_options o = {
            .path = s->path, .read_only = true, .salvage = true, .keys = s->keys};
        spool_cursors_read(s->config, &l.cursors);
        /* What is wrong with the spool is told by the list. */
        if (!spool_cursors_measure(&l.cursors, &o, &cursors) && ok) {
            l.cursors.problem = cursors;
        }
    }
    buf_init(&out, PAGE_MAX);
    if (json) {
        spool_listing_json(&out, &l);
        buf_str(&out, "\n");
    } else {
        spool_listing_text(&out, &l);
    }
    fputs(buf_cstr(&out), stdout);
    fflush(stdout);
    buf_done(&out);
    spool_listing_done(&l);
    return ok ? EXIT_OK : spool_args_fail(&err);
}

int
cmd_spool_ls(int argc, char **argv)
{
    struct spool_args s = {.keys_optional = true};
    bool json = false;
    const struct arg_option options[] = {
        {.name = "json", .type = ARG_FLAG, .help = "one JSON object", .out = &json},
        COMMON_OPTIONS_LOCAL(&s.common),
        ARGS_END,
    };
    int status = EXIT_OK;
    if (spool_args_take(&s, &command, options, argc, argv, &status)) {
        status = list(&s, json);
    }
    spool_args_done(&s);
    return status;
}
