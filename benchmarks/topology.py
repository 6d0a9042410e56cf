"""Does the wiring matter? Rank and sparsity of recurrent weights, NCP against random wirings, and lost neurons.

    python benchmarks/topology.py [--parts grid wiring] [--tasks pendulum halfcheetah] [--policies full ncp …]
                                  [--seeds 0 1 … 9] [--processes 2]

Tasks, training and conditions are those of `robustness.py`. Neurons are equally many in all policies of a cell,
parameters are not: a low rank saves some, and so does a mask on a matrix of full rank.

  grid    rank of the recurrent weights (a product of two factors) × density (the share of them that is not masked), as
          Tumma et al. (ICLR 2024) did it, on the pendulum. "sparse and of low rank" is one point of it, chosen before
          the first run: a quarter of the rank and half of the weights. On HalfCheetah only that point and "full"
  wiring  the layers of a neural circuit policy (Lechner et al. 2020) against random synapses of equal density, for the
          recurrent and for the sensory ones, and against "full"

Each trained policy also plays with neurons held at their mean, some at a time, drawn at random: "lost 1", "lost 2" …

Time, on one core: half a minute a run on the pendulum, 3 to 5 min on HalfCheetah.
"""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
import torch
from _disturbed import EPISODES, TASKS, acted, actor_parameters, conditions_of, kept, play, test_policy
from _report import Table, cli, column, run_all, select
from robustness import SIZES, config_of

from course_lib.evaluation.statistics import summarize
from course_lib.lessons.nb10_evidence import conditions_in, robust_share
from course_lib.lessons.nb10_hypotheses import ASIDE, HYPOTHESES
from course_lib.nets import wiring

NAME = "topology"
CELLS = ("ltc", "cfc")
DENSITIES = (0.25, 0.5, 1.0)
LOST = (1, 2, 4)
DRAWN = 4  # sets of lost neurons of each size
CHOSEN = "sparse and of low rank"
SHIFTS = tuple(c for c in HYPOTHESES[5].conditions)


