"""RDPG, RTD3 and RSAC, their summarizers and their buffer, against loops over episodes and the feed-forward agents."""

import copy
import dataclasses

import gymnasium as gym
import numpy as np
import pytest
import torch

import course_lib as cl
from course_lib.__main__ import main
from course_lib.errors import ArgumentError, NonFiniteError
from course_lib.nets.config import SUMMARIZERS
from course_lib.nets.summarizers import Summarizer, warmed
from course_lib.policies.actors import (
    DeterministicActor,
    RecurrentDeterministicActor,
    RecurrentSquashedActor,
    SquashedActor,
)
from course_lib.rl.offpolicy_config import DDPGConfig, SACConfig, TD3Config
from course_lib.rl.q_learner import QLearner
from course_lib.rl.q_losses import smooth
from course_lib.rl.recurrent import RDPG, RSAC, RTD3
from course_lib.rl.recurrent_config import RDPGConfig, RSACConfig, RTD3Config
from course_lib.rl.recurrent_learner import RecurrentLearner
from course_lib.rl.replay import Replay
from course_lib.rl.sequence_replay import SequenceReplay

OBS, ACT = 3, 2
PENDULUM = "InvertedPendulum-v5"
SMALL = dict(hidden=(16,), batch_size=4, learning_starts=64, buffer_size=12_000, rollout_steps=8, updates_per_step=0.2)
PREVIOUS = dict(previous_action=True, previous_reward=True)


def small(kind=RSAC, env=PENDULUM, copies=4, cell=None, **changes):
    """`cell`: changes of that of the config, which has 8 neurons here."""
    config = kind.Config(**SMALL | {"cell": {"neurons": 8, **(cell or {})}} | changes)
    return kind(cl.make(env, num_envs=copies, seed=0), config)


def learner(config, seed=0):
    torch.manual_seed(seed)
    kind = RecurrentSquashedActor if config.stochastic else RecurrentDeterministicActor
    return RecurrentLearner(kind(OBS, ACT, config.hidden, 0.0, config.normalize_observation, config.cell), config)


def fill(buffer, lengths, seed=0, state_dim=0):
    """Episodes of `lengths`, one after the other in a buffer of one lane -> each as a dict of arrays."""
    rng, episodes = np.random.default_rng(seed), []
    first = rng.normal(size=(1, OBS))
    buffer.begin(first)
    for length in lengths:
        e = {"observation": [first[0]], "action": [], "reward": [], "terminated": [], "state": [np.zeros(state_dim)]}
        ends = rng.random() < 0.5
        for t in range(length):
            over, action, reward = t == length - 1, rng.uniform(-1, 1, (1, ACT)), rng.normal(size=1)
            following, fresh, state = rng.normal(size=(1, OBS)), rng.normal(size=(1, OBS)), rng.normal(size=state_dim)
            terminated = np.array([over and ends])
            now, kept = fresh if over else following, state[None] if state_dim else None
            buffer.add(action, following, reward, terminated, np.array([over]), now, kept)
            for name, v in zip(e, (following[0], action[0], reward[0], terminated[0], state), strict=True):
                e[name].append(v)
        first = fresh
        episodes.append({k: np.array(v, dtype=np.float32) for k, v in e.items()})
    return episodes


def all_of(buffer, begin=None):
    """A batch of every finished episode once, in the order of the array."""
    first = torch.from_numpy(np.flatnonzero(buffer.length))
    length = torch.from_numpy(buffer.length)[first].long()
    return buffer.batch(first, length, torch.zeros_like(length) if begin is None else torch.as_tensor(begin))


# --- summarizers --------------------------------------------------------------------------------


@pytest.mark.parametrize("cell", SUMMARIZERS)
def test_a_sequence_is_its_steps(cell):
    """Oracle: a loop of single steps, each episode on its own; also what is left of memory at the end."""
    torch.manual_seed(0)
    layers = 2 if cell in ("lstm", "elman") else 1
    s = Summarizer(3, dict(name=cell, neurons=4, layers=layers, feedthrough=cell == "ltc"))
    x, state, starts = torch.randn(7, 5, 3), 0.3 * torch.randn(5, s.state_dim), torch.rand(7, 5) < 0.25
    out, last = s.sequence(x, state, starts)
    assert starts.any() and out.shape == (7, 5, s.width) and last.shape == state.shape
    for b in range(5):
        one = state[b : b + 1]
        for t in range(7):
            h, one = s.step(x[t, b : b + 1], torch.zeros_like(one) if starts[t, b] else one)
            assert torch.allclose(h[0], out[t, b], atol=1e-4)
        assert torch.allclose(one[0], last[b], atol=1e-5)
    part, middle = s.sequence(x[:3], state, starts[:3])
    rest, _ = s.sequence(x[3:], middle, starts[3:])
    assert torch.allclose(torch.cat([part, rest]), out, atol=1e-4)
    nothing, same = s.sequence(x[:0], state, starts[:0])
    assert nothing.shape == (0, 5, s.width) and same is state


