# SPDX-License-Identifier: Apache-2.0
"""A benchmark's result for people, on a terminal."""
from . import stats


def number(v):
    return "-" if v is None else f"{v:.2f}" if abs(v) < 100 else f"{v:.0f}"


def span(s, unit=""):
    """1.52 (1.49 .. 1.55)"""
    if s is None:
        return "-"
    text = number(s["median"]) + unit
    return text if s["min"] == s["max"] else f"{text} ({number(s['min'])} .. {number(s['max'])})"


def goals(c, unit=""):
    parts = [f"{name} {number(c[name])}{unit}" for name in ("gate", "aim") if c.get(name) is not None]
    if not parts:
        return ""
    return "   " + ", ".join(parts) + (f": {c['verdict']}" if c.get("verdict") else "")


def _run_lines(name, runs):
    walls = stats.spread([r["wall"] for r in runs])
    roles = {role: stats.spread([r["cpu"][role] for r in runs]) for role in runs[0]["cpu"]}
    memory = max((r.get("memory") or 0 for r in runs), default=0)
    line = f"    {name:22} {span(walls, ' s'):28} CPU " + ", ".join(f"{r} {number(s['median'])}" for r, s in roles.items())
    return line + (f", memory {memory / 2**20:.0f} MiB" if memory else "")


def _comparison(c):
    unit = " x" if c["times"] else ""
    lines = [f"  {c['what']}, to {c['peer']}"]
    lines += [_run_lines(name, runs) for name, runs in c["runs"].items()]
    word = "times as fast" if c["times"] else "wall ratio"
    lines.append(f"    {word:22} {span(c['wall'], unit)}{goals(c, unit)}")
    lines.append(f"    {'CPU ratio, everybody':22} {span(c['cpu'])}")
    if c["client_cpu"]:
        lines.append(f"    {'CPU ratio, clients':22} {span(c['client_cpu'])}")
    if c["disturbed"]:
        lines.append(f"    {c['disturbed']} of these runs shared the machine with something else: not a figure to keep")
    return lines


def _measure(m):
    return f"  {m['what']:42} {span(stats.spread(m['values']))} {m['unit']}{goals(m)}"


def text(data):
    lines = [f"{data['benchmark']}: {data['title']}" + ("   (short: sizes say little about full ones)" if data["short"] else "")]
    for c in data["comparisons"]:
        lines += _comparison(c)
    lines += [_measure(m) for m in data["measures"]]
    lines += [f"  left out: {s['peer']}: {s['reason']}" for s in data["skipped"]]
    return "\n".join(lines)
