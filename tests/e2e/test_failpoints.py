# SPDX-License-Identifier: Apache-2.0
"""kill -9 at every named point of the program: after each durable step, before each acknowledgement.

Needs a program with the points compiled in, named by TIDEGATE_FAILPOINT_BIN; `make test-crash` builds it.
"""
import os
import re
import signal
import time

import pytest

from lib import paths
from lib.proc import until

PROGRAM = os.environ.get("TIDEGATE_FAILPOINT_BIN")
# These stand where a run without accident does not come: they are reached by starting over after one.
AFTER_A_CRASH = {"spool.recovered", "spool.truncated"}

# These belong to changes that the target refuses: test_dead_letters.py goes there.
REFUSALS = {"letters.put", "park.before", "park.parked", "replay.applied", "replay.committed",
            "replay.removed"}

# Seconds of streaming until a point that is not reached at once.
LATER = {"spool.retired": 12, "spool.recycled": 12, "spool.side.retired": 12}

# Points of side files: transactions must come while they are still open at the source.
SIDE = "spool.side."

pytestmark = [
    pytest.mark.crash,
    pytest.mark.skipif(not PROGRAM, reason="needs the program of `make test-crash`"),
]


def points():
    found = set()
    for folder in ("agent", "decoders", "sinks", "config"):
        for where, _, names in os.walk(os.path.join(paths.TOP, folder)):
            for name in names:
                if name.endswith(".c"):
                    with open(os.path.join(where, name)) as f:
                        found.update(re.findall(r'\bFAILPOINT\("([^"]+)"\)', f.read()))
    # Tables that leave the stream alone: test_resync.py goes there.
    return sorted(p for p in found - REFUSALS if not p.startswith("resync."))


class Died(Exception):
    """The agent was killed at its point."""


def alive(agent):
    code = agent.process.poll()
    if code == -signal.SIGKILL:
        raise Died
    assert code in (None, 0), agent.err()[-3000:]
    return code is None


def attempt(agent, command, goal):
    """Repeats a command until `goal` holds for its result or the agent ended."""
    end = time.monotonic() + 60
    while alive(agent):
        done = agent.cmd(*command)
        alive(agent)
        if goal(done):
            return
        assert time.monotonic() < end, (command, done.stdout, done.stderr, agent.err()[-3000:])
        time.sleep(0.1)


def stream(world):
    """Transactions that are streamed: one that ends, with a subtransaction that does not, and one that does not."""
    source, update = world.source, "update pgbench_accounts set abalance = abalance + 1 where aid <= 3000"
    source.psql("alter system set logical_decoding_work_mem = '64kB'", "postgres")
    source.psql("select pg_reload_conf()", "postgres")
    time.sleep(0.5)
    source.psql(f"begin; {update}; savepoint s; {update}; rollback to s; {update}; commit", world.db, check=False)
    source.psql(f"begin; {update}; rollback", world.db, check=False)
    source.psql("alter system reset logical_decoding_work_mem", "postgres")
    source.psql("select pg_reload_conf()", "postgres")
    time.sleep(0.5)


def prepare_some(world, agent):
    """Transactions that are prepared; before the slot is switched they would be ordinary ones."""
    switched = f"select two_phase from pg_replication_slots where slot_name = 'tidegate_{agent.name}'"
    while alive(agent) and world.source.one(switched, world.db) != "t":
        time.sleep(0.1)
    for _ in range(6):
        world.source.psql("begin; insert into a (v) values ('prepared'); prepare transaction 'tide'",
                          world.db)
        world.source.psql("commit prepared 'tide'", world.db)


def leave_behind(world, agent):
    """Segments that the sink does not need for a while: the packer compresses those."""
    attempt(agent, ("pause", "target"), lambda d: d.returncode == 0)
    for _ in range(6):
        world.source.psql("update pgbench_accounts set abalance = abalance + 1 where aid <= 8000", world.db,
                          check=False)
    end = time.monotonic() + 6
    while time.monotonic() < end and alive(agent):
        time.sleep(0.1)
    attempt(agent, ("resume", "target"), lambda d: d.returncode == 0)


