"""`Camera`: pictures of a MuJoCo model from its physics states.

Without OpenGL, `drawing.Drawing` has the same methods: `frame(physics) -> (H, W, 3) uint8`, `follow`, `close`.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass

import mujoco
import numpy as np

from course_lib.errors import ArgumentError, check_count, nearest
from course_lib.render.gl import CURE, choose_gl_backend, drawing, is_software

GEOM = mujoco.mjtGeom
# Plain integers: a numpy integer never equals a member of these enumerations.
PLANE, CAPSULE, CYLINDER, BOX = (
    int(t) for t in (GEOM.mjGEOM_PLANE, GEOM.mjGEOM_CAPSULE, GEOM.mjGEOM_CYLINDER, GEOM.mjGEOM_BOX)
)
FREE, SLIDE, HINGE = (
    int(t) for t in (mujoco.mjtJoint.mjJNT_FREE, mujoco.mjtJoint.mjJNT_SLIDE, mujoco.mjtJoint.mjJNT_HINGE)
)
SKYBOX = int(mujoco.mjtTexture.mjTEXTURE_SKYBOX)
FULL = mujoco.mjtState.mjSTATE_FULLPHYSICS
# One colour a limb: the order of Okabe and Ito, told apart by every kind of colour vision.
LIMBS = ((0.00, 0.45, 0.70), (0.90, 0.45, 0.05), (0.00, 0.62, 0.45), (0.80, 0.47, 0.65), (0.34, 0.71, 0.91))
TRUNK, FIXED = (0.93, 0.76, 0.35), (0.55, 0.60, 0.66)
SKY = ((0.97, 0.97, 0.96), (0.93, 0.95, 0.97), (0.55, 0.72, 0.90))  # below, at and above the horizon
FLOOR = ((0.62, 0.66, 0.70), (0.78, 0.81, 0.84))
MARGIN = 1.6  # room around a robot that moves within the picture


@dataclass
class View:
    """Where to look from: angles in degrees, distances in m."""

    centre: np.ndarray  # (3,)
    across: float  # half width of the robot, m
    up: float  # half height, m
    azimuth: float
    elevation: float
    tracks: bool
    body: int


def default_view(model: mujoco.MjModel) -> View:
    """A view that holds the whole robot; it follows a robot that can leave its place."""
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    roots = [b for b in range(1, model.nbody) if model.body_parentid[b] == 0 and model.body_dofnum[b]]
    body = roots[0] if roots else 0
    joints = [j for j in range(model.njnt) if model.jnt_bodyid[j] == body]
    free = any(model.jnt_type[j] == FREE for j in joints)
    tracks = any(model.jnt_type[j] in (FREE, SLIDE) and not model.jnt_limited[j] for j in joints)
    hinges = model.jnt_type == HINGE
    flat = not free and hinges.any() and bool((np.abs(model.jnt_axis[hinges][:, 2]) > 0.9).all())
    solid = (model.geom_type != PLANE) & (model.geom_rgba[:, 3] > 0)
    solid &= (model.geom_bodyid > 0) | (not tracks)
    turn = data.geom_xmat[solid].reshape(-1, 3, 3)
    middle = data.geom_xpos[solid] + np.einsum("gij,gj->gi", turn, model.geom_aabb[solid, :3])
    reach = np.einsum("gij,gj->gi", np.abs(turn), model.geom_aabb[solid, 3:])
    low, high = (middle - reach).min(axis=0), (middle + reach).max(axis=0)
    half = (high - low) / 2
    across = float(np.hypot(half[0], half[1])) if free else float(half[0])
    up = float(half[1]) if flat else float(half[2])
    angles = (90.0, -80.0) if flat else (125.0, -22.0) if free else (98.0, -9.0) if tracks else (90.0, -6.0)
    angles = _says(model, "view_azimuth", angles[0]), _says(model, "view_elevation", angles[1])
    return View((low + high) / 2, across, up, *angles, tracks, body)


def restyle(model: mujoco.MjModel) -> mujoco.MjModel:
    """A copy with soft floor and sky, and one colour a limb, so that a gait can be read."""
    model = copy.copy(model)
    model.vis.headlight.ambient[:] = 0.38
    model.vis.headlight.diffuse[:] = 0.52
    model.vis.headlight.specular[:] = 0.15
    planes = model.geom_type == PLANE
    floors = {
        int(model.mat_texid[m, int(mujoco.mjtTextureRole.mjTEXROLE_RGB)]) for m in model.geom_matid[planes] if m >= 0
    }
    dressed = model.nmesh > 0 or _says(model, "keep_look", 0.0)
    for t in range(model.ntex):
        if model.tex_type[t] == SKYBOX:
            _recolour(model, t, SKY)
        elif t in floors and not dressed:
            _recolour(model, t, FLOOR)
    if dressed:  # a model with meshes comes with its own look, and one that says so
        return model
    model.geom_rgba[planes] = 1.0
    model.mat_specular[:] = 0.1
    limb = _limbs(model)
    for g in np.flatnonzero(~planes & (model.geom_rgba[:, 3] > 0)):
        model.geom_matid[g] = -1
        k = limb[model.geom_bodyid[g]]
        model.geom_rgba[g, :3] = FIXED if k == -2 else TRUNK if k == -1 else LIMBS[k % len(LIMBS)]
    return model


def _says(model: mujoco.MjModel, name: str, otherwise: float) -> float:
    """What a model says in `<custom><numeric name=… data=…/>`, the place for remarks that MuJoCo itself ignores."""
    at = mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_NUMERIC, name)
    return otherwise if at < 0 else float(model.numeric_data[model.numeric_adr[at]])


def _largest(model: mujoco.MjModel, geoms: np.ndarray) -> np.ndarray:
    """The largest of `geoms` of each body."""
    best = {int(model.geom_bodyid[g]): g for g in sorted(geoms, key=lambda g: model.geom_rbound[g])}
    return np.array(sorted(best.values()))


def _recolour(model: mujoco.MjModel, texture: int, colours) -> None:
    """Map a texture's brightness onto `colours`, darkest first."""
    start, pixels = model.tex_adr[texture], model.tex_height[texture] * model.tex_width[texture]
    channels = int(model.tex_nchannel[texture])
    data = model.tex_data[start : start + pixels * channels].reshape(-1, channels)
    light = data[:, :3].astype(float).mean(axis=1)
    light = (light - light.min()) / max(np.ptp(light), 1.0)
    at = np.linspace(0, 1, len(colours))
    for channel, shade in enumerate(np.transpose(colours)):
        data[:, channel] = 255 * np.interp(light, at, shade)


