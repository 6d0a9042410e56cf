"""Control tasks and the engines that run them. Nothing here uses torch."""

from __future__ import annotations

import importlib

import gymnasium as gym
from gymnasium.vector import VectorEnv

from course_lib.envs.engine.batched import BatchedEnv
from course_lib.envs.engine.disturbed import Disturbance, Disturbed
from course_lib.envs.engine.foreign import make_foreign
from course_lib.envs.engine.options import kept, options_of
from course_lib.envs.engine.partial import Masked
from course_lib.envs.engine.several import Several
from course_lib.envs.engine.single import TaskEnv
from course_lib.envs.engine.task import State, Task
from course_lib.errors import ArgumentError, check_choice, check_count, nearest

# id: (module and class, control steps of an episode); nothing is imported before it is asked for
TWINS = {  # of environments that Gymnasium has too
    "HalfCheetah-v5": ("twins.half_cheetah:HalfCheetah", 1000),
    "InvertedPendulum-v5": ("twins.inverted_pendulum:InvertedPendulum", 1000),
    "InvertedDoublePendulum-v5": ("twins.inverted_double_pendulum:InvertedDoublePendulum", 1000),
    "Hopper-v5": ("twins.hopper:Hopper", 1000),
    "Walker2d-v5": ("twins.walker2d:Walker2d", 1000),
    "Ant-v5": ("twins.ant:Ant", 1000),
    "Swimmer-v5": ("twins.swimmer:Swimmer", 1000),
    "Reacher-v5": ("twins.reacher:Reacher", 50),
    "Pusher-v5": ("twins.pusher:Pusher", 100),
    "Humanoid-v5": ("twins.humanoid:Humanoid", 1000),
    "HumanoidStandup-v5": ("twins.humanoid_standup:HumanoidStandup", 1000),
}
ROBOTS = {
    "AnymalSprint-v0": ("anymal.sprint:AnymalSprint", 801),
    "AnymalC-v0": ("anymal.walk:AnymalC", 1000),
}
MEMORY = {  # part of the state is hidden; `observation="full"` shows all
    "MemoryPendulum-v0": ("memory.pendulum:MemoryPendulum", 200),
    "MemoryCartPole-v0": ("memory.cartpole:MemoryCartPole", 500),
    "CarHeavenHell-v0": ("memory.car_heaven_hell:CarHeavenHell", 160),
    "WaterMaze-v0": ("memory.water_maze:WaterMaze", 200),
    "Bumps-v0": ("memory.bumps:Bumps", 50),
    "ReacherOnce-v0": ("memory.reacher_once:ReacherOnce", 50),
}
TABLETOP = {
    "Throw-v0": ("tabletop.tasks:Throw", 50),
    "Pick-v0": ("tabletop.tasks:Pick", 75),
    "Push-v0": ("tabletop.tasks:Push", 75),
    "Soccer-v0": ("tabletop.tasks:Soccer", 75),
    "Faucet-v0": ("tabletop.tasks:Faucet", 75),
}
TASKS = {**TWINS, **ROBOTS, **MEMORY, **TABLETOP}


def task_class(name: str) -> type[Task]:
    """The class of the task `name`, one of `TASKS`."""
    module, kind = TASKS[name][0].split(":")
    return getattr(importlib.import_module(f"{__name__}.{module}"), kind)


def make_task(
    id: str, hide: str | list[int] | None = None, disturb: Disturbance | dict | None = None, **kwargs
) -> Task:
    """The task `id`. `hide` masks part of the observation (see `partial.Masked`). `disturb` changes the conditions
    (see `Disturbance`; if there are several control rates, the task has the first).
    """
    name = id.removeprefix("course/") if isinstance(id, str) else id
    if name not in TASKS:
        raise ArgumentError(f"id={id!r} has no task of this course; accepted: {', '.join(TASKS)}{nearest(name, TASKS)}")
    kind = task_class(name)
    options = options_of(kind)
    for option, value in kwargs.items():
        if option not in options:
            known = [*options, "hide", "disturb"]
            raise ArgumentError(
                f"{option}={value!r} is not an option of {name}; accepted: {', '.join(known)}{nearest(option, known)}"
            )
    task = kind(**kwargs)
    task = task if hide is None else Masked(task, hide)
    disturb = Disturbance.of(disturb)
    return Disturbed(task, disturb.at(disturb.rates[0])) if disturb.active() else task


