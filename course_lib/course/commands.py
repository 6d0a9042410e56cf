"""The commands: `python -m course_lib train | sweep | evaluate | render | doctor | demo`, and those of `classroom/`.

The options of `train` are the fields of the algorithm's config dataclass, read by tyro.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from dataclasses import MISSING, dataclass, field, fields, make_dataclass
from pathlib import Path
from typing import Annotated

import tyro

from course_lib.course.help import lines
from course_lib.errors import ArgumentError, CourseError, check_choice
from course_lib.rl.algorithms import ALGORITHMS, algorithm

USAGE = """usage: python -m course_lib COMMAND ...

  train ALGORITHM --env ID     train a policy (algorithms: {algorithms})
  sweep ALGORITHM --env ID     try many settings, kept and resumable
  evaluate POLICY              returns without and with exploration noise
  render POLICY --out FILE     an MP4 of one episode
  doctor                       check this installation
  demo                         train, evaluate and film a pendulum in about a minute
  lab                          copy the notebooks into a folder and open them
  grade NOTEBOOK ...           points of submitted notebooks

Add --help to a command for its options."""


@dataclass
class Train:
    """Train a policy and save it with its curve and a checkpoint."""

    env: str = "HalfCheetah-v5"
    """id of the environment"""
    steps: int = 300_000
    """environment steps over all copies"""
    num_envs: int = 64
    """copies stepped together"""
    hide: str | None = None
    """kind of observation to mask, e.g. velocities"""
    folder: Path | None = None
    """where to save; runs/ALGORITHM-ENV-SEED by default"""
    resume: bool = False
    """go on from the checkpoint in the folder, to the same number of steps"""
    overwrite: bool = False
    """start anew in a folder that already holds a training run; that run is lost"""
    log: tuple[str, ...] = ("csv",)
    """loggers: csv, tensorboard, trackio, wandb"""
    max_seconds: float | None = None
    """stop after this much wall-clock time"""


@dataclass
class Sweep:
    """Try settings of an algorithm, each in a full training run; a sweep that is in the storage is continued."""

    space: tuple[str, ...]
    """what to vary, e.g. 'learning_rate=log(1e-4,1e-2)' 'epochs=int(2,10)' 'gamma=uniform(0.9,0.999)'
    'cell.name=choice(None,ltc)'; quote each"""
    env: str = "HalfCheetah-v5"
    """id of the environment"""
    steps: int = 200_000
    """environment steps of each training"""
    num_envs: int = 64
    """copies stepped together"""
    hide: str | None = None
    """kind of observation to mask, e.g. velocities"""
    trials: int = 50
    """settings to try in all"""
    sampler: str = "tpe"
    """tpe or random"""
    pruner: str = "median"
    """median, hyperband or none"""
    storage: str | None = None
    """sqlite:///FILE, journal:///FILE or a database's URL; sqlite:///runs/sweep.db by default"""
    name: str | None = None
    """of the sweep in its storage; ALGORITHM-ENV-SEED by default"""
    workers: int | None = None
    """trials at once"""
    backend: str = "processes"
    """processes or ray"""
    episodes: int = 20
    """episodes that evaluate a trial"""
    max_seconds: float | None = None
    """begin no trial after this much wall-clock time"""
    top: int = 10
    """trials to print at the end"""


@dataclass
class Evaluate:
    """Evaluate a saved or shipped policy."""

    policy: Annotated[str, tyro.conf.Positional]
    """a file, a run's folder, or the name of a shipped policy"""
    episodes: int = 20
    seed: int = 0
    env: str | None = None
    """another environment than the one it was trained on"""


@dataclass
class Render:
    """Film one episode of a saved or shipped policy."""

    policy: Annotated[str, tyro.conf.Positional]
    """a file, a run's folder, or the name of a shipped policy"""
    out: Path = Path("episode.mp4")
    seed: int = 0
    steps: int | None = None
    """control steps to film; the whole episode by default"""
    width: int = 480
    height: int = 360
    stochastic: bool = False


def _algorithm_first(command: str, argv: list[str]) -> tuple[str, list[str]]:
    """The algorithm's name and the other words; `--algorithm NAME` will do too."""
    if argv and not argv[0].startswith("-"):
        return argv[0], argv[1:]
    name = _option("--algorithm", argv)
    if name is None:
        raise ArgumentError(f"{command} needs an algorithm first; accepted: {', '.join(ALGORITHMS)}")
    at = next(i for i, word in enumerate(argv) if word.startswith("--algorithm"))
    return name, argv[:at] + argv[at + (1 if "=" in argv[at] else 2) :]


def _option(name: str, argv: list[str]) -> str | None:
    """The value of `--name VALUE` or `--name=VALUE`."""
    for i, word in enumerate(argv):
        if word == name and i + 1 < len(argv):
            return argv[i + 1]
        if word.startswith(f"{name}="):
            return word.split("=", 1)[1]
    return None


