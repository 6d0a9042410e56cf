"""Drawn networks: every synapse once, scaled and coloured by its weight; the page runs in a browser."""

import re
import shutil
import subprocess
import xml.etree.ElementTree as ElementTree
from html.parser import HTMLParser
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from matplotlib import colormaps
from matplotlib.colors import to_hex, to_rgb

from course_lib.errors import ArgumentError
from course_lib.nets import wiring
from course_lib.policies.actor_critics import RecurrentActorCritic
from course_lib.viz.style import NEGATIVE, POSITIVE, SIGNED, new_figure
from course_lib.viz.topology import layout as topology_layout
from course_lib.viz.topology import scene as topology_scene
from course_lib.viz.topology.html import topology_view
from course_lib.viz.topology.paint import topology

NCP = wiring.ncp(4, 12, 6, 2, sensory_fanout=4, inter_fanout=3, recurrent_command=5, motor_fanin=3)
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


def cell(neurons=5, inputs=3, seed=0):
    rng = np.random.default_rng(seed)
    return SimpleNamespace(
        recurrent_weight=rng.standard_normal((neurons, neurons)), input_weight=rng.standard_normal((neurons, inputs))
    )


def edges_of(scene):
    return {(e.data["from"], e.data["to"]): e for e in scene.edges if e.data}


def scene_of(thing, readout=None, smallest=0.0, activations=None, scale="kind"):
    return topology_scene.build(topology_layout.network_of(thing, readout), activations, smallest, scale=scale)


def words(figure):
    return [text.get_text() for text in figure.axes[0].texts]


def test_every_synapse_is_drawn_once_from_its_source_to_its_target():
    net, readout = cell(), np.random.default_rng(1).standard_normal((2, 5))
    edges = edges_of(scene_of(net, readout))
    wanted = {(f"i{j}", f"n{i}"): net.input_weight[i, j] for i in range(5) for j in range(3)}
    wanted |= {(f"n{j}", f"n{i}"): net.recurrent_weight[i, j] for i in range(5) for j in range(5)}
    wanted |= {(f"n{i}", f"a{k}"): readout[k, i] for i in range(5) for k in range(2)}
    assert {key: e.data["weight"] for key, e in edges.items()} == pytest.approx(wanted)
    for key, e in edges.items():
        colour = e.stroke if key[0] == key[1] else e.fill
        assert colour == (topology_scene.POSITIVE if wanted[key] > 0 else topology_scene.NEGATIVE)
    alphas = [e.alpha for e in edges.values()]
    assert alphas == sorted(alphas)  # strong ones on top


def test_signs_have_the_colours_of_heat_maps():
    for low, high in ((NEGATIVE, POSITIVE), (topology_scene.DOWN, topology_scene.UP)):
        assert to_rgb(low)[2] > 1.4 * to_rgb(low)[0] and to_rgb(high)[0] > 1.4 * to_rgb(high)[2]
    blue, red = colormaps[SIGNED](0.1), colormaps[SIGNED](0.9)
    assert blue[2] > 1.4 * blue[0] and red[0] > 1.4 * red[2]
    assert (topology_scene.NEGATIVE, topology_scene.POSITIVE) == (NEGATIVE, POSITIVE)


def test_full_width_is_the_largest_of_a_kind_or_of_all():
    net, readout = cell(), np.full((1, 5), 1e-3)
    largest = max(abs(net.recurrent_weight).max(), abs(net.input_weight).max())
    for scale, share in (("kind", 1.0), ("shared", 1e-3 / largest)):
        edges = edges_of(scene_of(net, readout, scale=scale)).items()
        assert all(e.data["share"] == pytest.approx(share) for (_, target), e in edges if target == "a0")
    told = [word for word in words(topology(net, readout)) if word.startswith("largest: ")]
    inputs, recurrent = (f"{abs(w).max():.2g}" for w in (net.input_weight, net.recurrent_weight))
    assert told == [f"largest: input {inputs} · recurrent {recurrent} · readout 0.001"]
    shared = words(topology(net, readout, scale="shared"))
    assert f"+{largest:.2g}" in shared and not any("largest: " in word for word in shared)


def test_width_is_in_proportion_and_narrows_towards_the_target():
    one = SimpleNamespace(input_weight=np.array([[1.0], [-0.5]]), recurrent_weight=None)
    edges = edges_of(scene_of(one))
    ends = {}
    for key, e in edges.items():
        a, _, b, c, _, d = e.points
        ends[key] = np.hypot(*(a - d)), np.hypot(*(b - c))
    strong, weak = ends["i0", "n0"], ends["i0", "n1"]
    assert np.allclose(strong, 2 * np.array(weak)) and strong[0] == pytest.approx(4 * strong[1])
    places, radius, _ = topology_layout.layout(topology_layout.network_of(one))
    tip = edges["i0", "n0"].points[2:4].mean(axis=0)
    assert np.hypot(*(tip - places["n0"])) == pytest.approx(radius)


