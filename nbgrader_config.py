"""nbgrader for a class of this course. The commands: docs/handbook/grading.md; `make release`, `make grade`.

Run nbgrader in the folder of this file. All that it makes lies in build/class: source, release, submitted, autograded,
feedback, gradebook.db.
"""

from pathlib import Path

from nbgrader.preprocessors import AssignLatePenalties, CheckCellMetadata, IgnorePattern, LimitOutput, SaveAutoGrades

from course_lib.classroom.autograde import GradeExercises

c = get_config()  # noqa: F821

c.CourseDirectory.course_id = "liquid-control"
c.CourseDirectory.root = str(Path(__file__).resolve().parent / "build" / "class")
# Answers run one by one, in processes of their own, in the smoke budget, with a limit of processor time each: a
# notebook's trainings, which earn no points, are not run, and what a submission does to its checks changes nothing.
c.Autograde.autograde_preprocessors = [
    GradeExercises, IgnorePattern, LimitOutput, SaveAutoGrades, AssignLatePenalties, CheckCellMetadata,
]  # fmt: skip
# A check that a student deleted comes back.
c.OverwriteCells.add_missing_cells = True
