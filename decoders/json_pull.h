/* SPDX-License-Identifier: Apache-2.0
 *
 * Reads JSON one step at a time, as somebody who knows what comes asks for it. Numbers are handed
 * out as they stand, never converted. Nothing past the input is read, whatever it is; the first
 * thing that is wrong stays, and every later call fails.
 */
#ifndef TG_DECODERS_JSON_PULL_H
#define TG_DECODERS_JSON_PULL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/arena.h"
#include "agent/base/buf.h"

struct json_pull {
    const uint8_t *start, *at, *end;
    struct arena *arena; /* strings with escapes are put there */
    const char *wrong;   /* NULL: nothing so far */
    bool no_memory;
    bool first; /* the next member or item is the first one */
};

enum json_kind { JSON_STRING = 1, JSON_NUMBER, JSON_TRUE, JSON_FALSE, JSON_NULL };

struct json_scalar {
    enum json_kind kind;
    struct slice text; /* of a string: without quotes and escapes; else as it stands */
};

void json_pull_init(struct json_pull *p, struct slice input, struct arena *arena);
/* '{' or '['. */
bool json_pull_open(struct json_pull *p, char bracket);
/* Of an object: true with the next member's name, its value comes next; false at its end. */
bool json_pull_member(struct json_pull *p, struct slice *name);
/* Of an array: true when another item comes next; false at its end. */
bool json_pull_item(struct json_pull *p);
bool json_pull_scalar(struct json_pull *p, struct json_scalar *out);
/* Any value, unread. */
bool json_pull_skip(struct json_pull *p);
bool json_pull_ok(const struct json_pull *p);
/* Says what is wrong; the first that does. False. */
bool json_pull_refuse(struct json_pull *p, const char *why);

#endif