@pytest.mark.parametrize("cell, kind", [("lstm", torch.nn.LSTM), ("elman", torch.nn.RNN)])
def test_torch_networks_inside(cell, kind):
    torch.manual_seed(0)
    s, x = Summarizer(3, dict(name=cell, neurons=4, layers=2)), torch.randn(6, 2, 3)
    oracle, _ = kind(3, 4, 2), torch.manual_seed(0)
    oracle.load_state_dict(s.net.state_dict())
    h, _ = oracle(x)
    assert torch.allclose(s.sequence(x, s.initial_state(2))[0], (h - s.center) / s.scale, atol=1e-5)


def test_fresh_summaries_are_centred_and_of_unit_size():
    torch.manual_seed(0)
    for cell in ("ltc", "lstm", "gru"):
        s = Summarizer(3, dict(name=cell, neurons=16))
        h, _ = s.sequence(torch.randn(500, 3).expand(10, -1, -1), s.initial_state(500))
        assert h[-1].mean().abs() < 0.1 and h[-1].std().item() == pytest.approx(1.0, abs=0.15)


@pytest.mark.parametrize("cell, layers", [("lstm", 1), ("lstm", 2), ("gru", 1)])
def test_what_is_remembered_when_fresh(cell, layers):
    """What the first input still changes after 40 steps without a word, in units of what it changes at once."""
    x, left = torch.zeros(41, 64, 1), {}
    x[0] = torch.linspace(-2, 2, 64)[:, None]
    for remember in (0, 40):
        torch.manual_seed(0)
        s = Summarizer(1, dict(name=cell, neurons=32, layers=layers, remember=remember))
        spread = s.sequence(x, s.initial_state(64))[0].std(1).mean(1)
        left[remember] = (spread[-1] / spread.max()).item()
    assert left[0] < 1e-3 and left[40] > 0.1
    with pytest.raises(ArgumentError, match=r"remember=5 is not accepted by cell='ltc'; accepted: 0 \(lstm and gru do"):
        Summarizer(1, dict(name="ltc", remember=5))


def test_burn_in_contributes_no_gradient():
    torch.manual_seed(0)
    for cell in ("lstm", "ltc"):
        s = Summarizer(3, dict(name=cell, neurons=4))
        x, starts = torch.randn(6, 2, 3, requires_grad=True), torch.zeros(6, 2, dtype=bool)
        state = torch.randn(2, s.state_dim, requires_grad=True)
        out = warmed(s, x, starts, state, 4)
        grad = torch.autograd.grad(out.square().sum(), [x, state, *s.parameters()], allow_unused=True)
        assert grad[1] is None and not grad[0][:4].any() and grad[0][4:].all()
        # Oracle: the two last steps from a constant state. The values are those of the whole sequence.
        _, middle = s.sequence(x.detach()[:4], state.detach())
        again, _ = s.sequence(x[4:], middle.detach())
        alone = torch.autograd.grad(again.square().sum(), list(s.parameters()))
        assert all(torch.allclose(a, b, atol=1e-5) for a, b in zip(grad[2:], alone, strict=True))
        assert torch.allclose(out, s.sequence(x, state)[0][4:], atol=1e-5)


# --- the buffer ---------------------------------------------------------------------------------


@pytest.mark.parametrize("lengths", [(3,), (1, 5, 2), (5, 5, 5, 5, 5), (4, 1, 1, 5, 2, 3, 5, 4)])
def test_holds_the_last_episodes(lengths):
    """Also where episodes go round the end of the array."""
    buffer = SequenceReplay(14, 1, OBS, ACT)
    episodes = fill(buffer, lengths)
    batch, seen = all_of(buffer), []
    assert buffer.size == batch.mask.sum() and buffer.seen == sum(lengths)
    for b in range(batch.mask.shape[1]):
        n = int(batch.mask[:, b].sum())
        assert batch.mask[:n, b].all() and batch.starts[0, b] and not batch.starts[1:, b].any()
        (k,) = (k for k, e in enumerate(episodes) if np.array_equal(e["observation"][0], batch.observation[0, b]))
        seen.append(k)
        for name, end in (("observation", n + 1), ("action", n), ("reward", n), ("terminated", n)):
            assert np.array_equal(getattr(batch, name)[:end, b], episodes[k][name])
        assert np.array_equal(batch.last_action[1 : n + 1, b], episodes[k]["action"])
        assert np.array_equal(batch.last_reward[1 : n + 1, b], episodes[k]["reward"])
        assert not batch.last_action[0, b].any() and not batch.last_reward[0, b]
    # Nothing is forgotten that has its place: rows needed from each episode to the one in progress, which has one row.
    needed = np.cumsum([n + 1 for n in lengths[::-1]])[::-1] + 1
    assert sorted(seen) == [k for k in range(len(lengths)) if needed[k] <= 14]


