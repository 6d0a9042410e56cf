"""DDPG, TD3 and SAC against independent oracles: quadrature, torch.distributions, autograd, Stable-Baselines3."""

import copy
import dataclasses
import errno
import os

import gymnasium as gym
import numpy as np
import pytest
import torch
from torch import nn
from torch.distributions import Independent, Normal, TransformedDistribution
from torch.distributions.transforms import TanhTransform

import course_lib as cl
from course_lib.__main__ import main
from course_lib.errors import ArgumentError, NonFiniteError, PolicyFileError
from course_lib.files import load_tensors
from course_lib.nets.ensemble import Ensemble, Pass, products
from course_lib.policies.actors import DeterministicActor, SquashedActor, squash
from course_lib.rl import fused_adam
from course_lib.rl.offpolicy import DDPG, SAC, TD3
from course_lib.rl.offpolicy_config import DDPGConfig, SACConfig, TD3Config
from course_lib.rl.q_learner import QLearner
from course_lib.rl.q_losses import actor_loss, critic_loss, masked_mean, smooth, td_target, temperature_loss
from course_lib.rl.replay import Replay

OBS, ACT = 3, 2
SMALL = dict(hidden=(16, 16), batch_size=32, learning_starts=64, buffer_size=5_000, rollout_steps=8)
PENDULUM = "InvertedPendulum-v5"


def small(kind=SAC, env=PENDULUM, copies=4, seed=0, **changes):
    return kind(cl.make(env, num_envs=copies, seed=seed), kind.Config(**{**SMALL, "seed": seed, **changes}))


def random_batch(n=64, seed=0):
    rng, buffer = np.random.default_rng(seed), Replay(n, OBS, ACT)
    x, after = rng.normal(size=(2, n, OBS))
    buffer.add(x, rng.uniform(-1, 1, (n, ACT)), after, rng.normal(size=n), rng.random(n) < 0.2)
    return buffer.batch(torch.arange(n))


def learner(config, seed=0):
    torch.manual_seed(seed)
    kind = SquashedActor if config.stochastic else DeterministicActor
    return QLearner(kind(OBS, ACT, config.hidden, 0.0, config.normalize_observation), config)


# --- the squashed Gaussian ----------------------------------------------------------------------


def test_log_prob_integrates_to_one():
    """Oracle: quadrature over (-1, 1) of exp(log π(a)) da, and of a π(a) da against the mean of samples."""
    for mean, log_std in ((0.0, 0.0), (0.7, -0.5), (-1.5, 0.3)):
        u = np.linspace(-9, 9, 4001)  # a = tanh u places the points where the density is steep
        noise = torch.from_numpy((u - mean) / np.exp(log_std))[:, None]
        one = torch.ones_like(noise)
        action, log_prob = squash(mean * one, log_std * one, noise)
        a = np.tanh(u)
        assert np.allclose(action[:, 0], a, atol=1e-12)
        density, da = log_prob.exp().numpy(), np.cosh(u) ** -2 * (u[1] - u[0])
        assert np.sum(density * da) == pytest.approx(1.0, abs=1e-6)
        many = torch.randn(100_000, 1, generator=torch.Generator().manual_seed(0))
        samples, _ = squash(torch.full_like(many, mean), torch.full_like(many, log_std), many)
        assert np.sum(density * a * da) == pytest.approx(samples.mean().item(), abs=6e-3)


def test_log_prob_equals_torch_distributions():
    torch.manual_seed(0)
    mean, log_std, noise = torch.randn(3, 50, 4, dtype=torch.float64)
    action, log_prob = squash(mean, log_std, noise)
    oracle = TransformedDistribution(Independent(Normal(mean, log_std.exp()), 1), TanhTransform(cache_size=1))
    u = mean + log_std.exp() * noise
    near = (u.abs() < 15).all(-1)  # beyond, the oracle's own atanh is at the end of its digits
    assert torch.allclose(log_prob[near], oracle.log_prob(torch.tanh(u))[near], atol=1e-4)
    assert torch.allclose(action, torch.tanh(u))


def test_squash_gradients_and_saturation():
    args = [torch.randn(6, 2, dtype=torch.float64, requires_grad=True) for _ in range(2)]
    noise = torch.randn(6, 2, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda m, s: squash(m, s, noise), args)
    action, log_prob = squash(torch.tensor([[60.0]]), torch.tensor([[0.0]]), torch.tensor([[0.0]]))
    # log(1 - tanh²u) -> 2 log 2 - 2u
    assert action == 1.0 and log_prob.item() == pytest.approx(-0.9189 - 2 * np.log(2) + 120, rel=1e-5)


@pytest.mark.parametrize("kind", [SquashedActor, DeterministicActor])
def test_actors_by_hand_equal_autograd(kind):
    """Also where log σ is cut off, so that nothing flows back through it."""
    torch.manual_seed(0)
    actor = kind(OBS, ACT, (8,)).double()
    actor.network.flat.data *= 6.0
    x, noise = torch.randn(40, OBS).double(), torch.randn(40, ACT).double()
    weights, weight = torch.randn(40, ACT).double(), torch.tensor(0.3, dtype=torch.float64)
    action, log_prob = actor.unit(x, noise)
    loss = (action * weights).sum() + (0.0 if log_prob is None else weight * log_prob.sum())
    (oracle,) = torch.autograd.grad(loss, [actor.network.flat])
    tape = Pass(actor.network)
    by_hand, density = actor.forward(tape, x, noise)
    assert torch.equal(by_hand, action) and (density is None or torch.equal(density, log_prob))
    assert torch.allclose(actor.backward(tape, weights, weight), oracle)
    if kind is SquashedActor:
        assert (actor.network(x)[0][:, ACT:] > 2.0).any()


