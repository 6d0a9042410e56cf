"""The checks of the exercises of notebook 01: sums of rewards, scores, baselines, and a controller by hand."""

from __future__ import annotations

import numpy as np

import course_lib as cl
from course_lib.course.answers import Wrong, array_of
from course_lib.course.exercises import Compare, Demands, exercise

# --- 1.1: rewards to go ---------------------------------------------------------------------------------


def discounts(rewards, gamma):
    """The matrix that turns rewards (T,) into returns (T,): γ^(k - t) for every k from t on."""
    ahead = np.arange(len(rewards))[None, :] - np.arange(len(rewards))[:, None]  # steps from t to k
    return np.triu(gamma ** np.maximum(ahead, 0.0))


@exercise("1.1")
def rewards_to_go(rng):
    return Compare(
        oracle=lambda r, g: discounts(r, g) @ r,
        cases=[(np.array([0.0, 0.0, 1.0]), 0.9), (np.array([1.0, -2.0, 3.0, 0.5]), 0.5), (np.ones(5), 1.0)],
        draw=lambda rng: (rng.normal(size=rng.integers(2, 9)), rng.uniform(0.3, 1.0)),
        mistakes={
            "only the next reward is added; add γ times the whole return G that follows": lambda r, g: (
                r + g * np.append(r[1:], 0.0)
            ),
            "r_t itself is discounted here; in (1.2) it counts fully, and the first γ belongs to the next reward": (
                lambda r, g: g * (discounts(r, g) @ r)
            ),
            "these sums look backwards in time; add up what comes after step t": lambda r, g: discounts(r, g).T @ r,
            "the rewards are added up, but none is discounted": lambda r, g: discounts(r, 1.0) @ r,
            "r_t itself is missing from G_t: each sum starts one step late": lambda r, g: discounts(r, g) @ r - r,
            "each sum must start its discount anew: the reward at t counts fully in G_t": lambda r, g: (
                g ** np.arange(len(r)) * (discounts(r, g) @ r)
            ),
        },
    )


# --- 1.2: the score of a Gaussian -----------------------------------------------------------------------


def log_density(a, mean, log_std):
    return -((a - mean) ** 2) / (2 * np.exp(2 * log_std)) - log_std


def score_by_differences(a, mean, log_std, h=1e-5):
    up, down = log_density(a, mean, log_std + h), log_density(a, mean, log_std - h)
    of_mean = (log_density(a, mean + h, log_std) - log_density(a, mean - h, log_std)) / (2 * h)
    return of_mean, (up - down) / (2 * h)


def _slip(of_mean, of_log_std):
    """A mistake: the true score with one part put wrong, as functions of the distance from the mean and of σ."""
    return lambda a, mean, log_std: (of_mean(a - mean, np.exp(log_std)), of_log_std(a - mean, np.exp(log_std)))


def _pdf(d, s):
    return np.exp(-(d**2) / (2 * s**2)) / (s * np.sqrt(2 * np.pi))


@exercise("1.2")
def score(rng):
    one, two = (lambda d, s: d / s**2), (lambda d, s: d**2 / s**2 - 1)
    return Compare(
        oracle=score_by_differences,
        tolerance=1e-4,
        parts=("d log π / d mean", "d log π / d log_std"),
        cases=[tuple(np.array([[0.3, -1.0], [0.0, 0.5], [0.2, -0.7]])), tuple(np.array([[1.0], [0.0], [-1.0]]))],
        draw=lambda rng: tuple(rng.uniform(-1, 1, size=(3, 4))),
        mistakes={
            "that is the gradient of π, not of log π: differentiate the logarithm in (1.4)": _slip(
                lambda d, s: d / s**2 * _pdf(d, s), lambda d, s: (d**2 / s**2 - 1) * _pdf(d, s)
            ),
            "the sign of the second: an action far from the mean becomes likelier with a larger σ": _slip(
                one, lambda d, s: 1 - d**2 / s**2
            ),
            "the sign of the first: raising the mean makes an action above it likelier": _slip(
                lambda d, s: -d / s**2, two
            ),
            "the first is divided by σ once; the square in (1.4) gives σ²": _slip(lambda d, s: d / s, two),
            "the second lacks the -1 that comes from -log σ": _slip(one, lambda d, s: d**2 / s**2),
            "the second is the derivative with respect to σ; with respect to log σ it has one more factor σ": _slip(
                one, lambda d, s: d**2 / s**3 - 1 / s
            ),
        },
    )


# --- 1.3: the best baseline -----------------------------------------------------------------------------


def vertex(g, R):
    """The mean square is a parabola in b: lay it through three points and take its lowest one."""
    b = np.array([-1.0, 0.0, 1.0])
    curvature, slope, _ = np.polyfit(b, [np.mean((g * (R - each)) ** 2) for each in b], 2)
    return -slope / (2 * curvature)


