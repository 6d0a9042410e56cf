"""Two ways to advance a batch of MuJoCo states by one control step; both use native threads.

`RolloutPhysics` hands the whole batch to `mujoco.rollout`: one call, no Python per copy. It returns
the state only, and starts the first constraint solve of each control step cold, so that what follows
depends on nothing but (time, qpos, qvel, act). A step from the same state gives what Gymnasium gives, up to
rounding. In about one step in several thousand the solver, whose tolerance is 1e-8, stops an iteration
earlier or later.
`DataPhysics` keeps one `MjData` for each copy and steps them in a thread pool. It also delivers
derived quantities (contact forces, site positions) and carries the solver's warm start, which makes
it equal to Gymnasium bit for bit. It costs some Python per copy.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import mujoco
import numpy as np
from mujoco.rollout import Rollout

from course_lib.envs.engine.task import State, Task
from course_lib.errors import ArgumentError

FULL = mujoco.mjtState.mjSTATE_FULLPHYSICS
CONTROL, PUSH = mujoco.mjtState.mjSTATE_CTRL, mujoco.mjtState.mjSTATE_XFRC_APPLIED
RESUME = mujoco.mjtState.mjSTATE_INTEGRATION


def _splitter(model: mujoco.MjModel):
    """A function from a full-physics matrix (N, nstate) to the `State` that its columns hold."""
    q, v, a = (int(n) for n in np.cumsum([1 + model.nq, model.nv, model.na]))  # asking the model each time is slow

    def split(physics: np.ndarray) -> State:
        return State(physics[:, 0], physics[:, 1:q], physics[:, q:v], physics[:, v:a])

    return split


def _check_fits(snapshot: np.ndarray, physics) -> None:
    if snapshot.shape != (own := physics.snapshot().shape):
        raise ArgumentError(
            f"a snapshot of {snapshot.shape} numbers is not accepted, it must be {own}; perhaps it is of another "
            "engine=… of cl.make"
        )


class RolloutPhysics:
    """N copies advanced by `mujoco.rollout` on `threads` threads."""

    def __init__(self, task: Task, num_envs: int, threads: int):
        model, self.task = task.model, task
        self._split = _splitter(model)
        self.size = mujoco.mj_stateSize(model, FULL)
        self.physics = np.zeros((num_envs, self.size))
        self._models = [task.variant(i) for i in range(num_envs)]
        self._datas = [mujoco.MjData(self._models[0]) for _ in range(max(threads, 1))]
        # A pool of one thread would only add a hand-over to each call.
        self._pool = Rollout(nthread=threads if threads > 1 else 0)
        # Copies handed to a thread at a time: few hand-overs, yet no thread waits long for the last one.
        self._chunk = -(-num_envs // (4 * max(threads, 1)))
        wide = 0 if task.pushed is None else 6 * model.nbody
        self._spec = CONTROL if task.pushed is None else CONTROL | PUSH
        self._control = np.zeros((num_envs, task.frame_skip, model.nu + wide))
        self._states = np.zeros((num_envs, task.frame_skip, self.size))
        self._sensors = np.zeros((num_envs, task.frame_skip, model.nsensordata))

    def _state(self) -> State:
        state, task = self._split(self.physics), self.task
        if task.substeps:
            state.derived["substep_qpos"] = self._states[:, :, 1 : 1 + task.model.nq].copy()
        if task.sensors:
            state.derived["sensordata"] = self._sensors[:, -1].copy()
        return state

    def write(self, index: np.ndarray, state: State) -> State:
        """Place `state` into the copies `index`; returns it with its derived quantities."""
        rows = np.zeros((len(index), self.size))
        view = self._split(rows)
        view.time[:], view.qpos[:], view.qvel[:], view.act[:] = state.time, state.qpos, state.qvel, state.act
        self.physics[index] = rows
        task, data = self.task, self._datas[0]
        if task.substeps:
            self._states[index] = rows[:, None]
            state.derived["substep_qpos"] = np.repeat(state.qpos[:, None], task.frame_skip, axis=1)
        if task.sensors:
            for i, row in zip(index, rows, strict=True):
                mujoco.mj_resetData(self._models[i], data)
                mujoco.mj_setState(self._models[i], data, row, FULL)
                mujoco.mj_forward(self._models[i], data)
                self._sensors[i] = data.sensordata
            state.derived["sensordata"] = self._sensors[index, -1]
        return state

    def step(self, control: np.ndarray, push: np.ndarray | None = None) -> State:
        """control (N, nu), held for `frame_skip` physics steps -> the state after them; push (N, 6) as `Task.push`."""
        nu, body = self.task.model.nu, self.task.pushed
        self._control[:, :, :nu] = control[:, None, :]
        if push is not None:
            self._control[:, :, nu + 6 * body : nu + 6 * body + 6] = push[:, None, :]
        self._pool.rollout(
            self._models,
            self._datas,
            self.physics,
            self._control,
            control_spec=self._spec,
            skip_checks=True,
            nstep=self.task.frame_skip,
            state=self._states,
            sensordata=self._sensors,
            chunk_size=self._chunk,
        )
        self.physics = self._states[:, -1].copy()
        return self._state()

    def snapshot(self) -> np.ndarray:
        """(N, nstate), then what `_state` derives from: the next observation may need it."""
        n, task = len(self.physics), self.task
        parts = [self.physics]
        if task.substeps:
            parts.append(self._states.reshape(n, -1))
        if task.sensors:
            parts.append(self._sensors[:, -1])
        return np.hstack(parts)

    def restore(self, snapshot: np.ndarray) -> State:
        _check_fits(snapshot, self)
        self.physics = snapshot[:, : self.size].copy()
        column = self.size
        if self.task.substeps:
            width = self._states[0].size
            self._states[...] = snapshot[:, column : column + width].reshape(self._states.shape)
            column += width
        if self.task.sensors:
            self._sensors[:, -1] = snapshot[:, column:]
        return self._state()

    def close(self) -> None:
        self._pool.close()


class DataPhysics:
    """N copies with an `MjData` each, stepped in `threads` threads (MuJoCo releases the GIL)."""

    def __init__(self, task: Task, num_envs: int, threads: int):
        self.task, self.num_envs, self._threads = task, num_envs, max(threads, 1)
        model = task.model
        self._models = [task.variant(i) for i in range(num_envs)]
        self.datas = [mujoco.MjData(own) for own in self._models]
        self.physics = np.zeros((num_envs, mujoco.mj_stateSize(model, FULL)))
        names = (*task.derived, "sensordata") if task.sensors else task.derived
        self._derived = {k: np.zeros((num_envs, *np.shape(getattr(self.datas[0], k)))) for k in names}
        # Numpy views of MuJoCo's own memory, made once: looking one up costs more than copying it.
        self._split = _splitter(model)
        view = self._split(self.physics)
        fields = {"qpos": view.qpos, "qvel": view.qvel, "act": view.act, **self._derived}
        self._reads = [[(out[i], getattr(data, k)) for k, out in fields.items()] for i, data in enumerate(self.datas)]
        self._controls = [data.ctrl for data in self.datas]
        if task.substeps:  # not read from the data, but filled on the way
            self._derived["substep_qpos"] = np.zeros((num_envs, task.frame_skip, model.nq))
        self._pool = ThreadPoolExecutor(self._threads - 1) if self._threads > 1 else None

    def _read(self, i: int) -> None:
        self.physics[i, 0] = self.datas[i].time
        for out, value in self._reads[i]:
            out[...] = value

    def _state(self) -> State:
        state = self._split(self.physics.copy())
        state.derived = {k: v.copy() for k, v in self._derived.items()}
        return state

    def write(self, index: np.ndarray, state: State) -> State:
        """Place `state` into the copies `index`; returns it with its derived quantities."""
        for row, i in enumerate(index):
            model, data = self._models[i], self.datas[i]
            mujoco.mj_resetData(model, data)
            data.time, data.qpos[:], data.qvel[:] = state.time[row], state.qpos[row], state.qvel[row]
            data.act[:] = state.act[row]
            mujoco.mj_forward(model, data)
            self._read(i)
        if self.task.substeps:
            self._derived["substep_qpos"][index] = state.qpos[:, None]
        state.derived = {k: v[index].copy() for k, v in self._derived.items()}
        return state

    def _work(self, todo: list, control: np.ndarray, push: np.ndarray | None) -> None:
        """Take copies from `todo` and step them until it hands out None."""
        models, skip, datas, controls = self._models, self.task.frame_skip, self.datas, self._controls
        forces, between = "cfrc_ext" in self._derived, self._derived.get("substep_qpos")
        for i in iter(todo.pop, None):
            model, data = models[i], datas[i]
            controls[i][:] = control[i]
            if push is not None:
                data.xfrc_applied[self.task.pushed] = push[i]
            if between is None:
                mujoco.mj_step(model, data, skip)
            else:
                for k in range(skip):
                    mujoco.mj_step(model, data)
                    between[i, k] = data.qpos
            if forces:
                mujoco.mj_rnePostConstraint(model, data)  # not part of a step; Gymnasium calls it too
            self._read(i)

    def step(self, control: np.ndarray, push: np.ndarray | None = None) -> State:
        """control (N, nu), held for `frame_skip` physics steps -> the state after them; push (N, 6) as `Task.push`."""
        # Threads draw from one list, so that none waits while copies are left; this thread works too.
        todo = [None] * self._threads + list(range(self.num_envs))
        helpers = [self._pool.submit(self._work, todo, control, push) for _ in range(self._threads - 1)]
        try:
            self._work(todo, control, push)
        finally:  # also after Ctrl-C: nobody may be stepping when the state is read again
            for helper in helpers:
                helper.result()
        return self._state()

    def snapshot(self) -> np.ndarray:
        """(N, k): all that a step depends on, then the derived quantities (RK4 leaves them at an inner stage)."""
        model = self.task.model
        out = np.zeros((self.num_envs, mujoco.mj_stateSize(model, RESUME)))
        for row, data in zip(out, self.datas, strict=True):
            mujoco.mj_getState(model, data, row, RESUME)
        return np.hstack([out, *(v.reshape(self.num_envs, -1) for v in self._derived.values())])

    def restore(self, snapshot: np.ndarray) -> State:
        _check_fits(snapshot, self)
        model = self.task.model
        column = mujoco.mj_stateSize(model, RESUME)
        for row, data in zip(snapshot, self.datas, strict=True):
            mujoco.mj_setState(model, data, row[:column].copy(), RESUME)
        for i in range(self.num_envs):
            self._read(i)
        for out in self._derived.values():
            width = out[0].size
            out[...] = snapshot[:, column : column + width].reshape(out.shape)
            column += width
        return self._state()

    def close(self) -> None:
        if self._pool is not None:
            self._pool.shutdown()