# --- ensembles ----------------------------------------------------------------------------------


def as_sequential(ensemble, e):
    """Member e as a torch module of separate layers, in double precision."""
    layers = []
    for weight, bias in ensemble.layers():
        layer = nn.Linear(weight.shape[1], weight.shape[2]).double()
        layer.weight.data, layer.bias.data = weight[e].detach().double().T.clone(), bias[e, 0].detach().double()
        layers += [layer, nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def flat_gradient(ensemble, modules):
    """Gradients of the separate modules in the order of `ensemble.flat`."""
    parts = []
    for i in range(0, len(modules[0]), 2):
        parts += [torch.stack([m[i].weight.grad.T for m in modules]), torch.stack([m[i].bias.grad for m in modules])]
    return torch.cat([p.reshape(-1) for p in parts])


@pytest.mark.parametrize("members, out", [(1, 1), (2, 1), (3, 4)])
def test_ensemble_equals_separate_networks(members, out):
    torch.manual_seed(1)
    ensemble = Ensemble(members, [5, 16, 12, out]).double()
    modules = [as_sequential(ensemble, e) for e in range(members)]
    x = torch.randn(7, 5, dtype=torch.float64, requires_grad=True)
    y, oracle = ensemble(x), torch.stack([m(x) for m in modules])
    assert torch.allclose(y, oracle)
    weights = torch.randn_like(y)
    (oracle * weights).sum().backward()
    d_x, d_flat = torch.autograd.grad((y * weights).sum(), [x, ensemble.flat])
    assert torch.allclose(d_flat, flat_gradient(ensemble, modules)) and torch.allclose(d_x, x.grad)
    (fixed,) = torch.autograd.grad((ensemble(x, fixed=True) * weights).sum(), [x])
    assert torch.allclose(fixed, x.grad)
    tape = Pass(ensemble)
    tape.forward(torch.randn_like(x))  # used memory, of another batch
    assert torch.equal(tape.forward(x.detach()), y.detach())
    by_hand, columns = tape.backward(weights, wanted_x=2)
    assert torch.allclose(by_hand, d_flat) and torch.allclose(columns, d_x[:, -2:])


def test_first_member_alone_and_sequences():
    torch.manual_seed(2)
    ensemble, x = Ensemble(3, [5, 8, 1]), torch.randn(4, 6, 5)
    assert ensemble(x).shape == (3, 4, 6, 1) and torch.equal(ensemble(x, first=True)[0], ensemble(x)[0])
    (whole,) = torch.autograd.grad(ensemble(x)[0].sum(), [ensemble.flat])
    (alone,) = torch.autograd.grad(ensemble(x, first=True).sum(), [ensemble.flat])
    assert torch.allclose(whole, alone)


def test_ensemble_starts_where_torch_layers_do():
    torch.manual_seed(0)
    for (weight, bias), width in zip(Ensemble(2, [100, 400, 1]).layers(), (100, 400), strict=True):
        bound = 1 / np.sqrt(width)
        assert weight.abs().max() <= bound and weight.std().item() == pytest.approx(bound / np.sqrt(3), rel=0.1)
        assert bias.abs().max() <= bound


@pytest.mark.parametrize("steps", [fused_adam._fused, fused_adam._separate])
@pytest.mark.parametrize("norm", [float("inf"), 0.1])
def test_adam_equals_torch(monkeypatch, steps, norm):
    if not fused_adam._works(steps):
        pytest.skip("this torch has no fused Adam here")
    monkeypatch.setattr(fused_adam, "_adam", steps)
    torch.manual_seed(0)
    ours, x = nn.Linear(5, 3), torch.randn(20, 5)
    theirs = copy.deepcopy(ours)
    adam, oracle = fused_adam.FusedAdam(ours, 1e-2, max_grad_norm=norm), torch.optim.Adam(theirs.parameters(), 1e-2)
    for _ in range(20):
        adam.step(ours(x).square().mean())
        oracle.zero_grad()
        theirs(x).square().mean().backward()
        nn.utils.clip_grad_norm_(theirs.parameters(), norm)
        oracle.step()
    for p, q in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert torch.allclose(p, q, atol=1e-6)


def test_adam_lets_moments_of_dead_units_become_zero():
    if not torch.set_flush_denormal(False):
        pytest.skip("this processor has no such switch")
    dead = nn.Parameter(torch.ones(64))
    module = nn.Module()
    module.dead = dead
    adam = fused_adam.FusedAdam(module, 1e-3)
    adam.apply([torch.full((64,), 1e-30)])
    for _ in range(300):  # 0.9^300 = 2e-14: 1e-31 of the first step becomes 2e-45, a denormal number
        adam.apply([torch.zeros(64)])
    assert (adam.first[0] == 0).all() and not fused_adam.flushes_denormals()
    with fused_adam.denormals_are_zero():
        assert fused_adam.flushes_denormals()
        adam.apply([torch.zeros(64)])
        assert fused_adam.flushes_denormals()


# --- losses -------------------------------------------------------------------------------------


def test_target_by_hand():
    q = torch.tensor([[1.0, 2.0, 5.0], [3.0, 1.0, 4.0]])
    target = td_target(torch.tensor([1.0, 1.0, 1.0]), torch.tensor([0.0, 0.0, 1.0]), q, 0.9)
    assert torch.allclose(target, torch.tensor([1.9, 1.9, 1.0]))
    soft = td_target(torch.zeros(3), torch.zeros(3), q, 1.0, torch.tensor([-1.0, 2.0, 0.0]), 0.5)
    assert torch.allclose(soft, torch.tensor([1.5, 0.0, 4.0]))


def test_smoothing_is_clipped_twice():
    a = smooth(torch.tensor([0.0, 0.0, 0.9]), torch.tensor([1.0, 9.0, 9.0]), 0.2, 0.5)
    assert torch.allclose(a, torch.tensor([0.2, 0.5, 1.0]))


def test_padding_changes_no_loss_and_no_gradient():
    """Oracle: the same losses on the steps that count, cut out."""
    torch.manual_seed(0)
    mask = (torch.rand(9, 5) < 0.6).double()
    seen = mask.bool()
    q, log_prob, target = torch.randn(2, 9, 5).double(), torch.randn(9, 5).double(), torch.randn(9, 5).double()
    log_alpha = torch.tensor(0.3, dtype=torch.float64)
    losses = {
        "critic": lambda q, lp, y, m: critic_loss(q, y, m),
        "actor": lambda q, lp, y, m: actor_loss(q, lp, 0.2, m),
        "temperature": lambda q, lp, y, m: temperature_loss(log_alpha, lp, -2.0, m) + 0 * q.sum(),
    }
    for loss in losses.values():
        whole, cut = q.clone().requires_grad_(), q[:, seen].clone().requires_grad_()
        a, b = loss(whole, log_prob, target, mask), loss(cut, log_prob[seen], target[seen], None)
        assert torch.allclose(a, b)
        a.backward()
        b.backward()
        assert torch.allclose(whole.grad[:, seen], cut.grad) and not whole.grad[:, ~seen].any()
        junk = torch.where(seen, log_prob, 1e30)
        assert torch.equal(loss(torch.where(seen, q, 1e30), junk, target, mask), a)
    assert masked_mean(torch.tensor([1.0, float("inf")]), torch.tensor([1.0, 0.0])) == 1.0


def test_temperature_moves_towards_the_target_entropy():
    for entropy, sign in ((-5.0, 1), (3.0, -1)):  # too low: α must rise
        log_alpha = torch.zeros((), requires_grad=True)
        temperature_loss(log_alpha, torch.full((8,), -entropy), -1.0).backward()
        assert np.sign(-log_alpha.grad.item()) == sign


# --- an update ----------------------------------------------------------------------------------

SWITCHES = {
    "ddpg": DDPGConfig(),
    "td3": TD3Config(),
    "sac": SACConfig(),
    "twin critics": DDPGConfig(critics=2),
    "five critics, least": DDPGConfig(critics=5, actor_critic="least"),
    "smoothing": DDPGConfig(smoothing=0.2),
    "delay": DDPGConfig(policy_delay=3),
    "stochastic": DDPGConfig(stochastic=True),
    "entropy, fixed": DDPGConfig(stochastic=True, temperature=0.2),
    "entropy, learned": DDPGConfig(stochastic=True, temperature=0.2, learn_temperature=True, target_entropy=0.5),
    "no target actor": DDPGConfig(target_actor=False),
    "normalised, clipped": SACConfig(normalize_observation=True, max_grad_norm=0.05),
}


def reference(ours, batches, generator):
    """The same updates by autograd through every operation of the losses, and torch's own Adam."""
    c = ours.config
    actor, critics = copy.deepcopy(ours.actor), copy.deepcopy(ours.critics)
    target_actor, target_critics = copy.deepcopy(actor), copy.deepcopy(critics)
    log_alpha = None if ours.log_temperature is None else ours.log_temperature.detach().clone().requires_grad_()
    adam = [torch.optim.Adam([n.flat], c.learning_rate) for n in (critics, actor.network)]
    adam += [torch.optim.Adam([log_alpha], c.learning_rate)] if c.learn_temperature else []

    def noise(b):
        return torch.randn(len(b.reward), ACT, generator=generator)

    def step(optimizer, loss, extra=()):
        optimizer.zero_grad()
        loss.backward()
        tensors = [p for o in (optimizer, *extra) for group in o.param_groups for p in group["params"]]
        if np.isfinite(c.max_grad_norm):
            nn.utils.clip_grad_norm_(tensors, c.max_grad_norm)

    for k, b in enumerate(batches, start=1):
        x, after = actor.normalizer(b.observation), actor.normalizer(b.next_observation)
        alpha = 0.0 if log_alpha is None else log_alpha.exp().detach()
        with torch.no_grad():
            a, lp = (target_actor if c.target_actor else actor).unit(after, noise(b) if c.stochastic else None)
            a = smooth(a, noise(b), c.smoothing, c.smoothing_clip) if c.smoothing else a
            q = target_critics(torch.cat([after, a], -1)).squeeze(-1)
            y = td_target(b.reward, b.terminated, q, c.gamma, lp if c.temperature else None, alpha)
        step(adam[0], critic_loss(critics(torch.cat([x, b.action], -1)).squeeze(-1), y))
        adam[0].step()
        if k % c.policy_delay:
            continue
        a, lp = actor.unit(x, noise(b) if c.stochastic else None)
        q = critics(torch.cat([x, a], -1), fixed=True, first=c.actor_critic == "first").squeeze(-1)
        loss = actor_loss(q, lp if c.temperature else None, alpha)
        if c.learn_temperature:
            adam[2].zero_grad()
            wanted = -ACT if c.target_entropy is None else c.target_entropy
            loss = loss + temperature_loss(log_alpha, lp, wanted)
        step(adam[1], loss, adam[2:])
        for optimizer in adam[1:]:
            optimizer.step()
        with torch.no_grad():
            for slow, fast in ((target_critics.flat, critics.flat), (target_actor.network.flat, actor.network.flat)):
                slow.copy_((1 - c.tau) * slow + c.tau * fast)
    return critics.flat, actor.network.flat, target_critics.flat, target_actor.network.flat, log_alpha


@pytest.mark.parametrize("name", SWITCHES)
def test_updates_by_hand_equal_autograd(name):
    config = dataclasses.replace(SWITCHES[name], hidden=(32, 24), learning_rate=1e-2, tau=0.05)
    ours = learner(config)
    ours.actor.normalizer.update(np.random.default_rng(1).normal(1, 2, (100, OBS)))
    batches = [random_batch(seed=s) for s in range(6)]
    oracle = reference(ours, batches, torch.Generator().manual_seed(3))
    generator = torch.Generator().manual_seed(3)
    before = ours.actor.network.flat.detach().clone()
    for batch in batches:
        ours.update(batch, generator)
    slow = ours.target_actor.module.network.flat if config.target_actor else oracle[3]
    got = (ours.critics.flat, ours.actor.network.flat, ours.target_critics.module.flat, slow, ours.log_temperature)
    assert (ours.actor.network.flat - before).abs().max() > 1e-3
    for a, b in zip(got, oracle, strict=True):
        assert (a is None and b is None) or torch.allclose(a, b, atol=2e-4)


def test_truncation_never_cuts_the_bootstrap():
    """The same transitions, ended by time and ended by the problem: γ Q' stands in the first target only."""
    ours, batch = learner(TD3Config(hidden=(16,), smoothing=0.0)), random_batch()
    generator = torch.Generator().manual_seed(0)
    cut = dataclasses.replace(batch, terminated=torch.zeros(64))
    ended = dataclasses.replace(batch, terminated=torch.ones(64))
    action, _ = ours.target_actor.module.unit(batch.next_observation)
    q = ours.target_critics.module(torch.cat([batch.next_observation, action], -1)).squeeze(-1)
    expected = batch.reward + 0.99 * torch.minimum(*q)
    assert torch.allclose(ours.target(cut, cut.next_observation, generator), expected, atol=1e-6)
    assert torch.equal(ours.target(ended, ended.next_observation, generator), batch.reward)


@pytest.mark.parametrize("env", ["Reacher-v5", PENDULUM, "Pendulum-v1"])
def test_what_is_stored_where_episodes_end(env):
    """Oracle: a second set of copies, given the same actions."""
    agent, twin = small(env=env, copies=3, learning_starts=5_000), cl.make(env, num_envs=3, seed=0)
    agent.begin()
    before, _ = twin.reset(options={"stagger": True})
    cut = ended = 0
    for t in range(210):
        agent.collect()
        row = agent.replay.batch(torch.arange(3 * t, 3 * t + 3))
        observation, reward, terminated, truncated, infos = twin.step(agent.policy.scaled(row.action.numpy()))
        over = terminated | truncated
        following = np.where(over[:, None], infos["final_obs"], observation) if over.any() else observation
        for got, oracle in ((row.observation, before), (row.next_observation, following), (row.reward, reward)):
            assert np.allclose(got, oracle, atol=1e-4, rtol=1e-5)
        assert np.array_equal(row.terminated, terminated)  # never the truncations
        before, cut, ended = observation, cut + truncated.sum(), ended + terminated.sum()
    assert ended if env == PENDULUM else cut
    if over.any():
        assert not np.allclose(row.next_observation[over], observation[over])


def test_targets_move_by_polyak_exactly():
    ours = learner(TD3Config(hidden=(16,), tau=0.25, policy_delay=2))
    slow = ours.target_critics.module.flat.clone()
    ours.update(random_batch(), torch.Generator().manual_seed(0))
    assert torch.equal(ours.target_critics.module.flat, slow)  # only with every second update
    ours.update(random_batch(), torch.Generator().manual_seed(0))
    assert torch.equal(ours.target_critics.module.flat, slow + 0.25 * (ours.critics.flat - slow))
    start = learner(TD3Config(hidden=(16,))).actor.network.flat  # the same seed
    wanted = start + 0.25 * (ours.actor.network.flat - start)
    assert torch.allclose(ours.target_actor.module.network.flat, wanted, rtol=0, atol=1e-8)
    assert not ours.target_critics.module.flat.requires_grad


def test_bfloat16_factors_change_little_and_leave_torch_as_it_was():
    exact, rough = (learner(SACConfig(products=kind)) for kind in ("float32", "bfloat16"))
    for seed in range(3):
        for one in (exact, rough):
            one.update(random_batch(seed=seed), torch.Generator().manual_seed(seed))
    assert torch.get_float32_matmul_precision() == "highest"
    assert (exact.critics.flat - rough.critics.flat).abs().mean() < 1e-4
    with pytest.raises(ZeroDivisionError), products("bfloat16"):
        raise ZeroDivisionError
    assert torch.get_float32_matmul_precision() == "highest"


# --- Stable-Baselines3 --------------------------------------------------------------------------


class Points(gym.Env):
    observation_space = gym.spaces.Box(-9, 9, (OBS,), np.float32)
    action_space = gym.spaces.Box(-1, 1, (ACT,), np.float32)

    def reset(self, *, seed=None, options=None):
        return np.zeros(OBS, np.float32), {}

    def step(self, action):
        return np.zeros(OBS, np.float32), 0.0, False, False, {}


def put(ensemble, e, linears):
    """Member e's weights into Stable-Baselines3's layers; two heads share the last one."""
    layers = list(ensemble.layers())
    for i, linear in enumerate(linears):
        weight, bias = layers[min(i, len(layers) - 1)]
        n = linear.out_features
        start = n if i >= len(layers) else 0
        linear.weight.data = weight[e].detach()[:, start : start + n].T.clone()
        linear.bias.data = bias[e, 0].detach()[start : start + n].clone()


def linears(module):
    return [m for m in module.modules() if isinstance(m, nn.Linear)]


def same(ensemble, e, layers, atol, read=lambda p: p):
    """Whether member e holds what `read` gives of each parameter of Stable-Baselines3's layers."""
    mine = [nn.Linear(m.in_features, m.out_features) for m in layers]
    put(ensemble, e, mine)
    pairs = [
        (getattr(a, n), read(getattr(b, n))) for a, b in zip(mine, layers, strict=True) for n in ("weight", "bias")
    ]
    return all(torch.allclose(a, b, atol=atol) for a, b in pairs)


@pytest.mark.parametrize("name", ["SAC", "TD3"])
def test_updates_equal_stable_baselines3(name, monkeypatch):
    sb3 = pytest.importorskip("stable_baselines3")
    from stable_baselines3.common.type_aliases import ReplayBufferSamples

    kind = SACConfig if name == "SAC" else TD3Config
    ours = learner(kind(hidden=(24, 24), learning_rate=1e-3, temperature=0.3 if name == "SAC" else 0.0))
    more = dict(ent_coef="auto_0.3") if name == "SAC" else {}
    model = getattr(sb3, name)(
        "MlpPolicy", Points(), learning_rate=1e-3, policy_kwargs={"net_arch": [24, 24]}, device="cpu", **more
    )
    model._setup_learn(1)
    q_nets = [linears(getattr(model.critic, f"qf{i}")) for i in (0, 1)]
    q_slow = [linears(getattr(model.critic_target, f"qf{i}")) for i in (0, 1)]
    for e in (0, 1):
        put(ours.critics, e, q_nets[e])
        put(ours.critics, e, q_slow[e])
    put(ours.actor.network, 0, linears(model.actor))
    if name == "TD3":
        put(ours.actor.network, 0, linears(model.actor_target))
    rng = torch.Generator().manual_seed(0)
    for step in range(1, 5):
        b, (mine, following) = random_batch(seed=step), torch.randn(2, 64, ACT, generator=rng)
        sample = ReplayBufferSamples(
            b.observation, b.action, b.next_observation, b.terminated[:, None], b.reward[:, None]
        )
        monkeypatch.setattr(model.replay_buffer, "sample", lambda *a, _b=sample, **k: _b)
        theirs = iter([mine, following])
        monkeypatch.setattr("torch.distributions.normal._standard_normal", lambda *a, _n=theirs, **k: next(_n))
        monkeypatch.setattr(torch.Tensor, "normal_", lambda self, m, s, _n=following: self.copy_(s * _n))
        model.train(1, 64)
        monkeypatch.undo()
        drawn = iter([following, mine])
        monkeypatch.setattr(ours, "_noise", lambda *a, _n=drawn: next(_n))
        ours.update(b, rng)
        monkeypatch.undo()
        if step == 1:  # the first moment is a tenth of the gradient; SB3's TD3 has no ½ before its squares
            moment = copy.deepcopy(ours.critics)
            moment.flat.data.copy_(ours.critic_optimizer.first[0])
            state, half = model.critic.optimizer.state, 1.0 if name == "SAC" else 0.5
            read = lambda p, _s=state, _h=half: _h * _s[p]["exp_avg"]  # noqa: E731
            assert all(same(moment, e, q_nets[e], 1e-6, read) for e in (0, 1))
    for e in (0, 1):
        assert same(ours.critics, e, q_nets[e], 5e-5)
        assert same(ours.target_critics.module, e, q_slow[e], 5e-6)
    assert same(ours.actor.network, 0, linears(model.actor), 5e-5)
    if name == "SAC":
        assert ours.log_temperature.item() == pytest.approx(model.log_ent_coef.item(), abs=1e-5)
    else:
        assert same(ours.target_actor.module.network, 0, linears(model.actor_target), 5e-6)


# --- agents -------------------------------------------------------------------------------------


def same_run(a, b):
    clock = ("wall_seconds", "steps_per_second")
    curves = all(np.array_equal(a.curve[k], b.curve[k], equal_nan=True) for k in a.curve if k not in clock)
    (left, _), (right, _) = a.agent.state_dict(), b.agent.state_dict()
    return curves and left.keys() == right.keys() and all(torch.equal(left[k], right[k]) for k in left)


def test_td3_with_its_switches_off_is_ddpg():
    off = dict(critics=1, smoothing=0.0, policy_delay=1)
    ddpg, td3, other = (
        cl.train(small(kind, **c), 320, progress=False) for kind, c in ((DDPG, {}), (TD3, off), (TD3, {}))
    )
    assert same_run(ddpg, td3) and not torch.equal(ddpg.policy.network.flat, other.policy.network.flat)


@pytest.mark.parametrize("name", SWITCHES)
def test_each_switch_trains_alone(name):
    changes = {f.name: getattr(SWITCHES[name], f.name) for f in dataclasses.fields(DDPGConfig) if f.name not in SMALL}
    run = cl.train(small(DDPG, **{**changes, "seed": 0}), 256, progress=False)
    assert run.agent.learner.updates == 196 and np.isfinite(run.latest["critic_loss"])
    assert ("entropy_mean" in run.curve) == SWITCHES[name].stochastic
    assert ("temperature" in run.curve) == (SWITCHES[name].temperature > 0)


@pytest.mark.parametrize("copies, ratio", [(1, 1.0), (4, 0.25), (4, 0.3), (3, 2.0)])
def test_updates_per_step(copies, ratio):
    agent = small(copies=copies, updates_per_step=ratio, learning_starts=60, rollout_steps=20)
    run = cl.train(agent, copies * 100, progress=False)
    counted = run.agent.env_steps - 60 + copies  # the step that fills the buffer to `learning_starts` counts
    assert abs(agent.learner.updates - ratio * counted) <= 1


@pytest.mark.parametrize("hold", [1, 5])
def test_random_actions_are_held(hold):
    agent = small(copies=2, random_hold=hold, learning_starts=200)
    agent.begin()
    while agent.env_steps < 86:
        agent.collect()
    again = small(copies=2, random_hold=hold, learning_starts=200)
    again.load_state_dict(*agent.state_dict())  # in the middle of a hold
    for one in (agent, again):
        while one.env_steps < 200:
            one.collect()
    actions = agent.replay.batch(torch.arange(200)).action.reshape(100, 2)
    assert torch.equal(actions, again.replay.batch(torch.arange(200)).action.reshape(100, 2))
    blocks = actions.reshape(-1, hold, 2)
    assert (blocks == blocks[:, :1]).all() and len(torch.unique(blocks[:, 0])) == 200 // hold
    assert abs(actions.mean()) < 0.35 and actions.abs().max() <= 1.0


class Crash(Exception):
    pass


class At:
    def __init__(self, n, action):
        self.n, self.action = n, action

    def on_update(self, run):
        if run.agent.iterations == self.n:
            self.action(run)


def crash(run):
    raise Crash


@pytest.mark.parametrize("kind, env", [(SAC, PENDULUM), (TD3, "InvertedDoublePendulum-v5")])  # both engines
def test_resume_equals_never_having_stopped(tmp_path, kind, env):
    """Also where the buffer has gone round its end."""
    make = lambda: small(kind, env, buffer_size=300, updates_per_step=0.4)  # noqa: E731
    whole = cl.train(make(), 800, progress=False)
    with pytest.raises(Crash):
        stop = [At(13, lambda run: run.checkpoint()), At(16, crash)]
        cl.train(make(), 800, folder=tmp_path, progress=False, callbacks=stop)
    resumed = cl.train(make(), 800, folder=tmp_path, resume=True, progress=False)
    assert same_run(whole, resumed)


def test_a_buffer_that_was_not_saved_is_filled_again(tmp_path):
    run = cl.train(small(save_buffer=False), 320, folder=tmp_path, progress=False)
    size = os.path.getsize(tmp_path / "checkpoint.safetensors")
    agent = small(save_buffer=False)
    cl.train(agent, 640, folder=tmp_path, resume=True, progress=False)
    # 64 transitions of acting, with the policy and not at random, before updates go on
    assert agent.env_steps == 640 and agent.replay.size == 320
    assert agent.learner.updates == run.agent.learner.updates + 320 - 64 + 4
    with_buffer = cl.train(small(), 320, folder=tmp_path / "b", progress=False)
    assert (
        os.path.getsize(tmp_path / "b" / "checkpoint.safetensors") > size + 4 * with_buffer.agent.replay.size * 11 - 999
    )


@pytest.mark.parametrize("kind", [SAC, TD3])
def test_loaded_policies_act_with_and_without_noise(tmp_path, kind):
    run = cl.train(small(kind, "Pendulum-v1"), 320, progress=False)
    loaded = cl.load(run.save_policy(tmp_path / "p"))
    obs = np.random.default_rng(0).normal(size=(6, 3))
    for deterministic in (True, False):
        rngs = (np.random.default_rng(7), np.random.default_rng(7), np.random.default_rng(8))
        a, b, c = (
            p.act(obs, deterministic=deterministic, rng=rng)[0]
            for p, rng in zip((run.policy, loaded, loaded), rngs, strict=True)
        )
        assert np.array_equal(a, b) and np.array_equal(b, c) == deterministic
        assert a.shape == (6, 1) and np.abs(a).max() <= 2.0 and a.dtype == np.float32
    step, _ = loaded.step(torch.from_numpy(obs).float(), loaded.initial_state(6))
    assert np.allclose(step.detach(), loaded.act(obs)[0], atol=1e-6)
    assert loaded.header["algorithm"] == run.agent.name
    result = cl.evaluate(loaded, episodes=3)
    assert result.deterministic.mean != result.stochastic.mean


def test_actions_reach_the_bounds_of_the_environment():
    actor = SquashedActor(3, 2)
    actor.action_low, actor.action_high = np.array([-1.0, 0.0], np.float32), np.array([3.0, 10.0], np.float32)
    assert np.allclose(actor.scaled(np.array([[-1.0, -1.0], [1.0, 1.0], [0.0, 0.0]])), [[-1, 0], [3, 10], [1, 5]])


def test_training_goes_on_from_a_policy():
    old = cl.train(small(), 128, progress=False).policy
    agent = SAC(cl.make(PENDULUM, 4), SACConfig(**SMALL), policy=old)
    assert torch.equal(agent.policy.network.flat, old.network.flat) and agent.policy is not old
    with pytest.raises(ArgumentError, match="policy=SquashedActor is not accepted; .* DeterministicActor"):
        TD3(cl.make(PENDULUM, 4), policy=old)
    with pytest.raises(ArgumentError, match="policy takes 4 observations to 1 actions; these envs need 11 to 3"):
        SAC(cl.make("Hopper-v5", 4), policy=old)


def test_a_policy_to_start_from_goes_on_seeing_what_it_saw():
    """One that normalises does so in learning, too, whatever the config says."""
    old = cl.train(small(normalize_observation=True), 128, progress=False).policy
    agent = SAC(cl.make(PENDULUM, 4), SACConfig(**SMALL), policy=old)
    cl.train(agent, 128, progress=False)
    batch = agent.replay.sample(8, agent.generator)
    x, x_next, x_action = agent.learner._inputs(batch)
    assert torch.equal(x, old.normalizer(batch.observation)) and not torch.equal(x, batch.observation)
    assert torch.equal(x_next, old.normalizer(batch.next_observation)) and torch.equal(x_action[:, :4], x)


def test_an_actor_with_memory_is_none_of_sac_and_the_other_way_round():
    plain = small().policy
    remembering = cl.RSAC(cl.make(PENDULUM, 2), cl.RSACConfig(cell=dict(name="ltc", neurons=4), hidden=(8,))).policy
    with pytest.raises(ArgumentError, match="policy=RecurrentSquashedActor is not accepted"):
        SAC(cl.make(PENDULUM, 2), policy=remembering)
    with pytest.raises(ArgumentError, match="policy=SquashedActor is not accepted"):
        cl.RSAC(cl.make(PENDULUM, 2), policy=plain)


@pytest.mark.parametrize("kind", [SAC, cl.RSAC])
def test_the_horizon_in_seconds_is_the_same_at_every_control_rate(kind):
    for rate in (0.5, 1, 2):
        agent = kind(cl.make(PENDULUM, 2, disturb=dict(rate=rate)), kind.Config(gamma=0.99))
        assert agent.learner.gamma == pytest.approx(0.99 ** (1 / rate), rel=1e-12)
        assert agent.learner.gamma ** (rate * 50) == pytest.approx(0.99**50)
    with pytest.raises(ArgumentError, match="whose control steps last 0.5, 1 times the usual are not accepted by"):
        kind(cl.make(PENDULUM, 2, disturb=dict(rate=[1, 2])))


def test_command_line(tmp_path, capsys):
    options = ["--env", PENDULUM, "--num-envs", "4", "--batch-size", "32", "--learning-starts", "64"]
    for steps in ("200", "300"):
        words = ["--steps", steps, "--folder", str(tmp_path), "--hidden", "16", "16", "--resume"]
        assert main(["train", "sac", *options, *words]) == 0
    assert main(["evaluate", str(tmp_path), "--episodes", "2"]) == 0
    out = capsys.readouterr().out
    assert "sac on InvertedPendulum-v5: 320 steps" in out and "transitions of 44 bytes, 42 MiB when full" in out


def test_sac_swings_the_pendulum_up():
    config = SACConfig(
        hidden=(32, 32), batch_size=64, learning_starts=400, learning_rate=3e-3, tau=0.02, buffer_size=5_000, seed=1
    )
    agent = SAC(cl.make("Pendulum-v1", num_envs=8, seed=1), config)
    cl.train(agent, 3_000, progress=False)
    assert cl.evaluate(agent, episodes=10, seed=100).deterministic.mean > -300  # at random: -1,200


# --- bad input ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes, sentence",
    [
        (
            dict(batch_size=256, learning_starts=100),
            "batch_size=256 is more than the buffer can give when updates begin",
        ),
        (dict(learning_starts=10, buffer_size=5), "learning_starts=10 is more than the buffer holds"),
        (dict(critics=0), "critics=0 is not accepted; it must be a whole number of at least 1"),
        (dict(policy_delay=1.5), "policy_delay=1.5"),
        (dict(random_hold=0), "random_hold=0 is not accepted; it must be a whole number of at least 1"),
        (dict(gamma=1.1), "gamma=1.1 .* number of at least 0 and at most 1"),
        (dict(tau=0.0), "tau=0.0 is not accepted; it must be a finite number above 0 and at most 1"),
        (dict(learning_rate=float("nan")), "learning_rate=nan"),
        (dict(updates_per_step="1"), "updates_per_step='1'"),
        (dict(stochastic="yes"), "stochastic='yes' is not accepted; it must be True or False"),
        (dict(products="bfloat"), "products='bfloat' is not known.*did you mean 'bfloat16'"),
        (dict(actor_critic="min"), "actor_critic='min'"),
        (dict(temperature=0.1), "need an actor that has entropy: stochastic=True"),
        (dict(stochastic=True, learn_temperature=True), "temperature=0 cannot be learned"),
        (dict(target_entropy=float("inf")), "target_entropy=inf"),
        (dict(hidden=(0,)), "hidden=0"),
        (dict(seed=-1), "seed=-1"),
    ],
)
def test_configs_refused(changes, sentence):
    with pytest.raises(ArgumentError, match=sentence):
        DDPGConfig(**changes)


