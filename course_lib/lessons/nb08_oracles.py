"""Oracles for the exercises of notebook 08, and the cases that its checks try."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch

# --- 8.1: a loss over padded sequences ------------------------------------------------------------------


def step_by_step(q, target, mask):
    """The right loss by a loop that only ever looks at the steps that count."""
    counted = [(t, b) for t, b in np.ndindex(*mask.shape) if mask[t, b]]
    return sum(0.5 * (float(each[t, b]) - float(target[t, b])) ** 2 for each in q for t, b in counted) / len(counted)


def sequences(seed: int, *lengths: int, critics: int = 2) -> tuple:
    """q (critics, 9, B), target, mask (9, B): B sequences of these lengths, with large numbers in the padding."""
    g = torch.Generator().manual_seed(seed)
    mask = (torch.arange(9)[:, None] < torch.tensor(lengths)).double()
    q = torch.randn(critics, *mask.shape, generator=g).double() + 50 * (1 - mask)
    return q, torch.randn(*mask.shape, generator=g).double(), mask


# --- 8.2: segments of episodes --------------------------------------------------------------------------


def from_a_list(seen, first, steps, episode, begin, length):
    """The right segment, out of a list that holds this episode alone."""
    own = list(seen[first[episode] : first[episode] + steps[episode] + 1])
    rows = [own[begin + k] if begin + k < len(own) else own[-1] for k in range(length + 1)]
    return np.array(rows), np.array([begin + k + 1 < len(own) for k in range(length)])


def end_to_end(lengths) -> tuple:
    """Observations 10 · episode + step, one after the other -> seen (rows, 1), first, steps; as in the notebook."""
    seen = np.concatenate([10.0 * (e + 1) + np.arange(n + 1) for e, n in enumerate(lengths)])[:, None]
    return seen, np.cumsum([0, *(n + 1 for n in lengths[:-1])]), np.array(lengths)


def any_segment(rng) -> tuple:
    """A case: a buffer of random observations, and a segment that may end after its episode does."""
    seen, first, steps = end_to_end(rng.integers(1, 8, size=rng.integers(2, 6)).tolist())
    episode = int(rng.integers(len(steps)))
    begin, length = int(rng.integers(steps[episode])), int(rng.integers(2, 8))
    return rng.normal(size=(len(seen), rng.integers(1, 4))), first, steps, episode, begin, length


# --- 8.3: a bias for a memory ---------------------------------------------------------------------------


@torch.no_grad()
def left_after(bias: float, k: int) -> float:
    """What is left of a cell state of 1 after k steps of torch's LSTM, its input gate shut."""
    lstm = torch.nn.LSTM(1, 1).double()
    for p in lstm.parameters():
        p.zero_()
    lstm.bias_ih_l0[0], lstm.bias_ih_l0[1] = -60.0, bias  # input gate, forget gate
    zero, one = torch.zeros(1, 1, 1).double(), torch.ones(1, 1, 1).double()
    return lstm(torch.zeros(k, 1, 1).double(), (zero, one))[1][1].item()


@lru_cache
def by_search(k: int, share: float, low: float = -20.0, high: float = 20.0) -> float:
    """The bias, by bisection on the LSTM itself."""
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if left_after(middle, k) < share else (low, middle)
    return middle


# --- 8.5: the sides exchanged ---------------------------------------------------------------------------


def one_at_a_time(states, side):
    """The right states, one episode and one number after the other."""
    out = np.array(states, dtype=float)
    for n, k in np.ndindex(*out.shape):
        mine = [states[m, k] for m in range(len(side)) if side[m] == side[n]]
        others = [states[m, k] for m in range(len(side)) if side[m] != side[n]]
        out[n, k] += sum(others) / len(others) - sum(mine) / len(mine)
    return out


def crowd(seed: int, right: int, left: int, wide: int = 3) -> tuple:
    """states (N, wide), side (N,): so many episodes of either side, in disorder."""
    rng = np.random.default_rng(seed)
    side = rng.permutation(np.repeat([1, -1], [right, left]))
    return rng.normal(size=(right + left, wide)) + side[:, None] * rng.normal(size=wide), side
