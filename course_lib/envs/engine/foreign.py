"""Gymnasium's own environments behind the conventions of `BatchedEnv`."""

from __future__ import annotations

from copy import deepcopy

import gymnasium as gym
import mujoco
import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv, VectorWrapper
from gymnasium.wrappers import TimeLimit

from course_lib.envs.engine.batched import mask_of, seeds_of
from course_lib.envs.engine.options import kept
from course_lib.envs.engine.task import quiet
from course_lib.errors import ArgumentError, NonFiniteError


class Foreign(VectorWrapper):
    """`envs` (autoreset SAME_STEP) with dense final observations, episode statistics and a check for NaN.

    `infos["final_obs"]` is (N, ...), equal to the observation in copies whose episode goes on;
    `infos["episode"]` holds "r" and "l" (N,), valid where `infos["_episode"]`. Other entries of an environment's
    last info are put into the same arrays as those of the copies whose episodes go on.

    Attributes: see `BatchedEnv`; `task` is None, `snapshot` returns None, and `step_length` is always 1.
    """

    task = None
    step_length = 1.0

    def __init__(self, envs: VectorEnv, id: str, seed: int | None = None, options: dict | None = None, note: str = ""):
        super().__init__(envs)
        self.id, self.options, self.note = id, options or {}, note
        self._first_seed = seed
        self._returns = np.zeros(self.num_envs)
        self._steps = np.zeros(self.num_envs, dtype=np.int64)

    @property
    def horizon(self) -> int | None:
        """Control steps after which an episode is truncated, the most where copies differ; None where a copy has no
        time limit or does not tell.
        """
        inner = self.env.unwrapped
        # Not of `inner.spec`, which keeps the limit that was registered, whatever `make_vec` was given.
        if hasattr(inner, "envs"):
            limits = [_limit(env) for env in inner.envs]
        elif inner.spec is not None:  # copies in other processes, or none: what they were made with
            limits = [inner.spec.kwargs.get("max_episode_steps") or inner.spec.max_episode_steps]
        else:
            limits = [None]
        return None if None in limits or min(limits) < 1 else max(limits)

    @property
    def _simulator(self):
        """The first copy, of a MuJoCo environment."""
        copies = getattr(self.env.unwrapped, "envs", [None])
        inner = copies[0].unwrapped if copies[0] is not None else None
        if not hasattr(inner, "model") or not hasattr(inner, "data"):
            raise ArgumentError(f"env_id={self.id!r} has no MuJoCo model to draw; accepted: any MuJoCo environment")
        return inner

    @property
    def model(self) -> mujoco.MjModel:
        """Of a MuJoCo environment; `ArgumentError` for others, as `dt` and `physics`."""
        return self._simulator.model

    @property
    def dt(self) -> float:
        """Duration of a control step in s."""
        return float(self._simulator.dt)

    @property
    def physics(self) -> np.ndarray:
        """Full physics state of the first copy, (1, nstate)."""
        inner, kind = self._simulator, mujoco.mjtState.mjSTATE_FULLPHYSICS
        row = np.empty(mujoco.mj_stateSize(inner.model, kind))
        mujoco.mj_getState(inner.model, inner.data, row, kind)
        return row[None]

    def snapshot(self) -> None:
        """None: Gymnasium's environments do not give access to their whole state."""

    def reset(self, *, seed: int | None = None, options: dict | None = None):
        """As in Gymnasium; the first reset uses the seed given to `make`."""
        seed, self._first_seed = (self._first_seed if seed is None else seed), None
        each = seeds_of(seed, self.num_envs)  # raises for what is no seed
        seed = seed if seed is None else list(each) if np.ndim(seed) else each[0]
        options = {k: v for k, v in (options or {}).items() if k != "stagger"}  # that needs a clock per copy
        anew = slice(None)
        if options.get("reset_mask") is not None:
            anew = options["reset_mask"] = mask_of(options["reset_mask"], self.num_envs)
        self._returns[anew], self._steps[anew] = 0.0, 0
        observation, infos = self.env.reset(seed=seed, options=options or None)
        observation = _own(observation)
        self._check(observation, "the first observation")
        return observation, infos

    def step(self, actions):
        observation, reward, terminated, truncated, infos = self.env.step(actions)
        observation = _own(observation)
        terminated, truncated = np.array(terminated, dtype=bool), np.array(truncated, dtype=bool)
        self._steps += 1
        self._returns += reward
        over = terminated | truncated
        if over.any():
            index = np.flatnonzero(over)
            final = observation
            if isinstance(observation, np.ndarray):
                final = observation.copy()
                for i in index:
                    final[i] = infos["final_obs"][i]
            infos["final_obs"], infos["_final_obs"] = final, over
            _take_last(infos, index)
            infos["episode"], infos["_episode"] = {"r": self._returns.copy(), "l": self._steps.copy()}, over
        self._check(infos["final_obs"] if over.any() else observation, "observation")
        self._check(reward, "reward")
        self._returns[over], self._steps[over] = 0.0, 0
        if over.any():
            self._check(observation, "the first observation")
        return observation, reward, terminated, truncated, infos

    def _check(self, values, name: str) -> None:
        if not isinstance(values, np.ndarray) or values.dtype.kind != "f" or np.isfinite(values.sum()):
            return
        wrong = np.argwhere(~np.isfinite(values))
        if len(wrong):
            copy = int(wrong[0][0])
            raise NonFiniteError(
                f"{name} of {self.id} is {values[tuple(wrong[0])]} in copy {copy} at step "
                f"{int(self._steps[copy])} of its episode; accepted: finite numbers"
            )


