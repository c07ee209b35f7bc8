# SPDX-License-Identifier: Apache-2.0
"""DDL while changes stream. Each file of ddl/ is run on the source; afterwards both sides must be equal.

Lines of a file that begin with `-- ` and one of these words say what else is expected:
  -- expect: stop WORDS     the sink stops, and its error has these words (a regular expression); may stand several times
  -- then: apply | skip     what the operator decides at that stop
  -- target: SQL            run on the target before the decision
  -- settings: {"ddl": ..}  the file gets a migration of its own, with these settings
"""
import glob
import json
import os
import re
import threading

import pytest

from lib import compare
from lib.agent import assert_clear_error
from lib.proc import until

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "ddl")
FILES = sorted(os.path.basename(f)[:-4] for f in glob.glob(os.path.join(HERE, "*.sql")))


def read(name):
    with open(os.path.join(HERE, name + ".sql")) as f:
        return f.read()


def said(text, word):
    return re.findall(rf"^-- {word}: (.*)$", text, re.M)


def roles(world):
    for server in (world.source, world.target):
        for role in ("ddl_reader", "ddl_owner"):
            server.psql(f"do $$ begin create role {role}; exception when duplicate_object then null; end $$")


def sink(agent, n=0):
    status = agent.status()
    return status["sinks"][n] if status else {"state": None, "error": ""}


def waiting(agent):
    """{sink: the statement that waits there}"""
    done = agent.cmd("ddl", "list", "--json")
    return {w["sink"]: w for w in json.loads(done.stdout)["waiting"]} if done.returncode == 0 else {}


def stopped(agent, words, passed=(), name="target", n=0):
    """Waits for a stop that is not among those passed; returns its place."""
    until(lambda: waiting(agent).get(name, {"place": None})["place"] not in {None, *passed}, 30, "the sink's stop")
    until(lambda: sink(agent, n)["state"] == "stopped", 30, "the sink's state")
    place = waiting(agent)[name]["place"]
    assert re.search(words, sink(agent, n)["error"], re.I), sink(agent, n)["error"]
    return place


def began(world, settings=None):
    roles(world)
    world.source.psql("create table old (id int primary key, v text); insert into old values (1, 'x')", world.db)
    agent = world.agent(settings).start()
    agent.streaming()
    return agent


@pytest.fixture(scope="module")
def streaming(lasting_world):
    return began(lasting_world)


def play(world, agent, text):
    world.source.psql(text, world.db)
    decisions, target = said(text, "then"), said(text, "target")
    passed = []
    for i, words in enumerate(said(text, "expect")):
        passed.append(stopped(agent, words.removeprefix("stop "), passed))
        if i < len(target):
            world.target.psql(target[i], world.db)
        agent.cmd("ddl", decisions[i], check=True)
    agent.caught_up()
    # Tables whose rows have to be copied again do so while everything else goes on.
    until(lambda: not any(k["tables_stopped_total"] for k in agent.status()["sinks"]), 60, "copies that were asked for")
    agent.caught_up()
    world.assert_equal(with_sequences=False)


@pytest.mark.parametrize("name", [n for n in FILES if not said(read(n), "settings")])
def test_file(lasting_world, streaming, name):
    play(lasting_world, streaming, read(name))


@pytest.mark.parametrize("name", [n for n in FILES if said(read(n), "settings")])
def test_file_with_settings(world, name):
    text = read(name)
    play(world, began(world, json.loads(said(text, "settings")[0])), text)


def write_ddl(world, n):
    """Transactions with rows in front of, between and behind DDL."""
    for i in range(n):
        world.source.psql(
            f"begin; insert into old values ({100 + i}, 'a'); create table made_{i} (id int primary key, v text);"
            f"insert into made_{i} values (1, 'b'), (2, 'c'); alter table old add column c{i} int default {i};"
            f"update made_{i} set v = 'd' where id = 2; insert into old (id) values ({200 + i}); commit", world.db)


@pytest.mark.crash
def test_killed_around_ddl(world):
    """In the middle of a row of such transactions: while the source has some of them, or the target."""
    agent = began(world)
    for i, side in enumerate((world.source, world.target, world.source, world.target)):
        writer = threading.Thread(target=write_ddl, args=(_Shifted(world, i), 3))
        writer.start()
        made = f"select to_regclass('made_{i}_{i // 2}')"
        until(lambda: side.one(made, world.db), 30, "the transaction to be killed at")
        assert agent.running(), agent.err()[-3000:]
        agent.kill()
        writer.join()
        agent.start()
    agent.caught_up()
    assert world.source.one("select count(*) from pg_tables where tablename ~ '^made_'", world.db) == "12"
    world.assert_equal()


class _Shifted:
    """A world whose statements use names and keys of their own."""

    def __init__(self, world, n):
        self.world, self.n, self.db, self.source = world, n, world.db, self

    def psql(self, sql, db):
        for name in ("made_", " c"):
            sql = re.sub(rf"{name}(?=\d)", f"{name}{self.n}_" if name == "made_" else f" c{self.n}_", sql)
        sql = re.sub(r"\((\d{3})", lambda m: f"({int(m[1]) + 1000 * self.n}", sql)
        self.world.source.psql(sql, db)


