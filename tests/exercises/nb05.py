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
        "    written = rows < replay.size\n"
        f"    return {body}"
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
    return f"def nats_per_doubling(power):\n    return {value}"


def settings(body: str) -> str:
    return f"def my_settings():\n    return {body}"


WRONG = {
    "05-1": [
        ("tanh is missing", gradient("q_slope @ x / len(x)")),
        ("this is the sum", gradient("(q_slope * (1 - action**2)) @ x")),
        ("takes tanh a second time", gradient("(q_slope * (1 - np.tanh(action) ** 2)) @ x / len(x)")),
        ("the sign", gradient("-(q_slope * (1 - action**2)) @ x / len(x)")),
        ("dQ/da is missing", gradient("x.T @ (1 - action**2) / len(x)")),
        ("one gradient for each row", gradient("(q_slope * (1 - action**2))[:, None] * x")),
        ("number of rows", gradient("((q_slope * (1 - action**2))[:, None] * x).sum(0) / len(x[0])")),
        ("with a square", gradient("(q_slope * (1 - action)) @ x / len(x)")),
        ("shape ()", gradient("(q_slope[:, None] * (1 - action**2)[:, None] * x).mean()")),
        ("entry [0] is", gradient("(q_slope * action**2) @ x / len(x)")),
    ],
    "05-2": [
        ("ran out of time", target("reward + gamma * (1 - np.maximum(terminated, truncated)) * next_q")),
        ("a fall does not", target("reward + gamma * (1 - truncated) * next_q")),
        ("the factor 1 - d", target("reward + gamma * next_q")),
        ("last step counts too", target("(1 - terminated) * (reward + gamma * next_q)")),
        ("γ is missing", target("reward + (1 - terminated) * next_q")),
        ("r_t is not discounted", target("gamma * (reward + (1 - terminated) * next_q)")),
        ("turned round", target("reward + gamma * terminated * next_q")),
        ("the reward is missing", target("gamma * (1 - terminated) * next_q")),
        ("is expected", target("reward + gamma**2 * (1 - terminated) * next_q")),
    ],
    "05-3": [
        ("row 19", rows("written & ~newest & ~replay.truncated & (rows < replay.capacity - 1)")),
        ("as before", rows("written")),
        ("the row written last?", rows("written & ~replay.truncated")),
        ("first observation of the next", rows("written & ~newest")),
        ("falls are thrown away too", rows("written & ~newest & ~replay.truncated & ~replay.terminated")),
        ("the oldest row", rows("written & (rows != replay.position % replay.size) & ~replay.truncated")),
        ("the other way round", rows("written & ~newest & ~replay.terminated")),
        ("this is the opposite", rows("~written | newest | replay.truncated")),
        ("never written", rows("~newest & ~replay.truncated")),
        ("numbers of the rows", rows("np.flatnonzero(written & ~newest & ~replay.truncated)")),
        ("the clock ended its episode", rows("written & ~newest & (~replay.truncated | (rows > 4))")),
        ("another episode", rows("written & ~newest & ~np.roll(replay.truncated, 1)")),
        ("it was written last", rows("written & ~replay.truncated & (rows != replay.position % replay.capacity)")),
        ("the row is sound", rows("written & ~newest & ~replay.truncated & ~np.roll(replay.truncated, 1)")),
        ("it ends in a fall", rows("written & ~newest & ~replay.truncated & ~(replay.terminated & (rows > 4))")),
    ],
    "05-4": [
        ("the sign", lower("sd * np.sqrt((1 - correlation) / np.pi)")),
        ("right for independent errors", lower("-sd / np.sqrt(np.pi)")),
        ("factor ½", lower("-2 * sd * np.sqrt((1 - correlation) / np.pi)")),
        ("1 - ρ belongs under the root", lower("-sd * (1 - correlation) / np.sqrt(np.pi)")),
        ("under the root together", lower("-sd * (1 - correlation) * np.sqrt(2) / np.sqrt(np.pi)")),
        ("1 - ρ, not 1 + ρ", lower("-sd * np.sqrt((1 + correlation) / np.pi)")),
        ("not its variance", lower("-0.5 * 2 * sd**2 * (1 - correlation) * np.sqrt(2 / np.pi)")),
        ("a second time", lower("-np.sqrt(sd * (1 - correlation) / np.pi)")),
        ("too small", lower("-sd * np.sqrt(2 * (1 - correlation) / np.pi)")),
        ("too large", lower("0 * sd")),
    ],
    "05-5": [
        ("that is the density of u", density("gaussian.sum(-1)")),
        ("is subtracted", density("(gaussian + flat).sum(-1)")),
        ("the wider the Gaussian", density("(gaussian + 2 * np.log(sd) - flat).sum(-1)")),
        ("log σ is missing", density("(gaussian + np.log(sd) - flat).sum(-1)")),
        ("log density at the mean", density("(gaussian + 0.5 * noise**2 - flat).sum(-1)")),
        ("one number for each row", density("gaussian - flat")),
        ("not the mean", density("(gaussian - flat).mean(-1)")),
        ("with a square", density("(gaussian - np.log(1 - np.tanh(mean + sd * noise))).sum(-1)")),
        ("the constant", density("(gaussian + 0.5 * np.log(2 * np.pi) - flat).sum(-1)")),
        ("that is the density; its logarithm", density("np.exp((gaussian - flat).sum(-1))")),
        ("shape ()", density("(gaussian - flat).sum()")),
        ("is expected", density("(gaussian - np.log(1 - np.tanh(noise) ** 2)).sum(-1)")),
    ],
    "05-6": [
        ("quadratic hill only", nats("np.log(2) / 2")),
        ("twice the width", nats("np.log(2)")),
        ("in bits", nats("1 / power")),
        ("factor of the width", nats("2 ** (1 / power)")),
        ("the exponent is 1/p", nats("power * np.log(2)")),
        ("the sign", nats("-np.log(2) / power")),
        ("price of a nat", nats("1")),
        ("½ too much", nats("np.log(2) / (2 * power)")),
        ("too", nats("np.log(2) ** power")),
    ],
    "05-7": [
        ("must be a dict", settings("[('tau', 0.02)]")),
        ("leave `seed` out", settings("dict(tau=0.02, seed=3)")),
        ("5,000 at most", settings("dict(learning_starts=5_500, updates_per_step=2.0)")),
        ("more than 6,000 updates", settings("dict(updates_per_step=4.0)")),
        ("fewer than 1,000 updates", settings("dict(updates_per_step=0.1)")),
        ("Q promises far more", settings("dict(tau=0.001)")),
        ("learning_rte", settings("dict(learning_rte=1e-3)")),
        ("Q promises far more", settings("dict()")),
    ],
}
