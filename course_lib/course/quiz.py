"""Five questions before a notebook and five after it: for the learner alone, with answers kept on their machine.

    cl.quiz("02", "before")                 a menu for each question where someone can click; elsewhere the questions
    cl.quiz("02", "before", "abdca")        an answer for each question, and what is right, and why

Answers go into the folder of the predictions and nowhere else. The questions are packed: see scripts/quizzes.py.
"""

from __future__ import annotations

import functools
import html
import json
import random
import re
from dataclasses import dataclass

from course_lib.course.packed import read_packed
from course_lib.course.predictions import home
from course_lib.errors import ArgumentError, check_choice
from course_lib.files import write_atomically

PACKED, LETTERS, WHEN = "quizzes.b64", "abcdef", ("before", "after")


@dataclass(frozen=True)
class Question:
    """What is asked, the choices in the order in which they are shown, the letter of the right one, and why."""

    text: str
    choices: tuple[str, ...]
    right: str
    why: str


def parse(text: str) -> dict[tuple[str, str], list[Question]]:
    """The text of a file of questions -> (notebook, "before" or "after") -> its questions.

    Raises:
        ArgumentError: a question without exactly one right answer, a wrong one and an explanation.
    """
    found: dict[tuple[str, str], list[Question]] = {}
    for part in re.split(r"^## ", text, flags=re.M)[1:]:
        head, *questions = re.split(r"^Q ", part, flags=re.M)
        notebook, when = head.split()
        check_choice("when", when, WHEN)
        draw = random.Random(head)  # the same for everyone: people talk about answer b
        places = draw.sample(range(4), 4)  # no letter is right more than twice in five questions
        while len(places) < len(questions):
            places += draw.sample(range(4), 4)
        found[notebook, when] = [_question(q, place) for q, place in zip(questions, places, strict=False)]
    return found


def _question(block: str, place: int) -> Question:
    """The question, with the right answer in this place among its choices (from 0; the last one if there are fewer)."""
    lines = block.strip().splitlines()
    right, wrong, why = ([line[2:] for line in lines[1:] if line[:2] == mark] for mark in ("+ ", "- ", "? "))
    if len(right) != 1 or not wrong or len(why) != 1:
        raise ArgumentError(f"question {lines[0]!r} must have one line with '+', some with '-' and one with '?'")
    choices = random.Random(lines[0]).sample(wrong, len(wrong))
    choices.insert(place, right[0])
    return Question(lines[0], tuple(choices), LETTERS[choices.index(right[0])], why[0])


@functools.cache
def questions() -> dict[tuple[str, str], list[Question]]:
    """All quizzes that ship."""
    return parse(read_packed(PACKED))


def quiz(notebook: str, when: str, answers: str | None = None, *, front_end: bool | None = None):
    """Ask the five questions of a notebook.

    Args:
        notebook: its number, such as "02".
        when: "before" or "after".
        answers: a letter for each question, such as "abdca"; None asks.
        front_end: whether someone can click; None to find out.
    """
    known = questions()
    check_choice("when", when, WHEN)
    if (notebook, when) not in known:
        raise ArgumentError(f"notebook={notebook!r} has no quiz; accepted: {', '.join(sorted({n for n, _ in known}))}")
    asked = known[notebook, when]
    if answers is not None:
        given = str(answers).replace(" ", "").replace(",", "").lower()
        if len(given) != len(asked) or any(
            a not in LETTERS[: len(q.choices)] for a, q in zip(given, asked, strict=True)
        ):
            raise ArgumentError(f"answers={answers!r} is not accepted; it must be {len(asked)} letters, a to d")
        _keep(notebook, when, given, asked)
        print(*marked(asked, given), sep="\n")
        return None
    from course_lib.viz.live import has_front_end

    if has_front_end() if front_end is None else front_end:
        try:
            return _menus(notebook, when, asked)
        except ImportError:
            pass
    for k, question in enumerate(asked, 1):
        print(f"{k}. {question.text}")
        print(*(f"   {letter}) {choice}" for letter, choice in zip(LETTERS, question.choices, strict=False)), sep="\n")
    print(f'Answer with cl.quiz("{notebook}", "{when}", "{"a" * len(asked)}"), a letter for each question')
    return None


def marked(asked: list[Question], given: str) -> list[str]:
    """A line for each question, with what is right and why, and the count."""
    lines = []
    for k, (question, letter) in enumerate(zip(asked, given, strict=True), 1):
        right = question.choices[LETTERS.index(question.right)]
        sign = "✓" if letter == question.right else "✗"
        lines.append(f"{sign} {k}. {question.right}) {right}. {question.why}")
    count = sum(q.right == letter for q, letter in zip(asked, given, strict=True))
    return [*lines, f"{count} of {len(asked)}"]


def _keep(notebook: str, when: str, given: str, asked: list[Question]) -> None:
    path = home() / "quizzes.json"
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        entries = {}
    entries = entries if isinstance(entries, dict) else {}
    count = sum(q.right == letter for q, letter in zip(asked, given, strict=True))
    entries[f"{notebook} {when}"] = {"answers": given, "right": count}
    home().mkdir(parents=True, exist_ok=True)
    write_atomically(path, json.dumps(entries, indent=1).encode())


def _menus(notebook: str, when: str, asked: list[Question]):
    import ipywidgets

    fields, notes, boxes = [], [], []
    for k, question in enumerate(asked, 1):
        options = [(f"{letter}) {c}", letter) for letter, c in zip(LETTERS, question.choices, strict=False)]
        field = ipywidgets.RadioButtons(options=options, value=None, layout={"width": "auto"})
        note = ipywidgets.HTML()
        fields.append(field)
        notes.append(note)
        boxes.append(ipywidgets.VBox([ipywidgets.HTML(f"<b>{k}. {html.escape(question.text)}</b>"), field, note]))
    button, total = ipywidgets.Button(description="check my answers", layout={"width": "12em"}), ipywidgets.HTML()

    def press(_=None):
        if any(field.value is None for field in fields):
            total.value = "answer all of them first"
            return
        given = "".join(field.value for field in fields)
        _keep(notebook, when, given, asked)
        *lines, count = marked(asked, given)
        for note, line in zip(notes, lines, strict=True):
            note.value = html.escape(line)
        total.value = count

    button.on_click(press)
    return ipywidgets.VBox([*boxes, ipywidgets.HBox([button, total], layout={"flex_flow": "row wrap"})])
