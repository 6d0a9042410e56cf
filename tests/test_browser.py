"""Notebook 07 in a real browser: JupyterLab opens it, runs every cell, and the explorer's slider drives the pictures.

Part of `make slow`. Skipped where there is no playwright (`pip install playwright`) or no Chromium. COURSE_CHROMIUM
names another browser.
"""

import contextlib
import hashlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install playwright")
pytest.importorskip("jupyterlab")
nbformat = pytest.importorskip("nbformat")

ROOT = Path(__file__).resolve().parent.parent
NAME = "07_hidden_states.ipynb"
TOKEN = "abc"
PATIENCE = 120  # s, for all the cells of the smoke budget on a busy machine
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
QUIET += ["--disable-component-update", "--disable-sync"]
SETTINGS = {  # cells out of sight are drawn too; no window asks about news
    "notebook-extension/tracker": {"windowingMode": "none"},
    "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
}


def chromium() -> str | None:
    """A Chromium on this machine: what COURSE_CHROMIUM says, the system's, or playwright's own."""
    names = ("chromium", "chromium-browser", "google-chrome", "chrome")
    found = [os.environ.get("COURSE_CHROMIUM"), *(shutil.which(name) for name in names)]
    if not any(found):
        with contextlib.suppress(Exception), sync_api.sync_playwright() as p:
            found.append(p.chromium.executable_path)
    return next((path for path in found if path and Path(path).is_file()), None)


