"""Declared ranges and predictions: what is printed, what is kept, and that nothing is needed."""

import json

import numpy as np
import pytest

import course_lib as cl
from course_lib.course import predictions, seeing
from course_lib.course.budget import Budget
from course_lib.errors import ArgumentError


@pytest.fixture(autouse=True)
def at_home(tmp_path, monkeypatch):
    monkeypatch.setenv(predictions.HOME, str(tmp_path / "home"))
    monkeypatch.setattr(seeing, "budget", Budget("lite"))
    return tmp_path


def said(capsys) -> str:
    return capsys.readouterr().out.strip()


@pytest.mark.parametrize(
    "value, between, line",
    [
        (0.98, (0.5, 1.3), "✓ error: 0.98 % (0.5 to 1.3)"),
        (1.8, (0.5, 1.3), "→ error: 1.8 %, outside of 0.5 to 1.3: look"),
        ([0.6, 1.2], (0.5, 1.3), "✓ error: 0.6, 1.2 % (0.5 to 1.3)"),
        (np.array([0.6, 1.4]), (0.5, 1.3), "→ error: 0.6, 1.4 %, outside of 0.5 to 1.3: look"),
        (12_345.6, (10_000, np.inf), "✓ error: 12,346 % (10000 or more)"),
        (float("nan"), (0, 1), "→ error: nan %, outside of 0 to 1: look"),
        ("b", ("a", "b"), "✓ error: b (a or b)"),
        ("c", ("a", "b"), "→ error: c, outside of a or b: look"),
        (True, None, "✓ error: yes"),
        (False, None, "→ error: no: look"),
    ],
)
def test_see_judges(value, between, line, capsys):
    cl.see("error", value, between, unit="%", otherwise="look")
    assert said(capsys) == line


def test_see_writes_down_for_the_script_that_looks(tmp_path, monkeypatch, capsys):
    file = tmp_path / "seen.jsonl"
    monkeypatch.setenv(seeing.FILE, str(file))
    cl.see("a", 1.0, (0, 2))
    cl.see("b", 3.0, (0, 2))
    monkeypatch.setattr(seeing, "budget", Budget("smoke"))
    cl.see("c", 3.0, (0, 2))
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    assert [(r["label"], r["good"], r["judged"]) for r in rows] == [
        ("a", True, True),
        ("b", False, True),
        ("c", False, False),
    ]
    assert "not judged" in said(capsys).splitlines()[-1]


def test_bad_ranges_get_a_sentence():
    with pytest.raises(ArgumentError, match="between=None"):
        cl.see("a", 1.0)
    with pytest.raises(ArgumentError, match="first number"):
        cl.see("a", 1.0, (2, 1))


def test_what_comes_must_be_one_of_the_choices():
    """A result in other words than the choices would make every answer wrong."""
    cl.predict("02.9", choices=("better", "the same, within 5 steps"))
    assert predictions.compared("02.9", "better") == ""
    with pytest.raises(ArgumentError, match="within 5 steps the same"):
        predictions.compared("02.9", "within 5 steps the same")


def test_a_prediction_is_kept_and_stands_behind_the_result(capsys):
    cl.see("share", 0.25, (0.2, 0.4), predicted="02.7")
    assert said(capsys) == "✓ share: 0.25 (0.2 to 0.4)"  # nothing was said: nothing is shown
    cl.predict("02.7", 0.3)
    cl.predict("02.8", "LTC", choices=("LTC", "GRU"))
    assert "kept" in said(capsys)
    cl.see("share", 0.25, (0.2, 0.4), predicted="02.7")
    assert said(capsys).endswith("(0.2 to 0.4). You said 0.3")
    cl.see("first", "GRU", ("GRU", "LTC"), predicted="02.8")
    assert said(capsys) == "✓ first: GRU (GRU or LTC). You said LTC"
    assert predictions.kept()["02.7"] == {"said": 0.3, "came": 0.25}
    assert predictions.right(0.3, 0.25) and not predictions.right("LTC", "GRU") and not predictions.right(0.4, 0.25)
    figure = cl.calibration("02")
    assert "1 of 2 close" in figure.axes[0].get_title(loc="left")
    assert [t.get_text() for t in figure.axes[0].get_yticklabels()] == ["02.7", "02.8"]


def test_an_arrow_stands_for_what_no_place_on_the_axis_can_say():
    for number, said, came in (("1", -0.5, 0.2), ("2", 0.0, 0.0), ("3", 3.0, 2.0), ("4", 500.0, 2.0), ("5", 1.0, 0.0)):
        cl.predict(f"02.{number}", said)
        cl.see("number", came, (-1, 3), predicted=f"02.{number}")
    axes = cl.calibration("02").axes[0]
    drawn = [(float(line.get_xdata()[0]), line.get_marker()) for line in axes.lines if line.get_marker() in "o<>"]
    assert drawn == [(0.01, "<"), (1.0, "o"), (1.5, "o"), (100.0, ">"), (100.0, ">")]
    assert "other sign" in axes.get_xlabel()


def test_without_an_answer_nothing_happens(capsys):
    assert cl.predict("03.1") is None and cl.predict("03.1", choices=("a", "b")) is None
    assert not predictions.home().exists() and said(capsys) == ""
    assert cl.calibration("03") is None and "no prediction of notebook 03" in said(capsys)


def test_a_menu_where_someone_can_click():
    pytest.importorskip("ipywidgets")
    row = cl.predict("03.1", choices=("a", "b"), front_end=True)
    field, button, note = row.children
    button.click()
    assert predictions.kept() == {}  # nothing is chosen yet
    field.value = "b"
    button.click()
    assert predictions.kept() == {"03.1": {"said": "b"}} and note.value == "kept: b"
    number, button, _ = cl.predict("03.2", question="How many?", front_end=True).children[1].children
    number.value = 4.0
    button.click()
    assert predictions.kept()["03.2"] == {"said": 4.0}


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda: cl.predict("2", 1.0), "number='2'"),
        (lambda: cl.predict("02.7", "many"), "finite number"),
        (lambda: cl.predict("02.7", float("nan")), "finite number"),
        (lambda: cl.predict("02.7", "c", choices=("a", "b")), "accepted: 'a', 'b'"),
    ],
)
def test_bad_predictions_get_a_sentence(call, words):
    with pytest.raises(ArgumentError, match=words):
        call()
    assert predictions.kept() == {}


def test_a_damaged_file_is_begun_anew():
    predictions.home().mkdir()
    (predictions.home() / "predictions.json").write_text("{damaged")
    assert predictions.kept() == {}
    cl.predict("02.1", 1.0)
    assert predictions.kept() == {"02.1": {"said": 1.0}}
