"""The scene of the five tabletop tasks as a MuJoCo model: a table, a robot with a hand, and the things of one task.

The robot is Cartesian, so that a position of the hand is a position of its joints: a carriage on a rail at the back
of the table (x, to the right), a sleeve on its column (z, up), a boom through the sleeve (y, away from the viewer).
The table's surface is z = 0. What collides are planes, capsules, spheres and boxes in group 3, which is not drawn; what
one sees is in group 2 and takes no part in the physics. Things that an episode puts somewhere for good stand on "idle"
joints, so heavy to move that nothing moves them: their place is part of the state and can be drawn.
"""

from __future__ import annotations

import mujoco

from course_lib.envs.engine.task import quiet
from course_lib.envs.memory.equations import WEIGHTLESS

TIMESTEP, FRAME_SKIP = 0.005, 8  # s of a physics step; physics steps of a control step: 25 decisions a second
RATE, STRONGEST = 37.5, 150.0  # 1/s: of the critically damped axes, 1 kg each; N: the most that drives one
GRIP_RATE, GRIP_FORCE, GRIP_MASS = 80.0, 10.0, 0.1  # 1/s, N, kg (with the motor's inertia): the same of a finger
OPEN, CLOSED = 0.05, -0.01  # m from the middle of the hand to a finger, as a target; shut fingers press
LIFTED, FINGER = 0.4, 0.04  # kg that the z axis carries: sleeve, boom and hand; each finger
LOWEST, HIGHEST = (-0.4, -0.26, 0.02), (0.4, 0.22, 0.4)  # m: where the middle of the fingertips can be
BOX, PUCK, BALL, TIP = 0.022, 0.04, 0.028, 0.02  # m: half a side of the box; radii of puck, ball and closed fingertips
ROLLING = 6e-5  # N m s/rad that slow a rolling ball, as grass does
LEVER, LEVER_HEIGHT = 0.14, 0.1  # m: of the faucet's handle, from its axis to its tip, and above the table
BIN, BIN_HEIGHT = 0.15, 0.09  # m: half a side of the bin; height of its rim
NET, NET_DEPTH = 0.1, 0.06  # m: half the width of the soccer goal; half its depth
RIM = (0.66, 0.4)  # m: half sides of the table

NEAR = {"throw": 1.02, "pick": 0.7, "push": 0.84, "soccer": 0.96, "faucet": 0.62}  # of the camera

LOOK = """
  <visual><headlight ambient=".38 .38 .38" diffuse=".52 .52 .52" specular=".15 .15 .15"/>
    <map znear=".02"/></visual>
  <asset>
    <texture type="skybox" builtin="gradient" rgb1=".55 .72 .90" rgb2=".97 .97 .96" width="64" height="384"/>
    <texture type="2d" name="tiles" builtin="checker" rgb1=".73 .76 .79" rgb2=".64 .68 .72" width="128" height="128"/>
    <texture type="2d" name="felt" builtin="checker" rgb1=".90 .91 .90" rgb2=".86 .875 .87" width="128" height="128"/>
    <texture type="cube" name="patches" builtin="checker" rgb1=".97 .97 .97" rgb2=".13 .14 .17" width="64" height="64"/>
    <material name="floor" texture="tiles" texrepeat="2 2" texuniform="true" specular="0" reflectance=".05"/>
    <material name="top" texture="felt" texrepeat="10 10" texuniform="true" specular=".05"/>
    <material name="wood" rgba=".66 .50 .34 1" specular=".1"/>
    <material name="shell" rgba=".20 .42 .65 1" specular=".35" shininess=".5"/>
    <material name="carbon" rgba=".16 .17 .19 1" specular=".3" shininess=".4"/>
    <material name="drive" rgba=".30 .32 .35 1" specular=".4" shininess=".5"/>
    <material name="metal" rgba=".74 .76 .79 1" specular=".6" shininess=".7"/>
    <material name="rubber" rgba=".10 .10 .11 1" specular="0"/>
    <material name="thing" rgba=".85 .35 .15 1" specular=".3" shininess=".5"/>
    <material name="light" rgba=".97 .86 .55 1" specular=".2"/>
    <material name="leather" texture="patches" texrepeat="2 2" specular=".3" shininess=".5"/>
    <material name="goal" rgba=".10 .62 .40 .55" emission=".3" specular="0"/>
    <material name="net" rgba=".93 .96 .98 .35" specular="0"/>
    <material name="box" rgba=".10 .52 .38 1" specular=".1"/>
  </asset>"""

