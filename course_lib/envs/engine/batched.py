"""`BatchedEnv`: all copies of a task behind Gymnasium's vector interface.

Autoreset is SAME_STEP: the observation returned at the end of an episode is already the first one of
the next, and the last one of the old episode is in `infos["final_obs"]`. PPO and SAC need both: the
first to act, the second to bootstrap a truncated episode.
"""

from __future__ import annotations

import gymnasium as gym
import numpy as np
from gymnasium.utils import seeding
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from course_lib.envs.engine.checks import check_actions, check_step
from course_lib.envs.engine.physics import DataPhysics, RolloutPhysics
from course_lib.envs.engine.task import State, Task
from course_lib.errors import ArgumentError, check_choice, check_count
from course_lib.machine import cores


def spaces_of(task: Task) -> tuple[gym.spaces.Box, gym.spaces.Box]:
    """(observation space, action space) of one copy."""
    width = len(task.observation_kinds())
    observation = gym.spaces.Box(-np.inf, np.inf, (width,), np.float64)
    return observation, gym.spaces.Box(task.action_low, task.action_high, dtype=np.float32)


class BatchedEnv(VectorEnv):
    """N copies of `task`, one native call a step.

    Args:
        task: the control problem.
        num_envs: N.
        seed: copy i draws its start states from a generator seeded with `seed + i`, as in
            Gymnasium's own vector environments; None draws a fresh one.
        threads: native threads; the cores of the machine by default. Results do not depend on it.
        engine: "rollout", "data" (see `physics`) or "auto": "data" where the task needs derived
            quantities, else "rollout".
        options: what `cl.make` was given; None where it did not make these copies.

    Attributes:
        id, options: what `cl.make` makes such copies from, so that a policy can be evaluated where it was trained.
        note: why it cannot make them again ("of a task of its own, MyTask"); "" where it can.
        task: the control problem. horizon: control steps of an episode.
        model, dt, physics: the simulator, s of a control step, the state of each copy.
    """

    def __init__(
        self,
        task: Task,
        num_envs: int = 64,
        seed: int | None = 0,
        threads: int | None = None,
        engine: str = "auto",
        options: dict | None = None,
    ):
        check_choice("engine", engine, ("auto", "rollout", "data"))
        if engine == "rollout" and task.derived:
            raise ArgumentError(
                f"engine='rollout' cannot run {task.id}: it reads {', '.join(task.derived)}, "
                "which only engine='data' delivers"
            )
        self.num_envs = check_count("num_envs", num_envs)
        threads = cores() if threads is None else check_count("threads", threads)
        self.task, self.options, self.note = task, options, ""
        self.spec = None
        self.metadata = {"autoreset_mode": AutoresetMode.SAME_STEP, "render_modes": []}
        self.single_observation_space, self.single_action_space = spaces_of(task)
        self.observation_space = batch_space(self.single_observation_space, self.num_envs)
        self.action_space = batch_space(self.single_action_space, self.num_envs)
        kind = DataPhysics if engine == "data" or (engine == "auto" and task.derived) else RolloutPhysics
        self._engine = kind(task, self.num_envs, min(threads, self.num_envs))
        self._steps = np.zeros(self.num_envs, dtype=np.int64)
        self._returns = np.zeros(self.num_envs)
        self._whole = np.ones(self.num_envs, dtype=bool)  # false in an episode that a staggered reset cut short
        self._everyone = np.arange(self.num_envs)
        self.state: State | None = None
        self._seed(seed)

    @property
    def id(self) -> str:
        return self.task.id

    @property
    def horizon(self) -> int:
        return self.task.horizon

    @property
    def model(self):
        return self.task.model

    @property
    def dt(self) -> float:
        return float(self.task.dt)

    @property
    def physics(self) -> np.ndarray:
        """Full physics states (N, nstate): time, qpos, qvel, act."""
        return self._engine.physics

    def _seed(self, seed: int | None) -> None:
        seed = None if seed is None else check_count("seed", seed, least=0)
        self._rngs = [seeding.np_random(None if seed is None else seed + i)[0] for i in range(self.num_envs)]

    def _begin(self, index: np.ndarray) -> State:
        """Start new episodes in the copies `index`."""
        fresh = State.concatenate([self.task.reset(self._rngs[i], 1) for i in index])
        self._steps[index] = 0
        self._returns[index] = 0.0
        self._whole[index] = True
        return self._engine.write(index, fresh)

    def reset(self, *, seed: int | None = None, options: dict | None = None):
        """New episodes everywhere -> observation (N, obs_dim), info.

        `options={"stagger": True}` spreads the clocks of the copies over the horizon, so that their episodes
        do not all end at once and every rollout holds starts as well as late steps. The first, shortened
        episode of each copy is left out of `infos["episode"]`.
        """
        if seed is not None:
            self._seed(seed)
        self.state = self._begin(self._everyone)
        if options and options.get("stagger"):
            self._steps[:] = np.arange(self.num_envs) * self.task.horizon // self.num_envs
            self._whole[:] = self._steps == 0
        return self.task.observe(self.state), {}

    def step(self, actions: np.ndarray):
        """actions (N, action_dim) -> observation (N, obs_dim), reward, terminated, truncated (N,), infos."""
        if self.state is None:
            raise gym.error.ResetNeeded("call reset() before step()")
        task, before = self.task, self.state
        actions = check_actions(task, actions, self.action_space.shape, self._steps + 1)
        push = None if task.pushed is None else task.push(before)
        after = self._engine.step(task.control(before, actions), push)
        after.memory = task.remember(before, actions, after)
        terms = task.reward_terms(before, actions, after)
        reward = sum(terms.values())
        terminated = task.terminated(after)
        observation = task.observe(after)
        self._steps += 1
        check_step(task, before, after, observation, reward, self._steps)
        self._returns += reward
        truncated = self._steps >= task.horizon
        infos: dict = {f"reward_{name}": value for name, value in terms.items()} | task.outcome(after)
        over = terminated | truncated
        if over.any():
            index = np.flatnonzero(over)
            infos["final_obs"], infos["_final_obs"] = observation.copy(), over
            infos["episode"] = {"r": self._returns.copy(), "l": self._steps.copy()}
            infos["_episode"] = over & self._whole
            fresh = self._begin(index)
            observation[index] = task.observe(fresh)
            after = _replace(after, index, fresh)
        self.state = after
        return observation, reward, terminated, truncated, infos

    def snapshot(self) -> dict:
        """Everything that decides the future: restoring it makes the next steps the same bit for bit."""
        return {
            "physics": self._engine.snapshot(),
            "memory": {k: v.copy() for k, v in self.state.memory.items()},
            "steps": self._steps.copy(),
            "returns": self._returns.copy(),
            "whole": self._whole.copy(),
            "rngs": [rng.bit_generator.state for rng in self._rngs],
        }

    def restore(self, snapshot: dict) -> np.ndarray:
        """Go back to a `snapshot` -> the observation there."""
        self.state = self._engine.restore(snapshot["physics"])
        self.state.memory = {k: v.copy() for k, v in snapshot["memory"].items()}
        self._steps, self._returns = snapshot["steps"].copy(), snapshot["returns"].copy()
        self._whole = snapshot["whole"].copy()
        for rng, state in zip(self._rngs, snapshot["rngs"], strict=True):
            rng.bit_generator.state = state
        return self.task.observe(self.state)

    def close_extras(self, **kwargs) -> None:
        self._engine.close()


def _replace(state: State, index: np.ndarray, fresh: State) -> State:
    """`state` with the copies `index` taken from `fresh`; never writes into arrays others hold."""
    out = State(
        state.time.copy(),
        state.qpos.copy(),
        state.qvel.copy(),
        state.act.copy(),
        dict(state.derived),
        dict(state.memory),
    )
    for name in ("time", "qpos", "qvel", "act"):
        getattr(out, name)[index] = getattr(fresh, name)
    for held, new in ((out.derived, fresh.derived), (out.memory, fresh.memory)):
        for key, value in new.items():
            held[key] = held[key].copy()
            held[key][index] = value
    return out
