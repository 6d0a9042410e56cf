"""Handwriting to imitate: generated digits as images and pen paths, and networks that map one to the other.

Each digit is one stroke: a cubic B-spline over a control polygon of this file, in which a point written three times
is a corner. A *style* is a writer: an offset for every control point of every digit, a slant, a width of letters and
a pen. A sample adds what differs from one writing to the next: small offsets, a rotation, a size and a place. The pen
moves along the stroke with minimum-jerk timing, s(t) = 10t³ - 15t⁴ + 6t⁵ of its length after a share t of the time
(Flash and Hogan 1985), and the ink is rasterised without steps. All of it is generated here; nothing was recorded.

Units: pixels from the middle of the image, x to the right, y up; a stroke takes 1 s.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import torch
from scipy.interpolate import BSpline
from torch import Tensor, nn

from course_lib.errors import ArgumentError, NonFiniteError, check_count
from course_lib.nets.dmp import DMP

SIZE, POINTS = 28, 301  # pixels of a side; points of a path, 1/300 s apart
TRAIN_STYLES, VALIDATION_STYLES, TEST_STYLES = range(24), range(24, 36), range(36, 48)  # settings: by the second
SCALE = 10.0  # px: the networks' outputs, which start small, are in units of this
_HALF = SIZE / 2
_POLYGONS = {  # in halves of the image's side
    0: "0 .8; -.6 .75; -.62 -.8; 0 -.85; .62 -.8; .6 .75; 0 .82; -.15 .76",
    1: "-.35 .35; .05 .8; .05 .8; .05 .8; .04 .2; .02 -.8",
    2: "-.5 .4; -.45 .95; .6 .95; .55 .1; -.1 -.4; -.55 -.8; -.55 -.8; -.55 -.8; 0 -.75; .6 -.8",
    3: "-.45 .65; -.1 .95; .6 .8; .5 .1; -.1 .05; -.1 .05; .65 .05; .65 -.85; -.1 -.95; -.5 -.6",
    4: "0 .85; -.3 .3; -.55 -.2; -.55 -.2; -.55 -.2; 0 -.2; .6 -.15; .6 -.15; .5 .3; .3 .45; .3 .45; .25 -.1; .2 -.85",
    5: ".5 .8; 0 .8; -.4 .78; -.4 .78; -.4 .78; -.45 .4; -.48 .1; -.48 .1; -.1 .4; .65 .2; .6 -.8; -.1 -.95; -.55 -.65",
    6: ".4 .8; -.2 .75; -.6 0; -.6 -.85; .2 -.95; .65 -.5; .4 .1; -.2 .1; -.5 -.35",
    7: "-.5 .75; 0 .78; .55 .75; .55 .75; .55 .75; .2 .2; -.15 -.85",
    8: ".4 .6; .1 .95; -.55 .8; -.5 .25; 0 .05; .6 -.2; .5 -.9; -.1 -.9; -.65 -.75; -.5 -.1; .1 .1; .5 .4; .42 .62",
    9: ".45 .5; .3 .95; -.5 .95; -.55 .2; .1 0; .5 .4; .48 .6; .48 .6; .45 0; .3 -.85",
}


@dataclass
class Strokes:
    """image (n, 28, 28) from 0 to 1; path (n, 301, 2), pixels; digit and style (n,); seen (n, 301) bool: which points
    of the path were recorded."""

    image: Tensor
    path: Tensor
    digit: Tensor
    style: Tensor
    seen: Tensor

    def __len__(self) -> int:
        return len(self.image)


def strokes(count: int, styles: Iterable[int] = TRAIN_STYLES, seed: int = 0) -> Strokes:
    """`count` digits, each of 0 to 9 and of `styles` at random; the same arguments give the same data."""
    count, styles = check_count("count", count), [check_count("styles", style, 0) for style in styles]
    if not styles:
        raise ArgumentError("styles is empty; it must hold at least one whole number of at least 0")
    rng = np.random.default_rng([check_count("seed", seed, 0), 1])
    digit, style = rng.integers(0, 10, count), np.array(styles)[rng.integers(0, len(styles), count)]
    drawn = [_draw(int(d), int(s), rng) for d, s in zip(digit, style, strict=True)]
    path, ink, pen = (np.array(part, dtype=np.float32) for part in zip(*drawn, strict=True))
    seen = torch.ones(count, POINTS, dtype=torch.bool)
    return Strokes(*map(torch.from_numpy, (_raster(ink, pen), path, digit, style)), seen)


def recorded(data: Strokes, points: int, seed: int = 0) -> Strokes:
    """The same strokes seen by a slow camera: only `points` moments of each path, at random, were recorded."""
    if check_count("points", points) > POINTS:
        raise ArgumentError(f"points={points} is not accepted; a path has {POINTS}")
    order = np.random.default_rng([check_count("seed", seed, 0), 2]).random((len(data), POINTS)).argsort(1)
    return replace(data, seen=torch.from_numpy(order < points))


def interpolated(data: Strokes) -> Strokes:
    """The same strokes, all points "recorded": straight lines between those that were, held before and after."""
    path, t = data.path.clone(), np.arange(POINTS)
    for k, seen in enumerate(data.seen.numpy()):
        for axis in (0, 1):
            known = data.path[k, seen, axis].numpy()
            path[k, :, axis] = torch.from_numpy(np.interp(t, np.flatnonzero(seen), known).astype(np.float32))
    return replace(data, path=path, seen=torch.ones_like(data.seen))


@cache
def _template(digit: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Control points (m, 2), for each the first point of its corner (m,), and the spline's matrix (400, m)."""
    points = np.array([[float(word) for word in pair.split()] for pair in _POLYGONS[digit].split(";")])
    first = np.arange(len(points))
    for k in range(1, len(points)):
        first[k] = first[k - 1] if (points[k] == points[k - 1]).all() else k
    knots = np.concatenate([np.zeros(3), np.linspace(0, 1, len(points) - 2), np.ones(3)])
    return points, first, BSpline.design_matrix(np.linspace(0, 1, 400), knots, 3).toarray()


