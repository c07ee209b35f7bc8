/* SPDX-License-Identifier: Apache-2.0
 *
 * Who takes the next group of source transactions, and whose turn it is to commit, when groups are
 * executed on several connections (jobs) and committed in the order of the source. Pure: only
 * numbers. Groups are numbered 1, 2, ...
 *
 *        committed        sent              begun
 *   ──────────┼────────────┼──────────────────┼──▶ groups
 *     answered│ all on one │ complete, each on│
 *             │ job: last  │ a job of its own │ the last one may still be open
 *
 * A COMMIT may be sent when the one in front of it was answered, or was sent by the same job.
 * Otherwise to have sent that is not enough: the two go to different processes of the server, and
 * the later record might get into the write-ahead log first. An answer is given after the record
 * was inserted, also with synchronous_commit off; so records stand in the log in the order of the
 * source, and what a crash of the server leaves, a beginning of the log, is a beginning of the
 * source's history. Therefore when the last COMMIT is durable all of them are.
 */
#ifndef TG_SINKS_POSTGRES_TURNS_H
#define TG_SINKS_POSTGRES_TURNS_H

#include <stdbool.h>
#include <stdint.h>

#define TURNS_JOBS_MAX 16u
#define TURNS_NONE     UINT32_MAX

struct turns {
    uint32_t jobs;
    uint32_t current; /* job of the last group begun */
    uint32_t last;    /* job that sent the last COMMIT */
    bool open;        /* the last group begun still takes changes */
    uint64_t begun, sent, committed;
    uint32_t job_of[TURNS_JOBS_MAX]; /* of the groups behind `sent`, by number */
};

/* 1 to TURNS_JOBS_MAX jobs. */
void turns_init(struct turns *t, uint32_t jobs);
/* Begins a group; the one before must be complete. Its job: with `stay` the one that had the group
 * before, else the next one round. TURNS_NONE, and nothing was begun, while that job waits for its
 * turn to commit. */
uint32_t turns_begin(struct turns *t, bool stay);
/* The open group gets no more changes. */
void turns_complete(struct turns *t);
/* Every group begun is complete and its COMMIT was sent. */
bool turns_all_sent(const struct turns *t);
/* The job whose COMMIT is to be sent now, or TURNS_NONE. */
uint32_t turns_next(const struct turns *t);
void turns_sent(struct turns *t);
/* So many COMMITs of the job that sent the last one are not answered. */
void turns_unanswered(struct turns *t, uint32_t commits);
/* Whether what the open group does comes behind all of that group: it is committed, or goes to the
 * server in front of it on the same connection, or is the open one itself. */
bool turns_behind(const struct turns *t, uint64_t group);

#endif
