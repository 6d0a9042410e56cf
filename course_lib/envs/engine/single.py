"""`TaskEnv`: one copy of a task as a plain `gymnasium.Env`, with rendering."""

from __future__ import annotations

import gymnasium as gym
import numpy as np

from course_lib.envs.engine.batched import spaces_of
from course_lib.envs.engine.checks import check_actions
from course_lib.envs.engine.physics import DataPhysics
from course_lib.envs.engine.task import State, Task
from course_lib.envs.engine.transition import advance
from course_lib.errors import ArgumentError, check_count


class TaskEnv(gym.Env):
    """One copy of `task`. It leaves truncation to `gymnasium.wrappers.TimeLimit`, which `gymnasium.make` adds."""

    metadata = {"render_modes": ["rgb_array"]}

    def __init__(self, task: Task, render_mode: str | None = None, width: int = 320, height: int = 240):
        if render_mode not in (None, "rgb_array"):
            raise ArgumentError(f"render_mode={render_mode!r} is not accepted; accepted: None, 'rgb_array'")
        self.task, self.render_mode = task, render_mode
        self.metadata = {"render_modes": ["rgb_array"], "render_fps": task.render_fps}
        self.observation_space, self.action_space = spaces_of(task)
        self._engine = DataPhysics(task, 1, 1)
        self._size = check_count("width", width), check_count("height", height)
        self._steps = np.zeros(1, dtype=np.int64)
        self._renderer = None
        self.state: State | None = None

    @property
    def data(self):
        """The copy's `mujoco.MjData`."""
        return self._engine.datas[0]

    def reset(self, *, seed: int | None = None, options: dict | None = None):
        super().reset(seed=seed)
        self._steps[:] = 0
        self.state = self._engine.write(np.array([0]), self.task.reset(self.np_random, 1))
        return self.task.observe(self.state)[0], {}

    def __getstate__(self) -> dict:
        """All but the simulator's own memory and the camera, which are made anew."""
        held = {name: value for name, value in self.__dict__.items() if name not in ("_engine", "_renderer")}
        return held | {"_physics": None if self.state is None else self._engine.snapshot()}

    def __setstate__(self, held: dict) -> None:
        physics = held.pop("_physics")
        self.__dict__.update(held, _engine=DataPhysics(held["task"], 1, 1), _renderer=None)
        if physics is not None:
            memory = self.state.memory
            self.state = self._engine.restore(physics)
            self.state.memory = memory

    def step(self, action: np.ndarray):
        if self.state is None:
            raise gym.error.ResetNeeded("call reset() before step()")
        task = self.task
        self._steps += 1
        action = check_actions(task, np.asarray(action)[None], (1, *self.action_space.shape), self._steps)
        made = advance(task, self._engine, self.state, action, self._steps)
        self.state = made.after
        info = {f"reward_{name}": float(value[0]) for name, value in made.terms.items()}
        info |= {name: value[0].item() for name, value in task.outcome(made.after).items()}
        return made.observation[0], float(made.reward[0]), bool(made.terminated[0]), False, info

    def render(self):
        if self.render_mode is None:
            return None
        from course_lib.render.open import open_camera  # only here: most who step an environment draw nothing

        if self._renderer is None:
            self._renderer = open_camera(self.task.model, *self._size)
        return self._renderer.frame(self._engine.physics[0])

    def close(self):
        if self._renderer is not None:
            self._renderer.close()
            self._renderer = None
        self._engine.close()
