"""ANYmal C walks where it is told to: tracking of the commanded speed, pushes, and a step of 15 cm after fine-tuning.

    python benchmarks/anymal_walk.py [--settings mlp mlp_wider ltc] [--seeds 0 1 2 3 4] [--flat] [--keep] [--quick]

`AnymalC-v0`, 50 control steps a second. Trained on flat ground with pushes and randomised robots: first ahead only,
then backward only, then with all commands (forward -0.5 to 1 m/s, sideways, turns). The LTC learns with a wider range
of commands before that. So does "mlp_wider", the MLP to compare it with. All tests are with the nominal robot, without
noise in the actions, 100 episodes each; the last policy counts. Episodes of different speeds share starts: of 100
episodes 24 (sideways 28) begin differently.
  tracking   20 episodes of 8 s at each of five speeds from 0.5 to 1 m/s. Error: |speed - command|, the speed over
             ground along the heading, averaged over half seconds from 2 s on; a robot that fell has speed 0.
  backward   the same at five speeds from -0.5 to -0.25 m/s. A robot that stands still is .375 m/s off.
  sideways   the same for the speed across the heading, told -0.3, -0.2, 0.2 and 0.3 m/s. Standing still: .25 m/s off.
  pushes     50 N for 0.2 s on the base in a random level direction, 3 s after the start at 0.5 to 1 m/s: share of the
             robots that are on their feet 5 s later. Larger forces are in the result file as well.
  step       a box 4 m long across the track, which the robot cannot see: share of the robots that get over 15 cm within
             20 s: up, along, down and 1 m on, without falling; before and after fine-tuning among hurdles. The turning
             rate told is that of a pilot who keeps the heading.

`--flat` leaves fine-tuning to a later call, `--keep` ships the policies of seed 0. A walker that was stopped goes on
after the last stage that it finished (in build/).
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np
from _report import Table, claims_from, cli, column, counts_of, parameters, run_all, select, thin_curve

import course_lib as cl
from course_lib.files import load_tensors, save_tensors

NAME, ENV, COPIES = "anymal_walk", "AnymalC-v0", 64
SPEEDS, FORCES, STEP_SPEED = (0.5, 0.625, 0.75, 0.875, 1.0), (50.0, 100.0, 200.0, 400.0), 0.8
BACKWARD, SIDEWAYS = (-0.5, -0.4375, -0.375, -0.3125, -0.25), (-0.3, -0.2, 0.2, 0.3)
STRAIGHT = dict(left=(0.0, 0.0), turn=(-0.2, 0.2))
# What a policy lives through: name, options of the task, env steps, learning rate (share of the first) from and to.
STAGES = (
    ("ahead", dict(forward=(0.3, 1.0), **STRAIGHT), 1_200_000, 1.0, 0.4),
    ("backward", dict(forward=(-0.7, -0.2), **STRAIGHT), 600_000, 0.7, 0.7),
    ("all commands", dict(), 1_500_000, 0.7, 0.0),
)
WIDER = ("wider commands", dict(forward=(-1.0, 1.0), left=(-0.6, 0.6), turn=(-0.7, 0.7)), 1_500_000, 0.7, 0.0)
HURDLES = {"kind": "hurdles", "height": 0.2, "steps": 10, "length": 1.2, "distance": 1.2}
ALONG = dict(along=24.0, keep_heading=True, forward=(0.5, 1.0), left=(0.0, 0.0))
FINE_TUNING = (("hurdles", dict(terrain=HURDLES, **ALONG), 900_000, 0.5, 0.0),)
TRIED = (  # seed 0
    "speed paid by exp(-error^2 / 0.25), with the weights of Rudin et al.: the robot stands still (0.6M steps)",
    "the same with more weight on the speed: stands still (0.5M steps)",
    "speed paid linearly, no entropy bonus, all commands from the start: stands still (0.6M steps)",
    "speed paid linearly, bonus .005, ahead only, 'fast' contacts (a pyramidal friction cone, not the exact elliptic "
    "one): errors .01 to .05 m/s after 1.1M steps",
    "the same with all commands from the start: after 1.5M steps it walks at 1 m/s and falls at 0.5 m/s and backwards; "
    "on exact contacts most fall, therefore trainings use exact ones now",
    "turning paid a third as much, no price on posture: errors of .06 m/s, but it drifts off its heading by .3 rad/s, "
    "lifts one foot by 40 cm and another by 2 cm; after fine-tuning on steps of 5, 10 and 15 cm for 1.5M steps 3 % get "
    "over 15 cm, most circle in front of it",
    "that walker with the heading kept in the test: 3 %; fine-tuned for 1.2M steps among hurdles, heading not kept: it "
    "circles, 0 %; the heading kept in the test alone: 50 %",
    "that walker, turning paid as now and the heading kept in fine-tuning: 42 % after .8M steps among hurdles",
    "turning paid as now, no price on posture: straight, 2 % before fine-tuning",
    "the same with the price on posture: 25 % before fine-tuning, 95 % after .6M steps among hurdles",
    "no stage with backward commands only: told to go backward or sideways, the MLP and the LTC of seed 0 stand still; "
    "three seeds of the MLP: .009 to .067 m/s off ahead, 79 to 94 % over 15 cm",
    "LTC with a critic that is an LTC too and minibatches of 2,048 steps: .22 m/s off ahead after the first stage "
    "(.03 with an MLP as critic and 1,024, as now), .34 ahead and .37 backward at the end",
    "LTC without the stage with wider commands: .014 m/s off ahead, .23 backward and sideways; with it, but without "
    "the last stage: .10, .20 and .22; with both, as now: .03, .06 and .04 (all in the 20 episodes after a stage)",
    "64 LTC neurons and 128 in the encoder, or minibatches of 512: .6M steps 'ahead' pay as much as now, within 5 %",
    "after 'ahead' 1M steps with wider commands (-1 to 1 m/s, .6 m/s sideways) instead: .12 m/s off backward, stands "
    "still sideways",
)
SETTINGS: dict[str, dict] = {
    "mlp": {},
    "mlp_wider": {},
    "ltc": dict(cell=dict(name="ltc", neurons=32, encoder=64, feedthrough=True, critic="mlp")),
}
LONGER = (*STAGES[:-1], WIDER, STAGES[-1])
STAGES_OF = {"mlp": STAGES, "mlp_wider": LONGER, "ltc": LONGER}
SHIP = ("mlp", "ltc")


def settings_of(name: str, seed: int = 0) -> cl.PPOConfig:
    return cl.PPOConfig.recommended(ENV, seed=seed, **SETTINGS[name])


def play(policy, episodes: int, seconds: float, seed: int, **options):
    """Speeds ahead and to the left (K, episodes, 2), whether each is still on its feet, the greatest x it got to."""
    envs = cl.make(ENV, episodes, seed=seed, randomize=False, **options)
    obs, _ = envs.reset(seed=seed)
    state, alive, far, speeds = None, np.ones(episodes, bool), np.zeros(episodes), []
    for _ in range(round(seconds * 50)):
        action, state = policy.act(obs, state)
        before = envs.state
        obs, _, terminated, _, _ = envs.step(action)
        alive &= ~terminated
        speeds.append(np.where(alive[:, None], envs.task.velocity(before, envs.state), 0.0))
        far = np.where(alive, np.maximum(far, envs.state.qpos[:, 0]), far)
    return np.array(speeds), alive, far


def track(policy, speeds, axis: int, episodes: int, seed: int) -> tuple[dict[str, float], float]:
    """Error at each of the told `speeds`, ahead (axis 0) or to the left (1); share of the robots upright at the end."""
    errors, alive, each = {}, [], max(1, episodes // len(speeds))
    for i, speed in enumerate(speeds):
        told = (speed, 0, 0) if axis == 0 else (0, speed, 0)
        found, on, _ = play(policy, each, 8.0, seed + i, command=told, push_force=0.0)
        halves = found[100:, :, axis].reshape(-1, 25, each).mean(axis=1)
        errors[str(speed)] = float(np.abs(halves - speed).mean())
        alive.append(on.mean())
    return errors, float(np.mean(alive))


def tracking(policy, episodes: int) -> dict:
    """Errors ahead, backward and sideways, and shares of the robots that are upright at the end."""
    out = {}
    for label, prefix, speeds, axis, seed in (
        ("", "tracking", SPEEDS, 0, 10_000), ("_backward", "backward", BACKWARD, 0, 40_000),
        ("_sideways", "sideways", SIDEWAYS, 1, 50_000),
    ):  # fmt: skip
        errors, upright = track(policy, speeds, axis, episodes, seed)
        out |= {f"{prefix}_error": float(np.mean([*errors.values()])), f"{prefix}_errors": errors}
        out[f"upright{label}"] = upright
    return out


def pushed(policy, episodes: int) -> dict[str, float]:
    """Push in N -> share of the robots that are on their feet 5 s later."""
    each, survived = max(1, episodes // len(SPEEDS)), {}
    for force in FORCES:
        ok = [
            play(policy, each, 8.0, 20_000 + i, command=(v, 0, 0), push_force=force, push_at=3.0)[1].mean()
            for i, v in enumerate(SPEEDS)
        ]
        survived[str(int(force))] = float(np.mean(ok))
    return survived


def crossed(policy, episodes: int, height: float = 0.15) -> float:
    terrain = {"kind": "step", "height": height}
    # 20 s, of which the last control step would begin the next episode
    _, _, far = play(
        policy, episodes, 19.9, 30_000, command=(STEP_SPEED, 0, 0), keep_heading=True, push_force=0.0, terrain=terrain
    )
    return float((far > 2.0 + 4.0 + 1.0).mean())


def learn(agent, stages, seed: int, share: float, curve: dict, leave: Callable[[], None] = lambda: None) -> None:
    """Train through those stages that `curve` does not know, and `leave` after each; the rate falls within each."""
    began, done = time.perf_counter() - 60 * max(curve["minutes"], default=0.0), len(set(curve["stage"]))
    for label, options, steps, first, last in stages[done:]:
        agent.move_to(cl.make(ENV, COPIES, seed=1000 * seed + 1, **options))
        start, length = agent.env_steps, max(int(steps * share), 1)
        while agent.env_steps < start + length:
            share_done = (agent.env_steps - start) / length
            metrics = agent.iterate(progress=1.0 - (first + (last - first) * share_done))
            for key, value in (
                ("env_steps", agent.env_steps), ("minutes", (time.perf_counter() - began) / 60),
                ("return_mean", metrics["return_mean"]), ("stage", label),
            ):  # fmt: skip
                curve[key].append(value)
        leave()
        quick = tracking(agent.policy, 20)
        words = f"{label}: {agent.env_steps:,} steps, {curve['minutes'][-1]:.1f} min, upright {quick['upright']:.0%}, "
        words += f"errors ahead {quick['tracking_error']:.3f}, "
        words += f"backward {quick['backward_error']:.3f}, sideways {quick['sideways_error']:.3f} m/s, "
        words += f"over 15 cm {crossed(agent.policy, 20):.0%}"
        print(words, flush=True)


def ship(policy, name: str, seed: int, env_steps: int, label: str, **facts) -> None:
    config = asdict(settings_of(name, seed))
    command = f"python benchmarks/{NAME}.py --settings {name} --seeds {seed} --keep"
    cl.save_policy(policy, f"assets/policies/anymal_{label}_{name}", algorithm="ppo", seed=seed, config=config,
                   env_steps=env_steps, command=command, **facts)  # fmt: skip


def short_curve(curve: dict[str, list]) -> dict[str, list]:
    index = np.unique(np.linspace(0, len(curve["stage"]) - 1, 60).astype(int))
    numbers = thin_curve(curve, 60, ("env_steps", "minutes", "return_mean"))
    return numbers | {"stage": [curve["stage"][i] for i in index]}


def left_at(args, name: str, seed: int) -> Path:
    """Where a walker is left after each stage, with all that training and fine-tuning go on from."""
    return Path("build") / (f"{NAME}_quick" if args.quick else NAME) / f"{name}_{seed}.safetensors"


def new_curve() -> dict[str, list]:
    return {k: [] for k in ("env_steps", "minutes", "return_mean", "stage")}


def walk(args, name: str, seed: int) -> dict:
    """From nothing to a walker, or from the last stage that an earlier call came to."""
    agent = cl.PPO(cl.make(ENV, COPIES, seed=1000 * seed, **STAGES[0][1]), settings_of(name, seed))
    file, curve = left_at(args, name, seed), new_curve()
    made_from = json.loads(json.dumps([asdict(agent.config), STAGES_OF[name], args.share]))

    def leave() -> None:
        tensors, facts = agent.state_dict()
        save_tensors(file, tensors, {"format": NAME, "agent": facts, "curve": curve, "made_from": made_from})

    if file.is_file() and (found := load_tensors(file, NAME))[1].get("made_from") == made_from:
        agent.load_state_dict(found[0], found[1]["agent"])
        curve = found[1]["curve"]
    learn(agent, STAGES_OF[name], seed, args.share, curve, leave)
    row = {"setting": name, "seed": seed, "parameters": parameters(agent.policy)}
    row |= {"minutes": round(curve["minutes"][-1], 2), "env_steps": agent.env_steps}
    row |= tracking(agent.policy, args.episodes) | {"push_survival": pushed(agent.policy, args.episodes)}
    row["curve"] = short_curve(curve)
    row["step_crossed_before"] = crossed(agent.policy, args.episodes)
    if args.keep and seed == 0 and name in SHIP:
        ship(agent.policy, name, seed, agent.env_steps, "walk", tracking_error=row["tracking_error"])
    return row


def step(args, row: dict) -> dict:
    """Fine-tuning of a row's walker: policy, optimiser and normalisers go on."""
    name, seed = row["setting"], row["seed"]
    agent = cl.PPO(cl.make(ENV, COPIES, seed=1000 * seed, **STAGES[-1][1]), settings_of(name, seed))
    tensors, header = load_tensors(left_at(args, name, seed), NAME)
    agent.load_state_dict(tensors, header["agent"])
    curve = new_curve()
    learn(agent, FINE_TUNING, seed, args.share, curve)
    found = {"step_minutes": round(curve["minutes"][-1], 2), "step_env_steps": agent.env_steps}
    found |= {"step_crossed": crossed(agent.policy, args.episodes), "step_curve": short_curve(curve)}
    found["fine_tuning"] = json.loads(json.dumps(FINE_TUNING))
    after = tracking(agent.policy, args.episodes)
    found |= {f"step_{kind}_error": after[f"{kind}_error"] for kind in ("tracking", "backward", "sideways")}
    if args.keep and seed == 0 and name in SHIP:
        ship(agent.policy, name, seed, agent.env_steps, "step", step_crossed=found["step_crossed"])
    return found


