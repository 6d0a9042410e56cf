"""Liquid Control: reinforcement learning for continuous control with continuous-time networks.

Everything a notebook needs is one dot away; each name is imported when it is first used, so that
`import course_lib.envs` does not wait for torch.
"""

import importlib

from course_lib.course.budget import budget
from course_lib.rl.algorithms import ALGORITHMS

__version__ = "0.1.0"

_PLACES = {
    "make": "course_lib.envs",
    "make_task": "course_lib.envs",
    **{name: module for module, *names in ALGORITHMS.values() for name in names},
    "Policy": "course_lib.policies.base",
    "MLPActorCritic": "course_lib.policies.actor_critics",
    "RecurrentActorCritic": "course_lib.policies.actor_critics",
    "ChunkActorCritic": "course_lib.policies.chunks",
    "make_cell": "course_lib.nets.cells",
    "CellConfig": "course_lib.nets.config",
    "SummarizerConfig": "course_lib.nets.config",
    "PlanConfig": "course_lib.policies.plans",
    "Run": "course_lib.rl.run",
    "train": "course_lib.course.session",
    "sweep": "course_lib.course.session",
    "load_sweep": "course_lib.sweeps",
    "Sweep": "course_lib.sweeps",
    "importances": "course_lib.sweeps",
    "plot_history": "course_lib.viz.sweeps.figures",
    "plot_importances": "course_lib.viz.sweeps.figures",
    "plot_parallel": "course_lib.viz.sweeps.figures",
    "plot_slices": "course_lib.viz.sweeps.figures",
    "SweepView": "course_lib.viz.sweeps.html",
    "uniform": "course_lib.sweeps",
    "log_uniform": "course_lib.sweeps",
    "integer": "course_lib.sweeps",
    "choice": "course_lib.sweeps",
    "load": "course_lib.policies.saved",
    "save_policy": "course_lib.policies.saved",
    "result": "course_lib.files",
    "evaluate": "course_lib.evaluation.returns",
    "compare": "course_lib.viz.curves",
    "topology": "course_lib.viz.topology.paint",
    "topology_view": "course_lib.viz.topology.html",
    "show": "course_lib.viz.video",
    "live": "course_lib.viz.player.live",
    "background": "course_lib.course.session",
    "setup": "course_lib.course.doctor",
    "see": "course_lib.course.seeing",
    "predict": "course_lib.course.predictions",
    "calibration": "course_lib.course.predictions",
    "quiz": "course_lib.course.quiz",
    "check": "course_lib.classroom.checks",
    "solution": "course_lib.classroom.checks",
}
__all__ = ["budget", *_PLACES]


def __getattr__(name: str):
    if name not in _PLACES:
        raise AttributeError(f"course_lib has no {name!r}; it has: {', '.join(_PLACES)}")
    value = getattr(importlib.import_module(_PLACES[name]), name)
    globals()[name] = value
    return value


def __dir__():
    return sorted([*globals(), *_PLACES])
