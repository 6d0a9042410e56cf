"""Speed of the DMP layer's closed form, forward and backward, against Euler loops and an independent package.

    python benchmarks/dmp.py [--rounds 15] [--quick]

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

import time
from functools import partial
from importlib import metadata

import numpy as np
import torch
from _report import ROUND, cli, speed_table, take_turns, write_rounds

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


def milliseconds(run, times: int) -> float:
    """Processor milliseconds of one forward and backward pass, the median of a few."""
    each = []
    for _ in range(times):
        began = time.process_time()
        run()
        each.append(1e3 * (time.process_time() - began))
    return float(np.median(each))


def measure(size: dict, rounds: int) -> dict[str, np.ndarray]:
    turns = {n: partial(milliseconds, run, 2 if n in LOOPS else 20) for n, run in contestants(**size).items()}
    return take_turns(turns, rounds, warm_up=1)


if __name__ == "__main__":
    args = cli(NAME, __doc__, rounds=15, quick=dict(rounds=3))
    torch.set_num_threads(1)
    times = {name: measure(size, args.rounds) for name, size in SIZES.items()}
    print(speed_table("forward + backward, ms (median)", times, ".3g"), end="\n\n")
    ratios = {
        f"dmp_closed_form_speedup{'' if size == 'imitation' else '_' + size}": t["Euler loop"] / t["closed form"]
        for size, t in times.items()
    }
    for peer, claim in PEERS.items():
        ratios |= {f"{claim}_{size}": t[peer] / t["closed form"] for size, t in times.items() if peer in t}
    write_rounds(
        args, times, ratios, {"sizes": SIZES, "rounds": args.rounds, "threads": 1, "alpha": 25.0}, digits=4,
        note=ROUND + "; processor milliseconds",
        peer=f"mp-pytorch {metadata.version('mp-pytorch')}" if LOOPS[1] in times["control"] else "none",
    )  # fmt: skip
