"""What it takes to judge an answer: an independent oracle, or demands that a right answer meets.

    ○ 1.1 rewards_to_go: not done yet
    ✗ 1.1 rewards_to_go: these sums look backwards in time; add up what comes after step t
    ✗ 1.1 rewards_to_go: in case 1 of 3, rewards_to_go([1, 2, 3], 0.9), entry [0] is 6, and 5.23 is expected
    ✓ 1.1 rewards_to_go: right in all 3 cases

A notebook's exercises are in `lessons/nbNN_checks.py`, one function for each, registered under its number:

    @exercise("1.1")
    def rewards_to_go(rng):
        return Compare(oracle=by_matrix, cases=[...], draw=lambda rng: (rng.normal(size=5), 0.9), mistakes={...})

A right answer passes in any container: a list, a tuple, an array, a tensor, with or without an axis of length 1.
"""

from __future__ import annotations

import copy
import dataclasses
import functools
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from course_lib.course.answers import Wrong, call, careful, difference, equal, fitted, parts_of, shown

Function = Callable[..., object]
DRAWN = 5  # cases that grading adds to those a learner sees
EXERCISES: dict[str, Exercise] = {}  # number -> exercise, of the lessons imported so far


@dataclass(frozen=True)
class Exercise:
    """Number, name of what the learner writes, and `build(rng)`, which makes the check.

    The check that a learner sees gets a generator with a fixed seed; grading gives it one that nobody knows.
    """

    number: str
    name: str
    build: Callable[[np.random.Generator], Compare | Demands]


def exercise(number: str) -> Callable[[Function], Function]:
    """Decorator: registers a function `build(rng)`, named like the learner's function, as the check of an exercise."""

    def register(build: Function) -> Function:
        EXERCISES[number] = Exercise(number, build.__name__, build)
        return build

    return register


# --- the two kinds of check -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Compare:
    """For answers with one right value: compares `answer(*case)` with `oracle(*case)` in every case.

    Args:
        oracle: computes the same in another way: numbers, arrays, tensors or tuples of them.
        cases: tuples of arguments. Every call gets its own copy.
        mistakes: hint -> function that makes that mistake; the first that agrees with the answer is named.
        draw: generator of random numbers -> one more case, for grading; None if there is nothing to draw.
        parts: names of the parts of a tuple in hints; "part 1", … if none are given.
        tolerance: largest difference that counts as equal, relative to the larger of 1 and the true value.
        right: what to say when it is right.
        ask: makes, from the answer and from each mistake, the function that is called in its place, such as one that
            also returns the gradient.
        form: brings the parts of an answer, and of the true one, to the form in which they are compared.
        matters: if the answer is one number, what follows from a wrong one; hints then do not give the number away.
    """

    oracle: Function
    cases: Sequence[tuple]
    mistakes: dict[str, Function] = field(default_factory=dict)
    draw: Callable[[np.random.Generator], tuple] | None = None
    parts: Sequence[str] = ()
    tolerance: float = 1e-6
    right: str = ""
    matters: str = ""
    ask: Callable[[Function], Function] = lambda function: function  # noqa: E731
    form: Callable[[list[np.ndarray]], list[np.ndarray]] = list

    def more(self, rng: np.random.Generator) -> Compare:
        """The same check with cases drawn at random after those that everyone sees."""
        drawn = [self.draw(rng) for _ in range(DRAWN)] if self.draw else []
        return dataclasses.replace(self, cases=[*self.cases, *drawn])

    def answers(self, function: Function) -> list[object]:
        """What the learner's function returns in each case."""
        return [call(self.ask(function), case) for case in self.cases]

    def judge(self, answers: Sequence[object], label: str = "answer") -> str:
        """Answers, one for each case -> what to say when they are right.

        Raises:
            Wrong: with the hint.
        """
        true = [parts_of(call(self.oracle, case)) for case in self.cases]
        troubles = []
        for k, (answer, wanted) in enumerate(zip(answers, true, strict=True)):
            case = self.cases[k]
            where = f"in case {k + 1} of {len(self.cases)}, {label}({shown(case)}), " if case else ""
            try:
                found = fitted(answer, wanted, self.parts)
                said = difference(found, wanted, self.parts, self.tolerance, self.matters)
                if "another order" not in said:
                    formed = self.form(found), self.form(wanted)
                    said = difference(*formed, self.parts, self.tolerance, self.matters)
                troubles.append(said)
            except Wrong as wrong:
                troubles.append(str(wrong))
            troubles[k] = troubles[k] and where + troubles[k]
        if not any(troubles):
            return self.right or f"right in all {len(self.cases)} cases"
        for hint, mistaken in self.mistakes.items():
            if all(map(functools.partial(_makes, self.ask(mistaken), self.tolerance), self.cases, answers)):
                raise Wrong(hint)
        raise Wrong(next(filter(None, troubles)))

    def verdict(self, function: Function, label: str = "answer") -> str:
        return self.judge(self.answers(function), label)


class Demands:
    """For answers with more than one right value: (hint, condition) pairs. It shows the hint of the first pair whose
    `condition(answer)` is not true."""

    def __init__(self, *demands: tuple[str, Function], right: str = "right"):
        self.demands, self.right = demands, right

    def more(self, rng: np.random.Generator) -> Demands:
        return self

    def verdict(self, function: Function, label: str = "answer") -> str:
        for hint, condition in self.demands:
            if not call(condition, (careful(function),)):
                raise Wrong(hint)
        return self.right


def verdict(number: str, label: str, said: Callable[[], str]) -> str:
    """The one line of a check: "✓", "✗" or "○", number, name, and what `said()` says or raises."""
    try:
        return f"✓ {number} {label}: {said()}"
    except NotImplementedError as error:
        stub = _raised_in(error)
        if stub != label and stub in {each.name for each in EXERCISES.values()}:
            return f"✗ {number} {label}: it calls {stub}, which is not written yet"
        return f"○ {number} {label}: not done yet"
    except Wrong as wrong:
        return f"✗ {number} {label}: {wrong}"


def _raised_in(error: BaseException) -> str:
    """Name of the function that raised an error."""
    return [frame.f_code.co_name for frame, _ in traceback.walk_tb(error.__traceback__)][-1]


def attempt(function: Function, *args) -> object | None:
    """`function(*args)`, or None if it is not written yet or fails."""
    try:
        return function(*args)
    except Exception:
        return None


def _makes(mistaken: Function, tolerance: float, case: tuple, answer: object) -> bool:
    """Whether `mistaken` gives this answer in this case."""
    made = attempt(mistaken, *copy.deepcopy(case))
    if made is None:
        return False
    try:
        wanted = parts_of(made)
        return equal(fitted(answer, wanted), wanted, tolerance)
    except (Wrong, TypeError, ValueError):
        return False
