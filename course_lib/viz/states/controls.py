"""The explorer's widgets: slider, player, a button a neuron. No JavaScript of its own, so it runs on Colab too."""

from __future__ import annotations

import html

import ipywidgets as w

from course_lib.viz.states.dashboard import encode

INTERVAL = 120  # ms from one step to the next while playing: what a slow machine can follow


class Controls:
    """Ties widgets to an `Explorer`; `box` is what is displayed."""

    def __init__(self, explorer):
        self.explorer = explorer
        self._quiet = False  # true while widgets are set from Python, so that they do not answer back
        last, neurons = len(explorer.record) - 1, explorer.record.neurons
        self.slider = w.IntSlider(value=explorer.step, min=0, max=last, description="step", continuous_update=True)
        self.slider.layout.flex = "1 1 auto"
        self.play = w.Play(value=explorer.step, min=0, max=last, interval=INTERVAL, show_repeat=False)
        w.jslink((self.play, "value"), (self.slider, "value"))
        self.video = w.Image(format="jpeg", width=explorer.size[0], height=explorer.size[1])
        self.panel = w.Image(format="png")
        self.panel.layout.width = "100%"
        self.panel.layout.max_width = f"{explorer.picture.shape[1]}px"
        self.readout = w.HTML()
        self.readout.add_class("explorer-readout")
        narrow = w.Layout(width="44px", margin="1px")
        self.buttons = [
            w.ToggleButton(description=str(k), layout=narrow, tooltip=f"hold neuron {k} still and play again")
            for k in range(neurons)
        ]
        self.where = w.Dropdown(options=[("0", False), ("its own mean", True)], value=False, description="hold at")
        self.where.layout.width, self.where.style.description_width = "170px", "50px"
        self.heal = w.Button(description="heal all", tooltip="let every neuron go")
        self.again = w.Button(description="replay", tooltip="simulate again and go to step 0")
        self.fresh = w.Button(description="another start", tooltip="simulate from the next seed")
        for each in (self.heal, self.again, self.fresh):
            each.layout.width = "110px"
        self.slider.observe(self._moved, "value")
        self.where.observe(self._clicked, "value")
        for button in self.buttons:
            button.observe(self._clicked, "value")
        self.heal.on_click(self._heal)
        self.again.on_click(lambda _: self.explorer.replay())
        self.fresh.on_click(lambda _: self.explorer.replay(self.explorer.seed + 1))
        self.box = self._arrange()
        self.refresh()

    def _arrange(self):
        wrap = w.Layout(flex_flow="row wrap")
        hint = "<b>Click a neuron</b> to hold it still; the episode is played again."
        right = w.VBox(
            [
                w.HBox([self.play, self.slider]),
                self.readout,
                w.HTML(hint),
                w.HBox(self.buttons, layout=wrap),
                w.HBox([self.where, self.heal, self.again, self.fresh], layout=wrap),
            ],
            layout=w.Layout(flex="1 1 380px", min_width="0", max_width="640px"),  # beside the video where it fits
        )
        return w.VBox([w.HBox([self.video, right], layout=wrap), self.panel])

    # -------------------------------------------------------------------------- from Python to the widgets
    def refresh(self) -> None:
        """Show the explorer's present step."""
        explorer = self.explorer
        self.video.value = encode(explorer.frame(), "jpeg")
        self.panel.value = encode(explorer.picture)
        self.readout.value = f"<small>{html.escape(explorer.text)}</small>"
        self._quiet, before = True, self._quiet
        self.slider.value = explorer.step
        for k, button in enumerate(self.buttons):
            button.value = k in explorer.held
            button.button_style = "danger" if button.value else ""
        self._quiet = before

    def rescale(self) -> None:
        """A new episode may have another length."""
        self._quiet, before = True, self._quiet
        last = len(self.explorer.record) - 1
        for each in (self.play, self.slider):
            each.value = min(each.value, last)
            each.max = last
        self._quiet = before

    # -------------------------------------------------------------------------- from the widgets to Python
    def _moved(self, change) -> None:
        if not self._quiet:
            self.explorer.step = min(change["new"], len(self.explorer.record) - 1)

    def _clicked(self, _) -> None:
        if not self._quiet:
            mean = self.where.value
            self.readout.value = "<small>playing again…</small>"
            self.explorer.ablate({k: None if mean else 0.0 for k, button in enumerate(self.buttons) if button.value})

    def _heal(self, _) -> None:
        self.explorer.ablate({})
