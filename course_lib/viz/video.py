"""Videos of an agent: run an episode, draw it, show it in a notebook or write it to a file."""

from __future__ import annotations

import numpy as np

from course_lib.errors import ArgumentError
from course_lib.evaluation.rollout import Rollout, rollout_states
from course_lib.render.open import open_camera
from course_lib.viz.film import Frames, as_frames, display_video, montage, save_video, write_on


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
        fps: frames per second, at most 1/dt; control steps are skipped to reach it. Default: up to 30.
        camera: name of a camera of the model; by default one that follows the robot.
        caption: text in the top left corner of every frame.
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
    """Show a video under the cell: of an agent, run, policy or `Rollout` (see `render`), or of finished frames."""
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


__all__ = ["Frames", "montage", "render", "save_video", "show"]
