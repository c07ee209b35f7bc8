/* SPDX-License-Identifier: Apache-2.0
 *
 * Contents go by lo_get and lo_put, in binary: rights are those of ordinary functions
 * (pg_largeobject itself is for superusers).
 */
#include "agent/snapshot/large_object_io.h"

#include <arpa/inet.h>
#include <endian.h>
#include <stdio.h>
#include <string.h>

#include "agent/pg/conn.h"
#include "agent/pg/query.h"

#define OID_OID   26
#define INT8_OID  20
#define BYTEA_OID 17

bool
large_object_get(
    const struct copier *c, uint32_t oid, uint64_t offset, PGresult **out, struct err *err)
{
    uint32_t net_oid = htonl(oid), net_len = htonl(LARGE_OBJECT_PIECE);
    uint64_t net_offset = htobe64(offset);
    const char *values[] = {
        (const char *)&net_oid, (const char *)&net_offset, (const char *)&net_len};
    const int lengths[] = {4, 8, 4}, formats[] = {1, 1, 1};
    static const Oid types[] = {OID_OID, INT8_OID, 23};
    *out = PQexecParams(
        c->source, "SELECT pg_catalog.lo_get($1, $2, $3)", 3, types, values, lengths, formats, 1);
    if (PQresultStatus(*out) == PGRES_TUPLES_OK) {
        return true;
    }
    pg_result_error(err, c->source, *out, "source: read large object %u", oid);
    PQclear(*out);
    *out = NULL;
    return false;
}

bool
large_object_put(
    const struct copier *c, uint32_t oid, uint64_t offset, const PGresult *piece, struct err *err)
{
    uint32_t net_oid = htonl(oid);
    uint64_t net_offset = htobe64(offset);
    const char *values[] = {
        (const char *)&net_oid, (const char *)&net_offset, PQgetvalue(piece, 0, 0)};
    const int lengths[] = {4, 8, PQgetlength(piece, 0, 0)}, formats[] = {1, 1, 1};
    static const Oid types[] = {OID_OID, INT8_OID, BYTEA_OID};
    PGresult *res = PQexecParams(
        c->target, "SELECT pg_catalog.lo_put($1, $2, $3)", 3, types, values, lengths, formats, 1);
    bool ok = PQresultStatus(res) == PGRES_TUPLES_OK;
    if (!ok) {
        pg_result_error(err, c->target, res, "target: write large object %u", oid);
    }
    PQclear(res);
    return ok;
}

bool
large_object_create(const struct copier *c, uint32_t oid, struct err *err)
{
    char sql[64];
    snprintf(sql, sizeof(sql), "SELECT pg_catalog.lo_create(%u)", oid);
    if (pg_exec(c->target, "target: create a large object", sql, err)) {
        return true;
    }
    if (strcmp(err->sqlstate, "23505") == 0) {
        err->class = ERR_CONFIG;
        err_hint(err, "the target has a large object with oid %u already: remove it", oid);
    }
    return false;
}

bool
large_object_pour(const struct copier *c, uint32_t oid, uint64_t *bytes, struct err *err)
{
    for (uint64_t offset = 0;;) {
        if (stop_requested(c->stop)) {
            return err_set(err, ERR_CANCELLED, "copy of large objects stopped");
        }
        PGresult *piece = NULL;
        if (!large_object_get(c, oid, offset, &piece, err)) {
            return false;
        }
        uint64_t len = (uint64_t)PQgetlength(piece, 0, 0);
        bool ok = len == 0 || large_object_put(c, oid, offset, piece, err);
        PQclear(piece);
        if (!ok) {
            return false;
        }
        offset += len;
        *bytes += len;
        if (c->progress) {
            c->progress(0, len, c->arg);
        }
        if (len < LARGE_OBJECT_PIECE) {
            return true;
        }
    }
}

bool
large_object_cut(const struct copier *c, uint32_t oid, uint64_t size, struct err *err)
{
    char sql[160];
    /* 131072: for writing. The descriptor ends with the transaction. */
    snprintf(sql, sizeof(sql),
        "SELECT pg_catalog.lo_truncate64(pg_catalog.lo_open(%u, 131072), %llu)", oid,
        (unsigned long long)size);
    return pg_exec(c->target, "target: cut a large object", sql, err);
}
