"""Image to pen path: a neural dynamic policy (NDP) beside networks without dynamics, on writers never seen.

    python benchmarks/handwriting.py [--seeds 0 1 2] [--updates 800] [--json FILE] [--quick]

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
Every finished run is added to the result file at once; runs already there, with the same configuration, are not
trained again.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import torch
from _report import Table, median_interval, read_result, write_result

from course_lib.lessons import nb09_handwriting as hw

NAME = "handwriting"
TRAIN, TEST, MOMENTS = 1000, 1000, 3
DENSE, SPARSE = "all 301 moments recorded", f"{MOMENTS} moments recorded"
FILLED = "CNN, gaps filled"
RUNS = [(DENSE, model) for model in hw.MODELS] + [(SPARSE, model) for model in ("CNN", FILLED, *list(hw.MODELS)[1:])]
CLAIMS = {  # name -> condition, measure
    "ndp_vs_cnn_loss": (DENSE, "loss"),
    "ndp_vs_cnn_loss_sparse": (SPARSE, "loss"),
    "ndp_vs_cnn_velocity": (DENSE, "velocity"),
    "ndp_vs_cnn_velocity_sparse": (SPARSE, "velocity"),
}


def one_run(condition: str, model: str, seed: int, updates: int, counts: tuple[int, int]) -> dict:
    """Train one network on its own draw of data -> a row of the result file."""
    data = hw.strokes(counts[0], seed=seed)
    test = hw.strokes(counts[1], hw.TEST_STYLES, seed=1000 + seed)
    data = hw.recorded(data, MOMENTS, seed) if condition == SPARSE else data
    data = hw.interpolated(data) if model == FILLED else data
    torch.manual_seed(seed)
    network = hw.MODELS[model.partition(",")[0]]()
    began = time.perf_counter()
    losses = hw.train(network, data, updates, seed=seed)
    return {
        "condition": condition, "model": model, "seed": seed, **hw.errors(network, test),
        "train_loss": float(np.mean(losses[-50:])), "train_seconds": round(time.perf_counter() - began, 2),
        "parameters": sum(p.numel() for p in network.parameters()),
    }  # fmt: skip


def ratios(rows: list[dict]) -> dict[str, list[float]]:
    """Claim -> NDP over the better CNN, one entry a seed."""
    found = {}
    for claim, (condition, measure) in CLAIMS.items():
        of = {(r["model"], r["seed"]): r[measure] for r in rows if r["condition"] == condition}
        seeds = sorted(seed for model, seed in of if model == "NDP")
        values = [of["NDP", s] / min(of[m, s] for m in ("CNN", FILLED) if (m, s) in of) for s in seeds]
        if values:
            found[claim] = values
    return found


def save(path: Path, rows: list[dict], config: dict) -> dict[str, float]:
    """Write the result file -> its claims."""
    seeds = sorted({r["seed"] for r in rows})
    whole = [r for r in rows if all((c, m, r["seed"]) in {_key(x) for x in rows} for c, m in RUNS)]
    by_claim = ratios(whole)
    claims = {name: float(np.median(values)) for name, values in by_claim.items()}
    write_result(
        path,
        claims=claims,
        intervals={name: median_interval(values) for name, values in by_claim.items()},
        seeds=seeds,
        per_seed=rows,
        config=config,
        wall_seconds=sum(r["train_seconds"] for r in rows),
        command=f"python benchmarks/{NAME}.py",
        note="loss in px² a coordinate, a pixel is 1/28 of the image; velocity as a share of the true mean square",
    )
    return claims


def _key(row: dict) -> tuple:
    return row["condition"], row["model"], row["seed"]


def table(rows: list[dict]) -> Table:
    """Medians over seeds, and the range of all seeds."""
    out = Table("recorded", "network", "loss (px²)", "all seeds", "velocity", "train loss", "numbers", "s", "seeds")
    for condition, model in RUNS:
        group = [r for r in rows if (r["condition"], r["model"]) == (condition, model)]
        if group:
            middle = {k: float(np.median([r[k] for r in group])) for k in group[0] if k not in ("condition", "model")}
            spread = f"{min(r['loss'] for r in group):.3g} to {max(r['loss'] for r in group):.3g}"
            cells = (middle["velocity"], middle["train_loss"], int(middle["parameters"]), middle["train_seconds"])
            out.add(condition, model, middle["loss"], spread, *cells, len(group))
    return out


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--updates", type=int, default=800)
    parser.add_argument("--json", type=Path, default=Path("assets/results") / f"{NAME}.json")
    parser.add_argument("--quick", action="store_true", help="a few updates: checks the script, claims nothing")
    args = parser.parse_args()
    counts = (TRAIN, TEST)
    if args.quick:
        args.seeds, args.updates, counts = args.seeds[:2], 10, (100, 50)
        if args.json == parser.get_default("json"):
            args.json = Path("build") / f"{NAME}_quick.json"
    torch.set_num_threads(1)
    config = {
        "updates": args.updates, "batch": 64, "lr": 3e-3, "train": counts[0], "test": counts[1], "moments": MOMENTS,
        "basis": 60, "alpha": 50.0, "train_styles": len(hw.TRAIN_STYLES), "test_styles": len(hw.TEST_STYLES),
    }  # fmt: skip
    rows, began = read_result(args.json, config), time.perf_counter()
    for seed in args.seeds:  # a stop leaves whole seeds: every network compared on the same data
        for condition, model in RUNS:
            if (condition, model, seed) not in {_key(r) for r in rows}:
                rows.append(one_run(condition, model, seed, args.updates, counts))
                save(args.json, rows, config)
    print(table(rows))
    print(f"{time.perf_counter() - began:.0f} s; a new draw of data and weights for each seed\n")
    for name, value in save(args.json, rows, config).items():
        print(f"{name}={value:.3g}")


if __name__ == "__main__":
    main()
