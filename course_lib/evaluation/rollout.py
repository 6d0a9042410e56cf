"""One episode as arrays. Videos, phase portraits and gait tables are made from them. Nothing is drawn here."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from course_lib.errors import check_count
from course_lib.evaluation.returns import MOST_STEPS, make_for, policy_of

MAX_FPS = 30


@dataclass
class Rollout:
    """One episode, T control steps. Row t holds the state in which action t was chosen."""

    env_id: str
    model: object  # mujoco.MjModel
    dt: float  # s of one control step
    physics: np.ndarray  # (T, nstate): time, qpos, qvel, act
    observations: np.ndarray  # (T, obs_dim)
    actions: np.ndarray  # (T, action_dim)
    rewards: np.ndarray  # (T,)
    hidden: list = field(default_factory=list)  # T states of a recurrent policy; empty for others

    def __len__(self) -> int:
        return len(self.rewards)

    @property
    def skip(self) -> int:
        """Control steps from one frame to the next: enough for at most `MAX_FPS` frames a second."""
        return max(1, int(np.ceil(1.0 / (self.dt * MAX_FPS) - 1e-6)))

    @property
    def fps(self) -> float:
        """Frames a second at which `render` shows real time."""
        return 1.0 / (self.dt * self.skip)

    @property
    def episode_return(self) -> float:
        """Sum of the rewards."""
        return float(self.rewards.sum())


def rollout_states(
    agent,
    env_id: str | None = None,
    seed: int = 0,
    steps: int | None = None,
    deterministic: bool = True,
    **env_options,
) -> Rollout:
    """One episode of `agent` (agent, run or policy), up to its end or `steps` control steps.

    `env_id` is the environment of the policy by default; `env_options` go to `cl.make`.
    """
    policy = policy_of(agent)
    envs = make_for(policy, 1, seed, env_id, **env_options)
    model, dt = envs.model, envs.dt
    steps = envs.horizon or MOST_STEPS if steps is None else check_count("steps", steps)
    rows: dict[str, list] = {name: [] for name in ("physics", "observations", "actions", "rewards", "hidden")}
    observation, _ = envs.reset(seed=seed)
    state, over = None, False
    noise = {"deterministic": True} if deterministic else {"deterministic": False, "rng": np.random.default_rng(seed)}
    try:
        while not over and len(rows["rewards"]) < steps:
            rows["physics"].append(envs.physics[0].copy())
            rows["observations"].append(observation[0].copy())
            action, state = policy.act(observation, state=state, **noise)
            observation, reward, terminated, truncated, _ = envs.step(action)
            if state is not None and state.numel():
                rows["hidden"].append(state)
            state = policy.rewarded(state, reward)
            rows["actions"].append(np.array(action[0]))
            rows["rewards"].append(float(reward[0]))
            over = bool(terminated[0] or truncated[0])
    finally:
        envs.close()
    hidden = rows.pop("hidden")
    return Rollout(envs.id, model, dt, **{k: np.array(v) for k, v in rows.items()}, hidden=hidden)
