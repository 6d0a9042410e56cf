"""Lessons of notebook 06: a dot product is what the environment pays, lags are those that were drawn, motors follow
their equation, and shuffled outcomes find nothing."""

import numpy as np
import pytest
import torch
from scipy import integrate

import course_lib as cl
from course_lib.envs.anymal.walk import WEIGHTS
from course_lib.errors import ArgumentError
from course_lib.lessons import nb06_evidence as evidence
from course_lib.lessons import nb06_footfalls as feet
from course_lib.lessons import nb06_real as real
from course_lib.lessons import nb06_weights as weighing
from course_lib.lessons.nb06_gait import record_gait
from course_lib.sweeps import Sweep
from course_lib.sweeps.results import Record

TOLD = dict(seed=2, steps=40, command=(0.7, 0.0, 0.0), push_force=0.0, randomize=False)


class Still(cl.Policy):
    def choose(self, obs, state, rng):
        return torch.zeros(len(obs), 12), state


class Echo(cl.Policy):
    """Its action shows what it was told."""

    def choose(self, obs, state, rng):
        return obs[:, 9:10].repeat(1, 12), state


@pytest.fixture(scope="module")
def sums():
    policy = cl.load("anymal_walk_mlp")
    behaviours = {"walks": policy, "half": weighing.eased(policy, 0.5), "stands": Still(52, 12)}
    return {name: weighing.term_sums(record_gait(p, "AnymalC-v0", **TOLD)) for name, p in behaviours.items()}


# --- weights --------------------------------------------------------------------------------------


@pytest.mark.parametrize("changed", [{}, {"velocity": 0.5, "energy": -4e-3}, {"posture": -3.0, "air_time": 2.0}])
def test_a_dot_product_is_what_the_environment_pays_under_other_weights(sums, changed):
    gait = record_gait(cl.load("anymal_walk_mlp"), "AnymalC-v0", **TOLD, weights=changed)
    paid = sum(values.sum() for values in gait.terms.values())
    assert weighing.total(sums["walks"], {**WEIGHTS, **changed}) == pytest.approx(paid, rel=1e-6)


def test_the_plot_prefers_what_a_dot_product_by_hand_prefers(sums):
    values = ((0.0, 3.0), (-1e-4, -2e-2))
    plot = weighing.weights_plot(sums, values=values)
    settings = [(one, two) for one in values[0] for two in values[1]]
    for (one, two), (curves, words) in zip(settings, plot.settings, strict=True):
        by_hand = {}
        for name, phi in sums.items():
            names = list(phi)
            w = np.array([{**WEIGHTS, "velocity": one, "energy": two}[n] for n in names])
            by_hand[name] = w @ np.array([phi[n] for n in names])
        best = max(by_hand, key=by_hand.get)
        assert words[0].startswith(f"The sum prefers: {best}.")
        assert float(words[1].rpartition("= ")[2]) == pytest.approx(by_hand[best], abs=0.006)
        for name in sums:  # the lines go through the dots at the weights of the sliders
            over_first, over_second = (c for c in curves if c.name == name)
            assert np.interp(one, over_first.x, over_first.y) == pytest.approx(by_hand[name], abs=1e-6)
            at = np.argmin(np.abs(np.asarray(over_second.x) + two))
            assert over_second.y[at] == pytest.approx(by_hand[name], abs=1e-6)
        dots = [c for c in curves if c.kind == "dots"]
        assert len(dots) == 2 and all(np.allclose(c.y, list(by_hand.values())) for c in dots)
    assert len(plot.page) < 300_000


def test_eased_policies_see_a_smaller_command_and_plots_refuse_nothing():
    obs = np.zeros((2, 52), np.float32)
    obs[:, 9] = 0.8
    full, half = Echo(52, 12), weighing.eased(Echo(52, 12), 0.5)
    assert np.allclose(half.act(obs)[0], 0.5 * full.act(obs)[0], atol=1e-6) and (obs[:, 9] == np.float32(0.8)).all()
    with pytest.raises(ArgumentError, match="behaviours"):
        weighing.weights_plot({})
    with pytest.raises(ArgumentError, match="below 0"):
        weighing.weights_plot({"a": dict.fromkeys(WEIGHTS, 1.0)}, values=((1.0,), (0.0,)))


# --- footfalls ------------------------------------------------------------------------------------

UNTIDY = dict(lags=(0, 0.02, 0.97, 0.4), duty=(0.3, 0.5, 0.4, 0.6), stride=25, jitter=0.05, missing=[(1, 4)], stands=30)


@pytest.mark.parametrize("seed", range(5))
def test_lags_are_found_as_they_were_drawn(seed):
    contacts, lags, sure = feet.made_up(**UNTIDY, growth=0.03, seed=seed)
    found, concentration = feet.footfalls(contacts)
    assert np.allclose(found, lags, atol=1e-9) and np.allclose(concentration, sure, atol=1e-9)
    assert np.abs((lags - UNTIDY["lags"] + 0.5) % 1 - 0.5).max() < 0.08
    assert feet.made_up(**UNTIDY | dict(jitter=0.0))[2] == pytest.approx(1.0, abs=0.02)


@pytest.mark.parametrize("slip", feet.HINTS)
def test_each_slip_gives_something_else(slip):
    made = [feet.made_up(**UNTIDY, growth=g, seed=s) for s in range(4) for g in (0.0, 0.1)]
    apart = [np.abs(np.subtract(feet.footfalls(c, slip), (lags, sure))).max() for c, lags, sure in made]
    assert max(apart) > 0.004


