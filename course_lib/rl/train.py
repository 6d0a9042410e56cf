"""The training loop around an agent: budget, progress, interrupts, checkpoints, logs.

See `agent.Agent` for what an agent is.
"""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
import time
import weakref
from pathlib import Path

import numpy as np
from tqdm import tqdm

from course_lib.errors import ArgumentError, NonFiniteError, check_count
from course_lib.policies.base import single_precision
from course_lib.rl import logs
from course_lib.rl.agent import Agent
from course_lib.rl.run import Run, as_folder, settle

__all__ = ["Run", "notify", "train"]


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


_BUSY = weakref.WeakSet()  # agents that are being trained, perhaps in another thread


def check_free(agent: Agent) -> None:
    """Raise if the agent is being trained already: two trainings would share environments, optimiser and curve."""
    if agent in _BUSY:
        raise ArgumentError(
            "agent=one that is being trained already, in the background, is not accepted; stop() that training or "
            "wait() for it first"
        )


@contextlib.contextmanager
def _alone(agent: Agent):
    _BUSY.add(agent)
    try:
        yield
    finally:
        _BUSY.discard(agent)


@single_precision()
def train(
    agent: Agent | Run,
    env_steps: int,
    *,
    progress: bool = True,
    folder: str | Path | None = None,
    checkpoint_every: float = 30.0,
    resume: bool = False,
    overwrite: bool = False,
    callbacks: tuple = (),
    log: str | tuple[str, ...] = (),
    stop: threading.Event | None = None,
    max_seconds: float | None = None,
) -> Run:
    """Train for `env_steps` more transitions and return the run. Interrupting keeps everything so far.

    Args:
        agent: an agent, or a `Run` to continue (its curve goes on).
        env_steps: transitions over all copies; rounded up to whole iterations.
        progress: show a progress bar with the time left.
        folder: where checkpoints go, every `checkpoint_every` seconds and at the end.
        resume: continue from the checkpoint in `folder`, if there is one, to the same total. The result is bit for bit
            what it would be without the stop. (Not where environments of Gymnasium begin new episodes, or the replay
            buffer was not saved.) Refused if another setting differs; another total moves the end of the schedule,
            and that is said.
        overwrite: start anew in a folder that already holds a training run; that run is lost.
        callbacks: objects with any of `on_start(run)`, `on_update(run)`, `on_end(run)`.
        log: names of loggers: "csv", "tensorboard" (written into `folder`), "trackio", "wandb" (when installed).
        stop: training ends soon after this event is set (for a Stop button, from another thread).
        max_seconds: training also ends after this much wall-clock time; the schedule still follows `env_steps`.

    Raises:
        ArgumentError: the folder holds a training run and neither `resume` nor `overwrite` is set.
        NonFiniteError: an observation, reward, loss or weight is not finite; the last checkpoint is untouched.
    """
    env_steps = check_count("env_steps", env_steps)
    run = agent if isinstance(agent, Run) else Run(agent, folder)
    if folder is not None:
        run.folder = as_folder(folder)
    if resume and run.folder is None:
        raise ArgumentError("resume=True needs folder=…, the place of the checkpoint to go on from")
    logs.check(log, run.folder)
    agent = run.agent
    check_free(agent)
    run.start = agent.env_steps
    if run.folder is not None and settle(run, resume, overwrite):
        _tell_what_differs(run, env_steps)
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
    torn = False  # stopped in the middle of an iteration
    with _Interrupt() as interrupt, contextlib.closing(bar), _alone(agent):
        try:
            while agent.env_steps < run.target:
                seen, torn = agent.env_steps, True
                metrics = agent.iterate((seen - run.start) / env_steps)
                torn = False
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
        if torn:
            print("stopped in the middle of an iteration: what was saved before stands, this iteration is not saved")
        elif run.folder is not None:
            run.save()
        else:
            run.check_health()
    notify(callbacks, "on_end", run)
    return run


def _tell_what_differs(run: Run, env_steps: int) -> None:
    """In what a run that was just restored will not be the run that never stopped."""
    agent, planned = run.agent, run.target - run.start
    scheduled = "linear" in (getattr(agent.config, f"{name}_schedule", None) for name in ("lr", "entropy"))
    if scheduled and env_steps != planned:
        print(
            f"the schedule was made for {planned:,} steps and now ends at {env_steps:,}: from here on it is that of a "
            "run that was this long from the start"
        )
    if agent.observation is None and agent.env_steps:
        print(f"{run.policy.env_id} cannot be put back to where it was: new episodes begin")


def _redraw_seconds() -> float:
    """Often where the bar replaces itself (terminal, notebook), seldom where each redraw is a line of a log."""
    notebook = type(sys.stdout).__module__.startswith("ipykernel")
    return 0.5 if notebook or sys.stdout.isatty() else 10.0


def notify(callbacks, event: str, subject) -> None:
    """Call the method named `event` ("on_update", …) of every callback that has it."""
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
