"""The contract: what every policy must provide for acting, evaluation, videos, saving and training."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, nn

from course_lib.errors import ArgumentError
from course_lib.machine import check_memory


@contextlib.contextmanager
def single_precision() -> Iterator[None]:
    """Policies compute in float32. Inside the `with` block (or function) new tensors are float32, whatever was set."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float32)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


class RunningMoments(nn.Module):
    """Mean and variance of all the samples seen, merged batch by batch (Chan et al. 1983).

    The buffers are float64 (so that a million samples do not round away) and are saved with the policy.
    """

    def __init__(self, shape: tuple[int, ...] = ()):
        super().__init__()
        self.register_buffer("mean", torch.zeros(shape, dtype=torch.float64))
        self.register_buffer("var", torch.ones(shape, dtype=torch.float64))
        self.register_buffer("count", torch.zeros((), dtype=torch.float64))

    @torch.no_grad()
    def update(self, batch: np.ndarray | Tensor) -> None:
        """Take in `batch` (n, *shape)."""
        batch = torch.as_tensor(batch, dtype=torch.float64)
        if not batch.numel() or batch.shape[1:] != self.mean.shape:
            raise ArgumentError(
                f"batch of shape {tuple(batch.shape)} is not accepted; it must be n samples of shape "
                f"{tuple(self.mean.shape)}, with n of at least 1"
            )
        n, mean, var = len(batch), batch.mean(0), batch.var(0, unbiased=False)
        total, delta = self.count + n, mean - self.mean
        m2 = self.var * self.count + var * n + delta.square() * self.count * n / total
        self.mean.copy_(self.mean + delta * n / total)
        self.var.copy_(m2 / total)
        self.count.copy_(total)


class Normalizer(RunningMoments):
    """(x - mean) / sd, clipped to ±`clip`; frozen except for explicit `update` calls.

    plain: how many of the last entries are passed on unchanged.
    """

    def __init__(self, dim: int, clip: float = 10.0, enabled: bool = True, plain: int = 0):
        super().__init__((dim,))
        self.clip, self.enabled, self.plain = clip, enabled, plain
        self._refresh()

    def _refresh(self) -> None:
        """Single-precision copies, because acting reads them at every step."""
        self._mean, self._scale = self.mean.float(), torch.rsqrt(self.var + 1e-8).float()
        if self.plain:
            keep = torch.arange(len(self._mean), device=self._mean.device) >= len(self._mean) - self.plain
            self._mean, self._scale = self._mean.masked_fill(keep, 0.0), self._scale.masked_fill(keep, 1.0)

    def _load_from_state_dict(self, *args, **kwargs) -> None:
        super()._load_from_state_dict(*args, **kwargs)
        self._refresh()

    def update(self, batch: np.ndarray | Tensor) -> None:
        super().update(batch)
        self._refresh()

    def forward(self, x: Tensor) -> Tensor:
        if not self.enabled:
            return x
        out = torch.sub(x, self._mean).mul_(self._scale)
        (out[..., : -self.plain] if self.plain else out).clamp_(-self.clip, self.clip)
        return out


