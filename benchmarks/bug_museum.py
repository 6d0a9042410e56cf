"""The bug museum: PPO on Hopper-v5 with one planted bug at a time, and the metrics that give it away.

    python benchmarks/bug_museum.py [--seeds 0 1 2] [--steps 300000] [--json FILE] [--quick]

Every exhibit is a subclass of the library's PPO that overrides one method; nothing raises, nothing is NaN, every one
of them has been written by accident somewhere. The notebook on PPO shows the recorded metrics before the names.
Every finished run is added to the result file at once; runs already there, with the same configuration, are not
trained again.
"""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path
from unittest import mock

import numpy as np
import torch
from _report import Table, median_interval, read_result, thin_curve, write_result

import course_lib as cl
from course_lib.evaluation.returns import run_episodes
from course_lib.policies.actor_critics import gaussian_log_prob
from course_lib.rl import ppo

NAME, ENV = "bug_museum", "Hopper-v5"
METRICS = (
    "env_steps",
    "return_mean",
    "approx_kl",
    "clip_fraction",
    "explained_variance",
    "entropy",
    "value_loss",
)


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


def one_run(exhibit: str, seed: int, steps: int, episodes: int) -> dict:
    """Train one exhibit with one seed -> its row of the result file."""
    agent = EXHIBITS[exhibit](cl.make(ENV, num_envs=64, seed=1000 * seed), cl.PPOConfig(seed=seed))
    run = cl.train(agent, steps, progress=False)
    test = cl.make(ENV, num_envs=episodes, seed=10_000)
    return {
        "exhibit": exhibit,
        "seed": seed,
        "return_deterministic": run_episodes(run.policy, test).mean,
        "return_stochastic": run_episodes(run.policy, test, deterministic=False).mean,
        "train_seconds": round(run.wall_seconds, 1),
        "curve": thin_curve(run.curve, METRICS, 60),
    }


def save(path: Path, rows: list[dict], config: dict) -> dict[str, float]:
    """Write the result file -> its claims: the median stochastic return of each exhibit at the end."""
    groups = {e: [r["return_stochastic"] for r in rows if r["exhibit"] == e] for e in EXHIBITS}
    groups = {CLAIMS[e]: values for e, values in groups.items() if values}
    claims = {f"museum_return_{e}": float(np.median(values)) for e, values in groups.items()}
    write_result(
        path,
        claims=claims,
        intervals={f"museum_return_{e}": median_interval(values) for e, values in groups.items()},
        seeds=sorted({r["seed"] for r in rows}),
        per_seed=rows,
        config=config,
        wall_seconds=sum(r["train_seconds"] for r in rows),
        command=f"python benchmarks/{NAME}.py",
        exhibits={e: " ".join(kind.__doc__.split()) for e, kind in EXHIBITS.items() if kind is not cl.PPO},
    )
    return claims


def table(rows: list[dict]) -> Table:
    """Medians over seeds: the return, and each metric averaged over the second half of training."""
    names = ("approx_kl", "clip_fraction", "explained_variance", "entropy")
    out = Table("exhibit", "return", "deterministic", *names, "seeds")
    for exhibit in EXHIBITS:
        group = [r for r in rows if r["exhibit"] == exhibit]
        if not group:
            continue
        late = [np.median([np.mean(r["curve"][n][len(r["curve"][n]) // 2 :]) for r in group]) for n in names]
        returns = [np.median([r[f"return_{kind}"] for r in group]) for kind in ("stochastic", "deterministic")]
        out.add(exhibit, *map(float, [*returns, *late]), len(group))
    return out


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--steps", type=int, default=300_000)
    parser.add_argument("--json", type=Path, default=Path("assets/results") / f"{NAME}.json")
    parser.add_argument("--quick", action="store_true", help="a few iterations: checks the script, claims nothing")
    args = parser.parse_args()
    episodes = 50
    if args.quick:
        args.seeds, args.steps, episodes = args.seeds[:2], 24_576, 5
        if args.json == parser.get_default("json"):
            args.json = Path("build") / f"{NAME}_quick.json"
    base = asdict(cl.PPOConfig())
    base.pop("seed")
    config = base | {"env_id": ENV, "num_envs": 64, "steps": args.steps, "episodes": episodes}
    rows = read_result(args.json, config)
    for seed in args.seeds:  # a stop leaves whole seeds: every exhibit compared at the same ones
        for exhibit in EXHIBITS:
            if any((r["exhibit"], r["seed"]) == (exhibit, seed) for r in rows):
                continue
            rows.append(one_run(exhibit, seed, args.steps, episodes))
            save(args.json, rows, config)
            print(f"{exhibit}, seed {seed}: return {rows[-1]['return_stochastic']:.0f}", flush=True)
    print(table(rows))
    print(f"mean of {episodes} episodes, with noise and without, after {args.steps:,} steps; metrics: second half")
    for name, value in save(args.json, rows, config).items():
        print(f"{name}={value:.0f}")


if __name__ == "__main__":
    main()
