/* SPDX-License-Identifier: Apache-2.0
 *
 * Keys find their fields, and what does not fit is refused at its place. The folder bad/ holds
 * files of which the first line says the error that they must give.
 */
#include <dirent.h>

#include "config/bind.h"
#include "tests/unit/config/support.h"

static void
every_section_reaches_its_fields(void **state)
{
    (void)state;
    struct config *c =
        load_good("name: n\n"
                  "source:\n"
                  "  dsn: postgresql://old/orders\n"
                  "  slot: s\n"
                  "  publication: P\n"
                  "tables: {include: [public.*, 'sales.?'], exclude: [public.log], "
                  "without_identity: refuse}\n"
                  "schema: {copy: false, owner: no, grants: off}\n"
                  "copy: {jobs: 9, index_jobs: 3, split_above: 2GiB, analyze: false}\n"
                  "spool: {path: /s, max_size: 200GiB, min_free: 0, segment_size: 32MiB, "
                  "sync_interval: 10ms}\n"
                  "sinks:\n"
                  "  - {name: a, dsn: 'postgresql://a/orders', group_transactions: 1}\n"
                  "  - {name: b, type: 'null', group_bytes: 1MiB, inflight_bytes: 1MiB}\n"
                  "control: {socket: /c, listen: '127.0.0.1:7720'}\n"
                  "cutover: {fence: none, verify: false, timeout: 5m, exempt: [backup]}\n"
                  "network: {timeout: 5s, retry_max: 1s, give_up: 1h}\n"
                  "log: {level: debug, format: json}\n");
    assert_string_equal(c->source.slot, "s");
    assert_string_equal(c->source.publication, "P");
    assert_int_equal(c->tables.include.len, 2);
    assert_string_equal(c->tables.include.items[1], "sales.?");
    assert_string_equal(c->tables.exclude.items[0], "public.log");
    assert_int_equal(c->tables.without_identity, IDENTITY_REFUSE);
    assert_false(c->schema.copy || c->schema.owner || c->schema.grants);
    assert_int_equal(c->copy.jobs + c->copy.index_jobs, 12);
    assert_int_equal(c->copy.split_above, 2LL << 30);
    assert_false(c->copy.analyze);
    assert_string_equal(c->spool.path, "/s");
    assert_int_equal(c->spool.min_free, 0);
    assert_int_equal(c->spool.sync_interval_us, 10000);
    assert_int_equal(c->sinks_len, 2);
    assert_int_equal(c->sinks[0].group_transactions, 1);
    assert_int_equal(c->sinks[0].group_bytes, 4 << 20);
    assert_string_equal(c->sinks[1].type, "null");
    assert_null(c->sinks[1].dsn);
    assert_string_equal(c->control.listen, "127.0.0.1:7720");
    assert_string_equal(c->cutover.exempt.items[0], "backup");
    assert_int_equal(c->network.give_up_us, 3600000000LL);
    assert_int_equal(c->log.format, 1);
    config_free(c);
}

static void
a_section_of_comments_is_as_good_as_absent(void **state)
{
    (void)state;
    struct config *c = load_good(SMALL "copy:\n  # jobs: 9\nlog:\n");
    assert_int_equal(c->copy.jobs, 4);
    config_free(c);
}

static void
references_work_in_every_kind_of_value(void **state)
{
    (void)state;
    struct config *c = load_good("source: {dsn: '${env:SOURCE_DSN}'}\n"
                                 "copy: {jobs: '${env:JOBS}'}\n"
                                 "tables: {include: ['s${env:JOBS}.*']}\n"
                                 "sinks: [{name: t, dsn: '${file:/run/secrets/dsn}'}]\n");
    assert_string_equal(c->source.dsn, "postgresql://mover:s0urce-pw@old/orders");
    assert_string_equal(c->sinks[0].dsn, "postgresql://mover@new/orders");
    assert_int_equal(c->copy.jobs, 7);
    assert_string_equal(c->tables.include.items[0], "s7.*");
    config_free(c);
}

static void
sinks_are_limited(void **state)
{
    (void)state;
    struct buf yaml;
    buf_init(&yaml, 65536);
    buf_str(&yaml, "source: {dsn: ''}\nsinks:\n");
    for (int i = 0; i < CONFIG_SINKS_MAX + 1; i++) {
        buf_printf(&yaml, "- {name: s%d, type: 'null'}\n", i);
    }
    expect_error(buf_cstr(&yaml), "t.yaml:19:3: more than 16 sinks");
    buf_done(&yaml);
}

/* "# expect: MESSAGE" is the first line; the message's file is the last part of the path. */
static void
check_bad_file(const char *name)
{
    char path[512], text[4096], message[1024];
    struct config *c = NULL;
    struct err err = ERR_INIT;
    struct config_input in = input();
    snprintf(path, sizeof(path), "tests/unit/config/bad/%s", name);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    size_t len = fread(text, 1, sizeof(text) - 1, f);
    fclose(f);
    text[len] = '\0';
    assert_memory_equal(text, "# expect: ", 10);
    snprintf(message, sizeof(message), "%s:%.*s", name, (int)strcspn(text + 10, "\n"), text + 10);
    in.file = name;
    if (config_load_text(&in, text, len, &c, &err)) {
        fail_msg("%s was accepted", name);
    }
    assert_string_equal(err.text, message);
}

static void
every_bad_file_gives_the_error_it_says(void **state)
{
    (void)state;
    int n = 0;
    DIR *dir = opendir("tests/unit/config/bad");
    assert_non_null(dir);
    for (struct dirent *e = readdir(dir); e; e = readdir(dir)) {
        if (strstr(e->d_name, ".yaml")) {
            check_bad_file(e->d_name);
            n++;
        }
    }
    closedir(dir);
    assert_true(n >= 30);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_section_reaches_its_fields),
        cmocka_unit_test(a_section_of_comments_is_as_good_as_absent),
        cmocka_unit_test(references_work_in_every_kind_of_value),
        cmocka_unit_test(sinks_are_limited),
        cmocka_unit_test(every_bad_file_gives_the_error_it_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
