"""Notebook 02: three readings, taken with autograd, that tell where a PPO loss is wrong; and a loss that is right."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from course_lib.course.exercises import attempt
from course_lib.rl.ppo import policy_loss, value_loss

Loss = Callable[..., Tensor]
READINGS = ("nothing has moved", "gradient on the critic", "far beyond the clip")


def small_batch(seed: int = 0, n: int = 6, motors: int = 2) -> dict[str, Tensor]:
    """log_prob (n, motors), old_log_prob, value, advantage, target (n,), in double precision; nothing has moved yet."""
    draw = torch.Generator().manual_seed(seed)
    log_prob = torch.randn(n, motors, generator=draw, dtype=torch.float64) * 0.5 - 1.0
    old_value, advantage = torch.randn(2, n, generator=draw, dtype=torch.float64)
    value = old_value + 0.3 * torch.randn(n, generator=draw, dtype=torch.float64)  # the critic has learnt since
    target = old_value + advantage
    return dict(log_prob=log_prob, old_log_prob=log_prob.sum(-1), value=value, advantage=advantage, target=target)


def readings(loss: Loss, clip: float = 0.2, seed: int = 0) -> dict[str, float]:
    """What three questions say of `loss(log_prob, old_log_prob, value, advantage, target, clip)`; all 0 if it is right.

    "nothing has moved": all ratios are 1, so the policy's part is 0 and the value loss remains; the difference.
    "gradient on the critic": the policy has moved a little; its part must not push the critic. The largest gradient
    besides that of the value loss.
    "far beyond the clip": a good action whose ratio is far above 1 + ε; the largest gradient on its log π.
    """
    b = small_batch(seed)
    still = loss(*b.values(), clip) - 0.25 * (b["value"] - b["target"]).square().mean()
    value = b["value"].clone().requires_grad_()
    nudged = b["log_prob"] + 0.1 * torch.linspace(-1, 1, len(value), dtype=torch.float64)[:, None]
    (pushed,) = torch.autograd.grad(loss(*{**b, "value": value, "log_prob": nudged}.values(), clip), value)
    pushed = pushed - 0.5 * (b["value"] - b["target"]) / len(value)
    best = int(b["advantage"].argmax())
    moved = b["log_prob"].clone()
    moved[best] += 2.0
    moved.requires_grad_()
    (pulled,) = torch.autograd.grad(loss(*{**b, "log_prob": moved}.values(), clip), moved)
    return dict(
        zip(READINGS, (abs(still.item()), pushed.abs().max().item(), pulled[best].abs().max().item()), strict=True)
    )


def right_loss(log_prob: Tensor, old_log_prob: Tensor, value: Tensor, advantage: Tensor, target: Tensor, clip: float):
    """The loss (2.11) with c_v = ½ and c_e = 0, from the library's parts; log_prob (B, motors), the others (B,)."""
    scaled = (advantage - advantage.mean()) / (advantage.std() + 1e-8)
    return policy_loss(log_prob.sum(-1), old_log_prob, scaled, clip)[0] + 0.5 * value_loss(value, target)


def yours_or_ours(yours: Loss) -> tuple[Loss, str]:
    """`yours` where it and its gradients agree with the loss above, else that one; and a word for which it is."""

    def found(loss: Loss) -> list[Tensor]:
        b = small_batch(seed=1, n=12)
        b["log_prob"] = b["log_prob"] + torch.linspace(-1, 1, 24, dtype=torch.float64).view(12, 2)
        new, value = (b[name].requires_grad_() for name in ("log_prob", "value"))
        made = loss(*b.values(), 0.2)
        return [made.detach(), *torch.autograd.grad(made, (new, value))]

    good = attempt(
        lambda: all(
            torch.allclose(a.double(), b, rtol=1e-4) for a, b in zip(found(yours), found(right_loss), strict=True)
        )
    )
    return (yours, "yours") if good else (right_loss, "the course's, as yours is not right yet")
