"""Notebook 02: how the settings that run the cheetah differ from the defaults, why, and what each is worth."""

from __future__ import annotations

import dataclasses
import html
import textwrap
from collections.abc import Mapping, Sequence

import numpy as np

from course_lib.course.help import documented
from course_lib.rl.ppo_config import PPOConfig

STARTS = "starts of the episodes"  # not a setting: what `PPO.begin` does in every task
# Setting -> reason, and the variant of the ablations in which it has its default again ("" where there is none).
REASONS = {
    "gamma": (
        "The horizon 1/(1 - γ) falls from 100 to 50 steps, which are 2.5 s. A stride takes a fraction of a second, so "
        "most consequences of an action come sooner. The far future would add noise.",
        "γ = 0.99",
    ),
    "gae_lambda": (
        "With γ it makes 1/(1 - γλ) about 10 steps: the critic takes over after half a second. Whether 0.95 would do "
        "as well was not measured.",
        "",
    ),
    "init_log_std": (
        "The first σ is 0.37, not 1. Motors accept commands from -1 to 1. With σ = 1 about a third of all draws are "
        "clipped there at first, and the body mostly shakes.",
        "first σ = 1",
    ),
    "target_kl": (
        "The passes over a batch stop once the mean KL of a pass is above it. It guards against single large updates. "
        "Most of these come in the first two thirds of training, when σ has shrunk and the learning rate has not yet: "
        "the same change of the mean is then a larger KL.",
        "no KL stop",
    ),
    STARTS: (
        "Every episode of the cheetah lasts 1,000 steps. If all copies began together, a batch would hold only early "
        "steps or only late ones. So the clocks are spread over the 1,000 steps at the start.",
        "all episodes start together",
    ),
}


@dataclasses.dataclass(frozen=True)
class Setting:
    """One row: the name, its default, its value for the task, why, and the median return with the default instead."""

    name: str
    default: object
    value: object
    reason: str
    without: float | None


def medians(rows: Sequence[Mapping]) -> dict[str, float]:
    """Variant -> median over seeds of the return without noise."""
    groups: dict[str, list[float]] = {}
    for row in rows:
        groups.setdefault(row["variant"], []).append(row["return_deterministic"])
    return {name: float(np.median(values)) for name, values in groups.items()}


def settings(env_id: str, rows: Sequence[Mapping] = ()) -> list[Setting]:
    """What differs between `PPOConfig()` and `PPOConfig.recommended(env_id)`, and how the copies start.

    rows: of the ablations, "variant" and "return_deterministic".
    """
    plain, tuned, worth = PPOConfig(), PPOConfig.recommended(env_id), medians(rows)
    found = []
    for field in dataclasses.fields(PPOConfig):
        default, value = getattr(plain, field.name), getattr(tuned, field.name)
        if default != value:
            reason, variant = REASONS.get(field.name, ("", ""))
            found.append(Setting(field.name, default, value, reason, worth.get(variant)))
    reason, variant = REASONS[STARTS]
    return [*found, Setting(STARTS, "spread out", "spread out", reason, worth.get(variant))]


def described() -> str:
    """A line for each field of `PPOConfig` that is a number, a word or a switch: name, default, what it is."""
    default, lines = PPOConfig(), []
    for field in dataclasses.fields(PPOConfig):
        value = getattr(default, field.name)
        if not dataclasses.is_dataclass(value):
            text = textwrap.shorten(documented(PPOConfig).get(field.name, ""), 76, placeholder=" …")
            lines.append(f"{field.name:22s}{value!s:>10s}  {text}")
    return "\n".join(lines)


class SettingsTable:
    """The settings as a table in a notebook; `str` of it is plain text.

    Without `rows` there is no column that says what each is worth.
    """

    def __init__(self, env_id: str, rows: Sequence[Mapping] = ()):
        self.env_id, self.rows, self.usual = env_id, settings(env_id, rows), medians(rows).get("recommended")

    @property
    def head(self) -> tuple[str, ...]:
        plain = "setting", "default", f"for {self.env_id}", "why"
        worth = f"return with the default (all as recommended: {self.usual or 0:,.0f})"
        return plain if self.usual is None else (*plain, worth)

    def _cells(self, row: Setting) -> tuple[str, ...]:
        cells = row.name, str(row.default), str(row.value), row.reason
        return cells if self.usual is None else (*cells, _number(row.without))

    def __str__(self) -> str:
        return "\n".join(f"{r.name:24s}{r.default!s:>14s}{r.value!s:>14s}   {_number(r.without)}" for r in self.rows)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        left = "style='text-align:left;vertical-align:top'"
        head = "".join(f"<th {left}>{html.escape(text)}</th>" for text in self.head)
        body = "".join(
            "<tr>" + "".join(f"<td {left}>{html.escape(text)}</td>" for text in self._cells(row)) + "</tr>"
            for row in self.rows
        )
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _number(value: float | None) -> str:
    return "not measured" if value is None else f"{value:,.0f}"
