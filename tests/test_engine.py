"""The vector environment: conventions, determinism, snapshots, and what bad input gets."""

import os
import subprocess
import sys
import warnings

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode

from course_lib.envs import TASKS, TWINS, BatchedEnv, make, make_task
from course_lib.envs.engine.single import TaskEnv
from course_lib.envs.engine.task import quiet
from course_lib.errors import ArgumentError, NonFiniteError

ENGINES = ("rollout", "data")


def actions_for(env, steps, seed=0):
    """(steps, N, action_dim) random actions."""
    rng = np.random.default_rng(seed)
    return rng.uniform(env.action_space.low, env.action_space.high, (steps, *env.action_space.shape))


def run(env, actions):
    """Stacked (observations, rewards, terminated, truncated) of `actions`."""
    return [np.stack(parts) for parts in zip(*(env.step(a)[:4] for a in actions), strict=True)]


def same(left, right):
    return all(np.array_equal(a, b) for a, b in zip(left, right, strict=True))


# --- Gymnasium's conventions ----------------------------------------------------------------


def remarks(env, **options):
    """What Gymnasium's checker warns of."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        check_env(env.unwrapped, **options)
    return {str(w.message) for w in caught}


@pytest.mark.parametrize("id", TWINS)
def test_env_checker_finds_nothing(id, capfd):
    """Nothing, that is, that it does not also say of Gymnasium's own: infinite bounds, a force of 3."""
    with quiet():
        unavoidable = remarks(gym.make(id), skip_render_check=True)
    assert all("infinity" in remark or "normalized" in remark for remark in unavoidable)
    env = gym.make(f"course/{id}", render_mode="rgb_array", width=64, height=48)
    assert remarks(env, skip_render_check=id != "Hopper-v5") <= unavoidable
    env.close()
    assert env.spec.max_episode_steps == make_task(id).horizon == TASKS[id][1]
    assert capfd.readouterr().err == ""


def test_the_single_environment_renders():
    env = gym.make("course/InvertedPendulum-v5", render_mode="rgb_array", width=64, height=48)
    env.reset(seed=0)
    assert env.render().shape == (48, 64, 3)
    env.step(np.zeros(1))
    assert env.render().dtype == np.uint8
    env.close()


def test_single_and_batch_are_the_same_environment():
    single, batch = gym.make("course/Ant-v5"), make("Ant-v5", 1, seed=4)
    np.testing.assert_array_equal(single.reset(seed=4)[0], batch.reset()[0][0])
    for action in actions_for(batch, 20):
        left, right = single.step(action[0]), batch.step(action)
        np.testing.assert_array_equal(left[0], right[0][0])
        assert left[1] == right[1][0]


@pytest.mark.parametrize("engine", ENGINES)
def test_same_step_autoreset(engine):
    """The step that ends an episode returns the next one's first observation; final_obs has the last."""
    env = make("InvertedPendulum-v5", 6, seed=0, engine=engine)
    assert env.metadata["autoreset_mode"] is AutoresetMode.SAME_STEP
    assert env.reset()[0].dtype == env.observation_space.dtype
    returns, lengths, ends = np.zeros(6), np.zeros(6, int), 0
    for actions in actions_for(env, 60):
        observation, reward, terminated, truncated, infos = env.step(actions)
        assert observation in env.observation_space
        returns, lengths = returns + reward, lengths + 1
        assert not truncated.any()
        if not terminated.any():
            assert "final_obs" not in infos and "episode" not in infos
            continue
        ends += terminated.sum()
        np.testing.assert_array_equal(infos["_final_obs"], terminated)
        np.testing.assert_array_equal(infos["_episode"], terminated)
        assert infos["final_obs"].shape == observation.shape and infos["final_obs"].dtype == observation.dtype
        assert (np.abs(infos["final_obs"][terminated, 1]) > 0.2).all()  # fallen
        assert (np.abs(observation[terminated]) <= 0.01).all()  # upright again
        np.testing.assert_array_equal(infos["final_obs"][~terminated], observation[~terminated])
        np.testing.assert_array_equal(infos["episode"]["r"][terminated], returns[terminated])
        np.testing.assert_array_equal(infos["episode"]["l"][terminated], lengths[terminated])
        returns[terminated], lengths[terminated] = 0, 0
        assert (env.physics[terminated, 0] == 0).all()  # the clock too
    assert ends > 6


