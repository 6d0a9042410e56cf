"""Environments from elsewhere: their last words are heard, and a policy is evaluated where it was trained."""

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode

import course_lib as cl
from course_lib.envs import TASKS, BatchedEnv, make_task
from course_lib.envs.adopt import adopt
from course_lib.envs.anymal.terrain import Terrain
from course_lib.envs.twins.half_cheetah import HalfCheetah
from course_lib.errors import ArgumentError
from course_lib.evaluation import returns
from course_lib.evaluation.returns import run_episodes

SAME = {"autoreset_mode": AutoresetMode.SAME_STEP}
SMALL = cl.PPOConfig(rollout_steps=8, minibatch_size=16, epochs=1, hidden=(8,))


class Told(gym.Env):
    """Ends after `length` steps, and says things on the way; reward 1 a step."""

    observation_space = gym.spaces.Box(-1, 1, (1,))
    action_space = gym.spaces.Box(-1, 1, (1,))

    def __init__(self, says="success", when="always", length=3):
        self.says, self.when, self.length = says, when, length

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.t = 0
        return np.zeros(1, np.float32), {}

    def step(self, action):
        self.t += 1
        over = self.t >= self.length
        told = {self.says: over} if self.when == "always" or over else {}
        return np.zeros(1, np.float32), 1.0, over, False, told | {"step": float(self.t)}


class Endless(Told):
    def step(self, action):
        return np.zeros(1, np.float32), 1.0, False, False, {}


@pytest.fixture(autouse=True)
def registered():
    for name, kind in (("Told-v0", Told), ("Endless-v0", Endless)):
        gym.register(name, kind)
    yield
    for name in ("Told-v0", "Endless-v0"):
        gym.registry.pop(name)


def vector(id, **options):
    return gym.make_vec(id, 4, vectorization_mode="sync", vector_kwargs=SAME, **options)


@pytest.mark.parametrize("when", ["always", "at the end"])
@pytest.mark.parametrize("says", ["success", "is_success"])
def test_success_that_is_told_at_the_last_step(says, when):
    envs = cl.make("Told-v0", 4, says=says, when=when)
    found = run_episodes(cl.PPO(envs, SMALL).policy, envs)
    assert found.success_rate == 1.0 and (found.lengths == 3).all()


def test_whatever_is_told_at_the_last_step_stands_beside_what_others_say():
    envs = cl.make("Told-v0", 3)
    envs.reset(seed=0)
    envs.env.envs[1].unwrapped.t = 1  # it will end first
    for wanted, mask in (((1, 2, 1), 3), ((2, 3, 2), 3)):
        infos = envs.step(np.zeros((3, 1), np.float32))[4]
        assert infos["step"].tolist() == list(wanted) and infos["_step"].sum() == mask


def returns_of(agent, **options):
    return cl.evaluate(agent, episodes=3, **options).deterministic.returns


def test_options_of_make_vec_are_taken_over():
    agent = cl.PPO(vector("Pendulum-v1", g=0.0), SMALL)
    assert agent.policy.env_options == {"g": 0.0} and agent.policy.env_note == ""
    np.testing.assert_array_equal(returns_of(agent), returns_of(agent, g=0.0))
    assert (returns_of(agent) != returns_of(agent, g=10.0)).all()


def test_a_time_limit_of_make_vec_is_taken_over():
    agent = cl.PPO(vector("Pendulum-v1", max_episode_steps=7), SMALL)
    assert (cl.evaluate(agent, 2).deterministic.lengths == 7).all()


@pytest.mark.parametrize(
    "envs, why",
    [
        (lambda: vector("Pendulum-v1", wrappers=[lambda e: gym.wrappers.RescaleAction(e, -1, 1)]), "in RescaleAction"),
        (
            lambda: vector("Pendulum-v1", wrappers=[lambda e: gym.wrappers.TransformReward(e, np.tanh)]),
            "TransformReward",
        ),
        (lambda: gym.wrappers.vector.NormalizeReward(vector("Pendulum-v1")), "in NormalizeReward"),
        (lambda: gym.wrappers.vector.NormalizeReward(cl.make("HalfCheetah-v5", 4)), "in NormalizeReward"),
        (lambda: BatchedEnv(type("Mine", (HalfCheetah,), {})(), 4), "of a task of its own, Mine"),
        (
            lambda: gym.vector.SyncVectorEnv(
                [lambda g=g: gym.make("Pendulum-v1", g=g) for g in (1.0, 2.0, 3.0, 4.0)], **SAME
            ),
            "whose copies differ",
        ),
        (lambda: gym.vector.SyncVectorEnv([Told] * 4, **SAME), "not registered"),
    ],
)
def test_environments_that_cannot_be_made_again_are_refused(envs, why, tmp_path):
    agent = cl.PPO(envs(), SMALL)
    with pytest.raises(ArgumentError, match=f"trained in .* {why}.*cl.evaluate.policy, envs=") as refused:
        cl.evaluate(agent)
    assert "\n" not in str(refused.value)
    loaded = cl.load(cl.save_policy(agent.policy, tmp_path / "policy"))
    with pytest.raises(ArgumentError, match=why):
        cl.evaluate(loaded)
    assert len(cl.evaluate(loaded, envs=envs()).deterministic.returns) == 4


