/* SPDX-License-Identifier: Apache-2.0
 *
 * Lays a document over the option table: every key finds its row and every row its field, or there
 * is an error at the key's place.
 */
#ifndef TG_CONFIG_BIND_H
#define TG_CONFIG_BIND_H

#include <stdbool.h>

#include "config/config.h"
#include "config/document.h"
#include "config/options.h"
#include "config/secret.h"

/* Where each value stands in the file (line 0: nowhere), by option_index, for errors found later.
 */
struct config_marks {
    struct mark at[OPTIONS_MAX];
    struct mark sink[CONFIG_SINKS_MAX];
    struct mark sink_at[CONFIG_SINKS_MAX][OPTIONS_MAX];
};

struct bind {
    const char *file; /* name for messages */
    const struct secret_source *secrets;
    bool skip_secrets; /* secrets that are references stay unset and are not looked up, */
    bool keys;         /* but for the keys of the spool */
    struct config *config;
    struct config_marks *marks;
};

bool bind_document(struct bind *b, const struct document *d, struct err *err) must_use;

/* Fills in the defaults of everything but sinks. */
void bind_defaults(struct config *c);
/* A new sink with its defaults; NULL when there are CONFIG_SINKS_MAX already. */
struct sink_config *bind_new_sink(struct config *c);

#endif
