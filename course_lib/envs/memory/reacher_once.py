"""ReacherOnce: reach for a goal that is shown only at the start. `Reacher-v5` with its goal hidden after that."""

from __future__ import annotations

from course_lib.envs.engine.task import Array, State
from course_lib.envs.twins.reacher import Reacher
from course_lib.errors import check_choice

OBSERVATIONS = ("partial", "full")


class ReacherOnce(Reacher):
    """Reward = - distance of the tip from the target (m) - |action|². Never terminates; 50 steps.

    Motion, reward and start are Reacher-v5's. The goal stands in the first observation of an episode only.

    What to remember: two numbers, over 49 steps.

    observation:
        "partial" (8): [cos of 2 angles | sin of 2 angles | goal x, y (m) in the first observation, then 0 | 2 joint
            rates (rad/s)]. The vector from goal to tip, which would give the goal away, is left out.
        "full" (10): that of Reacher-v5.
    action (2): joint torques as fractions of the gear, in [-1, 1].

    Args:
        observation: "partial" or "full".
        reward_dist_weight, reward_control_weight: as in Reacher-v5.

    Source: Yang & Nguyen 2021, table of tasks.
    """

    id = "ReacherOnce-v0"

    def __init__(
        self,
        observation: str = "partial",
        reward_dist_weight: float = 1.0,
        reward_control_weight: float = 1.0,
    ):
        check_choice("observation", observation, OBSERVATIONS)
        self.observation = observation
        super().__init__(reward_dist_weight, reward_control_weight)

    def observe(self, state: State) -> Array:
        whole = super().observe(state)
        if self.observation == "full":
            return whole
        seen = whole[:, :8].copy()
        seen[state.time > 0.0, 4:6] = 0.0
        return seen

    def observation_kinds(self) -> list[str]:
        kinds = super().observation_kinds()
        return kinds if self.observation == "full" else kinds[:8]
