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
    ],
    "10-2": [
        ("γ is still that", values("(r / rate) / (1 - gamma)")),
        ("reward is still that", values("r / (1 - gamma ** (1 / rate))")),
        ("upside down", values("(r / rate) / (1 - gamma ** rate)")),
        ("the first is the value at the usual rate", values("r / (1 - gamma)")),
        ("the limit is the integral", values(RIGHT, "r / (1 - gamma)")),
        ("log γ is negative", values(RIGHT, "r / np.log(gamma)")),
    ],
    "10-3": [
        ("two numbers", interval("return np.mean(x) - np.mean(y)")),
        (
            "comes first",
            interval("d = iqm(x, axis=1) - iqm(y, axis=1)\n    return np.quantile(d, 0.975), np.quantile(d, 0.025)"),
        ),
        ("the sign", interval("return tuple(np.quantile(iqm(y, axis=1) - iqm(x, axis=1), [0.025, 0.975]))")),
        (
            "one pot",
            interval(
                "c = rng.choice(np.concatenate([a, b]), (2, draws, len(a)))\n"
                "    return tuple(np.quantile(iqm(c[0], axis=1) - iqm(c[1], axis=1), [0.025, 0.975]))"
            ),
        ),
        ("single values", interval("return tuple(np.quantile(x[:, 0] - y[:, 0], [0.025, 0.975]))")),
        ("interval of the means", interval("return tuple(np.quantile(x.mean(1) - y.mean(1), [0.025, 0.975]))")),
    ],
    "10-4": [
        ("n below", plan("(np.var(a) + np.var(b)) / 2")),
        ("factor 2", plan(VARIANCE, "int(np.ceil(z**2 * s2 / delta**2))", two="1")),
        ("z for the power", plan(VARIANCE, z="1.96")),
        ("round up", plan(VARIANCE, "int(2 * z**2 * s2 / delta**2)")),
        ("own variance", plan("np.var(np.concatenate([a, b]), ddof=1)")),
    ],
    "10-5": [
        ("masked weight does not act", cost("n * n if r is None else 2 * n * r")),
        ("n · r numbers each", cost("round(d * n * n) if r is None else n * r")),
        ("takes nothing", cost("round(d * n * n) if r is None else round(2 * d * n * r)")),
        ("degrees of freedom", cost("round(d * n * n) if r is None else r * (2 * n - r)")),
        ("fewer, not as many", cost(COST, "int(d * n / 2)")),
        ("density of the matrix", cost(COST, "max(k for k in range(n) if 2 * n * k < n * n)")),
    ],
    "10-6": [
        ("three tuples", guess('("ltc",), ("gru",)')),
        ("three tuples", guess('["ltc", "gru"]')),
        ("not among those", guess('("lstm",), ("gru",), ("noise 4",)')),
        ("was not tested", guess('("ltc",), ("gru",), ("noise 3",)')),
        ("both sides", guess('("ltc", "gru"), ("gru",), ("noise 4",)')),
        ("one of the eight", guess('("ltc", "cfc"), ("gru",), ("noise 2", "noise 4", "noise 8")')),
    ],
    "10-7": [
        ("return a policy", "def tough_policy():\n    return 0.5"),
        ("which sees 2 numbers", 'def tough_policy():\n    return cl.load("robust_ltc")'),
    ],
}
