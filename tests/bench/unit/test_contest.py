# SPDX-License-Identifier: Apache-2.0
"""Who is run when, and what becomes of a contender that fails."""
from samples import run
from suite import contest, result


def quiet(_):
    pass


def test_a_b_b_a():
    assert contest.order(["a", "b"], 2) == [["a", "b"], ["b", "a"]]
    assert contest.order("abc", 3) == [list("abc"), list("cba"), list("abc")]


def test_one_that_fails_is_named_and_left_out():
    found = result.Result("x", "x", False)
    calls = []

    def peer(n):
        calls.append(("peer", n))
        if n == 1:
            raise contest.Failed("no room")
        return run(1.0)

    def ours(n):
        calls.append(("tidegate", n))
        return run(2.0, 0.1)

    runs = contest.hold(found, quiet, {"peer": peer, "tidegate": ours}, 3)
    assert calls == [("peer", 0), ("tidegate", 0), ("tidegate", 1), ("peer", 1), ("tidegate", 2)]
    assert list(runs) == ["tidegate"] and len(runs["tidegate"]) == 3
    assert found.data["skipped"] == [{"peer": "peer", "reason": "no room"}]
    # Half of a pair is no comparison.
    found.compare("x", "peer", runs)
    assert found.data["comparisons"] == []
