"""The objective of a sweep over an algorithm: train with a config, report on the way, evaluate at the end."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from course_lib.errors import ArgumentError

EVALUATION_SEED = 10_000


class _Reports:
    """A training callback that reports the return at equal shares of the budget, the last one left out."""

    def __init__(self, report, parts: int):
        self.report, self.parts, self.done = report, parts, 0

    def on_update(self, run) -> None:
        share = (run.agent.env_steps - run.start) / (run.target - run.start)
        part = int(share * self.parts + 1e-9)
        if self.done < part < self.parts:
            self.done = part
            self.report(part, run.latest["return_mean"])  # NaN, while no episode has ended, is not counted


@dataclass
class Training:
    """`objective(config, report)` for any agent class that `cl.train` takes.

    Attributes:
        agent: called with (envs, config).
        threads: of the simulation; the more trials run at once, the fewer threads each has.
        value: what counts in the end: "deterministic" or "stochastic" (mean return of `episodes` episodes), "training"
            (mean return of the last 100 training episodes), or a function of the run.
    """

    agent: Callable
    env: str
    env_steps: int
    num_envs: int = 64
    env_options: dict[str, Any] = field(default_factory=dict)
    threads: int | None = None
    reports: int = 10
    value: str | Callable = "deterministic"
    episodes: int = 20

    def __call__(self, config, report) -> float:
        from course_lib.envs import make
        from course_lib.rl.train import train

        envs = make(self.env, self.num_envs, seed=config.seed, threads=self.threads, **self.env_options)
        try:
            agent = self.agent(envs, config)
            run = train(agent, self.env_steps, progress=False, callbacks=(_Reports(report, self.reports),))
        finally:
            envs.close()
        if run.interrupted:
            raise KeyboardInterrupt
        return self._value(run)

    def _value(self, run) -> float:
        from course_lib.envs import make
        from course_lib.evaluation.returns import run_episodes

        if callable(self.value):
            return self.value(run)
        if self.value == "training":
            return run.latest["return_mean"]
        envs = make(self.env, self.episodes, seed=EVALUATION_SEED, threads=self.threads, **self.env_options)
        try:
            return run_episodes(run.policy, envs, self.value == "deterministic", EVALUATION_SEED).mean
        finally:
            envs.close()


def check_env(env, options: dict) -> None:
    """Raise unless `cl.make` knows the environment `env` with these options."""
    from course_lib.envs import make

    if env is None:
        raise ArgumentError("env=None is not accepted: name an environment, or give objective=…")
    make(env, 1, **options).close()


def check_known_elsewhere(env: str, workers: int) -> None:
    """Raise unless other processes know the environment `env` too: what a notebook registers, they do not."""
    import gymnasium

    from course_lib.envs import TASKS

    if env.removeprefix("course/") in TASKS or ":" in env:  # of this course, or its module is imported there
        return
    if str(gymnasium.spec(env).entry_point).startswith("gymnasium."):
        return
    code = "import gymnasium, sys; sys.exit(sys.argv[1] not in gymnasium.registry)"
    if subprocess.run([sys.executable, "-c", code, env], capture_output=True).returncode:
        raise ArgumentError(
            f"env={env!r} is registered in this process alone, and workers={workers} others would not know it; "
            f"accepted: 'MODULE:{env}' with the module that registers it, or workers=1"
        )
