"""Layers in C: passes through ensembles, Adam, targets and PPO's epochs are those of torch, whoever does which part."""

import os
import subprocess
import sys
import threading

import numpy as np
import pytest
import torch
from torch import nn

import course_lib as cl
from course_lib.errors import ArgumentError
from course_lib.machine import Pace
from course_lib.nets import compiled, dense
from course_lib.nets.ensemble import Ensemble, Pass
from course_lib.policies.actor_critics import MLPActorCritic
from course_lib.rl import ppo_epoch
from course_lib.rl.optim import FlatAdam
from course_lib.rl.ppo import PPO, PPOConfig
from course_lib.rl.ppo_epoch import Epoch

SHAPES = [[23, 256, 256, 1], [17, 64, 12], [5, 7, 1], [3, 40, 33, 100, 2], [4, 1], [64, 64], [1, 1, 1]]


@pytest.fixture(autouse=True)
def _compiled(monkeypatch):
    if dense.PROGRAM.library() is None or ppo_epoch.PROGRAM.library() is None:
        pytest.skip(f"native code is {dense.PROGRAM.status()}")
    monkeypatch.setattr(dense, "WORTH_IT", 0)
    torch.manual_seed(0)


def on_threads(number: int, monkeypatch):
    monkeypatch.setattr(Pace, "choose", lambda pace: number)


def there_and_back(ensemble: Ensemble, x, first: bool, wanted_x: int):
    tape = Pass(ensemble)
    out = tape.forward(x, first)
    grad = torch.randn(out.shape, generator=torch.Generator().manual_seed(1))
    d_flat, d_x = tape.backward(grad, True, wanted_x)
    assert tape.backward(grad, False, 0) == (None, None)
    return out, grad, d_flat.clone(), d_x


# --- ensembles ----------------------------------------------------------------------------------


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("first", [False, True])
@pytest.mark.parametrize("members", [1, 2, 3, 5])
@pytest.mark.parametrize("sizes", SHAPES, ids=str)
def test_an_ensemble_is_its_networks(sizes, members, first, threads, monkeypatch):
    """Against torch's own modules and autograd, from one sample to more than fit into a block."""
    on_threads(threads, monkeypatch)
    ensemble = Ensemble(members, sizes)
    modules = []
    for e in range(1 if first else members):
        layers = []
        for weight, bias in ensemble.layers():
            linear = nn.Linear(weight.shape[1], weight.shape[2])
            linear.weight.data, linear.bias.data = weight[e].detach().T.clone(), bias[e, 0].detach().clone()
            layers += [linear, nn.ReLU()]
        modules.append(nn.Sequential(*layers[:-1]))
    for samples in (1, 2, 13, 300):
        x = torch.randn(samples, sizes[0], requires_grad=True)
        wanted_x = min(2, sizes[0])
        out, grad, d_flat, d_x = there_and_back(ensemble, x.detach(), first, wanted_x)
        oracle = torch.stack([module(x) for module in modules])
        torch.testing.assert_close(out, oracle, rtol=1e-4, atol=1e-5)
        (oracle * grad).sum().backward()
        torch.testing.assert_close(d_x, x.grad[:, -wanted_x:], rtol=1e-3, atol=1e-4)
        for (weight, bias), *linears in zip(
            ensemble.layers(d_flat),
            *([m for m in module if isinstance(m, nn.Linear)] for module in modules),
            strict=True,
        ):
            for e, linear in enumerate(linears):
                torch.testing.assert_close(weight[e], linear.weight.grad.T, rtol=1e-3, atol=2e-4)
                torch.testing.assert_close(bias[e, 0], linear.bias.grad, rtol=1e-3, atol=2e-4)
            assert not weight[len(linears) :].any() and not bias[len(linears) :].any()
        for module in modules:
            module.zero_grad()


@pytest.mark.parametrize("members, first", [(1, False), (2, False), (3, False), (2, True)])
def test_results_do_not_depend_on_threads(members, first, monkeypatch):
    ensemble, x = Ensemble(members, [23, 256, 256, 1]), torch.randn(256, 23)
    found = []
    for number in (1, 2, 2, 2):
        on_threads(number, monkeypatch)
        found.append(there_and_back(ensemble, x, first, 6))
    for other in found[1:]:
        assert all(torch.equal(a, b) for a, b in zip(found[0], other, strict=True))