_SEE = '<geom class="look" '
TABLE = f"""
    <light pos="-.4 -.5 2.2" dir=".22 .3 -1" directional="true" diffuse=".45 .45 .45" specular=".1 .1 .1"/>
    <geom group="4" type="box" pos="0 -.02 .09" size="{RIM[0] + 0.06} .66 .56"/>
    {_SEE}type="plane" pos="0 0 -.36" size="0 0 .1" material="floor"/>
    {_SEE}type="box" pos="0 0 -.0125" size="{RIM[0]} {RIM[1]} .0125" material="top"/>
    {_SEE}type="box" pos="0 0 -.035" size="{RIM[0] + 0.02} {RIM[1] + 0.02} .02" material="wood"/>
    {_SEE}type="cylinder" pos=".6 .34 -.2" size=".025 .16" material="wood"/>
    {_SEE}type="cylinder" pos="-.6 .34 -.2" size=".025 .16" material="wood"/>
    {_SEE}type="cylinder" pos=".6 -.34 -.2" size=".025 .16" material="wood"/>
    {_SEE}type="cylinder" pos="-.6 -.34 -.2" size=".025 .16" material="wood"/>
    {_SEE}type="box" pos="0 .36 .012" size=".5 .03 .012" material="drive"/>
    {_SEE}type="capsule" fromto="-.5 .345 .026 .5 .345 .026" size=".006" material="metal"/>
    {_SEE}type="capsule" fromto="-.5 .375 .026 .5 .375 .026" size=".006" material="metal"/>"""
CARRIAGE = f"""
      {_SEE}type="box" pos="0 .36 .045" size=".06 .045 .018" material="shell"/>
      {_SEE}type="capsule" fromto="0 .36 .06 0 .36 .6" size=".02" material="metal"/>
      {_SEE}type="sphere" pos="0 .36 .61" size=".026" material="carbon"/>"""
SLEEVE = f"""
        {_SEE}type="box" pos="0 .36 .15" size=".042 .042 .045" material="shell"/>
        {_SEE}type="cylinder" fromto="-.046 .36 .15 .046 .36 .15" size=".026" material="carbon"/>"""
BOOM = f"""
          {_SEE}type="capsule" fromto="0 .63 .15 0 0 .15" size=".017" material="carbon"/>
          {_SEE}type="capsule" fromto="0 0 .155 0 0 .10" size=".026" material="shell"/>
          {_SEE}type="cylinder" fromto="0 0 .102 0 0 .085" size=".03" material="drive"/>"""
PALM = f"""
          {_SEE}type="box" pos="0 0 .076" size=".022 .066 .012"{{turn}} material="carbon"/>"""
FIST = f"""
          {_SEE}type="capsule" fromto="0 0 .085 0 0 .03" size=".014" material="metal"/>
          {_SEE}type="capsule" fromto="0 0 .045 0 0 .0" size="{TIP}" material="rubber"/>"""

GRIPPER = """
          <body name="{side}"><inertial pos="0 0 0" mass="{mass}" diaginertia="1e-4 1e-4 1e-4"/>
            <joint name="{side}" class="axis" axis="{axis}" range="0 .05" armature="{armature}"/>
            <geom class="solid" name="{side}" type="capsule" fromto="{at} .05 {at} -.006" size=".011"
              friction="2 .05 .001" condim="4" solref=".01 1" priority="1"/>{look}
          </body>"""
# As by a gear, so that a sideways jolt does not move both fingers to one side.
COUPLED = '<equality><joint joint1="left" joint2="right" solref=".01 1"/></equality>'
FINGERTIP = f"""
            {_SEE}type="capsule" fromto="{{at}} .066 {{at}} .02" size=".009" material="metal"/>
            {_SEE}type="capsule" fromto="{{at}} .022 {{at}} -.006" size=".0112" material="rubber"/>"""

