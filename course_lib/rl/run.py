"""A training run, in progress or finished: its curve, its folder, and the checks before anything is saved there."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch

from course_lib.errors import ArgumentError, NonFiniteError, PolicyFileError
from course_lib.files import load_tensors, make_folder, remove_leftovers, save_tensors, versions
from course_lib.policies.saved import save_policy
from course_lib.rl import logs
from course_lib.rl.agent import Agent
from course_lib.rl.folders import CHECKPOINT, NAME, as_folder, differences, held_in, holds, same_row, stamp_of

MOST_WEIGHT = 1e6  # a network with a greater weight has exploded


class Run:
    """A training run, in progress or finished: the agent, its curve, and where it is saved.

    Attributes:
        agent: the agent that was trained.
        curve: metric name -> array, one entry per iteration (env_steps, wall_seconds, return_mean, …).
        interrupted: why training ended before its budget ("stopped by the user", …), or None.
    """

    def __init__(self, agent: Agent, folder: str | Path | None = None):
        if not isinstance(agent, Agent):
            raise ArgumentError(
                f"agent=a {type(agent).__name__} cannot be trained; accepted: an agent, e.g. cl.PPO(envs), or a run"
            )
        self.agent = agent
        self.folder = as_folder(folder)
        self._rows: list[dict[str, float]] = []
        self.wall_seconds = 0.0
        # Resolved, as one folder has many spellings:
        self._own: Path | None = None  # the folder that holds this very training,
        self._stamp: tuple | None = None  # and which of its checkpoints
        self._replaces: Path | None = None  # a folder whose training the next checkpoint may replace
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
            ArgumentError: the folder holds another run, or a later state of this one, and `overwrite` is not set; or it
                holds the state before an iteration that was stopped in the middle.
            NonFiniteError: a weight is not finite or far too large, or a statistic is not finite; nothing is written.
        """
        folder = self.folder if folder is None else as_folder(folder)
        if folder is None:
            raise ArgumentError(
                "folder=None is not accepted: this run has no folder yet; give one, e.g. run.save('runs/cheetah')"
            )
        before = self.folder, self._replaces
        self.folder, self._replaces = folder, folder.resolve() if overwrite else self._replaces
        try:
            self.checkpoint()
        except BaseException:
            self.folder, self._replaces = before
            raise
        self.save_policy(folder / "policy.safetensors")
        logs.write_csv(folder / "curve.csv", self._rows)
        return folder

    def _check_free(self, folder: Path) -> None:
        """Raise if a checkpoint in `folder` would replace another training than an earlier state of this one."""
        place = folder.resolve()
        if place == self._replaces or not (there := held_in(folder)):
            return
        if place == self.agent.torn_from:
            raise ArgumentError(
                f"{holds(folder, there)}, and this agent was stopped in the middle of an iteration after that; "
                "accepted: cl.train(run, …, resume=True) to go on from there, another folder, or overwrite=True"
            )
        if not self._holds_latest(folder) and not self._follows(there):
            raise ArgumentError(f"{holds(folder, there)}; accepted: another folder, or overwrite=True")

    def _holds_latest(self, folder: Path) -> bool:
        """Whether the checkpoint in `folder` is the last that this run wrote or read."""
        return folder.resolve() == self._own and stamp_of(folder) == self._stamp

    def _follows(self, there: dict) -> bool:
        """Whether this run is what the training with the checkpoint header `there` would become: the same settings, the
        same first observation, and the same curve as far as that one goes. (Under a schedule that ends elsewhere only
        the first row can be.)"""
        steps, rows, begun_at = there["agent"]["env_steps"], there["curve"], there["agent"].get("begun_at")
        if differences(there, self.recipe()) or steps > self.agent.env_steps or (steps and not rows):
            return False
        if begun_at not in (None, self.agent.begun_at):
            return False
        if has_schedule(self.agent) and (there["start"], there["target"]) != (self.start, self.target):
            rows = rows[:1]
        return len(rows) <= len(self._rows) and all(map(same_row, rows, self._rows))

    def recipe(self) -> dict:
        """Everything that determines a training run, except its length, as plain JSON."""
        agent, policy = self.agent, self.policy
        config = {name: value for name, value in asdict(agent.config).items() if name != "torch_threads"}
        facts = dict(algorithm=agent.name, env_id=policy.env_id, env_options=policy.env_options, note=policy.env_note)
        facts |= dict(num_envs=agent.envs.num_envs, policy=type(policy).__name__, settings=policy.settings)
        facts["policy_handed_over"] = agent.begun_with
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
        """Write everything that a later `resume` needs to continue as if nothing had happened. Raises as `save`."""
        if self.folder is None:
            raise ArgumentError("folder=None is not accepted: this run has no folder yet; give one to cl.train or save")
        self._check_free(self.folder)
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
        place = self.folder.resolve()
        if self._replaces == place and self._own != place:
            for name in ("policy.safetensors", "curve.csv"):  # of the training that was there
                (self.folder / name).unlink(missing_ok=True)
        self._own, self._stamp, self._replaces, self.agent.torn_from = place, stamp_of(place), None, None
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

    def restore(self, folder: str | Path | None = None, forget: bool = True) -> Run:
        """Restore the agent and the curve from the checkpoint in `folder`.

        forget: whether an agent may be put back that has been trained meanwhile, or otherwise.

        Raises:
            ArgumentError: it is from another training run: environment, options, network or hyperparameters differ, or
                the policy that was handed over; or the agent has been trained and may not forget it.
        """
        folder = self.folder if folder is None else Path(folder)
        tensors, header = load_tensors(folder / NAME, CHECKPOINT)
        here = self.recipe()
        if self.agent.begun_with is None or self._has_policy_of(tensors):
            here.pop("policy_handed_over")  # none that would be dropped
        if found := differences(header, here):
            raise ArgumentError(
                f"the checkpoint in {folder.name} is of another training: {'; '.join(found[:4])}; accepted: the same "
                "settings, or another folder"
            )
        if not (forget or self._is_kept(folder, tensors, header)):
            raise ArgumentError(
                f"resume=True would put this agent, trained for {self.agent.env_steps:,} steps, back to the "
                f"{header['agent']['env_steps']:,} of folder {folder}, and what it has learnt would be lost; "
                "accepted: a new agent, or this one without resume in another folder"
            )
        self.agent.load_state_dict(tensors, header["agent"])
        self.agent.torn_from = None
        self.agent.begun_with = header.get("policy_handed_over", self.agent.begun_with)
        self._rows, self.wall_seconds = header["curve"], header["wall_seconds"]
        self.start, self.target = header["start"], header["target"]
        self.folder, self._own, self._stamp = folder, folder.resolve(), stamp_of(folder)
        return self

    def _is_kept(self, folder: Path, tensors: dict, header: dict) -> bool:
        """Whether nothing good is lost if the agent is put back to this checkpoint in `folder`."""
        agent = self.agent
        if not agent.env_steps or agent.torn_from == folder.resolve():
            return True
        mine, names = agent.state_dict()[0], [name for name in tensors if name.startswith(("policy.", "learner."))]
        same = all(name in mine and torch.equal(mine[name], tensors[name]) for name in names)
        if same and header["agent"]["env_steps"] == agent.env_steps:
            return True
        try:
            self.check_health()
        except NonFiniteError:
            return True
        return False

    def _has_policy_of(self, tensors: dict) -> bool:
        """Whether weights and normaliser of the agent's policy are those of a checkpoint."""
        mine = self.policy.state_dict()
        places = ({name: tensors.get(prefix + name) for name in mine} for prefix in ("policy.", "learner.policy."))
        return any(all(v is not None and torch.equal(v, mine[name]) for name, v in held.items()) for held in places)


def has_schedule(agent: Agent) -> bool:
    """Whether something falls linearly to the end of training, wherever that is."""
    return "linear" in (getattr(agent.config, f"{name}_schedule", None) for name in ("lr", "entropy"))


def settle(run: Run, folder: Path, resume: bool, overwrite: bool) -> bool:
    """Resume the training run in `folder`, or make sure that none is lost -> whether it was resumed.

    A training that may be overwritten stays until the first checkpoint replaces it.
    """
    remove_leftovers(folder)
    run._replaces = None
    torn = resume and run.agent.torn_from == folder.resolve()
    there = held_in(folder) if torn or not run._holds_latest(folder) else None
    if there and resume:
        run.restore(folder, forget=False)
    elif there and not overwrite:
        raise ArgumentError(
            f"{holds(folder, there)}; accepted: resume=True to go on with it, overwrite=True to begin anew, or "
            "another folder"
        )
    make_folder(folder)
    if not os.access(folder, os.W_OK):
        raise PolicyFileError(f"folder {folder} cannot be written; choose a folder you may write to")
    run.folder = folder
    run._replaces = folder.resolve() if there and not resume else None
    return bool(there and resume)
