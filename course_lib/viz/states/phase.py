"""Phase portraits at a frozen memory, and how each neuron answers: maps over what a policy sees or remembers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch

from course_lib.errors import ArgumentError, check_choice, check_count
from course_lib.viz.states.states import Record, held_at, recurrent

# Pairs of the whole observation worth looking at, best first; those a policy is not shown are skipped.
PLANES = {
    "InvertedPendulum-v5": ((1, 3), (0, 2), (0, 1)),
    "HalfCheetah-v5": ((1, 10), (2, 5), (0, 1), (4, 7)),
}


@dataclass
class PhaseMap:
    """Action and value over a plane of observations, the memory and all other observations as at one step."""

    plane: tuple[int, int]  # observations along x and y
    across: np.ndarray  # (P,) their values
    up: np.ndarray  # (P,)
    action: np.ndarray  # (P, P) [up, across]: one entry of the action, within its bounds
    value: np.ndarray  # (P, P): in units of the normalised return

    @property
    def extent(self) -> tuple[float, float, float, float]:
        """Borders of the picture for imshow: half a cell beyond the outer points."""
        (dx, dy) = ((axis[1] - axis[0]) / 2 for axis in (self.across, self.up))
        return self.across[0] - dx, self.across[-1] + dx, self.up[0] - dy, self.up[-1] + dy


def default_planes(record: Record, count: int = 2) -> list[tuple[int, int]]:
    """Up to `count` pairs of observations: angle and rate where both are seen, else neighbours."""
    seen = {record.truth_names.index(name): i for i, name in enumerate(record.names)}
    wanted = [(seen[a], seen[b]) for a, b in PLANES.get(record.rollout.env_id, ()) if a in seen and b in seen]
    width = len(record.names)
    wanted += [(i, i + 1) for i in range(0, width - 1, 2)]
    return list(dict.fromkeys(wanted))[:count]


def check_observation(record: Record, index) -> int:
    """`index` as one of the policy's observations."""
    if not hasattr(index, "__index__") or isinstance(index, bool) or not 0 <= index < len(record.names):
        listed = ", ".join(f"{i} {name}" for i, name in enumerate(record.names))
        raise ArgumentError(f"observation {index!r} is not there; accepted: {listed}")
    return int(index)


def check_plane(record: Record, plane) -> tuple[int, int]:
    """`plane` as two different observation indices."""
    if not isinstance(plane, (tuple, list)) or len(plane) != 2 or plane[0] == plane[1]:
        raise ArgumentError(f"plane={plane!r} is not accepted; it must be two different observations, e.g. (0, 1)")
    return check_observation(record, plane[0]), check_observation(record, plane[1])


def check_step(record: Record, step: int) -> int:
    """`step` as a row of the record."""
    if not hasattr(step, "__index__") or isinstance(step, bool) or not 0 <= step < len(record):
        raise ArgumentError(f"step={step!r} is not in this episode; accepted: 0 to {len(record) - 1}")
    return int(step)


def limits(records: Record | list[Record], index: int, margin: float = 1.25) -> tuple[float, float]:
    """A range around what observation `index` did in an episode or several; symmetric where it swings about zero."""
    records = records if isinstance(records, list) else [records]
    seen = np.concatenate([each.observations[:, index] for each in records])
    low, high = float(seen.min()), float(seen.max())
    if low * high <= 0:
        half = margin * max(-low, high, 1e-3)
        return -half, half
    half = margin * max((high - low) / 2, 0.02 * abs(high))
    return (low + high) / 2 - half, (low + high) / 2 + half