@pytest.mark.parametrize("between", [nn.Tanh, nn.ELU, nn.ReLU])
@pytest.mark.parametrize("sizes", SHAPES, ids=str)
def test_a_plain_network_is_torchs(sizes, between, monkeypatch):
    layers = [part for a, b in zip(sizes[:-1], sizes[1:], strict=True) for part in (nn.Linear(a, b), between())]
    network = nn.Sequential(*layers[:-1])
    for number in ("1", "2"):
        monkeypatch.setenv("OMP_NUM_THREADS", number)
        for samples in (1, 13, 64, 241, 1000):
            x = 3 * torch.randn(samples, sizes[0])
            with torch.no_grad():
                torch.testing.assert_close(dense.stack(network, x), network(x), rtol=1e-4, atol=1e-5)
    assert dense.stack(network, x).requires_grad  # torch's
    with torch.no_grad():
        network.append(nn.Softmax(-1)), network.append(nn.Linear(sizes[-1], 2))
        assert torch.equal(dense.stack(network, x), network(x))


def test_what_is_not_a_number_stays_so():
    ensemble, x = Ensemble(2, [3, 8, 8, 1]), torch.randn(5, 3)
    x[2, 1] = float("nan")
    out = Pass(ensemble).forward(x)
    assert out[:, 2].isnan().all() and out.isnan().sum() == 2


def test_sizes_that_do_not_fit_are_refused():
    tape = Pass(Ensemble(2, [3, 8, 1]))
    with pytest.raises(ArgumentError, match=r"x of shape \(5, 4\) is not accepted; it must be \(samples, 3\)"):
        tape.forward(torch.randn(5, 4))
    tape.forward(torch.randn(5, 3))
    with pytest.raises(ArgumentError, match=r"grad of shape \(2, 4, 1\) is not accepted; it must be \(2, 5, 1\)"):
        tape.backward(torch.randn(2, 4, 1))
    with pytest.raises(ArgumentError, match="alike"):
        dense.follow(torch.zeros(3), torch.zeros(4), 0.1)
    with pytest.raises(ArgumentError, match="alike"):
        dense.adam([torch.zeros(3)], [torch.zeros(4)], [torch.zeros(3)], [torch.zeros(3)], 1, 0.1, 1e-8)


def test_other_numbers_are_torchs(monkeypatch):
    """float64, bfloat16 factors, and COURSE_NATIVE=0."""
    x, ensemble = torch.randn(3, 2), Ensemble(1, [2, 4, 1])
    assert dense.usable(x)
    assert not dense.usable(x.double()) and not dense.usable(x, x.double())
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")
    assert not dense.usable(x)
    torch.set_float32_matmul_precision(before)
    monkeypatch.setenv("COURSE_NATIVE", "0")
    assert not dense.usable(x)
    assert Pass(ensemble.double()).forward(x.double()).dtype == torch.float64


def test_several_callers_at_once(monkeypatch):
    """The helper serves one; the others work alone."""
    on_threads(2, monkeypatch)
    ensembles = [Ensemble(2, [23, 128, 128, 1]) for _ in range(4)]
    x, found = torch.randn(256, 23), {}

    def work(i):
        found[i] = [there_and_back(ensembles[i], x, False, 3) for _ in range(30)]

    workers = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    [w.start() for w in workers], [w.join(60) for w in workers]
    for i, ensemble in enumerate(ensembles):
        right = there_and_back(ensemble, x, False, 3)
        assert len(found[i]) == 30
        for result in found[i]:
            assert all(torch.equal(a, b) for a, b in zip(right, result, strict=True))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_a_forked_process_goes_on():
    """The helper is not there after a fork."""
    code = """if True:
        import os, torch
        from course_lib.machine import Pace
        from course_lib.nets import compiled, dense
        from course_lib.nets.ensemble import Ensemble, Pass
        Pace.choose, dense.WORTH_IT = (lambda pace: 2), 0
        torch.set_num_threads(1)
        tape, x = Pass(Ensemble(2, [23, 64, 1])), torch.randn(64, 23)
        out = tape.forward(x)
        child = os.fork()
        same = all(torch.equal(out, tape.forward(x)) for _ in range(200))
        if not child:
            os._exit(0 if same else 1)
        assert same and os.waitpid(child, 0)[1] == 0
    """
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


