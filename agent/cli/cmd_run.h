/* SPDX-License-Identifier: Apache-2.0
 *
 * `tidegate run`: the agent in the foreground.
 */
#ifndef TG_CLI_CMD_RUN_H
#define TG_CLI_CMD_RUN_H

int cmd_run(int argc, char **argv);

#endif
