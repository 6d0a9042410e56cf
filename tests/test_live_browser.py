"""The live player in a real browser: every robot moves, and a reader can pull at it, hold its neurons, blind it.

Part of `make slow`. Skipped where there is no playwright, no Chromium or no Node; OpenGL may be in software.
"""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install playwright")
sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
from _browser import served  # noqa: E402
from test_browser import BROWSER, TOKEN, ask, lab, nbformat, wait_for  # noqa: E402, F401

ROOT = Path(__file__).resolve().parents[1]
DIST = ROOT / "web" / "dist"
SOFTWARE = ["--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
READY = "() => window.player && player.panes.length"
MOVED = "() => window.player && player.panes.length && player.panes[0].player.seconds > 0"
PATIENCE = 90_000  # ms, on a busy machine without a graphics card
# Robot's time without pictures, as fast as it goes -> why the episode ended in it, if it did.
RUN = """seconds => {
  const [pane] = player.panes, until = pane.player.seconds + seconds;
  while (!pane.player.over && pane.player.seconds < until) pane.tick(pane.pull(null));
  return pane.player.over && pane.player.over.why;
}"""
ROBOTS = [
    "pendulum", "masked_pendulum", "halfcheetah", "halfcheetah_masked", "anymal_sprint", "anymal_walk", "throw", "pick",
    "push", "soccer", "faucet",
]  # fmt: skip
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(BROWSER is None, reason="needs Chromium: apt install chromium, or playwright install"),
    pytest.mark.skipif(not shutil.which("npx"), reason="needs Node"),
    pytest.mark.xdist_group("live"),
]


@pytest.fixture(scope="module")
def address():
    subprocess.run([sys.executable, "scripts/live.py", "build"], cwd=ROOT, check=True)
    with served(DIST) as where:
        yield where


@pytest.fixture(scope="module")
def chromium():
    with sync_api.sync_playwright() as p:
        browser = p.chromium.launch(executable_path=BROWSER, args=SOFTWARE)
        yield browser
        browser.close()


@pytest.fixture
def page(chromium, address):
    """Opens a page of the player, in a window of its own -> the tab; its `errors` must stay empty."""
    tabs = []

    def open_page(where, ready=READY, width=1280, height=900, before=lambda tab: None, **options):
        tab = chromium.new_page(viewport=dict(width=width, height=height), **options)
        tab.set_default_timeout(PATIENCE)
        tab.errors = []
        tab.on("console", lambda m: tab.errors.append(m.text) if m.type == "error" else None)
        tab.on("pageerror", lambda e: tab.errors.append(str(e)))
        before(tab)
        tabs.append(tab)
        tab.goto(address + where)
        if ready:
            tab.wait_for_function(ready, timeout=PATIENCE)
        return tab

    yield open_page
    for tab in tabs:
        tab.close()


def qpos(tab, pane=0) -> list[float]:
    return tab.evaluate(f"[...player.panes[{pane}].player.physics.qpos]")


def trouble(tab) -> str:
    return tab.locator("#live .trouble:not([hidden])").first.inner_text()


def addressed(tab, *has, lacks=()) -> None:
    """Waits until the address says all of `has` and nothing of `lacks`: it follows the settings a little later."""
    script = "([has, lacks]) => { const is = x => location.hash.includes(x); return has.every(is) && !lacks.some(is); }"
    tab.wait_for_function(script, arg=[[*has], [*lacks]])


def sets(tab, name, value) -> None:
    """A slider or a list, as a reader's hand sets it."""
    tab.locator(f'[data-setting="{name}"]').first.evaluate(
        "(input, value) => { input.value = value; input.dispatchEvent(new Event(input.tagName === 'SELECT' ? 'change' "
        ": 'input')); }",
        str(value),
    )


