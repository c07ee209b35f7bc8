/* SPDX-License-Identifier: Apache-2.0
 *
 * Both kinds differ in nothing but the slot's name and whether it outlives the connection.
 */
#include "agent/pipeline/anchor.h"

#include <string.h>

#include "agent/pg/conn.h"
#include "config/names.h"

bool
anchor_connect(const struct config *config, struct anchor *out, struct err *err)
{
    *out = (struct anchor){0};
    struct pg_options o = {.application_name = "tidegate snapshot",
        .replication = true,
        .timeout_us = config->network.timeout_us};
    return pg_connect(config->source.dsn, &o, &out->conn, err);
}

static bool
make(const struct config *config, const char *slot, bool temporary, struct anchor *out,
    struct err *err)
{
    return (out->conn || anchor_connect(config, out, err)) &&
           pg_create_slot(
               out->conn, slot, plugin_name(config->source.plugin), temporary, &out->slot, err);
}

bool
anchor_create(const struct config *config, struct anchor *out, struct err *err)
{
    bool ok = make(config, config->source.slot, false, out, err);
    if (!ok) {
        anchor_release(out);
    }
    return ok;
}

bool
anchor_temporary(const struct config *config, size_t number, struct anchor *out, struct err *err)
{
    char name[64];
    *out = (struct anchor){0};
    /* 63 bytes are a name's limit; the tail tells them apart. */
    if (number == 0) {
        snprintf(name, sizeof(name), "%.56s_resync", config->source.slot);
    } else {
        snprintf(
            name, sizeof(name), "%.52s_resync%u", config->source.slot, (unsigned)(number % 1000));
    }
    bool ok = make(config, name, true, out, err);
    if (!ok) {
        anchor_release(out);
    }
    if (!ok && strcmp(err->sqlstate, "53400") == 0) {
        /* Another copy may hold the last free slot for a moment. */
        err->class = ERR_RETRY;
        err_hint(err, "raise max_replication_slots on the source, or drop a slot that nobody uses");
    }
    return ok;
}

void
anchor_release(struct anchor *a)
{
    PQfinish(a->conn);
    a->conn = NULL;
}
