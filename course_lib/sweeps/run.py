"""`sweep`: choose, run and record until the number of trials is reached. You can resume it at any moment."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, is_dataclass, replace

import optuna

from course_lib.errors import ArgumentError, check_choice, check_count, nearest
from course_lib.machine import cores
from course_lib.policies.saved import nested
from course_lib.rl.algorithms import ALGORITHMS, algorithm
from course_lib.sweeps.choose import make_pruner, make_sampler, quiet
from course_lib.sweeps.driver import Driver
from course_lib.sweeps.objective import Training, check_env, check_known_elsewhere
from course_lib.sweeps.results import Sweep
from course_lib.sweeps.space import Dimension, check_space, dimension
from course_lib.sweeps.storage import open_storage, sentences, shown
from course_lib.sweeps.workers import Inline, Processes

BACKENDS = ("processes", "ray")
VALUES = ("deterministic", "stochastic", "training")


def sweep(
    env: str | None = None,
    algorithm: str | type = "ppo",
    space: dict[str, Dimension] | None = None,
    *,
    config=None,
    objective: Callable | None = None,
    env_steps: int = 200_000,
    num_envs: int = 64,
    env_options: dict | None = None,
    trials: int = 50,
    sampler: str | optuna.samplers.BaseSampler = "tpe",
    pruner: str | optuna.pruners.BasePruner | None = "median",
    reports: int = 10,
    value: str | Callable = "deterministic",
    episodes: int = 20,
    storage: str | None = None,
    name: str | None = None,
    workers: int | None = None,
    backend: str = "processes",
    seed: int = 0,
    callbacks: tuple = (),
    progress: bool = True,
    resume: bool = True,
    max_seconds: float | None = None,
) -> Sweep:
    """Try `trials` settings of an algorithm, each in a full training run, and keep them.

    No trial is lost by an interrupt (■) or a crash.

    Args:
        env, algorithm: name of the environment; name of the algorithm, or an agent class that takes (envs, config).
        space: field of the config -> `cl.uniform`, `cl.log_uniform`, `cl.integer` or `cl.choice`.
        config: a dataclass with what all trials share; the recommended one by default. All trials have the seed `seed`.
        objective: replaces the training: `objective(config, report) -> float`, which is maximised. Its `config` is the
            dataclass with the trial's values, or a namespace of them if you give no `config`; `report(step, value)`
            reports a value, so that the trial can be pruned.
        env_steps, num_envs, env_options: for each training run.
        trials: how many in all, including those of earlier calls; failed and pruned ones count.
        sampler: "tpe" (Bergstra et al. 2011; the first 10 at random), "random", or one of Optuna's. The first two are
            seeded by `seed` and the trial's number, so a resumed sweep draws what it would have drawn anyway.
        pruner: "median" (stop below the median of earlier trials at the same step), "hyperband" (Li et al. 2018),
            None, or one of Optuna's.
        reports: into how many equal parts the budget is divided; the training return is reported after all but the
            last.
        value: value of a trial: "deterministic", "stochastic" (both over `episodes` episodes), "training" or a function
            of the `Run`.
        storage: "sqlite:///FILE" (default: runs/sweep.db), another database's URL, or "journal:///FILE".
        name: name of the sweep in its storage; ALGORITHM-ENV-SEED by default.
        workers: how many trials run at once; by default 1, and with Ray as many as the cluster has processors.
        backend: "processes" on this machine, or "ray": tasks on the cluster that `ray.init` or Ray itself finds.
        callbacks: objects with any of `on_trial(sweep)`, called after each trial, and `on_end(sweep)`.
        resume: continue a sweep of this name; False refuses if there is one.
        max_seconds: start no trial after this much wall-clock time.

    Raises:
        ArgumentError: an argument that is not accepted, storage that cannot be used, a cluster that is gone, or all
            trials failed. Trials that raise or return NaN are recorded as failed, with the reason; the sweep goes on.
    """
    trials, seed = check_count("trials", trials), check_count("seed", seed, 0)
    check_choice("backend", backend, BACKENDS)
    if workers is not None:
        check_count("workers", workers)
    if objective is None:
        threads = 1 if backend == "ray" else max(cores() // (workers or 1), 1)
        options = dict(env_steps=env_steps, num_envs=num_envs, env_options=env_options or {}, threads=threads,
                       reports=reports, value=value, episodes=episodes)  # fmt: skip
        objective, config, label = _training(env, algorithm, config, seed, options)
        if (workers or 1) > 1 or backend == "ray":
            check_known_elsewhere(env, workers or 2)
    elif not callable(objective):
        raise ArgumentError(f"objective={objective!r} is not accepted; it must be a function of (config, report)")
    else:
        label = getattr(objective, "__name__", type(objective).__name__)
    if config is not None and (not is_dataclass(config) or isinstance(config, type)):
        raise ArgumentError(f"config={config!r:.80} is not accepted; it must be a dataclass, e.g. cl.PPOConfig()")
    space, recipe = check_space(space, config), _recipe(objective, config, seed)
    options = dict(
        sampler=make_sampler(sampler, seed, workers), pruner=make_pruner(pruner, check_count("reports", reports))
    )
    pool = _pool(backend, objective, workers)
    store, url = open_storage(storage)
    with sentences(url), quiet():
        study = _study(store, url, name or f"{label}-{seed}", options, space, recipe, resume)
        found = Sweep(study.study_name, space, recipe, study)
        found.config = config
        Driver(found, trials, max_seconds, progress, callbacks).run(pool)
    _refuse_failures(found, url, trials)
    return found


def load_sweep(name: str, storage: str | None = None) -> Sweep:
    """A sweep as it stands in its storage, without running anything."""
    store, url = open_storage(storage)
    with sentences(url), quiet():
        known = optuna.get_all_study_names(store)
        if name not in known:
            listed = ", ".join(map(repr, known)) or "none"
            raise ArgumentError(f"name={name!r} is no sweep in {shown(url)!r}; it has: {listed}{nearest(name, known)}")
        study = optuna.load_study(study_name=name, storage=store)
        if "sweep" not in study.user_attrs:
            raise ArgumentError(f"name={name!r} in {shown(url)!r} is not a sweep of this library, but of plain Optuna")
        facts = study.user_attrs["sweep"]
    found = Sweep(name, {k: dimension(**v) for k, v in facts["space"].items()}, facts["recipe"], study)
    if found.recipe.get("algorithm") in ALGORITHMS:
        found.config = algorithm_of(found.recipe["algorithm"])[1].from_dict(found.recipe["config"])
    return found


algorithm_of = algorithm  # the argument of `sweep` has its name


def _training(env, kind, config, seed: int, options: dict) -> tuple[Training, object, str]:
    """The objective of an algorithm, its base config, and what to call the sweep."""
    for name in ("env_steps", "num_envs", "reports", "episodes"):
        check_count(name, options[name])
    if not callable(options["value"]):
        check_choice("value", options["value"], VALUES)
    config_class = None
    if isinstance(kind, str):
        kind, config_class = algorithm_of(kind)
    elif not callable(kind):
        raise ArgumentError(
            f"algorithm={kind!r} is not accepted; it must be a name ({', '.join(ALGORITHMS)}) or an agent class"
        )
    check_env(env, options["env_options"])
    if config is None and config_class is None:
        raise ArgumentError(f"config=None is not accepted with algorithm={kind.__name__}: give its config, a dataclass")
    config = config_class.recommended(env) if config is None else config
    if is_dataclass(config) and hasattr(config, "seed"):
        config = replace(config, seed=seed)
    return Training(kind, env, **options), config, f"{getattr(kind, 'name', kind.__name__)}-{env.replace('/', '-')}"


def _recipe(objective, config, seed: int) -> dict:
    """What makes trials comparable, as plain JSON."""
    if isinstance(objective, Training):
        names = ("env", "env_steps", "num_envs", "env_options", "reports", "value", "episodes")
        facts = {name: getattr(objective, name) for name in names}
        facts["algorithm"] = getattr(objective.agent, "name", objective.agent.__name__)
    else:
        facts = {"objective": getattr(objective, "__qualname__", type(objective).__qualname__)}
    facts |= {"config": None if config is None else asdict(config), "seed": seed}
    return json.loads(json.dumps(facts, default=lambda thing: getattr(thing, "__qualname__", str(thing))))


def _pool(backend: str, objective, workers: int | None) -> Callable:
    """decide -> a pool. What can be refused is refused here, before anything is stored."""
    if backend == "ray":
        from course_lib.sweeps.cluster import RayTasks, connect

        connect()
        return lambda decide: RayTasks(objective, decide, workers)
    if (workers or 1) == 1:
        return lambda decide: Inline(objective, decide)
    made = Processes(objective, None, workers)

    def processes(decide):
        made.decide = decide
        return made

    return processes


def _study(store, url, name, options, space, recipe, resume) -> optuna.Study:
    """The study `name`, new or the one to go on with; refused where that one is another sweep."""
    if not isinstance(name, str):
        raise ArgumentError(f"name={name!r} is not accepted; it must be a string")
    described = {k: found.to_dict() for k, found in space.items()}
    study = optuna.create_study(study_name=name, storage=store, direction="maximize", load_if_exists=True, **options)
    # Trials first: another caller may be at this very place, and describes the sweep before its first trial.
    finished, facts = len(study.get_trials(deepcopy=False)), study.user_attrs
    if not facts and not finished:
        study.set_user_attr("sweep", {"space": described, "recipe": recipe})
        return study
    where = f"name={name!r} is in {shown(url)!r} already"
    if not resume:
        raise ArgumentError(f"{where}, with {finished} trials; choose another name, or resume=True to go on with it")
    if "sweep" not in facts:
        raise ArgumentError(f"{where}, and it is not a sweep of this library; choose another name")
    for what, old, new in (("space", facts["sweep"]["space"], described), ("", facts["sweep"]["recipe"], recipe)):
        if difference := _difference(old, new):
            raise ArgumentError(f"{where}, with another {f'{what} ' if what else ''}{difference}; choose another name")
    return study


def _difference(old: dict, new: dict) -> str:
    """The first entry in which two dicts differ, as words; entries of a config that only one of them knows aside."""
    for key in dict.fromkeys([*old, *new]):
        a, b = old.get(key), new.get(key)
        if key == "config" and isinstance(a, dict) and isinstance(b, dict):
            a, b = nested(a), nested(b)
            shared = [k for k in a if k in b and a[k] != b[k]]
            if shared:
                return f"config.{shared[0]}: {a[shared[0]]!r} there, {b[shared[0]]!r} here"
        elif a != b:
            return f"{key}: {_brief(a)} there, {_brief(b)} here"
    return ""


def _brief(value) -> str:
    return repr(dimension(**value)) if isinstance(value, dict) and "kind" in value else repr(value)


def _refuse_failures(found: Sweep, url: str, trials: int) -> None:
    records = found.trials
    if len(records) >= trials and all(t.state == "failed" for t in records):
        reasons = [t.reason for t in records]
        most = max(set(reasons), key=reasons.count)
        raise ArgumentError(
            f"all {len(records)} trials of sweep {found.name!r} failed, {reasons.count(most)} of them with: {most}. "
            f"They are recorded in {shown(url)!r}: cl.load_sweep({found.name!r}).table(); a new name begins afresh"
        )