def boxes(low, high, obs=(2,)):
    class Box(gym.Env):
        observation_space = gym.spaces.Box(-9, 9, obs, np.float32)
        action_space = gym.spaces.Box(low, high, (1,), np.float32) if low is not None else gym.spaces.Discrete(2)
        t = 0

        def reset(self, *, seed=None, options=None):
            return np.zeros(obs, np.float32), {}

        def step(self, action):
            self.t += 1
            return np.zeros(obs, np.float32), float("nan") if self.t == 40 else 1.0, False, False, {}

    mode = {"autoreset_mode": gym.vector.AutoresetMode.SAME_STEP}
    return gym.vector.SyncVectorEnv([Box] * 2, **mode)


def test_environments_refused():
    with pytest.raises(ArgumentError, match=r"the action bounds \[-inf\] to \[inf\] are not accepted; sac stretches"):
        SAC(boxes(-np.inf, np.inf))
    with pytest.raises(ArgumentError, match="needs a flat Box .continuous"):
        TD3(boxes(None, None))
    with pytest.raises(ArgumentError, match="not images"):
        DDPG(boxes(-1, 1, (2, 2)))
    with pytest.raises(ArgumentError, match="autoreset_mode"):
        SAC(gym.make_vec("Pendulum-v1", 2))
    with pytest.raises(ArgumentError, match="buffer_size=5 holds less than one step of num_envs=8 copies"):
        SAC(cl.make(PENDULUM, 8), SACConfig(buffer_size=5, learning_starts=5, batch_size=5))


