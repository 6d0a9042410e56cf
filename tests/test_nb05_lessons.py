"""Notebook 05: best policies at a temperature, rows of a buffer, the race and its settings, each by another way."""

import ast
import inspect
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import integrate
from scipy.stats import norm

from course_lib.errors import ArgumentError
from course_lib.lessons import nb05_race as race
from course_lib.lessons.nb05_replay import ThriftyReplay, all_rows, first_wrong_row
from course_lib.lessons.nb05_temperature import alpha_slider, best_gaussian, boltzmann
from course_lib.viz.described import overlaps


def hills(a):
    return torch.exp(-(((a - 0.6) / 0.25) ** 2)) + 0.5 * torch.exp(-(((a + 0.5) / 0.2) ** 2))


def quadratic(a):
    return -20 * a**2


def pointed(a):
    return -8 * a.abs()


# --------------------------------------------------------------------------------- policies of one state
@pytest.mark.parametrize("alpha", [0.02, 0.16])
def test_boltzmann_of_a_quadratic_is_a_gaussian_and_of_a_pointed_hill_a_laplace(alpha):
    found = boltzmann(quadratic, alpha)
    assert found.entropy == pytest.approx(0.5 * np.log(2 * np.pi * np.e * alpha / 40), abs=1e-4)
    assert found.q == pytest.approx(-alpha / 2, rel=1e-3)
    found = boltzmann(pointed, alpha)
    assert found.entropy == pytest.approx(1 + np.log(2 * alpha / 8), abs=2e-3)
    assert found.q == pytest.approx(-alpha, rel=5e-3)


@pytest.mark.parametrize("alpha", [0.05, 0.32, 2.0])
def test_boltzmann_by_adaptive_quadrature(alpha):
    def q(a):
        return float(hills(torch.tensor(a, dtype=torch.float64)))

    points = [-0.5, 0.05, 0.6]
    total = integrate.quad(lambda a: np.exp((q(a) - 1) / alpha), -1, 1, points=points)[0]
    mean = integrate.quad(lambda a: q(a) * np.exp((q(a) - 1) / alpha), -1, 1, points=points)[0] / total
    found = boltzmann(hills, alpha)
    assert found.q == pytest.approx(mean, abs=1e-5)
    assert found.worth == pytest.approx(alpha * np.log(total) + 1, abs=1e-5)  # eq. (5.10) at its optimum


def test_entropy_is_the_slope_of_the_worth():
    """d (α log Z) / dα = H: what a little more α brings is the entropy."""
    h = 1e-4
    for of in (boltzmann, best_gaussian):
        slope = (of(hills, 0.3 + h).worth - of(hills, 0.3 - h).worth) / (2 * h)
        assert slope == pytest.approx(of(hills, 0.3).entropy, abs=2e-3)


@pytest.mark.parametrize("alpha", [0.02, 0.32, 0.64, 5.0])
def test_no_gaussian_is_better_and_none_beats_the_best_policy(alpha):
    found, limit = best_gaussian(hills, alpha), boltzmann(hills, alpha).worth
    noise = np.random.default_rng(0).standard_normal(20_000)

    def worth(mean, sd):  # the draws of all are the same
        u = mean + sd * noise
        log_prob = norm.logpdf(noise) - np.log(sd) - np.log(1 / np.cosh(u) ** 2)
        return np.mean(hills(torch.tensor(np.tanh(u))).numpy() - alpha * log_prob)

    mine = worth(found.mean, found.sd)
    assert mine == pytest.approx(found.worth, abs=0.02 + 0.02 * alpha)
    assert found.worth <= limit + 1e-6
    for mean in (-0.6, -0.2, 0.0, 0.2, 0.7):
        for sd in (0.03, 0.1, 0.3, 0.6, 0.9, 1.5):
            assert worth(mean, sd) <= mine + 0.02 + 0.02 * alpha


def test_density_of_the_gaussian_integrates_to_one():
    a = np.linspace(-1, 1, 8001)
    found = best_gaussian(hills, 0.64, a)
    assert np.sum(found.density) * (a[1] - a[0]) == pytest.approx(1, abs=1e-3)
    assert boltzmann(hills, 0.64, a).density.sum() * (a[1] - a[0]) == pytest.approx(1, abs=1e-3)
    with pytest.raises(ArgumentError, match="above 0"):
        boltzmann(hills, 0.0)


def test_slider_is_small_and_says_what_it_shows():
    alphas = (0.08, 0.16, 0.32)
    plot = alpha_slider({"two hills": hills, "quadratic": quadratic}, alphas, start={"α": 0.16})
    assert len(plot.html) < 300_000 and "KL" not in plot.alt and "entropy" in plot.alt
    curves, sentences = plot.settings[alphas.index(0.16) * 2 + 1]  # the quadratic hill
    dots = [curve for curve in curves if curve.name == "at this α"]
    assert dots[0].y == pytest.approx([0.5 * np.log(2 * np.pi * np.e * 0.16 / 40)] * 2, abs=2e-3)
    assert dots[1].y == pytest.approx([-0.08] * 2, abs=2e-3)
    assert "0.00 nats" in sentences[2] and f"gained {0.5 * np.log(2):.2f}" in sentences[2]
    assert overlaps(plot.figure()) == []


