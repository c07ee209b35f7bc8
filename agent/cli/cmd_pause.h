/* SPDX-License-Identifier: Apache-2.0
 *
 * `tidegate pause` and `tidegate resume`.
 */
#ifndef TG_CLI_CMD_PAUSE_H
#define TG_CLI_CMD_PAUSE_H

int cmd_pause(int argc, char **argv);
int cmd_resume(int argc, char **argv);

#endif
