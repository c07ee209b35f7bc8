/* SPDX-License-Identifier: Apache-2.0
 *
 * A YAML file as a tree of mappings, lists and scalars, each with its line and column, before
 * anybody asks what the keys mean. The subset that a configuration needs: one document, keys are
 * plain words, and no anchors, aliases or tags (one value must not be able to stand for a million).
 *
 * Every node belongs to the document's arena.
 */
#ifndef TG_CONFIG_DOCUMENT_H
#define TG_CONFIG_DOCUMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/arena.h"
#include "agent/base/err.h"

struct mark {
    uint32_t line, column; /* counted from 1; line 0: stands in no file */
};

enum document_kind { DOCUMENT_SCALAR, DOCUMENT_LIST, DOCUMENT_MAP };

struct document_node {
    enum document_kind kind;
    struct mark at;     /* of the value */
    struct mark key_at; /* of the key, for a member of a mapping */
    const char *key;    /* NULL for an element of a list and for the root */
    const char *text;   /* of a scalar, free of NUL bytes inside */
    bool plain;         /* scalar written without quotes */
    size_t children;
    struct document_node *parent, *first, *last, *next;
};

struct document {
    struct arena arena;
    struct document_node *root; /* NULL: the text holds no value */
};

/* `file` is the name used in messages. On false nothing is left to free. */
bool document_parse(
    const char *text, size_t len, const char *file, struct document *out, struct err *err) must_use;
void document_done(struct document *d); /* accepts an all-zero document */

/* A key without a value, or with ~ or nothing behind it. */
bool document_is_empty(const struct document_node *n);

/* Fills err (ERR_CONFIG) with "file:line:column: ..."; returns false. `file` may be NULL. */
bool document_error(struct err *err, const char *file, struct mark at, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

#endif
