"""Verdicts of notebook 10: on runs whose truth is known, against closed forms and by simulation."""

from dataclasses import replace

import numpy as np
import pytest

import course_lib as cl
from course_lib.errors import ArgumentError
from course_lib.evaluation.statistics import Summary, iqm
from course_lib.lessons.nb10_evidence import (
    conditions_in,
    decide,
    decide_all,
    lead,
    learned,
    robust_share,
    runs_that_learned,
    share,
    solver_effects,
)
from course_lib.lessons.nb10_hypotheses import (
    AS_FIRST_SEEN,
    HYPOTHESES,
    PLANNED,
    SECOND_SEEDS,
    SECOND_STUDY,
    Hypothesis,
    verdict,
    verdict_of_equality,
)


def row(policy="ltc", seed=0, value=100.0, task="pole", **disturbed):
    return {"task": task, "policy": policy, "seed": seed, "return": value, "disturbed": disturbed}


def runs(policy, shares, task="pole", value=100.0):
    return [row(policy, seed, value, task, noise=value * s) for seed, s in enumerate(shares)]


def test_shares_of_told_cells_and_of_all_sensors():
    one = row(value=50.0, **{"rate 2": 10.0, "rate 2, told": 40.0, "dead 0": 20.0, "dead 1": 30.0, "noise 2": 25.0})
    assert share(one, "rate 2") == 0.8 and share(one, "dead") == 0.5
    assert robust_share(one, ("rate 2", "noise 2")) == pytest.approx(0.65)
    with pytest.raises(ArgumentError, match="noise 3"):
        share(one, "noise 3")


def test_lead_is_the_difference_of_interquartile_means_over_tasks_and_policies():
    rng = np.random.default_rng(1)
    tables = {(t, p): rng.uniform(0.2, 0.9, 10) for t in ("pole", "run") for p in ("a", "b", "c")}
    rows = [r for (t, p), x in tables.items() for r in runs(p, x, t)]
    found = lead(rows, ("a", "b"), ("c",), ("noise",))
    by_hand = [iqm(tables[t, "a"]) / 2 + iqm(tables[t, "b"]) / 2 - iqm(tables[t, "c"]) for t in ("pole", "run")]
    assert found.value == pytest.approx(np.mean(by_hand)) and found.runs == 10 and found.kind == "interval"
    assert found.low < found.value < found.high
    few = lead([r for r in rows if r["seed"] < 4], ("a",), ("c",), ("noise",))
    assert few.kind == "range" and few.runs == 4 and verdict(few) == "cannot be told"


def test_a_policy_that_has_not_learned_a_task_is_not_compared_on_it():
    rows = (
        runs("a", [0.9] * 6)
        + runs("b", [0.1] * 6, value=40.0)
        + runs("b", [0.4] * 6, "run")
        + runs("a", [0.9] * 6, "run")
    )
    found = {stratum: sorted(names) for stratum, names in learned(rows).items()}
    assert found == {("pole", None): ["a"], ("run", None): ["a", "b"]}
    assert lead(rows, ("a",), ("b",), ("noise",)).value == pytest.approx(0.5)  # on "run" alone
    with pytest.raises(ArgumentError, match="did both learn"):
        lead([r for r in rows if r["task"] == "pole"], ("a",), ("b",), ("noise",))


def test_the_undisturbed_return_counts_as_a_share_of_the_mean_of_both():
    rows = runs("a", [1.0] * 6, value=120.0) + runs("b", [1.0] * 6, value=80.0)
    assert lead(rows, ("a",), ("b",), ("return",)).value == pytest.approx(0.4)
    assert lead(rows, ("a",), ("b",), ("return", "noise")).value == pytest.approx(0.2)


def test_the_interval_covers_the_truth():
    """Of 120 studies of 10 seeds each, the share whose interval holds the true difference."""
    rng, inside = np.random.default_rng(3), 0
    for _ in range(120):
        rows = runs("a", rng.normal(0.7, 0.1, 10)) + runs("b", rng.normal(0.6, 0.1, 10))
        found = lead(rows, ("a",), ("b",), ("noise",))
        inside += found.low <= 0.1 <= found.high
    assert 0.84 <= inside / 120 <= 0.99  # a bootstrap of 10 values covers a little less than it says


