"""Plausible wrong answers to the exercises of notebook 09, and words of the hint each must get."""


def spring(rate: str, order: str = "y, v = y + dt * v, v + dt * {}", first: str = "[]") -> str:
    return (
        "def spring(start, goal, alpha, steps, dt):\n"
        f"    y, v, out = start, 0.0, {first}\n"
        "    for _ in range(steps - len(out)):\n"
        f"        {order.format(rate)}\n"
        "        out.append(y)\n"
        "    return np.array(out)"
    )


RATE = "alpha * (alpha / 4 * (goal - y) - v)"


def share(body: str) -> str:
    return f"def share_left(alpha, t):\n    return {body}"


def imitate(columns: str, rest: str, ends: str = "start, goal") -> str:
    return (
        "def imitate(dmp, path, start, goal):\n"
        f"    spring, each = unit_paths(dmp, {ends})\n"
        f"    return torch.linalg.lstsq(({columns}).T, ({rest})[:, None]).solution[:, 0]"
    )


def heads(body: str) -> str:
    return (
        "def head_targets(rewards, next_value, gamma):\n"
        "    k = len(rewards)\n"
        "    def paid(j, value):\n"
        "        return sum(gamma ** (i - j) * rewards[i] for i in range(j, k)) + gamma ** (k - j) * value\n"
        f"    return np.array([{body} for j in range(k)])"
    )


def lesson(body: str) -> str:
    return f"def my_lesson():\n    return {body}"


def held(body: str) -> str:
    return f"def held_factor(k):\n    return {body}"


WRONG = {
    "09-1": [
        ("compute both rates first", spring(RATE, "y = y + dt * v; v = v + dt * {}")),
        ("before the position moves", spring(RATE, "v = v + dt * {}; y = y + dt * v")),
        ("β is α/4", spring("alpha * (alpha * (goal - y) - v)")),
        ("after the first step", spring(RATE, first="[start]")),
        ("pulls away", spring("alpha * (alpha / 4 * (y - goal) - v)")),
    ],
    "09-2": [
        ("not at rest", share("np.exp(-alpha * t / 2)")),
        ("share that is done", share("1 - (1 + alpha * t / 2) * np.exp(-alpha * t / 2)")),
        ("not -α", share("(1 + alpha * t) * np.exp(-alpha * t)")),
        ("slope must vanish", share("(1 - alpha * t / 2) * np.exp(-alpha * t / 2)")),
    ],
    "09-3": [
        ("the spring moves too", imitate("each", "path")),
        ("columns still hold", imitate("each + spring", "path - spring")),
        ("swapped", imitate("each", "path - spring", "goal, start")),
    ],
    "09-4": [
        ("repeats the first head", heads("paid(0, next_value)")),
        ("is missing", heads("paid(j, 0.0)")),
        ("k - j steps away", heads("paid(j, 0.0) + gamma * next_value")),
        ("look back in time", "def head_targets(rewards, next_value, gamma):\n"
         "    out, after = [], next_value\n"
         "    for reward in rewards:\n"
         "        after = reward + gamma * after\n"
         "        out.append(after)\n"
         "    return np.array(out)"),
        ("are not discounted", heads("sum(rewards[j:]) + gamma ** (k - j) * next_value")),
    ],
    "09-5": [
        ("return two things", lesson("0.7")),
        ("between 0 and 2", lesson("5.0, {}")),
        ("hardly made a mistake", lesson("0.0, {}")),
        ("a fifth of a second", lesson("0.7, dict(plan=dict(chunk=50))")),
    ],
    "09-6": [
        ("k times fewer", held("k")),
        ("each of them is k long", held("k**-0.5")),
        ("no longer cancel", held("1.0")),
    ],
}  # fmt: skip
