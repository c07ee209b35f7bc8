# SPDX-License-Identifier: Apache-2.0
"""A table that leaves the stream alone: stopped, copied anew, and back, while everything else goes on."""
import os
import signal
import time

import pytest

from lib.agent import assert_clear_error, patience
from lib.proc import until

PROGRAM = os.environ.get("TIDEGATE_FAILPOINT_BIN")
TABLES = ("create table item (id int primary key, price int not null, note text);"
          "insert into item select g, g % 50, 'n' || g from generate_series(1, 300) g;"
          "create table other (id serial primary key, v text);")


# What is done to tables here is not carried by itself: that it is not is what a resync is for.
NO_DDL = {"ddl": {"capture": False}}


def settings(policy="stop_table", **more):
    return {**NO_DDL, "sinks": [{"name": "target", "type": "postgresql", "dsn": "${env:TARGET_DSN}",
                       "on_error": policy}], **more}


def streaming(world, config=None, ddl=TABLES, env=None):
    world.source.sql(ddl, world.db)
    agent = world.agent(config or settings()).start(env=env or {})
    agent.streaming()
    return agent


def out(agent, sink=0):
    status = agent.status()
    return {t["table"]: t for t in status["sinks"][sink]["tables_stopped"]} if status else None


def resync(agent, *args, expect=0):
    done = agent.cmd("resync", *args)
    assert done.returncode == expect, done.stdout + done.stderr
    return done


def back(agent, sink=0, seconds=30):
    until(lambda: out(agent, sink) == {}, seconds, "every table is back in the stream")


def rows(server, world, table="item"):
    return server.sql(f"select * from {table} order by 1", world.db)


def assert_same(world, *tables):
    for table in tables or ("item", "other"):
        assert rows(world.source, world, table) == rows(world.target, world, table), table


def refuse(world):
    """A row on the target, made by hand, in the way of one that comes."""
    world.target.sql("insert into item values (1001, 1, 'in the way')", world.db)
    world.source.sql("begin; update item set price = 7 where id = 1; insert into item values (1001, 5, 'refused');"
                     "insert into other (v) values ('same transaction'); commit", world.db)


@pytest.mark.parametrize("analyze", [True, False])
def test_statistics_of_a_table_that_is_copied_again(world, analyze):
    agent = streaming(world, settings(copy={"analyze": analyze}))
    refuse(world)
    agent.caught_up()
    world.target.sql("delete from item where id = 1001", world.db)
    resync(agent, "item")
    back(agent)
    assert agent.stop() == 0
    assert world.analyzed("item") == (2 if analyze else 0)  # of the first copy and of this one
    assert_same(world)


def test_a_refused_row_stops_its_table_and_resync_heals_it(world):
    agent = streaming(world)
    refuse(world)
    world.source.sql("insert into other (v) values ('behind'); delete from item where id = 2", world.db)
    agent.caught_up()
    table = out(agent)["public.item"]
    assert table["state"] == "stopped" and "23505" in table["error"] and table["position"]
    assert agent.status()["sinks"][0]["state"] == "running"
    assert_same(world, "other")
    assert "IS STOPPED" in agent.cmd("status").stdout
    # A cutover would open a target without the table's changes.
    refused = agent.cmd("cutover", "--timeout", "20s")
    assert refused.returncode == 3
    assert_clear_error(refused.stderr, "public.item", "stopped")
    # It stays so over a restart, and what comes meanwhile is left out.
    assert agent.stop() == 0
    world.source.sql("insert into item values (1002, 6, 'while it was down')", world.db)
    agent.start()
    agent.streaming()
    agent.caught_up()
    assert out(agent)["public.item"]["state"] == "stopped"
    assert world.target.one("select count(*) from item where id = 1002", world.db) == "0"
    resync(agent, "public.item", "--wait")
    assert out(agent) == {}
    world.source.sql("insert into item values (1003, 7, 'behind')", world.db)
    agent.caught_up()
    assert_same(world)
    agent.cutover()
    assert_same(world)


def test_resync_under_load(world):
    world.pgbench()
    agent = world.agent(settings()).start()
    agent.streaming()
    load = world.write(clients=4, rate=400)
    for _ in range(2):
        resync(agent, "pgbench_accounts", "--wait")
        resync(agent, "pgbench_history")
        resync(agent, "pgbench_tellers", "--wait")
    load.stop()
    agent.caught_up()
    assert out(agent) == {}
    agent.cutover()
    world.assert_equal()


