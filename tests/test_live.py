"""The live player's parts in TypeScript equal Python: policies, observations, rewards. `make live-test` runs it too."""

import shutil
import subprocess
from pathlib import Path

import pytest

WEB = Path(__file__).resolve().parent.parent / "web"


@pytest.mark.slow
def test_policies_tasks_and_physics_equal_python():
    if not shutil.which("npx") or not (WEB / "node_modules").is_dir():
        pytest.skip("the player's packages are not installed; make live-test installs them")
    for words in (("tsc", "--noEmit"), ("vitest", "run")):
        done = subprocess.run(["npx", *words], cwd=WEB, capture_output=True, text=True)
        assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
