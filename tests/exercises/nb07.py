"""Plausible wrong answers to the exercises of notebook 07, and words of the hint each must get."""

GATE = "f = 1 / (1 + np.exp(-(W @ h + U @ x + b)))"


def constants(name, line, share=None):
    """An answer to 7.1: how the time constants are computed, and the share from them."""
    share = share or f"1 / (1 + 1 / {name})"
    return f"def time_constants(h, x, W, U, b, tau):\n    {GATE}\n    {line}\n    return {name}, {share}"


def suspicion(weight, change):
    """An answer to 7.4."""
    start = "def suspicion(readout, states, value):\n    W = readout.affine[0][0].numpy()\n"
    return f"{start}    return {weight} * {change}"


RMS = "np.sqrt(((states - value) ** 2).mean(axis=0))"
WRONG = {
    "07-1": [
        ("rate of decay", constants("rate", "rate = 1 / tau + f")),
        ("rates add up", constants("t", "t = 1 / (tau + f)")),
        ("always positive", constants("t", "t = 1 / (1 / tau + np.tanh(W @ h + U @ x + b))")),
        ("collects row i", constants("t", "t = 1 / (1 / tau + sigmoid(h @ W + U @ x + b))")),
        ("state h is missing", constants("t", "t = 1 / (1 / tau + sigmoid(U @ x + b))")),
        ("exact solution", constants("t", "t = 1 / (1 / tau + f)", "np.exp(-1 / t)")),
        ("share that is lost", constants("t", "t = 1 / (1 / tau + f)", "1 - 1 / (1 + 1 / t)")),
        (
            "the function returns one value; 2 are expected: time constants, shares",
            constants("t", "return np.float64(0)"),
        ),
        ("entry [0] of shares is", constants("t", "t = 1 / (1 / tau + f)", "1 / (1 + t)**2")),
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
            "not (h - A)",
            f"""def ltc_jacobian(h, x, W, U, b, tau, A):
    {GATE}
    return -np.diag(1 / tau + f) + np.diag((h - A) * f * (1 - f)) @ W""",
        ),
        (
            "missing on the diagonal",
            f"""def ltc_jacobian(h, x, W, U, b, tau, A):
    {GATE}
    return -np.diag(1 / tau) + np.diag((A - h) * f * (1 - f)) @ W""",
        ),
        (
            "is expected",
            f"""def ltc_jacobian(h, x, W, U, b, tau, A):
    {GATE}
    return np.diag(1 / tau + f) + np.diag((A - h) * f * (1 - f)) @ W""",
        ),
    ],
    "07-3": [
        ("fastest direction", "def memory_steps(M):\n    return -1 / np.log(abs(np.linalg.eigvals(M)).min())"),
        ("half-life", "def memory_steps(M):\n    return -np.log(2) / np.log(abs(np.linalg.eigvals(M)).max())"),
        ("for the flow", "def memory_steps(M):\n    return -1 / np.linalg.eigvals(M).real.max()"),
        ("only for |λ| near 1", "def memory_steps(M):\n    return 1 / (1 - abs(np.linalg.eigvals(M)).max())"),
        ("the sign", "def memory_steps(M):\n    return 1 / np.log(abs(np.linalg.eigvals(M)).max())"),
        ("round up", "def memory_steps(M):\n    return int(np.ceil(-1 / np.log(abs(np.linalg.eigvals(M)).max())))"),
        ("do not round:", "def memory_steps(M):\n    return round(-1 / np.log(abs(np.linalg.eigvals(M)).max()))"),
        ("cut off the fraction", "def memory_steps(M):\n    return int(-1 / np.log(abs(np.linalg.eigvals(M)).max()))"),
        ("real part", "def memory_steps(M):\n    return -1 / np.log(np.linalg.eigvals(M).real.max())"),
        (
            "complex numbers; is there an absolute value",
            "def memory_steps(M):\n    return -1 / np.log(np.linalg.eigvals(M).max())",
        ),
        (
            "too large: then more or less",
            "def memory_steps(M):\n    return -3 / np.log(abs(np.linalg.eigvals(M)).max())",
        ),
    ],
    "07-4": [
        ("divide by s", suspicion("abs(readout.weight.detach().numpy()[0])", RMS)),
        ("about the mean", suspicion("abs(W)", "states.std(axis=0)")),
        ("wherever `value` is", suspicion("abs(W)", "np.sqrt((states**2).mean(axis=0))")),
        ("weight is missing", suspicion("1.0", RMS)),
        ("never negative", suspicion("W", RMS)),
        ("square them first", suspicion("1.0", "abs(((states - value) * W).mean(axis=0))")),
        ("mean of the absolute value", suspicion("abs(W)", "abs(states - value).mean(axis=0)")),
        ("the largest change", suspicion("abs(W)", "abs(states - value).max(axis=0)")),
        ("square root is missing", suspicion("abs(W)", "((states - value) ** 2).mean(axis=0)")),
        ("take its root", suspicion("1.0", "((W * (states - value)) ** 2).mean(axis=0)")),
        ("hold one at a time", suspicion("np.ones(len(W))", "np.sqrt((((states - value) @ W) ** 2).mean())")),
        ("is expected", suspicion("1.0", "np.sqrt(((W * (states - value)) ** 2).mean(axis=1))")),
    ],
    "07-5": [
        ("only one stable state", "def one_bit():\n    return 8.0, -2.0, 1.0, 1.0"),
        ("does not excite itself", "def one_bit():\n    return 0.0, -10.0, 1.0, 1.0"),
        ("opposite signs", "def one_bit():\n    return 40.0, -10.0, 1.0, -1.0"),
        ("must be positive", "def one_bit():\n    return 40.0, -10.0, -1.0, 1.0"),
        ("less than 0.1 apart", "def one_bit():\n    return 400.0, -10.0, 0.05, 1.0"),
        ("four finite numbers", "def one_bit():\n    return 40.0, -10.0, 1.0"),
        ("only one stable state", "def one_bit():\n    return 40.0, 0.0, 1.0, 1.0"),
        ("only one stable state", "def one_bit():\n    return 40.0, -40.0, 1.0, 1.0"),
    ],
}
ALSO_RIGHT = {
    "07-5": [
        "def one_bit():\n    return 1e6, -20.0, 1.0, 1.0",
        "def one_bit():\n    return np.array([[40.0, -10, 1, 1]])",
    ],
    "07-4": [  # through the layer itself, with the types of the notebook's arrays
        """def suspicion(readout, states, value):
    import torch

    def action(h):
        with torch.no_grad():
            return readout(torch.from_numpy(h))[:, 0].numpy()

    before, out = action(states), []
    for k in range(states.shape[1]):
        held = states.copy()
        held[:, k] = value[k]
        out.append(np.sqrt(np.mean((action(held) - before) ** 2)))
    return np.array(out)""",
    ],
}
