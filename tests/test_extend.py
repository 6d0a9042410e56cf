"""What CONTRIBUTING.md says of a new task, cell and algorithm, done: the files it names are touched in a copy of the
library, no others, and the result is trained from the command line.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parent / "examples"
ROOT = EXAMPLES.parents[1]


@pytest.fixture(scope="module")
def copy(tmp_path_factory) -> Path:
    """A copy of the library, to which the three are added as a newcomer would."""
    root = tmp_path_factory.mktemp("newcomer")
    shutil.copytree(ROOT / "course_lib", root / "course_lib", ignore=shutil.ignore_patterns("__pycache__"))
    os.symlink(ROOT / "assets", root / "assets")
    shutil.copy(EXAMPLES / "ball.py", root / "course_lib/envs/ball.py")
    add(root / "course_lib/envs/__init__.py", "MEMORY = {", '    "Ball-v0": ("ball:Ball", 100),')
    code = (EXAMPLES / "minimal_gated.py").read_text().split("import CELLS\n")[1]
    with open(root / "course_lib/nets/cells.py", "a") as file:
        file.write(code)
    shutil.copy(EXAMPLES / "reinforce.py", root / "course_lib/rl/reinforce.py")
    row = '    "reinforce": ("course_lib.rl.reinforce", "Reinforce", "ReinforceConfig"),'
    add(root / "course_lib/rl/algorithms.py", "ALGORITHMS = {", row)
    return root


def add(path: Path, after: str, line: str) -> None:
    text = path.read_text()
    assert text.count(after) == 1
    path.write_text(text.replace(after, f"{after}\n{line}"))


def run(root: Path, *words: str) -> str:
    env = {**os.environ, "PYTHONPATH": str(root)}
    done = subprocess.run(
        [sys.executable, "-m", "course_lib", *words], cwd=root, env=env, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda p: p.stem)
def test_an_example_is_short(path):
    assert sum(bool(line.strip()) for line in path.read_text().splitlines()) < 60


def test_files_touched(copy):
    """As few as CONTRIBUTING.md promises: 2 for a task, 1 for a cell, 2 for an algorithm."""
    changed = [
        path.relative_to(copy).as_posix()
        for path in sorted((copy / "course_lib").rglob("*.py"))
        if not (old := ROOT / path.relative_to(copy)).is_file() or old.read_text() != path.read_text()
    ]
    assert changed == [
        "course_lib/envs/__init__.py", "course_lib/envs/ball.py", "course_lib/nets/cells.py",
        "course_lib/rl/algorithms.py", "course_lib/rl/reinforce.py",
    ]  # fmt: skip
    told = (ROOT / "CONTRIBUTING.md").read_text()
    assert all(name in told for name in ("envs/__init__.py", "nets/cells.py", "rl/algorithms.py"))


@pytest.mark.slow
def test_the_new_algorithm_learns_the_new_task(copy):
    """The ball starts up to 1 m off; doing nothing earns 50 of 100, and a REINFORCE that works clearly more."""
    words = ("train", "reinforce", "--env", "Ball-v0", "--num-envs", "64", "--steps", "96000", "--folder", "ball")
    assert "saved in ball" in run(copy, *words)
    earned = float(re.search(r"deterministic +(-?[\d.]+)", run(copy, "evaluate", "ball"))[1])
    assert earned > 70


@pytest.mark.slow
def test_the_new_cell_is_trained_by_name(copy):
    words = ("train", "ppo", "--env", "Ball-v0", "--num-envs", "16", "--steps", "2048", "--cell.name", "minimal_gated")
    assert "2,048 steps" in run(copy, *words, "--minibatch-size", "256")
