"""Predictions: what a learner says before a cell runs. It is kept on their machine and shown again with the result.

    cl.predict("02.7", 0.3)                     a number, as a plain call
    cl.predict("02.7", choices=("A", "B"))      a menu where someone can click; elsewhere nothing
    cl.see("share", 0.25, (0.2, 0.4), predicted="02.7")
    ✓ share: 0.25 (0.2 to 0.4). You said 0.3

They are kept in one file in the folder that COURSE_HOME names, ".liquid_control" in the home folder by default, and go
nowhere else. Without an answer a notebook runs as it would without the question.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from course_lib.errors import ArgumentError
from course_lib.files import write_atomically

HOME = "COURSE_HOME"
_choices: dict[str, tuple[str, ...]] = {}  # number -> the answers that were offered
CLOSE = 0.25  # a number that is off by no more than this share of the true one counts as right


def home() -> Path:
    return Path(os.environ.get(HOME) or Path.home() / ".liquid_control")


def kept() -> dict[str, dict]:
    """Number -> "said" and, once it was seen, "came"; empty if nothing is kept or the file cannot be read."""
    try:
        found = json.loads((home() / "predictions.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return {k: v for k, v in found.items() if isinstance(v, dict) and "said" in v} if isinstance(found, dict) else {}


def _keep(number: str, **facts) -> None:
    entries = kept()
    entries[number] = {**entries.get(number, {}), **facts}
    home().mkdir(parents=True, exist_ok=True)
    write_atomically(home() / "predictions.json", json.dumps(entries, indent=1).encode())


def predict(
    number: str, answer: float | str | None = None, *, choices: Sequence[str] = (), question: str = "", front_end=None
):
    """Keep what you expect, before you run the cell below.

    Args:
        number: number of the question, such as "02.7" for the seventh of notebook 02.
        answer: a number, or one of `choices`. None asks with a menu where someone can click; elsewhere nothing happens.
        choices: the possible answers, if they are words.
        question: shown above the menu.
        front_end: whether someone can click; None to find out.
    """
    if not isinstance(number, str) or number[2:3] != "." or not number.replace(".", "").isdigit():
        raise ArgumentError(f"number={number!r} is not accepted; it must be notebook and question, such as '02.7'")
    if choices:
        _choices[number] = tuple(choices)
    if answer is None:
        return _ask(number, choices, question, front_end)
    if choices and answer not in choices:
        raise ArgumentError(f"answer={answer!r} is not accepted; accepted: {', '.join(map(repr, choices))}")
    if not choices and (isinstance(answer, (str, bool)) or not np.isfinite(answer)):
        raise ArgumentError(f"answer={answer!r} is not accepted; it must be a finite number")
    _keep(number, said=answer if choices else float(answer))
    print(f"{number}: kept. Now run the next cell")
    return None


def _ask(number: str, choices: Sequence[str], question: str, front_end):
    from course_lib.viz.live import has_front_end

    if not (has_front_end() if front_end is None else front_end):
        return None
    try:
        import ipywidgets
    except ImportError:
        return None
    before = kept().get(number, {}).get("said")
    label = ipywidgets.HTML(question)
    note = ipywidgets.HTML(f"kept: {before}" if before is not None else "")
    if choices:
        field = ipywidgets.RadioButtons(options=list(choices), value=before if before in choices else None)
    else:
        field = ipywidgets.FloatText(value=before if isinstance(before, float) else 0.0, layout={"width": "9em"})
    button = ipywidgets.Button(description="keep", layout={"width": "5em"})

    def press(_=None):
        if field.value is not None:
            _keep(number, said=field.value)
            note.value = f"kept: {field.value}"

    button.on_click(press)
    row = ipywidgets.HBox([field, button, note], layout={"flex_flow": "row wrap"})
    return ipywidgets.VBox([label, row]) if question else row


def compared(number: str, came: object) -> str:
    """What was said, to print after the result; "" if nothing was said. The result is kept with it.

    A result in words must be one of the choices, as any other would count as a wrong answer.
    """
    if isinstance(came, str) and came not in _choices.get(number, (came,)):
        raise ArgumentError(f"came={came!r} was not among the choices of {number}: {', '.join(_choices[number])}")
    said = kept().get(number, {}).get("said")
    if said is None:
        return ""
    came = came if isinstance(came, str) else float(np.mean(np.asarray(came, dtype=float)))
    _keep(number, came=came)
    return f". You said {said:g}" if isinstance(said, float) else f". You said {said}"


def right(said, came) -> bool:
    """Whether a prediction was close: the same word, or a number within a quarter of the true one."""
    if isinstance(said, str) or isinstance(came, str):
        return said == came
    return abs(said - came) <= CLOSE * max(abs(came), 1e-12)


def calibration(notebook: str):
    """Draw a notebook's predictions. A number is shown divided by the result; an arrow: further out than the figure.

    Returns the figure. If no prediction has been answered yet, it prints that and returns None.

    notebook: its number, such as "02".
    """
    answered = {k: v for k, v in kept().items() if k.startswith(f"{notebook}.") and "came" in v}
    if not answered:
        print(f"no prediction of notebook {notebook} has been answered yet: cl.predict('{notebook}.1', …)")
        return None
    from course_lib.viz.style import COLOURS, new_figure, style

    marks = {k: right(v["said"], v["came"]) for k, v in answered.items()}
    arrows = False
    with style():
        figure, axes = new_figure(figsize=(6.4, 0.9 + 0.26 * len(answered)))
        for row, (number, entry) in enumerate(answered.items()):
            said, came = entry["said"], entry["came"]
            colour = COLOURS[2] if marks[number] else COLOURS[1]
            if isinstance(said, str) or isinstance(came, str):
                axes.plot(1.0, row, "o" if marks[number] else "x", color=colour)
            else:
                off = 1.0 if said == came else said / came if came else np.inf
                end = np.clip(off, 0.01, 100)
                axes.plot([1.0, end], [row, row], color=colour, linewidth=2)
                axes.plot(end, row, "o" if end == off else "<" if off < 1 else ">", color=colour)
                arrows = arrows or end != off
        axes.axvspan(1 - CLOSE, 1 + CLOSE, color="#e6f2ec", zorder=0)
        axes.axvline(1.0, color="#22303f", linewidth=0.9)
        axes.set_xscale("log")
        axes.set_yticks(range(len(answered)), list(answered))
        axes.invert_yaxis()
        axes.grid(axis="y", visible=False)
        further = "\n◁ ▷ further out, or of the other sign" if arrows else ""
        axes.set(xlabel=f"what you said over what came; words: ○ right, × wrong{further}")
        axes.set_title(f"{sum(marks.values())} of {len(marks)} close", loc="left")
    return figure
