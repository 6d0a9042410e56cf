"""Inside a recurrent policy: record an episode with its hidden states, hold neurons still, see what states tell.

This module only computes. The pictures are in `state_figures`, the slider in `explorer`.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import torch

from course_lib.envs import TASKS, State, make_task
from course_lib.errors import ArgumentError, check_count
from course_lib.evaluation.returns import make_for, policy_of, run_episodes
from course_lib.evaluation.rollout import Rollout, rollout_states
from course_lib.policies.actor_critics import RecurrentActorCritic
from course_lib.policies.base import Policy
from course_lib.viz.states.components import Components, correlations, decode, pca

__all__ = [
    "Components",
    "Record",
    "ablation_returns",
    "correlations",
    "decode",
    "held_at",
    "pca",
    "random_pushes",
    "record",
    "recurrent",
]
_LEGS = [f"{side} {part}" for side in ("back", "front") for part in ("thigh", "shin", "foot")]
NAMES = {  # task -> names of observations and of actions, with units
    "InvertedPendulum-v5": (
        ["cart position (m)", "pole angle (rad)", "cart speed (m/s)", "angular velocity (rad/s)"],
        ["push (100 N)"],
    ),
    "HalfCheetah-v5": (
        ["height (m)", "pitch (rad)", *(f"{leg} (rad)" for leg in _LEGS), "speed (m/s)", "climb (m/s)"]
        + ["pitch rate (rad/s)", *(f"{leg} rate (rad/s)" for leg in _LEGS)],
        [f"{leg} torque" for leg in _LEGS],
    ),
}


@dataclass
class Record:
    """One episode of T control steps. Row t belongs to the step whose action was chosen from observation t."""

    rollout: Rollout
    names: list[str]  # of the observation's entries, with units
    action_names: list[str]
    truth: np.ndarray  # (T, full): the whole observation, also what the policy is not shown
    truth_names: list[str]
    x: torch.Tensor  # (T, obs): normalised observations, what the networks see
    before: torch.Tensor  # (T, state_dim): the policy's memory when step t began
    states: np.ndarray  # (T, neurons): the actor's hidden state from which action t was read
    values: np.ndarray  # (T,): the critic's value, in units of the normalised return
    time_constants: np.ndarray | None  # (T, neurons) in control steps; None for cells without an ODE
    actions: np.ndarray  # (T, act): what the policy chose, before a push was added
    pushes: dict[int, float] = field(default_factory=dict)  # step -> what was added to the action there
    held: dict[int, float] = field(default_factory=dict)  # neurons that were held still, and where
    ended: bool = False  # whether the episode was over before the steps ran out

    def __len__(self) -> int:
        return len(self.states)

    @property
    def neurons(self) -> int:
        return self.states.shape[1]

    @property
    def dt(self) -> float:
        """Seconds in one control step."""
        return self.rollout.dt

    @property
    def observations(self) -> np.ndarray:
        """(T, obs)"""
        return self.rollout.observations


def recurrent(policy):
    """The recurrent policy of an agent, a run or a policy. Raises ArgumentError if it has no cell."""
    found = policy_of(policy)
    if not isinstance(found, RecurrentActorCritic):
        raise ArgumentError(
            f"policy={type(found).__name__} has no hidden state to look at; "
            "accepted: a recurrent policy such as cl.load('pendulum_ltc')"
        )
    return found


@contextlib.contextmanager
def held_at(policy, held: Mapping[int, float] | None) -> Iterator:
    """Inside the `with` block the actor's neurons in `held` (neuron -> value) are held at these values."""
    policy = recurrent(policy)
    checked = check_held(held, policy.cell.neurons)
    before = policy.clamped
    policy.clamped = checked
    try:
        yield policy
    finally:
        policy.clamped = before


def check_held(held: Mapping[int, float] | None, neurons: int) -> dict[int, float]:
    """`held` as {neuron: value}. Raises ArgumentError if a neuron does not exist or a value is not finite."""
    if held is None:
        return {}
    if not isinstance(held, Mapping):
        raise ArgumentError(f"held={held!r} is not accepted; it must be a dict neuron -> value, e.g. {{3: 0.0}}")
    for neuron, value in held.items():
        whole = hasattr(neuron, "__index__") and not isinstance(neuron, bool)
        if not whole or not 0 <= neuron < neurons:
            raise ArgumentError(
                f"held names the neuron {neuron!r}, which is not there; accepted: whole numbers from 0 to {neurons - 1}"
            )
        if not isinstance(value, (int, float, np.number)) or not math.isfinite(value):
            raise ArgumentError(f"held[{neuron}]={value!r} is not accepted; it must be a finite number")
    return {int(neuron): float(value) for neuron, value in held.items()}


class Pushed(Policy):
    """A policy whose actions are disturbed at some steps; it does not know."""

    def __init__(self, policy: Policy, pushes: Mapping[int, float]):
        super().__init__(policy.obs_dim, policy.act_dim)
        self.within, self.pushes, self.chosen = policy, pushes, []
        self.env_id, self.env_options, self.env_note = policy.env_id, policy.env_options, policy.env_note

    def act(self, obs, state=None, **options):
        action, state = self.within.act(obs, state, **options)
        push = self.pushes.get(len(self.chosen), 0.0)
        self.chosen.append(action[0].copy())
        return np.clip(action + push, self.within.action_low, self.within.action_high).astype(action.dtype), state


