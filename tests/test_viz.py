"""Figures, live plot and videos, with and without OpenGL and ffmpeg."""

import io
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import IPython.display
import numpy as np
import pytest
import torch
from IPython.display import HTML, Image

import course_lib as cl
from course_lib.course import session
from course_lib.errors import ArgumentError
from course_lib.evaluation.rollout import rollout_states
from course_lib.render import gl
from course_lib.render import open as opening
from course_lib.viz import curves, film, live, video


class Sine(cl.Policy):
    """A policy that needs no training."""

    def __init__(self, dim=6, obs_dim=17):
        super().__init__(obs_dim, dim)
        self.t, self.env_id = 0, "HalfCheetah-v5"

    def choose(self, x, state, rng):
        self.t += 1
        return (0.8 * torch.sin(0.8 * self.t + torch.arange(self.act_dim))).expand(len(x), -1), state


@pytest.fixture(scope="module")
def rollout():
    return rollout_states(Sine(), steps=40)


@pytest.fixture
def no_gl(monkeypatch):
    monkeypatch.setattr(gl, "_chosen", "none")
    monkeypatch.setattr(opening, "_told", set())


def curve(top, seed=0, n=60):
    rng = np.random.default_rng(seed)
    steps = np.arange(1, n + 1) * 2048
    value = top * (1 - np.exp(-steps / 5e4)) + rng.normal(size=n) * top * 0.02
    value[:3] = np.nan
    rest = {k: rng.random(n) for k in ("approx_kl", "clip_fraction", "explained_variance", "entropy")}
    return {"env_steps": steps, "wall_seconds": steps / 9e3, "return_mean": value, **rest}


def kilobytes(figure):
    out = io.BytesIO()
    figure.savefig(out, format="png", dpi=figure.dpi)
    return len(out.getvalue()) / 1e3


# --- curves ---------------------------------------------------------------------------------


def test_compare_draws_groups_with_their_seed_count():
    figure = curves.compare({"a": [curve(100, s) for s in range(4)], "b": curve(50)}, target=80)
    texts = [t.get_text() for t in figure.axes[0].get_legend().get_texts()]
    assert texts == ["a (4 seeds)", "b (1 seed)", "target 80"]
    assert figure.axes[0].get_xlabel() == "environment steps" and "return" in figure.axes[0].get_ylabel()
    assert kilobytes(figure) < 60 and figure.get_size_inches()[0] <= 7


def test_compare_accepts_lists_and_labels():
    runs = [curve(100, s) for s in range(3)]
    for given in (runs, [{"curve": c} for c in runs], runs[0]):
        assert len(curves.compare(given, x="wall_seconds").axes[0].get_lines()) == 1
    figure = curves.compare(runs, labels=["x", "x", "y"])
    assert [t.get_text() for t in figure.axes[0].get_legend().get_texts()] == ["x (2 seeds)", "y (1 seed)"]
    figure = curves.compare([runs[:2], runs[2:]], labels=["x", "y"])
    assert [t.get_text() for t in figure.axes[0].get_legend().get_texts()] == ["x (2 seeds)", "y (1 seed)"]


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda: curves.compare([]), "empty"),
        (lambda: curves.compare([curve(1)], labels=["a", "b"]), "labels has 2"),
        (lambda: curves.compare(curve(1), key="return_men"), "did you mean 'return_mean'"),
        (lambda: curves.compare(curve(1), statistic="mode"), "median"),
        (lambda: curves.compare([3]), "int without a curve"),
        (lambda: curves.bars({"a": [np.nan]}), "finite"),
        (lambda: curves.prediction_overlay(curves.compare(curve(1)), [(0, 1)]), "points"),
    ],
)
def test_bad_input_gets_a_sentence(call, words):
    with pytest.raises(ArgumentError, match=words):
        call()


def test_middle_and_band_agree_with_plain_numpy():
    x = np.random.default_rng(0).normal(size=(8, 5))
    assert np.allclose(curves.middle(x, "median"), np.median(x, axis=0))
    # With 8 values the interquartile mean is exactly the mean of the middle four.
    assert np.allclose(curves.middle(x, "iqm"), np.sort(x, axis=0)[2:6].mean(axis=0))
    low, high = curves.band(x, "mean", draws=4000)
    se = x.std(axis=0) / np.sqrt(8)
    assert np.allclose((high - low) / 2, 1.96 * se, rtol=0.15)
    assert np.isnan(curves.band(x[:1])).all()