@pytest.mark.parametrize("flags", [("-march=unheard-of",), ()], ids=["unknown", "plain"])
def test_any_processor_of_the_kind_will_do(flags, monkeypatch, tmp_path):
    """Narrower vectors: tiles of other sizes."""
    ensemble, x = Ensemble(2, [23, 70, 40, 1]), torch.randn(50, 23)
    here = there_and_back(ensemble, x, False, 6)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(compiled, "MACHINE", (flags, ()))
    monkeypatch.setattr(dense.PROGRAM, "loaded", {})
    there = there_and_back(ensemble, x, False, 6)
    assert dense.PROGRAM.status().startswith("on: ")
    for a, b in zip(here, there, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5 * a.abs().max().item())


# --- Adam and targets ---------------------------------------------------------------------------


@pytest.mark.parametrize("numbers", [1, 5, 100, 50_001])
def test_adam_is_torchs(numbers):
    p = nn.Parameter(torch.randn(numbers))
    ours, first, second = p.detach().clone(), torch.zeros(numbers), torch.zeros(numbers)
    oracle = torch.optim.Adam([p], lr=3e-3, eps=1e-5)
    for step in range(1, 30):
        p.grad = torch.randn(numbers) * 10 ** torch.randn(())
        oracle.step()
        dense.adam([ours], [p.grad], [first], [second], step, 3e-3, 1e-5)
    torch.testing.assert_close(ours, p.detach(), rtol=1e-5, atol=1e-6)


def test_targets_follow():
    a, b = torch.randn(1001), torch.randn(1001)
    wanted = a.lerp(b, 0.005)
    dense.follow(a, b, 0.005)
    torch.testing.assert_close(a, wanted)


def test_rounding_of_the_process_is_left_alone():
    Pass(Ensemble(2, [3, 8, 1])).forward(torch.randn(4, 3))
    assert float(torch.tensor(1e-40) * 1.0) > 0


# --- PPO's epochs -------------------------------------------------------------------------------

CASES = [
    dict(),
    dict(minibatch_size=100, hidden=(7,)),  # the last minibatch is smaller
    dict(hidden=(40, 33, 50), activation="elu", entropy_coef=0.01),
    dict(hidden=()),
    dict(hidden=(300,), minibatch_size=512, init_log_std=-1.0, value_coef=2.0),
    dict(max_grad_norm=1e-3, clip=0.02),
    dict(normalize_advantage=False),
    dict(minibatch_size=3),
]


def agent_of(env="HalfCheetah-v5", **changes) -> tuple:
    common = dict(rollout_steps=32, minibatch_size=64, epochs=2)
    agent = PPO(cl.make(env, 16, seed=0), PPOConfig(**{**common, **changes}))
    agent.iterate(0.0)  # moments of Adam, and a policy that has moved
    rollout, _ = agent.collect()
    segments, order = rollout.segments(1), torch.randperm(512)
    agent.epoch(segments, order, 64)  # the ratio is no longer 1
    return agent, segments, order


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("changes", CASES, ids=str)
def test_an_epoch_is_that_of_torch(changes, threads, monkeypatch):
    on_threads(threads, monkeypatch)
    agent, segments, order = agent_of(**changes)
    adam, size = agent.optimizer, agent.config.minibatch_size
    before = adam.flat.clone(), adam.first.clone(), adam.second.clone(), adam.steps
    loss_pi, loss_v, log_ratio = agent.epoch(segments, order, size)
    after = adam.flat.clone(), adam.first.clone(), adam.second.clone(), adam.steps
    adam.flat.copy_(before[0]), adam.first.copy_(before[1]), adam.second.copy_(before[2])
    adam.steps = before[3]
    found = agent.in_c.run(segments, order, size, agent.entropy_coef)
    assert found[0] == pytest.approx(loss_pi, abs=1e-6) and found[1] == pytest.approx(loss_v, rel=1e-4)
    torch.testing.assert_close(found[2], log_ratio.flatten(), rtol=1e-4, atol=2e-5)
    assert adam.steps == after[3]
    for ours, theirs, old in zip((adam.flat, adam.first), after, before, strict=False):
        assert (ours - theirs).abs().max() < 1e-3 * (theirs - old).abs().max()


