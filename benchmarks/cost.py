"""What a training costs against its size: env steps per second and memory, for 1 to 1,024 copies and 16 to 512 units.

    python benchmarks/cost.py [--seconds 3] [--rounds 3] [--quick]

PPO on HalfCheetah-v5, rollouts of 4,096 steps (64 for each of 64 copies), minibatches of 1,024, ten epochs, all cores.
  copies    1, 4, 16, 64, 256, 1,024 with networks of 64-64 tanh
  units     16, 32, 64, 128, 256, 512 in each of two layers with 64 copies
  cells     an LTC of 8, 32, 128 neurons for actor and critic, with 64 copies
Memory is what a new process has after it, less what it had before the environments were made: a process for each row.
The slope is that of log time a step against log size, by least squares: 0 is free, 1 in proportion, 2 the square.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time

import numpy as np
from _report import Table, cli
from _results import write_result

NAME, ENV, ROLLOUT = "cost", "HalfCheetah-v5", 4096
COPIES, UNITS, NEURONS = (1, 4, 16, 64, 256, 1024), (16, 32, 64, 128, 256, 512), (8, 32, 128)
SIZES = [("copies", n) for n in COPIES] + [("units", n) for n in UNITS] + [("LTC neurons", n) for n in NEURONS]


def resident() -> float:
    """MiB of this process that lie in memory."""
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS")) / 1024


def measure(what: str, size: int, seconds: float) -> dict:
    """In this process: one training of this size."""
    import course_lib as cl

    cl.PPO(cl.make(ENV, num_envs=2), cl.PPOConfig(rollout_steps=8, minibatch_size=16)).iterate(0.0)
    before = resident()
    copies = size if what == "copies" else 64
    changes = {"units": dict(hidden=(size, size)), "LTC neurons": dict(cell=dict(name="ltc", neurons=size))}.get(
        what, {}
    )
    config = cl.PPOConfig(rollout_steps=ROLLOUT // copies, minibatch_size=1024, **changes, sequence_length=4)
    agent = cl.PPO(cl.make(ENV, num_envs=copies), config)
    agent.iterate(0.0)
    first, began = agent.env_steps, time.perf_counter()
    while time.perf_counter() - began < seconds:
        agent.iterate(0.0)
    return {
        "what": what, "size": size, "mebibytes": round(resident() - before, 1),
        "steps_per_second": round((agent.env_steps - first) / (time.perf_counter() - began), 1),
    }  # fmt: skip


def slope(sizes, seconds) -> float:
    return float(np.polyfit(np.log(sizes), np.log(seconds), 1)[0])


if __name__ == "__main__":
    if len(sys.argv) == 5 and sys.argv[1] == "one":
        print(json.dumps(measure(sys.argv[2], int(sys.argv[3]), float(sys.argv[4]))))
        sys.exit()
    args = cli(
        NAME, __doc__, rounds=3, seconds=dict(default=3.0, help="of each size in each round"),
        quick=dict(rounds=1, seconds=0.5),
    )  # fmt: skip
    rows = []
    for _ in range(args.rounds):
        for what, size in SIZES:
            command = [sys.executable, __file__, "one", what, str(size), str(args.seconds)]
            rows.append(json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout))
    table, slopes = Table("size", "env steps/s (median)", "MiB", "slope of time a step"), {}
    for what in dict.fromkeys(what for what, _ in SIZES):
        sizes = [n for w, n in SIZES if w == what]
        of = {n: [r for r in rows if (r["what"], r["size"]) == (what, n)] for n in sizes}
        rate = {n: float(np.median([r["steps_per_second"] for r in of[n]])) for n in sizes}
        slopes[f"slope_{what.replace(' ', '_').lower()}"] = found = slope(sizes, [1 / rate[n] for n in sizes])
        for n in sizes:
            memory = float(np.median([r["mebibytes"] for r in of[n]]))
            table.add(f"{n:,} {what}", f"{rate[n]:,.0f}", f"{memory:,.0f}", f"{found:+.2f}" if n == sizes[-1] else "")
    print(table)
    write_result(
        args.json, claims={k: round(v, 3) for k, v in slopes.items()}, intervals={}, per_seed=rows,
        seeds=range(args.rounds), config={"env": ENV, "rollout": ROLLOUT, "seconds": args.seconds},
        wall_seconds=time.perf_counter() - args.began, command=f"python benchmarks/{NAME}.py",
        note="an entry of per_seed is one size in one round",
    )  # fmt: skip
