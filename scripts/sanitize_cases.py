"""What `sanitize.py` runs where every allocation has a fence: random cases through all functions in C.

Most compare with torch. `inside` runs them; `overflow` shows that fences work.
"""

from __future__ import annotations

import os
import random
from types import SimpleNamespace

import numpy as np
import torch

from course_lib.errors import ArgumentError
from course_lib.machine import Pace
from course_lib.nets import dense, native, wiring
from course_lib.nets.cells import make_cell
from course_lib.nets.ensemble import Ensemble, Pass
from course_lib.policies.actor_critics import MLPActorCritic
from course_lib.policies.actors import DeterministicActor, SquashedActor
from course_lib.rl import ppo_epoch, q_update
from course_lib.rl.offpolicy import DDPG, SAC, TD3
from course_lib.rl.optim import FlatAdam
from course_lib.rl.ppo_config import PPOConfig
from course_lib.rl.q_learner import QLearner
from course_lib.rl.replay import Replay

GATED = ("gru", "cfc")  # have no solver
KINDS = [(name, "fused") for name in ("synaptic_ltc", "ltc", "ctrnn", *GATED)]
KINDS += [(name, solver) for name in ("ltc", "ctrnn", "neural_ode") for solver in ("euler", "midpoint", "rk4")]
TOLERANCE = {torch.float32: 2e-4, torch.float64: 1e-9}
PROGRAMS = [(native.KERNELS, defines) for defines in native.TYPES.values()]
PROGRAMS += [(dense.PROGRAM, ()), (ppo_epoch.PROGRAM, ()), (q_update.PROGRAM, ())]


def strided(x: torch.Tensor, rng: random.Random) -> torch.Tensor:
    """Equal to x, laid out in one of many ways in memory."""
    way = rng.randrange(4)
    if way == 1 and x.ndim > 1:
        return x.transpose(0, 1).contiguous().transpose(0, 1)
    if way == 2:
        return torch.stack([x, torch.zeros_like(x)], dim=-1)[..., 0]
    if way == 3:
        return torch.cat([torch.zeros_like(x[:1]), x])[1:]
    return x


def draw(rng: random.Random):
    """A cell, and the arguments of its `sequence`."""
    torch.set_default_dtype(rng.choice(list(native.TYPES)))
    torch.manual_seed(rng.randrange(2**31))
    (name, solver), inputs, neurons = rng.choice(KINDS), rng.randint(1, 4), rng.choice([1, 2, 3, 5, 8, 17])
    options = {"substeps": rng.randint(1, 4), "input": rng.choice(["held", "initial"])}
    if name in GATED:
        options = {}
    elif name != "synaptic_ltc":
        options["solver"] = solver
    if neurons > 2 and rng.random() < 0.2:
        options["wiring"] = wiring.random(inputs, neurons, 0.6, seed=rng.randrange(1000), attempts=200)
    cell = make_cell(name, inputs, neurons, **options)
    T, B = rng.randint(1, 6), rng.choice([1, 2, 7, 8, 9, 15, 16, 17, 33])
    x, h = strided(torch.randn(T, B, inputs), rng), strided(torch.randn(B, neurons), rng)
    starts = rng.choice([None, torch.rand(T, B) < 0.3, torch.ones(T, B) > 0, (torch.rand(T, 1) < 0.5).expand(T, B)])
    times = [0.3, torch.tensor(0.2), torch.rand(T) + 0.1, torch.rand(T, B) + 0.1, (torch.rand(T, 1) + 0.1).expand(T, B)]
    dt = rng.choice(times)
    starts = starts if starts is None else strided(starts, rng)
    return cell, x, h, starts, strided(dt.double(), rng) if isinstance(dt, torch.Tensor) and dt.ndim else dt


def results(on: str, cell, x, h, starts, dt, gradient):
    os.environ["COURSE_NATIVE"] = on
    wanted = [x.detach().requires_grad_(), h.detach().requires_grad_(), *cell.parameters()]
    out = cell.sequence(*wanted[:2], starts, dt)
    return [out.detach(), *torch.autograd.grad(out, wanted, gradient)]


def check(rng: random.Random) -> str | None:
    """One case; what was wrong with it, or None."""
    cell, x, h, starts, dt = draw(rng)
    what = f"{cell} x {tuple(x.shape)} {x.dtype}"
    if rng.random() < 0.15:
        wrong = rng.choice([h[:, :-1], h[:-1], h[None], torch.cat([h, h], 1), torch.cat([h, h]), h.float().half()])
        try:
            cell.sequence(x, wrong, starts, dt)
        except ArgumentError:
            return None
        return f"{what}: h of shape {tuple(wrong.shape)}, {wrong.dtype} was not refused"
    gradient = strided(torch.randn(*x.shape[:2], cell.neurons), rng)
    if rng.random() < 0.2:
        gradient = torch.ones(()).expand(gradient.shape)
    here, there = (results(on, cell, x, h, starts, dt, gradient) for on in "10")
    for i, (a, b) in enumerate(zip(here, there, strict=True)):
        worst = (a - b).abs().max().item() / max(b.abs().max().item(), 1.0)
        if not worst < TOLERANCE[x.dtype]:
            return f"{what}: result {i} is not that of torch, but for {worst:.1e}"
    return None