def test_episodes_are_drawn_in_proportion_to_their_lengths():
    buffer = SequenceReplay(100, 1, OBS, ACT)
    lengths = np.array([1, 9, 20, 2])
    episodes = fill(buffer, lengths)
    generator, counts = torch.Generator().manual_seed(0), np.zeros(4)
    firsts = [e["observation"][0, 0] for e in episodes]
    for _ in range(20):
        drawn = buffer.sample(400, generator).observation[0, :, 0].numpy()
        counts += [(drawn == f).sum() for f in firsts]
    expected = 8000 * lengths / lengths.sum()
    assert counts.sum() == 8000 and ((counts - expected) ** 2 / expected).sum() < 16.3  # 99.9 % of χ², 3 degrees


@pytest.mark.parametrize("burn_in", [0, 3])
def test_segments_equal_cuts_of_episodes(burn_in):
    """Oracle: slices of the episodes. A segment shows what comes before it, from the beginning of the episode on."""
    buffer = SequenceReplay(64, 1, OBS, ACT, 2, sequence_length=5 + burn_in, burn_in=burn_in)
    episodes = fill(buffer, (12, 3, 7), state_dim=2)
    generator, begins = torch.Generator().manual_seed(0), set()
    for _ in range(30):
        batch = buffer.sample(8, generator)
        for b in range(8):
            here = batch.observation[:, b].numpy()
            row = int(batch.mask[:, b].argmax())
            (k, begin), *others = [
                (k, t) for k, e in enumerate(episodes) for t, o in enumerate(e["observation"]) if (o == here[row]).all()
            ]
            e, n = episodes[k], int(batch.mask[:, b].sum())
            assert not others and n == min(5, len(e["reward"])) and row == burn_in
            begins.add((k, begin))
            for name in ("action", "reward", "terminated"):
                assert np.array_equal(getattr(batch, name)[row : row + n, b], e[name][begin : begin + n])
            assert np.array_equal(here[row : row + n + 1], e["observation"][begin : begin + n + 1])
            before = min(begin, burn_in)
            assert np.array_equal(here[row - before : row], e["observation"][begin - before : begin])
            start = [row - before] if begin <= burn_in else []
            assert batch.starts[:, b].nonzero()[:, 0].tolist() == start
            if begin >= burn_in:
                assert np.array_equal(batch.state[b], e["state"][begin - burn_in])
    assert begins == {(0, t) for t in range(8)} | {(1, 0)} | {(2, t) for t in range(3)}


def test_buffer_saved_bit_for_bit():
    make = lambda: SequenceReplay(40, 1, OBS, ACT)  # noqa: E731
    buffer, other = make(), make()
    fill(buffer, (4, 9, 5, 8, 12, 3))
    other.load_state_dict({k: v.clone() for k, v in buffer.state_dict().items()})
    a, b = (r.sample(5, torch.Generator().manual_seed(0)) for r in (buffer, other))
    for r in (buffer, other):
        step = [np.full(s, 0.5) for s in ((1, ACT), (1, OBS), 1, 1)]
        r.add(*step, np.array([True]), step[1])
    assert np.array_equal(buffer.rows, other.rows) and np.array_equal(buffer.length, other.length)
    assert torch.equal(a.observation, b.observation) and (buffer.size, buffer.seen) == (other.size, other.seen)
    with pytest.raises(ArgumentError, match="does not fit the saved replay buffer, which has 40 for 1 with 7"):
        SequenceReplay(50, 1, OBS, ACT).load_state_dict(buffer.state_dict())


def test_buffer_refusals():
    with pytest.raises(ArgumentError, match="buffer_size=20 is too small for an episode of 10 .* at least 22"):
        SequenceReplay(20, 1, OBS, ACT, longest=10)
    buffer = SequenceReplay(20, 1, OBS, ACT)
    with pytest.raises(ArgumentError, match="batch_size=3 .* no episode in it has ended, after 0 transitions"):
        buffer.sample(3, torch.Generator())
    fill(buffer, (9,))
    with pytest.raises(ArgumentError, match="too small for an episode of 10 steps"):
        fill(buffer, (10,))
    for length in (0, -1, 1.5, True, "all"):
        with pytest.raises(ArgumentError, match=r"sequence_length=.* must be a whole number of at least 1"):
            SequenceReplay(20, 1, OBS, ACT, sequence_length=length)
    with pytest.raises(ArgumentError, match="does not fit this buffer"):
        buffer.add(*[np.zeros((1, 1))] * 6)
    good = [np.zeros((1, ACT)), np.zeros((1, OBS)), np.zeros(1), np.zeros(1), np.zeros(1, bool), np.zeros((1, OBS))]
    for i, name in ((0, "action"), (1, "observation"), (2, "reward")):
        bad = [v.copy() for v in good]
        bad[i].flat[0] = np.nan
        with pytest.raises(NonFiniteError, match=f"^{name} is nan in a step"):
            fill(buffer, ())
            buffer.add(*bad)


# --- an update ----------------------------------------------------------------------------------


def flat_of(ours):
    return {k: v.detach().clone() for k, v in ours.state_dict().items() if v.is_floating_point()}


def close(a, b, atol):
    return a.keys() == b.keys() and all(torch.allclose(a[k], b[k], atol=atol) for k in a)


