"""What was changed in a task after it was made, found by a comparison with one that was made the same way."""

from __future__ import annotations

import types
from collections.abc import Mapping
from fractions import Fraction
from numbers import Number

import mujoco
import numpy as np

from course_lib.envs.engine.task import Task

UNREAD = ("_given", "_last", "hide")  # what a task was given, and what it keeps to save time: neither decides anything
# Fields of a model that only a picture shows, and `names` and the like, which no attribute changes.
DRAWN = ("cam_", "light_", "mat_", "tex_", "skin_", "name", "text_", "geom_matid", "geom_group")
DRAWN += ("site_group", "center", "extent")
PARTS = ("opt", "stat")  # of a model, with fields of their own; `vis` is only drawn


def changed(task: Task, fresh: Task) -> str:
    """Name of an attribute in which `task` differs from `fresh`, "task" if their classes do; "" if none is found.

    Models are compared but for their looks. Where two values cannot be compared, such as generators, they count as
    equal if they are of one type. Attributes that `fresh` lacks are left out, because its class does not read them.
    """
    return "task" if type(task) is not type(fresh) else _differs(vars(task), fresh, {})


def _differs(held: Mapping, fresh, seen: dict) -> str:
    for name, value in held.items():
        if name in UNREAD or not hasattr(fresh, name) or _same(value, other := getattr(fresh, name), seen):
            continue
        return changed(value, other) if isinstance(value, Task) and type(value) is type(other) else name
    return ""


def _same(a, b, seen: dict) -> bool:
    if a is b or (id(a), id(b)) in seen:
        return True
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
        return _same_array(np.asarray(a), np.asarray(b))
    if isinstance(a, (Number, np.generic)) and isinstance(b, (Number, np.generic)):
        return bool(a == b or (a != a and b != b))
    if isinstance(a, (list, tuple, range)) and isinstance(b, (list, tuple, range)):  # a file holds lists only
        return len(a) == len(b) and all(_same(x, y, seen) for x, y in zip(a, b, strict=True))
    if type(a) is not type(b):
        return False
    seen[id(a), id(b)] = a, b  # kept, so that no other object gets their number
    if isinstance(a, Mapping):
        return a.keys() == b.keys() and all(_same(a[key], b[key], seen) for key in a)
    if isinstance(a, mujoco.MjModel):
        return _same_model(a, b)
    if isinstance(a, types.MethodType):
        return a.__func__ is b.__func__
    if isinstance(a, types.FunctionType):
        return a.__code__ is b.__code__
    if isinstance(a, (str, bytes, set, frozenset, Fraction, type)):
        return a == b
    return not hasattr(a, "__dict__") or not _differs(vars(a), b, seen)


def _same_array(a: np.ndarray, b: np.ndarray) -> bool:
    numbers = a.dtype.kind in "fc" and b.dtype.kind in "fc"
    return np.array_equal(a, b, equal_nan=numbers)


def _same_model(a: mujoco.MjModel, b: mujoco.MjModel) -> bool:
    if np.array_equal(_content(a), _content(b)):  # quick, and the usual case
        return True
    return _same_fields(a, b) and all(_same_fields(getattr(a, part), getattr(b, part)) for part in PARTS)


def _content(model: mujoco.MjModel) -> np.ndarray:
    """All of a model, looks included, as bytes."""
    content = np.zeros(mujoco.mj_sizeModel(model), dtype=np.uint8)
    mujoco.mj_saveModel(model, None, content)
    return content


def _same_fields(a, b) -> bool:
    for name in dir(a):
        if name.startswith(("_", *DRAWN)) or name.endswith("_rgba"):
            continue
        value = getattr(a, name)
        if isinstance(value, (np.ndarray, int, float)) and not _same_array(*map(np.asarray, (value, getattr(b, name)))):
            return False
    return True
