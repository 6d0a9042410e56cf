"""Record what the live player's interpreter of policies is tested against: observations, and what Python does of them.

    python scripts/record_live_policies.py [web/test/recorded/policies] [--only NAME …]

For every shipped policy `NAME.json`: random-walk observations of the size that the policy saw in training, its actions
(deterministic, the memory carried along) and its memory after each step. Policies with a cell are also run with a
neuron held and at another control rate. `extra_…` are policies made here, for options that no shipped one has; their
files lie beside the recordings. `index.json` lists all.
"""

from __future__ import annotations

import argparse
import copy
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from course_lib.nets.cells import NeuralODE
from course_lib.nets.wiring import ncp, random
from course_lib.policies.actor_critics import MLPActorCritic, RecurrentActorCritic
from course_lib.policies.actors import RecurrentDeterministicActor, RecurrentSquashedActor
from course_lib.policies.base import Policy
from course_lib.policies.chunks import ChunkActorCritic
from course_lib.policies.saved import load, save_policy

ROOT = Path(__file__).parents[1]
STEPS, FEWER = 200, 60
MEMORY = 0.9  # of the random walk: what is left of an excursion after a step


def observations(policy: Policy, steps: int, rng: np.random.Generator) -> np.ndarray:
    """(steps, obs) of float32: a walk around the mean of training, as wide as it was there, and rarely far outside."""
    normalizer = policy.normalizer
    mean, sd = (normalizer.mean.numpy(), normalizer.var.sqrt().numpy()) if normalizer.enabled else (0.0, 1.0)
    z, walk = np.zeros(policy.obs_dim), []
    for _ in range(steps):
        z = MEMORY * z + np.sqrt(1 - MEMORY**2) * rng.standard_normal(policy.obs_dim)
        walk.append(mean + sd * z * np.where(rng.random(policy.obs_dim) < 0.003, 15.0, 1.0))
    walk = np.array(walk, dtype=np.float32)
    if getattr(policy, "clock", False):
        walk[:, -1] = rng.uniform(0.5, 2.0, steps)
    return walk


def actor_of(policy: Policy):
    """The actor's cell and its part of (input, state), or None where its time constants have no such form."""
    if isinstance(policy, RecurrentActorCritic):
        return policy.cell, lambda x, state: (policy.encoder(policy.timed(x)[0]), policy.actor_state(state))
    if hasattr(policy, "summarizer") and hasattr(policy.summarizer.net, "time_constants"):
        return policy.summarizer.net, lambda x, state: (x, state[:, : policy.summarizer.neurons])
    return None


@torch.no_grad()
def run(policy: Policy, steps: int, seed: int, held: dict[int, float] | None = None, dt: float = 1.0) -> dict:
    """One episode; numbers as JSON has them."""
    rng = np.random.default_rng(seed)
    if held or dt != 1.0:
        policy.clamped, policy.dt = held or {}, dt
    walk, state, told = observations(policy, steps, rng), None, {"actions": [], "states": [], "time_constants": []}
    rewards = rng.standard_normal(steps).astype(np.float32)
    for obs, reward in zip(walk, rewards, strict=True):
        action, state = policy.act(obs[None], state)
        told["actions"].append(numbers(action[0]))
        told["states"].append(numbers(state[0]))
        if (actor := actor_of(policy)) and not getattr(policy, "previous_action", False):
            cell, parts = actor
            try:
                x, h = parts(policy.normalizer(torch.from_numpy(obs[None])), state)
                told["time_constants"].append(numbers(cell.time_constants(h, x)[0]))
            except (ValueError, NotImplementedError):  # this cell has none
                pass
        state = policy.rewarded(state, reward[None])
    if held or dt != 1.0:
        policy.clamped, policy.dt = {}, 1.0
    return {
        "held": held or {},
        "dt": dt,
        "rewards": numbers(rewards),
        "observations": [numbers(o) for o in walk],
        **told,
    }


@torch.no_grad()
def rounding(policy: Policy, told: dict) -> dict[str, float]:
    """How far actions and states of a run are from those of the same policy in double precision, relative to the larger
    of 1 and the value. A cell that forgets nothing adds up what single precision rounds away."""
    exact, most = copy.deepcopy(policy).double(), {"actions": 0.0, "states": 0.0}
    state = torch.zeros(1, policy.state_dim, dtype=torch.float64)
    for obs, *single in zip(told["observations"], told["actions"], told["states"], strict=True):
        x = policy.normalizer(torch.tensor([obs], dtype=torch.float32)).double()
        action, state = exact.choose(x, state, None)
        action = action.numpy() if policy.action_low is None else np.clip(action, policy.action_low, policy.action_high)
        for name, was, double in zip(most, single, (action[0], state[0].numpy()), strict=True):
            apart = np.abs(np.array(was) - np.array(double)) / np.maximum(1.0, np.abs(was))
            most[name] = max(most[name], float(apart.max()))
    return most


def numbers(vector) -> list[float]:
    """float32 with as many digits as tell one from the next."""
    return [float(f"{float(x):.9g}") for x in vector]


