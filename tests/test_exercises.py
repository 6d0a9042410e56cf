"""Every exercise of every notebook: the solution is accepted, wrong answers get the hint that names the mistake, the
stub is "not done yet".

The cells are read out of the notebook sources, so that nothing here can drift from what the learner sees:

- a solution cell has nbgrader's `solution: true` and grade_id `ex-NN-K`; its text between `### BEGIN SOLUTION` and
  `### END SOLUTION` becomes the stub that nbgrader writes;
- its check cell has `grade: true` and grade_id `check-NN-K`;
- cells tagged "prelude" (imports, small functions) are run before; a check needs no other cell;
- `tests/exercises/nbNN.py` holds WRONG: exercise "NN-K" -> [(words of the hint, source of a wrong answer), …].
"""

from __future__ import annotations

import ast
import functools
import re
import runpy
from pathlib import Path

import numpy as np
import pytest
import torch

from course_lib.course.exercises import attempt, check, check_that, shown

jupytext = pytest.importorskip("jupytext")
ROOT = Path(__file__).resolve().parent.parent
SOURCES = sorted((ROOT / "notebooks" / "py").glob("[0-9][0-9]_*.py"))
REGION = re.compile(r"^([ \t]*)### BEGIN SOLUTION\n.*?^[ \t]*### END SOLUTION[^\n]*", re.M | re.S)


@functools.cache
def cells(source: Path) -> list:
    return [cell for cell in jupytext.read(source).cells if cell.cell_type == "code"]


def graded(source: Path) -> dict[str, dict[str, str]]:
    """ "NN-K" -> {"ex": source of the solution cell, "check": source of the check cell}."""
    found: dict[str, dict[str, str]] = {}
    for cell in cells(source):
        if "nbgrader" in cell.metadata:
            kind, _, key = cell.metadata["nbgrader"]["grade_id"].partition("-")
            assert kind not in found.setdefault(key, {}), f"{source.name}: grade_id {kind}-{key} is there twice"
            found[key][kind] = cell.source
    return found


@functools.cache
def prelude(source: Path) -> dict:
    names: dict = {"__name__": "__main__"}
    for cell in cells(source):
        if "prelude" in cell.metadata.get("tags", []):
            exec(compile(cell.source, source.name, "exec"), names)
    return names


def wrong_answers(source: Path) -> dict[str, list[tuple[str, str]]]:
    file = Path(__file__).parent / "exercises" / f"nb{source.name[:2]}.py"
    return runpy.run_path(str(file))["WRONG"] if file.is_file() else {}


def stub(solution: str) -> str:
    """What nbgrader leaves of a solution cell."""
    return REGION.sub(lambda m: f"{m[1]}# YOUR CODE HERE\n{m[1]}raise NotImplementedError()", solution)


def verdict(source: Path, key: str, answer: str, capsys) -> str:
    """The one line that the check of exercise `key` prints when the learner's cell is `answer`."""
    names = dict(prelude(source))
    exec(compile(answer, f"ex-{key}", "exec"), names)
    capsys.readouterr()
    exec(compile(graded(source)[key]["check"], f"check-{key}", "exec"), names)
    out, err = capsys.readouterr()
    assert not err and out.count("\n") == 1, f"a check prints one line; it printed {out!r} and {err!r}"
    return out.strip()


TRAINS = ("04-5", "04-6", "05-7", "09-5")
SLOW = {key: pytest.mark.slow for key in TRAINS}
EXERCISES = [pytest.param(source, key, id=key, marks=SLOW.get(key, ())) for source in SOURCES for key in graded(source)]
WRONG = [
    pytest.param(source, key, hint, answer, id=f"{key}-{k}", marks=SLOW.get(key, ()))
    for source in SOURCES
    for key, answers in wrong_answers(source).items()
    for k, (hint, answer) in enumerate(answers, 1)
]


@pytest.mark.parametrize("source", SOURCES, ids=lambda s: s.stem)
def test_notebook_has_its_exercises(source):
    found = graded(source)
    assert len(found) >= 4
    wrong = wrong_answers(source)
    assert set(wrong) == set(found)
    assert all(len({hint for hint, _ in answers}) >= 2 for answers in wrong.values())