@cache
def _writer(style: int) -> tuple[dict[int, np.ndarray], np.ndarray, float]:
    """Offsets of every control point, the map (2, 2) that slants, stretches and turns, and the pen's width."""
    rng = np.random.default_rng([style, 3])
    offsets = {digit: rng.normal(0, 0.07, (len(_template(digit)[0]), 2)) for digit in _POLYGONS}
    slanted = np.array([[np.exp(rng.normal(0, 0.15)), rng.normal(0, 0.18)], [0, 1]])
    return offsets, _rotation(rng.normal(0, 0.06)) @ slanted, rng.uniform(1.2, 2.2)


def _draw(digit: int, style: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, float]:
    """One writing -> path (301, 2), ink (160, 2) at even distances, both in pixels, and the pen's width in pixels."""
    points, first, spline = _template(digit)
    offsets, look, pen = _writer(style)
    points = points + (offsets[digit] + rng.normal(0, 0.015, points.shape))[first]  # corners stay corners
    turned = spline @ points @ (_rotation(rng.normal(0, 0.05)) @ look).T
    curve = _HALF * (turned * 0.88 * np.exp(rng.normal(0, 0.07, 2)) + rng.normal(0, 0.05, 2))
    curve *= min(1.0, 13.0 / np.abs(curve).max())  # the sheet ends at 14
    length = np.concatenate([[0.0], np.linalg.norm(np.diff(curve, axis=0), axis=1).cumsum()])
    t = np.linspace(0, 1, POINTS)
    ways = (10 * t**3 - 15 * t**4 + 6 * t**5) * length[-1], np.linspace(0, length[-1], 160)
    path, ink = (np.stack([np.interp(way, length, curve[:, k]) for k in (0, 1)], 1) for way in ways)
    return path, ink, pen * np.exp(rng.normal(0, 0.1))


def _rotation(angle: float) -> np.ndarray:
    return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])


def _raster(ink: np.ndarray, pen: np.ndarray) -> np.ndarray:
    """ink (n, 160, 2), pen (n,) -> images (n, 28, 28): a pixel is as dark as the share of it that is within the pen."""
    side = np.arange(SIZE, dtype=np.float32) + 0.5 - _HALF
    pixels = np.stack(np.meshgrid(side, -side), -1).reshape(-1, 2)
    image = np.empty((len(ink), SIZE * SIZE), np.float32)
    for k, (dots, width) in enumerate(zip(ink, pen, strict=True)):
        squared = (pixels**2).sum(1)[:, None] + (dots**2).sum(1) - 2 * pixels @ dots.T
        image[k] = np.clip(0.5 + width / 2 - np.sqrt(np.maximum(squared.min(1), 0)), 0, 1)
    return image.reshape(-1, SIZE, SIZE)


# ----------------------------------------------------------------------------------------------------- networks
class Drawer(nn.Module):
    """image (B, 28, 28) -> path (B, 301, 2), pixels. The trunk is the same in all; the last layer differs."""

    def __init__(self, outputs: int, hidden: int = 128):
        super().__init__()
        self.trunk = nn.Sequential(
            nn.Conv2d(1, 16, 5, 2, 2), nn.ReLU(), nn.Conv2d(16, 32, 3, 2, 1), nn.ReLU(), nn.Flatten(),
            nn.Linear(32 * 49, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, outputs),
        )  # fmt: skip

    def targets(self, data: Strokes) -> Tensor:
        """What the network learns from, (n, …), computed once before training."""
        return data.path

    def loss(self, image: Tensor, target: Tensor, seen: Tensor) -> Tensor:
        """Mean squared error of the recorded points, px²."""
        return ((self(image) - target).square().mean(-1) * seen).sum() / seen.sum()


class CNNTrajectory(Drawer):
    """The baseline: one output for each coordinate of each point."""

    def __init__(self):
        super().__init__(2 * POINTS)

    def forward(self, image: Tensor) -> Tensor:
        return SCALE * self.trunk(image[:, None]).unflatten(1, (POINTS, 2))


