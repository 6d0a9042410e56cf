"""Plausible wrong answers to the exercises of notebook 02, and words of the hint each must get."""

RATIO = "ratio = (log_prob - old_log_prob).exp()"
CLIPPED = "ratio.clamp(1 - clip, 1 + clip) * advantage"


def surrogate(answer, ratio=RATIO):
    """An answer to 2.1."""
    return f"def clipped_surrogate(log_prob, old_log_prob, advantage, clip):\n    {ratio}\n    return {answer}"


DONE = "done = np.where(advantage > 0, ratio > 1 + clip, ratio < 1 - clip)"


def slope(answer, done=DONE):
    """An answer to 2.2."""
    return f"def surrogate_slope(ratio, advantage, clip):\n    {done}\n    return {answer}"


def gae(delta, tail, start="following = 0.0"):
    """An answer to 2.4: the TD error, and what is added to it; `over` is any end."""
    return f"""def advantages(rewards, values, next_values, terminated, truncated, gamma, lam):
    advantage, over = np.zeros(len(rewards)), terminated | truncated
    {start}
    for t in reversed(range(len(rewards))):
        following = {delta} + {tail}
        advantage[t] = following
    return advantage"""


DELTA = "rewards[t] + (1 - terminated[t]) * gamma * next_values[t] - values[t]"
TAIL = "(1 - over[t]) * gamma * lam * following"


def loss(
    joint="log_prob.sum(-1)",
    advantage="advantage",
    part="-torch.minimum(ratio * a, ratio.clamp(1 - clip, 1 + clip) * a).mean()",
    critic="0.25 * (value - target).square().mean()",
    a="(advantage - advantage.mean()) / (advantage.std() + 1e-8)",
):
    """An answer to 2.5."""
    return f"""def mended_loss(log_prob, old_log_prob, value, advantage, target, clip):
    ratio = ({joint} - old_log_prob).exp()
    advantage = {advantage}
    a = {a}
    return {part} + {critic}"""


AVERAGED, LATER = "log_prob.mean(-1)", "target - value"
OPTIMIST = "torch.minimum(-ratio * a, -ratio.clamp(1 - clip, 1 + clip) * a).mean()"


def settings(text):
    """An answer to 2.7."""
    return f"def my_settings():\n    return {text}"