def ranks_of(neurons: int) -> dict[str, int | None]:
    """Few neurons have a quarter of 1: then there are two ranks only."""
    quarter = max(neurons // 4, 1)
    return ({} if quarter == 1 else {"1": 1}) | {"1/4": quarter, "full": None}


def grid_of(task: str, cell: str) -> dict[str, dict]:
    """Policy -> rank and density of its recurrent weights."""
    ranks = ranks_of(SIZES[task][cell][1])
    found = {
        f"rank {rank}, density {density:g}": dict(rank=number, density=density)
        for rank, number in ranks.items()
        for density in DENSITIES
    }
    found["full"] = found.pop("rank full, density 1")
    found[CHOSEN] = found.pop("rank 1/4, density 0.5")
    return found if task == "pendulum" else {name: found[name] for name in ("full", CHOSEN)}


def ncp_of(inputs: int, neurons: int, seed: int) -> wiring.Wiring:
    command, motors = neurons // 3, max(neurons // 8, 1)
    inter = neurons - command - motors
    fans = dict(sensory_fanout=min(4, inter), inter_fanout=min(3, command), motor_fanin=min(3, command))
    return wiring.ncp(inputs, inter, command, motors, recurrent_command=2 * command, seed=seed, **fans)


def wiring_of(task: str, cell: str, policy: str, seed: int) -> dict:
    """Options of the cell: another wiring for each seed."""
    inputs, neurons = SIZES[task][cell]
    if policy in ("ncp", "random"):
        net = ncp_of(inputs, neurons, seed)
        if policy == "random":
            net = wiring.random(inputs, neurons, net.density, motors=len(net.motor), seed=seed, attempts=1000)
        return dict(wiring=net)
    point = grid_of(task, cell)[policy]
    options = {} if point["rank"] is None else dict(rank=point["rank"])
    if point["density"] < 1:
        count = neurons * neurons
        mask = np.zeros(count)
        chosen = np.random.default_rng(seed).choice(count, round(point["density"] * count), replace=False)
        mask[chosen] = 1
        mask = mask.reshape(neurons, neurons)
        options["wiring"] = wiring.Wiring(mask, np.ones((neurons, inputs)), name=f"{policy}, seed {seed}")
    return options


def policies_of(part: str, task: str, cell: str) -> list[str]:
    return [*grid_of(task, cell)] if part == "grid" else ["ncp", "random"]


def seeds_of(policy: str) -> int:
    """How many seeds the study has: ten of what is compared, two or three of the other points of the grid."""
    if policy in ("full", CHOSEN, "ncp", "random"):
        return 10
    return 3 if policy.startswith("rank 1,") else 2


def config_with(task: str, cell: str, policy: str, seed: int = 0):
    whole = asdict(config_of(task, cell, seed=seed).cell)
    options = whole["options"] | wiring_of(task, cell, policy, seed)
    return config_of(task, cell, seed=seed, cell=whole | dict(options=options))


def one_run(args, task: str, cell: str, policy: str, seed: int) -> dict:
    config, steps = config_with(task, cell, policy, seed), args.steps or TASKS[task]["steps"]
    name = f"{task}_{cell}_{policy.replace(' ', '_').replace('/', 'of')}_{seed}"
    trained, seconds = kept(NAME, name, task, config, "one rate", steps)
    conditions = {name: option for name, option in conditions_of(task).items() if name in SHIFTS}
    found = test_policy(trained, task, "one rate", conditions, tell=False)
    found["disturbed"] |= lost(trained, task, seed)
    return dict(
        task=task, cell=cell, policy=policy, seed=seed, parameters=actor_parameters(trained), train_seconds=seconds,
        **found,
    )  # fmt: skip


def lost(policy, task: str, seed: int) -> dict[str, float]:
    """ "lost k" -> return with k neurons held at their mean, over some draws of which."""
    states = [policy.actor_state(state) for _, state in acted(policy, task, EPISODES, steps=300)]
    mean, rng, out = torch.cat(states).mean(0), np.random.default_rng(seed), {}
    for k in LOST:
        returns = []
        for _ in range(DRAWN):
            policy.clamped = {int(i): float(mean[i]) for i in rng.choice(len(mean), k, replace=False)}
            returns.append(play(policy, task, "one rate"))
        out[f"lost {k}"] = float(np.mean(returns))
    policy.clamped = {}
    return out


def report(rows: list[dict]) -> list:
    tables = []
    for task, cell in dict.fromkeys((row["task"], row["cell"]) for row in rows):
        mine = select(rows, task=task, cell=cell)
        table = Table(f"{task}, {cell}", "parameters", "seeds", "return", "share kept", *(f"lost {k}" for k in LOST))
        for policy in dict.fromkeys(row["policy"] for row in mine):
            runs = select(mine, policy=policy)
            kept_share = summarize([robust_share(row, conditions_in(runs, SHIFTS)) for row in runs])
            shares = [np.median([robust_share(row, [f"lost {k}"]) for row in runs]) for k in LOST]
            table.add(policy, runs[0]["parameters"], len(runs), str(summarize(column(runs, "return"))), str(kept_share),
                      *[f"{s:.2f}" for s in shares])  # fmt: skip
        tables += [table, ""]
    return tables


if __name__ == "__main__":
    tasks = [task for task in TASKS if task not in ASIDE]
    args = cli(
        NAME, __doc__, seeds=range(10), parts=["grid", "wiring"], tasks=tasks, cells=CELLS,
        policies=[*policies_of("grid", "pendulum", "ltc"), *policies_of("wiring", "pendulum", "ltc")],
        fixed=dict(steps=0), quick=dict(seeds=1, steps=4_608),
    )  # fmt: skip
    config = {task: TASKS[task] | {c: asdict(config_of(task, c)) for c in CELLS} for task in tasks}
    run_all(
        args, one_run,
        [(t, c, p, s) for t in args.tasks for k, s in enumerate(args.seeds) for part in args.parts for c in args.cells
         if t == "pendulum" or c == "ltc" for p in policies_of(part, t, c)
         if p in args.policies and k < seeds_of(p)],
        key=("task", "cell", "policy", "seed"), config=config, part="task", report=report, says="{return:,.0f}",
    )  # fmt: skip