@pytest.mark.parametrize("source, key", EXERCISES)
def test_metadata_and_shape(source, key):
    """nbgrader's fields are complete, and the cell is functions only, so that a stub never stops Run All."""
    fields = [cell.metadata["nbgrader"] for cell in cells(source) if "nbgrader" in cell.metadata]
    by_id = {each["grade_id"]: each for each in fields}
    solution, test = by_id[f"ex-{key}"], by_id[f"check-{key}"]
    assert solution["solution"] and not solution["grade"] and not solution["locked"]
    assert test["grade"] and test["locked"] and not test["solution"] and test["points"] > 0
    assert all(m["schema_version"] == 3 and m["task"] is False for m in (solution, test))
    code = graded(source)[key]["ex"]
    assert len(REGION.findall(code)) >= 1
    harmless = (ast.FunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom)
    for text in (code, stub(code)):
        assert all(isinstance(node, harmless) for node in ast.parse(text).body)


@pytest.mark.parametrize("source, key", EXERCISES)
def test_solution_is_accepted(source, key, capsys):
    assert verdict(source, key, graded(source)[key]["ex"], capsys).startswith("✓")


@pytest.mark.parametrize("source, key", EXERCISES)
def test_stub_and_missing_are_not_done_yet(source, key, capsys):
    for answer in (stub(graded(source)[key]["ex"]), ""):
        line = verdict(source, key, answer, capsys)
        assert line.startswith("○") and "not done yet" in line


@pytest.mark.parametrize("source, key, hint, answer", WRONG)
def test_wrong_answer_gets_its_hint(source, key, hint, answer, capsys):
    line = verdict(source, key, answer, capsys)
    assert line.startswith("✗") and hint in line


@pytest.mark.parametrize("source, key", EXERCISES)
def test_broken_answer_is_a_sentence(source, key, capsys):
    """An answer that raises, or returns nothing, is told so; a traceback is never shown."""
    name = ast.parse(graded(source)[key]["ex"]).body[-1].name
    assert verdict(source, key, f"def {name}(*args):\n    return 1 / 0", capsys).startswith("✗")
    assert verdict(source, key, f"def {name}(*args):\n    args", capsys).startswith("✗")


# ------------------------------------------------------------------------------------------------ the machinery alone
def double(x):
    return 2 * x


def said(capsys) -> str:
    return capsys.readouterr().out.strip()


@pytest.mark.parametrize(
    "candidate, words",
    [
        (lambda x: x + x, "✓"),
        (lambda x: x**2, "squared"),
        (lambda x: np.append(x, 0), "shape (4,); (3,) is expected"),
        (lambda x: x * np.nan, "NaN"),
        (lambda x: 2.5 * x, "in case 1 of 1, <lambda>([1.0, 2.0, 3.0]), entry [0] is 2.5, and 2 is expected"),
        (lambda x: 2 * x + np.array([0, 0, 1]), "entry [2] is 7, and 6 is expected"),
        (lambda x: 2j * x, "complex numbers"),
        (lambda x: "six", "str; numbers"),
        (lambda x: None, "returns nothing"),
        (lambda x: x.nothing, "AttributeError"),
        ("never_defined", "not done yet"),
    ],
)
def test_check_says(candidate, words, capsys):
    check("0", candidate, double, [(np.array([1.0, 2.0, 3.0]),)], {"it is doubled, not squared": lambda x: x**2})
    assert words in said(capsys)


def test_arguments_are_copied(capsys):
    def in_place(x):
        x *= 2
        return x

    case = np.ones(3)
    check("0", in_place, double, [(case,), (case,)])
    assert said(capsys).startswith("✓") and (case == 1).all()


