"""One picture of one moment: states, time constants and action over time, phase portraits at the frozen memory.

The figure is laid out once. Another episode changes what its artists show (`show`); a step changes only what moves
(cursors, maps, dots), drawn over a kept background, so that a slider can follow the hand.
"""

from __future__ import annotations

import io

import numpy as np

from course_lib.errors import ArgumentError
from course_lib.viz.states.phase import check_plane, check_step, default_planes, limits, phase_map
from course_lib.viz.states.states import Record, recurrent
from course_lib.viz.style import COLOURS, SIGNED, style

INK, GREY = "#111820", "#7a828c"
DPI = 84
# Fixed, with two planes and with one: layouts that measure differ between versions of matplotlib, and cost a redraw.
MARGINS = {
    True: dict(left=0.08, right=0.955, top=0.945, bottom=0.095, wspace=0.24, hspace=2.2),
    False: dict(left=0.08, right=0.955, top=0.935, bottom=0.115, wspace=0.24, hspace=2.2),
}


class Dashboard:
    """Draws any step of an episode.

    Args:
        policy: the recurrent policy that `record` is of.
        whole: the same episode with no neuron held, drawn in grey behind an ablated one.
        planes: pairs of observations for the phase portraits, one or two; `default_planes` by default.
        action: which entry of the action the portraits show.
        points: grid points along each side of a portrait.
    """

    def __init__(
        self,
        policy,
        record: Record,
        whole: Record | None = None,
        planes: list[tuple[int, int]] | None = None,
        action: int = 0,
        points: int = 27,
    ):
        self.policy = recurrent(policy)
        if planes is not None and not 1 <= len(planes) <= 2:
            raise ArgumentError(f"planes has {len(planes)} entries; one or two pairs of observations are accepted")
        self.planes = default_planes(record) if planes is None else [check_plane(record, p) for p in planes]
        self.action, self.points = action, points
        self._moving: list = []  # (axes, artist)
        with style():
            self._build(record)
        self.show(record, whole)

    def show(self, record: Record, whole: Record | None = None) -> None:
        """Another episode of the same policy in the same figure; `whole` as above."""
        self.record, self.whole = record, whole
        both = [record] if whole is None else [record, whole]  # nobody leaves the picture
        self.spans = [(limits(both, i), limits(both, j)) for i, j in self.planes]
        for artist in self._passing:
            artist.remove()
        self._passing = []
        with style():
            self._states(self.axes["A"])
            self._constants(self.axes["T"])
            self._actions(self.axes["U"])
            steps = max(map(len, both))
            for name in "ATU":
                self.axes[name].set_xlim(-0.5, steps - 0.5)
            self._portraits()
            self.canvas.draw()
        self._background = self.canvas.copy_from_bbox(self.figure.bbox)

    # ------------------------------------------------------------------------------------ what stands still
    def _build(self, record: Record) -> None:
        """Axes and artists, which `show` fills."""
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        two = len(self.planes) == 2
        right = [["P0", "V0"]] * 3 + [["P1", "V1"] if two else ["P0", "V0"]] * 3
        left = ["A", "A", "T", "T", "U", "U"]
        self.figure = Figure(figsize=(11.6, 5.5 if two else 4.6), dpi=DPI, layout="none")
        self.canvas = FigureCanvasAgg(self.figure)
        self.axes = self.figure.subplot_mosaic(
            [[name, ".", *row] for name, row in zip(left, right, strict=True)],  # a gap for ticks and labels
            width_ratios=[1.45, 0.12, 1, 1],
            gridspec_kw=MARGINS[two],
        )
        self._passing: list = []  # artists of which every episode has its own: names, pushes, an early end
        self._state_map = self._picture("A", SIGNED)
        self.axes["A"].set(
            ylabel="neuron", title="hidden state", yticks=range(0, record.neurons, max(1, record.neurons // 8))
        )
        self.axes["A"].tick_params(axis="y", labelsize=7.5)
        self.figure.colorbar(self._state_map, cax=self.axes["A"].inset_axes((1.01, 0.0, 0.02, 1.0)))
        (self._crosses,) = self.axes["A"].plot([], [], "x", color=INK, markersize=8, markeredgewidth=2)
        self._build_constants(self.axes["T"], record)
        (self._before,) = self.axes["U"].plot([], [], color="#b6bcc4", linewidth=2.5)
        (self._taken,) = self.axes["U"].plot([], [], color=COLOURS[1], linewidth=1.4)
        name = record.action_names[self.action]
        self.axes["U"].set(ylabel=name.replace(" (", "\n("), xlabel=f"control step ({record.dt:g} s each)")
        for letter in "ATU":
            if letter != "U":
                self.axes[letter].tick_params(labelbottom=False)
            self._add(letter, self.axes[letter].axvline(0, color=INK, linewidth=1.4))
        self._build_portraits(record)

    def _picture(self, name: str, colours: str, **options):
        self.axes[name].grid(False)
        return self.axes[name].imshow([[0.0]], aspect="auto", cmap=colours, interpolation="nearest", **options)

    def _add(self, name: str, artist) -> None:
        artist.set_animated(True)
        self._moving.append((self.axes[name], artist))

    def _build_constants(self, axes, record: Record) -> None:
        n, many = record.neurons, record.neurons > 10
        if record.time_constants is None:
            self._curves = axes.plot([], [], color=COLOURS[2])
            axes.set(ylabel="value\n(norm. return)", title="what the critic expects (this cell has no time constants)")
            return
        self._curves = [
            axes.plot([], [], color=GREY if many else COLOURS[i % len(COLOURS)], linewidth=0.7 if many else 1.2)[0]
            for i in range(n)
        ]
        if many:
            self._curves += axes.plot([], [], color=COLOURS[0], linewidth=1.8)
        title = "effective time constants" + (" (blue: their median)" if many else "")
        axes.set(ylabel="control steps", title=title)

    def _build_portraits(self, record: Record) -> None:
        self._pictures: dict[str, object] = {}
        self._zero, self._dots, self._paths = [], [], []
        for k, (i, j) in enumerate(self.planes):
            for letter, colours in (("P", SIGNED), ("V", "viridis")):
                name = f"{letter}{k}"
                axes = self.axes[name]
                self._pictures[name] = self._picture(name, colours, origin="lower")
                self._add(name, self._pictures[name])
                line = INK if letter == "P" else "#ffffff"
                self._paths.append((axes.plot([], [], color=line, linewidth=0.7, alpha=0.5)[0], i, j))
                self._add(name, self._paths[-1][0])
                if letter == "P":
                    self._zero.append(axes.plot([], [], color=INK, linewidth=1.3, linestyle="--")[0])
                    self._add(name, self._zero[-1])
                (dot,) = axes.plot([], [], "o", color="#ffd60a", markeredgecolor=INK, markersize=8)
                self._dots.append((dot, i, j))
                self._add(name, dot)
                axes.set_xlabel(record.names[i])
                axes.locator_params(axis="x", nbins=4)
                if letter == "P":
                    axes.set_ylabel(record.names[j])
                else:  # the scale of the map beside it
                    axes.tick_params(labelleft=False)
        self.axes["P0"].set_title(f"policy: {record.action_names[self.action]}")
        self.axes["V0"].set_title("value (normalised return)")
        for letter in "PV":
            panels = [self.axes[f"{letter}{k}"] for k in range(len(self.planes))]
            self.figure.colorbar(self._pictures[f"{letter}0"], ax=panels, pad=0.02, fraction=0.06, aspect=40)

    # ----------------------------------------------------------------------------------------- an episode
    def _states(self, axes) -> None:
        states, n = self.record.states, self.record.neurons
        size = float(np.abs(states).max()) or 1.0
        self._state_map.set(data=states.T, clim=(-size, size), extent=(-0.5, len(states) - 0.5, n - 0.5, -0.5))
        held = sorted(self.record.held)
        self._crosses.set_data([len(states) * 0.01] * len(held), held)

    def _constants(self, axes) -> None:
        constants, n = self.record.time_constants, self.record.neurons
        if constants is None:
            constants = self.record.values[:, None]
        elif n > 10:
            constants = np.hstack([constants, np.median(constants, axis=1, keepdims=True)])
        for k, (curve, values) in enumerate(zip(self._curves, constants.T, strict=True)):
            curve.set_data(np.arange(len(values)), values)
            if len(self._curves) > 1 and k < n:
                plain = "-" if n > 10 else ("-", "--")[k // len(COLOURS) % 2]
                curve.set_linestyle(":" if k in self.record.held else plain)
        axes.relim()
        axes.autoscale_view()
        if self.record.time_constants is not None and n <= 10:
            self._passing += name_lines(axes, constants[-1], len(constants) - 1)

    def _actions(self, axes) -> None:
        record, whole = self.record, self.whole
        for line, of in ((self._before, whole), (self._taken, record)):
            values = np.empty(0) if of is None else of.actions[:, self.action]
            line.set_data(np.arange(len(values)), values)
        self._passing += mark_pushes(axes, record)
        notes = ["green: pushes"] * bool(record.pushes) + ["grey: no neuron held"] * (whole is not None)
        axes.set_title("action" + (f" ({'; '.join(notes)})" if notes else ""))
        axes.relim()
        axes.autoscale_view()
        if len(record) < len(whole or ()):
            self._passing.append(axes.axvline(len(record) - 0.5, color=COLOURS[1], linestyle=":", linewidth=1.2))

    def _portraits(self) -> None:
        """Ranges of colour are fixed over the episode, so that two moments can be compared."""
        sample = np.unique(np.linspace(0, len(self.record) - 1, 8).astype(int))
        maps = [self._map(k, t) for t in sample for k in range(len(self.planes))]
        size = max(float(np.abs([m.action for m in maps]).max()), 1e-6)
        low, high = (float(f([m.value for m in maps])) for f in (np.min, np.max))
        if high - low < 1e-6:
            low, high = low - 0.5, high + 0.5
        for k in range(len(self.planes)):
            extent = maps[k].extent
            for letter, span in (("P", (-size, size)), ("V", (low, high))):
                self._pictures[f"{letter}{k}"].set(clim=span, extent=extent)
                self.axes[f"{letter}{k}"].set(xlim=extent[:2], ylim=extent[2:])
        for path, i, j in self._paths:
            path.set_data(*self.record.observations[:, [i, j]].T)

    def _map(self, k: int, step: int):
        return phase_map(
            self.policy, self.record, step, self.planes[k], action=self.action, points=self.points, spans=self.spans[k]
        )

    # ------------------------------------------------------------------------------------------ what moves
    def draw(self, step: int) -> np.ndarray:
        """The picture of `step` -> (H, W, 3) uint8."""
        step = check_step(self.record, step)
        for _, artist in self._moving[:3]:
            artist.set_xdata([step, step])
        for k in range(len(self.planes)):
            here = self._map(k, step)
            self._pictures[f"P{k}"].set_data(here.action)
            self._pictures[f"V{k}"].set_data(here.value)
            self._zero[k].set_data(*zero_line(here.across, here.up, here.action))
        for dot, i, j in self._dots:
            dot.set_data(self.record.observations[step, [i]], self.record.observations[step, [j]])
        self.canvas.restore_region(self._background)
        for axes, artist in self._moving:
            axes.draw_artist(artist)
        return np.asarray(self.canvas.buffer_rgba())[..., :3].copy()


def name_lines(axes, heights: np.ndarray, at: float) -> list:
    """The number of each line at its right end, moved apart where two would touch -> the texts."""
    low, high = axes.get_ylim()
    size, tall = 7.0, 72 / axes.figure.dpi * axes.get_window_extent().height  # points
    gap, order = min(1.1 * size / tall, 1 / len(heights)) * (high - low), np.argsort(heights)
    steps, blocks = gap * np.arange(len(heights)), []
    for height in np.asarray(heights, float)[order] - steps:  # least squares with the gap kept: isotonic regression
        blocks.append([height])
        while len(blocks) > 1 and np.mean(blocks[-2]) > np.mean(blocks[-1]):
            blocks[-2:] = [blocks[-2] + blocks[-1]]
    places = np.empty(len(heights))
    fitted = np.concatenate([np.full(len(block), np.mean(block)) for block in blocks])
    places[order] = fitted.clip(low, max(high - steps[-1], low)) + steps
    look = dict(fontsize=size, va="center", annotation_clip=False)
    return [
        axes.annotate(f" {k}", (at, place), color=COLOURS[k % len(COLOURS)], **look) for k, place in enumerate(places)
    ]


def mark_pushes(axes, record: Record) -> list:
    """A triangle on the time axis where the robot was pushed; it points the way of the push -> the triangles."""
    look = dict(color=COLOURS[2], markersize=6, clip_on=False, transform=axes.get_xaxis_transform(), zorder=4)
    return [
        axes.plot([step], [0.04], marker=">" if size > 0 else "<", **look)[0]
        for step, size in record.pushes.items()
        if step < len(record)
    ]


def zero_line(across: np.ndarray, up: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where `values` (up, across) change sign -> x, y of the lines, NaN between two pieces."""
    import contourpy

    pieces = contourpy.contour_generator(across, up, values).lines(0.0)
    if not pieces:
        return np.empty(0), np.empty(0)
    gap = np.full((1, 2), np.nan)
    return tuple(np.concatenate([part for piece in pieces for part in (piece, gap)]).T)


def encode(picture: np.ndarray, kind: str = "png") -> bytes:
    """A picture (H, W, 3) uint8 as PNG or JPEG bytes."""
    from PIL import Image

    out = io.BytesIO()
    options = {"compress_level": 1} if kind == "png" else {"quality": 85}
    Image.fromarray(picture).save(out, kind, **options)
    return out.getvalue()
