"""The training loop around an agent: budget, progress, interrupts, checkpoints, logs.

See `agent.Agent` for what an agent is.
"""

from __future__ import annotations

import contextlib
import sys
import threading
import time
import weakref
from pathlib import Path

import numpy as np
from tqdm import tqdm

from course_lib.errors import ArgumentError, Between, NonFiniteError, check_count
from course_lib.policies.base import single_precision
from course_lib.rl import logs
from course_lib.rl.agent import Agent
from course_lib.rl.callbacks import check_callbacks, notify, notify_end
from course_lib.rl.folders import as_folder
from course_lib.rl.interrupts import Interrupts
from course_lib.rl.run import Run, has_schedule, settle

__all__ = ["Run", "notify", "train"]


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
        overwrite: start anew in a folder that already holds a training run; that run is lost once the first checkpoint
            replaces it.
        callbacks: objects with any of `on_start(run)`, `on_update(run)`, `on_end(run)`. Where one raises, what was
            trained until then is saved first; from `on_end`, when all is saved, an error is a warning.
        log: names of loggers: "csv", "tensorboard" (written into `folder`), "trackio", "wandb" (when installed).
        stop: training ends soon after this event is set (for a Stop button, from another thread).
        max_seconds: training also ends after this much wall-clock time; the schedule still follows `env_steps`.

    Raises:
        ArgumentError: the folder holds a training run and neither `resume` nor `overwrite` is set; or `resume` would
            put an agent back that has learnt more than the checkpoint holds, or something else.
        NonFiniteError: an observation, reward, loss or weight is not finite; the last checkpoint is untouched.
    """
    env_steps = check_count("env_steps", env_steps)
    checkpoint_every, max_seconds = _checked_times(checkpoint_every, max_seconds)
    if stop is not None and not callable(getattr(stop, "is_set", None)):
        raise ArgumentError(f"stop={stop!r:.80} is not accepted; it must be a threading.Event, or None")
    run = agent if isinstance(agent, Run) else Run(agent, folder)
    place = run.folder if folder is None else as_folder(folder)
    if resume and place is None:
        raise ArgumentError("resume=True needs folder=…, the place of the checkpoint to go on from")
    agent, place_before = run.agent, run.folder
    check_free(agent)
    agent.look_again()
    callbacks = [*check_callbacks(callbacks), *logs.make(log, place)]
    if place is not None and settle(run, place, resume, overwrite):
        _tell_what_differs(run, env_steps)
    else:
        run.start = agent.env_steps
    run.target, run.interrupted = run.start + env_steps, None
    first = agent.env_steps
    bar = tqdm(
        total=env_steps, initial=first - run.start, unit=" steps", unit_scale=True, disable=not progress,
        file=sys.stdout, mininterval=_redraw_seconds(), dynamic_ncols=True, desc=f"{agent.name} {run.policy.env_id}",
    )  # fmt: skip
    before, saved = run.wall_seconds, time.perf_counter()
    began = time.perf_counter()
    torn = False  # stopped in the middle of an iteration
    with contextlib.closing(bar), _alone(agent):
        try:
            notify(callbacks, "on_start", run)
        except BaseException:  # the run stays where it was
            if run.folder is not None and run.folder.resolve() != run._own:
                run.folder, run._replaces = place_before, None
            raise
        with Interrupts() as interrupts:
            try:
                while agent.env_steps < run.target:
                    seen, torn = agent.env_steps, True
                    metrics = agent.iterate((seen - run.start) / env_steps)
                    _check_metrics(metrics, agent)
                    now = time.perf_counter()
                    run.wall_seconds = before + now - began
                    row = {"env_steps": agent.env_steps, "wall_seconds": run.wall_seconds, **metrics}
                    row["steps_per_second"] = (agent.env_steps - first) / max(now - began, 1e-9)
                    run._rows.append(row)
                    torn, agent.torn_from = False, None
                    bar.set_postfix_str(f"return {row['return_mean']:.0f}", refresh=False)
                    bar.update(agent.env_steps - seen)
                    notify(callbacks, "on_update", run)
                    if run.folder is not None and now - saved > checkpoint_every:
                        with interrupts.held():
                            run.checkpoint()
                        saved = time.perf_counter()
                    if interrupts.asked or (stop is not None and stop.is_set()):
                        run.interrupted = "stopped by the user"
                        break
                    if max_seconds is not None and run.wall_seconds - before >= max_seconds:
                        run.interrupted = "out of time"
                        break
                interrupts.hold()
            except KeyboardInterrupt:
                run.interrupted = "stopped by the user"
            except BaseException as error:  # of a callback, mostly: it goes on once all is saved
                interrupts.hold()
                if not torn:
                    _rescue(run, error)
                raise
            finally:
                if torn:
                    agent.torn_from = run._own
            if torn:
                print("stopped in the middle of an iteration: what was saved before stands, this iteration is not "
                      "saved")  # fmt: skip
            elif run.folder is not None:
                run.save()
            else:
                run.check_health()
            if interrupts.asked:  # perhaps while it was saved
                run.interrupted = "stopped by the user"
    notify_end(callbacks, run)
    return run


def _checked_times(checkpoint_every: float, max_seconds: float | None) -> tuple[float, float | None]:
    """Both in seconds, raising where they are no numbers; infinity means never."""
    seconds = Between(0, or_inf=True)
    most = None if max_seconds is None else seconds.check("max_seconds", max_seconds)
    return seconds.check("checkpoint_every", checkpoint_every), most


def _rescue(run: Run, error: BaseException) -> None:
    """Save what there is after `error`, where there is a folder. What goes wrong with that is only said."""
    if run.folder is None:
        return
    try:
        run.save()
    except Exception as second:
        if str(second) != str(error):  # else it was the saving that failed
            print(f"what was trained since the last checkpoint is not saved: {second}")


def _tell_what_differs(run: Run, env_steps: int) -> None:
    """In what a run that was just restored will not be the run that never stopped."""
    agent, planned = run.agent, run.target - run.start
    if has_schedule(agent) and env_steps != planned:
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


def _check_metrics(metrics: dict[str, float], agent) -> None:
    for name in ("policy_loss", "value_loss", "entropy"):
        if name in metrics and not np.isfinite(metrics[name]):
            raise NonFiniteError(
                f"{name} is {metrics[name]} at environment step {agent.env_steps}; the last checkpoint is untouched; "
                "a smaller learning_rate is the first thing to try"
            )
