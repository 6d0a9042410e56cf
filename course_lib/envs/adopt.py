"""Environments from elsewhere, behind the conventions of `BatchedEnv`, with what it takes to make them again.

A policy is evaluated in the environment it was trained in. Environments from `cl.make` say how they were made. For
others, this module finds it out, or says why they cannot be made again.
"""

from __future__ import annotations

import gymnasium as gym
from gymnasium.vector import AutoresetMode, VectorEnv, VectorWrapper

from course_lib import envs as environments
from course_lib.envs.engine.batched import BatchedEnv
from course_lib.envs.engine.changes import changed
from course_lib.envs.engine.disturbed import Disturbed
from course_lib.envs.engine.foreign import Foreign
from course_lib.envs.engine.options import kept
from course_lib.envs.engine.partial import Masked
from course_lib.envs.engine.several import Several
from course_lib.envs.engine.task import Task
from course_lib.envs.engine.wrapped import Wrapped
from course_lib.errors import ArgumentError

OURS = ("num_envs", "vectorization_mode", "vector_kwargs", "render_mode", "wrappers")  # in a spec, but not of one copy
CHANGED = ("whose task was changed after it was made", "with another")  # how notes begin that are looked at anew
USUAL = ("TimeLimit", "OrderEnforcing", "PassiveEnvChecker", "_Scalar")  # wrappers that `gymnasium.make` adds by itself


def adopt(envs: VectorEnv) -> BatchedEnv | Several | Foreign:
    """`envs` with the `infos` of `cl.make`, and with `id`, `options` and `note` (see `BatchedEnv`).

    Raises:
        ArgumentError: `envs` is no vector environment, or it loses final observations.
    """
    if isinstance(envs, Foreign):
        return envs
    if isinstance(envs, BatchedEnv | Several):
        envs.options, envs.note = _of_tasks(envs)
        return envs
    if not isinstance(envs, VectorEnv):
        name = envs if isinstance(envs, str) else envs.spec.id if isinstance(envs, gym.Env) and envs.spec else None
        what = f"a single environment, {type(envs).__name__}" if isinstance(envs, gym.Env) else repr(envs)
        raise ArgumentError(
            f"envs={what:.200} is not accepted; it must be copies of an environment, stepped together: "
            f"cl.make({name or 'HalfCheetah-v5'!r}, 64)"
        )
    mode = envs.metadata.get("autoreset_mode")
    if mode != AutoresetMode.SAME_STEP:
        raise ArgumentError(
            f"envs has autoreset_mode={mode}; accepted: SAME_STEP, as in "
            "gymnasium.make_vec(id, n, vector_kwargs={'autoreset_mode': AutoresetMode.SAME_STEP}) or cl.make(id, n)"
        )
    id, options, note = _recipe(envs)
    return Foreign(envs, id, options=options, note=note)


def _of_tasks(envs: BatchedEnv | Several) -> tuple[dict | None, str]:
    """Options with which `cl.make` makes `envs`, and why it cannot: "" where it can."""
    if envs.note and not envs.note.startswith(CHANGED):
        return envs.options, envs.note
    if envs.options is None:
        return _of_task(envs.task)
    tasks = [group.task for group in envs.groups] if isinstance(envs, Several) else [envs.task]
    try:
        fresh = environments.tasks_of(envs.id, len(tasks), **envs.options)
    except ArgumentError:  # said where they are made again
        return envs.options, ""
    return envs.options, next(filter(None, map(_changed, tasks, fresh)), "")


def _changed(task: Task, fresh: Task) -> str:
    """Why options that make `fresh` do not make `task`; "" if they do."""
    name = changed(task, fresh)
    if not name or name.startswith("_"):
        return CHANGED[0] if name else ""
    return f"{CHANGED[1]} {name} than its options give"


def _of_task(task: Task) -> tuple[dict, str]:
    """Options with which `cl.make` makes `task`, and why it cannot: "" where it can."""
    inner, layers = task, []
    while isinstance(inner, Wrapped):
        layers.append(inner)
        inner = inner.task
    kinds, options = [type(layer) for layer in layers], {}
    if kinds not in ([], [Masked], [Disturbed], [Disturbed, Masked]):
        return {}, f"in {', '.join(kind.__name__ for kind in kinds)}"
    for layer in layers:
        options |= {"hide": layer.hide} if isinstance(layer, Masked) else {"disturb": layer.disturbance.told()}
    known = environments.task_class(inner.id) if inner.id in environments.TASKS else None
    if type(inner) is not known:
        return {}, f"of a task of its own, {type(inner).__name__}"
    try:
        told = kept({**inner.arguments(), **options})
    except ArgumentError as error:
        return {}, f"with options that a file cannot hold ({error})"
    note = _changed(task, environments.make_task(inner.id, **told))
    return ({}, note) if note else (told, "")


def _recipe(envs: VectorEnv) -> tuple[str, dict, str]:
    """Id and options with which `cl.make` makes `envs`, and why it cannot."""
    layers = []
    while isinstance(envs, VectorWrapper):
        layers.append(type(envs).__name__)
        if isinstance(envs, Foreign):
            layers.pop()
        envs = envs.env
    if isinstance(envs, BatchedEnv | Several):
        options, note = _of_tasks(envs)
        return envs.id, options, note or _wrapped(layers)
    try:
        specs = [copy.spec for copy in getattr(envs, "envs", ())] or [envs.spec]
    except Exception:  # a wrapper that cannot tell its arguments
        return type(envs).__name__, {}, "in a wrapper that does not tell what it was made with"
    if None in specs:
        return type(envs).__name__, {}, "that is not registered with Gymnasium"
    (options, note), *others = [_of_spec(spec) for spec in specs]
    spec = specs[0]
    if any(other != (options, note) for other in others) or len({each.id for each in specs}) > 1:
        return spec.id, {}, "whose copies differ"
    inner = [wrapper.name for wrapper in spec.additional_wrappers if wrapper.name not in USUAL]
    return spec.id, options, note or _wrapped([*layers, *inner])


def _wrapped(layers: list[str]) -> str:
    return f"in {', '.join(layers)}" if layers else ""


def _of_spec(spec: gym.envs.registration.EnvSpec) -> tuple[dict, str]:
    options = {name: value for name, value in spec.kwargs.items() if name not in OURS}
    registered = gym.registry.get(spec.id)
    if registered is None:
        return {}, "that is not registered with Gymnasium"
    if spec.kwargs.get("wrappers"):  # copies in other processes do not tell what they are in
        return {}, "in wrappers"
    if spec.max_episode_steps != registered.max_episode_steps:
        options["max_episode_steps"] = -1 if spec.max_episode_steps is None else spec.max_episode_steps
    options = {name: value for name, value in options.items() if registered.kwargs.get(name, ...) is not value}
    try:
        return kept(options), ""
    except ArgumentError as error:
        return {}, f"with options that a file cannot hold ({error})"
