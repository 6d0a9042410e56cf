"""HalfCheetah-v5 off-policy: 30 minutes of wall clock against Stable-Baselines3, and the best run that ships.

    python benchmarks/offpolicy_halfcheetah.py [--runs sac td3 sb3_sac best] [--seeds 0 1 2] [--minutes 240]
                                               [--json FILE] [--include FILE …] [--keep] [--quick]

"sac" and "td3" are this library's, with the settings below; "sb3_sac" ("sb3_td3" on demand) is Stable-Baselines3's
with its defaults, which are those of the paper: one copy, an update for each step. Each trains for 30 minutes of wall
clock; nothing else should run meanwhile. Setting up counts for none of them, tests neither: after every 90 s of
training the clock stands still while 10 deterministic episodes are played. A run's figure is the mean of 50
deterministic episodes of the policy that it ends with.

Two runs may be made in the same 30 minutes on the same machine, a core for each, and what disturbs one disturbs the
other. (What a second core would give the peer is a contestant of `offpolicy_speed.py`.) The shipped runs were made so:
    for seed in 0 1 2; do
        taskset -c 0 python benchmarks/offpolicy_halfcheetah.py --seeds $seed --runs sac --json build/a$seed.json &
        taskset -c 1 python benchmarks/offpolicy_halfcheetah.py --seeds $seed --runs sb3_sac --json build/b$seed.json
        wait
    done
    python benchmarks/offpolicy_halfcheetah.py --seeds --include build/[ab]?.json

    sac_30min_vs_sb3        median return of "sac" over that of "sb3_sac"; the interval draws both sets of seeds anew
    best_halfcheetah_return the run "best": SAC with a falling learning rate, at most 4 h, one seed, 100 episodes

Every finished run is added to the result file at once. "best" keeps a checkpoint with its buffer in build/, renewed
every 3 minutes: the same command goes on after a stop, or another day (`--minutes` ends a sitting; its 4 h are counted
over all of them), and the result is the same as if it had never stopped. Only when it is done is it added.
`--keep` ships the policies of seed 0, and of "best" in its present state.

Time: 30 min and a little for each run of 30 min, 9 of them: 4.7 h; "best" up to 4 h.
"""

from __future__ import annotations

import argparse
import copy
import json
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from _report import INCLUDE, Table, beside, known_runs, median_interval, thin_curve, write_result

import course_lib as cl
from course_lib.files import load_tensors, write_atomically
from course_lib.envs.engine.task import quiet
from course_lib.evaluation.returns import run_episodes
from course_lib.machine import cores
from course_lib.rl.offpolicy import SAC, TD3
from course_lib.rl.train import CHECKPOINT

NAME, ENV, COPIES = "offpolicy_halfcheetah", "HalfCheetah-v5", 16
MINUTES, EVERY = 30.0, 1.5  # of a run against SB3, and between two of its tests
HOURS, TEST_BEST = 4.0, 300.0  # at most for the best run; s between two of its tests
TO_BEAT = 9_535.0  # SAC of rl-zoo after 1M steps
OURS = dict(learning_rate=1e-3, updates_per_step=0.5, products="bfloat16")
ENTROPY = dict(temperature=0.1)  # where the learned temperature starts
RUNS = {
    "sac": lambda seed: SAC.Config(**OURS, **ENTROPY, seed=seed),
    "td3": lambda seed: TD3.Config(**OURS, seed=seed),
    "sb3_sac": None,
    "sb3_td3": None,
    "best": lambda seed: SAC.Config(**OURS, **ENTROPY, lr_schedule="linear", seed=seed),
}
PEER = dict(batch_size=256, train_freq=1, gradient_steps=1, policy_kwargs={"net_arch": [256, 256]})
BEST_STEPS = 1_500_000
CURVE = ("env_steps", "wall_seconds", "return_mean", "q_mean", "entropy_mean", "temperature", "updates")
SHIPPED = {"sac": "halfcheetah_sac_30min", "td3": "halfcheetah_td3_30min", "best": "halfcheetah_sac"}


