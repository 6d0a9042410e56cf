"""MemoryCartPole: keep a pole up, or swing it up, without seeing speeds. Motion of Gymnasium's `CartPole-v1`."""

from __future__ import annotations

import numpy as np

from course_lib.envs.engine.checks import check_number
from course_lib.envs.engine.task import Array, State
from course_lib.envs.memory.equations import WEIGHTLESS, Equations
from course_lib.errors import check_choice

LENGTHS = {"fixed": (0.5,), "varied": (0.1, 0.6)}  # m, hinge to middle of the pole; one is drawn for an episode
KINDS = {  # what each observation shows, in order
    "full": ["positions"] * 2 + ["velocities"] * 2,
    "p": ["positions"] * 2,
    "pa": ["positions"] * 2 + ["actions"],
}
GRAVITY, CART, POLE, FORCE = 9.8, 1.0, 0.1, 10.0  # m/s², kg, kg, N
TRACK, FALL = 2.4, np.deg2rad(12.0)  # m, rad
# The joint "length" only draws: a short pole (0.2 m in all) has the long one behind the board.
BODIES = f"""
<geom name="board" type="box" pos="0 .25 .5" size="2.7 .02 1.8" rgba=".9 .92 .95 1"/>
<geom name="track" type="box" pos="0 0 -.12" size="2.4 .03 .02" rgba=".55 .6 .66 1"/>
<geom name="left" type="box" pos="-2.4 0 -.02" size=".02 .06 .12" rgba=".75 .2 .2 1"/>
<geom name="right" type="box" pos="2.4 0 -.02" size=".02 .06 .12" rgba=".75 .2 .2 1"/>
<body name="cart"><joint name="cart" class="slide" axis="1 0 0"/>
  <inertial pos="0 0 0" {WEIGHTLESS}/>
  <geom name="box" type="box" size=".22 .1 .1" rgba=".2 .42 .65 1"/>
  <body name="pole"><joint name="angle" axis="0 1 0"/>
    <inertial pos="0 0 0" {WEIGHTLESS}/>
    <geom name="short" type="capsule" fromto="0 -.12 0 0 -.12 .2" size=".055" rgba=".8 .3 .25 1"/>
    <body name="long"><joint name="length" class="idle" axis="0 -1 0" ref="{{long}}"/>
      <inertial pos="0 0 0" {WEIGHTLESS}/>
      <geom name="outer" type="capsule" fromto="0 -.12 0 0 -.12 {{whole}}" size=".04" rgba=".8 .3 .25 1"/>
    </body>
  </body>
</body>"""


