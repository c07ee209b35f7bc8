# SPDX-License-Identifier: Apache-2.0
"""Updates spread over a table that is larger than the target's memory, on a disk that takes its time."""
from suite.backlog import NATIVE, Backlog, many_commits
from suite.result import OURS
from suite.slow_disk import SlowDisk

TITLE = "apply to a target that waits for its disk"
SIZES = {"full": {"rows": 1500000, "updates": 15000, "per_transaction": 10, "microseconds": 500},
         "short": {"rows": 200000, "updates": 8000, "per_transaction": 10, "microseconds": 500}}
OPTIONS = {"shared_buffers": "16MB"}
JOBS = "tidegate, 4 connections"


def run(world, size, result):
    rows, updates = size["rows"], size["updates"]

    def base(server):
        server.sql("create table wide (id int primary key, n bigint not null, note text)", "bench")
        server.psql(f"insert into wide select g, 0, repeat('n', 60) from generate_series(1, {rows}) g", "bench", timeout=600)

    disk = SlowDisk(world, world.target)
    backlog = Backlog(world, result, base, {OURS: {}, JOBS: {"apply_jobs": 4}})
    backlog.load(lambda server: server.psql(many_commits(
        f"update wide set n = n + i where id = 1 + (hashint8(i)::bigint + 2147483648) % {rows}", updates,
        size["per_transaction"]), "bench", timeout=3600))
    backlog.capture(updates)
    disk.set(size["microseconds"])
    runs = backlog.contest(before_comparison=lambda: disk.set(0))
    what = f"{updates:,} updates all over {rows:,} rows, each page read {size['microseconds']} us"
    result.compare(what + ", 4 connections", OURS, runs, gate=2.0, aim=3.0, times=True, ours=JOBS)
    result.compare(what + ", 4 connections", NATIVE, runs, gate=2.0, aim=3.0, times=True, ours=JOBS)
    result.compare(what, NATIVE, runs, times=True)
