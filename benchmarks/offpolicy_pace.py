"""How many environment steps SAC here and SBX's SAC, TD3 and TQC make a second: the clock of `offpolicy_peers.py`.

    python benchmarks/offpolicy_pace.py [--rounds 5] [--quick]

The contestants take turns on all cores of an idle machine, past their random first steps, so that nothing is compiled
any more. 15 minutes at the median rate are so many steps, which the trainings of `offpolicy_peers.py` then make.

Time: 6 to 10 minutes, most of it to get past the first steps.
"""

from __future__ import annotations

import time
from functools import partial

import numpy as np
import torch
from _offpolicy import ENV
from _report import cli, take_turns, write_rounds
from offpolicy_peers import MINUTES, PEER, PEERS, Ours, Theirs, contestant

from course_lib.machine import cores

NAME = "offpolicy_pace"


def rate(one: Ours | Theirs, seconds: float) -> float:
    """Environment steps a second over pieces of training that take `seconds` in all."""
    first, began = one.steps, time.perf_counter()
    while time.perf_counter() - began < seconds:
        one.learn(256)
    return (one.steps - first) / (time.perf_counter() - began)


if __name__ == "__main__":
    args = cli(
        NAME, __doc__, rounds=5, seconds=dict(default=8.0, help="of each contestant in each round"),
        fixed=dict(before=12_000), quick=dict(rounds=1, seconds=1.0, before=500),
    )  # fmt: skip
    torch.set_num_threads(cores())
    contestants = {name: contestant(name, 0) for name in ("sac", *PEERS)}
    for one in contestants.values():
        one.learn(args.before)
    found = take_turns({name: partial(rate, one, args.seconds) for name, one in contestants.items()}, args.rounds)
    for name, values in found.items():
        print(f"{name:8s} {np.median(values):6.0f} env steps/s")
    write_rounds(args, {"env steps/s": found}, {}, {"env": ENV, "minutes": MINUTES, "peers": PEER}, digits=1)
