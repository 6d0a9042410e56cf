"""Loops over the steps of a sequence, which torch runs slowly, in C (`kernels.c`). Results agree to rounding."""

from __future__ import annotations

import ctypes
import math
from pathlib import Path

import torch
from torch import Tensor

from course_lib.errors import ArgumentError
from course_lib.nets.checks import check_sizes, once
from course_lib.nets.compiled import Program

TYPES = {
    torch.float32: ("-DREAL=float", "-DREAL_BYTES=4"),
    torch.float64: ("-DREAL=double", "-DREAL_BYTES=8"),
}
SLOPES = {"ltc": 1, "ctrnn": 2, "neural_ode": 2}  # f is a sigmoid, or a tanh
CPU = torch.device("cpu")
# How wide `drive` is, how many matrices `weight` has, and rows `leak`.
SHAPES = {
    "synaptic": (2, (4,), 3), "decaying": (1, (), 2), "explicit": (1, (), 2), "gru": (4, (4,), 0), "cfc": (3, (3,), 0),
}  # fmt: skip
SAVED = ("gradient", "dt", "weight", "params", "path")
LINE = 64  # bytes; the C code takes as many samples together as fit


def _declare(lib: ctypes.CDLL) -> None:
    integer, pointer = ctypes.c_int, ctypes.c_void_p
    numbers = [integer] * 4 + [ctypes.c_double]
    more_of = {"decaying": [integer], "explicit": [integer, integer, pointer]}
    for name in SHAPES:
        for direction, count in (("forward", 10), ("backward", 12)):
            function = getattr(lib, f"{name}_{direction}")
            function.argtypes, function.restype = [*numbers, *more_of.get(name, []), *[pointer] * count], None


KERNELS = Program([Path(__file__).with_name(name) for name in ("kernels.c", "gated.h", "lanes.h", "tiny.h")], _declare)


def status() -> str:
    """One line: whether C code runs, and if not, why."""
    return KERNELS.status()


def library(dtype: torch.dtype = torch.float32) -> ctypes.CDLL | None:
    """The compiled functions for numbers of this type, or None. The first call compiles, or finds what was compiled."""
    return KERNELS.library(*TYPES[dtype]) if dtype in TYPES else None


def usable(drive: Tensor, rate) -> bool:
    """Whether C code may work on this: compiled, not empty, in the processor's memory, no gradient wanted for
    durations."""
    wanted = isinstance(rate, Tensor) and rate.requires_grad
    return not wanted and drive.is_cpu and drive.numel() > 0 and library(drive.dtype) is not None


def _addresses(*tensors: Tensor | None) -> list[int | None]:
    return [None if x is None else x.data_ptr() for x in tensors]


