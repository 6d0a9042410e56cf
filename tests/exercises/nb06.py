"""Plausible wrong answers to the exercises of notebook 06, and words of the hint each must get."""


def reward(line: str) -> str:
    return f"def sprint_reward(x, z, fell):\n    return {line}"


def noisy(line: str) -> str:
    return (
        "def noisy_output(mean, sigma):\n    def loss(z):\n"
        f"        return stats.norm.pdf(z) - z * (1 - stats.norm.cdf(z))\n\n    return {line}"
    )


PHASES = """def phases(contacts):
    down = [np.flatnonzero(~c[:-1] & c[1:]) + 1 for c in contacts.T]
    out = []
    for foot in down:
        begin, end = down[0][0], down[0][1]
        lag = foot[foot >= begin][0] - begin
        out.append({})
    return np.array(out)"""


def blame(*measures) -> str:
    return f"def what_grows():\n    return {dict(zip(CHANGED, measures, strict=True))!r}"


def space(inside: str) -> str:
    return f"def next_space():\n    return {{{inside}}}"


CHANGED = ("no velocity", "no yaw_rate", "10 x effort")
TRACKS, TURNS, POWER = "tracking_error_m_s", "turning_error_rad_s", "power_W"
RATE = '"learning_rate": cl.log_uniform(1e-4, 5e-3)'
WRONG = {
    "06-1": [
        ("mean speed", reward("(x[-1] - x[0]) / 0.01 + (z[1:] - 0.5).sum() - 100.0 * fell")),
        ("five times", reward("(x[-1] - x[0]) / 0.002 + z[-1] - 0.5 - 100.0 * fell")),
        ("not six", reward("(x[-1] - x[0]) / 0.002 + (z - 0.5).sum() - 100.0 * fell")),
        ("above half a metre", reward("(x[-1] - x[0]) / 0.002 + z[1:].sum() - 100.0 * fell")),
        ("fined once", reward("(x[-1] - x[0]) / 0.002 + (z[1:] - 0.5).sum() - 500.0 * fell")),
        ("fine for a fall is missing", reward("(x[-1] - x[0]) / 0.002 + (z[1:] - 0.5).sum()")),
    ],
    "06-2": [
        ("averaged before g", "def noisy_output(mean, sigma):\n    return dead_zone(mean)"),
        ("only the upper edge", noisy("sigma * loss((1 - mean) / sigma)")),
        ("same way", noisy("sigma * (loss((1 - mean) / sigma) + loss((1 + mean) / sigma))")),
        ("factor σ", noisy("loss((1 - mean) / sigma) - loss((1 + mean) / sigma)")),
        ("upside down", noisy("sigma * (loss((1 + mean) / sigma) - loss((1 - mean) / sigma))")),
    ],
    "06-3": [
        ("four numbers", "def phases(contacts):\n    return np.float64(0.5)"),
        ("length of the stride", PHASES.format("lag")),
        ("the sign", PHASES.format("-lag / (end - begin) % 1.0")),
        ("below 1", PHASES.format("lag / (end - begin) - 1.0")),
        ("in a wrong order", PHASES.format("lag / (end - begin)").replace("in down:", "in (*down[:2], *down[:1:-1]):")),
        ("made-up gait", PHASES.format("round(4 * lag / (end - begin)) / 4 % 1.0")),
    ],
    "06-4": [
        ("three changes", "def what_grows():\n    return {'no velocity': 'tracking_error_m_s'}"),
        ("without velocity", blame(POWER, TURNS, TRACKS)),
        ("without yaw_rate", blame(TRACKS, POWER, TRACKS)),
        ("save on", blame(TRACKS, TURNS, POWER)),
    ],
    "06-5": [
        ("dict of field", "def next_space():\n    return [1e-4, 5e-3]"),
        ("thin", space(f'{RATE}, "epochs": cl.integer(2, 9), "clip": cl.choice(0.1), "gamma": cl.uniform(0.9, 1)')),
        ("go on beyond", space('"learning_rate": cl.log_uniform(1e-5, 1e-4), "clip": cl.uniform(0.1, 0.3)')),
        ("spans decades", space('"learning_rate": cl.uniform(1e-4, 5e-3), "clip": cl.uniform(0.1, 0.3)')),
        ("trials there are lost", space('"learning_rate": cl.log_uniform(1e-4, 10.0), "clip": cl.uniform(0.1, 0.3)')),
        ("only factors that were", space(RATE)),
        ("does not take", space(f'{RATE}, "gamma": cl.uniform(0.9, 3.0)')),
    ],
}  # fmt: skip
