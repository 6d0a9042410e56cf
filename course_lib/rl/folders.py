"""Folders of training runs: the checkpoint in one, and whether it is of the same training as another."""

from __future__ import annotations

import os
from pathlib import Path

from course_lib.errors import ArgumentError
from course_lib.files import load_header
from course_lib.policies.saved import nested

CHECKPOINT, NAME = "liquid-control checkpoint 1", "checkpoint.safetensors"


def as_folder(folder: str | Path | None) -> Path | None:
    """`folder` as a path."""
    if folder is None:
        return None
    if not isinstance(folder, (str, os.PathLike)):
        raise ArgumentError(f"folder={folder!r} is not accepted; it must be the path of a folder, e.g. 'runs/cheetah'")
    return Path(folder)


def held_in(folder: Path) -> dict | None:
    """Header of the checkpoint in `folder`, or None if there is no checkpoint."""
    return load_header(folder / NAME, CHECKPOINT) if (folder / NAME).is_file() else None


def holds(folder: Path, there: dict) -> str:
    steps = there["agent"]["env_steps"]
    return f"folder {folder} holds a training already: {there['algorithm']} on {there['env_id']}, {steps:,} steps"


def differences(there: dict, here: dict) -> list[str]:
    """Differences between two recipes, such as "cell.neurons: 8 there, 5 here". Names found in only one are ignored."""
    out = []
    for name in here.keys() & there.keys():
        a, b = there[name], here[name]
        if isinstance(a, dict) and isinstance(b, dict) and name not in ("env_options", "options"):
            prefix = "" if name == "config" else f"{name}."
            out += [f"{prefix}{text}" for text in differences(nested(a), nested(b))]
        elif a != b:
            out.append(f"{name}: {a!r} there, {b!r} here")
    # What the policy was built from follows from the config, unless it was handed over.
    return sorted(text for text in out if not text.startswith("settings.")) or sorted(out)


def stamp_of(folder: Path) -> tuple | None:
    """What tells the checkpoint in `folder` from a later one; None if there is none."""
    try:
        found = (folder / NAME).stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


def same_row(a: dict[str, float], b: dict[str, float]) -> bool:
    """Whether two rows of curves agree in all that both have, apart from clocks."""
    names = a.keys() & b.keys() - {"wall_seconds", "steps_per_second"}
    return all(a[name] == b[name] or (a[name] != a[name] and b[name] != b[name]) for name in names)
