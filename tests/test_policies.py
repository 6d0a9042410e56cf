"""The contract of a policy: home-made ones act, are filmed, saved and trained; policy files from before are read."""

import math

import numpy as np
import pytest
import torch
from torch import nn

import course_lib as cl
from course_lib.errors import ArgumentError, PolicyFileError
from course_lib.evaluation.returns import policy_of
from course_lib.evaluation.rollout import rollout_states
from course_lib.files import save_tensors
from course_lib.policies.actor_critics import ActorCritic, MLPActorCritic, RecurrentActorCritic
from course_lib.policies.actors import Actor, RecurrentSquashedActor
from course_lib.policies.base import Policy, RunningMoments
from course_lib.policies.networks import mlp
from course_lib.policies.saved import FORMAT, POLICIES, nested
from course_lib.render.drawing import Drawing
from course_lib.viz import video

POLE = "InvertedPendulum-v5"


class Leaning(Policy):
    """A linear rule: the cart goes where the pole leans."""

    def __init__(self, obs_dim=4, act_dim=1, normalize=False, gains=(1.0, 10.0, 1.0, 2.0)):
        super().__init__(obs_dim, act_dim, normalize, gains=list(gains))
        self.gains = nn.Parameter(torch.tensor([gains]))

    def choose(self, x, state, rng):
        noise = 0.0 if rng is None else torch.from_numpy(rng.standard_normal((len(x), 1), dtype=np.float32))
        return x @ self.gains.T + noise, state


class Counting(Leaning):
    """Also remembers how many steps it made and what it earned, for which it leaves everything else as it is."""

    state_dim = 2

    def choose(self, x, state, rng):
        action, _ = super().choose(x, state, rng)
        return action, state + torch.tensor([1.0, 0.0])

    def rewarded(self, state, reward):
        return state + torch.from_numpy(np.outer(reward, [0.0, 1.0]).astype(np.float32))


class Linear(ActorCritic):
    """A linear mean and no memory."""

    def __init__(self, obs_dim, act_dim, hidden=(8,), **more):
        super().__init__(obs_dim, act_dim, **more)
        self.mean, self.critic = nn.Linear(obs_dim, act_dim), mlp([obs_dim, *hidden, 1])

    def step(self, x, state):
        return self.mean(x), state

    def sequence(self, x, state, starts):
        return self.mean(x), self.value(x, state)

    def value(self, x, state):
        return self.critic(x).squeeze(-1)


# --- a plain policy -----------------------------------------------------------------------------


def test_a_plain_policy_is_evaluated():
    policy = Leaning()
    result = cl.evaluate(policy, 3, env_id=POLE)
    assert (result.deterministic.returns == 1000).all() and result.env_id == POLE
    with pytest.raises(ArgumentError, match="env_id=None is not accepted here"):
        cl.evaluate(policy, 3)
    policy.enter(cl.make(POLE, 2, hide=[0]))
    assert (policy.env_id, policy.env_options["hide"]) == (POLE, [0])
    policy.enter(cl.make(POLE, 2))
    again = cl.evaluate(policy, 3)
    assert np.array_equal(again.deterministic.returns, result.deterministic.returns)
    assert (again.stochastic.lengths <= 1000).all()


def test_actions_are_kept_within_the_bounds_once_these_are_known():
    policy, obs = Leaning(), np.array([[0.0, 1.0, 0.0, 0.0], [0.0, -0.1, 0.0, 0.0]])
    assert np.allclose(policy.act(obs)[0], [[10.0], [-1.0]])
    policy.enter(cl.make(POLE, 1))
    action, state = policy.act(obs)
    assert np.allclose(action, [[3.0], [-1.0]]) and action.dtype == np.float32 and state.shape == (2, 0)