def test_circular_mean_by_hand():
    mean, sure = feet.circular_mean(np.array([0.98, 0.02]))
    assert min(mean, 1 - mean) < 1e-9 and sure == pytest.approx(np.cos(2 * np.pi * 0.02))
    assert feet.circular_mean(np.array([0.1, 0.35]))[0] == pytest.approx(0.225)
    assert feet.circular_mean(np.zeros(0))[1] == 0.0


def test_names_of_gaits():
    ones = np.ones(4)
    for name, lags in feet.GAITS.items():
        assert name in feet.name_of(lags, ones)
    assert "RF, RH do not keep step" in feet.name_of((0, 0.5, 0.5, 0), (1.0, 0.2, 0.9, 0.1))
    assert "LH does not keep step" in feet.name_of((0, 0.5, np.nan, 0), (1.0, 0.9, 0.0, 0.9))
    trot = feet.name_of((0, 0.5, 0.5, 0), ones, tail_first=True)
    assert "trot" in trot  # the same from either end
    walk = np.array(feet.GAITS["walk (one by one)"])
    behind = (walk - walk[3])[[3, 2, 1, 0]] % 1  # the same walk, run backwards and named by the body
    assert "walk" in feet.name_of(behind - behind[0], ones, tail_first=True)
    with pytest.raises(ArgumentError, match="stride"):
        feet.footfalls(np.ones((20, 4), bool))


# --- motors ---------------------------------------------------------------------------------------


def test_a_motor_follows_its_equation():
    targets = np.array([1.0, 1.0, -0.5, 0.2, 0.2, 0.0])
    dt, lag, dead = 0.02, 0.03, 2

    def slope(t, q):
        k = int(min((t - dead * dt) // dt, len(targets) - 1))
        return ((targets[k] if t >= dead * dt else 0.0) - q) / lag

    at = np.arange(1, len(targets) + 1) * dt
    solved = integrate.solve_ivp(slope, (0, at[-1]), [0.0], t_eval=at, max_step=dt / 200, rtol=1e-8, atol=1e-10)
    assert real.motor(targets, dt, lag, dead) == pytest.approx(solved.y[0], abs=2e-3)
    for slip in real.HINTS:
        assert np.abs(real.motor(targets, dt, lag, dead, slip) - real.motor(targets, dt, lag, dead)).max() > 1e-3


def test_motors_of_an_environment_are_the_same_and_hide_it_from_the_policy():
    envs = cl.make("AnymalC-v0", 2, seed=0, command=(0.5, 0, 0), push_force=0.0, randomize=False)
    slow, seen = real.Motors(envs, dead=1, lag=0.03), []
    slow.reset(seed=0)
    targets = np.random.default_rng(0).uniform(-0.2, 0.2, (8, 12))
    for target in targets:
        observation, *_ = slow.step(np.tile(target, (2, 1)))
        seen.append(slow.at[0].copy())
        assert np.allclose(observation[:, 36:48], target, atol=1e-6)
    by_hand = np.stack([real.motor(targets[:, j], envs.task.dt, 0.03, 1) for j in range(12)], axis=1)
    assert np.allclose(seen, by_hand)


def test_who_stands_does_not_walk_and_weak_motors_stop_the_walker():
    assert not real.endure(Still(52, 12), n=2, seconds=1.5).any()
    policy = cl.load("anymal_walk_mlp")
    assert real.endure(policy, n=2, seconds=2.0).all()
    assert not real.endure(policy, n=2, seconds=2.0, strength=0.05).any()
    figure = real.gap_figure({"late (ms)": {"MLP": {0: [True, True], 20: [True, False]}}}, {"late (ms)": 0})
    assert "late (ms)" in figure.alt and figure.axes[0].get_xlabel()
    with pytest.raises(ArgumentError, match="answers"):
        real.gap_figure({}, {})


# --- evidence -------------------------------------------------------------------------------------


def made_sweep(matters: bool, seed: int = 0) -> Sweep:
    rng, space = np.random.default_rng(seed), {name: cl.uniform(0.0, 1.0) for name in "abcd"}
    records = []
    for k in range(40):
        params = {name: float(rng.uniform()) for name in space}
        value = 5 * params["a"] if matters else float(rng.normal())
        records.append(Record(k, "pruned" if k % 2 else "complete", value, params, {1: -1.0, 2: value}))
    return Sweep("made", space, {"seed": 0}, records=records)


def test_trials_at_a_report_and_their_shuffles():
    sweep = made_sweep(True)
    at = evidence.at_report(sweep, 2)
    assert len(at.of_state("complete")) == 40 and at.best.value == max(t.reports[2] for t in sweep.trials)
    assert evidence.rank_correlations(at)["a"] == pytest.approx(1.0)
    mixed = evidence.shuffled(at, seed=1)
    assert sorted(t.value for t in mixed.trials) == sorted(t.value for t in at.trials)
    assert [t.params for t in mixed.trials] == [t.params for t in at.trials]
    assert abs(evidence.rank_correlations(mixed)["a"]) < 0.6
    with pytest.raises(ArgumentError, match="report"):
        evidence.at_report(sweep, 9)


def test_what_matters_is_beyond_chance_and_nothing_is_within():
    real_sweep = evidence.at_report(made_sweep(True), 2)
    chance = evidence.chance_shares(real_sweep, draws=3, trees=8)
    found = cl.importances(real_sweep, trees=8)["a"].value
    assert chance.shape == (3,) and (chance < 0.85).all() and found > 0.9
    limit = evidence.limit_of_chance(40)
    rng = np.random.default_rng(0)
    rho = [evidence.rank_correlations(evidence.shuffled(real_sweep, int(k)))["a"] for k in rng.integers(0, 10**6, 200)]
    assert 0.02 <= np.mean(np.abs(rho) > limit) <= 0.1