def test_environments_handed_over_are_the_ones_evaluated_in():
    agent = cl.PPO(cl.make("Pendulum-v1", 4, g=0.0), SMALL)
    found = cl.evaluate(agent, envs=vector("Pendulum-v1", g=10.0), seed=5).deterministic.returns
    np.testing.assert_array_equal(found, cl.evaluate(agent, 4, seed=5, g=10.0).deterministic.returns)


@pytest.mark.parametrize(
    "task, options",
    [
        (lambda: HalfCheetah(), {}),
        (lambda: HalfCheetah(0.2), {"forward_reward_weight": 0.2}),
        (lambda: make_task("InvertedPendulum-v5", hide="velocities"), {"hide": "velocities"}),
        (lambda: make_task("AnymalC-v0", terrain=Terrain("step", height=0.1)), {"terrain": ...}),
    ],
)
def test_tasks_put_into_an_engine_by_hand_are_made_again_with_their_options(task, options):
    envs = adopt(BatchedEnv(task(), 3, seed=4))
    assert envs.note == "" and envs.options.keys() == options.keys()
    again = cl.make(envs.id, 3, seed=4, **envs.options)
    assert type(again.task) is type(envs.task) and again.task.unmasked.arguments() is not None
    first, second = envs.reset(seed=4)[0], again.reset(seed=4)[0]
    np.testing.assert_array_equal(first, second)
    actions = np.random.default_rng(0).uniform(-1, 1, (3, first.shape[0] and envs.action_space.shape[1]))
    for ours, theirs in zip(envs.step(actions)[:2], again.step(actions)[:2], strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_no_time_limit(monkeypatch, capsys):
    monkeypatch.setattr(returns, "MOST_STEPS", 25)
    envs = cl.make("Endless-v0", 2)
    found = run_episodes(cl.PPO(envs, cl.PPOConfig(rollout_steps=8, minibatch_size=16)).policy, envs)
    assert (found.lengths == 25).all() and (found.returns == 25).all()
    assert "Endless-v0 has no time limit: 2 of 2 episodes were cut off after 25 steps" in capsys.readouterr().out
    found = run_episodes(cl.PPO(envs, cl.PPOConfig(rollout_steps=8, minibatch_size=16)).policy, envs, most_steps=9)
    assert (found.lengths == 9).all() and capsys.readouterr().out == ""


@pytest.mark.parametrize(
    "envs, said",
    [
        ("HalfCheetah-v5", "'HalfCheetah-v5' is not accepted.*cl.make\\('HalfCheetah-v5', 64\\)"),
        (lambda: gym.make("Pendulum-v1"), "a single environment.*cl.make\\('Pendulum-v1', 64\\)"),
        (lambda: cl.make, "is not accepted; it must be copies of an environment"),
    ],
)
@pytest.mark.parametrize("kind", [cl.PPO, cl.SAC, cl.RSAC])
def test_what_is_no_vector_environment_gets_a_sentence(kind, envs, said):
    with pytest.raises(ArgumentError, match=said):
        kind(envs if isinstance(envs, str) else envs())


def test_options_become_plain():
    options = dict(g=np.float32(9), render_mode=None)
    policy = cl.PPO(cl.make("Pendulum-v1", 4, **options), SMALL).policy
    assert policy.env_options["g"] == 9.0 and type(policy.env_options["g"]) is float
    hidden = cl.make("InvertedPendulum-v5", 2, hide=np.array([1, 3]))
    assert hidden.options == {"hide": [1, 3]}
    assert cl.make("InvertedPendulum-v5", 2, hide=range(2)).options == {"hide": [0, 1]}


@pytest.mark.parametrize("value", [lambda: 3, object(), 1j])
def test_options_that_no_file_can_hold_are_refused_before_the_first_step(value):
    tried = (("Pendulum-v1", "g", "could not name it"), ("InvertedPendulum-v5", "reset_noise_scale", "a finite number"))
    for id, name, said in tried:
        with pytest.raises(ArgumentError, match=f"{name}=.*{said}"):
            cl.make(id, 2, **{name: value})


def test_a_task_that_was_changed_by_hand_is_not_told_as_a_plain_one():
    for name, value in (("frame_skip", 10), ("horizon", 500)):
        task = cl.make_task("HalfCheetah-v5")
        setattr(task, name, value)
        envs = adopt(BatchedEnv(task, 2))
        assert envs.options == {} and envs.note == f"with another {name} than its options give"
    assert adopt(BatchedEnv(cl.make_task("HalfCheetah-v5"), 2)).note == ""


CHANGES = {
    "ctrl_cost_weight": lambda task: setattr(task, "ctrl_cost_weight", 10.0),
    "model": lambda task: task.model.opt.gravity.__setitem__(2, -30.0),
    "terminated": lambda task: setattr(task, "terminated", lambda after: np.ones(len(after), bool)),
    "horizon": lambda task: setattr(task, "horizon", 12),
}


@pytest.mark.parametrize("name", CHANGES)
@pytest.mark.parametrize("hide", [None, "velocities"])
def test_a_task_that_was_changed_after_it_was_made_is_not_made_again(name, hide):
    def changed(made):
        CHANGES[name](made.task if name == "horizon" else made.task.unmasked)
        return made

    by_hand = changed(BatchedEnv(make_task("HalfCheetah-v5", hide=hide), 2))
    for envs in (by_hand, changed(cl.make("HalfCheetah-v5", 2, hide=hide))):
        agent = cl.PPO(envs, SMALL)
        with pytest.raises(ArgumentError, match=f"HalfCheetah-v5 with another {name} than its options give"):
            cl.evaluate(agent)
    assert by_hand.options == {}


def test_a_change_of_one_control_rate_is_seen_too():
    envs = cl.make("HalfCheetah-v5", 4, disturb=dict(rate=(1, 2), noise=0.1))
    assert adopt(envs).note == ""
    envs.groups[1].task.model.body_mass[1] *= 2
    assert adopt(envs).note == "with another model than its options give"


def test_what_is_private_of_a_task_gets_no_name():
    envs = cl.make("AnymalC-v0", 2)
    envs.task._commands.high[0] = 3.0
    assert adopt(envs).note == "whose task was changed after it was made"


@pytest.mark.parametrize(
    "id, options",
    [(id, {}) for id in TASKS]
    + [
        ("AnymalC-v0", dict(terrain=Terrain("rough", height=0.1), command=np.array([0.5, 0, 0]))),
        ("HalfCheetah-v5", dict(hide=range(2), ctrl_cost_weight=np.float32(0.3))),
        ("Hopper-v5", dict(hide={1, 0}, disturb=dict(rate=(1, 0.5), noise=0.1, drop=0.2, delay=1, mass=1.1, push=5.0))),
        ("MemoryPendulum-v0", dict(disturb=dict(rate=2, clock=True))),
    ],
)
def test_a_task_that_ran_and_was_coloured_is_still_the_same(id, options):
    envs = cl.make(id, 2, **options)
    envs.reset(seed=0)
    for _ in range(3):
        envs.step(envs.action_space.sample())
    envs.task.model.geom_rgba[:] = 0.5
    envs.task.model.vis.headlight.ambient[:] = 0.1
    assert adopt(envs).note == ""


def test_a_range_without_an_end_is_saved_and_read_back(tmp_path):
    agent = cl.PPO(cl.make("Hopper-v5", 4, healthy_z_range=(1.2, np.inf)), SMALL)
    assert agent.policy.env_options == {"healthy_z_range": [1.2, np.inf]}
    loaded = cl.load(cl.save_policy(agent.policy, tmp_path / "policy"))
    assert loaded.env_options == agent.policy.env_options
    found = [cl.evaluate(policy, 4).deterministic.lengths for policy in (agent, loaded)]
    np.testing.assert_array_equal(*found)
    assert (found[0] < cl.evaluate(agent, 4, healthy_z_range=(0.1, np.inf)).deterministic.lengths).any()
    with pytest.raises(ArgumentError, match="g=nan is not accepted; it must not be or hold a NaN"):
        cl.make("Pendulum-v1", 2, g=np.nan)
