"""Training and sweeps for notebooks: with a curve that grows under the cell, or in the background.

The training loop is `rl.train.train` and the search is `sweeps.sweep`. This module shows their progress.
"""

from __future__ import annotations

import html
import threading

from course_lib import sweeps
from course_lib.errors import check_count
from course_lib.rl.train import Run, check_free
from course_lib.rl.train import train as train_quietly
from course_lib.sweeps import Sweep
from course_lib.viz.live import has_front_end, live_plots
from course_lib.viz.sweeps.figures import live_histories


def train(agent, env_steps: int, *, live: bool = False, progress: bool = True, callbacks: tuple = (), **options) -> Run:
    """Train for `env_steps` more transitions and return the run. Interrupting keeps everything so far.

    Args:
        agent: an agent, or a `Run` to continue (its curve goes on).
        env_steps: transitions over all copies; rounded up to whole iterations.
        live: draw the learning curve in place while it grows (in a notebook); its line of numbers replaces the bar.
        progress, callbacks, options: see `rl.train.train` (folder, resume, log, max_seconds, …).
    """
    plots = live_plots() if live else []
    return train_quietly(agent, env_steps, progress=progress and not plots, callbacks=(*callbacks, *plots), **options)


def sweep(*args, live: bool = False, callbacks: tuple = (), **options) -> Sweep:
    """Try settings of an algorithm, each in a full training run. Arguments: see `sweeps.sweep`.

    `live` draws the trials and the best so far in place as they come in (in a notebook).
    """
    histories = live_histories() if live else []
    return sweeps.sweep(*args, callbacks=(*callbacks, *histories), **options)


class Background:
    """Training in its own thread. Attributes: `run` (its curve grows), `running`."""

    def __init__(self, run, work):
        self.run = run
        self._stop = threading.Event()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._work, args=(work,), name="training", daemon=True)
        self.button = None

    def _work(self, work) -> None:
        try:
            work(self._stop)
        except BaseException as error:  # raised again in the caller's thread by wait()
            self._error = error
        finally:
            if self.button is not None:
                self.button.done(self.run, self._error)

    @property
    def running(self) -> bool:
        return self._thread.is_alive()

    def stop(self) -> None:
        """Ask training to end after the current iteration; the run keeps everything so far."""
        self._stop.set()

    def wait(self, timeout: float | None = None):
        """Wait for the end (at most `timeout` s) and return the run; ■ stops training and returns it too."""
        try:
            self._thread.join(timeout)
        except KeyboardInterrupt:
            self.stop()
            self._thread.join()
        if self._error is not None:
            error, self._error = self._error, None
            raise error
        return self.run

    def __repr__(self) -> str:
        return f"Background({'running' if self.running else 'finished'}: {self.run!r})"


class StopButton:
    """A button that stops a `Background`. One line of text replaces it when training ends."""

    def __init__(self, background: Background):
        import ipywidgets
        from IPython.display import display

        self._button = ipywidgets.Button(
            description="Stop", icon="stop", button_style="warning", tooltip="Stop training"
        )
        self._button.on_click(lambda _: self._press(background))
        self._handle = display(self._button, display_id=True)

    def _press(self, background: Background) -> None:
        self._button.disabled, self._button.description = True, "Stopping…"
        background.stop()

    def done(self, run, error: BaseException | None = None) -> None:
        from IPython.display import HTML

        how = f"stopped by {type(error).__name__}: {error}" if error else run.interrupted or "finished"
        self._handle.update(HTML(f"<small>training {html.escape(how)} at {run.agent.env_steps:,} steps</small>"))
        self._button.close()


def background(agent, env_steps: int, *, live: bool = True, callbacks: tuple = (), **options) -> Background:
    """Train like `train`, but in the background: you can run other cells meanwhile.

    In a notebook a Stop button and the live curve appear. On the `Background` that this returns, `wait()` gives the
    finished run, and `run` is the run while it grows.
    """
    check_count("env_steps", env_steps)  # a wrong argument is better told here than from a thread
    run = agent if isinstance(agent, Run) else Run(agent)
    check_free(run.agent)
    plots = live_plots() if live else []
    for plot in plots:
        plot.place()  # here, in the caller's cell; the thread would draw below whichever cell runs by then
    options = {"progress": False, **options, "callbacks": (*callbacks, *plots)}
    handle = Background(run, lambda stop: train_quietly(run, env_steps, stop=stop, **options))
    if has_front_end():
        try:
            handle.button = StopButton(handle)
        except ImportError:  # no ipywidgets: handle.stop() remains
            pass
    handle._thread.start()
    return handle
