/* SPDX-License-Identifier: Apache-2.0
 *
 * What catches the source's DDL: schema tidegate_ddl there, with event triggers (ddl_capture.sql)
 * that are shared by all migrations of the database; each has its row in tidegate_ddl.migration.
 */
#ifndef TG_PIPELINE_DDL_CAPTURE_H
#define TG_PIPELINE_DDL_CAPTURE_H

#include <libpq-fe.h>
#include <stdbool.h>

#include "agent/base/err.h"
#include "agent/store/store.h"
#include "config/config.h"

/* In front of every statement by which tidegate itself changes the source's schema. */
#define DDL_CAPTURE_OFF "SET tidegate.ddl_capture = 'off'; "

/* Installs it, when the configuration wants it and the role may, and enters the migration, whose
 * publication is there. *installed false: it is not possible, `why` (at least 200 bytes) says what
 * the server said. */
bool ddl_capture_install(const struct config *config, struct store *store, PGconn *conn,
    bool *installed, char *why, struct err *err) must_use;
/* Whether the schema is there, and how many other migrations use it. */
bool ddl_capture_look(
    const struct config *config, PGconn *conn, bool *there, int *others, struct err *err) must_use;
/* Takes the migration out, and with the last one everything; tables whose replica identity the
 * triggers have changed get back the default. */
bool ddl_capture_remove(const struct config *config, PGconn *conn, struct err *err) must_use;

#endif
