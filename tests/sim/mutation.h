/* SPDX-License-Identifier: Apache-2.0
 *
 * Faults that are put into the product on purpose: a simulation that does not find them is worth
 * nothing. Functions of the product are exchanged by the linker (--wrap), those of the disk in its
 * table.
 */
#ifndef TG_TESTS_SIM_MUTATION_H
#define TG_TESTS_SIM_MUTATION_H

enum mutation {
    MUTATION_NONE,
    CONFIRM_APPENDED,   /* what was read is confirmed, durable or not */
    NO_FSYNC,           /* fdatasync does nothing */
    NO_DIRECTORY_SYNC,  /* new names are not made durable */
    DROP_DISCARD,       /* a transaction that was cut off is not voided */
    DROP_ROW,           /* now and then a row gets lost on its way to the sink */
    RETIRE_APPENDED,    /* segments go that a sink still needs */
    START_LATE,         /* a reader begins one transaction too far */
    NO_CARRIED_SCHEMAS, /* a segment does not say what its records look like */
    POSITION_APART,     /* the sink's position is not stored together with its data */
    DURABLE_IS_APPLIED, /* a sink takes for durable what only is visible */
    RESUME_IS_VISIBLE,  /* a sink resumes from a position that a crash of its target takes back */
    SINK_KEEPS_VOID,    /* a sink does not roll back what was voided */
    KEEP_BESIDE,        /* what was streamed over a broken connection is not voided */
    KEEP_ROLLED_BACK,   /* rollbacks of subtransactions are not heard */
    NO_SIDE_SYNC,       /* a side file is linked before it is durable */
    NO_REWRITE,         /* after a failed fdatasync the next one is believed */
    MUTATIONS,
};

const char *mutation_name(enum mutation m);
/* For the functions exchanged by the linker, which know no world. */
void mutation_set(enum mutation m);

#endif