@pytest.mark.parametrize("robot", ROBOTS)
def test_every_robot_moves_and_does_not_fall(page, robot):
    tab = page(f"{robot}.html", MOVED)
    tab.evaluate("player.reset()")
    first = qpos(tab)
    seconds = 1.5 if robot in ("throw", "pick", "push", "soccer", "faucet") else 7.0
    assert tab.evaluate(RUN, seconds) in (None, "over")
    assert max(abs(a - b) for a, b in zip(first, qpos(tab), strict=True)) > (1e-3 if "pendulum" in robot else 0.1)
    assert tab.locator("h1").inner_text()
    assert tab.errors == []


def test_the_gallery_leads_to_every_robot(page):
    tab = page("index.html", None)
    links = tab.eval_on_selector_all(".gallery a", "all => all.map(a => a.getAttribute('href'))")
    assert [link.split("#")[0] for link in links] == [f"{robot}.html" for robot in ROBOTS]
    broken = tab.eval_on_selector_all(".gallery img", "all => all.filter(i => i.complete && !i.naturalWidth).length")
    assert broken == 0 and tab.errors == []
    assert tab.eval_on_selector_all(".gallery img", "all => all.every(i => i.alt.length > 10)")


def test_a_drag_pulls_the_robot_and_it_recovers(page):
    tab = page("anymal_walk.html#paused=1&command=0,0,0")
    tab.evaluate(RUN, 2.0)
    # Where the body is on the screen.
    x, y = tab.evaluate("""() => {
      const [pane] = player.panes, { camera } = pane.stage.view;
      pane.draw();
      const at = camera.position.clone().set(...pane.player.physics.data.xpos.slice(3, 6)).project(camera);
      const box = pane.stage.canvas.getBoundingClientRect();
      return [box.left + (at.x + 1) / 2 * box.width, box.top + (1 - at.y) / 2 * box.height];
    }""")
    before = qpos(tab)
    tab.mouse.move(x, y)
    tab.mouse.down()
    tab.mouse.move(x + 120, y, steps=4)
    pull = tab.evaluate("player.panes[0].drag.pull()")
    assert pull and pull["body"] >= 1 and sum(f * f for f in pull["force"]) > 1
    assert tab.evaluate(RUN, 0.4) is None
    pulled = qpos(tab)
    assert sum((a - b) ** 2 for a, b in zip(pulled[:2], before[:2], strict=True)) > 0.05**2
    tab.mouse.up()
    assert tab.evaluate("player.panes[0].drag.pull()") is None
    assert tab.evaluate(RUN, 4.0) is None
    assert tab.errors == []


def test_empty_space_turns_the_camera_and_pulls_at_nothing(page):
    tab = page("anymal_walk.html#paused=1")
    box = tab.locator("canvas.stage").bounding_box()
    before = tab.evaluate("player.panes[0].stage.view.camera.position.toArray()")
    tab.mouse.move(box["x"] + 30, box["y"] + 30)
    tab.mouse.down()
    tab.mouse.move(box["x"] + 150, box["y"] + 40, steps=4)
    assert tab.evaluate("player.panes[0].drag.pull()") is None
    tab.mouse.up()
    tab.evaluate("player.panes[0].draw()")
    assert tab.evaluate("player.panes[0].stage.view.camera.position.toArray()") != pytest.approx(before, abs=1e-3)


def test_a_stopped_clock_draws_what_somebody_does_and_nothing_else(page):
    tab = page("pendulum.html#paused=1")
    count = """async (after) => {
      const [pane] = player.panes, draw = pane.draw.bind(pane);
      let drawn = 0;
      pane.draw = (details) => { drawn++; draw(details); };
      await new Promise((resolve) => setTimeout(resolve, after));
      drawn = 0;
      await new Promise((resolve) => setTimeout(resolve, 700));
      pane.draw = draw;
      return drawn;
    }"""
    assert tab.evaluate(count, 1500) == 0
    box = tab.locator("canvas.stage").bounding_box()
    tab.mouse.move(box["x"] + 30, box["y"] + 30)
    assert tab.evaluate(count, 0) > 0
    assert tab.evaluate(count, 1500) == 0
    tab.keyboard.press(".")  # one step
    assert tab.evaluate(count, 0) > 0
    tab.keyboard.press(" ")
    assert tab.evaluate(count, 1500) > 0


