/* SPDX-License-Identifier: Apache-2.0
 *
 * One option's value: from text into its field, checked against the row's limits, and back.
 * `base` is the struct that the row's offset counts in: struct config, or struct sink_config.
 */
#ifndef TG_CONFIG_VALUE_H
#define TG_CONFIG_VALUE_H

#include <stdbool.h>

#include "agent/base/buf.h"
#include "agent/base/err.h"
#include "config/config.h"
#include "config/options.h"

/* Replaces the field's value. `shown` is the text that an error quotes: what the user wrote, before
 * references were replaced. A secret is never quoted. Not for lists. */
bool value_set(const struct option *o, void *base, const char *text, const char *shown,
    struct err *err) must_use;
/* Adds to a list. */
bool value_append(const struct option *o, void *base, const char *text, const char *shown,
    struct err *err) must_use;
/* Writes the row's default; fields without one stay as they are. Aborts on a default that its own
 * row refuses: that is a mistake in the table. */
void value_set_default(const struct option *o, void *base);

/* Appends the value as YAML would write it; nothing when it is not set. Secrets come out as ***. */
void value_format(const struct option *o, const void *base, struct buf *out);
bool value_is_set(const struct option *o, const void *base);
void value_free(const struct option *o, void *base);

/* Appends what the row accepts, as a phrase: "a whole number from 1 to 64". */
void value_expected(const struct option *o, struct buf *out);
/* Appends a number in the row's unit, exactly: 67108864 bytes are "64MiB". */
void value_format_number(const struct option *o, uint64_t number, struct buf *out);
/* Appends a YAML scalar, in double quotes where it needs them. */
void value_format_string(const char *s, struct buf *out);

#endif
