#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Instructions a row of the hot paths, counted by callgrind: the same on a busy machine as on a quiet one.

    bench_cpu.py [--write] [PATH ...]      PATH: capture decode read apply; --write makes today's figures the baseline

Each path runs twice, once longer; the difference leaves out start and end. The input is made up and fixed (feed.c). What
callgrind saw is left in build/bench/callgrind.PATH.KIND for callgrind_annotate.
"""
import argparse
import json
import os
import re
import shutil
import signal
import sys
import tempfile

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from suite import counts  # noqa: E402
from lib import paths, proc  # noqa: E402
from lib.server import Server  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
BASELINE = os.path.join(HERE, "cpu_baseline.json")
OUT = os.path.join(paths.TOP, "build", "bench")
ROWS = 1000  # of a round; FEED_ROWS of feed.h
SHORT, LONG = 10, 30  # rounds
KINDS = ("insert", "update")
PATHS = ("capture", "decode", "read", "apply")
TABLE = ("drop table if exists t; create table t (id bigint primary key, a int, b text, c timestamptz, d numeric); "
         f"insert into t select g from generate_series(1, {ROWS}) g where '%s' = 'update'")


def run(path, kind, rounds, *where):
    """Instructions of one run."""
    out = os.path.join(OUT, f"callgrind.{path}.{kind}")
    done = proc.run(["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}", os.environ["TIDEGATE_HOTPATH"], path,
                     kind, str(rounds), *where], timeout=900)
    assert json.loads(done.stdout)["rows"] == rounds * ROWS, done.stdout
    found = re.search(r"Collected : (\d+)", done.stderr)
    if not found:
        raise RuntimeError(f"callgrind says no count: {done.stderr[-400:]}")
    return int(found.group(1))


class Bench:
    def __init__(self, root):
        self.root, self.server = root, None

    def where(self, path, kind, rounds):
        """What the path reads or writes, ready for a run."""
        spool = os.path.join(self.root, "spool")
        if path == "decode":
            return []
        if path in ("capture", "read"):
            shutil.rmtree(spool, ignore_errors=True)
            if path == "read":
                proc.run([os.environ["TIDEGATE_HOTPATH"], "capture", kind, str(rounds), spool])
            return [spool]
        if self.server is None:
            self.server = Server("target", self.root)
            self.server.start()
        self.server.psql(TABLE % kind)
        self.server.psql("select pg_replication_origin_drop(roname) from pg_replication_origin;"
                         "drop schema if exists tidegate cascade")
        return [self.server.uri()]

    def count(self, path, kind, rounds):
        found = run(path, kind, rounds, *self.where(path, kind, rounds))
        if path == "apply":
            wanted = ROWS * (rounds if kind == "insert" else 1)
            there = int(self.server.one("select count(*) from t where b is not null"))
            assert there == wanted, f"{there} rows arrived, not {wanted}"
        return found

    def per_row(self, path, kind):
        # The long run is the last, and leaves its profile.
        short, long = (self.count(path, kind, n) for n in (SHORT, LONG))
        return (long - short) / ((LONG - SHORT) * ROWS)

    def close(self):
        if self.server:
            self.server.close()
        shutil.rmtree(self.root, ignore_errors=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("paths", nargs="*", choices=[*PATHS, []], metavar="PATH")
    parser.add_argument("--write", action="store_true")
    args = parser.parse_args()
    if not shutil.which("valgrind"):
        parser.error("valgrind is not installed: tests/lib/deps.sh bench")

    def terminated(*_):
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, terminated)
    os.makedirs(OUT, exist_ok=True)
    root = tempfile.mkdtemp(prefix="tidegate-bench-")
    os.chmod(root, 0o755)
    bench, found = Bench(root), {}
    try:
        for path in args.paths or PATHS:
            for kind in KINDS:
                found[f"{path} {kind}"] = round(bench.per_row(path, kind), 1)
    except KeyboardInterrupt:
        return 130
    finally:
        bench.close()
    baseline = counts.read(BASELINE)
    lines = counts.compare(found, baseline)
    with open(os.path.join(OUT, "cpu.json"), "w") as f:
        json.dump({"instructions_per_row": found, "lines": lines}, f, indent=1)
        f.write("\n")
    print(counts.table(lines))
    if args.write:
        counts.write(BASELINE, found, baseline)
    # A report, not a gate: whoever changes a hot path decides, and writes a new baseline.
    return 0


if __name__ == "__main__":
    sys.exit(main())
