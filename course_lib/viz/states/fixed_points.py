"""Fixed points of a cell: the states that stay where they are while the input is held, and whether they attract.

The step map h -> F(h, x) is what a policy iterates, and every cell has one. Where the cell is an ODE, its fixed points
are the zeros of the derivative: a consistent solver keeps those in place.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from course_lib.errors import ArgumentError, check_count

ITERATIONS = 60


@dataclass
class FixedPoints:
    """K fixed points of the step map at one input, stable ones first."""

    states: np.ndarray  # (K, n)
    jacobians: np.ndarray  # (K, n, n): dF_i / dh_j
    eigenvalues: np.ndarray  # (K, n) complex, largest modulus first
    residuals: np.ndarray  # (K,): largest entry of |F(h, x) - h|

    def __len__(self) -> int:
        return len(self.states)

    @property
    def stable(self) -> np.ndarray:
        """(K,) bool: all eigenvalues inside the unit circle, so that every small disturbance dies away."""
        return abs(self.eigenvalues).max(1) < 1 if len(self) else np.zeros(0, bool)

    @property
    def memory(self) -> np.ndarray:
        """(K,) control steps in which the slowest disturbance falls to 1/e; infinite where one grows."""
        largest = abs(self.eigenvalues).max(1) if len(self) else np.zeros(0)
        with np.errstate(divide="ignore"):
            return np.where(largest < 1, -1 / np.log(np.clip(largest, 1e-300, 1 - 1e-16)), np.inf)

    def kind(self, k: int) -> str:
        """ "stable", "saddle" or "unstable", with "spiral" where the leading eigenvalue is complex."""
        outside = (abs(self.eigenvalues[k]) >= 1).sum()
        name = "stable" if outside == 0 else "unstable" if outside == self.states.shape[1] else "saddle"
        return name + (" spiral" if abs(self.eigenvalues[k][0].imag) > 1e-9 else "")

    def __repr__(self) -> str:
        lines = [f"{len(self)} fixed point{'s' * (len(self) != 1)}"]
        for k in range(len(self)):
            state = " ".join(f"{v:+.3f}" for v in self.states[k][:8]) + (" …" if self.states.shape[1] > 8 else "")
            lines.append(
                f"  {self.kind(k):<14} largest |eigenvalue| {abs(self.eigenvalues[k, 0]):.3f}   "
                f"memory {self.memory[k]:.1f} steps   h = {state}"
            )
        return "\n".join(lines)


def step_map(cell, x: np.ndarray | Tensor, dt: float = 1.0) -> Callable[[Tensor], Tensor]:
    """The map h (K, n) -> F(h, x) (K, n) in float64, at the input x (inputs,) held; the cell is copied.

    `cell` is a `Cell`, or any function (x (K, inputs), h (K, n)) -> (K, n).
    """
    held = torch.as_tensor(x).detach().double().reshape(1, -1)
    if isinstance(cell, torch.nn.Module):
        module = copy.deepcopy(cell).double()
        return lambda h: module(held.expand(len(h), -1), h, dt)
    return lambda h: cell(held.expand(len(h), -1), h)


def jacobian(function: Callable[[Tensor], Tensor], h: Tensor) -> tuple[Tensor, Tensor]:
    """function (K, n) -> (K, n), row by row; h (K, n) -> values (K, n), derivatives (K, n, n) [of, by]."""
    with torch.enable_grad():
        h = h.detach().requires_grad_(True)
        out = function(h)
        columns = out.sum(0)
        rows = [torch.autograd.grad(each, h, retain_graph=True, allow_unused=True)[0] for each in columns]
    rows = [torch.zeros_like(h) if row is None else row for row in rows]
    return out.detach(), torch.stack(rows, dim=1)


def fixed_points(
    cell,
    x: np.ndarray | Tensor,
    starts: np.ndarray | None = None,
    *,
    neurons: int | None = None,
    tries: int = 64,
    reach: float = 1.0,
    tolerance: float = 1e-9,
    seed: int = 0,
    dt: float = 1.0,
) -> FixedPoints:
    """Solve F(h, x) = h by damped Newton steps from many starts (Sussillo and Barak 2013).

    Args:
        cell: a `Cell`, or a function (x (K, inputs), h (K, n)) -> (K, n) with `neurons` = n.
        x: (inputs,) the input that is held: for a policy, a normalised observation.
        starts: (S, n) further starts, such as states of an episode.
        tries: random starts, uniform in [-reach, reach].
        tolerance: largest |F(h, x) - h| of what counts as found.
        dt: duration of a step in the cell's time.

    That nothing else is found does not prove that nothing else is there.
    """
    n = getattr(cell, "state_width", getattr(cell, "neurons", None))
    n = n if neurons is None else check_count("neurons", neurons)
    if n is None:
        raise ArgumentError("neurons=None is not accepted for a plain function; say how many states it has")
    first = np.random.default_rng(seed).uniform(-reach, reach, (check_count("tries", tries), n))
    if starts is not None:
        starts = np.asarray(starts, dtype=float)
        if starts.ndim != 2 or starts.shape[1] != n:
            raise ArgumentError(f"starts has shape {starts.shape}; it must be (S, {n}), one state a row")
        first = np.concatenate([first, starts])
    function = step_map(cell, x, dt)
    h = torch.as_tensor(first, dtype=torch.float64)
    for _ in range(ITERATIONS):
        h, before = _newton(function, h), h
        if (h == before).all():
            break
    value, slope = jacobian(function, h)
    residual = (value - h).abs().amax(1)
    kept = (residual < tolerance).nonzero()[:, 0]
    kept = kept[residual[kept].argsort()]
    return _distinct(h[kept].numpy(), slope[kept].numpy(), residual[kept].numpy())


def settle(cell, x: np.ndarray | Tensor, h: np.ndarray | Tensor, steps: int = 300) -> np.ndarray:
    """Where states h (T, n) come to rest if each row's input x (T, inputs) were held for `steps` steps -> (T, n)."""
    with torch.no_grad():
        x, h = torch.as_tensor(x), torch.as_tensor(h)
        for _ in range(check_count("steps", steps)):
            h = cell(x, h)
    return h.numpy()


