"""The quadruped ANYmal C as a MuJoCo model that needs no download.

Kinematics, masses, inertias, joint limits, actuators and contact parameters are those of the model `anybotics_anymal_c`
of MuJoCo Menagerie (Copyright 2020 ANYbotics AG, BSD 3-Clause: see ANYMAL_LICENSE.txt beside this file), which derives
them from https://github.com/ANYbotics/anymal_c_simple_description. What one sees is this course's own: primitives in
group 2 that take no part in the physics. The shapes that collide are in group 3, which is not drawn.

The base frame has x to the head, y to the left, z up. In the model's initial state it is turned by 180 degrees about z:
the head looks along -x. Each leg has three joints: HAA (hip abduction), HFE (hip flexion), KFE (knee flexion).
"""

from __future__ import annotations

import copy

import mujoco
import numpy as np

from course_lib.envs.anymal.look import BODYWORK, LOOK, bodywork
from course_lib.envs.anymal.meshes import dress
from course_lib.envs.anymal.terrain import Terrain
from course_lib.envs.engine.task import Array, quiet
from course_lib.errors import check_choice

LEGS = ("LF", "RF", "LH", "RH")  # left and right, front and hind
JOINTS = tuple(f"{leg}_{joint}" for leg in LEGS for joint in ("HAA", "HFE", "KFE"))
KP, TORQUE = 100.0, 80.0  # N m/rad, N m
TARGETS = 6.28  # rad: position targets are clipped there
# Friction cone, and how constraint forces are solved for. "exact" is Menagerie's contact model; that the solver is told
# to use the sparse form of its matrices changes rounding (1e-16 a step) and saves a third of the time. "fast" takes
# half as long again, but its feet creep: standing still sinks by 8 cm in 8 s. For experiments, not for claims.
PHYSICS = {"exact": 'cone="elliptic" jacobian="sparse"', "fast": 'cone="pyramidal"'}
ACTUATION = ("pd", "torque")
BASE_BODY = 1
FASTEST = 500.0  # m/s and rad/s: robots that run, fall or thrash about reach 90; a contact that goes wrong, thousands
# Columns of the sensors: normal force on each foot (N), on the base and each thigh (N), torque of each joint (N m).
FEET, SCRAPES, TORQUES = slice(0, 4), slice(4, 9), slice(9, 21)
# What `randomised` draws from: factors on the friction of the feet and on kp; kg added to the base.
FRICTION_RANGE, GAIN_RANGE, MASS_RANGE = (0.6, 1.2), (0.85, 1.15), (-3.0, 5.0)

BASE = """
    <light pos="0 0 4" dir=".2 .3 -1" directional="true" diffuse=".45 .45 .45" specular=".1 .1 .1"/>
    <body name="base" pos="0 0 .62" quat="0 0 0 1" childclass="anymal_c">
      <freejoint/>
      <inertial mass="19.2035" pos=".0025 0 .0502071" quat=".5 .5 .5 .5" diaginertia=".639559 .624031 .217374"/>
      <geom class="collision" type="box" size=".29 .07 .09"/>
      <geom class="collision" size=".09 .0725" pos=".2175 .07 0" quat="1 0 1 0"/>
      <geom class="collision" size=".09 .0725" pos="-.2175 .07 0" quat="1 0 1 0"/>
      <geom class="collision" size=".09 .0725" pos=".2175 -.07 0" quat="1 0 1 0"/>
      <geom class="collision" size=".09 .0725" pos="-.2175 -.07 0" quat="1 0 1 0"/>
      <geom class="collision" type="box" size=".055 .07 .09" pos=".4695 0 0"/>
      <geom class="collision" size=".09 .055" pos=".4695 .07 0" quat="1 0 1 0"/>
      <geom class="collision" size=".09 .055" pos=".4695 -.07 0" quat="1 0 1 0"/>
      <geom class="collision" type="box" size=".055 .07 .09" pos="-.4695 0 0" quat="0 0 0 1"/>
      <geom class="collision" size=".09 .055" pos="-.4695 -.07 0" quat="0 -1 0 1"/>
      <geom class="collision" size=".09 .055" pos="-.4695 .07 0" quat="0 -1 0 1"/>
      <geom class="collision" size=".07 .06" pos="-.364 0 .1335"/>
      <site name="base" type="box" size=".6 .2 .25" group="4"/>"""

