"""Command line: `python -m course_lib train | evaluate | render | doctor`.

The options of `train` are the fields of the algorithm's config dataclass, read by tyro.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field, make_dataclass
from pathlib import Path
from typing import Annotated

import tyro

from course_lib.errors import ArgumentError, CourseError, check_choice

ALGORITHMS = ("ppo",)
USAGE = """usage: python -m course_lib COMMAND ...

  train ALGORITHM --env ID     train a policy (algorithms: {algorithms})
  evaluate POLICY              returns without and with exploration noise
  render POLICY --out FILE     an MP4 of one episode
  doctor                       check this installation
  demo                         train, evaluate and film a pendulum in two minutes

Add --help to a command for its options."""


def algorithm(name: str):
    """(agent class, config class) of an algorithm by name."""
    check_choice("algorithm", name, ALGORITHMS)
    from course_lib.rl.ppo import PPO, PPOConfig

    return {"ppo": (PPO, PPOConfig)}[name]


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
    log: tuple[str, ...] = ("csv",)
    """loggers: csv, tensorboard, trackio, wandb"""
    max_seconds: float | None = None
    """stop after this much wall-clock time"""


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


def _train(argv: list[str]) -> None:
    if not argv or argv[0].startswith("-"):
        raise ArgumentError(f"train needs an algorithm first; accepted: {', '.join(ALGORITHMS)}")
    agent_class, config_class = algorithm(argv[0])
    # The defaults of the algorithm depend on the environment, so the environment is looked up first.
    env = Train.env
    for i, word in enumerate(argv):
        if word == "--env" and i + 1 < len(argv):
            env = argv[i + 1]
        elif word.startswith("--env="):
            env = word.split("=", 1)[1]

    config = field(default_factory=lambda: config_class.recommended(env))
    options = make_dataclass(
        "Train", [("config", tyro.conf.OmitArgPrefixes[config_class], config)], bases=(Train,)
    )
    options.__doc__ = Train.__doc__
    args = tyro.cli(options, args=argv[1:], prog=f"python -m course_lib train {argv[0]}")
    import course_lib as cl

    hide = {} if args.hide is None else {"hide": args.hide}
    envs = cl.make(args.env, num_envs=args.num_envs, seed=args.config.seed, **hide)
    agent = agent_class(envs, args.config)
    folder = args.folder or Path("runs") / f"{argv[0]}-{args.env.replace('/', '-')}-{args.config.seed}"
    run = cl.train(
        agent, args.steps, folder=folder, resume=args.resume, log=args.log, max_seconds=args.max_seconds
    )
    print(run)
    print(f"saved in {folder}; watch it: python -m course_lib render {folder}")


def _policy(name: str):
    from course_lib.assets import load

    folder = Path(name)
    return load(folder / "policy.safetensors" if folder.is_dir() else name)


def _evaluate(argv: list[str]) -> None:
    args = tyro.cli(Evaluate, args=argv, prog="python -m course_lib evaluate")
    import course_lib as cl

    print(cl.evaluate(_policy(args.policy), args.episodes, args.seed, args.env))


def _render(argv: list[str]) -> None:
    args = tyro.cli(Render, args=argv, prog="python -m course_lib render")
    policy = _policy(args.policy)
    from course_lib.viz import video

    states = video.rollout_states(policy, seed=args.seed, steps=args.steps, deterministic=not args.stochastic)
    frames = video.render(states, width=args.width, height=args.height)
    video.save_video(args.out, frames, states.fps)
    print(f"{args.out}: {len(frames)} frames, return {states.rewards.sum():.0f}")


def main(argv: list[str] | None = None) -> int:
    """Run one command -> exit status (0 good, 2 a refused argument, 1 other trouble)."""
    argv = sys.argv[1:] if argv is None else argv
    commands = {"train": _train, "evaluate": _evaluate, "render": _render, "doctor": None, "demo": None}
    if not argv or argv[0] in ("-h", "--help"):
        print(USAGE.format(algorithms=", ".join(ALGORITHMS)))
        return 0 if argv else 2
    try:
        check_choice("command", argv[0], commands)
        if argv[0] in ("doctor", "demo"):
            import importlib

            return importlib.import_module(f"course_lib.{argv[0]}").main() or 0
        commands[argv[0]](argv[1:])
    except CourseError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
