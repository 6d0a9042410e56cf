"""A cell drawn as a graph: inputs, neurons and actions, with synapses scaled and coloured by weight and sign."""

from __future__ import annotations

from course_lib.errors import ArgumentError, check_choice
from course_lib.viz.style import new_figure, style
from course_lib.viz.topology.layout import finite_array, network_of
from course_lib.viz.topology.scene import Scene, Shape, build


def topology(
    cell_or_wiring,
    readout=None,
    observation_names=None,
    action_names=None,
    activations=None,
    ax=None,
    *,
    smallest: float = 0.05,
    scale: str = "kind",
    title: str | None = None,
):
    """Figure of a network: inputs on the left, neurons between, actions on the right.

    A synapse is wide at the neuron it comes from and narrow at the one it drives; red is positive, blue
    negative, as in heat maps; width and opacity grow with the weight. A circle beside a neuron is
    its synapse onto itself. Neurons with roles (an NCP) stand in columns, others on an ellipse.

    Args:
        cell_or_wiring: a cell (`input_weight`, `recurrent_weight`, perhaps `wiring`), a `Wiring` (signs only), or a
            policy (its `cell` and `readout`; neurons in `clamped` are dashed). For a policy, the drawing shows the
            readout's weights on the states, `Readout.affine`, and not those that bypass the cell (feedthrough).
        readout: linear layer, or its weights (actions, neurons). Without it, motor neurons of a wiring are
            joined to one action each.
        observation_names, action_names: a name for each input and action.
        activations: (neurons,), fills the neurons: red above zero, blue below.
        ax: matplotlib axes to draw into; None: a new figure.
        scale: which weight gets the full width: "kind", the largest of each kind, which is input, recurrent or readout
            (otherwise you would not see an untrained readout); "shared", the largest of all.
        smallest: synapses below this share of full width are left out (the drawing says how many), in [0, 1).
        title: the title above the drawing.

    Raises:
        ArgumentError: nothing to draw, sizes that disagree, values that are not finite.
    """
    net = network_of(cell_or_wiring, readout, observation_names, action_names)
    check_share(smallest)
    check_choice("scale", scale, ("kind", "shared"))
    if activations is not None:
        activations = finite_array("activations", activations, (net.neurons,))
    scene = build(net, activations, smallest, title, scale=scale)
    return paint(scene, ax)


def check_share(smallest) -> None:
    if isinstance(smallest, bool) or not isinstance(smallest, (int, float)) or not 0 <= smallest < 1:
        raise ArgumentError(f"smallest={smallest!r} is not accepted; it must be a share of the largest in [0, 1)")


def paint(scene: Scene, ax=None):
    """Draw `scene` with matplotlib into `ax` or a new figure, and return the figure."""
    with style():
        if ax is None:
            size = (scene.width / 100, (scene.height - scene.top) / 100)
            figure, ax = new_figure(figsize=size, layout="none")
            figure.alt = f"a network as a graph: {', '.join(shape.text for shape in scene.labels if shape.text)}"[:600]
            ax.set_position((0, 0, 1, 1))
        ax.set_xlim(0, scene.width)
        ax.set_ylim(scene.height, scene.top)
        ax.set_aspect("equal")
        ax.set_axis_off()
        box, dpi = ax.get_window_extent(), ax.figure.dpi
        points = 72 / dpi * min(box.width / scene.width, box.height / (scene.height - scene.top))  # pt in a unit
        for group in (scene.edges, scene.nodes, scene.labels):
            _add(ax, group, points)
    return ax.figure


def _add(ax, shapes: list[Shape], points: float) -> None:
    from matplotlib.collections import PatchCollection
    from matplotlib.patches import Circle, PathPatch, Rectangle
    from matplotlib.path import Path

    codes = [Path.MOVETO, Path.CURVE3, Path.CURVE3, Path.LINETO, Path.CURVE3, Path.CURVE3, Path.CLOSEPOLY]
    patches, drawn = [], []
    for shape in shapes:
        x, y = shape.points[0] if shape.kind == "path" else shape.points
        if shape.kind == "path":
            patches.append(PathPatch(Path([*shape.points, shape.points[0]], codes)))
        elif shape.kind == "circle":
            patches.append(Circle((x, y), shape.size))
        elif shape.kind == "box":
            patches.append(Rectangle((x - shape.size, y - shape.size), 2 * shape.size, 2 * shape.size))
        else:
            across = {"start": "left", "middle": "center", "end": "right"}[shape.anchor]
            ax.text(
                x, y, shape.text, color=shape.fill, fontsize=max(shape.size * points, 5.5), ha=across,
                va="center_baseline", weight="bold" if shape.bold else "normal", zorder=4,
            )  # fmt: skip
            continue
        drawn.append(shape)
    if not drawn:
        return
    from matplotlib.colors import to_rgba

    collection = PatchCollection(
        patches,
        facecolors=[to_rgba(s.fill, s.alpha if s.fill != "none" else 0) for s in drawn],
        edgecolors=[to_rgba(s.stroke, s.alpha if s.stroke != "none" else 0) for s in drawn],
        linewidths=[s.line * points for s in drawn],
        linestyles=[(0, (2, 2)) if s.dashed else "solid" for s in drawn],
        zorder=2 if "from" in drawn[-1].data else 3,
    )
    ax.add_collection(collection)
