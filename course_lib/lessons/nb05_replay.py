"""Notebook 05: a replay buffer with a bug, and which row of a mask over it is wrong, and why."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence

import numpy as np


class ThriftyReplay:
    """Stores each observation once: the next observation of row i is row i + 1, and row 0 follows the last row."""

    def __init__(self, capacity):
        self.capacity, self.position, self.size = capacity, 0, 0
        self.observation, self.reward = np.zeros(capacity), np.zeros(capacity)
        self.terminated, self.truncated = np.zeros(capacity, bool), np.zeros(capacity, bool)

    def add(self, observation, reward, terminated, truncated):
        """An observation, and what the action taken there led to."""
        i = self.position
        self.observation[i], self.reward[i], self.terminated[i], self.truncated[i] = (
            observation,
            reward,
            terminated,
            truncated,
        )
        self.position, self.size = (i + 1) % self.capacity, min(self.size + 1, self.capacity)

    def following(self, rows):
        return self.observation[(rows + 1) % self.capacity]

    def newest(self):
        """(capacity,) of True and False: the row that was written last."""
        return np.arange(self.capacity) == (self.position - 1) % self.capacity


def all_rows(replay):
    """The rows that may be drawn: every one that was written."""
    return np.arange(replay.capacity) < replay.size


def first_wrong_row(cases: Sequence[tuple], answers: Sequence[object], oracle: Callable) -> str:
    """A sentence about the first row that is wrong; "" where there is none, or an answer is no mask.

    cases: tuples of one buffer. answers: what came back, one for each. oracle: buffer -> mask (capacity,).
    """
    for number, ((replay,), answer) in enumerate(zip(cases, answers, strict=True), 1):
        true = np.asarray(oracle(copy.deepcopy(replay)), bool)
        try:
            mask = np.asarray(answer).astype(float).ravel()
        except (TypeError, ValueError):
            return ""
        if mask.shape != true.shape:
            return ""
        wrong = np.flatnonzero(mask != true)
        if len(wrong):
            row = int(wrong[0])
            said = "left out" if true[row] else "kept"
            return f"in case {number} of {len(cases)}, row {row} is {said}, but {_reason(replay, row)}"
    return ""


def _reason(replay, row: int) -> str:
    if row >= replay.size:
        return "nothing was ever written there"
    if row == (replay.position - 1) % replay.capacity:
        return "it was written last, so its next observation is not in the buffer yet"
    if replay.truncated[row]:
        return "the clock ended its episode there, so the following row begins another episode"
    if replay.terminated[row]:
        return "it ends in a fall: the target does not use the next observation, so the row is sound"
    if row == replay.position % replay.size:
        return "it is sound: it is the oldest row, and the following row holds its next observation"
    return "it is sound: the following row holds its next observation"
