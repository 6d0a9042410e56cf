"""Wirings: sizes and counts as asked, reachability against networkx, sentences for what is refused."""

import json

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from course_lib.errors import ArgumentError
from course_lib.nets import wiring
from course_lib.nets.wiring import Wiring

NCP = dict(sensory_fanout=4, inter_fanout=3, recurrent_command=5, motor_fanin=3)


def graph(w: Wiring) -> nx.DiGraph:
    """The wiring as networkx sees it: nodes ("in", k) and 0 … neurons - 1."""
    g = nx.DiGraph()
    g.add_nodes_from([("in", k) for k in range(w.inputs)] + list(range(w.neurons)))
    g.add_edges_from((("in", int(k)), int(i)) for i, k in np.argwhere(w.sensory))
    g.add_edges_from((int(j), int(i)) for i, j in np.argwhere(w.recurrent))
    return g


def driven(w: Wiring) -> set:
    """Neurons that some input reaches."""
    g = graph(w)
    return set().union(*(nx.descendants(g, ("in", k)) for k in range(w.inputs)))


def test_full():
    w = wiring.full(3, 5, motors=2, seed=4)
    assert w.recurrent.shape == (5, 5) and w.sensory.shape == (5, 3)
    assert w.recurrent.dtype == w.sensory_sign.dtype == np.float32
    assert w.synapses == 5 * 5 + 5 * 3 and w.density == 1
    assert w.motor == (3, 4) and w.roles == ("inter",) * 3 + ("motor",) * 2
    assert set(np.unique(w.recurrent_sign)) == {-1, 1}
    assert np.array_equal(abs(w.sign[0]), w.recurrent) and np.array_equal(abs(w.sign[1]), w.sensory)
    for share, sign in ((1, 1), (0, -1)):
        assert (wiring.full(3, 5, excitatory=share).recurrent_sign == sign).all()


@settings(max_examples=60, deadline=None)
@given(
    inputs=st.integers(1, 6),
    neurons=st.integers(1, 14),
    density=st.floats(0.01, 1.0),
    motors=st.integers(1, 14),
    seed=st.integers(0, 2**32),
)
def test_random_has_the_density_asked_for_and_is_refused_exactly_where_a_motor_is_out_of_reach(
    inputs, neurons, density, motors, seed
):
    motors = min(motors, neurons)
    try:
        w = wiring.random(inputs, neurons, density, motors, seed)
    except ArgumentError as error:
        assert "unreachable" in str(error)
        w = wiring.random(inputs, neurons, 1.0, motors, seed)
        assert set(w.motor) <= driven(w)
        return
    assert w.recurrent.sum() == max(1, round(density * neurons**2))
    assert w.sensory.sum() == max(1, round(density * neurons * inputs))
    assert set(w.motor) <= driven(w)
    again = wiring.random(inputs, neurons, density, motors, seed)
    assert again == w and wiring.Wiring.from_dict(json.loads(json.dumps(w.to_dict()))) == w


@settings(max_examples=80, deadline=None)
@given(data=st.data(), n=st.integers(1, 9), inputs=st.integers(1, 4), share=st.floats(0, 0.5))
def test_reached_and_check_agree_with_networkx(data, n, inputs, share):
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    motor = data.draw(st.sets(st.integers(0, n - 1), min_size=1))
    w = Wiring(rng.random((n, n)) < share, rng.random((n, inputs)) < share, motor=tuple(motor))
    reached = driven(w)
    assert set(np.flatnonzero(w.reached())) == reached
    if motor <= reached:
        assert w.check(inputs, n) is w
    else:
        with pytest.raises(ArgumentError, match="unreachable") as error:
            w.check()
        assert f"motor neuron {next(m for m in w.motor if m not in reached)} " in str(error.value)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_ncp_follows_its_rules_and_leaves_no_neuron_dangling(data):
    inputs, inter, command, motors = (data.draw(st.integers(1, 9)) for _ in range(4))
    asked = dict(
        sensory_fanout=data.draw(st.integers(1, inter)),
        inter_fanout=data.draw(st.integers(1, command)),
        recurrent_command=data.draw(st.integers(0, command**2)),
        motor_fanin=data.draw(st.integers(1, command)),
    )
    w = wiring.ncp(inputs, inter, command, motors, seed=data.draw(st.integers(0, 2**32)), **asked)
    n = inter + command + motors
    layer = {"inter": range(inter), "command": range(inter, inter + command), "motor": range(inter + command, n)}
    assert all(w.roles[i] == role for role, members in layer.items() for i in members)
    assert w.neurons == n and w.motor == tuple(layer["motor"])
    g = graph(w)
    kind = {i: role for role, members in layer.items() for i in members} | {("in", k): "in" for k in range(inputs)}
    allowed = {("in", "inter"), ("inter", "command"), ("command", "command"), ("command", "motor")}
    assert {(kind[a], kind[b]) for a, b in g.edges} <= allowed
    assert all(g.out_degree(("in", k)) >= asked["sensory_fanout"] for k in range(inputs))
    assert all(g.out_degree(i) >= asked["inter_fanout"] for i in layer["inter"])
    assert sum(kind[a] == kind[b] == "command" for a, b in g.edges) == asked["recurrent_command"]
    assert all(g.in_degree(m) >= asked["motor_fanin"] for m in w.motor)
    assert driven(w) == set(range(n))
    backwards = g.reverse()
    assert set().union(*(nx.descendants(backwards, m) for m in w.motor)) | set(w.motor) == set(g.nodes)