def test_a_run_too_short_for_one_episode_still_gives_figures():
    short = {k: v[:3] for k, v in curve(100).items()}
    figure = curves.compare({"a": short, "b": curve(50)})
    assert "no finished episode" in figure.axes[0].get_legend().get_texts()[0].get_text()
    curves.prediction_overlay(curves.compare(short), [(0, 1), (5, 2)])
    curves.learning_curve(short)
    run = FakeRun()
    run.step(2)
    assert live.png([], run)[:4] == b"\x89PNG" and "no episode" in live.svg([], 100, live.numbers(run.latest))


def test_other_figures_are_small_and_labelled():
    figure = curves.learning_curve(curve(100))
    assert len(figure.axes) == 5 and kilobytes(figure) < 60
    figure = curves.bars({"all": [3.0, 4, 5], "none": [1.0]}, target=4)
    assert "line: range, dots" in figure.axes[0].get_xlabel()  # three values have no interval worth the name
    figure = curves.bars({"all": [3.0, 4, 5, 6, 7], "none": [1.0]}, target=4)
    assert "bootstrap" in figure.axes[0].get_xlabel() and kilobytes(figure) < 60


def test_prediction_tells_how_far_it_was():
    flat = {"env_steps": np.arange(10), "return_mean": np.full(10, 5.0)}
    figure = curves.prediction_overlay(curves.compare(flat), [(0, 3), (9, 3)])
    assert "off by 2 on average" in figure.axes[0].get_legend().get_texts()[-1].get_text()


# --- live -----------------------------------------------------------------------------------


class FakeRun:
    target = 100_000

    def __init__(self):
        self.curve, self.latest = {}, {}

    def step(self, k):
        self.latest = {
            "env_steps": k * 500,
            "wall_seconds": 0.1 * k,
            "return_mean": float(k) if k > 3 else np.nan,
        }


class Screen:
    """Stands in for IPython's display: counts what is put on the page."""

    def __init__(self):
        self.outputs, self.updates = [], 0

    def __call__(self, thing, display_id):
        self.outputs.append(thing)
        self.show()
        return self

    def update(self, thing):
        self.outputs[-1] = thing
        self.updates += 1
        self.show()

    def show(self):
        """What it takes to show a thing."""


def test_live_plot_is_cheap_and_leaves_one_picture(monkeypatch):
    now = [0.0]  # s, on a clock of our own: an update takes 0.001, a picture 0.002
    monkeypatch.setattr(live, "time", SimpleNamespace(perf_counter=lambda: now[0]))
    monkeypatch.setattr(live, "INTERVAL", 0.0)

    class Slow(Screen):
        def show(self):
            now[0] += 0.002

    screen, run = Slow(), FakeRun()
    plot = live.LivePlot(display=screen)
    plot.on_start(run)
    for k in range(2000):
        run.step(k)
        now[0] += 0.001
        plot.on_update(run)
    # Each picture buys a pause of a hundred times what it cost, even with no shortest interval set.
    assert 5 < screen.updates < 20 and 0.002 * screen.updates <= 0.01 * now[0]
    assert len(screen.outputs) == 1 and "<svg" in screen.outputs[0].data and "nan" not in screen.outputs[0].data
    plot.on_end(run)
    assert len(screen.outputs) == 1 and screen.outputs[0].data[:4] == b"\x89PNG"


@pytest.mark.parametrize("points", [[(1, 5.0)], [(1, -3.0), (2, -3.0)], [(k, 1e5 * k) for k in range(1000)]])
def test_svg_is_well_formed(points):
    import xml.etree.ElementTree as ET

    text = live.svg(points, 0, "a < b & c")
    ET.fromstring(text)
    assert "nan" not in text and len(text) < 20_000


def test_outside_a_notebook_nothing_is_drawn():
    assert live.live_plots() == [] and not live.has_front_end()