def unfinished(args, row: dict) -> bool:
    """Whether a walker is still to be fine-tuned, or to be so in another way."""
    return not args.flat and row.get("fine_tuning") != json.loads(json.dumps(FINE_TUNING))


def one_run(args, name: str, seed: int, row: dict | None = None):
    """A walker, then the same after fine-tuning. What an earlier call has left in build/ is not trained again."""
    row = walk(args, name, seed)
    yield row
    if not args.flat:
        yield row | step(args, row)


def claims_of(rows: list[dict]) -> tuple[dict, dict]:
    return claims_from(groups_of(rows))


def groups_of(rows: list[dict]) -> dict[str, list[float]]:
    """Claim -> its figure for each seed. "walk_…", "push_…", "step_…" are those of "mlp"."""
    found = {}
    for name, prefix in (("mlp", ""), ("mlp_wider", "mlp_wider_"), ("ltc", "ltc_")):
        mine = select(rows, setting=name)
        found |= {
            f"{prefix}walk_tracking_error": column(mine, "tracking_error"),
            f"{prefix}walk_backward_error": column(mine, "backward_error"),
            f"{prefix}walk_sideways_error": column(mine, "sideways_error"),
            f"{prefix}push_survival": [r["push_survival"]["50"] for r in mine],
            f"{prefix}step_crossed": [r["step_crossed"] for r in mine if "step_crossed" in r],
        }
    return found


