"""Grading: five students get the points that are due, and nothing that a submission does stops or fools it."""

import argparse
import importlib.util
import json
import os
import sys
from pathlib import Path
from types import SimpleNamespace

import nbformat
import pytest

from course_lib.__main__ import main
from course_lib.classroom import grading
from course_lib.classroom.checks import packed_texts
from course_lib.errors import ArgumentError, CourseError

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "scripts"))
import classroom  # noqa: E402
import forms  # noqa: E402
import students  # noqa: E402

import notebooks as pairs  # noqa: E402

pytestmark = pytest.mark.skipif(os.name != "posix", reason="answers run in forks")
NUMBER = "01"
(SOURCE,) = pairs.sources(NUMBER)


@pytest.fixture(scope="module")
def released():
    """What students get, as JSON."""
    return json.loads(pairs.as_text(forms.learners(pairs.read_script(SOURCE))))


@pytest.fixture(scope="module")
def solutions():
    cells = pairs.read_script(SOURCE).cells
    return {forms.mark(cell)["grade_id"]: cell.source for cell in cells if forms.is_exercise(cell)}


def with_answer(released, number, source, *own):
    """A submission with one answer, and cells of its author's before everything else."""
    nb = json.loads(json.dumps(released))
    (cell,) = [c for c in students.exercises(nb) if c["metadata"]["nbgrader"]["grade_id"] == f"ex-01-{number}"]
    cell["source"] = source
    nb["cells"] = [*map(students.own_cell, own), *nb["cells"]]
    return nb


def lines_of(released, source, *own, seconds=20.0):
    """The line of exercise 1.1 for this answer."""
    number, cells = grading.answers_in(with_answer(released, 1, source, *own))
    names = {}
    exec("import numpy as np", names)
    return grading.grade_one("1.1", cells[: 1 + len(own)], names, seconds)


@pytest.mark.parametrize("student", students.STUDENTS)
def test_a_student_gets_the_points_that_are_due(student, released, solutions):
    worth = {number: packed_texts()["points"][number] for number in grading.exercises_of(NUMBER)}
    nb = students.STUDENTS[student](released, solutions, students.wrong_answers(NUMBER))
    lines = grading.grade(nb)
    assert grading.points(lines) == (students.due(student, worth), sum(worth.values())), lines


RIGHT = """def rewards_to_go(rewards, gamma):
    return [sum(gamma**k * r for k, r in enumerate(rewards[t:])) for t in range(len(rewards))]
"""


@pytest.mark.parametrize(
    "source, own, words",
    [
        (RIGHT, (), "✓"),
        (f"%matplotlib inline\n{RIGHT}", ("!pip list",), "✓"),
        (RIGHT, ("1 / 0", "while True: pass"), "✓"),  # a cell that never ends is left out after a while
        (RIGHT, ("def first(x):\n        y = x\n    return y",), "✓"),  # one that is no Python, too
        (f"{RIGHT}display(rewards_to_go([1.0], 0.5))", (), "✓"),
        (f"%%time\n{RIGHT}", (), "✓"),
        (f"{RIGHT}%time g = 3\nassert g == 3", (), "✓"),
        (
            RIGHT,
            ("%%capture\nimport time\nuntil = time.process_time() + 9\nwhile time.process_time() < until: pass",),
            "✓",
        ),
        ("def rewards_to_go(r, g):\n    return helper(r, g)", ("def helper(r, g):\n    return r",), "is 0, and"),
        (f"raise SystemExit\n{RIGHT}", (), "the cell stops with SystemExit"),
        ("def rewards_to_go(r, g)\n    return r", (), "the cell stops with SyntaxError"),
        ("rewards_to_go = 3", (), "not a function any more"),
        ("", (), "the cell is missing"),
        ("import os\nos._exit(0)", (), "stopped before it finished"),
        ("def rewards_to_go(r, g):\n    import os\n    os.kill(os.getpid(), 9)", (), "stopped before it finished"),
        ("def rewards_to_go(r, g):\n    return 'text'", (), "str comes back"),
        ("def rewards_to_go(r, g):\n    return [r, 'text']", (), "comes back"),
        ("def rewards_to_go(r, g):\n    return 1j * r", (), "complex"),
        ("def rewards_to_go(r, g):\n    return float('nan') * r", (), "NaN"),
        ("def rewards_to_go(r, g):\n    return r[99]", (), "IndexError"),
    ],
)
def test_whatever_an_answer_does_is_a_line(released, source, own, words, monkeypatch):
    monkeypatch.setattr("course_lib.classroom.sandbox.OWN_SECONDS", 1)
    monkeypatch.setattr(grading, "OWN_SECONDS", 1)
    number, cells = grading.answers_in(with_answer(released, 1, source, *own))
    mine = [cell for cell in cells if cell.exercise in ("", "1.1")]
    names = {}
    exec("import numpy as np", names)
    line = grading.grade_one("1.1", mine if source else [], names, 20.0)
    assert words in line and "\n" not in line


