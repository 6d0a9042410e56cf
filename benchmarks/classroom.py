"""A class of five hands in every notebook, and nbgrader grades it: are the points right, and what does it cost?

    python benchmarks/classroom.py [--notebooks 01 03]

The five (scripts/students.py): everything right; nothing done; a plausible wrong answer everywhere; wrong answers with
`check` and all that judges redefined; and one with an exercise, a check and all imports deleted, the rest right. Each
goes through nbgrader as in a class: generate_assignment, submitted, autograde, generate_feedback, export.

    students_graded_right  how many of the five have the points that are due, in every notebook
    leaks                  cells of a release, after an exercise, that hold its answer up to names
    autograde_cpu_seconds  processor time of judging one right submission, of the notebook that takes longest
"""

from __future__ import annotations

import csv
import json
import resource
import shutil
import sys
import tempfile
import time
from pathlib import Path

from _report import Table, cli, run_all

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "scripts")]
import classroom  # noqa: E402
import forms  # noqa: E402
import students  # noqa: E402

import notebooks as pairs  # noqa: E402
from course_lib.classroom.checks import packed_texts  # noqa: E402
from course_lib.classroom.grading import exercises_of, grade  # noqa: E402

NAME = "classroom"
NUMBERS = [source.stem[:2] for source in pairs.sources()]


def leaks(complete) -> list[str]:
    """ "3.1 in cell 40: …" for each cell after an exercise that gives its answer away."""
    found = []
    for k, cell in enumerate(complete.cells):
        for later, other in enumerate(complete.cells[k + 1 :], k + 2) if forms.is_exercise(cell) else ():
            if other.cell_type == "code" and not forms.is_exercise(other):
                if line := forms.gives_away(cell.source, other.source):
                    found.append(f"{forms.number_of(cell)} in cell {later}: {line}")
    return found


def one_run(args, number: str, seed: int) -> dict:
    began = time.perf_counter()
    (source,) = pairs.sources(number)
    complete, name = pairs.read_script(source), source.stem
    solutions = {forms.mark(cell)["grade_id"]: cell.source for cell in complete.cells if forms.is_exercise(cell)}
    worth = {n: packed_texts()["points"][n] for n in exercises_of(number)}
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        shutil.copy(ROOT / "nbgrader_config.py", root)
        (file,) = classroom.release(root, number)
        released = json.loads(file.read_text(encoding="utf-8"))
        for student, hand_in in students.STUDENTS.items():
            nb = hand_in(released, solutions, students.wrong_answers(number))
            pairs.write(root / "build/class/submitted" / student / name / f"{name}.ipynb", json.dumps(nb))
        with classroom.grade(root, number).open(encoding="utf-8") as table:
            got = {row["student_id"]: float(row["score"]) for row in csv.DictReader(table)}
        feedback = sorted((root / "build/class/feedback").glob("*/*/*.html"))
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    grade(json.loads(json.dumps(complete)))
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    due = {student: students.due(student, worth) for student in students.STUDENTS}
    return {
        "notebook": number, "seed": seed, "points": sum(worth.values()), "due": due, "got": got,
        "right": [student for student in due if got.get(student) == due[student]], "feedback": len(feedback),
        "leaks": leaks(complete), "cpu_seconds": round(cpu, 1), "train_seconds": round(time.perf_counter() - began, 1),
    }  # fmt: skip


def claims_of(rows: list[dict]) -> tuple[dict, dict]:
    always = [student for student in students.STUDENTS if all(student in row["right"] for row in rows)]
    claims = {
        "students_graded_right": len(always),
        "leaks": sum(len(row["leaks"]) for row in rows),
        "autograde_cpu_seconds": max(row["cpu_seconds"] for row in rows),
    }
    return claims, {name: [value, value] for name, value in claims.items()}


def report(rows: list[dict]) -> list:
    table = Table("notebook", "points", *students.STUDENTS, "feedback", "leaks", "processor s")
    for row in rows:
        got = [f"{row['got'].get(s, float('nan')):g} of {row['due'][s]:g} due" for s in students.STUDENTS]
        table.add(row["notebook"], row["points"], *got, row["feedback"], len(row["leaks"]), row["cpu_seconds"])
    hours = sum(row["cpu_seconds"] for row in rows) * 60 / 3600
    cost = f"60 students: {hours:.1f} hours of one core for these {len(rows)} notebooks, shared by all cores there are"
    return [table, cost, *(leak for row in rows for leak in row["leaks"])]


if __name__ == "__main__":
    args = cli(NAME, __doc__, seeds=[0], notebooks=NUMBERS, quick=dict(notebooks=1))
    run_all(
        args, one_run, [(number, seed) for number in args.notebooks for seed in args.seeds], key=("notebook", "seed"),
        config={}, claims_of=claims_of, report=report, says="right: {right}, leaks {leaks}, {cpu_seconds} s",
    )  # fmt: skip
