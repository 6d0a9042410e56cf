"""What the studies of notebook 10 share: two tasks with hidden velocities, training, and a test under disturbances."""

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
}
PPO = {
    "pendulum": dict(minibatch_size=144, sequence_length=32, learning_rate=2e-3, lr_schedule="linear"),
    "halfcheetah": dict(minibatch_size=2112, learning_rate=2e-3, lr_schedule="linear"),
}
NOISE = {"pendulum": 0.002, "halfcheetah": 0.1}  # the unit of "noise 1"
SENSORS = {"pendulum": 2, "halfcheetah": 8}
RATES = (0.5, 1.0, 2.0)  # of the copies in training on many
EPISODES = 8


def make(task: str, copies: int, seed: int, training: str = "one rate", **disturb):
    """Copies with all velocities hidden, and with what `training` adds to the task; `disturb` comes on top."""
    facts = TASKS[task]
    more = dict(clock=True) if training == "many rates" else {}
    return cl.make(facts["env"], copies, seed=seed, hide="velocities", disturb={**facts["disturb"], **more, **disturb})


def train_policy(task: str, config: cl.PPOConfig, training: str = "one rate", steps: int | None = None):
    """-> run; the same configuration and seed give the same policy."""
    facts = TASKS[task]
    rates = dict(rate=RATES) if training == "many rates" else {}
    agent = cl.PPO(make(task, facts["copies"], 1000 * config.seed, training, **rates), config)
    return train(agent, steps or facts["steps"], progress=False)


def conditions_of(task: str) -> dict[str, dict]:
    """Name -> options of `disturb`; one disturbance at a time."""
    unit = NOISE[task]
    push = {"pendulum": (2.0, 4.0), "halfcheetah": (50.0, 100.0)}[task]
    found = {f"rate {rate:g}": dict(rate=rate) for rate in (0.25, 0.5, 2.0, 4.0)}
    found |= {f"noise {k}": dict(noise=k * unit) for k in (2, 4, 8)}
    found |= {f"drop {p:g}": dict(drop=p) for p in (0.1, 0.25, 0.5)}
    found |= {f"burst {k}": dict(drop=0.25, burst=k) for k in (5, 20)}
    found |= {f"dead {i}": dict(dead=[i], dead_from=100) for i in range(SENSORS[task])}
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
