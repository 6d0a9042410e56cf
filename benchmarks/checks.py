"""How good the exercises' checks are: each solution with one thing put wrong, and right answers in other clothes.

    python benchmarks/checks.py [--notebooks 01 02] [--mutants 40]

A mutant is the solution with one change: a sign, an operator, a bound, an axis, a number, the order of what comes back,
a line left out. The check must reject it, unless it computes the same: an accepted mutant is compared with the solution
on the check's inputs, put a little off and of other sizes; one that differs is a survivor. Where many answers are right
(`Demands`), it is listed and not counted: somebody must look at it. The wrong answers of tests/exercises must be
rejected too, and the solution accepted in any container, in single precision, with an axis of length 1 more, and when
it overwrites its arguments. All this in the smoke budget; no answer in time is a rejection.
"""

from __future__ import annotations

import ast
import contextlib
import copy
import functools
import hashlib
import inspect
import io
import random
import re
import signal
import sys
import time
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from _report import Table, cli, run_all

import course_lib as cl
from course_lib.classroom.checks import SEEN, exercise_of
from course_lib.course import answers, exercises

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
from test_exercises import REGION, SOURCES, TRAINS, cells, graded, prelude, wrong_answers  # noqa: E402

NAME = "checks"
FEW = 3  # mutants of an exercise whose check trains a policy
PATIENCE = 3.0  # s without an answer, and four times what the solution took, count as a hang
NEAR = 1e-7  # two answers that differ by less are equal
INPUTS = 60  # on which an accepted mutant is compared, for each case
SOURCE_OF = {key: source for source in SOURCES for key in graded(source)}
ORDERS = (ast.Lt, ast.LtE, ast.Gt, ast.GtE)
PAIRS = [(ast.Add, ast.Sub), (ast.Mult, ast.Div), (ast.BitAnd, ast.BitOr), (ast.And, ast.Or), (ast.Eq, ast.NotEq),
         (ast.Is, ast.IsNot), ("min", "max"), ("minimum", "maximum"), ("argmin", "argmax"), ("sum", "mean"),
         ("sin", "cos"), ("any", "all"), ("zeros", "ones"), ("floor", "ceil")]  # fmt: skip
TWINS = {a: [b] for pair in PAIRS for a, b in (pair, pair[::-1])}
TWINS |= {order: [other for other in ORDERS if other is not order] for order in ORDERS}
VALUE = re.compile(r"is \S+, and \S+ is expected|is too (large|small)")  # what a check says of a wrong value alone
SHOWN = re.compile(
    r"in case \d+ of \d+, .+ is \S+, and \S+ is expected|is too (large|small): \S"
)  # with the input; why
STATEMENTS = (ast.Assign, ast.AugAssign, ast.Expr, ast.For, ast.While, ast.If)  # that may be left out
# Of verdicts on mutants. A hint names the mistake, or shows input, part, what came and what is expected (of one number:
# its side and why that matters), or is generic; "form" is a wrong shape, NaN, another order of the parts …
KINDS = ("named", "shown", "generic", "form", "error", "timed out", "equal")
LISTS = ("survivors", "to_be_looked_at", "broken", "hand_accepted", "right_rejected")  # what somebody must see
NO_NUMBERS = (answers.Wrong, TypeError, ValueError)


class Late(BaseException):
    """No answer in time. Not an Exception: a check makes a sentence of those."""


def late(*_) -> None:
    raise Late


# --- mutants ------------------------------------------------------------------------------------