class _Sequence(torch.autograd.Function):
    """One of the pairs of C functions; they differ in widths, and in `more` numbers.

    C checks nothing. So all that it reads passes `check_sizes` here, before its address is taken.

    Args:
        name: of the functions. rows: how many (n, lanes) arrays a substep leaves in `path`.
        table: the coefficients of a Runge–Kutta method of so many stages, or None.
        weight: (…, n, n). leak: (…, n). The others are those of `synaptic`.
    """

    @staticmethod
    def forward(ctx, name, rows, more, table, drive, kick, h, starts, rate, substeps, weight, leak):
        (T, B), n, stages, lanes = drive.shape[:2], h.shape[-1], rows // 2, LINE // drive.element_size()
        drive, h, weight, leak = (
            drive.contiguous(),
            h.contiguous().resolve_neg(),
            weight.contiguous(),
            leak.contiguous(),
        )
        kick, starts, rates = (x.contiguous() if isinstance(x, Tensor) else None for x in (kick, starts, rate))
        width, matrices, vectors = SHAPES[name]
        if not drive.numel():
            raise ArgumentError(
                f"drive of shape {tuple(drive.shape)} is not accepted here; there must be a step of a sample"
            )
        check_sizes(
            drive.dtype, CPU, substeps, ("drive", drive, (T, B, width * n)), ("kick", kick, (T, B, n)),
            ("h", h, (B, n)), ("dt", rates, (T, B, 1)), ("weight", weight, (*matrices, n, n)),
            ("params", leak, (vectors, n)),
        )  # fmt: skip
        if starts is not None:
            check_sizes(torch.bool, CPU, substeps, ("starts", starts, (T, B, 1)))
        path = h.new_empty(-(-B // lanes), T, rows * substeps + 1, n, lanes)
        space, out = h.new_empty((1 + width + stages) * n + 3, lanes), h.new_empty(T, B, n)
        ctx.table = table  # keeps alive what the pointer points to
        more = more if table is None else (*more, table.data_ptr())
        ctx.numbers = (T, B, n, substeps, 1.0 if rates is not None else rate, *more)
        ctx.library = KERNELS.loaded.get(TYPES[drive.dtype]) or library(drive.dtype)
        addresses = _addresses(drive, kick, h, starts, rates, weight, leak, path, space, out)
        getattr(ctx.library, f"{name}_forward")(*ctx.numbers, *addresses)
        ctx.save_for_backward(starts, rates, weight, leak, path)
        ctx.name, ctx.width, ctx.kicked = name, width * n, kick is not None
        ctx.room = weight.numel() + (2 * width + 4 + stages) * n + 1
        ctx.sizes = drive.dtype, (T, B, n), (T, B, 1), weight.shape, leak.shape, path.shape
        return out

    @staticmethod
    @once
    def backward(ctx, grad_out):
        (T, B, n, substeps, *_), (dtype, *shapes) = ctx.numbers, ctx.sizes
        starts, *rest = (x if x is None else x.contiguous() for x in ctx.saved_tensors)
        grad_out = grad_out.contiguous().resolve_neg()
        # Hooks may have changed what was saved.
        check_sizes(dtype, CPU, substeps, *zip(SAVED, (grad_out, *rest), shapes, strict=True))
        if starts is not None:
            check_sizes(torch.bool, CPU, substeps, ("starts", starts, (T, B, 1)))
        rates, weight, leak, path = rest
        space = path.new_zeros(ctx.room, path.shape[-1])
        d_drive, d_h, d_leak = path.new_empty(T, B, ctx.width), path.new_empty(B, n), torch.empty_like(leak)
        d_weight, d_kick = torch.empty_like(weight), torch.empty_like(grad_out) if ctx.kicked else None
        given = _addresses(starts, rates, weight, leak, path, space, grad_out, d_drive, d_kick, d_h, d_weight, d_leak)
        getattr(ctx.library, f"{ctx.name}_backward")(*ctx.numbers, *given)
        return None, None, None, None, d_drive, d_kick, d_h, None, None, None, d_weight, d_leak


def _stack(*vectors: Tensor) -> Tensor:
    if any(vector.shape != vectors[0].shape for vector in vectors):
        shapes = ", ".join(str(tuple(vector.shape)) for vector in vectors)
        raise ArgumentError(f"params of shapes {shapes} are not accepted here; they must all be (neurons,)")
    return torch.stack(vectors)


def synaptic(drive, kick, h, starts, rate, substeps: int, synapses, g, gv, C) -> Tensor:
    """States (T, B, n) after each step of a `SynapticLTC`.

    Args:
        drive: current beside conductance of the sensory synapses, (T, B, 2n).
        kick: added to the state when a step begins, (T, B, n), or None. h: state before the first step, (B, n).
        starts: (T, B, 1) true where an episode begins: the state is set to 0 there before the step. Or None.
        rate: substeps / dt, a number or (T, B, 1); carries no gradient.
        synapses: σ, σμ, w E and w, (4, n, n) [to, from]. g, gv, C: leak, leak times v, capacitance, (n,).
    """
    scaled, leak = torch.cat([synapses[:2] * math.log2(math.e), synapses[2:]]), _stack(gv, g, C)
    return _Sequence.apply("synaptic", 2, (), None, drive, kick, h, starts, rate, substeps, scaled, leak)


def decaying(kind: str, drive, kick, h, starts, rate, substeps: int, weight, decay, A=None) -> Tensor:
    """States (T, B, n) after each semi-implicit step of an `LTC` (kind "ltc") or a `CTRNN` ("ctrnn", without A).

    Args:
        drive: x Uᵀ + b, (T, B, n). weight: W, (n, n). decay: 1/τ, A: (n,). The others are those of `synaptic`.
    """
    leak = _stack(decay, torch.ones_like(decay) if A is None else A)
    slope = SLOPES[kind]
    return _Sequence.apply("decaying", 3, (slope,), None, drive, kick, h, starts, rate, substeps, weight, leak)


def gated(kind: str, drive, kick, h, starts, rate, substeps: int, weight) -> Tensor:
    """States (T, B, n) after each step of a `GRU` (kind "gru", m = 4) or a `CfC` ("cfc", m = 3).

    Args:
        drive: x Uᵀ + b, (T, B, m·n). weight: W, (m·n, n). The third block of a GRU's counts as zero,
            whatever it holds, and gets no gradient. The others are those of `synaptic`.
    """
    gates, n = SHAPES[kind][0], h.shape[-1]
    check_sizes(weight.dtype, CPU, substeps, ("weight", weight, (gates * n, n)))
    weight, leak = weight.reshape(gates, n, n), weight.new_empty(0, n)
    return _Sequence.apply(kind, gates + 1, (), None, drive, kick, h, starts, rate, substeps, weight, leak)


def explicit(kind: str, tableau, drive, kick, h, starts, rate, substeps: int, weight, decay=None, A=None) -> Tensor:
    """States (T, B, n) after each step of explicit Runge–Kutta steps, of a `NeuralODE` too (without decay and A).

    Args:
        tableau: one of `solvers.TABLEAUS`. The others are those of `decaying`.
    """
    stages = len(tableau.b)
    rows = [[*row, *[0.0] * (stages - len(row))] for row in (*tableau.a, tableau.b)]
    decay = torch.zeros_like(weight[0]) if decay is None else decay
    leak = _stack(decay, torch.ones_like(decay) if A is None else A)
    numbers, table = (SLOPES[kind], stages), drive.new_tensor(rows)
    return _Sequence.apply("explicit", 2 * stages, numbers, table, drive, kick, h, starts, rate, substeps, weight, leak)