def _options(base: type, command: str, argv: list[str]):
    """The options of `base` and of the algorithm's config, read together -> algorithm, agent class, options.

    None where only help was asked for.
    """
    if argv[:1] in (["-h"], ["--help"]):
        print(f"usage: python -m course_lib {command} ALGORITHM [options]\n\n{base.__doc__.strip()}\n")
        print(f"algorithms: {', '.join(ALGORITHMS)}; their options: python -m course_lib {command} ppo --help\n")
        print("\n".join(lines(_blank(base), "options of all")))
        return None
    name, words = _algorithm_first(command, argv)
    agent_class, config_class = algorithm(name)
    # The defaults of the algorithm depend on the environment, so the environment is looked up first.
    env = _option("--env", words) or base.env
    if {"-h", "--help"} & set(words):
        config = config_class.recommended(env)
        print(f"usage: python -m course_lib {command} {name} [options]\n\n{base.__doc__.strip()}\n")
        print("\n".join(lines(_blank(base), "options") + lines(config, f"hyperparameters on {env}")))
        print("\nIn full: --help-all. Yes and no: --cell.feedthrough, --cell.no-feedthrough.")
        return None
    words = ["--help" if word == "--help-all" else word for word in words]
    config = field(default_factory=lambda: config_class.recommended(env))
    options = make_dataclass(
        base.__name__, [("config", Annotated[config_class, tyro.conf.arg(name="")], config)], bases=(base,)
    )
    options.__doc__ = base.__doc__
    return name, agent_class, tyro.cli(options, args=words, prog=f"python -m course_lib {command} {name}")


def _blank(base: type):
    """An instance of `base` with its defaults, and names in capitals where there is none."""
    needed = {f.name: f.name.upper() for f in fields(base) if f.default is MISSING and f.default_factory is MISSING}
    return base(**needed)


def _train(argv: list[str]) -> None:
    if (found := _options(Train, "train", argv)) is None:
        return
    name, agent_class, args = found
    import course_lib as cl

    hide = {} if args.hide is None else {"hide": args.hide}
    envs = cl.make(args.env, num_envs=args.num_envs, seed=args.config.seed, **hide)
    agent = agent_class(envs, args.config)
    folder = args.folder or Path("runs") / f"{name}-{re.sub(r'[/:]', '-', args.env)}-{args.config.seed}"
    run = cl.train(
        agent, args.steps, folder=folder, resume=args.resume, overwrite=args.overwrite, log=args.log,
        max_seconds=args.max_seconds,
    )  # fmt: skip
    print(run)
    print(f"saved in {folder}; watch it: python -m course_lib render {folder}")


def _sweep(argv: list[str]) -> None:
    if (found := _options(Sweep, "sweep", argv)) is None:
        return
    name, _, args = found
    import course_lib as cl
    from course_lib.sweeps import parse_space

    found = cl.sweep(
        args.env, name, parse_space(args.space), config=args.config, seed=args.config.seed, env_steps=args.steps,
        num_envs=args.num_envs, env_options=None if args.hide is None else {"hide": args.hide}, trials=args.trials,
        sampler=args.sampler, pruner=None if args.pruner == "none" else args.pruner, storage=args.storage,
        name=args.name, workers=args.workers, backend=args.backend, episodes=args.episodes,
        max_seconds=args.max_seconds,
    )  # fmt: skip
    print(found)
    print(found.table(args.top))
    if found.interrupted:
        print("the same command goes on where this one ended")


def _policy(name: str):
    from course_lib.policies.saved import load

    folder = Path(name)
    return load(folder / "policy.safetensors" if folder.is_dir() else name)


def _evaluate(argv: list[str]) -> None:
    args = tyro.cli(Evaluate, args=argv, prog="python -m course_lib evaluate")
    import course_lib as cl

    print(cl.evaluate(_policy(args.policy), args.episodes, args.seed, args.env))


def _render(argv: list[str]) -> None:
    args = tyro.cli(Render, args=argv, prog="python -m course_lib render")
    policy = _policy(args.policy)
    from course_lib.evaluation.rollout import rollout_states
    from course_lib.viz import video

    states = rollout_states(policy, seed=args.seed, steps=args.steps, deterministic=not args.stochastic)
    frames = video.render(states, width=args.width, height=args.height)
    video.save_video(args.out, frames, states.fps)
    print(f"{args.out}: {len(frames)} frames, return {states.rewards.sum():.0f}")


def run(argv: list[str], more: dict[str, Callable[[list[str]], int | None]]) -> int:
    """Run one command, of this module or of `more` -> exit status (0 good, 2 a refused argument, 1 other trouble)."""
    if not argv or argv[0] in ("-h", "--help"):
        print(USAGE.format(algorithms=", ".join(ALGORITHMS)))
        return 0 if argv else 2
    try:
        commands = COMMANDS | more
        check_choice("command", argv[0], commands)
        return commands[argv[0]](argv[1:]) or 0
    except CourseError as error:
        text = str(error).replace("resume=True", "--resume").replace("overwrite=True", "--overwrite")
        print(f"error: {text}", file=sys.stderr)
        return 2


def _doctor(argv: list[str]) -> int:
    from course_lib.course import doctor

    if argv:
        print("usage: python -m course_lib doctor: checks this installation and names the cure for each trouble")
        return 0 if set(argv) <= {"-h", "--help"} else 2
    return doctor.main()


def _demo(argv: list[str]) -> int:
    from course_lib.course import demo

    return demo.main(argv)


COMMANDS = {
    "train": _train,
    "sweep": _sweep,
    "evaluate": _evaluate,
    "render": _render,
    "doctor": _doctor,
    "demo": _demo,
}
