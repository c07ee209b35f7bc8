# SPDX-License-Identifier: Apache-2.0
"""The JSON, and the table for people that is made from it."""
import json

from samples import data, run
from suite import result, table


def test_a_comparison_holds_ratios_goals_and_runs():
    c = data()["comparisons"][0]
    assert c["wall"] == {"median": 2.25, "min": 2.0, "max": 2.5}
    assert c["verdict"] == "gate"
    assert c["memory"] == 30 << 20 and c["peer_memory"] is None
    assert c["client_cpu"] is None
    assert c["cpu"]["min"] == 3.5 / 3.0
    assert len(c["runs"]["tidegate"]) == len(c["runs"]["peer"]) == 2


def test_cpu_of_clients_is_compared_where_the_peer_has_one():
    c = result.comparison("x", "peer", {"tidegate": [run(1, 0.5)], "peer": [run(1, psql=1.0)]})
    assert c["client_cpu"]["median"] == 0.5


def test_runs_beside_other_load_are_told():
    assert data()["comparisons"][0]["disturbed"] == 0
    assert data(other=0.3)["comparisons"][0]["disturbed"] == 1
    assert result.disturbed(run(1, steal=0.05))


def test_it_is_written_whole_and_read_back(tmp_path):
    path = result.write(data(), str(tmp_path))
    (tmp_path / "other.json").write_text(json.dumps({"tool": "somebody else's"}))
    with open(path) as f:
        assert json.load(f)["benchmark"] == "work"
    assert list(result.read_all(str(tmp_path))) == ["work"]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["other.json", "work.json"]
    assert result.read_all(str(tmp_path / "nowhere")) == {}


def test_the_table_says_everything():
    said = table.text(data(other=0.3, short=True))
    for words in ("work: apply of made-up", "short", "2.25 x (2.00 .. 2.50)", "gate 1.80 x, aim 2.50 x: gate", "30 MiB",
                  "shared the machine", "left out: third: it is not here", "agent 0.50"):
        assert words in said, said
