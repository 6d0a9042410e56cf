"""`make demo`: train a liquid network of eight neurons on the inverted pendulum, evaluate it, draw its states, film it.

Less than a minute, no browser. Writes below build/demo/: learning_curve.png, hidden_states.png, network.png,
pendulum.mp4, pendulum.safetensors, and demo.html, which is an executed notebook.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

from course_lib.course.budget import budget

ENV = "InvertedPendulum-v5"
# A kernel of our own, on this machine, need not warn in the terminal that its sockets are not encrypted.
QUIET_KERNEL = {"extra_arguments": ["--log-level=40"]}
# The page: a notebook in percent format that shows the files of the run made before it.
PAGE = """\
# %% [markdown]
# # A liquid network balances a pole
# Eight liquid time-constant (LTC) neurons, trained by proximal policy optimisation (PPO) on `InvertedPendulum-v5`:
# push a cart so that the pole on it stays up. Each step earns a reward of 1; an episode ends when the pole leans by
# more than 0.2 rad, or after 1,000 steps.

# %%
import course_lib as cl

cl.setup()

# %% [markdown]
# ## Learning
# Look for the steep rise: that is where the policy stops falling over. The line is one seed. It shows episodes that
# ended during training, with exploration noise, so it ends below the return without noise that you see next.

# %%
from IPython.display import Image

from course_lib.viz.states import states

Image("learning_curve.png", alt="return over environment steps, one seed")

# %% [markdown]
# ## Evaluation
# The same policy without and with its exploration noise; the best possible return is 1,000.

# %%
policy = cl.load("pendulum.safetensors")
cl.evaluate(policy, episodes=20)

# %% [markdown]
# ## One episode

# %%
cl.show(policy, steps=200)

# %% [markdown]
# ## Inside
# What the neurons do while the cart is pushed now and then, and how they are connected. Notebook 07 looks closer.

# %%
Image("hidden_states.png", alt="states of the neurons over one episode with pushes")

# %%
cl.topology_view(policy, activations=states.record(policy, steps=100, pushes=states.random_pushes(100)).states)
"""


def train(folder: Path, steps: int):
    """Train PPO for `steps` environment steps -> the run; the policy is saved in `folder`."""
    import course_lib as cl

    envs = cl.make(ENV, num_envs=8, seed=0)
    config = cl.PPOConfig.recommended(ENV, cell=dict(name="ltc", neurons=8, critic="mlp"), lr_schedule="linear", seed=0)
    run = cl.train(cl.PPO(envs, config), steps, max_seconds=100)
    run.save_policy(folder / "pendulum.safetensors")
    return run


def draw(run, folder: Path) -> Path:
    """The learning curve as a PNG."""
    from course_lib.viz import curves

    figure = curves.learning_curve(run, title=f"PPO with 8 LTC neurons on {ENV}, one seed")
    path = folder / "learning_curve.png"
    figure.savefig(path, dpi=120)
    return path


def draw_inside(policy, folder: Path) -> list[Path]:
    """The states of an episode with pushes, and the network, as PNGs."""
    from course_lib.viz.states import state_figures, states
    from course_lib.viz.topology.paint import topology

    episode = states.record(policy, steps=100, pushes=states.random_pushes(100))
    written = []
    for name, figure in (
        ("hidden_states", state_figures.episode_figure(episode)),
        ("network", topology(policy, observation_names=episode.names, action_names=["force"])),
    ):
        written.append(folder / f"{name}.png")
        figure.savefig(written[-1], dpi=120)
    return written


def film(policy, folder: Path) -> Path:
    """Ten seconds of the policy without exploration noise as an MP4."""
    from course_lib.viz import video

    states = video.rollout_states(policy, seed=1, steps=250)
    path = folder / "pendulum.mp4"
    video.save_video(path, video.render(states, width=480, height=320), states.fps)
    return path


def write_page(folder: Path) -> Path | None:
    """Execute PAGE in `folder` and write it as HTML; None where the notebook tools are not installed."""
    try:
        import jupytext
        from nbclient import NotebookClient
        from nbconvert import HTMLExporter
    except ImportError:
        return None
    nb = jupytext.reads(PAGE, fmt="py:percent")
    # The kernel starts in `folder`; the library must be found there too when it runs from a checkout.
    root = str(Path(__file__).resolve().parents[2])
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))
    options = {"resources": {"metadata": {"path": str(folder)}}, "store_widget_state": False} | QUIET_KERNEL
    NotebookClient(nb, timeout=180, kernel_name="python3", **options).execute()
    exporter = HTMLExporter(template_name="lab")
    # Nothing on the page needs them, and it should open without a network.
    exporter.mathjax_url = exporter.require_js_url = exporter.mermaid_js_url = ""
    body, _ = exporter.from_notebook_node(nb, resources={"metadata": {"name": "A liquid network balances a pole"}})
    path = folder / "demo.html"
    path.write_text(body, encoding="utf-8")
    return path


def main(argv: list[str] | None = None) -> int:
    """Train, evaluate, draw, film, write the page, print where everything is -> exit status."""
    parser = argparse.ArgumentParser(prog="python -m course_lib demo", description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, default=Path("build") / "demo", help="where the files go")
    parser.add_argument("--steps", type=int, default=budget(smoke=8_192, lite=40_960, full=40_960))
    args = parser.parse_args(argv)
    import course_lib as cl

    started = time.perf_counter()
    args.folder.mkdir(parents=True, exist_ok=True)
    cl.setup()
    run = train(args.folder, args.steps)
    print(cl.evaluate(run, episodes=20))
    written = [draw(run, args.folder), *draw_inside(run.policy, args.folder), film(run.policy, args.folder)]
    page = write_page(args.folder)
    if page is None:
        print("no HTML page: it needs the notebook tools; pip install 'liquid-control[dev]'")
    print(f"done in {time.perf_counter() - started:.0f} s; look at:")
    for path in [*written, *filter(None, [page])]:
        print(f"  {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