def test_a_missing_column_stops_its_table(world):
    agent = streaming(world, settings(ddl={"capture": False, "default": "ignore"}))
    world.source.sql("alter table item add extra text; insert into item values (2000, 1, 'x', 'y');"
                     "insert into other (v) values ('goes on')", world.db)
    agent.caught_up()
    assert "extra" in out(agent)["public.item"]["error"]
    assert_same(world, "other")
    # As long as the cause is there the copy fails, and says so.
    failed = resync(agent, "item", "--wait", expect=1)
    assert_clear_error(failed.stderr.replace("tidegate:", "hint: x\n"), "extra")
    world.target.sql("alter table item add extra text", world.db)
    resync(agent, "item", "--wait")
    agent.caught_up()
    assert_same(world)


def test_a_table_created_later_joins(world):
    agent = streaming(world)
    world.source.sql("create schema \"New One\"; create type mood as enum ('a', 'b');"
                     "create table \"New One\".\"Late\" (id int generated always as identity primary key, v text"
                     " unique, item int references item, note text default 'x' check (note <> 'bad'));"
                     "create index late_note on \"New One\".\"Late\" (note);"
                     "create table nokey (a int, b text); insert into nokey select g, 'b' from generate_series(1,20) g;"
                     "insert into \"New One\".\"Late\" (v, item) select 'v' || g, g from generate_series(1, 50) g",
                     world.db)
    refused = agent.cmd("cutover", "--timeout", "20s")
    assert refused.returncode == 3
    assert_clear_error(refused.stderr, "New One.Late", "tidegate resync")
    resync(agent, "New One.Late")
    resync(agent, "nokey", "--wait")
    world.source.sql("insert into \"New One\".\"Late\" (v, item) values ('streamed', 3);"
                     "update \"New One\".\"Late\" set note = 'changed' where id = 5; delete from nokey where a = 3;"
                     "update nokey set b = 'c' where a = 4", world.db)
    agent.caught_up()
    assert_same(world, "item", "other", '"New One"."Late"', "nokey")
    for kind in ("select conname, contype from pg_constraint where conrelid = '\"New One\".\"Late\"'::regclass order by 1",
                 "select indexname from pg_indexes where schemaname = 'New One' order by 1"):
        assert world.source.sql(kind, world.db) == world.target.sql(kind, world.db)
    agent.cutover()
    assert_same(world, '"New One"."Late"', "nokey")
    world.target.sql("insert into \"New One\".\"Late\" (v, item) values ('own', 3)", world.db)


def test_a_table_that_foreign_keys_point_to(world):
    ddl = ("create table a (id int primary key, v text); create table b (id int primary key, a int references a);"
           "insert into a select g, 'v' from generate_series(1, 100) g;"
           "insert into b select g, g from generate_series(1, 100) g")
    agent = streaming(world, ddl=ddl)
    world.target.sql("set session_replication_role = replica; delete from a where id > 50;"
                     "update a set v = 'wrong'", world.db)
    resync(agent, "a", "--wait")
    world.source.sql("insert into a values (101, 'new'); insert into b values (101, 101)", world.db)
    agent.caught_up()
    assert_same(world, "a", "b")
    # One of them is out while both are emptied at the source: the other must not be taken along.
    world.target.sql("insert into b values (102, 1)", world.db)
    world.source.sql("insert into b values (102, 2)", world.db)
    agent.caught_up()
    assert "public.b" in out(agent)
    world.source.sql("truncate a, b; insert into a values (1, 'again'); insert into b values (1, 1)", world.db)
    agent.caught_up()
    assert rows(world.source, world, "a") == rows(world.target, world, "a")
    assert world.target.one("select count(*) from b", world.db) == "102"
    resync(agent, "b", "--wait")
    agent.caught_up()
    assert_same(world, "a", "b")


def test_wrong_names_give_clear_errors(world):
    agent = streaming(world, {**settings(), "tables": {"exclude": ["public.other"]}})
    assert_clear_error(resync(agent, "nothing", expect=1).stderr, "no table 'nothing'")
    assert_clear_error(resync(agent, "other", expect=1).stderr, "left out")
    assert_clear_error(resync(agent, "item", "--sink", "nobody", expect=1).stderr, "no sink 'nobody'")
    resync(agent, expect=2)
    assert out(agent) == {}


