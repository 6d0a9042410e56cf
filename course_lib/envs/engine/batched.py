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

from course_lib.envs.engine.checks import check_actions
from course_lib.envs.engine.physics import DataPhysics, RolloutPhysics
from course_lib.envs.engine.task import State, Task
from course_lib.envs.engine.transition import advance
from course_lib.errors import ArgumentError, check_choice, check_count
from course_lib.machine import check_memory, cores

COPY = 4096  # bytes that a copy takes, at least: state, generator, spaces


def spaces_of(task: Task) -> tuple[gym.spaces.Box, gym.spaces.Box]:
    """(observation space, action space) of one copy."""
    width = len(task.observation_kinds())
    observation = gym.spaces.Box(-np.inf, np.inf, (width,), np.float64)
    return observation, gym.spaces.Box(task.action_low, task.action_high, dtype=np.float32)


class BatchedEnv(VectorEnv):
    """N copies of `task`, stepped together in one native call.

    Args:
        task: the control problem.
        num_envs: N.
        seed: copy i draws its start states from a generator seeded with `seed + i`, as in
            Gymnasium's own vector environments; None draws a fresh one.
        threads: native threads; the cores of the machine by default. Results do not depend on it.
        engine: "rollout", "data" (see `physics`) or "auto": "data" if the task needs derived quantities,
            else "rollout".
        options: what `cl.make` was given; None if it did not make these copies.

    `infos["episode"]` holds return "r" and length "l" of the episodes that ended (marked in "_episode"), as Gymnasium's
    vector `RecordEpisodeStatistics` does. If you put that wrapper around these copies, give it another `stats_key`.

    Attributes:
        id, options: with these `cl.make` makes such copies again, so that a policy is evaluated where it was trained.
        note: why `cl.make` cannot make them again ("of a task of its own, MyTask"); "" if it can.
        task: the control problem. horizon: control steps of an episode.
        model, dt, physics: what is drawn, s of a control step, the state of each copy. Physics runs the models that
            `task.variant(i)` gives; of robots and tabletops these are others, without what is only drawn.
        step_length: length of a control step, in control steps of the undisturbed task (1 unless it is `Disturbed`).
        steps, returns: control steps of each copy in its episode, and the sum of its rewards (N,).
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
        check_memory("num_envs", num_envs, COPY * self.num_envs, COPY)
        threads = cores() if threads is None else check_count("threads", threads)
        self.task, self.options, self.note = task, options, ""
        self.spec = None
        self.metadata = {"autoreset_mode": AutoresetMode.SAME_STEP, "render_modes": ["rgb_array"]}
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
        self._rngs, self._seeds = [None] * self.num_envs, [0] * self.num_envs
        self._seed(seed, self._everyone)
        self._camera = None

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
    def step_length(self) -> float:
        return self.task.step_length

    @property
    def steps(self) -> np.ndarray:
        return self._steps.copy()

    @property
    def returns(self) -> np.ndarray:
        return self._returns.copy()

    @property
    def physics(self) -> np.ndarray:
        """Full physics states (N, nstate): time, qpos, qvel, act."""
        return self._engine.physics

    def _seed(self, seed: int | list[int | None] | None, index: np.ndarray) -> None:
        """Fresh generators for the copies `index`."""
        for i, own in zip(index, seeds_of(seed, self.num_envs)[index], strict=True):
            self._rngs[i], self._seeds[i] = seeding.np_random(own)

    @property
    def np_random_seed(self) -> tuple[int, ...]:
        """The seed of each copy's generator."""
        return tuple(self._seeds)

    @property
    def np_random(self) -> tuple[np.random.Generator, ...]:
        """The generator of each copy."""
        return tuple(self._rngs)

    def _begin(self, index: np.ndarray) -> State:
        """Start new episodes in the copies `index`."""
        fresh = State.concatenate([self.task.reset(self._rngs[i], 1) for i in index])
        self._steps[index] = 0
        self._returns[index] = 0.0
        self._whole[index] = True
        return self._engine.write(index, fresh)

    def reset(self, *, seed: int | list[int | None] | None = None, options: dict | None = None):
        """New episodes -> observation (N, obs_dim), info.

        Args:
            seed: copy i gets seed + i, or entry i of a list; None keeps the generators as they are.
            options: "stagger": True spreads the clocks of the copies over the horizon. Then their episodes do not
                all end at once, and every rollout holds starts as well as late steps. The first, shortened episode of
                each copy is left out of `infos["episode"]`. "reset_mask" (N,) bool: only these copies begin anew, as
                in Gymnasium's vector environments.
        """
        options = options or {}
        for name in options:
            check_choice("an option of reset", name, ("stagger", "reset_mask"))
        index = self._everyone
        if options.get("reset_mask") is not None:
            index = np.flatnonzero(mask_of(options["reset_mask"], self.num_envs))
            if self.state is None and len(index) < self.num_envs:
                raise gym.error.ResetNeeded("call reset() for all copies before a reset of some")
        if seed is not None:
            self._seed(seed, index)
        fresh = self._begin(index)
        self.state = fresh if len(index) == self.num_envs else _replace(self.state, index, fresh)
        if options.get("stagger"):
            self._steps[index] = index * self.task.horizon // self.num_envs
            self._whole[index] = self._steps[index] == 0
        return self.task.observe(self.state), {}

    def step(self, actions: np.ndarray):
        """actions (N, action_dim) -> observation (N, obs_dim), reward, terminated, truncated (N,), infos."""
        if self.state is None:
            raise gym.error.ResetNeeded("call reset() before step()")
        task, before = self.task, self.state
        actions = check_actions(task, actions, self.action_space.shape, self._steps + 1)
        self._steps += 1
        made = advance(task, self._engine, before, actions, self._steps)
        after, observation, reward, terminated = made.after, made.observation, made.reward, made.terminated
        self._returns += reward
        truncated = self._steps >= task.horizon
        infos: dict = {f"reward_{name}": value for name, value in made.terms.items()} | task.outcome(after)
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
        """Everything that the next steps depend on: after `restore` they are the same bit for bit."""
        return {
            "physics": self._engine.snapshot(),
            "memory": {k: v.copy() for k, v in self.state.memory.items()},
            "steps": self._steps.copy(),
            "returns": self._returns.copy(),
            "whole": self._whole.copy(),
            "rngs": [rng.bit_generator.state for rng in self._rngs],
        }

    @property
    def snapshot_shape(self) -> tuple[int, int]:
        """Shape of `snapshot()["physics"]`."""
        return self._engine.snapshot().shape

    def restore(self, snapshot: dict) -> np.ndarray:
        """Go back to a `snapshot` -> the observation there."""
        self.state = self._engine.restore(snapshot["physics"])
        self.state.memory = {k: v.copy() for k, v in snapshot["memory"].items()}
        self._steps, self._returns = snapshot["steps"].copy(), snapshot["returns"].copy()
        self._whole = snapshot["whole"].copy()
        for rng, state in zip(self._rngs, snapshot["rngs"], strict=True):
            rng.bit_generator.state = state
        return self.task.observe(self.state)

    # --- what Gymnasium's vector environments offer besides ------------------------------------

    def get_attr(self, name: str) -> tuple:
        """An attribute of the task, which all copies share, once for each copy."""
        return (getattr(self.task, name),) * self.num_envs

    def call(self, name: str, *args, **kwargs) -> tuple:
        """What the task's method `name` returns (or an attribute), once for each copy."""
        found = getattr(self.task, name)
        return (found(*args, **kwargs) if callable(found) else found,) * self.num_envs

    def render(self) -> tuple[np.ndarray, ...]:
        """A picture (240, 320, 3) of each copy."""
        if self.state is None:
            raise gym.error.ResetNeeded("call reset() before render()")
        from course_lib.render.open import open_camera  # only here: most who step an environment draw nothing

        self._camera = self._camera or open_camera(self.task.model)
        return tuple(self._camera.frame(row) for row in self.physics)

    def close_extras(self, **kwargs) -> None:
        if self._camera is not None:
            self._camera.close()
        self._engine.close()


def seeds_of(seed: int | list[int | None] | None, n: int) -> np.ndarray:
    """The seed of each copy, (n,) objects."""
    if seed is None:
        return np.full(n, None)
    if isinstance(seed, (list, tuple, np.ndarray)):
        if len(seed) != n:
            raise ArgumentError(f"seed has {len(seed)} entries; it must have one for each of the {n} copies")
        each = [None if s is None else check_count("seed", s, least=0) for s in seed]
    else:
        each = [check_count("seed", seed, least=0) + i for i in range(n)]
    return np.array([*each, None], dtype=object)[:-1]


def mask_of(mask, n: int) -> np.ndarray:
    """`mask` as an array (n,) of bools, some of them true."""
    array = np.asarray(mask)
    if array.shape != (n,) or array.dtype != bool or not array.any():
        raise ArgumentError(
            f"reset_mask of shape {array.shape} and type {array.dtype} is not accepted; it must be ({n},) bool, "
            "and some must be true"
        )
    return array


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