def test_two_sinks_and_a_later_one(world):
    """Each sink decides for itself; one that joins has in its copy what was altered before."""
    other, third = world.db + "_b", world.db + "_c"
    for name in (other, third):
        world.target.create_db(name)

    def entry(name, db):
        return {"name": name, "type": "postgresql", "dsn": world.target.uri(db)}

    try:
        sinks = [entry("target", world.db), entry("b", other)]
        agent = began(world, {"sinks": sinks})
        world.target.psql("create table made_0 (x int)", other)  # in the way
        write_ddl(world, 2)
        stopped(agent, "already exists", name="b", n=1)
        until(lambda: world.target.one("select count(*) from old", world.db) == "5", 30, "the first sink")
        world.target.psql("drop table made_0", other)
        agent.cmd("ddl", "apply", "b", check=True)
        agent.caught_up()
        assert agent.stop() == 0
        with open(agent.config) as f:
            settings = json.load(f)
        settings["sinks"].append(entry("c", third))
        with open(agent.config, "w") as f:
            json.dump(settings, f)
        agent.start()
        world.source.psql("alter table old add column late text default 'late'; insert into old (id) values (999)",
                          world.db)
        agent.streaming()
        agent.caught_up()
        world.assert_equal()
        for name in (other, third):
            assert not compare.differences(world.source, world.db, world.target, name)
        agent.stop()
        agent.cmd("cleanup", "--yes", check=True)
        assert world.source.one("select count(*) from pg_event_trigger", world.db) == "0"
        assert world.source.one("select count(*) from pg_namespace where nspname = 'tidegate_ddl'", world.db) == "0"
    finally:
        for name in (other, third):
            world.target.drop_db(name)


def test_messages_of_others_are_not_believed(world):
    agent = began(world)
    world.source.psql("create role ddl_forger; set role ddl_forger; select pg_logical_emit_message(true, 'tidegate.ddl',"
                      "'{\"v\": 1, \"tag\": \"DROP TABLE\", \"query\": \"drop table old\", \"nth\": 1}')", world.db)
    agent.caught_up()
    assert world.target.one("select count(*) from old", world.db) == "1"
    assert "not believed" in agent.err()
    world.source.psql("drop role ddl_forger")


def test_without_the_right_it_is_only_noticed(world):
    world.source.psql("drop role if exists ddl_mover; create role ddl_mover login replication", check=False)
    world.source.psql(f'alter database "{world.db}" owner to ddl_mover')
    world.source.psql("create table old (id int primary key, v text); insert into old values (1, 'x');"
                      "alter table old owner to ddl_mover", world.db)
    world.target.psql("do $$ begin create role ddl_mover; exception when duplicate_object then null; end $$")
    agent = world.agent(source_dsn=world.source.uri(world.db, user="ddl_mover"))
    check = json.loads(agent.cmd("check", "--json").stdout)
    assert [f["verdict"] for f in check["findings"] if f["id"] == "ddl-capture"] == ["warning"], check
    agent.start()
    agent.streaming()
    assert "DDL is not captured" in agent.err()
    world.source.psql("alter table old add column n int default 3; insert into old values (2, 'y', 4)", world.db)
    agent.caught_up()
    until(lambda: not agent.status()["sinks"][0]["tables_stopped_total"], 60, "the table's copy")
    agent.caught_up()
    world.assert_equal()
    agent.stop()
    world.source.psql(f'alter database "{world.db}" owner to postgres')
    world.source.psql("reassign owned by ddl_mover to postgres", world.db)


def test_what_is_noticed_and_ignored_stops_the_sink_where_it_is_needed(world):
    agent = began(world, {"ddl": {"capture": False, "default": "ignore"}})
    world.source.psql("alter table old add column n int default 3; insert into old values (2, 'y', 4)", world.db)
    assert agent.wait_exit(60) == 1
    assert_clear_error(agent.err(), "lacks column 'n'", "add the column")
    world.target.psql("alter table old add column n int default 3", world.db)
    agent.start()
    agent.caught_up()
    world.assert_equal()


def test_a_column_that_went_is_not_forgotten_by_a_kill(world):
    agent = began(world, {"ddl": {"capture": False, "tables": "stop"}})
    world.source.psql("insert into old values (2, 'y'); alter table old drop column v; insert into old values (3)", world.db)
    place = stopped(agent, 'drop column "v"')
    agent.kill()
    agent.start()
    assert stopped(agent, 'drop column "v"') == place
    agent.cmd("ddl", "apply", check=True)
    agent.caught_up()
    world.assert_equal()


def test_cutover_finds_columns_that_no_row_told(world):
    agent = began(world, {"ddl": {"capture": False}})
    world.source.psql("alter table old add column n int", world.db)
    done = agent.cutover(expect=3)
    assert_clear_error(done.stderr, "old.n", "tidegate cutover")
    assert world.source.one("show default_transaction_read_only", world.db) == "off"
    world.target.psql("alter table old add column n int", world.db)
    agent.streaming()  # the cutover that was put back left it catching up for a moment
    agent.cutover()
    world.assert_equal()


def test_a_column_that_was_dropped_on_the_target_comes_back_with_its_values(world):
    agent = began(world, {"ddl": {"capture": False}})
    world.source.psql("insert into old values (2, 'y')", world.db)
    agent.caught_up()
    world.target.psql("alter table old drop column v", world.db)
    agent.stop()
    agent.start()
    world.source.psql("insert into old values (3, 'z')", world.db)
    agent.caught_up()
    until(lambda: not agent.status()["sinks"][0]["tables_stopped_total"], 60, "the table's copy")
    world.assert_equal()
