# SPDX-License-Identifier: Apache-2.0
"""From commit on the source to visible on the target, at a fixed rate of small transactions.

The source's server notes when it commits (track_commit_timestamp); a session on the target looks some thousand times a
second which rows it can see and when. One client writes, so rows become visible in order of their number. The writer's
commits are synchronous: a walsender sends nothing that is not flushed, and would wait for the source's own wal_writer_delay.
"""
import os
import time

from lib import paths, proc

from suite import contest, stats
from suite.agents import BenchAgent
from suite.contest import Failed
from suite.native import Subscription
from suite.result import OURS
from suite.world import Asker, say

TITLE = "latency, commit to commit"
SIZES = {"full": {"seconds": 20, "rate": 500}, "short": {"seconds": 3, "rate": 500}}
OPTIONS = {"track_commit_timestamp": "on"}
NATIVE = "native subscription"
TABLE = "create table t (id bigserial primary key, note text)"
# What is seen goes into a temporary table; one statement, one snapshot.
WATCH = """
do $do$
declare
    seen bigint := -1;
    now_there bigint;
    until_when timestamptz := clock_timestamp() + interval '{seconds} seconds';
begin
    while clock_timestamp() < until_when loop
        select max(id) into now_there from t;
        if now_there > seen then
            insert into pg_temp.seen values (now_there, clock_timestamp());
            seen := now_there;
        end if;
        if seen >= {last} then
            exit;
        end if;
        perform pg_sleep(0.0002);
    end loop;
end $do$
"""


def latencies(committed, seen):
    """Milliseconds of each row: [(id, commit time)] and [(highest id visible, time)], both in order of time."""
    out, n = [], 0
    for key, when in committed:
        while n < len(seen) and seen[n][0] < key:
            n += 1
        if n == len(seen):
            raise Failed(f"row {key} was never seen")
        out.append((seen[n][1] - when) * 1000)
    return out


def write(world, script, size):
    """pgbench at the rate; the id of its last row."""
    env = {k: v for k, v in os.environ.items() if not k.startswith("PG")}
    env["PGOPTIONS"] = "-c synchronous_commit=on"
    proc.run([paths.pg_tool("pgbench"), "-n", "-c", "1", "-M", "prepared", "-R", str(size["rate"]), "-T", str(size["seconds"]),
              "-f", script, world.source.uri("bench")], timeout=600, env=env)


def watched(world, db, script, size, roles, memory_of=None):
    """One contender, which is on and has caught up: (run, latencies)."""
    first = int(world.source.one("select coalesce(max(id), 0) from t", "bench"))
    asker = Asker(world.target, db)
    try:
        asker.send("create temp table seen (id bigint, at timestamptz)")
        asker.one("select 1")
        asker.send(WATCH.format(seconds=size["seconds"] + 5, last=10 ** 15))
        run = contest.measured(roles, lambda: write(world, script, size), memory_of=memory_of)
        rows = [line.split(",") for line in asker.one(
            "select coalesce(string_agg(id || ',' || extract(epoch from at), ';' order by at), '') from seen").split(";")]
        if rows == [[""]]:
            raise Failed("nothing was seen on the target")
    finally:
        asker.close()
    committed = world.source.sql(f"select id, extract(epoch from pg_xact_commit_timestamp(xmin)) from t where id > {first} "
                                 "order by id", "bench")
    found = latencies([(int(i), float(at)) for i, at in committed], [(int(i), float(at)) for i, at in rows])
    run["rate"] = len(found) / size["seconds"]
    if run["rate"] < 0.9 * size["rate"]:
        raise Failed(f"only {run['rate']:.0f} of {size['rate']} transactions a second were made: the machine is too busy")
    return run, found


def run(world, size, result):
    world.source.create_db("bench")
    world.source.sql(TABLE + "; create publication bench_pub for table t", "bench")
    for db in ("native", "ours"):
        world.target.create_db(db)
    world.target.sql(TABLE, "native")
    script = world.path("insert.sql")
    with open(script, "w") as f:
        f.write("insert into t (note) values ('a note of some length');\n")
    sub = Subscription(world, "native_sub", "native")
    agent = BenchAgent(world, "bench", world.source.uri("bench"), {"target": (world.target.uri("ours"), {})}).start()
    agent.streaming()
    agent.freeze()
    every = {NATIVE: [], OURS: []}

    def caught_up(db):
        # Of a row that was not there before: it is on, not only not behind.
        goal = world.source.sql("insert into t (note) values ('first') returning id", "bench")[0][0]
        try:
            proc.until(lambda: world.target.one("select coalesce(max(id), 0) from t", db) == goal, 120, "catching up")
        except TimeoutError as e:
            raise Failed(str(e))
        time.sleep(1)

    def native(_):
        world.target.sql(sub.enable_sql(), "native")
        try:
            caught_up("native")
            world.settle()
            got, found = watched(world, "native", script, size, world.pids())
        finally:
            sub.disable()
        every[NATIVE].append(found)
        return dict(got, wall=stats.percentile(found, 0.5) / 1000)

    def ours(_):
        agent.thaw()
        try:
            caught_up("ours")
            world.settle()
            got, found = watched(world, "ours", script, size, world.pids(("agent", agent.pid())), lambda: [agent.pid()])
        finally:
            agent.freeze()
        every[OURS].append(found)
        return dict(got, wall=stats.percentile(found, 0.5) / 1000)

    runs = contest.hold(result, say, {NATIVE: native, OURS: ours})
    result.compare(f"half of all commits (p50) at {size['rate']} a second", NATIVE, runs, gate=1.3, aim=1.0)
    for name, goals in ((OURS, {"gate": 15, "aim": 8}), (NATIVE, {})):
        if name in runs:
            result.measure(f"p50, {name}", [stats.percentile(f, 0.5) for f in every[name]], "ms")
            result.measure(f"p99, {name}", [stats.percentile(f, 0.99) for f in every[name]], "ms", **goals)
            result.measure(f"transactions a second, {name}", [r["rate"] for r in runs[name]], "1/s")
