"""The frame of every benchmark: one command line, one loop over runs, one way to write down what was found.

A script reads its options with `cli`. One that trains hands its function for a single run to `run_all`, which makes
the runs that are not in the result file yet. One that measures speed calls `take_turns` and `write_rounds`.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
from _pool import run_pool
from _results import RunFile, write_result

from course_lib.evaluation.statistics import LEAST_RUNS, spread

ROUND = "one entry of per_seed is a round in which all contestants ran one after another"
RESUMES = "Every finished run is added to the result file at once; the same command goes on after a stop."

# --- the command line ---------------------------------------------------------------------------


def cli(
    name: str, doc: str, *, quick: dict, seeds=None, keep: str = "", fixed: dict | None = None, **options
) -> argparse.Namespace:
    """The options of the benchmark `name`, whose docstring is `doc`, from the command line.

    There are always `--json` and `--quick`; with `seeds` (those by default) also `--seeds` and `--include`; where
    policies ship, `--keep`, and `keep` says which. Each of `options` adds one: a list is one of names, all of them by
    default; a number or a text is a default; False is a switch; a dict goes to argparse. `fixed` are settings that no
    option changes. `quick` says what `--quick` puts in the place of options and fixed settings; of a list, a number
    takes so many.
    """
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.epilog = RESUMES if seeds is not None else None
    for option, value in options.items():
        parser.add_argument(f"--{option}", **_option(value))
    if seeds is not None:
        seeds = seeds if isinstance(seeds, dict) else dict(default=[*seeds], help="none: nothing but what is known")
        parser.add_argument("--seeds", type=int, nargs="*", **seeds)
        words = "take up the runs of these result files too; with no seeds asked for, nothing else is done"
        parser.add_argument("--include", type=Path, nargs="*", default=[], metavar="FILE", help=words)
        words = "runs made at once, each on a core of its own; leave it at 1 where the time of a run counts"
        parser.add_argument("--processes", type=int, default=1, help=words)
        words = "address of a Ray cluster that makes the runs, e.g. auto or ray://HOST:10001"
        parser.add_argument("--ray", metavar="URL", help=words)
    if keep:
        parser.add_argument("--keep", action="store_true", help=f"ship {keep}")
    parser.add_argument("--json", type=Path, metavar="FILE", help=f"result file, assets/results/{name}.json by default")
    words = f"little and short, to check the script; claims and ships nothing, writes build/{name}_quick.json"
    parser.add_argument("--quick", action="store_true", help=words)
    args = parser.parse_args()
    for file in getattr(args, "include", []):
        if not file.is_file():
            parser.error(f"argument --include: there is no file {file}")
    given, args.name, args.began = args.json, name, time.perf_counter()
    args.json = given or Path(f"assets/results/{name}.json")
    vars(args).update(fixed or {})
    if args.quick:
        vars(args).update({option: _fewer(getattr(args, option), value) for option, value in quick.items()}, keep=False)
        args.json = given or Path(f"build/{name}_quick.json")
        if given is None:
            args.json.unlink(missing_ok=True)  # or the next check would find all done
    return args


def _option(value) -> dict:
    """For `add_argument`."""
    if isinstance(value, dict):
        return value if isinstance(value["default"], (list, type(None))) else {"type": type(value["default"]), **value}
    if isinstance(value, (list, tuple)):
        return dict(type=type(value[0]), nargs="+", default=[*value], choices=[*value])
    return dict(action="store_true") if value is False else dict(type=type(value), default=value)


def _fewer(value, quick):
    """What `--quick` makes of `value`."""
    if isinstance(quick, int) and isinstance(value, (list, type(None))):
        return [*range(quick)] if value is None else value[:quick]
    return quick


# --- runs ---------------------------------------------------------------------------------------


def run_all(
    args: argparse.Namespace,
    one_run: Callable,
    wanted: Iterable[tuple],
    *,
    key: tuple[str, ...],
    config: dict,
    report: Callable,
    claims_of: Callable = lambda rows: ({}, {}),
    part: str | None = None,
    says: str = "{train_seconds} s",
    seconds: Callable[[dict], float] | None = lambda row: row["train_seconds"],
    unfinished: Callable = lambda args, row: False,
    anew: bool = False,
    **facts,
) -> None:
    """Make the runs that are `wanted` and not known yet, add each to the result file at once, print table and claims.

    key: the entries of a row, "seed" among them, that tell runs apart. `wanted` lists their values, and
    one_run(args, *values) makes such a row; None says that the run goes on another time. A generator makes a row that
    grows, and is written each time. A known row that is `unfinished` is handed back: one_run(…, row=row).
    config, part: the settings that runs are made with; see `read_result`.
    claims_of(rows) -> claims, intervals. report(rows) -> what to print at the end: a table, a text, or a list of such.
    says: of a finished run, with entries of the row in braces.
    anew: make known runs again; each replaces the known one when it is done.
    seconds: training time of a row; None where rows do not say, then that of all calls together is written.
    facts: further entries of the result file; a function is called with the rows.
    """
    file = RunFile(args, key, config, part, claims_of, seconds, facts)
    file.take_up(args.include)
    wanted, postponed, known = list(wanted), [], file.known()
    done = len(set(wanted) & known.keys())
    print(f"{done} of {len(wanted)} runs are in {args.json} already", flush=True)
    jobs = [
        (values, {} if (row := known.get(values)) is None else {"row": row})
        for values in wanted
        if values not in known or unfinished(args, known[values])
    ]
    jobs = [(values, {}) for values in wanted] if anew else jobs

    def made_meanwhile(values: tuple) -> bool:  # by another call that writes to the same file
        return not anew and (row := file.known().get(values)) is not None and not unfinished(args, row)

    for values, row in run_pool(one_run, args, jobs, made_meanwhile):
        label = ", ".join(f"seed {v}" if name == "seed" else str(v) for name, v in zip(key, values, strict=True))
        if row is None:
            postponed.append(label)
        else:
            file.add(row)
            print(f"{label}: {says.format(**row)}", flush=True)
    if rows := [*file.known().values()]:
        shown = report(rows)
        print(*(shown if isinstance(shown, list) else [shown]), sep="\n")
        print_claims(claims_of(rows)[0])
    for label in postponed:
        print(f"{label} is not done yet")
    if file.by_hand:
        print(f"{args.json} keeps what it said before: {', '.join(file.by_hand)}; see whether it still holds")


def train(agent, env_steps: int, **options):
    """`cl.train`, but Ctrl-C ends the benchmark: a run that was stopped must not be counted as a whole one."""
    import course_lib as cl

    run = cl.train(agent, env_steps, **options)
    if run.interrupted == "stopped by the user":
        raise KeyboardInterrupt
    return run


def seedless(config) -> dict:
    """The fields of an algorithm's config but the seed."""
    return {name: value for name, value in asdict(config).items() if name != "seed"}


