"""The live player around its page: the catalogue, `cl.live`, the build. What is in web/src is tested there."""

import base64
import gzip
import html.parser
import importlib.util
import json
import re
import shutil
import subprocess
import sys
import threading
import urllib.request
from pathlib import Path

import mujoco
import numpy as np
import pytest
from PIL import Image

import course_lib as cl
from course_lib.envs import make_task
from course_lib.errors import ArgumentError
from course_lib.files import assets_folder
from course_lib.viz.player import catalogue
from course_lib.viz.player import live as player
from course_lib.viz.player import start as settings
from course_lib.viz.player.robots import ROBOTS

ROOT = Path(__file__).resolve().parent.parent
WEB, SHIPPED = ROOT / "web", ROOT / "assets" / "policies"
PROGRAM, LOOKS, WASM = b"document.title = '\xc3\xa9</script>';", "body { color: red }", gzip.compress(b"\0asm" * 50)
SITE = "https://liquid-control.github.io/liquid-control/live/"


def script(name):
    """A module of scripts/ by name."""
    spec = importlib.util.spec_from_file_location(f"scripts_{name}", ROOT / "scripts" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


build = script("live")


def header_of(content):
    """The course's header of a policy's file, read by the format of safetensors alone."""
    size = int.from_bytes(content[:8], "little")
    return json.loads(json.loads(content[8 : 8 + size])["__metadata__"]["header"])


def entries():
    return {entry["key"]: entry for robot in catalogue.robots().values() for entry in robot["policies"]}


def typescript(name):
    path = WEB / "src" / name
    if not path.is_file():
        pytest.skip("web/ is not in this copy")
    return path.read_text()


# --- the catalogue --------------------------------------------------------------------------------


def test_tasks_and_options_are_those_of_the_page():
    table = re.search(r"const TASKS.*? = \{\n(.*?)\n\};", typescript("tasks/index.ts"), re.S)[1]
    assert set(re.findall(r"'([\w-]+)':", table)) == set(catalogue.PORTED)
    seen = set()
    for path in (WEB / "src" / "tasks").glob("*.ts"):
        text = path.read_text()
        ids = re.findall(r"id(?: =|:) '([\w-]+-v\d)'", text)
        found = re.search(r"checkOptions\((?:this|traits)\.id, options, (\[.*?\]|OPTIONS)\)", text)
        if not found:
            continue
        listed = found[1] if found[1] != "OPTIONS" else re.search(r"OPTIONS = (\[.*?\]);", text, re.S)[1]
        if path.name == "tabletop.ts":
            ids = [f"{name}-v0" for name in ("Throw", "Pick", "Push", "Soccer", "Faucet")]
        for id in ids:
            assert set(re.findall(r"'(\w+)'", listed)) == set(catalogue.PORTED[id]), id
            seen.add(id)
    assert seen == set(catalogue.PORTED)
    terrains = re.search(r"HEIGHTS[^=]*= \{(.*?)\}", typescript("tasks/anymal_robot.ts"))[1]
    assert set(re.findall(r"(\w+):", terrains)) == set(catalogue.TERRAINS)


def test_every_shipped_policy_that_can_be_played_is_there_once():
    headers = {path.stem: header_of(path.read_bytes()) for path in SHIPPED.glob("*.safetensors")}
    playable = {key for key, header in headers.items() if header["env_id"] in catalogue.PORTED}
    assert "memory_maze_sac_full" in headers and "memory_maze_sac_full" not in playable
    listed = [entry["key"] for robot in catalogue.robots().values() for entry in robot["policies"]]
    assert sorted(listed) == sorted(playable)
    for key, entry in entries().items():
        options = {k: v for k, v in headers[key]["env_options"].items() if k != "disturb"}
        assert (entry["task"], entry["options"]) == (headers[key]["env_id"], options)
        mean = headers[key].get("return_deterministic")
        assert (entry["return"] is None) == (mean is None)
        assert mean is None or entry["return"]["mean"] == pytest.approx(mean, abs=0.01)
        assert "NaN" not in json.dumps(entry)
    assert entries()["robust_ltc"]["options"] == {"hide": "velocities"}  # trained with noise, played without


def test_first_comes_the_liquid_network_where_there_is_one():
    for key, robot in catalogue.robots().items():
        assert robot["policies"][0]["key"] == ROBOTS[key].first
        liquid = [entry for entry in robot["policies"] if entry["key"].endswith("ltc")]
        assert not liquid or robot["policies"][0] in liquid
        titles = [entry["title"] for entry in robot["policies"]]
        assert len(set(titles)) == len(titles), titles
    assert list(catalogue.robots()) == list(ROBOTS)
    assert entries()["anymal_walk_ltc"]["title"] == "LTC, 32 neurons"
    assert entries()["throw_ndp_ltc"]["title"] == "neural dynamic policy: LTC, 32 neurons"
    assert entries()["anymal_step_mlp"]["title"] == "feed-forward, 128-128 units, trained on hurdles"


def test_models_are_those_of_the_tasks():
    texts = {}
    for entry in entries().values():
        if entry["model"] in texts and entry["options"].get("hide"):
            continue
        text = catalogue.model_of(entry)
        assert texts.setdefault(entry["model"], text) == text, entry["key"]  # one name, one model
    for name in ("anymal_walk_ltc", "anymal_step_mlp", "anymal_sprint_ltc", "throw_ndp", "pendulum_ltc"):
        entry = entries()[name]
        made, own = mujoco.MjModel.from_xml_string(texts[entry["model"]]), make_task(entry["task"], **entry["options"])
        assert (made.nq, made.nv, made.nu, made.ngeom) == tuple(
            getattr(own.model, n) for n in ("nq", "nv", "nu", "ngeom")
        )
        np.testing.assert_array_equal(made.body_mass, own.model.body_mass)
        np.testing.assert_array_equal(made.geom_size, own.model.geom_size)
    assert len(texts) == 10 and len(set(texts.values())) == 10


def test_the_engine_is_the_one_that_the_lock_file_names():
    lock = json.loads((WEB / "package-lock.json").read_text())
    assert lock["packages"]["node_modules/@mujoco/mujoco"]["version"] == catalogue.ENGINE
    said = catalogue.catalogue()
    assert said["version"] == 1 and said["mujoco"] == {"python": mujoco.__version__, "web": catalogue.ENGINE}
    assert f"@{catalogue.ENGINE}/mujoco.wasm" in typescript("sources.ts")


# --- settings to begin with -----------------------------------------------------------------------


def test_settings_are_those_of_the_page():
    text = typescript("settings.ts")
    names = re.findall(r"^  (\w+): [^;]+;", re.search(r"interface Settings \{(.*?)\n\}", text, re.S)[1], re.M)
    assert set(names) - {"policy", "beside"} == set(settings.SETTINGS)
    for name, least, most in re.findall(r"(\w+): \{ least: ([\d.]+), most: ([\d.]+)", text):
        for value in (float(least), float(most)):
            value = int(value) if name == "delay" else value
            assert settings.SETTINGS[name].check(name, value) == value
        with pytest.raises(ArgumentError, match=f"^{name}="):
            settings.SETTINGS[name].check(name, int(float(most)) + 1)
    rates = re.search(r"RATES = \[(.*?)\]", typescript("tasks/paced.ts"))[1]
    assert [float(rate) for rate in rates.split(",")] == list(settings.RATES)
    ranges = re.search(r"COMMANDS[^=]*= \[(.*)\];", text)[1]
    assert [tuple(map(float, pair)) for pair in re.findall(r"\[(\S+), (\S+?)\]", ranges)] == list(settings.COMMANDS)


def test_an_address_says_what_was_asked_for():
    view = cl.live("anymal_walk_ltc", beside="anymal_walk_mlp", hold=[3, (4, 0.5)], told=False, command=(0.5, 0, -1))
    asked = "policy=anymal_walk_ltc&beside=anymal_walk_mlp&hold=3,4:0.5&told=0&command=0.5,0.0,-1.0"
    assert view.link == f"{SITE}anymal_walk.html#{asked}"


# --- frames ---------------------------------------------------------------------------------------


class Tags(html.parser.HTMLParser):
    """Start tags with their attributes, and what stands in each script and style."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.inside, self._open = [], [], None
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        self._open = (tag, dict(attributes)) if tag in ("script", "style") else None

    def handle_endtag(self, tag):
        self._open = None

    def handle_data(self, text):
        if self._open:
            self.inside.append((*self._open, text))

    def all(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture
def built(tmp_path, monkeypatch):
    """A stand-in for a built player."""
    folder = tmp_path / "dist"
    folder.mkdir()
    (folder / "player.js").write_bytes(PROGRAM)
    (folder / "player.css").write_text(LOOKS)
    (folder / "mujoco.wasm.gz").write_bytes(WASM)
    monkeypatch.setattr(player, "player_folder", lambda: folder)
    monkeypatch.setattr(player, "poster", lambda *args: b"\xff\xd8 a picture")
    return folder


def unframed(view):
    """The notebook's HTML, the page in its frame, and the page's data."""
    outside = Tags(view._repr_html_())
    (frame,) = outside.all("iframe")
    page = Tags(frame["srcdoc"])
    assert frame["srcdoc"] == view.page
    ((_, _, text),) = [one for one in page.inside if one[1].get("id") == "live-data"]
    return outside, page, json.loads(text)


def test_a_frame_holds_all_that_the_page_needs(built):
    view = cl.live("anymal_walk_ltc", beside="anymal_step_mlp", height=500, rate=0.5, dead=[0])
    outside, page, data = unframed(view)
    assert data["start"] == {"policy": "anymal_walk_ltc", "beside": "anymal_step_mlp", "rate": 0.5, "dead": [0]}
    assert data["robot"]["key"] == "anymal_walk" and len(data["robot"]["policies"]) == 2
    for entry in data["robot"]["policies"]:
        shipped = (SHIPPED / f"{entry['key']}.safetensors").read_bytes()
        assert base64.b64decode(data["policies"][entry["file"]]) == shipped
        assert mujoco.MjModel.from_xml_string(data["models"][entry["model"]]).nu == 12
    assert base64.b64decode(data["wasm"]) == WASM and data["cdn"].startswith("https://cdn.jsdelivr.net/npm/@mujoco/")
    (module,) = [text for tag, at, text in page.inside if at.get("type") == "module"]
    packed = re.search(r'"([A-Za-z0-9+/=]{40,})"', module)[1]
    assert gzip.decompress(base64.b64decode(packed)) == PROGRAM
    assert any(tag == "style" and LOOKS in text for tag, _, text in page.inside)
    assert {"id": "live", "data-robot": "anymal_walk"} in page.all("div")
    assert not page.all("link") and not [at for at in page.all("script") if "src" in at]  # nothing to fetch
    (frame,), (image,), (link,) = outside.all("iframe"), outside.all("img"), outside.all("a")
    assert "ANYmal C" in frame["title"] and "ANYmal C" in image["alt"] and "500px" in str(outside.all("div"))
    assert base64.b64decode(image["src"].partition(",")[2]) == b"\xff\xd8 a picture"
    assert link["href"] == view.link


def test_without_the_engine_it_comes_from_the_network(built):
    (built / "mujoco.wasm.gz").unlink()
    _, _, data = unframed(cl.live("pendulum_ltc"))
    assert data["wasm"] is None and data["cdn"].endswith(f"@{catalogue.ENGINE}/mujoco.wasm")


@pytest.fixture
def own():
    """A policy that somebody trained."""
    policy = cl.MLPActorCritic(2, 1, hidden=(8,), normalize=True)
    envs = cl.make("InvertedPendulum-v5", 1, hide="velocities", disturb={"noise": 0.1})
    policy.enter(envs)
    envs.close()
    return policy


def test_a_policy_of_ones_own_is_in_the_frame_as_a_file_of_it(built, own, tmp_path):
    _, _, data = unframed(cl.live(own, beside="masked_pendulum_ltc"))
    entry, shipped = data["robot"]["policies"]
    assert (entry["key"], entry["options"]) == ("yours", {"hide": "velocities"})
    assert shipped["key"] == "masked_pendulum_ltc" and data["robot"]["key"] == "masked_pendulum"
    path = tmp_path / "own.safetensors"
    path.write_bytes(base64.b64decode(data["policies"][entry["file"]]))
    seen = np.random.default_rng(0).normal(size=(20, 2))
    np.testing.assert_array_equal(cl.load(path).act(seen)[0], own.act(seen)[0])
    assert str(tmp_path) not in path.read_bytes().decode("latin-1")
    again = cl.live(path)
    assert path.read_bytes() in {base64.b64decode(text) for text in unframed(again)[2]["policies"].values()}
    assert again.link == f"{SITE}masked_pendulum.html" and again._start["policy"] == "own"
    assert data["page"] is None  # the site does not have it: there is no link to what is seen


def test_a_policy_that_acts_in_its_own_way_is_refused(built, tmp_path):
    policy = cl.load("pendulum_ltc")
    policy.dt = 0.5
    said = r"acts with dt=0.5, which the live player would leave out; accepted: dt=1"
    cl.save_policy(policy, tmp_path / "slow")
    for shown in (policy, tmp_path / "slow"):
        with pytest.raises(ArgumentError, match=said):
            cl.live(shown)


def test_a_link_leads_to_what_is_seen_or_says_that_it_does_not(built, own, monkeypatch):
    _, _, data = unframed(cl.live("masked_pendulum_ltc", rate=0.5))
    assert data["page"] == f"{SITE}masked_pendulum.html"
    mine = cl.live(own, hold=[3], noise=0.1)
    assert mine.link == f"{SITE}masked_pendulum.html"  # neuron 3 of another network is not to be held
    beside = cl.live("masked_pendulum_ltc", beside=own, hold=[3], noise=0.1)
    assert beside.link == f"{SITE}masked_pendulum.html#policy=masked_pendulum_ltc&hold=3&noise=0.1"
    monkeypatch.setenv("COURSE_LIVE", "picture")
    assert "See the policies of this robot that ship" in mine.html and "Play it" not in mine.html
    assert "Play it in the browser" in beside.html


def test_files_of_one_name_stand_side_by_side(built, own, tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        for parameter in own.parameters():
            parameter.data += 0.1
        cl.save_policy(own, tmp_path / name / "mine")
    _, _, data = unframed(cl.live(tmp_path / "a" / "mine", beside=tmp_path / "b" / "mine"))
    assert [entry["key"] for entry in data["robot"]["policies"]] == ["mine", "mine_beside"]
    assert len(set(data["policies"].values())) == 2


def test_where_no_player_was_built_the_site_has_it(built, own, monkeypatch):
    monkeypatch.setattr(player, "player_folder", lambda: None)
    view = cl.live("anymal_walk_ltc", gravity=0.5)
    shown = Tags(view.html)
    assert shown.all("iframe")[0]["src"] == f"{SITE}anymal_walk.html#policy=anymal_walk_ltc&gravity=0.5"
    assert "needs the network" in view.html and "make live" in view.html and view.page == ""
    _, page, data = unframed(cl.live(own))  # which the site does not know
    assert list(data["policies"]) == ["policies/yours.safetensors"] and data["wasm"] is None
    assert page.all("link")[0]["href"] == f"{SITE}player.css"
    assert any(f'import("{SITE}player.js")' in text for _, _, text in page.inside)
    monkeypatch.setattr(player, "site", lambda: None)
    alone = cl.live("anymal_walk_ltc").html
    assert not Tags(alone).all("iframe") and not Tags(alone).all("a") and "make live" in alone


def test_the_site_is_the_one_of_the_repository(monkeypatch):
    assert player.site() == SITE
    monkeypatch.setattr(player, "__file__", "/nowhere/a/b/c/d/live.py")  # an installed wheel
    told = {
        "Project-URL": ["Issues, https://github.com/a/b/issues", "Repository, https://github.com/some-one/my.course"]
    }
    monkeypatch.setattr(player.metadata, "metadata", lambda name: type("M", (), {"get_all": staticmethod(told.get)}))
    assert player.site() == "https://some-one.github.io/my.course/live/"


def test_only_a_picture_where_files_are_to_stay_small(monkeypatch):
    monkeypatch.setenv("COURSE_LIVE", "picture")
    view = cl.live("pendulum_ltc")
    shown = Tags(view._repr_html_())
    assert not shown.all("iframe") and len(view.html) < 100_000
    (image,) = shown.all("img")
    assert "pole" in image["alt"] and {at["href"] for at in shown.all("a")} == {view.link}
    picture = base64.b64decode(image["src"].partition("base64,")[2])
    (Path("picture.jpg")).write_bytes(picture)
    with Image.open("picture.jpg") as opened:
        assert opened.format == "JPEG" and opened.size == (640, 400)
        assert np.asarray(opened, dtype=float).std() > 20  # something is on it
    monkeypatch.setenv("COURSE_LIVE", "film")
    with pytest.raises(ArgumentError, match="COURSE_LIVE='film'"):
        _ = view.html


def test_notebooks_are_executed_with_pictures():
    nbformat = pytest.importorskip("nbformat")
    notebooks = script("notebooks")
    nb = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("import os; print(os.environ['COURSE_LIVE'])")])
    notebooks.execute(nb, "smoke", Path.cwd(), 60)
    assert nb.cells[0].outputs[0].text == "picture\n"


# --- bad input ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments, said",
    [
        (dict(policy="anymal_walk_lcc"), "policy='anymal_walk_lcc'.*accepted: pendulum_ltc.*'anymal_walk_ltc'"),
        (dict(policy="memory_maze_sac_full"), "acts in WaterMaze-v0.*accepted: policies of InvertedPendulum-v5, "),
        (dict(policy=3), "int"),
        (dict(beside="throw_ndp"), "beside='throw_ndp' acts in another robot.*anymal_walk_mlp"),
        (dict(beside="anymal_walk_ltc"), "beside='anymal_walk_ltc' is the policy that is shown already"),
        (dict(height=20), "height=20"),
        (dict(ratio=2), "ratio=2 is no setting.*accepted: seed, speed.*'rate'"),
        (dict(rate=3), "rate=3 .*0.25, 0.5, 1, 2, 4"),
        (dict(rate=True), "rate=True"),
        (dict(gravity="low"), "gravity='low'"),
        (dict(delay=0.5), "delay=0.5"),
        (dict(dead=[52]), r"dead=\[52\].*0 to 51"),
        (dict(hold=32), r"hold=\[32\].*0 to 31"),
        (dict(hold=[(1, "high")]), "hold='high'"),
        (dict(hold=[(1, 101)]), "hold=101.*at most 100"),
        (dict(told=1), "told=1"),
        (dict(command=[1, 0]), "command=.*forward"),
        (dict(command=[5, 0, 0]), "command=.*-1 to 2"),
        (dict(policy="throw_ndp", command=[1, 0, 0]), "command=.*Throw-v0.*AnymalC-v0"),
        (dict(policy="throw_ndp", rate=2), "rate=2 is not accepted by Throw-v0"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_wrong_is_said(arguments, said):
    with pytest.raises(ArgumentError, match=said):
        cl.live(**arguments)


def test_a_policy_of_a_cell_or_a_solver_that_the_page_lacks():
    for cell, said in (
        (dict(name="attention", neurons=4), "cell 'attention', which the live player lacks"),
        (dict(name="ltc", neurons=4, options=dict(solver="dopri5")), "solver 'dopri5', which the live player lacks"),
    ):
        policy = cl.PPO(cl.make("InvertedPendulum-v5", 16), cl.PPOConfig(cell=cell)).policy
        with pytest.raises(ArgumentError, match=said):
            cl.live(policy)


@pytest.mark.parametrize(
    "made, said",
    [
        (dict(id="Hopper-v5"), "acts in Hopper-v5"),
        (dict(id="HalfCheetah-v5", reset_noise_scale=0.2), "with reset_noise_scale=0.2"),
        (dict(id="AnymalC-v0", terrain="rough"), "terrain 'rough'.*accepted: flat, step"),
        (dict(id="InvertedPendulum-v5", disturb={"clock": True}), "disturb={'clock': True}, which"),
        (dict(id="HalfCheetah-v5", disturb={"rate": 2, "noise": 0.1}), "disturb={'rate': 2.0}, which"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_policy_of_a_task_that_the_page_lacks(made, said):
    envs = cl.make(num_envs=1, **made)
    widths = [space.shape[0] for space in (envs.single_observation_space, envs.single_action_space)]
    policy = cl.MLPActorCritic(*widths)
    with pytest.raises(ArgumentError, match="does not say which environment"):
        cl.live(policy)
    policy.enter(envs)
    envs.close()
    with pytest.raises(ArgumentError, match=said):
        cl.live(policy)


# --- the build ------------------------------------------------------------------------------------


@pytest.fixture
def web(tmp_path, monkeypatch):
    """A folder web/ in which nothing is bundled and nothing drawn."""
    folder = tmp_path / "web"
    folder.mkdir()
    for name in ("check_node", "install"):
        monkeypatch.setattr(build, name, lambda *args: None)
    monkeypatch.setattr(build, "bundle", lambda web, out: (out / "player.js").write_bytes(PROGRAM))
    monkeypatch.setattr(build, "engine", lambda web, out: (out / "mujoco.wasm.gz").write_bytes(WASM))
    monkeypatch.setattr(build.poster, "poster", lambda policy, entry, seconds: f"{entry['key']} {seconds}".encode())
    monkeypatch.setattr(build.poster, "film", lambda policy, entry, path: path.write_bytes(b"film"))
    return folder


def contents(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_build_holds_what_its_catalogue_names(web, tmp_path):
    (web / "dist").mkdir()
    (web / "dist" / "old.html").touch()
    first = contents(build.build(web, work=tmp_path / "work"))
    said = json.loads(first["catalog.json"])
    assert [robot["key"] for robot in said["robots"]] == list(ROBOTS) and "old.html" not in first
    for robot in said["robots"]:
        for entry in robot["policies"]:
            assert first[entry["file"]] == (SHIPPED / Path(entry["file"]).name).read_bytes()
            assert entry["model"] in first
        page = Tags(first[f"{robot['key']}.html"].decode())
        assert {"id": "live", "data-robot": robot["key"]} in page.all("div") and page.all("noscript")
        named = [at["src"] for at in page.all("img") + page.all("script")]
        named += [at["href"] for at in page.all("a")]
        assert set(named) <= set(first) and {"player.js", f"posters/{robot['key']}.jpg"} <= set(named)
        assert page.all("img")[0]["alt"] and f"videos/{robot['key']}.mp4" in first
    assert len([name for name in first if name.startswith("policies/")]) == len(entries())
    index = Tags(first["index.html"].decode())
    linked = {at["href"] for at in index.all("a") if "://" not in at["href"]}
    assert linked == {f"{key}.html" for key in ROBOTS} and len(index.all("img")) == len(ROBOTS)
    assert b"Apache License" in first["licences.txt"] and b"ANYbotics" in first["licences.txt"]
    assert str(ROOT).encode() not in b"".join(first.values())
    assert contents(build.build(web, work=tmp_path / "other")) == first
    assert "mujoco.wasm.gz" not in contents(build.build(web, wasm=False, work=tmp_path / "work"))


def program(folder, name, text):
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\n{text}\n")
    (folder / name).chmod(0o755)


def test_what_is_missing_is_said(tmp_path, monkeypatch, capsys):
    tools, web = tmp_path / "bin", tmp_path / "web"
    tools.mkdir()
    web.mkdir()
    (web / "package-lock.json").write_text("{}")
    monkeypatch.setenv("PATH", str(tools))
    with pytest.raises(build.Trouble, match="node is not here; install Node 20"):
        build.check_node()
    program(tools, "node", "echo v18.3.0")
    with pytest.raises(build.Trouble, match="npm is not here"):
        build.check_node()
    program(tools, "npm", "echo 'npm error network' >&2; exit 1")
    with pytest.raises(build.Trouble, match="this is v18.3.0"):
        build.check_node()
    program(tools, "node", "echo v22.1.0")
    build.check_node()
    with pytest.raises(build.Trouble, match="is the network there.*npm error network"):
        build.install(web)
    program(tools, "npm", "/bin/mkdir -p node_modules; echo {} > node_modules/.package-lock.json; echo run >> log")
    build.install(web)
    build.install(web)
    assert (web / "log").read_text() == "run\n"  # once
    with pytest.raises(build.Trouble, match="src/app.ts is not in web/"):
        build.bundle(web, tmp_path)
    monkeypatch.setattr(build, "WEB", web)
    assert build.main(["serve"]) == 1 and "make live" in capsys.readouterr().err
    assert build.main(["build"]) == 1 and "src/app.ts" in capsys.readouterr().err
    assert not (web / "dist").exists()


def test_it_is_served_on_this_machine_alone(tmp_path):
    (tmp_path / "mujoco.wasm.gz").write_bytes(WASM)
    (tmp_path / "player.js").write_bytes(PROGRAM)
    with build.server(tmp_path) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        assert server.server_address[0] == "127.0.0.1"
        for name, content in (("mujoco.wasm.gz", WASM), ("player.js", PROGRAM)):
            with urllib.request.urlopen(f"http://127.0.0.1:{server.server_port}/{name}") as answer:
                assert answer.read() == content
                assert answer.headers["Content-Encoding"] is None
        assert "javascript" in answer.headers["Content-Type"]
        with pytest.raises(build.Trouble, match=f"port {server.server_port} cannot be had"):
            build.server(tmp_path, server.server_port)
        server.shutdown()


def test_the_site_has_a_page_about_it(tmp_path):
    pages = sys.modules["live_pages"]
    assert "make live" in pages.site_page(tmp_path, tmp_path / "none")
    (tmp_path / "dist" / "posters").mkdir(parents=True)
    (tmp_path / "dist" / "catalog.json").write_text(json.dumps(catalogue.catalogue()))
    text = pages.site_page(tmp_path, tmp_path / "dist")
    assert re.findall(r":link: live/(\w+)\.html", text) == list(ROBOTS) and (tmp_path / "_posters").is_dir()
    assert text.count(":img-alt:") == len(ROBOTS)


# --- with Node, and in a browser ------------------------------------------------------------------

needs_node = pytest.mark.skipif(
    shutil.which("node") is None or not (WEB / "node_modules").is_dir() or not (WEB / "src" / "app.ts").is_file(),
    reason="needs Node and the packages of web/",
)


@pytest.fixture(scope="module")
def bundled(tmp_path_factory):
    out = tmp_path_factory.mktemp("bundled")
    build.bundle(WEB, out)
    build.engine(WEB, out)
    return out


@pytest.mark.slow
@needs_node
def test_the_bundle_is_one_module_that_node_can_read(bundled, tmp_path):
    text = (bundled / "player.js").read_text()
    assert "import.meta" not in text and not re.search(r"^import\b", text, re.M)
    shutil.copy(bundled / "player.js", tmp_path / "player.mjs")
    done = subprocess.run(["node", "--check", "player.mjs"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    wasm = gzip.decompress((bundled / "mujoco.wasm.gz").read_bytes())
    assert wasm == (WEB / "node_modules/@mujoco/mujoco/mujoco.wasm").read_bytes()
    assert (bundled / "player.css").stat().st_size > 1000


@pytest.mark.slow
@needs_node
def test_a_frame_plays_without_a_network(bundled, own, tmp_path, monkeypatch):
    sync_api = pytest.importorskip("playwright.sync_api")
    names = ("chromium", "chromium-browser", "google-chrome")
    browser = next(filter(None, map(shutil.which, names)), None)
    if browser is None:
        pytest.skip("needs Chromium")
    monkeypatch.setattr(player, "player_folder", lambda: bundled)
    view = cl.live(own, beside="masked_pendulum_ltc", gravity=0.5)
    # As strict as VS Code is with what a cell puts out: no module from a blob.
    rules = "default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; style-src 'unsafe-inline'; img-src data:"
    for name, head in (("free", ""), ("strict", f'<meta http-equiv="Content-Security-Policy" content="{rules}">')):
        (tmp_path / f"{name}.html").write_text(f"<!doctype html><meta charset=utf-8>{head}<body>{view.html}")
    with build.server(tmp_path) as server, sync_api.sync_playwright() as p:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        chromium = p.chromium.launch(executable_path=browser, args=["--no-sandbox", "--enable-unsafe-swiftshader"])
        address = f"http://127.0.0.1:{server.server_port}/"
        for name in ("free", "strict"):
            tab = chromium.new_page()
            fetched = []
            tab.on("request", lambda request, seen=fetched: seen.append(request.url))
            tab.goto(f"{address}{name}.html")
            frame = tab.frames[-1]
            frame.wait_for_selector('#live[data-ready="yours"]', timeout=120_000)
            frame.wait_for_function("window.player && player.panes[0].player.seconds > 0.05", timeout=120_000)
            assert frame.evaluate("[player.settings.gravity, player.panes.length]") == [0.5, 2]
            assert {url for url in fetched if url.startswith("http")} - {f"{address}favicon.ico"} == {
                f"{address}{name}.html"
            }
            tab.close()
        chromium.close()
        server.shutdown()


def test_assets_are_those_of_the_checkout():
    assert assets_folder() == ROOT / "assets"  # or the tests above would look at others