def facts_of(name: str) -> dict:
    """What a run depends on but the seed; infinite fields are left out, for which JSON has no word."""
    if RUNS[name] is None:
        return {**PEER, "minutes": MINUTES}
    facts = {k: v for k, v in asdict(RUNS[name](0)).items() if k != "seed" and v != float("inf")}
    limit = dict(steps=BEST_STEPS, hours=HOURS) if name == "best" else dict(minutes=MINUTES)
    return {**facts, **limit, "num_envs": COPIES}


def test(policy, episodes: int):
    return run_episodes(policy, cl.make(ENV, episodes, seed=10_000))


class Tests:
    """Deterministic returns at moments of training."""

    def __init__(self, episodes: int):
        self.episodes = episodes
        self.rows: dict[str, list[float]] = {name: [] for name in ("minutes", "env_steps", "return_deterministic")}

    def add(self, seconds: float, env_steps: int, policy) -> None:
        mean = test(policy, self.episodes).mean
        for values, value in zip(self.rows.values(), (seconds / 60, env_steps, mean), strict=True):
            values.append(float(f"{value:.6g}"))
        print(f"  {seconds / 60:6.1f} min, {env_steps:9,} steps: {mean:8,.0f}", flush=True)


def row_of(name: str, seed: int, policy, tests: Tests, episodes: int, **facts) -> dict:
    final = test(policy, episodes)
    return {
        "run": name, "seed": seed, "return_deterministic": final.mean, "return_sd": final.sd,
        "episodes": episodes, **facts, "tests": tests.rows,
    }  # fmt: skip


# --- ours ---------------------------------------------------------------------------------------


def ours(name: str, seed: int, minutes: float, every: float, episodes: int, keep: bool) -> dict:
    """`minutes` of training in pieces of `every`; the clock of the run counts only what `cl.train` takes."""
    agent_of = TD3 if name == "td3" else SAC
    agent = agent_of(cl.make(ENV, COPIES, seed=1000 * seed), RUNS[name](seed))
    agent.begin()
    run, tests = cl.Run(agent), Tests(10)
    while run.wall_seconds < 60 * minutes:
        left = 60 * minutes - run.wall_seconds
        run = cl.train(run, 10**9, progress=False, max_seconds=min(60 * every, left))
        tests.add(run.wall_seconds, agent.env_steps, run.policy)
    row = row_of(
        name, seed, run.policy, tests, episodes, minutes=round(run.wall_seconds / 60, 2), env_steps=agent.env_steps,
        updates=agent.learner.updates, curve=thin_curve(run.curve, known(run.curve), 150),
    )  # fmt: skip
    if keep:
        ship(run, name, seed, row["return_deterministic"])
    return row


def known(curve: dict) -> tuple[str, ...]:
    return tuple(name for name in CURVE if name in curve)


def ship(run, name: str, seed: int, mean: float) -> None:
    run.save_policy(
        f"assets/policies/{SHIPPED[name]}", return_deterministic=mean,
        command=f"python benchmarks/{NAME}.py --runs {name} --seeds {seed} --keep",
    )  # fmt: skip


# --- the peer -----------------------------------------------------------------------------------


class Peer:
    """A model of Stable-Baselines3 as a policy of ours, for `run_episodes`."""

    env_id = ENV

    def __init__(self, model):
        self.model = model

    def act(self, obs, state=None, deterministic=True, rng=None):
        return self.model.predict(obs, deterministic=deterministic)[0], state


