"""The commands for learners and instructors: `python -m course_lib lab | grade`."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from course_lib.errors import ArgumentError, CourseError
from course_lib.files import assets_folder


@dataclass
class Lab:
    """Copy the notebooks, as a learner opens them, into a folder, and open JupyterLab there.

    A notebook that is in the folder already is yours and stays as it is.
    """

    folder: Annotated[Path, tyro.conf.Positional] = Path("liquid-control")
    """where the notebooks go"""
    open: bool = True
    """--no-open: copy them only"""


def lab(argv: list[str]) -> int:
    args = tyro.cli(Lab, args=argv, prog="python -m course_lib lab")
    copied = copy_notebooks(args.folder)
    first = min(args.folder.glob("01_*.ipynb"))
    print(f"{args.folder}: {copied} notebooks copied; begin with {first.name}")
    if not args.open:
        return 0
    if importlib.util.find_spec("jupyterlab") is None:
        raise ArgumentError("JupyterLab is not installed, so the notebooks were copied only; pip install jupyterlab")
    command = [sys.executable, "-m", "jupyter", "lab", f"--ServerApp.root_dir={args.folder}",
               f"--LabApp.default_url=/lab/tree/{first.name}"]  # fmt: skip
    try:
        return subprocess.run(command).returncode
    except KeyboardInterrupt:
        return 0


def copy_notebooks(folder: Path) -> int:
    """Copy those that `folder` lacks -> how many."""
    sources = shipped_notebooks()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        missing = [source for source in sources if not (folder / source.name).exists()]
        for source in missing:
            shutil.copyfile(source, folder / source.name)
    except OSError as error:
        raise ArgumentError(f"folder={str(folder)!r} cannot be written: {error.strerror}") from None
    return len(missing)


def shipped_notebooks() -> list[Path]:
    """The learner's notebooks: of the checkout, or inside the wheel."""
    for place in (assets_folder().parent / "notebooks", assets_folder() / "notebooks"):
        if found := sorted(place.glob("[0-9][0-9]_*.ipynb")):
            return found
    raise ArgumentError("this installation holds no notebooks; install liquid-control again")


@dataclass
class Grade:
    """Points of submitted notebooks: a line for each exercise, and the sum.

    This runs the students' code. Use a machine or container where that is safe.
    """

    notebooks: Annotated[tuple[Path, ...], tyro.conf.Positional]
    """submitted .ipynb files"""
    out: Path | None = None
    """write all lines and points as JSON, too"""
    gradescope: Path | None = None
    """write the results.json of Gradescope for the one notebook given; if it cannot be graded, with 0 points and why"""


def grade(argv: list[str]) -> int:
    args = tyro.cli(Grade, args=argv, prog="python -m course_lib grade")
    if os.name != "posix":
        raise ArgumentError("grade runs on Linux and macOS; on Windows, use it inside WSL")
    if not args.notebooks:
        raise ArgumentError("grade needs the files of submitted notebooks")
    if args.gradescope and len(args.notebooks) > 1:
        sentence = f"--gradescope takes exactly one notebook; {len(args.notebooks)} were given"
        write_results(args.gradescope, {"score": 0, "output": sentence})
        raise ArgumentError(sentence)
    from course_lib.classroom import grading

    held, trouble = {}, 0
    for path in args.notebooks:
        try:
            lines = grading.grade(read_submission(path))
        except CourseError as error:  # one damaged file does not stop a class
            print(f"{path}: {error}", file=sys.stderr)
            trouble = 2
            if args.gradescope:  # without a file the student would learn nothing
                write_results(args.gradescope, {"score": 0, "output": f"{path.name}: {error}"})
            continue
        earned, worth = grading.points(lines)
        held[str(path)] = {"points": earned, "of": worth, "lines": lines}
        print(f"{path}: {earned:g} of {worth:g} points", *lines.values(), sep="\n  ")
        if args.gradescope:
            write_results(args.gradescope, grading.for_gradescope(lines))
        if args.out:  # after each: a class takes long
            args.out.write_text(json.dumps(held, ensure_ascii=False, indent=1), encoding="utf-8")
    return trouble


def write_results(path: Path, content: dict) -> None:
    """Write what Gradescope reads."""
    path.write_text(json.dumps(content), encoding="utf-8")


def read_submission(path: Path) -> dict:
    """A submitted .ipynb.

    Raises:
        ArgumentError: it cannot be read.
    """
    try:
        nb = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ArgumentError(f"it cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError):  # the latter from thousands of brackets
        raise ArgumentError("it is not a notebook: it does not hold JSON") from None
    if not isinstance(nb, dict) or not isinstance(nb.get("cells"), list):
        raise ArgumentError("it is not a notebook: it has no cells")
    return nb


COMMANDS = {"lab": lab, "grade": grade}