def test_truncation_at_the_horizon():
    env = make("Reacher-v5", 3, seed=0)
    env.reset()
    for step, actions in enumerate(actions_for(env, 101), start=1):
        _, _, terminated, truncated, infos = env.step(actions)
        assert truncated.all() == (step % 50 == 0)
        assert not terminated.any()
        if truncated.all():
            assert (infos["episode"]["l"] == 50).all()


def test_staggered_clocks():
    env = make("Reacher-v5", 5, seed=0)
    env.reset(options={"stagger": True})
    ends = np.array([env.step(a)[3] for a in actions_for(env, 50)])
    assert (ends.sum(0) == 1).all()
    assert sorted(ends.argmax(0) + 1) == [10, 20, 30, 40, 50]


def test_terms_add_up_to_the_reward():
    for id in TASKS:
        env = make(id, 3, seed=0)
        env.reset()
        _, reward, _, _, infos = env.step(actions_for(env, 1)[0])
        terms = [v for k, v in infos.items() if k.startswith("reward_")]
        np.testing.assert_allclose(sum(terms), reward, rtol=0, atol=1e-12)


def test_what_was_returned_is_never_overwritten():
    for engine in ENGINES:
        env = make("Hopper-v5", 4, seed=0, engine=engine)
        seen = [env.reset()[0]] + [env.step(a)[0] for a in actions_for(env, 3)]
        copies = [o.copy() for o in seen]
        for actions in actions_for(env, 60):
            env.step(actions)
        assert same(seen, copies)


# --- determinism ----------------------------------------------------------------------------


@pytest.mark.parametrize(("id", "engine"), [("Walker2d-v5", "rollout"), ("Walker2d-v5", "data"), ("Ant-v5", "data")])
def test_trajectories_do_not_depend_on_threads_or_on_the_number_of_copies(id, engine):
    reference = make(id, 7, seed=5, threads=1, engine=engine)
    actions = actions_for(reference, 80)
    first = reference.reset()[0]
    whole = run(reference, actions)
    for threads in (2, 3):
        env = make(id, 7, seed=5, threads=threads, engine=engine)
        assert np.array_equal(env.reset()[0], first)
        assert same(run(env, actions), whole)
        env.close()
    few = make(id, 3, seed=5, engine=engine)
    assert np.array_equal(few.reset()[0], first[:3])
    assert same(run(few, actions[:, :3]), [part[:, :3] for part in whole])


def test_seeds():
    env = make("Hopper-v5", 3, seed=0)
    first = env.reset()[0]
    assert not np.array_equal(env.reset()[0], first)
    np.testing.assert_array_equal(env.reset(seed=0)[0], first)
    np.testing.assert_array_equal(make("Hopper-v5", 3, seed=1).reset()[0][:2], first[1:])
    assert not np.array_equal(make("Hopper-v5", 3, seed=None).reset()[0], first)


@pytest.mark.parametrize(
    ("id", "engine"),
    [
        ("Hopper-v5", "rollout"),
        ("Hopper-v5", "data"),
        ("Ant-v5", "data"),
        ("InvertedDoublePendulum-v5", "data"),
    ],
)
def test_snapshot_and_restore_are_bit_identical(id, engine):
    """In place, and in a fresh environment made with another seed and another number of threads."""
    env = make(id, 5, seed=0, engine=engine)
    env.reset()
    actions = actions_for(env, 160)
    run(env, actions[:60])
    snapshot, physics, observation = env.snapshot(), env.physics.copy(), env.task.observe(env.state)
    future = run(env, actions[60:])
    assert future[2].any() or id == "Ant-v5"  # resets are part of it
    np.testing.assert_array_equal(env.restore(snapshot), observation)
    np.testing.assert_array_equal(env.physics, physics)
    assert same(run(env, actions[60:]), future)
    other = make(id, 5, seed=9, engine=engine, threads=1)
    np.testing.assert_array_equal(other.restore(snapshot), observation)
    assert same(run(other, actions[60:]), future)
    assert same(run_again(env, snapshot, actions[60:]), future)  # the snapshot itself was left alone


def test_a_snapshot_of_the_other_engine_is_refused():
    engines = [make("HalfCheetah-v5", 2, engine=engine) for engine in ("rollout", "data")]
    for env in engines:
        env.reset(seed=0)
    for env, other in (engines, engines[::-1]):
        with pytest.raises(ArgumentError, match="a snapshot of .* numbers is not accepted, .* perhaps .* engine="):
            env.restore(other.snapshot())