def test_one_of_two_sinks_has_it_stopped(world):
    db2 = f"{world.db}_two"
    world.target.create_db(db2)
    try:
        config = {**NO_DDL, "sinks": [
            {"name": "one", "type": "postgresql", "dsn": world.target.uri(world.db), "on_error": "stop_table"},
            {"name": "two", "type": "postgresql", "dsn": world.target.uri(db2), "on_error": "stop_table"}]}
        agent = streaming(world, config)
        refuse(world)
        agent.caught_up()
        assert "public.item" in out(agent, 0) and out(agent, 1) == {}
        assert rows(world.source, world) == world.target.sql("select * from item order by 1", db2)
        # A new table is copied to one; at the other it waits, visibly, until it is asked for.
        world.source.sql("create table late (id int primary key); insert into late values (1)", world.db)
        resync(agent, "late", "--sink", "two", "--wait")
        until(lambda: out(agent, 1) == {}, 20, "back at two")
        assert world.target.sql("select * from late", db2) == [["1"]]
        assert out(agent, 0)["public.late"]["state"] == "stopped"
        resync(agent, "item", "--sink", "one")
        resync(agent, "late", "--sink", "one")
        back(agent, 0)
        world.source.sql("insert into late values (2); insert into item values (3000, 1, 'end')", world.db)
        agent.caught_up()
        assert_same(world, "item", "other", "late")
        assert world.target.sql("select * from late order by 1", db2) == [["1"], ["2"]]
    finally:
        world.close()
        world.closing.clear()
        world.target.drop_db(db2)


POINTS = ["resync.ask", "resync.asked", "resync.stop", "resync.stopped", "resync.copying", "resync.filled",
          "resync.copied", "resync.held", "resync.joined", "resync.ready", "resync.publish", "resync.published",
          "resync.making"]


STOPPING = ("resync.stop", "resync.stopped")
NEW_TABLE = ("resync.publish", "resync.published", "resync.making")


def drive(world, agent, tables, spec, asks):
    """One run, until it was killed or every table is back; `asks` false: nobody asks for a copy.

    True when it was killed at the point of `spec`."""
    point = spec.partition("=")[0]
    before = agent.kills_at(point)
    agent.start(env={"TIDEGATE_FAILPOINTS": spec} if spec else {})
    asked = set()
    end = time.monotonic() + patience(90)
    while agent.running():
        stopped = {name.partition(".")[2] for name, t in (out(agent) or {}).items() if t["state"] == "stopped"}
        for table in tables if asks else ():
            if (table not in asked or table in stopped) and agent.cmd("resync", table).returncode == 0:
                asked.add(table)
        world.source.psql("update item set price = price + 1 where id % 7 = 0", world.db, check=False)
        if asked == set(tables) and out(agent) == {}:
            break
        assert time.monotonic() < end, (spec, asked, out(agent), agent.err()[-3000:])
        time.sleep(0.1)
    if agent.running():
        agent.kill()
        return False
    assert agent.process.wait(10) == -signal.SIGKILL, agent.err()[-3000:]
    assert agent.kills_at(point) == before + 1, agent.err()[-3000:]
    return True


@pytest.mark.crash
@pytest.mark.skipif(not PROGRAM, reason="needs the program of `make test-crash`")
@pytest.mark.parametrize("point", POINTS)
def test_kill_at(point, world, monkeypatch):
    monkeypatch.setenv("TIDEGATE_BIN", PROGRAM)
    world.pgbench()
    agent = streaming(world)
    agent.stop()
    load = world.write(clients=3, rate=200)
    tables = ["item", "pgbench_accounts"]
    if point in NEW_TABLE:
        world.source.sql("create table late (id int primary key, v text unique);"
                         "insert into late select g, g from generate_series(1, 500) g", world.db)
        tables.append("late")
    world.target.sql("insert into item values (1001, 1, 'in the way')", world.db)
    world.source.sql("insert into item values (1001, 5, 'refused')", world.db)
    # A copy that is asked for early would bring the row that is to be refused.
    assert drive(world, agent, tables, f"{point}=kill:1", point not in STOPPING), "the point was not reached"
    # In a row, and at another table; not every point has work left for that.
    for spec in (f"{point}=kill:1", f"{point}=kill:2"):
        drive(world, agent, tables, spec, True)
    agent.start()
    agent.streaming()
    for table in tables:
        resync(agent, table)
    back(agent, seconds=patience(60))
    load.stop()
    agent.cutover()  # sequences are ahead of the source until then
    world.assert_equal()
