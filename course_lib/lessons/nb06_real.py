"""Notebook 06: what stands between the walker and a real robot, one part at a time.

`endure` lets robots walk under one change: slow motors, stiff joints, late or noisy observations, weak motors.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from course_lib.envs.anymal.walk import LAST_ACTION, AnymalC
from course_lib.envs.engine.batched import BatchedEnv
from course_lib.envs.engine.disturbed import Disturbed
from course_lib.errors import ArgumentError, check_count, check_range
from course_lib.evaluation.returns import policy_of
from course_lib.evaluation.statistics import spread
from course_lib.lessons.nb06_crowd import _play
from course_lib.viz.style import COLOURS, DASHES, new_figure, style

TOLD = 0.7  # m/s ahead
BEGIN = 1.0  # s that are given to get going, before the speed counts
MANUAL = dict(command=(TOLD, 0.0, 0.0), push_force=0.0, randomize=False)


HINTS = {  # slip of `motor` -> what to say of it
    "euler": "that is an Euler step, dt / lag; while the target is constant the exact share is 1 - exp(-dt / lag)",
    "upside down": "the exponent is -dt / lag, not -lag / dt",
    "kept": "exp(-dt / lag) is the share of the distance that is LEFT; the motor covers the rest of it",
    "no dead time": "the dead time is missing: at step k the target of step k - dead comes through",
    "early": "that looks into the future: at step k the target of step k - dead comes through",
    "one more": "all of it comes one control step late: positions at the END of a step, after `dead` steps, are asked",
    "starts there": "the motor starts at 0, not at the first target",
    "first target": "before the first target comes through the motor stays at 0",
    "wraps": "a negative index takes targets from the end; before the first target comes through the motor stays at 0",
    "instant": "the lag is missing: the motor only approaches its target",
}


def motor(targets: np.ndarray, dt: float, lag: float, dead: int, slip: str = "") -> np.ndarray:
    """targets (T,) -> positions (T,): exercise 6.6, or one of the ways to get it wrong, a key of `HINTS`."""
    shares = {"euler": dt / lag, "upside down": 1 - np.exp(-lag / dt), "kept": np.exp(-dt / lag), "instant": 1.0}
    share = shares.get(slip, 1 - np.exp(-dt / lag))
    shift = {"no dead time": 0, "early": -dead, "one more": dead + 1}.get(slip, dead)
    targets, out = np.asarray(targets, float), []
    at = targets[0] if slip == "starts there" else 0.0
    for k in range(len(targets)):
        i = min(k - shift, len(targets) - 1)
        wanted = targets[i] if i >= 0 or slip == "wraps" else targets[0] if slip == "first target" else 0.0
        at = at + share * (wanted - at)
        out.append(at)
    return np.array(out)


class Motors:
    """An environment whose actions reach the joints through slow motors: a dead time, then a first-order lag.

    Args:
        envs: copies of AnymalC. dead: control steps until a motor begins to answer. lag: s, its time constant.

    The policy sees what it asked for as its last action, and not what the motors made of it, as on a robot.
    """

    def __init__(self, envs: BatchedEnv, dead: int = 0, lag: float = 0.0):
        self.envs, self.dead, dt = envs, check_count("dead", dead, least=0), float(envs.task.dt)
        lag = check_range("lag", lag, 0.0, 10.0)
        self.share = 1.0 - np.exp(-dt / lag) if lag else 1.0  # of the way to the target in one step
        self.single_action_space = envs.single_action_space

    @property
    def physics(self) -> np.ndarray:
        return self.envs.physics

    def reset(self, **options):
        shape = (self.envs.num_envs, *self.single_action_space.shape)
        self.coming, self.at = [np.zeros(shape) for _ in range(self.dead)], np.zeros(shape)
        return self.envs.reset(**options)

    def step(self, action: np.ndarray):
        asked = np.clip(action, -3.0, 3.0).astype(float)
        self.coming.append(asked)
        self.at = self.at + self.share * (self.coming.pop(0) - self.at)
        observation, *rest = self.envs.step(self.at.astype(np.float32))
        observation = np.array(observation)
        observation[:, LAST_ACTION] = asked
        return observation, *rest


def endure(
    policy, n: int = 12, seconds: float = 4.0, seed: int = 0, dead: int = 0, lag: float = 0.0, damping: float = 1.0,
    **disturb,
) -> np.ndarray:  # fmt: skip
    """(n,) bool: which robots walk to the end: they have not fallen, and come at least half as fast as told.

    Args:
        dead, lag: of the motors, see `Motors`. damping: of the joints, times so much.
        disturb: fields of `Disturbance`, such as delay=1, noise=0.1, strength=0.8.
    """
    task = AnymalC(**MANUAL)
    for model in {id(m): m for m in (task.model, task.variant(0))}.values():
        model.dof_damping[6:] *= check_range("damping", damping, 0.0, 1000.0)
    task = Disturbed(task, disturb) if disturb else task
    envs = BatchedEnv(task, n, seed=seed)
    try:
        steps = max(2, round(seconds / float(envs.task.dt)))
        share = np.zeros(n, int)
        physics, running = _play(Motors(envs, dead, lag), [policy_of(policy)], share, steps, seed, deterministic=True)
        x = physics[:, :, 1]
        begin = min(round(BEGIN / float(envs.task.dt)), len(x) - 2) if len(x) > 2 else 0
        speed = (x[-1] - x[begin]) / (max(len(x) - 1 - begin, 1) * float(envs.task.dt))
        return running[-1] & (speed >= 0.5 * TOLD)
    finally:
        envs.close()


def gap_figure(answers: Mapping[str, Mapping[str, Mapping[float, Sequence[bool]]]], marks: Mapping[str, float]):
    """The share that walks to the end, a panel for each change; dotted: as in training.

    Args:
        answers: label of the axis -> name of the policy -> {size of the change: one value a robot}.
        marks: label of the axis -> where the simulator of training is.
    """
    if not answers or not all(answers.values()):
        raise ArgumentError("answers must be a dict label -> {policy: {size: values}}, with at least one of each")
    columns = min(3, len(answers))
    with style():
        size = (0.9 + 2.1 * columns, 0.7 + 1.9 * -(-len(answers) // columns))
        figure, grid = new_figure(-(-len(answers) // columns), columns, figsize=size, sharey=True, squeeze=False)
        for axes, (label, found) in zip(grid.flat, answers.items(), strict=False):
            for k, (name, shares) in enumerate(found.items()):
                sizes = sorted(shares)
                middle = [np.mean(shares[s]) for s in sizes]
                ends = np.array([spread(np.asarray(shares[s], float), np.mean) for s in sizes])
                axes.plot(sizes, middle, marker="os^D"[k % 4], linestyle=DASHES[k], color=COLOURS[k], label=name)
                axes.fill_between(sizes, *ends.T, color=COLOURS[k], alpha=0.16, linewidth=0)
            axes.axvline(marks[label], color="#7a828c", linestyle=":", linewidth=1.4)
            axes.set_xlabel(label)
            axes.set_ylim(-0.05, 1.08)
            axes.set_xticks(sizes)
        for axes in grid.flat[len(answers) :]:
            axes.set_axis_off()
        for row in grid:
            row[0].set_ylabel("share that walks")
        figure.legend(*grid[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=len(found))
        figure.alt = "Share of the robots that walk to the end, against: " + "; ".join(answers)
    return figure
