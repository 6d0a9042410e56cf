"""PPO on HalfCheetah-v5 with one thing changed at a time: what each part of the recipe is worth.

    python benchmarks/ppo_ablations.py [--seeds 0 1 2] [--steps 400000] [--json FILE] [--quick]

Every variant is the recommended configuration with the one change that its name says, trained for the same number of
environment steps, the learning rate falling to zero at the end. Every finished run is added to the result file at
once; runs already there, with the same configuration, are not trained again.
"""

from __future__ import annotations

import argparse
import re
from dataclasses import asdict
from pathlib import Path

import numpy as np
from _report import Table, median_interval, read_result, thin_curve, write_result

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


def one_run(variant: str, seed: int, steps: int, episodes: int) -> dict:
    """Train one variant with one seed -> its row of the result file."""
    changes = dict(VARIANTS[variant])
    kind = cl.PPO if changes.pop("stagger", True) else Together
    envs = cl.make(ENV, num_envs=64, seed=1000 * seed)
    agent = kind(envs, cl.PPOConfig.recommended(ENV, seed=seed, **changes))
    run = cl.train(agent, steps, progress=False)
    test = cl.make(ENV, num_envs=episodes, seed=10_000)
    return {
        "variant": variant,
        "seed": seed,
        "return_deterministic": run_episodes(run.policy, test).mean,
        "return_stochastic": run_episodes(run.policy, test, deterministic=False).mean,
        "train_seconds": round(run.wall_seconds, 1),
        "curve": thin_curve(run.curve, METRICS, 40),
    }


def claim_name(variant: str) -> str:
    """ "λ = 0 (one-step TD)" -> "return_lambda_0_one_step_TD"."""
    for letter, word in {"λ": "lambda", "γ": "gamma", "ε": "eps", "σ": "sigma"}.items():
        variant = variant.replace(letter, word)
    return "return_" + re.sub(r"\W+", "_", variant).strip("_")


def by_variant(rows: list[dict]) -> dict[str, list[float]]:
    """Variant -> deterministic returns, one a seed, in the order of VARIANTS."""
    groups = {v: [r["return_deterministic"] for r in rows if r["variant"] == v] for v in VARIANTS}
    return {v: values for v, values in groups.items() if values}


def save(path: Path, rows: list[dict], config: dict) -> dict[str, float]:
    """Write the result file -> its claims: the median return of each variant."""
    groups = by_variant(rows)
    claims = {claim_name(v): float(np.median(values)) for v, values in groups.items()}
    write_result(
        path,
        claims=claims,
        intervals={claim_name(v): median_interval(values) for v, values in groups.items()},
        seeds=sorted({r["seed"] for r in rows}),
        per_seed=rows,
        config=config,
        wall_seconds=sum(r["train_seconds"] for r in rows),
        command=f"python benchmarks/{NAME}.py",
    )
    return claims


def table(rows: list[dict]) -> Table:
    out = Table("variant", "median", "lowest", "highest", "of recommended", "seeds")
    groups = by_variant(rows)
    best = np.median(groups["recommended"])
    for variant, values in groups.items():
        middle = float(np.median(values))
        out.add(variant, middle, min(values), max(values), f"{middle / best:.0%}", len(values))
    return out


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--steps", type=int, default=400_000)
    parser.add_argument("--json", type=Path, default=Path("assets/results") / f"{NAME}.json")
    parser.add_argument("--quick", action="store_true", help="a few iterations: checks the script, claims nothing")
    args = parser.parse_args()
    episodes = 20
    if args.quick:
        args.seeds, args.steps, episodes = args.seeds[:2], 8_192, 2
        if args.json == parser.get_default("json"):
            args.json = Path("build") / f"{NAME}_quick.json"
    base = asdict(cl.PPOConfig.recommended(ENV))
    base.pop("seed")
    config = base | {"num_envs": 64, "steps": args.steps, "episodes": episodes, "variants": VARIANTS}
    rows = read_result(args.json, config)
    for seed in args.seeds:  # a stop leaves whole seeds: every variant compared at the same ones
        for variant in VARIANTS:
            if any((r["variant"], r["seed"]) == (variant, seed) for r in rows):
                continue
            rows.append(one_run(variant, seed, args.steps, episodes))
            print(
                f"{variant}, seed {seed}: {rows[-1]['return_deterministic']:.0f}, {rows[-1]['train_seconds']:.0f} s",
                flush=True,
            )
            save(args.json, rows, config)
    print(table(rows))
    print(f"deterministic mean of {episodes} episodes after {args.steps:,} steps")
    for name, value in save(args.json, rows, config).items():
        print(f"{name}={value:.0f}")


if __name__ == "__main__":
    main()