def test_pushes_by_button_and_key(page):
    tab = page("anymal_walk.html#paused=1&command=0,0,0")
    tab.evaluate(RUN, 2.0)
    for press, sign in (("Push ▶", 1), (None, -1)):
        tab.get_by_role("button", name=press).click() if press else tab.keyboard.press("ArrowLeft")
        before = tab.evaluate("player.panes[0].player.physics.qvel[0]")
        assert tab.evaluate(RUN, 0.2) is None
        after = tab.evaluate("player.panes[0].player.physics.qvel[0]")
        assert sign * (after - before) > 0.1
        assert tab.evaluate(RUN, 2.0) is None


def test_a_push_ends_with_its_episode(page):
    tab = page("pendulum.html#paused=1")
    pane = "player.panes[0]"
    tab.keyboard.press("ArrowRight")
    assert tab.evaluate(f"{pane}.pull(null).force[0]") > 0
    tab.evaluate(f"{pane}.player.end('over'); {pane}.ended()")
    tab.keyboard.press("ArrowRight")  # while the end is shown
    tab.evaluate(f"{pane}.next()")
    assert tab.evaluate(f"{pane}.pull(null)") is None and tab.errors == []


def test_a_tabletop_is_not_pushed_by_a_key_either(page):
    tab = page("push.html#paused=1")
    assert tab.get_by_role("button", name="Push").count() == 0
    tab.keyboard.press("ArrowRight")
    assert tab.evaluate("player.panes[0].pull(null)") is None


def test_the_walkers_own_pushes_are_told(page):
    tab = page("anymal_walk.html#paused=1")
    pane = "player.panes[0]"
    push = f"{pane}.player.task.push({pane}.player.episode.state)"
    until = f"""() => {{
      while (!{push}.some(Boolean)) {pane}.tick(null);
      {pane}.draw();
      return [Math.hypot(...{push}), {pane}.words.textContent];
    }}"""
    force, words = tab.evaluate(until)
    assert force == pytest.approx(50, rel=1e-5) and "pushed by the task: 50 N" in words
    assert tab.evaluate(f"{pane}.drag.pushed.force.some(Boolean)")


def test_the_graph_tells_what_a_sensor_reads_and_what_the_network_gets(page):
    tab = page("anymal_walk.html#policy=anymal_walk_ltc&paused=1&dead=2")
    tab.evaluate(RUN, 0.5)
    pane = "player.panes[0]"
    tell = f"(part, index) => {{ {pane}.draw(); return {pane}.graph.facts({{part, index}}); }}"
    facts = tab.evaluate(f"[['input', 2], ['action', 0], ['neuron', 0]].map(([p, i]) => ({tell})(p, i))")
    assert facts[0].startswith("gravity: 0.00, normalised ") and not facts[0].endswith(" 0.00")
    assert facts[1].endswith(" of its range") and facts[2].endswith(" s")
    # The time constant is told in seconds: as on the chart, at any control rate.
    for rate in (1, 4):
        sets(tab, "rate", rate)
        tab.evaluate(RUN, 0.3)
        seconds = tab.evaluate(f"{pane}.player.policy.timeConstants()[0] * {pane}.player.cellStep")
        told = float(tab.evaluate(f"({tell})('neuron', 0)").rsplit(" ", 2)[1])
        assert told == pytest.approx(seconds, rel=0.1)


def test_many_changes_in_a_short_time(page):
    """Safari refuses to change the address more than 100 times in 30 s, by an error."""
    strict = """
      let calls = 0;
      const replace = history.replaceState.bind(history);
      history.replaceState = (...all) => {
        if (++calls > 100) throw new DOMException('too many', 'SecurityError');
        replace(...all);
      };
      globalThis.calls = () => calls;
    """
    tab = page("masked_pendulum.html", before=lambda tab: tab.add_init_script(strict))
    for k in range(300):
        sets(tab, "noise", k / 1000)
    addressed(tab, "noise=0.3")
    assert tab.evaluate("calls()") < 60
    tab.evaluate("void (history.replaceState = () => { throw new DOMException('too many', 'SecurityError'); })")
    for key in ("masked_pendulum_gru", "masked_pendulum_cfc"):
        sets(tab, "policy", key)
        tab.wait_for_function(f"player.panes[0].entry.key === '{key}'")
    assert "policy=masked_pendulum_cfc&noise=0.3" in tab.evaluate("player.address.of(player.settings)")
    assert tab.errors == []