@pytest.mark.slow
@pytest.mark.parametrize("failing", [0.2, 0.3, 0.5])
def test_the_interval_covers_the_truth_where_some_runs_fail(failing):
    """Shares of runs that learned and of runs that did not, on two tasks; half of one side's fail in the worst case."""
    rng, inside = np.random.default_rng(5), 0

    def shares(count, failing):
        return np.where(rng.random(count) < failing, rng.normal(0.1, 0.05, count), rng.normal(0.8, 0.1, count))

    truth = iqm(shares(200_000, 0.1)) - iqm(shares(200_000, failing))
    for _ in range(300):
        rows = [
            r
            for task in ("pole", "run")
            for r in runs("a", shares(10, 0.1), task) + runs("b", shares(10, failing), task)
        ]
        found = lead(rows, ("a",), ("b",), ("noise",))
        inside += found.low <= truth <= found.high
    assert 0.9 <= inside / 300 <= 0.99


def test_verdicts():
    def of(value, low, high, kind="interval"):
        return Summary(value, low, high, 10 if kind == "interval" else 4, kind)

    assert verdict(of(0.10, 0.02, 0.18)) == "held"
    assert verdict(of(0.01, -0.02, 0.04)) == verdict(of(-0.2, -0.3, -0.1)) == "did not hold"
    assert verdict(of(0.04, 0.01, 0.07)) == verdict(of(0.1, -0.02, 0.2)) == "cannot be told"
    assert verdict(of(0.1, 0.02, 0.18, "range")) == "cannot be told"
    assert verdict_of_equality(of(0.01, -0.02, 0.04)) == verdict_of_equality(of(-0.2, -0.3, -0.1)) == "held"
    assert verdict_of_equality(of(0.10, 0.02, 0.18)) == "did not hold"
    assert verdict_of_equality(of(0.04, -0.01, 0.09)) == "cannot be told"


def test_effects_of_the_solver():
    def solver(name, seed, same, other):
        tested = {name: same, ("rough" if name == "exact" else "exact"): other, "dopri5": same}
        return {"task": None, "cell": "ltc", "policy": name, "seed": seed, "return": same, "disturbed": tested}

    rows = [solver(name, seed, 1000.0, 700.0) for name in ("rough", "exact") for seed in range(10)]
    found = solver_effects(rows)
    assert found["matched"].value == 0.0 and found["mismatched"].value == pytest.approx(0.3)
    last = HYPOTHESES[-1]
    assert decide(last, rows)["verdict"] == "held"
    failed = [solver("wild", seed, 10.0, 0.0) for seed in range(10)]  # nothing is learned with it
    for row in rows + failed:
        row["disturbed"] = {"rough": 0.0, "wild": 0.0} | row["disturbed"] | {"wild": 10.0 * (row["policy"] == "wild")}
    wider = solver_effects(rows + failed)
    assert wider["mismatched"].value == found["mismatched"].value  # which has nothing to lose
    assert wider["matched"].value == pytest.approx(990 / 670) and wider["matched"].value > wider["chance"].high
    one = decide(last, rows + failed)
    assert one["verdict"] == "did not hold" and one["difference"] == wider["matched"]
    assert one["sides"] == {(None, "ltc"): [["rough", "exact", "wild"]]}
    same = [solver(name, seed, 1000.0, 1000.0) for name in ("rough", "exact") for seed in range(10)]
    assert decide(last, same)["verdict"] == "did not hold"  # nothing is lost by another solver


def test_every_hypothesis_can_be_decided_and_says_what_it_compares():
    assert [h.key for h in HYPOTHESES] == [f"H{k}" for k in range(1, 9)]
    for h in HYPOTHESES[:-1]:
        assert h.better and h.worse and h.conditions and not set(h.better) & set(h.worse)
    h = Hypothesis("H3", "", ("a",), ("b",), ("noise",))
    rows = [r | {"training": "one rate"} for r in runs("a", [0.9] * 10) + runs("b", [0.5] * 10)]
    assert decide(h, rows)["verdict"] == "held"
    assert decide(h, rows)["sides"] == {("pole", None): [["a"], ["b"]]}
    failed = [r | {"task": "run", "return": r["return"] * (r["policy"] == "a")} for r in rows]
    assert len(decide(h, rows + failed)["sides"]) == 1  # b has not learned that task
    assert decide(h, [r for r in rows if r["seed"]])["verdict"] == "cannot be told"  # nine seeds are not ten
    assert decide_all({}) == []


