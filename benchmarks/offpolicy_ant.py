"""SAC on Ant-v5: an hour on two cores, against what Spinning Up's SAC has after a million steps.

    python benchmarks/offpolicy_ant.py [--seeds 0 1 2] [--keep] [--quick]

Each run trains for 60 minutes of wall clock or 1M steps, whichever comes first. The target is meant for two cores; with
`--processes 2` a run has one, and makes fewer steps. Nothing else should run meanwhile. Setting up and tests do not
count. After every 5 minutes of training 10 deterministic episodes are played. A run's figure is the mean of 50
deterministic episodes of the policy that it ends with.

    ant_sac_60min   median over the seeds, one core each (`--processes 2`, or a machine that has no more). Spinning Up
                    reports 3,949 after 1M steps, on an older version of the task, in which nothing is paid for contacts
                    and the robot does not feel them.
    ant_sac_60min_2_cores   the same on two cores; such runs are kept apart

`--keep` ships the policy of the first seed.
Time: up to 65 minutes a run, or for two at once.
"""

from __future__ import annotations

from _offpolicy import COPIES, Tests, known, row_of
from _report import Table, claims_from, cli, column, counts_of, run_all, seedless, thin_curve, train

import course_lib as cl
from course_lib.machine import cores
from course_lib.rl.offpolicy import SAC

NAME, ENV = "offpolicy_ant", "Ant-v5"
MINUTES, STEPS = 60.0, 1_000_000
TO_BEAT = 3_949.0


def config_of(seed: int = 0) -> SAC.Config:
    return SAC.Config.recommended(ENV, seed=seed)


def one_run(args, run: str, seed: int) -> dict:
    agent = SAC(cl.make(ENV, COPIES, seed=1000 * seed), config_of(seed))
    agent.begin()
    trained, tests = cl.Run(agent), Tests(10, ENV)
    while (left := 60 * args.length - trained.wall_seconds) > 0 and agent.env_steps < args.steps:
        trained = train(
            trained, args.steps - agent.env_steps, progress=False, max_seconds=min(60 * args.every, left)
        )  # fmt: skip
        tests.add(trained.wall_seconds, agent.env_steps, trained.policy)
    row = row_of(
        run, seed, trained.policy, tests, args.episodes, minutes=round(trained.wall_seconds / 60, 2),
        env_steps=agent.env_steps, updates=agent.learner.updates,
        curve=thin_curve(trained.curve, 150, known(trained.curve)),
    )  # fmt: skip
    if args.keep and seed == args.seeds[0]:
        trained.save_policy(
            "assets/policies/ant_sac", return_deterministic=row["return_deterministic"],
            command=f"python benchmarks/{NAME}.py --seeds {seed} --keep",
        )  # fmt: skip
    return row


def claims_of(rows: list[dict]) -> tuple[dict, dict]:
    return claims_from(groups_of(rows))


def groups_of(rows: list[dict]) -> dict[str, list[float]]:
    """Claim -> its figure for each seed."""
    names = {"sac": "ant_sac_60min", "sac_2_cores": "ant_sac_60min_2_cores"}
    return {claim: column(rows, "return_deterministic", run=run) for run, claim in names.items()}


def run_name(processes: int) -> str:
    """ "sac" where a run has one core."""
    mine = 1 if processes > 1 else min(cores(), 2)
    return "sac" if mine == 1 else f"sac_{mine}_cores"


def report(rows: list[dict]) -> Table:
    table = Table("run", "seed", "return, noise off", "sd", "minutes", "env steps", "updates")
    for r in rows:
        table.add(
            r["run"], r["seed"], r["return_deterministic"], r["return_sd"], r["minutes"], r["env_steps"], r["updates"]
        )
    return table


if __name__ == "__main__":
    args = cli(
        NAME, __doc__, seeds=range(3), keep="the policy of the first seed",
        fixed=dict(length=MINUTES, every=5.0, episodes=50, steps=STEPS),
        quick=dict(seeds=1, length=0.2, every=0.1, episodes=4, steps=4_000),
    )  # fmt: skip
    config = {**seedless(config_of()), "num_envs": COPIES, "steps": STEPS, "minutes": MINUTES}
    run_all(
        args, one_run, [(run_name(args.processes), seed) for seed in args.seeds], key=("run", "seed"), config=config,
        claims_of=claims_of, report=report, says="{return_deterministic:,.0f} after {minutes:.0f} min",
        seconds=lambda row: 60 * row["minutes"], to_beat=TO_BEAT, claim_seeds=lambda rows: counts_of(groups_of(rows)),
    )  # fmt: skip
