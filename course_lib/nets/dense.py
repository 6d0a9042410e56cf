"""Passes through an `Ensemble` in one call of C: `dense.c`. And Adam, and targets.

The C code does what `ensemble.Pass` does in torch, to rounding, on two threads where these are quicker. It works on
float32 in the processor's memory. With bfloat16 factors, on processors that multiply such numbers, torch is used.
"""

from __future__ import annotations

import ctypes
import time
from pathlib import Path

import torch
from torch import Tensor, nn

from course_lib.errors import ArgumentError
from course_lib.machine import Pace, threads
from course_lib.nets.compiled import Program

KINDS = {nn.ReLU: 0, nn.Tanh: 1, nn.ELU: 2}  # of dense.h
MOST_LAYERS = 16  # LAYERS of dense.h
HEADERS = ("ensemble.h", "dense.h", "tiny.h")  # that C files here and in rl include
WORTH_IT = 500_000  # multiplications, from which on a second thread is tried
WIDE = 32  # the widest panel of dense.h
INT, LONG, POINTER, DOUBLE = ctypes.c_int, ctypes.c_long, ctypes.c_void_p, ctypes.c_double


class _Job(ctypes.Structure):
    """`ensemble` of ensemble.h."""

    _fields_ = [
        *((name, INT) for name in ("members", "count", "layers", "rows", "threads", "wanted", "wanted_x")),
        *((name, POINTER) for name in ("sizes", "flat", "d_flat", "d_other", "h", "grad", "d0", "d1", "d_x")),
        *((name, POINTER) for name in ("space0", "space1")),
    ]


class _Stack(ctypes.Structure):
    """`stack_job` of dense.c."""

    _fields_ = [
        *((name, INT) for name in ("layers", "kind", "rows", "threads")),
        *((name, POINTER) for name in ("sizes", "W", "b", "x", "out")),
        ("lacks", INT),
    ]


def _declare(lib: ctypes.CDLL) -> None:
    lib.stack_forward.argtypes, lib.stack_forward.restype = [ctypes.POINTER(_Stack)], INT
    for name in ("ensemble_forward", "ensemble_backward"):
        getattr(lib, name).argtypes = [ctypes.POINTER(_Job)]
    lib.adam_step.argtypes = [LONG, *[POINTER] * 4, LONG, DOUBLE, DOUBLE, DOUBLE, INT]
    lib.follow.argtypes = [LONG, POINTER, POINTER, DOUBLE]
    for function in (lib.ensemble_forward, lib.ensemble_backward, lib.adam_step, lib.follow):
        function.restype = None


_HERE = Path(__file__).parent
PROGRAM = Program([_HERE / name for name in ("dense.c", *HEADERS)], _declare)


def usable(*tensors: Tensor) -> bool:
    """Whether C code may work on these, in this process and as products are to be computed now."""
    plain = all(t.dtype == torch.float32 and t.is_cpu for t in tensors)
    return plain and torch.get_float32_matmul_precision() == "highest" and PROGRAM.library() is not None


class Through:
    """The C half of an `ensemble.Pass`: its memory and its threads.

    Args:
        ensemble: the networks. take: (role, like, *shape) -> memory that is used again, of `Pass`.
    """

    def __init__(self, ensemble: nn.Module, take):
        self.ensemble, self.take = ensemble, take
        self.sizes = (INT * len(ensemble.sizes))(*ensemble.sizes)
        self.paces = {"ensemble_forward": Pace(), "ensemble_backward": Pace()}
        self.work = sum(a * b for a, b in zip(ensemble.sizes[:-1], ensemble.sizes[1:], strict=True))

    def forward(self, x: Tensor, first: bool) -> Tensor:
        """x (B, in) -> (E, B, out); see `Pass.forward`."""
        sizes = self.ensemble.sizes
        if x.dim() != 2 or x.shape[1] != sizes[0]:
            raise ArgumentError(f"x of shape {tuple(x.shape)} is not accepted; it must be (samples, {sizes[0]})")
        self.count, self.rows = 1 if first else self.ensemble.members, len(x)
        hidden = [self.take(("h", i), x, self.count, self.rows, width) for i, width in enumerate(sizes[1:-1], 1)]
        out = x.new_empty(self.count, self.rows, sizes[-1])
        self.layers = [self.take("x", x, *x.shape).copy_(x), *hidden, out]
        self.flat = self.ensemble.flat  # what `backward` goes through, even if the ensemble has other numbers by then
        self._run("ensemble_forward", x)
        return out

    def backward(self, grad: Tensor, wanted: bool, wanted_x: int) -> tuple[Tensor | None, Tensor | None]:
        """See `Pass.backward`."""
        flat, sizes = self.flat, self.ensemble.sizes
        shape = (self.count, self.rows, sizes[-1])
        if grad.shape != shape or not 0 <= wanted_x <= sizes[0]:
            raise ArgumentError(f"grad of shape {tuple(grad.shape)} is not accepted; it must be {shape}")
        d_flat = d_other = d_x = None
        if wanted:
            d_flat = self.take("gradient", flat, len(flat))
            if self.count == 1:
                d_other = self.take("gradient of the other half", flat, len(flat))
                if self.ensemble.members > 1:
                    d_flat.zero_(), d_other.zero_()
        if wanted_x:
            d_x = flat.new_empty(self.count, self.rows, wanted_x)
        grad = grad.contiguous()
        below = [self.take(("d", i), grad, self.count, self.rows, max(sizes)).data_ptr() for i in (0, 1)]
        more = dict(d_flat=_address(d_flat), d_other=_address(d_other), d_x=_address(d_x), grad=grad.data_ptr())
        self._run("ensemble_backward", grad, wanted=wanted, wanted_x=wanted_x, d0=below[0], d1=below[1], **more)
        return d_flat, None if d_x is None else d_x.sum(0)

    def _run(self, name: str, like: Tensor, **more) -> None:
        ensemble, widest = self.ensemble, max(self.ensemble.sizes) + WIDE
        # One matrix in panels, and of a narrow layer the gradient before it is turned.
        space = max(widest * widest, self.rows * widest + WIDE * widest)
        spaces = [self.take(("space", part), like, space).data_ptr() for part in (0, 1)]
        h = (POINTER * len(self.layers))(*(layer.data_ptr() for layer in self.layers))
        pace, large = self.paces[name], self.work * self.count * self.rows > WORTH_IT
        number = pace.choose() if large else 1
        job = _Job(
            members=ensemble.members, count=self.count, layers=len(ensemble.sizes) - 1, rows=self.rows, threads=number,
            sizes=ctypes.addressof(self.sizes), flat=self.flat.data_ptr(), h=ctypes.addressof(h),
            space0=spaces[0], space1=spaces[1], **more,
        )  # fmt: skip
        began = time.perf_counter()
        getattr(PROGRAM.library(), name)(ctypes.byref(job))
        if large:
            pace.took(number, time.perf_counter() - began)


