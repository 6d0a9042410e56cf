"""Cells that remember by keeping what they saw: a window of past observations, and no recurrent weights.

The state holds the outputs, then the frames of the window except the newest, oldest first. A frame from before the
episode is zeros, as in a fresh state. Both cells count steps and ignore how long a step lasts.

Shapes: T steps, B samples, W frames in a window, n neurons.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from course_lib.errors import ArgumentError, check_count
from course_lib.machine import check_memory
from course_lib.nets.base import Cell
from course_lib.nets.checks import check_states, durations


class _Window(Cell):
    """What both share: the window, kept from step to step and laid out for a whole sequence at once.

    Args:
        inputs, neurons: widths of an observation and of the outputs.
        frames: (name, W), how the argument that says it is called.
        extra: numbers in a frame beside the observation.

    Subclasses define `outputs`.
    """

    rankless = "no recurrent weights"

    def __init__(self, inputs: int, neurons: int, frames: tuple[str, int], extra: int, wiring, rank):
        super().__init__(inputs, neurons, None, rank)
        if wiring is not None:
            raise ArgumentError(
                f"wiring is not accepted by {type(self).__name__}, which has {self.rankless}; accepted: None"
            )
        del self.input, self.recurrent, self.bias
        self.frames, self.width = check_count(*frames), inputs + extra  # W, and numbers in a frame
        check_memory(*frames, 4 * neurons * self.frames * self.width)

    @property
    def state_width(self) -> int:
        return self.neurons + (self.frames - 1) * self.width

    def drive(self, x: Tensor) -> Tensor:
        """x (…, inputs) -> frames (…, width)."""
        return F.pad(self._checked(x), (0, self.width - self.inputs), value=1.0)

    def outputs(self, frames: Tensor, windows: Tensor) -> Tensor:
        """Frames (T + W - 1, B, width) and windows of them (T, B, W, width), oldest first -> (T, B, neurons).

        Frames from before an episode are zeros in `windows` only.
        """
        raise NotImplementedError

    def forward(self, x: Tensor, h: Tensor, dt: float | Tensor = 1.0) -> Tensor:
        check_states(self, x, h, "B")
        durations(dt, h)
        return self._run(self.drive(x)[None], h, None, dt)[0]

    def _run(self, drive, h, starts, dt) -> Tensor:
        (T, B), W = drive.shape[:2], self.frames
        past = h[:, self.neurons :].reshape(B, W - 1, self.width).transpose(0, 1)
        if starts is not None:
            past = past.masked_fill(starts[0], 0.0)  # not times 0: NaN would stay
        frames = torch.cat([past, drive])
        windows = frames.unfold(0, W, 1).transpose(-1, -2)
        if starts is not None:
            step = torch.arange(T, device=h.device)[:, None, None]
            begun = torch.where(starts, step, -W).cummax(0).values  # (T, B, 1): when the episode began
            before = step + torch.arange(1 - W, 1, device=h.device) < begun  # (T, B, W)
            windows = windows.masked_fill(before[..., None], 0.0)
        windows = windows.contiguous()
        return torch.cat([self.outputs(frames, windows), windows[:, :, 1:].flatten(2)], dim=-1)

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, {self.frames} frames"


class Frames(_Window):
    """h = tanh(V tanh(U [x_{t-3}, …, x_t] + b) + c): an MLP of stacked frames (Mnih et al. 2015, who stack 4).

    Args:
        frames: how many the network sees, including the current one.
    """

    def __init__(self, inputs: int, neurons: int, *, frames: int = 4, wiring=None, rank: int | None = None):
        super().__init__(inputs, neurons, ("frames", frames), 0, wiring, rank)
        self.first, self.second = _layer(neurons, self.frames * inputs), _layer(neurons, neurons)
        self.first_bias, self.second_bias = (nn.Parameter(torch.zeros(neurons)) for _ in range(2))

    def outputs(self, frames: Tensor, windows: Tensor) -> Tensor:
        hidden = torch.tanh(F.linear(windows.flatten(2), self.first, self.first_bias))
        return torch.tanh(F.linear(hidden, self.second, self.second_bias))


class Attention(_Window):
    """The newest observation looks back at the window by scaled dot-product attention (Vaswani et al. 2017, eq. 1).

        e_i = tanh(E x_i + b),   q = Q e_t + d,   k_j = K e_{t-j} + r_j,   v_j = V e_{t-j}
        h = tanh(W (e_t + Σ_j softmax_j(q·k_j / √n) v_j) + c)

    There is one head and one residual block. It needs no layer norm because of the tanh: e and h are bounded, and a
    mean of values is no larger than the largest. r_j is learned, one for each lag j (Shaw et al. 2018); d lets a neuron
    look at a lag whatever it sees (as u and v in Dai et al. 2019). Frames from before the episode get no weight: every
    frame that was seen ends in a 1.

    Args:
        window: how many observations it looks at, including the current one.
    """

    def __init__(self, inputs: int, neurons: int, *, window: int = 16, wiring=None, rank: int | None = None):
        super().__init__(inputs, neurons, ("window", window), 1, wiring, rank)
        self.embedding, self.embedding_bias = _layer(neurons, inputs), nn.Parameter(torch.zeros(neurons))
        self.query, self.query_bias = _layer(neurons, neurons), nn.Parameter(torch.zeros(neurons))
        self.key, self.value = _layer(neurons, neurons), _layer(neurons, neurons)
        self.position = nn.Parameter(torch.empty(self.frames, neurons).uniform_(-1, 1))  # oldest first
        self.output, self.output_bias = _layer(neurons, neurons), nn.Parameter(torch.zeros(neurons))

    def outputs(self, frames: Tensor, windows: Tensor) -> Tensor:
        # Keys and values of a frame are computed once, not once for each window that it is in.
        e = torch.tanh(F.linear(frames[..., :-1], self.embedding, self.embedding_bias))
        newest = e[self.frames - 1 :]
        q = F.linear(newest, self.query, self.query_bias) / math.sqrt(self.neurons)
        bias = (q @ self.position.t()).masked_fill(windows[..., -1] < 0.5, -math.inf)
        attended = look_back(q, F.linear(e, self.key), F.linear(e, self.value), bias)
        return torch.tanh(F.linear(newest + attended, self.output, self.output_bias))


def look_back(q: Tensor, keys: Tensor, values: Tensor, bias: Tensor, least: int = 16) -> Tensor:
    """Σ_w softmax_w(q_t · keys_{t+w} + bias_{t,w}) values_{t+w}, w from 0 to W - 1.

    q (T, B, n), keys and values (T + W - 1, B, n), bias (T, B, W) -> (T, B, n). Steps are taken in blocks of L. L is W
    or, if larger, `least` (at most T). Each block is multiplied at once with the L + W - 1 frames in its reach.
    """
    (T, _, W), L = bias.shape, min(max(bias.shape[-1], least), len(bias))
    blocks, S = -(-T // L), L + W - 1
    q, keys, values, bias = (F.pad(x, (0, 0, 0, 0, 0, blocks * L - T)) for x in (q, keys, values, bias))
    q, bias = (x.unflatten(0, (blocks, L)).transpose(1, 2) for x in (q, bias))  # (blocks, B, L, …)
    # The window of each step lies one frame further right than that of the step before. Rows of S + 1 entries, written
    # one after another and read as rows of S, do as well; -inf stands for the frames outside.
    band = F.pad(bias, (0, L), value=-math.inf).flatten(2)[..., : L * S].unflatten(-1, (L, S))
    weight = (q @ keys.unfold(0, S, L) + band).softmax(-1)
    out = weight @ values.unfold(0, S, L).transpose(-1, -2)
    return out.transpose(1, 2).flatten(0, 1)[:T]


def _layer(outputs: int, inputs: int) -> nn.Parameter:
    """Weights (outputs, inputs) that keep the variance of what comes in, as `Cell.input`."""
    return nn.Parameter(torch.empty(outputs, inputs).uniform_(-1, 1) * math.sqrt(3 / inputs))
