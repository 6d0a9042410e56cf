"""Notebook 03: the rates of the augmented adjoint system, for those who have not written them yet, and their test."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from course_lib.course.exercises import attempt
from course_lib.lessons.nb03_gradient_lab import Leaky

Rates = Callable[..., tuple[Tensor, ...]]


def rates(field: Callable, t, h: Tensor, a: Tensor, params: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """Rates of the augmented system in s = T - t: (-f, a ∂f/∂h, a ∂f/∂θ for each of `params`); h, a (B, n)."""
    with torch.enable_grad():
        state = h.detach().requires_grad_()
        change = field(t, state)
        products = torch.autograd.grad((a * change).sum(), (state, *params))
    return -change.detach(), *products


def by_differences(field: Callable, t, h: Tensor, a: Tensor, params: Sequence[Tensor], step: float = 1e-6):
    """The same rates without autograd: central differences of a · f over every entry of h and of `params`."""
    with torch.no_grad():
        products = []
        for k, values in enumerate((h.clone(), *params)):
            total = lambda k=k, v=values: float((a * field(t, v if k == 0 else h)).sum())  # noqa: E731
            products.append(_differences(values, total, step))
        return -field(t, h), *products


def _differences(values: Tensor, total: Callable[[], float], step: float) -> Tensor:
    """Slope of `total` along every entry of `values`, which is nudged in place and put back."""
    flat, slopes = values.detach().view(-1), torch.zeros(values.numel(), dtype=values.dtype)
    for i, kept in enumerate(flat.tolist()):
        ends = []
        for nudge in (step, -step):
            flat[i] = kept + nudge
            ends.append(total())
        flat[i] = kept
        slopes[i] = (ends[0] - ends[1]) / (2 * step)
    return slopes.reshape(values.shape)


def yours_or_ours(yours: Rates) -> tuple[Rates, str]:
    """`yours` where it agrees with central differences, else the rates above; and a word for which of the two it is."""
    field = Leaky(2.0, seed=5, neurons=3)
    case = (field, 0.3, field.h0.clone(), torch.ones(1, 3, dtype=torch.float64), tuple(field.parameters()))
    with torch.no_grad():
        found = attempt(yours, *case)
        wanted = by_differences(*case)
    good = attempt(
        lambda: all(np.allclose(torch.as_tensor(f).detach(), w, atol=1e-6) for f, w in zip(found, wanted, strict=True))
    )
    return (yours, "yours") if good else (rates, "the course's, as yours is not right yet")
