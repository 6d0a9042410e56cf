"""Sliders on batch size and baseline: the parabola against episodes with the baseline subtracted."""

import numpy as np
import pytest

from course_lib.errors import ArgumentError
from course_lib.lessons import nb01_baseline as noise
from course_lib.viz.described import overlaps


@pytest.fixture(scope="module")
def episodes():
    """Made-up episodes: scores (T, N, 4) and rewards-to-go (T, N), and their sums."""
    rng = np.random.default_rng(5)
    scores = rng.normal(size=(30, 1500, 4)) * np.linspace(0.2, 2.0, 30)[:, None, None]
    to_go = np.arange(30, 0, -1.0)[:, None] * rng.uniform(0.5, 1.5, 1500) + 0.5 * scores.sum(-1)
    return scores, to_go


def summed(scores, weight):
    return (scores * np.asarray(weight, float)[..., None]).sum(0)


def test_the_parabola_is_the_variance_with_the_baseline_subtracted(episodes):
    scores, to_go = episodes
    g, s = summed(scores, to_go), scores.sum(0)
    for b in (-3.0, 0.0, 7.0, 20.0):
        assert noise.variances(g, s, b) == pytest.approx(summed(scores, to_go - b).var(0), rel=1e-9)
    best = noise.best_constants(g, s)
    for e in (-0.1, 0.1):
        assert (noise.variances(g, s, best + e) > noise.variances(g, s, best)).all()
        slope = (noise.variances(g, s, best + 1e-4) - noise.variances(g, s, best - 1e-4)) / 2e-4
        assert slope == pytest.approx(0, abs=1e-3 * g.var(0).max())


def test_batches_spread_as_the_root_of_their_size(episodes):
    scores, to_go = episodes
    g, s = summed(scores, to_go), scores.sum(0)
    for size in (4, 64):
        of_g, of_s = noise.batch_means((g, s), size, np.random.default_rng(1))
        wanted = np.sqrt(noise.variances(g, s, 5.0) / size)
        assert (of_g - 5.0 * of_s).std(0) == pytest.approx(wanted, rel=0.08)


def test_the_slider_says_what_it_shows(episodes):
    scores, to_go = episodes
    g, s, fitted = summed(scores, to_go), scores.sum(0), summed(scores, to_go - to_go.mean(1, keepdims=True))
    plot = noise.baseline_slider(g, s, fitted, to_go.mean())
    assert len(plot.page) < 300_000 and len(plot.settings) == len(noise.BATCHES) * (len(noise.BASELINES) + 1)
    at = {c.name: c for c in plot.settings[3][0] if c.panel == 1}  # one episode in the batch, b = 6
    dots = at["this baseline"]
    assert list(dots.x) == [6] * 4
    assert dots.y == pytest.approx(summed(scores, to_go - 6).std(0) / g.std(0))
    for curves, said in plot.settings:
        shares = [c.y.sum() for c in curves if c.panel == 0]
        assert len(said) == 2 and all(0 < share <= 1 + 1e-9 for share in shares)
    last = plot.settings[-1]  # 256 episodes, b(s)
    assert "this baseline" not in [c.name for c in last[0]]
    assert f"± {fitted.std(0)[0] / 16:.2f}" in last[1][0]
    assert overlaps(plot.figure()) == []


def test_refused():
    with pytest.raises(ArgumentError, match=r"\(episodes, 4\) is expected"):
        noise.best_constants(np.zeros((5, 3)), np.zeros((5, 3)))