def check_ensemble(rng: random.Random) -> str | None:
    """There and back through an ensemble of odd sizes, in C and in torch."""
    torch.set_default_dtype(torch.float32)
    torch.manual_seed(rng.randrange(2**31))
    Pace.choose, dense.WORTH_IT = lambda pace: rng.choice([1, 2]), 0
    sizes = [rng.choice([1, 2, 5, 16, 31, 32, 33, 64, 97, 128]) for _ in range(rng.randint(2, 5))]
    ensemble, first = Ensemble(rng.choice([1, 2, 3]), sizes), rng.random() < 0.3
    x, columns, found = (
        strided(torch.randn(rng.choice([1, 2, 11, 12, 13, 64, 250]), sizes[0]), rng),
        rng.choice([0, 1]),
        [],
    )
    for on in "10":
        os.environ["COURSE_NATIVE"] = on
        tape = Pass(ensemble)
        out = tape.forward(x, first)
        grad = strided(torch.ones_like(out), rng)
        found.append([out, *filter(lambda d: d is not None, tape.backward(grad, True, columns))])
    for i, (a, b) in enumerate(zip(*found, strict=True)):
        if not (a - b).abs().max().item() < 1e-4 * max(b.abs().max().item(), 1.0):
            return f"ensemble {sizes}, x {tuple(x.shape)}: result {i} is not that of torch"
    return None


def check_epoch(rng: random.Random) -> str | None:
    """A pass of PPO over a made-up rollout, with one thread and with two."""
    torch.set_default_dtype(torch.float32)
    os.environ["COURSE_NATIVE"] = "1"
    obs, act, batch = rng.choice([1, 3, 17, 33]), rng.choice([1, 2, 6, 35]), rng.choice([1, 13, 100, 500])
    hidden = tuple(rng.choice([1, 7, 32, 64, 100]) for _ in range(rng.randint(0, 3)))
    minibatch, seed, found = rng.randint(1, batch), rng.randrange(2**31), []
    for number in (1, 2):
        torch.manual_seed(seed)
        Pace.choose = lambda pace, number=number: number
        policy = MLPActorCritic(obs, act, hidden, activation="elu" if seed % 2 else "tanh")
        adam = FlatAdam(policy, 1e-3, max_grad_norm=0.5)
        epoch = ppo_epoch.Epoch(policy, adam, PPOConfig())
        shapes = dict(x=(obs,), action=(act,), log_prob=(), advantage=(), target=())
        rollout = SimpleNamespace(**{k: torch.randn(1, batch, *shape) for k, shape in shapes.items()})
        found.append((epoch.run(rollout, torch.randperm(batch), minibatch, 0.01), adam.flat.clone()))
    if not torch.equal(found[0][1], found[1][1]) or not found[0][1].isfinite().all():
        return f"epoch of {batch} by {minibatch}, {obs} to {act}, {hidden}: results differ between threads"
    return check_acting(policy, epoch, rng.randint(1, 4), rng.choice([1, 2, 13, 64]))


def check_acting(policy: MLPActorCritic, epoch: ppo_epoch.Epoch, steps: int, copies: int) -> str | None:
    """A rollout's actions."""
    obs, act = policy.obs_dim, len(policy.log_std)
    if copies > 1:  # one number may bound all actions, or none
        policy.action_low, policy.action_high = np.array(-0.5), np.full(act, 0.5)
    noise, x, drawn = torch.randn(steps, copies, act), torch.zeros(steps, copies, obs), torch.zeros(steps, copies, act)
    acting = epoch.acting(noise, x, drawn)
    for t in range(steps):
        seen = np.random.default_rng(t).normal(size=(copies, obs))
        done = acting(t, seen)
        with torch.no_grad():
            meant = policy.actor(policy.normalizer(torch.from_numpy(seen).float())) + noise[t]
        low, high = (free if b is None else b for b, free in ((policy.action_low, -9), (policy.action_high, 9)))
        if not torch.allclose(drawn[t], meant, rtol=1e-4, atol=1e-5):
            return f"acting, {obs} to {act}, {copies} copies: not as torch"
        if not np.array_equal(done, np.clip(drawn[t].numpy(), low, high, dtype=np.float32)):
            return f"acting, {obs} to {act}, {copies} copies: not within the bounds"
    return None