BROWSER = chromium()
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(BROWSER is None, reason="needs Chromium: apt install chromium, or playwright install"),
]


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """(address, folder): a JupyterLab of its own, with a copy of the notebook and no settings of the user's."""
    folder = tmp_path_factory.mktemp("lab")
    notebook = nbformat.reads((ROOT / "notebooks" / NAME).read_text(encoding="utf-8"), as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    nbformat.write(notebook, folder / NAME)
    for name, values in SETTINGS.items():
        path = folder / "settings" / "@jupyterlab" / f"{name}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(values))
    port, homes = free_port(), ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR")
    env = {**os.environ, **{name: str(folder / name.lower()) for name in homes}, "COURSE_BUDGET": "smoke"}
    env |= {"JUPYTERLAB_SETTINGS_DIR": str(folder / "settings"), "JUPYTERLAB_WORKSPACES_DIR": str(folder / "spaces")}
    env.pop("MPLBACKEND", None)
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", f"--ServerApp.root_dir={folder}"]
    command += [f"--IdentityProvider.token={TOKEN}", f"--ServerApp.port={port}", "--ServerApp.port_retries=0"]
    command += ["--LabApp.news_url=None", "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate"]
    with (folder / "lab.log").open("wb") as log:
        server = subprocess.Popen(command, env=env, cwd=folder, stdout=log, stderr=subprocess.STDOUT)
    address = f"http://127.0.0.1:{port}"
    try:
        wait_for(lambda: ask(address, "api/status") is not None, 60, "JupyterLab did not start")
        yield address, folder
    finally:
        server.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.wait(15)
        server.kill()


def ask(address: str, what: str):
    """The server's answer to GET, or None while it is not there."""
    with contextlib.suppress(OSError):
        with urllib.request.urlopen(f"{address}/{what}?token={TOKEN}", timeout=5) as answer:
            return json.load(answer)


def wait_for(condition, seconds: float, otherwise: str):
    """What the condition returns once it is true."""
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, otherwise
        time.sleep(0.25)
    return found


@pytest.fixture(scope="module")
def page(lab):
    """The notebook in the browser, every cell run."""
    address, folder = lab
    with sync_api.sync_playwright() as p:
        browser = p.chromium.launch(executable_path=BROWSER, args=QUIET)
        page = browser.new_page(viewport={"width": 1400, "height": 1000})
        page.goto(f"{address}/lab/tree/{NAME}?token={TOKEN}&reset")
        page.locator(".jp-Notebook .jp-CodeCell").first.wait_for(timeout=60_000)
        wait_for(lambda: ask(address, "api/kernels"), 60, "no kernel started")
        page.get_by_role("menuitem", name="Run", exact=True).click()
        page.get_by_text("Run All Cells", exact=True).click()
        prompts = page.locator(".jp-CodeCell .jp-InputPrompt")
        trouble = page.locator('[data-mime-type="application/vnd.jupyter.error"]')

        def done():  # check cells are folded away and have no prompt to be seen
            assert not trouble.count(), trouble.first.inner_text()
            numbers = [text for text in prompts.all_inner_texts() if text.strip()]
            return len(numbers) > 20 and all(re.fullmatch(r"\[\d+\]:", text.strip()) for text in numbers)

        wait_for(done, PATIENCE, "the cells did not end in time")
        yield page
        if os.environ.get("COURSE_SCREENSHOT"):
            page.screenshot(path=os.environ["COURSE_SCREENSHOT"])
        browser.close()


@pytest.fixture(scope="module")
def explorer(page):
    """The first explorer's box of widgets."""
    box = page.locator(".widget-vbox", has=page.locator(".explorer-readout")).first
    box.locator(".noUi-handle").first.wait_for(timeout=60_000)
    box.scroll_into_view_if_needed()
    return box


def pictures(box) -> list[str]:
    """Digests of the bytes of the video picture and of the panel."""
    script = "async i => Array.from(new Uint8Array(await (await fetch(i.src)).arrayBuffer()))"
    images = box.locator("img.widget-image, .widget-image img, img")
    assert images.count() == 2
    return [hashlib.sha256(bytes(images.nth(k).evaluate(script))).hexdigest() for k in range(2)]


def shown(box) -> str:
    return box.locator(".explorer-readout").inner_text()


def steps(box) -> tuple[int, int]:
    """(step in the line of text, step beside the slider)"""
    number = re.match(r"step (\d+) of", shown(box))
    beside = box.locator(".widget-slider .widget-readout").first.inner_text()
    return int(number[1]) if number else -1, int(beside)


def test_every_cell_ran_without_an_error(lab, page):
    page.keyboard.press("Control+s")
    path = lab[1] / NAME

    def saved():
        try:
            nb = nbformat.read(path, as_version=4)
        except nbformat.reader.NotJSONError:  # JupyterLab is writing it
            return None
        codes = [cell for cell in nb.cells if cell.cell_type == "code"]
        return codes if all(cell.execution_count for cell in codes) else None

    for cell in wait_for(saved, 60, "the notebook was not saved"):
        bad = [o for o in cell.outputs if o.output_type == "error" or o.get("name") == "stderr"]
        assert not bad, (cell.source, bad)


def test_the_slider_drives_frame_cursor_and_readout(explorer, page):
    before, start = pictures(explorer), steps(explorer)[0]
    handle = explorer.locator(".noUi-handle").first
    track, knob = explorer.locator(".noUi-target").first.bounding_box(), handle.bounding_box()
    page.mouse.move(knob["x"] + knob["width"] / 2, knob["y"] + knob["height"] / 2)
    page.mouse.down()
    page.mouse.move(track["x"] + 0.7 * track["width"], track["y"] + track["height"] / 2, steps=8)
    page.mouse.up()
    wait_for(lambda: steps(explorer)[0] == steps(explorer)[1] != start, 60, f"the line still says {shown(explorer)!r}")
    assert all(new != old for new, old in zip(pictures(explorer), before, strict=True))

    at, before = steps(explorer)[0], pictures(explorer)
    handle.press("ArrowRight")
    wait_for(lambda: steps(explorer) == (at + 1, at + 1), 60, f"one step on, the line says {shown(explorer)!r}")
    assert pictures(explorer)[1] != before[1]


def test_a_click_on_a_neuron_plays_the_episode_again(explorer):
    before = pictures(explorer)
    button = explorer.locator("button.widget-toggle-button", has_text=re.compile(r"^\s*2\s*$")).first
    button.click()
    wait_for(lambda: "held: 2 at" in shown(explorer), 60, f"the line says {shown(explorer)!r}")
    assert pictures(explorer)[1] != before[1]
    explorer.get_by_role("button", name="heal all").click()
    wait_for(lambda: "held" not in shown(explorer), 60, f"the line says {shown(explorer)!r}")
