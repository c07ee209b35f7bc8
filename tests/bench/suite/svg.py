# SPDX-License-Identifier: Apache-2.0
"""One picture of a benchmark: a bar for the median of each contender, a line from the least to the most."""
from xml.sax.saxutils import escape

from . import stats
from .table import number

WIDTH, LEFT, RIGHT = 820, 230, 90
BAR, GAP, GROUP, TOP = 20, 6, 40, 64
COLORS = {"ours": "#2563a8", "peer": "#b9bec6"}
FONT = "font-family='Helvetica, Arial, sans-serif'"


def text(x, y, what, size=12, anchor="start", fill="#222", weight="normal"):
    return (f"<text x='{x:.1f}' y='{y:.1f}' {FONT} font-size='{size}' text-anchor='{anchor}' fill='{fill}' "
            f"font-weight='{weight}'>{escape(what)}</text>")


def nice_step(top, most=6):
    """A step of 1, 2 or 5 times a power of ten that divides 0..top into at most `most` parts."""
    step = 10 ** -6
    while True:
        for factor in (1, 2, 5):
            if top / (step * factor) <= most:
                return step * factor
        step *= 10


def groups(data):
    """[(what, note, [(name, color, spread of wall seconds)])] of the comparisons; those of one work are one group."""
    out = []
    for c in data["comparisons"]:
        unit = " times as fast" if c["times"] else " × the time"
        note = f"{number(c['wall']['median'])}{unit}" if c["wall"] else ""
        bars = [(name, "ours" if name == c["ours"] else "peer", stats.spread([r["wall"] for r in runs]))
                for name, runs in c["runs"].items()]
        out.append((f"{c['what']}, to {c['peer']}", note, bars))
    return out


def scale_of(data):
    """Milliseconds where everything is short, else seconds: (factor, unit)."""
    most = max((s["max"] for _, _, bars in groups(data) for _, _, s in bars), default=0)
    return (1000, "ms") if most < 1 else (1, "s")


def _bar(y, name, kind, s, pixels, scale):
    factor, unit = scale
    x = LEFT + s["median"] * pixels
    middle = y + BAR / 2
    out = [text(LEFT - 8, middle + 4, name, anchor="end"),
           f"<rect x='{LEFT}' y='{y}' width='{s['median'] * pixels:.1f}' height='{BAR}' rx='2' fill='{COLORS[kind]}'/>"]
    least, most = LEFT + s["min"] * pixels, LEFT + s["max"] * pixels
    out.append(f"<path d='M{least:.1f} {middle} H{most:.1f} M{least:.1f} {middle - 4} v8 M{most:.1f} {middle - 4} v8' "
               "stroke='#222' stroke-width='1' fill='none'/>")
    out.append(text(max(x, most) + 8, middle + 4, f"{number(s['median'] * factor)} {unit}", fill="#444"))
    return out


def _grid(longest, pixels, bottom, scale):
    factor, unit = scale
    step, out, n = nice_step(longest * factor), [], 0
    while n * step <= longest * factor * 1.0001:
        x = LEFT + n * step / factor * pixels
        out.append(f"<line x1='{x:.1f}' y1='{TOP - 8}' x2='{x:.1f}' y2='{bottom}' stroke='#e4e6ea'/>")
        out.append(text(x, bottom + 16, f"{n * step:g}" + (f" {unit}" if n == 0 else ""), size=11, anchor="middle",
                        fill="#666"))
        n += 1
    return out


def draw(data):
    """The picture as a text, or None when there is nothing to draw."""
    parts = groups(data)
    if not parts:
        return None
    longest = max(s["max"] for _, _, bars in parts for _, _, s in bars) or 1
    pixels = (WIDTH - LEFT - RIGHT) / longest
    scale = scale_of(data)
    height = TOP + sum(GROUP + len(bars) * (BAR + GAP) for _, _, bars in parts) + 46
    y, body = TOP, []
    for what, note, bars in parts:
        body.append(text(24, y + 14, what, weight="bold"))
        body.append(text(WIDTH - 16, y + 14, note, anchor="end", fill=COLORS["ours"], weight="bold"))
        y += 26
        for name, kind, s in bars:
            body += _bar(y, name, kind, s, pixels, scale)
            y += BAR + GAP
        y += GROUP - 26
    head = data["title"] + (" (small sizes)" if data["short"] else "")
    machine, versions = data["machine"], data["versions"]
    under = (f"PostgreSQL {versions['postgresql'].split()[0]}, {machine['cores']} cores, {machine['memory_gib']} GiB, "
             "both servers and every client on it; shorter is better")
    return "\n".join([
        f"<svg xmlns='http://www.w3.org/2000/svg' width='{WIDTH}' height='{height}' viewBox='0 0 {WIDTH} {height}'>",
        f"<rect width='{WIDTH}' height='{height}' fill='white'/>",
        text(24, 28, head, size=17, weight="bold"), text(24, 46, under, size=11, fill="#666"),
        *_grid(longest, pixels, y - 8, scale), *body, "</svg>", ""])


def write(data, path):
    picture = draw(data)
    if picture:
        with open(path, "w") as f:
            f.write(picture)
    return bool(picture)
