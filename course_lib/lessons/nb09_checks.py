"""Oracles for the exercises of notebook 09, and the mistakes that its checks know by name."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from course_lib.nets.dmp import DMP

# --- 9.1 a spring by Euler's method, 9.2 its exact solution -------------------------------------------


def by_powers(start, goal, alpha, steps, dt) -> np.ndarray:
    """One Euler step is a matrix, so k steps are its k-th power."""
    one = np.eye(2) + dt * np.array([[0.0, 1.0], [-(alpha**2) / 4, -alpha]])
    return np.array([goal + (np.linalg.matrix_power(one, k) @ [start - goal, 0.0])[0] for k in range(1, steps + 1)])


def stepped(
    start, goal, alpha, steps, dt, *, rate: Callable | None = None, late=False, first=False, faster=False, speeds=False
) -> np.ndarray:
    """Euler's method with a mistake: another rate (of y, v), or the two steps in another order."""
    rate = rate or (lambda y, v: alpha * (alpha / 4 * (goal - y) - v))
    y, v, out = start, 0.0, [start] * first
    for _ in range(steps - first):
        new = y + dt * v
        v = v + dt * rate(new if late else y, v)
        y = y + dt * v if faster else new
        out.append(v if speeds else y)
    return np.array(out)


def with_rate(rate: Callable) -> Callable:
    """A mistake: rate(y, v, goal, alpha) in place of the right acceleration."""
    return lambda start, goal, alpha, steps, dt: stepped(
        start, goal, alpha, steps, dt, rate=lambda y, v: rate(y, v, goal, alpha)
    )


SPRING_MISTAKES = {
    "the position has moved before the rate is taken: compute both rates first": lambda *a: stepped(*a, late=True),
    "the velocity has changed before the position moves: compute both rates first": lambda *a: stepped(*a, faster=True),
    "β is α/4": with_rate(lambda y, v, g, a: a * (a * (g - y) - v)),
    "the factor β = α/4 in front of g - y is missing": with_rate(lambda y, v, g, a: a * (g - y - v)),
    "α multiplies the whole bracket, the velocity too": with_rate(lambda y, v, g, a: a * a / 4 * (g - y) - v),
    "the friction is missing: subtract the velocity inside the bracket": with_rate(
        lambda y, v, g, a: a * a / 4 * (g - y)
    ),
    "the friction has the wrong sign: it must slow the point down": with_rate(
        lambda y, v, g, a: a * (a / 4 * (g - y) + v)
    ),
    "the spring pulls away from the goal: g - y": with_rate(lambda y, v, g, a: a * (a / 4 * (y - g) - v)),
    "the list begins with the start; it should begin after the first step": lambda *a: stepped(*a, first=True),
    "these are the velocities; return the positions": lambda *a: stepped(*a, speeds=True),
}


def by_solver(alpha, t) -> float:
    """scipy solves (9.1) from y0 = 1 to the goal 0."""
    from scipy.integrate import solve_ivp

    def rate(_, state):
        return [state[1], alpha * (-alpha / 4 * state[0] - state[1])]

    return solve_ivp(rate, (0.0, t), [1.0, 0.0], rtol=1e-9, atol=1e-12).y[0, -1]


def _left(c: Callable, power: float = 0.5) -> Callable:
    """A mistake in 9.2: another c(α), or another exponent."""
    return lambda a, t: (1 + c(a) * t) * np.exp(-power * a * t)


SHARE_MISTAKES = {
    "that one starts with a speed of -α/2, not at rest": _left(lambda a: 0.0),
    "that is the share that is done": lambda a, t: 1 - _left(lambda a: a / 2)(a, t),
    "the eigenvalue is -α/2 (twice), not -α": _left(lambda a: a, 1.0),
    "in the exponent stands -α/2, the eigenvalue, not -α": _left(lambda a: a / 2, 1.0),
    "c is α/2, not α: with c = α it would start with a speed of α/2": _left(lambda a: a),
    "c depends on α: at t = 0 the slope must vanish, c - α/2 = 0": _left(lambda a: 1.0),
    "the sign of c: at t = 0 the slope must vanish, c - α/2 = 0": _left(lambda a: -a / 2),
    "the sign of the exponent: what is left must shrink": _left(lambda a: a / 2, -0.5),
    "the exponential is missing: the second factor is e to the power of -α t / 2": lambda a, t: 1 + a * t / 2,
}


# --- 9.3 imitation by least squares -------------------------------------------------------------------


