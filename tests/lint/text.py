# SPDX-License-Identifier: Apache-2.0
"""What must not be in any file: paths of one machine, registry hosts, trailing blanks, missing line ends."""
import re
import subprocess

import tree

FORBIDDEN = [
    (re.compile(r"[\"' =](/work|/home|/root|/farm)/"), "path of one machine"),
    (re.compile(r"https?://[^ ]*(registry|mirror|repo1)"), "host of a package registry"),
    (re.compile(r"\b(TODO|FIXME|XXX)\b"), "something left open"),
]
SELF = "tests/lint/text.py"


def main():
    problems = []
    listed = subprocess.run(["git", "-c", "safe.directory=*", "-C", tree.TOP, "ls-files", "-co", "--exclude-standard"],
                            capture_output=True, text=True, check=True).stdout.split("\n")
    paths = [p for p in listed if p and p != SELF and not p.startswith(("tests/data/", "tests/fuzz/corpus/"))]
    for path in paths:
        try:
            text = tree.read(path)
        except (UnicodeDecodeError, FileNotFoundError, IsADirectoryError):
            continue
        for n, line in enumerate(text.split("\n"), 1):
            problems += [f"{path}:{n}: {what}" for pattern, what in FORBIDDEN if pattern.search(line)]
            if line != line.rstrip() and not path.endswith(".md"):
                problems.append(f"{path}:{n}: blanks at the end of the line")
        if text and not text.endswith("\n"):
            problems.append(f"{path}: no line end at the end of the file")
    tree.finish("text", problems, len(paths))


main()
