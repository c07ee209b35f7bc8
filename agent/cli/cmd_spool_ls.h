/* SPDX-License-Identifier: Apache-2.0
 *
 * `tidegate spool ls`: segments, side files and cursors of a spool.
 */
#ifndef TG_CLI_CMD_SPOOL_LS_H
#define TG_CLI_CMD_SPOOL_LS_H

int cmd_spool_ls(int argc, char **argv);

#endif
