"""The checks of the exercises of notebook 02: the clipped surrogate, KL, GAE, a broken loss, a diagnosis, settings."""

from __future__ import annotations

import numpy as np
import torch

import course_lib as cl
from course_lib.course.exercises import Compare, Demands, exercise
from course_lib.lessons.nb02_oracles import (
    batch_of,
    drawn_episodes,
    episodes,
    exponent_by_measuring,
    far_enough,
    gae_with,
    left_wrong,
    loss_step_by_step,
    loss_with,
    lot,
    of_ratio,
    pole_run,
    ratios,
    slope_by_differences,
    slopes_by_differences,
    surrogate_by_cases,
    terms,
    with_slopes,
)

# --- 2.1: the clipped surrogate -------------------------------------------------------------------------


@exercise("2.1")
def clipped_surrogate(rng):
    return Compare(
        oracle=surrogate_by_cases,
        cases=[(*batch_of(0), 0.2), (*batch_of(10), 0.1), (*batch_of(2), 0.3)],
        draw=lambda rng: (*batch_of(int(rng.integers(2**31)), int(rng.integers(6, 30))), rng.uniform(0.1, 0.3)),
        matters="take one transition of each kind in the figure above, and compare by hand",
        mistakes={
            "that is the larger of the two; (2.5) takes the smaller": of_ratio(
                lambda r, a, e: torch.maximum(r * a, r.clamp(1 - e, 1 + e) * a).mean()
            ),
            "only clipped: without min( ) an action that got worse has no gradient back": of_ratio(
                lambda r, a, e: (r.clamp(1 - e, 1 + e) * a).mean()
            ),
            "that is the smaller of two means; take the smaller for each transition, and then the mean": of_ratio(
                lambda r, a, e: torch.minimum((r * a).mean(), (r.clamp(1 - e, 1 + e) * a).mean())
            ),
            "the ratio is not clipped at all: that is eq. (2.2)": of_ratio(lambda r, a, e: (r * a).mean()),
            "the ratio is upside down: new over old": of_ratio(lambda r, a, e: terms(r, a, e).mean(), True),
            "the sign: eq. (2.5) is to be made large; the loss is its negative": of_ratio(
                lambda r, a, e: -terms(r, a, e).mean()
            ),
            "that is a sum; take the mean, so that the step does not depend on the batch size": of_ratio(
                lambda r, a, e: terms(r, a, e).sum()
            ),
            "clip the ratio, not the product of ratio and advantage": of_ratio(
                lambda r, a, e: torch.minimum(r * a, (r * a).clamp(1 - e, 1 + e)).mean()
            ),
            "the ratio is exp of the difference of the logs": of_ratio(lambda r, a, e: terms(r.log(), a, e).mean()),
        },
    )


# --- 2.2: its slope -------------------------------------------------------------------------------------


@exercise("2.2")
def surrogate_slope(rng):
    many = np.random.default_rng(0).uniform(0.5, 1.6, 40), np.random.default_rng(1).normal(size=40)
    return Compare(
        oracle=slope_by_differences,
        tolerance=1e-5,
        cases=[(np.array([0.7, 1.0, 1.4, 0.7, 1.4]), np.array([1.0, 2.0, 1.0, -1.0, -1.0]), 0.2), (*many, 0.1)],
        draw=ratios,
        mistakes={
            "zero outside the interval on both sides: but where ρ went the wrong way, min( ) picks ρA, which is not"
            " flat": lambda r, a, e: np.where(abs(r - 1) < e, r * a, 0.0),
            "a factor ρ is missing: dρ / d log π = ρ": lambda r, a, e: np.where(far_enough(r, a, e), 0.0, a),
            "that is the slope of eq. (2.2), without the clip": lambda r, a, e: r * a,
            "the two cases are swapped: a good action is done once its ratio is ABOVE 1 + ε": lambda r, a, e: np.where(
                far_enough(r, -a, e), 0.0, r * a
            ),
            "the sign: this is the slope of the loss; the exercise asks for that of the surrogate": lambda r, a, e: (
                np.where(far_enough(r, a, e), 0.0, -r * a)
            ),
            "that is the term itself; the exercise asks for its slope, which is 0 on the flat parts": lambda r, a, e: (
                np.minimum(r * a, np.clip(r, 1 - e, 1 + e) * a)
            ),
            "the test for a bad action is missing: it is done once its ratio is below 1 - ε": lambda r, a, e: np.where(
                r > 1 + e, 0.0, r * a
            ),
            "the advantage is missing: d(ρA) / d log π = ρA": lambda r, a, e: np.where(far_enough(r, a, e), 0.0, r),
        },
    )


# --- 2.3: KL and the step -------------------------------------------------------------------------------


@exercise("2.3")
def kl_exponent(rng):
    return Compare(
        oracle=exponent_by_measuring,
        cases=[()],
        tolerance=0.05,
        right="KL has its minimum, 0, at the old policy, so it begins as a parabola: twice the step, four times the KL",
        matters="hold your line against the measured points, over the range in which they are straight",
        mistakes={
            "a straight line through 0 would be negative for a step backwards; KL never is": lambda: 1.0,
            "that would be a root: steep at 0, where KL is flat": lambda: 0.5,
            "a cube changes its sign at 0; KL never does": lambda: 3.0,
            "then KL would not depend on the step": lambda: 0.0,
            "with that sign larger steps would change the policy less": lambda: -2.0,
        },
    )


# --- 2.4: generalised advantages ------------------------------------------------------------------------