def record(
    policy,
    seed: int = 0,
    steps: int = 150,
    held: Mapping[int, float] | None = None,
    pushes: Mapping[int, float] | None = None,
    **env_options,
) -> Record:
    """One deterministic episode, up to its end or `steps` control steps, with everything the networks did.

    Args:
        policy: an agent, a run or a recurrent policy.
        held: neurons of the actor to hold still (ablation), neuron -> value.
        pushes: disturbances, step -> what is added to every entry of the action at that step.
        env_options: for the environment, e.g. reset_noise_scale=0.1.
    """
    steps, pushes = check_count("steps", steps), check_pushes(pushes)
    with held_at(policy, held) as policy, torch.no_grad():
        pushed = Pushed(policy, pushes)
        rollout = rollout_states(pushed, seed=seed, steps=steps, **env_options)
        x = policy.normalizer(torch.as_tensor(rollout.observations, dtype=torch.float32))
        after = torch.cat([torch.as_tensor(state) for state in rollout.hidden])
        before = torch.cat([policy.initial_state(1), after[:-1]])
        states = policy.actor_state(after)
        values = policy.value(x, before).numpy()
        constants = effective_time_constants(policy.cell, states, policy.encoder(policy.timed(x)[0]))
    names, actions, truth, truth_names = _described(rollout, {**policy.env_options, **env_options})
    return Record(
        rollout, names, actions, truth, truth_names, x, before, states.numpy(), values, constants,
        np.array(pushed.chosen), pushes, check_held(held, policy.cell.neurons), len(rollout) < steps,
    )  # fmt: skip


def check_pushes(pushes: Mapping[int, float] | None) -> dict[int, float]:
    """`pushes` as {step: size}."""
    fits = isinstance(pushes, Mapping) and all(
        hasattr(step, "__index__") and step >= 0 and isinstance(size, (int, float, np.number)) and math.isfinite(size)
        for step, size in pushes.items()
    )
    if pushes is not None and not fits:
        raise ArgumentError(f"pushes={pushes!r} is not accepted; it must be a dict step -> size, e.g. {{30: 1.5}}")
    return {int(step): float(size) for step, size in (pushes or {}).items()}


def random_pushes(steps: int, every: int = 15, size: float = 1.5, seed: int = 0) -> dict[int, float]:
    """A push every `every` steps, Gaussian with standard deviation `size` (in units of the action)."""
    rng = np.random.default_rng(seed)
    return {t: float(size * rng.standard_normal()) for t in range(check_count("every", every), steps, every)}


def effective_time_constants(cell, h: torch.Tensor, x: torch.Tensor) -> np.ndarray | None:
    """h (T, neurons), x (T, inputs) -> (T, neurons) in units of the cell's time; None for cells that have none."""
    with torch.no_grad():
        try:
            constants = cell.time_constants(h, x)
        except (NotImplementedError, ArgumentError):
            return None
    return constants.expand_as(h).numpy()


def _described(rollout: Rollout, options: dict) -> tuple[list[str], list[str], np.ndarray, list[str]]:
    """Names of observations and actions, and the whole observation (T, full) with its names."""
    width, act = rollout.observations.shape[1], rollout.actions.shape[1]
    plain = [f"observation {i}" for i in range(width)], [f"action {i}" for i in range(act)]
    if rollout.env_id not in TASKS:
        return *plain, rollout.observations, plain[0]
    task = make_task(rollout.env_id, **options)
    full, everything = task.unmasked, len(task.unmasked.observation_kinds())
    names, actions = NAMES.get(full.id, ([], plain[1]))
    names = list(names) if len(names) == everything else [f"observation {i}" for i in range(everything)]
    seen = [names[i] for i in task.keep]
    seen += [f"observation {i}" for i in range(len(seen), width)]  # a clock, see `Disturbance`
    if full is not task:
        rows, q = rollout.physics, 1 + full.model.nq
        v = q + full.model.nv
        try:
            truth = full.observe(State(rows[:, 0], rows[:, 1:q], rows[:, q:v], rows[:, v:]))
            return seen, list(actions), truth, names
        except KeyError:  # it shows what the simulator derives or the task remembers, which the rows do not hold
            pass
    return seen, list(actions), rollout.observations, seen


def ablation_returns(
    policy,
    episodes: int = 16,
    seed: int = 0,
    at: Mapping[int, float] | None = None,
    pushes: Mapping[int, float] | None = None,
    **env_options,
) -> np.ndarray:
    """The mean return with each neuron in turn held still -> (neurons + 1,); for the last entry none is held.

    Args:
        at: neuron -> value at which to hold it; 0 for those not named.
        pushes: disturbances of every episode, as for `record`.
    """
    policy, episodes, pushes = recurrent(policy), check_count("episodes", episodes), check_pushes(pushes)
    where = check_held(at, policy.cell.neurons)
    envs = make_for(policy, episodes, seed, **env_options)
    found = []
    try:
        for neuron in [*range(policy.cell.neurons), None]:
            with held_at(policy, None if neuron is None else {neuron: where.get(neuron, 0.0)}):
                found.append(run_episodes(Pushed(policy, pushes), envs, seed=seed).mean)
    finally:
        envs.close()
    return np.array(found)
