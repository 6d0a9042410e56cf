"""Speed of the cells, forward and backward, against ncps and torchdiffeq at equal equations; memory for the gradient.

    python benchmarks/cells.py [--rounds 15] [--quick]

Batch 32, 64 steps, 4 inputs, float32, one torch thread, gradients for all weights. Contestants take turns in every
round, so that a change in the machine's mood meets all of them; ratios are taken within a round.
  SynapticLTC   against ncps.torch.LTC, fully connected, 6 unfolds, with the same weights. ncps runs without its input
                and output maps and without softplus constraints, which makes it faster. Outputs agree to 1e-5.
  CTRNN, LTC    RK4 with 4 steps an interval and the input held, against torchdiffeq.odeint(method="rk4") called for
                each interval with the same field. Its rk4 is the 3/8 rule, another method of order 4 with as many
                evaluations. Outputs agree to 1e-4; the errors of both against a fine solution are in the result.
                The claims are about CTRNN.
  LTC, GRU      the fused semi-implicit LTC with 6 substeps, and GRU beside torch.nn.GRU, which is written in C++
Our cells run in C where there is a compiler (`course_lib.nets.native`); the rows "torch" are without it. (The GRU and
the CfC do so since the shipped file was measured: there they are torch's.)
Memory is what the forward pass leaves behind for the backward pass, by torch's profiler; CTRNN, 32 neurons, RK4.
"""

from __future__ import annotations

import os
import time
from functools import partial

import numpy as np
import torch
import torchdiffeq
from _report import ROUND, Table, cli, speed_table, take_turns, write_rounds

from course_lib.nets import native
from course_lib.nets.cells import make_cell
from course_lib.nets.solvers import odeint

NAME = "cells"
SIZES, BATCH, STEPS, INPUTS, UNFOLDS, SUBSTEPS = (8, 32), 32, 64, 4, 6, 4
LENGTHS, SUBSTEP_COUNTS = (16, 32, 64, 128, 256, 512), (1, 2, 4, 8, 16, 32, 64)
CLAIMS = {"cell_vs_ncps": ("ncps LTC", "SynapticLTC"), "cell_vs_torchdiffeq": ("CTRNN, torchdiffeq rk4", "CTRNN, rk4")}


def ncps_twin(cell):
    """`ncps.torch.LTC` with the weights of a SynapticLTC."""
    import ncps.torch
    import ncps.wirings

    wiring = ncps.wirings.FullyConnected(cell.neurons)
    twin = ncps.torch.LTC(
        cell.inputs, wiring, ode_unfolds=cell.substeps, batch_first=False, input_mapping=None, output_mapping=None,
        implicit_param_constraints=False,
    )  # fmt: skip
    theirs, positive = twin.rnn_cell, torch.nn.functional.softplus
    with torch.no_grad():
        for name, value in (("gleak", positive(cell.raw_g)), ("vleak", cell.v), ("cm", positive(cell.raw_C))):
            getattr(theirs, name).copy_(value)
        for prefix, kind in (("", "recurrent"), ("sensory_", "sensory")):
            for name in ("mu", "sigma"):
                getattr(theirs, prefix + name).copy_(getattr(cell, f"{kind}_{name}").t())
            getattr(theirs, prefix + "erev").copy_(getattr(cell, f"{kind}_E").t())
            getattr(theirs, prefix + "w").copy_(positive(getattr(cell, f"{kind}_raw_w")).t())
    return twin


def torchdiffeq_twin(cell):
    """The sequence of an ODE cell, each interval solved by torchdiffeq."""
    ends, options = torch.tensor([0.0, 1.0]), {"step_size": 1.0 / cell.substeps}

    def sequence(x, h):
        weight, params, states = cell.recurrent.t(), cell.params(), []
        for drive in cell.drive(x):
            field = lambda t, h, drive=drive: cell.rate(torch.addmm(drive, h, weight), h, *params)  # noqa: E731
            h = torchdiffeq.odeint(field, h, ends, method="rk4", options=options)[-1]
            states.append(h)
        return torch.stack(states)

    return sequence


def without_c(sequence):
    """The same by torch alone."""

    def run(x, h):
        before = os.environ.get("COURSE_NATIVE")
        os.environ["COURSE_NATIVE"] = "0"
        try:
            return sequence(x, h)
        finally:
            os.environ.pop("COURSE_NATIVE") if before is None else os.environ.update(COURSE_NATIVE=before)

    return run


