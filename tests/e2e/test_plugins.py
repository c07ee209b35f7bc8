# SPDX-License-Identifier: Apache-2.0
"""The same jobs over every logical decoding plugin. What must differ is in plugin_differences.json alone."""
import json
import os
import time

import pytest

from lib import compare, paths
from lib.proc import until

PLUGINS = ["pgoutput", "wal2json", "test_decoding"]
SAKILA_CHURN = os.path.join(paths.SQL, "sakila_churn.sql")
TYPES_CHURN = os.path.join(paths.SQL, "types_churn.sql")


@pytest.fixture(params=PLUGINS)
def plugin(request):
    return request.param


def with_plugin(plugin, **more):
    return {"source": {"plugin": plugin}, **more}


@pytest.mark.parametrize("plugin", PLUGINS[1:])  # pgoutput: test_main_job.py, test_crash.py
def test_pgbench_with_writers_and_a_kill(world, plugin):
    world.pgbench()
    writers = world.write(clients=4)
    agent = world.agent(with_plugin(plugin)).start()
    agent.streaming()
    time.sleep(0.5)
    agent.kill()
    agent.start()
    agent.streaming()
    assert writers.running(), writers.wait()
    agent.cutover()
    writers.wait(20)
    world.assert_equal()


@pytest.mark.long
def test_sakila(world, plugin):
    world.script("data", "sakila", "schema.sql")
    world.script("data", "sakila", "data.sql")
    churn = world.repeat(SAKILA_CHURN)
    agent = world.agent(with_plugin(plugin)).start()
    agent.streaming()
    seen = churn.rounds
    until(lambda: churn.rounds >= seen + 4 or churn.error, 30, "rounds of writing")
    assert churn.error is None
    agent.cutover()
    churn.stop()
    world.assert_equal()


@pytest.mark.long
def test_everyday_types(world, plugin):
    world.script("e2e", "sql", "types.sql")
    churn = world.repeat(TYPES_CHURN)
    agent = world.agent(with_plugin(plugin)).start()
    agent.streaming()
    seen = churn.rounds
    until(lambda: churn.rounds >= seen + 5 or churn.error, 40, "rounds of writing")
    assert churn.error is None
    agent.cutover()
    churn.stop()
    world.assert_equal()


CORNERS = '''
create table toasted (id integer primary key, big text, small integer);
alter table toasted alter big set storage external;
create table bare (a integer, b text, c numeric);
create table parent (id integer primary key);
create table child (id integer primary key, parent integer references parent);
create table parts (id integer primary key, v text) partition by range (id);
create table parts_1 partition of parts for values from (0) to (100);
create table left_out (id integer primary key);
create table many (id integer primary key, v text);
create table numbers (id integer primary key, exact numeric, float double precision, raw bytea, yes boolean, bits bit(3),
    twice integer generated always as (id * 2) stored, money money, list integer[]);
create table "Odd ""name""" ("the key" text primary key, "a.b" text);
insert into toasted values (1, repeat('x', 5000), 1), (2, repeat('y', 5000), 2);
insert into bare values (1, null, null), (1, null, null), (2, 'it''s', 1.50);
insert into parent values (1);
insert into child values (10, 1);
'''

NEW_PARTITION = "create table parts_2 (id integer primary key, v text); alter table parts attach partition parts_2 for values from (100) to (200)"

CHURN = '''
update toasted set small = small + 10;
update toasted set id = 3 where id = 1;
update toasted set big = repeat('z', 4000) where id = 2;
delete from bare where ctid = (select min(ctid) from bare);
update bare set b = 'new', c = null where a = 2;
insert into bare values (null, null, null);
truncate parent cascade;
insert into parent values (2);
insert into child values (20, 2);
insert into left_out select g from generate_series(1, 50) g;
insert into parts values (1, 'old one'), (150, 'new one');
begin;
insert into many select g, repeat('v', 200) from generate_series(1, 10000) g;
savepoint s;
insert into many select g, 'void' from generate_series(20001, 20100) g;
rollback to s;
update many set v = 'w' where id % 100 = 0;
commit;
insert into numbers (id, exact, float, raw, yes, bits, money, list) values
    (1, 12345678901234567890.12345678901234567890, 1e-300, '\\x00ff', true, '101', 12.34, '{1,NULL,3}'),
    (2, null, '-0', '', false, null, null, '{}');
insert into "Odd ""name""" values ('k''1', E'\\\\ new-tuple: \\n\\t"'), ('null', 'null'), ('x', 'unchanged-toast-datum');
update "Odd ""name""" set "the key" = 'k2' where "the key" = 'k''1';
select pg_logical_emit_message(true, 'app', 'hello');
'''


