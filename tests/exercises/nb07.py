"""Plausible wrong answers to the exercises of notebook 07, and words of the hint each must get."""

GATE = "f = 1 / (1 + np.exp(-(W @ h + U @ x + b)))"
WRONG = {
    "07-1": [
        ("rate of decay", f"def time_constants(h, x, W, U, b, tau):\n    {GATE}\n    return 1 / tau + f"),
        ("rates add up", f"def time_constants(h, x, W, U, b, tau):\n    {GATE}\n    return 1 / (tau + f)"),
        (
            "always positive",
            "def time_constants(h, x, W, U, b, tau):\n    return 1 / (1 / tau + np.tanh(W @ h + U @ x + b))",
        ),
        (
            "collects row i",
            "def time_constants(h, x, W, U, b, tau):\n    return 1 / (1 / tau + sigmoid(h @ W + U @ x + b))",
        ),
        (
            "state h is missing",
            "def time_constants(h, x, W, U, b, tau):\n    return 1 / (1 / tau + sigmoid(U @ x + b))",
        ),
    ],
    "07-2": [
        (
            "synapses are missing",
            f"def ltc_jacobian(h, x, W, U, b, tau, A):\n    {GATE}\n    return -np.diag(1 / tau + f)",
        ),
        (
            "A - h, not by A",
            f"""def ltc_jacobian(h, x, W, U, b, tau, A):
    {GATE}
    return -np.diag(1 / tau + f) + np.diag(A * f * (1 - f)) @ W""",
        ),
        (
            "slope of the sigmoid",
            f"""def ltc_jacobian(h, x, W, U, b, tau, A):
    {GATE}
    return -np.diag(1 / tau + f) + np.diag((A - h) * f) @ W""",
        ),
        (
            "so to rows",
            f"""def ltc_jacobian(h, x, W, U, b, tau, A):
    {GATE}
    return -np.diag(1 / tau + f) + (A - h) * f * (1 - f) * W""",
        ),
        (
            "not be transposed",
            f"""def ltc_jacobian(h, x, W, U, b, tau, A):
    {GATE}
    return -np.diag(1 / tau + f) + np.diag((A - h) * f * (1 - f)) @ W.T""",
        ),
        (
            "missing on the diagonal",
            f"""def ltc_jacobian(h, x, W, U, b, tau, A):
    {GATE}
    return -np.diag(1 / tau) + np.diag((A - h) * f * (1 - f)) @ W""",
        ),
    ],
    "07-3": [
        ("fastest direction", "def memory_steps(M):\n    return -1 / np.log(abs(np.linalg.eigvals(M)).min())"),
        ("half-life", "def memory_steps(M):\n    return -np.log(2) / np.log(abs(np.linalg.eigvals(M)).max())"),
        ("for the flow", "def memory_steps(M):\n    return -1 / np.linalg.eigvals(M).real.max()"),
        ("only nearly", "def memory_steps(M):\n    return 1 / (1 - abs(np.linalg.eigvals(M)).max())"),
        ("the sign", "def memory_steps(M):\n    return 1 / np.log(abs(np.linalg.eigvals(M)).max())"),
    ],
    "07-4": [
        ("about the mean", "def suspicion(weight, states, value):\n    return abs(weight) * states.std(axis=0)"),
        (
            "wherever `value` is",
            "def suspicion(weight, states, value):\n    return abs(weight) * np.sqrt((states**2).mean(axis=0))",
        ),
        (
            "weight is missing",
            "def suspicion(weight, states, value):\n    return np.sqrt(((states - value) ** 2).mean(axis=0))",
        ),
        (
            "no sign",
            "def suspicion(weight, states, value):\n    return weight * np.sqrt(((states - value) ** 2).mean(axis=0))",
        ),
        (
            "square them first",
            "def suspicion(weight, states, value):\n    return abs(((states - value) * weight).mean(axis=0))",
        ),
    ],
    "07-5": [
        ("only one stable state", "def one_bit():\n    return 8.0, -2.0, 1.0, 1.0"),
        ("opposite signs", "def one_bit():\n    return 40.0, -10.0, 1.0, -1.0"),
        ("must be positive", "def one_bit():\n    return 40.0, -10.0, -1.0, 1.0"),
        ("less than 0.1 apart", "def one_bit():\n    return 400.0, -10.0, 0.05, 1.0"),
        ("four finite numbers", "def one_bit():\n    return 40.0, -10.0, 1.0"),
    ],
}
