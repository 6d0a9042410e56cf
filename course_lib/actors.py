"""Actors of the off-policy algorithms: actions in [-1, 1] by a tanh, deterministic or drawn from a Gaussian before it.

`act` and `step` are the interface that all policies of this library have, in the units of the environment. `unit` gives
actions in [-1, 1] and is differentiated by autograd; `forth` and `back` are the same by hand, for an agent in a hurry.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from course_lib.ensemble import Ensemble, Pass
from course_lib.policies import LOG_2PI, Normalizer

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
    """Derivatives of a loss by the action (…, act) and by log π (…, 1) -> by the mean and by log σ, each (…, act)."""
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
    @once_differentiable
    def backward(ctx, d_action: Tensor, d_log_prob: Tensor):
        return *squash_backward(*ctx.saved_tensors, d_action, d_log_prob.unsqueeze(-1)), None


def squash(mean: Tensor, log_std: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
    """a = tanh(u), u = mean + σ·noise, and log π(a); all (…, act) -> action (…, act), log density (…,).

    log π(a) = log N(u; mean, σ²) - Σ log(1 - tanh²u), the change of variables (Haarnoja et al. 2018, eq. (21)).
    """
    return _Squash.apply(mean, log_std, noise)


class Actor(nn.Module):
    """What both actors share: normaliser, network, bounds, acting, and what a policy file tells.

    Args:
        obs_dim, act_dim: widths of observation and action.
        hidden: widths of the ReLU layers.
        noise: sd of the exploration noise that `act` adds to actions in [-1, 1] when it is not deterministic.
        normalize: whether observations are normalised by their running moments.

    Attributes:
        env_id, env_options, action_low, action_high: where the policy acts; set by the agent.
    """

    state_dim = 0
    stochastic = False

    def __init__(self, obs_dim: int, act_dim: int, hidden: tuple[int, ...], noise: float, normalize: bool, out: int):
        super().__init__()
        self.settings = dict(obs_dim=obs_dim, act_dim=act_dim, hidden=list(hidden), noise=noise, normalize=normalize)
        self.act_dim, self.noise = act_dim, noise
        self.normalizer = Normalizer(obs_dim, enabled=normalize)
        self.network = Ensemble(1, [obs_dim, *hidden, out])
        self.env_id: str | None = None
        self.env_options: dict = {}
        self.action_low = self.action_high = None

    def unit(self, x: Tensor, noise: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """x (…, obs) normalised, noise (…, act) from N(0, 1) or None for the most likely action
        -> action (…, act) in [-1, 1], its log density (…,) or None where it has none."""
        raise NotImplementedError

    def forth(self, way: Pass, x: Tensor, noise: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """`unit` of x (B, obs) by hand, on a way through `network`."""
        raise NotImplementedError

    def back(self, way: Pass, d_action: Tensor, d_log_prob: Tensor) -> Tensor:
        """Derivative of a loss by the action (B, act) and by log π (0-d, the same for all) -> by `network.flat`, after
        `forth` on the same way."""
        raise NotImplementedError

    @torch.no_grad()
    def explore(self, x: Tensor, noise: Tensor, way: Pass | None = None) -> Tensor:
        """x (n, obs), noise (2, n, act) from N(0, 1) -> action (n, act) in [-1, 1] to explore with.

        `way`: one through `network`, for who calls this often.
        """
        action, _ = self.forth(Pass(self.network) if way is None else way, x, noise[0])
        return (action + self.noise * noise[1]).clamp_(-1.0, 1.0) if self.noise else action

    def initial_state(self, n: int) -> Tensor:
        """(n, 0): no memory."""
        return torch.zeros(n, 0)

    def scaled(self, unit):
        """Action in [-1, 1], tensor or array -> in the units of the environment."""
        if self.action_low is None:
            return unit
        low, high = self.action_low, self.action_high
        if isinstance(unit, Tensor):
            low, high = torch.as_tensor(low), torch.as_tensor(high)
        return low + (unit + 1.0) * (0.5 * (high - low))

    def step(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """x (n, obs) -> most likely action (n, act) in the units of the environment, state."""
        return self.scaled(self.unit(x)[0]), state

    @torch.no_grad()
    def act(
        self,
        obs: np.ndarray,
        state: Tensor | None = None,
        deterministic: bool = True,
        rng: np.random.Generator | None = None,
    ) -> tuple[np.ndarray, Tensor]:
        """obs (n, obs) -> action (n, act) within the bounds, state. `rng` draws the noise when stochastic."""
        x = self.normalizer(torch.as_tensor(np.asarray(obs), dtype=torch.float32))
        state = self.initial_state(len(x)) if state is None else state
        if deterministic:
            return self.scaled(self.unit(x)[0].numpy()), state
        rng = np.random.default_rng() if rng is None else rng
        noise = torch.from_numpy(rng.standard_normal((2, len(x), self.act_dim), dtype=np.float32))
        return self.scaled(self.explore(x, noise).numpy()), state


class DeterministicActor(Actor):
    """μ(s) = tanh(network(s)), of DDPG and TD3 (Lillicrap et al. 2016). Arguments: see `Actor`."""

    def __init__(
        self,
        obs_dim: int,
        act_dim: int,
        hidden: tuple[int, ...] = (256, 256),
        noise: float = 0.1,
        normalize: bool = False,
    ):
        super().__init__(obs_dim, act_dim, hidden, noise, normalize, act_dim)

    def unit(self, x: Tensor, noise: Tensor | None = None) -> tuple[Tensor, None]:
        return torch.tanh(self.network(x)[0]), None

    def forth(self, way: Pass, x: Tensor, noise: Tensor | None) -> tuple[Tensor, None]:
        way.kept = torch.tanh(way.forward(x)[0])
        return way.kept, None

    def back(self, way: Pass, d_action: Tensor, d_log_prob: Tensor) -> Tensor:
        action = way.kept
        return way.backward(torch.addcmul(d_action, d_action * action, action, value=-1.0)[None])[0]


class SquashedActor(Actor):
    """tanh of a Gaussian whose mean and log σ the network gives (Haarnoja et al. 2018). Arguments: see `Actor`."""

    stochastic = True

    def __init__(
        self,
        obs_dim: int,
        act_dim: int,
        hidden: tuple[int, ...] = (256, 256),
        noise: float = 0.0,
        normalize: bool = False,
    ):
        super().__init__(obs_dim, act_dim, hidden, noise, normalize, 2 * act_dim)

    def distribution(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """x (…, obs) -> mean and log σ of the Gaussian before the tanh, each (…, act)."""
        mean, log_std = self.network(x)[0].chunk(2, dim=-1)
        return mean, log_std.clamp(*LOG_STD_RANGE)

    def unit(self, x: Tensor, noise: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        mean, log_std = self.distribution(x)
        return (torch.tanh(mean), None) if noise is None else squash(mean, log_std, noise)

    def forth(self, way: Pass, x: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        mean, log_std = way.forward(x)[0].chunk(2, dim=-1)
        action, log_prob, spread = squash_forward(mean, log_std.clamp(*LOG_STD_RANGE), noise)
        way.kept = log_std, action, spread
        return action, log_prob

    def back(self, way: Pass, d_action: Tensor, d_log_prob: Tensor) -> Tensor:
        log_std, action, spread = way.kept
        d_mean, d_log_std = squash_backward(action, spread, d_action, d_log_prob)
        low, high = LOG_STD_RANGE
        d_log_std *= (log_std >= low) & (log_std <= high)
        return way.backward(torch.cat([d_mean, d_log_std], dim=-1)[None])[0]
