"""`Disturbance`: conditions that can differ from those a policy was trained in."""

from __future__ import annotations

import dataclasses
import functools
import operator
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Annotated

from course_lib.errors import ArgumentError, Natural, Nested, NonNegative, Positive, Whole, check_range

LARGEST = 64  # of the whole numbers that a rate is the ratio of
MOST_STEPS = 1000  # that observations are late, or lost in a row
PREFIX = "disturb."


@dataclass(frozen=True)
class Rates:
    """A ratio p/q of whole numbers from 1 to 64, or up to 64 such ratios."""

    def check(self, name: str, value: object) -> float | tuple[float, ...]:
        several = _several(value)
        if several is None:
            return float(fraction(name, value))
        if not 1 <= len(several) <= LARGEST:
            raise ArgumentError(f"{name}={value!r} is not accepted; several rates must be from 1 to {LARGEST} numbers")
        rates = tuple(float(fraction(name, rate)) for rate in several)
        return rates[0] if len(rates) == 1 else rates


@dataclass(frozen=True)
class Deviation:
    """A finite number of at least 0, or several."""

    def check(self, name: str, value: object) -> float | tuple[float, ...]:
        several = _several(value)
        if several is None:
            return check_range(name, value, 0, float("inf"))
        return tuple(check_range(name, number, 0, float("inf")) for number in several)


@dataclass(frozen=True)
class Chance:
    """A probability below 1."""

    def check(self, name: str, value: object) -> float:
        try:
            number = check_range(name, value, 0, 1)
        except ArgumentError:
            number = 1.0
        if number == 1.0:
            raise ArgumentError(f"{name}={value!r} is not accepted; it must be a probability of at least 0 and below 1")
        return number


@dataclass(frozen=True)
class Indices:
    """An index or several. Whether they exist is checked once the observation is known."""

    def check(self, name: str, value: object) -> tuple[int, ...]:
        several = _several(value)
        try:
            return tuple(_index(i) for i in ([value] if several is None else several))
        except TypeError:
            raise ArgumentError(f"{name}={value!r} is not accepted; it must be an index or a list of indices") from None


@dataclass
class Disturbance(Nested):
    """Test conditions, alone or together. Wherever a `Disturbance` is expected, a dict of some of its fields will do.

    Sensor readings pass through `noise`, `dead`, `delay` and `drop`, in this order; `clock` comes last.

    rate: control rate, relative to that of the task: 2 means twice as many control steps in the same time. A ratio of
        whole numbers up to 64, or several, which the copies take in turn: copy i has number i modulo their count. If
        the physics step fits into the new control step, it stays the same; if not, it is divided by the smallest
        whole number that makes it fit. An episode lasts as long as before, to the nearest control step. Terms of the
        reward are divided by the rate (De Asis & Sutton 2024, arXiv 2406.14951), except those that do not grow with the
        number of steps (`Task.integrals`), so returns can be compared. `gymnasium.make` counts steps itself: give it
        `max_episode_steps` too.
    noise: standard deviation of Gaussian noise on each entry of the observation, in the entry's unit: one number, or
        one for each entry.
    drop: share of the control steps in which no observation arrives, and the last one is seen again. The first
        observation of an episode always arrives.
    burst: number of control steps in a row that are lost together. An episode begins outside of a burst, so fewer than
        `drop` of its first steps are lost: with drop=0.25 and burst=20, about 15 % of the first 20.
    dead: indices, in the observation that is seen, of sensors that read 0.
    dead_from: control step of the episode from which they read 0.
    delay: control steps by which observations are late. The first one is seen until later ones arrive.
    mass: factor on the mass and inertia of every body. The inertia of motors (armature) stays the same.
    friction: factor on the sliding friction of all shapes.
    strength: factor on the force of the actuators: gain, bias and force limit. Below 1, motors are weaker; servos pull
        less per rad off their target, have less damping of their own and a lower limit.
    push: force in N on the centre of mass of the first body that has a joint, along +x and -x in turn: for 0.1 s in
        every second, starting at 0.5 s. If it fills a control step only in part, it is spread over that step.
    clock: whether the observation gets one more entry at its end: the length of a control step, in control steps of the
        task, which is 1 / rate.
    """

    prefix = PREFIX

    rate: Annotated[float | tuple, Rates()] = 1.0
    noise: Annotated[float | tuple, Deviation()] = 0.0
    drop: Annotated[float, Chance()] = 0.0
    burst: Annotated[int, Whole(1, MOST_STEPS)] = 1
    dead: Annotated[int | tuple, Indices()] | None = None
    dead_from: Natural = 0
    delay: Annotated[int, Whole(0, MOST_STEPS)] = 0
    mass: Positive = 1.0
    friction: NonNegative = 1.0
    strength: NonNegative = 1.0
    push: NonNegative = 0.0
    clock: bool = False

    @classmethod
    def of(cls, value) -> Disturbance:
        """`value` itself, or a `Disturbance` made from a dict of fields; None disturbs nothing."""
        if value is not None and not isinstance(value, (cls, Mapping)):
            fields = ", ".join(field.name for field in dataclasses.fields(cls))
            raise ArgumentError(f"disturb={value!r:.200} is not accepted; it must be a dict of some of: {fields}")
        return super().of({} if value is None else value)

    def told(self) -> dict:
        """The fields that differ from their default."""
        fields = {field.name: field.default for field in dataclasses.fields(self)}
        return {name: getattr(self, name) for name, default in fields.items() if getattr(self, name) != default}

    def active(self) -> list[str]:
        """Names of the fields that make a difference; `burst` and `dead_from` alone make none."""
        idle = {"burst", "dead_from"}
        idle |= {"noise"} if isinstance(self.noise, tuple) and not any(self.noise) else set()
        idle |= {"dead"} if self.dead == () else set()
        return [name for name in self.told() if name not in idle]

    @property
    def rates(self) -> tuple[float, ...]:
        """All control rates."""
        return self.rate if isinstance(self.rate, tuple) else (self.rate,)

    def at(self, rate: float) -> Disturbance:
        """The same disturbance at this one control rate."""
        return dataclasses.replace(self, rate=rate)

    @property
    def starts(self) -> float:
        """Probability with which a burst begins in a step without one, so that `drop` is the share of lost steps."""
        # Between bursts lie (1 - p) / p steps in the mean: drop = burst / (burst + (1 - p) / p).
        return self.drop / (self.drop + self.burst * (1.0 - self.drop))


@functools.cache
def _fractions() -> tuple[Fraction, ...]:
    return tuple({Fraction(p, q) for p in range(1, LARGEST + 1) for q in range(1, LARGEST + 1)})


def fraction(name: str, value: object) -> Fraction:
    """The number `value` as a ratio of small whole numbers."""
    rate = check_range(name, value, 1 / LARGEST, LARGEST)
    near = min(_fractions(), key=lambda f: abs(float(f) - rate))
    if abs(float(near) - rate) > 1e-9 * rate:
        raise ArgumentError(
            f"{name}={value!r} is not accepted; it must be a ratio of whole numbers up to {LARGEST}, so that physics "
            f"steps fit into a control step; the nearest is {near}"
        )
    return near


def _several(value: object) -> list | None:
    """The entries of a list, tuple, range or array; None for anything else."""
    value = value.tolist() if callable(getattr(value, "tolist", None)) else value
    return list(value) if isinstance(value, (list, tuple, range)) else None


def _index(value: object) -> int:
    if isinstance(value, bool):
        raise TypeError
    return operator.index(value)
