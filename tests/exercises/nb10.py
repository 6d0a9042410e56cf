"""Plausible wrong answers to the exercises of notebook 10, and words of the hint each must get."""


def late(rows: str) -> str:
    return f"def late(observations, delay):\n    n = len(observations)\n    return {rows}"


def values(at: str, limit: str = "-r / np.log(gamma)") -> str:
    return f"def values_at(rate, r, gamma):\n    return {at}, {limit}"


RIGHT = "(r / rate) / (1 - gamma ** (1 / rate))"


def interval(body: str) -> str:
    return (
        "def difference_interval(a, b, draws, rng):\n"
        "    x = a[rng.integers(0, len(a), (draws, len(a)))]\n"
        "    y = b[rng.integers(0, len(b), (draws, len(b)))]\n"
        f"    {body}"
    )


def plan(sigma2: str, seeds: str = "int(np.ceil(2 * z**2 * s2 / delta**2))", z: str = "2.8", two: str = "2") -> str:
    return (
        "def plan(a, b, delta, n):\n"
        f"    s2, z = {sigma2}, {z}\n"
        f"    return np.sqrt(s2), {seeds}, z * np.sqrt({two} * s2 / n)"
    )


VARIANCE = "(np.var(a, ddof=1) + np.var(b, ddof=1)) / 2"


def cost(acting: str, rank: str = "max(k for k in range(n) if 2 * n * k < round(d * n * n))") -> str:
    return f"def cost(n, r, d):\n    return ({acting}), {rank}"


COST = "round(d * n * n) if r is None else 2 * n * r"


def guess(answer: str) -> str:
    return f"def my_hypothesis():\n    return {answer}"


