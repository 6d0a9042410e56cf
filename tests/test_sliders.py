"""Plots under sliders and texts for figures: what the page holds is what was drawn, and labels that touch are found."""

import json
import re

import numpy as np
import pytest

from course_lib.errors import ArgumentError
from course_lib.viz.described import described, overlaps
from course_lib.viz.sliders import Curve, Panel, SliderPlot
from course_lib.viz.style import new_figure, style

X = np.linspace(0, 10, 11)


def draw(slope, shift):
    yield Curve("line", X, slope * X + shift)
    yield Curve("dots", X, np.where(X > 5, np.nan, X), panel=1, kind="dots")
    yield f"{slope} and {shift}"


def plot(**changes):
    options = dict(sliders={"slope": (1, 2), "shift": (0, 5, 10)}, draw=draw, start={"shift": 5})
    options |= dict(panels=[Panel("x", "y", (0, 10), (0, 40)), Panel("x", "z", (0, 10), (0, 20))])
    return SliderPlot(**options | changes)


def held(page):
    return json.loads(re.search(r"const all = (\{.*?\});\n", page, re.S).group(1).replace("<\\/", "</"))


def points(path):
    return np.array(re.findall(r"([\d.-]+) ([\d.-]+)", path), float)


def test_every_setting_is_in_the_page_in_the_order_of_the_sliders():
    found = held(plot().page)
    assert [sentences[0] for _, sentences in found["frames"]] == [f"{a} and {b}" for a in (1, 2) for b in (0, 5, 10)]
    for (paths, _), (slope, shift) in zip(found["frames"], [(a, b) for a in (1, 2) for b in (0, 5, 10)], strict=True):
        at = points(paths[0])
        ends = at[[0, -1], 1]  # px, downwards: 40 units of y are 230 px
        assert (ends[0] - ends[1]) / 230 * 40 == pytest.approx(10 * slope, abs=0.05)
        assert (22 + 230 - ends[0]) / 230 * 40 == pytest.approx(shift, abs=0.05)


def test_curves_of_one_name_are_all_drawn():
    def edges(slope, shift):
        for y in (5, 10):
            yield Curve("edge", (0, 10), (y, y), kind="faint")
        yield Curve("dots", X, X, panel=1, kind="dots")

    path = held(plot(draw=edges).page)["frames"][0][0][0]
    assert path.count("M") == 2 and len(set(points(path)[:, 1])) == 2


def test_nan_lifts_the_pen():
    page = plot(draw=lambda a, b: [Curve("gap", X, np.where(X == 5, np.nan, X))])
    assert held(page.page)["frames"][0][0][0].count("M") == 2
    dots = held(plot().page)["frames"][0][0][1]
    assert dots.count("M") == 6


def test_logarithmic_axes():
    page = plot(
        sliders={"p": (1, 2)}, start={}, panels=[Panel("x", "y", (1, 100), (1, 1e4), x_log=True, y_log=True)],
        draw=lambda p: [Curve("power", [1, 10, 100], np.array([1.0, 10, 100]) ** p)],
    )  # fmt: skip
    one, two = (points(frame[0][0]) for frame in held(page.page)["frames"])
    assert np.diff(one[:, 0], 2) == pytest.approx(0, abs=0.2)
    assert (two[0, 1] - two[-1, 1]) == pytest.approx(2 * (one[0, 1] - one[-1, 1]), abs=0.3)


def test_limits_hold_all_settings():
    limits = plot(panels=[Panel("x", "y"), Panel("x", "z")]).panels[0].y_limits
    assert limits[0] < 0 and limits[1] > 30


def test_dragging_knows_where_the_values_lie():
    found = held(plot(drag=("shift", "slope")).page)
    assert found["drag"] == [1, 0]
    assert np.diff(found["places"][0]) == pytest.approx([(350 - 66) / 2] * 2, abs=0.5)  # shift 0, 5, 10 of x 0 to 10


def test_the_still_picture_shows_the_start():
    figure = plot().figure()
    assert figure.axes[0].lines[0].get_ydata() == pytest.approx(X + 5)
    assert "1 and 5" in figure.get_supxlabel()
    assert plot().html.startswith("<div") and "<img alt=" in plot().html