class MemoryCartPole(Equations):
    """Balance a pole (0.1 kg) on a cart (1 kg) by pushing the cart with up to 10 N. 50 control steps a second.

    Three things that can be asked for (`reward`):
        "upright": +1 for each step. Starts within 0.05 of upright and rest; beyond 12° or 2.4 m the episode ends.
        "cost": -0.1 (angle² + 0.01 rate² + position²), angle in [-π, π). Same start, never ends early; the cart
            stops at the ends of the track. Upright and at rest in the middle is 0, the best there is.
        "swing-up": (1 + cos angle) / 2 * (1 - position² / 2.4²), from 0 to 1. Starts with the pole hanging.
    500 steps (10 s). Motion: equations of CartPole-v1, the force as large as the action says; first the
    velocities, then the positions with the new velocities (its "semi-implicit" integrator).

    What to remember: a pole seen at 2° may be falling or rising; the push that saves it differs.
    A way round: without `wind` nothing disturbs and no friction wastes energy. Pushing in proportion to angle and
    position then holds the pole in a swing that neither grows nor fades, and 500 steps are reached without memory.
    Wind feeds that swing; only pushes that know the rate can damp it.

    observation:
        "p" (2): [position of the cart (m) | angle of the pole (rad; 0 upright, clockwise positive)].
        "pa" (3): these and the last action.
        "full" (4): [position | angle | velocity (m/s) | rate (rad/s)], and (5) the length (m) if that varies.
        With "swing-up" or "cost", where the pole may go round, the angle comes as its [cos | sin] in all of them.
    action (1): push as a fraction of 10 N, clipped to ±1; to the right is positive.

    Args:
        observation: see above.
        length: "fixed" (0.5 m from hinge to the pole's middle) or "varied": 0.1 m or 0.6 m, drawn for each episode
            and hidden, except in "full".
        reward: see above.
        wind: N, standard deviation of a horizontal force on the middle of the pole, drawn anew for each step. With
            steps half as long it is √2 times larger, so that it adds as much to the variance of the speed in a second.

    Source: Gymnasium's CartPole-v1; the partial forms of Yang & Nguyen 2021, table of tasks.
    """

    id = "MemoryCartPole-v0"
    horizon = 500

    def __init__(self, observation: str = "p", length: str = "fixed", reward: str = "upright", wind: float = 0.0):
        check_choice("observation", observation, KINDS)
        check_choice("length", length, LENGTHS)
        check_choice("reward", reward, ("upright", "cost", "swing-up"))
        self.observation, self.lengths, self.paid = observation, np.array(LENGTHS[length]), reward
        self.wind = check_number("wind", wind, 0.0)
        long = self.lengths.max()
        super().__init__(BODIES.format(long=long, whole=2 * long), ("cart", "angle"), dt=0.02)

    @property
    def action_low(self) -> Array:
        return np.array([-1.0], dtype=np.float32)

    @property
    def action_high(self) -> Array:
        return np.array([1.0], dtype=np.float32)

    def reset(self, rng: np.random.Generator, n: int) -> State:
        start = rng.uniform(-0.05, 0.05, (n, 4))  # in Gymnasium's order: x, its rate, angle, its rate
        length = rng.choice(self.lengths, n) if len(self.lengths) > 1 else np.full(n, self.lengths[0])
        angle = start[:, 2] + (np.pi if self.paid == "swing-up" else 0.0)
        qpos = np.stack([start[:, 0], angle, length], axis=1)
        qvel = np.stack([start[:, 1], start[:, 3], np.zeros(n)], axis=1)
        gusts = {"gusts": rng.normal(0.0, self.wind, (n, self.horizon))} if self.wind else {}
        return self.start(qpos, qvel, last_action=np.zeros((n, 1)), **gusts)

    def retime(self, rate):
        self.wind *= float(rate) ** 0.5

    def gust(self, before: State) -> Array | float:
        """Force of the wind in the coming step, N: (N,), or 0 without wind."""
        if not self.wind:
            return 0.0
        step = np.rint(before.time / self.dt).astype(int) % self.horizon
        return before.memory["gusts"][np.arange(len(before)), step]

    def next_velocity(self, before: State, action: Array) -> Array:
        place, angle, half = before.qpos.T
        speed, rate, _ = before.qvel.T
        force, gust = FORCE * np.clip(action[:, 0], -1.0, 1.0), self.gust(before)
        cos, sin, total = np.cos(angle), np.sin(angle), CART + POLE
        push = (force + gust + POLE * half * rate**2 * sin) / total
        turn = (GRAVITY * sin + gust / POLE * cos - cos * push) / (half * (4.0 / 3.0 - POLE * cos**2 / total))
        slide = push - POLE * half * turn * cos / total
        speed, rate = speed + self.dt * slide, rate + self.dt * turn
        if self.paid != "upright":  # the ends of the track
            speed = (np.clip(place + self.dt * speed, -TRACK, TRACK) - place) / self.dt
        return np.stack([speed, rate], axis=1)

    def remember(self, before: State, action: Array, after: State) -> dict[str, Array]:
        return {**before.memory, "last_action": np.clip(np.asarray(action, dtype=np.float64), -1.0, 1.0)}

    def observe(self, state: State) -> Array:
        parts = [state.qpos[:, :2]]
        if self.paid != "upright":
            parts = [state.qpos[:, :1], np.cos(state.qpos[:, 1:2]), np.sin(state.qpos[:, 1:2])]
        if self.observation == "full":
            parts.append(state.qvel[:, :2])
        if self.observation == "pa":
            parts.append(state.memory["last_action"])
        if self.observation == "full" and len(self.lengths) > 1:
            parts.append(state.qpos[:, 2:])
        return np.concatenate(parts, axis=1)

    def observation_kinds(self) -> list[str]:
        round_ = [] if self.paid == "upright" else ["positions"]
        varied = self.observation == "full" and len(self.lengths) > 1
        return round_ + KINDS[self.observation] + (["length"] if varied else [])

    def reward_terms(self, before: State, action: Array, after: State) -> dict[str, Array]:
        place, angle, rate = after.qpos[:, 0], after.qpos[:, 1], after.qvel[:, 1]
        if self.paid == "upright":
            return {"upright": np.ones(len(after))}
        if self.paid == "swing-up":
            return {"swing-up": 0.5 * (1.0 + np.cos(angle)) * (1.0 - (place / TRACK) ** 2)}
        off = np.mod(angle + np.pi, 2 * np.pi) - np.pi
        return {"angle": -0.1 * off**2, "rate": -0.001 * rate**2, "position": -0.1 * place**2}

    def terminated(self, after: State) -> Array:
        if self.paid != "upright":
            return np.zeros(len(after), dtype=bool)
        return (np.abs(after.qpos[:, 0]) > TRACK) | (np.abs(after.qpos[:, 1]) > FALL)