FAMILY = {"rdpg": (RDPGConfig, DDPGConfig), "rtd3": (RTD3Config, TD3Config), "rsac": (RSACConfig, SACConfig)}


@pytest.mark.parametrize("sharing", ["separate", "critics", "shared"])
@pytest.mark.parametrize("name", FAMILY)
def test_identity_summarizer_equals_feed_forward(name, sharing):
    """Oracle: `QLearner` with the same weights, transitions and noise. Episodes of one step, and of several."""
    recurrent, plain = FAMILY[name]
    common = dict(hidden=(16, 12), learning_rate=1e-2, tau=0.05, normalize_observation=True)
    ours = learner(recurrent(cell="identity", summarizers=sharing, **common))
    kind = SquashedActor if ours.config.stochastic else DeterministicActor
    theirs = QLearner(kind(OBS, ACT, (16, 12), 0.0, True), plain(**common))
    ours.actor.normalizer.update(np.random.default_rng(1).normal(1, 2, (100, OBS)))
    theirs.actor.load_state_dict({k: v for k, v in ours.actor.state_dict().items() if "summarizer" not in k})
    pairs = [(theirs.critics, ours.critics.heads)]
    pairs.append((theirs.target_critics.module, ours.target_critics.module.heads))
    for ensemble, heads in pairs:
        for i, (weight, bias) in enumerate(ensemble.layers()):
            weight.data.copy_(torch.cat([h.layers()[i][0] for h in heads]))
            bias.data.copy_(torch.cat([h.layers()[i][1] for h in heads]))
    if theirs.target_actor is not None:
        theirs.target_actor.module.load_state_dict(theirs.actor.state_dict())
    for seed, lengths in enumerate([(1,) * 30, (5,) * 6, (3,) * 9, (1,) * 20]):
        buffer, flat = SequenceReplay(400, 1, OBS, ACT), Replay(30, OBS, ACT)
        fill(buffer, lengths, seed)
        b = all_of(buffer)
        flat.add(*(v.flatten(0, 1).numpy() for v in (b.observation[:-1], b.action, b.observation[1:])),
                 b.reward.flatten().numpy(), b.terminated.flatten().numpy())  # fmt: skip
        info = ours.update(b, torch.Generator().manual_seed(seed))
        oracle = theirs.update(flat.batch(torch.arange(flat.size)), torch.Generator().manual_seed(seed))
        assert info.keys() == oracle.keys()
        # `QLearner` reports the actor's loss with the temperature of after the update.
        near = {"actor_loss": 2 * 1e-2 * info["entropy_mean"].abs().item()} if ours.config.learn_temperature else {}
        for k in info:
            assert info[k].item() == pytest.approx(oracle[k].item(), abs=2e-4 + near.get(k, 0.0)), k
    for ensemble, heads in pairs:
        for i, parts in enumerate(ensemble.layers()):
            for j in (0, 1):
                assert torch.allclose(parts[j], torch.cat([h.layers()[i][j] for h in heads]), atol=2e-4)
    assert torch.allclose(ours.actor.network.flat, theirs.actor.network.flat, atol=2e-4)
    if ours.target_actor is not None:
        nets = [one.target_actor.module.network.flat for one in (ours, theirs)]
        assert torch.allclose(*nets, atol=2e-4)
    assert ours.log_temperature is None or torch.allclose(ours.log_temperature, theirs.log_temperature, atol=1e-4)


def longer(b, rows=4, junk=1e3):
    """The same batch with more padding, and other numbers in all of it."""
    more = {}
    for f in dataclasses.fields(b):
        v = getattr(b, f.name)
        if isinstance(v, torch.Tensor) and f.name != "state":
            more[f.name] = torch.cat([v, torch.zeros(rows, *v.shape[1:], dtype=v.dtype)])
    b = dataclasses.replace(b, **more)
    shown = torch.cat([torch.ones(1, b.mask.shape[1]), b.mask]).bool()  # also what the last step led to
    for name in ("observation", "last_action", "last_reward"):
        v = getattr(b, name)
        v[~shown] = junk
    for name in ("action", "reward", "terminated"):
        getattr(b, name)[~b.mask.bool()] = junk
    return b


@pytest.mark.parametrize("name, cell", [("rdpg", "elman"), ("rtd3", "gru"), ("rsac", "lstm"), ("rsac", "ltc")])
def test_padding_changes_no_loss_and_no_gradient(name, cell, monkeypatch):
    ours = learner(FAMILY[name][0](cell=dict(name=cell, neurons=6, previous_action=True), hidden=(8,), policy_delay=1))
    other = learner(ours.config)
    buffer = SequenceReplay(100, 1, OBS, ACT)
    fill(buffer, (3, 7, 1, 6))
    batch, noise = all_of(buffer), torch.randn(40, 4, ACT)
    for one in (ours, other):
        monkeypatch.setattr(one, "_noise", lambda like, g: noise[: len(like)])
    info, padded = ours.update(batch, None), other.update(longer(batch), None)
    assert all(torch.allclose(info[k], padded[k], rtol=1e-4, atol=1e-6) for k in info)
    a, b = flat_of(ours), flat_of(other)
    assert any("adam.first" in k for k in a)
    assert close({k: v for k, v in a.items() if "adam" in k}, {k: v for k, v in b.items() if "adam" in k}, 1e-5)


