"""A graded class with nbgrader: make the release, and grade what came back. See docs/handbook/grading.md.

    python scripts/classroom.py release [03]      build/class/release/03_ode_cells/03_ode_cells.ipynb
    python scripts/classroom.py grade [03]        build/class/submitted/STUDENT/03_ode_cells/… -> feedback, points.csv

A submission must have exactly this folder and file name. Notebooks with other names are listed and not graded.

`--root` names another folder than that of nbgrader_config.py; it needs a copy of that file.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "scripts")]
import notebooks as pairs  # noqa: E402


def nbgrader(root: Path, *words: str, **variables: str) -> str:
    """Run an nbgrader command in `root` -> what it printed.

    Raises:
        SystemExit: with the end of what it printed.
    """
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    environment = {**os.environ, "PYTHONPATH": path, "PYTHONWARNINGS": "ignore", **variables}
    command = [sys.executable, "-m", "nbgrader", *words]
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"nbgrader {' '.join(words)} stopped:\n{(done.stdout + done.stderr)[-3000:]}")
    return done.stdout + done.stderr


def release(root: Path, wanted: str | None = None) -> list[Path]:
    """Make the students' notebooks: stubs, no outputs, nbgrader's marks, locked checks -> their files."""
    pairs.pack_solutions()
    made = []
    for source in pairs.sources(wanted):
        name = source.stem
        pairs.write(root / "build/class/source" / name / f"{name}.ipynb", pairs.as_text(pairs.read_script(source)))
        nbgrader(root, "generate_assignment", name, "--create", "--force")
        made.append(root / "build/class/release" / name / f"{name}.ipynb")
    return made


def submissions(root: Path, name: str) -> list[Path]:
    return sorted((root / "build/class/submitted").glob(f"*/{name}/{name}.ipynb"))


def misplaced(root: Path) -> list[str]:
    """A sentence for each .ipynb in build/class/submitted that is not STUDENT/NAME/NAME.ipynb of a notebook."""
    names, place = [source.stem for source in pairs.sources()], root / "build/class/submitted"
    right = {path for name in names for path in submissions(root, name)}
    found = []
    for path in sorted(place.rglob("*.ipynb")):
        if path in right or ".ipynb_checkpoints" in path.parts:  # Jupyter's own copies
            continue
        of = next((name for name in names if name in (path.parent.name, path.stem)), "NAME")
        found.append(f"{path.relative_to(root)}: not graded; the file must be {of}/{of}.ipynb")
    return found


def judge(root: Path, files: list[Path]) -> None:
    """Judge all submissions, as many at once as there are cores; nbgrader then finds the verdicts."""
    from course_lib.classroom.commands import read_submission
    from course_lib.classroom.grading import grade as judged
    from course_lib.errors import CourseError
    from course_lib.machine import cores

    def one(path: Path) -> None:
        try:
            judged(read_submission(path), kept=root / "build/class/verdicts")
        except CourseError as error:
            print(f"{path.relative_to(root)}: {error}", file=sys.stderr)

    with ThreadPoolExecutor(cores()) as pool:  # each waits for a process of its own
        list(pool.map(one, files))


def grade(root: Path, wanted: str | None = None) -> Path:
    """Grade what lies in build/class/submitted, write feedback -> the table of points.

    Raises:
        SystemExit: at the end, if nbgrader could not grade a submission.
    """
    trouble: list[str] = []
    for sentence in misplaced(root):
        print(sentence, file=sys.stderr)
    for source in pairs.sources(wanted):
        name, files = source.stem, submissions(root, source.stem)
        if not files:
            continue
        began = time.perf_counter()
        judge(root, files)
        verdicts = str(root / "build/class/verdicts")
        try:
            nbgrader(root, "autograde", name, "--force", COURSE_VERDICTS=verdicts)
        except SystemExit as error:  # of one submission; the others are graded all the same
            trouble.append(name)
            print(error, file=sys.stderr)
        nbgrader(root, "generate_feedback", name, "--force")
        print(f"{name}: {len(files)} submissions graded in {time.perf_counter() - began:.0f} s")
    nbgrader(root, "export", "--to", "build/class/points.csv")
    if trouble:
        raise SystemExit(
            f"{', '.join(trouble)}: not all submissions could be graded; build/class/points.csv has the rest"
        )
    return root / "build/class/points.csv"


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("release", "grade"))
    parser.add_argument("notebooks", nargs="?", default=None, help="numbers, comma-separated (default: all)")
    parser.add_argument("--root", type=Path, default=ROOT, help="folder of nbgrader_config.py")
    args = parser.parse_args(argv)
    try:
        import nbgrader as _  # noqa: F401
    except ImportError:
        print("grading needs nbgrader: make environment EXTRAS=dev,instructor", file=sys.stderr)
        return 1
    if args.what == "grade":
        print(f"points of all: {grade(args.root, args.notebooks)}")
        return 0
    for path in release(args.root, args.notebooks):
        print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
