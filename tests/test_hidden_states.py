"""What notebook 07 adds to the tools of `viz.states`: a push in the open and in the closed loop, who can be spared."""

import numpy as np
import pytest
import torch

import course_lib as cl
from course_lib.errors import ArgumentError
from course_lib.lessons.nb07_loops import (
    change_of_action,
    decay_rates,
    echoes,
    frozen_step,
    lasting,
    loop_figure,
    read_out,
    relabelled,
    share_left,
    spectral_radius,
    stands,
    untrained_states,
)
from course_lib.viz.states import states


@pytest.fixture(scope="module")
def policy():
    return cl.load("pendulum_ltc")


@pytest.fixture(scope="module")
def pair(policy):
    return [states.record(policy, seed=3, steps=25, pushes=pushes) for pushes in ({}, {5: 1.0})]


def test_a_push_in_both_loops(policy, pair):
    calm, pushed = pair
    closed, alone = echoes(policy, calm, pushed, first=6)
    assert np.allclose(closed, np.linalg.norm(pushed.states - calm.states, axis=1)[6:])
    assert alone[0] == pytest.approx(closed[0], rel=1e-5)
    h = torch.as_tensor(pushed.states[6:7])
    with torch.no_grad():
        for t in range(7, 10):
            h = policy.cell(calm.x[t : t + 1], h)
    assert alone[3] == pytest.approx(np.linalg.norm(h.numpy() - calm.states[9]), rel=1e-4)
    assert lasting(alone) < lasting(closed)
    assert np.allclose(echoes(policy, calm, calm, first=6), 0, atol=1e-5)
    assert loop_figure(closed, alone).axes[0].get_yscale() == "log"
    with pytest.raises(ArgumentError, match="accepted: 0 to 24"):
        echoes(policy, calm, pushed, first=25)


def test_lasting_counts_the_last_step_that_is_large():
    assert lasting(np.array([1.0, 0.5, 0.05, 0.2, 0.05])) == 4
    assert lasting(np.array([0.0, 2.0, 0.1])) == 2


def test_spared_and_missed(policy, pair):
    mean = pair[0].states.mean(0)
    whole, held = stands(policy, [], mean, episodes=2), stands(policy, range(8), mean, episodes=2)
    assert whole == 1000 and held < 100 and not policy.clamped
    kicks = states.random_pushes(steps=200, every=15, size=1.5, seed=0)
    assert stands(policy, [3], mean, 2, pushes=kicks) == pytest.approx(
        states.ablation_returns(policy, episodes=2, at={3: float(mean[3])}, pushes=kicks)[3]
    )
    assert stands(policy, [], mean, 2, pushes={3: 5.0, 4: 5.0, 5: 5.0, 6: 5.0}) < 1000


def test_an_untrained_cell_sees_what_the_policy_saw(pair):
    fresh = untrained_states(pair[0], 4, seed=0)
    assert fresh.shape == (len(pair[0]), 4) and np.array_equal(fresh, untrained_states(pair[0], 4, seed=0))
    assert not np.allclose(fresh, untrained_states(pair[0], 4, seed=1))
    other = untrained_states(pair[1], 4, seed=0)
    assert np.array_equal(fresh[:5], other[:5]) and not np.allclose(fresh[6:], other[6:])  # the push comes at step 5


def test_layers_read_and_relabelled(policy, pair):
    h = pair[0].states
    assert np.allclose(read_out(policy.readout, h), pair[0].actions[:, 0], atol=1e-5)
    other = relabelled(policy.readout, 3)
    assert torch.equal(other.weight[0, 3:], policy.readout.weight[0, :5]) and other is not policy.readout


def test_the_change_of_the_action_is_the_true_weight_times_the_change_of_the_state(policy, pair):
    h, (w,) = pair[0].states.astype(float), policy.readout.affine[0].numpy()
    for value in (np.zeros(8), h.mean(0)):
        wanted = np.abs(w) * np.sqrt(((h - value) ** 2).mean(0))
        assert change_of_action(policy.readout, h, value) == pytest.approx(wanted, abs=1e-5)


def test_a_frozen_step_is_the_fused_one(policy):
    a, tau, A = np.linspace(-2, 2, 8)[None], policy.cell.tau.detach().numpy(), policy.cell.A.detach().numpy()
    f = 1 / (1 + np.exp(-a))
    assert np.allclose(frozen_step(policy.cell, a, 0.3), (0.3 + f * A) / (1 + 1 / tau + f), atol=1e-6)


def test_rates_and_shares_by_the_equations(policy, pair):
    record, cell = pair[0], policy.cell
    rates = np.array([decay_rates(cell, h, x) for h, x in zip(record.states[:3], record.x[:3], strict=True)])
    assert 1 / rates == pytest.approx(record.time_constants[:3], abs=1e-5)
    assert share_left(cell, record.states, record.x)[:3] == pytest.approx(1 / (1 + rates), abs=1e-5)


def test_spectral_radius_of_a_turning_map():
    assert spectral_radius(0.7 * np.array([[0.0, -1.0], [1.0, 0.0]])) == pytest.approx(0.7)