def test_noise_comes_from_the_generator_and_only_where_it_is_wanted():
    policy, obs = Leaning(), np.zeros((3, 4))
    draw = lambda seed, **how: policy.act(obs, rng=np.random.default_rng(seed), **how)[0]  # noqa: E731
    assert (draw(0) == 0).all()
    one = draw(0, deterministic=False)
    assert np.array_equal(one, np.random.default_rng(0).standard_normal((3, 1), dtype=np.float32))
    assert not np.array_equal(one, draw(1, deterministic=False))
    free = [policy.act(obs, deterministic=False)[0] for _ in range(2)]
    assert (free[0] != 0).all() and not np.array_equal(*free)


def test_a_plain_policy_is_rolled_out_and_filmed(monkeypatch):
    policy = Leaning()
    states = rollout_states(policy, POLE, steps=7)
    assert len(states) == 7 and len(states.hidden) == 0
    assert np.allclose(states.actions, states.observations @ [[1.0], [10.0], [1.0], [2.0]], atol=1e-5)
    monkeypatch.setattr(video, "open_camera", lambda model, *size: Drawing(model, *size))
    shown = []
    monkeypatch.setattr(video, "display_video", lambda frames, *more, **options: shown.append(frames))
    cl.show(policy, POLE, steps=7, width=64, height=48)
    assert shown[0].shape[1:] == (48, 64, 3) and len(shown[0]) >= 1


def test_a_policy_may_remember_and_see_rewards():
    policy = Counting()
    states = rollout_states(policy, POLE, steps=5)
    # What was remembered after each choice: that step is counted, its reward has not come yet.
    assert np.array_equal(np.concatenate(states.hidden), [[k + 1, k] for k in range(5)])
    assert (cl.evaluate(policy, 2, env_id=POLE).deterministic.returns == 1000).all()


def test_a_home_made_policy_is_saved(tmp_path, monkeypatch):
    policy = Leaning(gains=(0.3, 8.0, 0.5, 1.0))
    assert policy.settings == dict(obs_dim=4, act_dim=1, normalize=False, gains=[0.3, 8.0, 0.5, 1.0])
    early = cl.save_policy(policy, tmp_path / "early")  # before it has acted anywhere
    policy.enter(cl.make(POLE, 1))
    path = cl.save_policy(policy, tmp_path / "leaning", made="by hand")
    with pytest.raises(PolicyFileError, match="needs the policy class 'Leaning', which this version lacks"):
        cl.load(path)
    monkeypatch.setitem(POLICIES, "Leaning", Leaning)
    assert cl.load(early).env_id is cl.load(early).action_low is None
    back, obs = cl.load(path), np.random.default_rng(0).normal(size=(5, 4))
    assert back.header["made"] == "by hand" and back.settings == policy.settings and not policy.header
    assert np.array_equal(back.act(obs)[0], policy.act(obs)[0])
    assert (cl.evaluate(back, 2).deterministic.returns == 1000).all()


class Duck:
    """Acts, and is no policy."""

    env_id, env_options = POLE, {}

    def act(self, obs, state=None, deterministic=True, rng=None):
        return np.zeros((len(obs), 1)), state


@pytest.mark.parametrize("use", [cl.evaluate, rollout_states, policy_of])
@pytest.mark.parametrize("agent, name", [(Duck(), "Duck"), (None, "NoneType"), ("pendulum_ltc", "str")])
def test_what_is_no_policy_is_refused(use, agent, name):
    with pytest.raises(ArgumentError, match=f"agent={name} cannot act; accepted: an agent, a run, or a policy"):
        use(agent)


