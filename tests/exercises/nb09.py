"""Plausible wrong answers to the exercises of notebook 09, and words of the hint each must get."""


def spring(rate: str, order: str = "y, v = y + dt * v, v + dt * {}", first: str = "[]", kept: str = "y") -> str:
    return (
        "def spring(start, goal, alpha, steps, dt):\n"
        f"    y, v, out = start, 0.0, {first}\n"
        "    for _ in range(steps - len(out)):\n"
        f"        {order.format(rate)}\n"
        f"        out.append({kept})\n"
        "    return np.array(out)"
    )


RATE = "alpha * (alpha / 4 * (goal - y) - v)"


def share(body: str) -> str:
    return f"def share_left(alpha, t):\n    return {body}"


def imitate(columns: str, rest: str, ends: str = "start, goal", after: str = "") -> str:
    return (
        "def imitate(dmp, path, start, goal):\n"
        f"    spring, each = oracles.unit_paths(dmp, {ends})\n"
        f"    return torch.linalg.lstsq(({columns}).T, ({rest})[:, None]).solution[:, 0]{after}"
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


def noise(
    answer: str, goal: str = "sigma * one[:, :1]", weights: str = "sigma * dmp.stiffness * one[:, None, 1:]"
) -> str:
    return (
        "def plan_covariance(dmp, sigma):\n"
        "    one = torch.eye(dmp.basis + 1).double()\n"
        f"    paths = dmp({goal}, {weights}, torch.zeros(dmp.basis + 1, 1).double()).position[..., 0]\n"
        f"    return {answer}"
    )


WRONG = {
    "09-1": [
        ("compute both rates first", spring(RATE, "y = y + dt * v; v = v + dt * {}")),
        ("before the position moves", spring(RATE, "v = v + dt * {}; y = y + dt * v")),
        ("β is α/4", spring("alpha * (alpha * (goal - y) - v)")),
        ("in front of g - y is missing", spring("alpha * (goal - y - v)")),
        ("the velocity too", spring("(alpha * alpha / 4 * (goal - y) - v)")),
        ("friction is missing", spring("alpha * alpha / 4 * (goal - y)")),
        ("slow the point down", spring("alpha * (alpha / 4 * (goal - y) + v)")),
        ("after the first step", spring(RATE, first="[start]")),
        ("pulls away", spring("alpha * (alpha / 4 * (y - goal) - v)")),
        ("these are the velocities", spring(RATE, kept="v")),
        ("shape", spring(RATE).replace("range(steps", "range(steps + 1")),
    ],
    "09-2": [
        ("not at rest", share("np.exp(-alpha * t / 2)")),
        ("share that is done", share("1 - (1 + alpha * t / 2) * np.exp(-alpha * t / 2)")),
        ("not -α", share("(1 + alpha * t) * np.exp(-alpha * t)")),
        ("stands -α/2", share("(1 + alpha * t / 2) * np.exp(-alpha * t)")),
        ("c is α/2, not α", share("(1 + alpha * t) * np.exp(-alpha * t / 2)")),
        ("c depends on α", share("(1 + t) * np.exp(-alpha * t / 2)")),
        ("sign of c", share("(1 - alpha * t / 2) * np.exp(-alpha * t / 2)")),
        ("sign of the exponent", share("(1 + alpha * t / 2) * np.exp(alpha * t / 2)")),
        ("exponential is missing", share("1 + alpha * t / 2")),
        ("must start at rest", share("(1 + alpha * t / 4) * np.exp(-alpha * t / 2)")),
    ],
    "09-3": [
        ("the spring moves too", imitate("each", "path")),
        ("columns still hold", imitate("each + spring", "path - spring")),
        ("both columns and path", imitate("each + spring", "path")),
        ("swapped", imitate("each", "path - spring", "goal, start")),
        ("does not rest at the start", imitate("each", "path - start")),
        ("in units of αβ", imitate("each", "path - spring", after=" / dmp.stiffness")),
        ("the sign", imitate("each", "spring - path")),
        ("shape", imitate("each", "path - spring", after="[1:]")),
        ("entry [0] is", imitate("each", "path - spring - each[0]")),
    ],
    "09-4": [
        ("repeats the first head", heads("paid(0, next_value)")),
        ("is missing", heads("paid(j, 0.0)")),
        ("is not discounted: it is k - j", heads("paid(j, 0.0) + next_value")),
        ("k - j steps away for head j, not one", heads("paid(j, 0.0) + gamma * next_value")),
        ("not k", heads("paid(j, 0.0) + gamma**k * next_value")),
        ("one factor of γ too few", heads("paid(j, next_value / gamma)")),
        ("look back in time", "def head_targets(rewards, next_value, gamma):\n"
         "    out, after = [], next_value\n"
         "    for reward in rewards:\n"
         "        after = reward + gamma * after\n"
         "        out.append(after)\n"
         "    return np.array(out)"),
        ("reverse order", heads("paid(k - 1 - j, next_value)")),
        ("are not discounted", heads("sum(rewards[j:]) + gamma ** (k - j) * next_value")),
        ("first reward is not discounted", heads("gamma**j * paid(j, 0.0) + gamma ** (k - j) * next_value")),
        ("too many", heads("gamma * paid(j, 0.0) + gamma ** (k - j) * next_value")),
        ("one reward and the value at once", heads("rewards[j] + gamma * next_value")),
        ("one reward only", heads("rewards[j] + gamma ** (k - j) * next_value")),
    ],
    "09-5": [
        ("return two things", lesson("0.7")),
        ("return two things", lesson("0.5, dict(hiden=(64, 64))")),
        ("return two things", lesson("'much', {}")),
        ("between 0 and 2", lesson("5.0, {}")),
        ("between 0 and 2", lesson("float('nan'), {}")),
        ("strays too little", lesson("0.0, {}")),
        ("a fifth of a second", lesson("0.5, dict(plan=dict(chunk=50))")),
        ("so much", lesson("2.0, {}")),
        ("settings of the network", lesson("0.5, dict(hidden=(1,))")),
    ],
    "09-6": [
        ("k times fewer", held("k")),
        ("each of them is k long", held("k**-0.5")),
        ("no longer cancel", held("1.0")),
        ("not its square", held("k**1.5")),
        ("k² is the mean square", held("k**2")),
        ("how many times as far", held("np.sqrt(300 * k)")),
        ("number of pieces", held("np.sqrt(300 / k)")),
        ("compare it with the measurement", held("np.sqrt(2 * k)")),
    ],
    "09-7": [
        ("σαβ", noise("paths.T @ paths", weights="sigma * one[:, None, 1:]")),
        ("σ counts squared", noise("paths.T @ paths / sigma")),
        ("σ is missing", noise("paths.T @ paths / sigma**2")),
        ("noise on the goal is missing", noise("paths.T @ paths", goal="0 * one[:, :1]")),
        ("noise on the weights is missing", noise("paths.T @ paths", weights="0 * one[:, None, 1:]")),
        ("rest of the matrix", noise("torch.diag((paths**2).sum(0))")),
        ("these are the variances alone; the covariance is a matrix", noise("(paths**2).sum(0)")),
        ("these are standard deviations", noise("(paths**2).sum(0).sqrt()")),
        ("the same random number", noise("torch.outer(paths.sum(0), paths.sum(0))")),
        ("sum over points", noise("paths @ paths.T")),
        ("these are correlations", noise("torch.corrcoef(torch.cat([paths, -paths]).T)")),
    ],
}  # fmt: skip