def _newton(function, h: Tensor) -> Tensor:
    """One step for each row: the longest of the halved Newton steps that helps, else a step of the map itself."""
    value, slope = jacobian(function, h)
    gap = value - h
    # A tiny ridge keeps rows at a singular point (a fold) from raising; their result is judged below like any other.
    eye = torch.eye(h.shape[1], dtype=h.dtype)
    full = torch.linalg.lstsq(slope - eye * (1 + 1e-14), gap.unsqueeze(-1)).solution.squeeze(-1)
    full = torch.where(full.isfinite(), full, torch.zeros_like(full))
    best, least, done = value, gap.norm(dim=1), torch.zeros(len(h), dtype=torch.bool)
    with torch.no_grad():
        for halvings in range(6):
            trial = h - full * 0.5**halvings
            better = ((function(trial) - trial).norm(dim=1) < least) & ~done
            best = torch.where(better[:, None], trial, best)
            done |= better
    arrived = gap.abs().amax(1) < 1e-13
    return torch.where(arrived[:, None], h, best)


def _distinct(states: np.ndarray, slopes: np.ndarray, residuals: np.ndarray, apart: float = 1e-5) -> FixedPoints:
    """One of each group of equal states, stable ones first, then by size."""
    chosen: list[int] = []
    for k in range(len(states)):
        if all(np.abs(states[k] - states[c]).max() > apart for c in chosen):
            chosen.append(k)
    values = np.linalg.eigvals(slopes[chosen]) if chosen else np.zeros((0, states.shape[1]))
    values = np.take_along_axis(values, np.argsort(-abs(values), axis=1), axis=1)
    largest = abs(values).max(1) if chosen else np.zeros(0)
    order = np.lexsort((np.linalg.norm(states[chosen], axis=1), largest >= 1))
    index = np.array(chosen, dtype=int)[order]
    return FixedPoints(states[index], slopes[index], values[order].astype(complex), residuals[index])