def unit_paths(dmp: DMP, start: float, goal: float) -> tuple[torch.Tensor, torch.Tensor]:
    """What the spring does, (T,), and what a unit of each weight adds, (N, T), by Euler's loop."""
    weights = torch.cat([torch.zeros(1, dmp.basis), torch.eye(dmp.basis)]).double()[:, None]
    full = [torch.full((dmp.basis + 1, 1), float(end)).double() for end in (goal, start)]
    paths = dmp.loop(full[0], weights, full[1]).position[..., 0]
    return paths[0], paths[1:] - paths[0]


def demonstrated(seed: int, basis: int = 6, steps: int = 120) -> tuple[tuple, torch.Tensor]:
    """Arguments of `imitate` whose path was made with some weights, and these weights."""
    rng = np.random.default_rng(seed)
    dmp = DMP(1, basis, steps=steps, alpha=15.0, scaled=False)
    start, goal = rng.normal(size=2)
    spring, each = unit_paths(dmp, start, goal)
    weights = torch.from_numpy(dmp.stiffness * rng.normal(size=basis))
    return (dmp, spring + weights @ each, float(start), float(goal)), weights


_MADE = [demonstrated(seed) for seed in range(3)]
IMITATE_CASES = [case for case, _ in _MADE]
_TRUE = {case[2]: weights for case, weights in _MADE}  # told apart by their starts


def true_weights(dmp: DMP, path: torch.Tensor, start: float, goal: float) -> torch.Tensor:
    """The weights with which the path of a case was made."""
    return _TRUE[start]


def _found(columns: torch.Tensor, rest: torch.Tensor) -> torch.Tensor:
    return torch.linalg.lstsq(columns.T, rest[:, None]).solution[:, 0]


def _imitated(dmp, path, start, goal, whole=False, spring=True, factor=1.0):
    """9.3 with a mistake: columns that hold the spring's path, a path that does, or weights in another unit."""
    rest, each = unit_paths(dmp, start, goal)
    return factor * _found(each + rest if whole else each, path - rest if spring else path)


def _at_rest(dmp, path, start, goal):
    """A mistake: the spring's path is taken as the start, for ever."""
    return _found(unit_paths(dmp, start, goal)[1], path - start)


IMITATE_MISTAKES = {
    "the spring moves too: subtract what it does with all weights 0": lambda *a: _imitated(*a, spring=False),
    "the columns still hold the spring's own path: subtract it from them too": lambda *a: _imitated(*a, whole=True),
    "both columns and path still hold the spring's own path: subtract it": lambda *a: _imitated(
        *a, whole=True, spring=False
    ),
    "start and goal are swapped": lambda d, p, s, g: _imitated(d, p, g, s),
    "with all weights 0 the spring does not rest at the start: it moves to the goal": _at_rest,
    "these are weights in units of αβ; return the weights themselves": lambda d, p, s, g: _imitated(
        d, p, s, g, factor=1 / d.stiffness
    ),
    "the sign: subtract the spring's path from the demonstration, not the other way round": lambda *a: _imitated(
        *a, factor=-1.0
    ),
}


# --- 9.4 targets of the critic's heads ----------------------------------------------------------------


def by_sums(r, v, g) -> np.ndarray:
    """(9.7) as it stands."""
    k = len(r)
    return np.array([sum(g ** (i - j) * r[i] for i in range(j, k)) + g ** (k - j) * v for j in range(k)])


def _heads(r, v, g, paid: Callable = lambda g, i, j: g ** (i - j), later: Callable = lambda g, k, j: g ** (k - j)):
    """9.4 with another factor in front of the rewards or of the value."""
    k = len(r)
    return np.array([sum(paid(g, i, j) * r[i] for i in range(j, k)) + later(g, k, j) * v for j in range(k)])


HEAD_MISTAKES = {
    "this repeats the first head's value; from step j on, the rewards before j are gone": lambda r, v, g: np.full(
        len(r), by_sums(r, v, g)[0]
    ),
    "the value of the next decision is missing": lambda r, v, g: by_sums(r, 0.0, g),
    "the value of the next decision is not discounted: it is k - j steps away": lambda *a: _heads(
        *a, later=lambda g, k, j: 1.0
    ),
    "the next decision is k - j steps away for head j, not one": lambda *a: _heads(*a, later=lambda g, k, j: g),
    "the next decision is k - j steps away for head j, not k": lambda *a: _heads(*a, later=lambda g, k, j: g**k),
    "the value has one factor of γ too few: the next decision comes after the last step": lambda *a: _heads(
        *a, later=lambda g, k, j: g ** (k - j - 1)
    ),
    "these look back in time: head j counts from step j on": lambda r, v, g: by_sums(r[::-1], v, g)[::-1],
    "the heads are in reverse order: head 0 comes first": lambda r, v, g: by_sums(r, v, g)[::-1],
    "the rewards inside of the plan are not discounted": lambda *a: _heads(*a, paid=lambda g, i, j: 1.0),
    "head j counts time from step j on: its first reward is not discounted": lambda *a: _heads(
        *a, paid=lambda g, i, j: g**i
    ),
    "the first reward of each head has a factor of γ too many": lambda *a: _heads(
        *a, paid=lambda g, i, j: g ** (i - j + 1)
    ),
    "that is one reward and the value at once; add up all rewards of the plan from step j on": lambda r, v, g: (
        np.asarray(r) + g * v
    ),
    "that is one reward only; add up all rewards of the plan from step j on": lambda r, v, g: (
        np.asarray(r) + g ** np.arange(len(r), 0, -1) * v
    ),
}


