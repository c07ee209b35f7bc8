/* SPDX-License-Identifier: Apache-2.0
 *
 * The tree, its places, and the texts that YAML allows and a configuration does not.
 */
#include "agent/base/buf.h"
#include "config/document.h"
#include "tests/lib/unit.h"

static void
refused(const char *text, size_t len, const char *message)
{
    struct document d;
    struct err err = ERR_INIT;
    assert_false(document_parse(text, len, "t.yaml", &d, &err));
    assert_string_equal(err.text, message);
    assert_int_equal(err.class, ERR_CONFIG);
}

static struct document
parsed(const char *text)
{
    struct document d;
    struct err err = ERR_INIT;
    if (!document_parse(text, strlen(text), "t.yaml", &d, &err)) {
        fail_msg("%s", err.text);
    }
    return d;
}

static void
keeps_the_place_of_every_key_and_value(void **state)
{
    (void)state;
    struct document d = parsed("a: 1\nb:\n  c: [x, 'y']\n");
    const struct document_node *b = d.root->last;
    const struct document_node *c = b->first;
    assert_int_equal(d.root->children, 2);
    assert_string_equal(b->key, "b");
    assert_int_equal(b->key_at.line, 2);
    assert_int_equal(c->key_at.line, 3);
    assert_int_equal(c->key_at.column, 3);
    assert_int_equal(c->kind, DOCUMENT_LIST);
    assert_int_equal(c->at.column, 6);
    assert_true(c->first->plain);
    assert_string_equal(c->last->text, "y");
    assert_false(c->last->plain);
    document_done(&d);
}

static void
an_empty_text_has_no_root(void **state)
{
    (void)state;
    struct document d = parsed("# only a comment\n");
    assert_null(d.root);
    document_done(&d);
}

static void
a_key_without_value_is_empty_but_quotes_are_not(void **state)
{
    (void)state;
    struct document d = parsed("a:\nb: ''\nc: ~\n");
    assert_true(document_is_empty(d.root->first));
    assert_false(document_is_empty(d.root->first->next));
    assert_true(document_is_empty(d.root->last));
    document_done(&d);
}

static void
a_byte_order_mark_is_no_part_of_the_first_key(void **state)
{
    (void)state;
    struct document d = parsed("\xef\xbb\xbf"
                               "a: 1\n");
    assert_string_equal(d.root->first->key, "a");
    document_done(&d);
}

static void
a_duplicate_key_names_both_lines(void **state)
{
    (void)state;
    const char *text = "a: 1\nb: 2\na: 3\n";
    refused(text, strlen(text), "t.yaml:3:1: duplicate key 'a', first given in line 1");
}

static void
anchors_aliases_and_tags_are_refused(void **state)
{
    (void)state;
    refused("a: &x 1\n", 8, "t.yaml:1:4: anchors (&x) are not supported");
    refused("a: *x\n", 6,
        "t.yaml:1:4: aliases (*x) are not supported; a value that begins with * must stand in "
        "quotes");
    refused("a: !!int 1\n", 11, "t.yaml:1:4: tags (tag:yaml.org,2002:int) are not supported");
    refused("&x {a: 1}\n", 10, "t.yaml:1:1: anchors (&x) are not supported");
    refused("a: !b [1]\n", 10, "t.yaml:1:4: tags (!b) are not supported");
}

static void
keys_must_be_plain_words(void **state)
{
    (void)state;
    refused("? [a]\n: 1\n", 10, "t.yaml:1:3: a key must be a plain word");
    refused("{a: 1}: 2\n", 10, "t.yaml:1:1: a key must be a plain word");
}

static void
a_second_document_is_refused(void **state)
{
    (void)state;
    refused("a: 1\n---\nb: 2\n", 14, "t.yaml:2:1: more than one document in the file");
}

static void
broken_yaml_says_where(void **state)
{
    (void)state;
    struct document d;
    struct err err = ERR_INIT;
    const char *text = "a: 1\nb: [1, 2\nc: 3\n";
    assert_false(document_parse(text, strlen(text), "t.yaml", &d, &err));
    assert_memory_equal(err.text, "t.yaml:3:", 9);
    assert_non_null(strstr(err.text, "not valid YAML"));
}

static void
a_bare_reference_in_braces_gets_a_hint(void **state)
{
    (void)state;
    struct document d;
    struct err err = ERR_INIT;
    const char *text = "a: 1\nsource: {dsn: ${env:DSN}}\n";
    assert_false(document_parse(text, strlen(text), "t.yaml", &d, &err));
    assert_memory_equal(err.text, "t.yaml:2:", 9);
    assert_string_equal(err.hint, "inside { } and [ ] a value with ${...} must stand in quotes");
    err = ERR_INIT;
    text = "a: ${x}\nb: [1, 2\nc: 3\n";
    assert_false(document_parse(text, strlen(text), "t.yaml", &d, &err));
    assert_string_equal(err.hint, "");
}

static void
bytes_that_are_no_utf8_say_where(void **state)
{
    (void)state;
    struct document d;
    struct err err = ERR_INIT;
    assert_false(document_parse("a: 1\nb: \xff\n", 10, "t.yaml", &d, &err));
    assert_memory_equal(err.text, "t.yaml:2:4:", 11);
}

static void
a_nul_byte_is_refused(void **state)
{
    (void)state;
    struct document d;
    struct err err = ERR_INIT;
    refused("a: \"x\\0y\"\n", 10, "t.yaml:1:4: a NUL byte inside a value");
    assert_false(document_parse("a: x\0y\n", 7, "t.yaml", &d, &err));
}

static void
nesting_is_limited(void **state)
{
    (void)state;
    char text[400];
    memset(text, '[', 200);
    memset(text + 200, ']', 200);
    refused(text, 400, "t.yaml:1:13: nested more than 12 deep");
}

static void
the_members_of_a_mapping_are_limited(void **state)
{
    (void)state;
    struct buf text;
    buf_init(&text, 1 << 20);
    for (int i = 0; i < 300; i++) {
        buf_printf(&text, "k%d: 1\n", i);
    }
    refused(buf_cstr(&text), text.len, "t.yaml:257:1: more than 256 keys in one place");
    buf_done(&text);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_the_place_of_every_key_and_value),
        cmocka_unit_test(an_empty_text_has_no_root),
        cmocka_unit_test(a_key_without_value_is_empty_but_quotes_are_not),
        cmocka_unit_test(a_byte_order_mark_is_no_part_of_the_first_key),
        cmocka_unit_test(a_duplicate_key_names_both_lines),
        cmocka_unit_test(anchors_aliases_and_tags_are_refused),
        cmocka_unit_test(keys_must_be_plain_words),
        cmocka_unit_test(a_second_document_is_refused),
        cmocka_unit_test(broken_yaml_says_where),
        cmocka_unit_test(a_bare_reference_in_braces_gets_a_hint),
        cmocka_unit_test(bytes_that_are_no_utf8_say_where),
        cmocka_unit_test(a_nul_byte_is_refused),
        cmocka_unit_test(nesting_is_limited),
        cmocka_unit_test(the_members_of_a_mapping_are_limited),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
