"""Image to pen path: a neural dynamic policy (NDP) beside networks without dynamics, on writers never seen.

    python benchmarks/handwriting.py [--seeds 0 1 2] [--updates 800] [--quick]

All networks have the same trunk, data, batches, updates and optimiser; none is told where the pen starts. Two
conditions: every demonstration recorded at all 301 moments, or at three of them, at random, as by a slow camera. Test
errors count all 301 points of clean strokes by 12 writers who are in no training set; the settings were chosen with
12 others.
  CNN                 one output a coordinate; "gaps filled": the recorded points joined by straight lines first
  CNN to spline       as many outputs as the NDP, control points of a B-spline: smooth, but no dynamics
  CNN to parameters   each demonstration fitted by a DMP first, the network trained on the DMP's numbers
  NDP                 trained on the path, through the DMP
Claims: ndp_vs_cnn_loss is the NDP's error of positions over that of the better CNN with all moments recorded, as in the
paper; ndp_vs_cnn_loss_sparse with three of them, a condition found after others had shown no gain; ndp_vs_cnn_velocity
and …_sparse, the same of velocities. Medians over seeds of the ratio.
"""

from __future__ import annotations

import time

import numpy as np
import torch
from _report import Table, claims_from, cli, column, parameters, run_all, select

from course_lib.lessons import nb09_handwriting as hw

NAME = "handwriting"
MOMENTS = 3
DENSE, SPARSE = "all 301 moments recorded", f"{MOMENTS} moments recorded"
FILLED = "CNN, gaps filled"
RUNS = [(DENSE, model) for model in hw.MODELS] + [(SPARSE, model) for model in ("CNN", FILLED, *list(hw.MODELS)[1:])]
CLAIMS = {  # name -> condition, measure
    "ndp_vs_cnn_loss": (DENSE, "loss"),
    "ndp_vs_cnn_loss_sparse": (SPARSE, "loss"),
    "ndp_vs_cnn_velocity": (DENSE, "velocity"),
    "ndp_vs_cnn_velocity_sparse": (SPARSE, "velocity"),
}


def one_run(args, condition: str, model: str, seed: int) -> dict:
    """Train one network on its own draw of data."""
    data = hw.strokes(args.train, seed=seed)
    test = hw.strokes(args.test, hw.TEST_STYLES, seed=1000 + seed)
    data = hw.recorded(data, MOMENTS, seed) if condition == SPARSE else data
    data = hw.interpolated(data) if model == FILLED else data
    torch.manual_seed(seed)
    network = hw.MODELS[model.partition(",")[0]]()
    began = time.perf_counter()
    losses = hw.train(network, data, args.updates, seed=seed)
    return {
        "condition": condition, "model": model, "seed": seed, **hw.errors(network, test),
        "train_loss": float(np.mean(losses[-50:])), "train_seconds": round(time.perf_counter() - began, 2),
        "parameters": parameters(network),
    }  # fmt: skip


def ratios(rows: list[dict], condition: str, measure: str) -> list[float]:
    """NDP over the better CNN, one entry for each seed that all networks were trained with."""
    seeds = [s for s in dict.fromkeys(column(rows, "seed")) if len(select(rows, seed=s)) == len(RUNS)]
    of = {(r["model"], r["seed"]): r[measure] for r in select(rows, condition=condition)}
    return [of["NDP", s] / min(of[m, s] for m in ("CNN", FILLED) if (m, s) in of) for s in sorted(seeds)]


def claims_of(rows: list[dict]) -> tuple[dict, dict]:
    return claims_from({claim: ratios(rows, *what) for claim, what in CLAIMS.items()})


def report(rows: list[dict]) -> Table:
    """Medians over seeds, and the range of all seeds."""
    table = Table("recorded", "network", "loss (px²)", "all seeds", "velocity", "train loss", "numbers", "s", "seeds")
    for condition, model in RUNS:
        if group := select(rows, condition=condition, model=model):
            middle = lambda name, group=group: float(np.median(column(group, name)))  # noqa: E731
            spread = f"{min(column(group, 'loss')):.3g} to {max(column(group, 'loss')):.3g}"
            cells = (middle("velocity"), middle("train_loss"), int(middle("parameters")), middle("train_seconds"))
            table.add(condition, model, middle("loss"), spread, *cells, len(group))
    return table


if __name__ == "__main__":
    args = cli(
        NAME, __doc__, seeds=range(3), updates=800, fixed=dict(train=1000, test=1000),
        quick=dict(seeds=2, updates=10, train=100, test=50),
    )  # fmt: skip
    torch.set_num_threads(1)
    config = {
        "updates": args.updates, "batch": 64, "lr": 3e-3, "train": args.train, "test": args.test, "moments": MOMENTS,
        "basis": 60, "alpha": 50.0, "train_styles": len(hw.TRAIN_STYLES), "test_styles": len(hw.TEST_STYLES),
    }  # fmt: skip
    run_all(  # a stop leaves whole seeds: every network compared on the same data
        args, one_run, [(*run, seed) for seed in args.seeds for run in RUNS], key=("condition", "model", "seed"),
        config=config, claims_of=claims_of, report=report, says="loss {loss:.3g} px², {train_seconds:.0f} s",
        note="loss in px² a coordinate, a pixel is 1/28 of the image; velocity as a share of the true mean square",
    )  # fmt: skip
