"""Evaluation: many episodes at once, deterministic and stochastic, with intervals."""

from __future__ import annotations

from dataclasses import dataclass, field
from numbers import Real

import numpy as np
from gymnasium.vector import VectorEnv

from course_lib import envs as environments
from course_lib.envs.adopt import adopt
from course_lib.envs.engine.spaces import widths
from course_lib.errors import ArgumentError, NonFiniteError, check_count
from course_lib.evaluation.statistics import LEAST_RUNS, iqm, spread
from course_lib.policies.base import Policy


@dataclass
class Episodes:
    """Finished episodes: returns and lengths (episodes,), and statistics of the returns.

    `interval` is the 95 % bootstrap interval of the mean. For fewer than five episodes it is their range.

    `success` (episodes,) bool is what `infos["success"]` said after the last step; None for tasks without it.
    """

    returns: np.ndarray
    lengths: np.ndarray
    success: np.ndarray | None = None
    mean: float = field(init=False)
    sd: float = field(init=False)
    iqm: float = field(init=False)
    interval: tuple[float, float] = field(init=False)

    @property
    def success_rate(self) -> float:
        """Share of the episodes that ended in a success."""
        return float("nan") if self.success is None else float(np.mean(self.success))

    def __post_init__(self):
        self.mean = float(np.mean(self.returns))
        self.sd = float(np.std(self.returns, ddof=1)) if len(self.returns) > 1 else float("nan")
        self.iqm = iqm(self.returns)
        self.interval = spread(self.returns, np.mean)


@dataclass
class Evaluation:
    """The same policy without and with its exploration noise."""

    env_id: str
    deterministic: Episodes
    stochastic: Episodes

    def __repr__(self) -> str:
        few = len(self.deterministic.returns) < LEAST_RUNS
        around = "range" if few else "95 % interval of the mean"
        lines = [f"{self.env_id:<24}{'mean':>9}{'sd':>9}{'IQM':>9}{around:>28}{'episodes':>10}"]
        for name in ("deterministic", "stochastic"):
            e = getattr(self, name)
            interval = f"[{e.interval[0]:.1f}, {e.interval[1]:.1f}]"
            lines.append(f"{name:<24}{e.mean:>9.1f}{e.sd:>9.1f}{e.iqm:>9.1f}{interval:>28}{len(e.returns):>10}")
            if e.success is not None:
                lines[-1] += f"   success {e.success_rate:.0%}"
        return "\n".join(lines)


SUCCESS = ("success", "is_success")  # what environments call it in their infos; the first that is there counts
MOST_STEPS = 10_000  # control steps of an episode in an environment that has no time limit of its own


def run_episodes(policy, envs, deterministic: bool = True, seed: int = 0, most_steps: int | None = None) -> Episodes:
    """The first episode of every copy of `envs` (so that short episodes are not over-counted).

    Episodes are cut off after `most_steps` control steps. With None, only environments without a time limit are cut
    off, after `MOST_STEPS`, and a printed line says so.

    Raises:
        ArgumentError: a negative seed, an `infos["success"]` (or "is_success") that is neither true nor false.
    """
    seed = None if seed is None else check_count("seed", seed, least=0)
    n = envs.num_envs
    rng = np.random.default_rng(seed)
    obs, _ = envs.reset(seed=seed)
    state, running = None, np.ones(n, bool)
    returns, lengths, success = np.zeros(n), np.zeros(n, dtype=int), None
    most_steps = None if most_steps is None else check_count("most_steps", most_steps)
    limit = most_steps or (MOST_STEPS if envs.horizon is None else envs.horizon)
    while running.any() and lengths.max() < limit:
        action, state = policy.act(obs, state, deterministic=deterministic, rng=rng)
        if not np.isfinite(action).all():
            raise NonFiniteError(f"the policy's action is not finite at step {lengths.max()} of {policy.env_id}")
        obs, reward, terminated, truncated, infos = envs.step(action)
        state = policy.rewarded(state, reward)
        returns += np.where(running, reward, 0.0)
        lengths += running
        name = next((name for name in SUCCESS if infos.get(name) is not None), None)
        if name is not None:
            said = _success(name, infos, running)
            success = np.where(running, said, False if success is None else success)
        running &= ~(terminated | truncated)
    if running.any() and most_steps is None and envs.horizon is None:
        print(f"{envs.id} has no time limit: {running.sum()} of {n} episodes were cut off after {limit:,} steps")
    return Episodes(returns, lengths, success)