# ------------------------------------------------------------------------------------------ the buffer
class Ring:
    def __init__(self):
        self.capacity, self.size, self.position = 6, 5, 5
        self.terminated = np.array([False, True, False, False, False, False])
        self.truncated = np.array([False, False, False, True, False, False])


TRUE = np.array([True, True, True, False, False, False])


@pytest.mark.parametrize(
    "row, words",
    [
        (0, "row 0 is left out, but it is sound: it is the oldest row"),
        (1, "row 1 is left out, but it ends in a fall"),
        (2, "row 2 is left out, but it is sound: the following row"),
        (3, "row 3 is kept, but the clock ended its episode"),
        (4, "row 4 is kept, but it was written last"),
        (5, "row 5 is kept, but nothing was ever written"),
    ],
)
def test_first_wrong_row_is_named_with_its_reason(row, words):
    mask = TRUE.copy()
    mask[row] = ~mask[row]
    said = first_wrong_row([(Ring(),)] * 2, [TRUE, torch.from_numpy(mask)], lambda replay: TRUE)
    assert said.startswith("in case 2 of 2, ") and words in said


def test_no_sentence_where_there_is_no_wrong_row():
    for answer in (TRUE.tolist(), [0, 1, 2], "no", None):
        assert first_wrong_row([(Ring(),)], [answer], lambda replay: TRUE) == ""


def test_the_notebook_shows_the_buffer_of_the_check():
    """A learner reads the class in the notebook; the check has its own."""
    (source,) = (Path(__file__).resolve().parent.parent / "notebooks" / "py").glob("05_*.py")
    for shown in (ThriftyReplay, all_rows):
        (read,) = [node for node in ast.parse(source.read_text()).body if getattr(node, "name", "") == shown.__name__]
        assert ast.dump(read) == ast.dump(ast.parse(inspect.getsource(shown)).body[0])


# -------------------------------------------------------------------------------------------- the race
def run(steps, values, seconds=None):
    return {"curve": {"env_steps": steps, "return_mean": values, "wall_seconds": seconds or steps}}


RUNS = {
    "early": [run([0, 10, 20], [0, 10, 12]), run([0, 10, 20], [0, 12, 14])],
    "late": [run([0, 10, 40], [np.nan, 0, 60]), run([0, 10, 40], [np.nan, 0, 30])],
}


def test_medians_and_leaders():
    assert race.median_at(RUNS["early"], "env_steps", 5) == pytest.approx(5.5)
    assert np.isnan(race.median_at(RUNS["late"], "env_steps", 5))
    assert race.leader(RUNS, "env_steps", 12) == "early" and race.leader(RUNS, "env_steps", 20) == "late"
    for at, without in ((5, "late"), (21, "early")):  # before the first value of one, and after the end of the other
        with pytest.raises(ArgumentError, match=f"at={at} is not accepted.*every run of '{without}' has a value"):
            race.leader(RUNS, "env_steps", at)
    assert race.reached(RUNS["early"], 11) == 15 and race.reached(RUNS["late"], 50) == np.inf


def test_tests_on_the_way_take_the_place_of_curves():
    tests = {"minutes": [1.0, 2.0], "env_steps": [10, 30], "return_deterministic": [5.0, 9.0]}
    held = race.tested([{"curve": {}, "tests": tests}])
    assert race.median_at(held, "env_steps", 20, "return_deterministic") == 7.0
    assert race.median_at(held, "wall_seconds", 90, "return_deterministic") == 7.0


def test_settings_say_what_is_alike():
    ours = {
        "hidden": [256, 256],
        "batch_size": 256,
        "updates_per_step": 0.5,
        **race.SB3_DEFAULTS,
        "learning_rate": 1e-3,
    }
    peer = {"batch_size": 256, "train_freq": 1, "gradient_steps": 1, "policy_kwargs": {"net_arch": [256, 256]}}
    rows = race.against_sb3({"sac": ours, "sb3_sac": peer})
    different = [label for label, a, b in rows if a != b]
    assert sorted(different) == ["learning rate", "updates a step"] == sorted(label for label, *_ in rows[-2:])


def test_sb3_defaults_are_those_of_sb3():
    import inspect

    sac = pytest.importorskip("stable_baselines3").SAC
    defaults = {name: p.default for name, p in inspect.signature(sac.__init__).parameters.items()}
    for name in ("learning_rate", "gamma", "tau", "buffer_size", "learning_starts"):
        assert defaults[name] == race.SB3_DEFAULTS[name]


def test_every_setting_of_the_recipe_has_a_reason():
    rows = race.recipe()
    assert {name for name, *_ in rows} == set(race.REASONS)
    assert all(default != used and reason for _, default, used, reason in rows)
