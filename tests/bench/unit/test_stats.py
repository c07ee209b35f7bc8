# SPDX-License-Identifier: Apache-2.0
"""Ratios, verdicts, percentiles."""
from suite import stats


def test_a_ratio_is_of_the_pair_that_stood_side_by_side():
    assert stats.pair_ratios([2.0, 3.0], [4.0, 3.0], times=False) == [0.5, 1.0]
    assert stats.pair_ratios([2.0, 3.0], [4.0, 3.0], times=True) == [2.0, 1.0]


def test_a_pair_with_a_zero_says_nothing():
    assert stats.pair_ratios([0.0, 1.0], [1.0, None], times=False) == [None, None]
    assert stats.spread([None, None]) is None


def test_spread():
    assert stats.spread([3.0, 1.0, None, 2.0]) == {"median": 2.0, "min": 1.0, "max": 3.0}


def test_a_verdict_is_by_the_worst_pair():
    assert stats.verdict(stats.worst([2.6, 1.9], True), 1.8, 2.5, True) == "gate"
    assert stats.verdict(stats.worst([2.6, 2.5], True), 1.8, 2.5, True) == "aim"
    assert stats.verdict(stats.worst([2.6, 1.7], True), 1.8, 2.5, True) == "missed"
    assert stats.verdict(stats.worst([0.9, 1.06], False), 1.05, 0.97, False) == "missed"
    assert stats.verdict(stats.worst([0.9, 0.96], False), 1.05, 0.97, False) == "aim"
    assert stats.verdict(1.0, None, None, False) is None
    assert stats.verdict(None, 1, 2, True) is None


def test_a_goal_without_an_aim_or_gate():
    assert stats.verdict(1.0, None, 1.1, False) == "aim"
    assert stats.verdict(1.2, None, 1.1, False) == "missed"
    assert stats.verdict(1.0, 1.0, None, True) == "gate"


def test_percentile_is_by_nearest_rank():
    values = list(range(1, 101))
    assert stats.percentile(values, 0.5) == 50
    assert stats.percentile(values, 0.99) == 99
    assert stats.percentile([7], 0.99) == 7
    assert stats.percentile([], 0.5) is None
