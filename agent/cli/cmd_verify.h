/* SPDX-License-Identifier: Apache-2.0
 *
 * `tidegate verify`: compares source and target.
 */
#ifndef TG_CLI_CMD_VERIFY_H
#define TG_CLI_CMD_VERIFY_H

int cmd_verify(int argc, char **argv);

#endif
