"""Plausible wrong answers to the exercises of notebook 03, and words of the hint each must get."""

SLOPES = """    k1 = field(t, h)
    k2 = field(t + dt / 2, h + dt / 2 * k1)
    k3 = field(t + dt / 2, h + dt / 2 * k2)
    k4 = field(t + dt, h + dt * k3)
"""
FADE = """    fade = np.exp(-k * T)
    a_T = u / k + (h0 - u / k) * fade - y
    through_u = (1 - fade) / k
    through_k = -(u / k * through_u + (h0 - u / k) * T * fade)
"""
WRONG = {
    "03-1": [
        (
            "k3 and k4 are missing",
            "def rk4_step(field, t, h, dt):\n    return h + dt * field(t + dt / 2, h + dt / 2 * field(t, h))",
        ),
        ("do not count alike", f"def rk4_step(field, t, h, dt):\n{SLOPES}    return h + dt / 4 * (k1 + k2 + k3 + k4)"),
        (
            "k3 starts from k2",
            """def rk4_step(field, t, h, dt):
    k1 = field(t, h)
    k2 = field(t + dt / 2, h + dt / 2 * k1)
    k3 = field(t + dt / 2, h + dt / 2 * k1)
    k4 = field(t + dt, h + dt * k3)
    return h + dt / 6 * (k1 + 2 * k2 + 2 * k3 + k4)""",
        ),
        (
            "a whole step ahead",
            """def rk4_step(field, t, h, dt):
    k1 = field(t, h)
    k2 = field(t + dt / 2, h + dt / 2 * k1)
    k3 = field(t + dt / 2, h + dt / 2 * k2)
    k4 = field(t + dt / 2, h + dt / 2 * k3)
    return h + dt / 6 * (k1 + 2 * k2 + 2 * k3 + k4)""",
        ),
        (
            "time stands still",
            """def rk4_step(field, t, h, dt):
    k1 = field(t, h)
    k2 = field(t, h + dt / 2 * k1)
    k3 = field(t, h + dt / 2 * k2)
    k4 = field(t, h + dt * k3)
    return h + dt / 6 * (k1 + 2 * k2 + 2 * k3 + k4)""",
        ),
        ("divide by 6", f"def rk4_step(field, t, h, dt):\n{SLOPES}    return h + dt * (k1 + 2 * k2 + 2 * k3 + k4)"),
    ],
    "03-2": [
        (
            "is a rate",
            "def ltc_unit(f, A, tau):\n    return 1 / tau + f, f * A / (1 / tau + f)",
        ),
        ("faster than τ", "def ltc_unit(f, A, tau):\n    return tau, f * A * tau"),
        ("times do not", "def ltc_unit(f, A, tau):\n    return tau + 1 / f, f * A * (tau + 1 / f)"),
        ("mind the units", "def ltc_unit(f, A, tau):\n    return tau / (1 + f), f * A * tau / (1 + f)"),
        ("holds against it", "def ltc_unit(f, A, tau):\n    return 1 / (1 / tau + f), A"),
        ("the flow in", "def ltc_unit(f, A, tau):\n    return 1 / (1 / tau + f), f * A"),
    ],
    "03-3": [
        (
            "mostly forgotten",
            f"def neuron_gradient(k, u, h0, y, T):\n{FADE}    return a_T / fade, a_T * through_u, a_T * through_k",
        ),
        (
            "taken back to t = 0",
            f"def neuron_gradient(k, u, h0, y, T):\n{FADE}    return a_T, a_T * through_u, a_T * through_k",
        ),
        ("not from 1", f"def neuron_gradient(k, u, h0, y, T):\n{FADE}    return fade, through_u, through_k"),
        (
            "the sign of dL/dk",
            f"def neuron_gradient(k, u, h0, y, T):\n{FADE}    return a_T * fade, a_T * through_u, -a_T * through_k",
        ),
        (
            "h(t) moves",
            f"def neuron_gradient(k, u, h0, y, T):\n{FADE}    a = a_T * through_u\n    return a_T * fade, a, -h0 * a",
        ),
        (
            "not constant",
            f"def neuron_gradient(k, u, h0, y, T):\n{FADE}    return a_T * fade, a_T * fade * T, a_T * through_k",
        ),
    ],
    "03-4": [
        ("the sign is not", "def substep_exponent():\n    return 1.0"),
        ("looks at f once", "def substep_exponent():\n    return -2"),
        ("RK4's", "def substep_exponent():\n    return -4.0"),
        ("does not fall", "def substep_exponent():\n    return 0.0"),
    ],
    "03-5": [
        (
            "more accurate",
            """def better_step(f, A, tau, h, dt):
    for _ in range(6):
        g = f(h)
        h = (h + dt / 6 * g * A) / (1 + dt / 6 * (1 / tau + g))
    return h""",
        ),
        (
            "more than 6 times",
            """def better_step(f, A, tau, h, dt):
    for _ in range(60):
        g = f(h)
        h = (h + dt / 60 * g * A) / (1 + dt / 60 * (1 / tau + g))
    return h""",
        ),
        (
            "which part of the step is explicit",
            """def better_step(f, A, tau, h, dt):
    def rate(h):
        g = f(h)
        return g * A - (1 / tau + g) * h

    k1 = rate(h)
    k2 = rate(h + dt / 2 * k1)
    k3 = rate(h + dt / 2 * k2)
    k4 = rate(h + dt * k3)
    return h + dt / 6 * (k1 + 2 * k2 + 2 * k3 + k4)""",
        ),
        ("the shape of h", "def better_step(f, A, tau, h, dt):\n    return f(h).mean(0)"),
    ],
}
