"""Summarizers: what turns the history of an agent into a vector that heads can act on.

All have the same interface, so an algorithm need not know which network remembers:

    initial_state(n)             -> state (n, state_dim), zeros
    step(x, state)               -> summary (n, width), next state; x (n, inputs)
    sequence(x, state, starts)   -> summaries (T, n, width), last state; x (T, n, inputs)

`starts` (T, n) is true where an episode begins: the state is set to zero there before it is used. The cells of
`cells.CELLS` remember in continuous time; "lstm" and "elman" are torch's own networks; "identity" remembers nothing.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from course_lib.errors import ArgumentError, check_count
from course_lib.machine import check_memory
from course_lib.nets.cells import CELLS, make_cell
from course_lib.nets.config import SummarizerConfig, fresh

_TORCH = {"lstm": nn.LSTM, "elman": nn.RNN}
_GATED = ("lstm", "gru")


class Summarizer(nn.Module):
    """A recurrent network. While its weights are fresh, its output is centred and of unit size.

    Args:
        inputs: width of the input at each step.
        config: a `SummarizerConfig`, a dict of its fields, or a name. For cells with time constants, the options can
            set their ranges, such as `LTC.SLOW`. With `remember`, each neuron of "lstm" and "gru" draws its own number
            of steps (Tallec & Ollivier 2018, eq. 16: chrono initialisation).

    Attributes:
        width: width of the summary. state_dim: width of the state; it is twice as wide for "lstm" (hidden states, then
            cell states), and wider for a cell that keeps a window.
    """

    def __init__(self, inputs: int, config: SummarizerConfig | dict | str = "lstm"):
        super().__init__()
        c = SummarizerConfig.of(config)
        self.inputs, self.cell = check_count("inputs", inputs), c.name
        cell, neurons, layers, remember = c.name, c.neurons, c.layers, c.remember
        if c.options and cell not in CELLS:
            raise ArgumentError(f"cell.options={c.options!r} are not accepted by cell={cell!r}; accepted: none")
        if layers > 1 and cell not in _TORCH:
            raise ArgumentError(f"layers={layers} is not accepted by cell={cell!r}; accepted: 1 (lstm and elman stack)")
        if remember and cell not in _GATED:
            raise ArgumentError(f"remember={remember} is not accepted by cell={cell!r}; accepted: 0 (lstm and gru do)")
        self.neurons, self.layers = (0 if cell == "identity" else neurons), layers
        self.feedthrough = c.feedthrough or cell == "identity"
        self.width = self.neurons + (inputs if self.feedthrough else 0)
        self.state_dim = self.neurons * layers * (2 if cell == "lstm" else 1)
        self.net: nn.Module | None = None
        gates = {"lstm": 4, "elman": 1}.get(cell, 0)
        check_memory("neurons", neurons, 4 * gates * neurons * (inputs + (2 * layers - 1) * neurons))
        if cell in CELLS:
            self.net = make_cell(cell, inputs, neurons, **c.options)
            self.state_dim = self.net.state_width
        elif cell in _TORCH:
            self.net = _TORCH[cell](inputs, neurons, layers)
        self.register_buffer("center", torch.zeros(self.neurons))
        self.register_buffer("scale", torch.ones(self.neurons))
        if remember:
            self._keep(remember)
        if self.neurons and fresh():
            self._calibrate(steps=max(10, remember))

    @torch.no_grad()
    def _keep(self, steps: int) -> None:
        """Biases with which a state takes from 1 to `steps` steps to fade, each neuron's in its own time."""
        n, gates = self.neurons, [self.net.bias] if self.cell == "gru" else self._biases()
        for gate in gates:
            fade = torch.empty(n).uniform_(1.0, max(steps - 1.0, 1.0)).log()
            gate[n : 2 * n] = fade  # of the update gate in a GRU, of the forget gate in an LSTM
            if self.cell == "lstm":
                gate[:n] = -fade  # so that a state does not grow in sum

    def _biases(self) -> list[Tensor]:
        """Of each layer of an LSTM: the one of its two biases that is used; the other becomes 0 in these gates."""
        for layer in range(self.layers):
            getattr(self.net, f"bias_hh_l{layer}")[: 2 * self.neurons] = 0.0
        return [getattr(self.net, f"bias_ih_l{layer}") for layer in range(self.layers)]

    @torch.no_grad()
    def _calibrate(self, samples: int = 256, steps: int = 10) -> None:
        """Take mean and sd of the fresh states over inputs from N(0, 1) held for some steps.

        Heads learn slowly from states that are neither centred nor of unit size, as those of an LTC, and the map stays
        affine.
        """
        check_memory("remember", steps, 4 * steps * samples * self.neurons)
        x = torch.randn(samples, self.inputs).expand(steps, -1, -1)
        h, _ = self._run(x, self.initial_state(samples), None)
        self.center.copy_(h[-1].mean(0))
        self.scale.copy_(h[-1].std(0).clamp_min(1e-3))

    def initial_state(self, n: int) -> Tensor:
        """Zeros, (n, state_dim)."""
        return torch.zeros(n, self.state_dim)

    def step(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """x (n, inputs), state (n, state_dim) -> summary (n, width), next state."""
        if self.cell in CELLS:
            state = self.net(x, state)
            return self._read(state[:, : self.neurons], x), state
        h, state = self._run(x[None], state, None)
        return self._read(h[0], x), state

    def sequence(self, x: Tensor, state: Tensor, starts: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """x (T, n, inputs), state (n, state_dim) before the first step -> summaries (T, n, width), state after the
        last step. T may be 0."""
        if not len(x):
            return x.new_zeros(0, x.shape[1], self.width), state
        h, state = self._run(x, state, starts)
        return self._read(h, x), state

    def _read(self, h: Tensor, x: Tensor) -> Tensor:
        if not self.neurons:
            return x
        z = (h - self.center) / self.scale
        return torch.cat([z, x], dim=-1) if self.feedthrough else z

    def _run(self, x: Tensor, state: Tensor, starts: Tensor | None) -> tuple[Tensor, Tensor]:
        """States (T, n, neurons) after each step, and the whole state after the last."""
        if not self.neurons:
            return x, state
        if self.cell in CELLS:
            h = self.net.sequence(x, state, starts)
            return h[..., : self.neurons], h[-1]
        # torch's networks cannot forget on the way, so the sequence is cut where an episode begins.
        cuts = [] if starts is None else [t for t in starts.any(1).nonzero()[:, 0].tolist() if t]
        parts = []
        for first, last in zip([0, *cuts], [*cuts, len(x)], strict=True):
            if starts is not None:
                state = state.masked_fill(starts[first].unsqueeze(-1), 0.0)
            h, state = self._torch(x[first:last], state)
            parts.append(h)
        return (parts[0] if len(parts) == 1 else torch.cat(parts)), state

    def _torch(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        n, lstm = len(state), self.cell == "lstm"
        split = state.view(n, -1, self.layers, self.neurons).permute(1, 2, 0, 3).contiguous()  # (1 or 2, layers, n, ·)
        h, last = self.net(x, (split[0], split[1]) if lstm else split[0])
        last = torch.stack(last) if lstm else last[None]
        return h, last.permute(2, 0, 1, 3).reshape(n, -1)

    def extra_repr(self) -> str:
        return f"{self.cell}: {self.inputs} inputs, {self.width} wide"


def warmed(summarizer: Summarizer, x: Tensor, starts: Tensor, state: Tensor, burn_in: int) -> Tensor:
    """Summaries of all steps but the first `burn_in`: x (T, n, inputs) -> (T - burn_in, n, width). Those first steps
    only bring the state up to date, without gradient (Kapturowski et al. 2019)."""
    with torch.no_grad():
        _, state = summarizer.sequence(x[:burn_in], state, starts[:burn_in])
    return summarizer.sequence(x[burn_in:], state, starts[burn_in:])[0]
