# SPDX-License-Identifier: Apache-2.0
"""The summary in the README, between two markers, from the JSON of full runs and from nothing else.

    readme.py JSON_DIRECTORY README        writes it; refuses short runs, and runs of different programs or machines

Commits between which only benchmarks, tests or pages changed are of one program: a benchmark can be mended without
running all the others again.
"""
import os
import sys

if __name__ == "__main__":
    sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from suite import about, result, stats  # noqa: E402
from suite.table import number, span  # noqa: E402

BEGIN = "<!-- bench: written by make bench-readme -->"
END = "<!-- bench: end -->"


class Refused(Exception):
    pass


def commits(every):
    """Those that were measured, each once, in the order of the benchmarks."""
    return list(dict.fromkeys(data["versions"]["commit"] for data in every.values()))


def same(these, those):
    """Facts about machine or versions; of different commits when the program is the same."""
    if "commit" not in these or these["commit"] == those["commit"]:
        return these == those
    return dict(these, commit=None) == dict(those, commit=None) and about.same_program(these["commit"], those["commit"])


def one_origin(every):
    """The facts that must be the same for figures to stand in one table."""
    if not every:
        raise Refused("there are no results: run 'make bench' first")
    short = [name for name, data in every.items() if data["short"]]
    if short:
        raise Refused(f"of a short run, whose sizes say little: {' '.join(short)}; remove these files or run 'make bench'")
    if any((commit or "+").endswith("+") for commit in commits(every)):
        raise Refused("the tree that was measured is not committed")
    first = next(iter(every.values()))
    for name, data in every.items():
        for key in ("machine", "versions"):
            if not same(data[key], first[key]):
                raise Refused(f"{name} was run with another {key[:-1] if key == 'versions' else key}: {data[key]}, "
                              f"the others with {first[key]}")
    return first


def goal(c, unit=""):
    parts = [number(c[key]) + unit if c[key] is not None else "-" for key in ("gate", "aim")]
    return "" if parts == ["-", "-"] else " / ".join(parts)


def rows(every):
    for data in every.values():
        for c in data["comparisons"]:
            unit = " ×" if c["times"] else ""
            memory = f"{c['memory'] / 2**20:.0f} MiB" if c["memory"] else ""
            note = " ¹" if c["disturbed"] else ""
            yield (f"{data['title']}: {c['what']}", c["peer"], span(c["wall"], unit).replace("..", "–") + note,
                   span(c["cpu"]).replace("..", "–"), memory, goal(c, unit))


def measures(every):
    """One line for what several benchmarks measure, such as memory: the span over all of them."""
    found = {}
    for data in every.values():
        for m in data["measures"]:
            if m["gate"] is not None or m["aim"] is not None:
                found.setdefault((m["what"], m["unit"], goal(m)), []).append((data["title"], m["values"]))
    for (what, unit, wanted), where in found.items():
        title = f"{where[0][0]}: {what}" if len(where) == 1 else f"{what}, in {len(where)} of the benchmarks"
        value = span(stats.spread([v for _, values in where for v in values])).replace("..", "–")
        yield (title, f"{value} {unit}", wanted)


def table(head, lines):
    out = ["| " + " | ".join(head) + " |", "| " + " | ".join("---" for _ in head) + " |"]
    return out + ["| " + " | ".join(line) + " |" for line in lines]


def block(every):
    """The lines between the markers."""
    facts = one_origin(every)
    m, v = facts["machine"], facts["versions"]
    settings = facts["settings"]
    said = ", ".join(f"{k} = {settings[k]}" for k in ("fsync", "full_page_writes", "synchronous_commit", "shared_buffers",
                                                      "autovacuum") if k in settings)
    names = commits(every)
    where = f"commit {names[0]}" if len(names) == 1 else f"commits {', '.join(names)}, which are of one program"
    out = [f"Measured by `make bench` at {where} ({v['tidegate']}) with PostgreSQL {v['postgresql']} on "
           f"{m['cores']} cores ({m['processor']}), {m['memory_gib']} GiB, {m['system']}, both servers and every client "
           f"on that one machine; {said}, for everybody alike.", "",
           "Ratios are medians of pairs of runs with least and most. \"×\" is how many times as fast as the peer, other "
           "numbers are our time as a part of the peer's. CPU is that of everybody together, the servers included. Goals "
           "are what the project asks of itself: gate / aim.", ""]
    lines = list(rows(every))
    out += table(("work", "peer", "time", "CPU", "agent's memory", "goal"), lines)
    singles = list(measures(every))
    if singles:
        out += [""] + table(("measure", "value", "goal"), singles)
    if any("¹" in cell for line in lines for cell in line):
        out += ["", "¹ The machine had other work to do during some of these runs."]
    skipped = [f"{s['peer']} ({data['benchmark']}): {s['reason']}" for data in every.values() for s in data["skipped"]]
    if skipped:
        out += ["", "Left out: " + "; ".join(skipped) + "."]
    return out


def replace(text, lines):
    """`text` with what stands between the markers exchanged."""
    if text.count(BEGIN) != 1 or text.count(END) != 1 or text.index(BEGIN) > text.index(END):
        raise Refused(f"the page does not have the lines '{BEGIN}' and '{END}' once each, in this order")
    head, rest = text.split(BEGIN)
    return head + BEGIN + "\n" + "\n".join(lines) + "\n" + END + rest.split(END)[1]


def main(directory, page):
    try:
        with open(page) as f:
            text = f.read()
        new = replace(text, block(result.read_all(directory)))
    except Refused as e:
        print(f"bench-readme: {e}", file=sys.stderr)
        return 1
    with open(page, "w") as f:
        f.write(new)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:3]))
