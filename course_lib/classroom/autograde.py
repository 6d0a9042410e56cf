"""nbgrader's step that judges a submission: `classroom.grading` in the place of a run of the whole notebook.

nbgrader counts a check cell as wrong where its outputs hold an error, and as right where they do not. The file
nbgrader_config.py names this step. It needs nbgrader: `pip install 'liquid-control[instructor]'`.
"""

from __future__ import annotations

import os
from pathlib import Path

from nbformat.v4 import new_output
from nbgrader.preprocessors import NbGraderPreprocessor

from course_lib.classroom.grading import grade

KEPT = "COURSE_VERDICTS"  # environment variable: the folder of verdicts that scripts/classroom.py has made already


class GradeExercises(NbGraderPreprocessor):
    """Give each check cell its verdict as output, an error where it earns no points."""

    def preprocess(self, nb, resources):
        kept = os.environ.get(KEPT)
        lines = grade(nb, kept=Path(kept) if kept else None)
        for cell in nb.cells:
            grade_id = cell.metadata.get("nbgrader", {}).get("grade_id", "")
            if cell.cell_type != "code" or not grade_id.startswith("check-"):
                continue
            _, notebook, exercise = grade_id.split("-")
            line = lines.get(f"{int(notebook)}.{exercise}", "")
            if line.startswith("✓"):
                cell.outputs = [new_output("stream", name="stdout", text=line + "\n")]
            else:
                cell.outputs = [new_output("error", ename="NotRight", evalue=line, traceback=[line])]
        return nb, resources