def test_an_epoch_does_not_depend_on_threads(monkeypatch):
    found = []
    for number in (1, 2, 2):
        on_threads(number, monkeypatch)
        torch.manual_seed(0)
        agent = PPO(cl.make("HalfCheetah-v5", 16, seed=0), PPOConfig(rollout_steps=32, minibatch_size=64, epochs=4))
        found.append([agent.iterate(0.0) for _ in range(3)])
        found[-1].append(agent.optimizer.flat.clone())
    for other in found[1:]:
        assert str(found[0][:3]) == str(other[:3]) and torch.equal(found[0][3], other[3])


def test_a_broken_gradient_breaks_the_weights():
    """So that training stops with a sentence, as it does without C."""
    agent, segments, order = agent_of()
    segments.advantage[0, 3] = float("nan")
    agent.in_c.run(segments, order, 64, 0.0)
    assert agent.optimizer.flat.isnan().any()


@pytest.mark.parametrize("low, high", [(None, None), (np.array(-0.3), np.array([0.2])), (np.full(6, -0.3), None)])
def test_a_policy_acts_within_bounds_of_any_shape_or_none(low, high):
    agent, *_ = agent_of()
    agent.policy.action_low, agent.policy.action_high = low, high
    noise, drawn = torch.randn(3, 5, 6), torch.empty(3, 5, 6)
    acting = agent.in_c.acting(noise, torch.empty(3, 5, 17), drawn)
    for t in range(3):
        done = acting(t, np.random.default_rng(t).normal(size=(5, 17)))
        wanted = drawn[t].clamp(-np.inf if low is None else -0.3, np.inf if high is None else 0.2)
        assert drawn[t].abs().max() > 0.5 and np.array_equal(done, wanted)


def test_only_what_fits_is_done_in_c():
    class Other(MLPActorCritic):
        pass

    class OtherLoss(PPO):
        def loss(self, batch):
            return super().loss(batch)

    envs, config = cl.make("InvertedPendulum-v5", 4), PPOConfig(rollout_steps=8, minibatch_size=16)
    assert PPO(envs, config).in_c and not OtherLoss(envs, config).in_c and not PPO(envs, config, Other).in_c
    assert not PPO(envs, PPOConfig(rollout_steps=16, minibatch_size=16, cell="ltc")).in_c
    policy = MLPActorCritic(3, 1)
    assert Epoch.fits(policy, FlatAdam(policy, 1e-3))
    policy = MLPActorCritic(3, 1).double()
    assert not Epoch.fits(policy, FlatAdam(policy, 1e-3))


def test_a_network_that_was_changed_is_torchs():
    """C must not pass by what stands behind the last layer, nor read layers that do not fit."""
    x = torch.randn(5, 3)
    with torch.no_grad():
        squashed = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 2), nn.Tanh())
        assert torch.equal(dense.stack(squashed, x), squashed(x))
        with pytest.raises(RuntimeError):
            dense.stack(nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(9, 1)), x)
        hooked = nn.Sequential(nn.Linear(3, 2))
        hooked.register_forward_hook(lambda module, args, out: out + 1)
        assert torch.equal(dense.stack(hooked, x), hooked(x))
    agent, segments, order = agent_of()
    agent.policy.actor.append(nn.Tanh())
    assert agent.in_c is None and not Epoch.fits(agent.policy, agent.optimizer)
    agent.iterate(0.0)  # in torch


def pruned(layers):
    with torch.no_grad():
        for m, rows, columns in ((layers[0], 5, 3), (layers[2], 2, 5)):
            m.weight = nn.Parameter(m.weight[:rows, :columns].clone())
            m.bias = nn.Parameter(m.bias[:rows].clone())
    return layers


