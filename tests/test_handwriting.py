"""The generated strokes, the networks that imitate them, their figures, and the shipped results."""

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure

from course_lib.errors import ArgumentError, NonFiniteError
from course_lib.lessons import nb09_dmp as dmp_figures
from course_lib.lessons import nb09_dmp_lab as dmp_lab
from course_lib.lessons import nb09_handwriting as hw
from course_lib.nets.dmp import DMP
from course_lib.viz.described import overlaps


@pytest.fixture(scope="module")
def data():
    return hw.strokes(120, seed=3)


# -------------------------------------------------------------------------------------------- the data set
def test_shapes_ranges_and_all_digits(data):
    assert data.image.shape == (120, 28, 28) and data.path.shape == (120, 301, 2)
    assert data.image.min() == 0 and 0.9 < data.image.max() <= 1
    assert set(data.digit.tolist()) == set(range(10)) and set(data.style.tolist()) <= set(hw.TRAIN_STYLES)
    assert data.path.abs().max() <= 13.001 and data.seen.all()


def test_same_seed_same_data_and_no_writer_on_both_sides(data):
    again, other = hw.strokes(120, seed=3), hw.strokes(120, seed=4)
    assert torch.equal(again.image, data.image) and torch.equal(again.path, data.path)
    assert not torch.equal(other.image, data.image)
    groups = [set(styles) for styles in (hw.TRAIN_STYLES, hw.VALIDATION_STYLES, hw.TEST_STYLES)]
    assert all(groups) and not (groups[0] & groups[1] or groups[0] & groups[2] or groups[1] & groups[2])


def test_a_style_is_a_writer():
    """Two digits of one writer are more alike than two of different ones."""

    def sevens(style):
        found = hw.strokes(120, styles=[style], seed=style)
        return found.path[found.digit == 7] - found.path[found.digit == 7].mean(1, keepdim=True)

    one, two = sevens(0), sevens(1)
    within = (one[0] - one[1:]).square().mean() + (two[0] - two[1:]).square().mean()
    assert (one.mean(0) - two.mean(0)).square().mean() > 0.5 * within


def test_the_pen_goes_along_the_ink(data):
    """Each point of the path is on a dark pixel, and the far corner pixels are white."""
    column = (data.path[..., 0] + 14).floor().long()
    row = (14 - data.path[..., 1]).floor().long()
    under = data.image[torch.arange(120)[:, None], row, column]
    assert under.mean() > 0.85 and (under > 0.3).float().mean() > 0.98
    distance = (torch.cdist(torch.tensor([[-13.5, 13.5]]).expand(120, 1, 2), data.path)).amin((1, 2))
    assert (data.image[:, 0, 0][distance > 3] == 0).all()


def test_minimum_jerk_timing(data):
    """At rest at both ends, fastest in the middle: 15/8 of the mean speed (Flash and Hogan 1985)."""
    speed = data.path.diff(dim=1).norm(dim=-1) * 300
    mean = speed.mean(1)
    assert (speed[:, 0] < 0.01 * mean).all() and (speed[:, -1] < 0.01 * mean).all()
    peaks = (speed[:, 145:155].mean(1) / mean).numpy()
    assert np.median(peaks) == pytest.approx(15 / 8, rel=0.005)  # chords cut corners, so some are a little slower
    assert peaks.min() > 1.5 and peaks.max() < 1.9


def test_strokes_are_strokes_and_corners_are_corners(data):
    """A 7 turns sharply once; a 0 never does, and ends near its start."""

    def turns(digit):
        path = data.path[int((data.digit == digit).nonzero()[0, 0])].double()
        way = torch.cat([torch.zeros(1), path.diff(dim=0).norm(dim=1).cumsum(0)]).numpy()
        even = np.stack([np.interp(np.linspace(0, way[-1], 40), way, path[:, k]) for k in (0, 1)], 1)
        step = np.diff(even, axis=0)
        angle = np.abs(np.angle(np.exp(1j * np.diff(np.arctan2(step[:, 1], step[:, 0])))))
        return angle, path

    assert turns(7)[0].max() > 0.8 > turns(0)[0].max()
    zero = turns(0)[1]
    assert (zero[0] - zero[-1]).norm() < 0.3 * np.ptp(zero[:, 1].numpy())


def test_recorded_and_interpolated(data):
    few = hw.recorded(data, 3, seed=1)
    assert (few.seen.sum(1) == 3).all() and torch.equal(few.path, data.path) and data.seen.all()
    assert few.seen.float().mean(0).max() < 0.1  # the moments differ from stroke to stroke
    filled = hw.interpolated(few)
    assert torch.allclose(filled.path[few.seen], data.path[few.seen]) and filled.seen.all()
    first, last = few.seen[0].nonzero()[[0, -1], 0]
    assert (filled.path[0, :first] == data.path[0, first]).all() and (filled.path[0, last:] == data.path[0, last]).all()
    assert torch.equal(hw.interpolated(data).path, data.path)


