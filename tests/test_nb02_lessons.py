"""Notebook 02: the ledge, the corridor, the broken loss and the table of settings, each against another computation."""

import dataclasses

import numpy as np
import pytest
import torch

import course_lib as cl
from course_lib.errors import ArgumentError
from course_lib.lessons import nb02_settings as tables
from course_lib.lessons.nb02_lambda import FEW, HERE, KNOWS, NOISE, Corridor, lambda_slider, weights
from course_lib.lessons.nb02_mend import READINGS, readings, right_loss, yours_or_ours
from course_lib.lessons.nb02_promise import Ledge, promise_figure
from course_lib.rl.gae import gae
from course_lib.rl.ppo import policy_loss, value_loss
from course_lib.viz.described import overlaps


# ------------------------------------------------------------------------------------------ the ledge
def test_value_of_the_ledge_is_what_a_walker_gets():
    ledge, rng = Ledge(), np.random.default_rng(0)
    place, total = np.zeros(20_000, int), np.zeros(20_000)
    for t in range(120):
        place = np.clip(place + np.where(rng.random(len(place)) < ledge.old, 1, -1), 0, len(ledge.rewards) - 1)
        total += ledge.gamma**t * ledge.rewards[place]
    assert total.mean() == pytest.approx(ledge.real(ledge.old), abs=4 * total.std() / np.sqrt(len(total)))


def test_promise_touches_reality_at_the_old_policy_only():
    ledge, h = Ledge(), 1e-5
    assert ledge.promise(ledge.old) == pytest.approx(ledge.real(ledge.old))
    slopes = [(f(ledge.old + h) - f(ledge.old - h)) / (2 * h) for f in (ledge.promise, ledge.real)]
    assert slopes[0] == pytest.approx(slopes[1], rel=1e-6)
    assert ledge.promise(0.6) > ledge.real(0.6) + 10


@pytest.mark.parametrize("p", [0.1, 0.35, 0.6, 0.9])
def test_performance_difference_holds_with_the_places_of_the_new_policy(p):
    ledge = Ledge()
    assert ledge.promise(p, ledge.visits(p)) == pytest.approx(ledge.real(p))
    assert ledge.visits(p).sum() == pytest.approx(1)


def test_kl_of_a_step_and_the_best_policy():
    from torch.distributions import Bernoulli, kl_divergence

    ledge = Ledge(old=0.25)
    exact = kl_divergence(Bernoulli(torch.tensor(0.25)), Bernoulli(torch.tensor(0.4)))
    assert ledge.kl(0.4) == pytest.approx(exact.item(), rel=1e-5) and ledge.kl(0.25) == 0
    assert all(ledge.real(ledge.best()) >= ledge.real(p) for p in np.linspace(0.02, 0.98, 97))
    with pytest.raises(ArgumentError, match="between 0 and 1"):
        ledge.real(1.0)


def test_promise_figure_draws_what_the_ledge_says():
    ledge = Ledge()
    figure = promise_figure(ledge)
    promise, real, dots = figure.axes[1].get_lines()[:3]
    assert np.allclose(real.get_ydata(), [ledge.real(p) for p in real.get_xdata()])
    assert np.allclose(np.diff(promise.get_ydata(), 2), 0, atol=1e-9)  # a straight line
    assert np.allclose(dots.get_ydata(), [ledge.real(p) for p in dots.get_xdata()])
    assert overlaps(figure) == [] and "ditch" in figure.alt


# --------------------------------------------------------------------------------------- the corridor
def played(corridor, lam, first, n, rng, steps=400):
    """Â of a first step to cell `first`, by `gae` of the library on n played episodes."""
    cells, rewards = np.empty((steps + 1, n), int), np.empty((steps, n))
    cells[0], cells[1] = HERE, first
    for t in range(steps):
        if t:
            cells[t + 1] = np.clip(cells[t] + rng.choice([-1, 1], n), 0, 9)
        rewards[t] = (cells[t] == 9) + NOISE * rng.standard_normal(n)
    value, never = corridor.critic[cells], np.zeros((steps, n), bool)
    return gae(rewards, value[:-1], value[1:], never, never, corridor.gamma, lam)[0][0]


@pytest.mark.parametrize("lam, gamma, knows", [(0.0, 0.9, 0.5), (0.8, 0.95, 0.8), (1.0, 0.9, 0.0)])
def test_mean_and_spread_are_those_of_the_librarys_gae(lam, gamma, knows):
    corridor, rng, n = Corridor(gamma, knows), np.random.default_rng(0), 6000
    gap = played(corridor, lam, HERE + 1, n, rng) - played(corridor, lam, HERE - 1, n, rng)
    mean, sd = corridor.estimate(lam)
    assert gap.mean() == pytest.approx(mean, abs=4 * sd / np.sqrt(n))
    assert gap.std() == pytest.approx(sd, rel=0.05)


