"""Saved policies: a safetensors file whose header tells what the policy is and where it was trained."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from course_lib.errors import ArgumentError, PolicyFileError, check_count, nearest, plain
from course_lib.files import assets_folder, load_tensors, save_tensors, tensor_bytes, versions
from course_lib.machine import memory_limit
from course_lib.nets.config import to_be_filled
from course_lib.policies.actor_critics import MLPActorCritic, RecurrentActorCritic
from course_lib.policies.actors import (
    DeterministicActor,
    RecurrentDeterministicActor,
    RecurrentSquashedActor,
    SquashedActor,
)
from course_lib.policies.base import Policy, single_precision
from course_lib.policies.chunks import ChunkActorCritic

FORMAT = "liquid-control policy 1"
SLACK = 2**22  # bytes: what is built beside the saved tensors may take this much more than they do
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
    path = Path(path)
    if path.suffix != ".safetensors":
        path = path.with_name(path.name + ".safetensors")
    return save_tensors(path, policy.state_dict(), _header(policy, facts))


def policy_bytes(policy: Policy, **facts) -> bytes:
    """What `save_policy` would write."""
    return tensor_bytes(policy.state_dict(), _header(policy, facts))


def _header(policy: Policy, facts: dict) -> dict:
    low, high = policy.action_low, policy.action_high
    return {
        "format": FORMAT,
        "policy": type(policy).__name__,
        "settings": policy.settings,
        "env_id": policy.env_id,
        "env_options": policy.env_options,
        "env_note": policy.env_note,
        "action_low": None if low is None else low.tolist(),
        "action_high": None if high is None else high.tolist(),
        "versions": versions(),
        **plain(facts, finite=False),  # no limit on a norm is infinity
    }


def policy_path(name: str | Path) -> Path:
    """The file that `name` means: a path, the folder of a run, or the name of a shipped policy."""
    path = Path(name)
    if path.is_dir() and (path / "policy.safetensors").is_file():
        return path / "policy.safetensors"
    if path.suffix == ".safetensors" or path.is_file():
        return path
    if (beside := path.with_name(f"{path.name}.safetensors")).is_file():  # as `save_policy` adds it
        return beside
    folder = assets_folder() / "policies"
    known = sorted(p.stem for p in folder.glob("*.safetensors"))
    if str(name) not in known:
        raise ArgumentError(
            f"name={str(name)!r} is neither a file nor a shipped policy, nor the folder of a run; accepted: "
            f"{', '.join(known) or 'a path'}{nearest(name, known)}"
        )
    return folder / f"{name}.safetensors"


def load(name: str | Path) -> Policy:
    """The policy saved under a path or shipped under a name, ready to act; `policy.header` tells its history.

    A file is data: nothing in it is executed or imported, and what it asks for is compared with what it holds before
    anything is built.

    Raises:
        ArgumentError: `name` is neither a file, nor the folder of a run, nor a shipped policy.
        PolicyFileError: the file is missing, damaged, edited, or does not fit its own description.
    """
    path = policy_path(name)
    tensors, header = load_tensors(path, FORMAT)
    kind = POLICIES.get(header["policy"]) if isinstance(header.get("policy"), str) else None
    if kind is None:
        named = f"{header.get('policy')!r:.100}"
        raise PolicyFileError(f"{path.name} needs the policy class {named}, which this version lacks")
    try:
        policy = _built(kind, header.get("settings"), tensors)
        _fill(policy, tensors)
        _describe(policy, header)
    except (ArgumentError, TypeError, ValueError, KeyError, AttributeError, RuntimeError, OverflowError) as error:
        why = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise PolicyFileError(f"{path.name} does not fit its own description: {why:.300}") from None
    return policy.eval()


def _built(kind: type[Policy], settings, tensors: dict[str, Tensor]) -> Policy:
    """A policy of this kind, in the memory that the tensors account for; no random number of the caller's is used."""
    if not isinstance(settings, dict):
        raise ArgumentError(f"settings={settings!r:.100} is not accepted; it must be a dict")
    settings = nested(settings)
    for name in ("obs_dim", "act_dim"):
        check_count(name, settings.get(name))
    held = sum(value.numel() * value.element_size() for value in tensors.values())
    with torch.random.fork_rng(devices=[]), single_precision(), to_be_filled(), memory_limit(2 * held + SLACK):
        return kind(**settings)


def _fill(policy: Policy, tensors: dict[str, Tensor]) -> None:
    """Copy the tensors into the policy, which must have the same, of the same types and shapes."""
    wanted = policy.state_dict()
    for what, names in (("lacks", wanted.keys() - tensors.keys()), ("has too much:", tensors.keys() - wanted.keys())):
        if names:
            raise ArgumentError(f"it {what} {', '.join(sorted(names)[:5])}")
    for name, value in tensors.items():
        found, right = (f"{t.dtype} {tuple(t.shape)}" for t in (value, wanted[name]))
        if found != right:
            raise ArgumentError(f"{name} is {found} and must be {right}")
    policy.load_state_dict(tensors)


def _describe(policy: Policy, header: dict) -> None:
    """Where the policy acts, from the header."""
    if not isinstance(header.get("env_id"), str | None) or not isinstance(header.get("env_options"), dict | None):
        raise ArgumentError("env_id must be a name and env_options a dict")
    policy.env_id, policy.env_options, policy.header = header.get("env_id"), header.get("env_options") or {}, header
    policy.env_note = str(header.get("env_note", ""))
    low, high = header.get("action_low"), header.get("action_high")
    if low is None and high is None:
        return
    low, high = np.array(low, dtype=np.float32), np.array(high, dtype=np.float32)
    if low.shape != (policy.act_dim,) or high.shape != low.shape or not (low <= high).all():
        raise ArgumentError(f"action bounds must be {policy.act_dim} numbers each, the low ones below the high ones")
    policy.action_low, policy.action_high = low, high
