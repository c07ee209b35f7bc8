/* SPDX-License-Identifier: Apache-2.0
 *
 * The configuration as the program uses it: typed, complete (defaults filled in), validated,
 * secrets resolved. Made once by config_load (config/load.h) from file and command line, then
 * read-only.
 *
 * Every field has its row in the option table (config/options.c): the row says path, type, default,
 * limits and meaning; nothing is documented here a second time.
 */
#ifndef TG_CONFIG_CONFIG_H
#define TG_CONFIG_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct string_list {
    char **items;
    size_t len;
};

enum fence_kind { FENCE_NONE, FENCE_READ_ONLY };
enum plugin { PLUGIN_PGOUTPUT, PLUGIN_WAL2JSON, PLUGIN_TEST_DECODING };
enum two_phase { TWO_PHASE_AUTO, TWO_PHASE_ON, TWO_PHASE_OFF };
enum spool_compression { COMPRESSION_NONE, COMPRESSION_PRESSURE, COMPRESSION_ZSTD };
enum error_policy { ON_ERROR_STOP, ON_ERROR_DEAD_LETTER, ON_ERROR_UPSERT, ON_ERROR_STOP_TABLE };
enum role_policy { ROLES_OFF, ROLES_WITHOUT_PASSWORDS, ROLES_WITH_PASSWORDS };
enum subscription_policy { SUBSCRIPTIONS_REPORT, SUBSCRIPTIONS_DISABLED };
enum identity_policy { IDENTITY_FULL, IDENTITY_REFUSE };
enum ddl_policy { DDL_POLICY_DEFAULT, DDL_POLICY_APPLY, DDL_POLICY_STOP, DDL_POLICY_IGNORE };
enum ddl_class {
    DDL_TABLES,
    DDL_INDEXES,
    DDL_TYPES,
    DDL_ROUTINES,
    DDL_GRANTS,
    DDL_DROPS,
    DDL_OTHER,
    DDL_CLASSES
};

struct ddl_config {
    bool capture;
    enum ddl_policy by_default;
    enum ddl_policy policy[DDL_CLASSES];
};

struct sink_config {
    char *name;
    char *type;
    char *dsn; /* secret */
    uint32_t group_transactions;
    uint64_t group_bytes;
    int64_t group_time_us;
    uint64_t inflight_bytes;
    uint32_t prepared_statements;
    uint32_t apply_jobs;
    char *start; /* "copy", "spool" or a position */
    enum error_policy on_error;
    uint32_t dead_letter_limit;
};

#define CONFIG_SINKS_MAX 16

struct config {
    char *name;
    char *dir; /* data directory: state.db, spool, control socket */
    struct {
        char *type;
        char *dsn;                /* secret */
        char *slot, *publication; /* default tidegate_<name> */
        enum plugin plugin;
        bool streaming;
        enum two_phase two_phase;
    } source;
    struct {
        struct string_list include, exclude;
        enum identity_policy without_identity;
    } tables;
    struct {
        bool copy, owner, grants, database;
        enum role_policy roles;
        enum subscription_policy subscriptions;
    } schema;
    struct ddl_config ddl;
    struct {
        uint32_t jobs, index_jobs;
        uint64_t split_above;
        bool analyze;
    } copy;
    struct {
        char *path;
        uint64_t max_size, min_free, segment_size;
        int64_t sync_interval_us;
        int64_t keep_us;
        uint64_t keep_size;
        uint32_t warn_at, compress_at, pause_at; /* per cent of max_size, and of the disk */
        enum spool_compression compression;
        char *encryption_key;                   /* secret; NULL: none */
        struct string_list old_encryption_keys; /* secret */
    } spool;
    struct sink_config sinks[CONFIG_SINKS_MAX];
    size_t sinks_len;
    struct {
        char *socket;
        char *listen; /* "host:port", NULL: none */
    } control;
    struct {
        enum fence_kind fence;
        bool verify;
        int64_t timeout_us;
        uint32_t sequence_margin;  /* steps */
        struct string_list exempt; /* application names or roles that the fence leaves alone */
    } cutover;
    struct {
        int64_t refresh_us; /* 0: only at cutover */
    } sequences;
    struct {
        int64_t timeout_us;
        int64_t retry_max_us; /* longest pause between two attempts to reconnect */
        int64_t give_up_us;   /* 0: never */
    } network;
    struct {
        int level;  /* enum log_level */
        int format; /* enum log_format */
    } log;
};

void config_free(struct config *c); /* accepts NULL; wipes secrets */

#endif