WRONG = {
    "10-1": [
        ("the future", late("observations[np.minimum(np.arange(n) + delay, n - 1)]")),
        ("wrap around", late("np.roll(observations, delay, axis=0)")),
        (
            "zeros here",
            late("np.concatenate([0 * observations[: min(delay, n)], observations[: max(n - delay, 0)]])"),
        ),
        ("one step too many", late("observations[np.maximum(np.arange(n) - delay - 1, 0)]")),
        ("nothing is late here", late("observations")),
        ("one step too few", late("observations[np.maximum(np.arange(n) - max(delay - 1, 0), 0)]")),
        ("must fill the time before", late("observations[: max(n - delay, 0)]")),
        ("backwards in time", late("observations[np.maximum(np.arange(n) - delay, 0)][::-1]")),
        ("mixes old and new", late("(observations + observations[np.maximum(np.arange(n) - delay, 0)]) / 2")),
    ],
    "10-2": [
        ("γ is still that", values("(r / rate) / (1 - gamma)")),
        ("reward is still that", values("r / (1 - gamma ** (1 / rate))")),
        ("upside down", values("(r / rate) / (1 - gamma ** rate)")),
        ("the first is the value at the usual rate", values("r / (1 - gamma)")),
        ("the limit is the integral", values(RIGHT, "r / (1 - gamma)")),
        ("log γ is negative", values(RIGHT, "r / np.log(gamma)")),
        ("parts come in another order", "def values_at(rate, r, gamma):\n    return -r / np.log(gamma), " + RIGHT),
        ("value for ρ → ∞ is", values(RIGHT, "r / (1 - gamma) - r")),
    ],
    "10-3": [
        ("two numbers", interval("return np.mean(x) - np.mean(y)")),
        (
            "comes first",
            interval("d = iqm(x, axis=1) - iqm(y, axis=1)\n    return np.quantile(d, 0.975), np.quantile(d, 0.025)"),
        ),
        ("the sign", interval("return tuple(np.quantile(iqm(y, axis=1) - iqm(x, axis=1), [0.025, 0.975]))")),
        (
            "drawn from all numbers together",
            interval(
                "c = rng.choice(np.concatenate([a, b]), (2, draws, len(a)))\n"
                "    return tuple(np.quantile(iqm(c[0], axis=1) - iqm(c[1], axis=1), [0.025, 0.975]))"
            ),
        ),
        ("single values", interval("return tuple(np.quantile(x[:, 0] - y[:, 0], [0.025, 0.975]))")),
        ("interval for means", interval("return tuple(np.quantile(x.mean(1) - y.mean(1), [0.025, 0.975]))")),
    ],
    "10-4": [
        ("divided by n instead", plan("(np.var(a) + np.var(b)) / 2")),
        ("factor 2", plan(VARIANCE, "int(np.ceil(z**2 * s2 / delta**2))", two="1")),
        ("z for the power", plan(VARIANCE, z="1.96")),
        ("round up", plan(VARIANCE, "int(2 * z**2 * s2 / delta**2)")),
        ("is expected", plan(VARIANCE, "round(2 * z**2 * s2 / delta**2)")),
        ("own variance", plan("np.var(np.concatenate([a, b]), ddof=1)")),
        ("mean of the two standard deviations", plan("((np.std(a, ddof=1) + np.std(b, ddof=1)) / 2) ** 2")),
        ("take their mean", plan("np.var(a, ddof=1) + np.var(b, ddof=1)")),
        ("seeds for delta is", plan(VARIANCE, "int(np.ceil(2 * z**2 * s2 / delta))")),
    ],
    "10-5": [
        ("masked weight does not act", cost("n * n if r is None else 2 * n * r")),
        ("n · r numbers each", cost("round(d * n * n) if r is None else n * r")),
        ("all numbers in P and Q still act", cost("round(d * n * n) if r is None else round(2 * d * n * r)")),
        ("degrees of freedom", cost("round(d * n * n) if r is None else r * (2 * n - r)")),
        ("fewer numbers are asked for", cost(COST, "int(d * n / 2)")),
        ("largest rank is", cost(COST, "max(0, int(d * n) - 1) // 2")),
        ("density of the matrix", cost(COST, "max(k for k in range(n) if 2 * n * k < n * n)")),
    ],
    "10-6": [
        ("three tuples", guess('("ltc",), ("gru",)')),
        ("three tuples", guess('["ltc", "gru"]')),
        ("not among those", guess('("lstm",), ("gru",), ("noise 4",)')),
        ("was not tested", guess('("ltc",), ("gru",), ("noise 3",)')),
        ("on one side only", guess('("ltc", "gru"), ("gru",), ("noise 4",)')),
        ("one of the eight", guess('("ltc", "cfc"), ("gru",), ("noise 2", "noise 4", "noise 8")')),
        ("three tuples", guess('("ltc",), ("gru",), ()')),
        ("leave out", guess('("ltc",), ("cfc",), ("rate 2, told",)')),
        ("no task can decide", guess('("neural_ode",), ("synaptic_ltc",), ("friction 2",)')),
    ],
    "10-7": [
        ("something else", "def tough_policy():\n    return 0.5"),
        ("that is a function", "def tough_policy():\n    return balancer"),
        ("something else", 'def tough_policy():\n    return {"as usual": balancer(steps=512)}'),
        ("observe 2 numbers", 'def tough_policy():\n    return cl.load("robust_ltc")'),
        ("observe 2 numbers", 'def tough_policy():\n    return cl.load("pendulum_ltc")'),
        ("something else", "def tough_policy():\n    return balancer(steps=512), 0"),
        (
            "return its policy",
            """
def tough_policy():
    envs = cl.make("InvertedPendulum-v5", 16, seed=0, hide="velocities")
    cell = dict(name="ltc", neurons=4)
    config = cl.PPOConfig.recommended("InvertedPendulum-v5", cell=cell, minibatch_size=128)
    return cl.train(cl.PPO(envs, config), 512, progress=False)
""",
        ),
    ],
}
ALSO_RIGHT = {
    "10-4": [  # with exact quantiles
        """def plan(a, b, delta, n):
    from scipy.stats import norm

    sigma, z = np.sqrt((np.var(a, ddof=1) + np.var(b, ddof=1)) / 2), norm.ppf(0.975) + norm.ppf(0.8)
    return sigma, int(np.ceil(2 * z**2 * sigma**2 / delta**2)), z * sigma * np.sqrt(2 / n)""",
    ],
}