def _is_whole(linear: nn.Linear) -> bool:
    """Whether a layer has as many numbers as its attributes say: C goes by these."""
    rows, columns, bias = linear.out_features, linear.in_features, linear.bias
    return linear.weight.shape == (rows, columns) and bias.shape == (rows,) and bias.is_contiguous()


def kind_of(network: nn.Module) -> int | None:
    """What C calls the activation of `network`; None where it is anything other than what `stack` describes.

    Linear layers with biases that fit each other, the same activation between all of them and none behind the last, no
    hooks.
    """
    modules = list(network) if type(network) is nn.Sequential else []
    linear, between = modules[::2], {type(m) for m in modules[1::2]}
    plain = len(modules) % 2 == 1 and len(linear) <= MOST_LAYERS and len(between) <= 1 and between <= KINDS.keys()
    plain = plain and all(type(m) is nn.Linear and m.bias is not None for m in linear)
    plain = plain and len({id(m) for m in linear}) == len(linear) and all(map(_is_whole, linear))
    plain = plain and not any(type(m) is nn.ELU and m.alpha != 1.0 for m in modules)
    if not plain or any(m._forward_hooks or m._forward_pre_hooks for m in (network, *modules)):
        return None
    if any(a.out_features != b.in_features for a, b in zip(linear[:-1], linear[1:], strict=True)):
        return None
    return KINDS[between.pop()] if between else 0


def stack(network: nn.Sequential, x: Tensor) -> Tensor:
    """A network of linear layers with tanh or ELU between them, without gradients: x (B, in) -> (B, out).

    It runs in C. If a gradient is wanted or the network is of another kind, it runs in torch.
    """
    kind = kind_of(network)
    if kind is None or torch.is_grad_enabled() or x.dim() != 2 or not x.numel() or not usable(x, *network.parameters()):
        return network(x)
    linear = list(network)[::2]
    if x.shape[1] != linear[0].in_features:
        return network(x)
    sizes = [linear[0].in_features, *(m.out_features for m in linear)]
    x, weights, biases = x.contiguous(), [m.weight.contiguous() for m in linear], [m.bias for m in linear]
    out, n = x.new_empty(len(x), sizes[-1]), len(linear)
    arrays = (INT * (n + 1))(*sizes), (POINTER * n)(*map(_address, weights)), (POINTER * n)(*map(_address, biases))
    job = _Stack(n, kind, len(x), threads(), *map(ctypes.addressof, arrays))
    job.x, job.out = x.data_ptr(), out.data_ptr()
    return network(x) if PROGRAM.library().stack_forward(ctypes.byref(job)) else out


def _address(tensor: Tensor | None) -> int | None:
    return None if tensor is None else tensor.data_ptr()


def adam(params, grads, firsts, seconds, step: int, lr: float, eps: float) -> None:
    """Adam (Kingma & Ba 2015, algorithm 1) with β1 = .9, β2 = .999, on lists of contiguous tensors, in place."""
    library, number = PROGRAM.library(), threads()
    for tensors in zip(params, grads, firsts, seconds, strict=True):
        if any(t.numel() != tensors[0].numel() or not t.is_contiguous() for t in tensors):
            raise ArgumentError("parameter, gradient and moments must be alike, and contiguous")
        library.adam_step(tensors[0].numel(), *(t.data_ptr() for t in tensors), step, lr, eps, 1.0, number)


def follow(follower: Tensor, followed: Tensor, tau: float) -> None:
    """θ' ← θ' + τ (θ - θ'), in place; both contiguous."""
    if follower.shape != followed.shape or not (follower.is_contiguous() and followed.is_contiguous()):
        raise ArgumentError("follower and followed must be alike, and contiguous")
    PROGRAM.library().follow(follower.numel(), follower.data_ptr(), followed.data_ptr(), tau)