def check_update(rng: random.Random) -> str | None:
    """Three updates of an off-policy learner: by torch, with one thread, with two."""
    torch.set_default_dtype(torch.float32)
    kind, obs, act = rng.choice([SAC, TD3, DDPG]), rng.choice([1, 3, 17, 33]), rng.choice([1, 2, 6, 35])
    config = kind.Config(
        hidden=tuple(rng.choice([1, 7, 32, 64, 100]) for _ in range(rng.randint(0, 3))),
        batch_size=rng.choice([1, 12, 13, 100, 256]), critics=rng.choice([1, 2, 3, 5]),
        actor_critic=rng.choice(["first", "least"]), products="float32",
    )  # fmt: skip
    seed, found, told = rng.randrange(2**31), [], []
    for on, number in (("0", 1), ("1", 1), ("1", 2)):
        os.environ["COURSE_NATIVE"] = on
        Pace.choose = lambda pace, number=number: number
        torch.manual_seed(seed)
        actor = (SquashedActor if config.stochastic else DeterministicActor)(obs, act, config.hidden)
        learner, replay, draws = QLearner(actor, config), Replay(300, obs, act), np.random.default_rng(seed)
        first, after = draws.standard_normal((2, 300, obs))
        replay.add(first, draws.uniform(-1, 1, (300, act)), after, draws.standard_normal(300), draws.random(300) < 0.1)
        generator, losses = torch.Generator().manual_seed(seed), []
        for _ in range(3):
            batch = replay.sample(config.batch_size, generator)
            losses.append([value.item() for value in learner.update(batch, generator).values()])
        if (learner._update is not None) != (on == "1"):
            return f"{kind.__name__}, {config}: in C where it should not be, or not where it should"
        found.append({name: value.clone() for name, value in learner.state_dict().items()})
        told.append(losses[0])  # of later updates rounding may decide the sign of a step of Adam
    what = f"{kind.__name__}, {obs} to {act}, {config.hidden}, {config.critics} critics, batch {config.batch_size}"
    if any(not torch.equal(found[1][name], found[2][name]) for name in found[1]):
        return f"{what}: results differ between threads"
    if not np.allclose(told[0], told[1], rtol=1e-3, atol=1e-4):
        return f"{what}: losses {told[1]} are not those of torch, {told[0]}"
    return None


def check_small(rng: random.Random) -> str | None:
    """A network without gradients, a step of Adam, a target that follows."""
    torch.set_default_dtype(torch.float32)
    os.environ["COURSE_NATIVE"] = "1"
    sizes = [rng.choice([1, 2, 13, 33, 64]) for _ in range(rng.randint(2, 5))]
    layers = [
        layer for a, b in zip(sizes[:-1], sizes[1:], strict=True) for layer in (torch.nn.Linear(a, b), torch.nn.Tanh())
    ]
    network, x = torch.nn.Sequential(*layers[:-1]), strided(torch.randn(rng.choice([1, 5, 12, 250]), sizes[0]), rng)
    with torch.no_grad():
        if not torch.allclose(dense.stack(network, x), network(x), rtol=1e-4, atol=1e-5):
            return f"stack {sizes}, x {tuple(x.shape)}: not as torch"
    n = rng.choice([1, 15, 16, 17, 1000, 20_001])
    p, g = torch.randn(n), torch.randn(n)
    ours, theirs = p.clone(), p.clone().requires_grad_()
    theirs.grad = g
    dense.adam([ours], [g], [torch.zeros(n)], [torch.zeros(n)], 1, 1e-3, 1e-8)
    torch.optim.Adam([theirs], lr=1e-3).step()
    follower = torch.zeros(n)
    dense.follow(follower, p, 0.25)
    if not torch.allclose(ours, theirs.detach(), atol=1e-6) or not torch.allclose(follower, 0.25 * p):
        return f"Adam or a target of {n} numbers: not as torch"
    return None


def inside(cases: int, seed: int) -> int:
    for program, defines in PROGRAMS:
        if program.library(*defines) is None:
            print(f"a compiled library was not loaded: {program.status()}")
            return 1
    rng = random.Random(seed)
    checks = [check, check, check_ensemble, check_epoch, check_update, check_small]
    wrong = list(filter(None, (checks[i % len(checks)](rng) for i in range(cases))))
    print("\n".join([*wrong[:20], f"{cases} cases, {len(wrong)} differ from torch or were not refused"]))
    return bool(wrong)


def overflow() -> None:
    """Ask for eight steps of one neuron, where there is memory for one."""
    one, space = torch.ones(1, 1, 2), torch.ones(1000)
    pointers = [one, None, one, None, None, torch.ones(4), torch.ones(3), space, space, torch.empty(1)]
    native.library(torch.float32).synaptic_forward(8, 1, 1, 1, 1.0, *native._addresses(*pointers))
