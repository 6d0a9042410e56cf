"""An update of DDPG, TD3 or SAC in C is the one that `QLearner` makes in torch, with one thread or two."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

from course_lib.machine import Pace
from course_lib.policies.actors import DeterministicActor, SquashedActor
from course_lib.rl.fused_adam import FusedAdam
from course_lib.rl.offpolicy import DDPG, SAC, TD3
from course_lib.rl.q_learner import QLearner
from course_lib.rl.q_update import PROGRAM, Update
from course_lib.rl.replay import Replay

CASES = [
    (SAC, {}),
    (SAC, dict(learn_temperature=False, temperature=0.2)),
    (SAC, dict(temperature=0.0, learn_temperature=False)),
    (SAC, dict(critics=5, hidden=(33,), batch_size=13)),
    (SAC, dict(target_actor=True, smoothing=0.1, policy_delay=3, target_entropy=-1.5)),
    (SAC, dict(hidden=())),
    (TD3, {}),
    (TD3, dict(actor_critic="least", hidden=(8, 64, 7, 32))),
    (DDPG, {}),
    (DDPG, dict(critics=3, batch_size=1)),
]


@pytest.fixture(autouse=True)
def _compiled():
    if PROGRAM.library() is None:
        pytest.skip(f"native code is {PROGRAM.status()}")


def learner_of(kind, obs=7, act=3, **changes) -> tuple[QLearner, Replay]:
    torch.manual_seed(1)
    config = kind.Config(**{**dict(hidden=(40, 32), batch_size=50), **changes})
    kind = SquashedActor if config.stochastic else DeterministicActor
    actor = kind(obs, act, config.hidden, normalize=config.normalize_observation)
    replay, rng = Replay(500, obs, act), np.random.default_rng(0)
    replay.add(
        rng.standard_normal((400, obs)), rng.uniform(-1, 1, (400, act)), rng.standard_normal((400, obs)),
        rng.standard_normal(400), rng.random(400) < 0.1,
    )  # fmt: skip
    return QLearner(actor, config), replay


def after(monkeypatch, native: str, threads: int, kind, updates: int = 12, **changes) -> tuple[QLearner, list[dict]]:
    monkeypatch.setenv("COURSE_NATIVE", native)
    monkeypatch.setattr(Pace, "choose", lambda pace: threads)
    learner, replay = learner_of(kind, **changes)
    generator, told = torch.Generator().manual_seed(0), []
    for _ in range(updates):
        batch = replay.sample(learner.config.batch_size, generator)
        told.append({name: value.item() for name, value in learner.update(batch, generator).items()})
    return learner, told


@pytest.mark.parametrize("kind, changes", CASES, ids=lambda x: getattr(x, "name", str(x)))
def test_updates_are_those_of_torch(kind, changes, monkeypatch):
    torch_s, told = after(monkeypatch, "0", 1, kind, **changes)
    ours, ours_told = after(monkeypatch, "1", 1, kind, **changes)
    two, two_told = after(monkeypatch, "1", 2, kind, **changes)
    assert torch_s._update is None and ours._update is not None
    for name, value in torch_s.state_dict().items():
        if value.is_floating_point():
            slack = 2e-5 * max(value.abs().max().item(), 1e-6)
            torch.testing.assert_close(ours.state_dict()[name], value, rtol=0, atol=slack, msg=name)
        else:
            assert torch.equal(ours.state_dict()[name], value)
        assert torch.equal(ours.state_dict()[name], two.state_dict()[name])
    for a, b in zip(told, ours_told, strict=True):
        assert a == pytest.approx(b, rel=1e-4, abs=1e-5) and a.keys() == b.keys()
    assert ours_told == two_told


def test_extreme_numbers_of_an_actor_are_as_in_torch(monkeypatch):
    """log σ beyond its bounds, actions that round to ±1."""
    found = []
    for native in "01":
        monkeypatch.setenv("COURSE_NATIVE", native)
        learner, replay = learner_of(SAC)
        with torch.no_grad():
            learner.actor.network.flat.mul_(30.0)
        generator = torch.Generator().manual_seed(0)
        told = learner.update(replay.sample(50, generator), generator)
        found.append((learner.actor.network.flat.clone(), {k: v.item() for k, v in told.items()}))
    torch.testing.assert_close(*(f[0] for f in found), rtol=1e-4, atol=1e-5)
    assert found[0][1] == pytest.approx(found[1][1], rel=1e-4)


def test_what_is_not_a_number_is_told(monkeypatch):
    learner, replay = learner_of(SAC)
    replay.rows[:, -2] = np.nan
    generator = torch.Generator().manual_seed(0)
    assert learner.update(replay.sample(50, generator), generator)["critic_loss"].isnan()


def test_what_c_cannot_do_is_left_to_torch():
    class Other(QLearner):
        pass

    learner, replay = learner_of(SAC)
    generator = torch.Generator().manual_seed(0)
    learner.update(replay.sample(50, generator), generator)
    learner.update(replay.sample(20, generator), generator)  # of another size
    assert learner._update.batch == 20 and copy.deepcopy(learner)._update is None
    batch = replay.sample(20, generator)
    batch.reward = batch.reward.clone()  # no row of the buffer any more
    assert not learner._update.ready(batch) and learner.update(batch, generator)["critic_loss"] > 0
    other = Other(learner.actor, learner.config)
    other.update(replay.sample(50, generator), generator)
    assert other._update is None
    for changes in (dict(normalize_observation=True), dict(max_grad_norm=1.0)):
        assert not Update.fits(learner_of(SAC, **changes)[0])


def of_another_size(monkeypatch, native: str, actor_hidden, hidden) -> QLearner:
    """A learner whose actor has other widths than its config says, after some updates."""
    monkeypatch.setenv("COURSE_NATIVE", native)
    torch.manual_seed(1)
    actor = SquashedActor(7, 3, actor_hidden)
    _, replay = learner_of(SAC, hidden=hidden)
    learner, generator = QLearner(actor, SAC.Config(hidden=hidden, batch_size=50)), torch.Generator().manual_seed(0)
    for _ in range(5):
        learner.update(replay.sample(50, generator), generator)
    return learner


@pytest.mark.parametrize("actor_hidden, hidden", [((8, 8), (40, 32)), ((64, 48), (8, 8)), ((8,), (8, 8))])
def test_an_actor_to_start_from_may_have_other_widths_than_the_critics(actor_hidden, hidden, monkeypatch):
    """C was told the config's widths for both, and wrote past the end of a smaller actor."""
    found = [of_another_size(monkeypatch, native, actor_hidden, hidden) for native in "10"]
    assert not Update.fits(found[0])
    for name in ("actor.network", "critics"):
        one, other = (torch.cat([p.flatten() for p in _at(it, name).parameters()]) for it in found)
        assert torch.allclose(one, other, rtol=1e-4, atol=1e-6)


