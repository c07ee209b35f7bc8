# SPDX-License-Identifier: Apache-2.0
"""Updates of few rows, again and again: a sink that joins transactions may leave out what is overwritten."""
from suite.backlog import Backlog, many_commits
from suite.result import OURS

TITLE = "apply of updates of hot keys"
SIZES = {"full": {"updates": 2000000, "rows": 1000, "per_transaction": 10},
         "short": {"updates": 100000, "rows": 1000, "per_transaction": 10}}
STRICT = "tidegate, one by one"


def run(world, size, result):
    def base(server):
        server.sql("create table hot (id int primary key, n bigint not null, note text)", "bench")
        server.sql(f"insert into hot select g, 0, 'nothing yet' from generate_series(1, {size['rows']}) g", "bench")

    backlog = Backlog(world, result, base, {OURS: {}, STRICT: {"group_transactions": 1}})
    # Everybody's table has room in all of its pages, as one that has been in use. Without it, it is luck whether it grows
    # to 9 pages or to 14, and the fewer they are, the more often the server tidies them up: 15 % of the time.
    backlog.on_targets("truncate hot",
                       "insert into hot select case g % 3 when 0 then g / 3 else -g end, 0, 'nothing yet' "
                       f"from generate_series(1, {3 * size['rows']}) g",
                       "delete from hot where id < 0", "vacuum hot")
    # Three of ten go to ten rows; the rest is spread evenly, in an order that repeats from run to run.
    key = (f"case when i % 10 < 3 then 1 + (i / 10) % 10 else 1 + (i::bigint * 7919) % {size['rows']} end")
    backlog.load(lambda server: server.psql(many_commits(
        f"update hot set n = i, note = 'round ' || i where id = {key}", size["updates"], size["per_transaction"]),
        "bench", timeout=3600))
    backlog.capture(size["updates"])
    runs = backlog.contest()
    what = f"{size['updates']:,} updates of {size['rows']:,} rows, {size['per_transaction']} a transaction"
    backlog.report(what + ", joined", runs, size["updates"], None, 5)
    backlog.report(what + ", one by one", runs, size["updates"], 1.0, None, ours=STRICT)
