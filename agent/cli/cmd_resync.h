/* SPDX-License-Identifier: Apache-2.0
 *
 * `tidegate resync`: asks the running agent for a new copy of one table.
 */
#ifndef TG_CLI_CMD_RESYNC_H
#define TG_CLI_CMD_RESYNC_H

int cmd_resync(int argc, char **argv); /* exit code */

#endif
