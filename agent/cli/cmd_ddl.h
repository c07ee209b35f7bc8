/* SPDX-License-Identifier: Apache-2.0
 *
 * `tidegate ddl list|apply|skip`.
 */
#ifndef TG_CLI_CMD_DDL_H
#define TG_CLI_CMD_DDL_H

int cmd_ddl(int argc, char **argv);

#endif
