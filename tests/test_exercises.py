"""Every exercise of every notebook: the solution is accepted, wrong answers get the hint that names the mistake, the
stub is "not done yet". Cases drawn for grading accept the solution too, and refuse one who learned by heart.

The cells are read out of the notebook sources, so that nothing here can drift from what the learner sees:

- a solution cell has nbgrader's `solution: true` and grade_id `ex-NN-K`; its text between `### BEGIN SOLUTION` and
  `### END SOLUTION` becomes the stub that nbgrader writes;
- its check cell has `grade: true` and grade_id `check-NN-K`; it is one line, `cl.check("N.K", answer)`, and what it
  asks stands in `lessons/nbNN_checks.py`;
- cells tagged "prelude" (imports, small functions) are run before; an answer needs no other cell;
- `tests/exercises/nbNN.py` holds WRONG: exercise "NN-K" -> [(words of the hint, source of a wrong answer), …]. It may
  hold ALSO_RIGHT: "NN-K" -> [source of a right answer that differs from the course's, …].
"""

from __future__ import annotations

import ast
import copy
import functools
import re
import runpy
from pathlib import Path

import numpy as np
import pytest
import torch

import course_lib as cl
from course_lib.classroom.checks import exercise_of
from course_lib.course.answers import Wrong, shown
from course_lib.course.exercises import Compare, Demands, attempt, verdict
from course_lib.errors import ArgumentError

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


@functools.cache
def answers_of(source: Path) -> dict:
    file = Path(__file__).parent / "exercises" / f"nb{source.name[:2]}.py"
    return runpy.run_path(str(file)) if file.is_file() else {}


def wrong_answers(source: Path) -> dict[str, list[tuple[str, str]]]:
    return answers_of(source).get("WRONG", {})


def stub(solution: str) -> str:
    """What nbgrader leaves of a solution cell."""
    return REGION.sub(lambda m: f"{m[1]}# YOUR CODE HERE\n{m[1]}raise NotImplementedError()", solution)


def said_of(source: Path, key: str, answer: str, capsys) -> str:
    """The one line that the check of exercise `key` prints when the learner's cell is `answer`."""
    names = dict(prelude(source))
    names["cl"] = cl
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


