"""`pytest --nbval-lax notebooks` by itself: the smoke budget, no windows, and time-outs that grow with the load."""

import os

os.environ.setdefault("COURSE_BUDGET", "smoke")
os.environ.setdefault("MPLBACKEND", "agg")

SECONDS = 180  # for one cell, which takes a few on an idle machine


def pytest_configure(config):
    own = getattr(config.option, "nbval_cell_timeout", None)
    config.own_timeout = own not in (None, 2000)  # nbval's default is no wish of anyone


def pytest_runtest_setup(item):
    if not item.config.own_timeout:
        busy = os.getloadavg()[0] / (os.cpu_count() or 1)
        item.config.option.nbval_cell_timeout = SECONDS * max(1.0, busy)
