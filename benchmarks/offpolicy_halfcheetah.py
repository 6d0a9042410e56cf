"""HalfCheetah-v5 off-policy: 30 minutes of wall clock against Stable-Baselines3, and the best run that ships.

    python benchmarks/offpolicy_halfcheetah.py [--runs sac td3 sb3_sac sac_equal best] [--seeds 0 1 2]
                                               [--minutes 240] [--keep] [--quick]

"sac" and "td3" are this library's, with the settings below; "sb3_sac" ("sb3_td3" on demand) is Stable-Baselines3's
with its defaults, which are those of the paper: one copy, an update for each step. Each trains for 30 minutes of wall
clock; nothing else should run meanwhile. Setting up counts for none of them, tests neither: after every 90 s of
training the clock stands still while 10 deterministic episodes are played. A run's figure is the mean of 50
deterministic episodes of the policy that it ends with.

"sac_equal" has the settings of the paper and of SB3, one copy and an update for each step, and makes as many steps as
"sb3_sac" gets to in its 30 minutes. So it tells what the same algorithm does here from what the settings add.

Two runs may be made in the same 30 minutes on the same machine, a core for each, and what disturbs one disturbs the
other. (What a second core would give the peer is a contestant of `offpolicy_speed.py`.) The shipped runs of seeds 0 to
2 were made so, those of seed 3 later, on another processor, with products in float32 (`note` in the result file):
    for seed in 0 1 2; do
        taskset -c 0 python benchmarks/offpolicy_halfcheetah.py --seeds $seed --runs sac --json build/a$seed.json &
        taskset -c 1 python benchmarks/offpolicy_halfcheetah.py --seeds $seed --runs sb3_sac --json build/b$seed.json
        wait
    done
    python benchmarks/offpolicy_halfcheetah.py --seeds --include build/[ab]?.json

    sac_30min_vs_sb3        median return of "sac" over that of "sb3_sac"; the interval draws both sets of seeds anew
    sac_equal_vs_sb3        the same of "sac_equal", at equal settings and equally many steps
    best_halfcheetah_return the run "best": SAC with a falling learning rate, 2.5M steps, at most 4 h, 100 episodes

"best" keeps a checkpoint with its buffer in build/, renewed every 3 minutes: the same command goes on after a stop, or
another day (`--minutes` ends a sitting; its 4 h are counted over all of them), and the result is the same as if it had
never stopped. Only when it is done is it added. Two seeds of it may be trained at a time too, on a core each.
`--keep` ships the policies of the first seed asked for, that of "best" in its present state.

Time: 30 min and a little for each run of 30 min, 9 of them: 4.7 h; "sac_equal" 20 min; "best" up to 4 h.
"""

from __future__ import annotations

import copy
import json
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from _offpolicy import COPIES, ENV, PEER, Peer, Tests, known, row_of
from _report import (
    Table,
    claims_from,
    cli,
    column,
    counts_of,
    ratio_of_medians,
    run_all,
    seedless,
    select,
    thin_curve,
    train,
)

import course_lib as cl
from course_lib.envs.engine.task import quiet
from course_lib.files import load_tensors, write_atomically
from course_lib.machine import cores
from course_lib.rl.offpolicy import SAC, TD3
from course_lib.rl.run import CHECKPOINT

NAME = "offpolicy_halfcheetah"
MINUTES, HOURS = 30.0, 4.0  # of a run against SB3; at most for the best run
TEST_BEST = 300.0  # s between two tests of the best run
TO_BEAT = 9_535.0  # SAC of rl-zoo after 1M steps
OURS = dict(learning_rate=1e-3, updates_per_step=0.5, products="bfloat16")
ENTROPY = dict(temperature=0.1)  # where the learned temperature starts
EQUAL_STEPS = 115_000  # the median of what SB3's SAC makes in 30 minutes on one core
RUNS = {
    "sac_equal": lambda seed: SAC.Config(learning_starts=256, seed=seed),
    "sac": lambda seed: SAC.Config(**OURS, **ENTROPY, seed=seed),
    "td3": lambda seed: TD3.Config(**OURS, seed=seed),
    "sb3_sac": None,
    "sb3_td3": None,
    "best": lambda seed: SAC.Config(**OURS, **ENTROPY, lr_schedule="linear", seed=seed),
}
BEST_STEPS = 2_500_000
SHIPPED = {"sac": "halfcheetah_sac_30min", "td3": "halfcheetah_td3_30min", "best": "halfcheetah_sac"}


def facts_of(name: str) -> dict:
    """What a run depends on but the seed; infinite fields are left out, for which JSON has no word."""
    if RUNS[name] is None:
        return {**PEER, "minutes": MINUTES}
    facts = {k: v for k, v in seedless(RUNS[name](0)).items() if v != float("inf")}
    limit = dict(steps=BEST_STEPS, hours=HOURS) if name == "best" else dict(minutes=MINUTES)
    if name == "sac_equal":
        limit = dict(steps=EQUAL_STEPS)
    return {**facts, **limit, "num_envs": copies_of(name)}


