"""The checks of the exercises of notebook 07: time constants, Jacobians, lengths of memory, ablation, one bit."""

from __future__ import annotations

import numpy as np

import course_lib as cl
from course_lib.course.exercises import Compare, Demands, exercise
from course_lib.lessons import nb07_oracles as oracles
from course_lib.lessons.nb07_loops import change_of_action, relabelled
from course_lib.lessons.nb07_oracles import gate_of, sigmoid

# --- 7.1: effective time constants ----------------------------------------------------------------------


def _slip(time=lambda f, t: 1 / (1 / t + f), gate=gate_of, left=lambda t: 1 / (1 + 1 / t)):
    """A mistake: one part put wrong."""

    def wrong(h, x, W, U, b, tau):
        t = time(gate(h, x, W, U, b), tau)
        return t, left(t)

    return wrong


@exercise("7.1")
def time_constants(rng):
    return Compare(
        oracle=oracles.by_decay,
        cases=[oracles.cell_at(np.random.default_rng(seed)) for seed in range(3)],
        draw=lambda rng: oracles.cell_at(rng, rng.integers(2, 8), rng.integers(1, 6)),
        parts=("time constants", "shares"),
        mistakes={
            "that is the rate of decay; a time constant is one over it": _slip(lambda f, t: 1 / t + f),
            "rates add up, times do not: 1/τ belongs under the fraction bar, beside f": _slip(lambda f, t: 1 / (t + f)),
            "f is a sigmoid, always positive; tanh could make the rate negative": _slip(
                gate=lambda h, x, W, U, b: np.tanh(W @ h + U @ x + b)
            ),
            "W is [to, from]: neuron i collects row i, W @ h": _slip(
                gate=lambda h, x, W, U, b: sigmoid(W.T @ h + U @ x + b)
            ),
            "the state h is missing from f: neurons receive input from each other too": _slip(
                gate=lambda h, x, W, U, b: sigmoid(U @ x + b)
            ),
            "that is the exact solution; the fused step (7.4) divides by 1 + δ/τ_eff": _slip(
                left=lambda t: np.exp(-1 / t)
            ),
            "that is the share that is lost; the exercise asks for the share that is left": _slip(
                left=lambda t: 1 / (1 + t)
            ),
        },
    )


# --- 7.2: the Jacobian of an LTC ------------------------------------------------------------------------


def _decay(f, tau):
    return -np.diag(1 / tau + f)


def _synapses(f, W, h, A):
    return ((A - h) * f * (1 - f))[:, None] * W


def _parts(of_decay=_decay, of_synapses=_synapses):
    """A mistake: the two parts of J, one put wrong."""

    def wrong(h, x, W, U, b, tau, A):
        f = gate_of(h, x, W, U, b)
        return of_decay(f, tau) + of_synapses(f, W, h, A)

    return wrong


@exercise("7.2")
def ltc_jacobian(rng):
    return Compare(
        oracle=oracles.by_differences,
        cases=[oracles.ltc_at(np.random.default_rng(seed)) for seed in range(3)],
        draw=lambda rng: oracles.ltc_at(rng, rng.integers(2, 7), rng.integers(1, 5)),
        tolerance=1e-4,
        mistakes={
            "the synapses are missing: f depends on h through W": _parts(of_synapses=lambda f, W, h, A: 0.0),
            "f stands in the bracket too, so its slope is multiplied by A - h, not by A alone": _parts(
                of_synapses=lambda f, W, h, A: (A * f * (1 - f))[:, None] * W
            ),
            "the sign: f A - f h differentiates to (A - h) f', not (h - A) f'": _parts(
                of_synapses=lambda f, W, h, A: -_synapses(f, W, h, A)
            ),
            "the slope of the sigmoid is f (1 - f)": _parts(of_synapses=lambda f, W, h, A: ((A - h) * f)[:, None] * W),
            "the factors A - h and f belong to the neuron that is driven, so to rows": _parts(
                of_synapses=lambda f, W, h, A: ((A - h) * f * (1 - f))[None, :] * W
            ),
            "W is [to, from] already; it must not be transposed": _parts(
                of_synapses=lambda f, W, h, A: ((A - h) * f * (1 - f))[:, None] * W.T
            ),
            "the decay is 1/τ + f; f is missing on the diagonal": _parts(lambda f, tau: -np.diag(1 / tau)),
        },
    )


# --- 7.3: how long does it remember? --------------------------------------------------------------------


def _leading(M, pick=np.max, of=np.abs):
    return pick(of(np.linalg.eigvals(M)))


