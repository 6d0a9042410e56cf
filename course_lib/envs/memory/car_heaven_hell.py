"""CarHeavenHell: one end of the road is heaven, the other hell; only a sign on the way says which."""

from __future__ import annotations

import numpy as np

from course_lib.envs.engine.task import Array, State
from course_lib.envs.memory.equations import WEIGHTLESS, Equations
from course_lib.errors import check_choice

OBSERVATIONS = ("partial", "full")
END, SIGN, SIGHT = 1.0, 0.5, 0.2  # m: distance of both ends, place of the sign, how far from it it can be read
PUSH, SPEED = 0.6, 1.4  # m/s², m/s: the largest
BODIES = f"""
<geom name="board" type="box" pos="0 .5 .1" size="1.4 .02 .9" rgba=".9 .92 .95 1"/>
<geom name="road" type="box" pos="0 0 -.13" size="1.2 .18 .02" rgba=".55 .6 .66 1"/>
<geom name="sight" type="box" pos="{SIGN} 0 -.105" size="{SIGHT} .18 .006" rgba=".95 .8 .35 1"/>
<geom name="pole" type="cylinder" fromto="{SIGN} .2 -.1 {SIGN} .2 .35" size=".015" rgba=".3 .33 .38 1"/>
<body name="car"><joint name="place" class="slide" axis="1 0 0"/>
  <inertial pos="0 0 0" {WEIGHTLESS}/>
  <geom name="lower" type="box" pos="0 0 -.03" size=".12 .07 .04" rgba=".2 .42 .65 1"/>
  <geom name="upper" type="box" pos="-.01 0 .03" size=".06 .06 .03" rgba=".55 .7 .85 1"/>
  <geom type="cylinder" fromto=".07 -.085 -.07 .07 .085 -.07" size=".035" rgba=".15 .15 .18 1"/>
  <geom type="cylinder" fromto="-.07 -.085 -.07 -.07 .085 -.07" size=".035" rgba=".15 .15 .18 1"/>
</body>
<body name="heaven" pos="0 .1 .1"><joint name="side" class="idle" axis="1 0 0"/>
  <inertial pos="0 0 0" {WEIGHTLESS}/>
  <geom name="gate_heaven" type="box" size=".04 .05 .21" rgba=".1 .62 .4 1"/>
</body>
<body name="hell" pos="0 .1 .1"><joint name="other_side" class="idle" axis="-1 0 0"/>
  <inertial pos="0 0 0" {WEIGHTLESS}/>
  <geom name="gate_hell" type="box" size=".04 .05 .21" rgba=".8 .25 .2 1"/>
</body>
<body name="arrow" pos="{SIGN} .18 .42"><joint name="arrow" class="idle" axis="1 0 0"/>
  <inertial pos="0 0 0" {WEIGHTLESS}/>
  <geom name="dot" type="sphere" pos="0 0 0" size=".06" rgba=".1 .62 .4 1"/>
</body>
<geom name="bar" type="capsule" fromto="{SIGN - 0.15} .2 .42 {SIGN + 0.15} .2 .42" size=".03" rgba=".3 .33 .38 1"/>"""


class CarHeavenHell(Equations):
    """Reward = 1 on arriving in heaven, 0 on arriving in hell and everywhere else; arriving ends the episode.

    A car on a straight road starts at rest within 0.2 m of the middle. Heaven is at +1 m or at -1 m, equally
    likely, hell at the other end. A sign stands at 0.5 m: within 0.2 m of it the car reads the side of heaven.
    20 control steps a second, 160 steps (8 s): enough to drive to the sign and back to the far end.
    Motion: speed += dt * 0.6 m/s² * action, at most ±1.4 m/s; position += dt * speed.

    What to remember: what the sign said. Before it is read and after it is left behind, the observation
    is the same for both sides.
    A way round: a policy without memory can use the *velocity* as its memory: drive to the sign, stop in its sight
    and turn if it says so; elsewhere, drive on in the direction of travel. `hide="velocities"` closes it: with
    position and sign alone the force depends on the place, the car comes back to its start as slowly as it
    left it, and a rule without memory reaches heaven in about half of the episodes.

    observation:
        "partial" (3): [position (m) | velocity (m/s) | sign: the side of heaven (+1 or -1) in its sight, else 0].
        "full" (3): the same, the side of heaven shown everywhere.
    action (1): acceleration as a fraction of 0.6 m/s², clipped to ±1.

    Args:
        observation: "partial" or "full".

    Source: Wierstra et al. 2007, "Solving Deep Memory POMDPs with Recurrent Policy Gradients"; Yang & Nguyen 2021.
    """

    id = "CarHeavenHell-v0"
    horizon = 160
    integrals = ("heaven",)

    def __init__(self, observation: str = "partial"):
        check_choice("observation", observation, OBSERVATIONS)
        self.observation = observation
        super().__init__(BODIES, ("place",), dt=0.05)

    @property
    def action_low(self) -> Array:
        return np.array([-1.0], dtype=np.float32)

    @property
    def action_high(self) -> Array:
        return np.array([1.0], dtype=np.float32)

    def reset(self, rng: np.random.Generator, n: int) -> State:
        place, side = rng.uniform(-0.2, 0.2, n), rng.choice([-1.0, 1.0], n)
        return self.start(np.stack([place, side, side, 0.12 * side], axis=1), np.zeros((n, 4)))

    def next_velocity(self, before: State, action: Array) -> Array:
        speed = before.qvel[:, :1] + self.dt * PUSH * np.clip(action, -1.0, 1.0)
        return np.clip(speed, -SPEED, SPEED)

    def observe(self, state: State) -> Array:
        place, side = state.qpos[:, 0], state.qpos[:, 1]
        seen = (np.abs(place - SIGN) <= SIGHT) | (self.observation == "full")
        return np.stack([place, state.qvel[:, 0], np.where(seen, side, 0.0)], axis=1)

    def observation_kinds(self) -> list[str]:
        return ["positions", "velocities", "signs"]

    def reward_terms(self, before: State, action: Array, after: State) -> dict[str, Array]:
        return {"heaven": (after.qpos[:, 0] * after.qpos[:, 1] >= END).astype(float)}

    def terminated(self, after: State) -> Array:
        return np.abs(after.qpos[:, 0]) >= END