def copies_of(name: str) -> int:
    return 1 if name == "sac_equal" else COPIES


# --- ours ---------------------------------------------------------------------------------------


def ours(args, name: str, seed: int) -> dict:
    """Training in pieces, between two of which it is tested; the run's clock counts only what `cl.train` takes."""
    agent_of = TD3 if name == "td3" else SAC
    agent = agent_of(cl.make(ENV, copies_of(name), seed=1000 * seed), RUNS[name](seed))
    agent.begin()
    run, tests = cl.Run(agent), Tests(10)
    seconds, steps = (1e9, args.equal_steps) if name == "sac_equal" else (60 * args.length, 10**9)
    while (left := seconds - run.wall_seconds) > 0 and agent.env_steps < steps:
        run = train(run, steps - agent.env_steps, progress=False, max_seconds=min(60 * args.every, left))
        tests.add(run.wall_seconds, agent.env_steps, run.policy)
    row = row_of(
        name, seed, run.policy, tests, args.episodes, minutes=round(run.wall_seconds / 60, 2),
        env_steps=agent.env_steps, updates=agent.learner.updates, curve=thin_curve(run.curve, 150, known(run.curve)),
    )  # fmt: skip
    if args.keep and seed == args.seeds[0]:
        ship(run, name, seed, row["return_deterministic"])
    return row


def ship(run, name: str, seed: int, mean: float) -> None:
    run.save_policy(
        f"assets/policies/{SHIPPED[name]}", return_deterministic=mean,
        command=f"python benchmarks/{NAME}.py --runs {name} --seeds {seed} --keep",
    )  # fmt: skip


# --- the peer -----------------------------------------------------------------------------------


def sb3(args, name: str, seed: int) -> dict:
    import gymnasium as gym
    import stable_baselines3
    from stable_baselines3.common.callbacks import BaseCallback
    from stable_baselines3.common.monitor import Monitor

    tests, curve = Tests(10), {name: [] for name in ("env_steps", "wall_seconds", "return_mean")}

    class Clock(BaseCallback):
        """Stops after the time of training; stands still during tests."""

        def _on_training_start(self):
            self.seconds, self.began, self.due = 0.0, time.perf_counter(), 60 * args.every

        def _on_step(self) -> bool:
            seconds = self.seconds + time.perf_counter() - self.began
            over = seconds >= 60 * args.length
            if seconds >= self.due or over:
                tests.add(seconds, self.num_timesteps, Peer(self.model))
                returns = [episode["r"] for episode in self.model.ep_info_buffer]
                new = (self.num_timesteps, seconds, float(np.mean(returns)) if returns else float("nan"))
                for values, value in zip(curve.values(), new, strict=True):
                    values.append(value)
                self.seconds, self.began, self.due = seconds, time.perf_counter(), self.due + 60 * args.every
            return not over

    torch.set_num_threads(cores())  # as it comes
    with quiet():
        env = Monitor(gym.make(ENV))
    kind = getattr(stable_baselines3, name.removeprefix("sb3_").upper())
    model = kind("MlpPolicy", env, device="cpu", seed=seed, **copy.deepcopy(PEER))  # it writes into policy_kwargs
    model.learn(10**9, callback=Clock(), log_interval=10**9)
    return row_of(
        name, seed, Peer(model), tests, args.episodes, minutes=tests.rows["minutes"][-1], env_steps=model.num_timesteps,
        updates=model._n_updates, curve=thin_curve(curve, 150),
    )  # fmt: skip


# --- the best run -------------------------------------------------------------------------------


class Watch(Tests):
    """Tests "best" every few minutes of training and keeps the results beside its checkpoint."""

    def __init__(self, folder: Path, every: float):
        super().__init__(10)
        self.file, self.every = folder / "tests.json", every
        if self.file.is_file():
            self.rows = json.loads(self.file.read_text())

    def on_start(self, run) -> None:
        """Forget what was tested after the checkpoint: it comes again."""
        keep = [steps <= run.agent.env_steps for steps in self.rows["env_steps"]]
        self.rows = {k: [v for v, good in zip(vs, keep, strict=True) if good] for k, vs in self.rows.items()}

    def on_update(self, run) -> None:
        last = 60 * self.rows["minutes"][-1] if self.rows["minutes"] else 0.0
        if run.wall_seconds - last >= self.every:
            self.add(run.wall_seconds, run.agent.env_steps, run.policy)
            write_atomically(self.file, json.dumps(self.rows).encode())


