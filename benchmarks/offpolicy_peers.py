"""HalfCheetah-v5 after 15 minutes on two cores: this library's SAC against SAC, TD3 and TQC of SBX, all in float32.

    python benchmarks/offpolicy_peers.py [--runs sac sbx_sac sbx_td3 sbx_tqc] [--seeds 0 1 2 3 4] [--processes 2]
                                         [--quick]

What a run learns depends on its steps, not on its clock. So the clock is read once, by `offpolicy_pace.py`: how many
steps each makes in 15 minutes on an idle machine with all cores. The trainings then make these steps at whatever time
they need, two at once if you like. Time for tests counts for none.

"sac" has this library's settings for the task: 16 copies, and half an update for a transition with three times the
learning rate. The others are SBX as it comes: one copy, an update for each step, the settings of their papers. All
have 256-256 units and batches of 256.

    sac_15min_vs_best_peer  median return of "sac" over the greatest median among the peers, once all of them have
                            runs; the interval draws the seeds of both anew. A run's figure is the mean of 50
                            deterministic episodes of its end.

Time: 18 to 94 minutes a run in the shipped file, the long ones beside other work.
"""

from __future__ import annotations

import copy
import time
from pathlib import Path

import numpy as np
from _offpolicy import COPIES, ENV, PEER, Peer, Tests, known, row_of
from _report import (
    Table,
    claims_from,
    cli,
    column,
    counts_of,
    interval_of,
    ratio_of_medians,
    run_all,
    seedless,
    select,
    thin_curve,
    train,
)
from _results import read_file

import course_lib as cl
from course_lib.envs.engine.task import quiet
from course_lib.rl.offpolicy import SAC

NAME, PACE = "offpolicy_peers", "assets/results/offpolicy_pace.json"
MINUTES = 15.0
PEERS = ("sbx_sac", "sbx_td3", "sbx_tqc")


def config_of(seed: int = 0) -> SAC.Config:
    return SAC.Config.recommended(ENV, products="float32", seed=seed)


class Ours:
    def __init__(self, seed: int):
        self.agent = SAC(cl.make(ENV, COPIES, seed=1000 * seed), config_of(seed))
        self.agent.begin()
        self.run = cl.Run(self.agent)

    def learn(self, steps: int) -> None:
        self.run = train(self.run, steps, progress=False)

    @property
    def steps(self) -> int:
        return self.agent.env_steps

    @property
    def updates(self) -> int:
        return self.agent.learner.updates

    @property
    def policy(self):
        return self.run.policy

    def curve(self) -> dict:
        return thin_curve(self.run.curve, 100, known(self.run.curve))


class Theirs:
    def __init__(self, name: str, seed: int):
        import gymnasium as gym
        import sbx
        from stable_baselines3.common.monitor import Monitor

        with quiet():
            env = Monitor(gym.make(ENV))
        kind = getattr(sbx, name.removeprefix("sbx_").upper())
        self.model = kind("MlpPolicy", env, seed=seed, **copy.deepcopy(PEER))  # it writes into policy_kwargs

    def learn(self, steps: int) -> None:
        self.model.learn(steps, reset_num_timesteps=False, log_interval=10**9)

    @property
    def steps(self) -> int:
        return self.model.num_timesteps

    @property
    def updates(self) -> int:
        return self.model._n_updates

    @property
    def policy(self):
        return Peer(self.model)

    def curve(self) -> dict:
        return {}


def contestant(name: str, seed: int) -> Ours | Theirs:
    return Ours(seed) if name == "sac" else Theirs(name, seed)


def steps_of(name: str) -> int:
    rounds = read_file(Path(PACE))["per_seed"]
    return 1000 * round(60 * MINUTES * float(np.median([row[name] for row in rounds])) / 1000)


# --- the runs -----------------------------------------------------------------------------------


def one_run(args, name: str, seed: int) -> dict:
    print(f"{name}, seed {seed}: {args.steps or args.config[name]['steps']:,} steps", flush=True)
    one, tests, spent = contestant(name, seed), Tests(10), 0.0
    total = args.steps or args.config[name]["steps"]
    for i in range(10):
        began = time.perf_counter()
        one.learn(max((i + 1) * total // 10 - one.steps, 1))
        spent += time.perf_counter() - began
        tests.add(60 * MINUTES * one.steps / total, one.steps, one.policy)
    return row_of(
        name, seed, one.policy, tests, args.episodes, env_steps=one.steps, updates=one.updates,
        train_seconds=round(spent, 1), curve=one.curve(),
    )  # fmt: skip


# --- the report ---------------------------------------------------------------------------------


def returns_of(rows: list[dict]) -> dict[str, np.ndarray]:
    found = {name: np.array(column(rows, "return_deterministic", run=name)) for name in ("sac", *PEERS)}
    return {name: values for name, values in found.items() if len(values)}


def best_peer(rows: list[dict]) -> str | None:
    return max((n for n in returns_of(rows) if n != "sac"), key=lambda n: np.median(returns_of(rows)[n]), default=None)


def claims_of(rows: list[dict]) -> tuple[dict, dict]:
    found, peer = returns_of(rows), best_peer(rows)
    claims, intervals = claims_from({f"{name}_return_15min": values for name, values in found.items()})
    if len(found) == 1 + len(PEERS):  # the best of all of them: not before each has a run
        claim = "sac_15min_vs_best_peer"
        claims[claim], intervals[claim] = ratio_of_medians(found["sac"], found[peer])
    return claims, intervals


def seeds_behind(rows: list[dict]) -> dict[str, int]:
    """How many seeds each claim rests on; of the smaller set, where two are compared."""
    found = returns_of(rows)
    counts = counts_of({f"{name}_return_15min": values for name, values in found.items()})
    return counts | {"sac_15min_vs_best_peer": min(counts.values(), default=0)}


def report(rows: list[dict]) -> Table:
    table = Table("run", "seeds", "return, noise off", "interval", "env steps", "updates")
    for name, values in returns_of(rows).items():
        low, high = interval_of(values)
        one = select(rows, run=name)[0]
        table.add(name, len(values), np.median(values), f"{low:,.0f} to {high:,.0f}", one["env_steps"], one["updates"])
    return table


if __name__ == "__main__":
    args = cli(
        NAME, __doc__, seeds=range(5), runs=["sac", *PEERS], fixed=dict(steps=0, episodes=50),
        quick=dict(seeds=1, steps=2_000, episodes=2),
    )  # fmt: skip
    args.config = {name: {**PEER, "steps": steps_of(name)} for name in PEERS}
    args.config["sac"] = {**seedless(config_of()), "num_envs": COPIES, "steps": steps_of("sac")}
    run_all(
        args, one_run, [(name, seed) for seed in args.seeds for name in args.runs], key=("run", "seed"),
        config=args.config, part="run", claims_of=claims_of, report=report,
        says="{return_deterministic:,.0f} after {env_steps:,} steps", claim_seeds=seeds_behind,
    )  # fmt: skip