ALSO_RIGHT = [
    pytest.param(source, key, answer, id=f"{key}-{k}")
    for source in SOURCES
    for key, answers in answers_of(source).get("ALSO_RIGHT", {}).items()
    for k, answer in enumerate(answers, 1)
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
    assert said_of(source, key, graded(source)[key]["ex"], capsys).startswith("✓")


@pytest.mark.parametrize("source, key", EXERCISES)
def test_check_is_one_line(source, key):
    number = f"{int(key[:2])}.{key[3:]}"
    assert graded(source)[key]["check"] == f'cl.check("{number}", {exercise_of(number).name})'


@pytest.mark.parametrize("source, key", EXERCISES)
def test_stub_is_not_done_yet(source, key, capsys):
    line = said_of(source, key, stub(graded(source)[key]["ex"]), capsys)
    assert line.startswith("○") and "not done yet" in line


class ByHeart:
    """An answer that knows what is right in the cases that everyone sees, and nothing else."""

    def __init__(self, made: Compare):
        self.right = [made.oracle(*copy.deepcopy(case)) for case in made.cases]
        self.asked = 0

    def __call__(self, *args):
        self.asked += 1
        return self.right[min(self.asked, len(self.right)) - 1]


@pytest.mark.parametrize("source, key", EXERCISES)
def test_cases_drawn_for_grading(source, key):
    """They accept the solution, and where there are any, they refuse answers that were learned by heart."""
    names = dict(prelude(source))
    exec(graded(source)[key]["ex"], names)
    exercise = exercise_of(f"{int(key[:2])}.{key[3:]}")
    for seed in range(1 if key in TRAINS else 5):
        rng = np.random.default_rng(seed)
        seen = exercise.build(rng)
        more = seen.more(rng)
        more.verdict(names[exercise.name], exercise.name)
        if isinstance(more, Compare) and len(more.cases) > len(seen.cases):
            with pytest.raises(Wrong, match="case|has no gradient|a second call"):
                more.verdict(ByHeart(seen), exercise.name)


@pytest.mark.parametrize("source, key, answer", ALSO_RIGHT)
def test_right_in_another_way(source, key, answer, capsys):
    assert said_of(source, key, answer, capsys).startswith("✓")


@pytest.mark.parametrize("source, key, hint, answer", WRONG)
def test_wrong_answer_gets_its_hint(source, key, hint, answer, capsys):
    line = said_of(source, key, answer, capsys)
    assert line.startswith("✗") and hint in line


@pytest.mark.parametrize("source, key", EXERCISES)
def test_broken_answer_is_a_sentence(source, key, capsys):
    """An answer that raises, or returns nothing, is told so; a traceback is never shown."""
    name = ast.parse(graded(source)[key]["ex"]).body[-1].name
    assert said_of(source, key, f"def {name}(*args):\n    return 1 / 0", capsys).startswith("✗")
    assert said_of(source, key, f"def {name}(*args):\n    args", capsys).startswith("✗")


# ------------------------------------------------------------------------------------------------ the machinery alone
def double(x):
    return 2 * x


def compared(answer, oracle, cases, mistakes=None, **options) -> str:
    return verdict("0", "answer", lambda: Compare(oracle, cases, mistakes or {}, **options).verdict(answer))


def demanded(answer, *demands) -> str:
    return verdict("0", "answer", lambda: Demands(*demands).verdict(answer))


@pytest.mark.parametrize(
    "candidate, words",
    [
        (lambda x: x + x, "✓"),
        (lambda x: x**2, "squared"),
        (lambda x: np.append(x, 0), "shape (4,); (3,) is expected"),
        (lambda x: x * np.nan, "NaN"),
        (lambda x: 2.5 * x, "in case 1 of 1, answer([1.0, 2.0, 3.0]), entry [0] is 2.5, and 2 is expected"),
        (lambda x: 2 * x + np.array([0, 0, 1]), "entry [2] is 7, and 6 is expected"),
        (lambda x: 2j * x, "complex numbers"),
        (lambda x: "six", "str; numbers"),
        (lambda x: None, "returns nothing"),
        (lambda x: x.nothing, "AttributeError"),
    ],
)
def test_check_says(candidate, words):
    mistakes = {"it is doubled, not squared": lambda x: x**2}
    assert words in compared(candidate, double, [(np.array([1.0, 2.0, 3.0]),)], mistakes)


def test_arguments_are_copied():
    def in_place(x):
        x *= 2
        return x

    case = np.ones(3)
    assert compared(in_place, double, [(case,), (case,)]).startswith("✓") and (case == 1).all()


@pytest.mark.parametrize("held", [list, tuple, torch.tensor, np.array, lambda x: x.astype(np.float32)])
def test_a_right_answer_passes_in_whatever_holds_it(held):
    case = [(np.array([1.0, 2.0, 4.0]),)]
    assert compared(lambda x: held(2 * x), double, case).startswith("✓")
    assert compared(lambda x: held(2 * x), lambda x: tuple(2 * x), case).startswith("✓")  # three numbers in a tuple
    assert compared(lambda x: (2 * x)[None], double, case).startswith("✓")  # with an axis of length 1
    for one in (6.0, [6.0], np.array(6.0), np.array([6.0]), torch.tensor(6), torch.ones(1, requires_grad=True) * 6):
        assert compared(lambda x, one=one: one, double, [(3.0,)]).startswith("✓")


def test_hints_name_the_part_and_give_no_single_number_away():
    both, case = (lambda x: (x.sum(), 2 * x)), [(np.array([1.0, 2.0]),)]
    for answer, words in (
        (lambda x: (x.sum(), x), "entry [0] of doubled is 1, and 2 is expected"),
        (lambda x: (x.sum() + 1, 2 * x), "sum is 4, and 3 is expected"),
        (lambda x: (x.sum(), 2 * x, 0), "the function returns 3 values; 2 are expected: sum, doubled"),
        (lambda x: x.sum(), "the function returns one value; 2 are expected"),
        (lambda x: (x.sum(),), "the function returns one value; 2 are expected"),
        (lambda x: (), "the function returns 0 values; 2 are expected"),
        (lambda x: (x.sum(), np.ones(3)), "doubled has shape (3,); (2,) is expected"),
    ):
        assert words in compared(answer, both, case, parts=("sum", "doubled"))
    line = compared(lambda x: (3.0, 1.0), lambda x: (1.0, 3.0), case, parts=("low", "high"))
    assert "another order; low, high is expected" in line
    line = compared(lambda: 7.0, lambda: 2.0, [()], matters="such a step overshoots")
    assert line.endswith("the answer is too large: such a step overshoots") and "2" not in line and "7" not in line


def test_a_mistake_of_another_shape_gets_its_hint():
    hint = {"one number for each row": lambda x: x * x}
    line = compared(lambda x: x * x, lambda x: (x * x).sum(1), [(np.ones((2, 3)),)], hint)
    assert "one number for each row" in line


def test_answers_that_work_in_place_do_not_disturb_a_demand():
    def doubled(x):
        x *= 2
        return x

    x = np.ones(3)
    assert demanded(doubled, ("twice", lambda f: (f(x) == 2).all() and (f(x) == 2).all())).startswith("✓")
    assert (x == 1).all()


def test_arguments_are_shown_short():
    assert shown((np.arange(3.0), 0.5, "a")) == "[0.0, 1.0, 2.0], 0.5, 'a'"
    assert shown((torch.zeros(4, 5), double)) == "(4, 5) [0, 0, 0, …], double"
    assert len(shown(tuple(range(1000)))) <= 90


def test_a_mistake_must_explain_every_case():
    """2 + 2 is 2², so the first case alone cannot tell; the hint is given only where all cases agree."""
    cases = [(np.array(2.0),), (np.array(5.0),)]
    assert "case 2 of 2" in compared(lambda x: x + 2, double, cases, {"squared": lambda x: x**2})


def test_the_first_unmet_demand_is_named():
    demands = (("positive", lambda f: f() > 0), ("even", lambda f: f() % 2 == 0))
    for answer, words in ((lambda: 4, "✓"), (lambda: -3, "positive"), (lambda: 3, "even")):
        assert words in demanded(answer, *demands)


def test_attempt():
    def unwritten():
        raise NotImplementedError

    assert attempt(double, 2) == 4 and attempt(unwritten) is None


# ---------------------------------------------------------------------------------------- as the notebooks call it
def right_sums(rewards, gamma):
    return np.array([sum(gamma**k * r for k, r in enumerate(rewards[t:])) for t in range(len(rewards))])


def unwritten(rewards, gamma):
    raise NotImplementedError


def test_check_prints_one_line(capsys):
    for answer, mark in ((right_sums, "✓"), (unwritten, "○"), (lambda r, g: 1 / 0, "✗")):
        cl.check("1.1", answer)
        assert capsys.readouterr().out.startswith(f"{mark} 1.1 rewards_to_go: ")


@pytest.mark.parametrize("number", ["1", "1.99", "11.1", "0.1", "a.b", "", None, 1.1])
def test_an_unknown_number_is_a_sentence(number):
    with pytest.raises(ArgumentError, match="number=.* is not (accepted|known)"):
        cl.check(number, right_sums)


@pytest.mark.parametrize(
    "result, kind", [(np.ones(2), "an ndarray"), (2.5, "a float"), (3, "an int"), ([1.0], "a list")]
)
def test_a_result_in_the_place_of_the_function_is_a_sentence(result, kind):
    sentence = f"answer is {kind}; pass the function rewards_to_go itself, without parentheses"
    with pytest.raises(ArgumentError, match=f"^{sentence}$"):
        cl.check("1.1", result)


def test_grading_raises_and_draws_cases(monkeypatch, capsys):
    monkeypatch.setenv("NBGRADER_EXECUTION", "autograde")
    cl.check("01.1", right_sums)
    assert "in all 8 cases" in capsys.readouterr().out
    with pytest.raises(AssertionError, match="not done yet"):
        cl.check("1.1", unwritten)
    by_heart = ByHeart(exercise_of("1.1").build(np.random.default_rng(0)))
    with pytest.raises(AssertionError, match="case 4 of 8"):
        cl.check("1.1", by_heart)


def test_a_solution_is_shown_after_an_attempt(capsys):
    cl.solution("1.1")
    assert "write an answer first" in capsys.readouterr().out
    cl.check("1.1", unwritten)
    cl.solution("1.1")
    assert "write an answer first" in capsys.readouterr().out.splitlines()[1]
    cl.check("1.1", lambda r, g: r)
    capsys.readouterr()
    cl.solution("1.1")
    names = {"np": np}
    exec(capsys.readouterr().out, names)
    assert names["rewards_to_go"](np.ones(3), 1.0).tolist() == [3, 2, 1]
    cl.solution("1.2", untried=True)
    assert "def score" in capsys.readouterr().out


def test_a_memory_that_cannot_be_written_or_read_costs_nothing(monkeypatch, tmp_path, capsys):
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("COURSE_HOME", str(tmp_path / "file"))
    cl.check("1.1", right_sums)
    assert capsys.readouterr().out.startswith("✓")
    monkeypatch.setenv("COURSE_HOME", str(tmp_path))
    for damaged in ("{", "7", "[1]"):
        (tmp_path / "tried.json").write_text(damaged)
        cl.check("1.1", right_sums)
        assert capsys.readouterr().out.startswith("✓")


def test_what_is_asked_may_be_made_from_the_answer():
    def with_slope(f):
        return lambda x: (f(x), (f(x + 1e-6) - f(x - 1e-6)) / 2e-6)

    cases = [(np.array(3.0),)]
    options = dict(oracle=with_slope(lambda x: x**2), cases=cases, ask=with_slope, parts=("value", "slope"))
    hinted = {"a constant": lambda x: 9.0 + 0 * x}
    for function, said in (
        (lambda x: x * x, "✓"),
        (lambda x: 9.0, "a constant"),  # the mistake is asked in the same way
        (lambda x: 6 * x - 9 + (x - 3) ** 3 + 1e-4 * (x - 3), "slope is"),
    ):
        line = verdict("0", "answer", lambda f=function: Compare(**options, mistakes=hinted).verdict(f))
        assert said in line


def test_a_stub_that_is_called_by_another_answer_is_named():
    def rk4_step(*args):  # the name of an exercise
        raise NotImplementedError

    exercise_of("3.1")
    said = verdict("0", "answer", lambda: Compare(double, [(1.0,)]).verdict(lambda x: rk4_step(x)))
    assert said == "✗ 0 answer: it calls rk4_step, which is not written yet"
    assert verdict("0", "rk4_step", lambda: rk4_step()) == "○ 0 rk4_step: not done yet"


def test_numbers_that_differ_are_shown_differently():
    line = compared(lambda x: (x, 1.00001), lambda x: (x, 1.0), [(2.0,)])
    assert "is 1.00001, and 1 is expected" in line
    assert shown((None, 2.0)) == "None, 2"


def test_an_infinite_value_is_not_near_every_number():
    assert "✗" in verdict("0", "answer", lambda: Compare(lambda x: np.inf, [(1.0,)]).verdict(lambda x: 3.0))
    assert "✓" in verdict("0", "answer", lambda: Compare(lambda x: np.inf, [(1.0,)]).verdict(lambda x: np.inf))
