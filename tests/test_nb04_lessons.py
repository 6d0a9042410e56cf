"""Notebook 04: the cut gradient, the Jacobians and the watched training, each against another computation."""

import json
import time

import numpy as np
import pytest
import torch

import course_lib as cl
from course_lib.errors import ArgumentError
from course_lib.lessons import nb04_bptt as bptt
from course_lib.lessons import nb04_watch as watch
from course_lib.lessons.nb04_replay import collect_as_acted, toy_states, wrong_replays
from course_lib.lessons.nb04_runs import BASE, gradient_errors, settings_with
from course_lib.nets.cells import LTC
from course_lib.policies.actor_critics import gaussian_log_prob
from course_lib.viz.states.states import record

IN_THE_LIBRARY = {  # names on the slider -> options of the cell
    "fused (4.3)": dict(solver="fused"),
    "exact": dict(solver="rk4", substeps=40),
    "explicit Euler": dict(solver="euler"),
}


def neuron(tau, solver, f=0.05):
    """An LTC neuron without a synapse onto itself, of the effective time constant `tau`."""
    cell = LTC(1, 1, **IN_THE_LIBRARY[solver]).double()
    with torch.no_grad():
        cell.recurrent.zero_()
        cell.bias.fill_(np.log(f / (1 - f)))
        cell.raw_tau.fill_(np.log(np.expm1(1 / (1 / tau - f))))
    return cell


def states_and_kicks(cell, steps, length):
    """States of `steps` steps, cut every `length`; after each step a kick of 0 by which to differentiate."""
    kicks = [torch.zeros(1, 1, dtype=torch.float64, requires_grad=True) for _ in range(steps)]
    h, states, still = torch.full((1, 1), 0.3, dtype=torch.float64), [], torch.zeros(1, 1, dtype=torch.float64)
    for t in range(steps):
        h = cell(still, h.detach() if t % length == 0 else h)
        h = h + kicks[t]
        states.append(h)
    return states, kicks


@pytest.mark.parametrize("solver", bptt.SOLVERS)
@pytest.mark.parametrize("tau", (0.6, 4.0))
def test_the_slider_shows_what_autograd_finds(solver, tau):
    steps, length = 24, 8
    kept = bptt.factor(tau, solver)
    states, kicks = states_and_kicks(neuron(tau, solver), steps, length)
    given = torch.autograd.grad(states[-1].sum(), kicks, allow_unused=True, retain_graph=True)
    found = [0.0 if g is None else g.item() for g in given][::-1]
    wanted = np.where(np.arange(steps) < length, kept ** np.arange(steps), 0.0)
    assert found == pytest.approx(wanted, abs=1e-6)
    whole, shares = 1 / (1 - kept), []  # the sum over all lags, of an infinite past
    for state in states[-length:]:
        seen = sum(
            g.item()
            for g in torch.autograd.grad(state.sum(), kicks, allow_unused=True, retain_graph=True)
            if g is not None
        )
        shares.append(abs(1 - seen / whole))
    assert bptt.missing(length, kept) == pytest.approx(np.mean(shares), abs=1e-6)


def test_shortest_is_the_first_that_is_long_enough():
    for kept in (0.3, 0.8, 0.97):
        n = bptt.shortest(kept, 0.1)
        closed = [kept * (1 - kept**m) / (m * (1 - kept)) for m in (n - 1, n) if m]  # the geometric sum
        assert closed[-1] <= 0.1 and (n == 1 or closed[0] > 0.1)


def test_slider_is_small_and_quick():
    began = time.process_time()
    plot = bptt.bptt_slider()
    assert len(plot.page.encode()) < 300_000
    assert time.process_time() - began < 5
    curves, sentences = plot.settings[plot._index([3, 3, 0])]  # L = 8, time constant 4, fused
    assert curves[0].y == pytest.approx(0.8 ** np.arange(8)) and "0.80" in sentences[0]


@pytest.mark.parametrize("name", ("pendulum_ltc", "masked_pendulum_ltc"))
def test_jacobians_are_those_of_the_cell(name):
    policy = cl.load(name)
    episode = record(policy, seed=3, steps=6)
    whole, alone = bptt.jacobians(policy, episode)
    x, h = policy.encoder(episode.x)[4:5].double(), policy.parts(episode.before)[0][4:5].double()
    cell, e = policy.cell.double(), 1e-5
    columns = [(cell(x, h + e * u) - cell(x, h - e * u)) / (2 * e) for u in torch.eye(8, dtype=torch.float64)]
    assert whole[4] == pytest.approx(torch.cat(columns).T.detach().numpy(), abs=1e-5)
    with torch.no_grad():
        shares = 1 / (1 + 1 / cell.time_constants(h, x))
    assert np.diagonal(alone[4]) == pytest.approx(shares[0].numpy(), abs=1e-5)


def test_left_over_is_the_largest_singular_value_of_products():
    M = np.random.default_rng(0).normal(size=(9, 3, 3))
    by_hand = np.median([np.linalg.svd(M[t + 2] @ M[t + 1] @ M[t])[1][0] for t in range(7)])
    assert bptt.left_over(M, [3])[0] == pytest.approx(by_hand)
    assert bptt.left_over(np.stack([0.5 * np.eye(2)] * 20), [1, 8]) == pytest.approx([0.5, 0.5**8])
    figure = bptt.memory_figure({"net": (0.1 * M, 0.1 * M * np.eye(3))}, lags=(1, 2, 4))
    assert "net" in figure.alt


