"""Quizzes: every notebook has two, answers are marked and kept at home, and none can be read in the repository."""

import json

import pytest

import course_lib as cl
from course_lib.course import quiz as module
from course_lib.course.packed import pack, unpack
from course_lib.errors import ArgumentError

TEXT = """## 02 before
Q How much is one and one?
+ two
- three
- one
? Count.
Q Which is even?
+ four
- five
? It can be halved.
"""


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_HOME", str(tmp_path))
    return tmp_path


def test_every_notebook_has_five_questions_before_and_after():
    found = module.questions()
    assert set(found) == {(f"{n:02d}", when) for n in range(1, 11) for when in ("before", "after")}
    for asked in found.values():
        assert len(asked) == 5
        for question in asked:
            assert len(set(question.choices)) == 4 and question.right in "abcd" and question.why


def test_neither_place_nor_length_gives_an_answer_away():
    found = module.questions()
    rights = [question.right for asked in found.values() for question in asked]
    assert all(15 <= rights.count(letter) <= 40 for letter in "abcd")
    for asked in found.values():
        letters = [question.right for question in asked]
        assert max(letters.count(letter) for letter in letters) <= 2
    lengths = []  # of the right answer, and of the others
    for question in (question for asked in found.values() for question in asked):
        others = dict(zip(module.LETTERS, map(len, question.choices), strict=False))
        lengths.append((others.pop(question.right), [*others.values()]))
    for extreme in (lambda right, others: right > max(others), lambda right, others: right < min(others)):
        assert sum(extreme(*one) for one in lengths) <= 30  # of 100; 25 by chance
    for right, others in lengths:
        assert right < 1.6 * max(others)


def test_packing_loses_nothing():
    assert unpack(pack(TEXT)) == TEXT
    assert "even" not in pack(TEXT)


def test_answers_are_marked_with_what_is_right_and_why(capsys, home, monkeypatch):
    asked = module.parse(TEXT)["02", "before"]
    monkeypatch.setattr(module, "questions", lambda: module.parse(TEXT))
    right = "".join(q.right for q in asked)
    cl.quiz("02", "before", right)
    assert "✗" not in capsys.readouterr().out
    wrong = "".join("ab"[q.right == "a"] for q in asked)
    cl.quiz("02", "before", wrong)
    out = capsys.readouterr().out
    assert out.count("✗") == 2 and "two. Count." in out and "0 of 2" in out
    assert json.loads((home / "quizzes.json").read_text())["02 before"] == {"answers": wrong, "right": 0}


def test_without_a_front_end_questions_are_printed_and_no_answer(capsys):
    cl.quiz("01", "after", front_end=False)
    out = capsys.readouterr().out
    assert out.count("a)") == 5 and not any(q.why in out for q in module.questions()["01", "after"])


def test_menus_mark_and_keep(home):
    pytest.importorskip("ipywidgets")
    box = cl.quiz("03", "before", front_end=True)
    *blocks, row = box.children
    row.children[0].click()
    assert row.children[1].value == "answer all of them first" and not (home / "quizzes.json").exists()
    for block, question in zip(blocks, module.questions()["03", "before"], strict=True):
        block.children[1].value = question.right
    row.children[0].click()
    assert row.children[1].value == "5 of 5" and all("✓" in block.children[2].value for block in blocks)
    assert json.loads((home / "quizzes.json").read_text())["03 before"]["right"] == 5


@pytest.mark.parametrize(
    "args, message",
    [
        (("11", "before"), "notebook='11' has no quiz"),
        (("01", "during"), "when='during'"),
        (("01", "before", "aaaa"), "5 letters"),
        (("01", "before", "aaaax"), "5 letters"),
    ],
)
def test_a_sentence_for_what_does_not_exist(args, message):
    with pytest.raises(ArgumentError, match=message):
        cl.quiz(*args)


@pytest.mark.parametrize("drop", ["+ two\n", "? Count.\n", "- three\n- one\n"])
def test_a_question_that_cannot_be_marked_is_refused(drop):
    with pytest.raises(ArgumentError, match="one line with"):
        module.parse(TEXT.replace(drop, ""))


def test_a_damaged_file_of_answers_is_begun_anew(home, capsys):
    (home / "quizzes.json").write_text("[1, 2")
    cl.quiz("01", "before", "aaaaa")
    assert "01 before" in json.loads((home / "quizzes.json").read_text())
