"""Between this library and Stable-Baselines3: its agents in these environments, its policies evaluated here."""

import numpy as np
import torch
from stable_baselines3.common.vec_env import VecEnv

import course_lib as cl


class VecEnvOf(VecEnv):
    """Environments of `cl.make` as Stable-Baselines3 wants them: `PPO("MlpPolicy", VecEnvOf(cl.make(…)))`."""

    def __init__(self, envs):
        self.envs = envs
        super().__init__(envs.num_envs, envs.single_observation_space, envs.single_action_space)

    def reset(self):
        return self.envs.reset()[0].astype(np.float32)

    def step_async(self, actions):
        self.actions = actions

    def step_wait(self):
        observation, reward, terminated, truncated, infos = self.envs.step(self.actions)
        over, told = terminated | truncated, [{} for _ in range(self.num_envs)]
        for i in np.flatnonzero(over):
            told[i] = {"terminal_observation": infos["final_obs"][i], "TimeLimit.truncated": bool(truncated[i])}
            if infos["_episode"][i]:
                told[i]["episode"] = {"r": infos["episode"]["r"][i], "l": int(infos["episode"]["l"][i]), "t": 0.0}
        return observation.astype(np.float32), reward.astype(np.float32), over, told

    def close(self):
        self.envs.close()

    def get_attr(self, name, indices=None):
        return [None] * self.num_envs if name == "render_mode" else list(self.envs.get_attr(name))

    def set_attr(self, name, value, indices=None):
        raise NotImplementedError("a task is made with its options: cl.make(id, n, option=value)")

    def env_method(self, name, *args, indices=None, **kwargs):
        return list(self.envs.call(name, *args, **kwargs))

    def env_is_wrapped(self, wrapper, indices=None):
        return [False] * self.num_envs


class PolicyOf(cl.Policy):
    """A model of Stable-Baselines3 as a policy of this library: `cl.evaluate(PolicyOf(model, envs))`."""

    def __init__(self, model, envs):
        super().__init__(model.observation_space.shape[0], model.action_space.shape[0])
        self.model = [model]  # in a list, because a model is no network of this one
        self.enter(envs)

    def choose(self, x, state, rng):
        return torch.as_tensor(self.model[0].predict(x.numpy(), deterministic=rng is None)[0]), state
