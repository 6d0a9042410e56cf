"""Every test: one thread, no windows, the smoke budget, and a folder of its own to write into."""

import os
import signal
from pathlib import Path

# Before anything imports numpy, torch, matplotlib or course_lib, which read these once.
os.environ["OMP_NUM_THREADS"] = "1"
os.environ["MPLBACKEND"] = "agg"
os.environ["COURSE_BUDGET"] = "smoke"
# Processes that tests start find this checkout too, installed or not.
_root = str(Path(__file__).resolve().parent.parent)
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [_root, os.environ.get("PYTHONPATH")]))

# A shell that starts a command in the background may have it ignore Ctrl-C, which tests of interrupts send themselves.
signal.signal(signal.SIGINT, signal.default_int_handler)

import pytest  # noqa: E402


@pytest.fixture(autouse=True)
def _own_folder(tmp_path, monkeypatch):
    """Files written without a path land in the test's folder, not in the checkout; what a learner said, too."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COURSE_HOME", str(tmp_path / "home"))
