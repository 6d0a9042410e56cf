"""`Several`: copies of one task at different control rates behind one vector interface."""

from __future__ import annotations

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from course_lib.envs.engine.batched import BatchedEnv, mask_of, seeds_of, spaces_of
from course_lib.envs.engine.checks import check_actions
from course_lib.envs.engine.task import Task
from course_lib.errors import ArgumentError, NonFiniteError, check_choice, check_count

ENDS = ("final_obs", "_final_obs", "episode", "_episode")


class Several(VectorEnv):
    """N copies, of which copy i runs `tasks[i % len(tasks)]`: equal shares, or as near as N allows.

    Each task has its own `BatchedEnv`, in which copies have one control rate and one horizon. A step here is one
    control step of each copy, so their clocks drift apart. Arguments: see `BatchedEnv`; copy i gets seed + i here too.
    Variants of a task (`Task.variant`) are numbered within each group, so every rate gets the same robots.

    Attributes:
        groups: a `BatchedEnv` for each task. step_length: that of the next control step of each copy (N,), see `Task`.
        horizon: the longest. dt: s of a control step of each copy (N,). task, model: those of copy 0.
        id, options, note, physics: see `BatchedEnv`.
    """

    def __init__(
        self,
        tasks: list[Task],
        num_envs: int,
        seed: int | None = 0,
        threads: int | None = None,
        engine: str = "auto",
        options: dict | None = None,
    ):
        self.num_envs = n = check_count("num_envs", num_envs, least=len(tasks))
        self._index = [np.arange(k, n, len(tasks)) for k in range(len(tasks))]
        seeds = seeds_of(seed, n)
        self.groups = [
            BatchedEnv(task, len(index), list(seeds[index]), threads, engine)
            for task, index in zip(tasks, self._index, strict=True)
        ]
        self.task, self.options = tasks[0], options
        self.note = "of several tasks put together by hand" if options is None else ""
        self.spec = None
        self.metadata = {"autoreset_mode": AutoresetMode.SAME_STEP, "render_modes": ["rgb_array"]}
        self.single_observation_space, self.single_action_space = spaces_of(tasks[0])
        if any(spaces_of(task) != spaces_of(tasks[0]) for task in tasks):
            raise ArgumentError(f"tasks of {self.id} are not accepted: their observations or actions differ in shape")
        self.observation_space = batch_space(self.single_observation_space, n)
        self.action_space = batch_space(self.single_action_space, n)
        self.step_length = self._whole([np.full(g.num_envs, g.step_length) for g in self.groups])
        self.dt = self._whole([np.full(g.num_envs, g.dt) for g in self.groups])

    @property
    def id(self) -> str:
        return self.task.id

    @property
    def horizon(self) -> int:
        return max(group.horizon for group in self.groups)

    @property
    def model(self):
        return self.task.model

    @property
    def physics(self) -> np.ndarray:
        return self._whole([group.physics for group in self.groups])

    @property
    def np_random_seed(self) -> tuple[int, ...]:
        return tuple(self._each(lambda group: group.np_random_seed))

    @property
    def np_random(self) -> tuple[np.random.Generator, ...]:
        return tuple(self._each(lambda group: group.np_random))

    def _whole(self, parts: list[np.ndarray]) -> np.ndarray:
        """What the groups say (n, ...), in the order of the copies (N, ...)."""
        out = np.empty((self.num_envs, *parts[0].shape[1:]), parts[0].dtype)
        for index, part in zip(self._index, parts, strict=True):
            out[index] = part
        return out

    def _each(self, ask) -> list:
        """What `ask(group)` says of each of its copies, in the order of all copies."""
        out = [None] * self.num_envs
        for group, index in zip(self.groups, self._index, strict=True):
            for i, value in zip(index, ask(group), strict=True):
                out[i] = value
        return out

    def reset(self, *, seed: int | list[int | None] | None = None, options: dict | None = None):
        """New episodes; see `BatchedEnv.reset`. "stagger" spreads clocks over the horizon within each group."""
        options = options or {}
        for name in options:
            check_choice("an option of reset", name, ("stagger", "reset_mask"))
        mask = options.get("reset_mask")
        mask = np.ones(self.num_envs, dtype=bool) if mask is None else mask_of(mask, self.num_envs)
        if not mask.all() and any(group.state is None for group in self.groups):
            raise gym.error.ResetNeeded("call reset() for all copies before a reset of some")
        seeds, parts = seeds_of(seed, self.num_envs), []
        for group, index in zip(self.groups, self._index, strict=True):
            if mask[index].any():
                own = None if seed is None else list(seeds[index])
                parts.append(group.reset(seed=own, options={**options, "reset_mask": mask[index]})[0])
            else:
                parts.append(group.task.observe(group.state))
        return self._whole(parts), {}

    def step(self, actions: np.ndarray):
        """actions (N, action_dim) -> observation, reward, terminated, truncated, infos of all copies."""
        if any(group.state is None for group in self.groups):
            raise gym.error.ResetNeeded("call reset() before step()")
        steps = self._whole([group.steps + 1 for group in self.groups])
        actions = check_actions(self.task, actions, self.action_space.shape, steps)
        found = [self._step(group, actions[index]) for group, index in zip(self.groups, self._index, strict=True)]
        observation, reward, terminated, truncated = (self._whole(list(p)) for p in list(zip(*found, strict=True))[:4])
        told = [part[4] for part in found]
        infos: dict = {k: self._whole([own[k] for own in told]) for k in told[0] if k not in ENDS}
        if any("final_obs" in own for own in told):
            # Of a group in which all episodes go on: the observation stands for the last one, as in `BatchedEnv`.
            parts = [own.get("final_obs", part[0]) for own, part in zip(told, found, strict=True)]
            infos["final_obs"] = self._whole(parts)
            none = [np.zeros(group.num_envs, dtype=bool) for group in self.groups]
            for name in ("_final_obs", "_episode"):
                infos[name] = self._whole([own.get(name, no) for own, no in zip(told, none, strict=True)])
            running = [{"r": group.returns, "l": group.steps} for group in self.groups]
            episodes = [own.get("episode", run) for own, run in zip(told, running, strict=True)]
            infos["episode"] = {name: self._whole([each[name] for each in episodes]) for name in ("r", "l")}
        return observation, reward, terminated, truncated, infos

    def _step(self, group: BatchedEnv, actions: np.ndarray):
        try:
            return group.step(actions)
        except NonFiniteError as error:
            rate = 1.0 / group.step_length
            raise NonFiniteError(f"{error} (copies are counted among those with control rate {rate:g})") from None

    def snapshot(self) -> dict:
        """Everything that decides the future, under the names of `BatchedEnv.snapshot`; physics in one row."""
        parts = [group.snapshot() for group in self.groups]
        memory = {f"{k}.{name}": value for k, part in enumerate(parts) for name, value in part["memory"].items()}
        return {
            "physics": np.concatenate([part["physics"].ravel() for part in parts]),
            "memory": memory,
            **{name: self._whole([part[name] for part in parts]) for name in ("steps", "returns", "whole")},
            "rngs": [state for part in parts for state in part["rngs"]],
        }

    def restore(self, snapshot: dict) -> np.ndarray:
        """Go back to a `snapshot` -> the observation there."""
        seen, column, copies = [], 0, 0
        for k, (group, index) in enumerate(zip(self.groups, self._index, strict=True)):
            shape = group.snapshot_shape
            part = {name: snapshot[name][index] for name in ("steps", "returns", "whole")}
            part["physics"] = snapshot["physics"][column : column + shape[0] * shape[1]].reshape(shape)
            own = {name.partition(".")[::2]: value for name, value in snapshot["memory"].items()}
            part["memory"] = {name: value for (which, name), value in own.items() if which == str(k)}
            part["rngs"] = snapshot["rngs"][copies : copies + len(index)]
            seen.append(group.restore(part))
            column, copies = column + shape[0] * shape[1], copies + len(index)
        return self._whole(seen)

    def get_attr(self, name: str) -> tuple:
        """An attribute of each copy's task."""
        return tuple(self._each(lambda group: group.get_attr(name)))

    def call(self, name: str, *args, **kwargs) -> tuple:
        """What the method `name` of each copy's task returns (or an attribute)."""
        return tuple(self._each(lambda group: group.call(name, *args, **kwargs)))

    def render(self) -> tuple[np.ndarray, ...]:
        """A picture (240, 320, 3) of each copy."""
        return tuple(self._each(lambda group: group.render()))

    def close_extras(self, **kwargs) -> None:
        for group in self.groups:
            group.close()
