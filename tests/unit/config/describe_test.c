/* SPDX-License-Identifier: Apache-2.0
 *
 * The generated texts: they are what stands in the tree, they hold every option, and they load.
 * UPDATE_DOCS=1 in the environment writes the files instead of comparing them.
 */
#include <jansson.h>
#include <regex.h>

#include "config/describe.h"
#include "config/options.h"
#include "config/value.h"
#include "tests/unit/config/support.h"

static char *
generated(void (*describe)(struct buf *out))
{
    struct buf out;
    struct err err = ERR_INIT;
    buf_init(&out, DESCRIBE_MAX);
    describe(&out);
    assert_true(buf_ok(&out, "text", &err));
    char *text = strdup(buf_cstr(&out));
    buf_done(&out);
    return text;
}

static char *
content(const char *path)
{
    FILE *f = fopen(path, "r");
    if (!f) {
        return strdup("");
    }
    char *text = calloc(1, DESCRIBE_MAX);
    size_t n = fread(text, 1, DESCRIBE_MAX - 1, f);
    text[n] = '\0';
    fclose(f);
    return text;
}

static void
write_text(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static bool
updating(void)
{
    return getenv("UPDATE_DOCS") != NULL;
}

static void
same_as_file(const char *path, void (*describe)(struct buf *out))
{
    char *now = generated(describe);
    if (updating()) {
        write_text(path, now);
    }
    char *tree = content(path);
    if (strcmp(now, tree) != 0) {
        fail_msg("%s is stale: run this test with UPDATE_DOCS=1", path);
    }
    free(now);
    free(tree);
}

static void
the_reference_in_the_tree_is_up_to_date(void **state)
{
    (void)state;
    same_as_file("config/REFERENCE.md", describe_reference);
}

static void
the_schema_in_the_tree_is_up_to_date(void **state)
{
    (void)state;
    same_as_file("config/tidegate.schema.json", describe_schema);
}

static void
the_manual_page_holds_the_options(void **state)
{
    (void)state;
    const char *path = "config/tidegate.yaml.5.md";
    char *page = content(path), *options = generated(describe_man);
    char *begin = strstr(page, "<!-- begin options");
    char *end = strstr(page, "\n<!-- end options -->");
    assert_true(begin && end);
    begin = strchr(begin, '\n');
    if (updating()) {
        struct buf out;
        buf_init(&out, DESCRIBE_MAX);
        buf_printf(&out, "%.*s\n\n%s%s", (int)(begin - page), page, options, end);
        write_text(path, buf_cstr(&out));
        buf_done(&out);
    } else if ((size_t)(end - begin) != strlen(options) + 2 ||
               strncmp(begin + 2, options, strlen(options)) != 0) {
        fail_msg("%s is stale: run this test with UPDATE_DOCS=1", path);
    }
    free(page);
    free(options);
}

static void
every_option_stands_in_reference_manual_and_schema(void **state)
{
    (void)state;
    char *reference = generated(describe_reference), *man = generated(describe_man);
    for (size_t i = 0; i < option_count; i++) {
        char quoted[80];
        snprintf(quoted, sizeof(quoted), "`%s`\n", option_table[i].path);
        assert_non_null(strstr(reference, quoted));
        assert_non_null(strstr(man, quoted));
    }
    free(reference);
    free(man);
}

static void
the_example_loads_as_it_is(void **state)
{
    (void)state;
    char *example = generated(describe_example);
    struct config *c = load_good(example);
    assert_string_equal(c->name, "orders");
    assert_int_equal(c->sinks_len, 1);
    config_free(c);
    free(example);
}

/* "  # key: value" becomes "  key: value"; prose does not look like that. */
static char *
uncommented(const char *example)
{
    struct buf out;
    regex_t re;
    buf_init(&out, DESCRIBE_MAX);
    assert_int_equal(regcomp(&re, "^ *# [a-z_]+: [^ ]+$", REG_EXTENDED | REG_NOSUB), 0);
    while (*example) {
        char line[256];
        size_t len = strcspn(example, "\n");
        snprintf(line, sizeof(line), "%.*s", (int)len, example);
        if (regexec(&re, line, 0, NULL, 0) == 0) {
            char *hash = strstr(line, "# ");
            memmove(hash, hash + 2, strlen(hash + 2) + 1);
        }
        buf_printf(&out, "%s\n", line);
        example += len + 1;
    }
    regfree(&re);
    char *text = strdup(buf_cstr(&out));
    buf_done(&out);
    return text;
}

static void
the_example_loads_with_every_line_in_force(void **state)
{
    (void)state;
    char *example = generated(describe_example), *all = uncommented(example);
    struct config *c = load_good(all);
    assert_string_equal(c->control.listen, "127.0.0.1:7720");
    assert_string_equal(c->spool.path, "/var/lib/tidegate/orders");
    config_free(c);
    for (size_t i = 0; i < option_count; i++) {
        char line[80];
        snprintf(line, sizeof(line), "%s: ", option_key(&option_table[i]));
        assert_true((option_table[i].flags & OPTION_PLANNED) || strstr(all, line));
    }
    free(example);
    free(all);
}

static void
the_example_file_loads(void **state)
{
    (void)state;
    char *text = content("config/examples/pg-to-pg.yaml");
    struct config *c = load_good(text);
    assert_int_equal(c->spool.max_size, 200LL << 30);
    config_free(c);
    free(text);
}

static void
the_example_of_several_targets_loads(void **state)
{
    (void)state;
    char *text = content("config/examples/several-targets.yaml");
    struct config *c = load_good(text);
    assert_int_equal(c->sinks_len, 2);
    assert_int_equal(c->sinks[1].on_error, ON_ERROR_DEAD_LETTER);
    config_free(c);
    free(text);
}

static void
effective(const struct config *c, struct buf *out)
{
    buf_init(out, DESCRIBE_MAX);
    describe_effective(c, out);
}

static void
what_is_shown_loads_to_the_same(void **state)
{
    (void)state;
    struct config *a = load_good("name: n\ntables: {include: ['a.*', '*.\"x y\"']}\n" SMALL
                                 "copy: {split_above: 100MB}\ncontrol: {listen: '[::1]:1'}\n"
                                 "spool: {path: '/a $${b}'}\n");
    struct buf first, second;
    effective(a, &first);
    struct config *b = NULL;
    struct err err;
    struct config_input in = input();
    in.source = "postgresql://old/orders"; /* the *** of the file are no connection strings */
    in.target = "postgresql://new/orders";
    if (!load_with(&in, buf_cstr(&first), &b, &err)) {
        fail_msg("%s\n%s", err.text, buf_cstr(&first));
    }
    effective(b, &second);
    assert_string_equal(buf_cstr(&first), buf_cstr(&second));
    assert_string_equal(b->spool.path, "/a ${b}");
    buf_done(&first);
    buf_done(&second);
    config_free(a);
    config_free(b);
}

static void
what_is_shown_holds_no_secret(void **state)
{
    (void)state;
    struct buf out;
    struct config *c = load_good("source: {dsn: '${env:SOURCE_DSN}'}\n"
                                 "sinks: [{name: t, dsn: 'host=x password=hunter2'}]\n");
    effective(c, &out);
    assert_null(strstr(buf_cstr(&out), "s0urce-pw"));
    assert_null(strstr(buf_cstr(&out), "hunter2"));
    assert_non_null(strstr(buf_cstr(&out), "dsn: \"***\"\n"));
    buf_done(&out);
    config_free(c);
}

static void
without_sinks_an_empty_list_is_shown(void **state)
{
    (void)state;
    struct buf out;
    struct config *c = NULL;
    struct err err;
    struct config_input in = input();
    in.client_only = true;
    assert_true(load_with(&in, NULL, &c, &err));
    effective(c, &out);
    assert_non_null(strstr(buf_cstr(&out), "\nsinks: []\n"));
    buf_done(&out);
    config_free(c);
}

static void
the_help_has_one_line_for_each_option_with_its_default(void **state)
{
    (void)state;
    char *help = generated(describe_help);
    size_t lines = 0;
    for (const char *p = help; (p = strchr(p, '\n')) != NULL; p++) {
        lines++;
    }
    assert_int_equal(lines, option_count);
    for (size_t i = 0; i < option_count; i++) {
        assert_non_null(strstr(help, option_table[i].path));
    }
    assert_non_null(strstr(help, "  name                       Name of the migration\n"));
    assert_non_null(strstr(help, " (4)\n"));
    free(help);
}

static void
the_schema_is_json_and_knows_every_option(void **state)
{
    (void)state;
    char *schema = generated(describe_schema);
    json_error_t error;
    json_t *root = json_loads(schema, 0, &error);
    if (!root) {
        fail_msg("line %d: %s", error.line, error.text);
    }
    const json_t *top = json_object_get(root, "properties");
    for (size_t i = 0; i < option_count; i++) {
        const struct option *o = &option_table[i];
        char section[64];
        snprintf(section, sizeof(section), "%.*s", (int)strcspn(o->path, "[."), o->path);
        const json_t *in = json_object_get(top, section);
        if (option_of_sink(o)) {
            in = json_object_get(json_object_get(in, "items"), "properties");
        } else if (strchr(o->path, '.')) {
            in = json_object_get(in, "properties");
        } else {
            in = top;
        }
        bool planned = (o->flags & OPTION_PLANNED) != 0;
        assert_int_equal(json_object_get(in, option_key(o)) != NULL, !planned);
    }
    json_decref(root);
    free(schema);
}

static void
lines_are_broken_between_words(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, 256);
    describe_wrapped(&out, "# ", "one two three, averyveryverylongword end", 10);
    assert_string_equal(buf_cstr(&out), "# one two\n# three,\n# averyveryverylongword\n# end\n");
    buf_done(&out);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_reference_in_the_tree_is_up_to_date),
        cmocka_unit_test(the_schema_in_the_tree_is_up_to_date),
        cmocka_unit_test(the_manual_page_holds_the_options),
        cmocka_unit_test(every_option_stands_in_reference_manual_and_schema),
        cmocka_unit_test(the_example_loads_as_it_is),
        cmocka_unit_test(the_example_loads_with_every_line_in_force),
        cmocka_unit_test(the_example_file_loads),
        cmocka_unit_test(the_example_of_several_targets_loads),
        cmocka_unit_test(what_is_shown_loads_to_the_same),
        cmocka_unit_test(what_is_shown_holds_no_secret),
        cmocka_unit_test(without_sinks_an_empty_list_is_shown),
        cmocka_unit_test(the_help_has_one_line_for_each_option_with_its_default),
        cmocka_unit_test(the_schema_is_json_and_knows_every_option),
        cmocka_unit_test(lines_are_broken_between_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