def sb3(name: str, seed: int, minutes: float, every: float, episodes: int) -> dict:
    import gymnasium as gym
    import stable_baselines3
    from stable_baselines3.common.callbacks import BaseCallback
    from stable_baselines3.common.monitor import Monitor

    tests, curve = Tests(10), {name: [] for name in ("env_steps", "wall_seconds", "return_mean")}

    class Clock(BaseCallback):
        """Stops after `minutes` of training; stands still during tests."""

        def _on_training_start(self):
            self.seconds, self.began, self.due = 0.0, time.perf_counter(), 60 * every

        def _on_step(self) -> bool:
            seconds = self.seconds + time.perf_counter() - self.began
            over = seconds >= 60 * minutes
            if seconds >= self.due or over:
                tests.add(seconds, self.num_timesteps, Peer(self.model))
                returns = [episode["r"] for episode in self.model.ep_info_buffer]
                new = (self.num_timesteps, seconds, float(np.mean(returns)) if returns else float("nan"))
                for values, value in zip(curve.values(), new, strict=True):
                    values.append(value)
                self.seconds, self.began, self.due = seconds, time.perf_counter(), self.due + 60 * every
            return not over

    torch.set_num_threads(cores())  # as it comes
    with quiet():
        env = Monitor(gym.make(ENV))
    kind = getattr(stable_baselines3, name.removeprefix("sb3_").upper())
    model = kind("MlpPolicy", env, device="cpu", seed=seed, **copy.deepcopy(PEER))  # it writes into policy_kwargs
    model.learn(10**9, callback=Clock(), log_interval=10**9)
    return row_of(
        name, seed, Peer(model), tests, episodes, minutes=tests.rows["minutes"][-1], env_steps=model.num_timesteps,
        updates=model._n_updates, curve=thin_curve({k: np.array(v) for k, v in curve.items()}, tuple(curve), 150),
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


def best(seed: int, sitting: float, steps: int, hours: float, episodes: int, keep: bool, folder: Path) -> dict | None:
    """Train the best run for `sitting` minutes, or to its end -> its row once it is done, else None."""
    used, checkpoint, config = 0.0, folder / "checkpoint.safetensors", RUNS["best"](seed)
    if checkpoint.is_file():
        header = load_tensors(checkpoint, CHECKPOINT)[1]
        saved = asdict(SAC.Config()) | header["config"]  # fields that came later have their defaults
        if json.loads(json.dumps(saved)) != json.loads(json.dumps(asdict(config))):
            raise SystemExit(f"{folder} holds a run with other settings; move it away to begin anew")
        used = header["wall_seconds"]
    left = 3600 * hours - used
    agent, watch = SAC(cl.make(ENV, COPIES, seed=1000 * seed), config), Watch(folder, TEST_BEST)
    agent.begin()
    run = cl.train(
        agent, steps, folder=folder, resume=True, checkpoint_every=180.0, callbacks=[watch],
        max_seconds=max(min(60 * sitting, left), 1.0),
    )  # fmt: skip
    done = agent.env_steps >= steps or run.wall_seconds >= 3600 * hours - 1.0
    row = row_of(
        "best", seed, run.policy, watch, episodes, minutes=round(run.wall_seconds / 60, 2), env_steps=agent.env_steps,
        updates=agent.learner.updates, curve=thin_curve(run.curve, known(run.curve), 150),
    )  # fmt: skip
    if keep:
        ship(run, "best", seed, row["return_deterministic"])
    print(f"best: {row['return_deterministic']:,.0f} after {row['minutes']:.0f} min and {row['env_steps']:,} steps, "
          + ("done" if done else "to be continued by the same command"))  # fmt: skip
    return row if done else None


# --- the report ---------------------------------------------------------------------------------


def returns_of(rows: list[dict], name: str) -> np.ndarray:
    return np.array([r["return_deterministic"] for r in rows if r["run"] == name])


def ratio(mine: np.ndarray, theirs: np.ndarray, draws: int = 2000) -> tuple[float, list[float]]:
    """Ratio of medians, and its 95 % interval with both sets of seeds drawn anew."""
    rng = np.random.default_rng(0)
    drawn = [np.median(v[rng.integers(0, len(v), (draws, len(v)))], axis=1) for v in (mine, theirs)]
    low, high = np.quantile(drawn[0] / drawn[1], [0.025, 0.975])
    return float(np.median(mine) / np.median(theirs)), [float(low), float(high)]


def claims_of(rows: list[dict]) -> tuple[dict, dict, dict]:
    """Claims, their intervals, and the number of seeds behind each (of the smaller set)."""
    claims, intervals, seeds = {}, {}, {}
    for name in RUNS:
        values = returns_of(rows, name)
        if len(values):
            claim = "best_halfcheetah_return" if name == "best" else f"{name}_return_30min"
            claims[claim], intervals[claim] = float(np.median(values)), median_interval(values)
            seeds[claim] = len(values)
    for name in ("sac", "td3"):
        mine, theirs = returns_of(rows, name), returns_of(rows, f"sb3_{name}")
        if len(mine) and len(theirs):
            claim = f"{name}_30min_vs_sb3"
            claims[claim], intervals[claim] = ratio(mine, theirs)
            seeds[claim] = min(len(mine), len(theirs))
    return claims, intervals, seeds


def report(rows: list[dict]) -> Table:
    table = Table("run", "seed", "return, noise off", "sd", "minutes", "env steps", "updates")
    for name in RUNS:
        for r in (r for r in rows if r["run"] == name):
            table.add(
                name, r["seed"], r["return_deterministic"], r["return_sd"], r["minutes"], r["env_steps"], r["updates"]
            )
    return table


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", nargs="+", default=["sac", "td3", "sb3_sac", "best"], choices=list(RUNS))
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2], help='of which "best" takes the first')
    parser.add_argument("--minutes", type=float, default=60 * HOURS, help='after which "best" ends a sitting')
    parser.add_argument("--json", type=Path, default=Path("assets/results") / f"{NAME}.json")
    parser.add_argument("--include", type=Path, nargs="*", default=[], help=INCLUDE)
    parser.add_argument("--keep", action="store_true", help='ship the policies of seed 0 and of "best"')
    parser.add_argument("--quick", action="store_true", help="a few seconds each; claims nothing")
    args = parser.parse_args()
    minutes, every, episodes, steps, hours = MINUTES, EVERY, (50, 100), BEST_STEPS, HOURS
    folder = Path("build") / f"{NAME}_best"
    if args.quick:
        args.seeds, args.keep = args.seeds[:2], False
        minutes, every, episodes, steps, hours = 0.2, 0.1, (4, 4), 6_000, 0.01
        args.json = Path("build") / f"{NAME}_quick.json" if args.json == parser.get_default("json") else args.json
        folder = args.json.parent / f"{args.json.stem}_best"
    config = {name: facts_of(name) for name in RUNS}
    rows, skipped = known_runs([args.json, *args.include], config), []

    def save() -> None:
        claims, intervals, behind = claims_of(rows)
        write_result(
            args.json, claims=claims, intervals=intervals, seeds=sorted({r["seed"] for r in rows}), per_seed=rows,
            config=config, wall_seconds=60 * sum(r["minutes"] for r in rows), command=f"python benchmarks/{NAME}.py",
            to_beat=TO_BEAT, claim_seeds=behind, **beside(args.include),
        )  # fmt: skip

    if args.include:
        save()
    for name, seed in [(n, s) for s in args.seeds for n in args.runs if n != "best" or s == args.seeds[0]]:
        if any((r["run"], r["seed"]) == (name, seed) for r in rows):
            continue
        print(f"{name}, seed {seed}", flush=True)
        keep = args.keep and seed == args.seeds[0]
        if name == "best":
            row = best(seed, args.minutes, steps, hours, episodes[1], keep, folder / str(seed))
        elif RUNS[name] is None:
            row = sb3(name, seed, minutes, every, episodes[0])
        else:
            row = ours(name, seed, minutes, every, episodes[0], keep)
        if row is None:
            skipped.append(name)
            continue
        rows.append(row)
        save()
    print(report(rows))
    for name in skipped:
        print(f"{name} is not done yet")
    for claim, value in claims_of(rows)[0].items():
        print(f"{claim}={value:.4g}")


if __name__ == "__main__":
    main()
