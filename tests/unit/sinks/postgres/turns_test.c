/* SPDX-License-Identifier: Apache-2.0
 *
 * Groups go round the jobs, and commits keep their order whatever ends first.
 */
#include "sinks/postgres/turns.h"
#include "tests/lib/unit.h"

static struct turns t;

static void
has(bool stay, uint32_t job)
{
    assert_int_equal(turns_begin(&t, stay), job);
    turns_complete(&t);
}

static void
commits(uint32_t job)
{
    assert_int_equal(turns_next(&t), job);
    turns_sent(&t);
}

static void
groups_go_round(void **state)
{
    (void)state;
    turns_init(&t, 2);
    has(false, 0);
    has(false, 1);
    assert_int_equal(turns_begin(&t, false), TURNS_NONE); /* both have one to commit */
    commits(0);
    has(false, 0); /* behind its own COMMIT */
    assert_int_equal(turns_begin(&t, false), TURNS_NONE);
}

static void
a_commit_waits_for_the_answer_to_the_one_before(void **state)
{
    (void)state;
    turns_init(&t, 3);
    assert_int_equal(turns_next(&t), TURNS_NONE);
    assert_int_equal(turns_begin(&t, false), 0);
    assert_int_equal(turns_next(&t), TURNS_NONE); /* not complete */
    turns_complete(&t);
    has(false, 1);
    commits(0);
    assert_int_equal(turns_next(&t), TURNS_NONE); /* sent is not answered */
    turns_unanswered(&t, 1);
    assert_int_equal(turns_next(&t), TURNS_NONE);
    turns_unanswered(&t, 0);
    commits(1);
    assert_true(turns_all_sent(&t));
    assert_int_equal(turns_next(&t), TURNS_NONE);
}

static void
commits_of_one_job_follow_each_other(void **state)
{
    (void)state;
    turns_init(&t, 4);
    for (uint32_t i = 0; i < 5; i++) {
        has(i > 0, 0);
        commits(0);
    }
    has(false, 1);
    turns_unanswered(&t, 2);
    assert_int_equal(t.committed, 3);
    assert_int_equal(turns_next(&t), TURNS_NONE); /* another job, and two are unanswered */
    turns_unanswered(&t, 0);
    commits(1);
}

static void
who_stays_waits_for_its_own_turn(void **state)
{
    (void)state;
    turns_init(&t, 2);
    has(false, 0);
    commits(0);
    has(false, 1);
    assert_int_equal(turns_begin(&t, true), TURNS_NONE);
    turns_unanswered(&t, 0);
    commits(1);
    has(true, 1);
}

static void
what_is_in_front_on_the_same_connection_needs_no_answer(void **state)
{
    (void)state;
    turns_init(&t, 2);
    has(false, 0);
    commits(0);
    assert_int_equal(turns_begin(&t, true), 0);
    assert_true(turns_behind(&t, 1));
    assert_true(turns_behind(&t, 2)); /* itself */
    turns_complete(&t);
    commits(0);
    assert_int_equal(turns_begin(&t, false), 1);
    assert_false(turns_behind(&t, 2));
    turns_unanswered(&t, 1);
    assert_true(turns_behind(&t, 1));
    assert_false(turns_behind(&t, 2));
    turns_unanswered(&t, 0);
    assert_true(turns_behind(&t, 2));
}

/* Any order of events that the rules allow, from a fixed generator. */
static void
no_order_of_events_breaks_the_order_of_commits(void **state)
{
    (void)state;
    uint32_t dice = 12345;
    for (uint32_t jobs = 1; jobs <= TURNS_JOBS_MAX; jobs++) {
        turns_init(&t, jobs);
        uint64_t on[TURNS_JOBS_MAX] = {0}; /* group that the job holds and has not sent */
        uint64_t sent = 0, moved = 0;
        for (int i = 0; i < 20000; i++) {
            dice = dice * 1664525u + 1013904223u;
            uint32_t before = t.current;
            switch (dice >> 30) {
            case 0:
                if (!t.open) {
                    uint32_t job = turns_begin(&t, (dice >> 28) % 4 == 0);
                    if (job != TURNS_NONE) {
                        assert_int_equal(on[job], 0);
                        on[job] = t.begun;
                        moved += job != before;
                    }
                }
                break;
            case 1:
                if (t.open) {
                    turns_complete(&t);
                }
                break;
            case 2:
                if (turns_next(&t) != TURNS_NONE) {
                    uint32_t job = turns_next(&t);
                    assert_int_equal(on[job], ++sent);
                    assert_true(t.committed == t.sent || job == t.last);
                    on[job] = 0;
                    turns_sent(&t);
                }
                break;
            default:
                if (t.committed < t.sent) {
                    turns_unanswered(&t, (uint32_t)(t.sent - t.committed) - 1);
                }
            }
        }
        assert_true(sent > 1000 && (jobs == 1 || moved > 500));
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(groups_go_round),
        cmocka_unit_test(a_commit_waits_for_the_answer_to_the_one_before),
        cmocka_unit_test(commits_of_one_job_follow_each_other),
        cmocka_unit_test(who_stays_waits_for_its_own_turn),
        cmocka_unit_test(what_is_in_front_on_the_same_connection_needs_no_answer),
        cmocka_unit_test(no_order_of_events_breaks_the_order_of_commits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