@pytest.mark.parametrize("name", FAMILY)
def test_masked_losses_equal_loops_over_episodes(name, monkeypatch):
    """Oracle: each episode alone, step by step, no padding; then the mean over all their steps."""
    c = FAMILY[name][0](cell=dict(neurons=5, **PREVIOUS), hidden=(8,), policy_delay=1, normalize_observation=True)
    ours = learner(c)
    buffer = SequenceReplay(100, 1, OBS, ACT)
    episodes = fill(buffer, (3, 7, 1, 6))
    noise = torch.randn(7, 4, ACT)
    monkeypatch.setattr(ours, "_noise", lambda like, g: noise[: len(like)])
    actor, critics, alpha = copy.deepcopy(ours.actor), copy.deepcopy(ours.critics), float(ours.temperature)

    def summaries(s, e):
        state, out, zero = s.initial_state(1), [], np.zeros((1, ACT), np.float32)
        actions, rewards = np.concatenate([zero, e["action"]]), np.concatenate([[0], e["reward"]])
        for o, a, r in zip(e["observation"], actions, rewards, strict=True):
            x = torch.from_numpy(np.concatenate([o, a, [r]]).astype(np.float32))[None]
            h, state = s.step(x, state)
            out.append(h[0])
        return torch.stack(out)

    def q_of(critics, e, action, rows):
        h = [summaries(s, e)[rows] for s in critics.summarizers]
        return torch.stack([m(torch.cat([x, action], -1))[0, :, 0] for m, x in zip(critics.heads, h, strict=True)])

    critic_terms, actor_terms, entropy = [], [], []
    with torch.no_grad():
        for k, e in enumerate(episodes):
            n, now, then = len(e["reward"]), slice(0, -1), slice(1, None)
            a, lp = actor.unit(summaries(actor.summarizer, e)[then], noise[:n, k] if c.stochastic else None)
            a = smooth(a, noise[:n, k], c.smoothing, c.smoothing_clip) if c.smoothing else a
            value = q_of(critics, e, a, then).amin(0) - (alpha * lp if c.stochastic else 0.0)
            y = torch.from_numpy(e["reward"]) + 0.99 * (1 - torch.from_numpy(e["terminated"])) * value
            q = q_of(critics, e, torch.from_numpy(e["action"]), now)
            critic_terms.append(0.5 * (q - y).square().sum(0))
        with torch.enable_grad():
            info = ours.update(all_of(buffer), None)
        critics = ours.critics  # after their step, and the actor's loss is of before its own
        for k, e in enumerate(episodes):
            n = len(e["reward"])
            a, lp = actor.unit(summaries(actor.summarizer, e)[:-1], noise[:n, k] if c.stochastic else None)
            q = q_of(critics, e, a, slice(0, -1))
            q = q.amin(0) if c.actor_critic == "least" else q[0]
            actor_terms.append((alpha * lp if c.stochastic else 0.0) - q)
            entropy.append(-lp if c.stochastic else torch.zeros(n))
    assert info["critic_loss"].item() == pytest.approx(torch.cat(critic_terms).mean().item(), rel=1e-4)
    assert info["actor_loss"].item() == pytest.approx(torch.cat(actor_terms).mean().item(), rel=1e-4, abs=1e-5)
    if c.stochastic:  # the temperature's gradient is a mean over the same 17 steps
        wanted = -(-torch.cat(entropy).mean() - ACT)
        assert ours.actor_optimizer.first[0].item() == pytest.approx(0.1 * wanted.item(), rel=1e-4)


def test_burn_in_changes_values_but_takes_no_part_in_learning():
    c = RSACConfig(cell=dict(neurons=5), hidden=(8,), sequence_length=6, burn_in=3)
    buffer = SequenceReplay(100, 1, OBS, ACT, sequence_length=6, burn_in=3)
    fill(buffer, (12, 11))
    batch = all_of(buffer, [5, 4])
    batch.observation.requires_grad_()
    ours = learner(c)
    x, generator = ours.inputs(batch), torch.Generator().manual_seed(0)
    assert ours.target(batch, x, generator).shape == (3, 2)
    h = ours.critics.summaries(x, batch, ours._states(batch)[1])
    (grad,) = torch.autograd.grad(sum(v.square().sum() for v in h), batch.observation)
    assert len(h[0]) == 4 and not grad[:3].any() and grad[3:].any(-1).all()
    # Targets and rewards of the burn-in stand in no loss.
    names = ("reward", "action", "terminated")
    changed = {n: torch.cat([getattr(batch, n)[:3] + 9, getattr(batch, n)[3:]]) for n in names}
    other = dataclasses.replace(batch, **changed)
    a, b = (learner(c).update(one, torch.Generator().manual_seed(1)) for one in (batch, other))
    assert all(torch.equal(a[k], b[k]) for k in a)