def alter_some(world):
    """Statements that are executed on the target in their place."""
    for _ in range(6):
        name = f"made_{time.monotonic_ns()}"
        world.source.psql(f"begin; create table {name} (id int primary key); insert into {name} values (1); "
                          f"alter table {name} add column v text; commit", world.db)


def drive(world, agent, spec):
    """One run to the end of the migration, or to the point where it is killed (Died)."""
    agent.start(env={"TIDEGATE_FAILPOINTS": spec} if spec else {})
    attempt(agent, ("wait", "--phase", "streaming", "--timeout", "30s"), lambda d: d.returncode == 0)
    if spec.startswith(SIDE):
        stream(world)
    if spec.startswith("sink.prepare"):
        prepare_some(world, agent)
    if spec.startswith("sink.copied"):
        for _ in range(6):
            world.source.psql("insert into a (v) select g from generate_series(1, 3000) g", world.db, check=False)
    if spec.startswith(("ddl.", "sink.ddl")):
        alter_some(world)
    if spec.startswith("sink.copied"):
        for _ in range(6):
            world.source.psql("insert into a (v) select g from generate_series(1, 20000) g", world.db)
    if spec.startswith("spool.pack."):
        leave_behind(world, agent)
    # Enough for several segments, so that sealing and retiring happen.
    world.source.psql("update pgbench_accounts set abalance = abalance + 1 where aid <= 8000", world.db,
                      check=False)
    attempt(agent, ("wait", "--caught-up", "--timeout", "30s"), lambda d: d.returncode == 0)
    end = time.monotonic() + LATER.get(spec.partition("=")[0], 0)
    while time.monotonic() < end and alive(agent):
        time.sleep(0.1)
    attempt(agent, ("cutover", "--timeout", "30s"), lambda d: d.returncode == 0)
    if alive(agent):
        agent.process.wait(20)
    alive(agent)


@pytest.mark.parametrize("point", points() if PROGRAM else [])
def test_kill_at(point, world, monkeypatch):
    monkeypatch.setenv("TIDEGATE_BIN", PROGRAM)
    world.pgbench()
    world.source.sql("create table a (id serial primary key, v text);"
                     "create table b (id serial primary key, a integer references a);"
                     "insert into a (v) select g from generate_series(1, 3000) g;"
                     "insert into b (a) select g from generate_series(1, 3000) g", world.db)
    world.write(clients=2, rate=150)
    # Files of packed segments are not used again.
    compression = "none" if point == "spool.recycled" else "zstd"
    agent = world.agent({"spool": {"segment_size": "1MiB", "compression": compression},
                         "copy": {"split_above": "4MiB"}, "schema": {"roles": "without_passwords"}})
    # The first and the second time the point is reached, then in a row; then to the end.
    kills = 0
    specs = [f"{point}=kill:1", f"{point}=kill:2", f"{point}=kill:5", ""]
    if point in AFTER_A_CRASH:
        agent.start()
        agent.streaming()
        agent.kill()
    for spec in specs:
        try:
            drive(world, agent, spec)
            break
        except Died:
            kills += 1
    else:
        pytest.fail("never came to an end")
    assert kills > 0 or point in AFTER_A_CRASH, "the point was not reached"
    assert agent.kills_at(point) == kills
    world.assert_equal()


def test_a_dry_run_before_is_not_taken_for_the_cutover(world, monkeypatch):
    """Its report stands there as done while the real attempt is being set up. The main loop is made to
    linger just before it looks, so that it looks in that very moment; the attempt itself cannot succeed."""
    monkeypatch.setenv("TIDEGATE_BIN", PROGRAM)
    world.pgbench()
    world.write(clients=2, rate=150)
    agent = world.agent()
    agent.start(env={"TIDEGATE_FAILPOINTS": "cutover.asked=sleep:800,agent.tick=sleep:300"})
    agent.streaming()
    dry = agent.cmd("cutover", "--dry-run")
    assert dry.returncode == 0, dry.stdout + dry.stderr
    lock = world.hold(world.target, "begin; lock table pgbench_branches in access exclusive mode")
    agent.cutover(timeout=8, expect=3)
    until(lambda: agent.status()["phase"] in ("catchup", "streaming"), 10, "the way back")
    assert agent.running(), agent.err()[-3000:]
    lock.stdin.close()
    lock.wait(10)