@exercise("2.4")
def advantages(rng):
    never = lambda d: d["terminated"] & False  # noqa: E731
    seen = [([3], [7], 0.9, 0.8), ([5], [2, 9], 0.98, 0.92), ([4, 8], [6, 8], 0.9, 0.5)]
    return Compare(
        oracle=gae_with(),
        cases=[(*episodes(np.random.default_rng(k), *ends), g, lam) for k, (*ends, g, lam) in enumerate(seen)],
        draw=drawn_episodes,
        mistakes={
            "truncation is treated as a fall: the state after it is worth next_values, not 0": gae_with(
                terminated=lambda d: d["over"]
            ),
            "a fall is treated as truncation: after it nothing comes, so no γ V": gae_with(terminated=never),
            "a step that ends by a fall and by the clock at once is a fall: after it nothing comes": gae_with(
                terminated=lambda d: d["terminated"] & ~d["truncated"]
            ),
            "the recursion crosses the end of a truncated episode into the next one": gae_with(
                over=lambda d: d["terminated"]
            ),
            "the recursion crosses the ends of all episodes": gae_with(over=never),
            "the ends of episodes are ignored altogether": gae_with(terminated=never, over=never),
            "λ is missing: the recursion falls by γ λ a step": gae_with(lam=lambda d: 1.0),
            "γ is missing from the recursion: it falls by γ λ a step": gae_with(lam=lambda d: d["lam"] / d["gamma"]),
            "that is the TD error δ alone, eq. (2.8)": gae_with(lam=lambda d: 0.0),
            "values[t+1] was used where next_values[t] is needed: after an end that is another episode's"
            " state": gae_with(next_values=lambda d: np.append(d["values"][1:], d["next_values"][-1])),
            "that is the target of the critic, Â + V; the exercise asks for Â": lambda *case: (
                gae_with()(*case) + case[1]
            ),
        },
    )


# --- 2.5: a colleague's loss ----------------------------------------------------------------------------


@exercise("2.5")
def mended_loss(rng):
    return Compare(
        oracle=slopes_by_differences(loss_step_by_step),
        ask=with_slopes,
        parts=("the loss", "its gradient on log_prob", "its gradient on value"),
        tolerance=1e-4,
        cases=[(*lot(np.random.default_rng(seed)), 0.2) for seed in range(3)],
        draw=lambda rng: (*lot(rng, int(rng.integers(6, 20)), int(rng.integers(2, 5))), rng.uniform(0.1, 0.3)),
        mistakes={
            **dict(left_wrong()),
            "the number is right, but it does not pull on the policy: is the ratio a constant for autograd?": loss_with(
                still="policy"
            ),
            "the number is right, but the critic does not learn from it: is `value` a constant to autograd?": loss_with(
                still="critic"
            ),
            "the scale of the advantages: keep the colleague's, with n - 1": loss_with(ddof=0),
            "the advantages have mean 0, and must have variance 1 too": loss_with(scale="mean"),
            "the sign: a loss is made small, so the surrogate gets a minus": loss_with(sign=1),
            "the critic's part is c_v ½ = ¼ of the mean square": loss_with(weight=0.5),
            "the advantages must still be scaled to mean 0 and variance 1": loss_with(scale=False),
            "the critic's part is missing": loss_with(weight=0),
        },
    )


# --- 2.6: the bug museum --------------------------------------------------------------------------------


@exercise("2.6")
def diagnosis(rng):
    return Demands(
        (
            "give a dict with the letters A to D and the numbers 1 to 6",
            lambda f: isinstance(f(), dict) and sorted(f()) == list("ABCD") and set(f().values()) <= set(range(1, 7)),
        ),
        ("each suspect can be guilty once", lambda f: len(set(f().values())) == 4),
        (
            "number 2 is innocent everywhere: an actor that is never moved has KL 0 and clips nothing",
            lambda f: 2 not in f().values(),
        ),
        (
            "C is far off in the very first iteration, before anything was learnt: its ratio never was 1. What makes ρ"
            " from two numbers that do not belong together?",
            lambda f: f()["C"] == 1,
        ),
        (
            "A: KL and clipped share look healthy, and the critic explains nothing, for ever. Which bug lets it learn"
            " one number only?",
            lambda f: f()["A"] == 4,
        ),
        (
            "B: KL, clipped share and critic look healthy; the entropy falls early. With which bug do actions seem to"
            " lie nearer to the mean than they were drawn?",
            lambda f: f()["B"] == 6,
        ),
        (
            "D: nothing but the return looks ill, and the critic explains a little less than in the healthy run. What"
            " does this hopper not know about falling?",
            lambda f: f()["D"] == 3,
        ),
        right="all four. Open the doors below",
    )


# --- 2.7: settings of one's own -------------------------------------------------------------------------


@exercise("2.7")
def my_settings(rng):
    def kl_of(f):
        return pole_run(f())[0]["approx_kl"]

    return Demands(
        (
            "the answer must be a dict of settings that cl.PPOConfig accepts",
            lambda f: isinstance(f(), dict) and bool(cl.PPOConfig(**f())),
        ),
        (
            "KL stays under 0.0005: the policy hardly moves. A larger learning rate, more epochs, smaller minibatches"
            " or a wider clip",
            lambda f: np.mean(kl_of(f)) > 5e-4,
        ),
        (
            "KL is above 0.3 on average: each update throws away what the last one found. Smaller steps, or a"
            " target_kl",
            lambda f: np.mean(kl_of(f)) < 0.3,
        ),
        ("fewer than six updates fit into the steps: shorten rollout_steps", lambda f: len(kl_of(f)) >= 6),
        (
            "KL and the number of updates look reasonable, but the pole does not stand for 600 steps yet",
            lambda f: pole_run(f())[1] >= 600,
        ),
        right="it stands. Which of your changes did it?",
    )
