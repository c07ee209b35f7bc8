# SPDX-License-Identifier: Apache-2.0
"""Ratios of pairs, and whether they reach what is wanted."""
import statistics


def spread(values):
    """{median, min, max} of numbers; None of none."""
    values = [v for v in values if v is not None]
    if not values:
        return None
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def pair_ratios(ours, peers, times):
    """One ratio for each pair of runs that stood side by side: ours to the peer's, or with `times` how many times as
    fast we are. A pair with a zero in it says nothing and is None."""
    out = []
    for a, b in zip(ours, peers):
        over, under = (b, a) if times else (a, b)
        out.append(over / under if over and under else None)
    return out


def verdict(worst, gate, aim, higher):
    """aim, gate or missed by the worst value; None when nothing is asked for."""
    if worst is None or (gate is None and aim is None):
        return None

    def reached(goal):
        return goal is not None and (worst >= goal if higher else worst <= goal)

    return "aim" if reached(aim) else "gate" if reached(gate) else "missed"


def worst(values, higher):
    values = [v for v in values if v is not None]
    if not values:
        return None
    return min(values) if higher else max(values)


def percentile(values, share):
    """The value below which `share` of the values lie, by nearest rank; None of none."""
    if not values:
        return None
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, -(-int(share * 1000) * len(ordered) // 1000) - 1))]
