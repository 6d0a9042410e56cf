"""Loggers: callbacks that write each iteration's metrics somewhere."""

from __future__ import annotations

import csv
import importlib
import io
import math
from collections.abc import Iterable
from pathlib import Path

from course_lib.errors import ArgumentError, check_choice
from course_lib.files import write_atomically

NAMES = ("csv", "tensorboard", "trackio", "wandb")


def write_csv(path: Path, rows: list[dict[str, float]]) -> None:
    """One line an iteration, a header with the metric names."""
    out = io.StringIO()
    if rows:
        writer = csv.DictWriter(out, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    write_atomically(path, out.getvalue().encode())


class CSVLogger:
    """Keeps `metrics.csv` up to date, a line appended and flushed each iteration."""

    def __init__(self, folder: Path):
        self.path = folder / "metrics.csv"

    def on_start(self, run) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        write_csv(self.path, run._rows)  # after a resume: exactly the rows that the checkpoint knows
        self.file = self.path.open("a", newline="")

    def on_update(self, run) -> None:
        row = run.latest
        writer = csv.DictWriter(self.file, list(row))
        if self.file.tell() == 0:
            writer.writeheader()
        writer.writerow(row)
        self.file.flush()

    def on_end(self, run) -> None:
        self.file.close()


class TensorBoardLogger:
    """Scalars for `tensorboard --logdir`."""

    def __init__(self, folder: Path):
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            raise ArgumentError("log='tensorboard' needs the package tensorboard: pip install tensorboard") from None
        self._writer, self.folder = SummaryWriter, folder / "tensorboard"

    def on_start(self, run) -> None:
        self.writer = self._writer(str(self.folder))

    def on_update(self, run) -> None:
        for name, value in run.latest.items():
            if name != "env_steps" and math.isfinite(value):
                self.writer.add_scalar(name, value, run.latest["env_steps"])

    def on_end(self, run) -> None:
        self.writer.close()


class ServiceLogger:
    """trackio or wandb: both have `init`, `log` and `finish`."""

    def __init__(self, name: str):
        try:
            self.module = importlib.import_module(name)
        except ImportError:
            raise ArgumentError(f"log={name!r} needs the package {name}: pip install {name}") from None

    def on_start(self, run) -> None:
        from dataclasses import asdict

        config = {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(run.agent.config).items()}
        self.module.init(project="liquid-control", config=config)

    def on_update(self, run) -> None:
        self.module.log({k: v for k, v in run.latest.items() if math.isfinite(v)})

    def on_end(self, run) -> None:
        self.module.finish()


def check(names: str | tuple[str, ...], folder: Path | None) -> tuple[str, ...]:
    """The logger `names` as a tuple, raising where one is unknown or has no folder to write to."""
    names = tuple(names) if isinstance(names, Iterable) and not isinstance(names, str) else (names,)
    for name in names:
        check_choice("log", name, NAMES)
        if name in ("csv", "tensorboard") and folder is None:
            raise ArgumentError(f"log={name!r} needs folder=…, the place to write to")
    return names


def make(names: str | tuple[str, ...], folder: Path | None) -> list:
    """Callbacks for the logger `names`. Nothing is written before their `on_start`."""
    kinds = {"csv": CSVLogger, "tensorboard": TensorBoardLogger}
    return [kinds[name](folder) if name in kinds else ServiceLogger(name) for name in check(names, folder)]
