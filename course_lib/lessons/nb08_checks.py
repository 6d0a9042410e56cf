"""The checks of the exercises of notebook 08: a loss over padded sequences, segments, biases and lengths of a memory,
an intervention, and a swimmer."""

from __future__ import annotations

import numpy as np

from course_lib.course.answers import Wrong
from course_lib.course.exercises import Compare, Demands, exercise
from course_lib.lessons import nb08_history as history
from course_lib.lessons import nb08_maze as maze
from course_lib.lessons import nb08_oracles as oracles

# --- 8.1: a loss over padded sequences ------------------------------------------------------------------


def _half(q, y):
    return 0.5 * (q - y).square().sum(0)


LOSS_MISTAKES = {
    "the mean over all steps is taken, padding too": lambda q, y, m: _half(q, y).mean(),
    "padding adds nothing to the sum now, but is still counted in the mean: divide by mask.sum()": lambda q, y, m: (
        _half(q, y) * m
    ).mean(),
    "each sequence counts the same here, so a step of a short one counts more: take one mean over all steps": (
        lambda q, y, m: ((_half(q, y) * m).sum(0) / m.sum(0)).mean()
    ),
    "the critics are averaged; they are summed, so that each keeps its own gradient": lambda q, y, m: (
        (_half(q, y) * m).sum() / m.sum() / len(q)
    ),
    "the factor ½ is missing": lambda q, y, m: 2 * (_half(q, y) * m).sum() / m.sum(),
    "that is the sum over the steps that count; (8.5) is their mean": lambda q, y, m: (_half(q, y) * m).sum(),
    "that is the number of sequences below the bar; (8.5) divides by the number of steps that count": lambda q, y, m: (
        (_half(q, y) * m).sum() / m.shape[1]
    ),
    "only one of the critics is in the loss": lambda q, y, m: (_half(q[:1], y) * m).sum() / m.sum(),
    "the critics' values are added before the error is taken; each critic has an error of its own": lambda q, y, m: (
        0.5 * ((q.sum(0) - y).square() * m).sum() / m.sum()
    ),
}


@exercise("8.1")
def masked_loss(rng):
    return Compare(
        oracle=oracles.step_by_step,
        cases=[oracles.sequences(0, 7, 2, 4), oracles.sequences(1, 9, 1, 1), oracles.sequences(2, 3, 3, 8)],
        draw=lambda rng: oracles.sequences(
            int(rng.integers(2**31)),
            *rng.integers(1, 9, size=rng.integers(2, 6)).tolist(),
            critics=int(rng.integers(2, 4)),
        ),
        matters="it must be the mean of ½ Σ_e (Q_e - y)² over the steps where the mask is 1",
        mistakes=LOSS_MISTAKES,
    )


# --- 8.2: segments of episodes --------------------------------------------------------------------------


def _segment(row, counts):
    """A mistake: which row of the episode is read at each t, and which steps count."""

    def wrong(seen, first, steps, episode, begin, length):
        t, n = begin + np.arange(length + 1), steps[episode]
        return seen[np.minimum(first[episode] + row(t, n), len(seen) - 1)], counts(t[:-1], n)

    return wrong


def _with_zeros(seen, first, steps, episode, begin, length):
    rows, mask = oracles.from_a_list(seen, first, steps, episode, begin, length)
    return np.where((begin + np.arange(length + 1) <= steps[episode])[:, None], rows, 0.0), mask


SEGMENT_MISTAKES = {
    "that is the buffer as it was: an episode of n steps has steps 0 to n - 1, and step n was never taken": _segment(
        lambda t, n: t, lambda t, n: t <= n
    ),
    "padding is right now, but step n still counts: it leads from the last observation to itself": _segment(
        np.minimum, lambda t, n: t <= n
    ),
    "the mask is right now; padding still shows the next episode": _segment(lambda t, n: t, lambda t, n: t < n),
    "the last step is lost, the only one that shows how an episode ends": _segment(np.minimum, lambda t, n: t < n - 1),
    "nothing is masked": _segment(np.minimum, lambda t, n: t > -1),
    "the last observation is lost: an episode of n steps has n + 1 observations": _segment(
        lambda t, n: np.minimum(t, n - 1), lambda t, n: t < n
    ),
    "padding holds zeros; it must repeat the episode's last observation": _with_zeros,
    "`begin` is forgotten in the mask: it counts from the start of the segment": _segment(
        np.minimum, lambda t, n: np.arange(len(t)) < n
    ),
}


@exercise("8.2")
def segment(rng):
    return Compare(
        oracle=oracles.from_a_list,
        cases=[
            (*oracles.end_to_end((3, 6, 4)), episode, begin, length)
            for episode, begin, length in ((0, 0, 5), (1, 3, 4), (2, 0, 3), (1, 0, 6), (1, 5, 4))
        ],
        draw=oracles.any_segment,
        parts=("observations", "mask"),
        mistakes=SEGMENT_MISTAKES,
    )


# --- 8.3: a bias for a memory ---------------------------------------------------------------------------


