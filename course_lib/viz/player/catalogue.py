"""What the live player plays: the shipped policies by robot, and what the page says of each."""

from __future__ import annotations

import functools
import hashlib
import json
from collections import Counter
from importlib import metadata
from pathlib import Path

from course_lib.envs import make_task
from course_lib.envs.mjcf import model_text
from course_lib.errors import ArgumentError, nearest
from course_lib.files import assets_folder, load_header
from course_lib.policies.saved import FORMAT, nested
from course_lib.viz.player.robots import ROBOTS, robot_of

ENGINE = "3.14.0"  # of @mujoco/mujoco, which web/package.json pins; a test compares
# Tasks that web/src/tasks has, and the options that each takes there. All of them can be masked (`hide`).
_WALK = ("command", "keep_heading", "forward", "left", "turn", "push_force", "push_at", "along")
PORTED = {
    "InvertedPendulum-v5": (),
    "HalfCheetah-v5": (),
    "AnymalSprint-v0": ("reset_noise", "terrain"),
    "AnymalC-v0": (*_WALK, "reset_noise", "terrain"),
    **dict.fromkeys(("Throw-v0", "Pick-v0", "Push-v0", "Soccer-v0", "Faucet-v0"), ("rate",)),
}
TERRAINS = ("flat", "step", "stairs", "hurdles")
# Conditions of training, not parts of the task. The page has sliders of its own.
LEFT_OUT = ("disturb", "randomize", "randomize_seed", "meshes")
OF_THE_WORLD = ("rate", "clock", "mass", "friction", "strength")  # conditions that are another task
SOLVERS = ("fused", "euler", "midpoint", "rk4")  # adaptive ones are torchdiffeq's


_CELLS = {"ltc": "LTC", "cfc": "CfC", "ctrnn": "CT-RNN", "gru": "GRU", "lstm": "LSTM", "neural_ode": "neural ODE",
          "synaptic_ltc": "synaptic LTC", "elman": "Elman", "mlp": "feed-forward",
          "identity": "feed-forward"}  # fmt: skip


def page_options(said: str, env_id: str | None, options: dict) -> dict:
    """Options of the task as the page takes them.

    Raises:
        ArgumentError: the page does not have the task, or not with such an option; `said` names the argument.
    """
    if env_id is None:
        raise ArgumentError(f"{said} does not say which environment it acts in; accepted: a policy that was trained")
    if env_id not in PORTED:
        raise ArgumentError(
            f"{said} acts in {env_id}, which the live player does not have; accepted: policies of {', '.join(PORTED)}"
            f"{nearest(env_id, PORTED)}"
        )
    if changed := {name: v for name, v in (options.get("disturb") or {}).items() if name in OF_THE_WORLD}:
        raise ArgumentError(
            f"{said} was trained with disturb={changed!r:.100}, which the live player does not have; accepted: "
            f"policies without {', '.join(OF_THE_WORLD)}"
        )
    kept = {name: value for name, value in options.items() if name not in LEFT_OUT}
    for name, value in kept.items():
        if name not in (*PORTED[env_id], "hide"):
            accepted = ", ".join((*PORTED[env_id], "hide"))
            raise ArgumentError(
                f"{said} acts in {env_id} with {name}={value!r:.100}, which the live player does not have; accepted "
                f"options: {accepted}"
            )
    terrain = kind_of_terrain(kept)
    if terrain not in TERRAINS:
        raise ArgumentError(
            f"{said} acts on the terrain {terrain!r:.100}, which the live player does not have; accepted: "
            f"{', '.join(TERRAINS)}"
        )
    if isinstance(kept.get("terrain"), dict):  # what is made of boxes draws nothing at random
        kept["terrain"] = {name: value for name, value in kept["terrain"].items() if name != "seed"}
    return kept


def kind_of_terrain(options: dict) -> str:
    terrain = options.get("terrain", "flat")
    return terrain.get("kind", "flat") if isinstance(terrain, dict) else terrain


def model_file(env_id: str, options: dict) -> str:
    """Where the page finds the model of this task: of all options, only the terrain changes it."""
    terrain = options.get("terrain", "flat")
    if terrain in ("flat", {"kind": "flat"}):
        return f"models/{env_id}.xml"
    mark = hashlib.sha256(json.dumps(terrain, sort_keys=True).encode()).hexdigest()[:6]
    return f"models/{env_id}_{kind_of_terrain(options)}_{mark}.xml"


def model_of(entry: dict) -> str:
    """MJCF of the model that an entry of the catalogue acts in."""
    return model_text(make_task(entry["task"], **entry["options"]))


