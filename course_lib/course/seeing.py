"""What you should see: a declared range beside the cell that makes the number, checked when the cell runs.

    ✓ median error: 0.98 % (0.5 to 1.3)
    → median error: 1.8 %, outside of 0.5 to 1.3: run the cell again with another seed

In the smoke budget numbers mean nothing, so they are printed and not judged. If the environment variable COURSE_SEEN
names a file, every line is added to it as JSON; `benchmarks/ranges.py` reads it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from course_lib.course.budget import budget
from course_lib.course.predictions import compared
from course_lib.errors import ArgumentError

FILE = "COURSE_SEEN"
USUAL = "one run in many falls outside; run the cell again, and if it stays so, something differs on this machine"


def see(
    label: str,
    value: object,
    between: Sequence | None = None,
    unit: str = "",
    otherwise: str = "",
    predicted: str | None = None,
) -> None:
    """Print `value` and whether it is what you should see.

    Args:
        label: what the value is.
        value: a number; several numbers, which must all lie in the range; a bool, if there is no range; or a word.
        between: (least, largest), both included; an infinite end is left out of the text. For a word: those accepted.
        unit: printed after the number, such as "%" or "s".
        otherwise: what to do or think if it is not what you should see.
        predicted: number of the prediction that this answers; see `predict`.
    """
    values = np.atleast_1d(np.asarray(value, dtype=str if isinstance(value, str) else float))
    if isinstance(value, str):
        good, said, range_ = value in (between or ()), value, " or ".join(between or ())
    elif between is None:
        if not isinstance(value, (bool, np.bool_)):
            raise ArgumentError(f"between=None is not accepted with value={value!r:.60}; accepted: (least, largest)")
        good, said, range_ = bool(value), "yes" if value else "no", ""
    else:
        low, high = between
        if not low <= high:
            raise ArgumentError(f"between={between!r} is not accepted; the first number must not be above the second")
        good = bool(np.isfinite(values).all() and (values >= low).all() and (values <= high).all())
        said = ", ".join(f"{v:,.3g}" if abs(v) < 1000 else f"{v:,.0f}" for v in values) + (f" {unit}" if unit else "")
        range_ = (
            f"{low:g} or more" if high == np.inf else f"{high:g} or less" if low == -np.inf else f"{low:g} to {high:g}"
        )
    judged = budget.name != "smoke"
    if not judged:
        line = f"· {label}: {said} (not judged in the smoke budget)"
    elif good:
        line = f"✓ {label}: {said}" + (f" ({range_})" if range_ else "")
    else:
        line = f"→ {label}: {said}" + (f", outside of {range_}" if range_ else "") + f": {otherwise or USUAL}"
    print(line + (compared(predicted, value) if predicted else ""))
    if path := os.environ.get(FILE):
        row = dict(label=label, value=values.tolist(), between=between and list(between), good=good, judged=judged)
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
