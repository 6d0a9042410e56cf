"""The panel of notebook 10: any of some policies under any disturbance, as a video beside the undisturbed one."""

from __future__ import annotations

from collections.abc import Mapping

from course_lib.envs import make_task
from course_lib.errors import ArgumentError, check_choice
from course_lib.evaluation.rollout import rollout_states
from course_lib.viz.film import Frames, display_video, montage, video_html
from course_lib.viz.video import render

DISTURBANCES: dict[str, tuple[str, tuple[float, ...]]] = {  # title -> field of `disturb`, values to choose from
    "control rate (times)": ("rate", (0.25, 0.5, 1.0, 2.0, 4.0)),
    "noise (sd)": ("noise", (0.0, 0.1, 0.2, 0.4, 0.8)),
    "lost observations (share)": ("drop", (0.0, 0.1, 0.25, 0.5, 0.75)),
    "delay (steps)": ("delay", (0, 1, 2, 3)),
    "dead sensor (number)": ("dead", (None, 0, 1, 2, 3, 4, 5, 6, 7)),
    "mass (times)": ("mass", (0.5, 1.0, 1.5, 2.0)),
    "friction (times)": ("friction", (0.25, 0.5, 1.0, 2.0)),
    "motor strength (times)": ("strength", (0.5, 0.75, 1.0, 1.5)),
    "push (N)": ("push", (0.0, 50.0, 100.0, 200.0)),
}
SECONDS = 5.0


def played(policy, seed: int = 0, seconds: float = SECONDS, tell: bool = True, **disturb) -> tuple[Frames, float]:
    """`seconds` of an episode under `disturb` -> pictures, and the return they hold.

    tell: a cell in continuous time is told the length of a step at another control rate.
    """
    # A policy with a clock among its observations is told by that.
    rate, told = disturb.get("rate", 1.0), tell and hasattr(policy, "cell") and not getattr(policy, "clock", False)
    before = getattr(policy, "dt", 1.0)
    usual = {name: value for name, value in policy.env_options.get("disturb", {}).items() if name not in disturb}
    try:
        if told:
            policy.dt = before / rate
        own = {name: value for name, value in policy.env_options.items() if name not in ("disturb", "hide")}
        steps = round(seconds * rate / make_task(policy.env_id, **own).dt)
        episode = rollout_states(policy, seed=seed, steps=steps, disturb={**usual, **disturb})
    finally:
        if told:
            policy.dt = before
    return render(episode, width=300, height=200), episode.episode_return


def pair(policy, name: str = "", seed: int = 0, seconds: float = SECONDS, plain=None, **disturb) -> tuple[Frames, str]:
    """The undisturbed and the disturbed episode side by side, and a line that compares their returns.

    plain: what `played` gave without a disturbance, if it is known.
    """
    film, before = plain or played(policy, seed, seconds)
    changed, after = played(policy, seed, seconds, **disturb)
    what = ", ".join(f"{field} {value}" for field, value in disturb.items()) or "nothing changed"
    words = f"{name + ': ' if name else ''}{what}. Return in {seconds:g} s: {after:,.0f}, undisturbed {before:,.0f}"
    return montage([film, changed], ["undisturbed", what], columns=2), words


def panel(
    policies: Mapping[str, object],
    disturbance: str = "control rate (times)",
    value=0.5,
    *,
    seconds: float = SECONDS,
    front_end: bool | None = None,
):
    """Menus for policy, disturbance and its size where someone can click, else the video of the given choice.

    policies: name -> policy; the first is played at first. disturbance: one of `DISTURBANCES`.
    """
    from course_lib.viz.live import has_front_end

    if not policies:
        raise ArgumentError("policies is empty; it must hold at least one policy under its name")
    check_choice("disturbance", disturbance, DISTURBANCES)
    field, values = DISTURBANCES[disturbance]
    if value not in values:
        known = ", ".join(map(str, values))
        raise ArgumentError(f"value={value!r} is not accepted for {disturbance}; accepted: {known}")
    name = next(iter(policies))
    if has_front_end() if front_end is None else front_end:
        try:
            return _menus(policies, disturbance, value, seconds)
        except ImportError:  # no ipywidgets: the video remains
            pass
    film, words = pair(policies[name], name, seconds=seconds, **{field: value})
    return display_video(film, title=words)


def _menus(policies: Mapping[str, object], disturbance: str, value, seconds: float):
    import ipywidgets

    wrap = {"flex_flow": "row wrap"}
    who = ipywidgets.Dropdown(options=list(policies), description="policy")
    what = ipywidgets.Dropdown(options=list(DISTURBANCES), value=disturbance, description="changed")
    size = ipywidgets.Dropdown(options=DISTURBANCES[disturbance][1], value=value, description="to")
    seed = ipywidgets.BoundedIntText(value=0, min=0, max=999, description="start")
    screen, known = ipywidgets.HTML(), {}  # undisturbed episodes

    def other(_=None):
        values = DISTURBANCES[what.value][1]
        size.unobserve(refresh, names="value")  # options first, then the value: one episode, not two
        size.options, size.value = values, values[-1]
        size.observe(refresh, names="value")
        refresh()

    def refresh(_=None):
        key, policy = (who.value, seed.value), policies[who.value]
        if key not in known:
            known[key] = played(policy, seed.value, seconds)
        changed = {} if size.value is None else {DISTURBANCES[what.value][0]: size.value}
        film, words = pair(policy, who.value, seed.value, seconds, known[key], **changed)
        screen.value = video_html(film, title=words)

    what.observe(other, names="value")
    for control in (who, size, seed):
        control.observe(refresh, names="value")
    refresh()
    return ipywidgets.VBox(
        [ipywidgets.HBox([who, what], layout=wrap), ipywidgets.HBox([size, seed], layout=wrap), screen]
    )