# --- speed, in rounds ---------------------------------------------------------------------------


def take_turns(contestants: dict[str, Callable[[], float]], rounds: int, warm_up: int = 0) -> dict[str, np.ndarray]:
    """Name -> what the contestant measured in each round (rounds,). In a round all take turns."""
    found = [[measure() for measure in contestants.values()] for _ in range(warm_up + rounds)]
    return dict(zip(contestants, np.array(found[warm_up:]).T, strict=True))


def speed_table(first: str, columns: dict[str, dict[str, np.ndarray]], digits: str) -> Table:
    """Median and interval over the rounds: a row for each contestant, two columns for each of `columns`."""
    table = Table(first, *(cell for label in columns for cell in (label, "95 % interval")))
    for name in next(iter(columns.values())):
        cells = []
        for values in columns.values():
            if name in values:
                low, high = interval_of(values[name])
                cells += [float(np.median(values[name])), f"[{low:{digits}}, {high:{digits}}]"]
            else:
                cells += ["", ""]
        table.add(name, *cells)
    return table


def write_rounds(args, columns: dict[str, dict[str, np.ndarray]], ratios: dict, config: dict, digits: int, **facts):
    """Write what `take_turns` found, one column or several, and the claims, which are medians of `ratios` (rounds,).

    An entry of per_seed is a round: what each contestant measured, under the name of its column where there are more.
    """
    claims, intervals = claims_from(ratios)
    rows = [
        {str(c): {name: round(float(v[i]), digits) for name, v in values.items()} for c, values in columns.items()}
        for i in range(args.rounds)
    ]
    write_result(
        args.json, claims=claims, intervals=intervals, seeds=range(args.rounds),
        per_seed=rows if len(columns) > 1 else [next(iter(row.values())) for row in rows], config=config,
        wall_seconds=time.perf_counter() - args.began, command=f"python benchmarks/{args.name}.py",
        **{"note": ROUND} | facts,
    )  # fmt: skip
    print_claims(claims)