class Policy(nn.Module):
    """A policy acts: observations (n, obs) and a memory (n, state_dim) -> actions (n, act) and the next memory.

    A subclass defines `choose`, and `state_dim` if it has a memory. The defaults of the rest suit a plain policy.
    `actor_critics.ActorCritic` (PPO) and `actors.Actor` (off-policy) say what else an algorithm needs.

    Args:
        obs_dim, act_dim: widths of observation and action.
        normalize: whether observations are normalised with their running moments.
        settings: the other arguments of the subclass's constructor, as plain JSON values.

    Attributes:
        state_dim: width of the memory, 0 without memory.
        settings: what the constructor was given; saved with the weights.
        normalizer: raw observations -> what the networks see, of the same shape.
        env_id, env_options, action_low, action_high: where the policy acts; `enter` sets them.
        env_note: why `cl.make` cannot make these environments again; "" if it can.
        header: header of the file it was loaded from; empty for a fresh policy.
    """

    state_dim = 0

    def __init__(self, obs_dim: int, act_dim: int, normalize: bool = False, **settings):
        super().__init__()
        check_memory("obs_dim", obs_dim, 24 * obs_dim)
        check_memory("act_dim", act_dim, 4 * act_dim)
        self.obs_dim, self.act_dim = obs_dim, act_dim
        self.settings = dict(obs_dim=obs_dim, act_dim=act_dim, normalize=normalize, **settings)
        self.normalizer = Normalizer(obs_dim, enabled=normalize)
        self.env_id: str | None = None
        self.env_options: dict = {}
        self.env_note = ""
        self.action_low = self.action_high = None
        self.header: dict = {}

    def choose(self, x: Tensor, state: Tensor, rng: np.random.Generator | None) -> tuple[Tensor, Tensor]:
        """x (n, obs) normalised, state (n, state_dim) -> action (n, act) in the units of the environment, next state.

        `rng` draws the exploration noise; None: the most likely action.
        """
        raise NotImplementedError

    def initial_state(self, n: int) -> Tensor:
        """Zeros, (n, state_dim)."""
        return torch.zeros(n, self.state_dim, dtype=torch.float32)

    def rewarded(self, state: Tensor, reward: np.ndarray) -> Tensor:
        """For a policy that sees rewards: `state`, with the reward (n,) of the last action stored in it."""
        return state

    @torch.no_grad()
    @single_precision()
    def act(
        self,
        obs: np.ndarray,
        state: Tensor | None = None,
        deterministic: bool = True,
        rng: np.random.Generator | None = None,
    ) -> tuple[np.ndarray, Tensor]:
        """obs (n, obs) -> action (n, act) within the bounds, next state. `rng` draws the noise when stochastic.

        Raises:
            ArgumentError: obs is not (n, obs), or state not (n, state_dim); torch would stretch some of them to fit.
        """
        x, state = self.sensed(obs, state)
        if deterministic:
            rng = None
        elif rng is None:
            rng = np.random.default_rng()
        action, state = self.choose(x, state, rng)
        action = action.numpy()
        return action if self.action_low is None else np.clip(action, self.action_low, self.action_high), state

    def sensed(self, obs: np.ndarray, state: Tensor | None) -> tuple[Tensor, Tensor]:
        """obs (n, obs) as the environment gives it -> what the networks see of it, and the state: at first, zeros."""
        x = torch.as_tensor(np.asarray(obs), dtype=torch.float32)
        if x.ndim != 2 or x.shape[1] != self.obs_dim:
            raise ArgumentError(f"obs of shape {tuple(x.shape)} is not accepted; it must be (n, {self.obs_dim})")
        state = self.initial_state(len(x)) if state is None else state
        if (shape := tuple(getattr(state, "shape", ()))) != (len(x), self.state_dim):
            raise ArgumentError(f"state of shape {shape} is not accepted; it must be {(len(x), self.state_dim)}")
        return self.normalizer(x), state

    def enter(self, envs) -> None:
        """Note where the policy acts from now on: id, options and action bounds of `envs`."""
        self.env_id, self.env_options, self.env_note = envs.id, envs.options, envs.note
        space = envs.single_action_space
        self.action_low, self.action_high = _within(space.low, -1), _within(space.high, 1)

    def check_widths(self, obs_dim: int, act_dim: int) -> None:
        """Raise unless this policy turns `obs_dim` observations into `act_dim` actions."""
        if (self.obs_dim, self.act_dim) != (obs_dim, act_dim):
            raise ArgumentError(
                f"policy takes {self.obs_dim} observations to {self.act_dim} actions; these envs need {obs_dim} to "
                f"{act_dim}"
            )


def _within(bound: np.ndarray, side: int) -> np.ndarray:
    """A lower (side -1) or upper (1) bound in single precision, never outside of what it was in double precision."""
    single = bound.astype(np.float32)
    return np.where(side * single > side * bound, np.nextafter(single, np.float32(-side * np.inf)), single)
