# SPDX-License-Identifier: Apache-2.0
"""Cutover: what it promises, what it does when it cannot, what it leaves alone."""
import json
import time

from lib.agent import downtime_ms
from lib.proc import until


def writable(world):
    done = world.source.psql("insert into pgbench_history (tid) values (0)", world.db, check=False)
    return done.returncode == 0


def test_timeout_lifts_the_fence_and_streaming_goes_on(world):
    world.pgbench()
    agent = world.agent().start()
    agent.streaming()
    lock = world.hold(world.target, "begin; lock table pgbench_history in access exclusive mode")
    assert writable(world)
    done = agent.cmd("cutover", "--timeout", "3s", timeout=30)
    assert done.returncode == 3, (done.returncode, done.stdout, done.stderr)
    assert "hint" in (done.stdout + done.stderr).lower()
    again = agent.cmd("cutover", "--dry-run")
    assert "running already" not in again.stderr, again.stderr
    until(lambda: writable(world), 10, "writes on the source")
    lock.stdin.close()
    lock.wait(10)
    agent.streaming()
    agent.caught_up(timeout=20)
    assert agent.running()
    agent.cutover()
    world.assert_equal()


def test_kill_during_cutover_can_be_completed(world):
    world.pgbench()
    agent = world.agent().start()
    agent.streaming()
    lock = world.hold(world.target, "begin; lock table pgbench_history in access exclusive mode")
    assert writable(world)
    waiting = agent.cmd  # the command is cut together with the agent
    import threading
    result = {}
    thread = threading.Thread(target=lambda: result.update(d=waiting("cutover", "--timeout", "30s")))
    thread.start()
    until(lambda: not writable(world), 15, "the fence")
    agent.kill()
    thread.join(30)
    assert result["d"].returncode not in (0, None)
    lock.stdin.close()
    lock.wait(10)
    agent.start()
    agent.streaming()
    agent.cutover()
    world.assert_equal()


def test_dry_run_changes_nothing(world):
    world.pgbench()
    writers = world.write(clients=2, rate=100)
    agent = world.agent().start()
    agent.streaming()
    done = agent.cmd("cutover", "--dry-run")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.strip()
    time.sleep(0.5)
    assert writers.running()
    assert agent.status()["phase"] in ("streaming", "catchup")
    agent.streaming()
    agent.cutover()
    world.assert_equal()


def logged(server, begin, end):
    """What a server has logged from the line with `begin` to the one with `end`."""
    text = open(server.log, errors="replace").read()
    assert begin in text, begin
    text = text[text.index(begin):]
    assert end in text, end
    return text[:text.index(end)]


def test_no_session_is_opened_behind_the_fence(world):
    world.pgbench()
    agent = world.agent().start()
    agent.streaming()
    for server in (world.source, world.target):
        for setting in ("log_connections = on", "log_statement = 'all'"):
            server.sql(f"alter system set {setting}")
        server.sql("select pg_reload_conf()")
    agent.caught_up()
    agent.cutover()
    fenced = logged(world.source, "SET default_transaction_read_only = 'on'", "relpersistence = 'u'")
    assert "connection received" not in fenced, fenced
    # The target's part begins with the answer to the barrier, which the sink has in its own session.
    last = "parameters: $1 = 'cutover'"
    behind = logged(world.target, "pg_replication_origin_session_progress", last)
    behind = behind[behind.rindex("pg_largeobject_metadata"):]
    assert "connection received" not in behind, behind
    assert "count(*)" in behind, behind
    world.assert_equal()


def test_rows_of_every_table_are_counted(world):
    """More tables than one statement counts; one that differs is named."""
    tables = 130
    world.source.sql(f"do $$ begin for i in 1..{tables} loop execute format('create table c%s (id int primary key)', i); "
                     "execute format('insert into c%s select generate_series(1, %s)', i, i); end loop; end $$", world.db)
    agent = world.agent().start()
    agent.streaming()
    for i in (5, 6):  # one table on the source, partitions on the target
        world.target.sql(f"alter table c{i} rename to c{i}_all; create table c{i} (like c{i}_all including all) "
                         f"partition by range (id); alter table c{i} attach partition c{i}_all default", world.db)
    for wrong in (1, 6, 99, 130):
        world.target.sql(f"insert into c{wrong} values (0)", world.db)
        done = agent.cmd("cutover", timeout=90)
        assert done.returncode != 0 and f"c{wrong}' has {wrong} rows" in done.stdout + done.stderr, done.stdout + done.stderr
        world.target.sql(f"delete from c{wrong} where id = 0", world.db)
        agent.streaming()
    report = json.loads(agent.cutover("--json").stdout)
    assert f"{tables} tables, equal counts" in json.dumps(report), report


def test_no_fence_leaves_the_source_writable(world):
    world.pgbench()
    agent = world.agent().start()
    agent.streaming()
    done = agent.cutover("--no-fence")
    downtime_ms(done)
    world.assert_equal()
    assert writable(world)


def test_report_as_json(world):
    world.pgbench()
    agent = world.agent().start()
    agent.streaming()
    report = json.loads(agent.cutover("--json").stdout)
    assert any("downtime" in key for key in report), report


def test_exempt_sessions_survive_the_fence(world):
    world.pgbench()
    agent = world.agent({"cutover": {"exempt": ["watcher"]}}).start()
    agent.streaming()
    watcher = world.hold(world.source, "set application_name = 'watcher'")
    other = world.hold(world.source, "select 1")
    agent.cutover()
    for session, alive in ((watcher, True), (other, False)):
        try:
            session.stdin.write("select 'alive';\n")
            session.stdin.close()
            answered = "alive" in [line.strip() for line in session.stdout]
        except BrokenPipeError:
            answered = False
        session.wait(10)
        assert answered == alive
    world.assert_equal()


def test_sequences_continue_behind_the_source(world):
    world.source.sql(
        "create table s (id serial primary key, v text); insert into s (v) values ('a'), ('b');"
        "create sequence alone start 100 increment 10; select nextval('alone')", world.db)
    agent = world.agent().start()
    agent.streaming()
    world.source.sql("insert into s (v) select 'x' from generate_series(1, 100);"
                     "select nextval('alone')", world.db)
    agent.cutover()
    world.assert_equal()
    assert world.target.one("insert into s (v) values ('new') returning id", world.db) == "103"
    assert world.target.one("select nextval('alone')", world.db) == "120"
