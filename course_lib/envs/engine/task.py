"""A task: a control problem on a batch of MuJoCo states, written once in numpy.

Both engines (`batched.BatchedEnv`, `single.TaskEnv`) run the same `Task`. A task never steps the
physics; it only says where an episode starts, what is seen, what is rewarded and when it is over.
"""

from __future__ import annotations

import copy
import math
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import mujoco
import numpy as np

from course_lib.envs.engine.options import checked, signature

Array = np.ndarray


@dataclass
class State:
    """N copies of the simulator between two control steps; every array starts with N."""

    time: Array  # (N,) s
    qpos: Array  # (N, nq) m, rad, unit quaternions
    qvel: Array  # (N, nv) m/s, rad/s
    act: Array  # (N, na) actuator states
    derived: dict[str, Array] = field(default_factory=dict)  # MjData fields a task asked for, (N, ...)
    memory: dict[str, Array] = field(default_factory=dict)  # what a task itself carries along, (N, ...)

    def __len__(self) -> int:
        return len(self.qpos)

    def take(self, index) -> State:
        """A new state with the copies in `index` (an integer or boolean array)."""
        return State(
            self.time[index].copy(),
            self.qpos[index].copy(),
            self.qvel[index].copy(),
            self.act[index].copy(),
            {k: v[index].copy() for k, v in self.derived.items()},
            {k: v[index].copy() for k, v in self.memory.items()},
        )

    @staticmethod
    def concatenate(states: list[State]) -> State:
        """One state from several, in order."""
        cat = np.concatenate
        return State(
            cat([s.time for s in states]),
            cat([s.qpos for s in states]),
            cat([s.qvel for s in states]),
            cat([s.act for s in states]),
            {k: cat([s.derived[k] for s in states]) for k in states[0].derived},
            {k: cat([s.memory[k] for s in states]) for k in states[0].memory},
        )