def test_small_weights_are_left_out_and_counted():
    weights = np.diag([1.0, 0.5, 0.04, 0.03])
    net = SimpleNamespace(recurrent_weight=weights, input_weight=np.eye(4))
    assert len(edges_of(scene_of(net, smallest=0.05))) == 4 + 2
    assert "2 below 5% of the largest not drawn" in words(topology(net))
    assert not any("not drawn" in word for word in words(topology(net, smallest=0)))


def test_wiring_shows_signs_and_columns_and_its_motor_neurons():
    figure = topology(NCP, title="my network")
    shown = words(figure)
    for word in ("inter", "command", "motor", "excitatory (+)", "inhibitory (−)", "action 1", "my network"):
        assert word in shown
    net = topology_layout.network_of(NCP)
    places, _, _ = topology_layout.layout(net)
    across = {role: {places[f"n{k}"][0] for k in range(20) if net.roles[k] == role} for role in set(net.roles)}
    assert all(len(x) == 1 for x in across.values())
    assert max(across["inter"]) < max(across["command"]) < max(across["motor"]) < places["a0"][0]
    scene = scene_of(NCP)
    assert len(edges_of(scene)) == NCP.synapses and len(scene.edges) == NCP.synapses + 2


@pytest.mark.parametrize("neurons", [1, 2, 3, 8, 16, 32])
@pytest.mark.parametrize("inputs", [1, 8, 17])
def test_nodes_neither_overlap_nor_leave_the_page(neurons, inputs):
    nets = [topology_layout.network_of(cell(neurons, inputs), np.ones((6, neurons)))]
    if neurons >= 8:
        half, quarter = neurons // 2, neurons // 4
        options = dict(sensory_fanout=2, inter_fanout=2, recurrent_command=1, motor_fanin=2)
        nets.append(topology_layout.network_of(wiring.ncp(inputs, half, quarter, quarter, **options)))
        nets.append(topology_layout.network_of(wiring.full(inputs, neurons, motors=3)))
    for net in nets:
        places, radius, height = topology_layout.layout(net)
        size = {key: radius if key[0] == "n" else 6 for key in places}
        keys = list(places)
        for k, a in enumerate(keys):
            assert size[a] <= places[a][0] <= 720 - size[a] and 30 <= places[a][1] <= height - 60
            for b in keys[k + 1 :]:
                assert np.hypot(*(places[a] - places[b])) > size[a] + size[b], (a, b)


def test_activations_fill_the_neurons():
    net, a = cell(3), np.array([0.5, -1.0, 0.0])
    nodes = {s.data["node"]: s.fill for s in scene_of(net, activations=a).nodes if s.data}
    assert nodes["n1"] == topology_scene.DOWN.lower() and nodes["n2"] == "#ffffff"
    assert nodes["n0"] == to_hex(1 - 0.5 * (1 - np.array([0xEF, 0x8A, 0x62]) / 255))
    assert "activation" in words(topology(net, activations=a)) and "+1" in words(topology(net, activations=a))
    assert words(topology(net, activations=np.zeros(3)))  # no scale to show, and no division by it