def test_the_clock_says_its_speed(page):
    tab = page("pendulum.html#speed=3")
    assert tab.locator(".bar select").evaluate("list => list.selectedOptions[0].textContent") == "3×"
    tab.evaluate("player.set('paused', true); player.bar.keeps(0.5, 3)")
    assert "runs at 1.5×" in tab.locator(".bar").inner_text()
    tab.evaluate("player.bar.keeps(1, 3)")
    assert "runs at" not in tab.locator(".bar").inner_text()


def test_a_held_neuron_changes_the_gait_and_letting_go_brings_it_back(page):
    tab = page("halfcheetah_masked.html#paused=1")
    ran = []
    for what in ("free", "held", "free"):
        tab.evaluate("player.reset()")
        if what == "held":
            tab.locator('#live .graph [role="button"]').nth(2).focus()
            tab.keyboard.press("Enter")
            assert tab.evaluate("player.settings.hold") == [[2, 0]]
            addressed(tab, "hold=2")
        elif tab.evaluate("player.settings.hold.length"):
            tab.get_by_role("button", name="Let all go").click()
        tab.evaluate(RUN, 3.0)
        ran.append(qpos(tab))
        held = tab.evaluate("player.panes[0].player.policy.activations[2]")
        assert (held == 0) == (what == "held")
    assert ran[0] == ran[2]
    assert ran[0] != pytest.approx(ran[1], abs=1e-2)


def test_the_graph_and_the_charts_follow(page):
    tab = page("halfcheetah_masked.html#paused=1")
    look = "() => { player.panes[0].draw(); return document.querySelector('#live .graph').innerHTML }"
    picture = "() => [...document.querySelectorAll('#live .charts canvas')].map(c => c.toDataURL())"
    graph, charts = tab.evaluate(look), tab.evaluate(picture)
    tab.evaluate(RUN, 1.0)
    assert tab.evaluate(look) != graph
    assert all(a != b for a, b in zip(charts, tab.evaluate(picture), strict=True))


def test_a_deep_link_restores_everything_and_is_kept_up_to_date(page):
    told = "policy=anymal_walk_ltc&rate=0.5&told=0&gravity=0.8&noise=0.05&dead=3,4,5&hold=3,7:0.2&paused=1"
    tab = page(f"anymal_walk.html#{told}")
    got = tab.evaluate("player.settings")
    expected = dict(rate=0.5, told=False, gravity=0.8, noise=0.05, dead=[3, 4, 5], hold=[[3, 0], [7, 0.2]])
    assert {name: got[name] for name in expected} == expected
    player = "player.panes[0].player"
    assert tab.evaluate(f"[{player}.rate, {player}.policy.dt, {player}.physics.gravity[2]]") == pytest.approx(
        [0.5, 1, -9.81 * 0.8]
    )
    assert tab.locator('[data-setting="gravity"]').input_value() == "0.8"
    assert tab.locator('[data-sensor="velocity"]').is_checked()
    sets(tab, "gravity", 1)
    sets(tab, "rate", 2)
    addressed(tab, "rate=2", lacks=["gravity"])
    assert tab.evaluate(f"{player}.rate") == 2
    tab.evaluate("location.hash = 'rate=4'")
    tab.wait_for_function(f"{player}.rate === 4")
    assert tab.evaluate("player.settings.hold") == []


