"""Notebook 08: how far back the state depends on what was seen, and how far back the gradient goes."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from course_lib.errors import ArgumentError
from course_lib.nets.summarizers import Summarizer, warmed
from course_lib.viz.style import COLOURS, new_figure, style

FLOOR = 1e-7  # of the vertical axis


def last_summary(network: Summarizer, x: Tensor, learned: int, burn_in: int = 0) -> Tensor:
    """The last summary (B, width) of x (T, B, 1).

    Its last `learned` steps are learned from, after `burn_in` steps without gradient; those before are not read at all.
    """
    if learned < 1 or burn_in < 0 or learned + burn_in > len(x):
        raise ArgumentError(f"learned={learned}, burn_in={burn_in} do not fit into {len(x)} steps")
    x = x[len(x) - learned - burn_in :]
    starts = torch.zeros(x.shape[:2], dtype=torch.bool)
    return warmed(network, x, starts, network.initial_state(x.shape[1]), burn_in)[-1]


def reach(
    network: Summarizer, x: Tensor, learned: int, burn_in: int = 0, by: float = 0.1
) -> tuple[np.ndarray, np.ndarray]:
    """How much the last summary depends on the input of each step, x (T, B, 1): (as acted (T,), as learned (T,)).

    As acted: inputs are really changed by ±`by`, one step at a time. As learned: what backpropagation gives. Both are
    root mean squares over sequences and numbers of the summary.
    """
    steps, batch = x.shape[:2]
    with torch.no_grad():
        moved = by * torch.eye(steps)[:, :, None, None]  # (step, changed step, 1, 1)
        up, down = ((x[:, None] + sign * moved).reshape(steps, steps * batch, 1) for sign in (1, -1))
        change = (last_summary(network, up, learned, burn_in) - last_summary(network, down, learned, burn_in)) / (
            2 * by
        )
    leaf = x.clone().requires_grad_()
    each = last_summary(network, leaf, learned, burn_in).sum(0)
    gradients = [torch.autograd.grad(one, leaf, retain_graph=True)[0][..., 0] for one in each]
    acted = change.view(steps, batch, -1).square().mean((1, 2)).sqrt()
    return acted.numpy(), torch.stack(gradients).square().mean((0, 2)).sqrt().numpy()


def reach_figure(ways: Mapping[str, tuple[np.ndarray, np.ndarray]]):
    """Title -> (as acted (T,), as learned (T,)), both over the steps before the last."""
    with style():
        figure, grid = new_figure(1, len(ways), figsize=(7.8, 2.9), sharey=True, squeeze=False)
        for axes, (title, (acted, learned)) in zip(grid[0], ways.items(), strict=True):
            back = np.arange(len(acted))[::-1]
            for values, label, look in (
                (acted, "the state depends on this step", dict(color=COLOURS[0])),
                (learned, "the gradient reaches this step", dict(color=COLOURS[1], linestyle="--", linewidth=2.4)),
            ):
                axes.plot(-back, np.where(values > FLOOR, values, np.nan), label=label, **look)
            axes.set(
                yscale="log", title=title, xlabel="steps before the last one", xlim=(1 - len(acted), 0), ylim=(3e-3, 3)
            )
            axes.xaxis.set_major_formatter(lambda value, _: f"{abs(value):g}")
        grid[0, 0].set_ylabel("size of the dependence")
        figure.legend(*grid[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=2)
    figure.alt = (
        f"{len(ways)} panels, {'; '.join(ways)}: how much the last summary depends on each earlier step, and how much "
        "of this the gradient knows, on a log axis. With all steps learned from, both lines are one. After a burn-in "
        "the first goes on to the left and the second stops where the burn-in ends. From a zero state both stop there."
    )
    return figure
