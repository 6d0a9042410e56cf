"""Input that is odd: it works, or is refused by a sentence that names it."""

import gymnasium as gym
import numpy as np
import pytest
import torch

import course_lib as cl
from course_lib.errors import ArgumentError, CourseError, NonFiniteError, PolicyFileError
from course_lib.viz import film

SMALL = dict(rollout_steps=8, minibatch_size=16)
FRAMES = np.zeros((3, 32, 32, 3), np.uint8)


class Odd(gym.Env):
    observation_space = gym.spaces.Box(-1, 1, (2,))
    action_space = gym.spaces.Box(-1, 1, (1,))

    def __init__(self, first=0.0, reward=1.0, array=False):
        self.first, self.reward = np.full(2, first, np.float32), np.array([reward]) if array else reward

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return self.first, {}

    def step(self, action):
        return np.zeros(2, np.float32), self.reward, False, False, {}


class FirstIsNaN(Odd):
    def __init__(self):
        super().__init__(np.nan)


@pytest.fixture(autouse=True)
def odd():
    for name, kind in (("Odd-v0", Odd), ("FirstIsNaN-v0", FirstIsNaN)):
        gym.register(name, kind, max_episode_steps=10, disable_env_checker=True)
    yield
    for name in ("Odd-v0", "FirstIsNaN-v0"):
        gym.registry.pop(name)


def ppo(**options):
    return cl.PPO(cl.make("Odd-v0", 4, **options), cl.PPOConfig(**SMALL))


def test_nan_at_the_start_is_not_blamed_on_the_learning_rate():
    agent = cl.PPO(cl.make("FirstIsNaN-v0", 4), cl.PPOConfig(**SMALL))
    with pytest.raises(NonFiniteError, match="the first observation of FirstIsNaN-v0 is nan in copy 0"):
        cl.train(agent, 64, progress=False)


def test_rewards_in_arrays_of_one_are_numbers():
    assert cl.train(ppo(array=True), 64, progress=False).latest["return_mean"] == 10.0


def test_rewards_beyond_measure_save_nothing(tmp_path):
    with pytest.raises(NonFiniteError):
        cl.train(ppo(reward=1e300), 64, progress=False, folder=tmp_path / "run")
    assert not list(tmp_path.rglob("*.safetensors"))


@pytest.mark.parametrize(
    "call, said",
    [
        (lambda: film.save_video("a.mp4", FRAMES, fps=-1), "fps=-1"),
        (lambda: film.save_video("a.mp4", FRAMES, fps=0), "fps=0"),
        (lambda: film.save_video("a.mp4", FRAMES.astype(float)), "frames of type float64"),
        (lambda: film.save_video("a.mp4", FRAMES.astype(int) - 1), "whole numbers, 0 to 255"),
        (lambda: film.save_video("file/a.mp4", FRAMES), "file/a.mp4.*cannot be written"),
        (lambda: film.save_video("a.mp4", FRAMES[:0]), "T of at least 1"),
        (lambda: cl.show(FRAMES[:0]), "no frame to show"),
        (lambda: cl.train(ppo(), 64, progress=False, folder=5), "folder=5 is not accepted"),
        (lambda: cl.train(ppo(), 64, progress=False, folder="file"), "cannot be written"),
        (lambda: cl.evaluate(cl.load("pendulum_mlp"), 2, env_id="HalfCheetah-v5"), "takes 4 observations to 1 actions"),
        (lambda: cl.show(cl.load("pendulum_mlp"), "HalfCheetah-v5"), "these envs need 17 to 6"),
        (lambda: cl.evaluate(cl.load("pendulum_mlp"), 2, most_steps=-3), "most_steps=-3"),
        (lambda: cl.evaluate(cl.load("pendulum_mlp"), "x"), "episodes='x'"),
        (lambda: cl.evaluate(cl.MLPActorCritic(2, 1)), "does not say which environment"),
        (lambda: cl.make("HalfCheetah-v5", 2, seed=1.5), "seed=1.5"),
    ],
)
def test_sentences(call, said):
    with open("file", "w") as file:
        file.write("x")
    with pytest.raises(CourseError, match=said) as refused:
        call()
    assert isinstance(refused.value, (ArgumentError, PolicyFileError, film.VideoError))


def test_frames_of_whole_numbers_are_written():
    assert film.save_video("a.mp4", FRAMES.astype(np.int64)).is_file()


@pytest.mark.parametrize(
    "kind, env, options",
    [
        (cl.PPO, "InvertedPendulum-v5", SMALL),
        (cl.PPO, "InvertedPendulum-v5", dict(SMALL, cell="ltc", sequence_length=8)),
        (cl.SAC, "Pendulum-v1", dict(learning_starts=32, batch_size=4, buffer_size=2000)),
        (cl.RSAC, "MemoryPendulum-v0", dict(learning_starts=32, batch_size=4, buffer_size=2000, updates_per_step=0.02)),
    ],
    ids=["ppo", "ppo ltc", "sac", "rsac"],
)
def test_a_default_of_double_precision_changes_nothing(kind, env, options, tmp_path):
    def trained():
        return cl.train(kind(cl.make(env, 4), kind.Config(**options)), 1000 if kind is cl.RSAC else 128, progress=False)

    plain = trained()
    torch.set_default_dtype(torch.float64)
    try:
        double = trained()
        loaded = cl.load(cl.save_policy(double.policy, tmp_path / "p"))
        found = cl.evaluate(loaded, 2, most_steps=5).deterministic.returns
        assert torch.get_default_dtype() == torch.float64
    finally:
        torch.set_default_dtype(torch.float32)
    for ours, theirs in zip(plain.policy.parameters(), double.policy.parameters(), strict=True):
        assert torch.equal(ours, theirs) and theirs.dtype == torch.float32
    np.testing.assert_array_equal(found, cl.evaluate(plain, 2, most_steps=5).deterministic.returns)
