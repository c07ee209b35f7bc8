/* SPDX-License-Identifier: Apache-2.0
 *
 * One pgoutput message, taken apart: bytes in, a plain struct out, no state. Source of the format:
 * PostgreSQL manual, "Logical Replication Message Formats"; protocol versions 1 to 4, values text
 * or binary.
 *
 *   message  = type:byte body
 *   tuple    = columns:u16 { 'n' | 'u' | ('t' | 'b') length:u32 bytes }
 *   B begin    final_lsn:u64 commit_time:u64 xid:u32          C commit  flags:u8 lsn:u64 end:u64
 * time:u64 O origin   lsn:u64 name:cstr                              Y type    oid:u32 schema:cstr
 * name:cstr R relation oid:u32 schema:cstr name:cstr identity:u8 columns:u16 { flags:u8 name:cstr
 * type:u32 mod:i32 } I insert   oid:u32 'N' tuple                              D delete  oid:u32
 * ('K' | 'O') tuple U update   oid:u32 [('K' | 'O') tuple] 'N' tuple          T truncate count:u32
 * options:u8 { oid:u32 } M message  flags:u8 lsn:u64 prefix:cstr length:u32 bytes
 *
 * From protocol 2 on transactions may come while they are still open. What they consist of reaches
 * us as the messages above (the source takes the xid out of them, agent/source/pg_feed.h); at the
 * end there is
 *
 *   c stream commit      xid:u32 flags:u8 lsn:u64 end:u64 time:u64
 *
 * A slot with two-phase commit (version 3) sends a transaction when it is prepared, and tells later
 * what became of it:
 *
 *   b begin prepare               lsn:u64 end:u64 time:u64 xid:u32 gid:cstr   of the prepare record
 *   P prepare, p stream prepare   flags:u8 and the same
 *   K commit prepared             flags:u8 and the same, of the commit record
 *   r rollback prepared           flags:u8 prepare_end:u64 end:u64 prepare_time:u64 time:u64
 * xid:u32 gid:cstr
 *
 * S E A (stream start, stop, abort) are not for decoders.
 */
#ifndef TG_DECODERS_PGOUTPUT_WIRE_H
#define TG_DECODERS_PGOUTPUT_WIRE_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/base/arena.h"
#include "agent/base/buf.h"
#include "agent/base/err.h"
#include "agent/change/change.h"

/* Strings and values point into the message; arrays live in the arena. */
struct pgoutput_message {
    char type; /* as above */
    union {
        struct {
            uint64_t final_lsn; /* start of the commit record */
            int64_t commit_us;  /* Unix microseconds, as all times here */
            uint32_t xid;
        } begin;
        struct {
            uint64_t commit_lsn; /* begin.final_lsn of the same transaction */
            uint64_t end_lsn;    /* just behind the commit record */
            int64_t commit_us;
            uint32_t xid; /* of c; else 0 */
        } commit;         /* C c */
        struct {
            uint64_t lsn, end_lsn; /* r: lsn is the end of the prepare record */
            int64_t us;
            uint32_t xid;
            const char *gid;
        } prepared; /* b P p K r */
        struct {
            uint64_t lsn;
            const char *name;
        } origin;
        struct {
            uint32_t oid;
            const char *schema, *name;
        } type_name;
        struct relation relation; /* version is 0 */
        struct {
            uint32_t relation;
            enum old_kind old_kind;
            struct tuple old, new;
        } row; /* I U D */
        struct {
            uint32_t *relations;
            uint32_t len;
            bool cascade, restart_identity;
        } truncate;
        struct {
            bool transactional;
            uint64_t lsn;
            const char *prefix;
            struct slice content;
        } logical; /* M */
    };
};

/* ERR_FATAL with type and offset for everything that is not exactly one message; ERR_RETRY when the
 * arena's ceiling is reached. */
bool pgoutput_parse(struct slice bytes, struct arena *arena, struct pgoutput_message *out,
    struct err *err) must_use;

#endif