@pytest.mark.parametrize("name", ["pendulum_mlp", "pendulum_ltc", "throw_ndp", "memory_car_rsac_ltc"])
def test_observations_and_memories_are_not_stretched_to_fit(name):
    policy = cl.load(name)
    n = policy.obs_dim
    for obs in (0.1, np.zeros(n), np.zeros((2, 1)), np.zeros((1, n + 1)), np.zeros((1, 1, n)), [[]]):
        with pytest.raises(ArgumentError, match=rf"obs of shape .* is not accepted; it must be \(n, {n}\)"):
            policy.act(obs)
    for state in (policy.initial_state(1), policy.initial_state(3), torch.zeros(2, policy.state_dim + 1), 0.0):
        with pytest.raises(ArgumentError, match=rf"state of shape .*; it must be \(2, {policy.state_dim}\)"):
            policy.act(np.zeros((2, n)), state)
    assert policy.act(np.zeros((2, n)).tolist(), policy.initial_state(2))[0].shape == (2, policy.act_dim)
    if hasattr(policy, "plans"):
        with pytest.raises(ArgumentError, match="obs of shape"):
            policy.plans(np.zeros((2, 1)))


def test_rewards_and_moments_are_not_stretched_either():
    policy = RecurrentSquashedActor(2, 1, (4,), cell={"name": "gru", "neurons": 3, "previous_reward": True})
    assert (policy.rewarded(policy.initial_state(3), [1.0, 2.0, 3.0])[:, -1] == torch.arange(1.0, 4.0)).all()
    for reward in (1.0, [1.0], [1.0, 2.0]):
        with pytest.raises(ArgumentError, match="reward of shape .* must be 3 long"):
            policy.rewarded(policy.initial_state(3), reward)
    moments = RunningMoments((4,))
    for batch in (np.zeros((3, 1)), np.zeros(4), np.zeros((0, 4))):
        with pytest.raises(ArgumentError, match="batch of shape"):
            moments.update(batch)
    assert moments.count == 0 and (moments.mean == 0).all()


def test_what_a_subclass_must_define():
    x, state = torch.zeros(2, 3), torch.zeros(2, 0)
    calls = [lambda: Policy(3, 1).act(x.numpy())]
    calls += [lambda: ActorCritic(3, 1).step(x, state), lambda: ActorCritic(3, 1).value(x, state)]
    calls += [lambda: ActorCritic(3, 1).sequence(x[None], state, None), lambda: Actor(3, 1).unit(x)]
    for call in calls:
        with pytest.raises(NotImplementedError):
            call()
    with pytest.raises(ArgumentError, match="policy takes 4 observations to 1 actions; these envs need 11 to 3"):
        Leaning().check_widths(11, 3)


# --- a home-made actor-critic -------------------------------------------------------------------


def test_a_home_made_actor_critic_trains_with_ppo():
    config = cl.PPOConfig(
        rollout_steps=32, minibatch_size=128, epochs=10, learning_rate=1e-2, hidden=(32,), seed=1, sequence_length=7
    )
    agent = cl.PPO(cl.make(POLE, 16, seed=1), config, Linear)
    assert type(agent.policy) is Linear and agent.unrolled == 1  # sequence_length need not divide the rollout
    fresh = cl.evaluate(agent, 20, seed=100).deterministic.mean
    run = cl.train(agent, 12_000, progress=False)
    assert run.policy.env_id == POLE and run.policy.normalizer.count == agent.env_steps
    assert fresh < 50 and cl.evaluate(run, 20, seed=100).deterministic.mean > 100
    agent = cl.PPO(cl.make(POLE, 16, seed=1), config, Linear)
    agent.begin()
    rollout, _ = agent.collect()
    assert rollout.starts[1:].any() and agent.loss(rollout.segments(1))[1][2].abs().max() < 1e-5
    on = cl.PPO(cl.make(POLE, 16), config, run.policy)
    assert type(on.policy) is Linear and on.policy is not run.policy
    assert all(torch.equal(v, on.policy.state_dict()[k]) for k, v in run.policy.state_dict().items())


