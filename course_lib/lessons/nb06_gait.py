"""How a legged robot moves: one episode replayed physics step by physics step, and the measures taken from it.

An episode is played on the batched engine; each of its control steps is then repeated on an `MjData` of its own, from
the same state and with the same controls and pushes. So contacts, torques and power are MuJoCo's, at the rate of the
physics, and owe nothing to what a task chooses to observe or to pay.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import mujoco
import numpy as np

from course_lib.errors import ArgumentError, check_choice, check_count

GRAVITY = 9.81  # m/s²
TOUCH = 1.0  # N: a foot pressed less than this is in the air
SWAY_SECONDS = 0.5  # velocities are averaged over this long before they count as travelling


@dataclass
class Gait:
    """T control steps of one robot with L feet and J motors. Row t holds what happened during control step t."""

    env_id: str
    dt: float  # s of one control step
    mass: float  # kg
    feet: tuple[str, ...]  # L
    joints: tuple[str, ...]  # J
    limits: np.ndarray  # (J,) N m; infinite where a motor has none
    qpos: np.ndarray  # (T, nq) at the beginning of the step: m, unit quaternion, rad
    qvel: np.ndarray  # (T, nv) likewise: m/s, rad/s
    forces: np.ndarray  # (T, L) N: normal force of the ground on each foot, mean over the step
    contacts: np.ndarray  # (T, L) bool: the foot stood on the ground for at least half of the step
    heights: np.ndarray  # (T, L) m: z of each foot's centre at the beginning of the step
    torques: np.ndarray  # (T, J) N m: of the motors, mean over the step
    peaks: np.ndarray  # (T, J) N m: largest magnitude in the step
    power: np.ndarray  # (T, J) W: torque x joint rate, mean over the step; negative where a motor brakes
    work: np.ndarray  # (T, J) W: the positive part alone, taken before the mean
    actions: np.ndarray  # (T, act)
    pushes: np.ndarray  # (T, 3) N: external force on the base, world axes
    commands: np.ndarray | None  # (T, 3) m/s forward and left, rad/s; None for a task without commands
    terms: dict[str, np.ndarray]  # name -> (T,): parts of the reward
    fell: bool  # whether the episode was terminated

    def __len__(self) -> int:
        return len(self.qpos)

    @property
    def time(self) -> np.ndarray:
        """(T,) s at which each step begins."""
        return np.arange(len(self)) * self.dt

    @property
    def velocity(self) -> np.ndarray:
        """(T, 3): forward and left (m/s) of the heading, turning rate (rad/s)."""
        w, x, y, z = self.qpos[:, 3:7].T
        heading = np.arctan2(2 * (x * y + w * z), 1 - 2 * (y * y + z * z))
        cos, sin = np.cos(heading), np.sin(heading)
        vx, vy = self.qvel[:, :2].T
        return np.stack([cos * vx + sin * vy, cos * vy - sin * vx, self.qvel[:, 5]], axis=1)

    @property
    def tilt(self) -> np.ndarray:
        """(T,) degrees between the base's z axis and the vertical."""
        x, y = self.qpos[:, 4:6].T
        return np.degrees(np.arccos(np.clip(1 - 2 * (x * x + y * y), -1, 1)))

    @property
    def speed(self) -> float:
        """m/s along the way that was covered, swaying averaged away."""
        if len(self) < 2:
            return 0.0
        way = smooth(np.diff(self.qpos[:, :2], axis=0) / self.dt, self.dt, SWAY_SECONDS)
        return float(np.linalg.norm(way, axis=1).mean())

    @property
    def duty_factor(self) -> np.ndarray:
        """(L,) share of the time that each foot stands on the ground."""
        return self.contacts.mean(axis=0)

    @property
    def lift(self) -> np.ndarray:
        """(L,) m on level ground: how much higher each foot is than its lowest, for the highest 5 % of the time."""
        return np.quantile(self.heights, 0.95, axis=0) - self.heights.min(axis=0)

    @property
    def touchdowns(self) -> list[np.ndarray]:
        """For each foot the steps in which it comes down."""
        return [np.flatnonzero(~c[:-1] & c[1:]) + 1 for c in self.contacts.T]

    @property
    def stride_frequency(self) -> float:
        """Strides a second: median over the feet, each from its first touchdown to its last; NaN without a stride."""
        rates = [(len(t) - 1) / ((t[-1] - t[0]) * self.dt) for t in self.touchdowns if len(t) > 1]
        return float(np.median(rates)) if rates else float("nan")

    def cost_of_transport(self, power: str = "positive") -> float:
        """P / (m g v), without a unit: energy for carrying one newton of weight one metre; infinite on the spot.

        `power`: "positive" counts the work that the motors do, and gives nothing back for braking; "absolute" counts
        braking as if it cost the same; "net" takes braking back.
        """
        check_choice("power", power, ("positive", "absolute", "net"))
        net, positive = self.power.sum(axis=1).mean(), self.work.sum(axis=1).mean()
        spent = {"positive": positive, "absolute": 2 * positive - net, "net": net}[power]
        return float(spent / (self.mass * GRAVITY * self.speed)) if self.speed > 0 else float("inf")

    def measures(self) -> dict[str, float]:
        """The gait in a few numbers, each with its unit in its name."""
        jumps = np.diff(self.actions, axis=0)
        missed, turned = (np.nan, np.nan) if self.commands is None else (self.tracking_error(), self.turning_error())
        return {
            "seconds": len(self) * self.dt,
            "speed_m_s": self.speed,
            "tracking_error_m_s": missed,
            "turning_error_rad_s": turned,
            "cost_of_transport": self.cost_of_transport(),
            "power_W": float(self.work.sum(axis=1).mean()),
            "torque_rms_N_m": float(np.sqrt(np.square(self.torques).mean())),
            "torque_peak_N_m": float(self.peaks.max()),
            "action_change": float(np.abs(jumps).mean()) if len(jumps) else 0.0,
            "tilt_degrees": float(self.tilt.mean()),
            "highest_lift_m": float(self.lift.max()),
            "lowest_lift_m": float(self.lift.min()),
            "duty_factor": float(self.duty_factor.mean()),
            "stride_frequency_Hz": self.stride_frequency,
        }

    def tracking_error(self, skip: float = 1.0, window: float = 0.5) -> float:
        """Mean distance in m/s of the velocity, averaged over `window` s, from the command, without the first `skip` s.

        (A step is lost where the command has just changed: so is it for whoever follows.)
        """
        missed = self._missed(skip, window)[:, :2]
        return float(np.linalg.norm(missed, axis=1).mean()) if len(missed) else float("nan")

    def turning_error(self, skip: float = 1.0, window: float = 0.5) -> float:
        """The same of the turning rate, in rad/s."""
        missed = self._missed(skip, window)[:, 2]
        return float(np.abs(missed).mean()) if len(missed) else float("nan")

    def _missed(self, skip: float, window: float) -> np.ndarray:
        """(T', 3): velocity less command."""
        if self.commands is None:
            raise ArgumentError(f"{self.env_id} has no commands to follow; accepted: a task with commands, AnymalC-v0")
        return smooth(self.velocity - self.commands, self.dt, window)[int(skip / self.dt) :]