def test_truncation_never_cuts_the_bootstrap():
    for name, (kind, _) in FAMILY.items():
        ours = learner(kind(cell=dict(neurons=5), hidden=(8,), smoothing=0.0))
        buffer = SequenceReplay(100, 1, OBS, ACT)
        fill(buffer, (4, 4, 4))
        batch = all_of(buffer)
        cut = dataclasses.replace(batch, terminated=torch.zeros(4, 3))
        ended = dataclasses.replace(batch, terminated=torch.zeros(4, 3).index_fill(0, torch.tensor([3]), 1.0))
        x = ours.inputs(batch)
        a, b = (ours.target(one, x, torch.Generator().manual_seed(0)) for one in (cut, ended))
        assert torch.equal(a[:3], b[:3]) and torch.equal(b[3], batch.reward[3]), name
        assert (a[3] != batch.reward[3]).all(), name


# --- agents -------------------------------------------------------------------------------------


@pytest.mark.parametrize("env", [PENDULUM, "Pendulum-v1"])
def test_what_is_stored_where_episodes_end(env):
    """Oracle: a second set of copies, given the same actions, told in lists."""
    agent, twin = small(env=env, copies=3, learning_starts=5_000), cl.make(env, num_envs=3, seed=0)
    agent.begin()
    before, _ = twin.reset(options={"stagger": True})
    open_, finished, cut, ended = [[(o,)] for o in before], [], 0, 0
    for _ in range(210):
        agent.collect()
        over = agent.replay.steps == 0
        at = agent.replay._base + (agent.replay.position - over) % agent.replay.lane
        o = agent.replay.obs_dim
        unit = agent.replay.rows[at, o : o + 1]
        observation, reward, terminated, truncated, infos = twin.step(agent.policy.scaled(unit))
        assert np.array_equal(over, terminated | truncated)
        final = infos["final_obs"] if over.any() else observation
        for i in range(3):
            open_[i].append((final[i], reward[i], terminated[i]))
            if over[i]:
                finished.append(open_[i])
                open_[i] = [(observation[i],)]
        cut, ended = cut + truncated.sum(), ended + terminated.sum()
    assert ended if env == PENDULUM else cut
    batch = all_of(agent.replay)
    assert len(finished) == batch.mask.shape[1] and agent.replay.size == sum(len(e) - 1 for e in finished)
    for e in finished:
        (b,) = (b for b in range(len(finished)) if np.allclose(batch.observation[0, b], e[0][0], atol=1e-6))
        n = len(e) - 1
        assert batch.mask[:, b].sum() == n
        assert np.allclose(batch.observation[: n + 1, b], [row[0] for row in e], atol=1e-4)
        assert np.allclose(batch.reward[:n, b], [row[1] for row in e[1:]], atol=1e-4, rtol=1e-5)
        assert np.array_equal(batch.terminated[:n, b], [row[2] for row in e[1:]])  # never the truncations


@pytest.mark.parametrize("name, times", [("rsac", 3), ("rtd3", 4), ("rdpg", 4)])
def test_an_update_computes_no_summary_twice(name, times, monkeypatch):
    """RSAC: actor, critics and target critics, each once, and the critics after their step. The others act in targets
    with a copy of the actor."""
    cell = dict(name="elman", neurons=4)
    ours = learner(FAMILY[name][0](cell=cell, hidden=(8,), summarizers="critics", policy_delay=1))
    buffer, count = SequenceReplay(40, 1, OBS, ACT), []
    fill(buffer, (3, 4))
    whole = Summarizer.sequence
    monkeypatch.setattr(Summarizer, "sequence", lambda s, x, *more: (len(x) and count.append(s), whole(s, x, *more))[1])
    ours.update(all_of(buffer), torch.Generator().manual_seed(0))
    assert len(count) == times + 1


@pytest.mark.parametrize("cell, sharing", [("lstm", "separate"), ("ltc", "critics"), ("gru", "shared")])
def test_stored_state_reproduces_acting(cell, sharing):
    """From the stored memory the same steps give the same memory bit for bit, and a sequence the same summaries."""
    agent = small(
        cell=dict(name=cell, **PREVIOUS), summarizers=sharing, sequence_length=8, memory_start="stored",
        learning_starts=5_000,
    )  # fmt: skip
    agent.begin()
    for _ in range(60):
        agent.collect()
    row = np.flatnonzero(agent.replay.length > 12)[0]
    length, lane = int(agent.replay.length[row]), row // agent.replay.lane
    b = agent.replay.batch(torch.tensor([row] * 2), torch.tensor([length] * 2), torch.tensor([0, 4]))
    x, states = agent.learner.inputs(b), torch.from_numpy(agent.replay.rows[row : row + 13, -b.state.shape[1] :])
    memory, summaries = b.state, []
    assert torch.equal(memory, torch.stack([states[0], states[4]])) and states[4].any() and not states[0].any()
    for t in range(8):
        # Four copies, and this one in its own place among them: processors round in other ways elsewhere.
        again = [agent.learner.remember(x[t, k].repeat(4, 1), memory[k].repeat(4, 1)) for k in range(2)]
        summary, memory = (torch.stack([part[lane] for part in parts]) for parts in zip(*again, strict=True))
        summaries.append(summary)
        assert torch.equal(memory, torch.stack([states[t + 1], states[t + 5]]))
    state, _ = agent.learner._states(b)
    assert torch.allclose(warmed(agent.policy.summarizer, x, b.starts, state, 0)[:8], torch.stack(summaries), atol=1e-5)


