/* SPDX-License-Identifier: Apache-2.0
 *
 * Listing a directory of real files, and a second reader, written from FORMAT.md alone, that must
 * see the same.
 */
#include <sys/wait.h>
#include <unistd.h>

#include "agent/spool/inspect.h"
#include "tests/lib/tmpdir.h"
#include "tests/unit/agent/spool/side_util.h"

struct fixture {
    char *dir;
    struct feed feed;
    struct spool_options o;
};

static int
set_up(void **state)
{
    static struct fixture fx;
    fx.dir = tmpdir_new();
    fx.o = small_options(NULL);
    fx.o.path = fx.dir;
    feed_init(&fx.feed, 41);
    *state = &fx;
    return 0;
}

static int
tear_down(void **state)
{
    struct fixture *fx = *state;
    feed_done(&fx->feed);
    tmpdir_remove(fx->dir);
    return 0;
}

static void
fill(struct fixture *fx, unsigned n)
{
    struct err err = ERR_INIT;
    struct spool *s = open_spool(&fx->o);
    feed_give(&fx->feed, s, n);
    feed_finish(&fx->feed, s);
    ok(spool_sync(s, &err));
    spool_close(s);
}

struct listed {
    uint64_t segments, records, transactions, bytes, last_position;
    bool ordered, unsealed;
};

static void
count_segment(const struct spool_segment_info *info, void *arg)
{
    struct listed *l = arg;
    char name[32];
    l->segments++;
    l->records += info->records;
    l->transactions += info->transactions;
    l->bytes += info->bytes;
    l->unsealed = !info->sealed;
    snprintf(name, sizeof(name), "%010" PRIu64 ".seg", info->number);
    l->ordered = info->number == l->segments && strcmp(name, info->file) == 0 &&
                 (info->first_position == 0 || info->first_position > l->last_position) &&
                 info->first_received_us <= info->last_received_us;
    assert_true(l->ordered);
    l->last_position = info->last_position ? info->last_position : l->last_position;
}

static uint64_t
commits(const struct feed *f)
{
    uint64_t n = 0;
    for (size_t i = 0; i < f->count; i++) {
        n += f->all[i].rec.kind == RECORD_COMMIT;
    }
    return n;
}

static void
list_tells_all_segments(void **state)
{
    struct fixture *fx = *state;
    struct err err = ERR_INIT;
    struct listed l = {0};
    fill(fx, 2000);
    ok(spool_list(fx->dir, NULL, count_segment, &l, &err));
    assert_true(l.segments > 10);
    assert_int_equal(l.records, fx->feed.count);
    assert_int_equal(l.transactions, commits(&fx->feed));
    assert_int_equal(l.last_position, fx->feed.position);
    assert_true(l.unsealed);
}

static void
missing_directory_is_told(void **state)
{
    struct fixture *fx = *state;
    struct err err = ERR_INIT;
    struct listed l = {0};
    char *path = tmpdir_path(fx->dir, "none");
    fails(spool_list(path, NULL, count_segment, &l, &err), ERR_CONFIG);
    free(path);
    ok(spool_list(fx->dir, NULL, count_segment, &l, &err)); /* empty is fine */
    assert_int_equal(l.segments, 0);
}

#define PYTHON "/usr/bin/python3"

/* The next line of the second reader must be this record. */
static void
same_line(FILE *out, const struct record *rec)
{
    static const char *const kinds[] = {"", "begin", "data", "commit", "schema", "discard", "mark"};
    char line[8192], want[8192], id[40] = "", hex[1200] = "";
    if (rec->kind == RECORD_BEGIN) {
        snprintf(id, sizeof(id), "\"xid\": %" PRIu32 ", ", rec->xid);
    } else if (rec->kind == RECORD_SCHEMA) {
        snprintf(id, sizeof(id), "\"key\": %" PRIu32 ", ", rec->key);
    }
    for (size_t k = 0; k < rec->payload.len; k++) {
        snprintf(hex + 2 * k, 3, "%02x", rec->payload.data[k]);
    }
    snprintf(want, sizeof(want),
        "{\"kind\": \"%s\", \"position\": %" PRIu64 ", \"received\": %" PRId64
        ", %s\"payload\": \"%s\"}\n",
        kinds[rec->kind], rec->position, rec->received_us, id, hex);
    if (fgets(line, sizeof(line), out) == NULL) {
        fail_msg("the second reader stops too early");
    }
    assert_string_equal(line, want);
}

