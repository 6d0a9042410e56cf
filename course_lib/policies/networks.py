"""The networks inside an actor-critic: of a Gaussian's mean and of a value, without memory or with a recurrent cell."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from course_lib.errors import ArgumentError, check_choice
from course_lib.machine import check_layers, check_memory
from course_lib.nets.cells import Cell, make_cell
from course_lib.nets.config import CellConfig, fresh
from course_lib.nets.dense import stack

ACTIVATIONS: dict[str, type[nn.Module]] = {"tanh": nn.Tanh, "elu": nn.ELU}


def orthogonal(layer: nn.Linear, gain: float) -> nn.Linear:
    """Orthogonal weights and zero bias (Saxe et al. 2014), the usual start of PPO networks."""
    nn.init.orthogonal_(layer.weight, gain)
    nn.init.zeros_(layer.bias)
    return layer


def mlp(sizes: list[int], activation: str = "tanh", last_gain: float = 1.0) -> nn.Sequential:
    """Linear layers of widths `sizes` with `activation` between them: (…, sizes[0]) -> (…, sizes[-1])."""
    check_choice("activation", activation, ACTIVATIONS)
    check_layers(sizes)
    layers: list[nn.Module] = []
    for i, (a, b) in enumerate(zip(sizes[:-1], sizes[1:], strict=True)):
        last = i == len(sizes) - 2
        layers.append(orthogonal(nn.Linear(a, b), last_gain if last else math.sqrt(2.0)))
        if not last:
            layers.append(ACTIVATIONS[activation]())
    return nn.Sequential(*layers)


class MLPNetworks(nn.Module):
    """Two separate networks without memory, of the mean and of the value. See `ActorCritic` for the methods.

    `MLPActorCritic` makes a policy of them; `chunks` puts plans around them.
    """

    state_dim, forgets = 0, True

    def build_networks(self, obs_dim: int, outputs: int, hidden: tuple[int, ...], activation: str) -> None:
        """Actor (…, obs) -> (…, outputs) and critic (…, obs) -> (…, 1) with fresh weights."""
        self.actor = mlp([obs_dim, *hidden, outputs], activation, last_gain=0.01)
        self.critic = mlp([obs_dim, *hidden, 1], activation, last_gain=1.0)

    def step(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """x (n, obs) -> mean (n, act), state."""
        return stack(self.actor, x), state

    def sequence(self, x: Tensor, state: Tensor, starts: Tensor) -> tuple[Tensor, Tensor]:
        """x (T, n, obs) -> mean (T, n, act), value (T, n) in units of the normalised return."""
        flat = x.reshape(-1, x.shape[-1])  # without memory, time is one more batch axis
        return stack(self.actor, flat).view(*x.shape[:-1], -1), stack(self.critic, flat).view(x.shape[:-1])

    def value(self, x: Tensor, state: Tensor) -> Tensor:
        """x (n, obs) -> value (n,)."""
        return stack(self.critic, x).squeeze(-1)


class Readout(nn.Linear):
    """An affine map of a cell's neurons, (…, outputs), that learns as easily as one of tanh features.

    It is given states (…, state_width), and reads the first `neurons` entries of them.

    States of a continuous-time cell are neither centred nor of unit size: an LTC neuron rests near A/2 and moves little
    around it, so that the weights would learn mostly what the bias should. They multiply (h - center) / scale instead,
    mean and sd over inputs from N(0, 1) held for some steps, taken once from the fresh cell. The map stays affine in h.
    """

    def __init__(
        self, obs_dim: int, encoder: nn.Module, cell: Cell, outputs: int, gain: float, through: int = 0, steps: int = 10
    ):
        check_memory("outputs", outputs, 4 * (cell.neurons + through) * outputs)
        super().__init__(cell.neurons + through, outputs)
        orthogonal(self, gain)
        self.register_buffer("center", torch.zeros(cell.neurons))
        self.register_buffer("scale", torch.ones(cell.neurons))
        if fresh():
            self._calibrate(obs_dim, encoder, cell, steps)

    @torch.no_grad()
    def _calibrate(self, obs_dim: int, encoder: nn.Module, cell: Cell, steps: int, samples: int = 256) -> None:
        x = encoder(torch.randn(samples, obs_dim)).expand(steps, -1, -1)
        h = cell.sequence(x, cell.initial_state(samples))[-1, :, : cell.neurons]
        self.center.copy_(h.mean(0))
        self.scale.copy_(h.std(0).clamp_min(1e-3))

    @property
    def affine(self) -> tuple[Tensor, Tensor]:
        """W (outputs, neurons + through) and b (outputs,) that act on states as they are; copies, without gradient.

        The output is h @ W.T + b, with h the first `neurons` entries of a state; with feedthrough it is
        [h, through] @ W.T + b, with `through` the cell's input. `weight` and `bias` act on (h - center) / scale.
        """
        W, n = self.weight.detach().clone(), len(self.center)
        W[:, :n] /= self.scale
        return W, self.bias.detach() - W[:, :n] @ self.center

    def forward(self, h: Tensor, through: Tensor | None = None) -> Tensor:
        z = (h[..., : len(self.center)] - self.center) / self.scale
        return super().forward(z if through is None else torch.cat([z, through], dim=-1))


def _encoder(obs_dim: int, width: int | None) -> nn.Module:
    if width is None:
        return nn.Identity()
    check_memory("encoder", width, 4 * obs_dim * width)
    return nn.Sequential(orthogonal(nn.Linear(obs_dim, width), math.sqrt(2.0)), nn.Tanh())


def _seen(obs_dim: int, cell: CellConfig) -> int:
    """How many entries of an observation the encoders see."""
    if cell.clock and obs_dim < 2:
        raise ArgumentError(
            "cell.clock=True leaves nothing to see of an observation of 1 entry, the duration; accepted: 2 or more"
        )
    return obs_dim - cell.clock


class RecurrentNetworks(nn.Module):
    """A mean read out from the states of a recurrent cell; the value has a cell and a state of its own, or an MLP.

    The memory is (n, state_dim): the state of the actor's cell, then that of the critic's. See `ActorCritic` for the
    methods.

    Attributes:
        dt: duration of a control step in the cell's time; another value acts at another rate than in training.
        clock: whether the last entry of an observation says how many times `dt` the coming step lasts. The cells solve
            over that and do not see the entry; a critic without memory does.
        clamped: actor's neurons held at a value, to see what they are for.
    """

    forgets = False

    def build_networks(
        self, obs_dim: int, outputs: int, cell: CellConfig, hidden: tuple[int, ...], activation: str
    ) -> None:
        """Cells and readouts with fresh weights. A wiring among the cell's options is the actor's alone."""
        self.neurons, self.dt, self.clock = cell.neurons, 1.0, cell.clock
        self.clamped: dict[int, float] = {}
        unwired = {name: option for name, option in cell.options.items() if name != "wiring"}
        seen = _seen(obs_dim, cell)
        width = cell.encoder or seen
        self.feedthrough, through = cell.feedthrough, width if cell.feedthrough else 0
        self.encoder = _encoder(seen, cell.encoder)
        self.cell = make_cell(cell.name, width, cell.neurons, **cell.options)
        self.readout = Readout(seen, self.encoder, self.cell, outputs, 0.01, through)
        if cell.critic == "cell":
            self.critic_encoder = _encoder(seen, cell.encoder)
            self.critic_cell = make_cell(cell.name, width, cell.critic_neurons or cell.neurons, **unwired)
            self.critic = Readout(seen, self.critic_encoder, self.critic_cell, 1, 1.0, through)
        else:
            self.critic_cell, self.critic = None, mlp([obs_dim, *hidden, 1], activation, last_gain=1.0)
        self.state_dim = self.cell.state_width + (self.critic_cell.state_width if self.critic_cell else 0)

    def actor_state(self, state: Tensor) -> Tensor:
        """state (…, state_dim) -> the actor's neurons (…, neurons)."""
        return state[..., : self.neurons]

    def parts(self, state: Tensor) -> tuple[Tensor, Tensor]:
        """state (…, state_dim) -> the whole state of the actor's cell, and of the critic's."""
        width = self.cell.state_width
        return state[..., :width], state[..., width:]

    def timed(self, x: Tensor) -> tuple[Tensor, float | Tensor]:
        """x (…, obs) -> what the encoders see of it (…, seen), and the step's duration in the cell's time, (…,)."""
        return (x[..., :-1], x[..., -1] * self.dt) if self.clock else (x, self.dt)

    def _clamp(self, h: Tensor) -> Tensor:
        if self.clamped:
            h = h.clone()
            for neuron, value in self.clamped.items():
                h[..., neuron] = value
        return h

    def step(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """x (n, obs), state (n, state_dim) -> mean (n, act), next state."""
        (x, dt), (actor, critic) = self.timed(x), self.parts(state)
        e = self.encoder(x)
        h = self._clamp(self.cell(e, actor, dt))
        mean = self._read(self.readout, h, e)
        if self.critic_cell is None:
            return mean, h
        return mean, torch.cat([h, self.critic_cell(self.critic_encoder(x), critic, dt)], dim=-1)

    def _read(self, readout: Readout, h: Tensor, x: Tensor) -> Tensor:
        return readout(h, x if self.feedthrough else None)

    def sequence(self, x: Tensor, state: Tensor, starts: Tensor) -> tuple[Tensor, Tensor]:
        """x (T, n, obs), state (n, state_dim) before the first step -> mean (T, n, act), value (T, n)."""
        (seen, dt), (actor, critic) = self.timed(x), self.parts(state)
        e = self.encoder(seen)
        mean = self._read(self.readout, self.cell.sequence(e, actor, starts, dt), e)
        if self.critic_cell is None:
            return mean, self.critic(x).squeeze(-1)
        e = self.critic_encoder(seen)
        h = self.critic_cell.sequence(e, critic, starts, dt)
        return mean, self._read(self.critic, h, e).squeeze(-1)

    @torch.no_grad()
    def memory(self, x: Tensor, state: Tensor, starts: Tensor) -> Tensor:
        """State before each step (T, n, state_dim), recomputed with the present weights."""
        (x, dt), (actor, critic) = self.timed(x), self.parts(state)
        after = self.cell.sequence(self.encoder(x), actor, starts, dt)
        if self.critic_cell is not None:
            critic = self.critic_cell.sequence(self.critic_encoder(x), critic, starts, dt)
            after = torch.cat([after, critic], dim=-1)
        return torch.cat([state[None], after[:-1]]).masked_fill(starts[..., None], 0)  # not times 0: NaN stays NaN

    def value(self, x: Tensor, state: Tensor) -> Tensor:
        """x (n, obs), state (n, state_dim) before this observation -> value (n,)."""
        if self.critic_cell is None:
            return self.critic(x).squeeze(-1)
        x, dt = self.timed(x)
        e = self.critic_encoder(x)
        return self._read(self.critic, self.critic_cell(e, self.parts(state)[1], dt), e).squeeze(-1)
