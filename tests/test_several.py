"""Copies at several control rates: each is what it would be alone, and an agent trains on all of them."""

import gymnasium as gym
import numpy as np
import pytest

import course_lib as cl
from course_lib.envs import Several, make, make_task
from course_lib.envs.adopt import adopt
from course_lib.errors import ArgumentError, NonFiniteError
from course_lib.evaluation.returns import run_episodes

RATES = (0.5, 1, 2)
SMALL = cl.PPOConfig(rollout_steps=16, minibatch_size=32, epochs=1, hidden=(8,))


def several(id="InvertedPendulum-v5", n=7, rates=RATES, seed=4, **options):
    disturb = dict(rate=rates, **options.pop("disturb", {}))
    return make(id, n, seed, disturb=disturb, **options)


def actions_for(env, steps, seed=0):
    rng = np.random.default_rng(seed)
    return rng.uniform(env.action_space.low, env.action_space.high, (steps, *env.action_space.shape))


def follow(env, actions):
    return [np.stack(parts) for parts in zip(*(env.step(a)[:4] for a in actions), strict=True)]


def same(left, right):
    return all(np.array_equal(a, b) for a, b in zip(left, right, strict=True))


@pytest.mark.parametrize("disturb", [{}, dict(noise=0.01, delay=1, clock=True)])
def test_copy_i_is_what_it_would_be_alone(disturb):
    """At rate i modulo 3, from seed + i, with its infos; through several episodes."""
    envs, alone = several(disturb=disturb), []
    assert isinstance(envs, Several) and [group.num_envs for group in envs.groups] == [3, 2, 2]
    for i in range(7):
        alone.append(make("InvertedPendulum-v5", 1, 4 + i, disturb=dict(rate=RATES[i % 3], **disturb)))
    np.testing.assert_array_equal(envs.reset()[0], np.concatenate([env.reset()[0] for env in alone]))
    ends = 0
    for action in actions_for(envs, 80):
        *found, infos = envs.step(action)
        theirs = [env.step(action[i : i + 1]) for i, env in enumerate(alone)]
        for k, value in enumerate(found):
            np.testing.assert_array_equal(value, np.concatenate([t[k] for t in theirs]))
        np.testing.assert_array_equal(infos["reward_survive"], [t[4]["reward_survive"][0] for t in theirs])
        over = found[2] | found[3]
        assert ("final_obs" in infos) == ("episode" in infos) == over.any()
        if not over.any():
            continue
        ends += over.sum()
        np.testing.assert_array_equal(infos["_final_obs"], over)
        np.testing.assert_array_equal(infos["_episode"], over)
        for i, (_, _, _, _, told) in enumerate(theirs):
            last = told["final_obs"][0] if over[i] else found[0][i]
            np.testing.assert_array_equal(infos["final_obs"][i], last)
            if over[i]:
                assert infos["episode"]["r"][i] == told["episode"]["r"][0]
                assert infos["episode"]["l"][i] == told["episode"]["l"][0]
    assert ends > 10


def test_what_it_says_of_itself():
    envs = several("HalfCheetah-v5", 4)
    assert envs.id == "HalfCheetah-v5" and envs.options == {"disturb": {"rate": [0.5, 1.0, 2.0]}} and envs.note == ""
    assert adopt(envs) is envs
    assert envs.horizon == 2000 and envs.step_length.tolist() == [2.0, 1.0, 0.5, 2.0]
    np.testing.assert_allclose(envs.dt, [0.1, 0.05, 0.025, 0.1])
    np.testing.assert_allclose(envs.get_attr("dt"), envs.dt)
    assert [len(kinds) for kinds in envs.call("observation_kinds")] == [17] * 4
    assert envs.observation_space.shape == (4, 17) and envs.action_space.shape == (4, 6)
    assert envs.np_random_seed == (4, 5, 6, 7) and len(envs.np_random) == 4
    envs.reset()
    envs.step(np.zeros((4, 6)))
    np.testing.assert_allclose(envs.physics[:, 0], envs.dt)  # clocks drift apart
    assert [picture.shape for picture in envs.render()] == [(240, 320, 3)] * 4
    envs.close()
    assert make("HalfCheetah-v5", 2).step_length == make("Pendulum-v1", 2).step_length == 1.0


def test_seeds_masks_and_staggered_clocks():
    envs = several("Reacher-v5", 6)
    with pytest.raises(gym.error.ResetNeeded):
        envs.step(np.zeros((6, 2)))
    with pytest.raises(gym.error.ResetNeeded):
        envs.reset(options={"reset_mask": np.array([True, False, False, True, False, False])})
    first = envs.reset(seed=[3, 1, 4, 1, 5, None])[0]
    assert envs.np_random_seed[:5] == (3, 1, 4, 1, 5)
    np.testing.assert_array_equal(first[1], first[3])
    actions = actions_for(envs, 3)
    later = follow(envs, actions)[0][-1]
    mask = np.array([True, False, False, False, True, False])
    fresh = envs.reset(seed=3, options={"reset_mask": mask})[0]
    np.testing.assert_array_equal(fresh[~mask], later[~mask])
    np.testing.assert_array_equal(fresh[0], first[0])
    assert (fresh[4] != later[4]).any()
    envs.reset(options={"stagger": True})
    ends = np.array([envs.step(a)[3] for a in actions_for(envs, 100)])
    assert (np.flatnonzero(ends[:, 0])[:1] + 1 == 25) and [e.sum() for e in ends.T] == [4, 2, 1] * 2
    for wrong, words in (({"stager": True}, "did you mean 'stagger'"), ({"reset_mask": [1]}, "reset_mask")):
        with pytest.raises(ArgumentError, match=words):
            envs.reset(options=wrong)


