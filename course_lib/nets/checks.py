"""What a cell is given, checked in one place, before anything is computed and before C gets an address.

C reads as many numbers as it was told of, and torch makes sizes fit where it can: both would return plausible numbers.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable

import torch
from torch import Tensor

from course_lib.errors import ArgumentError

MOST_SUBSTEPS = 2**24  # times the rows that are kept of each, it must fit into an int of C


def check_states(cell, x: Tensor, h: Tensor, axes: str) -> None:
    """Raise unless x is (T, B, inputs) or, with axes "B", (B, inputs), and h (B, state_width), like the weights."""
    for name, tensor in (("x", x), ("h", h)):
        if not isinstance(tensor, Tensor):
            raise ArgumentError(f"{name} of type {type(tensor).__name__} is not accepted; it must be a torch.Tensor")
        if tensor.layout is not torch.strided:
            raise ArgumentError(f"{name} of layout {tensor.layout} is not accepted; it must be dense")
    weight, (*before, width) = next(iter(cell._parameters.values())), x.shape or (0,)
    if width != cell.inputs:
        raise ArgumentError(f"x of shape {tuple(x.shape)} is not accepted; its last axis must be {cell.inputs} wide")
    if len(before) != len(axes):
        raise ArgumentError(f"x of shape {tuple(x.shape)} is not accepted; it must be ({', '.join(axes)}, {width})")
    if h.shape != (before[-1], cell.state_width):
        held = f"{cell.state_width} " + ("neurons" if cell.state_width == cell.neurons else "numbers")
        raise ArgumentError(
            f"h of shape {tuple(h.shape)} is not accepted; it must be ({before[-1]}, {cell.state_width}): {held} of "
            f"each of the {before[-1]} samples in x"
        )
    if not x.dtype is h.dtype is weight.dtype and not mixed(weight.device):
        raise ArgumentError(
            f"x of {x.dtype} with h of {h.dtype} is not accepted by a cell of {weight.dtype}; all must be alike: "
            f"x.to({weight.dtype}), h.to({weight.dtype}), or cell.to({x.dtype})"
        )
    if not x.device == h.device == weight.device:
        raise ArgumentError(
            f"x on {x.device} with h on {h.device} is not accepted by a cell on {weight.device}; all must be on one "
            f"device: x.to({str(weight.device)!r}), h.to({str(weight.device)!r})"
        )


def mixed(device: torch.device) -> bool:
    """Whether torch chooses types itself, operation by operation."""
    return torch.is_autocast_enabled(device.type)


def begins(starts: Tensor | None, h: Tensor, T: int) -> Tensor | None:
    """(T, B, 1) from `starts` (T, B) and h (B, n); None where no episode begins, which is faster."""
    if starts is None:
        return None
    if not isinstance(starts, Tensor):
        raise ArgumentError(f"starts of type {type(starts).__name__} is not accepted; it must be a tensor or None")
    if starts.shape != (T, len(h)) or starts.dtype is not torch.bool or starts.device != h.device:
        raise ArgumentError(
            f"starts of shape {tuple(starts.shape)}, {starts.dtype}, on {starts.device} is not accepted; it must be "
            f"({T}, {len(h)}), torch.bool, on {h.device}"
        )
    return starts.unsqueeze(-1) if starts.any() else None


def by_step(starts: Tensor | None) -> list[Tensor | None]:
    """For each step where its samples begin an episode, or None where none does; an empty list without `starts`."""
    if starts is None:
        return []
    return [starts[t] if some else None for t, some in enumerate(starts.flatten(1).any(1).tolist())]


def durations(dt: float | Tensor, h: Tensor, T: int = 1):
    """`dt` as a number, or as (T, B, 1) of the type of h (B, n)."""
    if not isinstance(dt, Tensor):
        if isinstance(dt, bool) or not isinstance(dt, (int, float)) or not 0 < dt < math.inf:
            raise ArgumentError(f"dt={dt!r} is not accepted; a duration must be a finite number above 0")
        return float(dt)
    B = len(h)
    if dt.dtype is torch.bool or dt.is_complex() or dt.layout is not torch.strided:
        raise ArgumentError(f"dt of {dt.dtype}, {dt.layout} is not accepted; durations are numbers in a dense tensor")
    if dt.device != h.device and dt.ndim:
        raise ArgumentError(
            f"dt on {dt.device} is not accepted with h on {h.device}; accepted: dt.to({str(h.device)!r})"
        )
    dt = dt.to(h)
    wrong = ~((dt > 0) & torch.isfinite(dt))
    if wrong.any():
        where = tuple(wrong.nonzero()[0].tolist())
        raise ArgumentError(f"dt{list(where)}={dt[where].item()} is not accepted; durations must be finite and above 0")
    if dt.ndim == 0:
        return dt.expand(T, B, 1)
    if T == 1 and dt.shape == (B,):
        return dt.view(1, B, 1)
    if dt.shape == (T,):
        return dt.view(T, 1, 1).expand(T, B, 1)
    if dt.shape != (T, B):
        raise ArgumentError(f"dt of shape {tuple(dt.shape)} is not accepted; a number, ({T},) or ({T}, {B}) is")
    return dt.unsqueeze(-1)


def check_sizes(dtype: torch.dtype, device: torch.device, substeps: int, *given) -> None:
    """Raise unless all that is `given` has its shape, this type and this place.

    What comes here was computed from parameters, which may have been replaced by others since the cell was made.

    Args:
        given: each a name, a tensor or None, its shape.
    """
    for name, x, shape in given:
        if x is None:
            continue
        if x.shape != shape:
            raise ArgumentError(f"{name} of shape {tuple(x.shape)} is not accepted here; it must be {shape}")
        if x.dtype is not dtype or x.device != device:
            raise ArgumentError(
                f"{name} of {x.dtype} on {x.device} is not accepted here; it must be {dtype} on {device}"
            )
    if not isinstance(substeps, int) or not 0 < substeps <= MOST_SUBSTEPS:
        raise ArgumentError(
            f"substeps={substeps!r} is not accepted; it must be a whole number from 1 to {MOST_SUBSTEPS:,}"
        )


def refuse_gradient(dt) -> None:
    """Raise if somebody wants to know how the states change with durations, of a pass that does not compute it."""
    if isinstance(dt, Tensor) and dt.requires_grad and torch.is_grad_enabled():
        raise ArgumentError(
            "dt that requires a gradient is not accepted by the fused pass over a sequence, which gives none for it; "
            "accepted: dt.detach(), cell(x, h, dt) step by step, or a solver such as 'dopri5'"
        )


def once(backward: Callable) -> Callable:
    """A backward pass that has no derivative itself, and says so when it is asked to have one.

    torch's `once_differentiable` leaves that to a node which torch skips when it is not on the way to what is asked
    for. The second gradient then lacks a part, without a word.
    """

    @functools.wraps(backward)
    def first(ctx, *grads):
        if torch.is_grad_enabled():  # which is so only with create_graph=True
            raise ArgumentError(
                "create_graph=True is not accepted: this backward pass is written by hand and has no second "
                "derivative; accepted: first derivatives (a cell has further ones step by step, cell(x, h, dt) with "
                "gradient='backprop')"
            )
        return backward(ctx, *grads)

    return first
