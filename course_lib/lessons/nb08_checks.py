"""Oracles for the exercises of notebook 08, and the mistakes that its checks know."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch

from course_lib.course.exercises import Wrong

# --- 8.1: a loss over padded sequences ----------------------------------------------------------------


def step_by_step(q, target, mask):
    """The right loss by a loop that only ever looks at the steps that count."""
    counted = [(t, b) for t, b in np.ndindex(*mask.shape) if mask[t, b]]
    return sum(0.5 * (float(each[t, b]) - float(target[t, b])) ** 2 for each in q for t, b in counted) / len(counted)


def sequences(seed: int, *lengths: int) -> tuple:
    """q (2, 9, 3), target (9, 3), mask (9, 3): three sequences of these lengths, with large numbers in the padding."""
    g = torch.Generator().manual_seed(seed)
    mask = (torch.arange(9)[:, None] < torch.tensor(lengths)).double()
    return torch.randn(2, 9, 3, generator=g).double() + 50 * (1 - mask), torch.randn(9, 3, generator=g).double(), mask


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

# --- 8.2: segments of episodes ------------------------------------------------------------------------


def from_a_list(seen, first, steps, episode, begin, length):
    """The right segment, out of a list that holds this episode alone."""
    own = list(seen[first[episode] : first[episode] + steps[episode] + 1])
    rows = [own[begin + k] if begin + k < len(own) else own[-1] for k in range(length + 1)]
    return np.array(rows), np.array([begin + k + 1 < len(own) for k in range(length)])


def _segment(row, counts):
    """A mistake: which row of the episode is read at each t, and which steps count."""

    def wrong(seen, first, steps, episode, begin, length):
        t, n = begin + np.arange(length + 1), steps[episode]
        return seen[np.minimum(first[episode] + row(t, n), len(seen) - 1)], counts(t[:-1], n)

    return wrong


def _with_zeros(seen, first, steps, episode, begin, length):
    rows, mask = from_a_list(seen, first, steps, episode, begin, length)
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

# --- 8.3: a bias for a memory -------------------------------------------------------------------------


@torch.no_grad()
def left_after(bias: float, k: int) -> float:
    """What is left of a cell state of 1 after k steps of torch's LSTM, its input gate shut."""
    lstm = torch.nn.LSTM(1, 1).double()
    for p in lstm.parameters():
        p.zero_()
    lstm.bias_ih_l0[0], lstm.bias_ih_l0[1] = -60.0, bias  # input gate, forget gate
    zero, one = torch.zeros(1, 1, 1).double(), torch.ones(1, 1, 1).double()
    return lstm(torch.zeros(k, 1, 1).double(), (zero, one))[1][1].item()


@lru_cache
def by_search(k: int, share: float, low: float = -20.0, high: float = 20.0) -> float:
    """The bias, by bisection on the LSTM itself."""
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if left_after(middle, k) < share else (low, middle)
    return middle


BIAS_MISTAKES = {
    "that is the gate's value; the bias is what the sigmoid makes it from": lambda k, s: s ** (1 / k),
    "that is the logarithm of the gate's value: the sigmoid is still to be undone": lambda k, s: np.log(s) / k,
    "that bias leaves the share after one step; the gate is applied k times": lambda k, s: np.log(s / (1 - s)),
    "the sign: a large bias keeps the gate open": lambda k, s: -by_search(k, s),
    "log k is a rule of thumb (it leaves about 1/e); asked is the bias for any share": lambda k, s: np.log(k),
    "the k-th root belongs to the share, before the sigmoid is undone": lambda k, s: np.log(s / (1 - s)) / k,
    "the share is divided by k; k multiplications by the gate are undone by a root": lambda k, s: np.log(
        s / k / (1 - s / k)
    ),
    "the share is raised to the power k; k multiplications by the gate are undone by a root": lambda k, s: np.log(
        s**k / (1 - s**k)
    ),
    "that is a logarithm to another base; the sigmoid holds e": lambda k, s: by_search(k, s) / np.log(10),
}

# --- 8.4: how long a memory a task needs --------------------------------------------------------------


def memory_demands(told: dict) -> tuple:
    """Demands on the answer to 8.4; `told`: task -> share that the last k observations tell, as a function of k."""

    def shortest(name):
        return next(k for k in range(1, 200) if told[name](k) >= 0.8)

    def enough(name):
        return lambda f: told[name](int(f()[name])) >= 0.8

    def at_most(name, factor):
        return lambda f: f()[name] <= factor * shortest(name)

    def whole(f):
        answer = f()
        return sorted(answer) == sorted(told) and all(int(k) == k and k > 0 for k in answer.values())

    return (
        ("give a dict with a whole number of at least 1 for pendulum, rods, car, reacher", whole),
        ("pendulum: one angle tells no rate. How many angles do?", enough("pendulum")),
        ("rods: two angles give one rate. The length shows in how the rate changes", enough("rods")),
        (
            "car: too short for those who drive back from the sign to the far end: 1.3 m, at 0.6 m/s² and 0.6 m/s at "
            "first",
            enough("car"),
        ),
        ("reacher: the first of 50 observations must still be among those remembered at the last step",
         enough("reacher")),
        ("pendulum: enough, and more than enough: count the angles that a rate takes", at_most("pendulum", 1)),
        ("rods: enough, and more than enough: count the angles that a change of rate takes", at_most("rods", 1)),
        ("car: enough, but a driver at full speed needs less: solve 1.3 = 0.6 t + 0.3 t² for t", at_most("car", 1.5)),
        ("reacher: there is nothing before the first observation", at_most("reacher", 1)),
    )  # fmt: skip


