# SPDX-License-Identifier: Apache-2.0
"""Who may include whom: floors of the tree, no way up, no circle, plugins named in one place.

A file includes from lower floors or from its own folder. Order within a file: its own header, then
<system>, then "project".
"""
import os
import re

import tree

FLOORS = [
    ("agent/base",),
    ("agent/change", "config"),
    ("agent/pg", "agent/store", "agent/spool", "decoders"),
    ("agent/source", "sinks"),
    ("agent/snapshot",),
    ("agent/preflight",),
    ("agent/pipeline",),
    ("agent/control", "agent/verify", "agent/cleanup"),
    ("agent/cli",),
    ("agent",),
]
FLOOR = {room: n for n, rooms in enumerate(FLOORS, 1) for room in rooms}
# Rooms that may use less than everything below them.
ONLY = {
    "agent/spool": {"agent/base", "agent/change"},
    "decoders": {"agent/base", "agent/change"},
    "config": {"agent/base"},
    "agent/change": {"agent/base"},
}
# `decoders` may declare configuration, nothing else of config.
EXCEPTIONS = {("decoders", "config/option.h")}
PG_USERS = {"agent/pg", "agent/source", "sinks", "agent/snapshot", "agent/preflight", "agent/pipeline",
            "agent/verify", "agent/cleanup", "agent/control",
            "agent/cli", "agent"}
# The contracts of the plugin rooms, open to all that may look into the room at all.
CONTRACTS = {"sinks/sink.h", "sinks/registry.h", "decoders/decoder.h", "agent/source/source.h",
             "agent/source/registry.h", "decoders/registry.h",
             "decoders/plugin_message.h"}  # what a feed and its decoder both read
REGISTRIES = re.compile(r"^(agent/source|sinks|decoders)/registry\.[ch]$|^agent/main\.c$")
PLUGIN_OBJECT = re.compile(r"\b(?:extern\s+)?const\s+struct\s+(sink|source|decoder)_ops\s+(\w+)\s*=")
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^">]+)[">]', re.M)


def room(path):
    """The folder that has a floor: of sinks/postgres/apply.c it is sinks."""
    parts = path.split("/")
    for n in (2, 1):
        if "/".join(parts[:n]) in FLOOR and (len(parts) > n or n == 1):
            return "/".join(parts[:n])
    return None


def sink_of(path):
    """postgres for sinks/postgres/apply.c; None for files directly in sinks/."""
    parts = path.split("/")
    return parts[1] if parts[0] == "sinks" and len(parts) > 2 else None


def check_edge(path, target, say):
    here, there = room(path), room(target)
    if there is None:
        say(f"'{target}' is outside the floors")
        return
    if here != there:
        if FLOOR[there] >= FLOOR[here]:
            say(f"'{target}' is on floor {FLOOR[there]}, this file on floor {FLOOR[here]}")
        elif here in ONLY and there not in ONLY[here] and (here, target) not in EXCEPTIONS:
            say(f"'{here}' sees only {', '.join(sorted(ONLY[here]))}, not '{target}'")
    if there == "agent/pg" and here not in PG_USERS:
        say(f"'{here}' may not use agent/pg")
    if sink_of(target) and sink_of(path) != sink_of(target) and not REGISTRIES.match(path):
        say(f"'{target}' belongs to one sink")
    if there in ("decoders", "agent/source") and here != there and target not in CONTRACTS \
            and not REGISTRIES.match(path):
        say(f"'{target}' is a plugin's own; use its contract")


def check_order(path, includes, say):
    own = re.sub(r"\.c$", ".h", path)
    kinds = []
    for n, (quote, target) in enumerate(includes):
        if quote == '"' and target == own:
            if n != 0:
                say(f"own header '{own}' comes first")
            continue
        kinds.append(quote)
    if kinds != sorted(kinds, key="<\"".index):
        say("order of includes: own header, <system>, \"project\"")


def circles(graph):
    """One line for each circle found."""
    out, state, stack = [], {}, []

    def walk(node):
        state[node] = 1
        stack.append(node)
        for after in graph.get(node, ()):
            if state.get(after) == 1:
                out.append("circle: " + " -> ".join(stack[stack.index(after):] + [after]))
            elif after not in state:
                walk(after)
        stack.pop()
        state[node] = 2

    for node in sorted(graph):
        if node not in state:
            walk(node)
    return out


def main():
    problems, graph, plugins = [], {}, {}
    paths = tree.files(tree.PRODUCT, (".c", ".h"))
    texts = {path: tree.read(path) for path in paths}
    for path in paths:
        def say(text):
            problems.append(f"{path}: {text}")

        includes = INCLUDE.findall(texts[path])
        check_order(path, includes, say)
        graph[path] = set()
        for quote, target in includes:
            if quote == "<":
                continue
            if not os.path.exists(os.path.join(tree.TOP, target)):
                say(f"'{target}' is no path from the top")
                continue
            graph[path].add(target)
            check_edge(path, target, say)
        if os.path.basename(path) in ("tidegate.h", "common.h") and room(path) != "agent/cli":
            say("no header for everything")
        for _, name in PLUGIN_OBJECT.findall(tree.bare(texts[path])):
            plugins[name] = path
    problems += circles(graph)
    # Only its own folder, the registry and main may name a plugin's object.
    for name, home in plugins.items():
        for path in paths:
            same = os.path.dirname(path) == os.path.dirname(home) and \
                (room(path) != os.path.dirname(path) or
                 re.sub(r"\.[ch]$", "", path) == re.sub(r"\.[ch]$", "", home))
            if not same and not REGISTRIES.match(path) and path != re.sub(r"\.c$", ".h", home) \
                    and re.search(rf"\b{name}\b", tree.bare(texts[path])):
                problems.append(f"{path}: names the plugin '{name}'; only the registry may")
    tree.finish("includes", problems, len(paths))


main()
