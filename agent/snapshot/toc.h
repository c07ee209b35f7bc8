/* SPDX-License-Identifier: Apache-2.0
 *
 * A schema script taken apart: pg_restore writes one text with many statements; here it becomes
 * entries that can be executed, recorded and scheduled one by one. Pure.
 */
#ifndef TG_SNAPSHOT_TOC_H
#define TG_SNAPSHOT_TOC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/err.h"

/* Strings are borrowed from the toc. */
struct toc_entry {
    uint32_t id;        /* in the dump; what `deps` name */
    uint32_t class_oid; /* catalog and object on the source; 0 for comments, privileges ... */
    uint32_t object_oid;
    const char *type;   /* "TABLE", "FK CONSTRAINT", ... */
    const char *schema; /* "-": none */
    const char *name;   /* as pg_restore shows it: "orders orders_pkey" for parts of a table */
    const char *sql;    /* one or several statements */
    /* Settings in force for it, as SQL values (name, "na me" or ''); NULL: not set. */
    const char *tablespace, *access_method;
    const uint32_t *deps; /* dump ids */
    size_t deps_len;
};

struct toc {
    struct toc_entry *items; /* in the order of the script */
    size_t len;
    char *text;     /* holds all strings */
    uint32_t *deps; /* holds all dependencies */
};

/* `list` is what `pg_restore --list` says of a section, `script` what `pg_restore --verbose --file`
 * makes of the same section; both are only read. Text that looks like a header inside a function
 * body or a comment is told apart by the list: the next header must be that of the next entry.
 * ERR_FATAL when the two do not fit together. */
bool toc_parse(const char *list, const char *script, struct toc *out, struct err *err) must_use;
void toc_free(struct toc *t); /* accepts an all-zero one */

#endif
