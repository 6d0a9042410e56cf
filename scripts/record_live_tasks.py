"""Record what the live player's tasks are tested against: Python's own environments, step by step.

    python scripts/record_live_tasks.py [web/test/recorded]

For every environment that a shipped policy was trained in (its name and options stand in the policy's file): the MJCF
text of its model (`tasks/NAME.xml`), statistics of its start states, and control steps spread over whole episodes with
random actions and with the policy's, and what the task says of states shaken from these, on both sides of every
threshold (`tasks/NAME.json`). `tasks/index.json` lists them all, with MuJoCo's version.
"""

from __future__ import annotations

import argparse
import json
import math
from collections import Counter
from pathlib import Path

import mujoco
import numpy as np

from course_lib.envs import make_task
from course_lib.envs.anymal.terrain import terrain_of
from course_lib.envs.engine.single import TaskEnv
from course_lib.envs.engine.task import State, Task
from course_lib.envs.mjcf import model_text
from course_lib.policies.saved import load

ROOT = Path(__file__).parents[1]
EVERY, EVENTS = 25, 8  # one control step in so many is kept; of each kind of event, so many of an episode
STARTS, PROBES = 2000, 300


def settings() -> list[dict]:
    """Each environment of a shipped policy once: name, id, options, the first policy of the kind that has one."""
    found: dict[str, dict] = {}
    for path in sorted((ROOT / "assets/policies").glob("*.safetensors")):
        policy = load(path)
        key = json.dumps([policy.env_id, policy.env_options], sort_keys=True)
        entry = found.setdefault(key, {"id": policy.env_id, "options": policy.env_options, "policies": []})
        entry["policies"].append(path.stem)
    return [{"name": f"{e['id']}_{i}", **e} for i, e in enumerate(found.values())]