def instead(node: ast.AST, name: str, item) -> list:
    """What may stand in the place of `item`, which is the field `name` of `node` or in it."""
    kind, value, new = type(item), getattr(item, "value", None), []
    if isinstance(item, (ast.operator, ast.boolop, ast.cmpop)):
        return [other() for other in TWINS.get(kind, [])]
    if kind is str:
        return TWINS.get(item, []) if name in ("id", "attr") else []
    if isinstance(node, ast.Slice) and item is None and name != "step":
        return [ast.Constant(1 if name == "lower" else -1)]
    if isinstance(item, STATEMENTS):
        return [ast.Pass()]
    if kind is ast.Constant and isinstance(value, (int, float)):
        others = {bool: [not value], int: [value - 1, value + 1], float: [value * 2, value / 2] if value else [1.0]}
        new = [ast.Constant(other) for other in others[type(value)]]
    elif kind is ast.UnaryOp:
        new = [item.operand]
    shifts = isinstance(node, ast.Slice) or name == "slice" or name == "right" and isinstance(node.op, ast.Pow)
    shifts |= name == "args" and getattr(getattr(node, "func", 0), "id", 0) == "range"
    if shifts and kind in (ast.Name, ast.BinOp, ast.Call, ast.Subscript):
        new += [ast.BinOp(item, op, ast.Constant(1)) for op in (ast.Add(), ast.Sub())]
    terms = name == "elts" or name == "value" and isinstance(node, (ast.Return, ast.Assign))
    whole = kind in (ast.Tuple, ast.List, ast.Dict, ast.Slice, ast.UnaryOp) or isinstance(
        getattr(item, "ctx", 0), ast.Store
    )
    return new + [ast.UnaryOp(ast.USub(), item)] * (terms and not whole)


def mutants(code: str) -> list[tuple[str, str, str]]:
    """Of a solution cell: source, the lines before, the lines after."""
    code = code.replace("np.empty(", "np.zeros(")  # what lies in memory may be the last right answer
    tree, found = ast.parse(code), {}
    plain = ast.unparse(tree)
    spans = [[code.count("\n", 0, end) + 1 for end in m.span()] for m in REGION.finditer(code)]
    for node, name in [(each, name) for each in ast.walk(tree) for name in each._fields]:
        old = getattr(node, name)
        items = old if isinstance(old, list) else [old]
        for k, item in enumerate(items):
            line = getattr(item, "lineno", getattr(node, "lineno", 0))
            new = [[*items[:k], each, *items[k + 1 :]] for each in instead(node, name, item)]
            if isinstance(node, ast.Tuple) and name == "elts":
                new.append([*items[:k], *items[k : k + 2][::-1], *items[k + 2 :]])
            for each in new if any(first <= line <= last for first, last in spans) else []:
                setattr(node, name, each if isinstance(old, list) else each[0])
                text = ast.unparse(ast.fix_missing_locations(tree))
                setattr(node, name, old)
                parts = [t.splitlines() for t in (plain, text)]
                lines = [[x.strip() for x in this if x not in other] for this, other in (parts, parts[::-1])]
                found[text] = (text, *map(" / ".join, lines))
    found.pop(plain, None)
    return [*found.values()]


# --- what a check says, and what it asks --------------------------------------------------------


