"""The ground the ANYmal tasks run on: flat, one step, stairs, hurdles, or rough.

The track runs along +x from the origin, around which the ground is flat. A task judges the height of the base by
`Terrain.under`: the height above the ground's mean over 0.8 m of track, about the length of the feet's rectangle, so
that neither a step's edge nor a bump counts as a fall.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields

import mujoco
import numpy as np
from scipy.ndimage import gaussian_filter, maximum_filter1d, uniform_filter1d

from course_lib.envs.engine.checks import check_number
from course_lib.envs.engine.task import Array
from course_lib.errors import ArgumentError, check_choice, check_count, nearest

KINDS = {"flat": 0.0, "step": 0.15, "stairs": 0.10, "hurdles": 0.15, "rough": 0.12}  # kind: height by default, m
FOOTPRINT = 0.8  # m of track
CELL = 0.2  # m, of the rough ground
START, END, HALF_WIDTH = -4.0, 46.0, 6.0  # m: extent of the rough ground along and across the track
HALF_TRACK = 25.0  # m: half the width of steps, which nobody walks around
SUNK = 0.05  # m: how far the floor lies below the lowest of rough ground, lest it shine through


@dataclass(frozen=True)
class Terrain:
    """What the ground looks like.

    Args:
        kind: "flat", "step" (a box across the track), "stairs" (up, then a platform), "hurdles" (boxes across the
            track, each higher than the one before: the further a robot gets, the harder) or "rough" (a height field).
        height: m, of the step, of each stair, of the last hurdle, or from the lowest to the highest point of rough
            ground.
        distance: m from the origin to the first edge, or the radius of the flat patch of rough ground.
        length: m, of the step, of the platform above the stairs, of each hurdle and of the gaps between hurdles.
        steps: number of stairs or hurdles.
        depth: m, of a stair.
        seed: of rough ground.
    """

    kind: str = "flat"
    height: float | None = None
    distance: float = 2.0
    length: float = 4.0
    steps: int = 5
    depth: float = 0.4
    seed: int = 0
    relief: Array = field(init=False, repr=False, compare=False)  # (rows, columns) heights of rough ground, m
    smooth: Array = field(init=False, repr=False, compare=False)  # the same, averaged over the footprint
    highest: Array = field(init=False, repr=False, compare=False)  # and the greatest of the footprint

    def __post_init__(self):
        check_choice("terrain", self.kind, KINDS)
        check_count("terrain steps", self.steps)
        check_count("terrain seed", self.seed, least=0)
        if self.height is None:
            object.__setattr__(self, "height", KINDS[self.kind])
        for name, low in (("height", 0.0), ("distance", 0.8), ("length", 0.1), ("depth", 0.1)):
            value = getattr(self, name)
            if check_number(f"terrain {name}", value, low, " (m)") > 40.0:
                raise ArgumentError(f"terrain {name}={value!r} is not accepted; it must be at most 40 m")
        relief = _relief(self)
        object.__setattr__(self, "relief", relief)
        cells = dict(size=round(FOOTPRINT / CELL) + 1, axis=1, mode="nearest")
        object.__setattr__(self, "smooth", uniform_filter1d(relief, **cells))
        object.__setattr__(self, "highest", maximum_filter1d(relief, **cells))

    def boxes(self) -> list[tuple[float, float, float]]:
        """(start, end, height) along the track, in m, of each box."""
        if self.kind == "step":
            return [(self.distance, self.distance + self.length, self.height)]
        if self.kind == "stairs":
            end = self.distance + self.steps * self.depth + self.length
            return [(self.distance + i * self.depth, end, (i + 1) * self.height) for i in range(self.steps)]
        if self.kind == "hurdles":
            starts = [self.distance + 2 * i * self.length for i in range(self.steps)]
            return [(x, x + self.length, self.height * (i + 1) / self.steps) for i, x in enumerate(starts)]
        return []

    def under(self, x: Array, y: Array) -> Array:
        """Height of the ground in m, averaged over `FOOTPRINT` m of track around each point; any one shape."""
        if self.kind == "rough":
            return self.smooth[self._cell(x, y)]
        total, below = np.zeros(np.shape(x)), 0.0
        for start, end, height in self.boxes():
            overlap = np.clip(x + FOOTPRINT / 2, start, end) - np.clip(x - FOOTPRINT / 2, start, end)
            total += (height - below) * overlap / FOOTPRINT
            below = height if self.kind == "stairs" else 0.0  # a stair lies on the one before
        return total

    def top(self, x: Array, y: Array) -> Array:
        """The highest ground within `FOOTPRINT` m of track around each point, in m; any one shape."""
        if self.kind == "rough":
            return self.highest[self._cell(x, y)]
        top = np.zeros(np.shape(x))
        for start, end, height in self.boxes():
            near = (x > start - FOOTPRINT / 2) & (x < end + FOOTPRINT / 2)
            top = np.where(near, np.maximum(top, height), top)
        return top

    def _cell(self, x: Array, y: Array) -> tuple[Array, Array]:
        """(row, column) of each point in `relief`."""
        row = np.clip(np.rint((y + HALF_WIDTH) / CELL), 0, self.relief.shape[0] - 1).astype(int)
        return row, np.clip(np.rint((x - START) / CELL), 0, self.relief.shape[1] - 1).astype(int)

    @property
    def azimuth(self) -> float:
        """Where a camera should look from, in degrees: the side from which the risers of steps are seen."""
        return 55.0 if self.boxes() else 125.0

    def mjcf(self) -> tuple[str, str]:
        """(assets, geoms) to put into a model; `fill` completes it."""
        rough = self.kind == "rough"
        assets = ""
        below = self.relief.min() - SUNK if rough else 0.0
        geoms = [f'<geom name="floor" type="plane" size="0 0 .05" pos="0 0 {below}" material="floor"/>']
        for i, (start, end, height) in enumerate(self.boxes()):
            size, place = f"{(end - start) / 2} {HALF_TRACK} {height / 2}", f"{(start + end) / 2} 0 {height / 2}"
            geoms.append(f'<geom name="step{i}" type="box" size="{size}" pos="{place}" material="ground"/>')
            edge = f'size=".02 {HALF_TRACK} .001" pos="{start + 0.02} 0 {height}" contype="0" conaffinity="0"'
            geoms.append(f'<geom type="box" {edge} material="edge" group="2"/>')
        if rough:
            rows, columns = self.relief.shape
            size = f"{(END - START) / 2} {HALF_WIDTH} {max(np.ptp(self.relief), 1e-3)} {2 * SUNK}"
            assets = f'<hfield name="rough" nrow="{rows}" ncol="{columns}" size="{size}"/>'
            place = f"{(START + END) / 2} 0 {self.relief.min()}"
            geoms.append(f'<geom name="rough" type="hfield" hfield="rough" pos="{place}" material="ground"/>')
        return assets, "\n".join(geoms)

    def fill(self, model: mujoco.MjModel) -> None:
        """Write the heights of rough ground into a compiled model."""
        if self.kind == "rough":
            low, high = self.relief.min(), self.relief.max()
            model.hfield_data[:] = ((self.relief - low) / max(high - low, 1e-9)).ravel()


def terrain_of(value: str | dict | Terrain) -> Terrain:
    """A `Terrain` from its kind, from a dict of its arguments (which can be stored as JSON), or itself."""
    if isinstance(value, Terrain):
        return value
    if isinstance(value, dict):
        known = [f.name for f in fields(Terrain) if f.init]
        for name in value:
            if name not in known:
                accepted = ", ".join(known)
                raise ArgumentError(f"terrain has no {name!r}; accepted: {accepted}{nearest(name, known)}")
        return Terrain(**value)
    if not isinstance(value, str):
        raise ArgumentError(f"terrain={value!r} is not accepted; accepted: {', '.join(KINDS)} or a dict with 'kind'")
    return Terrain(value)


def _relief(terrain: Terrain) -> Array:
    """Bumps of about 0.7 m and of about 2 m, spread over `height`, level with 0 around the origin."""
    if terrain.kind != "rough":
        return np.zeros((1, 1))
    rng = np.random.default_rng(terrain.seed)
    x = np.arange(START, END + CELL / 2, CELL)
    y = np.arange(-HALF_WIDTH, HALF_WIDTH + CELL / 2, CELL)
    noise = [gaussian_filter(rng.standard_normal((len(y), len(x))), width / CELL) for width in (0.25, 0.6)]
    bumps = sum(n / n.std() for n in noise)
    bumps = (bumps - bumps.min()) / np.ptp(bumps) * terrain.height
    away = np.hypot(x[None], y[:, None]) - terrain.distance
    return (bumps - np.median(bumps)) * np.clip(away / 1.0, 0.0, 1.0)