def test_bias_goes_with_the_critic_or_with_lambda():
    for knows in KNOWS:
        assert Corridor(0.95, knows).errors(1.0)[0] == pytest.approx(0, abs=1e-9)
    perfect = Corridor(0.95, 1.0)
    assert max(perfect.errors(lam)[0] for lam in (0, 0.5, 0.9)) == pytest.approx(0, abs=1e-9)
    half = Corridor(0.95, 0.5)
    assert half.errors(0.0)[0] == pytest.approx(half.truth / 2)  # the critic has half of each difference
    bias, noise, error = np.array([half.errors(lam) for lam in np.linspace(0, 1, 21)]).T
    assert (np.diff(bias) < 0).all() and (np.diff(noise) > 0).all()
    assert np.allclose(error**2, bias**2 + noise**2) and half.errors(0.5, 400)[1] == pytest.approx(
        half.errors(0.5)[1] / 2
    )
    assert 0.5 < half.best() < 1 and perfect.best() == 0
    with pytest.raises(ArgumentError, match="gamma"):
        Corridor(1.0, 0.5)


def test_weights_of_the_n_step_advantages():
    for lam in (0.0, 0.5, 0.95, 1.0):
        assert weights(lam).sum() == pytest.approx(1) and len(weights(lam)) == FEW
    assert weights(0.5)[:3] == pytest.approx([0.5, 0.25, 0.125])
    assert weights(1.0)[-1] == 1 and weights(0.0)[0] == 1


def test_slider_is_small_and_says_what_it_shows():
    plot = lambda_slider()
    assert len(plot.html) < 300_000 and "bias" in plot.alt
    for curves, sentences in plot.settings:
        named = {curve.name: curve for curve in curves}
        bias, noise, error = named["at this λ"].y
        assert error == pytest.approx(np.hypot(bias, noise))
        assert f"error {error:.2f}" in sentences[0] and max(named["error"].y) < 1.6


# --------------------------------------------------------------------------------------- the settings
def test_every_setting_that_was_changed_is_in_the_table_with_its_reason():
    ablations = cl.result("ppo_ablations")
    rows = tables.settings("HalfCheetah-v5", ablations["per_seed"])
    tuned, plain = cl.PPOConfig.recommended("HalfCheetah-v5"), cl.PPOConfig()
    changed = {f.name for f in dataclasses.fields(plain) if getattr(tuned, f.name) != getattr(plain, f.name)}
    assert {row.name for row in rows} == changed | {tables.STARTS}
    for row in rows:
        assert len(row.reason) > 60
        if row.name != tables.STARTS:
            assert row.value == getattr(tuned, row.name) and row.default == getattr(plain, row.name)
    variants = {variant for _, variant in tables.REASONS.values() if variant}
    assert variants <= set(tables.medians(ablations["per_seed"]))


def test_reasons_are_true_of_the_numbers():
    tuned = cl.PPOConfig.recommended("HalfCheetah-v5")
    assert 1 / (1 - tuned.gamma) == pytest.approx(50) and 50 * 0.05 == 2.5
    assert 9.5 < 1 / (1 - tuned.gamma * tuned.gae_lambda) < 10.5
    assert np.exp(tuned.init_log_std) == pytest.approx(0.37, abs=0.005)
    draws = np.random.default_rng(0).standard_normal(100_000)
    assert np.mean(abs(draws) > 1) == pytest.approx(1 / 3, abs=0.03)


def test_table_is_text_and_html():
    ablations = cl.result("ppo_ablations")["per_seed"]
    table = tables.SettingsTable("HalfCheetah-v5", ablations)
    assert "target_kl" in str(table) and repr(table) == str(table)
    page = table._repr_html_()
    assert page.count("<tr>") == len(table.rows) + 1 and f"all as recommended: {table.usual:,.0f}" in page
    assert page.count("<td") == 5 * len(table.rows)
    plain = tables.SettingsTable("HalfCheetah-v5")._repr_html_()
    assert plain.count("<td") == 4 * len(table.rows) and "return" not in plain.split("</thead>")[0]


# ----------------------------------------------------------------------------------- the broken loss
def loss_with(averaged=False, own_critic=False, optimist=False):
    """A PPO loss, put together from the library's parts, with one thing wrong or none."""

    def loss(log_prob, old_log_prob, value, advantage, target, clip):
        log_prob = log_prob.mean(-1) if averaged else log_prob.sum(-1)
        a = target - value if own_critic else advantage
        a = (a - a.mean()) / (a.std() + 1e-8)
        if optimist:
            ratio = (log_prob - old_log_prob).exp()
            policy = -torch.maximum(ratio * a, ratio.clamp(1 - clip, 1 + clip) * a).mean()
        else:
            policy, _ = policy_loss(log_prob, old_log_prob, a, clip)
        return policy + 0.5 * value_loss(value, target)

    return loss


@pytest.mark.parametrize("seed", range(5))
def test_each_reading_finds_its_error(seed):
    assert max(readings(loss_with(), seed=seed).values()) < 1e-7
    for mistake, reading in zip(("averaged", "own_critic", "optimist"), READINGS, strict=True):
        found = readings(loss_with(**{mistake: True}), seed=seed)
        assert found[reading] > 1e-3, (mistake, found)


def test_the_update_takes_your_loss_only_where_it_is_right():
    mine = loss_with()
    assert yours_or_ours(mine) == (mine, "yours")
    detached = lambda new, old, value, *rest: mine(new, old, value.detach(), *rest)  # noqa: E731
    wrong = [loss_with(**{mistake: True}) for mistake in ("averaged", "own_critic", "optimist")]
    for other in (*wrong, detached, lambda *batch: 1 / 0, lambda *batch: None):
        used, said = yours_or_ours(other)
        assert used is right_loss and said != "yours"