class Exercise:
    """An exercise of a notebook, what its check is called with, and what it asks of the solution."""

    def __init__(self, key: str):
        source = SOURCE_OF[key]
        self.cells, self.prelude, self.solution = graded(source)[key], prelude(source), graded(source)[key]["ex"]
        self.wrong = [text for _, text in wrong_answers(source).get(key, [])]
        self.exercise = exercise_of(f"{int(key[:2])}.{key[3:]}")
        self.name, self.seen, began = self.exercise.name, [], time.perf_counter()
        self.made = self.exercise.build(np.random.default_rng(SEEN))
        self.right = self.said(self.solution, self._noting)
        self.patience = PATIENCE + 4 * (time.perf_counter() - began)
        self.values = isinstance(self.made, exercises.Compare)
        self.hints = set(self.made.mistakes) if self.values else {hint for hint, _ in self.made.demands}

    def said(self, answer: str, wrap: Callable = lambda f: f) -> str:
        """What the check prints."""
        names, out = dict(self.prelude), io.StringIO()
        exec(answer, names)
        names |= {self.name: wrap(names[self.name]), "cl": cl}
        with contextlib.redirect_stdout(out):
            exec(self.cells["check"], names)
        return out.getvalue().strip()

    def _noting(self, function: Callable) -> Callable:
        def called(*args):
            held, answer = copy.deepcopy(args) if len(self.seen) < INPUTS else None, function(*args)
            self.seen += [] if held is None else [(held, copied(answer))]
            return answer

        return called

    def verdict(self, answer: str) -> tuple[str, str | None]:
        """The kind of verdict on an answer, and where one that is accepted differs from the solution."""
        line = in_time(self.patience, exercises.attempt, self.said, answer)
        if line == "" or line is None or line[0] not in "✓✗" or "\n" in line:
            return "timed out" if line == "" else "broken", None
        if line.startswith("✓"):
            where = self.differs(answer)
            return "accepted" if where != "" else "equal", where
        hint = line.partition(f" {self.name}: ")[2]
        stops = hint.startswith(("it stops with", "it returns nothing"))
        whole = SHOWN.search(hint) if any(case for case, _ in self.seen) else VALUE.search(hint)
        kinds = {"named": hint in self.hints, "shown": whole, "generic": VALUE.search(hint), "error": stops, "form": 1}
        return next(kind for kind, so in kinds.items() if so), None

    def differs(self, answer: str) -> str | None:
        """Where it is not the solution: there, or "" if that was not found, or None if nobody can say."""
        right, other, asked, found = dict(self.prelude), dict(self.prelude), self.seen, []
        exec(self.solution, right)
        exec(answer, other)
        if self.values:
            rng = np.random.default_rng(0)
            tries = [put_off(case, rng) for case, _ in self.seen if case for _ in range(INPUTS)]
            asked = [*asked, *((case, exercises.attempt(right[self.name], *copy.deepcopy(case))) for case in tries)]
        for case, wanted in asked:
            got = in_time(self.patience, exercises.attempt, other[self.name], *copy.deepcopy(case))
            found.append(alike(wanted, got))
            if found[-1] is False:
                return f"{self.name}({answers.shown(case)})"
        return "" if True in (found[len(self.seen) :] or found) else None  # where inputs could be put off, there


def copied(answer):
    """A copy; of a tensor with a gradient behind it, which has none, its numbers, and that it had one."""
    if isinstance(answer, torch.Tensor) and not answer.is_leaf:
        return answer.detach().clone().requires_grad_()
    return tuple(map(copied, answer)) if type(answer) is tuple else copy.deepcopy(answer)


def in_time(seconds: float, function: Callable, *args):
    """`function(*args)`, or "" where that takes too long."""
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        return function(*args)
    except Late:
        return ""
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def alike(wanted, got) -> bool | None:
    """Whether two answers are the same; None where the first is no answer, or none that can be compared."""
    try:
        parts = answers.parts_of(wanted)
        numbers = all(np.isfinite(part).all() for part in parts)
        return answers.equal(answers.fitted(got, parts), parts, NEAR) if numbers else None
    except NO_NUMBERS:
        return None if isinstance(wanted, torch.nn.Module) else repr(wanted) == repr(got)