WRONG = {
    "02-1": [
        (
            "smaller of two means",
            surrogate(f"torch.minimum((ratio * advantage).mean(), ({CLIPPED}).mean())"),
        ),
        ("that is the larger", surrogate(f"torch.maximum(ratio * advantage, {CLIPPED}).mean()")),
        ("no gradient back", surrogate(f"({CLIPPED}).mean()")),
        ("not clipped at all", surrogate("(ratio * advantage).mean()")),
        ("the sign", surrogate(f"-torch.minimum(ratio * advantage, {CLIPPED}).mean()")),
        (
            "upside down",
            surrogate(f"torch.minimum(ratio * advantage, {CLIPPED}).mean()", "ratio = (old_log_prob - log_prob).exp()"),
        ),
        ("that is a sum", surrogate(f"torch.minimum(ratio * advantage, {CLIPPED}).sum()")),
        (
            "not the product",
            surrogate("(ratio * advantage).clamp(1 - clip, 1 + clip).minimum(ratio * advantage).mean()"),
        ),
        (
            "exp of the difference",
            surrogate(f"torch.minimum(ratio * advantage, {CLIPPED}).mean()", "ratio = log_prob - old_log_prob"),
        ),
        ("has shape (9,)", surrogate(f"torch.minimum(ratio * advantage, {CLIPPED})")),
        (
            "by hand",
            surrogate(f"torch.minimum(ratio * advantage, {CLIPPED}).mean()", "ratio = log_prob / old_log_prob"),
        ),
    ],
    "02-2": [
        ("on both sides", slope("np.where(abs(ratio - 1) < clip, ratio * advantage, 0.0)")),
        ("factor ρ is missing", slope("np.where(done, 0.0, advantage)")),
        ("without the clip", slope("ratio * advantage")),
        (
            "swapped",
            slope(
                "np.where(done, 0.0, ratio * advantage)",
                "done = np.where(advantage > 0, ratio < 1 - clip, ratio > 1 + clip)",
            ),
        ),
        ("slope of the loss", slope("np.where(done, 0.0, -ratio * advantage)")),
        (
            "that is the term itself",
            slope("np.minimum(ratio * advantage, np.clip(ratio, 1 - clip, 1 + clip) * advantage)"),
        ),
        ("test for a bad action", slope("np.where(done, 0.0, ratio * advantage)", "done = ratio > 1 + clip")),
        ("advantage is missing", slope("np.where(done, 0.0, ratio)")),
        ("is expected", slope("np.where(done, clip * advantage, ratio * advantage)")),
    ],
    "02-3": [
        ("never is", "def kl_exponent():\n    return 1.0"),
        ("root", "def kl_exponent():\n    return 0.5"),
        ("changes its sign", "def kl_exponent():\n    return 3.0"),
        ("not depend on the step", "def kl_exponent():\n    return 0.0"),
        ("change the policy less", "def kl_exponent():\n    return -2.0"),
        ("too large: hold your line", "def kl_exponent():\n    return 4.0"),
        ("too small: hold your line", "def kl_exponent():\n    return 1.5"),
    ],
    "02-4": [
        (
            "by a fall and by the clock at once",
            gae("rewards[t] + (1 - (terminated[t] and not truncated[t])) * gamma * next_values[t] - values[t]", TAIL),
        ),
        ("treated as a fall", gae("rewards[t] + (1 - over[t]) * gamma * next_values[t] - values[t]", TAIL)),
        ("no γ V", gae("rewards[t] + gamma * next_values[t] - values[t]", TAIL)),
        ("end of a truncated episode", gae(DELTA, "(1 - terminated[t]) * gamma * lam * following")),
        ("ends of all episodes", gae(DELTA, "gamma * lam * following")),
        ("ignored altogether", gae("rewards[t] + gamma * next_values[t] - values[t]", "gamma * lam * following")),
        ("λ is missing", gae(DELTA, "(1 - over[t]) * gamma * following")),
        ("γ is missing", gae(DELTA, "(1 - over[t]) * lam * following")),
        ("TD error δ alone", gae(DELTA, "0.0")),
        (
            "another episode's state",
            gae(
                DELTA.replace("next_values", "after"),
                TAIL,
                "following, after = 0.0, np.append(values[1:], next_values[-1])",
            ),
        ),
        ("target of the critic", gae(DELTA, TAIL).replace("return advantage", "return advantage + values")),
        (
            "is expected",
            """def advantages(rewards, values, next_values, terminated, truncated, gamma, lam):
    advantage, before = np.zeros(len(rewards)), 0.0
    for t in range(len(rewards)):
        delta = rewards[t] + (1 - terminated[t]) * gamma * next_values[t] - values[t]
        before = delta + gamma * lam * before
        advantage[t] = before
        before = 0.0 if terminated[t] or truncated[t] else before
    return advantage""",
        ),
    ],
    "02-5": [
        ("does not pull on the policy", loss().replace(".exp()", ".exp().detach()")),
        ("the critic does not learn", loss(critic="0.25 * (value.detach() - target).square().mean()")),
        ("has no gradient", loss().replace("    return ", "    made = ") + "\n    return made.item()"),
        ("with n - 1", loss(a="(advantage - advantage.mean()) / advantage.std(correction=0)")),
        ("must have variance 1", loss(a="advantage - advantage.mean()")),
        (
            "still wrong, the motors' log-probabilities: a joint density is a product, so its log is a sum",
            loss(AVERAGED),
        ),
        ("still wrong, the advantage: it is data", loss(advantage=LATER)),
        ("still wrong, the advantage: it is data", loss(advantage="(target - value).detach()")),
        ("still wrong, the clip: what does", loss(part=OPTIMIST)),
        ("is a sum; the advantage", loss(AVERAGED, LATER)),
        ("is a sum; the clip", loss(AVERAGED, part=OPTIMIST)),
        ("the new one); the clip", loss(advantage=LATER, part=OPTIMIST)),
        ("is a sum; the advantage", loss(AVERAGED, LATER, OPTIMIST)),
        ("the sign", loss(part="torch.minimum(ratio * a, ratio.clamp(1 - clip, 1 + clip) * a).mean()")),
        ("c_v ½ = ¼", loss(critic="0.5 * (value - target).square().mean()")),
        ("must still be scaled", loss(a="advantage")),
        ("critic's part is missing", loss(critic="0")),
        ("the loss is", loss(part="-(ratio.clamp(1 - clip, 1 + clip) * a).mean()")),
    ],
    "02-6": [
        ("innocent everywhere", 'def diagnosis():\n    return {"A": 4, "B": 6, "C": 1, "D": 2}'),
        ("never was 1", 'def diagnosis():\n    return {"A": 4, "B": 6, "C": 5, "D": 3}'),
        ("one number only", 'def diagnosis():\n    return {"A": 3, "B": 6, "C": 1, "D": 4}'),
        ("falls early", 'def diagnosis():\n    return {"A": 4, "B": 3, "C": 1, "D": 6}'),
        ("know about falling", 'def diagnosis():\n    return {"A": 4, "B": 6, "C": 1, "D": 5}'),
        ("guilty once", 'def diagnosis():\n    return {"A": 4, "B": 6, "C": 4, "D": 3}'),
        ("letters A to D", 'def diagnosis():\n    return {"A": 4}'),
        ("letters A to D", "def diagnosis():\n    return [4, 6, 1, 3]"),
        ("letters A to D", 'def diagnosis():\n    return {"A": "4", "B": "6", "C": "1", "D": "3"}'),
    ],
    "02-7": [
        ("hardly moves", settings("dict(minibatch_size=512, learning_rate=1e-6)")),
        ("throws away", settings("dict(minibatch_size=256, learning_rate=0.1, clip=1e6)")),
        ("fewer than six", settings("dict(rollout_steps=1000, minibatch_size=1000)")),
        ("dict of settings", settings("3")),
        ("does not stand for 600 steps", settings("{}")),
        ("does not stand for 600 steps", settings("dict(hidden=[64, 64])")),
        ("it stops with", settings("dict(learning_speed=1e-2)")),
        ("it stops with ArgumentError", settings("dict(minibatch_size=4096)")),
    ],
}
