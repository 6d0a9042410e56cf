"""One picture of one moment: states, time constants and action over time, phase portraits at the frozen memory.

The figure is built once. A step changes only what moves (cursors, maps, dots), drawn over a kept background, so that
a slider can follow the hand.
"""

from __future__ import annotations

import io

import numpy as np

from course_lib.errors import ArgumentError
from course_lib.viz.states.phase import check_plane, check_step, default_planes, limits, phase_map
from course_lib.viz.states.states import Record, recurrent
from course_lib.viz.style import COLOURS, style

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
        self.policy, self.record, self.whole = recurrent(policy), record, whole
        if planes is not None and not 1 <= len(planes) <= 2:
            raise ArgumentError(f"planes has {len(planes)} entries; one or two pairs of observations are accepted")
        self.planes = default_planes(record) if planes is None else [check_plane(record, p) for p in planes]
        both = [record] if whole is None else [record, whole]  # nobody leaves the picture
        self.spans = [(limits(both, i), limits(both, j)) for i, j in self.planes]
        self.action, self.points = action, points
        self._moving: list = []  # (axes, artist)
        with style():
            self._build()

    # ------------------------------------------------------------------------------------ what stands still
    def _build(self) -> None:
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
        self._states(self.axes["A"])
        self._constants(self.axes["T"])
        self._actions(self.axes["U"])
        steps = max(len(self.record), len(self.whole or self.record))
        for name in "ATU":
            self.axes[name].set_xlim(-0.5, steps - 0.5)
            if name != "U":
                self.axes[name].tick_params(labelbottom=False)
            self._add(name, self.axes[name].axvline(0, color=INK, linewidth=1.4))
        self._portraits()
        self.canvas.draw()
        self._background = self.canvas.copy_from_bbox(self.figure.bbox)

    def _add(self, name: str, artist) -> None:
        artist.set_animated(True)
        self._moving.append((self.axes[name], artist))

    def _states(self, axes) -> None:
        states, n = self.record.states, self.record.neurons
        size = float(np.abs(states).max()) or 1.0
        picture = axes.imshow(
            states.T, aspect="auto", cmap="RdBu_r", vmin=-size, vmax=size, interpolation="nearest",
            extent=(-0.5, len(states) - 0.5, n - 0.5, -0.5),
        )  # fmt: skip
        axes.grid(False)
        axes.set_yticks(range(0, n, max(1, n // 8)))
        axes.set(ylabel="neuron", title="hidden state")
        self.figure.colorbar(picture, cax=axes.inset_axes((1.01, 0.0, 0.02, 1.0)))
        for neuron in self.record.held:
            axes.plot([len(states) * 0.01], [neuron], "x", color=INK, markersize=8, markeredgewidth=2)

    def _constants(self, axes) -> None:
        constants = self.record.time_constants
        if constants is None:
            axes.plot(self.record.values, color=COLOURS[2])
            axes.set(ylabel="value\n(norm. return)", title="what the critic expects (this cell has no time constants)")
            return
        many = self.record.neurons > 10
        for neuron in range(self.record.neurons):
            colour = GREY if many else COLOURS[neuron % len(COLOURS)]
            dash = ":" if neuron in self.record.held else ("-", "--")[neuron // len(COLOURS) % 2]
            axes.plot(constants[:, neuron], dash, color=colour, linewidth=0.7 if many else 1.2)
        if not many:
            name_lines(axes, constants[-1], len(constants) - 1)
        if many:
            axes.plot(np.median(constants, axis=1), color=COLOURS[0], linewidth=1.8)
        title = "effective time constants" + (" (blue: their median)" if many else "")
        axes.set(ylabel="control steps", title=title)

    def _actions(self, axes) -> None:
        if self.whole is not None:
            axes.plot(self.whole.actions[:, self.action], color="#b6bcc4", linewidth=2.5)
        axes.plot(self.record.actions[:, self.action], color=COLOURS[1], linewidth=1.4)
        mark_pushes(axes, self.record)
        name = self.record.action_names[self.action]
        notes = ["green: pushes"] * bool(self.record.pushes) + ["grey: no neuron held"] * (self.whole is not None)
        text = "action" + (f" ({'; '.join(notes)})" if notes else "")
        axes.set(ylabel=name.replace(" (", "\n("), title=text, xlabel=f"control step ({self.record.dt:g} s each)")
        if len(self.record) < len(self.whole or ()):
            axes.axvline(len(self.record) - 0.5, color=COLOURS[1], linestyle=":", linewidth=1.2)

    def _portraits(self) -> None:
        """Axes of the maps; ranges of colour are fixed over the episode, so that two moments can be compared."""
        sample = np.unique(np.linspace(0, len(self.record) - 1, 8).astype(int))
        maps = [self._map(k, t) for t in sample for k in range(len(self.planes))]
        size = max(float(np.abs([m.action for m in maps]).max()), 1e-6)
        low, high = (float(f([m.value for m in maps])) for f in (np.min, np.max))
        if high - low < 1e-6:
            low, high = low - 0.5, high + 0.5
        self._pictures: dict[str, object] = {}
        self._zero, self._dots = [], []
        for k, (i, j) in enumerate(self.planes):
            for letter, colours, span in (("P", "RdBu_r", (-size, size)), ("V", "viridis", (low, high))):
                name = f"{letter}{k}"
                axes, first = self.axes[name], getattr(maps[k], "action" if letter == "P" else "value")
                picture = axes.imshow(
                    first, origin="lower", aspect="auto", extent=maps[k].extent, cmap=colours,
                    vmin=span[0], vmax=span[1], interpolation="nearest",
                )  # fmt: skip
                self._pictures[name] = picture
                self._add(name, picture)
                path = self.record.observations[:, [i, j]]
                line = INK if letter == "P" else "#ffffff"
                self._add(name, axes.plot(*path.T, color=line, linewidth=0.7, alpha=0.5)[0])
                if letter == "P":
                    self._zero.append(axes.plot([], [], color=INK, linewidth=1.3, linestyle="--")[0])
                    self._add(name, self._zero[-1])
                (dot,) = axes.plot([], [], "o", color="#ffd60a", markeredgecolor=INK, markersize=8)
                self._dots.append((dot, i, j))
                self._add(name, dot)
                axes.grid(False)
                axes.set(xlim=maps[k].extent[:2], ylim=maps[k].extent[2:], xlabel=self.record.names[i])
                if letter == "P":
                    axes.set_ylabel(self.record.names[j])
                else:  # the scale of the map beside it
                    axes.tick_params(labelleft=False)
        self.axes["P0"].set_title(f"policy: {self.record.action_names[self.action]}")
        self.axes["V0"].set_title("value (normalised return)")
        for letter in "PV":
            panels = [self.axes[f"{letter}{k}"] for k in range(len(self.planes))]
            self.figure.colorbar(self._pictures[f"{letter}0"], ax=panels, pad=0.02, fraction=0.06, aspect=40)

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


def name_lines(axes, heights: np.ndarray, at: float) -> None:
    """The number of each line at its right end, moved apart where two would touch."""
    low, high = axes.get_ylim()
    gap, order = 0.085 * (high - low), np.argsort(heights)
    places = np.array(heights, float)
    for before, k in zip(order[:-1], order[1:], strict=True):
        places[k] = max(places[k], places[before] + gap)
    places -= max(0.0, places.max() - high)
    for k, place in enumerate(places):
        colour = COLOURS[k % len(COLOURS)]
        axes.annotate(f" {k}", (at, place), fontsize=8, color=colour, va="center", annotation_clip=False)


def mark_pushes(axes, record: Record) -> None:
    """A triangle on the time axis where the robot was pushed; it points the way of the push."""
    for step, size in record.pushes.items():
        if step < len(record):
            axes.plot(
                [step], [0.04], marker=">" if size > 0 else "<", color=COLOURS[2], markersize=6, clip_on=False,
                transform=axes.get_xaxis_transform(), zorder=4,
            )  # fmt: skip


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
