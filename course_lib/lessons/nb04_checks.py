"""The checks of the exercises of notebook 04: carried states, planted bugs, cut gradients, old choices, few neurons."""

from __future__ import annotations

from dataclasses import fields

import numpy as np

import course_lib as cl
from course_lib.course.exercises import Compare, Demands, exercise
from course_lib.lessons.nb04_oracles import (
    by_autograd,
    cell_of,
    differs,
    drawn,
    is_old_input,
    kl_of,
    named,
    played,
    unroll_with,
    worst_first,
    zeroed_after,
)
from course_lib.lessons.nb04_runs import gradient_errors, pole_run, settings_with

# --- 4.1: unroll ----------------------------------------------------------------------------------------


@exercise("4.1")
def unroll(rng):
    right = unroll_with()
    return Compare(
        oracle=right,
        cases=[played(np.random.default_rng(seed)) for seed in (0, 1, 5)],
        draw=drawn,
        mistakes={
            "the state is never zeroed: episodes leak into the next one": unroll_with(lambda s: s & False),
            "the state is zeroed where the rollout begins: it must be carried over, unless an episode begins there": (
                unroll_with(h=lambda h: 0 * h)
            ),
            "the state is zeroed before every step: nothing is remembered": unroll_with(lambda s: s | True),
            "one beginning zeroes all copies: only the copy whose episode begins": unroll_with(
                lambda s: s | s.any(1, keepdims=True)
            ),
            "zeroed one step late: starts[t] is for the state before step t, not after it": unroll_with(
                lambda s: np.vstack([s[:1] & False, s[:-1]])
            ),
            "the states before each step are returned; those after each step are asked for": lambda f, x, s, h: (
                np.concatenate([h[None], right(f, x, s, h)[:-1]]) * ~s[..., None]
            ),
            "h is zeroed in place after it was stored, so a stored state is zeroed with it: make a new array, or"
            " copy": (zeroed_after),
            "all entries are the last state: the same array was stored every time": lambda f, x, s, h: np.repeat(
                right(f, x, s, h)[-1:], len(x), 0
            ),
        },
    )


# --- 4.2: planted bugs ----------------------------------------------------------------------------------


@exercise("4.2")
def diagnosis(rng):
    return Demands(
        (
            "give a dict with the letters A to D and the numbers 1 to 6",
            lambda f: sorted(named(f)) == list("ABCD") and set(named(f).values()) <= set(range(1, 7)),
        ),
        (
            "number 5 is innocent everywhere: the ratio asks the actor only. A lost critic's state must be found by"
            " other means",
            lambda f: 5 not in named(f).values(),
        ),
        (
            "number 6 is innocent everywhere: whole pieces, each with its own state, may come in any order",
            lambda f: 6 not in named(f).values(),
        ),
        ("no two programs have the same bug", lambda f: len(set(named(f).values())) == 4),
        (
            "A: black until a blue tick, bright from there to the end of the piece. What was not forgotten there?",
            lambda f: named(f)["A"] == 2,
        ),
        (
            "B: bright where each piece begins, darker as it goes on, black once an episode begins. Which state is"
            " wrong at first?",
            lambda f: named(f)["B"] == 1,
        ),
        (
            "C: no step is black, not even where an episode begins and the state is zero. What else enters the actor?",
            lambda f: named(f)["C"] == 4,
        ),
        (
            "D: where one copy has a blue tick, the others turn bright. What happened to them?",
            lambda f: named(f)["D"] == 3,
        ),
        right="all four: the place of the error tells its cause",
    )


# --- 4.3: what is left ----------------------------------------------------------------------------------


@exercise("4.3")
def left_after(rng):
    return Compare(
        oracle=by_autograd,
        cases=[(1, 2.0, 0.4, 1.0), (5, 1.5, 0.1, 0.5), (3, 4.0, 0.8, 1.0)],
        draw=lambda rng: (int(rng.integers(1, 9)), *rng.uniform((0.5, 0.05, 0.3), (5, 0.95, 1))),
        matters="such a formula misjudges how far back a gradient reaches",
        mistakes={
            "that is the exact solution of (4.1); the step (4.3) is not an exponential": lambda k, tau, f, d: np.exp(
                -k * d * (1 / tau + f)
            ),
            "f is missing: it adds to the decay, which is what makes the time constant liquid": lambda k, tau, f, d: (
                (1 + d / tau) ** -k
            ),
            "τ is missing: the neuron decays without f, too": lambda k, tau, f, d: (1 + d * f) ** -k,
            "δ is missing: a shorter step leaves more": lambda k, tau, f, d: (1 + 1 / tau + f) ** -k,
            "δ multiplies the whole bracket, 1/τ + f": lambda k, tau, f, d: (1 + d / tau + f) ** -k,
            "the rate is 1/τ + f; a long τ must leave more, not less": lambda k, tau, f, d: (1 + d * (tau + f)) ** -k,
            "that is the explicit Euler step; in (4.3) the decay stands in the denominator": lambda k, tau, f, d: (
                (1 - d * (1 / tau + f)) ** k
            ),
            "k steps multiply: the factor of one step to the power k": lambda k, tau, f, d: 1 / (1 + d * (1 / tau + f)),
            "k steps multiply, they do not add up to one long step": lambda k, tau, f, d: (
                1 / (1 + k * d * (1 / tau + f))
            ),
            "the denominator is the factor by which it shrinks: take one over it": lambda k, tau, f, d: (
                (1 + d * (1 / tau + f)) ** k
            ),
        },
    )


