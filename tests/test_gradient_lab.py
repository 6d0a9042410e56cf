"""The gradient lab against closed forms and other libraries, and the figures of notebook 03."""

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from scipy.linalg import expm

from course_lib.errors import ArgumentError
from course_lib.lessons import nb03_gradient_lab as lab
from course_lib.lessons import nb03_ode as ode_figures


def by_name(rows):
    return {row["method"]: row for row in rows}


# ------------------------------------------------------------------------------------------- the reference
def test_reference_is_the_matrix_exponential_where_the_field_is_linear():
    """With tiny weights and states tanh z = z, so h(T) = expm(J T) h(0), and dL/dh(0) = expm(J T)ᵀ h(T)."""
    field = lab.Leaky(5.0, seed=3)
    with torch.no_grad():
        field.b.zero_()
        field.h0 *= 1e-6
    W, k, h0 = field.W.detach().numpy(), field.k.numpy(), field.h0[0].numpy()
    flow = expm((k[:, None] * W - np.diag(k)) * 1.5)
    found = lab.reference_gradient(field, 1.5)[-4:]
    assert found == pytest.approx(flow.T @ flow @ h0, rel=1e-6)


def test_reference_agrees_with_backprop_at_a_tight_tolerance():
    field = lab.Leaky(8.0, seed=1)
    gradient, _ = lab.measure(field, "backprop", 1e-12, 1.0)
    assert np.linalg.norm(gradient - lab.reference_gradient(field, 1.0)) < 1e-8 * np.linalg.norm(gradient)


# ------------------------------------------------------------------------------------------------- the table
def test_the_table_has_a_row_for_each_way_and_every_measure():
    rows = lab.gradient_lab(2.0, 1e-4, 1.0, seed=2)
    assert [row["method"] for row in rows] == list(lab.METHODS)
    assert all(set(row) == {"method", *lab.COLUMNS} and np.isfinite(row["error"]) for row in rows)


def test_a_gentle_field_agrees_and_a_stiff_one_breaks_the_adjoint_alone():
    gentle = by_name(lab.gradient_lab(1.0, 1e-6, 1.0, seed=0))
    stiff = by_name(lab.gradient_lab(10.0, 1e-5, 2.0, seed=0))
    assert max(row["error"] for row in gentle.values()) < 1e-3
    assert stiff["adjoint"]["error"] > 0.1
    assert stiff["backprop"]["error"] < 1e-2 and stiff["finite differences"]["error"] < 1e-2


def test_a_tighter_tolerance_makes_a_gentle_gradient_better():
    loose, tight = (by_name(lab.gradient_lab(1.0, tolerance, 1.0)) for tolerance in (1e-3, 1e-8))
    for method in lab.METHODS:
        assert tight[method]["error"] < 0.1 * loose[method]["error"]
        assert tight[method]["evaluations"] > loose[method]["evaluations"]


def test_memory_grows_with_the_steps_for_backprop_alone():
    short, long = (by_name(lab.gradient_lab(5.0, 1e-6, horizon)) for horizon in (0.5, 3.0))
    assert long["backprop"]["saved_bytes"] > 2 * short["backprop"]["saved_bytes"]
    assert long["adjoint"]["saved_bytes"] == short["adjoint"]["saved_bytes"] < short["backprop"]["saved_bytes"]
    assert long["finite differences"]["saved_bytes"] == 0


def test_all_but_the_clock_is_a_function_of_the_arguments():
    first, again, other = (lab.gradient_lab(3.0, 1e-4, 0.5, seed) for seed in (4, 4, 5))
    for a, b, c in zip(first, again, other, strict=True):
        assert all(a[name] == b[name] for name in ("error", "evaluations", "saved_bytes"))
        assert a["error"] != c["error"]


@pytest.mark.parametrize(
    "argument, value",
    [("horizon", "long"), ("stiffness", 0.5), ("stiffness", 99), ("tolerance", 0.0), ("horizon", np.nan), ("seed", -1)],
)
def test_a_number_out_of_range_is_a_sentence(argument, value):
    with pytest.raises(ArgumentError, match=argument):
        lab.gradient_lab(**{argument: value})
    with pytest.raises(ArgumentError, match="method="):
        lab.measure(lab.Leaky(1.0), "guessing", 1e-3, 1.0)