def run_again(env, snapshot, actions):
    env.restore(snapshot)
    return run(env, actions)


# --- environments of Gymnasium without a task ------------------------------------------------


def test_other_ids_follow_the_same_conventions():
    env = make("Pendulum-v1", 3, seed=0)
    assert env.id == "Pendulum-v1" and env.num_envs == 3
    assert env.metadata["autoreset_mode"] is AutoresetMode.SAME_STEP
    first = env.reset()[0]
    np.testing.assert_array_equal(first, make("Pendulum-v1", 3, seed=0).reset()[0])
    np.testing.assert_array_equal(first, gym.make_vec("Pendulum-v1", 3, vectorization_mode="sync").reset(seed=0)[0])
    total = np.zeros(3)
    for step, actions in enumerate(actions_for(env, 400), start=1):
        observation, reward, _, truncated, infos = env.step(actions)
        total += reward
        assert truncated.all() == (step % 200 == 0)
        if truncated.all():
            assert infos["final_obs"].shape == (3, 3) and infos["final_obs"].dtype == observation.dtype
            assert not np.array_equal(infos["final_obs"], observation)
            assert infos["_final_obs"].all() and infos["_episode"].all()
            np.testing.assert_allclose(infos["episode"]["r"], total)
            assert (infos["episode"]["l"] == 200).all()
            total[:] = 0


def test_final_observations_of_other_ids_are_dense_when_few_end():
    env = make("CartPole-v1", 4, seed=0)
    env.reset()
    for _ in range(60):
        observation, _, terminated, _, infos = env.step(env.action_space.sample())
        if terminated.any() and not terminated.all():
            np.testing.assert_array_equal(infos["final_obs"][~terminated], observation[~terminated])
            assert (np.abs(infos["final_obs"][terminated]).max(axis=1) > 0.2).all()
            assert (np.abs(observation[terminated]) <= 0.05).all()
            return
    raise AssertionError("no pole fell")


class Broken(gym.Env):
    """Gives NaN in its third step."""

    observation_space = gym.spaces.Box(-1, 1, (2,), np.float64)
    action_space = gym.spaces.Box(-1, 1, (1,), np.float32)

    def __init__(self, where="observation"):
        self.where = where

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.count = 0
        return np.zeros(2), {}

    def step(self, action):
        self.count += 1
        wrong = np.nan if self.count == 3 else 0.0
        observation = np.full(2, wrong if self.where == "observation" else 0.0)
        return observation, wrong if self.where == "reward" else 0.0, False, False, {}


@pytest.mark.parametrize("where", ["observation", "reward"])
def test_nan_from_another_environment(where):
    if "Broken-v0" not in gym.registry:
        gym.register("Broken-v0", entry_point=Broken)
    env = make("Broken-v0", 2, where=where, disable_env_checker=True)
    env.reset()
    env.step(np.zeros((2, 1)))
    env.step(np.zeros((2, 1)))
    with pytest.raises(NonFiniteError, match=f"{where} of Broken-v0 is nan in copy 0.* at step 3"):
        env.step(np.zeros((2, 1)))


# --- numbers that are not finite --------------------------------------------------------------


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_actions_that_are_not_finite(engine, value):
    env = make("Hopper-v5", 3, engine=engine)
    env.reset()
    env.step(np.zeros((3, 3)))
    actions = np.zeros((3, 3))
    actions[1, 2] = value
    with pytest.raises(NonFiniteError, match=f"actions of Hopper-v5 is {value} in copy 1, entry 2 at step 2"):
        env.step(actions)
    env.step(np.zeros((3, 3)))  # nothing was lost


@pytest.mark.parametrize("engine", ENGINES)
def test_a_simulation_that_blows_up(engine, tmp_path, monkeypatch):
    """MuJoCo would start over in silence (but for a note in a file, here in tmp_path)."""
    monkeypatch.chdir(tmp_path)
    env = make("HalfCheetah-v5", 3, engine=engine)
    env.reset()
    for _ in range(3):
        env.step(np.zeros((3, 6)))
    wild = env.state.take(np.array([2]))
    wild.qvel[:] = 1e12
    env._engine.write(np.array([2]), wild)
    with pytest.raises(NonFiniteError, match="HalfCheetah-v5 became unstable in copy 2 at step 4"):
        env.step(np.zeros((3, 6)))
    env.reset()
    env.step(np.zeros((3, 6)))


