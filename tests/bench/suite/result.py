# SPDX-License-Identifier: Apache-2.0
"""What a benchmark found, as data: comparisons of pairs, single measures, and peers that were left out."""
import json
import os
import time

from . import stats

OURS = "tidegate"
DISTURBED_OTHER = 0.10  # share of the machine that went to somebody else during a run
DISTURBED_STEAL = 0.02


class Result:
    def __init__(self, name, title, short):
        self.data = {"benchmark": name, "title": title, "short": short, "comparisons": [], "measures": [],
                     "skipped": [], "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}
        self.began = time.monotonic()

    def compare(self, what, peer, runs, **goal):
        """`runs` is {contender: [run, ...]} in the order in which they stood side by side, a run as contest.py makes
        it. `goal`: gate, aim, times=True when more is better (how many times as fast), and `ours` when it is not
        called tidegate. A contender that was left out is compared with nobody."""
        if peer in runs and goal.get("ours", OURS) in runs:
            self.data["comparisons"].append(comparison(what, peer, runs, **goal))

    def measure(self, what, value, unit, gate=None, aim=None, higher=False):
        """A figure that stands for itself; `value` may be a list of repetitions."""
        values = value if isinstance(value, list) else [value]
        self.data["measures"].append({
            "what": what, "unit": unit, "values": values, "gate": gate, "aim": aim, "higher_is_better": higher,
            "verdict": stats.verdict(stats.worst(values, higher), gate, aim, higher)})

    def skip(self, peer, reason):
        self.data["skipped"].append({"peer": peer, "reason": reason})

    def finish(self, about):
        self.data.update(about, seconds=round(time.monotonic() - self.began, 1))
        return self.data


def comparison(what, peer, runs, gate=None, aim=None, times=False, ours=OURS):
    name = ours
    ours, theirs = runs[name], runs[peer]
    walls = stats.pair_ratios([r["wall"] for r in ours], [r["wall"] for r in theirs], times)
    cpus = stats.pair_ratios([total(r) for r in ours], [total(r) for r in theirs], False)
    clients = stats.pair_ratios([client(r) for r in ours], [client(r) for r in theirs], False)
    return {
        "what": what, "ours": name, "peer": peer, "times": times, "gate": gate, "aim": aim,
        "runs": {name: ours, peer: theirs},
        "wall": stats.spread(walls), "cpu": stats.spread(cpus), "client_cpu": stats.spread(clients),
        "memory": max((r.get("memory") or 0 for r in ours), default=0) or None,
        "peer_memory": max((r.get("memory") or 0 for r in theirs), default=0) or None,
        "disturbed": sum(disturbed(r) for r in ours + theirs),
        "verdict": stats.verdict(stats.worst(walls, times), gate, aim, times),
    }


def total(run):
    return sum(run["cpu"].values())


def client(run):
    """CPU seconds outside of the servers; None for a peer that lives inside of them."""
    parts = [v for role, v in run["cpu"].items() if role not in ("source", "target")]
    return sum(parts) if parts else None


def disturbed(run):
    return run["other"] > DISTURBED_OTHER or run["steal"] > DISTURBED_STEAL


def write(data, directory):
    """build/bench/NAME.json, whole or not at all."""
    os.makedirs(directory, exist_ok=True)
    path = os.path.join(directory, data["benchmark"] + ".json")
    with open(path + ".tmp", "w") as f:
        json.dump(data, f, indent=1, sort_keys=True)
        f.write("\n")
    os.replace(path + ".tmp", path)
    return path


def read_all(directory):
    """{benchmark: data} of what lies there."""
    out = {}
    for name in sorted(os.listdir(directory)) if os.path.isdir(directory) else []:
        if name.endswith(".json"):
            with open(os.path.join(directory, name)) as f:
                data = json.load(f)
            if "benchmark" in data and "comparisons" in data:
                out[data["benchmark"]] = data
    return out