class Task:
    """Base class. A subclass sets the attributes and writes the five methods marked below.

    What its constructor is given must fit the annotations bool, float and tuple[float, float], a range, if it has any
    (see `options.checked`).

    Attributes:
        id: registered name, e.g. "HalfCheetah-v5".
        frame_skip: physics steps in one control step.
        horizon: control steps after which an episode is truncated.
        derived: names of `MjData` fields that `observe`, `reward` or `terminated` read besides the
            state itself (e.g. "cfrc_ext"); asking for any selects the engine that can deliver them.
        substeps: whether `state.derived["substep_qpos"]` (N, frame_skip, nq) holds the positions after each
            physics step of the control step. Both engines deliver it; at an episode's start all are the first position.
        sensors: whether `state.derived["sensordata"]` (N, nsensordata) holds the model's sensors as MuJoCo leaves
            them, computed at the beginning of the last physics step. Both engines deliver it.
        pushed: number of the body that `push` acts on; None for a task without pushes.
        integrals: terms of the reward whose sum over an episode does not grow with the number of its control steps:
            events, gains, and terms that are multiplied by dt. They do not change with the control rate.
        refuses: fields of `disturbed.Disturbance` that make no sense for this task.
        step_length: length of a control step, in control steps of the undisturbed task.
        failure: a term of the reward, and what it pays in a step in which the simulation of a copy fails (a NaN or a
            huge value). The other terms are 0 then, and the episode ends, with a warning. None: it is an error.
        fastest: m/s and rad/s. Where anything moves faster than this, the simulation of that copy has failed, too.
        render_fps: frames per second of real time.
    """

    id: str = ""
    frame_skip: int = 1
    horizon: int = 1000
    derived: tuple[str, ...] = ()
    substeps: bool = False
    sensors: bool = False
    pushed: int | None = None
    integrals: tuple[str, ...] = ()
    refuses: tuple[str, ...] = ()
    step_length: float = 1.0
    failure: tuple[str, float] | None = None
    fastest: float = math.inf

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        if "__init__" in vars(cls):
            cls.__init__ = checked(cls.__init__)

    def __new__(cls, *args, **kwargs):
        task = super().__new__(cls)
        task._given = args, kwargs
        return task

    def __init__(self, model: mujoco.MjModel):
        self.model = model
        data = mujoco.MjData(model)
        self.init_qpos = data.qpos.copy()
        self.init_qvel = data.qvel.copy()

    def arguments(self) -> dict:
        """Arguments that the constructor was given, by name."""
        args, kwargs = self._given
        return dict(list(signature(type(self)).bind(self, *args, **kwargs).arguments.items())[1:])

    @property
    def dt(self) -> float:
        """Length of one control step in seconds."""
        return self.model.opt.timestep * self.frame_skip

    @property
    def render_fps(self) -> int:
        return max(1, int(np.round(1.0 / self.dt)))

    @property
    def action_low(self) -> Array:
        return self.model.actuator_ctrlrange[:, 0].astype(np.float32)

    @property
    def action_high(self) -> Array:
        return self.model.actuator_ctrlrange[:, 1].astype(np.float32)

    # --- to write in a subclass -------------------------------------------------------------

    def reset(self, rng: np.random.Generator, n: int) -> State:
        """n start states."""
        raise NotImplementedError

    def observe(self, state: State) -> Array:
        """state -> observation (N, obs_dim)."""
        raise NotImplementedError

    @property
    def unmasked(self) -> Task:
        """The task itself, or the one behind a mask or a disturbance (see `wrapped.Wrapped`)."""
        return self

    @property
    def keep(self) -> Array:
        """Indices of the entries of the whole observation that are seen (see `partial.Masked`)."""
        return np.arange(len(self.observation_kinds()))

    def observation_kinds(self) -> list[str]:
        """One word for each entry of the observation: "positions", "velocities", "forces", …"""
        raise NotImplementedError

    def reward_terms(self, before: State, action: Array, after: State) -> dict[str, Array]:
        """Named parts of the reward, each (N,); the reward is their sum. action: (N, action_dim)."""
        raise NotImplementedError

    def terminated(self, after: State) -> Array:
        """(N,) bool: the task itself ended the episode (such as by a fall), not the time limit."""
        return np.zeros(len(after), dtype=bool)

    # --- may be overridden ------------------------------------------------------------------

    def reward(self, before: State, action: Array, after: State) -> Array:
        """The reward (N,): the sum of its terms."""
        return sum(self.reward_terms(before, action, after).values())

    def control(self, before: State, action: Array) -> Array:
        """action (N, action_dim) -> actuator controls (N, nu). The identity unless overridden."""
        return action

    def push(self, before: State) -> Array:
        """Force (N) and torque (N m) on the centre of mass of body `pushed` in the next step, world axes -> (N, 6)."""
        raise NotImplementedError

    def variant(self, i: int) -> mujoco.MjModel:
        """The model of copy i: the task's own unless overridden (domain randomisation). All models have the same
        sizes; they may lack the parts of `model` that are only for drawing.
        """
        return self.model

    def remember(self, before: State, action: Array, after: State) -> dict[str, Array]:
        """The memory carried into `after`: that of `before` unless overridden."""
        return before.memory

    def outcome(self, after: State) -> dict[str, Array]:
        """What `infos` holds besides the terms of the reward, e.g. whether this is a success, each (N,)."""
        return {}

    # --- at another control rate (see `disturbed.Disturbed`) --------------------------------

    def pace(self, rate: Fraction) -> tuple[int, Fraction]:
        """Physics steps in a control step of dt / `rate`, and the divisor of a physics step that makes them fit."""
        finer = rate.numerator // math.gcd(self.frame_skip * rate.denominator, rate.numerator)
        return int(self.frame_skip * finer / rate), Fraction(finer)

    def altered(self, model: mujoco.MjModel, rate: Fraction) -> Task:
        """A copy of the task with `model`, and with `rate` times as many control steps in the same time."""
        other = copy.copy(self)
        other.model, (other.frame_skip, _) = model, self.pace(rate)
        other.horizon = max(1, round(self.horizon * rate))
        other.retime(rate)
        return other

    def retime(self, rate: Fraction) -> None:
        """Update what the constructor derived from a control step's length, which is now divided by `rate`."""

    def start(self, qpos: Array, qvel: Array, **memory: Array) -> State:
        """A start state at time 0 from qpos (n, nq) and qvel (n, nv)."""
        n = len(qpos)
        return State(np.zeros(n), qpos, qvel, np.zeros((n, self.model.na)), {}, memory)


@contextmanager
def quiet():
    """Silence MuJoCo's notes about old attributes of shipped models, because learners can do nothing about them."""
    handler = mujoco.get_mju_user_warning()
    mujoco.set_mju_user_warning(lambda message: None)
    try:
        yield
    finally:
        mujoco.set_mju_user_warning(handler)


def load_model(path: str | Path) -> mujoco.MjModel:
    """Read an MJCF file."""
    with quiet():
        return mujoco.MjModel.from_xml_path(str(path))


def gymnasium_asset(name: str) -> Path:
    """The MJCF file `name` that Gymnasium ships for its own environments."""
    import gymnasium.envs.mujoco

    return Path(gymnasium.envs.mujoco.__file__).parent / "assets" / name
