"""Notebook 05: which row of a mask over a replay buffer is wrong, and why."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence

import numpy as np

from course_lib.course.exercises import attempt


def first_wrong_row(candidate: Callable | None, cases: Sequence[tuple], oracle: Callable) -> dict[str, Callable]:
    """{sentence about the first wrong row: candidate}, to be given to `check` as a mistake; empty where there is none.

    candidate, oracle: buffer -> mask (capacity,). cases: tuples of one buffer.
    """
    for number, (replay,) in enumerate(cases, 1):
        true = np.asarray(oracle(copy.deepcopy(replay)), bool)
        answer = attempt(candidate, copy.deepcopy(replay))
        try:
            mask = np.asarray(answer).astype(float).ravel()
        except (TypeError, ValueError):
            return {}
        if mask.shape != true.shape:
            return {}
        wrong = np.flatnonzero(mask != true)
        if len(wrong):
            row = int(wrong[0])
            said = "left out" if true[row] else "kept"
            return {f"in buffer {number} of {len(cases)}, row {row} is {said}, but {_reason(replay, row)}": candidate}
    return {}


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