@pytest.mark.parametrize(
    "words, call",
    [
        ("count=0", lambda: hw.strokes(0)),
        ("styles is empty", lambda: hw.strokes(3, [])),
        ("styles=-1", lambda: hw.strokes(3, [-1])),
        ("seed=1.5", lambda: hw.strokes(3, seed=1.5)),
        ("points=302 is not accepted; a path has 301", lambda: hw.recorded(hw.strokes(1), 302)),
        ("points=0", lambda: hw.recorded(hw.strokes(1), 0)),
        ("basis=0", lambda: hw.NDP(basis=0)),
        ("alpha=0", lambda: hw.CNNParameters(alpha=0)),
        ("updates=0", lambda: hw.train(hw.NDP(), hw.strokes(1), 0)),
    ],
)
def test_bad_input_is_a_sentence(words, call):
    with pytest.raises(ArgumentError, match=words):
        call()


# --------------------------------------------------------------------------------------------- the networks
@pytest.mark.parametrize("name", hw.MODELS)
def test_every_network_learns(name, data):
    torch.manual_seed(0)
    model = hw.MODELS[name]()
    target = model.targets(data)
    image = data.image
    before = hw.errors(model, data)["loss"]
    losses = hw.train(model, data, 40, seed=0)
    after = hw.errors(model, data)
    assert model(image[:5]).shape == (5, 301, 2) and len(losses) == 40 and len(target) == 120
    assert after["loss"] < 0.6 * before and np.mean(losses[-5:]) < 0.6 * np.mean(losses[:5])


def test_same_seed_same_network(data):
    def trained(seed):
        torch.manual_seed(0)
        model = hw.NDP(basis=8)
        return hw.train(model, data, 4, seed=seed)

    assert trained(1) == trained(1) != trained(2)


def test_only_recorded_points_count(data):
    few, model = hw.recorded(data, 3), hw.CNNTrajectory()
    spoilt = torch.where(few.seen[..., None], few.path, 1e6)
    loss = model.loss(few.image, spoilt, few.seen)
    by_hand = ((model(few.image) - few.path) ** 2)[few.seen].mean()
    assert loss.item() == pytest.approx(by_hand.item(), rel=1e-5)


def test_the_ndp_draws_what_its_dmp_draws(data):
    model = hw.NDP(basis=7, alpha=20.0)
    start, goal, weights = model.parameters_of(data.image[:3])
    path = model(data.image[:3])
    looped = DMP(2, 7, steps=300, alpha=20.0, scaled=False).loop(goal, weights, start)
    assert torch.equal(path[:, 0], start) and torch.allclose(path[:, 1:], looped.position, atol=1e-5)
    assert torch.allclose(path[:, 1], start, atol=1e-6)  # at rest


def test_parameters_of_a_fit_draw_the_stroke(data):
    """The targets of the network that learns parameters, drawn, are the strokes they were fitted to."""
    model = hw.CNNParameters()
    targets = model.targets(data)
    assert targets.mean(0).abs().max() < 1e-3 and targets.std(0).numpy() == pytest.approx(1.0, abs=1e-2)
    error = (model.draw(*model.unpack(targets)) - data.path).square().mean()
    assert error.sqrt() < 0.5


def test_errors_by_hand(data):
    class Still(hw.Drawer):
        def __init__(self):
            super().__init__(2)

        def forward(self, image):
            return data.path[:, :1].expand_as(data.path) + 1.0

    found = hw.errors(Still(), data)
    assert found["velocity"] == pytest.approx(1.0)
    assert found["loss"] == pytest.approx(float(((data.path - data.path[:, :1] - 1) ** 2).mean()), rel=1e-5)


def test_a_loss_that_is_not_a_number_stops(data):
    model = hw.CNNTrajectory()
    with torch.no_grad():
        model.trunk[0].weight.fill_(torch.nan)
    with pytest.raises(NonFiniteError, match="nan at update 0"):
        hw.train(model, data, 3)


# ------------------------------------------------------------------------------------- figures and sliders
def test_figures_have_units(data):
    dmp, t = DMP(1, 5, steps=50), np.linspace(0, 1, 51)
    paths = {"CNN": data.path + 1, "NDP": data.path}
    rows = [
        dict(condition=c, model=m, seed=s, loss=1.0 + s, velocity=0.1)
        for c in "ab" for m in ("CNN", "NDP") for s in range(2)
    ]  # fmt: skip
    labelled = [
        dmp_figures.spring_figure(t, {"a": t}),
        dmp_figures.forcing_figure(dmp, np.ones(5)),
        dmp_figures.attractor_figure(
            dmp, [dict(title="a", goal=0.5, position=np.ones((9, 2)), velocity=np.ones((9, 2)))]
        ),
        dmp_figures.chunk_figure(t, {"a": (t, t)}, 0.25),
        dmp_figures.pen_figure({name: path[0] for name, path in paths.items()}),
        dmp_figures.error_figure(rows),
    ]
    for figure in labelled:
        assert any(axes.get_xlabel() or axes.get_xticklabels() for axes in figure.axes)
        assert any("(" in axes.get_ylabel() for axes in figure.axes)
    medians = labelled[-1].axes[0].get_lines()[::2]
    assert [line.get_ydata()[0] for line in medians] == [1.5, 1.5]
    drawn = dmp_figures.overlay_figure(data, paths, count=4)
    assert len(drawn.axes) == 8 and drawn.axes[4].get_lines()[0].get_xydata() == pytest.approx(
        data.path[int((data.digit == 0).nonzero()[0, 0])].numpy()
    )
    assert len(dmp_figures.strokes_figure(hw.recorded(data, 3), rows=2).axes) == 20
    with pytest.raises(ArgumentError, match="weights has shape"):
        dmp_figures.forcing_figure(dmp, np.ones(4))
    with pytest.raises(ArgumentError, match="rows is empty"):
        dmp_figures.error_figure([])


