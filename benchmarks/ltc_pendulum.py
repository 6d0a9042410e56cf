"""Liquid networks on InvertedPendulum-v5: environment steps and seconds until the pole is balanced, by neurons and by
cell.

    python benchmarks/ltc_pendulum.py [--seeds 0 1 … 9] [--settings ltc_8 mlp_8 …] [--keep] [--quick]

After every 256 environment steps the policy plays 100 deterministic episodes from fixed start states. The run has
solved the task once their mean return is at least 950 of 1,000 (the check ends as soon as that is out of reach).
Its steps count as training, those of the check do not; likewise the seconds. Training goes on to 8,192 steps for
the curves, and up to 50,000 where the task is not solved. All settings share one configuration; the critic is the
same memoryless network everywhere, so that only the actor differs.

`--keep` ships the trained policy of each cell (seed 0).
"""

from __future__ import annotations

import time
from dataclasses import asdict

import numpy as np
from _report import Table, claims_from, cli, column, interval_of, ratio_of_medians, run_all, seedless, select

import course_lib as cl
from course_lib.evaluation.returns import run_episodes

NAME, ENV = "ltc_pendulum", "InvertedPendulum-v5"
CURVE_STEPS, SOLVED, EPISODES = 8_192, 950.0, 100
BEFORE = {"ltc_8": 48_000, "ltc_16": 42_000, "ltc_32": 32_000, "smallest": 5}  # one seed each, read off its figures

SIZES = (1, 2, 3, 5, 8, 16, 32)
OTHERS = ("neural_ode", "ctrnn", "synaptic_ltc", "cfc", "gru")
SETTINGS: dict[str, dict] = {f"ltc_{n}": dict(cell=dict(name="ltc", neurons=n)) for n in SIZES}
SETTINGS["mlp_8"] = dict(cell=dict(name="mlp", neurons=8))  # equal neurons
SETTINGS["mlp_params"] = dict(cell=dict(name="mlp", neurons=21))  # equal parameters
SETTINGS |= {f"{name}_8": dict(cell=dict(name=name, neurons=8)) for name in OTHERS}
SETTINGS |= {f"ltc_8_bptt{n}": dict(cell=dict(name="ltc", neurons=8), sequence_length=n) for n in (1, 8)}
SHIP = {f"{name}_8": name for name in ("ltc", "mlp", *OTHERS)}


def settings_of(name: str, seed: int = 0) -> cl.PPOConfig:
    setting = SETTINGS[name]
    return cl.PPOConfig.recommended(ENV, seed=seed, **setting | dict(cell=dict(critic="mlp", **setting["cell"])))


def solves(policy) -> bool:
    """Whether the mean return of `EPISODES` deterministic episodes reaches `SOLVED`; stops once it cannot."""
    envs = cl.make(ENV, EPISODES, seed=10_000)
    (observation, _), state, alive = envs.reset(), None, np.ones(EPISODES, bool)
    missing, allowed = 0, (1000.0 - SOLVED) * EPISODES
    for t in range(1000):
        action, state = policy.act(observation, state)
        observation, _, terminated, _, _ = envs.step(action)
        # A pole that falls at step t has earned t: the reward of the step in which it falls is 0.
        missing += int((alive & terminated).sum()) * (1000 - t)
        alive &= ~terminated
        if missing > allowed:
            return False
    return True


def mean_return(policy, episodes: int = 20) -> float:
    return run_episodes(policy, cl.make(ENV, episodes, seed=20_000), seed=20_000).mean