def best(args, seed: int) -> dict | None:
    """Train the best run for a sitting, or to its end -> its row once it is done, else None."""
    folder = args.json.parent / f"{args.json.stem}_best" if args.quick else Path("build") / f"{NAME}_best"
    folder = folder / str(seed)
    used, checkpoint, config = 0.0, folder / "checkpoint.safetensors", RUNS["best"](seed)
    if checkpoint.is_file():
        header = load_tensors(checkpoint, CHECKPOINT)[1]
        saved = asdict(SAC.Config()) | header["config"]  # fields that came later have their defaults
        if json.loads(json.dumps(saved)) != json.loads(json.dumps(asdict(config))):
            raise SystemExit(f"{folder} holds a run with other settings; move it away to begin anew")
        used = header["wall_seconds"]
    left = 3600 * args.hours - used
    agent, watch = SAC(cl.make(ENV, COPIES, seed=1000 * seed), config), Watch(folder, TEST_BEST)
    agent.begin()
    run = train(
        agent, args.steps, folder=folder, resume=True, checkpoint_every=180.0, callbacks=[watch],
        max_seconds=max(min(60 * args.minutes, left), 1.0),
    )  # fmt: skip
    done = agent.env_steps >= args.steps or run.wall_seconds >= 3600 * args.hours - 1.0
    row = row_of(
        "best", seed, run.policy, watch, args.best_episodes, minutes=round(run.wall_seconds / 60, 2),
        env_steps=agent.env_steps, updates=agent.learner.updates, curve=thin_curve(run.curve, 150, known(run.curve)),
    )  # fmt: skip
    if args.keep and seed == args.seeds[0]:
        ship(run, "best", seed, row["return_deterministic"])
    print(f"best: {row['return_deterministic']:,.0f} after {row['minutes']:.0f} min and {row['env_steps']:,} steps, "
          + ("done" if done else "to be continued by the same command"))  # fmt: skip
    return row if done else None


def one_run(args, name: str, seed: int) -> dict | None:
    print(f"{name}, seed {seed}", flush=True)
    if name == "best":
        return best(args, seed)
    return (sb3 if RUNS[name] is None else ours)(args, name, seed)


# --- the report ---------------------------------------------------------------------------------


def returns_of(rows: list[dict], name: str) -> np.ndarray:
    return np.array(column(rows, "return_deterministic", run=name))


def groups_of(rows: list[dict]) -> dict[str, np.ndarray]:
    """Claim -> returns, of the runs that are not compared."""
    names = {"best": "best_halfcheetah_return", "sac_equal": "sac_equal_return"}
    return {names.get(n, f"{n}_return_30min"): returns_of(rows, n) for n in RUNS}


def pairs_of(rows: list[dict]) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Claim -> our returns and those of Stable-Baselines3."""
    pairs = {f"{n}_30min_vs_sb3": (returns_of(rows, n), returns_of(rows, f"sb3_{n}")) for n in ("sac", "td3")}
    seeds = column(rows, "seed", run="sac_equal")  # peers of other seeds may have had time for more steps
    pairs["sac_equal_vs_sb3"] = (
        returns_of(rows, "sac_equal"), returns_of([r for r in rows if r["seed"] in seeds], "sb3_sac")
    )  # fmt: skip
    return {claim: pair for claim, pair in pairs.items() if all(map(len, pair))}


def claims_of(rows: list[dict]) -> tuple[dict, dict]:
    claims, intervals = claims_from(groups_of(rows))
    for claim, pair in pairs_of(rows).items():
        claims[claim], intervals[claim] = ratio_of_medians(*pair)
    return claims, intervals


def seeds_behind(rows: list[dict]) -> dict[str, int]:
    """How many seeds each claim rests on; of the smaller set, where two are compared."""
    return counts_of(groups_of(rows)) | {claim: min(map(len, pair)) for claim, pair in pairs_of(rows).items()}


def report(rows: list[dict]) -> Table:
    table = Table("run", "seed", "return, noise off", "sd", "minutes", "env steps", "updates")
    for name in RUNS:
        for r in select(rows, run=name):
            figures = (r["return_deterministic"], r["return_sd"], r["minutes"], r["env_steps"], r["updates"])
            table.add(name, r["seed"], *figures)
    return table


if __name__ == "__main__":
    args = cli(
        NAME, __doc__, keep="the policies of the first seed",
        runs=dict(nargs="+", default=["sac", "td3", "sb3_sac", "sac_equal", "best"], choices=[*RUNS]),
        seeds=dict(default=[0, 1, 2], help="none: nothing but what is known"),
        minutes=dict(default=60 * HOURS, help='after which "best" ends a sitting'),
        fixed=dict(length=MINUTES, every=1.5, episodes=50, steps=BEST_STEPS, hours=HOURS, best_episodes=100,
                   equal_steps=EQUAL_STEPS),
        quick=dict(seeds=2, length=0.2, every=0.1, episodes=4, steps=6_000, hours=0.01, best_episodes=4,
                   equal_steps=600),
    )  # fmt: skip
    run_all(
        args, one_run, [(n, s) for s in args.seeds for n in args.runs],
        key=("run", "seed"), config={name: facts_of(name) for name in RUNS}, part="run", claims_of=claims_of,
        report=report, says="{return_deterministic:,.0f} after {minutes:.0f} min and {env_steps:,} steps",
        seconds=lambda row: 60 * row["minutes"], to_beat=TO_BEAT, claim_seeds=seeds_behind,
    )  # fmt: skip
