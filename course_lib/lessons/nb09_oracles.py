"""Oracles for the exercises of notebook 09, the cases that its checks try, and ways to go wrong."""

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


def by_solver(alpha, t) -> float:
    """scipy solves (9.1) from y0 = 1 to the goal 0."""
    from scipy.integrate import solve_ivp

    def rate(_, state):
        return [state[1], alpha * (-alpha / 4 * state[0] - state[1])]

    return solve_ivp(rate, (0.0, t), [1.0, 0.0], rtol=1e-9, atol=1e-12).y[0, -1]


# --- 9.3 imitation by least squares -------------------------------------------------------------------


def drawn_spring(rng: np.random.Generator) -> tuple[float, float, float, int, float]:
    """start, goal, α, steps, Δt as plain numbers."""
    start, goal = rng.normal(size=2).tolist()
    return start, goal, float(rng.uniform(4, 25)), int(rng.integers(8, 40)), float(rng.uniform(0.005, 0.03))


def unit_paths(dmp: DMP, start: float, goal: float) -> tuple[torch.Tensor, torch.Tensor]:
    """What the spring does, (T,), and what a unit of each weight adds, (N, T), by Euler's loop."""
    weights = torch.cat([torch.zeros(1, dmp.basis), torch.eye(dmp.basis)]).double()[:, None]
    full = [torch.full((dmp.basis + 1, 1), float(end), dtype=torch.float64) for end in (goal, start)]
    paths = dmp.loop(full[0], weights, full[1]).position[..., 0]
    return paths[0], paths[1:] - paths[0]


def demonstrated(rng: np.random.Generator, basis: int = 6, steps: int = 120) -> tuple[tuple, torch.Tensor]:
    """Arguments of `imitate` whose path was made with some weights, and these weights."""
    dmp = DMP(1, basis, steps=steps, alpha=15.0, scaled=False)
    start, goal = rng.normal(size=2)
    spring, each = unit_paths(dmp, start, goal)
    weights = torch.from_numpy(dmp.stiffness * rng.normal(size=basis))
    return (dmp, spring + weights @ each, float(start), float(goal)), weights


def _found(columns: torch.Tensor, rest: torch.Tensor) -> torch.Tensor:
    return torch.linalg.lstsq(columns.T, rest[:, None]).solution[:, 0]


def imitated(dmp, path, start, goal, whole=False, spring=True, factor=1.0):
    """A mistake: columns that hold the spring's path, a path that does, or weights in another unit."""
    rest, each = unit_paths(dmp, start, goal)
    return factor * _found(each + rest if whole else each, path - rest if spring else path)


def at_rest(dmp, path, start, goal):
    """A mistake: the spring's path is taken as the start, for ever."""
    return _found(unit_paths(dmp, start, goal)[1], path - start)


# --- 9.4 targets of the critic's heads ----------------------------------------------------------------


def by_sums(r, v, g) -> np.ndarray:
    """(9.7) as it stands."""
    k = len(r)
    return np.array([sum(g ** (i - j) * r[i] for i in range(j, k)) + g ** (k - j) * v for j in range(k)])


# --- 9.6 noise that is held, 9.7 the noise of a plan --------------------------------------------------


def by_pieces(k) -> float:
    """300 steps: 300 / k independent pieces, each as long as k steps."""
    return (k * k * (300 // k) / 300) ** 0.5


def covariance(dmp: DMP, sigma: float) -> torch.Tensor:
    """(9.9), one number after the other: each adds the outer product of its path, by Euler's loop."""
    total = torch.zeros(dmp.points, dmp.points).double()
    for path in paths_of(dmp, sigma):
        total += torch.outer(path, path)
    return total


def paths_of(dmp: DMP, sigma: float, size: float | None = None, goal: float = 1.0) -> torch.Tensor:
    """(N + 1, points): the path by a goal of σ alone, then by each weight of σ · size alone."""
    size = dmp.stiffness if size is None else size
    numbers = torch.eye(dmp.basis + 1).double() * sigma
    numbers[0, 0] *= goal
    start = torch.zeros(dmp.basis + 1, 1).double()
    return dmp.loop(numbers[:, :1], size * numbers[:, None, 1:], start).position[..., 0]


def noise_case(basis: int, points: int, alpha: float, sigma: float) -> tuple[DMP, float]:
    return DMP(1, basis, steps=40, points=points, alpha=alpha, scaled=False), sigma


def noise_cases() -> list[tuple[DMP, float]]:
    """The cases of 9.7 that everyone sees."""
    return [noise_case(6, 5, 10.0, 0.5), noise_case(3, 8, 5.0, 2.0), noise_case(4, 10, 25.0, 0.1)]