def contestants(n: int) -> tuple[dict, dict]:
    """Name -> sequence(x, h) -> states; and the errors of the RK4 contestants against a fine solution."""
    torch.manual_seed(0)
    x, h = torch.randn(STEPS, BATCH, INPUTS), torch.zeros(BATCH, n)
    synaptic = make_cell("synaptic_ltc", INPUTS, n, substeps=UNFOLDS)
    ncps = ncps_twin(synaptic)
    out = {"SynapticLTC": synaptic.sequence, "SynapticLTC, torch": without_c(synaptic.sequence)}
    out |= {"ncps LTC": lambda x, h: ncps(x, h)[0]}
    assert torch.allclose(out["SynapticLTC"](x, h), out["ncps LTC"](x, h), atol=1e-5), "not the cell of ncps"
    errors = {}
    for name in ("ctrnn", "ltc"):
        cell = make_cell(name, INPUTS, n, solver="rk4", substeps=SUBSTEPS)
        label = name.upper()
        out |= {f"{label}, rk4": cell.sequence, f"{label}, rk4, torch": without_c(cell.sequence)}
        out |= {f"{label}, torchdiffeq rk4": torchdiffeq_twin(cell)}
        cell.substeps = 32
        with torch.no_grad():
            fine = cell.double().sequence(x.double(), h.double())
            cell.float().substeps = SUBSTEPS
            for key in (f"{label}, rk4", f"{label}, torchdiffeq rk4"):
                errors[key] = (out[key](x, h) - fine).abs().max().item()
            ours, theirs = (f"{label}, rk4", f"{label}, torchdiffeq rk4")
            apart = (out[ours](x, h) - out[theirs](x, h)).abs().max().item()
        assert apart < 1e-4 and errors[ours] < 1.1 * errors[theirs], f"not as accurate: {errors}, {apart:.1g} apart"
    gru = torch.nn.GRU(INPUTS, n)
    ltc = make_cell("ltc", INPUTS, n, substeps=UNFOLDS)
    out |= {"LTC, fused": ltc.sequence, "LTC, fused, torch": without_c(ltc.sequence)}
    out |= {"GRU": make_cell("gru", INPUTS, n).sequence, "torch.nn.GRU": lambda x, h: gru(x, h[None])[0]}
    return out, errors


def measure(n: int, rounds: int) -> tuple[dict[str, np.ndarray], dict]:
    """Milliseconds of one forward and backward pass of each contestant in each round, and errors."""
    fields, errors = contestants(n)
    x, h, g = torch.randn(STEPS, BATCH, INPUTS), torch.zeros(BATCH, n), torch.randn(STEPS, BATCH, n)

    def milliseconds(sequence) -> float:
        began = time.perf_counter()
        sequence(x, h).backward(g)
        return 1e3 * (time.perf_counter() - began)

    turns = {name: partial(milliseconds, sequence) for name, sequence in fields.items()}
    return take_turns(turns, rounds, warm_up=1), errors


def kept_bytes(forward) -> int:
    """Bytes that `forward` allocates and its result, alive, keeps."""
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as profile:
        out = forward()
    total = sum(event.self_cpu_memory_usage for event in profile.key_averages())
    del out
    return int(total)


def memory(lengths, counts) -> dict:
    """Bytes kept for the backward pass, by sequence length, and for one interval by solver steps."""
    n, common = 32, dict(solver="rk4", substeps=SUBSTEPS)
    cells = {g: make_cell("ctrnn", INPUTS, n, gradient=g, **common) for g in ("backprop", "adjoint")}
    h = torch.zeros(BATCH, n)

    def loop(x, h):
        states = []
        for x_t in x:
            h = cells["backprop"](x_t, h)
            states.append(h)
        return torch.stack(states)

    ways = {"autograd": loop, "fused": cells["backprop"].sequence, "adjoint": cells["adjoint"].sequence}
    by_length: dict[str, list[int]] = {name: [] for name in ways}
    for T in lengths:
        x = torch.randn(T, BATCH, INPUTS)
        for name, sequence in ways.items():
            by_length[name].append(kept_bytes(lambda: sequence(x, h)))  # noqa: B023
    field = torch.nn.Sequential(torch.nn.Linear(n, n), torch.nn.Tanh())
    by_substeps: dict[str, list[int]] = {"backprop": [], "adjoint": []}
    for count in counts:
        for gradient, values in by_substeps.items():
            solve = lambda: odeint(Autonomous(field), h, torch.tensor([0.0, 1.0]), substeps=count, gradient=gradient)  # noqa: E731, B023
            values.append(kept_bytes(solve))
    return {"lengths": list(lengths), "by_length": by_length, "substeps": list(counts), "by_substeps": by_substeps}


class Autonomous(torch.nn.Module):
    """A network of the state as a field (t, h)."""

    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, t, h):
        return self.net(h)


def kept_table(unit: str, label: str, columns: list[int], kept: dict[str, list[int]], size: int) -> Table:
    table = Table(unit, *(f"{c} {label}" for c in columns))
    for name, values in kept.items():
        table.add(name, *(v / size for v in values))
    return table


if __name__ == "__main__":
    args = cli(NAME, __doc__, rounds=15, fixed=dict(lengths=[*LENGTHS]), quick=dict(rounds=5, lengths=3))
    torch.set_num_threads(1)
    times, errors = {}, {}
    for n in SIZES:
        times[n], errors[n] = measure(n, args.rounds)
    kept = memory(args.lengths, SUBSTEP_COUNTS)
    ratios = {f"{claim}_{n}": times[n][peer] / times[n][ours] for claim, (peer, ours) in CLAIMS.items() for n in SIZES}
    print(
        speed_table("forward + backward, ms (median)", {f"{n} neurons": times[n] for n in SIZES}, ".3g"),
        kept_table("kept for the gradient, MiB", "steps", kept["lengths"], kept["by_length"], 2**20),
        kept_table("one interval, KiB", "substeps", kept["substeps"], kept["by_substeps"], 2**10),
        f"C code {native.status()}\n", sep="\n\n",
    )  # fmt: skip
    config = {
        "sizes": SIZES, "batch": BATCH, "steps": STEPS, "inputs": INPUTS, "unfolds": UNFOLDS, "substeps": SUBSTEPS,
        "rounds": args.rounds, "threads": 1, "native": native.status().split(":")[0],
    }  # fmt: skip
    write_rounds(
        args, times, ratios, config, digits=3, note=ROUND + "; milliseconds",
        errors={str(n): errors[n] for n in SIZES}, memory=kept,
    )  # fmt: skip
