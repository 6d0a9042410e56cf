"""WaterMaze: find a platform under water, and remember where it is. After the water maze of R. Morris."""

from __future__ import annotations

import numpy as np

from course_lib.envs.engine.task import Array, State
from course_lib.envs.memory.equations import WEIGHTLESS, Equations
from course_lib.errors import check_choice

OBSERVATIONS = ("partial", "full")
POOL, PLATFORM, STEP, STAY = 1.0, 0.3, 0.1, 5  # m, m: radii; m a control step; steps on the platform until it throws
BODIES = f"""
<geom name="rim" type="cylinder" fromto="0 .14 0 0 .2 0" size="{POOL + 0.08}" rgba=".55 .6 .66 1"/>
<geom name="water" type="cylinder" fromto="0 .1 0 0 .19 0" size="{POOL}" rgba=".45 .68 .85 1"/>
<body name="swimmer"><joint name="x" class="slide" axis="1 0 0"/><joint name="y" class="slide" axis="0 0 1"/>
  <inertial pos="0 0 0" {WEIGHTLESS}/>
  <geom name="head" type="sphere" size=".06" rgba=".85 .35 .15 1"/>
</body>
<body name="platform" pos="0 .05 0">
  <joint name="platform_x" class="idle" axis="1 0 0"/><joint name="platform_y" class="idle" axis="0 0 1"/>
  <inertial pos="0 0 0" {WEIGHTLESS}/>
  <geom name="disc" type="cylinder" fromto="0 .02 0 0 .06 0" size="{PLATFORM}" rgba=".3 .5 .68 1"/>
</body>"""


class WaterMaze(Equations):
    """Reward = 1 for each step that ends on the hidden platform. Never ends early; 200 steps (10 s).

    A round pool of radius 1 m; somewhere in it, under water, a platform of radius 0.3 m, in a new place each episode.
    The swimmer starts anywhere and moves up to 0.1 m a step, never out of the pool. After 5 steps in a row on the
    platform it is thrown to a random place, and has to come back. It notices only whether it stands on the platform.

    What to remember: first where one has been (to search well), then where the platform is. Memory pays twice,
    which makes this the hard case: without a good search nothing is ever found that could be remembered. (A way round:
    swim in a fixed circle and stop where the flag shows. It needs no memory, and earns several times what random
    actions do, so a policy must beat that before it is said to remember.)

    observation:
        "partial" (3): [x | y (m) | 1 on the platform, else 0].
        "full" (5): these, and x, y of the platform's middle.
    action (2): step along x and y as fractions of 0.1 m, each clipped to ±1; both together never exceed 0.1 m.

    In the picture the pool stands upright: x to the right, y up.

    Args:
        observation: "partial" or "full".

    Source: Morris 1984 (the maze); Yang & Nguyen 2021, table of tasks (flag, teleport, horizon).
    """

    id = "WaterMaze-v0"
    horizon = 200
    refuses = (*Equations.refuses, "rate")  # what is done in a control step is said in metres

    def __init__(self, observation: str = "partial"):
        check_choice("observation", observation, OBSERVATIONS)
        self.observation = observation
        super().__init__(BODIES, ("x", "y"), dt=0.05)

    @property
    def action_low(self) -> Array:
        return np.full(2, -1.0, dtype=np.float32)

    @property
    def action_high(self) -> Array:
        return np.full(2, 1.0, dtype=np.float32)

    def reset(self, rng: np.random.Generator, n: int) -> State:
        swimmer, platform = in_disc(rng, n, POOL), in_disc(rng, n, POOL - PLATFORM)
        throws = in_disc(rng, n * self.horizon // STAY, POOL).reshape(n, -1, 2)  # all there can be in an episode
        state = self.start(np.concatenate([swimmer, platform], axis=1), np.zeros((n, 4)))
        state.memory = {"stayed": self.on_platform(state).astype(int), "thrown": np.zeros(n, dtype=int), "to": throws}
        return state

    def on_platform(self, state: State) -> Array:
        """(N,) bool"""
        return np.linalg.norm(state.qpos[:, :2] - state.qpos[:, 2:], axis=1) <= PLATFORM

    def next_velocity(self, before: State, action: Array) -> Array:
        place, memory = before.qpos[:, :2], before.memory
        step = np.clip(action, -1.0, 1.0)
        step = STEP * step / np.maximum(np.linalg.norm(step, axis=1, keepdims=True), 1.0)
        goal = place + step
        goal = goal * (POOL / np.maximum(np.linalg.norm(goal, axis=1, keepdims=True), POOL))
        thrown = memory["to"][np.arange(len(place)), memory["thrown"] % memory["to"].shape[1]]
        goal = np.where((memory["stayed"] >= STAY)[:, None], thrown, goal)
        return (goal - place) / self.dt

    def remember(self, before: State, action: Array, after: State) -> dict[str, Array]:
        old, on = before.memory, self.on_platform(after)
        fresh = old["stayed"] >= STAY  # this step was the throw
        stayed = np.where(on, np.where(fresh, 1, old["stayed"] + 1), 0)
        return {"stayed": stayed, "thrown": old["thrown"] + fresh, "to": old["to"]}

    def observe(self, state: State) -> Array:
        parts = [state.qpos[:, :2], self.on_platform(state)[:, None]]
        if self.observation == "full":
            parts.append(state.qpos[:, 2:])
        return np.concatenate(parts, axis=1)

    def observation_kinds(self) -> list[str]:
        return ["positions"] * 2 + ["touch"] + (["target"] * 2 if self.observation == "full" else [])

    def reward_terms(self, before: State, action: Array, after: State) -> dict[str, Array]:
        return {"platform": self.on_platform(after).astype(float)}


def in_disc(rng: np.random.Generator, n: int, radius: float) -> Array:
    """n points (n, 2), uniform in a disc of `radius` m around 0."""
    turn, away = rng.uniform(0.0, 2.0 * np.pi, n), radius * np.sqrt(rng.uniform(0.0, 1.0, n))
    return np.stack([away * np.cos(turn), away * np.sin(turn)], axis=1)
