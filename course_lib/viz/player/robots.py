"""The robots of the live player, each with a page of its own: what it does, and what to try."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Robot:
    """A page of the player.

    Attributes:
        key: name of the page.
        title, about: what it does, and what to try.
        picture: what one sees, for those who do not.
        first: key of the policy that is shown first.
        seconds: moment of an episode that the picture shows.
    """

    key: str
    title: str
    about: str
    picture: str
    first: str
    seconds: float


ROBOTS = {
    robot.key: robot
    for robot in (
        Robot(
            "pendulum",
            "A pole on a cart",
            "A few neurons keep a pole upright. Pull at the pole, or hold a neuron still, and see what they can bear.",
            "a cart on a rail with a pole upright on it",
            "pendulum_ltc",
            1.0,
        ),
        Robot(
            "masked_pendulum",
            "A pole whose speed is hidden",
            "The network sees where the pole is but not how fast it moves, so it must remember. Put one without memory "
            "beside it.",
            "a cart on a rail with a pole upright on it",
            "masked_pendulum_ltc",
            1.0,
        ),
        Robot(
            "halfcheetah",
            "A cheetah runs",
            "Two legs, six motors, one aim: forward. Compare networks after more and more training, or give them fewer "
            "decisions a second.",
            "a flat cheetah with a hind and a front leg, in mid-stride",
            "halfcheetah_sac",
            2.1,
        ),
        Robot(
            "halfcheetah_masked",
            "A cheetah that does not feel its speed",
            "The same run with all velocities hidden. Add noise or delay, and compare networks that remember with one "
            "that does not.",
            "a flat cheetah with a hind and a front leg, in mid-stride",
            "halfcheetah_masked_ltc",
            2.1,
        ),
        Robot(
            "anymal_sprint",
            "ANYmal C sprints",
            "A quadruped runs as fast as it can. Pull it sideways, or make the ground slippery.",
            "ANYmal C, a four-legged robot, running",
            "anymal_sprint_ltc",
            2.5,
        ),
        Robot(
            "anymal_walk",
            "ANYmal C walks where it is told",
            "Steer it, push it, and watch which neurons answer. One of the policies has learned to climb over hurdles.",
            "ANYmal C, a four-legged robot, walking",
            "anymal_walk_ltc",
            3.0,
        ),
        Robot(
            "throw",
            "A hand throws a ball into a bin",
            "The network does not move the hand: twenty times a second it decides on a short plan. Change gravity, and "
            "see where the ball comes down.",
            "a robot's hand above a table with a ball and a bin",
            "throw_ndp_ltc",
            0.34,
        ),
        Robot(
            "pick",
            "A hand lifts a box",
            "Two fingers close on a box and lift it. Put a policy beside it that decides one action at a time: most of "
            "those never learned to grasp.",
            "a robot's hand with two fingers around a box, above a table",
            "pick_ndp",
            1.6,
        ),
        Robot(
            "push",
            "A hand pushes a puck",
            "The puck is to stop on the mark. Add noise to what the network sees, or delay it, and see how it copes.",
            "a robot's hand behind a puck on a table with a mark",
            "push_ndp_ltc",
            0.9,
        ),
        Robot(
            "soccer",
            "A hand kicks a ball into a goal",
            "The goal is out of reach, so one kick must do. The liquid network misses often; put another beside it.",
            "a robot's hand, a ball and a goal on a table",
            "soccer_ndp_ltc",
            0.8,
        ),
        Robot(
            "faucet",
            "A hand turns a faucet",
            "The handle is to stop at a given angle. Hide a sensor or hold a neuron still, and see whether it does.",
            "a robot's hand at the handle of a faucet on a table",
            "faucet_ndp_ltc",
            1.2,
        ),
    )
}  # fmt: skip
_ROBOT_OF = {"AnymalSprint-v0": "anymal_sprint", "AnymalC-v0": "anymal_walk", "Throw-v0": "throw", "Pick-v0": "pick",
             "Push-v0": "push", "Soccer-v0": "soccer", "Faucet-v0": "faucet"}  # fmt: skip
_MASKED = {
    "InvertedPendulum-v5": ("pendulum", "masked_pendulum"),
    "HalfCheetah-v5": ("halfcheetah", "halfcheetah_masked"),
}


def robot_of(env_id: str, options: dict) -> str:
    """Key of the page on which a policy of this environment stands."""
    if env_id in _MASKED:
        return _MASKED[env_id][options.get("hide") is not None]
    return _ROBOT_OF[env_id]
