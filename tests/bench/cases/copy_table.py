# SPDX-License-Identifier: Apache-2.0
"""Copy of one table: through psql in text, in binary, in two halves; the key is built when the rows are there."""
from cases.copy_database import Copies
from suite import contest, peers
from suite.result import OURS
from suite.stats import spread
from suite.world import say

TITLE = "copy of one table"
SIZES = {"full": {"rows": 4000000}, "short": {"rows": 400000}}
COLUMNS = "id bigint not null, a int, b smallint, c text, d timestamptz, e numeric, f float8, g uuid, h boolean, i date"
ROW = ("n, n % 1000, n % 100, 'text ' || n % 977 || ' of some length', timestamptz '2024-01-01' + n * interval '1 s', "
       "n * 1.01, n / 7.0, md5(n::text)::uuid, n % 2 = 0, date '2024-01-01' + (n % 900)::int")
KEY = "alter table t add constraint t_pkey primary key (id)"
TEXT, BINARY, TWO = "psql pipe, text", "psql pipe, binary", "two psql pipes, binary"
TWO_RANGES = "tidegate, two ranges"
LIKE_PSQL = "tidegate, two ranges, analyze: false"  # psql gathers no statistics


def pipes(copies, formats, halves=None):
    """`halves` is the block in the middle when two pipes take one half each."""
    w = copies.world
    source, target = w.source.uri("bench"), w.target.uri("copied")
    wheres = [""] if halves is None else [f" where ctid < '({halves},0)'", f" where ctid >= '({halves},0)'"]
    lines = [peers.pipe(source, target, f"copy (select * from t{where}) to stdout (format {formats})" if where else
                        f"copy t to stdout (format {formats})", f"copy t from stdin (format {formats})")
             for where in wheres]
    script = lines[0] if halves is None else (
        f"( {lines[0]} ) & one=$!\n( {lines[1]} ) & two=$!\nwait $one\nwait $two")

    def run(_):
        copies.fresh(f"create table t ({COLUMNS})")
        got = peers.measured(w, script + "\n" + peers.psql(target, KEY), "psql")
        copies.verify()
        return got
    return run


def run(world, size, result):
    world.source.create_db("bench")
    world.source.sql(f"create table t ({COLUMNS})", "bench")
    world.source.psql(f"insert into t select {ROW} from generate_series(1::bigint, {size['rows']}) n", "bench",
                      timeout=1800)
    world.source.psql(KEY + "; vacuum analyze t", "bench", timeout=600)
    blocks = int(world.source.one("select pg_relation_size('t') / 8192", "bench"))
    half_bytes = f"{max(1, blocks * 8 // 2 // 1024)}MiB"
    copies = Copies(world)
    one = {"jobs": 1, "split_above": "1TiB"}
    two = {"jobs": 2, "split_above": half_bytes}
    runs = contest.hold(result, say, {
        TEXT: pipes(copies, "text"), BINARY: pipes(copies, "binary"), OURS: copies.agent({"copy": one}),
        TWO_RANGES: copies.agent({"copy": two}), TWO: pipes(copies, "binary", blocks // 2),
        LIKE_PSQL: copies.agent({"copy": dict(two, analyze=False)})})
    what = f"{size['rows']:,} rows of ten columns, key included"
    single = [name for name in (TEXT, BINARY) if name in runs]
    if single:
        faster = min(single, key=lambda name: spread([r["wall"] for r in runs[name]])["median"])
        result.compare(f"{what}, to the faster of text and binary", faster, runs, gate=1.05, aim=None)
    result.compare(f"{what}, two at a time", TWO, runs, gate=None, aim=0.97, ours=TWO_RANGES)
    result.compare(f"{what}, two at a time, statistics left out", TWO, runs, ours=LIKE_PSQL)