def test_the_second_study_needs_twenty_seeds_and_looks_at_its_tasks_only():
    assert [h.key for h in SECOND_STUDY] == ["H3", "H5", "H7", "H9", "H10", "H11"]
    first = {h.key: h for h in HYPOTHESES}
    for h in SECOND_STUDY:
        assert h.seeds == range(100, 120) and h.benchmark == "second_study"
        if h.key in first:  # the same question
            assert replace(h, seeds=range(10), benchmark=first[h.key].benchmark) == first[h.key]
    for h, seen in zip(SECOND_STUDY, AS_FIRST_SEEN, strict=True):  # nothing else than the runs differs
        assert seen.seeds == range(10) and seen.benchmark in ("robustness", "topology")
        assert replace(seen, seeds=h.seeds, benchmark=h.benchmark) == h
    h = Hypothesis("H9", "", ("a",), ("b",), ("noise",), tasks=("run",), seeds=range(20))
    rows = runs("a", [0.9] * 20, "run") + runs("b", [0.5] * 20, "run") + runs("a", [0.1] * 20) + runs("b", [0.9] * 20)
    found = decide(h, rows)
    assert found["verdict"] == "held" and found["difference"].value == pytest.approx(0.4)
    assert decide(h, [r for r in rows if r["seed"]])["verdict"] == "cannot be told"  # 19 seeds
    more = [r | {"seed": 20} for r in rows if not r["seed"]]  # one more than was planned
    assert decide(h, rows + more) == found
    assert decide(h, [r for r in rows if r["seed"]] + more)["verdict"] == "cannot be told"
    equal = replace(h, key="H7", better=("b",), worse=("a",))
    assert decide(equal, rows)["verdict"] == "held"
    assert decide(equal, [r for r in rows if r["seed"]])["verdict"] == "cannot be told"


def test_the_second_study_decides_nothing_before_its_last_run():
    h, wanted = SECOND_STUDY[4], [(part, *run) for part, runs in PLANNED.items() for run in runs]
    assert h.key == "H10" and len(wanted) * len(SECOND_SEEDS) == 260
    rows = []
    for part, task, policy in wanted:
        share = 0.9 if policy == "gru" else 0.5
        for one in runs(policy, [share] * 20, task):
            kept = {name: one["disturbed"]["noise"] for name in h.conditions}
            rows.append(one | {"part": part, "seed": one["seed"] + 100, "disturbed": kept})
    assert decide(h, rows)["verdict"] == "held"
    for missing in (20, 100, 259):  # of a policy that H10 compares, of one that it does not, of the wirings
        assert decide(h, rows[:missing] + rows[missing + 1 :])["verdict"] == "cannot be told"
    twice = [row for row in rows if row["seed"] > 100] + [row for row in rows if row["seed"] == 119]
    assert decide(h, twice)["verdict"] == "cannot be told"  # twenty runs of each policy, but of nineteen seeds


def test_run_by_run_takes_return_and_shares_of_a_run_together():
    """Where the better policy's runs have a high return or a large share, never both, they add up to less."""
    h = Hypothesis("H7", "", ("a",), ("b",), ("return", "noise"))
    a = [row("a", s, value, noise=kept) for s, (value, kept) in enumerate([(1000.0, 500.0), (600.0, 540.0)] * 5)]
    rows = [r | {"training": "one rate"} for r in a + runs("b", [0.5] * 10, value=900.0)]
    returns, shares = np.array([r["return"] for r in a]), np.array([r["disturbed"]["noise"] for r in a])
    mean = (iqm(returns) + 900.0) / 2
    both = (returns / mean + shares / returns) / 2
    found = decide(h, rows)
    assert found["run_by_run"].value == pytest.approx(iqm(both) - (900.0 / mean + 0.5) / 2)
    assert found["run_by_run"].high - found["run_by_run"].low < found["difference"].high - found["difference"].low
    assert found["failed"] == {"a": (0, 10), "b": (0, 10)}


