/* SPDX-License-Identifier: Apache-2.0
 *
 * `tidegate cutover`: asks the agent for the cutover and shows it.
 */
#ifndef TG_CLI_CMD_CUTOVER_H
#define TG_CLI_CMD_CUTOVER_H

int cmd_cutover(int argc, char **argv);

#endif