# A ball or box that leaves the table would fall for ever; unseen walls around it keep it there.
FENCE = f"""
    <geom class="solid" type="plane" size="0 0 .1" pos="{RIM[0]} 0 0" zaxis="-1 0 0"/>
    <geom class="solid" type="plane" size="0 0 .1" pos="{-RIM[0]} 0 0" zaxis="1 0 0"/>
    <geom class="solid" type="plane" size="0 0 .1" pos="0 .32 0" zaxis="0 -1 0"/>
    <geom class="solid" type="plane" size="0 0 .1" pos="0 {-RIM[1]} 0" zaxis="0 1 0"/>"""

# What each task adds. What is only drawn stands in comments, which `build` opens where it is wanted.
_PLACE = '<joint name="{0}_x" class="idle" axis="1 0 0"/><joint name="{0}_y" class="idle" axis="0 1 0"/>'
_STILL = f'<inertial pos="0 0 0" {WEIGHTLESS}/>'
_HEAVY = '<inertial pos="0 0 0" mass="100" diaginertia="100 100 100"/>'  # what is hit must not seem to give way
_BALL = f"""
    <body name="object"><inertial pos="0 0 0" mass=".05" diaginertia="1.6e-5 1.6e-5 1.6e-5"/>
      <joint name="object_x" class="axis" axis="1 0 0" range="-9 9"/>
      <joint name="object_y" class="axis" axis="0 1 0" range="-9 9"/>
      <joint name="object_z" class="axis" axis="0 0 1" range="-9 9"/>
      <joint name="object_turn" type="ball" damping="{ROLLING}"/>
      <geom class="thing" type="sphere" size="{BALL}" condim="3" friction=".8 .005 .0001"/>
      <!--{_SEE}type="sphere" size="{BALL}" material="leather"/>--></body>"""
_MARK = f"""
    <body name="goal" pos="0 0 0">{_PLACE.format("goal")}{_STILL}
      <!--{_SEE}type="cylinder" pos="0 0 .004" size=".07 .004" material="goal"/>
      {_SEE}type="cylinder" pos="0 0 .005" size=".02 .0045" material="box"/>--></body>"""


def _board(along: str, place: str, half: float, height: float, seen: str) -> str:
    """An upright board along "x" or "y", `half` m to each side of `place`, 8 mm thick, and its look."""
    turn = ' quat="1 0 0 1"' if along == "x" else ""  # a camera without shadows draws a disc as wide as the first size
    where = f'type="box" pos="{place} {height / 2}" size=".004 {half} {height / 2}"{turn}'
    return f'\n      <geom class="solid" {where} solref=".02 2"/><!--{_SEE}{where} material="{seen}"/>-->'


def _bin() -> str:
    """Four boards and a floor."""
    out = "".join(_board("y", f"{x} 0", BIN + 0.004, BIN_HEIGHT, "box") for x in (-BIN, BIN))
    out += "".join(_board("x", f"0 {y}", BIN + 0.004, BIN_HEIGHT, "box") for y in (-BIN, BIN))
    return out + f'<!--{_SEE}type="box" pos="0 0 .002" size=".002 {BIN} {BIN}" quat="1 0 1 0" material="box"/>-->'


def _net() -> str:
    """Soccer goal, open to the left: back, two sides, posts and a mark."""
    height, d, w = 0.13, NET_DEPTH, NET
    out = _board("y", f"{d} 0", w, height, "net")
    out += "".join(_board("x", f"0 {y}", d, height, "net") for y in (-w, w))
    posts = [f"{x} {y} .005 {x} {y} {height}" for x in (-d, d) for y in (-w, w)]
    posts += [f"{x} {-w} {height} {x} {w} {height}" for x in (-d, d)]
    posts += [f"{-d} {y} {height} {d} {y} {height}" for y in (-w, w)]
    seen = "".join(f'{_SEE}type="capsule" fromto="{p}" size=".007" material="metal"/>' for p in posts)
    return out + f'\n      <!--{seen}{_SEE}type="cylinder" pos="0 0 .005" size=".07 .005" material="goal"/>-->'


