/* SPDX-License-Identifier: Apache-2.0
 *
 * References in values: ${env:NAME} stands for an environment variable, ${file:/path} for the
 * content of a file without its last newline, ${command:...} for what a shell command prints, in
 * secrets alone, $${ for the two characters "${". They may be a whole value or a part of it, and
 * are replaced once: what they bring in is not looked at again.
 *
 * What a reference brings into a secret, and every file's content, is registered with
 * log_add_secret. Error texts name the reference, never what it stands for.
 */
#ifndef TG_CONFIG_SECRET_H
#define TG_CONFIG_SECRET_H

#include <stdbool.h>

#include "agent/base/buf.h"
#include "agent/base/err.h"

#define SECRET_MAX ((size_t)64 * 1024) /* bytes of one value after replacement */

/* Where references are looked up; tests bring their own. */
struct secret_source {
    const char *(*env)(void *arg, const char *name); /* NULL: not set */
    /* Appends the file's content as it is. */
    bool (*file)(void *arg, const char *path, struct buf *out, struct err *err);
    /* Appends what the command prints; false unless it ends well. */
    bool (*command)(void *arg, const char *command, struct buf *out, struct err *err);
    void *arg;
};

extern const struct secret_source secret_system;

bool secret_has_reference(const char *text); /* or an escape that secret_expand would replace */
/* Appends `text` with its references replaced. `out` needs a ceiling of at least SECRET_MAX, and
 * should be wiped by secret_wipe. */
bool secret_expand(const char *text, bool secret, const struct secret_source *source,
    struct buf *out, struct err *err) must_use;
/* buf_done that leaves no copy behind. */
void secret_wipe(struct buf *b);
/* free that leaves no copy behind; accepts NULL. */
void secret_free(char *s);

#endif