def tasks_of(id: str, most: int, hide=None, disturb: Disturbance | dict | None = None, **kwargs) -> list[Task]:
    """The tasks that copies of `id` take in turn: one for each control rate, `most` at most. Options: see `make`."""
    disturb = Disturbance.of(disturb)
    return [make_task(id, hide, disturb.at(rate), **kwargs) for rate in disturb.rates[:most]]


def _imported(id: str) -> str:
    """The name in "module:name", after an import of the module; only if a caller asks, never for a file's header."""
    module, colon, name = id.rpartition(":")
    if not colon:
        return id
    try:
        importlib.import_module(module)
    except ImportError as error:
        raise ArgumentError(f"id={id!r} names the module {module!r}, which cannot be imported: {error}") from None
    return name


def make(
    id: str,
    num_envs: int = 64,
    seed: int | None = 0,
    *,
    threads: int | None = None,
    engine: str = "auto",
    hide: str | list[int] | None = None,
    disturb: Disturbance | dict | None = None,
    **kwargs,
) -> VectorEnv:
    """`num_envs` copies of the environment `id`, stepped together.

    A task of this course runs on the batched engine; any other id that Gymnasium knows runs through
    `gymnasium.make_vec`. `kwargs` are options of the task or of the Gymnasium environment. They are kept with `hide`
    and `disturb` in `.options` of the result, so that a policy can be evaluated in the environment it was trained in.

    `hide` leaves out part of the observation (`partial.Masked`). `disturb` sets conditions that a task was not made
    for: a dict of fields of `Disturbance`, such as dict(rate=2, noise=0.05). With several rates, copy i has the rate
    with number i modulo their count (see `Several`).

    An id such as "my_package:MyEnv-v0" imports the module before the colon first, which registers the environment.

    Raises:
        ArgumentError: an unknown id, an option the task does not have, a count below one.
    """
    if not isinstance(id, str):
        raise ArgumentError(f"id={id!r} is not accepted; it must be the name of an environment, e.g. 'HalfCheetah-v5'")
    id = _imported(id)
    num_envs = check_count("num_envs", num_envs)
    check_choice("engine", engine, ("auto", "rollout", "data"))
    seed = None if seed is None else check_count("seed", seed, least=0)
    if id.removeprefix("course/") in TASKS:
        disturb = Disturbance.of(disturb)
        more = ({} if hide is None else {"hide": hide}) | ({"disturb": disturb.told()} if disturb.active() else {})
        tasks = tasks_of(id, num_envs, hide, disturb, **kwargs)
        options = kept(more | kwargs)
        if len(tasks) == 1:
            return BatchedEnv(tasks[0], num_envs, seed, threads, engine, options)
        return Several(tasks, num_envs, seed, threads, engine, options)
    if id not in gym.registry:
        known = [*TASKS, *gym.registry]
        raise ArgumentError(
            f"id={id!r} is not known; accepted: {', '.join(TASKS)} or any id of Gymnasium{nearest(id, known)}"
        )
    if hide is not None:
        raise ArgumentError(
            f"hide={hide!r} needs a task of this course, which {id} is not; accepted ids: {', '.join(TASKS)}"
        )
    if disturb is not None and Disturbance.of(disturb).active():
        raise ArgumentError(
            f"disturb={disturb!r} needs a task of this course, which {id} is not; accepted ids: {', '.join(TASKS)}"
        )
    return make_foreign(id, num_envs, seed, **kwargs)


def _single(task: str, render_mode: str | None = None, width: int = 320, height: int = 240, **kwargs) -> TaskEnv:
    return TaskEnv(make_task(task, **kwargs), render_mode, width, height)


def register() -> None:
    """Make `gymnasium.make("course/…")` know every task."""
    for id, (_, horizon) in TASKS.items():
        if f"course/{id}" not in gym.registry:
            gym.register(f"course/{id}", entry_point=_single, max_episode_steps=horizon, kwargs={"task": id})


register()
__all__ = [
    "BatchedEnv",
    "Disturbance",
    "Disturbed",
    "MEMORY",
    "Masked",
    "Several",
    "State",
    "TABLETOP",
    "Task",
    "TaskEnv",
    "TASKS",
    "TWINS",
    "make",
    "make_task",
]