# Numbers of LF and RH, and of RF and LH: mirrored castings, so nearly but not exactly mirrored numbers.
CASTINGS = {
    1: dict(
        hip_com=".0566606 -.015294 -.00829784",
        hip_turn="-.127978 .709783 -.135278 .679359",
        hip_inertia=".00585729 .00491868 .00329081",
        hip_geom="-.353553 -.612372 .612372 -.353553",
        thigh_frame=".183013 -.683013 .683013 .183013",
        thigh_com=".0308147 4.64995e-05 -.245696",
        thigh_turn=".993166 -.00515309 -.0806592 .0841972",
        thigh_inertia=".03025 .0298943 .00418465",
        shank_turn=".992934 -.115904 -.00105487 -.0254421",
    ),
    -1: dict(
        hip_com=".0567633 .015294 -.00829784",
        hip_turn=".13524 .679072 .127985 .710065",
        hip_inertia=".00585928 .0049205 .00329064",
        hip_geom="-.353553 .612372 .612372 .353553",
        thigh_frame=".183013 .683013 .683013 -.183013",
        thigh_com=".0308147 4.64995e-05 -.245696",
        thigh_turn=".992775 -.00512735 -.0806685 .0886811",
        thigh_inertia=".0302511 .0298933 .0041845",
        shank_turn=".992934 .115904 -.00105487 .0254421",
    ),
}
HIP_FRAME = {
    "LF": ".258819 .965926 0 0",
    "RF": ".258819 -.965926 0 0",
    "LH": "0 0 .965926 -.258819",
    "RH": "0 0 -.965926 -.258819",
}


def _leg(leg: str, look: bool) -> str:
    """The MJCF of one leg, with the course's own look or without any."""
    front, left = (1 if leg[1] == "F" else -1), (1 if leg[0] == "L" else -1)
    m = front * left  # which of the two castings
    f = CASTINGS[m]
    low, high = (-0.72, 0.49) if left > 0 else (-0.49, 0.72)
    disc, turn = f".5 .5 {-left * 0.5} {-left * 0.5}", f"1 0 0 {-left}"
    hip, thigh, shank = bodywork(m, left, disc) if look else ("", "", "")
    return f"""
      <body name="{leg}_HIP" pos="{front * 0.2999} {left * 0.104} 0" quat="{HIP_FRAME[leg]}">
        <inertial mass="2.781" pos="{f["hip_com"]}" quat="{f["hip_turn"]}" diaginertia="{f["hip_inertia"]}"/>
        <joint name="{leg}_HAA" axis="{front} 0 0" range="{low} {high}"/>
        <geom class="collision" size=".05 .07" pos=".0599 {-m * 0.0119598} -.006905" quat="{f["hip_geom"]}"/>{hip}
        <body name="{leg}_THIGH" pos=".0599 {-m * 0.0725816} -.041905" quat="{f["thigh_frame"]}">
          <inertial mass="3.071" pos="{f["thigh_com"]}" quat="{f["thigh_turn"]}" diaginertia="{f["thigh_inertia"]}"/>
          <joint name="{leg}_HFE" axis="{left} 0 0" range="-9.42478 9.42478"/>
          <geom class="collision" size=".065 .04" pos=".04 0 0" quat="{disc}"/>
          <geom class="collision" type="box" size=".0375 .03 .141314" pos=".03 0 -.141314" quat="{turn}"/>
          <geom class="collision" size=".05 .07" pos=".0303 0 -.285" quat="1 0 1 0"/>{thigh}
          <site name="{leg}_THIGH" type="box" size=".12 .12 .25" pos=".03 0 -.14" group="4"/>
          <body name="{leg}_SHANK" pos=".1003 0 -.285">
            <inertial mass=".58842" pos=".005462 {-m * 0.0612528} -.0806598" quat="{f["shank_turn"]}"
              diaginertia=".0101637 .00923838 .00111927"/>
            <joint name="{leg}_KFE" axis="{left} 0 0" range="-9.42478 9.42478"/>
            <geom class="collision" size=".06 .02" pos=".02 0 0" quat="{disc}"/>
            <geom class="collision" type="box" size=".057499 .03375 .019" pos=".02 {-m * 0.057499} 0" quat="{disc}"/>
            <geom class="collision" size=".0175 .141252" pos=".01305 {-m * 0.08795} -.168985" quat="{turn}"/>
            <geom class="foot" name="{leg}_FOOT" pos=".01305 {-m * 0.08795} -.31547" quat="{turn}"/>{shank}
            <site name="{leg}_FOOT" pos=".01305 {-m * 0.08795} -.31547" size=".04" group="4"/>
          </body>
        </body>
      </body>"""


def _sensors() -> str:
    touched = [f"{leg}_FOOT" for leg in LEGS] + ["base"] + [f"{leg}_THIGH" for leg in LEGS]
    touch = "".join(f'<touch site="{site}"/>' for site in touched)
    return touch + "".join(f'<actuatorfrc actuator="{name}"/>' for name in JOINTS)


