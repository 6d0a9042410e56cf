"""Grading a submission: what its author wrote runs in a process of its own, beside cases that were drawn for it.

    python -m course_lib grade 03_ode_cells.ipynb …       a line for each exercise, and the points

From the submission only two kinds of cell are taken: the answers, and cells that its author added. Everything else, the
imports and functions that an answer may use, the check, its oracle, comes from this library. Each answer starts from
there in a fork of its own. Where one value is right, that fork sends nothing but numbers back, and they are judged
outside of it: what a submission does to `check`, to numpy or to this module changes nothing. Where many answers are
right, their conditions run beside the answer, in the fork, after everything that its cells may have redefined was put
back. (Instances that garbage collection can find are not put back.) An answer that redefines it once more while it runs
could pass there: `by_demand()` names these exercises.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import io
import json
import os
import re
import secrets
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from course_lib.classroom.checks import exercise_of, packed_texts
from course_lib.classroom.sandbox import CUT_OFF, LOST, OWN_SECONDS, decoded, encoded, in_a_fork, run, snapshot
from course_lib.course.answers import Wrong
from course_lib.course.budget import budget
from course_lib.course.exercises import Compare, Demands, verdict
from course_lib.errors import ArgumentError, CourseError
from course_lib.files import write_atomically

SECONDS = 120  # of processor time for one answer
LITE = ("4.5", "5.7", "10.7")  # whose checks ask more in a larger budget: they ask here what they ask in a notebook


@dataclass(frozen=True)
class Cell:
    """A code cell of a submission: the exercise that it answers ("3.1"), or "" for one that its author added."""

    exercise: str
    source: str


def answers_in(nb: dict) -> tuple[str, list[Cell]]:
    """A submitted notebook -> its number, such as "03", and its author's cells in their order.

    Raises:
        ArgumentError: it holds no exercise of this course.
    """
    cells = [cell for cell in nb.get("cells", []) if isinstance(cell, dict) and cell.get("cell_type") == "code"]
    marks = [grade_id_of(cell) for cell in cells]
    numbers = {mark.split("-")[1] for mark in marks if mark}
    if len(numbers) != 1 or not numbers <= packed_texts()["known"].keys():
        found = ", ".join(sorted(numbers)) or "no notebook"
        raise ArgumentError(f"the notebook holds exercises of {found}; exactly one notebook of this course is accepted")
    (number,) = numbers
    known, written = set(packed_texts()["known"][number]), []
    for cell, mark in zip(cells, marks, strict=True):
        source = cell.get("source", "")
        source = source if isinstance(source, str) else "".join(map(str, source))
        if not source.strip():
            continue
        if mark.startswith("ex-"):
            written.append(Cell(f"{int(number)}.{mark.split('-')[2]}", source))
        elif not mark and digest(source) not in known and "setup" not in (_of(cell, "metadata").get("tags") or []):
            written.append(Cell("", source))
    return number, written


def grade_id_of(cell: dict) -> str:
    """ "ex-03-1" or "check-03-1" of a cell that has such a mark; "" for others."""
    grade_id = _of(_of(cell, "metadata"), "nbgrader").get("grade_id")
    return grade_id if isinstance(grade_id, str) and re.fullmatch(r"(ex|check)-\d\d-\d+", grade_id) else ""


def _of(place: dict, name: str) -> dict:
    found = place.get(name)
    return found if isinstance(found, dict) else {}


def digest(source: str) -> str:
    """Short name of a cell's text."""
    return hashlib.sha1(source.strip().encode()).hexdigest()[:12]


def exercises_of(number: str) -> list[str]:
    """ "03" -> ["3.1", "3.2", …]."""
    return [each for each in packed_texts()["points"] if each.partition(".")[0] == str(int(number))]


def by_demand() -> list[str]:
    """Numbers of the exercises that many answers meet, whose conditions run beside the answer."""
    rng = np.random.default_rng(0)
    return [n for n in packed_texts()["points"] if isinstance(exercise_of(n).build(rng), Demands)]


def grade(nb: dict, seconds: float = SECONDS, kept: Path | None = None) -> dict[str, str]:
    """Grade a submitted notebook.

    Args:
        nb: the notebook, as its JSON holds it.
        seconds: of processor time for an answer.
        kept: folder of verdicts: the same answers are not judged again, but take the verdict that is kept.

    Returns:
        Number of each exercise -> the line of its check; "✓" begins those that earn points.
    """
    number, cells = answers_in(nb)
    job = json.dumps({"number": number, "cells": [[c.exercise, c.source] for c in cells], "seconds": seconds})
    told = hashlib.sha256(job.encode() + rules())  # a mended check judges anew
    file = kept and kept / f"{number}-{told.hexdigest()[:32]}.json"
    if file and file.exists():
        return json.loads(file.read_text(encoding="utf-8"))
    settings = {"OMP_NUM_THREADS": "1", "COURSE_BUDGET": "smoke", "MPLBACKEND": "agg", "NBGRADER_EXECUTION": ""}
    settings["CUDA_VISIBLE_DEVICES"] = ""  # where torch sees a GPU, a fork after a gradient can compute none
    command = [sys.executable, "-m", "course_lib.classroom.grading"]
    done = subprocess.run(command, input=job, capture_output=True, text=True, env={**os.environ, **settings})
    try:
        lines = json.loads(done.stdout.splitlines()[-1])
    except (ValueError, IndexError):
        lines = None
    if done.returncode or not isinstance(lines, dict):
        raise CourseError(f"grading notebook {number} stopped: {done.stderr.strip()[-2000:] or done.returncode}")
    if file and not any(lost in line for line in lines.values() for lost in LOST):
        write_atomically(file, json.dumps(lines).encode())
    return lines


