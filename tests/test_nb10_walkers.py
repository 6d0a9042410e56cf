"""The third task of notebook 10: what is said of few seeds."""

from itertools import combinations, product

import numpy as np
import pytest

import course_lib as cl
from course_lib.errors import ArgumentError
from course_lib.lessons import nb10_walkers as walkers
from course_lib.lessons.nb10_evidence import robust_share

CONDITIONS = ("rate 0.5", "rate 2", "dead 0", "dead 3", *(c for g in walkers.GROUPS.values() for c in g if c != "dead"))


def run(policy: str, seed: int, share: float, **other: float) -> dict:
    disturbed = {name: 50.0 * share for name in CONDITIONS} | {name: 50.0 * s for name, s in other.items()}
    return dict(task="anymal", training="one rate", policy=policy, seed=seed, disturbed=disturbed, **{"return": 50.0})


ROWS = [run(policy, seed, 0.5 + 0.1 * seed) for policy in walkers.POLICIES for seed in range(3)]


def test_shares_are_means_over_the_conditions_of_a_group():
    rows = [run("gru", 0, 0.5, **{"noise 2": 1.0, "noise 4": 0.6, "noise 8": 0.2, "dead 0": 0.9, "dead 3": 0.1})]
    found = walkers.shares(rows, "gru")
    assert found["noise"] == pytest.approx([0.6]) and found["a dead sensor"] == pytest.approx([0.5])
    assert found["heavier"] == pytest.approx([0.5])
    with pytest.raises(ArgumentError, match="no run of 'ltc'"):
        walkers.shares(rows, "ltc")


def test_only_ranges_that_do_not_overlap_are_apart():
    assert walkers.apart(ROWS) == []
    better = [
        run(r["policy"], r["seed"], r["disturbed"]["rate 2"] / 50, **{"rate 2": 50.5 / 50 + r["seed"]})
        if r["policy"] == "ltc"
        else r
        for r in ROWS
    ]
    assert walkers.apart(better) == [("twice the rate", "ltc", other) for other in ("mlp", "gru", "cfc")]


def test_chance_of_ranges_apart_is_that_of_all_deals():
    for runs in (2, 3, 4):
        deals = [set(one) for one in combinations(range(2 * runs), runs)]
        split = sum(max(d) < runs or min(d) >= runs for d in deals)
        assert walkers.apart_by_chance(runs) == pytest.approx(split / len(deals))


def test_the_figure_shows_every_run_and_says_the_medians():
    figure = walkers.walker_figure(ROWS)
    left, right = figure.axes
    dots = [line for line in right.get_lines() if line.get_marker() == "o"]
    assert len(dots) == len(walkers.POLICIES) * len(walkers.GROUPS)
    assert all(np.allclose(np.sort(line.get_xdata()), [0.5, 0.6, 0.7]) for line in dots)
    assert "twice the rate: MLP 0.60, GRU 0.60, LTC 0.60, CfC 0.60" in figure.alt
    assert "3 seeds each" in figure.get_supxlabel()
    assert [t.get_text() for t in left.get_yticklabels()] == ["MLP", "GRU", "LTC", "CfC"]


def test_the_published_walkers_are_three_seeds_of_four_policies_of_one_size():
    rows = [row for row in cl.result("robustness")["per_seed"] if row["task"] == walkers.TASK]
    assert sorted((row["policy"], row["seed"]) for row in rows) == sorted(product(walkers.POLICIES, range(3)))
    sizes = [row["parameters"] for row in rows]
    assert max(sizes) - min(sizes) <= 0.05 * np.mean(sizes)
    # What notebook 10 says of all twelve.
    kept = {name: [row["disturbed"][name] / row["return"] for row in rows] for name in ("delay 3", "push 100")}
    assert max(kept["delay 3"]) < 0.1 and min(kept["push 100"]) > 0.9
    assert max(robust_share(row, ["rate 0.25"]) for row in rows) < 0.25
