"""Policies: what an agent acts with. Gaussian actor-critics, with the normaliser inside.

Every actor-critic has one interface, so that PPO need not know whether there is memory in it:

    normalizer(obs)                -> x, same shape: what the networks see
    initial_state(n)               -> state (n, state_dim); state_dim is 0 without memory
    step(x, state)                 -> mean (n, act), next state
    sequence(x, state, starts)     -> mean (T, n, act), value (T, n)
    value(x, state)                -> value (n,)
    memory(x, state, starts)       -> state before each step (T, n, state_dim)

x is (n, obs) or (T, n, obs); `starts` (T, n) is true where an episode begins, and the state is set to zero
there before it is used.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor, nn

from course_lib.cells import Cell, make_cell
from course_lib.errors import check_choice
from course_lib.wiring import Wiring

LOG_2PI = math.log(2.0 * math.pi)
ACTIVATIONS: dict[str, type[nn.Module]] = {"tanh": nn.Tanh, "elu": nn.ELU}


def orthogonal(layer: nn.Linear, gain: float) -> nn.Linear:
    """Orthogonal weights and zero bias (Saxe et al. 2014), the usual start of PPO networks."""
    nn.init.orthogonal_(layer.weight, gain)
    nn.init.zeros_(layer.bias)
    return layer


def mlp(sizes: list[int], activation: str = "tanh", last_gain: float = 1.0) -> nn.Sequential:
    """Linear layers of widths `sizes` with `activation` between them: (…, sizes[0]) -> (…, sizes[-1])."""
    check_choice("activation", activation, ACTIVATIONS)
    layers: list[nn.Module] = []
    for i, (a, b) in enumerate(zip(sizes[:-1], sizes[1:], strict=True)):
        last = i == len(sizes) - 2
        layers.append(orthogonal(nn.Linear(a, b), last_gain if last else math.sqrt(2.0)))
        if not last:
            layers.append(ACTIVATIONS[activation]())
    return nn.Sequential(*layers)


def gaussian_log_prob(action: Tensor, mean: Tensor, log_std: Tensor) -> Tensor:
    """log N(action; mean, diag(exp(log_std))²), summed over the last axis: (…, act) -> (…,)."""
    z = (action - mean) * torch.exp(-log_std)
    return -0.5 * (z * z).sum(-1) - (log_std + 0.5 * LOG_2PI).sum(-1)


def gaussian_entropy(log_std: Tensor) -> Tensor:
    """Entropy of a diagonal Gaussian in nats: (…, act) -> (…,)."""
    return (log_std + 0.5 * (1.0 + LOG_2PI)).sum(-1)


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
        n, mean, var = len(batch), batch.mean(0), batch.var(0, unbiased=False)
        total, delta = self.count + n, mean - self.mean
        m2 = self.var * self.count + var * n + delta.square() * self.count * n / total
        self.mean.copy_(self.mean + delta * n / total)
        self.var.copy_(m2 / total)
        self.count.copy_(total)


class Normalizer(RunningMoments):
    """(x - mean) / sd, clipped to ±`clip`; frozen except for explicit `update` calls."""

    def __init__(self, dim: int, clip: float = 10.0, enabled: bool = True):
        super().__init__((dim,))
        self.clip, self.enabled = clip, enabled
        self.register_load_state_dict_post_hook(lambda module, keys: module._refresh())
        self._refresh()

    def _refresh(self) -> None:
        """Single-precision copies, because acting reads them at every step."""
        self._mean, self._scale = self.mean.float(), torch.rsqrt(self.var + 1e-8).float()

    def update(self, batch: np.ndarray | Tensor) -> None:
        super().update(batch)
        self._refresh()

    def forward(self, x: Tensor) -> Tensor:
        if not self.enabled:
            return x
        return torch.sub(x, self._mean).mul_(self._scale).clamp_(-self.clip, self.clip)


class ActorCritic(nn.Module):
    """What both actor-critics share: normaliser, a free vector log σ, acting, and what a policy file tells.

    Attributes:
        state_dim: width of the memory, 0 without.
        settings: what the constructor was given; saved with the weights.
        env_id, env_options, action_low, action_high: where the policy acts; set by the agent.
    """

    state_dim = 0

    def __init__(self, obs_dim: int, act_dim: int, init_log_std: float, normalize: bool):
        super().__init__()
        self.settings = dict(obs_dim=obs_dim, act_dim=act_dim, init_log_std=init_log_std, normalize=normalize)
        self.normalizer = Normalizer(obs_dim, enabled=normalize)
        self.log_std = nn.Parameter(torch.full((act_dim,), float(init_log_std)))
        self.env_id: str | None = None
        self.env_options: dict = {}
        self.action_low = self.action_high = None

    def initial_state(self, n: int) -> Tensor:
        """(n, state_dim) of zeros."""
        return torch.zeros(n, self.state_dim)

    @torch.no_grad()
    def act(
        self,
        obs: np.ndarray,
        state: Tensor | None = None,
        deterministic: bool = True,
        rng: np.random.Generator | None = None,
    ) -> tuple[np.ndarray, Tensor]:
        """obs (n, obs) -> action (n, act) within the bounds, next state. `rng` draws the noise when stochastic."""
        obs_t = torch.as_tensor(np.asarray(obs), dtype=torch.float32)
        state = self.initial_state(len(obs_t)) if state is None else state
        mean, state = self.step(self.normalizer(obs_t), state)
        action = mean.numpy()
        if not deterministic:
            rng = np.random.default_rng() if rng is None else rng
            noise = rng.standard_normal(action.shape, dtype=np.float32)
            action = action + self.log_std.exp().numpy() * noise
        if self.action_low is not None:
            action = np.clip(action, self.action_low, self.action_high)
        return action, state


class MLPActorCritic(ActorCritic):
    """Two separate networks: Gaussian mean, and value. The log standard deviation is a free vector.

    Args:
        obs_dim, act_dim: widths of observation and action.
        hidden: widths of the hidden layers of both networks. activation: between them, a name in `ACTIVATIONS`.
        init_log_std: start of log σ.
        normalize: whether observations are normalised by their running moments.
    """

    def __init__(
        self,
        obs_dim: int,
        act_dim: int,
        hidden: tuple[int, ...] = (64, 64),
        init_log_std: float = 0.0,
        normalize: bool = True,
        activation: str = "tanh",
    ):
        super().__init__(obs_dim, act_dim, init_log_std, normalize)
        self.settings |= dict(hidden=list(hidden), activation=activation)
        self.actor = mlp([obs_dim, *hidden, act_dim], activation, last_gain=0.01)
        self.critic = mlp([obs_dim, *hidden, 1], activation, last_gain=1.0)

    def step(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """x (n, obs) -> mean (n, act), state."""
        return self.actor(x), state

    def sequence(self, x: Tensor, state: Tensor, starts: Tensor) -> tuple[Tensor, Tensor]:
        """x (T, n, obs) -> mean (T, n, act), value (T, n) in units of the normalised return."""
        flat = x.reshape(-1, x.shape[-1])  # without memory, time is one more batch axis
        return self.actor(flat).view(*x.shape[:-1], -1), self.critic(flat).view(x.shape[:-1])

    def value(self, x: Tensor, state: Tensor) -> Tensor:
        """x (n, obs) -> value (n,)."""
        return self.critic(x).squeeze(-1)


class Readout(nn.Linear):
    """An affine map of a cell's states, (…, neurons) -> (…, outputs), that learns as easily as one of tanh features.

    States of a continuous-time cell are neither centred nor of unit size: an LTC neuron rests near A/2 and moves little
    around it, so that the weights would learn mostly what the bias should. They multiply (h - center) / scale instead,
    mean and sd over inputs from N(0, 1) held for some steps, taken once from the fresh cell. The map stays affine in h.
    """

    def __init__(
        self, obs_dim: int, encoder: nn.Module, cell: Cell, outputs: int, gain: float, through: int = 0, steps: int = 10
    ):
        super().__init__(cell.neurons + through, outputs)
        orthogonal(self, gain)
        samples = 256
        with torch.no_grad():
            x = encoder(torch.randn(samples, obs_dim)).expand(steps, -1, -1)
            h = cell.sequence(x, cell.initial_state(samples))[-1]
        self.register_buffer("center", h.mean(0))
        self.register_buffer("scale", h.std(0).clamp_min(1e-3))

    def forward(self, h: Tensor, through: Tensor | None = None) -> Tensor:
        z = (h - self.center) / self.scale
        return super().forward(z if through is None else torch.cat([z, through], dim=-1))


def _encoder(obs_dim: int, width: int | None) -> nn.Module:
    if width is None:
        return nn.Identity()
    return nn.Sequential(orthogonal(nn.Linear(obs_dim, width), math.sqrt(2.0)), nn.Tanh())


class RecurrentActorCritic(ActorCritic):
    """A Gaussian policy read out from the states of a recurrent cell; the critic has a cell and a state of its own.

    Args:
        obs_dim, act_dim: widths of observation and action.
        cell: name in `cells.CELLS`. neurons: its states.
        cell_options: for the cell's class (solver, substeps, form, …); `wiring` may be a `Wiring` or what its
            `to_dict` gave, and is the actor's alone.
        encoder: width of a tanh layer between observation and cell; None for none: the cell sees the observation.
        feedthrough: whether the readouts see the cell's input beside its states, the D of a state-space model
            y = C h + D x: an action may then follow an observation at once, not through the lag of the states.
        critic: "cell": a cell of the same kind behind an encoder of its own; "mlp": a tanh network of the present
            observation, without memory.
        critic_neurons: states of the critic's cell; None for as many as the actor's.
        hidden, activation: widths of the critic's layers where it is an "mlp", and what is between them.
        init_log_std, normalize: as for `MLPActorCritic`.

    The memory is (n, state_dim): the actor's states, then the critic's. `dt` is the duration of a control step in the
    cell's time; set it to another value to act at another rate than in training.
    """

    def __init__(
        self,
        obs_dim: int,
        act_dim: int,
        cell: str = "ltc",
        neurons: int = 8,
        cell_options: dict | None = None,
        encoder: int | None = None,
        feedthrough: bool = False,
        critic: str = "cell",
        critic_neurons: int | None = None,
        hidden: tuple[int, ...] = (64, 64),
        init_log_std: float = 0.0,
        normalize: bool = True,
        activation: str = "tanh",
    ):
        super().__init__(obs_dim, act_dim, init_log_std, normalize)
        check_choice("critic", critic, ("cell", "mlp"))
        options = dict(cell_options or {})
        wiring = options.pop("wiring", None)
        wiring = Wiring.from_dict(wiring) if isinstance(wiring, dict) else wiring
        plain = {**options, "wiring": wiring.to_dict()} if wiring is not None else options
        self.settings |= dict(
            cell=cell, neurons=neurons, cell_options=plain, encoder=encoder, feedthrough=feedthrough,
            critic=critic, critic_neurons=critic_neurons, hidden=list(hidden), activation=activation,
        )  # fmt: skip
        self.neurons, self.dt = neurons, 1.0
        self.clamped: dict[int, float] = {}  # actor's neurons held at a value, to see what they are for
        width = encoder or obs_dim
        self.encoder = _encoder(obs_dim, encoder)
        self.cell = make_cell(cell, width, neurons, **options, **({} if wiring is None else {"wiring": wiring}))
        self.feedthrough, through = feedthrough, width if feedthrough else 0
        self.readout = Readout(obs_dim, self.encoder, self.cell, act_dim, 0.01, through)
        if critic == "cell":
            self.critic_encoder = _encoder(obs_dim, encoder)
            self.critic_cell = make_cell(cell, width, critic_neurons or neurons, **options)
            self.critic = Readout(obs_dim, self.critic_encoder, self.critic_cell, 1, 1.0, through)
        else:
            self.critic_cell, self.critic = None, mlp([obs_dim, *hidden, 1], activation, last_gain=1.0)
        self.state_dim = neurons + (self.critic_cell.neurons if self.critic_cell else 0)

    def actor_state(self, state: Tensor) -> Tensor:
        """state (…, state_dim) -> the actor's part (…, neurons)."""
        return state[..., : self.neurons]

    def _clamp(self, h: Tensor) -> Tensor:
        if self.clamped:
            h = h.clone()
            for neuron, value in self.clamped.items():
                h[..., neuron] = value
        return h

    def step(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """x (n, obs), state (n, state_dim) -> mean (n, act), next state."""
        e = self.encoder(x)
        h = self._clamp(self.cell(e, state[:, : self.neurons], self.dt))
        mean = self._read(self.readout, h, e)
        if self.critic_cell is None:
            return mean, h
        return mean, torch.cat([h, self.critic_cell(self.critic_encoder(x), state[:, self.neurons :], self.dt)], dim=-1)

    def _read(self, readout: Readout, h: Tensor, x: Tensor) -> Tensor:
        return readout(h, x if self.feedthrough else None)

    def sequence(self, x: Tensor, state: Tensor, starts: Tensor) -> tuple[Tensor, Tensor]:
        """x (T, n, obs), state (n, state_dim) before the first step -> mean (T, n, act), value (T, n)."""
        e = self.encoder(x)
        mean = self._read(self.readout, self.cell.sequence(e, state[:, : self.neurons], starts, self.dt), e)
        if self.critic_cell is None:
            return mean, self.critic(x).squeeze(-1)
        e = self.critic_encoder(x)
        h = self.critic_cell.sequence(e, state[:, self.neurons :], starts, self.dt)
        return mean, self._read(self.critic, h, e).squeeze(-1)

    @torch.no_grad()
    def memory(self, x: Tensor, state: Tensor, starts: Tensor) -> Tensor:
        """State before each step (T, n, state_dim), recomputed with the present weights."""
        after = self.cell.sequence(self.encoder(x), state[:, : self.neurons], starts, self.dt)
        if self.critic_cell is not None:
            critic = self.critic_cell.sequence(self.critic_encoder(x), state[:, self.neurons :], starts, self.dt)
            after = torch.cat([after, critic], dim=-1)
        return torch.cat([state[None], after[:-1]]) * ~starts[..., None]

    def value(self, x: Tensor, state: Tensor) -> Tensor:
        """x (n, obs), state (n, state_dim) before this observation -> value (n,)."""
        if self.critic_cell is None:
            return self.critic(x).squeeze(-1)
        e = self.critic_encoder(x)
        return self._read(self.critic, self.critic_cell(e, state[:, self.neurons :], self.dt), e).squeeze(-1)