def test_defaults_of_an_actor_critic():
    torch.manual_seed(0)
    policy, x = Linear(3, 2, init_log_std=-0.5), torch.randn(6, 5, 3)
    assert policy.forgets and (policy.chunk, policy.dofs, policy.explore) == (1, 0, "actions")
    assert policy.networks is policy and policy.normalizer.enabled and policy.settings["init_log_std"] == -0.5
    state, starts = policy.initial_state(5), torch.rand(6, 5) < 0.3
    assert state.shape == (5, 0) and policy.memory(x, state, starts).shape == (6, 5, 0)
    mean, value = policy.sequence(x, state, starts)
    drawn = mean + torch.randn(6, 5, 2)
    executed, after = policy.execute(drawn[0], state)
    assert executed is drawn[0] or torch.equal(executed, drawn[0])
    assert after is state and policy.rewarded(state, np.ones(5)) is state
    oracle = torch.distributions.Normal(mean, torch.tensor(-0.5).exp()).log_prob(drawn).sum(-1)
    assert torch.allclose(policy.log_prob(drawn, mean, state, starts), oracle, atol=1e-5)
    assert value.shape == (6, 5)


def test_choosing_is_the_mean_with_noise_of_sigma():
    policy, x = Linear(3, 2, init_log_std=-0.5), torch.randn(5, 3)
    state = policy.initial_state(5)
    mean, _ = policy.step(x, state)
    assert torch.equal(policy.choose(x, state, None)[0], mean)
    noise = np.random.default_rng(3).standard_normal((5, 2), dtype=np.float32)
    noisy, _ = policy.choose(x, state, np.random.default_rng(3))
    assert torch.allclose(noisy, mean + np.exp(-0.5) * torch.from_numpy(noise), atol=1e-6)


def test_what_the_shipped_actor_critics_say_of_themselves():
    plans = dict(chunk=5, trajectory="dmp", dofs=2, explore="plan")
    kinds = {
        MLPActorCritic(4, 3): (True, 1, 0, "actions"),
        RecurrentActorCritic(4, 3): (False, 1, 0, "actions"),
        cl.ChunkActorCritic(4, 3): (True, 5, 0, "actions"),
        cl.ChunkActorCritic(4, 3, plans): (True, 5, 2, "plan"),
        cl.ChunkActorCritic(4, 3, 2, "ltc"): (False, 2, 0, "actions"),
    }
    for policy, said in kinds.items():
        assert (policy.forgets, policy.chunk, policy.dofs, policy.explore) == said
        assert isinstance(policy, ActorCritic) and isinstance(policy.networks, nn.Module)
        assert policy.initial_state(2).shape == (2, policy.state_dim)
    envs = cl.make("Push-v0", 16, horizon=4)
    assert cl.PPO(envs, policy=Linear(15, 3)).policy.chunk == 1
    with pytest.raises(ArgumentError, match="chunk=5 is longer than the horizon: an episode of Push-v0 has 4 steps"):
        cl.PPO(envs, policy=cl.ChunkActorCritic(15, 3))


# --- files from before --------------------------------------------------------------------------

NET = dict(hidden=[16], activation="elu")
GAUSS = dict(init_log_std=-0.5, normalize=True)
ACTOR = dict(hidden=[16], noise=0.2, normalize=True)
PLAN = dict(chunk=5, trajectory="dmp", dofs=2, basis=3, alpha=12.0, explore="plan", heads="first")
CELL = dict(neurons=5, encoder=6, feedthrough=True, critic="cell", critic_neurons=3)
MEMORY = dict(neurons=5, layers=2, feedthrough=True, previous_action=True, previous_reward=True)
WHOLE = {"solver": "euler", "substeps": 2}
FLAT = {  # kind -> settings as they were written, and what stands in the place of those of cell and plan today
    "mlp": ("MLPActorCritic", GAUSS | NET, {}),
    "recurrent": (
        "RecurrentActorCritic",
        GAUSS | NET | CELL | dict(cell="ltc", cell_options=WHOLE),
        dict(cell=dict(CELL, name="ltc", options=WHOLE)),
    ),
    "chunk": (
        "ChunkActorCritic",
        GAUSS | NET | PLAN | dict(cell=None),
        dict(plan=PLAN, cell={"name": None, "options": {}}),
    ),
    "chunk with a cell": (
        "ChunkActorCritic",
        GAUSS | NET | PLAN | CELL | dict(cell="ltc", cell_options=WHOLE),
        dict(plan=PLAN, cell=dict(CELL, name="ltc", options=WHOLE)),
    ),
    "deterministic": ("DeterministicActor", ACTOR, {}),
    "squashed": ("SquashedActor", ACTOR, {}),
    "recurrent deterministic": (
        "RecurrentDeterministicActor",
        ACTOR | MEMORY | dict(cell="lstm", cell_options=None, remember=7),
        dict(cell=dict(MEMORY, name="lstm", options={}, remember=7)),
    ),
    "recurrent squashed": (  # of before `remember`
        "RecurrentSquashedActor",
        ACTOR | MEMORY | dict(cell="ltc", cell_options=WHOLE, layers=1),
        dict(cell=dict(MEMORY, name="ltc", options=WHOLE, layers=1)),
    ),
}  # fmt: skip


