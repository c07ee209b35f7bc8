# SPDX-License-Identifier: Apache-2.0
"""Copy of a database of many small tables: the questions asked for each object cost more than its rows.

Once with everything on one machine, once with a target that is far away (suite/far.py), where each question costs the
way there and back; everybody else runs beside the source, as the agent does.
"""
from cases.copy_database import DUMP, JOBS, Copies, add_pgcopydb
from suite import contest
from suite.far import Far
from suite.result import OURS
from suite.world import say

TITLE = "copy of many small tables"
SIZES = {"full": {"tables": 500, "far_tables": 50, "milliseconds": 10},
         "short": {"tables": 50, "far_tables": 8, "milliseconds": 10}}
ROWS = 100  # of each table

TABLES = """
do $$ begin
    for i in 1..{tables} loop
        execute format('create table t%1$s (id bigserial primary key, parent bigint, name text not null, at timestamptz '
                       'default now())', i);
        execute format('insert into t%1$s (parent, name) select g, ''name '' || g from generate_series(1, {rows}) g', i);
        execute format('create index on t%1$s (name)', i);
        execute format('alter table t%1$s add foreign key (parent) references t%2$s', i, greatest(i - 1, 1));
        execute format('comment on table t%1$s is ''one of many''', i);
        execute format('grant select on t%1$s to public', i);
        if i % 50 = 0 then
            commit;
        end if;
    end loop;
end $$
"""


def compare(world, result, tables, port, what, goals):
    world.source.create_db("bench")
    world.source.psql(TABLES.format(tables=tables, rows=ROWS), "bench", timeout=600)
    world.source.sql("vacuum analyze", "bench")
    copies = Copies(world, port)
    contenders = {DUMP: copies.dump(), OURS: copies.agent(JOBS)}
    other = add_pgcopydb(copies, contenders, result)
    runs = contest.hold(result, say, contenders)
    for peer, (gate, aim) in zip((DUMP, other), goals):
        result.compare(what, peer, runs, gate=gate, aim=aim)
    world.source.drop_db("bench")


def run(world, size, result):
    far = Far(world, world.target.port, size["milliseconds"]).port
    what = "{} tables of {} rows, keys, indexes and foreign keys included"
    compare(world, result, size["tables"], None, what.format(size["tables"], ROWS), ((1.0, 0.8), (1.0, 0.8)))
    compare(world, result, size["far_tables"], far, what.format(size["far_tables"], ROWS)
            + f", {2 * size['milliseconds']} ms to the target and back", ((0.5, 0.25), (0.5, 0.25)))