@pytest.fixture
def notebook(monkeypatch):
    """As in a cell of a notebook that somebody looks at: what is shown there."""
    screen = Screen()
    monkeypatch.setattr(live, "_shell", lambda: SimpleNamespace(kernel=SimpleNamespace(_allow_stdin=True)))
    monkeypatch.setattr(live, "INTERVAL", 0.0)
    monkeypatch.setattr(live, "SHARE", np.inf)
    monkeypatch.setattr(IPython.display, "display", screen)
    return screen


@pytest.mark.parametrize("among_others", [False, True])
def test_train_draws_where_it_is_asked_to_in_a_notebook(notebook, capsys, among_others):
    class Looking:
        """A callback of one's own, beside the plot."""

        def __init__(self):
            self.steps = []

        def on_update(self, run):
            self.steps.append(run.agent.env_steps)
            assert notebook.outputs == [] or isinstance(notebook.outputs[0], HTML)

    agent, mine = cl.PPO(cl.make("InvertedPendulum-v5", num_envs=64)), Looking()
    run = cl.train(agent, 8000, live=True, callbacks=(mine,) if among_others else ())
    assert "steps" not in capsys.readouterr().out
    assert len(notebook.outputs) == 1 and isinstance(notebook.outputs[0], Image)
    assert notebook.outputs[0].data[:4] == b"\x89PNG"
    assert len(run.curve["env_steps"]) > 1 and notebook.updates == len(run.curve["env_steps"])
    assert mine.steps == (list(run.curve["env_steps"]) if among_others else [])


def test_train_draws_nothing_unasked_or_without_a_notebook(notebook, capsys, monkeypatch):
    agent = cl.PPO(cl.make("InvertedPendulum-v5", num_envs=64))
    run = cl.train(agent, 100)
    assert notebook.outputs == [] and "steps" in capsys.readouterr().out
    monkeypatch.setattr(live, "_shell", lambda: None)
    cl.train(run, 100, live=True)
    assert notebook.outputs == [] and "steps" in capsys.readouterr().out
    cl.train(run, 100, live=True, progress=False)
    assert "steps" not in capsys.readouterr().out


def test_background_stops_and_keeps_the_run():
    agent = cl.PPO(cl.make("InvertedPendulum-v5", num_envs=64))
    handle = session.background(agent, 10_000_000)
    while not handle.run.curve and handle.running:
        time.sleep(0.01)
    handle.stop()
    run = handle.wait(30)
    assert not handle.running and run.interrupted and len(run.curve["env_steps"]) >= 1


def test_an_agent_is_trained_by_one_at_a_time():
    agent = cl.PPO(cl.make("InvertedPendulum-v5", num_envs=64))
    handle = session.background(agent, 10_000_000)
    while not handle.run.curve and handle.running:
        time.sleep(0.01)
    for again in (lambda: cl.train(agent, 100), lambda: session.background(handle.run, 100)):
        with pytest.raises(ArgumentError, match="agent=one that is being trained already, in the background"):
            again()
    handle.stop()
    cl.train(handle.wait(30), 100, progress=False)


def test_background_hands_errors_over():
    class Broken:
        def on_update(self, run):
            raise OSError("no space left")

    handle = session.background(cl.PPO(cl.make("InvertedPendulum-v5", num_envs=64)), 100, callbacks=[Broken()])
    with pytest.raises(OSError, match="no space"):
        handle.wait(30)


# --- video ----------------------------------------------------------------------------------


def test_rollout_holds_one_episode(rollout):
    assert len(rollout) == 40 and rollout.physics.shape == (40, 19) and rollout.actions.shape == (40, 6)
    assert np.allclose(rollout.physics[:, 0], np.arange(40) * rollout.dt)
    again = rollout_states(Sine(), steps=40)
    assert np.array_equal(again.physics, rollout.physics)
    ended = rollout_states(Sine(1, 4), "InvertedPendulum-v5")
    assert len(ended) < 1000 and ended.fps == pytest.approx(25)


def test_gymnasiums_own_environments_are_drawn_too():
    pushed = rollout_states(Sine(7, 23), "Pusher-v5", steps=3)
    assert pushed.physics.shape[0] == 3 and pushed.dt == pytest.approx(0.05)
    with pytest.raises(ArgumentError, match="no MuJoCo model"):
        rollout_states(Sine(1, 3), "Pendulum-v1", steps=3)


