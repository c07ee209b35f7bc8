/* SPDX-License-Identifier: Apache-2.0
 *
 * The program around the simulation:
 *
 *   sim --seeds N [--first N] [--jobs N]   the seeds of seeds.txt, then N more
 *   sim --seed N [--trace]                 one, with everything that happened
 *   sim --mutation NAME ...                with a fault put in on purpose
 *   sim --selftest [--seeds N]             each of these faults must be found
 *
 * Ends with "sim: N passed, N failed".
 */
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/base/parse.h"
#include "tests/sim/world.h"

#define SEEDS_FILE "tests/sim/seeds.txt"

struct options {
    const char *program;
    uint64_t seeds, first, seed;
    unsigned jobs;
    enum mutation mutation;
    bool one, trace, selftest;
};

static bool
run(uint64_t seed, const struct options *o)
{
    char why[512];
    if (world_run(seed, o->mutation, o->trace ? stdout : NULL, why, sizeof(why))) {
        return true;
    }
    printf("seed %llu: %s\n    repeat: %s --seed %llu --trace%s%s\n", (unsigned long long)seed, why,
        o->program, (unsigned long long)seed, o->mutation ? " --mutation " : "",
        o->mutation ? mutation_name(o->mutation) : "");
    fflush(stdout);
    return false;
}

struct score {
    uint64_t passed, failed;
};

static void
count(struct score *s, bool ok)
{
    s->passed += ok;
    s->failed += !ok;
}

/* Each job runs every jobs-th seed in a process of its own and writes its score into a pipe. */
static struct score
run_all(const struct options *o)
{
    struct score total = {0};
    int pipes[2];
    fflush(stdout);
    if (pipe(pipes) != 0) {
        abort();
    }
    for (unsigned job = 0; job < o->jobs; job++) {
        pid_t pid = fork();
        if (pid == 0) {
            struct score mine = {0};
            for (uint64_t i = job; i < o->seeds; i += o->jobs) {
                count(&mine, run(o->first + i, o));
            }
            _exit(write(pipes[1], &mine, sizeof(mine)) == sizeof(mine) ? 0 : 1);
        }
    }
    close(pipes[1]);
    struct score one;
    while (read(pipes[0], &one, sizeof(one)) == sizeof(one)) {
        total.passed += one.passed;
        total.failed += one.failed;
    }
    close(pipes[0]);
    int status;
    while (wait(&status) > 0) {
        if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
            printf("a job of the simulation died with status %d\n", status);
            total.failed++;
        }
    }
    return total;
}

/* "SEED   what it found", one a line; '#' begins a comment. */
static void
run_kept(const struct options *o, struct score *s)
{
    char line[512];
    FILE *f = fopen(SEEDS_FILE, "re");
    while (f && fgets(line, sizeof(line), f)) {
        uint64_t seed;
        line[strcspn(line, " \t#\n")] = '\0';
        if (line[0] && parse_u64(line, 0, UINT64_MAX, &seed)) {
            count(s, run(seed, o));
        }
    }
    if (f) {
        fclose(f);
    }
}

static struct score
selftest(const struct options *o)
{
    struct score s = {0};
    char why[512];
    for (enum mutation m = 1; m < MUTATIONS; m++) {
        uint64_t at = 0;
        while (at < o->seeds && world_run(o->first + at, m, NULL, why, sizeof(why))) {
            at++;
        }
        bool found = at < o->seeds;
        printf("%-20s %s after %llu seeds: %s\n", mutation_name(m), found ? "found" : "NOT FOUND",
            (unsigned long long)at, found ? why : "");
        count(&s, found);
    }
    return s;
}

static enum mutation
find_mutation(const char *name)
{
    for (enum mutation m = 0; m < MUTATIONS; m++) {
        if (strcmp(mutation_name(m), name) == 0) {
            return m;
        }
    }
    fprintf(stderr, "no mutation is named '%s'\n", name);
    exit(2);
}

static uint64_t
number(const char *text)
{
    uint64_t n;
    if (!parse_u64(text, 0, UINT64_MAX, &n)) {
        fprintf(stderr, "'%s' is not a number\n", text);
        exit(2);
    }
    return n;
}

static void
read_options(int argc, char **argv, struct options *o)
{
    static const struct option names[] = {{"seeds", required_argument, NULL, 'n'},
        {"first", required_argument, NULL, 'f'}, {"seed", required_argument, NULL, 's'},
        {"jobs", required_argument, NULL, 'j'}, {"mutation", required_argument, NULL, 'm'},
        {"trace", no_argument, NULL, 't'}, {"selftest", no_argument, NULL, 'x'}, {0}};
    for (int c; (c = getopt_long(argc, argv, "", names, NULL)) != -1;) {
        switch (c) {
        case 'n':
            o->seeds = number(optarg);
            break;
        case 'f':
            o->first = number(optarg);
            break;
        case 's':
            o->seed = number(optarg);
            o->one = true;
            break;
        case 'j':
            o->jobs = (unsigned)number(optarg);
            break;
        case 'm':
            o->mutation = find_mutation(optarg);
            break;
        case 't':
            o->trace = true;
            break;
        case 'x':
            o->selftest = true;
            break;
        default:
            exit(2);
        }
    }
}

int
main(int argc, char **argv)
{
    struct options o = {.program = argv[0], .seeds = 400, .first = 1, .jobs = 1};
    struct score s = {0};
    read_options(argc, argv, &o);
    if (o.one) {
        count(&s, run(o.seed, &o));
    } else if (o.selftest) {
        s = selftest(&o);
    } else {
        run_kept(&o, &s);
        struct score more = run_all(&o);
        s.passed += more.passed;
        s.failed += more.failed;
    }
    printf("sim: %llu passed, %llu failed\n", (unsigned long long)s.passed,
        (unsigned long long)s.failed);
    return s.failed ? 1 : 0;
}
