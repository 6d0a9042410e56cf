"""The forms of a notebook, all made from `notebooks/py/NN_name.py`:

- complete: with solutions, executed; notebooks/complete/NN_name.ipynb. CI and `pytest --nbval-lax` run it.
- learner's: the same with a stub in each exercise cell, and what the checks say of stubs; notebooks/NN_name.ipynb.
  Badges, `make lab` and the web site open it.
- release, for a class that is graded: the learner's without outputs, with nbgrader's marks; see scripts/classroom.py.

Solutions ship apart, packed, for `cl.solution`.
"""

from __future__ import annotations

import ast
import contextlib
import copy
import io
import json
import re

from nbformat.v4 import new_output

REGION = re.compile(r"^([ \t]*)### BEGIN SOLUTION\n.*?^[ \t]*### END SOLUTION[^\n]*", re.M | re.S)
STUB = "# YOUR CODE HERE\nraise NotImplementedError()"  # as nbgrader writes it
ANSWER = re.compile(r"\b(attempt|yours_or_ours|museum_answers)\(")  # a cell that shows what an answer leads to
HELD_BACK = "What this cell shows depends on your answer to an exercise. Run it to see.\n"
PRELUDE = "prelude"  # tag of the cells that an answer needs: imports, small functions


def mark(cell) -> dict:
    """nbgrader's fields of a cell; empty where it has none."""
    return cell.metadata.get("nbgrader", {})


def is_exercise(cell) -> bool:
    return bool(mark(cell).get("solution"))


def is_check(cell) -> bool:
    return bool(mark(cell).get("grade"))


def number_of(cell) -> str:
    """ "ex-03-1", "check-03-1" -> "3.1"."""
    notebook, exercise = re.fullmatch(r"(?:ex|check)-(\d\d)-(\d+)", mark(cell)["grade_id"]).groups()
    return f"{int(notebook)}.{exercise}"


def stub(solution: str) -> str:
    """What is left of a solution cell: what stands between the marks is cut out."""
    return REGION.sub(lambda m: "\n".join(m[1] + line for line in STUB.splitlines()), solution)


def without_marks(solution: str) -> str:
    """A solution cell as one reads it: without the lines that mark the solution."""
    return re.sub(r"^[ \t]*### (BEGIN|END) SOLUTION[^\n]*\n?", "", solution, flags=re.M).strip() + "\n"


def learners(complete):
    """The complete notebook -> the learner's: stubs in the exercise cells, and what the checks say of them.

    Stubs and checks are run here, after the cells that they need. Outputs of cells that use an answer are held back, as
    they would give it away; all others are those of the complete notebook.
    """
    import course_lib as cl

    nb, names, waiting = copy.deepcopy(complete), {"__name__": "__main__", "cl": cl}, set()
    for cell in nb.cells:
        if is_exercise(cell):
            cell.source = stub(cell.source)
        if is_exercise(cell) or is_check(cell):
            cell.outputs = []
        elif cell.cell_type == "code" and cell.outputs and ANSWER.search(cell.source):
            cell.outputs = [new_output("stream", name="stdout", text=HELD_BACK)]
        if not (is_exercise(cell) or is_check(cell) or PRELUDE in cell.metadata.get("tags", [])):
            continue
        if cell.execution_count is None:  # a cell that was not executed stays so, and so does its check
            waiting |= {number_of(cell)} if is_exercise(cell) else set()
            continue
        if is_check(cell) and number_of(cell) in waiting:
            continue
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            exec(compile(cell.source, "cell", "exec"), names)
        if is_check(cell):
            cell.outputs = [new_output("stream", name="stdout", text=said.getvalue())]
    return nb


def packed_texts(notebooks) -> str:
    """JSON of what `cl.solution` and grading need of all notebooks.

    "solutions": number -> source. "points": number -> points. "prelude": notebook -> sources of the cells that an
    answer needs. "known": notebook -> digests of its code cells; what else a submission holds, its author wrote.
    """
    from course_lib.classroom.grading import digest

    held: dict[str, dict] = {"solutions": {}, "points": {}, "prelude": {}, "known": {}}
    for number, nb in notebooks.items():
        code = [cell for cell in nb.cells if cell.cell_type == "code"]
        held["solutions"] |= {number_of(cell): without_marks(cell.source) for cell in code if is_exercise(cell)}
        held["points"] |= {number_of(cell): mark(cell)["points"] for cell in code if is_check(cell)}
        held["prelude"][number] = [cell.source for cell in code if PRELUDE in cell.metadata.get("tags", [])]
        held["known"][number] = [digest(c.source) for c in code if "setup" not in c.metadata.get("tags", [])]
    return json.dumps(held, ensure_ascii=False)


# --- leaks --------------------------------------------------------------------------------------------


class _Plain(ast.NodeTransformer):
    """Names, arguments and texts by the order in which they come, so that two programs alike up to names are alike."""

    def __init__(self):
        self.names: dict[str, str] = {}

    def name(self, old: str) -> str:
        return self.names.setdefault(old, f"v{len(self.names)}")

    def visit_Name(self, node):
        return ast.copy_location(ast.Name(self.name(node.id), ast.Load()), node)

    def visit_arg(self, node):
        return ast.arg(self.name(node.arg))

    def visit_Attribute(self, node):  # np.mean(x) and x.mean() differ; np.mean and numpy.mean do not
        return ast.Attribute(self.visit(node.value), node.attr, ast.Load())


def plain(nodes: list[ast.AST]) -> str:
    """Statements or an expression, without names."""
    transformer = _Plain()
    return "; ".join(ast.dump(transformer.visit(copy.deepcopy(node))) for node in nodes)


def runs(tree: ast.AST, length: int):
    """Every run of `length` statements that stand one below the other somewhere in a program."""
    for node in ast.walk(tree):
        for field in ("body", "orelse", "finalbody"):
            block = getattr(node, field, None)
            if isinstance(block, list):
                yield from (block[k : k + length] for k in range(len(block) - length + 1))


def answer_of(solution: str) -> list[ast.stmt]:
    """The statements between the marks of a solution cell."""
    spans = [[solution.count("\n", 0, end) + 1 for end in m.span()] for m in REGION.finditer(solution)]
    inside = lambda node: any(first <= node.lineno and node.end_lineno <= last for first, last in spans)  # noqa: E731
    tree, found = ast.parse(solution), []
    for node in ast.walk(tree):
        block = getattr(node, "body", None)
        if isinstance(block, list):
            found = found or [each for each in block if inside(each)]
    return found


SMALL = 18  # nodes of a piece that says nothing by itself, such as `return x - y`


def gives_away(solution: str, code: str) -> str:
    """Where `code` holds the answer of a solution cell, or a large piece of it, up to names; "" where it does not."""
    answer = answer_of(solution)
    try:
        tree = ast.parse(code)
    except SyntaxError:  # a cell with magics
        return ""
    wanted = plain(answer)
    for block in runs(tree, len(answer)):
        if plain(block) == wanted:
            return ast.unparse(block[0])
    pieces = {plain([node]) for each in answer for node in ast.walk(each) if is_large(node)}
    for node in ast.walk(tree):
        if is_large(node) and plain([node]) in pieces:
            return ast.unparse(node)
    return ""


def is_large(node: ast.AST) -> bool:
    return isinstance(node, (ast.stmt, ast.expr)) and sum(1 for _ in ast.walk(node)) >= SMALL
