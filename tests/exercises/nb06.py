"""Plausible wrong answers to the exercises of notebook 06, and words of the hint each must get."""


def reward(line: str) -> str:
    return f"def sprint_reward(x, z, fell):\n    return {line}"


def noisy(line: str) -> str:
    return (
        "def noisy_output(mean, sigma):\n    def loss(z):\n"
        f"        return stats.norm.pdf(z) - z * (1 - stats.norm.cdf(z))\n\n    return {line}"
    )


def strides(
    edge: str = "~c[:-1] & c[1:]",
    share: str = "(t - b) / (e - b)",
    lag: str = "np.angle(m) / (2 * np.pi) % 1",
    sure: str = "abs(m)",
    keep: str = "",
    feet: str = "down",
    back: str = "np.array(lags), np.array(sure)",
) -> str:
    """An answer to 6.3 that walks through the strides of LF one by one."""
    return f"""def phases(contacts):
    down = [np.flatnonzero({edge}) + 1 for c in contacts.T]
    lags, sure = [], []
    for foot in {feet}:
        s = []
        for b, e in zip(down[0][:-1], down[0][1:]):
            s += [{share} for t in foot[(foot >= b) & (foot < e)]{keep}]
        m = np.mean(np.exp(2j * np.pi * np.array(s)))
        lags.append({lag})
        sure.append({sure})
    return {back}"""


PAIRS = """def phases(contacts):
    down = [np.flatnonzero(~c[:-1] & c[1:]) + 1 for c in contacts.T]
    lags, sure = [], []
    for foot in down:
        s = [(t - b) / (e - b) for t, b, e in zip(foot, down[0][:-1], down[0][1:])]
        m = np.mean(np.exp(2j * np.pi * np.array(s)))
        lags.append(np.angle(m) / (2 * np.pi) % 1)
        sure.append(abs(m))
    return np.array(lags), np.array(sure)"""
FIRST = """def phases(contacts):
    down = [np.flatnonzero(~c[:-1] & c[1:]) + 1 for c in contacts.T]
    begin, end = down[0][:2]
    lags = [(foot[foot >= begin][0] - begin) / (end - begin) % 1 for foot in down]
    return np.array(lags), np.ones(4)"""


def blame(*measures) -> str:
    return f"def what_grows():\n    return {dict(zip(CHANGED, measures, strict=True))!r}"


def space(inside: str) -> str:
    return f"def next_space():\n    return {{{inside}}}"


LATE = "targets[k - dead] if k >= dead else 0.0"


def slow(share: str = "1 - np.exp(-dt / lag)", wanted: str = LATE, start="0.0") -> str:
    return f"""def slow_motor(targets, dt, lag, dead):
    at, out = {start}, []
    for k in range(len(targets)):
        at = at + ({share}) * (({wanted}) - at)
        out.append(at)
    return np.array(out)"""


