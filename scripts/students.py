"""Five students who hand a notebook in, to see whether grading is fair: for tests and for benchmarks/classroom.py."""

from __future__ import annotations

import ast
import copy
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "scripts")]
import forms  # noqa: E402

CHEATING = """\
import sys
import course_lib as cl
import course_lib.classroom.checks, course_lib.classroom.grading, course_lib.course.exercises

def check(*args, **kwargs):
    print("✓ all right")

def verdict(*args, **kwargs):
    return "✓ all right"

cl.check = check
for module in [each for name, each in sys.modules.items() if name.startswith("course_lib.c")]:
    for name in ("check", "verdict", "judge", "grade", "grade_one", "grade_all"):
        if hasattr(module, name):
            setattr(module, name, check if name == "check" else verdict)
kinds = course_lib.course.exercises
kinds.Compare.judge = kinds.Compare.verdict = kinds.Demands.verdict = verdict
"""
TEXT = {"cell_type": "markdown", "metadata": {}, "source": "I hope this is enough."}


def exercises(nb: dict) -> list[dict]:
    return [cell for cell in nb["cells"] if cell["metadata"].get("nbgrader", {}).get("solution")]


def own_cell(source: str) -> dict:
    return {"cell_type": "code", "metadata": {}, "source": source, "outputs": [], "execution_count": None}


def right(released: dict, solutions: dict[str, str], wrong: dict[str, str]) -> dict:
    """Everything solved; helper functions in a cell of its own, and a note."""
    nb = copy.deepcopy(released)
    for cell in exercises(nb):
        cell["source"] = solutions[cell["metadata"]["nbgrader"]["grade_id"]]
    nb["cells"] = [nb["cells"][0], own_cell("1 / 0"), own_cell("def helper(x):\n    return x"), TEXT, *nb["cells"][1:]]
    return nb


def stubs(released: dict, solutions: dict[str, str], wrong: dict[str, str]) -> dict:
    """Nothing done."""
    return copy.deepcopy(released)


def mistaken(released: dict, solutions: dict[str, str], wrong: dict[str, str]) -> dict:
    """A plausible wrong answer to each exercise."""
    nb = copy.deepcopy(released)
    for cell in exercises(nb):
        cell["source"] = wrong[cell["metadata"]["nbgrader"]["grade_id"]]
    return nb


def cheat(released: dict, solutions: dict[str, str], wrong: dict[str, str]) -> dict:
    """Wrong answers, and the checks redefined: in a cell of its own, in the first answer, in the check cells."""
    nb = mistaken(released, solutions, wrong)
    cells = exercises(nb)
    cells[0]["source"] = CHEATING + "\n\n" + cells[0]["source"]
    for cell in nb["cells"]:
        if cell["metadata"].get("nbgrader", {}).get("grade"):
            cell["source"] = "print('✓ all right')"
    nb["cells"].insert(1, own_cell(CHEATING))
    return nb


def careless(released: dict, solutions: dict[str, str], wrong: dict[str, str]) -> dict:
    """Right, but the first exercise, the check of the last and all imports are deleted."""
    nb = right(released, solutions, wrong)
    first, checks = exercises(nb)[0], [c for c in nb["cells"] if c["metadata"].get("nbgrader", {}).get("grade")]
    gone = [first, checks[-1], *[c for c in nb["cells"] if forms.PRELUDE in c["metadata"].get("tags", [])]]
    nb["cells"] = [cell for cell in nb["cells"] if not any(cell is each for each in gone)]
    return nb


STUDENTS = {"right": right, "stubs": stubs, "mistaken": mistaken, "cheat": cheat, "careless": careless}


def due(student: str, points: dict[str, float]) -> float:
    """Points that a student should get, of number of the exercise -> points."""
    every = list(points)
    return {"right": sum(points.values()), "careless": sum(points.values()) - points[every[0]]}.get(student, 0.0)


def wrong_answers(notebook: str) -> dict[str, str]:
    """Grade id -> the first wrong answer of tests/exercises that is a function of the right name."""
    import runpy

    held = runpy.run_path(str(ROOT / "tests" / "exercises" / f"nb{notebook}.py"))["WRONG"]
    found = {}
    for key, answers in held.items():
        found[f"ex-{key}"] = next(text for _, text in answers if ast.parse(text))
    return found