def same_run(a, b):
    clock = ("wall_seconds", "steps_per_second")
    curves = all(np.array_equal(a.curve[k], b.curve[k], equal_nan=True) for k in a.curve if k not in clock)
    (left, _), (right, _) = a.agent.state_dict(), b.agent.state_dict()
    return curves and left.keys() == right.keys() and all(torch.equal(left[k], right[k]) for k in left)


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


@pytest.mark.parametrize(
    "kind, changes",
    [
        (RSAC, dict(sequence_length=8, burn_in=3, memory_start="stored", cell=dict(name="ltc"))),
        (RTD3, dict(summarizers="critics", cell=dict(name="elman", **PREVIOUS), normalize_observation=True)),
        (RDPG, dict(summarizers="shared", cell=dict(name="gru"))),
    ],
)
def test_resume_equals_never_having_stopped(tmp_path, kind, changes):
    """Also in the middle of episodes, and where the buffer has gone round its end."""
    env = dict(env="InvertedDoublePendulum-v5", buffer_size=8_016)
    make = lambda: small(kind, **{**env, **changes})  # noqa: E731
    whole = cl.train(make(), 320, progress=False)
    with pytest.raises(Crash):
        stop = [At(6, lambda run: run.checkpoint()), At(8, crash)]
        cl.train(make(), 320, folder=tmp_path, progress=False, callbacks=stop)
    resumed = cl.train(make(), 320, folder=tmp_path, resume=True, progress=False)
    assert whole.agent.learner.updates > 20 and same_run(whole, resumed)


def test_a_buffer_that_was_not_saved_is_filled_again(tmp_path):
    cl.train(small(save_buffer=False), 160, folder=tmp_path, progress=False)
    agent = small(save_buffer=False)
    run = cl.train(agent, 320, folder=tmp_path, resume=True, progress=False)
    # Episodes in progress are not recorded, for their beginnings are lost.
    assert agent.env_steps == 320 and 100 < agent.replay.seen < 160 and np.isfinite(run.latest["critic_loss"])


@pytest.mark.parametrize("kind", [RDPG, RTD3, RSAC])
@pytest.mark.parametrize("cell", ["lstm", "cfc"])
def test_trains_saves_loads_and_evaluates(tmp_path, kind, cell):
    agent = small(kind, cell=dict(name=cell, **PREVIOUS), normalize_observation=True)
    run = cl.train(agent, 192, progress=False)
    assert np.isfinite(run.latest["critic_loss"]) and np.isfinite(run.latest["actor_loss"])
    loaded = cl.load(run.save_policy(tmp_path / "p"))
    obs = np.random.default_rng(0).normal(size=(6, 4))
    states = [None, None]
    for t in range(3):
        for deterministic in (True, False):
            rngs = [np.random.default_rng(t) for _ in range(2)]
            (a, one), (b, two) = (
                p.act(obs, s, deterministic=deterministic, rng=g)
                for p, s, g in zip((run.policy, loaded), states, rngs, strict=True)
            )
            assert np.array_equal(a, b) and torch.equal(one, two) and a.shape == (6, 1)
        states = [p.rewarded(s, np.arange(6)) for p, s in ((run.policy, one), (loaded, two))]
        assert states[0].shape == (6, loaded.state_dim) and states[0][5, -1] == 5
        assert np.allclose(loaded.action_high * states[0][:, -2:-1].numpy(), a)
    mean, _ = loaded.step(loaded.normalizer(torch.from_numpy(obs).float()), states[0])
    assert np.allclose(mean.detach(), loaded.act(obs, states[0])[0], atol=1e-6)
    assert cl.evaluate(loaded, episodes=2).deterministic.mean > 0


def test_evaluation_sees_what_acting_saw():
    """The policy on its own, given the observations, actions and rewards of training, acts from the same memory."""
    agent = small(learning_starts=1, batch_size=1, updates_per_step=1e-9, cell=PREVIOUS)
    agent.begin()
    state = agent.policy.initial_state(4)
    for _ in range(3):
        obs = agent.observation.copy()
        action, state = agent.policy.act(obs, state)
        agent.collect()
        n = agent.policy.summarizer.state_dim
        state = state * torch.from_numpy(agent.replay.steps > 0)[:, None]  # 0 where an episode has just begun
        assert torch.allclose(state[:, :n], agent.memory, atol=1e-6)
        state = torch.cat([state[:, :n], agent.last_action, state[:, -1:]], dim=1)
        state = agent.policy.rewarded(state, agent.last_reward)