def seeds_behind(rows: list[dict]) -> dict[str, int]:
    """How many seeds each claim rests on."""
    return counts_of(groups_of(rows))


def report(rows: list[dict]) -> Table:
    table = Table("policy", "parameters", "seed", "minutes", "error, m/s", "backward", "sideways", "upright", "50 N",
                  "100 N", "200 N", "400 N", "step, before", "after", "minutes more")  # fmt: skip
    for r in rows:
        pushes = [f"{r['push_survival'][str(int(f))]:.0%}" for f in FORCES]
        errors = [r[f"{kind}_error"] for kind in ("tracking", "backward", "sideways")]
        stepped = (f"{r['step_crossed']:.0%}", r["step_minutes"]) if "step_crossed" in r else ("", "")
        table.add(r["setting"], r["parameters"], r["seed"], r["minutes"], *errors, f"{r['upright']:.0%}",
                  *pushes, f"{r['step_crossed_before']:.0%}", *stepped)  # fmt: skip
    return table


if __name__ == "__main__":
    args = cli(
        NAME, __doc__, seeds=range(5), keep="the policies of seed 0", settings=[*SETTINGS], flat=False,
        fixed=dict(share=1.0, episodes=100), quick=dict(seeds=1, share=0.002, episodes=5),
    )  # fmt: skip
    config = {name: asdict(settings_of(name)) | {"num_envs": COPIES, "stages": STAGES_OF[name]} for name in SETTINGS}
    run_all(
        args, one_run, [(name, seed) for seed in args.seeds for name in args.settings], key=("setting", "seed"),
        config=config | {"fine_tuning": FINE_TUNING}, part="setting", claims_of=claims_of, report=report,
        says="errors {tracking_error:.3f}, {backward_error:.3f}, {sideways_error:.3f} m/s", unfinished=unfinished,
        seconds=lambda row: 60 * (row["minutes"] + row.get("step_minutes", 0)), tried=TRIED,
        claim_seeds=seeds_behind,
    )  # fmt: skip
