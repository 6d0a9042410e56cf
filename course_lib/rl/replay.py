"""The replay buffer: one array, one row a transition."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from course_lib.errors import ArgumentError, NonFiniteError, check_count
from course_lib.machine import MEBI, check_memory


@dataclass
class Batch:
    """Transitions, views into one array (B, row)."""

    observation: Tensor  # (B, obs)
    action: Tensor  # (B, act), in [-1, 1]
    next_observation: Tensor  # (B, obs), the final one where an episode ended
    reward: Tensor  # (B,)
    terminated: Tensor  # (B,) 1 where the episode ended inside the problem, 0 also where it was cut off
    observation_action: Tensor  # (B, obs + act), the first two side by side


class Replay:
    """The last `capacity` transitions. A row is [observation | action | next observation | reward | terminated].

    The array is allocated once; adding writes into it, and sampling is one gather of whole rows. The memory it will
    take is known from the start (`nbytes`), printed by `repr`, and refused where the machine has less.

    Args:
        capacity: rows.
        obs_dim, act_dim: widths of observation and action.

    Attributes:
        size: transitions in it. position: row that the next one goes to.
    """

    def __init__(self, capacity: int, obs_dim: int, act_dim: int):
        self.capacity = check_count("buffer_size", capacity)
        self.obs_dim, self.act_dim = check_count("obs_dim", obs_dim), check_count("act_dim", act_dim)
        width = 2 * obs_dim + act_dim + 2
        self.nbytes = 4 * width * self.capacity
        check_memory("buffer_size", capacity, self.nbytes, 4 * width)
        self.rows = np.empty((self.capacity, width), dtype=np.float32)  # the system hands out pages as they are written
        self._rows = torch.from_numpy(self.rows)  # the same memory
        self.size = self.position = 0

    def __repr__(self) -> str:
        return (
            f"Replay({self.size:,} of {self.capacity:,} transitions of {4 * self.rows.shape[1]} bytes, "
            f"{self.nbytes / MEBI:,.0f} MiB when full)"
        )

    def add(self, observation, action, next_observation, reward, terminated) -> None:
        """Write n transitions, arrays (n, obs), (n, act), (n, obs), (n,), (n,), over the oldest ones.

        Raises:
            ArgumentError: more than the buffer holds, or shapes that do not fit.
            NonFiniteError: a reward or an observation is NaN or infinite.
        """
        n, o, a = len(reward), self.obs_dim, self.act_dim
        if n > self.capacity:
            raise ArgumentError(
                f"buffer_size={self.capacity} holds less than the {n} transitions of one step; "
                "it must be at least the number of copies"
            )
        shapes = tuple(np.shape(x) for x in (observation, action, next_observation, reward, terminated))
        if shapes != (wanted := ((n, o), (n, a), (n, o), (n,), (n,))):
            raise ArgumentError(f"transitions of shapes {shapes} do not fit this buffer; accepted: {wanted}")
        values = (observation, action, next_observation, reward, terminated)
        room = self.capacity - self.position
        if n > room:  # round the end
            self.add(*(v[:room] for v in values))
            return self.add(*(v[room:] for v in values))
        rows = self.rows[self.position : self.position + n]
        for column, v in zip((slice(o), slice(o, o + a), slice(o + a, 2 * o + a), -2, -1), values, strict=True):
            rows[:, column] = v
        if not np.isfinite(rows.sum()):
            self._report(rows)
        self.position = (self.position + n) % self.capacity
        self.size = min(self.size + n, self.capacity)

    def _report(self, rows: np.ndarray) -> None:
        wrong = np.argwhere(~np.isfinite(rows))
        if len(wrong):  # else the sum has only overflowed
            i, column = wrong[0]
            names = ["observation"] * self.obs_dim + ["action"] * self.act_dim + ["next observation"] * self.obs_dim
            name = [*names, "reward", "terminated"][column]
            raise NonFiniteError(
                f"{name} is {rows[i, column]} in a transition for the replay buffer; accepted: finite numbers"
            )

    def sample(self, batch_size: int, generator: torch.Generator) -> Batch:
        """`batch_size` transitions, uniformly and with replacement; `generator` draws them."""
        if not self.size or batch_size > self.size:
            raise ArgumentError(
                f"batch_size={batch_size} is more than the replay buffer can give: it holds {self.size} transitions"
            )
        return self.batch(torch.randint(self.size, (batch_size,), generator=generator))

    def batch(self, index: Tensor) -> Batch:
        """The transitions in the rows `index` (B,)."""
        rows, o, a = self._rows.index_select(0, index), self.obs_dim, self.act_dim
        return Batch(
            rows[:, :o], rows[:, o : o + a], rows[:, o + a : 2 * o + a], rows[:, -2], rows[:, -1], rows[:, : o + a]
        )

    def clear(self) -> None:
        """Forget everything."""
        self.size = self.position = 0

    def state_dict(self) -> dict[str, Tensor]:
        """The rows in use and where the next one goes."""
        place = torch.tensor([self.capacity, self.position])
        return {"rows": self._rows[: self.size], "place": place}

    def load_state_dict(self, tensors: dict[str, Tensor]) -> None:
        """Back to what `state_dict` gave, bit for bit."""
        rows, (capacity, position) = tensors["rows"], tensors["place"].tolist()
        if (capacity, rows.shape[1]) != self.rows.shape:
            raise ArgumentError(
                f"buffer_size={self.capacity} with {self.rows.shape[1]} numbers a row does not fit the saved replay "
                f"buffer, which has {capacity} with {rows.shape[1]}"
            )
        self._rows[: len(rows)] = rows
        self.size, self.position = len(rows), position