class Cue(gym.Env):
    """The first observation says which action is paid at each of the 6 steps; later ones say nothing."""

    observation_space = gym.spaces.Box(-1, 1, (1,), np.float32)
    action_space = gym.spaces.Box(-1, 1, (1,), np.float32)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.t, self.cue = 0, 1.0 if self.np_random.random() < 0.5 else -1.0
        return np.array([self.cue], np.float32), {}

    def step(self, action):
        self.t += 1
        return np.zeros(1, np.float32), float(self.cue * action[0]), False, self.t >= 6, {}


def cues():
    envs = gym.vector.SyncVectorEnv([Cue] * 8, autoreset_mode=gym.vector.AutoresetMode.SAME_STEP)
    envs.reset(seed=0)
    return envs


@pytest.mark.parametrize("cell", ["gru", "identity"])
def test_memory_remembers_a_cue(cell):
    """Without memory at most one step of six is paid: 1.0 in the mean, and 6.0 with it."""
    torch.manual_seed(0)
    c = RTD3Config(
        cell=dict(name=cell, neurons=8), hidden=(32,), learning_rate=3e-3, tau=0.02, batch_size=32,
        learning_starts=100, updates_per_step=0.1, exploration_noise=0.3, buffer_size=5_000, gamma=0.9,
        summarizers="critics",
    )  # fmt: skip
    agent = RTD3(cues(), c)
    cl.train(agent, 3_000 if cell == "gru" else 1_500, progress=False)
    policy, returns = agent.policy, []
    for cue in (1.0, -1.0):
        state, total = None, 0.0
        for t in range(6):
            action, state = policy.act(np.array([[cue if t == 0 else 0.0]]), state)
            total += cue * action[0, 0]
        returns.append(total)
    assert np.mean(returns) > 4.5 if cell == "gru" else np.mean(returns) < 1.1


def test_command_line(tmp_path, capsys):
    words = [
        "--env",
        PENDULUM,
        "--num-envs",
        "4",
        "--batch-size",
        "4",
        "--learning-starts",
        "64",
        "--cell.neurons",
        "8",
    ]
    words += ["--buffer-size", "9000", "--steps", "128", "--folder", str(tmp_path), "--hidden", "16"]
    assert main(["train", "rsac", *words, "--sequence-length", "8", "--cell.name", "ltc"]) == 0
    assert main(["evaluate", str(tmp_path), "--episodes", "2"]) == 0
    assert "rsac on InvertedPendulum-v5: 128 steps" in capsys.readouterr().out


# --- bad input ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes, sentence",
    [
        (dict(sequence_length=0), "sequence_length=0 is not accepted; it must be a whole number of at least 1"),
        (dict(sequence_length=5, burn_in=6), "burn_in=6 leaves nothing to learn from .* accepted: 0 to 4"),
        (dict(sequence_length=5, burn_in=5), "burn_in=5 leaves nothing"),
        (dict(burn_in=2), "burn_in=2 is not accepted with whole episodes"),
        (dict(burn_in=-1), "burn_in=-1"),
        (dict(memory_start="stored"), "memory_start='stored' is not accepted with whole episodes"),
        (dict(memory_start="zeros"), "memory_start='zeros' is not known.*did you mean 'zero'"),
        (dict(cell="lstn"), r"cell\.name='lstn' is not known.*did you mean 'lstm'"),
        (dict(summarizers="share"), "summarizers='share'.*did you mean 'shared'"),
        (dict(cell=dict(neurons=0)), r"cell\.neurons=0"),
        (dict(cell=dict(previous_action=1)), r"cell\.previous_action=1 is not accepted; it must be True or False"),
    ],
)
def test_configs_refused(changes, sentence):
    with pytest.raises(ArgumentError, match=sentence):
        RSACConfig(**changes)


def test_agents_refused(tmp_path):
    with pytest.raises(ArgumentError, match="buffer_size=2000 is too small for an episode of 1000 .* at least 8008"):
        small(buffer_size=2_000)
    with pytest.raises(ArgumentError, match="layers=2 is not accepted by cell='ltc'"):
        small(cell=dict(name="ltc", layers=2))
    with pytest.raises(ArgumentError, match=r"cell\.options=.* are not accepted by cell='lstm'"):
        small(cell=dict(options={"tau": (1, 2)}))
    with pytest.raises(ArgumentError, match="cell='gru' does not take these options"):
        small(cell=dict(name="gru", options={"solver": "euler"}))
    with pytest.raises(ArgumentError, match=r"action bounds \[-inf\]"):
        envs = cues()
        envs.single_action_space = gym.spaces.Box(-np.inf, np.inf, (1,), np.float32)
        RSAC(envs)
    run = cl.train(small(), 128, folder=tmp_path, progress=False)
    with pytest.raises(ArgumentError, match=r"is of another training: cell\.neurons: 8 there, 9 here"):
        cl.train(small(cell=dict(neurons=9)), 256, folder=tmp_path, resume=True, progress=False)
    with pytest.raises(ArgumentError, match="the checkpoint does not fit"):
        small(cell=dict(neurons=9)).load_state_dict(*run.agent.state_dict())