def test_a_line_says_that_a_cell_above_a_wrong_answer_was_cut_off(released, monkeypatch):
    monkeypatch.setattr(grading, "OWN_SECONDS", 0.2)
    slow, helper = "while True:\n    pass\n", "def helper(r, g):\n    return r"
    words = " (a cell above the answer was cut off after 0.2 s of processor time)"
    calls = "def rewards_to_go(r, g):\n    return helper(r, g)"
    line = lines_of(released, calls, slow + helper)
    assert "NameError" in line and line.endswith(words)
    assert words in lines_of(released, "def rewards_to_go(r, g):\n    raise NotImplementedError", slow)
    assert words not in lines_of(released, calls, helper)  # wrong, but nothing was cut off
    assert words not in lines_of(released, RIGHT, slow)
    assert words not in lines_of(released, calls, "raise TimeoutError('the network is down')")


def test_grading_asks_no_less_than_the_notebook():
    """In the smallest budget this check asks for one step on the pole."""
    names = {}
    for source in packed_texts()["prelude"]["10"]:
        exec(compile(source, "prelude", "exec"), names)
    untrained = "def tough_policy():\n    return cl.PPO(cl.make('InvertedPendulum-v5', 16, hide='velocities')).policy"
    line = grading.grade_one("10.7", [grading.Cell("10.7", untrained)], names, 60.0)
    assert "it must stand for 100 steps" in line


def test_an_answer_that_never_ends_is_stopped(released):
    line = lines_of(released, "def rewards_to_go(r, g):\n    while True:\n        pass", seconds=1)
    assert "no answer within 1 s of processor time" in line
    line = lines_of(released, "def rewards_to_go(r, g):\n    import time\n    time.sleep(99)", seconds=0.4)
    assert "no answer" in line or "stopped before it finished" in line


def test_the_same_answers_are_judged_once(released, solutions, tmp_path, monkeypatch):
    nb = students.right(released, solutions, {})
    first = grading.grade(nb, kept=tmp_path)
    assert len(list(tmp_path.glob("*.json"))) == 1
    with monkeypatch.context() as only:
        only.setattr(grading.subprocess, "run", None)
        assert grading.grade(nb, kept=tmp_path) == first
        only.setattr(grading, "rules", lambda: b"a check was mended")
        with pytest.raises(TypeError):  # judged anew
            grading.grade(nb, kept=tmp_path)


def test_what_tells_of_the_machine_is_not_kept_and_a_lost_process_is_a_sentence(released, tmp_path, monkeypatch):
    slow = with_answer(released, 1, "def rewards_to_go(r, g):\n    while True:\n        pass")
    assert "no answer within 1 s" in grading.grade(slow, seconds=1, kept=tmp_path)["1.1"]
    assert not list(tmp_path.glob("*.json"))
    lost = SimpleNamespace(returncode=-9, stdout="", stderr="")
    monkeypatch.setattr(grading.subprocess, "run", lambda *_, **__: lost)
    with pytest.raises(CourseError, match="grading notebook 01 stopped: -9"):
        grading.grade(slow, seconds=1)


@pytest.mark.parametrize("sent", [{}, {"answers": []}, {"answers": [3]}, {"answers": [{"shape": [2], "values": [1]}]}])
def test_what_is_no_answer_is_a_line(released, sent, monkeypatch):
    monkeypatch.setattr(grading, "in_a_fork", lambda *_: sent)
    assert "its process did not return a valid answer" in lines_of(released, RIGHT)


def marked(grade_id):
    return {"cell_type": "code", "source": ["1", None], "metadata": {"tags": None, "nbgrader": {"grade_id": grade_id}}}


@pytest.mark.parametrize(
    "nb",
    [
        {},
        {"cells": []},
        {"cells": [students.own_cell("1")]},
        {"cells": [None, 3, {"cell_type": "code"}, {"cell_type": "code", "metadata": []}]},
        {"cells": [marked("ex-99-1")]},
        {"cells": [marked("ex-01-1"), marked("ex-02-1")]},
        {"cells": [marked(7), marked("ex-01"), marked("ex-a-b")]},
    ],
)
def test_a_notebook_of_another_course_is_a_sentence(nb):
    with pytest.raises(ArgumentError, match="holds exercises of"):
        grading.grade(nb)


def test_the_command_grades_a_pile_and_says_what_it_cannot_read(released, solutions, tmp_path, capsys):
    good, bad, gone = tmp_path / "ann.ipynb", tmp_path / "bob.ipynb", tmp_path / "eve.ipynb"
    good.write_text(json.dumps(students.right(released, solutions, {})))
    bad.write_text("not JSON")
    status = main(["grade", str(good), str(bad), str(gone), "--out", str(tmp_path / "all.json")])
    out, err = capsys.readouterr()
    assert status == 2 and "7 of 7 points" in out and "✓ 1.5 controller" in out
    assert "bob.ipynb: it is not a notebook" in err and "eve.ipynb: it cannot be read" in err
    assert json.loads((tmp_path / "all.json").read_text())[str(good)]["points"] == 7
    assert main(["grade", str(good), "--gradescope", str(tmp_path / "results.json")]) == 0
    tests = json.loads((tmp_path / "results.json").read_text())["tests"]
    assert sum(test["score"] for test in tests) == sum(test["max_score"] for test in tests) == 7