@functools.cache
def rules() -> bytes:
    """Digest of all that a verdict follows from besides the answers: checks, oracles and solutions of this library."""
    folder, digest = Path(__file__).parents[1], hashlib.sha256()
    for room in ("classroom", "course", "lessons", "evaluation"):
        for file in sorted((folder / room).rglob("*")):
            if file.suffix in (".py", ".b64"):
                digest.update(file.name.encode() + file.read_bytes())
    return digest.digest()


def points(lines: dict[str, str]) -> tuple[float, float]:
    """Points earned, points to be had."""
    worth = packed_texts()["points"]
    return sum(worth[n] for n, line in lines.items() if line.startswith("✓")), sum(worth[n] for n in lines)


def for_gradescope(lines: dict[str, str]) -> dict:
    """Lines of checks as the results.json that Gradescope reads."""
    worth = packed_texts()["points"]
    tests = [
        {"name": number, "score": worth[number] * line.startswith("✓"), "max_score": worth[number], "output": line}
        for number, line in lines.items()
    ]
    return {"tests": tests}


# --- in a process of its own ------------------------------------------------------------------------------


def grade_all(number: str, cells: list[Cell], seconds: float) -> dict[str, str]:
    """As `grade`, in this process, which forks for every answer."""
    names: dict = {"__name__": "__main__"}
    with contextlib.redirect_stdout(io.StringIO()):
        for source in packed_texts()["prelude"][number]:
            exec(compile(source, "prelude", "exec"), names)
    lines = {}
    for exercise in exercises_of(number):
        places = [k for k, cell in enumerate(cells) if cell.exercise == exercise]
        before = cells[: places[-1] + 1] if places else []
        lines[exercise] = grade_one(exercise, before, names, seconds)
    return lines


@contextlib.contextmanager
def budget_of(number: str):
    """Compute as much as a check asks for."""
    before, budget.name = budget.name, "lite" if number in LITE else budget.name
    try:
        yield
    finally:
        budget.name = before


def grade_one(number: str, cells: list[Cell], names: dict, seconds: float) -> str:
    """The verdict on the last of `cells`, which answers exercise `number`."""
    with budget_of(number):
        return _grade_one(number, cells, names, seconds)


def _grade_one(number: str, cells: list[Cell], names: dict, seconds: float) -> str:
    exercise, rng = exercise_of(number), np.random.default_rng(secrets.randbits(64))
    if not cells:
        return f"○ {number} {exercise.name}: the cell is missing"
    made = exercise.build(rng).more(rng)
    own = OWN_SECONDS * (len(cells) - 1)  # earlier cells do not use up what the answer may take
    sent = in_a_fork(lambda: answer(made, exercise.name, cells, names), seconds, own)
    if not isinstance(sent, dict):
        return f"✗ {number} {exercise.name}: {sent}"

    def said() -> str:
        if "stub" in sent:
            raise NotImplementedError
        if "wrong" in sent:
            raise Wrong(sent["wrong"])
        try:
            if isinstance(made, Compare):
                return made.judge([decoded(each) for each in sent["answers"]], exercise.name)
            return str(sent["right"])
        except (KeyError, TypeError, ValueError):  # a fork that was tampered with may send anything
            raise Wrong("its process did not return a valid answer") from None

    line = verdict(number, exercise.name, said)
    if sent.get("cut off") is True and not line.startswith("✓"):
        line += f" (a cell above the answer was cut off after {OWN_SECONDS:g} s of processor time)"
    return line


def answer(made: Compare | Demands, name: str, cells: list[Cell], names: dict) -> dict:
    """Run the author's cells, then the answer in every case: what there is to judge, and whether a cell was cut off."""
    restore = snapshot()
    stopped = [run(cell.source, names, OWN_SECONDS) for cell in cells[:-1]]
    trouble = run(cells[-1].source, names, 0)
    restore()
    return {**_answered(made, name, names, trouble), "cut off": any(why.startswith(CUT_OFF) for why in stopped)}


def _answered(made: Compare | Demands, name: str, names: dict, trouble: str) -> dict:
    if trouble:
        return {"wrong": trouble}
    function = names.get(name)
    if not callable(function):
        return {"stub": True} if function is None else {"wrong": f"{name} is not a function any more"}
    try:
        if isinstance(made, Compare):
            return {"answers": [encoded(each) for each in made.answers(function)]}
        return {"right": made.verdict(function, name)}
    except NotImplementedError:
        return {"stub": True}
    except Wrong as wrong:
        return {"wrong": str(wrong)}


def main() -> None:
    job = json.load(sys.stdin)
    lines = grade_all(job["number"], [Cell(*each) for each in job["cells"]], job["seconds"])
    print(json.dumps(lines))


if __name__ == "__main__":
    main()
