# SPDX-License-Identifier: Apache-2.0
"""Every file says under which licence it is and, in its own words, what it is."""
import re

import tree

SPDX = "SPDX-License-Identifier: Apache-2.0"


def first_comment(path, text):
    """Words of the file's opening comment without the licence line."""
    if path.endswith((".c", ".h")):
        found = re.match(r"\s*/\*(.*?)\*/", text, re.S)
        body = found.group(1) if found else ""
    elif path.endswith(".py"):
        body = "".join(re.findall(r'^(?:#.*\n)+|"""(.*?)"""', text, re.S)[:2])
    else:
        found = re.match(r"(?:#.*\n)+", text)
        body = found.group(0) if found else ""
    body = body.replace(SPDX, "")
    return re.sub(r"[\s*#!/]+", " ", re.sub(r"^#!.*", "", body)).strip()


def main():
    problems, seen = [], {}
    paths = tree.files(tree.PRODUCT + ("tests",), (".c", ".h", ".py", ".sh"))
    for path in paths:
        text = tree.read(path)
        if SPDX not in "\n".join(text.split("\n")[:2]):
            problems.append(f"{path}: no '{SPDX}' on top")
        if not path.endswith((".c", ".h")) or path.startswith("tests/unit/"):
            continue
        words = first_comment(path, text)
        if len(words) < 20:
            problems.append(f"{path}: the opening comment does not say what this is")
        elif words in seen:
            problems.append(f"{path}: the same opening comment as {seen[words]}")
        seen[words] = path
        # The name of the file in its own banner goes stale with the first move.
        if path.split("/")[-1] in words[:60]:
            problems.append(f"{path}: the opening comment names the file")
    tree.finish("comments", problems, len(paths))


main()