@pytest.mark.skipif(gl.choose_gl_backend() == "none", reason="no OpenGL here")
def test_any_thread_may_draw_next():
    """JupyterLab answers widgets in a thread of its own; an OpenGL context belongs to the thread that used it last."""
    played, found = rollout_states(cl.load("pendulum_ltc"), seed=0, steps=3), []

    def draw():
        try:
            found.append(lens.frame(played.physics[0]))
        except Exception as error:
            found.append(error)

    with opening.open_camera(played.model, 160, 120) as lens:
        first = lens.frame(played.physics[0])
        threads = [threading.Thread(target=draw) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert all(isinstance(picture, np.ndarray) and (picture == first).all() for picture in found), found
        assert (lens.frame(played.physics[0]) == first).all()


@pytest.mark.skipif(gl.choose_gl_backend() == "none", reason="no OpenGL here")
def test_marks_on_the_rail_are_as_far_apart_as_the_cart_moves(monkeypatch):
    played = rollout_states(cl.load("pendulum_ltc"), seed=0, steps=2)
    state, centres = played.physics[0], []
    with opening.open_camera(played.model, 320, 240) as lens:
        plain = lens.frame(state)
        for x in (-0.5, 0.0, 0.5):  # qpos follows the time: the place of the cart in m
            moved = state.copy()
            moved[1] = x
            picture = lens.frame(moved).astype(int)
            yellow = picture[..., 0] - picture[..., 2] > 60
            centres.append(np.flatnonzero(yellow.any(axis=0)).mean())
        monkeypatch.setattr(type(lens), "_marks", lambda self, scene: None)
        marks = np.flatnonzero((lens.frame(state) != plain).any(axis=(0, 2)))
    groups = [group.mean() for group in np.split(marks, np.flatnonzero(np.diff(marks) > 4) + 1)]
    assert len(groups) == 5 and groups[1:4] == pytest.approx(centres, abs=2)


@pytest.mark.skipif(gl.choose_gl_backend() == "none", reason="no OpenGL here")
def test_render_with_opengl(rollout):
    frames = video.render(rollout, width=160, height=120, caption="sine")
    assert frames.shape == (40, 120, 160, 3) and frames.dtype == np.uint8 and frames.fps == pytest.approx(20)
    # The orange front leg is in every picture: the camera follows.
    red, blue = frames[..., 0].astype(int), frames[..., 2].astype(int)
    assert ((red - blue > 100).sum(axis=(1, 2)) > 20).all()
    with pytest.raises(ArgumentError, match="did you mean 'track'"):
        video.render(rollout, camera="trak")


def test_render_without_opengl_draws_and_says_the_cure_once(rollout, no_gl, capsys):
    frames = video.render(rollout, width=160, height=120)
    video.render(rollout, width=160, height=120, fps=10)
    assert frames.shape == (40, 120, 160, 3)
    assert capsys.readouterr().out.count("apt-get install -y libegl1") == 1
    red, blue = frames[..., 0].astype(int), frames[..., 2].astype(int)
    assert ((red - blue > 100).sum(axis=(1, 2)) > 20).all()


@pytest.mark.parametrize("name", ["InvertedPendulum-v5", "Ant-v5", "Reacher-v5"])
def test_drawing_knows_every_kind_of_robot(name, no_gl):
    widths = {"InvertedPendulum-v5": (1, 4), "Ant-v5": (8, 105), "Reacher-v5": (2, 10)}
    frames = video.render(Sine(*widths[name]), name, steps=4)
    assert frames[0].std() > 5


def test_save_video_is_whole_or_absent(rollout, no_gl, tmp_path, monkeypatch):
    frames = video.render(rollout, width=161, height=121)
    path = video.save_video(tmp_path / "new" / "a.mp4", frames)
    assert path.stat().st_size > 1000 and list(path.parent.iterdir()) == [path]
    assert video.save_video(tmp_path / "a.gif", frames[:5]).read_bytes()[:3] == b"GIF"
    with pytest.raises(ArgumentError, match=".mp4 or .gif"):
        video.save_video(tmp_path / "a.txt", frames)
    with pytest.raises(ArgumentError, match="shape"):
        video.save_video(tmp_path / "b.mp4", frames[0])
    import mediapy

    def fail(*args, **kwargs):
        (tmp_path / f".c.{os.getpid()}.mp4").write_bytes(b"half")
        raise RuntimeError("disk full")

    monkeypatch.setattr(mediapy, "write_video", fail)
    with pytest.raises(film.VideoError, match="disk full"):
        video.save_video(tmp_path / "c.mp4", frames)
    assert not [p for p in tmp_path.iterdir() if p.name.startswith((".c", "c"))]


def test_without_ffmpeg_there_is_a_sentence(rollout, no_gl, tmp_path, monkeypatch):
    import imageio_ffmpeg

    def none():
        raise RuntimeError("No ffmpeg exe could be found.")

    monkeypatch.setattr(imageio_ffmpeg, "get_ffmpeg_exe", none)
    with pytest.raises(film.VideoError, match="pip install imageio-ffmpeg"):
        video.save_video(tmp_path / "a.mp4", np.zeros((2, 16, 16, 3), np.uint8))


def test_a_montage_of_clips_of_different_rates_shows_the_same_moment():
    def clip(fps, seconds):  # each picture is as bright as its second, times 100
        times = np.arange(round(fps * seconds)) / fps
        return video.as_frames(np.ones((1, 8, 8, 3)) * np.round(100 * times)[:, None, None, None], fps)

    both = video.montage([clip(20, 2), clip(10, 2)])
    assert both.fps == 20 and len(both) == 40
    left, right = both[:, 4, 4, 0].astype(int), both[:, 4, 12, 0].astype(int)
    assert (left - right).tolist() == [0, 5] * 20
    other = video.montage([clip(10, 1), clip(25, 2)])
    assert other.fps == 25 and len(other) == 50 and other[30:, 4, 4, 0].tolist() == [90] * 20


def test_montage_holds_the_last_frame_of_a_short_clip():
    a, b = np.full((3, 32, 40, 3), 10, np.uint8), np.full((5, 32, 40, 3), 200, np.uint8)
    both = video.montage([a, b], ["", ""])
    assert both.shape == (5, 32, 80, 3) and (both[4, :, :40] == 10).all()
    assert video.montage([a] * 3, columns=2).shape == (3, 64, 80, 3)
    assert (video.montage([a], ["steps"])[0] > 100).any()
    with pytest.raises(ArgumentError, match="one for each"):
        video.montage([a, b], ["one"])


def test_back_end_is_switched_after_mujoco_was_imported():
    code = (
        "import os, mujoco\n"
        "os.environ['MUJOCO_GL'] = 'egl'; os.environ['COURSE_GL'] = 'egl'\n"
        "from course_lib.render import gl\n"
        "assert gl.choose_gl_backend() in ('egl', 'none')\n"
        "if gl._chosen == 'egl':\n"
        "    from mujoco.egl import GLContext\n"
        "    assert mujoco.GLContext is GLContext\n"
    )
    env = {k: v for k, v in os.environ.items() if k not in ("MUJOCO_GL", "PYOPENGL_PLATFORM", gl.PROBED)}
    root = Path(cl.__file__).parents[1]
    subprocess.run([sys.executable, "-c", code], check=True, env=env, cwd=root)


def test_candidates_respect_the_user(monkeypatch):
    monkeypatch.setenv("MUJOCO_GL", "osmesa")
    assert gl.candidates() == ["osmesa"]
    monkeypatch.setenv("MUJOCO_GL", "disable")
    assert gl.candidates() == []
    monkeypatch.delenv("MUJOCO_GL")
    monkeypatch.setattr(gl.platform, "system", lambda: "Linux")
    monkeypatch.setenv("DISPLAY", ":0")
    assert gl.candidates()[0] == "glfw" and gl.candidates()[-1] == "osmesa"
    assert not gl.probe("no-such-backend")


@pytest.mark.parametrize("content", ["", "raise OSError('no libcuda')"])
def test_triton_is_loaded_before_a_context(tmp_path, monkeypatch, content):
    (tmp_path / "triton.py").write_text(content)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "triton", raising=False)
    backend = gl.choose_gl_backend()
    gl._install("egl" if backend == "none" else backend)
    assert ("triton" in sys.modules) == (not content)
    monkeypatch.delitem(sys.modules, "triton", raising=False)
