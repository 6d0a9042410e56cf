"""The adapter to Stable-Baselines3 in tests/examples, against Stable-Baselines3's own vector environments."""

import importlib.util
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest

import course_lib as cl

sb3 = pytest.importorskip("stable_baselines3")
FILE = Path(__file__).parent / "examples" / "stable_baselines3.py"


@pytest.fixture(scope="module")
def adapter():
    spec = importlib.util.spec_from_file_location("adapter_to_sb3", FILE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_steps_are_those_of_its_own_vector_environment(adapter):
    from stable_baselines3.common.vec_env import DummyVecEnv

    ours, theirs = adapter.VecEnvOf(cl.make("Hopper-v5", 3, seed=0)), DummyVecEnv([lambda: gym.make("Hopper-v5")] * 3)
    theirs.seed(0)
    np.testing.assert_allclose(ours.reset(), theirs.reset(), atol=1e-6)
    rng, ended = np.random.default_rng(0), 0
    for _ in range(200):
        actions = rng.uniform(-1, 1, (3, 3)).astype(np.float32)
        a, b = ours.step(actions), theirs.step(actions)
        for x, y in zip(a[:3], b[:3], strict=True):
            np.testing.assert_allclose(x, y, atol=1e-4)
        for mine, its, over in zip(a[3], b[3], a[2], strict=True):
            if over:
                ended += 1
                np.testing.assert_allclose(mine["terminal_observation"], its["terminal_observation"], atol=1e-6)
                assert mine["TimeLimit.truncated"] == its["TimeLimit.truncated"]
    assert ended > 5


def test_a_model_trains_here_and_is_evaluated_as_it_evaluates_itself(adapter):
    from stable_baselines3.common.evaluation import evaluate_policy

    envs = cl.make("InvertedPendulum-v5", 4, seed=0)
    model = sb3.PPO("MlpPolicy", adapter.VecEnvOf(envs), n_steps=128, seed=0, device="cpu")
    model.learn(2048)
    found = cl.evaluate(adapter.PolicyOf(model, envs), episodes=4, seed=5).deterministic.returns
    own = [
        evaluate_policy(model, Seeded(gym.make("InvertedPendulum-v5"), 5 + i), n_eval_episodes=1, warn=False)[0]
        for i in range(4)
    ]
    np.testing.assert_allclose(found, own)


class Seeded(gym.Wrapper):
    """Each episode starts from one seed."""

    def __init__(self, env, own):
        super().__init__(env)
        self.own = own

    def reset(self, *, seed=None, options=None):
        return self.env.reset(seed=self.own, options=options)
