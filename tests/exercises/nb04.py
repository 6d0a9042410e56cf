"""Plausible wrong answers to the exercises of notebook 04, and words of the hint each must get."""


def unroll(body: str) -> str:
    """`unroll` with `body` in place of the solution, indented by four."""
    lines = "\n".join("    " + line for line in body.strip().splitlines())
    return f"def unroll(step, x, starts, h):\n    states = []\n{lines}\n    return np.stack(states)"


def left(formula: str) -> str:
    return f"def left_after(k, tau, f, delta):\n    return {formula}"


def old(names: str = '("rollout", "rate")', **changes: str) -> str:
    """An answer to 4.5: the right changes but for those given."""
    right = dict(
        input='dict(cell={**CELL, "options": {"input": "initial"}})',
        gradient="dict(sequence_length=1)",
        rollout="dict(rollout_steps=256)",
        rate='dict(learning_rate=3e-4, lr_schedule="linear")',
    )
    entries = ", ".join(f'"{name}": {change}' for name, change in {**right, **changes}.items())
    return f"def old_choices():\n    return {{{entries}}}, {names}"


def pole(settings: str) -> str:
    return f"def my_pole():\n    return dict({settings})"


TWO = "cell={**CELL, 'neurons': 2}"
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
        (
            "in place after it was stored",
            unroll("for t in range(len(x)):\n    h[starts[t]] = 0\n    h = step(x[t], h)\n    states.append(h)"),
        ),
        (
            "nothing is remembered",
            unroll("for t in range(len(x)):\n    states.append(step(x[t], np.zeros_like(h)))"),
        ),
        (
            "the same array was stored",
            unroll(
                "for t in range(len(x)):\n    h[starts[t]] = 0\n    h[:] = step(x[t], h)\n    states.append(h)",
            ),
        ),
        (
            "it stops with ValueError",  # room for as many numbers as there are inputs, not as many as the state has
            unroll(
                "out = np.zeros_like(x)\nfor t in range(len(x)):\n    h = step(x[t], h * ~starts[t][:, None])\n"
                "    out[t] = h\nreturn out"
            ),
        ),
        (
            "it stops with",
            unroll(
                "for t in range(len(x)):\n    h = np.where(starts[t], 0.0, h)\n    h = step(x[t], h)\n"
                "    states.append(h)"
            ),
        ),
        (
            "is expected",
            unroll(
                "for t in range(len(x)):\n    h = step(np.where(starts[t][:, None], 0, x[t]), h)\n    states.append(h)"
            ),
        ),
    ],
    "04-2": [
        ("letters A to D", 'def diagnosis():\n    return {"A": 2, "B": 1}'),
        ("asks the actor only", 'def diagnosis():\n    return {"A": 2, "B": 5, "C": 4, "D": 3}'),
        ("in any order", 'def diagnosis():\n    return {"A": 2, "B": 1, "C": 6, "D": 3}'),
        ("not forgotten", 'def diagnosis():\n    return {"A": 3, "B": 1, "C": 4, "D": 2}'),
        ("wrong at first", 'def diagnosis():\n    return {"A": 2, "B": 4, "C": 1, "D": 3}'),
        ("not forgotten", 'def diagnosis():\n    return {"A": 1, "B": 2, "C": 4, "D": 3}'),
        ("What else enters", 'def diagnosis():\n    return {"A": 2, "B": 1, "C": 3, "D": 4}'),
        ("the same bug", 'def diagnosis():\n    return {"A": 2, "B": 1, "C": 4, "D": 2}'),
        ("letters A to D", 'def diagnosis():\n    return {"A": 2, "B": 1, "C": 4, "D": 7}'),
    ],
    "04-3": [
        ("exact solution", left("np.exp(-k * delta * (1 / tau + f))")),
        ("f is missing", left("(1 + delta / tau) ** -k")),
        ("Euler", left("(1 - delta * (1 / tau + f)) ** k")),
        ("k steps multiply: the factor", left("1 / (1 + delta * (1 / tau + f))")),
        ("one over it", left("(1 + delta * (1 / tau + f)) ** k")),
        ("they do not add up", left("1 / (1 + k * delta * (1 / tau + f))")),
        ("δ is missing", left("(1 + 1 / tau + f) ** -k")),
        ("whole bracket", left("(1 + delta / tau + f) ** -k")),
        ("must leave more", left("(1 + delta * (tau + f)) ** -k")),
        ("τ is missing", left("(1 + delta * f) ** -k")),
        ("the answer is too", left("f * (1 - f) * (1 + delta * (1 / tau + f)) ** -k")),
    ],
    "04-4": [
        ("too short", "def enough_steps():\n    return 1"),
        ("too short", "def enough_steps():\n    return 2"),
        ("a quarter of it", "def enough_steps():\n    return 64"),
        ("a quarter of it", "def enough_steps():\n    return 32"),
        ("one of 1, 2, 4", "def enough_steps():\n    return 10"),
        ("one of 1, 2, 4", "def enough_steps():\n    return 128"),
        ("one of 1, 2, 4", "def enough_steps():\n    return 0.44"),
    ],
    "04-5": [
        ("counts the steps of one copy", old(rollout="dict(rollout_steps=2048)")),
        ("two settings", old(rate="dict(learning_rate=3e-4)")),
        ("pieces of length 1", old(gradient="dict(sequence_length=8)")),
        ("one option of the cell", old(input='dict(cell={"name": "ltc", "options": {"input": "initial"}})')),
        ("another choice costs more", old('("input", "gradient")')),
        ("another choice costs more", old('("gradient", "rate")')),
        ("an empty change", old(gradient="dict()")),
        ("are called", old('("rollout", "rollout")')),
        ("two names", "def old_choices():\n    return {}"),
        ("it stops with", old(gradient="dict(sequence_length=0)")),
        ("no setting of cl.PPOConfig", old(rollout="dict(rollout_steps=256, num_envs=8)")),
    ],
    "04-6": [
        ("dict of settings", "def my_pole():\n    return 3"),
        ("liquid one", pole('cell=dict(name="gru", neurons=2)')),
        ("two neurons at most", pole("learning_rate=2e-2")),
        ("must do it alone", pole("cell={**CELL, 'neurons': 1, 'feedthrough': True}")),
        ("must do it alone", pole("cell={**CELL, 'neurons': 2, 'encoder': 8}")),
        ("eight copies and 4,096 steps are fixed", pole(TWO + ", num_envs=16")),
        ("no setting of cl.PPOConfig", pole("neurons=2")),
        ("fewer than six", pole(TWO + ", rollout_steps=512, minibatch_size=512")),
        ("hardly moves", pole(TWO + ", learning_rate=1e-6")),
        ("throws away", pole(TWO + ", learning_rate=0.2, clip=1e6")),
        ("look sane", pole(TWO)),
        ("look sane", pole("cell={**CELL, 'neurons': 1}")),
    ],
}
