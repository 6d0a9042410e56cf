"""Hyperparameter sweeps: Optuna chooses the settings; this package trains, records, resumes and evaluates."""

from course_lib.sweeps.importance import Importance, importances
from course_lib.sweeps.results import Record, Sweep
from course_lib.sweeps.run import load_sweep, sweep
from course_lib.sweeps.space import Dimension, choice, integer, log_uniform, parse_space, uniform
from course_lib.sweeps.workers import Pruned

__all__ = ["Dimension", "Importance", "Pruned", "Record", "Sweep", "choice", "importances", "integer", "load_sweep",
           "log_uniform", "parse_space", "sweep", "uniform"]  # fmt: skip
