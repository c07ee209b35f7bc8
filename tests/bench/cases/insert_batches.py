# SPDX-License-Identifier: Apache-2.0
"""Batches of inserts into one table with a primary key; the floor is one COPY of the same rows."""
import os

from lib import paths, proc

from suite import contest
from suite.backlog import NATIVE, Backlog, many_commits
from suite.contest import Failed
from suite.result import OURS

TITLE = "apply of insert batches"
SIZES = {"full": {"rows": 5000000, "per_transaction": 1000}, "short": {"rows": 200000, "per_transaction": 1000}}
TABLE = "create table t (id bigint primary key, a int, b text, c timestamptz, d numeric)"
ROW = "g, (g % 100000)::int, 'some text of forty bytes to fill the row ' || g, now(), g * 1.25"
FLOOR = "one COPY of the rows"


def load(server, rows, per_transaction):
    server.psql(many_commits(
        f"insert into t select {ROW} from generate_series((i - 1) * {per_transaction}::bigint + 1, "
        f"i * {per_transaction}::bigint) g", rows // per_transaction), "bench", timeout=3600)


def copy_floor(world, path):
    """Into the same table with its key, from a file: what no way of applying rows can be much faster than."""
    def run(r):
        db = f"floor{r}"
        world.target.create_db(db)
        world.target.sql(TABLE, db)
        world.settle()
        argv = [paths.pg_tool("psql"), "-Xqd", world.target.uri(db), "-v", "ON_ERROR_STOP=1", "-c",
                f"\\copy t from '{path}' (format binary)"]
        try:
            return contest.measured(world.pids(), lambda: proc.run(argv, timeout=3600), children="psql")
        except RuntimeError as e:
            raise Failed(str(e)[-300:])
        finally:
            world.target.drop_db(db)
    return run


def run(world, size, result):
    backlog = Backlog(world, result, lambda server: server.sql(TABLE, "bench"))
    backlog.load(lambda server: load(server, **size))
    backlog.capture(size["rows"])
    path = world.path("rows")
    world.source.psql(f"\\copy t to '{path}' (format binary)", "bench", timeout=3600)
    runs = backlog.contest({FLOOR: copy_floor(world, path)})
    os.unlink(path)
    what = f"{size['rows']:,} rows, {size['per_transaction']:,} a transaction, from a full spool"
    backlog.report(what, runs, size["rows"], 1.8, 2.5)
    result.compare("the same", FLOOR, runs, aim=1.1)
    assert NATIVE in runs or OURS in runs