# ---------------------------------------------------------------------------------------------- SavedBytes
def test_saved_bytes_counts_a_known_graph():
    x = torch.zeros(100, dtype=torch.float64, requires_grad=True)
    with lab.SavedBytes() as memory:
        y = x * 2.0  # keeps nothing: the factor is a number
        z = y.exp()  # keeps its result, 800 bytes
        loss = (z * z).sum()  # keeps z twice: the same memory
    assert memory.peak == 800
    loss.backward()
    assert x.grad.tolist() == [4.0] * 100


def test_saved_bytes_forgets_what_the_graph_let_go():
    x = torch.zeros(100, dtype=torch.float64, requires_grad=True)
    with lab.SavedBytes() as memory:
        for _ in range(5):
            (x + 0.0).exp().sum().backward()
    assert memory.peak == 800 and memory._now == 0


def test_saved_bytes_leaves_parameters_out():
    weight = torch.ones(50, 50, requires_grad=True)
    with lab.SavedBytes() as memory:
        weight @ torch.ones(50, 2)
    assert memory.peak == 400  # the other factor


# ---------------------------------------------------------------------------------------- figures and sliders
def test_the_picture_and_the_sliders():
    assert isinstance(lab.show(2.0, 1e-3, 0.5, front_end=False), Figure)
    box = lab.show(2.0, 1e-3, 0.5, front_end=True)
    (sliders, note, picture) = box.children
    before = picture.value
    assert "data:image/png;base64,iVBOR" in before and note.value == ""
    sliders.children[0].value = 4.0
    assert picture.value != before and note.value == ""


def test_sweep_has_a_number_for_every_value_and_seed():
    measured = lab.sweep([1.0, 4.0], range(3), tolerance=1e-3, horizon=0.5)
    assert measured["adjoint"]["error"].shape == (2, 3)
    figure = lab.sweep_figure([1.0, 4.0], measured)
    assert [len(axes.get_lines()) for axes in figure.axes] == [3, 3, 2]  # finite differences keep nothing
    assert all(axes.get_xlabel() and axes.get_ylabel() for axes in figure.axes)


def test_print_table(capsys):
    lab.print_table(lab.gradient_lab(1.0, 1e-3, 0.5))
    assert [line.split("  ")[0] for line in capsys.readouterr().out.splitlines()[1:]] == list(lab.METHODS)


def test_power_figure_finds_the_exponent_and_draws_the_prediction():
    x = np.array([1.0, 2.0, 4.0])
    assert ode_figures.slope(x, 5 * x**-3) == pytest.approx(-3)
    axes = ode_figures.power_figure({"a": (x, 5 * x**-3)}, "x (s)", "y", exponent=-3, span=(1, 2, "here")).axes[0]
    measured, predicted = axes.get_lines()
    assert "slope -3.00" in measured.get_label()
    assert predicted.get_ydata() == pytest.approx(measured.get_ydata())
    for bad in ((x, -x), (x, x[:2])):
        with pytest.raises(ArgumentError, match="y "):
            ode_figures.slope(*bad)
    with pytest.raises(ArgumentError, match="lines is empty"):
        ode_figures.power_figure({}, "x", "y")


def test_other_figures_have_their_units():
    t = np.linspace(0, 2, 21)
    states = np.stack([np.exp(-t), np.exp(-5 * t)], 1)
    figures = [
        ode_figures.response_figure(t, t > 1, {"a": t, "b": t}, {"a": t + 1}),
        ode_figures.forms_figure(t, {"a": t}, -1.5),
        ode_figures.adjoint_figure(t, states, states, (t[:3], states[:3])),
        ode_figures.drift_figure(t, states, states + 1e-6 * np.exp(5 * (2 - t))[:, None], 5.0),
        ode_figures.field_figure([dict(title="a", field=lambda h: -h, paths=np.ones((5, 2, 2)))]),
    ]
    for figure in figures:
        figure.canvas.draw()
        assert figure.axes[-1].get_xlabel()
    growth = figures[3].axes[1].get_lines()
    assert growth[1].get_ydata() == pytest.approx(growth[0].get_ydata(), rel=1e-3)
    with pytest.raises(ArgumentError, match="backward has shape"):
        ode_figures.drift_figure(t, states, states[:-1], 1.0)


def test_as_field_turns_torch_into_numpy():
    points = np.random.default_rng(0).normal(size=(5, 2))
    layer = torch.nn.Linear(2, 2)
    flow = ode_figures.as_field(lambda t, h: layer(h), dtype=torch.float32)(points)
    assert flow == pytest.approx(points @ layer.weight.detach().numpy().T + layer.bias.detach().numpy(), abs=1e-6)