class CNNSpline(Drawer):
    """As many outputs as the NDP, but they are the control points of a cubic B-spline: smooth, without dynamics."""

    def __init__(self, controls: int = 62):
        super().__init__(2 * controls)
        knots = np.concatenate([np.zeros(3), np.linspace(0, 1, controls - 2), np.ones(3)])
        table = BSpline.design_matrix(np.linspace(0, 1, POINTS), knots, 3).toarray()
        self.register_buffer("table", torch.from_numpy(table).float())

    def forward(self, image: Tensor) -> Tensor:
        return SCALE * self.table @ self.trunk(image[:, None]).unflatten(1, (-1, 2))


class NDP(Drawer):
    """A neural dynamic policy (Bahl et al. 2020): the network says where the pen starts, where it ends and how it is
    pushed on the way, a DMP without the factor (g - y0) draws, and the loss is taken on the path.

    With the factor, strokes that end where they start (0, 8) could not be drawn.
    """

    def __init__(self, basis: int = 60, alpha: float = 50.0):
        dmp = DMP(2, basis, steps=POINTS - 1, alpha=alpha, scaled=False)
        super().__init__(2 * (basis + 2))
        self.dmp = dmp

    def parameters_of(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """start (B, 2), goal (B, 2), weights (B, 2, N)."""
        return self.unpack(self.trunk(image[:, None]))

    def unpack(self, numbers: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Outputs (B, 2 (N + 2)) in units of `SCALE`: a weight of αβ moves the spring's anchor by 1 px."""
        numbers = SCALE * numbers.unflatten(1, (2, self.dmp.basis + 2))
        return numbers[..., 0], numbers[..., 1], numbers[..., 2:] * self.dmp.stiffness

    def draw(self, start: Tensor, goal: Tensor, weights: Tensor) -> Tensor:
        """The DMP's path from rest, the start included, (B, 301, 2)."""
        return torch.cat([start[:, None], self.dmp(goal, weights, start).position], 1)

    def forward(self, image: Tensor) -> Tensor:
        return self.draw(*self.parameters_of(image))


class CNNParameters(NDP):
    """The NDP's network, trained on the DMP's parameters instead: each stroke is first fitted by a DMP."""

    def __init__(self, basis: int = 60, alpha: float = 50.0, ridge: float = 1e-5):
        super().__init__(basis, alpha)
        self.ridge = ridge
        for name, value in (("mean", torch.zeros), ("sd", torch.ones)):
            self.register_buffer(name, value(2 * (basis + 2)))

    def targets(self, data: Strokes) -> Tensor:
        start, goal, weights = self.dmp.fit(data.path[:, 1:], data.seen[:, 1:], ridge=self.ridge)
        numbers = torch.cat([start[..., None], goal[..., None], weights / self.dmp.stiffness], -1)
        numbers = numbers.flatten(1).float() / SCALE
        self.mean, self.sd = numbers.mean(0), numbers.std(0) + 1e-6
        return (numbers - self.mean) / self.sd

    def unpack(self, numbers: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return super().unpack(self.mean + self.sd * numbers)

    def loss(self, image: Tensor, target: Tensor, seen: Tensor) -> Tensor:
        """Mean squared error of the parameters, each in units of its standard deviation."""
        return (self.trunk(image[:, None]) - target).square().mean()


MODELS = {"CNN": CNNTrajectory, "CNN to spline": CNNSpline, "CNN to parameters": CNNParameters, "NDP": NDP}


def train(model: Drawer, data: Strokes, updates: int = 1000, *, batch: int = 64, lr: float = 3e-3, seed: int = 0):
    """Adam with a cosine from `lr` to 0 -> losses (updates,). The order of the data follows `seed`.

    Raises:
        NonFiniteError: the loss is NaN or infinite; the message says at which update.
    """
    updates, batch = check_count("updates", updates), check_count("batch", batch)
    generator, target = torch.Generator().manual_seed(seed), model.targets(data)
    optimizer = torch.optim.Adam(model.parameters(), lr=lr)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, updates)
    losses = []
    for update in range(updates):
        pick = torch.randint(len(data), (batch,), generator=generator)
        loss = model.loss(data.image[pick], target[pick], data.seen[pick])
        if not torch.isfinite(loss):
            raise NonFiniteError(f"the loss is {loss.item()} at update {update}; a smaller lr than {lr:g} may help")
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        losses.append(loss.item())
    return losses


@torch.no_grad()
def errors(model: Drawer, data: Strokes) -> dict[str, float]:
    """`loss`: mean squared error of a coordinate, px²; `velocity`: that of the velocity, as a share of the true mean
    square, so that a pen that never moves has 1. All 301 points count, recorded or not."""
    error = model(data.image) - data.path
    speed, true = error.diff(dim=1), data.path.diff(dim=1)
    return {"loss": error.square().mean().item(), "velocity": (speed.square().mean() / true.square().mean()).item()}
