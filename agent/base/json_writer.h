/* SPDX-License-Identifier: Apache-2.0
 *
 * Append-only JSON emitter into a struct buf: commas and escaping are its duty, structure is the
 * caller's (checked by assert). Strings must be UTF-8; other bytes come out as \ufffd.
 */
#ifndef TG_BASE_JSON_WRITER_H
#define TG_BASE_JSON_WRITER_H

#include "agent/base/buf.h"

struct json_writer {
    struct buf *out;
    int depth;
    bool need_comma[32];
    bool after_key;
};

void json_init(struct json_writer *w, struct buf *out);
void json_object_begin(struct json_writer *w);
void json_object_end(struct json_writer *w);
void json_array_begin(struct json_writer *w);
void json_array_end(struct json_writer *w);
void json_key(struct json_writer *w, const char *key);
void json_string(struct json_writer *w, const char *s); /* NULL gives null */
void json_string_n(struct json_writer *w, const void *s, size_t len);
void json_u64(struct json_writer *w, uint64_t v);
void json_i64(struct json_writer *w, int64_t v);
void json_double(struct json_writer *w, double v); /* not finite gives null */
void json_bool(struct json_writer *w, bool v);
void json_null(struct json_writer *w);
/* key and value in one call */
void json_kv_string(struct json_writer *w, const char *key, const char *s);
void json_kv_u64(struct json_writer *w, const char *key, uint64_t v);
void json_kv_i64(struct json_writer *w, const char *key, int64_t v);
void json_kv_double(struct json_writer *w, const char *key, double v);
void json_kv_bool(struct json_writer *w, const char *key, bool v);

#endif