THINGS = {
    "throw": _BALL + f'\n    <body name="goal">{_PLACE.format("goal")}{_HEAVY}{_bin()}</body>',
    "pick": f"""
    <body name="object"><freejoint/><inertial pos="0 0 0" mass=".06" diaginertia="2e-5 2e-5 2e-5"/>
      <geom class="thing" type="box" size="{BOX} {BOX} {BOX}" condim="4" friction="1.2 .02 .001"/>
      <!--{_SEE}type="box" size="{BOX} {BOX} {BOX}" material="thing"/>
      {_SEE}type="box" size="{BOX + 0.0006} {BOX * 0.3} {BOX + 0.0006}" material="light"/>--></body>
    <body name="goal">{_PLACE.format("goal")}<joint name="goal_z" class="idle" axis="0 0 1"/>{_STILL}
      <!--{_SEE}type="sphere" size=".024" material="goal"/>--></body>""",
    # The sphere reaches 2 cm into the table. That contact, with the friction 1 of the table (MuJoCo takes the larger of
    # two), is what brakes the puck; the friction and damping of its joints hardly count.
    "push": f"""
    <body name="object" pos="0 0 .02"><inertial pos="0 0 0" mass=".2" diaginertia="1e-4 1e-4 1e-4"/>
      <joint name="object_x" class="axis" axis="1 0 0" range="-.58 .58" frictionloss=".4" damping=".8"/>
      <joint name="object_y" class="axis" axis="0 1 0" range="-.34 .3" frictionloss=".4" damping=".8"/>
      <geom class="thing" type="sphere" size="{PUCK}" friction=".2 .005 .0001"/>
      <!--{_SEE}type="cylinder" size="{PUCK} .018" material="thing"/>
      {_SEE}type="cylinder" size="{PUCK * 0.6} .0186" material="light"/>
      {_SEE}type="cylinder" size="{PUCK * 0.45} .019" material="thing"/>--></body>"""
    + _MARK,
    "soccer": _BALL + f'\n    <body name="goal">{_PLACE.format("goal")}{_HEAVY}{_net()}</body>',
    "faucet": f"""
    <body name="pivot">{_PLACE.format("pivot")}{_STILL}
      <!--{_SEE}type="cylinder" pos="0 0 .008" size=".05 .008" material="metal"/>
      {_SEE}type="capsule" fromto="0 0 .01 0 0 {LEVER_HEIGHT - 0.02}" size=".024" material="metal"/>
      {_SEE}type="capsule" fromto="0 0 .06 .03 .09 .12" size=".015" material="metal"/>
      {_SEE}type="capsule" fromto=".03 .09 .12 .05 .15 .125" size=".015" material="metal"/>
      {_SEE}type="capsule" fromto=".05 .15 .125 .06 .18 .09" size=".015" material="metal"/>-->
      <body name="object" pos="0 0 {LEVER_HEIGHT}"><inertial pos=".05 0 0" mass=".1" diaginertia="1e-4 4e-4 4e-4"/>
        <joint name="object" type="hinge" axis="0 0 1" damping=".02" frictionloss=".04" armature=".001"
          limited="true" range="-6 6"/>
        <geom class="thing" type="capsule" fromto=".02 0 0 {LEVER} 0 0" size=".012" friction=".2 .005 .0001"/>
        <!--{_SEE}type="capsule" fromto="0 0 0 {LEVER} 0 0" size=".012" material="thing"/>
        {_SEE}type="capsule" fromto="0 0 -.012 0 0 .012" size=".028" material="thing"/>
        {_SEE}type="sphere" pos="{LEVER} 0 0" size=".018" material="light"/>--></body>
      <body name="goal" pos="0 0 {LEVER_HEIGHT}"><inertial pos="0 0 0" {WEIGHTLESS}/>
        <joint name="goal" class="idle" type="hinge" axis="0 0 1"/>
        <!--{_SEE}type="sphere" pos="{LEVER} 0 0" size=".026" material="goal"/>--></body></body>""",
}


def build(task: str, look: bool = True) -> mujoco.MjModel:
    """The model that `mjcf` describes."""
    with quiet():
        return mujoco.MjModel.from_xml_string(mjcf(task, look))