def put_off(case: tuple, rng: np.random.Generator) -> tuple:
    """Arguments like these: other numbers, and half of the time another length of all axes that have one length."""
    lengths = sorted({n for value in case for n in getattr(value, "shape", ()) if n > 1})
    old = int(rng.choice(lengths)) if lengths and rng.random() < 0.5 else 0
    rows = np.arange(rng.integers(1, 2 * old + 1)) % old if old else ()

    def other(value):
        if isinstance(value, torch.Tensor):
            new = torch.from_numpy(other(value.detach().numpy())).to(value.dtype)
            return new.requires_grad_(value.requires_grad)
        if isinstance(value, (bool, int)):
            return bool(rng.random() < 0.5) if isinstance(value, bool) else max(value + int(rng.integers(-2, 3)), 0)
        if isinstance(value, float):
            return value * rng.uniform(0.6, 1.1)
        if isinstance(value, np.ndarray):
            for axis in [k for k, n in enumerate(value.shape) if n == old]:
                value = value.take(rows, axis)
            if value.dtype == bool or np.isin(value, (0, 1)).all() and value.std() > 0:
                return (value != (rng.random(value.shape) < 0.2)).astype(value.dtype)
            noise = rng.normal(scale=0.2 * value.std() + 1e-3, size=value.shape) if value.dtype.kind == "f" else 0
            return value + noise
        if type(value).__name__ == "ThriftyReplay":  # of notebook 05
            value = copy.copy(value)
            vars(value).update({k: other(v) for k, v in vars(value).items() if isinstance(v, np.ndarray)})
        return value

    return tuple(map(other, case))


# --- right answers in other clothes -------------------------------------------------------------

CLOTHES: dict[str, Callable] = {
    "array": lambda p: np.asarray(p)[()],
    "float32": lambda p: p.float() if hasattr(p, "float") else np.asarray(p).astype(np.float32)[()],
    "list": lambda p: np.asarray(p).tolist() if np.ndim(p) else [float(p)],
    "tuple": lambda p: tuple(np.asarray(p).tolist()) if np.ndim(p) else (float(p),),
    "tensor": lambda p: torch.as_tensor(np.array(p)),
    "an axis before": lambda p: np.asarray(p)[None],
    "an axis behind": lambda p: np.asarray(p)[..., None],
}


def clothes(exercise: Exercise) -> dict[str, Callable]:
    """Name -> wrapper of the solution, of those that make sense for what it returns."""
    (case, answer), *_ = exercise.seen
    fits, several = [*CLOTHES], isinstance(answer, tuple)
    if not exercise.values:  # there demands hold, of shape and kind too
        fits = ["float32"] if isinstance(answer, torch.Tensor) else ["array", "float32"]
    if exercise.values and exercise.made.tolerance < 1e-6:
        fits.remove("float32")
    if exercises.attempt(answers.parts_of, answer) is None:
        fits = []
    if getattr(answer, "requires_grad", False):  # the check asks for its gradient, which all others lose
        fits, case = ["float32"], ()
    fits += ["list of parts"] * several + ["in place"] * any(hasattr(value, "shape") for value in case)

    def dressed(how: str, function: Callable) -> Callable:
        def called(*args):
            answer = function(*args)
            for value in args if how == "in place" else ():
                if hasattr(value, "shape"):
                    value[...] = 7
            if how in CLOTHES:
                return tuple(map(CLOTHES[how], answer)) if several else CLOTHES[how](answer)
            return list(answer) if how == "list of parts" else answer

        return called

    return {name: functools.partial(dressed, name) for name in fits}


# --- the table ----------------------------------------------------------------------------------


def digest(key: str) -> str:
    """Of all that the verdicts on an exercise depend on."""
    source = SOURCE_OF[key]
    before = [cell.source for cell in cells(source) if "prelude" in cell.metadata.get("tags", [])]
    check = inspect.getmodule(exercise_of(f"{int(key[:2])}.{key[3:]}").build)
    used = {  # its oracles, runs and so on, whole modules or what is taken from them
        value.__name__ if inspect.ismodule(value) else getattr(value, "__module__", None) or ""
        for value in vars(check).values()
    }
    lessons = [sys.modules[name] for name in sorted(used) if name.startswith("course_lib.lessons.")]
    modules = [inspect.getsource(module) for module in (answers, exercises, check, *lessons)]
    texts = [*before, *graded(source)[key].values(), str(wrong_answers(source).get(key)), *modules]
    return hashlib.sha256("".join(texts).encode()).hexdigest()[:12]


