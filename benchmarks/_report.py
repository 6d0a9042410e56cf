"""What every benchmark shares: the printed table, the machine, intervals, the result file."""

from __future__ import annotations

import json
import os
import platform
from dataclasses import asdict
from functools import lru_cache
from importlib import metadata
from pathlib import Path

import numpy as np

from course_lib.files import write_atomically
from course_lib.evaluation.returns import bootstrap_interval
from course_lib.machine import cores
from course_lib.rl.algorithms import ALGORITHMS, algorithm

PACKAGES = ("torch", "mujoco", "gymnasium", "numpy", "stable-baselines3", "envpool", "ncps", "torchdiffeq")


class Table:
    """Rows under a header; columns as wide as their widest cell."""

    def __init__(self, *header: str):
        self.rows: list[tuple[str, ...]] = [tuple(map(str, header))]

    def add(self, *cells) -> None:
        self.rows.append(tuple(_text(c) for c in cells))

    def __str__(self) -> str:
        widths = [max(len(row[i]) for row in self.rows) for i in range(len(self.rows[0]))]
        lines = [
            "  ".join(c.ljust(w) if i == 0 else c.rjust(w) for i, (c, w) in enumerate(zip(r, widths, strict=True)))
            for r in self.rows
        ]
        return "\n".join([lines[0], "-" * len(lines[0]), *lines[1:]])


def _text(cell) -> str:
    if isinstance(cell, (float, np.floating)):
        return f"{cell:,.0f}" if abs(cell) >= 100 else f"{cell:.3g}"
    return f"{cell:,}" if isinstance(cell, (int, np.integer)) else str(cell)


def median_interval(values) -> list[float]:
    """95 % bootstrap interval of the median; with one value, that value twice."""
    values = np.asarray(values, float)
    if len(values) < 2:
        return [float(values[0])] * 2
    return [float(v) for v in bootstrap_interval(values, np.median)]


def thin_curve(curve: dict[str, np.ndarray], names: tuple[str, ...], points: int) -> dict[str, list[float | None]]:
    """At most `points` evenly spread entries of each named metric, to five digits; None where it is not finite."""
    index = np.unique(np.linspace(0, len(curve[names[0]]) - 1, points).astype(int))
    return {
        name: [float(f"{v:.5g}") if np.isfinite(v) else None for v in np.asarray(curve[name])[index]] for name in names
    }


def machine() -> dict:
    """Cores this process may use, processor, memory and system."""
    cpu = platform.processor()
    info = Path("/proc/cpuinfo")
    if info.is_file():
        names = [
            line.split(":", 1)[1].strip() for line in info.read_text().splitlines() if line.startswith("model name")
        ]
        cpu = names[0] if names else cpu
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30 if hasattr(os, "sysconf") else None
    return {
        "cores": cores(),
        "cpu": cpu,
        "memory_gib": memory and round(memory, 1),
        "system": platform.system(),
    }


def versions() -> dict[str, str]:
    """Versions of Python and of every package of `PACKAGES` that is installed."""
    out = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            out[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return out


def _plain(config: dict) -> dict:
    """As it comes back from a result file."""
    return json.loads(json.dumps(_strict(config)))


def write_result(path: Path, *, claims, intervals, seeds, per_seed, config, wall_seconds, command, **more) -> None:
    """Write a result file, atomically. Runs that do not say yet which processor they were made on get this one's."""
    here = machine()
    per_seed = [{**row, "cpu": row.get("cpu", here["cpu"])} if "run" in row else row for row in per_seed]
    content = {
        "claims": claims,
        "intervals": intervals,
        "seeds": list(seeds),
        "per_seed": per_seed,
        "config": config,
        "versions": versions(),
        "machine": here,
        "wall_seconds": round(wall_seconds, 1),
        "command": command,
        **more,
    }
    text = json.dumps(_strict(content), indent=1, allow_nan=False)
    write_atomically(Path(path), (text + "\n").encode())


def _strict(value):
    """`value` with null for NaN, which JSON has no word for; `course_lib.files.result` reads it back as NaN."""
    if isinstance(value, dict):
        return {k: _strict(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_strict(v) for v in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value


@lru_cache
def _defaults() -> list[dict]:
    """Those of every algorithm's hyperparameters."""
    return [_plain(asdict(algorithm(name)[1]())) for name in ALGORITHMS]


def same_config(old, new) -> bool:
    """Whether two configurations, read from JSON, mean the same.

    The library gains hyperparameters; results from before one existed are still those of its default.
    """
    if not (isinstance(old, dict) and isinstance(new, dict)):
        return old == new
    added = {key for key in new.keys() - old.keys() if any(d.get(key, ...) == new[key] for d in _defaults())}
    return old.keys() == new.keys() - added and all(same_config(old[key], new[key]) for key in old)


def read_result(path: Path, config: dict, part: str | None = None) -> list[dict]:
    """The runs already in the result file that were made with the same `config`.

    `part` names the entry of a run that says which part of the configuration it used ("task", "setting"); then only
    that part must be the same. A run goes on saying which processor it was made on, whoever writes it again.
    """
    path = Path(path)
    if not path.is_file():
        return []
    content, plain = json.loads(path.read_text()), _plain(config)
    for row in content["per_seed"]:
        if "run" in row:
            row.setdefault("cpu", content["machine"]["cpu"])
    if part is None:
        return content["per_seed"] if same_config(content["config"], plain) else []
    named = [row for row in content["per_seed"] if part in row]  # a file from before there were such parts has none
    return [row for row in named if same_config(content["config"].get(row[part]), plain.get(row[part]))]


INCLUDE = "take up the runs of these result files too; with no seeds asked for, nothing else is done"


def known_runs(files: list[Path], config: dict) -> list[dict]:
    """The runs of several result files (see `read_result`), each "run" and "seed" once: they may have been made side by
    side, each call with a `--json` of its own."""
    rows = {}
    for file in files:
        for row in read_result(file, config, "run"):
            rows.setdefault((row["run"], row["seed"]), row)
    return list(rows.values())


def beside(include: list[Path]) -> dict[str, str]:
    """What a result says about runs that were taken up from other files."""
    note = (
        "runs were made two at a time, each on a core of its own, some with other work beside, and put together by "
        "--include"
    )
    return {"note": note} if include else {}


def write_runs(path: Path, name: str, rows: list[dict], config: dict, claims_of, include: list[Path], **more) -> None:
    """Write the result file of the benchmark `name`, made of runs with "seed" and "train_seconds".

    claims_of(rows) -> claims, intervals. include: the files that runs were taken up from.
    """
    claims, intervals = claims_of(rows)
    write_result(
        path, claims=claims, intervals=intervals, seeds=sorted({row["seed"] for row in rows}), per_seed=rows,
        config=config, wall_seconds=sum(row["train_seconds"] for row in rows), command=f"python benchmarks/{name}.py",
        **more, **beside(include),
    )  # fmt: skip
