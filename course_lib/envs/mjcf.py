"""Models of tasks as MJCF text: what another MuJoCo, such as the one in a browser, can build again."""

from __future__ import annotations

from course_lib.envs.anymal import model as anymal
from course_lib.envs.engine.task import Task, gymnasium_asset
from course_lib.envs.tabletop import scene

GYMNASIUM = {"InvertedPendulum-v5": "inverted_pendulum.xml", "HalfCheetah-v5": "half_cheetah.xml"}


def model_text(task: Task) -> str:
    """MJCF of the model of `task` as it is drawn, or "" where the task builds it in a way not known here."""
    id, bare = task.id, task.unmasked
    if id in GYMNASIUM:
        return gymnasium_asset(GYMNASIUM[id]).read_text()
    if id.startswith("Anymal") and bare.terrain.kind != "rough":
        return anymal.mjcf(terrain=bare.terrain, sensors=bare.sensors)
    if getattr(bare, "kind", "") in scene.THINGS:
        return scene.mjcf(bare.kind)
    return ""
