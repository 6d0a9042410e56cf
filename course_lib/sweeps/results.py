"""What a sweep found: its trials as plain records, the best of them, a table and a file."""

from __future__ import annotations

import html
import math
from dataclasses import asdict, dataclass, field

import optuna

from course_lib.errors import ArgumentError, check_count
from course_lib.sweeps.space import Dimension, dimension, with_values

STATES = {"COMPLETE": "complete", "PRUNED": "pruned", "FAIL": "failed", "RUNNING": "running", "WAITING": "waiting"}


@dataclass
class Record:
    """One trial.

    Attributes:
        number: its place in the sweep, counted from 0.
        state: "complete", "pruned", "failed", "running" or "waiting".
        value: what is maximised; NaN unless complete.
        params: hyperparameter -> value.
        reports: step -> intermediate value.
        seconds: wall-clock time of the trial.
        reason: why it failed.
        restarts: how often it began again because its process or node was lost.
    """

    number: int
    state: str
    value: float
    params: dict
    reports: dict[int, float] = field(default_factory=dict)
    seconds: float = math.nan
    reason: str = ""
    restarts: int = 0

    @property
    def last(self) -> float:
        """The value, or the last report if the trial has no value."""
        return self.value if self.state == "complete" or not self.reports else self.reports[max(self.reports)]


def records_of(study: optuna.Study, space: dict[str, Dimension]) -> list[Record]:
    """The trials of an Optuna study, in order, without surplus ones that two callers added beyond the limit."""
    out = []
    for t in study.get_trials(deepcopy=False):
        if t.user_attrs.get("surplus"):
            continue
        state = STATES[t.state.name]
        params = {name: space[name].decode(t.params[name]) for name in space if name in t.params}
        out.append(
            Record(
                t.number,
                state,
                float(t.value) if state == "complete" else math.nan,
                params,
                {k: float(v) for k, v in sorted(t.intermediate_values.items())},
                t.user_attrs.get("seconds", math.nan),
                t.user_attrs.get("reason", ""),
                t.user_attrs.get("restarts", 0),
            )  # fmt: skip
        )
    return out


class Table:
    """Rows with the same keys; prints as text, and as a table in a notebook."""

    def __init__(self, rows: list[dict]):
        self.rows = rows

    def __len__(self) -> int:
        return len(self.rows)

    def _cells(self) -> list[list[str]]:
        header = list(self.rows[0]) if self.rows else ["no trial yet"]
        return [header, *([_text(row[name]) for name in header] for row in self.rows)]

    def __repr__(self) -> str:
        cells = self._cells()
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        return "\n".join("  ".join(c.rjust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in cells)

    def _repr_html_(self) -> str:
        head, *rows = ([html.escape(c) for c in row] for row in self._cells())
        body = "".join(f"<tr><td>{'</td><td>'.join(row)}</td></tr>" for row in rows)
        return f"<table><tr><th>{'</th><th>'.join(head)}</th></tr>{body}</table>"


def _text(value) -> str:
    if isinstance(value, float):
        return "" if math.isnan(value) else f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
    return str(value)


class Sweep:
    """The trials of a sweep, finished or not.

    Attributes:
        name: name of the sweep in its storage.
        space: hyperparameter -> `Dimension`.
        recipe: what every trial shares: env, algorithm, env_steps, config, seed, …
        study: the Optuna study behind it; None if it was read from a file.
        interrupted: why it ended before its number of trials, or None.
    """

    def __init__(self, name: str, space: dict[str, Dimension], recipe: dict, study=None, records=()):
        self.name, self.space, self.recipe, self.study = name, space, recipe, study
        self.config = None  # the config that the trials vary
        self.interrupted: str | None = None
        self._records = list(records)

    @property
    def trials(self) -> list[Record]:
        """Every trial, in order."""
        return records_of(self.study, self.space) if self.study is not None else self._records

    def of_state(self, *states: str) -> list[Record]:
        """The trials whose state is one of `states`."""
        return [t for t in self.trials if t.state in states]

    @property
    def best(self) -> Record:
        """The complete trial with the highest value."""
        done = self.of_state("complete")
        if not done:
            raise ArgumentError(f"sweep {self.name!r} has no complete trial yet, so none is the best")
        return max(done, key=lambda t: t.value)

    @property
    def best_config(self):
        """The config of the best trial, ready to train with."""
        if self.config is None:
            raise ArgumentError(f"sweep {self.name!r} knows no config class; its best values: {self.best.params}")
        return with_values(self.config, self.best.params)

    def table(self, top: int | None = None) -> Table:
        """The trials, best first; pruned ones are ranked by their last report. `top`: how many; None for all."""
        order = {"complete": 0, "pruned": 1, "running": 2, "waiting": 3, "failed": 4}
        trials = sorted(self.trials, key=lambda t: (order[t.state], -t.last if math.isfinite(t.last) else 0, t.number))
        rows = []
        for t in trials[: None if top is None else check_count("top", top)]:
            row = {"trial": t.number, "state": t.state, "value": t.last}
            row |= {name: t.params.get(name, "") for name in self.space}
            rows.append({**row, "seconds": t.seconds, "reason": t.reason[:60]})
        if not any(row["reason"] for row in rows):
            rows = [{k: v for k, v in row.items() if k != "reason"} for row in rows]
        return Table(rows)

    def __repr__(self) -> str:
        trials = self.trials
        count = [f"{n} {s}" for s in STATES.values() if (n := sum(t.state == s for t in trials))]
        best = f", best {self.best.value:,.4g} (trial {self.best.number})" if self.of_state("complete") else ""
        end = f", {self.interrupted}" if self.interrupted else ""
        return f"Sweep({self.name!r}: {len(trials)} trials, {', '.join(count) or 'none yet'}{best}{end})"

    # --- as a file ------------------------------------------------------------------------------

    def to_dict(self) -> dict:
        """Plain JSON: name, recipe, space and trials. `Sweep.from_dict` reads it."""
        space = {name: found.to_dict() for name, found in self.space.items()}
        trials = []
        for t in self.trials:
            row = asdict(t)
            row["params"] = {k: repr(v) if self.space[k].kind == "choice" else v for k, v in t.params.items()}
            row["reports"] = {str(k): v for k, v in t.reports.items()}
            trials.append(row)
        return {"name": self.name, "recipe": self.recipe, "space": space, "trials": trials}

    @classmethod
    def from_dict(cls, content: dict) -> Sweep:
        """A sweep from the dict that `to_dict` returned, e.g. from a result file."""
        space = {name: dimension(**facts) for name, facts in content["space"].items()}
        records = []
        for row in content["trials"]:
            params = {k: _choice(space[k], v) for k, v in row["params"].items()}
            reports = {int(k): v for k, v in row["reports"].items()}
            numbers = {k: math.nan if row[k] is None else row[k] for k in ("value", "seconds")}
            records.append(Record(**{**row, **numbers, "params": params, "reports": reports}))
        return cls(content["name"], space, content["recipe"], records=records)


def _choice(found: Dimension, value):
    return next(c for c in found.choices if repr(c) == value) if found.kind == "choice" else value