def _limbs(model: mujoco.MjModel) -> list[int]:
    """For each body: -2 world, -1 trunk, else the number of the limb it belongs to."""
    limb, count = [-2] * model.nbody, 0
    moving = [b for b in range(1, model.nbody) if model.body_parentid[b] != 0]
    branches = np.bincount(model.body_parentid[moving]) if moving else np.zeros(1)
    chain = branches.max() == 1  # one limb only: then each link gets its colour
    for body in range(1, model.nbody):
        parent = model.body_parentid[body]
        if parent == 0:
            limb[body] = -2 if not model.body_dofnum[body] else -1 if -1 not in limb else 1
        elif chain or limb[parent] == -1:
            limb[body], count = count, count + 1
        else:
            limb[body] = limb[parent]
    return limb


class Camera:
    """Draws physics states of `model` with OpenGL.

    Args:
        model: the MuJoCo model; it is copied, never changed.
        width, height: pixels.
        camera: None for a view that holds and follows the robot, or the name of a camera of the model.
        shadows: cast shadows and reflections (None: only where a GPU draws), or a disc under each body instead.
    """

    def __init__(
        self,
        model,
        width: int = 320,
        height: int = 240,
        camera: str | None = None,
        shadows: bool | None = None,
    ):
        width, height = check_count("width", width, 16), check_count("height", height, 16)
        names = [model.camera(i).name for i in range(model.ncam)]
        if camera is not None and camera not in names:
            raise ArgumentError(
                f"camera={camera!r} is not in this model; accepted: None, {names}{nearest(camera, names)}"
            )
        if choose_gl_backend() == "none":
            raise RuntimeError(CURE)
        self.model = restyle(model)
        size = self.model.vis.global_
        size.offwidth, size.offheight = max(size.offwidth, width), max(size.offheight, height)
        self._data = mujoco.MjData(self.model)
        with drawing():
            self._renderer = mujoco.Renderer(self.model, height, width)
        self.shadows = (not is_software()) if shadows is None else bool(shadows)
        self.view = default_view(self.model)
        self._named = camera
        self._free = mujoco.MjvCamera()
        self._free.type = mujoco.mjtCamera.mjCAMERA_FREE
        self._free.azimuth, self._free.elevation = self.view.azimuth, self.view.elevation
        half_angle = np.deg2rad(self.model.vis.global_.fovy) / 2
        fits = max(self.view.across * height / width, self.view.up)
        fits *= _says(model, "view_distance", 1.0)
        self._free.distance = (MARGIN if self.view.tracks else 1.15) * fits / np.tan(half_angle)
        planes = np.flatnonzero(self.model.geom_type == PLANE)
        self._ground = float(self.model.geom_pos[planes[0], 2]) if len(planes) else None
        self._sky = bool((self.model.tex_type == SKYBOX).any())
        seen = (self.model.geom_rgba[:, 3] > 0) & (self.model.geom_group < 3)  # MuJoCo draws groups 0 to 2
        bodies = np.flatnonzero((self.model.geom_bodyid > 0) & seen)
        self._casting = bodies if len(bodies) <= 30 else _largest(self.model, bodies)  # many discs only blur

    def follow(self, physics: np.ndarray) -> np.ndarray:
        """physics (T, nstate) -> points to look at (T, 3), smooth in time."""
        return follow(self.model, self._data, self.view, physics)

    def _set(self, state: np.ndarray) -> None:
        mujoco.mj_setState(self.model, self._data, np.ascontiguousarray(state, dtype=np.float64), FULL)
        mujoco.mj_kinematics(self.model, self._data)

    def frame(self, physics: np.ndarray, lookat: np.ndarray | None = None) -> np.ndarray:
        """physics (nstate,) -> picture (height, width, 3) uint8; `lookat` (3,) in m, the robot by default."""
        lookat = self.follow(np.asarray(physics)[None])[0] if lookat is None else lookat
        self._set(physics)
        mujoco.mj_camlight(self.model, self._data)
        self._free.lookat[:] = lookat
        self._renderer.update_scene(self._data, camera=self._named or self._free)
        scene = self._renderer.scene
        scene.flags[mujoco.mjtRndFlag.mjRND_SHADOW] = self.shadows
        scene.flags[mujoco.mjtRndFlag.mjRND_REFLECTION] = self.shadows
        if not self.shadows and self._ground is not None:
            self._discs(scene)
        if not self._sky:
            self._wall(scene, lookat)
        self._marks(scene)
        with drawing():
            return self._renderer.render()

    def _marks(self, scene) -> None:
        """Marks on a rail, one every half metre and a longer one at 0: shows where a cart is."""
        rail = mujoco.mj_name2id(self.model, mujoco.mjtObj.mjOBJ_GEOM, "rail")
        if rail < 0 or self.model.geom_type[rail] != CAPSULE:
            return
        place, turn = self._data.geom_xpos[rail], self._data.geom_xmat[rail].reshape(3, 3)
        radius, reach = self.model.geom_size[rail, :2]
        for k in range(int(-2 * reach), int(2 * reach) + 1):
            long = (1.6 if k else 3.2) * radius
            at = place + 0.5 * k * turn[:, 2] - (0.0, 0.0, 1.4 * radius + long)
            self._add(scene, BOX, (0.4 * radius, 0.4 * radius, long), at, np.eye(3).ravel(), (*FIXED, 1), 0.2)

    def _add(self, scene, kind, size, pos, mat, rgba, emission: float) -> None:
        if scene.ngeom < scene.maxgeom:
            geom = scene.geoms[scene.ngeom]
            mujoco.mjv_initGeom(geom, kind, np.asarray(size, float), pos, mat, np.asarray(rgba, np.float32))
            geom.emission, geom.specular = emission, 0.0
            geom.category = mujoco.mjtCatBit.mjCAT_DECOR
            scene.ngeom += 1

    def _discs(self, scene) -> None:
        """A dark disc on the ground under each body: shows the height above it at almost no cost."""
        for g in self._casting:
            pos, axis = self._data.geom_xpos[g], self._data.geom_xmat[g].reshape(3, 3)[:, 2]
            radius, half = self.model.geom_size[g, 0], self.model.geom_size[g, 1]
            long = half if self.model.geom_type[g] in (CAPSULE, CYLINDER) else 0.0
            flat, turn = np.hypot(axis[0], axis[1]), np.arctan2(axis[1], axis[0])
            height = max(pos[2] - self._ground, 0.0)
            strength = 0.30 / (1.0 + 1.5 * height)
            cos, sin = np.cos(turn), np.sin(turn)
            mat = np.array([cos, -sin, 0, sin, cos, 0, 0, 0, 1])
            size = (radius * 1.1 + long * flat, radius * 1.1, 0.002)
            place = np.array([pos[0], pos[1], self._ground + 0.004])
            self._add(scene, GEOM.mjGEOM_ELLIPSOID, size, place, mat, (0, 0, 0, strength), 0.0)

    def _wall(self, scene, lookat: np.ndarray) -> None:
        """A pale backdrop for a model that has no sky."""
        eye = np.deg2rad([self._free.azimuth, self._free.elevation])
        ahead = np.array([np.cos(eye[1]) * np.cos(eye[0]), np.cos(eye[1]) * np.sin(eye[0]), np.sin(eye[1])])
        side = np.array([-np.sin(eye[0]), np.cos(eye[0]), 0.0])
        mat = np.stack([side, np.cross(-ahead, side), -ahead], axis=1).ravel()
        reach = 3.0 * self._free.distance
        place = np.asarray(lookat) + 1.2 * max(self.view.across, self.view.up) * ahead
        self._add(scene, GEOM.mjGEOM_BOX, (reach, reach, 1e-3), place, mat, (*SKY[1], 1), 0.25)

    def close(self) -> None:
        with drawing():
            self._renderer.close()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()


