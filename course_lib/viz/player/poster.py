"""Pictures of a policy at work, for where the live player cannot be."""

from __future__ import annotations

import io
from pathlib import Path

from PIL import Image

from course_lib.envs import make_task
from course_lib.evaluation.rollout import Rollout, rollout_states
from course_lib.policies.base import Policy
from course_lib.render.open import open_camera
from course_lib.viz.video import render, save_video

WIDTH, HEIGHT = 640, 400  # px
FILM, SECONDS = (480, 300), 4.0  # px; s at most


def _episode(policy: Policy, entry: dict, seconds: float) -> Rollout:
    """The beginning of an episode in the task that `entry` of the catalogue says."""
    dt = make_task(entry["task"], **entry["options"]).dt
    return rollout_states(policy, entry["task"], steps=max(1, round(seconds / dt)), disturb={})


def poster(policy: Policy, entry: dict, seconds: float) -> bytes:
    """JPEG of an episode of `policy` after so many seconds."""
    rollout = _episode(policy, entry, seconds)
    with open_camera(rollout.model, WIDTH, HEIGHT) as lens:
        picture = lens.frame(rollout.physics[-1], lens.follow(rollout.physics)[-1])
    out = io.BytesIO()
    Image.fromarray(picture).save(out, "jpeg", quality=85, optimize=True)
    return out.getvalue()


def film(policy: Policy, entry: dict, path: Path) -> Path:
    """The first seconds of an episode as a video (.mp4), for a browser that cannot draw in three dimensions."""
    width, height = FILM
    return save_video(path, render(_episode(policy, entry, SECONDS), width=width, height=height), crf=28)
