"""The training loop around an agent: budget, progress, interrupts, checkpoints, logs.

See `agent.Agent` for what an agent is.
"""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np
from tqdm import tqdm

from course_lib.errors import ArgumentError, NonFiniteError, PolicyFileError, check_count
from course_lib.files import load_tensors, make_folder, save_tensors, versions
from course_lib.policies.saved import save_policy
from course_lib.rl import logs
from course_lib.rl.agent import Agent

CHECKPOINT = "liquid-control checkpoint 1"


class Run:
    """A training in progress or finished: the agent, its curve, where it is saved.

    Attributes:
        agent: the agent that was trained.
        curve: metric name -> array, one entry an iteration (env_steps, wall_seconds, return_mean, …).
        interrupted: why training ended before its budget ("stopped by the user", …), or None.
    """

    def __init__(self, agent: Agent, folder: str | Path | None = None):
        self.agent = agent
        self.folder = None if folder is None else Path(folder)
        self._rows: list[dict[str, float]] = []
        self.wall_seconds = 0.0
        self.interrupted: str | None = None
        self.start = self.target = 0  # env steps between which the schedule runs

    @property
    def policy(self):
        return self.agent.policy

    @property
    def curve(self) -> dict[str, np.ndarray]:
        names = self._rows[0] if self._rows else {}
        return {name: np.array([row[name] for row in self._rows]) for name in names}

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

    def save(self, folder: str | Path | None = None) -> Path:
        """Write `policy.safetensors`, `checkpoint.safetensors` and `curve.csv` into `folder`."""
        folder = self.folder if folder is None else Path(folder)
        if folder is None:
            raise ArgumentError(
                "folder=None is not accepted: this run has no folder yet; give one, e.g. run.save('runs/cheetah')"
            )
        self.folder = folder
        self.checkpoint()
        self.save_policy(folder / "policy.safetensors")
        logs.write_csv(folder / "curve.csv", self._rows)
        return folder

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
        """Write all that a later `resume` needs to go on as if nothing had happened."""
        tensors, facts = self.agent.state_dict()
        header = {
            "format": CHECKPOINT,
            "algorithm": self.agent.name,
            "env_id": self.policy.env_id,
            "env_options": self.policy.env_options,
            "num_envs": self.agent.envs.num_envs,
            "config": asdict(self.agent.config),
            "agent": facts,
            "curve": self._rows,
            "wall_seconds": self.wall_seconds,
            "start": self.start,
            "target": self.target,
            "versions": versions(),
        }
        try:
            return save_tensors(self.folder / "checkpoint.safetensors", tensors, header)
        except PolicyFileError as error:  # the last checkpoint is untouched
            raise PolicyFileError(f"{error}{self.agent.saving_hint}") from None

    def restore(self, folder: str | Path | None = None) -> Run:
        """Put agent and curve back to the checkpoint in `folder`."""
        folder = self.folder if folder is None else Path(folder)
        tensors, header = load_tensors(folder / "checkpoint.safetensors", CHECKPOINT)
        for name, ours in (("algorithm", self.agent.name), ("num_envs", self.agent.envs.num_envs)):
            if header[name] != ours:
                raise ArgumentError(
                    f"{name}={ours!r} does not fit the checkpoint in {folder.name}, which has {header[name]!r}"
                )
        self.agent.load_state_dict(tensors, header["agent"])
        self._rows, self.wall_seconds = header["curve"], header["wall_seconds"]
        self.start, self.target = header["start"], header["target"]
        self.folder = folder
        return self


class _Interrupt:
    """While active, Ctrl-C or ■ asks to stop after the iteration in hand; a second one stops at once."""

    def __init__(self):
        self.asked = False

    def __enter__(self):
        self._old = None
        if threading.current_thread() is threading.main_thread():
            self._old = signal.signal(signal.SIGINT, self._handle)
        return self

    def _handle(self, number, frame):
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True

    def __exit__(self, *exc):
        if self._old is not None:
            signal.signal(signal.SIGINT, self._old)