def _limit(env: gym.Env) -> int | None:
    """Control steps after which Gymnasium truncates an episode of this copy."""
    limits = []
    while isinstance(env, gym.Wrapper):
        if isinstance(env, TimeLimit):
            limits.append(env._max_episode_steps)  # not its spec, which a wrapper around it may be unable to tell
        env = env.env
    return min(limits, default=None)


def _own(observation):
    """A copy: an environment may write the next observation into the same array (`copy=False`), and learners keep one
    beside the other.
    """
    return np.array(observation) if isinstance(observation, np.ndarray) else deepcopy(observation)


def _take_last(infos: dict, index: np.ndarray) -> None:
    """What the copies `index` said at their last step stands where the others say the like.

    Gymnasium keeps it in `infos["final_info"]`, because with SAME_STEP the next episode has begun.
    """
    last = infos.get("final_info", {})
    for name, value in last.items():
        if name.startswith("_") or not isinstance(value, np.ndarray):
            continue
        said = last.get(f"_{name}", np.ones(len(value), bool))
        here = infos.get(name)
        merged = here.copy() if isinstance(here, np.ndarray) and here.shape == value.shape else np.zeros_like(value)
        mask = infos.get(f"_{name}", np.zeros(len(value), bool)).copy()
        which = index[said[index]]
        merged[which], mask[which] = value[which], True
        infos[name], infos[f"_{name}"] = merged, mask


class _Scalar(gym.Wrapper):
    """Rewards as numbers, also those of environments that give arrays of one."""

    def step(self, action):
        observation, reward, terminated, truncated, info = self.env.step(action)
        if isinstance(reward, np.ndarray) and reward.size == 1:
            reward = reward.item()
        return observation, reward, terminated, truncated, info


def make_foreign(id: str, num_envs: int, seed: int | None, **kwargs) -> Foreign:
    """`num_envs` copies of Gymnasium's environment `id`, stepped one after the other."""
    vector = {"autoreset_mode": AutoresetMode.SAME_STEP}
    try:
        with quiet():
            envs = gym.make_vec(
                id, num_envs, vectorization_mode="sync", vector_kwargs=vector, **{"wrappers": [_Scalar], **kwargs}
            )
    except (TypeError, gym.error.Error) as error:
        reason = str(error).strip().splitlines()[-1] if str(error).strip() else type(error).__name__
        raise ArgumentError(f"{id} cannot be made with {kwargs or 'no options'}: {reason}") from None
    return Foreign(envs, id, seed, kept(kwargs))