def test_what_a_link_says_wrong_is_told(page):
    tab = page("pendulum.html#rate=3&gravity=1.5&policy=nobody")
    assert "nobody" in trouble(tab)
    tab = page("push.html#rate=0.5")
    assert trouble(tab) == "rate=0.5 is not accepted by Push-v0; accepted: 1."
    assert tab.evaluate("player.panes[0].player.rate") == 1
    addressed(tab, lacks=["rate"])
    tab = page("pendulum.html#rate=3&gravity=1.5")
    assert trouble(tab) == "rate=3 is not accepted; accepted: 0.25, 0.5, 1, 2, 4."
    assert tab.evaluate("player.settings.gravity") == 1.5
    assert tab.errors == []


def test_two_policies_get_the_same_pushes(page):
    tab = page("anymal_walk.html#beside=anymal_walk_mlp&paused=1")
    assert tab.evaluate("player.panes.map(p => p.entry.key)") == ["anymal_walk_ltc", "anymal_walk_mlp"]
    assert qpos(tab, 0) == qpos(tab, 1)
    tab.evaluate("player.panes[0].drag.grab(1); player.panes[0].drag.moveTo([0.5, 0.5, 0.6])")
    tab.evaluate("for (let k = 0; k < 10; k++) player.tick()")
    forces = tab.evaluate("player.panes.map(p => [...p.player.physics.xfrcApplied.slice(6, 9)])")
    assert forces[0] == forces[1] and any(forces[0])
    # The robots part. The pull still acts at the same place of the second body, not metres away from it.
    tab.evaluate(
        "for (const pane of player.panes) pane.player.physics.data.qpos[0] += pane === player.panes[0] ? 0 : 20"
    )
    tab.evaluate("for (let k = 0; k < 2; k++) player.tick()")
    turning = tab.evaluate("player.panes.map(p => Math.hypot(...p.player.physics.xfrcApplied.slice(9, 12)))")
    strength = tab.evaluate("Math.hypot(...player.panes[0].player.physics.xfrcApplied.slice(6, 9))")
    assert turning[1] < 0.5 * strength  # N m: an arm of less than half a metre
    sets(tab, "beside", "")
    tab.wait_for_function("player.panes.length === 1")
    assert tab.errors == []


def test_neurons_are_held_in_one_network_at_a_time(page):
    tab = page("anymal_walk.html#policy=anymal_walk_ltc&beside=anymal_walk_ltc&paused=1&hold=3&seed=123456789")
    addressed(tab, "seed=123456789")
    held = "player.panes.map(p => [...p.held])"
    assert tab.evaluate(held) == [[3], []]
    tab.evaluate("player.hold('hold_beside', 5, true)")
    assert tab.evaluate(held) == [[3], [5]]
    addressed(tab, "hold_beside=5")
    assert "Held: 3; 5 of the second policy." in tab.inner_text("#live form")
    tab.get_by_role("button", name="Let all go").click()
    assert tab.evaluate(held) == [[], []] and tab.errors == []


def test_motion_is_not_begun_for_who_wants_none(page):
    still = page("pendulum.html", None, reduced_motion="reduce")
    still.wait_for_selector("#live .pane")
    assert still.evaluate("player.settings.paused")
    assert not page("pendulum.html").evaluate("player.settings.paused")


def test_other_policies_can_be_chosen(page):
    tab = page("halfcheetah.html")
    for key in tab.evaluate("player.robot.policies.map(p => p.key)"):
        sets(tab, "policy", key)
        tab.wait_for_function(f"player.panes[0].entry.key === '{key}' && player.panes[0].player.seconds > 0")
        addressed(tab, f"policy={key}")
    assert tab.errors == []


def test_a_phone_has_all_of_it(page):
    tab = page("anymal_walk.html", MOVED, width=390, height=800, has_touch=True, color_scheme="dark")
    assert tab.evaluate("document.documentElement.scrollWidth") <= 390
    paper = tab.evaluate("getComputedStyle(document.body).backgroundColor")
    assert sum(json.loads(paper.removeprefix("rgb").replace("(", "[").replace(")", "]"))) < 150
    tab.get_by_role("button", name="Pause").tap()
    assert tab.evaluate("player.settings.paused")
    for name in tab.evaluate("[...document.querySelectorAll('#live input, #live select')].map(e => e.dataset.setting)"):
        if name:
            assert tab.locator(f'[data-setting="{name}"]').first.is_visible()


