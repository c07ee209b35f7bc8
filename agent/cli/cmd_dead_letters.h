/* SPDX-License-Identifier: Apache-2.0
 *
 * tidegate dead-letters list, show, replay, drop.
 */
#ifndef TG_CLI_CMD_DEAD_LETTERS_H
#define TG_CLI_CMD_DEAD_LETTERS_H

int cmd_dead_letters(int argc, char **argv);

#endif
