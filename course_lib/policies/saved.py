"""Saved policies: a safetensors file whose header tells what the policy is and where it was trained."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from course_lib.errors import ArgumentError, PolicyFileError, nearest
from course_lib.files import assets_folder, load_tensors, save_tensors, versions
from course_lib.policies.actor_critics import MLPActorCritic, RecurrentActorCritic
from course_lib.policies.actors import (
    DeterministicActor,
    RecurrentDeterministicActor,
    RecurrentSquashedActor,
    SquashedActor,
)
from course_lib.policies.base import Policy
from course_lib.policies.chunks import ChunkActorCritic

FORMAT = "liquid-control policy 1"
_ACTORS = (DeterministicActor, SquashedActor, RecurrentDeterministicActor, RecurrentSquashedActor)
POLICIES = {kind.__name__: kind for kind in (MLPActorCritic, RecurrentActorCritic, ChunkActorCritic, *_ACTORS)}

# Settings that stood beside each other before those of a cell and of a plan became a config of their own.
_CELL = ("neurons", "encoder", "feedthrough", "critic", "critic_neurons", "layers", "remember", "previous_action",
         "previous_reward")  # fmt: skip
_PLAN = ("chunk", "trajectory", "dofs", "basis", "alpha", "explore", "heads")


def nested(flat: dict) -> dict:
    """Settings or a config from before there was a `CellConfig` and a `PlanConfig`, as they are written today."""
    if isinstance(flat.get("cell", {}), dict):
        return flat
    new = {name: value for name, value in flat.items() if name not in (*_CELL, *_PLAN, "cell", "cell_options")}
    cell = {"name": flat.get("cell"), "options": flat.get("cell_options") or {}}
    new["cell"] = cell | {name: flat[name] for name in _CELL if name in flat}
    if plan := {name: flat[name] for name in _PLAN if name in flat}:
        new["plan"] = plan
    return new


def save_policy(policy: Policy, path: str | Path, **facts) -> Path:
    """Write `policy`; `facts` (algorithm, config, returns, seed …) go into the header beside the versions."""
    if policy.action_low is None:
        raise ArgumentError("this policy has acted nowhere yet, and its file would not say where; first policy.enter(envs)")
    header = {
        "format": FORMAT,
        "policy": type(policy).__name__,
        "settings": policy.settings,
        "env_id": policy.env_id,
        "env_options": policy.env_options,
        "env_note": policy.env_note,
        "action_low": policy.action_low.tolist(),
        "action_high": policy.action_high.tolist(),
        "versions": versions(),
        **facts,
    }
    path = Path(path)
    if path.suffix != ".safetensors":
        path = path.with_name(path.name + ".safetensors")
    return save_tensors(path, policy.state_dict(), header)


def policy_path(name: str | Path) -> Path:
    """The file that `name` means: a path, or the name of a shipped policy."""
    path = Path(name)
    if path.suffix == ".safetensors" or path.is_file():
        return path
    folder = assets_folder() / "policies"
    known = sorted(p.stem for p in folder.glob("*.safetensors"))
    if str(name) not in known:
        raise ArgumentError(
            f"name={str(name)!r} is neither a file nor a shipped policy; accepted: {', '.join(known) or 'a path'}"
            f"{nearest(name, known)}"
        )
    return folder / f"{name}.safetensors"


def load(name: str | Path) -> Policy:
    """The policy saved under a path or shipped under a name, ready to act; `policy.header` tells its history."""
    path = policy_path(name)
    tensors, header = load_tensors(path, FORMAT)
    if header.get("policy") not in POLICIES:
        raise PolicyFileError(f"{path.name} needs the policy class {header.get('policy')!r}, which this version lacks")
    try:
        policy = POLICIES[header["policy"]](**nested(header["settings"]))
        policy.load_state_dict(tensors)
    except (TypeError, RuntimeError, ArgumentError) as error:
        raise PolicyFileError(f"{path.name} does not fit its own description: {str(error).splitlines()[0]}") from None
    policy.env_id, policy.env_options, policy.header = header["env_id"], header["env_options"], header
    policy.env_note = header.get("env_note", "")
    policy.action_low = np.array(header["action_low"], dtype=np.float32)
    policy.action_high = np.array(header["action_high"], dtype=np.float32)
    return policy.eval()
