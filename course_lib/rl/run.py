"""A training run, in progress or finished: its curve, its folder, and the checks before anything is saved there."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch

from course_lib.errors import ArgumentError, NonFiniteError, PolicyFileError
from course_lib.files import load_header, load_tensors, make_folder, remove_leftovers, save_tensors, versions
from course_lib.policies.saved import nested, save_policy
from course_lib.rl import logs
from course_lib.rl.agent import Agent

CHECKPOINT, NAME = "liquid-control checkpoint 1", "checkpoint.safetensors"
MOST_WEIGHT = 1e6  # a network with a greater weight has exploded


class Run:
    """A training run, in progress or finished: the agent, its curve, and where it is saved.

    Attributes:
        agent: the agent that was trained.
        curve: metric name -> array, one entry per iteration (env_steps, wall_seconds, return_mean, …).
        interrupted: why training ended before its budget ("stopped by the user", …), or None.
    """

    def __init__(self, agent: Agent, folder: str | Path | None = None):
        self.agent = agent
        self.folder = as_folder(folder)
        self._rows: list[dict[str, float]] = []
        self.wall_seconds = 0.0
        self._own: Path | None = None  # the folder that holds this very training
        self.interrupted: str | None = None
        self.start = self.target = 0  # env steps between which the schedule runs

    @property
    def policy(self):
        return self.agent.policy

    @property
    def curve(self) -> dict[str, np.ndarray]:
        rows = list(self._rows)  # a training in the background goes on adding
        return {name: np.array([row[name] for row in rows]) for name in (rows[0] if rows else {})}

    @property
    def latest(self) -> dict[str, float]:
        """Metrics of the last iteration."""
        return self._rows[-1] if self._rows else {}

    def __repr__(self) -> str:
        end = f", {self.interrupted}" if self.interrupted else ""
        best = self.latest.get("return_mean", float("nan"))
        return (
            f"Run({self.agent.name} on {self.policy.env_id}: {self.agent.env_steps:,} steps in "
            f"{self.wall_seconds:.0f} s, mean return of the last 100 episodes {best:.0f}{end})"
        )

    # --- saving -----------------------------------------------------------------------------

    def save(self, folder: str | Path | None = None, overwrite: bool = False) -> Path:
        """Write `policy.safetensors`, `checkpoint.safetensors` and `curve.csv` into `folder`.

        Raises:
            ArgumentError: the folder holds another run, or a later state of this one, and `overwrite` is not set.
            NonFiniteError: a weight is not finite or far too large, or a statistic is not finite; nothing is written.
        """
        folder = self.folder if folder is None else as_folder(folder)
        if folder is None:
            raise ArgumentError(
                "folder=None is not accepted: this run has no folder yet; give one, e.g. run.save('runs/cheetah')"
            )
        if not overwrite and folder != self._own and (there := held_in(folder)):
            if differences(there, self.recipe()) or there["agent"]["env_steps"] > self.agent.env_steps:
                raise ArgumentError(f"{_holds(folder, there)}; accepted: another folder, or overwrite=True")
        self.folder = folder
        self.checkpoint()
        self.save_policy(folder / "policy.safetensors")
        logs.write_csv(folder / "curve.csv", self._rows)
        return folder

    def recipe(self) -> dict:
        """Everything that determines a training run, except its length, as plain JSON."""
        agent, policy = self.agent, self.policy
        config = {name: value for name, value in asdict(agent.config).items() if name != "torch_threads"}
        facts = dict(algorithm=agent.name, env_id=policy.env_id, env_options=policy.env_options, note=policy.env_note)
        facts |= dict(num_envs=agent.envs.num_envs, policy=type(policy).__name__, settings=policy.settings)
        return json.loads(json.dumps({**facts, "config": config}))

    def save_policy(self, path: str | Path, **facts) -> Path:
        """Write the policy alone, with algorithm, config, seed and training facts in its header."""
        agent = self.agent
        return save_policy(
            self.policy,
            path,
            algorithm=agent.name,
            config=asdict(agent.config),
            seed=agent.config.seed,
            env_steps=agent.env_steps,
            wall_seconds=round(self.wall_seconds, 1),
            **facts,
        )

    def checkpoint(self) -> Path:
        """Write everything that a later `resume` needs to continue as if nothing had happened."""
        self.check_health()
        tensors, facts = self.agent.state_dict()
        header = {
            "format": CHECKPOINT,
            **self.recipe(),
            "agent": facts,
            "curve": self._rows,
            "wall_seconds": self.wall_seconds,
            "start": self.start,
            "target": self.target,
            "versions": versions(),
        }
        try:
            path = save_tensors(self.folder / NAME, tensors, header)
        except PolicyFileError as error:  # the last checkpoint is untouched
            raise PolicyFileError(f"{error}{self.agent.saving_hint}") from None
        self._own = self.folder
        return path

    def check_health(self) -> None:
        """Raise if a weight is not finite or far too large, or a statistic is not finite. Nothing is saved then."""
        agent = self.agent
        for name, value in agent.weights():
            if not (most := value.detach().abs().max()) <= MOST_WEIGHT:  # NaN is not either
                raise NonFiniteError(
                    f"{name} holds {most.item():.3g} at environment step {agent.env_steps}, so nothing is saved and "
                    "the last checkpoint is untouched; a smaller learning_rate is the first thing to try"
                )
        for name, value in agent.state_dict()[0].items():
            if name.startswith("memory."):
                continue  # a task's own notes: infinite may mean "not yet", as in Throw
            if value.is_floating_point() and not torch.isfinite(value).all():
                raise NonFiniteError(
                    f"{name} is not finite at environment step {agent.env_steps}, so nothing is saved and the last "
                    "checkpoint is untouched; look for huge rewards or observations"
                )

    def restore(self, folder: str | Path | None = None) -> Run:
        """Restore the agent and the curve from the checkpoint in `folder`.

        Raises:
            ArgumentError: it is from another training run: environment, options, network or hyperparameters differ.
        """
        folder = self.folder if folder is None else Path(folder)
        tensors, header = load_tensors(folder / NAME, CHECKPOINT)
        if found := differences(header, self.recipe()):
            raise ArgumentError(
                f"the checkpoint in {folder.name} is of another training: {'; '.join(found[:4])}; accepted: the same "
                "settings, or another folder"
            )
        self.agent.load_state_dict(tensors, header["agent"])
        self._rows, self.wall_seconds = header["curve"], header["wall_seconds"]
        self.start, self.target = header["start"], header["target"]
        self.folder = self._own = folder
        return self


def as_folder(folder: str | Path | None) -> Path | None:
    """`folder` as a path."""
    if folder is None:
        return None
    if not isinstance(folder, (str, os.PathLike)):
        raise ArgumentError(f"folder={folder!r} is not accepted; it must be the path of a folder, e.g. 'runs/cheetah'")
    return Path(folder)


# --- folders ------------------------------------------------------------------------------------


def held_in(folder: Path) -> dict | None:
    """Header of the checkpoint in `folder`, or None if there is no checkpoint."""
    return load_header(folder / NAME, CHECKPOINT) if (folder / NAME).is_file() else None


def _holds(folder: Path, there: dict) -> str:
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


def settle(run: Run, resume: bool, overwrite: bool) -> bool:
    """Resume the training run in the run's folder, or make sure that none is lost -> whether it was resumed."""
    folder = run.folder
    remove_leftovers(folder)
    there = None if folder == run._own else held_in(folder)
    if there and resume:
        run.restore()
    elif there and not overwrite:
        raise ArgumentError(
            f"{_holds(folder, there)}; accepted: resume=True to go on with it, overwrite=True to begin anew, or "
            "another folder"
        )
    elif there:
        for name in (NAME, "policy.safetensors", "curve.csv"):
            (folder / name).unlink(missing_ok=True)
    make_folder(folder)
    return bool(there and resume)