def one_run(args, name: str, seed: int) -> dict:
    agent = cl.PPO(cl.make(ENV, 8, seed=1000 * seed), settings_of(name, seed))
    curve: dict[str, list] = {"env_steps": [0], "return_deterministic": [mean_return(agent.policy)]}
    seconds, solved = 0.0, None
    while agent.env_steps < (CURVE_STEPS if solved else args.most):
        began = time.perf_counter()
        agent.iterate(progress=0.0)
        seconds += time.perf_counter() - began
        if not solved and solves(agent.policy):
            solved = (agent.env_steps, seconds)
        if agent.env_steps % 512 == 0 and agent.env_steps <= max(CURVE_STEPS, args.most // 3):
            curve["env_steps"].append(agent.env_steps)
            curve["return_deterministic"].append(round(mean_return(agent.policy), 1))
    policy, steps = agent.policy, solved[0] if solved else args.most  # never counts as the whole budget
    actor = [p.numel() for p in (*policy.cell.parameters(), *policy.readout.parameters())]
    if args.keep and seed == 0 and name in SHIP:
        cl.save_policy(
            policy, f"assets/policies/pendulum_{SHIP[name]}", algorithm="ppo", seed=seed,
            config=asdict(settings_of(name, seed)), env_steps=max(CURVE_STEPS, steps),
            return_deterministic=curve["return_deterministic"][-1],
            command=f"python benchmarks/{NAME}.py --seeds 0 --settings {name} --keep",
        )  # fmt: skip
    return {
        "setting": name,
        "cell": agent.config.cell.name,
        "neurons": agent.config.cell.neurons,
        "parameters": int(sum(actor)),
        "seed": seed,
        "solved": solved is not None,
        "steps_to_solve": steps,
        "train_seconds": round(solved[1] if solved else seconds, 2),
        "curve": curve,
    }


def always_solving(rows: list[dict]) -> list[int]:
    """The sizes of LTC with which all seeds solve the task."""
    solved = {n: column(rows, "solved", setting=f"ltc_{n}") for n in SIZES}
    return [n for n, values in solved.items() if values and all(values)]


def claims_of(rows: list[dict]) -> tuple[dict, dict]:
    """Claims and their intervals, of the settings that were run. A run that never solves it takes infinitely long."""
    steps = {s: [r["steps_to_solve"] if r["solved"] else np.inf for r in select(rows, setting=s)] for s in SETTINGS}
    groups = {f"ltc{n}_steps": steps[f"ltc_{n}"] for n in (32, 16, 8)}
    claims, intervals = claims_from(groups | {"ltc8_seconds": column(rows, "train_seconds", setting="ltc_8")})
    if len(steps["ltc_8"]) and len(steps["mlp_8"]):
        found = ratio_of_medians(steps["ltc_8"], steps["mlp_8"])
        claims["ltc8_vs_mlp_steps"], intervals["ltc8_vs_mlp_steps"] = found
    if len(steps["ltc_8"]) and len(steps["mlp_params"]):
        found = ratio_of_medians(steps["ltc_8"], steps["mlp_params"])
        claims["ltc8_vs_mlp_params_steps"], intervals["ltc8_vs_mlp_params_steps"] = found
    if always := always_solving(rows):
        claims["smallest_ltc"] = float(always[0])
        intervals["smallest_ltc"] = [float(always[0])] * 2
    return claims, intervals


def seeds_behind(rows: list[dict]) -> dict[str, int]:
    """How many seeds each claim rests on: not all settings were run with all seeds."""
    count = {s: len(select(rows, setting=s)) for s in SETTINGS}
    out = {f"ltc{n}_steps": count[f"ltc_{n}"] for n in (32, 16, 8)} | {"ltc8_seconds": count["ltc_8"]}
    out |= {"ltc8_vs_mlp_steps": min(count["ltc_8"], count["mlp_8"])}
    out |= {"ltc8_vs_mlp_params_steps": min(count["ltc_8"], count["mlp_params"])}
    if always := always_solving(rows):
        out["smallest_ltc"] = count[f"ltc_{always[0]}"]
    return {claim: number for claim, number in out.items() if number}


def report(rows: list[dict]) -> Table:
    table = Table("actor", "neurons", "parameters", "seeds", "solved", "steps, median", "interval", "seconds", "before")
    for name in SETTINGS:
        if mine := select(rows, setting=name):
            values = column(mine, "steps_to_solve")
            low, high = interval_of(values)
            table.add(
                name, mine[0]["neurons"], mine[0]["parameters"], len(mine), sum(column(mine, "solved")),
                np.median(values), f"{low:,.0f} to {high:,.0f}", np.median(column(mine, "train_seconds")),
                BEFORE.get(name, ""),
            )  # fmt: skip
    return table


if __name__ == "__main__":
    args = cli(
        NAME, __doc__, seeds=range(10), settings=[*SETTINGS], keep="the policy of each cell, seed 0",
        fixed=dict(most=50_000), quick=dict(seeds=2, settings=["ltc_8", "mlp_8"], most=4_096),
    )  # fmt: skip
    config = {"num_envs": 8, "most": args.most, "settings": SETTINGS, "episodes": EPISODES}
    run_all(
        args, one_run, [(name, seed) for seed in args.seeds for name in args.settings], key=("setting", "seed"),
        config=seedless(settings_of("ltc_8")) | config, claims_of=claims_of, report=report,
        says="{steps_to_solve:,} steps, {train_seconds} s", before=BEFORE, claim_seeds=seeds_behind,
    )  # fmt: skip
