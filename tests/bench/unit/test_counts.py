# SPDX-License-Identifier: Apache-2.0
"""Instruction counts and their baseline."""
from suite import counts


def verdicts(found, baseline):
    return {line["name"]: line["verdict"] for line in counts.compare(found, baseline)}


def test_what_is_within_the_tolerance_is_the_same():
    baseline = {"decode insert": 100, "apply insert": 100}
    assert verdicts({"decode insert": 102.9, "apply insert": 109}, baseline) == {"decode insert": "same", "apply insert": "same"}
    assert verdicts({"decode insert": 104, "apply insert": 111}, baseline) == {"decode insert": "slower", "apply insert": "slower"}
    assert verdicts({"decode insert": 90}, baseline) == {"decode insert": "faster"}
    assert verdicts({"read insert": 90}, baseline) == {"read insert": "new"}


def test_the_table_ends_with_what_is_slower():
    said = counts.table(counts.compare({"decode insert": 200, "read insert": 5}, {"decode insert": 100}))
    assert said.endswith("SLOWER than the baseline: decode insert")
    assert "+100.0 %" in said


def test_writing_keeps_what_was_not_counted(tmp_path):
    path = str(tmp_path / "b.json")
    assert counts.read(path) == {}
    counts.write(path, {"a": 1}, {"a": 2, "b": 3})
    assert counts.read(path) == {"a": 1, "b": 3}