def test_seeds_make_different_wirings():
    assert wiring.random(4, 16, 0.4, seed=0) != wiring.random(4, 16, 0.4, seed=1)
    assert wiring.ncp(4, 12, 6, 2, seed=0, **NCP) != wiring.ncp(4, 12, 6, 2, seed=1, **NCP)
    assert wiring.full(4, 8, seed=0) != wiring.full(4, 8, seed=1)
    assert wiring.full(4, 8) != "full 8"


def test_attempts_draw_again_until_a_wiring_passes():
    refused = []
    for seed in range(30):
        try:
            wiring.random(2, 10, 0.1, 2, seed)
        except ArgumentError:
            refused.append(seed)
    assert 5 < len(refused) < 30
    for seed in refused:
        w = wiring.random(2, 10, 0.1, 2, seed, attempts=1000)
        assert set(w.motor) <= driven(w) and w.recurrent.sum() == 10 and w.sensory.sum() == 2
    passing = next(s for s in range(30) if s not in refused)
    assert wiring.random(2, 10, 0.1, 2, passing, attempts=9) == wiring.random(2, 10, 0.1, 2, passing)


def test_check_says_which_motor_neuron_why_and_what_to_do():
    recurrent, sensory = np.zeros((4, 4)), np.zeros((4, 2))
    sensory[0] = recurrent[1, 0] = recurrent[3, 2] = 1
    with pytest.raises(ArgumentError, match="motor neuron 3 unreachable from every input: so are all that drive it"):
        Wiring(recurrent, sensory).check()
    recurrent[3, 2] = 0
    recurrent[3, 3] = 1  # a synapse onto itself reaches it from nowhere
    with pytest.raises(ArgumentError, match=r"no incoming synapse \(neuron 2 too\); raise the density or the fan-in"):
        Wiring(recurrent, sensory, motor=(3, 2)).check()
    assert Wiring(recurrent, sensory, motor=(1,)).check()
    with pytest.raises(ArgumentError, match="has 8 neurons; this cell has 16"):
        wiring.full(4, 8).check(4, 16)


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: wiring.random(4, 8, 0), r"density=0 is not accepted; it must be in \(0, 1\]"),
        (lambda: wiring.random(4, 8, 30), "density=30 is not accepted"),
        (lambda: wiring.random(4, 8, float("nan")), "density=nan is not accepted"),
        (lambda: wiring.random(4, 8, "half"), "density='half' is not accepted"),
        (lambda: wiring.random(4, 8, 0.5, attempts=0), "attempts=0 is not accepted"),
        (lambda: wiring.random(4, 8, 0.5, seed=-1), "seed=-1 is not accepted"),
        (lambda: wiring.full(4, 8, excitatory=-0.1), r"excitatory=-0.1 is not accepted; it must be in \[0, 1\]"),
        (lambda: wiring.full(0, 8), "inputs=0 is not accepted"),
        (lambda: wiring.full(4, 8.5), "neurons=8.5 is not accepted"),
        (lambda: wiring.full(4, 8, motors=9), "motors=9 is not accepted; there are only 8 neurons"),
        (lambda: wiring.ncp(4, 12, 6, 0, **NCP), "motors=0 is not accepted"),
        (lambda: wiring.ncp(4, 3, 6, 2, **NCP), "sensory_fanout=4 is not accepted; there are only 3 inter neurons"),
        (lambda: wiring.ncp(4, 12, 2, 2, **NCP), "inter_fanout=3 is not accepted; there are only 2 command neurons"),
        (lambda: wiring.ncp(4, 12, 6, 2, **NCP | {"motor_fanin": 7}), "motor_fanin=7 is not accepted"),
        (lambda: wiring.ncp(4, 12, 6, 2, **NCP | {"recurrent_command": 37}), "only 36 pairs of command neurons"),
        (lambda: Wiring(np.ones((3, 2)), np.ones((3, 2))), r"recurrent has shape \(3, 2\)"),
        (lambda: Wiring(np.ones((3, 3)), np.ones((2, 2))), r"sensory has shape \(2, 2\)"),
        (lambda: Wiring("no", np.ones((2, 2))), "recurrent is not accepted; it must be a matrix"),
        (lambda: Wiring(np.full((2, 2), 0.5), np.ones((2, 2))), "recurrent holds 0.5"),
        (lambda: Wiring(np.ones((2, 2)), np.ones((2, 2)), np.zeros((2, 2))), r"recurrent_sign must have the shape"),
        (lambda: Wiring(np.ones((2, 2)), np.ones((2, 2)), motor=(2,)), r"motor=\(2,\) is not accepted"),
        (lambda: Wiring(np.ones((2, 2)), np.ones((2, 2)), motor=()), "motor=.* must name different neurons"),
        (lambda: Wiring(np.ones((2, 2)), np.ones((2, 2)), roles=("a", "b")), "roles="),
        (lambda: Wiring.from_dict({"name": "x"}), "lack recurrent, sensory, motor, roles"),
        (lambda: Wiring.from_dict([1]), "wiring settings lack"),
        (lambda: Wiring.from_dict(wiring.full(2, 2).to_dict() | {"sensory": ["+", "+-"]}), "equally long strings"),
        (lambda: Wiring.from_dict(wiring.full(2, 2).to_dict() | {"recurrent": ["x+", "+-"]}), "recurrent must be"),
        (lambda: Wiring.from_dict(wiring.full(2, 2).to_dict() | {"motor": ["a"]}), "motor='a'"),
    ],
)
def test_bad_arguments_get_a_sentence(make, sentence):
    with pytest.raises(ArgumentError, match=sentence):
        make()


def test_repr_counts_the_synapses():
    w = wiring.ncp(4, 12, 6, 2, **NCP)
    assert repr(w).startswith("Wiring(NCP 12-6-2: 4 inputs, 20 neurons, ")
    assert f"{w.synapses} synapses" in repr(w) and f"density {w.density:.0%}" in repr(w)