def one_run(args, key: str, seed: int) -> dict:
    began = time.perf_counter()
    cl.budget.name = "smoke"
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    signal.signal(signal.SIGALRM, late)
    exercise, rng = Exercise(key), random.Random(f"{key} {seed}")
    found, count = mutants(exercise.solution), FEW if key in TRAINS else args.mutants
    chosen = [found[k] for k in sorted(rng.sample(range(len(found)), min(count, len(found))))]
    kinds, lists = Counter(), {name: [] for name in LISTS}
    for text, before, after in chosen:
        kind, where = exercise.verdict(text)
        kind = ("survivors" if exercise.values else "to_be_looked_at") if kind == "accepted" else kind
        kinds[kind] += 1
        if kind in lists:
            lists[kind].append({"before": before, "after": after, "at": where})
    lists["hand_accepted"] = [text for text in exercise.wrong if exercise.verdict(text)[0] in ("accepted", "equal")]
    worn = {"as it is": exercise.right}
    worn |= {how: exercise.said(exercise.solution, wrap) for how, wrap in clothes(exercise).items()}
    lists["right_rejected"] = [{"how": how, "said": line} for how, line in worn.items() if not line.startswith("✓")]
    return {
        "exercise": key, "seed": seed, "values": exercise.values, "possible": len(found), "mutants": len(chosen),
        **{kind: kinds[kind] for kind in KINDS}, "hand_written": len(exercise.wrong), "right": len(worn) - 1, **lists,
        "train_seconds": round(time.perf_counter() - began, 1),
    }  # fmt: skip


def total(rows: list[dict], *names: str) -> int:
    return sum(len(row[name]) if name in LISTS else row[name] for row in rows for name in names)


def measured(rows: list[dict]) -> dict[str, tuple]:
    """Claim -> value, and how many answers it is about. Mutants that compute the same, or are listed, are not wrong."""
    valued = [row for row in rows if row["values"]]
    hints, right = total(valued, "generic", "shown", "named"), total(rows, "right")
    judged = total(rows, "mutants", "hand_written") - total(rows, "equal", "to_be_looked_at")
    wrong = total(rows, "survivors", "hand_accepted"), judged
    share, named = (round(total(valued, kind) / max(hints, 1), 3) for kind in ("generic", "named"))
    rejected = total(rows, "right_rejected"), right
    found = dict(hints_generic_share=(share, hints), hints_named_share=(named, hints))
    return dict(wrong_accepted=wrong, right_rejected=rejected, **found)


def claims_of(rows: list[dict]) -> tuple[dict, dict]:
    claims = {name: value for name, (value, _) in measured(rows).items()}
    return claims, {name: [value, value] for name, value in claims.items()}


def report(rows: list[dict]) -> list:
    names, rows = ("mutants", *KINDS, "hand_written", "right", *LISTS), sorted(rows, key=lambda row: row["exercise"])
    table = Table("exercise", *(name.replace("_", " ") for name in names))
    for label, group in [*((row["exercise"], [row]) for row in rows), ("all", rows)]:
        table.add(label, *(total(group, name) for name in names))
    return [table, *(f"{row['exercise']} {name}: {note}" for name in LISTS for row in rows for note in row[name])]


if __name__ == "__main__":
    args = cli(
        NAME, __doc__, seeds=[0], notebooks=[source.name[:2] for source in SOURCES], mutants=40,
        quick=dict(notebooks=1, mutants=3),
    )  # fmt: skip
    run_all(
        args, one_run, [(key, seed) for key in SOURCE_OF if key[:2] in args.notebooks for seed in args.seeds],
        key=("exercise", "seed"), part="exercise", claims_of=claims_of, report=report,
        claim_seeds=lambda rows: {name: count for name, (_, count) in measured(rows).items()},
        config={key: {"mutants": args.mutants, "cells": digest(key)} for key in SOURCE_OF},
        says="{named} named, {shown} shown, {generic} generic, {error} errors, {equal} equal",
    )  # fmt: skip