@pytest.mark.parametrize("held", [list, tuple, torch.tensor, np.array, lambda x: x.astype(np.float32)])
def test_a_right_answer_passes_in_whatever_holds_it(held, capsys):
    case = [(np.array([1.0, 2.0, 4.0]),)]
    check("0", lambda x: held(2 * x), double, case)
    check("0", lambda x: held(2 * x), lambda x: tuple(2 * x), case)  # three numbers in a tuple
    check("0", lambda x: (2 * x)[None], double, case)  # with an axis of length 1
    assert [line[0] for line in said(capsys).splitlines()] == ["✓"] * 3
    for one in (6.0, [6.0], np.array(6.0), np.array([6.0]), torch.tensor(6), torch.ones(1, requires_grad=True) * 6):
        check("0", lambda x, one=one: one, double, [(3.0,)])
        assert said(capsys).startswith("✓")


def test_hints_name_the_part_and_give_no_single_number_away(capsys):
    both, case = (lambda x: (x.sum(), 2 * x)), [(np.array([1.0, 2.0]),)]
    for answer, words in (
        (lambda x: (x.sum(), x), "entry [0] of doubled is 1, and 2 is expected"),
        (lambda x: (x.sum() + 1, 2 * x), "sum is 4, and 3 is expected"),
        (lambda x: (x.sum(), 2 * x, 0), "3 things come back; 2 are expected: sum, doubled"),
        (lambda x: x.sum(), "one thing comes back"),
        (lambda x: (x.sum(), np.ones(3)), "doubled has shape (3,); (2,) is expected"),
    ):
        check("0", answer, both, case, parts=("sum", "doubled"))
        assert words in said(capsys)
    check("0", lambda x: (3.0, 1.0), lambda x: (1.0, 3.0), case, parts=("low", "high"))
    assert "another order; low, high is expected" in said(capsys)
    check("0", lambda: 7.0, lambda: 2.0, [()], matters="such a step overshoots")
    line = said(capsys)
    assert line.endswith("the answer is too large: such a step overshoots") and "2" not in line and "7" not in line


def test_a_mistake_of_another_shape_gets_its_hint(capsys):
    hint = {"one number for each row": lambda x: x * x}
    check("0", lambda x: x * x, lambda x: (x * x).sum(1), [(np.ones((2, 3)),)], hint)
    assert "one number for each row" in said(capsys)


def test_answers_that_work_in_place_do_not_disturb_a_demand(capsys):
    def doubled(x):
        x *= 2
        return x

    x = np.ones(3)
    check_that("0", doubled, ("twice", lambda f: (f(x) == 2).all() and (f(x) == 2).all()))
    assert said(capsys).startswith("✓") and (x == 1).all()


def test_arguments_are_shown_short():
    assert shown((np.arange(3.0), 0.5, "a")) == "[0.0, 1.0, 2.0], 0.5, 'a'"
    assert shown((torch.zeros(4, 5), double)) == "(4, 5) [0, 0, 0, …], double"
    assert len(shown(tuple(range(1000)))) <= 90


def test_a_mistake_must_explain_every_case(capsys):
    """2 + 2 is 2², so the first case alone cannot tell; the hint is given only where all cases agree."""
    check("0", lambda x: x + 2, double, [(np.array(2.0),), (np.array(5.0),)], {"squared": lambda x: x**2})
    assert "case 2 of 2" in said(capsys)


def test_check_that_gives_the_first_unmet_demand(capsys):
    demands = (("positive", lambda f: f() > 0), ("even", lambda f: f() % 2 == 0))
    for answer, words in ((lambda: 4, "✓"), (lambda: -3, "positive"), (lambda: 3, "even"), ("missing", "not done")):
        check_that("0", answer, *demands)
        assert words in said(capsys)


def test_grading_raises(monkeypatch, capsys):
    monkeypatch.setenv("NBGRADER_EXECUTION", "autograde")
    check("0", double, double, [(1.0,)])
    with pytest.raises(AssertionError, match="too small"):
        check("0", lambda x: x, double, [(1.0,)])
    with pytest.raises(AssertionError, match="not done yet"):
        check("0", "missing", double, [(1.0,)])


def test_attempt():
    def unwritten():
        raise NotImplementedError

    assert attempt(double, 2) == 4 and attempt(unwritten) is None
