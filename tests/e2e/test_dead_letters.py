# SPDX-License-Identifier: Apache-2.0
"""Changes that the target refuses: parked, listed, applied again; upserts; nothing lost or doubled."""
import glob
import json
import os
import random
import signal
import stat

import pytest

from lib.agent import assert_clear_error
from lib.proc import until

PROGRAM = os.environ.get("TIDEGATE_FAILPOINT_BIN")
KEY = "0123456789abcdef" * 4
MARKER = "Zq7-marker-of-a-row"
TABLE = ("create table item (id int primary key, price int not null, note text, big text);"
         "insert into item select g, g % 50, 'n' || g from generate_series(1, 300) g;")


def settings(policy="dead_letter", sink=None, **more):
    return {"sinks": [{"name": "target", "type": "postgresql", "dsn": "${env:TARGET_DSN}",
                       "on_error": policy, **(sink or {})}], **more}


def streaming(world, *args, **kwargs):
    world.source.sql(TABLE, world.db)
    agent = world.agent(settings(*args, **kwargs)).start()
    agent.streaming()
    return agent


def strict(world):
    world.target.sql("alter table item add constraint cheap check (price < 100)", world.db)


def mend(world):
    world.target.sql("alter table item drop constraint cheap", world.db)


def letters(agent):
    done = agent.cmd("dead-letters", "list", "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def replay(agent, expect=0, *args):
    done = agent.cmd("dead-letters", "replay", *(args or ("--all",)))
    assert done.returncode == expect, done.stdout + done.stderr
    return done.stdout


def rows(server, world):
    return server.sql("select * from item order by id", world.db)


def assert_same(world):
    assert rows(world.source, world) == rows(world.target, world)


def test_refused_rows_are_parked_and_all_others_applied(world):
    agent = streaming(world)
    strict(world)
    world.source.sql("begin; insert into item values (1001, 500, 'first');"
                     "insert into item values (1002, 5, 'good'); update item set price = 700 where id = 1;"
                     "delete from item where id = 2; insert into item values (1003, 999, 'last'); commit",
                     world.db)
    world.source.sql("insert into item values (1004, 6, 'behind')", world.db)
    agent.caught_up()
    assert [(x["operation"], x["key"], x["sqlstate"]) for x in letters(agent)] == [
        ("insert", "id=1001", "23514"), ("update", "id=1", "23514"), ("insert", "id=1003", "23514")]
    assert "cheap" in letters(agent)[0]["error"]
    assert agent.status()["sinks"][0]["dead_letters"] == 3
    assert "3 DEAD LETTERS" in agent.cmd("status").stdout
    there = world.target.sql("select id, price from item where id in (1, 2) or id > 1000 order by id", world.db)
    assert there == [["1", "1"], ["1002", "5"], ["1004", "6"]]
    # A cutover would open a target without these rows.
    refused = agent.cmd("cutover", "--timeout", "20s")
    assert refused.returncode == 3
    assert_clear_error(refused.stderr, "3 dead letters")
    # Replay before the target is mended keeps them and says why; behind it all is equal.
    assert "0 applied, 3 kept" in replay(agent, 1)
    mend(world)
    assert "3 applied, 0 kept" in replay(agent)
    assert letters(agent) == []
    assert_same(world)
    assert world.target.one("select count(*) from tidegate.replayed", world.db) == "0"
    agent.cutover()


def test_later_changes_of_a_parked_row_wait_behind_it(world):
    # Joined in one transaction of the target, the refused value would be passed over by the later one.
    agent = streaming(world, sink={"group_transactions": 1})
    strict(world)
    for statement in ("update item set price = 500 where id = 7", "update item set price = 8 where id = 7",
                      "update item set note = 'other' where id = 8", "delete from item where id = 9",
                      "update item set id = 2007 where id = 7", "update item set note = 'x' where id = 2007"):
        world.source.sql(statement, world.db)
    agent.caught_up()
    waiting = letters(agent)
    assert [x["key"] for x in waiting] == ["id=7", "id=7", "id=7", "id=2007"]
    mend(world)
    # A later one alone would overtake the first.
    assert "0 applied, 1 kept" in replay(agent, 1, "--id", str(waiting[1]["id"]))
    assert "4 applied" in replay(agent)
    assert_same(world)
    world.source.sql("update item set note = 'free again' where id = 2007", world.db)
    agent.caught_up()
    until(lambda: letters(agent) == [], 5, "no letter for a row that is free")
    assert_same(world)


@pytest.mark.parametrize("stopped", [False, True], ids=["running", "stopped"])
def test_replay_under_load_makes_both_equal(world, stopped):
    agent = streaming(world)
    strict(world)
    dice = random.Random(7)
    for _ in range(30):
        work = ";".join(dice.choice([
            f"update item set price = {dice.randrange(160)} where id = {dice.randrange(1, 40)}",
            f"insert into item values ({dice.randrange(2000, 9000)}, {dice.randrange(120)}) on conflict do nothing",
            f"delete from item where id = {dice.randrange(1, 40)}",
            f"update item set note = 'z' where id = {dice.randrange(1, 40)}"]) for _ in range(12))
        world.source.sql(f"begin; {work}; commit", world.db)
    agent.caught_up()
    assert len(letters(agent)) > 10
    mend(world)
    if stopped:
        assert agent.stop() == 0
    replay(agent)
    assert letters(agent) == []
    assert_same(world)
    if stopped:
        agent.start()
        agent.streaming()
        world.source.sql("update item set note = 'end' where id = 300", world.db)
        agent.caught_up()
        assert_same(world)


def test_show_and_drop(world):
    agent = streaming(world)
    strict(world)
    world.source.sql(f"insert into item values (1001, 500, '{MARKER}'), (1002, 500, 'b')", world.db)
    agent.caught_up()
    first = str(letters(agent)[0]["id"])
    shown = json.loads(agent.cmd("dead-letters", "show", "--id", first).stdout)
    assert shown["change"]["new"] == {"id": "1001", "price": "500", "note": MARKER, "big": None}
    hidden = agent.cmd("dead-letters", "show", "--id", first, "--mask", "note").stdout
    assert json.loads(hidden)["change"]["new"]["note"] == "***"
    assert MARKER not in hidden
    assert agent.cmd("dead-letters", "show").returncode == 2
    assert agent.cmd("dead-letters", "show", "--id", "999").returncode == 1
    wrong = agent.cmd("dead-letters", "replay", "--sink", "tarjet", "--all")
    assert wrong.returncode != 0 and "'tarjet' is none of this migration" in wrong.stderr
    assert agent.cmd("dead-letters", "drop", "--id", first).returncode == 1
    assert len(letters(agent)) == 2
    assert "1 dropped" in agent.cmd("dead-letters", "drop", "--id", first, "--yes").stdout
    assert [x["key"] for x in letters(agent)] == ["id=1002"]
    # Both sides differ by these rows, which the comparison of the cutover would find.
    agent.cutover("--accept-dead-letters", "--no-verify")


def test_a_flood_stops_the_sink(world):
    agent = streaming(world, sink={"dead_letter_limit": 20})
    strict(world)
    world.source.sql("update item set price = 500", world.db)
    assert agent.wait_exit(40) == 1
    assert_clear_error(agent.err(), "20 dead letters", "limit")
    assert len(letters(agent)) == 20  # no agent: from the data directory
    # Mended and replayed up to where it stopped, it goes on by itself.
    mend(world)
    agent.start()
    agent.caught_up()
    replay(agent)
    assert_same(world)


def test_a_refused_truncate_and_what_follows_on_the_table(world):
    agent = streaming(world)
    world.target.sql("create table child (item int references item)", world.db)
    world.source.sql("truncate item; insert into item values (1, 1, 'new')", world.db)
    agent.caught_up()
    assert [x["operation"] for x in letters(agent)] == ["truncate", "insert"]
    assert world.target.one("select count(*) from item", world.db) == "300"
    world.target.sql("drop table child", world.db)
    assert "2 applied" in replay(agent)
    assert_same(world)


def test_a_commit_that_is_refused_stops_the_sink(world):
    agent = streaming(world)
    world.target.sql("create function no() returns trigger language plpgsql as"
                     " $$begin raise check_violation using message = 'late no'; end$$;"
                     "create constraint trigger late after insert on item deferrable initially deferred"
                     " for each row execute function no(); alter table item enable always trigger late",
                     world.db)
    world.source.sql("insert into item values (1001, 1)", world.db)
    assert agent.wait_exit(40) == 1
    assert_clear_error(agent.err(), "late no", "commit")
    assert letters(agent) == []
    world.target.sql("drop trigger late on item", world.db)
    agent.start()
    agent.caught_up()
    assert_same(world)


def test_a_read_only_target_parks_nothing(world):
    agent = streaming(world)
    world.target.sql(f"alter database \"{world.db}\" set default_transaction_read_only = on", world.db)
    world.target.sql("select pg_terminate_backend(pid) from pg_stat_activity"
                     f" where application_name like 'tidegate sink%' and datname = '{world.db}'")
    world.source.sql("insert into item values (1001, 1)", world.db)
    agent.caught_up()
    assert letters(agent) == []
    assert_same(world)


def test_kill_between_parking_and_commit(world):
    """The transaction has parked a row and waits for a lock on the target when the agent dies."""
    agent = streaming(world)
    strict(world)
    lock = world.hold(world.target, "begin; update item set note = note where id = 5")
    world.source.sql("begin; insert into item values (1001, 500); update item set note = 'y' where id = 5;"
                     "insert into item values (1002, 600); commit", world.db)
    until(lambda: len(letters(agent)) == 1, 20, "the first letter")
    # It is not yet known whether its transaction will be there.
    assert "not yet durable" in replay(agent, 1)
    agent.kill()
    assert len(letters(agent)) == 1
    lock.stdin.close()
    lock.wait(10)
    agent.start()
    agent.caught_up()
    assert [x["key"] for x in letters(agent)] == ["id=1001", "id=1002"]
    mend(world)
    assert "2 applied" in replay(agent)
    assert_same(world)


def in_clear(agent):
    """The files of the data directory that hold the marker, by what they are."""
    found = set()
    for where, _, names in os.walk(agent.dir):
        for path in (os.path.join(where, name) for name in names):
            if stat.S_ISREG(os.stat(path).st_mode):
                with open(path, "rb") as f:
                    if MARKER.encode() in f.read():
                        found.add(os.path.basename(path).rsplit(".", 1)[-1].split("-")[0])
    return found


@pytest.mark.parametrize("key", [KEY, None])
def test_nothing_of_a_row_is_in_clear_with_a_key(own_world, key):
    """In no file of the data directory: segments, side files of open transactions, letters. Without one it is there."""
    world = own_world(source={"options": {"logical_decoding_work_mem": "64kB"}})
    spool = {"min_free": "16MiB", "compression": "none", **({"encryption_key": key} if key else {})}
    agent = streaming(world, spool=spool, source={"two_phase": "off"})
    strict(world)
    session = world.hold(world.source, "begin; insert into item "
                         f"select g, 5, '{MARKER}', 'open' from generate_series(2001, 42000) g")
    world.source.sql(f"insert into item values (1001, 500, '{MARKER}')", world.db)  # flushes the WAL of the open one too
    agent.caught_up()
    until(lambda: glob.glob(os.path.join(agent.dir, "spool", "*.open")), 30, "the open transaction in the spool")
    assert MARKER in letters(agent)[0]["error"]  # the server's own words
    everywhere = in_clear(agent)
    session.stdin.write("commit;\n")
    session.stdin.close()
    session.wait(60)
    agent.caught_up()
    everywhere |= in_clear(agent)
    assert agent.stop() == 0
    everywhere |= in_clear(agent)
    assert {name for name in everywhere if key or name in ("seg", "open", "db")} == (
        set() if key else {"seg", "open", "db"})
    assert MARKER in letters(agent)[0]["error"]


def test_upsert(world):
    agent = streaming(world, "upsert")
    world.target.sql("delete from item where id in (1, 2); insert into item values (1001, 1, 'other')", world.db)
    world.source.sql("insert into item values (1001, 2, 'mine'); update item set price = 3 where id = 1;"
                     "delete from item where id = 2; update item set price = 4 where id = 3", world.db)
    agent.caught_up()
    assert_same(world)
    assert agent.status()["sinks"][0]["upserted"] == 3
    assert letters(agent) == []
    # A value that the source did not send cannot be made up.
    world.source.sql("alter table item alter big set storage external;"
                     "update item set big = repeat('x', 9000) where id = 10", world.db)
    agent.caught_up()
    world.target.sql("delete from item where id = 10", world.db)
    world.source.sql("update item set price = 5 where id = 10", world.db)
    assert agent.wait_exit(40) == 1
    assert_clear_error(agent.err(), "'big'", "item")


@pytest.mark.crash
@pytest.mark.skipif(not PROGRAM, reason="needs the program of `make test-crash`")
@pytest.mark.parametrize("point", ["park.before", "letters.put", "park.parked", "sink.commit", "sink.committed"])
def test_kill_while_parking(point, world, monkeypatch):
    monkeypatch.setenv("TIDEGATE_BIN", PROGRAM)
    agent = streaming(world)
    assert agent.stop() == 0
    strict(world)
    world.source.sql("begin; insert into item values (1001, 500); insert into item values (1002, 5);"
                     "insert into item values (1003, 600); commit", world.db)
    agent.start(env={"TIDEGATE_FAILPOINTS": f"{point}=kill:1"})
    assert agent.wait_exit(40) == -signal.SIGKILL
    agent.start()
    agent.caught_up()
    assert [x["key"] for x in letters(agent)] == ["id=1001", "id=1003"]
    mend(world)
    replay(agent)
    assert_same(world)


@pytest.mark.crash
@pytest.mark.skipif(not PROGRAM, reason="needs the program of `make test-crash`")
@pytest.mark.parametrize("point", ["replay.committed", "replay.applied", "replay.removed"])
def test_kill_while_replaying(point, world, monkeypatch):
    monkeypatch.setenv("TIDEGATE_BIN", PROGRAM)
    world.source.sql("create table log (v text); alter table log replica identity full", world.db)
    agent = streaming(world)
    world.target.sql("alter table log add constraint c check (v <> 'bad')", world.db)
    world.source.sql("insert into log values ('bad')", world.db)
    agent.caught_up()
    assert len(letters(agent)) == 1
    world.target.sql("alter table log drop constraint c", world.db)
    assert agent.stop() == 0
    agent.start(env={"TIDEGATE_FAILPOINTS": f"{point}=kill:1"})
    agent.streaming()
    agent.cmd("dead-letters", "replay", "--all")
    assert agent.wait_exit(40) == -signal.SIGKILL
    agent.start()
    agent.streaming()
    replay(agent)
    # A table without a key would show a second application.
    assert world.target.sql("select v from log", world.db) == [["bad"]]
    assert letters(agent) == []