@pytest.mark.parametrize(
    "changes, message",
    [
        (dict(sliders={"slope": range(100), "shift": range(100)}), "10,000 settings"),
        (dict(sliders={"slope": (), "shift": (1,)}), "0 settings"),
        (dict(start={"shape": 1}), "'shape' is no slider; accepted: slope, shift"),
        (dict(start={"shift": 7}), "shift=7 is not among its values"),
        (dict(drag=("slope", "x")), "'x' is no slider"),
        (dict(draw=lambda a, b: [Curve("c", X, X, kind="wave")]), "accepted: line, dashes, faint, dots, bars"),
        (dict(draw=lambda a, b: [Curve("c", X, X, panel=2)]), "panels 0 to 1"),
        (dict(draw=lambda a, b: [Curve("c", X, X[1:])]), "equally many"),
        (dict(draw=lambda a, b: [Curve("c", X, X), Curve("c", X, X, kind="dots")]), "one name must look alike"),
        (dict(draw=lambda a, b: [Curve("c", X, X, 0, "line", c) for c in ("red", "blue")]), "one name must look alike"),
        (dict(panels=[Panel("x", "y", (2, 1)), Panel("x", "z")]), "they must rise"),
        (dict(panels=[Panel("x", "y", (0, 1), x_log=True), Panel("x", "z")]), "they must rise"),
    ],
)
def test_a_sentence_for_what_cannot_be_drawn(changes, message):
    with pytest.raises(ArgumentError, match=re.escape(message)):
        plot(**changes)


def test_sliders_contain_no_markup_of_the_author():
    page = plot(draw=lambda a, b: [Curve("<b>", X, X), "</script><b>"]).page
    assert "<b>" not in page.replace("&lt;b&gt;", "").split("<script>")[0]
    assert "</script><b>" not in page


# --- texts of figures -------------------------------------------------------------------------------


def figure_with(texts=()):
    with style():
        figure, axes = new_figure()
        axes.plot(X, X, label="ours")
        axes.set(xlabel="time (s)", ylabel="angle (rad)", title="a fall")
        axes.legend()
        for at, text in texts:
            axes.text(*at, text)
    return figure


def test_a_figure_is_described_by_what_stands_on_it():
    text = described(figure_with())
    assert all(part in text for part in ("a fall", "angle (rad) over time (s)", "ours", "curves"))
    figure = figure_with()
    figure.alt = "the pole falls to the left"
    assert described(figure) == "the pole falls to the left"


def test_pictures_without_axes_are_described_by_their_titles():
    with style():
        figure, (left, right) = new_figure(1, 2)
    left.imshow(np.zeros((4, 4)))
    left.set_title("a maze")
    left.axis("off")
    right.axis("off")
    assert described(figure) == "a maze: picture"


def test_labels_that_cover_each_other_are_found():
    assert overlaps(figure_with()) == []
    assert overlaps(figure_with([((3, 5), "left text"), ((3.2, 5), "right text")])) == [("left text", "right text")]
    assert overlaps(figure_with([((1, 5), "left"), ((8, 1), "right")])) == []
    squeezed = figure_with()
    squeezed.axes[0].set_xticks(np.linspace(0, 10, 60))
    assert overlaps(squeezed)
    squeezed.axes[0].set_xlim(0, 0.1)  # what lies outside of the limits is not drawn
    assert overlaps(squeezed) == []


def test_a_text_tells_what_curves_bars_rows_and_maps_come_to():
    from course_lib.viz.style import new_figure

    figure, (left, right) = new_figure(1, 2)
    left.plot([0, 1, 2], [3.0, 9.0, 1250.0], label="SAC")
    left.set(xlabel="steps", ylabel="return")
    right.barh([0, 1], [0.25, 4600.0])
    right.set_yticks([0, 1], ["GRU", "LTC"])
    text = described(figure)
    assert "curves of return over steps" in text and "SAC, 3 at first, 1,250 at last" in text
    assert "bars: GRU 0.25; LTC 4,600" in text
    figure, (one, two) = new_figure(1, 2, sharey=True)
    for axes, dots in ((one, (1.0, 2.0, 6.0)), (two, (0.5,))):
        axes.plot(dots, [0] * len(dots), "o")
        axes.set_yticks([0], ["frames"])
    assert "points: frames 2" in described(figure) and "points: frames 0.5" in described(figure)
    figure, axes = new_figure()
    axes.imshow([[-1.5, 0.0], [float("nan"), 2.0]])
    assert "map, values -1.5 to 2" in described(figure)