def train(
    agent: Agent | Run,
    env_steps: int,
    *,
    progress: bool = True,
    folder: str | Path | None = None,
    checkpoint_every: float = 30.0,
    resume: bool = False,
    callbacks: tuple = (),
    log: str | tuple[str, ...] = (),
    stop: threading.Event | None = None,
    max_seconds: float | None = None,
) -> Run:
    """Train for `env_steps` more transitions and return the run. Interrupting keeps everything so far.

    Args:
        agent: an agent, or a `Run` to go on with (its curve continues).
        env_steps: transitions over all copies; rounded up to whole iterations.
        progress: show a progress bar with the time left.
        folder: where checkpoints go, every `checkpoint_every` seconds and at the end.
        resume: go on from the checkpoint in `folder`, if there is one, to the same total: the result is the same as
            never having stopped, bit for bit.
        callbacks: objects with any of `on_start(run)`, `on_update(run)`, `on_end(run)`.
        log: names of loggers: "csv", "tensorboard" (written into `folder`), "trackio", "wandb" (when installed).
        stop: training ends soon after this event is set (for a Stop button, from another thread).
        max_seconds: training also ends after this much wall-clock time; the schedule still follows `env_steps`.

    Raises:
        NonFiniteError: an observation, reward, loss or weight is not finite; the last checkpoint is untouched.
    """
    env_steps = check_count("env_steps", env_steps)
    run = agent if isinstance(agent, Run) else Run(agent, folder)
    if folder is not None:
        run.folder = Path(folder)
    if resume and run.folder is None:
        raise ArgumentError("resume=True needs folder=…, the place of the checkpoint to go on from")
    logs.check(log, run.folder)
    agent = run.agent
    run.start = agent.env_steps
    if resume and (run.folder / "checkpoint.safetensors").is_file():
        run.restore()
    elif run.folder is not None:
        make_folder(run.folder)
    run.target, run.interrupted = run.start + env_steps, None
    first = agent.env_steps
    callbacks = [*callbacks, *logs.make(log, run.folder)]
    bar = tqdm(
        total=env_steps, initial=first - run.start, unit=" steps", unit_scale=True, disable=not progress,
        file=sys.stdout, mininterval=_redraw_seconds(), dynamic_ncols=True, desc=f"{agent.name} {run.policy.env_id}",
    )  # fmt: skip
    before, saved = run.wall_seconds, time.perf_counter()
    began = time.perf_counter()
    notify(callbacks, "on_start", run)
    with _Interrupt() as interrupt, contextlib.closing(bar):
        try:
            while agent.env_steps < run.target:
                seen = agent.env_steps
                metrics = agent.iterate((seen - run.start) / env_steps)
                _check_metrics(metrics, agent)
                now = time.perf_counter()
                run.wall_seconds = before + now - began
                row = {"env_steps": agent.env_steps, "wall_seconds": run.wall_seconds, **metrics}
                row["steps_per_second"] = (agent.env_steps - first) / max(now - began, 1e-9)
                run._rows.append(row)
                bar.set_postfix_str(f"return {row['return_mean']:.0f}", refresh=False)
                bar.update(agent.env_steps - seen)
                notify(callbacks, "on_update", run)
                if run.folder is not None and now - saved > checkpoint_every:
                    run.checkpoint()
                    saved = time.perf_counter()
                if interrupt.asked or (stop is not None and stop.is_set()):
                    run.interrupted = "stopped by the user"
                    break
                if max_seconds is not None and run.wall_seconds - before >= max_seconds:
                    run.interrupted = "out of time"
                    break
        except KeyboardInterrupt:
            run.interrupted = "stopped by the user"
    if run.folder is not None:
        run.save()
    notify(callbacks, "on_end", run)
    return run


def _redraw_seconds() -> float:
    """Often where the bar replaces itself (terminal, notebook), seldom where each redraw is a line of a log."""
    notebook = type(sys.stdout).__module__.startswith("ipykernel")
    return 0.5 if notebook or sys.stdout.isatty() else 10.0


def notify(callbacks, event: str, subject) -> None:
    """Tell the callbacks that have a method for `event` ("on_update", …) of it."""
    for callback in callbacks:
        if hasattr(callback, event):
            getattr(callback, event)(subject)


def _check_metrics(metrics: dict[str, float], agent) -> None:
    for name in ("policy_loss", "value_loss", "entropy"):
        if name in metrics and not np.isfinite(metrics[name]):
            raise NonFiniteError(
                f"{name} is {metrics[name]} at environment step {agent.env_steps}; the last checkpoint is untouched; "
                "a smaller learning_rate is the first thing to try"
            )
