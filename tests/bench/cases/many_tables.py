# SPDX-License-Identifier: Apache-2.0
"""Inserts, updates and deletes over very many tables, mixed within each transaction."""
from suite.backlog import Backlog
from suite.result import OURS

TITLE = "apply over many tables"
SIZES = {"full": {"tables": 500, "changes": 1000000}, "short": {"tables": 500, "changes": 40000}}
PER_TRANSACTION = 20
ROWS = 200  # of each table, there before

# Round robin over the tables; of five changes three are inserts, one is an update, one deletes what was inserted.
LOAD = """
do $do$
declare
    tables int := {tables};
    n int;
begin
    for i in 1..{changes} loop
        n := i % tables;
        if i / tables % 5 < 3 then
            execute format('insert into t%s values ($1, $2, $3)', n) using i + {base}, i, 'a note of some length ' || i;
        elsif i / tables % 5 = 3 then
            execute format('update t%s set n = n + $1 where id = $2', n) using i, 1 + i / tables % {rows};
        else
            execute format('delete from t%s where id = $1', n) using i - 2 * tables + {base};
        end if;
        if i % {per} = 0 then
            commit;
        end if;
    end loop;
end $do$
"""


def run(world, size, result):
    def base(server):
        server.psql(
            f"do $$ begin for i in 0..{size['tables'] - 1} loop execute format('create table t%s (id bigint primary key, "
            "n bigint not null, note text)', i); execute format('insert into t%s select g, g, ''there'' from "
            f"generate_series(1, {ROWS}) g', i); end loop; end $$", "bench", timeout=600)

    backlog = Backlog(world, result, base)
    sql = LOAD.format(tables=size["tables"], changes=size["changes"], base=1000000, rows=ROWS, per=PER_TRANSACTION)
    backlog.load(lambda server: server.psql(sql, "bench", timeout=3600))
    backlog.capture(size["changes"])
    runs = backlog.contest()
    backlog.report(f"{size['changes']:,} changes over {size['tables']} tables, {PER_TRANSACTION} a transaction", runs,
                   size["changes"], 1.0, 1.5)
    if OURS in runs:
        limit = 64 + size["tables"] * 16 / 1024
        result.measure(f"agent memory, {size['tables']} tables", [r["memory"] / 2**20 for r in runs[OURS]], "MiB", 128,
                       limit)