def test_what_only_runs_that_learned_would_say_stands_beside_the_verdict():
    """Three failed runs of a keep all of their little return: they make its lead, and are told apart."""
    h = Hypothesis("H3", "", ("a",), ("b",), ("noise",))
    failed = [row("a", seed, 10.0, noise=10.0) for seed in range(3)]
    rows = [r | {"training": "one rate"} for r in runs("a", [0.5] * 10)[3:] + failed + runs("b", [0.5] * 10)]
    found = decide(h, rows)
    assert found["difference"].value > 0.05 and found["learned_only"].value == 0.0
    assert found["learned_only"].runs == 7 and len(runs_that_learned(rows)) == 17
    assert found["failed"] == {"a": (3, 10), "b": (0, 10)} and found["run_by_run"] is None


def test_only_hypotheses_without_runs_are_left_out_of_the_table():
    rows = [r | {"training": "one rate"} for p in ("ltc", "cfc") for r in runs(p, [0.9] * 10, "run")]
    assert decide_all({"robustness": rows}) == []  # nothing to compare them with
    gru = [row("gru", seed, task="run", **dict.fromkeys(("noise 2", "noise 4", "noise 8"), 50.0)) for seed in range(10)]
    gru = [r | {"training": "one rate"} for r in gru]
    with pytest.raises(ArgumentError, match="noise 2"):  # some have the conditions of H3 and others do not
        decide_all({"robustness": rows + gru}, HYPOTHESES[2:3])


def test_a_condition_that_a_task_lacks_is_left_out_there():
    rows = runs("a", [0.9] * 6) + runs("b", [0.5] * 6)
    for r in runs("a", [0.9] * 6, "run") + runs("b", [0.5] * 6, "run"):
        rows.append(r | {"disturbed": r["disturbed"] | {"friction": 80.0 if r["policy"] == "a" else 40.0}})
    found = lead(rows, ("a",), ("b",), ("noise", "friction"))
    assert found.value == pytest.approx((0.4 + 0.4) / 2)  # on the pole noise alone; on the run (.4 + .4) / 2
    assert conditions_in(rows[:12], ("noise", "friction")) == ["noise"]


def test_a_task_without_any_of_the_conditions_does_not_dilute_the_difference():
    rows = runs("a", [0.9] * 6) + runs("b", [0.5] * 6)
    other = [r | {"task": "other", "disturbed": {"dark": r["return"]}} for r in rows]
    assert lead(rows + other, ("a",), ("b",), ("noise",)) == lead(rows, ("a",), ("b",), ("noise",))


def test_solvers_differ_only_beyond_chance_and_few_seeds_give_a_range():
    rng = np.random.default_rng(0)

    def solver(name, seed):
        other, same = "rough" if name == "exact" else "exact", float(rng.normal(700, 250))
        return {"cell": "ltc", "policy": name, "seed": seed, "return": same, "disturbed": {name: same, other: 100.0}}

    rows = [solver(name, seed) for name in ("rough", "exact") for seed in range(10)]
    found = solver_effects(rows)
    assert found["matched"].value <= found["chance"].high and decide(HYPOTHESES[-1], rows)["verdict"] != "did not hold"
    few = solver_effects([r for r in rows if r["seed"] < 3])["mismatched"]
    assert few.kind == "range" and few.low <= few.value <= few.high


def test_few_runs_are_paired_by_their_seeds():
    a = [row("a", seed, noise=10.0 * seed) for seed in (0, 1, 2, 3)]
    b = [row("b", seed, noise=10.0 * seed) for seed in (3, 0, 2)]
    found = lead(a + b, ("a",), ("b",), ("noise",))
    assert found.runs == 3 and (found.low, found.high) == (0.0, 0.0)


def test_the_published_count_of_verdicts_is_that_of_the_published_runs():
    names = ("robustness", "topology", "convergence")
    decided = decide_all({name: cl.result(name)["per_seed"] for name in names})
    claims = cl.result("robustness")["claims"]
    assert claims["hypotheses_decided"] == sum(one["verdict"] != "cannot be told" for one in decided)
    assert claims["seeds_least"] == min(one["runs"] for one in decided)


def test_the_published_second_study_is_that_of_its_runs():
    result = cl.result("second_study")
    decided = decide_all({"second_study": result["per_seed"]}, SECOND_STUDY)
    count = sum(one["verdict"] != "cannot be told" for one in decided)
    assert result["claims"]["second_study_decided"] == count and min(one["runs"] for one in decided) == 20
    for one in decided:
        name, difference = f"difference_{one['key']}", one["difference"]
        assert result["claims"][name] == pytest.approx(difference.value)
        assert result["intervals"][name] == pytest.approx([difference.low, difference.high])