def differences(plugin):
    with open(os.path.join(paths.TESTS, "e2e", "plugin_differences.json"), encoding="utf-8") as f:
        return {d["id"] for d in json.load(f) if plugin in d["plugins"]}


def test_corners(world, plugin):
    world.source.sql(CORNERS, world.db)
    agent = world.agent(with_plugin(plugin, tables={"exclude": ["public.left_out"]})).start()
    agent.streaming()
    world.source.sql(NEW_PARTITION, world.db)
    agent.caught_up()
    if "public.parts_2" not in compare.tables(world.target, world.db):
        assert "ddl" in differences(plugin)
        world.target.sql(NEW_PARTITION, world.db)
    world.source.sql(CHURN, world.db)
    agent.caught_up()
    compared = [t for t in compare.tables(world.source, world.db) if t != "public.left_out"]
    source, target = (compare.contents(s, world.db, compared) for s in (world.source, world.target))
    assert source == target
    assert world.target.sql("select count(*) from many", world.db) == [["10000"]]

    # The spool says by itself what its bytes are.
    shown = [json.loads(line) for line in agent.cmd("spool", "cat", "--table", "many").stdout.splitlines()]
    assert len([c for c in shown if c.get("kind") == "insert"]) == 10000
    assert not agent.cmd("spool", "cat", "--table", "left_out").stdout
    assert agent.cmd("spool", "verify").returncode == 0

    # What cannot be said arrives as the list has it, and only there.
    world.source.sql("insert into numbers (id, exact, float) values (3, 'NaN', 'NaN')", world.db)
    agent.caught_up()
    arrived = world.target.sql("select exact, float from numbers where id = 3", world.db)
    if arrived == [["NaN", "NaN"]]:
        assert plugin != "wal2json" or "special_numbers" in differences(plugin)
    else:
        assert "special_numbers" in differences(plugin), arrived
        assert world.target.sql("select count(*) from numbers where exact is null and float is null and id = 3",
                                world.db) == [["1"]]


@pytest.mark.parametrize("plugin", ["wal2json", "test_decoding"])
def test_a_table_that_loses_its_identity_stops_the_feed(world, plugin):
    world.source.sql("create table t (id integer primary key, v text); insert into t values (1, 'x')", world.db)
    agent = world.agent(with_plugin(plugin)).start()
    agent.streaming()
    world.source.sql("alter table t replica identity nothing", world.db)
    world.source.sql("delete from t", world.db)
    until(lambda: "replica identity" in agent.err() or "tuple identifier" in agent.err(), 20, "the refusal")
    assert world.target.sql("select count(*) from t", world.db) == [["1"]]


def test_a_migration_keeps_its_plugin_and_check_tells_the_limits(world):
    world.source.sql("create table t (id integer primary key, n numeric)", world.db)
    agent = world.agent(with_plugin("test_decoding"))
    found = {f["id"]: f for f in json.loads(agent.cmd("check", "--json").stdout)["findings"]}
    assert found["plugin"]["verdict"] == "ok"
    assert found["plugin-limits"]["verdict"] == "warning"
    agent.start()
    agent.streaming()
    assert world.source.sql(f"select plugin from pg_replication_slots where slot_name = 'tidegate_{agent.name}'",
                            world.db) == [["test_decoding"]]
    assert not world.source.sql(f"select 1 from pg_publication where pubname = 'tidegate_{agent.name}'", world.db)
    agent.stop()
    with open(agent.config, encoding="utf-8") as f:
        text = f.read()
    with open(agent.config, "w", encoding="utf-8") as f:
        f.write(text.replace("test_decoding", "wal2json"))
    assert agent.run() != 0
    assert "begun with source.plugin: test_decoding" in agent.err()


def test_the_documented_differences_are_the_list():
    with open(os.path.join(paths.TESTS, "..", "decoders", "README.md"), encoding="utf-8") as f:
        shown = f.read().split("| --- |")[-1]
    with open(os.path.join(paths.TESTS, "e2e", "plugin_differences.json"), encoding="utf-8") as f:
        for d in json.load(f):
            row = f"| {d['id']} | {', '.join(d['plugins'])} | {d['what']} | {d['announced']} |"
            assert row in shown
