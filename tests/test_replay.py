"""The replay buffer against a list, and what it refuses."""

from collections import deque

import numpy as np
import pytest
import torch

from course_lib import machine
from course_lib.errors import ArgumentError, NonFiniteError
from course_lib.rl.replay import Replay

RNG = np.random.default_rng(0)


def transitions(n, obs=3, act=2):
    terminated = RNG.random(n) < 0.3
    return (
        RNG.normal(size=(n, obs)),
        RNG.normal(size=(n, act)),
        RNG.normal(size=(n, obs)),
        RNG.normal(size=n),
        terminated,
    )


def filled(capacity=10, steps=7, n=3):
    buffer, oracle = Replay(capacity, 3, 2), deque(maxlen=capacity)
    for _ in range(steps):
        parts = transitions(n)
        buffer.add(*parts)
        oracle.extend(zip(*parts, strict=True))
    return buffer, oracle


@pytest.mark.parametrize("steps", [1, 3, 4, 7, 20])
def test_holds_the_last_transitions(steps):
    """Oracle: a deque; also where a step goes round the end of the array."""
    buffer, oracle = filled(steps=steps)
    assert buffer.size == len(oracle)
    batch = buffer.batch(torch.arange(buffer.size))
    names = ("observation", "action", "next_observation", "reward", "terminated")
    got = {tuple(np.hstack([np.ravel(getattr(batch, name)[i]) for name in names])) for i in range(buffer.size)}
    assert got == {tuple(np.hstack([np.ravel(v) for v in row]).astype(np.float32)) for row in oracle}
    both = torch.cat([batch.observation, batch.action], dim=1)
    assert torch.equal(batch.observation_action, both)


def test_samples_are_uniform_and_belong_together():
    buffer = Replay(50, 1, 1)
    for i in range(50):
        buffer.add([[i]], [[i + 0.5]], [[i + 1]], [i + 2], [i % 2])
    generator = torch.Generator().manual_seed(0)
    counts = np.zeros(50)
    for _ in range(200):
        b = buffer.sample(50, generator)
        i = b.observation[:, 0]
        assert torch.equal(b.action[:, 0], i + 0.5) and torch.equal(b.next_observation[:, 0], i + 1)
        assert torch.equal(b.reward, i + 2) and torch.equal(b.terminated, i % 2)
        counts += np.bincount(i.int().numpy(), minlength=50)
    chi2 = ((counts - 200) ** 2 / 200).sum()
    assert chi2 < 85.4  # 99.9 % of χ² with 49 degrees of freedom


def test_one_generator_one_sequence_of_batches():
    buffer, _ = filled()
    a, b = (buffer.sample(4, torch.Generator().manual_seed(5)).reward for _ in range(2))
    assert torch.equal(a, b)


def test_nothing_is_allocated_after_the_start():
    buffer, _ = filled()
    place = buffer.rows.ctypes.data
    for _ in range(5):
        buffer.add(*transitions(3))
    assert buffer.rows.ctypes.data == place and buffer.nbytes == buffer.rows.nbytes == 10 * 4 * 10


def test_saved_bit_for_bit():
    buffer, _ = filled()
    tensors = {k: v.clone() for k, v in buffer.state_dict().items()}
    other = Replay(10, 3, 2)
    other.load_state_dict(tensors)
    step = transitions(3)
    buffer.add(*step)
    other.add(*step)
    assert np.array_equal(buffer.rows, other.rows)
    assert (buffer.size, buffer.position) == (other.size, other.position)


def test_memory_is_told():
    assert repr(Replay(1_000_000, 17, 6)) == ("Replay(0 of 1,000,000 transitions of 168 bytes, 160 MiB when full)")


def test_more_than_the_machine_has(monkeypatch):
    monkeypatch.setattr(machine, "memory", lambda: 2**20)
    with pytest.raises(ArgumentError, match=r"buffer_size=100000 needs 4 MiB .* accepted here: 1 to 26,214"):
        Replay(100_000, 3, 2)


@pytest.mark.parametrize("capacity", [0, -1, 1.5, "many", True, None])
def test_capacities_refused(capacity):
    with pytest.raises(ArgumentError, match="buffer_size="):
        Replay(capacity, 3, 2)


def test_refusals():
    buffer = Replay(10, 3, 2)
    with pytest.raises(ArgumentError, match="batch_size=4 is more than the replay buffer can give: it holds 0"):
        buffer.sample(4, torch.Generator())
    buffer.add(*transitions(3))
    with pytest.raises(ArgumentError, match="it holds 3 transitions"):
        buffer.sample(4, torch.Generator())
    with pytest.raises(ArgumentError, match="buffer_size=10 holds less than the 11 transitions of one step"):
        buffer.add(*transitions(11))
    with pytest.raises(ArgumentError, match="do not fit this buffer"):
        buffer.add(*transitions(3, act=1))
    with pytest.raises(ArgumentError, match="buffer_size=8 .* does not fit the saved replay buffer, which has 10"):
        Replay(8, 3, 2).load_state_dict(buffer.state_dict())


@pytest.mark.parametrize("column, name", [(0, "observation"), (1, "action"), (2, "next observation"), (3, "reward")])
def test_not_a_number(column, name):
    buffer, parts = Replay(10, 3, 2), transitions(3)
    parts[column].flat[1] = np.nan
    with pytest.raises(NonFiniteError, match=f"^{name} is nan in a transition"):
        buffer.add(*parts)
    assert buffer.size == 0  # the bad row is never sampled
