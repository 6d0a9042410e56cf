"""Plausible wrong answers to the exercises of notebook 05, and words of the hint each must get."""


def gradient(body: str) -> str:
    return f"def actor_gradient(x, action, q_slope):\n    return {body}"


def target(body: str) -> str:
    return f"def target(reward, terminated, truncated, next_q, gamma):\n    return {body}"


def rows(body: str) -> str:
    return (
        "def drawable(replay):\n"
        "    rows = np.arange(replay.capacity)\n"
        "    newest = rows == (replay.position - 1) % replay.capacity\n"
        f"    return (rows < replay.size) & {body}"
    )


def lower(body: str) -> str:
    return f"def lower_error(sd, correlation):\n    return {body}"


def density(body: str) -> str:
    return (
        "def squashed_log_prob(mean, sd, noise):\n"
        "    gaussian = -0.5 * noise**2 - np.log(sd) - 0.5 * np.log(2 * np.pi)\n"
        "    flat = np.log(1 - np.tanh(mean + sd * noise) ** 2)\n"
        f"    return {body}"
    )


def nats(value: str) -> str:
    return f"def nats_per_doubling():\n    return {value}"


def settings(body: str) -> str:
    return f"def my_settings():\n    return {body}"


WRONG = {
    "05-1": [
        ("the tanh is forgotten", gradient("q_slope @ x / len(x)")),
        ("this is the sum", gradient("(q_slope * (1 - action**2)) @ x")),
        ("a is tanh(x w) already", gradient("(q_slope * (1 - np.tanh(action) ** 2)) @ x / len(x)")),
        ("the sign", gradient("-(q_slope * (1 - action**2)) @ x / len(x)")),
    ],
    "05-2": [
        ("ran out of time", target("reward + gamma * (1 - np.maximum(terminated, truncated)) * next_q")),
        ("a fall does not", target("reward + gamma * (1 - truncated) * next_q")),
        ("the factor 1 - d", target("reward + gamma * next_q")),
        ("last step counts too", target("(1 - terminated) * (reward + gamma * next_q)")),
        ("γ is missing", target("reward + (1 - terminated) * next_q")),
    ],
    "05-3": [
        ("as before", rows("True")),
        ("below the row written last", rows("~replay.truncated")),
        ("stands the first of the next", rows("~newest")),
        ("falls are thrown away too", rows("~newest & ~replay.truncated & ~replay.terminated")),
        ("it is the oldest row", rows("(rows != replay.position % replay.size) & ~replay.truncated")),
        ("the other way round", rows("~newest & ~replay.terminated")),
    ],
    "05-4": [
        ("the sign", lower("sd * np.sqrt((1 - correlation) / np.pi)")),
        ("right for independent errors", lower("-sd / np.sqrt(np.pi)")),
        ("factor ½", lower("-2 * sd * np.sqrt((1 - correlation) / np.pi)")),
        ("its standard deviation is", lower("-sd * (1 - correlation) * np.sqrt(2) / np.sqrt(np.pi)")),
        ("1 - ρ, not 1 + ρ", lower("-sd * np.sqrt((1 + correlation) / np.pi)")),
    ],
    "05-5": [
        ("that is the density of u", density("gaussian.sum(-1)")),
        ("is subtracted", density("(gaussian + flat).sum(-1)")),
        ("- log σ", density("(gaussian + np.log(sd) - flat).sum(-1)")),
        ("one number for each row", density("gaussian - flat")),
        ("not the mean", density("(gaussian - flat).mean(-1)")),
    ],
    "05-6": [
        ("it is the variance that doubles", nats("np.log(2)")),
        ("in bits that is right", nats("0.5")),
        ("how the width grows", nats("2**0.5")),
        ("is not α", nats("1")),
    ],
    "05-7": [
        ("must be a dict", settings("[('tau', 0.02)]")),
        ("more than 6,000 updates", settings("dict(updates_per_step=4.0)")),
        ("critics have hardly begun", settings("dict(updates_per_step=0.1)")),
        ("Q promises too much still", settings("dict(tau=0.001)")),
    ],
}
