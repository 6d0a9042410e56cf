"""What the off-policy benchmarks share: tests while training, a peer's model as a policy."""

from __future__ import annotations

import course_lib as cl
from course_lib.evaluation.returns import run_episodes
from course_lib.policies.base import Policy

ENV, COPIES = "HalfCheetah-v5", 16
# Settings of Stable-Baselines3 and SBX, those of the paper: an update for each step.
PEER = dict(batch_size=256, train_freq=1, gradient_steps=1, policy_kwargs={"net_arch": [256, 256]})
CURVE = ("env_steps", "wall_seconds", "return_mean", "q_mean", "entropy_mean", "temperature", "updates")


def test(policy, episodes: int, env: str = ENV):
    return run_episodes(policy, cl.make(env, episodes, seed=10_000))


class Tests:
    """Deterministic returns at moments of training."""

    def __init__(self, episodes: int, env: str = ENV):
        self.episodes, self.env = episodes, env
        self.rows: dict[str, list[float]] = {name: [] for name in ("minutes", "env_steps", "return_deterministic")}

    def add(self, seconds: float, env_steps: int, policy) -> None:
        mean = test(policy, self.episodes, self.env).mean
        for values, value in zip(self.rows.values(), (seconds / 60, env_steps, mean), strict=True):
            values.append(float(f"{value:.6g}"))
        print(f"  {seconds / 60:6.1f} min, {env_steps:9,} steps: {mean:8,.0f}", flush=True)


def row_of(name: str, seed: int, policy, tests: Tests, episodes: int, **facts) -> dict:
    final = test(policy, episodes, tests.env)
    return {
        "run": name, "seed": seed, "return_deterministic": final.mean, "return_sd": final.sd,
        "episodes": episodes, **facts, "tests": tests.rows,
    }  # fmt: skip


class Peer(Policy):
    """A model of Stable-Baselines3 or SBX as a policy of ours, for `run_episodes`."""

    def __init__(self, model):
        super().__init__(model.observation_space.shape[0], model.action_space.shape[0])
        self.model, self.env_id = model, ENV

    def act(self, obs, state=None, deterministic=True, rng=None):
        return self.model.predict(obs, deterministic=deterministic)[0], state


def known(curve: dict) -> tuple[str, ...]:
    return tuple(name for name in CURVE if name in curve)