APPEND = "        out.append(at)\n"
BEFORE = slow().replace(APPEND, "").replace("        at = at", f"{APPEND}        at = at")
CHANGED = ("no velocity", "no yaw_rate", "10 x effort")
TRACKS, TURNS, POWER, JERKS = "tracking_error_m_s", "turning_error_rad_s", "power_W", "action_change"
RATE = '"learning_rate": cl.log_uniform(1e-4, 5e-3)'
GAMMA = '"gamma": cl.uniform(0.9, 0.999)'
WRONG = {
    "06-1": [
        ("mean speed", reward("(x[-1] - x[0]) / 0.01 + (z[1:] - 0.5).sum() - 100.0 * fell")),
        ("pays metres", reward("x[-1] - x[0] + (z[1:] - 0.5).sum() - 100.0 * fell")),
        ("five times", reward("(x[-1] - x[0]) / 0.002 + z[-1] - 0.5 - 100.0 * fell")),
        ("not six", reward("(x[-1] - x[0]) / 0.002 + (z - 0.5).sum() - 100.0 * fell")),
        ("not those before", reward("np.diff(x).sum() / 0.002 + (z[:-1] - 0.5).sum() - 100.0 * fell")),
        ("above half a metre", reward("(x[-1] - x[0]) / 0.002 + z[1:].sum() - 100.0 * fell")),
        ("each of the five heights", reward("(x[-1] - x[0]) / 0.002 + z[1:].sum() - 0.5 - 100.0 * fell")),
        ("fined once", reward("(x[-1] - x[0]) / 0.002 + (z[1:] - 0.5).sum() - 500.0 * fell")),
        ("does not earn", reward("(x[-1] - x[0]) / 0.002 + (z[1:] - 0.5).sum() + 100.0 * fell")),
        ("fine for a fall is missing", reward("(x[-1] - x[0]) / 0.002 + (z[1:] - 0.5).sum()")),
        ("one by one", reward("(x[-1] - x[0]) / 0.02 + (z[1:] - 0.5).sum() - 100.0 * fell")),
    ],
    "06-2": [
        ("averaged before g", "def noisy_output(mean, sigma):\n    return dead_zone(mean)"),
        ("only the upper edge", noisy("sigma * loss((1 - mean) / sigma)")),
        ("same way", noisy("sigma * (loss((1 - mean) / sigma) + loss((1 + mean) / sigma))")),
        ("factor σ", noisy("loss((1 - mean) / sigma) - loss((1 + mean) / sigma)")),
        ("upside down", noisy("sigma * (loss((1 + mean) / sigma) - loss((1 - mean) / sigma))")),
        ("division by σ", noisy("sigma * (loss(1 - mean) - loss(1 + mean))")),
        ("also counts how far", noisy("stats.norm.sf((1 - mean) / sigma) - stats.norm.cdf((-1 - mean) / sigma)")),
        ("not exact enough", noisy("np.mean(dead_zone(mean + sigma * np.random.default_rng(0).normal(size=100_000)))")),
    ],
    "06-3": [
        ("the function returns one value; 2 are expected: lags", "def phases(contacts):\n    return np.float64(0.5)"),
        ("lifts off", strides(edge="c[:-1] & ~c[1:]")),
        ("first touchdown alone", FIRST),
        ("neighbours on the circle", strides(lag="np.mean(s)")),
        ("not by T / count", strides(share="(t - b) / (len(contacts) / len(down[0]))")),
        ("some are missing", PAIRS),
        ("AFTER LF", strides(share="(b - t) / (e - b)")),
        ("every one counts", strides(keep="[:1]")),
        ("circular variance", strides(sure="1 - abs(m)")),
        ("up to whole strides", strides(lag="np.angle(m) / (2 * np.pi)")),
        ("divide it by 2π", strides(lag="np.angle(m) % (2 * np.pi)")),
        ("of concentrations is", strides(sure="np.std(s)")),
        ("another order; lags, concentrations", strides(back="np.array(sure), np.array(lags)")),
        ("of lags is", strides(feet="(*down[:2], *down[:1:-1])")),
        ("of lags is", strides(lag="round(4 * (np.angle(m) / (2 * np.pi))) / 4 % 1")),
    ],
    "06-4": [
        ("three changes", "def what_grows():\n    return {'no velocity': 'tracking_error_m_s'}"),
        ("three changes", "def what_grows():\n    return ['tracking_error_m_s'] * 3"),
        ("is not among", blame("speed", TURNS, TRACKS)),
        ("save on", blame(TRACKS, TURNS, POWER)),
        ("save on", blame(TRACKS, TURNS, JERKS)),
        ("without velocity: this measure did not grow", blame(TURNS, TURNS, TRACKS)),
        ("without velocity", blame(POWER, TURNS, TRACKS)),
        ("without yaw_rate", blame(TRACKS, POWER, TRACKS)),
        ("ten times the effort: another", blame(TRACKS, TURNS, TRACKS)),
    ],
    "06-5": [
        ("dict of field", "def next_space():\n    return [1e-4, 5e-3]"),
        ("dict of field", space('"learning_rate": (1e-4, 1e-2), "gamma": (0.9, 0.99)')),
        ("no settings of learning", space(f'{RATE}, "seed": cl.integer(0, 9)')),
        ("no settings of learning", space(f'{RATE}, "torch_threads": cl.choice(1, 2)')),
        ("without a cell", space(f'{RATE}, "sequence_length": cl.choice(8, 16)')),
        ("thin", space(f'{RATE}, "epochs": cl.integer(2, 9), "clip": cl.choice(0.1, 0.2), {GAMMA}')),
        ("learning rate is missing", space(GAMMA)),
        ("lies outside", space(f'"learning_rate": cl.log_uniform(1e-5, 1e-4), {GAMMA}')),
        ("lies outside", space(f'"learning_rate": cl.log_uniform(2e-3, 5e-2), {GAMMA}')),
        ("factor of ten", space(f'"learning_rate": cl.log_uniform(5e-4, 2e-3), {GAMMA}')),
        ("evenly in its logarithm", space(f'"learning_rate": cl.uniform(1e-4, 5e-3), {GAMMA}')),
        ("evenly in its logarithm", space(f'"learning_rate": cl.choice(*np.linspace(1e-4, 1e-2, 9)), {GAMMA}')),
        ("leave it out", space(f'"learning_rate": cl.choice(1e-4, 5e-4, 2e-3, 1e-2), {GAMMA}')),
        ("too far up", space(f'"learning_rate": cl.log_uniform(1e-4, 10.0), {GAMMA}')),
        ("only factors that were", space(RATE)),
        ("only factors that were", space(f'{RATE}, "epochs": cl.integer(2, 20)')),
        ("its std_init is the noise at the start", space(f'{RATE}, "init_log_std": cl.uniform(-2.0, 0.0)')),
        ("one value only", space(f'{RATE}, "clip": cl.choice(0.1)')),
        ("does not take", space(f'{RATE}, "gamma": cl.uniform(0.9, 3.0)')),
        ("does not take", space(f'{RATE}, "std_init_": cl.uniform(0.5, 1.5)')),
    ],
    "06-6": [
        ("Euler step", slow("dt / lag")),
        ("not -lag / dt", slow("1 - np.exp(-lag / dt)")),
        ("that is LEFT", slow("np.exp(-dt / lag)")),
        ("dead time is missing", slow(wanted="targets[k]")),
        ("into the future", slow(wanted="targets[min(k + dead, len(targets) - 1)]")),
        ("one control step late", slow(wanted="targets[k - dead - 1] if k > dead else 0.0")),
        ("not at the first target", slow(start="targets[0]")),
        ("stays at 0", slow(wanted="targets[max(k - dead, 0)]")),
        ("negative index", slow(wanted="targets[k - dead]")),
        ("lag is missing", slow("1.0")),
        ("one control step late", BEFORE),
        ("entry [2] is", slow("1 + np.exp(-dt / lag)")),
    ],
}  # fmt: skip
ALSO_RIGHT = {
    "06-5": [
        space('"learning_rate": cl.choice(*np.geomspace(1e-4, 1e-2, 5)), "gamma": cl.uniform(0.95, 0.999)'),
        space(f'"learning_rate": cl.choice(1e-4, 3e-4, 1e-3, 1e-2), {GAMMA}'),
        space('"learning_rate": cl.log_uniform(1e-4, 1e-2), "hidden": cl.choice([64, 64], [128, 128])'),
        space(
            '"learning_rate": cl.log_uniform(1e-4, 1e-2), "cell": cl.choice("ltc", "gru"), '
            '"sequence_length": cl.choice(8, 16)'
        ),
    ],
    "06-3": [strides(share="1.0 if t == b else (t - b) / (e - b)")],  # the lag of LF becomes 1, which is 0
}
