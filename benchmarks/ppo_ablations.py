"""PPO on HalfCheetah-v5 with one thing changed at a time: what each part of the recipe is worth.

    python benchmarks/ppo_ablations.py [--seeds 0 1 2] [--steps 400000] [--quick]

Every variant is the recommended configuration with the one change that its name says, trained for the same number of
environment steps, the learning rate falling to zero at the end.
"""

from __future__ import annotations

import re

import numpy as np
from _report import Table, claims_from, cli, column, run_all, seedless, thin_curve, train

import course_lib as cl
from course_lib.evaluation.returns import run_episodes

NAME, ENV = "ppo_ablations", "HalfCheetah-v5"
METRICS = ("env_steps", "return_mean", "approx_kl", "clip_fraction", "explained_variance", "entropy")
VARIANTS: dict[str, dict] = {
    "recommended": {},
    "no observation normalisation": dict(normalize_observation=False),
    "no reward normalisation": dict(normalize_reward=False),
    "no advantage normalisation": dict(normalize_advantage=False),
    "λ = 0 (one-step TD)": dict(gae_lambda=0.0),
    "λ = 1 (Monte Carlo)": dict(gae_lambda=1.0),
    "clip ε = 0.05": dict(clip=0.05),
    "no clip, no KL stop": dict(clip=1e9, target_kl=None),
    "no KL stop": dict(target_kl=None),
    "minibatch 256": dict(minibatch_size=256),
    "minibatch 4096": dict(minibatch_size=4096),
    "γ = 0.99": dict(gamma=0.99),
    "first σ = 1": dict(init_log_std=0.0),
    "all episodes start together": dict(stagger=False),
}


class Together(cl.PPO):
    """PPO whose copies all start their episodes in the same step."""

    def begin(self) -> None:
        super().begin()
        self.observation, _ = self.envs.reset()


def one_run(args, variant: str, seed: int) -> dict:
    changes = dict(VARIANTS[variant])
    kind = cl.PPO if changes.pop("stagger", True) else Together
    envs = cl.make(ENV, num_envs=64, seed=1000 * seed)
    agent = kind(envs, cl.PPOConfig.recommended(ENV, seed=seed, **changes))
    run = train(agent, args.steps, progress=False)
    test = cl.make(ENV, num_envs=args.episodes, seed=10_000)
    return {
        "variant": variant,
        "seed": seed,
        "return_deterministic": run_episodes(run.policy, test).mean,
        "return_stochastic": run_episodes(run.policy, test, deterministic=False).mean,
        "train_seconds": round(run.wall_seconds, 1),
        "curve": thin_curve(run.curve, 40, METRICS),
    }


def claim_name(variant: str) -> str:
    """ "λ = 0 (one-step TD)" -> "return_lambda_0_one_step_TD"."""
    for letter, word in {"λ": "lambda", "γ": "gamma", "ε": "eps", "σ": "sigma"}.items():
        variant = variant.replace(letter, word)
    return "return_" + re.sub(r"\W+", "_", variant).strip("_")


def claims_of(rows: list[dict]) -> tuple[dict, dict]:
    """The median return of each variant."""
    return claims_from({claim_name(v): column(rows, "return_deterministic", variant=v) for v in VARIANTS})


def report(rows: list[dict]) -> Table:
    table = Table("variant", "median", "lowest", "highest", "of recommended", "seeds")
    groups = {v: column(rows, "return_deterministic", variant=v) for v in VARIANTS}
    best = np.median(groups["recommended"])
    for variant, values in groups.items():
        if values:
            middle = float(np.median(values))
            table.add(variant, middle, min(values), max(values), f"{middle / best:.0%}", len(values))
    return table


if __name__ == "__main__":
    args = cli(
        NAME, __doc__, seeds=range(3), steps=400_000, fixed=dict(episodes=20),
        quick=dict(seeds=2, steps=8_192, episodes=2),
    )  # fmt: skip
    words = f"deterministic mean of {args.episodes} episodes after {args.steps:,} steps"
    facts = {"num_envs": 64, "steps": args.steps, "episodes": args.episodes, "variants": VARIANTS}
    run_all(  # a stop leaves whole seeds: every variant compared at the same ones
        args, one_run, [(variant, seed) for seed in args.seeds for variant in VARIANTS], key=("variant", "seed"),
        config=seedless(cl.PPOConfig.recommended(ENV)) | facts, claims_of=claims_of,
        report=lambda rows: [report(rows), words], says="{return_deterministic:.0f}, {train_seconds:.0f} s",
    )  # fmt: skip
