"""Sentences of notebook 10 that are computed from the runs so far: they say what made-up runs are made to hold."""

import numpy as np
import pytest

from course_lib.errors import ArgumentError
from course_lib.evaluation.statistics import iqm
from course_lib.lessons import nb10_figures as figures
from course_lib.lessons import nb10_so_far as so_far


def runs(policy, returns, kept, task="pendulum", **more):
    own = {"task": task, "policy": policy, "training": "one rate"} | more
    return [own | {"seed": k, "return": r, "disturbed": {"drop 0.25": kept * r}} for k, r in enumerate(returns)]


ROWS = runs("ltc", (1000, 900, 980), 0.5) + runs("gru", (500, 510, 530, 520), 0.52) + runs("mlp", (90, 100), 0.9)


def test_policies_in_order_with_their_seeds():
    assert so_far.line(ROWS, "pendulum").startswith(
        f"pole on a cart: LTC {iqm(np.array([1000, 900, 980])):,.0f} (3 seeds)"
    )
    assert so_far.line(ROWS, "pendulum", "drop 0.25") == (
        "pole on a cart, drop 0.25: MLP 90% (2 seeds), GRU 52% (4), LTC 50% (3)"
    )
    assert list(so_far.ordered(ROWS, "pendulum", policies=("gru", "mlp", "cfc"))) == ["gru", "mlp"]
    assert so_far.balancing(ROWS) == ["ltc", "gru"]
    with pytest.raises(ArgumentError, match="has no run of cfc"):
        so_far.ordered(ROWS, "pendulum", policies=("cfc",))


def test_no_share_is_less_than_nothing():
    rows = runs("ltc", (1000,), -0.004)
    assert so_far.line(rows, "pendulum", "drop 0.25", ("ltc",)).endswith("LTC 0% (1 seeds)")


def test_why_policies_are_not_compared():
    assert so_far.why_not(ROWS, ("mlp", "cfc")) == "mlp 95, cfc not trained; learned from 490 on"
    assert so_far.why_not([], ("mlp",)) == "not trained"


def test_who_is_ahead():
    assert so_far.ahead(ROWS, "pendulum", "drop 0.25", "ltc", "gru") == "about the same"
    assert so_far.ahead(ROWS, "pendulum", "drop 0.25", "ltc", "mlp") == "MLP"
    with pytest.raises(ArgumentError, match="no run"):
        so_far.ahead(ROWS, "pendulum", "drop 0.25", "ltc", "cfc")


def test_the_first_two_are_those_that_learned_the_task():
    """The MLP keeps the most here, but it has not learned the task."""
    assert so_far.first_two(ROWS, "pendulum", "drop 0.25", ("mlp", "ltc", "gru")).startswith("GRU - LTC: 0.02")


def test_what_it_helps_to_be_told():
    mine = [
        {"task": "pendulum", "policy": "ltc", "training": "one rate", "seed": k, "return": 100.0}
        | {"disturbed": {"rate 2": 20.0, "rate 2, told": 90.0}}
        for k in range(5)
    ]
    words = so_far.told(mine, "pendulum", "rate 2", "ltc")
    assert words.startswith("LTC on pole on a cart, rate 2: told 0.9") and ", not told 0.2" in words
    assert ", difference 0.7" in words


def test_the_training_is_named_where_it_is_not_the_usual_one():
    rows = runs("ltc", (1000, 1000), 0.5, training="many rates")
    words = so_far.line(rows, "pendulum", "drop 0.25", training="many rates")
    assert words == "pole on a cart, drop 0.25, trained at many rates: LTC 50% (2 seeds)"


def test_the_lowest_rank_is_that_of_the_smallest_mean_over_densities():
    rows = []
    for rank, returns in (("1", (300, 400, 500)), ("1/4", (900, 100, 900)), ("full", (600, 700, 800))):
        for density, value in zip(("0.25", "0.5", "1"), returns, strict=True):
            name = {("full", "1"): "full", ("1/4", "0.5"): "sparse and of low rank"}.get((rank, density))
            rows += runs(name or f"rank {rank}, density {density}", (value,) * 2, 0.5, cell="ltc")
    assert so_far.lowest_rank(rows) == "1"
    table, ranks, densities = figures.grid_table(rows, lambda r: r["return"], "sparse and of low rank")
    assert table.tolist() == [[300, 400, 500], [900, 100, 900], [600, 700, 800]] and ranks[1] == "1/4"
    alt = figures.grid_figure(rows, "ltc", ("drop 0.25",), "sparse and of low rank").alt
    assert "rank 1/4: 900, 100, 900" in alt and densities[0] in alt


def test_solvers():
    def trained(name, own, other, away=False):
        found = {"rk4 4": own, "dopri5": other, "fused 1": 10}
        return {"cell": "ltc", "policy": name, "seed": 0, "return": own, "disturbed": found, "ran_away": away}

    rows = [trained("rk4 4", 1000, 980), trained("rk4 4", 1000, 1000), trained("fused 1", 300, 300, True)]
    assert so_far.solver_table(rows)["ltc", "rk4 4"] == {"rk4 4": 1000, "dopri5": 990, "fused 1": 10}
    assert so_far.unharmed(rows, "rk4 4", "dopri5") == "LTC 2 of 2"
    assert so_far.unharmed(rows, "rk4 4", "dopri5", least=0.99) == "LTC 1 of 2"
    failed = trained("rk4 4", 0, 0, True)  # which has nothing to lose
    assert so_far.unharmed([*rows, failed], "rk4 4", "dopri5") == "LTC 2 of 2"
    assert so_far.apart(rows, "rk4 4", "dopri5") == pytest.approx(0.01)
    assert so_far.ran_away(rows) == ["ltc, trained with fused 1: 1 of 1 runs"]


def test_noise_on_the_pole_compares_equal_seeds():
    def noisy(policy, kept, first=0):
        rows = []
        for k, share in enumerate(kept):
            own = {"task": "pendulum", "policy": policy, "training": "one rate", "seed": first + k, "return": 1000.0}
            rows.append(own | {"disturbed": {f"noise {size}": 1000 * share for size in (2, 4, 8)}})
        return rows

    grus = noisy("gru", [0.1, 0.4, 0.6, 0.6, 0.6])
    others = (
        noisy("ltc", [0.9] * 5) + noisy("cfc", [0.7] * 5) + noisy("ltc", [0.0] * 5, first=5) + noisy("gru", [0.0] * 5)
    )
    said = so_far.noise_on_the_pole(grus, others)
    wanted = 0.8 - iqm(np.array([0.1, 0.4, 0.6, 0.6, 0.6]))  # neither later seeds nor other GRUs count
    assert said.startswith(f"LTC and CfC less GRU {wanted:.2f} [") and said.endswith("2 of 5 GRUs keep less than half")
