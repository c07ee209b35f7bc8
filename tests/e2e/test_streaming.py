# SPDX-License-Identifier: Apache-2.0
"""Transactions that are still open at the source: they reach the spool early, and count only when they commit."""
import glob
import os

import pytest

from lib.proc import until

SMALL_MEMORY = {"logical_decoding_work_mem": "64kB"}
ROWS = "insert into big select g, md5(g::text) from generate_series({}, {}) g"


@pytest.fixture
def early(own_world):
    """A source that streams from 64 kB on."""
    return own_world(source={"options": SMALL_MEMORY})


def open_files(agent):
    return glob.glob(os.path.join(agent.dir, "spool", "*.open"))


def open_bytes(agent):
    return sum(os.path.getsize(f) for f in open_files(agent))


def end(session, statement):
    session.stdin.write(statement + ";\n")
    session.stdin.close()
    session.wait(60)


def more(session, statement):
    session.stdin.write(statement + ";\nselect 'more';\n")
    session.stdin.flush()
    while session.stdout.readline().strip() != "more":
        assert session.poll() is None, f"session ended before it held: {statement}"


def create(world):
    world.source.sql("create table big (id integer primary key, v text);"
                     "create table small (id serial primary key, v text)", world.db)


def started(world, settings=None):
    agent = world.agent(settings).start()
    agent.streaming()
    return agent


def slot_number(world, column):
    return int(world.source.one(f"select coalesce(sum({column}), 0) from pg_stat_replication_slots "
                                "where slot_name like 'tidegate%'"))


def test_an_open_transaction_waits_in_the_spool_and_not_at_the_source(early):
    create(early)
    agent = started(early)
    session = early.hold(early.source, "begin; " + ROWS.format(1, 50000))
    until(lambda: open_bytes(agent) > 2 << 20, 30, "the open transaction in the spool")
    early.source.sql("insert into small (v) values ('meanwhile')", early.db)
    agent.caught_up()
    assert early.target.one("select count(*) from small", early.db) == "1"
    assert early.target.one("select count(*) from big", early.db) == "0"
    end(session, "commit")
    agent.caught_up()
    assert early.target.one("select count(*) from big", early.db) == "50000"
    assert open_files(agent) == []
    until(lambda: slot_number(early, "stream_bytes") > 0, 10, "statistics of the slot")
    assert slot_number(early, "spill_bytes") == 0
    agent.cutover()
    early.assert_equal()


def test_streaming_can_be_turned_off(early):
    create(early)
    agent = started(early, {"source": {"streaming": False}})
    early.source.sql(ROWS.format(1, 20000), early.db)
    agent.caught_up()
    until(lambda: slot_number(early, "spill_bytes") > 0, 10, "statistics of the slot")
    assert slot_number(early, "stream_bytes") == 0
    agent.cutover()
    early.assert_equal()


def test_what_was_rolled_back_does_not_arrive(early):
    """Savepoints, also with DDL inside of them, and whole transactions, several at a time."""
    create(early)
    early.source.sql("create table shape (id integer primary key, v text); insert into shape values (0, 'old')", early.db)
    agent = started(early)
    mixed = early.hold(early.source, "; ".join([
        "begin", ROWS.format(1, 5000),
        "savepoint a", ROWS.format(5001, 10000), "update big set v = 'void' where id < 100",
        "savepoint b", ROWS.format(10001, 12000), "rollback to b", ROWS.format(12001, 15000),
        "rollback to a", ROWS.format(5001, 6000),
        "savepoint c", "alter table shape add column w text default 'x'",
        "insert into shape (id, v, w) select g, 'void', 'void' from generate_series(1, 5000) g", "rollback to c",
        "insert into shape (id, v) select g, 'kept' from generate_series(1, 5000) g",
        "savepoint d", "delete from big where id % 3 = 0", "release d",
        "savepoint e", ROWS.format(20001, 25000), "rollback to e"]))
    void = early.hold(early.source, "begin; insert into small (v) select 'void' from generate_series(1, 20000)")
    until(lambda: len(open_files(agent)) == 2, 30, "two open transactions in the spool")
    end(void, "rollback")
    early.source.sql("insert into small (v) values ('between')", early.db)
    end(mixed, "commit")
    agent.caught_up()
    agent.cutover()
    early.assert_equal()


@pytest.mark.crash
def test_the_agent_is_killed_while_transactions_are_open(early):
    create(early)
    agent = started(early)
    kept = early.hold(early.source, "begin; " + ROWS.format(1, 30000))
    void = early.hold(early.source, "begin; insert into small (v) select 'void' from generate_series(1, 20000)")
    until(lambda: len(open_files(agent)) == 2 and open_bytes(agent) > 1 << 20, 30, "the spool")
    agent.kill()
    early.source.sql("insert into small (v) values ('meanwhile')", early.db)
    agent.start()
    # What the server had decoded before the position where it begins again it has spilled: it streams a transaction
    # from the next write on.
    more(kept, ROWS.format(30001, 40000))
    more(void, "insert into small (v) select 'void' from generate_series(1, 10000)")
    until(lambda: len(open_files(agent)) == 2, 60, "both again")
    end(void, "rollback")
    agent.kill()
    end(kept, "commit")
    agent.start()
    agent.caught_up()
    agent.kill()
    agent.start()
    agent.streaming()
    agent.cutover()
    early.assert_equal()


@pytest.mark.crash
def test_the_source_crashes_while_transactions_are_open(early):
    create(early)
    agent = started(early)
    early.hold(early.source, "begin; " + ROWS.format(1, 30000))
    until(lambda: open_bytes(agent) > 1 << 20, 30, "the spool")
    early.source.restart("immediate")
    early.source.sql("begin; " + ROWS.format(1, 20000) + "; savepoint a; " + ROWS.format(20001, 30000) +
                     "; rollback to a; commit", early.db)
    agent.caught_up()
    until(lambda: open_files(agent) == [], 10, "the end of what was open in the crash")
    agent.cutover()
    early.assert_equal()


@pytest.mark.long
@pytest.mark.parametrize("how", ["commit", "rollback"])
def test_one_transaction_of_five_million_rows(early, how, capsys):
    create(early)
    agent = started(early)
    early.source.sql(f"begin; {ROWS.format(1, 5000000)}; {how}", early.db, timeout=600)
    early.source.sql("insert into small (v) values ('after')", early.db)
    agent.caught_up(timeout=600)
    assert slot_number(early, "spill_bytes") == 0
    agent.assert_memory()
    with capsys.disabled():
        print(f"\n5,000,000 rows, {how}: peak memory {agent.rss / 2**20:.0f} MiB")
    agent.cutover(timeout=120)
    early.assert_equal()