def extras() -> Iterator[tuple[str, Policy]]:
    """Policies with what the shipped ones lack: solvers, wirings, low rank, clocks, other critics, plans and layers."""
    wired = ncp(6, 5, 4, 2, sensory_fanout=3, inter_fanout=2, recurrent_command=5, motor_fanin=2).to_dict()
    sparse = random(6, 11, 0.5).to_dict()
    cells = {
        "ltc_rk4_initial": ("ltc", {"solver": "rk4", "substeps": 3, "input": "initial"}),
        "ltc_writeup_wired": ("ltc", {"form": "writeup", "wiring": wired}),
        "ltc_midpoint_rank": ("ltc", {"solver": "midpoint", "substeps": 6, "rank": 3}),
        "ltc_substeps": ("ltc", {"substeps": 4, "tau": [0.5, 20.0], "A": [3.0, 9.0], "bias": [-4.0, 0.0]}),
        "ctrnn_euler": ("ctrnn", {"solver": "euler", "substeps": 8, "wiring": sparse, "rank": 4}),
        "neural_ode_euler": ("neural_ode", {"solver": "euler"}),
        "neural_ode_initial": ("neural_ode", {"input": "initial"}),
        "synaptic_ltc_rk4": ("synaptic_ltc", {"solver": "rk4", "substeps": 12}),
        "synaptic_ltc_initial": ("synaptic_ltc", {"input": "initial", "wiring": wired}),
        "gru_wired": ("gru", {"wiring": sparse}),
        "cfc_rank_wired": ("cfc", {"rank": 2, "wiring": sparse}),
        "mlp_wired": ("mlp", {"wiring": wired}),
    }
    for name, (cell, options) in cells.items():
        yield name, RecurrentActorCritic(6, 2, {"name": cell, "neurons": 11, "options": options, "critic_neurons": 5})
    clocked = {"name": "ltc", "neurons": 7, "encoder": 9, "feedthrough": True, "critic": "mlp", "clock": True}
    yield "ltc_clock", RecurrentActorCritic(4, 2, clocked)
    yield "mlp_deep", MLPActorCritic(5, 3, hidden=(20, 10, 8), activation="elu")
    with_cell = {"name": "cfc", "neurons": 6, "feedthrough": True, "encoder": 5}
    plans = {"chunk": 7, "trajectory": "dmp", "dofs": 2, "basis": 3}
    yield "chunk_cell", ChunkActorCritic(5, 3, {**plans, "explore": "actions"}, with_cell)
    yield "chunk_plan_cell", ChunkActorCritic(5, 3, {**plans, "explore": "plan", "basis": 1}, {"name": "gru"})
    yield "chunk_one", ChunkActorCritic(5, 3, {**plans, "chunk": 1, "explore": "plan", "alpha": 200.0})
    yield "chunk_direct_plan", ChunkActorCritic(5, 3, {"chunk": 4, "explore": "plan"})
    both = {"previous_action": True, "previous_reward": True}
    yield "rsac_lstm_2", RecurrentSquashedActor(3, 2, (16,), cell={"name": "lstm", "neurons": 9, "layers": 2, **both})
    elman = {"name": "elman", "neurons": 9, "layers": 3, "feedthrough": True, "previous_reward": True}
    yield "rtd3_elman_3", RecurrentDeterministicActor(3, 2, (16,), normalize=True, cell=elman)
    yield "rsac_identity", RecurrentSquashedActor(3, 2, (16, 8), cell={"name": "identity", "previous_action": True})
    yield "rtd3_ctrnn", RecurrentDeterministicActor(3, 2, (16,), cell={"name": "ctrnn", "neurons": 9, **both})


@torch.no_grad()
def made(folder: Path) -> Iterator[tuple[str, Path]]:
    """Write the `extras`, with fresh weights made so large that actions can be told apart, and moments of training."""
    torch.manual_seed(0)
    for number, (name, policy) in enumerate(extras()):
        for key, parameter in policy.named_parameters():
            if key.endswith("readout.weight") or ("actor." in key and parameter.abs().max() < 0.1):
                parameter.mul_(30.0)
            if key.endswith("bias") or ".bias_" in key:
                parameter.add_(0.1 * torch.randn_like(parameter))
        rng = np.random.default_rng(number)
        if policy.normalizer.enabled:
            policy.normalizer.update(1.0 + 2.0 * rng.standard_normal((50, policy.obs_dim)))
        if number % 2:
            policy.action_low = np.full(policy.act_dim, -0.4, np.float32)
            policy.action_high = np.full(policy.act_dim, 0.7, np.float32)
        yield f"extra_{name}", save_policy(policy, folder / f"extra_{name}.safetensors")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path, default=ROOT / "web/test/recorded/policies")
    parser.add_argument("--only", nargs="*", help="names of policies; without it all")
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    found = [(path.stem, path) for path in sorted((ROOT / "assets/policies").glob("*.safetensors"))]
    index = []
    for seed, (name, path) in enumerate([*found, *made(given.folder)]):
        index.append({"name": name, "file": str(path.resolve())})
        if given.only and name not in given.only:
            continue
        policy = load(path)
        runs = [run(policy, STEPS, seed)]
        if isinstance(policy, RecurrentActorCritic):
            runs.append(run(policy, FEWER, seed, held={1: 0.3, policy.neurons - 1: -0.2}))
            runs.append(run(policy, FEWER, seed, dt=0.4))
            if isinstance(policy.cell, NeuralODE):
                runs[0]["rounding"] = rounding(policy, runs[0])
        (given.folder / f"{name}.json").write_text(json.dumps({"policy": type(policy).__name__, "runs": runs}))
    (given.folder / "index.json").write_text(json.dumps(index, indent=1))


if __name__ == "__main__":
    main()