@pytest.mark.parametrize("size", [(844, 390), (667, 375), (850, 640)], ids=str)
def test_every_control_can_be_reached_below_the_picture(page, size):
    tab = page("anymal_walk.html#paused=1", width=size[0], height=size[1], has_touch=True)
    # A control is in reach if, somewhere along the page, it lies at its place with nothing above it.
    reach = """async () => {
      const all = [...document.querySelectorAll('#live .panel input, #live .panel select, #live .panel button')];
      const free = new Set();
      for (let y = 0; y < document.documentElement.scrollHeight; y += 60) {
        scrollTo(0, y);
        await new Promise(requestAnimationFrame);
        for (const one of all) {
          const box = one.getBoundingClientRect();
          const top = document.elementFromPoint(box.left + box.width / 2, box.top + box.height / 2);
          if (top && (one === top || one.contains(top) || top.contains(one) && top.closest('label'))) free.add(one);
        }
      }
      return [free.size, all.length];
    }"""
    free, count = tab.evaluate(reach)
    assert free == count > 15


def test_the_keyboard_runs_the_clock(page):
    tab = page("pendulum.html", MOVED)
    tab.keyboard.press("Space")
    assert tab.evaluate("player.settings.paused")
    at = tab.evaluate("player.panes[0].player.seconds")
    tab.keyboard.press(".")
    assert tab.evaluate("player.panes[0].player.seconds") == pytest.approx(at + 0.04, abs=0.021)
    tab.keyboard.press("r")
    assert tab.evaluate("player.panes[0].player.seconds") == 0
    tab.keyboard.press("s")
    assert tab.evaluate("player.settings.speed") == 0.25


# --- what goes wrong ----------------------------------------------------------------------------------


def test_without_webgl_there_is_a_sentence_and_the_video_and_neurons_still_live(page):
    gone = (
        "HTMLCanvasElement.prototype.getContext = new Proxy(HTMLCanvasElement.prototype.getContext, {apply: (f, t, a)"
    )
    gone += " => a[0] === '2d' ? f.apply(t, a) : null})"
    tab = page("halfcheetah_masked.html", MOVED, before=lambda tab: tab.add_init_script(gone))
    assert trouble(tab).startswith("This browser draws no 3D pictures (WebGL): ")
    tab.wait_for_function("document.querySelector('#live video').readyState >= 1")
    assert tab.evaluate(RUN, 1.0) is None
    assert tab.errors == []


def test_a_damaged_policy_is_told_and_the_others_still_play(page):
    def before(tab):
        tab.route("**/policies/anymal_walk_mlp.safetensors", lambda route: route.fulfill(body=b"\x08" + b"\0" * 80))

    tab = page("anymal_walk.html", before=before)
    sets(tab, "policy", "anymal_walk_mlp")
    tab.wait_for_function("!document.querySelector('#live .trouble').hidden")
    assert trouble(tab).startswith("anymal_walk_mlp.safetensors is not a whole safetensors file")
    assert tab.evaluate("player.panes[0].entry.key") == "anymal_walk_ltc"
    assert tab.evaluate("player.settings.policy") == "anymal_walk_ltc"
    assert tab.evaluate(RUN, 0.5) is None


def test_a_refused_engine_is_a_sentence(page):
    def before(tab):
        tab.route("**/mujoco.wasm*", lambda route: route.abort())

    tab = page("pendulum.html", None, before=before)
    tab.wait_for_selector("#live .trouble")
    assert "The physics engine could not be loaded" in trouble(tab)


@pytest.mark.parametrize("file", ["catalog.json", "models/*"])
def test_a_lost_file_is_a_sentence(page, file):
    tab = page(
        "pendulum.html", None, before=lambda tab: tab.route(f"**/{file}", lambda route: route.fulfill(status=404))
    )
    tab.wait_for_selector("#live .trouble:not([hidden])")
    assert "could not be fetched: the server answers 404." in trouble(tab)


