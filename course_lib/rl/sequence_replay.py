"""A replay buffer of episodes: one array, one row a point in time, one lane a copy of the environment."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from course_lib.errors import ArgumentError, NonFiniteError, check_count
from course_lib.machine import MEBI, check_memory


@dataclass
class Sequences:
    """B sequences of T steps, padded; time is the first axis. Observations have T + 1 rows; step T leads to the last.

    A row of padding repeats a row of the same episode, so that it holds nothing infinite; `mask` says what counts.
    """

    observation: Tensor  # (T + 1, B, obs), the final one where an episode ended
    last_action: Tensor  # (T + 1, B, act) the action that led here, in [-1, 1]; 0 where an episode begins
    last_reward: Tensor  # (T + 1, B)
    starts: Tensor  # (T + 1, B) true where an episode begins: memory is zero before this row
    state: Tensor  # (B, state_dim) stored memory before the first row; width 0 if none is stored
    action: Tensor  # (T, B, act)
    reward: Tensor  # (T, B)
    terminated: Tensor  # (T, B) 1 where the episode ended inside the problem, 0 also where it was cut off
    mask: Tensor  # (T, B) 1 where a step counts: not in the burn-in, not in the padding
    burn_in: int  # rows at the beginning that only bring memory up to date


class SequenceReplay:
    """The last episodes of each of `lanes` copies. A row is [observation | last action | last reward | terminated |
    state], all that is known when the agent acts; L transitions take L + 1 rows.

    The array is allocated once. Each copy writes into its own part of it, a ring, so that an episode lies in one piece
    from the first step on and is never moved. Finished episodes can be sampled until their first row is overwritten.

    Args:
        capacity: rows over all lanes. lanes: copies of the environment.
        obs_dim, act_dim, state_dim: widths of observation, action and stored memory (0 to store none).
        sequence_length: steps in a sequence, burn-in included; None for whole episodes.
        burn_in: steps at the beginning of a sequence that are not learned from.
        longest: steps of the longest episode, where that is known.

    Attributes:
        size: transitions in finished episodes. seen: transitions added since the start or `clear`.
    """

    def __init__(
        self, capacity: int, lanes: int, obs_dim: int, act_dim: int, state_dim: int = 0,
        sequence_length: int | None = None, burn_in: int = 0, longest: int | None = None,
    ):  # fmt: skip
        check_sequences(sequence_length, burn_in)
        self.capacity, self.lanes = check_count("buffer_size", capacity), check_count("lanes", lanes)
        self.obs_dim, self.act_dim, self.state_dim = obs_dim, act_dim, state_dim
        self.sequence_length, self.burn_in = sequence_length, burn_in
        self.lane = self.capacity // self.lanes  # rows of each copy
        self.longest = self.lane // 2 - 1  # there is room for a finished episode beside the one in progress
        wanted = 1 if longest is None else longest
        if wanted > self.longest:
            self._too_long(wanted)
        width = obs_dim + act_dim + 2 + state_dim
        self.nbytes = 4 * width * self.lane * self.lanes
        check_memory("buffer_size", capacity, self.nbytes, 4 * width)
        self.rows = np.zeros((self.lane * self.lanes, width), dtype=np.float32)  # pages come as they are written
        self._rows = torch.from_numpy(self.rows)  # the same memory
        self.length = np.zeros(len(self.rows), dtype=np.int32)  # of the finished episode that begins in a row, else 0
        self._base = np.arange(self.lanes) * self.lane
        self.clear()

    def __repr__(self) -> str:
        return (
            f"SequenceReplay({self.size:,} transitions in {np.count_nonzero(self.length):,} finished episodes, "
            f"{self.lanes} x {self.lane:,} rows of {4 * self.rows.shape[1]} bytes, {self.nbytes / MEBI:,.0f} MiB)"
        )

    def _too_long(self, steps: int) -> None:
        raise ArgumentError(
            f"buffer_size={self.capacity} is too small for an episode of {steps} steps: each of {self.lanes} copies "
            f"has {self.lane} rows, and two episodes must fit into them; it must be at least "
            f"{2 * (steps + 1) * self.lanes}"
        )

    # --- writing ----------------------------------------------------------------------------

    def clear(self) -> None:
        """Forget everything; nothing is recorded in a lane until an episode begins there."""
        self.length[:] = 0
        self.position = np.zeros(self.lanes, dtype=np.int64)  # row of the lane that was written last
        self.steps = np.zeros(self.lanes, dtype=np.int64)  # transitions in the episode in progress
        self.recording = np.zeros(self.lanes, dtype=bool)
        self.size = self.seen = self.used = 0
        self._table = None

    def begin(self, observation: np.ndarray) -> None:
        """New episodes begin in all lanes with observation (n, obs); those in progress are dropped."""
        every = np.arange(self.lanes)
        self.position = (self.position - self.steps) % self.lane  # over the first row of what is dropped
        self._open(every, np.asarray(observation))

    def _open(self, lanes: np.ndarray, observation: np.ndarray) -> None:
        """First rows of episodes, at `position`."""
        rows = np.zeros((len(lanes), self.rows.shape[1]), dtype=np.float32)
        rows[:, : self.obs_dim] = observation
        self._write(lanes, rows)
        self.steps[lanes], self.recording[lanes] = 0, True

    def _write(self, lanes: np.ndarray, rows: np.ndarray) -> None:
        if not np.isfinite(rows.sum()):
            self._report(rows)
        self.used = max(self.used, int(self.position[lanes].max()) + 1)  # rows of a lane ever written
        at = self._base[lanes] + self.position[lanes]
        if (gone := self.length[at]).any():
            self.size -= int(gone.sum())
            self.length[at], self._table = 0, None
        self.rows[at] = rows

    def add(self, action, following, reward, terminated, over, fresh, state=None) -> None:
        """A step of all n copies.

        Args:
            action: (n, act) in [-1, 1]. following: the observation it led to, (n, obs), the final one where `over`.
            reward, terminated, over: (n,); `over` also where the episode was only cut off.
            fresh: what the environments returned, (n, obs): the first observation of the next episode where `over`.
            state: (n, state_dim) memory after the last observation, before `following`.

        Raises:
            ArgumentError: an episode has become too long for the buffer, or shapes do not fit.
            NonFiniteError: a reward, an observation or a memory is NaN or infinite.
        """
        n, o, a = self.lanes, self.obs_dim, self.act_dim
        state = np.zeros((n, 0), dtype=np.float32) if state is None else state
        shapes = tuple(np.shape(v) for v in (action, following, reward, terminated, over, fresh, state))
        if shapes != (wanted := ((n, a), (n, o), (n,), (n,), (n,), (n, o), (n, self.state_dim))):
            raise ArgumentError(f"a step of shapes {shapes} does not fit this buffer; accepted: {wanted}")
        lanes = np.flatnonzero(self.recording)
        if len(lanes) and self.steps[lanes].max() >= self.longest:
            self._too_long(int(self.steps[lanes].max()) + 1)
        rows = np.empty((n, self.rows.shape[1]), dtype=np.float32)
        columns = (slice(o), slice(o, o + a), o + a, o + a + 1, slice(o + a + 2, None))
        for column, v in zip(columns, (following, action, reward, terminated, state), strict=True):
            rows[:, column] = v
        self.position[lanes] = (self.position[lanes] + 1) % self.lane
        if len(lanes):
            self._write(lanes, rows[lanes])
        self.steps[lanes] += 1
        self.seen += len(lanes)
        done = np.flatnonzero(over & self.recording)
        if len(done):
            self.length[self._base[done] + (self.position[done] - self.steps[done]) % self.lane] = self.steps[done]
            self.size += int(self.steps[done].sum())
            self._table = None
        if (done := np.flatnonzero(over)).size:
            self.position[done] = (self.position[done] + self.recording[done]) % self.lane
            self._open(done, np.asarray(fresh)[done])

    def _report(self, rows: np.ndarray) -> None:
        wrong = np.argwhere(~np.isfinite(rows))
        if len(wrong):  # else the sum has only overflowed
            i, column = wrong[0]
            names = ["observation"] * self.obs_dim + ["action"] * self.act_dim + ["reward", "terminated"]
            name = [*names, *["memory"] * self.state_dim][column]
            raise NonFiniteError(
                f"{name} is {rows[i, column]} in a step for the replay buffer; accepted: finite numbers"
            )

    # --- sampling ---------------------------------------------------------------------------

    def sample(self, batch_size: int, generator: torch.Generator) -> Sequences:
        """`batch_size` sequences with replacement, from episodes drawn in proportion to their lengths. Of an episode
        that is longer than what a sequence learns from, any part is as likely."""
        if not self.size:
            raise ArgumentError(
                f"batch_size={batch_size} is more than the replay buffer can give: no episode in it has ended, after "
                f"{self.seen} transitions"
            )
        if self._table is None:
            first = torch.from_numpy(np.flatnonzero(self.length))
            length = torch.from_numpy(self.length)[first].long()
            self._table = first, length, length.cumsum(0)
        first, length, total = self._table
        draw = torch.randint(self.size, (batch_size,), generator=generator)
        index = torch.searchsorted(total, draw, right=True)
        first, length = first[index], length[index]
        begin = torch.zeros_like(length)
        if self.sequence_length is not None:
            last = (length - (self.sequence_length - self.burn_in)).clamp(min=0)
            begin = (torch.rand(batch_size, generator=generator) * (last + 1)).long().clamp(max=last)
        return self.batch(first, length, begin)

    def batch(self, first: Tensor, length: Tensor, begin: Tensor) -> Sequences:
        """Sequences that are learned from step `begin` (B,) on, of the episodes of `length` (B,) steps whose first row
        is `first` (B,)."""
        learned = int((length - begin).max())
        if self.sequence_length is not None:
            learned = min(learned, self.sequence_length - self.burn_in)
        t = (begin - self.burn_in) + torch.arange(self.burn_in + learned + 1).unsqueeze(1)  # (T + 1, B) step
        lane, row = first // self.lane, first % self.lane
        index = lane * self.lane + (row + t.clamp(min=0).minimum(length)) % self.lane
        rows = self._rows.index_select(0, index.view(-1)).view(*index.shape, -1)
        seen, action, reward, terminated, state = rows.split([self.obs_dim, self.act_dim, 1, 1, self.state_dim], dim=-1)
        mask = (t[:-1] >= begin) & (t[:-1] < length)
        reward = reward.squeeze(-1)
        return Sequences(
            seen, action, reward, t == 0, state[0], action[1:], reward[1:], terminated[1:].squeeze(-1),
            mask.to(rows.dtype), self.burn_in,
        )  # fmt: skip

    # --- saving -----------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Tensor]:
        """The rows in use, and what is where."""
        place = [self.capacity, self.lanes, self.size, self.seen]
        return {
            "rows": self._rows.view(self.lanes, self.lane, -1)[:, : self.used],
            "length": torch.from_numpy(self.length),
            "lanes": torch.from_numpy(np.stack([self.position, self.steps, self.recording])),
            "place": torch.tensor(place),
        }

    def load_state_dict(self, tensors: dict[str, Tensor]) -> None:
        """Back to what `state_dict` gave, bit for bit."""
        rows, (capacity, lanes, size, seen) = tensors["rows"], tensors["place"].tolist()
        if (capacity, lanes, rows.shape[2]) != (self.capacity, self.lanes, self.rows.shape[1]):
            raise ArgumentError(
                f"buffer_size={self.capacity} for {self.lanes} copies with {self.rows.shape[1]} numbers a row does not "
                f"fit the saved replay buffer, which has {capacity} for {lanes} with {rows.shape[2]}"
            )
        self._rows.view(self.lanes, self.lane, -1)[:, : rows.shape[1]] = rows
        self.length[:] = tensors["length"].numpy()
        position, steps, recording = tensors["lanes"].numpy()
        self.position, self.steps, self.recording = position.copy(), steps.copy(), recording.astype(bool)
        self.size, self.seen, self.used, self._table = size, seen, rows.shape[1], None


def check_sequences(sequence_length: int | None, burn_in: int) -> None:
    """Raise unless a sequence is long enough to learn from after its burn-in."""
    check_count("burn_in", burn_in, 0)
    if sequence_length is None:
        if burn_in:
            raise ArgumentError(
                f"burn_in={burn_in} is not accepted with whole episodes (sequence_length=None), whose memory begins "
                "at zero as in acting; accepted: 0"
            )
        return
    check_count("sequence_length", sequence_length)
    if burn_in >= sequence_length:
        raise ArgumentError(
            f"burn_in={burn_in} leaves nothing to learn from in a sequence of sequence_length={sequence_length} steps; "
            f"accepted: 0 to {sequence_length - 1}"
        )
