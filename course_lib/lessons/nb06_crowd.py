"""Many robots in one scene, from the states of one batch: a field of copies, or a race of policies; in slow motion.

One model is drawn n times a frame, each time moved to a place of its own: the robots see nothing of each other.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import mujoco
import numpy as np

from course_lib.errors import ArgumentError, check_count
from course_lib.evaluation.rollout import MAX_FPS
from course_lib.render.camera import CAPSULE, CYLINDER, Camera, _smooth
from course_lib.render.drawing import Drawing
from course_lib.render.gl import CURE, choose_gl_backend, drawing
from course_lib.render.open import tell
from course_lib.viz.film import Frames, as_frames, write_on
from course_lib.viz.style import COLOURS

LANE, RANK = 1.3, 1.7  # m between neighbours across and along the track
PALE = (0.80, 0.82, 0.85)  # what a robot fades to once its episode is over
DYNAMIC, STATIC = int(mujoco.mjtCatBit.mjCAT_DYNAMIC), int(mujoco.mjtCatBit.mjCAT_STATIC)
THIN = (0.30, 0.32, 0.36)  # of the metal of the shanks: bright, and a pixel wide, they are lost on the bright ground
SHELLS = ("blue", "orange", "green", "pink", "pale blue", "yellow", "grey")  # the colours of `style.COLOURS`
AZIMUTH, ELEVATION = 140.0, -24.0  # degrees


@dataclass
class Army:
    """T control steps of n robots. A robot whose episode is over stays in the state in which it ended."""

    env_id: str
    model: mujoco.MjModel
    dt: float  # s of one control step
    physics: np.ndarray  # (T, n, nstate): time, qpos, qvel, act
    running: np.ndarray  # (T, n) bool: the episode was not over yet
    policy: np.ndarray  # (n,) number of the policy that steers each
    ranks: int  # robots behind each other in one lane; 1 where the ground changes along the track
    terrain: str  # kind of the ground

    def __len__(self) -> int:
        return len(self.physics)

    @property
    def places(self) -> np.ndarray:
        """(n, 2) m: where each robot is drawn, relative to where it was simulated; each policy has lanes of its own."""
        counts = np.bincount(self.policy)
        rank = np.concatenate([np.arange(count) % self.ranks for count in counts])
        lanes = np.cumsum([0, *(-(-count // self.ranks) for count in counts)])
        lane = np.concatenate([lanes[k] + np.arange(count) // self.ranks for k, count in enumerate(counts)])
        return np.stack([-RANK * (rank - rank.mean()), LANE * (lane - lane.mean())], axis=1)


def march(
    policies, n: int = 16, steps: int = 300, seed: int = 0, deterministic: bool = True, env_id=None, **env_options
) -> Army:
    """n robots under one policy, or n/k each under k policies, in one environment.

    `env_options` go to `cl.make`, e.g. reset_noise=0.1 so that the copies differ; the environment and its other
    options are those of the first policy.

    Raises:
        ArgumentError: fewer robots than policies, a robot that is not free to move.
    """
    from course_lib.evaluation.returns import make_for, policy_of

    policies = [policy_of(p) for p in (policies if isinstance(policies, Sequence) else [policies])]
    if not policies:
        raise ArgumentError("policies=[] is not accepted; it must hold at least one agent, run or policy")
    n, steps = check_count("n", n, least=len(policies)), check_count("steps", steps)
    envs = make_for(policies[0], n, seed, env_id, **env_options)
    try:
        if envs.task is None or (model := envs.model).jnt_type[0] != mujoco.mjtJoint.mjJNT_FREE:
            raise ArgumentError(f"env_id={envs.id!r} is not accepted; accepted: a task of this course with a free body")
        terrain = getattr(getattr(envs.task.unmasked, "terrain", None), "kind", "flat")
        share = np.arange(n) * len(policies) // n
        physics, running = _play(envs, policies, share, steps, seed, deterministic)
        per_policy = n // len(policies)
        ranks = max(int(np.sqrt(per_policy)), 1) if terrain == "flat" else 1
        return Army(envs.id, model, float(envs.task.dt), physics, running, share, ranks, terrain)
    finally:
        envs.close()


def _play(envs, policies: list, share: np.ndarray, steps: int, seed: int, deterministic: bool):
    """physics (T, n, nstate) and running (T, n) of the first episode of each copy, at most `steps` long."""
    rng = np.random.default_rng(seed)
    observation, _ = envs.reset(seed=seed)
    memories: list = [None] * len(policies)
    alive = np.ones(len(share), bool)
    physics, running = [np.array(envs.physics)], [alive.copy()]
    while len(physics) < steps and alive.any():
        action = np.zeros((len(share), *envs.single_action_space.shape), np.float32)
        for k, policy in enumerate(policies):
            mine = share == k
            action[mine], memories[k] = policy.act(
                observation[mine], state=memories[k], deterministic=deterministic, rng=rng
            )
        observation, reward, terminated, truncated, _ = envs.step(action)
        memories = [policy.rewarded(memories[k], reward[share == k]) for k, policy in enumerate(policies)]
        alive = alive & ~(terminated | truncated)
        physics.append(np.where(alive[:, None], envs.physics, physics[-1]))
        running.append(alive.copy())
    return np.array(physics), np.array(running)


def army(
    policies,
    n: int = 16,
    steps: int = 300,
    *,
    slow: float = 1.0,
    width: int = 640,
    height: int = 360,
    caption: str | None = None,
    names: Sequence[str] | None = None,
    **options,
) -> Frames:
    """Pictures (T', H, W, 3) of `march(policies, n, steps, **options)`, or of an `Army`; the camera moves along.

    Args:
        slow: 1 for real time, 4 for four times slower; the rate is in the frames' `.fps`, at most 30.
        caption: text in the top left corner; by default the slowness, if there is any.
        names: of the policies, put into the caption; several policies are told apart by the colour of the shell.
    """
    if not (isinstance(slow, (int, float)) and 0 < slow < 1000):
        raise ArgumentError(f"slow={slow!r} is not accepted; it must be a number above 0: 1 is real time, 4 is slower")
    found = policies if isinstance(policies, Army) else march(policies, n, steps, **options)
    if found.terrain == "rough":
        raise ArgumentError("terrain='rough' is not accepted for an army: its ground differs from lane to lane")
    if names is not None and len(names) != found.policy.max() + 1:
        raise ArgumentError(f"names has {len(names)} entries; it must have one for each of {found.policy.max() + 1}")
    skip = max(1, int(np.ceil(1.0 / (found.dt * slow * MAX_FPS) - 1e-6)))
    if caption is None:
        shells = [f"{name}: {SHELLS[k % len(SHELLS)]}" for k, name in enumerate(names or ())]
        caption = ", ".join(shells + [f"{slow:g} times slower"] * (slow != 1))
    at = range(0, len(found), skip)
    lookat = _lookat(found)
    with open_camera(found, lookat, width, height) as lens:
        pictures = [lens.frames(found.physics[k], found.running[k], lookat[k]) for k in at]
    return as_frames([write_on(p, caption) for p in pictures], 1.0 / (found.dt * skip * slow))


def _lookat(found: Army) -> np.ndarray:
    """(T, 3) m: moves with the mean velocity of the robots that are still running, so a fall makes no jump."""
    steps = np.diff(found.physics[:, :, 1:3], axis=0)
    alive = found.running[1:, :, None]
    mean = (steps * alive).sum(axis=1) / np.maximum(alive.sum(axis=1), 1)
    start = found.physics[0, :, 1:3].mean(axis=0)
    path = np.concatenate([start[None], start + np.cumsum(mean, axis=0)])
    height = np.full((len(path), 1), 0.8 * found.physics[0, :, 3].mean())
    return np.hstack([_smooth(path, 25), height])


def open_camera(found: Army, lookat: np.ndarray, width: int, height: int) -> ArmyCamera | ArmyDrawing:
    """A camera for `found`; a drawing where no OpenGL back end works."""
    if choose_gl_backend() != "none":
        return ArmyCamera(found, lookat, width, height)
    tell(CURE)
    return ArmyDrawing(found, width, height)


class ArmyCamera(Camera):
    """`Camera` that draws the robots of an `Army` in one scene; lookat (T, 3) of the whole film sets the distance."""

    def __init__(self, found: Army, lookat: np.ndarray, width: int, height: int):
        model = copy.copy(found.model)
        quality, few = model.vis.quality, found.physics.shape[1] <= 4
        # Small in the picture, so coarse: a fifth of the time of MuJoCo's usual facets on a CPU.
        quality.numslices, quality.numstacks, quality.numquads = (14, 9, 4) if few else (8, 5, 2)
        super().__init__(model, width, height)
        self.places, self.policy = found.places, found.policy
        self._option, self._hand = mujoco.MjvOption(), mujoco.MjvPerturb()
        self._free.azimuth, self._free.elevation = AZIMUTH, ELEVATION
        self._free.distance, self._shift = self._fit(found, lookat, width / height)
        model = self.model
        mine = model.geom_bodyid > 0
        self._materials = np.setdiff1d(model.geom_matid[mine], [*model.geom_matid[~mine], -1])
        self._bare = np.flatnonzero(mine & (model.geom_matid < 0))
        if (metal := mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_MATERIAL, "metal")) >= 0:
            model.mat_rgba[metal, :3] = THIN
        self._looks = {False: (model.mat_rgba.copy(), model.geom_rgba.copy())}
        self._looks[True] = tuple(_mixed(look) for look in self._looks[False])
        # A disc under the long shapes is shadow enough, at a fifth of the cost of one under each shape.
        long = self._casting[np.isin(model.geom_type[self._casting], (CAPSULE, CYLINDER))]
        self._casting = long[model.geom_rbound[long] > 0.12]

    def _fit(self, found: Army, lookat: np.ndarray, aspect: float) -> tuple[float, np.ndarray]:
        """Distance in m, and shift (3,) in m of what is looked at, that keep nearly all robots in the picture."""
        eye = np.deg2rad([AZIMUTH, ELEVATION])
        ahead = np.array([np.cos(eye[1]) * np.cos(eye[0]), np.cos(eye[1]) * np.sin(eye[0]), np.sin(eye[1])])
        right = np.array([np.sin(eye[0]), -np.cos(eye[0]), 0.0])
        up, half = np.cross(right, ahead), np.tan(np.deg2rad(self.model.vis.global_.fovy) / 2)
        place = (found.physics[:, :, 1:3] + found.places - lookat[:, None, :2])[found.running]
        ends = [np.pad(place, ((0, 0), (0, 1)), constant_values=z - lookat[0, 2]) for z in (0.0, 0.9)]  # feet, back
        away, shift, distance = np.concatenate(ends), np.zeros(3), 3.0
        for _ in range(8):  # nearer robots look larger, so the middle of the picture is not the middle of the field
            seen = away - shift
            wide = (np.abs(seen @ right) + 0.6 * self.view.across) / (half * aspect)
            high = (np.abs(seen @ up) + 0.3 * self.view.up) / half
            distance = max(float(np.quantile(np.maximum(wide, high) - seen @ ahead, 0.995)), 1.5)
            depth = np.maximum(distance + seen @ ahead, 0.5)
            for axis in (right, up):
                low, top = np.quantile(seen @ axis / depth, (0.005, 0.995))
                shift = shift + 0.5 * (low + top) * distance * axis
        return 1.08 * distance, shift

    def frames(self, physics: np.ndarray, running: np.ndarray, lookat: np.ndarray) -> np.ndarray:
        """physics (n, nstate), running (n,), lookat (3,) -> picture (height, width, 3) uint8."""
        model, data, scene = self.model, self._data, self._renderer.scene
        self._free.lookat[:] = lookat + self._shift
        self._set(physics[0])
        mujoco.mj_camlight(model, data)
        mujoco.mjv_updateScene(model, data, self._option, self._hand, self._free, STATIC, scene)
        for i, state in enumerate(physics):
            moved = state.copy()
            moved[1:3] += self.places[i]
            self._set(moved)
            self._dress(int(self.policy[i]), not running[i])
            mujoco.mjv_addGeoms(model, data, self._option, self._hand, DYNAMIC, scene)
            if not self.shadows and self._ground is not None:
                self._discs(scene)
        scene.flags[mujoco.mjtRndFlag.mjRND_SHADOW] = self.shadows
        scene.flags[mujoco.mjtRndFlag.mjRND_REFLECTION] = self.shadows
        if not self._sky:
            self._wall(scene, lookat)
        with drawing():
            return self._renderer.render()

    def _dress(self, policy: int, over: bool) -> None:
        """The colours in which the next robot is added: pale once its episode is over, the shell that of its policy."""
        materials, shapes = self._looks[over]
        self.model.mat_rgba[self._materials] = materials[self._materials]
        self.model.geom_rgba[self._bare] = shapes[self._bare]
        shell = mujoco.mj_name2id(self.model, mujoco.mjtObj.mjOBJ_MATERIAL, "shell")
        if len(set(self.policy)) > 1 and shell >= 0:
            colour = np.array([int(COLOURS[policy % len(COLOURS)][k : k + 2], 16) / 255 for k in (1, 3, 5)])
            self.model.mat_rgba[shell, :3] = _mixed(colour[None])[0] if over else colour


def _mixed(colours: np.ndarray) -> np.ndarray:
    """Colours (k, 3 or 4), three quarters of the way to `PALE`."""
    out = colours.copy()
    out[:, :3] = 0.25 * out[:, :3] + 0.75 * np.array(PALE)
    return out


class ArmyDrawing(Drawing):
    """The same without OpenGL: the robots drawn over each other from the side."""

    def __init__(self, found: Army, width: int, height: int):
        super().__init__(found.model, width, height)
        self.places = found.places
        reach = 0.5 * np.ptp(found.places[:, 0])
        self._half_width += reach
        self._half_height = self._half_width * height / width

    def frames(self, physics: np.ndarray, running: np.ndarray, lookat: np.ndarray) -> np.ndarray:
        """As `ArmyCamera.frames`."""
        moved = physics.copy()
        moved[:, 1:3] += self.places
        pictures = [self.frame(state, lookat) for state in moved]
        return np.minimum.reduce(pictures)


__all__ = ["Army", "army", "march"]