def test_gradescope_always_gets_a_file(released, tmp_path, monkeypatch, capsys):
    """Without results.json the student would see nothing but that the grader failed."""
    good, bad, results = tmp_path / "ann.ipynb", tmp_path / "bob.ipynb", tmp_path / "results.json"
    good.write_text(json.dumps(released))

    def told(*files):
        results.unlink(missing_ok=True)
        assert main(["grade", *map(str, files), "--gradescope", str(results)]) == 2
        found = json.loads(results.read_text())
        assert found["score"] == 0 and found["output"] in capsys.readouterr().err
        return found["output"]

    for content in ("not JSON", "[" * 100_000):
        bad.write_text(content)
        assert told(bad) == "bob.ipynb: it is not a notebook: it does not hold JSON"
    bad.write_bytes(b"\xff\xfe")
    assert "does not hold JSON" in told(bad)
    bad.write_text("[]")
    assert told(bad) == "bob.ipynb: it is not a notebook: it has no cells"
    bad.write_text('{"cells": []}')
    assert "holds exercises of no notebook" in told(bad)
    assert "*.ipynb: it cannot be read" in told(tmp_path / "none" / "*.ipynb")  # what a shell passes that finds nothing
    assert told(good, bad) == "--gradescope takes exactly one notebook; 2 were given"
    lost = SimpleNamespace(returncode=-9, stdout="", stderr="")
    monkeypatch.setattr(grading.subprocess, "run", lambda *_, **__: lost)
    assert told(good) == "ann.ipynb: grading notebook 01 stopped: -9"


def test_a_submission_with_another_name_is_listed(tmp_path, capsys, monkeypatch):
    ran = []
    monkeypatch.setattr(classroom, "nbgrader", lambda root, *words, **_: ran.append(words[0]))
    monkeypatch.setattr(classroom, "judge", lambda root, files: ran.extend(file.parts[-3] for file in files))
    name = "03_ode_cells"
    for path in (
        f"ann/{name}/{name}.ipynb",
        "ann/02_ppo_halfcheetah/02_ppo_halfcheetah.ipynb",
        f"ann/{name}/.ipynb_checkpoints/{name}-checkpoint.ipynb",
        f"smith/{name}/{name} (1).ipynb",
        f"tom/03/{name}.ipynb",
        f"{name}/eve.ipynb",
        "homework.ipynb",
    ):
        pairs.write(tmp_path / "build/class/submitted" / path, "{}")
    classroom.grade(tmp_path, "03")
    assert ran == ["ann", "autograde", "generate_feedback", "export"]
    said = [line.replace("build/class/submitted/", "") for line in capsys.readouterr().err.splitlines()]
    assert said == [
        f"{name}/eve.ipynb: not graded; the file must be {name}/{name}.ipynb",
        "homework.ipynb: not graded; the file must be NAME/NAME.ipynb",
        f"smith/{name}/{name} (1).ipynb: not graded; the file must be {name}/{name}.ipynb",
        f"tom/03/{name}.ipynb: not graded; the file must be {name}/{name}.ipynb",
    ]


def test_lab_copies_what_is_missing_and_leaves_what_is_yours(tmp_path, capsys, monkeypatch):
    folder = tmp_path / "mine"
    assert main(["lab", str(folder), "--no-open"]) == 0
    assert len(list(folder.glob("*.ipynb"))) == 10 and "10 notebooks copied; begin with 01_" in capsys.readouterr().out
    (folder / "01_rl_from_scratch.ipynb").write_text("mine")
    (folder / "02_ppo_halfcheetah.ipynb").unlink()
    assert main(["lab", str(folder), "--no-open"]) == 0
    assert "1 notebooks copied" in capsys.readouterr().out
    assert (folder / "01_rl_from_scratch.ipynb").read_text() == "mine"
    (tmp_path / "file").write_text("")
    assert main(["lab", str(tmp_path / "file"), "--no-open"]) == 2
    assert "cannot be written" in capsys.readouterr().err
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert main(["lab", str(folder)]) == 2
    assert "JupyterLab is not installed" in capsys.readouterr().err


@pytest.mark.slow
def test_a_class_goes_through_nbgrader(monkeypatch):
    """As benchmarks/classroom.py, which does it for every notebook."""
    pytest.importorskip("nbgrader")
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    spec = importlib.util.spec_from_file_location("class_of_five", ROOT / "benchmarks" / "classroom.py")
    benchmark = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(benchmark)
    row = benchmark.one_run(argparse.Namespace(), NUMBER, 0)
    assert row["right"] == list(students.STUDENTS) and row["feedback"] == 5 and row["leaks"] == []


def test_release_form_has_no_answers(released):
    text = json.dumps(released)
    assert "BEGIN SOLUTION" not in text and text.count("raise NotImplementedError()") == len(
        grading.exercises_of(NUMBER)
    )
    nbformat.validate(nbformat.from_dict(released))
