"""The loop of a sweep: ask for trials, hand them to a pool, record how they end. The only one to write trials."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable
from types import SimpleNamespace

import optuna
from optuna.trial import TrialState
from tqdm import tqdm

from course_lib.rl.train import notify
from course_lib.sweeps.results import Sweep
from course_lib.sweeps.space import with_values
from course_lib.sweeps.storage import Owner, put_back, recover
from course_lib.sweeps.workers import Outcome

POLL = 1.0  # s between two looks at the trials of others


class Driver:
    """Runs what is missing of `found` until it has `trials` trials.

    Args:
        max_seconds: begin no trial after this much wall-clock time.
        progress: show a bar.
        callbacks: objects with any of `on_trial(sweep)`, after each trial, and `on_end(sweep)`.
    """

    def __init__(self, found: Sweep, trials: int, max_seconds: float | None, progress: bool, callbacks=()):
        self.sweep, self.study, self.trials = found, found.study, trials
        self.until = None if max_seconds is None else time.monotonic() + max_seconds
        self.running: dict[int, optuna.Trial] = {}
        self._reported: dict[int, set[int]] = {}
        self._callbacks = callbacks
        done = len(found.of_state("complete", "pruned", "failed"))
        self._bar = tqdm(
            total=max(trials, done), initial=done, unit=" trials", disable=not progress, file=sys.stdout,
            dynamic_ncols=True, desc=f"sweep {found.name}", mininterval=0.5 if sys.stdout.isatty() else 10.0,
        )  # fmt: skip

    def run(self, make_pool: Callable) -> None:
        """Until every trial is finished, here or by another caller of the same sweep."""
        pool = make_pool(self.decide)
        with contextlib.closing(self._bar), Owner(self.study) as owner:
            try:
                while True:
                    while pool.free() > 0 and (trial := self._next(owner.name)) is not None:
                        self._submit(pool, trial)
                    if self.running:
                        for number, outcome in pool.finished(POLL):
                            self._settle(number, outcome)
                    elif self._late() or not any(t.state in ("running", "waiting") for t in self._asked()):
                        break
                    else:  # the last ones run elsewhere; should their owner die, they come here
                        time.sleep(POLL)
            except KeyboardInterrupt:
                self.sweep.interrupted = "stopped by the user"
            finally:
                pool.close()
                self._release()
        if self._late() and len(self.sweep.of_state("complete", "pruned", "failed")) < self.trials:
            self.sweep.interrupted = self.sweep.interrupted or "out of time"
        notify(self._callbacks, "on_end", self.sweep)

    def _asked(self) -> list:
        """Of the trials that there are, those among the number that this call asks for."""
        return self.sweep.trials[: self.trials]

    def _late(self) -> bool:
        return self.until is not None and time.monotonic() > self.until

    def _next(self, owner: str) -> optuna.Trial | None:
        """A trial to run: a queued one first, else a new one while the number is not reached."""
        if self._late():
            return None
        recover(self.study)
        before = self._counted()
        if len(before) >= self.trials and not any(t.state == TrialState.WAITING for t in before[: self.trials]):
            return None
        trial = self.study.ask()
        trial.set_user_attr("owner", owner)
        if trial.number not in {t.number for t in before}:
            # Two callers may both have seen room for one more: numbers are unique, so the later one yields.
            if sum(t.number < trial.number for t in self._counted()) >= self.trials:
                trial.set_user_attr("surplus", True)
                self.study.tell(trial, state=TrialState.FAIL)
                return None
        return trial

    def _counted(self) -> list:
        return [t for t in self.study.get_trials(deepcopy=False) if not t.user_attrs.get("surplus")]

    def _submit(self, pool, trial: optuna.Trial) -> None:
        params = {}
        for name, found in self.sweep.space.items():
            distribution = found.distribution()
            if found.kind == "choice":
                stored = trial.suggest_categorical(name, distribution.choices)
            else:
                ask = trial.suggest_int if found.kind == "integer" else trial.suggest_float
                stored = ask(name, distribution.low, distribution.high, log=found.log)
            params[name] = found.decode(stored)
        self.running[trial.number] = trial
        # A trial that starts again repeats its reports; Optuna takes each step once.
        self._reported[trial.number] = set(self.study._storage.get_trial(trial._trial_id).intermediate_values)
        try:
            base = self.sweep.config
            config = SimpleNamespace(**params) if base is None else with_values(base, params)
        except Exception as error:  # fields that do not go together
            self._settle(trial.number, Outcome("failed", reason=f"{type(error).__name__}: {error}"))
            return
        pool.submit(trial.number, config)

    def decide(self, number: int, step: int, value: float) -> bool:
        """Record a report -> whether to stop the trial."""
        trial = self.running[number]
        if step not in self._reported[number]:
            self._reported[number].add(step)
            trial.report(value, step)
        return trial.should_prune()

    def _settle(self, number: int, outcome: Outcome) -> None:
        trial = self.running.pop(number)
        if outcome.kind == "died":
            if put_back(self.study, self.study._storage.get_trial(trial._trial_id), outcome.reason):
                return
        else:
            trial.set_user_attr("seconds", outcome.seconds)
            if outcome.kind == "failed":
                trial.set_user_attr("reason", outcome.reason[:1000])
            states = {"complete": None, "pruned": TrialState.PRUNED, "failed": TrialState.FAIL}
            value = outcome.value if outcome.kind == "complete" else None
            self.study.tell(trial, value, state=states[outcome.kind], skip_if_finished=True)
        if self.sweep.of_state("complete"):
            self._bar.set_postfix_str(f"best {self.sweep.best.value:,.4g}", refresh=False)
        self._bar.update()
        notify(self._callbacks, "on_trial", self.sweep)

    def _release(self) -> None:
        """Queue what did not end again, itself; where even that fails, the next call finds it without an owner."""
        with contextlib.suppress(Exception):
            for trial in self.running.values():
                put_back(self.study, self.study._storage.get_trial(trial._trial_id), None)
