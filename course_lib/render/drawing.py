"""`Drawing`: the bodies of a MuJoCo model drawn flat with matplotlib, where there is no OpenGL.

Same interface as `camera.Camera`. Capsules, cylinders and boxes become thick strokes along their
longest axis, everything else a disc, seen from the side (x-z), or from above where a robot lies flat.
"""

from __future__ import annotations

import mujoco
import numpy as np

from course_lib.errors import check_count
from course_lib.render.camera import (
    BOX,
    CAPSULE,
    CYLINDER,
    FLOOR,
    FULL,
    MARGIN,
    PLANE,
    default_view,
    follow,
    restyle,
)


class Drawing:
    """Draws physics states of `model` without OpenGL; `camera` and `shadows` are accepted and ignored."""

    def __init__(
        self,
        model,
        width: int = 320,
        height: int = 240,
        camera: str | None = None,
        shadows: bool | None = None,
    ):
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.collections import LineCollection
        from matplotlib.figure import Figure

        width, height = check_count("width", width, 16), check_count("height", height, 16)
        self.model = restyle(model)
        self._data = mujoco.MjData(self.model)
        self.view = default_view(self.model)
        flat = self.view.elevation < -60
        self._plane = (0, 1) if flat else (0, 2)
        fits = max(self.view.across * height / width, self.view.up)
        self._half_height = (MARGIN if self.view.tracks else 1.15) * fits
        self._half_width = self._half_height * width / height
        solid = (self.model.geom_type != PLANE) & (self.model.geom_rgba[:, 3] > 0)
        self._geoms = np.flatnonzero(solid & (self.model.geom_group < 3))
        dots_per_metre = height / (2 * self._half_height)
        half, self._radius = _strokes(self.model, self._geoms)
        self._half = half
        # One point is one pixel at 72 dots an inch.
        figure = Figure(figsize=(width / 72, height / 72), dpi=72, facecolor="#f4f7fa")
        self._canvas = FigureCanvasAgg(figure)
        self._axes = figure.add_axes((0, 0, 1, 1))
        self._axes.set_axis_off()
        self._ground = LineCollection([], colors=[FLOOR[0]], linewidths=2, zorder=1)
        self._bodies = LineCollection(
            [],
            colors=self.model.geom_rgba[self._geoms],
            linewidths=2 * self._radius * dots_per_metre,
            capstyle="round",
            zorder=2,
        )
        self._axes.add_collection(self._ground)
        self._axes.add_collection(self._bodies)
        planes = np.flatnonzero(self.model.geom_type == PLANE)
        self._level = float(self.model.geom_pos[planes[0], 2]) if len(planes) and not flat else None

    def follow(self, physics: np.ndarray) -> np.ndarray:
        """physics (T, nstate) -> points to look at (T, 3), smooth in time."""
        return follow(self.model, self._data, self.view, physics)

    def frame(self, physics: np.ndarray, lookat: np.ndarray | None = None) -> np.ndarray:
        """physics (nstate,) -> picture (height, width, 3) uint8."""
        lookat = self.follow(np.asarray(physics)[None])[0] if lookat is None else lookat
        mujoco.mj_setState(self.model, self._data, np.ascontiguousarray(physics, dtype=np.float64), FULL)
        mujoco.mj_kinematics(self.model, self._data)
        i, j = self._plane
        centre = self._data.geom_xpos[self._geoms]
        turn = self._data.geom_xmat[self._geoms].reshape(-1, 3, 3)
        arm = np.einsum("gij,gj->gi", turn, self._half)
        # A stroke of no length is not drawn at all; a hair's breadth gives a disc.
        arm[np.abs(arm[:, [i, j]]).sum(axis=1) < 1e-6, i] = 2e-3 * self._half_height
        ends = np.stack([centre - arm, centre + arm], axis=1)[:, :, [i, j]]
        depth = np.argsort(-centre[:, 1]) if j == 2 else np.argsort(centre[:, 2])
        self._bodies.set_segments(list(ends[depth]))
        self._bodies.set_color(self.model.geom_rgba[self._geoms][depth])
        self._bodies.set_linewidth(self._stroke_widths()[depth])
        self._ground.set_segments(self._marks(lookat))
        self._axes.set_xlim(lookat[i] - self._half_width, lookat[i] + self._half_width)
        self._axes.set_ylim(lookat[j] - self._half_height, lookat[j] + self._half_height)
        self._canvas.draw()
        return np.asarray(self._canvas.buffer_rgba())[..., :3].copy()

    def _stroke_widths(self) -> np.ndarray:
        height = self._canvas.get_width_height()[1]
        return np.maximum(2 * self._radius * height / (2 * self._half_height), 1.0)

    def _marks(self, lookat: np.ndarray) -> list:
        """The ground with a tick each half metre, so that motion over it can be seen."""
        if self._level is None:
            return []
        left, right = lookat[0] - self._half_width, lookat[0] + self._half_width
        level, tick = self._level, 0.08 * self._half_height
        ticks = np.arange(np.ceil(2 * left), 2 * right) / 2
        return [[(left, level), (right, level)]] + [[(x, level), (x - tick, level - tick)] for x in ticks]

    def close(self) -> None:
        """Nothing to free; here so that a drawing can stand in for a camera."""

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()


def _strokes(model, geoms: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The stroke for each geom: half axis (n, 3) in the geom's frame and radius (n,), in m."""
    half, radius = np.zeros((len(geoms), 3)), np.zeros(len(geoms))
    for k, g in enumerate(geoms):
        kind, size = model.geom_type[g], model.geom_size[g]
        if kind in (CAPSULE, CYLINDER):
            half[k, 2], radius[k] = size[1], size[0]
        elif kind == BOX:
            long = int(np.argmax(size))
            radius[k] = np.median(size)
            half[k, long] = max(size[long] - radius[k], 0.0)
        else:
            box = model.geom_aabb[g, 3:]
            long = int(np.argmax(box))
            radius[k] = np.median(box)
            half[k, long] = max(box[long] - radius[k], 0.0)
    return half, radius