def test_policy_and_tensors_and_axes_are_accepted():
    inner = SimpleNamespace(
        recurrent_weight=torch.randn(4, 4, requires_grad=True), input_weight=torch.randn(4, 2), wiring=None
    )
    scene = scene_of(inner, torch.nn.Linear(4, 1))
    assert ("n3", "a0") in edges_of(scene) and not any(s.dashed for s in scene.nodes)
    policy = RecurrentActorCritic(2, 1, cell=dict(name="ltc", neurons=4))
    policy.clamped = {2: 0.0}
    scene = scene_of(policy)
    assert [s.data["node"] for s in scene.nodes if s.dashed] == ["n2"]
    assert ("n3", "a0") in edges_of(scene)
    weights = {key: e.data["weight"] for key, e in edges_of(scene).items()}
    assert weights == {key: e.data["weight"] for key, e in edges_of(scene_of(policy.cell, policy.readout)).items()}

    # What is drawn is the weight on the state, not on the standardised state; what bypasses the cell is not drawn.
    for feedthrough in (False, True):
        policy = RecurrentActorCritic(2, 1, cell=dict(name="ltc", neurons=4, feedthrough=feedthrough))
        drawn = [edges_of(scene_of(policy))[f"n{k}", "a0"].data["weight"] for k in range(4)]
        assert drawn == pytest.approx((policy.readout.weight[0, :4] / policy.readout.scale).tolist())

    figure, axes = new_figure(1, 2, figsize=(9, 3))
    assert topology(policy, observation_names=["angle", "position"], action_names="force", ax=axes[1]) is figure
    assert "angle" in [t.get_text() for t in axes[1].texts] and not axes[0].texts
    # Text shrinks with the axes.
    own = topology(policy).axes[0].texts[0].get_fontsize()
    assert axes[1].texts[0].get_fontsize() < 0.8 * own


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (dict(cell_or_wiring="ltc"), "cell is a str without weights to draw"),
        (dict(readout=np.ones((1, 4))), r"readout has shape \(1, 4\); it must be \(any, 5\)"),
        (dict(observation_names=["a"]), "observation_names has 1 entries; it must have one for each of the 3"),
        (dict(readout=np.ones((1, 5)), action_names=["a", "b"]), "action_names has 2 entries"),
        (dict(activations=np.ones(4)), r"activations has shape \(4,\); it must be \(5,\)"),
        (dict(activations=[0, 1, np.nan, 0, 0]), "activations holds nan"),
        (dict(smallest=1.0), "smallest=1.0 is not accepted"),
        (dict(scale="share"), "scale='share' is not known; accepted: 'kind', 'shared'; did you mean 'shared'?"),
        (dict(smallest="5%"), "smallest='5%' is not accepted"),
        (dict(cell_or_wiring=SimpleNamespace(input_weight=np.ones((3, 2)), recurrent_weight=np.ones((2, 2)))),
         r"recurrent_weight has shape \(2, 2\); it must be \(3, 3\)"),
        (dict(cell_or_wiring=SimpleNamespace(input_weight=[[np.inf]], recurrent_weight=[[1]])), "holds inf"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("draw", [topology, topology_view])
def test_bad_arguments_get_a_sentence(draw, arguments, sentence):
    if draw is topology_view and sentence.startswith(r"activations has shape"):
        sentence = r"activations has shape \(4,\)"
    with pytest.raises(ArgumentError, match=sentence):
        draw(**({"cell_or_wiring": cell()} | arguments))


class _Frame(HTMLParser):
    page = picture = None

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.page = attributes.get("srcdoc", self.page)
        self.picture = attributes.get("src", self.picture)


def test_view_is_one_self_contained_piece():
    view = topology_view(cell(), np.ones((1, 5)), ["<i>", "a&b", "'\"</script>"], ["force"], np.ones((7, 5)))
    root = ElementTree.fromstring(view.svg)
    shown = "".join(root.itertext())
    assert "<i>" in shown and "a&b" in shown and "'\"</script>" in shown
    frame = _Frame()
    frame.feed(view._repr_html_())
    assert frame.page == view.page and frame.picture.startswith("data:image/png;base64,iVBOR")
    assert view.page.count("</script>") == 1 and view.page.count("type='range'") == 2
    links = set(re.findall(r"\w+://[^'\"]+", view.html))
    assert links == {"http://www.w3.org/2000/svg"}  # a name, never fetched
    assert topology_view(NCP).page.count("type='range'") == 0
    assert repr(view) == "TopologyView(3 inputs, 5 neurons)"
    with pytest.raises(ArgumentError, match="activations is empty"):
        topology_view(cell(), activations=np.empty((0, 5)))


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium")
def test_pointing_at_a_neuron_shows_its_synapses_in_a_browser(tmp_path):
    net = SimpleNamespace(recurrent_weight=np.array([[0.0, -0.5], [0.02, 0.0]]), input_weight=np.array([[1.0], [0.0]]))
    view = topology_view(net, None, ["angle"], activations=np.array([[0.1, 0.2], [-0.4, 0.3]]))
    acts = """<script>
      const step = document.getElementById('step'); step.value = 1; step.dispatchEvent(new Event('input'));
      document.getElementById('n0').dispatchEvent(new Event('pointerenter'));</script>"""
    file = tmp_path / "view.html"
    file.write_text(view.page + acts, encoding="utf-8")
    command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'chromium'}"]
    done = subprocess.run([*command, "--dump-dom", file.as_uri()], capture_output=True, text=True, timeout=60)
    dom = done.stdout
    panel = re.sub(r"<[^>]+>", "", re.search(r"<div id=.panel.*?</div>", dom, re.S).group()).replace("&nbsp;", " ")
    assert panel == "neuron 0 · activation −0.40driven by angle +1.0 · 1 −0.50drives 1 +0.020"
    lit = re.findall(r'class="e[^"]*lit[^"]*" data-s="(\w+)" data-t="(\w+)"', dom)
    assert sorted(lit) == [("i0", "n0"), ("n0", "n1"), ("n1", "n0")]
    assert "2 of 3 synapses shown" in dom and "1 of 1</output>" in dom
    assert re.search(r'id="n0"[^>]*fill="rgb\(103,169,207\)"', dom)
