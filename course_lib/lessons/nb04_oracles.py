"""Oracles of the exercises of notebook 04, the cases they are asked, and what the checks read out of an answer."""

from __future__ import annotations

import json

import numpy as np
import torch

import course_lib as cl
from course_lib.lessons.nb04_runs import BASE, measured, pole_run, settings_with
from course_lib.nets.cells import LTC

# --- 4.1: unroll ----------------------------------------------------------------------------------------


def episode_by_episode(step, x, starts, h):
    """Another road: every copy alone, cut where its episodes begin."""
    out = np.empty((*x.shape[:2], h.shape[-1]))
    for n in range(x.shape[1]):
        state = h[n]
        for piece in np.split(np.arange(len(x)), np.flatnonzero(starts[1:, n]) + 1):
            state = np.zeros_like(state) if starts[piece[0], n] else state
            for t in piece:
                state = out[t, n] = step(x[t, n], state)
    return out


def played(rng, T=9, N=3, n=2, m=3):
    """A cell, inputs (T, N, m), beginnings (T, N) and states (N, n) before the rollout."""
    weight = rng.normal(size=(m, n))
    return (
        lambda x, h: np.tanh(0.7 * h + x @ weight),
        rng.normal(size=(T, N, m)),
        rng.random((T, N)) < 0.25,
        rng.normal(size=(N, n)),
    )


def drawn(rng):
    return played(rng, *(int(rng.integers(low, high)) for low, high in ((6, 16), (2, 6), (1, 5), (1, 5))))


def unroll_with(starts=lambda s: s, h=lambda h: h):
    """A mistake in what counts as a beginning, or in the first state."""
    return lambda f, x, s, first: episode_by_episode(f, x, starts(s), h(first))


def zeroed_after(f, x, s, h):
    """The mistake of zeroing a state that was stored already."""
    return episode_by_episode(f, x, s, h) * ~np.vstack([s[1:], s[:1] & False])[..., None]


# --- 4.2: planted bugs ----------------------------------------------------------------------------------


def named(f):
    """Letter -> number; the answer is a dict, or four numbers in the order A, B, C, D. Empty where it is neither."""
    answer = f()
    try:
        pairs = answer.items() if isinstance(answer, dict) else zip("ABCD", np.ravel(answer), strict=True)
        return {letter: float(number) for letter, number in pairs}
    except (TypeError, ValueError):
        return {}


# --- 4.3: what is left ----------------------------------------------------------------------------------


def by_autograd(k, tau, f, delta):
    """The library's cell, unrolled."""
    cell = LTC(1, 1).double()
    with torch.no_grad():
        cell.recurrent.zero_()
        cell.bias.fill_(np.log(f / (1 - f)))
        cell.raw_tau.fill_(np.log(np.expm1(tau)))
    first = torch.full((1, 1), 0.3, dtype=torch.float64, requires_grad=True)
    last = cell.sequence(torch.zeros(k, 1, 1, dtype=torch.float64), first, dt=delta)[-1]
    return torch.autograd.grad(last.sum(), first)[0].item()


# --- 4.5: one old choice at a time ----------------------------------------------------------------------


def _asked(f, name):
    """A change of the settings, in full."""
    return json.loads(settings_with(dict(f()[0][name])))


def differs(f, name):
    """The settings that are not those of BASE."""
    now, base = _asked(f, name), json.loads(settings_with({}))
    return {key: value for key, value in now.items() if value != base[key]}


def is_old_input(f):
    """The cell of BASE with one option more."""
    cell, base = _asked(f, "input")["cell"], json.loads(settings_with({}))["cell"]
    only = differs(f, "input").keys() == {"cell"} and cell["options"] == {"input": "initial"}
    return only and {**cell, "options": {}} == base


def worst_first(f):
    """Names, from the lowest return to the highest; trained already where the notebook has drawn them."""
    changes = {name: dict(change) for name, change in f()[0].items()}
    found = measured(changes, range(cl.budget(smoke=1, lite=3, full=10)))
    return sorted(found, key=lambda name: np.median(found[name]))


# --- 4.6: as small as it gets ---------------------------------------------------------------------------


def cell_of(f):
    return cl.PPOConfig(**{**BASE, **f()}).cell


def kl_of(f):
    return pole_run(settings_with(f()), 0)[0]["approx_kl"]
