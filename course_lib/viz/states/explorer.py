"""The explorer: one slider moves video, states, time constants and phase portraits. Click a neuron to hold it still.

explorer = Explorer(cl.load("pendulum_ltc"), reset_noise_scale=0.1)
explorer                       # the last line of a cell: the widget, and a picture where widgets do not run
explorer.step = 40
explorer.ablate({3: 0.0})      # neuron 3 held at 0; the episode is played again
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from course_lib.errors import ArgumentError
from course_lib.render.open import open_camera
from course_lib.viz.states.dashboard import Dashboard, encode
from course_lib.viz.states.phase import check_step
from course_lib.viz.states.states import Record, check_held, record, recurrent

WIDGET = "application/vnd.jupyter.widget-view+json"


class Explorer:
    """An episode of a recurrent policy, to step through and to play again with neurons held still.

    Args:
        policy: an agent, a run or a recurrent policy.
        seed: seed of the start state.
        steps: largest number of control steps.
        step: where the cursor is at first.
        pushes: disturbances, step -> what is added to the action at that step.
        planes, action: for the phase portraits, see `Dashboard`.
        width, height: size of the video in pixels.
        env_options: for the environment, e.g. reset_noise_scale=0.1.
    """

    def __init__(
        self,
        policy,
        seed: int = 0,
        steps: int = 150,
        *,
        step: int = 0,
        pushes: Mapping[int, float] | None = None,
        planes: list[tuple[int, int]] | None = None,
        action: int = 0,
        width: int = 320,
        height: int = 240,
        **env_options,
    ):
        self.policy = recurrent(policy)
        self.seed, self.steps, self.env_options = seed, steps, {"pushes": pushes, **env_options}
        self.size = (width, height)
        self._drawing = {"planes": planes, "action": action}
        self.held: dict[int, float] = {}
        self.whole = self._play({})
        self._widget = self._lens = self.dashboard = None
        self._show(self.whole)
        self.step = min(step, len(self.record) - 1)

    # ---------------------------------------------------------------------------------- the Python handle
    @property
    def step(self) -> int:
        """The control step that is shown; set it to move the cursor."""
        return self._step

    @step.setter
    def step(self, step: int) -> None:
        self._step = check_step(self.record, step)
        self.picture = self.dashboard.draw(self._step)
        if self._widget is not None:
            self._widget.refresh()

    def ablate(self, held: Mapping[int, float | None] | None = None) -> Record:
        """Play the same episode again with the neurons in `held` (neuron -> value) held still; {} releases all.

        The value None means the neuron's own mean in the untouched episode. Returns the new record.
        """
        given = {} if held is None else held
        if isinstance(given, Mapping):
            means = self.whole.states.mean(0)
            inside = {k for k in given if hasattr(k, "__index__") and 0 <= k < len(means)}
            given = {k: float(means[k]) if v is None and k in inside else v for k, v in given.items()}
        self.held = check_held(given, self.whole.neurons)
        self._show(self._play(self.held) if self.held else self.whole)
        self.step = min(self._step, len(self.record) - 1)
        return self.record

    def replay(self, seed: int | None = None) -> Record:
        """Play again, from the start of `seed` if one is given, with the same neurons held; the cursor goes to 0."""
        self.seed = self.seed if seed is None else seed
        self.whole = self._play({})  # the policy may have learned since
        self._step = 0
        return self.ablate(self.held)

    @property
    def text(self) -> str:
        """What the line under the slider says."""
        t, r = self._step, self.record
        parts = [f"step {t} of {len(r) - 1}", f"{t * r.dt:.2f} s"]
        parts.append(f"{r.action_names[self.dashboard.action]} {r.actions[t, self.dashboard.action]:+.2f}")
        parts.append(f"value {r.values[t]:+.2f}")
        fate = "ended" if r.ended else "still going"
        parts.append(f"return {r.rollout.episode_return:.0f} after {len(r)} steps, {fate}")
        if self.held:
            parts.append("held: " + ", ".join(f"{k} at {v:+.2f}" for k, v in sorted(self.held.items())))
            parts.append(f"whole: {self.whole.rollout.episode_return:.0f} after {len(self.whole)}")
        return "  ·  ".join(parts)

    def frame(self) -> np.ndarray:
        """The video picture of the current step (H, W, 3) uint8."""
        return self.film[self._step]

    def png(self) -> bytes:
        """Video picture above dashboard, as one PNG: what a page without widgets shows."""
        wide = self.picture.shape[1]
        strip = self._strip()
        page = np.full((strip.shape[0] + self.picture.shape[0], max(wide, strip.shape[1]), 3), 255, np.uint8)
        page[: strip.shape[0], : strip.shape[1]] = strip
        page[strip.shape[0] :, :wide] = self.picture
        return encode(page)

    def _strip(self, count: int = 5) -> np.ndarray:
        """The present video picture and some before and after it, side by side, as wide as the dashboard."""
        from PIL import Image

        from course_lib.viz.film import write_on

        last = len(self.film) - 1
        count, reach = min(count, last + 1), min(60, last)
        first = min(max(self._step - reach // 2, 0), last - reach)
        steps = np.linspace(first, first + reach, count).round().astype(int)
        steps[abs(steps - self._step).argmin()] = self._step
        wide = self.picture.shape[1] // count
        tall = max(1, round(self.size[1] * wide / self.size[0]))
        small = [np.asarray(Image.fromarray(self.film[t]).resize((wide, tall))) for t in steps]
        return np.hstack([write_on(p, f"step {t}") for p, t in zip(small, steps, strict=True)])

    # ------------------------------------------------------------------------------------------- inside
    def _play(self, held: Mapping[int, float]) -> Record:
        return record(self.policy, self.seed, self.steps, held, **self.env_options)

    def _show(self, played: Record) -> None:
        whole = None if played is self.whole else self.whole
        if self._lens is None:
            self._lens = lens_for(played, *self.size)
        self.record, self.film = played, Film(played, self._lens)
        if self.dashboard is None:
            self.dashboard = Dashboard(self.policy, played, whole, **self._drawing)
        else:
            self.dashboard.show(played, whole)
        if self._widget is not None:
            self._widget.rescale()

    def widget(self):
        """The ipywidgets box, made when first asked for."""
        if self._widget is None:
            from course_lib.viz.states.controls import Controls

            self._widget = Controls(self)
        return self._widget.box

    def _repr_mimebundle_(self, include=None, exclude=None) -> tuple[dict, dict]:
        from base64 import b64encode

        bundle = {"text/plain": repr(self), "image/png": b64encode(self.png()).decode("ascii")}
        told = {"image/png": {"alt": f"{self.text}: the robot, its states, time constants and phase portraits"}}
        try:
            model = self.widget().model_id
        except ImportError:  # without ipywidgets the picture remains
            return bundle, told
        return {**bundle, WIDGET: {"version_major": 2, "version_minor": 0, "model_id": model}}, told

    def __repr__(self) -> str:
        return f"Explorer({self.text})"


class Film:
    """The pictures of an episode, (H, W, 3) uint8 each. They are only drawn when they are looked at."""

    def __init__(self, played: Record, lens):
        self._physics, self._lens = played.rollout.physics, lens
        self._lookat = lens.follow(self._physics)
        self._drawn: dict[int, np.ndarray] = {}

    def __len__(self) -> int:
        return len(self._physics)

    def __getitem__(self, step: int) -> np.ndarray:
        if step not in self._drawn:
            self._drawn[step] = self._lens.frame(self._physics[step], self._lookat[step])
        return self._drawn[step]


def lens_for(played: Record, width: int, height: int):
    """A camera for the environment of an episode."""
    rollout = played.rollout
    if rollout.model is None:
        raise ArgumentError(f"env_id={rollout.env_id!r} has no MuJoCo model to draw; accepted: MuJoCo environments")
    return open_camera(rollout.model, width, height)
