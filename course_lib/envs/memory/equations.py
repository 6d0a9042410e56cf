"""Tasks whose motion is a formula: numpy says the next velocity, MuJoCo carries it out, stores and draws it."""

from __future__ import annotations

from fractions import Fraction

import mujoco

from course_lib.envs.engine.task import Array, State, Task, quiet

WEIGHTLESS = 'mass="2e-15" diaginertia="2e-15 2e-15 2e-15"'  # MuJoCo refuses less than 1e-15


class Equations(Task):
    """A task without forces between its parts: every joint has inertia 1 (its armature), the bodies weigh nothing.

    A motor on each of the first nu joints brings it to the velocity that `next_velocity` asks for; MuJoCo then adds
    dt times this velocity to the position (semi-implicit Euler). The other joints stay where an episode put them:
    they hold what is hidden, so that it is part of the state and can be drawn.
    A control step is one physics step, of whatever length.

    Args:
        bodies: MJCF of the bodies.
        motors: names of the driven joints, which must come first.
        dt: s of a control step.
    """

    refuses = ("mass", "friction", "strength", "push")  # the motion is a formula

    def __init__(self, bodies: str, motors: tuple[str, ...], dt: float):
        super().__init__(equation_model(bodies, motors, dt))

    def pace(self, rate: Fraction) -> tuple[int, Fraction]:
        return 1, rate

    def next_velocity(self, before: State, action: Array) -> Array:
        """(N, nu): velocity of the driven joints in the coming step, m/s or rad/s. action: (N, action_dim)."""
        raise NotImplementedError

    def control(self, before: State, action: Array) -> Array:
        return (self.next_velocity(before, action) - before.qvel[:, : self.model.nu]) / self.dt


def equation_model(bodies: str, motors: tuple[str, ...], dt: float) -> mujoco.MjModel:
    """A model without gravity and contacts; joints are unit inertias, which never reach their wide limits."""
    driven = "".join(f'<motor joint="{name}"/>' for name in motors)
    xml = f"""<mujoco>
      <compiler angle="radian"/>
      <option timestep="{dt}" gravity="0 0 0"><flag contact="disable"/></option>
      <custom><numeric name="keep_look" data="1"/></custom>
      <default>
        <joint armature="1" damping="0"/>
        <geom contype="0" conaffinity="0"/>
        <default class="slide"><joint type="slide" limited="true" range="-1000 1000"/></default>
        <default class="idle"><joint type="slide" limited="true" range="-1000 1000" armature="1e6"/></default>
      </default>
      <worldbody>{bodies}</worldbody>
      <actuator>{driven}</actuator>
    </mujoco>"""
    with quiet():
        return mujoco.MjModel.from_xml_string(xml)
