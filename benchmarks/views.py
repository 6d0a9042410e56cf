"""How long the interactive views take to answer.

    python benchmarks/views.py [--rounds 15] [--quick]

  explorer (notebook 07)   pendulum_ltc, 150 steps, with its widgets: a neuron held (the episode is played again),
                           another one, all healed, another start, the cursor moved; each until the picture and the
                           frame of the video are there
  gradient lab (03)        one slider moved: three gradients of an ODE measured, and the figure drawn to PNG
Seconds, the median of rounds. `explorer_replay_seconds` is the slowest of holding, healing and replaying.
"""

from __future__ import annotations

import io
import time
from functools import partial

import numpy as np
from _report import cli, speed_table, take_turns, write_rounds

import course_lib as cl
from course_lib.lessons import nb03_gradient_lab as lab
from course_lib.viz.states.explorer import Explorer

NAME = "views"


def seconds(act) -> float:
    began = time.perf_counter()
    act()
    return time.perf_counter() - began


class Views:
    def __init__(self):
        self.explorer = Explorer(cl.load("pendulum_ltc"), reset_noise_scale=0.1)
        self.explorer.widget()
        self.seed = self.at = 0

    def hold(self, neuron: int) -> None:
        self.explorer.ablate({neuron: 0.0})

    def start(self) -> None:
        self.seed += 1
        self.explorer.replay(self.seed)

    def move(self) -> None:
        self.at = (self.at + 7) % 100
        self.explorer.step = self.at

    def lab(self) -> None:
        self.at += 1
        rows = lab.gradient_lab(stiffness=5.0 + self.at % 20)
        lab.lab_figure(rows).savefig(io.BytesIO(), format="png")


if __name__ == "__main__":
    args = cli(NAME, __doc__, rounds=15, quick=dict(rounds=3))
    views = Views()
    acts = {
        "hold neuron 3": partial(views.hold, 3),
        "hold neuron 0 instead": partial(views.hold, 0),
        "heal": partial(views.explorer.ablate, {}),
        "another start": views.start,
        "move the cursor": views.move,
        "gradient lab, one change": views.lab,
    }
    taken = take_turns({name: partial(seconds, act) for name, act in acts.items()}, args.rounds, warm_up=1)
    print(speed_table("view", {"seconds (median)": taken}, ".3f"))
    *replays, move, change = taken.values()
    ratios = {"explorer_replay_seconds": np.max(replays, axis=0), "explorer_step_seconds": move, "lab_seconds": change}
    write_rounds(args, {"seconds": taken}, ratios, {"policy": "pendulum_ltc", "steps": 150}, digits=4)
