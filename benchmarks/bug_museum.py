"""The bug museum: PPO on Hopper-v5 with one planted bug at a time, and the metrics that give it away.

    python benchmarks/bug_museum.py [--seeds 0 1 2] [--steps 300000] [--quick]

Every exhibit is a subclass of the library's PPO that overrides one method; nothing raises, nothing is NaN, every one
of them has been written by accident somewhere. The notebook on PPO shows the recorded metrics before the names.
"""

from __future__ import annotations

from unittest import mock

import numpy as np
import torch
from _report import Table, claims_from, cli, column, run_all, seedless, select, thin_curve, train

import course_lib as cl
from course_lib.evaluation.returns import run_episodes
from course_lib.policies.actor_critics import gaussian_log_prob
from course_lib.rl import ppo

NAME, ENV = "bug_museum", "Hopper-v5"
LATE = ("approx_kl", "clip_fraction", "explained_variance", "entropy")
METRICS = ("env_steps", "return_mean", *LATE, "value_loss")


class Reshaped(cl.PPO):
    """The old log-probabilities (T, N) went through a buffer of shape (N, T) and back by `reshape`, which does not
    transpose: each transition is compared with the log-probability of another one."""

    def collect(self):
        rollout, raw = super().collect()
        rollout.log_prob = rollout.log_prob.T.reshape(rollout.log_prob.shape)
        return rollout, raw


class NoDoneMask(cl.PPO):
    """The advantage recursion does not know where episodes end: the value after a fall is that of the next
    episode's start, and its advantages flow back into the fall."""

    def collect(self):
        def across(rewards, values, next_values, terminated, over, gamma, lam):
            never = np.zeros_like(over)
            following = np.concatenate([values[1:], next_values[-1:]])
            return gae(rewards, values, following, never, never, gamma, lam)

        gae = ppo.gae
        with mock.patch.object(ppo, "gae", across):
            return super().collect()


class ClampedLogProb(cl.PPO):
    """The action is clamped to its bounds before its log-probability is taken, as if the Gaussian had drawn the
    bound itself."""

    def collect(self):
        rollout, raw = super().collect()
        low, high = torch.from_numpy(self.policy.action_low), torch.from_numpy(self.policy.action_high)
        rollout.action = rollout.action.clamp(low, high)
        with torch.no_grad():
            mean, _ = self.policy.sequence(rollout.x, rollout.state[0], rollout.starts)
            rollout.log_prob = gaussian_log_prob(rollout.action, mean, self.policy.log_std)
        return rollout, raw


class BroadcastValue(cl.PPO):
    """The critic's output kept its last axis: (B, 1) minus targets (B,) broadcasts to (B, B), and every value is
    pulled to the mean of all targets."""

    def loss(self, batch):
        def broadcast(value, target):
            return 0.5 * (value.reshape(-1, 1) - target.reshape(1, -1)).square().mean()

        with mock.patch.object(ppo, "value_loss", broadcast):
            return super().loss(batch)


EXHIBITS: dict[str, type[cl.PPO]] = {
    "healthy": cl.PPO,
    "old log-probabilities reshaped": Reshaped,
    "no done mask": NoDoneMask,
    "log-probability of the clamped action": ClampedLogProb,
    "value loss broadcast": BroadcastValue,
}
CLAIMS = dict(zip(EXHIBITS, ("healthy", "reshaped", "no_done_mask", "clamped", "broadcast"), strict=True))


def one_run(args, exhibit: str, seed: int) -> dict:
    agent = EXHIBITS[exhibit](cl.make(ENV, num_envs=64, seed=1000 * seed), cl.PPOConfig(seed=seed))
    run = train(agent, args.steps, progress=False)
    test = cl.make(ENV, num_envs=args.episodes, seed=10_000)
    return {
        "exhibit": exhibit,
        "seed": seed,
        "return_deterministic": run_episodes(run.policy, test).mean,
        "return_stochastic": run_episodes(run.policy, test, deterministic=False).mean,
        "train_seconds": round(run.wall_seconds, 1),
        "curve": thin_curve(run.curve, 60, METRICS),
    }


def claims_of(rows: list[dict]) -> tuple[dict, dict]:
    """The median return with noise of each exhibit at the end."""
    return claims_from({f"museum_return_{CLAIMS[e]}": column(rows, "return_stochastic", exhibit=e) for e in EXHIBITS})


def report(rows: list[dict]) -> Table:
    """Medians over seeds: the return, and each metric averaged over the second half of training."""
    table = Table("exhibit", "return", "deterministic", *LATE, "seeds")
    for exhibit in EXHIBITS:
        if group := select(rows, exhibit=exhibit):
            late = [np.median([np.mean(r["curve"][n][len(r["curve"][n]) // 2 :]) for r in group]) for n in LATE]
            returns = [np.median(column(group, f"return_{kind}")) for kind in ("stochastic", "deterministic")]
            table.add(exhibit, *map(float, [*returns, *late]), len(group))
    return table


if __name__ == "__main__":
    args = cli(
        NAME, __doc__, seeds=range(3), steps=300_000, fixed=dict(episodes=50),
        quick=dict(seeds=2, steps=24_576, episodes=5),
    )  # fmt: skip
    words = (
        f"mean of {args.episodes} episodes, with noise and without, after {args.steps:,} steps; metrics: second half"
    )
    facts = {"env_id": ENV, "num_envs": 64, "steps": args.steps, "episodes": args.episodes}
    run_all(  # a stop leaves whole seeds: every exhibit compared at the same ones
        args, one_run, [(exhibit, seed) for seed in args.seeds for exhibit in EXHIBITS], key=("exhibit", "seed"),
        config=seedless(cl.PPOConfig()) | facts, claims_of=claims_of, report=lambda rows: [report(rows), words],
        says="return {return_stochastic:.0f}",
        exhibits={e: " ".join(kind.__doc__.split()) for e, kind in EXHIBITS.items() if kind is not cl.PPO},
    )  # fmt: skip