def _success(name: str, infos: dict, running: np.ndarray) -> np.ndarray:
    """What `infos[name]` says of each of the `running` copies, (N,) bool; false where it says nothing, and elsewhere.

    Truth values and the numbers 0 and 1 are accepted, one for each copy, (N,) or (N, 1).
    """
    said, n = np.asarray(infos[name]), len(running)
    said = said[:, 0] if said.shape == (n, 1) else said
    if said.shape != (n,):
        raise ArgumentError(
            f"infos[{name!r}] of shape {said.shape} is not accepted; it must have one value for each of the {n} copies"
        )
    told = running & np.asarray(infos.get(f"_{name}", np.ones(n, bool)))
    found = np.zeros(n, dtype=bool)
    if said.dtype.kind in "biuf" and np.isin(said[told], (0, 1)).all():
        found[told] = said[told] == 1
        return found
    for i in np.flatnonzero(told):
        value = said[i].item() if isinstance(said[i], np.generic) else said[i]
        if value is not None and (not isinstance(value, Real) or value not in (0, 1)):
            raise ArgumentError(
                f"infos[{name!r}]={value!r:.100} of copy {i} is not accepted; it must be True or False, or 1 or 0"
            )
        found[i] = bool(value)
    return found


def policy_of(agent) -> Policy:
    """The policy of an agent, a run or a policy."""
    policy = agent if isinstance(agent, Policy) else getattr(agent, "policy", None)
    if not isinstance(policy, Policy):
        raise ArgumentError(f"agent={type(agent).__name__} cannot act; accepted: an agent, a run, or a policy")
    return policy


def make_for(policy: Policy, num_envs: int, seed: int, env_id: str | None = None, **env_options):
    """Copies of the environment that `policy` was trained in, with other `env_options` if any; or of `env_id`.

    Raises:
        ArgumentError: the policy's environment cannot be made again from its name and options.
    """
    if env_id is None and policy.env_id is None:
        raise ArgumentError(
            "env_id=None is not accepted here: the policy does not say which environment it was trained on"
        )
    if env_id is None and ":" in policy.env_id:
        raise ArgumentError(f"env_id={policy.env_id!r} of the policy is not accepted: a file must not name a module")
    if env_id is None and policy.env_note:
        raise ArgumentError(
            f"the policy was trained in {policy.env_id} {policy.env_note}, which cannot be made again from its name; "
            f"accepted: cl.evaluate(policy, envs=…) with such environments, or env_id={policy.env_id!r} for plain ones"
        )
    return _fitting(
        policy, environments.make(env_id or policy.env_id, num_envs, seed, **{**policy.env_options, **env_options})
    )


def _fitting(policy: Policy, envs):
    """`envs`, if `policy` has their widths."""
    policy.check_widths(*widths(envs, "a policy"))
    return envs


def _nothing_beside(copies: int, episodes: int | None, env_id: str | None, env_options: dict) -> None:
    """Raise for arguments of `evaluate` that make environments, beside `copies` that are there already."""
    options = ({} if env_id is None else {"env_id": env_id}) | env_options
    for name, value in options.items():
        raise ArgumentError(
            f"{name}={value!r:.200} is not accepted beside envs=…, which are made already; accepted: env_id and "
            "options without envs, or environments that were made with them"
        )
    if episodes is not None and check_count("episodes", episodes) != copies:
        raise ArgumentError(
            f"episodes={episodes!r} is not accepted beside envs=…, whose {copies} copies play one episode each; "
            f"accepted: {copies}, or as many copies as episodes are wanted"
        )


def _not_in_training(agent, envs) -> None:
    """Raise if an agent, or that of a run, is in the middle of episodes of `envs`."""
    learner = getattr(agent, "agent", agent)
    own = getattr(learner, "envs", None)
    if own is not None and getattr(own, "env", own) is getattr(envs, "env", envs) and learner.observation is not None:
        raise ArgumentError(
            "envs=those that the agent trains in is not accepted: their episodes would be broken off; accepted: other "
            "copies of the environment"
        )


def evaluate(
    agent,
    episodes: int | None = None,
    seed: int = 0,
    env_id: str | None = None,
    envs: VectorEnv | None = None,
    most_steps: int | None = None,
    **env_options,
) -> Evaluation:
    """`episodes` whole episodes without exploration noise, and as many with it, all copies at once.

    Args:
        agent: an agent, a run or a policy.
        episodes: 20 by default; with `envs`, one for each copy.
        seed: copy i starts from seed + i; both modes see the same start states.
        env_id, env_options: for another environment than the one trained in; `disturb=dict(…)` sets other conditions
            than those in training, `disturb={}` sets none (see `envs.Disturbance`).
        envs: copies of an environment to use instead, one for each episode. Not those that the agent trains in, whose
            episodes would be broken off.
        most_steps: see `run_episodes`.

    Raises:
        ArgumentError: environments that the policy does not fit or that cannot be made again; with `envs`, an `env_id`,
            `env_options`, or another number of episodes than there are copies.
    """
    policy = policy_of(agent)
    made = envs is None
    if made:
        count = 20 if episodes is None else check_count("episodes", episodes)
        envs = make_for(policy, count, seed, env_id, **env_options)
    else:
        envs = _fitting(policy, adopt(envs))
        _nothing_beside(envs.num_envs, episodes, env_id, env_options)
        _not_in_training(agent, envs)
    try:
        modes = [run_episodes(policy, envs, deterministic, seed, most_steps) for deterministic in (True, False)]
        return Evaluation(envs.id, *modes)
    finally:
        if made:
            envs.close()
