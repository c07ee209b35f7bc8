#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Wall-clock ratios of tidegate to a peer, on the same two servers, in the same run, in order A B B A.

    tests/bench/bench.py copy   [--scale 50]             whole database, to pg_dump -Fd -j2 + pg_restore -j2
    tests/bench/bench.py apply  [--transactions 64000]   a backlog, to a native subscription (binary)

Contents are compared outside the timed window. Prints a table, and JSON with --json.
"""
import argparse
import json
import os
import platform
import shutil
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))
from lib import compare, paths, proc  # noqa: E402
from lib.agent import Agent  # noqa: E402
from lib.server import Server  # noqa: E402

OPTIONS = {
    "fsync": "on",
    "shared_buffers": "1GB",
    "max_wal_size": "16GB",
    "checkpoint_timeout": "1h",
    "maintenance_work_mem": "512MB",
    "autovacuum": "off",
    "synchronous_commit": "off",
    "wal_sender_timeout": "60s",
}


def say(text):
    print(text, file=sys.stderr, flush=True)


def timed(action):
    began = time.monotonic()
    action()
    return time.monotonic() - began


def equal(source, sdb, target, tdb):
    left, right = compare.contents(source, sdb), compare.contents(target, tdb)
    assert left == right, "contents differ"


def pgbench(server, db, *args):
    proc.run([paths.pg_tool("pgbench"), "-h", server.home, "-p", str(server.port), "-U", "postgres",
              *args, db], timeout=3600)


class Bench:
    def __init__(self, root):
        self.root = root
        self.source = Server("source", root, options=OPTIONS).start()
        self.target = Server("target", root, options=OPTIONS).start()
        self.agents = 0

    def close(self):
        self.source.close()
        self.target.close()

    def agent(self, sdb, tdb):
        self.agents += 1
        home = os.path.join(self.root, f"agent{self.agents}")
        return Agent(home, self.source.uri(sdb), self.target.uri(tdb), f"bench{self.agents}")

    def fresh_target(self, db):
        self.target.drop_db(db)
        self.target.create_db(db)
        self.target.sql("checkpoint")
        self.source.sql("checkpoint")


def cleanup(agent):
    done = agent.cmd("cleanup", "--yes")
    assert done.returncode == 0, done.stderr


# --- copy ----------------------------------------------------------------------------------------

def copy_peer(b):
    dump = os.path.join(b.root, "dump")
    shutil.rmtree(dump, ignore_errors=True)
    proc.run([paths.pg_tool("pg_dump"), "-Fd", "-j2", "-f", dump, "-d", b.source.uri("bench")],
             timeout=3600)
    proc.run([paths.pg_tool("pg_restore"), "-j2", "-d", b.target.uri("copied"), dump], timeout=3600)


def bench_copy(b, args):
    b.source.create_db("bench")
    pgbench(b.source, "bench", "-i", "-q", "-s", str(args.scale))
    b.source.sql("vacuum analyze", "bench")
    times = {"peer": [], "tidegate": []}
    for who in ("peer", "tidegate", "tidegate", "peer"):
        b.fresh_target("copied")
        if who == "peer":
            took = timed(lambda: copy_peer(b))
        else:
            agent = b.agent("bench", "copied")
            codes = []
            took = timed(lambda: codes.append(agent.run("--until", "copied", timeout=3600)))
            assert codes == [0], agent.err()[-3000:]
            say(f"  memory {agent.rss / 2**20:.0f} MiB")
            cleanup(agent)
        equal(b.source, "bench", b.target, "copied")
        say(f"  {who}: {took:.2f} s")
        times[who].append(took)
    return f"copy, scale {args.scale}, to pg_dump -j2 + pg_restore -j2", times


# --- apply ---------------------------------------------------------------------------------------

def native_start(b):
    b.source.sql("create publication native_pub for all tables", "bench")
    schema = proc.run([paths.pg_tool("pg_dump"), "-s", "--no-publications", "-d",
                       b.source.uri("bench")]).stdout
    b.target.psql(schema, "native")
    b.source.sql("select pg_create_logical_replication_slot('native_sub', 'pgoutput')", "bench")
    b.target.sql(f"create subscription native_sub connection '{b.source.uri('bench')}' publication "
                 "native_pub with (binary = true, copy_data = true, create_slot = false, "
                 "enabled = true)", "native")
    ready = "select count(*) = 0 from pg_subscription_rel where srsubstate <> 'r'"
    proc.until(lambda: b.target.one(ready, "native") == "t", 600, "native table sync")


def native_apply(b, lsn):
    b.target.sql("alter subscription native_sub enable", "native")
    done = ("select coalesce(pg_replication_origin_progress('pg_' || oid, false) >= "
            f"'{lsn}', false) from pg_subscription where subname = 'native_sub'")
    while b.target.one(done, "native") != "t":
        time.sleep(0.02)


def native_disable(b):
    b.target.sql("alter subscription native_sub disable", "native")
    gone = "select count(*) from pg_stat_replication where application_name = 'native_sub'"
    proc.until(lambda: b.source.one(gone) == "0", 30, "end of the native walsender")


def bench_apply(b, args):
    for server, db in ((b.source, "bench"), (b.target, "native"), (b.target, "ours")):
        server.create_db(db)
    pgbench(b.source, "bench", "-i", "-q", "-s", str(args.scale))
    # Without a key neither side could carry updates; history only gets inserts.
    native_start(b)
    agent = b.agent("bench", "ours")
    assert agent.run("--until", "streaming", timeout=600) == 0, agent.err()[-3000:]
    times = {"peer": [], "tidegate": []}
    for order in (("peer", "tidegate"), ("tidegate", "peer")):
        native_disable(b)
        say(f"  {args.transactions} transactions")
        pgbench(b.source, "bench", "-n", "-M", "prepared", "-c", "8", "-t",
                str(args.transactions // 8))
        # The mark is the last commit: whoever has it has everything.
        b.source.sql("begin; update pgbench_branches set filler = 'end' where bid = 1; commit", "bench")
        lsn = b.source.one("select pg_current_wal_lsn()", "bench")
        b.source.sql("update pgbench_branches set filler = 'next' where bid = 1", "bench")
        b.source.sql("checkpoint")
        b.target.sql("checkpoint")
        for who in order:
            if who == "peer":
                took = timed(lambda: native_apply(b, lsn))
            else:
                codes = []
                took = timed(lambda: codes.append(agent.run("--until-lsn", lsn, timeout=3600)))
                assert codes == [0], agent.err()[-3000:]
                say(f"  memory {agent.rss / 2**20:.0f} MiB")
            say(f"  {who}: {took:.2f} s")
            times[who].append(took)
        assert agent.run("--until-lsn", b.source.one("select pg_current_wal_lsn() - 8", "bench")) == 0
        proc.until(lambda: compare.contents(b.target, "native") == compare.contents(b.source, "bench"),
                   60, "native equality")
        equal(b.source, "bench", b.target, "ours")
    b.target.sql("alter subscription native_sub disable", "native")
    return f"apply {args.transactions} pgbench transactions, to a native subscription", times


def report(name, times, as_json):
    ratios = [t / p for t, p in zip(times["tidegate"], times["peer"])]
    result = {"benchmark": name, "machine": f"{os.cpu_count()} cores, {platform.machine()}",
              "peer_s": times["peer"], "tidegate_s": times["tidegate"], "ratios": ratios}
    if as_json:
        print(json.dumps(result))
        return
    print(name)
    for who in ("peer", "tidegate"):
        print(f"  {who:9} {min(times[who]):8.2f} .. {max(times[who]):.2f} s")
    print(f"  ratio     {min(ratios):8.2f} .. {max(ratios):.2f}   (below 1: tidegate is faster)")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("benchmark", choices=("copy", "apply", "all"))
    parser.add_argument("--scale", type=int, default=50)
    parser.add_argument("--transactions", type=int, default=64000)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    wanted = {"copy": [bench_copy], "apply": [bench_apply], "all": [bench_copy, bench_apply]}
    for run in wanted[args.benchmark]:
        root = tempfile.mkdtemp(prefix="tidegate-bench-")
        os.chmod(root, 0o755)
        b = None
        try:
            b = Bench(root)
            report(*run(b, args), args.json)
        finally:
            if b:
                b.close()
            shutil.rmtree(root, ignore_errors=True)


if __name__ == "__main__":
    main()
