"""Dresses the built-in ANYmal C in the meshes of MuJoCo Menagerie, where these are at hand; the physics stays."""

from __future__ import annotations

import os
from pathlib import Path

import mujoco

from course_lib.errors import ArgumentError

ROBOT, FILE, ROOT = "anybotics_anymal_c", "anymal_c.xml", "MENAGERIE_ROOT"
CURE = f"set {ROOT} to a complete copy of github.com/google-deepmind/mujoco_menagerie, or leave meshes=False"


def folder() -> Path:
    """Where Menagerie's robot is: below the folder that MENAGERIE_ROOT names, else in the cache of the package
    `mujoco-menagerie`, which downloads it (11 MB) on first use.

    Raises:
        ArgumentError: neither is there.
    """
    root = os.environ.get(ROOT)
    if root:
        path = Path(root).expanduser() / ROBOT
        if not (path / FILE).is_file():
            raise ArgumentError(f"meshes=True finds no {ROBOT}/{FILE} in {ROOT}={root!r}; {CURE}")
        return path
    try:
        import mujoco_menagerie
    except ImportError:
        raise ArgumentError(
            f"meshes=True needs the meshes of MuJoCo Menagerie: pip install 'liquid-control[meshes]', or {CURE}"
        ) from None
    try:
        return Path(mujoco_menagerie.get(ROBOT).path(progress=None))
    except Exception as error:  # no network, no disk, a broken cache: the package has many ways to say so
        raise ArgumentError(f"meshes=True could not download the meshes ({_first_line(error)}); {CURE}") from None


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def dress(text: str) -> mujoco.MjModel:
    """Compile the MJCF `text` of the robot with Menagerie's visual geoms added to its bodies.

    Raises:
        ArgumentError: no folder, a folder that lacks files, or one that MuJoCo cannot read.
    """
    where = folder()
    try:
        donor = mujoco.MjSpec.from_file(str(where / FILE))
        spec = mujoco.MjSpec.from_string(text)
        files = [where / donor.modelfiledir / donor.meshdir / m.file for m in donor.meshes]
        pictures = [where / donor.modelfiledir / donor.texturedir / t.file for t in donor.textures]
        missing = [path.name for path in (*files, *pictures) if not path.is_file()]
        if missing:
            lacks = f"{len(missing)} of its files, {missing[0]} among them"
            raise ArgumentError(f"meshes=True finds {where} without {lacks}; {CURE}")
        for mesh, path in zip(donor.meshes, files, strict=True):
            spec.add_mesh(name=mesh.name or path.stem, file=str(path.resolve()))
        for texture, path in zip(donor.textures, pictures, strict=True):
            spec.add_texture(name=f"menagerie_{texture.name}", type=texture.type, file=str(path.resolve()))
        _paint(spec, donor)
        return spec.compile()
    except ArgumentError:
        raise
    except Exception as error:  # MuJoCo raises several kinds on files it cannot read
        raise ArgumentError(f"meshes=True cannot read {where} ({_first_line(error)}); {CURE}") from None


def _paint(spec: mujoco.MjSpec, donor: mujoco.MjSpec) -> None:
    """Copy the materials and the visual geoms of `donor`."""
    colour = int(mujoco.mjtTextureRole.mjTEXROLE_RGB)
    for material in donor.materials:
        copied = spec.add_material(name=f"menagerie_{material.name}", rgba=material.rgba)
        copied.specular, copied.shininess = material.specular, material.shininess
        if material.textures[colour]:
            copied.textures[colour] = f"menagerie_{material.textures[colour]}"
    for body in donor.bodies:
        for geom in body.geoms:
            if geom.type == mujoco.mjtGeom.mjGEOM_MESH:
                spec.body(body.name).add_geom(
                    type=geom.type,
                    meshname=geom.meshname,
                    material=f"menagerie_{geom.material}",
                    pos=geom.pos,
                    quat=geom.quat,
                    contype=0,
                    conaffinity=0,
                    group=2,
                )