def test_nan_reward_stops_training_and_keeps_the_checkpoint(tmp_path):
    agent = SAC(boxes(-1, 1), SACConfig(**{**SMALL, "learning_starts": 32}))
    with pytest.raises(NonFiniteError, match="reward of SyncVectorEnv is nan in copy 0 at step 40"):
        cl.train(agent, 1000, folder=tmp_path, checkpoint_every=0.0, progress=False)
    _, header = load_tensors(tmp_path / "checkpoint.safetensors", "liquid-control checkpoint 1")
    assert header["agent"]["env_steps"] == 4 * 16


def test_nan_loss_stops_training():
    agent = small()
    agent.iterate(0.0)
    with torch.no_grad():
        agent.learner.critics.flat[0] = float("nan")
    with pytest.raises(NonFiniteError, match="critic_loss is nan at environment step"):
        cl.train(agent, 1000, progress=False)


def test_disk_full_on_saving_the_buffer(tmp_path, monkeypatch):
    run = cl.train(small(), 320, folder=tmp_path, progress=False)
    saved = (tmp_path / "checkpoint.safetensors").read_bytes()

    def full(handle):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(
        PolicyFileError, match="No space left on device.*MiB of it are the replay buffer: save_buffer=False"
    ):
        cl.train(run, 32, progress=False)
    assert (tmp_path / "checkpoint.safetensors").read_bytes() == saved and len(list(tmp_path.iterdir())) == 3


def test_a_checkpoint_of_another_shape_is_refused(tmp_path):
    run = cl.train(small(), 128, folder=tmp_path, progress=False)
    with pytest.raises(ArgumentError, match=r"is of another training: hidden: \[16, 16\] there, \[8\] here"):
        cl.train(small(hidden=(8,)), 256, folder=tmp_path, resume=True, progress=False)
    with pytest.raises(ArgumentError, match="is of another training: .*algorithm: 'sac' there, 'td3' here"):
        cl.train(small(TD3), 256, folder=tmp_path, resume=True, progress=False)
    with pytest.raises(ArgumentError, match="the checkpoint does not fit this"):
        small(hidden=(8,)).load_state_dict(*run.agent.state_dict())


def test_recommended_settings():
    assert SACConfig.recommended("HalfCheetah-v5", seed=3).seed == 3
    assert isinstance(TD3Config.recommended("course/HalfCheetah-v5"), TD3Config)
