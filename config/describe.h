/* SPDX-License-Identifier: Apache-2.0
 *
 * Everything that is said about the configuration, generated from the option table. The files in
 * the tree that hold these texts are compared with them by a unit test.
 *
 * All append to `out`; give it a ceiling of DESCRIBE_MAX and check buf_ok once.
 */
#ifndef TG_CONFIG_DESCRIBE_H
#define TG_CONFIG_DESCRIBE_H

#include <stddef.h>

#include "agent/base/buf.h"
#include "config/config.h"

#define DESCRIBE_MAX ((size_t)1024 * 1024)

void describe_reference(struct buf *out); /* Markdown: config/REFERENCE.md */
void describe_example(struct buf *out);   /* YAML that loads, every option with its meaning */
void describe_schema(struct buf *out);    /* JSON Schema, draft 7: config/tidegate.schema.json */
void describe_man(struct buf *out);       /* Markdown for pandoc: the options of tidegate.yaml(5) */
void describe_help(struct buf *out);      /* "  copy.jobs    ... (4)": a line for each option */
/* The configuration as YAML that would load to the same, secrets as ***. */
void describe_effective(const struct config *c, struct buf *out);

/* Breaks `text` into lines of at most `width` characters, each begun by `prefix`. */
void describe_wrapped(struct buf *out, const char *prefix, const char *text, size_t width);

#endif