def mjcf(
    physics: str = "exact",
    actuation: str = "pd",
    terrain: Terrain | None = None,
    look: bool = True,
    sensors: bool = False,
) -> str:
    """The model as MJCF text; see `build`."""
    terrain = terrain or Terrain()
    assets, geoms = terrain.mjcf()
    kind = f'<position kp="{KP}" ctrlrange="{-TARGETS} {TARGETS}" forcerange="{-TORQUE} {TORQUE}"'
    if actuation == "torque":
        kind = f'<motor ctrlrange="{-TORQUE} {TORQUE}"'
    motors = "\n    ".join(f'{kind} joint="{name}" name="{name}"/>' for name in JOINTS)
    legs = "".join(_leg(leg, look) for leg in LEGS)
    apart = "".join(f'<exclude body1="base" body2="{leg}_THIGH"/>' for leg in LEGS)
    return f"""<mujoco model="anymal_c">
  <compiler angle="radian" autolimits="true"/>
  <option timestep=".002" impratio="100" {PHYSICS[physics]}><flag island="disable"/></option>
  <default>
    <default class="anymal_c">
      <joint damping="1" frictionloss=".1"/>
      <default class="look"><geom contype="0" conaffinity="0" group="2"/></default>
      <default class="collision"><geom type="cylinder" group="3"/></default>
      <default class="foot"><geom type="sphere" size=".03" group="3" priority="1" solimp=".015 1 .031" condim="6"
        friction=".8 .02 .01"/></default>
    </default>
  </default>{LOOK}
  <custom><numeric name="keep_look" data="1"/><numeric name="view_distance" data="1.4"/>
    <numeric name="view_azimuth" data="{terrain.azimuth}"/></custom>
  <asset>{assets}</asset>
  <worldbody>
    {geoms}{BASE}{BODYWORK if look else ""}{legs}
    </body>
  </worldbody>
  <contact>{apart}</contact>
  <actuator>
    {motors}
  </actuator>
  <sensor>{_sensors() if sensors else ""}</sensor>
</mujoco>"""


def build(
    physics: str = "exact",
    actuation: str = "pd",
    terrain: Terrain | None = None,
    look: bool = True,
    sensors: bool = False,
    meshes: bool = False,
) -> mujoco.MjModel:
    """The robot on its ground: nq 19, nv 18, nu 12; 0.002 s a step.

    Args:
        physics: "exact", or "fast" for a pyramidal friction cone.
        actuation: "pd" for position targets (kp 100 N m/rad, at most 80 N m), "torque" for torques up to 80 N m.
        terrain: flat ground by default.
        look: with the shapes that are drawn; without them a step takes 5 % less time and gives the same.
        sensors: with the sensors `FEET`, `SCRAPES` and `TORQUES`.
        meshes: drawn with Menagerie's meshes (see the module `meshes`) instead of primitives.
    """
    check_choice("physics", physics, PHYSICS)
    check_choice("actuation", actuation, ACTUATION)
    terrain = terrain or Terrain()
    with quiet():
        text = mjcf(physics, actuation, terrain, look and not meshes, sensors)
        model = dress(text) if look and meshes else mujoco.MjModel.from_xml_string(text)
    terrain.fill(model)
    return model


def default_scale(actuation: str) -> float:
    """What an action of 1 stands for in the tasks: rad for "pd", N m for "torque"."""
    return 0.5 if actuation == "pd" else 0.5 * TORQUE


def randomised(model: mujoco.MjModel, rng: np.random.Generator) -> mujoco.MjModel:
    """A copy with another grip, load and stiffness; uniform in the ranges above."""
    model = copy.copy(model)
    feet = [model.geom(f"{leg}_FOOT").id for leg in LEGS]
    model.geom_friction[feet] *= rng.uniform(*FRICTION_RANGE)
    mass = model.body_mass[BASE_BODY] + rng.uniform(*MASS_RANGE)
    model.body_inertia[BASE_BODY] *= mass / model.body_mass[BASE_BODY]
    model.body_mass[BASE_BODY] = mass
    stiffness = rng.uniform(*GAIN_RANGE)
    model.actuator_gainprm[:, 0] *= stiffness
    model.actuator_biasprm[:, 1] *= stiffness
    mujoco.mj_setConst(model, mujoco.MjData(model))  # what the compiler derived from the masses
    return model


def to_body(quaternion: Array, vector: Array) -> Array:
    """World vectors (N, 3) seen from bodies with orientation `quaternion` (N, 4), unit, w first -> (N, 3)."""
    w, axis = quaternion[:, :1], -quaternion[:, 1:]
    twice = 2.0 * np.cross(axis, vector)
    return vector + w * twice + np.cross(axis, twice)


def gravity(quaternion: Array) -> Array:
    """Direction of gravity (a unit vector, 0 0 -1 when level) seen from bodies with `quaternion` (N, 4) -> (N, 3)."""
    w, x, y, z = quaternion.T
    return np.stack([2 * (w * y - x * z), -2 * (w * x + y * z), 2 * (x * x + y * y) - 1], axis=1)
