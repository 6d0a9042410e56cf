"""A task under other conditions than it was made for: another control rate, sensors that fail, another body.

What happens to an observation is a function of the state: a copy draws one number at the start of an episode, and
`State.memory` holds it, the count of control steps and what is under way. So `observe` may be called any number of
times, and a snapshot of the state holds the rest of the episode too.
"""

from __future__ import annotations

import copy

import mujoco
import numpy as np

from course_lib.envs.engine.disturbance import PREFIX, Disturbance, fraction
from course_lib.envs.engine.draws import normals, uniforms
from course_lib.envs.engine.task import Array, State, Task
from course_lib.envs.engine.wrapped import Wrapped
from course_lib.errors import ArgumentError

PUSH_EVERY, PUSH_FROM, PUSH_SECONDS = 1.0, 0.5, 0.1  # s
# Where `State.memory` holds: control steps so far (N,), the number drawn (N,), what is seen (N, width), readings under
# way, oldest first (N, delay, width), control steps that a burst still lasts (N,).
STEP, SEED, SEEN, LATE, LEFT = (f"disturbed_{name}" for name in ("step", "seed", "seen", "late", "left"))


class Disturbed(Wrapped):
    """`task`, which may be `Masked`, under the conditions `disturb`. The `task` that was given is not changed.

    Args:
        task: the control problem.
        disturb: a `Disturbance` at one rate, or a dict of some of its fields.

    Attributes:
        disturbance: `disturb` as a `Disturbance`. rate: the control rate as a fraction. task: a copy of the task at
        this rate, in the changed model.
    """

    def __init__(self, task: Task, disturb: Disturbance | dict):
        self.disturbance = d = Disturbance.of(disturb)
        self._check(task)
        self.rate = fraction("disturb.rate", d.rate)
        self._finer = task.unmasked.pace(self.rate)[1]
        self._origin, self._last = task, (task.model, self._changed(task.model))
        super().__init__(task.altered(self._last[1], self.rate))
        self.step_length = float(1 / self.rate)
        if d.push:
            self.pushed = int(self.model.jnt_bodyid[0])
        self._width = len(self.task.observation_kinds())
        self._noise = np.array(d.noise) if np.any(d.noise) else None
        self._dead = list(d.dead or ())
        self._draws = self._noise is not None or d.drop > 0
        self._holds = d.delay > 0 or d.drop > 0  # what is seen is not what is read now
        self._counts = self._draws or self._holds or (self._dead and d.dead_from)

    def _check(self, task: Task) -> None:
        """Raise where task and disturbance do not go together."""
        d, kinds = self.disturbance, task.observation_kinds()
        behind = task
        while isinstance(behind, Wrapped):
            if isinstance(behind, Disturbed):
                raise ArgumentError(f"task={task.id} is disturbed already; accepted: all fields in one disturb=dict(…)")
            behind = behind.task
        if isinstance(d.rate, tuple):
            raise ArgumentError(
                f"{PREFIX}rate={d.rate} is not accepted for a single task; it must be one number; cl.make takes several"
            )
        for name in d.active():
            if name in task.refuses:
                rest = ", ".join(field for field in vars(d) if field not in task.refuses)
                raise ArgumentError(
                    f"{PREFIX}{name}={getattr(d, name)!r} has no meaning in {task.id}, which is no body moved by "
                    f"forces; accepted: {rest}"
                )
        if d.push and task.pushed is not None:
            raise ArgumentError(f"{PREFIX}push={d.push!r} is not accepted by {task.id}, which has pushes of its own")
        if isinstance(d.noise, tuple) and len(d.noise) != len(kinds):
            raise ArgumentError(
                f"{PREFIX}noise has {len(d.noise)} entries; it must be one number, or one for each of the {len(kinds)} "
                f"entries that are seen of {task.id}"
            )
        wrong = [i for i in d.dead or () if not 0 <= i < len(kinds)]
        if wrong:
            raise ArgumentError(
                f"{PREFIX}dead={wrong} is outside of what is seen of {task.id}; accepted: indices from 0 to "
                f"{len(kinds) - 1}"
            )

    # --- another body -----------------------------------------------------------------------

    def _changed(self, model: mujoco.MjModel) -> mujoco.MjModel:
        """A copy of `model` with other masses, friction, strength and physics step."""
        d, model = self.disturbance, copy.copy(model)
        model.opt.timestep /= float(self._finer)
        model.body_mass *= d.mass
        model.body_inertia *= d.mass
        model.geom_friction[:, 0] *= d.friction
        model.pair_friction[:, :2] *= d.friction
        if d.strength != 1.0:
            kinds = {*model.actuator_gaintype} | {*model.actuator_biastype}
            if not kinds <= {0, 1}:  # "fixed" or "none", "affine"
                raise ArgumentError(f"{PREFIX}strength={d.strength!r} is not accepted for muscles; accepted: 1")
            # The gain and not the gear, which is also the arm at which a servo feels where its joint is.
            for values in (model.actuator_gainprm[:, :3], model.actuator_biasprm[:, :3], model.actuator_forcerange):
                values *= d.strength
        if d.mass != 1.0:
            mujoco.mj_setConst(model, mujoco.MjData(model))  # what the compiler derived from the masses
        return model

    def variant(self, i: int) -> mujoco.MjModel:
        own = self._origin.variant(i)
        if own is not self._last[0]:  # most tasks have one model for all copies
            self._last = (own, self._changed(own))
        return self._last[1]

    def push(self, before: State) -> Array:
        if not self.disturbance.push:
            return self.task.push(before)
        out = np.zeros((len(before), 6))
        end = before.time + self.dt
        out[:, 0] = self.disturbance.push * (_pushed_for(end) - _pushed_for(before.time)) / self.dt
        return out

    # --- another clock ----------------------------------------------------------------------

    def reward_terms(self, before: State, action: Array, after: State) -> dict[str, Array]:
        terms = self.task.reward_terms(before, action, after)
        if self.rate == 1:
            return terms
        return {k: value if k in self.integrals else value * self.step_length for k, value in terms.items()}

    # --- other sensors ----------------------------------------------------------------------

    def observation_kinds(self) -> list[str]:
        return self.task.observation_kinds() + ["durations"] * self.disturbance.clock

    def reset(self, rng: np.random.Generator, n: int) -> State:
        state, d = self.task.reset(rng, n), self.disturbance
        own = {}
        if self._counts:
            own[STEP] = np.zeros(n, dtype=np.int64)
        if self._draws:
            own[SEED] = rng.integers(2**63, size=n, dtype=np.int64)
        if self._holds:  # filled in the first step: here the simulator has not derived all that may be read
            own[SEEN] = np.zeros((n, self._width))
        if d.delay:
            own[LATE] = np.zeros((n, d.delay, self._width))
        if d.drop:
            own[LEFT] = np.zeros(n, dtype=np.int64)
        state.memory = state.memory | own
        return state

    def observe(self, state: State) -> Array:
        if self._holds:
            out, first = state.memory[SEEN].copy(), state.memory[STEP] == 0
            if first.any():
                out[first] = self._reading(state.take(first))
        else:
            out = self._reading(state)
        if self.disturbance.clock:
            out = np.column_stack([out, np.full(len(out), self.step_length)])
        return out

    def remember(self, before: State, action: Array, after: State) -> dict[str, Array]:
        memory = self.task.remember(before, action, after)
        if not self._counts:
            return memory
        old = before.memory
        memory = memory | {STEP: old[STEP] + 1}
        if self._draws:
            memory[SEED] = old[SEED]
        if self._holds:
            after.memory = memory  # a reading may show what the task remembers
            memory = memory | self._arriving(before, after)
        return memory

    def _reading(self, state: State) -> Array:
        """What the sensors report of `state`, before it is sent: (N, width)."""
        out = self.task.observe(state)
        if self._noise is not None:
            noise = normals(state.memory[SEED], state.memory[STEP], self._width)
            noise *= self._noise
            out = np.add(out, noise, out=noise)
        if self._dead:
            out = np.array(out)
            broken = state.memory[STEP] >= self.disturbance.dead_from if self._counts else np.ones(len(out), bool)
            out[np.ix_(broken, self._dead)] = 0.0
        return out

    def _arriving(self, before: State, after: State) -> dict[str, Array]:
        """What is seen after this step and what is still under way."""
        d, old, now = self.disturbance, before.memory, self._reading(after)
        seen, late, own = old[SEEN], old.get(LATE), {}
        first = old[STEP] == 0
        if first.any():
            seen, late = seen.copy(), None if late is None else late.copy()
            seen[first] = self._reading(before.take(first))
            if late is not None:
                late[first] = seen[first, None]
        if late is not None:
            now, own[LATE] = late[:, 0].copy(), np.concatenate([late[:, 1:], now[:, None]], axis=1)
        if d.drop:
            # The generator of ~seed, so that what is lost has nothing to do with the noise.
            begins = uniforms(~old[SEED], old[STEP] + 1, 1)[:, 0] < d.starts
            left = np.where((old[LEFT] == 0) & begins, d.burst, old[LEFT])
            now, own[LEFT] = np.where(left[:, None] > 0, seen, now), np.maximum(left - 1, 0)
        return own | {SEEN: now}


def _pushed_for(time: Array) -> Array:
    """∫ of the direction of the push (1, 0 or -1) from 0 to `time` (N,), in s."""
    since = (time - PUSH_FROM) / PUSH_EVERY
    count = np.floor(since)  # of this push; every second one takes back what the one before gave
    lasted = np.minimum((since - count) * PUSH_EVERY, PUSH_SECONDS)
    return np.where(since < 0, 0.0, np.where(count % 2 == 0, lasted, PUSH_SECONDS - lasted))