def test_a_stack_is_what_its_tensors_are():
    """Sizes that a layer's attributes no longer tell, a slope of ELU other than 1, one layer twice."""
    x, twice = torch.randn(5, 3), nn.Linear(3, 3)
    for network in (
        pruned(nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 2))),
        nn.Sequential(nn.Linear(3, 8), nn.ELU(0.1), nn.Linear(8, 2)),
        nn.Sequential(twice, nn.Tanh(), twice),
    ):
        assert dense.kind_of(network) is None
        with torch.no_grad():
            assert torch.equal(dense.stack(network, x), network(x))


def test_what_is_replaced_in_an_agent_is_noticed():
    """C had gone on with the old optimiser's numbers, which nobody else looked at."""
    envs, config = cl.make("InvertedPendulum-v5", 4), PPOConfig(rollout_steps=8, minibatch_size=16)
    agent = PPO(envs, config)
    first = agent.in_c
    agent.iterate(0.0)
    assert agent.in_c is first
    agent.optimizer = FlatAdam(agent.policy, 1e-2)
    before = agent.policy.actor[0].weight.clone()
    agent.iterate(0.0)
    assert agent.in_c is not first and agent.in_c.optimizer is agent.optimizer
    assert not torch.equal(before, agent.policy.actor[0].weight), "the policy that is saved is the one that learns"
    agent.policy.actor[1] = nn.ELU()
    assert agent.in_c is None  # the critic's is another
    agent.policy.critic[1] = agent.policy.actor[3] = agent.policy.critic[3] = nn.ELU()
    assert agent.in_c.kind == dense.kind_of(agent.policy.actor)
    agent.policy.actor[0] = nn.Linear(4, 64)  # which the optimiser does not know
    assert agent.in_c is None
    agent = PPO(envs, config)
    agent.loss = lambda batch: PPO.loss(agent, batch)
    assert agent.in_c is None
    few = MLPActorCritic(17, 6)
    few.log_std = nn.Parameter(torch.zeros(1))  # one σ for six actions
    assert not Epoch.fits(few, FlatAdam(few, 1e-3))


def test_a_policy_that_moved_too_far_is_told_as_in_torch():
    agent, segments, order = agent_of()
    segments.log_prob -= 200.0
    segments.advantage[:] = -1.0
    agent.config.normalize_advantage = False
    assert not np.isfinite(agent.in_c.run(segments, order, 64, 0.0)[0])


def test_a_second_way_back_leaves_the_first_alone():
    torch.manual_seed(0)
    ensemble, x = Ensemble(2, [3, 8, 1]), torch.randn(5, 3)
    out = ensemble(x)
    one, two = (torch.autograd.grad(out[k].sum(), ensemble.flat, retain_graph=True)[0] for k in range(2))
    with torch.no_grad():
        assert not torch.equal(one, two) and (one.abs() > 0).sum() == (two.abs() > 0).sum() > 0
    flat = torch.randn_like(ensemble.flat, requires_grad=True)
    loss = torch.func.functional_call(ensemble, {"flat": flat}, (x,)).square().sum()
    (found,) = torch.autograd.grad(loss, flat)
    copy = Ensemble(2, [3, 8, 1])
    with torch.no_grad():
        copy.flat.copy_(flat)
    (expected,) = torch.autograd.grad(copy(x).square().sum(), copy.flat)
    assert torch.allclose(found, expected, rtol=1e-4, atol=1e-4)


def test_an_epoch_checks_what_it_is_given():
    agent, segments, order = agent_of()
    for wrong in (order[:-1], order.int(), order + 1, order[:0]):
        with pytest.raises(ArgumentError, match="is not accepted; it must be"):
            agent.in_c.run(segments, wrong, 64, 0.0)
    segments.x = segments.x.double()
    with pytest.raises(ArgumentError, match="x of shape"):
        agent.in_c.run(segments, order, 64, 0.0)


# --- threads ------------------------------------------------------------------------------------


def test_the_quicker_way_is_found(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr("course_lib.machine.cores", lambda: 2)
    for speed in ({1: 1.0, 2: 0.6}, {1: 1.0, 2: 3.0}):
        pace, used = Pace(every=20), []
        for _ in range(200):
            used.append(pace.choose())
            pace.took(used[-1], speed[used[-1]])
        assert np.bincount(used)[min(speed, key=speed.get)] >= 188
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert {Pace(every=2).choose() for _ in range(10)} == {1}
