# SPDX-License-Identifier: Apache-2.0
"""What may become a figure in the README, and that nothing else of the page changes."""
import subprocess

import pytest
from samples import data
from suite import about, readme, result

PAGE = f"# top\n\nbefore\n\n{readme.BEGIN}\nold\n{readme.END}\n\nafter\n"


def test_only_what_is_between_the_markers_changes():
    new = readme.replace(PAGE, ["new"])
    assert new == PAGE.replace("old", "new")
    assert readme.replace(new, ["new"]) == new


@pytest.mark.parametrize("page", ["", readme.BEGIN, readme.END + readme.BEGIN, PAGE + PAGE])
def test_a_page_without_its_markers_is_refused(page):
    with pytest.raises(readme.Refused):
        readme.replace(page, [])


def test_the_block_names_machine_versions_and_figures():
    said = "\n".join(readme.block({"work": data()}))
    for words in ("commit abc1234", "PostgreSQL 15.0", "2 cores", "8 GiB", "synchronous_commit = off",
                  "2.25 × (2.00 – 2.50)", "1.80 × / 2.50 ×", "30 MiB", "third (work): it is not here"):
        assert words in said, said
    assert "¹" not in said


def test_disturbed_runs_have_a_footnote():
    assert "¹ The machine" in "\n".join(readme.block({"work": data(other=0.5)}))


@pytest.mark.parametrize("every", [
    {}, {"work": data(short=True)}, {"work": data(commit="abc1234+")}, {"work": data(commit=None)},
    {"a": data("a"), "b": data("b", commit="fffffff")}])
def test_what_is_refused(every):
    with pytest.raises(readme.Refused):
        readme.block(every)


def test_commits_of_one_program_stand_together(monkeypatch):
    every = {"a": data("a"), "b": data("b", commit="fffffff"), "c": data("c")}
    monkeypatch.setattr(readme.about, "same_program", lambda one, other: {one, other} == {"abc1234", "fffffff"})
    assert "at commits abc1234, fffffff, which are of one program (" in "\n".join(readme.block(every))
    every["b"]["versions"]["postgresql"] = "16.0"
    with pytest.raises(readme.Refused):
        readme.block(every)


def test_what_the_program_is_built_of_tells_commits_apart(tmp_path, monkeypatch):
    git = ["git", "-C", str(tmp_path), "-c", "user.name=n", "-c", "user.email=e"]

    def commit(name, text):
        (tmp_path / name).mkdir(exist_ok=True)
        (tmp_path / name / "file").write_text(text)
        subprocess.run([*git, "add", "."], check=True)
        subprocess.run([*git, "commit", "-qm", text], check=True)
        return subprocess.run([*git, "rev-parse", "HEAD"], check=True, stdout=subprocess.PIPE, text=True).stdout.strip()

    subprocess.run([*git, "init", "-q"], check=True)
    monkeypatch.setattr(about, "GIT", git)
    first, bench, agent = commit("agent", "one"), commit("tests", "two"), commit("agent", "three")
    assert about.same_program(first, bench)
    assert not about.same_program(bench, agent)
    assert not about.same_program(first, "0000000")


def test_a_refusal_leaves_the_page_alone(tmp_path, capsys):
    page = tmp_path / "README.md"
    page.write_text(PAGE)
    assert readme.main(str(tmp_path), str(page)) == 1
    assert page.read_text() == PAGE
    assert "make bench" in capsys.readouterr().err
    result.write(data(), str(tmp_path))
    assert readme.main(str(tmp_path), str(page)) == 0
    assert "abc1234" in page.read_text() and page.read_text().startswith("# top")
