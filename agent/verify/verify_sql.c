/* SPDX-License-Identifier: Apache-2.0
 *
 * A row becomes the text of a record, the text a 64-bit hash, and the hashes are added up. The sum
 * is numeric, so it cannot wrap round, and it counts a row that is there twice twice, which a XOR
 * would not. ONLY: children by inheritance and partitions are tables of their own in the list.
 */
#include "agent/verify/verify_sql.h"

#include "agent/pg/ident.h"

static void
write_record(struct buf *out, const struct verify_sql *v)
{
    buf_str(out, "ROW(");
    for (size_t i = 0; i < v->columns_len; i++) {
        buf_str(out, i > 0 ? ", t." : "t.");
        sql_ident(out, v->columns[i]);
    }
    buf_str(out, ")::text");
}

void
verify_sql_write(struct buf *out, const struct verify_sql *v)
{
    buf_str(out, "SELECT pg_catalog.count(*), ");
    switch (v->method) {
    case VERIFY_COUNT:
        buf_str(out, "''");
        break;
    case VERIFY_HASH:
        buf_str(out, "coalesce(pg_catalog.sum(pg_catalog.hashtextextended(");
        write_record(out, v);
        buf_str(out, " COLLATE pg_catalog.\"C\", 0)), 0)::text");
        break;
    case VERIFY_MD5:
        buf_str(out, "coalesce(pg_catalog.sum(('x' || pg_catalog.substr(pg_catalog.md5("
                     "pg_catalog.convert_to(");
        write_record(out, v);
        buf_str(out, ", 'UTF8')), 1, 16))::bit(64)::bigint), 0)::text");
        break;
    }
    buf_str(out, v->partitions ? " FROM " : " FROM ONLY ");
    sql_qualified(out, v->schema, v->name);
    buf_str(out, " t");
}
