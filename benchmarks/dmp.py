"""Speed of the DMP layer's closed form, forward and backward, against Euler loops and an independent package.

    python benchmarks/dmp.py [--rounds 15] [--json FILE] [--quick]

Float32, one torch thread, gradients for goal, weights, start position and start velocity. Processor time, so that other
programs on the machine do not count; contestants take turns in every round, and ratios are taken within a round. Two
sizes: `imitation`, 100 strokes of 2 DoF, 30 basis functions, 300 steps, all returned; `control`, 64 decisions of 4
DoF, 6 basis functions, 40 steps, every 8th returned.
  closed form   DMP.forward; agrees with the loop to 1e-6 of the largest value
  Euler loop    DMP.loop: the same equations, pushes computed for all steps at once, then step by step
  mp_pytorch    of the package mp-pytorch, where installed (`pip install mp-pytorch`): its DMP, a loop too, and its
                ProDMP, a closed form as well. Their basis functions have other widths, so they draw other paths, and
                their gradients here are for goal and weights only, which is less work than ours does
"""

from __future__ import annotations

import argparse
import time
from importlib import metadata
from pathlib import Path

import numpy as np
import torch
from _report import Table, median_interval, write_result

from course_lib.nets.dmp import DMP

NAME = "dmp"
SIZES = {
    "imitation": dict(batch=100, dofs=2, basis=30, steps=300, points=300),
    "control": dict(batch=64, dofs=4, basis=6, steps=40, points=5),
}
LOOPS = ("Euler loop", "mp_pytorch DMP")
PEERS = {"mp_pytorch DMP": "dmp_vs_mp_pytorch", "mp_pytorch ProDMP": "dmp_vs_prodmp"}


def inputs(batch: int, dofs: int, basis: int, stiffness: float) -> list[torch.Tensor]:
    """goal, weights, start, velocity at random, of natural size."""
    torch.manual_seed(0)
    shapes = ((batch, dofs), (batch, dofs, basis), (batch, dofs), (batch, dofs))
    scales = (1.0, stiffness, 1.0, 1.0)
    return [(scale * torch.randn(shape)).requires_grad_() for shape, scale in zip(shapes, scales, strict=True)]


def contestants(batch, dofs, basis, steps, points) -> dict:
    """Name -> function that does one forward and backward pass."""
    dmp = DMP(dofs, basis, steps=steps, points=points, scaled=False)
    given, slope = inputs(batch, dofs, basis, dmp.stiffness), torch.randn(batch, points, dofs)
    for closed, looped in zip(dmp(*given), dmp.loop(*given), strict=True):
        assert (closed - looped).abs().max() < 1e-6 * looped.abs().max(), "not the same path"

    def ours(rollout):
        return lambda: torch.autograd.backward(list(rollout(*given)), [slope, slope])

    found = {"closed form": ours(dmp.forward), "Euler loop": ours(dmp.loop)}
    try:
        from mp_pytorch.mp import MPFactory
    except ImportError:
        print("mp_pytorch is not installed; it is left out\n")
        return found
    common = dict(num_basis=basis, alpha=dmp.alpha, alpha_phase=1.0, dt=dmp.dt)
    common |= dict(basis_bandwidth_factor=2, num_basis_outside=0)
    numbers = torch.cat([given[1] / dmp.stiffness, given[0][..., None]], -1).flatten(1).detach().requires_grad_()
    all_times, every = torch.linspace(0, 1, steps + 1), torch.arange(steps // points, steps + 1, steps // points)
    state = dict(init_time=torch.zeros(batch), init_pos=given[2].detach(), init_vel=given[3].detach())

    def theirs(kind: str, times: torch.Tensor, take):
        peer, times = MPFactory.init_mp(mp_type=kind, num_dof=dofs, tau=1.0, mp_args=common), times.expand(batch, -1)

        def run():
            peer.update_inputs(times=times, params=numbers, **state)
            torch.autograd.backward([peer.get_traj_pos()[:, take], peer.get_traj_vel()[:, take]], [slope, slope])

        return run

    found["mp_pytorch DMP"] = theirs("dmp", all_times, every)
    found["mp_pytorch ProDMP"] = theirs("prodmp", all_times[every], slice(None))
    return found


def measure(size: dict, rounds: int) -> dict[str, np.ndarray]:
    """Processor milliseconds of one forward and backward pass of each contestant in each round, the median of a few."""
    found = contestants(**size)
    times = {name: [] for name in found}
    for r in range(-1, rounds):  # the first round warms up
        for name, run in found.items():
            each = []
            for _ in range(2 if name in LOOPS else 20):
                began = time.process_time()
                run()
                each.append(1e3 * (time.process_time() - began))
            if r >= 0:
                times[name].append(float(np.median(each)))
    return {name: np.array(values) for name, values in times.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--json", type=Path, default=Path("assets/results") / f"{NAME}.json")
    parser.add_argument("--quick", action="store_true", help="three rounds: checks the script")
    args = parser.parse_args()
    if args.quick:
        args.rounds = 3
        if args.json == parser.get_default("json"):
            args.json = Path("build") / f"{NAME}_quick.json"
    torch.set_num_threads(1)
    began = time.perf_counter()
    times = {name: measure(size, args.rounds) for name, size in SIZES.items()}
    table = Table("forward + backward, ms (median)", *(c for n in SIZES for c in (n, "95 % interval")))
    for name in times["imitation"]:
        cells = []
        for column in times.values():
            low, high = median_interval(column[name])
            cells += [float(np.median(column[name])), f"[{low:.3g}, {high:.3g}]"]
        table.add(name, *cells)
    print(table, end="\n\n")
    ratios = {
        f"dmp_closed_form_speedup{'' if size == 'imitation' else '_' + size}": t["Euler loop"] / t["closed form"]
        for size, t in times.items()
    }
    for peer, claim in PEERS.items():
        ratios |= {f"{claim}_{size}": t[peer] / t["closed form"] for size, t in times.items() if peer in t}
    write_result(
        args.json,
        claims={name: float(np.median(values)) for name, values in ratios.items()},
        intervals={name: median_interval(values) for name, values in ratios.items()},
        seeds=list(range(args.rounds)),
        per_seed=[
            {size: {name: round(float(v[i]), 4) for name, v in t.items()} for size, t in times.items()}
            for i in range(args.rounds)
        ],
        config={"sizes": SIZES, "rounds": args.rounds, "threads": 1, "alpha": 25.0},
        wall_seconds=time.perf_counter() - began,
        command=f"python benchmarks/{NAME}.py",
        note="one entry of per_seed is a round in which all contestants ran one after another; processor milliseconds",
        peer=f"mp-pytorch {metadata.version('mp-pytorch')}" if LOOPS[1] in times["control"] else "none",
    )
    for name, values in ratios.items():
        print(f"{name}={np.median(values):.3g}")


if __name__ == "__main__":
    main()