# --- 9.6 noise that is held, 9.7 the noise of a plan --------------------------------------------------


def by_pieces(k) -> float:
    """300 steps: 300 / k independent pieces, each as long as k steps."""
    return (k * k * (300 // k) / 300) ** 0.5


HELD_MISTAKES = {
    "each piece is k times as long, but there are k times fewer, and they add up like a random walk": lambda k: k,
    "fewer pieces alone would be a loss; but each of them is k long": lambda k: 1 / np.sqrt(k),
    "the same distance? The pieces no longer cancel out within k steps": lambda k: 1.0,
    "that is the square of the factor; asked is the distance, not its square": lambda k: k * np.sqrt(k),
    "k² is the mean square of one piece; then count the pieces, and take the root": lambda k: k * k,
    "that is the distance after 300 steps; asked is how many times as far": lambda k: np.sqrt(300 * k),
    "that is the number of pieces under the root; each piece is k long as well": lambda k: np.sqrt(300 / k),
}  # fmt: skip


def covariance(dmp: DMP, sigma: float) -> torch.Tensor:
    """(9.9), one number after the other: each adds the outer product of its path, by Euler's loop."""
    total = torch.zeros(dmp.points, dmp.points).double()
    for path in _paths_of(dmp, sigma):
        total += torch.outer(path, path)
    return total


def _paths_of(dmp: DMP, sigma: float, size: float | None = None, goal: float = 1.0) -> torch.Tensor:
    """(N + 1, points): the path by a goal of σ alone, then by each weight of σ · size alone."""
    size = dmp.stiffness if size is None else size
    numbers = torch.eye(dmp.basis + 1).double() * sigma
    numbers[0, 0] *= goal
    start = torch.zeros(dmp.basis + 1, 1).double()
    return dmp.loop(numbers[:, :1], size * numbers[:, None, 1:], start).position[..., 0]


def _spread(dmp: DMP, sigma: float, **wrong) -> torch.Tensor:
    paths = _paths_of(dmp, sigma, **wrong)
    return paths.T @ paths


NOISE_CASES = [
    (DMP(1, basis, steps=40, points=points, alpha=alpha, scaled=False), sigma)
    for basis, points, alpha, sigma in ((6, 5, 10.0, 0.5), (3, 8, 5.0, 2.0), (4, 10, 25.0, 0.1))
]
NOISE_MISTAKES = {
    "a weight has the standard deviation σαβ: multiply by `dmp.stiffness`": lambda d, s: _spread(d, s, size=1.0),
    "variances add up, so σ counts squared": lambda d, s: _spread(d, 1.0) * s,
    "σ is missing: that is the covariance for σ = 1": lambda d, s: _spread(d, 1.0),
    "the noise on the goal is missing": lambda d, s: _spread(d, s, goal=0.0),
    "the noise on the weights is missing": lambda d, s: _spread(d, s, size=0.0),
    "these are the variances alone; points of one path move together, so fill the rest of the matrix": lambda d, s: (
        torch.diag(torch.diagonal(_spread(d, s)))
    ),
    "these are the variances alone; the covariance is a matrix, (points, points)": lambda d, s: torch.diagonal(
        _spread(d, s)
    ),
    "these are correlations; the covariance is not divided by standard deviations": lambda d, s: torch.corrcoef(
        torch.cat([_paths_of(d, s), -_paths_of(d, s)]).T
    ),
    "these are standard deviations; the covariance is a matrix, (points, points)": lambda d, s: torch.diagonal(
        _spread(d, s)
    ).sqrt(),
    "here all numbers are the same random number; they are independent, so add products, not paths": lambda d, s: (
        torch.outer(_paths_of(d, s).sum(0), _paths_of(d, s).sum(0))
    ),
    "that is the sum over points, one entry for each pair of numbers; sum over the numbers instead": lambda d, s: (
        _paths_of(d, s) @ _paths_of(d, s).T
    ),
}  # fmt: skip
