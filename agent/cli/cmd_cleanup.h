/* SPDX-License-Identifier: Apache-2.0
 *
 * `tidegate cleanup`: removes what tidegate made.
 */
#ifndef TG_CLI_CMD_CLEANUP_H
#define TG_CLI_CMD_CLEANUP_H

int cmd_cleanup(int argc, char **argv);

#endif
