"""Notebook 06: when in the stride each foot comes down. Made-up gaits whose lags are known, and names of gaits."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from course_lib.errors import ArgumentError

FEET = ("LF", "RF", "LH", "RH")
SURE = 0.5  # a foot whose concentration is less does not keep step with the first
GAITS = {  # lags of LF, RF, LH, RH, as the gaits of animals have them
    "trot (diagonal pairs)": (0.0, 0.5, 0.5, 0.0),
    "pace (left, right)": (0.0, 0.5, 0.0, 0.5),
    "bound (front, hind)": (0.0, 0.0, 0.5, 0.5),
    "pronk (all at once)": (0.0, 0.0, 0.0, 0.0),
    "walk (one by one)": (0.0, 0.5, 0.75, 0.25),
}
HINTS = {  # slip of `footfalls` -> what to say of it
    "lift-offs": "those are the steps in which a foot lifts off; it comes down where it stands now and did not before",
    "first": "that is the first touchdown alone; average over all of them",
    "arithmetic": "an arithmetic mean of lags: 0.98 and 0.02 are neighbours on the circle; average as in (6.5)",
    "mean stride": "strides differ in length: divide by the length of the stride that it lies in, not by T / count",
    "pairs": "the k-th touchdown of a foot need not lie in the k-th stride of LF: some are missing",
    "sign": "the sign: a foot that comes down a quarter of a stride AFTER LF has 0.25, not 0.75",
    "steps": "that is in control steps; divide by the length of the stride",
    "one a stride": "two touchdowns can lie in one stride of LF: every one counts",
    "spread": "the lags are right; the concentration is |m|, and 1 - |m| is the circular variance",
    "no modulo": "the lags are right up to whole strides; they are asked from 0 to 1",
    "radians": "that is an angle; divide it by 2π for a share of a stride",
}
BACKWARDS = (3, 2, 1, 0)  # a robot that runs tail first: its right hind foot is left in front


def circular_mean(shares: np.ndarray) -> tuple[float, float]:
    """shares of a circle -> circular mean in [0, 1), mean resultant length in [0, 1]; NaN, 0 of nothing."""
    if not len(shares):
        return float("nan"), 0.0
    mean = np.mean(np.exp(2j * np.pi * np.asarray(shares)))
    return float(np.angle(mean) / (2 * np.pi) % 1.0), float(abs(mean))


def made_up(
    lags: Sequence[float],
    duty: Sequence[float] = (0.4, 0.4, 0.4, 0.4),
    stride: float = 20.0,
    strides: int = 9,
    jitter: float = 0.0,
    growth: float = 0.0,
    stands: int = 0,
    missing: Sequence[tuple[int, int]] = (),
    seed: int = 0,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A gait as a recording shows it -> contacts (T, 4) bool, its lags (4,), their concentrations (4,).

    The lags are taken from the times that were drawn, not from the contacts.

    Args:
        lags, duty: of each foot: lag behind the first in strides; share of a stride on the ground.
        stride: control steps of the first stride; each further one is longer by the share `growth`.
        jitter: standard deviation of the touchdowns of all feet but the first, in strides.
        stands: control steps at the beginning in which all feet stand. missing: (foot, stride) without a touchdown.
    """
    rng = np.random.default_rng(seed)
    lengths = np.rint(stride * (1 + growth) ** np.arange(strides)).astype(int)
    begins = stands + round(stride) + np.concatenate([[0], np.cumsum(lengths)])
    contacts = np.zeros((begins[-1] + round(stride), 4), bool)
    contacts[:stands] = True
    found = []
    for foot in range(4):
        times = []
        for k, length in enumerate(lengths):
            at = round(float(begins[k] + length * (lags[foot] + (jitter * rng.normal() if foot else 0.0))))
            if (foot, k) not in missing:
                contacts[at : at + max(2, round(duty[foot] * length)), foot] = True
                times.append(at)
        first, last = begins[0], begins[-2]  # the last touchdown of LF begins a stride without an end
        stride_of = [max(k for k in range(strides) if begins[k] <= t) for t in times if first <= t < last]
        inside = [t for t in times if first <= t < last]
        found.append(circular_mean([(t - begins[k]) / lengths[k] for t, k in zip(inside, stride_of, strict=True)]))
    lag, sure = np.array(found).T
    return contacts, lag, sure


def footfalls(contacts: np.ndarray, slip: str = "") -> tuple[np.ndarray, np.ndarray]:
    """contacts (T, 4) -> lags (4,), concentrations (4,): exercise 6.3, or one of the ways to get it wrong.

    slip: "lift-offs", "first" (touchdown alone), "arithmetic" (mean), "mean stride" (T / count), "pairs" (k-th with
        k-th), "sign", "steps" (no division), "one a stride", "spread" (circular variance for the concentration),
        "no modulo" (lags from -0.5 to 0.5), "radians".
    """
    edge = (lambda c: c[:-1] & ~c[1:]) if slip == "lift-offs" else (lambda c: ~c[:-1] & c[1:])
    down = [np.flatnonzero(edge(c)) + 1 for c in np.asarray(contacts).T]
    if len(down[0]) < 2:
        raise ArgumentError("the first foot comes down less than twice; there is no stride")
    lags, sure = [], []
    for foot in down:
        begin, lasts, times = _strides(down[0], foot, len(contacts), slip)
        shares = (times - begin) / (1.0 if slip == "steps" else lasts)
        shares = -shares if slip == "sign" else shares
        shares = shares[:1] if slip == "first" else shares
        lag, length = circular_mean(shares)
        if slip == "arithmetic":
            lag = float(np.mean(shares % 1.0))
        elif slip == "no modulo":
            lag = (lag + 0.5) % 1.0 - 0.5
        elif slip == "radians":
            lag = 2 * np.pi * lag
        lags.append(float(np.mean(shares)) if slip == "steps" else lag)
        sure.append(1.0 - length if slip == "spread" else length)
    return np.array(lags), np.array(sure)


def _strides(lead: np.ndarray, foot: np.ndarray, steps: int, slip: str):
    """Beginning and length of the stride of the lead foot in which each touchdown of `foot` lies, and its time."""
    if slip == "pairs":
        n = min(len(lead) - 1, len(foot))
        return lead[:n], np.diff(lead)[:n], foot[:n]
    at = np.searchsorted(lead, foot, side="right") - 1
    inside = (at >= 0) & (at < len(lead) - 1)
    at, times = at[inside], foot[inside]
    if slip == "one a stride":
        at, keep = np.unique(at, return_index=True)
        times = times[keep]
    lasts = np.full(len(at), steps / len(lead)) if slip == "mean stride" else np.diff(lead)[at]
    return lead[at], lasts, times


def name_of(lags: Sequence[float], sure: Sequence[float], tail_first: bool = False) -> str:
    """The nearest of `GAITS`, or which feet do not keep step with the first.

    tail_first: the robot runs backwards; its feet are then named as seen from ahead.
    """
    lags, sure = np.asarray(lags, float), np.asarray(sure, float)
    loose = [FEET[k] for k in range(4) if not sure[k] >= SURE]
    if loose:
        return f"no gait with a name: {', '.join(loose)} {'do' if len(loose) > 1 else 'does'} not keep step with LF"
    if tail_first:
        lags = (lags - lags[3])[list(BACKWARDS)]
    apart = {name: np.abs((lags - np.array(ideal) + 0.5) % 1 - 0.5).mean() for name, ideal in GAITS.items()}
    best = min(apart, key=apart.get)
    return f"nearest to a {best}, {apart[best]:.2f} strides off"
