/* SPDX-License-Identifier: Apache-2.0
 *
 * What the linker makes of a call to X: __wrap_X, which can call the product's own as __real_X.
 */
#ifndef TG_TESTS_SIM_WRAP_H
#define TG_TESTS_SIM_WRAP_H

#include "agent/pipeline/table_sync.h"
#include "agent/spool/schemas.h"
#include "agent/spool/spool.h"

uint64_t __real_spool_durable(const struct spool *s);
uint64_t __wrap_spool_durable(const struct spool *s);
bool __real_spool_append(struct spool *s, const struct record *rec, struct err *err);
bool __wrap_spool_append(struct spool *s, const struct record *rec, struct err *err);
bool __real_spool_retire(struct spool *s, uint64_t position, struct err *err);
bool __wrap_spool_retire(struct spool *s, uint64_t position, struct err *err);
bool __real_spool_reader_open(
    struct spool *s, uint64_t position, struct spool_reader **out, struct err *err);
bool __wrap_spool_reader_open(
    struct spool *s, uint64_t position, struct spool_reader **out, struct err *err);
bool __real_table_sync_filter(
    const struct table_sync *t, uint64_t commit_record, struct change *c, struct arena *arena);
bool __wrap_table_sync_filter(
    const struct table_sync *t, uint64_t commit_record, struct change *c, struct arena *arena);
const struct schema *__real_schemas_next(
    const struct schemas *s, const struct schema *it, struct record *rec);
const struct schema *__wrap_schemas_next(
    const struct schemas *s, const struct schema *it, struct record *rec);

struct side;
bool __real_side_sync(struct spool *s, struct side *side, struct err *err);
bool __wrap_side_sync(struct spool *s, struct side *side, struct err *err);
int __real_rewrite_tail(const struct fs *fs, int fd, uint64_t from);
int __wrap_rewrite_tail(const struct fs *fs, int fd, uint64_t from);

#endif
