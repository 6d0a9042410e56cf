"""Notebook 07: how long the network alone, and network and body, keep a push; which neurons can be held still."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping

import numpy as np
import torch

from course_lib.errors import ArgumentError
from course_lib.evaluation.returns import make_for, run_episodes
from course_lib.nets.cells import LTC
from course_lib.viz.states.states import Pushed, Record, held_at, recurrent
from course_lib.viz.style import COLOURS, new_figure, style


def echoes(policy, calm: Record, pushed: Record, first: int) -> tuple[np.ndarray, np.ndarray]:
    """How far a push moved the hidden state, at step `first` and after: (closed loop (T,), open loop (T,)).

    Closed: `pushed` against `calm`, the same episode without the push. Open: the network starts from the state of
    `pushed` at step `first`, and is then given the observations of `calm`.
    """
    policy, last = recurrent(policy), min(len(calm), len(pushed))
    if not 0 <= first < last:
        raise ArgumentError(f"first={first!r} is not in both episodes; accepted: 0 to {last - 1}")
    with torch.no_grad():
        seen = [policy.encoder(policy.timed(each.x)[0]) for each in (calm, pushed)]
        h = policy.cell(seen[1][first : first + 1], policy.parts(pushed.before[first : first + 1])[0], policy.dt)
        alone = [h]
        for t in range(first + 1, last):
            h = policy.cell(seen[0][t : t + 1], h, policy.dt)
            alone.append(h)
    wanted = calm.states[first:last]
    apart = pushed.states[first:last] - wanted, policy.actor_state(torch.cat(alone)).numpy() - wanted
    return tuple(np.linalg.norm(each, axis=1) for each in apart)


def lasting(distance: np.ndarray, share: float = 0.1) -> int:
    """Steps until `distance` (T,) stays below `share` of its largest value."""
    return int(np.flatnonzero(distance >= share * distance.max())[-1]) + 1


def loop_figure(closed: np.ndarray, alone: np.ndarray):
    """What is left of a push in the hidden state, with the loop through the body and without."""
    with style():
        figure, axes = new_figure(figsize=(6.8, 2.9))
        axes.semilogy(closed, color=COLOURS[0], label="closed loop: network and body")
        axes.semilogy(np.maximum(alone, 1e-6), "--", color=COLOURS[1], label="open loop: network alone")
        axes.axhline(0.1 * closed.max(), color="#7a828c", linewidth=0.9, linestyle=":", label="a tenth of the largest")
        axes.set(xlabel="control steps after the push", ylabel="distance of the states", ylim=(1e-4, 2 * closed.max()))
        figure.legend(loc="outside upper center", ncols=3)
    return figure


def stands(
    policy, held: Iterable[int], at: np.ndarray, episodes: int, seed: int = 0, pushes: Mapping[int, float] | None = None
) -> float:
    """Mean number of steps that the pole stands with the neurons in `held` still at the values `at` (neurons,).

    pushes: step -> push, the same in every episode, as for `states.record`.
    """
    envs = make_for(recurrent(policy), episodes, seed)
    try:
        with held_at(policy, {int(k): float(at[k]) for k in held}) as policy:
            return run_episodes(Pushed(policy, pushes) if pushes else policy, envs, seed=seed).mean
    finally:
        envs.close()


def untrained_states(record: Record, neurons: int, seed: int) -> np.ndarray:
    """States (T, neurons) of an LTC that was never trained and sees what the policy of `record` saw."""
    torch.manual_seed(seed)
    x = torch.as_tensor(record.x, dtype=torch.float32)
    cell = LTC(x.shape[-1], neurons)
    with torch.no_grad():
        return cell.sequence(x[:, None], cell.initial_state(1))[:, 0].numpy()


def frozen_step(cell, a: np.ndarray, start: float) -> np.ndarray:
    """One step of the cell from the state `start`, pre-activations a (T, neurons) held -> (T, neurons)."""
    with torch.no_grad():
        a = torch.as_tensor(a, dtype=torch.float32)
        return cell.advance(a, torch.full_like(a, start), 1.0, *cell.params()).numpy()


def share_left(cell, states: np.ndarray, x: torch.Tensor) -> np.ndarray:
    """Share of a disturbance that one step of the cell leaves, with f frozen: states (T, neurons), x (T, inputs)."""
    h = torch.as_tensor(states, dtype=torch.float32)
    a = (h @ cell.recurrent_weight.T + x @ cell.input_weight.T + cell.bias.detach()).numpy()
    return frozen_step(cell, a, 1.0) - frozen_step(cell, a, 0.0)


def decay_rates(cell, h: np.ndarray, x: torch.Tensor) -> np.ndarray:
    """The bracket of (7.2) at one state h (neurons,) and input x (inputs,) -> (neurons,), in double precision."""
    cell, state = copy.deepcopy(cell).double(), torch.as_tensor(h, dtype=torch.float64)
    with torch.no_grad():
        return 1 / cell.time_constants(state[None], x.double()[None])[0].numpy()


def spectral_radius(M: np.ndarray) -> float:
    """Largest modulus of the eigenvalues."""
    return float(np.abs(np.linalg.eigvals(M)).max())


def read_out(readout, states: np.ndarray) -> np.ndarray:
    """states (T, neurons) -> the action that the layer reads from them (T,)."""
    with torch.no_grad():
        return readout(torch.as_tensor(states, dtype=torch.float32))[:, 0].numpy()


def change_of_action(readout, states: np.ndarray, value: np.ndarray) -> np.ndarray:
    """Root of the mean square, over time, of what the action changes when one neuron alone is put to `value`[k].

    Done neuron by neuron, through the layer itself: states (T, neurons), value (neurons,) -> (neurons,).
    """
    before, neurons = read_out(readout, states), np.arange(states.shape[1])
    moved = [read_out(readout, np.where(neurons == k, value, states)) - before for k in neurons]
    return np.sqrt(np.mean(np.square(moved), axis=1))


def relabelled(readout, shift: int):
    """A copy of a readout in which each neuron has the weight of the one `shift` places before it."""
    other = copy.deepcopy(readout)
    other.weight.data = other.weight.data.roll(shift, 1)
    return other
