/* SPDX-License-Identifier: Apache-2.0
 *
 * Hand-made changes for tests of what consumes them. Tuples live until rows_free.
 *
 *   struct column c[] = {{"id", 23, -1, true}, {"note", 25, -1, false}};
 *   struct relation r = rows_relation(1, "public", "t", 'd', c, 2);
 *   struct change i = rows_insert(&r, ROW("1", NULL));
 */
#ifndef TG_TESTS_LIB_ROWS_H
#define TG_TESTS_LIB_ROWS_H

#include "agent/change/change.h"

/* As a text in ROW: a value that the source did not send. */
extern const char *const ROW_UNCHANGED;

struct relation rows_relation(uint32_t id, const char *schema, const char *name, char identity,
    struct column *columns, uint16_t len);
/* Text values; NULL is NULL. */
struct tuple rows_tuple(const char *const *texts, uint16_t len);
#define ROW(...)                                                                                   \
    rows_tuple((const char *const[]){__VA_ARGS__},                                                 \
        sizeof((const char *const[]){__VA_ARGS__}) / sizeof(const char *))
/* Replaces one value by binary bytes. */
void rows_binary(struct tuple t, uint16_t column, const void *bytes, size_t len);
void rows_int4(struct tuple t, uint16_t column, int32_t v);
/* A row of two binary int4. */
struct tuple rows_ints(int32_t a, int32_t b);
void rows_free(void);

/* Position 16/B374D848, ordinal 3. */
struct change rows_insert(const struct relation *r, struct tuple new);
struct change rows_update(const struct relation *r, struct tuple new);
struct change rows_update_key(const struct relation *r, struct tuple old, struct tuple new);
struct change rows_update_full(const struct relation *r, struct tuple old, struct tuple new);
struct change rows_delete(const struct relation *r, struct tuple old);
struct change rows_delete_full(const struct relation *r, struct tuple old);

#endif
