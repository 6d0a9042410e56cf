"""One switch for how much to compute: the environment variable COURSE_BUDGET, read once at import.

smoke: every branch runs, for tests; lite (default): for a learner at work; full: for the results that ship.
"""

from __future__ import annotations

import os
from typing import TypeVar

from course_lib.errors import check_choice

T = TypeVar("T")
NAMES = ("smoke", "lite", "full")


class Budget:
    """Callable that picks one of three values: `budget(smoke=1, lite=10, full=100)`."""

    def __init__(self, name: str):
        check_choice("COURSE_BUDGET", name, NAMES)
        self.name = name

    def __call__(self, *, smoke: T, lite: T, full: T) -> T:
        return {"smoke": smoke, "lite": lite, "full": full}[self.name]

    def __repr__(self) -> str:
        return f"Budget({self.name!r})"


budget = Budget(os.environ.get("COURSE_BUDGET", "lite") or "lite")
