# SPDX-License-Identifier: Apache-2.0
"""The files that lint looks at, and a view of C without comments and strings."""
import os
import re

TOP = os.environ.get("TIDEGATE_LINT_TOP") or os.path.dirname(
    os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PRODUCT = ("agent", "decoders", "sinks", "config")


def files(folders, suffixes):
    """Paths relative to the top, sorted."""
    out = []
    for folder in folders:
        for where, dirs, names in os.walk(os.path.join(TOP, folder)):
            dirs[:] = [d for d in dirs if d not in ("__pycache__", ".pytest_cache")]
            out += [os.path.relpath(os.path.join(where, n), TOP) for n in names if n.endswith(suffixes)]
    return sorted(out)


def read(path):
    with open(os.path.join(TOP, path), encoding="utf-8") as f:
        return f.read()


_NOISE = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)


def bare(text):
    """The text with comments and literals blanked out; line numbers stay."""
    def blank(m):
        s = m.group(0)
        inner = re.sub(r"[^\n]", " ", s)
        return s[0] + inner[1:-1] + s[-1] if s[0] in "\"'" else inner
    return _NOISE.sub(blank, text)


def finish(name, problems, looked_at):
    """Prints the problems and ends the program."""
    for line in problems:
        print(line)
    print(f"{name}: {looked_at} files, {len(problems)} problems")
    raise SystemExit(1 if problems else 0)