def plays(rng):
    """40 plays of the bandit with μ = 0, σ = 1 -> scores of the mean (40,), rewards (40,)."""
    z = rng.standard_normal(40)
    return z, 3.0 - (z - 2.0) ** 2


@exercise("1.3")
def best_baseline(rng):
    return Compare(
        oracle=vertex,
        cases=[plays(np.random.default_rng(seed)) for seed in range(3)],
        draw=plays,
        tolerance=1e-5,
        matters="the mean of (g (R - b))² still falls when b moves the other way",
        mistakes={
            "that is the mean return: good, but where the score is large the noise is too. Weight by the squared "
            "score": (lambda g, R: R.mean()),
            "the weights are scores; the derivative of a square leaves them squared": lambda g, R: (
                np.mean(g * R) / np.mean(g)
            ),
            "the weights are |scores|; the derivative of a square leaves them squared": lambda g, R: (
                np.mean(abs(g) * R) / np.mean(abs(g))
            ),
            "the numerator is right; divide it by the mean of the squared scores": lambda g, R: np.mean(g**2 * R),
            "the denominator is right; the numerator needs the squared score too, g² R": lambda g, R: (
                np.mean(g * R) / np.mean(g**2)
            ),
            "R is squared here; in the derivative only g is": lambda g, R: np.mean((g * R) ** 2) / np.mean(g**2),
            "the sign: set the derivative, -2 E[g² (R - b)], to zero and solve for b": lambda g, R: (
                -np.mean(g**2 * R) / np.mean(g**2)
            ),
        },
    )


# --- 1.4: noise and the batch ---------------------------------------------------------------------------


@exercise("1.4")
def batch_exponent(rng):
    return Compare(
        oracle=lambda: -0.5,
        cases=[()],
        tolerance=0.05,
        right="noise falls with the square root of the batch size: four times the episodes for half the noise",
        matters="hold your line against the measured points, and compare the variance of one episode and of a mean "
        "of n",
        mistakes={
            "that is how the variance falls; the noise drawn here is a standard deviation": lambda: -1.0,
            "with that sign more episodes would mean more noise": lambda: 0.5,
            "that would be noise that does not fall; independent errors do cancel in part": lambda: 0.0,
        },
    )


# --- 1.5: a controller by hand --------------------------------------------------------------------------


def _push(controller, **at):
    """The action for one observation, zero but for what is named."""
    return _pushes(
        controller, np.array([[at.get(name, 0.0) for name in ("cart", "pole", "cart_rate", "pole_rate")]])
    ).item()


def _pushes(controller, obs):
    """Actions in any container as an array."""
    found = controller(obs)
    if found is None:
        raise Wrong("it returns nothing; is the line with `return` there?")
    return array_of(found)


def _mean_return(controller, seed, episodes=20):
    envs, total, alive = cl.make("InvertedPendulum-v5", num_envs=episodes, seed=seed), np.zeros(episodes), True
    obs, _ = envs.reset()
    for _ in range(1000):
        obs, reward, terminated, truncated, _ = envs.step(_pushes(controller, obs))
        total, alive = total + reward * alive, alive & ~(terminated | truncated)
    return total.mean()


@exercise("1.5")
def controller(rng):
    seed = int(rng.integers(2**31))
    return Demands(
        (
            "the answer needs a row for each observation, and one column",
            lambda c: _pushes(c, np.zeros((3, 4))).shape == (3, 1),
        ),
        (
            "a pole that leans to the positive side is caught by a push to that side",
            lambda c: _push(c, pole=0.1) > 0 or _mean_return(c, seed) >= 950,
        ),
        (
            "it falls, and a pole that turns to one side gets no push to that side: that weight may be missing",
            lambda c: _push(c, pole_rate=0.1) > 0 or _mean_return(c, seed) >= 950,
        ),
        (
            "the pole's signs are right, but it falls; the cart's weights may be the reason. If you push the cart "
            "back to the centre, it leaves the pole behind: try a small weight of the other sign",
            lambda c: min(_push(c, cart=0.1), _push(c, cart_rate=0.1)) >= 0 or _mean_return(c, seed) >= 950,
        ),
        (
            "the pole is caught, but the cart drifts away: its place and its rate need small weights too",
            lambda c: abs(_push(c, cart=0.1)) + abs(_push(c, cart_rate=0.1)) > 0 or _mean_return(c, seed) >= 950,
        ),
        (
            "no sign is wrong, but the mean return stays below 950; try other sizes",
            lambda c: _mean_return(c, seed) >= 950,
        ),
        right="the pole stands; how far off may it start?",
    )
