"""What one sees of the built-in ANYmal C: light, colours, and primitives that take no part in the physics."""

from __future__ import annotations

LOOK = """
  <visual><headlight ambient=".38 .38 .38" diffuse=".52 .52 .52" specular=".15 .15 .15"/>
    <global azimuth="120" elevation="-20"/></visual>
  <asset>
    <texture type="skybox" builtin="gradient" rgb1=".55 .72 .90" rgb2=".97 .97 .96" width="64" height="384"/>
    <texture type="2d" name="tiles" builtin="checker" rgb1=".73 .76 .79" rgb2=".64 .68 .72" width="128" height="128"/>
    <material name="floor" texture="tiles" texrepeat="1 1" texuniform="true" specular="0" reflectance=".1"/>
    <texture type="2d" name="soil" builtin="checker" rgb1=".64 .57 .48" rgb2=".57 .50 .42" width="128" height="128"/>
    <material name="ground" texture="soil" texrepeat="1 1" texuniform="true" specular="0"/>
    <material name="edge" rgba=".93 .90 .82 1" specular="0"/>
    <material name="shell" rgba=".66 .06 .06 1" specular=".35" shininess=".5"/>
    <material name="carbon" rgba=".16 .17 .19 1" specular=".3" shininess=".4"/>
    <material name="drive" rgba=".27 .29 .32 1" specular=".4" shininess=".5"/>
    <material name="metal" rgba=".72 .74 .77 1" specular=".5" shininess=".6"/>
    <material name="rubber" rgba=".05 .05 .06 1" specular="0"/>
    <material name="lens" rgba=".35 .75 .95 1" emission=".4" specular=".8" shininess=".9"/>
  </asset>"""

BODYWORK = """
      <geom class="look" type="box" size=".30 .10 .075" material="carbon"/>
      <geom class="look" type="capsule" size=".07" fromto=".27 .085 .005 -.27 .085 .005" material="shell"/>
      <geom class="look" type="capsule" size=".07" fromto=".27 -.085 .005 -.27 -.085 .005" material="shell"/>
      <geom class="look" type="box" size=".33 .085 .02" pos="0 0 .075" material="shell"/>
      <geom class="look" type="box" size=".11 .055 .008" pos=".12 0 .097" material="carbon"/>
      <geom class="look" type="box" size=".075 .125 .065" pos=".40 0 0" material="carbon"/>
      <geom class="look" type="box" size=".075 .125 .065" pos="-.40 0 0" material="carbon"/>
      <geom class="look" type="cylinder" size=".075 .05" pos=".4745 .05 0" quat="1 0 1 0" material="drive"/>
      <geom class="look" type="cylinder" size=".075 .05" pos=".4745 -.05 0" quat="1 0 1 0" material="drive"/>
      <geom class="look" type="cylinder" size=".075 .05" pos="-.4745 .05 0" quat="1 0 1 0" material="drive"/>
      <geom class="look" type="cylinder" size=".075 .05" pos="-.4745 -.05 0" quat="1 0 1 0" material="drive"/>
      <geom class="look" type="box" size=".004 .05 .014" pos=".524 0 .02" material="rubber"/>
      <geom class="look" type="sphere" size=".017" pos=".524 .03 .02" material="lens"/>
      <geom class="look" type="sphere" size=".017" pos=".524 -.03 .02" material="lens"/>
      <geom class="look" type="cylinder" size=".055 .02" pos="-.364 0 .105" material="drive"/>
      <geom class="look" type="cylinder" size=".058 .03" pos="-.364 0 .145" material="metal"/>
      <geom class="look" type="cylinder" size=".060 .010" pos="-.364 0 .183" material="carbon"/>"""


def bodywork(m: int, left: int, disc: str) -> tuple[str, str, str]:
    """What one sees of hip, thigh and shank; m, left: signs of casting and side, disc: turns a disc's axis along."""
    knee, foot = f".01305 {-m * 0.0879} -.03", f".01305 {-m * 0.08795} -.31547"
    geom = '\n          <geom class="look" type='
    hip = f'{geom}"capsule" size=".052" fromto="0 0 0 .0599 {-m * 0.02} -.0115" material="drive"/>'
    hip += f'{geom}"capsule" size=".05" fromto=".0599 {-m * 0.01} -.006 .0599 {-m * 0.06} -.035" material="carbon"/>'
    thigh = (
        f'{geom}"cylinder" size=".066 .035" pos=".04 0 0" quat="{disc}" material="drive"/>'
        f'{geom}"cylinder" size=".045 .04" pos=".043 0 0" quat="1 0 1 0" material="shell"/>'
        f'{geom}"capsule" size=".036" fromto=".032 0 -.04 .032 0 -.25" material="carbon"/>'
        f'{geom}"cylinder" size=".052 .06" pos=".0303 0 -.285" quat="1 0 1 0" material="drive"/>'
        f'{geom}"cylinder" size=".036 .004" pos="-.032 0 -.285" quat="1 0 1 0" material="shell"/>'
    )
    shank = (
        f'{geom}"cylinder" size=".052 .022" pos=".013 0 0" quat="1 0 1 0" material="carbon"/>'
        f'{geom}"capsule" size=".026" fromto=".01305 0 0 {knee}" material="carbon"/>'
        f'{geom}"capsule" size=".018" fromto="{knee} {foot}" material="metal"/>'
        f'{geom}"sphere" size=".0305" pos="{foot}" material="rubber"/>'
    )
    return hip, thigh, shank