def phase_map(
    policy, record: Record, step: int, plane: tuple[int, int] | None = None, *, action: int = 0, points: int = 31,
    spans: tuple | None = None,
) -> PhaseMap:  # fmt: skip
    """What the policy would do, and what its critic expects, were two observations different at this very step.

    The hidden state is the one with which step `step` began: the network remembers what really happened, takes one
    step with the imagined observation, and acts.

    Args:
        plane: two observations; the first of `default_planes` by default.
        action: which entry of the action.
        spans: ((low, high), (low, high)) of the two; from the episode by default.
    """
    policy, step = recurrent(policy), check_step(record, step)
    i, j = check_plane(record, plane if plane is not None else default_planes(record)[0])
    if not 0 <= check_count("action", action, 0) < record.actions.shape[1]:
        raise ArgumentError(f"action={action} is not there; accepted: 0 to {record.actions.shape[1] - 1}")
    points = check_count("points", points, 2)
    span_x, span_y = spans or (limits(record, i), limits(record, j))
    across, up = np.linspace(*span_x, points), np.linspace(*span_y, points)
    grid = np.tile(record.observations[step], (points * points, 1))
    grid[:, i], grid[:, j] = np.tile(across, points), np.repeat(up, points)
    with held_at(policy, record.held), torch.no_grad():
        x = policy.normalizer(torch.as_tensor(grid, dtype=torch.float32))
        state = record.before[step : step + 1].expand(len(grid), -1)
        mean = policy.step(x, state)[0][:, action].numpy()
        value = policy.value(x, state).numpy()
    if policy.action_low is not None:
        mean = np.clip(mean, policy.action_low[action], policy.action_high[action])
    return PhaseMap((i, j), across, up, mean.reshape(points, points), value.reshape(points, points))


@dataclass
class Responses:
    """How each neuron answers to its own state and one observation."""

    levels: np.ndarray  # (P,) hidden state of the neuron that is looked at
    feature: int
    across: np.ndarray  # (P,) values of the observation
    maps: np.ndarray  # (neurons, P, P) [level, observation]
    of: str


def response_maps(
    policy, record: Record, step: int, feature: int | None = None, *, of: str = "change", points: int = 31,
    reach: float = 1.0, action: int = 0,
) -> Responses:  # fmt: skip
    """Every neuron over its own state from -`reach` to `reach` and one observation; all else as at `step`.

    Args:
        feature: the observation along x; by default the first of `default_planes`.
        of: "change", what one control step adds to the neuron's state, or "action", what the policy does.
    """
    policy, step = recurrent(policy), check_step(record, step)
    check_choice("of", of, ("change", "action"))
    feature = default_planes(record)[0][0] if feature is None else check_observation(record, feature)
    points, n = check_count("points", points, 2), record.neurons
    levels, across = np.linspace(-reach, reach, points), np.linspace(*limits(record, feature), points)
    grid = np.tile(record.observations[step], (points * points, 1))
    grid[:, feature] = np.tile(across, points)
    rows = torch.as_tensor(np.repeat(levels, points), dtype=torch.float32)
    found = np.empty((n, points, points))
    with held_at(policy, record.held), torch.no_grad():
        x = policy.normalizer(torch.as_tensor(grid, dtype=torch.float32))
        state = record.before[step : step + 1].expand(len(grid), -1).clone()
        for neuron in range(n):
            # The actor's state comes first in the policy's; its critic's part stays as it was.
            old = state[:, neuron].clone()
            state[:, neuron] = rows
            mean, after = policy.step(x, state)
            change = policy.actor_state(after)[:, neuron] - rows
            found[neuron] = (change if of == "change" else mean[:, action]).numpy().reshape(points, points)
            state[:, neuron] = old
    return Responses(levels, feature, across, found, of)


def memory_spread(policy, record: Record, observation: Mapping[int, float] | None = None) -> np.ndarray:
    """The action at one and the same observation with each memory of the episode -> (T, act).

    `observation`: index -> value; entries not named are the episode's median. A policy without memory gives T
    equal rows.
    """
    policy = recurrent(policy)
    row = np.median(record.observations, axis=0)
    for index, value in (observation or {}).items():
        row[check_observation(record, index)] = value
    with held_at(policy, record.held), torch.no_grad():
        x = policy.normalizer(torch.as_tensor(np.tile(row, (len(record), 1)), dtype=torch.float32))
        return policy.step(x, record.before)[0].numpy()