def test_gains_are_over_the_better_cnn():
    errors = {"CNN": 6.0, "CNN, gaps filled": 4.0, "CNN to spline": 2.0, "NDP": 8.0}
    rows = [
        dict(condition=c, model=m, loss=value * scale * seed)
        for c, scale in (("a", 1.0), ("b", 7.0))
        for m, value in errors.items()
        for seed in (1.0, 0.5, 2.0)
    ]
    assert dmp_figures.gains(rows, "loss", "b") == pytest.approx({"CNN to spline": 2.0, "NDP": 0.5})


def test_processor_times_of_loop_and_product():
    dmp, threads = DMP(1, 3, steps=20, scaled=False), torch.get_num_threads()
    given = torch.zeros(4, 1), torch.ones(4, 1, 3, requires_grad=True), torch.zeros(4, 1)
    times = dmp_figures.processor_times({"loop": dmp.loop, "matrix": dmp}, *given, rounds=2)
    assert list(times) == ["loop", "matrix"] and times["loop"] > times["matrix"] >= 0
    assert torch.get_num_threads() == threads and given[1].grad.abs().sum() > 0


def test_the_lab_bends_towards_the_goal():
    shown, fits = dmp_lab.demonstration(2)
    own = fits[False][1][0].numpy()
    for scaled in (False, True):
        assert np.sqrt(((dmp_lab.bent(2, None, scaled=scaled) - shown) ** 2).mean()) < 0.3
        away = dmp_lab.bent(2, own + [3, 5], scaled=scaled)
        assert away[0] == pytest.approx(shown[0], abs=0.5) and away[-1] == pytest.approx(own + [3, 5], abs=1.0)
    assert np.ptp(dmp_lab.bent(2, [fits[True][0][0, 0].item(), 5.0], scaled=True)[:, 0]) < 0.1  # no distance, no shape
    with pytest.raises(ArgumentError, match="alpha=0"):
        dmp_lab.bent(2, None, alpha=0)
    with pytest.raises(ArgumentError, match="digit=11"):
        dmp_lab.show(11)


def test_the_sliders_and_the_picture():
    assert isinstance(dmp_lab.show(3, goal=(5.0, 5.0), front_end=False), Figure)
    box = dmp_lab.show(2, front_end=True)
    row, picture = box.children
    which, x, y, push, alpha = row.children
    assert row.layout.flex_flow == "row wrap" and all(c.layout.min_width == "280px" for c in row.children[1:])
    pictures = [bytes(picture.value)]
    assert pictures[0].startswith(b"\x89PNG")
    for slider, value in ((x, 10.0), (push, 0.0), (alpha, 5.0)):
        slider.value = value
        pictures.append(bytes(picture.value))
    assert len(set(pictures)) == 4


def test_another_digit_brings_its_own_goal_along():
    row, picture = dmp_lab.show(2, front_end=True).children
    which, x, y, push, alpha = row.children
    drawn = []
    picture.observe(drawn.append, names="value")
    for digit in (0, 8, 5):
        which.value = digit
        assert [x.value, y.value] == pytest.approx(dmp_lab.own_goal(digit), abs=0.01)
    assert len(drawn) == 3  # once for each digit, not for each slider


def test_the_axes_of_the_lab_stay_and_say_what_they_hide():
    lab = dmp_lab.Lab().move(0, dmp_lab.own_goal(0) + [3.0, 3.0])
    off = np.abs(dmp_lab.bent(0, dmp_lab.own_goal(0) + [3.0, 3.0], scaled=True)).max()
    assert off > 100
    for axes in lab.figure.axes[:2]:
        assert axes.get_xlim() == axes.get_ylim() == (-dmp_lab.HALF, dmp_lab.HALF)
    assert lab.figure.axes[1].get_title().endswith(f"leaves the picture: {off:,.0f} px")
    assert lab.move(2).figure.axes[1].get_title() == dmp_lab.FORMS[True]
    path = lab.lines[False][1].get_xydata()
    assert path == pytest.approx(dmp_lab.bent(2, None)) and "digit 2" in lab.figure.alt
    assert overlaps(lab.figure) == []
