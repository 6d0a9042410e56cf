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
GIVEN = """def adjoint_rates(field, t, h, a, params):
    with torch.enable_grad():
        h = h.detach().requires_grad_()
        f = field(t, h)
"""
HELD = """def exponential_step(f, A, tau, h, dt):
    g = f(h)
    t = 1 / (1 / tau + g)
    end = g * A * t
"""
BETTER = """def better_step(f, A, tau, h, dt):
    def relax(h, g, d):
        end = g * A / (1 / tau + g)
        return end + (h - end) * torch.exp(-d * (1 / tau + g))

    def fused(h, g, d):
        return (h + d * g * A) / (1 + d * (1 / tau + g))

    def rate(h):
        g = f(h)
        return g * A - (1 / tau + g) * h

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
        (
            "the first and the last slope count once",
            f"def rk4_step(field, t, h, dt):\n{SLOPES}    return h + dt / 6 * (2 * k1 + k2 + k3 + 2 * k4)",
        ),
        (
            "k2 and k3 look half a step ahead",
            f"def rk4_step(field, t, h, dt):\n{SLOPES.replace('dt / 2', 'dt')}"
            "    return h + dt / 6 * (k1 + 2 * k2 + 2 * k3 + k4)",
        ),
        (
            "entry [0, 0] is",
            f"def rk4_step(field, t, h, dt):\n{SLOPES.replace('dt / 2 * k', 'k')}"
            "    return h + dt / 6 * (k1 + 2 * k2 + 2 * k3 + k4)",
        ),
        ("entry [0, 0] is", f"def rk4_step(field, t, h, dt):\n{SLOPES}    return dt / 6 * (k1 + 2 * k2 + 2 * k3 + k4)"),
    ],
    "03-2": [
        (
            "is a rate",
            "def ltc_unit(f, A, tau):\n    return 1 / tau + f, f * A / (1 / tau + f)",
        ),
        ("faster than τ", "def ltc_unit(f, A, tau):\n    return tau, f * A * tau"),
        ("times do not", "def ltc_unit(f, A, tau):\n    return tau + 1 / f, f * A * (tau + 1 / f)"),
        ("look at the units", "def ltc_unit(f, A, tau):\n    return tau / (1 + f), f * A * tau / (1 + f)"),
        ("pulls the other way", "def ltc_unit(f, A, tau):\n    return 1 / (1 / tau + f), A"),
        ("the flow in", "def ltc_unit(f, A, tau):\n    return 1 / (1 / tau + f), f * A"),
        ("makes h_inf wrong too", "def ltc_unit(f, A, tau):\n    s = 1 / tau + f\n    return s, f * A * s"),
        ("lost its sign", "def ltc_unit(f, A, tau):\n    s = 1 / (1 / tau + f)\n    return s, np.abs(f * A * s)"),
        (
            "another order; tau_sys, h_inf",
            "def ltc_unit(f, A, tau):\n    s = 1 / (1 / tau + f)\n    return f * A * s, s",
        ),
        (
            "the function returns one value; 2 are expected",
            "def ltc_unit(f, A, tau):\n    return 1 / float(1 / tau[0] + f[0])",
        ),
        ("h_inf is", "def ltc_unit(f, A, tau):\n    s = 1 / (1 / tau + f)\n    return s, A * s"),
    ],
    "03-3": [
        (
            "mostly forgotten",
            f"def neuron_gradient(k, u, h0, y, T):\n{FADE}    return a_T / fade, a_T * through_u, a_T * through_k",
        ),
        (
            "take it back to t = 0",
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
        (
            "another order; a(0), dL/du, dL/dk",
            f"def neuron_gradient(k, u, h0, y, T):\n{FADE}    return a_T * fade, a_T * through_k, a_T * through_u",
        ),
        (
            "dL/du is",
            f"def neuron_gradient(k, u, h0, y, T):\n{FADE}    return a_T * fade, a_T * (1 - fade), a_T * through_k",
        ),
        ("the function returns one value", f"def neuron_gradient(k, u, h0, y, T):\n{FADE}    return a_T * fade"),
    ],
    "03-4": [
        ("a second call", f"{GIVEN}        f.backward(a)\n    return -f.detach(), h.grad, *[p.grad for p in params]"),
        (
            "inside the `with` block",
            f"{GIVEN}    return -f.detach(), *torch.autograd.grad((a * f).sum(), (h, *params))",
        ),
        ("h must run backwards", f"{GIVEN}    return f.detach(), *torch.autograd.grad(f, (h, *params), a)"),
        (
            "da/ds = +a",
            f"{GIVEN}    p = torch.autograd.grad(f, (h, *params), a)\n    return -f.detach(), -p[0], *p[1:]",
        ),
        (
            "dg/ds = +a",
            f"{GIVEN}    p = torch.autograd.grad(f, (h, *params), a)\n    return -f, p[0], *(-q for q in p[1:])",
        ),
        ("apart from f", f"{GIVEN}    return -f.detach(), *(-p for p in torch.autograd.grad(f, (h, *params), a))"),
        ("all signs are", f"{GIVEN}    return f.detach(), *(-p for p in torch.autograd.grad(f, (h, *params), a))"),
        ("a is missing", f"{GIVEN}    return -f.detach(), *torch.autograd.grad(f, (h, *params), torch.ones_like(f))"),
        (
            "a row vector",
            f"""{GIVEN}    minus, _, *rest = -f.detach(), *torch.autograd.grad(f, (h, *params), a)
    J = [torch.autograd.functional.jacobian(lambda z: field(t, z[None])[0], row) for row in h.detach()]
    return minus, torch.stack([j @ v for j, v in zip(J, a)]), *rest""",
        ),
        (
            "the function returns 2 values; 4 are expected",
            f"{GIVEN}    return -f.detach(), torch.autograd.grad(f, h, a)[0]",
        ),
        ("it stops with RuntimeError", f"{GIVEN}    return -f.detach(), *torch.autograd.grad(f, (t, *params), a)"),
        (
            "grad can be implicitly created only",
            f"{GIVEN}    return -f.detach(), *torch.autograd.grad(f, (h, *params))",
        ),
        (
            "another order",
            f"{GIVEN}    p = torch.autograd.grad(f, (h, *params), a)\n    return p[0], -f.detach(), *p[1:]",
        ),
    ],
    "03-5": [
        ("the size is right, the sign is not", "def substep_exponent():\n    return 1.0"),
        ("the sign is not right", "def substep_exponent():\n    return 2"),
        ("evaluates f once", "def substep_exponent():\n    return -2"),
        ("RK4", "def substep_exponent():\n    return -4.0"),
        ("does not fall", "def substep_exponent():\n    return 0.0"),
        ("averages over noise", "def substep_exponent():\n    return -0.5"),
        ("too small: compare the slope", "def substep_exponent():\n    return -3.0"),
        ("too large: compare the slope", "def substep_exponent():\n    return 0.5"),
    ],
    "03-6": [
        ("fused step", f"{HELD}    return (h + dt * g * A) / (1 + dt * (1 / tau + g))"),
        ("explicit Euler", f"{HELD}    return h + dt * (g * A - h / t)"),
        ("not towards 0", f"{HELD}    return h * torch.exp(-dt / t)"),
        ("not towards A", f"{HELD}    return A + (h - A) * torch.exp(-dt / t)"),
        ("τ alone is too slow", f"{HELD}    return end + (h - end) * torch.exp(-dt / tau)"),
        ("here τ_sys multiplies", f"{HELD}    return end + (h - end) * torch.exp(-dt * t)"),
        ("are swapped", f"{HELD}    return h + (end - h) * torch.exp(-dt / t)"),
        ("entry [0, 0] is", f"{HELD}    return end + (h - end) * torch.exp(dt / t)"),
        ("entry [0, 0] is", f"{HELD}    return end * (1 - torch.exp(-dt / t))"),
        ("entry [0, 0] is", f"{HELD}    return g * A + (h - g * A) * torch.exp(-dt / t)"),
    ],
    "03-7": [
        (
            "more than 6 times",
            f"{BETTER}    for _ in range(6):\n        both = f(torch.stack([h, h]))\n"
            "        h = relax(h, both[0], dt / 6)\n    return h",
        ),
        ("60 %", f"{BETTER}    for _ in range(6):\n        h = relax(h, f(h), dt / 6)\n    return h"),
        ("60 %", f"{BETTER}    for _ in range(6):\n        h = fused(h, f(h), dt / 6)\n    return h"),
        ("more than 6 times", f"{BETTER}    for _ in range(60):\n        h = relax(h, f(h), dt / 60)\n    return h"),
        (
            "at another Δt",
            f"""{BETTER}    two = four = h
    for _ in range(2):
        two = fused(two, f(two), dt / 2)
    for _ in range(4):
        four = fused(four, f(four), dt / 4)
    return 2 * four - two""",
        ),
        (
            "which part of the step is explicit",
            f"""{BETTER}    k1 = rate(h)
    k2 = rate(h + dt / 2 * k1)
    k3 = rate(h + dt / 2 * k2)
    k4 = rate(h + dt * k3)
    return h + dt / 6 * (k1 + 2 * k2 + 2 * k3 + k4)""",
        ),
        (
            "which part of the step is explicit",
            f"""{BETTER}    for _ in range(3):
        d = dt / 3
        g = f(h)
        g = (g + f(relax(h, g, d))) / 2
        h = (h * (1 - d / 2 * (1 / tau + g)) + d * g * A) / (1 + d / 2 * (1 / tau + g))
    return h""",
        ),
        (
            "60 %",
            f"""{BETTER}    for _ in range(3):
        g = f(h)
        h = fused(h, (g + f(fused(h, g, dt / 3))) / 2, dt / 3)
    return h""",
        ),
        (
            "60 %",
            f"""{BETTER}    for _ in range(3):
        middle = h + dt / 6 * rate(h)
        h = h + dt / 3 * rate(middle)
        h = torch.maximum(torch.minimum(h, A.clamp(min=0)), A.clamp(max=0))
    return h""",
        ),
        ("60 %", f"{BETTER}    return relax(h, f(relax(h, f(h), dt)), dt)"),
        ("the shape of h", "def better_step(f, A, tau, h, dt):\n    return f(h).mean(0)"),
        ("NaN", "def better_step(f, A, tau, h, dt):\n    return f(h) * float('nan')"),
    ],
}

ALSO_RIGHT = {
    "03-4": [  # it overwrites what it is given
        """def adjoint_rates(field, t, h, a, params):
    with torch.enable_grad():
        x = h.clone().requires_grad_()
        f = field(t, x)
        found = torch.autograd.grad(f, (x, *params), a.clone(), retain_graph=True)
    h[...], a[...] = 7, 7
    return -f.detach(), *found""",
    ],
}
