"""`pytest --nbval-lax notebooks` by itself: the smoke budget, no windows, and time-outs that grow with the load.

It runs the complete notebooks. A learner's, which is the same with stubs, runs where it is named as a file, or all of
them with COURSE_FORM=learner. A cell also fails where labels of its figure cover each other.
"""

import json
import os
import tempfile
from pathlib import Path

import pytest

os.environ.setdefault("COURSE_BUDGET", "smoke")
os.environ.setdefault("MPLBACKEND", "agg")

SECONDS = 180  # for one cell, which takes a few on an idle machine


def pytest_ignore_collect(collection_path, config):
    if collection_path.suffix != ".ipynb":
        return None
    complete = collection_path.parent.name == "complete"
    if os.environ.get("COURSE_FORM") == "learner":
        return complete or None
    named = {Path(str(arg).split("::")[0]).resolve() for arg in config.args}
    return None if complete or collection_path.resolve() in named else True


def pytest_configure(config):
    own = getattr(config.option, "nbval_cell_timeout", None)
    config.own_timeout = own not in (None, 2000)  # nbval's default is no wish of anyone
    config.folder = tempfile.TemporaryDirectory()
    config.texts = Path(config.folder.name) / "texts.jsonl"  # kernels write to it; see viz/described.py
    os.environ["COURSE_TEXTS"] = str(config.texts)


def pytest_unconfigure(config):
    config.folder.cleanup()


def pytest_runtest_setup(item):
    if not item.config.own_timeout:
        busy = os.getloadavg()[0] / (os.cpu_count() or 1)
        item.config.option.nbval_cell_timeout = SECONDS * max(1.0, busy)


def pytest_runtest_teardown(item):
    texts = item.config.texts
    if texts.exists():
        rows = [json.loads(line) for line in texts.read_text(encoding="utf-8").splitlines()]
        texts.unlink()
        if covered := [row for row in rows if row["overlaps"]]:
            pytest.fail(f"labels of a figure cover each other: {covered}")
