"""The result file of a benchmark: written atomically, with machine and versions, and read again run by run."""

from __future__ import annotations

import json
import os
import platform
import shutil
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict
from functools import lru_cache
from importlib import metadata
from itertools import count
from pathlib import Path

import numpy as np

from course_lib.files import write_atomically
from course_lib.machine import cores
from course_lib.policies.saved import nested
from course_lib.rl.algorithms import ALGORITHMS, algorithm

ENTRIES = "claims intervals seeds per_seed config versions machine wall_seconds command".split()  # of every file
SIDE_BY_SIDE = (
    "runs were made two at a time, each on a core of its own, some with other work beside, and put together by "
    "--include"
)
FLAGS = ("avx2", "avx512f", "avx512_bf16", "amx_bf16")  # of a processor, that decide what torch's products cost
PACKAGES = (
    *("torch", "mujoco", "gymnasium", "numpy", "stable-baselines3", "sb3-contrib", "sbx-rl", "jax", "envpool", "ncps"),
    *("torchdiffeq", "mp-pytorch"),
)


def machine() -> dict:
    """Cores this process may use, processor and which of `FLAGS` it has, memory and system."""
    info = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").is_file() else ""
    said = {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in info.splitlines())}
    flags = said.get("flags", "").split()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30 if hasattr(os, "sysconf") else None
    return {
        "cores": cores(),
        "cpu": said.get("model name") or platform.processor(),
        "flags": [flag for flag in FLAGS if flag in flags],
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


def write_result(path: Path, *, claims, intervals, seeds, per_seed, config, wall_seconds, command, **more) -> None:
    """Write a result file, atomically."""
    content = {
        "claims": claims,
        "intervals": intervals,
        "seeds": list(seeds),
        "per_seed": per_seed,
        "config": config,
        "versions": versions(),
        "machine": machine(),
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


def _plain(config: dict) -> dict:
    """A config as it comes back from a result file. All that is compared has gone through here, old and new."""
    return _today(json.loads(json.dumps(_strict(config))))


def _today(value):
    """`value` with the configs in it as they are written today, whatever lies around them."""
    return {name: _today(v) for name, v in nested(value).items()} if isinstance(value, dict) else value


@lru_cache
def _defaults() -> list[dict]:
    """Those of every algorithm's hyperparameters, and of the cells and plans among them."""
    found = [_plain(asdict(algorithm(name)[1]())) for name in ALGORITHMS]
    return found + [value for config in found for value in config.values() if isinstance(value, dict)]


def _left_out(one: dict, other: dict) -> set[str]:
    """What only `other` says, and what is so anyhow."""
    return {name for name in other.keys() - one.keys() if any(d.get(name, ...) == other[name] for d in _defaults())}


def same_config(old, new) -> bool:
    """Whether two configurations, made plain, mean the same.

    The library gains hyperparameters; results from before one existed are still those of its default. Nor does a
    setting mean anything else where it says so.
    """
    if not (isinstance(old, dict) and isinstance(new, dict)):
        return old == new
    both = old.keys() & new.keys()
    same = old.keys() - _left_out(new, old) == both == new.keys() - _left_out(old, new)
    return same and all(same_config(old[name], new[name]) for name in both)


def read_file(path: Path) -> dict:
    """All that a result file says; nothing where there is none."""
    return json.loads(path.read_text()) if path.is_file() else {}


def recognised(content: dict, config: dict, part: str | None) -> list[dict]:
    """The runs of a result file that says `content` that were made with the same `config` (see `read_result`)."""
    rows, old, new = content.get("per_seed", []), _plain(content.get("config", {})), _plain(config)
    if part is not None:
        rows = [row for row in rows if part in row]  # a file from before there were such parts has none
        same = {name: same_config(old.get(name), new.get(name)) for name in {row[part] for row in rows}}
        rows = [row for row in rows if same[row[part]]]
    elif not same_config(old, new):
        rows = []
    return [{**row, "cpu": row.get("cpu", content["machine"].get("cpu"))} for row in rows]


def read_result(path: Path, config: dict, part: str | None = None) -> list[dict]:
    """The runs already in the result file that were made with the same `config`.

    `part` names the entry of a run that says which part of the configuration it used ("task", "setting"); then only
    that part must be the same. A run goes on saying which processor it was made on, whoever writes it again.
    """
    return recognised(read_file(Path(path)), config, part)


def known_runs(files: Iterable[Path], config: dict, part: str | None, key: tuple[str, ...]) -> dict[tuple, dict]:
    """The runs of several result files, by the entries `key`, each once: they may have been made side by side, each
    call with a `--json` of its own."""
    rows = {}
    for file in files:
        for row in read_result(file, config, part):
            rows.setdefault(tuple(row[name] for name in key), row)
    return rows


class RunFile:
    """The runs of one configuration in a result file, to which those that a call makes are added."""

    def __init__(self, args, key, config: dict, part: str | None, claims_of: Callable, seconds: Callable | None, facts):
        """As for `run_all`."""
        self.path, self.key, self.config, self.part = args.json, key, config, part
        self.claims_of, self.seconds, self.facts = claims_of, seconds, facts
        self.command, self.since, self.note = f"python benchmarks/{args.name}.py", args.began, beside(args.include)
        self.mine: dict[tuple, dict] = {}  # what this call made or took up
        self.by_hand: dict = {}  # what the file says beyond what this call writes, such as a note

    def known(self) -> dict[tuple, dict]:
        """Key -> row. Another call may have added some to the file by now."""
        return known_runs([self.path], self.config, self.part, self.key) | self.mine

    def take_up(self, files: list[Path]) -> None:
        """The runs of other files that were made with the same settings."""
        for file in files:
            content = read_file(file)
            same = len(recognised(content, self.config, self.part))
            print(f"{file}: {same} of {len(content['per_seed'])} runs were made with these settings")
        self.mine = known_runs([self.path, *files], self.config, self.part, self.key) if files else {}
        if self.mine:
            self.write()

    def add(self, row: dict) -> None:
        """A run made by this call."""
        self.mine[tuple(row[name] for name in self.key)] = row | {"cpu": machine()["cpu"]}
        self.write()

    def write(self) -> None:
        """All that is known. Runs of other settings are not written again; the file that has them is copied before."""
        before, rows = read_file(self.path), [*self.known().values()]
        kept = recognised(before, self.config, self.part)
        if len(kept) < len(before.get("per_seed", [])):
            old = next(f for n in count(1) if not (f := self.path.with_name(f"{self.path.name}.old{n}")).exists())
            shutil.copy(self.path, old)
            print(f"{self.path} holds runs of other settings and goes on without them; {old} has them all")
        for name in ("cores", "native"):
            if len(found := {row[name] for row in rows if name in row}) > 1:
                print(f"{self.path} mixes runs with {name}={' and '.join(map(str, sorted(found)))}: see each row")
        written = {*ENTRIES, *self.facts, *self.note}
        self.by_hand = {name: value for name, value in before.items() if name not in written} if kept else {}
        facts = {name: value(rows) if callable(value) else value for name, value in self.facts.items()}
        spent = (before["wall_seconds"] if kept else 0.0) + time.perf_counter() - self.since
        self.since = time.perf_counter()
        claims, intervals = before.get("claims", {}), before.get("intervals", {})
        try:
            claims, intervals = self.claims_of(rows)
        finally:  # a run that was made is kept, whatever goes wrong with the claims
            write_result(
                self.path, claims=claims, intervals=intervals, seeds=sorted({row["seed"] for row in rows}),
                per_seed=rows, config=self.config,
                wall_seconds=sum(map(self.seconds, rows)) if self.seconds else spent,
                command=before["command"] if kept else self.command, **self.by_hand | facts | self.note,
            )  # fmt: skip


def beside(include: list[Path]) -> dict[str, str]:
    """What a result says about runs that were taken up from other files."""
    return {"note": SIDE_BY_SIDE} if include else {}
