/* SPDX-License-Identifier: Apache-2.0
 *
 * Both kinds differ in nothing but the slot's name and whether it outlives the connection.
 */
#include "agent/pipeline/anchor.h"

#include "agent/pg/conn.h"

static bool
make(const struct config *config, const char *slot, bool temporary, struct anchor *out,
    struct err *err)
{
    *out = (struct anchor){0};
    struct pg_options o = {.application_name = "tidegate snapshot",
        .replication = true,
        .timeout_us = config->network.timeout_us};
    return pg_connect(config->source.dsn, &o, &out->conn, err) &&
           pg_create_slot(out->conn, slot, temporary, &out->slot, err);
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
anchor_temporary(const struct config *config, struct anchor *out, struct err *err)
{
    char name[64];
    /* 63 bytes are a name's limit; the tail tells the two apart. */
    snprintf(name, sizeof(name), "%.56s_resync", config->source.slot);
    bool ok = make(config, name, true, out, err);
    if (!ok) {
        anchor_release(out);
    }
    return ok;
}

void
anchor_release(struct anchor *a)
{
    PQfinish(a->conn);
    a->conn = NULL;
}