def test_watch_evaluates_beside_the_training():
    agent = cl.PPO(
        cl.make("InvertedPendulum-v5", num_envs=4, seed=0), cl.PPOConfig(rollout_steps=32, minibatch_size=64)
    )
    log = watch.Watch(cl.make("InvertedPendulum-v5", num_envs=2, seed=0), every=256)
    run = cl.train(agent, 640, progress=False, callbacks=(log,))
    assert log.curve["env_steps"] == [0, 256, 512, 640]
    assert log.curve["return_deterministic"][-1] == cl.evaluate(run, episodes=2, seed=0).deterministic.mean
    assert len(watch.watched_figure(log.curve, run.curve).axes[0].get_lines()) == 3


def test_cost_figure_shows_every_seed():
    axes = watch.cost_figure({"nothing": [900, 1000], "a change": [40, 50, 30]}, 4096, guess=("a change",)).axes[0]
    assert [len(line.get_xdata()) for line in axes.get_lines()] == [2, 2, 3, 2]
    assert axes.get_lines()[3].get_xdata()[0] == 40 and "your answer" in axes.get_yticklabels()[1].get_text()
    with pytest.raises(ArgumentError, match="one a seed"):
        watch.cost_figure({}, 4096)


def test_arguments_of_the_toy():
    with pytest.raises(ArgumentError, match="solver"):
        bptt.factor(1.0, "heun")
    with pytest.raises(ArgumentError, match="positive"):
        bptt.factor(0.0, "exact")


def test_trend_is_spearmans():
    stats = pytest.importorskip("scipy.stats")
    failures = {1: [3, 9, 9, 4], 2: [2, 8, 5, 6], 8: [1, 1, 7, 0]}
    found = watch.trend(failures)
    neurons = np.repeat([1, 2, 8], 4)
    assert found.correlation == pytest.approx(stats.spearmanr(neurons, np.concatenate([*failures.values()])).statistic)
    assert found.interval[0] < found.correlation < found.interval[1]
    assert watch.trend({1: [9, 8, 9], 2: [5, 4, 5], 8: [1, 0, 1]}).words == "more neurons, fewer falls"
    assert watch.trend({1: [3, 3], 2: [3, 3]}).words == "these seeds cannot tell"


# ------------------------------------------------------------------------------- carried and replayed states
def test_the_toy_state_is_zeroed_only_where_it_is_told():
    starts = np.zeros((6, 2), bool)
    starts[[0, 0, 3], [0, 1, 0]] = True
    carried, zeroed = toy_states(starts), toy_states(starts, zeroed_every=4)
    assert carried[:, 0] == pytest.approx([1, 1.5, 1.75, 1, 1.5, 1.75])
    assert carried[:, 1] == pytest.approx(2 - 0.5 ** np.arange(6))
    assert (zeroed[:4] == carried[:4]).all() and zeroed[4:].tolist() == [[1, 1], [1.5, 1.5]]


def test_each_wrong_program_is_wrong_in_its_own_way():
    agent = cl.PPO(
        cl.make("InvertedPendulum-v5", num_envs=4, seed=0),
        cl.PPOConfig(cell="ctrnn", rollout_steps=32, sequence_length=8, minibatch_size=32, seed=0),
    )
    agent.begin()
    agent.collect()
    rollout, raw = agent.collect()
    right, changed = rollout.segments(8), {}
    for letter, pieces in wrong_replays(agent, rollout, raw, length=8).items():
        pairs = {name: (value, getattr(right, name)) for name, value in vars(pieces).items()}
        changed[letter] = {name for name, (a, b) in pairs.items() if not torch.equal(a, b)}
    assert changed == {"A": {"starts"}, "B": {"state"}, "C": {"x"}, "D": {"starts"}}


@pytest.mark.parametrize("cell", ["ctrnn", "ltc", "mlp"])
def test_a_fault_of_acting_shows_only_where_the_old_probability_is_that_of_acting(cell):
    config = cl.PPOConfig(cell=cell, rollout_steps=16, sequence_length=16, minibatch_size=64, seed=0)
    agent = cl.PPO(cl.make("InvertedPendulum-v5", num_envs=4, seed=0), config)
    agent.begin()
    agent.collect()

    def off(rollout):  # a piece as long as the rollout: replayed from its own first state
        mean, _ = agent.policy.sequence(rollout.x, rollout.state[0], rollout.starts)
        return (gaussian_log_prob(rollout.action, mean, agent.policy.log_std) - rollout.log_prob).abs().max().item()

    assert off(collect_as_acted(agent)[0]) < 1e-5 and "step" not in vars(agent.policy)
    kind = type(agent.policy)
    broken = type("Broken", (kind,), {"step": lambda policy, x, state: kind.step(policy, 3 * x, state)})
    agent.policy.__class__ = broken
    assert off(agent.collect()[0]) < 1e-5 and off(collect_as_acted(agent)[0]) > 1e-3


def test_without_a_cell_there_is_nothing_to_carry():
    agent = cl.PPO(
        cl.make("InvertedPendulum-v5", num_envs=4, seed=0), cl.PPOConfig(rollout_steps=16, minibatch_size=64)
    )
    agent.begin()
    with pytest.raises(ArgumentError, match="agent has no cell"):
        collect_as_acted(agent)


def test_a_gradient_is_exact_over_the_whole_rollout_and_settings_are_in_full():
    errors = gradient_errors()
    assert errors[64] == 0 and errors[1] > errors[8] > errors[32]
    assert json.loads(settings_with({"learning_rate": 1.0}))["learning_rate"] == 1.0
    assert json.loads(settings_with({}))["cell"]["neurons"] == BASE["cell"]["neurons"]