# --- 8.5: the sides exchanged -------------------------------------------------------------------------


def one_at_a_time(states, side):
    """The right states, one episode and one number after the other."""
    out = np.array(states, dtype=float)
    for n, k in np.ndindex(*out.shape):
        mine = [states[m, k] for m in range(len(side)) if side[m] == side[n]]
        others = [states[m, k] for m in range(len(side)) if side[m] != side[n]]
        out[n, k] += sum(others) / len(others) - sum(mine) / len(mine)
    return out


def crowd(seed: int, right: int, left: int, wide: int = 3) -> tuple:
    """states (N, wide), side (N,): so many episodes of either side, in disorder."""
    rng = np.random.default_rng(seed)
    side = rng.permutation(np.repeat([1, -1], [right, left]))
    return rng.normal(size=(right + left, wide)) + side[:, None] * rng.normal(size=wide), side


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
    "the states are negated; asked is a move by the difference of the two mean states": lambda h, s: -h,
    "the order of the episodes is turned round; each must keep its own place": lambda h, s: h[::-1],
    "the mean over both sides is taken away from each; asked is the difference between the sides": lambda h, s: (
        h - s[:, None] * h.mean(0)
    ),
}

# --- 8.6: a swimmer with a memory ---------------------------------------------------------------------

STEP, STAY, RADIUS, ENOUGH = 0.1, 5, 0.3, 75  # m a step, steps until a throw, m, steps on the platform


def swimmer_demands(swim, episodes: int = 100) -> tuple:
    """Demands on the answer to 8.6, `swim` as in the notebook. Each hint says only what was measured."""
    met: dict = {}

    def played(f):
        if f not in met:
            met.clear()
            met[f] = swim(f, episodes=episodes)
        return met[f]

    def formed(f):
        answer = f(np.zeros((4, 3)), None, np.random.default_rng(0))
        return isinstance(answer, (tuple, list)) and len(answer) == 2 and np.shape(answer[0]) == (4, 2)

    def good(f):
        if played(f).score < ENOUGH:
            raise Wrong(diagnosis(played(f)))
        return True

    return (("return two things: actions of shape (n, 2), and a memory", formed), ("", good))


def diagnosis(swum) -> str:
    """Why a swimmer is on the platform for fewer steps than it could be: what costs it most, in numbers."""
    on, place, platform = swum.on, swum.place, swum.platform
    said = f"{swum.score:.0f} of 200 steps on the platform; {ENOUGH} are asked. "
    never = 1 - on.any(0).mean()
    if never > 0.15:
        return said + f"In {never:.0%} of the episodes it never gets there: its search must come round the whole pool"
    visits, left = visits_of(on, place)
    if left > 0.1 * visits:
        return said + (
            f"It swims off the platform while the flag is 1, in {left / visits:.0%} of its visits: stay until you are "
            "thrown"
        )
    speed = np.linalg.norm(np.diff(place, axis=0), axis=-1)[~on[1:] & ~thrown(on, place)[1:]].mean()
    if speed < 0.8 * STEP:
        return said + f"Off the platform it moves {speed:.2f} m a step, and {STEP} m is allowed"
    back, straight = ways_back(on, place, platform)
    if back > 2 * straight:
        return said + (
            f"After a throw it takes {back:.0f} steps to come back, and the straight way takes {straight:.0f}: go "
            "straight to where the flag was 1"
        )
    first = np.where(on.any(0), on.argmax(0), len(on)).mean()
    return said + (
        f"Its way back after a throw is short. What costs is the first search, {first:.0f} steps on average: a search "
        "that crosses the same water less often finds the platform sooner"
    )


def thrown(on: np.ndarray, place: np.ndarray) -> np.ndarray:
    """(T, n): whether step t was a throw, after five steps in a row on the platform."""
    count, out = np.zeros(on.shape[1], int), np.zeros(on.shape, bool)
    for t in range(len(on)):
        jump = t > 0 and np.linalg.norm(place[t] - place[t - 1], axis=1) > 1.05 * STEP
        out[t] = (count >= STAY) | jump
        count = np.where(on[t], np.where(out[t], 1, count + 1), 0)
    return out


def visits_of(on: np.ndarray, place: np.ndarray) -> tuple[int, int]:
    """How often the platform was entered, and how often it was left by swimming."""
    entered = on & ~np.vstack([np.zeros((1, on.shape[1]), bool), on[:-1]])
    left = on[:-1] & ~on[1:] & ~thrown(on, place)[1:]
    return max(int(entered.sum()), 1), int(left.sum())


def ways_back(on: np.ndarray, place: np.ndarray, platform: np.ndarray, least: int = 30) -> tuple[float, float]:
    """Mean steps from a throw until it is back, and the least that it could take; throws with `least` steps to go."""
    took, could = [], []
    for t, n in np.argwhere(thrown(on, place)):
        if t < len(on) - least and not on[t, n]:
            back = np.flatnonzero(on[t:, n])
            took.append(back[0] if len(back) else len(on) - t)
            could.append((np.linalg.norm(place[t, n] - platform[n]) - RADIUS) / STEP)
    return (float(np.mean(took)), float(np.ceil(np.mean(could)))) if took else (0.0, 1.0)
