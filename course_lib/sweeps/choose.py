"""Which settings to try next, and which trials to stop early: Optuna's samplers and pruners by name."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
import optuna

from course_lib.errors import check_choice

SAMPLERS, PRUNERS = ("tpe", "random"), ("median", "hyperband")


class Seeded(optuna.samplers.BaseSampler):
    """A sampler made anew for each trial from the seed and its number, so that a restart repeats no draw."""

    def __init__(self, make: Callable[[int], optuna.samplers.BaseSampler], seed: int):
        self._make, self._seed = make, seed
        self._now = make(seed)

    def before_trial(self, study, trial) -> None:
        self._now = self._make(int(np.random.SeedSequence((self._seed, trial.number)).generate_state(1)[0]))

    def infer_relative_search_space(self, study, trial):
        return self._now.infer_relative_search_space(study, trial)

    def sample_relative(self, study, trial, search_space):
        return self._now.sample_relative(study, trial, search_space)

    def sample_independent(self, study, trial, param_name, param_distribution):
        return self._now.sample_independent(study, trial, param_name, param_distribution)

    def after_trial(self, study, trial, state, values) -> None:
        self._now.after_trial(study, trial, state, values)


def make_sampler(sampler, seed: int, workers: int | None) -> optuna.samplers.BaseSampler:
    if isinstance(sampler, optuna.samplers.BaseSampler):
        return sampler
    check_choice("sampler", sampler, SAMPLERS)
    if sampler == "random":
        return Seeded(lambda s: optuna.samplers.RandomSampler(seed=s), seed)
    # Multivariate: learning rate and epochs are chosen together. Liar: trials still running count as bad.
    options = dict(multivariate=True, n_startup_trials=10, constant_liar=workers != 1)
    with quiet():
        return Seeded(lambda s: optuna.samplers.TPESampler(seed=s, **options), seed)


def make_pruner(pruner, reports: int) -> optuna.pruners.BasePruner:
    if isinstance(pruner, optuna.pruners.BasePruner):
        return pruner
    if pruner is None:
        return optuna.pruners.NopPruner()
    check_choice("pruner", pruner, PRUNERS)
    if pruner == "median":
        return optuna.pruners.MedianPruner(n_startup_trials=5, n_warmup_steps=reports // 4)
    return optuna.pruners.HyperbandPruner(min_resource=1, max_resource=reports, reduction_factor=3)


class quiet:
    """Inside the `with` block, Optuna logs only errors and gives no notes about its experimental parts."""

    def __enter__(self):
        self._level = optuna.logging.get_verbosity()
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self._warnings = warnings.catch_warnings()
        self._warnings.__enter__()
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)

    def __exit__(self, *exc):
        self._warnings.__exit__(*exc)
        optuna.logging.set_verbosity(self._level)
