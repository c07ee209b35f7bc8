# SPDX-License-Identifier: Apache-2.0
"""The picture is sound XML, everything in it lies within its frame, and bars are as long as their numbers."""
import xml.etree.ElementTree as ET

import pytest
from samples import data
from suite import svg


def picture():
    return ET.fromstring(svg.draw(data()))


def tags(root, name):
    return root.findall("{http://www.w3.org/2000/svg}" + name)


def test_bars_are_in_proportion():
    bars = [float(r.get("width")) for r in tags(picture(), "rect")[1:]]
    assert len(bars) == 2
    assert bars[0] / bars[1] == pytest.approx(2.25 / 5.0, rel=0.01)


def test_nothing_leaves_the_frame():
    root = picture()
    width, height = float(root.get("width")), float(root.get("height"))
    for r in tags(root, "rect"):
        assert float(r.get("x") or 0) + float(r.get("width")) <= width
        assert float(r.get("y") or 0) + float(r.get("height")) <= height
    for t in tags(root, "text"):
        assert 0 <= float(t.get("x")) <= width and 0 <= float(t.get("y")) <= height


def test_texts_are_escaped_and_there():
    said = [t.text for t in tags(picture(), "text")]
    assert "10 rows & more, to peer" in said
    assert "apply of made-up <rows>" in said
    assert "2.25 times as fast" in said


def test_steps_of_the_axis():
    assert svg.nice_step(10) == 2
    assert svg.nice_step(0.9) == pytest.approx(0.2)
    assert svg.nice_step(3600) == pytest.approx(1000)


def test_nothing_to_draw(tmp_path):
    empty = dict(data(), comparisons=[])
    assert svg.draw(empty) is None
    assert not svg.write(empty, str(tmp_path / "x.svg"))
    assert not (tmp_path / "x.svg").exists()