def plain(value):
    """numpy's values as Python's, infinities as None: JSON has none."""
    if isinstance(value, (np.ndarray, np.generic)):
        value = value.tolist()
    if isinstance(value, list):
        return [plain(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def told(state: State) -> dict:
    derived = {name: plain(value[0]) for name, value in state.derived.items()}
    memory = {name: plain(value[0]) for name, value in state.memory.items()}
    return {
        "time": float(state.time[0]),
        "qpos": plain(state.qpos[0]),
        "qvel": plain(state.qvel[0]),
        "derived": derived,
        "memory": memory,
    }


def events(step: dict) -> set[str]:
    """What holds in this step and not in most: terms that are paid, pushes, yes or no in the memory."""
    said = {name for name, value in step["terms"].items() if value}
    said |= {name for name, value in step["after"]["memory"].items() if value is True}
    return said | ({"push"} if any(step["push"] or ()) else set()) | ({"success"} if step["success"] else set())


def episode(task: Task, policy, seed: int) -> list[dict]:
    """One episode; without a policy the actions are random. Kept: the first steps, one in `EVERY`, the last, and those
    with which an event begins or ends.
    """
    env, rng = TaskEnv(task), np.random.default_rng(seed)
    held, seen_events = set(), Counter()
    observation, _ = env.reset(seed=seed)
    state, steps = None, []
    low, high = task.action_low, task.action_high
    for number in range(task.horizon):
        before, seen = env.state, observation
        if policy is None:
            # Beyond the bounds now and then, where the task clips.
            action = (rng.uniform(low, high) * rng.choice([0.2, 1.0, 1.2])).astype(np.float32)
        else:
            action, state = policy.act(observation[None], state)
            action = action[0]
        controls = task.control(before, action[None])[0]
        observation, reward, terminated, _, info = env.step(action)
        if policy is not None:
            state = policy.rewarded(state, np.array([reward]))
        ends = terminated or number == task.horizon - 1
        terms = {name.removeprefix("reward_"): v for name, v in info.items() if name.startswith("reward_")}
        step = {
            "number": number,
            "before": told(before),
            "observation_before": plain(seen),
            "action": plain(action),
            "control": plain(np.asarray(controls, dtype=float)),
            "push": None if task.pushed is None else plain(task.push(before)[0]),
            "after": told(env.state),
            "observation": plain(observation),
            "reward": reward,
            "terms": terms,
            "terminated": terminated,
            "success": info.get("success"),
        }
        changed = held ^ events(step)
        held ^= changed
        seen_events.update(changed)
        if number < 3 or number % EVERY == 0 or ends or any(seen_events[name] <= EVENTS for name in changed):
            steps.append(step)
        if ends:
            break
    env.close()
    return steps


def shaken(state: State, rng: np.random.Generator) -> State:
    """`state` with everything that a task reads a little or a lot elsewhere, but for the clock."""
    other, by = state.take(np.array([0])), rng.choice([0.01, 0.1, 0.3])
    other.qpos += by * rng.standard_normal(other.qpos.shape)
    other.qvel += by * rng.standard_normal(other.qvel.shape)
    for name, value in other.memory.items():
        if np.issubdtype(value.dtype, np.floating):
            other.memory[name] = value * 10.0 ** rng.uniform(-0.7, 0.7)
    for name, value in other.derived.items():
        other.derived[name] = value * (10.0 ** rng.uniform(-3, 1) if name == "sensordata" else rng.uniform(0.9, 1.1))
    return other


def probes(task: Task, steps: list[dict], seed: int = 5) -> list[dict]:
    """What `task` says of shaken states: observations, rewards and ends are functions of them, nothing is simulated."""
    rng, out = np.random.default_rng(seed), []
    for number in rng.integers(len(steps), size=PROBES):
        step = steps[number]
        before, after = shaken(stated(step["before"]), rng), shaken(stated(step["after"]), rng)
        if task.unmasked.id.startswith("Anymal"):
            for state in (before, after):
                state.qpos[:, 3:7] /= np.linalg.norm(state.qpos[:, 3:7], axis=1, keepdims=True)
        action = np.array([step["action"]], dtype=np.float32)
        terms = {
            name: float(np.asarray(value).squeeze()) for name, value in task.reward_terms(before, action, after).items()
        }
        success = task.outcome(after).get("success")
        out.append(
            {
                "number": step["number"],
                "before": told(before),
                "after": told(after),
                "action": step["action"],
                "control": plain(np.asarray(task.control(before, action)[0], dtype=float)),
                "push": None if task.pushed is None else plain(task.push(before)[0]),
                "observation_before": plain(task.observe(before)[0]),
                "observation": plain(task.observe(after)[0]),
                "remembered": {name: plain(value[0]) for name, value in task.remember(before, action, after).items()},
                "terms": terms,
                "reward": sum(terms.values()),
                "terminated": bool(task.terminated(after)[0]),
                "success": None if success is None else bool(success[0]),
                "height": float(task.unmasked.height(after)[0]) if task.unmasked.id == "AnymalC-v0" else None,
            }
        )
    return out


def stated(told: dict) -> State:
    """The `State` that `told` told of."""

    def rows(values: dict) -> dict:
        return {name: np.array([np.inf if value is None else value]) for name, value in values.items()}

    one = {name: np.array([told[name]], dtype=float) for name in ("time", "qpos", "qvel")}
    return State(**one, act=np.zeros((1, 0)), derived=rows(told["derived"]), memory=rows(told["memory"]))


def terrains() -> list[dict]:
    """Heights of the ground along the track, for every kind that is made of boxes."""
    x = np.linspace(-3.0, 30.0, 331)
    kinds = ({"kind": kind} for kind in ("flat", "step", "stairs", "hurdles"))
    other = {"kind": "stairs", "height": 0.07, "distance": 1.3, "steps": 3, "depth": 0.31, "length": 2.2}
    grounds = [(options, terrain_of(options)) for options in (*kinds, other)]
    return [
        {"options": options, "x": plain(x), "under": plain(t.under(x, 0 * x)), "top": plain(t.top(x, 0 * x))}
        for options, t in grounds
    ]


def starts(task: Task) -> dict:
    state = task.reset(np.random.default_rng(0), STARTS)
    return {
        name: {"mean": plain(v.mean(axis=0)), "sd": plain(v.std(axis=0))}
        for name, v in (("qpos", state.qpos), ("qvel", state.qvel))
    } | {"count": STARTS}


def record(entry: dict, folder: Path) -> dict:
    task = make_task(entry["id"], **entry["options"])
    text = model_text(task)
    if text:
        (folder / f"{entry['name']}.xml").write_text(text)
    policy = load(ROOT / f"assets/policies/{entry['policies'][0]}.safetensors")
    runs = [
        {"actions": actions, "seed": seed, "steps": episode(task, acts, seed)}
        for actions, acts, seed in (
            ("random", None, 1),
            ("random", None, 2),
            ("policy", policy, 3),
            ("policy", policy, 4),
        )
    ]
    facts = {
        "dt": task.dt,
        "frame_skip": task.frame_skip,
        "horizon": task.horizon,
        "action_low": plain(task.action_low),
        "action_high": plain(task.action_high),
        "kinds": task.observation_kinds(),
        "starts": starts(task),
        "episodes": runs,
        "probes": probes(task, [step for run in runs for step in run["steps"]]) if text else [],
    }
    (folder / f"{entry['name']}.json").write_text(json.dumps(entry | facts, allow_nan=False))
    return entry | {"model": bool(text)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path, default=ROOT / "web/test/recorded")
    folder = parser.parse_args().folder / "tasks"
    folder.mkdir(parents=True, exist_ok=True)
    entries = [record(entry, folder) for entry in settings()]
    index = {"mujoco": mujoco.__version__, "tasks": entries, "terrains": terrains()}
    (folder / "index.json").write_text(json.dumps(index, indent=1))  # last: it says that all is there


if __name__ == "__main__":
    main()