def follow(model: mujoco.MjModel, data: mujoco.MjData, view: View, physics: np.ndarray) -> np.ndarray:
    """Where `view` looks: physics (T, nstate) -> (T, 3) in m, smooth in time; the height stays the same."""
    centre = np.tile(view.centre, (len(physics), 1))
    if view.tracks:
        mujoco.mj_resetData(model, data)
        mujoco.mj_kinematics(model, data)
        start = data.xpos[view.body].copy()
        place = np.empty((len(physics), 2))
        for k, state in enumerate(physics):
            mujoco.mj_setState(model, data, np.ascontiguousarray(state, dtype=np.float64), FULL)
            mujoco.mj_kinematics(model, data)
            place[k] = data.xpos[view.body, :2]
        centre[:, :2] += _smooth(place) - start[:2]
    return centre


def _smooth(place: np.ndarray, width: int = 9) -> np.ndarray:
    """Moving average over time of (T, d), edges held, so that the camera does not shake with the gait."""
    if len(place) < 2:
        return place
    width = min(width, 2 * ((len(place) - 1) // 2) + 1)
    # Extrapolate linearly: holding the edge value would make the camera start and stop late.
    n = width // 2
    head = place[0] - (place[1] - place[0]) * np.arange(n, 0, -1)[:, None]
    tail = place[-1] + (place[-1] - place[-2]) * np.arange(1, n + 1)[:, None]
    padded = np.concatenate([head, place, tail])
    kernel = np.ones(width) / width
    return np.stack([np.convolve(column, kernel, mode="valid") for column in padded.T], axis=1)
