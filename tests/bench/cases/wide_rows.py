# SPDX-License-Identifier: Apache-2.0
"""Rows of 8 to 256 KiB, half of them incompressible, then updates that leave the large values as they are."""
from suite.backlog import Backlog, many_commits
from suite.result import OURS

TITLE = "apply of wide rows and TOAST"
SIZES = {"full": {"rows": 6000, "updates": 60000}, "short": {"rows": 600, "updates": 5000}}
POOL = 64  # incompressible values of 256 KiB from which rows take a part


def run(world, size, result):
    def base(server):
        server.sql("create table wide (id int primary key, n bigint not null, packed bytea, doc jsonb)", "bench")
        # Published to nobody, and left out by everybody.
        server.psql(
            "create unlogged table pool as select p, (select decode(string_agg(md5(p || ' ' || g), ''), 'hex') "
            f"from generate_series(1, 16384) g) as noise from generate_series(0, {POOL - 1}) p", "bench", timeout=600)

    # Sizes from 8 KiB doubling to 256 KiB, the small ones as often as the large ones.
    length = "(8192 << (i % 6))"
    insert = (f"insert into wide select i, 0, case when i % 2 = 0 then substr(noise, 1 + i % 100, {length} - 100) end, "
              f"case when i % 2 = 1 then jsonb_build_object('id', i, 'text', repeat('words that repeat ' || i || ' ', "
              f"{length} / 24)) end from pool where p = i % {POOL}")
    update = f"update wide set n = n + i where id = 1 + i % {size['rows']}"

    backlog = Backlog(world, result, base, skip_tables=("public.pool",))
    backlog.load(lambda server: (server.psql(many_commits(insert, size["rows"], 10), "bench", timeout=3600),
                                 server.psql(many_commits(update, size["updates"], 10), "bench", timeout=3600)))
    rows = size["rows"] + size["updates"]
    backlog.capture(rows)
    runs = backlog.contest()
    backlog.report(f"{size['rows']:,} rows inserted, {size['updates']:,} updated beside their large values", runs, rows,
                   1.0, 1.2)
    if OURS in runs:
        gib = backlog.spooled / 2**30
        result.measure("agent CPU, apply, by size", [r["cpu"]["agent"] / gib for r in runs[OURS]], "s per GiB spooled",
                       1.0, 0.5)
