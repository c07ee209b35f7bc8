# SPDX-License-Identifier: Apache-2.0
"""Many small tables are copied together, while an application writes, empties, rewrites and locks them."""
import pytest

from lib.proc import until

TABLES = 160
SMALL = """
do $$ begin
    for i in 1..{tables} loop
        execute format('create table s%1$s (id bigserial primary key, parent bigint, name text not null default ''n'')', i);
        execute format('insert into s%1$s (parent) select g from generate_series(1, %2$s) g', i, i % 7 * 20);
        execute format('create index on s%1$s (name)', i);
        execute format('alter table s%1$s add foreign key (parent) references s%1$s', i);
    end loop;
end $$
"""
# Each of them many times: an application in which every table is in somebody's way.
DISTURB = r"""
\set i random(1, {tables})
begin;
insert into s:i (name) select 'written ' || g from generate_series(1, 3) g;
update s:i set name = name || '+' where id % 5 = 0;
delete from s:i where parent is null and id % 11 = 0;
commit;
begin;
lock table s:i in access exclusive mode;
select pg_sleep(0.01);
commit;
\set empty random(1, 4)
\if :empty = 1
truncate s:i;
\endif
insert into s:i (name) values ('behind');
"""


def disturbed(world, tmp_path, **settings):
    world.source.psql(SMALL.format(tables=TABLES), world.db, timeout=120)
    script = tmp_path / "disturb.sql"
    script.write_text(DISTURB.format(tables=TABLES))
    script.chmod(0o644)
    tmp_path.chmod(0o755)
    world.write(clients=4, rate=400, script=str(script))
    return world.agent(dict({"log": {"level": "debug"}}, **settings))


def test_whatever_an_application_does_meanwhile(world, tmp_path):
    agent = disturbed(world, tmp_path).start()
    agent.streaming(timeout=120)
    agent.cutover()
    world.assert_equal()
    assert "small tables go one by one" in agent.err()
    valid = world.target.one("select count(*) from pg_constraint where contype = 'f' and not convalidated", world.db)
    assert valid == "0"


def test_a_kill_between_them(world, tmp_path):
    agent = disturbed(world, tmp_path)

    def copied():
        asked = world.target.psql("select count(*) from tidegate.ledger where item like 'copied %'", world.db, check=False)
        return int(asked.stdout.strip() or 0)  # at first there is no ledger

    for part in (0.1, 0.4, 0.7):
        agent.start()
        until(lambda: copied() >= TABLES * part, 60, "a part of the copy", pause=0.005)
        agent.kill()
    agent.start()
    agent.streaming(timeout=120)
    agent.cutover()
    world.assert_equal()


def test_a_foreign_key_that_does_not_hold_is_left_and_said(world):
    """It takes the others in its transaction along, which are then made one by one."""
    world.source.psql(SMALL.format(tables=30), world.db)
    world.source.psql("set session_replication_role = replica; update s13 set parent = 4711 where id = 3", world.db)
    agent = world.agent().start()
    agent.streaming()
    left = "select string_agg(conrelid::regclass::text, ',') from pg_constraint where contype = 'f' and not convalidated"
    until(lambda: world.target.one(left, world.db) == "s13", 30, "the other foreign keys")
    assert world.target.one("select count(*) from pg_constraint where contype = 'f'", world.db) == "30"
    until(lambda: "s13_parent_fkey" in agent.err(), 10, "a word about it")


@pytest.mark.parametrize("filler", [1, 9000], ids=["in company", "alone"])
def test_a_connection_cut_while_an_index_is_built(world, filler):
    """The server goes on without it, and may commit what it was told to before it notices."""
    world.source.psql(
        "create function slow(i bigint) returns bigint immutable language plpgsql as "
        "$$ begin perform pg_sleep(0.02); return i; end $$;"
        "create table s1 (id bigint primary key, filler text); alter table s1 alter filler set storage external;"
        "create table s2 (id bigint primary key);"
        f"insert into s1 select g, repeat('x', {filler}) from generate_series(1, 60) g;"
        "create index s1_slow on s1 (slow(id)); analyze", world.db)
    proxy = world.proxy(world.target)
    agent = world.agent(target_dsn=world.target.uri(world.db, port=proxy.port)).start()
    building = ("select count(*) from pg_stat_activity where datname = current_database() and state = 'active' "
                "and application_name like '%indexes' and query ilike '%create index s1_slow%'")
    until(lambda: world.target.one(building, world.db) == "1", 30, "the index", pause=0.01)
    proxy.cut()
    agent.streaming()
    agent.cutover()
    world.assert_equal()