@exercise("8.3")
def forget_bias(rng):
    return Compare(
        oracle=oracles.by_search,
        cases=[(1, 0.3), (10, 0.5), (80, 0.5), (25, 0.9)],
        draw=lambda rng: (int(rng.integers(2, 100)), float(rng.uniform(0.1, 0.95))),
        tolerance=1e-4,
        matters="torch's LSTM with this bias does not keep that share",
        mistakes={
            "that is the gate's value; the bias is the number whose sigmoid is this value": lambda k, s: s ** (1 / k),
            "that is the logarithm of the gate's value: the sigmoid is still to be undone": lambda k, s: np.log(s) / k,
            "that bias leaves the share after one step; the gate is applied k times": lambda k, s: np.log(s / (1 - s)),
            "the sign: a large bias keeps the gate open": lambda k, s: -oracles.by_search(k, s),
            "log k is a rule of thumb (it leaves about 1/e); the bias must be right for any share": lambda k, s: np.log(
                k
            ),
            "the k-th root belongs to the share, before the sigmoid is undone": lambda k, s: np.log(s / (1 - s)) / k,
            "the share is divided by k; k multiplications by the gate are undone by a root": lambda k, s: np.log(
                s / k / (1 - s / k)
            ),
            "the share is raised to the power k; k multiplications by the gate are undone by a root": lambda k, s: (
                np.log(s**k / (1 - s**k))
            ),
            "that is a logarithm to another base; the sigmoid holds e": lambda k, s: (
                oracles.by_search(k, s) / np.log(10)
            ),
        },
    )


# --- 8.4: how long a memory a task needs ----------------------------------------------------------------


@exercise("8.4")
def memory_needed(rng):
    def shortest(name):
        return next(k for k in range(1, 200) if history.TOLD[name](k) >= 0.8)

    def enough(name):
        # "Near the middle" leaves open a step or two of the car's drive.
        return lambda f: history.TOLD[name](int(f()[name])) >= (0.7 if name == "car" else 0.8)

    def at_most(name, factor):
        return lambda f: f()[name] <= factor * shortest(name)

    def whole(f):
        answer = f()
        return sorted(answer) == sorted(history.TOLD) and all(int(k) == k and k > 0 for k in answer.values())

    return Demands(
        ("give a dict with a whole number of at least 1 for pendulum, rods, car, reacher", whole),
        ("pendulum: one angle tells no rate. How many angles do?", enough("pendulum")),
        ("rods: two angles give one rate. The length shows in how the rate changes", enough("rods")),
        (
            "car: too short where the car drives back from the sign to the far end: 1.3 m, at 0.6 m/s² and 0.6 m/s at "
            "first",
            enough("car"),
        ),
        (
            "reacher: the first of 50 observations must still be among those remembered at the last step",
            enough("reacher"),
        ),
        ("pendulum: enough, and more than enough: count the angles that a rate takes", at_most("pendulum", 1)),
        ("rods: enough, and more than enough: count the angles that a change of rate takes", at_most("rods", 1)),
        (
            "car: enough, but a driver at full speed needs less: solve 1.3 = 0.6 t + 0.3 t² for t",
            at_most("car", 1.2),
        ),
        ("reacher: there is nothing before the first observation", at_most("reacher", 1)),
        right="from a tenth of a second to the whole episode",
    )


# --- 8.5: the sides exchanged ---------------------------------------------------------------------------


def _between(h, s):
    return h[s > 0].mean(0) - h[s < 0].mean(0)


EXCHANGE_MISTAKES = {
    "the sign: the two sides are moved apart, not exchanged": lambda h, s: h + s[:, None] * _between(h, s),
    "half of the way: both sides now meet in the middle": lambda h, s: h - s[:, None] * _between(h, s) / 2,
    "every episode now has the mean state of the other side; what differs within a side must stay": lambda h, s: (
        np.where(s[:, None] > 0, h[s < 0].mean(0), h[s > 0].mean(0))
    ),
    "that mirrors each state at the mean, so what differs within a side is turned round too": lambda h, s: (
        2 * h.mean(0) - h
    ),
    "all episodes are moved the same way; those with heaven on the left must go the other way": lambda h, s: (
        h - _between(h, s)
    ),
    "only the episodes with heaven on the right are moved": lambda h, s: h - (s > 0)[:, None] * _between(h, s),
    "only the episodes with heaven on the left are moved": lambda h, s: h + (s < 0)[:, None] * _between(h, s),
    "the states are negated; the exercise asks for a move by the difference of the two mean states": lambda h, s: -h,
    "the order of the episodes is turned round; each must keep its own place": lambda h, s: h[::-1],
    "the mean over both sides is taken away from each; what counts is the difference between the sides": lambda h, s: (
        h - s[:, None] * h.mean(0)
    ),
}


@exercise("8.5")
def exchanged(rng):
    return Compare(
        oracle=oracles.one_at_a_time,
        cases=[oracles.crowd(0, 3, 2), oracles.crowd(1, 2, 5), oracles.crowd(2, 4, 4)],
        draw=lambda rng: oracles.crowd(int(rng.integers(2**31)), *rng.integers(2, 7, size=3).tolist()),
        mistakes=EXCHANGE_MISTAKES,
    )


# --- 8.6: a swimmer with a memory -----------------------------------------------------------------------


@exercise("8.6")
def swimmer(rng):
    """Each hint says only what was measured."""
    seed, met = int(rng.integers(2**31)), {}

    def played(f):
        if f not in met:
            met.clear()
            met[f] = maze.swim(f, seed=seed)
        return met[f]

    def formed(f):
        answer = f(np.zeros((4, 3)), None, np.random.default_rng(0))
        return isinstance(answer, (tuple, list)) and len(answer) == 2 and np.shape(answer[0]) == (4, 2)

    def good(f):
        if played(f).score < maze.ENOUGH:
            raise Wrong(maze.diagnosis(played(f)))
        return True

    return Demands(
        ("return two things: actions of shape (n, 2), and a memory", formed),
        ("", good),
        right="first a search, then a memory",
    )
