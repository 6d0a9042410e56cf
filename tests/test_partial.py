"""Partial observability: what is hidden stays hidden, everywhere an observation comes out."""

import gymnasium as gym
import numpy as np
import pytest

from course_lib.envs import make, make_task
from course_lib.errors import ArgumentError

KEPT = {
    ("HalfCheetah-v5", "velocities"): range(8),
    ("HalfCheetah-v5", "positions"): range(8, 17),
    ("InvertedPendulum-v5", "velocities"): range(2),
    ("Hopper-v5", "velocities"): range(5),
    ("Walker2d-v5", "velocities"): range(8),
    ("Ant-v5", "velocities"): [*range(13), *range(27, 105)],
    ("Ant-v5", "forces"): range(27),
    ("InvertedDoublePendulum-v5", "velocities"): [0, 1, 2, 3, 4, 8],
    ("Swimmer-v5", "velocities"): range(3),
    ("Reacher-v5", "velocities"): [0, 1, 2, 3, 4, 5, 8, 9],
    ("Reacher-v5", "target"): [0, 1, 2, 3, 6, 7],  # nor what is left of the way, which would tell it
    ("Walker2d-v5", (0, 3, 16)): [i for i in range(17) if i not in (0, 3, 16)],
}


@pytest.mark.parametrize("id, hide", KEPT)
def test_masked_is_the_whole_with_columns_left_out(id, hide):
    """At reset, at every step, in the first observation of a new episode and in final_obs."""
    kept = list(KEPT[id, hide])
    whole, part = make(id, 4, seed=3), make(id, 4, seed=3, hide=hide)
    assert part.single_observation_space.shape == (len(kept),)
    assert part.observation_space.shape == (4, len(kept))
    np.testing.assert_array_equal(whole.reset()[0][:, kept], part.reset()[0])
    rng, ends = np.random.default_rng(0), 0
    for _ in range(60):
        actions = rng.uniform(whole.action_space.low, whole.action_space.high)
        left, right = whole.step(actions), part.step(actions)
        np.testing.assert_array_equal(left[0][:, kept], right[0])
        for a, b in zip(left[1:4], right[1:4], strict=True):
            np.testing.assert_array_equal(a, b)
        assert ("final_obs" in left[4]) == ("final_obs" in right[4])
        if "final_obs" in left[4]:
            ends += 1
            np.testing.assert_array_equal(left[4]["final_obs"][:, kept], right[4]["final_obs"])
    assert ends > 0 or id in ("HalfCheetah-v5", "Swimmer-v5", "Ant-v5")


def test_single_environment_too():
    env = gym.make("course/HalfCheetah-v5", hide="velocities")
    whole = gym.make("course/HalfCheetah-v5")
    np.testing.assert_array_equal(env.reset(seed=1)[0], whole.reset(seed=1)[0][:8])
    assert env.observation_space.shape == (8,)


def test_the_kinds_that_are_left_are_told():
    task = make_task("Ant-v5", hide="forces")
    assert task.observation_kinds() == ["positions"] * 13 + ["velocities"] * 14
    assert task.dt == make_task("Ant-v5").dt


@pytest.mark.parametrize(
    ("hide", "words"),
    [
        ("velocity", ["hide='velocity'", "positions, velocities", "did you mean 'velocities'?"]),
        ([17], ["hide=[17]", "0 to 16"]),
        ([-1], ["hide=[-1]", "0 to 16"]),
        ([1.5], ["hide=[1.5]", "list of indices"]),
        ([True, False], ["hide=[True, False]", "list of indices"]),
        (3, ["hide=3", "list of indices"]),
        (list(range(17)), ["leaves nothing", "17"]),
    ],
)
def test_bad_masks_get_a_sentence(hide, words):
    with pytest.raises(ArgumentError) as error:
        make("HalfCheetah-v5", 2, hide=hide)
    for word in words:
        assert word in str(error.value)


def test_hide_needs_a_task():
    with pytest.raises(ArgumentError, match="needs a task of this course"):
        make("Pendulum-v1", 2, hide="velocities")
