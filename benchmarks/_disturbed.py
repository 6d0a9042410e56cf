"""What the studies of notebook 10 share: tasks, training, and a test under disturbances.

Two tasks hide all velocities and decide the hypotheses. The third, a walking robot, sees everything; it is far more
expensive, has few seeds and decides nothing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from _report import train

import course_lib as cl
from course_lib.evaluation.returns import run_episodes

# On HalfCheetah the noise of the package ncps' example; positions of the pendulum are hundredths of that.
TASKS = {
    "pendulum": dict(env="InvertedPendulum-v5", copies=18, steps=122_880, disturb={}),
    "halfcheetah": dict(env="HalfCheetah-v5", copies=66, steps=601_920, disturb=dict(noise=0.1)),
    "anymal": dict(
        env="AnymalC-v0", copies=64, steps=1_200_128, disturb={}, forward=(0.3, 1.0), left=(0.0, 0.0), turn=(-0.2, 0.2)
    ),
}
HIDDEN = {"pendulum": "velocities", "halfcheetah": "velocities", "anymal": None}
# How the walker is tested: it is told to go ahead, and the robot is the nominal one.
TESTED = {"anymal": dict(command=(0.7, 0.0, 0.0), randomize=False, push_force=0.0)}
OWN = ("env", "copies", "steps", "disturb")  # of a task here; the other entries are options of `cl.make` in training
PPO = {
    "pendulum": dict(minibatch_size=144, sequence_length=32, learning_rate=2e-3, lr_schedule="linear"),
    "halfcheetah": dict(minibatch_size=2112, learning_rate=2e-3, lr_schedule="linear"),
    "anymal": dict(minibatch_size=2048, learning_rate=1e-3, lr_schedule="linear"),
}
NOISE = {"pendulum": 0.002, "halfcheetah": 0.1, "anymal": 0.1}  # the unit of "noise 1"
# Sensors that fail for good, in turn; of the walker some: gravity along x, speed ahead, turning rate, a knee's angle
# and its rate.
SENSORS = {"pendulum": range(2), "halfcheetah": range(8), "anymal": (0, 3, 8, 14, 26)}
RATES = (0.5, 1.0, 2.0)  # of the copies in training on many
EPISODES = 8


def make(task: str, copies: int, seed: int, training: str = "one rate", test: bool = True, **disturb):
    """Copies with what `training` adds to the task; `disturb` comes on top.

    The walker has pushes of its own, in random directions every few seconds; `push` is their force there.
    """
    facts, more = TASKS[task], dict(clock=True) if training == "many rates" else {}
    options = {name: value for name, value in facts.items() if name not in OWN}
    if test and task in TESTED:
        options = TESTED[task] | ({"push_force": disturb.pop("push")} if "push" in disturb else {})
    told = {**facts["disturb"], **more, **disturb}
    return cl.make(facts["env"], copies, seed=seed, hide=HIDDEN[task], disturb=told, **options)


def train_policy(task: str, config: cl.PPOConfig, training: str = "one rate", steps: int | None = None):
    """-> run; the same configuration and seed give the same policy on the same kind of processor."""
    facts = TASKS[task]
    rates = dict(rate=RATES) if training == "many rates" else {}
    agent = cl.PPO(make(task, facts["copies"], 1000 * config.seed, training, test=False, **rates), config)
    return train(agent, steps or facts["steps"], progress=False)


def conditions_of(task: str) -> dict[str, dict]:
    """Name -> options of `disturb`; one disturbance at a time."""
    unit = NOISE[task]
    push = {"pendulum": (2.0, 4.0), "halfcheetah": (50.0, 100.0), "anymal": (100.0, 200.0)}[task]
    found = {f"rate {rate:g}": dict(rate=rate) for rate in (0.25, 0.5, 2.0, 4.0)}
    found |= {f"noise {k}": dict(noise=k * unit) for k in (2, 4, 8)}
    found |= {f"drop {p:g}": dict(drop=p) for p in (0.1, 0.25, 0.5)}
    found |= {f"burst {k}": dict(drop=0.25, burst=k) for k in (5, 20)}
    found |= {f"dead {i}": dict(dead=[i], dead_from=100) for i in SENSORS[task]}
    found |= {f"delay {k}": dict(delay=k) for k in (1, 2, 3)}
    found |= {f"mass {x:g}": dict(mass=x) for x in (0.5, 1.5, 2.0)}
    found |= {f"friction {x:g}": dict(friction=x) for x in (0.25, 0.5, 2.0)} if task != "pendulum" else {}
    found |= {f"strength {x:g}": dict(strength=x) for x in (0.5, 0.75, 1.5)}
    return found | {f"push {x:g}": dict(push=x) for x in push}


def play(policy, task: str, training: str, **disturb) -> float:
    """Mean return of `EPISODES` deterministic episodes."""
    envs = make(task, EPISODES, 10_000, training, **disturb)
    try:
        return float(f"{run_episodes(policy, envs, seed=10_000).mean:.5g}")
    finally:
        envs.close()


def acted(policy, task: str, copies: int, steps: int) -> Iterator[tuple]:
    """-> (observation, state after it) at each of `steps` undisturbed control steps of some copies."""
    envs, state = make(task, copies, 20_000), None
    observation, _ = envs.reset()
    for _ in range(steps):
        action, state = policy.act(observation, state)
        yield observation, state
        observation, *_ = envs.step(action)
    envs.close()


def test_policy(policy, task: str, training: str, conditions: dict[str, dict], tell: bool) -> dict:
    """-> "return" without disturbance, and "disturbed": condition -> return.

    tell: at another rate the policy also acts with its `dt` set to the length of a step ("rate 2, told").
    """
    found = {}
    for name, disturb in conditions.items():
        found[name] = play(policy, task, training, **disturb)
        if tell and "rate" in disturb:
            policy.dt = 1.0 / disturb["rate"]
            found[f"{name}, told"] = play(policy, task, training, **disturb)
            policy.dt = 1.0
    return {"return": play(policy, task, training), "disturbed": found}


def actor_parameters(policy) -> int:
    """Numbers that act: of encoder, cell and readout; of masked weights those whose synapse exists."""
    cell = policy.cell
    count = sum(p.numel() for part in (policy.encoder, cell, policy.readout) for p in part.parameters())
    if cell.masked:
        for name, mask in (("recurrent", cell.recurrent_mask), ("input", cell.input_mask)):
            own = [p for n, p in cell.named_parameters() if n.startswith(name) or (name == "input" and "sensory" in n)]
            count -= sum(int(p.numel() - mask.sum()) for p in own if p.shape == mask.shape)
    return count


def kept(folder: str, name: str, task: str, config: cl.PPOConfig, training: str, steps: int) -> tuple:
    """-> policy and seconds of its training: from build/, where the same training has left it, or trained now.

    So conditions can be added to a study without a new training.
    """
    told = json.dumps(dict(config=asdict(config), task=TASKS[task], training=training, steps=steps), default=str)
    file = Path("build") / folder / f"{name}_{hashlib.sha256(told.encode()).hexdigest()[:12]}.safetensors"
    if not file.is_file():
        run = train_policy(task, config, training, steps)
        run.save_policy(file, train_seconds=round(run.wall_seconds, 1))
    policy = cl.load(file)
    return policy, policy.header["train_seconds"]
