"""Whether what the notebooks say one should see is seen: each in lite, with seeds that were not used to write it.

    python benchmarks/ranges.py [--notebooks 01 02 …] [--seeds 1001 2002 3003] [--quick]

A notebook declares beside a cell what one should see, as a range: `cl.see("median error", value, (0.5, 1.3))`. Here a
copy of it runs with the seed added to every literal seed of its code: keywords and entries of a dict named seed, names
assigned to and generators made with a number. Exercises' checks keep their cases. So do lines that end in "# seed
kept": there the seed stands for one thing to look at, such as a recorded episode, or picks a row of a result file.

    ranges_failed  how many declared ranges were missed, or how many runs stopped with an error, in all runs
    ranges         how many are declared

Time: all ten notebooks take about half an hour a seed on two idle cores.
"""

from __future__ import annotations

import ast
import json
import os
import sys
import tempfile
import time
from pathlib import Path

from _report import Table, cli, run_all

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "scripts"))
import notebooks as pairs  # noqa: E402

NAME = "ranges"
NUMBERS = [source.stem[:2] for source in pairs.sources()]
GENERATORS = {"default_rng", "manual_seed", "RandomState", "Random", "SeedSequence"}
NAMES = {"seed", "seeds"}
KEPT = "# seed kept"
TIMEOUT = 1800  # s for one cell


class Shift(ast.NodeTransformer):
    """Adds `offset` to every seed in a cell."""

    def __init__(self, offset: int, kept: set[int]):
        self.offset, self.kept = offset, kept

    def moved(self, node: ast.AST) -> ast.AST:
        """`node`, which says one or several seeds, with all of them moved."""
        if getattr(node, "lineno", 0) in self.kept:
            return node
        if isinstance(node, ast.Constant) and type(node.value) is int:
            return ast.Constant(node.value + self.offset)
        if isinstance(node, (ast.Tuple, ast.List)):
            return type(node)([self.moved(each) for each in node.elts], node.ctx)
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "range" and len(node.args) <= 2:
            low, high = ([ast.Constant(0)] + node.args)[-2:]
            more = [ast.BinOp(each, ast.Add(), ast.Constant(self.offset)) for each in (low, high)]
            return ast.Call(node.func, more, [])
        return node

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        for keyword in node.keywords:
            if keyword.arg in NAMES:
                keyword.value = self.moved(keyword.value)
        if getattr(node.func, "attr", getattr(node.func, "id", "")) in GENERATORS:
            node.args = [self.moved(each) for each in node.args]
        return node

    def visit_Assign(self, node: ast.Assign) -> ast.AST:
        self.generic_visit(node)
        if any(isinstance(to, ast.Name) and to.id.lower() in NAMES for to in node.targets):
            node.value = self.moved(node.value)
        return node

    def visit_Dict(self, node: ast.Dict) -> ast.AST:
        self.generic_visit(node)
        named = [isinstance(key, ast.Constant) and key.value in NAMES for key in node.keys]
        node.values = [self.moved(value) if yes else value for value, yes in zip(node.values, named, strict=True)]
        return node

    def visit_For(self, node: ast.For) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.target, ast.Name) and node.target.id.lower() in NAMES:
            node.iter = self.moved(node.iter)
        return node

    def visit_comprehension(self, node: ast.comprehension) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.target, ast.Name) and node.target.id.lower() in NAMES:
            node.iter = self.moved(node.iter)
        return node


def shifted(code: str, offset: int) -> str:
    """A cell's code with `offset` added to every literal seed, but not on lines that end in `KEPT`."""
    kept = {k for k, line in enumerate(code.splitlines(), 1) if line.rstrip().endswith(KEPT)}
    tree = ast.parse(code)
    moved = ast.fix_missing_locations(Shift(offset, kept).visit(tree))
    text = ast.unparse(moved)
    return text if text != ast.unparse(ast.parse(code)) else code


def copy_of(number: str, offset: int):
    """The notebook with other seeds; exercises and their checks as they are."""
    (source,) = pairs.sources(number)
    nb = pairs.read_script(source)
    for cell in nb.cells:
        if cell.cell_type == "code" and "nbgrader" not in cell.metadata:
            cell.source = shifted(cell.source, offset)
    return nb


def one_run(args, number: str, seed: int) -> dict:
    from nbclient.exceptions import CellExecutionError, CellTimeoutError

    nb, error, began = copy_of(number, seed), "", time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "seen.jsonl"
        os.environ["COURSE_SEEN"] = str(path)
        os.environ["COURSE_HOME"] = folder
        try:
            pairs.execute(nb, args.budget, ROOT / "notebooks", TIMEOUT, number)
        except (CellExecutionError, CellTimeoutError) as failure:
            error = f"{getattr(failure, 'ename', 'time-out')}: {getattr(failure, 'evalue', '')}"[:300]
        finally:
            del os.environ["COURSE_SEEN"], os.environ["COURSE_HOME"]
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    seen = [json.loads(line) for line in lines]
    missed = [{k: row[k] for k in ("label", "value", "between")} for row in seen if not row["good"]]
    return dict(notebook=number, seed=seed, ranges=len(seen), missed=missed, error=error,
                train_seconds=round(time.perf_counter() - began, 1))  # fmt: skip


def claims_of(rows: list[dict]) -> tuple[dict, dict]:
    declared = {row["notebook"]: row["ranges"] for row in rows}
    failed = sum(len(row["missed"]) + bool(row["error"]) for row in rows)
    claims = {"ranges_failed": failed, "ranges": sum(declared.values())}
    return claims, {name: [value, value] for name, value in claims.items()}


def report(rows: list[dict]) -> list:
    table = Table("what one should see", "seeds", "ranges", "missed", "stopped", "minutes")
    for number in dict.fromkeys(row["notebook"] for row in rows):
        mine = [row for row in rows if row["notebook"] == number]
        table.add(
            number, len(mine), mine[-1]["ranges"], sum(len(row["missed"]) for row in mine),
            sum(bool(row["error"]) for row in mine), f"{max(row['train_seconds'] for row in mine) / 60:.1f}",
        )  # fmt: skip
    lines = [
        f"{row['notebook']}, seed {row['seed']}: {miss['label']}: {miss['value']}, not in {miss['between']}"
        for row in rows
        for miss in row["missed"]
    ]
    return [table, *lines, *(f"{r['notebook']}, seed {r['seed']}: {r['error']}" for r in rows if r["error"])]


if __name__ == "__main__":
    args = cli(
        NAME, __doc__, seeds=(1001, 2002, 3003), notebooks=NUMBERS, fixed=dict(budget="lite"),
        quick=dict(seeds=1, notebooks=1, budget="smoke"),
    )  # fmt: skip
    run_all(
        args, one_run, [(number, seed) for seed in args.seeds for number in args.notebooks], key=("notebook", "seed"),
        config=dict(budget=args.budget), claims_of=claims_of, report=report, says="{ranges} ranges, missed: {missed}",
    )  # fmt: skip
