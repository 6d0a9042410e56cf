"""Partial observability: a task seen through a mask."""

from __future__ import annotations

import operator

import numpy as np

from course_lib.envs.engine.task import Array, State, Task
from course_lib.envs.engine.wrapped import Wrapped
from course_lib.errors import ArgumentError, nearest


class Masked(Wrapped):
    """`task` with part of its observation left out; everything else is untouched.

    Args:
        hide: a kind of quantity ("velocities", "positions", …, as in `task.observation_kinds()`), or
            the indices to leave out.
    """

    def __init__(self, task: Task, hide: str | list[int]):
        kinds = task.observation_kinds()
        if isinstance(hide, str):
            valid = sorted(set(kinds))
            if hide not in valid:
                raise ArgumentError(
                    f"hide={hide!r} is not a kind of {task.id}; accepted: {', '.join(valid)}{nearest(hide, valid)}"
                )
            hidden = [i for i, kind in enumerate(kinds) if kind == hide]
        else:
            hidden = _indices(hide, task, len(kinds))
        self._shown = np.array([i for i in range(len(kinds)) if i not in set(hidden)], dtype=int)
        if len(self._shown) == 0:
            raise ArgumentError(f"hide={hide!r} leaves nothing of the {len(kinds)} entries of {task.id} to see")
        super().__init__(task)
        self.hide = hide

    @property
    def keep(self) -> Array:
        return self.task.keep[self._shown]

    def observe(self, state: State) -> Array:
        return self.task.observe(state)[:, self._shown]

    def observation_kinds(self) -> list[str]:
        kinds = self.task.observation_kinds()
        return [kinds[i] for i in self._shown]


def _indices(hide, task: Task, width: int) -> list[int]:
    """`hide` as whole numbers from 0 to width - 1."""
    kinds = ", ".join(sorted(set(task.observation_kinds())))
    accepted = f"accepted: {kinds} or a list of indices from 0 to {width - 1}"
    try:
        hidden = [i if isinstance(i, bool) else operator.index(i) for i in hide]
    except TypeError:
        raise ArgumentError(f"hide={hide!r} does not say what to hide of {task.id}; {accepted}") from None
    wrong = [i for i in hidden if isinstance(i, bool) or not 0 <= i < width]
    if wrong:
        raise ArgumentError(f"hide={wrong} is outside the observation of {task.id}; {accepted}")
    return hidden
