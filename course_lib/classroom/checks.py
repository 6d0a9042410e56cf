"""The checks of all notebooks, one call away, and the solutions for those who work alone.

    cl.check("3.1", rk4_step)     one line: right, not done yet, or what is wrong
    cl.solution("3.1")            the course's own answer, once you have tried yours

A check shows no traceback of your code. A wrong answer raises only while nbgrader runs, because nbgrader counts points
by exceptions.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import json
import os
import re

import numpy as np

from course_lib.course.exercises import EXERCISES, Exercise, verdict
from course_lib.course.packed import read_packed
from course_lib.course.predictions import home
from course_lib.errors import ArgumentError, PolicyFileError, check_choice
from course_lib.files import write_atomically

SEEN = 0  # seed of the check that everyone sees
NOTEBOOKS = 10


def numbered(number: str) -> str:
    """ "03.1", "3.1" -> "3.1"."""
    found = re.fullmatch(r"0?(\d{1,2})\.(\d{1,2})", number) if isinstance(number, str) else None
    if not found or not 1 <= int(found[1]) <= NOTEBOOKS:
        raise ArgumentError(f"number={number!r} is not accepted; it must be notebook and exercise, such as '3.1'")
    return f"{int(found[1])}.{int(found[2])}"


def exercise_of(number: str) -> Exercise:
    """The exercise of this number."""
    number = numbered(number)
    notebook = number.partition(".")[0]
    importlib.import_module(f"course_lib.lessons.nb{notebook.zfill(2)}_checks")
    check_choice("number", number, [each for each in EXERCISES if each.partition(".")[0] == notebook])
    return EXERCISES[number]


def check(number: str, answer) -> None:
    """Print whether your answer to an exercise is right, and if it is not, what is wrong.

    Args:
        number: number of the exercise, as in its title, such as "3.1".
        answer: what you wrote: the function or class itself, not its result.
    """
    exercise = exercise_of(number)
    if not callable(answer):
        kind = type(answer).__name__
        article = "an" if kind[0] in "aeiou" or kind == "ndarray" else "a"
        raise ArgumentError(
            f"answer is {article} {kind}; pass the function {exercise.name} itself, without parentheses"
        )
    grading = os.environ.get("NBGRADER_EXECUTION", "")
    rng = np.random.default_rng(None if grading == "autograde" else SEEN)
    made = exercise.build(rng)
    made = made.more(rng) if grading == "autograde" else made
    line = verdict(exercise.number, exercise.name, functools.partial(made.verdict, answer, exercise.name))
    if not line.startswith("○"):
        _tried(exercise.number)
    print(line)
    if grading and not line.startswith("✓"):
        raise AssertionError(line)


# --- solutions ------------------------------------------------------------------------------------------


def solution(number: str, *, untried: bool = False) -> None:
    """Print the course's own answer to an exercise, once its check has seen an answer of yours.

    Args:
        number: number of the exercise, such as "3.1".
        untried: True shows it even if you have not tried.
    """
    exercise = exercise_of(number)
    if not untried and exercise.number not in tried():
        print(
            f"{exercise.number}: write an answer first, and run its check. A wrong answer will do: its hint teaches "
            f"more than the solution.\nTo see it all the same: cl.solution({exercise.number!r}, untried=True)"
        )
        return
    print(packed_texts()["solutions"][exercise.number])


@functools.cache
def packed_texts() -> dict[str, dict]:
    """What scripts/forms.py packs from all notebooks: "solutions", "points", "prelude", "known"."""
    return json.loads(read_packed("solutions.b64"))


def tried() -> list[str]:
    """Numbers of the exercises whose check has seen an answer on this machine."""
    try:
        found = json.loads((home() / "tried.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return []
    return [each for each in found if isinstance(each, str)] if isinstance(found, list) else []


def _tried(number: str) -> None:
    before = tried()
    if number not in before:
        with contextlib.suppress(PolicyFileError):  # a folder that cannot be written costs the memory, not the verdict
            write_atomically(home() / "tried.json", json.dumps([*before, number]).encode())
