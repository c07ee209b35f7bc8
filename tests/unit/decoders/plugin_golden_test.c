/* SPDX-License-Identifier: Apache-2.0
 *
 * Feeds of wal2json and test_decoding recorded from real servers (tests/golden/plugins), taken as
 * the source takes them, against their canonical text. Run from the root of the tree.
 */
#include "agent/source/plugin_feed.h"
#include "decoders/json_pull.h"
#include "tests/lib/stream_keeper.h"
#include "tests/unit/decoders/golden.h"

#define DIR        "tests/golden/plugins/"
#define TABLES_MAX 32

struct known {
    char *json;
    struct slice schema, name;
    struct feed_table table;
};

struct feed {
    struct decoder *d;
    struct buf *out;
    struct plugin_feed source;
    struct stream_keeper keeper;
    struct arena arena;
    struct known tables[TABLES_MAX];
    size_t tables_len;
    uint64_t last_commit;
    uint32_t last_ordinal;
    unsigned changes;
};

/* `no_columns` and the partitions' root are left out, as a filter would. */
static bool
find(void *arg, struct slice schema, struct slice name, uint64_t position, struct feed_table **out,
    struct err *err)
{
    struct feed *f = arg;
    (void)position;
    (void)err;
    *out = NULL;
    for (size_t i = 0; i < f->tables_len; i++) {
        if (slice_eq(f->tables[i].schema, schema) && slice_eq(f->tables[i].name, name)) {
            *out = &f->tables[i].table;
        }
    }
    return true;
}

static void
take_table(struct feed *f, const char *json)
{
    assert_true(f->tables_len < TABLES_MAX);
    struct known *k = &f->tables[f->tables_len];
    struct json_pull p;
    struct json_scalar v;
    struct slice name;
    k->json = strdup(json);
    k->json[strcspn(k->json, "\n")] = '\0';
    k->table.description = slice_str(k->json);
    json_pull_init(&p, k->table.description, &f->arena);
    json_pull_open(&p, '{');
    while (json_pull_member(&p, &name)) {
        if (slice_eq(name, slice_str("columns"))) {
            assert_true(json_pull_skip(&p));
            continue;
        }
        assert_true(json_pull_scalar(&p, &v));
        if (slice_eq(name, slice_str("schema"))) {
            k->schema = v.text;
        } else if (slice_eq(name, slice_str("table"))) {
            k->name = v.text;
        } else if (slice_eq(name, slice_str("oid"))) {
            assert_true(plugin_parse_u32(v.text, &k->table.oid));
        }
    }
    if (!slice_eq(k->name, slice_str("no_columns"))) {
        f->tables_len++;
    } else {
        free(k->json);
    }
}

static void
decode(void *arg, const struct record *rec)
{
    struct feed *f = arg;
    struct err err = ERR_INIT;
    struct change c;
    bool produced;
    if (!decoder_feed(f->d, rec, &c, &produced, &err)) {
        fail_msg("%s", err.text);
    }
    if (!produced) {
        return;
    }
    assert_true(c.position.commit >= f->last_commit);
    assert_true(c.position.ordinal == 0 || c.position.ordinal == f->last_ordinal + 1);
    f->last_ordinal = c.position.ordinal;
    f->last_commit = c.position.commit;
    f->changes++;
    print_change(f->out, &c);
}

static void
take_message(struct feed *f, char *line, struct buf *bytes)
{
    struct err err = ERR_INIT;
    struct record rec;
    char *space = strchr(line, ' ');
    struct pg_message m = {0};
    assert_non_null(space);
    *space = '\0';
    assert_true(parse_lsn(line, &m.wal_start));
    unhex(space + 1, bytes);
    m.data = bytes->data;
    m.len = bytes->len;
    if (!plugin_feed_take(&f->source, &m, &err)) {
        fail_msg("%s", err.text);
    }
    while (plugin_feed_next(&f->source, &rec)) {
        stream_keeper_take(&f->keeper, &rec);
    }
}

static unsigned
decode_file(const char *name, struct buf *out)
{
    static char line[LINE_BYTES];
    char path[128];
    const char *plugin = strchr(name, '-') + 1;
    struct feed *f = calloc(1, sizeof(*f));
    struct buf bytes;
    struct err err = ERR_INIT;
    f->out = out;
    f->keeper = (struct stream_keeper){.emit = decode, .arg = f};
    arena_init(&f->arena, 4096, 0);
    plugin_feed_init(&f->source, plugin_feed_find(plugin), find, f);
    snprintf(path, sizeof(path), DIR "%s.hex", name);
    FILE *in = fopen(path, "r");
    assert_non_null(in);
    buf_init(&bytes, LINE_BYTES);
    assert_true(decoder_find(plugin)->open(&f->d, &err));
    while (fgets(line, LINE_BYTES, in)) {
        if (line[0] == 'T') {
            take_table(f, line + 2);
        } else if (line[0] != '#') {
            take_message(f, line, &bytes);
        }
    }
    unsigned changes = f->changes;
    for (size_t i = 0; i < f->tables_len; i++) {
        free(f->tables[i].json);
    }
    decoder_free(f->d);
    plugin_feed_done(&f->source);
    stream_keeper_done(&f->keeper);
    arena_done(&f->arena);
    buf_done(&bytes);
    free(f);
    fclose(in);
    return changes;
}

static void
wal2json_decodes_as_expected(void **state)
{
    (void)state;
    golden_compare(DIR, "pg15-wal2json", decode_file);
}

static void
test_decoding_decodes_as_expected(void **state)
{
    (void)state;
    golden_compare(DIR, "pg14-test_decoding", decode_file);
    golden_compare(DIR, "pg15-test_decoding", decode_file);
    golden_compare(DIR, "pg18-test_decoding", decode_file);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wal2json_decodes_as_expected),
        cmocka_unit_test(test_decoding_decodes_as_expected),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
