"""Dynamic movement primitives: a spring to a goal plus a learnable push, and its rollout as one matrix product.

    τ² ÿ = α (β (g - y) - τ ẏ) + f(x),    τ ẋ = -a_x x,   x(0) = 1                                          (1)
    f(x) = (Σ w_i ψ_i / Σ ψ_i) · x · (g - y0),   ψ_i = exp(-h_i (x - c_i)²)                                   (2)

(Ijspeert et al. 2013, eqs. 2.1 to 2.4; Bahl et al., NeurIPS 2020, eqs. 1 to 3.) Here y is a position, g the goal, y0
the start, x the phase and w the weights. Each degree of freedom (DoF) has its own y, g, y0 and w. With β = α/4 the
spring is critically damped. For given y0, ẏ0 and g the map from the weights to the path is linear. Without the factor
(g - y0) it is linear in all four. So a rollout is one product with a matrix that depends on nothing that is learnt.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from course_lib.errors import ArgumentError, check_count


class Trajectory(NamedTuple):
    """Positions (B, points, dofs), in any unit, and velocities (B, points, dofs), in that unit per second."""

    position: Tensor
    velocity: Tensor

    @property
    def end(self) -> tuple[Tensor, Tensor]:
        """Last position and velocity, each (B, dofs). The next chunk starts with them, so it continues smoothly."""
        return self.position[:, -1], self.velocity[:, -1]


class DMP(nn.Module):
    """A layer without parameters: goal, weights, start position and velocity -> a trajectory.

    Args:
        dofs: degrees of freedom D.
        basis: number N of basis functions per DoF; c_i = exp(-a_x t_i/τ) at N evenly spaced t_i, h_i = N^1.5 / c_i.
        steps: Euler steps in the horizon.
        points: how many evenly spaced points of the horizon are returned, without the start; it must divide `steps`.
            None returns all.
        duration: length of the horizon, s.
        alpha, beta: spring and damping of (1), β = α/4 unless given; tau: τ, s; phase_rate: a_x.
        scaled: whether the factor (g - y0) of (2) is used. With it, the shape of a path grows with the distance to
            the goal, and a goal at the start means no motion, whatever the weights are.

    Raises:
        ArgumentError: a count below 1, a chunk longer than the horizon, a constant that is not above 0, or so few
            steps that Euler's method explodes.
    """

    def __init__(
        self,
        dofs: int,
        basis: int,
        *,
        steps: int = 40,
        points: int | None = None,
        duration: float = 1.0,
        alpha: float = 25.0,
        beta: float | None = None,
        tau: float = 1.0,
        phase_rate: float = 1.0,
        scaled: bool = True,
    ):
        super().__init__()
        self.dofs, self.basis = check_count("dofs", dofs), check_count("basis", basis)
        self.steps = check_count("steps", steps)
        self.points = self.steps if points is None else check_count("points", points)
        if self.points > self.steps:
            raise ArgumentError(
                f"points={points} is a chunk longer than the horizon; it must be at most steps={steps} and divide it"
            )
        if self.steps % self.points:
            raise ArgumentError(f"points={points} is not accepted; it must divide steps={steps}")
        self.duration, self.alpha, self.tau = (
            _positive(name, value) for name, value in (("duration", duration), ("alpha", alpha), ("tau", tau))
        )
        self.beta = self.alpha / 4 if beta is None else _positive("beta", beta)
        self.phase_rate, self.scaled = _positive("phase_rate", phase_rate), bool(scaled)
        self.dt = self.duration / self.steps
        self._check_stable()
        times = np.linspace(0.0, self.duration, self.basis)
        self.centres = np.exp(-self.phase_rate / self.tau * times)
        self.widths = self.basis**1.5 / self.centres
        self._tables = self._solve()
        self._cache: dict[tuple, tuple[Tensor, ...]] = {}

    @property
    def outputs(self) -> int:
        """Numbers that describe a path: a goal and N weights for each DoF, D (N + 1)."""
        return self.dofs * (self.basis + 1)

    @property
    def stiffness(self) -> float:
        """αβ. A push f acts as if the spring's anchor had moved by f / (αβ), so αβ is the natural size of a weight."""
        return self.alpha * self.beta

    def split(self, numbers: Tensor) -> tuple[Tensor, Tensor]:
        """numbers (B, outputs) -> goal (B, D), weights (B, D, N)."""
        if numbers.ndim != 2 or numbers.shape[1] != self.outputs:
            raise ArgumentError(f"numbers has shape {tuple(numbers.shape)}; it must be (batch, {self.outputs})")
        goal, weights = numbers.split([self.dofs, self.dofs * self.basis], dim=1)
        return goal, weights.reshape(-1, self.dofs, self.basis)

    def forward(self, goal: Tensor, weights: Tensor, start: Tensor, velocity: Tensor | None = None) -> Trajectory:
        """The path in closed form, equal to `loop` up to rounding.

        Args:
            goal, start: (B, D); weights: (B, D, N); velocity: at the start, (B, D) per second; None means at rest.

        Raises:
            ArgumentError: shapes that do not fit, or a number that is not finite.
        """
        state = self._columns(goal, weights, start, velocity)
        matrix = self._tensors(state)[0]
        both = (state @ matrix).unflatten(-1, (2, self.points))  # (B, D, 2, points)
        position, velocity = both.permute(2, 0, 3, 1)
        return Trajectory(position, velocity)

    def loop(self, goal: Tensor, weights: Tensor, start: Tensor, velocity: Tensor | None = None) -> Trajectory:
        """The same path by Euler's method, step by step. It is the reference for `forward`, and much slower."""
        y, v, goal, pushes = self._columns(goal, weights, start, velocity).split([1, 1, 1, self.basis], dim=-1)
        y, v, goal, z = y[..., 0], v[..., 0], goal[..., 0], v[..., 0] * self.tau
        push = pushes @ self._tensors(pushes)[1]  # (B, D, steps)
        every, positions, velocities = self.steps // self.points, [], []
        for k in range(self.steps):
            rate = self.alpha * (self.beta * (goal - y) - z) + push[..., k]
            y, z = y + (self.dt / self.tau) * z, z + (self.dt / self.tau) * rate
            if (k + 1) % every == 0:
                positions.append(y)
                velocities.append(z / self.tau)
        return Trajectory(torch.stack(positions, 1), torch.stack(velocities, 1))

    def forcing(self, goal: Tensor, weights: Tensor, start: Tensor) -> Tensor:
        """f of eq. (2) at the beginning of each Euler step, (B, steps, D)."""
        pushes = self._columns(goal, weights, start, None)[..., 3:]
        return (pushes @ self._tensors(pushes)[1]).transpose(1, 2)

    def phase(self) -> np.ndarray:
        """x at the beginning of each Euler step, (steps,)."""
        return (1.0 - self.phase_rate * self.dt / self.tau) ** np.arange(self.steps)

    def activations(self) -> np.ndarray:
        """ψ_i / Σ ψ at the beginning of each Euler step, (steps, N); every row adds up to 1."""
        exponent = -self.widths * (self.phase()[:, None] - self.centres) ** 2
        psi = np.exp(exponent - exponent.max(1, keepdims=True))  # far from every centre all would round to 0
        return psi / psi.sum(1, keepdims=True)

    @torch.no_grad()
    def fit(
        self, position: Tensor, seen: Tensor | None = None, *, goal: Tensor | None = None, ridge: float = 1e-6
    ) -> tuple[Tensor, Tensor, Tensor]:
        """The path from rest that is nearest to the given points: least squares, in closed form.

        Args:
            position: (B, points, D); seen: (B, points) bool, which of them count; None means all.
            goal: (B, D), if it is known; None fits it too. (A push that has not faded keeps the path off its goal.)
            ridge: penalty on w / αβ and on how far start and goal are from the mean of the points, all squared and
                times the number of points. Use a larger one if there are few points.

        Returns:
            start (B, D), goal (B, D), weights (B, D, N); float64.
        """
        if position.ndim != 3 or position.shape[1:] != (self.points, self.dofs):
            wanted = f"(batch, {self.points}, {self.dofs})"
            raise ArgumentError(f"position has shape {tuple(position.shape)}; it must be {wanted}")
        _check_finite("position", position)
        scale = np.r_[1.0, 1.0, np.full(self.basis, self.stiffness)]
        table = np.delete(self._tables[0][: self.points], 1, axis=1) * scale  # at rest: no column of velocity
        columns = torch.as_tensor(table, device=position.device)  # (points, N + 2)
        count = torch.ones(position.shape[:2]).to(columns) if seen is None else seen.to(columns)
        total = count.sum(1)[:, None, None]
        middle = (position * count[..., None]).sum(1, keepdim=True) / total
        rest = position - middle
        if goal is not None:
            rest = rest - columns[:, 1, None] * (goal[:, None] - middle)
            columns = torch.cat([columns[:, :1], columns[:, 2:]], 1)
        weighted = columns.T * count[:, None]  # (B, N + 2 or N + 1, points)
        normal = weighted @ columns + ridge * total * torch.eye(columns.shape[1]).to(columns)
        found = torch.linalg.solve(normal, weighted @ rest).transpose(1, 2)  # (B, D, N + 2 or N + 1)
        start, weights = found[..., 0] + middle[:, 0], found[..., -self.basis :] * self.stiffness
        goal = found[..., 1] + middle[:, 0] if goal is None else goal.double()
        if self.scaled:
            distance = (goal - start)[..., None]
            spread = (position.amax(1) - position.amin(1))[..., None]
            if bool((distance.abs() <= 1e-3 * spread).any()):
                raise ArgumentError("position ends where it starts: no weights give that with scaled=True; use False")
            weights = weights / distance
        return start, goal, weights

    # ----------------------------------------------------------------------------------------------- inside
    def _solve(self) -> tuple[np.ndarray, np.ndarray]:
        """(2 · points, N + 3): what a unit of y0, ẏ0, g and each weight does to positions, then velocities; and
        (N, steps): what a unit of each weight pushes."""
        push = (self.activations() * self.phase()[:, None]).T
        y, z = np.zeros(self.basis + 3), np.zeros(self.basis + 3)
        y[0], z[1], goal = 1.0, self.tau, np.eye(self.basis + 3)[2]
        every, positions, velocities = self.steps // self.points, [], []
        for k in range(self.steps):
            rate = self.alpha * (self.beta * (goal - y) - z)
            rate[3:] += push[:, k]
            y, z = y + self.dt / self.tau * z, z + self.dt / self.tau * rate
            if (k + 1) % every == 0:
                positions.append(y)
                velocities.append(z / self.tau)
        return np.array(positions + velocities), push

    def _tensors(self, like: Tensor) -> tuple[Tensor, ...]:
        """The two tables of `_solve`, the first transposed, in the precision and on the device of `like`."""
        key = (like.dtype, like.device)
        if key not in self._cache:
            self._cache[key] = tuple(torch.as_tensor(table).to(like) for table in (self._tables[0].T, self._tables[1]))
        return self._cache[key]

    def _columns(self, goal: Tensor, weights: Tensor, start: Tensor, velocity: Tensor | None) -> Tensor:
        """(B, D, N + 3): start, velocity, goal, weights side by side, the weights times (g - y0) where that is on."""
        velocity = torch.zeros_like(start) if velocity is None else velocity
        shape = (len(goal), self.dofs)
        given = {"goal": goal, "start": start, "velocity": velocity, "weights": weights}
        for name, value in given.items():
            wanted = (*shape, self.basis) if name == "weights" else shape
            if tuple(value.shape) != wanted:
                raise ArgumentError(f"{name} has shape {tuple(value.shape)}; it must be {wanted}")
        pushes = weights * (goal - start)[..., None] if self.scaled else weights
        state = torch.cat([torch.stack([start, velocity, goal], -1), pushes], -1)
        if not bool(torch.isfinite(state).all()):
            for name, value in given.items():
                _check_finite(name, value)
        return state

    def _check_stable(self) -> None:
        """Euler's map (y, z) -> (y, z) must not grow: the largest eigenvalue of I + dt/τ A is at most 1 in size."""
        A = np.array([[0.0, 1.0], [-self.alpha * self.beta, -self.alpha]])
        modes = np.linalg.eigvals(A) / self.tau  # 1/s; |1 + dt λ| <= 1 as long as dt <= -2 Re λ / |λ|²
        longest = float(np.min(-2.0 * modes.real / np.abs(modes) ** 2))
        if self.dt > longest * (1 + 1e-9):
            least = math.ceil(self.duration / longest * (1 - 1e-9))
            raise ArgumentError(
                f"steps={self.steps} is too few for alpha={self.alpha:g}: Euler's method would explode; "
                f"it must be at least {least}"
            )
        if self.phase_rate * self.dt >= self.tau:
            raise ArgumentError(
                f"phase_rate={self.phase_rate:g} is not accepted: the phase would change its sign in a step of "
                f"{self.dt:g} s; it must be below {self.tau / self.dt:g}"
            )


def _positive(name: str, value: float) -> float:
    number = isinstance(value, (int, float, np.number)) and not isinstance(value, bool)
    if not number or not math.isfinite(value) or value <= 0:
        raise ArgumentError(f"{name}={value!r} is not accepted; it must be a finite number above 0")
    return float(value)


def _check_finite(name: str, value: Tensor) -> None:
    bad = (~torch.isfinite(value)).nonzero()
    if len(bad):
        at = tuple(bad[0].tolist())
        raise ArgumentError(f"{name}{list(at)}={value[at].item()} is not accepted; every number must be finite")