def mjcf(task: str, look: bool = True) -> str:
    """The scene of `task`, one of `THINGS`; without `look`, only what takes part in the physics (faster).

    Joints, in this order: carriage x, sleeve z, boom y (m, the middle of the fingertips), two fingers where the task
    needs a grip (m from the middle), then those of the task's things. Actuators: position targets of the first ones.
    """
    grips = task in ("throw", "pick")
    axes, fingers = ("x", "z", "y"), ("left", "right") if grips else ()
    hand = "".join(_finger(side, sign, task, look) for side, sign in zip(fingers, (1, -1), strict=False))
    if not grips:
        hand = f'\n          <geom class="solid" type="capsule" fromto="0 0 .07 0 0 0" size="{TIP}"/>'
    palm = PALM.format(turn=' quat="1 0 0 1"' if task == "pick" else "")
    see = (TABLE, CARRIAGE, SLEEVE, BOOM + (palm if grips else FIST)) if look else ("",) * 4
    things = THINGS[task]
    if look:
        things = things.replace("<!--", "").replace("-->", "")
    drives = "".join(_drive(name, RATE, 1.0, STRONGEST) for name in axes)
    drives += "".join(_drive(name, GRIP_RATE, GRIP_MASS, GRIP_FORCE) for name in fingers)
    low, high = LOWEST, HIGHEST
    light = 2 * FINGER if grips else 0.0  # kg: the axes carry the fingers as well
    fence = FENCE if task in ("throw", "pick", "soccer") else ""
    return f"""<mujoco model="{task}">
  <option timestep="{TIMESTEP}" integrator="implicitfast" iterations="20" ls_iterations="10"
    impratio="{10 if grips else 1}"/>
  <compiler angle="radian"/>
  <custom><numeric name="keep_look" data="1"/><numeric name="view_azimuth" data="76"/>
    <numeric name="view_elevation" data="-30"/><numeric name="view_distance" data="{NEAR[task]}"/></custom>
  <default>
    <geom contype="0" conaffinity="0"/>
    <default class="look"><geom group="2"/></default>
    <default class="solid"><geom contype="1" group="3"/></default>
    <default class="thing"><geom conaffinity="1" group="3"/></default>
    <default class="axis"><joint type="slide" limited="true"/></default>
    <default class="idle"><joint type="slide" limited="true" range="-1000 1000" armature="1e6"/></default>
  </default>{LOOK if look else ""}
  <worldbody>
    <geom class="solid" name="table" type="plane" size="0 0 .1"/>{fence}{see[0]}
    <body name="carriage"><inertial pos="0 .36 .1" mass=".3" diaginertia=".01 .01 .01"/>
      <joint name="x" class="axis" axis="1 0 0" range="{low[0] - 0.05} {high[0] + 0.05}" armature="{0.3 - light}"/>
      {see[1]}
      <body name="sleeve"><inertial pos="0 .36 .15" mass=".2" diaginertia=".01 .01 .01"/>
        <joint name="z" class="axis" axis="0 0 1" range="{low[2] - 0.01} {high[2] + 0.05}" armature="{0.6 - light}"/>
        {see[2]}
        <body name="hand"><inertial pos="0 .2 .15" mass=".2" diaginertia=".01 .01 .01"/>
          <joint name="y" class="axis" axis="0 1 0" range="{low[1] - 0.05} {high[1] + 0.05}" armature="{0.8 - light}"/>
          {see[3]}{hand}
        </body>
      </body>
    </body>{things}
  </worldbody>
  {COUPLED if grips else ""}<actuator>{drives}</actuator>
</mujoco>"""


def _finger(side: str, sign: int, task: str, look: bool) -> str:
    """One finger: beside the box where it is seen best, and out of the way of a throw."""
    where = "{} 0" if task == "pick" else "0 {}"
    at = where.format(sign * 0.011)
    seen = FINGERTIP.format(at=at) if look else ""
    axis = where.format(sign) + " 0"
    return GRIPPER.format(side=side, axis=axis, at=at, mass=FINGER, armature=GRIP_MASS - FINGER, look=seen)


def _drive(joint: str, rate: float, mass: float, force: float) -> str:
    """A motor that brings `joint` to a position like a critically damped spring of the given rate, 1/s."""
    kp, kv = mass * rate**2, 2 * mass * rate
    return f'<position joint="{joint}" kp="{kp}" kv="{kv}" ctrlrange="-1 1" forcerange="{-force} {force}"/>'