def test_a_state_that_is_not_a_number_begins_a_new_episode_with_a_note(page):
    tab = page("pendulum.html", MOVED)
    tab.evaluate("player.panes[0].player.physics.qvel[0] = NaN")
    tab.wait_for_function("document.querySelector('#live .status').textContent.includes('was reset at')")
    tab.wait_for_function("!player.panes[0].player.over && player.panes[0].player.seconds > 0.1")
    assert tab.errors == []


def test_an_hour_in_the_background_is_not_made_up_for(page):
    tab = page("pendulum.html", MOVED)
    before = tab.evaluate("player.last -= 3.6e6, player.panes[0].player.seconds")
    tab.wait_for_timeout(1500)
    assert 0 < tab.evaluate("player.panes[0].player.seconds") - before < 3


def test_a_lost_graphics_card_comes_back(page):
    tab = page("pendulum.html", MOVED)
    tab.evaluate("""() => {
      const lost = player.panes[0].stage.canvas.getContext('webgl2').getExtension('WEBGL_lose_context');
      lost.loseContext();
      setTimeout(() => lost.restoreContext(), 300);
    }""")
    tab.wait_for_timeout(1500)
    before = tab.evaluate("player.panes[0].player.seconds")
    tab.wait_for_function(f"player.panes[0].player.seconds !== {before}")
    assert not tab.evaluate("player.panes[0].stage.canvas.getContext('webgl2').isContextLost()")


def test_a_frame_of_a_notebook_plays_without_a_network(chromium):
    import course_lib as cl

    html = cl.live("masked_pendulum_ltc", rate=0.5)._repr_html_()
    tab = chromium.new_page()
    with contextlib.closing(tab):
        tab.route("**/*", lambda route: route.abort())
        tab.set_content(html)
        frame = tab.wait_for_selector("iframe").content_frame()
        frame.wait_for_function(MOVED, timeout=PATIENCE)
        assert frame.evaluate("player.settings.rate") == 0.5
        assert frame.evaluate("player.panes[0].entry.key") == "masked_pendulum_ltc"
        link = "/live/masked_pendulum.html#policy=masked_pendulum_ltc&rate=0.5"
        assert link in frame.evaluate("player.address.of(player.settings)")
        assert frame.get_by_role("button", name="Link").count() == 1


def test_jupyterlab_shows_it_and_it_goes_on_without_the_kernel(chromium, address, lab):  # noqa: F811
    where, folder = lab
    nb = nbformat.v4.new_notebook()
    nb.cells = [nbformat.v4.new_code_cell('import course_lib as cl\ncl.live("masked_pendulum_ltc", height=500)')]
    nb.metadata.kernelspec = dict(name="python3", display_name="Python 3", language="python")
    nbformat.write(nb, folder / "live.ipynb")
    tab = chromium.new_page(viewport=dict(width=1400, height=1000))
    with contextlib.closing(tab):
        tab.set_default_timeout(PATIENCE)
        tab.goto(f"{where}/lab/tree/live.ipynb?token={TOKEN}&reset")
        tab.locator(".jp-Notebook .jp-CodeCell").first.wait_for()
        wait_for(lambda: ask(where, "api/kernels"), 60, "no kernel started")
        tab.get_by_role("menuitem", name="Run", exact=True).click()
        tab.get_by_text("Run All Cells", exact=True).click()
        frame = tab.wait_for_selector(".jp-OutputArea-output iframe").content_frame()
        frame.wait_for_function(MOVED, timeout=PATIENCE)
        for kernel in ask(where, "api/kernels"):
            request = urllib.request.Request(f"{where}/api/kernels/{kernel['id']}?token={TOKEN}", method="DELETE")
            urllib.request.urlopen(request, timeout=30)
        at = frame.evaluate("player.panes[0].player.seconds")
        frame.wait_for_function(f"player.panes[0].player.seconds > {at + 0.2}", timeout=PATIENCE)
        if os.environ.get("COURSE_SCREENSHOT"):
            tab.screenshot(path=os.environ["COURSE_SCREENSHOT"])