# --- what is said of a policy ---------------------------------------------------------------------


def check_cell(said: str, header: dict) -> None:
    """Raise if the page lacks the policy's cell or its solver."""
    cell = nested(header["settings"]).get("cell") or {}
    if (name := cell.get("name")) not in (None, *_CELLS):
        raise ArgumentError(f"{said} has the cell {name!r}, which the live player lacks; accepted: {', '.join(_CELLS)}")
    if (solver := (cell.get("options") or {}).get("solver", "fused")) not in SOLVERS:
        raise ArgumentError(
            f"{said} has the solver {solver!r}, which the live player lacks; accepted: {', '.join(SOLVERS)}"
        )


def title_of(header: dict) -> str:
    """What a policy is, in a few words, from the header of its file."""
    settings = nested(header["settings"])
    cell, plan = settings.get("cell") or {}, settings.get("plan") or {}
    network = f"feed-forward, {'-'.join(map(str, settings.get('hidden', [])))} units"
    if cell.get("name"):
        network = f"{_CELLS.get(cell['name'], cell['name'])}, {cell['neurons']} neurons"
    if plan.get("trajectory") == "dmp":
        network = f"neural dynamic policy: {network}"
    elif plan:
        network = f"{plan['chunk']} actions at a time: {network}"
    algorithm = str(header.get("algorithm") or "ppo").upper()
    network += f" ({algorithm})" if algorithm != "PPO" else ""
    options = header.get("env_options") or {}
    noisy, terrain = (options.get("disturb") or {}).get("noise"), kind_of_terrain(options)
    return (
        network + (", trained with noise" if noisy else "") + (f", trained on {terrain}" if terrain != "flat" else "")
    )


def measured(header: dict) -> str:
    """What the course measured of a policy besides its return, as a phrase; "" for nothing."""
    if "success" in header:
        return f"succeeds in {header['success']:.0%} of the episodes"
    if "step_crossed" in header:
        return f"gets over a step of 15 cm in {header['step_crossed']:.0%} of the episodes"
    if "tracking_error" in header:
        return f"misses the speed it is told by {header['tracking_error']:.2g} m/s"
    return ""


def entry_of(key: str, header: dict, said: str) -> dict:
    """What the catalogue says of the policy `key` with this header."""
    given = header.get("env_options") or {}
    options, mean = page_options(said, header.get("env_id"), given), header.get("return_deterministic")
    check_cell(said, header)
    noise = (given.get("disturb") or {}).get("noise")  # it was measured with that, and the page plays without
    return {
        "key": key,
        "file": f"policies/{key}.safetensors",
        "title": title_of(header),
        "task": header["env_id"],
        "options": options,
        "model": model_file(header["env_id"], options),
        "return": None if mean is None else {"mean": round(mean, 2), "low": None, "high": None, "noise": noise},
        "measured": measured(header),
    }


# --- all of it ------------------------------------------------------------------------------------


@functools.cache
def _headers(folder: Path) -> dict[str, dict]:
    return {path.stem: load_header(path, FORMAT) for path in sorted(folder.glob("*.safetensors"))}


def headers() -> dict[str, dict]:
    """Headers of all shipped policies by key."""
    return _headers(assets_folder() / "policies")


def robots() -> dict[str, dict]:
    """Robots by key, each with its policies: the first is the one to begin with."""
    found = {key: {"key": key, "title": robot.title, "about": robot.about, "picture": robot.picture, "policies": []}
             for key, robot in ROBOTS.items()}  # fmt: skip
    for key, header in headers().items():
        if header.get("env_id") in PORTED:
            entry = entry_of(key, header, f"policy={key!r}")
            found[robot_of(entry["task"], entry["options"])]["policies"].append(entry)
    for key, robot in found.items():
        first = ROBOTS[key].first
        robot["policies"].sort(key=lambda e: (e["key"] != first, "LTC" not in e["title"], e["key"]))
        _tell_apart(robot["policies"])
    return {key: robot for key, robot in found.items() if robot["policies"]}


def _tell_apart(entries: list[dict]) -> None:
    """Policies of one title get the length of their training into it."""
    titles = Counter(entry["title"] for entry in entries)
    for entry in entries:
        steps = headers()[entry["key"]].get("env_steps")
        if titles[entry["title"]] > 1 and steps:
            entry["title"] += f", after {steps:,} steps"


def catalogue() -> dict:
    """All that `catalog.json` of a built player says."""
    versions = {"python": metadata.version("mujoco"), "web": ENGINE}
    return {"version": 1, "mujoco": versions, "robots": list(robots().values())}