/* Records whose payloads can be compressed. */
static void
give_even(struct tide *t, struct spool *s, unsigned n)
{
    struct err err = ERR_INIT;
    uint8_t bytes[512];
    while (n-- > 0) {
        struct record rec = feed_make(&t->feed, bytes);
        memset(bytes, 'a', sizeof(bytes));
        ok(tide_append(t, s, &rec, &err));
        feed_took(&t->feed, &rec);
    }
}

static void
compare_with_second_reader(struct fixture *fx, bool pack)
{
    struct err err = ERR_INIT;
    char command[600], line[64];
    struct tide tide;
    bool did = pack;
    if (access(PYTHON, X_OK) != 0 || access("tests/lib/spool_inspect.py", R_OK) != 0) {
        skip();
    }
    tide_init(&tide, 42);
    tide.feed.max_payload = 500;
    struct spool *s = open_spool(&fx->o);
    for (int i = 0; i < 20; i++) {
        tide_run(&tide, s, 100);
        give_even(&tide, s, 40);
    }
    ok(tide_settle(&tide, s, &err));
    ok(spool_sync(s, &err));
    while (did) {
        ok(spool_pack_one(s, 3, NULL, &did, &err));
    }
    struct spool_stats stats;
    spool_stats(s, &stats);
    assert_true(tide.links > 3 && (stats.packed_segments > 0) == pack);
    spool_close(s);
    snprintf(command, sizeof(command),
        PYTHON " tests/lib/spool_inspect.py --key " KEY_HEX_A " --records '%s'", fx->dir);
    FILE *out = popen(command, "r");
    for (size_t i = 0; i < tide.feed.count; i++) {
        same_line(out, &tide.feed.all[i].rec);
    }
    assert_null(fgets(line, sizeof(line), out));
    assert_int_equal(pclose(out), 0);
    tide_done(&tide);
}

static void
second_reader_sees_the_same(void **state)
{
    compare_with_second_reader(*state, false);
}

static void
second_reader_sees_the_same_in_packed_segments(void **state)
{
    compare_with_second_reader(*state, true);
}

static void
second_reader_sees_the_same_in_encrypted_segments(void **state)
{
    struct fixture *fx = *state;
    struct key_ring *ring = make_keys(KEY_HEX_A, NULL);
    fx->o.keys = ring;
    compare_with_second_reader(fx, false);
    key_ring_free(ring);
}

static void
second_reader_sees_the_same_in_packed_and_encrypted_segments(void **state)
{
    struct fixture *fx = *state;
    struct key_ring *ring = make_keys(KEY_HEX_A, NULL);
    fx->o.keys = ring;
    compare_with_second_reader(fx, true);
    key_ring_free(ring);
}

struct sides {
    size_t linked, open;
    uint64_t bytes, key_id;
};

static void
count_side(const struct spool_side_info *info, void *arg)
{
    struct sides *s = arg;
    s->linked += info->segment != 0;
    s->open += info->segment == 0;
    s->bytes += info->bytes;
    s->key_id = info->key_id;
    assert_null(info->damage);
    assert_true(info->segment == 0 || info->xid >= 100);
}

/* Without any key, too. */
static void
side_files_and_encrypted_segments_are_listed(void **state)
{
    struct fixture *fx = *state;
    struct err err = ERR_INIT;
    struct key_ring *ring = make_keys(KEY_HEX_A, NULL);
    struct tide tide;
    struct sides found = {0};
    struct listed l = {0};
    tide_init(&tide, 43);
    fx->o.keys = ring;
    struct spool *s = open_spool(&fx->o);
    tide_run(&tide, s, 1500);
    tide_fill(&tide, s, 0, 60);
    ok(spool_sync(s, &err));
    ok(spool_list_sides(fx->dir, count_side, &found, &err));
    ok(spool_list(fx->dir, NULL, count_segment, &l, &err));
    struct spool_stats stats;
    spool_stats(s, &stats);
    assert_int_equal(found.linked + found.open, stats.sides);
    assert_int_equal(found.linked, tide.links);
    assert_int_equal(found.bytes + l.bytes, stats.bytes);
    assert_int_equal(found.key_id, key_id(ring->current));
    assert_int_equal(l.segments, stats.segments);
    spool_close(s);
    tide_done(&tide);
    key_ring_free(ring);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(list_tells_all_segments),
        T(missing_directory_is_told),
        T(second_reader_sees_the_same),
        T(second_reader_sees_the_same_in_packed_segments),
        T(second_reader_sees_the_same_in_encrypted_segments),
        T(second_reader_sees_the_same_in_packed_and_encrypted_segments),
        T(side_files_and_encrypted_segments_are_listed),
    };
    return cmocka_run_group_tests_name("spool inspect", tests, NULL, NULL);
}