# --- 4.4: long enough? ----------------------------------------------------------------------------------


@exercise("4.4")
def enough_steps(rng):
    def chosen(f):
        return float(np.squeeze(np.asarray(f(), dtype=float)))

    return Demands(
        ("the answer is one of 1, 2, 4, 8, 16, 32, 64", lambda f: chosen(f) in gradient_errors()),
        (
            "too short: with such pieces the gradient is off by 0.1 or more, because too many steps stand near the"
            " beginning of a piece",
            lambda f: gradient_errors()[chosen(f)] < 0.1,
        ),
        (
            "long enough, but the error is below 0.05 with a quarter of it, too: longer pieces are fewer pieces to"
            " shuffle",
            lambda f: gradient_errors()[max(chosen(f) // 4, 1)] >= 0.05,
        ),
        right="the error is below 0.1, and with a quarter of this length it would be 0.05 or more",
    )


# --- 4.5: one old choice at a time ----------------------------------------------------------------------


SETTINGS = {each.name for each in fields(cl.PPOConfig)}


@exercise("4.5")
def old_choices(rng):
    names, old_rate = ("input", "gradient", "rollout", "rate"), {"learning_rate": 3e-4, "lr_schedule": "linear"}
    return Demands(
        (
            "two things are expected: the dict of changes, and two names",
            lambda f: len(f()) == 2 and len(f()[1]) == 2,
        ),
        (
            "the changes are called input, gradient, rollout and rate, and so are the two names",
            lambda f: sorted(f()[0]) == sorted(names) and set(f()[1]) <= set(names) and len(set(f()[1])) == 2,
        ),
        (
            "a change names something that is no setting of cl.PPOConfig: eight copies and 4,096 steps are fixed, and"
            " the length of a rollout is rollout_steps",
            lambda f: {key for change in f()[0].values() for key in change} <= SETTINGS,
        ),
        (
            "an empty change is left: BASE is the new choice, not the old one",
            lambda f: all(differs(f, name) for name in names),
        ),
        ('input: one option of the cell, input="initial"; name, neurons and critic stay as in CELL', is_old_input),
        (
            "gradient: pieces of length 1, and nothing else",
            lambda f: differs(f, "gradient") == {"sequence_length": 1},
        ),
        (
            "rollout: 2,048 steps of 8 copies together; rollout_steps counts the steps of one copy",
            lambda f: differs(f, "rollout") == {"rollout_steps": 256},
        ),
        ("rate: 3e-4, and falling to 0: two settings", lambda f: differs(f, "rate") == old_rate),
        (
            "the settings are right, but another choice costs more than one of your two: look at the lowest strokes in"
            " the figure",
            lambda f: set(f()[1]) == set(worst_first(f)[:2]),
        ),
        right="the settings are right, and so are the two that cost most here. One leaves too few updates, the other"
        " too small ones: both are settings of PPO, and not how the liquid network is fed",
    )


# --- 4.6: as small as it gets ---------------------------------------------------------------------------


@exercise("4.6")
def my_pole(rng):
    return Demands(
        ("the answer must be a dict of settings", lambda f: isinstance(f(), dict)),
        (
            "eight copies and 4,096 steps are fixed: num_envs and env_steps are no settings of PPO",
            lambda f: not {"num_envs", "env_steps", "copies"} & f().keys(),
        ),
        (
            "it names something that is no setting of cl.PPOConfig; neurons and options belong into cell=dict(…)",
            lambda f: f().keys() <= SETTINGS,
        ),
        (
            'the cell must be a liquid one: cell=dict(name="ltc", …), or "synaptic_ltc"',
            lambda f: cell_of(f).name in ("ltc", "synaptic_ltc"),
        ),
        ("two neurons at most: cell=dict(…, neurons=2), or 1", lambda f: cell_of(f).neurons <= 2),
        (
            "the neurons must do it alone: no encoder before them, and no feedthrough around them",
            lambda f: cell_of(f).encoder is None and not cell_of(f).feedthrough,
        ),
        ("fewer than six updates fit into the steps: shorten rollout_steps", lambda f: len(kl_of(f)) >= 6),
        (
            "KL stays under 0.0005: the policy hardly moves. A larger learning rate, or smaller minibatches",
            lambda f: np.mean(kl_of(f)) > 5e-4,
        ),
        (
            "KL is above 0.3 on average: each update throws away what the last one found",
            lambda f: np.mean(kl_of(f)) < 0.3,
        ),
        (
            "the instruments look sane, but the median of three seeds does not stand for 900 steps yet: get more out of"
            " the same steps",
            lambda f: np.median([pole_run(settings_with(f()), seed)[1] for seed in range(3)]) >= 900,
        ),
        right="the median of three seeds stands, with two neurons at most",
    )
