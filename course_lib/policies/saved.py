"""Saved policies: a safetensors file whose header tells what the policy is and where it was trained."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from course_lib.errors import ArgumentError, PolicyFileError, check_count, check_range, nearest, plain
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
from course_lib.policies.networks import RecurrentNetworks

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
    """Write `policy`; `facts` (algorithm, config, returns, seed …) go into the header beside the versions.

    The file keeps the weights, a `dt` of its own and the neurons that are `clamped`. All else follows from the
    policy's `settings`.

    Raises:
        ArgumentError: something the file could not keep was changed after the policy was built, such as
            `policy.cell.solver`.
    """
    path = Path(path)
    if path.suffix != ".safetensors":
        path = path.with_name(path.name + ".safetensors")
    return save_tensors(path, policy.state_dict(), _header(policy, facts))


def policy_bytes(policy: Policy, **facts) -> bytes:
    """What `save_policy` would write."""
    return tensor_bytes(policy.state_dict(), _header(policy, facts))


def _header(policy: Policy, facts: dict) -> dict:
    if POLICIES.get(type(policy).__name__) is type(policy):
        _check_settings(policy)
    if "acting" in facts:
        raise ArgumentError("acting is not accepted among the facts: the policy itself says how it acts")
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
        **({"acting": unusual} if (unusual := acting(policy)) else {}),
    }


def acting(policy: Policy) -> dict:
    """How a policy with a cell acts where that is not as usual: its "dt" if not 1, its neurons "clamped" if any are.

    Raises:
        ArgumentError: `dt` is not positive, or `clamped` names a neuron or a value that cannot be.
    """
    core = getattr(policy, "networks", None)
    if not isinstance(core, RecurrentNetworks):
        return {}
    dt, clamped = _checked_acting(core, {"dt": core.dt, "clamped": core.clamped})
    held = {str(neuron): value for neuron, value in clamped.items()}  # as JSON has it
    return ({} if dt == 1.0 else {"dt": dt}) | ({"clamped": held} if held else {})


def _checked_acting(core: RecurrentNetworks, given) -> tuple[float, dict[int, float]]:
    """`dt` and `clamped` of what a header or a policy gives."""
    if not isinstance(given, dict) or not isinstance(clamped := given.get("clamped", {}), dict):
        raise ArgumentError(f"acting={given!r:.100} is not accepted; it must be a dict with dt, clamped or both")
    for neuron in clamped:
        if not (str(neuron).isdecimal() and int(neuron) < core.neurons):
            raise ArgumentError(
                f"clamped names the neuron {neuron!r:.20}, which is not there; accepted: 0 to {core.neurons - 1}"
            )
    held = {int(k): check_range(f"clamped[{k}]", value, -math.inf, math.inf) for k, value in clamped.items()}
    return check_range("dt", given.get("dt", 1.0), 0, math.inf, open_low=True), held


# Of a policy and its parts: what a file keeps in a place of its own, or does not need.
_KEPT = ("settings", "env_id", "env_options", "env_note", "dt", "clamped", "training")


def _check_settings(policy: Policy) -> None:
    """Raise if a number, a word or a flag of the policy or of its parts is not the one that follows from `settings`."""
    built = dict(_built(type(policy), policy.settings, policy.state_dict()).named_modules())
    for place, part in policy.named_modules():
        for name, usual in vars(built.get(place, part)).items():
            if name in _KEPT or name.startswith("_") or not isinstance(usual, (bool, int, float, str)):
                continue
            value = getattr(part, name, None)
            if not (isinstance(value, (bool, int, float, str, np.generic)) and _alike(value, usual)):
                raise ArgumentError(
                    f"{'.'.join(filter(None, (place, name)))}={value!r:.100} cannot be saved: it was changed after the "
                    f"policy was built, and its file would say {usual!r}; accepted: {usual!r}, or a policy built anew"
                )


def _alike(value, usual) -> bool:
    numbers = not isinstance(value, str) and not isinstance(usual, str)
    return math.isclose(value, usual) if numbers else value == usual


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
    if "acting" in header and isinstance(core := getattr(policy, "networks", None), RecurrentNetworks):
        core.dt, core.clamped = _checked_acting(core, header["acting"])
    low, high = header.get("action_low"), header.get("action_high")
    if low is None and high is None:
        return
    low, high = np.array(low, dtype=np.float32), np.array(high, dtype=np.float32)
    if low.shape != (policy.act_dim,) or high.shape != low.shape or not (low <= high).all():
        raise ArgumentError(f"action bounds must be {policy.act_dim} numbers each, the low ones below the high ones")
    policy.action_low, policy.action_high = low, high
