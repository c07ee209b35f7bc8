/* SPDX-License-Identifier: Apache-2.0
 *
 * Documents about dead letters as text for people. Pure.
 */
#ifndef TG_CLI_LETTERS_VIEW_H
#define TG_CLI_LETTERS_VIEW_H

#include <stdbool.h>

#include "agent/base/buf.h"
#include "agent/base/err.h"

struct json_t; /* of jansson */
struct column_mask;

/* Two lines for each of an array of letters. */
void letters_view_list(struct buf *out, const struct json_t *letters);
/* One object in one line: the letter and its change. With a mask, error and key are hidden too,
 * because they may hold values. */
bool letters_view_change(struct buf *out, const struct json_t *letter, struct column_mask *mask,
    struct err *err) must_use;
/* A line for each letter that was not applied; counts both kinds. */
void letters_view_results(
    struct buf *out, const struct json_t *results, size_t *applied, size_t *kept);

#endif