@pytest.mark.parametrize(("engine", "id", "paid"), [*((e, "AnymalSprint-v0", -100.0) for e in ENGINES),
                                                    ("rollout", "AnymalC-v0", -5.0)])  # fmt: skip
@pytest.mark.parametrize("disturb", [None, dict(rate=2, noise=0.1)])
def test_a_robot_whose_simulation_blows_up_has_fallen(engine, id, paid, disturb, tmp_path, monkeypatch):
    """Its episode ends with a warning and the price of a fall; the copies beside it do not notice."""
    monkeypatch.chdir(tmp_path)
    env, beside = (make(id, 3, engine=engine, seed=5, disturb=disturb) for _ in range(2))
    for each in (env, beside):
        each.reset()
        for _ in range(3):
            each.step(np.zeros((3, 12)))
    wild = env.state.take(np.array([1]))
    wild.qvel[:, 7] = 1e12
    env._engine.write(np.array([1]), wild)
    last = env.task.observe(env.state)
    with pytest.warns(RuntimeWarning, match=f"{id} became unstable in copy 1 at step 4 .* ends there as a fall does"):
        observation, reward, terminated, truncated, infos = env.step(np.zeros((3, 12)))
    seen, earned, *_ = beside.step(np.zeros((3, 12)))
    assert reward[1] == paid == infos["reward_fall"][1] and infos["reward_" + env.task.integrals[0]][1] == 0.0
    assert terminated.tolist() == [False, True, False] and not truncated.any()
    assert infos["episode"]["l"][1] == 4 and infos["final_obs"][1] == pytest.approx(last[1])
    others = [0, 2]
    assert (observation[others] == seen[others]).all() and (reward[others] == earned[others]).all()
    assert np.isfinite(observation).all() and np.abs(observation[1]).max() < 4  # the next episode
    env.step(np.zeros((3, 12)))
    assert env.steps.tolist() == [5, 1, 5]


def test_a_robot_that_moves_faster_than_anything_could_has_fallen_before_its_numbers_spread():
    """Finite numbers that a running mean and variance would not get over."""
    env = make("AnymalSprint-v0", 3, seed=5)
    env.reset()
    env.step(np.zeros((3, 12)))
    wild = env.state.take(np.array([1]))
    wild.qvel[:, 8] = 6e3  # after a step 9 million rad/s
    env._engine.write(np.array([1]), wild)
    with pytest.warns(RuntimeWarning, match="copy 1 at step 2 .*: something moved at [0-9,]+ m/s or rad/s"):
        _, reward, terminated, _, infos = env.step(np.zeros((3, 12)))
    assert reward[1] == -100.0 and terminated.tolist() == [False, True, False]
    assert np.abs(infos["final_obs"]).max() <= 6e3  # that of the step before
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for action in actions_for(env, 60):
            env.step(action)  # a robot that thrashes about is within the limit


