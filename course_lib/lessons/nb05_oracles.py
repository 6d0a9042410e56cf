"""Notebook 05: what its checks compare answers with, each by another road, and the cases that they draw."""

from __future__ import annotations

import numpy as np

from course_lib.lessons.nb05_replay import ThriftyReplay, all_rows

# --- gradients and targets -------------------------------------------------------------------------------


def by_difference(x, action, q_slope, h=1e-6):
    """Of a Q that has this slope at these actions: a straight line."""
    w = np.linalg.lstsq(x, np.arctanh(action), rcond=None)[0]

    def mean_q(w):
        return np.mean(q_slope * np.tanh(x @ w))

    return np.array([(mean_q(w + h * e) - mean_q(w - h * e)) / (2 * h) for e in np.eye(len(w))])


def actor_case(rng, n=7, d=3):
    x = rng.normal(size=(n, d))
    return x, np.tanh(x @ rng.normal(size=d)), rng.normal(size=n)


def in_words(reward, terminated, truncated, next_q, gamma):
    """Transition by transition."""
    return np.array([r if fell else r + gamma * q for r, fell, q in zip(reward, terminated, next_q, strict=True)])


def endings(rng, n=8):
    """n transitions, at least one of each kind: the episode goes on, terminates, is truncated."""
    over = rng.permutation(np.r_[0, 1, 2, rng.integers(0, 3, n - 3)])
    return rng.normal(size=n), 1.0 * (over == 1), 1.0 * (over == 2), rng.normal(size=n), rng.uniform(0.8, 0.99)


# --- the replay buffer -----------------------------------------------------------------------------------


def true_steps(replay):
    """Every observation of `filled` is its own serial number; a fall needs no next one."""
    real = replay.following(np.arange(replay.capacity)) == replay.observation + 1
    return all_rows(replay) & (real & ~replay.truncated | replay.terminated & ~replay.newest())


def filled(rng, steps, capacity):
    """A buffer after `steps` steps of episodes that end at random, by a fall or by the clock."""
    replay = ThriftyReplay(capacity)
    for serial in range(1, steps + 1):
        end = "" if serial == steps else rng.choice(["", "", "", "fell", "clock"])
        replay.add(serial, 0.0, end == "fell", end == "clock")
    return (replay,)


# --- estimates, densities, entropies ---------------------------------------------------------------------


def by_summing(sd, correlation, n=1201):
    """Over a fine grid of two independent Gaussians."""
    z = np.linspace(-7, 7, n)
    weight = np.exp(-(z[:, None] ** 2 + z**2) / 2)
    u, v = z[:, None], correlation * z[:, None] + np.sqrt(1 - correlation**2) * z
    return sd * (weight * np.minimum(u, v)).sum() / weight.sum()


def by_counting(mean, sd, noise, h=1e-5):
    """The share of draws that fall between a - h and a + h, from the normal law."""
    from scipy.stats import norm

    action = np.tanh(mean + sd * noise)
    share = norm.cdf(np.arctanh(action + h), mean, sd) - norm.cdf(np.arctanh(action - h), mean, sd)
    return np.log(share / (2 * h)).sum(-1)


def gaussian_case(rng, n=6, act=3):
    return 0.5 * rng.normal(size=(n, act)), rng.uniform(0.2, 0.6, (n, act)), rng.normal(size=(n, act))


def drawn_gaussian(rng):
    """As `gaussian_case`, with actions far enough from the bounds for the oracle."""
    mean, sd, noise = gaussian_case(rng, rng.integers(2, 9), rng.integers(1, 6))
    return np.clip(mean, -1, 1), sd, np.clip(noise, -2, 2)


def by_quadrature(power):
    """Entropy at α = 1 and 2 on a fine grid; c = 1."""
    a = np.linspace(-80, 80, 400_001)
    entropy = []
    for alpha in (1.0, 2.0):
        weight = np.exp(-(np.abs(a) ** power) / alpha)
        share = weight / weight.sum()
        entropy.append(np.log(weight.sum() * (a[1] - a[0])) + share @ (np.abs(a) ** power) / alpha)
    return entropy[1] - entropy[0]
