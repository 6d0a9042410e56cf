"""Actors of the off-policy algorithms. A tanh keeps actions in [-1, 1]; before it they may be drawn from a Gaussian.

`unit` gives actions in [-1, 1] and is differentiated by autograd. `forward` and `backward` do the same by hand, which
is faster. Actors with memory see a summary of the history instead of the observation.
"""

from __future__ import annotations

import math
from dataclasses import asdict

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from course_lib.errors import ArgumentError
from course_lib.nets.checks import once
from course_lib.nets.config import SummarizerConfig
from course_lib.nets.ensemble import Ensemble, Pass
from course_lib.nets.summarizers import Summarizer
from course_lib.policies.actor_critics import LOG_2PI
from course_lib.policies.base import Policy

LOG_STD_RANGE = (-20.0, 2.0)  # Haarnoja et al. 2018
LOG_2 = math.log(2.0)


def squash_forward(mean: Tensor, log_std: Tensor, noise: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """What `squash` returns, and σ·noise, which `squash_backward` needs."""
    spread = log_std.exp().mul_(noise)
    u = mean + spread
    # log(1 - tanh²u) = 2 (log 2 - u - softplus(-2u)) stays finite where tanh u rounds to ±1.
    terms = F.softplus(u * -2.0).add_(u).mul_(-2.0).add_(log_std).addcmul_(noise, noise, value=0.5)
    log_prob = terms.sum(-1).add_(noise.shape[-1] * (2.0 * LOG_2 + 0.5 * LOG_2PI)).neg_()
    return torch.tanh(u), log_prob, spread


def squash_backward(action: Tensor, spread: Tensor, d_action: Tensor, d_log_prob: Tensor) -> tuple[Tensor, Tensor]:
    """Gradients of a loss for the action (…, act) and for log π (…, 1) -> for the mean and log σ, each (…, act)."""
    # da/du = 1 - a², dlog π/du = 2a; du/dlog σ = σ·noise, and log π holds -log σ itself.
    d_u = torch.addcmul(d_action, d_action * action, action, value=-1.0).addcmul_(d_log_prob, action, value=2.0)
    return d_u, (d_u * spread).sub_(d_log_prob)


class _Squash(torch.autograd.Function):
    @staticmethod
    def forward(ctx, mean: Tensor, log_std: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        action, log_prob, spread = squash_forward(mean, log_std, noise)
        ctx.save_for_backward(action, spread)
        return action, log_prob

    @staticmethod
    @once
    def backward(ctx, d_action: Tensor, d_log_prob: Tensor):
        return *squash_backward(*ctx.saved_tensors, d_action, d_log_prob.unsqueeze(-1)), None


def squash(mean: Tensor, log_std: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
    """a = tanh(u), u = mean + σ·noise, and log π(a); all (…, act) -> action (…, act), log density (…,).

    log π(a) = log N(u; mean, σ²) - Σ log(1 - tanh²u), the change of variables (Haarnoja et al. 2018, eq. (21)).
    """
    return _Squash.apply(mean, log_std, noise)


class Actor(Policy):
    """A policy of the off-policy algorithms: a network that sees the observation, then a tanh.

    Args:
        obs_dim, act_dim: widths of observation and action.
        hidden: widths of the ReLU layers.
        noise: sd of the exploration noise that `act` adds to actions in [-1, 1] when it is not deterministic.
        normalize: whether observations are normalised with their running moments.
        settings: see `Policy`.

    Attributes:
        network: an `Ensemble` with one member, from whose outputs `unit` makes actions.
        outputs: network outputs per entry of the action. stochastic: whether an action is drawn from a Gaussian.
    """

    outputs, stochastic = 1, False

    def __init__(
        self, obs_dim: int, act_dim: int, hidden=(256, 256), noise: float = 0.0, normalize: bool = False, **settings
    ):
        super().__init__(obs_dim, act_dim, normalize, hidden=list(hidden), noise=noise, **settings)
        self.noise = noise
        self.network = Ensemble(1, [obs_dim, *hidden, self.outputs * act_dim])

    def unit(self, x: Tensor, noise: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """x (…, obs) normalised, noise (…, act) from N(0, 1) or None for the most likely action
        -> action (…, act) in [-1, 1], its log density (…,) or None if it has none."""
        raise NotImplementedError

    def forward(self, tape: Pass, x: Tensor, noise: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """`unit` of x (B, obs) by hand, on a pass through `network`."""
        raise NotImplementedError

    def backward(self, tape: Pass, d_action: Tensor, d_log_prob: Tensor) -> Tensor:
        """Gradient of a loss for the action (B, act) and for log π (0-d, the same for all) -> for `network.flat`. Call
        it after `forward`, on the same pass."""
        raise NotImplementedError

    @torch.no_grad()
    def explore(self, x: Tensor, noise: Tensor, tape: Pass | None = None) -> Tensor:
        """x (n, obs), noise (2, n, act) from N(0, 1) -> action (n, act) in [-1, 1] to explore with.

        `tape`: a pass through `network`, which saves time if you call this often.
        """
        action, _ = self.forward(Pass(self.network) if tape is None else tape, x, noise[0])
        return (action + self.noise * noise[1]).clamp_(-1.0, 1.0) if self.noise else action

    def scaled(self, unit):
        """Action in [-1, 1], tensor or array -> in the units of the environment."""
        if self.action_low is None:
            return unit
        low, high = self.action_low, self.action_high
        if isinstance(unit, Tensor):
            low, high = torch.as_tensor(low), torch.as_tensor(high)
            return torch.clamp(low + (unit + 1.0) * (0.5 * (high - low)), low, high)
        return np.clip(low + (unit + 1.0) * (0.5 * (high - low)), low, high)

    def step(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """x (n, obs) -> most likely action (n, act) in the units of the environment, next state."""
        return self.choose(x, state, None)

    def choose(self, x: Tensor, state: Tensor, rng: np.random.Generator | None) -> tuple[Tensor, Tensor]:
        """See `Policy`."""
        return self.scaled(self._unit_or_explore(x, rng)), state

    def _unit_or_explore(self, x: Tensor, rng: np.random.Generator | None) -> Tensor:
        if rng is None:
            return self.unit(x)[0]
        noise = rng.standard_normal((2, len(x), self.act_dim), dtype=np.float32)
        return self.explore(x, torch.from_numpy(noise))


class DeterministicActor(Actor):
    """μ(s) = tanh(network(s)), the actor of DDPG and TD3 (Lillicrap et al. 2016). Arguments: see `Actor`."""

    def __init__(
        self, obs_dim: int, act_dim: int, hidden=(256, 256), noise: float = 0.1, normalize: bool = False, **settings
    ):
        super().__init__(obs_dim, act_dim, hidden, noise, normalize, **settings)

    def unit(self, x: Tensor, noise: Tensor | None = None) -> tuple[Tensor, None]:
        return torch.tanh(self.network(x)[0]), None

    def forward(self, tape: Pass, x: Tensor, noise: Tensor | None) -> tuple[Tensor, None]:
        tape.kept = torch.tanh(tape.forward(x)[0])
        return tape.kept, None

    def backward(self, tape: Pass, d_action: Tensor, d_log_prob: Tensor) -> Tensor:
        action = tape.kept
        return tape.backward(torch.addcmul(d_action, d_action * action, action, value=-1.0)[None])[0]


class SquashedActor(Actor):
    """tanh of a Gaussian; the network gives its mean and log σ (Haarnoja et al. 2018). Arguments: see `Actor`."""

    outputs, stochastic = 2, True

    def distribution(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """x (…, obs) -> mean and log σ of the Gaussian before the tanh, each (…, act)."""
        mean, log_std = self.network(x)[0].chunk(2, dim=-1)
        return mean, log_std.clamp(*LOG_STD_RANGE)

    def unit(self, x: Tensor, noise: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        mean, log_std = self.distribution(x)
        return (torch.tanh(mean), None) if noise is None else squash(mean, log_std, noise)

    def forward(self, tape: Pass, x: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        mean, log_std = tape.forward(x)[0].chunk(2, dim=-1)
        action, log_prob, spread = squash_forward(mean, log_std.clamp(*LOG_STD_RANGE), noise)
        tape.kept = log_std, action, spread
        return action, log_prob

    def backward(self, tape: Pass, d_action: Tensor, d_log_prob: Tensor) -> Tensor:
        log_std, action, spread = tape.kept
        d_mean, d_log_std = squash_backward(action, spread, d_action, d_log_prob)
        low, high = LOG_STD_RANGE
        d_log_std *= (log_std >= low) & (log_std <= high)
        return tape.backward(torch.cat([d_mean, d_log_std], dim=-1)[None])[0]


# --- with memory --------------------------------------------------------------------------------


class RecurrentActor(Actor):
    """What both actors with memory share.

    Args:
        obs_dim, act_dim, hidden, noise, normalize: see `Actor`.
        cell: a `SummarizerConfig`, a dict of its fields, or the name of a network that remembers.

    The policy's state is (n, state_dim): the summarizer's state, then the last action and the last reward if the policy
    sees them. A reward arrives after the action, so whoever evaluates such a policy passes it on with `rewarded`.
    """

    def __init__(
        self,
        obs_dim: int,
        act_dim: int,
        hidden: tuple[int, ...] = (256, 256),
        noise: float = 0.0,
        normalize: bool = False,
        cell: SummarizerConfig | dict | str = "lstm",
    ):
        cell = SummarizerConfig.of(cell)
        super().__init__(obs_dim, act_dim, hidden, noise, normalize, cell=asdict(cell))
        self.previous_action, self.previous_reward = cell.previous_action, cell.previous_reward
        inputs = obs_dim + act_dim * self.previous_action + self.previous_reward
        self.summarizer = Summarizer(inputs, cell)
        self.network = Ensemble(1, [self.summarizer.width, *hidden, self.network.sizes[-1]])
        self.state_dim = self.summarizer.state_dim + inputs - obs_dim

    def inputs(self, x: Tensor, action: Tensor, reward: Tensor) -> Tensor:
        """What the summarizer sees: x (…, obs) normalised, the last action (…, act) and reward (…,) -> (…, inputs)."""
        parts = [x, *([action] if self.previous_action else ()), *([reward[..., None]] if self.previous_reward else ())]
        return torch.cat(parts, dim=-1) if len(parts) > 1 else x

    def _remember(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """x (n, obs), policy's state -> summary, next state of the summarizer."""
        memory, seen = state.tensor_split([self.summarizer.state_dim], dim=-1)
        return self.summarizer.step(torch.cat([x, seen], dim=-1), memory)

    def _state(self, memory: Tensor, unit: Tensor) -> Tensor:
        parts = [memory, *([unit] if self.previous_action else ())]
        parts += [torch.zeros(len(memory), 1)] if self.previous_reward else []
        return torch.cat(parts, dim=-1)

    def rewarded(self, state: Tensor, reward: np.ndarray) -> Tensor:
        """`state`; if this policy sees rewards, with the reward (n,) of the last action stored in it."""
        if self.previous_reward:
            state, reward = state.clone(), torch.as_tensor(np.asarray(reward), dtype=state.dtype)
            if reward.shape != state.shape[:1]:
                raise ArgumentError(
                    f"reward of shape {tuple(reward.shape)} is not accepted; it must be {len(state)} long"
                )
            state[:, -1] = reward
        return state

    def choose(self, x: Tensor, state: Tensor, rng: np.random.Generator | None) -> tuple[Tensor, Tensor]:
        """See `Policy`."""
        summary, memory = self._remember(x, state)
        unit = self._unit_or_explore(summary, rng)
        return self.scaled(unit), self._state(memory, unit)


class RecurrentDeterministicActor(RecurrentActor, DeterministicActor):
    """μ(history) = tanh(network(summary)), for RDPG and RTD3 (Heess et al. 2015). Arguments: see `RecurrentActor`."""


class RecurrentSquashedActor(RecurrentActor, SquashedActor):
    """tanh of a Gaussian, which a network computes from the summary: for RSAC. Arguments: see `RecurrentActor`."""
