/* SPDX-License-Identifier: Apache-2.0
 *
 * `tidegate check`: every preflight finding, for people or as JSON.
 */
#ifndef TG_CLI_CMD_CHECK_H
#define TG_CLI_CMD_CHECK_H

int cmd_check(int argc, char **argv);

#endif
