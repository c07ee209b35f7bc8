# SPDX-License-Identifier: Apache-2.0
"""Sizes: lines of a file and a function, parameters, nesting, columns.

waivers.txt lists what may be larger, each with its size of today. It can only shrink: an entry that is
higher than needed, not needed, or new since the last commit is refused.
"""
import re
import subprocess

import tree

LIMITS = {"file": 600, "header": 250, "function": 80, "parameters": 6, "nesting": 4, "columns": 100}
WAIVERS = "tests/lint/waivers.txt"


def functions(code):
    """(name, first line, lines, parameters, nesting) of each definition; '{' in column 0 opens a body."""
    lines = code.split("\n")
    n = 0
    while n < len(lines):
        if lines[n] != "{":
            n += 1
            continue
        first = n
        while first > 0 and lines[first - 1].strip() and not re.match(r"[};#]", lines[first - 1]):
            first -= 1
        head = " ".join(lines[first:n])
        end = n
        while end < len(lines) and not lines[end].startswith("}"):
            end += 1
        found = re.search(r"(\w+)\s*\((.*)\)\s*$", head)
        if found:
            # Return type and attributes do not count as the function's length, its name does.
            start = next((i for i in range(first, n) if lines[i].startswith(found.group(1))), first)
            yield (found.group(1), start + 1, end - start + 1, parameters(found.group(2)),
                   nesting(lines[n:end + 1]))
        n = end + 1


def parameters(text):
    depth, count = 0, 1
    if text.strip() in ("", "void"):
        return 0
    for c in text:
        depth += c in "(["
        depth -= c in ")]"
        count += c == "," and depth == 0
    return count


def nesting(body):
    """Deepest block within the body; initialisers in braces are not blocks."""
    deepest = 0
    stack = []
    text = "\n".join(body)
    for n, c in enumerate(text):
        if c == "{":
            before = text[:n].rstrip()
            block = not before or before[-1] in ");{}:" or re.search(r"\b(else|do)$", before)
            stack.append(bool(block))
            deepest = max(deepest, sum(stack) - 1)
        elif c == "}" and stack:
            stack.pop()
    return deepest


def measure(path):
    """{(path, what): size} of everything in the file that has a limit."""
    text = tree.read(path)
    code = tree.bare(text)
    lines = text.count("\n")
    out = {(path, "header" if path.endswith(".h") else "file"): lines}
    out[(path, "columns")] = max((len(line) for line in text.split("\n")), default=0)
    for name, _, length, params, depth in functions(code):
        for what, size in (("function", length), ("parameters", params), ("nesting", depth)):
            out[(f"{path}:{name}", what)] = size
    return out


def waivers(text):
    out = {}
    for line in text.split("\n"):
        line = line.split("#")[0].strip()
        if line:
            place, what, size = line.split()
            out[(place, what)] = int(size)
    return out


def committed():
    """The list of the last commit that is not what lies here; None when there is none."""
    now = tree.read(WAIVERS)
    for commit in ("HEAD", "HEAD~1"):
        got = subprocess.run(["git", "-c", "safe.directory=*", "-C", tree.TOP, "show", f"{commit}:{WAIVERS}"], capture_output=True,
                             text=True)
        if got.returncode != 0:
            return None
        if got.stdout != now:
            return waivers(got.stdout)
    return None


def main():
    problems = []
    paths = tree.files(tree.PRODUCT, (".c", ".h"))
    tests = tree.files(("tests",), (".c", ".h"))
    sizes = {}
    for path in paths:
        sizes.update(measure(path))
    # Tests are held to the width and the length of a function only.
    for path in tests:
        sizes.update({k: v for k, v in measure(path).items() if k[1] in ("columns", "function")})
    allowed = waivers(tree.read(WAIVERS))
    for (place, what), size in sorted(sizes.items()):
        limit = LIMITS[what]
        waived = allowed.get((place, what))
        if waived is not None and size <= limit:
            problems.append(f"{place}: waiver for {what} is not needed any more")
        elif waived is not None and size < waived:
            problems.append(f"{place}: waiver for {what} is {waived}, {size} is enough")
        elif size > max(limit, waived or 0):
            problems.append(f"{place}: {what} {size}, limit {max(limit, waived or 0)}")
    problems += [f"{p}: waiver for {w} of something that is not there" for p, w in allowed
                 if (p, w) not in sizes]
    before = committed()
    if before is not None:
        problems += [f"{p}: new or raised waiver for {w}" for (p, w), size in allowed.items()
                     if size > before.get((p, w), 0)]
    tree.finish("budgets", problems, len(paths) + len(tests))


main()