def smooth(values: np.ndarray, dt: float, seconds: float) -> np.ndarray:
    """Moving average over `seconds` of values (T, …); shorter towards the ends."""
    half = max(int(round(seconds / dt)) // 2, 0)
    total = np.concatenate([np.zeros((1, *values.shape[1:])), np.cumsum(values, axis=0)])
    at = np.arange(len(values))
    low, high = np.maximum(at - half, 0), np.minimum(at + half + 1, len(values))
    return (total[high] - total[low]) / (high - low).reshape(-1, *[1] * (values.ndim - 1))


def record_gait(
    agent, env_id: str | None = None, seed: int = 0, steps: int = 500, deterministic: bool = True, **env_options
) -> Gait:
    """One episode of `agent` (an agent, a run or a policy), up to its end or `steps` control steps.

    `env_options` go to `cl.make`, over those that the policy was trained with.

    Raises:
        ArgumentError: a robot without a free body, or whose model has no shape with "foot" in its name.
    """
    from course_lib.evaluation.returns import make_for, policy_of

    policy, steps = policy_of(agent), check_count("steps", steps)
    envs = make_for(policy, 1, seed, env_id, **env_options)
    try:
        replay = _Replay(envs, envs.id)
        observation, _ = envs.reset(seed=seed)
        rng, memory, over, terminated = np.random.default_rng(seed), None, False, [False]
        while not over and len(replay.rows["actions"]) < steps:
            action, memory = policy.act(observation, state=memory, deterministic=deterministic, rng=rng)
            replay.step(action)
            observation, reward, terminated, truncated, infos = envs.step(action)
            memory = policy.rewarded(memory, reward)
            replay.paid({k[7:]: float(v[0]) for k, v in infos.items() if k.startswith("reward_")})
            over = bool(terminated[0] or truncated[0])
        return replay.gait(bool(terminated[0]))
    finally:
        envs.close()


class _Replay:
    """Repeats the control steps of copy 0 of `envs`, one physics step at a time."""

    def __init__(self, envs, env_id: str):
        if envs.task is None or envs.task.model.jnt_type[0] != mujoco.mjtJoint.mjJNT_FREE:
            raise ArgumentError(f"env_id={env_id!r} is not accepted; accepted: a task of this course with a free body")
        self.envs, self.task, self.env_id = envs, envs.task, env_id
        self.model = model = envs.task.variant(0)
        self.data = mujoco.MjData(model)
        name = [model.geom(g).name for g in range(model.ngeom)]
        self.feet = [g for g in range(model.ngeom) if re.search("foot", name[g], re.IGNORECASE)]
        if not self.feet:
            raise ArgumentError(f"env_id={env_id!r} has no foot: no shape of its model has 'foot' in its name")
        self.foot_names = tuple(re.sub("_?foot_?", "", name[g], flags=re.IGNORECASE) or name[g] for g in self.feet)
        self.ground = model.body_weldid[model.geom_bodyid] == 0
        self.command = getattr(envs.task.unmasked, "command", None)
        names = "qpos qvel forces contacts heights torques peaks power work actions pushes commands".split()
        self.rows: dict[str, list] = {k: [] for k in names}
        self.terms: dict[str, list] = {}

    def step(self, action: np.ndarray) -> None:
        """action (1, act): record what it does from the present state on."""
        model, data, task, state = self.model, self.data, self.task, self.envs.state
        mujoco.mj_setState(model, data, np.array(self.envs.physics[0]), mujoco.mjtState.mjSTATE_FULLPHYSICS)
        data.qacc_warmstart[:] = 0.0
        data.ctrl[:] = task.control(state, np.asarray(action, np.float64))[0]
        push = np.zeros(6) if task.pushed is None else task.push(state)[0]
        if task.pushed is not None:
            data.xfrc_applied[task.pushed] = push
        rows = self.rows
        rows["qpos"].append(data.qpos.copy())
        rows["qvel"].append(data.qvel.copy())
        forces, torques, power = [], [], []
        for _ in range(task.frame_skip):
            mujoco.mj_step1(model, data)
            rates = data.actuator_velocity.copy()
            if not forces:
                rows["heights"].append(data.geom_xpos[self.feet, 2].copy())
            mujoco.mj_step2(model, data)
            forces.append(self._pressed())
            torques.append(data.actuator_force.copy())
            power.append(torques[-1] * rates)
        forces, torques, power = np.array(forces), np.array(torques), np.array(power)
        rows["forces"].append(forces.mean(axis=0))
        rows["contacts"].append((forces > TOUCH).mean(axis=0) >= 0.5)
        rows["torques"].append(torques.mean(axis=0))
        rows["peaks"].append(np.abs(torques).max(axis=0))
        rows["power"].append(power.mean(axis=0))
        rows["work"].append(np.maximum(power, 0.0).mean(axis=0))
        rows["actions"].append(np.array(action[0], float))
        rows["pushes"].append(push[:3].copy())
        if self.command is not None:
            rows["commands"].append(np.array(self.command(state)[0]))

    def _pressed(self) -> np.ndarray:
        """(L,) N: normal force between each foot and the ground."""
        out, wrench = np.zeros(len(self.feet)), np.zeros(6)
        for k in range(self.data.ncon):
            pair = self.data.contact[k].geom
            for foot, other in (pair, pair[::-1]):
                if foot in self.feet and self.ground[other]:
                    mujoco.mj_contactForce(self.model, self.data, k, wrench)
                    out[self.feet.index(foot)] += wrench[0]
        return out

    def paid(self, terms: dict[str, float]) -> None:
        """Parts of the reward of the step just recorded."""
        for name, value in terms.items():
            self.terms.setdefault(name, []).append(value)

    def gait(self, fell: bool) -> Gait:
        """All of it."""
        model = self.model
        limits = np.where(model.actuator_forcelimited, model.actuator_forcerange[:, 1], np.inf)
        torque = ~model.actuator_forcelimited.astype(bool) & (model.actuator_gainprm[:, 0] == 1)
        limits = np.where(torque, model.actuator_ctrlrange[:, 1], limits)
        rows = {k: np.array(v) for k, v in self.rows.items()}
        commands = rows.pop("commands")
        return Gait(
            self.env_id,
            float(self.task.dt),
            float(model.body_mass.sum()),
            self.foot_names,
            tuple(model.actuator(j).name for j in range(model.nu)),
            limits,
            **rows,
            commands=commands if len(commands) else None,
            terms={k: np.array(v) for k, v in self.terms.items()},
            fell=fell,
        )
