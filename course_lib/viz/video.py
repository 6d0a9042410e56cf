"""Videos of an agent: run an episode, draw it, show it in a notebook or write it to a file."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field

import numpy as np

from course_lib.errors import ArgumentError, check_count
from course_lib.viz.camera import Camera
from course_lib.viz.drawing import Drawing
from course_lib.viz.film import (
    Frames,
    VideoError,
    as_frames,
    display_video,
    montage,
    save_video,
    tell,
    write_on,
)
from course_lib.viz.gl import CURE, choose_gl_backend

MAX_FPS = 30


@dataclass
class Rollout:
    """One episode, T control steps. Row t holds the state in which action t was chosen."""

    env_id: str
    model: object  # mujoco.MjModel
    dt: float  # s of one control step
    physics: np.ndarray  # (T, nstate): time, qpos, qvel, act
    observations: np.ndarray  # (T, obs_dim)
    actions: np.ndarray  # (T, action_dim)
    rewards: np.ndarray  # (T,)
    hidden: list = field(default_factory=list)  # T states of a recurrent policy; empty for others

    def __len__(self) -> int:
        return len(self.rewards)

    @property
    def skip(self) -> int:
        """Control steps from one frame to the next: enough for at most `MAX_FPS` frames a second."""
        return max(1, int(np.ceil(1.0 / (self.dt * MAX_FPS) - 1e-6)))

    @property
    def fps(self) -> float:
        """Frames a second at which `render` shows real time."""
        return 1.0 / (self.dt * self.skip)

    @property
    def episode_return(self) -> float:
        """Sum of the rewards."""
        return float(self.rewards.sum())


def rollout_states(
    agent,
    env_id: str | None = None,
    seed: int = 0,
    steps: int | None = None,
    deterministic: bool = True,
    **env_options,
) -> Rollout:
    """One episode of `agent` (agent, run or policy), up to its end or `steps` control steps.

    `env_id` is the environment of the policy by default; `env_options` go to `cl.make`.
    """
    from course_lib.envs import make
    from course_lib.evaluation import rewarded

    policy = getattr(agent, "policy", agent)
    env_id = env_id or getattr(policy, "env_id", None)
    if not hasattr(policy, "act") or env_id is None:
        raise ArgumentError(f"agent={type(agent).__name__} is not accepted; it must be an agent, a run or a policy")
    steps = sys.maxsize if steps is None else check_count("steps", steps)
    envs = make(env_id, num_envs=1, seed=seed, **{**getattr(policy, "env_options", {}), **env_options})
    model, dt = _simulator(envs, env_id)
    rows: dict[str, list] = {name: [] for name in ("physics", "observations", "actions", "rewards", "hidden")}
    observation, _ = envs.reset(seed=seed)
    state, over = None, False
    noise = {"deterministic": True} if deterministic else {"deterministic": False, "rng": np.random.default_rng(seed)}
    try:
        while not over and len(rows["rewards"]) < steps:
            rows["physics"].append(_physics(envs))
            rows["observations"].append(observation[0].copy())
            action, state = policy.act(observation, state=state, **noise)
            observation, reward, terminated, truncated, _ = envs.step(action)
            if state is not None and np.size(state):
                rows["hidden"].append(state)
            state = rewarded(policy, state, reward)
            rows["actions"].append(np.array(action[0]))
            rows["rewards"].append(float(reward[0]))
            over = bool(terminated[0] or truncated[0])
    finally:
        envs.close()
    hidden = rows.pop("hidden")
    return Rollout(env_id, model, dt, **{k: np.array(v) for k, v in rows.items()}, hidden=hidden)


def _simulator(envs, env_id: str):
    """(model, dt in s) of a vector environment made of this course's tasks or Gymnasium's MuJoCo ones."""
    if hasattr(envs, "task"):
        return envs.task.model, float(envs.task.dt)
    inner = envs.unwrapped.envs[0].unwrapped if hasattr(envs.unwrapped, "envs") else None
    if not hasattr(inner, "model") or not hasattr(inner, "data"):
        raise ArgumentError(f"env_id={env_id!r} has no MuJoCo model to draw; accepted: any MuJoCo environment")
    return inner.model, float(inner.dt)


def _physics(envs) -> np.ndarray:
    """Full physics state (nstate,) of the first copy."""
    if hasattr(envs, "physics"):
        return np.array(envs.physics[0])
    import mujoco

    inner = envs.unwrapped.envs[0].unwrapped
    kind = mujoco.mjtState.mjSTATE_FULLPHYSICS
    row = np.empty(mujoco.mj_stateSize(inner.model, kind))
    mujoco.mj_getState(inner.model, inner.data, row, kind)
    return row


def open_camera(model, width: int = 320, height: int = 240, camera: str | None = None) -> Camera | Drawing:
    """A `Camera`, or a `Drawing` (after one sentence on the cure) where no OpenGL back end works."""
    if choose_gl_backend() != "none":
        try:
            return Camera(model, width, height, camera)
        except ArgumentError:
            raise
        except Exception:  # a driver can fail in any way once it is asked for a real picture
            pass
    tell(CURE)
    return Drawing(model, width, height, camera)


def render(
    agent_or_states,
    env_id: str | None = None,
    *,
    seed: int = 0,
    steps: int | None = None,
    deterministic: bool = True,
    width: int = 320,
    height: int = 240,
    fps: float | None = None,
    camera: str | None = None,
    caption: str | None = None,
    **env_options,
) -> Frames:
    """Pictures of an episode -> (T', H, W, 3) uint8, in real time at `.fps`.

    Args:
        agent_or_states: an agent, run or policy, or what `rollout_states` returned.
        fps: frames a second, at most 1/dt; control steps are skipped to reach it. Default: up to 30.
        camera: name of a camera of the model; by default one that follows the robot.
        caption: text burnt into the top left corner.
    """
    rollout = agent_or_states
    if not isinstance(rollout, Rollout):
        rollout = rollout_states(rollout, env_id, seed, steps, deterministic, **env_options)
    if fps is not None and not fps > 0:
        raise ArgumentError(f"fps={fps!r} is not accepted; it must be a number of frames a second above 0")
    rate = 1.0 / rollout.dt
    skip = rollout.skip if fps is None else max(1, round(rate / fps))
    with open_camera(rollout.model, width, height, camera) as lens:
        lookat = lens.follow(rollout.physics)
        pictures = [lens.frame(rollout.physics[k], lookat[k]) for k in range(0, len(rollout), skip)]
    if caption:
        pictures = [write_on(picture, caption) for picture in pictures]
    return as_frames(pictures, rate / skip)


def show(agent_or_frames, *args, title: str | None = None, fps: float | None = None, crf: int = 25, **options) -> None:
    """Show a video under the cell: of an agent, run, policy or `Rollout` (as `render`), or ready frames."""
    if isinstance(agent_or_frames, np.ndarray):
        frames = agent_or_frames
    else:
        rollout = agent_or_frames
        if not isinstance(rollout, Rollout):
            drawing = ("width", "height", "camera", "caption")
            rest = {k: options.pop(k) for k in list(options) if k not in drawing}
            rollout = rollout_states(rollout, *args, **rest)
        frames = render(rollout, fps=fps, **options)
        if title is None:
            seconds = len(rollout) * rollout.dt
            title = f"{rollout.env_id}: {seconds:.1f} s, return {rollout.episode_return:,.0f}"
    display_video(frames, fps, title or "", crf)


__all__ = [
    "Camera",
    "Drawing",
    "Frames",
    "Rollout",
    "VideoError",
    "choose_gl_backend",
    "display_video",
    "montage",
    "open_camera",
    "render",
    "rollout_states",
    "save_video",
    "show",
]