def _at(learner, name):
    for part in name.split("."):
        learner = getattr(learner, part)
    return learner


def test_a_changed_config_counts_from_the_next_update_on(monkeypatch):
    def changed(native):
        monkeypatch.setenv("COURSE_NATIVE", native)
        learner, replay = learner_of(SAC)
        generator = torch.Generator().manual_seed(0)
        for k in range(6):
            if k == 3:
                learner.config.tau, learner.config.target_entropy, learner.gamma = 0.5, -9.0, 0.5
            learner.update(replay.sample(50, generator), generator)
        return learner

    monkeypatch.setattr(Pace, "choose", lambda pace: 1)
    one, other = changed("1"), changed("0")
    assert torch.allclose(one.target_critics.module.flat, other.target_critics.module.flat, rtol=1e-4, atol=1e-5)
    assert torch.allclose(one.log_temperature, other.log_temperature, atol=1e-5)


def trained(monkeypatch, native: str, change) -> QLearner:
    """Three updates, a change, three more."""
    monkeypatch.setenv("COURSE_NATIVE", native)
    monkeypatch.setattr(Pace, "choose", lambda pace: 1)
    learner, replay = learner_of(SAC)
    generator = torch.Generator().manual_seed(0)
    for k in range(6):
        if k == 3:
            change(learner)
        learner.update(replay.sample(50, generator), generator)
    return learner


def moved(learner):
    """As a queue of multiprocessing does with what it carries."""
    for p in learner.actor.parameters():
        p.data = p.data.clone()


def another_optimizer(learner):
    trained = nn.Module()
    trained.log_temperature, trained.network = learner.log_temperature, learner.actor.network
    learner.actor_optimizer = FusedAdam(trained, learner.config.learning_rate)


def other_widths(learner):
    learner.config.hidden, learner.config.critics = (256, 256), 5


def no_temperature(learner):
    learner.config.temperature = 0.0


def another_rate(learner):
    learner.actor_optimizer.lr = 1e-2


def clipping(learner):
    learner.actor_optimizer.max_grad_norm = 1e-3


@pytest.mark.parametrize(
    "change", [moved, another_optimizer, other_widths, no_temperature, another_rate, clipping], ids=lambda f: f.__name__
)
def test_what_is_replaced_or_moved_between_updates_is_noticed(change, monkeypatch):
    """C had kept addresses and sizes from its first update on: it wrote to memory that was free again."""
    one, other = (trained(monkeypatch, native, change) for native in "10")
    for name in ("actor.network", "critics"):
        a, b = (torch.cat([p.flatten() for p in _at(it, name).parameters()]) for it in (one, other))
        assert torch.allclose(a, b, rtol=1e-3, atol=1e-5)
    assert torch.allclose(one.log_temperature, other.log_temperature, atol=1e-5)


def test_a_temperature_that_the_learner_was_built_without_stays_away(monkeypatch):
    learner, replay = learner_of(SAC, temperature=0.0, learn_temperature=False)
    learner.config.temperature = 0.2
    generator = torch.Generator().manual_seed(0)
    assert torch.isfinite(learner.update(replay.sample(50, generator), generator)["critic_loss"])


def test_an_actor_of_the_other_kind_and_another_default_type_are_left_to_torch():
    config = DDPG.Config(hidden=(8,), batch_size=50)
    config.stochastic = True
    assert not Update.fits(QLearner(DeterministicActor(7, 3, (8,)), config))
    learner, replay = learner_of(SAC)
    generator = torch.Generator().manual_seed(0)
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        told = learner.update(replay.sample(50, generator), generator)
    finally:
        torch.set_default_dtype(before)
    again, replay = learner_of(SAC)
    generator = torch.Generator().manual_seed(0)
    expected = again.update(replay.sample(50, generator), generator)
    assert float(told["critic_loss"]) == pytest.approx(float(expected["critic_loss"]), rel=1e-5)