def test_every_kind_of_policy_is_here():
    assert {kind for kind, *_ in FLAT.values()} == set(POLICIES)


@pytest.mark.parametrize("name", FLAT)
def test_settings_from_before_are_folded(name, tmp_path):
    kind, flat, today = FLAT[name]
    flat = dict(obs_dim=4, act_dim=3, **flat)
    beside = {k: v for k, v in flat.items() if k in ("obs_dim", "act_dim", *GAUSS, *NET, *ACTOR)}
    assert nested(flat) == beside | today
    assert nested(nested(flat)) == nested(flat)
    torch.manual_seed(0)
    policy = POLICIES[kind](**beside, **today)
    assert nested(policy.settings) == policy.settings
    policy.normalizer.update(np.random.default_rng(0).normal(1, 2, (50, 4)))
    header = dict(format=FORMAT, policy=kind, settings=flat, env_id=POLE, env_options={"hide": [0]}, versions={})
    header |= dict(action_low=[-1.0] * 3, action_high=[0.5] * 3)
    loaded = cl.load(save_tensors(tmp_path / "before.safetensors", policy.state_dict(), header))
    policy.action_low, policy.action_high = np.float32([-1.0] * 3), np.float32([0.5] * 3)
    assert loaded.settings == policy.settings and type(loaded) is type(policy)
    assert (loaded.env_id, loaded.env_options, loaded.header["settings"]) == (POLE, {"hide": [0]}, flat)
    for deterministic in (True, False):
        one = two = None
        for t in range(7):
            seen = np.random.default_rng(t).normal(size=(2, 4))
            how = [dict(deterministic=deterministic, rng=np.random.default_rng(t)) for _ in range(2)]
            (a, one), (b, two) = policy.act(seen, one, **how[0]), loaded.act(seen, two, **how[1])
            assert np.array_equal(a, b) and torch.equal(one, two)
            one, two = policy.rewarded(one, np.ones(2)), loaded.rewarded(two, np.ones(2))


@pytest.mark.parametrize("changes", [dict(neurons=6), dict(cell="gru", cell_options={}), dict(feedthrough=False)])
def test_settings_that_do_not_fit_the_weights_are_refused(changes, tmp_path):
    kind, flat, today = FLAT["recurrent"]
    policy = POLICIES[kind](4, 3, **GAUSS, **NET, **today)
    policy.enter(cl.make("Push-v0", 1))
    settings = dict(obs_dim=4, act_dim=3, **flat) | changes
    path = cl.save_policy(policy, tmp_path / "edited", settings=settings)
    with pytest.raises(PolicyFileError, match="does not fit its own description"):
        cl.load(path)


