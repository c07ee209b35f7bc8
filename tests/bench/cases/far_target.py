# SPDX-License-Identifier: Apache-2.0
"""Apply over a long way: the agent beside the source, the target in another region (suite/far.py).

The subscription is at the target and reads over the same way. How much the way costs is told by the same sinks without
it: whoever waits for an answer now and then loses a whole trip each time.
"""
from suite.backlog import NATIVE, Backlog
from suite.far import Far
from suite.result import OURS

TITLE = "apply to a target that is far away"
SIZES = {"full": {"scale": 5, "transactions": 30000, "milliseconds": 10},
         "short": {"scale": 2, "transactions": 10000, "milliseconds": 10}}
NEAR = "tidegate, target near"
STRICT, STRICT_NEAR = "tidegate, one by one", "tidegate, one by one, target near"


def run(world, size, result):
    target = Far(world, world.target.port, size["milliseconds"]).port
    source = Far(world, world.source.port, size["milliseconds"]).port
    one_by_one = {"group_transactions": 1}
    backlog = Backlog(world, result, lambda _: world.pgbench("bench", "-i", "-q", "-s", str(size["scale"])),
                      {OURS: {}, NEAR: {}, STRICT: one_by_one, STRICT_NEAR: one_by_one},
                      ports={NATIVE: source, OURS: target, STRICT: target})
    backlog.load(lambda _: world.pgbench("bench", "-n", "-M", "prepared", "-c", "8", "-t",
                                         str(size["transactions"] // 8)))
    backlog.capture(size["transactions"] * 4)
    runs = backlog.contest()
    what = f"{size['transactions']:,} pgbench transactions, {2 * size['milliseconds']} ms to the target and back"
    result.compare(what, NATIVE, runs, gate=1.5, aim=2.5, times=True)
    result.compare(what + ", one by one", NATIVE, runs, gate=1.0, times=True, ours=STRICT)
    result.compare(what, NEAR, runs)
    result.compare(what + ", one by one", STRICT_NEAR, runs, ours=STRICT)
