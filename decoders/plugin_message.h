/* SPDX-License-Identifier: Apache-2.0
 *
 * One message of a plugin that names table and columns in each of them: wal2json (format version
 * 2) and test_decoding. Bytes in, a plain struct out, no state.
 *
 * Such plugins send no descriptions of tables, so the agent's source adds them (SCHEMA records):
 *
 *   {"oid":16384,"schema":"public","table":"t","identity":"d","columns":[
 *     {"name":"id","typeoid":23,"typmod":-1,"key":true}, {"name":"twice",...,"generated":true}]}
 */
#ifndef TG_DECODERS_PLUGIN_MESSAGE_H
#define TG_DECODERS_PLUGIN_MESSAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/base/arena.h"
#include "agent/base/buf.h"
#include "agent/base/err.h"
#include "agent/change/change.h"

struct plugin_column {
    struct slice name;
    uint32_t type_oid; /* 0: not told */
    struct value value;
};

struct plugin_tuple {
    bool there;
    uint32_t len, cap;
    struct plugin_column *columns;
};

struct plugin_table {
    struct slice schema, name;
};

/* Texts and values point into the message or the arena; arrays live in the arena. */
struct plugin_message {
    char type;             /* B C; I U D T; M */
    uint32_t xid;          /* B C */
    int64_t us;            /* B C: time of the commit, Unix microseconds; 0: not told */
    uint64_t lsn, end_lsn; /* B C: of the commit record; 0: not told */
    struct plugin_table *tables;
    uint32_t tables_len;          /* I U D: one; T: one at least */
    bool cascade, restart;        /* T */
    struct plugin_tuple old, new; /* of an old one, only what tells the row; see old_nulls */
    bool old_nulls;               /* a column that is missing in `old` is none of the identity's;
                                     else it may as well be NULL */
    bool transactional;           /* M */
    struct slice prefix, content;
};

/* ERR_FATAL with what is wrong and where, for everything that is not exactly one message (of a
 * wal2json TRUNCATE: one for each table, a line each); ERR_RETRY: out of memory. */
typedef bool plugin_parse(
    struct slice bytes, struct arena *arena, struct plugin_message *out, struct err *err);
plugin_parse wal2json_parse, test_decoding_parse;
/* The same, of a row without its columns: for whoever only chooses by table. */
plugin_parse wal2json_parse_head, test_decoding_parse_head;

/* --- for the parsers ---------------------------------------------------------------------------
 */

/* A new column at the end of the tuple; NULL: out of memory. */
struct plugin_column *plugin_add_column(struct plugin_tuple *t, struct arena *arena);
struct plugin_table *plugin_add_table(struct plugin_message *m, struct arena *arena);
/* "2026-11-28 14:51:18.450052+00": ISO style with an offset. */
bool plugin_parse_time(struct slice text, int64_t *us);
bool plugin_parse_u32(struct slice text, uint32_t *out);
bool plugin_parse_lsn(struct slice text, uint64_t *out);

#endif