@exercise("7.3")
def memory_steps(rng):
    return Compare(
        oracle=oracles.by_stepping,
        cases=[
            (oracles.stable_map(4, 0.85),),
            (np.diag([0.5, -0.7, 0.2]),),
            (oracles.stable_map(11, 0.97),),
        ],  # two turn as they shrink
        draw=oracles.drawn_map,
        tolerance=0.005,
        matters="then more or less than 1/e of the slowest disturbance is left",
        mistakes={
            "that is the fastest direction; the slowest decides what is remembered": (
                lambda M: -1 / np.log(_leading(M, np.min))
            ),
            "that is the half-life; the exercise asks for the time until 1/e is left": (
                lambda M: np.log(0.5) / np.log(_leading(M))
            ),
            "that rule is for the flow, J; a step map multiplies, so take a logarithm": (
                lambda M: -1 / _leading(M, of=np.real)
            ),
            "1/(1 - |λ|) holds only for |λ| near 1, where log |λ| is nearly |λ| - 1": lambda M: 1 / (1 - _leading(M)),
            "the sign: log of a number below 1 is negative, a time is not": lambda M: 1 / np.log(_leading(M)),
            "do not round up: the time need not be a whole number of steps": lambda M: np.ceil(oracles.by_stepping(M)),
            "do not round: the time need not be a whole number of steps": lambda M: np.round(oracles.by_stepping(M)),
            "do not cut off the fraction: the time need not be a whole number of steps": (
                lambda M: np.floor(oracles.by_stepping(M))
            ),
            "the real part is not the size of a complex eigenvalue; take the modulus, np.abs": (
                lambda M: -1 / np.log(_leading(M, of=np.real))
            ),
        },
    )


# --- 7.4: predict the damage ----------------------------------------------------------------------------


def rms(h, at):
    return np.sqrt(((h - at) ** 2).mean(0))


def weight_of(readout):
    return readout.affine[0][0].numpy()


def _size(v):
    """A mistake in what the weight is multiplied by."""
    return lambda r, h, at: np.abs(weight_of(r)) * v(h, at)


@exercise("7.4")
def suspicion(rng):
    from course_lib.viz.states import states

    net = cl.load("pendulum_ltc")
    h = states.record(net, seed=3, steps=60, pushes={20: 2.0}).states  # float32, as in the notebook

    def drawn(rng):
        rows = rng.choice(len(h), rng.integers(20, len(h)), replace=False)
        return relabelled(net.readout, int(rng.integers(8))), h[rows], rng.uniform(-0.6, 0.6, 8).astype(h.dtype)

    return Compare(
        oracle=change_of_action,
        cases=[
            (net.readout, h, h.mean(0)),
            (net.readout, h, np.full(8, 0.5, h.dtype)),
            (relabelled(net.readout, 3), h, np.zeros(8, h.dtype)),
        ],
        draw=drawn,
        tolerance=1e-3,
        right="now compare it with what the pole does",
        mistakes={
            "readout.weight multiplies (h - c) / s, not h: divide by s, (7.9), or take readout.affine": (
                lambda r, h, at: np.abs(r.weight.detach().numpy()[0]) * rms(h, at)
            ),
            "a standard deviation is about the mean; the neuron is held at `value`": _size(lambda h, at: h.std(0)),
            "that is a neuron held at 0, wherever `value` is": _size(lambda h, at: rms(h, 0)),
            "a neuron with a weight of 0 cannot change the action; the weight is missing": lambda r, h, at: rms(h, at),
            "the size of a change is never negative: take |W_a|": lambda r, h, at: weight_of(r) * rms(h, at),
            "changes up and down cancel in this mean; square them first": _size(lambda h, at: np.abs((h - at).mean(0))),
            "that is the mean of the absolute value; the exercise asks for the root of the mean square": _size(
                lambda h, at: np.abs(h - at).mean(0)
            ),
            "that is the largest change; the exercise asks for the root of the mean square": _size(
                lambda h, at: np.abs(h - at).max(0)
            ),
            "the square root is missing: take the root of the mean of (h - value)²": _size(
                lambda h, at: ((h - at) ** 2).mean(0)
            ),
            "that is the mean square of the change; take its root": (
                lambda r, h, at: weight_of(r) ** 2 * rms(h, at) ** 2
            ),
            "here all neurons are held at once; hold one at a time, and give one number for each": (
                lambda r, h, at: np.full(h.shape[1], np.sqrt(np.mean(((h - at) @ weight_of(r)) ** 2)))
            ),
        },
    )


# --- 7.5: one bit ---------------------------------------------------------------------------------------


@exercise("7.5")
def one_bit(rng):
    return Demands(
        (
            "the answer is four finite numbers: w, b, tau, A",
            lambda f: (found := oracles.four(f)) is not None and bool(np.isfinite(found).all()),
        ),
        ("τ is a time: it must be positive", lambda f: oracles.four(f)[2] > 0),
        (
            "w or A is 0, so the neuron does not excite itself: it has one stable state",
            lambda f: oracles.four(f)[0] * oracles.four(f)[3] != 0,
        ),
        (
            "w and A have opposite signs: the more active the neuron is, the more it inhibits itself",
            lambda f: oracles.four(f)[0] * oracles.four(f)[3] > 0,
        ),
        (
            "only one stable state: make the synapse onto itself stronger, and choose b so that f is nearly 0 at "
            "rest and nearly 1 when active",
            lambda f: len(oracles.rests(f)) == 2,
        ),
        ("the two states are less than 0.1 apart: make |A| or τ larger", lambda f: np.ptp(oracles.rests(f)) >= 0.1),
        right="two stable states: this neuron stores one bit",
    )
