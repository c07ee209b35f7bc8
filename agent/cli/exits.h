/* SPDX-License-Identifier: Apache-2.0
 *
 * Exit codes of the program. Scripts rely on them: a number never changes its meaning.
 */
#ifndef TG_CLI_EXITS_H
#define TG_CLI_EXITS_H

enum exit_status {
    EXIT_OK = 0,
    EXIT_FAILED = 1,    /* a message on stderr says why */
    EXIT_USAGE = 2,     /* command line or configuration */
    EXIT_NOT_YET = 3,   /* time-out of a wait; a cutover that was refused or undone */
    EXIT_NO_AGENT = 4,  /* nobody listens on the control socket, or the agent ended meanwhile */
    EXIT_DIFFERENT = 5, /* verify: source and target are not equal */
    EXIT_DAMAGED = 6,   /* spool: a checksum or an order rule does not hold */
};

#endif