# --- tables and figures -------------------------------------------------------------------------


class Table:
    """Rows under a header; columns as wide as their widest cell."""

    def __init__(self, *header: str):
        self.rows: list[tuple[str, ...]] = [tuple(map(str, header))]

    def add(self, *cells) -> None:
        self.rows.append(tuple(_text(c) for c in cells))

    def __str__(self) -> str:
        widths = [max(len(row[i]) for row in self.rows) for i in range(len(self.rows[0]))]
        lines = [
            "  ".join(c.ljust(w) if i == 0 else c.rjust(w) for i, (c, w) in enumerate(zip(r, widths, strict=True)))
            for r in self.rows
        ]
        return "\n".join([lines[0], "-" * len(lines[0]), *lines[1:]])


def _text(cell) -> str:
    if isinstance(cell, (float, np.floating)):
        return f"{cell:,.0f}" if abs(cell) >= 100 else f"{cell:.3g}"
    return f"{cell:,}" if isinstance(cell, (int, np.integer)) else str(cell)


def select(rows: list[dict], **where) -> list[dict]:
    """The rows with these entries."""
    return [row for row in rows if all(row[name] == value for name, value in where.items())]


def column(rows: list[dict], name: str, **where) -> list:
    """One entry of the rows with these entries."""
    return [row[name] for row in select(rows, **where)]


def interval_of(values: Sequence[float], statistic=np.median) -> list[float]:
    """95 % bootstrap interval; below five values their range, and with one value that value twice."""
    return [float(values[0])] * 2 if len(values) < 2 else list(spread(values, statistic))


def claims_from(groups: dict[str, Sequence[float]], statistic=np.median) -> tuple[dict, dict]:
    """Claims and intervals: `statistic` of each group that has values."""
    groups = {claim: values for claim, values in groups.items() if len(values)}
    claims = {claim: float(statistic(values)) for claim, values in groups.items()}
    return claims, {claim: interval_of(values, statistic) for claim, values in groups.items()}


def ratio_of_medians(mine: Sequence[float], theirs: Sequence[float], draws: int = 2000) -> tuple[float, list[float]]:
    """median(mine) / median(theirs) and its 95 % interval, both sets of seeds drawn anew; below five seeds its range,
    from lowest over highest to highest over lowest."""
    mine, theirs = np.asarray(mine, float), np.asarray(theirs, float)
    value = float(np.median(mine) / np.median(theirs))
    if min(len(mine), len(theirs)) < LEAST_RUNS:
        return value, [float(mine.min() / theirs.max()), float(mine.max() / theirs.min())]
    rng = np.random.default_rng(0)
    drawn = [np.median(v[rng.integers(0, len(v), (draws, len(v)))], axis=1) for v in (mine, theirs)]
    return value, np.quantile(drawn[0] / drawn[1], [0.025, 0.975]).tolist()


def counts_of(groups: dict[str, Sequence[float]]) -> dict[str, int]:
    """How many seeds each claim of `claims_from(groups)` rests on: not all settings have all seeds of a file."""
    return {claim: len(values) for claim, values in groups.items() if len(values)}


def print_claims(claims: dict[str, float]) -> None:
    for claim, value in claims.items():
        print(f"{claim}={value:.6g}")


def parameters(module) -> int:
    """How many numbers a network learns."""
    return sum(p.numel() for p in module.parameters())


def thin_curve(curve: dict[str, Sequence[float]], points: int, names: Sequence[str] = ()) -> dict[str, list]:
    """At most `points` evenly spread entries of the named metrics (of all), to five digits; None where not finite."""
    names = names or tuple(curve)
    index = np.unique(np.linspace(0, len(curve[names[0]]) - 1, points).astype(int))
    columns = {name: np.asarray(curve[name], float)[index] for name in names}
    return {name: [float(f"{v:.5g}") if np.isfinite(v) else None for v in values] for name, values in columns.items()}