@pytest.mark.parametrize(
    ("id", "options"),
    [
        ("InvertedPendulum-v5", dict(engine="data", disturb=dict(noise=0.1, drop=0.2, delay=2))),
        ("MemoryCartPole-v0", dict(wind=0.5)),  # its memory is as long as an episode
        ("AnymalSprint-v0", dict()),  # its snapshot has a row for each physics step
    ],
)
def test_resumed_in_the_middle_bit_for_bit(id, options):
    envs, other = (several(id, 5, **options) for _ in range(2))
    envs.reset(options={"stagger": True})
    actions = actions_for(envs, 30)
    follow(envs, actions[:10])
    snapshot = envs.snapshot()
    future = follow(envs, actions[10:])
    other.reset(seed=50)
    np.testing.assert_array_equal(other.restore(snapshot), envs.restore(snapshot))
    assert same(follow(other, actions[10:]), future) and same(follow(envs, actions[10:]), future)


@pytest.mark.parametrize("more", [{}, dict(cell="ltc", sequence_length=8)], ids=["mlp", "ltc"])
def test_an_agent_trains_on_several_rates(more, tmp_path):
    config = cl.PPOConfig(**{**vars(SMALL), **more})
    agent = cl.PPO(several(n=6, hide="velocities", disturb=dict(clock=True)), config)
    run = cl.train(agent, 2 * 16 * 6, folder=tmp_path, progress=False)
    assert agent.iterations == 2 and agent.recent and np.isfinite(run.latest["value_loss"])
    policy = cl.load(tmp_path / "policy.safetensors")
    assert policy.env_options == {"hide": "velocities", "disturb": {"rate": [0.5, 1.0, 2.0], "clock": True}}
    assert policy.obs_dim == 3


def test_a_checkpoint_goes_on_as_if_nothing_had_happened():
    disturb = dict(noise=0.1, delay=1, drop=0.2)
    one, other = (cl.PPO(several(n=6, hide="velocities", disturb=disturb), SMALL) for _ in range(2))
    one.iterate(0.0)
    other.load_state_dict(*one.state_dict())
    left, right = one.iterate(0.5), other.iterate(0.5)
    assert str(left) == str(right)
    np.testing.assert_array_equal(one.observation, other.observation)


def test_evaluated_on_as_many_copies_as_there_are_episodes():
    policy = cl.PPO(several(n=3, hide="velocities"), SMALL).policy
    assert len(cl.evaluate(policy, 4).deterministic.returns) == 4
    one = cl.evaluate(policy, 1).deterministic
    assert one.returns == cl.evaluate(policy, 1, disturb=dict(rate=0.5)).deterministic.returns  # that of copy 0
    plain = cl.evaluate(policy, 3, disturb=None).deterministic.returns
    np.testing.assert_array_equal(plain, cl.evaluate(policy, 3, disturb=dict(rate=1)).deterministic.returns)
    assert make("InvertedPendulum-v5", 1, disturb=dict(rate=[2, 1])).step_length == 0.5


def test_every_copy_runs_its_whole_episode():
    envs = several("Reacher-v5", 3)

    class Rest:
        env_id = "Reacher-v5"

        def act(self, obs, state, **options):
            return np.zeros((len(obs), 2)), None

        def rewarded(self, state, reward):
            return state

    found = run_episodes(Rest(), envs)
    assert found.lengths.tolist() == [25, 50, 100]
    single = [run_episodes(Rest(), make("Reacher-v5", 3, disturb=dict(rate=r))).returns[i] for i, r in enumerate(RATES)]
    np.testing.assert_allclose(found.returns, single)


def test_mistakes_name_the_copy():
    envs = several(n=6)
    envs.reset()
    with pytest.raises(ArgumentError, match=r"shape \(5, 1\); InvertedPendulum-v5 accepts \(6, 1\)"):
        envs.step(np.zeros((5, 1)))
    wrong = np.zeros((6, 1))
    wrong[4] = np.nan
    with pytest.raises(NonFiniteError, match="in copy 4, entry 0 at step 1"):
        envs.step(wrong)
    with pytest.raises(ArgumentError, match="differ in shape"):
        Several([make_task("Hopper-v5"), make_task("Reacher-v5")], 2)
    assert Several([make_task("Hopper-v5")] * 2, 3).note == "of several tasks put together by hand"