def test_a_file_keeps_dt_and_clamped_neurons(tmp_path):
    policy = cl.load("pendulum_ltc")
    rows = [np.random.default_rng(0).normal(size=(6, 4)).astype(np.float32) for _ in range(4)]

    def played(it):
        state, found = None, []
        for row in rows:
            action, state = it.act(row, state)
            found.append(action)
        return np.stack(found)

    usual = played(policy)
    for dt, clamped in ((0.02, {}), (1.0, {0: 1.0}), (2, {np.int64(3): np.float64(0.1), 1: -0.5})):
        policy.dt, policy.clamped = dt, clamped
        back = cl.load(cl.save_policy(policy, tmp_path / "it"))
        assert back.dt == dt and back.clamped == clamped
        assert (played(back) == played(policy)).all() and np.abs(played(back) - usual).max() > 1e-3
        again = cl.load(cl.save_policy(back, tmp_path / "again"))
        assert (played(again) == played(policy)).all()
    policy.dt, policy.clamped = 1.0, {}
    assert "acting" not in cl.load(cl.save_policy(policy, tmp_path / "it")).header
    planner = cl.load("throw_ndp_ltc")
    planner.core.dt = 0.5
    assert cl.load(cl.save_policy(planner, tmp_path / "it")).core.dt == 0.5
    mlp = cl.load("anymal_walk_mlp")
    mlp.dt = 0.5  # which it has no use for
    assert "acting" not in cl.load(cl.save_policy(mlp, tmp_path / "it")).header


@pytest.mark.parametrize(
    "changes, said",
    [
        (dict(dt=0.0), "dt=0.0 is not accepted"),
        (dict(dt=math.nan), "dt=nan is not accepted"),
        (dict(clamped={8: 0.0}), "clamped names the neuron 8, which is not there; accepted: 0 to 7"),
        (dict(clamped={-1: 0.0}), "clamped names the neuron -1"),
        (dict(clamped={1: math.inf}), r"clamped\[1\]=inf is not accepted"),
        (dict(clamped=[1]), "it must be a dict"),
    ],
)
def test_what_a_file_could_not_give_back_is_not_written(changes, said, tmp_path):
    policy = cl.load("pendulum_ltc")
    vars(policy).update(changes)
    with pytest.raises(ArgumentError, match=said):
        cl.save_policy(policy, tmp_path / "it")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "name, place, value",
    [
        ("pendulum_ltc", "cell.solver", "rk4"),
        ("pendulum_ltc", "cell.substeps", 3),
        ("robust_ltc", "critic_cell.solver", "rk4"),
        ("pendulum_ltc", "normalizer.enabled", False),
        ("pendulum_ltc", "normalizer.clip", 1.0),
        ("pendulum_mlp", "normalizer.enabled", False),
        ("throw_ndp_ltc", "core.cell.substeps", 3),
        ("throw_ndp", "explore", "actions"),
        ("halfcheetah_sac", "noise", 0.3),
        ("memory_car_rsac_ltc", "summarizer.net.solver", "rk4"),
    ],
)
def test_changes_that_a_file_would_forget_are_named(name, place, value, tmp_path):
    policy = cl.load(name)
    *parts, last = place.split(".")
    part = policy.get_submodule(".".join(parts))
    before = getattr(part, last)
    setattr(part, last, value)
    with pytest.raises(ArgumentError, match=rf"^{place}={value!r} cannot be saved: .*would say {before!r}"):
        cl.save_policy(policy, tmp_path / "it")
    setattr(part, last, before)
    torch.manual_seed(0)
    wanted = torch.rand(1)
    torch.manual_seed(0)
    cl.save_policy(policy, tmp_path / "it")
    assert torch.rand(1) == wanted  # comparing used up no random number


def test_how_a_policy_acts_is_no_fact(tmp_path):
    with pytest.raises(ArgumentError, match="acting is not accepted among the facts"):
        cl.save_policy(cl.load("pendulum_ltc"), tmp_path / "it", acting="well")


def test_nested_leaves_alone_what_is_not_flat():
    for same in ({}, {"hidden": [8]}, {"cell": {"name": "ltc"}, "plan": {"chunk": 5}}):
        assert nested(same) is same
