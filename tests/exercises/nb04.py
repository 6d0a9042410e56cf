"""Plausible wrong answers to the exercises of notebook 04, and words of the hint each must get."""


def unroll(body: str) -> str:
    """`unroll` with `body` in place of the solution, indented by four."""
    lines = "\n".join("    " + line for line in body.strip().splitlines())
    return f"def unroll(step, x, starts, h):\n    states = []\n{lines}\n    return np.stack(states)"


def pole(settings: str) -> str:
    return f"def my_pole():\n    return dict({settings})"


SHORT = 'cell=dict(name="ltc", neurons=2, critic="mlp"), rollout_steps=32, minibatch_size=128'
WRONG = {
    "04-1": [
        (
            "never zeroed",
            unroll("for t in range(len(x)):\n    h = step(x[t], h)\n    states.append(h)"),
        ),
        (
            "must be carried over",
            unroll(
                "h = np.zeros_like(h)\nfor t in range(len(x)):\n    h = np.where(starts[t][:, None], 0.0, h)\n"
                "    h = step(x[t], h)\n    states.append(h)"
            ),
        ),
        (
            "zeroes all copies",
            unroll(
                "for t in range(len(x)):\n    h = step(x[t], 0 * h if starts[t].any() else h)\n    states.append(h)"
            ),
        ),
        (
            "one step late",
            unroll(
                "for t in range(len(x)):\n    h = step(x[t], h)\n    states.append(h)\n"
                "    h = np.where(starts[t][:, None], 0.0, h)"
            ),
        ),
        (
            "before each step",
            unroll(
                "for t in range(len(x)):\n    h = np.where(starts[t][:, None], 0.0, h)\n    states.append(h)\n"
                "    h = step(x[t], h)"
            ),
        ),
    ],
    "04-2": [
        ("letters A to D", 'def diagnosis():\n    return {"A": 2, "B": 1}'),
        ("asks the actor only", 'def diagnosis():\n    return {"A": 2, "B": 5, "C": 4, "D": 3}'),
        ("in any order", 'def diagnosis():\n    return {"A": 2, "B": 1, "C": 6, "D": 3}'),
        ("not forgotten", 'def diagnosis():\n    return {"A": 3, "B": 1, "C": 4, "D": 2}'),
        ("wrong at first", 'def diagnosis():\n    return {"A": 2, "B": 4, "C": 1, "D": 3}'),
    ],
    "04-3": [
        ("exact solution", "def left_after(k, tau, f, delta):\n    return np.exp(-k * delta * (1 / tau + f))"),
        ("f is missing", "def left_after(k, tau, f, delta):\n    return (1 + delta / tau) ** -k"),
        ("Euler", "def left_after(k, tau, f, delta):\n    return (1 - delta * (1 / tau + f)) ** k"),
        ("multiply", "def left_after(k, tau, f, delta):\n    return 1 / (1 + delta * (1 / tau + f))"),
        ("one over it", "def left_after(k, tau, f, delta):\n    return (1 + delta * (1 / tau + f)) ** k"),
    ],
    "04-4": [
        ("too short", "def enough_steps():\n    return 1"),
        ("a quarter of it", "def enough_steps():\n    return 64"),
        ("one of 1, 2, 4", "def enough_steps():\n    return 10"),
    ],
    "04-5": [
        ("dict of settings", "def my_pole():\n    return 3"),
        ("liquid one", pole('cell=dict(name="gru", neurons=2)')),
        ("two neurons at most", pole('cell="ltc"')),
        ("fewer than six", pole('cell=dict(name="ltc", neurons=2), rollout_steps=512, minibatch_size=512')),
        ("hardly moves", pole(SHORT + ", learning_rate=1e-6")),
        ("throws away", pole(SHORT + ", learning_rate=0.2, clip=1e6")),
    ],
}
