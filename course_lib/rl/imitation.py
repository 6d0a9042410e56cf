"""Imitation: a policy learns what an expert did in the same situations (behaviour cloning; Pomerleau 1989).

You can clone any policy that PPO can train, with or without a cell. It may decide at each step or plan several steps. A
plan is compared with what the expert did over the same steps, so gradients flow back through the DMP.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from course_lib.errors import ArgumentError, NonFiniteError, check_count
from course_lib.policies.actor_critics import ActorCritic
from course_lib.policies.base import single_precision


@single_precision()
def clone(
    policy: ActorCritic,
    data: dict[str, np.ndarray],
    updates: int = 1000,
    *,
    episodes: int = 16,
    lr: float = 3e-3,
    seed: int = 0,
) -> np.ndarray:
    """Train `policy` in place with Adam, on a cosine schedule from `lr` to 0 -> losses (updates,).

    The loss is the mean squared difference from the expert's actions, in units of the action. The normaliser takes in
    the moments of the data; the critic and the noise stay as they are.

    Args:
        policy: the policy to train, such as `PPO(...).policy`.
        data: "observations" (E, T + 1, obs) and "actions" (E, T, act) of whole episodes, such as
            `tabletop.experts.demonstrations` returns.
        episodes: how many of these episodes each update learns from, drawn anew each time. For a policy that plans, the
            step of its first decision is drawn too, and its path starts at the velocity the expert last asked for.
        seed: seeds these draws.

    Raises:
        ArgumentError: the data is not of these shapes and the policy's widths, an episode is shorter than a plan, or
            the policy's noise is on the numbers of a plan.
        NonFiniteError: the data or the loss is NaN or infinite. The message says where, or at which update. The policy
            is as it was if it is the data.
    """
    observation, action = _checked(policy, data)
    updates, episodes = check_count("updates", updates), min(check_count("episodes", episodes), observation.shape[1])
    generator, rows = torch.Generator().manual_seed(seed), observation.reshape(-1, observation.shape[-1])
    policy.normalizer.update(rows.numpy())
    x = policy.normalizer(observation)
    optimizer = torch.optim.Adam(policy.parameters(), lr=lr)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, updates)
    losses = np.empty(updates)
    for update in range(updates):
        pick = torch.randperm(x.shape[1], generator=generator)[:episodes]
        first = int(torch.randint(_moments(policy), (1,), generator=generator))
        loss = (means(policy, x[:, pick], action[:, pick], first) - action[first:, pick]).square().mean()
        losses[update] = loss.item()
        if not np.isfinite(losses[update]):
            raise NonFiniteError(f"the loss is {losses[update]} at update {update}; a smaller lr than {lr:g} may help")
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return losses


def means(policy: ActorCritic, x: Tensor, action: Tensor, first: int = 0) -> Tensor:
    """Actions without noise that `policy` takes along demonstrations, from step `first` on -> (T - first, n, act).

    x (T, n, obs): normalised observations before each step; action (T, n, act): what the expert did. It gives the speed
    of the hand at step `first`.
    """
    state, starts = policy.initial_state(x.shape[1]), torch.zeros(len(x) - first, x.shape[1], dtype=torch.bool)
    if first and policy.dofs:
        speed = policy.chunk * action[first - 1, :, : policy.dofs]  # strides a chunk
        state = policy.at_decision(state, speed)
    return policy.sequence(x[first:], state, starts)[0]


def _moments(policy: ActorCritic) -> int:
    """From how many steps the first decision is drawn: all of a plan, but only the first if a memory must be filled."""
    return policy.chunk if policy.forgets else 1


def _checked(policy: ActorCritic, data: dict[str, np.ndarray]) -> tuple[Tensor, Tensor]:
    """Observations (T, E, obs) and actions (T, E, act) as tensors."""
    if policy.explore == "plan":
        raise ArgumentError("explore='plan' is not accepted for imitation: what it draws are no actions; use 'actions'")
    names = ("observations", "actions")
    if missing := [name for name in names if name not in data]:
        raise ArgumentError(f"data lacks {missing[0]!r}; accepted: a dict with {names[0]!r} and {names[1]!r}")
    observation, action = (torch.as_tensor(data[name], dtype=torch.float32) for name in names)
    shapes = f"observations {tuple(observation.shape)} and actions {tuple(action.shape)}"
    if observation.ndim != 3 or action.ndim != 3:
        raise ArgumentError(f"{shapes} are not accepted; they must be (E, T + 1, obs) and (E, T, act)")
    have, want = (observation.shape[-1], action.shape[-1]), (policy.obs_dim, policy.act_dim)
    if have != want:
        raise ArgumentError(f"data has {have[0]} observations and {have[1]} actions; this policy needs {want}")
    (E, T), least = action.shape[:2], _moments(policy)
    if observation.shape[:2] != (E, T + 1) or not E:
        raise ArgumentError(
            f"{shapes} are not accepted; they must be (E, T + 1, obs) and (E, T, act), with E of at least 1: one more "
            "observation than actions in each episode"
        )
    if least > T:
        raise ArgumentError(f"{shapes} are not accepted; a plan of {least} steps needs episodes at least as long")
    observation = observation[:, :T]
    for name, part in zip(names, (observation, action), strict=True):
        if not bool(torch.isfinite(part).all()):
            e, t, k = (~torch.isfinite(part)).nonzero()[0].tolist()
            raise NonFiniteError(f"data[{name!r}][{e}, {t}, {k}] is {part[e, t, k].item()}; it must be finite")
    return observation.transpose(0, 1), action.transpose(0, 1)