def test_one_robot_whose_simulation_blows_up_has_fallen(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    env = TaskEnv(make_task("AnymalSprint-v0"))
    env.reset(seed=0)
    env.step(np.zeros(12, dtype=np.float32))
    env.data.qvel[7] = 1e12
    with pytest.warns(RuntimeWarning, match="copy 0 at step 2"):
        _, reward, terminated, _, info = env.step(np.zeros(12, dtype=np.float32))
    assert reward == info["reward_fall"] == -100.0 and terminated


@pytest.mark.parametrize("part", ["observe", "reward_terms"])
def test_a_task_that_computes_nan(part):
    task = make_task("Hopper-v5")
    plain = getattr(task, part)

    def broken(*args):
        out = plain(*args)
        target = out if part == "observe" else out["forward"]
        if args[-1].time.max() > 0.01:
            target[1] = np.nan
        return out

    setattr(task, part, broken)
    env = BatchedEnv(task, 2)
    env.reset()
    env.step(np.zeros((2, 3)))
    name = "observation" if part == "observe" else "reward"
    with pytest.raises(NonFiniteError, match=f"{name} of Hopper-v5 is nan in copy 1.* at step 2"):
        env.step(np.zeros((2, 3)))


def test_huge_but_finite_numbers_are_not_mistaken_for_infinite_ones():
    task = make_task("Hopper-v5")
    task.observe = lambda state: np.full((len(state), 11), 1e308)
    env = BatchedEnv(task, 2)
    env.reset()
    with np.errstate(over="ignore"):
        env.step(np.zeros((2, 3)))


# --- bad input --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: make("HalfCheeta-v5"), ["id='HalfCheeta-v5'", "did you mean 'HalfCheetah-v5'?"]),
        (lambda: make("course/Hoper-v5"), ["id='course/Hoper-v5'", "Hopper-v5'?"]),
        (lambda: make_task("Hoper-v5"), ["id='Hoper-v5'", "did you mean 'Hopper-v5'?"]),
        (lambda: make_task(3), ["id=3", "accepted: HalfCheetah-v5"]),
        (lambda: make(None), ["id=None", "name of an environment"]),
        (lambda: make("Hopper-v5", 0), ["num_envs=0", "at least 1"]),
        (lambda: make("Hopper-v5", -1), ["num_envs=-1", "at least 1"]),
        (lambda: make("Hopper-v5", 1.5), ["num_envs=1.5", "whole number"]),
        (lambda: make("Hopper-v5", "a"), ["num_envs='a'", "whole number"]),
        (lambda: make("Hopper-v5", True), ["num_envs=True", "whole number"]),
        (lambda: make("Hopper-v5", 2, -3), ["seed=-3", "at least 0"]),
        (lambda: make("Hopper-v5", 2, "x"), ["seed='x'", "whole number"]),
        (lambda: make("Hopper-v5", 2, threads=0), ["threads=0", "at least 1"]),
        (lambda: make("Hopper-v5", 2, engine="fast"), ["engine='fast'", "'rollout', 'data'"]),
        (lambda: make("Pendulum-v1", 2, engine="fast"), ["engine='fast'", "'rollout', 'data'"]),
        (lambda: make("Ant-v5", 2, engine="rollout"), ["engine='rollout'", "cfrc_ext", "engine='data'"]),
        (
            lambda: make("Hopper-v5", 2, healthy_rewards=1),
            ["healthy_rewards=1", "did you mean 'healthy_reward'?"],
        ),
        (lambda: make("Pendulum-v1", 2, gravity=1.0), ["Pendulum-v1 cannot be made", "gravity"]),
        (lambda: gym.make("course/Hopper-v5", render_mode="human"), ["render_mode='human'", "'rgb_array'"]),
        (lambda: gym.make("course/Hopper-v5", width=0), ["width=0", "at least 1"]),
    ],
)
def test_bad_arguments_get_a_sentence(call, words):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Gymnasium adds its own remark on render modes
        with pytest.raises(ArgumentError) as error:
            call()
    sentence = str(error.value)
    assert "\n" not in sentence
    for word in words:
        assert word in sentence, sentence


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("actions", [np.zeros(3), np.zeros((2, 4)), np.zeros((3, 3)), 0.0, "no", [[1, 2, 3], [1]]])
def test_wrong_actions_get_a_sentence(engine, actions):
    env = make("Hopper-v5", 2, engine=engine)
    env.reset()
    with pytest.raises(ArgumentError, match=r"Hopper-v5 accepts( shape)? \(2, 3\)"):
        env.step(actions)
    env.step(np.zeros((2, 3)))


def test_step_before_reset():
    with pytest.raises(gym.error.ResetNeeded, match="reset"):
        make("Hopper-v5", 2).step(np.zeros((2, 3)))


def test_options_of_gymnasium_pass_through():
    env = make("Pendulum-v1", 2, g=5.0)
    assert env.unwrapped.envs[0].unwrapped.g == 5.0


# --- silence ----------------------------------------------------------------------------------


def test_nothing_is_printed_and_no_log_is_written(tmp_path):
    """In a fresh process in an empty folder: import, make every task, step, make one of Gymnasium's."""
    code = (
        "import warnings; warnings.simplefilter('error')\n"
        "import numpy as np, gymnasium as gym\n"
        "from course_lib.envs import TASKS, make\n"
        "for id in [*TASKS, 'Pendulum-v1']:\n"
        "    env = make(id, 2); env.reset(); env.step(np.zeros(env.action_space.shape)); env.close()\n"
        "for id in TASKS:\n"
        "    env = gym.make('course/' + id); env.reset(seed=0); env.close()\n"
    )
    root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    path = os.pathsep.join([root, os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert list(tmp_path.iterdir()) == []
