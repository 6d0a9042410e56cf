"""The options of a command on one screen: a line each, with its default and the first words about it."""

from __future__ import annotations

import ast
import dataclasses
import functools
import inspect
import shutil
import textwrap


@functools.cache
def documented(kind: type) -> dict[str, str]:
    """Field of a dataclass -> the string that stands below it in the source, on one line."""
    found: dict[str, str] = {}
    for each in reversed([base for base in kind.__mro__ if dataclasses.is_dataclass(base)]):
        try:
            body = ast.parse(textwrap.dedent(inspect.getsource(each))).body[0].body
        except (OSError, TypeError):  # made at run time, without a source
            continue
        for field, text in zip(body, body[1:], strict=False):
            if isinstance(field, ast.AnnAssign) and isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant):
                found[field.target.id] = " ".join(str(text.value.value).split())
    return found


def lines(options, title: str, prefix: str = "") -> list[str]:
    """One line for each field of the dataclass `options`, those of configs inside it in groups of their own."""
    width = min(shutil.get_terminal_size((100, 24)).columns, 120)
    out, inner = [f"{title}:"], []
    for field in dataclasses.fields(options):
        value, text = getattr(options, field.name), documented(type(options)).get(field.name, "")
        if dataclasses.is_dataclass(value):
            name = prefix if field.name == "config" else f"{prefix}{field.name}."
            inner += lines(value, "hyperparameters" if field.name == "config" else field.name, name)
            continue
        shown = " ".join(map(str, value)) if isinstance(value, (tuple, list)) else str(value)
        start = f"  --{prefix}{field.name}".replace("_", "-") + f" {shown}"
        out.append(_joined(start, text, width))
    return [*out, *inner]


def _joined(start: str, text: str, width: int) -> str:
    room = width - max(len(start) + 2, 34)
    short = text if len(text) <= room else text[: max(room - 2, 0)].rsplit(" ", 1)[0] + " …"
    return f"{start:<34}{short}" if len(start) < 33 else f"{start}  {short}"
